"""Powers, exponentials and what is made of them, element by element."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from nettrain.graph.node import Array, Constant, Node, Operand, constant

# `elementwise` names the whole family, whichever file a member is written in.
from nettrain.graph.operations.arithmetic import *  # noqa: F403
from nettrain.graph.operations.arithmetic import (
    BINARY,
    add,
    divide,
    multiply,
    negative,
    sqrt,
    square,
    subtract,
)
from nettrain.graph.operations.compare import *  # noqa: F403
from nettrain.graph.operations.compare import (
    SIGNED,
    UNARY,
    FloatElementwise,
    binary,
    equal,
    unary,
    where,
)


class Power(FloatElementwise):
    """y = a^b for a > 0, or an integer b;  dy/da = b a^(b-1), dy/db = y ln a."""

    name, symbol, function, samples = "power", "**", "pow", BINARY

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        a, b = inputs
        # At a = 0, 0 · a^-1 and 0 · ln a would make NaN of derivatives that are 0.
        logarithm = log(where(equal(a, 0.0), 1.0, a))
        ga = multiply(g, multiply(b, power(a, _lowered(b))))
        return ga, multiply(multiply(g, y), logarithm)


def _lowered(b: Node) -> Node:
    """b - 1, but 1 where b = 0."""
    if isinstance(b.op, Constant):
        return constant(np.where(b.op.array == 0, 1, b.op.array - 1), b.dtype)
    return where(equal(b, 0.0), 1.0, subtract(b, 1.0))


class Exp(FloatElementwise):
    """y = e^x;  dy/dx = y."""

    name, function, samples = "exp", "exp", SIGNED

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        return (multiply(g, y),)


class Expm1(FloatElementwise):
    """y = e^x - 1, exact near 0;  dy/dx = y + 1."""

    name, function, samples = "expm1", "expm1", SIGNED

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        return (multiply(g, add(y, 1.0)),)


class Log(FloatElementwise):
    """y = ln x;  dy/dx = 1 / x."""

    name, function, samples = "log", "log", UNARY

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        return (divide(g, inputs[0]),)


class Log1p(FloatElementwise):
    """y = ln(1 + x), exact near 0;  dy/dx = 1 / (1 + x)."""

    name, function, samples = "log1p", "log1p", UNARY

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        return (divide(g, add(inputs[0], 1.0)),)


class Sin(FloatElementwise):
    """y = sin x;  dy/dx = cos x."""

    name, function, samples = "sin", "sin", SIGNED

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        return (multiply(g, cos(inputs[0])),)


class Cos(FloatElementwise):
    """y = cos x;  dy/dx = -sin x."""

    name, function, samples = "cos", "cos", SIGNED

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        return (negative(multiply(g, sin(inputs[0]))),)


class Tanh(FloatElementwise):
    """y = tanh x;  dy/dx = 1 - y²."""

    name, function, samples = "tanh", "tanh", SIGNED

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        return (multiply(g, subtract(1.0, square(y))),)


class Sigmoid(FloatElementwise):
    """y = 1 / (1 + e^-x);  dy/dx = y (1 - y)."""

    name, samples = "sigmoid", SIGNED

    def forward(self, xp: Any, *inputs: Array) -> Array:
        return 1.0 / (xp.exp(-inputs[0]) + 1.0)

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        return (multiply(g, multiply(y, subtract(1.0, y))),)


class Softplus(FloatElementwise):
    """y = ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|);  dy/dx = sigmoid x."""

    name, samples = "softplus", SIGNED

    def forward(self, xp: Any, *inputs: Array) -> Array:
        (x,) = inputs
        zero = xp.zeros_like(x)
        return xp.maximum(x, zero) + xp.log1p(xp.exp(-xp.abs(x)))

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        return (multiply(g, sigmoid(inputs[0])),)


class Erf(FloatElementwise):
    """y = 2/√π ∫_0^x e^(-t²) dt;  dy/dx = 2/√π e^(-x²).

    The array-API standard has no error function: the executor's namespace has `erf`.
    """

    name, function, samples = "erf", "erf", SIGNED

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        bell = exp(negative(square(inputs[0])))
        return (multiply(g, multiply(bell, 2.0 / math.sqrt(math.pi))),)


# ------------------------------------------------------------------ functions


def power(a: Operand, b: Operand) -> Node:
    """a^b; the exponents 1, 2 and 1/2 become what they are."""
    if isinstance(b, (int, float)) and isinstance(a, Node):
        if b == 1:
            return a
        if b == 2:
            return square(a)
        if b == 0.5:
            return sqrt(a)
    return binary(Power, a, b)


def exp(x: Operand) -> Node:
    """e^x."""
    return unary(Exp, x)


def expm1(x: Operand) -> Node:
    """e^x - 1."""
    return unary(Expm1, x)


def log(x: Operand) -> Node:
    """The natural logarithm of x > 0."""
    return unary(Log, x)


def log1p(x: Operand) -> Node:
    """ln(1 + x)."""
    return unary(Log1p, x)


def sin(x: Operand) -> Node:
    """sin x, x in radians."""
    return unary(Sin, x)


def cos(x: Operand) -> Node:
    """cos x, x in radians."""
    return unary(Cos, x)


def tanh(x: Operand) -> Node:
    """The hyperbolic tangent."""
    return unary(Tanh, x)


def sigmoid(x: Operand) -> Node:
    """1 / (1 + e^-x)."""
    return unary(Sigmoid, x)


def softplus(x: Operand) -> Node:
    """ln(1 + e^x)."""
    return unary(Softplus, x)


def erf(x: Operand) -> Node:
    """The error function."""
    return unary(Erf, x)
