"""Stopping early, and the settings that ask for it."""

from __future__ import annotations

import math

import pytest

from nettrain.errors import Error
from nettrain.span import Span
from nettrain.training.settings import Checkpoint, Stop, TrainConfig
from nettrain.training.stopping import Stopping


def test_patience_counts_epochs_without_a_new_best() -> None:
    stopping = Stopping(Stop(patience=2), "min")
    values = [3.0, 2.0, 2.0, 1.5, 1.6, math.nan]
    reasons = []
    for step, value in enumerate(values, 1):
        stopping.update(value, step)
        reasons.append(stopping.reason(value))
    assert reasons[:-1] == [""] * 5
    assert reasons[-1] == "validation/loss has not improved for 2 epochs"
    assert stopping.best_step == 4


def test_rising_metrics() -> None:
    stopping = Stopping(Stop(monitor="validation/accuracy", target=0.9), "max")
    assert stopping.update(0.5, 1) and not stopping.update(0.4, 2)
    assert stopping.reason(0.89) == ""
    assert stopping.reason(0.9) == "validation/accuracy reached 0.9"


def test_nothing_is_best_where_nothing_is_a_number() -> None:
    stopping = Stopping(Stop(patience=1), "min")
    assert not stopping.update(math.nan, 1)
    assert stopping.best_step == 0


def test_without_settings_it_only_remembers() -> None:
    stopping = Stopping(None, "min")
    stopping.update(1.0, 5)
    assert stopping.reason(1.0) == "" and stopping.best_step == 5


def test_its_state_goes_through_tensors() -> None:
    one, two = Stopping(Stop(patience=3), "max"), Stopping(Stop(patience=3), "max")
    for step, value in enumerate([0.5, 0.7, 0.6], 1):
        one.update(value, step)
    two.restore(one.tensors())
    assert (two.best, two.best_step, two.waited) == (-0.7, 2, 1)


def test_two_lengths_contradict_each_other() -> None:
    with pytest.raises(Error) as caught:
        TrainConfig(epochs=3, steps=10)
    assert caught.value.code == "config-conflict"
    assert TrainConfig().total_steps(7) == 70
    assert TrainConfig(steps=5).total_steps(7) == 5


def test_checkpoints_need_a_distance() -> None:
    with pytest.raises(Error) as caught:
        Checkpoint(Span(0, "epochs"))
    assert caught.value.code == "config-value"
