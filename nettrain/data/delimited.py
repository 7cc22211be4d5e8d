"""CSV and TSV files: a fast reader first, and a strict one wherever anything is off.

The grammar is RFC 4180 with two liberties: blanks around a cell do not count, and blank
lines are skipped. The strict reader knows the line and column of every cell; the fast
one (Python's `csv`) gives the same cells on every file that both accept.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from nettrain.data.faults import LISTED, more
from nettrain.data.table import NUMBER, Table
from nettrain.errors import Error, Place, raise_all

MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL")
"""Cells that stand for a missing value."""

_LINE_END = re.compile(r"\r\n|\r|\n")


class Cell(NamedTuple):
    """A cell of the strict reading, and where it stands."""

    text: str
    line: int
    start: int
    """Where its line begins in the file's text."""
    offset: int
    """Where the cell begins in it."""
    width: int = 1
    broken: str = ""
    """What is wrong with its quotes."""

    def place(self, text: str, file: str) -> Place:
        line = _line(text, self.start)
        return Place(file, self.line, self.offset - self.start + 1, line, self.width)


def read(
    data: bytes, file: str, delimiter: str = ",", missing: Sequence[str] = MISSING
) -> Table:
    """The table in `data`, whose first line names the columns.

    Raises:
        Error: `data-encoding`, `data-quote`, `data-header`, `data-duplicate-column`,
            `data-ragged-row` or `data-no-rows`, each with its line and column.
    """
    text = _decode(data, file)
    rows = _fast(text, delimiter)
    if rows is None:
        rows = _strict(text, delimiter, file)
    header, *body = rows
    marks = frozenset(missing)
    columns = [
        ["" if cell in marks else cell for cell in map(str.strip, column)]
        for column in zip(*body, strict=True)
    ]

    def locate(cells: Sequence[tuple[int, int]]) -> list[Place]:
        return _locate(text, delimiter, file, cells)

    return Table(tuple(map(str.strip, header)), columns, file, locate)


def _decode(data: bytes, file: str) -> str:
    try:
        text = data.decode("utf-8-sig")
        bad = text.find("\0")
    except UnicodeDecodeError as error:
        # A byte order mark is cut off before the decoder counts.
        text = error.object[: error.start].decode()
        bad = len(text)
        rest = error.object[error.start :].split(b"\n")[0]
        text += rest.decode(errors="replace")
    if bad < 0:
        return text
    null = text[bad : bad + 1] == "\0"
    raise Error(
        "data-encoding",
        "a null character, which text has none of" if null else "not UTF-8 text",
        place=_place(text, bad, file),
        fix="remove it" if null else "save the file as UTF-8",
    )


def _place(text: str, offset: int, file: str) -> Place:
    """The place of one character, found by counting lines from the start."""
    ends = [match.end() for match in _LINE_END.finditer(text, 0, offset)]
    start = ends[-1] if ends else 0
    return Place(file, len(ends) + 1, offset - start + 1, _line(text, start))


def _line(text: str, start: int) -> str:
    end = _LINE_END.search(text, start)
    return text[start : end.start() if end else len(text)]


def _fast(text: str, delimiter: str) -> list[list[str]] | None:
    """Header and rows, or None where anything is off."""
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        rows = [row for row in reader if len(row) > 1 or "".join(row).strip()]
    except csv.Error:
        return None
    if len(rows) < 2 or len(set(map(len, rows))) > 1:
        return None
    header = list(map(str.strip, rows[0]))
    sound = all(header) and len(set(header)) == len(header)
    return rows if sound and not _is_data(header) else None


def _is_data(header: Sequence[str]) -> bool:
    """Whether a first line holds numbers; 0,1,2 alone may be names."""
    numbers = bool(header) and all(NUMBER.fullmatch(name) for name in header)
    names = all(name.isdecimal() for name in header) and len(set(header)) == len(header)
    return numbers and not names


# ---------------------------------------------------------------- strict reading


def _strict(text: str, delimiter: str, file: str) -> list[list[str]]:
    """Header and rows with every structural error of the file raised together."""
    rows = list(records(text, delimiter))
    faults = [*_quote_faults(rows), *_header_faults(rows[0] if rows else [])]
    faults += [f for row in rows[1:] for f in _ragged(text, row, rows[0])]
    if len(rows) < 2 and not faults:
        what = "the header but no rows" if rows else "nothing"
        fix = "the first line names the columns, each further line is a row"
        place = Place(file, 1)
        raise Error("data-no-rows", f"the file holds {what}", place=place, fix=fix)
    faults.sort(key=lambda fault: fault.cell.offset)
    errors = [
        Error(f.code, f.message, place=f.cell.place(text, file), fix=f.fix)
        for f in faults[:LISTED]
    ]
    raise_all(errors + more(len(faults) - LISTED, errors))
    return [[cell.text for cell in row] for row in rows]


