"""R1: coupled and decoupled decay that is too strong, and what only looks like it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nettrain.diagnose import Decay, Evidence, Finding, FirstWeights, Setting
from nettrain.diagnose.detectors import OverRegularised
from nettrain.diagnose.detectors.regularization import pulls, shrinkage

Healthy = Callable[..., Evidence]
H0 = 2.0
SETTING = Setting("optimizer.adam.weight_decay", 1.0, 17)


def r1(evidence: Evidence) -> list[Finding]:
    return list(OverRegularised().detect(evidence))


def coupled(
    healthy: Healthy, pull: Any, loss: Any = 0.9, checks: int = 6, **changes: Any
) -> Evidence:
    """λ = 1 and ‖W‖ = 1, so that λ‖W‖/‖g‖ is 1/‖g‖; pull: (3,) or (E, 3) or one."""
    ratio = np.broadcast_to(np.asarray(pull, float), (checks, 3))
    return healthy(
        checks=checks,
        decay=Decay((SETTING,), np.ones(3)),
        weight_norm=np.ones((checks, 3)),
        gradient_norm=np.where(ratio > 0, 1.0 / np.where(ratio > 0, ratio, 1.0), 0.0),
        loss=np.broadcast_to(np.asarray(loss, float), (checks,)) * H0,
        **changes,
    )


def decoupled(healthy: Healthy, left: Any, **changes: Any) -> Evidence:
    """rate · λ · T = 6; the first weights have a norm of 4; left: (E,) or one."""
    share = np.broadcast_to(np.asarray(left, float), (6,))[:, None]
    facts: dict[str, Any] = {
        "decay": Decay((SETTING,), np.zeros(3), decoupled=1.0, rate=0.1),
        "weight_norm": 4.0 * share * np.ones(3),
        "loss": np.full(6, 0.9 * H0),
    }
    return healthy(**{**facts, **changes})


def test_healthy_runs_are_silent(healthy: Healthy) -> None:
    weak = Decay((SETTING,), np.full(3, 1e-4), decoupled=0.01, rate=1e-3)
    stuck = np.full(6, 0.9 * H0)
    for evidence in (
        Evidence(),
        healthy(),
        healthy(loss=stuck),
        healthy(decay=weak, loss=stuck),
        coupled(healthy, 5.0).before(1),
    ):
        assert r1(evidence) == []


# ---------------------------------------------------------------- coupled


@pytest.mark.parametrize(("pull", "fires"), [(0.89, False), (0.91, True)])
def test_the_pull_at_both_sides(healthy: Healthy, pull: float, fires: bool) -> None:
    found = r1(coupled(healthy, pull))
    assert bool(found) is fires
    if fires:
        (only,) = found
        assert (only.severity, only.epoch, only.step) == ("error", 5, 50)
        assert (only.threshold, only.config_line) == (0.9, 17)
        assert only.measured == pytest.approx(pull)
        assert only.remedy is not None
        assert [(e.path, e.value) for e in only.remedy.patch] == [
            ("optimizer.adam.weight_decay", 0.01)
        ]


def test_data_that_pull_harder_are_no_fault(healthy: Healthy) -> None:
    assert r1(coupled(healthy, 0.01)) == [] and r1(coupled(healthy, 100.0))


@pytest.mark.parametrize(("loss", "fires"), [(0.49, False), (0.51, True)])
def test_only_where_learning_is_hurt(
    healthy: Healthy, loss: float, fires: bool
) -> None:
    assert bool(r1(coupled(healthy, 2.0, loss))) is fires


@pytest.mark.parametrize(("loss", "fires"), [(0.24, False), (0.26, True)])
def test_a_regression_is_hurt_earlier(
    healthy: Healthy, loss: float, fires: bool
) -> None:
    evidence = coupled(healthy, 2.0, loss)
    assert evidence.targets is not None
    regression = replace(evidence.targets, task="regression")
    assert bool(r1(replace(evidence, targets=regression))) is fires
    assert bool(r1(replace(evidence, targets=None))) is False


def test_it_takes_five_epochs_in_a_row(healthy: Healthy) -> None:
    assert r1(coupled(healthy, 2.0, checks=4)) == []
    assert r1(coupled(healthy, 2.0, checks=5))
    broken = np.array([2, 2, 2, 2, 0.5, 2, 2, 2, 2])[:, None]
    assert r1(coupled(healthy, broken, checks=9)) == []
    better = np.array([0.9, 0.9, 0.9, 0.9, 0.3, 0.9, 0.9, 0.9, 0.9])
    assert r1(coupled(healthy, 2.0, better, checks=9)) == []
    # Once nothing is left to pull at, the noise of the gradient outweighs the decay.
    later = np.array([2, 2, 2, 2, 2, 0.5, 0.5])[:, None]
    assert r1(coupled(healthy, later, checks=7))
    learned = np.array([0.9] * 6 + [0.4])
    assert r1(coupled(healthy, 2.0, learned, checks=7)) == []


def test_the_median_over_the_decayed_matrices_counts(healthy: Healthy) -> None:
    assert r1(coupled(healthy, [0.1, 2.0, 2.0]))
    assert r1(coupled(healthy, [0.1, 0.1, 2.0])) == []
    evidence = coupled(healthy, [0.1, 0.1, 2.0])
    last = replace(evidence, decay=Decay((SETTING,), np.array([0.0, 0.0, 1.0])))
    assert r1(last), "only the last is decayed"
    nothing = replace(evidence, decay=Decay((SETTING,), np.zeros(3)))
    assert r1(nothing) == []


@pytest.mark.parametrize(("last", "fires"), [(0.099, False), (0.101, True)])
def test_a_vanished_gradient_is_not_the_decay(
    healthy: Healthy, last: float, fires: bool
) -> None:
    assert bool(r1(coupled(healthy, [1e6, 1e3, last]))) is fires


def test_a_gradient_of_zero_says_nothing(healthy: Healthy) -> None:
    """Zero pulls stand for gradients of 0 here."""
    assert r1(coupled(healthy, 0.0)) == [], "never a gradient: dead from the start"
    died = np.array([0.001, 0, 0, 0, 0, 0])[:, None]
    assert r1(coupled(healthy, died)) == [], "dead units behind a weak decay"
    fading = np.array([30, 0, 0, 0, 0, 0])[:, None]
    assert r1(coupled(healthy, fading)), "all that decay has left"
    gone = coupled(healthy, fading)
    gone.weight_norm[2:] = 0.0
    assert r1(gone)
    table = pulls(gone, Decay((), np.ones(3)))
    assert (table == 30).all()


def test_bias_decay_is_no_matrix(healthy: Healthy) -> None:
    evidence = coupled(healthy, [0.1, 2.0, 2.0])
    evidence.update_ratio[:, 1:] = np.nan
    assert r1(evidence) == []


# ---------------------------------------------------------------- decoupled


@pytest.mark.parametrize(("left", "fires"), [(0.29, True), (0.31, False)])
def test_weights_that_collapse_at_both_sides(
    healthy: Healthy, left: float, fires: bool
) -> None:
    fading = np.array([0.9, 0.9, 0.9, 0.9, 0.9, left])
    found = r1(decoupled(healthy, fading))
    assert bool(found) is fires
    if fires:
        assert found[0].measured == pytest.approx(left)
        assert (found[0].threshold, found[0].epoch) == (0.3, 6)
        assert found[0].remedy is not None and found[0].remedy.patch


def test_the_start_is_that_of_the_first_weights(healthy: Healthy) -> None:
    """s(W) √(fan_in · units) = .25 · 16 = 4; the first epoch's mean is lower."""
    fallen = decoupled(healthy, 0.25)
    assert shrinkage(fallen) == pytest.approx(np.full((6, 3), 0.25))
    assert r1(fallen)[0].epoch == 5, "after five epochs"
    bare = {n: replace(x, first=None) for n, x in fallen.layers.items()}
    assert shrinkage(replace(fallen, layers=bare)) == pytest.approx(np.ones((6, 3)))
    assert r1(replace(fallen, layers=bare)) == []


