"""Layers made of layers: in a row, beside each other, again and again; and shapes."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np

from nettrain.component import Range, register
from nettrain.errors import Error
from nettrain.graph import Node, constant
from nettrain.graph import operations as ops
from nettrain.nn.layer import Layer, name_clashes, names
from nettrain.nn.trace import Trace

Children = Iterator[tuple[str, tuple[str | int, ...], Layer]]


def _row(layers: list[Layer], *place: str | int, prefix: str = "") -> Children:
    for i, (name, layer) in enumerate(zip(names(layers), layers, strict=True)):
        yield prefix + name, (*place, i), layer


def _chain(children: Children, x: Node, trace: Trace) -> Node:
    """Each layer applied to the result of the one before."""
    for name, _, layer in children:
        x = trace.call(layer, x, name)
    return x


@register("sequential")
class Sequential(Layer):
    """y = f_n(… f_2(f_1(x))).

    Attributes:
        layers: f_1, f_2, …, f_n; the same object twice shares its weights.
    """

    layers: list[Layer]

    def check(self) -> Iterator[str]:
        yield from super().check()
        yield from name_clashes(self.layers)

    def children(self) -> Children:
        return _row(self.layers, "layers")

    def apply(self, x: Node, trace: Trace) -> Node:
        return _chain(self.children(), x, trace)


@register("residual")
class Residual(Layer):
    """y = x + f(x): a shortcut around the layers f, which must keep the shape.

    The gradient comes back undiminished along the shortcut (He, Zhang, Ren and Sun,
    CVPR 2016, eq. 1).

    Attributes:
        blocks: the layers of f, in a row.
    """

    blocks: list[Layer]

    def check(self) -> Iterator[str]:
        yield from super().check()
        yield from name_clashes(self.blocks)

    def children(self) -> Children:
        return _row(self.blocks, "blocks")

    def apply(self, x: Node, trace: Trace) -> Node:
        y = _chain(self.children(), x, trace)
        if y.shape != x.shape:  # broadcasting would hide the mistake
            raise Error(
                "config-residual",
                f"{trace.path}: the blocks make {y.shape} of {x.shape}, "
                "and a residual adds the two",
                fix=f"let the last block have {x.shape[-1]} units",
            )
        return x + y


@register("repeat")
class Repeat(Layer):
    """The block again and again, each time with weights of its own.

    Attributes:
        times: how often.
        block: the layers of one round, in a row; round 3 is called `repeat1/3`.
    """

    times: Annotated[int, Range(at_least=1, at_most=1000)]
    block: list[Layer]

    def check(self) -> Iterator[str]:
        yield from super().check()
        yield from name_clashes(self.block)

    def children(self) -> Children:
        for number in range(1, self.times + 1):
            yield from _row(self.block, "block", prefix=f"{number}/")

    def apply(self, x: Node, trace: Trace) -> Node:
        return _chain(self.children(), x, trace)


@register("branch")
class Branch(Layer):
    """y = f_1(x) and f_2(x) and …, put together: concatenated, added, multiplied.

    Of padding, a time step is real where it is real at the end of every path.

    Attributes:
        paths: the layers of each f, in a row; `[]` passes x on. The first layer of the
            second path is called `branch1/2/…`.
        merge: `concat` along an axis, or element by element `add`, `multiply`, `mean`;
            `last`: the last path's, which looks at the others by `memory`.
        axis: of `concat`; `auto`: 1 for images (N, C, …), the last one otherwise.
    """

    paths: list[list[Layer]]
    merge: Literal["concat", "add", "multiply", "mean", "last"] = "concat"
    axis: int | Literal["auto"] = "auto"

    def check(self) -> Iterator[str]:
        yield from super().check()
        if not self.paths:
            yield "paths: a branch needs at least one path"
        for path in self.paths:
            yield from name_clashes(path)

    def children(self) -> Children:
        for i, _ in enumerate(self.paths):
            yield from self._path(i)

    def _path(self, i: int) -> Children:
        return _row(self.paths[i], "paths", i, prefix=f"{i + 1}/")

    def apply(self, x: Node, trace: Trace) -> Node:
        before, ends, masks = trace.mask, [], []
        for i, _ in enumerate(self.paths):
            trace.mask = before
            ends.append(_chain(self._path(i), x, trace))
            masks.append(trace.mask)
        if self.merge == "last":
            return ends[-1]
        y = self._merged(ends, trace)
        trace.mask = self._mask(masks, ends, y)
        return y

    def _mask(self, masks: list[Node | None], ends: list[Node], y: Node) -> Node | None:
        """What is real of y, where a path tells of padding."""
        told = dict.fromkeys(m for m in masks if m is not None)
        if len({len(mask.shape) for mask in told}) != 1:
            return None
        time = len(next(iter(told)).shape) - 1
        if all(end.shape[time] == y.shape[time] for end in ends):
            return functools.reduce(ops.logical_and, told)
        shape = [(len(y), *(1,) * (time - 1), end.shape[time]) for end in ends]
        return ops.concat(
            [
                constant(np.ones(each, bool)) if mask is None else mask
                for mask, each in zip(masks, shape, strict=True)
            ],
            time,
        )

    def _merged(self, ends: list[Node], trace: Trace) -> Node:
        if self.merge != "concat":
            if len({y.shape for y in ends}) > 1:  # broadcasting would hide the mistake
                raise self._misfit(ends, trace, "needs equal shapes")
            combine = ops.multiply if self.merge == "multiply" else ops.add
            y = functools.reduce(combine, ends)
            return y * (1.0 / len(ends)) if self.merge == "mean" else y
        rank = len(ends[0].shape)
        axis = self.axis if self.axis != "auto" else 1 if rank > 3 else rank - 1
        if axis in (0, -rank):
            needs = f"along axis {axis} would put examples behind each other"
            raise self._misfit(ends, trace, needs, "choose an axis from 1 on")
        try:
            return ops.concat(ends, axis)
        except Error:
            needs = f"along axis {axis} needs shapes that differ there alone"
            raise self._misfit(ends, trace, needs) from None

    def _misfit(
        self,
        ends: list[Node],
        trace: Trace,
        needs: str,
        fix: str = "end the paths with layers of one size",
    ) -> Error:
        listed = " and ".join(str(y.shape) for y in ends)
        return Error(
            "config-branch",
            f"{trace.path}: the paths make {listed}, and {self.merge} {needs}",
            fix=fix,
        )


@register("reuse")
class Reuse(Layer):
    """An earlier layer again, with the same weights: its gradients add up.

    Attributes:
        layer: name of the earlier layer, such as `dense1`, or `branch1/1/dense1`.
    """

    layer: str

    def apply(self, x: Node, trace: Trace) -> Node:
        return trace.again(self.layer, x)


@register("reshape")
class Reshape(Layer):
    """Each example's elements, in row-major order, in another shape: (N, …) to (N, S…).

    Attributes:
        shape: S, without the batch; one size may be -1 and is worked out.
    """

    shape: list[Annotated[int, Range(at_least=-1)]]

    def apply(self, x: Node, trace: Trace) -> Node:
        trace.mask = None
        shape = (*x.shape[:1], *self.shape)
        known = math.prod(n for n in shape if n != -1)
        rest = x.spec.size // known if known else 0
        made = tuple(rest if n == -1 else n for n in shape)
        if not x.shape or shape.count(-1) > 1 or math.prod(made) != x.spec.size:
            raise Error(
                "graph-shape",
                f"{trace.path}: the elements of {x.shape} do not fit {shape}",
                fix=f"each example has {math.prod(x.shape[1:])} elements",
            )
        return ops.reshape(x, made)


@register("permute")
class Permute(Layer):
    """The axes behind the batch in another order: `permute: [2, 1]` turns (N, C, T),
    as convolutions have it, into (N, T, C), as recurrent layers and attention do.

    Attributes:
        axes: which axis of the input, from 1, stands at each place of the output.
    """

    axes: list[Annotated[int, Range(at_least=1)]]

    def check(self) -> Iterator[str]:
        yield from super().check()
        if sorted(self.axes) != list(range(1, len(self.axes) + 1)):
            yield f"axes: {list(self.axes)} is no order of 1, 2, …"

    def apply(self, x: Node, trace: Trace) -> Node:
        if len(x.shape) != len(self.axes) + 1:
            raise Error(
                "graph-shape",
                f"{trace.path}: {x.shape} has another number of axes than a batch and "
                f"{list(self.axes)}",
                fix=f"name each axis from 1 to {max(len(x.shape) - 1, 1)} once",
            )
        if (mask := trace.mask) is not None:
            at = self.axes.index(len(mask.shape) - 1)
            trace.mask = ops.reshape(mask, (len(mask), *(1,) * at, mask.shape[-1]))
        return ops.permute_dims(x, (0, *self.axes))


@register("slice")
class Slice(Layer):
    """Some columns, time steps or channels: the inputs from `start` up to `stop`.

    Attributes:
        start: the first one's index, from 0; from the end if negative.
        stop: the index before which to stop; left out: the end.
        axis: of the input; 1 is time in (N, T, F), -1 the last.
    """

    start: int = 0
    stop: int | None = None
    axis: int = -1

    def apply(self, x: Node, trace: Trace) -> Node:
        rank = len(x.shape)
        axis = self.axis % rank if -rank <= self.axis < rank else 0
        if not axis:
            message = f"axis {self.axis} is none of {x.shape} behind the batch"
            fix = f"choose one from 1 to {rank - 1}" if rank > 1 else ""
            raise Error("config-axis", f"{trace.path}: {message}", fix=fix)
        chosen = slice(self.start, self.stop)
        if not len(range(x.shape[axis])[chosen]):
            raise Error(
                "config-index",
                f"{trace.path}: nothing stands from {self.start} to {self.stop} on "
                f"axis {axis} of {x.shape}",
                fix=f"that axis has the indices 0 to {x.shape[axis] - 1}",
            )
        if (mask := trace.mask) is not None and axis == len(mask.shape) - 1:
            trace.mask = mask[..., chosen]
        return x[(*(slice(None),) * axis, chosen)]


@register("flatten")
class Flatten(Layer):
    """Each example's elements in one row: (N, A, B, …) to (N, A·B·…)."""

    def apply(self, x: Node, trace: Trace) -> Node:
        if not x.shape:
            raise Error("graph-shape", f"{trace.path} needs a batch, got {x!r}")
        trace.mask = None
        return ops.reshape(x, (x.shape[0], math.prod(x.shape[1:])))
