"""Normalization: what comes out, what is remembered, what is refused.

Values and gradients are compared in tests/parity.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

import nettrain as nt
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


IMAGES = variables("images", shape=(3, 4, 5, 6))
B = np.random.default_rng(1).normal(5.0, 3.0, size=IMAGES.shape)


@pytest.mark.parametrize(
    ("layer", "axes"),
    [
        (nn.BatchNorm(epsilon=1e-12), (0, 2, 3)),
        (nn.LayerNorm(axes=1, epsilon=1e-12), (3,)),
        (nn.LayerNorm(axes=3, epsilon=1e-12), (1, 2, 3)),
        (nn.GroupNorm(1, epsilon=1e-12), (1, 2, 3)),
        (nn.GroupNorm(4, epsilon=1e-12), (2, 3)),
        (nn.InstanceNorm(epsilon=1e-12), (2, 3)),
    ],
)
def test_what_is_normalized_together(layer: Any, axes: Any, value: Any) -> None:
    trace = nn.Trace(dtype="float64", filled=True)
    y = value(trace.call(layer, IMAGES, "norm"), {IMAGES: B})
    np.testing.assert_allclose(y.mean(axis=axes), 0, atol=1e-9)
    np.testing.assert_allclose(y.std(axis=axes), 1, atol=1e-9)


def test_batch_norm_of_images_predicts_with_averages_of_channels(value: Any) -> None:
    trace = nn.Trace(training=False, dtype="float64", filled=True)
    y = trace.call(nn.BatchNorm(epsilon=0.5), IMAGES, "norm")
    leaves = {
        IMAGES: B,
        trace.states["norm/running_mean"]: np.arange(4.0),
        trace.states["norm/running_variance"]: np.full(4, 3.5),
    }
    expected = (B - np.arange(4.0)[:, None, None]) / 2
    np.testing.assert_allclose(value(y, leaves), expected)


def test_groups_are_neighbouring_channels(value: Any) -> None:
    y = value(nn.GroupNorm(2, epsilon=1e-12)(IMAGES), {IMAGES: B})
    pairs = y.reshape(3, 2, 2 * 5 * 6)
    np.testing.assert_allclose(pairs.mean(axis=2), 0, atol=1e-9)
    np.testing.assert_allclose(pairs.std(axis=2), 1, atol=1e-9)
    assert abs(y.mean(axis=(2, 3))).min() > 1e-6


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rms_norm_divides_by_the_root_mean_square(dtype: str, value: Any) -> None:
    x = variables("x", shape=(6, 4), dtype=dtype)
    a = A.astype(dtype)
    y, zero = nn.RMSNorm()(x), np.zeros_like(a)
    expected = a / np.sqrt((a**2).mean(axis=1, keepdims=True))
    np.testing.assert_allclose(value(y, {x: a}), expected, rtol=1e-6)
    np.testing.assert_array_equal(value(y, {x: zero}), zero)
    tiny = np.full_like(a, 1e-3 * np.sqrt(np.finfo(dtype).eps))
    assert abs(value(y, {x: tiny})).max() < 2e-3  # ε, not x, is what counts


def shapes_of(layer: nn.Layer, x: Any) -> dict[str, tuple[int, ...]]:
    trace = nn.Trace(dtype="float64")
    trace.call(layer, x, "norm")
    return {p.node.name: p.node.shape for p in trace.parameters.values()}


def test_what_is_learned() -> None:
    both = ("scale", "shift")
    assert shapes_of(nn.BatchNorm(), IMAGES) == dict.fromkeys(both, (4,))
    assert shapes_of(nn.GroupNorm(2), IMAGES) == dict.fromkeys(both, (4,))
    assert shapes_of(nn.LayerNorm(axes=3), IMAGES) == dict.fromkeys(both, (4, 5, 6))
    assert shapes_of(nn.RMSNorm(), IMAGES) == {"scale": (6,)}
    assert shapes_of(nn.InstanceNorm(), IMAGES) == {}
    learned = shapes_of(nn.InstanceNorm(affine=True), IMAGES)
    assert learned == dict.fromkeys(both, (4,))


@pytest.mark.parametrize(
    "layer",
    [
        nn.BatchNorm(),
        nn.LayerNorm(axes=2),
        nn.RMSNorm(),
        nn.GroupNorm(2),
        nn.InstanceNorm(),
    ],
    ids=lambda x: x.registered_name,
)
def test_second_derivatives(layer: nn.Layer) -> None:
    def squares(x: Any) -> Any:
        trace = nn.Trace(dtype="float64", filled=True)
        return trace.call(layer, x, "norm") ** 2

    assert nt.check_gradients(squares, B[:2, :, :2, :3]) < 1e-6


@pytest.mark.parametrize(
    ("layer", "x", "message"),
    [
        (
            nn.GroupNorm(3),
            IMAGES,
            r"norm: 3 groups do not divide the 4 channels .*5, 6",
        ),
        (nn.GroupNorm(1), IMAGES[0, 0, 0], "norm needs a batch of features"),
        (nn.InstanceNorm(), X, r"norm needs at least 2 positions .*\(6, 4\)"),
        (nn.LayerNorm(axes=3), X, "norm needs 3 axes of features"),
        (nn.RMSNorm(), X[0, 0], "norm needs features"),
    ],
)
def test_what_cannot_be_normalized(layer: Any, x: Any, message: str) -> None:
    with pytest.raises(Error, match=message) as caught:
        nn.Trace(dtype="float64").call(layer, x, "norm")
    assert caught.value.code == "graph-shape"


@pytest.mark.parametrize(
    "layer", [nn.BatchNorm(), nn.LayerNorm(), nn.InstanceNorm(affine=True)]
)
def test_scale_and_shift_start_neutral_and_can_be_frozen(layer: Any) -> None:
    trace = nn.Trace(filled=True)
    trace.call(layer, IMAGES, "norm")
    made = {p.node.name: p for p in trace.parameters.values()}
    assert (made["scale"].node.op.initial == 1).all()
    assert (made["shift"].node.op.initial == 0).all()
    assert made["scale"].trainable
    frozen = nn.Trace()
    frozen.call(dataclasses.replace(layer, trainable=False), IMAGES, "norm")
    assert frozen.parameters
    assert not any(p.trainable for p in frozen.parameters.values())
