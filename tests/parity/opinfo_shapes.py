"""PyTorch's functions that move, choose and repeat elements in our operations.

A rule has the parameters of PyTorch's function, tensors being nodes; see
`opinfo_operations`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from nettrain.graph import Node, constant
from nettrain.graph import operations as ops
from tests.parity.opinfo_operations import Rule, Unsupported, as_shape, numbers

# ------------------------------------------------------------------ shapes and axes


def reshape(x: Node, *shape: Any) -> Node:
    return ops.reshape(x, as_shape(shape))


def reshape_as(x: Node, other: Node) -> Node:
    return ops.reshape(x, other.shape)


def flatten(x: Node, start_dim: int = 0, end_dim: int = -1) -> Node:
    shape = x.shape or (1,)
    first, last = start_dim % len(shape), end_dim % len(shape)
    joined = math.prod(shape[first : last + 1])
    return ops.reshape(x, (*shape[:first], joined, *shape[last + 1 :]))


def unflatten(x: Node, dim: int, sizes: Sequence[int]) -> Node:
    dim %= len(x.shape)
    if -1 in sizes:
        rest = x.shape[dim] // -math.prod(sizes)
        sizes = [rest if n == -1 else n for n in sizes]
    return ops.reshape(x, (*x.shape[:dim], *sizes, *x.shape[dim + 1 :]))


def squeeze(x: Node, dim: Any = None) -> Node:
    """Only axes of size 1 are left out; a scalar has an axis 0 to PyTorch."""
    rank = max(len(x.shape), 1)
    dims = range(rank) if dim is None else [dim] if isinstance(dim, int) else dim
    for axis in sorted((a % rank for a in dims), reverse=True):
        if x.shape and x.shape[axis] == 1:
            x = ops.squeeze(x, axis)
    return x


def permute(x: Node, *dims: Any) -> Node:
    return ops.permute_dims(x, as_shape(dims))


def transpose(x: Node, dim0: int, dim1: int) -> Node:
    if not x.shape:
        return ops.permute_dims(x, ())
    order = list(range(len(x.shape)))
    order[dim0], order[dim1] = order[dim1], order[dim0]
    return ops.permute_dims(x, tuple(order))


def reverse(x: Node) -> Node:
    return ops.permute_dims(x, tuple(reversed(range(len(x.shape)))))


def movedim(x: Node, source: Any, destination: Any) -> Node:
    marked = np.empty(tuple(range(len(x.shape))))  # Each axis as long as its number.
    return ops.permute_dims(x, np.moveaxis(marked, source, destination).shape)


def expand(x: Node, *shape: Any) -> Node:
    sizes = as_shape(shape)
    own = (1,) * (len(sizes) - len(x.shape)) + x.shape
    pairs = zip(sizes, own, strict=True)
    return ops.broadcast_to(x, tuple(m if n == -1 else n for n, m in pairs))


def expand_as(x: Node, other: Node) -> Node:
    return ops.broadcast_to(x, other.shape)


def at_least(rank: int) -> Rule:
    """New axes as NumPy's atleast_1d, atleast_2d and atleast_3d put them."""
    shapes = (np.atleast_1d, np.atleast_2d, np.atleast_3d)

    def one(x: Node) -> Node:
        return ops.reshape(x, shapes[rank - 1](np.empty(x.shape)).shape)

    return lambda first, *xs: (
        [one(x) for x in (*first, *xs)]
        if isinstance(first, (list, tuple))
        else one(first)
    )


