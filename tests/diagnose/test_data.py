"""D1 to D5: what is wrong with the data before anything is learned from them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nettrain.diagnose import (
    Evidence,
    Finding,
    Inputs,
    Setting,
    Targets,
    Told,
    diagnose,
)
from nettrain.diagnose.detector import Detector
from nettrain.diagnose.detectors import (
    ClassImbalance,
    DataDefects,
    OrderEffect,
    TellingColumn,
    UnscaledInputs,
)

Make = Callable[..., Evidence]


def found(detector: Detector, evidence: Evidence) -> list[Finding]:
    return list(detector.detect(evidence))


def one(detector: Detector, evidence: Evidence) -> Finding:
    (finding,) = detector.detect(evidence)
    return finding


@pytest.fixture
def features(healthy: Make) -> Callable[..., Evidence]:
    """Evidence before the first step, with inputs of that mean and std."""

    def make(mean: Any, std: Any, **changes: Any) -> Evidence:
        mean, std = np.broadcast_arrays(np.atleast_1d(mean), np.atleast_1d(std))
        names = tuple(f"f{i}" for i in range(len(mean)))
        evidence = healthy(checks=1, inputs=Inputs(names, mean, std), **changes)
        return evidence.before(0)

    return make


@pytest.fixture
def labels(healthy: Make) -> Callable[..., Evidence]:
    def make(*counts: int, **changes: Any) -> Evidence:
        names = tuple("abcdefghij"[: len(counts)])
        targets = Targets(
            "classification", sum(counts), 100, names, np.array(counts)
        )  # fmt: skip
        return healthy(targets=targets, **changes)

    return make


@pytest.fixture
def quantities(healthy: Make) -> Callable[..., Evidence]:
    def make(mean: Any, std: Any, **changes: Any) -> Evidence:
        mean, std = np.atleast_1d(mean), np.atleast_1d(std)
        own = [key for key in ("looks_like_classes", "order") if key in changes]
        names = tuple(f"y{i}" for i in range(len(mean)))
        flags = {key: changes.pop(key) for key in own}
        targets = Targets("regression", 320, 100, names, mean=mean, std=std, **flags)
        return healthy(targets=targets, **changes)

    return make


def test_nothing_is_found_in_a_healthy_run(healthy: Make) -> None:
    assert diagnose(healthy()) == []


def test_what_is_not_known_is_not_judged(healthy: Make) -> None:
    bare = healthy(inputs=None, targets=None)
    for detector in (
        *(UnscaledInputs, ClassImbalance, DataDefects, OrderEffect, TellingColumn),
    ):
        assert not found(detector(), bare)


# ---------------------------------------------------------------- D1


@pytest.mark.parametrize(
    ("mean", "std", "measured", "threshold"),
    [
        ([0, 0, 0], [0.09, 1, 9.1], 9.1 / 0.09, 100),
        ([0, 0, 0], [1, 1, 10.1], 10.1, 10),
        ([0, 0, 0], [1, 1, 0.0099], 0.0099, 0.01),
        ([0, 101, 0], [1, 10, 1], 10.1, 10),
        ([0, -10.1, 0], [1, 1, 1], 10.1, 10),
        ([0, 0, 0], [1000, 1000, 1000], 1000, 10),
        ([0, 0, 0], [1, 1, 1e4], 1e4, 10),
    ],
)
def test_scales_that_no_learning_rate_fits(
    features: Make, mean: Any, std: Any, measured: float, threshold: float
) -> None:
    finding = one(UnscaledInputs(), features(mean, std))
    assert (finding.id, finding.name) == ("D1", "unscaled-inputs")
    assert finding.severity == "warning"
    assert finding.measured == pytest.approx(measured)
    assert finding.threshold == threshold
    assert (finding.epoch, finding.step, finding.node) == (None, None, None)


@pytest.mark.parametrize(
    ("mean", "std"),
    [
        ([0, 0, 0], [0.09, 1, 8.9]),
        ([0, 0, 0], [1, 1, 9.9]),
        ([0, 0, 0], [1, 1, 0.0101]),
        ([0, -9.9, 0], [1, 1, 1]),
        ([5, 99, 0], [0, 10, 1]),
        ([1e4, 0, 0], [1e-4, 1, 1]),
        ([0, 0, 0], [0, 0, 0]),
        ([0.0001, 0.9999, 0], [0.0001**0.5, (0.0001 * 0.9999) ** 0.5, 1]),
    ],
    ids=[*("ratio", "large", "small", "mean"), *("constant", "nearly", "all", "0/1")],
)
def test_scales_that_do_no_harm(features: Make, mean: Any, std: Any) -> None:
    assert not found(UnscaledInputs(), features(mean, std))


def test_a_nearly_constant_feature_is_left_out_of_the_ratio(features: Make) -> None:
    """Of medians 4, .08 counts and less does not."""
    counted = features(0, [0.0801, 4, 4, 4, 9])
    assert one(UnscaledInputs(), counted).threshold == 100
    assert not found(UnscaledInputs(), features(0, [0.0799, 4, 4, 4, 9]))


def test_the_worst_five_features_are_named(features: Make) -> None:
    std = [1.5, 1000, 100, 0.001, 1, 20, 2, 30]
    why = one(UnscaledInputs(), features([1e6, *[0] * 7], std)).why
    named = [name for name in (f"f{i}" for i in range(8)) if f"{name} (" in why]
    assert named == ["f0", "f1", "f2", "f3", "f7"]
    assert "f1 (mean 0, 1e+03)" in why and "1e+06" in why
    assert why.index("f0") < why.index("f1") < why.index("f7")


def test_inputs_are_an_error_with_a_consequence(features: Make, healthy: Make) -> None:
    sick = features(0, [1, 1, 1e4])
    assert [f.severity for f in diagnose(sick)] == ["warning"]
    delta = np.array([[1e-5, 1e-2, 1.0]] * 6)
    later = healthy(inputs=sick.inputs, delta_rms=delta, loss=np.full(6, 2.0))
    first, *others = diagnose(later)
    assert (first.id, first.severity, first.primary) == ("D1", "error", True)
    assert [f.consequence_of for f in others if f.id == "G1"] == ["D1"]


def test_the_line_of_the_preprocessing_is_given(features: Make) -> None:
    settings = {"preprocess": Setting("data.preprocess", [], config_line=7)}
    assert one(UnscaledInputs(), features(1e3, 1, settings=settings)).config_line == 7
    assert one(UnscaledInputs(), features(1e3, 1, settings={})).config_line is None


# ---------------------------------------------------------------- D2


@pytest.mark.parametrize(
    ("counts", "ratio"),
    [((100, 10), None), ((101, 10), 10.1), ((10, 101), 10.1), ((50, 300, 0), 300)],
)
def test_classes_of_unequal_size(
    labels: Make, counts: tuple[int, ...], ratio: float | None
) -> None:
    findings = found(ClassImbalance(), labels(*counts))
    assert [f.measured for f in findings] == ([ratio] if ratio else [])
    assert [f.severity for f in findings] == (["warning"] if ratio else [])


def test_the_majority_and_the_recall_are_told(labels: Make) -> None:
    recall = np.array([[0.1, 0.2], [1.0, 0.25]])
    why = one(ClassImbalance(), labels(480, 20, recall=recall)).why
    assert "class a has 480 training rows; the rarest: class b with 20;" in why
    assert "96 %" in why and "b 0.25" in why and "a 1" in why
    before = one(ClassImbalance(), labels(480, 20, recall=np.zeros((0, 0))))
    assert "recall" not in before.why


def test_a_class_that_the_loss_ignores_is_not_rare(labels: Make) -> None:
    evidence = labels(480, 0, 20, recall=np.array([[0.9, np.nan, 0.2]]))
    assert one(ClassImbalance(), evidence).measured == 480
    targets = dataclasses.replace(evidence.targets, ignore=1)
    finding = one(ClassImbalance(), dataclasses.replace(evidence, targets=targets))
    assert finding.measured == 24
    rarest = evidence.targets.names[2]
    assert f"the rarest: class {rarest} with 20;" in finding.why
    few = dataclasses.replace(targets, counts=np.array([480, 0, 60]))
    assert not found(ClassImbalance(), dataclasses.replace(evidence, targets=few))


def test_weights_answer_an_imbalance(labels: Make) -> None:
    for value in ("balanced", [1.0, 9.0]):
        settings = {"class_weights": Setting("loss.cross_entropy.class_weights", value)}
        assert not found(ClassImbalance(), labels(480, 20, settings=settings))


def test_one_class_alone_is_another_finding(labels: Make) -> None:
    assert not found(ClassImbalance(), labels(500, 0))


@pytest.mark.parametrize(("rare", "weighed"), [(4, False), (5, True)])
def test_a_class_of_hardly_any_rows_gets_no_weight(
    labels: Make, rare: int, weighed: bool
) -> None:
    settings = {"class_weights": Setting("loss.cross_entropy.class_weights", "none")}
    finding = one(ClassImbalance(), labels(500, rare, settings=settings))
    assert finding.severity == "warning" and finding.remedy
    assert bool(finding.remedy.patch) == weighed
    assert ("leave them out" in finding.remedy.text) != weighed
    assert one(ClassImbalance(rows=1), labels(500, 1, settings=settings)).remedy.patch  # type: ignore[union-attr]


# ---------------------------------------------------------------- D4


@pytest.mark.parametrize(("order", "fires"), [(0.0, True), (0.49, True), (0.5, False)])
def test_batches_of_one_class(healthy: Make, order: float, fires: bool) -> None:
    targets = dataclasses.replace(healthy().targets, order=order)
    findings = found(OrderEffect(), healthy(targets=targets))
    assert [(f.severity, f.measured) for f in findings] == [("warning", order)] * fires


def test_sorted_targets_of_a_regression(quantities: Make) -> None:
    assert one(OrderEffect(), quantities(0.0, 1.0, order=0.1)).threshold == 0.5
    assert not found(OrderEffect(), quantities(0.0, 1.0, order=1.4))


# ---------------------------------------------------------------- D5


@pytest.fixture
def telling(healthy: Make) -> Callable[..., Evidence]:
    """Evidence of columns that tell something."""

    def make(**told: Told) -> Evidence:
        inputs = dataclasses.replace(healthy().inputs, telling=told)
        settings = {"columns": Setting("data.columns", {"zone": "categorical"}, 7)}
        return healthy(inputs=inputs, settings=settings)

    return make


@pytest.mark.parametrize(("share", "fires"), [(1.0, 1), (0.999, 1), (0.998, 0)])
def test_a_column_that_tells_the_target(
    telling: Callable[..., Evidence], share: float, fires: int
) -> None:
    findings = found(
        TellingColumn(), telling(code=Told("y", share), id=Told("y", 0.969))
    )
    assert [f.severity for f in findings] == ["warning" if fires else "note"]
    for finding in findings * fires:
        assert (finding.measured, finding.config_line) == (share, 7)
        assert finding.why.startswith("code alone tells the target in")
        assert ("in every training row:" in finding.why) == (share == 1)
        assert ("in 99.9 % of the training rows:" in finding.why) == (share < 1)
        assert finding.remedy
        (edit,) = finding.remedy.patch
        assert edit.path == "data.columns"
        assert edit.value == {"zone": "categorical", "code": "ignore"}


def test_several_columns_that_tell_the_target(
    telling: Callable[..., Evidence],
) -> None:
    evidence = telling(a=Told("y", 1.0), b=Told("y", 0.9995))
    finding = one(TellingColumn(), evidence)
    assert finding.why.startswith("a, b each alone tell the target in 99.95 % of")
    first, second = found(TellingColumn(threshold=1.0), evidence)
    assert (first.measured, second.measured) == (1, 0.9995)


@pytest.mark.parametrize(
    ("share", "rows", "severity"),
    [
        (147 / 148, 148, ["warning"]),
        (145 / 148, 148, ["warning"]),
        (144 / 148, 148, ["note"]),
        (97 / 100, 100, ["warning"]),
        (39 / 40, 40, ["warning"]),
        (29 / 30, 30, []),  # too near to what healthy columns tell
        (0.99, 400, ["note"]),
        (0.99, 0, ["note"]),
    ],
)
@pytest.mark.parametrize("how", ["same", "follows", "gaps"])
def test_a_few_rows_may_say_otherwise(
    telling: Callable[..., Evidence], share: float, rows: int, severity: Any, how: Any
) -> None:
    """A wrong label, a slip of the pen: three rows are no evidence against a leak."""
    evidence = telling(code=Told("y", share, how, rows))
    findings = found(TellingColumn(), evidence)
    assert [f.severity for f in findings] == severity
    for finding in findings:
        assert finding.threshold is not None and finding.threshold <= share
        assert finding.remedy
        assert bool(finding.remedy.patch) == (finding.severity == "warning")


def test_a_column_without_which_nothing_is_known_is_noted(
    telling: Callable[..., Evidence],
) -> None:
    law = Told("y", 1.0, "follows", 300, needed=True)
    (note,) = diagnose(telling(weight=law))
    assert (note.id, note.severity) == ("D5", "note")
    assert note.why.startswith("weight follows from the target in every training row:")
    assert "other columns say nothing" in note.why
    assert note.remedy and not note.remedy.patch
    rest = Told("y", 1.0, "follows", 300)
    findings = found(TellingColumn(), telling(weight=law, grade=rest))
    assert [f.severity for f in findings] == ["warning", "note"]


def test_a_column_with_more_values_than_classes_is_noted(
    telling: Callable[..., Evidence],
) -> None:
    """It is no cause of anything, and no patch takes it away."""
    evidence = telling(city=Told("y", 1.0, how="several"))
    (note,) = diagnose(evidence)
    assert (note.id, note.severity, note.primary) == ("D5", "note", False)
    assert note.why.startswith("city alone tells the target in every training row:")
    assert note.remedy and not note.remedy.patch
    evidence = telling(city=Told("y", 1.0, how="several"), code=Told("y", 1.0))
    first, second = found(TellingColumn(), evidence)
    assert (first.severity, second.severity) == ("warning", "note")
    assert "city" not in first.why and "code" not in second.why
    assert first.remedy and "city" not in first.remedy.patch[0].value  # type: ignore[operator]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"b": "y1"}, "b alone tells y1 in every training row"),
        ({"a": "y1", "b": "y1"}, "a, b each alone tell y1 in every"),
        ({"a": "y0", "b": "y1"}, "a (y0), b (y1) each alone tell a target in every"),
    ],
)
def test_which_of_several_targets_is_told(
    quantities: Make, columns: dict[str, str], said: str
) -> None:
    evidence = quantities([0.0, 0.0], [1.0, 1.0])
    told = {name: Told(target, 1.0) for name, target in columns.items()}
    inputs = dataclasses.replace(evidence.inputs, telling=told)
    evidence = dataclasses.replace(evidence, inputs=inputs)
    assert one(TellingColumn(), evidence).why.startswith(said)


# ---------------------------------------------------------------- D3


@pytest.mark.parametrize(
    ("mean", "std", "measured"),
    [
        (3.1, 1, 3.1),
        (-3.1, 1, 3.1),
        (0, 10.1, 10.1),
        (0, 0.099, 0.099),
        (0, 0, 0),
        ([0, 0], [1, 12], 12),
    ],
)
def test_targets_of_another_scale(
    quantities: Make, mean: Any, std: Any, measured: float
) -> None:
    evidence = dataclasses.replace(quantities(mean, std), finished=False)
    finding = one(DataDefects(), evidence)
    assert (finding.name, finding.severity) == ("data-defect", "warning")
    assert finding.measured == pytest.approx(measured)


def test_the_scale_of_an_autoencoders_targets_is_that_of_its_inputs(
    quantities: Make,
) -> None:
    names, mean, std = ("y0", "y1"), np.zeros(2), np.array([0.0, 0.05])
    evidence = quantities(mean, std, inputs=Inputs(names, mean, std))
    assert [f.why[:1] for f in found(DataDefects(), evidence)] == ["1"]  # constant
    others = dataclasses.replace(evidence, inputs=Inputs(("x0", "x1"), mean, std))
    assert len(found(DataDefects(), others)) == 2


@pytest.mark.parametrize(
    ("share", "unexplained", "severity"),
    [
        (0.09, np.nan, "note"),
        (0.11, np.nan, "warning"),
        (0.5, -0.01, "note"),
        (0.5, 0.01, "warning"),
    ],
)
def test_a_target_of_another_scale_that_was_learned_all_the_same(
    quantities: Make, share: float, unexplained: float, severity: str
) -> None:
    evidence = quantities(0, 12)
    evidence = dataclasses.replace(
        evidence,
        loss=np.full(len(evidence.loss), share * evidence.prior),
        unexplained=unexplained,
    )
    assert one(DataDefects(), evidence).severity == severity


@pytest.mark.parametrize(
    ("mean", "std"),
    [(2.9, 1), (0, 9.9), (0, 0.101), (0, 1), (0, np.inf), (np.inf, 1), (0, np.nan)],
)
def test_targets_that_suit_outputs(quantities: Make, mean: float, std: float) -> None:
    assert not found(DataDefects(), quantities(mean, std))


@pytest.mark.parametrize("loss", ["poisson", "kl_divergence", "mse"])
def test_counts_and_shares_have_a_scale_of_their_own(
    quantities: Make, loss: str
) -> None:
    settings = {"loss": Setting("loss", loss)}
    for value in (loss, {loss: {}}):
        settings = {"loss": Setting("loss", value)}
        findings = found(DataDefects(), quantities(60.0, 40.0, settings=settings))
        assert len(findings) == (loss == "mse")


def test_labels_are_no_quantities(quantities: Make) -> None:
    """Then their scale is no matter."""
    finding = one(DataDefects(), quantities(40.0, 1, looks_like_classes=True))
    assert finding.severity == "warning" and "loss does not fit" in finding.why


@pytest.mark.parametrize(
    ("shared", "repeated", "fires"),
    [
        (0, 0, False),
        (0, 320, False),
        (1, 0, False),
        (30, 0, False),
        (31, 0, True),
        # 16 of 320 are 50 of 1000: 50 + 3 √(50 · 7.25 + 1) = 107.2
        (107, 16, False),
        (108, 16, True),
        (1000, 320, False),
    ],
)
def test_rows_of_both_parts(
    healthy: Make, shared: int, repeated: int, fires: bool
) -> None:
    """Of 1000 validation rows and 320 training rows; by chance it is no finding."""
    run = healthy()
    inputs = dataclasses.replace(run.inputs, shared=shared, repeated=repeated)
    targets = dataclasses.replace(run.targets, validation_rows=1000)
    findings = found(DataDefects(), healthy(inputs=inputs, targets=targets))
    assert [f.severity for f in findings] == ["warning"] * fires
    for finding in findings:
        assert finding.measured == shared / 1000
        assert finding.threshold < finding.measured
        assert ("16 of 320 training rows" in finding.why) == (repeated == 16)


@pytest.mark.parametrize(
    ("shared", "coincidence", "fires"),
    [(501, 0.009, True), (500, 0.009, False), (1000, 0.011, False)],
)
def test_rows_that_were_repeated_before_the_split(
    healthy: Make, shared: int, coincidence: float, fires: bool
) -> None:
    """By nature so many rows are the same only where they have few values."""
    run = healthy()
    inputs = dataclasses.replace(
        run.inputs, shared=shared, repeated=320, coincidence=coincidence
    )
    targets = dataclasses.replace(run.targets, validation_rows=1000)
    evidence = healthy(inputs=inputs, targets=targets)
    assert len(found(DataDefects(), evidence)) == fires
    assert not found(DataDefects(copied=1.0), evidence)
    assert len(found(DataDefects(chance=0.02), evidence)) == (shared != 500)


@pytest.mark.parametrize(
    ("shared", "near", "fires"),
    [
        (31, 0.003, True),
        (30, 0.003, False),
        (31, 0.0032, False),
        (400, 0.039, True),
        (400, 0.041, False),
        (400, np.inf, False),
    ],
)
def test_copies_have_no_near_ones(
    healthy: Make, shared: int, near: float, fires: bool
) -> None:
    """What comes twice for want of values comes nearly twice as well."""
    run = healthy()
    inputs = dataclasses.replace(
        run.inputs, shared=shared, repeated=320, coincidence=0.009, near=near
    )
    targets = dataclasses.replace(run.targets, validation_rows=1000)
    evidence = healthy(inputs=inputs, targets=targets)
    assert len(found(DataDefects(), evidence)) == fires
    assert not found(DataDefects(near=0.0), evidence)
    assert not found(DataDefects(chance=0.009), evidence)  # a symbol and its copy


@pytest.mark.parametrize(("shared", "fires"), [(3, False), (4, True)])
def test_a_few_rows_coincide_by_nature(healthy: Make, shared: int, fires: bool) -> None:
    """Of 100 validation rows: 3 √1 is as much as 3 %."""
    inputs = dataclasses.replace(healthy().inputs, shared=shared)
    for limit in (0.0, 0.03, 0.035):
        detector = DataDefects(shared=limit)
        assert len(found(detector, healthy(inputs=inputs))) == fires
    assert not found(DataDefects(shared=0.05), healthy(inputs=inputs))


def test_without_a_validation_part_nothing_is_shared(healthy: Make) -> None:
    run = healthy()
    inputs = dataclasses.replace(run.inputs, shared=5)
    targets = dataclasses.replace(run.targets, validation_rows=0)
    assert not found(DataDefects(), healthy(inputs=inputs, targets=targets))


def test_constant_features_are_noted(features: Make) -> None:
    mean, std = [3.0, *[1.0] * 7], [1.0, *[0.0] * 7]
    note = one(DataDefects(), features(mean, std))
    assert (note.severity, note.measured) == ("note", 7)
    assert "f1, f2, f3, f4, f5 and 2 more" in note.why and "f0" not in note.why


def test_features_that_are_not_finite(features: Make) -> None:
    evidence = features([0, np.nan, 0], [1, np.nan, np.inf])
    assert not found(UnscaledInputs(), evidence)
    finding = one(DataDefects(), evidence)
    assert finding.severity == "warning" and "f1, f2" in finding.why


def test_labels_of_only_one_class(labels: Make) -> None:
    finding = one(DataDefects(), labels(0, 500))
    assert finding.severity == "warning" and "class b" in finding.why
    assert not found(DataDefects(), labels(1, 499))


@pytest.mark.parametrize(
    ("outputs", "classes", "fires"),
    [(2, 3, True), (1, 3, True), (1, 2, False), (3, 3, False), (4, 3, False)],
)
def test_outputs_for_every_class(
    labels: Make, outputs: int, classes: int, fires: bool
) -> None:
    evidence = labels(*[50] * classes)
    last = dataclasses.replace(evidence.layers["dense3"], units=outputs)
    layers = {**evidence.layers, "dense3": last}
    findings = found(DataDefects(), dataclasses.replace(evidence, layers=layers))
    assert [(f.layer, f.measured) for f in findings] == [("dense3", outputs)] * fires


def test_several_defects_are_told_apart(healthy: Make) -> None:
    run = healthy()
    inputs = Inputs(("a", "b"), np.array([1.0, 0.0]), np.array([0.0, 1.0]), shared=9)
    targets = dataclasses.replace(run.targets, counts=np.array([320, 0]))
    findings = found(DataDefects(), healthy(inputs=inputs, targets=targets))
    assert [f.severity for f in findings] == ["warning", "warning", "note"]
    assert len({f.why for f in findings}) == 3
    assert {f.name for f in findings} == {"data-defect"}


def test_limits_can_be_changed(features: Make, labels: Make, quantities: Make) -> None:
    assert found(UnscaledInputs(largest=2.0), features(0, 3))
    assert found(UnscaledInputs(smallest=0.5), features(0, 0.4))
    assert found(UnscaledInputs(ratio=2.0), features(0, [1, 3]))
    assert found(UnscaledInputs(offset=2.0), features(3, 1))
    assert not found(UnscaledInputs(negligible=0.3), features(0, [0.02, 1, 3]))
    assert found(ClassImbalance(threshold=2.0), labels(30, 10))
    assert found(OrderEffect(threshold=1.0), quantities(0, 1, order=0.9))
    assert found(DataDefects(offset=1.0), quantities(2, 1))
