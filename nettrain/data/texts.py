"""The texts of columns, each different one read once and kept once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nettrain.data.cells import written
from nettrain.data.marks import Marks

DISTINCT = 10_000
"""As many texts are looked for again in later blocks."""
_WORDS = 3
"""Cells of up to so many words of 8 bytes are compared."""
_BITS = np.uint64(48)
_SLOTS = 1 << 16
_MASKS = np.array([2 ** (8 * k) - 1 for k in range(9)], np.uint64)
_MIXER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: spreads all bits


class Texts:
    """The texts of some columns of a table, gathered block by block.

    Attributes:
        words: for each column, how many cells begin as no number does, nor what stands
            for a missing value.
    """

    def __init__(self, marks: Marks, columns: Sequence[int]) -> None:
        self.words = np.zeros(len(columns), np.int64)
        self._marks = marks
        self._pieces: dict[int, list[np.ndarray]] = {column: [] for column in columns}
        self._known: dict[str, str] = {}

    def __contains__(self, column: int) -> bool:
        return column in self._pieces

    def add(self, window: bytes, start: np.ndarray, end: np.ndarray) -> None:
        """Add the cells of some rows, row by row."""
        if not self._pieces:
            return
        first, which = distinct(window, start, end)
        start, end = start[first], end[first]
        which = which.reshape(-1, len(self._pieces))
        words = self._marks.words(window, start, end)
        self.words += np.count_nonzero(words[which], axis=0)
        cells = written(window, start, end)
        texts = np.array(self._once(self._marks.texts(cells)), dtype=object)
        for pieces, column in zip(self._pieces.values(), which.T, strict=True):
            pieces.append(texts[column])

    def _once(self, texts: list[str]) -> list[str]:
        """Equal texts as one object."""
        if len(self._known) > DISTINCT:
            return texts
        return list(map(self._known.setdefault, texts, texts))

    def take(self, others: Texts) -> None:
        """Take the columns over that others gathered."""
        self._pieces |= others._pieces

    def column(self, column: int) -> np.ndarray:
        """The texts of a column, object (n,); they are given away."""
        return np.concatenate(self._pieces.pop(column))


def distinct(
    window: bytes, start: np.ndarray, end: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Cells of which all others are copies, in their order, and which each one is.

    Some copies may be taken for different.
    """
    parts = _parts(window, start, end)
    key = parts[0] * _MIXER
    for part in parts[1:]:
        key ^= part
        key *= _MIXER
    slot = (key >> _BITS).view(np.int64) % _SLOTS
    every = np.arange(len(start))
    table = np.empty(_SLOTS, np.int64)
    table[slot] = every  # of cells with one slot the last stays
    likely = table[slot]
    same = np.ones(len(start), bool)
    for part in parts:
        same &= part[likely] == part
    likely = np.where(same, likely, every)
    chosen = np.zeros(len(start), bool)
    chosen[likely] = True
    return np.flatnonzero(chosen), (np.cumsum(chosen) - 1)[likely]


def _parts(window: bytes, start: np.ndarray, end: np.ndarray) -> list[np.ndarray]:
    """uint64 (n,), several: cells are equal where all of them are.

    Long cells count as different wherever they are.
    """
    width, parts = end - start, []
    padded = window + bytes(8 * (_WORDS + 1))
    words = np.ndarray(len(window) + 8 * _WORDS, "<u8", padded, strides=(1,))
    for first in range(0, 8 * _WORDS, 8):
        if not first or first < width.max():
            inside = _MASKS.take(width - first, mode="clip")
            parts.append(words[start + first] & inside)
    long = width > 8 * _WORDS
    parts[-1][long] = ~start[long].view(np.uint64)  # no text has such bytes
    if b'"' in window:  # "" stands for one quote, but not in a bare cell
        before = np.frombuffer(window, np.uint8).take(start - 1, mode="clip")
        parts.append((before == ord('"')).astype(np.uint64))
    return parts
