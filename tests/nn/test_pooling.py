"""Pooling: what stands around, what ties, what is refused.

Values and gradients over many settings are compared in tests/parity.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nettrain as nt
from nettrain import nn
from nettrain.component import build
from nettrain.errors import Error
from nettrain.graph import Node, gradients, variables
from nettrain.graph import operations as ops

SERIES = variables("x", shape=(1, 1, 5))


def call(layer: nn.Layer, x: Node = SERIES) -> Node:
    return nn.Trace(dtype="float64").call(layer, x, "pool")


def test_what_is_padded_is_never_the_largest(value: Any) -> None:
    below = np.array([[[-5.0, -4.0, -3.0, -2.0, -1.0]]])
    y = call(nn.MaxPool1d(3, stride=2, padding=1))
    (gradient,) = gradients(ops.sum(y), [SERIES])
    found, slope = value([y, gradient], {SERIES: below})
    np.testing.assert_array_equal(found, [[[-4.0, -2.0, -1.0]]])
    np.testing.assert_array_equal(slope, [[[0.0, 1.0, 0.0, 1.0, 1.0]]])


def test_same_padding_has_a_position_for_each_step(value: Any) -> None:
    """As Keras: zeros of `same` are no elements of a mean there."""
    a = np.arange(1.0, 6.0).reshape(1, 1, 5)
    top = call(nn.MaxPool1d(2, padding="same"))
    mean = call(nn.AveragePool1d(2, padding="same", count_include_pad=False))
    found = value([top, mean], {SERIES: a})
    np.testing.assert_array_equal(found[0], [[[2.0, 4.0, 5.0]]])
    np.testing.assert_array_equal(found[1], [[[1.5, 3.5, 5.0]]])


def test_zeros_count_in_a_mean_or_not(value: Any) -> None:
    ones = {SERIES: np.ones((1, 1, 5))}
    with_zeros = call(nn.AveragePool1d(3, stride=2, padding=1))
    without = call(nn.AveragePool1d(3, stride=2, padding=1, count_include_pad=False))
    np.testing.assert_allclose(value(with_zeros, ones), [[[2 / 3, 1, 2 / 3]]])
    np.testing.assert_allclose(value(without, ones), [[[1, 1, 1]]])


@pytest.mark.parametrize("layer", [nn.MaxPool1d(3), nn.GlobalMaxPool()])
def test_ties_share_the_gradient(layer: nn.Layer, value: Any) -> None:
    (gradient,) = gradients(ops.sum(call(layer)), [SERIES])
    slope = value(gradient, {SERIES: np.array([[[7.0, 7.0, 1.0, 0.0, 0.0]]])})
    np.testing.assert_array_equal(slope, [[[0.5, 0.5, 0.0, 0.0, 0.0]]])


def test_windows_move_by_their_size_if_nothing_is_said() -> None:
    x = variables("x", shape=(2, 3, 8, 9))
    assert call(nn.MaxPool2d(), x).shape == (2, 3, 4, 4)
    assert call(nn.AveragePool2d([2, 3]), x).shape == (2, 3, 4, 3)
    assert call(nn.MaxPool2d(3, stride=1, dilation=2), x).shape == (2, 3, 4, 5)
    assert call(nn.GlobalAveragePool(), x).shape == (2, 3)
    assert call(nn.GlobalMaxPool(), x[:, :, 0]).shape == (2, 3)


@pytest.mark.parametrize(
    "layer",
    [
        nn.AveragePool2d(2, stride=1, padding=1, count_include_pad=False),
        nn.GlobalAveragePool(),
    ],
)
def test_second_derivatives(layer: nn.Layer) -> None:
    x = np.random.default_rng(0).normal(size=(2, 2, 3, 4))
    assert nt.check_gradients(lambda x: call(layer, x) ** 2, x) < 1e-6


@pytest.mark.parametrize(
    ("layer", "shape", "words"),
    [
        (nn.MaxPool2d(9), (2, 3, 8, 9), ["pool: a window of size (9, 9)", "8, 9)"]),
        (nn.AveragePool1d(6), (1, 1, 5), ["pool: a window of size (6,)", "(1, 1, 5)"]),
        (nn.MaxPool2d(), (2, 64), ["pool takes arrays (N, C, H, W)", "(2, 64)"]),
        (nn.MaxPool1d(), (2, 3, 8, 9), ["pool takes arrays (N, C, L)", "(2, 3, 8, 9)"]),
        (nn.GlobalMaxPool(), (2, 64), ["pool takes arrays (N, C, …)", "(2, 64)"]),
        (nn.GlobalAveragePool(), (2, 64), ["pool takes arrays (N, C, …)", "(2, 64)"]),
    ],
)  # fmt: skip
def test_misfits_name_the_layer_and_both_shapes(
    layer: nn.Layer, shape: tuple[int, ...], words: list[str]
) -> None:
    with pytest.raises(Error) as caught:
        call(layer, variables("x", shape))
    assert caught.value.code == "graph-shape"
    for word in words:
        assert word in caught.value.message
    assert ("data.shape" in (caught.value.fix or "")) == (len(shape) == 2)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"max_pool2d": {"size": 3, "padding": 2}}, "padding: 2 is more than half"),
        (
            {"max_pool1d": {"size": 3, "dilation": 2, "padding": 2}},
            "padding: 2 is more than half",  # of its elements, as in PyTorch
        ),
        ({"average_pool1d": {"padding": 2}}, "padding: 2 is more than half"),
        ({"max_pool2d": [2, 2, 2]}, "3 numbers, and windows move along 2 axes"),
        ({"max_pool1d": {"dilation": [1, 1]}}, "dilation: 2 numbers"),
        ({"average_pool2d": {"dilation": 2}}, 'unknown key "dilation"'),
        ({"max_pool2d": {"stride": [1]}}, "stride: 1 number"),
    ],
)
def test_settings_that_are_refused(config: Any, message: str) -> None:
    problems: list[Any] = []
    build(nn.Layer, config, (), problems)
    assert any(message in problem.message for problem in problems), problems
