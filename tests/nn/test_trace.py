"""Traces: shared leaves, names, first values, random bits."""

from __future__ import annotations

import doctest
from typing import Any

import numpy as np
import pytest

from nettrain import nn
from nettrain.errors import Error
from nettrain.graph import Node, topological, variables
from nettrain.nn import layer as layer_module

X = variables("x", shape=(2, 4), dtype="float32")


def scopes(node: Node) -> set[str]:
    return {n.scope for n in topological([node])}


def test_training_and_prediction_share_their_leaves() -> None:
    model = nn.Sequential([nn.Dense(3), nn.BatchNorm()])
    training = nn.Trace()
    training.call(model, X, "model")
    prediction = training.sibling(training=False)
    y = prediction.call(model, X, "model")
    assert prediction.parameters is training.parameters
    leaves = {n for n in topological([y]) if n.role in ("parameter", "state")}
    made = {p.node for p in training.parameters.values()}
    assert leaves == made | set(training.states.values())
    assert training.updates and not prediction.updates


def test_another_batch_size_shares_too() -> None:
    model = nn.Sequential([nn.Dense(3)])
    first = nn.Trace()
    first.call(model, X, "model")
    second = first.sibling(training=True)
    y = second.call(model, variables("x", shape=(7, 4), dtype="float32"), "model")
    assert y.shape == (7, 3) and len(first.parameters) == 2


def test_sizes_that_differ_are_an_error() -> None:
    trace = nn.Trace()
    trace.call(nn.Dense(3), X, "dense1")
    with pytest.raises(Error, match=r"dense1/weight has shape \(4, 3\).*\(5, 3\)"):
        trace.call(nn.Dense(3), variables("z", shape=(2, 5), dtype="float32"), "dense1")


def test_names_are_kind_and_ordinal() -> None:
    shared = nn.Dense(4)
    layers = [nn.Dense(4), nn.ReLU(), nn.Dense(4, name="wide"), shared, nn.ReLU()]
    expected = ["dense1", "relu1", "wide", "dense3", "relu2"]
    assert nn.names(layers) == expected
    assert nn.names([*layers, shared]) == [*expected, "dense3"]


@pytest.mark.parametrize("kind", [nn.Sequential, nn.Residual])
def test_two_layers_of_one_name_are_an_error(kind: Any) -> None:
    with pytest.raises(Error, match='two layers are called "dense2"'):
        kind([nn.Dense(4, name="dense2"), nn.Dense(4)])


def test_inner_layers_have_inner_paths() -> None:
    block = [nn.Dense(4), nn.Residual([nn.Dense(4), nn.Tanh()])]
    trace = nn.Trace()
    model = nn.Sequential([nn.Repeat(2, block)])
    y = trace.call(model, X, "model")
    weights = [path for path in trace.parameters if path.endswith("weight")]
    assert weights == [
        "model/repeat1/1/dense1/weight",
        "model/repeat1/1/residual1/dense1/weight",
        "model/repeat1/2/dense1/weight",
        "model/repeat1/2/residual1/dense1/weight",
    ]
    walked = [path for path, _, _ in nn.walk(model.layers, "model", ("model",))]
    assert walked == [call.path for call in trace.calls][1:]
    assert "model/repeat1/2/residual1/tanh1" in scopes(y)


def test_walk_tells_the_place_in_the_config() -> None:
    result = doctest.testmod(layer_module)
    assert result.attempted and not result.failed


def test_origins_are_inherited_by_inner_layers() -> None:
    origins = {"model/residual1": "mlp.yaml:7", "model/residual1/dense2": "mlp.yaml:9"}
    trace = nn.Trace(origins=origins)
    model = nn.Sequential([nn.Residual([nn.Dense(4), nn.Dense(4)])])
    y = trace.call(model, X, "model")
    found = {n.scope: n.origin for n in topological([y]) if n.inputs}
    assert found == {
        "model/residual1": "mlp.yaml:7",
        "model/residual1/dense1": "mlp.yaml:7",
        "model/residual1/dense2": "mlp.yaml:9",
    }
    assert trace.parameters["model/residual1/dense2/bias"].node.origin == "mlp.yaml:9"


def test_frozen_layers() -> None:
    frozen = nn.Dense(4, activation="prelu", trainable=False)
    trace = nn.Trace()
    trace.call(nn.Sequential([frozen, nn.Dense(3)]), X, "model")
    trainable = [path for path, p in trace.parameters.items() if p.trainable]
    assert trainable == ["model/dense2/weight", "model/dense2/bias"]
    assert "model/dense1/slope" in trace.parameters


