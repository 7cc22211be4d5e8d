"""O0 to O3, X1, C1 and U1: what is judged by the weights that training ends with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nettrain.diagnose import Evidence, Finding, Setting, Targets, diagnose
from nettrain.diagnose.causes import ordered
from nettrain.diagnose.detector import Detector
from nettrain.diagnose.detectors import (
    ClassIgnored,
    Drifting,
    Gap,
    Leakage,
    Memorising,
    Overconfidence,
    Overfitting,
    Underfit,
)
from nettrain.diagnose.detectors.generalization import error_of, in_use
from nettrain.diagnose.facts import Drift

Make = Callable[..., Evidence]
DETECTORS: list[Detector] = [
    ClassIgnored(),
    Drifting(),
    Gap(),
    Leakage(),
    Memorising(),
    Overconfidence(),
    Overfitting(),
    Underfit(),
]
RESTORE = {"monitor": "validation/loss", "patience": 5, "restore_best": True}


def found_in(evidence: Evidence, *detectors: Detector) -> list[str]:
    of = detectors or tuple(DETECTORS)
    return [found.id for detector in of for found in detector.detect(evidence)]


def only(evidence: Evidence, detector: Detector) -> Finding:
    (found,) = detector.detect(evidence)
    return found


def stopped(evidence: Evidence, **stop: Any) -> Evidence:
    """The same run with that in `train.stop`."""
    settings = {**evidence.settings, "stop": Setting("train.stop", stop, 7)}
    return replace(evidence, settings=settings)


def patch(found: Finding) -> list[tuple[str, str, Any]]:
    assert found.remedy is not None and found.remedy.text
    return [(edit.do, edit.path, edit.value) for edit in found.remedy.patch]


def regression(evidence: Evidence, rows: int = 100) -> Evidence:
    return replace(evidence, targets=Targets("regression", 320, rows))


def test_a_healthy_run_has_none_of_them(healthy: Make) -> None:
    assert found_in(healthy()) == []


def test_without_a_validation_part_nothing_is_said(healthy: Make) -> None:
    """One that is not there, one that is NaN, and a trainer that says little."""
    unknown = np.full(6, np.nan)
    bad = {"score": np.ones(6)}
    nothing = healthy(validation_loss=unknown, validation_score=unknown, **bad)
    assert found_in(nothing) == []
    assert found_in(healthy(validation_score=np.zeros(0), **bad)) == []
    assert found_in(healthy(targets=None, recall=np.zeros((6, 2)))) == []
    assert found_in(Evidence()) == []


# ---------------------------------------------------------------- standard errors


def test_the_error_of_an_accuracy(healthy: Make) -> None:
    """√(m (1 - m) / 100), m (1 - m) at least .01."""
    evidence = healthy(validation_score=np.array([0.5, 0.9, 0.999, 1.0, 0.0, 0.2]))
    wanted = [0.05, 0.03, 0.01, 0.01, 0.01, 0.04]
    assert error_of(evidence) == pytest.approx(wanted)


def test_the_error_of_an_r2_is_its_own(healthy: Make) -> None:
    """And at least √(.01 / n): a perfect fit does not make every change count."""
    errors = np.array([0.2, 0.05, 0.011, 0.009, 1e-6, 0.02])
    evidence = regression(healthy(score_error=errors))
    wanted = [0.2, 0.05, 0.011, 0.01, 0.01, 0.02]
    assert error_of(evidence) == pytest.approx(wanted)


# ---------------------------------------------------------------- O0 and O1


@pytest.fixture
def rising(healthy: Make) -> Make:
    """Ten checks: the validation loss is lowest at the fourth, then `times` that.

    The score is .9 at its best and as given at the end.
    """

    def make(times: float = 1.3, last: float = 0.7, since: int = 5) -> Evidence:
        loss, score = np.full(10, 0.55), np.full(10, 0.9)
        loss[3] = 0.5
        loss[since:], score[since:] = 0.5 * times, last
        return healthy(checks=10, validation_loss=loss, validation_score=score)

    return make


def test_a_validation_loss_that_rises(rising: Make) -> None:
    found = only(rising(), Overfitting())
    assert (found.id, found.severity) == ("O1", "warning")
    assert (found.measured, found.threshold) == (pytest.approx(1.3), 1.2)
    assert (found.epoch, found.step) == (10, 100)
    assert "epoch 4" in found.why
    assert found_in(rising(), Overconfidence()) == []


def test_a_validation_loss_that_falls(rising: Make) -> None:
    """The same curve backwards."""
    evidence = rising()
    backwards = replace(
        evidence,
        validation_loss=evidence.validation_loss[::-1],
        validation_score=evidence.validation_score[::-1],
    )
    assert found_in(backwards, Overfitting(), Overconfidence()) == []


def test_how_far_and_how_long_it_must_rise(rising: Make) -> None:
    both = Overfitting(), Overconfidence()
    assert found_in(rising(times=1.19), *both) == []
    assert found_in(rising(times=1.21), *both) == ["O1"]
    assert found_in(rising(since=6), *both) == []
    assert found_in(rising(since=6), Overfitting(checks=4)) == ["O1"]
    assert found_in(rising(times=1.1), Overfitting(rise=1.05)) == ["O1"]
    assert only(rising(since=4), Overfitting()).epoch == 9


def test_how_far_and_how_long_it_rises_for_a_note(rising: Make) -> None:
    note = Overconfidence()
    assert found_in(rising(times=1.19, last=0.9), note) == []
    assert found_in(rising(times=1.21, last=0.9), note) == ["O0"]
    assert found_in(rising(since=6, last=0.9), note) == []


def test_a_dip_at_the_end_starts_the_count_anew(rising: Make) -> None:
    evidence = rising()
    evidence.validation_loss[-1] = 0.59
    assert found_in(evidence, Overfitting(), Overconfidence()) == []


@pytest.mark.parametrize(
    ("last", "id_"), [(0.9, "O0"), (1.0, "O0"), (0.78, "O0"), (0.77, "O1")]
)
def test_the_score_tells_overfitting_from_overconfidence(
    rising: Make, last: float, id_: str
) -> None:
    """Three errors of √(.78 · .22 / 100) = .041 below .9."""
    evidence = rising(last=last)
    found = found_in(evidence, Overfitting(), Overconfidence())
    assert found == [id_]
    if id_ == "O0":
        note = only(evidence, Overconfidence())
        assert (note.severity, note.measured) == ("note", pytest.approx(1.3))
        assert patch(note) == [("set", "train.stop", RESTORE)]


def test_fewer_errors_make_more_of_it(rising: Make) -> None:
    evidence = rising(last=0.8)
    assert found_in(evidence, Overfitting(errors=2.0)) == ["O1"]
    assert found_in(evidence, Overconfidence(errors=2.0)) == []


def test_a_good_validation_loss_may_rise(rising: Make) -> None:
    """A tenth of H0, which is 2: .65 / 2 is .325."""
    for share, found in ((0.32, ["O0"]), (0.33, [])):
        assert found_in(rising(last=0.9), Overconfidence(least=share)) == found
    evidence = rising(last=0.9)
    for factor, found in ((0.31, ["O0"]), (0.3, [])):
        small = replace(evidence, validation_loss=evidence.validation_loss * factor)
        assert found_in(small, Overconfidence()) == found


def test_a_loss_of_0_is_no_measure(rising: Make) -> None:
    evidence = rising()
    evidence.validation_loss[3] = 0.0
    assert found_in(evidence, Overfitting(), Overconfidence()) == []


def test_overfitting_is_stopped_early(rising: Make) -> None:
    evidence = rising()
    wanted = [("set", "train.stop", RESTORE)]
    assert patch(only(evidence, Overfitting())) == wanted
    stop = {"monitor": "train/loss", "goal": "min", "patience": 50}
    found = only(stopped(evidence, **stop), Overfitting())
    assert patch(found) == wanted and found.config_line == 7
    (edit,) = patch(only(stopped(evidence, minutes=3.0), Overfitting()))
    assert edit[2] == {**RESTORE, "minutes": 3.0}


def test_a_restored_epoch_is_the_cure(rising: Make) -> None:
    evidence = stopped(rising(), **RESTORE)
    assert found_in(evidence) == []
    assert in_use(evidence).epochs[-1] == 4
    without = stopped(rising(), monitor="validation/loss", restore_best=False)
    assert found_in(without, Overfitting()) == ["O1"]
    assert in_use(without).epochs[-1] == 10


def test_the_epoch_that_is_restored_is_the_monitors(rising: Make) -> None:
    evidence = rising()
    evidence.validation_score[7] = 0.95
    for monitor, epoch in (
        ("validation/accuracy", 8),
        ("validation/r2", 8),
        ("validation/mae", 4),
    ):
        restored = stopped(evidence, **{**RESTORE, "monitor": monitor})
        assert in_use(restored).epochs[-1] == epoch


# ---------------------------------------------------------------- O2, O3, X1


def scored(healthy: Make, train: float, validation: float) -> Evidence:
    """Final scores; 52 of 100 validation rows are of one class."""
    start = 0.5 * np.ones(5)
    return healthy(
        score=np.append(start, train), validation_score=np.append(start, validation)
    )


def of_rows(evidence: Evidence, *counts: int) -> Evidence:
    """The same scores on so many validation rows of each class."""
    assert evidence.targets is not None
    targets = replace(
        evidence.targets,
        validation_rows=sum(counts),
        validation_counts=np.array(counts),
    )
    return replace(evidence, targets=targets)


@pytest.mark.parametrize(
    ("train", "validation", "memorised"),
    [
        (1.0, 0.50, True),
        (1.0, 0.61, True),
        (1.0, 0.62, False),
        (1.0, 0.95, False),
        (0.68, 0.50, True),
        (0.66, 0.40, False),
        (0.50, 1.00, False),
    ],
)
def test_what_is_known_of_training_rows_only(
    healthy: Make, train: float, validation: float, memorised: bool
) -> None:
    """At most .52 + 2 · .049 and above .52 + .15."""
    evidence = scored(healthy, train, validation)
    assert found_in(evidence, Memorising()) == ["O2"] * memorised


def test_what_the_finding_says(healthy: Make) -> None:
    found = only(scored(healthy, 1.0, 0.5), Memorising())
    assert (found.severity, found.measured) == ("error", 0.5)
    assert found.threshold == pytest.approx(0.62)
    assert found.healthy == pytest.approx((0.52 + 0.5 * 0.48, 1.0))
    assert (found.epoch, found.step) == (6, 60)
    assert "0.52" in found.why and "accuracy" in found.why
    assert patch(found) == []
    assert found.remedy is not None and "labels" in found.remedy.text


def test_labels_that_an_epoch_understood_are_not_doubted(healthy: Make) -> None:
    for best, doubted in ((0.61, True), (0.63, False)):
        evidence = scored(healthy, 1.0, 0.5)
        evidence.validation_score[2] = best
        remedy = only(evidence, Memorising()).remedy
        assert remedy is not None and ("labels" in remedy.text) is doubted
        # Without one there is no epoch worth keeping.
        stop = [] if doubted else [("train.stop", RESTORE)]
        assert [(edit.path, edit.value) for edit in remedy.patch] == stop


def drifting(evidence: Evidence, **fields: Any) -> Evidence:
    drift = replace(Drift("gauge", 0.6, 0.3, -1.5, later=True), **fields)
    assert evidence.inputs is not None
    return replace(evidence, inputs=replace(evidence.inputs, drift=drift))


def test_rows_that_drift(healthy: Make) -> None:
    evidence = drifting(scored(healthy, 0.9, 0.7))
    found = only(evidence, Drifting())
    assert (found.id, found.severity, found.measured) == ("D6", "warning", 0.6)
    assert (found.threshold, found.epoch) == (0.4, 6)
    assert "come after" in found.why and "gauge is -1.5 standard" in found.why
    assert patch(found) == [("set", "data.split.by", "random")]
    other = only(drifting(evidence, later=False), Drifting())
    assert patch(other) == [] and "come after" not in other.why
    first, *others = diagnose(drifting(scored(healthy, 1.0, 0.5)))
    assert (first.id, first.severity, first.primary) == ("D6", "error", True)
    assert ("O2", "D6") in [(f.id, f.consequence_of) for f in others]


def test_both_scores_say_of_which_weights_they_are(healthy: Make) -> None:
    """What was learned by heart is seen at the end, the table is of the best epoch."""
    evidence = drifting(scored(healthy, 1.0, 0.5))
    evidence.validation_score[1], evidence.validation_loss[1] = 0.52, 0.01
    for detector in (Drifting(), Memorising()):
        why = only(evidence, detector).why
        assert "accuracy is 1 on the training part and 0.5 ±" in why
        found = only(stopped(evidence, **RESTORE), detector)
        part = "on the training part at the end, after epoch 6, and 0.52 ±"
        assert f"accuracy is 1 {part}" in found.why
        assert found.epoch == 2
    (gap,) = Gap().detect(stopped(scored(healthy, 1.0, 0.5), **RESTORE))
    assert "at the end" not in gap.why


@pytest.mark.parametrize(
    ("train", "validation", "fields"),
    [
        (0.9, 0.7, {"distance": 0.39}),
        (0.9, 0.7, {"chance": 0.61}),
        (0.9, 0.85, {}),  # known as well
        (0.9, 0.79, {}),  # by chance: 3 · .041
        (0.55, 0.3, {}),  # nothing was learned
    ],
)
def test_rows_that_do_not_drift(
    healthy: Make, train: float, validation: float, fields: dict[str, Any]
) -> None:
    evidence = drifting(scored(healthy, train, validation), **fields)
    assert found_in(evidence, Drifting()) == []
    assert found_in(scored(healthy, 0.9, 0.7), Drifting()) == []


def test_a_gap_that_chance_can_make_condemns_nobody(healthy: Make) -> None:
    """Fifteen rows: .73 is within two errors of .53, but within three of .95 too."""
    evidence = of_rows(scored(healthy, 0.95, 0.73), 8, 7)
    assert found_in(evidence, Memorising()) == []
    assert found_in(evidence, Memorising(errors=1.5)) == ["O2"]
    assert found_in(evidence, Memorising(errors=1.5, near=1.0)) == []
    assert found_in(evidence, Memorising(errors=1.5, learned=0.45)) == []


@pytest.mark.parametrize(("train", "found"), [(0.92, []), (0.94, ["O2"])])
def test_the_gap_that_condemns(healthy: Make, train: float, found: list[str]) -> None:
    """Three errors of √(.6 · .4 / 20) = .11 above .6."""
    evidence = of_rows(scored(healthy, train, 0.6), 11, 9)
    assert found_in(evidence, Memorising()) == found


def test_memorising_in_a_regression(healthy: Make) -> None:
    """Guessing has an R² of 0; the error is the score's own."""
    evidence = regression(scored(healthy, 0.9, 0.03))
    found = only(evidence, Memorising())
    assert found.threshold == pytest.approx(0.04) and "R²" in found.why
    assert found_in(regression(scored(healthy, 0.9, 0.05)), Memorising()) == []
    assert found_in(regression(scored(healthy, 0.14, -0.5)), Memorising()) == []


