"""NumPy as an array-API namespace, with the named functions the standard lacks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from nettrain.graph.operations.window import positions


def erf(x: np.ndarray) -> np.ndarray:
    """2/√π ∫_0^x e^(-t²) dt, of SciPy."""
    from scipy.special import erf as scipy_erf

    return np.asarray(scipy_erf(x), dtype=x.dtype)


def pad(
    x: np.ndarray,
    before: tuple[int, ...],
    after: tuple[int, ...],
    interior: tuple[int, ...],
) -> np.ndarray:
    """x among zeros: `before`, `after` and between neighbours (`interior`)."""
    sizes = zip(x.shape, before, after, interior, strict=True)
    shape = [b + a + n + max(n - 1, 0) * i for n, b, a, i in sizes]
    result = np.zeros(shape, x.dtype)
    result[inside(x.shape, before, interior)] = x
    return result


def inside(
    shape: tuple[int, ...], before: tuple[int, ...], interior: tuple[int, ...]
) -> tuple[slice, ...]:
    """Where the elements of an array of `shape` stand in its padded array."""
    return tuple(
        slice(b, b + max(n - 1, 0) * (i + 1) + min(n, 1), i + 1)
        for n, b, i in zip(shape, before, interior, strict=True)
    )


def unfold(
    x: np.ndarray,
    axes: tuple[int, ...],
    sizes: tuple[int, ...],
    steps: tuple[int, ...],
    dilations: tuple[int, ...],
) -> np.ndarray:
    """Windows of x, as a view whose elements overlap where windows do."""
    shape, strides = list(x.shape), list(x.strides)
    for axis, size, step, dilation in zip(axes, sizes, steps, dilations, strict=True):
        shape[axis] = positions(x.shape[axis], size, step, dilation)
        strides[axis] = x.strides[axis] * step
        shape.append(size)
        strides.append(x.strides[axis] * dilation)
    return as_strided(x, shape, strides)


def fold(
    y: np.ndarray,
    axes: tuple[int, ...],
    lengths: tuple[int, ...],
    steps: tuple[int, ...],
    dilations: tuple[int, ...],
) -> np.ndarray:
    """The sum of windows y where they overlap."""
    shape = list(y.shape[: y.ndim - len(axes)])
    for axis, length in zip(axes, lengths, strict=True):
        shape[axis] = length
    result = np.zeros(shape, y.dtype)
    for part, where in spread(y, axes, steps, dilations):
        result[where] += part
    return result


def spread(
    y: np.ndarray,
    axes: tuple[int, ...],
    steps: tuple[int, ...],
    dilations: tuple[int, ...],
) -> Iterator[tuple[np.ndarray, tuple[slice, ...]]]:
    """One element of all windows at a time, and where it stands in their sum."""
    rank = y.ndim - len(axes)
    for at in np.ndindex(*y.shape[rank:]):
        where = [slice(None)] * rank
        for axis, k, step, dilation in zip(axes, at, steps, dilations, strict=True):
            start = k * dilation
            where[axis] = slice(start, start + (y.shape[axis] - 1) * step + 1, step)
        yield y[(..., *at)], tuple(where)


def within(indices: np.ndarray, size: int) -> None:
    """`IndexError` unless each index is one of 0 … size-1; none counts from the end."""
    # Seen as unsigned, a negative number is larger than any size.
    unsigned = indices.view(f"u{indices.itemsize}")
    if indices.size and unsigned.max() >= size:
        wrong = indices[unsigned >= size][0]
        raise IndexError(f"index {wrong} is outside an axis of size {size}")


def take(x: np.ndarray, indices: np.ndarray, *, axis: int) -> np.ndarray:
    """x at the indices along an axis; see `within`."""
    within(indices, x.shape[axis])
    return np.take(x, indices, axis=axis, mode="clip")


def scatter_add(rows: np.ndarray, indices: np.ndarray, size: int) -> np.ndarray:
    """(P, size, Q): the sum of the rows (P, N, Q) that each index (N,) names."""
    sums = np.empty((rows.shape[0], size, rows.shape[2]), rows.dtype)
    add_rows(rows, indices, sums)
    return sums


def add_rows(rows: np.ndarray, indices: np.ndarray, out: np.ndarray) -> None:
    """`scatter_add` into an array (P, S, Q) in C order, row after row.

    Element by element: for 1024 rows of 128, `add.at` on a flat index array takes 0.3
    ms, on rows 1.5 to 1.9 ms; sorting them for `add.reduceat` takes 0.3 ms where they
    go to 65 rows, and 1.3 ms where they go to 10,000.
    """
    outer, size, inner = out.shape
    within(indices, size)
    starts = np.arange(outer)[:, None] * size + indices
    elements = starts[..., None] * inner + np.arange(inner)
    out.fill(0)
    np.add.at(out.reshape(-1), elements.reshape(-1), rows.reshape(-1))


class Namespace:
    """All of NumPy, and `erf`, `pad`, `unfold`, `fold` and `scatter_add`.

    Its `take` knows no negative indices.
    """

    erf = staticmethod(erf)
    pad = staticmethod(pad)
    unfold = staticmethod(unfold)
    fold = staticmethod(fold)
    take = staticmethod(take)
    scatter_add = staticmethod(scatter_add)

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


NUMPY = Namespace()
