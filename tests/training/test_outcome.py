"""The best and the last metrics of a run."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from nettrain.training.metrics import Accuracy
from nettrain.training.outcome import Summary, goal, has_loss, kept
from nettrain.training.settings import Stop


def row(step: int, loss: float, accuracy: float) -> dict[str, Any]:
    return {
        "step": step,
        "epoch": step // 4,
        "train/loss": 9.0,
        "gradient_norm": 1.0,
        "train/epoch_loss": loss / 2,
        "validation/loss": loss,
        "validation/accuracy": accuracy,
        "test/loss": 0.0,
    }


def test_the_best_of_each_metric_and_the_last_of_all() -> None:
    summary = Summary([Accuracy()], None)
    for made in (row(4, 2.0, 0.5), row(8, 1.0, 0.7), row(12, 1.0, 0.6)):
        summary.note({"step": made["step"] - 1, "epoch": 1, "train/loss": 0.1})
        summary.note(made)
    assert summary.to_json() == {
        "best": {
            "validation/loss": {"value": 1.0, "step": 8, "epoch": 2},
            "validation/accuracy": {"value": 0.7, "step": 8, "epoch": 2},
        },
        "last": {"train/loss": 0.5, "validation/loss": 1.0, "validation/accuracy": 0.6},
    }


@pytest.mark.parametrize(
    ("stop", "step"),
    [
        (Stop(restore_best=True), 8),
        (Stop(monitor="validation/accuracy", restore_best=True), 4),
        (Stop(monitor="validation/loss", goal="max", restore_best=True), 12),
        (Stop(monitor="train/loss", restore_best=True), 8),
    ],
)
def test_the_epoch_whose_weights_are_kept(stop: Stop, step: int) -> None:
    summary = Summary([Accuracy()], stop)
    for made in (row(4, 2.0, 0.7), row(8, 1.0, 0.7), row(12, 3.0, 0.6)):
        summary.note(made)
    kept = summary.to_json()["kept"]
    assert (kept["step"], kept["epoch"]) == (step, step // 4)
    assert kept["train/loss"] == kept["validation/loss"] / 2
    assert "test/loss" not in kept


def test_what_is_no_number_is_not_best() -> None:
    summary = Summary([], None)
    summary.note(row(4, math.nan, 0.5))
    summary.note(row(8, 3.0, 0.5))
    assert summary.best["validation/loss"]["step"] == 8


def test_losses_fall_and_metrics_have_their_goals() -> None:
    assert goal("validation/accuracy", [Accuracy()]) == "max"
    assert goal("validation/loss", [Accuracy()]) == goal("train/loss", []) == "min"


def test_an_epoch_without_a_finite_training_loss_counts_by_its_other_numbers() -> None:
    nan, inf = math.nan, math.inf
    columns = {
        "step": np.array([1, 2, 3, 4, 5, 6]),
        "train/loss": np.array([1.0, inf, 1.0, inf, 1.0, 1.0]),
        "train/epoch_loss": np.array([nan, inf, nan, nan, nan, nan]),
        "validation/loss": np.array([nan, 0.5, nan, 0.25, nan, nan]),
    }
    assert kept(columns, None, ()) == 3
    assert kept(columns, None, (), until=3) == 1
    assert kept(columns, None, (), until=1) is None
    assert kept({"step": columns["step"]}, None, ()) is None
    assert has_loss(columns, 4, None, skips=True)
    assert not has_loss(columns, 4, Stop(monitor="train/loss"), skips=True)
    assert not has_loss(columns, 4, None, skips=False)
    assert not has_loss(columns, 6, None, skips=True)
    assert not has_loss({"step": columns["step"]}, 4, None, skips=True)
