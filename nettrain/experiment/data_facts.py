"""What the diagnosis is told of the data: inputs, targets, and their order."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

import numpy as np

from nettrain import randomness
from nettrain.data import batches
from nettrain.data.dataset import Dataset, Part
from nettrain.data.decide import FEW
from nettrain.data.kept import named
from nettrain.diagnose.facts import Inputs, Targets
from nettrain.experiment.drift import drift
from nettrain.experiment.schema import Experiment
from nettrain.experiment.telling import telling
from nettrain.nn import Loss

Array = np.ndarray

_CHUNK = 4096
"""Rows whose squares are held at a time."""
_PAIRED = 1024
"""Rows that are compared with each other."""
_CELLS = 20_000_000
"""Cells of a table up to which all its rows are."""
_WINDOWS, _WINDOW = 64, 32
"""How many stretches of rows stand for the order, and their fewest rows."""


def inputs(dataset: Dataset) -> Inputs:
    """Moments of each feature; rows there twice; what tells all, and what drifts."""
    train, validation = dataset.parts["train"], dataset.parts.get("validation")
    mean, std = _moments(dataset.preparation.by_feature(train.inputs))
    rows = Counter(_keys(train))
    shared = sum(row in rows for row in _keys(validation)) if validation else 0
    repeated = sum(count for count in rows.values() if count > 1)
    names, told = dataset.preparation.feature_names, telling(dataset)
    by_chance = near = math.inf
    if shared:
        by_chance, near = _coincidence(dataset), _near(dataset)
    moved = drift(dataset)
    return Inputs(names, mean, std, shared, repeated, by_chance, told, moved, near)


def _moments(values: Array) -> tuple[Array, Array]:
    """(F,) mean and standard deviation of rows (n, F), in float64, chunk by chunk."""
    rows = values
    mean = rows.mean(axis=0, dtype=np.float64)
    squares = np.zeros_like(mean)
    for start in range(0, len(rows), _CHUNK):
        squares += np.square(rows[start : start + _CHUNK] - mean).sum(axis=0)
    return mean, np.sqrt(squares / len(rows))


def _coincidence(dataset: Dataset) -> float:
    """How many other training rows a row is the same as, were the columns independent.

    n Π_c P(two rows have the same value in column c), by pairs of a sample.
    """
    train = dataset.parts["train"]
    some = np.linspace(0, len(train) - 1, min(len(train), _PAIRED)).astype(np.int64)
    _, columns = dataset.preparation.by_column(train.inputs[some])
    pairs, expected = len(columns) * (len(columns) - 1), float(len(train))
    for column in columns.T:
        _, counts = np.unique(column, return_counts=True)
        expected *= float((counts * (counts - 1)).sum() / max(1, pairs))
    return expected if columns.size else math.inf


def _near(dataset: Dataset) -> float:
    """The share of different training inputs that are another's but for one value.

    Those that come twice because there are few values come nearly twice, too; copies do
    not. inf of rows that are no table's, or too many.
    """
    train = dataset.parts["train"]
    _, columns = dataset.preparation.by_column(train.inputs)
    if len(columns) != len(train) or columns.size > _CELLS:
        return math.inf
    key, each = randomness.key(0, "diagnosis/rows"), list[Array]()
    for column in columns.T:
        values, number = np.unique(column, return_inverse=True)
        words = randomness.bits(key, len(each), 2 * len(values)).view(np.uint64)
        each.append(words[number])
    # Sums of random words, modulo 2^64, are the same where the values are.
    whole, first = np.unique(np.sum(each, axis=0), return_index=True)
    near = np.zeros(len(whole), bool)
    for own in (word[first] for word in each):
        _, number, counts = np.unique(
            whole - own, return_inverse=True, return_counts=True
        )
        near |= counts[number] > 1
    return float(near.mean())


def _keys(part: Part) -> Iterator[bytes]:
    """Inputs and targets of each row, to be compared with others."""
    for x, t in zip(part.inputs, part.targets, strict=True):
        yield x.tobytes() + t.tobytes()


# ---------------------------------------------------------------- targets


def targets(experiment: Experiment, dataset: Dataset, loss: Loss) -> Targets:
    """What the loss is given.

    Args:
        loss: with everything resolved that depends on the targets.
    """
    train, validation = dataset.parts["train"], dataset.parts.get("validation")
    preparation = dataset.preparation
    order = _order(experiment, train.targets, loss)
    rows, held = len(train), len(validation) if validation else 0
    if loss.task == "regression":
        mean, std = _moments(train.targets)
        names, alike = preparation.target_names, _like_classes(experiment, train, loss)
        return Targets(
            loss.task, rows, held, names, mean=mean, std=std,
            looks_like_classes=alike, order=order,
        )  # fmt: skip
    names = tuple(map(named, preparation.classes))
    counts = _counts(train.targets, loss, len(names))
    nothing = np.zeros(0, np.int64)
    seen = _counts(validation.targets, loss, len(names)) if validation else nothing
    several = bool(preparation.positions)
    return Targets(
        loss.task, rows, held, names, counts, seen, ignore=loss.ignore,
        sequences=several, order=order,
    )  # fmt: skip


def _counts(targets: Array, loss: Loss, classes: int) -> Array:
    """(K,) how many labels of each class count."""
    labels = targets.ravel()
    if loss.ignore is not None:
        labels = labels[labels != loss.ignore]
    return np.bincount(labels, minlength=classes)


def _like_classes(experiment: Experiment, train: Part, loss: Loss) -> bool:
    """Whether a regression's targets are what is taken for classes elsewhere.

    As where no loss says it: a source that knows its task, or few whole numbers. Who
    writes `task: regression`, or takes a loss for counts, has decided.
    """
    data = experiment.data
    if (
        data.task == "regression"
        or loss.registered_name == "poisson"
        or train.targets.shape[1] > 1
    ):
        return False
    values = np.unique(train.restored(train.targets).astype(np.float64))
    whole = np.allclose(values, np.round(values), rtol=0.0, atol=1e-4)
    few = len(values) <= min(FEW, max(2, len(train) // 2))
    return (whole and few) or getattr(data.source, "task", None) == "classification"


def _order(experiment: Experiment, targets: Array, loss: Loss) -> float:
    """Mean H0 of stretches of rows as epoch 1 takes them, over that of shuffled rows.

    A stretch is an update's, or 32 rows where it has fewer: in two or three rows there
    is one class by chance. Shuffled rows have no order.
    """
    data, rows = experiment.data, len(targets)
    size = max(data.batch_size * experiment.train.accumulate, _WINDOW)
    if data.shuffle or rows < 2 * size:
        return 1.0
    starts = np.linspace(0, rows - size, min(_WINDOWS, rows // size)).astype(int)
    shuffled = batches.order(experiment.seed, 1, rows)

    def prior(order: Array) -> float:
        return sum(loss.prior(targets[order[i : i + size]]) for i in starts)

    mixed = prior(shuffled)
    taken = prior(batches.order(experiment.seed, 1, rows, shuffle=False))
    return taken / mixed if mixed > 0 else 1.0