def test_layers_inside_a_frozen_one_are_frozen() -> None:
    trace = nn.Trace()
    with trace.inside("encoder", trainable=False):
        trace.call(nn.Dense(4), X, "dense1")
    trace.call(nn.Dense(4), X, "dense1")
    assert not trace.parameters["encoder/dense1/weight"].trainable
    assert trace.parameters["dense1/weight"].trainable


def test_first_values_depend_on_seed_and_path_alone() -> None:
    def values(model: nn.Layer, seed: int) -> dict[str, np.ndarray]:
        trace = nn.Trace()
        trace.call(model, X, "model")
        return nn.initial_values(trace, seed)

    short = values(nn.Sequential([nn.Dense(4)]), 1)
    long = values(nn.Sequential([nn.Dense(4), nn.Dense(4), nn.BatchNorm()]), 1)
    first = "model/dense1/weight"
    assert (short[first] == long[first]).all()
    assert not (long[first] == long["model/dense2/weight"]).any()
    assert not (short[first] == values(nn.Sequential([nn.Dense(4)]), 2)[first]).any()
    assert (long["model/batch_norm1/running_variance"] == 1).all()
    assert (long["model/batch_norm1/scale"] == 1).all()
    assert {a.dtype.name for a in long.values()} == {"float32"}


def test_first_values_of_a_state_are_a_copy() -> None:
    trace = nn.Trace()
    trace.call(nn.BatchNorm(), X, "norm")
    nn.initial_values(trace, 0)["norm/running_mean"] += 1
    assert (nn.initial_values(trace, 0)["norm/running_mean"] == 0).all()


def bits(value: Any, seed: int, name: str, step: int) -> list[np.ndarray]:
    """What a layer gets that asks twice."""
    counter = variables("step")
    trace = nn.Trace(seed=seed, step=counter)
    with trace.inside(name):
        nodes = [trace.random_bits((5, 3)) for _ in range(2)]
    return value(nodes, {counter: float(step)})


def test_random_bits(value: Any) -> None:
    first, second = bits(value, 0, "dropout1", 1)
    assert first.dtype == np.uint32 and first.shape == (5, 3)
    assert (first == bits(value, 0, "dropout1", 1)[0]).all()
    others = [
        second,
        bits(value, 0, "dropout1", 2)[0],
        bits(value, 0, "dropout2", 1)[0],
        bits(value, 1, "dropout1", 1)[0],
    ]
    for other in others:
        assert not (first == other).any()


def test_siblings_keep_step_seed_and_origins(value: Any) -> None:
    counter = variables("step")
    first = nn.Trace(seed=3, step=counter, origins={"drop": "mlp.yaml:2"}, outputs=5)
    second = first.sibling(training=True)
    nodes = []
    for trace in (first, second):
        with trace.inside("drop"):
            nodes.append(trace.random_bits((9,)))
    a, b = value(nodes, {counter: 4.0})
    assert (a == b).all() and counter in topological([nodes[1]])
    assert nodes[1].origin == "mlp.yaml:2" and second.outputs == 5


def test_a_second_pass_has_other_names() -> None:
    shared = nn.Dense(4, activation="tanh")
    trace = nn.Trace()
    trace.call(nn.Sequential([shared, shared]), X, "model")
    paths = [n.activation.path for n in trace.neurons.values()]
    assert paths == ["model/dense1/activation", "model/dense1/activation2"]


def test_description() -> None:
    trace = nn.Trace()
    model = nn.Sequential([nn.Residual([nn.Dense(4), nn.Dropout(0.1)]), nn.Dense(3)])
    trace.call(model, X, "model")
    rows = [(r.path, r.kind, r.shape, r.parameters) for r in nn.describe(trace)]
    assert rows == [
        ("model", "sequential", (2, 3), 0),
        ("model/residual1", "residual", (2, 4), 0),
        ("model/residual1/dense1", "dense", (2, 4), 20),
        ("model/residual1/dropout1", "dropout", (2, 4), 0),
        ("model/dense1", "dense", (2, 3), 15),
    ]


def test_shared_weights_count_once() -> None:
    shared = nn.Dense(4)
    trace = nn.Trace()
    trace.call(nn.Sequential([shared, shared]), X, "model")
    assert sum(row.parameters for row in nn.describe(trace)) == 20
