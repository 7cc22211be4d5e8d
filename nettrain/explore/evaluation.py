"""Values forward and gradients backward through one graph, for every node of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nettrain.errors import Error
from nettrain.execute import reference
from nettrain.explore import wording
from nettrain.graph import Leaf, Node, adjoints, topological
from nettrain.graph.gradient import ones

if TYPE_CHECKING:
    from nettrain.show.drawing import Drawing

Given = Mapping[Node, Any]
"""Numbers, lists or arrays by leaf."""


class Answers(dict[Node, Any]):
    """What is known of each node: a Python number for a scalar, else an array."""

    def __missing__(self, node: Any) -> Any:
        message = f"{node!r} is no node of this graph, so nothing is known of it"
        fix = "ask with the same object: `.named` makes another node"
        raise Error("graph-not-connected", message, fix=fix)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What one forward and one backward pass told of every node.

    Attributes:
        output: the node that was evaluated.
        nodes: the forward graph, inputs before users.
        value: of each node; a Python number for a scalar, else an array.
        gradient: d output / d node, of the node's shape. Where the output is no scalar,
            that of the sum of its elements; where none comes back, 0.
        reached: the nodes that a gradient comes back to.
        title: stands above the picture.
    """

    output: Node
    nodes: tuple[Node, ...]
    value: Mapping[Node, Any]
    gradient: Mapping[Node, Any]
    reached: frozenset[Node]
    title: str = ""

    @cached_property
    def names(self) -> dict[Node, str]:
        """What each node is called; no two alike."""
        return wording.names(self.nodes)

    @cached_property
    def spoken(self) -> dict[Node, str]:
        """What sentences and the picture call each node."""
        return wording.spoken(self.nodes, self.output)

    @cached_property
    def is_network(self) -> bool:
        """Whether layers made it, each in a scope of its own."""
        return wording.is_network(self.nodes)

    def steps(self, rate: float = 0.1) -> list[str]:
        """The calculation in sentences: forward, then backward, then new weights.

        Args:
            rate: learning rate of the one step of descent that the last ones take.
        """
        from nettrain.explore import lesson

        return [step.text for step in lesson.steps(self, rate)]

    def drawing(self, rate: float | None = 0.1, unroll: bool = False) -> Drawing:
        """The picture as plain data: a box for every node, and those in loops.

        Args:
            rate: learning rate of its steps; None: without steps.
            unroll: whether the rounds of loops are written out one after the other.
        """
        from nettrain.explore import picture

        return picture.drawing(self, rate, unroll)

    def draw(
        self,
        path: Path | str,
        rate: float | None = 0.1,
        unroll: bool = False,
        unfold: bool = False,
    ) -> None:
        """Write the picture, as .svg, .png, .html (with the steps) or .dot.

        Args:
            path: the file.
            rate: see `drawing`.
            unroll: see `drawing`.
            unfold: whether a picture has every box, however many; else repeated blocks
                stand once in it, and of a large network layers are one box each.
        """
        from nettrain.show import graph

        graph.draw(self.drawing(rate, unroll), path, unfold)

    def to_json(self) -> dict[str, Any]:
        """`{"nodes": {NAME: {op, value, gradient, shape, inputs}}}`, plain values."""
        return {"nodes": {self.names[node]: self.facts(node) for node in self.nodes}}

    def facts(self, node: Node) -> dict[str, Any]:
        """What is known of a node, as plain data."""
        reached = node in self.reached
        return {
            "op": node.kind,
            "value": wording.plain(self.value[node]),
            "gradient": wording.plain(self.gradient[node]) if reached else 0.0,
            "shape": list(node.shape),
            "inputs": [self.names[x] for x in node.inputs],
        }


def evaluate(
    node: Node, values: Given, title: str = "", beside: Sequence[Node] = ()
) -> Evaluation:
    """The value of every node that `node` needs, then d node / d each of them.

    Args:
        node: the result; where it is no scalar, the backward pass starts with ones.
        values: of the leaves; those with a first value of their own may be left out.
        title: of the picture.
        beside: further nodes to know the value of; their gradient is 0 unless `node`
            needs them.

    Raises:
        Error: `graph-no-value` naming every leaf without a value, `graph-shape` or
            `graph-dtype` if a value does not fit its leaf.
    """
    nodes = topological([*beside, node])
    leaves = _leaf_values(nodes, values)
    found = adjoints(node, nodes, ones(node.spec)) if node.spec.is_float else {}
    known = reference.evaluate([*nodes, *found.values()], leaves)
    asked = dict.fromkeys([*nodes, *leaves])
    value = {n: _copied(known[n] if n in known else leaves[n]) for n in asked}
    gradient = {
        n: _copied(known[found[n]] if n in found else np.zeros(n.shape)) for n in asked
    }
    return Evaluation(
        node, tuple(nodes), Answers(value), Answers(gradient), frozenset(found), title
    )


def evaluate_network(
    cost: Node, inputs: Given, state: Mapping[str, np.ndarray], title: str = ""
) -> Evaluation:
    """As `evaluate`, for a traced network whose weights are known by path.

    Args:
        cost: of the training trace, so that the picture ends where training begins.
        inputs: one batch: values of the input leaves, the step number among them.
        state: parameters and running averages, such as `model/dense1/weight`.
        title: of the picture.
    """
    leaves = [n for n in topological([cost]) if isinstance(n.op, Leaf)]
    kept = {n: state[n.path] for n in leaves if n.path in state and n not in inputs}
    return evaluate(cost, {**kept, **inputs}, title)


def _copied(array: np.ndarray) -> Any:
    return np.array(array) if np.ndim(array) else np.asarray(array).item()


def _leaf_values(nodes: list[Node], values: Given) -> dict[Node, np.ndarray]:
    """An array for every leaf; all that have none are named at once."""
    found = {node: fitted(node, value) for node, value in values.items()}
    missing = []
    for node in nodes:
        if isinstance(node.op, Leaf) and node not in found:
            if node.op.initial is None:
                missing.append(node.path or node.kind)
            else:
                found[node] = node.op.initial
    if missing:
        listed = ", ".join(missing)
        fix = "give each of these leaves a value"
        raise Error("graph-no-value", f"no value was given for {listed}", fix=fix)
    return found


def fitted(node: Node, value: Any) -> np.ndarray:
    """A value as an array of a leaf's shape and dtype; nothing is cut or broadcast."""
    if not isinstance(node, Node) or not isinstance(node.op, Leaf):
        message = f"a value was given for {node!r}, which is no leaf"
        raise Error("graph-operand", message, fix="give values to the leaves only")
    try:
        given = np.asarray(value)
    except (ValueError, TypeError, OverflowError):
        given = np.asarray(None)
    if given.dtype.kind not in "biuf":
        raise Error("graph-operand", f"{node!r} got no array of numbers: {value!r}")
    with np.errstate(all="ignore"):
        made = given.astype(node.dtype)
    if made.shape != node.shape:
        raise Error("graph-shape", f"{node!r} got a value of shape {made.shape}")
    if not node.spec.is_float and not np.array_equal(made, given):
        message = f"the value of {node!r} does not fit into {node.dtype}: {value!r}"
        raise Error("graph-dtype", message)
    return made
