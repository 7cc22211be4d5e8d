"""Kernels: how NumPy computes one operation into a buffer that exists already.

A kernel is a function (op, inputs, out, scratch) -> list of calls without arguments.
Inputs and `out` are fixed arrays, so that a step of training is a list of bound calls.
`scratch(shape, dtype)` lends a buffer for the length of the operation. Operations that
are one ufunc need no entry here; any other without an entry computes with its own
`forward` and copies. An executor with compiled kernels starts from another table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from nettrain.execute.buffers import across, natural
from nettrain.execute.namespace import NUMPY, add_rows, inside, spread, within
from nettrain.graph import Operation
from nettrain.graph.operations import elementwise, gather, reduce, shape, window
from nettrain.graph.operations.matmul import Matmul
from nettrain.graph.spec import Shape

Array = np.ndarray
Call = Callable[[], Any]
Scratch = Callable[[Shape, str], Array]
Kernel = Callable[[Any, list[Array], Array, Scratch], list[Call]]


def ufunc(op: Operation) -> Any:
    """The NumPy ufunc that is the whole operation, or None."""
    name = op.function if isinstance(op, elementwise.Elementwise) else ""
    found = getattr(np, name, None) if name else None
    return found if isinstance(found, np.ufunc) else None


VIEWS = (
    shape.Reshape,
    shape.Transpose,
    shape.BroadcastTo,
    shape.Slice,
    window.Unfold,
    elementwise.StopGradient,
)
"""Operations whose value can be another way to look at their input's memory."""


def as_view(op: Operation, source: Array) -> Array | None:
    """An operation's value as a view of its input; None where it has to be computed."""
    if isinstance(op, shape.Reshape):
        try:
            return np.reshape(source, op.shape, copy=False)
        except ValueError:
            return None
    made: Array | None = None
    if isinstance(op, VIEWS):
        made = op.forward(NUMPY, source)
    return made


def calls(
    op: Operation,
    inputs: list[Array],
    out: Array,
    scratch: Scratch,
    table: Mapping[type[Operation], Kernel],
) -> list[Call]:
    """The bound calls that compute an operation into `out`."""
    kernel = table.get(type(op))
    if kernel is not None:
        return kernel(op, inputs, out, scratch)
    function = ufunc(op)
    if function is not None:
        inputs, bound = _along(inputs, out, scratch)
        return [*bound, partial(function, *inputs, out=out)]
    return [partial(_copy_forward, op, inputs, out)]


def _along(
    inputs: list[Array], out: Array, scratch: Scratch
) -> tuple[list[Array], list[Call]]:
    """Operands, those copied first that are repeated across the grain of the result.

    To copy the few elements into its order of axes costs less than to read them again
    and again out of order: a tenth, where a gradient of pooled channels goes back to
    windows whose channels lie last.
    """
    given: list[Array] = []
    bound: list[Call] = []
    for x in inputs:
        if 1 < x.size < out.size and across(x, out):
            copy = _ordered_as(out, x.shape, x.dtype.name, scratch)
            bound.append(partial(np.copyto, copy, x))
            x = copy
        given.append(x)
    return given, bound


def _ordered_as(like: Array, size: Shape, dtype: str, scratch: Scratch) -> Array:
    """A buffer whose axes lie in memory as the last ones of another array."""
    steps = like.strides[like.ndim - len(size) :]
    axes = sorted(range(len(size)), key=lambda i: -steps[i])
    buffer = scratch(tuple(size[i] for i in axes), dtype)
    return buffer.transpose(np.argsort(axes))


def _copy_forward(op: Operation, inputs: list[Array], out: Array) -> None:
    np.copyto(out, op.forward(NUMPY, *inputs))


def _zero(like: Array) -> Array:
    """A number as an array: ufuncs take it twice as fast as a Python number."""
    return np.zeros((), like.dtype)


def _one(like: Array) -> Array:
    return np.ones((), like.dtype)


def _relu(
    op: Operation, inputs: list[Array], out: Array, scratch: Scratch
) -> list[Call]:
    return [partial(np.maximum, inputs[0], _zero(out), out=out)]


