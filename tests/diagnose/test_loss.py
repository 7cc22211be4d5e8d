"""L3 to L6: what the loss does, both sides of every threshold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nettrain.diagnose import Evidence, Finding, Setting, diagnose
from nettrain.diagnose.detectors import Diverged, Guessing, Oscillation, Plateau
from nettrain.diagnose.detectors.loss import falling

Healthy = Callable[..., Evidence]
H0 = 2.0


def found_by(detector: Any, evidence: Evidence) -> list[Finding]:
    return list(detector.detect(evidence))


def test_a_healthy_run_and_one_without_a_check_are_silent(healthy: Healthy) -> None:
    for evidence in (healthy(), healthy(checks=40), Evidence()):
        for detector in (Diverged(), Guessing(), Plateau(), Oscillation()):
            assert found_by(detector, evidence) == []


# ---------------------------------------------------------------- diverged


def run_of(healthy: Healthy, *losses: float) -> Evidence:
    return healthy(checks=len(losses), loss=np.array(losses) * H0)


@pytest.mark.parametrize(("loss", "fires"), [(1.49, False), (1.51, True)])
def test_diverged_at_both_sides(healthy: Healthy, loss: float, fires: bool) -> None:
    found = found_by(Diverged(), run_of(healthy, *[loss] * 7))
    assert bool(found) is fires
    if fires:
        assert (found[0].severity, found[0].epoch, found[0].step) == ("error", 7, 70)
        assert found[0].measured == pytest.approx(loss)
        assert found[0].threshold == 1.5
        assert found[0].remedy is not None and found[0].remedy.measure


def test_the_first_epochs_may_begin_high(healthy: Healthy) -> None:
    assert found_by(Diverged(), run_of(healthy, *[9.0] * 6)) == []
    assert found_by(Diverged(), run_of(healthy, *[9.0] * 7))
    assert found_by(Diverged(), run_of(healthy, 9, 9, 9, 9, 9, 1, 1, 1)) == []


def test_the_median_of_five_counts(healthy: Healthy) -> None:
    calm = [0.5] * 4
    assert found_by(Diverged(), run_of(healthy, *calm, 0.5, 9, 9)) == []
    assert found_by(Diverged(), run_of(healthy, *calm, 9, 9)) == []
    (found,) = found_by(Diverged(), run_of(healthy, *calm, 9, 9, 9, 9))
    assert found.epoch == 7


def test_a_loss_that_came_back_has_not_diverged(healthy: Healthy) -> None:
    there = [9.0] * 8
    assert found_by(Diverged(), run_of(healthy, *there, 1, 1, 1)) == []
    (again,) = found_by(Diverged(), run_of(healthy, *there, 1, 1, 1, 9, 9, 9))
    assert again.epoch == 14, "of the stretch that lasts"


def test_the_thresholds_of_diverged_can_be_changed(healthy: Healthy) -> None:
    evidence = run_of(healthy, *[2.0] * 7)
    assert found_by(Diverged(threshold=2.5), evidence) == []
    assert found_by(Diverged(start=8), evidence) == []
    assert found_by(Diverged(checks=8), evidence) == []
    assert found_by(Diverged(start=6), run_of(healthy, *[2.0] * 6))


# ---------------------------------------------------------------- guessing


def guessing(healthy: Healthy, loss: float, steps: int, **changes: Any) -> Evidence:
    """A run of 1,200 planned updates that is still going on."""
    facts = {"planned_steps": 1200, "finished": False, **changes}
    return healthy(
        checks=2,
        steps=np.array([10, steps]),
        loss=np.array([1.2, loss]) * H0,
        **facts,
    )


@pytest.mark.parametrize(("loss", "fires"), [(0.96, False), (0.98, True)])
def test_guessing_at_both_sides(healthy: Healthy, loss: float, fires: bool) -> None:
    found = found_by(Guessing(), guessing(healthy, loss, 600))
    assert bool(found) is fires
    if fires:
        assert (found[0].severity, found[0].threshold) == ("warning", 0.97)
        assert found[0].measured == pytest.approx(loss)
        assert "right for 0.52 of the rows" in found[0].why


def test_the_best_loss_counts(healthy: Healthy) -> None:
    evidence = guessing(healthy, 1.0, 1200)
    evidence.loss[0] = 0.9 * H0
    assert found_by(Guessing(), evidence) == []


@pytest.mark.parametrize(
    ("steps", "planned", "severity"),
    [
        (299, 1000, None),
        (300, 1200, "note"),
        (300, 1201, None),
        (599, 1200, "note"),
        (600, 1200, "warning"),
        (250, 250, None),
        (300, 300, "warning"),
    ],
)
def test_not_before_a_quarter_nor_300_updates(
    healthy: Healthy, steps: int, planned: int, severity: str | None
) -> None:
    found = found_by(Guessing(), guessing(healthy, 1.0, steps, planned_steps=planned))
    assert [f.severity for f in found] == ([severity] if severity else [])


def test_a_run_that_was_stopped_has_spent_its_budget(healthy: Healthy) -> None:
    stopped = guessing(healthy, 1.0, 310, planned_steps=10_000, finished=True)
    assert [f.severity for f in found_by(Guessing(), stopped)] == ["warning"]
    short = guessing(healthy, 1.0, 290, finished=True)
    assert found_by(Guessing(), short) == []


def test_guessing_is_told_at_the_end(healthy: Healthy) -> None:
    evidence = guessing(healthy, 1.0, 1200)
    found = diagnose(replace(evidence, finished=True))
    assert [f.id for f in diagnose(evidence)].count("L4") == 0
    assert [f.id for f in found].count("L4") == 1


def test_a_regression_has_no_majority(healthy: Healthy) -> None:
    (found,) = found_by(Guessing(), guessing(healthy, 1.0, 600, targets=None))
    assert "right for" not in found.why


def test_the_thresholds_of_guessing_can_be_changed(healthy: Healthy) -> None:
    evidence = guessing(healthy, 1.0, 600)
    assert found_by(Guessing(threshold=1.1), evidence) == []
    assert found_by(Guessing(budget=0.6), evidence) == []
    assert found_by(Guessing(updates=601), evidence) == []
    assert [f.severity for f in found_by(Guessing(half=0.6), evidence)] == ["note"]


def test_without_a_prior_above_zero_nothing_is_said(healthy: Healthy) -> None:
    for prior in (0.0, float("nan")):
        evidence = guessing(healthy, 5.0, 1200, prior=prior)
        assert found_by(Guessing(), evidence) == []
        high = run_of(healthy, *[9.0] * 8)
        assert (
            found_by(Diverged(), healthy(checks=8, loss=high.loss, prior=prior)) == []
        )


# ---------------------------------------------------------------- plateau

NOISE = np.random.default_rng(3).normal(size=100)


def slow(healthy: Healthy, losses: np.ndarray, **changes: Any) -> Evidence:
    return healthy(**{"loss": np.full(6, 0.6 * H0), "losses": losses, **changes})


def tilted(slope: float) -> np.ndarray:
    """Losses with the same noise and exactly that slope, from end to end."""
    time = np.linspace(-0.5, 0.5, 100)
    rest = NOISE - NOISE.mean() - (NOISE @ time) / (time @ time) * time
    return np.asarray(1.0 + 0.05 * rest + slope * time)


def test_the_probability_that_a_loss_falls() -> None:
    assert falling(tilted(0.0)) == pytest.approx(0.5)
    assert falling(tilted(-1.0)) > 0.999 and falling(tilted(1.0)) < 0.001
    # m = -1/99 per update; σ_m = s √(12 / (n³ - n)), s² = Σr² / 98.
    rest = tilted(0.0) - 1.0
    error = np.sqrt(rest @ rest / 98 * 12 / (100**3 - 100))
    assert falling(tilted(-99 * error)) == pytest.approx(0.841345, abs=1e-6)
    assert falling(np.ones(60)) == 0.5
    assert falling(np.arange(3.0)) == 0.0 and falling(-np.arange(3.0)) == 1.0


def test_flat_and_rising_losses_are_a_plateau_and_falling_ones_are_not(
    healthy: Healthy,
) -> None:
    for slope, fires in ((0.05, True), (-0.05, False), (-0.5, False)):
        found = found_by(Plateau(), slow(healthy, tilted(slope)))
        assert bool(found) is fires
        assert all(f.severity == "note" and f.threshold == 0.51 for f in found)
    (flat,) = found_by(Plateau(), slow(healthy, np.full(60, 1.2)))
    assert flat.measured == 0.5


@pytest.mark.parametrize(("likely", "fires"), [(0.505, True), (0.515, False)])
def test_a_plateau_at_both_sides(healthy: Healthy, likely: float, fires: bool) -> None:
    """Without `top` only the one probability decides."""
    rest = tilted(0.0) - 1.0
    error = float(np.sqrt(rest @ rest / 98 * 12 / (100**3 - 100)))
    z = {0.505: 0.012533, 0.515: 0.037608}[likely]
    losses = tilted(-99 * error * z)
    assert falling(losses) == pytest.approx(likely, abs=1e-4)
    assert bool(found_by(Plateau(top=0.0), slow(healthy, losses))) is fires


def test_a_few_bad_batches_do_not_hide_that_the_loss_falls(healthy: Healthy) -> None:
    losses = tilted(-0.2)
    losses[90:99] += 5.0
    assert falling(losses) < 0.05
    assert found_by(Plateau(), slow(healthy, losses)) == []
    assert found_by(Plateau(top=0.0), slow(healthy, losses))


@pytest.mark.parametrize(("peaks", "fires"), [(10, False), (11, True)])
def test_a_tenth_of_the_losses_are_left_out(
    healthy: Healthy, peaks: int, fires: bool
) -> None:
    losses = tilted(-0.2)
    losses[-peaks:] += 500.0
    assert bool(found_by(Plateau(), slow(healthy, losses))) is fires


def test_early_peaks_make_no_fall(healthy: Healthy) -> None:
    losses = tilted(0.02)
    losses[:9] += 5.0
    assert falling(losses) > 0.99
    assert found_by(Plateau(), slow(healthy, losses)) == [], "both must agree"


@pytest.mark.parametrize(("loss", "fires"), [(0.099, False), (0.101, True)])
def test_what_was_learned_has_no_plateau(
    healthy: Healthy, loss: float, fires: bool
) -> None:
    flat = slow(healthy, tilted(0.1), loss=np.full(6, loss * H0))
    assert bool(found_by(Plateau(), flat)) is fires


def test_a_plateau_takes_fifty_updates(healthy: Healthy) -> None:
    losses = tilted(0.5)
    assert found_by(Plateau(), slow(healthy, losses[:49])) == []
    assert found_by(Plateau(), slow(healthy, losses[:50]))
    assert found_by(Plateau(updates=101), slow(healthy, losses)) == []
    bad = losses.copy()
    bad[:51] = np.nan
    assert found_by(Plateau(), slow(healthy, bad)) == []


def test_a_constant_rate_gets_a_schedule(healthy: Healthy) -> None:
    (found,) = found_by(Plateau(), slow(healthy, tilted(0.1)))
    assert found.remedy is not None and not found.remedy.measure
    (edit,) = found.remedy.patch
    assert edit.path == "optimizer.adam.learning_rate"
    assert edit.value == {"cosine": {"peak": 0.01}}
    settings = {"learning_rate": Setting("rate", {"cyclic": {"low": 1.0}}, 8)}
    (found,) = found_by(Plateau(), slow(healthy, tilted(0.1), settings=settings))
    assert found.remedy is not None and not found.remedy.patch
    assert found.config_line == 8


@pytest.mark.parametrize(
    ("rate", "fires"),
    [
        (0.1, True),
        ({"constant": 0.1}, True),
        ({"cosine": {"peak": 0.1}}, False),
        ({"linear_warmup": {"peak": 0.1}}, True),
        ({"linear_warmup": {"peak": {"step": {"initial": 0.1}}}}, False),
    ],
)
def test_where_the_rate_falls_the_loss_is_to_stand_still(
    healthy: Healthy, rate: object, fires: bool
) -> None:
    settings = {"learning_rate": Setting("rate", rate)}
    run = slow(healthy, tilted(0.1), settings=settings)
    assert bool(found_by(Plateau(), run)) is fires


# ---------------------------------------------------------------- oscillation

ZIGZAG = np.where(np.arange(100) % 2, 1.0, -1.0)


def swinging(healthy: Healthy, share: float, ratio: float, **changes: Any) -> Evidence:
    """Losses with a zigzag in noise, falling; autocorrelation about -share."""
    losses = 1.0 + np.sqrt(share) * ZIGZAG + np.sqrt(1 - share) * NOISE
    losses = losses - np.linspace(0, 20, 100)
    return slow(healthy, losses, update_ratio=np.full((6, 3), ratio), **changes)


def test_swings_with_large_steps(healthy: Healthy) -> None:
    (found,) = found_by(Oscillation(), swinging(healthy, 0.9, 0.05))
    assert found.severity == "note" and found.threshold == -0.4
    assert found.measured == pytest.approx(-0.9, abs=0.1)
    assert found.remedy is not None
    assert found.remedy.patch[0].value == pytest.approx(1e-3)


def test_noise_and_waves_do_not_swing(healthy: Healthy) -> None:
    assert found_by(Oscillation(), swinging(healthy, 0.0, 0.05)) == []
    wave = np.sin(np.arange(100) / 4)
    evidence = slow(healthy, wave, update_ratio=np.full((6, 3), 0.05))
    assert found_by(Oscillation(), evidence) == []
    flat = slow(healthy, np.ones(100), update_ratio=np.full((6, 3), 0.05))
    assert found_by(Oscillation(), flat) == []


@pytest.mark.parametrize(("share", "fires"), [(0.34, False), (0.37, True)])
def test_swings_at_both_sides(healthy: Healthy, share: float, fires: bool) -> None:
    evidence = swinging(healthy, share, 0.05)
    (any_,) = found_by(Oscillation(threshold=-0.01), evidence)
    assert any_.measured is not None and (any_.measured < -0.4) is fires
    assert abs(any_.measured + 0.4) < 0.03
    assert bool(found_by(Oscillation(), evidence)) is fires


@pytest.mark.parametrize(("ratio", "fires"), [(0.0199, False), (0.0201, True)])
def test_only_large_steps_swing(healthy: Healthy, ratio: float, fires: bool) -> None:
    assert bool(found_by(Oscillation(), swinging(healthy, 0.9, ratio))) is fires


def test_the_last_epoch_says_how_large_steps_are(healthy: Healthy) -> None:
    evidence = swinging(healthy, 0.9, 0.05)
    evidence.update_ratio[-1] = 1e-3
    assert found_by(Oscillation(), evidence) == []


@pytest.mark.parametrize(("loss", "fires"), [(0.099, False), (0.101, True)])
def test_what_was_learned_may_swing(healthy: Healthy, loss: float, fires: bool) -> None:
    evidence = swinging(healthy, 0.9, 0.05, loss=np.full(6, loss * H0))
    assert bool(found_by(Oscillation(), evidence)) is fires


def test_two_batches_an_epoch_swing_by_themselves(healthy: Healthy) -> None:
    assert (
        found_by(Oscillation(), swinging(healthy, 0.9, 0.05, steps_per_epoch=2)) == []
    )
    assert found_by(Oscillation(), swinging(healthy, 0.9, 0.05, steps_per_epoch=1))


def test_swings_take_fifty_updates(healthy: Healthy) -> None:
    evidence = swinging(healthy, 0.9, 0.05)
    for count, fires in ((49, False), (50, True)):
        short = slow(
            healthy, evidence.losses[:count], update_ratio=evidence.update_ratio
        )
        assert bool(found_by(Oscillation(), short)) is fires


@pytest.mark.parametrize(
    ("begun", "lowest", "fires"),
    [(1.0, 3.0, True), (9.0, 3.0, False), (9.0, 1.9, True), (9.0, 2.1, False)],
)
def test_what_begins_high_and_falls_has_not_diverged(
    healthy: Healthy, begun: float, lowest: float, fires: bool
) -> None:
    """It ends at 3 H0: a divergence from 1.9, and none from 9 by way of 3."""
    loss = H0 * np.array([lowest, *[3.0] * 8])
    made = healthy(checks=9, loss=loss)
    signals = replace(made.signals, loss=begun * H0)
    found = found_by(Diverged(), replace(made, signals=signals))
    assert bool(found) is fires


@pytest.mark.parametrize(
    ("loss", "score", "rows", "fires"),
    [
        (0.91, 0.5, 100, True),
        (0.89, 0.5, 100, False),
        (0.98, 0.61, 100, True),
        (0.98, 0.63, 100, False),
        (0.98, 0.5, 29, False),
    ],
)
def test_what_is_learned_by_heart_says_nothing_of_other_rows(
    healthy: Healthy, loss: float, score: float, rows: int, fires: bool
) -> None:
    """The majority has .52, its standard error with 100 rows is .05."""
    made = healthy(validation_loss=np.full(6, loss * H0))
    made = replace(made, validation_score=np.full(6, score), finished=True)
    made = replace(made, targets=replace(made.targets, validation_rows=rows))
    found = [f for f in diagnose(made) if f.id == "L4"]
    assert bool(found) is fires
    assert not [f for f in diagnose(replace(made, finished=False)) if f.id == "L4"]


def regression(healthy: Healthy, score: float, error: float) -> Evidence:
    """100 validation rows, whose loss is .86 of guessing's in training."""
    made = healthy(validation_loss=np.full(6, 0.86 * H0))
    targets = replace(
        made.targets, task="regression", validation_rows=100,
        counts=np.zeros(0, int), validation_counts=np.zeros(0, int),
    )  # fmt: skip
    score, error = np.full(6, score), np.full(6, error)
    return replace(
        made, targets=targets, validation_score=score, score_error=error, finished=True
    )


