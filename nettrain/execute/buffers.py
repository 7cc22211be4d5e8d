"""Buffers of a plan: lent for a node's life, then used again."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from nettrain.graph.spec import Shape

ALIGNMENT = 64
"""Bytes. Vector kernels and BLAS see the same alignment in every run."""
WASTE = 4
"""How many times too large a buffer may be: a kept number must not hold a matrix's."""


def aligned(shape: Shape, dtype: str) -> np.ndarray:
    """A C-ordered array on a 64-byte boundary; its contents are arbitrary."""
    nbytes = math.prod(shape) * np.dtype(dtype).itemsize
    return _raw(nbytes)[:nbytes].view(dtype).reshape(shape)


def _raw(nbytes: int) -> np.ndarray:
    memory = np.empty(nbytes + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + nbytes]


class Storage:
    """A piece of memory and how many living nodes look at it.

    Attributes:
        raw: the bytes.
        holders: nodes whose value lies here; the storage is free when none is left.
        permanent: never freed or overwritten by another node: inputs, state, outputs.
    """

    __slots__ = ("holders", "permanent", "raw")

    def __init__(self, raw: np.ndarray, permanent: bool = False) -> None:
        self.raw, self.holders, self.permanent = raw, 0, permanent


class Pool:
    """Hands out storages and takes them back, the best fitting one first."""

    def __init__(self) -> None:
        self._free: list[np.ndarray] = []
        self.nbytes = 0

    def take(self, nbytes: int, permanent: bool = False) -> Storage:
        most = WASTE * nbytes + 1024
        fits = [i for i, x in enumerate(self._free) if nbytes <= x.nbytes <= most]
        if fits and not permanent:
            best = min(fits, key=lambda i: (self._free[i].nbytes, -i))
            return Storage(self._free.pop(best))
        self.nbytes += nbytes
        return Storage(_raw(nbytes), permanent)

    def give(self, storage: Storage) -> None:
        self._free.append(storage.raw)


def strides(shape: Shape, itemsize: int, like: np.ndarray | None) -> tuple[int, ...]:
    """Bytes from one element to the next along each axis, with no gaps.

    Args:
        shape: of the array.
        itemsize: bytes of an element.
        like: an array of that shape whose order of axes in memory is kept; None for C.
    """
    axes = list(range(len(shape)))
    if like is not None:
        axes.sort(key=lambda i: -like.strides[i])
    steps, step = [0] * len(shape), itemsize
    for axis in reversed(axes):
        steps[axis] = step
        step *= max(shape[axis], 1)
    return tuple(steps)


def view(
    storage: Storage, shape: Shape, dtype: str, like: np.ndarray | None
) -> np.ndarray:
    """An array over a storage, its axes in memory order as in `like`; see `strides`."""
    steps = strides(shape, np.dtype(dtype).itemsize, like)
    return np.ndarray(shape, dtype, storage.raw, strides=steps)


def _repeats(x: np.ndarray) -> bool:
    """Whether elements of x are broadcast: the same memory seen several times."""
    return any(n > 1 and not step for n, step in zip(x.shape, x.strides, strict=True))


def natural(arrays: Sequence[np.ndarray]) -> np.ndarray | None:
    """An array laid out as NumPy lays out an elementwise result; None for C order.

    NumPy's results keep the order of axes of their operands. A buffer in C order would
    make every elementwise operation on transposed data walk memory across its grain.
    Operands that are repeated have no say where others are not: they are the smaller.
    """
    shape = np.broadcast_shapes(*[x.shape for x in arrays])
    arrays = [x for x in arrays if x.shape == shape and not _repeats(x)] or arrays
    if all(x.flags.c_contiguous for x in arrays):
        return None
    flags = [["readonly"]] * len(arrays) + [["writeonly", "allocate"]]
    walk = np.nditer([*arrays, None], ["zerosize_ok"], flags)  # type: ignore[arg-type]
    return walk.operands[-1]


def across(x: np.ndarray, out: np.ndarray) -> bool:
    """Whether x, repeated to the shape of `out`, has its axes in another order."""
    spread = np.broadcast_to(x, out.shape).strides
    moving = [i for i, n in enumerate(out.shape) if n > 1 and spread[i]]
    steps = [spread[i] for i in sorted(moving, key=lambda i: -out.strides[i])]
    return steps != sorted(steps, reverse=True)
