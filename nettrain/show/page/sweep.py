"""The page of a sweep: which point is best, whether that is sure, and the pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from nettrain.show.page.document import document, picture
from nettrain.show.page.text import element, listed, section


def sweep(
    title: str,
    verdicts: Sequence[str],
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    pictures: Mapping[str, str | Sequence[str]],
) -> str:
    """The whole page.

    Args:
        title: of the page.
        verdicts: what is to be said, a sentence each.
        heads: of the table of points.
        rows: its cells, the best point first.
        pictures: SVG by title, or several that stand side by side where there is room;
            an empty one is left out.
    """
    said = [element("p", escape(v[:1].upper() + v[1:])) for v in verdicts]
    sections = [
        element("h1", escape(title)),
        element("div", *said, class_="verdict none"),
        section("points", "Points", listed(rows, heads)),
        *(
            section(f"picture-{number}", name, _drawn(drawn))
            for number, (name, drawn) in enumerate(pictures.items())
            if drawn
        ),
    ]
    return document(title, sections, {"charts": [], "graph": None})


def _drawn(drawn: str | Sequence[str]) -> str:
    """A picture, or panels."""
    if isinstance(drawn, str):
        return picture(drawn)
    return element("div", *map(picture, drawn), class_="panels")
