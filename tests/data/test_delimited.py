"""The fast reading and the strict one give the same tables, to the last bit."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nettrain.data import cells as finding
from nettrain.data import decimals, delimited, encodings
from nettrain.data import texts as texts_of_columns
from nettrain.data.table import Notation, Table
from nettrain.errors import Error

from .conftest import found

COMMA = Notation(",")
numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(-1000, 1000).map("{:.2f}".format),
    st.integers(-(10**20), 10**20).map(str),
    st.sampled_from(
        ["5e-324", "2.2250738585072011e-308", "1e308", "1.7976931348623157e308",
         "1e400", "-0.0", "-0", "9007199254740993", "0.1e1", ".5", "5.", "+1", "1E5",
         "4503599627370497.5", "0." + "123456789" * 5, "00", "inf", "-Infinity"]
    ),
)  # fmt: skip
texts = st.text('ab1.,;"\n\r \té\u00a0😀-', max_size=5)
cells = st.one_of(
    numbers, numbers, texts, st.sampled_from(["", "", "NA", "nan", " ", "x,y"])
)
ends = st.sampled_from(["\n", "\r\n", "\r"])


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    """A table that somebody may have written, more or less right."""
    width = draw(st.integers(1, 4))
    row = st.lists(cells, min_size=width, max_size=width)
    rows = draw(st.lists(row, min_size=1, max_size=8))
    end, delimiter = draw(ends), draw(st.sampled_from(",,,;\t"))
    lines = [delimiter.join(f"c{i}" for i in range(width))]
    for row_ in rows:
        quote = draw(st.booleans())
        parts = [
            '"' + cell.replace('"', '""') + '"'
            if quote or set(cell) & set('",;\t\r\n')
            else draw(st.sampled_from(["", "", " "])) + cell
            for cell in row_
        ]
        lines.append(delimiter.join(parts))
        lines += [""] * draw(st.sampled_from([0, 0, 0, 1]))
    text = end.join(lines) + draw(st.sampled_from(["", end]))
    return (draw(st.sampled_from(["", "\ufeff"])) + text).encode()


wild = st.text('ab1é,,,;"""\n\n\r 0.5-', max_size=40).map(str.encode)


@contextmanager
def strictly() -> Iterator[None]:
    """Every cell found by the strict reading, every number read by `float`."""

    def unsure(data: bytes, start: np.ndarray, end: np.ndarray) -> Any:
        return np.zeros(len(start)), np.zeros(len(start), bool)

    with (
        mock.patch.object(finding, "find", lambda data, delimiter: None),
        mock.patch.object(decimals, "read", unsure),
    ):
        yield


def outcome(data: bytes, block: int) -> Any:
    """All that can be seen of a table, or of its errors."""
    with mock.patch.object(delimited, "BLOCK", block):
        try:
            table = delimited.read(data, "f")
        except Error as error:
            errors = getattr(error, "errors", (error,))
            return [(e.code, str(e.place), e.message, e.fix) for e in errors]
        seen = []
        for number, name in enumerate(table.names):
            values, invalid = table.numbers(name)
            places = [table.find([(row, number)])[0] for row in range(len(table))]
            texts = table.texts(name).tolist()
            kind = table.kind(name)
            seen.append((name, values.tobytes(), invalid.tolist(), texts, kind, places))
        return seen


@given(st.one_of(tables(), wild), st.sampled_from([3, 10, 30, 1 << 17]))
@example(b"a,b\n1,2\n", 3)
@example(b'a\n"x"\r\n', 6)
@example("a\n\u00a0\n1\n".encode(), 30)
@example(b"a\n\t\n1\n", 30)
@example(b" ,", 3)
@example(b"a,b\nx,1\n   ,2\n", 3)
@example(b"a,b\nx,1\n   ,   \ny,  \n", 8)
@example(b"a,b\r\n1,2\r\n3,x\r\n5,6", 5)
@example(b"a,b\r\n1,2\r\n3\r\n5,6", 10)
@example(b'a,b\n"x\r\ny",1\r\n"",2', 8)
@example(b"a;b\n1;2\n", 3)
@example(b"a;b\n\n1,2\n", 3)
@example(b",b\n1,2\n", 3)
@example(b"# a\nb,c\n1,2\n3,4\n", 3)
def test_both_readings_and_all_sizes_of_blocks_agree(data: bytes, block: int) -> None:
    fast = outcome(data, block)
    for size in (block, 1 << 17):
        with strictly():
            assert outcome(data, size) == fast
    assert outcome(data, 1 << 17) == fast


