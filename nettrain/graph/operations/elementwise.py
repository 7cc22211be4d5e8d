"""Operations on each element, with broadcasting.

The subclasses' `function` names the array-API function that computes them, so that an
executor with in-place kernels (NumPy's ufuncs) can call it with an output buffer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from nettrain.errors import Error
from nettrain.graph.node import Array, Node, Operation, Sample, Scalar, apply, as_nodes
from nettrain.graph.spec import DTYPES, Spec, broadcast_shapes, promote

Operand = Node | Scalar | Any
"""A node, or an array or number that becomes a constant."""

_UNARY = (Sample(((3, 4),)), Sample(((),)))
_SIGNED = (Sample(((3, 4),), low=-1.5, high=-0.2), *_UNARY)
_BINARY = (
    Sample(((3, 4), (3, 4))),
    Sample(((3, 4), (4,))),
    Sample(((2, 1, 4), (3, 1))),
    Sample(((), (2, 3))),
)


@dataclass(frozen=True, eq=False)
class Elementwise(Operation):
    """y_i = f(x_i, …) on the broadcast shape of the inputs, of their common dtype."""

    function: ClassVar[str] = ""

    def spec(self, *inputs: Spec) -> Spec:
        shape = broadcast_shapes(*[x.shape for x in inputs])
        return Spec(shape, promote(*[x.dtype for x in inputs]))

    def forward(self, xp: Any, *inputs: Array) -> Array:
        return getattr(xp, self.function)(*inputs)


class FloatElementwise(Elementwise):
    """An elementwise function of floats alone."""

    def spec(self, *inputs: Spec) -> Spec:
        for x in inputs:
            if not x.is_float:
                raise Error(
                    "graph-dtype",
                    f"{self.name} takes floats, got {x.dtype}",
                    fix='convert first: cast(x, "float32")',
                )
        return super().spec(*inputs)


# ------------------------------------------------------------------ arithmetic


class Add(Elementwise):
    """y = a + b;  dy/da = 1, dy/db = 1."""

    name, symbol, function, samples = "add", "+", "add", _BINARY

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        return g, g


class Subtract(Elementwise):
    """y = a - b;  dy/da = 1, dy/db = -1."""

    name, symbol, function, samples = "subtract", "-", "subtract", _BINARY

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        return g, negative(g)


class Multiply(Elementwise):
    """y = a b;  dy/da = b, dy/db = a."""

    name, symbol, function, samples = "multiply", "*", "multiply", _BINARY

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        a, b = inputs
        return multiply(g, b), multiply(g, a)


class Divide(FloatElementwise):
    """y = a / b;  dy/da = 1 / b, dy/db = -y / b."""

    name, symbol, function, samples = "divide", "/", "divide", _BINARY

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        _, b = inputs
        ga = divide(g, b)
        return ga, negative(multiply(ga, y))


class Power(FloatElementwise):
    """y = a^b for a > 0, or a constant integer b;  dy/da = b a^(b-1), dy/db = y ln a."""

    name, symbol, function, samples = "power", "**", "pow", _BINARY

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        a, b = inputs
        # ln 0 would make 0 · -inf of a derivative that is 0.
        logarithm = log(where(equal(a, 0.0), 1.0, a))
        ga = multiply(g, multiply(b, power(a, subtract(b, 1.0))))
        return ga, multiply(multiply(g, y), logarithm)


class Negative(Elementwise):
    """y = -x;  dy/dx = -1."""

    name, function, samples = "negative", "negative", _UNARY

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        return (negative(g),)


class Square(Elementwise):
    """y = x²;  dy/dx = 2 x."""

    name, function, samples = "square", "square", _SIGNED

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        return (multiply(g, multiply(inputs[0], 2.0)),)


class Sqrt(FloatElementwise):
    """y = √x;  dy/dx = 1 / (2 y)."""

    name, function, samples = "sqrt", "sqrt", _UNARY

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        return (divide(multiply(g, 0.5), y),)


class Absolute(Elementwise):
    """y = |x|;  dy/dx = sign x, so 0 at 0."""

    name, function, samples = "absolute", "abs", _SIGNED

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        return (multiply(g, sign(inputs[0])),)


class Sign(Elementwise):
    """y = -1, 0 or 1. Constant between jumps: no derivative."""

    name, function, samples = "sign", "sign", _SIGNED


# ------------------------------------------------------------------ exponentials


class Exp(FloatElementwise):
    """y = e^x;  dy/dx = y."""

    name, function, samples = "exp", "exp", _SIGNED

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        return (multiply(g, y),)


class Expm1(FloatElementwise):
    """y = e^x - 1, exact near 0;  dy/dx = y + 1."""

    name, function, samples = "expm1", "expm1", _SIGNED

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        return (multiply(g, add(y, 1.0)),)


class Log(FloatElementwise):
    """y = ln x;  dy/dx = 1 / x."""

    name, function, samples = "log", "log", _UNARY

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        return (divide(g, inputs[0]),)


class Log1p(FloatElementwise):
    """y = ln(1 + x), exact near 0;  dy/dx = 1 / (1 + x)."""

    name, function, samples = "log1p", "log1p", _UNARY

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        return (divide(g, add(inputs[0], 1.0)),)


class Sin(FloatElementwise):
    """y = sin x;  dy/dx = cos x."""

    name, function, samples = "sin", "sin", _SIGNED

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        return (multiply(g, cos(inputs[0])),)


class Cos(FloatElementwise):
    """y = cos x;  dy/dx = -sin x."""

    name, function, samples = "cos", "cos", _SIGNED

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        return (negative(multiply(g, sin(inputs[0]))),)


class Tanh(FloatElementwise):
    """y = tanh x;  dy/dx = 1 - y²."""

    name, function, samples = "tanh", "tanh", _SIGNED

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        return (multiply(g, subtract(1.0, square(y))),)


class Sigmoid(FloatElementwise):
    """y = 1 / (1 + e^-x);  dy/dx = y (1 - y)."""

    name, samples = "sigmoid", _SIGNED

    def forward(self, xp: Any, *inputs: Array) -> Array:
        return 1.0 / (xp.exp(-inputs[0]) + 1.0)

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        return (multiply(g, multiply(y, subtract(1.0, y))),)


class Softplus(FloatElementwise):
    """y = ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|);  dy/dx = sigmoid x."""

    name, samples = "softplus", _SIGNED

    def forward(self, xp: Any, *inputs: Array) -> Array:
        (x,) = inputs
        zero = xp.zeros_like(x)
        return xp.maximum(x, zero) + xp.log1p(xp.exp(-xp.abs(x)))

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        return (multiply(g, sigmoid(inputs[0])),)


class Erf(FloatElementwise):
    """y = 2/√π ∫_0^x e^(-t²) dt;  dy/dx = 2/√π e^(-x²).

    The array-API standard has no error function: the executor's namespace supplies `erf`.
    """

    name, function, samples = "erf", "erf", _SIGNED

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        bell = exp(negative(square(inputs[0])))
        return (multiply(g, multiply(bell, 2.0 / math.sqrt(math.pi))),)


# ------------------------------------------------------------------ with a kink


class Relu(Elementwise):
    """y = max(x, 0);  dy/dx = 1 for x > 0, else 0 (0 at the kink itself)."""

    name, samples, smooth = "relu", _SIGNED, False

    def forward(self, xp: Any, *inputs: Array) -> Array:
        return xp.maximum(inputs[0], xp.zeros_like(inputs[0]))

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        return (multiply(g, step(inputs[0])),)


class Step(Elementwise):
    """y = 1 for x > 0, else 0, in the dtype of x. No derivative."""

    name, samples = "step", _SIGNED

    def forward(self, xp: Any, *inputs: Array) -> Array:
        return xp.astype(inputs[0] > 0, inputs[0].dtype)


class Maximum(Elementwise):
    """y = max(a, b);  where a = b each gets half of the gradient."""

    name, function, smooth = "maximum", "maximum", False
    samples = (Sample(((3, 4), (3, 4))), Sample(((3, 4), (4,))))

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        a, b = inputs
        share = _share(a, b)
        return multiply(g, share), multiply(g, subtract(1.0, share))


class Minimum(Elementwise):
    """y = min(a, b);  where a = b each gets half of the gradient."""

    name, function, smooth = "minimum", "minimum", False
    samples = Maximum.samples

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        a, b = inputs
        share = _share(b, a)
        return multiply(g, share), multiply(g, subtract(1.0, share))


def _share(a: Node, b: Node) -> Node:
    """1 where a > b, 1/2 where a = b, else 0."""
    tie = multiply(cast(equal(a, b), a.dtype), 0.5)
    return add(cast(greater(a, b), a.dtype), tie)


class Where(Operation):
    """y = a where the condition holds, else b;  the gradient goes where y came from."""

    name, smooth = "where", False
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


# ------------------------------------------------------------------ truth values


class Comparison(Elementwise):
    """y = (a ? b) as bool. No derivative."""

    samples = (Sample(((3, 4), (4,))),)

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

    name, function = "equal", "equal"


class NotEqual(Comparison):
    """y = a != b."""

    name, function = "not_equal", "not_equal"


class Logical(Elementwise):
    """A function of truth values."""

    samples = (Sample(((3, 4), (4,)), dtypes=("bool", "bool")),)

    def spec(self, *inputs: Spec) -> Spec:
        if any(x.dtype != "bool" for x in inputs):
            raise Error("graph-dtype", f"{self.name} takes truth values (bool)")
        return super().spec(*inputs)


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
        Sample(((3, 4),), ("float32",), dtypes=("int64",)),
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

    name, samples = "stop_gradient", _UNARY

    def forward(self, xp: Any, *inputs: Array) -> Array:
        return inputs[0]


# ------------------------------------------------------------------ functions


def _unary(op: type[Operation], x: Operand) -> Node:
    if not isinstance(x, Node):
        raise Error("graph-operand", f"{op.name} takes a node, got {x!r}")
    return apply(op(), x)


def _binary(op: type[Operation], a: Operand, b: Operand) -> Node:
    return apply(op(), *as_nodes(a, b))


def add(a: Operand, b: Operand) -> Node:
    """a + b."""
    return _binary(Add, a, b)


def subtract(a: Operand, b: Operand) -> Node:
    """a - b."""
    return _binary(Subtract, a, b)


def multiply(a: Operand, b: Operand) -> Node:
    """a b."""
    return _binary(Multiply, a, b)


def divide(a: Operand, b: Operand) -> Node:
    """a / b."""
    return _binary(Divide, a, b)


def power(a: Operand, b: Operand) -> Node:
    """a^b; the exponents 1, 2 and 1/2 become what they are."""
    if isinstance(b, (int, float)) and isinstance(a, Node):
        if b == 1:
            return a
        if b == 2:
            return square(a)
        if b == 0.5:
            return sqrt(a)
    return _binary(Power, a, b)


def negative(x: Operand) -> Node:
    """-x."""
    return _unary(Negative, x)


def square(x: Operand) -> Node:
    """x²."""
    return _unary(Square, x)


def sqrt(x: Operand) -> Node:
    """The square root of x ≥ 0."""
    return _unary(Sqrt, x)


def absolute(x: Operand) -> Node:
    """|x|."""
    return _unary(Absolute, x)


def sign(x: Operand) -> Node:
    """-1, 0 or 1."""
    return _unary(Sign, x)


def exp(x: Operand) -> Node:
    """e^x."""
    return _unary(Exp, x)


def expm1(x: Operand) -> Node:
    """e^x - 1."""
    return _unary(Expm1, x)


def log(x: Operand) -> Node:
    """The natural logarithm of x > 0."""
    return _unary(Log, x)


def log1p(x: Operand) -> Node:
    """ln(1 + x)."""
    return _unary(Log1p, x)


def sin(x: Operand) -> Node:
    """sin x, x in radians."""
    return _unary(Sin, x)


def cos(x: Operand) -> Node:
    """cos x, x in radians."""
    return _unary(Cos, x)


def tanh(x: Operand) -> Node:
    """The hyperbolic tangent."""
    return _unary(Tanh, x)


def sigmoid(x: Operand) -> Node:
    """1 / (1 + e^-x)."""
    return _unary(Sigmoid, x)


def softplus(x: Operand) -> Node:
    """ln(1 + e^x)."""
    return _unary(Softplus, x)


def erf(x: Operand) -> Node:
    """The error function."""
    return _unary(Erf, x)


def relu(x: Operand) -> Node:
    """max(x, 0)."""
    return _unary(Relu, x)


def step(x: Operand) -> Node:
    """1 for x > 0, else 0, in the dtype of x."""
    return _unary(Step, x)


def maximum(a: Operand, b: Operand) -> Node:
    """The larger of a and b."""
    return _binary(Maximum, a, b)


def minimum(a: Operand, b: Operand) -> Node:
    """The smaller of a and b."""
    return _binary(Minimum, a, b)


def clip(x: Operand, low: float, high: float) -> Node:
    """x held between `low` and `high`; on a bound itself half of the gradient passes."""
    return minimum(maximum(x, low), high)


def where(condition: Operand, a: Operand, b: Operand) -> Node:
    """a where the condition holds, else b."""
    return apply(Where(), condition, *as_nodes(a, b))


def less(a: Operand, b: Operand) -> Node:
    """a < b."""
    return _binary(Less, a, b)


def less_equal(a: Operand, b: Operand) -> Node:
    """a <= b."""
    return _binary(LessEqual, a, b)


def greater(a: Operand, b: Operand) -> Node:
    """a > b."""
    return _binary(Greater, a, b)


def greater_equal(a: Operand, b: Operand) -> Node:
    """a >= b."""
    return _binary(GreaterEqual, a, b)


def equal(a: Operand, b: Operand) -> Node:
    """a == b, element by element. (Python's == asks whether two nodes are one.)"""
    return _binary(Equal, a, b)


def not_equal(a: Operand, b: Operand) -> Node:
    """a != b, element by element."""
    return _binary(NotEqual, a, b)


def logical_and(a: Operand, b: Operand) -> Node:
    """a and b."""
    return _binary(LogicalAnd, a, b)


def logical_or(a: Operand, b: Operand) -> Node:
    """a or b."""
    return _binary(LogicalOr, a, b)


def logical_not(x: Operand) -> Node:
    """not x."""
    return _unary(LogicalNot, x)


def cast(x: Node, dtype: str) -> Node:
    """x in another dtype; x itself where it has it."""
    return x if x.dtype == dtype else apply(Cast(dtype), x)


def stop_gradient(x: Operand) -> Node:
    """x, through which no gradient goes back."""
    return _unary(StopGradient, x)
