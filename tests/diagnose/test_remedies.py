"""Patches: that they fit the fault, and in an order in which they can be applied."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nettrain.diagnose import Evidence, Setting, diagnose
from nettrain.diagnose.remedies import signal

Profile = Callable[..., Evidence]
LEAKY = [("model.dense1.activation", "leaky_relu")]
LOW, HIGH = (1e-6, 1e-3, 1.0), (1e6, 1e3, 1.0)


def patch(evidence: Evidence) -> list[tuple[str, str, Any]]:
    (found,) = diagnose(evidence)
    assert found.remedy is not None
    return [(edit.do, edit.path, edit.value) for edit in found.remedy.patch]


def with_rate(evidence: Evidence, value: Any) -> Evidence:
    """Evidence of a config that says this learning rate."""
    settings = {"learning_rate": Setting("rate", value)}
    return dataclasses.replace(evidence, settings=settings)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_bounded_activations_become_relu(profile: Profile, activation: str) -> None:
    assert patch(profile(LOW, LOW, activation=activation)) == [
        ("set", "model.dense2.activation", "relu"),
        ("set", "model.dense1.activation", "relu"),
    ]


def test_the_output_keeps_its_activation(profile: Profile) -> None:
    evidence = profile(LOW, LOW, activation="sigmoid")
    last = dataclasses.replace(
        evidence.layers["dense3"],
        activation=Setting("model.dense3.activation", "sigmoid"),
    )
    layers = {**evidence.layers, "dense3": last}
    paths = [path for _, path, _ in patch(dataclasses.replace(evidence, layers=layers))]
    assert "model.dense3.activation" not in paths and len(paths) == 2


def test_weights_without_scale_are_the_fault_of_tanh(profile: Profile) -> None:
    small = {"weight_init": {"normal": {"std": 0.01}}}
    assert patch(profile(LOW, LOW, activation="tanh", settings=small)) == [
        ("set", "model.dense2.weight_init", "auto"),
        ("set", "model.dense1.weight_init", "auto"),
    ]
    both = patch(profile(LOW, LOW, activation="sigmoid", settings=small))
    assert len(both) == 4


def test_well_scaled_relu_layers_are_normalized(profile: Profile) -> None:
    row = (1e-6, 1e-4, 1e-2, 1.0)
    assert patch(profile(row, row)) == [
        ("insert", "model.dense3", "layer_norm"),
        ("insert", "model.dense2", "layer_norm"),
    ]


def test_explosions_are_scaled_or_clipped(profile: Profile) -> None:
    wild = {"weight_init": {"normal": {"std": 1.0}}}
    assert patch(profile(HIGH, settings=wild))[0] == (
        "set", "model.dense2.weight_init", "auto",
    )  # fmt: skip
    norms = np.array([3.0, np.inf, 40.0, 4.04])
    clipped = patch(profile(HIGH, gradient_norms=norms))
    assert clipped == [("set", "train.clip_norm", 4.0)]
    assert patch(profile(HIGH)) == [("set", "train.clip_norm", 1.0)]


def test_biases_that_kill_are_set_to_zero_everywhere(profile: Profile) -> None:
    """A dead layer hides those below it: no gradient arrives there."""
    settings = {"bias_init": {"constant": {"value": -10.0}}}
    evidence = profile((1.0, 1.0, 1.0), settings=settings)
    remedy = signal.dead(evidence, born=True, ratio=-math.inf)
    assert [(e.path, e.value) for e in remedy.patch] == [
        ("model.dense2.bias_init", "zeros"),
        ("model.dense1.bias_init", "zeros"),
    ]


def test_units_without_a_bias_to_blame_get_a_slope(profile: Profile) -> None:
    remedy = signal.dead(profile((1.0, 1.0)), born=True, ratio=0.15)
    assert [(e.path, e.value) for e in remedy.patch] == LEAKY
    assert not remedy.measure


def test_units_that_lived_need_a_rate_and_a_slope_only_otherwise(
    profile: Profile,
) -> None:
    remedy = signal.dead(profile((1.0, 1.0)), born=False, ratio=0.03)
    assert remedy.measure
    assert [e.path for e in remedy.patch] == ["optimizer.adam.learning_rate"]
    assert remedy.otherwise is not None and not remedy.otherwise.measure
    assert [(e.path, e.value) for e in remedy.otherwise.patch] == LEAKY
    for settings in ({}, {"learning_rate": Setting("rate", "plugin")}):
        unknown = dataclasses.replace(profile((1.0, 1.0)), settings=settings)
        assert signal.dead(unknown, born=False, ratio=0.15) == remedy.otherwise


@pytest.mark.parametrize(
    ("value", "path", "new"),
    [
        (0.03, "rate", 0.003),
        ({"cosine": {"peak": 0.1, "final": 0.0}}, "rate.cosine.peak", 0.01),
        (
            {"linear_warmup": {"peak": {"step": {"initial": 1.0}}}},
            "rate.linear_warmup.peak.step.initial",
            0.1,
        ),
    ],
)
def test_a_schedule_is_lowered_at_its_highest_rate(
    profile: Profile, value: Any, path: str, new: float
) -> None:
    evidence = with_rate(profile((1.0, 1.0)), value)
    remedy = signal.dead(evidence, born=False, ratio=0.15)
    assert [(e.path, e.value) for e in remedy.patch] == [(path, new)]


@pytest.mark.parametrize(
    ("ratio", "new"),
    [(0.11, 0.1), (0.96, 0.01), (30.0, 1e-3), (0.001, 0.1), (-math.inf, 0.1)],
)
def test_the_rate_falls_by_as_many_tens_as_updates_were_too_large(
    profile: Profile, ratio: float, new: float
) -> None:
    """And by ten at least."""
    evidence = with_rate(profile((1.0, 1.0)), 1.0)
    (edit,) = signal.dead(evidence, born=False, ratio=ratio).patch
    assert edit.value == new


def test_a_trainer_without_a_config_still_gets_words(profile: Profile) -> None:
    bare = dataclasses.replace(profile(LOW, LOW), layers={}, settings={})
    (found,) = diagnose(bare)
    assert found.remedy is not None
    assert found.remedy.text and not found.remedy.patch


def test_the_name_of_a_setting() -> None:
    assert Setting("a", {"normal": {"std": 1.0}}).name == "normal"
    assert [Setting("a", v).name for v in ("relu", None)] == ["relu", ""]
