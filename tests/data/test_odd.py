"""Numbers in other notations: which is meant, and both readings of them agree."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nettrain.data import cells as finding
from nettrain.data.marks import Marks
from nettrain.data.odd import advice, is_mark, notations, odd_numbers
from nettrain.data.table import PLAIN, Notation, is_number, parse

GERMAN, ENGLISH, COMMA = Notation(",", "."), Notation(".", ","), Notation(",")


@pytest.mark.parametrize(
    ("cells", "now", "found"),
    [
        (["1.234,56", "12,5"], PLAIN, (GERMAN,)),
        (["1.234.567", "1"], PLAIN, (GERMAN,)),
        (["1,234.56", "12.5"], PLAIN, (ENGLISH,)),
        (["1,234,567", "1"], PLAIN, (ENGLISH,)),
        (["1,234", "12.5"], PLAIN, (ENGLISH,)),
        (["1,234", "12,5"], PLAIN, (COMMA,)),
        (["0,234", "1"], PLAIN, (COMMA,)),
        (["1,234", "999"], PLAIN, (ENGLISH, COMMA)),
        (["1 234,5", "1\u202f234", "1\u00a0234"], PLAIN, (Notation(",", " "),)),
        (["1 234", "12"], PLAIN, (Notation(".", " "),)),
        (["1 234", "12"], COMMA, (Notation(",", " "),)),
        (["1'234.5", "1\u2019234"], PLAIN, (Notation(".", "'"),)),
        (["1.234", "1,5"], COMMA, (GERMAN,)),
        (["0.5", "12.25"], COMMA, (PLAIN,)),
        (["0.5", "1.050"], COMMA, (PLAIN,)),
        (["0.5", "1,234.5"], COMMA, (ENGLISH,)),
        (["1,5", "2.5", "3.5"], PLAIN, ()),
        (["1.5", "2"], PLAIN, ()),
        (["1.2.3", "1,23,4", "12 34"], PLAIN, ()),
        (["1,5", "a", "b"], PLAIN, ()),
        (["a", "b", ""], PLAIN, ()),
        ([], PLAIN, ()),
    ],
)
def test_which_notation_is_meant(
    cells: list[str], now: Notation, found: tuple[Notation, ...]
) -> None:
    assert notations(cells, now) == found


def test_few_codes_may_be_categories() -> None:
    few = [f"{n} 050" for n in range(1, 21)]
    assert odd_numbers(few * 3) is None
    assert odd_numbers([*few, "21 050"]) == (Notation(".", " "),)
    assert odd_numbers([*few, "21 050,5"]) == (Notation(",", " "),)


def test_what_is_to_be_said() -> None:
    assert advice((GERMAN,)) == 'decimal: ",", thousands: "." of the file'
    assert advice((GERMAN,), COMMA) == 'thousands: "." of the file'
    both = 'thousands: "," of the file where it stands between thousands, decimal: ","'
    assert advice((ENGLISH, COMMA)).startswith(both)


@pytest.mark.parametrize(
    ("cell", "value"),
    [("1.234", 1234), ("-12.345.678,25", -12345678.25), ("+1.234e-2", 12.34),
     ("1.234,", 1234), ("12,5", 12.5), ("1234", 1234), ("1234,5", 1234.5)],
)  # fmt: skip
def test_thousands_may_stand_apart(cell: str, value: float) -> None:
    assert parse([cell], GERMAN).values.tolist() == [value]


@pytest.mark.parametrize(
    "cell",
    ["1.23", "1.2345", "0.123", "01.234", "1234.567", ".123", "1..234", "1.234.5",
     "1,234.567", "1.234 567", "1.234'567", "1.", "e1.234", "1.234x", "--1.234"],
)  # fmt: skip
def test_what_is_no_number_with_thousands(cell: str) -> None:
    assert not is_number(cell, GERMAN)


@pytest.mark.parametrize("cell", ["\u22125", "\u22121.5", "-1e\u22122"])
def test_the_minus_of_books_is_one(cell: str) -> None:
    assert parse([cell], PLAIN).values.tolist() == [float(cell.replace("\u2212", "-"))]
    window = f"{cell}\n".encode()
    end = np.array([len(window) - 1])
    values, invalid = Marks(()).numbers(window, np.zeros(1, np.int64), end)
    assert (values.tolist(), len(invalid)) == (parse([cell]).values.tolist(), 0)


@pytest.mark.parametrize(
    "cell",
    ["-", "--", "?", ".", "…", "#N/V", "#WERT!", "<NA>", "(null)", "\\N", "n/a", "k.A.",
     "k. A.", "None", "missing"],
)  # fmt: skip
def test_what_stands_for_a_missing_value(cell: str) -> None:
    assert is_mark(cell)


@pytest.mark.parametrize(
    "cell",
    ["<0.1", "10+", "(1,234)", "#1", "1/2", "1-5", "a-1", "x", "low", "old", "Total",
     "nobody", "#" * 99, "-" * 99],
)  # fmt: skip
def test_what_says_something_is_no_mark(cell: str) -> None:
    assert not is_mark(cell)


def test_no_cells_have_no_thousands_apart() -> None:
    """A later block of a table whose columns are all texts by then."""
    none = np.zeros(0, np.int64)
    values, invalid = Marks((), GERMAN).numbers(b"a.b;c\n", none, none)
    assert len(values) == len(invalid) == 0


def test_thousands_of_a_number_stand_alike_apart() -> None:
    assert not is_number("1 234\u00a0567", Notation(",", " "))


characters = st.text("0123456789120123..,,-+e", min_size=1, max_size=9)
numbers = st.one_of(st.integers(-(10**9), 10**9), st.floats(-1e7, 1e7)).map(
    lambda n: f"{n:,}" if isinstance(n, int) else f"{n:,.2f}"
)


@given(
    st.lists(st.one_of(characters, numbers, numbers), min_size=1, max_size=30),
    st.sampled_from(",.' "),
)
@example(["x", "0,031"], " ")
@example(["1,234", "1234,567", "1.234,567", "1,2345"], ",")
def test_both_readings_of_thousands_agree(cells: list[str], mark: str) -> None:
    decimal = "," if mark == "." else "."
    swapped = str.maketrans(",.", mark + decimal)
    texts = [cell.translate(swapped) for cell in cells]
    window = ("; ".join(texts) + "\n").encode()
    found = finding.find(window, ord(";"))
    assert found is not None
    notation = Notation(decimal, mark)
    values, invalid = Marks((), notation).numbers(window, found.start, found.end)
    wanted = parse(texts, notation)
    assert sorted(invalid.tolist()) == np.flatnonzero(wanted.invalid).tolist()
    np.testing.assert_array_equal(values, wanted.values)
