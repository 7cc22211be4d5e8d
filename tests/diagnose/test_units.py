"""A1 and A2: what is dead, what only sleeps, and what is stuck at a flat end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nettrain.diagnose import (
    Evidence,
    Finding,
    FirstWeights,
    Inputs,
    Setting,
    Signals,
    Units,
    diagnose,
)
from nettrain.diagnose.detectors import DeadNeurons, Saturation
from nettrain.diagnose.detectors.units import lasting

Make = Callable[..., Evidence]
PATHS = [f"model/dense{i}/pre_activation" for i in (1, 2, 3)]


def dead_in(evidence: Evidence) -> list[Finding]:
    return [found for found in diagnose(evidence) if found.id == "A1"]


def saturated_in(evidence: Evidence, **thresholds: Any) -> list[Finding]:
    return list(Saturation(**thresholds).detect(evidence))


def share(dead: int, units: int = 20, epochs: int = 2) -> Any:
    return [[unit < dead for unit in range(units)]] * epochs


@pytest.mark.parametrize(
    ("dead", "severity"),
    [(0, None), (4, None), (5, "note"), (9, "note"), (10, "error"), (20, "error")],
)
def test_shares_of_a_layer(
    layers_of_units: Make, dead: int, severity: str | None
) -> None:
    """Of 20 units: a note from 25 %, a fault from 50 %."""
    found = dead_in(layers_of_units(share(dead)))
    assert [f.severity for f in found] == ([severity] if severity else [])
    if found:
        assert found[0].units == tuple(range(dead))
        assert found[0].measured == dead / 20
        assert (found[0].epoch, found[0].step) == (2, 20)
        assert found[0].threshold == (0.25 if severity == "note" else 0.5)


def test_two_epochs_running(layers_of_units: Make) -> None:
    many, none = [True, True, False], [False, False, False]
    assert dead_in(layers_of_units([many])) == []
    assert dead_in(layers_of_units([many, none, many])) == []
    (found,) = dead_in(layers_of_units([none, many, many, many]))
    assert (found.epoch, found.step) == (3, 30)
    assert "since epoch 2" in found.why


def test_units_that_wake_again_are_not_dead(layers_of_units: Make) -> None:
    assert dead_in(layers_of_units([[True] * 4, [True] * 4, [False] * 4])) == []


def test_the_same_units_must_be_dead_in_both_epochs(layers_of_units: Make) -> None:
    first, second = [True, True, False, False], [False, False, True, True]
    assert dead_in(layers_of_units([first, second])) == []


@pytest.mark.parametrize(("loss", "severity"), [(1.01, "error"), (0.99, "warning")])
def test_an_error_only_if_learning_is_hurt(
    layers_of_units: Make, loss: float, severity: str
) -> None:
    """Half of H0 = 2."""
    (found,) = dead_in(layers_of_units(share(20), loss=loss))
    assert found.severity == severity


def test_sparse_units_are_alive(layers_of_units: Make) -> None:
    """89 % zeros, as healthy layers have; every unit passes a gradient sometimes."""
    evidence = layers_of_units(share(0))
    (units,) = evidence.units.values()
    assert float(units.positive.max()) == pytest.approx(0.11)
    assert dead_in(evidence) == []


def test_a_unit_that_no_gradient_reaches_is_not_dead(layers_of_units: Make) -> None:
    assert dead_in(layers_of_units(share(20), arrived=False)) == []


def test_dead_is_arriving_and_not_passing() -> None:
    arrived = np.array([[True, True, False, False]])
    passed = np.array([[True, False, True, False]])
    dead = Units(arrived, passed, np.zeros((1, 4))).dead
    assert dead.tolist() == [[False, True, False, False]]


def test_an_epoch_cut_short_is_no_proof(layers_of_units: Make) -> None:
    evidence = layers_of_units(share(20))
    evidence.steps[-1] = 15
    assert dead_in(evidence) == []


def test_thresholds_can_be_changed(layers_of_units: Make) -> None:
    evidence = layers_of_units(share(12))
    assert [f.severity for f in DeadNeurons(many=0.7).detect(evidence)] == ["note"]
    assert not list(DeadNeurons(checks=3).detect(evidence))
    (found,) = DeadNeurons(hurt=1.0).detect(evidence)
    assert found.severity == "warning"


@pytest.mark.parametrize(
    ("loss", "severity"), [(0.19, "note"), (0.21, "warning"), (1.01, "error")]
)
def test_how_much_death_hurts(
    layers_of_units: Make, loss: float, severity: str
) -> None:
    """H0 is 2: below a tenth of it the living units are enough."""
    (found,) = dead_in(layers_of_units(share(12), loss=loss))
    assert found.severity == severity


def test_born_and_died_are_told_apart(layers_of_units: Make) -> None:
    alive, dead = [False] * 4, [True] * 4
    (born,) = dead_in(layers_of_units([dead, dead]))
    (died,) = dead_in(layers_of_units([alive, dead, dead]))
    assert "since the first epoch" in born.why and born.place == "A1 died"
    assert "since epoch 2" in died.why and died.place == "A1 died"


def test_a_bias_is_the_cause_of_units_born_dead(layers_of_units: Make) -> None:
    settings = {"bias_init": {"constant": {"value": -10.0}}}
    (found,) = dead_in(layers_of_units(share(20), settings=settings))
    assert found.place == "I5 bias"


def test_the_update_that_killed_is_told(layers_of_units: Make) -> None:
    alive, dead = [False] * 4, [True] * 4
    evidence = layers_of_units([alive, dead, dead])
    evidence.update_ratio[1, 0] = 0.7
    (found,) = dead_in(evidence)
    assert "0.7 of their norm" in found.why
    assert found.remedy is not None
    assert found.remedy.patch[0].path == "optimizer.adam.learning_rate"


@pytest.mark.parametrize(
    ("ratio", "when", "rate"),
    [(0.9, 1, 1e-4), (0.9, 0, 1e-4), (0.9, 2, 1e-3), (0.09, 1, 1e-3), (0.0, 1, 1e-3)],
)
def test_what_died_needs_a_lower_rate_by_the_steps_that_killed(
    layers_of_units: Make, ratio: float, when: int, rate: float
) -> None:
    """Only those before it was lost say how much; a ten at least."""
    alive, dead = [False] * 4, [True] * 4
    evidence = layers_of_units([alive, dead, dead])
    evidence.update_ratio[when, 0] = ratio
    (found,) = dead_in(evidence)
    assert found.remedy is not None and found.remedy.measure
    (edit,) = found.remedy.patch
    assert (edit.path, edit.value) == ("optimizer.adam.learning_rate", rate)
    other = found.remedy.otherwise
    assert other is not None and other.patch[0].value == "leaky_relu"


def test_what_was_born_dead_needs_another_activation(layers_of_units: Make) -> None:
    evidence = layers_of_units(share(20))
    evidence.update_ratio[:, 0] = 0.9
    (found,) = dead_in(evidence)
    assert found.remedy is not None and not found.remedy.measure
    assert found.remedy.patch[0].value == "leaky_relu"


def test_a_layer_of_which_nothing_is_known(layers_of_units: Make) -> None:
    alive, dead = [False] * 4, [True] * 4
    evidence = layers_of_units([alive, dead, dead])
    (found,) = dead_in(replace(evidence, layers={}))
    assert found.config_line is None and "their norm" not in found.why


def test_the_share_of_positive_pre_activations_is_told(layers_of_units: Make) -> None:
    (found,) = dead_in(layers_of_units(share(20)))
    assert "positive for 0 of the samples" in found.why


@pytest.mark.parametrize(
    ("holds", "checks", "at"),
    [
        ([True, True, True], 2, 1),
        ([False, True, True], 2, 2),
        ([True, True, False], 1, None),
        ([True, False, True], 2, None),
        ([True], 2, None),
        ([], 1, None),
    ],
)
def test_what_lasts_until_now(holds: list[bool], checks: int, at: int | None) -> None:
    assert lasting(np.array(holds, bool), checks) == at


# ---------------------------------------------------------------- A2


@pytest.fixture
def sloped(healthy: Make) -> Make:
    """A tanh network of three layers, the slopes of the first given: (E, U)."""

    def make(*rows: Any, **changes: Any) -> Evidence:
        slopes = {PATHS[0]: np.array(rows, np.float32)}
        loss = changes.pop("loss", 1.0)
        return healthy(
            checks=len(rows),
            activation="tanh",
            slopes=slopes,
            loss=np.full(len(rows), loss),
            **changes,
        )

    return make


FLAT, STEEP = 0.04, 0.06


def row(flat: int, units: int = 10) -> list[float]:
    return [FLAT] * flat + [STEEP] * (units - flat)


def test_units_at_a_flat_end(sloped: Make) -> None:
    (found,) = saturated_in(sloped(row(0), row(5), row(6)))
    assert (found.id, found.severity, found.layer) == ("A2", "error", "dense1")
    assert found.node == PATHS[0] and found.config_line == 11
    assert found.units == (0, 1, 2, 3, 4, 5)
    assert (found.measured, found.threshold) == (0.6, 0.5)
    assert (found.epoch, found.step) == (3, 30)
    assert "6 of 10 units" in found.why and "since epoch 2" in found.why
    assert "std 1" in found.why


def test_less_than_half_of_a_layer_is_no_fault(sloped: Make) -> None:
    assert not saturated_in(sloped(row(4), row(4)))
    assert saturated_in(sloped(row(4), row(4)), many=0.4)


def test_steep_slopes_are_no_fault(sloped: Make) -> None:
    """The other way round nothing is wrong: every unit at its steepest."""
    assert not saturated_in(sloped([1.0] * 10, [1.0] * 10))
    assert not saturated_in(sloped(row(0), row(0)))
    assert saturated_in(sloped(row(0), row(0)), flat=0.07)


def test_saturation_lasts_two_epochs_and_until_now(sloped: Make) -> None:
    assert not saturated_in(sloped(row(10)))
    assert not saturated_in(sloped(row(10), row(0), row(10)))
    assert not saturated_in(sloped(row(10), row(10), row(0)))
    assert not saturated_in(sloped(row(10), row(10)), checks=3)


def test_a_net_that_has_learned_may_saturate(sloped: Make) -> None:
    """A tenth of H0 = 2."""
    assert not saturated_in(sloped(row(10), row(10), loss=0.19))
    assert saturated_in(sloped(row(10), row(10), loss=0.21))


def test_an_epoch_cut_short_proves_no_saturation(sloped: Make) -> None:
    evidence = sloped(row(10), row(10))
    evidence.steps[-1] = 15
    assert not saturated_in(evidence)


def test_every_saturated_layer_is_named(sloped: Make) -> None:
    evidence = sloped(row(10), row(10))
    slopes = dict.fromkeys(PATHS[:2], evidence.slopes[PATHS[0]])
    found = saturated_in(replace(evidence, slopes=slopes))
    assert [f.layer for f in found] == ["dense1", "dense2"]


@pytest.mark.parametrize(
    ("activation", "judged"),
    [("leaky_relu", False), ("prelu", False), ("elu", True), ("gelu", True)],
)
def test_what_is_straight_on_both_sides_is_nowhere_flat(
    sloped: Make, activation: str, judged: bool
) -> None:
    """leaky_relu has a slope of .01 on the left, by design; elu fades there."""
    evidence = sloped(row(10), row(10))
    setting = Setting("model.dense1.activation", {activation: {}})
    first = replace(evidence.layers["dense1"], activation=setting)
    evidence = replace(evidence, layers={**evidence.layers, "dense1": first})
    assert bool(saturated_in(evidence)) is judged


def test_of_a_layer_that_is_not_known_slopes_are_judged(sloped: Make) -> None:
    assert saturated_in(replace(sloped(row(10), row(10)), layers={}))


def test_a_trainer_that_measures_no_slopes(healthy: Make) -> None:
    assert not saturated_in(healthy())
    assert not saturated_in(Evidence())


# ---------------------------------------------------------------- the remedy of A2


def cure(evidence: Evidence) -> list[tuple[str, str, Any]]:
    (found,) = saturated_in(evidence)
    assert found.remedy is not None
    return [(edit.do, edit.path, edit.value) for edit in found.remedy.patch]


def with_weights(evidence: Evidence, rms: float, **changes: Any) -> Evidence:
    """Weights of 16 inputs and outputs, drawn from a normal distribution."""
    layers = {
        name: replace(
            layer,
            first=FirstWeights(rms, 16, 16),
            weight_init=Setting(f"{layer.path}.weight_init", {"normal": {"std": rms}}),
            **changes,
        )
        for name, layer in evidence.layers.items()
    }
    return replace(evidence, layers=layers)


NORMALIZED = [("insert", "model.dense2", "layer_norm")]


@pytest.mark.parametrize(("rms", "scaled"), [(0.76, True), (0.74, False)])
def test_large_weights_are_scaled(sloped: Make, rms: float, scaled: bool) -> None:
    """γ = rms · √16, too large above 3."""
    edits = cure(with_weights(sloped(row(10), row(10)), rms))
    assert (edits == NORMALIZED) is not scaled
    if scaled:
        assert ("set", "model.dense1.weight_init", "auto") in edits


@pytest.mark.parametrize(
    ("mean", "std", "scaled"),
    [(0.0, 3.1, True), (0.0, 2.9, False), (-3.1, 0.0, True), (2.0, 2.0, False)],
)
def test_large_inputs_are_standardized(
    sloped: Make, mean: float, std: float, scaled: bool
) -> None:
    inputs = Inputs(("a", "b"), np.full(2, mean), np.full(2, std))
    evidence = sloped(row(10), row(10), inputs=inputs)
    standard = [("insert", "data.preprocess", "standardize")]
    assert cure(evidence) == (standard if scaled else NORMALIZED)
    done = Setting("data.preprocess", [{"standardize": {}}])
    settings = {**evidence.settings, "preprocess": done}
    floor = [("set", "data.preprocess.standardize1.floor", 0.0)]
    again = cure(replace(evidence, settings=settings))
    assert again == (floor if scaled else NORMALIZED)


@pytest.mark.parametrize(("mean", "zeros"), [(-2.1, True), (1.9, False)])
def test_biases_that_shift_all_units_become_0(
    sloped: Make, mean: float, zeros: bool
) -> None:
    level = np.array([mean, 0.0, 0.0])
    evidence = with_weights(
        sloped(row(10), row(10), signals=Signals(256, 2.0, level, level, level)),
        0.25,
        bias_init=Setting("model.dense1.bias_init", {"constant": {"value": mean}}),
    )
    wanted = [("set", "model.dense1.bias_init", "zeros")]
    assert cure(evidence) == (wanted if zeros else NORMALIZED)


@pytest.mark.parametrize(
    ("ratio", "rate"), [(0.09, None), (0.11, 0.001), (0.9, 0.0001)]
)
def test_updates_that_drove_units_to_the_ends(
    sloped: Make, ratio: float, rate: float | None
) -> None:
    evidence = sloped(row(0), row(10), row(10))
    layers = {
        name: replace(layer, parameters=(f"model/{name}/weight",))
        for name, layer in evidence.layers.items()
    }
    evidence.update_ratio[1, 0] = ratio
    evidence = replace(evidence, layers=layers)
    wanted = [("set", "optimizer.adam.learning_rate", rate)] if rate else NORMALIZED
    assert cure(evidence) == wanted
    (found,) = saturated_in(evidence)
    assert found.remedy is not None
    other = found.remedy.otherwise
    assert (found.remedy.measure, other is not None) == (bool(rate), bool(rate))
    if other is not None:
        assert [e.path for e in other.patch] == ["model.dense2"]
        assert other.patch[0].value == "layer_norm"


def test_a_single_hidden_layer_becomes_relu(healthy: Make) -> None:
    evidence = healthy(
        checks=2,
        depth=2,
        activation="tanh",
        loss=np.ones(2),
        slopes={PATHS[0]: np.array([row(10), row(10)])},
    )
    assert cure(evidence) == [("set", "model.dense1.activation", "relu")]