@pytest.mark.parametrize(
    ("prior", "fires"), [(np.nan, False), (1.0, False), (0.94, True), (0.97, False)]
)
def test_validation_rows_are_guessed_by_themselves(
    healthy: Healthy, prior: float, fires: bool
) -> None:
    """They may vary less than the training rows do."""
    made = replace(regression(healthy, 0.02, 0.05), validation_prior=prior * H0)
    found = found_by(Guessing(), made)
    assert bool(found) is fires
    for finding in found:
        assert finding.measured == pytest.approx(0.86 / prior)
        assert finding.threshold == 0.9 and "of guessing's there" in finding.why


@pytest.mark.parametrize(
    ("score", "error", "fires"),
    [(0.06, 0.04, True), (0.09, 0.04, False), (0.03, 0.0, False), (0.015, 0.0, True)],
)
def test_a_regression_has_an_error_of_its_own(
    healthy: Healthy, score: float, error: float, fires: bool
) -> None:
    """Two of R²'s, which is at least .01 with 100 rows: no accuracy's .1."""
    made = replace(regression(healthy, score, error), validation_prior=0.9 * H0)
    assert bool(found_by(Guessing(), made)) is fires


def test_the_score_is_that_of_the_weights_in_use(healthy: Healthy) -> None:
    made = replace(regression(healthy, 0.5, 0.04), validation_prior=0.9 * H0)
    made.validation_score[2], made.validation_loss[2] = 0.05, 0.85 * H0
    assert not found_by(Guessing(), made)
    stop = Setting("train.stop", {"monitor": "validation/loss", "restore_best": True})
    assert found_by(Guessing(), replace(made, settings={"stop": stop}))


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"fee": "ignore", "a": "categorical"}, "leaves out fee: what is known"),
        ({f"c{i}": "ignore" for i in range(7)}, "c0, c1, c2, c3, c4 and 2 more:"),
        ({"a": "categorical"}, ""),
        (None, ""),
    ],
)
@pytest.mark.parametrize("learned", [True, False])
def test_columns_that_are_left_out_may_be_missed(
    healthy: Healthy, columns: Any, said: str, learned: bool
) -> None:
    made = replace(regression(healthy, 0.0, 0.04), validation_prior=H0 * 0.9)
    if not learned:
        nothing = {"loss": np.full(6, 0.99 * H0), "score": np.zeros(6)}
        made = replace(made, steps=100 * made.steps, planned_steps=6000, **nothing)
    made = replace(made, settings={"columns": Setting("data.columns", columns)})
    found = {f.id: f for f in diagnose(made)}
    assert ("U1" in found) is not learned
    for id_ in ("L4", *["U1"] * (not learned)):
        remedy = found[id_].remedy
        assert remedy and said in remedy.text
        assert ("leaves out" in remedy.text) is bool(said)
