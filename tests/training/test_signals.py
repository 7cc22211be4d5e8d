"""What the first weights make of training rows."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from nettrain import randomness
from nettrain.data import Part
from nettrain.execute.reference import evaluate
from nettrain.graph import leaf, parameter, topological
from nettrain.graph import operations as ops
from nettrain.nn import (
    BatchNorm,
    CrossEntropy,
    Dense,
    Dropout,
    Layer,
    MeanSquaredError,
    Sequential,
    initial_values,
)
from nettrain.optim import Adam
from nettrain.training import signals as module
from nettrain.training.programs import Recipe, Step, trace_step
from nettrain.training.signals import amplification, kin, products, signals

Arrays = dict[str, np.ndarray]
Made = tuple[Recipe, Step, Part, Arrays]


def made(*layers: Layer, rows: int = 60, seed: int = 0, **settings: Any) -> Made:
    """A network on rows of four inputs and two classes, with its first values."""
    random = np.random.default_rng(1)
    x, y = random.normal(size=(rows, 4)), random.integers(0, 2, rows)
    recipe = Recipe(
        **{
            "model": Sequential(list(layers)),
            "loss": CrossEntropy(),
            "optimizer": Adam(),
            "inputs": (4,),
            "targets": (),
            "targets_dtype": "int64",
            "outputs": 2,
            "seed": seed,
            "dtype": "float64",
        }
        | settings
    )
    step = trace_step(recipe, 8)
    part = Part(x, y, np.arange(rows))
    return recipe, step, part, initial_values(step.trace, seed)


def two_layers(values: Arrays, x: np.ndarray) -> tuple[np.ndarray, ...]:
    """z1, h1 and z2 of a relu network."""
    z1 = x @ values["model/dense1/weight"] + values["model/dense1/bias"]
    h1 = np.maximum(z1, 0)
    return z1, h1, h1 @ values["model/dense2/weight"] + values["model/dense2/bias"]


def test_every_number_by_hand() -> None:
    recipe, step, part, first = made(Dense(6, activation="relu"), Dense(2))
    found = signals(recipe, step, part, first)
    z1, h1, z2 = two_layers(first, part.inputs)
    powers = np.exp(z2)
    shares = powers / powers.sum(axis=1, keepdims=True)
    rows = np.arange(len(part))
    assert found.rows == 60
    assert found.loss == pytest.approx(-np.log(shares[rows, part.targets]).mean())
    assert found.mean == pytest.approx([z1.mean(), z2.mean()])
    assert found.std == pytest.approx([z1.std(), z2.std()])
    d2 = (shares - np.eye(2)[part.targets]) / len(part)
    d1 = (d2 @ first["model/dense2/weight"].T) * (z1 > 0)
    rms = [np.sqrt(np.mean(d**2)) for d in (d1, d2)]
    assert found.delta_rms == pytest.approx(rms)
    assert list(found.positive) == ["model/dense1/pre_activation"]
    share = found.positive["model/dense1/pre_activation"]
    np.testing.assert_allclose(share, (z1 > 0).mean(axis=0))
    factors = amplification(recipe, step, part, first)
    powers_of = {"x": part.inputs, "z1": z1, "h1": h1, "z2": z2}
    mean = {name: np.mean(value**2) for name, value in powers_of.items()}
    assert factors == pytest.approx(
        {
            "model/dense1": mean["z1"] / mean["x"],
            "model/dense2": mean["z2"] / mean["h1"],
        }
    )


def test_the_penalty_is_no_part_of_the_loss() -> None:
    plain = signals(*made(Dense(6, activation="tanh"), Dense(2)))
    heavy = signals(*made(Dense(6, activation="tanh", weight_l2=9.0), Dense(2)))
    assert plain.loss == heavy.loss
    assert not plain.positive  # tanh has no half-line without a slope


def test_rows_come_from_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS", 20)
    net = made(Dense(2))
    some, again = signals(*net), signals(*net)
    assert some.rows == 20
    assert some.loss == again.loss
    recipe, step, part, _ = made(Dense(2), seed=1)
    assert signals(recipe, step, part, net[3]).loss != some.loss
    # Not the first rows: of sorted data these are of one class.
    head = Part(part.inputs[:20], part.targets[:20], part.rows[:20])
    assert signals(net[0], net[1], head, net[3]).loss != some.loss


def test_wide_models_see_fewer_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    net = made(Dense(50, activation="relu"), Dense(2))
    nodes = topological([net[1].cost])
    a_row = sum(n.spec.size for n in nodes if n.shape[:1] == (8,)) // 8
    monkeypatch.setattr(module, "ELEMENTS", 30 * a_row)
    assert signals(*net).rows == 30
    monkeypatch.setattr(module, "ELEMENTS", 1)
    assert signals(*net).rows == 8  # a batch, at least


def test_a_normalization_takes_the_statistics_of_these_rows() -> None:
    recipe, step, part, first = made(Dense(5), BatchNorm(), Dense(2))
    shifted = Part(part.inputs * 100, part.targets, part.rows)
    near, far = (signals(recipe, step, p, first) for p in (part, shifted))
    assert far.std[0] == pytest.approx(100 * near.std[0], rel=1e-6)
    assert far.std[1] == pytest.approx(near.std[1], rel=1e-4)


def test_dropout_is_that_of_the_first_update() -> None:
    recipe, step, part, first = made(Dropout(0.5), Dense(2))
    rows = randomness.permutation(randomness.key(0, "diagnosis/signals"), len(part))
    whole = trace_step(recipe, len(part))
    leaves = {made.node: first[p] for p, made in whole.trace.parameters.items()}
    leaves |= {whole.inputs: part.inputs[rows], whole.targets: part.targets[rows]}
    values = evaluate([whole.cost], {**leaves, whole.step: np.uint32(1)})
    found = signals(recipe, step, part, first).loss
    assert found == pytest.approx(float(values[whole.cost]))
    assert found != signals(*made(Dense(2))).loss


def test_of_a_layer_that_is_called_twice_the_first_call_counts() -> None:
    shared = Dense(4, name="shared")
    recipe, step, part, first = made(shared, shared, Dense(2))
    z = part.inputs @ first["model/shared/weight"]
    factor = amplification(recipe, step, part, first)["model/shared"]
    assert factor == pytest.approx(np.mean(z**2) / np.mean(part.inputs**2))


def test_a_regression() -> None:
    recipe, step, part, first = made(
        Dense(1),
        loss=MeanSquaredError(),
        targets=(1,),
        targets_dtype="float64",
        outputs=1,
    )
    part = Part(part.inputs, np.full((60, 1), 3.0), part.rows)
    z = part.inputs @ first["model/dense1/weight"]
    assert signals(recipe, step, part, first).loss == pytest.approx(
        np.mean((z - 3.0) ** 2)
    )


def test_what_overflows_is_no_error() -> None:
    net = made(Dense(6), Dense(2), dtype="float32")
    net[3]["model/dense1/weight"][...] = 1e30
    net[3]["model/dense2/weight"][...] = 1e30
    assert not np.isfinite(signals(*net).loss)


def test_inputs_of_nothing_have_no_factor() -> None:
    recipe, step, part, first = made(Dense(2))
    empty = Part(part.inputs * 0, part.targets, part.rows)
    assert np.isnan(amplification(recipe, step, empty, first)["model/dense1"])


# ---------------------------------------------------------------- units alike


def test_units_with_the_very_weights_of_another() -> None:
    weights = np.array([[1.0, 2.0, 1.0, 0.0, -0.0], [3.0, 3.0, 3.0, 5.0, 5.0]])
    assert kin(weights, -1).tolist() == kin(weights, None).tolist() == [0, 1, 0, 3, 3]
    assert kin(weights, 0).tolist() == [0, 1]
    assert kin(np.ones((2, 3, 2)), 1).tolist() == [0, 0, 0]


SAME, ZERO = {"constant": {"value": 0.1}}, "zeros"


def alike(activation: str, *inits: Any, **settings: Any) -> dict[str, int]:
    """Of layers of 6 units and an output of 2 that start so; None is random."""
    *hidden, last = [{"weight_init": init} if init else {} for init in inits]
    layers = [Dense(6, activation=activation, **each) for each in hidden]
    found = signals(*made(*layers, Dense(2, **last), **settings))
    return dict(found.alike)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
@pytest.mark.parametrize(
    ("inits", "expected"),
    [
        ((None, None), {}),
        ((None, ZERO), {"dense2": 0}),
        ((SAME, None), {"dense1": 0}),
        ((SAME, SAME), {"dense1": 6, "dense2": 0}),
        ((SAME, ZERO), {"dense1": 6, "dense2": 0}),
        ((None, SAME, None), {"dense2": 0}),
        ((SAME, SAME, None), {"dense1": 6, "dense2": 0}),
        ((None, SAME, SAME), {"dense2": 6, "dense3": 0}),
        # At first no gradient, or one of rounding, passes the outputs.
        ((SAME, None, ZERO), {"dense1": 0, "dense3": 0}),
        ((SAME, None, SAME), {"dense1": 0, "dense3": 0}),
    ],
)
def test_units_that_nothing_sets_apart(
    activation: str, inits: Any, expected: dict[str, int], dtype: str
) -> None:
    assert alike(activation, *inits, dtype=dtype) == expected


def test_units_that_get_no_gradient_are_alike() -> None:
    """relu has no slope at 0; tanh of 0 gives the next layer nothing to learn from."""
    assert alike("relu", ZERO, None) == {"dense1": 6}
    assert alike("tanh", ZERO, None) == {"dense1": 0}
    assert alike("tanh", ZERO, ZERO) == {"dense1": 6, "dense2": 2}


def test_dropout_and_biases_set_units_apart() -> None:
    same, half = Dense(6, activation="tanh", weight_init=SAME), Dropout(0.5)
    last = Dense(2, weight_init=SAME)
    assert signals(*made(same, last)).alike["dense1"] == 6
    assert signals(*made(same, half, last)).alike["dense1"] == 0
    biases = {"normal": {"std": 1.0}}
    biased = dataclasses.replace(same, bias_init=biases)
    assert signals(*made(biased, last)).alike["dense1"] == 0


def test_layers_that_are_not_trained_are_left_out() -> None:
    frozen = Dense(6, activation="tanh", weight_init=SAME, trainable=False)
    assert signals(*made(frozen, Dense(2))).alike == {}


def test_only_units_of_one_group_are_compared() -> None:
    recipe, step, part, first = made(Dense(6, activation="tanh"), Dense(2))
    weight, out = (first[f"model/dense{i}/weight"] for i in (1, 2))
    weight[:, 1] = weight[:, 0]
    weight[:, 4] = weight[:, 3]
    out[1] = out[0]
    assert signals(recipe, step, part, first).alike == {"dense1": 2}
    weight[:, 1] += 1e-6
    assert signals(recipe, step, part, first).alike == {"dense1": 0}


def test_gradients_that_are_the_same_but_for_rounding() -> None:
    group, slopes = np.zeros(4, int), np.eye(4, 3)  # the last is 0
    assert module._same(group, slopes) == 0
    for much, found in ((0.9e-5, 2), (1.1e-5, 0)):
        slopes[3] = slopes[0] + [0, 0, much]
        assert module._same(group, slopes) == found
    assert module._same(group, np.zeros((4, 3))) == 4
    assert module._same(group, 0.9e-9 * np.eye(4, 3)) == 4
    assert module._same(group, 1.1e-9 * np.eye(4, 3)) == 0


@pytest.mark.parametrize(
    ("group", "slopes", "found"),
    [
        ([0, 0, 2, 2], [1, 2, 1, 2], 0),
        ([0, 0, 2, 2], [1, 2, 2, 3], 0),
        ([0, 1, 0, 1], [1, 1, 1, 1], 4),
        ([0, 1, 0, 1], [1, 2, 1, 3], 2),
        ([0, 0, 2, 3], [1, 1.5, 9e9, 1], 0),  # units without a twin set no scale
    ],
)
def test_gradients_are_compared_within_a_group(
    group: list[int], slopes: list[float], found: int
) -> None:
    assert module._same(np.array(group), np.array(slopes)[:, None]) == found


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_one_update_of_unscaled_inputs_does_not_go_too_far(activation: str) -> None:
    """It might leave every unit without a slope, and so alike."""
    small = {"constant": {"value": 1e-4}}
    hidden = Dense(6, activation=activation, weight_init=small)
    recipe, step, part, first = made(hidden, Dense(2))
    large = Part(part.inputs * 1e3, part.targets, part.rows)
    assert signals(recipe, step, large, first).alike == {"dense1": 0}


def test_weights_that_overflow_are_not_judged() -> None:
    net = made(Dense(6, weight_init=SAME), Dense(2), dtype="float32")
    net[3]["model/dense1/weight"][...] = 1e38
    net[3]["model/dense2/weight"][...] *= 1e30
    assert signals(*net).alike == {"dense1": 0}


def test_where_signals_meet_weights() -> None:
    x = leaf("input", "x", (3, 4), "float32")
    weight = parameter("weight", np.ones((2, 4), np.float32))
    bias = parameter("bias", np.ones(2, np.float32))
    turned = ops.reshape(weight, (4, 2)) * 2.0
    product = x @ turned
    z = product + bias
    penalty = ops.sum_of_squares(weight)
    found = products(topological([ops.sum(z) + penalty]))
    assert found[product] is x
    assert turned not in found and penalty not in found and z not in found
