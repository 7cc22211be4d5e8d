"""The picture of an evaluation: what each box and each arrow says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nettrain.explore import lesson, wording
from nettrain.explore.local import edges
from nettrain.graph import Constant, Leaf, Node
from nettrain.show.drawing import Arrow, Box, Drawing, Kind
from nettrain.show.looks import health

if TYPE_CHECKING:
    from nettrain.explore.evaluation import Evaluation

_KINDS: dict[str, Kind] = {
    "variable": "input",
    "input": "input",
    "parameter": "parameter",
    "state": "state",
    "constant": "constant",
    "activation": "activation",
    "cost": "cost",
}
"""By kind of leaf, else by role."""

_DIGITS, _FEW = 4, 3
"""Significant digits of a number, and of what sums up a whole array."""

_LABEL, _PART = 30, 18
"""Characters of a label that holds its formula, and of a part of an arrow's."""


def drawing(e: Evaluation, rate: float | None) -> Drawing:
    """Boxes for all forward nodes, except constants that their users' labels tell.

    Args:
        rate: learning rate of the steps; None: without steps.
    """
    return _Picture(e).drawing(rate)


class _Picture:
    """One evaluation on its way to boxes and arrows.

    Attributes:
        edges: by user and number of the input, where a gradient can go back.
        carriers: nodes through which a gradient goes on to a leaf. What comes back to
            others, such as the targets' side of the loss, matters to nobody.
        strength: RMS of the gradient at the network's output.
    """

    def __init__(self, e: Evaluation) -> None:
        self.e = e
        found = edges(e.nodes, e.value, e.spoken)
        self.edges = {(edge.user, edge.index): edge for edge in found}
        self.carriers = {n for n in e.reached if isinstance(n.op, Leaf)}
        for edge in self.edges.values():
            if edge.input in self.carriers and edge.user in e.reached:
                self.carriers.add(edge.user)
        outputs = [n for n in e.nodes if n.role == "pre_activation" and n in e.reached]
        self.strength = wording.rms(e.gradient[(outputs or [e.output])[-1]])

    def drawing(self, rate: float | None) -> Drawing:
        e = self.e
        shown = [node for node in e.nodes if not self._is_told(node)]
        arrows = [
            Arrow(e.names[x], e.names[node], self._label(node, i))
            for node in shown
            for i, x in enumerate(node.inputs)
            if not self._is_told(x)
        ]
        steps = [] if rate is None else lesson.steps(e, rate)
        return Drawing([self._box(n) for n in shown], arrows, e.title, steps)

    def _is_told(self, node: Node) -> bool:
        """A number stands in its user's label; a network's tables are no news."""
        if not isinstance(node.op, Constant) or node is self.e.output:
            return False
        return self.e.is_network or not node.shape

    # -------------------------------------------------------------- boxes

    def _box(self, node: Node) -> Box:
        e = self.e
        label, details = self._words(node)
        return Box(
            e.names[node],
            label,
            details,
            kind=_KINDS.get(node.kind) or _KINDS.get(node.role) or "operation",
            scope=self._scope(node),
            value=self._shown(e.value[node]),
            gradient=self._gradient(node),
            health=self._health(node),
            origin=self._origin(node),
            facts=e.facts(node),
        )

    def _origin(self, node: Node) -> str:
        """The line that made a node; a network's user wrote its layers alone."""
        return "" if self.e.is_network and not node.scope else node.origin

    def _words(self, node: Node) -> tuple[str, list[str]]:
        """The label of a box, and its smaller lines."""
        e, size = self.e, [" × ".join(map(str, node.shape))] if node.shape else []
        if e.is_network:
            operation = [node.kind] if node.name and node.inputs else []
            details = " · ".join(operation + size)
            return node.name or _operation(node), [details] if details else []
        name = e.spoken[node]
        if not node.inputs:
            return name, size
        formula = wording.formula(node, e.spoken)
        whole = formula if name == formula else f"{name} = {formula}"
        return (whole, size) if len(whole) <= _LABEL else (name, [formula, *size])

    def _scope(self, node: Node) -> str:
        """A network's operations outside of all layers make up the cost."""
        in_cost = self.e.is_network and node.inputs and not node.scope
        return (self.e.output.name or "cost") if in_cost else node.scope

    def _gradient(self, node: Node) -> str | None:
        e = self.e
        if isinstance(node.op, Constant) or not node.spec.is_float:
            return None
        if e.is_network and node not in self.carriers:
            return None
        if node not in e.reached:
            return "0"
        return self._shown(e.gradient[node])

    def _shown(self, value: Any) -> str:
        return wording.shown(value, _FEW if np.ndim(value) else _DIGITS)

    def _health(self, node: Node) -> float | None:
        """1 where the gradient is as large as at the output, 0 at a millionth of it."""
        if not self.e.is_network or node not in self.carriers:
            return None
        strength = wording.rms(self.e.gradient[node])
        return health(strength / self.strength if self.strength else 0.0)

    # -------------------------------------------------------------- arrows

    def _label(self, user: Node, index: int) -> str:
        """`∂f/∂q = z = -4`, as much of it as stays short."""
        edge = self.edges.get((user, index))
        if edge is None or edge.local.value is None:
            return ""
        number = wording.number(edge.local.value, _DIGITS)
        if self.e.is_network:
            return number
        above = lesson.differential(self.e.spoken[user], "∂")
        below = lesson.differential(self.e.spoken[edge.input], "∂")
        parts = dict.fromkeys([f"{above}/{below}", edge.local.text, number])
        return " = ".join(part for part in parts if len(part) <= _PART)


def _operation(node: Node) -> str:
    """An operation's sign with the number it takes: `* 0.5`, `1 -`; else its name."""
    if not node.op.symbol:
        return node.kind
    texts = [
        wording.number(x.op.array.item(), _DIGITS)
        if isinstance(x.op, Constant) and not x.shape
        else ""
        for x in node.inputs
    ]
    return f"{texts[0]} {node.op.symbol} {texts[1]}".strip()
