"""I1 to I5: what is wrong with a network before its first update."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from nettrain.diagnose import (
    Evidence,
    Finding,
    FirstWeights,
    LayerFacts,
    Setting,
    Signals,
    Targets,
    Units,
    diagnose,
)
from nettrain.diagnose.detector import Detector
from nettrain.diagnose.detectors import (
    BornDead,
    FiniteWidth,
    InitialLoss,
    Symmetry,
    WeightScale,
)

Make = Callable[..., Evidence]


def found(detector: Detector, evidence: Evidence) -> list[Finding]:
    return list(detector.detect(evidence))


def one(detector: Detector, evidence: Evidence) -> Finding:
    (finding,) = detector.detect(evidence)
    return finding


def starting(healthy: Make) -> Make:
    """Evidence before the first step; what is given by layer replaces its facts."""

    def make(depth: int = 3, *, run: Any = None, **facts: Any) -> Evidence:
        evidence = healthy(checks=1, depth=depth, **(run or {})).before(0)
        layers = dict(evidence.layers)
        for name, changes in facts.items():
            layers[name] = dataclasses.replace(layers[name], **changes)
        return dataclasses.replace(evidence, layers=layers)

    return make


@pytest.fixture
def start(healthy: Make) -> Make:
    return starting(healthy)


def twins(count: int, units: int = 16) -> dict[str, Any]:
    return {"first": FirstWeights(0.25, 16, units, 1.0, count), "units": units}


def test_nothing_is_known(start: Make) -> None:
    run = start(run={"signals": None, "targets": None})
    for layers in (run.layers, {}):
        bare = dataclasses.replace(run, layers=layers)
        for detector in (Symmetry, InitialLoss, WeightScale, FiniteWidth, BornDead):
            assert not found(detector(), bare)
    assert diagnose(Evidence()) == []


# ---------------------------------------------------------------- I1


def with_alike(evidence: Evidence, delta: float = 1.0, **alike: int) -> Evidence:
    """Of so many units the gradients are alike; RMS(δ) is given."""
    assert evidence.signals is not None
    rms = np.full(len(evidence.nodes), delta)
    signals = dataclasses.replace(evidence.signals, alike=alike, delta_rms=rms)
    return dataclasses.replace(evidence, signals=signals)


def inside(evidence: Evidence, kind: str, *names: str) -> Evidence:
    """Some layers inside a block of that kind."""

    def moved(name: str) -> str:
        return f"block/inner/{name}" if name in names else name

    layers = {moved(n): layer for n, layer in evidence.layers.items()}
    layers = {n: dataclasses.replace(x, name=n) for n, x in layers.items()}
    layers["block"] = LayerFacts("block", "model.block", kind)
    nodes = (dataclasses.replace(z, layer=moved(z.layer)) for z in evidence.nodes)
    return dataclasses.replace(evidence, layers=layers, nodes=tuple(nodes))


@pytest.mark.parametrize(("count", "measured"), [(0, None), (2, 2 / 64), (64, 1.0)])
def test_units_that_start_alike(
    start: Make, count: int, measured: float | None
) -> None:
    findings = found(Symmetry(), start(dense2=twins(count, 64)))
    assert [f.measured for f in findings] == ([measured] if measured else [])
    for finding in findings:
        assert (finding.id, finding.threshold) == ("I1", 0.0)
        assert finding.layer == "dense2" and finding.config_line == 12
        assert finding.node == "model/dense2/pre_activation"
        assert (finding.epoch, finding.step) == (None, None)


@pytest.mark.parametrize(
    ("alike", "delta", "severity", "why"),
    [
        (16, 1.0, "error", "are given the same gradient: they remain alike"),
        (16, 0.0, "error", "no gradient sets them apart: they remain alike"),
        (8, 1.0, "error", "are given the same gradient"),
        (7, 1.0, "warning", "their gradients differ"),
        (0, 0.0, "warning", "their gradients differ"),
    ],
)
def test_the_gradient_tells_whether_units_remain_alike(
    start: Make, alike: int, delta: float, severity: str, why: str
) -> None:
    evidence = start(dense2=twins(16))
    finding = one(Symmetry(), with_alike(evidence, delta, dense2=alike))
    assert finding.severity == severity and why in finding.why
    assert "16 of 16 units" in finding.why
    unknown = one(Symmetry(), dataclasses.replace(evidence, signals=None))
    assert unknown.severity == "error" and "only become the same" in unknown.why


def test_units_that_come_apart_are_no_cause(start: Make) -> None:
    evidence = start(dense1={**twins(2), "first": FirstWeights(1.0, 16, 16, 1.0, 2)})
    assert [(f.id, f.severity) for f in diagnose(evidence)] == [
        ("I3", "warning"),
        ("I1", "warning"),
    ]
    lasting = diagnose(with_alike(evidence, dense1=2))
    assert [(f.id, f.severity) for f in lasting] == [("I1", "error"), ("I3", "warning")]


def test_what_remains_alike_is_named_before_what_comes_apart(start: Make) -> None:
    evidence = start(4, dense1=twins(16), dense3=twins(16))
    finding = one(Symmetry(), with_alike(evidence, dense3=16))
    assert (finding.severity, finding.layer) == ("error", "dense3")
    assert "dense1" not in finding.why


def test_a_block_may_start_as_the_identity(start: Make) -> None:
    evidence = start(dense2=twins(16))
    assert not found(Symmetry(), inside(evidence, "residual", "dense2"))
    assert found(Symmetry(), inside(evidence, "sequential", "dense2"))
    assert found(Symmetry(), inside(evidence, "residual", "dense1"))
    stuck = with_alike(evidence, **{"block/inner/dense2": 16})
    assert one(Symmetry(), inside(stuck, "residual", "dense2")).severity == "error"


def test_the_output_may_start_alike(start: Make) -> None:
    assert not found(Symmetry(), start(dense3=twins(16)))


def test_a_frozen_layer_may_have_twins(start: Make) -> None:
    assert not found(Symmetry(), start(dense2={**twins(16), "trainable": False}))


def test_the_first_of_several_is_named(start: Make) -> None:
    finding = one(Symmetry(), start(4, dense3=twins(16), dense2=twins(4)))
    assert finding.layer == "dense2" and "dense3" in finding.why
    assert "4 of 16 units" in finding.why


def test_a_few_twins_can_be_allowed(start: Make) -> None:
    evidence = start(dense1=twins(2))
    assert found(Symmetry(threshold=0.1), evidence)
    assert not found(Symmetry(threshold=0.2), evidence)


# ---------------------------------------------------------------- I2


@pytest.fixture
def first_loss(healthy: Make) -> Callable[..., Evidence]:
    """Evidence of a first loss and of the outputs' standard deviation."""

    def make(loss: float, std: float, **changes: Any) -> Evidence:
        signals = Signals(256, loss, np.zeros(3), np.array([9, 9, std]), np.ones(3))
        return healthy(checks=1, signals=signals, **changes).before(0)

    return make