@given(st.one_of(tables(), wild))
def test_cells_found_fast_are_cells_found_strictly(data: bytes) -> None:
    window = data + b"\n"
    fast = finding.find(window, ord(","))
    if fast is None or fast.used < len(window):
        return
    strict = finding.find_strictly(window, b",", final=True)
    assert not strict.broken
    for one, other in zip(fast[:3], strict[:3], strict=True):
        assert one.tolist() == other.tolist()


written_cells = st.text(alphabet='ab1.,;"\n\r \té', max_size=5)
written_rows = st.integers(2, 4).flatmap(
    lambda width: st.lists(
        st.lists(written_cells, min_size=width, max_size=width), min_size=1, max_size=5
    )
)


@given(
    written_rows,
    st.sampled_from([",", ";", "\t", "é"]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_the_csv_module_writes_is_read(
    rows: list[list[str]], delimiter: str, end: str
) -> None:
    text = io.StringIO(newline="")
    # Python 3.11 leaves a lone carriage return without quotes.
    quoting = (
        csv.QUOTE_ALL
        if any("\r" in cell for row in rows for cell in row)
        else csv.QUOTE_MINIMAL
    )
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerow([f"c{i}" for i in range(len(rows[0]))])
    writer.writerows(rows)
    table = delimited.read(text.getvalue().encode(), "f", delimiter)
    columns = [table.texts(name).tolist() for name in table.names]
    expected = [[row[i].strip() for row in rows] for i in range(len(rows[0]))]
    assert columns == expected


@given(st.one_of(tables(), wild))
def test_every_cell_is_found_at_its_place(data: bytes) -> None:
    try:
        table = delimited.read(data, "f")
    except Error:
        return
    text = data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    for column in range(len(table.names)):
        for place, cell in table.find([(row, column) for row in range(len(table))]):
            assert place.text == lines[place.line - 1]
            shown = place.text[place.column - 1 :]
            if not shown.startswith('"'):
                assert shown.lstrip().startswith(cell)
                assert place.width == max(1, len(cell))


def test_only_the_strict_reading_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "find_strictly", None)
    for text in (
        b"a,b\n1,2\n",
        b'a,b\r\n"x, y",2\r\n"",3',
        b'a,b\n"say ""x""", 2.5\n\n"two\nlines" ,NA\n',
        "ä, b\nü,😀\n".encode(),
        b"\xef\xbb\xbfa,b\r1,2\r",
    ):
        assert len(delimited.read(text, "f")) >= 1


def test_a_cell_of_several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "BLOCK", 8)
    long = "x\n" * 100
    table = delimited.read(f'a,b\n1,2\n"{long}",3\n4,5\n'.encode(), "f")
    assert table.texts("a").tolist() == ["1", long.strip(), "4"]
    assert table.numbers("b").values.tolist() == [2, 3, 5]
    assert [str(cell.place) for cell in table.find([(1, 0), (2, 1), (0, 0)])] == [
        "f:3:1",
        "f:104:3",
        "f:2:1",
    ]


