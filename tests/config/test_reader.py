"""Scalars, places, limits, and texts that are no config."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nettrain.config import Document, parse, read
from nettrain.config.tree import Source
from nettrain.errors import Error, Place

SOURCE = Source("a.yaml", "file", Path("."))


def document(text: str) -> Document:
    return parse(text, SOURCE)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1.5e3", 1500.0),
        ("6.02E+23", 6.02e23),
        (".5", 0.5),
        ("1.", 1.0),
        ("-0.0", -0.0),
        ("12", 12),
        ("-7", -7),
        ("+7", 7),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2001-12-14", "2001-12-14"),
        ("0b11", "0b11"),
        ("1e", "1e"),
        ("٣", "٣"),
        ("on", "on"),
        ("yes", "yes"),
        ("No", "No"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("tRUE", "tRUE"),
        ("null", None),
        ("~", None),
        ("", None),
        ("'1'", "1"),
        ('"true"', "true"),
        ("''", ""),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("inf", "inf"),
        ("nan", "nan"),
        ("|\n  1\n", "1\n"),
        ("5 %", "5 %"),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    read_back = document(f"a: {text}").value["a"]
    assert read_back == value
    assert type(read_back) is type(value)


def test_not_a_number_is_a_float() -> None:
    assert math.isnan(document("a: .nan").value["a"])


TEXT = """\
# a comment
name: net
data: {source: digits, "split": [1, 0.25]}
model:
  - dense:
      units: 64
  - relu
notes:
text: |
  two
  lines
"""


@pytest.mark.parametrize(
    ("path", "key", "line", "column", "width"),
    [
        (("name",), False, 2, 7, 3),
        (("name",), True, 2, 1, 4),
        (("data",), False, 3, 7, 36),
        (("data", "source"), False, 3, 16, 6),
        (("data", "split"), True, 3, 24, 7),
        (("data", "split", 1), False, 3, 37, 4),
        (("model",), True, 4, 1, 5),
        (("model", 0), False, 5, 5, 5),
        (("model", 0, "dense", "units"), False, 6, 14, 2),
        (("model", 0, "dense", "units"), True, 6, 7, 5),
        (("model", 1), False, 7, 5, 4),
        (("notes",), False, 8, 1, 5),
        (("text",), False, 9, 7, 1),
        (("data", "missing"), False, 3, 1, 4),
        (("model", 7, "dense"), True, 4, 1, 5),
    ],
)
def test_places(path: tuple, key: bool, line: int, column: int, width: int) -> None:
    place = document(TEXT).place(path, key)
    text = TEXT.splitlines()[line - 1]
    assert place == Place("a.yaml", line, column, text, width)


def test_lines_count_as_yaml_counts_them() -> None:
    assert document("a: 1\r\nb: x\r\n").place(("b",)).line == 2
    assert document("\ufeffa: 1").value == {"a": 1}


def test_a_tab_in_the_excerpt_takes_one_column() -> None:
    assert document("a: 'x\ty'").place(("a",)).text == "a: 'x y'"


def test_a_line_too_long_to_show_is_not_shown() -> None:
    for column, shown in [(160, True), (161, False)]:
        place = document("a:" + " " * (column - 3) + "x").place(("a",))
        assert (place.column, bool(place.text)) == (column, shown)
    place = document("a: [" + "1, " * 100 + "x]").place(("a", 100))
    assert (place.column, place.text) == (305, "")
    assert place.excerpt() == ""


def test_aliases_and_merges() -> None:
    text = """\
base: &base {units: 3, bias: false}
more: &more {units: 4, rate: .5}
list: [&x 7, *x]
merged: {<<: *base, units: 5}
both:
  <<: [*base, *more]
