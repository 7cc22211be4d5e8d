"""A computational graph on a page: data for its script, and as a list for everyone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from nettrain.show.columns import Columns
from nettrain.show.condense import condensed, merged
from nettrain.show.drawing import Box, Drawing
from nettrain.show.looks import Look, health_class, look
from nettrain.show.page.charts import plain
from nettrain.show.page.document import document
from nettrain.show.page.recorded import recorded
from nettrain.show.page.text import element, folded, section
from nettrain.show.palette import HEALTHS
from nettrain.show.scopes import around, tellers

_OPEN = 300
"""Boxes that may be seen at first; scopes are unfolded as long as there are no more."""


def graph_page(drawing: Drawing) -> str:
    """A page with the graph alone, and with its steps if it has some."""
    title = drawing.title or "Computational graph"
    return document(
        title,
        [element("h1", escape(title)), graph_section(drawing)],
        {"graph": graph_data(drawing)},
    )


# ---------------------------------------------------------------- data


def graph_data(
    drawing: Drawing, statistics: Columns | None = None, at: str = "the end"
) -> dict[str, Any]:
    """What the script draws.

    Args:
        drawing: the graph with the numbers of one evaluation.
        statistics: statistics.csv as columns, for the moments before it.
        at: the moment that the drawing shows.

    Returns:
        nodes in the order of the drawing; arrows as pairs of their numbers with a
        label, and `true` behind it where they go back; scopes by path, each with the
        nodes whose gradient colours it; what their titles say further; the scopes
        `open` at first; what is different where repeated blocks are drawn `once`, if
        there are any; the recorded moments; by node's id its statistics at these, and
        its health as a class from 0 (vanished) on; the steps.
    """
    index = {box.id: i for i, box in enumerate(drawing.boxes)}
    then = recorded(statistics, drawing.boxes)
    once = merged(drawing)
    return {
        "title": drawing.title or "Computational graph",
        "at": at,
        "nodes": [_node(box) for box in drawing.boxes],
        "arrows": _arrows(drawing, index),
        "scopes": _scopes(drawing),
        "notes": dict(drawing.notes),
        "once": None if once == drawing else _once(drawing, once, index, then, at),
        "open": unfolded(drawing.boxes),
        "by_health": drawing.shows_health,
        "healths": [[f"health{i}", _health_look(i).stroke] for i in range(HEALTHS)],
        **then,
        "steps": [vars(step) for step in drawing.steps],
    }


def _arrows(drawing: Drawing, index: Mapping[str, int]) -> list[list[Any]]:
    return [
        [index[a.source], index[a.target], a.label, *([True] if a.back else [])]
        for a in drawing.arrows
    ]


def _once(
    drawing: Drawing,
    once: Drawing,
    index: Mapping[str, int],
    then: Mapping[str, Any],
    at: str,
) -> dict[str, Any]:
    """What is seen where repeated blocks are drawn once.

    Returns:
        the outermost scopes that are `hidden`; arrows, notes and what is open at first
        instead of those of the whole.
    """
    left = {path for box in once.boxes for path in around(box.scope)}
    paths = (path for box in drawing.boxes for path in around(box.scope))
    gone = [path for path in dict.fromkeys(paths) if path not in left]
    notes = {path: note for path, note in once.notes.items() if path in left}
    shown = [path for path in notes if drawing.notes.get(path) != notes[path]]
    if then["moments"]:
        for path in shown:
            notes[path] += f" at {at}" * ("," in notes[path])
    # At first it is seen as on paper, but for plain layers.
    blocks = {path.rpartition("/")[0] for path in left}
    seen = condensed(drawing).boxes
    opened = (p for box in seen for p in around(box.scope) if p in blocks)
    return {
        "hidden": [p for p in gone if p.rpartition("/")[0] in ("", *left)],
        "arrows": _arrows(once, index),
        "notes": notes,
        "open": list(dict.fromkeys(opened)),
    }


def _node(box: Box) -> dict[str, Any]:
    seen = look(box, False)
    return {
        "id": box.id,
        "label": box.label,
        "details": list(box.detail_lines),
        "kind": box.kind,
        "scope": box.scope,
        "value": box.value,
        "gradient": box.gradient,
        "health": None if box.health is None else health_class(box.health),
        "origin": _line(box.origin),
        "facts": _finite(box.facts),
        "shape": seen.shape,
        "fill": seen.fill,
        "stroke": seen.stroke,
        "dashed": seen.dashed,
    }


def _finite(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Op, shape, and the size of value and gradient, in a few digits."""
    kept: dict[str, Any] = {k: facts[k] for k in ("op", "shape") if k in facts}
    for of in ("value", "gradient"):
        if isinstance(facts.get(of), Mapping):
            sizes = facts[of]
            kept[of] = dict(zip(sizes, plain(sizes.values()), strict=True))
    return kept


