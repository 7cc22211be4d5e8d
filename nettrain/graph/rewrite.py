"""Passes over a graph: each takes nodes and gives nodes with the same values.

`rewrite` is the one walk; `simplify`, `sharing` (common subexpressions), `folding`
(constant folding) and `loops.merging` are rules for it. After a pass the graph is
verified.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from nettrain.errors import Error
from nettrain.graph.node import Constant, Leaf, Node, constant, made_at, topological
from nettrain.graph.operations import shape
from nettrain.graph.operations.elementwise import Add, Cast, Divide, Multiply
from nettrain.graph.operations.random import RandomBits
from nettrain.graph.verify import verify

Rule = Callable[[Node], Node]
Mapping = dict[Node, Node]


def rewrite(
    outputs: Iterable[Node], *rules: Rule, instead: Mapping | None = None
) -> Mapping:
    """Apply the rules to every node, inputs first.

    Args:
        outputs: whose graph is rewritten.
        rules: each gets a node, its inputs already rewritten, and gives it or another
            of the same value.
        instead: old nodes that others take the place of before any rule is asked.

    Returns:
        For each old node its new one, of the same value.
    """
    instead = instead or {}
    new: Mapping = {}
    for node in topological(outputs):
        inputs = tuple([new[x] for x in node.inputs])
        made = instead[node] if node in instead else _with(node, inputs)
        for rule in rules:
            made = rule(made)
        if made.spec != node.spec:
            raise Error(
                "graph-verify", f"{made!r} cannot replace {node!r}{made_at(node)}"
            )
        new[node] = made
    verify(list(new.values()))
    return new


def _with(node: Node, inputs: tuple[Node, ...]) -> Node:
    if all(a is b for a, b in zip(inputs, node.inputs, strict=True)):
        return node
    return node.replace(inputs=inputs, spec=node.spec)


def substitute(outputs: Iterable[Node], instead: Mapping) -> Mapping:
    """The graph with some nodes exchanged for others of the same spec."""
    return rewrite(outputs, instead=instead)


def sharing() -> Rule:
    """A rule that makes nodes which compute the same one node."""
    seen: dict[tuple[Any, ...], Node] = {}

    def rule(node: Node) -> Node:
        if isinstance(node.op, Leaf):
            return node
        key = (type(node.op), node.op.attributes(), node.inputs)
        return seen.setdefault(key, node)

    return rule


def simplify(node: Node) -> Node:
    """Drop what does nothing: times 1, plus 0, a cast or reshape to the same spec."""
    if isinstance(node.op, (Multiply, Add)):
        neutral = 1.0 if isinstance(node.op, Multiply) else 0.0
        for x, other in (node.inputs, node.inputs[::-1]):
            if _is(other, neutral) and x.spec == node.spec:
                return x
    if isinstance(node.op, Divide) and _is(node.inputs[1], 1.0):
        return node.inputs[0] if node.inputs[0].spec == node.spec else node
    if isinstance(node.op, (Cast, shape.Reshape, shape.BroadcastTo)):
        (x,) = node.inputs
        if isinstance(node.op, shape.Reshape) and isinstance(x.op, shape.Reshape):
            (x,) = x.inputs
        return x if x.spec == node.spec else _with(node, (x,))
    return node


def _is(node: Node, number: float) -> bool:
    return isinstance(node.op, Constant) and bool(np.all(node.op.array == number))


def folding(xp: Any, limit: int = 4096) -> Rule:
    """A rule that computes, once, what depends on constants alone.

    Args:
        xp: the namespace to compute with.
        limit: results of more bytes than this and than their inputs stay operations, so
            that broadcasting a number does not fill the memory.
    """

    def rule(node: Node) -> Node:
        if not node.inputs or isinstance(node.op, RandomBits):
            return node
        if not all(isinstance(x.op, Constant) for x in node.inputs):
            return node
        if node.spec.nbytes > max(limit, *(x.spec.nbytes for x in node.inputs)):
            return node
        # What is not finite is for the step's guards to find, not for a warning here.
        with np.errstate(all="ignore"):
            value = node.op.forward(xp, *[x.op.forward(xp) for x in node.inputs])
        folded = constant(np.asarray(value), node.dtype)
        return node.replace(op=folded.op, inputs=())

    return rule
