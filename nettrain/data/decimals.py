"""Decimal numbers to float64, thousands at a time, each correctly rounded.

A cell d.ddde±xx is an integer of up to 19 digits times a power of ten. It is read from
its end, four characters at a time: a table says what these add to the number. What
these few operations cannot decide is left to the caller, who asks `float`.

    W. Clinger, How to read floating point numbers accurately, PLDI 1990.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

CHUNK = 1 << 16
"""Cells that are read together: what is made of them stays in the processor's cache."""
FEW = 64
"""So few strange cells are not looked at: `float` is soon done with them."""
_POWERS = 10.0 ** np.arange(23)
"""The powers of ten that float64 holds exactly."""
_FIVES = 5 ** np.arange(23)
_TOO_LARGE = 10**19
"""Integers below it, and 10^16 more, fit into 64 bits."""
_STEPS = 6
"""Steps of four characters; of longer cells not all is read, and so none is sure."""
_BEFORE = 4 * (_STEPS - 1)
"""Codes before those of the data, so that a step back is a shifted view of them."""

# Symbols are 1 for the point, 3 to 12 for digits, and 0 or 2 for what is in no number.
# The code of a place is the number of the four symbols before it, to the base 13.
_BASE = 13
_NOUGHT = ord(".") - 1
_POINT, _ZERO = 1, 3

# What four characters add to a number, in the bits of one integer:
#   0 to 16   ten times the value of their digits, or once if a point stands behind them
#   17 to 21  how many of them belong to the number: those behind its first stranger
#   22 to 26  how many of these are digits before the point
#   27        whether a point is one of them
_VALUE, _ABOUT = (1 << 17) - 1, 17
_FULL = np.uint32(4 << _ABOUT)
_LEFT, _POINTS = 5, 10  # as bits of what is left of the entry above `_ABOUT`
_COUNT = 31
_BEHIND = 15
"""The bit of a place in the table for codes that have a point behind them."""


class _Decimals(NamedTuple):
    """The digits that stand last in n cells: `mantissa` times 10 to the `power`."""

    mantissa: np.ndarray
    """uint64 (n,)"""
    power: np.ndarray
    """int64 (n,)"""
    begin: np.ndarray
    """int64 (n,), where they begin; a sign may stand before them."""
    digits: np.ndarray
    """uint16 (n,), how many there are, a point not counted."""
    sure: np.ndarray
    """bool (n,): whether there is one, and the mantissa fits."""


