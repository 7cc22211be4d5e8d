"""The picture of an evaluation: what each box and each arrow says."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from nettrain.explore import wording
from nettrain.explore.lesson import differential
from nettrain.explore.local import Edge, edges
from nettrain.graph import Constant, Node
from nettrain.show.drawing import Arrow, Box, Drawing, Kind

if TYPE_CHECKING:
    from nettrain.explore.evaluation import Evaluation

_KINDS: dict[str, Kind] = {
    "variable": "input",
    "input": "input",
    "parameter": "parameter",
    "state": "state",
    "activation": "activation",
    "cost": "cost",
}
"""By kind of leaf, else by role."""

_VANISHED = 1e-6
"""A gradient so much smaller than the output's has no health left."""

_LABEL, _PART = 30, 18
"""Characters of a label that holds its formula, and of a part of an arrow's."""


def drawing(e: Evaluation) -> Drawing:
    """Boxes for all forward nodes, except constants that their users' labels tell."""
    told = {n for n in e.nodes if isinstance(n.op, Constant) and _is_told(e, n)}
    shown = [node for node in e.nodes if node not in told]
    strength = _output_rms(e)
    known = {
        (edge.user, edge.index): edge for edge in edges(e.nodes, e.value, e.spoken)
    }
    arrows = [
        Arrow(e.names[x], e.names[node], _label(e, known.get((node, i))))
        for node in shown
        for i, x in enumerate(node.inputs)
        if x not in told
    ]
    boxes = [_box(e, node, strength) for node in shown]
    return Drawing(boxes, arrows, e.title, e.steps())


def _is_told(e: Evaluation, constant: Node) -> bool:
    """A number stands in its user's label; a network's tables are no news either."""
    return constant is not e.output and (e.is_network or not constant.shape)


# ------------------------------------------------------------------ boxes


def _box(e: Evaluation, node: Node, strength: float) -> Box:
    return Box(
        e.names[node],
        *_words(e, node),
        kind=_KINDS.get(node.kind) or _KINDS.get(node.role) or _plain_kind(node),
        scope=_scope(e, node),
        value=wording.shown(e.value[node], 4),
        gradient=_gradient(e, node),
        health=_health(e, node, strength),
    )


def _plain_kind(node: Node) -> Kind:
    return "constant" if isinstance(node.op, Constant) else "operation"


def _words(e: Evaluation, node: Node) -> tuple[str, list[str]]:
    """The label of a box, and its smaller lines."""
    size = [" × ".join(map(str, node.shape))] if node.shape else []
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


def _operation(node: Node) -> str:
    """An operation's sign with the number it takes: `* 0.5`, `1 -`; else its name."""
    op = node.op
    if not op.symbol:
        return node.kind
    texts = [
        wording.number(x.op.array.item(), 4)
        if isinstance(x.op, Constant) and not x.shape
        else ""
        for x in node.inputs
    ]
    return f"{texts[0]} {op.symbol} {texts[1]}".strip()


def _scope(e: Evaluation, node: Node) -> str:
    """A network's operations outside of all layers make up the cost."""
    if node.scope or not e.is_network or not node.inputs:
        return node.scope
    return e.output.name


def _gradient(e: Evaluation, node: Node) -> str | None:
    if isinstance(node.op, Constant) or not node.spec.is_float:
        return None
    return wording.shown(e.gradient[node], 4) if node in e.reached else "0"


# ------------------------------------------------------------------ health


def _output_rms(e: Evaluation) -> float:
    """RMS of the gradient at the network's output, its last pre-activation."""
    marked = [n for n in e.nodes if n.role == "pre_activation" and n in e.reached]
    return wording.rms(e.gradient[(marked or [e.output])[-1]])


def _health(e: Evaluation, node: Node, strength: float) -> float | None:
    """1 where the gradient is as large as at the output, 0 at a millionth of it."""
    if not e.is_network or node not in e.reached or isinstance(node.op, Constant):
        return None
    ratio = wording.rms(e.gradient[node]) / strength if strength else 0.0
    if not ratio > _VANISHED:
        return 0.0
    return float(np.clip(1 - math.log10(ratio) / math.log10(_VANISHED), 0, 1))


# ------------------------------------------------------------------ arrows


def _label(e: Evaluation, edge: Edge | None) -> str:
    """`∂f/∂q = z = -4`, as much of it as stays short."""
    if edge is None or edge.local.value is None:
        return ""
    number = wording.number(edge.local.value, 4)
    if e.is_network:
        return number
    above = differential(e.spoken[edge.user], "∂")
    below = differential(e.spoken[edge.user.inputs[edge.index]], "∂")
    parts = dict.fromkeys([f"{above}/{below}", edge.local.text, number])
    return " = ".join(part for part in parts if len(part) <= _PART)
