"""What an error proposes, written as it stands into the config, mends the table."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from nettrain.component import Fix, Instead, build_fields
from nettrain.data import DataConfig, Dataset, prepare
from nettrain.data.preparation import Preparation
from nettrain.errors import Error, Place

from .conftest import found

Prepared = Callable[..., Dataset]
PATHS = ["../t/table.csv", "../t/two words.csv", "../t/a, b: {c}.csv", "../t/ü #1.csv",
         "- [x].csv", "'q'.csv", "../t/x & y.csv", "@home.csv"]  # fmt: skip


def written(path: str, data: bytes, **fields: Any) -> Dataset:
    """The table at a path beside the config, which lies in the folder `configs`."""
    there = os.path.join("configs", path)
    os.makedirs("configs", exist_ok=True)
    os.makedirs(os.path.dirname(there), exist_ok=True)
    Path(there).write_bytes(data)
    return read(path, **fields)


def read(path: str, **fields: Any) -> Dataset:
    source = {"file": {"path": os.path.abspath(f"configs/{path}"), **fields}}
    section = {"source": source, "target": "y", "split": {}}
    config = build_fields(DataConfig, section)
    return prepare(config, seed=0, place=lambda *_, **__: Place("configs/c.yaml", 3))


def proposed(error: Error) -> dict[str, Any]:
    """The fields of the source that a fix says."""
    line = re.search(r"source: \{file: \{.*\}\}", error.fix or "")
    assert line
    fields: dict[str, Any] = yaml.safe_load(line[0])["source"]["file"]
    return fields


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("data", "fields"),
    [
        ("a,y\nö,1\nx,0\n".encode("utf-16"), {}),
        ("a,y\nö,1\nx,0\n".encode("utf-16-le"), {}),
        (b"a,y\n\xf6,1\nx,0\n", {}),
        ("a,y\nö,1\nx,0\n".encode(), {"encoding": "cp1252"}),
        (b"a;y\n1,5;0\n2,5;1\n", {}),
        (b'a,y\n"0,5",1\n"1,5",0\n', {}),
        (b"a;y\n1.050,5;0\n2.050,5;1\n", {"delimiter": ";"}),
        (b"a;y\n0.5;0\n1.25;1\n", {"delimiter": ";", "decimal": ","}),
    ],
)
def test_a_source_as_it_is_proposed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    data: bytes,
    fields: dict[str, Any],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Error) as caught:
        written(path, data, **fields)
    said = proposed(caught.value)
    assert said["path"] == path
    assert fields.keys() <= said.keys()
    assert len(read(**said).parts["train"])


def test_a_path_is_absolute_where_that_is_shorter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_bytes("a,y\nö,1\n".encode("utf-16"))
    config = build_fields(DataConfig, {"source": str(tmp_path / "t.csv")})
    deep = Place("/" + "/".join("x" * 40) + "/c.yaml", 3)
    with pytest.raises(Error) as caught:
        prepare(config, seed=0, place=lambda *_, **__: deep)
    assert proposed(caught.value)["path"] == str(tmp_path / "t.csv")


def test_of_a_reading_that_is_wrong_in_one_field_this_is_edited(
    prepared: Prepared,
) -> None:
    source = {"file": {"path": "table.csv", "encoding": "cp1252", "decimal": ","}}
    with pytest.raises(Error) as caught:
        prepared("a,y\nö,1\n", source=source)
    where = "config.yaml:data.source.file.encoding"
    assert found(caught.value) == [("data-encoding", where)]
    assert isinstance(caught.value.fix, Fix)
    assert caught.value.fix.edit == Instead("utf-8")


# ---------------------------------------------------------------- missing values

MARKED = "a,b,y\n1,-,0\n-,2,1\n3,?,0\n4,-,1\n5,6,0\n7,8,1\n"


def test_a_mark_is_told_once_and_its_fix_reads_the_table(prepared: Prepared) -> None:
    with pytest.raises(Error) as caught:
        prepared(MARKED)
    errors = caught.value.errors  # type: ignore[attr-defined]
    places = [
        ("data-not-a-number", "table.csv:2:3"),
        ("data-not-a-number", "table.csv:4:3"),
    ]
    assert found(caught.value) == places
    assert errors[0].message.endswith("is numeric; 2 more cells hold it")
    assert errors[1].message.endswith('"?" is no number, and column "b" is numeric')
    assert errors[0].fix == errors[1].fix
    fix = re.fullmatch(
        "if it stands for a missing value, train with (.*) of the file and data.(.*)",
        errors[0].fix,
    )
    assert fix
    said, policy = (yaml.safe_load(f"{{{part}}}") for part in fix.groups())
    assert said["missing_values"][-2:] == ["-", "?"]
    assert {"", "NA", "null", "NULL"} < set(said["missing_values"])
    made = prepared(MARKED, source={"file": {"path": "table.csv", **said}}, **policy)
    assert len(made.parts["train"]) == 6


@pytest.mark.parametrize(
    ("content", "section", "said"),
    [
        ("a,y\n-,0\n1,1\n2,0\n", {}, "of the file and data.missing: {a: median}"),
        ("a,y\n1,-\n1,1\n2,0.5\n", {}, "of the file and data.missing: {y: drop}"),
        ("a,y\n-,0\n1,1\n2,0\n", {"missing": "mean"}, '"-"] of the file'),
    ],
)
def test_a_mark_is_missing_then(
    prepared: Prepared, content: str, section: dict[str, Any], said: str
) -> None:
    with pytest.raises(Error) as caught:
        prepared(content, **section)
    assert (caught.value.fix or "").endswith(said)


def test_a_mark_that_a_run_is_asked_about(prepared: Prepared) -> None:
    made = prepared("a,y\n1,0\n2,1\n", missing="median").preparation
    Path("more.csv").write_text("a\n1\nk.A.\n", "utf-8")
    with pytest.raises(Error) as caught:
        made.read("more.csv")
    said = "if it stands for a missing value, leave the cell empty, or train with miss"
    assert (caught.value.fix or "").startswith(said)


def test_rows_that_are_dropped_have_no_marks(prepared: Prepared) -> None:
    text = "a,b,y\n-,,0\n1,2,0\n-,2,1\n2,3,0\n5,6,1\n"
    with pytest.raises(Error) as caught:
        prepared(text, missing={"a": "drop", "b": "drop"})
    assert found(caught.value) == [("data-not-a-number", "table.csv:4:1")]
    assert "more cells" not in caught.value.message


def test_many_marks_are_texts(prepared: Prepared) -> None:
    """Of any number of them none is a list that nobody reads."""
    marks = ["-" * n for n in range(1, 12)]
    with pytest.raises(Error) as caught:
        prepared(
            "a,y\n" + "".join(f"{n},0\n{mark},1\n" for n, mark in enumerate(marks))
        )
    errors = caught.value.errors  # type: ignore[attr-defined]
    assert len(errors) == 11
    assert all("categorical" in error.fix for error in errors)


# ---------------------------------------------------------------- categories, classes


def test_unseen_categories_are_allowed_beside_the_other_steps(
    prepared: Prepared,
) -> None:
    steps = ["robust", {"min_max": {"low": -1}}, "one_hot"]
    made = prepared("a,b,y\n1,p,0\n2,q,1\n", preprocess=steps).preparation
    assert isinstance(made, Preparation)
    Path("more.csv").write_text("a,b\n1,z\n", "utf-8")
    with pytest.raises(Error) as caught:
        made.transform(made.read("more.csv"))
    fix = re.fullmatch(
        r"train with data\.(.*), or without the column: data\.columns: \{b: ignore\}",
        caught.value.fix or "",
    )
    assert fix
    said = yaml.safe_load(fix[1])["preprocess"]
    assert said == [
        "robust",
        {"min_max": {"low": -1}},
        {"one_hot": {"unknown": "ignore"}},
    ]
    again = prepared("a,b,y\n1,p,0\n2,q,1\n", preprocess=said).preparation
    assert again.transform(again.read("more.csv")).tolist() == [[-1.0, 0.0, 0.0]]


def test_a_class_that_was_not_trained_on_is_told_once(prepared: Prepared) -> None:
    rows = [f"{n},{n // 10}\n" for n in range(40)]
    with pytest.raises(Error) as caught:
        prepared("a,y\n" + "".join(rows), split={"test": 0.5, "by": "order"})
    assert found(caught.value) == [
        ("data-unseen-class", "table.csv:22:4"),
        ("data-unseen-class", "table.csv:32:4"),
    ]


def test_a_target_in_another_notation_is_no_text(prepared: Prepared) -> None:
    """That it is one, and wants another loss, is not said then."""
    text = "a,y\n" + "".join(f'{n},"{n}.481.576,81"\n' for n in range(1, 30))
    with pytest.raises(Error) as caught:
        prepared(text, task="regression")
    assert found(caught.value) == [("data-not-a-number", "table.csv:2:3")]
    with pytest.raises(Error, match="is text, a regression needs numbers"):
        prepared(text, task="regression", columns={"y": "categorical"})


@pytest.mark.parametrize(
    ("value", "said"),
    [("5", "has the value 5 in every row"), ("no", 'no class but "no"')],
)
def test_a_target_that_never_varies(prepared: Prepared, value: str, said: str) -> None:
    with pytest.raises(Error, match=said) as caught:
        prepared(f"a,y\n1,{value}\n2,{value}\n")
    assert caught.value.code == "data-one-class"


# ---------------------------------------------------------------- above the header


@pytest.mark.parametrize(
    ("above", "line"),
    [
        ("# by SAP, in 2024\n", 2),
        ("# made\n# by hand\n", 3),
        ("Report\n\nb\n", 4),
        ("Report,,\nRegion: North,,\n\n", 4),
        (",,\nReport,,\n,,\n", 4),
        ("\n" * 9 + "Report,,\n", 11),
    ],
)
def test_lines_above_the_names(prepared: Prepared, above: str, line: int) -> None:
    table = "a,b,y\n1,p,0\n2,q,1\n3,p,0\n"
    with pytest.raises(Error) as caught:
        prepared(above + table)
    assert caught.value.code == "data-header"
    assert caught.value.message.endswith(f"seem to stand in line {line}")
    first = next(i for i, text in enumerate(above.split("\n"), 1) if text)
    assert str(caught.value.place) == f"table.csv:{first}:1"
    assert len(prepared(table).parts["train"]) == 3


@pytest.mark.parametrize(
    "content",
    [
        "a,a,y\n1,2,0\n2,3,1\n",  # no names: numbers
        "a,a,y\nred,blue,yes\n1,2,no\n",  # the first line is as wide
        "a,y\nred,blue,yes\nred,blue,no\n",  # no numbers below
        "a,y\nred,red,yes\nred,blue,1\n",  # twice the same name
        "1,2\n3,4\n\na,b,y\n1,2,3\n",  # two tables
        "a\nred,blue,yes\n",  # no row below
    ],
)
def test_what_is_no_line_of_names(prepared: Prepared, content: str) -> None:
    with pytest.raises(Error) as caught:
        prepared(content)
    assert "seem to stand" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "mark"),
    [("sep=;\n", ";"), ("sep=;\r\n", ";"), ('"sep=|"\r', "|"), ("SEP=\t\n", "\t")],
)
def test_a_first_line_says_the_delimiter(
    prepared: Prepared, line: str, mark: str
) -> None:
    table = "a,b,y\n1,p,0\nx,q,1\n3,p,0\n".replace(",", mark)
    with pytest.raises(Error) as caught:
        prepared(line + table)
    assert found(caught.value) == [("data-not-a-number", "table.csv:4:1")]
    made = prepared(line + table.replace("x", "2"))
    assert made.sha256 == prepared("a,b,y\n1,p,0\n2,q,1\n3,p,0\n").sha256


@pytest.mark.parametrize("line", ["sep=\n", "sep=ab\n", "sep=a\n", 'sep="\n'])
def test_other_first_lines_say_none(prepared: Prepared, line: str) -> None:
    with pytest.raises(Error, match='has no column "y"'):
        prepared(line + "a;y\n1;0\n2;1\n")


def test_a_delimiter_at_the_end_of_every_row_but_the_first(prepared: Prepared) -> None:
    with pytest.raises(Error) as caught:
        prepared("a,y\n1,0,\n2,1,\n")
    said = "remove the delimiter at the end of every row below it, or name its column"
    assert caught.value.fix == said


def test_blanks_are_no_delimiter(prepared: Prepared) -> None:
    with pytest.raises(Error, match="are separated by blanks") as caught:
        prepared("a b y\n1 2 0\n2  3 1\n")
    assert found(caught.value) == [("data-delimiter", "table.csv:1:1")]
    with pytest.raises(Error, match="put commas in their place"):
        prepared("a y\n1 0\n", source={"file": {"path": "table.csv", "delimiter": " "}})
    for text in ("my numbers\n1\n2\n", "full name\nAnna Maria\n"):  # one column
        with pytest.raises(Error, match='has no column "y"'):
            prepared(text)


def test_names_in_letters_and_accents_apart(prepared: Prepared) -> None:
    made = prepared("größe,y\n1,0\n2,1\n").preparation
    Path("more.csv").write_text("gro\u0308ße\n1\n", "utf-8")
    with pytest.raises(Error) as caught:
        made.read("more.csv")
    assert "NFC" in (caught.value.fix or "")
