"""PyTorch's elementwise, reducing, shape and matrix functions in our operations.

A rule has the parameters of PyTorch's function, tensors being nodes. What a rule has no
parameter for cannot be expressed, nor can what it raises `Unsupported` for.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nettrain.graph import Leaf, Node, constant
from nettrain.graph import operations as ops

Rule = Callable[..., Any]


class Unsupported(Exception):
    """What a sample asks for that our operations cannot express."""


def numbers(x: Node) -> np.ndarray:
    """What a tensor of a sample holds, where our side needs it to build the graph."""
    assert isinstance(x.op, Leaf) and x.op.initial is not None
    return x.op.initial


def without(**settings: Any) -> None:
    """Refuse settings that are not off."""
    for name, value in settings.items():
        if value not in (None, False):
            raise Unsupported(name)


# ------------------------------------------------------------------ elementwise


def _binary(function: Rule) -> Rule:
    """Of two operands, one of which may be a number, and no more."""
    return lambda x, other: function(x, other)


def _swapped(function: Rule) -> Rule:
    return lambda x, other: function(other, x)


def _scaled(a: Any, alpha: float) -> Any:
    return a if alpha == 1 else a * alpha


def add(x: Node, other: Any, *, alpha: float = 1) -> Node:
    return ops.add(x, _scaled(other, alpha))


def sub(x: Node, other: Any, *, alpha: float = 1) -> Node:
    return ops.subtract(x, _scaled(other, alpha))


def rsub(x: Node, other: Any, *, alpha: float = 1) -> Node:
    return ops.subtract(other, _scaled(x, alpha))


def clamp(x: Node, min: Any = None, max: Any = None) -> Node:
    if isinstance(min, float) and isinstance(max, float):
        return ops.clip(x, min, max)
    x = x if min is None else ops.maximum(x, min)
    return x if max is None else ops.minimum(x, max)


def lerp(x: Node, end: Node, weight: Any) -> Node:
    return x + (end - x) * weight


def addcmul(x: Node, a: Node, b: Node, *, value: float = 1) -> Node:
    return x + a * b * value


def addcdiv(x: Node, a: Node, b: Node, *, value: float = 1) -> Node:
    return x + a / b * value


def masked_fill(x: Node, mask: Node, value: Any) -> Node:
    return ops.where(mask, value, x)


def where(a: Node, condition: Node, b: Node) -> Node:
    """PyTorch's samples have the condition second."""
    return ops.where(condition, a, b)


def _truth(function: Rule) -> Rule:
    """A function of truth values, given numbers: all but 0 are true."""
    return lambda *xs: function(
        *[x if x.dtype == "bool" else ops.not_equal(x, 0.0) for x in xs]
    )


def logaddexp(a: Node, b: Node) -> Node:
    return ops.logsumexp(ops.stack([*_together(a, b)], 0), 0)


def _together(*xs: Node) -> list[Node]:
    shape = np.broadcast_shapes(*[x.shape for x in xs])
    return [ops.broadcast_to(x, shape) for x in xs]


def xlogy(a: Node, b: Node) -> Node:
    return a * ops.log(b)


def logit(x: Node, eps: float | None = None) -> Node:
    x = x if eps is None else ops.clip(x, eps, 1 - eps)
    return ops.log(x / (1.0 - x))


def _to(dtype: str) -> Rule:
    return lambda x, memory_format="": ops.cast(x, dtype)


def to(x: Node, *how: Any, memory_format: str = "") -> Node:
    """To another dtype or that of a tensor; devices, copies and layouts do not show."""
    for value in how:
        if isinstance(value, Node):
            x = ops.cast(x, value.dtype)
        elif isinstance(value, str) and value != "cpu":
            x = ops.cast(x, value)
    return x * 1.0