@pytest.mark.parametrize(
    ("loss", "std", "fires"),
    [
        (3.51 * math.log(2), 5.1, True),
        (3.49 * math.log(2), 5.1, False),
        (3.51 * math.log(2), 4.9, False),
        (0.0, 9.0, False),
        (math.inf, 9.0, False),
        (math.nan, 9.0, False),
    ],
)
def test_a_first_loss_above_no_opinion(
    first_loss: Make, loss: float, std: float, fires: bool
) -> None:
    findings = found(InitialLoss(), first_loss(loss, std))
    assert [f.severity for f in findings] == ["note"] * fires
    for finding in findings:
        assert finding.measured == loss
        assert finding.threshold == pytest.approx(3.5 * math.log(2))
        assert (finding.layer, finding.epoch) == ("dense3", None)


@pytest.mark.parametrize(("loss", "fires"), [(20.1, True), (19.9, False)])
def test_a_first_loss_of_a_regression(
    first_loss: Make, loss: float, fires: bool
) -> None:
    """H0 = 2."""
    targets = Targets("regression", 320, std=np.ones(1), mean=np.zeros(1))
    for std in (0.5, 4.0):
        evidence = first_loss(loss, std, targets=targets)
        assert len(found(InitialLoss(), evidence)) == fires
    assert not found(InitialLoss(), dataclasses.replace(evidence, prior=0.0))


