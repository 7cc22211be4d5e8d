"""Where the boxes, groups and arrows of a drawing stand: left to right, no overlaps.

Every scope is laid out by itself, innermost first, and then stands in the scope around
it as one box, so no foreign box can lie in a group. Arrows cross a group's border at
ports and run through columns in lanes of their own, so no arrow crosses a box. A scope
that is left and entered again, as a layer that is called twice, becomes several groups.
What a loop hands to its next round runs back below all that stands in its group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from nettrain.show.drawing import SMALL, Arrow, Drawing, box_size, text_width
from nettrain.show.layers import Segment, Slot, arrange
from nettrain.show.scopes import bound, parts, topological

MARGIN, TITLE = 14.0, 22.0
"""Free space inside a group's border, and above it for its name."""

_GAP = 30.0
_HEAD = 12.0
_STIFF, _SLACK = 8.0, 0.1
_BOX = 9.0
_LANE = 5.0
_BACK = 9.0
"""Between arrows that run back beside or below each other."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Rectangle:
    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height


@dataclass(frozen=True)
class Layout:
    """All places, in pixels from the top left.

    Attributes:
        boxes: box id -> its rectangle.
        groups: name and rectangle of each scope, outer ones first.
        routes: the points of each arrow, in the drawing's order. From each even point
            to the next the arrow is level; from each odd one it swings to the next. An
            arrow that goes back turns at right angles at every point.
    """

    width: float
    height: float
    boxes: dict[str, Rectangle]
    groups: list[tuple[str, Rectangle]]
    routes: list[list[Point]]


@dataclass(eq=False)
class _Group:
    """A scope, or the piece of one that is drawn together."""

    name: str
    path: tuple[str, ...]
    members: list[str]
    items: list[str | _Group] = field(default_factory=list)
    width: float = 0.0
    height: float = 0.0
    tops: dict[object, float] = field(default_factory=dict)
    """Top of each item, lane and port, from the group's top."""
    lefts: dict[object, float] = field(default_factory=dict)
    edges: list[tuple[float, float]] = field(default_factory=list)
    """Left and right of each column; the first and last are the group's borders."""
    columns: dict[object, int] = field(default_factory=dict)
    entries: list[str] = field(default_factory=list)
    exits: list[str] = field(default_factory=list)
    backs: list[Arrow] = field(default_factory=list)

    @property
    def depth(self) -> int:
        return len(self.path)

    @property
    def strip(self) -> float:
        """Room below and beside all boxes for the arrows that run back."""
        return _BACK * (len(self.backs) + 1) if self.backs else 0.0


def layout(drawing: Drawing) -> Layout:
    """Lay out a drawing whose arrows form no cycle."""
    return _Compound(drawing).result()


