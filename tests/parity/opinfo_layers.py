"""PyTorch's `nn.functional` in our activations and layers.

A rule has the parameters of PyTorch's function, tensors being nodes; see
`opinfo_operations`. Weights that a sample brings along take the place of the layer's
own parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from nettrain import nn
from nettrain.graph import Node, constant
from nettrain.graph import operations as ops
from tests.parity.opinfo_operations import Rule, Unsupported, without


class Given(nn.Trace):
    """A trace whose parameters and states are given, by name.

    Attributes:
        given: nodes by name, with the inner layer's before it: `query/weight`; None
            for the layer's first value.
        memory: what another layer gave, by whatever name.
    """

    def __init__(
        self,
        given: dict[str, Node | None],
        training: bool = True,
        memory: Node | None = None,
    ) -> None:
        super().__init__(training=training, dtype="float64")
        self.given, self.memory = given, memory

    def _of(self, name: str, shape: tuple[int, ...]) -> Node | None:
        path = f"{self.path}/{name}".partition("/")[2]
        node = self.given.get(path)
        if node is not None and node.shape != shape:
            raise Unsupported(f"a {name} of another shape")
        return node

    def parameter(
        self, name: str, shape: tuple[int, ...], initializer: Any, **sizes: Any
    ) -> Node:
        node = self._of(name, shape)
        if node is not None:
            return node
        made = initializer.values(None, shape, sizes["fan_in"], sizes["fan_out"])
        return constant(made, "float64")

    def state(self, name: str, shape: tuple[int, ...], initial: float) -> Node:
        node = self._of(name, shape)
        return constant(np.full(shape, initial)) if node is None else node

    def result(self, name: str) -> Node:
        assert self.memory is not None
        return self.memory

    def result_mask(self, name: str) -> Node | None:
        return None


def layer(made: nn.Layer, x: Node, training: bool = True, **given: Node | None) -> Node:
    """A layer applied to x with the given parameters and states."""
    return Given(given, training).call(made, x, "layer")


def _batched(x: Node, rank: int, apply: Callable[[Node], Node]) -> Node:
    """Of one example, or of a batch (N, …) of the given number of axes."""
    if len(x.shape) == rank:
        return apply(x)
    if len(x.shape) != rank - 1:
        raise Unsupported("rank")
    return ops.squeeze(apply(ops.expand_dims(x, 0)), 0)


def _several(value: Any) -> Any:
    """A number, or a list of one for each axis; one in a list stands for all."""
    if isinstance(value, (list, tuple)):
        return value[0] if len(value) == 1 else list(value)
    return value


# ------------------------------------------------------------------ activations


def _activation(made: nn.Activation) -> Rule:
    return lambda x: layer(made, x * 1.0)


def _along(made: nn.Activation) -> Rule:
    """Along an axis, which is moved to the end: ours take the last."""

    def rule(x: Node, dim: int, dtype: Any = None) -> Node:
        if dtype not in (None, x.dtype):
            raise Unsupported("dtype")
        if not x.shape:
            return ops.reshape(layer(made, ops.reshape(x, (1,)) * 1.0), ())
        order = list(range(len(x.shape)))
        order[dim], order[-1] = order[-1], order[dim]  # its own inverse
        y = layer(made, ops.permute_dims(x, tuple(order)) * 1.0)
        return ops.permute_dims(y, tuple(order))

    return rule


def leaky_relu(x: Node, negative_slope: float = 0.01) -> Node:
    return layer(nn.LeakyReLU(negative_slope), x * 1.0)


def prelu(x: Node, weight: Node) -> Node:
    if weight.spec.size != 1:
        raise Unsupported("a slope for each channel")
    y = layer(nn.PReLU(), x * 1.0, slope=ops.reshape(weight, (1,)))
    return ops.reshape(y, x.shape)


def elu(x: Node, alpha: float = 1.0) -> Node:
    return layer(nn.ELU(alpha), x * 1.0)


def gelu(x: Node, approximate: Any = "none") -> Node:
    return layer(nn.GELU(approximate), x * 1.0)


def celu(x: Node, alpha: float = 1.0) -> Node:
    return layer(nn.ELU(), x * (1 / alpha)) * alpha


def hardtanh(x: Node, min_val: float = -1.0, max_val: float = 1.0) -> Node:
    if (min_val, max_val) == (-1.0, 1.0):
        return layer(nn.HardTanh(), x * 1.0)
    return ops.clip(x, min_val, max_val)


def softplus(x: Node, beta: float = 1, threshold: float = 20) -> Node:
    """Straight above the threshold, where ours is straight but for rounding."""
    y = layer(nn.Softplus(), x * beta) * (1 / beta)
    return ops.where(ops.greater(x * beta, threshold), x, y)


def threshold(x: Node, threshold: float, value: float) -> Node:
    return ops.where(ops.greater(x, threshold), x, value)


def softshrink(x: Node, lambd: float = 0.5) -> Node:
    return ops.relu(x - lambd) - ops.relu(-x - lambd)


def hardshrink(x: Node, lambd: float = 0.5) -> Node:
    inside = ops.less_equal(ops.absolute(x), lambd)
    return ops.where(inside, 0.0, x)


def glu(x: Node, dim: int = -1) -> Node:
    half = x.shape[dim] // 2
    index: list[Any] = [slice(None)] * len(x.shape)
    index[dim] = slice(0, half)
    first = x[tuple(index)]
    index[dim] = slice(half, None)
    return first * ops.sigmoid(x[tuple(index)])


ACTIVATIONS: dict[str, Rule] = {
    "log_softmax": _along(nn.LogSoftmax()),
    "log_softmax_with_dtype": _along(nn.LogSoftmax()),
    "nn_functional_celu": celu,
    "nn_functional_elu": elu,
    "nn_functional_gelu": gelu,
    "nn_functional_glu": glu,
    "nn_functional_hardshrink": hardshrink,
    "nn_functional_hardsigmoid": _activation(nn.HardSigmoid()),
    "nn_functional_hardswish": _activation(nn.HardSwish()),
    "nn_functional_hardtanh": hardtanh,
    "nn_functional_leaky_relu": leaky_relu,
    "nn_functional_logsigmoid": lambda x: -ops.softplus(-x),
    "nn_functional_mish": _activation(nn.Mish()),
    "nn_functional_prelu": prelu,
    "nn_functional_relu": _activation(nn.ReLU()),
    "nn_functional_relu6": _activation(nn.ReLU6()),
    "nn_functional_selu": _activation(nn.SELU()),
    "nn_functional_silu": _activation(nn.SiLU()),
    "nn_functional_softmin": lambda x, dim: _along(nn.Softmax())(-x, dim),
    "nn_functional_softmin_with_dtype": lambda x, dim, dtype: _along(nn.Softmax())(
        -x, dim, dtype
    ),
    "nn_functional_softplus": softplus,
    "nn_functional_softshrink": softshrink,
    "nn_functional_softsign": lambda x: x / (ops.absolute(x) + 1.0),
    "nn_functional_tanhshrink": lambda x: x - ops.tanh(x),
    "nn_functional_threshold": threshold,
    "softmax": _along(nn.Softmax()),
    "softmax_with_dtype": _along(nn.Softmax()),
}

# ------------------------------------------------------------------ windows


def _convolution(kind: Callable[..., nn.Layer], rank: int) -> Rule:
    def rule(
        x: Node,
        weight: Node,
        bias: Node | None = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Node:
        made = kind(
            weight.shape[0],
            size=list(weight.shape[2:]),
            stride=_several(stride),
            padding=padding if isinstance(padding, str) else _several(padding),
            dilation=_several(dilation),
            groups=groups,
            bias=bias is not None,
        )
        given = {"weight": weight, "bias": bias}
        return _batched(x, rank + 2, lambda x: layer(made, x, **given))

    return rule


def _transposed(kind: Callable[..., nn.Layer], rank: int) -> Rule:
    def rule(
        x: Node,
        weight: Node,
        bias: Node | None = None,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        dilation: Any = 1,
    ) -> Node:
        made = kind(
            weight.shape[1] * groups,
            size=list(weight.shape[2:]),
            stride=_several(stride),
            padding=_several(padding),
            output_padding=_several(output_padding),
            dilation=_several(dilation),
            groups=groups,
            bias=bias is not None,
        )
        given = {"weight": weight, "bias": bias}
        return _batched(x, rank + 2, lambda x: layer(made, x, **given))

    return rule


def _max_pool(kind: Callable[..., nn.Layer], rank: int) -> Rule:
    def rule(
        x: Node,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Node:
        without(return_indices=return_indices)
        size, step = _several(kernel_size), _several(stride or kernel_size)
        around, gap = _several(padding), _several(dilation)
        made = kind(
            size, stride=step, padding=around, dilation=gap, ceil_mode=ceil_mode
        )
        return _batched(x, rank + 2, lambda x: layer(made, x))

    return rule


def _average_pool(kind: Callable[..., nn.Layer], rank: int) -> Rule:
    def rule(
        x: Node,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Node:
        without(divisor_override=divisor_override)
        made = kind(
            _several(kernel_size),
            stride=_several(stride or kernel_size),
            padding=_several(padding),
            ceil_mode=ceil_mode,
            count_include_pad=count_include_pad,
        )
        return _batched(x, rank + 2, lambda x: layer(made, x))

    return rule


def _adaptive(kind: type[nn.Layer], rank: int) -> Rule:
    """To one number for each channel; others choose windows as they need them."""

    def rule(x: Node, output_size: Any, return_indices: bool = False) -> Node:
        without(return_indices=return_indices)
        sizes = output_size if isinstance(output_size, tuple) else (output_size,)
        if set(sizes) != {1}:
            raise Unsupported("output_size")
        y = _batched(x, rank + 2, lambda x: layer(kind(), x))
        return ops.reshape(y, (*y.shape, *(1,) * rank))

    return rule


WINDOWS: dict[str, Rule] = {
    "nn_functional_adaptive_avg_pool1d": _adaptive(nn.GlobalAveragePool, 1),
    "nn_functional_adaptive_avg_pool3d": _adaptive(nn.GlobalAveragePool, 3),
    "nn_functional_adaptive_max_pool1d": _adaptive(nn.GlobalMaxPool, 1),
    "nn_functional_adaptive_max_pool2d": _adaptive(nn.GlobalMaxPool, 2),
    "nn_functional_adaptive_max_pool3d": _adaptive(nn.GlobalMaxPool, 3),
    "nn_functional_avg_pool1d": _average_pool(nn.AveragePool1d, 1),
    "nn_functional_avg_pool2d": _average_pool(nn.AveragePool2d, 2),
    "nn_functional_conv1d": _convolution(nn.Conv1d, 1),
    "nn_functional_conv2d": _convolution(nn.Conv2d, 2),
    "nn_functional_conv_transpose1d": _transposed(nn.ConvTranspose1d, 1),
    "nn_functional_conv_transpose2d": _transposed(nn.ConvTranspose2d, 2),
    "nn_functional_max_pool1d": _max_pool(nn.MaxPool1d, 1),
    "nn_functional_max_pool2d": _max_pool(nn.MaxPool2d, 2),
}

# ------------------------------------------------------------------ normalization


def batch_norm(
    x: Node,
    running_mean: Node | None,
    running_var: Node | None,
    weight: Node | None = None,
    bias: Node | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Node:
    """What becomes of the running averages does not show in the result."""
    return layer(
        nn.BatchNorm(epsilon=eps),
        x,
        training,
        running_mean=running_mean,
        running_variance=running_var,
        scale=weight,
        shift=bias,
    )


def instance_norm(
    x: Node,
    running_mean: Node | None = None,
    running_var: Node | None = None,
    weight: Node | None = None,
    bias: Node | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Node:
    affine = weight is not None or bias is not None
    made = nn.InstanceNorm(affine, epsilon=eps)
    return layer(made, x, scale=weight, shift=bias)


def group_norm(
    x: Node,
    num_groups: int,
    weight: Node | None = None,
    bias: Node | None = None,
    eps: float = 1e-5,
) -> Node:
    return layer(nn.GroupNorm(num_groups, epsilon=eps), x, scale=weight, shift=bias)


def layer_norm(
    x: Node,
    normalized_shape: Any,
    weight: Node | None = None,
    bias: Node | None = None,
    eps: float = 1e-5,
) -> Node:
    made = nn.LayerNorm(epsilon=eps, axes=len(normalized_shape))
    y = layer(made, ops.expand_dims(x, 0), scale=weight, shift=bias)
    return ops.reshape(y, x.shape)


def rms_norm(
    x: Node, normalized_shape: Any, weight: Node | None = None, eps: Any = None
) -> Node:
    """Over several axes: over one of all their features, and back."""
    count = len(normalized_shape)
    features = math.prod(normalized_shape)
    rows = ops.reshape(x, (*x.shape[: len(x.shape) - count], features))
    scale = None if weight is None else ops.reshape(weight, (features,))
    return ops.reshape(layer(nn.RMSNorm(epsilon=eps), rows, scale=scale), x.shape)


def normalize(
    x: Node, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: None = None
) -> Node:
    if p != 2:
        raise Unsupported("p")
    length = ops.sqrt(ops.sum(ops.square(x), dim, keepdims=True))
    return x / ops.maximum(length, eps)


def dropout(
    x: Node, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Node:
    if training and p:
        raise Unsupported("other random numbers")
    return layer(nn.Dropout(p), x * 1.0, training)


# ------------------------------------------------------------------ attention


def embedding(
    weight: Node,
    indices: Node,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Node:
    """PyTorch's samples have the weight first. Without a batch, ours get one."""
    without(max_norm=max_norm, scale_grad_by_freq=scale_grad_by_freq, sparse=sparse)
    vocabulary, size = weight.shape
    made = nn.Embedding(size, vocabulary, padding=padding_idx)
    symbols = ops.reshape(ops.cast(indices, "float64"), (1, *indices.shape))
    y = layer(made, symbols, weight=weight)
    return ops.reshape(y, y.shape[1:])


