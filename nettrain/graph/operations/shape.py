"""Operations that move elements: shapes, axes, slices, padding."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nettrain.errors import Error
from nettrain.graph.node import Array, Node, Operation, Sample, apply
from nettrain.graph.spec import Shape, Spec, broadcast_shapes, promote


@dataclass(frozen=True, eq=False)
class Reshape(Operation):
    """The same elements, in row-major order, in another shape; so is the gradient."""

    name = "reshape"
    samples = (Sample(((3, 4),), ((2, 6),)), Sample(((1, 3),), ((3,),)))
    shape: Shape

    def spec(self, *inputs: Spec) -> Spec:
        (x,) = inputs
        if math.prod(self.shape) != x.size or any(n < 0 for n in self.shape):
            raise Error(
                "graph-shape",
                f"{x.size} elements of shape {x.shape} do not fit shape {self.shape}",
            )
        return Spec(self.shape, x.dtype)

    def forward(self, xp: Any, *inputs: Array) -> Array:
        return xp.reshape(inputs[0], self.shape)

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        return (reshape(g, inputs[0].shape),)


@dataclass(frozen=True, eq=False)
class Transpose(Operation):
    """y's axis i is x's axis `axes[i]`; the gradient goes back by the inverse."""

    name = "transpose"
    samples = (Sample(((3, 4),), ((1, 0),)), Sample(((2, 3, 4),), ((2, 0, 1),)))
    axes: tuple[int, ...]

    def spec(self, *inputs: Spec) -> Spec:
        (x,) = inputs
        if sorted(self.axes) != list(range(len(x.shape))):
            raise Error(
                "graph-axis", f"{self.axes} is no order of the axes of shape {x.shape}"
            )
        return Spec(tuple(x.shape[i] for i in self.axes), x.dtype)

    def forward(self, xp: Any, *inputs: Array) -> Array:
        return xp.permute_dims(inputs[0], self.axes)

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        inverse = sorted(range(len(self.axes)), key=self.axes.__getitem__)
        return (permute_dims(g, tuple(inverse)),)


@dataclass(frozen=True, eq=False)
class BroadcastTo(Operation):
    """x repeated along new axes and axes of size 1; the gradient is summed back."""

    name = "broadcast_to"
    samples = (Sample(((3, 1),), ((2, 3, 4),)), Sample(((),), ((2, 3),)))
    shape: Shape

    def spec(self, *inputs: Spec) -> Spec:
        (x,) = inputs
        if broadcast_shapes(x.shape, self.shape) != self.shape:
            raise Error("graph-shape", f"{x.shape} does not broadcast to {self.shape}")
        return Spec(self.shape, x.dtype)

    def forward(self, xp: Any, *inputs: Array) -> Array:
        return xp.broadcast_to(inputs[0], self.shape)

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        return (g,)


@dataclass(frozen=True, eq=False)
class Slice(Operation):
    """y = x[start:stop:step, …] with positive steps; the gradient is padded back."""

    name = "slice"
    samples = (
        Sample(((4, 5),), ((1, 0), (3, 5), (1, 1))),
        Sample(((7, 3),), ((1, 0), (6, 3), (2, 1))),
    )
    starts: tuple[int, ...]
    stops: tuple[int, ...]
    steps: tuple[int, ...]

    def spec(self, *inputs: Spec) -> Spec:
        (x,) = inputs
        sizes = [len(range(n)[s]) for n, s in zip(x.shape, self.slices, strict=True)]
        return Spec(tuple(sizes), x.dtype)

    @property
    def slices(self) -> tuple[slice, ...]:
        return tuple(map(slice, self.starts, self.stops, self.steps))

    def forward(self, xp: Any, *inputs: Array) -> Array:
        return inputs[0][self.slices]

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        (x,) = inputs
        # The last of m elements stands (m - 1) steps after the first.
        sizes = zip(x.shape, y.shape, self.starts, self.steps, strict=True)
        after = tuple([n - a - ((m - 1) * s + 1 if m else 0) for n, m, a, s in sizes])
        return (pad(g, self.starts, after, tuple([s - 1 for s in self.steps])),)


@dataclass(frozen=True, eq=False)
class Pad(Operation):
    """x surrounded by zeros, and with `interior` zeros between neighbours.

    The array-API standard has no padding: the executor's namespace supplies
    `pad(x, before, after, interior)`.
    """

    name = "pad"
    samples = (
        Sample(((3, 4),), ((1, 0), (0, 2), (0, 0))),
        Sample(((3, 2),), ((0, 1), (1, 0), (2, 0))),
    )
    before: tuple[int, ...]
    after: tuple[int, ...]
    interior: tuple[int, ...]

    def spec(self, *inputs: Spec) -> Spec:
        (x,) = inputs
        widths = (self.before, self.after, self.interior)
        if any(len(w) != len(x.shape) or min(w, default=0) < 0 for w in widths):
            raise Error("graph-shape", f"paddings {widths} do not fit shape {x.shape}")
        sizes = zip(x.shape, self.before, self.after, self.interior, strict=True)
        shape = [b + a + n + max(n - 1, 0) * i for n, b, a, i in sizes]
        return Spec(tuple(shape), x.dtype)

    def forward(self, xp: Any, *inputs: Array) -> Array:
        return xp.pad(inputs[0], self.before, self.after, self.interior)

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        stops = tuple(n - a for n, a in zip(y.shape, self.after, strict=True))
        steps = tuple(i + 1 for i in self.interior)
        return (apply(Slice(self.before, stops, steps), g),)


@dataclass(frozen=True, eq=False)
class Concat(Operation):
    """The inputs one after another along an axis; the gradient is cut apart again."""

    name = "concat"
    samples = (
        Sample(((2, 3), (4, 3)), (0,)),
        Sample(((2, 3), (2, 1), (2, 2)), (1,)),
    )
    axis: int

    def spec(self, *inputs: Spec) -> Spec:
        first = inputs[0]
        for x in inputs:
            same = len(x.shape) == len(first.shape) and all(
                n == m or i == self.axis
                for i, (n, m) in enumerate(zip(x.shape, first.shape, strict=True))
            )
            if not same:
                raise Error(
                    "graph-shape",
                    f"{first.shape} and {x.shape} differ beside axis {self.axis}",
                )
        shape = list(first.shape)
        shape[self.axis] = sum(x.shape[self.axis] for x in inputs)
        return Spec(tuple(shape), promote(*[x.dtype for x in inputs]))

    def forward(self, xp: Any, *inputs: Array) -> Array:
        return xp.concat(inputs, axis=self.axis)

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        parts = []
        start = 0
        for x in inputs:
            index: list[slice] = [slice(None)] * len(g.shape)
            index[self.axis] = slice(start, start + x.shape[self.axis])
            parts.append(getitem(g, tuple(index)))
            start += x.shape[self.axis]
        return parts


def reshape(x: Node, shape: Shape) -> Node:
    """x in another shape; one size may be -1 and is worked out."""
    known = -math.prod(shape)
    if shape.count(-1) == 1 and known > 0 and x.spec.size % known == 0:
        shape = tuple(x.spec.size // known if n == -1 else n for n in shape)
    return x if shape == x.shape else apply(Reshape(tuple(shape)), x)


def permute_dims(x: Node, axes: tuple[int, ...]) -> Node:
    """x with its axes in another order."""
    axes = tuple(a + len(x.shape) if a < 0 else a for a in axes)
    return x if axes == tuple(range(len(axes))) else apply(Transpose(axes), x)


def transpose(x: Node) -> Node:
    """x with its last two axes exchanged."""
    rank = len(x.shape)
    if rank < 2:
        raise Error("graph-axis", f"{x!r} has no two axes to exchange")
    return permute_dims(x, (*range(rank - 2), rank - 1, rank - 2))


def broadcast_to(x: Node, shape: Shape) -> Node:
    """x repeated to a larger shape."""
    return x if shape == x.shape else apply(BroadcastTo(tuple(shape)), x)


def expand_dims(x: Node, axis: int) -> Node:
    """x with a new axis of size 1."""
    rank = len(x.shape) + 1
    if not -rank <= axis < rank:
        raise Error("graph-axis", f"axis {axis} is outside an array of {rank} axes")
    axis %= rank
    return reshape(x, (*x.shape[:axis], 1, *x.shape[axis:]))


def squeeze(x: Node, axis: int) -> Node:
    """x without an axis of size 1."""
    if not -len(x.shape) <= axis < len(x.shape) or x.shape[axis] != 1:
        raise Error("graph-axis", f"axis {axis} of {x!r} is not of size 1")
    axis %= len(x.shape)
    return reshape(x, (*x.shape[:axis], *x.shape[axis + 1 :]))


def concat(nodes: Sequence[Node], axis: int = 0) -> Node:
    """The nodes one after another along an axis."""
    if not nodes:
        raise Error("graph-shape", "nothing to concatenate")
    rank = len(nodes[0].shape)
    if not -rank <= axis < rank:
        raise Error("graph-axis", f"axis {axis} is outside an array of {rank} axes")
    return apply(Concat(axis % rank), *nodes)


def stack(nodes: Sequence[Node], axis: int = 0) -> Node:
    """The nodes side by side along a new axis."""
    return concat([expand_dims(x, axis) for x in nodes], axis)


def pad(
    x: Node,
    before: tuple[int, ...],
    after: tuple[int, ...],
    interior: tuple[int, ...] | None = None,
) -> Node:
    """x with zeros before, after and (`interior`) between its elements, by axis."""
    interior = interior or (0,) * len(x.shape)
    return apply(Pad(tuple(before), tuple(after), tuple(interior)), x)


def getitem(x: Node, index: Any) -> Node:
    """x[index] for integers, slices with positive steps, `...` and None."""
    index = index if isinstance(index, tuple) else (index,)
    dots = [at for at, item in enumerate(index) if item is Ellipsis]
    taken = sum(1 for item in index if item is not None) - len(dots)
    if taken > len(x.shape) or len(dots) > 1:
        raise Error("graph-index", f"{x!r} has too few axes for the index {index}")
    if not dots:
        index = (*index, Ellipsis)
    where = dots[0] if dots else len(index) - 1
    fill = (slice(None),) * (len(x.shape) - taken)
    index = (*index[:where], *fill, *index[where + 1 :])
    slices, shape = _cut(x, index)
    if slices != [(0, n, 1) for n in x.shape]:
        starts, stops, steps = zip(*slices, strict=True)
        x = apply(Slice(starts, stops, steps), x)
    return reshape(x, shape)


def _cut(x: Node, index: tuple[Any, ...]) -> tuple[list[tuple[int, int, int]], Shape]:
    """Start, stop and step for every axis of x, and the shape of the result."""
    slices: list[tuple[int, int, int]] = []
    shape: list[int] = []
    for item in index:
        if item is None:
            shape.append(1)
            continue
        start, stop, step = _range(x, item, x.shape[len(slices)])
        slices.append((start, max(start, stop), step))
        if isinstance(item, slice):
            shape.append(len(range(start, stop, step)))
    return slices, tuple(shape)


def _range(x: Node, item: Any, size: int) -> tuple[int, int, int]:
    """Start, stop and step of an index of one axis of x, of the given size."""
    try:
        if isinstance(item, slice):
            taken = item.indices(size)
            if taken[2] > 0:
                return taken
        elif not isinstance(item, (bool, np.bool_)):
            at = operator.index(item)
            if -size <= at < size:
                return at % size, at % size + 1, 1
    except (TypeError, ValueError):
        pass
    raise Error(
        "graph-index",
        f"{x!r}: {item!r} is no index of an axis of size {size}",
        fix="integers within the axis, slices with positive steps, ... and None are",
    )
