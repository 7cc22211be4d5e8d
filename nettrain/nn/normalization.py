"""Layers that bring signals to mean 0 and variance 1 on their way."""

from __future__ import annotations

import math

from nettrain.component import Positive, Share, register
from nettrain.errors import Error
from nettrain.graph import Node
from nettrain.graph import operations as ops
from nettrain.graph.spec import Shape
from nettrain.nn.initializers import Ones, Zeros
from nettrain.nn.layer import Layer
from nettrain.nn.trace import Trace


def _scale_and_shift(size: int, shape: Shape, trace: Trace) -> tuple[Node, Node]:
    """The learned γ and β (size,), spread to `shape`."""
    fans = {"fan_in": size, "fan_out": size}
    scale = trace.parameter("scale", (size,), Ones(), **fans)
    shift = trace.parameter("shift", (size,), Zeros(), **fans)
    return ops.reshape(scale, shape), ops.reshape(shift, shape)


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
        trainable: whether training changes γ and β.
    """

    momentum: Share = 0.1
    epsilon: Positive = 1e-5
    trainable: bool = True

    def apply(self, x: Node, trace: Trace) -> Node:
        mean, variance = self._running(x, trace)
        axes = tuple(i for i in range(len(x.shape)) if i != 1)
        count = math.prod(x.shape[i] for i in axes)
        if count < 2:
            raise Error(
                "config-batch-norm",
                f"{trace.path} needs at least 2 values of each feature to train, "
                f"a batch of shape {x.shape} has {count}",
                fix="choose a batch_size that leaves no single row, or use layer_norm",
            )
        center = ops.mean(x, axes, keepdims=True)
        centered = x - center
        spread = ops.mean(ops.square(centered), axes, keepdims=True)
        self._average(mean, center, trace)
        self._average(variance, spread * (count / (count - 1)), trace)
        return self._normal(centered, spread, trace)

    def predict(self, x: Node, trace: Trace) -> Node:
        mean, variance = self._running(x, trace)
        shape = _along_features(x)
        return self._normal(
            x - ops.reshape(mean, shape), ops.reshape(variance, shape), trace
        )

    def _running(self, x: Node, trace: Trace) -> tuple[Node, Node]:
        if len(x.shape) < 2:
            raise Error(
                "graph-shape", f"{trace.path} needs a batch of features, got {x!r}"
            )
        features = (x.shape[1],)
        return (
            trace.state("running_mean", features, 0.0),
            trace.state("running_variance", features, 1.0),
        )

    def _average(self, state: Node, new: Node, trace: Trace) -> None:
        kept = trace.latest(state) * (1.0 - self.momentum)
        trace.update(state, kept + ops.reshape(new, state.shape) * self.momentum)

    def _normal(self, centered: Node, variance: Node, trace: Trace) -> Node:
        shape = _along_features(centered)
        scale, shift = _scale_and_shift(centered.shape[1], shape, trace)
        # The narrow factors first: one product less over the whole batch.
        return centered * (scale / ops.sqrt(variance + self.epsilon)) + shift


def _along_features(x: Node) -> Shape:
    """The shape in which one number per feature broadcasts against x."""
    return (1, x.shape[1], *(1,) * (len(x.shape) - 2))


@register("layer_norm")
class LayerNorm(Layer):
    """y = γ (x - μ) / √(σ² + ε) + β, with μ and σ² of each example over its last axis.

    x (…, C);  μ, σ² (…, 1);  γ, β (C,). The same in training and prediction (Ba, Kiros
    and Hinton 2016, eq. 4).

    Attributes:
        epsilon: keeps examples without spread from a division by 0.
        trainable: whether training changes γ and β.
    """

    epsilon: Positive = 1e-5
    trainable: bool = True

    def apply(self, x: Node, trace: Trace) -> Node:
        if not x.shape:
            raise Error("graph-shape", f"{trace.path} needs features, got {x!r}")
        size = x.shape[-1]
        centered = x - ops.mean(x, -1, keepdims=True)
        variance = ops.mean(ops.square(centered), -1, keepdims=True)
        scale, shift = _scale_and_shift(size, (size,), trace)
        return centered / ops.sqrt(variance + self.epsilon) * scale + shift
