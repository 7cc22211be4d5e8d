"""Loops that are one loop: a pass that lets it run once, and keep only what is read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from nettrain.graph.node import Node, topological
from nettrain.graph.operations.scan import Body, Scan
from nettrain.graph.operations.shape import Slice
from nettrain.graph.rewrite import Rule


def merging(outputs: Iterable[Node]) -> Rule:
    """A rule that runs a loop once, whatever is read of it, and nothing in vain.

    A gradient reads more of a loop's rounds than was put out at first, and asks for it
    in a wider version of the same loop (`Body.base`). One loop that puts out what is
    read of any of them takes the place of all.

    Args:
        outputs: whose graph the rule is for.
    """
    families = _families(list(outputs))
    made: dict[tuple[Any, ...], Node] = {}

    def run(loop: Node, op: Scan, body: Body) -> Node:
        op = replace(op, body=body)
        return made.setdefault((*op.attributes(), loop.inputs), loop.replace(op=op))

    def rule(node: Node) -> Node:
        loop = node.inputs[0] if isinstance(node.op, Slice) else node
        if not isinstance(loop.op, Scan):
            return node
        op, family = loop.op, families[_first(loop.op.body)]
        if not family.whole:
            return node if node is loop else _moved(node, run(loop, op, family.merged))
        if node is loop and _begins(family.merged, op.body):
            return run(loop, op, family.merged)[: node.spec.size]
        return node

    return rule


def _first(body: Body) -> Body:
    """The version of a loop that all others put out more than."""
    while body.base is not None:
        body = body.base
    return body


def _begins(wide: Body, body: Body) -> bool:
    """Whether what a version puts out is what another one puts out first."""
    return wide.outputs[: len(body.outputs)] == body.outputs


@dataclass
class _Family:
    """The versions of one loop.

    Attributes:
        versions: those in the graph, in forward order.
        read: the nodes of a round that are read, stacked.
        whole: whether a value is read as a whole, and not one of its parts.
    """

    versions: list[Body] = field(default_factory=list)
    read: dict[Node, None] = field(default_factory=dict)
    whole: bool = False

    @cached_property
    def merged(self) -> Body:
        """The version that is run."""
        if self.whole:
            return max(self.versions, key=lambda body: len(body.outputs))
        first = _first(self.versions[0])
        return replace(first, outputs=tuple(self.read), base=first)


def _families(outputs: list[Node]) -> dict[Body, _Family]:
    """What is read of each loop, by its first version."""
    found: dict[Body, _Family] = {}
    order = topological(outputs)
    for node in order:
        if isinstance(node.op, Scan):
            family = found.setdefault(_first(node.op.body), _Family())
            family.versions.append(node.op.body)
    for node in outputs:
        if isinstance(node.op, Scan):
            found[_first(node.op.body)].whole = True
    for node in order:
        for x in node.inputs:
            if not isinstance(x.op, Scan):
                continue
            family = found[_first(x.op.body)]
            part = _part(x.op, node)
            if part is None:
                family.whole = True
            elif part >= len(x.op.body.new):
                family.read[x.op.body.results[part]] = None
    return found


def _part(op: Scan, reader: Node) -> int | None:
    """Which one of a loop's parts a reader is a slice of, if it is."""
    if isinstance(reader.op, Slice):
        for number, (where, _) in enumerate(op.parts()):
            if where.start <= reader.op.starts[0] and reader.op.stops[0] <= where.stop:
                return number
    return None


def _moved(reader: Node, loop: Node) -> Node:
    """A slice of one version of a loop, of another one."""
    (before,) = reader.inputs
    assert isinstance(reader.op, Slice)
    assert isinstance(before.op, Scan) and isinstance(loop.op, Scan)
    part = _part(before.op, reader)
    assert part is not None
    node, count = before.op.body.results[part], len(loop.op.body.new)
    to = part if part < count else count + loop.op.body.outputs.index(node)
    places = [[where for where, _ in op.parts()] for op in (before.op, loop.op)]
    by = places[1][to].start - places[0][part].start
    ends = (reader.op.starts[0] + by,), (reader.op.stops[0] + by,)
    return reader.replace(op=Slice(*ends, reader.op.steps), inputs=(loop,))
