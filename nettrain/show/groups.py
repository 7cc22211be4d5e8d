"""A scope on its way to a place: its bands of columns, and what joins what in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from nettrain.show.bands import STEP, lanes
from nettrain.show.drawing import Arrow
from nettrain.show.layers import Segment

STIFF, _LOOSE = 8.0, 0.001
"""How much rather the middle of a long arrow is level than its ends, and how much less
it matters between two bands."""

HEAD = 12.0
"""Room before a box for the head of an arrow."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Join:
    """A connection within one group, at distances below the tops of its two ends.

    An end is an item of the group, or None: outside of it.
    """

    net: str
    start: str | Group | None
    leaves: float
    end: str | Group | None
    arrives: float
    stiffness: float


@dataclass(eq=False)
class Group:
    """A scope, or the piece of one that is drawn together.

    Attributes:
        columns: of each item, from 1.
        bands: the columns that stand beside each other.
        band_of: by column the number of its band.
        going: of each band what goes on from it, by net: the bands that it goes to.
        entering: by net that comes from outside the bands that it goes to.
        exits: nets that leave the group.
        backs: arrows that go back.
        tops: of each item, lane and port, from the group's top.
        lefts: of each item, from the group's left.
        edges: left and right of each column.
        borders: left and right of each band, where its arrows arrive and leave.
        channels: how far below each band arrows run, by net or number of a back.
        floors: of each band, below which its channel is.
        gutter: how far to the left of all bands arrows run, by net or number.
    """

    name: str
    path: tuple[str, ...]
    members: list[str]
    items: list[str | Group] = field(default_factory=list)
    columns: dict[str | Group, int] = field(default_factory=dict)
    bands: list[range] = field(default_factory=list)
    band_of: dict[int, int] = field(default_factory=dict)
    going: list[dict[str, set[int]]] = field(default_factory=list)
    entering: dict[str, set[int]] = field(default_factory=dict)
    exits: list[str] = field(default_factory=list)
    backs: list[Arrow] = field(default_factory=list)
    width: float = 0.0
    height: float = 0.0
    tops: dict[object, float] = field(default_factory=dict)
    lefts: dict[object, float] = field(default_factory=dict)
    edges: dict[int, Point] = field(default_factory=dict)
    borders: list[Point] = field(default_factory=list)
    floors: list[float] = field(default_factory=list)
    channels: list[dict[str | int, float]] = field(default_factory=list)
    gutter: dict[str | int, float] = field(default_factory=dict)

    @property
    def depth(self) -> int:
        return len(self.path)

    def band(self, item: str | Group) -> int:
        return self.band_of[self.columns[item]]

    def home(self, net: str) -> int:
        """The first of the bands that something from outside goes to."""
        return min(self.entering[net])

    def back_bands(self, arrow: Arrow) -> tuple[int, int]:
        """Where what goes back begins and ends: both boxes stand in this group."""
        return self.band(arrow.source), self.band(arrow.target)

    def strip_after(self, column: int) -> float:
        """Room behind a column for what goes back from it."""
        return self._strip({self.columns[a.source] for a in self.backs}, column)

    def strip_before(self, column: int) -> float:
        """Room before a column for what goes back to it."""
        return self._strip({self.columns[a.target] for a in self.backs}, column)

    def _strip(self, columns: set[int], column: int) -> float:
        return STEP * (len(self.backs) + 1) if column in columns else 0.0

    def channel(self, band: int) -> float:
        """Height of the channel below a band."""
        return max(self.channels[band].values(), default=-STEP) + STEP

    @property
    def gutter_width(self) -> float:
        return max(self.gutter.values(), default=-STEP) + STEP

    # ------------------------------------------------------------ bands

    def lead(self, joins: Sequence[Join]) -> None:
        """Learn which arrows enter, leave, and go from band to band."""
        self.band_of = {c: i for i, band in enumerate(self.bands) for c in band}
        self.going = [{} for _ in self.bands]
        exits: dict[str, None] = {}
        for join in joins:
            if join.start is None and join.end is not None:
                self.entering.setdefault(join.net, set()).add(self.band(join.end))
            elif join.start is not None and join.end is None:
                exits[join.net] = None
            elif join.start is not None and join.end is not None:
                source, target = self.band(join.start), self.band(join.end)
                if source != target:
                    self.going[source].setdefault(join.net, set()).add(target)
        self.exits = list(exits)

    def run(self) -> None:
        """Give every arrow below a band, and left of the bands, its own lane.

        Arrows that turn keep their order, so that they do not cross: the lowest turns
        first, and goes down outermost.
        """
        self.channels = []
        spans: list[tuple[str | int, float, float]] = []
        for i, going in enumerate(self.going):
            nets = sorted(going, key=lambda net: -self.tops["exit", net, i])
            keys: list[str | int] = list(nets)
            keys += [
                number
                for number, arrow in enumerate(self.backs)
                if i in self.back_bands(arrow)
            ]
            self.channels.append({key: STEP * (j + 1) for j, key in enumerate(keys)})
            spans += [(net, i + 0.5, max(going[net])) for net in reversed(nets)]
        spans += [
            (net, min(bands), max(bands))
            for net, bands in self.entering.items()
            if len(bands) > 1
        ]
        for number, arrow in enumerate(self.backs):
            source, target = self.back_bands(arrow)
            if source != target:
                spans.append((number, target + 0.5, source + 0.5))
        self.gutter = {key: STEP * (lane + 1) for key, lane in lanes(spans).items()}

    # ------------------------------------------------------------ slots

    def place(self, column: int, band: int) -> int:
        """Number of a column where every band has one more on either side, of ports."""
        return column + 2 * band

    def slots(
        self, joins: Sequence[Join]
    ) -> tuple[list[object], list[list[int]], list[Segment]]:
        """Items, ports and lanes as slots in columns, and the segments between them.

        What one box sends runs in one lane through each column, to all it reaches.
        """
        last = len(self.bands) - 1
        columns: list[list[int]] = [
            [] for _ in range(self.place(self.bands[last].stop, last) + 1)
        ]
        keys: list[object] = []
        index: dict[object, int] = {}

        def slot(key: object, place: int) -> int:
            if key not in index:
                index[key] = len(keys)
                keys.append(key)
                columns[place].append(index[key])
            return index[key]

        for item, column in self.columns.items():
            slot(item, self.place(column, self.band(item)))
        segments: dict[Segment, None] = {}
        for join in joins:
            for start, end, loose in self._stretches(join):
                most = join.stiffness * loose
                left, at, stiff = slot(start.key, start.place), start.at, most
                for place in range(start.place + 1, end.place):
                    lane = slot(("lane", join.net, place), place)
                    segments[Segment(left, at, lane, 0.0, stiff)] = None
                    left, at, stiff = lane, 0.0, STIFF * most
                right = slot(end.key, end.place)
                segments[Segment(left, at, right, end.at, most)] = None
        return keys, columns, list(segments)

    def _stretches(self, join: Join) -> Iterator[tuple[_Stop, _Stop, float]]:
        """The parts of a connection through neighbouring columns; how stiff each is."""
        start = end = None
        if join.start is not None:
            source = self.band(join.start)
            place = self.place(self.columns[join.start], source)
            start = _Stop(join.start, place, join.leaves)
        if join.end is not None:
            target = self.band(join.end)
            place = self.place(self.columns[join.end], target)
            end = _Stop(join.end, place, join.arrives)
        if start is None and end is not None:
            yield self._port("entry", join, target), end, 1.0
        elif start is not None and end is None:
            yield start, self._port("exit", join, source), 1.0
        elif start is not None and end is not None and source == target:
            yield start, end, 1.0
        elif start is not None and end is not None:
            leaves, arrives = (
                self._port("exit", join, source),
                self._port("entry", join, target),
            )
            yield start, leaves, 1.0
            if target == source + 1:
                yield leaves, arrives, _LOOSE
            yield arrives, end, 1.0

    def _port(self, side: str, join: Join, band: int) -> _Stop:
        columns = self.bands[band]
        place = self.place(columns.start - 1 if side == "entry" else columns.stop, band)
        return _Stop((side, join.net, band), place, 0.0)

    # ------------------------------------------------------------ ways

    def arriving(self, net: str) -> float:
        """Where on the left border something from outside arrives."""
        return self.tops["entry", net, self.home(net)]

    def leaving(self, net: str) -> float:
        """Where on the right border something goes out."""
        return next(
            self.tops["exit", net, band]
            for band in range(len(self.bands))
            if ("exit", net, band) in self.tops
        )

    def way(
        self,
        net: str,
        start: str | Group | None,
        end: str | Group | None,
        level: float,
        arrives: float,
    ) -> list[Point]:
        """The stations of an arrow on its way through the group.

        Args:
            net: what the arrow's source sends.
            start, end: the items that it comes from and goes to; None: from outside.
            level: where it comes from.
            arrives: how far below the top of its end it arrives.
        """
        points: list[Point] = []
        if start is not None:
            band, column = self.band(start), self.columns[start]
            points.append((self.edges[column][1], level))
        elif end is not None:
            band = self.band(end)
            column = self.bands[band].start - 1
            if band != self.home(net):
                points += self._down(net, level, band)
            points.append((self.borders[band][0], points[-1][1] if points else level))
        if end is None or self.band(end) != band:
            points += self._along(net, column, self.bands[band].stop, band)
            level = self.tops["exit", net, band]
            points.append((self.borders[band][1], level))
            if end is None:
                return points
            aside = self.borders[band][1] + self.channels[band][net]
            below = self.floors[band] + self.channels[band][net]
            points += [(aside, level), (aside, below)]
            band = self.band(end)
            points += self._down(net, below, band)
            points.append((self.borders[band][0], points[-1][1]))
            column = self.bands[band].start - 1
        points += self._along(net, column, self.columns[end], band)
        points.append((self.edges[self.columns[end]][0], self.tops[end] + arrives))
        return points

    def _along(self, net: str, start: int, end: int, band: int) -> list[Point]:
        """Through the columns between two."""
        return [
            (edge, self.tops["lane", net, self.place(column, band)])
            for column in range(start + 1, end)
            for edge in self.edges[column]
        ]

    def _down(self, net: str, level: float, band: int) -> list[Point]:
        """Down the gutter, to where it enters a band."""
        x = self.gutter_width - self.gutter[net]
        return [(x, level), (x, self.tops["entry", net, band])]

    def way_back(self, arrow: Arrow, start: float, end: float) -> list[Point]:
        """The corners of what goes back: down beside its source, up beside its target.

        Args:
            arrow: the one that goes back.
            start, end: the heights at which it leaves and arrives.
        """
        number = next(i for i, other in enumerate(self.backs) if other is arrow)
        source, target = self.back_bands(arrow)
        aside = STEP * (number + 1)
        right = self.edges[self.columns[arrow.source]][1] + aside
        left = self.edges[self.columns[arrow.target]][0] - HEAD - aside + STEP
        below, other = (
            self.floors[band] + self.channels[band][number] for band in (source, target)
        )
        around: list[Point] = []
        if source != target:
            x = self.gutter_width - self.gutter[number]
            around = [(x, below), (x, other)]
        first = [(right, start), (right, below)]
        return [*first, *around, (left, other), (left, end)]


@dataclass(frozen=True)
class _Stop:
    """An end of a stretch: what it is, its column, and how far below its top."""

    key: object
    place: int
    at: float
