"""What every node of a loop's body was worth in each round, and its gradient there.

A loop's own value holds only what it hands on or stacks. Here its rounds are run again,
forward and then backward, and of each node one number a round is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nettrain.execute import reference
from nettrain.explore import wording
from nettrain.graph import Node, leaf
from nettrain.graph.gradient import pullback
from nettrain.graph.operations.scan import Scan

Arrays = dict[Node, np.ndarray]
"""An array by node."""


@dataclass(frozen=True)
class Rounds:
    """By node of the body a number per time step: of an array its root mean square.

    Attributes:
        value: of each node, (T,).
        gradient: of those that a gradient comes back to, (T,).
    """

    value: Arrays
    gradient: Arrays


def rounds(node: Node, value: Mapping[Node, Any], gradient: Any | None) -> Rounds:
    """Run a loop again.

    Args:
        node: the loop.
        value: of its inputs.
        gradient: of its value, flat as this is; None where none comes back.
    """
    assert isinstance(node.op, Scan)
    op, body = node.op, node.op.body
    first, sequences, shared = op.split([np.asarray(value[x]) for x in node.inputs])
    always = dict(zip(body.shared, shared, strict=True))
    given: dict[int, Arrays] = {}
    found: Arrays = {}
    sizes = Rounds({}, {})
    for t in op.rounds():
        carries = [found[new] for new in body.new] if found else first
        given[t] = always | dict(zip(body.carries, carries, strict=True))
        given[t] |= {x: s[t] for x, s in zip(body.slices, sequences, strict=True)}
        found = given[t] | reference.evaluate(body.results, given[t])
        _note(sizes.value, found, t, op.length)
    if gradient is not None:
        _run_back(op, given, np.asarray(gradient), sizes.gradient)
    return sizes


def _run_back(
    op: Scan, given: Mapping[int, Arrays], gradient: np.ndarray, sizes: Arrays
) -> None:
    """Backprop through time: each round is given what the one after it sends back.

    Args:
        op: the loop.
        given: by time step the value of every leaf of the body.
        gradient: of the loop's value.
        sizes: learns of each node's gradient.
    """
    body = op.body
    ends = [np.reshape(gradient[where], shape) for where, shape in op.parts()]
    seeds = [leaf("seed", "", n.shape, n.dtype, scope="") for n in body.results]
    floats = [x for x in (*body.order, *body.carries, *body.slices) if x.spec.is_float]
    pulled = pullback(zip(body.results, seeds, strict=True), floats)
    count = len(body.carries)
    back = ends[:count]
    for t in list(op.rounds())[::-1]:
        sent = [*back, *(stack[t] for stack in ends[count:])]
        leaves = given[t] | dict(zip(seeds, sent, strict=True))
        found = reference.evaluate(pulled.values(), leaves)
        _note(sizes, {x: found[g] for x, g in pulled.items()}, t, op.length)
        back = [
            found[pulled[x]] if x in pulled else np.zeros(x.shape) for x in body.carries
        ]


def _note(sizes: Arrays, found: Arrays, t: int, length: int) -> None:
    for node, array in found.items():
        row = sizes.setdefault(node, np.zeros(length))
        row[t] = wording.rms(array) if node.shape else array
