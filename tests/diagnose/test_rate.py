"""L1 and L2: both sides of every threshold, and the right direction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nettrain.diagnose import Blame, Evidence, Finding, Setting, diagnose
from nettrain.diagnose.detectors import LearningRateTooHigh, LearningRateTooLow
from nettrain.diagnose.detectors.rate import median_ratios, relative_loss

Healthy = Callable[..., Evidence]
H0 = 2.0


def at_rate(ratio: float, loss: float, **changes: Any) -> dict[str, Any]:
    """A run of 6 epochs of 10 updates: every ratio and loss the same."""
    return {
        "update_ratio": np.full((6, 3), ratio),
        "loss": np.full(6, loss * H0),
        **changes,
    }


def high(evidence: Evidence) -> list[Finding]:
    return list(LearningRateTooHigh().detect(evidence))


def low(evidence: Evidence) -> list[Finding]:
    return list(LearningRateTooLow().detect(evidence))


def test_a_healthy_run_and_one_without_a_check_are_silent(healthy: Healthy) -> None:
    for evidence in (healthy(), Evidence(), healthy(finished=False).before(1)):
        assert high(evidence) == [] and low(evidence) == []


def test_the_direction(healthy: Healthy) -> None:
    large, small = healthy(**at_rate(0.5, 1.0)), healthy(**at_rate(1e-6, 1.0))
    assert high(large) and not low(large)
    assert low(small) and not high(small)


# ---------------------------------------------------------------- too high


@pytest.mark.parametrize(("ratio", "fires"), [(0.099, False), (0.101, True)])
def test_too_large_at_both_sides(healthy: Healthy, ratio: float, fires: bool) -> None:
    found = high(healthy(**at_rate(ratio, 0.6)))
    assert bool(found) is fires
    if fires:
        (only,) = found
        assert (only.severity, only.threshold) == ("error", 0.1)
        assert (only.epoch, only.step, only.healthy) == (1, 10, (2e-4, 2e-2))
        assert only.measured == pytest.approx(ratio)


@pytest.mark.parametrize(("loss", "fires"), [(0.49, False), (0.51, True)])
def test_only_where_learning_is_hurt(
    healthy: Healthy, loss: float, fires: bool
) -> None:
    assert bool(high(healthy(**at_rate(0.2, loss)))) is fires


@pytest.mark.parametrize(("last", "fires"), [(0.19, False), (0.21, True)])
def test_a_run_that_got_over_it(healthy: Healthy, last: float, fires: bool) -> None:
    sick = at_rate(0.2, 0.9)
    sick["loss"][-1] = last * H0
    sick["update_ratio"][1:] = 1e-3
    assert bool(high(healthy(**sick))) is fires


def concluded(evidence: Evidence, *others: Finding) -> list[Finding]:
    return list(LearningRateTooHigh().conclude(evidence, others))


@pytest.mark.parametrize("id_", ["A1", "A2", "L3"])
def test_large_updates_first_and_the_harm_after_them(
    healthy: Healthy, id_: str
) -> None:
    sick = at_rate(1e-3, 0.3)
    sick["update_ratio"][2] = 0.2
    evidence = healthy(**sick)
    assert high(evidence) == [] and concluded(evidence) == []
    (found,) = concluded(evidence, Finding(id_, "", "error", "", epoch=4))
    assert (found.id, found.epoch, found.step) == ("L1", 3, 30)
    assert concluded(evidence, Finding(id_, "", "warning", "", epoch=4)) == []
    assert concluded(evidence, Finding(id_, "", "error", "", epoch=2)) == [], "before"
    assert concluded(evidence, Finding("G1", "", "error", "", epoch=4)) == []
    assert concluded(evidence, found, Finding(id_, "", "error", "", epoch=4)) == []
    assert concluded(Evidence(), Finding(id_, "", "error", "", epoch=4)) == []
    fine = healthy(**at_rate(0.099, 0.3))
    assert concluded(fine, Finding(id_, "", "error", "", epoch=4)) == []


def test_large_updates_that_end_in_a_number_that_is_not_finite(
    healthy: Healthy,
) -> None:
    bad = Finding("N1", "", "error", "", epoch=7)
    sick = at_rate(1e-3, 0.05)
    assert concluded(healthy(**sick), bad) == []
    sick["update_ratio"][0] = 0.2
    assert concluded(healthy(**sick), bad) == [], "long before"
    sick["update_ratio"][-1] = 0.2
    (found,) = concluded(healthy(**sick), bad)
    assert found.epoch == 6


def test_an_unfinished_epoch_tells_what_led_to_it(healthy: Healthy) -> None:
    sick = at_rate(1e-3, 0.4, blame=Blame(58, 6))
    sick["update_ratio"][-1] = 4.0
    evidence = healthy(**sick, steps=np.array([10, 20, 30, 40, 50, 57]))
    found = [f for f in diagnose(evidence) if f.id in ("L1", "N1")]
    assert [(f.id, f.primary, f.step) for f in found] == [
        ("L1", True, 57),
        ("N1", False, 58),
    ]


def test_the_median_over_the_layers_counts(healthy: Healthy) -> None:
    sick = at_rate(1e-3, 1.0)
    sick["update_ratio"][:, 1] = 5.0
    assert high(healthy(**sick)) == [], "one layer of three"
    sick["update_ratio"][:, 2] = 0.15
    (found,) = high(healthy(**sick))
    assert found.measured == pytest.approx(0.15)
    assert (found.layer, found.node) == ("dense2", "model/dense2/pre_activation")
    assert found.config_line == 12
    assert "(dense2 5, dense3 0.15, dense1 0.001)" in found.why


def test_parameters_without_a_ratio_are_left_out(healthy: Healthy) -> None:
    sick = at_rate(0.2, 1.0)
    sick["update_ratio"][:, 0] = np.nan
    sick["update_ratio"][:, 1] = np.inf
    (found,) = high(healthy(**sick))
    assert found.measured == pytest.approx(0.2) and found.layer == "dense3"
    sick["update_ratio"][:] = np.nan
    assert high(healthy(**sick)) == [] and low(healthy(**sick)) == []


def test_at_most_five_layers_are_told(healthy: Healthy) -> None:
    sick = at_rate(0.2, 1.0)
    deep = {"update_ratio": np.full((6, 8), 0.2), "loss": sick["loss"]}
    (found,) = high(healthy(depth=8, **deep))
    assert found.why.count("dense") == 5


def test_a_weight_that_decay_has_eaten_is_measured_by_its_first_norm(
    healthy: Healthy,
) -> None:
    fading = 3.0 * 0.1 ** np.arange(6)[:, None] * np.ones(3)
    sick = at_rate(1e-2, 1.0, weight_norm=fading)
    sick["update_ratio"] *= 10.0 ** np.arange(6)[:, None]
    evidence = healthy(**sick)
    assert median_ratios(evidence) == pytest.approx(np.full(6, 1e-2))
    assert high(evidence) == []
    grown = healthy(**{**sick, "weight_norm": fading[::-1]})
    assert high(grown), "a weight that grew is measured by what it is"


@pytest.mark.parametrize(
    ("ratio", "new"), [(0.11, 1e-3), (0.5, 1e-4), (30.0, 1e-5), (1e4, 1e-8)]
)
def test_the_rate_is_lowered_to_a_healthy_update(
    healthy: Healthy, ratio: float, new: float
) -> None:
    (found,) = high(healthy(**at_rate(ratio, 1.0)))
    assert found.remedy is not None and found.remedy.measure
    (edit,) = found.remedy.patch
    assert (edit.path, edit.value) == ("optimizer.adam.learning_rate", new)
    assert found.remedy.text.startswith("lower")


# ---------------------------------------------------------------- too low


@pytest.mark.parametrize(("moved", "fires"), [(0.29, True), (0.31, False)])
def test_too_little_at_both_sides(healthy: Healthy, moved: float, fires: bool) -> None:
    """60 updates are planned."""
    found = low(healthy(**at_rate(moved / 60, 1.0)))
    assert bool(found) is fires
    if fires:
        (only,) = found
        assert (only.severity, only.threshold, only.epoch) == ("error", 0.3, 1)
        assert only.measured == pytest.approx(moved)
        assert "60 planned updates" in only.why and "0.29" in only.why


@pytest.mark.parametrize(("loss", "fires"), [(0.099, False), (0.101, True)])
def test_what_was_learned_needs_no_more(
    healthy: Healthy, loss: float, fires: bool
) -> None:
    sick = at_rate(1e-5, 1.0)
    sick["loss"][-1] = loss * H0
    assert bool(low(healthy(**sick))) is fires


def test_the_budget_counts(healthy: Healthy) -> None:
    sick = at_rate(1e-3, 1.0)
    assert low(healthy(**sick))
    assert low(healthy(**sick, planned_steps=1000)) == []


def test_the_first_epoch_counts_but_under_a_schedule_the_largest(
    healthy: Healthy,
) -> None:
    sick = at_rate(1e-3, 1.0)
    sick["update_ratio"][2] = 1e-2
    assert low(healthy(**sick)), "one rate: later epochs do not count"
    warm = {"cosine": {"peak": 0.01, "warmup": "10 %"}}
    settings = {"learning_rate": Setting("rate", warm, 7)}
    assert low(healthy(**sick, settings=settings)) == []
    sick["update_ratio"][2] = 2e-3
    (found,) = low(healthy(**sick, settings=settings))
    assert (found.epoch, found.config_line) == (3, 7)
    assert found.measured == pytest.approx(0.12)


def test_a_rate_that_still_rises_proves_nothing(healthy: Healthy) -> None:
    sick = at_rate(5e-4, 1.0, finished=False)
    sick["update_ratio"] *= np.arange(1, 1 + len(sick["update_ratio"]))[:, None]
    warm = {"cosine": {"peak": 0.01, "warmup": "50 %"}}
    settings = {"learning_rate": Setting("rate", warm)}
    assert low(healthy(**sick)), "one rate does not rise"
    rising = healthy(**sick, settings=settings)
    assert low(rising) == []
    sick["update_ratio"][-1] = 5e-4
    assert low(healthy(**sick, settings=settings))
    sick["update_ratio"][-1] = 4e-3
    assert low(replace(healthy(**sick, settings=settings), finished=True))


def test_a_piece_of_an_epoch_is_no_proof_before_the_end(healthy: Healthy) -> None:
    sick = at_rate(1e-6, 1.0, finished=False)
    begun = replace(healthy(**sick).before(11), steps=np.array([7]))
    assert low(begun) == []
    assert low(replace(begun, finished=True))


@pytest.mark.parametrize(
    ("ratio", "new"), [(4e-3, 0.1), (5e-4, 1.0), (1e-9, 100.0), (0.0, 100.0)]
)
def test_the_rate_is_raised_until_the_weights_can_move(
    healthy: Healthy, ratio: float, new: float
) -> None:
    (found,) = low(healthy(**at_rate(ratio, 1.0)))
    assert found.remedy is not None and found.remedy.measure
    (edit,) = found.remedy.patch
    assert edit.value == pytest.approx(new)
    assert found.remedy.text.startswith("raise")


def test_an_unknown_prior_says_nothing(healthy: Healthy) -> None:
    for prior in (float("nan"), 0.0):
        evidence = healthy(**at_rate(1e-6, 1.0), prior=prior)
        assert np.isnan(relative_loss(evidence)).all()
        assert low(evidence) == []
        assert high(healthy(**at_rate(0.5, 1.0), prior=prior)) == []


def test_thresholds_can_be_changed(healthy: Healthy) -> None:
    large, small = healthy(**at_rate(0.5, 0.6)), healthy(**at_rate(1e-4, 0.6))
    assert not list(LearningRateTooHigh(threshold=0.6).detect(large))
    assert not list(LearningRateTooHigh(hurt=0.7).detect(large))
    assert not list(LearningRateTooHigh(recovered=0.7).detect(large))
    assert not list(LearningRateTooLow(threshold=0.001).detect(small))
    assert not list(LearningRateTooLow(converged=0.7).detect(small))


@pytest.mark.parametrize(("gap", "fires"), [(0.24, True), (0.26, False)])
def test_a_network_short_of_rows_is_not_short_of_steps(
    healthy: Healthy, gap: float, fires: bool
) -> None:
    scores = {"score": np.full(6, 0.9), "validation_score": np.full(6, 0.9 - gap)}
    assert bool(low(healthy(**at_rate(1e-6, 1.0), **scores))) is fires


@pytest.mark.parametrize(("left", "fires"), [(0.04, False), (0.06, True)])
def test_where_only_noise_is_left_no_rate_is_at_fault(
    healthy: Healthy, left: float, fires: bool
) -> None:
    """Wrong labels keep a loss high that no rate could lower."""
    for ratio, detect in ((0.5, high), (1e-6, low)):
        evidence = healthy(**at_rate(ratio, 0.6), unexplained=left)
        assert bool(detect(evidence)) is fires
        assert detect(replace(evidence, finished=False))


def test_rows_that_are_not_known_at_all_are_no_reason(healthy: Healthy) -> None:
    """R² of -8 on the training rows and -9 on others: nothing was learned."""
    scores = {"score": np.full(6, -8.0), "validation_score": np.full(6, -9.0)}
    assert low(healthy(**at_rate(1e-6, 9.0), **scores))
