"""How each kind of box looks, the same in every format: shape, colours, dashes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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

Corner = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]


def corners(route: Sequence[tuple[float, float]]) -> Iterator[Corner]:
    """Of each corner of an arrow that goes back: where it begins, itself, its end."""
    for start, corner, end in zip(route, route[1:], route[2:], strict=False):
        yield _towards(corner, start), corner, _towards(corner, end)


def _towards(a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float]:
    """A little way from a to b, at most half of it."""
    length = math.dist(a, b)
    share = min(_ROUND, length / 2) / length if length else 0.0
    return a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])