def test_restored_weights_know_nothing_though_the_last_did(healthy: Make) -> None:
    """Random labels: the best epoch is one before anything was learned by heart."""
    evidence = scored(healthy, 1.0, 0.5)
    loss = np.array([0.7, 0.71, 0.8, 1.0, 1.3, 1.9])
    evidence = stopped(replace(evidence, validation_loss=loss), **RESTORE)
    assert in_use(evidence).score[-1] == 0.5
    found = only(evidence, Memorising())
    assert patch(found) == [] and found.epoch == 1
    good = np.array([0.95, 0.9, 0.8, 0.7, 0.6, 0.5])
    evidence = replace(evidence, validation_score=good)
    assert found_in(evidence, Memorising()) == []


@pytest.mark.parametrize(
    ("train", "validation", "found"),
    [
        (0.98, 0.85, ["O3"]),
        (0.98, 0.89, []),
        (0.85, 0.73, []),
        (0.85, 0.70, ["O3"]),
        (0.85, 0.98, ["X1"]),
        (0.88, 0.93, []),
        (0.92, 0.96, []),
        (0.89, 0.96, ["X1"]),
    ],
)
def test_scores_that_differ(
    healthy: Make, train: float, validation: float, found: list[str]
) -> None:
    """Three errors and .1, or three errors the other way round."""
    assert found_in(scored(healthy, train, validation), Gap(), Leakage()) == found


