"""The order in which a plan computes its nodes, and how often each is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from nettrain.graph import Node, topological


@dataclass(frozen=True)
class Schedule:
    """Nodes in the order they run, in two phases with the guards between them.

    Attributes:
        measure: what guards, outputs and lanes need, inputs before users.
        update: the rest of what the new state needs.
        uses: how many nodes read each node, plus one for each time it is handed back.
    """

    measure: list[Node]
    update: list[Node]
    uses: dict[Node, int]


def schedule(
    early: Iterable[Node], late: Iterable[Node], observers: Iterable[Node]
) -> Schedule:
    """Order the phases without regard to observers, then slip the observers in.

    Each observer's own nodes follow as soon as their inputs are there, while those are
    still in the cache and their buffers need not be kept for long.

    Args:
        early: wanted from the first phase.
        late: wanted from the second.
        observers: wanted from either.
    """
    early, late, observers = list(early), list(late), list(observers)
    measure = topological(early)
    update = topological([*measure, *late])[len(measure) :]
    waiting = _Waiting(observers, {*measure, *update})
    phases = (
        [*waiting.start(), *waiting.among(measure)],
        list(waiting.among(update)),
    )
    uses = dict.fromkeys((node for phase in phases for node in phase), 0)
    for node in list(uses):
        for x in set(node.inputs):
            uses[x] += 1
    for node in (*early, *late, *observers):
        uses[node] += 1
    return Schedule(*phases, uses)


class _Waiting:
    """Observer nodes, until their inputs are there."""

    def __init__(self, observers: list[Node], values: set[Node]) -> None:
        nodes = [node for node in topological(observers) if node not in values]
        self._missing = {node: len(set(node.inputs)) for node in nodes}
        self._readers: dict[Node, list[Node]] = {}
        for node in nodes:
            for x in set(node.inputs):
                self._readers.setdefault(x, []).append(node)

    def start(self) -> Iterator[Node]:
        """Observer nodes that need no value."""
        return self.among([node for node, n in self._missing.items() if not n])

    def among(self, nodes: list[Node]) -> Iterator[Node]:
        """The nodes, each followed by what has become possible with it."""
        for node in nodes:
            ready = [node]
            while ready:
                done = ready.pop()
                yield done
                for reader in self._readers.get(done, ()):
                    self._missing[reader] -= 1
                    if not self._missing[reader]:
                        ready.append(reader)
