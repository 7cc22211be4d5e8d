"""How each kind of box looks, the same in every format: shape, colours, dashes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

from nettrain.show.drawing import Box, Drawing, Kind
from nettrain.show.layout import Rectangle
from nettrain.show.palette import HEALTHS


@dataclass(frozen=True)
class Look:
    """Colours are names of the palette."""

    shape: Literal["round", "pill", "hexagon"]
    fill: str
    stroke: str
    width: float = 1.2
    dashed: bool = False


_LOOKS: dict[Kind, Look] = {
    "input": Look("pill", "tint_blue", "blue"),
    "parameter": Look("hexagon", "tint_orange", "orange", 1.6),
    "constant": Look("round", "paper", "muted", dashed=True),
    "operation": Look("round", "paper", "muted"),
    "activation": Look("round", "tint_green", "green"),
    "cost": Look("round", "tint_red", "red", 2.0),
    "state": Look("pill", "tint_purple", "purple", dashed=True),
    "layer": Look("round", "panel", "ink", 2.0),
}
_HEALTH_STROKES = ("red", "orange", "muted", "sky", "blue")


def look(box: Box, by_health: bool) -> Look:
    """The look of a box; coloured by health, it keeps the shape of its kind."""
    usual = _LOOKS[box.kind]
    if not by_health:
        return usual
    if box.health is None:
        return Look(usual.shape, "panel", "pale", 1.2, usual.dashed)
    index = health_class(box.health)
    stroke = _HEALTH_STROKES[index]
    return Look(usual.shape, f"health{index}", stroke, 2.0, usual.dashed)


_VANISHED = 1e-6
"""A gradient so much smaller than the output's has no health left."""


def health(ratio: float) -> float:
    """1 where the gradient is as large as at the output, 0 at a millionth of it.

    Args:
        ratio: RMS of a node's gradient to that of the output's pre-activation.
    """
    if not ratio > _VANISHED:
        return 0.0
    return min(1.0, 1 - math.log10(ratio) / math.log10(_VANISHED))


def health_class(health: float) -> int:
    """0 (vanished) … HEALTHS - 1 (healthy)."""
    return min(HEALTHS - 1, max(0, int(health * HEALTHS)))


def kinds(drawing: Drawing) -> list[Kind]:
    """The kinds that occur, in a fixed order, for the key."""
    present = {box.kind for box in drawing.boxes}
    return [kind for kind in get_args(Kind) if kind in present]


def hexagon(at: Rectangle) -> list[tuple[float, float]]:
    """The corners of the shape of a weight, pointing left and right."""
    slant, middle = min(10.0, at.width / 4), at.y + at.height / 2
    return [
        (at.x, middle),
        (at.x + slant, at.y),
        (at.right - slant, at.y),
        (at.right, middle),
        (at.right - slant, at.bottom),
        (at.x + slant, at.bottom),
    ]


_ROUND = 5.0

Point = tuple[float, float]
Stroke = tuple[Point, ...]
"""From where the pen is: one point straight, two as a quadratic, three as a cubic."""


def strokes(route: Sequence[Point], short: float = 0.0) -> Iterator[Stroke]:
    """An arrow from the first point of its route, as a layout has it.

    It is level from even points. From odd ones it goes in an S-curve with level ends,
    or straight up or down with round corners where the next point is there.

    Args:
        route: the points.
        short: how far before the last one it stops.
    """
    for index, (before, point) in enumerate(pairwise(route), 1):
        behind = route[index + 1] if index + 1 < len(route) else None
        if index % 2 == 0 and not _turns(before, point):
            half = (before[0] + point[0]) / 2
            level = abs(before[1] - point[1]) < 0.05
            yield (point,) if level else ((half, before[1]), (half, point[1]), point)
        elif behind is None:
            yield ((point[0] - short, point[1]),)
        elif _turns(before, point) or _turns(point, behind):
            yield (_towards(point, before),)
            yield point, _towards(point, behind)
        else:
            yield (point,)


def _turns(start: Point, end: Point) -> bool:
    return start[0] == end[0] and start[1] != end[1]


def _towards(a: Point, b: Point) -> Point:
    """A little way from a to b, at most half of it."""
    length = math.dist(a, b)
    share = min(_ROUND, length / 2) / length if length else 0.0
    return a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])
