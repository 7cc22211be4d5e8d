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
    each = "".join(f"written to {name}/report.html\n" for name in runs)
    assert call("report", *runs).out == f"{each}written to report.html\n"
    answer = call("report", *runs, "--out", "both.html")
    assert answer.out == f"{each}written to both.html\n"
    page = (folder / "both.html").read_text()
    assert "flowers: 1 config, 2 runs" in page
    assert call("compare", *runs, "--out", "same.html").code == 0
    assert (folder / "same.html").read_text() == page
    assert all((folder / name / "report.html").exists() for name in runs)


def test_a_folder_stands_for_the_runs_in_it(
    call: Call, folder: Path, runs: list[str]
) -> None:
    for name in runs:
        shutil.move(folder / name, folder / "of" / name)
    (folder / "of/one/statistics.csv").write_text("no statistics\n")
    answer = call("report", "of", "--out", "both.html")
    assert answer.code == 0
    assert answer.out == "written to of/two/report.html\nwritten to both.html\n"
    assert answer.err.startswith("left out: of/one: ")
    assert "flowers: 1 config, 2 runs" in (folder / "both.html").read_text()
    answer = call("report", "of", "of/one")
    assert (answer.code, answer.out) == (4, "")


def test_the_page_of_a_folder_stands_in_it_and_a_sweep_keeps_its_own(
    call: Call, folder: Path, runs: list[str]
) -> None:
    shutil.move(folder / "one", folder / "of" / "one")
    shutil.move(folder / "two", folder / "swept/trials/0001-seed-0")
    assert call("report", "of").out.endswith("written to of/report.html\n")
    (folder / "swept/sweep.yaml").write_text("base: base.yaml\n")
    (folder / "swept/report.html").write_text("of the sweep")
    answer = call("report", "swept")
    assert answer.out.splitlines() == [
        "written to swept/trials/0001-seed-0/report.html",
        "the sweep's page is swept/report.html",
    ]
    assert (folder / "swept/report.html").read_text() == "of the sweep"
    assert call("report", "swept", "--out", "all.html").code == 0
    assert "flowers" in (folder / "all.html").read_text()


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
