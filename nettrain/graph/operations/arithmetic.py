"""Arithmetic on each element, and its kinks: |x|, relu, maximum and minimum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nettrain.graph.node import Array, Node, Operand, Sample
from nettrain.graph.operations.compare import (
    SIGNED,
    UNARY,
    Elementwise,
    FloatElementwise,
    binary,
    cast,
    equal,
    greater,
    sign,
    step,
    unary,
)

BINARY = (
    Sample(((3, 4), (3, 4))),
    Sample(((3, 4), (4,))),
    Sample(((2, 1, 4), (3, 1))),
    Sample(((), (2, 3))),
)


class Add(Elementwise):
    """y = a + b;  dy/da = 1, dy/db = 1."""

    name, symbol, function, samples = "add", "+", "add", BINARY

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        return g, g


class Subtract(Elementwise):
    """y = a - b;  dy/da = 1, dy/db = -1."""

    name, symbol, function, samples = "subtract", "-", "subtract", BINARY

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        return g, negative(g)


class Multiply(Elementwise):
    """y = a b;  dy/da = b, dy/db = a."""

    name, symbol, function, samples = "multiply", "*", "multiply", BINARY

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        a, b = inputs
        return multiply(g, b), multiply(g, a)


class Divide(FloatElementwise):
    """y = a / b;  dy/da = 1 / b, dy/db = -y / b."""

    name, symbol, function, samples = "divide", "/", "divide", BINARY

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        _, b = inputs
        ga = divide(g, b)
        return ga, negative(multiply(ga, y))


class Negative(Elementwise):
    """y = -x;  dy/dx = -1."""

    name, function, samples = "negative", "negative", UNARY

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        return (negative(g),)


class Square(Elementwise):
    """y = x²;  dy/dx = 2 x."""

    name, function, samples = "square", "square", SIGNED

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        return (multiply(g, multiply(inputs[0], 2.0)),)


class Sqrt(FloatElementwise):
    """y = √x;  dy/dx = 1 / (2 y)."""

    name, function, samples = "sqrt", "sqrt", UNARY

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        return (divide(multiply(g, 0.5), y),)


class Absolute(Elementwise):
    """y = |x|;  dy/dx = sign x, so 0 at 0."""

    name, function, samples = "absolute", "abs", SIGNED

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        return (multiply(g, sign(inputs[0])),)


class Relu(Elementwise):
    """y = max(x, 0);  dy/dx = 1 for x > 0, else 0 (0 at the kink itself)."""

    name, samples, smooth = "relu", SIGNED, False

    def forward(self, xp: Any, *inputs: Array) -> Array:
        return xp.maximum(inputs[0], xp.zeros_like(inputs[0]))

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        return (multiply(g, step(inputs[0])),)


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


# ------------------------------------------------------------------ functions


def add(a: Operand, b: Operand) -> Node:
    """a + b."""
    return binary(Add, a, b)


def subtract(a: Operand, b: Operand) -> Node:
    """a - b."""
    return binary(Subtract, a, b)


def multiply(a: Operand, b: Operand) -> Node:
    """a b."""
    return binary(Multiply, a, b)


def divide(a: Operand, b: Operand) -> Node:
    """a / b."""
    return binary(Divide, a, b)


def negative(x: Operand) -> Node:
    """-x."""
    return unary(Negative, x)


def square(x: Operand) -> Node:
    """x²."""
    return unary(Square, x)


def sqrt(x: Operand) -> Node:
    """The square root of x ≥ 0."""
    return unary(Sqrt, x)


def absolute(x: Operand) -> Node:
    """|x|."""
    return unary(Absolute, x)


def relu(x: Operand) -> Node:
    """max(x, 0)."""
    return unary(Relu, x)


def maximum(a: Operand, b: Operand) -> Node:
    """The larger of a and b."""
    return binary(Maximum, a, b)


def minimum(a: Operand, b: Operand) -> Node:
    """The smaller of a and b."""
    return binary(Minimum, a, b)


def clip(x: Operand, low: float, high: float) -> Node:
    """x held between `low` and `high`; on a bound half of the gradient passes."""
    return minimum(maximum(x, low), high)