def test_a_gap_beyond_chance_may_be_too_small_to_matter(healthy: Make) -> None:
    """With 10,000 rows three errors are .012."""
    for train, found in ((0.895, []), (0.905, ["O3"])):
        evidence = of_rows(scored(healthy, train, 0.8), 5000, 5000)
        assert found_in(evidence, Gap()) == found


def test_the_numbers_of_gap_and_leakage(healthy: Make) -> None:
    gap = only(scored(healthy, 0.98, 0.8), Gap())
    assert gap.severity == "note"
    assert (gap.measured, gap.threshold) == pytest.approx((0.18, 0.12))
    assert patch(gap) == [("insert", "model.dense3", {"dropout": 0.5})]
    leak = only(scored(healthy, 0.8, 0.92), Leakage())
    assert leak.severity == "note"
    # 100 validation rows and 320 that train.
    limit = 3 * (0.92 * 0.08 * (1 / 100 + 1 / 320)) ** 0.5
    assert (leak.measured, leak.threshold) == pytest.approx((0.12, limit))
    assert found_in(scored(healthy, 0.8, 0.895), Leakage()) == []  # .092 by 100 alone
    assert patch(leak) == []


@pytest.mark.parametrize(
    ("validation", "severity"), [(0.79, "note"), (0.77, "warning")]
)
def test_a_wide_gap_is_a_fault(healthy: Make, validation: float, severity: str) -> None:
    assert only(scored(healthy, 0.98, validation), Gap()).severity == severity