plain: {"<<": 1}
"""
    found = document(text)
    assert found.value["merged"] == {"units": 5, "bias": False}
    assert found.value["both"] == {"units": 3, "bias": False, "rate": 0.5}
    assert found.value["list"] == [7, 7]
    assert found.value["plain"] == {"<<": 1}
    assert not found.faults
    assert found.place(("list", 1)).column == 14
    assert found.place(("merged", "bias")).line == 1


def bomb(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for i in range(levels):
        lines.append(f"a{i + 1}: &a{i + 1} [{', '.join([f'*a{i}'] * 10)}]")
    return "\n".join(lines)


def merge_bomb(levels: int) -> str:
    lines = ["a0: &a0 {k: 1}"]
    for i in range(levels):
        lines.append(f"a{i + 1}: &a{i + 1}\n  <<: [*a{i}, *a{i}, *a{i}, *a{i}]")
    return "\n".join(lines)


def ladder(levels: int) -> str:
    rungs = [f"a{i + 1}: &a{i + 1} [*a{i}]" for i in range(levels)]
    return "\n".join(["a0: &a0 [x]", *rungs])


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[" * 51 + "]" * 51, "config-limit"),
        ("[" * 100_000, "config-limit"),
        (ladder(60), "config-limit"),
        ("a: [" + "x," * 100_000 + "]", "config-limit"),
        (bomb(8), "config-limit"),
        (merge_bomb(12), "config-limit"),
        ("a: &a [*a]", "config-alias"),
        ("a: &a {<<: *a}", "config-alias"),
        ("a: &a\n  b: {c: [*a]}", "config-alias"),
    ],
)
def test_limits(text: str, code: str) -> None:
    with pytest.raises(Error) as caught:
        document(text)
    assert caught.value.code == code
    assert caught.value.place is not None
    assert caught.value.place.line is not None


def test_what_is_within_the_limits_is_read() -> None:
    assert document("[" * 49 + "x" + "]" * 49).faults == ()
    assert len(document("[" + "x," * 20_000 + "]").value) == 20_000
    assert document("a: " + "9" * 300).value["a"] == int("9" * 300)


def test_a_file_larger_than_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"a: 1 #" + b"x" * (1 << 20))
    with pytest.raises(Error, match="larger than 1 MiB"):
        read(path)
    path.write_bytes(b"a: 1 #" + b"x" * ((1 << 20) - 6))
    assert read(path).value == {"a": 1}


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("a: [1, 2", 1, 4),
        ("a: [1, 2\nb: 3\n", 1, 4),
        ("b:\n  a: {b: 1\n", 2, 6),
        ("a:\n\tb: 1", 2, 1),
        ("a: b: c", 1, 5),
        ("a: 'x", 1, 4),
        ('a: "x\nb: 3', 1, 4),
        ("a: @x", 1, 4),
        ("- a\nb: 1", 2, 1),
        ("a: 1\n b: 2", 2, 2),
        ("a: 1\nb\nc: 3", 2, 1),
        ("a: 1\n---\nb: 2", 2, 1),
        ("a: *x", 1, 4),
        ("a: &x 1\nb: &x 2", 2, 4),
        ('a: "\\q"', 1, 6),
        ('a: "\\UFFFFFFFF"', 1, 7),
        ("a: !e!x 1", 1, 4),
        ("a: - 1", 1, 4),
        ("a: [1, , 2]", 1, 8),
        ('a: ["b" "c"]', 1, 9),
        ("a: x\nb: \x00", 2, 4),
        ("a: \x1b[31m", 1, 4),
        ("a: >-5 x", 1, 4),
    ],
)
def test_syntax_errors(text: str, line: int, column: int) -> None:
    with pytest.raises(Error) as caught:
        document(text)
    error = caught.value
    assert error.place is not None
    assert (error.code, error.place.line, error.place.column) == (
        "config-syntax",
        line,
        column,
    )
    assert error.exit_code == 2
    assert "\x1b" not in str(error)
    assert "\x00" not in str(error)


def test_bytes_that_are_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\nb: gr\xfc\xdfe\n")
    with pytest.raises(Error, match="0xFC is not UTF-8") as caught:
        read(path, name="a.yaml")
    assert str(caught.value.place) == "a.yaml:2:6"


def test_a_missing_file_names_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "mlp.yaml").write_text("")
    (tmp_path / "other.txt").write_text("")
    with pytest.raises(Error) as caught:
        read(tmp_path / "mpl.yaml")
    error = caught.value
    assert error.code == "config-missing-file"
    assert error.exit_code == 2
    assert "mpl.yaml" in error.message
    assert error.fix == f"did you mean {tmp_path / 'mlp.yaml'}?"


def test_no_config_is_told_to_extend_itself(tmp_path: Path) -> None:
    (tmp_path / "mlp.yaml").write_text("")
    with pytest.raises(Error) as caught:
        read(tmp_path / "mpl.yaml", cited=Place(str(tmp_path / "mlp.yaml")))
    assert caught.value.fix is None


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("nosuch.yaml", []),
        ("c6.yaml", []),
        ("z.yaml", []),
        ("net.yml", ["net.yaml"]),
        ("nte.yaml", ["net.yaml"]),
        ("modle.yaml", ["model.yaml", "model.yml"]),
        ("mode.yaml", ["model.yaml", "model.yml", "models.yaml"]),
    ],
)
def test_only_what_is_called_nearly_so_is_named(
    tmp_path: Path, name: str, near: list[str]
) -> None:
    for other in ["c65", "c66", "ro", "net", "model", "models", "modelsx", "x"]:
        (tmp_path / f"{other}.yaml").write_text("")
    (tmp_path / "model.yml").write_text("")
    with pytest.raises(Error) as caught:
        read(tmp_path / name)
    named = (caught.value.fix or "did you mean ?").removeprefix("did you mean ")
    found = [Path(path).name for path in named.rstrip("?").split(" or ") if path]
    assert sorted(found) == sorted(near)


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(Error) as caught:
        read(tmp_path / "nowhere" / "a.yaml")
    assert caught.value.fix == f"the folder {tmp_path / 'nowhere'} does not exist"


@pytest.mark.parametrize("path", [".", "a\0b"])
def test_what_is_no_file(path: str) -> None:
    with pytest.raises(Error) as caught:
        read(path)
    assert caught.value.code == "config-unreadable"


def test_no_object_is_made() -> None:
    found = document("a: !!python/object/apply:os.getcwd []")
    assert found.value == {"a": []}
    assert [fault.code for fault in found.faults] == ["config-tag"]


YAML_LIKE = st.text(alphabet="ab01:-[]{},&*!#|>'\"%@`? \n\t\\.~<x\x00é", max_size=40)


@given(YAML_LIKE | st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = document(text)
    except Error as error:
        assert error.exit_code == 2
        assert error.place is not None
    else:
        assert all(fault.place for fault in found.faults)