class _Compound:
    """The nested groups of a drawing on their way to places."""

    def __init__(self, drawing: Drawing) -> None:
        self.arrows = drawing.arrows
        self.scopes = {
            b.id: tuple(b.scope.split("/")) if b.scope else () for b in drawing.boxes
        }
        self.inputs: dict[str, list[Arrow]] = {box.id: [] for box in drawing.boxes}
        self.outputs: dict[str, list[Arrow]] = {box.id: [] for box in drawing.boxes}
        self.arriving: dict[str, list[Arrow]] = {box.id: [] for box in drawing.boxes}
        """As `inputs`, with what comes back from the round before."""
        for arrow in drawing.arrows:
            self.arriving[arrow.target].append(arrow)
            if not arrow.back:
                self.inputs[arrow.target].append(arrow)
                self.outputs[arrow.source].append(arrow)
        self.sizes = {
            box.id: box_size(box, len(found), any(a.label for a in found))
            for box in drawing.boxes
            for found in [self.arriving[box.id]]
        }
        self.chain: dict[str, list[_Group]] = {}
        self.name = drawing.name
        loops = dict.fromkeys(self.scopes[a.source] for a in drawing.arrows if a.back)
        self.needed = bound(self.inputs, self.scopes, loops)
        self.root = self._grouped((), topological(self.needed), [])
        for arrow in drawing.arrows:
            if arrow.back:
                self.chain[arrow.source][-1].backs.append(arrow)
        self._lay_out(self.root)

    # ------------------------------------------------------------ groups

    def _grouped(
        self, path: tuple[str, ...], members: list[str], around: list[_Group]
    ) -> _Group:
        group = _Group(self.name("/".join(path)), path, members)
        for part, boxes in parts(members, len(path), self.scopes, self.needed):
            if part is None:
                group.items += boxes
                self.chain[boxes[0]] = [*around, group]
            else:
                inner = self._grouped((*path, part), boxes, [*around, group])
                group.items.append(inner)
        return group

    def _item(self, box: str, group: _Group) -> str | _Group | None:
        """What holds a box among the items of a group; None if it stands outside."""
        chain = self.chain[box]
        if len(chain) <= group.depth or chain[group.depth] is not group:
            return None
        return chain[group.depth + 1] if len(chain) > group.depth + 1 else box

    # ------------------------------------------------------------ one group

    def _lay_out(self, group: _Group) -> None:
        for item in group.items:
            if isinstance(item, _Group):
                self._lay_out(item)
        joins = self._joins(group)
        count = self._assign_columns(group, joins)
        keys, columns, segments = _lanes(group, joins, count)
        slots = [Slot(*self._extent(key)) for key in keys]
        tops = arrange(slots, columns, segments)
        self._assign_places(group, keys, tops, count)

    def _joins(self, group: _Group) -> list[_Join]:
        """The connections within a group, each net's towards its ends and out of it."""
        joins: dict[tuple[object, ...], _Join] = {}
        entries: dict[str, None] = {}
        exits: dict[str, None] = {}
        # A member's own arrows, and those that arrive from outside.
        arrows = [a for m in group.members for a in self.inputs[m]]
        arrows += [
            a
            for m in group.members
            for a in self.outputs[m]
            if self._item(a.target, group) is None
        ]
        for arrow in arrows:
            source, target = (
                self._item(b, group) for b in (arrow.source, arrow.target)
            )
            if source is target:
                continue
            if source is None:
                entries[arrow.source] = None
            if target is None:
                exits[arrow.source] = None
            start = source if source is not None else ("entry", arrow.source)
            end = target if target is not None else ("exit", arrow.source)
            at = self._arrives(arrow, end)
            known = (start, end, at)
            joins[arrow.source, *known] = _Join(
                arrow.source,
                start,
                self._leaves(arrow, start),
                end,
                at,
                self._stiffness(arrow),
            )
        group.entries, group.exits = list(entries), list(exits)
        return list(joins.values())

    def _leaves(self, arrow: Arrow, start: object) -> float:
        if isinstance(start, _Group):
            return start.tops["exit", arrow.source]
        return self.sizes[start][1] / 2 if isinstance(start, str) else 0.0

    def _stiffness(self, arrow: Arrow) -> float:
        """A leaf rather moves itself than bend what carries the calculation on."""
        return 1.0 if self.inputs[arrow.source] else _SLACK

    def _arrives(self, arrow: Arrow, end: object) -> float:
        """How far below the top of its end an arrow arrives."""
        if isinstance(end, _Group):
            return end.tops["entry", arrow.source]
        if not isinstance(end, str):
            return 0.0
        inputs = self.arriving[end]
        index = next(i for i, other in enumerate(inputs) if other is arrow)
        height = self.sizes[end][1]
        spread = min(
            height / len(inputs), 22.0 if any(a.label for a in inputs) else 14.0
        )
        return height / 2 + (index - (len(inputs) - 1) / 2) * spread

    def _assign_columns(self, group: _Group, joins: Sequence[_Join]) -> int:
        """Longest path from the left; a leaf stands just before what it feeds."""
        columns: dict[object, int] = dict.fromkeys(group.items, 1)
        before: dict[object, list[object]] = {item: [] for item in group.items}
        after: dict[object, list[object]] = {item: [] for item in group.items}
        for join in joins:
            if join.start in columns and join.end in columns:
                before[join.end].append(join.start)
                after[join.start].append(join.end)
        for item in group.items:
            columns[item] = max((columns[b] + 1 for b in before[item]), default=1)
        for item in reversed(group.items):
            if not before[item] and after[item]:
                columns[item] = min(columns[a] for a in after[item]) - 1
        group.columns = columns
        return max(columns.values(), default=0)

    def _extent(self, key: object) -> tuple[float, float]:
        """Height and clearance of an item, a lane or a port."""
        if isinstance(key, _Group):
            return key.height, _BOX
        return (self.sizes[key][1], _BOX) if isinstance(key, str) else (0.0, _LANE)

    def _width(self, item: str | _Group) -> float:
        return item.width if isinstance(item, _Group) else self.sizes[item][0]

    def _assign_places(
        self, group: _Group, keys: list[object], tops: list[float], count: int
    ) -> None:
        """Turn columns and relative tops into places from the group's top left."""
        inset = MARGIN if group.depth else 0.0
        bottoms = [t + self._extent(k)[0] for t, k in zip(tops, keys, strict=True)]
        shift = inset + (TITLE - 8 if group.depth else 0.0) - min(tops, default=0.0)
        group.tops = {k: t + shift for k, t in zip(keys, tops, strict=True)}
        group.height = max(bottoms, default=0.0) + shift + inset + group.strip
        x = 0.0
        group.edges = [(0.0, 0.0)]
        for column in range(1, count + 1):
            items = [i for i in group.items if group.columns[i] == column]
            swing, label = self._gap(group, items, column)
            x += swing + label
            width = max(map(self._width, items))
            for item in items:
                # A leaf stands as near to what it feeds as it can.
                share = 0.5 if isinstance(item, _Group) or self.inputs[item] else 1.0
                group.lefts[item] = x + (width - self._width(item)) * share
            group.edges.append((x - label, x + width))
            x += width
        needed = text_width(group.name, SMALL, bold=True) + 2 * MARGIN
        ports = 6.0 if group.exits else 0.0
        group.width = max(x + inset + ports + group.strip, needed)
        group.edges.append((group.width, group.width))

    def _gap(
        self, group: _Group, items: Sequence[str | _Group], column: int
    ) -> tuple[float, float]:
        """Room before a column: for its arrows to swing, and then for their labels."""
        arrows = [
            a for item in items if isinstance(item, str) for a in self.inputs[item]
        ]
        returns = group.strip if any(a.target in items for a in group.backs) else 0.0
        label = max(
            (text_width(a.label, SMALL) for a in arrows if a.label), default=0.0
        )
        room = label + _HEAD + 4 if label else 0.0
        if column > 1:
            return _GAP + min(30.0, 1.5 * len(arrows)) + group.strip, room
        ports = 14.0 if group.entries else 0.0
        return (MARGIN if group.depth else 0.0) + ports + returns, room

    # ------------------------------------------------------------ the whole

    def result(self) -> Layout:
        boxes: dict[str, Rectangle] = {}
        groups: list[tuple[str, Rectangle]] = []
        origins: dict[int, Point] = {id(self.root): (0.0, 0.0)}
        waiting = [self.root]
        while waiting:
            group = waiting.pop()
            x, y = origins[id(group)]
            if group.depth:
                groups.append((group.name, Rectangle(x, y, group.width, group.height)))
            for item in group.items:
                corner = x + group.lefts[item], y + group.tops[item]
                if isinstance(item, _Group):
                    origins[id(item)] = corner
                    waiting.append(item)
                else:
                    boxes[item] = Rectangle(*corner, *self.sizes[item])
        routes = [
            (self._return if arrow.back else self._route)(arrow, boxes, origins)
            for arrow in self.arrows
        ]
        return Layout(self.root.width, self.root.height, boxes, groups, routes)

    def _route(
        self, arrow: Arrow, boxes: dict[str, Rectangle], origins: dict[int, Point]
    ) -> list[Point]:
        """The stations of an arrow: out of its source's groups, into its target's."""
        source, target = self.chain[arrow.source], self.chain[arrow.target]
        shared = sum(a is b for a, b in zip(source, target, strict=False))
        path = [*reversed(source[shared:]), source[shared - 1], *target[shared:]]
        box = boxes[arrow.source]
        points = [(box.right, box.y + box.height / 2)]
        for group in path:
            start, end = (self._item(b, group) for b in (arrow.source, arrow.target))
            x, y = origins[id(group)]
            first = group.columns[start] if start is not None else 0
            last = group.columns[end] if end is not None else len(group.edges) - 1
            points.append((x + group.edges[first][1], points[-1][1]))
            for column in range(first + 1, last):
                level = y + group.tops["lane", arrow.source, column]
                points += [(x + edge, level) for edge in group.edges[column]]
            if end is None:
                level = y + group.tops["exit", arrow.source]
            else:
                level = y + group.tops[end] + self._arrives(arrow, end)
            points.append((x + group.edges[last][0], level))
        goal = boxes[arrow.target]
        points.append((goal.x, points[-1][1]))
        return points

    def _return(
        self, arrow: Arrow, boxes: dict[str, Rectangle], origins: dict[int, Point]
    ) -> list[Point]:
        """Down beside its source, back below everything, and up beside its target."""
        group = self.chain[arrow.source][-1]
        x, y = origins[id(group)]
        number = next(i for i, other in enumerate(group.backs) if other is arrow)
        aside = _BACK * (number + 1)
        source, target = boxes[arrow.source], boxes[arrow.target]
        right = x + group.edges[group.columns[arrow.source]][1] + aside
        left = x + group.edges[group.columns[arrow.target]][0] - _HEAD - aside + _BACK
        bottom = y + group.height - group.strip + aside - (MARGIN if group.depth else 0)
        start, end = source.y + source.height / 2, 0.0
        end = target.y + self._arrives(arrow, arrow.target)
        return [
            (source.right, start),
            (right, start),
            (right, bottom),
            (left, bottom),
            (left, end),
            (target.x, end),
        ]