def test_texts_are_as_they_were_written() -> None:
    """Numbers that turn out to be categories keep their zeros, wherever that is."""
    rows = [f"{i:05d},{i / 8!r}" for i in range(30_000)]
    table = delimited.read("\n".join(["zip,b", *rows, ""]).encode(), "f")
    assert table.kind("zip") == "numeric"
    assert table.texts("zip").tolist() == [row.split(",")[0] for row in rows]
    assert table.numbers("b").values.tolist() == [i / 8 for i in range(30_000)]
    later = delimited.read("\n".join(["zip,b", *rows, "x,1", ""]).encode(), "f")
    assert later.texts("zip").tolist() == [*table.texts("zip").tolist(), "x"]
    assert later.numbers("zip").invalid.nonzero()[0].tolist() == [30_000]
    assert later.kind("zip") == "numeric"


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (["1", "x"], "numeric"),
        (["1", "x", "y"], "categorical"),
        (["x", "y", ""], "categorical"),
        (["north"] * 9 + ["1"] * 9, "numeric"),
        (["north"] * 9 + ["1"] * 8, "categorical"),
        (["", "NA", "x", "1"], "numeric"),
        (["NA", "", "x", "y", "1"], "categorical"),
        (["x", "", "", "", "1"], "numeric"),
        (["NA", "NA", "NA", "x", "1"], "numeric"),
        (["inf"] * 3 + ["ink"] * 3, "numeric"),
        (["inf"] * 3 + ["ink"] * 4, "categorical"),
        (["-inf", "i", "+x"], "categorical"),
        (["  ", "NA"], "numeric"),
        (["1e400", "١", "²"], "categorical"),
    ],
)
def test_half_numbers_make_a_column_of_numbers(column: list[str], kind: str) -> None:
    text = "a,y\n" + "".join(f"{cell},1\n" for cell in column)
    assert delimited.read(text.encode(), "f").kind("a") == kind


def test_cells_that_count_as_missing_can_be_chosen() -> None:
    text = b"country,a,b\nNA,?,-9\nDE,1,9\n"

    def columns(table: Table) -> list[list[str]]:
        return [table.texts(name).tolist() for name in table.names]

    table = delimited.read(text, "f")
    assert columns(table) == [["", "DE"], ["?", "1"], ["-9", "9"]]
    table = delimited.read(text, "f", missing=("", "?", "-9"))
    assert columns(table) == [["NA", "DE"], ["", "1"], ["", "9"]]
    assert np.isnan(table.numbers("b").values).tolist() == [True, False]
    assert not table.numbers("a").invalid.any()


@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=99), ends)
def test_decimal_commas_are_points(rows: list[tuple[str, str]], end: str) -> None:
    """The same numbers to the last bit, by either reading."""
    point = end.join(["a;b", *(f"{a};{b}" for a, b in rows), ""])
    wanted = delimited.read(point.encode(), "f", ";")
    comma = point.replace(".", ",").encode()
    for reading in (nullcontext(), strictly()):
        with reading:
            table = delimited.read(comma, "f", ";", notation=COMMA)
            for name in ("a", "b"):
                values, invalid = table.numbers(name)
                assert values.tobytes() == wanted.numbers(name).values.tobytes()
                assert not invalid.any()
                assert table.kind(name) == "numeric"
            assert all(c.values is not None for c in table.columns)  # type: ignore[union-attr]


@pytest.mark.parametrize("many", [1, 200])
def test_with_decimal_commas_a_point_is_in_no_number(many: int) -> None:
    cells = ["1,5", "1.5", "1.000,5", "-9,9", "n.a.", ",5", "", "2"] * many
    text = "a;b\n" + "".join(f"{cell};1\n" for cell in cells)
    for reading in (nullcontext(), strictly()):
        with reading:
            missing = ("-9,9", "n.a.")
            table = delimited.read(text.encode(), "f", ";", missing, COMMA)
            values, invalid = table.numbers("a")
            wanted = [1.5, np.nan, np.nan, np.nan, np.nan, 0.5, np.nan, 2.0] * many
            np.testing.assert_array_equal(values, wanted)
            assert np.flatnonzero(invalid[:8]).tolist() == [1, 2]
            assert table.texts("a")[:3].tolist() == ["1,5", "1.5", "1.000,5"]
            assert table.kind("a") == "numeric"
    plain = delimited.read(text.encode(), "f", ";")
    assert plain.numbers("a").values[1] == 1.5
    for cell, value in (("1.5", np.nan), ("-9,9", np.nan), ("2,5", 2.5)):
        text = f"a;b\n{cell};1\n" + "1,5;2\n" * many
        table = delimited.read(text.encode(), "f", ";", ("-9,9",), COMMA)
        np.testing.assert_equal(table.numbers("a").values[0], value)
    text = "a;b\n" + ",5;1\n" * 99 * many + "x;1\n"
    table = delimited.read(text.encode(), "f", ";", notation=COMMA)
    assert table.kind("a") == "numeric"


