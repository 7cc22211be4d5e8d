"""The order of the rows in an epoch, and where its batches begin and end."""

from __future__ import annotations

import numpy as np

from nettrain import randomness


def order(seed: int, epoch: int, rows: int, shuffle: bool = True) -> np.ndarray:
    """The order in which an epoch (from 1) sees the training rows, int64 (rows,).

    A function of seed and epoch alone, so that resuming needs no state.
    """
    if not shuffle:
        return np.arange(rows)
    return randomness.permutation(randomness.key(seed, "shuffle/train"), rows, epoch)


def slices(rows: int, batch_size: int) -> list[slice]:
    """The batches of an epoch; the last one may be smaller."""
    return [slice(i, min(i + batch_size, rows)) for i in range(0, rows, batch_size)]
