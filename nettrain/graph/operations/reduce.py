"""Operations that reduce axes: sums, extremes, and what is made of them."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from nettrain.errors import Error
from nettrain.graph.node import Array, Node, Operation, Sample, apply
from nettrain.graph.operations.elementwise import (
    exp,
    multiply,
    negative,
    square,
    subtract,
)
from nettrain.graph.operations.shape import broadcast_to, reshape
from nettrain.graph.spec import FLOATS, NUMBERS, Spec, normalize_axes, promote, require

Axis = int | tuple[int, ...] | None

_SAMPLES = (
    Sample(((3, 4),), ((0,), False)),
    Sample(((2, 3, 4),), ((0, 2), True)),
    Sample(((2, 3),), ((0, 1), False)),
)


@dataclass(frozen=True, eq=False)
class Reduction(Operation):
    """A function of all elements along some axes.

    Attributes:
        axes: sorted, non-negative.
        keepdims: whether reduced axes stay with size 1.
    """

    samples = _SAMPLES
    takes: ClassVar[tuple[str, ...]] = NUMBERS
    """The dtypes it is defined for."""
    of_none: ClassVar[bool] = False
    """Whether it is defined where there are no elements."""
    axes: tuple[int, ...]
    keepdims: bool = False

    def spec(self, *inputs: Spec) -> Spec:
        (x,) = inputs
        require(self.takes, x)
        if not self.of_none and any(x.shape[i] == 0 for i in self.axes):
            raise Error("graph-shape", f"the {self.name} of no elements is not defined")
        kept = self.kept(x.shape)
        if self.keepdims:
            return Spec(kept, x.dtype)
        return Spec(
            tuple(n for i, n in enumerate(x.shape) if i not in self.axes), x.dtype
        )

    def kept(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape with reduced axes of size 1."""
        return tuple(1 if i in self.axes else n for i, n in enumerate(shape))

    def spread(self, node: Node, x: Node) -> Node:
        """A reduced node, reshaped so that it broadcasts against x."""
        return reshape(node, self.kept(x.shape))


class Sum(Reduction):
    """y = Σ x over the axes;  dy/dx = 1."""

    name, of_none = "sum", True

    def forward(self, xp: Any, *inputs: Array) -> Array:
        (x,) = inputs
        return xp.sum(x, axis=self.axes, keepdims=self.keepdims, dtype=x.dtype)

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        (x,) = inputs
        return (broadcast_to(self.spread(g, x), x.shape),)


class Max(Reduction):
    """y = max x over the axes;  elements that tie share the gradient equally."""

    name, smooth = "max", False

    def forward(self, xp: Any, *inputs: Array) -> Array:
        return xp.max(inputs[0], axis=self.axes, keepdims=self.keepdims)

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        (x,) = inputs
        share = ties(x, self.spread(y, x), self.axes)
        return (multiply(self.spread(g, x), share),)


@dataclass(frozen=True, eq=False)
class Ties(Operation):
    """s = [x = y] / Σ [x = y] over the axes: equal shares for all that are the largest.

    x any shape, y of size 1 along the axes, s as x. No derivative.
    """

    name = "ties"
    samples = (
        Sample(((2, 3), (2, 1)), ((1,),), low=1.0, high=1.0),
        Sample(((3, 2, 3, 2), (3, 2, 1, 1)), ((2, 3),), low=1.0, high=1.0),
    )
    axes: tuple[int, ...]

    def spec(self, *inputs: Spec) -> Spec:
        x, y = inputs
        require(FLOATS, x, y)
        if y.shape != tuple(1 if i in self.axes else n for i, n in enumerate(x.shape)):
            raise Error("graph-shape", f"{y.shape} is no reduction of {x.shape}")
        return x

    def forward(self, xp: Any, *inputs: Array) -> Array:
        x, y = inputs
        found = xp.astype(x == y, x.dtype)
        return found / xp.sum(found, axis=self.axes, keepdims=True, dtype=x.dtype)


class LogSumExp(Reduction):
    """y = ln Σ e^x = m + ln Σ e^(x-m), m = max x;  dy/dx = e^(x-y) (the softmax)."""

    name, takes = "logsumexp", FLOATS

    def forward(self, xp: Any, *inputs: Array) -> Array:
        (x,) = inputs
        # A finite shift: in a row of -inf alone, x - m would not be defined.
        lowest = xp.asarray(xp.finfo(x.dtype).min, dtype=x.dtype)
        top = xp.maximum(xp.max(x, axis=self.axes, keepdims=True), lowest)
        total = xp.sum(xp.exp(x - top), axis=self.axes, keepdims=True, dtype=x.dtype)
        y = xp.log(total) + top
        return y if self.keepdims else xp.squeeze(y, axis=self.axes)

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        (x,) = inputs
        softmax = exp(subtract(x, self.spread(y, x)))
        return (multiply(self.spread(g, x), softmax),)


