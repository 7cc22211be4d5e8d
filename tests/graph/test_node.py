"""Nodes: what they refuse, how numbers become constants, where they are from."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nettrain.graph
from nettrain.errors import Error
from nettrain.graph import Node, constant, leaf, parameter, scope, variables
from nettrain.graph import operations as ops
from nettrain.graph.spec import DTYPES, Spec, normalize_axes


def refused(code: str, make: Callable[[], Any]) -> Error:
    """The error that making something raises."""
    with pytest.raises(Error) as caught:
        make()
    assert caught.value.code == code
    assert caught.value.exit_code == 2
    return caught.value


# ------------------------------------------------------------------ immutable


def test_a_node_cannot_be_changed() -> None:
    x = variables("x")
    refused("graph-immutable", lambda: setattr(x, "name", "y"))
    refused("graph-immutable", lambda: setattr(x, "other", 1))
    refused("graph-immutable", lambda: delattr(x, "name"))
    assert x.name == "x"


def test_branching_on_a_node_tells_of_where() -> None:
    x = variables("x")
    error = refused("graph-branch", lambda: bool(x > 0))
    assert "where(" in (error.fix or "")
    assert f"made at {__file__}:" in error.message
    refused("graph-branch", lambda: 0 < x < 1)


def test_assigning_to_a_node_tells_of_where() -> None:
    x = variables("x", (3,))

    def assign() -> None:
        x[0] = 1.0  # type: ignore[index]

    assert "where(" in (refused("graph-assignment", assign).fix or "")


def test_a_scalar_cannot_be_iterated() -> None:
    x = variables("x")
    refused("graph-shape", lambda: list(x))
    refused("graph-shape", lambda: len(x))


def test_iteration_gives_the_rows(evaluate: Any) -> None:
    x = variables("x", (3, 2))
    rows = list(x)
    assert len(x) == len(rows) == 3
    value = np.arange(6.0).reshape(3, 2)
    np.testing.assert_array_equal(np.stack(evaluate(rows, {x: value})), value)


def test_equality_is_identity_so_that_nodes_are_keys() -> None:
    x, y = variables("x y")
    assert x != y
    assert {x: 1, y: 2}[x] == 1


# ------------------------------------------------------------------ names and lines


def test_named_is_a_copy_in_the_current_scope() -> None:
    x = variables("x", (4,))
    with scope("model/dense1"):
        z = (x * 2.0).named("pre_activation", role="pre_activation", unit_axis=-1)
    assert z.path == "model/dense1/pre_activation"
    assert (z.role, z.unit_axis, z.spec) == ("pre_activation", -1, x.spec)
    again = z.named("other")
    assert (again.role, again.unit_axis, again.scope) == ("pre_activation", -1, "")
    assert z.name == "pre_activation"


def test_scopes_replace_each_other_and_end() -> None:
    with scope("a", origin="c.yaml:1"):
        with scope("b", origin="c.yaml:2"):
            inner = variables("x")
        outer = variables("x")
    assert (inner.path, inner.origin) == ("b/x", "c.yaml:2")
    assert (outer.path, outer.origin) == ("a/x", "c.yaml:1")
    assert variables("x").path == "x"


def test_a_scope_ends_with_an_error() -> None:
    with pytest.raises(ZeroDivisionError), scope("a"):
        raise ZeroDivisionError
    assert variables("x").scope == ""


def test_a_node_remembers_the_line_that_made_it() -> None:
    x = variables("x")
    made = [x, x + 1.0, ops.sum(x), parameter("w", 1.0)]
    assert all(node.origin.startswith(f"{__file__}:") for node in made)
    assert made[1].origin != x.origin


def test_replace_works_the_spec_out_anew() -> None:
    x, y = variables("x", (3,)), variables("y", (5,))
    assert (-x).replace(inputs=(y,)).shape == (5,)
    assert (-x).replace(name="n").spec == x.spec


def test_repr_tells_name_or_operation_and_spec() -> None:
    x = variables("x", (2,), "float32")
    assert repr(x) == "<x: float32 (2,)>"
    assert repr(-x) == "<negative: float32 (2,)>"
    assert (x.kind, (-x).kind) == ("variable", "negative")


# ------------------------------------------------------------------ weak numbers


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "uint32"])
@pytest.mark.parametrize(
    "number", [2, True, np.int64(2), np.array(2)], ids=lambda n: type(n).__name__
)
def test_numbers_take_the_dtype_of_the_node(dtype: str, number: Any) -> None:
    x = variables("x", (3,), dtype)
    for node in (x + number, number - x, x * number, ops.maximum(number, x)):
        assert node.spec == Spec((3,), dtype)


@pytest.mark.parametrize("number", [0.5, np.float64(0.5), np.float32(0.5)])
def test_floats_take_the_dtype_of_a_float_node(number: Any) -> None:
    x = variables("x", dtype="float32")
    for node in (x + number, number * x, x / number, number**x, x**number):
        assert node.dtype == "float32"


@pytest.mark.parametrize(
    ("dtype", "number"),
    [
        ("int64", 0.5),
        ("int32", 2**31),
        ("uint32", -1),
        ("bool", 2),
        ("float32", 1e39),
        ("float64", 10**400),
    ],
)
def test_numbers_that_do_not_fit_are_refused(dtype: str, number: Any) -> None:
    x = variables("x", dtype=dtype)
    error = refused("graph-dtype", lambda: ops.equal(x, number))
    assert f"{number} does not fit" in error.message
    assert dtype in error.message


@pytest.mark.parametrize("number", [np.inf, -np.inf, np.nan])
def test_what_is_not_finite_is_a_number(number: float, evaluate: Any) -> None:
    x = variables("x", dtype="float32")
    (value,) = evaluate([x + number], {x: np.float32(1)})
    np.testing.assert_equal(value, np.float32(number))


def test_arrays_keep_their_dtype_and_are_copied(evaluate: Any) -> None:
    x = variables("x", (2,), "float32")
    array = np.array([1.0, 2.0], "float32")
    y = array * x
    array[:] = 0
    (value,) = evaluate([y], {x: np.ones(2, "float32")})
    np.testing.assert_array_equal(value, [1, 2])
    assert y.dtype == "float32"
    assert isinstance(array < x, Node)
    assert isinstance(np.float64(1.0) - x, Node)


@pytest.mark.parametrize("operand", ["2", None, [1.0], 1j, object()])
def test_operands_are_nodes_arrays_or_numbers(operand: Any) -> None:
    x = variables("x")
    refused("graph-operand", lambda: x + operand)
    refused("graph-operand", lambda: ops.tanh(operand))
    refused("graph-operand", lambda: ops.where(operand, x, x))


def test_a_condition_may_be_an_array(evaluate: Any) -> None:
    x = variables("x", (2,))
    y = ops.where(np.array([True, False]), x, 0.0)
    (value,) = evaluate([y], {x: np.ones(2)})
    np.testing.assert_array_equal(value, [1.0, 0.0])


# ------------------------------------------------------------------ dtypes


@pytest.mark.parametrize("other", ["int32", "int64", "uint32", "bool"])
def test_kinds_are_never_mixed_silently(other: str) -> None:
    x, n = variables("x", (3,), "float32"), variables("n", (3,), other)
    error = refused("graph-dtype", lambda: x + n)
    assert f"dtypes float32 and {other} do not mix" in error.message
    assert "cast(" in (error.fix or "")
    assert ops.add(x, ops.cast(n, "float32")).dtype == "float32"


def test_arithmetic_refuses_truth_values() -> None:
    b = variables("b", (3,), "bool")
    for function in (ops.negative, ops.absolute, ops.relu, ops.sum, ops.max):
        error = refused("graph-dtype", lambda f=function: f(b))  # type: ignore[misc]
        assert "takes numbers, got bool" in error.message
    refused("graph-dtype", lambda: b - b)
    refused("graph-dtype", lambda: b < b)
    assert ops.equal(b, b).dtype == "bool"


@pytest.mark.parametrize(
    "function", [ops.exp, ops.tanh, ops.sqrt, ops.sigmoid, ops.erf, ops.logsumexp]
)
def test_functions_of_floats_refuse_integers(function: Any) -> None:
    n = variables("n", (3,), "int64")
    error = refused("graph-dtype", lambda: function(n))
    assert f"{function.__name__}(<n: int64 (3,)>): takes floats" in error.message


def test_logic_takes_truth_values_only() -> None:
    x, b = variables("x"), variables("b", dtype="bool")
    refused("graph-dtype", lambda: ops.logical_not(x))
    refused("graph-dtype", lambda: ops.logical_and(b, x))
    refused("graph-dtype", lambda: ops.where(x, x, x))


@pytest.mark.parametrize("made", [np.array("a"), 1j, np.float16(1), [None], [[1], 2]])
def test_constants_have_a_known_dtype(made: Any) -> None:
    for make in (constant, lambda value: parameter("w", value)):
        with pytest.raises(Error) as caught:
            make(made)
        assert caught.value.code in ("graph-dtype", "graph-operand")


@pytest.mark.parametrize("dtype", DTYPES)
def test_constants_and_parameters_keep_their_dtype(dtype: str) -> None:
    array = np.ones((2, 1), dtype)
    assert constant(array).spec == parameter("w", array).spec == Spec((2, 1), dtype)
    assert constant(1, dtype).spec == Spec((), dtype)


def test_a_constant_cannot_change(evaluate: Any) -> None:
    array = np.ones(2)
    node = constant(array)
    array[0] = 5
    (value,) = evaluate([node], {})
    np.testing.assert_array_equal(value, [1.0, 1.0])
    assert not value.flags.writeable


def test_leaves_have_a_known_dtype_and_a_shape() -> None:
    refused("graph-dtype", lambda: leaf("input", "x", (2,), "float16"))
    refused("graph-shape", lambda: leaf("input", "x", (-2,), "float32"))
    refused("graph-dtype", lambda: ops.cast(variables("x"), "complex64"))


# ------------------------------------------------------------------ misfits


@pytest.mark.parametrize(
    ("function", "name"),
    [(ops.add, "add"), (ops.less, "less"), (ops.maximum, "maximum")],
)
def test_shapes_that_do_not_broadcast(function: Any, name: str) -> None:
    a, b = variables("a", (2, 3)), variables("b", (4, 3))
    error = refused("graph-shape", lambda: function(a, b))
    assert error.message.startswith(
        f"{name}(<a: float64 (2, 3)>, <b: float64 (4, 3)>): "
    )
    assert "shapes (2, 3) and (4, 3) do not broadcast" in error.message


def test_a_misfit_names_its_layer() -> None:
    a, b = variables("a", (2,)), variables("b", (3,))
    with scope("model/dense1"):
        error = refused("graph-shape", lambda: a * b)
    assert " in model/dense1: " in error.message


def test_misfits_of_where_and_broadcast() -> None:
    c, x = variables("c", (2,), "bool"), variables("x", (3,))
    assert "where(" in refused("graph-shape", lambda: ops.where(c, x, x)).message
    error = refused("graph-shape", lambda: ops.broadcast_to(x, (3, 2)))
    assert "(3,) and (3, 2)" in error.message
    error = refused("graph-shape", lambda: ops.broadcast_to(x, (1,)))
    assert "(3,) does not broadcast to (1,)" in error.message


@pytest.mark.parametrize("axis", [2, -3, (0, 5)])
def test_axes_are_inside_the_array(axis: Any) -> None:
    refused("graph-axis", lambda: ops.sum(variables("x", (2, 3)), axis=axis))


def test_axes_are_named_once_and_sorted() -> None:
    refused("graph-axis", lambda: normalize_axes((0, -2), 2))
    assert normalize_axes((-1, 0), 3) == (0, 2)
    assert normalize_axes(None, 2) == (0, 1)
    assert normalize_axes(1, 2) == (1,)


MODULES = [
    m.name for m in pkgutil.walk_packages(nettrain.graph.__path__, "nettrain.graph.")
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_are_true(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0