def attend(
    query: Node,
    key: Node,
    value: Node,
    attn_mask: Node | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Node:
    """(…, T, D) by the layer: queries look at a memory in which keys and values lie
    side by side, and from which its projections pick them."""
    without(attn_mask=attn_mask, is_causal=is_causal, enable_gqa=enable_gqa)
    if dropout_p:
        raise Unsupported("other random numbers")
    outer = np.broadcast_shapes(query.shape[:-2], key.shape[:-2])
    query, key, value = (
        ops.broadcast_to(x, (*outer, *x.shape[-2:])) for x in (query, key, value)
    )
    heads = outer[-1] if len(outer) > 1 else 1
    steps, depth = query.shape[-2:]
    if scale is not None:
        query = query * (scale * math.sqrt(depth))
    q, k, v = (_merged(x, heads) for x in (query, key, value))
    width = q.shape[2]
    same, none = np.eye(width), np.zeros((width, width))
    given: dict[str, Node | None] = {
        "query/weight": constant(same),
        "key/weight": constant(np.concatenate([same, none])),
        "value/weight": constant(np.concatenate([none, same])),
        "output/weight": constant(same),
    }
    made = nn.Attention(heads, width, memory="it", bias=False)
    trace = Given(given, memory=ops.concat([k, v], 2))
    y = ops.reshape(trace.call(made, q, "layer"), (-1, steps, heads, depth))
    return ops.reshape(ops.permute_dims(y, (0, 2, 1, 3)), query.shape)


def _merged(x: Node, heads: int) -> Node:
    """(…, H, T, D) as (N, T, H D)."""
    steps, depth = x.shape[-2:]
    x = ops.reshape(x, (-1, heads, steps, depth))
    return ops.reshape(ops.permute_dims(x, (0, 2, 1, 3)), (-1, steps, heads * depth))


LAYERS: dict[str, Rule] = {
    "nn_functional_batch_norm": batch_norm,
    "nn_functional_dropout": dropout,
    "nn_functional_embedding": embedding,
    "nn_functional_group_norm": group_norm,
    "nn_functional_instance_norm": instance_norm,
    "nn_functional_layer_norm": layer_norm,
    "nn_functional_normalize": normalize,
    "nn_functional_rms_norm": rms_norm,
    "nn_functional_scaled_dot_product_attention": attend,
}

RULES: dict[str, Rule] = {**ACTIVATIONS, **WINDOWS, **LAYERS}
