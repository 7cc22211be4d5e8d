"""Cells as numbers and as texts, some of which stand for a missing value."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from nettrain.data import decimals
from nettrain.data.cells import written
from nettrain.data.table import PLAIN, Notation, is_number, parse

_CASE = ord("a") - ord("A")
_SWAPPED = bytes.maketrans(b",.", b".,")
_FEW = 64
"""So few cells are sooner read one by one than compared with every mark."""


class Marks:
    """Reads cells, of which "" and some texts stand for missing values.

    Args:
        missing: those texts.
        notation: how numbers are written.
    """

    def __init__(self, missing: Sequence[str], notation: Notation = PLAIN) -> None:
        self.marks, self.notation = frozenset({"", *missing}), notation
        # Halves of a character, which YAML can write, stand in no table.
        self._bytes = {m: m.encode(errors="surrogatepass") for m in self.marks}
        starts = {mark[:1] for mark in self._bytes.values()}
        words = [c for c in range(ord("!"), 127) if c not in b"+-.,0123456789"]
        self._words = np.zeros(256, bool)
        self._words[[c for c in words if bytes([c]) not in starts]] = True

    def numbers(
        self, window: bytes, start: np.ndarray, end: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Cells as float64 (n,), NaN where missing, and those that are no numbers."""
        data = np.frombuffer(window, np.uint8)
        values, sure = self._read(window, start, end)
        for mark in self.marks:
            if not is_number(mark, self.notation):
                continue
            missing = _equal(data, start, end, self._bytes[mark])
            values[missing], sure[missing] = math.nan, True
        doubtful = np.flatnonzero(~sure)
        values[doubtful] = math.nan
        for mark in self._bytes.values():
            if doubtful.size < _FEW:
                break
            other = np.ones(len(doubtful), bool)
            other[_equal(data, start[doubtful], end[doubtful], mark)] = False
            doubtful = doubtful[other]
        cells = written(window, start[doubtful], end[doubtful])
        values[doubtful], invalid = parse(self.texts(cells), self.notation)
        return values, doubtful[invalid]

    def _read(
        self, window: bytes, start: np.ndarray, end: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Cells as float64 (n,), and which of them are sure."""
        decimal, thousands = self.notation
        torn = np.zeros(0, np.intp)
        if len(start) and thousands and thousands.encode() in window:
            window, start, end, torn = _joined(window, start, end, ord(thousands))
        if decimal != ".":
            window = window.translate(_SWAPPED)
        values, sure = decimals.read(window, start, end)
        sure[torn] = False
        return values, sure

    def texts(self, cells: list[str]) -> list[str]:
        """The texts of cells as `written` gives them, "" where one is missing."""
        texts, marks = list(map(str.strip, cells)), self.marks
        if marks.isdisjoint(texts):
            return texts
        return ["" if text in marks else text for text in texts]

    def words(self, window: bytes, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Cells that begin as no number does and nothing that stands for missing."""
        data = np.frombuffer(window, np.uint8)
        first = data[start] | _CASE
        second = data.take(start + 1, mode="clip") | _CASE
        infinite = (first == ord("i")) & (second == ord("n"))
        return self._words[data[start]] & ~infinite & (start < end)


def _equal(
    data: np.ndarray, start: np.ndarray, end: np.ndarray, text: bytes
) -> np.ndarray:
    """Which cells hold exactly `text`."""
    cells = np.flatnonzero(end - start == len(text))
    for i, byte in enumerate(text):
        cells = cells[data.take(start[cells] + i) == byte]
    return cells


def _joined(
    window: bytes, start: np.ndarray, end: np.ndarray, mark: int
) -> tuple[bytes, np.ndarray, np.ndarray, np.ndarray]:
    """Cells without the marks between thousands.

    Returns:
        A window, starts and ends, and the numbers of the cells with a mark that has not
        three digits behind it, or before it not 1 to 3 that begin the number.
    """
    data = np.frombuffer(window, np.uint8)
    at = np.flatnonzero(data == mark)
    cell = np.searchsorted(start, at, side="right") - 1
    inside = (cell >= 0) & (at < end[cell])
    at, cell = at[inside], cell[inside]
    digit = np.zeros(len(data) + 8, bool)  # nor are those beyond the ends
    digit[4:-4] = (data >= ord("0")) & (data <= ord("9"))
    one, two, three, four = (digit[at + 4 + k] for k in (1, 2, 3, 4))
    behind = one & two & three & (at + 3 < end[cell]) & ~(four & (at + 4 < end[cell]))
    one, two, three = (digit[at + 4 - k] for k in (1, 2, 3))
    first = at - one - (one & two) - (one & two & three)
    before = data.take(first - 1, mode="clip")
    signed = (before == ord("-")) | (before == ord("+"))
    begins = (first == start[cell]) | ((first == start[cell] + 1) & signed)
    begins &= data[first] != ord("0")
    begins |= (first > start[cell]) & (before == mark)
    right = one & begins & behind
    kept = np.ones(len(data), bool)
    kept[at] = False
    start, end = (ends - np.searchsorted(at, ends) for ends in (start, end))
    return data[kept].tobytes(), start, end, cell[~right]
