"""P1, P2 and P3: what is not updated, goes the wrong way, or has a wrong gradient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from nettrain.diagnose import Evidence, Finding, GradientCheck, Setting
from nettrain.diagnose.detectors import Ascent, ParameterNotUpdated, WrongGradient

Healthy = Callable[..., Evidence]


def still(evidence: Evidence) -> list[Finding]:
    return list(ParameterNotUpdated().detect(evidence))


def unmoved(*which: int) -> np.ndarray:
    norm = np.full((6, 3), 1e-2)
    norm[:, list(which)] = 0.0
    return norm


def test_a_healthy_run_and_one_without_a_check_are_silent(healthy: Healthy) -> None:
    for evidence in (healthy(), Evidence()):
        for detector in (ParameterNotUpdated(), Ascent(), WrongGradient()):
            assert list(detector.detect(evidence)) == []


# ---------------------------------------------------------------- not updated


def test_a_parameter_that_never_moves(healthy: Healthy) -> None:
    (found,) = still(healthy(update_norm=unmoved(1)))
    assert found.severity == "error"
    assert (found.node, found.layer) == ("model/dense2/weight", "dense2")
    assert found.config_line == 12
    assert "model/dense2/weight never changed" in found.why
    assert found.remedy is not None and not found.remedy.patch


def test_several_are_told_in_one_finding(healthy: Healthy) -> None:
    (found,) = still(healthy(update_norm=unmoved(0, 2)))
    assert "model/dense1/weight, model/dense3/weight never" in found.why


def test_one_epoch_in_which_it_moved_is_enough(healthy: Healthy) -> None:
    norm = unmoved(1)
    norm[0, 1] = 1e-30
    assert still(healthy(update_norm=norm)) == []


def test_without_a_gradient_nothing_is_to_be_updated(healthy: Healthy) -> None:
    gradient = np.ones((6, 3))
    gradient[3, 1] = 0.0
    assert still(healthy(update_norm=unmoved(1), gradient_norm=gradient)) == []


@pytest.mark.parametrize(("share", "fires"), [(0.99e-3, False), (1.01e-3, True)])
def test_what_rounding_may_have_lost_is_not_told(
    healthy: Healthy, share: float, fires: bool
) -> None:
    gradient = np.full((6, 3), 5.0)
    gradient[:, 1] = 1e-12
    gradient[4, 1] = 5.0 * share
    evidence = healthy(update_norm=unmoved(1), gradient_norm=gradient)
    assert bool(still(evidence)) is fires
    if fires:
        assert not list(ParameterNotUpdated(reached=0.1).detect(evidence))


def test_what_was_not_measured_is_no_proof(healthy: Healthy) -> None:
    missing = np.full((6, 3), np.nan)
    assert still(healthy(update_norm=missing)) == []
    assert still(healthy(update_norm=unmoved(1), gradient_norm=missing)) == []
    assert still(healthy(update_norm=np.zeros((0, 0)))) == []


def test_where_nothing_moves_the_rate_is_told(healthy: Healthy) -> None:
    (found,) = still(healthy(update_norm=unmoved(0, 1, 2)))
    assert "no parameter has changed at a learning rate of 0.01" in found.why
    assert found.remedy is not None
    assert found.remedy.patch[0].path == "optimizer.adam.learning_rate"
    zero = {"learning_rate": Setting("rate", 0.0, 9)}
    (found,) = still(healthy(update_norm=unmoved(0, 1, 2), settings=zero))
    assert "at a learning rate of 0," in found.why and found.config_line == 9
    assert found.remedy is not None and not found.remedy.patch


# ---------------------------------------------------------------- ascent


@pytest.mark.parametrize(
    ("cosine", "fires"), [(-0.01, False), (0.0, False), (0.01, True)]
)
def test_up_is_wrong_and_down_is_right(
    healthy: Healthy, cosine: float, fires: bool
) -> None:
    found = list(Ascent().detect(healthy(ascent=cosine)))
    assert bool(found) is fires
    if fires:
        assert (found[0].severity, found[0].step) == ("error", 1)
        assert found[0].measured == cosine


def test_the_threshold_of_ascent_can_be_changed(healthy: Healthy) -> None:
    assert not list(Ascent(threshold=0.5).detect(healthy(ascent=0.4)))


def test_maximize_is_undone_where_it_is_the_reason(healthy: Healthy) -> None:
    evidence = healthy(ascent=0.9)
    (found,) = Ascent().detect(evidence)
    assert found.remedy is not None and not found.remedy.patch
    maximize = Setting("optimizer.adam.maximize", True, 21)
    settings = {**evidence.settings, "maximize": maximize}
    (found,) = Ascent().detect(replace(evidence, settings=settings))
    assert found.remedy is not None and found.config_line == 21
    assert [(e.path, e.value) for e in found.remedy.patch] == [
        ("optimizer.adam.maximize", False)
    ]


# ---------------------------------------------------------------- gradient check


def checked(*errors: float) -> tuple[GradientCheck, ...]:
    return tuple(
        GradientCheck(f"model/dense{i}/weight", 1.0, 1.0 + e, e, "tanh")
        for i, e in enumerate(errors, 1)
    )


@pytest.mark.parametrize(("error", "fires"), [(0.99e-5, False), (1.01e-5, True)])
def test_a_gradient_at_both_sides(healthy: Healthy, error: float, fires: bool) -> None:
    found = list(WrongGradient().detect(healthy(gradient_checks=checked(error))))
    assert bool(found) is fires
    if fires:
        assert (found[0].severity, found[0].measured) == ("error", error)
        assert not list(
            WrongGradient(threshold=1e-3).detect(
                healthy(gradient_checks=checked(error))
            )
        )


def test_the_worst_gradient_is_told(healthy: Healthy) -> None:
    evidence = healthy(gradient_checks=checked(1e-9, 0.3, 1e-3, float("nan")))
    (found,) = WrongGradient().detect(evidence)
    assert found.node == "model/dense2/weight"
    assert "derivative of tanh" in found.why and "1 more are off" in found.why


def test_gradients_can_be_checked_before_training() -> None:
    (found,) = WrongGradient().detect(Evidence(gradient_checks=checked(1.0)))
    assert found.epoch is None


# ---------------------------------------------------------------- frozen layers


@pytest.mark.parametrize(
    ("share", "left", "fires"),
    [
        (0.3, 0.11, True),
        (0.3, float("nan"), True),
        (0.3, 0.09, False),
        (0.09, 0.11, False),
    ],
)
def test_a_frozen_layer_that_does_harm(
    healthy: Callable[..., Evidence], share: float, left: float, fires: bool
) -> None:
    evidence = healthy(loss=np.full(6, 2 * share), unexplained=left)
    layers = dict(evidence.layers)
    layers["dense1"] = replace(layers["dense1"], trainable=False)
    found = list(ParameterNotUpdated().detect(replace(evidence, layers=layers)))
    assert bool(found) is fires
    if fires:
        (only,) = found
        assert (only.severity, only.layer, only.place) == ("warning", "dense1", "U1")
        assert only.remedy and only.remedy.patch[0].path == "model.dense1.trainable"
    assert not list(ParameterNotUpdated().detect(evidence))
