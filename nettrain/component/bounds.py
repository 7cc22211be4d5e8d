"""What numbers and text are bound to, as annotations of fields."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated


@dataclass(frozen=True)
class Range:
    """Bounds of a number, for `Annotated[float, Range(above=0)]`."""

    at_least: float = -math.inf
    at_most: float = math.inf
    above: float = -math.inf
    below: float = math.inf

    def __contains__(self, value: float) -> bool:
        return (
            self.at_least <= value <= self.at_most
        ) and self.above < value < self.below

    def __str__(self) -> str:
        bounds = [
            ("at least", self.at_least),
            ("above", self.above),
            ("at most", self.at_most),
            ("below", self.below),
        ]
        return " and ".join(
            f"{word} {b if isinstance(b, int) else f'{b:g}'}"
            for word, b in bounds
            if math.isfinite(b)
        )


@dataclass(frozen=True)
class Pattern:
    """What the text of a field looks like, for editors.

    What can stand there depends on other settings, by which it is judged later.

    Attributes:
        text: a regular expression.
        wanted: what is expected, in words.
        known: gives texts that can be completed.
    """

    text: str
    wanted: str
    known: Callable[[], Iterable[str]]


Positive = Annotated[float, Range(above=0)]
NonNegative = Annotated[float, Range(at_least=0)]
Share = Annotated[float, Range(at_least=0, at_most=1)]
Count = Annotated[int, Range(at_least=1)]
