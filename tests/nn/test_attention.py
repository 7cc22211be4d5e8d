"""Attention's rules; values and gradients beside PyTorch's are in tests/parity."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nettrain as nt
from nettrain import nn
from nettrain.errors import Error
from nettrain.graph import Node, constant, gradients, topological, variables
from nettrain.graph import operations as ops

X = variables("x", shape=(3, 5, 8))
A = np.random.default_rng(0).normal(size=X.shape)


def traced(*layers: nn.Layer, x: Node = X, **settings: Any) -> tuple[Node, nn.Trace]:
    trace = nn.Trace(dtype="float64", filled=True, **settings)
    return trace.call(nn.Sequential(list(layers)), x, "model"), trace


def the_weights(y: Node) -> Node:
    (found,) = [n for n in topological([y]) if n.role == "attention"]
    return found


def test_paths_roles_and_units() -> None:
    y, trace = traced(nn.Attention(4))
    names = ("query", "key", "value", "output")
    assert list(trace.parameters) == [
        f"model/attention1/{name}/{kind}"
        for name in names
        for kind in ("weight", "bias")
    ]
    weights = the_weights(y)
    assert weights.path == "model/attention1/attention"
    assert weights.shape == (3, 4, 5, 5) and weights.shape[weights.unit_axis] == 4
    roles = [n.path for n in topological([y]) if n.role == "pre_activation"]
    assert roles == [f"model/attention1/{name}/pre_activation" for name in names]
    _, trace = traced(nn.Attention(2, size=6, bias=False, trainable=False))
    shapes = [p.node.shape for p in trace.parameters.values()]
    assert shapes == [(8, 6)] * 3 + [(6, 6)]
    assert not any(p.trainable for p in trace.parameters.values())


def test_inner_layers_are_found_by_walking() -> None:
    layer = nn.Attention(4, dropout=0.1)
    _, trace = traced(layer)
    walked = {path for path, _, _ in nn.walk([layer], "model", ("model",))}
    assert walked == {call.path for call in trace.calls} - {"model"}


def test_weights_add_up_to_one_over_what_is_seen(value: Any) -> None:
    y, _ = traced(nn.Attention(4, causal=True))
    found = value(the_weights(y), {X: A})
    np.testing.assert_allclose(found.sum(-1), 1)
    assert not np.triu(found, 1).any() and (np.tril(found) > 0).sum() == 3 * 4 * 15


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("size", [1.0, 1e30])
def test_padding_gets_no_weight_and_no_gradient(
    value: Any, causal: bool, size: float
) -> None:
    a = A.copy()
    a[0, 3:], a[1, :2], a[2] = 0, 0, 0  # ends early, begins late, is nothing
    layer = nn.Attention(2, causal=causal, bias=False)
    y, _ = traced(nn.Masking(), layer)
    (slope,) = gradients(ops.sum(y * y), [X])
    wanted = [y, the_weights(y), slope, *topological([y])]
    found, weights, slopes, *others = value(wanted, {X: a * size})
    assert all(np.isfinite(other).all() for other in others)
    real = (a != 0).any(-1)
    assert not weights[~np.broadcast_to(real[:, None, None], weights.shape)].any()
    order = np.tri(5, dtype=bool) if causal else np.ones((5, 5), bool)
    some = (real[:, None] & order).any(-1)
    np.testing.assert_allclose(
        weights.sum(-1), np.broadcast_to(some[:, None], weights.shape[:3])
    )
    assert not found[~some].any() and found[some].all() and not some[2].any()
    if size == 1.0:
        assert np.isfinite(slopes).all() and not slopes[~real].any()


def test_gradients_to_the_second() -> None:
    real = np.ones((3, 5), bool)
    real[0, 3:], real[1, :2], real[2] = False, False, False

    def attend(x: Any) -> Any:
        trace = nn.Trace(dtype="float64", filled=True)
        trace.mask = constant(real)
        return trace.call(nn.Attention(2, causal=True, rotary=True), x, "layer")

    nt.check_gradients(attend, A)


def test_rotary_depends_on_distances_alone(value: Any) -> None:
    same = np.tile(A[:, :1], (1, 5, 1))
    tables = []
    for rotary in (True, False):
        weights = the_weights(traced(nn.Attention(2, rotary=rotary, bias=False))[0])
        # The other products have two axes: those of the projections.
        (scores,) = [
            n
            for n in topological([weights])
            if n.kind == "matmul" and len(n.shape) == 4
        ]
        tables.append(value(scores, {X: same}))
    turned, plain = tables
    steps = range(5)
    np.testing.assert_allclose(turned[..., steps, steps], plain[..., steps, steps])
    np.testing.assert_allclose(turned[..., 1:, 1:], turned[..., :-1, :-1])
    assert (abs(turned[..., 0, 1:] - plain[..., 0, 1:]) > 1e-3).all()


def test_dropout_while_training_alone(value: Any) -> None:
    layer = nn.Attention(2, dropout=0.5)
    y, _ = traced(layer)
    (applied,) = [n for n in topological([y]) if n.scope.endswith("dropout")][-1:]
    found = value(applied, {X: A})
    assert 0.3 < (found == 0).mean() < 0.7
    y, _ = traced(layer, training=False)
    assert not [n for n in topological([y]) if n.kind == "random_bits"]


def test_memory_is_an_earlier_result(value: Any) -> None:
    layers = [
        nn.Dense(6, name="encoder"),
        nn.Dense(8),
        nn.Attention(2, memory="encoder"),
    ]
    y, trace = traced(*layers)
    assert trace.parameters["model/attention1/key/weight"].node.shape == (6, 8)
    assert value(y, {X: A}).shape == (3, 5, 8)


def test_the_padding_of_a_memory_is_the_memory_s(value: Any) -> None:
    """The input's own padding is another matter: `permute` forgets it here."""
    turn = nn.Permute([2, 1])
    y, _ = traced(
        nn.Masking(name="m"), turn, turn, nn.Dense(8), nn.Attention(2, memory="m")
    )
    a = A.copy()
    a[:, 3:] = 0
    found = value(the_weights(y), {X: a})
    assert not found[..., 3:].any() and found[..., :3].all()
    np.testing.assert_allclose(found.sum(-1), 1)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            nn.Attention(3),
            r"model/attention1: 8 features of \(3, 5, 8\) .* 3 heads, \(3, 5, 3, 8/3\)",
        ),
        (
            nn.Attention(8, rotary=True),
            r"model/attention1: rotary .* \(3, 5, 8, 1\) of \(3, 5, 8\) have 1",
        ),
        (nn.Attention(2, memory="no"), 'model/attention1 refers to "no"'),
        (
            nn.Attention(2, memory="flat"),
            r"flat gives \(3, 40\), which is no memory for \(3, 5, 8\)",
        ),
    ],
)
def test_misfits_name_layer_and_shapes(layer: nn.Layer, message: str) -> None:
    with pytest.raises(Error, match=message) as caught:
        traced(nn.Reshape([40], name="flat"), nn.Reshape([5, 8]), layer)
    assert caught.value.exit_code == 2


def test_masks_of_another_length() -> None:
    trace = nn.Trace(dtype="float64")
    trace.mask = variables("mask", shape=(3, 4), dtype="bool")
    with pytest.raises(Error, match=r"layer: .* \(3, 4\) does not fit .*\(3, 5, 8\)"):
        trace.call(nn.Attention(2), X, "layer")


@pytest.mark.parametrize("setting", ["causal", "rotary"])
def test_a_memory_has_no_order_beside_the_input(setting: str) -> None:
    with pytest.raises(Error, match=f"{setting}: the time steps of a memory"):
        nn.Attention(2, memory="m", **{setting: True})
