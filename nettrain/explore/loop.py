"""Boxes and arrows of a loop: its body once, or its rounds written out.

What a loop hands on and stacks is one flat vector that is cut apart again; a picture
has what comes out instead, as the outputs of the loop's frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nettrain.explore import wording
from nettrain.explore.rounds import Rounds
from nettrain.graph import Constant, Node, topological
from nettrain.graph.operations.scan import Scan
from nettrain.graph.operations.shape import Reshape, Slice
from nettrain.show.drawing import Arrow, Box, Kind

FIRST, LAST = 3, 2
"""Rounds that are written out, of a loop that has more."""

_WATCHED = "pre_activation"


def ends(node: Node, users: Mapping[Node, Sequence[Node]]) -> dict[Node, int] | None:
    """The nodes that are a part of a loop's value, and which.

    None if others use it too, or if there is no round.

    Args:
        node: the loop.
        users: of each node of the graph.
    """
    assert isinstance(node.op, Scan)
    parts = list(node.op.parts())
    found: dict[Node, int] = {}
    if not node.op.length:
        return None
    if len(parts) == 1:
        return dict.fromkeys(_shaped(node, parts[0][1], users), 0)
    for user in users[node]:
        numbers = [i for i, (where, _) in enumerate(parts) if _cuts(user, where)]
        if not numbers:
            return None
        found |= dict.fromkeys(_shaped(user, parts[numbers[0]][1], users), numbers[0])
    return found or None


def _cuts(user: Node, where: slice) -> bool:
    op = user.op
    return isinstance(op, Slice) and op.slices == (slice(where.start, where.stop, 1),)


def _shaped(
    flat: Node, shape: tuple[int, ...], users: Mapping[Node, Sequence[Node]]
) -> list[Node]:
    """What a flat part becomes: itself, where it is used as it is."""
    again = [] if flat.name else users[flat]
    shaped = [x for x in again if isinstance(x.op, Reshape) and x.shape == shape]
    return shaped if shaped and len(shaped) == len(again) else [flat]


@dataclass(frozen=True)
class Surroundings:
    """What a loop's boxes need to know of the picture around them.

    Attributes:
        box: id of the box of a node outside the loop; None where none is drawn.
        label: of an operation.
        health: of a gradient of this size; None where health means nothing.
        kinds: of boxes by role.
    """

    box: Callable[[Node], str | None]
    label: Callable[[Node], str]
    health: Callable[[float], float | None]
    kinds: Mapping[str, Kind]


class Loop:
    """A loop on its way to boxes and arrows, drawn once for all rounds.

    Attributes:
        node: the loop.
        ends: the nodes outside that are parts of its value, and which.
        scope: of its frame.
        boxes, arrows: what was made so far; the boxes of `ends` are not among them.
        notes: what the titles of its frames say further.
    """

    def __init__(
        self,
        node: Node,
        ends: Mapping[Node, int],
        scope: str,
        sizes: Rounds,
        outside: Surroundings,
        earlier: Sequence[Loop] = (),
    ) -> None:
        """Args: earlier: loops of the same layer."""
        assert isinstance(node.op, Scan)
        self.node, self.ends, self.scope = node, ends, scope
        self._op, self._body = node.op, node.op.body
        self._sizes, self._outside = sizes, outside
        # What is put out for others, such as statistics, is not part of this graph.
        used = [self._body.results[part] for part in sorted(set(ends.values()))]
        self._order = topological([*self._body.new, *used])
        self._first = _first_step(node)
        self._passes = 1 + sum(loop._first == self._first for loop in earlier)
        """How often the layer has been called."""
        self._texts = wording.numbered(self._order)
        self.boxes: list[Box] = []
        self.arrows: list[Arrow] = []
        backwards = ", last to first" if self._op.reverse else ""
        since = f" from {self._first}" if self._first > 1 else ""
        self.notes = {scope: f"· {self._op.length} time steps{since}{backwards}"}

    def draw(self) -> None:
        """The body once: what goes round goes back from its end to its beginning."""
        body, outer = self._body, self._outer
        first, sequences, _ = self._op.split(outer)
        when = "the step after" if self._op.reverse else "the step before"
        ids = self._shared()
        for x, source in zip(body.carries, first, strict=True):
            if x in self._texts:
                ids[x] = self._leaf(x, "state", f"from {when}", source)
        for x, source in zip(body.slices, sequences, strict=True):
            if x in self._texts:
                ids[x] = self._leaf(x, "input", "of this step", source)
        self._operations(self.scope, ids, None)
        for x, new in zip(body.carries, body.new, strict=True):
            source, target = ids.get(new), ids.get(x)
            if source is not None and target is not None and source != target:
                inside = new not in body.shared
                self.arrows.append(Arrow(source, target, back=inside))
        for end, part in self.ends.items():
            self._join([ids.get(body.results[part])], self._outside.box(end))

    def draw_rounds(self) -> None:
        """The rounds one after the other: the first ones, and of many the last ones."""
        body, order = self._body, list(self._op.rounds())
        first, sequences, _ = self._op.split(self._outer)
        carried = list(first)
        stacked: list[list[str | None]] = [[] for _ in body.outputs]
        left_out = len(order) - FIRST - LAST
        for number, t in enumerate(order):
            if left_out > 1 and FIRST <= number < len(order) - LAST:
                if number == FIRST:
                    gap = self._gap(left_out, carried)
                    carried = [gap] * len(carried)
                    stacked = [[*found, gap] for found in stacked]
                continue
            scope = f"{self.scope}/t{self._first + t}"
            ids = self._shared() | dict(zip(body.carries, carried, strict=True))
            for x, source in zip(body.slices, sequences, strict=True):
                if x in self._texts:
                    said = f"of step {self._first + t}"
                    ids[x] = self._leaf(x, "input", said, source, t)
            self._operations(scope, ids, t)
            carried = [ids.get(new) for new in body.new]
            for found, node in zip(stacked, body.outputs, strict=True):
                found.append(ids.get(node))
        for end, part in self.ends.items():
            sources = [[c] for c in carried] + stacked
            self._join(sources[part], self._outside.box(end))

    def words(self, end: Node) -> tuple[str, str]:
        """Label and detail of a part of the loop's value."""
        part = self.ends[end] - len(self._body.new)
        size = " × ".join(map(str, end.shape))
        last = self._first + (0 if self._op.reverse else self._op.length - 1)
        when = f"of step {last}" if part < 0 else "of all steps"
        label = "last" if part < 0 else "all"
        return end.name or label, " · ".join(filter(None, [when, size]))

    # ------------------------------------------------------------ boxes

    @property
    def _outer(self) -> list[str | None]:
        return [self._outside.box(x) for x in self.node.inputs]

    def _shared(self) -> dict[Node, str | None]:
        _, _, shared = self._op.split(self._outer)
        return dict(zip(self._body.shared, shared, strict=True))

    def _operations(
        self, scope: str, ids: dict[Node, str | None], t: int | None
    ) -> None:
        """The operations of a round; `ids` knows its leaves and learns of the rest."""
        for node in self._order:
            if node in ids or isinstance(node.op, Constant):
                continue
            name = node.name or (_WATCHED if node is self._watched else "")
            details = [node.kind] if name else []
            label = name or self._outside.label(node)
            kind = self._outside.kinds.get(node.role) or "operation"
            ids[node] = self._box(node, scope, label, details, kind, t)
            self._join([ids.get(x) for x in node.inputs], ids[node])

    def _leaf(
        self,
        node: Node,
        kind: Kind,
        said: str,
        source: str | None,
        t: int | None = None,
    ) -> str:
        scope = self.scope if t is None else f"{self.scope}/t{self._first + t}"
        made = self._box(node, scope, node.kind, [said], kind, t)
        self._join([source], made)
        return made

    def _box(
        self,
        node: Node,
        scope: str,
        label: str,
        details: list[str],
        kind: Kind,
        t: int | None,
    ) -> str:
        size = " × ".join(map(str, node.shape))
        id_ = f"{scope}/{self._texts[node]}"
        gradient = self._sizes.gradient.get(node)
        weakest = None if gradient is None else _weakest(_at(gradient, t))
        self.boxes.append(
            Box(
                id_,
                label,
                [" · ".join(filter(None, [*details, size]))],
                kind=kind,
                scope=scope,
                value=_shown(node, self._sizes.value[node], t),
                gradient=None if gradient is None else _shown(node, gradient, t),
                health=None if weakest is None else self._outside.health(weakest),
                origin=node.origin,
                facts={"op": node.kind, "shape": list(node.shape)},
                records=self._records(t) if node is self._watched else (),
            )
        )
        return id_

    @property
    def _watched(self) -> Node | None:
        """What is put out for statistics alone: a recurrent layer's pre-activations."""
        outputs = self._body.outputs
        last = len(self._body.new) + len(outputs) - 1
        return outputs[-1] if outputs and last not in self.ends.values() else None

    def _records(self, t: int | None) -> list[str]:
        """Paths of its statistics, which stand in the layer by time step."""
        layer = self.scope.rpartition("/")[0]
        name = f"{_WATCHED}{self._passes if self._passes > 1 else ''}"
        steps = range(self._op.length) if t is None else [t]
        return [f"{layer}/t{self._first + step}/{name}" for step in steps]

    def _gap(self, count: int, carried: Sequence[str | None]) -> str:
        id_ = f"{self.scope}/…"
        self.boxes.append(Box(id_, "…", [f"{count} more steps"], scope=self.scope))
        self._join(carried, id_)
        return id_

    def _join(self, sources: Iterable[str | None], target: str | None) -> None:
        for source in sources:
            if source is not None and target is not None:
                self.arrows.append(Arrow(source, target))


def _first_step(node: Node) -> int:
    """The time step that a loop begins with, from 1; it may be part of a longer one."""
    assert isinstance(node.op, Scan)
    _, sequences, _ = node.op.split(node.inputs)
    cut = sequences[0].op if sequences else None
    return 1 + (cut.slices[0].start or 0 if isinstance(cut, Slice) else 0)


def _at(row: np.ndarray, t: int | None) -> np.ndarray:
    """Of one time step, or of all."""
    return row if t is None else row[t : t + 1]


def _weakest(row: np.ndarray) -> float:
    """The smallest size but 0, unless there is no other.

    A first memory of 0 has no effect by way of a gate: nothing has vanished there.
    """
    sizes = np.abs(row[row != 0.0])
    return sizes.min(initial=np.inf if sizes.size else 0.0).item()


def _shown(node: Node, row: np.ndarray, t: int | None) -> str:
    """A number, or from which to which they go over time."""
    few = _at(row, t)
    texts = dict.fromkeys(wording.number(n, 3) for n in (few.min(), few.max()))
    return ("rms " if node.shape else "") + " … ".join(texts)
