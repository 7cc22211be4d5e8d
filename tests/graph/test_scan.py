"""Rolled loops: the same values and gradients as their rounds written out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from nettrain.errors import Error
from nettrain.execute.reference import evaluate
from nettrain.graph import Leaf, Node, adjoints, constant, gradients, topological
from nettrain.graph import operations as ops
from nettrain.graph.loops import merging
from nettrain.graph.node import variables
from nettrain.graph.operations.scan import Scan, unroll
from nettrain.graph.rewrite import rewrite, sharing

T, N, F, H = 5, 3, 4, 6
Nodes = tuple[Node, ...]


class Case:
    """A loop over x (T, N, F) with weights, and a cost of all that it gives."""

    def __init__(self, kind: str, reverse: bool, length: int = T) -> None:
        self.x = variables("x", (length, N, F))
        self.w, self.u = variables("w", (F, H)), variables("u", (H, H))
        self.b, self.h = variables("b", (H,)), variables("h", (N, H))
        self.c = variables("c", (N, H))
        step: Callable[[Nodes, Nodes], tuple[Sequence[Node], Sequence[Node]]]
        step = getattr(self, kind)
        ends, stacks = ops.scan(step, [self.h, self.c], [self.x], reverse=reverse)
        self.ends, self.stacks = ends, stacks
        self.cost = ops.sum(ops.square(ends[0]))
        if stacks:  # every time step counts otherwise, and one most
            when = constant(np.arange(1.0, length + 1).reshape(-1, 1, 1))
            self.cost += ops.sum(stacks[0] * ops.sin(stacks[0]) * when)
            self.cost += ops.sum(ops.exp(stacks[0][length // 2 :: 2]))

    @property
    def leaves(self) -> list[Node]:
        return [self.x, self.w, self.u, self.b, self.h, self.c]

    def feed(self) -> dict[Node, np.ndarray]:
        rng = np.random.default_rng(1)
        return {leaf: rng.normal(size=leaf.shape) for leaf in self.leaves}

    def simple(self, carries: Nodes, slices: Nodes) -> tuple[Nodes, Nodes]:
        """One carry is never used for what is asked of the loop."""
        h, c = carries
        z = slices[0] @ self.w + h @ self.u + self.b
        return (ops.tanh(z), c * 0.5), (ops.tanh(z), z)

    def gated(self, carries: Nodes, slices: Nodes) -> tuple[Nodes, Nodes]:
        """Slices, a where, a product with a scalar weight, and carries that meet."""
        h, c = carries
        z = ops.concat([slices[0] @ self.w + self.b, h @ self.u], -1)
        gate = ops.sigmoid(z[:, :H])
        new = gate * c + (1.0 - gate) * ops.tanh(z[:, H:])
        kept = ops.where(new > 0.0, new, new * 0.1)
        return (kept * ops.tanh(c), kept * self.b[0]), (kept, gate)

    def swapped(self, carries: Nodes, slices: Nodes) -> tuple[Nodes, Nodes]:
        """Each carry is the other one's successor, and one is put out as it came."""
        h, c = carries
        return (c, h + slices[0] @ self.w * self.u[0] + self.b), (h, c)

    def twice(self, carries: Nodes, slices: Nodes) -> tuple[Nodes, Nodes]:
        """Weights in several places of a round, some of them in no product with it."""
        h, c = carries
        x = ops.mean(slices[0])
        z = h @ self.u + c @ self.u + ops.sum(ops.exp(-ops.square(self.u * x)), 0)
        y = ops.sum(ops.square(self.w * x)) + ops.sum(slices[0] @ self.w + self.w[0], 0)
        inner = ops.sum(self.u @ (ops.transpose(self.w) + ops.sum(slices[0], 0)), 1)
        return (ops.tanh(z) + inner, ops.sin(y + c)), ()

    def views(self, carries: Nodes, slices: Nodes) -> tuple[Nodes, Nodes]:
        """Values that are looked at in two ways, and put out in part."""
        h, c = carries
        z = h @ self.u + slices[0] @ self.w
        turned = ops.transpose(z)
        grown = ops.exp(turned * 0.1)
        gate = ops.transpose(ops.sigmoid(z)) * turned
        new = ops.transpose(grown + gate)
        part = ops.tanh(c + self.b)
        after = (new @ self.u) * (c @ self.u) * (part @ self.u)
        return (ops.sin(new), ops.tanh(after)), (part[:, 1:4], turned)

    def vectors(self, carries: Nodes, slices: Nodes) -> tuple[Nodes, Nodes]:
        """A weight whose gradient no product over all rounds gives."""
        h, c = carries
        new = h * ops.exp(-ops.square(self.u[0] * 0.1)) + slices[0] @ self.w
        total = ops.sum(new, 0, keepdims=True) * ops.sum(self.u)
        return (new, c + ops.tanh(total) + self.b), (new + c,)


