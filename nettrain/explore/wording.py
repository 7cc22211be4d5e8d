"""Nodes and numbers in words: what the picture, the steps and the JSON call them."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nettrain.graph import Constant, Node, constant, leaf
from nettrain.graph.expression import labels

_LISTED = 4
"""An array of one axis and at most so many elements is written in full."""


def is_network(nodes: Sequence[Node]) -> bool:
    """Whether layers made some of the nodes, each in a scope of its own."""
    return any(node.scope for node in nodes)


def names(nodes: Sequence[Node]) -> dict[Node, str]:
    """A name for every node of a whole graph, no two alike.

    Its path if it has one; else its expression, or in a network, where expressions grow
    beyond reading, its operation and number: `matmul1`.
    """
    texts = numbered(nodes) if is_network(nodes) else labels(list(nodes))
    counts: Counter[str] = Counter()
    found: dict[Node, str] = {}
    for node in nodes:
        text = name = texts[node]
        while counts[name]:
            counts[text] += 1
            name = f"{text} #{counts[text]}"
        counts[name] += 1
        found[node] = name
    return found


def numbered(nodes: Sequence[Node]) -> dict[Node, str]:
    """Nodes by their path, else by operation and number: `matmul1`."""
    counts: Counter[str] = Counter()
    texts: dict[Node, str] = {}
    for node in nodes:
        counts[node.kind] += not node.path
        texts[node] = node.path or f"{node.kind}{counts[node.kind]}"
    return texts


def spoken(nodes: Sequence[Node], output: Node) -> dict[Node, str]:
    """Names short enough for a sentence: those of `names` but for three cases.

    An unnamed result is called f. An operation on unnamed operations is called n1, n2,
    …, since every sentence about it would repeat their formulas; so is an expression
    that was written twice.
    """
    found = names(nodes)
    if is_network(nodes):
        return found
    taken = set(found.values())
    free = (name for i in itertools.count(1) if (name := f"n{i}") not in taken)
    for node, name in found.items():
        nested = any(x.inputs and not x.name for x in node.inputs)
        if not node.inputs or node.name:
            continue
        if node is output:
            found[node] = next(free) if "f" in taken else "f"
        elif nested or "#" in name:
            found[node] = next(free)
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
    x = np.array(value, np.float64)  # the one copy: a weight may be most of all memory
    largest = np.abs(x, out=x).max(initial=0.0)
    if not 0 < largest < math.inf:
        return float(largest)
    x /= largest
    return float(largest * np.sqrt(np.mean(np.square(x, out=x))))


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
