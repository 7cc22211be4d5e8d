"""Layers that bring signals to mean 0 and variance 1 on their way."""

from __future__ import annotations

import math

import numpy as np

from nettrain.component import Count, Positive, Share, register
from nettrain.errors import Error
from nettrain.graph import Node
from nettrain.graph import operations as ops
from nettrain.graph.spec import Shape
from nettrain.nn.initializers import Ones, Zeros
from nettrain.nn.layer import Layer
from nettrain.nn.trace import Trace


def _scale_and_shift(shape: Shape, trace: Trace) -> tuple[Node, Node]:
    """The learned γ and β."""
    fans = dict.fromkeys(("fan_in", "fan_out"), math.prod(shape))
    scale = trace.parameter("scale", shape, Ones(), **fans)
    shift = trace.parameter("shift", shape, Zeros(), **fans)
    return scale, shift


def _channels_last(x: Node, trace: Trace) -> Node:
    """(N, C, …) as (N, …, C): so it lies in memory behind a convolution."""
    if len(x.shape) < 2:
        raise Error("graph-shape", f"{trace.path} needs a batch of features, got {x!r}")
    return ops.permute_dims(x, (0, *range(2, len(x.shape)), 1))


def _channels_first(y: Node) -> Node:
    last = len(y.shape) - 1
    return ops.permute_dims(y, (0, last, *range(1, last)))


@register("batch_norm")
class BatchNorm(Layer):
    """y = γ (x - μ) / √(σ² + ε) + β, with μ and σ² of each feature over the batch.

    x (N, C, …); μ, σ², γ, β (C,): over all axes but 1. Predicting, μ and σ² are running
    averages: new = (1 - momentum) · old + momentum · batch, σ² with N - 1 for N (Ioffe
    and Szegedy, ICML 2015, algorithms 1 and 2). As PyTorch; some count `momentum` the
    other way round.

    Attributes:
        momentum: weight of the newest batch in the running averages.
        epsilon: keeps features without spread from a division by 0.
        trainable: whether training changes γ and β; the running averages follow the
            batches all the same. `freeze` of a `model` that begins with the weights of
            a run keeps them, too.
    """

    momentum: Share = 0.1
    epsilon: Positive = 1e-5
    trainable: bool = True

    def apply(self, x: Node, trace: Trace) -> Node:
        if trace.frozen:
            return self.predict(x, trace)
        rows = _channels_last(x, trace)
        mean, variance = self._running(rows, trace)
        axes = tuple(range(len(x.shape) - 1))
        count = math.prod(rows.shape[:-1])
        if count < 2:
            raise Error(
                "config-batch-norm",
                f"{trace.path} needs at least 2 values of each feature to train, "
                f"a batch of shape {x.shape} has {count}",
                fix="choose a batch_size that leaves no single row, or use layer_norm",
            )
        center = ops.mean(rows, axes)
        centered = rows - center
        spread = ops.mean(ops.square(centered), axes)
        self._average(mean, center, trace)
        self._average(variance, spread * (count / (count - 1)), trace)
        return self._normal(centered, spread, trace)

    def predict(self, x: Node, trace: Trace) -> Node:
        rows = _channels_last(x, trace)
        mean, variance = self._running(rows, trace)
        return self._normal(rows - mean, variance, trace)

    def _running(self, rows: Node, trace: Trace) -> tuple[Node, Node]:
        features = rows.shape[-1:]
        return (
            trace.state("running_mean", features, 0.0),
            trace.state("running_variance", features, 1.0),
        )

    def _average(self, state: Node, new: Node, trace: Trace) -> None:
        kept = trace.latest(state) * (1.0 - self.momentum)
        trace.update(state, kept + new * self.momentum)

    def _normal(self, centered: Node, variance: Node, trace: Trace) -> Node:
        scale, shift = _scale_and_shift(variance.shape, trace)
        # The narrow factors first: one product less over the whole batch.
        y = centered * (scale / ops.sqrt(variance + self.epsilon)) + shift
        return _channels_first(y)


@register("layer_norm")
class LayerNorm(Layer):
    """y = γ (x - μ) / √(σ² + ε) + β, with μ and σ² of each example over its last axes.

    x (…, *F);  μ, σ² (…, 1, …);  γ, β (*F), F being the sizes of the last `axes` axes.
    The same in training and prediction (Ba, Kiros and Hinton 2016, eq. 4).

    Attributes:
        epsilon: keeps examples without spread from a division by 0.
        trainable: whether training changes γ and β.
        axes: how many axes, from the last, are normalized together: 1 for features,
            3 for whole images (N, C, H, W); as the length of PyTorch's
            `normalized_shape`.
    """

    epsilon: Positive = 1e-5
    trainable: bool = True
    axes: Count = 1

    def apply(self, x: Node, trace: Trace) -> Node:
        axes, shape = _last(self.axes, x, trace)
        centered = x - ops.mean(x, axes, keepdims=True)
        variance = ops.mean(ops.square(centered), axes, keepdims=True)
        scale, shift = _scale_and_shift(shape, trace)
        return centered / ops.sqrt(variance + self.epsilon) * scale + shift


