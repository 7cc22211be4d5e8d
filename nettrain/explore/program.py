"""A graph as a function of arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nettrain.errors import Error
from nettrain.execute import Definition
from nettrain.execute import executor as executor_of
from nettrain.explore.evaluation import fitted
from nettrain.graph import Leaf, Node, leaf
from nettrain.graph.rewrite import substitute


def compile(
    inputs: Node | Sequence[Node],
    outputs: Node | Sequence[Node],
    executor: str = "numpy",
) -> Callable[..., Any]:
    """A function from arrays for `inputs` to fresh arrays for `outputs`.

    Parameters and states that are no inputs keep the value they were made with.

    Args:
        inputs: any nodes; an inner one is then given instead of computed.
        outputs: what is wanted: one node for one array, or several for a list.
        executor: `numpy`, `reference` or `auto`.

    >>> from nettrain.graph import variables
    >>> x, y = variables("x y")
    >>> compile([x, y], x * y)(3.0, 4.0)
    np.float64(12.0)
    """
    taken = [inputs] if isinstance(inputs, Node) else list(inputs)
    wanted = [outputs] if isinstance(outputs, Node) else list(outputs)
    _check_nodes(taken, wanted)
    # Each becomes an input of its own, whatever kind of node it was.
    given = {
        node: leaf(
            "input", node.path or node.kind, node.shape, node.dtype, scope=f"inputs/{i}"
        )
        for i, node in enumerate(taken)
    }
    new = substitute(wanted, given)
    definition = Definition({str(i): new[node] for i, node in enumerate(wanted)})
    _check_leaves(definition, set(given.values()))
    runner = executor_of(executor)
    program = runner.program(definition, runner.allocate(definition, {}))

    def compiled(*arrays: Any) -> Any:
        if len(arrays) != len(taken):
            message = f"the function takes {len(taken)} arrays, got {len(arrays)}"
            raise Error("graph-operand", message)
        values = {
            slot: fitted(slot, array)
            for slot, array in zip(given.values(), arrays, strict=True)
        }
        found = program(values).outputs
        results = [np.array(found[str(i)])[()] for i in range(len(wanted))]
        return results[0] if isinstance(outputs, Node) else results

    return compiled


def _check_nodes(inputs: Sequence[object], outputs: Sequence[object]) -> None:
    for node in (*inputs, *outputs):
        if not isinstance(node, Node):
            raise Error("graph-operand", f"compile takes nodes, got {node!r}")
    if len(set(inputs)) < len(inputs):
        raise Error("graph-operand", "an input is listed twice")


def _check_leaves(definition: Definition, given: set[Node]) -> None:
    """Every leaf is an input or brings a value along."""
    kinds = ("variable", "input", "parameter", "state")
    missing = [
        node.path
        for node in definition.leaves(*kinds)
        if node not in given and isinstance(node.op, Leaf) and node.op.initial is None
    ]
    if missing:
        message = f"the outputs need {', '.join(missing)} too"
        raise Error("graph-no-value", message, fix="list them among the inputs")
