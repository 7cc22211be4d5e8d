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
    """A cell of the strict reading, with its place."""

    text: str
    place: Place
    broken: str = ""
    """What is wrong with its quotes."""


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
    raise Error(
        "data-encoding",
        "not UTF-8 text",
        place=_place(text, bad, file),
        fix="save the file as UTF-8",
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
    numbers = all(NUMBER.fullmatch(name) for name in header)
    names = all(name.isdecimal() for name in header) and len(set(header)) == len(header)
    return numbers and not names


# ---------------------------------------------------------------- strict reading


def _strict(text: str, delimiter: str, file: str) -> list[list[str]]:
    """Header and rows with every structural error of the file raised together."""
    rows = list(records(text, delimiter, file))
    if len(rows) < 2:
        lines = len(_LINE_END.findall(text)) + 1
        place = Place(file, max(1, lines if rows else 1))
        what = "the header but no rows" if rows else "nothing"
        fix = "the first line names the columns, each further line is a row"
        raise Error("data-no-rows", f"the file holds {what}", place=place, fix=fix)
    errors = [*_quote_errors(rows), *_header_errors(rows[0])]
    errors += [error for row in rows[1:] for error in _ragged(row, rows[0])]
    errors.sort(key=_position)
    raise_all(errors[:LISTED] + more(len(errors) - LISTED, errors[:LISTED]))
    return [[cell.text for cell in row] for row in rows]


def _position(error: Error) -> tuple[int, int]:
    place = error.place
    return (place.line or 0, place.column or 0) if place else (0, 0)


def _quote_errors(rows: list[list[Cell]]) -> Iterator[Error]:
    for row in rows:
        for cell in row:
            if cell.broken:
                fix = 'a quote inside a quoted cell is written twice: ""'
                yield Error("data-quote", cell.broken, place=cell.place, fix=fix)


def _header_errors(header: list[Cell]) -> Iterator[Error]:
    names = [cell.text for cell in header]
    if _is_data(names):
        fix = "add a first line that names the columns"
        message = "the first line holds numbers, expected the columns' names"
        yield Error("data-header", message, place=header[0].place, fix=fix)
        return
    for position, cell in enumerate(header):
        if not cell.text:
            last = position == len(header) - 1
            fix = "remove the trailing comma, or name it" if last else "give it a name"
            message = f"column {position + 1} has no name"
            yield Error("data-header", message, place=cell.place, fix=fix)
        elif cell.text in names[:position]:
            first = header[names.index(cell.text)].place
            message = f'column "{cell.text}" was already named in column {first.column}'
            fix = "give each column its own name"
            yield Error("data-duplicate-column", message, place=cell.place, fix=fix)


def _ragged(row: list[Cell], header: list[Cell]) -> Iterator[Error]:
    surplus = len(row) - len(header)
    if surplus == 0 or any(cell.broken for cell in row):
        return
    message = f"the row has {len(row)} cells, the header {len(header)}"
    if surplus > 0:
        place = row[len(header)].place
        trailing = surplus == 1 and not row[-1].text
        fix = (
            "remove the comma at the end of the line"
            if trailing
            else "put a cell that contains the delimiter in quotes"
        )
    else:
        last = row[-1].place
        end = len(last.text.rstrip()) + 1
        place = Place(last.file, last.line, end, last.text)
        fix = "add the cells that are missing; an empty cell needs its comma too"
    yield Error("data-ragged-row", message, place=place, fix=fix)


def records(text: str, delimiter: str, file: str) -> Iterator[list[Cell]]:
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
        row.append(_cell(match, Place(file, line, 0, _line(text, start)), start))
        ends = [end.end() for end in _LINE_END.finditer(match[0])]
        if ends:  # a quoted cell that goes over several lines
            line, start = line + len(ends), position + ends[-1]
        position = match.end()
        if text.startswith(delimiter, position):
            position += 1
            if position < len(text):
                continue
            end = Place(file, line, position - start + 1, _line(text, start))
            row.append(Cell("", end))
        end_of_line = _LINE_END.match(text, position)
        if end_of_line:
            position = start = end_of_line.end()
            line += 1
        if len(row) > 1 or row[0].text:
            yield row
        row = []


def _cell(match: re.Match[str], at: Place, start: int) -> Cell:
    """The cell of a match; `at` is its line, `start` where that line begins."""

    def place(group: str) -> Place:
        width = len(_LINE_END.split(match[group].rstrip())[0]) if group == "bare" else 1
        return Place(at.file, at.line, match.start(group) - start + 1, at.text, width)

    if match["open"] is None:
        return Cell(match["bare"].strip(), place("bare"))
    text = match["quoted"].replace('""', '"').strip()
    if not match["close"]:
        return Cell(text, place("open"), "a quote that is never closed")
    if match["junk"].strip():
        message = f'"{match["junk"].strip()[:40]}" after the closing quote'
        return Cell(text, place("open"), message)
    return Cell(text, place("open"))


def _locate(
    text: str, delimiter: str, file: str, cells: Sequence[tuple[int, int]]
) -> list[Place]:
    """The places of cells (row, column), by one strict reading as far as needed."""
    wanted = {row for row, _ in cells}
    found: dict[int, list[Cell]] = {}
    for number, record in enumerate(records(text, delimiter, file), start=-1):
        if number in wanted:
            found[number] = record
        if len(found) == len(wanted):
            break
    return [found[row][column].place for row, column in cells]
