"""A page in one file: styles, data, scripts and libraries inside, nothing fetched."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape, unescape
from pathlib import Path
from typing import Any

from nettrain.record import json_text
from nettrain.show import palette
from nettrain.show.page.text import scrolled

_HERE = Path(__file__).parent
_LIBRARIES = {
    "uPlot": "uPlot.iife.min.js",
    "cytoscape": "cytoscape.min.js",
    "dagre": "dagre.min.js",
}
_FOR_CURVES, _FOR_GRAPH = ("uPlot",), ("cytoscape", "dagre")
_LEAST, _MOST = 0.75, 1.4
"""The shares of its own width between which a picture fits itself to the page."""
_GRAPH = ("scopes", "places", "words", "panel", "walk", "graph")
"""Our scripts for the graph."""


def document(title: str, sections: Sequence[str], data: Mapping[str, Any]) -> str:
    """The whole page.

    Args:
        title: of the page, as text.
        sections: its body, as HTML.
        data: what the scripts draw: `charts`, `graph`; not finite numbers are null.
            With `live`, which run it is and the command that tells it later, the
            page asks its own server for what is new.
    """
    has_graph = data.get("graph") is not None
    names = _FOR_CURVES + (_FOR_GRAPH if has_graph else ())
    scripts = [_library(name) for name in names]
    live = ("live",) if data.get("live") else ()
    ours = ["page", "curves", *(_GRAPH if has_graph else ()), *live, "start"]
    scripts += [_file(f"{name}.js") for name in ours]
    policy = _policy(scripts) + ("; connect-src 'self'" if live else "")
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{escape(title)}</title>",
            f"<style>{_colours()}</style>",
            f"<style>{_file('vendor/uPlot.min.css')}\n{_file('page.css')}</style>",
            "</head><body>",
            "<main>",
            *sections,
            "</main>",
            f'<script type="application/json" id="data">{embedded(data)}</script>',
            *(f"<script>{script}</script>" for script in scripts),
            "</body></html>\n",
        ]
    )


def embedded(data: Any) -> str:
    """JSON that can stand in a script element: no `<` can end it."""
    text = json_text.row(data)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def picture(svg: str) -> str:
    """A picture as an image: its scripts, if it had any, would not run.

    It grows with the page, and shrinks as far as it can be read; a page that is too
    narrow for that scrolls it sideways, in its own size.
    """
    title = escape(unescape(svg.partition("<title>")[2].partition("</title>")[0]))
    coded = base64.b64encode(svg.encode()).decode()
    source = f"data:image/svg+xml;base64,{coded}"
    wide = re.search(r'<svg [^>]*?\bwidth="([0-9]+)"', svg)
    fitted = f' style="{_fitted(int(wide[1]))}"' if wide else ""
    drawn = f'<img class="picture" alt="{title}" src="{source}"{fitted}>'
    return scrolled(drawn)


def _fitted(own: int) -> str:
    """The style that gives a picture its width on the page.

    A page that lacks a pixel of the least width is far too narrow (· 999): so the least
    width becomes the picture's own at once.
    """
    least, most = (round(own * share) for share in (_LEAST, _MOST))
    lacking = f"calc(({least}px - 100%) * 999)"
    return f"width:{most}px;min-width:clamp(0px,{lacking},{own}px)"


def _policy(scripts: Sequence[str]) -> str:
    """Only these scripts run; nothing is loaded."""
    hashes = (hashlib.sha256(script.encode()).digest() for script in scripts)
    listed = " ".join(f"'sha256-{base64.b64encode(h).decode()}'" for h in hashes)
    return (
        f"default-src 'none'; script-src {listed}; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _colours() -> str:
    """The palette as variables, light and dark; paper is always light."""
    light, dark = (
        "".join(f"--{name}:{pair[i]};" for name, pair in palette.COLOURS.items())
        for i in (0, 1)
    )
    return (
        f":root{{{light}--fonts:{palette.FONTS}}}"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}"
    )


def _library(name: str) -> str:
    """A library under its licence."""
    licence = _file(f"vendor/LICENSE.{name}").strip()
    return f"/*! {name}\n{licence}\n*/\n{_file('vendor/' + _LIBRARIES[name])}"


@cache
def _file(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