every_case = pytest.mark.parametrize("reverse", [False, True], ids=["on", "back"])
every_kind = pytest.mark.parametrize(
    "kind", ["simple", "gated", "swapped", "twice", "views", "vectors"]
)


def unrolled(node: Node) -> Node:
    return rewrite([node], unroll)[node]


@every_kind
@every_case
def test_values_and_gradients_of_any_order_are_those_of_the_unrolled_loop(
    kind: str, reverse: bool
) -> None:
    case = Case(kind, reverse)
    flat = unrolled(case.cost)
    assert not any(isinstance(node.op, Scan) for node in topological([flat]))
    pairs = [(case.cost, flat)]
    for _ in range(2):
        found = [adjoints(cost, case.leaves) for cost in pairs[-1]]
        assert found[0].keys() == found[1].keys()
        pairs += [(found[0][x], found[1][x]) for x in found[0]]
        squares = [
            sum((ops.sum(ops.square(g)) for g in f.values()), start=constant(0.0))
            for f in found
        ]
        pairs.append((squares[0], squares[1]))
    values = evaluate([node for pair in pairs for node in pair], case.feed())
    for rolled, written in pairs:
        np.testing.assert_allclose(
            values[rolled], values[written], rtol=1e-10, atol=1e-10
        )


@every_case
def test_gradients_of_any_part_of_the_value(reverse: bool) -> None:
    case = Case("simple", reverse)
    nodes = topological([case.cost])
    (loop,) = [n for n in nodes if isinstance(n.op, Scan)]
    written = unroll(loop)
    costs = []
    for value in (loop, written):
        size = value.shape[0]
        parts = [value[:], value[7:50], value[40 : size - 3 : 3], value[-20:]]
        costs.append(sum((ops.sum(ops.sin(p)) for p in parts), start=constant(0.0)))
    found = [gradients(cost, case.leaves) for cost in costs]
    values = evaluate([*found[0], *found[1]], case.feed())
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(values[a], values[b], rtol=1e-10, atol=1e-12)


@every_case
def test_stacks_keep_their_step_and_ends_are_those_of_the_last_round(
    reverse: bool,
) -> None:
    case = Case("simple", reverse)
    feed = case.feed()
    values = evaluate([*case.ends, *case.stacks], feed)
    h = feed[case.h]
    for t in range(T)[:: -1 if reverse else 1]:
        z = feed[case.x][t] @ feed[case.w] + h @ feed[case.u] + feed[case.b]
        h = np.tanh(z)
        np.testing.assert_allclose(values[case.stacks[0]][t], h, rtol=1e-12)
        np.testing.assert_allclose(values[case.stacks[1]][t], z, rtol=1e-12)
    np.testing.assert_allclose(values[case.ends[0]], h, rtol=1e-12)
    np.testing.assert_allclose(values[case.ends[1]], feed[case.c] * 0.5**T, rtol=1e-12)