def _step(
    op: Operation, inputs: list[Array], out: Array, scratch: Scratch
) -> list[Call]:
    zero = _zero(inputs[0])
    return [partial(np.greater, inputs[0], zero, out=out, casting="unsafe")]


def _sigmoid(
    op: Operation, inputs: list[Array], out: Array, scratch: Scratch
) -> list[Call]:
    one = _one(out)
    return [
        partial(np.negative, inputs[0], out=out),
        partial(np.exp, out, out=out),
        partial(np.add, out, one, out=out),
        partial(np.divide, one, out, out=out),
    ]


def _softplus(
    op: Operation, inputs: list[Array], out: Array, scratch: Scratch
) -> list[Call]:
    (x,) = inputs
    tail = scratch(out.shape, out.dtype.name)
    return [
        partial(np.abs, x, out=tail),
        partial(np.negative, tail, out=tail),
        partial(np.exp, tail, out=tail),
        partial(np.log1p, tail, out=tail),
        partial(np.maximum, x, _zero(out), out=out),
        partial(np.add, out, tail, out=out),
    ]


def _cast(
    op: Operation, inputs: list[Array], out: Array, scratch: Scratch
) -> list[Call]:
    return [partial(np.copyto, out, inputs[0], casting="unsafe")]


def _matmul(
    op: Operation, inputs: list[Array], out: Array, scratch: Scratch
) -> list[Call]:
    a, b = inputs
    if a.shape[-1] != 1:
        return [partial(np.matmul, a, b, out=out)]
    # Products of one term: BLAS takes up to ten times as long. Its sums begin with 0,
    # so that -0 becomes 0.
    return [partial(np.multiply, a, b, out=out), partial(np.add, out, _zero(out), out)]


def _ordered(x: Array, scratch: Scratch) -> tuple[Array, list[Call]]:
    """x in C order, copied first if need be: a sum's last bits depend on the order."""
    if x.flags.c_contiguous:
        return x, []
    copy = scratch(x.shape, x.dtype.name)
    return copy, [partial(np.copyto, copy, x)]


def _sum(
    op: reduce.Sum, inputs: list[Array], out: Array, scratch: Scratch
) -> list[Call]:
    x, bound = _ordered(inputs[0], scratch)
    add = partial(np.add.reduce, x, axis=op.axes, out=out, keepdims=op.keepdims)
    return [*bound, add]


def _max(
    op: reduce.Max, inputs: list[Array], out: Array, scratch: Scratch
) -> list[Call]:
    (x,) = inputs
    parts = [] if op.keepdims else _elements(x, op.axes)
    if not parts:
        top = partial(np.maximum.reduce, x, axis=op.axes, out=out)
        return [partial(top, keepdims=op.keepdims)]
    first, *others = parts
    return [
        partial(np.copyto, out, first),
        *[partial(np.maximum, out, part, out=out) for part in others],
    ]


_FEW = 64
"""Up to so many elements, each is reduced by a pass over all windows."""


def _elements(x: Array, axes: tuple[int, ...]) -> list[Array]:
    """One element of all windows at a time, where x is windows and axes their elements.

    A window's elements do not lie side by side, and to go from one window to the next
    in the innermost loop is many times faster than to reduce a window there.
    """
    rank = x.ndim - len(axes)
    few = math.prod(x.shape[rank:]) <= _FEW and axes == tuple(range(rank, x.ndim))
    if x.flags.c_contiguous or not few:
        return []
    return [x[(..., *at)] for at in np.ndindex(*x.shape[rank:])]


def _ties(
    op: reduce.Ties, inputs: list[Array], out: Array, scratch: Scratch
) -> list[Call]:
    x, y = inputs
    count = _ordered_as(out, y.shape, y.dtype.name, scratch)
    # Sums of zeros and ones are exact in any order.
    return [
        partial(np.equal, x, y, out=out, casting="unsafe"),
        partial(np.add.reduce, out, axis=op.axes, out=count, keepdims=True),
        partial(np.divide, out, count, out=out),
    ]


