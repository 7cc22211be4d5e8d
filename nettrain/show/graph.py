"""Draw a computational graph: value, gradient and local derivatives, left to right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from html import escape
from pathlib import Path

from nettrain.disk import Disk
from nettrain.errors import Error
from nettrain.show import graph_dot, graph_png, palette
from nettrain.show.condense import condensed
from nettrain.show.drawing import (
    SMALL,
    Box,
    Drawing,
    line_height,
    lines,
    text_width,
)
from nettrain.show.key import key
from nettrain.show.layout import Layout, Rectangle, layout
from nettrain.show.looks import Look, hexagon, look, strokes

_EDGE = 24.0
_TITLE = 34.0
_KEY = 34.0


def draw(drawing: Drawing, path: Path | str, unfold: bool = False) -> None:
    """Write the drawing in the format of the ending: .svg, .png, .html or .dot."""
    path = Path(path)
    Disk().replace(path, render(drawing, path.suffix, unfold), durable=False)


def render(drawing: Drawing, ending: str, unfold: bool = False) -> bytes:
    """The drawing as a file of that ending.

    Args:
        drawing: what to draw.
        ending: .svg, .png, .html or .dot.
        unfold: whether a picture, in which nothing can be unfolded, has every box;
            otherwise it is condensed to what a page can hold.
    """
    formats: dict[str, Callable[[Drawing], str | bytes]] = {
        ".svg": plain_svg,
        ".png": lambda drawing: graph_png.png(drawing, layout(drawing)),
        ".html": html,
        ".dot": graph_dot.dot,
    }
    if ending not in formats:
        known = ", ".join(formats)
        message = f'cannot draw a graph as "{ending}", expected one of {known}'
        raise Error("usage-format", message, fix="give the file one of these endings")
    is_whole = unfold or ending == ".html"
    made = formats[ending](drawing if is_whole else condensed(drawing))
    return made.encode() if isinstance(made, str) else made


def svg(drawing: Drawing) -> str:
    """The drawing, condensed, as SVG text, every box with a tooltip."""
    return plain_svg(condensed(drawing))


def plain_svg(drawing: Drawing) -> str:
    """All of the drawing as SVG text."""
    places = layout(drawing)
    top = _TITLE if drawing.title else 0.0
    body = [*_title(drawing)]
    body.append(f'<g transform="translate({_EDGE:g} {_EDGE + top:g})">')
    body += [_group(name, rectangle) for name, rectangle in places.groups]
    body += _arrows(drawing, places)
    by_health = drawing.shows_health
    for box in drawing.boxes:
        body.append(_box(box, places.boxes[box.id], look(box, by_health)))
    body += _labels(drawing, places)
    body.append("</g>")
    key, key_width = _key(drawing, _EDGE, _EDGE + top + places.height + _KEY)
    width = (
        max(places.width, key_width, text_width(drawing.title, 15.0, True)) + 2 * _EDGE
    )
    height = places.height + 2 * _EDGE + top + _KEY
    title = drawing.title or "Computational graph"
    return palette.document("\n".join([*body, *key, ""]), width, height, title)


def _title(drawing: Drawing) -> list[str]:
    if not drawing.title:
        return []
    return [_text(_EDGE, _EDGE + 12, drawing.title, 15.0, "ink", bold=True)]


def _text(
    x: float,
    y: float,
    text: str,
    size: float,
    colour: str,
    *,
    anchor: str = "start",
    bold: bool = False,
    halo: bool = False,
) -> str:
    """One line of text; a halo of paper keeps it readable across arrows."""
    weight = ' font-weight="600"' if bold else ""
    look = palette.paint(colour, "paper" if halo else None)
    around = ' stroke-width="3" paint-order="stroke"' if halo else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" text-anchor="{anchor}"'
        f"{weight}{around} {look}>{escape(text, quote=False)}</text>"
    )


def _group(name: str, at: Rectangle) -> str:
    # A translucent fill lets nested groups stand out from each other.
    frame = (
        f'<rect x="{at.x:.1f}" y="{at.y:.1f}" width="{at.width:.1f}" '
        f'height="{at.height:.1f}" rx="10" fill-opacity="0.05" '
        f"{palette.paint('muted', 'pale')}/>"
    )
    return frame + _text(at.x + 12, at.y + 16, name, SMALL, "muted", bold=True)


def _arrows(drawing: Drawing, places: Layout) -> list[str]:
    """All arrows: routes as one path each, heads in the same place for all."""
    made, ink = [], palette.paint(None, "muted")
    for arrow, route in zip(drawing.arrows, places.routes, strict=True):
        dashes = ' stroke-dasharray="5 3"' * arrow.back
        says = f"{arrow.source} → {arrow.target}" + (
            f": {arrow.label}" * bool(arrow.label)
        )
        made.append(
            f'<path d="{_path(route)}" stroke-width="1.3"{dashes} {ink}>'
            f"<title>{escape(says)}</title></path>"
        )
        x, y = route[-1]
        made.append(
            f'<path d="M{x:.1f} {y:.1f}l-8 -3.6l0 7.2z" {palette.paint("muted")}/>'
        )
    return made


def _path(route: Sequence[tuple[float, float]]) -> str:
    x, y = route[0]
    parts = [f"M{x:.1f} {y:.1f}"]
    # The tip stays sharp: the line stops inside its head.
    for stroke in strokes(route, short=6.0):
        points = " ".join(f"{x:.1f} {y:.1f}" for x, y in stroke)
        parts.append("LQC"[len(stroke) - 1] + points)
    return "".join(parts)


def _labels(drawing: Drawing, places: Layout) -> list[str]:
    """The label of an arrow stands above its last stretch, clear of the head."""
    return [
        _text(
            route[-1][0] - 11,
            route[-1][1] - 5,
            arrow.label,
            SMALL,
            "ink",
            anchor="end",
            halo=True,
        )
        for arrow, route in zip(drawing.arrows, places.routes, strict=True)
        if arrow.label
    ]


def _box(box: Box, at: Rectangle, look: Look) -> str:
    text = lines(box)
    y = at.y + (at.height - sum(map(line_height, text))) / 2
    made = [f"<g><title>{escape(_tooltip(box))}</title>", _shape(at, look)]
    for line in text:
        y += line_height(line)
        middle = at.x + at.width / 2
        made.append(
            _text(
                middle,
                y - 4.5,
                line.text,
                line.size,
                line.colour,
                anchor="middle",
                bold=line.bold,
            )
        )
    return "".join([*made, "</g>"])


def _tooltip(box: Box) -> str:
    rows = [f"{box.id} ({box.kind})", *box.detail_lines]
    rows += [f"value {box.value}"] if box.value is not None else []
    rows += [f"gradient {box.gradient}"] if box.gradient is not None else []
    rows += (
        [f"health of the gradient {box.health:.0%}"] if box.health is not None else []
    )
    rows += [f"made at {box.origin}"] if box.origin else []
    return "\n".join(rows)


def _shape(at: Rectangle, look: Look) -> str:
    dash = ' stroke-dasharray="4 3"' if look.dashed else ""
    paint = (
        f'stroke-width="{look.width:g}"{dash} {palette.paint(look.fill, look.stroke)}'
    )
    if look.shape == "hexagon":
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in hexagon(at))
        return f'<polygon points="{points}" {paint}/>'
    radius = min(at.height / 2, 18.0) if look.shape == "pill" else 5.0
    return (
        f'<rect x="{at.x:.1f}" y="{at.y:.1f}" width="{at.width:.1f}" '
        f'height="{at.height:.1f}" rx="{radius:g}" {paint}/>'
    )


def _key(drawing: Drawing, x: float, y: float) -> tuple[list[str], float]:
    """What shapes and colours mean, in one row; and the row's width."""
    marks, words, width = key(drawing)
    made = [_shape(replace(at, x=x + at.x, y=y + at.y), look) for at, look in marks]
    made += [
        _text(x + word.x, y + 1, word.text, SMALL, word.colour, bold=word.bold)
        for word in words
    ]
    return made, width


def html(drawing: Drawing) -> str:
    """A page without outside resources: the graph, to walk through and to fold."""
    from nettrain.show.page import graph_page

    return graph_page(drawing)
