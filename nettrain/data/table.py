"""A table as it was read: named columns, before anything is decided about them.

A column is either numbers (float64, NaN where missing) or texts ("" where missing).
Cells of a text file stay texts until somebody asks for numbers, so that the kind of a
column can be inferred, declared, or remembered from the training run.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from nettrain.errors import Place

Locate = Callable[[Sequence[tuple[int, int]]], Sequence[Place]]
"""Places of cells, each given as (row, column) from 0."""

NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
INFINITE = re.compile(r"[+-]?inf(?:inity)?", re.IGNORECASE)
_PLAIN = frozenset("0123456789+-.eE")


class Numbers(NamedTuple):
    """A column read as numbers."""

    values: np.ndarray
    """float64 (n,), NaN where the cell is missing or is no number."""
    invalid: np.ndarray
    """bool (n,): the cells that are no numbers."""


@dataclass(frozen=True, eq=False)
class Table:
    """n rows of named columns.

    Attributes:
        names: the columns, in the order of the file.
        columns: one array (n,) of float64 or one list of n texts per name.
        label: the file or source, as messages call it.
        locate: finds the places of cells; without it a row is named by its number.
        shape: of one row's inputs, where they came as an array, such as (1, 8, 8).
    """

    names: tuple[str, ...]
    columns: Sequence[np.ndarray | list[str]]
    label: str
    locate: Locate | None = None
    shape: tuple[int, ...] | None = None
    _parsed: dict[str, Numbers] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.columns[0])

    def column(self, name: str) -> np.ndarray | list[str]:
        return self.columns[self.names.index(name)]

    def numbers(self, name: str) -> Numbers:
        """A column as numbers, parsed once."""
        if name not in self._parsed:
            column = self.column(name)
            if isinstance(column, list):
                self._parsed[name] = parse(column)
            else:
                self._parsed[name] = Numbers(column, np.zeros(len(column), bool))
        return self._parsed[name]

    def texts(self, name: str) -> np.ndarray:
        """A column as texts, object (n,); 2.0 in an array reads "2"."""
        column = self.column(name)
        cells = column if isinstance(column, list) else map(_written, column.tolist())
        return np.array(list(cells), dtype=object)

    def kind(self, name: str) -> str:
        """`numeric` if at least half of the non-empty cells are numbers."""
        column = self.column(name)
        if not isinstance(column, list):
            return "numeric"
        cells = len(column) - column.count("")
        return (
            "numeric"
            if 2 * self.numbers(name).invalid.sum() <= cells
            else "categorical"
        )

    def cell(self, row: int, name: str) -> str:
        """A cell as a message quotes it."""
        column = self.column(name)
        value = (
            column[row] if isinstance(column, list) else _written(float(column[row]))
        )
        return f'"{value}"' if len(value) <= 40 else f'"{value[:37]}…"'

    def note(self, row: int) -> str:
        """The number of a row, where no line says where it is."""
        return "" if self.locate else f" (row {row}, counted from 0)"

    def places(self, cells: Sequence[tuple[int, int]]) -> Sequence[Place]:
        if self.locate is None:
            return [Place(self.label)] * len(cells)
        return self.locate(cells)


def _written(value: float) -> str:
    if math.isnan(value):
        return ""
    return str(int(value)) if value.is_integer() else repr(value)


def parse(cells: list[str]) -> Numbers:
    """Texts as numbers: decimal, ASCII, or infinite; nothing else that `float` accepts.

    Python reads `1_000` and Arabic digits as numbers too. The fast way is taken only
    where the characters leave no such doubt.
    """
    if _PLAIN.issuperset("".join(cells)):
        try:
            values = np.array([float(cell) if cell else math.nan for cell in cells])
        except ValueError:
            pass
        else:
            return Numbers(values, np.zeros(len(cells), bool))
    invalid = np.array([bool(cell) and not is_number(cell) for cell in cells], bool)
    values = np.array(
        [
            math.nan if bad or not cell else float(cell)
            for cell, bad in zip(cells, invalid, strict=True)
        ]
    )
    return Numbers(values, invalid)


def is_number(cell: str) -> bool:
    return bool(NUMBER.fullmatch(cell) or INFINITE.fullmatch(cell))