ELEMENTWISE: dict[str, Rule] = {
    "abs": ops.absolute,
    "add": add,
    "addcdiv": addcdiv,
    "addcmul": addcmul,
    "bool": lambda x: ops.not_equal(x, 0.0),
    "clamp": clamp,
    "clamp_max": _binary(ops.minimum),
    "clamp_min": _binary(ops.maximum),
    "cos": ops.cos,
    "deg2rad": lambda x: x * (math.pi / 180),
    "div_no_rounding_mode": lambda x, other, rounding_mode=None: ops.divide(x, other),
    "double": _to("float64"),
    "eq": _binary(ops.equal),
    "erf": ops.erf,
    "erfc": lambda x: 1.0 - ops.erf(x),
    "exp": ops.exp,
    "exp2": lambda x: ops.power(2.0, x),
    "expm1": ops.expm1,
    "float": _to("float32"),
    "float_power": _binary(ops.power),
    "ge": _binary(ops.greater_equal),
    "gt": _binary(ops.greater),
    "heaviside": lambda x, at: ops.where(ops.equal(x, 0.0), at, ops.step(x)),
    "int": _to("int32"),
    "isfinite": ops.isfinite,
    "isinf": lambda x: ops.equal(ops.absolute(x), math.inf),
    "isnan": lambda x: ops.not_equal(x, x),
    "le": _binary(ops.less_equal),
    "lerp": lerp,
    "log": ops.log,
    "log10": lambda x: ops.log(x) * (1 / math.log(10)),
    "log1p": ops.log1p,
    "log2": lambda x: ops.log(x) * (1 / math.log(2)),
    "logaddexp": logaddexp,
    "logical_and": _truth(ops.logical_and),
    "logical_not": _truth(ops.logical_not),
    "logical_or": _truth(ops.logical_or),
    "logical_xor": _truth(ops.not_equal),
    "logit": logit,
    "long": _to("int64"),
    "lt": _binary(ops.less),
    "masked_fill": masked_fill,
    "max_binary": _binary(ops.maximum),
    "maximum": _binary(ops.maximum),
    "min_binary": _binary(ops.minimum),
    "minimum": _binary(ops.minimum),
    "mul": _binary(ops.multiply),
    "ne": _binary(ops.not_equal),
    "neg": ops.negative,
    "positive": lambda x: x * 1.0,
    "pow": _binary(ops.power),
    "__radd__": _swapped(ops.add),
    "__rdiv__": _swapped(ops.divide),
    "__rmul__": _swapped(ops.multiply),
    "__rpow__": _swapped(ops.power),
    "__rsub__": _swapped(ops.subtract),
    "reciprocal": lambda x: 1.0 / x,
    "rsqrt": lambda x: ops.power(x, -0.5),
    "rsub": rsub,
    "sgn": ops.sign,
    "sigmoid": ops.sigmoid,
    "sign": ops.sign,
    "sin": ops.sin,
    "special_ndtr": lambda x: (ops.erf(x * math.sqrt(0.5)) + 1.0) * 0.5,
    "sqrt": ops.sqrt,
    "square": ops.square,
    "sub": sub,
    "tan": lambda x: ops.sin(x) / ops.cos(x),
    "tanh": ops.tanh,
    "to": to,
    "true_divide": _binary(ops.divide),
    "where": where,
    "xlogy": xlogy,
}

# ------------------------------------------------------------------ reductions


def _axes(dim: Any) -> Any:
    """All axes for an empty list, as PyTorch."""
    if isinstance(dim, (list, tuple)):
        return tuple(dim) or None
    return dim


def _scalar_as_row(x: Node, dim: Any, function: Callable[[Node], Node]) -> Node:
    """A scalar has an axis 0 to PyTorch."""
    if x.shape or dim is None:
        return function(x)
    return ops.reshape(function(ops.reshape(x, (1,))), ())


