"""The dense layer: formula, names, first values, and its use outside a model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nettrain import nn
from nettrain.errors import Error
from nettrain.graph import gradients, topological, variables
from nettrain.graph.verify import verify


def trace(**settings: Any) -> nn.Trace:
    return nn.Trace(dtype="float64", filled=True, **settings)


def test_formula_for_any_leading_axes(value: Any) -> None:
    x = variables("x", shape=(2, 3, 4))
    made = trace()
    layer = nn.Dense(5, activation="tanh", bias_init={"constant": 0.3})
    y = made.call(layer, x, "dense1")
    weight = made.parameters["dense1/weight"].node
    assert y.shape == (2, 3, 5) and weight.shape == (4, 5)
    a = np.random.default_rng(0).normal(size=(2, 3, 4))
    w = weight.op.initial
    np.testing.assert_allclose(value(y, {x: a}), np.tanh(a @ w + 0.3))


def test_without_bias() -> None:
    made = trace()
    made.call(nn.Dense(5, bias=False), variables("x", shape=(2, 4)), "dense1")
    assert list(made.parameters) == ["dense1/weight"]


def test_paths_and_roles() -> None:
    made = trace()
    model = nn.Sequential([nn.Dense(5, activation="relu"), nn.Dense(3)])
    y = made.call(model, variables("x", shape=(2, 4)), "model")
    assert (y.path, y.role) == ("model/dense2/pre_activation", "pre_activation")
    (neurons,) = made.neurons.values()
    assert neurons.pre_activation.path == "model/dense1/pre_activation"
    assert neurons.activation.path == "model/dense1/activation"
    assert neurons.activation.role == "activation"
    assert neurons.pre_activation.unit_axis == neurons.activation.unit_axis == -1
    assert neurons.function == nn.ReLU()
    assert list(made.parameters) == [
        "model/dense1/weight",
        "model/dense1/bias",
        "model/dense2/weight",
        "model/dense2/bias",
    ]
    assert all(p.node.role == "parameter" for p in made.parameters.values())


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        ("none", nn.GlorotUniform()),
        ("tanh", nn.GlorotUniform()),
        ("sigmoid", nn.GlorotUniform()),
        ("relu", nn.HeNormal()),
        ("leaky_relu", nn.HeNormal()),
        ("gelu", nn.HeNormal()),
        ("selu", nn.LecunNormal()),
    ],
)
def test_automatic_first_weights(activation: str, expected: nn.Initializer) -> None:
    assert nn.Dense(3, activation=activation).initializer == expected
    assert nn.Dense(3, activation, weight_init="ones").initializer == nn.Ones()


def test_fans_are_those_of_the_matrix() -> None:
    made = trace()
    made.call(nn.Dense(5), variables("x", shape=(2, 4)), "dense1")
    for parameter in made.parameters.values():
        assert (parameter.fan_in, parameter.fan_out) == (4, 5)


def test_automatic_units() -> None:
    x = variables("x", shape=(2, 4))
    assert trace(outputs=7).call(nn.Dense("auto"), x, "dense1").shape == (2, 7)
    with pytest.raises(Error, match="dense1: no data says how many units") as caught:
        trace().call(nn.Dense("auto"), x, "dense1")
    assert caught.value.exit_code == 2


def test_weight_penalty_and_its_gradient(value: Any) -> None:
    made = trace()
    x = variables("x", shape=(2, 4))
    made.call(nn.Dense(5, weight_l2=0.3), x, "dense1")
    ((weight, penalty),) = made.penalties.items()
    (gradient,) = gradients(penalty, [weight])
    w = weight.op.initial
    np.testing.assert_allclose(value(penalty), 0.15 * np.sum(w**2))
    np.testing.assert_allclose(value(gradient), 0.3 * w)
    quiet = trace()
    quiet.call(nn.Dense(5), x, "dense1")
    assert not quiet.penalties and not quiet.weight_l2
    assert made.weight_l2 == {weight: 0.3}


def test_integers_are_refused() -> None:
    x = variables("x", shape=(2, 4), dtype="int64")
    with pytest.raises(Error, match=r"dense1.*floats"):
        trace().call(nn.Dense(5), x, "dense1")


@pytest.mark.parametrize(
    "settings",
    [
        {"units": 0},
        {"units": 2.5},
        {"units": "many"},
        {"units": 3, "activation": "rely"},
        {"units": 3, "weight_l2": -1},
        {"units": 3, "name": "a/b"},
        {"units": 3, "activation": {"relu": {"name": "own"}}},
    ],
)
def test_wrong_settings(settings: dict[str, Any]) -> None:
    with pytest.raises(Error) as caught:
        nn.Dense(**settings)
    assert caught.value.exit_code == 2


def test_outside_a_model(value: Any) -> None:
    x = variables("x", shape=(2, 4))
    hidden = nn.Dense(6, activation="relu")(x)
    y = nn.Dense(3)(hidden)
    assert (hidden.path, y.path) == ("dense1/activation", "dense2/pre_activation")
    verify([y])  # no two leaves of one path
    assert value(y, {x: np.ones((2, 4))}).dtype == np.float64
    assert nn.Dense(3, name="head")(x).path == "head/pre_activation"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_outside_a_model_the_input_decides_the_dtype(dtype: str) -> None:
    x = variables("x", shape=(2, 4), dtype=dtype)
    model = nn.Sequential([nn.Dense(4)])
    y = nn.Sequential([nn.Dense(3)])(model(x))
    assert y.scope == "sequential2/dense1"
    assert {n.dtype for n in topological([y])} == {dtype}


def test_outside_a_model_again_shares_weights() -> None:
    x, other = variables("x other", shape=(2, 4))
    layer = nn.Dense(4)
    first, second, third = layer(x), layer(other), layer(layer(x))
    leaves = {
        n
        for n in verify([first, second, third])
        if n.role == "parameter" and n.name == "weight"
    }
    assert len(leaves) == 1
    with pytest.raises(Error, match=r"dense1/weight has shape \(4, 4\)"):
        layer(variables("z", shape=(2, 5)))


def test_equal_layers_are_still_two(value: Any) -> None:
    model = nn.Sequential([nn.Dense(4), nn.Dense(4)])
    made = trace()
    made.call(model, variables("x", shape=(2, 4)), "model")
    first, second = (made.parameters[f"model/dense{i}/weight"] for i in (1, 2))
    assert not np.allclose(first.node.op.initial, second.node.op.initial)
