"""Bad tables: the exact code, line and column of what is wrong, all at once."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nettrain.component import build_fields
from nettrain.data import DataConfig, Dataset, delimited, prepare, sources
from nettrain.errors import Error

from .conftest import found, placed
from .corpus import CASES

# name: (content, data section, [(code, line:column), …])
CELLS: dict[str, tuple[str | bytes, dict[str, Any], list[tuple[str, str]]]] = {
    # ---- structure
    "trailing comma in one row": (
        "a,y\n1,0,\n2,1\n",
        {},
        [("data-ragged-row", "2:5")],
    ),
    "trailing comma at the end of the file": (
        "a,y\n1,0\n2,1,",
        {},
        [("data-ragged-row", "3:5")],
    ),
    "trailing comma in every row": (
        "a,y\n1,0,\n2,1,\n",
        {},
        [("data-header", "1:1")],
    ),
    "two rows too long of three": (
        "a,y\n1,0,\n2,1\n2,1,\n",
        {},
        [("data-ragged-row", "2:5"), ("data-ragged-row", "4:5")],
    ),
    "two rows of other lengths": (
        "a,y\n1,0,\n2\n",
        {},
        [("data-ragged-row", "2:5"), ("data-ragged-row", "3:2")],
    ),
    "rows too long and a quote": (
        'a,y\n1,0,\n2,"1"x,3\n',
        {},
        [("data-ragged-row", "2:5"), ("data-quote", "3:3")],
    ),
    "trailing comma in header and rows": (
        "a,y,\n1,0,\n2,1,\n",
        {},
        [("data-header", "1:5")],
    ),
    "row too short": ("a,b,y\n1,2,0\n1,1\n", {}, [("data-ragged-row", "3:4")]),
    "row of one cell": ("a,b,y\n1\n1,2,0\n", {}, [("data-ragged-row", "2:2")]),
    "row too long by two": (
        "a,y\n1,0\n2,1,3,4\n",
        {},
        [("data-ragged-row", "3:5")],
    ),
    "unquoted comma in a text": (
        "a,y\nNew York, NY,0\nRome,1\n",
        {},
        [("data-ragged-row", "2:14")],
    ),
    "decimal comma": ('a,y\n"1,5",0\n2,1\n', {}, [("data-not-a-number", "2:1")]),
    "decimal commas all over": (
        'a,b,y\n,"1,5",0\n1,"2,5",1\n',
        {"missing": "drop"},
        [("data-not-a-number", "2:2")],
    ),
    "ragged after a cell of two lines": (
        'a,y\n"x\nz",0\n"p",1,\n',
        {},
        [("data-ragged-row", "4:7")],
    ),
    "duplicate header": ("a,b,a,y\n1,2,3,0\n", {}, [("data-duplicate-column", "1:5")]),
    "duplicate header after trimming": (
        "a, a ,y\n1,2,0\n",
        {},
        [("data-duplicate-column", "1:4")],
    ),
    "two duplicates": (
        "a,a,a,y\n1,2,3,0\n",
        {},
        [("data-duplicate-column", "1:3"), ("data-duplicate-column", "1:5")],
    ),
    "empty header": (",a,y\n0,1,0\n", {}, [("data-header", "1:1")]),
    "blank header": ("a,  ,y\n0,1,0\n", {}, [("data-header", "1:5")]),
    "no header": ("5.1,3.5,0\n4.9,3.0,1\n", {}, [("data-header", "1:1")]),
    "no header, integers": ("0,0,5\n1,0,3\n", {}, [("data-header", "1:1")]),
    "empty file": ("", {}, [("data-no-rows", "1")]),
    "blank lines only": ("\n\n  \n", {}, [("data-no-rows", "1")]),
    "header only": ("a,y\n", {}, [("data-no-rows", "1")]),
    "Latin-1": ("a,y\ncafé,0\n".encode("latin-1"), {}, [("data-encoding", "2:4")]),
    "Latin-1 after a BOM": (
        b"\xef\xbb\xbfa,y\ncaf\xe9,0\n",
        {},
        [("data-encoding", "2:4")],
    ),
    "Latin-1 after CRLF and umlauts": (
        "ä,y\r\nü,0\r\nß".encode() + b"\xff,1\r\n",
        {},
        [("data-encoding", "3:2")],
    ),
    "UTF-16": ("a,y\n1,0\n".encode("utf-16"), {}, [("data-encoding", "")]),
    "NUL character": ("a,y\n1\0,0\n", {}, [("data-encoding", "2:2")]),
    "quote never closed": ('a,y\n"1,0\n2,1\n', {}, [("data-quote", "2:1")]),
    "text after a quote": ('a,y\n1,0\n"x"z,1\n', {}, [("data-quote", "3:1")]),
    "quote never closed in the header": ('a,"y\n1,0\n', {}, [("data-quote", "1:3")]),
    # ---- cells
    "text among numbers": (
        "a,y\n1,0\nabc,1\n2,1\n",
        {},
        [("data-not-a-number", "3:1")],
    ),
    "text among numbers, CRLF": (
        "a,y\r\n1,0\r\nabc,1\r\n2,1\r\n",
        {},
        [("data-not-a-number", "3:1")],
    ),
    "text among numbers, CR alone": (
        "a,y\r1,0\rabc,1\r2,1\r",
        {},
        [("data-not-a-number", "3:1")],
    ),
    "text after blank lines": (
        "a,y\n\n1,0\n\n\nabc,1\n2,0\n",
        {},
        [("data-not-a-number", "6:1")],
    ),
    "text after a BOM and spaces": (
        "\ufeffa,b,y\n1,2,0\n1,   x,1\n1,2,1\n",
        {},
        [("data-not-a-number", "3:6")],
    ),
    "text in quotes": (
        'a,b,y\n1,"2",0\n1,"two",1\n1,"2",1\n',
        {},
        [("data-not-a-number", "3:3")],
    ),
    "text after a quoted comma": (
        'n,b,y\n"p, q",2,0\n"r, s",x,1\nt,2,1\n',
        {},
        [("data-not-a-number", "3:8")],
    ),
    "text after a cell of two lines": (
        'n,b,y\n"p\nq",2,0\n"r",x,1\nt,2,1\n',
        {},
        [("data-not-a-number", "4:5")],
    ),
    "declared numeric": (
        "a,y\nx,0\nz,1\n",
        {"columns": {"a": "numeric"}},
        [("data-not-a-number", "2:1"), ("data-not-a-number", "3:1")],
    ),
    "underscores": (
        "a,y\n1_000,0\n2,1\n3,1\n",
        {},
        [("data-not-a-number", "2:1")],
    ),
    "hexadecimal": ("a,y\n0x10,0\n2,1\n3,1\n", {}, [("data-not-a-number", "2:1")]),
    "Arabic digits": ("a,y\n١,0\n2,1\n3,1\n", {}, [("data-not-a-number", "2:1")]),
    "thousands": ('a,y\n"1,000",0\n2,1\n3,1\n', {}, [("data-not-a-number", "2:1")]),
    "signs": ("a,y\n+-1,0\n2,1\n3,1\n", {}, [("data-not-a-number", "2:1")]),
    "question mark": ("a,y\n?,0\n2,1\n3,1\n", {}, [("data-not-a-number", "2:1")]),
    "overflow": ("a,y\n1,0\n1e400,1\n", {}, [("data-infinite", "3:1")]),
    "infinity": (
        "a,y\n-inf,0\nInfinity,1\n1,1\n",
        {},
        [("data-infinite", "2:1"), ("data-infinite", "3:1")],
    ),
    "missing value": ("a,y\n1,0\n,1\n", {}, [("data-missing-value", "3:1")]),
    "missing value in the middle": (
        "a,b,y\n1,2,0\n1,,1\n",
        {},
        [("data-missing-value", "3:3")],
    ),
    "blank value": ("a,b,y\n1,2,0\n1,  ,1\n", {}, [("data-missing-value", "3:5")]),
    "NA among numbers": ("a,y\n1,0\nNA,1\n", {}, [("data-missing-value", "3:1")]),
    "NaN among numbers": ("a,y\n1,0\nNaN,1\n", {}, [("data-missing-value", "3:1")]),
    "missing text": ("a,y\np,0\n,1\nq,0\n", {}, [("data-missing-value", "3:1")]),
    "missing target": ("a,y\n1,0\n2,\n3,1\n", {}, [("data-missing-value", "3:3")]),
    "missing target is never filled in": (
        "a,y\n1,0\n,\n3,1\n",
        {"missing": "mean"},
        [("data-missing-value", "3:2")],
    ),
    "other column fills in": (
        "a,b,y\n1,,0\n,2,1\n",
        {"missing": {"a": "mean"}},
        [("data-missing-value", "2:3")],
    ),
    "infinite target": (
        "a,y\n1,0.5\n2,1e999\n",
        {},
        [("data-infinite", "3:3")],
    ),
    "text among target numbers": (
        "a,y\n1,0.5\n2,low\n3,.25\n",
        {},
        [("data-not-a-number", "3:3")],
    ),
    "several kinds, in the order of the file": (
        "a,b,y\n1,x,\n,2,1\n1e999,3,0\n",
        {},
        [
            ("data-not-a-number", "2:3"),
            ("data-missing-value", "2:5"),
            ("data-missing-value", "3:1"),
            ("data-infinite", "4:1"),
        ],
    ),
    "empty column": ("a,b,y\n1,,0\n2,,1\n", {}, [("data-empty-column", "1")]),
    "one class": ("a,y\n1,no\n2,no\n", {}, [("data-one-class", "")]),
}


@pytest.mark.parametrize("name", [*CELLS, *CASES])
def test_code_and_place(prepared: Callable[..., Dataset], name: str) -> None:
    content, section, expected = (CELLS | CASES)[name]
    with pytest.raises(Error) as caught:
        prepared(content, **section)
    assert caught.value.exit_code == 3
    for (code, place), (expected_code, where) in zip(
        found(caught.value), expected, strict=True
    ):
        assert code == expected_code
        if where:  # else it is about the config, or a count
            assert place == f"table.csv:{where}"


def test_there_are_many() -> None:
    """Different mistakes, each in a file of its own."""
    cases = [*CELLS.values(), *CASES.values()]
    assert len({(content, repr(section)) for content, section, _ in cases}) == len(
        cases
    )
    assert not set(CELLS) & set(CASES)
    assert len(cases) >= 200


@pytest.mark.parametrize(
    ("content", "fix"),
    [
        ("a,y\n1,0\n,1\n", "data.missing: {a: median}"),
        ("a,y\np,0\n,1\nq,1\n", "data.missing: {a: most_frequent}"),
        ("a,y\n1,0\n2,\n3,1\n", "data.missing: {y: drop}"),
        ("a,y\n1,0\nx,1\n2,1\n", "data.columns: {a: categorical}"),
        ("a,b,y\n1,1,0\n1e400,1,1\n", "data.columns: {a: ignore}"),
        ("a,y\n1,no\n2,yes\n3,\n", "data.missing: {y: drop}"),
    ],
)
def test_the_fix_works(
    prepared: Callable[..., Dataset], content: str, fix: str
) -> None:
    with pytest.raises(Error) as caught:
        prepared(content)
    assert fix in (caught.value.fix or "")
    key, column, value = re.fullmatch(r"data\.(\w+): \{(\w+): (\w+)\}", fix).groups()  # type: ignore[union-attr]
    assert len(prepared(content, **{key: {column: value}}).parts["train"]) > 0


@pytest.mark.parametrize(
    ("content", "section", "said"),
    [
        (b"a,y\n1,no\0\n", {}, ("null character", "remove it")),
        (
            b"a,y\n1,n\xf6\n",
            {},
            ('the byte 0xF6, which is "ö" in cp1252', "g: cp1252}}"),
        ),
        (b"\xe4,y\n\x81,0\n", {}, ("not UTF-8 text: the byte 0xE4", "encoding: …}}")),
        (b"\xe4,y\n1,\0\n", {}, ("not UTF-8 text: the byte 0xE4", "encoding: …}}")),
        ("ä,y\n".encode() + b"\xe4,0\n", {}, ("the byte 0xE4", "mend it")),
        (
            b"a,y\n\x81,0\n",
            {"source": {"file": {"path": "table.csv", "encoding": "cp1252"}}},
            ('not "cp1252" text: the byte 0x81', "the one it was saved in"),
        ),
        (
            "a,y\n1,0\n".encode("utf-16-le"),
            {"source": {"file": {"path": "table.csv", "encoding": "utf-16"}}},
            ('not "utf-16" text', "it is utf-16-le or utf-16-be"),
        ),
        (
            "a,y\n1,ä\n".encode("utf-16")[:-3],
            {"source": {"file": {"path": "table.csv", "encoding": "utf-16"}}},
            ("text: the byte 0xE4", "the one it was saved in"),
        ),
        ("a;y\n1;0\n", {}, ('separated by ";"', 'delimiter: ";"}')),
        ("a\ty\n1\t0\n", {}, ('separated by "\\t"', 'delimiter: "\\t"}')),
        ("a|y\n1|0\n", {}, ('separated by "|"', 'delimiter: "|"}')),
        ("a;y,\n1;0\n", {}, ("column 2 has no name", "trailing delimiter")),
        ("a;y\n1,0\n", {}, ("the row has 2 cells", "in quotes")),
        ('"a;y"\n1;0\n', {}, ('no column "y"', "the columns are: a;y")),
        (
            "a;b;y\n1,5;2,5;0\n",
            {},
            ('separated by ";"', '{path: table.csv, delimiter: ";", decimal: ","}}'),
        ),
        ("a;b|c;y\n1;5|x;0\n", {}, ('separated by ";"', 'delimiter: ";"}')),
        ("# a, b\nc,y\n1,0\n", {}, ('has no column "y"', "")),
        (
            "made today\nc,y\n1,0\n",
            {},
            ("stand in line 2", "remove what stands above it"),
        ),
        ("a,y\n1,0,\n2,1,\n", {}, ("every row below it 3", "delimiter at the end")),
        ("y,a\n1,2,0\n2,3,0\n", {}, ("every row below it 3", "what stands above")),
        ("a,y\n1,no\n2,no\n", {}, ('no class but "no"', "another target")),
        (
            "a,y\n" + "1,0\n" * 5 + "2,1\n" * 5 + "3,2\n",
            {"split": {"test": 0.1, "by": "order"}},
            ('class "2" is in the test part', "at random"),
        ),
        (
            'a,y\n"0,5",0\n"1,5",1\n"2,5",1\n',
            {},
            ('"0,5" in column "a" has a decimal comma', 'say decimal: ","'),
        ),
        (
            'a,y\n"0,5",0\n1,1\n2,1\n',
            {},
            (
                '"0,5" is no number',
                "write it as other numbers are, or allow it with deci",
            ),
        ),
        (
            'a,y\n"0,5",0\nx,1\n2,1\n2,1\n',
            {},
            ('"0,5" is no number', "allow it with data.columns: {a: categorical}"),
        ),
        (
            'a,b,y\n"0,5","1,0",0\n"1,5","2,5",1\n',
            {},
            ("has a decimal comma, as there are in b", 'say decimal: ","'),
        ),
        (
            "a,y\n1,0\n" + "".join(f'{n},"{n},5"\n' for n in range(30)),
            {},
            ('"0,5" in column "y" has a decimal comma', 'say decimal: ","'),
        ),
        (
            "a,y\n" + "".join(f'{n},"${n},050"\n' for n in range(21)),
            {},
            ('"$0,050" in column "y" is a number with', "{y: categorical}"),
        ),
        (
            "a,y\n" + "".join(f"{n} %,{n % 2}\n" for n in range(21)),
            {},
            ('"0 %" in column "a" is a number with', "plain numbers"),
        ),
        (
            "a,y\n" + "".join(f'"{n},050",{n % 2}\n' for n in range(1, 22)),
            {},
            (
                '"1,050" in column "a" has a comma before',
                'thousands: "," of the file whe',
            ),
        ),
        (
            "a;y\n" + "".join(f"{n}.050,5;{n % 2}\n" for n in range(1, 4)),
            {"source": {"file": {"path": "table.csv", "delimiter": ";"}}},
            ("has thousands that stand apart", 'decimal: ",", thousands: "." of'),
        ),
        (
            "a;y\n1.050;0\n20;1\n1,5;0\n",
            {
                "source": {
                    "file": {"path": "table.csv", "delimiter": ";", "decimal": ","}
                }
            },
            ('"1.050" is no number', 'or allow it with thousands: "." of the file'),
        ),
        (
            "a;y\n1 050,5;0\n1,5;0\n2;1\n",
            {
                "source": {
                    "file": {"path": "table.csv", "delimiter": ";", "decimal": ","}
                }
            },
            ('"1 050,5" is no number', 'or allow it with thousands: " " of the file'),
        ),
        (
            "a,y\n" + "".join(f"{n}'050,{n % 2}\n" for n in range(1, 22)),
            {},
            ("has thousands", 'say thousands: "\'" of the file'),
        ),
        ("1.5,2.5,yes\n2,3,no\n", {}, ("the first line holds numbers", "")),
        ("3,3,yes\n2,3,no\n", {}, ("the first line holds numbers", "")),
        (",y,a\n0,1,2\n1,0,3\n", {}, ("column 1 has no name", "{unnamed: ignore}")),
    ],
)
def test_what_is_said_of_it(
    prepared: Callable[..., Dataset],
    content: str | bytes,
    section: dict[str, Any],
    said: tuple[str, str],
) -> None:
    with pytest.raises(Error) as caught:
        prepared(content, **section)
    assert said[0] in caught.value.message
    assert said[1] in (caught.value.fix or "")


ODD_NAMES = ["a b", "p, q", "1", "true", "null", "x: y", 'say "so"', "p\nq", "größe",
             "a{b}", "#x", "- x", "mean (cm)", "%x", "'x'", "&x", "*x", "a\\b", "😀",
             "no", "~", "1e5", ".5", "[x]", "?", "a\u00a0b"]  # fmt: skip


@pytest.mark.parametrize("name", ODD_NAMES)
def test_the_fix_for_a_column_of_any_name_works(
    prepared: Callable[..., Dataset], name: str
) -> None:
    """What is proposed is YAML that means this column."""
    content = '"' + name.replace('"', '""') + '",y\n1,0\n,1\n'
    with pytest.raises(Error) as caught:
        prepared(content)
    setting = (caught.value.fix or "").partition(" with data.")[2]
    key, _, value = setting.partition(": ")
    read = yaml.safe_load(value)
    assert read == {name: "median"}
    assert len(prepared(content, **{key: read}).parts["train"]) == 2


def test_declared_categorical_a_decimal_comma_is_text(
    prepared: Callable[..., Dataset],
) -> None:
    dataset = prepared(
        'a,y\n"0,5",0\n"1,5",1\n', columns={"a": "categorical"}, task="classification"
    )
    assert dataset.preparation.feature_names == ("a=0,5", "a=1,5")


def test_the_caret_stands_under_the_cell(prepared: Callable[..., Dataset]) -> None:
    with pytest.raises(Error) as caught:
        prepared("age,zone,y\n1,north,0\nold,south,1\n2,north,1\n")
    assert str(caught.value) == (
        'error[data-not-a-number] table.csv:3:1: "old" is no number, and column "age" '
        "is numeric\n"
        "      3 | old,south,1\n"
        "        | ^^^\n"
        "  mend it, or allow it with data.columns: {age: categorical}"
    )


def test_a_thousand_bad_cells_are_counted(prepared: Callable[..., Dataset]) -> None:
    rows = "".join("1,0\n" + "x,1\n" for _ in range(500))
    with pytest.raises(Error) as caught:
        prepared("a,y\n" + rows)
    errors = caught.value.errors  # type: ignore[attr-defined]
    assert [e.place.line for e in errors[:20]] == list(range(3, 43, 2))
    assert len(errors) == 21
    assert "480 more" in errors[-1].message


def test_the_first_of_several_columns_are_listed(
    prepared: Callable[..., Dataset],
) -> None:
    with pytest.raises(Error) as caught:
        prepared("a,b,y\n" + "1,2,0\n" * 30 + "x,z,1\n" * 30)
    places = [place for _, place in found(caught.value)]
    expected = [f"table.csv:{32 + i}:{c}" for i in range(10) for c in (1, 3)]
    assert places[:20] == expected
    assert "40 more" in caught.value.errors[-1].message  # type: ignore[attr-defined]


def test_few_amounts_are_categories(prepared: Callable[..., Dataset]) -> None:
    rows = "".join(f"{n % 20} %,{n % 2}\n" for n in range(60))
    assert len(prepared("a,y\n" + rows).preparation.feature_names) == 20
    rows = "".join(f"{n} %,{n % 2}\n" for n in range(60))
    made = prepared("a,y\n" + rows, columns={"a": "categorical"})
    assert len(made.preparation.feature_names) == 60


@pytest.mark.parametrize("header", ["0,1,2,y", "2019,2020,2021,y", "1.5,a,b,y"])
def test_some_numbers_are_names(prepared: Callable[..., Dataset], header: str) -> None:
    assert prepared(f"{header}\n1,2,3,0\n2,3,4,1\n")


def test_a_saved_index_is_left_out(prepared: Callable[..., Dataset]) -> None:
    text = "{},a,y\n0,5,0\n1,6,1\n"
    made = prepared(text.format(""), columns={"unnamed": "ignore"})
    assert made.preparation.feature_names == ("a",)
    used = prepared(text.format('""'), columns={"unnamed": "numeric"})
    assert used.preparation.feature_names == ("unnamed", "a")
    with pytest.raises(Error) as caught:  # one is called so already
        prepared(",unnamed,y\n0,5,0\n", columns={"unnamed": "ignore"})
    assert found(caught.value) == [("data-header", "table.csv:1:1")]


def test_a_thousand_ragged_rows_are_counted(prepared: Callable[..., Dataset]) -> None:
    with pytest.raises(Error) as caught:
        prepared("a,y\n1,0\n" + "1,0,\n" * 1000)
    errors = caught.value.errors  # type: ignore[attr-defined]
    assert len(errors) == 21
    assert "980 more" in errors[-1].message
    assert "delimiter at the end" in errors[0].fix


def test_good_tables_of_odd_form_are_read(prepared: Callable[..., Dataset]) -> None:
    plain = prepared("a,b,y\n1,x,0\n2.5,z,1\n")
    for odd in (
        "\ufeffa,b,y\n1,x,0\n2.5,z,1\n",
        "a,b,y\r\n1,x,0\r\n2.5,z,1\r\n",
        "a,b,y\r1,x,0\r2.5,z,1",
        '"a","b","y"\n"1","x","0"\n"2.5","z","1"',
        " a , b ,y\n\n1 , x,0\n  \n2.5, z ,1\n\n",
        'a,b,y\n1, "x" ,0\n2.5,"z",1\n',
        "a,b,y\n+1.0e0,x,0\n25E-1,z,1.0\n",
    ):
        other = prepared(odd)
        assert (other.parts["train"].inputs == plain.parts["train"].inputs).all()
        assert (other.parts["train"].targets == plain.parts["train"].targets).all()
        assert other.sha256 == plain.sha256


words = st.sampled_from(
    [*'aby,,,,;"\n\n\n\r 0123.-', "1e999", "NA", "inf", "x", "\0", "é"]
)


class InMemory(sources.Source):
    """The rows of a text that stands in no file."""

    def __init__(self, data: bytes) -> None:
        object.__setattr__(self, "data", data)

    def load(self, seed: int, place: sources.Placer = placed) -> sources.Loaded:
        return sources.Loaded({"train": delimited.read(self.data, "f.csv")})  # type: ignore[attr-defined]


@given(
    st.lists(words, max_size=40).map("".join),
    st.sampled_from([None, "classification", "regression"]),
    st.sampled_from(["error", "drop", "mean", "most_frequent"]),
    st.sampled_from([{}, {"test": 0.3}, {"validation": 0.2, "by": "order"}]),
)
def test_never_a_traceback(
    text: str, task: str | None, missing: str, split: dict[str, Any]
) -> None:
    section = {
        "source": InMemory(("a,b,y\n" + text).encode()),
        "target": "y",
        "task": task,
        "missing": missing,
        "split": split,
        "preprocess": ["standardize", "min_max"],
    }
    try:
        dataset = prepare(build_fields(DataConfig, section), seed=0, place=placed)
    except Error as error:
        assert error.exit_code in (2, 3)
    else:
        assert all(len(part.inputs) for part in dataset.parts.values())
