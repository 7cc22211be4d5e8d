"""Backpropagation told in sentences: local derivative times upstream, node by node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nettrain.explore import wording
from nettrain.explore.local import Edge, edges
from nettrain.graph import Constant, Leaf, Node
from nettrain.show.drawing import Step

if TYPE_CHECKING:
    from nettrain.explore.evaluation import Evaluation


def steps(evaluation: Evaluation, rate: float) -> list[Step]:
    """Forward, backward, and one step of descent where there are weights."""
    told = [*_forward(evaluation), *_backward(evaluation)]
    return [*told, *_descent(evaluation, rate)]


def differential(name: str, sign: str = "d") -> str:
    """`dx`; brackets keep an expression together: `d(x + y)`."""
    return f"{sign}{name}" if name.isidentifier() else f"{sign}({name})"


def _forward(e: Evaluation) -> Iterator[Step]:
    """`q = x + y = 2 + 3 = 5`."""
    for node in e.nodes:
        if not node.inputs:
            continue
        parts = [e.spoken[node], wording.formula(node, e.spoken)]
        if not node.shape and not any(x.shape for x in node.inputs):
            parts.append(wording.of_values(node, e.value))
        parts.append(_array(e.value[node]))
        text = " = ".join(dict.fromkeys(parts))
        yield Step("forward", text, e.names[node], wording.shown(e.value[node]))


def _array(value: object) -> str:
    """A value; of an array that is not written in full its shape too."""
    text = wording.shown(value)
    if text.startswith("rms"):
        return f"{text}, shape {getattr(value, 'shape', ())}"
    return text


def _backward(e: Evaluation) -> Iterator[Step]:
    """`df/dx = df/dq · ∂q/∂x = -4 · 1 = -4`, users before what they use."""
    if e.output not in e.reached:
        told = f"{e.spoken[e.output]} is no float: nothing goes back"
        yield Step("backward", told)
        return
    uses: dict[Node, list[Edge]] = {node: [] for node in e.nodes}
    for edge in edges(e.nodes, e.value, e.spoken):
        if edge.user in e.reached:
            uses[edge.input].append(edge)
    for node in reversed(e.nodes):
        if isinstance(node.op, Constant):
            continue
        if node is e.output:
            text = f"{_total(e, node)} = {_array(e.gradient[node])}"
        elif uses[node]:
            text = _sum(e, node, uses[node])
        elif isinstance(node.op, Leaf) and node.spec.is_float:
            text = f"{_total(e, node)} = 0: no gradient comes back to {e.spoken[node]}"
        else:
            continue
        known = node in e.reached
        result = wording.shown(e.gradient[node]) if known else "0"
        yield Step("backward", text, e.names[node], result)


def _total(e: Evaluation, node: Node) -> str:
    return f"{differential(e.spoken[e.output])}/{differential(e.spoken[node])}"


def _sum(e: Evaluation, node: Node, uses: list[Edge]) -> str:
    """Upstream times local, summed over all uses of a node."""
    left, value = _total(e, node), _array(e.gradient[node])
    below = differential(e.spoken[node], "∂")
    symbols, numbers = [], []
    for use in uses:
        if use.local.value is None:
            users = dict.fromkeys(e.spoken[use.user] for use in uses)
            return f"{left} = {value}, back through {' and '.join(users)}"
        above = differential(e.spoken[use.user], "∂")
        symbols.append(f"{_total(e, use.user)} · {above}/{below}")
        upstream = wording.number(e.gradient[use.user])
        numbers.append(f"{upstream} · {wording.number(use.local.value)}")
    return " = ".join([left, " + ".join(symbols), " + ".join(numbers), value])


def _descent(e: Evaluation, rate: float) -> Iterator[Step]:
    """`w ← w - rate · gradient = 0.5 - 0.1 · 2 = 0.3` for each weight."""
    for node in e.nodes:
        if not isinstance(node.op, Leaf) or node.op.kind != "parameter":
            continue
        name, value, gradient = e.spoken[node], e.value[node], e.gradient[node]
        told = f"{name} ← {name} - rate · gradient"
        if node.shape:
            moved = wording.number(wording.rms(rate * gradient))
            told += f", with rate {wording.number(rate)}: a move of rms {moved}"
            new = wording.shown(value - rate * gradient)
        else:
            new = wording.number(value - rate * gradient)
            numbers = f"{wording.number(value)} - {wording.number(rate)}"
            told += f" = {numbers} · {wording.number(gradient)} = {new}"
        yield Step("update", told, e.names[node], new)
