"""A table as it was read: named columns, before anything is decided about them.

A column is either numbers (float64, NaN where missing) or texts ("" where missing).
Cells of a text file stay texts until somebody asks for numbers, so that the kind of a
column can be inferred, declared, or remembered from the training run.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import islice
from typing import NamedTuple

import numpy as np

from nettrain.component import escaped, listed
from nettrain.errors import Error, Place

UNNAMED = "unnamed"
"""What a first column is called that has no name, as where a table's index is saved."""
_LISTED = 16
"""Names that a message lists."""
_LONGEST = 60
"""Characters of a name that a message shows."""
_BARE = re.compile(r"[^\W\d][\w./%()-]*(?: [\w./%()-]+)*")
WORDS = {"true", "false", "null", "yes", "no", "on", "off"}
"""Texts that some readers of YAML take for something else."""
# Possessive: else a cell of n digits and a letter takes n² steps.
_FINITE = r"(?:\d++(?:\.\d*+)?|\.\d++)(?:e[+-]?\d++)?"
NUMBER = re.compile(rf"[+-]?{_FINITE}", re.ASCII | re.IGNORECASE)
DECIMAL_COMMA = re.compile(r"[+-]?\d++,\d++", re.ASCII)
SWAPPED = str.maketrans(",.", ".,")
"""Makes of numbers with a decimal comma such with a point, and of points none."""
MINUS = "\u2212"
"""The sign of books, which is no hyphen."""
THOUSANDS = {".": r"\.", ",": ",", " ": "[ \u00a0\u202f]", "'": "['\u2019]"}
"""What may stand between thousands, by the character that a config says."""
_ANY = re.compile(rf"[+-]?(?:{_FINITE}|inf(?:inity)?)", re.ASCII | re.IGNORECASE)


class Found(NamedTuple):
    """A cell of a file: where it stands, and what is written there."""

    place: Place
    text: str


class Notation(NamedTuple):
    """How numbers are written, beside their digits, signs and exponents."""

    decimal: str = "."
    """Stands before the decimals."""
    thousands: str = ""
    """May stand between thousands; then between all of a number."""

    def pointed(self, cell: str) -> str:
        """A number as it is written by default; what is none becomes none."""
        cell = cell.replace(MINUS, "-") if MINUS in cell else cell
        if self.thousands and (match := _grouped(*self).fullmatch(cell)):
            cell = match["whole"].replace(match["mark"], "") + match["rest"]
        return cell if self.decimal == "." else cell.translate(SWAPPED)


@cache
def _grouped(decimal: str, thousands: str) -> re.Pattern[str]:
    """A number of which at least one thousand stands apart."""
    mark, point = THOUSANDS[thousands], re.escape(decimal)
    whole = rf"[+-]?[1-9]\d{{0,2}}(?P<mark>{mark})\d{{3}}(?:(?P=mark)\d{{3}})*+"
    rest = rf"(?:{point}\d*+)?(?:e[+-]?\d++)?"
    flags = re.ASCII | re.IGNORECASE
    return re.compile(f"(?P<whole>{whole})(?P<rest>{rest})", flags)


PLAIN = Notation()

Locate = Callable[[Sequence[tuple[int, int]]], Sequence[Found]]
"""Finds cells, each given as (row, column) from 0."""


class Numbers(NamedTuple):
    """A column read as numbers."""

    values: np.ndarray
    """float64 (n,), NaN where the cell is missing or is no number."""
    invalid: np.ndarray
    """bool (n,): the cells that are no numbers."""


@dataclass(frozen=True, eq=False)
class Written:
    """A column of a text file: texts, until somebody asks for numbers.

    Attributes:
        rows: how many.
        values: float64 (n,), if each cell is a number or missing.
        read: reads the texts, object (n,).
        words: whether more than half of the cells are certainly no numbers.
    """

    rows: int
    values: np.ndarray | None
    read: Callable[[], np.ndarray]
    words: bool

    def __len__(self) -> int:
        return self.rows