def test_rows_that_are_not_known_have_no_gap(healthy: Make) -> None:
    """As good as the majority's .52, and worse on others: it has learned nothing."""
    assert found_in(scored(healthy, 0.6, 0.3), Gap()) == []
    assert found_in(scored(healthy, 0.7, 0.3), Gap()) == ["O3"]


def test_thresholds_of_gap_and_leakage(healthy: Make) -> None:
    evidence = scored(healthy, 0.98, 0.89)
    assert found_in(evidence, Gap(errors=2.0)) == []
    assert found_in(evidence, Gap(errors=2.0, least=0.05)) == ["O3"]
    assert found_in(evidence, Gap(least=0.05)) == []
    assert found_in(scored(healthy, 0.8, 0.851), Leakage(errors=1.0)) == ["X1"]
    assert found_in(scored(healthy, 0.8, 0.849), Leakage(errors=1.0)) == []
    small = Leakage(errors=1.0, least=0.04)
    assert found_in(scored(healthy, 0.8, 0.849), small) == ["X1"]


# ---------------------------------------------------------------- C1


@pytest.fixture
def classes(healthy: Make) -> Make:
    """Three classes, the second with that many rows in each part and that recall."""

    def make(rows: int = 20, train: int = 20, recall: float = 0.0) -> Evidence:
        targets = Targets(
            "classification",
            rows=1000,
            validation_rows=100 + rows,
            names=("cat", "dog", "eel"),
            counts=np.array([500, train, 500 - train]),
            validation_counts=np.array([50, rows, 50]),
        )
        series = np.tile([0.9, 0.9, 0.9], (6, 1))
        series[-1, 1] = recall
        return healthy(targets=targets, recall=series)

    return make


