"""Graphs as functions of arrays."""

from __future__ import annotations

import numpy as np
import pytest

import nettrain as nt
from nettrain.errors import Error
from nettrain.explore import compile


@pytest.mark.parametrize("executor", ["numpy", "reference", "auto"])
def test_one_output_and_several(executor: str) -> None:
    x, y = nt.variables("x y", shape=(2,))
    total = nt.sum(x * y)
    assert compile([x, y], total, executor)([1, 2], [3, 4]) == 11.0
    product, again = compile([x, y], [x * y, total], executor)([1, 2], [3, 4])
    np.testing.assert_array_equal(product, [3, 8])
    assert again == 11.0


def test_results_are_copies() -> None:
    x = nt.variables("x", shape=(2,))
    double = nt.compile(x, x * 2.0)
    first = double([1, 2])
    double([5, 6])
    np.testing.assert_array_equal(first, [2, 4])


def test_gradients_are_compiled_as_any_node() -> None:
    x = nt.variables("x")
    (slope,) = nt.gradients(nt.sin(x), [x])
    assert compile(x, slope)(0.5) == pytest.approx(np.cos(0.5))


def test_parameters_bring_their_value_or_are_inputs() -> None:
    x = nt.variables("x")
    w = nt.parameter("w", 3.0)
    assert compile(x, w * x)(2) == 6.0
    assert compile([w, x], w * x)(5, 2) == 10.0


def test_an_inner_node_may_be_given() -> None:
    x = nt.variables("x")
    q = x + 1.0
    assert compile(q, q * 2.0)(5) == 10.0


def test_misuse() -> None:
    x, y = nt.variables("x y")
    with pytest.raises(Error, match="y"):
        compile(x, x * y)
    with pytest.raises(Error, match="twice"):
        compile([x, x], x * 2.0)
    with pytest.raises(Error, match="nodes"):
        compile([x, 2.0], x * 2.0)  # type: ignore[list-item]
    double = compile(x, x * 2.0)
    with pytest.raises(Error, match="1 arrays, got 2"):
        double(1, 2)
    with pytest.raises(Error, match="shape"):
        double([1, 2])
    with pytest.raises(Error, match="fastest"):
        compile(x, x * 2.0, executor="fastest")
