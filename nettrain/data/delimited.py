"""CSV and TSV files, read in blocks of whole rows.

A block is first read at once (`cells.find`, `decimals.read`). Where anything is off in
it, it is read a second time, strictly: cell by cell, naming what is wrong with its line
and column. Both readings give the same cells and the same numbers.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from nettrain.data import cells as finding
from nettrain.data.cells import Cells
from nettrain.data.encodings import utf8
from nettrain.data.lines import Lines
from nettrain.data.marks import Marks
from nettrain.data.structure import Structure
from nettrain.data.table import PLAIN, Found, Notation, Table, Written
from nettrain.data.texts import Texts

MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL")
"""Cells that stand for a missing value."""

BLOCK = 1 << 19
"""Bytes read at a time: what is made of them stays in the processor's cache."""
_KEPT = 1 << 24
"""More bytes than all that is made of a block."""
_LOOKED_AT = 1 << 16
"""Bytes by which a table is judged that cannot be read."""
_SAID = re.compile(rb'(?i:"?sep=)([^"\w\s\x80-\xff]|\t)"?(?:\r\n|\r|\n)')
"""A first line that says what separates the cells, as Excel reads and writes it."""


def read(
    data: bytes | memoryview,
    file: str,
    delimiter: str = ",",
    missing: Sequence[str] = MISSING,
    notation: Notation = PLAIN,
    encoding: str = "utf-8",
) -> Table:
    """The table in `data`, whose first line names the columns.

    A line `sep=;` above it, as Excel writes it, says what separates the cells, whatever
    else is said of it.

    Raises:
        Error: `data-encoding`, `data-delimiter`, `data-quote`, `data-header`,
            `data-duplicate-column`, `data-ragged-row` or `data-no-rows`, each with its
            line and column.
    """
    text, marks = utf8(data, file, encoding), Marks(missing, notation)
    said = _SAID.match(text)
    delimiter = said[1].decode() if said else delimiter
    sheet = _Sheet(text, file, delimiter, marks, said.end() if said else 0)
    columns = sheet.columns()
    names, nameless = sheet.structure.names, sheet.structure.nameless
    return Table(
        names,
        columns,
        file,
        sheet.locate,
        notation=notation,
        missing=missing,
        nameless=nameless,
    )


class _Block(NamedTuple):
    """Rows that are read together."""

    row: int
    """The number of the first."""
    offset: int
    size: int


