"""What the shapes and colours of a drawing mean, in one row below it."""

from __future__ import annotations

from dataclasses import dataclass

from nettrain.show.drawing import SMALL, Box, Drawing, Kind, text_width
from nettrain.show.layout import Rectangle
from nettrain.show.looks import Look, kinds, look
from nettrain.show.palette import HEALTHS


@dataclass(frozen=True)
class Word:
    """A text of the key, and how far from its left it stands."""

    x: float
    text: str
    colour: str
    bold: bool = False


def key(drawing: Drawing) -> tuple[list[tuple[Rectangle, Look]], list[Word], float]:
    """Marks from the left of the key and its baseline, words, and the whole width."""
    marks: list[tuple[Rectangle, Look]] = []
    words: list[Word] = []
    x = 0.0
    for kind, shape in _shapes(drawing).items():
        marks.append((Rectangle(x, -10, 22, 14), shape))
        words.append(Word(x + 28, kind, "muted"))
        x += 28 + text_width(kind, SMALL) + 16
    if drawing.shows_health:
        for index in range(HEALTHS):
            shade = Look("round", f"health{index}", "pale", 0.6)
            marks.append((Rectangle(x + 14 * index, -10, 14, 14), shade))
        x += 14 * HEALTHS + 6
        text = "gradient: vanished … healthy"
        if any(box.kind == "layer" for box in drawing.boxes):
            text += " (▸: its weakest)"
        words.append(Word(x, text, "muted"))
        x += text_width(text, SMALL) + 16
    for text, colour, shown in (
        ("value", "green", any(box.value is not None for box in drawing.boxes)),
        ("gradient", "red", any(box.gradient is not None for box in drawing.boxes)),
    ):
        if shown:
            words.append(Word(x, text, colour, bold=True))
            x += text_width(text, SMALL, True) + 14
    return marks, words, x


def _shapes(drawing: Drawing) -> dict[Kind, Look]:
    """Each kind's look; where colour means health, of kinds that shape tells apart."""
    looks = {kind: look(Box("", "", kind=kind), False) for kind in kinds(drawing)}
    if not drawing.shows_health:
        return looks
    first: dict[Look, Kind] = {}
    for kind, seen in looks.items():
        plain = Look(seen.shape, "paper", "muted", 1.2, seen.dashed)
        first.setdefault(plain, kind)
    return {kind: shape for shape, kind in first.items()}
