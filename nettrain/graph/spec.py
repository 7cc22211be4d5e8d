"""What is known of a node's value before there is one: its shape and dtype."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nettrain.errors import Error

Shape = tuple[int, ...]

FLOATS = ("float32", "float64")
INTEGERS = ("int32", "int64", "uint32")
NUMBERS = (*FLOATS, *INTEGERS)
DTYPES = (*NUMBERS, "bool")
_BYTES = {"float32": 4, "float64": 8, "int32": 4, "int64": 8, "uint32": 4, "bool": 1}


@dataclass(frozen=True, slots=True)
class Spec:
    """Shape and dtype (a name of the array-API standard) of one array."""

    shape: Shape
    dtype: str

    def __str__(self) -> str:
        return f"{self.dtype} {self.shape}"

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * _BYTES[self.dtype]

    def filled(self, value: float) -> np.ndarray:
        """An array of one value that takes no memory; it cannot be written to.

        Raises:
            Error: `memory-full` of a shape that no array can have.
        """
        if self.nbytes >= 2**62:
            shape = " × ".join(map(str, self.shape))
            raise Error("memory-full", f"no array can hold {shape} numbers")
        made: np.ndarray = np.broadcast_to(np.asarray(value, self.dtype), self.shape)
        return made

    @property
    def is_float(self) -> bool:
        return self.dtype in FLOATS


def broadcast_shapes(*shapes: Shape) -> Shape:
    """The common shape by NumPy's rule; `graph-shape` error where there is none."""
    result = [1] * max(map(len, shapes))
    for shape in shapes:
        for i, size in enumerate(shape, len(result) - len(shape)):
            if size == 1 or size == result[i]:
                continue
            if result[i] != 1:
                listed = " and ".join(str(s) for s in shapes)
                raise Error("graph-shape", f"shapes {listed} do not broadcast together")
            result[i] = size
    return tuple(result)


def promote(*dtypes: str) -> str:
    """The common dtype: the wider float. Kinds are never mixed silently."""
    if dtypes.count(dtypes[0]) == len(dtypes):
        return dtypes[0]
    if all(dtype in FLOATS for dtype in dtypes):
        return "float64"
    listed = " and ".join(dict.fromkeys(dtypes))
    raise Error(
        "graph-dtype",
        f"dtypes {listed} do not mix",
        fix="convert one with cast(x, dtype)",
    )


def common(*specs: Spec) -> Spec:
    """The broadcast shape and the common dtype."""
    largest = specs[0]
    for x in specs:
        if len(x.shape) > len(largest.shape):
            largest = x
    # Nearly always it is one of them: the others repeat along its leading axes.
    rank, dtype = len(largest.shape), largest.dtype
    for x in specs:
        if x.dtype != dtype or x.shape != largest.shape[rank - len(x.shape) :]:
            break
    else:
        return largest
    shape = broadcast_shapes(*[x.shape for x in specs])
    return Spec(shape, promote(*[x.dtype for x in specs]))


_NAMES = {FLOATS: "floats", NUMBERS: "numbers", ("bool",): "truth values (bool)"}


def require(dtypes: tuple[str, ...], *specs: Spec) -> None:
    """`graph-dtype` error unless every dtype is one of `dtypes`."""
    for x in specs:
        if x.dtype not in dtypes:
            fix = f'convert first: cast(x, "{dtypes[0]}")'
            raise Error(
                "graph-dtype", f"takes {_NAMES[dtypes]}, got {x.dtype}", fix=fix
            )


def normalize_axes(axis: int | tuple[int, ...] | None, rank: int) -> tuple[int, ...]:
    """Axes as sorted non-negative numbers; None means all."""
    if axis is None:
        return tuple(range(rank))
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    for a in axes:
        if not -rank <= a < rank:
            raise Error("graph-axis", f"axis {a} is outside an array of {rank} axes")
    positive = sorted(a % rank for a in axes)
    if len(set(positive)) < len(positive):
        raise Error("graph-axis", f"axes {axes} name one axis twice")
    return tuple(positive)
