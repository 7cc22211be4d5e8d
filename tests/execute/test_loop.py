"""Rolled loops in a plan: the reference's values, on buffers that rounds share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nettrain.execute import Definition, State
from nettrain.execute.plan import Numpy
from nettrain.execute.reference import Reference
from nettrain.graph import adjoints, constant, gradients, leaf, topological
from nettrain.graph import operations as ops
from tests.graph.test_scan import Case, every_case, every_kind


@every_kind
@every_case
def test_values_and_gradients_of_two_orders_are_the_reference_s(
    kind: str, reverse: bool, check: Callable[..., Any]
) -> None:
    case = Case(kind, reverse)
    found = list(adjoints(case.cost, case.leaves).values())
    squares = ops.sum_of_squares(*found)
    second = gradients(squares, [case.x, case.w])
    named = [case.cost, *case.ends, *case.stacks, *found, *second]
    feeds = [case.feed(), {x: a * 0.5 for x, a in case.feed().items()}]
    # Operands lie in memory in another order than in the reference: BLAS may add
    # products in another order.
    outputs = {str(i): node for i, node in enumerate(named)}
    check(Definition(outputs), {}, feeds, rtol=1e-12)


@every_case
def test_a_value_that_is_read_as_a_whole(
    reverse: bool, check: Callable[..., Any]
) -> None:
    case = Case("gated", reverse)
    (loop,) = (n for n in topological([case.cost]) if n.op.name == "scan")
    cost = ops.sum(ops.sin(loop) * ops.sin(loop[3:])[0]) + case.cost
    found = adjoints(cost, case.leaves)
    second = adjoints(ops.sum_of_squares(*found.values()), case.leaves)
    third = adjoints(ops.sum(ops.square(second[case.w])), [case.u])
    nodes = [cost, loop, *found.values(), *second.values(), *third.values()]
    outputs = {str(i): node for i, node in enumerate(nodes)}
    check(Definition(outputs), {}, [case.feed()], rtol=1e-11)


def test_what_is_not_read_is_not_kept() -> None:
    case = Case("simple", False)

    def size(wanted: Any) -> int:
        definition = Definition({str(i): x for i, x in enumerate(wanted)})
        return Numpy().program(definition, State({})).nbytes

    stack, h = case.stacks[0].spec.nbytes, case.h.spec.nbytes
    assert size(case.stacks) - size(case.stacks[:1]) >= stack
    assert size(case.stacks[:1]) - size(case.ends[:1]) >= stack - h


def test_no_round_at_all(check: Callable[..., Any]) -> None:
    x, start = (
        leaf("input", "x", (0, 2), "float64"),
        leaf("input", "s", (2,), "float64"),
    )
    (end,), (stack,) = ops.scan(
        lambda c, s: ([c[0] + s[0]], [ops.exp(c[0])]), [start], [x]
    )
    feed = {x: np.zeros((0, 2)), start: np.ones(2)}
    (run,) = check(Definition({"end": end, "stack": stack}), {}, [feed])
    assert run


def test_a_state_that_a_loop_changes_is_read_before_it_is_written(
    check: Callable[..., Any],
) -> None:
    memory = leaf("state", "memory", (2, 3), "float64")
    x = leaf("input", "x", (4, 2, 3), "float64")
    (end,), (stack,) = ops.scan(
        lambda c, s: ([ops.tanh(c[0] + s[0])], [c[0]]), [memory], [x]
    )
    definition = Definition({"stack": stack}, {memory: end})
    rng = np.random.default_rng(0)
    feeds = [{x: rng.normal(size=(4, 2, 3))} for _ in range(3)]
    check(definition, {"memory": np.zeros((2, 3))}, feeds)


def test_memory_of_a_loop_does_not_grow_with_its_length() -> None:
    """But for what is asked of every round."""

    def own(length: int) -> int:
        x = leaf("input", "x", (length, 4), "float64")
        w = leaf("input", "w", (4, 4), "float64")

        def step(carries: Any, slices: Any) -> Any:
            h = carries[0]
            for _ in range(20):
                h = ops.sin(ops.exp(h) @ w + ops.tanh(h))
            return [h + slices[0]], []

        (end,), _ = ops.scan(
            step, [constant(np.zeros((1, 4)))], [ops.reshape(x, (length, 1, 4))]
        )
        program = Numpy().program(Definition({"end": end}), State({}))
        return program.nbytes

    assert own(100) == own(10) < 1024


@every_kind
def test_rounds_share_buffers_without_harm(kind: str) -> None:
    """Each round computes what the loop's rounds, one loop each, compute."""
    case = Case(kind, False)
    feed = case.feed()
    results = enumerate((*case.ends, *case.stacks))
    definition = Definition({str(i): node for i, node in results})
    program = Numpy(poison=True).program(definition, State({}))
    whole = {k: v.copy() for k, v in program(feed).outputs.items()}
    plain = Reference().program(definition, State({}))(feed).outputs
    for name, value in whole.items():
        np.testing.assert_allclose(value, plain[name], rtol=1e-12)
    h, c = feed[case.h], feed[case.c]
    one = Case(kind, False, length=1)
    for t in range(case.x.shape[0]):
        inner = {
            leaf_: feed[old] for leaf_, old in zip(one.leaves, case.leaves, strict=True)
        }
        inner |= {one.x: feed[case.x][t : t + 1], one.h: h, one.c: c}
        h, c = (
            Numpy().program(Definition({"e": e}), State({}))(inner).outputs["e"].copy()
            for e in one.ends
        )
    np.testing.assert_allclose(whole["0"], h, rtol=1e-12)
    np.testing.assert_allclose(whole["1"], c, rtol=1e-12)