def test_whose_scale_it_is(first_loss: Make) -> None:
    """Outputs that vary less than the targets are not what makes the loss high."""
    targets = Targets("regression", 320, std=np.ones(1), mean=np.full(1, 9.0))

    def path(std: float, scaled: bool = False) -> str:
        setting = Setting("data.standardize_target", scaled)
        settings = {"standardize_target": setting}
        evidence = first_loss(80.0, std, targets=targets, settings=settings)
        remedy = one(InitialLoss(), evidence).remedy
        assert remedy is not None
        return remedy.patch[0].path

    assert path(0.5) == "data.standardize_target"
    assert path(4.0) == "model.dense3.weight_init"
    assert path(0.5, scaled=True) == "model.dense3.weight_init"


@pytest.mark.parametrize(
    ("loss", "mean", "bias"),
    [
        ("poisson", [60.0], {"constant": {"value": 4.09}}),
        ("poisson", [60.0, 2.0], None),
        ("poisson", [0.0], None),
        ("kl_divergence", [0.5, 0.5], None),
    ],
)
def test_counts_begin_with_their_mean(
    first_loss: Make, loss: str, mean: list[float], bias: object
) -> None:
    """No patch may standardize what the loss takes only as it is."""
    targets = Targets(
        "regression", 320, std=np.full(len(mean), 9.0), mean=np.array(mean)
    )
    settings = {
        "standardize_target": Setting("data.standardize_target", False),
        "loss": Setting("loss", loss),
    }
    evidence = first_loss(80.0, 0.5, targets=targets, settings=settings)
    remedy = one(InitialLoss(), evidence).remedy
    assert remedy is not None
    at = {edit.path: edit.value for edit in remedy.patch}
    assert at.pop("model.dense3.bias_init", None) == bias
    assert [*at] == ["model.dense3.weight_init"]
    assert ("logarithm of the mean" in remedy.text) == (bias is not None)


def test_the_first_loss_s_limits_can_be_changed(first_loss: Make) -> None:
    assert found(InitialLoss(factor=2), first_loss(2.5 * math.log(2), 6))
    assert found(InitialLoss(logits=2), first_loss(4 * math.log(2), 3))
    targets = Targets("regression", 320, std=np.ones(1), mean=np.zeros(1))
    assert found(InitialLoss(excess=2), first_loss(5, 3, targets=targets))


# ---------------------------------------------------------------- I4


@pytest.fixture
def widths(start: Make) -> Callable[..., Evidence]:
    """A network with hidden layers of so many units."""

    def make(units: Sequence[int], activation: str = "relu", **facts: Any) -> Evidence:
        layers = {f"dense{i}": {"units": n, **facts} for i, n in enumerate(units, 1)}
        depth = len(units) + 1
        return start(depth, run={"activation": activation}, **layers)

    return make


