"""Finding the first bad node of a step that became non-finite.

The step is computed again from unharmed weights, node by node in forward order, with a
`FirstBad` looking at every value.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from nettrain.diagnose.evidence import Blame
from nettrain.graph import Constant, Leaf, Node, topological
from nettrain.graph.operations.reduce import SumOfSquares


class FirstBad:
    """A check for each node of a replay: remembers the first whose value is not finite.

    Args:
        cost: nodes that it needs are the forward pass.
        gradients: nodes that these need besides are the backward pass; all else is the
            update.
        rows: numbers of the data rows in the batch, in its order (B,).
        root: the scope of the model, which layers' names leave out.
    """

    def __init__(
        self,
        cost: Node,
        gradients: Iterable[Node],
        rows: np.ndarray | None = None,
        root: str = "model",
    ) -> None:
        forward = topological([cost])
        self._forward = set(forward)
        self._backward = set(topological(gradients)) - self._forward
        self._users: dict[Node, list[Node]] = {}
        for node in forward:
            for x in dict.fromkeys(node.inputs):
                self._users.setdefault(x, []).append(node)
        self._rows, self._root = rows, root
        self._found: _Found | None = None

    def __call__(self, node: Node, value: np.ndarray, inputs: list[np.ndarray]) -> None:
        if self._found is None and not isinstance(node.op, Constant) and _bad(value):
            node, value, inputs = _culprit(node, value, inputs)
            owner = self._owner(node)
            text = describe(node, value, inputs)
            if owner is not node and _bad(value):
                text = f"gradient of {owner.kind}: {text}"
            self._found = _Found(node, owner, text, self._bad_rows(node, value))

    def blame(self, step: int, epoch: int) -> Blame:
        """What was found; `reproduced` is false where every value was finite."""
        if self._found is None:
            return Blame(step, epoch, reproduced=False)
        node = self._found.node
        return Blame(
            step,
            epoch,
            node=_label(node),
            operation=node.kind,
            direction=self._direction(node, step),
            layer=layer_of(self._found.owner.scope, self._root),
            inputs=self._found.inputs,
            rows=self._found.rows,
            origin=node.origin,
        )

    def _direction(self, node: Node, step: int) -> str:
        """Weights that are bad already were left so by the update before."""
        if node in self._forward:
            return "update" if step > 1 and _is_state(node) else "forward"
        return "backward" if node in self._backward else "update"

    def _owner(self, node: Node) -> Node:
        """The forward node whose derivative computes a gradient; else the node itself.

        A gradient stands in the layer of what it is the gradient of. But dz of sqrt(z)
        is infinite by the doing of sqrt, which may stand in the layer above.
        """
        if node.adjoint_of is None or node in self._forward:
            return node
        users = self._users.get(node.adjoint_of, [])
        return users[0] if len(users) == 1 else node

    def _bad_rows(self, node: Node, value: np.ndarray) -> tuple[int, ...]:
        """Data rows whose part of a value is bad, where its first axis is the batch."""
        if self._rows is None or value.shape[:1] != (len(self._rows),):
            return ()
        of = node if node.adjoint_of is None else node.adjoint_of
        if _is_state(of) or not any(map(_is_data, topological([of]))):
            return ()  # as many rows as the batch by chance
        bad = ~np.isfinite(value).reshape(len(value), -1).all(axis=1)
        return tuple(int(row) for row in np.asarray(self._rows)[bad])


@dataclass(frozen=True)
class _Found:
    node: Node
    owner: Node
    inputs: str
    rows: tuple[int, ...]


def layer_of(scope: str, root: str = "model") -> str | None:
    """A layer's name: its scope within the model; None outside of it."""
    inside = scope.removeprefix(f"{root}/")
    return inside if inside != scope else None


def _culprit(
    node: Node, value: np.ndarray, inputs: list[np.ndarray]
) -> tuple[Node, np.ndarray, list[np.ndarray]]:
    """The node itself; of the norm over all gradients, which overflows, the largest."""
    if not isinstance(node.op, SumOfSquares):
        return node, value, inputs
    largest = max(range(len(inputs)), key=lambda i: float(np.abs(inputs[i]).max()))
    return node.inputs[largest], inputs[largest], [inputs[largest]]


def _is_state(node: Node) -> bool:
    return isinstance(node.op, Leaf) and node.op.kind != "input"


def _is_data(node: Node) -> bool:
    return isinstance(node.op, Leaf) and node.op.kind == "input"


def _bad(value: np.ndarray) -> bool:
    return value.dtype.kind == "f" and not bool(np.isfinite(value).all())


def _label(node: Node) -> str:
    """The node's path, or whose gradient it is, or its scope and operation."""
    if node.path:
        return node.path
    if node.adjoint_of is not None:
        return f"gradient of {_label(node.adjoint_of)}"
    return f"{node.scope}/{node.kind}" if node.scope else node.kind


# ---------------------------------------------------------------- ranges in words


def describe(node: Node, value: np.ndarray, inputs: list[np.ndarray]) -> str:
    """What went into a bad value: `exp: input 743 > 88.7`, or ranges."""
    kind = node.kind
    if not _bad(value):
        return (
            f"{_label(node)}: {_range(value)}, whose squares are beyond {value.dtype}"
        )
    if isinstance(node.op, Leaf):
        return f"{kind} {node.path}: {_range(value)}"
    first = inputs[0]
    if kind in ("exp", "expm1"):
        limit = float(np.log(np.finfo(value.dtype).max))
        top = float(np.max(first))
        if top > limit:
            return f"{kind}: input {top:.3g} > {limit:.3g}"
    if kind in ("log", "log1p", "sqrt"):
        return f"{kind}: smallest input {float(np.min(first)):.3g}"
    if kind == "divide" and not np.all(inputs[1]):
        return f"divide: {_range(first)} by {_range(inputs[1])}, which holds 0"
    return f"{kind}: inputs {', '.join(map(_range, inputs))}"


def _range(x: np.ndarray) -> str:
    if not x.size:
        return "empty"
    finite = x[np.isfinite(x)] if x.dtype.kind == "f" else x
    bad = " and non-finite" if finite.size < x.size else ""
    if not finite.size:
        return "all non-finite"
    low, high = float(finite.min()), float(finite.max())
    return (f"{low:.3g}" if low == high else f"{low:.3g} … {high:.3g}") + bad
