"""What is wrong with the cells of a table, all of it, each with its place.

A table can hold a million bad cells. The first few in the order of the file are listed
with line and column, the rest is counted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from nettrain.component import show
from nettrain.data.table import WORDS, Table
from nettrain.errors import Error, Place, raise_all

LISTED = 20
"""How many bad cells are listed one by one."""
_BARE = re.compile(r"[a-z][a-z\d_-]*|…")
"""Texts that need no quotes."""
_PATH = re.compile(r"[\w./][\w./ -]*\.\w+")
"""Paths that need none."""


class OtherReading(Error):
    """A file that is not written as it is read, and how it would have to be read.

    Attributes:
        fields: of the source, beside its path, that differ.
        sure: whether nothing else can be meant.
    """

    def __init__(
        self,
        code: str,
        message: str,
        place: Place,
        fields: Mapping[str, Any],
        *,
        why: str = "",
        sure: bool = False,
    ) -> None:
        self.fields, self.why, self.sure = dict(fields), why, sure
        fix = f"say {as_source(place.file, **fields)}{why}"
        super().__init__(code, message, place=place, fix=fix)


def as_source(path: str, **fields: Any) -> str:
    """A file as the config's source, with fields beside its path, in YAML."""
    path = path if _PATH.fullmatch(path) else json.dumps(path, ensure_ascii=False)
    return f"source: {{file: {{path: {path}, {shown_fields(fields)}}}}}"


def shown_fields(fields: Mapping[str, Any]) -> str:
    """Fields as a config has them."""
    return ", ".join(f"{key}: {in_yaml(value)}" for key, value in fields.items())


def in_yaml(value: object) -> str:
    """A plain value in one line of YAML."""
    if isinstance(value, Mapping):
        return f"{{{shown_fields(value)}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(in_yaml, value))}]"
    if isinstance(value, str) and _BARE.fullmatch(value) and value not in WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)


class _Fault(NamedTuple):
    row: int
    column: int
    code: str
    message: Callable[[str], str]
    """Says what is wrong with a cell, which it is given as a message quotes it."""
    fix: str


class Faults:
    """Gathers the bad cells of one table, then raises all of them together."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self._found: list[_Fault] = []
        self._count = 0

    def add(
        self,
        bad: np.ndarray,
        name: str,
        code: str,
        message: Callable[[str], str],
        fix: str,
    ) -> None:
        """Note the rows of column `name` where the mask `bad` (n,) is true."""
        rows = np.flatnonzero(bad)
        if not rows.size:
            return
        column = self.table.position(name)
        self._count += len(rows)
        found = (_Fault(r, column, code, message, fix) for r in rows[:LISTED].tolist())
        self._found = sorted([*self._found, *found], key=lambda f: f[:2])[:LISTED]

    def raise_all(self) -> None:
        """Raise nothing, or the first faults in the order of the file and a count."""
        cells = self.table.find([(fault.row, fault.column) for fault in self._found])
        errors = [
            Error(
                fault.code,
                fault.message(show(cell.text)) + self.table.note(fault.row),
                place=cell.place,
                fix=fault.fix,
            )
            for fault, cell in zip(self._found, cells, strict=True)
        ]
        raise_all(errors + more(self._count - len(errors), errors))


def raise_first(errors: Iterable[Callable[[], Error]]) -> None:
    """Raise nothing, or the first errors, the only ones made, and a count."""
    makers = iter(errors)
    listed = [make() for make in islice(makers, LISTED)]
    raise_all(listed + more(sum(1 for _ in makers), listed))


def more(count: int, listed: list[Error]) -> list[Error]:
    """One error that says how many were left out, or none."""
    if count <= 0:
        return []
    last = listed[-1]
    file = last.place.file if last.place else "the table"
    return [Error(last.code, f"… and {count} more such errors in {file}")]