@dataclass(frozen=True)
class _Join:
    """A connection within one group, at distances below the tops of its two ends."""

    net: str
    start: object
    leaves: float
    end: object
    arrives: float
    stiffness: float


def _lanes(
    group: _Group, joins: Sequence[_Join], count: int
) -> tuple[list[object], list[list[int]], list[Segment]]:
    """Items, ports and lanes as slots in columns, and the segments between them.

    What one box sends runs in one lane through each column, however many it reaches.
    """
    columns: list[list[int]] = [[] for _ in range(count + 2)]
    keys: list[object] = []
    index: dict[object, int] = {}

    def slot(key: object, column: int) -> int:
        if key not in index:
            index[key] = len(keys)
            keys.append(key)
            columns[column].append(index[key])
        return index[key]

    where = dict(group.columns)
    where |= {("entry", net): 0 for net in group.entries}
    where |= {("exit", net): count + 1 for net in group.exits}
    for key, column in where.items():
        slot(key, column)
    segments: dict[Segment, None] = {}
    for join in joins:
        left, at = slot(join.start, where[join.start]), join.leaves
        stiff = join.stiffness
        for column in range(where[join.start] + 1, where[join.end]):
            lane = slot(("lane", join.net, column), column)
            segments[Segment(left, at, lane, 0.0, stiff)] = None
            left, at, stiff = lane, 0.0, _STIFF * join.stiffness
        right = slot(join.end, where[join.end])
        segments[Segment(left, at, right, join.arrives, join.stiffness)] = None
    return keys, columns, list(segments)
