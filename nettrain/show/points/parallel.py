"""Parallel coordinates: a line per point through an axis per key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nettrain.show import palette, style
from nettrain.show.points.keys import Key, ticks
from nettrain.show.points.outcome import BEST, LOST, Points, scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MANY = 60
"""Points from which on their lines are thin."""
_NO_VALUE = 1.1
"""Where, on the axis of the objective, the lines of points end that have no value."""


def parallel(points: Points) -> str:
    """A line per point through an axis per key, and the objective at the right."""
    known = points.known
    last = Key(points.metric, points.log, points.mean[known])
    count = len(points.keys)
    gap = min(420, max(170, 860 // max(1, count)))
    width = 120 + gap * count + 110
    said = ["dashed: given up earlier"] if points.shorter.any() else []
    said += [f"dotted: {points.unknown}"] if points.unknown else []
    with style.sheet():
        figure = style.figure(width, 400 + 20 * bool(said))
        title = f"All {len(known)} points"
        axes = style.axes(figure, (120, 60, gap * count, 300), grid="")
        figure.text(20 / width, 1 - 24 / figure.bbox.height, title, fontsize=11)
        scale(figure, points, width - 280, 16)
        axes.spines[:].set_visible(False)
        axes.set_xlim(0, max(1, count))
        axes.set_ylim(-0.03, 1.03)
        axes.set_xticks([])
        axes.set_yticks([])
        shares = np.full((count + 1, len(known)), _NO_VALUE)
        shares[:-1] = np.array([key.shares for key in points.keys])
        shares[-1, known] = last.shares
        colours = points.colours()
        for i in reversed(range(len(known))):
            look = _line(points, i, colours[i])
            axes.plot(range(count + 1), shares[:, i], clip_on=False, **look)
        for place, key in enumerate((*points.keys, last)):
            _upright(axes, place, key, to_right=place == count)
        if not known.all():
            axes.annotate(
                points.unknown, (count, _NO_VALUE), **_beside_axis(to_right=True)
            )
        style.caption(figure, 20, 398, ", ".join(said))
        best = style.number(float(points.mean[0]))
        title = f"{title}; the best has {points.metric} {best}"
        return style.svg(figure, title)


def _line(points: Points, i: int, colour: str) -> dict[str, Any]:
    """How the line of a point looks."""
    if i == 0:
        return {"color": palette.colour(BEST), "linewidth": 2.6}
    width = 1.2 if len(points.mean) <= _MANY else 0.7
    look = {"color": colour, "linewidth": width, "alpha": 0.9}
    if not points.known[i]:
        return look | {"color": palette.colour(LOST), "linestyle": (0, (1, 2))}
    return look | ({"linestyle": (0, (5, 3))} if points.shorter[i] else {})


def _upright(axes: Axes, place: int, key: Key, to_right: bool) -> None:
    """One axis of parallel coordinates, with its name and a few values."""
    axes.axvline(place, color=palette.colour("pale"), linewidth=1.2, zorder=0)
    axes.annotate(
        key.short, (place, 0), xytext=(0, -14), textcoords="offset points", fontsize=9,
        horizontalalignment="center", verticalalignment="top",
    )  # fmt: skip
    for share, text in ticks(key):
        axes.annotate(text, (place, share), **_beside_axis(to_right))


def _beside_axis(to_right: bool) -> dict[str, Any]:
    """How a value stands at its axis: at the last one where there is no line."""
    return {
        "xytext": (5 if to_right else -5, 0),
        "textcoords": "offset points",
        "fontsize": 8,
        "color": palette.colour("muted"),
        "horizontalalignment": "left" if to_right else "right",
        "verticalalignment": "center",
        "zorder": 9,
        "annotation_clip": False,
        "bbox": {
            "facecolor": palette.colour("paper"),
            "edgecolor": "none",
            "pad": 1,
            "alpha": 0.9,
        },
    }
