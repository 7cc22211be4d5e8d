"""Which columns alone tell a target, so that there is nothing else to learn."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from nettrain.data.dataset import Dataset
from nettrain.data.preparation import Preparation
from nettrain.diagnose.detectors import TellingColumn
from nettrain.diagnose.facts import Told

Array = np.ndarray

_ROWS = 20
"""Rows from which on it is no chance that a column tells the target in all of them."""
_SAMPLE = 1024
"""Rows by which most columns are seen to tell nothing."""
_VALUES = 256
"""Different values of a column or target beyond which it is a quantity, or an id."""
_EACH = 10
"""Rows of a value on the average: with fewer, petals tell the setosa of iris."""
_CLASS = 5
"""Rows of a class without which nothing is known of it."""
_NEARLY = 0.9
"""Share of the rows below which nothing is said."""
_EXACT = 1e-3
"""Error, in quartile ranges of a quantity, that the rounding of units explains."""
_WIDE = 256
"""Columns whose samples are held at a time."""
_ALIKE = 0.8
"""Share of the largest covariance of ranks below which nothing is in order."""
_HOW = ("same", "several", "follows", "gaps")
_FITTED = 512
"""Rows by which columns are seen to say something together."""
_RIDGE = 0.1
"""λ of their regression, per row."""
_NOTHING = 0.05
"""R² up to which they say nothing."""

Share = tuple[float, int]
"""A share, and of how many rows."""


def telling(dataset: Dataset) -> dict[str, Told]:
    """By name, what a column alone tells of a target in the training rows.

    None of columns that are not in a table, and of a single one: that is the task. Of
    a column that lacks values only the other rows count, or else where it does.
    """
    preparation, train = dataset.preparation, dataset.parts["train"]
    names, inputs = preparation.by_column(train.inputs)
    itself = preparation.feature_names == preparation.target_names
    single = len(inputs) == len(train) and not preparation.positions and not itself
    if not single or len(names) < 2:
        return {}
    targets = train.targets.reshape(len(train), -1)
    about = preparation.target_names, preparation.task
    texts = _texts(dataset, names)
    found = told(inputs, targets, *about, texts)
    for column, name in enumerate(names):
        if name in train.filled:
            gaps = train.filled[name]
            text = texts[column, None]
            there = told(inputs[~gaps, column, None], targets[~gaps], *about, text)
            lacking = told_by_gaps(gaps, targets, *about)
            either = [*there.values(), *([lacking] if lacking else [])]
            if either:
                found[column] = max(either, key=_plain)
    in_turn = np.argsort(train.rows, kind="stable")
    found = {
        column: each
        for column, each in sorted(found.items())
        if each.how != "follows" or not _never_turns(inputs[in_turn, column])
    }
    if preparation.task == "regression":
        found = _beside_others(found, inputs, targets, preparation.target_names)
    return {names[column]: each for column, each in found.items()}


def _texts(dataset: Dataset, names: Sequence[str]) -> Array:
    """(C,) whether the values of a column are numbers of texts."""
    kept = dataset.preparation
    known = set[str]()
    if isinstance(kept, Preparation):
        known = {column.name for column in kept.schema.of_kind("categorical")}
    return np.array([name in known for name in names])


def _never_turns(column: Array) -> bool:
    """Whether rows stand in its order, as in that of time, which a trend follows."""
    steps = np.diff(column)
    return bool((steps >= 0).all() or (steps <= 0).all())


def told(
    inputs: Array, targets: Array, names: Sequence[str], task: str, texts: Array
) -> dict[int, Told]:
    """By index of columns (n, C), what each alone tells of targets (n, T).

    Each value of a column that comes again tells the class that most of its rows have;
    the share is that of the class of which least is told, as a rare one would hardly
    count. A quantity is told by a line through the rows, and by a column that it
    determines: which never falls, or never rises, while it rises. Only columns that
    tell at least `_NEARLY` are listed. An id, which has a value for each row, tells
    nothing of others.

    Args:
        names: of the T targets.
        task: of a `regression` the targets are quantities.
        texts: (C,) whether a column's values are numbers of texts, of no order.
    """
    found: dict[int, Told] = {}
    if len(inputs) < _ROWS:
        return found
    for name, target in zip(names, targets.T, strict=True):
        classes, labels = np.unique(target, return_inverse=True)
        each: list[tuple[int, Told]] = []
        if task == "regression":
            order = _by_order(_in_order(inputs, target, texts), target)
            each += [
                (c, Told(name, share, "same", rows))
                for c, (share, rows) in _by_line(inputs, target)
            ]
            each += [
                (c, Told(name, share, "follows", rows)) for c, (share, rows) in order
            ]
        else:
            each += [
                (c, Told(name, share, "several", rows))
                for c, (share, rows) in _by_commonest(inputs, labels)
            ]
        if len(classes) <= min(_VALUES, len(inputs) // 2):
            for column, (share, rows) in _by_value(inputs, labels):
                same = len(np.unique(inputs[:, column])) == len(classes)
                new = Told(name, share, "same" if same else "several", rows)
                each.append((column, new))
        for column, new in each:
            if new.share >= _NEARLY:
                best = found.setdefault(column, new)
                found[column] = max(best, new, key=_plain)
    return found


def told_by_gaps(
    gaps: Array, targets: Array, names: Sequence[str], task: str
) -> Told | None:
    """What the rows (n,) where a column is missing tell of targets (n, T).

    They are those of a class, or of a quantity's commonest value, and no others; or
    those where a quantity is below some value, or above.
    """
    shares: list[Told] = []
    for name, target in zip(names, targets.T, strict=True):
        values, labels, counts = np.unique(
            target, return_inverse=True, return_counts=True
        )
        each = np.arange(len(values)) if task != "regression" else [counts.argmax()]
        found = [
            _alike(lacking, labels == value)
            for value in each
            for lacking in (gaps, ~gaps)
        ]
        if task == "regression":
            found.append(_followed(gaps, target))
        share, rows = max(found)
        shares.append(Told(name, share, "gaps", rows))
    best = max(shares, key=_plain)
    return best if best.share >= _NEARLY else None


def _plain(told: Told) -> tuple[float, int]:
    """Of what is told by as much the plainest counts."""
    return told.share, -_HOW.index(told.how)


def _alike(gaps: Array, one: Array) -> Share:
    """Two answers (n,) to the same question: the share of the rarer agreement."""
    if min(np.count_nonzero(one), np.count_nonzero(~one)) < _CLASS:
        return 0.0, 0
    each = [(own, int(own.sum())) for own in (one, ~one)]
    return min((float((own & (gaps == one)).sum() / n), n) for own, n in each)


# ---------------------------------------------------------------- other columns


def _beside_others(
    found: dict[int, Told], inputs: Array, targets: Array, names: Sequence[str]
) -> dict[int, Told]:
    """What columns tell (`found`) of quantities; as needed, where others say nothing.

    A law that one column obeys looks as the target in other words does: a fee is twice
    the weight. Without that column there would be no task.
    """
    sure = [c for c, told in found.items() if told.share >= TellingColumn.nearly]
    others = np.setdiff1d(np.arange(inputs.shape[1]), sure)
    some = np.linspace(0, len(inputs) - 1, min(len(inputs), _FITTED)).astype(np.int64)
    for name, target in zip(names, targets[some].T, strict=True):
        own = {
            column: replace(found[column], how="follows", needed=True)
            for column in sure
            if found[column].target == name and found[column].how in ("same", "follows")
        }
        _, ranks = np.unique(target, return_inverse=True)
        left = _explained(inputs[np.ix_(some, others)], ranks) if own else 1.0
        found = found | (own if left <= _NOTHING else {})
    return found


def _explained(inputs: Array, values: Array) -> float:
    """R² of values (n,) by columns (n, C), of each half of the rows by the other.

    Ridge regression with the kernel exp(-|x - x'|² / 2 C) of standardized columns
    (Saunders, Gammerman and Vovk, ICML 1998).
    """
    x, y = inputs.astype(np.float64), values.astype(np.float64)
    spread, width = x.std(axis=0), max(1, x.shape[1])
    x = (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1.0) / width**0.5
    line = x @ x.T
    square = np.diag(line)
    kernel = np.exp(line - (square[:, None] + square) / 2)
    halves = np.arange(0, len(x), 2), np.arange(1, len(x), 2)
    left = total = 0.0
    for own, other in (halves, halves[::-1]):
        mean = y[own].mean()
        gram = kernel[np.ix_(own, own)] + _RIDGE * len(own) * np.eye(len(own))
        weights = np.linalg.solve(gram, y[own] - mean)
        made = mean + kernel[np.ix_(other, own)] @ weights
        left += float(np.square(y[other] - made).sum())
        total += float(np.square(y[other] - mean).sum())
    return 1 - left / total if total > 0 else 0.0


# ---------------------------------------------------------------- classes


def _by_commonest(inputs: Array, labels: Array) -> Iterator[tuple[int, Share]]:
    """Columns whose commonest value stands for one of two classes, and others not."""
    some = _sample(labels) if labels.max() == 1 else ()
    for column in range(inputs.shape[1] if len(some) else 0):
        values, counts = np.unique(inputs[some, column], return_counts=True)
        value = values[counts.argmax()]
        one = labels[some][inputs[some, column] == value]
        label = np.bincount(one).argmax()
        if np.count_nonzero(one == label) >= _NEARLY * len(one) >= _CLASS:
            yield column, _alike(inputs[:, column] == value, labels == label)


def _by_value(inputs: Array, labels: Array) -> Iterator[tuple[int, Share]]:
    """Columns with few values, and how much of the labels (n,) each tells."""
    some = _sample(labels)
    if not len(some):
        return
    for first in range(0, inputs.shape[1], _WIDE):
        seen = inputs[some, first : first + _WIDE]
        order = np.argsort(seen, axis=0, kind="stable")
        same = np.diff(np.take_along_axis(seen, order, axis=0), axis=0) == 0
        other = np.diff(labels[some][order], axis=0) != 0
        few = np.count_nonzero(~same, axis=0) < min(_VALUES, len(some) / 2)
        # A row of another class than its value's stands between two of that.
        wrong = np.count_nonzero(same & other, axis=0)
        for column in np.flatnonzero(few & (wrong <= 2 * (1 - _NEARLY) * len(some))):
            yield first + int(column), _told(inputs[:, first + column], labels)


def _sample(labels: Array) -> Array:
    """Rows in which all classes are about as frequent, and take turns; () of one."""
    counts = np.bincount(labels)
    known = np.flatnonzero(counts >= _CLASS)
    if len(known) < 2:
        return np.zeros(0, np.int64)
    ordered = np.argsort(labels, kind="stable")
    starts = np.cumsum(counts) - counts
    rows, turns = [], []
    for k in known.tolist():
        some = min(int(counts[k]), -(-_SAMPLE // len(known)))
        at = starts[k] + np.linspace(0, counts[k] - 1, some).astype(np.int64)
        rows.append(ordered[at])
        turns.append(np.arange(some) / some)
    order = np.argsort(np.concatenate(turns), kind="stable")
    return np.concatenate(rows)[order]


def _told(column: Array, labels: Array) -> Share:
    """The share of the labels (n,) that a column (n,) tells, of the class told least.

    0 of a column with too many values to be anything but an id or a quantity.
    """
    values, number = np.unique(column, return_inverse=True)
    classes = int(labels.max()) + 1
    other_words = len(values) == classes and 2 * classes <= len(labels)
    few = len(values) <= min(_VALUES, len(labels) // _EACH)
    if not (few or other_words):
        return 0.0, 0
    table = np.bincount(number * classes + labels, minlength=len(values) * classes)
    table = table.reshape(len(values), classes)
    known = table.sum(axis=0) >= _CLASS
    several = table[table.sum(axis=1) >= 2]  # what comes once is no evidence
    counts = several.sum(axis=0)
    if (2 * counts < table.sum(axis=0))[known].any():
        return 0.0, 0
    right = np.bincount(several.argmax(axis=1), several.max(axis=1), minlength=classes)
    shares = right[known] / counts[known]
    least = int(shares.argmin())
    return float(shares[least]), int(counts[known][least])


# ---------------------------------------------------------------- quantities


def _by_line(inputs: Array, target: Array) -> Iterator[tuple[int, Share]]:
    """Columns of which a quantity (n,) is a linear function, and in how many rows."""
    some = np.linspace(0, len(inputs) - 1, min(len(inputs), _SAMPLE)).astype(np.int64)
    for first in range(0, inputs.shape[1], _WIDE):
        seen = inputs[some, first : first + _WIDE].astype(np.float64)
        x, y = seen - seen.mean(axis=0), target[some].astype(np.float64)
        y -= y.mean()
        with np.errstate(all="ignore"):
            explained = (y @ x) ** 2 / (np.square(x).sum(axis=0) * (y @ y))
        for column in np.flatnonzero(explained > 1 - _EXACT):
            share = _on_line(inputs[:, first + column], target)
            yield first + int(column), (share, len(target))


def _on_line(column: Array, target: Array) -> float:
    """The share of the rows that lie on the least-squares line."""
    x, y = column.astype(np.float64), target.astype(np.float64)
    x, y = x - x.mean(), y - y.mean()
    low, high = np.quantile(y, [0.25, 0.75])
    off = np.abs(y - x * (x @ y / (x @ x)))
    wide = high - low if high > low else y.std()  # as of a target that is mostly 0
    return float(np.mean(off <= _EXACT * wide))


# ---------------------------------------------------------------- order


def _in_order(inputs: Array, target: Array, texts: Array) -> Array:
    """Inputs (n, C), each text's number by the mean of a quantity (n,) where it stands.

    0 of texts of which each comes but a few times, and where values of the quantity
    come again: few of them lie apart by themselves, as three sizes' prices.
    """
    rare = 2 * len(np.unique(target)) > len(target)
    ordered = inputs.copy() if texts.any() else inputs
    for column in np.flatnonzero(texts):
        values, number, counts = np.unique(
            inputs[:, column], return_inverse=True, return_counts=True
        )
        means = np.bincount(number, target) / counts
        few = rare and len(values) <= len(target) // _EACH
        ordered[:, column] = np.argsort(np.argsort(means))[number] if few else 0
    return ordered


def _by_order(inputs: Array, target: Array) -> Iterator[tuple[int, Share]]:
    """Columns that rise or fall with a quantity (n,), and in how many rows."""
    some = np.linspace(0, len(inputs) - 1, min(len(inputs), _SAMPLE)).astype(np.int64)
    place = np.arange(len(some)) - (len(some) - 1) / 2
    by_target = some[np.argsort(target[some], kind="stable")]
    for first in range(0, inputs.shape[1], _WIDE):
        seen = inputs[by_target, first : first + _WIDE]
        order = np.argsort(seen, axis=0, kind="stable")
        rises = np.diff(np.take_along_axis(seen, order, axis=0), axis=0) > 0
        ranks = np.zeros(seen.shape)
        np.cumsum(rises, axis=0, out=ranks[1:])
        most = place @ ranks
        np.put_along_axis(ranks, order, ranks.copy(), axis=0)
        for column in np.flatnonzero(
            (most > 0) & (abs(place @ ranks) >= _ALIKE * most)
        ):
            yield first + int(column), _followed(inputs[:, first + column], target)


def _followed(column: Array, target: Array) -> Share:
    """The share of the rows by which a column (n,) never falls while a target rises.

    Or never rises. Of rows without its commonest value: they would make any column with
    a few others look so. Where the target is one value, the column has to be; but of a
    quantity that hardly comes twice that is rounding. What follows has no more values
    than the target: it was rounded or cut, and not the target.
    """
    values, number, counts = np.unique(column, return_inverse=True, return_counts=True)
    others = len(column) - int(counts.max())
    if others < _ROWS:
        return 0.0, 0
    different = len(np.unique(target))
    ties = 1 if 2 * different > len(target) else -1
    wrong = len(column)
    for ranks in (number, len(values) - number):
        ordered = ranks[np.lexsort((ties * ranks, target))]
        falls = int(np.count_nonzero(np.diff(ordered) < 0))
        if falls <= min(wrong, (1 - _NEARLY) * others):
            wrong = min(wrong, len(column) - _longest(ordered) if falls else 0)
    if len(values) - wrong > different:
        return 0.0, 0
    return max(0.0, 1 - wrong / others), others


def _longest(ranks: Array) -> int:
    """The length of the longest subsequence that never falls.

    C. Schensted, Longest increasing and decreasing subsequences, 1961.
    """
    ends: list[int] = []
    for rank in ranks.tolist():
        at = bisect_right(ends, rank)
        ends[at : at + 1] = [rank]
    return len(ends)
