"""The keys that a sweep varies, and how their values stand along an axis."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nettrain.show import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROOM = 270
"""Pixels across of a panel's frame."""
LETTER = 5.4
"""Pixels that a letter of a tick takes."""
_MOST = 18
"""Letters of the name of a value."""
_SLANT = math.radians(35)
"""Of such names where they have not the room to lie."""


@dataclass(frozen=True)
class Key:
    """A key that was varied.

    Attributes:
        name: such as `optimizer.adam.learning_rate`.
        log: whether its values are shown on a logarithmic axis.
        values: (P,) of each point; positions in `labels` where there are any.
        labels: of values that are no numbers, or a few ones.
    """

    name: str
    log: bool
    values: np.ndarray
    labels: tuple[str, ...] = ()

    @property
    def short(self) -> str:
        return self.name.rpartition(".")[2] if len(self.name) > 34 else self.name

    @property
    def shares(self) -> np.ndarray:
        """(P,) where each value lies between the least and the largest: 0 to 1."""
        low, high = self.ends
        place = self._scaled(self.values)
        return (place - low) / (high - low) if high > low else np.full(len(place), 0.5)

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the largest value, as logarithms where it is logarithmic."""
        if self.labels:
            return -0.5, len(self.labels) - 0.5
        scaled = self._scaled(self.values)
        return float(scaled.min()), float(scaled.max())

    def _scaled(self, values: np.ndarray) -> np.ndarray:
        return np.log10(values) if self.log else np.asarray(values, float)


def ticks(key: Key) -> list[tuple[float, str]]:
    """A few values as shares of an axis, and as they are written there."""
    low, high = key.ends
    if key.labels:
        stride = math.ceil(len(key.labels) / 20)
        return [
            ((i - low) / (high - low), _cut(label))
            for i, label in enumerate(key.labels)
            if i % stride == 0
        ]
    if high == low:
        return [(0.5, style.number(float(key.values[0])))]
    values = np.linspace(low, high, 5)
    if (key.values == key.values.round()).all():  # ticks of whole numbers are whole
        rounded = np.unique((10**values if key.log else values).round())
        values = np.log10(rounded) if key.log else rounded
    return [
        ((value - low) / (high - low), style.number(10**value if key.log else value))
        for value in values
    ]


def _cut(label: str) -> str:
    """A value in few letters: without its brackets, both of its ends."""
    plain = re.sub(r"[{}\[\]]", "", label)
    half = _MOST // 2
    return plain if len(plain) <= _MOST else f"{plain[:half]}…{plain[1 - half :]}"


def drop(key: Key) -> int:
    """By how many pixels the names of values go deeper than a line, slanted; or 0."""
    longest = max((len(_cut(label)) for label in key.labels), default=0)
    fits = longest * LETTER + 8 <= ROOM / max(1, len(key.labels))
    return 0 if fits else round(longest * LETTER * math.sin(_SLANT))


def name_ticks(
    axes: Axes, key: Key, places: Sequence[float], names: Sequence[str]
) -> None:
    """Names of values under an x axis, slanted where they need it."""
    slanted = {
        "rotation": math.degrees(_SLANT),
        "horizontalalignment": "right",
        "rotation_mode": "anchor",
    }
    axes.set_xticks(places, names, **(slanted if drop(key) else {}))


def beside(values: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Steps to the side for points that have the same value of a list.

    They go by the points' numbers: in the order of their results, as the points stand,
    they would draw a trend that there is not.
    """
    moved = np.zeros(len(values))
    order = np.argsort(numbers)
    for value in np.unique(values):
        at = order[values[order] == value]
        moved[at] = (np.arange(len(at)) - (len(at) - 1) / 2) * min(0.12, 0.6 / len(at))
    return moved
