"""Gradients as a function from graph to graph."""

from __future__ import annotations

import functools
import gc
import weakref
from typing import Any

import numpy as np
import pytest

from nettrain.errors import Error
from nettrain.graph import (
    adjoints,
    constant,
    gradients,
    leaf,
    parameter,
    scope,
    topological,
    variables,
)
from nettrain.graph import operations as ops


def test_the_article(evaluate: Any) -> None:
    x, y, z = variables("x y z")
    q = (x + y).named("q")
    f = (q * z).named("f")
    found = gradients(f, [x, y, z, q, f])
    values = evaluate([f, *found], {x: 2.0, y: 3.0, z: -4.0})
    assert values == [-20.0, -4.0, -4.0, 5.0, -4.0, 1.0]


def test_what_is_used_twice_adds_up(evaluate: Any) -> None:
    x = variables("x")
    shared = ops.sin(x)
    y = shared * shared + shared * x + x
    (g,) = gradients(y, [x])
    (value,) = evaluate([g], {x: 0.7})
    s, c = np.sin(0.7), np.cos(0.7)
    assert value == pytest.approx(2 * s * c + c * 0.7 + s + 1)


def test_shared_inner_node_gets_the_whole_gradient(evaluate: Any) -> None:
    x = variables("x")
    h = x * 2.0
    (g,) = gradients(h * 3.0 + h * h, [h])
    assert evaluate([g], {x: 5.0}) == [3.0 + 2 * 10.0]


def test_gradient_of_gradient_of_gradient(evaluate: Any) -> None:
    x = variables("x")
    y = x**4
    for expected in (4 * 1.5**3, 12 * 1.5**2, 24 * 1.5, 24.0, 0.0):
        (y,) = gradients(y, [x])
        assert evaluate([y], {x: 1.5})[0] == pytest.approx(expected)


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0, 3.0, 4.0])
def test_power_at_zero_has_finite_derivatives(exponent: float, evaluate: Any) -> None:
    x, b = variables("x b")
    for power, values in (
        (ops.power(x, constant(exponent)), {x: 0.0}),
        (ops.power(x, b), {x: 0.0, b: exponent}),
    ):
        y = power
        for order in range(1, 6):
            (y,) = gradients(y, [x])
            expected = np.polyval(np.polyder([1.0] + [0] * int(exponent), order), 0.0)
            assert evaluate([y], values) == [expected]


def test_power_of_zero_has_slope_zero_in_the_exponent(evaluate: Any) -> None:
    x, b = variables("x b")
    (g,) = gradients(ops.power(x, b), [b])
    assert evaluate([g], {x: 0.0, b: 2.0}) == [0.0]


def test_hessian_vector_product(evaluate: Any) -> None:
    x = variables("x", (3,))
    matrix = np.array([[2.0, 1, 0], [1, 3, 1], [0, 1, 4]])
    cost = 0.5 * ops.sum(x * ops.matmul(constant(matrix), x))
    (g,) = gradients(cost, [x])
    way = np.array([1.0, -2, 0.5])
    (hv,) = gradients(ops.sum(g * way), [x])
    (value,) = evaluate([hv], {x: np.ones(3)})
    np.testing.assert_allclose(value, matrix @ way)


# ------------------------------------------------------------------ three outcomes


def test_not_connected_names_the_node_and_its_line() -> None:
    x, y = variables("x y")
    with pytest.raises(Error, match="does not depend on <y: float64") as caught:
        gradients(x * 2.0, [x, y])
    assert caught.value.code == "graph-not-connected"
    assert f"made at {__file__}:" in caught.value.message


def test_not_connected_names_the_layer_of_a_parameter() -> None:
    x = variables("x")
    with scope("model/dense1", origin="mlp.yaml:7"):
        w = parameter("weight", np.ones(()))
    with pytest.raises(Error, match=r"model/dense1/weight: .* \(made at mlp.yaml:7\)"):
        gradients(x * 2.0, [w])


def test_true_zero_is_no_error(evaluate: Any) -> None:
    x, y = variables("x y")
    found = gradients(x * 0.0 + ops.relu(-(y * y)), [x, y])
    assert evaluate(found, {x: 3.0, y: 2.0}) == [0.0, 0.0]


def test_a_stop_lets_the_other_way_through(evaluate: Any) -> None:
    x = variables("x")
    (g,) = gradients(ops.stop_gradient(x) * x, [x])
    assert evaluate([g], {x: 3.0}) == [3.0]


def test_not_differentiable_blames_the_end_of_every_way() -> None:
    x, y = variables("x y")
    cost = ops.where(ops.less(x, y), ops.sign(x), 2.0) + ops.cast(x > y, "float64")
    with pytest.raises(Error, match="has no derivative") as caught:
        gradients(cost, [x])
    assert caught.value.code == "graph-not-differentiable"
    assert "only through greater, sign, less, which" in caught.value.message


