"""From sequences to one vector each."""

from __future__ import annotations

from typing import Literal

import numpy as np

from nettrain.component import register
from nettrain.errors import Error
from nettrain.graph import Node, constant
from nettrain.graph import operations as ops
from nettrain.nn.layer import Layer
from nettrain.nn.trace import Trace


def no_sequences(x: Node, trace: Trace, needed: str = "(N, T, F)") -> Error:
    """The error of a layer whose input is of another shape than it needs."""
    return Error(
        "graph-shape",
        f"{trace.path} needs sequences {needed}, and its input has shape {x.shape}",
        fix="say how a row is shaped: data.shape: [T, F]; an embedding or `reshape` "
        "makes sequences too",
    )


def _sequences(x: Node, trace: Trace) -> Node | None:
    """Their mask, which what comes behind has no use for."""
    if len(x.shape) < 3:
        raise no_sequences(x, trace, "(N, T, …)")
    mask = trace.sequence_mask(x)
    trace.mask = None
    return mask


def _spread(mask: Node, x: Node) -> Node:
    """A mask (N, T) as 0 and 1 that broadcast against x."""
    ones = (1,) * (len(x.shape) - 2)
    return ops.cast(ops.reshape(mask, (*mask.shape, *ones)), x.dtype)


def over_time(x: Node, mask: Node, pooling: Literal["mean", "max"]) -> Node:
    """(N, …): mean or maximum of x (N, T, …) over what a mask (N, T) calls real.

    0 where nothing is.
    """
    real = _spread(mask, x)
    count = ops.sum(real, 1)
    if pooling == "mean":
        return ops.sum(x * real, 1) / ops.maximum(count, 1.0)
    low = float(np.finfo(x.dtype).min)
    top = ops.max(ops.where(ops.greater(real, 0.0), x, low), 1)
    return ops.where(ops.greater(count, 0.0), top, 0.0)


def real(x: Node, mask: Node | None) -> Node:
    """x with 0 where its mask, which broadcasts against it, tells of padding."""
    return x if mask is None else ops.where(mask, x, constant(0.0, x.dtype))


def moved(mask: Node, x: Node, own: int, step: int, trace: Trace) -> Node:
    """The mask (N, 1, P) of what windows make of x (N, C, T) with a mask (N, 1, T).

    Each sequence has as many positions as it would have alone.

    Args:
        own: how many steps of the input each window needs.
        step: from one window to the next.
    """
    if own < 1:
        raise Error(
            "graph-mask",
            f"{trace.path}: so much stands around {x.shape} that windows may lie in it "
            f"wholly, and the mask of shape {mask.shape} does not say what they are",
            fix="choose a smaller padding, or `same`",
        )
    if own == 1:
        return mask[..., ::step]
    each = ops.unfold(ops.cast(mask, x.dtype), 2, (own,), (step,))
    return ops.greater(ops.min(each, -1), 0.0)


@register("select")
class Select(Layer):
    """y = x[:, index]: one time step;  x (N, T, …)  y (N, …).

    Where there is padding, only the other time steps count: -1 is the last real one.
    y is 0 if there are too few of them.

    Attributes:
        index: of the time step, from 0; from the end if negative.
    """

    index: int = -1

    def apply(self, x: Node, trace: Trace) -> Node:
        mask, steps = _sequences(x, trace), x.shape[1]
        if not -steps <= self.index < steps:
            raise Error(
                "config-index",
                f"{trace.path}: index {self.index} is outside the {steps} time steps "
                f"of {x.shape}",
                fix="-1 is the last one, whatever their number",
            )
        if mask is None:
            return x[:, self.index]
        # How many real steps there are up to each, or from each on.
        reach = np.tri(steps) if self.index < 0 else np.tri(steps).T
        real = ops.cast(mask, x.dtype)
        count = real @ constant(reach, x.dtype)
        wanted = float(-self.index if self.index < 0 else self.index + 1)
        chosen = ops.logical_and(mask, ops.equal(count, wanted))
        return ops.sum(x * _spread(chosen, x), 1)


@register("pool_time")
class PoolTime(Layer):
    """y = mean or maximum of x over the time steps;  x (N, T, …)  y (N, …).

    Padding is left out; y is 0 where there is nothing else. `select: -1` is the last
    time step.

    Attributes:
        pooling: mean or max.
    """

    pooling: Literal["mean", "max"] = "mean"

    def apply(self, x: Node, trace: Trace) -> Node:
        mask = _sequences(x, trace)
        if mask is None:
            return ops.mean(x, 1) if self.pooling == "mean" else ops.max(x, 1)
        return over_time(x, mask, self.pooling)
