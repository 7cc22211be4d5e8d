"""Activations: formulas at the ends and at 0, and the facts that a diagnosis rests on.

Their values and derivatives in between are compared in tests/parity.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nettrain import nn
from nettrain.component import build, registered
from nettrain.graph import gradients, variables
from nettrain.graph import operations as ops

NAMES = [
    "linear",
    "relu",
    "leaky_relu",
    "prelu",
    "elu",
    "selu",
    "gelu",
    "silu",
    "mish",
    "softplus",
    "relu6",
    "hard_tanh",
    "hard_sigmoid",
    "hard_swish",
    "tanh",
    "sigmoid",
    "softmax",
    "log_softmax",
]
SINGLE = [name for name in NAMES if name not in ("softmax", "log_softmax")]


def activation(name: str) -> nn.Activation:
    return build(nn.Activation, name, (), [])


def slope(value: Any, name: str, points: np.ndarray) -> np.ndarray:
    """f'(z) at some points."""
    z = variables("z", shape=points.shape)
    trace = nn.Trace(dtype="float64", filled=True)
    with trace.inside("layer"):
        h = activation(name).activate(z, trace)
    (found,) = gradients(ops.sum(h), [z])
    return value(found, {z: points})


def test_all_are_there() -> None:
    assert sorted(NAMES) == list(registered(nn.Activation))
    assert set(NAMES) <= set(registered(nn.Layer))


@pytest.mark.parametrize("name", [None, "none", "linear"])
def test_none_is_linear(name: str | None) -> None:
    assert nn.Dense(3, activation=name).activation == nn.Linear()


@pytest.mark.parametrize("name", SINGLE)
def test_largest_slope(value: Any, name: str) -> None:
    slopes = np.abs(slope(value, name, np.linspace(-12, 12, 24001) + 1e-7))
    # Two of them have their largest slope at a bend, which no point hits exactly.
    assert slopes.max() == pytest.approx(activation(name).max_slope, abs=2e-3)


@pytest.mark.parametrize("name", SINGLE)
def test_what_can_die(value: Any, name: str) -> None:
    far = slope(value, name, np.array([-30.0, -20.0, -10.0]))
    dead = bool(np.all(far == 0.0)) and slope(value, name, np.array([-3.5]))[0] == 0.0
    assert activation(name).can_die == dead


@pytest.mark.parametrize("name", SINGLE)
def test_nothing_overflows(value: Any, name: str) -> None:
    assert np.isfinite(slope(value, name, np.array([-800.0, 0.0, 800.0]))).all()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("relu", 0.0),
        ("relu6", 0.0),
        ("leaky_relu", 0.01),
        ("prelu", 0.25),
        ("elu", 1.0),
    ],
)
def test_slope_at_zero(value: Any, name: str, expected: float) -> None:
    assert slope(value, name, np.zeros(1)) == expected


def test_gain_is_that_of_the_relu_family() -> None:
    family = {name for name in NAMES if activation(name).gain != 1.0}
    others = {"linear", "selu", "tanh", "hard_tanh", "sigmoid", "hard_sigmoid"}
    assert family == set(SINGLE) - others
    assert {activation(name).gain for name in family} == {2**0.5}


def test_selu_keeps_mean_and_variance(value: Any) -> None:
    z = variables("z", shape=(400_001,))
    points = np.linspace(-8, 8, 400_001)
    weights = np.exp(-(points**2) / 2)
    weights /= weights.sum()
    h = value(nn.SELU().formula(z), {z: points})
    assert np.sum(weights * h) == pytest.approx(0, abs=1e-6)
    assert np.sum(weights * h**2) == pytest.approx(1, abs=1e-6)


def test_softmax_of_extreme_outputs(value: Any) -> None:
    z = variables("z", shape=(2, 3))
    points = np.array([[1e4, 0.0, -1e4], [-1e4, -1e4, -1e4]])
    probabilities, logarithms = value([nn.softmax(z), nn.log_softmax(z)], {z: points})
    np.testing.assert_allclose(probabilities, [[1, 0, 0], [1 / 3] * 3])
    np.testing.assert_allclose(logarithms, [[0, -1e4, -2e4], [-np.log(3)] * 3])


def test_as_a_layer_it_uses_the_pre_activation_before_it() -> None:
    x = variables("x", shape=(2, 4))
    trace = nn.Trace(dtype="float64")
    y = trace.call(nn.Sequential([nn.Dense(3), nn.ReLU()]), x, "model")
    assert y.path == "model/relu1/activation"
    (neurons,) = trace.neurons.values()
    assert neurons.pre_activation.path == "model/dense1/pre_activation"
    assert neurons.pre_activation is y.inputs[0]


def test_as_a_layer_it_marks_an_input_without_a_role() -> None:
    x = variables("x", shape=(2, 4))
    trace = nn.Trace(dtype="float64")
    y = trace.call(nn.Sequential([nn.BatchNorm(), nn.Tanh()]), x, "model")
    assert y.inputs[0].path == "model/tanh1/pre_activation"
    assert y.inputs[0].role == "pre_activation"


def test_as_a_layer_it_never_renames_a_leaf_or_an_activation() -> None:
    x = variables("x", shape=(2, 4))
    trace = nn.Trace(dtype="float64")
    model = nn.Sequential([nn.ReLU(), nn.Dense(4, activation="relu"), nn.Tanh()])
    y = trace.call(model, x, "model")
    first, second, third = trace.neurons.values()
    assert first.pre_activation is x
    assert third.pre_activation is second.activation
    assert y.inputs == (second.activation,)


def test_linear_changes_nothing() -> None:
    x = variables("x", shape=(2, 4))
    trace = nn.Trace(dtype="float64")
    assert trace.call(nn.Linear(), x + 1.0, "linear1").role == ""
    assert not trace.neurons


def test_prelu_learns_its_slope(value: Any) -> None:
    x = variables("x", shape=(2, 4))
    trace = nn.Trace(dtype="float64", filled=True)
    h = trace.call(nn.Dense(3, activation={"prelu": 0.1}), x, "dense1")
    node = trace.parameters["dense1/slope"].node
    assert node.op.initial.tolist() == [0.1]
    (gradient,) = gradients(ops.sum(h), [node])
    z = next(iter(trace.neurons))
    points = {x: np.random.default_rng(0).normal(size=(2, 4))}
    expected = np.minimum(value(z, points), 0).sum()
    np.testing.assert_allclose(value(gradient, points), [expected])