def _last(count: int, x: Node, trace: Trace) -> tuple[tuple[int, ...], Shape]:
    """The last axes of x, and their sizes."""
    # Several axes must leave one for the examples, which would be mixed otherwise.
    if len(x.shape) < count + (count > 1):
        needed = "features" if count == 1 else f"{count} axes of features"
        message = f"{trace.path} needs {needed}, and its input has shape {x.shape}"
        raise Error("graph-shape", message, fix=f"say axes: {len(x.shape) - 1}")
    axes = tuple(range(len(x.shape) - count, len(x.shape)))
    return axes, tuple(x.shape[axis] for axis in axes)


@register("rms_norm")
class RMSNorm(Layer):
    """y = γ x / √(mean(x²) + ε), the mean of each example over its last axis.

    x (…, C);  γ (C,). The same in training and prediction; nothing is subtracted
    (Zhang and Sennrich, NeurIPS 2019, eq. 4).

    Attributes:
        epsilon: keeps examples of zeros from a division by 0; the spacing of numbers at
            1 if not said, as in PyTorch.
        trainable: whether training changes γ.
    """

    epsilon: Positive | None = None
    trainable: bool = True

    def apply(self, x: Node, trace: Trace) -> Node:
        axes, shape = _last(1, x, trace)
        epsilon = self.epsilon or float(np.finfo(x.dtype).eps)
        square = ops.mean(ops.square(x), axes, keepdims=True)
        (size,) = shape
        scale = trace.parameter("scale", shape, Ones(), fan_in=size, fan_out=size)
        return x / ops.sqrt(square + epsilon) * scale


@register("group_norm")
class GroupNorm(Layer):
    """y = γ (x - μ) / √(σ² + ε) + β, with μ and σ² of each group of an example.

    x (N, C, …), its C channels cut into groups;  μ, σ²: over the channels of a group
    and all positions;  γ, β (C,). The same in training and prediction (Wu and He, ECCV
    2018, eq. 1-6).

    Attributes:
        groups: how many groups; it must divide C. One group: all of an example.
        epsilon: keeps groups without spread from a division by 0.
        trainable: whether training changes γ and β.
    """

    groups: Count
    epsilon: Positive = 1e-5
    trainable: bool = True

    def apply(self, x: Node, trace: Trace) -> Node:
        rows = _channels_last(x, trace)
        if x.shape[1] % self.groups:
            raise Error(
                "graph-shape",
                f"{trace.path}: {self.groups} groups do not divide the {x.shape[1]} "
                f"channels of its input of shape {x.shape}",
                fix="choose a number of groups that divides the channels",
            )
        centered, spread = _standardized(rows, self.groups, self.epsilon)
        scale, shift = _scale_and_shift(rows.shape[-1:], trace)
        return _channels_first(centered * (scale / spread) + shift)


@register("instance_norm")
class InstanceNorm(Layer):
    """y = (x - μ) / √(σ² + ε), with μ and σ² of each channel of each example.

    x (N, C, …), μ and σ² over all positions. The same in training and prediction, and
    nothing is learned, as PyTorch does it by default (Ulyanov, Vedaldi and Lempitsky
    2016, eq. 4).

    Attributes:
        affine: whether γ y + β follows, with learned γ, β (C,).
        epsilon: keeps channels without spread from a division by 0.
        trainable: whether training changes γ and β.
    """

    affine: bool = False
    epsilon: Positive = 1e-5
    trainable: bool = True

    def apply(self, x: Node, trace: Trace) -> Node:
        rows = _channels_last(x, trace)
        if math.prod(x.shape[2:]) < 2:
            raise Error(
                "graph-shape",
                f"{trace.path} needs at least 2 positions in each channel, "
                f"and its input has shape {x.shape}",
                fix="use batch_norm or layer_norm",
            )
        centered, spread = _standardized(rows, x.shape[1], self.epsilon)
        if not self.affine:
            return _channels_first(centered / spread)
        scale, shift = _scale_and_shift(rows.shape[-1:], trace)
        return _channels_first(centered * (scale / spread) + shift)


def _standardized(rows: Node, groups: int, epsilon: float) -> tuple[Node, Node]:
    """x - μ (N, …, C) and √(σ² + ε) (N, 1, …, C), of each example's groups of channels.

    First over the positions, then over the few numbers that are left: channels lie
    last, and to add whole rows of them is quicker.
    """
    axes = tuple(range(1, len(rows.shape) - 1))
    centered = rows - _shared(ops.mean(rows, axes, keepdims=True), groups)
    squares = ops.mean(ops.square(centered), axes, keepdims=True)
    return centered, ops.sqrt(_shared(squares, groups) + epsilon)


def _shared(x: Node, groups: int) -> Node:
    """(…, C) with each channel's number replaced by the mean of its group's."""
    parts = ops.reshape(x, (*x.shape[:-1], groups, x.shape[-1] // groups))
    means = ops.mean(parts, -1, keepdims=True)
    return ops.reshape(ops.broadcast_to(means, parts.shape), x.shape)
