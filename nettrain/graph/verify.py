"""Checks that hold for every graph, run after each pass over one."""

from __future__ import annotations

from collections.abc import Iterable

from nettrain.errors import Error
from nettrain.graph.node import Leaf, Node, made_at, topological


def verify(outputs: Iterable[Node]) -> list[Node]:
    """The graph in topological order, after checking each node.

    Raises:
        Error: if a node's spec is not what its operation makes of its inputs (a pass
            was wrong: `graph-verify`), or if two leaves share a path (`graph-name`).
    """
    order = topological(outputs)
    leaves: dict[str, Node] = {}
    for node in order:
        expected = node.op.spec(*[x.spec for x in node.inputs])
        if expected != node.spec:
            raise Error(
                "graph-verify",
                f"{node!r}{made_at(node)} should be {expected} by its operation",
            )
        if isinstance(node.op, Leaf) and node.path:
            other = leaves.setdefault(node.path, node)
            if other is not node:
                raise Error(
                    "graph-name",
                    f"two different leaves are called {node.path}",
                    fix="give one of the layers or variables another name",
                )
    return order
