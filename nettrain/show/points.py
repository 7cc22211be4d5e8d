"""Pictures of a sweep: how its objective depends on what was varied."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nettrain.show import palette, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_RAMP = [f"time{i}" for i in range(8)]
"""From the worst points to the best ones."""
_BEST = "orange"
_PANEL, _PANEL_HEIGHT = 300, 210
_COLUMNS = 3
_PAIRS = 3
_GRID = 48
"""Cells of a surface along each side."""
_WIDTH = 0.12
"""Standard deviation of the kernel that smooths a surface, as a share of an axis."""


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


@dataclass(frozen=True)
class Points:
    """What came of the points of a sweep that have a value.

    Attributes:
        metric: the objective.
        lower: whether lower is better.
        keys: that take more than one value.
        mean: (P,) of the objective, the best point first.
        half: (P,) half its interval, NaN without one.
    """

    metric: str
    lower: bool
    keys: tuple[Key, ...]
    mean: np.ndarray
    half: np.ndarray

    @property
    def log(self) -> bool:
        """Whether the objective is shown on a logarithmic axis."""
        return style.spans_decades(self.mean)

    @property
    def goodness(self) -> np.ndarray:
        """(P,) from 0, the worst, to 1, the best, by rank."""
        rank = np.argsort(np.argsort(self.mean if self.lower else -self.mean))
        return 1 - rank / max(1, len(rank) - 1)

    def colours(self) -> list[str]:
        """The colour of each point: the better, the darker."""
        at = np.minimum((self.goodness * len(_RAMP)).astype(int), len(_RAMP) - 1)
        return [palette.colour(_RAMP[i]) for i in at]


# ---------------------------------------------------------------- parallel coordinates


def parallel(points: Points) -> str:
    """A line per point through an axis per key, and the objective at the right."""
    axes_of = [*points.keys, Key(points.metric, points.log, points.mean)]
    gap = 170
    width = 150 + gap * (len(axes_of) - 1) + 90
    with style.sheet():
        figure = style.figure(width, 420)
        axes = style.axes(
            figure, (90, 64, gap * (len(axes_of) - 1), 300), title="All points", grid=""
        )
        _scale(figure, 240, 40)
        axes.spines[:].set_visible(False)
        axes.set_xlim(0, max(1, len(axes_of) - 1))
        axes.set_ylim(-0.03, 1.03)
        axes.set_xticks([])
        axes.set_yticks([])
        shares = np.array([key.shares for key in axes_of])
        colours = points.colours()
        for i in reversed(range(len(points.mean))):
            line = {"color": colours[i], "linewidth": 1.2, "alpha": 0.9}
            if i == 0:
                line = {"color": palette.colour(_BEST), "linewidth": 2.6}
            axes.plot(range(len(axes_of)), shares[:, i], **line)
        for place, key in enumerate(axes_of):
            _upright(axes, place, key)
        best = style.number(float(points.mean[0]))
        title = f"All {len(points.mean)} points; the best has {points.metric} {best}"
        return style.svg(figure, title)


def _upright(axes: Axes, place: int, key: Key) -> None:
    """One axis of parallel coordinates, with its name and a few values."""
    axes.axvline(place, color=palette.colour("pale"), linewidth=1.2, zorder=0)
    axes.annotate(
        key.short, (place, 0), xytext=(0, -14), textcoords="offset points", fontsize=9,
        horizontalalignment="center", verticalalignment="top",
    )  # fmt: skip
    for share, text in _ticks(key):
        axes.annotate(
            text, (place, share), xytext=(-5, 0), textcoords="offset points",
            fontsize=8, color=palette.colour("muted"), horizontalalignment="right",
            verticalalignment="center", zorder=9,
            bbox={"facecolor": palette.colour("paper"), "edgecolor": "none", "pad": 1},
        )  # fmt: skip


def _ticks(key: Key) -> list[tuple[float, str]]:
    low, high = key.ends
    if key.labels:
        stride = math.ceil(len(key.labels) / 12)
        return [
            ((i - low) / (high - low), _cut(label))
            for i, label in enumerate(key.labels)
            if i % stride == 0
        ]
    if high == low:
        return [(0.5, style.number(float(key.values[0])))]
    places = [0.0, 0.25, 0.5, 0.75, 1.0]
    values = [low + share * (high - low) for share in places]
    return [
        (share, style.number(10**value if key.log else value))
        for share, value in zip(places, values, strict=True)
    ]


def _cut(label: str) -> str:
    return label if len(label) <= 18 else label[:17] + "…"


# ---------------------------------------------------------------- slices


def slices(points: Points) -> str:
    """For each key the objective over its values, with intervals."""
    rows = math.ceil(len(points.keys) / _COLUMNS)
    columns = min(len(points.keys), _COLUMNS)
    with style.sheet():
        figure = style.figure(90 + columns * (_PANEL + 20), 40 + rows * 300)
        for index, key in enumerate(points.keys):
            row, column = divmod(index, _COLUMNS)
            box = (
                76 + column * (_PANEL + 20),
                46 + row * 300,
                _PANEL - 40,
                _PANEL_HEIGHT,
            )
            y = points.metric if column == 0 else ""
            axes = style.axes(figure, box, x=key.short, y=y)
            _slice(axes, points, key)
        return style.svg(figure, f"{points.metric} over each key")


def _slice(axes: Axes, points: Points, key: Key) -> None:
    low, high = _view(points)
    if points.log:
        style.log_axis(axes, low, high)
    else:
        axes.set_ylim(low, high)
        style.linear_axis(axes.yaxis)
    _across(axes.xaxis, axes, key)
    x = key.values + (_beside(key.values) if key.labels else 0.0)
    for i in reversed(range(len(x))):
        best = i == 0
        hue = palette.colour(_BEST if best else "blue")
        if np.isfinite(points.half[i]):
            ends = points.mean[i] - points.half[i], points.mean[i] + points.half[i]
            faint = hue if best else palette.colour("pale_blue")
            axes.plot([x[i], x[i]], ends, color=faint, linewidth=1.4)
        axes.plot(
            [x[i]], [points.mean[i]], "o", color=hue, markersize=7 if best else 4.5
        )


def _view(points: Points) -> tuple[float, float]:
    """All means, and of intervals what leaves the means room."""
    low, high = float(points.mean.min()), float(points.mean.max())
    if points.log:
        return low / 1.5, high * 1.5
    room = (high - low) or abs(high) or 1.0
    reach = np.minimum(np.nan_to_num(points.half, nan=0.0), room)
    bottom = max(float((points.mean - reach).min()), low - room)
    top = min(float((points.mean + reach).max()), high + room)
    return bottom - 0.05 * room, top + 0.05 * room


def _beside(values: np.ndarray) -> np.ndarray:
    """Steps to the side for points that have the same value of a list."""
    moved = np.zeros(len(values))
    for value in np.unique(values):
        at = np.flatnonzero(values == value)
        moved[at] = (np.arange(len(at)) - (len(at) - 1) / 2) * min(0.12, 0.6 / len(at))
    return moved


def _across(axis: object, axes: Axes, key: Key) -> None:
    """The x axis of a key."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    low, high = key.ends
    if key.labels:
        axes.set_xlim(low, high)
        style.layer_ticks(axes.xaxis, [_cut(x) for x in key.labels], _PANEL - 40)
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
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(style.power))


