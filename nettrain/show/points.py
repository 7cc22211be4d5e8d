"""Pictures of a sweep: how its objective depends on what was varied."""

from __future__ import annotations

import itertools
import math
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nettrain.show import palette, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_RAMP = [f"time{i}" for i in range(8)]
"""From the worst points to the best ones."""
_BEST, _LOST = "orange", "red"
_ROOM = 270
"""Pixels across of a panel's frame."""
_LETTER = 5.4
"""Pixels that a letter of a tick takes."""
_MOST = 18
"""Letters of the name of a value."""
_SLANT = math.radians(35)
"""Of such names where they have not the room to lie."""
_NO_VALUE = 1.1
"""Where, on the axis of the objective, the lines of points end that have no value."""
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

    @property
    def cells(self) -> int:
        """Cells of a surface along its axis: of a list one for each value."""
        return len(self.labels) or _GRID

    @property
    def apart(self) -> np.ndarray:
        """(cells, P) squared distance of each cell to each point, in 2 · `_WIDTH`².

        Values of a list have no order: another one is infinitely far away.
        """
        if self.labels:
            same = self.values == np.arange(self.cells)[:, None]
            return np.where(same, 0.0, np.inf)
        centres = (np.arange(self.cells) + 0.5) / self.cells
        return (centres[:, None] - self.shares) ** 2 / (2 * _WIDTH**2)

    def _scaled(self, values: np.ndarray) -> np.ndarray:
        return np.log10(values) if self.log else np.asarray(values, float)


@dataclass(frozen=True)
class Points:
    """What came of the points of a sweep.

    Attributes:
        metric: the objective.
        lower: whether lower is better.
        keys: that take more than one value.
        mean: (P,) of the objective, the best point first; NaN of those that diverged or
            failed, which come last.
        half: (P,) half its interval, NaN without one.
        numbers: (P,) of the points, in the order in which they were tried.
        until: (P,) percent of its plan that each was trained for.
    """

    metric: str
    lower: bool
    keys: tuple[Key, ...]
    mean: np.ndarray
    half: np.ndarray
    numbers: np.ndarray
    until: np.ndarray | float = 100.0

    @property
    def log(self) -> bool:
        """Whether the objective is shown on a logarithmic axis."""
        return style.spans_decades(self.mean)

    @property
    def known(self) -> np.ndarray:
        """(P,) whether each has a value."""
        return np.isfinite(self.mean)

    @property
    def shorter(self) -> np.ndarray:
        """(P,) whether each has a value but was given up before its end."""
        until = np.broadcast_to(self.until, self.mean.shape)
        return self.known & (until < until.max())

    @property
    def goodness(self) -> np.ndarray:
        """(P,) from 0, the worst, to 1, the best, by rank; NaN without a value.

        What was trained longer stands before, as in the table. Equal ones share the
        mean of their ranks.
        """
        known = self.known
        until = np.broadcast_to(self.until, self.mean.shape)[known]
        value = self.mean[known] if self.lower else -self.mean[known]
        _, which, count = np.unique(
            np.column_stack((-until, value)),
            axis=0,
            return_inverse=True,
            return_counts=True,
        )
        rank = np.cumsum(count) - (count + 1) / 2
        found = np.full(len(known), np.nan)
        found[known] = 1 - rank[which.ravel()] / max(1, known.sum() - 1)
        return found

    def colours(self) -> list[str]:
        """The colour of each point: the better, the darker."""
        return [palette.colour(_RAMP[i]) for i in _class(np.nan_to_num(self.goodness))]

    @property
    def signs(self) -> list[str]:
        """What the marks of points that are not like the others mean."""
        said = ["○ given up earlier"] if self.shorter.any() else []
        return [*said, *([] if self.known.all() else ["× no value"])]


def _class(share: np.ndarray) -> np.ndarray:
    """The place in `_RAMP` of shares from 0 to 1, whatever the last bit of them."""
    return np.minimum((share * len(_RAMP) + 1e-9).astype(int), len(_RAMP) - 1)


# ---------------------------------------------------------------- parallel coordinates


