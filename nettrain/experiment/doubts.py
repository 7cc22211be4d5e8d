"""What in a table may be meant otherwise than it is read, by its values alone."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from nettrain.component import listed, show
from nettrain.data.sources import FileSource
from nettrain.data.table import PLAIN, Table, is_number
from nettrain.experiment.columns import rows, shortened

_LAST = 3
"""Rows at the end of a table among which sums and means are looked for."""
_ADDED = 5
"""Numbers of a column with fewer of which one may be their sum by chance."""
_FEWEST = 3
"""Different values of a column without which nothing is far from them."""
_ROUNDED = 1e-9
"""Share of the sum of all numbers that adding them up may lose."""
_NINES = re.compile(r"-?9+(\.9+)?|-1")
"""Numbers that people write where there is none."""
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}\.\d{3}", re.ASCII)

Numbers = Mapping[str, np.ndarray]
"""Columns of numbers (n,), NaN where there is none."""


class Doubt(NamedTuple):
    """Something for a person to judge."""

    words: str
    """What was seen, and what to do, or to say, were it meant otherwise."""
    reading: Mapping[str, Any] = {}
    """Fields of the source that are to be said then."""
    missing: Mapping[str, str] = {}
    """Policies that are to be said then, by the names of columns."""


def doubts(
    source: FileSource, table: Table, inputs: Sequence[str], targets: Sequence[str]
) -> list[Doubt]:
    """What a person is asked; nothing where nothing is strange.

    Args:
        inputs: the columns of numbers to learn from.
    """
    if not table.locate:
        return []
    numbers = {
        name: table.numbers(name).values
        for name in table.names
        if table.kind(name) == "numeric"
    }
    used = {n: numbers[n] for n in (*inputs, *targets) if n in numbers}
    with np.errstate(all="ignore"):  # there may be numbers of any size
        told = [*_totals(table, numbers), *_other_reading(source, table, numbers)]
        return [*told, *_fillings(source, table, used, targets)]


# ---------------------------------------------------------------- sums and means


def _totals(table: Table, numbers: Numbers) -> Iterator[Doubt]:
    """Rows at the end that hold the sums, or the means, of those above."""
    filled = [np.flatnonzero(np.isfinite(values)) for values in numbers.values()]
    last = max((int(there[-1]) for there in filled if there.size), default=-1)
    above = np.ones(last + 1, bool)
    for row in range(max(0, last + 1 - _LAST), last + 1):
        what, name = _totalled(numbers, row, above[:row])
        if what:
            above[row] = False
            (cell,) = table.find([(row, table.position(name))])
            yield Doubt(
                f"line {cell.place.line} seems to hold each column's {what} of the "
                f"lines above, as in {show(cell.text)} of {shortened(name)}: if so, "
                "take it out of the file"
            )


def _totalled(numbers: Numbers, row: int, above: np.ndarray) -> tuple[str, str]:
    """`sum` or `mean`, where most columns have that of others in a row, and one column.

    To be sure, one of the sums has to be larger than all others by far, or one of the
    means to have more decimals than all of which it is made.

    Args:
        above: bool (row,), the rows that count.
    """
    considered, sums, means = 0, [], []
    sure = {"sum": False, "mean": False}
    for name, values in numbers.items():
        number, known = float(values[row]), values[:row][above]
        known = known[np.isfinite(known)]
        if not math.isfinite(number) or len(known) < _ADDED or not np.ptp(known):
            continue
        considered += 1
        decimals = _decimals(number)
        total, slack = float(known.sum()), _ROUNDED * float(np.abs(known).sum())
        if abs(number - total) <= slack + 0.5 * 10.0**-decimals:
            sums.append(name)
            sure["sum"] |= abs(number) > 2 * float(np.abs(known).max())
        by = len(known)
        if abs(number - total / by) <= slack / by + 0.5 * 10.0**-decimals:
            means.append(name)
            coarse = np.round(known, max(0, decimals - 1))
            finer = decimals > 0 and np.allclose(known, coarse, 1e-12, 0)
            sure["mean"] |= finer
    for what, names in (("sum", sums), ("mean", means)):
        if sure[what] and 2 * len(names) > considered:
            return what, names[0]
    return "", ""


def _decimals(number: float) -> int:
    """Digits behind the point, as few as tell it from all others."""
    exponent = Decimal(repr(number)).normalize().as_tuple().exponent
    assert isinstance(exponent, int), "it is finite"
    return max(0, -exponent)


# ---------------------------------------------------------------- readings


def _other_reading(
    source: FileSource, table: Table, numbers: Numbers
) -> Iterator[Doubt]:
    """Whether each point between digits may stand behind thousands: 70.512.

    So it may where semicolons stand between the cells, as a comma then stands before
    decimals more often than not.
    """
    if source.delimiter != ";" or table.notation != PLAIN:
        return
    for values in numbers.values():
        fine = 1000 * values[np.isfinite(values)]
        if not np.allclose(fine, np.rint(fine), 1e-9, 0):
            return
    cells = chain.from_iterable(table.texts(name).tolist() for name in numbers)
    pointed = [cell for cell in cells if "." in cell and is_number(cell)]
    if pointed and all(map(_THOUSANDS.fullmatch, pointed)):
        cell = pointed[0]
        words = f"{show(cell)} is read as {float(cell):.15g}; were it "
        yield Doubt(
            f"{words}{cell.replace('.', '')}, say", {"decimal": ",", "thousands": "."}
        )


# ---------------------------------------------------------------- fillings


def _fillings(
    source: FileSource, table: Table, used: Numbers, targets: Sequence[str]
) -> Iterator[Doubt]:
    """Numbers such as 999 that come again and lie far beyond all others."""
    found: dict[float, dict[str, str]] = {}
    for name, values in used.items():
        for number, rest in _far(values):
            words = f"{rows(int((values == number).sum()))} of {shortened(name)}"
            words += f" (else {rest[0]:.15g} to {rest[-1]:.15g})"
            found.setdefault(number, {})[name] = words
    for number, told in found.items():
        texts: dict[str, None] = {}
        for name in told:
            row = int(np.flatnonzero(used[name] == number)[0])
            (cell,) = table.find([(row, table.position(name))])
            texts[cell.text.strip()] = None
        words = f"{listed(map(show, texts))} lies far beyond the rest, in "
        words += f"{listed(told.values())}; were it no value"
        others = [n for n, v in used.items() if n not in told and number in v]
        if others:
            words += f", in {listed(map(shortened, others))} neither"
        yield Doubt(
            f"{words}, say",
            {"missing_values": [*source.missing_values, *texts]},
            {n: "drop" if n in targets else "median" for n in (*told, *others)},
        )


def _far(values: np.ndarray) -> Iterator[tuple[float, np.ndarray]]:
    """Numbers of nines that come again, beyond all others by more than their range.

    Yields:
        Each, and the others in their order.
    """
    unique, counts = np.unique(values[np.isfinite(values)], return_counts=True)
    while len(unique) > _FEWEST:
        ends = ((0, slice(1, None)), (-1, slice(None, -1)))
        for end, others in ends:
            number, rest = float(unique[end]), unique[others]
            gap = abs(number - rest[end])
            written = _NINES.fullmatch(f"{number:.15g}")
            if counts[end] > 1 and gap > rest[-1] - rest[0] and written:
                yield number, rest
                unique, counts = rest, counts[others]
                break
        else:
            return
