"""The `data:` section of a config."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from nettrain.component import Count, Range, Share
from nettrain.data.augment import Augmentation
from nettrain.data.preprocess import Preprocessing
from nettrain.data.sources import FileSource, Source, Task
from nettrain.errors import Error

Kind = Literal["numeric", "categorical"]
Policy = Literal["error", "drop", "mean", "median", "most_frequent"]

HELD = ("validation", "test")
"""The parts that are kept from training."""
AXES = 32
"""Axes of a row: NumPy's arrays have at most 64, and batches and layers add to them."""


class HeldFile(str):
    """The file of a part that is kept from training."""

    wanted = "a file that ends in .csv, .tsv or .npz"

    @classmethod
    def from_config(cls, value: object) -> str:
        try:
            return FileSource(value).path  # type: ignore[arg-type]
        except Error:
            raise ValueError(f"expected {cls.wanted}") from None

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        pattern = r"\.([cC][sS][vV]|[tT][sS][vV]|[nN][pP][zZ])$"
        return {"type": "string", "pattern": pattern}


@dataclass(frozen=True)
class Split:
    """Which rows are kept from training.

    Attributes:
        validation: share of all rows, or a file of its own.
        test: share of all rows, or a file of its own.
        stratify: whether each class has the same share in every part; `auto` does so in
            a classification wherever the classes have rows enough.
        by: `random`, or `order`: the first rows train, the last ones test. `auto` is by
            order where rows follow one another, in a text or a series, else at random.
        folds: of a cross-validation: the rows that are not kept for the test are dealt
            into so many parts, and one of them validates.
        fold: which one, from 1.
    """

    validation: Share | HeldFile = 0.0
    test: Share | HeldFile = 0.0
    stratify: Literal["auto"] | bool = "auto"
    by: Literal["auto", "random", "order"] = "auto"
    folds: Annotated[int, Range(at_least=2)] | None = None
    fold: Count = 1

    def __post_init__(self) -> None:
        if sum(self.shares.values()) >= 1:
            shares = " + ".join(f"{share:g}" for share in self.shares.values())
            raise Error(
                "config-split",
                f"validation + test = {shares} leave no rows to train on",
                fix="shares are parts of all rows: validation + test must be below 1",
            )
        if self.stratify is True and self.by == "order":
            raise Error(
                "config-stratify",
                "stratify: true contradicts by: order, which takes rows as they stand",
                fix="leave one of the two out",
            )
        if self.folds and (self.validation or self.by == "order"):
            what = "validation" if self.validation else "by: order"
            raise Error(
                "config-split",
                f"folds: {self.folds} contradicts {what}: a random fold validates",
                fix="leave one of the two out",
            )
        if self.fold > (self.folds or 1):
            message = f"fold: {self.fold} of {self.folds or 1} folds"
            raise Error("config-split", message, fix="folds count from 1")

    @property
    def shares(self) -> dict[str, float]:
        """The share of each part that is taken from the rows of the source."""
        given = {part: getattr(self, part) for part in HELD}
        return {k: v for k, v in given.items() if not isinstance(v, str)}

    @property
    def files(self) -> dict[str, str]:
        """The file of each part that has its own."""
        given = {part: getattr(self, part) for part in HELD}
        return {k: v for k, v in given.items() if isinstance(v, str)}


DEFAULT_SPLIT = Split(0.15, 0.15)
"""Taken where no split is given, except for parts that the source itself holds."""


@dataclass(frozen=True)
class DataConfig:
    """The data, how they are prepared, and the batches they are given in.

    Attributes:
        source: a bundled set, a generator, or a file: `table.csv`, `arrays.npz`.
        target: the column to predict, or a list of them; sources that know theirs need
            none. `inputs`, where no column is called so: a row's inputs themselves, as
            the network sees them, one after the other, as an autoencoder predicts them.
        task: `classification` or `regression`. Where neither this nor the loss says it,
            texts and few integers mean classification.
        columns: the kind of single columns: `numeric`, `categorical` or `ignore`. A
            column is numeric where at least half of its cells are numbers.
        missing: what is done about a missing value, for all columns or for each by
            name: `error`, `drop` the row, or fill in the training part's `mean`,
            `median` or `most_frequent` value.
        split: which rows are kept for validation and test.
        preprocess: steps applied to the columns in turn, learned on the training part.
        augment: changes made to the training images, anew in each epoch; what is
            evaluated is as it was.
        standardize_target: whether a regression learns (y - mean) / std of its targets,
            by the training part. The loss is in these units; predictions and metrics
            are in the targets' own.
        shape: of one row as the network sees it, such as [1, 8, 8]; the flat row if not
            given.
        batch_size: rows in one batch; an update has `train.accumulate` of them.
        evaluation_batch_size: rows evaluated at a time.
        shuffle: whether the rows are put in a new order for each epoch.
    """

    source: Source
    target: str | tuple[str, ...] | None = None
    task: Task | None = None
    columns: dict[str, Literal["numeric", "categorical", "ignore"]] = field(
        default_factory=dict
    )
    missing: Policy | dict[str, Policy] = "error"
    split: Split = DEFAULT_SPLIT
    preprocess: tuple[Preprocessing, ...] = ()
    augment: tuple[Augmentation, ...] = ()
    standardize_target: bool = False
    shape: tuple[Count, ...] | None = None
    batch_size: Count = 32
    evaluation_batch_size: Count = 1024
    shuffle: bool = True

    def __post_init__(self) -> None:
        if self.shape is not None and len(self.shape) > AXES:
            raise Error(
                "config-shape",
                f"shape: {len(self.shape)} axes, and an array has at most {AXES}",
            )

    @property
    def nbytes(self) -> int:
        """Bytes of memory that all rows need at least; see `Source.nbytes`."""
        files = map(FileSource, self.split.files.values())
        return self.source.nbytes + sum(file.nbytes for file in files)

    def located(
        self, locate: Callable[[tuple[str | int, ...], str], str]
    ) -> DataConfig:
        """The same with each file name as `locate(path in the config, name)` has it."""
        source = self.source.located(locate)
        files: dict[str, Any] = {
            part: locate(("data", "split", part), name)
            for part, name in self.split.files.items()
        }
        split = replace(self.split, **files)
        return replace(self, source=source, split=split)
