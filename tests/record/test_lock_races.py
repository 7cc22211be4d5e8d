"""One writer per run folder, however many are after it; see `races`."""

from __future__ import annotations

import collections
import json
import subprocess
import sys
from pathlib import Path

import pytest

RACES = Path(__file__).with_name("races.py")
ROUNDS = [60, pytest.param(1000, marks=pytest.mark.long)]
REFUSED = {"locked-run", "run-exists"}


def _race(kind, folder, rounds):
    """How often each was said."""
    made = subprocess.run(
        [sys.executable, RACES, kind, folder, str(rounds)],
        capture_output=True,
        text=True,
        timeout=300,
        env={"PYTHONPATH": ":".join(sys.path), "OPENBLAS_NUM_THREADS": "1"},
        check=False,
    )
    assert made.returncode == 0, made.stderr
    return collections.Counter(json.loads(made.stdout))


@pytest.mark.parametrize("rounds", ROUNDS, ids=str)
@pytest.mark.parametrize("kind", ["plain", "unlinked"])
def test_nobody_comes_in_beside_a_holder(tmp_path, kind, rounds):
    said = _race(kind, tmp_path, rounds)
    assert set(said) <= {"in", "locked-run", "unlinked", "rounds with somebody in"}
    assert said["rounds with somebody in"] == rounds
    assert said["locked-run"] > rounds  # it was a race


@pytest.mark.parametrize("rounds", ROUNDS, ids=str)
def test_who_asks_whether_it_is_held_keeps_nobody_out(tmp_path, rounds):
    assert _race("asked", tmp_path, rounds) == {
        "in": rounds, "asked": 4 * rounds, "rounds with somebody in": rounds,
    }  # fmt: skip


@pytest.mark.parametrize("rounds", ROUNDS, ids=str)
def test_killed_holder_does_not_block(tmp_path, rounds):
    said = _race("killed", tmp_path, rounds)
    assert set(said) <= {"died", "locked-run", "after in", "rounds with somebody in"}
    assert said["after in"] == rounds
    assert said["died"] >= rounds  # whoever is first gets in, and dies of it
    assert said["locked-run"] > rounds // 2  # it was a race


@pytest.mark.parametrize("rounds", ROUNDS, ids=str)
def test_fork_of_a_holder_is_none_and_blocks_nobody_after_it(tmp_path, rounds):
    said = _race("forked", tmp_path, rounds)
    assert said["died"] == said["after in"] == said["fork locked-run"] == rounds
    assert set(said) <= {
        "died", "after in", "fork locked-run", "rounds with somebody in",
    }  # fmt: skip


@pytest.mark.parametrize("rounds", ROUNDS, ids=str)
def test_one_begins_a_run_in_a_folder_and_nobody_else_touches_it(tmp_path, rounds):
    said = _race("created", tmp_path, rounds)
    assert said["won"] == said["whole"] == rounds
    assert set(said) <= REFUSED | {"won", "whole", "rounds with somebody in"}


@pytest.mark.parametrize("rounds", ROUNDS, ids=str)
def test_default_folders_have_a_number_each(tmp_path, rounds):
    assert _race("numbered", tmp_path, rounds)["own numbers"] == rounds


@pytest.mark.parametrize(
    "rounds", [1, pytest.param(100, marks=pytest.mark.long)], ids=str
)
@pytest.mark.parametrize("kind", ["runs", "resumes"])
def test_verbs_after_one_folder_leave_one_run(tmp_path, kind, rounds):
    said = _race(kind, tmp_path, rounds)
    assert said["the same"] == rounds
    codes = {word: count for word, count in said.items() if "exit code" in word}
    assert sum(codes.values()) == 3 * rounds
    assert codes["exit code 0"] >= rounds
    # Who comes after the end of a resumed run is told that there is nothing to do.
    assert set(codes) <= {f"exit code {code}" for code in (0, 4, 5)}
    if kind == "runs":
        assert codes["exit code 0"] == rounds
