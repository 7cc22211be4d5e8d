"""Kernels: how NumPy computes one operation into a buffer that exists already.

A kernel is a function (op, inputs, out, scratch) -> list of calls without arguments.
Inputs and `out` are fixed arrays, so that a step of training is a list of bound calls.
`scratch(shape, dtype)` lends a buffer for the length of the operation. Operations that
are one ufunc need no entry here; any other without an entry computes with its own
`forward` and copies. An executor with compiled kernels starts from another table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from nettrain.execute.namespace import NUMPY, inside
from nettrain.graph import Operation
from nettrain.graph.operations import elementwise, reduce, shape
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
        return [partial(function, *inputs, out=out)]
    return [partial(_copy_forward, op, inputs, out)]


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
    return [partial(np.matmul, *inputs, out=out)]


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
    top = partial(np.maximum.reduce, inputs[0], axis=op.axes, out=out)
    return [partial(top, keepdims=op.keepdims)]


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
    low, high = float(x.min()), float(x.max())
    if not (_TINY < max(-low, high) < _HUGE and x.flags.c_contiguous):
        np.copyto(out, op.forward(NUMPY, x))
        return
    flat = x.reshape(-1)
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


KERNELS: Mapping[type[Operation], Kernel] = {
    elementwise.Relu: _relu,
    elementwise.Step: _step,
    elementwise.Sigmoid: _sigmoid,
    elementwise.Softplus: _softplus,
    elementwise.Cast: _cast,
    elementwise.Where: _where,
    Matmul: _matmul,
    reduce.Sum: _sum,
    reduce.Max: _max,
    reduce.LogSumExp: _logsumexp,
    reduce.SumOfSquares: _sum_of_squares,
    reduce.Summary: _summary,
    shape.Concat: _concat,
    shape.Pad: _pad,
}

IN_PLACE = (elementwise.Relu, elementwise.Sigmoid, elementwise.Softplus)
"""Operations beside the ufuncs whose kernel may write over an input."""


ELEMENTWISE = (elementwise.Elementwise, elementwise.Cast, elementwise.Where)


def may_overwrite(op: Operation) -> bool:
    """Whether `out` may be one of the inputs, if shape, dtype and strides agree."""
    return ufunc(op) is not None or isinstance(op, IN_PLACE)


def keeps_order(op: Operation) -> bool:
    """Whether NumPy's result would have the operands' order of axes in memory."""
    return isinstance(op, ELEMENTWISE)
