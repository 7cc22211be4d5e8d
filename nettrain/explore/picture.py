"""The picture of an evaluation: what each box and each arrow says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from nettrain.explore import lesson, wording
from nettrain.explore.local import edges
from nettrain.explore.loop import Loop, Surroundings, ends
from nettrain.explore.rounds import rounds
from nettrain.graph import Constant, Leaf, Node
from nettrain.graph.operations.scan import Scan
from nettrain.graph.operations.shape import Concat
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


def drawing(e: Evaluation, rate: float | None, unroll: bool = False) -> Drawing:
    """Boxes for all forward nodes, except constants that their users' labels tell.

    A loop is a scope with its body in it, its value's parts being the last boxes there.

    Args:
        rate: learning rate of the steps; None: without steps.
        unroll: whether the rounds of loops are written out one after the other.
    """
    return _Picture(e).drawing(rate, unroll)


class _Picture:
    """One evaluation on its way to boxes and arrows.

    Attributes:
        edges: by user and number of the input, where a gradient can go back.
        carriers: nodes through which a gradient goes on to a leaf. What comes back to
            others, such as the targets' side of the loss, matters to nobody.
        strength: RMS of the gradient at the network's output.
        fixed: nodes that depend on constants alone.
        loops: those that are drawn with what is in them.
        ends: the parts of these loops' values, by node.
        hidden: nodes that loops are drawn instead of.
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
        self.fixed: set[Node] = set()
        for node in e.nodes:
            if isinstance(node.op, Constant) or (
                node.inputs and self.fixed.issuperset(node.inputs)
            ):
                self.fixed.add(node)
        self.loops: dict[Node, Loop] = {}
        self.ends: dict[Node, Loop] = {}
        self.hidden: set[Node] = set()
        self._find_loops()

    def drawing(self, rate: float | None, unroll: bool) -> Drawing:
        e = self.e
        boxes: list[Box] = []
        arrows: list[Arrow] = []
        for node in e.nodes:
            if node in self.loops:
                loop = self.loops[node]
                loop.draw_rounds() if unroll else loop.draw()
                boxes += loop.boxes
                arrows += loop.arrows
            if self._id(node) != e.names[node]:
                continue
            boxes.append(self._box(node))
            if node not in self.ends:
                arrows += self._arriving(node)
        steps = [] if rate is None else lesson.steps(e, rate)
        notes = {k: v for loop in self.loops.values() for k, v in loop.notes.items()}
        return Drawing(boxes, arrows, e.title, steps, notes)

    def _find_loops(self) -> None:
        """Choose the loops that can be drawn with what is in them."""
        e = self.e
        users: dict[Node, list[Node]] = {node: [] for node in e.nodes}
        for node in e.nodes:
            for x in dict.fromkeys(node.inputs):
                users[x].append(node)
        outside = Surroundings(self._id, _operation, self._health_of, _KINDS)
        for node in e.nodes:
            if not isinstance(node.op, Scan):
                continue
            parts = ends(node, users)
            if parts is None:
                continue
            gradient = e.gradient[node] if node in e.reached else None
            sizes = rounds(node, e.value, gradient)
            scope = "/".join(filter(None, [self._scope(node), e.names[node]]))
            earlier = [n for n in self.loops.values() if n.node.scope == node.scope]
            loop = Loop(node, parts, scope, sizes, outside, earlier)
            self.loops[node] = loop
            self.ends |= dict.fromkeys(parts, loop)
            self.hidden |= {node, *(x for end in parts for x in end.inputs)} - {*parts}

    def _id(self, node: Node) -> str | None:
        """The box that stands for a node, if there is one."""
        if self._is_told(node) or node in self.hidden:
            return None
        if isinstance(node.op, Concat) and len(node.inputs) == 1 and not node.name:
            return self._id(node.inputs[0])
        return self.e.names[node]

    def _arriving(self, node: Node) -> Iterator[Arrow]:
        for i, x in enumerate(node.inputs):
            source = self._id(x)
            if source is not None:
                yield Arrow(source, self.e.names[node], self._label(node, i))

    def _is_told(self, node: Node) -> bool:
        """A number stands in its user's label; a network's tables are no news."""
        if node is self.e.output:
            return False
        if self.e.is_network:
            return node in self.fixed
        return isinstance(node.op, Constant) and not node.shape

    # -------------------------------------------------------------- boxes

    def _box(self, node: Node) -> Box:
        e, loop = self.e, self.ends.get(node)
        label, details = self._words(node)
        if loop is not None:
            label, detail = loop.words(node)
            details = [detail]
        return Box(
            e.names[node],
            label,
            details,
            kind=_KINDS.get(node.kind) or _KINDS.get(node.role) or "operation",
            scope=loop.scope if loop else self._scope(node),
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
        if node not in self.carriers:
            return None
        return self._health_of(wording.rms(self.e.gradient[node]))

    def _health_of(self, size: float) -> float | None:
        if not self.e.is_network:
            return None
        return health(size / self.strength if self.strength else 0.0)

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
