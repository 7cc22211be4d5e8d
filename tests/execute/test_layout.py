"""Flat vectors: which updates are joined, and that joining them changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nettrain.execute import Definition, layout
from nettrain.execute.layout import flatten
from nettrain.execute.plan import Numpy
from nettrain.graph import Node, gradients, leaf
from nettrain.graph import operations as ops

X = leaf("input", "x", (4,), "float64")
FEEDS = [{X: np.linspace(-1.0, 1.0, 4) * k} for k in (1.0, 2.0, -0.5)]


def held(name: str, shape: tuple[int, ...] = (4,), dtype: str = "float64") -> Node:
    return leaf("parameter", name, shape, dtype)


def start(*nodes: Node) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    return {n.path: rng.standard_normal(n.shape).astype(n.dtype) for n in nodes}


def pull(p: Node, k: float = 1.0) -> Node:
    """Something computed for p, of its shape, that is no part of an update's form."""
    return ops.where(p > 0.0, p, k)


def vectors(updates: dict[Node, Node]) -> set[tuple[str, ...]]:
    definition = Definition({}, updates)
    state = Numpy().allocate(definition, start(*updates))
    return set(state.vectors)


def test_leaves_of_one_rule_are_views_of_one_vector(mlp: Callable[..., Any]) -> None:
    network = mlp()
    state = Numpy().allocate(network.definition, network.values)
    weights, biases = ("w0", "w1", "w2"), ("b0", "b1", "b2")
    wanted = {weights, biases, *[tuple(f"{s}/{w}" for w in weights) for s in "mv"]}
    assert set(state.vectors) == wanted | {tuple(f"u/{b}" for b in biases)}
    for paths, vector in state.vectors.items():
        assert vector.flags.c_contiguous and vector.ctypes.data % 64 == 0
        flat = np.concatenate([state[path].reshape(-1) for path in paths])
        np.testing.assert_array_equal(flat, vector)
        assert all(np.shares_memory(state[path], vector) for path in paths)


def test_loading_keeps_the_views(mlp: Callable[..., Any]) -> None:
    network = mlp()
    state = Numpy().allocate(network.definition, network.values)
    program = Numpy(poison=True).program(network.definition, state)
    saved = state.snapshot()
    first = program(network.feed(1)).outputs["cost"].copy()
    assert not np.array_equal(state["w0"], saved["w0"])
    state.load(saved)
    for paths, vector in state.vectors.items():
        assert all(np.shares_memory(state[path], vector) for path in paths)
    np.testing.assert_array_equal(program(network.feed(1)).outputs["cost"], first)


def test_other_rules_are_kept_apart(check: Callable[..., Any]) -> None:
    a, b, c, d = (held(n) for n in "abcd")
    updates = {p: p - pull(p) * 0.1 for p in (a, b)}
    updates |= {p: p - pull(p) * 0.2 for p in (c, d)}
    assert vectors(updates) == {("a", "b"), ("c", "d")}
    check(Definition({}, updates), start(a, b, c, d), FEEDS)


def test_another_dtype_is_another_rule(check: Callable[..., Any]) -> None:
    nodes = [held(f"{d}{i}", (2, 2), d) for i in (0, 1) for d in ("float32", "float64")]
    updates = {p: p - pull(p) * 0.1 for p in nodes}
    assert vectors(updates) == {("float320", "float321"), ("float640", "float641")}
    check(Definition({}, updates), start(*nodes), FEEDS)


def test_places_of_another_dtype_are_another_rule(check: Callable[..., Any]) -> None:
    a, b = held("a"), held("b")
    narrow = ops.max(ops.stack([ops.cast(X, "float32")] * 2), 0)
    updates = {a: a - narrow, b: b - ops.max(ops.stack([X, X * 0.1]), 0)}
    assert vectors(updates) == set()
    check(Definition({}, updates), start(a, b), FEEDS)


def test_attributes_are_part_of_the_rule(check: Callable[..., Any]) -> None:
    a, b = held("a"), held("b")
    updates = {
        p: p - ops.cast(ops.cast(pull(p) * 3.0, dtype), "float64")
        for p, dtype in ((a, "float32"), (b, "int64"))
    }
    assert vectors(updates) == set()
    check(Definition({}, updates), start(a, b), FEEDS)


