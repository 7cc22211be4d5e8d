"""Windows: overlapping pieces of an array, and their sum. Convolution and pooling.

Each is the other's gradient, so any order of derivative works.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nettrain.errors import Error
from nettrain.graph.node import Array, Node, Operation, Sample, apply
from nettrain.graph.spec import NUMBERS, Shape, Spec, normalize_axes, require

Numbers = tuple[int, ...]


def extent(size: int, dilation: int) -> int:
    """How many elements a window reaches over, from its first to its last."""
    return (size - 1) * dilation + 1


def positions(length: int, size: int, step: int, dilation: int) -> int:
    """How many windows an axis holds; elements left over at its end are in none."""
    return max((length - extent(size, dilation)) // step + 1, 0)


@dataclass(frozen=True, eq=False)
class Unfold(Operation):
    """y[…, o, …, k] = x[…, o · step + k · dilation, …]; the gradient is folded back.

    Where an axis was stand its windows' positions; their elements are new axes at the
    end, one for each of `axes`. In NumPy this is a view.

    The array-API standard has no windows: the executor's namespace supplies
    `unfold(x, axes, sizes, steps, dilations)`.

    Attributes:
        axes: sorted, non-negative.
        sizes, steps, dilations: for each of them: elements in a window, from one window
            to the next, and from one element of a window to the next.
    """

    name = "unfold"
    samples = (
        Sample(((7,),), ((0,), (3,), (1,), (1,))),
        Sample(((2, 8),), ((1,), (2,), (3,), (2,))),
        Sample(((2, 5, 6),), ((1, 2), (3, 2), (1, 2), (1, 1))),
        Sample(((6, 2, 7),), ((0, 2), (2, 3), (2, 1), (1, 2))),
    )
    axes: Numbers
    sizes: Numbers
    steps: Numbers
    dilations: Numbers

    def spec(self, *inputs: Spec) -> Spec:
        (x,) = inputs
        require(NUMBERS, x)
        shape = list(x.shape)
        for axis, *window in _each(self.axes, self.sizes, self.steps, self.dilations):
            shape[axis] = positions(x.shape[axis], *window)
            if not shape[axis]:
                reach = extent(window[0], window[2])
                raise Error(
                    "graph-shape",
                    f"a window over {reach} elements does not fit axis {axis} "
                    f"of shape {x.shape}",
                )
        return Spec((*shape, *self.sizes), x.dtype)

    def forward(self, xp: Any, *inputs: Array) -> Array:
        return xp.unfold(inputs[0], self.axes, self.sizes, self.steps, self.dilations)

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        lengths = tuple(inputs[0].shape[axis] for axis in self.axes)
        return (fold(g, self.axes, lengths, self.steps, self.dilations),)


@dataclass(frozen=True, eq=False)
class Fold(Operation):
    """x[…, i, …] = Σ y[…, o, …, k] over all o · step + k · dilation = i.

    Adds every element of every window where it came from; the gradient is unfolded.

    The array-API standard has no windows: the executor's namespace supplies
    `fold(y, axes, lengths, steps, dilations)`.

    Attributes:
        axes: where the windows' positions stand; sorted, non-negative.
        lengths, steps, dilations: for each of them: how long it becomes, and as in
            `Unfold`.
    """

    name = "fold"
    samples = (
        Sample(((5, 3),), ((0,), (7,), (1,), (1,))),
        Sample(((2, 2, 2),), ((1,), (8,), (3,), (2,))),
        Sample(((2, 3, 3, 3, 2),), ((1, 2), (5, 6), (1, 2), (1, 1))),
        Sample(((3, 2, 3, 2, 3),), ((0, 2), (6, 7), (2, 1), (1, 2))),
    )
    axes: Numbers
    lengths: Numbers
    steps: Numbers
    dilations: Numbers

    def sizes(self, shape: Shape) -> Numbers:
        """How many elements a window has along each of the axes."""
        return shape[len(shape) - len(self.axes) :]

    def spec(self, *inputs: Spec) -> Spec:
        (y,) = inputs
        require(NUMBERS, y)
        shape = list(y.shape[: len(y.shape) - len(self.axes)])
        sizes = self.sizes(y.shape)
        rows = _each(self.axes, self.lengths, sizes, self.steps, self.dilations)
        for axis, length, *window in rows:
            if positions(length, *window) != shape[axis]:
                raise Error(
                    "graph-shape",
                    f"{shape[axis]} windows along axis {axis} of shape {y.shape} "
                    f"are not those of {length} elements",
                )
            shape[axis] = length
        return Spec(tuple(shape), y.dtype)

    def forward(self, xp: Any, *inputs: Array) -> Array:
        return xp.fold(inputs[0], self.axes, self.lengths, self.steps, self.dilations)

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        sizes = self.sizes(inputs[0].shape)
        return (unfold(g, self.axes, sizes, self.steps, self.dilations),)


def _each(axes: Numbers, *settings: Numbers) -> list[tuple[int, ...]]:
    """A row for each axis; `graph-shape` error unless all settings are positive."""
    if any(len(s) != len(axes) or min(s, default=1) < 1 for s in settings):
        raise Error(
            "graph-shape",
            f"windows along axes {axes} need a positive number of each kind for each "
            f"axis, not {', '.join(map(str, settings))}",
        )
    return list(zip(axes, *settings, strict=True))


def _ascending(axes: int | Numbers, rank: int) -> Numbers:
    """Axes as non-negative numbers; the settings beside them keep their order."""
    made = normalize_axes(axes, rank)
    if not isinstance(axes, int) and made != tuple(a % rank for a in axes):
        raise Error("graph-axis", f"axes {axes} are not in ascending order")
    return made


def unfold(
    x: Node,
    axes: int | Numbers,
    sizes: Numbers,
    steps: Numbers | None = None,
    dilations: Numbers | None = None,
) -> Node:
    """Windows of x: their positions stay on the axes, their elements become new ones.

    Args:
        x: an array of numbers.
        axes: along which windows move, ascending.
        sizes: elements of a window, by axis.
        steps: from one window to the next, by axis; 1 where left out.
        dilations: from one element of a window to the next, by axis; 1 where left out.

    >>> from nettrain.graph import variables
    >>> unfold(variables("x", shape=(2, 7)), 1, (3,), (2,)).shape
    (2, 3, 3)
    """
    axes = _ascending(axes, len(x.shape))
    ones = (1,) * len(axes)
    op = Unfold(axes, tuple(sizes), tuple(steps or ones), tuple(dilations or ones))
    return apply(op, x)


def fold(
    y: Node,
    axes: int | Numbers,
    lengths: Numbers,
    steps: Numbers | None = None,
    dilations: Numbers | None = None,
) -> Node:
    """The sum of windows y where they overlap: the adjoint of `unfold`.

    Args:
        y: windows as `unfold` gives them, their elements along the last axes.
        axes: where their positions stand, ascending.
        lengths: of the axes of the result.
        steps, dilations: as in `unfold`.

    >>> from nettrain.graph import variables
    >>> fold(variables("y", shape=(2, 3, 3)), 1, (7,), (2,)).shape
    (2, 7)
    """
    count = 1 if isinstance(axes, int) else len(axes)
    axes = _ascending(axes, len(y.shape) - count)
    ones = (1,) * len(axes)
    op = Fold(axes, tuple(lengths), tuple(steps or ones), tuple(dilations or ones))
    return apply(op, y)
