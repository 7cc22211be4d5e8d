"""report: one run's page in its folder, several beside each other."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Call


@pytest.fixture
def runs(trained: Path, folder: Path) -> list[str]:
    """Two runs in the working folder, without pages."""
    for name in ("one", "two"):
        shutil.copytree(trained, folder / name)
        (folder / name / "report.html").unlink()
    return ["one", "two"]


def test_one_run(call: Call, folder: Path, runs: list[str], trained: Path) -> None:
    answer = call("report", "one")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == "written to one/report.html\n"
    assert not (folder / "report.html").exists()


def test_several_runs(call: Call, folder: Path, runs: list[str]) -> None:
    assert call("report", *runs).out == "written to report.html\n"
    assert call("report", *runs, "--out", "both.html").out == "written to both.html\n"
    page = (folder / "both.html").read_text()
    assert "flowers: 1 config, 2 runs" in page
    assert call("compare", *runs, "--out", "same.html").code == 0
    assert (folder / "same.html").read_text() == page
    assert all((folder / name / "report.html").exists() for name in runs)


def test_png(call: Call, folder: Path, runs: list[str]) -> None:
    assert call("report", "one", "--png").code == 0
    assert (folder / "one/plots/cost.png").exists()
    assert not (folder / "two/plots/cost.png").exists()


def test_bad_questions(call: Call, folder: Path, runs: list[str]) -> None:
    answer = call("report", "one", "--out", "x.html")
    assert (answer.code, answer.out) == (2, "")
    assert "its folder" in answer.err
    answer = call("report", "nowhere")
    assert answer.code != 0
    assert "is not a run" in answer.err