class _Sheet:
    """A file of cells. It is read once, and again where texts or places are asked for.

    Args:
        begin: where its header begins.

    Attributes:
        data: the file, in UTF-8.
        structure: names of the columns, and what is wrong with header and rows.
    """

    def __init__(
        self,
        data: memoryview,
        file: str,
        delimiter: str,
        marks: Marks,
        begin: int = 0,
    ) -> None:
        self.data, self.delimiter = data, delimiter.encode(errors="surrogatepass")
        self.marks, self._begin = marks, begin
        self.structure = Structure(Lines(data, file))
        self._blocks: list[_Block] = []
        self._rows = 0
        self._values = np.empty((0, 0))
        self._numeric = np.empty(0, bool)  # columns of nothing but numbers so far
        self._words = np.empty(0, np.intp)  # columns that began with a text
        self._texts = Texts(self.marks, ())

    def columns(self) -> list[Written]:
        """Read the file from start to end."""
        # glibc keeps freed memory for the next block once it has seen much of it freed;
        # getting it back from the system, page by page, would take as long as reading.
        np.empty(_KEPT, np.uint8)
        offset = self._begin
        while offset < len(self.data):
            window, cells = self._window(offset, BLOCK)
            body = self.structure.body(offset, window, cells)
            if body is not None and len(body.start):
                self._read(window, body, offset + cells.used)
                self._blocks.append(_Block(self._rows, offset, cells.used))
                self._rows += len(body.start) // len(self.structure.names)
            offset += cells.used
        self.structure.raise_all(
            self._rows, lambda: self._window(self._begin, _LOOKED_AT)
        )
        words = dict(zip(self._words.tolist(), self._texts.words, strict=True))
        return [
            Written(
                self._rows,
                self._values[column, : self._rows] if numeric else None,
                partial(self.texts, column),
                bool(2 * words.get(column, 0) > self._rows),
            )
            for column, numeric in enumerate(self._numeric.tolist())
        ]

    def _window(self, offset: int, size: int) -> tuple[bytes, Cells]:
        """Whole rows from `offset` on, in about `size` bytes or as many as it takes."""
        while True:
            stop = offset + size
            window, final = bytes(self.data[offset:stop]), stop >= len(self.data)
            if final and not window.endswith((b"\n", b"\r")):
                window += b"\n"
            found = None
            if len(self.delimiter) == 1:
                found = finding.find(window, self.delimiter[0])
            if found is None or (final and found.used < len(window)):
                found = finding.find_strictly(window, self.delimiter, final)
            if found.used:
                return window, found
            size *= 2

    def _read(self, window: bytes, body: Cells, used: int) -> None:
        """Note the numbers of columns that have nothing else, the texts of others."""
        width = len(self.structure.names)
        start, end = (span.reshape(-1, width) for span in body[:2])
        if not self._blocks:
            self._values = np.empty((width, 0))
            self._numeric = np.ones(width, bool)
        numeric = np.flatnonzero(self._numeric)
        values, invalid = self.marks.numbers(window, *_of(numeric, start, end))
        self._numeric[numeric[invalid % max(1, len(numeric))]] = False
        rows = slice(self._rows, self._rows + len(start))
        self._make_room(rows.stop, used)
        self._values[numeric, rows] = values.reshape(len(start), -1).T
        if not self._blocks:
            self._words = np.flatnonzero(~self._numeric)
            self._texts = Texts(self.marks, self._words.tolist())
        self._texts.add(window, *_of(self._words, start, end))

    def _make_room(self, rows: int, used: int) -> None:
        """Room for the rows of the first `used` bytes, and for those that may come."""
        held = self._values
        if rows > held.shape[1]:
            likely = int(1.05 * rows * len(self.data) / used) + 1
            self._values = np.empty((len(self.structure.names), likely))
            self._values[:, : self._rows] = held[:, : self._rows]

    # ------------------------------------------------------------ a second time

    def texts(self, column: int) -> np.ndarray:
        """The texts of a column, object (n,), "" where one is missing."""
        if column not in self._texts:
            late = ~self._numeric
            late[self._words] = False
            # All of them: there may be a hundred thousand, and the file is long.
            columns = np.flatnonzero(late) if late[column] else np.array([column])
            self._gather(columns)
        return self._texts.column(column)

    def _gather(self, columns: np.ndarray) -> None:
        """Read the texts of columns that did not begin with one."""
        texts = Texts(self.marks, columns.tolist())
        for block in self._blocks:
            window, body = self._again(block)
            width = len(self.structure.names)
            spans = [span.reshape(-1, width) for span in body[:2]]
            texts.add(window, *_of(columns, *spans))
        self._texts.take(texts)

    def _again(self, block: _Block) -> tuple[bytes, Cells]:
        """The cells of a block that was read before."""
        window, cells = self._window(block.offset, block.size)
        body = self.structure.body(block.offset, window, cells)
        assert body is not None
        return window, body

    def locate(self, cells: Iterable[tuple[int, int]]) -> list[Found]:
        """Where cells (row, column) stand, and what is written there."""
        found, last = [], None
        for row, column in cells:
            at = bisect_right(self._blocks, row, key=lambda block: block.row) - 1
            block = self._blocks[at]
            if block is not last:
                window, body = self._again(block)
                last = block
            cell = (row - block.row) * len(self.structure.names) + column
            found.append(self.structure.found(block.offset, window, body, cell))
        return found


def _of(columns: np.ndarray, *spans: np.ndarray) -> list[np.ndarray]:
    """Some columns of starts and ends (rows, columns), row by row, (cells,)."""
    if len(columns) == spans[0].shape[1]:
        return [span.ravel() for span in spans]
    return [span.take(columns, axis=1).ravel() for span in spans]
