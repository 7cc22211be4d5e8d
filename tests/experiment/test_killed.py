"""A run that is killed anywhere and resumed ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import nettrain as nt
from nettrain.disk import Disk
from nettrain.experiment import pictures, recorder
from nettrain.experiment.run import resume, run
from nettrain.record.checkpoint import decode
from tests.experiment.conftest import SMALL

CONFIGS: dict[str, dict[str, Any]] = {
    "batch_norm, dropout, plateau, best": {
        **SMALL,
        "data": {**SMALL["data"], "batch_size": 8},
        "model": [
            {"dense": 8}, "batch_norm", "relu", {"dropout": 0.3}, {"dense": 3},
        ],
        "optimizer": {"sgd": {"learning_rate": {"plateau": {
            "initial": 0.2, "patience": 0, "threshold": 0.2,
        }}, "momentum": 0.9}},
        "train": {
            "epochs": 3,
            "accumulate": 2,
            "stop": {"patience": 2, "restore_best": True},
            "checkpoint": {"every": "4 steps", "keep": 2},
        },
        "diagnose": {"every": 2},
    },
    "findings, steps": {
        **SMALL,
        "metrics": ["accuracy", "confusion"],
        "model": [
            {"dense": {"units": 8, "activation": "relu",
                       "bias_init": {"constant": -30.0}}},
            {"dense": 3},
        ],
        "train": {
            "steps": 16,
            "checkpoint": {"every": "5 steps", "keep": 2},
            "tensorboard": True,
        },
    },
}  # fmt: skip
KILLED = 77
pytestmark = pytest.mark.usefixtures("only_graphs")


def in_child(call: Callable[[], object]) -> int:
    """Do it in a process of its own, which may die of it; its exit code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # fork with threads
        child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        call()
    finally:
        os._exit(0)


def killed_at_disk(call: Callable[[], object], at: int) -> int:
    """The process dies instead of making its system call number `at`."""
    made = 0
    real = Disk.system

    def system(self: Disk, *given: Any) -> Any:
        nonlocal made
        made += 1
        if made == at:
            os._exit(KILLED)
        return real(self, *given)

    def patched() -> None:
        Disk.system = system  # type: ignore[method-assign]
        call()

    return in_child(patched)


def killed_at_event(call: Callable[[], object], at: int) -> int:
    """The process dies after the event number `at` of training."""
    seen = 0
    real = recorder.Files.__call__

    def take(self: recorder.Files, event: Any) -> None:
        nonlocal seen
        real(self, event)
        seen += 1
        if seen == at:
            os._exit(KILLED)

    def patched() -> None:
        recorder.Files.__call__ = take  # type: ignore[method-assign]
        call()

    return in_child(patched)


def killed_at_pictures(call: Callable[[], object]) -> int:
    """The process dies when everything is done but the drawing."""

    def patched() -> None:
        pictures.drawn = lambda *_, **__: os._exit(KILLED)
        call()

    return in_child(patched)


def content(folder: Path, graph: bool = False) -> dict[str, bytes]:
    """Every file of a run that must be the same, and what must be of run.json.

    The graph of a mapping cites the line of the test that made it.
    """
    names = ("metrics.jsonl", "statistics.csv", "findings.json", "data.json")
    found = {name: (folder / name).read_bytes() for name in names}
    last = max((folder / "checkpoints").glob("step-*"))
    found[last.name] = last.read_bytes()
    found |= {p.name: p.read_bytes() for p in (folder / "plots").iterdir()}
    found |= {p.name: p.read_bytes() for p in folder.glob("*tfevents*")}
    if not graph:
        del found["graph.svg"]
    facts = json.loads((folder / "run.json").read_text())
    facts.pop("diagnosis")
    return found | {"run.json": json.dumps(facts).encode()}


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("kill", [killed_at_disk, killed_at_event])
def test_killed_anywhere_and_resumed(
    tmp_path: Path, name: str, kill: Callable[..., int]
) -> None:
    config = tmp_path / "config.yaml"  # so that findings and graph cite its lines
    config.write_text(yaml.safe_dump(CONFIGS[name]))
    whole = nt.train(config, out=tmp_path / "whole")
    expected = content(whole.path, graph=True)
    if name.startswith("findings"):
        text = config.read_text().splitlines()
        cited = {f.id: text[(f.config_line or 0) - 1] for f in whole.findings}
        assert cited["A1"].startswith("- dense:")
    random = np.random.default_rng(0)
    first = (50, 90, 140) if kill is killed_at_disk else (1, 9, 24)
    kills = 0
    for at in first:
        folder = tmp_path / f"run{at}"
        begin, go_on = partial(run, config, out=folder), partial(resume, folder)
        deaths = [at + random.integers(8), *random.integers(first[0], first[1], 2)]
        for death in deaths:
            begun = (folder / "run.json").exists()
            kills += kill(go_on if begun else begin, death) == KILLED
        ended = go_on() if (folder / "run.json").exists() else begin()
        assert ended.outcome is None or ended.outcome.status == "finished"
        assert content(folder, graph=True) == expected
    assert kills >= 5, kills


def test_killed_after_the_last_step_finishes_the_pictures(tmp_path: Path) -> None:
    whole = nt.train(SMALL, out=tmp_path / "whole")
    folder = tmp_path / "run"

    assert killed_at_pictures(lambda: run(SMALL, out=folder)) == KILLED
    assert not list((folder / "plots").iterdir())
    assert json.loads((folder / "run.json").read_text())["status"] == "running"
    resume(folder)
    assert content(folder) == content(whole.path)


def test_without_any_checkpoint_it_starts_again(tmp_path: Path) -> None:
    whole = nt.train(SMALL, out=tmp_path / "whole")
    folder = tmp_path / "run"
    assert killed_at_event(lambda: run(SMALL, out=folder), 21) == KILLED
    for path in (folder / "checkpoints").iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    resume(folder)
    assert content(folder) == content(whole.path)
    assert list((folder / "checkpoints").glob(".bad-*"))
    events = (folder / "events.jsonl").read_text()
    assert "skipped step-0000000000" in events


def test_killed_when_the_time_was_up_it_is_over(tmp_path: Path) -> None:
    stop = {"minutes": 1e-9}
    config = {**SMALL, "train": {"epochs": 3, "stop": stop}}
    folder = tmp_path / "run"

    assert killed_at_pictures(lambda: run(config, out=folder)) == KILLED
    ended = resume(folder)
    assert ended.outcome is not None
    assert (ended.outcome.step, ended.outcome.stopped_at) == (1, 1)
    assert json.loads((folder / "run.json").read_text())["stopped_at"] == 1
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 1
    # With more time it goes on.
    ended = resume(folder, ["train.stop.minutes=60"])
    assert ended.outcome is not None and ended.outcome.step == 18
    last = max((folder / "checkpoints").glob("step-*"))
    assert decode(last.read_bytes()).meta.step == 18