@pytest.mark.parametrize("ask", ["cost", "node"])
def test_integers_have_no_gradient(ask: str) -> None:
    x, n = variables("x"), variables("n", dtype="int64")
    cost = ops.cast(x, "int64") if ask == "cost" else ops.cast(n, "float64") * x
    with pytest.raises(Error) as caught:
        gradients(cost, [x if ask == "cost" else n])
    assert caught.value.code == "graph-not-differentiable"


def test_adjoints_leave_out_what_no_gradient_reaches() -> None:
    x, y, z = variables("x y z")
    found = adjoints(x * ops.sign(y), [x, y, z])
    assert list(found) == [x]


# ------------------------------------------------------------------ cost and seed


def test_a_cost_is_a_scalar() -> None:
    x = variables("x", (3,))
    with pytest.raises(Error, match="needs a scalar cost") as caught:
        gradients(x * 2.0, [x])
    assert caught.value.code == "graph-not-scalar"


def test_a_seed_weighs_the_elements_of_the_cost(evaluate: Any) -> None:
    x, seed = variables("x seed", (3,))
    (g,) = gradients(x * x, [x], seed=seed)
    (value,) = evaluate([g], {x: np.array([1.0, 2, 3]), seed: np.array([1.0, 10, 0])})
    np.testing.assert_array_equal(value, [2.0, 40.0, 0.0])


def test_a_seed_that_is_a_leaf_stays_that_leaf() -> None:
    x, seed = variables("x seed")
    found = gradients(x + 1.0, [x], seed=seed)
    assert seed in topological(found)
    assert len([n for n in topological(found) if n.kind == "variable"]) == 1


def test_a_seed_has_the_spec_of_the_cost() -> None:
    x, seed = variables("x", (3,)), variables("seed", (2,))
    with pytest.raises(Error, match="the seed <seed: float64"):
        gradients(x * 2.0, [x], seed=seed)


def test_the_cost_itself_has_gradient_one(evaluate: Any) -> None:
    x = variables("x", dtype="float32")
    y = x * 3.0
    (g,) = gradients(y, [y])
    (value,) = evaluate([g], {})
    assert value == 1.0
    assert g.dtype == "float32"


# ------------------------------------------------------------------ kinks and ties


def test_ties_share_the_gradient_equally(evaluate: Any) -> None:
    x = variables("x", (4,))
    (g,) = gradients(ops.max(x), [x])
    (value,) = evaluate([g], {x: np.array([3.0, 1.0, 3.0, 3.0])})
    np.testing.assert_allclose(value, [1 / 3, 0, 1 / 3, 1 / 3])


@pytest.mark.parametrize("function", [ops.maximum, ops.minimum])
def test_ties_of_two_share_the_gradient_equally(function: Any, evaluate: Any) -> None:
    a, b = variables("a b", (3,))
    found = gradients(ops.sum(function(a, b)), [a, b])
    values = {a: np.array([1.0, 2, 3]), b: np.array([2.0, 2, 2])}
    ga, gb = evaluate(found, values)
    larger = np.array([0.0, 0.5, 1.0])
    first = larger if function is ops.maximum else 1 - larger
    np.testing.assert_array_equal(ga, first)
    np.testing.assert_array_equal(gb, 1 - first)


def test_relu_has_derivative_zero_at_zero(evaluate: Any) -> None:
    x = variables("x", (3,))
    (g,) = gradients(ops.sum(ops.relu(x)), [x])
    (value,) = evaluate([g], {x: np.array([-1.0, 0.0, 1.0])})
    np.testing.assert_array_equal(value, [0.0, 0.0, 1.0])


def test_absolute_has_derivative_zero_at_zero(evaluate: Any) -> None:
    x = variables("x", (3,))
    (g,) = gradients(ops.sum(abs(x)), [x])
    (value,) = evaluate([g], {x: np.array([-2.0, 0.0, 2.0])})
    np.testing.assert_array_equal(value, [-1.0, 0.0, 1.0])


def test_clip_passes_the_gradient_inside_only(evaluate: Any) -> None:
    x = variables("x", (4,))
    y = ops.clip(x, -1.0, 2.0)
    values = {x: np.array([-3.0, 0.5, 2.0, 7.0])}
    value, g = evaluate([y, *gradients(ops.sum(y), [x])], values)
    np.testing.assert_array_equal(value, [-1.0, 0.5, 2.0, 2.0])
    np.testing.assert_array_equal(g, [0.0, 1.0, 0.5, 0.0])


# ------------------------------------------------------------------ dtype and origin


def test_mixed_floats_give_each_gradient_its_nodes_dtype(evaluate: Any) -> None:
    a, b = variables("a", (2,), "float32"), variables("b", (2,), "float64")
    y = a * b
    assert y.dtype == "float64"
    ga, gb = gradients(ops.sum(y), [a, b])
    assert (ga.dtype, gb.dtype) == ("float32", "float64")
    values = evaluate([ga, gb], {a: np.ones(2, "float32"), b: np.full(2, 3.0)})
    assert [v.dtype.name for v in values] == ["float32", "float64"]


