"""The backward pass: a function from a graph to a graph.

Reverse accumulation (Linnainmaa 1970; Rumelhart, Hinton and Williams 1986): walking
from the cost to the leaves, each operation turns the gradient of its result into
gradients of its inputs, and a node used several times adds up what comes back. Shared
weights, time and second derivatives need nothing more.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence

import numpy as np

from nettrain.errors import Error
from nettrain.graph import operations as ops
from nettrain.graph.node import Leaf, Node, constant, made_at, scope, topological
from nettrain.graph.operations.shape import Pad
from nettrain.graph.spec import Spec


def gradients(
    cost: Node, nodes: Sequence[Node], seed: Node | None = None
) -> list[Node]:
    """Nodes of d cost / d node, each of its node's shape and dtype.

    Args:
        cost: a scalar, unless `seed` is given.
        nodes: any nodes of the cost's graph, leaves or inner ones.
        seed: gradient of the cost itself, of the cost's spec; 1 where left out.

    Raises:
        Error: `graph-not-connected` if the cost does not depend on a node,
            `graph-not-differentiable` if it does, but only through operations without a
            derivative. A gradient that is zero by value is no error.
    """
    found = adjoints(cost, nodes, seed)
    for node in nodes:
        if node not in found:
            raise _unreached(cost, node)
    return [found[node] for node in nodes]


def adjoints(
    cost: Node, nodes: Iterable[Node], seed: Node | None = None
) -> dict[Node, Node]:
    """As `gradients`, but nodes that no gradient reaches are left out of the result."""
    if seed is None and cost.shape:
        raise Error(
            "graph-not-scalar",
            f"the gradient of {cost!r} needs a scalar cost",
            fix="reduce it with sum or mean, or give a seed",
        )
    if not cost.spec.is_float:
        raise Error("graph-not-differentiable", f"{cost!r} is no float")
    if seed is None:
        seed = ones(cost.spec)
    if seed.spec != cost.spec:
        raise Error("graph-shape", f"the seed {seed!r} is not of the spec of {cost!r}")
    return pullback([(cost, seed)], nodes)


def pullback(
    seeds: Iterable[tuple[Node, Node]], nodes: Iterable[Node]
) -> dict[Node, Node]:
    """Σ over the seeds of seed · d node / d x, for each x of `nodes` that is reached.

    Args:
        seeds: nodes, each with the gradient of the cost that comes back to it from
            outside, of its spec.
        nodes: x; any nodes of the graph.
    """
    wanted = set(nodes)
    contributions: dict[Node, list[Node]] = {}
    for node, seed in seeds:
        contributions.setdefault(node, []).append(seed)
    order = topological(contributions)
    active = _depends(order, wanted)
    found: dict[Node, Node] = {}
    for node in reversed(order):
        if node not in active or node not in contributions:
            continue
        with scope(node.scope, node.origin):
            total = _accumulate(node, contributions.pop(node))
            if node in wanted:
                found[node] = total
            if not active.isdisjoint(node.inputs):
                _propagate(node, total, active, contributions)
    return found


def ones(spec: Spec) -> Node:
    return constant(np.ones(spec.shape, spec.dtype))


def _depends(order: list[Node], wanted: set[Node]) -> set[Node]:
    """The nodes whose value depends on a wanted one."""
    active: set[Node] = set()
    for node in order:
        if node in wanted or not active.isdisjoint(node.inputs):
            active.add(node)
    return active


def _accumulate(node: Node, parts: list[Node]) -> Node:
    """The sum of what comes back to a node, marked as its gradient."""
    total = _side_by_side(parts)
    if total is None:
        total = functools.reduce(ops.add, parts)
    if isinstance(total.op, Leaf):
        return total  # A copy of a leaf would be another leaf.
    return Node(
        total.op,
        total.inputs,
        total.spec,
        scope=node.scope,
        origin=total.origin,
        adjoint_of=node,
    )


def _side_by_side(parts: list[Node]) -> Node | None:
    """The sum of gradients of slices that make up the whole: nothing is to be added."""
    pads = [part.op for part in parts if isinstance(part.op, Pad)]
    if len(pads) < max(len(parts), 2):
        return None
    rank = len(parts[0].shape)
    cut = {i for op in pads for i in range(rank) if op.before[i] or op.after[i]}
    if len(cut) != 1 or any(any(op.interior) for op in pads):
        return None
    (axis,) = cut
    order = sorted(range(len(pads)), key=lambda i: pads[i].before[axis])
    pieces = [parts[i].inputs[0] for i in order]
    ends = np.cumsum([0, *(x.shape[axis] for x in pieces)])
    if [pads[i].before[axis] for i in order] != ends[:-1].tolist():
        return None
    return ops.concat(pieces, axis) if ends[-1] == parts[0].shape[axis] else None


def _propagate(
    node: Node, g: Node, active: set[Node], contributions: dict[Node, list[Node]]
) -> None:
    parts = node.op.vjp(g, node, *node.inputs)
    for x, part in zip(node.inputs, parts, strict=True):
        if part is not None and x in active and x.spec.is_float:
            contributions.setdefault(x, []).append(_fit(part, x.spec))


def _fit(g: Node, spec: Spec) -> Node:
    """Undo broadcasting and dtype promotion."""
    if g.shape != spec.shape:
        extra = len(g.shape) - len(spec.shape)
        if extra:
            g = ops.sum(g, axis=tuple(range(extra)))
        repeated = [i for i, n in enumerate(spec.shape) if n == 1 and g.shape[i] != 1]
        if repeated:
            g = ops.sum(g, axis=tuple(repeated), keepdims=True)
    return ops.cast(g, spec.dtype)


def _unreached(cost: Node, node: Node) -> Error:
    """Say whether a node is not connected at all, or where its path is cut."""
    order = topological([cost])
    depends = _depends(order, {node})
    if cost not in depends:
        return Error(
            "graph-not-connected",
            f"{cost!r} does not depend on {node!r}{made_at(node)}: it has no gradient",
            fix="use the node on the way to the cost, or do not ask for its gradient",
        )
    if not node.spec.is_float:
        return Error(
            "graph-not-differentiable",
            f"{node!r}{made_at(node)} has no gradient: it is not made of floats",
        )
    cuts = ", ".join(_cuts(order, depends))
    return Error(
        "graph-not-differentiable",
        f"{cost!r} depends on {node!r} only through {cuts}, which has no derivative",
        fix="use a differentiable operation, or do not ask for this gradient",
    )


def _cuts(order: list[Node], depends: set[Node]) -> list[str]:
    """The operations at which the ways from the cost, the last node, to a node end.

    Where a way goes on through values that are no floats, as through the condition of
    `where`, the operation that made them of floats is the one to blame.
    """
    reached = {order[-1]}
    cuts: dict[str, None] = {}
    for user in reversed(order):
        if user not in reached or not user.inputs:
            continue
        inputs = user.inputs
        parts: Sequence[Node | None] = [None] * len(inputs)
        if user.spec.is_float:
            parts = user.op.vjp(ones(user.spec), user, *inputs)
        for x, part in zip(inputs, parts, strict=True):
            if x not in depends:
                continue
            if part is not None or not x.spec.is_float:
                reached.add(x)
            else:
                cuts[user.op.name] = None
    return list(cuts)
