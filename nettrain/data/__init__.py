"""Data: sources, tables, splits, preprocessing and batches."""

from nettrain.data import (  # noqa: F401  (they register sources)
    bundled,
    generators,
    idx,
    images,
    sequences,
    series,
    text,
)
from nettrain.data.batches import order, slices
from nettrain.data.dataset import Dataset, Part, part_of, prepare
from nettrain.data.kept import Kept
from nettrain.data.preparation import Preparation
from nettrain.data.preprocess import Preprocessing
from nettrain.data.profile import profile
from nettrain.data.schema import Rows
from nettrain.data.settings import DataConfig, Split
from nettrain.data.sources import ArraySource, FileSource, Source

__all__ = [
    "ArraySource",
    "DataConfig",
    "Dataset",
    "FileSource",
    "Kept",
    "Part",
    "Preparation",
    "Preprocessing",
    "Rows",
    "Source",
    "Split",
    "order",
    "part_of",
    "prepare",
    "profile",
    "slices",
]
