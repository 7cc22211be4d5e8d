"""Numbers read many at a time are those of `float`, to the last bit."""

from __future__ import annotations

import struct
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nettrain.data import decimals
from nettrain.data.table import is_number

digits = st.text("0123456789", max_size=21)
signs = st.sampled_from(["", "", "-", "+"])
exponents = st.one_of(
    st.just(""),
    st.builds(
        "{}{}{}".format, st.sampled_from("eE"), signs, st.integers(0, 400).map(str)
    ),
)
written = st.builds("{}{}{}{}{}".format, signs, digits, st.sampled_from(["", "."]),
                    digits, exponents)  # fmt: skip
floats = st.floats(allow_nan=False, allow_infinity=False)
exact = st.one_of(
    floats.map(repr),
    floats.map("{:.18e}".format),
    floats.map("{:.17g}".format),
    st.floats(-1e6, 1e6).map("{:.3f}".format),
    st.integers(-(2**70), 2**70).map(str),
)
junk = st.text("0123456789.eE+-_ naif", max_size=12)


def read(cells: list[str]) -> tuple[np.ndarray, np.ndarray]:
    data = ("," + ",".join(cells) + ",").encode()
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord(","))
    return decimals.read(data, ends[:-1] + 1, ends[1:])


def bits(value: float) -> bytes:
    return struct.pack("<d", value)


def compare(cells: list[str]) -> None:
    values, sure = read(cells)
    for cell, value, certain in zip(cells, values.tolist(), sure.tolist(), strict=True):
        if certain:
            assert is_number(cell), cell
            assert bits(value) == bits(float(cell)), cell


@given(st.lists(st.one_of(written, exact, junk), min_size=1, max_size=30))
def test_what_is_sure_is_what_float_reads(cells: list[str]) -> None:
    decimals.FEW, few = 1, decimals.FEW
    try:
        compare(cells)
    finally:
        decimals.FEW = few


def halfway(mantissa: int, exponent: int) -> Fraction:
    """Between two neighbouring doubles."""
    return Fraction(2 * mantissa + 1) * Fraction(2) ** (exponent - 1)


@given(st.integers(2**52, 2**53 - 1), st.integers(-60, 10), st.integers(-2, 2))
def test_next_to_the_middle_of_two_doubles(
    mantissa: int, exponent: int, beside: int
) -> None:
    """19 digits above, below and at a number that lies between two doubles."""
    value = halfway(mantissa, exponent)
    for places in range(23):
        scaled = round(value * 10**places) + beside
        if 10**15 < scaled < 10**19:
            text = str(scaled).zfill(places + 1)
            text = text[: len(text) - places] + "." + text[len(text) - places :]
            compare([text])


def test_ties_are_not_sure_or_even() -> None:
    ties = [2**53 + 1, 2**53 + 3, 2**54 + 2, 2**54 + 6, 10**19 - 1]
    cells = [f"{tie}{end}" for tie in ties for end in ("", ".", ".0", "e0")]
    cells += ["9007199254740993.0", "4503599627370496.5", "4503599627370497.5"]
    compare(cells)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_everywhere_is_sure(seed: int) -> None:
    """What NumPy, pandas and people write is not left to the slow way."""
    random = np.random.default_rng(seed)
    normal = random.normal(size=5000)
    for cells in (
        [f"{x:.3f}" for x in normal],
        [str(i) for i in random.integers(-(10**18), 10**18, 5000)],
        [f"{x:.18e}" for x in normal],
        [f"{x:.6e}" for x in normal * 1e-8],
        [f"+{abs(x):.2f}" for x in normal] + ["0", "-0", "-0.0", "00012", "5.", ".5"],
    ):
        values, sure = read(cells)
        assert sure.all()
        expected = np.array([float(cell) for cell in cells])
        assert values.tobytes() == expected.tobytes()
    values, sure = read([repr(x) for x in normal.tolist()])
    assert (values[sure] == normal[sure]).all()
    assert sure.mean() > 0.999


@pytest.mark.parametrize(
    "cell",
    ["", ".", "-", "+", "e5", ".e5", "1e", "1e+", "1e5.", "1e1e1", "1.2.3", "1..",
     "--1", "+-1", "1-", "1_0", "0x1", "nan", "inf", "1 2", "1,5", "1e12345",
     "1" * 25, "é",
     "1e:", "1e+1:", "x" + "0" * 24, "12345678901234567890", "1." + "0" * 19 + "1",
     "100000000000000000000", "9" * 24, "." + "9" * 20],
)  # fmt: skip
def test_what_is_no_decimal_is_not_sure(cell: str) -> None:
    cells = [cell.replace(",", ";"), *["1e5"] * 100, *["2.5"] * 100]
    values, sure = read(cells)
    assert not sure[0]
    assert sure[1:].all()
    assert set(values[1:].tolist()) == {1e5, 2.5}


def test_chunks_are_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decimals, "CHUNK", 7)
    cells = [str(i * 37) for i in range(100)]
    values, sure = read(cells)
    assert sure.all()
    assert values.tolist() == [i * 37.0 for i in range(100)]
    none = np.empty(0, np.int64)
    assert len(decimals.read(b"", none, none)[0]) == 0
