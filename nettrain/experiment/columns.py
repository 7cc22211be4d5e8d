"""What stands in the columns of a table, and what that asks of a config."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from nettrain.component import escaped, show
from nettrain.data.decide import DECIMAL_COMMA
from nettrain.data.delimited import MISSING
from nettrain.data.settings import Policy
from nettrain.data.sources import FileSource, Loaded
from nettrain.data.table import Table

MARKS = 3
"""Texts in a column of numbers that are taken for marks of missing values."""
FILLING = 1e30
"""From here on a number marks a missing value: NetCDF's is 9.97e36."""
CATEGORIES = 100
"""Categories that become a column each, at most."""
_SEEN_ENOUGH = 3
"""Rows that a category has at least, on the average."""
_MOSTLY = 0.7
"""Share of missing values beyond which a column is left out."""
_DELIMITERS = ";\t|"
_DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}.*|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}.*")
_NUMBERING = re.compile(r"(?i:(.*[\W_])?(id|key|index|nr)|unnamed.*)|.*[a-z]I[dD]")


@dataclass(frozen=True)
class Column:
    """A column of inputs.

    Attributes:
        name: as the table has it.
        kind: what is made of it.
        why: what was seen, where it is left out or has to be declared.
        declared: whether the table does not say the kind by itself.
        missing: share of its rows that have no value.
        rarest: rows of its rarest category; 0 of a column of numbers.
        spread: standard deviation of its numbers.
    """

    name: str
    kind: Literal["numeric", "categorical", "ignore"]
    why: str = ""
    declared: bool = False
    missing: float = 0.0
    rarest: int = 0
    spread: float = 0.0

    @property
    def policy(self) -> Policy:
        """What becomes of a missing value."""
        return "median" if self.kind == "numeric" else "most_frequent"


def opened(path: str) -> tuple[FileSource, Loaded]:
    """A file of rows, read by the delimiter that its first line shows."""
    source = FileSource(path)
    loaded = source.load(seed=0)
    names = loaded.tables["train"].names
    for delimiter in _DELIMITERS if len(names) == 1 else "":
        if delimiter in names[0]:
            source = FileSource(path, delimiter)
            return source, source.load(seed=0)
    return source, loaded


def marks(table: Table) -> dict[str, str]:
    """Cells that stand for a missing value, and what was seen of each: `?`, `9.97e36`.

    Those are taken for marks that stand among numbers and are none, are infinite, or
    beyond all bounds, if a column has but few different ones.
    """
    found: dict[str, str] = {}
    for name in table.names if table.locate else ():
        if table.kind(name) != "numeric":
            continue
        values, invalid = table.numbers(name)
        with np.errstate(invalid="ignore"):
            odd = invalid | (np.abs(values) >= FILLING)
        if not odd.any():
            continue
        cells = Counter(table.texts(name)[odd].tolist())
        usual = np.abs(values[~odd & ~np.isnan(values)])
        if len(cells) <= MARKS and (usual < FILLING**0.5).all():
            for cell, count in cells.items():
                told = f"{rows(count)} of {show(name)}"
                found[cell] = f"{found[cell]}, {told}" if cell in found else told
    return found


def marked(source: FileSource, found: Sequence[str]) -> tuple[FileSource, Loaded]:
    """The file, read anew with further marks of missing values."""
    source = FileSource(source.path, source.delimiter, (*MISSING, *found))
    return source, source.load(seed=0)


def rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def share(part: float) -> str:
    """`7 %`, `0.3 %`, `less than 0.1 %`."""
    percent = 100 * part
    if 0 < percent < 0.1:
        return "less than 0.1 %"
    return f"{percent:.1f} %" if percent < 1 else f"{percent:.0f} %"


def column(table: Table, name: str) -> Column:
    """What is to be made of a column of inputs."""
    if table.kind(name) == "numeric":
        values, invalid = table.numbers(name)
        if not invalid.any():
            return _numbers(name, values)
        odd = f"{share(float(invalid.mean()))} of its cells are no numbers"
        return _texts(table, name, odd)
    return _texts(table, name, "")


def _numbers(name: str, values: np.ndarray) -> Column:
    present = values[~np.isnan(values)]
    missing = 1 - len(present) / len(values)
    unique = np.unique(present)
    if why := _says_nothing(len(unique), missing):
        return Column(name, "ignore", why, True)
    if not (np.abs(unique) < FILLING).all():
        return Column(name, "ignore", "has numbers beyond 1e30", True)
    whole = len(unique) == len(values) and bool((unique == np.floor(unique)).all())
    in_turn = whole and unique[-1] - unique[0] == len(unique) - 1
    if whole and (in_turn or _NUMBERING.fullmatch(name)) and len(unique) > 2:
        return Column(name, "ignore", "numbers the rows: no two are alike", True)
    with np.errstate(over="ignore"):
        spread = float(present.std())
    return Column(name, "numeric", missing=missing, spread=spread)


def _texts(table: Table, name: str, odd: str) -> Column:
    """A column of texts, or of numbers with texts among them (`odd` says how many)."""
    cells = table.texts(name)
    counts = Counter(cells.tolist())
    missing = counts.pop("", 0) / len(cells)
    if why := _says_nothing(len(counts), missing):
        return Column(name, "ignore", why, True)
    if 2 * sum(n for c, n in counts.items() if DECIMAL_COMMA.fullmatch(c)) > len(cells):
        return Column(name, "categorical")  # which is refused, with what to do
    many = f"{len(counts):,} different texts in {len(cells):,} rows"
    if len(counts) > min(CATEGORIES, max(2, counts.total() // _SEEN_ENOUGH)):
        if sum(map(bool, map(_DATE.fullmatch, counts))) > 0.9 * len(counts):
            many = "dates: to learn from them, write year, month … as columns"
        return Column(name, "ignore", f"{odd}; {many}" if odd else many, True)
    rarest = min(counts.values())
    return Column(name, "categorical", odd, bool(odd), missing, rarest)


def _says_nothing(different: int, missing: float) -> str:
    """Why a column is left out whose values can tell nothing."""
    if different == 0:
        return "is empty"
    if different == 1:
        return "has one value only" if missing else "is the same in every row"
    return f"{share(missing)} is missing" if missing > _MOSTLY else ""


def shortened(name: str, most: int = 40) -> str:
    """A name as a comment has it."""
    name = escaped(name)
    return f"`{name if len(name) <= most else name[: most - 1] + '…'}`"
