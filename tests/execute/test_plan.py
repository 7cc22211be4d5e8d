"""Traps of planning: memory looked at twice, phases, lifetimes, order of axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nettrain.errors import Error
from nettrain.execute import Definition, State
from nettrain.execute.plan import Numpy
from nettrain.execute.reference import Reference
from nettrain.graph import Node, constant, leaf
from nettrain.graph import operations as ops

X = leaf("input", "x", (3,), "float64")
GOOD = {X: np.array([1.0, 2.0, 3.0])}
BAD = {X: np.array([1.0, np.nan, 3.0])}


def held(name: str, shape: tuple[int, ...] = (3,), dtype: str = "float64") -> Node:
    return leaf("parameter", name, shape, dtype)


def start(*nodes: Node) -> dict[str, np.ndarray]:
    """Different numbers for every node."""
    return {
        n.path: (np.arange(n.spec.size).reshape(n.shape) + 10.0 * i + 1).astype(n.dtype)
        for i, n in enumerate(nodes)
    }


A, B, C = held("a"), held("b"), held("c")
W, U = held("w", (3, 3)), held("u", (3, 3))
S = held("s", ())


def joined() -> tuple[Node, Node]:
    """New values of A and B by one rule, whose places are computed: lanes."""
    lanes = [ops.where(X > 2.0, p, X * k) for p, k in ((A, 1.0), (B, 2.0))]
    return A - lanes[0] * 0.1, B - lanes[1] * 0.1


def _updates() -> dict[str, dict[Node, Node]]:
    new_a, new_b = joined()
    return {
        "swapped": {A: B, B: A},
        "swapped and scaled": {A: B * 2.0, B: A * 3.0},
        "passed around": {A: B, B: C, C: A + B},
        "turned": {W: ops.transpose(U), U: ops.transpose(W) * 2.0},
        "with its own transpose": {W: W + ops.transpose(W)},
        "its own transpose": {W: ops.transpose(W)},
        "with itself": {A: A * A + A},
        "itself": {A: A, B: B + A},
        "a constant": {A: constant([1.0, 2.0, 3.0]), B: A * 2.0},
        "an input": {A: X, B: A},
        "the same for two": dict.fromkeys((A, B), A * 2.0 + B),
        "a stopped leaf": {A: ops.stop_gradient(B), B: ops.stop_gradient(A)},
        "one sees the other's new value": {A: new_a, B: new_b, S: ops.sum(new_a)},
        "one becomes the other's new value": {A: A - X, B: A - X},
        "a part of another": {A: W[0], W: W * 2.0},
        "broadcast": {A: ops.broadcast_to(S, (3,)) * 1.5, S: S + ops.sum(A)},
        "two rules on a row": {A: A - X * A, B: B - X, C: C - X * C},
    }


@pytest.mark.parametrize("updates", _updates().values(), ids=_updates().keys())
def test_new_values_are_made_of_old_ones(
    updates: dict[Node, Node], check: Callable[..., Any]
) -> None:
    named = {f"new {n.path}": new for n, new in updates.items()}
    changes = {f"change of {n.path}": new - n for n, new in updates.items()}
    values, feeds = start(A, B, C, W, U, S), [GOOD, BAD, GOOD]
    guards = (ops.sum(X),)
    old = {f"old {n.path}": n for n in updates}
    check(Definition({}, updates, guards), values, feeds, 1e-14)
    check(Definition(named, updates, guards), values, feeds, 1e-14)
    check(Definition(changes, updates, guards), values, feeds, 1e-14)
    check(Definition(old, updates, guards, changes), values, feeds, 1e-14)
    check(Definition({}, updates, guards, {**named, **old}), values, feeds, 1e-14)


def test_outputs_are_the_old_values_of_what_is_updated(
    check: Callable[..., Any],
) -> None:
    outputs = {"leaf": W, "view": ops.transpose(W)[1:], "row": W[0], "part": A[1:]}
    first, _ = check(
        Definition(outputs, {W: W * 2.0, A: A - X}), start(W, A), [GOOD] * 2
    )
    np.testing.assert_array_equal(first.outputs["leaf"], start(W)["w"])


def test_nothing_is_committed_where_a_guard_is_made_of_new_values(
    check: Callable[..., Any],
) -> None:
    new = A * X
    runs = check(Definition({}, {A: new}, (ops.sum(new),)), start(A), [GOOD, BAD, GOOD])
    assert [r.committed for r in runs] == [True, False, True]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_step_with_a_bad_guard_leaves_every_bit_of_the_state(
    bad: float, mlp: Callable[..., Any]
) -> None:
    network = mlp()
    state = Numpy(poison=True).allocate(network.definition, network.values)
    program = Numpy(poison=True).program(network.definition, state)
    assert program(network.feed(1)).committed
    before = {path: array.tobytes() for path, array in state.items()}
    result = program(network.feed(2, bad=True))
    assert not result.committed
    assert {path: array.tobytes() for path, array in state.items()} == before
    assert program(network.feed(2)).committed
    assert {path: array.tobytes() for path, array in state.items()} != before


def test_an_exception_while_trying_an_update_restores_the_state() -> None:
    definition = Definition({}, {A: A * X}, (ops.sum(X),), {"new": A * X})
    state = Numpy().allocate(definition, start(A))
    program = Numpy().program(definition, state)

    def fail() -> None:
        raise KeyboardInterrupt

    program._update.append(fail)
    with pytest.raises(KeyboardInterrupt):
        program(BAD)
    np.testing.assert_array_equal(state["a"], start(A)["a"])


def test_outputs_keep_their_values_until_the_next_run() -> None:
    """Neither the update, nor another program, nor loading a state changes them."""
    w = ops.exp(W)
    outputs = {
        "leaf": W,
        "view of a leaf": ops.transpose(W),
        "buffer": w,
        "view of a buffer": w[1:],
        "new": W * 0.5,
        "input": X,
    }
    definition = Definition(outputs, {W: W * 0.5})
    state = Numpy(poison=True).allocate(definition, start(W))
    program = Numpy(poison=True).program(definition, state)
    other = Numpy(poison=True).program(definition, state)
    result = program(GOOD)
    before = {name: value.copy() for name, value in result.outputs.items()}
    other(BAD)
    state.load({"w": np.zeros((3, 3))})
    for name, value in result.outputs.items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)
    np.testing.assert_array_equal(before["leaf"], start(W)["w"])


def test_inputs_are_not_modified_and_not_looked_at_later() -> None:
    y = ops.exp(X) + ops.negative(X)
    program = Numpy(poison=True).program(Definition({"x": X, "y": y}), State({}))
    mine = np.array([1.0, 2.0, 3.0])
    result = program({X: mine})
    np.testing.assert_array_equal(mine, [1.0, 2.0, 3.0])
    mine[:] = 0.0
    np.testing.assert_array_equal(result.outputs["x"], [1.0, 2.0, 3.0])


def test_the_state_is_not_modified_by_what_only_reads_it() -> None:
    """Parameters and constants live on after the last node that reads them."""
    fixed = constant([1.0, 2.0, 3.0])
    outputs = {"y": ops.exp(A) + X * fixed, "view": ops.negative(ops.transpose(W))}
    definition = Definition(outputs)
    state = Numpy(poison=True).allocate(definition, start(A, W))
    program = Numpy(poison=True).program(definition, state)
    first = program(GOOD).outputs["y"].copy()
    np.testing.assert_array_equal(program(GOOD).outputs["y"], first)
    for path, value in start(A, W).items():
        np.testing.assert_array_equal(state[path], value)


def test_one_node_as_several_outputs_and_constants(check: Callable[..., Any]) -> None:
    y = ops.exp(X)
    outputs = {"y": y, "again": y, "constant": constant([1.0, 2.0]), "x": X}
    check(
        Definition(outputs, observers={"too": y, "one": constant(1.0)}), {}, [GOOD] * 2
    )


def test_a_definition_of_observers_alone(check: Callable[..., Any]) -> None:
    observers = {"y": ops.exp(X), "number": constant(2.0) * ops.sum(A), "a": A}
    check(Definition({}, observers=observers), start(A), [GOOD] * 2)


def test_an_observer_follows_the_node_it_looks_at() -> None:
    """So the large node it looks at need not be kept for it."""
    big = leaf("input", "big", (100, 100), "float64")
    y, observers = big, {}
    for i in range(12):
        y = ops.tanh(ops.permute_dims(y, (1, 0)) @ y)
        observers[f"{i}"] = ops.max(y)
    plain = Numpy().program(Definition({"y": ops.sum(y)}), State({}))
    watching = Definition({"y": ops.sum(y)}, observers=observers)
    watched = Numpy().program(watching, State({}))
    assert watched.nbytes < plain.nbytes + big.spec.nbytes


def test_buffers_are_used_again() -> None:
    x = leaf("input", "x", (1000,), "float64")
    y = x
    for _ in range(30):
        y = ops.exp(y) * x
    program = Numpy().program(Definition({"y": y}), State({}))
    assert program.nbytes <= 2 * x.spec.nbytes


@pytest.mark.parametrize("dying", ["read only", "overlapping itself"])
def test_a_broadcast_view_of_a_dying_buffer_is_not_written_over(
    dying: str, check: Callable[..., Any]
) -> None:
    y = ops.exp(ops.reshape(X, (3, 1)))
    wide = ops.broadcast_to(y, (3, 4) if dying == "read only" else (3, 1))
    check(Definition({"y": ops.exp(wide)}), {}, [GOOD] * 2)


def test_views_of_one_buffer_in_one_operation(check: Callable[..., Any]) -> None:
    x = leaf("input", "x", (3, 3), "float64")
    y = ops.exp(x)
    turned = ops.transpose(y)
    outputs = {
        "with its transpose": ops.sin(y) * ops.transpose(ops.sin(y)),
        "transpose with part": turned + y[:1],
        "views only": ops.cos(x)[::2] * ops.cos(x)[:2],
        "twice": ops.sqrt(y) * ops.sqrt(y),
        "reshaped": ops.reshape(ops.transpose(ops.tanh(x)), (9,)) + 1.0,
    }
    feed = {x: np.random.default_rng(0).random((3, 3))}
    check(Definition(outputs), {}, [feed] * 2)


def test_a_chain_on_transposed_data_keeps_its_order_of_axes() -> None:
    x = leaf("input", "x", (4, 5), "float64")
    turned = ops.transpose(x)
    outputs = {
        "chain": ops.exp(turned) * turned - 1.0,
        "cast": ops.cast(turned, "float32"),
        "chosen": ops.where(turned > 0.0, turned, 0.0),
        "plain": ops.exp(x),
        "repeated": ops.exp(ops.broadcast_to(x[0], (4, 5))),
        "mixed": turned + ops.reshape(x, (5, 4)),
    }
    feed = {x: np.random.default_rng(0).standard_normal((4, 5))}
    got = Numpy().program(Definition(outputs), State({}))(feed).outputs
    wanted = Reference().program(Definition(outputs), State({}))(feed).outputs
    for name in outputs:
        np.testing.assert_array_equal(got[name], wanted[name])
    for name in ("chain", "cast", "chosen"):
        assert got[name].flags.f_contiguous, name
    for name in ("plain", "repeated", "mixed"):
        assert got[name].flags.c_contiguous, name


def test_values_of_another_dtype_are_converted_without_a_warning(
    check: Callable[..., Any],
) -> None:
    x = leaf("input", "x", (), "float32")
    n = leaf("input", "n", (2,), "int64")
    feed = {x: np.float64(1e300), n: np.array([1.0, np.nan])}
    check(Definition({"y": x * 2.0}), {}, [feed])
    check(Definition({"y": x * 2.0}), {}, [{x: 0.1}])


@pytest.mark.parametrize("executor", [Numpy(), Reference()], ids=lambda e: e.name)
def test_missing_and_misshapen_values_are_errors(executor: Any) -> None:
    program = executor.program(Definition({"y": X + A}), State(start(A)))
    with pytest.raises(Error, match=r"x.* has no value") as missing:
        program({})
    assert missing.value.code == "graph-no-value"
    with pytest.raises(Error, match=r"x.* got a value of shape \(3, 1\)") as shape:
        program({X: np.ones((3, 1))})
    assert shape.value.code == "graph-shape"
    with pytest.raises(Error, match="no a") as state:
        executor.program(Definition({"y": X + A}), State({}))(GOOD)
    assert state.value.code == "graph-no-value"
    with pytest.raises(Error, match="leaf a has no value"):
        executor.allocate(Definition({"y": A}), {})
    with pytest.raises(Error, match=r"leaf a of shape \(3,\) got .*\(2,\)"):
        executor.allocate(Definition({"y": A}), {"a": np.zeros(2)})


def test_a_deep_chain_is_planned() -> None:
    y = X
    for _ in range(5_000):
        y = y * 1.0001
    a = A
    for _ in range(5_000):
        a = a * 1.0001
    definition = Definition({"y": y}, {A: a})
    state = Numpy().allocate(definition, start(A))
    result = Numpy().program(definition, state)(GOOD)
    np.testing.assert_allclose(result.outputs["y"], GOOD[X] * 1.0001**5_000)
    np.testing.assert_allclose(state["a"], start(A)["a"] * 1.0001**5_000)


def test_a_view_of_a_leaf_is_read_before_the_leaf_changes(
    check: Callable[..., Any],
) -> None:
    """The view is made early; the leaf itself is read by nobody after its update."""
    turned = ops.transpose(W)
    definition = Definition({"y": ops.exp(turned)}, {W: W * 2.0, U: ops.sin(turned)})
    check(definition, start(W, U), [GOOD] * 3)


def test_new_values_are_written_over_old_ones() -> None:
    big = held("big", (5000,))
    definition = Definition({}, {big: big * 2.0})
    program = Numpy().program(definition, Numpy().allocate(definition, start(big)))
    assert program.nbytes == 0
    assert len(program._update) == 1


def test_an_operand_that_is_used_twice_is_written_over() -> None:
    y = ops.exp(leaf("input", "x", (5000,), "float64"))
    for _ in range(5):
        y = y * y
    assert Numpy().program(Definition({"y": y}), State({})).nbytes == y.spec.nbytes


def test_an_empty_view_of_what_is_repeated_is_not_written_to(
    check: Callable[..., Any],
) -> None:
    x = leaf("input", "x", (0, 2), "float64")
    wide = ops.broadcast_to(ops.exp(ops.reshape(x, (0, 2, 1))), (0, 2, 3))
    y = ops.reshape(wide, (0, 6)) * 2.0
    check(Definition({"y": y}), {}, [{x: np.zeros((0, 2))}])
