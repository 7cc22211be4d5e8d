"""The header and the rows of a text file, and all that can be wrong with them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np

from nettrain.component import show
from nettrain.data.cells import Cells, quoted, written
from nettrain.data.faults import LISTED, more
from nettrain.data.lines import Lines
from nettrain.data.table import NUMBER, Found
from nettrain.errors import Error, Place, raise_all

MOST = 1_000_000
"""Columns of a table."""
_LINE_END = re.compile(rb"\r|\n")


class _Fault(NamedTuple):
    offset: int
    code: str
    message: str
    fix: str
    width: int = 1


_Faults = tuple[int, Iterable[_Fault]]
"""How many faults of a kind a block has, and these in their order."""


class Structure:
    """Takes the header from the first rows, and gathers the faults of all.

    Attributes:
        names: of the columns, once they are read.
    """

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self.names: tuple[str, ...] = ()
        self._header = -1  # the offset of the block that begins with it
        self._faults: list[_Fault] = []  # the first few
        self._count = 0

    def body(self, offset: int, window: bytes, cells: Cells) -> Cells | None:
        """The cells without the header's, or None if anything was wrong so far."""
        first = 0
        if len(cells.start) and self._header in (-1, offset):
            first = int(cells.last.argmax()) + 1
        new = first > 0 and self._header < 0
        if new:
            self._header = offset
            self._refuse_many(offset, cells, first)
            header = written(window, cells.start[:first], cells.end[:first])
            self.names = tuple(map(str.strip, header))
        rows = cells.last[first:]
        if cells.broken:
            self._note(offset, _quote_faults(window, cells))
        if new:
            self._note(offset, _header_faults(window, cells, self.names))
        if not _whole(rows, len(self.names)):
            self._note(offset, self._ragged_rows(window, cells))
        if self._count:
            return None
        return Cells(cells.start[first:], cells.end[first:], rows, cells.used)

    def _refuse_many(self, offset: int, cells: Cells, columns: int) -> None:
        if columns > MOST:
            message = f"the header has {columns:,} columns, and {MOST:,} can be read"
            place = self.lines.place(offset + int(cells.start[MOST]))
            raise Error("data-header", message, place=place, fix="take fewer columns")

    def raise_all(self, rows: int) -> None:
        """Raise the first errors in the order of the file, and how many more there are.

        Args:
            rows: that were read without any.
        """
        if not rows and not self._count:
            what = "the header but no rows" if self.names else "nothing"
            fix = "the first line names the columns, each further line is a row"
            place = Place(self.lines.file, 1)
            raise Error("data-no-rows", f"the file holds {what}", place=place, fix=fix)
        errors = [
            Error(
                fault.code,
                fault.message,
                place=self.lines.place(fault.offset, fault.width),
                fix=fault.fix,
            )
            for fault in self._faults
        ]
        raise_all(errors + more(self._count - LISTED, errors))

    def found(self, offset: int, window: bytes, cells: Cells, cell: int) -> Found:
        """Where a cell of a block stands, and what is written there."""
        at, shown, width = _shown(window, cells, cell)
        return Found(self.lines.place(offset + at, width), shown)

    def _ragged_rows(self, window: bytes, cells: Cells) -> _Faults:
        """Rows with too few cells or too many, where their quotes are right."""
        stops = np.flatnonzero(cells.last) + 1
        counts = np.diff(stops, prepend=0)
        ragged = counts != len(self.names)
        ragged[np.searchsorted(stops, list(cells.broken), side="right")] = False
        rows = np.flatnonzero(ragged)
        return len(rows), (
            self._ragged(window, cells, int(stops[row]), int(counts[row]))
            for row in rows.tolist()
        )

    def _ragged(self, window: bytes, cells: Cells, stop: int, count: int) -> _Fault:
        """What is wrong with a row of `count` cells, the last one before `stop`."""
        expected = len(self.names)
        message = f"the row has {count} cells, the header {expected}"
        if count < expected:
            end = _LINE_END.search(window, int(cells.start[stop - 1]))
            line = window[: end.start() if end else None].decode().rstrip()
            fix = "add the cells that are missing; an empty cell needs its delimiter"
            fix += " too"
            return _Fault(len(line.encode()), "data-ragged-row", message, fix)
        offset, shown, width = _shown(window, cells, stop - count + expected)
        fix = "put a cell that contains the delimiter in quotes"
        if count == expected + 1 and not shown:
            fix = "remove the delimiter at the end of the line"
        return _Fault(offset, "data-ragged-row", message, fix, width)

    def _note(self, offset: int, found: _Faults) -> None:
        """Note the first faults of a block, and how many there are."""
        count, faults = found
        self._count += count
        full = len(self._faults) == LISTED
        if full and self._faults[-1].offset < offset:
            return
        noted = [f._replace(offset=offset + f.offset) for f in islice(faults, LISTED)]
        noted = sorted([*self._faults, *noted], key=lambda fault: fault.offset)
        self._faults = noted[:LISTED]


