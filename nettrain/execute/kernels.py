"""Kernels: how NumPy computes one operation into a buffer that exists already.

A kernel is a function (op, inputs, out, scratch) -> list of calls without arguments.
Inputs and `out` are fixed arrays, so that a step of training is a list of bound calls.
`scratch(shape, dtype)` lends a buffer for the length of the operation. Operations that are
one ufunc need no entry here; any other without an entry computes with its own `forward`
and copies. An executor with compiled kernels starts from another table.
"""

from __future__ import annotations

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


def _relu(op: Operation, inputs: list[Array], out: Array, scratch: Scratch) -> list[Call]:
    return [partial(np.maximum, inputs[0], _zero(out), out=out)]


def _step(op: Operation, inputs: list[Array], out: Array, scratch: Scratch) -> list[Call]:
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


def _cast(op: Operation, inputs: list[Array], out: Array, scratch: Scratch) -> list[Call]:
    return [partial(np.copyto, out, inputs[0], casting="unsafe")]


def _matmul(
    op: Operation, inputs: list[Array], out: Array, scratch: Scratch
) -> list[Call]:
    return [partial(np.matmul, *inputs, out=out)]


def _sum(
    op: reduce.Sum, inputs: list[Array], out: Array, scratch: Scratch
) -> list[Call]:
    add = partial(np.add.reduce, inputs[0], axis=op.axes, out=out)
    return [partial(add, keepdims=op.keepdims)]


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
    pieces = _joined([x.reshape(-1) for x in inputs])
    part = scratch((), out.dtype.name)
    first, *rest = pieces
    bound: list[Call] = [partial(np.dot, first, first, out=out)]
    for piece in rest:
        bound += [
            partial(np.dot, piece, piece, out=part),
            partial(np.add, out, part, out=out),
        ]
    return bound


def _joined(pieces: list[Array]) -> list[Array]:
    """Vectors, those that lie end to end in one memory as one longer vector."""
    runs: list[list[Array]] = []
    for piece in pieces:
        last = runs[-1][-1] if runs else None
        if last is not None and last.base is piece.base and _end(last) == _start(piece):
            runs[-1].append(piece)
        else:
            runs.append([piece])
    joined = np.lib.stride_tricks.as_strided
    return [joined(run[0], (sum(x.size for x in run),)) for run in runs]


def _start(x: Array) -> int:
    return int(x.__array_interface__["data"][0])


def _end(x: Array) -> int:
    return _start(x) + x.nbytes


def _concat(
    op: shape.Concat, inputs: list[Array], out: Array, scratch: Scratch
) -> list[Call]:
    return [partial(np.concatenate, inputs, axis=op.axis, out=out)]


def _pad(op: shape.Pad, inputs: list[Array], out: Array, scratch: Scratch) -> list[Call]:
    middle = out[inside(inputs[0].shape, op.before, op.interior)]
    return [partial(out.fill, 0), partial(np.copyto, middle, inputs[0])]


KERNELS: Mapping[type[Operation], Kernel] = {
    elementwise.Relu: _relu,
    elementwise.Step: _step,
    elementwise.Sigmoid: _sigmoid,
    elementwise.Softplus: _softplus,
    elementwise.Cast: _cast,
    Matmul: _matmul,
    reduce.Sum: _sum,
    reduce.Max: _max,
    reduce.LogSumExp: _logsumexp,
    reduce.SumOfSquares: _sum_of_squares,
    shape.Concat: _concat,
    shape.Pad: _pad,
}

IN_PLACE = (elementwise.Relu, elementwise.Sigmoid, elementwise.Softplus)
"""Operations beside the ufuncs whose kernel may write over an input of its own shape."""


def may_overwrite(op: Operation) -> bool:
    """Whether `out` may be one of the inputs, if shape, dtype and strides agree."""
    return ufunc(op) is not None or isinstance(op, IN_PLACE)
