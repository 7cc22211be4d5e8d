"""Operations on each element, with broadcasting: those that ask or choose.

The subclasses' `function` names the array-API function that computes them, so that an
executor with in-place kernels (NumPy's ufuncs) can call it with an output buffer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nettrain.errors import Error
from nettrain.graph.node import (
    Array,
    Node,
    Operand,
    Operation,
    Sample,
    apply,
    as_nodes,
    constant,
)
from nettrain.graph.spec import (
    DTYPES,
    FLOATS,
    NUMBERS,
    Spec,
    broadcast_shapes,
    common,
    promote,
    require,
)

UNARY = (Sample(((3, 4),)), Sample(((),)))
SIGNED = (Sample(((3, 4),), low=-1.5, high=-0.2), *UNARY)


@dataclass(frozen=True, eq=False)
class Elementwise(Operation):
    """y_i = f(x_i, …) on the broadcast shape of the inputs, of their common dtype."""

    function: ClassVar[str] = ""
    takes: ClassVar[tuple[str, ...]] = NUMBERS
    """The dtypes it is defined for."""

    def spec(self, *inputs: Spec) -> Spec:
        result = common(*inputs)
        # Inputs of one dtype, or of two floats: the common one stands for all.
        if result.dtype not in self.takes:
            require(self.takes, result)
        return result

    def forward(self, xp: Any, *inputs: Array) -> Array:
        return getattr(xp, self.function)(*inputs)


class FloatElementwise(Elementwise):
    """An elementwise function of floats alone."""

    takes = FLOATS


def unary(op: type[Operation], x: Operand) -> Node:
    """The node of an operation on one operand, which is a node."""
    if not isinstance(x, Node):
        raise Error("graph-operand", f"{op.name} takes a node, got {x!r}")
    return apply(op(), x)


def binary(op: type[Operation], a: Operand, b: Operand) -> Node:
    """The node of an operation on two operands, one of which may be a number."""
    if not (isinstance(a, Node) and isinstance(b, Node)):
        a, b = as_nodes(a, b)
    return apply(op(), a, b)


# ------------------------------------------------------------------ truth values


class Comparison(Elementwise):
    """y = (a ? b) as bool. No derivative."""

    samples: ClassVar[tuple[Sample, ...]] = (Sample(((3, 4), (4,))),)

    def spec(self, *inputs: Spec) -> Spec:
        return Spec(super().spec(*inputs).shape, "bool")


class Less(Comparison):
    """y = a < b."""

    name, symbol, function = "less", "<", "less"


class LessEqual(Comparison):
    """y = a <= b."""

    name, symbol, function = "less_equal", "<=", "less_equal"


class Greater(Comparison):
    """y = a > b."""

    name, symbol, function = "greater", ">", "greater"


class GreaterEqual(Comparison):
    """y = a >= b."""

    name, symbol, function = "greater_equal", ">=", "greater_equal"


class Equal(Comparison):
    """y = a == b."""

    name, function, takes = "equal", "equal", DTYPES


class NotEqual(Comparison):
    """y = a != b."""

    name, function, takes = "not_equal", "not_equal", DTYPES


class IsFinite(Comparison):
    """y = x is neither infinite nor NaN."""

    name, function, samples = "isfinite", "isfinite", UNARY


class Logical(Elementwise):
    """A function of truth values. No derivative."""

    takes = ("bool",)
    samples: ClassVar[tuple[Sample, ...]] = (
        Sample(((3, 4), (4,)), dtypes=("bool", "bool")),
    )


class LogicalAnd(Logical):
    """y = a and b."""

    name, function = "logical_and", "logical_and"


class LogicalOr(Logical):
    """y = a or b."""

    name, function = "logical_or", "logical_or"


class LogicalNot(Logical):
    """y = not x."""

    name, function = "logical_not", "logical_not"
    samples = (Sample(((3, 4),), dtypes=("bool",)),)


# ------------------------------------------------------------------ jumps and choice


class Sign(Elementwise):
    """y = -1, 0 or 1. Constant between jumps: no derivative."""

    name, function, samples = "sign", "sign", SIGNED


class Step(Elementwise):
    """y = 1 for x > 0, else 0, in the dtype of x. No derivative."""

    name, samples = "step", SIGNED

    def forward(self, xp: Any, *inputs: Array) -> Array:
        return xp.astype(inputs[0] > 0, inputs[0].dtype)


class Where(Operation):
    """y = a where the condition holds, else b;  the gradient goes where y came from."""

    name = "where"
    samples = (
        Sample(((3, 4), (3, 4), (3, 4)), dtypes=("bool", None, None)),
        Sample(((3, 1), (3, 4), ()), dtypes=("bool", None, None)),
    )

    def spec(self, *inputs: Spec) -> Spec:
        condition, a, b = inputs
        if condition.dtype != "bool":
            raise Error("graph-dtype", f"a condition is bool, got {condition.dtype}")
        shape = broadcast_shapes(condition.shape, a.shape, b.shape)
        return Spec(shape, promote(a.dtype, b.dtype))

    def forward(self, xp: Any, *inputs: Array) -> Array:
        return xp.where(*inputs)

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        condition, _, _ = inputs
        return None, where(condition, g, 0.0), where(condition, 0.0, g)


# ------------------------------------------------------------------ dtype and gradient


@dataclass(frozen=True, eq=False)
class Cast(Operation):
    """y = x in another dtype;  dy/dx = 1 between floats.

    Attributes:
        dtype: a name of the array-API standard, such as `float32`.
    """

    name = "cast"
    samples = (
        Sample(((3, 4),), ("float64",)),
        Sample(((3, 4),), ("float32",), 0, 9, dtypes=("int64",)),
    )
    dtype: str

    def spec(self, *inputs: Spec) -> Spec:
        if self.dtype not in DTYPES:
            raise Error("graph-dtype", f"unknown dtype {self.dtype}")
        return Spec(inputs[0].shape, self.dtype)

    def forward(self, xp: Any, *inputs: Array) -> Array:
        return xp.astype(inputs[0], getattr(xp, self.dtype))

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        floats = y.spec.is_float and inputs[0].spec.is_float
        return (cast(g, inputs[0].dtype) if floats else None,)


class StopGradient(Elementwise):
    """y = x, and no gradient goes back."""

    name, takes, samples = "stop_gradient", DTYPES, UNARY

    def forward(self, xp: Any, *inputs: Array) -> Array:
        return inputs[0]


# ------------------------------------------------------------------ functions


def less(a: Operand, b: Operand) -> Node:
    """a < b."""
    return binary(Less, a, b)


def less_equal(a: Operand, b: Operand) -> Node:
    """a <= b."""
    return binary(LessEqual, a, b)


def greater(a: Operand, b: Operand) -> Node:
    """a > b."""
    return binary(Greater, a, b)


def greater_equal(a: Operand, b: Operand) -> Node:
    """a >= b."""
    return binary(GreaterEqual, a, b)


def equal(a: Operand, b: Operand) -> Node:
    """a == b, element by element. (Python's == asks whether two nodes are one.)"""
    return binary(Equal, a, b)


def not_equal(a: Operand, b: Operand) -> Node:
    """a != b, element by element."""
    return binary(NotEqual, a, b)


def isfinite(x: Operand) -> Node:
    """Whether x is neither infinite nor NaN, element by element."""
    return unary(IsFinite, x)


def logical_and(a: Operand, b: Operand) -> Node:
    """a and b."""
    return binary(LogicalAnd, a, b)


def logical_or(a: Operand, b: Operand) -> Node:
    """a or b."""
    return binary(LogicalOr, a, b)


def logical_not(x: Operand) -> Node:
    """not x."""
    return unary(LogicalNot, x)


def sign(x: Operand) -> Node:
    """-1, 0 or 1."""
    return unary(Sign, x)


def step(x: Operand) -> Node:
    """1 for x > 0, else 0, in the dtype of x."""
    return unary(Step, x)


def where(condition: Operand, a: Operand, b: Operand) -> Node:
    """a where the condition holds, else b."""
    if isinstance(condition, np.ndarray):
        condition = constant(condition)
    if not isinstance(condition, Node):
        raise Error("graph-operand", f"where takes a node first, got {condition!r}")
    return apply(Where(), condition, *as_nodes(a, b))


def cast(x: Node, dtype: str) -> Node:
    """x in another dtype; x itself where it has it."""
    return x if x.dtype == dtype else apply(Cast(dtype), x)


def stop_gradient(x: Operand) -> Node:
    """x, through which no gradient goes back."""
    return unary(StopGradient, x)
