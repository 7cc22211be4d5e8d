"""compare: a table on the terminal, JSON, and a page."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Call


@pytest.fixture
def runs(trained: Path, folder: Path) -> list[str]:
    """Two runs of other learning rates in a folder."""
    for name in ("one", "two"):
        shutil.copytree(trained, folder / "made" / name)
    path = folder / "made/two/config.resolved.yaml"
    path.write_text(path.read_text().replace("rate: 0.001", "rate: 0.01 "))
    return ["made/one", "made/two"]


def test_the_table(
    call: Call, folder: Path, runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    answer = call("compare", *runs)
    assert (answer.code, answer.err) == (0, "")
    title, overview, differs, results, findings, *_ = answer.out.split("\n\n")
    assert title == "flowers: 2 configs, 2 runs"
    assert overview.splitlines()[2].split() == ["B", "1", "0", "made/two"]
    assert [line.split() for line in differs.splitlines()] == [
        ["A", "B"],
        ["optimizer.adam.learning_rate", "0.001", "0.01"],
    ]
    assert "one seed: no interval" in results
    assert "L2 learning rate too low  error, primary  error, primary" in findings
    assert call("compare", "made").out == answer.out
    assert not (folder / "report.html").exists()


def test_json_and_nothing_else(call: Call, folder: Path, runs: list[str]) -> None:
    answer = call("compare", *runs, "--json", "--out", "both.html")
    assert (answer.code, answer.err) == (0, "")
    found = json.loads(answer.out)
    assert list(found["groups"]) == ["A", "B"]
    assert found["groups"]["B"]["runs"][0]["folder"] == "made/two"
    assert found["differs"] == {
        "optimizer.adam.learning_rate": {"A": "0.001", "B": "0.01"}
    }
    numbers = found["metrics"]["test/accuracy"]["groups"]
    assert numbers["A"]["mean"] == numbers["B"]["mean"]
    assert numbers["A"]["interval"] == ["nan", "nan"]
    assert (folder / "both.html").exists()


def test_the_page(call: Call, folder: Path, runs: list[str]) -> None:
    answer = call("compare", *runs, "--out", "both.html")
    assert answer.out.endswith("\nwritten to both.html\n")
    assert "optimizer.adam.learning_rate" in (folder / "both.html").read_text()


def test_what_cannot_be_compared(call: Call, folder: Path, runs: list[str]) -> None:
    assert call("compare").code == 2
    answer = call("compare", runs[0], "nowhere")
    assert (answer.code, answer.out) == (4, "")
    assert "nowhere is not a run" in answer.err
    (folder / "made/two/run.json").write_text("{")
    assert call("compare", *runs).code == 4
    told = call("compare", "made").out
    assert "note: left out: " in told and "1 config, 1 run" in told


def test_what_is_left_out_is_told_with_its_line(call: Call, runs: list[str]) -> None:
    (Path(runs[1]) / "metrics.jsonl").write_text("{\n")
    said = "metrics.jsonl:1: the file is damaged: "
    assert f"note: left out: made/two/{said}" in call("compare", "made").out
    told = call("report", "made", "--out", "both.html").err
    assert told.startswith(f"left out: made/two: {said}")


def test_no_escape_reaches_the_terminal(call: Call, runs: list[str]) -> None:
    path = Path(runs[1]) / "run.json"
    facts = json.loads(path.read_text())
    facts["environment"] = {"a\x1b]0;owned\x07": "b\u202e"}
    facts["numerics"] = "other"
    path.write_text(json.dumps(facts))
    answer = call("compare", *runs)
    assert "\\u001B]0;owned\\u0007" in answer.out
    assert answer.out.replace("\n", "").isprintable()
