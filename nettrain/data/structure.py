"""The header and the rows of a text file, and all that can be wrong with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import islice, pairwise
from typing import NamedTuple

import numpy as np

from nettrain.component import show
from nettrain.data.cells import Cells, quoted, written
from nettrain.data.faults import LISTED, OtherReading, more
from nettrain.data.lines import SHOWN, Lines
from nettrain.data.table import DECIMAL_COMMA, NUMBER, UNNAMED, Found
from nettrain.errors import Error, Place, raise_all

MOST = 1_000_000
"""Columns of a table."""
DELIMITERS = {",": ",", ";": ";", "\t": "\\t", "|": "|"}
"""Characters between cells, as YAML writes them in quotes."""
_ABOVE = 100
"""Rows among which names are looked for that do not stand first."""
_TRAILING = "remove the delimiter at the end of the line"
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
        self._widths: set[int] = set()  # of rows that are not as wide as the header
        self._ragged_count = self._seen = 0
        self._header_at = 0
        self._nameless: _Fault | None = None

    def body(self, offset: int, window: bytes, cells: Cells) -> Cells | None:
        """The cells without the header's, or None if anything was wrong so far."""
        first = 0
        if len(cells.start) and self._header in (-1, offset):
            first = int(cells.last.argmax()) + 1
        new = first > 0 and self._header < 0
        if new:
            self._header = offset
            self._header_at = offset + int(_offset(window, cells, 0))
            self._refuse_many(offset, cells, first)
            header = written(window, cells.start[:first], cells.end[:first])
            self.names = tuple(map(str.strip, header))
            if len(self.names) == 1:
                self._refuse_one(offset, window, cells)
        rows = cells.last[first:]
        self._seen += int(np.count_nonzero(cells.last))
        if cells.broken:
            self._note(offset, _quote_faults(window, cells))
        if new:
            count, faults = _header_faults(window, cells, self.names)
            fine = 0 not in cells.broken and UNNAMED not in self.names
            if count == 1 and not self.names[0] and fine:
                (self._nameless,) = faults
                self.names = (UNNAMED, *self.names[1:])
            else:
                self._note(offset, (count, faults))
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

    def _refuse_one(self, offset: int, window: bytes, cells: Cells) -> None:
        """Refuse a header of one cell that another character cuts, as it does a row."""
        start, (name,) = int(cells.start[0]), self.names
        end = offset + int(cells.end[0])
        below = self.lines.data[end : end + 4 * SHOWN].lstrip()  # beyond the window too
        row = _LINE_END.split(below, maxsplit=1)[0].decode(errors="replace")
        marks = [mark for mark in DELIMITERS if mark in name and mark in (row or name)]
        if marks and not quoted(window, start):
            mark = max(marks, key=name.count)
            at = window.index(mark.encode(), start)
            raise _other_delimiter(mark, row, self.lines.place(offset + at))
        blanks, cut = name.split(), row.split()
        if len(blanks) == len(cut) > 1 and all(map(_is_number, cut[:-1])):
            message = f"the cells of {self.lines.file} are separated by blanks"
            place, fix = self.lines.place(offset + start), "put commas in their place"
            raise Error("data-delimiter", message, place=place, fix=fix)

    def raise_all(self, rows: int, begin: Callable[[], tuple[bytes, Cells]]) -> None:
        """Raise the first errors in the order of the file, and how many more there are.

        Args:
            rows: that were read without any.
            begin: reads the first rows once more.
        """
        if not rows and not self._count:
            what = "the header but no rows" if self.names else "nothing"
            fix = "the first line names the columns, each further line is a row"
            place = Place(self.lines.file, 1)
            raise Error("data-no-rows", f"the file holds {what}", place=place, fix=fix)
        if self._count and (at := _names_below(*begin())):
            raise self._names_too_low(self._header_at + at)
        # The header's own row is as wide as itself.
        alike = self._count == self._ragged_count == self._seen - 1
        if alike and self._count > 1 and len(self._widths) == 1:
            self._refuse_header(*self._widths)
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

    def _names_too_low(self, at: int) -> Error:
        """The error of lines that stand above the names of the columns."""
        place = self.lines.place(self._header_at)
        message = "the first line has no names of columns: these seem to stand in line "
        message += str(self.lines.place(at).line)
        place = replace(place, width=max(1, len(place.text.rstrip())))
        fix = "remove what stands above it"
        return Error("data-header", message, place=place, fix=fix)

    def _refuse_header(self, width: int) -> None:
        """Refuse a header that is at odds with all rows, which agree."""
        place = self.lines.place(self._header_at)
        fix = (
            "remove the delimiter at the end of every row below it, or name its column"
        )
        if self._faults[0].fix != _TRAILING:
            fix = "the first line names the columns: remove what stands above it, or "
            fix += "add the names that are missing"
        cells = f"{len(self.names)} cell{'' if len(self.names) == 1 else 's'}"
        raise Error(
            "data-header",
            f"the first line has {cells}, and every row below it {width}",
            place=replace(place, width=max(1, len(place.text.rstrip()))),
            fix=fix,
        )

    @property
    def nameless(self) -> Error | None:
        """What is wrong with the column that is called `unnamed`, if one is."""
        fault = self._nameless
        if fault is None:
            return None
        place = self.lines.place(self._header_at)
        fix = f"{fault.fix}, or leave it out with data.columns: {{{UNNAMED}: ignore}}"
        return Error(fault.code, fault.message, place=place, fix=fix)

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
        self._widths.update(np.unique(counts[ragged]).tolist())
        self._ragged_count += len(rows)
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
            fix = _TRAILING
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


