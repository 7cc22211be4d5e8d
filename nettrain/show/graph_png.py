"""The drawing as a PNG, from the same layout as the SVG, on light paper."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from nettrain.show import palette, style
from nettrain.show.drawing import SMALL, Box, Drawing, line_height, lines
from nettrain.show.layout import Layout, Rectangle
from nettrain.show.looks import Look, corners, hexagon, look

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_EDGE, _TITLE, _SCALE = 24.0, 34.0, 2.0
_LARGEST = 16000.0
_NARROWER = 0.92
"""matplotlib's own type is a little wider than those that the boxes are sized for."""


def png(drawing: Drawing, places: Layout) -> bytes:
    """PNG bytes, two pixels a unit, fewer where the picture would be too large."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    top = _EDGE + (_TITLE if drawing.title else 0.0)
    width, height = places.width + 2 * _EDGE, places.height + top + _EDGE
    with style.sheet():
        figure = style.figure(width, height)
        figure.dpi *= min(_SCALE, _LARGEST / max(width, height))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(-_EDGE, width - _EDGE), ylim=(height - top, -top))
        axes.set_axis_off()
        _write(axes, 0, 36 - top, drawing.title, 15, "ink", ha="left", weight="bold")
        _draw(axes, drawing, places)
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
    way = _turning(route) if back else _swinging(route)
    axes.add_patch(PathPatch(way, fill=False, **line))
    x, y = route[-1]
    head = [(x, y), (x - 8, y - 3.6), (x - 8, y + 3.6)]
    axes.add_patch(Polygon(head, closed=True, facecolor=ink, linewidth=0))


def _swinging(route: list[tuple[float, float]]) -> Any:
    """Level from even points, an S-curve with level ends from odd ones."""
    from matplotlib.path import Path

    points, codes = [route[0]], [Path.MOVETO]
    for index, (x, y) in enumerate(route[1:], 1):
        if index % 2:
            points.append((x, y))
            codes.append(Path.LINETO)
        else:
            from_x, from_y = route[index - 1]
            middle = (from_x + x) / 2
            points += [(middle, from_y), (middle, y), (x, y)]
            codes += [Path.CURVE4] * 3
    return Path(points, codes)


def _turning(route: list[tuple[float, float]]) -> Any:
    """Straight from point to point, with round corners."""
    from matplotlib.path import Path

    points, codes = [route[0]], [Path.MOVETO]
    for corner in corners(route):
        points += corner
        codes += [Path.LINETO, Path.CURVE3, Path.CURVE3]
    return Path([*points, route[-1]], [*codes, Path.LINETO])


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
