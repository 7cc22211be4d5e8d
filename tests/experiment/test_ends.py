"""Odd configs: they train, or are refused before anything is written."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nettrain as nt
from nettrain.experiment.recorder import Nobody
from nettrain.experiment.run import run
from nettrain.experiment.setup import set_up
from nettrain.experiment.timing import StepTimes, diagnosis_share, time_steps
from nettrain.training.loop import Loop
from tests.experiment.conftest import SMALL

pytestmark = pytest.mark.usefixtures("only_graphs")
NORMAL = {"model": [{"dense": 8}, "batch_norm", "relu", {"dense": 3}]}


def of(**data: Any) -> dict[str, Any]:
    return {"data": {**SMALL["data"], **data}}


ODD: dict[str, dict[str, Any]] = {
    "no validation": of(split={"validation": 0, "test": 0.2}),
    "no test": of(split={"validation": 0.2, "test": 0}),
    "all to train on": {
        **of(split={"validation": 0, "test": 0}),
        "metrics": ["accuracy", "confusion"],
    },
    "shorter than an epoch": {"train": {"steps": 3}},
    "float64": {"dtype": "float64"},
    "threads": {"threads": 4},
    "no diagnosis": {"diagnose": False},
    "thresholds": {"diagnose": {"silence": ["A1"], "G1": {"threshold": 1e-9}}},
    "balanced": {"loss": {"cross_entropy": {"class_weights": "balanced"}}},
    "batch beyond the data": of(batch_size=5000),
    "two targets": {
        **of(source={"regression": {"samples": 80, "targets": 2}}),
        "loss": "mse",
        "metrics": ["r2", "mae"],
        "model": [{"dense": "auto"}],
    },
    "two classes": {
        **of(source="breast_cancer"),
        "loss": "binary_cross_entropy",
        "metrics": ["accuracy", "confusion"],
        "model": [{"dense": 1}],
    },
}


@pytest.mark.parametrize("name", ODD)
def test_it_trains_and_predicts(tmp_path: Path, name: str) -> None:
    config = {**SMALL, "train": {"epochs": 2}, **ODD[name]}
    made = nt.train(config, out=tmp_path / "run")
    assert made.status == "finished"
    parts = set_up(config).dataset.parts
    assert ("test/loss" in made.summary) == ("test" in parts)
    assert ("validation/loss" in made.summary["last"]) == ("validation" in parts)
    assert np.isfinite(made.summary["last"]["train/loss"])
    assert ("test/confusion" in made.summary) == (
        "confusion" in config["metrics"] and "test" in parts
    )
    rows = made.model.network.outputs(parts["train"].inputs, 16)
    assert rows.shape == (len(parts["train"]), made.model.network.recipe.outputs)


@pytest.mark.parametrize(
    ("change", "code", "told"),
    [
        ({**of(batch_size=89), **NORMAL}, "config-batch-norm", "the last batch has 1"),
        ({"train": {"checkpoint": {"every": "0 steps"}}}, "config-value", "checkpoint"),
    ],
)
def test_what_would_fail_later_is_refused_at_once(
    tmp_path: Path, change: dict[str, Any], code: str, told: str
) -> None:
    with pytest.raises(nt.Error) as caught:
        nt.train({**SMALL, **change}, out=tmp_path / "run")
    assert caught.value.code == code
    assert told in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_warning_is_told_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    real = Loop._evaluated

    class Listening(Nobody):
        def note(self, text: str) -> None:
            told.append(text)

    def warns(self: Loop, row: dict[str, Any], train: Any) -> dict[str, Any]:
        warnings.warn("mind the step", stacklevel=1)
        return real(self, row, train)

    monkeypatch.setattr(Loop, "_evaluated", warns)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        run(SMALL, out=tmp_path / "run", watch=lambda setup, steps: Listening())
    assert told == ["mind the step"] * 4
    events = (tmp_path / "run/events.jsonl").read_text().splitlines()
    kept = [e for e in map(json.loads, events) if e["event"] == "warning"]
    assert [e["text"] for e in kept] == told


# ---------------------------------------------------------------- timing


def test_the_share_of_diagnosis_counts_all_of_it() -> None:
    times = StepTimes(
        plain=2.0, watched=2.2, full=6.2, check=8.0, first=1.0, steps_per_epoch=40
    )
    # Full statistics at 1/10 + 1/40 - 1/400 of the steps, a check at 1/40.
    extra = 0.2 + 4.0 * (1 / 10 + 1 / 40 - 1 / 400) + 8.0 / 40
    assert times.share(10) == pytest.approx(extra / 2.0)
    assert times.share(1) == pytest.approx((4.2 + 0.2) / 2.0)


def test_steps_are_timed() -> None:
    times = time_steps(set_up(SMALL), steps=3)
    assert min(times.plain, times.watched, times.full, times.check, times.first) > 0
    assert times.steps_per_epoch == 6
    assert diagnosis_share(set_up(SMALL), 10) >= 0
    assert time_steps(set_up({**SMALL, "diagnose": False}), steps=1).plain > 0
