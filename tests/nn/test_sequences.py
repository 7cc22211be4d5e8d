"""From sequences to vectors, with and without padding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nettrain as nt
from nettrain import nn
from nettrain.errors import Error
from nettrain.graph import constant, variables

X = variables("x", shape=(4, 5, 2))
A = np.random.default_rng(0).normal(size=X.shape)
REAL = np.array(
    [[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 1, 0, 1, 1], [0, 0, 0, 0, 0]], bool
)


def reduced(layer: nn.Layer, masked: bool, value: Any, a: np.ndarray = A) -> np.ndarray:
    trace = nn.Trace(dtype="float64")
    trace.mask = constant(REAL) if masked else None
    y = trace.call(layer, X, "layer")
    assert trace.mask is None and y.shape == (4, 2)
    return value(y, {X: a})


@pytest.mark.parametrize("index", [0, 1, 4, -1, -2, -5])
def test_select_counts_real_steps(value: Any, index: int) -> None:
    np.testing.assert_array_equal(reduced(nn.Select(index), False, value), A[:, index])
    found = reduced(nn.Select(index), True, value)
    for a, real, y in zip(A, REAL, found, strict=True):
        steps = a[real]
        there = -len(steps) <= index < len(steps)
        np.testing.assert_array_equal(y, steps[index] if there else 0)


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_pooling_leaves_padding_out(value: Any, pooling: Any) -> None:
    below = A - 5  # a maximum that padding would win
    pool = getattr(np, pooling)
    np.testing.assert_allclose(
        reduced(nn.PoolTime(pooling), False, value, below), pool(below, axis=1)
    )
    found = reduced(nn.PoolTime(pooling), True, value, below)
    for a, real, y in zip(below, REAL, found, strict=True):
        expected = pool(a[real], axis=0) if real.any() else 0
        np.testing.assert_allclose(y, np.broadcast_to(expected, 2))


@pytest.mark.parametrize("layer", [nn.Select(-2), nn.PoolTime("mean")])
def test_gradients_to_the_second(layer: nn.Layer) -> None:
    def masked(x: Any) -> Any:
        trace = nn.Trace(dtype="float64")
        trace.mask = constant(REAL)
        y = trace.call(layer, x, "layer")
        return y * y * y

    nt.check_gradients(masked, A)


def test_other_axes_stay(value: Any) -> None:
    x = variables("x", shape=(2, 3, 4, 5))
    a = np.random.default_rng(0).normal(size=x.shape)
    for layer, expected in (
        (nn.Select(0), a[:, 0]),
        (nn.PoolTime(), a.mean(1)),
        (nn.PoolTime("max"), a.max(1)),
    ):
        y = nn.Trace(dtype="float64").call(layer, x, "layer")
        np.testing.assert_allclose(value(y, {x: a}), expected)


@pytest.mark.parametrize("index", [5, -6])
def test_a_step_that_is_not_there(index: int) -> None:
    with pytest.raises(Error, match=rf"layer: index {index} is outside the 5 .*\(4, 5"):
        nn.Trace(dtype="float64").call(nn.Select(index), X, "layer")


def test_a_mask_of_another_length_is_refused() -> None:
    trace = nn.Trace(dtype="float64")
    trace.mask = variables("mask", shape=(4, 3), dtype="bool")
    with pytest.raises(Error, match=r"layer: a mask of shape \(4, 3\) .* \(4, 5, 2\)"):
        trace.call(nn.PoolTime(), X, "layer")


def test_sequences_have_time() -> None:
    for layer in (nn.Select(), nn.PoolTime()):
        with pytest.raises(Error, match=r"layer needs \(N, T, F\)"):
            nn.Trace().call(layer, variables("x", shape=(4, 5)), "layer")
