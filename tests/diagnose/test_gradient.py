"""G1 and G2: both sides of every threshold, and the right direction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from nettrain.diagnose import Evidence, Finding, diagnose
from nettrain.diagnose.detectors import ExplodingGradient, VanishingGradient

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
