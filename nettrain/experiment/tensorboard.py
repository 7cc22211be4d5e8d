"""What a run writes for TensorBoard: its metrics, its weights and its graph."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

from nettrain.graph import Leaf, Node, topological
from nettrain.graph.operations.scan import Scan
from nettrain.record.folder import RunFolder
from nettrain.record.metrics import Row
from nettrain.record.tensorboard import EventFile, GraphNode, cut_back
from nettrain.training.network import Network

_NO_NUMBER = ("step", "epoch")
_OPS = {"constant": "Const"}
"""Names by which TensorBoard draws a node as what it is."""


class TensorBoard:
    """Writes the event file of a run, on which nothing depends.

    Args:
        folder: of the run.
        network: that is trained; it tells its graph, and its weights from time to time.
    """

    def __init__(self, folder: RunFolder, network: Network) -> None:
        self._folder, self._network = folder, network
        self._file: EventFile | None = None

    def begin(self, step: int, rows: Sequence[Row]) -> str:
        """Go on after an update, the file being closed: what came later is cut off.

        Args:
            step: of that update; 0 before the first.
            rows: the metrics so far.

        Returns:
            What there is to say of events that were missing, or nothing.
        """
        disk, path = self._folder.disk, self._folder.tensorboard
        last = cut_back(disk, path, step)
        self._file = EventFile(disk, path, nodes(self._network.first.cost))
        missing = [row for row in rows if row["step"] > last]
        for row in missing:
            self.note(row)
        if not missing:
            return ""
        return (
            f"{path.name} lacked the updates {last + 1} to {step}: their metrics are "
            "written again, histograms of the weights cannot be"
        )

    def note(self, row: Mapping[str, Any]) -> None:
        """The metrics of an update, all numbers of a row of `metrics.jsonl`."""
        numbers = {name: v for name, v in row.items() if name not in _NO_NUMBER}
        self._opened.scalars(row["step"], numbers)

    def weigh(self, step: int) -> None:
        """The weights as they are now; whoever watches the file can see them."""
        state = self._network.state
        paths = self._network.first.trace.parameters
        self._opened.histograms(step, {path: state[path] for path in paths})
        self._opened.flush()

    def sync(self) -> None:
        """Make everything durable."""
        self._opened.sync()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    @property
    def _opened(self) -> EventFile:
        assert self._file is not None
        return self._file


# ---------------------------------------------------------------- the graph


def nodes(cost: Node) -> Iterator[GraphNode]:
    """What a cost needs, layers as scopes, as TensorBoard draws it.

    A loop is a scope with its body in it, once: a body's own leaves are what the loop
    is given, and the loop itself takes what a round leaves. The operations outside of
    all layers make up the scope of the cost.
    """
    yield from _Names(cost.name or "cost").told([cost], {})


class _Names:
    """Gives nodes names, no two alike.

    Args:
        outside: the scope of operations that have none.
    """

    def __init__(self, outside: str) -> None:
        self._outside = outside
        self._taken: set[str] = set()

    def told(
        self, results: Sequence[Node], given: Mapping[Node, str], loop: str = ""
    ) -> Generator[GraphNode, None, list[str]]:
        """The nodes that results need; gives the names of the results.

        Args:
            results: of the graph, or of a loop's body.
            given: names of what a body's leaves are given.
            loop: the scope of that loop.
        """
        names: dict[Node, str] = {}
        for node in topological(results):
            inputs = [given[node]] if node in given else [names[x] for x in node.inputs]
            scope = loop or node.scope
            if not (scope or isinstance(node.op, Leaf)):
                scope = self._outside
            if isinstance(node.op, Scan):
                scope = self._free(f"{scope}/loop")
                body = node.op.body
                leaves = (*body.carries, *body.slices, *body.shared)
                given_body = dict(zip(leaves, inputs, strict=True))
                inputs = yield from self.told(body.results, given_body, scope)
            name = names[node] = self._free(f"{scope}/{node.name or node.kind}")
            yield GraphNode(name, _OPS.get(node.kind, node.kind), inputs, node.shape)
        return [names[node] for node in results]

    def _free(self, name: str) -> str:
        """The name, or with a number where another node or loop has it."""
        name = name.strip("/")
        numbered = (f"{name}_{number}" for number in itertools.count(2))
        found = next(
            n for n in itertools.chain([name], numbered) if n not in self._taken
        )
        self._taken.add(found)
        return found
