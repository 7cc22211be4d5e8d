"""The drawing as a PNG, from the same layout as the SVG, on light paper."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nettrain.show import palette, style
from nettrain.show.drawing import SMALL, Box, Drawing, line_height, lines, text_width
from nettrain.show.key import key
from nettrain.show.layout import Layout, Rectangle
from nettrain.show.looks import Look, hexagon, look, strokes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_EDGE, _TITLE, _KEY, _SCALE = 24.0, 34.0, 34.0, 2.0
_LARGEST = 16000.0
_NARROWER = 0.92
"""matplotlib's own type is a little wider than those that the boxes are sized for."""


def png(drawing: Drawing, places: Layout) -> bytes:
    """PNG bytes, two pixels a unit, fewer where the picture would be too large."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    top = _EDGE + (_TITLE if drawing.title else 0.0)
    marks, words, long = key(drawing)
    title = text_width(drawing.title, 15.0, bold=True)
    width = max(places.width, long, title) + 2 * _EDGE
    height = places.height + top + _EDGE + _KEY
    with style.sheet():
        figure = style.figure(width, height)
        figure.dpi *= min(_SCALE, _LARGEST / max(width, height))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(-_EDGE, width - _EDGE), ylim=(height - top, -top))
        axes.set_axis_off()
        _write(axes, 0, 36 - top, drawing.title, 15, "ink", ha="left", weight="bold")
        _draw(axes, drawing, places)
        base = places.height + _KEY
        for at, mark in marks:
            axes.add_patch(_patch(replace(at, y=base + at.y), mark, 3))
        for word in words:
            bold = "bold" if word.bold else "normal"
            _write(
                axes, word.x, base + 1, word.text, SMALL, word.colour, ha="left",
                weight=bold,
            )  # fmt: skip
        buffer = io.BytesIO()
        FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def _draw(axes: Axes, drawing: Drawing, places: Layout) -> None:
    for name, at in places.groups:
        axes.add_patch(_patch(at, Look("round", "panel", "pale", 1.0), 10))
        _write(
            axes, at.x + 12, at.y + 16, name, SMALL, "muted", ha="left", weight="bold"
        )
    for arrow, route in zip(drawing.arrows, places.routes, strict=True):
        _arrow(axes, route, arrow.back)
    for box in drawing.boxes:
        _box(axes, box, places.boxes[box.id], look(box, drawing.shows_health))
    for arrow, route in zip(drawing.arrows, places.routes, strict=True):
        (x, y), text = route[-1], arrow.label
        _write(axes, x - 11, y - 5, text, SMALL, "ink", ha="right", halo=True)


def _write(
    axes: Axes, x: float, y: float, text: str, size: float, colour: str, **given: Any
) -> None:
    from matplotlib.patheffects import withStroke

    halo = given.pop("halo", False)
    effects = (
        [withStroke(linewidth=3, foreground=palette.colour("paper"))] if halo else None
    )
    axes.text(
        x,
        y,
        text,
        fontsize=size * _NARROWER,
        color=palette.colour(colour),
        va="baseline",
        path_effects=effects,
        **given,
    )


def _patch(at: Rectangle, look: Look, radius: float = 5) -> Any:
    from matplotlib.patches import FancyBboxPatch, Polygon

    paint = {
        "facecolor": palette.colour(look.fill),
        "edgecolor": palette.colour(look.stroke),
        "linewidth": look.width,
        "linestyle": (0, (4, 3)) if look.dashed else "-",
    }
    if look.shape == "hexagon":
        return Polygon(hexagon(at), closed=True, **paint)
    radius = min(at.height / 2, 18.0) if look.shape == "pill" else radius
    rounded = f"round,pad=0,rounding_size={radius}"
    return FancyBboxPatch((at.x, at.y), at.width, at.height, boxstyle=rounded, **paint)


def _arrow(axes: Axes, route: list[tuple[float, float]], back: bool) -> None:
    from matplotlib.patches import PathPatch, Polygon

    ink = palette.colour("muted")
    line = {"edgecolor": ink, "lw": 1.2, "linestyle": (0, (5, 3)) if back else "-"}
    axes.add_patch(PathPatch(_way(route), fill=False, **line))
    x, y = route[-1]
    head = [(x, y), (x - 8, y - 3.6), (x - 8, y + 3.6)]
    axes.add_patch(Polygon(head, closed=True, facecolor=ink, linewidth=0))


def _way(route: list[tuple[float, float]]) -> Any:
    from matplotlib.path import Path

    kinds = (Path.LINETO, Path.CURVE3, Path.CURVE4)
    points, codes = [route[0]], [Path.MOVETO]
    for stroke in strokes(route):
        points += stroke
        codes += [kinds[len(stroke) - 1]] * len(stroke)
    return Path(points, codes)


def _box(axes: Axes, box: Box, at: Rectangle, look: Look) -> None:
    axes.add_patch(_patch(at, look))
    text = lines(box)
    y = at.y + (at.height - sum(map(line_height, text))) / 2
    for line in text:
        y += line_height(line)
        _write(
            axes,
            at.x + at.width / 2,
            y - 4.5,
            line.text,
            line.size,
            line.colour,
            ha="center",
            weight="bold" if line.bold else "normal",
        )
