"""Random programs: shared nodes, views of views, dying operands, state, observers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nettrain.execute import Definition, layout
from nettrain.execute.plan import Numpy
from nettrain.graph import Node, constant, leaf
from nettrain.graph import operations as ops

STATE = ((3, 4), (3, 4), (4, 3), (4, 3), (12,), (4,), (3, 4), ())
SHAPES = ((3, 4), (4, 3), (4,), (3, 1), (1, 4), (12,), ())
UNARY = (ops.tanh, ops.sin, ops.sigmoid, ops.relu, ops.negative, ops.absolute)
JUMPS = (ops.step, ops.sign)
BINARY = (ops.add, ops.subtract, ops.multiply, ops.maximum, ops.minimum)

quick = settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
STEPS = st.lists(
    st.tuples(*[st.integers(0, 999)] * 4), min_size=3, max_size=24, unique=True
)
PICKS = st.lists(st.integers(0, 999), min_size=4, max_size=10)


class Growing:
    """Nodes gathered so far, each made of earlier ones as some integers say.

    Args:
        exact: only operations whose bits do not depend on order or blocking.
    """

    def __init__(self, exact: bool) -> None:
        self.exact = exact
        self.inputs = [
            leaf("input", f"x{i}", s, "float64") for i, s in enumerate(SHAPES)
        ]
        self.state = [
            leaf("parameter" if i % 2 else "state", f"s{i}", s, "float64")
            for i, s in enumerate(
                [(3, 4), (3, 4), (4, 3), (4, 3), (12,), (4,), (3, 4), ()]
            )
        ]
        fixed = [constant(np.linspace(-1.0, 1.0, 12).reshape(3, 4)), constant(0.75)]
        self.nodes: list[Node] = [*self.inputs, *self.state, *fixed]

    def add(self, step: tuple[int, int, int, int]) -> None:
        kind, i, j, k = step
        # The latest nodes are the likeliest, so that chains grow long.
        a = self.nodes[-1 - i % min(len(self.nodes), 6 if i % 3 else len(self.nodes))]
        b = self.nodes[j % len(self.nodes)]
        makers = (self._unary, self._binary, self._binary, self._view, self._view)
        makers += (self._reduce, self._join, self._product)
        self.nodes.append(makers[kind % len(makers)](a, b, k))

    def _unary(self, a: Node, b: Node, k: int) -> Node:
        functions = UNARY + (JUMPS if self.exact else ())
        return functions[k % len(functions)](a)

    def _binary(self, a: Node, b: Node, k: int) -> Node:
        try:
            np.broadcast_shapes(a.shape, b.shape)
        except ValueError:
            b = a
        return BINARY[k % len(BINARY)](a, b)

    def _view(self, a: Node, b: Node, k: int) -> Node:
        rank = len(a.shape)
        choices = [
            lambda: ops.permute_dims(a, tuple(reversed(range(rank)))),
            lambda: ops.reshape(a, (-1,)),
            lambda: ops.expand_dims(a, k % (rank + 1)) if rank < 3 else a,
            lambda: a[::2] if rank else a,
            lambda: a[..., k % a.shape[-1] :] if rank else a,
            lambda: ops.broadcast_to(a, (2, *a.shape)) if rank < 3 else a,
            lambda: ops.stop_gradient(a),
            lambda: ops.reshape(a, (3, 4)) if a.spec.size == 12 else a,
            lambda: ops.reshape(a, (4, 3)) if a.spec.size == 12 else a,
        ]
        return choices[k % len(choices)]()

    def _reduce(self, a: Node, b: Node, k: int) -> Node:
        axis = k % len(a.shape) if a.shape else None
        if self.exact:
            return ops.max(a, axis, keepdims=k % 2 == 0)
        reducers = (ops.sum, ops.logsumexp, ops.max, ops.mean)
        return reducers[k % 4](a, axis, keepdims=k % 8 < 4)

    def _join(self, a: Node, b: Node, k: int) -> Node:
        if k % 3 == 0 and a.shape:
            return ops.concat(
                [a, ops.negative(a)] if k % 2 else [a, a], k % len(a.shape)
            )
        if k % 3 == 1 and a.shape:
            return ops.pad(a, (k % 2,) * len(a.shape), (1,) * len(a.shape))
        if self.exact and a.shape == b.shape:
            return ops.where(a > b, a, 0.5)
        return ops.cast(ops.cast(a, "float32"), "float64") if self.exact else a * 0.5

    def _product(self, a: Node, b: Node, k: int) -> Node:
        if self.exact or len(a.shape) < 2:
            return ops.square(ops.tanh(a))
        other = b if b.shape[-2:] == a.shape[-2:] else a
        return ops.tanh(a @ ops.transpose(other))


def program(
    steps: list[tuple[int, int, int, int]], picks: list[int], exact: bool
) -> tuple[Definition, dict[str, np.ndarray], list[dict[Node, Any]]]:
    """A definition with outputs, updates, a guard and observers, and data for it."""
    growing = Growing(exact)
    for step in steps:
        growing.add(step)
    nodes = growing.nodes
    one, two, three, *rest = picks
    updates = {}
    for i, pick in enumerate(rest):
        target = growing.state[(i + one) % len(growing.state)]
        fitting = [n for n in nodes if n.spec == target.spec]
        new = fitting[-1 - pick % len(fitting)]
        # One rule for many, so that they are laid out in a vector.
        plain = new if pick % 3 == 0 else target * 0.5 + ops.tanh(new) * 0.25
        updates[target] = (
            plain if pick % 3 < 2 else target - ops.stop_gradient(new) * 0.5
        )
    reading = [*nodes, *updates.values()]
    outputs = {
        f"o{i}": reading[-1 - p % len(reading)] for i, p in enumerate([one, two])
    }
    differences = {f"d{t.path}": new - t for t, new in updates.items()}
    seen = ops.summary(reading[-1 - three % len(reading)])
    observers = {"seen": seen, **differences}
    guard = ops.max(reading[three % len(reading)])
    rng = np.random.default_rng(picks)
    values = {s.path: rng.uniform(-1, 1, s.shape) for s in growing.state}
    feeds = [{x: rng.uniform(-1, 1, x.shape) for x in growing.inputs} for _ in range(3)]
    feeds[1][growing.inputs[one % len(growing.inputs)]] *= (
        np.inf if one % 4 == 0 else 1.0
    )
    return Definition(outputs, updates, (guard,), observers), values, feeds


@given(STEPS, PICKS)
@quick
def test_exact_operations_have_the_bits_of_the_reference(
    check: Callable[..., Any], steps: Any, picks: Any
) -> None:
    definition, values, feeds = program(steps, picks, exact=True)
    summary = {"seen": definition.observers["seen"]}
    rest = {k: v for k, v in definition.observers.items() if k not in summary}
    bitwise = Definition(
        definition.outputs, definition.updates, definition.guards, rest
    )
    check(bitwise, values, feeds)
    check(definition, values, feeds, 1e-9)


@given(STEPS, PICKS)
@quick
def test_sums_and_products_agree_with_the_reference(
    check: Callable[..., Any], steps: Any, picks: Any
) -> None:
    check(*program(steps, picks, exact=False), rtol=1e-9)


@given(STEPS, PICKS)
@quick
def test_observers_change_no_bit(
    run: Callable[..., Any], compare: Callable[..., Any], steps: Any, picks: Any
) -> None:
    observed, values, feeds = program(steps, picks, exact=False)
    plain = replace(observed, observers={})
    found = run(Numpy(poison=True), observed, values, feeds)
    wanted = run(Numpy(poison=True), plain, values, feeds)
    for one, other in zip(found, wanted, strict=True):
        one.outputs = {name: one.outputs[name] for name in other.outputs}
        one.state = {path: one.state[path] for path in other.state}
    compare(found, wanted)


@given(STEPS, PICKS)
@settings(quick, max_examples=60)
def test_blocks_change_no_bit(
    run: Callable[..., Any], compare: Callable[..., Any], steps: Any, picks: Any
) -> None:
    definition, values, feeds = program(steps, picks, exact=False)
    whole = run(Numpy(poison=True), definition, values, feeds)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "BLOCK", 5)
        compare(run(Numpy(poison=True), definition, values, feeds), whole)