def _line(origin: str) -> str:
    """`mlp.yaml:14` of a `file:line`, wherever the file is."""
    return origin.replace("\\", "/").rpartition("/")[2]


def _health_look(index: int) -> Look:
    return look(Box("", "", health=(index + 0.5) / HEALTHS), True)


def _scopes(drawing: Drawing) -> dict[str, dict[str, Any]]:
    """Each scope's size, line, and the nodes that tell its gradient's health."""
    count: dict[str, int] = {}
    origins: dict[str, str] = {}
    for box in drawing.boxes:
        for path in around(box.scope):
            count[path] = count.get(path, 0) + 1
        origins[box.scope] = origins.get(box.scope) or _line(box.origin)
    return {
        path: {"count": count[path], "origin": origins.get(path, ""), "colour": colour}
        for path, colour in tellers(drawing).items()
    }


def unfolded(boxes: Sequence[Box]) -> list[str]:
    """The scopes to show open: from the outside in, but for layers, while few are seen.

    A layer is a scope with operations of its own.
    """
    own = {box.scope for box in boxes if box.scope}
    paths = dict.fromkeys(path for box in boxes for path in around(box.scope))
    inner: dict[str, list[str]] = {path: [] for path in ("", *paths)}
    for path in paths:
        inner[path.rpartition("/")[0]].append(path)
    seen = len(inner[""]) + sum(not box.scope for box in boxes)
    found, waiting = [], list(inner[""])
    while waiting:
        path = waiting.pop(0)
        more = len(inner[path])
        if path not in own and seen + more <= _OPEN:
            found.append(path)
            seen += more
            waiting += inner[path]
    return found


# ---------------------------------------------------------------- HTML

_HELP = (
    "A click unfolds a group, ▸, and one on its title folds it again, ▾. Arrow keys go "
    "along the graph: right to what uses a node, left to its inputs, up and down to "
    "neighbours. Enter folds or unfolds a group, Escape goes out to the "
    "group around a node, plus and minus zoom, 0 fits the graph into its frame. The "
    "list below it tells the same in words."
)


def graph_section(
    drawing: Drawing, title: str = "Computational graph", note: str = ""
) -> str:
    """The place of the graph, its tools, panel, key, and the list of its nodes.

    Args:
        note: what is to be said of it first.
    """
    canvas = element(
        "div",
        id="canvas",
        tabindex="0",
        role="application",
        aria_roledescription="graph",
        aria_label=f"Computational graph, {len(drawing.boxes)} nodes",
        aria_describedby="graph-help",
    )
    invitation = element("p", "Choose a node to see its numbers.", class_="faint")
    walking = " Elsewhere left and right go through the steps." * bool(drawing.steps)
    panel = element("aside", invitation, id="panel", aria_label="The chosen node")
    return section(
        "graph",
        title,
        element("p", escape(note)) if note else "",
        element("p", _HELP, walking, id="graph-help", class_="faint"),
        _steps(drawing),
        _tools(drawing),
        element("div", canvas, panel, class_="graph"),
        element("p", id="told", role="status", class_="unseen"),
        _key(drawing),
        folded("The graph as a list", _list(drawing), id="graph-list"),
    )


def _button(name: str, label: str, **more: str | bool | None) -> str:
    return element("button", escape(label), type="button", id=name, **more)


