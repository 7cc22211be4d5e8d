"""Nodes as text: the expression that a person would write for them."""

from __future__ import annotations

import numpy as np

from nettrain.graph.node import Constant, Leaf, Node, topological
from nettrain.graph.operations.reduce import Reduction

_LONGEST = 1000
"""Longer texts are cut: a node that is used twice is written twice, and so may double
the text with every layer."""
_PRECEDENCE = {"<": 0, "<=": 0, ">": 0, ">=": 0, "+": 1, "-": 1, "*": 2, "/": 2, "@": 2}
_PRECEDENCE |= {"-x": 3, "**": 4}
_ATOM = 5


def write(node: Node) -> str:
    """A node as an expression of its nearest named nodes.

    Python's rules of precedence give the same nodes back, with no more brackets than
    that needs.

    >>> from nettrain.graph.node import variables
    >>> x, y, z = variables("x y z")
    >>> write((x + y) * z)
    '(x + y) * z'
    """
    return labels([node], whole=True)[node]


def labels(outputs: list[Node], whole: bool = False) -> dict[Node, str]:
    """A short text for every node: its path, else its expression.

    Args:
        outputs: whose graph is labelled.
        whole: write outputs themselves as expressions even where they have a name, and
            every digit of a number.
    """
    texts: dict[Node, tuple[str, int]] = {}
    written = set(outputs) if whole else set()
    for node in topological(outputs):
        if node.path and not (node in written and node.inputs):
            texts[node] = (node.path, _ATOM)
            continue
        text, precedence = _text(node, [texts[x] for x in node.inputs], whole)
        if len(text) > _LONGEST:
            text, precedence = f"{node.kind}(…)", _ATOM
        texts[node] = (text, precedence)
    return {node: text for node, (text, _) in texts.items()}


def _text(node: Node, inputs: list[tuple[str, int]], exact: bool) -> tuple[str, int]:
    """The text of a node, and how tightly its last operation binds."""
    op = node.op
    if isinstance(op, Constant):
        return _constant(op.array, exact)
    if isinstance(op, Leaf):
        return op.kind, _ATOM
    if op.symbol:
        own = _PRECEDENCE[op.symbol]
        (left, a), (right, b) = inputs
        # Only a left operand binds as tightly without brackets, and not below `**`.
        left = f"({left})" if a < own or (op.symbol == "**" and a == own) else left
        right = f"({right})" if b <= own else right
        return f"{left} {op.symbol} {right}", own
    if op.name == "negative":
        text, inner = inputs[0]
        own = _PRECEDENCE["-x"]
        return (f"-{text}" if inner > own else f"-({text})"), own
    attributes = _axis(op, node) if isinstance(op, Reduction) else op.attributes()
    listed = [text for text, _ in inputs] + [str(a) for a in attributes]
    return f"{op.name}({', '.join(listed)})", _ATOM


def _constant(array: np.ndarray, exact: bool) -> tuple[str, int]:
    if array.ndim:
        return f"constant{array.shape}", _ATOM
    text = f"{array:g}"
    if exact and array.dtype.type(text) != array:
        text = repr(array.item())
    return text, _PRECEDENCE["-x"] if text.startswith("-") else _ATOM


def _axis(op: Reduction, node: Node) -> tuple[object, ...]:
    """`axis=…` as far as an expression can say it."""
    if op.keepdims:
        return op.attributes()
    if len(op.axes) == len(node.inputs[0].shape):
        return ()
    return (f"axis={op.axes[0]}",) if len(op.axes) == 1 else op.attributes()
