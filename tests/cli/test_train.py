"""run, resume, bench: what they print, write and come to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import ROOT, Call


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