def _logsumexp(
    op: reduce.LogSumExp, inputs: list[Array], out: Array, scratch: Scratch
) -> list[Call]:
    (x,) = inputs
    kept = op.kept(x.shape)
    top, shifted = scratch(kept, x.dtype.name), scratch(x.shape, x.dtype.name)
    total = out.reshape(kept)  # a view: `out` is contiguous
    lowest = np.asarray(np.finfo(x.dtype).min, x.dtype)
    return [
        partial(np.maximum.reduce, x, axis=op.axes, out=top, keepdims=True),
        partial(np.maximum, top, lowest, out=top),
        partial(np.subtract, x, top, out=shifted),
        partial(np.exp, shifted, out=shifted),
        partial(np.add.reduce, shifted, axis=op.axes, out=total, keepdims=True),
        partial(np.log, total, out=total),
        partial(np.add, total, top, out=total),
    ]


def _sum_of_squares(
    op: Operation, inputs: list[Array], out: Array, scratch: Scratch
) -> list[Call]:
    """One dot product for each input, added from left to right.

    One product over inputs that happen to lie end to end would be faster, but the bits
    of a gradient's norm would then depend on how a program lays out its memory.
    """
    if any(x.dtype != out.dtype for x in inputs):
        return [partial(_copy_forward, op, inputs, out)]
    parts = scratch((len(inputs),), out.dtype.name)
    bound: list[Call] = []
    for i, x in enumerate(inputs):
        ordered, copying = _ordered(x, scratch)
        flat, part = ordered.reshape(-1), parts[i : i + 1].reshape(())
        bound += [*copying, partial(np.dot, flat, flat, out=part)]
    last = parts[-1:].reshape(())
    return [
        *bound,
        partial(np.add.accumulate, parts, out=parts),
        partial(np.copyto, out, last),
    ]


def _where(
    op: Operation, inputs: list[Array], out: Array, scratch: Scratch
) -> list[Call]:
    condition, a, b = inputs
    return [partial(np.copyto, out, b), partial(np.copyto, out, a, where=condition)]


def _summary(
    op: Operation, inputs: list[Array], out: Array, scratch: Scratch
) -> list[Call]:
    return [partial(_summarize, op, inputs[0], out)]


_TINY, _HUGE = 1e-12, 1e12
"""Largest elements whose squares a float32 sum holds without loss."""
_CANCELLED = 1e-3
"""Below this share of the mean square a variance is a difference of equal numbers."""


def _summarize(op: Operation, x: Array, out: Array) -> None:
    """Five passes without a copy; where squares would be lost it goes the long way."""
    ordered = x.transpose(np.argsort([-step for step in x.strides], kind="stable"))
    low, high = float(ordered.min()), float(ordered.max())
    if not (_TINY < max(-low, high) < _HUGE and ordered.flags.c_contiguous):
        np.copyto(out, op.forward(NUMPY, x))
        return
    flat = ordered.reshape(-1)
    mean = float(np.add.reduce(flat)) / flat.size
    square = float(np.dot(flat, flat)) / flat.size
    variance = square - mean * mean
    if variance < _CANCELLED * square:
        np.copyto(out, op.forward(NUMPY, x))
        return
    zero = 1.0 - np.count_nonzero(flat) / flat.size
    out[:] = mean, math.sqrt(variance), math.sqrt(square), low, high, zero


def _concat(
    op: shape.Concat, inputs: list[Array], out: Array, scratch: Scratch
) -> list[Call]:
    return [partial(np.concatenate, inputs, axis=op.axis, out=out)]


def _pad(
    op: shape.Pad, inputs: list[Array], out: Array, scratch: Scratch
) -> list[Call]:
    middle = out[inside(inputs[0].shape, op.before, op.interior)]
    return [partial(out.fill, 0), partial(np.copyto, middle, inputs[0])]


def _reshape(
    op: Operation, inputs: list[Array], out: Array, scratch: Scratch
) -> list[Call]:
    """The copy that is left where a reshape is no view."""
    (x,) = inputs
    return [partial(np.copyto, np.reshape(out, x.shape, copy=False), x)]