@dataclass(frozen=True, eq=False)
class Table:
    """n rows of named columns.

    Attributes:
        names: the columns, in the order of the file.
        columns: for each name an array (n,) of float64, a list of n texts, or what a
            text file holds.
        label: the file or source, as messages call it.
        locate: finds cells in the file; without it a row is named by its number.
        shape: of one row's inputs, where they came as an array, such as (1, 8, 8).
        notation: how numbers are written in texts.
        missing: the texts of a file that stand for a missing value.
        nameless: the error of the column `unnamed`, which has no name in the file.
    """

    names: tuple[str, ...]
    columns: Sequence[np.ndarray | list[str] | Written]
    label: str
    locate: Locate | None = None
    shape: tuple[int, ...] | None = None
    notation: Notation = PLAIN
    missing: Sequence[str] = ()
    nameless: Error | None = None

    def __len__(self) -> int:
        return len(self.columns[0])

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {name: position for position, name in enumerate(self.names)}

    @cached_property
    def _numbers(self) -> dict[int, Numbers]:
        return {}

    @cached_property
    def _texts(self) -> dict[int, np.ndarray]:
        return {}

    def __contains__(self, name: object) -> bool:
        """Whether there is a column of that name."""
        return name in self._positions

    def refuse_nameless(self, said: Container[str]) -> None:
        """Refuse a column without a name, unless the config says something of it."""
        if self.nameless and UNNAMED not in said:
            raise self.nameless

    def position(self, name: str) -> int:
        return self._positions[name]

    def numbers(self, name: str) -> Numbers:
        """A column as numbers, parsed once."""
        position = self.position(name)
        if position not in self._numbers:
            values = _values(self.columns[position])
            self._numbers[position] = (
                parse(self.texts(name).tolist(), self.notation)
                if values is None
                else Numbers(values, np.zeros(len(values), bool))
            )
        return self._numbers[position]

    def texts(self, name: str) -> np.ndarray:
        """A column as texts, object (n,); 2.0 in an array reads "2"."""
        position = self.position(name)
        if position not in self._texts:
            self._texts[position] = _read(self.columns[position])
        return self._texts[position]

    def kind(self, name: str) -> str:
        """`numeric` if at least half of the non-empty cells are numbers."""
        column = self.columns[self.position(name)]
        if _values(column) is not None:
            return "numeric"
        if isinstance(column, Written) and column.words:
            return "categorical"
        counts = Counter(self.texts(name).tolist())
        del counts[""]
        how = self.notation
        numbers = sum(n for cell, n in counts.items() if is_number(cell, how))
        return "numeric" if 2 * numbers >= counts.total() else "categorical"

    def find(self, cells: Sequence[tuple[int, int]]) -> Sequence[Found]:
        """Cells (row, column), each with its place."""
        if self.locate is not None:
            return self.locate(cells)
        place = Place(self.label)
        return [Found(place, self.texts(self.names[c])[row]) for row, c in cells]

    def note(self, row: int) -> str:
        """The number of a row, where no line says where it is."""
        return "" if self.locate else f" (row {row}, counted from 0)"


def setting(key: str, name: str, value: str) -> str:
    """A setting of one column, as a config has it: `data.missing: {age: median}`."""
    if not _BARE.fullmatch(name) or name.lower() in WORDS:
        name = json.dumps(name, ensure_ascii=False)
    return f"data.{key}: {{{_cut(name)}: {value}}}"


def names_of(names: Iterable[str]) -> str:
    """Names in a row, the first few of them, none of any length."""
    return listed(escaped(_cut(name)) for name in islice(names, _LISTED + 1))


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"


def _values(column: np.ndarray | list[str] | Written) -> np.ndarray | None:
    """float64 (n,), of a column that holds nothing but numbers."""
    if isinstance(column, Written):
        return column.values
    return None if isinstance(column, list) else column


def _read(column: np.ndarray | list[str] | Written) -> np.ndarray:
    """object (n,) of texts."""
    if isinstance(column, Written):
        return column.read()
    cells = column if isinstance(column, list) else map(_written, column.tolist())
    return np.array(list(cells), dtype=object)


def _written(value: float) -> str:
    if math.isnan(value):
        return ""
    return str(int(value)) if value.is_integer() else repr(value)


def parse(cells: list[str], notation: Notation = PLAIN) -> Numbers:
    """Texts as numbers: decimal, or infinite; nothing else that `float` accepts.

    They are in ASCII, but for the minus of books. Python reads `1_000` and Arabic
    digits as numbers too.
    """
    known = {cell: _number(notation.pointed(cell)) for cell in set(cells)}
    numbers = list(map(known.__getitem__, cells))
    invalid = np.array([number is None for number in numbers], bool)
    return Numbers(np.array(numbers, np.float64), invalid)


def _number(cell: str) -> float | None:
    """NaN where the cell is empty, None where it is no number."""
    if not cell:
        return math.nan
    return float(cell) if is_number(cell) else None


def is_number(cell: str, notation: Notation = PLAIN) -> bool:
    return _ANY.fullmatch(notation.pointed(cell)) is not None