def _reduce(function: Rule) -> Rule:
    def rule(x: Node, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
        without(dtype=dtype)
        axes = _axes(dim)
        return _scalar_as_row(x, axes, lambda x: function(x, axes, keepdim))

    return rule


def _variance(root: bool, mean: bool = False) -> Rule:
    """N - correction for N, and its root."""

    def rule(
        x: Node,
        dim: Any = None,
        unbiased: bool | None = None,
        keepdim: bool = False,
        *,
        correction: float | None = None,
    ) -> Any:
        if isinstance(dim, bool):  # var(x, unbiased)
            dim, unbiased = None, dim
        axes = _axes(dim)
        off = 1.0 if unbiased is None else float(unbiased)
        off = off if correction is None else correction
        count = math.prod(x.shape[a] for a in _every(x, axes)) if x.shape else 1
        if count <= off:
            raise Unsupported("correction of all that there is")
        spread = _scalar_as_row(x, axes, lambda x: ops.var(x, axes, keepdim))
        spread = spread * (count / (count - off))
        spread = ops.sqrt(spread) if root else spread
        if not mean:
            return spread
        return spread, _scalar_as_row(x, axes, lambda x: ops.mean(x, axes, keepdim))

    return rule


def _every(x: Node, axes: Any) -> Sequence[int]:
    if axes is None:
        return range(len(x.shape))
    return (axes,) if isinstance(axes, int) else axes


def vector_norm(
    x: Node, ord: float = 2, dim: Any = None, keepdim: bool = False, dtype: Any = None
) -> Node:
    without(dtype=dtype)
    if ord not in (1, 2):
        raise Unsupported("ord")
    axes = _axes(dim)

    def norm(x: Node) -> Node:
        if ord == 1:
            return ops.sum(ops.absolute(x), axes, keepdim)
        if axes is None and not keepdim:
            return ops.sqrt(ops.sum_of_squares(x))
        return ops.sqrt(ops.sum(ops.square(x), axes, keepdim))

    return _scalar_as_row(x, axes, norm)


def as_shape(given: Sequence[Any]) -> tuple[int, ...]:
    """A shape given as one sequence or as several numbers."""
    if len(given) == 1 and isinstance(given[0], (list, tuple)):
        return tuple(given[0])
    return tuple(given)


def sum_to_size(x: Node, *size: Any) -> Node:
    shape = as_shape(size)
    extra = len(x.shape) - len(shape)
    x = ops.sum(x, tuple(range(extra))) if extra else x
    repeated = tuple(i for i, n in enumerate(shape) if n == 1)
    return ops.sum(x, repeated, keepdims=True) if repeated else x


def aminmax(x: Node, *, dim: int | None = None, keepdim: bool = False) -> Any:
    def found(function: Rule) -> Node:
        return _scalar_as_row(x, dim, lambda x: function(x, dim, keepdim))

    return found(ops.min), found(ops.max)


REDUCTIONS: dict[str, Rule] = {
    "amax": _reduce(ops.max),
    "amin": _reduce(ops.min),
    "aminmax": aminmax,
    "linalg_vector_norm": vector_norm,
    "logsumexp": _reduce(ops.logsumexp),
    "max_reduction_no_dim": lambda x: ops.max(x),
    "mean": _reduce(ops.mean),
    "min_reduction_no_dim": lambda x: ops.min(x),
    "std": _variance(root=True),
    "std_mean": _variance(root=True, mean=True),
    "std_mean_unbiased": _variance(root=True, mean=True),
    "std_unbiased": _variance(root=True),
    "sum": _reduce(ops.sum),
    "sum_to_size": sum_to_size,
    "var": _variance(root=False),
    "var_mean": _variance(root=False, mean=True),
    "var_mean_unbiased": _variance(root=False, mean=True),
    "var_unbiased": _variance(root=False),
}

# ------------------------------------------------------------------ matrices


def _affine(product: Rule) -> Rule:
    """β x + α (a · b)."""

    def rule(x: Node, a: Node, b: Node, *, beta: float = 1, alpha: float = 1) -> Node:
        return _scaled(x, beta) + _scaled(product(a, b), alpha)

    return rule


def outer(a: Node, b: Node) -> Node:
    return ops.expand_dims(a, 1) * b


def dot(a: Node, b: Node) -> Node:
    return ops.matmul(a, b)


def inner(a: Node, b: Node) -> Node:
    if not a.shape or not b.shape:
        return a * b
    if len(b.shape) > 2:
        raise Unsupported("more axes")
    return ops.matmul(a, b if len(b.shape) == 1 else ops.transpose(b))


def vecdot(a: Node, b: Node, *, dim: int = -1) -> Node:
    return ops.sum(a * b, dim)


def multi_dot(matrices: Sequence[Node]) -> Node:
    return functools.reduce(ops.matmul, matrices)


def matrix_power(a: Node, n: int) -> Node:
    if n < 1:
        raise Unsupported("a power below 1")
    return functools.reduce(ops.matmul, [a] * n)


def linear(x: Node, weight: Node, bias: Node | None = None) -> Node:
    y = ops.matmul(x, ops.transpose(weight) if len(weight.shape) > 1 else weight)
    return y if bias is None else y + bias


def kron(a: Node, b: Node) -> Node:
    rows, columns = (m * n for m, n in zip(a.shape, b.shape, strict=True))
    both = ops.reshape(a, (a.shape[0], 1, a.shape[1], 1)) * ops.expand_dims(b, 1)
    return ops.reshape(both, (rows, columns))


def triangle(function: Callable[..., np.ndarray]) -> Rule:
    def rule(x: Node, diagonal: int = 0) -> Node:
        return ops.where(constant(function(np.ones(x.shape, bool), diagonal)), x, 0.0)

    return rule


MATRICES: dict[str, Rule] = {
    "addbmm": _affine(lambda a, b: ops.sum(ops.matmul(a, b), 0)),
    "addmm": _affine(ops.matmul),
    "addmm_decomposed": _affine(ops.matmul),
    "addmv": _affine(ops.matmul),
    "addr": _affine(outer),
    "baddbmm": _affine(ops.matmul),
    "bmm": ops.matmul,
    "dot": dot,
    "inner": inner,
    "kron": kron,
    "linalg_matrix_power": matrix_power,
    "linalg_multi_dot": multi_dot,
    "linalg_vecdot": vecdot,
    "matmul": ops.matmul,
    "mm": ops.matmul,
    "mv": ops.matmul,
    "nn_functional_linear": linear,
    "outer": outer,
    "__rmatmul__": _swapped(ops.matmul),
    "tril": triangle(np.tril),
    "triu": triangle(np.triu),
    "vdot": dot,
}


RULES: dict[str, Rule] = {**ELEMENTWISE, **REDUCTIONS, **MATRICES}
