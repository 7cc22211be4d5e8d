"""`metrics.jsonl`: a row of deterministic numbers per update, one JSON object a line.

{"step":40,"epoch":1,"train/loss":0.61,"validation/loss":0.58,"digest":"9f86d081…"}

The last row of an epoch ends in a digest of all epochs so far: of their metrics and of
the states that they ended in. Runs whose digests are equal are the same up to there. As
it stands in the rows, whatever cuts these back cuts it back too.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nettrain.disk import Disk
from nettrain.errors import Error, Place
from nettrain.record import json_text
from nettrain.record.append import AppendOnly

Row = dict[str, Any]
Tensors = Mapping[str, np.ndarray]

_DIGEST = "digest"
_HEX = re.compile(r"[0-9a-f]{32}")
_LAST = b'"digest":"'
"""What no name in a row can hold: its quotes would have backslashes before them."""


def chained(before: str, row: Mapping[str, Any], state: Tensors) -> str:
    """The digest of the epochs up to one that has ended.

    It is the first half, 32 hexadecimal digits, of

        SHA-256(digest of the epoch before | row | path and bytes of each tensor)

    where the tensors stand in the order of their paths.

    Args:
        before: of the epoch before; nothing before the first.
        row: the last one of the epoch.
        state: what it ended in, by path. Of `diagnosis/…` nothing depends, so a run has
            the same digests without it.
    """
    found = hashlib.sha256(f"{before}\n{json_text.row(row)}\n".encode())
    for path in sorted(state):
        if not path.startswith("diagnosis/"):
            found.update(f"{path}\n".encode())
            found.update(state[path].reshape(-1))
    return found.hexdigest()[:32]


class Metrics(AppendOnly):
    """Appends rows; the keys stand in the order in which they are given."""

    def __init__(self, disk: Disk, path: Path) -> None:
        super().__init__(disk, path)
        self._digest = _last_digest(disk.read(path))

    def append(self, row: Mapping[str, Any], state: Tensors | None = None) -> None:
        """Take a row; of the last one of an epoch also the state that it ended in."""
        if state is not None:
            self._digest = chained(self._digest, row, state)
            row = {**row, _DIGEST: self._digest}
        self.write(json_text.row(row) + "\n")


def _last_digest(data: bytes) -> str:
    """The digest that stands last in a file; nothing where there is none."""
    at = data.rfind(_LAST) + len(_LAST)
    found = _HEX.fullmatch(data[at : at + 32].decode("ascii", "replace"))
    return found[0] if found else ""


_NAMES = 1000
"""More are not written: as columns, every name takes the memory of all rows."""


def read_metrics(disk: Disk, path: Path, having: Sequence[bytes] = ()) -> list[Row]:
    """Every whole row, of numbers only; see `read_digested`."""
    return [row for row, _ in read_digested(disk, path, having)]


def read_digested(
    disk: Disk, path: Path, having: Sequence[bytes] = ()
) -> Iterator[tuple[Row, str]]:
    """Every whole row, with its digest, which is empty where it has none.

    An unfinished last line is one that is being written.

    Args:
        having: where there are any, lines without one of these are passed over unread.

    Raises:
        Error: `run-damaged` where a line is no row of numbers with step and epoch.
    """
    data = disk.read(path)
    names: set[str] = set()
    for start in _starts(data, having):
        end = data.find(b"\n", start)
        if end < 0:
            return
        try:
            row, digest = _row(data[start:end])
            names.update(row)
            if len(names) > _NAMES:
                raise ValueError(f"more than {_NAMES} names")
        except ValueError as error:
            place = Place(str(path), data.count(b"\n", 0, start) + 1)
            fix = "nettrain resume cuts it back to a checkpoint that it agrees with"
            message = f"the file is damaged: {error}"
            raise Error("run-damaged", message, place=place, fix=fix) from None
        yield row, digest


def _starts(data: bytes, having: Sequence[bytes]) -> Iterator[int]:
    """Where lines start, in order: all, or those that have one of these marks."""
    if having:
        found = {data.rfind(b"\n", 0, at) + 1 for m in having for at in _at(data, m)}
        yield from sorted(found)
    else:
        yield 0
        yield from (at + 1 for at in _at(data, b"\n"))


def _at(data: bytes, mark: bytes) -> Iterator[int]:
    """Where a mark is."""
    at = data.find(mark)
    while at >= 0:
        yield at
        at = data.find(mark, at + 1)


def _row(line: bytes) -> tuple[Row, str]:
    """A row and its digest.

    Raises:
        ValueError: where it is none.
    """
    try:
        row: Any = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    digest = row.pop(_DIGEST, "") if isinstance(row, dict) else ""
    if not _is_row(row) or not _is_digest(digest):
        raise ValueError("expected a JSON object: step, epoch, numbers")
    found: Row = row
    for name, value in found.items():
        if isinstance(value, str):
            found[name] = json_text.NOT_FINITE[value]
    return found, digest


def _is_digest(value: Any) -> bool:
    """Whether it is one, or the empty text that stands for none."""
    return isinstance(value, str) and (not value or bool(_HEX.fullmatch(value)))


def _is_row(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and json_text.count(value.get("step"))
        and json_text.count(value.get("epoch"))
        and json_text.numbers(value.values())
        and all(map(str.isprintable, value))
    )


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