def _fold(
    op: window.Fold, inputs: list[Array], out: Array, scratch: Scratch
) -> list[Call]:
    (y,) = inputs
    bound: list[Call] = []
    for rows in _blocks(y, op.axes):
        target = out[rows]
        bound.append(partial(target.fill, 0))
        for part, where in spread(y[rows], op.axes, op.steps, op.dilations):
            bound.append(partial(np.add, target[where], part, out=target[where]))
    return bound


_BLOCK = 2**22
"""Bytes of windows that are folded at a time: they are read once for each element."""


def _blocks(y: Array, axes: tuple[int, ...]) -> list[tuple[slice, ...]]:
    """The outermost axis, if it is none of `axes`, in pieces that the cache holds."""
    outer = next((i for i, n in enumerate(y.shape) if n > 1), 0)
    if outer in axes or y.nbytes <= _BLOCK:
        return [()]
    length = y.shape[outer]
    size = max(length * _BLOCK // y.nbytes, 1)
    before = (slice(None),) * outer
    return [(*before, slice(at, at + size)) for at in range(0, length, size)]


def _take(
    op: gather.Take, inputs: list[Array], out: Array, scratch: Scratch
) -> list[Call]:
    x, indices = inputs
    look_up = partial(_look_up, x, indices, op.axis, out)
    return [partial(gather.checked, op.where, look_up)]


def _look_up(x: Array, indices: Array, axis: int, out: Array) -> None:
    within(indices, x.shape[axis])
    np.take(x, indices, axis=axis, out=out, mode="clip")


def _scatter_add(
    op: gather.ScatterAdd, inputs: list[Array], out: Array, scratch: Scratch
) -> list[Call]:
    x, indices = inputs
    rows, bound = _ordered(x, scratch)
    flat, copying = _ordered(indices, scratch)
    outer = math.prod(out.shape[: op.axis])
    inner = math.prod(out.shape[op.axis + 1 :])
    target = np.reshape(out, (outer, op.size, inner), copy=False)
    rows = rows.reshape(outer, indices.size, inner)
    add = partial(add_rows, rows, flat.reshape(-1), target)
    return [*bound, *copying, partial(gather.checked, op.where, add)]


KERNELS: Mapping[type[Operation], Kernel] = {
    elementwise.Relu: _relu,
    elementwise.Step: _step,
    elementwise.Sigmoid: _sigmoid,
    elementwise.Softplus: _softplus,
    elementwise.Cast: _cast,
    elementwise.Where: _where,
    Matmul: _matmul,
    gather.Take: _take,
    gather.ScatterAdd: _scatter_add,
    reduce.Sum: _sum,
    reduce.Max: _max,
    reduce.LogSumExp: _logsumexp,
    reduce.SumOfSquares: _sum_of_squares,
    reduce.Summary: _summary,
    reduce.Ties: _ties,
    shape.Concat: _concat,
    shape.Pad: _pad,
    shape.Reshape: _reshape,
    window.Fold: _fold,
}

IN_PLACE = (elementwise.Relu, elementwise.Sigmoid, elementwise.Softplus)
"""Operations beside the ufuncs whose kernel may write over an input."""


ELEMENTWISE = (
    elementwise.Elementwise,
    elementwise.Cast,
    elementwise.Where,
    reduce.Ties,
)


def may_overwrite(op: Operation) -> bool:
    """Whether `out` may be one of the inputs, if shape, dtype and strides agree."""
    return ufunc(op) is not None or isinstance(op, IN_PLACE)


def order(op: Operation, inputs: Sequence[Array]) -> Array | None:
    """An array whose order of axes in memory the result takes over; None for C order.

    Elementwise results have their operands' order, as in NumPy; what windows become
    has the order of their positions.
    """
    if isinstance(op, ELEMENTWISE):
        return natural(inputs)
    if isinstance(op, window.Fold):
        first: tuple[Any, ...] = (..., *(0,) * len(op.axes))
        return natural([inputs[0][first]])
    if isinstance(op, reduce.Max) and (parts := _elements(inputs[0], op.axes)):
        return None if op.keepdims else natural(parts[:1])
    return None
