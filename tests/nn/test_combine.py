"""Layers of layers, flatten and dropout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nettrain import nn
from nettrain.errors import Error
from nettrain.graph import Node, gradients, variables
from nettrain.graph import operations as ops

X = variables("x", shape=(2, 4))


def call(layer: nn.Layer, x: Node = X, **settings: Any) -> Node:
    return nn.Trace(dtype="float64", filled=True, **settings).call(layer, x, "layer")


def test_sequential_is_one_after_the_other(value: Any) -> None:
    y = call(nn.Sequential([nn.Tanh(), nn.Softplus()]))
    a = np.linspace(-2, 2, 8).reshape(2, 4)
    np.testing.assert_allclose(value(y, {X: a}), np.log1p(np.exp(np.tanh(a))))


def test_empty_sequential_is_the_input() -> None:
    assert call(nn.Sequential([])) is X


def test_residual_adds_its_input(value: Any) -> None:
    a = np.linspace(-2, 2, 8).reshape(2, 4)
    np.testing.assert_allclose(
        value(call(nn.Residual([nn.Tanh()])), {X: a}), a + np.tanh(a)
    )


@pytest.mark.parametrize("units", [1, 5])
def test_residual_refuses_another_shape(units: int) -> None:
    with pytest.raises(Error, match=rf"layer: the blocks make \(2, {units}\)"):
        call(nn.Residual([nn.Dense(units)]))


def test_repeat(value: Any) -> None:
    a = np.linspace(-2, 2, 8).reshape(2, 4)
    y = call(nn.Repeat(3, [nn.Tanh()]))
    np.testing.assert_allclose(value(y, {X: a}), np.tanh(np.tanh(np.tanh(a))))


def test_flatten(value: Any) -> None:
    x = variables("images", shape=(2, 3, 2, 2))
    a = np.arange(24.0).reshape(2, 3, 2, 2)
    np.testing.assert_array_equal(
        value(call(nn.Flatten(), x), {x: a}), a.reshape(2, 12)
    )


def test_dropout(value: Any) -> None:
    x = variables("many", shape=(100, 1000))
    y = call(nn.Dropout(0.3), x)
    (gradient,) = gradients(ops.sum(y), [x])
    values, slopes = value([y, gradient], {x: np.ones(x.shape)})
    kept = values != 0
    np.testing.assert_allclose(values[kept], 1 / 0.7)
    np.testing.assert_array_equal(values, slopes)  # the same mask both ways
    # 100,000 bits: the share has a standard deviation of .0015.
    assert kept.mean() == pytest.approx(0.7, abs=0.006)


def test_dropout_passes_everything_in_prediction() -> None:
    assert call(nn.Dropout(0.3), training=False) is X
    assert call(nn.Dropout(0.0)) is X
    assert nn.Dropout(0.3)(X) is X


@pytest.mark.parametrize("rate", [-0.1, 1.0, "half"])
def test_dropout_refuses_other_rates(rate: Any) -> None:
    with pytest.raises(Error):
        nn.Dropout(rate)


def test_layers_know_no_mode() -> None:
    """A layer that asked for the mode would be two layers in one."""
    from pathlib import Path

    folder = Path(nn.__file__).parent
    for file in folder.glob("*.py"):
        if file.name not in ("trace.py", "layer.py"):
            assert ".training" not in file.read_text("utf-8"), file.name
