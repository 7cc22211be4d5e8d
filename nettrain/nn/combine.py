"""Layers made of layers: in a row, beside a shortcut, again and again."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated

from nettrain.component import Range, register
from nettrain.errors import Error
from nettrain.graph import Node
from nettrain.graph import operations as ops
from nettrain.nn.layer import Layer, name_clashes, names
from nettrain.nn.trace import Trace

Children = Iterator[tuple[str, tuple[str | int, ...], Layer]]


def _row(layers: list[Layer], field: str, prefix: str = "") -> Children:
    for i, (name, layer) in enumerate(zip(names(layers), layers, strict=True)):
        yield prefix + name, (field, i), layer


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
            yield from _row(self.block, "block", f"{number}/")

    def apply(self, x: Node, trace: Trace) -> Node:
        return _chain(self.children(), x, trace)


@register("flatten")
class Flatten(Layer):
    """Each example's elements in one row: (N, A, B, …) to (N, A·B·…)."""

    def apply(self, x: Node, trace: Trace) -> Node:
        if not x.shape:
            raise Error("graph-shape", f"{trace.path} needs a batch, got {x!r}")
        return ops.reshape(x, (x.shape[0], math.prod(x.shape[1:])))
