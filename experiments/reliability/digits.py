"""What every trainer's script shares: the data, the marks and the way to end.

A script is called with a folder. It keeps its checkpoints in `run/`; `marks/` tells a
trace where an epoch begins; `final.json` says how training ended.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

EPOCHS, BATCH, SEED, RATE, DROPOUT = 6, 32, 0, 0.001, 0.3
HIDDEN = (64, 32)
ROWS = 1280
"""40 batches of 32, so that no batch is short."""


def rows() -> tuple[np.ndarray, np.ndarray]:
    """Handwritten digits of scikit-learn: pixels (1280, 64) in 0 … 1 and labels."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = (digits.data / 16).astype(np.float32)
    return pixels[:ROWS], digits.target[:ROWS].astype(np.int64)


def mark(folder: Path, name: str) -> None:
    """Leave a trace of a moment: one system call, and none that a checkpoint makes."""
    with contextlib.suppress(FileExistsError, FileNotFoundError):
        (folder / "marks" / name).mkdir()


def finish(
    folder: Path, start: int, updates: int, weights: Sequence[np.ndarray]
) -> None:
    """Say how it ended.

    Args:
        start: epochs that were done when this process began to train.
        updates: how many updates the optimizer says were made, all processes together.
        weights: all trained arrays, in a fixed order.
    """
    ended = {"start": start, "updates": updates, "sha256": digest(weights)}
    (folder / "final.json").write_text(json.dumps(ended), encoding="utf-8")


def digest(arrays: Sequence[np.ndarray]) -> str:
    """SHA-256 over shapes, types and bytes."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(f"{array.dtype} {array.shape}".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()