def test_a_word_that_python_takes_for_infinite_is_none() -> None:
    """`ınf` matches `inf` where case is ignored in all of Unicode; float refuses it."""
    table = delimited.read("a,b\nınf,1\n1,2\n".encode(), "f")
    assert table.numbers("a").invalid.tolist() == [True, False]


def test_errors_of_many_blocks_come_in_their_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(delimited, "BLOCK", 16)
    rows = ["1,2", "1", '"x"y,2', "1,2,3"] * 10
    with pytest.raises(Error) as caught:
        delimited.read("\n".join(["a,b", *rows]).encode(), "f")
    places = [place for _, place in found(caught.value)]
    lines = [int(place.split(":")[1]) for place in places[:20]]
    assert lines == [4 * i + j for i in range(7) for j in (3, 4, 5)][:20]
    assert "10 more" in caught.value.errors[-1].message  # type: ignore[attr-defined]


def test_the_header_is_first_however_many_quotes_are_broken() -> None:
    with pytest.raises(Error) as caught:
        delimited.read(b"a,a\n" + b'"x"y,1\n' * 30, "f")
    codes = [code for code, _ in found(caught.value)]
    assert codes == ["data-duplicate-column"] + ["data-quote"] * 20
    assert "11 more" in caught.value.errors[-1].message  # type: ignore[attr-defined]


def test_a_long_line_is_not_quoted_whole() -> None:
    cells = ",".join(["1"] * 5000)
    names = ",".join(f"c{i}" for i in range(5000))
    table = delimited.read(f"{names}\n{cells}\n".encode(), "f")
    (early,), (late,) = table.find([(0, 3)]), table.find([(0, 4000)])
    assert (str(early.place), len(early.place.text)) == ("f:2:7", 1000)
    assert (str(late.place), late.place.text) == ("f:2:8001", "")


@pytest.mark.parametrize("block", [1, 2, 3, 5])
def test_a_bad_byte_is_found_in_any_piece(
    monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(encodings, "PIECE", block)
    good = "a,y\n" + "ä€😀," * 5
    assert encodings._undecodable(good.encode(), "utf-8") == -1
    for data in (good.encode() + b"\xff,1", good.encode()[:-2], b"\x80", b"a\xf0\x9f"):
        with pytest.raises(UnicodeDecodeError) as caught:
            data.decode()
        assert encodings._undecodable(data, "utf-8") == caught.value.start


def test_equal_texts_are_one_object_and_quotes_tell_cells_apart() -> None:
    rows = ['a""b', '"a""b"', "x" * 30, "x" * 29 + "y", "x" * 30, '"a""b"', 'a""b', "é"]
    text = "n,y\n" + "".join(f"{cell},1\n" for cell in rows * 3)
    texts = delimited.read(text.encode(), "f").texts("n").tolist()
    first = ['a""b', 'a"b', "x" * 30, "x" * 29 + "y", "x" * 30, 'a"b', 'a""b', "é"]
    assert texts == first * 3
    assert len(set(map(id, texts))) == 5


def test_texts_with_one_key_stay_different(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts_of_columns, "_SLOTS", 1)
    cells = ["north", "south", "north", "", "southern", "south", "Rotterdam", "a" * 40]
    table = delimited.read(("n,y\n" + ",1\n".join([*cells, ""])).encode(), "f")
    assert table.texts("n").tolist() == cells