def parallel(points: Points) -> str:
    """A line per point through an axis per key, and the objective at the right."""
    known = points.known
    last = Key(points.metric, points.log, points.mean[known])
    count = len(points.keys)
    gap = min(420, max(170, 860 // max(1, count)))
    width = 120 + gap * count + 110
    said = ["dashed: given up earlier"] if points.shorter.any() else []
    said += [] if known.all() else ["dotted: no value"]
    with style.sheet():
        figure = style.figure(width, 400 + 20 * bool(said))
        title = f"All {len(known)} points"
        axes = style.axes(figure, (120, 60, gap * count, 300), grid="")
        figure.text(20 / width, 1 - 24 / figure.bbox.height, title, fontsize=11)
        _scale(figure, points, width - 280, 16)
        axes.spines[:].set_visible(False)
        axes.set_xlim(0, max(1, count))
        axes.set_ylim(-0.03, 1.03)
        axes.set_xticks([])
        axes.set_yticks([])
        shares = np.full((count + 1, len(known)), _NO_VALUE)
        shares[:-1] = np.array([key.shares for key in points.keys])
        shares[-1, known] = last.shares
        for i in reversed(range(len(known))):
            axes.plot(range(count + 1), shares[:, i], clip_on=False, **_line(points, i))
        for place, key in enumerate((*points.keys, last)):
            _upright(axes, place, key, to_right=place == count)
        if not known.all():
            axes.annotate("no value", (count, _NO_VALUE), **_beside_axis(to_right=True))
        _caption(figure, 20, 398, ", ".join(said))
        best = style.number(float(points.mean[0]))
        title = f"{title}; the best has {points.metric} {best}"
        return style.svg(figure, title)


def _line(points: Points, i: int) -> dict[str, Any]:
    """How the line of a point looks."""
    if i == 0:
        return {"color": palette.colour(_BEST), "linewidth": 2.6}
    look = {"color": points.colours()[i], "linewidth": 1.2, "alpha": 0.9}
    if not points.known[i]:
        return look | {"color": palette.colour(_LOST), "linestyle": (0, (1, 2))}
    return look | ({"linestyle": (0, (5, 3))} if points.shorter[i] else {})


def _upright(axes: Axes, place: int, key: Key, to_right: bool) -> None:
    """One axis of parallel coordinates, with its name and a few values."""
    axes.axvline(place, color=palette.colour("pale"), linewidth=1.2, zorder=0)
    axes.annotate(
        key.short, (place, 0), xytext=(0, -14), textcoords="offset points", fontsize=9,
        horizontalalignment="center", verticalalignment="top",
    )  # fmt: skip
    for share, text in _ticks(key):
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


def _ticks(key: Key) -> list[tuple[float, str]]:
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


# ---------------------------------------------------------------- slices


def slices(points: Points) -> tuple[str, ...]:
    """For each key the objective over its values, with intervals."""
    with style.sheet():
        return tuple(_slice(points, key) for key in points.keys)


def _slice(points: Points, key: Key) -> str:
    drop = _drop(key, _ROOM)
    said = _meaning(points, key)
    figure = style.figure(_ROOM + 100, 280 + drop + 18 * len(said))
    axes = style.axes(figure, (76, 24, _ROOM, 210), x=key.short, y=points.metric)
    low, high = _view(points)
    if points.log:
        style.log_axis(axes, low, high)
    else:
        axes.set_ylim(low, high)
        style.linear_axis(axes.yaxis)
    _across(axes, key)
    x = key.values + (_beside(key.values, points.numbers) if key.labels else 0.0)
    for i in reversed(range(len(x))):
        _mark(axes, points, i, x[i], (low, high))
    _caption(figure, 20, 276 + drop, "\n".join(said))
    return style.svg(figure, f"{points.metric} over {key.name}")


def _mark(
    axes: Axes, points: Points, i: int, x: float, view: tuple[float, float]
) -> None:
    """A point of a slice with its interval."""
    if not points.known[i]:
        axes.plot(
            [x], [1.0 if points.lower else 0.0], "x", color=palette.colour(_LOST),
            markersize=6, transform=axes.get_xaxis_transform(), clip_on=False,
        )  # fmt: skip
        return
    hue = palette.colour("blue" if i else _BEST)
    if np.isfinite(points.half[i]):
        faint = palette.colour("pale_blue") if i else hue
        ends = points.mean[i] - points.half[i], points.mean[i] + points.half[i]
        axes.plot([x, x], np.clip(ends, *view), color=faint, linewidth=1.4)
        for end, edge, arrow in zip(ends, view, "v^", strict=True):
            if (end < edge) == (arrow == "v") and end != edge:
                axes.plot([x], [edge], arrow, color=faint, markersize=5, clip_on=False)
    face = palette.colour("paper") if points.shorter[i] else hue
    axes.plot(
        [x], [points.mean[i]], "o", color=hue, markersize=4.5 if i else 7,
        markerfacecolor=face,
    )  # fmt: skip


def _meaning(points: Points, key: Key) -> list[str]:
    """Lines of what a slice does not say by itself."""
    said = points.signs
    low, high = _view(points)
    ends = points.mean - points.half, points.mean + points.half
    if (ends[0] < low).any() or (ends[1] > high).any():
        said.append("▲ ▼ the interval goes on")
    lines = [", ".join(said)] if said else []
    if key.labels:
        lines += ["Points with the same value of a list stand side by side"]
        lines += ["in the order of their numbers; the step aside means nothing."]
    return lines


def _caption(figure: Figure, left: float, top: float, text: str) -> None:
    """What a picture does not say by itself, at a place in pixels."""
    width, height = figure.bbox.width, figure.bbox.height
    figure.text(
        left / width, 1 - top / height, text, fontsize=9, linespacing=1.4,
        verticalalignment="top", color=palette.colour("muted"),
    )  # fmt: skip


def _view(points: Points) -> tuple[float, float]:
    """All means, and of intervals what leaves the means room."""
    mean = points.mean[points.known]
    low, high = float(mean.min()), float(mean.max())
    if points.log:
        return low / 1.5, high * 1.5
    room = (high - low) or abs(high) or 1.0
    reach = np.minimum(np.nan_to_num(points.half[points.known], nan=0.0), room)
    bottom = max(float((mean - reach).min()), low - room)
    top = min(float((mean + reach).max()), high + room)
    return bottom - 0.05 * room, top + 0.05 * room


def _beside(values: np.ndarray, numbers: np.ndarray) -> np.ndarray:
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


def _drop(key: Key, room: float) -> int:
    """By how many pixels the names of values go deeper than a line, slanted; or 0."""
    longest = max((len(_cut(label)) for label in key.labels), default=0)
    fits = longest * _LETTER + 8 <= room / max(1, len(key.labels))
    return 0 if fits else round(longest * _LETTER * math.sin(_SLANT))


def _name(axes: Axes, key: Key, places: Sequence[float], names: Sequence[str]) -> None:
    """Names of values under an x axis, slanted where they need it."""
    slanted = {
        "rotation": math.degrees(_SLANT),
        "horizontalalignment": "right",
        "rotation_mode": "anchor",
    }
    axes.set_xticks(places, names, **(slanted if _drop(key, _ROOM) else {}))


def _across(axes: Axes, key: Key) -> None:
    """The x axis of a key."""
    low, high = key.ends
    if key.labels:
        axes.set_xlim(low, high)
        ticks = [(low + share * (high - low), name) for share, name in _ticks(key)]
        _name(axes, key, *zip(*ticks, strict=True))
        return
    room = 0.05 * (high - low) or 0.5
    if not key.log:
        axes.set_xlim(low - room, high + room)
        style.linear_axis(axes.xaxis, 5)
        return
    axes.set_xscale("log")
    axes.set_xlim(10 ** (low - room), 10 ** (high + room))
    decades = range(math.ceil(low - room), math.floor(high + room) + 1)
    ticks = [10.0**e for e in decades] if len(decades) > 1 else [10**low, 10**high]
    style.log_ticks(axes.xaxis, ticks)


# ---------------------------------------------------------------- surfaces


def surfaces(points: Points) -> tuple[str, ...]:
    """The objective over pairs of keys: those that explain most of it."""
    keys = sorted(points.keys, key=lambda key: -_explained(points, key))
    with style.sheet():
        pairs = itertools.islice(itertools.combinations(keys, 2), _PAIRS)
        return tuple(_pair(points, x, y) for x, y in pairs)


def _pair(points: Points, x: Key, y: Key) -> str:
    signs = [] if points.known.all() else ["× no value"]
    said = textwrap.wrap("; ".join([_colouring(x, y), *signs]) + ".", _LINE)
    longest = max(len(text) for _, text in _ticks(y))
    left, drop = 44 + round(longest * _LETTER), _drop(x, _ROOM)
    width = max(left + _ROOM + 30, 400)
    figure = style.figure(width, 350 + drop + 20 * len(said))
    box = (left, 46, _ROOM, 240)
    axes = style.axes(figure, box, x=x.short, y=y.short, grid="")
    _surface(axes, points, x, y)
    _scale(figure, points, (width - 150) / 2, 16)
    _caption(figure, 20, 338 + drop, "\n".join(said))
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


def _scale(figure: Figure, points: Points, left: float, top: float) -> None:
    """What the colours say: ranks, of which the ends have these values."""
    axes = style.axes(figure, (left, top, 150, 10), grid="")
    axes.spines[:].set_visible(False)
    style.cells(axes, np.arange(len(_RAMP))[None, :], _RAMP)
    axes.set_xlim(0, len(_RAMP))
    axes.set_ylim(0, 1)
    axes.set_yticks([])
    axes.set_xticks([])
    best, worst = (style.number(x) for x in points.mean[points.known][[0, -1]])
    for place, side, text in (
        (-0.3, "right", f"rank {points.known.sum()} ({worst})"),
        (len(_RAMP) + 0.3, "left", f"rank 1 ({best})"),
    ):
        axes.text(
            place, 0.5, text, fontsize=9, horizontalalignment=side,
            verticalalignment="center", color=palette.colour("muted"),
        )  # fmt: skip


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
    style.cells(axes, np.where(deviations < _NEAR, classes, -1), _RAMP)
    axes.set_xlim(0, x.cells)
    axes.set_ylim(0, y.cells)
    ink, paper = palette.colour("ink"), palette.colour("paper")
    across, up = x.shares * x.cells, y.shares * y.cells
    if x.labels:
        axes.vlines(range(1, x.cells), 0, y.cells, color=paper, linewidth=2)
        _, place = np.unique(np.column_stack((across, up)), axis=0, return_inverse=True)
        across = across + _beside(place.ravel(), points.numbers)
    if y.labels:
        axes.hlines(range(1, y.cells), 0, x.cells, color=paper, linewidth=2)
    for i in reversed(range(len(across))):
        look = {"markersize": 5 if i else 8, "markeredgecolor": ink}
        look |= {"markerfacecolor": paper if i else palette.colour(_BEST)}
        if not points.known[i]:
            look |= {"marker": "x", "markeredgecolor": palette.colour(_LOST)}
        axes.plot(
            [across[i]], [up[i]], **{"marker": "o", "markeredgewidth": 0.8} | look,
            clip_on=False,
        )  # fmt: skip
    _name(axes, x, *zip(*((s * x.cells, t) for s, t in _ticks(x)), strict=True))
    axes.set_yticks(*zip(*((s * y.cells, t) for s, t in _ticks(y)), strict=True))


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
        (y.cells, x.cells) places in `_RAMP`, and deviations of the kernel.
    """
    known = points.known
    far = y.apart[:, None, :] + x.apart[None, :, :]
    lost = far[..., ~known].min(axis=-1, initial=np.inf)
    far = far[..., known]
    nearest = far.min(axis=-1)
    reached = np.isfinite(nearest) & (nearest <= lost)
    weight = np.exp(-(far - np.where(reached, nearest, 0.0)[..., None]))
    total = np.where(reached, weight.sum(axis=-1), 1.0)
    mean = (weight * points.goodness[known]).sum(axis=-1) / total
    return np.where(reached, _class(mean), -1), np.sqrt(2 * nearest)


# ---------------------------------------------------------------- learning curves


def curves(
    metric: str,
    runs: Sequence[Sequence[tuple[np.ndarray, np.ndarray]]],
    names: Sequence[str],
) -> str:
    """The objective over training, of every trial.

    Args:
        metric: the objective.
        runs: of each point, the best first, epoch (E,) and value (E,) of each run.
        names: of the points.
    """
    with style.sheet():
        figure = style.figure(820, 420)
        axes = style.axes(
            figure, (76, 48, 600, 316), title="All trials", x="epoch", y=metric
        )
        every = [run for point in runs for run in point]
        values = style.finite(np.concatenate([np.zeros(0), *(v for _, v in every)]))
        if style.spans_decades(values):
            style.log_axis(axes, values.min() / 1.3, values.max() * 1.3)
        for point in reversed(runs[1:]):
            for epoch, value in point:
                axes.plot(
                    epoch, value, color=palette.colour("pale_blue"), linewidth=0.9
                )
        for epoch, value in runs[0] if runs else ():
            axes.plot(epoch, value, color=palette.colour(_BEST), linewidth=2)
        epochs = np.concatenate([np.zeros(0), *(e for e, _ in every)])
        style.epoch_axis(axes, epochs, 8)
        axes.plot(
            [], [], color=palette.colour(_BEST), label=f"point {names[0]}, the best"
        )
        axes.plot([], [], color=palette.colour("pale_blue"), label="the others")
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))
        return style.svg(figure, f"{metric} of every trial over its training")
