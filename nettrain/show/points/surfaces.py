"""Surfaces: the objective over two keys, as far as points are near."""

from __future__ import annotations

import itertools
import textwrap
from typing import TYPE_CHECKING

import numpy as np

from nettrain.show import palette, style
from nettrain.show.points.keys import LETTER, ROOM, Key, beside, drop, name_ticks, ticks
from nettrain.show.points.outcome import BEST, LOST, RAMP, Points, ramped, scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PAIRS = 3
_GRID = 48
"""Cells of a surface along an axis of numbers."""
_WIDTH = 0.12
"""Standard deviation of the kernel that smooths a surface, as a share of an axis."""
_NEAR = 2.25
"""How many of these deviations a cell of a surface may be from the nearest point;
farther away nothing is known."""
_HATCH = 8
"""Pixels from one line of a hatch to the next, along an axis."""
_LINE = 56
"""Letters of a line under a surface."""


def surfaces(points: Points) -> tuple[str, ...]:
    """The objective over pairs of keys: those that explain most of it."""
    keys = sorted(points.keys, key=lambda key: -_explained(points, key))
    with style.sheet():
        pairs = itertools.islice(itertools.combinations(keys, 2), _PAIRS)
        return tuple(_pair(points, x, y) for x, y in pairs)


def _pair(points: Points, x: Key, y: Key) -> str:
    signs = [f"× {points.unknown}"] if points.unknown else []
    said = textwrap.wrap("; ".join([_colouring(x, y), *signs]) + ".", _LINE)
    longest = max(len(text) for _, text in ticks(y))
    left, deep = 44 + round(longest * LETTER), drop(x)
    width = max(left + ROOM + 30, 400)
    figure = style.figure(width, 350 + deep + 20 * len(said))
    box = (left, 46, ROOM, 240)
    axes = style.axes(figure, box, x=x.short, y=y.short, grid="")
    _surface(axes, points, x, y)
    scale(figure, points, (width - 150) / 2, 16)
    style.caption(figure, 20, 338 + deep, "\n".join(said))
    return style.svg(figure, f"{points.metric} over {x.name} and {y.name}")


def _colouring(x: Key, y: Key) -> str:
    """What the colours of a surface say: values of a list are not smoothed over."""
    if x.labels and y.labels:
        colour = "Colour: the mean rank of the points with these values"
        return f"{colour}; hatched where none is known"
    if not x.labels and not y.labels:
        colour = "Colour: the rank of the points around, smoothed"
    else:
        listed, along = (x, y) if x.labels else (y, x)
        colour = f"Colour: the rank of the points with this {listed.short}, "
        colour += f"smoothed along {along.short}"
    return f"{colour}; hatched where none is near"


def _explained(points: Points, key: Key) -> float:
    """The share of the rank's variance that a key explains.

    Of a list by the means of its values, of numbers by a parabola over them.
    """
    x, y = key.shares[points.known], points.goodness[points.known]
    if key.labels:
        fitted = np.array([y[x == place].mean() for place in x])
    else:
        fitted = np.polynomial.Polynomial.fit(x, y, min(2, len(set(x)) - 1))(x)
    return 1.0 - float(np.var(y - fitted) / (np.var(y) or 1.0))


def _surface(axes: Axes, points: Points, x: Key, y: Key) -> None:
    """A kernel mean of the points' rank in cells, and the points themselves."""
    classes, deviations = _smoothed(points, x, y)
    _hatch(axes)
    style.cells(axes, np.where(deviations < _NEAR, classes, -1), RAMP)
    wide, high = _cells(x), _cells(y)
    axes.set_xlim(0, wide)
    axes.set_ylim(0, high)
    ink, paper = palette.colour("ink"), palette.colour("paper")
    across, up = x.shares * wide, y.shares * high
    if x.labels:
        axes.vlines(range(1, wide), 0, high, color=paper, linewidth=2)
        _, place = np.unique(np.column_stack((across, up)), axis=0, return_inverse=True)
        across = across + beside(place.ravel(), points.numbers)
    if y.labels:
        axes.hlines(range(1, high), 0, wide, color=paper, linewidth=2)
    for i in reversed(range(len(across))):
        look = {"markersize": 5 if i else 8, "markeredgecolor": ink}
        look |= {"markerfacecolor": paper if i else palette.colour(BEST)}
        if not points.known[i]:
            look |= {"marker": "x", "markeredgecolor": palette.colour(LOST)}
        axes.plot(
            [across[i]], [up[i]], **{"marker": "o", "markeredgewidth": 0.8} | look,
            clip_on=False,
        )  # fmt: skip
    name_ticks(axes, x, *zip(*((s * wide, t) for s, t in ticks(x)), strict=True))
    axes.set_yticks(*zip(*((s * high, t) for s, t in ticks(y)), strict=True))


def _hatch(axes: Axes) -> None:
    """Slanted lines over all of a surface, seen where no cell lies on them."""
    from matplotlib.collections import LineCollection

    width, height = axes.bbox.width, axes.bbox.height
    starts = np.arange(_HATCH - height, width, _HATCH) / width
    lines = [((start, 0), (start + height / width, 1)) for start in starts]
    pale = palette.colour("pale")
    axes.add_collection(
        LineCollection(
            lines, colors=pale, linewidths=0.8, zorder=0, transform=axes.transAxes
        ),
        autolim=False,
    )


def _smoothed(points: Points, x: Key, y: Key) -> tuple[np.ndarray, np.ndarray]:
    """The colour of each cell, -1 of none, and how far its nearest point is.

    Returns:
        (cells of y, cells of x) places in `RAMP`, and deviations of the kernel.
    """
    known = points.known
    far = _apart(y)[:, None, :] + _apart(x)[None, :, :]
    lost = far[..., ~known].min(axis=-1, initial=np.inf)
    far = far[..., known]
    nearest = far.min(axis=-1)
    reached = np.isfinite(nearest) & (nearest <= lost)
    weight = np.exp(-(far - np.where(reached, nearest, 0.0)[..., None]))
    total = np.where(reached, weight.sum(axis=-1), 1.0)
    mean = (weight * points.goodness[known]).sum(axis=-1) / total
    return np.where(reached, ramped(mean), -1), np.sqrt(2 * nearest)


def _cells(key: Key) -> int:
    """Cells of a surface along an axis: of a list one for each value."""
    return len(key.labels) or _GRID


def _apart(key: Key) -> np.ndarray:
    """(cells, P) squared distance of each cell to each point, in 2 · `_WIDTH`².

    Values of a list have no order: another one is infinitely far away.
    """
    cells = np.arange(_cells(key))[:, None]
    if key.labels:
        return np.where(key.values == cells, 0.0, np.inf)
    centres = (cells + 0.5) / _GRID
    return (centres - key.shares) ** 2 / (2 * _WIDTH**2)
