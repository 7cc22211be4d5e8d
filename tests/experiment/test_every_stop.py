"""Stopped after every update and resumed, a run ends as if it had never been stopped.

What it was made of, config.resolved.yaml, then gives the same epochs once more.

Every config in configs/ is shortened to a little more than two epochs of two updates,
the sick ones to one and a half, on a few rows; a new one is covered by being there.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nettrain.data import DataConfig, Dataset, Part, prepare
from nettrain.data.sources import Placer
from nettrain.experiment import memory, setup, signals
from nettrain.experiment import run as running
from nettrain.experiment.replay import replay
from nettrain.experiment.run import Ended, resume, run
from tests.experiment.test_killed import CONFIGS, content
from tests.test_configs import CONFIGS as FILES
from tests.test_configs import SICK, name

pytestmark = pytest.mark.usefixtures("only_graphs")

ROWS, PER_EPOCH = 12, 2


@pytest.fixture
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each part the first rows, read once, and nothing measured of the machine."""

    def cut(part: Part) -> Part:
        some = slice(ROWS)
        return replace(
            part,
            inputs=part.inputs[some],
            targets=part.targets[some],
            rows=part.rows[some],
        )

    known: dict[str, Dataset] = {}

    def prepared(config: DataConfig, *, place: Placer, **others: Any) -> Dataset:
        asked = f"{config} {others}"
        if asked not in known:
            made = prepare(config, place=place, **others)
            parts = {name: cut(part) for name, part in made.parts.items()}
            known[asked] = replace(made, parts=parts)
        return known[asked]

    monkeypatch.setattr(setup, "prepare", prepared)
    monkeypatch.setattr(running, "diagnosis_share", lambda *given: 0.0)
    monkeypatch.setattr(memory, "check_fits", lambda *given, **how: None)


def shortened(config: Path) -> list[str]:
    """Overrides for a few updates, with a checkpoint after every second one."""
    updates = 3 if config.parent == SICK else 5
    rows = len(setup.set_up(config).dataset.parts["train"])
    return [
        f"data.batch_size={-(-rows // PER_EPOCH)}",
        "train.epochs=null",
        f"train.steps={updates}",
        "train.checkpoint={every: 2 steps, keep: 2}",
    ]


def status(ended: Ended) -> str:
    assert ended.outcome is not None
    return ended.outcome.status


def stopped_after_every_update(
    source: Any, overrides: list[str], out: Path, monkeypatch: pytest.MonkeyPatch
) -> int:
    """How often it had to be resumed."""
    with monkeypatch.context() as patch:
        patch.setattr(signals.Interruption, "__call__", lambda self: True)
        ended, resumed = run(source, overrides, out=out), 0
        while status(ended) == "interrupted":
            ended, resumed = resume(out), resumed + 1
    return resumed


@pytest.mark.usefixtures("few_rows")
@pytest.mark.parametrize("config", FILES, ids=name)
def test_every_config(
    tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides, out = shortened(config), tmp_path / "run"
    whole = run(config, overrides, out=tmp_path / "whole")
    assert whole.outcome is not None
    resumed = stopped_after_every_update(config, overrides, out, monkeypatch)
    assert resumed >= whole.outcome.step - 1
    assert content(out) == content(tmp_path / "whole")
    again = replay(out)
    assert again.difference is None and again.changed == []
    assert again.steps == whole.outcome.step


@pytest.mark.parametrize("kind", CONFIGS)
def test_what_remembers_most(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(CONFIGS[kind], out=tmp_path / "whole")
    out = tmp_path / "run"
    assert stopped_after_every_update(CONFIGS[kind], [], out, monkeypatch) > 10
    assert content(out) == content(tmp_path / "whole")