# ---------------------------------------------------------------- surfaces


def surfaces(points: Points) -> str:
    """The objective over pairs of keys: those that explain most of it."""
    keys = sorted(points.keys, key=lambda key: -_explained(points, key))
    pairs = list(itertools.combinations(keys, 2))[:_PAIRS]
    with style.sheet():
        figure = style.figure(100 + len(pairs) * (_PANEL + 40), 350)
        for index, (x, y) in enumerate(pairs):
            box = (86 + index * (_PANEL + 40), 52, _PANEL - 60, 230)
            axes = style.axes(figure, box, x=x.short, y=y.short, grid="")
            _surface(axes, points, x, y)
        _scale(figure, 86, 20)
        return style.svg(figure, f"{points.metric} over pairs of keys")


def _scale(figure: Figure, left: float, top: float) -> None:
    """What the colours say."""
    axes = style.axes(figure, (left, top, 150, 10), grid="")
    axes.spines[:].set_visible(False)
    style.cells(axes, np.arange(len(_RAMP))[None, :], _RAMP)
    axes.set_xlim(0, len(_RAMP))
    axes.set_ylim(0, 1)
    axes.set_yticks([])
    axes.set_xticks([])
    for place, side, text in (
        (-0.3, "right", "worse"),
        (len(_RAMP) + 0.3, "left", "better"),
    ):
        axes.text(
            place, 0.5, text, fontsize=9, horizontalalignment=side,
            verticalalignment="center", color=palette.colour("muted"),
        )  # fmt: skip


def _explained(points: Points, key: Key) -> float:
    """The share of the objective's rank that a parabola over the key explains."""
    x, y = key.shares, points.goodness
    fitted = np.polynomial.Polynomial.fit(x, y, min(2, len(set(x)) - 1))(x)
    return 1.0 - float(np.var(y - fitted) / (np.var(y) or 1.0))


def _surface(axes: Axes, points: Points, x: Key, y: Key) -> None:
    """A kernel mean of the points' rank in cells, and the points themselves."""
    across, up = x.shares, y.shares
    centres = (np.arange(_GRID) + 0.5) / _GRID
    far = (
        (centres[None, :, None] - across) ** 2 + (centres[:, None, None] - up) ** 2
    ) / (2 * _WIDTH**2)
    weight = np.exp(-(far - far.min(axis=-1, keepdims=True)))
    mean = (weight * points.goodness).sum(axis=-1) / weight.sum(axis=-1)
    classes = np.minimum((mean * len(_RAMP)).astype(int), len(_RAMP) - 1)
    style.cells(axes, classes, _RAMP)
    axes.set_xlim(0, _GRID)
    axes.set_ylim(0, _GRID)
    ink, paper = palette.colour("ink"), palette.colour("paper")
    for i in reversed(range(len(across))):
        face = palette.colour(_BEST) if i == 0 else paper
        axes.plot(
            [across[i] * _GRID], [up[i] * _GRID], "o", markersize=8 if i == 0 else 5,
            markerfacecolor=face, markeredgecolor=ink, markeredgewidth=0.8,
            clip_on=False,
        )  # fmt: skip
    for axis, key in ((axes.xaxis, x), (axes.yaxis, y)):
        ticks = _ticks(key)
        axis.set_ticks([s * _GRID for s, _ in ticks], [text for _, text in ticks])


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
        style.linear_axis(axes.xaxis, 8)
        axes.plot(
            [], [], color=palette.colour(_BEST), label=f"point {names[0]}, the best"
        )
        axes.plot([], [], color=palette.colour("pale_blue"), label="the others")
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))
        return style.svg(figure, f"{metric} of every trial over its training")
