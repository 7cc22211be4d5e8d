"""What a drawing of a computational graph is made of, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal[
    "input",
    "parameter",
    "constant",
    "operation",
    "activation",
    "cost",
    "state",
    "layer",
]

LABEL, SMALL = 13.0, 11.0
"""Type sizes in pixels: of a box's label, and of everything else."""

_LONGEST = 44
_PADDING = 11.0
_LINE = {LABEL: 19.0, SMALL: 15.0}

_EMS = {
    **dict.fromkeys("ijl.,:;'|!I` ", 0.34),
    **dict.fromkeys('ft()[]{}-/r"*^°', 0.43),
    **dict.fromkeys("mwMW@%—…", 0.98),
    **dict.fromkeys("+=<>~±×·→∂≤≥", 0.82),
}


@dataclass(frozen=True)
class Box:
    """A node.

    Attributes:
        id: what arrows call it; unique in a drawing.
        label: its name or operation.
        detail_lines: further lines in small type, such as its shape.
        kind: what it is, which decides shape and colour.
        scope: the groups it stands in, outermost first: `model/dense1`; may be empty.
        value: shown above the label.
        gradient: shown below it.
        health: of its gradient, from 0 (vanished) to 1 (healthy); None has no gradient.
        origin: the `file:line` that made it, for its tooltip.
        facts: op, shape, value and gradient as plain data, for a page.
        records: whose recorded statistics tell of it if it has none itself: of what
            stands in a loop, one for each time step.
    """

    id: str
    label: str
    detail_lines: Sequence[str] = ()
    kind: Kind = "operation"
    scope: str = ""
    value: str | None = None
    gradient: str | None = None
    health: float | None = None
    origin: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict, compare=False)
    records: Sequence[str] = ()


@dataclass(frozen=True)
class Arrow:
    """`source` is an input of `target`; the label tells the local derivative.

    Attributes:
        back: what a round of a loop hands to the next: it goes against the order of
            all other arrows, between two boxes of one scope.
    """

    source: str
    target: str
    label: str = ""
    back: bool = False


@dataclass(frozen=True)
class Step:
    """One step of a calculation.

    Attributes:
        phase: forward finds a value, backward a gradient, update a new weight.
        text: a sentence that tells it.
        box: id of the box whose number it finds, if it finds one.
        result: that number as it is shown.
    """

    phase: Literal["forward", "backward", "update"]
    text: str
    box: str | None = None
    result: str = ""


@dataclass(frozen=True)
class Drawing:
    """A graph to be drawn. The arrows into a box stand in the order of its inputs.

    Attributes:
        steps: that walk through the calculation, shown on a page.
        notes: scope -> what its title says beside its name, such as `×8`.
    """

    boxes: Sequence[Box]
    arrows: Sequence[Arrow] = ()
    title: str = ""
    steps: Sequence[Step] = ()
    notes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = {box.id: box.scope for box in self.boxes}
        if len(known) < len(self.boxes):
            raise ValueError("two boxes of a drawing have the same id")
        for arrow in self.arrows:
            if not {arrow.source, arrow.target} <= known.keys():
                raise ValueError(f"{arrow} joins a box that is not in the drawing")
            if arrow.back and known[arrow.source] != known[arrow.target]:
                raise ValueError(f"{arrow} goes back to another scope")

    def name(self, scope: str) -> str:
        """What stands above a scope: the last part of its path, and its note."""
        last, note = scope.rpartition("/")[2], self.notes.get(scope, "")
        block = "block " if last.isdigit() and note else ""
        return f"{block}{last} {note}".strip()

    @property
    def shows_health(self) -> bool:
        return any(box.health is not None for box in self.boxes)


@dataclass(frozen=True)
class Line:
    """One line of text in a box: what it says, its size and its named colour."""

    text: str
    size: float
    colour: str
    bold: bool = False


def lines(box: Box) -> list[Line]:
    """The text of a box from top to bottom: value, label, details, gradient."""
    found = [Line(box.value, SMALL, "green")] if box.value is not None else []
    found.append(Line(box.label, LABEL, "ink", bold=True))
    found += [Line(text, SMALL, "muted") for text in box.detail_lines]
    if box.gradient is not None:
        found.append(Line(box.gradient, SMALL, "red"))
    return [Line(shortened(n.text), n.size, n.colour, n.bold) for n in found]


def shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def line_height(line: Line) -> float:
    return _LINE[line.size]


def text_width(text: str, size: float, bold: bool = False) -> float:
    """Pixels that a text takes in a wide sans-serif type: real ones are narrower."""
    ems = sum(_EMS.get(c, 0.72 if c.isupper() else 0.635) for c in text)
    return ems * size * (1.09 if bold else 1.0)


def box_size(box: Box, inputs: int, labelled: bool) -> tuple[float, float]:
    """Width and height in pixels, with room for what arrives: arrows and labels."""
    text = lines(box)
    slant = 10.0 if box.kind in ("parameter", "input", "state") else 0.0
    width = max(text_width(n.text, n.size, n.bold) for n in text)
    height = sum(map(line_height, text)) + 12.0
    return max(width + 2 * (_PADDING + slant), 44.0), max(
        height, inputs * (20.0 if labelled else 8.0)
    )