def _whole(last: np.ndarray, width: int) -> bool:
    """Whether every row has `width` cells."""
    if len(last) % max(1, width):
        return False
    ends = last.reshape(-1, max(1, width))
    return bool(ends[:, -1].all()) and np.count_nonzero(ends) == len(ends)


def _shown(window: bytes, cells: Cells, cell: int) -> tuple[int, str, int]:
    """Where a cell begins, its quote included; its text; the width of the caret."""
    start, end = cells.start[cell : cell + 1], cells.end[cell : cell + 1]
    first = _offset(window, cells, cell)
    shown = written(window[first : end[0]], start - first, end - first)[0].strip()
    return first, shown, 1 if first < start[0] else len(shown)


def _offset(window: bytes, cells: Cells, cell: int) -> int:
    start = int(cells.start[cell])
    return start - quoted(window, start)


def _quote_faults(window: bytes, cells: Cells) -> _Faults:
    fix = 'a quote inside a quoted cell is written twice: ""'
    return len(cells.broken), (
        _Fault(_offset(window, cells, cell), "data-quote", message, fix)
        for cell, message in cells.broken.items()
    )


def _header_faults(window: bytes, cells: Cells, names: tuple[str, ...]) -> _Faults:
    if _is_data(names):
        offset, _, width = _shown(window, cells, 0)
        message = "the first line holds numbers, expected the columns' names"
        fix = "add a first line that names the columns"
        return 1, [_Fault(offset, "data-header", message, fix, width)]
    first: dict[str, int] = {}
    for number, name in enumerate(names):
        first.setdefault(name, number)
    bad = [i for i, name in enumerate(names) if not name or first[name] < i]
    return len(bad), (_misnamed(window, cells, names, first, i) for i in bad)


def _misnamed(
    window: bytes,
    cells: Cells,
    names: tuple[str, ...],
    first: dict[str, int],
    number: int,
) -> _Fault:
    """What is wrong with a column's name, which another has too or which is none."""
    offset, name, width = _shown(window, cells, number)
    if name:
        twin = f"column {first[name] + 1} is"
        message = f"column {number + 1} is named {show(name)}, as {twin}"
        fix = "give each column its own name"
        return _Fault(offset, "data-duplicate-column", message, fix, width)
    message, fix = f"column {number + 1} has no name", "give it a name"
    if number == len(names) - 1:
        fix = "remove the trailing delimiter, or name it"
    return _Fault(offset, "data-header", message, fix)


def _is_data(header: Sequence[str]) -> bool:
    """Whether a first line holds numbers; 0,1,2 alone may be names."""
    numbers = bool(header) and all(NUMBER.fullmatch(name) for name in header)
    names = all(name.isdecimal() for name in header) and len(set(header)) == len(header)
    return numbers and not names
