"""runs: a table of what is in a folder."""

from __future__ import annotations

import json
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
    assert rows[0].split()[1:3] == rows[1].split()[1:3] == ["flowers", "finished"]
    assert rows[2].split()[1] == "damaged"
    alone = call("runs", "runs/flowers").out.splitlines()
    assert alone[0].split()[:2] == ["folder", "status"]  # the folder says the name
    named = call("runs", "runs/flowers", "--sort", "name").out.splitlines()
    assert named[1].split()[1] == "flowers"  # it was asked for
    assert "test/accuracy" in head and head.split()[8:10] == ["best", "best_epoch"]
    assert rows[0].split()[9] == "2"
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
    first = ["…s/flowers/1", "runs/other/2"] if wide < 60 else [r[0] for r in whole[1:]]
    assert [line.split()[0] for line in lines[1:]] == first
    cut = ["the beginnings of folders"] * (wide < 60)
    said = " ".join(answer.err.partition(": ")[2].partition(";")[0].split())
    named = [name.partition(" (")[0] for name in said.split(", ") if name]
    assert sorted(n for n in named if n not in cut) == sorted(left_out)
    assert [n for n in named if n in cut] == cut
    assert bool(left_out) is (wide < 200)
    for line, row in zip(lines, whole, strict=True):
        assert {*line.split()[1:]} <= {*row}


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


def test_folders_lose_their_beginnings_before_a_number_is_left_out() -> None:
    paths = [f"a/long/way/down/to/the/runs/of/all/{n}" for n in range(3)]
    columns = {"folder": paths, "status": ["finished"] * 3, "best": ["0.25"] * 3}
    for wide, room, left_out in (
        (99, 36, []),
        (52, 36, []),
        (50, 34, []),
        (40, 24, []),
        (39, 29, ["best"]),  # what that leaves is the folders' again
        (34, 24, ["best"]),
        (30, 20, ["best"]),
        (1, 12, ["best"]),
    ):
        shown, found = _fitted(columns, [], wide)
        assert (found, {*map(len, shown["folder"])}) == (left_out, {room})
        cut = "…" if room < 36 else ""
        ends = [cut + path[len(path) - room + len(cut) :] for path in paths]
        assert shown["folder"] == ends
    assert columns["folder"] == paths


def test_what_a_column_that_is_left_out_says_of_all_runs_is_told(
    call: Call, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(runs / "other/10")
    monkeypatch.setenv("COLUMNS", "50")
    said = " ".join(call("runs").err.split())
    assert "monitor (validation/loss)" in said and "seed (0)" in said
    facts = json.loads((runs / "other/2/run.json").read_text())
    (runs / "other/2/run.json").write_text(json.dumps({**facts, "seed": 7}))
    assert "seed," in call("runs").err


def test_wide_characters_take_two_columns(
    call: Call, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(runs / "other/10")
    (runs / "other/2").rename(runs / "other/実験そのいち")
    monkeypatch.setenv("COLUMNS", "999")
    head, _, wide, *_ = call("runs").out.splitlines()
    assert wide.startswith("runs/other/実験そのいち  flowers  finished")
    assert head.index("name") == wide.index("flowers") + 6
    monkeypatch.setenv("COLUMNS", "28")
    cut = call("runs", "--sort", "seed").out.splitlines()[2]
    assert cut.split()[0] == "…験そのいち" and len(cut) + 5 <= 28


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
    monkeypatch.setenv("COLUMNS", "999")
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
    answer = call("runs", "--sort", "-test/accuracy")
    assert answer.code == 2
    assert "--sort KEY --reverse puts the largest first" in answer.err
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
