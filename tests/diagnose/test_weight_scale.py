"""I3: first weights that shrink or blow up what passes through them."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import chi2

from nettrain import randomness
from nettrain.component import registered
from nettrain.diagnose import FirstWeights, diagnose
from nettrain.diagnose.detectors import WeightScale
from nettrain.nn import Activation
from nettrain.nn.initializers import Initializer, Orthogonal, VarianceScaling
from tests.diagnose.test_initial import Make, found, inside, one, starting


@pytest.fixture
def start(healthy: Make) -> Make:
    return starting(healthy)


def weights(gamma: float, fan_in: int = 16, fan_out: int = 16) -> dict[str, Any]:
    """Facts of a layer with weights of that scale."""
    first = FirstWeights(gamma / math.sqrt(fan_in), fan_in, fan_out)
    return {"first": first, "units": fan_out}


@pytest.mark.parametrize(
    ("gamma", "threshold"),
    [(0.32, 1 / 3), (0.34, None), (1.0, None), (2.9, None), (3.1, 3.0)],
)
def test_weights_too_small_or_too_large(
    start: Make, gamma: float, threshold: float | None
) -> None:
    findings = found(WeightScale(), start(dense1=weights(gamma)))
    assert [f.threshold for f in findings] == ([threshold] if threshold else [])
    for finding in findings:
        assert finding.measured == pytest.approx(gamma)
        assert finding.severity == "warning" and finding.layer == "dense1"
        assert ("small" in finding.why) == (gamma < 1)
        assert ("large" in finding.why) == (gamma > 1)


def test_weights_of_0_that_are_no_twins(start: Make) -> None:
    """A layer of one unit."""
    finding = one(WeightScale(), start(dense1=weights(0.0, 16, 1)))
    assert (finding.severity, finding.measured) == ("error", 0.0)


@pytest.mark.parametrize("fans", [(4, 2), (3, 3), (1, 1), (2, 1), (8, 8)], ids=str)
def test_few_weights_wander_by_chance(start: Make, fans: tuple[int, int]) -> None:
    """Also outside 99.9 % of what chance gives: n γ² of n weights is χ²(n)."""
    count = math.prod(fans)
    low, high = np.sqrt(chi2.ppf([0.0005, 0.9995], count) / count)
    low, high = min(low, 1 / 3), max(high, 3.0)

    def fires(gamma: float) -> bool:
        fan = fans[0] if gamma < 1 else sum(fans) / 2
        first = FirstWeights(gamma / math.sqrt(fan), *fans)
        assert first.gamma == pytest.approx(gamma)
        return bool(found(WeightScale(), start(dense1={"first": first})))

    assert [fires(low * 0.99), fires(low * 1.01)] == [True, False]
    assert [fires(high * 0.99), fires(high * 1.01)] == [False, True]


def test_the_product_over_depth_decides_the_severity(start: Make) -> None:
    """γ² of dense1 alone changes the variance by less than 1000 times."""

    def severity(*gammas: float) -> list[str]:
        layers = {f"dense{i}": weights(g) for i, g in enumerate(gammas, 1)}
        return [f.severity for f in found(WeightScale(), start(5, **layers))]

    assert severity(0.1, 1, 1, 1) == ["warning"]
    assert severity(0.1, 0.31, 1, 1) == ["error"]
    assert severity(0.1, 0.34, 0.9, 1) == ["error"]
    assert severity(5, 5, 1.23, 1) == ["warning"]
    assert severity(5, 5, 1.3, 1) == ["error"]
    assert severity(0.1, 0.31, 3.2, 1) == ["warning"]
    # The last layer is no depth that a signal has to pass.
    assert severity(0.1, 1, 1, 1, 0.01) == ["warning"]


@pytest.mark.parametrize(
    ("gamma", "width", "depth", "severity"),
    [
        (2.8, 16, 4, "error"),
        (2.8, 16, 3, None),  # 482 times the variance
        (1.6, 256, 8, "error"),
        (1.6, 256, 7, None),
        (0.6, 256, 7, "warning"),
        (0.6, 256, 6, None),
        # What chance gives a layer of 256 weights: .857 to 1.147.
        (1.73, 16, 20, "error"),
        (1.71, 16, 20, None),
        (0.570, 16, 20, "warning"),
        (0.573, 16, 20, None),
    ],
)
def test_layers_that_are_a_little_wrong_are_wrong_together(
    start: Make, gamma: float, width: int, depth: int, severity: str | None
) -> None:
    same = weights(gamma, width, width)
    layers = {f"dense{i}": same for i in range(1, depth + 1)}
    evidence = start(depth + 1, **layers)
    findings = found(WeightScale(), evidence)
    assert [f.severity for f in findings] == ([severity] if severity else [])
    for finding in findings:
        assert finding.measured == pytest.approx(gamma)
        limit = 1.5 if gamma > 1 else 1 / 1.5
        assert (finding.threshold, finding.healthy) == (limit, (1 / 1.5, 1.5))
        power = 2 * depth * math.log10(gamma)
        assert f"{depth} layers together multiply" in finding.why
        assert f"variance by 1e{power:+.0f}" in finding.why
    assert not found(WeightScale(depth=1e12), evidence)
    assert not found(WeightScale(average=3.0), evidence)


def test_of_layers_together_those_in_the_mean_are_named(start: Make) -> None:
    gammas = (2.0, 2.9, 0.5, 1.4, 2.8, 2.8, 2.8, 2.8)
    layers = {f"dense{i}": weights(g) for i, g in enumerate(gammas, 1)}
    finding = one(WeightScale(), start(9, **layers))
    assert finding.layer == "dense2" and finding.measured == pytest.approx(2.9)
    named = [i for i in range(1, 9) if f"dense{i} " in finding.why]
    assert named == [1, 2, 5, 6, 7, 8]
    with_one = {**layers, "dense3": weights(0.2)}
    finding = one(WeightScale(), start(9, **with_one))
    assert (finding.layer, finding.threshold) == ("dense3", 1 / 3)
    assert "dense5 2.8" in finding.why and finding.healthy == (0.4, 1.5)


def test_beside_a_shortcut_a_product_says_nothing(start: Make) -> None:
    names = [f"dense{i}" for i in range(1, 7)]
    evidence = start(7, **{name: weights(2.8) for name in names})
    assert found(WeightScale(), evidence)
    assert not found(WeightScale(), inside(evidence, "residual", *names))
    assert found(WeightScale(), inside(evidence, "sequential", *names))
    wrong = start(7, **{name: weights(3.5) for name in names})
    finding = one(WeightScale(), inside(wrong, "residual", *names))
    assert finding.severity == "warning"


def test_weights_that_are_not_finite_are_another_matter(start: Make) -> None:
    for rms in (math.inf, math.nan):
        broken = {"first": FirstWeights(rms, 16, 16)}
        assert not found(WeightScale(), start(dense1=broken))
    huge = {f"dense{i}": weights(1e200) for i in (1, 2)}
    finding = one(WeightScale(), start(**huge))
    assert finding.measured == pytest.approx(1e200) and "1e+800" in finding.why


def test_the_worst_layer_is_named_with_the_others(start: Make) -> None:
    layers = {f"dense{i}": weights(g) for i, g in enumerate((0.2, 4, 0.02, 0.3), 1)}
    finding = one(WeightScale(), start(5, **layers))
    assert finding.layer == "dense3" and finding.config_line == 13
    assert "dense1 0.2, dense2 4, dense4 0.3" in finding.why
    assert "std of z 1" in finding.why and "δ 1" in finding.why
    up = one(WeightScale(), start(3, dense1=weights(0.2), dense2=weights(6)))
    assert up.layer == "dense2"


def test_layers_whose_scale_is_no_matter(start: Make) -> None:
    for facts in ({"normalized": True}, {"trainable": False}):
        assert not found(WeightScale(), start(dense1={**weights(0.01), **facts}))
    alike = {"first": FirstWeights(0.0, 16, 16, 1.0, 16), "units": 16}
    assert not found(WeightScale(), start(dense1=alike, dense2=alike))


def test_the_last_layer_may_start_small(start: Make) -> None:
    assert not found(WeightScale(), start(dense3=weights(0.01)))
    assert one(WeightScale(), start(dense3=weights(4))).layer == "dense3"


def test_a_consequence_makes_an_error(start: Make, healthy: Make) -> None:
    sick = start(dense1=weights(0.2))
    assert [f.severity for f in diagnose(sick)] == ["warning"]
    delta = np.array([[1e-5, 1e-2, 1.0]] * 6)
    evidence = healthy(delta_rms=delta, loss=np.full(6, 2.0), layers=sick.layers)
    first, *others = diagnose(evidence)
    assert (first.id, first.severity, first.primary) == ("I3", "error", True)
    assert [f.consequence_of for f in others if f.id == "G1"] == ["I3"]


SHAPES = [(64, 64), (16, 128), (128, 16), (2, 32), (32, 2), (1, 64), (6, 6)]
SCALED = {
    name: cls
    for name, cls in registered(Initializer).items()
    if issubclass(cls, (VarianceScaling, Orthogonal))
}
GAINS = sorted({cls.gain for cls in registered(Activation).values()})


@pytest.mark.parametrize("width", [4, 16, 64])
@pytest.mark.parametrize("name", SCALED)
def test_scaled_initializers_are_right_in_every_depth(
    start: Make, name: str, width: int
) -> None:
    rms = [
        float(np.sqrt(np.mean(np.square(values))))
        for values in (
            SCALED[name]().values(
                randomness.key(seed, "init"), (width, width), width, width
            )
            for seed in range(20)
        )
    ]
    for gain, depth in itertools.product(GAINS, (1, 2, 5, 10, 20)):
        firsts = [FirstWeights(x, width, width, gain) for x in rms[:depth]]
        layers = {f"dense{i}": {"first": x} for i, x in enumerate(firsts, 1)}
        assert not found(WeightScale(), start(depth + 1, **layers))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", SCALED)
def test_scaled_initializers_are_right_before_every_activation(
    start: Make, name: str, shape: tuple[int, int]
) -> None:
    for seed in range(10):
        key = randomness.key(seed, "model/dense1/weight")
        values = SCALED[name]().values(key, shape, *shape)
        rms = float(np.sqrt(np.mean(values**2)))
        for gain in GAINS:
            first = FirstWeights(rms, *shape, gain)
            evidence = start(dense1={"first": first, "units": shape[1]})
            assert not found(WeightScale(), evidence)
            if math.prod(shape) >= 1024:
                assert 0.4 <= first.gamma <= 1.5


def test_the_factor_and_the_chance_can_be_changed(start: Make) -> None:
    assert found(WeightScale(factor=2), start(dense1=weights(0.4)))
    narrow = start(dense1=weights(0.32, 2, 2))
    assert not found(WeightScale(), narrow)
    assert found(WeightScale(chance=0.9), narrow)
    assert one(WeightScale(depth=10), start(dense1=weights(0.2))).severity == "error"
