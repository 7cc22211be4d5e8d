"""A layered drawing of one level: the order within each column, and the heights.

Columns hold slots; segments join slots of neighbouring columns (a longer connection has
a slot of no height in each column between). Sugiyama, Tagawa & Toda (1981), "Methods
for visual understanding of hierarchical system structures": sweeps of barycentres
improve the order, and the one with the fewest crossings is kept. The heights minimise
the squared slopes column by column, which under an order is isotonic regression.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass

_ORDER_SWEEPS = 12
_PLACE_SWEEPS = 12


@dataclass(frozen=True)
class Slot:
    """Something of a height in a column; `clearance` is left free above and below."""

    height: float
    clearance: float


@dataclass(frozen=True)
class Segment:
    """Joins slot `left` to slot `right` of the next column, so far below their tops.

    `stiffness` says how much it is worth to be level.
    """

    left: int
    left_at: float
    right: int
    right_at: float
    stiffness: float = 1.0


Columns = list[list[int]]


def arrange(
    slots: Sequence[Slot], columns: Columns, segments: Sequence[Segment]
) -> list[float]:
    """The top of each slot: ordered in its column, at least the clearances apart."""
    sides = _sides(len(slots), segments)
    best = _ordered(slots, columns, segments, sides)
    return _placed(slots, best, sides)


Neighbour = tuple[int, float, float, float]
"""Other slot, where on it, where on this one, stiffness."""
Sides = tuple[list[list[Neighbour]], list[list[Neighbour]]]


def _sides(count: int, segments: Sequence[Segment]) -> Sides:
    """For every slot its neighbours to the left and to the right."""
    before: list[list[Neighbour]] = [[] for _ in range(count)]
    after: list[list[Neighbour]] = [[] for _ in range(count)]
    for s in segments:
        before[s.right].append((s.left, s.left_at, s.right_at, s.stiffness))
        after[s.left].append((s.right, s.right_at, s.left_at, s.stiffness))
    return before, after


# ---------------------------------------------------------------- order


def _ordered(
    slots: Sequence[Slot], columns: Columns, segments: Sequence[Segment], sides: Sides
) -> Columns:
    """The columns of the sweep with the fewest crossings."""
    gaps = _gaps(columns, segments)
    best = current = [list(column) for column in columns]
    fewest = _crossings(slots, current, gaps)
    for sweep in range(_ORDER_SWEEPS):
        if not fewest:
            break
        current = _swept(slots, current, sides, forward=sweep % 2 == 0)
        crossings = _crossings(slots, current, gaps)
        if crossings < fewest:
            best, fewest = current, crossings
    return best


def _gaps(columns: Columns, segments: Sequence[Segment]) -> list[list[Segment]]:
    """The segments that leave each column."""
    column_of = {slot: i for i, column in enumerate(columns) for slot in column}
    gaps: list[list[Segment]] = [[] for _ in columns]
    for segment in segments:
        gaps[column_of[segment.left]].append(segment)
    return gaps


def _share(slots: Sequence[Slot], slot: int, at: float) -> float:
    """Where on a slot something attaches, as a share of its height below 1."""
    return 0.98 * at / slots[slot].height if slots[slot].height else 0.5


def _swept(
    slots: Sequence[Slot], columns: Columns, sides: Sides, forward: bool
) -> Columns:
    """Each column sorted by the mean position of its neighbours in the one before."""
    result = [list(column) for column in columns]
    rank: dict[int, float] = {}
    neighbours = sides[0] if forward else sides[1]
    for index in range(len(result)) if forward else reversed(range(len(result))):
        column = result[index]
        keys = {}
        for place, slot in enumerate(column):
            seen = [
                rank[n] + _share(slots, n, at) * rank[-1]
                for n, at, _, _ in neighbours[slot]
            ]
            # A slot without neighbours keeps its place among the others.
            keys[slot] = sum(seen) / len(seen) if seen else (place + 0.5) / len(column)
        column.sort(key=keys.__getitem__)
        step = 1 / max(len(column), 1)
        rank = {slot: place * step for place, slot in enumerate(column)} | {-1: step}
    return result


def _crossings(
    slots: Sequence[Slot], columns: Columns, gaps: Sequence[Sequence[Segment]]
) -> int:
    rank = {slot: i for column in columns for i, slot in enumerate(column)}
    total = 0
    for gap in gaps:
        ends = sorted(
            (
                rank[s.left] + _share(slots, s.left, s.left_at),
                rank[s.right] + _share(slots, s.right, s.right_at),
            )
            for s in gap
        )
        seen: list[float] = []
        for _, right in ends:
            total += len(seen) - bisect_right(seen, right)
            insort(seen, right)
    return total


# ---------------------------------------------------------------- heights


def _placed(slots: Sequence[Slot], columns: Columns, sides: Sides) -> list[float]:
    tops = [0.0] * len(slots)
    for column in columns:
        start = _settled(slots, column, [0.0] * len(column), [1.0] * len(column))
        for slot, top in zip(column, start, strict=True):
            tops[slot] = top
    for sweep in range(_PLACE_SWEEPS):
        forward = sweep % 2 == 0
        both = sweep >= _PLACE_SWEEPS - 4
        for column in columns if forward else reversed(columns):
            _level(slots, column, sides, tops, forward, both)
    return tops


def _level(
    slots: Sequence[Slot],
    column: list[int],
    sides: Sides,
    tops: list[float],
    forward: bool,
    both: bool,
) -> None:
    """Move one column's slots towards where their segments would be level."""
    wanted, weights = [], []
    for slot in column:
        near = sides[0][slot] if forward else sides[1][slot]
        if both or not near:
            near = sides[0][slot] + sides[1][slot]
        weight = sum(n[3] for n in near)
        total = sum(n[3] * (tops[n[0]] + n[1] - n[2]) for n in near)
        wanted.append(total / weight if weight else tops[slot])
        weights.append(weight or 0.01)
    for slot, top in zip(column, _settled(slots, column, wanted, weights), strict=True):
        tops[slot] = top


def _settled(
    slots: Sequence[Slot], column: list[int], wanted: list[float], weights: list[float]
) -> list[float]:
    """Tops nearest to those wanted (weighted least squares), in order and apart.

    Pool adjacent violators: neighbours that would come too close become one block.
    """
    offset, offsets = 0.0, []
    for i, slot in enumerate(column):
        if i:
            above = slots[column[i - 1]]
            offset += above.height + above.clearance + slots[slot].clearance
        offsets.append(offset)
    blocks: list[tuple[float, float, int]] = []
    for target, weight, shift in zip(wanted, weights, offsets, strict=True):
        blocks.append((weight, weight * (target - shift), 1))
        while len(blocks) > 1 and _mean(blocks[-2]) > _mean(blocks[-1]):
            b, a = blocks.pop(), blocks.pop()
            blocks.append((a[0] + b[0], a[1] + b[1], a[2] + b[2]))
    means = [_mean(block) for block in blocks for _ in range(block[2])]
    return [mean + shift for mean, shift in zip(means, offsets, strict=True)]


def _mean(block: tuple[float, float, int]) -> float:
    return block[1] / block[0]
