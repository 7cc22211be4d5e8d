"""Nodes and numbers in words: what the picture, the steps and the JSON call them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from nettrain.graph import Constant, Node, constant, leaf, topological
from nettrain.graph.expression import labels

_LISTED = 4
"""An array of one axis and at most so many elements is written in full."""


def is_network(nodes: list[Node] | tuple[Node, ...]) -> bool:
    """Whether layers made some of the nodes, each in a scope of its own."""
    return any(node.scope for node in nodes)


def names(output: Node) -> dict[Node, str]:
    """A name for every node of the graph, no two alike.

    Its path if it has one; else its expression, or in a network, where expressions grow
    beyond reading, its operation and number: `matmul1`.
    """
    nodes = topological([output])
    texts = _numbered(nodes) if is_network(nodes) else labels([output])
    taken: set[str] = set()
    found: dict[Node, str] = {}
    for node in nodes:
        found[node] = _free(texts[node], taken)
        taken.add(found[node])
    return found


def _numbered(nodes: list[Node]) -> dict[Node, str]:
    counts: dict[str, int] = {}
    texts: dict[Node, str] = {}
    for node in nodes:
        if not node.path:
            counts[node.kind] = counts.get(node.kind, 0) + 1
        texts[node] = node.path or f"{node.kind}{counts[node.kind]}"
    return texts


def _free(text: str, taken: set[str]) -> str:
    """The text, numbered where others have it: `x + y`, `x + y #2`."""
    number, name = 1, text
    while name in taken:
        number += 1
        name = f"{text} #{number}"
    return name


def spoken(output: Node) -> dict[Node, str]:
    """Names short enough for a sentence, as `names` but for one thing.

    An operation on unnamed operations is called n1, n2, …: what stands in its formula
    would be repeated in every sentence about it.
    """
    found = names(output)
    taken = set(found.values())
    number = 0
    for node in found:
        nested = any(x.inputs and not x.name for x in node.inputs)
        if node.name or not nested or found[node].isidentifier():
            continue
        number += 1
        while f"n{number}" in taken:
            number += 1
        found[node] = f"n{number}"
    return found


def formula(node: Node, called: Mapping[Node, str]) -> str:
    """The operation of a node on its inputs, by what they are called: `n1 + b`."""
    return _applied(node, [_operand(x, called[x]) for x in node.inputs])


def _operand(x: Node, name: str) -> Node:
    """An expression stands for itself, since it may need brackets; a name is a leaf."""
    return x if " " in name or "(" in name else stand_in(x, name)


def of_values(node: Node, value: Mapping[Node, Any]) -> str:
    """A node's operation applied to the numbers of its scalar inputs: `2 + 3`."""
    numbers = [constant(np.array(value[x], x.dtype)) for x in node.inputs]
    return _applied(node, numbers)


def _applied(node: Node, inputs: list[Node]) -> str:
    """The text of an operation, on other inputs of the same specs."""
    applied = node.replace(inputs=tuple(inputs), name="", scope="")
    return labels([applied])[applied]


def stand_in(node: Node, name: str) -> Node:
    """A leaf in a node's place, so that a text or a derivative ends there.

    A constant stays: operations may write themselves differently for it.
    """
    if isinstance(node.op, Constant):
        return node
    return leaf("variable", name, node.shape, node.dtype, scope="", origin="explore")


def number(value: float, digits: int = 6) -> str:
    """A number in so many digits, without the sign of -0."""
    if isinstance(value, (bool, int)):
        return str(value)
    return f"{value + 0.0:.{digits}g}"


def shown(value: Any, digits: int = 6) -> str:
    """A number; a short row in full; of a larger array the root mean square."""
    if not np.ndim(value):
        return number(value, digits)
    if value.ndim == 1 and 0 < value.size <= _LISTED:
        return f"[{', '.join(number(v, digits) for v in value.tolist())}]"
    return f"rms {number(rms(value), digits)}" if value.size else "empty"


def rms(value: Any) -> float:
    """√(mean x²), of x / max|x| so that 1e-200 does not underflow; 0 of no elements."""
    x = np.abs(np.asarray(value, np.float64))
    largest = x.max(initial=0.0)
    if not 0 < largest < math.inf:
        return float(largest)
    return float(largest * np.sqrt(np.mean(np.square(x / largest))))


def plain(value: Any) -> Any:
    """For JSON: a number, or what there is to say of an array."""
    array = np.asarray(value)
    if array.dtype == bool:
        array = array.astype(np.int64)
    if not array.ndim:
        return array.item()
    if not array.size:
        return {"rms": 0.0, "min": 0.0, "max": 0.0}
    return {"rms": rms(array), "min": array.min().item(), "max": array.max().item()}
