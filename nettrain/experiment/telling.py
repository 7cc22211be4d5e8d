"""Which columns alone tell a target, so that there is nothing else to learn."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

import numpy as np

from nettrain.data.dataset import Dataset
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
    found = told(inputs, targets, *about)
    for column, name in enumerate(names):
        if name in train.filled:
            gaps = train.filled[name]
            there = told(inputs[~gaps, column, None], targets[~gaps], *about)
            lacking = told_by_gaps(gaps, targets, *about)
            either = [*there.values(), *([lacking] if lacking else [])]
            if either:
                found[column] = max(either, key=_plain)
    in_turn = np.argsort(train.rows, kind="stable")
    return {
        names[column]: each
        for column, each in sorted(found.items())
        if each.how != "follows" or not _never_turns(inputs[in_turn, column])
    }


def _never_turns(column: Array) -> bool:
    """Whether rows stand in its order, as in that of time, which a trend follows."""
    steps = np.diff(column)
    return bool((steps >= 0).all() or (steps <= 0).all())


def told(
    inputs: Array, targets: Array, names: Sequence[str], task: str
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
    """
    found: dict[int, Told] = {}
    if len(inputs) < _ROWS:
        return found
    for name, target in zip(names, targets.T, strict=True):
        classes, labels = np.unique(target, return_inverse=True)
        each: list[tuple[int, Told]] = []
        if task == "regression":
            line, order = _by_line(inputs, target), _by_order(inputs, target)
            each += [(column, Told(name, share)) for column, share in line]
            each += [(column, Told(name, share, "follows")) for column, share in order]
        if len(classes) <= min(_VALUES, len(inputs) // 2):
            for column, share in _by_value(inputs, labels):
                same = len(np.unique(inputs[:, column])) == len(classes)
                each.append((column, Told(name, share, "same" if same else "several")))
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
        shares.append(Told(name, max(found), "gaps"))
    best = max(shares, key=_plain)
    return best if best.share >= _NEARLY else None


def _plain(told: Told) -> tuple[float, int]:
    """Of what is told by as much the plainest counts."""
    return told.share, -_HOW.index(told.how)


def _alike(gaps: Array, one: Array) -> float:
    """Two answers (n,) to the same question: the share of the rarer agreement."""
    both = [one & gaps, ~one & ~gaps]
    if min(np.count_nonzero(one), np.count_nonzero(~one)) < _CLASS:
        return 0.0
    return float(min(both[0].sum() / one.sum(), both[1].sum() / (~one).sum()))


# ---------------------------------------------------------------- classes


def _by_value(inputs: Array, labels: Array) -> Iterator[tuple[int, float]]:
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


def _told(column: Array, labels: Array) -> float:
    """The share of the labels (n,) that a column (n,) tells, of the class told least.

    0 of a column with too many values to be anything but an id or a quantity.
    """
    values, number = np.unique(column, return_inverse=True)
    classes = int(labels.max()) + 1
    other_words = len(values) == classes and 2 * classes <= len(labels)
    few = len(values) <= min(_VALUES, len(labels) // _EACH)
    if not (few or other_words):
        return 0.0
    table = np.bincount(number * classes + labels, minlength=len(values) * classes)
    table = table.reshape(len(values), classes)
    known = table.sum(axis=0) >= _CLASS
    several = table[table.sum(axis=1) >= 2]  # what comes once is no evidence
    counts = several.sum(axis=0)
    if (2 * counts < table.sum(axis=0))[known].any():
        return 0.0
    right = np.bincount(several.argmax(axis=1), several.max(axis=1), minlength=classes)
    return float((right[known] / counts[known]).min())


# ---------------------------------------------------------------- quantities


def _by_line(inputs: Array, target: Array) -> Iterator[tuple[int, float]]:
    """Columns of which a quantity (n,) is a linear function, and in how many rows."""
    some = np.linspace(0, len(inputs) - 1, min(len(inputs), _SAMPLE)).astype(np.int64)
    for first in range(0, inputs.shape[1], _WIDE):
        seen = inputs[some, first : first + _WIDE].astype(np.float64)
        x, y = seen - seen.mean(axis=0), target[some].astype(np.float64)
        y -= y.mean()
        with np.errstate(all="ignore"):
            explained = (y @ x) ** 2 / (np.square(x).sum(axis=0) * (y @ y))
        for column in np.flatnonzero(explained > 1 - _EXACT):
            yield first + int(column), _on_line(inputs[:, first + column], target)


def _on_line(column: Array, target: Array) -> float:
    """The share of the rows that lie on the least-squares line."""
    x, y = column.astype(np.float64), target.astype(np.float64)
    x, y = x - x.mean(), y - y.mean()
    low, high = np.quantile(y, [0.25, 0.75])
    off = np.abs(y - x * (x @ y / (x @ x)))
    wide = high - low if high > low else y.std()  # as of a target that is mostly 0
    return float(np.mean(off <= _EXACT * wide))


# ---------------------------------------------------------------- order


def _by_order(inputs: Array, target: Array) -> Iterator[tuple[int, float]]:
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


def _followed(column: Array, target: Array) -> float:
    """The share of the rows by which a column (n,) never falls while a target rises.

    Or never rises. Of rows with its commonest value: they would make any column with a
    few others look so. Where the target is one value, the column has to be; but of a
    quantity that hardly comes twice that is rounding.
    """
    values, number, counts = np.unique(column, return_inverse=True, return_counts=True)
    others = len(column) - int(counts.max())
    if others < _ROWS:
        return 0.0
    ties = 1 if 2 * len(np.unique(target)) > len(target) else -1
    wrong = len(column)
    for ranks in (number, len(values) - number):
        ordered = ranks[np.lexsort((ties * ranks, target))]
        falls = int(np.count_nonzero(np.diff(ordered) < 0))
        if falls <= min(wrong, (1 - _NEARLY) * others):
            wrong = min(wrong, len(column) - _longest(ordered) if falls else 0)
    return max(0.0, 1 - wrong / others)


def _longest(ranks: Array) -> int:
    """The length of the longest subsequence that never falls.

    C. Schensted, Longest increasing and decreasing subsequences, 1961.
    """
    ends: list[int] = []
    for rank in ranks.tolist():
        at = bisect_right(ends, rank)
        ends[at : at + 1] = [rank]
    return len(ends)