class _Fault(NamedTuple):
    cell: Cell
    code: str
    message: str
    fix: str


def _quote_faults(rows: list[list[Cell]]) -> Iterator[_Fault]:
    for row in rows:
        for cell in row:
            if cell.broken:
                fix = 'a quote inside a quoted cell is written twice: ""'
                yield _Fault(cell, "data-quote", cell.broken, fix)


def _header_faults(header: list[Cell]) -> Iterator[_Fault]:
    names = [cell.text for cell in header]
    if _is_data(names):
        fix = "add a first line that names the columns"
        message = "the first line holds numbers, expected the columns' names"
        yield _Fault(header[0], "data-header", message, fix)
        return
    for position, cell in enumerate(header):
        if not cell.text:
            last = position == len(header) - 1
            fix = (
                "remove the trailing delimiter, or name it"
                if last
                else "give it a name"
            )
            message = f"column {position + 1} has no name"
            yield _Fault(cell, "data-header", message, fix)
        elif cell.text in names[:position]:
            first = names.index(cell.text) + 1
            message = (
                f'column {position + 1} is named "{cell.text}", as column {first} is'
            )
            fix = "give each column its own name"
            yield _Fault(cell, "data-duplicate-column", message, fix)


def _ragged(text: str, row: list[Cell], header: list[Cell]) -> Iterator[_Fault]:
    surplus = len(row) - len(header)
    if surplus == 0 or any(cell.broken for cell in row):
        return
    message = f"the row has {len(row)} cells, the header {len(header)}"
    if surplus > 0:
        at = row[len(header)]
        trailing = surplus == 1 and not row[-1].text
        fix = (
            "remove the delimiter at the end of the line"
            if trailing
            else "put a cell that contains the delimiter in quotes"
        )
    else:
        last = row[-1]
        end = last.start + len(_line(text, last.start).rstrip())
        at = last._replace(offset=end, width=1)
        fix = "add the cells that are missing; an empty cell needs its delimiter too"
    yield _Fault(at, "data-ragged-row", message, fix)


def records(text: str, delimiter: str) -> Iterator[list[Cell]]:
    """The rows of a text, the header first, blank lines skipped."""
    d = re.escape(delimiter)
    pattern = re.compile(
        rf' *(?:(?P<open>")(?P<quoted>[^"]*(?:""[^"]*)*)(?P<close>"?)'
        rf"(?P<junk>[^{d}\r\n]*)"
        rf"|(?P<bare>[^{d}\r\n]*))"
    )
    position, line, start = 0, 1, 0
    row: list[Cell] = []
    while position < len(text):
        match = pattern.match(text, position)
        assert match is not None  # the pattern matches the empty string too
        row.append(_cell(match, line, start))
        if match["open"]:  # a quoted cell may go over several lines
            for end in _LINE_END.finditer(text, position, match.end()):
                line, start = line + 1, end.end()
        position = match.end()
        if text.startswith(delimiter, position):
            position += 1
            if position < len(text):
                continue
            row.append(Cell("", line, start, position))
        end_of_line = _LINE_END.match(text, position)
        if end_of_line:
            position = start = end_of_line.end()
            line += 1
        if len(row) > 1 or row[0].text:
            yield row
        row = []


def _cell(match: re.Match[str], line: int, start: int) -> Cell:
    """The cell of a match on a line that begins at `start`."""
    if match["open"] is None:
        text = match["bare"].strip()
        return Cell(text, line, start, match.start("bare"), max(1, len(text)))
    text, broken = match["quoted"].replace('""', '"').strip(), ""
    if not match["close"]:
        broken = "a quote that is never closed"
    elif match["junk"].strip():
        broken = f'"{match["junk"].strip()[:40]}" after the closing quote'
    return Cell(text, line, start, match.start("open"), broken=broken)


def _locate(
    text: str, delimiter: str, file: str, cells: Sequence[tuple[int, int]]
) -> list[Place]:
    """The places of cells (row, column), by one strict reading as far as needed."""
    wanted = {row for row, _ in cells}
    found: dict[int, list[Cell]] = {}
    for number, record in enumerate(records(text, delimiter), start=-1):
        if number in wanted:
            found[number] = record
        if len(found) == len(wanted):
            break
    return [found[row][column].place(text, file) for row, column in cells]