class SumOfSquares(Operation):
    """y = Σ_i Σ x_i² over all elements of all inputs, a scalar;  dy/dx_i = 2 x_i."""

    name = "sum_of_squares"
    samples = (Sample(((3, 4), (2,))), Sample(((5,),)))

    def spec(self, *inputs: Spec) -> Spec:
        require(NUMBERS, *inputs)
        return Spec((), promote(*[x.dtype for x in inputs]))

    def forward(self, xp: Any, *inputs: Array) -> Array:
        flat = [xp.reshape(x, (-1,)) for x in inputs]
        return functools.reduce(operator.add, [xp.vecdot(x, x) for x in flat])

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        return [multiply(g, multiply(x, 2.0)) for x in inputs]


@dataclass(frozen=True, eq=False)
class Summary(Operation):
    """y = [mean, std, rms, min, max, share of zeros] of all elements, in float64.

    What the diagnosis wants to know of one tensor, in one node. Squares are taken of
    x / max|x|, so that gradients of 1e-30 do not underflow. No derivative.
    """

    name = "summary"
    samples = (Sample(((3, 4),)), Sample(((5,),), low=-1e-30, high=1e-30))
    COLUMNS = ("mean", "std", "rms", "min", "max", "zero")

    def spec(self, *inputs: Spec) -> Spec:
        if inputs[0].size == 0:
            raise Error("graph-shape", "the summary of no elements is not defined")
        return Spec((len(self.COLUMNS),), "float64")

    def forward(self, xp: Any, *inputs: Array) -> Array:
        x = xp.astype(inputs[0], xp.float64)
        low, high = xp.min(x), xp.max(x)
        scale = xp.maximum(xp.abs(low), xp.abs(high))
        scale = xp.where(scale > 0, scale, xp.ones_like(scale))
        unit = x / scale
        mean = xp.mean(unit)
        rms = xp.sqrt(xp.mean(unit * unit))
        centred = unit - mean
        std = xp.sqrt(xp.mean(centred * centred))
        zero = xp.mean(xp.astype(x == 0, xp.float64))
        return xp.stack([mean * scale, std * scale, rms * scale, low, high, zero])


def sum(x: Node, axis: Axis = None, keepdims: bool = False) -> Node:
    """Σ x over the axes, all where none are given."""
    return apply(Sum(normalize_axes(axis, len(x.shape)), keepdims), x)


def mean(x: Node, axis: Axis = None, keepdims: bool = False) -> Node:
    """The arithmetic mean over the axes."""
    axes = normalize_axes(axis, len(x.shape))
    count = math.prod(x.shape[i] for i in axes)
    if count == 0:
        raise Error("graph-shape", f"the mean of no elements of {x!r} is not defined")
    return multiply(sum(x, axes, keepdims), 1.0 / count)


def var(x: Node, axis: Axis = None, keepdims: bool = False) -> Node:
    """The variance over the axes, Σ (x - mean)² / n."""
    centred = subtract(x, mean(x, axis, keepdims=True))
    return mean(square(centred), axis, keepdims)


def max(x: Node, axis: Axis = None, keepdims: bool = False) -> Node:
    """The largest element over the axes."""
    return apply(Max(normalize_axes(axis, len(x.shape)), keepdims), x)


def ties(x: Node, y: Node, axis: Axis = None) -> Node:
    """The share that each element of x has in being y, 0 for those that are not."""
    return apply(Ties(normalize_axes(axis, len(x.shape))), x, y)


def min(x: Node, axis: Axis = None, keepdims: bool = False) -> Node:
    """The smallest element over the axes."""
    return negative(max(negative(x), axis, keepdims))


def logsumexp(x: Node, axis: Axis = None, keepdims: bool = False) -> Node:
    """ln Σ e^x over the axes, without overflow."""
    return apply(LogSumExp(normalize_axes(axis, len(x.shape)), keepdims), x)


def sum_of_squares(*nodes: Node) -> Node:
    """The sum of the squares of all elements of all nodes."""
    if not nodes:
        raise Error("graph-operand", "sum_of_squares needs at least one node")
    return apply(SumOfSquares(), *nodes)


def summary(x: Node) -> Node:
    """[mean, std, rms, min, max, share of zeros] of x, float64 (6,)."""
    return apply(Summary(), x)