def _tools(drawing: Drawing) -> str:
    scopes = any(box.scope for box in drawing.boxes)
    folds = (_button("unfold", "Unfold all"), _button("fold", "Fold to layers"))
    once = element("input", type="checkbox", id="once", checked=True)
    blocks = element("label", once, " Repeated blocks once")
    names = (element("option", value=box.id) for box in drawing.boxes)
    moment = element("input", type="range", id="moment", min="0", step="1")
    return element(
        "div",
        *(folds if scopes else ()),
        *((blocks,) if merged(drawing) != drawing else ()),
        _button("larger", "+", aria_label="Zoom in"),
        _button("smaller", "−", aria_label="Zoom out"),
        _button("whole", "Show all"),
        element("label", "Find ", element("input", id="find", list="names", size="18")),
        element("datalist", *names, id="names"),
        element(
            "span",
            element("label", "Moment ", moment),
            element("output", id="moment-told", for_="moment"),
            id="moments",
            hidden=True,
        ),
        class_="tools",
        role="group",
        aria_label="Tools of the graph",
    )


def _steps(drawing: Drawing) -> str:
    """Buttons that walk through the calculation, and its sentences."""
    if not drawing.steps:
        return ""
    phases = {"forward": "Forward", "backward": "Backward", "update": "Update"}
    lists = []
    for phase, head in phases.items():
        items = [
            element(
                "li",
                element(
                    "button",
                    escape(step.text),
                    type="button",
                    data_step=str(number),
                ),
                value=str(number),
            )
            for number, step in enumerate(drawing.steps, 1)
            if step.phase == phase
        ]
        if items:
            lists += [element("h3", head), element("ol", *items)]
    last = str(len(drawing.steps))
    slider = element(
        "input", type="range", id="step", min="0", max=last, value="0", step="1"
    )
    walk = element(
        "div",
        _button("previous", "◀ Previous"),
        _button("next", "Next ▶"),
        element("label", "Step ", slider),
        element("output", id="step-told", for_="step"),
        class_="tools",
        role="group",
        aria_label="Steps of the calculation",
    )
    text = element("p", id="sentence", aria_live="polite")
    return walk + text + folded("All steps", *lists, id="steps")


def _key(drawing: Drawing) -> str:
    """What shapes and colours mean."""
    words = "Hexagons are weights, round ends are data, the rest are operations."
    parts = [element("span", words)]
    if drawing.shows_health:
        swatches = "".join(
            element("span", class_="swatch", style=f"background:var(--health{i})")
            for i in range(HEALTHS)
        )
        told = "gradient, against that at the output: vanished (10⁻⁶) … healthy"
        parts.append(element("span", swatches, " ", told))
    if any(box.scope for box in drawing.boxes):
        words = "▸ is folded: its colour is that of its weakest gradient."
        parts.append(element("span", words))
    return element("p", *parts, class_="key faint")


def _list(drawing: Drawing) -> str:
    """The nodes by scope, as nested lists of buttons with all that is known."""
    inputs: dict[str, list[str]] = {box.id: [] for box in drawing.boxes}
    for arrow in drawing.arrows:
        inputs[arrow.target].append(arrow.source)
    notes = merged(drawing).notes
    return _level(list(enumerate(drawing.boxes)), "", inputs, notes)


def _level(
    boxes: Sequence[tuple[int, Box]],
    scope: str,
    inputs: Mapping[str, Sequence[str]],
    notes: Mapping[str, str],
) -> str:
    """The boxes of one scope; inner scopes stand where their first box does."""
    depth = len(around(scope))
    groups: dict[object, list[tuple[int, Box]]] = {}
    for i, box in boxes:
        parts = box.scope.split("/") if box.scope else []
        inner = parts[depth] if len(parts) > depth else i
        groups.setdefault(inner, []).append((i, box))
    items = []
    for key, members in groups.items():
        if isinstance(key, str):
            nodes = "1 node" if len(members) == 1 else f"{len(members)} nodes"
            path = f"{scope}/{key}".removeprefix("/")
            title = f"{key} ({', '.join(filter(None, [nodes, notes.get(path)]))})"
            inner = _level(members, path, inputs, notes)
            items.append(element("li", folded(title, inner)))
        else:
            items.append(element("li", _listed(*members[0], inputs[members[0][1].id])))
    return element("ul", *items)


def _listed(index: int, box: Box, inputs: Sequence[str]) -> str:
    numbers = f", value {box.value}" if box.value is not None else ""
    numbers += f", gradient {box.gradient}" if box.gradient is not None else ""
    about = escape(", ".join([box.kind, *box.detail_lines]))
    known = element("span", escape(numbers), data_told=str(index))
    sources = escape(f", from {', '.join(inputs)}" if inputs else "")
    button = element("button", escape(box.label), type="button", data_node=str(index))
    return f"{button} {about}{known}{sources}"
