"""Where the boxes, groups and arrows of a drawing stand: left to right, no overlaps.

Every scope is laid out by itself, innermost first, and then stands in the scope around
it as one box, so no foreign box can lie in a group. Arrows cross a group's border at
ports and run through columns in lanes of their own, so no arrow crosses a box. A scope
that is left and entered again, as a layer that is called twice, becomes several groups.
What a loop hands to its next round runs back below all that stands in its group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nettrain.show.bands import STEP, broken
from nettrain.show.drawing import SMALL, Arrow, Drawing, box_size, text_width
from nettrain.show.groups import HEAD, Group, Join, Point
from nettrain.show.layers import Slot, arrange
from nettrain.show.scopes import bound, parts, topological

MARGIN, TITLE = 14.0, 22.0
"""Free space inside a group's border, and above it for its name."""

_GAP = 30.0
_PORTS = 14.0
_TURN = 24.0
"""Before and behind a band: for its arrows to swing to where they go down."""
_ROW = 20.0
"""Between bands."""
_BESIDE = 40.0
"""By how much more a group is narrower, so that something may stand beside it."""
_SLACK = 0.1
_BOX = 9.0
_LANE = 5.0


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
            to the next the arrow is level; from each odd one it swings to the next, or
            where that is straight above or below turns at right angles.
    """

    width: float
    height: float
    boxes: dict[str, Rectangle]
    groups: list[tuple[str, Rectangle]]
    routes: list[list[Point]]


PAGE, SHAPE = 1500.0, 4 / 3
"""How wide a page is, and width to height."""


def layout(drawing: Drawing, width: float = PAGE, shape: float = SHAPE) -> Layout:
    """Lay out a drawing whose arrows form no cycle.

    Args:
        drawing: what to lay out.
        width: what is longer goes on below, if it can, as text does.
        shape: width to height of a page; what is higher becomes wider.
    """
    found = _Compound(drawing, width).result()
    if found.height * shape <= found.width:
        return found
    wider = max(width, (found.width * found.height * shape) ** 0.5)
    return _Compound(drawing, wider).result()


class _Compound:
    """The nested groups of a drawing on their way to places."""

    def __init__(self, drawing: Drawing, width: float) -> None:
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
        self.chain: dict[str, list[Group]] = {}
        self.name = drawing.name
        loops = dict.fromkeys(self.scopes[a.source] for a in drawing.arrows if a.back)
        self.needed = bound(self.inputs, self.scopes, loops)
        self.root = self._grouped((), topological(self.needed), [])
        for arrow in drawing.arrows:
            if arrow.back:
                self.chain[arrow.source][-1].backs.append(arrow)
        self._lay_out(self.root, width)

    # ------------------------------------------------------------ groups

    def _grouped(
        self, path: tuple[str, ...], members: list[str], around: list[Group]
    ) -> Group:
        group = Group(self.name("/".join(path)), path, members)
        for part, boxes in parts(members, len(path), self.scopes, self.needed):
            if part is None:
                group.items += boxes
                self.chain[boxes[0]] = [*around, group]
            else:
                inner = self._grouped((*path, part), boxes, [*around, group])
                group.items.append(inner)
        return group

    def _item(self, box: str, group: Group) -> str | Group | None:
        """What holds a box among the items of a group; None if it stands outside."""
        chain = self.chain[box]
        if len(chain) <= group.depth or chain[group.depth] is not group:
            return None
        return chain[group.depth + 1] if len(chain) > group.depth + 1 else box

    # ------------------------------------------------------------ one group

    def _lay_out(self, group: Group, width: float) -> None:
        """Place what stands in a group, in bands of at most that width if it can be."""
        inner = width - (2 * MARGIN + _PORTS + _BESIDE if group.depth else 0.0)
        for item in group.items:
            if isinstance(item, Group):
                self._lay_out(item, inner)
        joins = self._joins(group)
        self._assign_columns(group, joins)
        group.bands = self._broken(group, joins, inner)
        self._move_leaves(group, joins, inner)
        group.lead(joins)
        self._assign_tops(group, joins)
        self._assign_lefts(group)

    def _joins(self, group: Group) -> list[Join]:
        """The connections within a group, each net's towards its ends and out of it."""
        joins: dict[tuple[object, ...], Join] = {}
        # A member's own arrows, and those that arrive from outside.
        arrows = [a for m in group.members for a in self.inputs[m]]
        arrows += [
            a
            for m in group.members
            for a in self.outputs[m]
            if self._item(a.target, group) is None
        ]
        for arrow in arrows:
            start, end = (self._item(b, group) for b in (arrow.source, arrow.target))
            if start is end:
                continue
            at = self._arrives(arrow, end)
            joins[arrow.source, start, end, at] = Join(
                arrow.source,
                start,
                self._leaves(arrow, start),
                end,
                at,
                self._stiffness(arrow),
            )
        return list(joins.values())

    def _leaves(self, arrow: Arrow, start: str | Group | None) -> float:
        if isinstance(start, Group):
            return start.leaving(arrow.source)
        return self.sizes[start][1] / 2 if isinstance(start, str) else 0.0

    def _stiffness(self, arrow: Arrow) -> float:
        """A leaf rather moves itself than bend what carries the calculation on."""
        return 1.0 if self.inputs[arrow.source] else _SLACK

    def _arrives(self, arrow: Arrow, end: str | Group | None) -> float:
        """How far below the top of its end an arrow arrives."""
        if isinstance(end, Group):
            return end.arriving(arrow.source)
        if not isinstance(end, str):
            return 0.0
        inputs = self.arriving[end]
        index = next(i for i, other in enumerate(inputs) if other is arrow)
        height = self.sizes[end][1]
        spread = min(
            height / len(inputs), 22.0 if any(a.label for a in inputs) else 14.0
        )
        return height / 2 + (index - (len(inputs) - 1) / 2) * spread

    def _assign_columns(self, group: Group, joins: Sequence[Join]) -> None:
        """Longest path from the left; a leaf stands just before what it feeds."""
        columns: dict[str | Group, int] = dict.fromkeys(group.items, 1)
        before: dict[object, list[str | Group]] = {item: [] for item in group.items}
        after: dict[object, list[str | Group]] = {item: [] for item in group.items}
        for join in joins:
            if join.start is not None and join.end is not None:
                before[join.end].append(join.start)
                after[join.start].append(join.end)
        for item in group.items:
            columns[item] = max((columns[b] + 1 for b in before[item]), default=1)
        for item in reversed(group.items):
            if not before[item] and after[item]:
                columns[item] = min(columns[a] for a in after[item]) - 1
        group.columns = columns

    def _broken(self, group: Group, joins: Sequence[Join], width: float) -> list[range]:
        """The bands of a group's columns."""
        widths = self._widths(group)
        on: list[set[str]] = [set() for _ in widths]
        for join in joins:
            if join.start is not None and join.end is not None:
                for column in range(group.columns[join.start], group.columns[join.end]):
                    on[column - 1].add(join.net)
        return broken(widths, [len(nets) for nets in on], width)

    def _widths(self, group: Group) -> list[float]:
        """Of the columns, with the gaps before them."""
        return [
            sum(self._gap(group, items, column)) + max(map(self._width, items))
            for column, items in self._standing(group).items()
        ]

    def _move_leaves(self, group: Group, joins: Sequence[Join], width: float) -> None:
        """Leaves go on to the next band, in a column of their own, with what they feed.

        They stay where this is too long for them.
        """
        columns, standing = group.columns, self._standing(group)
        widths = self._widths(group)
        fed = {join.end for join in joins if join.start is not None}
        used: dict[object, int] = {}
        """By item the first column that it feeds, 0 outside of the group."""
        for join in joins:
            at = 0 if join.end is None else columns[join.end]
            used[join.start] = min(at, used.get(join.start, at))
        # From the last one on: what is moved leaves the numbers before it as they are.
        for i in range(len(group.bands) - 1, 0, -1):
            band = group.bands[i]
            leaves = [
                item
                for item in standing[band.start - 1]
                if item not in fed and used.get(item, 0) >= band.start
            ]
            room = width - sum(widths[c - 1] for c in band) - _GAP
            if not (band and leaves) or max(map(self._width, leaves)) > room:
                continue
            start, more = band.start, 1
            if len(standing[start - 1]) == len(leaves):
                start, more = start - 1, 0  # their column goes on as it is
            for item in group.items:
                columns[item] += more * (columns[item] >= start or item in leaves)
            group.bands[i - 1 :] = [
                range(group.bands[i - 1].start, start),
                range(start, band.stop + more),
                *(range(b.start + more, b.stop + more) for b in group.bands[i + 1 :]),
            ]
        group.bands = [band for band in group.bands if band] or group.bands

    def _standing(self, group: Group) -> dict[int, list[str | Group]]:
        """The items of each column."""
        found: dict[int, list[str | Group]] = {}
        for item, column in group.columns.items():
            found.setdefault(column, []).append(item)
        return dict(sorted(found.items()))

    def _extent(self, key: object) -> tuple[float, float]:
        """Height and clearance of an item, a lane or a port."""
        if isinstance(key, Group):
            return key.height, _BOX
        return (self.sizes[key][1], _BOX) if isinstance(key, str) else (0.0, _LANE)

    def _width(self, item: str | Group) -> float:
        return item.width if isinstance(item, Group) else self.sizes[item][0]

    def _assign_tops(self, group: Group, joins: Sequence[Join]) -> None:
        """One band below the other, with room for what runs between them."""
        keys, columns, segments = group.slots(joins)
        slots = [Slot(*self._extent(key)) for key in keys]
        tops = arrange(slots, columns, segments)
        group.tops = dict(zip(keys, tops, strict=True))
        group.run()
        inset = MARGIN if group.depth else 0.0
        y = inset + (TITLE - 8 if group.depth else 0.0)
        for i, band in enumerate(group.bands):
            first, last = group.place(band.start, i), group.place(band.stop, i)
            inside = [
                slot for column in columns[first - 1 : last + 1] for slot in column
            ]
            top = min((tops[slot] for slot in inside), default=0.0)
            group.tops |= {keys[slot]: tops[slot] - top + y for slot in inside}
            y += max((tops[s] - top + slots[s].height for s in inside), default=0.0)
            group.floors.append(y)
            y += group.channel(i)
            y += _ROW if i + 1 < len(group.bands) else inset
        group.height = y

    def _assign_lefts(self, group: Group) -> None:
        """Columns from the left of each band, which is right of the gutter."""
        inset, standing = MARGIN if group.depth else 0.0, self._standing(group)
        needed = [text_width(group.name, SMALL, bold=True) + 2 * MARGIN]
        for i, band in enumerate(group.bands):
            left = x = group.gutter_width
            for column in band:
                items = standing[column]
                swing, label = self._gap(group, items, column)
                x += swing + label
                width = max(map(self._width, items))
                for item in items:
                    # A leaf stands as near to what it feeds as it can.
                    is_leaf = isinstance(item, str) and not self.inputs[item]
                    share = 1.0 if is_leaf else 0.5
                    group.lefts[item] = x + (width - self._width(item)) * share
                group.edges[column] = x - label, x + width
                x += width
            turning = len(group.going[i])
            x += _TURN if turning else inset
            x += (6.0 if group.exits else 0.0) + group.strip_after(band.stop - 1)
            group.borders.append((left, x))
            needed.append(x + (STEP * (turning + 1) if turning else 0.0))
        group.width = max(needed)

    def _gap(
        self, group: Group, items: Sequence[str | Group], column: int
    ) -> tuple[float, float]:
        """Room before a column: for its arrows to swing, and then for their labels."""
        arrows = [
            a for item in items if isinstance(item, str) for a in self.inputs[item]
        ]
        label = max(
            (text_width(a.label, SMALL) for a in arrows if a.label), default=0.0
        )
        room = label + HEAD + 4 if label else 0.0
        returns = group.strip_before(column)
        band = group.band_of.get(column)
        if band is None or column != group.bands[band].start:
            returns += group.strip_after(column - 1)
            return _GAP + min(30.0, 1.5 * len(arrows)) + returns, room
        if band:
            return _TURN + returns, room
        ports = _PORTS if group.entering else 0.0
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
                if isinstance(item, Group):
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
            at = 0.0 if end is None else self._arrives(arrow, end)
            way = group.way(arrow.source, start, end, points[-1][1] - y, at)
            points += [(x + right, y + down) for right, down in way]
        goal = boxes[arrow.target]
        points.append((goal.x, points[-1][1]))
        return points

    def _return(
        self, arrow: Arrow, boxes: dict[str, Rectangle], origins: dict[int, Point]
    ) -> list[Point]:
        """Down beside its source, back below everything, and up beside its target."""
        group = self.chain[arrow.source][-1]
        x, y = origins[id(group)]
        source, target = boxes[arrow.source], boxes[arrow.target]
        start = source.right, source.y + source.height / 2
        end = target.x, target.y + self._arrives(arrow, arrow.target)
        way = group.way_back(arrow, start[1] - y, end[1] - y)
        return [start, *((x + right, y + down) for right, down in way), end]
