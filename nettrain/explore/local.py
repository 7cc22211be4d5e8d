"""Local derivatives: what one operation alone makes of a small change of an input."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nettrain.execute import reference
from nettrain.execute.namespace import NUMPY
from nettrain.explore.wording import stand_in
from nettrain.graph import Constant, Node
from nettrain.graph.expression import labels
from nettrain.graph.gradient import ones
from nettrain.graph.rewrite import folding, rewrite, simplify


@dataclass(frozen=True)
class Local:
    """∂y/∂x of one edge x → y; nothing is said of it where either is an array.

    Attributes:
        value: the number.
        text: the formula, in names of the graph; a number if it is one.
    """

    value: float | None = None
    text: str = ""


def derivatives(
    node: Node, value: Mapping[Node, Any], called: Mapping[Node, str]
) -> list[Local | None]:
    """The local derivative of a node by each of its inputs, None where there is none.

    It is what the operation's own `vjp` makes of the gradient 1, so no formula is
    written twice. Result and inputs are leaves there, with the values they have here.

    Args:
        node: y.
        value: of y and of its inputs.
        called: the names that formulas are written in.
    """
    if not node.inputs or not node.spec.is_float:
        return [None] * len(node.inputs)
    instead = {n: stand_in(n, _atom(n, called)) for n in (node, *node.inputs)}
    inputs = [instead[x] for x in node.inputs]
    parts = node.op.vjp(ones(node.spec), instead[node], *inputs)
    given = {new: np.asarray(value[old]) for old, new in instead.items()}
    return [
        _local(node, x, part, given) for x, part in zip(node.inputs, parts, strict=True)
    ]


def _local(
    node: Node, x: Node, part: Node | None, given: Mapping[Node, np.ndarray]
) -> Local | None:
    if part is None or not x.spec.is_float:
        return None
    if node.shape or x.shape:
        return Local()
    number = reference.evaluate([part], given)[part].item()
    tidy = rewrite([part], simplify, folding(NUMPY))[part]
    return Local(number, _unwrapped(labels([tidy])[tidy]))


def _atom(node: Node, called: Mapping[Node, str]) -> str:
    """A name that stays in one piece within a formula."""
    name = called[node]
    return f"({name})" if " " in name else name


def _unwrapped(text: str) -> str:
    """A formula without brackets around the whole of it."""
    return text[1:-1] if re.fullmatch(r"\([^()]*\)", text) else text


@dataclass(frozen=True)
class Edge:
    """One use of a node: `user` takes it as its input number `index`."""

    user: Node
    index: int
    local: Local

    @property
    def input(self) -> Node:
        return self.user.inputs[self.index]


def edges(
    nodes: Sequence[Node], value: Mapping[Node, Any], called: Mapping[Node, str]
) -> Iterator[Edge]:
    """Every edge on which a gradient goes back, in the order of the users.

    Not those from constants, which nothing can move.
    """
    for node in nodes:
        for index, local in enumerate(derivatives(node, value, called)):
            fixed = isinstance(node.inputs[index].op, Constant)
            if local is not None and not fixed:
                yield Edge(node, index, local)
