"""Decimal numbers to float64, thousands at a time, each correctly rounded.

A cell d.ddde±xx is an integer of up to 19 digits times a power of ten. The cells of a
chunk are read together: plane k holds the k-th character from the end of each. What
these few operations cannot decide is left to the caller, who asks `float`.

    W. Clinger, How to read floating point numbers accurately, PLDI 1990.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

CHUNK = 1 << 15
"""Cells that are read together: their planes stay in the processor's cache."""
WIDEST = 24
"""Characters of the longest cell that is read here, its sign aside."""
DIGITS = 19
"""An integer of so many digits fits into 64 bits."""
_POWERS = 10.0 ** np.arange(23)
"""The powers of ten that float64 holds exactly."""
_FIVES = 5 ** np.arange(23)
FEW = 64
"""So few strange characters are not looked at: `float` is soon done with them."""
_BEFORE = bytes(WIDEST + 1)
"""Stands before the data, so that a plane is a shifted view of them."""
_ZERO = ord("0")
_POINT = (ord(".") - _ZERO) % 256
_E = (ord("E") - _ZERO, 0xDF)
"""E less "0", and the bits in which e does not differ from it."""


class _Decimals(NamedTuple):
    """Unsigned decimals: `mantissa` times 10 to the `power`, where they are `sure`."""

    mantissa: np.ndarray
    """uint64 (n,)"""
    power: np.ndarray
    """int64 (n,)"""
    sure: np.ndarray
    """bool (n,)"""


