"""runs: a table of what is in a folder."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from nettrain.cli.runs import _fitted
from tests.cli.conftest import Call


@pytest.fixture
def runs(trained: Path, folder: Path) -> Path:
    """Three runs in the default folder: whole, of another name, damaged."""
    for place in ("flowers/1", "other/2", "other/10"):
        shutil.copytree(trained, folder / "runs" / place)
    (folder / "runs/other/10/run.json").write_text("{")
    return folder / "runs"


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """No terminal, and nobody says how wide one would be."""
    monkeypatch.delenv("COLUMNS")


def test_the_table(call: Call, runs: Path, whole: None) -> None:
    answer = call("runs")
    assert answer.code == 0
    head, *rows = answer.out.splitlines()
    assert head.split()[:6] == ["folder", "name", "status", "seed", "epoch", "step"]
    assert [row.split()[0] for row in rows] == [
        "runs/flowers/1",
        "runs/other/2",
        "runs/other/10",
    ]
    assert rows[0].split()[1] == "finished"  # its folder says the name
    assert rows[1].split()[1:3] == ["flowers", "finished"]
    assert rows[2].split()[1] == "damaged"
    assert "test/accuracy" in head and head.split()[8:10] == ["best", "best_epoch"]
    assert rows[0].split()[8] == "2"
    assert answer.err.startswith("damaged: runs/other/10/run.json is damaged")


def test_where_and_sort(call: Call, runs: Path) -> None:
    rate = "optimizer.adam.learning_rate"
    answer = call("runs", "--where", "status = finished", "--sort", rate)
    assert rate in answer.out.splitlines()[0]
    assert len(answer.out.splitlines()) == 3
    told = call("runs", "--where=name=flowers", "--where", f"{rate}>1").out
    assert told == "no run in runs that fulfils the conditions\n"
    answer = call("runs", "--sort", "epoch", "--reverse", "--json")
    found = json.loads(answer.out)
    assert [row["status"] for row in found] == ["finished", "finished", "damaged"]
    assert found[0]["metrics"]["test/accuracy"] <= 1


@pytest.mark.parametrize("wide", [200, 120, 88, 60, 30, 1])
def test_the_table_fits_without_cutting_a_number(
    call: Call, runs: Path, monkeypatch: pytest.MonkeyPatch, wide: int
) -> None:
    question = ("runs", "--sort", "test/accuracy", "--where", "status=finished")
    monkeypatch.setenv("COLUMNS", "999")
    whole = [row.split() for row in call(*question).out.splitlines()]
    monkeypatch.setenv("COLUMNS", str(wide))
    answer = call(*question)
    lines = answer.out.splitlines()
    # The folder's last 12 characters, the status, and what was asked for are 37 wide.
    assert max(map(len, lines)) <= max(wide, 37)
    heads = lines[0].split()
    assert {"folder", "status", "test/accuracy"} <= {*heads}
    left_out = [key for key in whole[0] if key not in heads]
    said = answer.err.partition(": ")[2].partition(";")[0]
    assert sorted(re.split(r",\s", said) if said else []) == sorted(left_out)
    assert bool(left_out) is (wide < 200)
    for line, row in zip(lines, whole, strict=True):
        assert {*line.split()[1:]} <= {*row}
    first = ["…s/flowers/1", "runs/other/2"] if wide < 60 else [r[0] for r in whole[1:]]
    assert [line.split()[0] for line in lines[1:]] == first


def test_a_narrow_column_takes_the_room_of_a_wide_one() -> None:
    columns = {"folder": ["a"], "status": ["b"], "seed": ["1"], "primary": ["x" * 30]}
    # folder status seed primary: 6 + 6 + 4 + 30, two blanks between.
    for wide, expected in (
        (52, []),
        (51, ["seed"]),
        (45, ["primary"]),
        (19, ["seed", "primary"]),
    ):
        shown, left_out = _fitted(columns, [], wide)
        assert left_out == expected
        assert [*shown] == [key for key in columns if key not in expected]
    assert _fitted(columns, ["primary"], 45)[1] == ["seed"]


def test_several_folders_are_one_table(
    call: Call, runs: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trials of two sweeps are called alike, so they keep what tells them apart."""
    for sweep in ("first", "second"):
        shutil.copytree(trained, Path("sweeps", sweep, "trials/0001-seed-0"))
    asked = ("runs/flowers", "sweeps/second", "sweeps", "./sweeps/first")
    found = [row["folder"] for row in json.loads(call("runs", *asked, "--json").out)]
    assert found == [
        "runs/flowers/1",
        "sweeps/second/trials/0001-seed-0",
        "sweeps/first/trials/0001-seed-0",
    ]
    answer = call("runs", *asked, "--sort", "test/accuracy")
    assert [line.split()[0] for line in answer.out.splitlines()[1:]] == found
    monkeypatch.setenv("COLUMNS", "40")
    named = call("runs", *asked, "--sort", "test/accuracy").out.splitlines()[2:]
    first = [line.split()[0] for line in named]
    second = ["…d/trials/", "0001-seed-0", "…t/trials/", "0001-seed-0"]
    assert first == ["runs/flowers/1", *second]
    assert call("runs", "runs", "sweeps/none").code == 4
    Path("sweeps/none").mkdir()
    answer = call("runs", "sweeps/none", "sweeps/none")
    assert answer.out == "no run in sweeps/none, sweeps/none\n"


def test_questions_that_have_no_answer(call: Call, runs: Path) -> None:
    answer = call("runs", "--where", "test/acuracy > 0.5")
    assert (answer.code, answer.out) == (2, "")
    assert 'did you mean "test/accuracy"' in answer.err
    assert call("runs", "--where", "test/accuracy").code == 2
    answer = call("runs", "nowhere")
    assert (answer.code, answer.out) == (4, "")
    (runs / "none").mkdir()
    assert call("runs", "runs/none").out == "no run in runs/none\n"
    assert json.loads(call("runs", "runs/none", "--json").out) == []


def test_no_escape_reaches_the_terminal(call: Call, runs: Path) -> None:
    facts = json.loads((runs / "other/2/run.json").read_text())
    facts["name"] = "a\x1b]0;owned\x07"
    (runs / "other/2/run.json").write_text(json.dumps(facts))
    (runs / "other/2").rename(runs / "other/b\x1b[31m")
    (runs / "other/10").rename(runs / "other/c\x1b[31m")
    answer = call("runs")
    assert "a\\u001B]0;owned" in answer.out
    for text in (answer.out, answer.err):
        assert text.replace("\n", "").isprintable()
