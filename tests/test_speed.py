"""The benchmarks of `experiments/speed` run, and all trainers in them agree.

They fail where a trainer's losses or a reader's values are others; how long they take
is not looked at.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SPEED = Path(__file__).parents[1] / "experiments/speed"
STEPS = {
    "step.py": ["8-6-3:4"],
    "cnn.py": ["--batch", "2"],
    "recurrent.py": ["lstm", "gru", "--batch", "2"],
    "transformer.py": ["--batch", "2", "--steps", "4", "--layers", "1"],
}
OTHERS = {
    "table.py": ["short", "quoted", "--megabytes", "1", "--rounds", "1", "--json"],
    "sweep.py": ["--trials", "4", "--workers", "2", "--epochs", "1"],
    "runs.py": ["--runs", "3", "--rounds", "1"],
}


def _said(script: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, SPEED / script, *words],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("script", STEPS)
def test_trainers_agree(script: str) -> None:
    said = json.loads(_said(script, *STEPS[script], "--rounds", "1", "--json"))
    (networks,) = [said[unit] for unit in ("µs", "ms") if unit in said]
    for times in networks.values():
        assert {"nettrain", "nettrain, no diagnosis"} <= times.keys()
        assert all(taken > 0 for taken in times.values())


@pytest.mark.parametrize("script", OTHERS)
def test_readers_sweeps_and_folders_of_runs(script: str) -> None:
    assert _said(script, *OTHERS[script])


def test_every_benchmark_is_tried() -> None:
    found = {path.name for path in SPEED.glob("*.py")}
    assert found == {*STEPS, *OTHERS, "turns.py"}