def read(
    data: bytes, start: np.ndarray, end: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The numbers in the cells data[start:end], and which of them are sure.

    Args:
        start, end: int64 (n,).

    Returns:
        float64 (n,) and bool (n,). What is not sure may be a number or none.
    """
    values, sure = np.empty(len(start)), np.empty(len(start), bool)
    padded = np.frombuffer(_BEFORE + data, np.uint8)
    for first in range(0, len(start), CHUNK):
        some = slice(first, first + CHUNK)
        values[some], sure[some] = _numbers(padded, start[some], end[some])
    return values, sure


def _numbers(
    data: np.ndarray, start: np.ndarray, end: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    negative, start = _sign(data, start)
    decimals = _decimals(data, start, end)
    values, exact = _scaled(decimals.mantissa, decimals.power)
    return np.where(negative, -values, values), decimals.sure & exact


def _sign(data: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which cells begin with a minus, and where their digits begin."""
    first = data[len(_BEFORE) :].take(start, mode="clip")
    negative = first == ord("-")
    return negative, start + (negative | (first == ord("+")))


def _planes(
    data: np.ndarray, end: np.ndarray, width: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The numbers k = 1 … K of the planes, and the digits (K, n) that they hold.

    What is no digit is above 9. The last plane lies before the cells and is zero.
    """
    deepest = int(np.clip(width.max(), 0, WIDEST)) + 1
    k = np.arange(1, deepest + 1, dtype=np.uint8)[:, None]
    digits = np.empty((deepest, len(end)), np.uint8)
    for before, plane in enumerate(digits, start=1):
        data[len(_BEFORE) - before :].take(end, mode="clip", out=plane)
    digits -= np.uint8(_ZERO)
    digits *= (k <= width.clip(0, WIDEST).astype(np.uint8)).view(np.uint8)
    return k, digits


def _decimals(data: np.ndarray, start: np.ndarray, end: np.ndarray) -> _Decimals:
    """Cells without sign, such as 12.5 or 1.25e1."""
    width = end - start
    k, digits = _planes(data, end, width)
    sure = (width > 0) & (width <= WIDEST)
    point = (digits == _POINT).view(np.uint8)
    other = (digits > 9).view(np.uint8) - point
    mark = None
    if strange := np.count_nonzero(other):
        sure &= ~other.any(axis=0)
        if strange >= FEW:
            mark = ((digits & _E[1] == _E[0]).view(np.uint8) * k).max(axis=0)
    places = np.zeros(len(start), np.uint8)
    if point.any():
        points = np.add.reduce(point, axis=0, dtype=np.uint8)
        # Without a point this is 255: every digit stands behind it.
        places = (point * k).max(axis=0) - np.uint8(1)
        behind = (k[:-1] <= places).view(np.uint8)
        # The digits before the point move up by one; np.where is ten times slower.
        digits = digits[1:] + (digits[:-1] - digits[1:]) * behind
        places *= points
        sure &= points <= (width > 1)
    if len(digits) > DIGITS:
        sure &= ~digits[DIGITS:].any(axis=0)
    decimals = _Decimals(_integer(digits), -places.astype(np.int64), sure)
    if mark is not None:
        _raise(decimals, data, start, end, mark)
    return decimals


def _raise(
    decimals: _Decimals,
    data: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    mark: np.ndarray,
) -> None:
    """Read those cells again that have an exponent, as two numbers.

    Args:
        mark: (n,), the place of e from the end, 0 where there is none.
    """
    at = np.flatnonzero(mark)
    if not at.size:
        return
    behind = end[at] - mark[at] + 1
    mantissa, power, sure = _decimals(data, start[at], behind - 1)
    negative, first = _sign(data, behind)
    width = end[at] - first
    _, digits = _planes(data, end[at], width)
    exponent = _integer(digits).astype(np.int64)
    sure &= (width > 0) & (width <= 4) & (digits <= 9).all(axis=0)
    decimals.mantissa[at], decimals.sure[at] = mantissa, sure
    decimals.power[at] = power + np.where(negative, -exponent, exponent)


def _integer(digits: np.ndarray) -> np.ndarray:
    """Digits (K, n), units first, as uint64 (n,): neighbours are joined in pairs."""
    scale = 10
    for dtype in (np.uint8, np.uint16, np.uint32, np.uint64, np.uint64):
        odd = digits[1::2]
        digits = digits[::2].astype(dtype)
        digits[: len(odd)] += odd * dtype(scale)
        scale *= scale
        if len(digits) == 1:
            break
    return digits[0].astype(np.uint64)


def _scaled(mantissa: np.ndarray, power: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """M · 10^power as float64 (n,), and where that is known to be correctly rounded.

    So is what takes one operation on numbers that are exact (Clinger, section 4).
    """
    values = mantissa.astype(np.float64)
    if not power.any():
        return values, np.ones(len(values), bool)
    size = np.abs(power)
    factor = _POWERS.take(size, mode="clip")
    upward, small = power > 0, mantissa <= 2**53
    quotient, sure = values / factor, small
    if not small.all():
        quotient, certain = _corrected(mantissa, quotient, size, small)
        sure = small | (certain & ~upward)
    if upward.any():
        quotient = np.where(upward, values * factor, quotient)
    return quotient, (sure & (size < len(_POWERS))) | (mantissa == 0)


def _corrected(
    mantissa: np.ndarray, quotient: np.ndarray, places: np.ndarray, small: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """M / 10^places from a quotient that is wrong by less than 3/2 of its last place.

    The quotient is Q / 2^s with an integer Q of 53 bits. How much it lacks,

        M · 2^(s - places) - Q · 5^places   in units of   5^places,

    is so small that integers of 64 bits hold it, whatever of the products they lose.
    It is never half a unit: 5^places is odd.

    Args:
        small: where the quotient is right already.

    Returns:
        float64 (n,), and where that is sure.
    """
    bits = quotient.view(np.int64)
    whole = (bits & (2**52 - 1)) | 2**52
    shift = 1075 - places - (bits >> 52)
    unit = _FIVES.take(places, mode="clip")
    lack = (mantissa << shift.view(np.uint64)).view(np.int64) - whole * unit
    up, down = 2 * lack > unit, 2 * lack < -unit
    step = (up.view(np.int8) - down.view(np.int8)) * ~small
    # Below a power of two, the last place is half as large.
    sure = (shift >= 0) & ((lack >= 0) | (whole > 2**52))
    return (bits + step).view(np.float64), sure
