"""Slices: the objective over the values of one key, with intervals."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from nettrain.show import palette, style
from nettrain.show.points.keys import ROOM, Key, beside, drop, name_ticks, ticks
from nettrain.show.points.outcome import BEST, LOST, Points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TICKS = 6
"""At most so many stand on a logarithmic axis."""


def slices(points: Points) -> tuple[str, ...]:
    """For each key the objective over its values, with intervals."""
    with style.sheet():
        return tuple(_slice(points, key) for key in points.keys)


def _slice(points: Points, key: Key) -> str:
    deep = drop(key)
    said = _meaning(points, key)
    figure = style.figure(ROOM + 100, 280 + deep + 18 * len(said))
    axes = style.axes(figure, (76, 24, ROOM, 210), x=key.short, y=points.metric)
    low, high = _view(points)
    if points.log:
        style.log_axis(axes, low, high)
    else:
        axes.set_ylim(low, high)
        style.linear_axis(axes.yaxis)
    _across(axes, key)
    x = key.values + (beside(key.values, points.numbers) if key.labels else 0.0)
    for i in reversed(range(len(x))):
        _mark(axes, points, i, x[i], (low, high))
    style.caption(figure, 20, 276 + deep, "\n".join(said))
    return style.svg(figure, f"{points.metric} over {key.name}")


def _mark(
    axes: Axes, points: Points, i: int, x: float, view: tuple[float, float]
) -> None:
    """A point of a slice with its interval."""
    if not points.known[i]:
        axes.plot(
            [x], [1.0 if points.lower else 0.0], "x", color=palette.colour(LOST),
            markersize=6, transform=axes.get_xaxis_transform(), clip_on=False,
        )  # fmt: skip
        return
    hue = palette.colour("blue" if i else BEST)
    if np.isfinite(points.half[i]):
        faint = palette.colour("pale_blue") if i else hue
        ends = [end[i] for end in points.ends]
        axes.plot([x, x], np.clip(ends, *view), color=faint, linewidth=1.4)
        for end, edge, arrow in zip(ends, view, "v^", strict=True):
            if (end < edge) == (arrow == "v") and end != edge:
                axes.plot([x], [edge], arrow, color=faint, markersize=5, clip_on=False)
    face = palette.colour("paper") if points.shorter[i] else hue
    axes.plot(
        [x], [points.mean[i]], "o", color=hue, markersize=4.5 if i else 7,
        markerfacecolor=face, clip_on=False,
    )  # fmt: skip


def _meaning(points: Points, key: Key) -> list[str]:
    """Lines of what a slice does not say by itself."""
    said = points.signs
    low, high = _view(points)
    below, above = (end[points.known & np.isfinite(points.half)] for end in points.ends)
    if (below < low).any() or (above > high).any():
        said.append("▲ ▼ the interval goes on")
    lines = [", ".join(said)] if said else []
    if key.labels:
        lines += ["Points with the same value of a list stand side by side"]
        lines += ["in the order of their numbers; the step aside means nothing."]
    return lines


def _view(points: Points) -> tuple[float, float]:
    """All means, and of intervals what leaves the means room."""
    mean = points.mean[points.known]
    low, high = float(mean.min()), float(mean.max())
    if points.log:
        decades = math.log10(high) - math.log10(low)
        room = min(max(1.5, 10 ** (0.05 * decades)), 100.0)
        return low / room, high * room
    room = (high - low) or abs(high) or 1.0
    ends = (end[points.known & np.isfinite(points.half)] for end in points.ends)
    below, above = ends
    bottom = max(float(below.min(initial=low)), low - room)
    top = min(float(above.max(initial=high)), high + room)
    # What is positive in every point stays so in the view.
    floor = 0.0 if low > 0 else -math.inf
    return max(bottom - 0.05 * room, floor), top + 0.05 * room


def _across(axes: Axes, key: Key) -> None:
    """The x axis of a key."""
    low, high = key.ends
    if key.labels:
        axes.set_xlim(low, high)
        named = [(low + share * (high - low), label) for share, label in ticks(key)]
        name_ticks(axes, key, *zip(*named, strict=True))
        return
    room = 0.05 * (high - low) or 0.5
    if not key.log:
        axes.set_xlim(low - room, high + room)
        style.linear_axis(axes.xaxis, 5)
        return
    axes.set_xscale("log")
    ends = low - room, high + room
    axes.set_xlim(10 ** ends[0], 10 ** ends[1])
    steps = [x for x in style.log_steps(*ends) if ends[0] <= math.log10(x) <= ends[1]]
    if len(steps) < 2:
        steps = [10**low, 10**high]
    style.log_ticks(axes.xaxis, steps[:: math.ceil(len(steps) / _TICKS)])