def test_a_loop_within_a_loop() -> None:
    x, w = variables("x", (3, 4, 2)), variables("w", (2,))

    def inner(carries: Nodes, slices: Nodes) -> tuple[Nodes, Nodes]:
        total = ops.tanh(carries[0] * w + slices[0])
        return (total,), ()

    def outer(carries: Nodes, slices: Nodes) -> tuple[Nodes, Nodes]:
        (end,), _ = ops.scan(inner, carries, [slices[0]])
        return (end,), (end,)

    _, (ends,) = ops.scan(outer, [w * 0.0], [x])
    rng = np.random.default_rng(0)
    feed = {x: rng.normal(size=x.shape), w: rng.normal(size=w.shape)}
    cost = ops.sum(ops.square(ends))
    flat = unrolled(unrolled(cost))
    found, wanted = gradients(cost, [x, w]), gradients(flat, [x, w])
    values = evaluate([*found, *wanted], feed)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(values[a], values[b], rtol=1e-12)


def test_what_is_the_same_in_every_round_is_computed_once() -> None:
    case = Case("vectors", False)
    (scan,) = {n for n in topological([case.cost]) if isinstance(n.op, Scan)}
    inside = {node.op.name for node in scan.op.body.order}  # type: ignore[attr-defined]
    assert "exp" not in inside
    assert "exp" in {node.op.name for node in topological([case.cost])}


def test_the_gradient_of_a_weight_is_one_product_over_all_rounds() -> None:
    case = Case("simple", False)
    (found,) = gradients(case.cost, [case.u])
    loops = [n for n in topological([found]) if isinstance(n.op, Scan)]
    products = [n for n in topological([found]) if n.op.name == "matmul"]
    assert (H, H) in {product.shape for product in products}
    carried = {x.shape for loop in loops for x in loop.op.body.carries}  # type: ignore[attr-defined]
    assert carried == {(N, H)}


def test_the_loop_forwards_runs_once_for_values_and_gradients() -> None:
    case = Case("gated", False)
    roots = [case.cost, *gradients(case.cost, case.leaves)]
    new = rewrite(roots, merging(roots), sharing())
    loops = [n for n in topological([new[r] for r in roots]) if isinstance(n.op, Scan)]
    assert len(loops) == 2
    feed = case.feed()
    before, after = evaluate(roots, feed), evaluate([new[r] for r in roots], feed)
    for root in roots:
        np.testing.assert_array_equal(before[root], after[new[root]])


def test_a_gradient_does_not_come_back_through_what_is_stopped() -> None:
    x = variables("x", (4,))
    (end,), _ = ops.scan(
        lambda c, s: ([ops.stop_gradient(c[0]) + s[0]], []), [constant(0.0)], [x]
    )
    (found,) = gradients(end, [x])
    assert evaluate([found], {x: np.ones(4)})[found].tolist() == [0.0, 0.0, 0.0, 1.0]


def test_integers_and_truth_values_may_be_looked_at() -> None:
    x, kept = variables("x", (3, 2)), variables("kept", (3, 2), "bool")
    (end,), _ = ops.scan(
        lambda c, s: ([ops.where(s[1], c[0] + s[0], c[0])], []),
        [ops.sum(x, 0) * 0.0],
        [x, kept],
    )
    mask = np.array([[True, False], [False, False], [True, True]])
    values = evaluate(
        [end, *gradients(ops.sum(end), [x])], {x: np.ones((3, 2)), kept: mask}
    )
    assert values[end].tolist() == [2.0, 1.0]


class TestMistakes:
    def test_sequences_of_different_lengths(self) -> None:
        with pytest.raises(Error, match="sequences of one length"):
            ops.scan(
                lambda c, s: (c, []), [], [variables("a", (3,)), variables("b", (4,))]
            )

    def test_a_carry_that_changes_its_shape(self) -> None:
        with pytest.raises(Error, match="the next one could not go on"):
            ops.scan(
                lambda c, s: ([ops.concat([c[0], s[0]])], []),
                [variables("c", (2,))],
                [variables("x", (3, 2))],
            )

    def test_results_of_two_dtypes(self) -> None:
        with pytest.raises(Error, match="floats of one dtype, not float32, float64"):
            ops.scan(
                lambda c, s: (c, s),
                [variables("c", ())],
                [variables("x", (3,), "float32")],
            )


def test_leaves_of_a_body_are_none_of_the_graph() -> None:
    case = Case("simple", False)
    kinds = {n.op.kind for n in topological([case.cost]) if isinstance(n.op, Leaf)}
    assert kinds == {"variable"}