def test_a_gradient_knows_its_node_scope_and_line() -> None:
    with scope("model/dense1", origin="mlp.yaml:7"):
        x = leaf("parameter", "weight", (3,), "float64")
        h = (ops.tanh(x) * x).named("h", role="activation", unit_axis=-1)
    with scope("model/dense2", origin="mlp.yaml:9"):
        cost = ops.sum(h * h).named("cost", role="cost")
    gx, gh = gradients(cost, [x, h])
    assert (gx.adjoint_of, gh.adjoint_of) == (x, h)
    assert (gx.name, gx.role, gx.scope) == ("", "", "model/dense1")
    made = set(topological([gx])) - set(topological([cost]))
    assert {n.origin for n in made} == {"mlp.yaml:7", "mlp.yaml:9"}


# ------------------------------------------------------------------ depth


@pytest.fixture(scope="module")
def deep() -> Any:
    x = variables("x")
    y = x
    for _ in range(50_000):
        y = -y
    return x, y


def test_fifty_thousand_nodes_differentiate(deep: Any, evaluate: Any) -> None:
    x, y = deep
    (g,) = gradients(y, [x])
    assert evaluate([y, g], {x: 2.0}) == [2.0, 1.0]
    assert len(topological([y, g])) == 2 * 50_000 + 2


def test_a_missing_path_in_a_deep_graph_is_an_error(deep: Any) -> None:
    with pytest.raises(Error, match="does not depend on"):
        gradients(deep[1], [variables("other")])


def test_fifty_thousand_nodes_are_let_go() -> None:
    x = variables("x")
    y = x
    for _ in range(50_000):
        y = ops.sin(y)
    (g,) = gradients(y, [x])
    gone = [weakref.ref(n) for n in (x, y, g, y.inputs[0])]
    gc.disable()
    try:
        del x, y, g
        assert [ref() for ref in gone] == [None] * 4  # Without the collector: no cycle.
    finally:
        gc.enable()


def test_a_graph_of_doubling_is_walked_once_a_node(evaluate: Any) -> None:
    x = variables("x")
    y = x
    for _ in range(60):
        y = y + y
    (g,) = gradients(y, [x])
    assert evaluate([g], {x: 1.0}) == [2.0**60]


def test_inputs_come_before_users() -> None:
    x, y = variables("x y")
    f = (x + y) * (x - y) + x
    order = topological([f, x * y])
    place = {node: i for i, node in enumerate(order)}
    assert len(place) == len(order) == 7
    assert all(place[i] < place[node] for node in order for i in node.inputs)
    assert order[:2] == [x, y]


SLICES = {
    "all of it": [np.s_[:, :2], np.s_[:, 2:]],
    "out of order": [np.s_[4:], np.s_[:1], np.s_[1:4]],
    "a gap": [np.s_[:, :2], np.s_[:, 3:]],
    "the end left out": [np.s_[:2], np.s_[2:4]],
    "the start left out": [np.s_[1:2], np.s_[2:]],
    "overlapping": [np.s_[:, :2], np.s_[:, 1:]],
    "the same twice": [np.s_[:3], np.s_[:3], np.s_[3:]],
    "every second": [np.s_[::2], np.s_[1::2]],
    "two axes": [np.s_[:3, :2], np.s_[3:, 2:]],
    "quarters": [np.s_[:3, :2], np.s_[3:, :2], np.s_[:3, 2:], np.s_[3:, 2:]],
    "overlap and gap": [np.s_[:, :2], np.s_[:, 1:3]],
    "steps and the rest": [np.s_[:5:2], np.s_[3:]],
    "the whole first": [np.s_[:], np.s_[:3], np.s_[3:]],
    "the whole too": [np.s_[:3], np.s_[3:], np.s_[:]],
    "one element": [np.s_[0], np.s_[1:]],
}


@pytest.mark.parametrize("cuts", SLICES.values(), ids=SLICES)
def test_what_comes_back_to_slices_comes_back_to_the_whole(
    cuts: Any, evaluate: Any
) -> None:
    x = variables("x", (6, 4))
    parts = [x[cut] for cut in cuts]
    parts = [ops.sum(p * p * p * (i + 1.0)) for i, p in enumerate(parts)]
    (found,) = gradients(functools.reduce(ops.add, parts), [x])
    array = np.random.default_rng(0).normal(size=(6, 4))
    wanted = np.zeros((6, 4))
    for i, cut in enumerate(cuts):
        wanted[cut] += 3.0 * array[cut] ** 2 * (i + 1)
    (slope,) = evaluate([found], {x: array})
    np.testing.assert_allclose(slope, wanted, rtol=1e-12)


def test_gradients_of_slices_that_make_up_the_whole_are_not_added() -> None:
    x = variables("x", (6, 4))
    cost = ops.sum(ops.exp(x[:2])) + ops.sum(ops.sin(x[2:]))
    (found,) = gradients(cost, [x])
    assert found.op.name == "concat"
