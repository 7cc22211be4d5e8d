"""Rolled loops in a plan: the calls of every round, on buffers that rounds share.

What a round puts out is computed straight into its place in the stacks, and what it
leaves to the next one into one of two buffers in turn; all else lies in a few buffers
that stay in the processor's cache from round to round.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial

import numpy as np

from nettrain.execute import kernels as kernel_table
from nettrain.execute.kernels import Array, Call, Kernel, Scratch
from nettrain.execute.namespace import NUMPY
from nettrain.graph import Constant, Leaf, Node, Operation, Spec, topological
from nettrain.graph.loops import merging
from nettrain.graph.operations.scan import Scan
from nettrain.graph.rewrite import folding, rewrite, sharing, simplify

Table = Mapping[type[Operation], Kernel]


def calls(
    op: Operation, inputs: list[Array], out: Array, scratch: Scratch, table: Table
) -> list[Call]:
    """The bound calls that compute an operation, a loop or any other, into `out`."""
    if isinstance(op, Scan):
        return _Rounds(op, out, scratch, table).calls(inputs)
    return kernel_table.calls(op, inputs, out, scratch, table)


class _Rounds:
    """Binds the calls of one loop.

    Args:
        op: the loop.
        out: where its value goes.
        scratch: lends buffers for as long as the loop runs.
        table: how operations are computed.
    """

    def __init__(self, op: Scan, out: Array, scratch: Scratch, table: Table) -> None:
        self._op, self._scratch, self._table = op, scratch, table
        body = op.body
        rules = (merging(body.results), simplify, folding(NUMPY), sharing())
        new = rewrite(body.results, *rules)
        self._results = [new[x] for x in body.results]
        self._order = topological(self._results)
        parts = [out[where].reshape(shape) for where, shape in op.parts()]
        self._ends, self._stacks = parts[: len(body.new)], parts[len(body.new) :]
        self._rooms = _Rooms(self._order, set(self._results), scratch)

    def calls(self, inputs: list[Array]) -> list[Call]:
        """All rounds', one after the other."""
        body = self._op.body
        carries, sequences, shared = self._op.split(inputs)
        pairs = [[self._scratch(x.shape, x.dtype) for _ in "ab"] for x in body.new]
        now = [pair[1] for pair in pairs]
        bound: list[Call] = []
        bound += [partial(np.copyto, *both) for both in zip(now, carries, strict=True)]
        for number, t in enumerate(self._op.rounds()):
            arrays = dict(zip(body.carries, now, strict=True))
            arrays |= zip(body.slices, [s[t, ...] for s in sequences], strict=True)
            arrays |= zip(body.shared, shared, strict=True)
            now = [pair[number % 2] for pair in pairs]
            stacked = [stack[t, ...] for stack in self._stacks]
            bound += self._round(arrays, [*now, *stacked])
        ends = zip(self._ends, now, strict=True)
        return bound + [partial(np.copyto, *both) for both in ends]

    def _round(self, arrays: dict[Node, Array], places: list[Array]) -> list[Call]:
        """The calls of one round, and copies of results that have no place yet.

        Args:
            arrays: of the leaves; those of the other nodes are added.
            places: where each result goes.
        """
        bound: list[Call] = []
        place_of = dict(zip(self._results, places, strict=True))
        for node in self._order:
            if isinstance(node.op, Constant):
                arrays[node] = node.op.array
            elif not isinstance(node.op, Leaf):
                given = [arrays[x] for x in node.inputs]
                made = kernel_table.as_view(node.op, given[0])
                room = self._rooms.of(node, made is not None)
                if made is None:
                    made = place_of.get(node, room)
                    assert made is not None
                    bound += calls(node.op, given, made, self._scratch, self._table)
                arrays[node] = made
        for node, place in zip(self._results, places, strict=True):
            if arrays[node] is not place:
                bound.append(partial(np.copyto, place, arrays[node]))
        return bound


class _Rooms:
    """The buffers of values that no other round looks at, chosen in the first round.

    A buffer is used again once nothing looks at its value any more, and an operation
    that may writes over an operand that dies with it.
    """

    def __init__(self, order: list[Node], results: set[Node], scratch: Scratch) -> None:
        self._results, self._scratch = results, scratch
        self._left = Counter(x for node in order for x in set(node.inputs))
        self._left.update(results)  # they are wanted until the round ends
        self._looks: dict[Node, Node] = {}  # at whose buffer each node looks
        self._lookers: Counter[Node] = Counter()
        self._free: dict[Spec, list[Array]] = {}
        self._rooms: dict[Node, Array | None] = {}

    def of(self, node: Node, view: bool) -> Array | None:
        """A node's buffer; None for views, and for results, which have a place."""
        if node not in self._rooms:
            self._rooms[node] = self._choose(node, view)
        return self._rooms[node]

    def _choose(self, node: Node, view: bool) -> Array | None:
        room = None
        if not view and node not in self._results:
            room = self._dying(node)
            if room is None:
                free = self._free.get(node.spec)
                room = free.pop() if free else self._scratch(node.shape, node.dtype)
        looks = self._looks.get(node.inputs[0], node.inputs[0]) if view else node
        self._looks[node] = looks
        self._lookers[looks] += 1
        for x in set(node.inputs):
            self._left[x] -= 1
            if not self._left[x]:
                self._drop(x, room)
        return room

    def _dying(self, node: Node) -> Array | None:
        """The buffer of an operand that may be written over."""
        if not kernel_table.may_overwrite(node.op):
            return None
        for x in node.inputs:
            alone = self._left[x] == 1 and self._lookers[x] == 1
            if alone and x.spec == node.spec and self._rooms.get(x) is not None:
                return self._rooms[x]
        return None

    def _drop(self, x: Node, taken: Array | None) -> None:
        owner = self._looks.get(x, x)
        self._lookers[owner] -= 1
        room = self._rooms.get(owner)
        if self._lookers[owner] == 0 and room is not None and room is not taken:
            self._free.setdefault(owner.spec, []).append(room)