@pytest.mark.parametrize(
    ("units", "activation", "measured"),
    [
        ([8, 8, 8], "relu", None),
        ([5], "relu", None),
        ([4], "relu", 1 / 16),
        ([5, 5], "relu", 1 - (31 / 32) ** 2),
        ([8] * 8, "relu", None),
        ([8] * 9, "relu", 9 / 8),
        ([4], "tanh", None),
        ([4] * 4, "leaky_relu", None),
        ([4] * 5, "leaky_relu", 5 / 4),
        ([1], "tanh", None),
        ([1, 64], "tanh", 65 / 64),
        ([2], "relu6", 1 / 4),
    ],
)
def test_layers_too_narrow(
    widths: Make, units: list[int], activation: str, measured: float | None
) -> None:
    findings = found(FiniteWidth(), widths(units, activation))
    assert [f.measured for f in findings] == (
        [pytest.approx(measured)] if measured else []
    )
    assert [f.severity for f in findings] == ["warning"] * len(findings)
    for finding in findings:
        assert finding.threshold == (1.0 if measured > 1 else 0.05)


def test_the_narrowest_layer_is_named(widths: Make) -> None:
    finding = one(FiniteWidth(), widths([16, 3, 4]))
    assert finding.layer == "dense2" and finding.config_line == 12


def test_normalized_layers_pass_signals_at_any_width(widths: Make) -> None:
    assert not found(FiniteWidth(), widths([3] * 5, normalized=True))


def test_the_output_s_width_is_the_task_s(start: Make) -> None:
    assert not found(FiniteWidth(), start(dense3={"units": 1}))


def test_a_risk_alone_is_behind_every_cause(widths: Make, healthy: Make) -> None:
    narrow = widths([3])
    (alone,) = diagnose(narrow)
    assert (alone.id, alone.severity, alone.primary) == ("I4", "warning", True)
    targets = Targets(
        "classification", 320, names=("x", "y"), counts=np.array([300, 20])
    )
    assert [f.id for f in diagnose(dataclasses.replace(narrow, targets=targets))] == [
        "D2",
        "I4",
    ]


def test_the_limits_of_width_can_be_changed(widths: Make) -> None:
    assert found(FiniteWidth(spread=0.3), widths([8, 8, 8]))
    assert found(FiniteWidth(born_dead=0.01), widths([8, 8, 8]))
    assert not found(FiniteWidth(born_dead=0.07), widths([4]))


# ---------------------------------------------------------------- I5


@pytest.fixture
def positive(start: Make) -> Callable[..., Evidence]:
    """Evidence of the first layer's units: so many of them are never positive."""

    def make(dead: int, units: int, activation: str = "relu", **facts: Any) -> Evidence:
        evidence = start(run={"activation": activation}, dense1=facts)
        share = np.where(np.arange(units) < dead, 0.0, 0.01)
        before = evidence.signals
        assert before is not None
        path = "model/dense1/pre_activation"
        signals = dataclasses.replace(before, positive={path: share})
        return dataclasses.replace(evidence, signals=signals)

    return make


@pytest.mark.parametrize(
    ("dead", "units", "fires"),
    [
        (20, 20, True),
        (17, 20, True),
        (16, 20, False),
        (10, 20, False),
        (45, 64, True),
        (44, 64, False),
        (512, 1000, False),
        (549, 1000, True),
        (4, 4, True),
        (3, 4, False),
        (0, 20, False),
    ],
)
def test_units_that_no_row_makes_positive(
    positive: Make, dead: int, units: int, fires: bool
) -> None:
    """Half of the layer, and more than coins would give in one layer of a thousand."""
    findings = found(BornDead(), positive(dead, units))
    assert [f.severity for f in findings] == ["error"] * fires
    if dead < units:
        assert fires == (binom.sf(dead - 1, units, 0.5) < 1.5e-3)
    for finding in findings:
        assert finding.measured == dead / units and finding.threshold == 0.5
        assert finding.units == tuple(range(dead))
        assert (finding.layer, finding.epoch, finding.step) == ("dense1", None, None)