def read(
    data: bytes, start: np.ndarray, end: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The numbers in the cells data[start:end], and which of them are sure.

    Args:
        start, end: int64 (n,), of cells in the order in which they stand.

    Returns:
        float64 (n,) and bool (n,). What is not sure may be a number or none.
    """
    values, sure = np.empty(len(start)), np.empty(len(start), bool)
    window = np.frombuffer(data, np.uint8)
    for first in range(0, len(start), CHUNK):
        some = slice(first, first + CHUNK)
        offset, stop = start[first], end[some][-1]
        values[some], sure[some] = _numbers(
            window[offset:stop], start[some] - offset, end[some] - offset
        )
    return values, sure


def _numbers(
    data: np.ndarray, start: np.ndarray, end: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    codes = _codes(data)
    last = _decimals(codes, end)
    negative, alone = _sign(data, start, last.begin)
    sure = alone & last.sure
    strange = np.flatnonzero(~sure)
    if min(len(strange), len(data)) >= FEW:
        at, raised, below = _raised(data, codes, start, end, last, strange)
        last.mantissa[at], last.power[at] = raised.mantissa, raised.power
        sure[at], negative[at] = raised.sure, below
    values, exact = _scaled(last.mantissa, last.power)
    if negative.any():
        bits = values.view(np.uint64)
        bits |= negative.astype(np.uint64) << np.uint64(63)
    return values, sure & exact


def _sign(
    data: np.ndarray, start: np.ndarray, begin: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Which cells are negative, and which have at most a sign before their digits."""
    before = begin - start
    alone = before == 0
    if alone.all():
        return np.zeros(len(start), bool), alone
    first = data.take(start, mode="clip")
    negative = (before == 1) & (first == ord("-"))
    return negative, alone | negative | ((before == 1) & (first == ord("+")))


def _codes(data: np.ndarray) -> np.ndarray:
    """uint16 (_BEFORE + N + 1,): the codes of the places in N bytes, 0 to N."""
    one = np.zeros(_BEFORE + 4 + len(data), np.uint8)
    symbols = one[_BEFORE + 4 :]
    np.subtract(data, np.uint8(_NOUGHT), out=symbols)
    symbols *= (symbols < _BASE).view(np.uint8)
    two = one[:-1] * np.uint8(_BASE)
    two += one[1:]
    four = np.multiply(two[:-2], _BASE**2, dtype=np.uint16)
    four += two[2:]
    return four


@cache
def _table() -> np.ndarray:
    """uint32 (2 · 2^15,): what each code adds; then, with a point behind it."""
    table = np.zeros((2, 1 << _BEHIND), np.uint32)
    code = np.arange(_BASE**4)
    for entries, factor in zip(table, (10, 1), strict=True):
        value, length, left, points = np.zeros((4, len(code)), np.int64)
        for k in range(4):  # from the last character to the first
            symbol = code // _BASE**k % _BASE
            behind = (points > 0) | (factor == 1)
            point = (length == k) & (symbol == _POINT) & ~behind
            digit = (length == k) & (symbol >= _ZERO)
            value += digit * (symbol - _ZERO) * 10 ** (length - points)
            left += digit & behind
            points += point
            length += digit | point
        about = length | left << _LEFT | points << _POINTS
        entries[: len(code)] = value * factor | about << _ABOUT
    return table.ravel()


def _decimals(codes: np.ndarray, place: np.ndarray) -> _Decimals:
    """The digits, with a point or without, that end at each place."""
    table = _table()
    entry = table.take(codes[_BEFORE:].take(place).astype(np.intp))
    mantissa = ((entry & _VALUE) // np.uint32(10)).astype(np.uint64)
    about = (entry >> _ABOUT).astype(np.uint16)
    sure = np.ones(len(place), bool)
    for step in range(1, _STEPS):
        full = (entry & _FULL) != 0
        if not full.any():
            break
        code = codes[_BEFORE - 4 * step :].take(place)
        code *= full
        code += (about & np.uint16(1 << _POINTS)) << np.uint16(_BEHIND - _POINTS)
        entry = table.take(code.astype(np.intp))
        about += (entry >> _ABOUT).astype(np.uint16)
        part, weight = entry & _VALUE, 10 ** (4 * step - 1)
        mantissa += np.multiply(part, np.uint64(weight), dtype=np.uint64)
        if _VALUE * weight >= _TOO_LARGE:
            sure &= part < _TOO_LARGE // weight
    length, points = about & _COUNT, about >> _POINTS
    digits = length - points
    sure &= digits > 0
    behind = points * digits - (about >> _LEFT & _COUNT)
    return _Decimals(mantissa, -behind.astype(np.int64), place - length, digits, sure)


def _raised(
    data: np.ndarray,
    codes: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    last: _Decimals,
    at: np.ndarray,
) -> tuple[np.ndarray, _Decimals, np.ndarray]:
    """Those of some cells that have an exponent, as numbers of their own.

    Args:
        last: of all cells; of these the exponents.
        at: int64 (m,), the cells to look at.

    Returns:
        Which cells they are, their numbers, and which of them are negative.
    """
    mark = last.begin[at] - 1
    sign = data.take(mark, mode="clip")
    down = sign == ord("-")
    mark -= down | (sign == ord("+"))
    marked = data.take(mark, mode="clip") | 0x20 == ord("e")
    at, mark, down = at[marked], mark[marked], down[marked]
    found = _decimals(codes, mark)
    negative, alone = _sign(data, start[at], found.begin)
    digits, exponent = last.digits[at], last.mantissa[at].astype(np.int64)
    whole = (digits > 0) & (digits <= 4) & (last.begin[at] + digits == end[at])
    power = found.power + np.where(down, -exponent, exponent)
    return at, found._replace(power=power, sure=found.sure & alone & whole), negative


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