def test_a_class_that_is_never_named(classes: Make) -> None:
    found = only(classes(), ClassIgnored())
    assert (found.id, found.severity) == ("C1", "warning")
    assert (found.measured, found.threshold) == (0.0, 0.0)
    assert "20 validation rows of class 'dog'" in found.why
    assert patch(found) == [
        ("set", "loss.cross_entropy.class_weights", "balanced"),
    ]


def test_classes_that_are_only_rare_or_only_weak(classes: Make) -> None:
    assert found_in(classes(rows=19), ClassIgnored()) == []
    assert found_in(classes(train=19), ClassIgnored()) == []
    assert found_in(classes(recall=0.05), ClassIgnored()) == []
    assert found_in(classes(recall=1.0), ClassIgnored()) == []
    assert found_in(classes(recall=np.nan), ClassIgnored()) == []
    assert found_in(classes(rows=19), ClassIgnored(rows=19)) == ["C1"]
    assert found_in(classes(train=19), ClassIgnored(prior=0.01)) == ["C1"]
    assert found_in(classes(recall=0.05), ClassIgnored(recall=0.1)) == ["C1"]


def test_only_the_final_weights_count_for_a_class(classes: Make) -> None:
    evidence = classes()
    evidence.recall[-2], evidence.recall[-1] = 0.0, 0.9
    assert found_in(evidence, ClassIgnored()) == []


