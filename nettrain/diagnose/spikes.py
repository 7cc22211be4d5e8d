"""Spikes: gradient norms that stand out from those before them."""

from __future__ import annotations

import numpy as np

RECENT = 100
"""How many of the latest losses and gradient norms are remembered."""
_FEWEST = 20
_BLOCK = 4096
"""Updates looked at together: some megabytes."""
_FLOOR = 1e-6


def spike(norms: np.ndarray, new: int) -> tuple[int, np.ndarray] | None:
    """The update whose gradient norm g stood out most from those before it.

    Each log g is compared with the log of the `RECENT` before it: how many robust
    standard deviations, 1.4826 times the median distance from the median, is it above
    their median? (Hampel, JASA 1974.)

    Args:
        norms: g of updates, oldest first.
        new: how many of the last are candidates.

    Returns:
        Its index, and (g, the median of those before it, its height); None where no
        candidate has `_FEWEST` before it.
    """
    logs = np.log(np.maximum(norms, np.finfo(np.float32).tiny)).astype(np.float32)
    first = max(len(logs) - new, _FEWEST)
    if first >= len(logs):
        return None
    starts = range(first, len(logs), _BLOCK)
    heights = [_heights(logs, i, min(i + _BLOCK, len(logs))) for i in starts]
    height = np.concatenate(heights)
    at = first + int(np.argmax(height))
    before = np.sort(norms[max(0, at - RECENT) : at])
    middle = (before[(len(before) - 1) // 2] + before[len(before) // 2]) / 2
    return at, np.array([norms[at], middle, height[at - first]], np.float64)


def _heights(logs: np.ndarray, first: int, end: int) -> np.ndarray:
    """For each of some updates, how far it stands out from those before it."""
    nothing = np.full(RECENT, np.inf, logs.dtype)
    padded = np.concatenate([nothing, logs])
    before = np.lib.stride_tricks.sliding_window_view(padded, RECENT)[first:end]
    count = np.minimum(np.arange(first, end), RECENT)
    middle = _medians(before, count)
    spread = _medians(np.abs(before - middle[:, None]), count)
    height: np.ndarray = logs[first:end] - middle
    return height / np.maximum(1.4826 * spread, _FLOOR)


def _medians(rows: np.ndarray, count: np.ndarray) -> np.ndarray:
    """The median of the `count` smallest numbers of each row; the others are ∞."""
    ordered = np.sort(rows, axis=1)
    each = np.arange(len(rows))
    middle: np.ndarray = ordered[each, (count - 1) // 2] + ordered[each, count // 2]
    return middle / 2