def _other_delimiter(mark: str, row: str, place: Place) -> OtherReading:
    """The error of cells that something else separates than they are read by.

    Args:
        row: the first below the header.
    """
    fields = {"delimiter": mark}
    cells = map(str.strip, row.split(mark))
    if mark != "," and any(map(DECIMAL_COMMA.fullmatch, cells)):
        fields["decimal"] = ","
    message = f'the cells of {place.file} are separated by "{DELIMITERS[mark]}"'
    return OtherReading("data-delimiter", message, place, fields, sure=True)


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


def _names_below(window: bytes, cells: Cells) -> int:
    """Where a row begins, behind the first, that seems to name the columns; or 0.

    What stands above is shorter, or ends in empty cells, and is no row of numbers; the
    row below has some, where this one has none.
    """
    stops = (np.flatnonzero(cells.last) + 1).tolist()[:_ABOVE]
    rows = [
        [text.strip() for text in written(window, cells.start[a:b], cells.end[a:b])]
        for a, b in pairwise([0, *stops])
    ]
    width = len(rows[-1]) if rows else 0
    full = (i for i, row in enumerate(rows) if len(row) == width > 1 and row[-1])
    number = next(full, 0)
    if not 0 < number < len(rows) - 1:
        return 0
    row, below = rows[number : number + 2]
    named = all(row) and len(set(row)) == width and not any(map(_is_number, row))
    above = [[cell for cell in row if cell] for row in rows[:number]]
    data = any(row and all(map(_is_number, row)) for row in above)
    if data or not named or not any(map(_is_number, below)):
        return 0
    return _offset(window, cells, stops[number - 1]) - _offset(window, cells, 0)


def _is_number(cell: str) -> bool:
    return bool(NUMBER.fullmatch(cell) or DECIMAL_COMMA.fullmatch(cell))


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
    """Whether most cells of a first line are numbers; 0,1,2 alone may be names."""
    numbers = [name for name in header if NUMBER.fullmatch(name)]
    whole = all(name.isdecimal() for name in numbers)
    names = whole and len(set(numbers)) == len(numbers)
    return 2 * len(numbers) > len(header) and not names