@pytest.mark.parametrize(
    ("dead", "mean", "bias", "fires"),
    [
        (24, -10.0, -10.0, True),
        (16, -10.0, -10.0, True),
        (15, -10.0, -10.0, False),
        (24, -2.01, -10.0, True),
        (24, -1.99, -10.0, False),
        (24, 10.0, 10.0, False),
        (24, -10.0, None, False),
        (25, 0.0, None, True),
    ],
)
def test_biases_that_hold_half_of_a_layer_down(
    positive: Make, dead: int, mean: float, bias: float | None, fires: bool
) -> None:
    """Of 32 units whose z has a standard deviation of 1."""
    value = "zeros" if bias is None else {"constant": {"value": bias}}
    init = Setting("model.dense1.bias_init", value)
    evidence = positive(dead, 32, bias_init=init)
    signals = dataclasses.replace(evidence.signals, mean=np.full(3, mean))
    evidence = dataclasses.replace(evidence, signals=signals)
    findings = found(BornDead(), evidence)
    assert [f.measured for f in findings] == [dead / 32] * fires
    assert not found(BornDead(below=11, deviations=9), evidence)


def test_the_bias_or_the_width_is_the_cause(positive: Make) -> None:
    bias = {"constant": {"value": -10.0}}
    init = Setting("model.dense1.bias_init", bias)
    biased, narrow = positive(4, 4, bias_init=init), positive(4, 4)
    assert one(BornDead(), biased).place == "I5 bias"
    assert "biases do not start at 0" in one(BornDead(), biased).why
    assert one(BornDead(), narrow).place == "I5 width"
    assert "biases" not in one(BornDead(), narrow).why


@pytest.mark.parametrize("activation", ["hard_sigmoid", "hard_tanh", "hard_swish"])
def test_a_negative_unit_of_the_hard_variants_is_alive(
    positive: Make, activation: str
) -> None:
    """Their derivative is 0 only below -1 or -3, not wherever z < 0."""
    assert not found(BornDead(), positive(20, 20, activation))
    assert found(BornDead(), positive(20, 20, "relu6"))


def test_frozen_layers_are_left_out(positive: Make) -> None:
    assert not found(BornDead(), positive(20, 20, trainable=False))


def test_born_dead_comes_before_the_dead_neurons_that_follow(
    positive: Make, healthy: Make
) -> None:
    path = "model/dense1/pre_activation"
    units = Units(np.ones((6, 4), bool), np.zeros((6, 4), bool), np.zeros((6, 4)))
    for init in ("zeros", {"constant": {"value": -10.0}}):
        sick = positive(4, 4, bias_init=Setting("model.dense1.bias_init", init))
        run = healthy(
            layers=sick.layers,
            signals=sick.signals,
            units={path: units},
            loss=np.full(6, 2.0),
        )
        first, *others = diagnose(run)
        assert (first.id, first.primary) == ("I5", True)
        assert ("A1", "I5") in [(f.id, f.consequence_of) for f in others]


def test_the_share_of_units_born_dead_can_be_changed(positive: Make) -> None:
    assert found(BornDead(deviations=0), positive(11, 20))
    assert not found(BornDead(threshold=0.9), positive(17, 20))
    assert found(BornDead(threshold=0.85), positive(17, 20))


def test_inputs_that_are_all_positive_do_not_make_an_error(healthy: Make) -> None:
    """All rows look alike to a unit then: half of them are never positive."""
    evidence = healthy(depth=2)
    rng = np.random.default_rng(0)
    rows = 1 + 0.05 * rng.normal(size=(256, 4))
    fired = several = 0
    for _ in range(200):
        share = (rows @ rng.normal(size=(4, 16)) > 0).mean(axis=0)
        several += bool((share == 0).mean() >= 0.5)
        signals = Signals(
            256, 2.0, np.zeros(2), np.ones(2), np.ones(2),
            {"model/dense1/pre_activation": share},
        )  # fmt: skip
        fired += bool(found(BornDead(), dataclasses.replace(evidence, signals=signals)))
    assert several > 60 and fired <= 2
