"""`metrics.jsonl`: a row of deterministic numbers per update, one JSON object a line.

{"step":40,"epoch":1,"train/loss":0.61,"validation/loss":0.58}
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nettrain.disk import Disk
from nettrain.errors import Error, Place
from nettrain.record import json_text
from nettrain.record.append import AppendOnly

Row = dict[str, Any]


class Metrics(AppendOnly):
    """Appends rows; the keys stand in the order in which they are given."""

    def append(self, row: Mapping[str, Any]) -> None:
        self.write(json_text.row(row) + "\n")


_NAMES = 1000
"""More are not written: as columns, every name takes the memory of all rows."""


def read_metrics(disk: Disk, path: Path) -> list[Row]:
    """Every whole row; an unfinished last line is one that is being written.

    Raises:
        Error: `run-damaged` where a line is no row of numbers with step and epoch.
    """
    whole = disk.read(path).split(b"\n")[:-1]
    names: set[str] = set()
    rows = []
    for number, line in enumerate(whole, 1):
        rows.append(_row(line, path, number))
        names.update(rows[-1])
        if len(names) > _NAMES:
            raise _damaged(path, number, f"more than {_NAMES} names")
    return rows


def _row(line: bytes, path: Path, number: int) -> Row:
    try:
        row: Any = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    if not _is_row(row):
        raise _damaged(path, number, "expected a JSON object: step, epoch, numbers")
    found: Row = row
    for name, value in found.items():
        if isinstance(value, str):
            found[name] = json_text.NOT_FINITE[value]
    return found


def _is_row(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and json_text.count(value.get("step"))
        and json_text.count(value.get("epoch"))
        and all(map(json_text.number, value.values()))
        and all(map(str.isprintable, value))
    )


def _damaged(path: Path, number: int, reason: str) -> Error:
    place = Place(str(path), number)
    fix = "nettrain resume cuts it back to a checkpoint that it agrees with"
    return Error("run-damaged", f"the file is damaged: {reason}", place=place, fix=fix)


def columns(rows: Iterable[Row]) -> dict[str, np.ndarray]:
    """The rows turned on their side: name -> (R,), NaN where a row lacks the name.

    `step` and `epoch` are int64, everything else is float64.
    """
    rows = list(rows)
    names = dict.fromkeys(name for row in rows for name in row)
    return {
        name: np.array(
            [row.get(name, np.nan) for row in rows],
            dtype=np.int64 if name in ("step", "epoch") else np.float64,
        )
        for name in names
    }


def series(rows: Iterable[Row], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps (R,) int64 and values (R,) float64 of the rows that have `name`."""
    found = [(row["step"], row[name]) for row in rows if name in row]
    steps, values = zip(*found, strict=True) if found else ((), ())
    return np.array(steps, dtype=np.int64), np.array(values, dtype=np.float64)
