"""run, resume, bench: what they print, write and come to."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nettrain.cli.seeds import over_seeds
from nettrain.study.compare import Comparison
from tests.cli.conftest import ROOT, Call
from tests.show.test_page import Parts


def status(run: Path) -> str:
    return str(json.loads((run / "run.json").read_text())["status"])


def seed(run: Path) -> int:
    return int(json.loads((run / "run.json").read_text())["seed"])


def test_run_prints_lines_and_a_summary(call: Call, folder: Path) -> None:
    settings = "seed=3", "train.epochs=3", "optimizer.adam.learning_rate=0.05"
    answer = call("run", "config.yaml", "--out", "made", *settings)
    assert answer.code == 0
    lines = answer.err.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["epoch 1", "epoch 2", "epoch 3"]
    assert "validation loss" in lines[0]
    assert "gradient_norm" not in lines[0]
    assert "written to made\n" in answer.out
    assert "accuracy" in answer.out
    assert "\033[" not in answer.out + answer.err
    assert (status(folder / "made"), seed(folder / "made")) == ("finished", 3)


def test_a_finished_run_is_said_and_not_repeated(call: Call, folder: Path) -> None:
    command = ["run", "config.yaml", "train.epochs=1"]
    assert call(*command).code == 0
    again = call(*command)
    assert again.code == 0
    assert again.out.startswith("runs/flowers/1 is this run, finished")
    assert "--again" in again.out
    assert call(*command, "--out", "elsewhere").code == 0
    assert status(folder / "elsewhere") == "finished"
    assert call("run", "--again", "config.yaml", "train.epochs=1").code == 0
    assert sorted(p.name for p in (folder / "runs/flowers").iterdir()) == ["1", "2"]


def test_out_that_holds_a_run_is_left_alone(call: Call, trained: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in trained.rglob("*")}
    answer = call("run", trained.parent / "config.yaml", "--out", trained)
    assert answer.code == 4
    assert f"nettrain resume {trained}" in answer.err
    assert {p: p.stat().st_mtime_ns for p in trained.rglob("*")} == before


def test_a_table_as_metric_does_not_disturb(call: Call, folder: Path) -> None:
    answer = call("run", "config.yaml", "metrics=[confusion]", "--out", "made")
    assert answer.code == 0
    summary = json.loads((folder / "made/run.json").read_text())["summary"]
    assert len(summary["test/confusion"]) == 3


def test_a_run_that_diverges(call: Call, folder: Path) -> None:
    rate = "optimizer.adam.learning_rate=1e30"
    answer = call("run", "config.yaml", rate, "diagnose=false", "--out", "made")
    assert answer.code == 7
    assert "error[diverged-run] the run diverged: the loss or its" in answer.err
    assert status(folder / "made") == "diverged"


@pytest.mark.parametrize(("kind", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_signals_and_resuming(call: Call, folder: Path, kind: str, code: int) -> None:
    command = [sys.executable, "-m", "nettrain", "run", "config.yaml"]
    process = subprocess.Popen(
        [*command, "train.epochs=1000000", "--out", "made"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    rows = folder / "made/metrics.jsonl"
    until = time.monotonic() + 30
    while not (rows.exists() and rows.stat().st_size) and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(getattr(signal, kind))
    _, told = process.communicate(timeout=30)
    assert process.returncode == code
    assert "nettrain resume made" in told
    assert status(folder / "made") == "interrupted"
    step = int(json.loads((folder / "made/run.json").read_text())["step"])
    answer = call("resume", "made", f"train.epochs={step // 3 + 2}")
    assert answer.code == 0
    assert status(folder / "made") == "finished"
    assert call("resume", "made").out == (
        "made is finished: there is nothing to resume\n"
    )


# ---------------------------------------------------------------- seeds


def test_seeds(call: Call, folder: Path) -> None:
    command = ["run", "seed=5", "--seeds", 2, "--out", "made", "train.epochs=1"]
    answer = call(command[0], "config.yaml", *command[1:])
    assert answer.code == 0
    assert [seed(folder / f"made/seed-{n}") for n in (5, 6)] == [5, 6]
    head, *rows = answer.out.split("\n\n")[1].splitlines()
    assert head.split() == ["mean", "±", "95", "%", "seed", "5", "seed", "6"]
    cells = [re.split(r" {2,}", row) for row in rows]
    accuracy = next(row for row in cells if row[0] == "test/accuracy")
    values = [
        json.loads((folder / f"made/seed-{n}/run.json").read_text())["summary"]
        for n in (5, 6)
    ]
    expected = [value["test/accuracy"] for value in values]
    assert [float(v) for v in accuracy[3:]] == pytest.approx(expected, rel=1e-3)
    assert float(accuracy[1]) == pytest.approx(sum(expected) / 2, rel=1e-3)
    assert answer.out.endswith("\nwritten to made/report.html\n")
    page = Parts((folder / "made/report.html").read_text())
    assert all("low" in s for chart in page.data["charts"] for s in chart["series"])


def test_seeds_do_not_write_into_a_run(call: Call, trained: Path) -> None:
    before = (trained / "report.html").read_bytes()
    answer = call("run", trained.parent / "config.yaml", "--seeds", 2, "--out", trained)
    assert (answer.code, answer.out) == (4, "")
    assert (trained / "report.html").read_bytes() == before
    assert not (trained / "seed-0").exists()


def test_seeds_that_are_done_are_not_repeated(call: Call, folder: Path) -> None:
    command = ["run", "config.yaml", "train.epochs=1", "diagnose=false"]
    assert call(*command, "seed=1").code == 0
    answer = call(*command, "--seeds", 2)
    assert answer.code == 0
    assert "seed 1  runs/flowers/1  finished before\n" in answer.out
    made = folder / "runs/flowers"
    assert sorted(p.name for p in made.iterdir()) == ["1", "2"]
    assert sorted(p.name for p in (made / "2").iterdir()) == ["report.html", "seed-0"]
    again = call(*command, "--seeds", 2)
    assert "seed 0  runs/flowers/2/seed-0  finished before\n" in again.out
    assert again.out.endswith("\nwritten to runs/flowers/2/report.html\n")
    assert sorted(p.name for p in made.iterdir()) == ["1", "2"]
    assert call(*command, "seed=0").out.startswith("runs/flowers/2/seed-0 is this run")
    assert call(*command, "--seeds", 2, "--again").code == 0
    assert len(list((made / "3").iterdir())) == 3
    answer = call(*command, "--seeds", 2, "--out", "elsewhere")
    assert "before" not in answer.out
    assert len(list((folder / "elsewhere").iterdir())) == 3


def test_seeds_that_were_runs_of_their_own(call: Call, folder: Path) -> None:
    command = ["run", "config.yaml", "train.epochs=1", "diagnose=false"]
    assert [call(*command, f"seed={n}").code for n in (0, 1)] == [0, 0]
    answer = call(*command, "--seeds", 2)
    assert (answer.code, answer.out.count("finished before")) == (0, 2)
    assert "written" not in answer.out
    assert sorted(p.name for p in (folder / "runs/flowers").iterdir()) == ["1", "2"]


def test_seeds_go_on_where_they_were_broken_off(call: Call, folder: Path) -> None:
    command = ["run", "config.yaml", "train.epochs=2", "diagnose=false"]
    assert call(*command, "--seeds", 3).code == 0
    made = folder / "runs/flowers/1"
    before = [(made / f"seed-{n}/metrics.jsonl").read_bytes() for n in range(3)]
    (made / "seed-2").rename(folder / "else")
    facts = json.loads((made / "seed-1/run.json").read_text())
    del facts["summary"]
    facts["status"] = "running"  # as kill -9 leaves it
    (made / "seed-1/run.json").write_text(json.dumps(facts))
    (made / "seed-1/metrics.jsonl").write_bytes(before[1].splitlines(True)[0])
    answer = call(*command, "--seeds", 3)
    assert answer.code == 0
    assert "seed 0  runs/flowers/1/seed-0  finished before\n" in answer.out
    assert "seed 1  runs/flowers/1/seed-1  finished\n" in answer.out
    assert "seed 2  runs/flowers/1/seed-2  finished\n" in answer.out
    after = [(made / f"seed-{n}/metrics.jsonl").read_bytes() for n in range(3)]
    assert after == before


def test_seeds_of_which_one_diverges(call: Call, folder: Path) -> None:
    rate = "optimizer.adam.learning_rate=1e30"
    answer = call("run", "config.yaml", "--seeds=2", rate, "diagnose=false")
    assert answer.code == 7
    assert "diverged with seed 0, 1" in answer.err
    made = sorted(p.name for p in (folder / "runs/flowers/1").iterdir())
    assert made == ["report.html", "seed-0", "seed-1"]
    assert "not finished" in (folder / "runs/flowers/1/report.html").read_text()


def test_a_metric_that_one_seed_lacks(call: Call, folder: Path) -> None:
    command = [
        "run",
        "config.yaml",
        "train.epochs=1",
        "diagnose=false",
        "--out",
        "made",
    ]
    assert call(*command, "--seeds", 2).code == 0
    facts = json.loads((folder / "made/seed-1/run.json").read_text())
    del facts["summary"]["test/loss"]
    (folder / "made/seed-1/run.json").write_text(json.dumps(facts))
    (group,) = Comparison.of(["made"]).groups
    rows = {row[0]: row[1:] for row in over_seeds(group)}
    assert rows["test/loss"][1] == rows["test/loss"][3] == "–"


def test_seeds_that_draw_their_data_are_one_config(call: Call, folder: Path) -> None:
    """Paired by seed with another config, as their rows are the same."""
    few = "data.source={moons: {samples: 60}}", "data.split={test: 0.3}"
    few = (*few, "model.dense2=1", "loss=binary_cross_entropy", "train.epochs=1")
    text = (folder / "config.yaml").read_text().replace("  target: kind\n", "")
    (folder / "moons.yaml").write_text(text.replace("dense: auto", "dense: 1"))
    few = tuple(one for one in few if not one.startswith("model"))
    command = ["run", "moons.yaml", *few, "diagnose=false", "--seeds", "2"]
    answer = call(*command, "--out", "one")
    assert answer.code == 0 and "nan" not in answer.out
    assert answer.out.count("seed 0  seed 1") == 1
    assert call(*command, "optimizer.adam.learning_rate=0.1", "--out", "two").code == 0
    found = Comparison.of(["one", "two"])
    assert [group.seeds for group in found.groups] == [[0, 1], [0, 1]]
    assert found.rivals["test/loss"][found.groups[0]].apart.n == 2
    assert not [note for note in found.notes() if "different data" in note]
    (answer,) = [call(*command[:-1], "1", "--out", "single")]
    assert re.search(r"test/loss +[\d.]+ +– +[\d.]+\n", answer.out)


# ---------------------------------------------------------------- bench


def test_bench(call: Call, folder: Path) -> None:
    answer = call("bench", "config.yaml", "--steps", 3, "--json")
    assert answer.code == 0
    found = json.loads(answer.out)
    assert (found["steps"], found["batch_size"]) == (3, 16)
    assert 0 < found["step"] < found["first_step"]
    assert found["step_with_diagnosis"] >= found["step"]
    assert 10e6 < found["peak_memory"] < 10e9
    assert not (folder / "runs").exists()


def test_bench_without_diagnosis_in_words(call: Call, folder: Path) -> None:
    answer = call("bench", "config.yaml", "--steps", 3, "diagnose=false")
    heads = [line.split("  ")[0] for line in answer.out.splitlines()]
    assert heads[:3] == ["first step", "step", "peak memory"]
