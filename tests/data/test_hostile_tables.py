"""Tables made to break a reader: a table or an error, in bounded time and memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nettrain.component import build_fields
from nettrain.data import DataConfig, delimited, prepare, structure
from nettrain.data.sources import FileSource, Loaded, Placer, nowhere
from nettrain.errors import Error

from .conftest import found, placed

HEAD = b"a,b,y\n"


def names(count: int) -> bytes:
    return b",".join(b"c%d" % i for i in range(count)) + b"\n"


def row(cell: bytes, count: int) -> bytes:
    return b",".join([cell] * count) + b"\n"


# name: n -> a file of about n bytes; each would take n² steps of a careless reader
FILES: dict[str, Callable[[int], bytes]] = {
    "a quote opened first": lambda n: HEAD + b'"' + b"1,2,0\n" * (n // 6),
    "a quote opened last": lambda n: HEAD + b"1,2,0\n" * (n // 6) + b'"1,2,0\n',
    "quotes": lambda n: HEAD + b'"' * n,
    "pairs of quotes": lambda n: HEAD + b'"' + b'""' * (n // 2) + b'",1,2\n',
    "quotes in cells": lambda n: HEAD + b'a picture of 5" x 7",2,0\n' * (n // 24),
    "text behind quotes": lambda n: HEAD + b'"a picture of 5"x,2,0\n' * (n // 21),
    "half of the cells bad": lambda n: HEAD + b"x,2,0\n1,2,1\n" * (n // 12),
    "bad cells late": lambda n: HEAD + b"1,2,0\n" * (n // 8) + b"x,z,1\n" * (n // 32),
    "many columns": lambda n: names(n // 10) + row(b"1", n // 10) * 2,
    "many columns of texts": lambda n: names(n // 10) + row(b"x", n // 10) * 2,
    "many equal columns": lambda n: row(b"c", n // 4) + row(b"1", n // 4),
    "many nameless columns": lambda n: row(b"", n // 2) + row(b"1", n // 4),
    "many numbers as columns": lambda n: row(b"1", n // 4) * 2,
    "empty lines": lambda n: HEAD + b"\n" * n + b"1,2,0\n",
    "empty Windows lines": lambda n: HEAD + b"\r\n" * (n // 2) + b"1,2,0\n",
    "blank lines": lambda n: HEAD + b"   \n" * (n // 4) + b"1,2,0\n",
    "lines of tabs": lambda n: HEAD + (b"\t" * 19 + b"\n") * (n // 20) + b"1,2,0\n",
    "blanks": lambda n: HEAD + b" " * n + b"1,2,0\n",
    "cells with many blanks": lambda n: (
        HEAD + (b"1" + b" " * 999 + b",2,0\n") * (n // 1000)
    ),
    "a long cell": lambda n: HEAD + b"1,2," + b"x" * n + b"\n1,2,0\n",
    "a long number": lambda n: HEAD + b"1,2," + b"1" * n + b"\n1,2,0\n",
    "a long number and a letter": lambda n: HEAD + b"1,2," + b"1" * n + b"x\n1,2,0\n",
    "a long number with a point and a letter": lambda n: (
        HEAD + b"1,2," + b"1" * (n // 2) + b"." + b"1" * (n // 2) + b"x\n1,2,0\n"
    ),
    "a long name": lambda n: b"a,y," + b"n" * n + b"\n1,2,x\n1,2,1\n",
    "long names that are equal": lambda n: row(b"n" * (n // 2), 2) + b"1,2\n",
    "a cell of many lines": lambda n: HEAD + b'1,2,"' + b"x\n" * (n // 2) + b'"\n',
    "long cells of many lines": lambda n: (
        HEAD + (b'1,2,"' + b"x\n" * 9999 + b'"\n') * (n // 20_000)
    ),
    "delimiters": lambda n: HEAD + b"," * n + b"\n1,2,0\n",
    "short rows": lambda n: HEAD + b"1,2\n" * (n // 4),
    "long rows": lambda n: HEAD + b"1,2,0,4\n" * (n // 8),
    "one line": lambda n: b"x" * n,
    "missing values": lambda n: HEAD + b",,\n" * (n // 3),
    "marks of missing values": lambda n: HEAD + b" NA,null ,0\n" * (n // 12),
    "infinite values": lambda n: HEAD + b"1e9999,inf,0\n" * (n // 13),
    "tiny numbers": lambda n: HEAD + b"1.5e-300,4e-324,0\n" * (n // 18),
    "more digits than fit": lambda n: HEAD + b"0." + b"1234567890" * 3 * (n // 30),
    "different texts": lambda n: (
        HEAD + b"".join(b"id%d,2,0\n" % i for i in range(n // 12))
    ),
    "a bad byte last": lambda n: HEAD + b"1,2,0\n" * (n // 6) + b"\xff",
    "a null last": lambda n: HEAD + b"1,2,0\n" * (n // 6) + b"\0",
    "emoji": lambda n: HEAD + "ä,😀,ö\n".encode() * (n // 11),
    "blanks of Unicode": lambda n: HEAD + "\u00a0,\u00a01,0\n".encode() * (n // 10),
}
LIMIT = 150
"""Bytes of memory for each byte of the worst file; what is usual is a twentieth."""


@contextmanager
def soon(seconds: int) -> Iterator[None]:
    """Fails what takes so long that only n² steps can be the reason."""

    def late(*_: object) -> None:
        raise TimeoutError(f"not read in {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def read(data: bytes) -> int:
    """Ask all that is asked of a table; the number of its rows, or 0."""
    try:
        table = delimited.read(data, "table.csv")
    except Error as error:
        assert error.exit_code == 3
        assert len(str(error)) < 40_000
        return 0
    kinds = {table.kind(name) for name in table.names}
    assert kinds <= {"numeric", "categorical"}
    for name in (*table.names[:3], *table.names[-3:]):
        assert len(table.texts(name)) == len(table.numbers(name).values) == len(table)
    table.find([(0, 0), (len(table) - 1, len(table.names) - 1)])
    return len(table)


@pytest.mark.parametrize("name", FILES)
def test_a_fifth_of_a_megabyte(name: str) -> None:
    data = FILES[name](200_000)
    tracemalloc.start()
    try:
        with soon(60):
            read(data)
        assert tracemalloc.get_traced_memory()[1] < LIMIT * len(data)
    finally:
        tracemalloc.stop()


CHILD = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.data.test_hostile_tables import LIMIT, read
data = Path(sys.argv[2]).read_bytes()
resource.setrlimit(resource.RLIMIT_AS, (2**31 + LIMIT * len(data),) * 2)
read(data)
"""


