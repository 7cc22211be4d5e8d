"""How far validation rows are from training rows, feature by feature."""

from __future__ import annotations

import math

import numpy as np

from nettrain.data.dataset import Dataset, Part
from nettrain.data.kept import named
from nettrain.data.preparation import Preparation
from nettrain.diagnose.facts import Drift

Array = np.ndarray

_SAMPLE = 1024
"""Rows of each part that are compared."""
_WIDE = 256
"""Features that are compared at a time."""
_CHANCE = 0.001


def drift(dataset: Dataset) -> Drift | None:
    """What differs most between training and validation rows.

    None where there are none to validate, or nothing but symbols.
    """
    train, validation = dataset.parts["train"], dataset.parts.get("validation")
    names, pairs = _compared(dataset, train, validation) if validation else ([], [])
    if not validation or not names:
        return None
    distances = np.concatenate([_distances(*pair) for pair in pairs])
    shifts = np.concatenate([_shifts(*pair) for pair in pairs])
    worst = int(distances.argmax())
    each = sum(1 / min(len(part), _SAMPLE) for part in (train, validation))
    table = isinstance(dataset.preparation, Preparation)
    return Drift(
        names[worst],
        float(distances[worst]),
        math.sqrt(math.log(2 * len(names) / _CHANCE) / 2 * each),
        float(shifts[worst]),
        table and bool(train.rows.max() < validation.rows.min()),
    )


def _compared(
    dataset: Dataset, train: Part, validation: Part
) -> tuple[list[str], list[tuple[Array, Array]]]:
    """Names of features and targets, and of these and those some rows of both parts.

    Of a class it is whether a row has it.
    """
    kept, parts = dataset.preparation, (train, validation)
    names: list[str] = []
    pairs: list[tuple[Array, Array]] = []
    if not kept.symbols:
        names += kept.feature_names
        x, y = (_some(kept.by_feature(_some(part.inputs))) for part in parts)
        pairs.append((x, y))
    if not kept.positions:
        x, y = (_some(part.targets).reshape(-1, 1) for part in parts)
        if kept.classes:
            names += map(named, kept.classes)
            classes = np.arange(len(kept.classes))
            x, y = x == classes, y == classes
        else:
            names += kept.target_names
            x, y = (each.reshape(-1, len(kept.target_names)) for each in (x, y))
        pairs.append((x, y))
    return names, pairs


def _some(rows: Array) -> Array:
    at = np.linspace(0, len(rows) - 1, min(len(rows), _SAMPLE)).astype(np.int64)
    return rows[at]


def _distances(x: Array, y: Array) -> Array:
    """(C,): the largest difference of the distribution functions of x and y (·, C).

    N. Smirnov, 1948.
    """
    found = np.zeros(x.shape[1])
    for first in range(0, len(found), _WIDE):
        both = np.concatenate([z[:, first : first + _WIDE] for z in (x, y)])
        order = np.argsort(both, axis=0, kind="stable")
        both = np.take_along_axis(both, order, axis=0)
        gone = np.cumsum(np.where(order < len(x), 1 / len(x), -1 / len(y)), axis=0)
        ends = both[1:] != both[:-1]  # in between equal values nothing is compared
        found[first : first + _WIDE] = np.abs(gone[:-1] * ends).max(axis=0)
    return found


def _shifts(x: Array, y: Array) -> Array:
    """(C,): of the mean, in standard deviations of x."""
    std = x.std(axis=0, dtype=np.float64)
    moved = y.mean(axis=0, dtype=np.float64) - x.mean(axis=0, dtype=np.float64)
    shifts: Array = np.divide(moved, std, out=np.zeros(len(std)), where=std > 0)
    return shifts
