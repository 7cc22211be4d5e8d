"""Looking elements up by integer arrays, and its adjoint: adding into rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nettrain.errors import Error
from nettrain.graph.node import Array, Node, Operation, Sample, apply, constant
from nettrain.graph.scope import CURRENT
from nettrain.graph.spec import FLOATS, NUMBERS, Shape, Spec, require

_INDICES = ("int64", "int32")


@dataclass(frozen=True, eq=False)
class Take(Operation):
    """y = x[…, i, …]: what x holds along an axis at each of the indices.

    x (A…, S, B…)  i (I…) integers of 0 … S-1  y (A…, I…, B…). The gradient is added
    back by `scatter_add`. An index outside, negative ones too, is an error wherever
    NumPy computes: a wrapped index is a wrong row.

    Attributes:
        axis: of x, non-negative.
        where: the layer and line that asked, for the message about a bad index.
    """

    name = "take"
    samples = (
        Sample(((5, 3), (2, 4)), (0,), dtypes=(None, "int64")),
        Sample(((2, 3, 4), (5,)), (1,), dtypes=(None, "int32")),
        Sample(((2, 3), ()), (1,), dtypes=(None, "int64")),
    )
    axis: int
    where: str = ""

    def spec(self, *inputs: Spec) -> Spec:
        x, indices = inputs
        _check(self.axis, len(x.shape), indices)
        require((*NUMBERS, "bool"), x)
        before, after = x.shape[: self.axis], x.shape[self.axis + 1 :]
        return Spec((*before, *indices.shape, *after), x.dtype)

    def forward(self, xp: Any, *inputs: Array) -> Array:
        x, indices = inputs
        shape = (*x.shape[: self.axis], *indices.shape, *x.shape[self.axis + 1 :])
        flat = xp.reshape(indices, (-1,))
        taken = checked(self.where, lambda: xp.take(x, flat, axis=self.axis))
        return xp.reshape(taken, shape)

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        x, indices = inputs
        return scatter_add(g, indices, x.shape[self.axis], self.axis), None


@dataclass(frozen=True, eq=False)
class ScatterAdd(Operation):
    """y = 0, then y[…, i, …] += x for every index: rows with one index are added up.

    x (A…, I…, B…)  i (I…) integers of 0 … S-1  y (A…, S, B…). Rows are added in the
    order they stand in, so that sums are the same in every run. The gradient is taken
    back by `take`. The array-API standard has nothing like it: the executor's namespace
    supplies `scatter_add(rows (P, N, Q), indices (N,), size)`, which gives (P, S, Q).

    Attributes:
        axis: of y, non-negative.
        size: S.
        where: the layer and line that asked, for the message about a bad index.
    """

    name = "scatter_add"
    samples = (
        Sample(((2, 4, 3), (2, 4)), (0, 5), dtypes=(None, "int64")),
        Sample(((2, 5, 4), (5,)), (1, 3), dtypes=(None, "int32")),
        Sample(((6,), (6,)), (0, 2), dtypes=(None, "int64")),
    )
    axis: int
    size: int
    where: str = ""

    def spec(self, *inputs: Spec) -> Spec:
        x, indices = inputs
        _check(self.axis, len(x.shape) - len(indices.shape) + 1, indices)
        require(FLOATS, x)
        end = self.axis + len(indices.shape)
        if x.shape[self.axis : end] != indices.shape:
            raise Error(
                "graph-shape",
                f"indices of shape {indices.shape} do not fit rows of shape {x.shape} "
                f"from axis {self.axis} on",
            )
        return Spec(self.result(x.shape, len(indices.shape)), x.dtype)

    def result(self, shape: Shape, rank: int) -> Shape:
        """y's shape, for x of a shape and indices of a rank."""
        return (*shape[: self.axis], self.size, *shape[self.axis + rank :])

    def forward(self, xp: Any, *inputs: Array) -> Array:
        x, indices = inputs
        rank = len(indices.shape)
        outer, inner = x.shape[: self.axis], x.shape[self.axis + rank :]
        sizes = (math.prod(outer), math.prod(indices.shape), math.prod(inner))
        rows, flat = xp.reshape(x, sizes), xp.reshape(indices, (-1,))
        added = checked(self.where, lambda: xp.scatter_add(rows, flat, self.size))
        return xp.reshape(added, self.result(x.shape, rank))

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        return take(g, inputs[1], self.axis), None


def checked(where: str, compute: Callable[[], Array]) -> Array:
    """What `compute` gives; an index outside the axis is an `Error` that says where."""
    try:
        return compute()
    except IndexError as error:
        raise Error(
            "graph-index",
            f"{where}{error}",
            fix="indices are whole numbers from 0, neither negative nor scaled; "
            "to an embedding, a number that is not whole is -1",
        ) from None


def _check(axis: int, rank: int, indices: Spec) -> None:
    if indices.dtype not in _INDICES:
        raise Error(
            "graph-dtype",
            f"takes indices that are integers, got {indices.dtype}",
            fix='convert first: cast(indices, "int64")',
        )
    if not 0 <= axis < rank:
        raise Error("graph-axis", f"axis {axis} is outside an array of {rank} axes")


def take(x: Node, indices: Any, axis: int = 0) -> Node:
    """What x holds along an axis at each of the indices, an integer node or array."""
    op = Take(_positive(axis, len(x.shape)), _asking())
    return apply(op, x, _as_indices(indices))


def scatter_add(x: Node, indices: Any, size: int, axis: int = 0) -> Node:
    """Zeros, `size` along an axis, to which x's rows are added at the indices."""
    if not isinstance(size, int) or size < 0:
        raise Error("graph-shape", f"{size} is no size of an axis")
    indices = _as_indices(indices)
    rank = len(x.shape) - len(indices.shape) + 1
    op = ScatterAdd(_positive(axis, rank), size, _asking())
    return apply(op, x, indices)


def _as_indices(indices: Any) -> Node:
    return indices if isinstance(indices, Node) else constant(indices)


def _positive(axis: int, rank: int) -> int:
    return axis + rank if axis < 0 else axis


def _asking() -> str:
    """The current layer and its config line, as the beginning of a message."""
    path, origin = CURRENT.get()
    if not path:
        return ""
    return f"{path} (made at {origin}): " if origin else f"{path}: "