def test_a_layer_of_two_matrices_has_no_one_start(healthy: Healthy) -> None:
    fallen = decoupled(healthy, 0.25)
    both = replace(
        fallen.layers["dense1"],
        parameters=("model/dense1/weight", "model/dense2/weight"),
        first=FirstWeights(9.0, 16, 16),
    )
    layers = {"dense1": both, "dense3": fallen.layers["dense3"]}
    left = shrinkage(replace(fallen, layers=layers))
    assert left[0] == pytest.approx([1.0, 1.0, 0.25])


@pytest.mark.parametrize(("rate", "fires"), [(0.083, False), (0.084, True)])
def test_the_decay_of_the_whole_run_counts(
    healthy: Healthy, rate: float, fires: bool
) -> None:
    """60 updates: 5 / 60 = .0833."""
    decay = Decay((SETTING,), np.zeros(3), decoupled=1.0, rate=rate)
    assert bool(r1(decoupled(healthy, 0.1, decay=decay))) is fires


def test_small_weights_that_learn_are_fine(healthy: Healthy) -> None:
    assert r1(decoupled(healthy, 0.1, loss=np.full(6, 0.4 * H0))) == []
    late = np.array([0.4, 0.9, 0.9, 0.9, 0.9, 0.4]) * H0
    assert r1(decoupled(healthy, 0.1, loss=late)) == []


def test_weights_that_grow_are_not_over_regularised(healthy: Healthy) -> None:
    assert r1(decoupled(healthy, 3.0)) == []


def test_weights_that_start_with_zero_have_no_share(healthy: Healthy) -> None:
    fallen = decoupled(healthy, 0.1)
    first = FirstWeights(0.0, 16, 16)
    layers = {n: replace(x, first=first) for n, x in fallen.layers.items()}
    assert r1(replace(fallen, layers=layers)) == []


def test_every_decay_of_the_config_is_weakened(healthy: Healthy) -> None:
    second = Setting("model.dense1.weight_l2", 0.3)
    evidence = coupled(healthy, 2.0)
    decay = Decay((SETTING, second), np.ones(3))
    (found,) = r1(replace(evidence, decay=decay))
    assert found.remedy is not None
    assert [(e.path, e.value) for e in found.remedy.patch] == [
        ("optimizer.adam.weight_decay", 0.01),
        ("model.dense1.weight_l2", 0.003),
    ]


def test_thresholds_can_be_changed(healthy: Healthy) -> None:
    strong, fallen = coupled(healthy, 2.0), decoupled(healthy, 0.1)
    for field, value in (("threshold", 2.5), ("checks", 7), ("felt", 3), ("hurt", 1)):
        assert not list(OverRegularised(**{field: value}).detect(strong))
    for field, value in (("decays", 7.0), ("shrunk", 0.05), ("checks", 7)):
        assert not list(OverRegularised(**{field: value}).detect(fallen))