def test_gradients_that_are_views_are_laid_in_their_vector(
    check: Callable[..., Any],
) -> None:
    nodes = [held("a", (2, 3)), held("b", (4, 2))]
    updates = {p: p - ops.transpose(pull(ops.transpose(p))) * 0.1 for p in nodes}
    assert vectors(updates) == {("a", "b")}
    check(Definition({}, updates), start(*nodes), FEEDS)


def test_observers_of_new_values_do_not_compute_them_again(
    mlp: Callable[..., Any],
) -> None:
    network = mlp()
    plain = network.definition
    new = {node.path: value for node, value in plain.updates.items()}
    state = Numpy().allocate(plain, network.values)
    watched = replace(plain, observers=new)
    lengths = [len(Numpy().program(d, state)._update) for d in (plain, watched)]
    assert lengths[1] <= lengths[0] + len(new)


def test_a_slot_of_another_dtype_than_its_parameter(check: Callable[..., Any]) -> None:
    updates: dict[Node, Node] = {}
    for name, shape in (("a", (4,)), ("b", (2, 3))):
        p = held(name, shape, "float32")
        m = leaf("state", f"m/{name}", shape, "float64")
        new = m * 0.9 + ops.cast(pull(p), "float64")
        updates |= {p: p - ops.cast(new, "float32") * 0.1, m: new}
    assert vectors(updates) == {("a", "b"), ("m/a", "m/b")}
    check(Definition({}, updates), start(*updates), FEEDS)


def test_tied_weights(check: Callable[..., Any]) -> None:
    """A weight used twice, once transposed, beside two used once."""
    x = leaf("input", "x", (5, 3), "float64")
    w, u, v = (held(name, (3, 2)) for name in "wuv")
    hidden = ops.tanh(x @ w) + ops.tanh(x @ u) * ops.tanh(x @ v)
    cost = ops.mean(ops.square(hidden @ ops.transpose(w) - x))
    found = gradients(cost, [w, u, v])
    updates = {p: p - g * 0.1 for p, g in zip((w, u, v), found, strict=True)}
    assert vectors(updates) == {("u", "v")}
    feed = {x: np.random.default_rng(0).standard_normal((5, 3))}
    check(
        Definition({"cost": cost}, updates, (cost,)), start(w, u, v), [feed] * 4, 1e-12
    )


def test_one_gradient_for_two_parameters_is_not_joined(
    check: Callable[..., Any],
) -> None:
    a, b = held("a"), held("b")
    same = ops.where(X > 0.0, a, b)
    updates = {a: a - same * 0.1, b: b - same * 0.1}
    assert vectors(updates) == set()
    check(Definition({}, updates), start(a, b), FEEDS)


def test_a_gradient_that_is_another_rule_s_too(check: Callable[..., Any]) -> None:
    a, b, c, d = (held(n) for n in "abcd")
    g, h = pull(a), pull(b)
    updates = {a: a - g * 0.1, b: b - h * 0.1, c: c + g, d: d + h}
    assert len(vectors(updates)) == 1
    check(Definition({"g": g}, updates), start(a, b, c, d), FEEDS)


def test_running_means_are_not_joined_with_what_is_broadcast(
    check: Callable[..., Any],
) -> None:
    """A batch norm: r = 0.9 r + 0.1 mean; a scale made of the old r, a row."""
    x = leaf("input", "x", (5, 4), "float64")
    r, s = leaf("state", "r", (4,), "float64"), leaf("state", "s", (4,), "float64")
    w, v = held("w", (5, 4)), held("v", (5, 4))
    mean = ops.mean(x, axis=0)
    row = ops.sum(ops.exp(x), axis=1, keepdims=True)
    updates = {
        r: r * 0.9 + mean * 0.1,
        s: s * 0.9 + ops.mean(x * w, axis=0) * 0.1,
        w: w * r - row,
        v: v * s - row,
    }
    assert vectors(updates) == {("r", "s")}
    feed = {x: np.random.default_rng(0).standard_normal((5, 4))}
    values = {**start(w, v), "r": np.ones(4), "s": np.zeros(4)}
    check(Definition({"mean": r}, updates), values, [feed] * 3, 1e-12)


