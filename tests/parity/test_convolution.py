"""Convolution, pooling and their normalizations do what PyTorch's do, in float64.

Settings are drawn by Hypothesis; every one compares values and the gradients of the
input and of each weight.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nettrain import nn
from nettrain.errors import Error
from nettrain.execute import Definition
from nettrain.execute.plan import Numpy
from nettrain.graph import Node, constant, gradients, leaf
from nettrain.graph import operations as ops

torch: Any = pytest.importorskip("torch")
functional = torch.nn.functional
torch.set_num_threads(1)

Arrays = dict[str, np.ndarray]
drawn = settings(max_examples=60, deadline=None, derandomize=True)


def mine(layer: nn.Layer, x: np.ndarray, seed: int) -> tuple[Arrays, Arrays]:
    """Weights that are drawn, and the value and all gradients of Σ c y, c drawn."""
    rng = np.random.default_rng(seed)
    trace = nn.Trace(dtype="float64")
    input_ = leaf("input", "x", x.shape, "float64")
    y = trace.call(layer, input_, "layer")
    nodes: dict[str, Node] = {"x": input_}
    nodes |= {p.node.name: p.node for p in trace.parameters.values()}
    weights = {k: rng.normal(size=n.shape) for k, n in nodes.items() if k != "x"}
    weighted = constant(rng.normal(size=y.shape))
    found = gradients(ops.sum(y * weighted), list(nodes.values()))
    outputs = {"y": y, **dict(zip(nodes, found, strict=True))}
    executor, definition = Numpy(poison=True), Definition(outputs)
    start = {nodes[k].path: w for k, w in weights.items()}
    start |= {path: np.zeros(n.shape) for path, n in trace.states.items()}
    state = executor.allocate(definition, start)
    result = executor.program(definition, state)({input_: x})
    return weights, {k: np.array(v) for k, v in result.outputs.items()}


def compare(
    layer: nn.Layer, x: np.ndarray, formula: Callable[..., Any], seed: int = 0
) -> None:
    """Our layer against a function of tensors, called with x and our weights."""
    weights, found = mine(layer, x, seed)
    tensors = {"x": torch.tensor(x, requires_grad=True)}
    tensors |= {k: torch.tensor(w, requires_grad=True) for k, w in weights.items()}
    y = formula(**tensors)
    assert tuple(y.shape) == found["y"].shape
    rng = np.random.default_rng(seed)
    for weight in weights.values():  # the numbers that `mine` drew first
        rng.normal(size=weight.shape)
    (y * torch.tensor(rng.normal(size=found["y"].shape))).sum().backward()
    wanted = {"y": y.detach(), **{k: t.grad for k, t in tensors.items()}}
    for name, value in wanted.items():
        np.testing.assert_allclose(
            found[name], value.numpy(), rtol=1e-9, atol=1e-10, err_msg=name
        )


def numbers(rank: int, low: int, high: int) -> Any:
    """A number for all axes, or one for each."""
    one = st.integers(low, high)
    return one | st.lists(one, min_size=rank, max_size=rank)


def arrays(rank: int, channels: int, seed: int, longest: int = 9) -> np.ndarray:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(4, longest, rank)
    return rng.normal(size=(rng.integers(1, 4), channels, *lengths))


def reach(size: Any, dilation: Any, rank: int) -> list[int]:
    pairs = zip(_each(size, rank), _each(dilation, rank), strict=True)
    return [(k - 1) * d + 1 for k, d in pairs]


def _each(value: Any, rank: int) -> list[int]:
    return [value] * rank if isinstance(value, int) else list(value)


@st.composite
def convolutions(draw: Any) -> tuple[int, np.ndarray, dict[str, Any]]:
    """The number of axes, an input and settings that fit it."""
    rank, seed = draw(st.integers(1, 2)), draw(st.integers(0, 999))
    groups = draw(st.integers(1, 3))
    x = arrays(rank, groups * draw(st.sampled_from([1, 2, 9])), seed)
    own = {
        "filters": groups * draw(st.integers(1, 3)),
        "size": draw(numbers(rank, 1, 4)),
        "stride": draw(numbers(rank, 1, 3)),
        "padding": draw(numbers(rank, 0, 3) | st.sampled_from(["same", "valid"])),
        "dilation": draw(numbers(rank, 1, 2)),
        "groups": groups,
        "bias": draw(st.booleans()),
    }
    return rank, x, own


@pytest.mark.filterwarnings("ignore:Using padding='same' with even")
@drawn
@given(convolutions())
def test_convolution(made: tuple[int, np.ndarray, dict[str, Any]]) -> None:
    rank, x, own = made
    padding = own["padding"]
    if padding == "same":
        own["stride"] = 1  # PyTorch refuses others
    zeros = [0] * rank if isinstance(padding, str) else _each(padding, rank)
    windows = zip(
        x.shape[2:], zeros, reach(own["size"], own["dilation"], rank), strict=True
    )
    assume(padding == "same" or all(n + 2 * p >= r for n, p, r in windows))
    layer = (nn.Conv1d, nn.Conv2d)[rank - 1](**own)
    theirs = (functional.conv1d, functional.conv2d)[rank - 1]
    names = ("stride", "padding", "dilation", "groups")
    settings = {name: own[name] for name in names}
    compare(layer, x, lambda x, weight, bias=None: theirs(x, weight, bias, **settings))


@drawn
@given(convolutions(), st.data())
def test_transposed_convolution(
    made: tuple[int, np.ndarray, dict[str, Any]], data: Any
) -> None:
    rank, x, own = made
    own["padding"] = data.draw(numbers(rank, 0, 2))
    most = map(max, _each(own["stride"], rank), _each(own["dilation"], rank))
    own["output_padding"] = [data.draw(st.integers(0, m - 1)) for m in most]
    steps, cuts = _each(own["stride"], rank), _each(own["padding"], rank)
    reached = reach(own["size"], own["dilation"], rank)
    more = own["output_padding"]
    axes = zip(x.shape[2:], steps, cuts, reached, more, strict=True)
    assume(all((n - 1) * s - 2 * p + r + m > 0 for n, s, p, r, m in axes))
    layer = (nn.ConvTranspose1d, nn.ConvTranspose2d)[rank - 1](**own)
    theirs = (functional.conv_transpose1d, functional.conv_transpose2d)[rank - 1]
    names = ("stride", "padding", "output_padding", "groups", "dilation")
    settings = {name: own[name] for name in names}
    compare(layer, x, lambda x, weight, bias=None: theirs(x, weight, bias, **settings))


@drawn
@given(st.integers(0, 999), st.integers(1, 2), numbers(2, 1, 3), st.booleans())
def test_depthwise_and_separable(
    seed: int, multiplier: int, stride: Any, separable: bool
) -> None:
    """As PyTorch spells them: groups as many as channels, then a window of size 1."""
    x = arrays(2, 3, seed)
    own: dict[str, Any] = {"size": [3, 2], "stride": stride, "padding": [1, 0]}

    def deep(x: Any, weight: Any, bias: Any = None) -> Any:
        return functional.conv2d(x, weight, bias, stride, (1, 0), groups=3)

    def both(x: Any, depthwise_weight: Any, pointwise_weight: Any, bias: Any) -> Any:
        return functional.conv2d(deep(x, depthwise_weight), pointwise_weight, bias)

    if separable:
        compare(nn.SeparableConv2d(4, multiplier=multiplier, **own), x, both, seed)
    else:
        compare(nn.DepthwiseConv2d(multiplier=multiplier, **own), x, deep, seed)


@st.composite
def poolings(draw: Any) -> tuple[int, np.ndarray, dict[str, Any]]:
    rank = draw(st.integers(1, 2))
    x = arrays(rank, draw(st.integers(1, 3)), draw(st.integers(0, 999)))
    size = draw(numbers(rank, 1, 4))
    own = {
        "size": size,
        "stride": draw(st.none() | numbers(rank, 1, 3)),
        "padding": [draw(st.integers(0, k // 2)) for k in _each(size, rank)],
        "ceil_mode": draw(st.booleans()),
    }
    return rank, x, own


@drawn
@given(poolings(), st.integers(1, 3))
def test_max_pool(made: tuple[int, np.ndarray, dict[str, Any]], dilation: int) -> None:
    """On numbers that do not tie: there PyTorch gives the first the whole gradient."""
    rank, x, own = made
    reached = reach(own["size"], dilation, rank)
    axes = zip(x.shape[2:], own["padding"], reached, strict=True)
    assume(all(n + 2 * p >= r for n, p, r in axes) or own["ceil_mode"])
    layer = (nn.MaxPool1d, nn.MaxPool2d)[rank - 1](**own, dilation=dilation)
    theirs = (functional.max_pool1d, functional.max_pool2d)[rank - 1]
    window = [own[n] for n in ("size", "stride", "padding")]
    _pooled(layer, x, lambda x: theirs(x, *window, dilation, own["ceil_mode"]))


@drawn
@given(poolings(), st.booleans())
def test_average_pool(
    made: tuple[int, np.ndarray, dict[str, Any]], counted: bool
) -> None:
    rank, x, own = made
    layer = (nn.AveragePool1d, nn.AveragePool2d)[rank - 1](
        **own, count_include_pad=counted
    )
    theirs = (functional.avg_pool1d, functional.avg_pool2d)[rank - 1]
    window = [own[n] for n in ("size", "stride", "padding", "ceil_mode")]
    _pooled(layer, x, lambda x: theirs(x, *window, count_include_pad=counted))


def _pooled(layer: nn.Layer, x: np.ndarray, formula: Callable[..., Any]) -> None:
    """Compare, or see that both refuse a window that does not fit."""
    try:
        positions = formula(torch.tensor(x)).numel()
    except RuntimeError:
        positions = 0
    if positions:
        compare(layer, x, formula)
        return
    with pytest.raises(Error, match="does not fit its input"):
        mine(layer, x, 0)


IMAGES = np.random.default_rng(0).normal(1.0, 2.0, size=(3, 4, 5, 6))
SERIES = IMAGES[..., 0]
FORMULAS: list[tuple[nn.Layer, Callable[..., Any]]] = [
    (nn.GlobalAveragePool(), lambda x: x.flatten(2).mean(2)),
    (nn.GlobalMaxPool(), lambda x: x.flatten(2).amax(2)),
    (nn.BatchNorm(), lambda x, scale, shift: _batch_norm(x, scale, shift)),
    (
        nn.GroupNorm(2, epsilon=0.1),
        lambda x, scale, shift: functional.group_norm(x, 2, scale, shift, 0.1),
    ),
    (nn.GroupNorm(1), lambda x, scale, shift: _group_norm(x, 1, scale, shift)),
    (nn.InstanceNorm(), lambda x: functional.instance_norm(x)),
    (
        nn.InstanceNorm(affine=True, epsilon=0.1),
        lambda x, scale, shift: functional.instance_norm(
            x, None, None, scale, shift, eps=0.1
        ),
    ),
    (
        nn.LayerNorm(axes=2),
        lambda x, scale, shift: functional.layer_norm(x, x.shape[-2:], scale, shift),
    ),
    (nn.RMSNorm(), lambda x, scale: functional.rms_norm(x, x.shape[-1:], scale)),
    (
        nn.RMSNorm(epsilon=0.1),
        lambda x, scale: functional.rms_norm(x, x.shape[-1:], scale, 0.1),
    ),
]


def _batch_norm(x: Any, scale: Any, shift: Any) -> Any:
    return functional.batch_norm(x, None, None, scale, shift, training=True)


def _group_norm(x: Any, groups: int, scale: Any, shift: Any) -> Any:
    return functional.group_norm(x, groups, scale, shift)


@pytest.mark.parametrize(
    ("layer", "formula"),
    [
        pytest.param(a, b, id=f"{i}-{a.registered_name}")
        for i, (a, b) in enumerate(FORMULAS)
    ],
)
@pytest.mark.parametrize("x", [IMAGES, SERIES], ids=["images", "series"])
def test_formula(layer: nn.Layer, formula: Callable[..., Any], x: np.ndarray) -> None:
    compare(layer, x, formula)


def test_a_network_of_them() -> None:
    """Layers on each other's results, whose channels lie last in memory."""
    layers = nn.Sequential(
        [
            nn.Conv2d(9, size=3, activation="tanh"),
            nn.MaxPool2d(2),
            nn.Conv2d(4, size=2, padding="same", groups=1),
            nn.BatchNorm(),
            nn.AveragePool2d(2, stride=1),
            nn.ConvTranspose2d(3, size=2, stride=2, groups=1),
            nn.GlobalAveragePool(),
        ]
    )
    x = np.random.default_rng(0).normal(size=(3, 2, 10, 11))
    trace = nn.Trace(dtype="float64")
    input_ = leaf("input", "x", x.shape, "float64")
    y = trace.call(layers, input_, "model")
    nodes = {"x": input_, **{k: p.node for k, p in trace.parameters.items()}}
    cost = ops.sum(y * constant(np.arange(9.0).reshape(3, 3)))
    outputs = {
        "y": y,
        **dict(zip(nodes, gradients(cost, list(nodes.values())), strict=True)),
    }
    executor, definition = Numpy(poison=True), Definition(outputs)
    start = nn.initial_values(trace, seed=1)
    state = executor.allocate(definition, start)
    found = executor.program(definition, state)({input_: x}).outputs
    tensors = {k: torch.tensor(start.get(k, x), requires_grad=True) for k in nodes}
    w = list(tensors.values())
    h = functional.max_pool2d(torch.tanh(functional.conv2d(w[0], w[1], w[2])), 2)
    h = functional.conv2d(h, w[3], w[4], padding="same")
    h = functional.avg_pool2d(_batch_norm(h, w[5], w[6]), 2, 1)
    theirs = functional.conv_transpose2d(h, w[7], w[8], 2).mean((2, 3))
    (theirs * torch.arange(9.0).reshape(3, 3)).sum().backward()
    np.testing.assert_allclose(found["y"], theirs.detach().numpy(), rtol=1e-9)
    for name, tensor in tensors.items():
        np.testing.assert_allclose(
            found[name], tensor.grad.numpy(), rtol=1e-8, atol=1e-10, err_msg=name
        )
