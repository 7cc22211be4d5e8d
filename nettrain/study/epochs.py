"""The ends of a run's epochs, read without the updates between them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nettrain.disk import Disk
from nettrain.errors import Error
from nettrain.record.metrics import Row, read_metrics
from nettrain.training.outcome import EPOCH_LOSS

_LOSS, _DIGEST = f'"{EPOCH_LOSS}":'.encode(), b'"digest":'
"""What only the last row of an epoch has. Where one is damaged, there is the other."""


def read_ends(disk: Disk, path: Path) -> Sequence[Row]:
    """The rows of metrics.jsonl that end an epoch; all where one seems to be damaged.

    A model's numbers and curves are made of these few: reading the others, too, would
    take most of the time that hundreds of runs take.

    Raises:
        Error: `run-damaged`.
    """
    try:
        rows = read_metrics(disk, path, (_LOSS, _DIGEST))
    except Error:  # a line before it may be damaged, too, and is to be told first
        return read_metrics(disk, path)
    numbers = [row["epoch"] for row in rows if EPOCH_LOSS in row]
    is_whole = rows and numbers == [*range(1, len(rows) + 1)]
    return rows if is_whole else read_metrics(disk, path)