def test_several_ignored_classes_are_one_finding(classes: Make) -> None:
    evidence = classes()
    evidence.recall[-1] = 0.0
    assert "120 validation rows of classes 'cat', 'dog', 'eel'" in (
        only(evidence, ClassIgnored()).why
    )


def test_weights_help_rare_classes_that_have_none(classes: Make) -> None:
    """333 of 1,000 rows are an even share of three classes."""
    assert patch(only(classes(train=330), ClassIgnored()))
    assert not patch(only(classes(train=340), ClassIgnored()))
    evidence = classes()
    weights = Setting("loss.cross_entropy.class_weights", "balanced", 9)
    settings = {**evidence.settings, "class_weights": weights}
    found = only(replace(evidence, settings=settings), ClassIgnored())
    assert not patch(found) and found.config_line == 9


# ---------------------------------------------------------------- U1


@pytest.fixture
def linear(healthy: Make) -> Make:
    """A network whose hidden layers have no nonlinearity, and its final loss."""

    def make(loss: float = 1.5, hidden: int = 2, **changes: Any) -> Evidence:
        made = healthy(depth=3, activation="none", **changes)
        names = [f"dense{i}" for i in range(1, 1 + hidden)]
        layers = {
            n: replace(x, linear=n in names or n == "dense3", width=width(n))
            for n, x in made.layers.items()
        }
        series = np.append(np.full(5, 2.0), loss)
        return replace(made, layers=layers, loss=series)

    return make


def width(name: str) -> Setting:
    return Setting(f"model.{name}.units", 16)


def test_a_network_that_is_one_linear_map(linear: Make) -> None:
    """Half of H0 = 2."""
    found = only(linear(), Underfit())
    assert (found.id, found.severity) == ("U1", "warning")
    assert (found.measured, found.threshold) == (0.75, 0.5)
    assert (found.layer, found.config_line, found.epoch) == ("dense1", 11, 6)
    assert patch(found) == [
        ("set", "model.dense2.activation", "relu"),
        ("set", "model.dense1.activation", "relu"),
    ]
    assert found_in(linear(loss=0.99), Underfit()) == []
    assert found_in(linear(loss=1.01), Underfit()) == ["U1"]
    assert found_in(linear(loss=0.99), Underfit(unlearned=0.4)) == ["U1"]


