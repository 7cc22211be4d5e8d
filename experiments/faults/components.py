"""Components that faults are made of: spoilt samples, an optimizer that forgets.

They are registered like any other component, so that a faulty run is a plain config and
can be trained, patched and read like one.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from nettrain.component import Component, Count, Positive, Share, register
from nettrain.data import split as splitting
from nettrain.data.sources import Loaded, Placer, Source, Task, nowhere, table_of
from nettrain.data.table import Table
from nettrain.graph import Node
from nettrain.optim.adaptive import Adam
from nettrain.optim.optimizer import Slots
from nettrain.randomness import key
from nettrain.training.metrics import Metric

Part = tuple[np.ndarray, np.ndarray]
Parts = dict[str, Part]
"""Inputs (n, F) and targets (n,) of `train`, `validation` and `test`."""

SEEN = ("train", "validation")
"""What is spoilt: the person has these rows. The test rows are the truth."""


# ---------------------------------------------------------------- spoiling


class Spoiling(Component):
    """Something that is wrong with the data."""

    kind = "spoiling"

    def spoil(self, parts: Parts, draw: np.random.Generator) -> Parts:
        """The parts as the person has them."""
        raise NotImplementedError


@register("scaled")
class Scaled(Spoiling):
    """Inputs in another unit, in all parts alike.

    Attributes:
        factor: what they are multiplied by.
        features: how many of them, from the first; 0 means all.
    """

    factor: Positive = 1000.0
    features: int = 0

    def spoil(self, parts: Parts, draw: np.random.Generator) -> Parts:
        width = parts["train"][0].shape[1]
        factors = np.where(np.arange(width) < (self.features or width), self.factor, 1)
        return {part: (x * factors, y) for part, (x, y) in parts.items()}


@register("shuffled_labels")
class ShuffledLabels(Spoiling):
    """A share of the targets changes places, so that they tell nothing of their rows.

    Attributes:
        share: of the rows that are seen.
    """

    share: Share = 1.0

    def spoil(self, parts: Parts, draw: np.random.Generator) -> Parts:
        return _relabelled(parts, lambda y: self._shuffled(y, draw))

    def _shuffled(self, y: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        chosen = draw.permutation(len(y))[: round(self.share * len(y))]
        new = y.copy()
        new[chosen] = y[draw.permutation(chosen)]
        return new


@register("wrong_labels")
class WrongLabels(Spoiling):
    """A share of the class labels is another class, each other one as likely.

    Attributes:
        share: of the rows that are seen.
    """

    share: Share = 0.2

    def spoil(self, parts: Parts, draw: np.random.Generator) -> Parts:
        classes = int(max(y.max() for _, y in parts.values())) + 1

        def wrong(y: np.ndarray) -> np.ndarray:
            chosen = draw.permutation(len(y))[: round(self.share * len(y))]
            new = y.copy()
            shift = draw.integers(1, classes, len(chosen))
            new[chosen] = (y[chosen] + shift) % classes
            return new

        return _relabelled(parts, wrong)


def _relabelled(parts: Parts, change: Any) -> Parts:
    seen = {part: (parts[part][0], change(parts[part][1])) for part in SEEN}
    return {**parts, **seen}


@register("few")
class Few(Spoiling):
    """Only so many rows to train on, the classes in turn.

    Attributes:
        rows: how many.
    """

    rows: Count = 20

    def spoil(self, parts: Parts, draw: np.random.Generator) -> Parts:
        x, y = parts["train"]
        keep = np.arange(len(y))
        if _are_classes(y):
            keep = _dealt(y)
        keep = np.sort(keep[: self.rows])
        return {**parts, "train": (x[keep], y[keep])}


def _dealt(y: np.ndarray) -> np.ndarray:
    """Row numbers, one of each class in turn."""
    turn = np.zeros(len(y), np.int64)
    for label in np.unique(y):
        own = np.flatnonzero(y == label)
        turn[own] = np.arange(len(own))
    return np.argsort(turn, kind="stable")


@register("imbalanced")
class Imbalanced(Spoiling):
    """The later half of the classes is so many times rarer in what is seen.

    Attributes:
        ratio: of the largest class to the smallest.
    """

    ratio: Positive = 25.0

    def spoil(self, parts: Parts, draw: np.random.Generator) -> Parts:
        return {p: self._rare(*parts[p]) if p in SEEN else parts[p] for p in parts}

    def _rare(self, x: np.ndarray, y: np.ndarray) -> Part:
        classes, counts = np.unique(y, return_counts=True)
        allowed = max(1, int(counts.min() / self.ratio))
        keep = np.ones(len(y), bool)
        for label in classes[-(-len(classes) // 2) :]:
            keep[np.flatnonzero(y == label)[allowed:]] = False
        return x[keep], y[keep]


@register("sorted")
class Sorted(Spoiling):
    """The training rows stand in the order of their targets."""

    def spoil(self, parts: Parts, draw: np.random.Generator) -> Parts:
        x, y = parts["train"]
        order = np.argsort(y, kind="stable")
        return {**parts, "train": (x[order], y[order])}


def _are_classes(y: np.ndarray) -> bool:
    return bool((y == np.round(y)).all()) and len(np.unique(y)) <= len(y) // 4


# ---------------------------------------------------------------- samples


@register("sample")
class Sample(Source):
    """Some rows of another source, cut into 60 % train, 20 % validation and 20 % test.

    Spoilings change what is seen while training, and never the test rows' targets.
    Rows, cut and spoilings depend on the seed alone, so that a faulty run and its
    healthy twin are tested on the same rows. Quantities to predict have mean 0 and
    standard deviation 1, unless they are wanted raw.

    Attributes:
        of: where the rows come from.
        rows: how many; all of them where 0.
        spoilt: what is wrong with them, in turn.
        raw_target: whether a quantity to predict keeps its unit.
    """

    of: Source
    rows: int = 0
    spoilt: tuple[Spoiling, ...] = ()
    raw_target: bool = False

    def load(self, seed: int, place: Placer = nowhere) -> Loaded:
        parts, _ = clean_parts(self, seed)
        for i, spoiling in enumerate(self.spoilt):
            name = f"{i}/{spoiling.registered_name}"
            draw = np.random.default_rng([seed, zlib.crc32(name.encode())])
            parts = spoiling.spoil(parts, draw)
        tables = {part: table_of(x, y, "sample") for part, (x, y) in parts.items()}
        # A loss for the wrong task has to be possible: the loss alone decides the task.
        return Loaded(tables, ("target",))


def clean_parts(sample: Sample, seed: int) -> tuple[Parts, Task]:
    """The rows before anything is wrong with them, and the true task."""
    loaded = sample.of.load(seed)
    task: Task = loaded.task or "classification"
    x, y = _arrays(loaded.tables["train"], loaded.targets[0], task)
    chosen = splitting.at_random(
        len(y),
        {"train": sample.rows or len(y), "test": len(y) - (sample.rows or len(y))},
        key(seed, "sample/rows"),
    )["train"]
    x, y = x[chosen], y[chosen]
    if task == "regression" and not sample.raw_target:
        y = (y - y.mean()) / y.std()
    counts = splitting.sizes(len(y), {"validation": 0.2, "test": 0.2})
    cut = None
    if task == "classification":
        cut = splitting.stratified(y.astype(np.int64), counts, key(seed, "sample/cut"))
    cut = cut or splitting.at_random(len(y), counts, key(seed, "sample/cut"))
    return {part: (x[rows], y[rows]) for part, rows in cut.items()}, task


def _arrays(table: Table, target: str, task: Task) -> Part:
    names = [name for name in table.names if name != target]
    x = np.stack([table.numbers(name)[0] for name in names], axis=1)
    if task == "regression" or table.kind(target) == "numeric":
        return x, table.numbers(target)[0]
    return x, np.unique(table.texts(target), return_inverse=True)[1].astype(float)


# ---------------------------------------------------------------- training


@register("forgetful")
class Forgetful(Adam):
    """Adam that was not given one of the parameters.

    Attributes:
        beta1, beta2, epsilon, weight_decay: as in Adam.
        forgets: path of the parameter that stays as it is.
    """

    forgets: str = ""

    def update(
        self, parameter: Node, gradient: Node, slots: Slots, rate: Node, step: Node
    ) -> Node:
        if parameter.path == self.forgets:
            return parameter
        return super().update(parameter, gradient, slots, rate, step)


@register("rounded_accuracy")
class RoundedAccuracy(Metric):
    """The share of rows whose class number is the prediction, rounded."""

    task = "regression"

    def compute(self, predictions: np.ndarray, targets: np.ndarray) -> float:
        return float(np.mean(np.round(predictions) == targets))
