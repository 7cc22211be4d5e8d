"""Convolutions: formula, shapes, weights, and what is refused.

Values and gradients over many settings are compared in tests/parity.
"""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pytest

import nettrain as nt
from nettrain import nn
from nettrain.component import build
from nettrain.errors import Error
from nettrain.graph import Node, topological, variables
from nettrain.nn.convolution import Windows, convolve, convolve_back

IMAGES = variables("images", shape=(2, 4, 7, 9))
SERIES = variables("series", shape=(2, 4, 9))
A = np.random.default_rng(0).normal(size=IMAGES.shape)


def traced(layer: nn.Layer, x: Node = IMAGES) -> tuple[Node, nn.Trace]:
    trace = nn.Trace(dtype="float64", filled=True)
    return trace.call(layer, x, "layer"), trace


def test_the_formula(value: Any) -> None:
    """Element by element, with a stride, a dilation, zeros around and two groups."""
    layer = nn.Conv2d(
        6, size=[2, 3], stride=[2, 1], padding=[1, 2], dilation=[2, 1], groups=2,
        bias_init=nn.Constant(0.5),
    )  # fmt: skip
    y, trace = traced(layer)
    w = trace.parameters["layer/weight"].node
    found, weight = value([y, w], {IMAGES: A})
    assert weight.shape == (6, 2, 2, 3)
    padded = np.pad(A, [(0, 0), (0, 0), (1, 1), (2, 2)])
    expected = np.full((2, 6, 4, 11), 0.5)
    for n, o, p, q in np.ndindex(expected.shape):
        for c, i, j in np.ndindex(2, 2, 3):
            x = padded[n, o // 3 * 2 + c, p * 2 + i * 2, q + j]
            expected[n, o, p, q] += weight[o, c, i, j] * x
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("dilation", [1, 2])
def test_same_has_a_position_for_each_step(
    stride: int, size: int, dilation: int, value: Any
) -> None:
    """⌈L / stride⌉ of them, of an odd number of zeros the one more behind."""
    windows = {"size": size, "stride": stride, "dilation": dilation}
    layer = nn.Conv1d(1, padding="same", weight_init=nn.Ones(), **windows)
    y, _ = traced(layer, SERIES)
    assert y.shape == (2, 1, -(-9 // stride))
    total = max((y.shape[2] - 1) * stride + (size - 1) * dilation + 1 - 9, 0)
    a = A[:, :, 0]
    edges = [(0, 0), (0, 0), (total // 2, total - total // 2)]
    padded = np.pad(a, edges).sum(axis=1)
    starts = np.arange(y.shape[2]) * stride
    expected = sum(padded[:, starts + k * dilation] for k in range(size))
    np.testing.assert_allclose(value(y, {SERIES: a})[:, 0], expected, atol=1e-12)


def test_valid_is_the_default_and_has_no_padding() -> None:
    for layer in (nn.Conv2d(3), nn.DepthwiseConv2d(), nn.SeparableConv2d(3)):
        y, _ = traced(layer)
        assert y.shape[2:] == (5, 7)
        assert "pad" not in {node.op.name for node in topological([y])}


@pytest.mark.parametrize("channels", [1, 4, 12])
def test_few_channels_and_many_give_the_same(channels: int, value: Any) -> None:
    """Columns are laid out otherwise for one, and for twelve."""
    rng = np.random.default_rng(0)
    x, w = variables("x", (2, channels, 6, 5)), variables("w", (3, channels, 2, 3))
    windows = Windows((1, 1), (1, 1), (0, 2), (1, 0))
    y = convolve(x, w, windows)
    parts = [
        convolve(x[:, c : c + 1], w[:, c : c + 1], windows) for c in range(channels)
    ]
    leaves = {x: rng.normal(size=x.shape), w: rng.normal(size=w.shape)}
    whole, *pieces = value([y, *parts], leaves)
    np.testing.assert_allclose(whole, sum(pieces), rtol=1e-12, atol=1e-13)


def test_a_transposed_convolution_is_the_gradient(value: Any) -> None:
    x, w = variables("x", (2, 4, 7)), variables("w", (6, 2, 3))
    y = convolve(x, w, Windows((2,), (1,)), groups=2)
    g = variables("g", y.shape)
    (expected,) = nt.gradients(y, [x], g)
    # The weight of one is that of the other: its first axis counts what comes in.
    back = convolve_back(g, w, (7,), Windows((2,), (1,)), 2)
    rng = np.random.default_rng(0)
    leaves = {n: rng.normal(size=n.shape) for n in (x, w, g)}
    np.testing.assert_allclose(*value([back, expected], leaves), rtol=1e-12)


LAYERS: list[tuple[nn.Layer, dict[str, tuple[int, ...]], tuple[int, ...]]] = [
    (nn.Conv1d(6, groups=2), {"weight": (6, 2, 3), "bias": (6,)}, (6, 9)),
    (nn.Conv2d(6, bias=False), {"weight": (6, 4, 3, 3)}, (36, 54)),
    (
        nn.DepthwiseConv2d(multiplier=2),
        {"weight": (8, 1, 3, 3), "bias": (8,)},
        (9, 18),
    ),
    (
        nn.ConvTranspose1d(6, groups=2),
        {"weight": (4, 3, 3), "bias": (6,)},
        (6, 9),
    ),
    (
        nn.ConvTranspose2d(6, size=4, stride=2),
        {"weight": (4, 6, 4, 4), "bias": (6,)},
        (16, 96),  # an output is reached by a quarter of the window
    ),
]


@pytest.mark.parametrize(("layer", "shapes", "fans"), LAYERS)
def test_weights_are_shaped_as_pytorchs(
    layer: nn.Layer, shapes: dict[str, Any], fans: tuple[int, int]
) -> None:
    _, trace = traced(layer, SERIES if "1d" in layer.registered_name else IMAGES)
    made = {p.node.name: p for p in trace.parameters.values()}
    assert {name: p.node.shape for name, p in made.items()} == shapes
    assert all((p.fan_in, p.fan_out) == fans for p in made.values())


def test_a_separable_convolution_has_two_weights() -> None:
    y, trace = traced(nn.SeparableConv2d(6, size=[3, 2], multiplier=2))
    made = {p.node.name: p for p in trace.parameters.values()}
    assert {name: (p.node.shape, p.fan_in) for name, p in made.items()} == {
        "depthwise_weight": ((8, 1, 3, 2), 6),
        "pointwise_weight": ((6, 8, 1, 1), 8),
        "bias": ((6,), 8),
    }
    assert y.shape == (2, 6, 5, 8)


EVERY: list[nn.Layer] = [
    nn.Conv2d(6, activation="relu", weight_l2=0.1),
    nn.DepthwiseConv2d(activation="relu", weight_l2=0.1),
    nn.SeparableConv2d(6, activation="relu", weight_l2=0.1),
    nn.ConvTranspose2d(6, activation="relu", weight_l2=0.1),
]


@pytest.mark.parametrize("layer", EVERY, ids=lambda x: x.registered_name)
def test_a_unit_is_a_channel(layer: nn.Layer) -> None:
    y, trace = traced(layer)
    ((z, neurons),) = trace.neurons.items()
    assert neurons.activation is y and isinstance(neurons.function, nn.ReLU)
    assert (z.path, y.path) == ("layer/pre_activation", "layer/activation")
    assert z.unit_axis == y.unit_axis == 1
    for made in trace.parameters.values():
        axis = made.node.unit_axis
        assert axis is not None
        if made.node.name != "depthwise_weight":
            assert made.node.shape[axis] == z.shape[1]
    weights = [p.node for p in trace.parameters.values() if p.node.name != "bias"]
    assert list(trace.weight_l2.items()) == [(w, 0.1) for w in weights]


@pytest.mark.parametrize("layer", EVERY, ids=lambda x: x.registered_name)
def test_frozen_and_initialized_as_the_activation_needs(layer: Any) -> None:
    assert layer.initializer == nn.HeNormal()
    frozen = type(layer)(
        **{"filters": 6} if hasattr(layer, "filters") else {},
        trainable=False,
        weight_init="ones",
    )
    assert frozen.initializer == nn.Ones()
    _, trace = traced(frozen)
    assert trace.parameters and not any(p.trainable for p in trace.parameters.values())


def test_called_twice_it_shares_its_weights() -> None:
    layer = nn.Conv2d(3, padding="same")
    first, second = layer(IMAGES), layer(IMAGES)
    leaves = [
        {n.path for n in topological([y]) if n.role == "parameter"}
        for y in (first, second)
    ]
    assert leaves[0] == leaves[1] and len(leaves[0]) == 2


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv1d(3, size=2, stride=2, padding=1, groups=1), (2, 4, 5)),
        (nn.Conv2d(2, size=2, dilation=2, groups=2), (2, 4, 4, 3)),
        (nn.DepthwiseConv2d(size=2), (2, 2, 3, 3)),
        (nn.SeparableConv2d(2, size=2), (1, 3, 3, 3)),
        (nn.ConvTranspose1d(3, stride=3, padding=2, output_padding=1), (2, 2, 3)),
        (
            nn.ConvTranspose2d(4, size=2, dilation=2, output_padding=1, groups=2),
            (1, 2, 2, 3),
        ),
    ],
    ids=lambda x: getattr(x, "registered_name", ""),
)
def test_second_derivatives(layer: nn.Layer, shape: tuple[int, ...]) -> None:
    """In the input and in the weights, of a sum of squares."""
    rng = np.random.default_rng(0)
    trace = nn.Trace(dtype="float64")
    trace.call(layer, variables("x", shape), "layer")
    shapes = [p.node.shape for p in trace.parameters.values()]

    def squares(x: Node, *weights: Node) -> Node:
        again = nn.Trace(dtype="float64")
        again._leaves.parameters.update(
            {
                path: nn.Parameter(w, made.initializer, 1, 1, True)
                for w, (path, made) in zip(
                    weights, trace.parameters.items(), strict=True
                )
            }
        )
        return again.call(layer, x, "layer") ** 2

    arrays = [rng.normal(size=s) for s in (shape, *shapes)]
    assert nt.check_gradients(squares, *arrays) < 1e-6


# ---------------------------------------------------------------- what does not fit


@pytest.mark.parametrize(
    ("layer", "shape", "words"),
    [
        (
            nn.Conv2d(3, size=[3, 12], padding=1),
            (2, 4, 7, 9),
            ["layer: a window of size (3, 12) does not fit", "(2, 4, 7, 9)", "(9, 11)"],
        ),
        (
            nn.Conv1d(3, size=4, dilation=3),
            (2, 4, 9),
            ["size (4,) that reaches over (10,)", "(2, 4, 9), padded to (9,)"],
        ),
        (
            nn.Conv2d(3, groups=3),
            (2, 4, 7, 9),
            ["layer: 3 groups do not divide the 4 channels", "(2, 4, 7, 9)"],
        ),
        (
            nn.ConvTranspose2d(3, groups=3),
            (2, 4, 7, 9),
            ["layer: 3 groups do not divide the 4 channels"],
        ),
        (nn.Conv2d(3), (2, 64), ["layer takes arrays (N, C, H, W)", "shape (2, 64)"]),
        (nn.ConvTranspose1d(3), (2, 4, 7, 9), ["(N, C, L)", "shape (2, 4, 7, 9)"]),
        (
            nn.ConvTranspose1d(3, size=1, padding=2),
            (2, 4, 4),
            ["layer: padding (2,) leaves nothing of (2, 3, 4)", "shape (2, 4, 4)"],
        ),
    ],
)
def test_misfits_name_the_layer_and_both_shapes(
    layer: nn.Layer, shape: tuple[int, ...], words: list[str]
) -> None:
    with pytest.raises(Error) as caught:
        traced(layer, variables("x", shape))
    assert caught.value.code == "graph-shape"
    for word in words:
        assert word in caught.value.message
    flat = len(shape) == 2
    assert ("data.shape: [1, 8, 8]" in (caught.value.fix or "")) == flat


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"conv2d": {"filters": 4, "size": [3, 3, 3]}}, "size: 3 numbers"),
        ({"conv1d": {"filters": 4, "stride": [1, 2]}}, "stride: 2 numbers"),
        ({"conv2d": {"filters": 4, "padding": [1]}}, "padding: 1 number"),
        ({"depthwise_conv2d": {"dilation": [1]}}, "dilation: 1 number"),
        ({"conv2d": {"filters": 4, "groups": 3}}, "3 groups do not divide 4"),
        ({"conv_transpose2d": {"filters": 4, "groups": 3}}, "3 groups do not divide"),
        (
            {"conv_transpose2d": {"filters": 4, "output_padding": 1}},
            "output_padding: 1 must be less than",
        ),
        (
            {"conv_transpose2d": {"filters": 4, "output_padding": [0, 0, 0]}},
            "output_padding: 3 numbers",
        ),
        ({"conv_transpose2d": {"filters": 4, "padding": "same"}}, "an integer"),
        ({"conv2d": {"filters": 4, "padding": "some"}}, "padding|same"),
        ({"conv2d": {"filters": 4, "padding": -1}}, "at least 0"),
        ({"conv2d": {"filters": 4, "size": 0}}, "at least 1"),
        (
            {"conv2d": {"filters": 4, "activation": {"relu": {"name": "a"}}}},
            "no name of its own",
        ),
    ],
)
def test_settings_that_are_refused(config: Any, message: str) -> None:
    problems: list[Any] = []
    build(nn.Layer, config, (), problems)
    assert any(re.search(message, problem.message) for problem in problems), problems


def test_short_forms() -> None:
    for config, layer in (
        ({"conv2d": 8}, nn.Conv2d(8, size=3)),
        ({"conv1d": 8}, nn.Conv1d(8, 3)),
        ({"depthwise_conv2d": [3, 5]}, nn.DepthwiseConv2d([3, 5])),
        ("depthwise_conv2d", nn.DepthwiseConv2d(3)),
    ):
        problems: list[Any] = []
        assert build(nn.Layer, config, (), problems) == layer and not problems
    sizes = [nn.Conv2d(8, 3)(IMAGES).shape, nn.Conv2d(8, [3, 3])(IMAGES).shape]
    assert all(a == b for a, b in itertools.pairwise(sizes))
