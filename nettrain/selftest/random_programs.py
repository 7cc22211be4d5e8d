"""Random programs: shared nodes, views of views, dying operands, state, observers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nettrain.execute import Definition
from nettrain.graph import Node, constant, leaf
from nettrain.graph import operations as ops
from nettrain.selftest.programs import Feed

STATE = ((3, 4), (3, 4), (4, 3), (4, 3), (12,), (4,), (3, 4), ())
SHAPES = ((3, 4), (4, 3), (4,), (3, 1), (1, 4), (12,), ())
UNARY = (ops.tanh, ops.sin, ops.sigmoid, ops.relu, ops.negative, ops.absolute)
JUMPS = (ops.step, ops.sign)
BINARY = (ops.add, ops.subtract, ops.multiply, ops.maximum, ops.minimum)

Step = tuple[int, int, int, int]
Program = tuple[Definition, dict[str, np.ndarray], list[Feed]]
"""A definition, what its state starts with, and its inputs for three runs."""


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
            for i, s in enumerate(STATE)
        ]
        fixed = [constant(np.linspace(-1.0, 1.0, 12).reshape(3, 4)), constant(0.75)]
        self.nodes: list[Node] = [*self.inputs, *self.state, *fixed]

    def add(self, step: Step) -> None:
        """One more node: which operation, on which nodes, with what attribute."""
        kind, i, j, k = step
        # The latest nodes are the likeliest, so that chains grow long.
        a = self.nodes[-1 - i % min(len(self.nodes), 6 if i % 3 else len(self.nodes))]
        b = self.nodes[j % len(self.nodes)]
        makers = [self._unary, self._binary, self._binary, self._view, self._view]
        makers += [self._reduce, self._join, self._product]
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


def drawn(seed: int, exact: bool) -> Program:
    """The random program of a seed."""
    rng = np.random.default_rng(seed)
    steps = rng.integers(0, 1000, (int(rng.integers(3, 25)), 4)).tolist()
    picks = rng.integers(0, 1000, int(rng.integers(4, 11))).tolist()
    return program([(i, j, k, m) for i, j, k, m in steps], picks, exact)


def program(steps: Sequence[Step], picks: Sequence[int], exact: bool) -> Program:
    """A definition with outputs, updates, a guard and observers, and data for it.

    Args:
        steps: what each further node is, see `Growing.add`.
        picks: at least four, by which outputs, updates and the guard are chosen.
        exact: only operations whose bits do not depend on order or blocking.
    """
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