def pixel_shuffle(x: Node, upscale_factor: int) -> Node:
    r = upscale_factor
    *batch, c, h, w = x.shape
    first = len(batch)
    x = ops.reshape(x, (*batch, c // r**2, r, r, h, w))
    order = (first, first + 3, first + 1, first + 4, first + 2)
    x = ops.permute_dims(x, (*range(first), *order))
    return ops.reshape(x, (*batch, c // r**2, h * r, w * r))


def pixel_unshuffle(x: Node, downscale_factor: int) -> Node:
    r = downscale_factor
    *batch, c, h, w = x.shape
    first = len(batch)
    x = ops.reshape(x, (*batch, c, h // r, r, w // r, r))
    order = (first, first + 2, first + 4, first + 1, first + 3)
    x = ops.permute_dims(x, (*range(first), *order))
    return ops.reshape(x, (*batch, c * r**2, h // r, w // r))


def channel_shuffle(x: Node, groups: int) -> Node:
    n, c, *rest = x.shape
    parts = ops.reshape(x, (n, groups, c // groups, *rest))
    order = (0, 2, 1, *range(3, 3 + len(rest)))
    return ops.reshape(ops.permute_dims(parts, order), x.shape)


SHAPES: dict[str, Rule] = {
    "H": reverse,
    "T": reverse,
    "atleast_1d": at_least(1),
    "atleast_2d": at_least(2),
    "atleast_3d": at_least(3),
    "broadcast_to": lambda x, shape: ops.broadcast_to(x, tuple(shape)),
    "expand": expand,
    "expand_as": expand_as,
    "expand_copy": expand,
    "flatten": flatten,
    "mH": ops.transpose,
    "mT": ops.transpose,
    "movedim": movedim,
    "nn_functional_channel_shuffle": channel_shuffle,
    "nn_functional_pixel_shuffle": pixel_shuffle,
    "nn_functional_pixel_unshuffle": pixel_unshuffle,
    "permute": permute,
    "permute_copy": permute,
    "ravel": lambda x: ops.reshape(x, (x.spec.size,)),
    "reshape": reshape,
    "reshape_as": reshape_as,
    "squeeze": squeeze,
    "squeeze_copy": squeeze,
    "squeeze_multiple": squeeze,
    "t": reverse,
    "t_copy": reverse,
    "transpose": transpose,
    "transpose_copy": transpose,
    "unflatten": unflatten,
    "unsqueeze": ops.expand_dims,
    "unsqueeze_copy": ops.expand_dims,
    "view": reshape,
    "view_as": reshape_as,
    "view_copy": reshape,
}

# ------------------------------------------------------------------ cut and joined


def _cut(x: Node, sizes: Sequence[int], dim: int) -> list[Node]:
    """Pieces of the given sizes, one after the other."""
    ends = list(itertools.accumulate(sizes, initial=0))
    return [slice_(x, dim, a, b) for a, b in itertools.pairwise(ends)]


def slice_(
    x: Node, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> Node:
    index: list[Any] = [slice(None)] * len(x.shape)
    index[dim] = slice(start, end, step)
    return x[tuple(index)]


def split(x: Node, size: Any, dim: int = 0) -> list[Node]:
    if isinstance(size, int):
        whole, rest = divmod(x.shape[dim], size)
        size = [size] * whole + [rest] * bool(rest)
    return _cut(x, size, dim)


def chunk(x: Node, chunks: int, dim: int = 0) -> list[Node]:
    return split(x, -(-x.shape[dim] // chunks), dim)


def tensor_split(x: Node, sections: Any, dim: int = 0) -> list[Node]:
    if isinstance(sections, Node):
        sections = numbers(sections).tolist()
    length = x.shape[dim]
    if isinstance(sections, int):
        each, more = divmod(length, sections)
        sizes = [each + 1] * more + [each] * (sections - more)
        return _cut(x, sizes, dim)
    bounds = [None, *sections, None]
    return [slice_(x, dim, a, b) for a, b in itertools.pairwise(bounds)]


def _along(dim: int) -> Rule:
    """`hsplit` and `vsplit` of at least so many axes."""
    return lambda x, sections: tensor_split(x, sections, min(dim, len(x.shape) - 1))


def unbind(x: Node, dim: int = 0) -> list[Node]:
    return [select(x, dim, i) for i in range(x.shape[dim])]


def select(x: Node, dim: int, index: int) -> Node:
    where: list[Any] = [slice(None)] * len(x.shape)
    where[dim] = index
    return x[tuple(where)]


def narrow(x: Node, dim: int, start: Any, length: int) -> Node:
    first = int(numbers(start)) if isinstance(start, Node) else start
    first %= max(x.shape[dim], 1) if first < 0 else first + 1
    return slice_(x, dim, first, first + length)


def cat(xs: Sequence[Node], dim: int = 0) -> Node:
    """Of empty vectors PyTorch takes no notice."""
    kept = [x for x in xs if x.shape != (0,)] or xs
    return ops.concat(kept, dim)


def _stacked(rank: int, dim: int) -> Rule:
    """`hstack`, `vstack` and `dstack`: at least so many axes, joined along one."""

    def rule(xs: Sequence[Node]) -> Node:
        made = [at_least(rank)(x) for x in xs]
        return ops.concat(made, min(dim, len(made[0].shape) - 1))

    return rule


def column_stack(xs: Sequence[Node]) -> Node:
    columns = [x if len(x.shape) > 1 else ops.reshape(x, (-1, 1)) for x in xs]
    return ops.concat(columns, 1)


def pad(
    x: Node, widths: Sequence[int], mode: Any = "constant", value: float | None = None
) -> Node:
    """Pairs of widths from the last axis on; negative ones cut off."""
    if isinstance(mode, float):  # constant_pad_nd(x, widths, value)
        mode, value = "constant", mode
    missing = len(x.shape) - len(widths) // 2
    pairs = [(0, 0)] * missing
    pairs += list(zip(widths[::2], widths[1::2], strict=True))[::-1]
    around = [(max(a, 0), max(b, 0)) for a, b in pairs]
    before, after = (tuple(side) for side in zip(*around, strict=True))
    inside = np.pad(np.ones(x.shape, bool), around)
    y = ops.pad(x, before, after)
    if value:
        y = ops.where(constant(inside), y, value)
    ends = zip(pairs, y.shape, strict=True)
    return y[tuple(slice(max(-a, 0), n - max(-b, 0)) for (a, b), n in ends)]


def _padded(mode: str) -> Rule:
    """Elements of x repeated around it: each axis taken by NumPy's indices."""

    def rule(x: Node, widths: Sequence[int], given: str, value: Any = None) -> Node:
        if min(widths) < 0:
            raise Unsupported("negative widths")
        for i in range(len(widths) // 2):
            axis = len(x.shape) - 1 - i
            pair = (widths[2 * i], widths[2 * i + 1])
            x = ops.take(x, np.pad(np.arange(x.shape[axis]), pair, mode), axis)
        return x

    return rule


def flip(x: Node, *dims: Any) -> Node:
    for dim in as_shape(dims):
        x = ops.take(x, np.arange(x.shape[dim])[::-1].copy(), dim)
    return x


def roll(x: Node, shifts: Any, dims: Any = None) -> Node:
    if dims is None or dims == ():
        flat = roll(ops.reshape(x, (x.spec.size,)), shifts, 0)
        return ops.reshape(flat, x.shape)
    pairs = zip(np.atleast_1d(shifts), np.atleast_1d(dims), strict=True)
    for shift, dim in pairs:
        size = x.shape[dim]
        at = int(-shift) % size if size else 0
        x = ops.concat([slice_(x, dim, at), slice_(x, dim, 0, at)], int(dim))
    return x


def repeat(x: Node, *repeats: Any) -> Node:
    times = as_shape(repeats)
    own = (1,) * (len(times) - len(x.shape)) + x.shape
    x = ops.reshape(x, tuple(n for size in own for n in (1, size)))
    wide = tuple(n for pair in zip(times, own, strict=True) for n in pair)
    shape = tuple(t * n for t, n in zip(times, own, strict=True))
    return ops.reshape(ops.broadcast_to(x, wide), shape)


def tile(x: Node, *dims: Any) -> Node:
    times = as_shape(dims)
    return repeat(x, (1,) * (len(x.shape) - len(times)) + times)


def meshgrid(first: Any, *more: Node, indexing: str = "ij") -> list[Node]:
    xs = [ops.reshape(x, (x.spec.size,)) for x in [*_several(first), *more]]
    shape, made = tuple(x.spec.size for x in xs), []
    for i, x in enumerate(xs):
        place = tuple(n if j == i else 1 for j, n in enumerate(shape))
        y = ops.broadcast_to(ops.reshape(x, place), shape)
        swapped = indexing == "xy" and len(xs) > 1
        made.append(transpose(y, 0, 1) if swapped else y)
    return made


def _several(x: Any) -> list[Node]:
    return list(x) if isinstance(x, (list, tuple)) else [x]


def broadcast_tensors(*xs: Node) -> list[Node]:
    shape = np.broadcast_shapes(*[x.shape for x in xs])
    return [ops.broadcast_to(x, shape) for x in xs]


def diagonal(x: Node, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Node:
    """The elements whose places NumPy says."""
    places = np.arange(x.spec.size).reshape(x.shape).diagonal(offset, dim1, dim2)
    return ops.take(ops.reshape(x, (x.spec.size,)), places.copy())


JOINED: dict[str, Rule] = {
    "broadcast_tensors": broadcast_tensors,
    "cat": cat,
    "chunk": chunk,
    "column_stack": column_stack,
    "constant_pad_nd": pad,
    "diagonal": diagonal,
    "diagonal_copy": diagonal,
    "dstack": _stacked(3, 2),
    "flip": lambda x, dims: flip(x, dims),
    "fliplr": lambda x: flip(x, 1),
    "flipud": lambda x: flip(x, 0),
    "hsplit": _along(1),
    "hstack": _stacked(1, 1),
    "meshgrid_list_of_tensors": meshgrid,
    "meshgrid_variadic_tensors": meshgrid,
    "narrow": narrow,
    "narrow_copy": narrow,
    "nn_functional_pad_circular": _padded("wrap"),
    "nn_functional_pad_constant": pad,
    "nn_functional_pad_reflect": _padded("reflect"),
    "nn_functional_pad_replicate": _padded("edge"),
    "repeat": repeat,
    "roll": roll,
    "select": select,
    "slice": slice_,
    "split": split,
    "split_list_args": split,
    "split_with_sizes": split,
    "split_with_sizes_copy": split,
    "stack": lambda xs, dim=0: ops.stack(xs, dim),
    "tensor_split": tensor_split,
    "tile": tile,
    "trace": lambda x: ops.sum(diagonal(x)),
    "unbind": unbind,
    "unbind_copy": unbind,
    "unsafe_chunk": chunk,
    "unsafe_split": split,
    "vsplit": _along(0),
    "vstack": _stacked(2, 0),
}

# ------------------------------------------------------------------ by indices


def getitem(x: Node, index: Any) -> Node:
    """Numbers and slices, and at most one list or tensor of numbers, first or last."""
    items = list(index) if isinstance(index, tuple) else [index]
    wide = [i for i, item in enumerate(items) if isinstance(item, (list, Node))]
    if not wide:
        return x[index]
    if len(wide) > 1 or any(isinstance(item, int) for item in items):
        raise Unsupported("several arrays of indices")
    (at,) = wide
    if Ellipsis in [item for item in items[:at] if not isinstance(item, Node)]:
        raise Unsupported("an axis counted from the end")
    chosen = items[at]
    indices = numbers(chosen) if isinstance(chosen, Node) else np.array(chosen)
    if indices.dtype == bool:
        indices = np.flatnonzero(indices)
    items[at] = slice(None)
    return ops.take(x[tuple(items)], indices, at)


def _nonnegative(index: Node, size: int) -> Node:
    return ops.where(ops.less(index, 0), index + size, index)


def index_select(x: Node, dim: int, index: Node) -> Node:
    if x.shape:
        return ops.take(x, index, dim)
    return ops.reshape(ops.take(ops.reshape(x, (1,)), index), ())


def take(x: Node, index: Node) -> Node:
    size = x.spec.size
    return ops.take(ops.reshape(x, (size,)), _nonnegative(index, size))


def _flat(shape: tuple[int, ...], dim: int, index: Node) -> tuple[Node, int]:
    """Where x[…, index, …] lies in x laid flat, for `gather` and `scatter_add`."""
    if not shape:
        return index, 1
    if index.dtype not in ("int64", "int32"):
        raise Unsupported(index.dtype)
    steps = [math.prod(shape[i + 1 :]) for i in range(len(shape))]
    dim %= len(shape)
    ranks = [i for i in range(len(shape)) if i != dim]
    grid = np.indices(index.shape)
    rest = sum((grid[i] * steps[i] for i in ranks), np.zeros(index.shape, np.int64))
    return ops.cast(index, "int64") * steps[dim] + constant(rest), math.prod(shape)


def gather(x: Node, dim: int, index: Node) -> Node:
    places, size = _flat(x.shape, dim, index)
    return ops.take(ops.reshape(x, (size,)), places)


def scatter_add(x: Node, dim: int, index: Node, source: Node) -> Node:
    cut = tuple(map(slice, index.shape))
    source = source[cut] if cut else source
    places, size = _flat(x.shape, dim, index)
    return x + ops.reshape(ops.scatter_add(source, places, size), x.shape)


def take_along_dim(x: Node, index: Node, dim: int | None = None) -> Node:
    if dim is None:
        return take(x, ops.reshape(index, (index.spec.size,)))
    dim %= len(x.shape)
    own = [n if i != dim else 1 for i, n in enumerate(x.shape)]
    other = [n if i != dim else 1 for i, n in enumerate(index.shape)]
    shape = list(np.broadcast_shapes(tuple(own), tuple(other)))
    x = ops.broadcast_to(x, (*shape[:dim], x.shape[dim], *shape[dim + 1 :]))
    shape[dim] = index.shape[dim]
    index = _nonnegative(ops.broadcast_to(index, tuple(shape)), x.shape[dim])
    return gather(x, dim, index)


def index_add(
    x: Node, dim: int, index: Node, source: Node, *, alpha: float = 1
) -> Node:
    if not x.shape:
        source = ops.reshape(source, (1,))
        added = ops.reshape(ops.scatter_add(source, index, 1), ())
        return x + added * alpha
    dim %= len(x.shape)
    return x + ops.scatter_add(source, index, x.shape[dim], dim) * alpha


def index_fill(x: Node, dim: int, index: Node, value: Any) -> Node:
    size = x.shape[dim] if x.shape else 1
    chosen = np.isin(np.arange(size), numbers(index) % size)
    place = [1] * len(x.shape)
    if x.shape:
        place[dim] = size
    return ops.where(constant(chosen.reshape(place)), value, x)


def masked_select(x: Node, mask: Node) -> Node:
    shape = np.broadcast_shapes(x.shape, mask.shape)
    chosen = np.flatnonzero(np.broadcast_to(numbers(mask), shape))
    flat = ops.reshape(ops.broadcast_to(x, shape), (math.prod(shape),))
    return ops.take(flat, chosen)


def repeat_interleave(
    x: Node, repeats: Any, dim: int | None = None, output_size: int | None = None
) -> Node:
    if dim is None:
        x, dim = ops.reshape(x, (x.spec.size,)), 0
    times = numbers(repeats) if isinstance(repeats, Node) else repeats
    return ops.take(x, np.repeat(np.arange(x.shape[dim]), times), dim)


def unfold(x: Node, dim: int, size: int, step: int) -> Node:
    if not x.shape:
        return ops.reshape(x, (size,))
    return ops.unfold(x, dim, (size,), (step,))


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


def im2col(
    x: Node, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Node:
    around = (0, 0, *_pair(padding))
    windows = ops.unfold(
        ops.pad(x, around, around),
        (2, 3),
        _pair(kernel_size),
        _pair(stride),
        _pair(dilation),
    )
    n, c, h, w, k, m = windows.shape
    columns = ops.permute_dims(windows, (0, 1, 4, 5, 2, 3))
    return ops.reshape(columns, (n, c * k * m, h * w))


INDEXED: dict[str, Rule] = {
    "__getitem__": getitem,
    "gather": gather,
    "index_add": index_add,
    "index_fill": index_fill,
    "index_select": index_select,
    "masked_select": masked_select,
    "nn_functional_unfold": im2col,
    "repeat_interleave": repeat_interleave,
    "scatter_add": scatter_add,
    "take": take,
    "take_along_dim": take_along_dim,
    "unfold": unfold,
    "unfold_copy": unfold,
}

RULES: dict[str, Rule] = {**SHAPES, **JOINED, **INDEXED}
