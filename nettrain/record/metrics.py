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


def read_metrics(disk: Disk, path: Path) -> list[Row]:
    """Every whole row; an unfinished last line is one that is being written."""
    whole = disk.read(path).split(b"\n")[:-1]
    return [_row(line, path, number) for number, line in enumerate(whole, 1)]


def _row(line: bytes, path: Path, number: int) -> Row:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        place = Place(str(path), number)
        message = "expected a JSON object, so the file is damaged"
        fix = "nettrain resume cuts it back to a checkpoint that it agrees with"
        raise Error("run-damaged", message, place=place, fix=fix)
    for name, value in row.items():
        if isinstance(value, str):
            row[name] = json_text.NOT_FINITE.get(value, value)
    return row


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
