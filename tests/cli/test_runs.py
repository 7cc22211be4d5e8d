"""runs: a table of what is in a folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Call


@pytest.fixture
def runs(trained: Path, folder: Path) -> Path:
    """Three runs in the default folder: whole, of another name, damaged."""
    for place in ("flowers/1", "other/2", "other/10"):
        shutil.copytree(trained, folder / "runs" / place)
    (folder / "runs/other/10/run.json").write_text("{")
    return folder / "runs"


def test_the_table(call: Call, runs: Path) -> None:
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
    assert "test/accuracy" in head and "(epoch 2)" in rows[0]
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
