"""The drawing in the language of Graphviz, for those who lay it out themselves."""

from __future__ import annotations

from collections.abc import Iterable

from nettrain.show.drawing import Box, Drawing, lines
from nettrain.show.looks import look
from nettrain.show.palette import colour

_SHAPES = {"round": "box", "pill": "box", "hexagon": "hexagon"}


def dot(drawing: Drawing) -> str:
    """The graph in DOT, scopes as clusters."""
    body = [
        "digraph nettrain {",
        "  rankdir=LR; bgcolor=transparent;",
        '  node [fontname="Helvetica", fontsize=11, style="filled,rounded"];',
        '  edge [fontname="Helvetica", fontsize=10];',
        f"  label={_quoted([drawing.title])}; labelloc=t;",
        *_cluster(drawing, list(drawing.boxes), (), "  "),
    ]
    for arrow in drawing.arrows:
        ends = f"{_quoted([arrow.source])} -> {_quoted([arrow.target])}"
        # What goes back does not decide which box stands left of which.
        back = ", constraint=false, style=dashed" * arrow.back
        body.append(f"  {ends} [label={_quoted([arrow.label])}{back}];")
    return "\n".join([*body, "}", ""])


def _cluster(
    drawing: Drawing, boxes: list[Box], scope: tuple[str, ...], indent: str
) -> list[str]:
    """The boxes of a scope, inner scopes as clusters of their own."""
    depth, made = len(scope), []
    inner: dict[str, list[Box]] = {}
    for box in boxes:
        parts = tuple(box.scope.split("/")) if box.scope else ()
        if len(parts) > depth:
            inner.setdefault(parts[depth], []).append(box)
        else:
            made.append(indent + _node(box, drawing.shows_health))
    for name, members in inner.items():
        path = (*scope, name)
        whole = "/".join(path)
        label = _quoted([drawing.name(whole)])
        made.append(f"{indent}subgraph {_quoted(['cluster_' + whole])} {{")
        made.append(f"{indent}  label={label}; labeljust=l; style=rounded;")
        made += _cluster(drawing, members, path, indent + "  ")
        made.append(indent + "}")
    return made


def _node(box: Box, by_health: bool) -> str:
    seen = look(box, by_health)
    rounded = "" if seen.shape == "hexagon" else ",rounded"
    dashed = ",dashed" if seen.dashed else ""
    return (
        f"{_quoted([box.id])} [label={_quoted(line.text for line in lines(box))}, "
        f'shape={_SHAPES[seen.shape]}, style="filled{rounded}{dashed}", '
        f'fillcolor="{colour(seen.fill)}", color="{colour(seen.stroke)}"];'
    )


def _quoted(rows: Iterable[str]) -> str:
    """A DOT string of one row of text per line."""
    escaped = (row.replace("\\", "\\\\").replace('"', '\\"') for row in rows)
    return '"' + "\\n".join(escaped) + '"'