@pytest.mark.parametrize(
    "new",
    [
        lambda p: X * 0.1,
        lambda p: p * 0.5,
        lambda p: X,
        lambda p: p,
        lambda p: pull(p),
        lambda p: p - X,
        lambda p: ops.broadcast_to(ops.sum(p), (4,)),
        lambda p: p - ops.sum(pull(p), keepdims=True),
        lambda p: p - np.arange(4.0),
    ],
)
def test_updates_of_every_form(new: Any, check: Callable[..., Any]) -> None:
    nodes = [held(n) for n in "abc"]
    updates = {p: new(p) for p in nodes}
    observers = {f"change {p.path}": new - p for p, new in updates.items()}
    check(Definition({}, updates), start(*nodes), FEEDS, 1e-14)
    check(Definition({}, updates, (), observers), start(*nodes), FEEDS, 1e-14)


def test_empty_and_scalar_parameters(check: Callable[..., Any]) -> None:
    nodes = [held("a", (0, 3)), held("b", (0, 2)), held("c", ()), held("d", ())]
    updates = {p: p - pull(p) * 0.1 for p in nodes}
    check(Definition({}, updates), start(*nodes), FEEDS)


@pytest.mark.parametrize("block", [1, 3, 4, 7, 100])
def test_blocks_give_the_same_bits(
    block: int,
    mlp: Callable[..., Any],
    run: Callable[..., Any],
    compare: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = mlp("float32")
    feeds = [network.feed(i) for i in range(1, 5)]
    whole = run(Numpy(poison=True), network.definition, network.values, feeds)
    monkeypatch.setattr(layout, "BLOCK", block)
    parts = run(Numpy(poison=True), network.definition, network.values, feeds)
    compare(parts, whole)
    flat = flatten(network.definition.updates)
    for vector in (*flat.states, *flat.lanes):
        sizes = [node.spec.size for node, _ in vector.block_slices()]
        assert sum(sizes) == vector.spec.size
        assert set(sizes[:-1]) <= {block} and 0 < sizes[-1] <= block


def test_there_are_never_too_many_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "BLOCK", 1)
    nodes = [held("a", (300, 3)), held("b", (7,))]
    (vector,) = flatten({p: p - pull(p) for p in nodes}).states
    assert len(vector.blocks) <= layout.MOST_BLOCKS


def test_what_two_forms_share_is_computed_once() -> None:
    """A moment's new value is part of the parameter's own."""
    updates: dict[Node, Node] = {}
    for p in (held("a"), held("b")):
        m = leaf("state", f"m/{p.path}", p.shape, p.dtype)
        new = m + pull(p)
        updates |= {p: p - ops.sin(new), m: new}
    flat = flatten(updates)
    (one, other) = flat.updates.values()
    assert other in one.inputs[1].inputs


def test_a_form_with_many_shared_nodes_is_read_in_linear_time() -> None:
    nodes = [held("a"), held("b")]
    updates = {}
    for p in nodes:
        new = pull(p)
        for _ in range(200):
            new = new + new
        updates[p] = new
    assert len(flatten(updates).states) == 1


def test_the_programs_of_one_state_need_not_agree_on_vectors(
    check: Callable[..., Any], run: Callable[..., Any], compare: Callable[..., Any]
) -> None:
    a, b, c = (held(n) for n in "abc")
    three = Definition({}, {p: p - pull(p) * 0.1 for p in (a, b, c)})
    two = Definition({}, {p: p - pull(p) * 0.1 for p in (a, b)})
    values, executor = start(a, b, c), Numpy(poison=True)
    state = executor.allocate(three, values)
    found = run(executor, two, values, FEEDS, state)
    wanted = run(executor, two, values, FEEDS)
    for one in found:
        one.state.pop("c")
    compare(found, wanted)
