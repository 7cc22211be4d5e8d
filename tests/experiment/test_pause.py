"""Runs that pause at the end of an epoch, and that leave their pictures for later."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nettrain.cli.main import main
from nettrain.experiment.run import Ended, resume, run
from nettrain.span import Span
from tests.experiment.conftest import SMALL

pytestmark = pytest.mark.usefixtures("only_graphs")
CONFIG = {**SMALL, "train": {"epochs": 6}}


def facts(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "run.json").read_text()))


def reached(ended: Ended) -> tuple[str, int, int]:
    assert ended.outcome is not None and ended.signal == 0
    found = facts(ended.folder.path)
    assert found["status"] == ended.outcome.status
    return found["status"], found["step"], found["epoch"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "run"
    return run(CONFIG, out=out, pictures=False).folder.path


def test_the_plan_is_told_from_the_first_step(whole: Path) -> None:
    planned = facts(whole)["planned"]
    assert planned["steps"] == 6 * planned["steps_per_epoch"] == facts(whole)["step"]


def test_without_pictures_it_is_known_what_was_watched(whole: Path) -> None:
    assert facts(whole)["diagnosis"].keys() == {"interval", "changed"}


@pytest.mark.parametrize(
    ("until", "epoch"),
    [("50 %", 3), ("51 %", 4), ("1 step", 1), ("2 epochs", 2), ("0.1 %", 1)],
)
def test_it_pauses_at_the_end_of_an_epoch_and_goes_on_the_same(
    whole: Path, tmp_path: Path, until: str, epoch: int
) -> None:
    per_epoch = facts(whole)["planned"]["steps_per_epoch"]
    pause = Span.from_config(until)
    ended = run(CONFIG, out=tmp_path / "run", until=pause, pictures=False)
    assert reached(ended) == ("interrupted", epoch * per_epoch, epoch)
    assert facts(tmp_path / "run")["reason"] == "a pause"
    again = resume(tmp_path / "run", until=pause, pictures=False)
    assert reached(again) == ("interrupted", epoch * per_epoch, epoch)
    assert reached(resume(tmp_path / "run", pictures=False))[0] == "finished"
    assert same(tmp_path / "run", whole)


def test_from_pause_to_pause_to_the_end(whole: Path, tmp_path: Path) -> None:
    epochs = []
    run(CONFIG, out=tmp_path / "run", until=Span(1, "epochs"), pictures=False)
    for until in (3, 4, 99):
        ended = resume(tmp_path / "run", until=Span(until, "epochs"), pictures=False)
        epochs.append(reached(ended)[2])
    assert epochs == [3, 4, 6]
    assert facts(tmp_path / "run")["status"] == "finished"
    assert same(tmp_path / "run", whole)


def test_a_pause_beyond_the_end_is_none(whole: Path, tmp_path: Path) -> None:
    for until in (Span(100, "%"), Span(7, "epochs")):
        out = tmp_path / until.unit
        ended = run(CONFIG, out=out, until=until, pictures=False)
        assert reached(ended)[0] == "finished"
        assert same(out, whole)


def test_pictures_are_drawn_later_by_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    config = {**CONFIG, "train": {"epochs": 1}}
    run(config, out=out, pictures=False)
    assert not (out / "report.html").exists() and not (out / "plots/graph.svg").exists()
    assert main(["report", str(out)]) == 0
    assert (out / "report.html").exists() and (out / "plots/graph.svg").exists()
    capsys.readouterr()


def same(one: Path, other: Path) -> bool:
    """Metrics, statistics, findings and weights, to the byte."""
    last = max((other / "checkpoints").glob("step-*")).name
    names = ("metrics.jsonl", "statistics.csv", "findings.json", f"checkpoints/{last}")
    return all((one / n).read_bytes() == (other / n).read_bytes() for n in names)
