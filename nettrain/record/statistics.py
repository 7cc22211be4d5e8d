"""`statistics.csv`: how values and gradients of the nodes are spread, over the run.

A row per node and moment. A cell is empty where the statistic does not apply: an
activation has no update ratio, an input no gradient.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nettrain.disk import Disk
from nettrain.errors import Error, Place
from nettrain.record.append import AppendOnly

MEASURES = ("rms", "mean", "std", "min", "max", "zero")
"""Of a value or gradient; `zero` is the share of zeros."""

COLUMNS = (
    "step",
    "epoch",
    "node",
    "role",
    *(f"{of}_{measure}" for of in ("value", "gradient") for measure in MEASURES),
    "update_ratio",
    "dead",
)
_INTEGERS = ("step", "epoch")
_TEXTS = ("node", "role")
_MOST = 10**8
"""Characters of a column of texts: there every cell takes the room of the longest."""


class Statistics(AppendOnly):
    """Appends rows of `COLUMNS`; a new file begins with their names."""

    def __init__(self, disk: Disk, path: Path) -> None:
        super().__init__(disk, path)
        self._writer = csv.DictWriter(self, COLUMNS, lineterminator="\n")
        if self.empty:
            self._writer.writeheader()

    def append(self, row: Mapping[str, Any]) -> None:
        """Columns that are left out or None stay empty; floats are written exactly."""
        self._writer.writerow(row)


def read_statistics(disk: Disk, path: Path) -> dict[str, np.ndarray]:
    """Column -> (R,): step and epoch int64, node and role str, else float64.

    An empty cell is NaN; an unfinished last line is one that is being written.
    """
    return parsed(read_cells(disk, path), path)


def read_cells(disk: Disk, path: Path) -> dict[str, tuple[str, ...]]:
    """Column -> its cells as they are written, but for an unfinished last line."""
    rows = _rows(disk.read(path).decode("utf-8", "replace"), path)
    if rows and tuple(rows[0]) != COLUMNS:
        raise _damaged(path, 1, "not the columns of this format")
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(COLUMNS):
            raise _damaged(path, number, f"{len(row)} of {len(COLUMNS)} cells")
    cells = zip(*rows[1:], strict=True) if rows[1:] else [()] * len(COLUMNS)
    return dict(zip(COLUMNS, cells, strict=True))


def parsed(cells: Mapping[str, tuple[str, ...]], path: Path) -> dict[str, np.ndarray]:
    """What `read_statistics` gives, from cells read of a file."""
    return {name: _column(name, column, path) for name, column in cells.items()}


def _rows(text: str, path: Path) -> list[list[str]]:
    whole = text[: text.rfind("\n") + 1]
    try:
        return list(csv.reader(io.StringIO(whole)))
    except csv.Error as error:
        raise _damaged(path, None, str(error)) from error


def _column(name: str, cells: tuple[str, ...], path: Path) -> np.ndarray:
    try:
        if name in _TEXTS:
            if len(cells) * max(map(len, cells), default=0) > _MOST:
                raise ValueError("its texts are too long")
            if not "".join(dict.fromkeys(cells)).isprintable():
                raise ValueError("a text has characters that no node's name has")
            return np.array(cells, dtype=np.str_)
        if name in _INTEGERS:
            integers = np.array([int(cell) for cell in cells], dtype=np.int64)
            if np.any(integers < 0):
                raise ValueError("below 0")
            return integers
        return np.array([float(cell or "nan") for cell in cells], dtype=np.float64)
    except (ValueError, OverflowError) as error:
        raise _damaged(path, None, f"column {name}: {error}") from error


def _damaged(path: Path, line: int | None, reason: str) -> Error:
    place = Place(str(path), line)
    fix = "nettrain resume cuts it back to a checkpoint that it agrees with"
    return Error("run-damaged", f"the file is damaged: {reason}", place=place, fix=fix)
