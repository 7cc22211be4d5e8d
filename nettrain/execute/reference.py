"""The reference executor: one node after the other. It defines what is correct."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from nettrain.errors import Error
from nettrain.execute.namespace import NUMPY
from nettrain.execute.program import (
    STATEFUL,
    Arrays,
    Definition,
    Result,
    State,
    initial_arrays,
)
from nettrain.graph import Leaf, Node, topological

Check = Callable[[Node, np.ndarray, list[np.ndarray]], None]


def evaluate(
    nodes: Iterable[Node],
    leaves: Arrays,
    check: Check | None = None,
    xp: Any = NUMPY,
) -> dict[Node, np.ndarray]:
    """The value of every node that the given ones need.

    Args:
        nodes: what is wanted.
        leaves: a value for each leaf.
        check: called after each node, in forward order, with the node, its value and
            the values of its inputs.
        xp: the namespace that computes.
    """
    values: dict[Node, np.ndarray] = {}
    with np.errstate(all="ignore"):
        for node in topological(nodes):
            inputs = [values[x] for x in node.inputs]
            if isinstance(node.op, Leaf):
                values[node] = _given(node, leaves)
            else:
                values[node] = node.op.forward(xp, *inputs)
            if check is not None:
                check(node, values[node], inputs)
    return values


def _given(node: Node, leaves: Arrays) -> np.ndarray:
    if node not in leaves:
        raise Error("graph-no-value", f"{node!r} has no value", fix="give it one")
    value = np.asarray(leaves[node], dtype=node.dtype)
    if value.shape != node.shape:
        raise Error("graph-shape", f"{node!r} got a value of shape {value.shape}")
    return value


class Reference:
    """Runs definitions node by node, keeping every value until the end."""

    name = "reference"
    keeps = False

    def allocate(
        self, definition: Definition, values: Mapping[str, np.ndarray]
    ) -> State:
        return State(initial_arrays(definition.leaves(*STATEFUL), values))

    def program(self, definition: Definition, state: State) -> ReferenceProgram:
        return ReferenceProgram(definition, state)

    def nbytes(self, definition: Definition) -> int:
        """All values at once, and a copy of what is handed back or becomes state."""
        values = topological(definition.roots())
        computed = [node for node in values if not isinstance(node.op, Leaf)]
        return sum(n.spec.nbytes for n in (*computed, *definition.roots()))


class ReferenceProgram:
    """A definition bound to a state."""

    def __init__(self, definition: Definition, state: State) -> None:
        self._definition, self._state = definition, state

    def __call__(self, inputs: Arrays, check: Check | None = None) -> Result:
        definition, state = self._definition, self._state
        leaves = {n: state[n.path] for n in definition.leaves(*STATEFUL)}
        values = evaluate(definition.roots(), {**leaves, **inputs}, check)
        committed = all(np.isfinite(values[node]) for node in definition.guards)
        named = {**definition.outputs, **definition.observers}
        outputs = {name: np.array(values[node]) for name, node in named.items()}
        if committed:
            new = {leaf.path: values[node] for leaf, node in definition.updates.items()}
            for path, value in new.items():
                # A new value may be a view of another leaf that is changed here too.
                new[path] = np.array(value)
            for path, value in new.items():
                np.copyto(state[path], value)
        return Result(outputs, committed)
