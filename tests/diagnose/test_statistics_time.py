"""Statistics of a loop's time steps against backpropagation through time by hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from nettrain.diagnose import statistics
from nettrain.execute.reference import evaluate
from nettrain.graph import Node, leaf, scope
from nettrain.graph import operations as ops

STEPS, ROWS, UNITS = 4, 3, 2
WATCHED = (0, 2, 3)


@dataclass
class Loop:
    """h_t = tanh(given_t + h_{t-1} R), cost Σ h_T² · w; a layer behind it, w."""

    given: Node
    recurrent: Node
    cost: Node
    within: dict[Node, list[tuple[int, Node]]]
    values: dict[Node, np.ndarray]


def node(z: Node, layer: str) -> Node:
    with scope(f"model/{layer}"):
        z = z * 1.0  # a node of this scope
        return z.named("pre_activation", role="pre_activation", unit_axis=-1)


@pytest.fixture
def loop() -> Loop:
    draw = np.random.default_rng(3)
    given = leaf("input", "given", (STEPS, ROWS, UNITS), "float64")
    r = leaf("parameter", "recurrent", (UNITS, UNITS), "float64", scope="model/rnn1")
    w = leaf("parameter", "weight", (UNITS, UNITS), "float64", scope="model/dense1")
    start = leaf("input", "start", (ROWS, UNITS), "float64")
    whole = given * 1.0

    def step(memory: list[Node], now: list[Node]) -> tuple[list[Node], list[Node]]:
        z = now[0] + memory[0] @ r
        return [ops.tanh(z)], [z]

    (last,), (z,) = ops.scan(step, [start], [whole])
    steps = [(t, node(z[t], f"rnn1/t{t + 1}")) for t in WATCHED]
    cost = ops.sum(ops.square(node(last @ w, "dense1")))
    values = {n: draw.normal(size=n.shape) for n in (given, r, w, start)}
    return Loop(whole, r, cost, {whole: steps}, values)


def by_hand(loop: Loop) -> tuple[np.ndarray, np.ndarray]:
    """z_t and dC/dz_t of all time steps, each (T, N, U)."""
    given, r, w, h = loop.values.values()
    z = np.zeros_like(given)
    states = []
    for t in range(STEPS):
        z[t] = given[t] + h @ r
        h = np.tanh(z[t])
        states.append(h)
    delta, back = np.zeros_like(z), 2 * (h @ w) @ w.T
    for t in reversed(range(STEPS)):
        delta[t] = back * (1 - states[t] ** 2)
        back = delta[t] @ r.T
    return z, delta


def test_time_steps_are_watched_where_their_loop_begins(loop: Loop) -> None:
    paths = [z.path for z in statistics.watched(loop.cost, loop.within)]
    names = [f"rnn1/t{t + 1}" for t in WATCHED] + ["dense1"]
    assert paths == [f"model/{name}/pre_activation" for name in names]
    alone = [z.path for z in statistics.watched(loop.cost)]
    assert alone == ["model/dense1/pre_activation"]


def test_a_node_that_begins_a_loop_is_not_watched_beside_its_steps(loop: Loop) -> None:
    """As where what the input gives is itself a layer's output."""
    marked = node(loop.given, "dense0")
    cost = ops.sum(ops.square(marked))
    ((_, steps),) = loop.within.items()
    assert statistics.watched(cost, {marked: steps}) == [z for _, z in steps]


def test_each_time_step_has_the_gradient_that_came_back_to_it(loop: Loop) -> None:
    found = statistics.backwards(loop.cost, [loop.recurrent], loop.within)
    z, delta = by_hand(loop)
    ((whole, steps),) = loop.within.items()
    nodes = [n for _, n in steps]
    wanted = [*nodes, *(found[n] for n in nodes), found[whole], found[loop.recurrent]]
    values = evaluate(wanted, loop.values)
    for t, own in steps:
        np.testing.assert_allclose(values[own], z[t])
        np.testing.assert_allclose(values[found[own]], delta[t])
    np.testing.assert_allclose(values[found[whole]], delta)
    before = np.concatenate([[list(loop.values.values())[3]], np.tanh(z[:-1])])
    total = np.einsum("tnu,tnv->uv", before, delta)
    np.testing.assert_allclose(values[found[loop.recurrent]], total)


def test_a_loop_that_nothing_comes_back_to_has_no_gradients(loop: Loop) -> None:
    cost = ops.sum(ops.square(loop.recurrent))
    found = statistics.backwards(cost, [loop.recurrent], loop.within)
    assert set(found) == {loop.recurrent}


def test_every_time_step_has_its_rows_and_summaries(loop: Loop) -> None:
    found = statistics.backwards(loop.cost, [loop.recurrent], loop.within)
    watch = statistics.watch(
        loop.cost, found, [loop.recurrent], neurons={}, new_values={},
        within=loop.within,
    )  # fmt: skip
    means = evaluate(list(watch.observers.values()), loop.values)
    outputs = {name: means[n] for name, n in watch.observers.items()}
    rows = {row["node"]: row for row in watch.rows(1, 1, outputs)}
    z, delta = by_hand(loop)
    for t in WATCHED:
        row = rows[f"model/rnn1/t{t + 1}/pre_activation"]
        assert row["value_rms"] == pytest.approx(np.sqrt(np.mean(z[t] ** 2)))
        assert row["gradient_rms"] == pytest.approx(np.sqrt(np.mean(delta[t] ** 2)))
    assert len(rows) == len(WATCHED) + 2
    assert list(watch.positions.values()) == [1, 1, 1, 1]