@pytest.mark.long
@pytest.mark.parametrize("name", FILES)
def test_fifty_megabytes(name: str, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(FILES[name](50 * 10**6))
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", CHILD, root, str(path)]
    subprocess.run(command, check=True, timeout=600, cwd=root)


MANY = 95_000
SOME = tuple(f"t{i}" for i in range(MANY))


@pytest.mark.parametrize(
    ("section", "wrong"),
    [
        ({"target": SOME}, MANY),
        ({"target": ["y"] * MANY}, MANY - 1),
        ({"columns": dict.fromkeys(SOME, "ignore")}, MANY),
        (
            {"target": ["y", *SOME[:5]], "missing": dict.fromkeys(SOME, "mean")},
            MANY + 5,
        ),
    ],
)
def test_many_names_that_no_column_has(
    prepared: Callable[..., Any], section: dict[str, Any], wrong: int
) -> None:
    with soon(20), pytest.raises(Error) as caught:
        prepared("a,b,y\n1,2,0\n2,3,1\n", **section)
    *listed, last = caught.value.errors  # type: ignore[attr-defined]
    assert len(listed) == 20
    assert last.message.startswith(f"… and {wrong - 20} more")


def test_decimal_commas_in_many_columns(
    prepared: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are one error, and one cell is looked for in the file."""
    looked = counted(monkeypatch, delimited._Sheet, "locate")
    table = names(300).replace(b"c0,", b"y,") + row(b'"1,5"', 300) + row(b'"2,5"', 300)
    with pytest.raises(Error) as caught:
        prepared(table, columns={"y": "categorical"}, task="classification")
    assert found(caught.value) == [("data-not-a-number", "table.csv:2:7")]
    assert caught.value.message.endswith(
        "as there are in c2, c3, " + ", ".join(f"c{n}" for n in range(4, 18)) + ", …"
    )
    assert len(looked) == 1


def test_columns_that_turn_to_texts_are_read_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(delimited, "BLOCK", 100)
    data = names(200) + row(b"1", 200) * 3 + row(b"x", 200) * 3
    table = delimited.read(data, "f")
    again = counted(monkeypatch, delimited._Sheet, "_again")
    assert all(table.texts(name).tolist() == list("111xxx") for name in table.names)
    assert len(again) <= 6


def counted(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> list[str]:
    """A list that grows with every call."""
    calls, original = [], getattr(owner, name)

    def call(*given: Any) -> Any:
        calls.append(name)
        return original(*given)

    monkeypatch.setattr(owner, name, call)
    return calls


@pytest.mark.parametrize(
    "section",
    [
        {"target": "q" * 300_000},
        {"target": ["q" * 300_000, "y"]},
        {"columns": {"q" * 300_000: "ignore"}},
        {"source": "q" * 300_000 + ".csv"},
        {"source": "q" * 300_000},
        {"source": "q/" * 150_000 + "table.csv"},
        {"split": {"test": "q" * 300_000 + ".csv"}},
        {"source": {"file": {"path": "table.csv", "delimiter": "q" * 300_000}}},
    ],
)
def test_a_long_name_is_not_quoted_whole(
    prepared: Callable[..., Any], section: dict[str, Any]
) -> None:
    with pytest.raises(Error) as caught:
        prepared("a,y\n1,0\n2,1\n", **section)
    said = caught.value.message + (caught.value.fix or "")
    assert "qqqq" in said.replace("/", "")
    assert len(said) < 1000


def test_what_a_terminal_would_obey_is_shown(prepared: Callable[..., Any]) -> None:
    for name in ("a\nb", "a\x1b[31mb", "a\u202eb", "a\x7fb"):
        with pytest.raises(Error) as caught:
            prepared(f'"{name}",y\n1,0\nx,1\n2,0\n')
        assert name not in str(caught.value)
        with pytest.raises(Error) as caught:
            prepared("a,y\n1,0\n", source=name + ".csv")
        assert name not in str(caught.value)


def test_a_folder_whose_names_nobody_may_see(
    write: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied")

    write("a,y\n1,0\n", "table.csv")
    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(Error) as caught:
        FileSource("tabel.csv").load(0)
    assert caught.value.code == "data-missing-file"
    assert "the folder is" in (caught.value.fix or "")


def test_half_characters_are_in_no_table(prepared: Callable[..., Any]) -> None:
    reading = {"path": "table.csv", "missing_values": ["", "\ud800", "\ud800x"]}
    text = "a,y\n1,0\nx,1\n" + "2,0\n" * 5
    with pytest.raises(Error) as caught:
        prepared(text, source={"file": reading})
    assert caught.value.code == "data-not-a-number"
    with pytest.raises(Error) as caught:
        prepared(text, source={"file": {"path": "table.csv", "delimiter": "\ud800"}})
    assert caught.value.code == "data-delimiter"


def test_too_many_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structure, "MOST", 3)
    with pytest.raises(Error, match="has 4 columns, and 3 can be read") as caught:
        delimited.read(b"a,b,c,d\n1,2,3,4\n", "f")
    assert (caught.value.code, str(caught.value.place)) == ("data-header", "f:1:7")


# ---------------------------------------------------------------- no files


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "table.csv")
    with soon(60), pytest.raises(Error, match="no plain file") as caught:
        FileSource(str(tmp_path / "table.csv")).load(0)
    assert caught.value.code == "data-unreadable-file"


def test_an_endless_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "table.csv").symlink_to("/dev/zero")
    with soon(60), pytest.raises(Error, match="no plain file"):
        FileSource(str(tmp_path / "table.csv")).load(0)


# ---------------------------------------------------------------- anything at all

GOOD = (
    b'zone,age,y,"a note"\n'
    b'north,31,0.5,"said ""no"""\n'
    b'south,-4.25e1,1.5,"two\nlines"\r\n'
    b"\n"
    b"\xc3\xbcber, 7 ,2.5,NA\n"
    b'north,,3.5,""\n'
) * 3
PIECES = [
    *(b'"', b'""', b'",', b',"', b",", b",,", b";", b"\n", b"\r", b"\r\n", b" ", b"\0"),
    *(b"\xff", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"1e999", b"nan", b"-", b"e", b"."),
]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good table with bytes flipped, cut out, repeated and put in."""
    data = bytearray(GOOD)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.integers(1, 30))
        kind = draw(st.sampled_from(["flip", "cut", "repeat", "insert", "end"]))
        if kind == "flip" and at < len(data):
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "cut":
            del data[at : at + length]
        elif kind == "repeat":
            data[at:at] = data[at : at + length]
        elif kind == "insert":
            data[at:at] = draw(st.sampled_from(PIECES)) * draw(st.integers(1, 3))
        elif kind == "end":
            del data[at:]
    return bytes(data)


SECTIONS: list[dict[str, Any]] = [
    {},
    {"missing": "drop", "preprocess": ["standardize"]},
    {"missing": "most_frequent", "split": {"test": 0.3}},
    {"columns": {"age": "categorical", "zone": "numeric"}},
    {"task": "classification", "columns": {"zone": "ignore"}},
]


@settings(max_examples=150)
@given(
    st.one_of(damaged(), damaged(), st.binary(max_size=200)), st.sampled_from(SECTIONS)
)
def test_only_declared_errors(data: bytes, section: dict[str, Any]) -> None:
    check(data, section)


@pytest.mark.long
@settings(max_examples=20_000)
@given(
    st.one_of(damaged(), damaged(), st.binary(max_size=500)), st.sampled_from(SECTIONS)
)
def test_only_declared_errors_at_length(data: bytes, section: dict[str, Any]) -> None:
    check(data, section)


class _InMemory(FileSource):
    """The rows of a text that stands in no file."""

    def load(self, seed: int, place: Placer = nowhere) -> Loaded:
        return Loaded({"train": delimited.read(CONTENT[0], self.path)})


CONTENT = [b""]


def check(data: bytes, section: dict[str, Any]) -> None:
    CONTENT[0] = data
    source = _InMemory("table.csv")
    plain = {"split": {}, "source": source, "target": "y"} | section
    try:
        with soon(60):
            dataset = prepare(build_fields(DataConfig, plain), seed=0, place=placed)
    except Error as error:
        errors = getattr(error, "errors", (error,))
        assert {each.exit_code for each in errors} <= {2, 3}
        assert all(each.place is not None for each in errors if each.exit_code == 2)
        str(error)
    else:
        assert all(len(part) for part in dataset.parts.values())
