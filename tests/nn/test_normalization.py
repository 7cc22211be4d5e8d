"""Normalization: what comes out, what is remembered, what is refused.

Values and gradients are compared in tests/parity.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nettrain import nn
from nettrain.errors import Error
from nettrain.graph import variables

A = np.random.default_rng(0).normal(5.0, 3.0, size=(6, 4))
X = variables("x", shape=(6, 4))


def test_batch_norm_normalizes_each_feature(value: Any) -> None:
    trace = nn.Trace(dtype="float64", filled=True)
    y = value(trace.call(nn.BatchNorm(epsilon=1e-12), X, "norm"), {X: A})
    np.testing.assert_allclose(y.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(y.std(axis=0), 1, atol=1e-9)


def test_batch_norm_remembers_averages(value: Any) -> None:
    trace = nn.Trace(dtype="float64", filled=True)
    trace.call(nn.BatchNorm(momentum=0.25), X, "norm")
    new = {s.name: value(node, {X: A}) for s, node in trace.updates.items()}
    mean, variance = A.mean(axis=0), A.var(axis=0, ddof=1)
    np.testing.assert_allclose(new["running_mean"], 0.25 * mean)
    np.testing.assert_allclose(new["running_variance"], 0.75 + 0.25 * variance)


def test_batch_norm_applied_twice_averages_twice(value: Any) -> None:
    trace = nn.Trace(dtype="float64", filled=True)
    layer = nn.BatchNorm(momentum=0.5)
    trace.call(layer, X, "norm")
    trace.call(layer, X, "norm")
    mean = value(trace.updates[trace.states["norm/running_mean"]], {X: A})
    np.testing.assert_allclose(mean, 0.75 * A.mean(axis=0))


def test_batch_norm_predicts_with_its_averages(value: Any) -> None:
    trace = nn.Trace(training=False, dtype="float64", filled=True)
    y = trace.call(nn.BatchNorm(epsilon=0.5), X, "norm")
    leaves = {
        X: A,
        trace.states["norm/running_mean"]: np.arange(4.0),
        trace.states["norm/running_variance"]: np.full(4, 3.5),
    }
    np.testing.assert_allclose(value(y, leaves), (A - np.arange(4.0)) / 2)
    assert not trace.updates


def test_batch_norm_needs_two_values() -> None:
    single = variables("x", shape=(1, 4))
    with pytest.raises(Error, match="norm needs at least 2 values") as caught:
        nn.Trace(dtype="float64").call(nn.BatchNorm(), single, "norm")
    assert caught.value.exit_code == 2
    nn.Trace(dtype="float64", training=False).call(nn.BatchNorm(), single, "norm")
    image = variables("x", shape=(1, 4, 2, 2))
    nn.Trace(dtype="float64").call(nn.BatchNorm(), image, "norm")


def test_batch_norm_needs_features() -> None:
    with pytest.raises(Error, match="norm needs a batch of features"):
        nn.Trace().call(nn.BatchNorm(), variables("x", shape=(6,)), "norm")


def test_layer_norm_normalizes_each_example(value: Any) -> None:
    y = value(nn.LayerNorm(epsilon=1e-12)(X), {X: A})
    np.testing.assert_allclose(y.mean(axis=1), 0, atol=1e-9)
    np.testing.assert_allclose(y.std(axis=1), 1, atol=1e-9)


@pytest.mark.parametrize("layer", [nn.BatchNorm(), nn.LayerNorm()])
def test_scale_and_shift_start_neutral_and_can_be_frozen(layer: nn.Layer) -> None:
    trace = nn.Trace(filled=True)
    trace.call(layer, X, "norm")
    made = {p.node.name: p for p in trace.parameters.values()}
    assert (made["scale"].node.op.initial == 1).all()
    assert (made["shift"].node.op.initial == 0).all()
    assert made["scale"].trainable
    frozen = nn.Trace()
    frozen.call(type(layer)(trainable=False), X, "norm")
    assert not any(p.trainable for p in frozen.parameters.values())
