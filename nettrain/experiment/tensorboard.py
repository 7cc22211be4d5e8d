"""What a run writes for TensorBoard: all that is measured, its weights, its graph."""

from __future__ import annotations

import itertools
import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

from nettrain.diagnose.statistics import COUNTERS
from nettrain.graph import Leaf, Node, topological
from nettrain.graph.operations.scan import Scan
from nettrain.record.folder import RunFolder
from nettrain.record.metrics import Row
from nettrain.record.statistics import read_statistics
from nettrain.record.tensorboard import EventFile, GraphNode, cut_back
from nettrain.training.network import Network

_NO_NUMBER = ("step", "epoch")
_STATISTICS = {
    ("pre_activation", "gradient_rms"): "gradient_rms",
    ("pre_activation", "dead"): "dead_share",
    ("activation", "value_mean"): "activation_mean",
    ("activation", "value_std"): "activation_std",
    ("activation", "value_zero"): "activation_zeros",
    ("parameter", "gradient_rms"): "parameter_gradient_rms",
    ("parameter", "update_ratio"): "update_ratio",
}
"""Role and column of statistics.csv -> the group in which it is shown: what the plots
of a run show as well."""
_CONFIG = "config.yaml"
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
        graph = nodes(self._network.first.cost)
        self._file = EventFile(disk, path, graph, self._config())
        missing = [row for row in rows if row["step"] > last]
        if not missing:
            return ""
        measured = self._measured()
        for row in missing:
            self.note(row)
            self.measure(measured.get(row["step"], []))
        return (
            f"{path.name} lacked the updates {last + 1} to {step}: their metrics are "
            "written again, histograms of the weights cannot be"
        )

    def _config(self) -> str:
        """As it was given, without overrides: a run may go on with others."""
        folder = self._folder
        there = folder.disk.exists(folder.path / _CONFIG)
        return folder.read_text(_CONFIG) if there else ""

    def _measured(self) -> dict[int, list[Row]]:
        """The rows of `statistics.csv` by step."""
        found: dict[int, list[Row]] = {}
        columns = read_statistics(self._folder.disk, self._folder.statistics)
        for cells in zip(
            *(column.tolist() for column in columns.values()), strict=True
        ):
            row = dict(zip(columns, cells, strict=True))
            found.setdefault(row["step"], []).append(row)
        return found

    def note(self, row: Mapping[str, Any]) -> None:
        """The metrics of an update, all numbers of a row of `metrics.jsonl`."""
        numbers = {name: v for name, v in row.items() if name not in _NO_NUMBER}
        self._opened.scalars(row["step"], numbers)

    def measure(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Statistics of one moment, rows of `statistics.csv`."""
        numbers: dict[str, float] = {}
        for row in rows:
            for (role, column), group in _STATISTICS.items():
                value = row[column]
                if row["role"] == role and value is not None and not math.isnan(value):
                    scale = self._units(row["node"]) if column == "dead" else 1
                    numbers[f"{group}/{_title(row['node'], role)}"] = value / scale
        if numbers:
            self._opened.scalars(rows[0]["step"], numbers)

    def _units(self, path: str) -> int:
        """How many units a pre-activation has of which the dead ones are counted."""
        return int(self._network.state[f"diagnosis/{COUNTERS[0]}/{path}"].size)

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


def _title(path: str, role: str) -> str:
    """`repeat1.8.dense1` of a node: of a longer title TensorBoard cuts all but the end.

    That begins behind its last slash.
    """
    name = path.removeprefix("model/").removesuffix(f"/{role}")
    return name.replace("/", ".")


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
