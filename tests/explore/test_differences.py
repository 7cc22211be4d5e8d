"""Gradients against central differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import nettrain as nt
from nettrain.errors import Error
from nettrain.explore import check_gradients
from nettrain.graph import Node, Operation, Spec
from nettrain.graph import operations as ops
from nettrain.graph.node import apply

X = np.array([[0.3, -0.7], [1.1, 0.4]])


class Cube(Operation):
    """y = x³, with a slope that a test can make wrong."""

    name = "cube"
    factor = 3.0
    reached = True

    def spec(self, *inputs: Spec) -> Spec:
        return inputs[0]

    def forward(self, xp: Any, *inputs: Any) -> Any:
        return inputs[0] ** 3

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        return [g * self.factor * nt.square(inputs[0]) if self.reached else None]


class Steeper(Cube):
    factor = 3.001


class Forgotten(Cube):
    reached = False


class WrongSecond(Cube):
    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        return [g * 3.0 * inputs[0] * ops.stop_gradient(inputs[0])]


def cube(op: type[Cube]) -> Callable[[Node], Node]:
    return lambda x: apply(op(), x)


def test_right_gradients_pass() -> None:
    assert check_gradients(cube(Cube), X) < 1e-8
    assert check_gradients(lambda a, b: nt.tanh(a @ b), X, X.T) < 1e-8


def test_a_wrong_slope_is_named_with_both_numbers() -> None:
    with pytest.raises(Error, match="argument 1") as raised:
        check_gradients(lambda a, x: a + apply(Steeper(), x), X, X)
    assert raised.value.code == "graph-gradient-check"
    assert "central differences give" in raised.value.message


def test_a_forgotten_derivative_is_no_zero() -> None:
    with pytest.raises(Error, match="gradient by argument 0 is 0 "):
        check_gradients(cube(Forgotten), X)


def test_the_second_order_is_checked_too() -> None:
    check_gradients(cube(WrongSecond), X, order=1)
    with pytest.raises(Error, match="second derivative"):
        check_gradients(cube(WrongSecond), X)


def test_integers_stay_as_they_are() -> None:
    def chosen(x: Node, mask: Node) -> Node:
        return ops.where(ops.cast(mask, "bool"), ops.exp(x), x)

    assert check_gradients(chosen, X, np.array([[1, 0], [0, 1]])) < 1e-8


def test_what_has_no_gradient_is_refused() -> None:
    with pytest.raises(Error, match="node of floats"):
        check_gradients(lambda x: x > 0.0, X)
