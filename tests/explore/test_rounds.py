"""Of the nodes of a loop's body: their values and gradients in every round."""

from __future__ import annotations

import numpy as np
import pytest

from nettrain.explore import Evaluation, evaluate, wording
from nettrain.explore.rounds import Rounds, rounds
from nettrain.graph import Node, variables
from nettrain.graph import operations as ops
from nettrain.graph.operations.scan import Scan, scan


def recurrence(reverse: bool, shape: tuple[int, ...] = (2, 3)) -> Evaluation:
    """Σ h_T + Σ_t t h_t, with h_t = tanh(x_t u + h_{t-1})."""
    start = variables("start", shape)
    x, u = variables("x", (5, *shape)), variables("u", shape)

    def step(carry: tuple[Node, ...], now: tuple[Node, ...]) -> tuple[list[Node], ...]:
        h = ops.tanh(now[0] * u + carry[0])
        return [h], [h]

    (last,), (stack,) = scan(step, [start], [x], reverse=reverse)
    weights = np.arange(5.0).reshape((5,) + (1,) * len(shape))
    cost = ops.sum(last) + ops.sum(stack * weights)
    random = np.random.default_rng(0)
    values = {node: random.normal(size=node.shape) for node in (start, x, u)}
    return evaluate(cost, values)


def seen(e: Evaluation) -> tuple[Node, Scan, Rounds]:
    (node,) = (n for n in e.nodes if isinstance(n.op, Scan))
    assert isinstance(node.op, Scan)
    return node, node.op, rounds(node, e.value, e.gradient[node])


@pytest.mark.parametrize("reverse", [False, True])
def test_slices_and_carries_have_the_gradients_of_what_is_around(reverse: bool) -> None:
    e = recurrence(reverse)
    node, op, found = seen(e)
    start, x, _ = node.inputs
    first = 4 if reverse else 0
    (carry,), (now,) = op.body.carries, op.body.slices
    each = [wording.rms(row) for row in e.gradient[x]]
    np.testing.assert_allclose(found.gradient[now], each, rtol=1e-12)
    assert found.gradient[carry][first] == pytest.approx(wording.rms(e.gradient[start]))
    each = [wording.rms(row) for row in e.value[x]]
    np.testing.assert_allclose(found.value[now], each, rtol=1e-12)
    assert found.value[carry][first] == pytest.approx(wording.rms(e.value[start]))


@pytest.mark.parametrize("reverse", [False, True])
def test_results_have_the_values_that_the_loop_gives(reverse: bool) -> None:
    e = recurrence(reverse)
    node, op, found = seen(e)
    (_, (where, shape)) = op.parts()
    stack = e.value[node][where].reshape(shape)
    h = op.body.outputs[0]
    each = [wording.rms(row) for row in stack]
    np.testing.assert_allclose(found.value[h], each, rtol=1e-12)
    # What the last round leaves gets what comes back to both of its uses.
    last = 0 if reverse else 4
    assert found.gradient[h][last] == pytest.approx(1.0 + last)


def test_of_a_number_the_number_itself_is_kept() -> None:
    e = recurrence(False, ())
    node, op, found = seen(e)
    np.testing.assert_allclose(found.value[op.body.slices[0]], e.value[node.inputs[1]])
    slope = found.gradient[op.body.slices[0]]
    np.testing.assert_allclose(slope, e.gradient[node.inputs[1]], rtol=1e-12)


def test_where_nothing_comes_back_there_are_no_gradients() -> None:
    e = recurrence(False)
    node, op, _ = seen(e)
    found = rounds(node, e.value, None)
    assert found.gradient == {}
    assert set(op.body.order) <= found.value.keys()
