"""Elementwise operations on shapes that Hypothesis thinks of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes

from nettrain.errors import Error
from nettrain.graph import Node, constant, gradients, variables
from nettrain.graph import operations as ops
from nettrain.graph.spec import broadcast_shapes

BINARY = {
    "add": np.add,
    "divide": np.divide,
    "greater": np.greater,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "multiply": np.multiply,
    "power": np.power,
    "subtract": np.subtract,
}
SHAPES = mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=3, min_side=0)


@settings(max_examples=60, deadline=None)
@given(SHAPES, st.sampled_from(sorted(BINARY)), st.data())
def test_values_and_gradients_broadcast(
    evaluate: Any, shapes: Any, name: str, data: st.DataObject
) -> None:
    kinds = [data.draw(st.sampled_from(["float32", "float64"])) for _ in range(2)]
    leaves = [
        variables(n, shape, kind)
        for n, shape, kind in zip("ab", shapes.input_shapes, kinds, strict=True)
    ]
    generator = np.random.default_rng(0)
    values = [generator.uniform(0.3, 1.7, x.shape).astype(x.dtype) for x in leaves]
    y: Node = getattr(ops, name)(*leaves)
    expected = BINARY[name](*values)
    (value,) = evaluate([y], dict(zip(leaves, values, strict=True)))
    assert y.shape == shapes.result_shape
    assert y.dtype == expected.dtype.name
    np.testing.assert_array_equal(value, expected)
    if y.spec.is_float:
        _check_gradients(y, leaves, values, evaluate)


def _check_gradients(
    y: Node, leaves: list[Node], values: list[np.ndarray], evaluate: Any
) -> None:
    """Against the gradient of inputs that are repeated beforehand."""
    known = dict(zip(leaves, values, strict=True))
    found = gradients(ops.sum(y), leaves)
    wide = [constant(np.broadcast_to(v, y.shape).astype("float64")) for v in values]
    straight = gradients(ops.sum(_again(y, wide)), wide)
    for x, g, w in zip(
        leaves, evaluate(found, known), evaluate(straight, {}), strict=True
    ):
        assert (g.shape, g.dtype.name) == (x.shape, x.dtype)
        np.testing.assert_allclose(g, _summed(w, x.shape), rtol=1e-5, atol=1e-6)


def _again(y: Node, inputs: list[Node]) -> Node:
    function: Callable[..., Node] = getattr(ops, y.op.name)
    return function(*inputs)


def _summed(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    extra = array.ndim - len(shape)
    array = array.sum(axis=tuple(range(extra)))
    repeated = tuple(i for i, n in enumerate(shape) if n == 1)
    return array.sum(axis=repeated, keepdims=True)


@given(SHAPES)
@settings(max_examples=60, deadline=None)
def test_the_broadcast_shape_is_numpys(shapes: Any) -> None:
    assert broadcast_shapes(*shapes.input_shapes) == shapes.result_shape


@given(st.lists(st.lists(st.integers(0, 3), max_size=4).map(tuple), min_size=1))
@settings(max_examples=100, deadline=None)
def test_shapes_misfit_exactly_where_numpys_do(shapes: list[tuple[int, ...]]) -> None:
    try:
        expected = np.broadcast_shapes(*shapes)
    except ValueError:
        with pytest.raises(Error, match="do not broadcast together") as caught:
            broadcast_shapes(*shapes)
        assert all(str(shape) in caught.value.message for shape in shapes)
    else:
        assert broadcast_shapes(*shapes) == expected


@given(SHAPES, st.booleans())
@settings(max_examples=40, deadline=None)
def test_where_broadcasts_its_condition(evaluate: Any, shapes: Any, swap: bool) -> None:
    first, second = shapes.input_shapes[:: -1 if swap else 1]
    condition = variables("c", first, "bool")
    a, b = variables("a", second), variables("b")
    generator = np.random.default_rng(0)
    values = {
        condition: generator.uniform(size=first) > 0.5,
        a: generator.uniform(size=second),
        b: np.array(2.0),
    }
    y = ops.where(condition, a, b)
    value, ga, gb = evaluate([y, *gradients(ops.sum(y), [a, b])], values)
    taken = np.broadcast_to(values[condition], y.shape)
    np.testing.assert_array_equal(value, np.where(taken, values[a], 2.0))
    np.testing.assert_array_equal(ga, _summed(taken.astype(float), second))
    assert gb == np.sum(~taken)