@pytest.mark.parametrize(
    ("share", "left", "fires"),
    [
        (0.2, 0.11, True),
        (0.2, 0.09, False),
        (0.6, 0.01, True),
        (0.6, -0.01, False),
    ],
)
def test_what_a_line_leaves_over_and_a_bend_could_tell(
    linear: Make, share: float, left: float, fires: bool
) -> None:
    """H0 is 2; without nonlinear structure a line is all there is."""
    evidence = replace(linear(loss=2 * share), unexplained=left)
    assert bool(found_in(evidence, Underfit())) is fires


def test_one_nonlinearity_is_enough(linear: Make) -> None:
    assert found_in(linear(hidden=1), Underfit()) == []


def test_a_model_without_hidden_layers_is_meant_to_be_linear(healthy: Make) -> None:
    evidence = healthy(depth=1, loss=np.full(6, 1.9))
    layers = {n: replace(x, linear=True) for n, x in evidence.layers.items()}
    assert found_in(replace(evidence, layers=layers), Underfit()) == []


def unexplained(evidence: Evidence, *others: Finding) -> list[Finding]:
    guess = Finding("L4", "", "warning", "", threshold=0.97)
    return list(Underfit().conclude(evidence, [guess, *others]))


def test_no_better_than_guessing_and_nothing_else(healthy: Make) -> None:
    evidence = healthy(loss=np.full(6, 1.96))
    note = Finding("D3", "", "note", "")
    (found,) = unexplained(evidence, note)
    assert (found.id, found.severity) == ("U1", "warning")
    assert (found.measured, found.threshold) == (pytest.approx(0.98), 0.97)
    assert ordered([found, Finding("L4", "", "warning", "")])[0].id == "U1"
    assert unexplained(evidence, Finding("D3", "", "warning", "")) == []
    assert unexplained(replace(evidence, finished=False)) == []
    assert list(Underfit().conclude(evidence, [])) == []
    guess = Finding("L4", "", "note", "")
    assert list(Underfit().conclude(evidence, [guess])) == []


def test_the_remedy_is_more_of_everything(linear: Make, healthy: Make) -> None:
    assert unexplained(linear(loss=1.9)) == []  # the training rows were learned
    early = stopped(linear(loss=1.96), **RESTORE)  # another epoch learned them
    early = replace(early, validation_loss=np.arange(1.0, 7.0))
    assert unexplained(early)
    early.loss[-2] = 1.9
    assert unexplained(early) == []
    (found,) = unexplained(linear(loss=1.96))
    assert patch(found) == [
        ("set", "model.dense1.units", 64),
        ("set", "model.dense2.units", 64),
        ("set", "train.epochs", 12),
    ]
    (found,) = unexplained(healthy(depth=1, loss=np.full(6, 1.96)))
    layer = {"dense": {"units": 64, "activation": "relu"}}
    assert patch(found) == [("insert", "model.dense1", layer)]


# ---------------------------------------------------------------- all of them


def test_outcomes_are_told_once_training_is_over(healthy: Make) -> None:
    evidence = scored(healthy, 1.0, 0.5)
    for finished, severities in ((False, []), (True, ["error"])):
        found = diagnose(replace(evidence, finished=finished))
        assert [f.severity for f in found if f.id == "O2"] == severities


def test_every_number_can_be_written_as_json(healthy: Make, rising: Make) -> None:
    for evidence in (rising(), rising(last=0.9), scored(healthy, 1.0, 0.5)):
        for detector in DETECTORS:
            for found in detector.detect(evidence):
                row = found.to_json()
                for key in ("measured", "threshold"):
                    assert type(row[key]) is float
                assert all(type(x) is float for x in row["healthy"])
