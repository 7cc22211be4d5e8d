"""G1, G2 and G3: both sides of every threshold, and the right direction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nettrain.diagnose import Evidence, Finding, diagnose
from nettrain.diagnose.detectors import (
    ExplodingGradient,
    GradientSpike,
    VanishingGradient,
)

Profile = Callable[..., Evidence]
SHRINKS = (1e-4, 1e-3, 1e-1, 1.0)
GROWS = (2e3, 1e2, 10.0, 1.0)


def ids(findings: list[Finding]) -> list[str]:
    return [finding.id for finding in findings]


def test_a_profile_that_shrinks_towards_the_input_vanishes_only(
    profile: Profile,
) -> None:
    assert ids(diagnose(profile(SHRINKS, SHRINKS))) == ["G1"]


def test_a_profile_that_grows_towards_the_input_explodes_only(profile: Profile) -> None:
    assert ids(diagnose(profile(GROWS, GROWS))) == ["G2"]


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e20])
def test_only_ratios_count(profile: Profile, scale: float) -> None:
    flat = [scale * x for x in (0.5, 0.8, 1.0)]
    assert diagnose(profile(flat, flat)) == []
    low = [scale * x for x in SHRINKS]
    assert ids(diagnose(profile(low, low))) == ["G1"]


@pytest.mark.parametrize(("share", "fires"), [(1.01e-3, False), (0.99e-3, True)])
def test_vanishing_at_both_sides_of_its_threshold(
    profile: Profile, share: float, fires: bool
) -> None:
    evidence = profile((share, 0.1, 1.0), (share, 0.1, 1.0))
    found = list(VanishingGradient().detect(evidence))
    assert bool(found) is fires
    if fires:
        assert found[0].measured == pytest.approx(share)
        assert found[0].threshold == 1e-3


@pytest.mark.parametrize(("times", "fires"), [(0.99e3, False), (1.01e3, True)])
def test_exploding_at_both_sides_of_its_threshold(
    profile: Profile, times: float, fires: bool
) -> None:
    evidence = profile((times, 10.0, 1.0))
    assert bool(list(ExplodingGradient().detect(evidence))) is fires


def test_thresholds_can_be_changed(profile: Profile) -> None:
    evidence = profile(SHRINKS, SHRINKS)
    assert not list(VanishingGradient(threshold=1e-5).detect(evidence))
    assert not list(ExplodingGradient(threshold=1e4).detect(profile(GROWS)))


def test_vanishing_takes_two_checks_in_a_row(profile: Profile) -> None:
    fine = (0.5, 0.5, 0.5, 1.0)
    assert diagnose(profile(SHRINKS)) == []
    assert diagnose(profile(SHRINKS, fine, SHRINKS)) == []
    found = diagnose(profile(fine, SHRINKS, SHRINKS, SHRINKS))
    assert [(f.id, f.epoch, f.step) for f in found] == [("G1", 3, 30)]
    assert found[0].place == "", "no cause that was there from the start"
    (early,) = diagnose(profile(SHRINKS, SHRINKS, SHRINKS))
    assert (early.epoch, early.place) == (2, "G1 from the start")


@pytest.mark.parametrize(("loss", "fires"), [(0.19, False), (0.21, True)])
def test_a_converged_network_has_not_vanished(
    profile: Profile, loss: float, fires: bool
) -> None:
    """Converged means below 0.1 H0, and H0 is 2 here."""
    evidence = profile(SHRINKS, SHRINKS, loss=loss)
    assert bool(diagnose(evidence)) is fires


def test_a_network_that_learned_in_the_end_needs_no_mending(profile: Profile) -> None:
    rows = (SHRINKS,) * 3
    assert diagnose(profile(*rows, loss=[2.0, 1.0, 0.1])) == []
    assert diagnose(profile(*rows, loss=[0.1, 2.0, 0.1])) == []
    # One of the two checks was converged.
    assert diagnose(profile(*rows[:2], loss=[0.1, 2.0])) == []


def test_vanishing_is_located_where_it_falls_most(profile: Profile) -> None:
    row = (2e-6, 2e-5, 2e-1, 1.0)
    (found,) = diagnose(profile(row, row))
    assert found.node == "model/dense2/pre_activation"
    assert (found.layer, found.config_line) == ("dense2", 12)
    assert found.measured == pytest.approx(2e-6)
    assert "dense1" in found.why


def test_exploding_is_located_where_it_grows_most(profile: Profile) -> None:
    (found,) = diagnose(profile((4e3, 2e3, 2.0, 1.0)))
    assert found.layer == "dense2"
    assert found.measured == pytest.approx(4e3)


def test_falls_below_the_lowest_node_do_not_count(profile: Profile) -> None:
    row = (1e-2, 1e4, 1e-6, 1e-4, 1.0)
    (found,) = VanishingGradient().detect(profile(row, row))
    assert found.layer == "dense4"


def test_a_gradient_of_exactly_zero_is_the_end_of_the_fall(profile: Profile) -> None:
    row = (0.0, 0.0, 0.5, 1.0)
    (found,) = diagnose(profile(row, row))
    assert (found.layer, found.measured) == ("dense2", 0.0)


def test_nodes_without_a_gradient_are_passed_over(profile: Profile) -> None:
    row = (1e-5, np.nan, 1.0)
    (found,) = diagnose(profile(row, row))
    assert found.layer == "dense1"


def test_nodes_behind_the_output_do_not_count(profile: Profile) -> None:
    row = (0.5, 1.0, 1e-6)
    evidence = profile(row, row)
    first, out, other = evidence.nodes
    marked = (first, replace(out, output=True), replace(other, output=False))
    assert diagnose(replace(evidence, nodes=marked)) == []


def test_nothing_is_said_where_no_gradient_comes_to_the_output(
    profile: Profile,
) -> None:
    for out in (0.0, np.nan):
        row = (1e-5, 1e-3, out)
        assert diagnose(profile(row, row)) == []


def test_one_layer_alone_has_no_depth(profile: Profile) -> None:
    assert diagnose(profile((1.0,), (1.0,))) == []


def test_no_check_no_finding() -> None:
    assert diagnose(Evidence()) == []


@pytest.mark.parametrize("row", [SHRINKS, GROWS])
def test_the_row_says_the_healthy_range(
    profile: Profile, row: tuple[float, ...]
) -> None:
    (found,) = diagnose(profile(row, row))
    assert found.healthy is not None and found.measured is not None
    low, high = found.healthy
    assert not low <= found.measured <= high
    assert found.severity == "error" and found.primary


# ---------------------------------------------------------------- spikes


def spiked(
    healthy: Profile,
    times: float = 50.0,
    deviations: float = 8.0,
    losses: tuple[float, ...] = (0.5, 0.5, 0.6, 0.6),
    **changes: Any,
) -> Evidence:
    """Four epochs with a gradient that stands out in the third; H0 = 2."""
    spike = np.tile([5.0, 1.5, 1.0, 2.0], (4, 1))
    spike[2] = 27.0, times * 0.4, 0.4, deviations
    loss = 2.0 * np.array(losses)
    return healthy(checks=4, loss=loss, spike=spike, **changes)


def spikes(evidence: Evidence) -> list[Finding]:
    return list(GradientSpike().detect(evidence))


def test_a_spike_is_told_with_its_update_and_rows(healthy: Profile) -> None:
    rows = np.full((4, 10), -1)
    rows[2, :3] = 7, 1, 300
    (found,) = spikes(spiked(healthy, spike_rows=rows))
    assert (found.severity, found.epoch, found.step) == ("warning", 3, 27)
    assert (found.measured, found.threshold) == (pytest.approx(50.0), 10.0)
    assert "update 27" in found.why and "rows 7, 1, 300" in found.why
    assert "-1" not in found.why
    assert found.remedy is not None
    (edit,) = found.remedy.patch
    assert (edit.path, edit.value) == ("train.clip_norm", 1.2), "3 x 0.4"


def test_no_spike_in_a_healthy_run_nor_before_training(healthy: Profile) -> None:
    missing = np.full((6, 4), np.nan)
    stuck = np.full(6, 1.9)
    for evidence in (healthy(), healthy(loss=stuck), Evidence()):
        assert spikes(evidence) == []
    assert spikes(healthy(spike=missing, loss=stuck)) == []
    assert spikes(healthy(spike=np.zeros((0, 4)), loss=stuck)) == []


@pytest.mark.parametrize(
    ("times", "deviations", "fires"),
    [(10.1, 6.1, True), (9.9, 6.1, False), (10.1, 5.9, False), (0.02, -9.0, False)],
)
def test_a_spike_at_both_sides(
    healthy: Profile, times: float, deviations: float, fires: bool
) -> None:
    assert bool(spikes(spiked(healthy, times, deviations))) is fires


@pytest.mark.parametrize(
    ("losses", "fires"),
    [
        ((0.5, 0.5, 0.101, 0.101), True),
        ((0.5, 0.5, 0.099, 0.11), False),
        ((0.5, 0.5, 0.11, 0.099), False),
    ],
)
def test_converged_runs_have_no_spikes(
    healthy: Profile, losses: tuple[float, ...], fires: bool
) -> None:
    assert bool(spikes(spiked(healthy, losses=losses))) is fires


@pytest.mark.parametrize(("after", "severity"), [(0.54, "note"), (0.56, "warning")])
def test_a_spike_that_did_no_harm_is_a_note(
    healthy: Profile, after: float, severity: str
) -> None:
    (found,) = spikes(spiked(healthy, losses=(0.5, 0.5, after, 0.5)))
    assert found.severity == severity


def test_a_spike_in_the_first_epoch_is_measured_by_the_prior(healthy: Profile) -> None:
    for first, severity in ((1.05, "note"), (1.15, "warning")):
        evidence = spiked(healthy, losses=(first, 0.9, 0.9, 0.9))
        evidence.spike[[0, 2]] = evidence.spike[[2, 0]]
        (found,) = spikes(evidence)
        assert (found.epoch, found.severity) == (1, severity)


def test_the_worst_spike_is_told_and_the_others_counted(healthy: Profile) -> None:
    evidence = spiked(healthy)
    evidence.spike[1] = 15.0, 400.0, 1.0, 30.0
    (found,) = spikes(evidence)
    assert (found.epoch, found.severity) == (3, "warning"), "that did harm"
    assert "1 more epochs" in found.why
    evidence.spike[3] = 35.0, 30.0, 1.0, 7.0
    evidence.loss[3] = 2.0
    (found,) = spikes(evidence)
    assert found.epoch == 3, "the larger of two that did harm"
    evidence.loss[2:] = 1.0
    (found,) = spikes(evidence)
    assert (found.epoch, found.severity) == (2, "note"), "none did: the largest"


def test_a_median_of_zero_makes_any_gradient_a_spike(healthy: Profile) -> None:
    evidence = spiked(healthy)
    evidence.spike[2] = 27.0, 1.0, 0.0, np.inf
    (found,) = spikes(evidence)
    assert found.measured is not None and np.isfinite(found.measured)


def test_the_thresholds_of_a_spike_can_be_changed(healthy: Profile) -> None:
    evidence = spiked(healthy)
    assert not list(GradientSpike(threshold=9.0).detect(evidence))
    assert not list(GradientSpike(times=60.0).detect(evidence))
    assert not list(GradientSpike(converged=0.7).detect(evidence))
    (found,) = GradientSpike(harm=1.5).detect(evidence)
    assert found.severity == "note"


def test_a_spike_after_gradients_of_0_has_a_number(
    healthy: Callable[..., Evidence],
) -> None:
    spike = np.tile([25.0, 3.0, 0.0, 500.0], (6, 1))
    (found,) = GradientSpike().detect(healthy(spike=spike, loss=np.full(6, 1.9)))
    assert found.measured is not None and np.isfinite(found.measured)
