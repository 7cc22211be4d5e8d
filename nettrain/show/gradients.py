"""gradient-flow.svg and updates.svg: does the signal arrive, do the weights move?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nettrain.show import palette, style
from nettrain.show.columns import Columns, History, history, layer_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEALTHY_UPDATES = (2e-4, 2e-2)
"""The usual range of ‖ΔW‖/‖W‖ in one update of a network that learns."""

_LINES = 7
_COLUMNS = 80
_NAME, _WEIGHT = 160, 220
"""Pixels that the name of a layer, and of a weight, may take."""


def gradient_flow(columns: Columns, *, threshold: float = 1e-3) -> str:
    """How much of the gradient at the output arrives at each layer, over the run.

    On the left RMS(δ_l) / RMS(δ_out), δ = dL/dz of a pre-activation, over depth, with
    the ratio below which it has vanished; on the right RMS(δ_l) over depth and time.

    Args:
        columns: statistics.csv as columns; rows with role `pre_activation` are used.
        threshold: the ratio to the output below which a gradient has vanished.
    """
    flow = history(columns, "pre_activation")
    values = flow.values("gradient_rms")
    zero = values == 0
    values[~(values > 0)] = np.nan
    with style.sheet():
        if not np.isfinite(values).any():
            return style.nothing(
                "The gradient of every pre-activation is 0"
                if zero.any()
                else "No gradient of a pre-activation was recorded"
            )
        figure = style.figure(980, 420)
        ratios = values / values[-1]
        names = style.fitted(layer_names(flow.nodes), _NAME)
        _over_depth(figure, flow, names, ratios, zero, threshold)
        _over_time(figure, flow, names, np.log10(values), zero)
        return style.svg(
            figure, _flow_title(flow, np.where(zero, 0.0, ratios), threshold)
        )


def _flow_title(flow: History, ratios: np.ndarray, threshold: float) -> str:
    lowest = np.fmin.reduce(ratios, axis=1)
    if not np.isfinite(lowest).any():
        return "Gradient flow: no gradient at the output"
    layer = int(np.nanargmin(lowest))
    verdict = "below" if lowest[layer] < threshold else "above"
    return (
        f"Gradient flow: smallest at {layer_names(flow.nodes)[layer]}, "
        f"{style.number(lowest[layer])} of the output's, {verdict} {threshold:g}"
    )


def _over_depth(
    figure: Figure,
    flow: History,
    names: Sequence[str],
    ratios: np.ndarray,
    zero: np.ndarray,
    threshold: float,
) -> None:
    longest = max(map(style.small_width, names))
    box = (76, 56, min(400, 496 - longest), 312)  # the map's names need their room
    axes = style.axes(figure, box, title="Gradient over depth, relative to the output")
    axes.set_ylabel("RMS δ / RMS δ of the output", fontsize=9)
    seen = np.append(style.finite(ratios), (threshold, 1.0))
    style.log_axis(axes, seen.min() / 3, seen.max() * 3)
    ratios = np.where(zero, axes.get_ylim()[0], ratios)
    moments = flow.epoch_ends(_LINES)
    if zero[:, moments].any():
        axes.set_xlabel("what ends at the lower edge is 0", fontsize=9)
    labels = flow.labels()
    marker = "o" if len(names) <= 30 else None
    for moment, hue in zip(moments, palette.ramp(len(moments)), strict=True):
        axes.plot(
            ratios[:, moment],
            color=hue,
            marker=marker,
            markersize=3.5,
            label=labels[moment],
        )
    _band(axes, 0, threshold, f"vanished: below {style.power(threshold)}")
    axes.set_xlim(-0.4, len(names) - 0.6)
    style.layer_ticks(axes.xaxis, names, box[2])
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.02), handlelength=1.2)


def _band(axes: Axes, low: float, high: float, text: str) -> None:
    """Shade the range where a gradient counts as vanished, and say so."""
    axes.axhspan(
        low or axes.get_ylim()[0], high, color=palette.colour("red"), alpha=0.1
    )
    axes.axhline(high, color=palette.colour("red"), linewidth=1, linestyle=(0, (5, 4)))
    axes.annotate(
        text,
        (0.01, high),
        xycoords=("axes fraction", "data"),
        xytext=(0, -4),
        textcoords="offset points",
        verticalalignment="top",
        color=palette.colour("red"),
        fontsize=9,
    )


def _over_time(
    figure: Figure,
    flow: History,
    names: Sequence[str],
    decades: np.ndarray,
    zero: np.ndarray,
) -> None:
    """A map of RMS(δ): layers from the input (bottom) up, moments as columns."""
    labels = flow.labels()
    count = min(_COLUMNS, len(labels))
    chosen = np.linspace(0, len(labels) - 1, count).round().astype(int)
    low, high = float(np.nanmin(decades)), float(np.nanmax(decades))
    high = max(high, low + 0.5)
    scaled = (decades[:, chosen] - low) / (high - low) * palette.HEATS
    classes = np.clip(np.nan_to_num(scaled, nan=-1), -1, palette.HEATS - 1).astype(int)
    axes = style.axes(figure, (662, 56, 230, 312), title="Gradient over time", grid="")
    style.cells(axes, classes, [f"heat{i}" for i in range(palette.HEATS)])
    axes.set(xlim=(0, count), ylim=(0, len(names)))
    if zero[:, chosen].any():
        axes.set_xlabel("blank: 0", fontsize=9)
    _moment_ticks(axes, [labels[i] for i in chosen])
    style.layer_ticks(axes.yaxis, names, 312, at=0.5, upright=True)
    _scale_bar(figure, low, high)


def _moment_ticks(axes: Axes, labels: list[str]) -> None:
    """Name the first moment, one in the middle, and the last."""
    shown = sorted({0, len(labels) // 2, len(labels) - 1})
    axes.set_xticks([i + 0.5 for i in shown], [labels[i] for i in shown])


def _scale_bar(figure: Figure, low: float, high: float) -> None:
    """The key of the map: a bar of its colours over decades of RMS(δ)."""
    axes = style.axes(figure, (908, 56, 10, 312), grid="")
    heats = np.arange(palette.HEATS)[:, None]
    style.cells(axes, heats, [f"heat{i}" for i in range(palette.HEATS)])
    axes.set(xlim=(0, 1), ylim=(0, palette.HEATS))
    axes.spines[:].set_visible(False)
    axes.set_xticks([])
    axes.yaxis.tick_right()
    ticks = np.linspace(low, high, 4)
    labels = [style.number(float(f"{10.0**tick:.1e}")) for tick in ticks]
    axes.set_yticks(np.linspace(0, palette.HEATS, 4), labels)
    axes.set_title("RMS δ", fontsize=9, loc="center", color=palette.colour("muted"))


def updates(columns: Columns, *, healthy: tuple[float, float] = HEALTHY_UPDATES) -> str:
    """The update ratio ‖ΔW‖/‖W‖ of each weight over the run, with the healthy band.

    Args:
        columns: statistics.csv as columns; rows with an `update_ratio` are used.
        healthy: lower and upper end of the band.
    """
    motion = history(columns, "parameter")
    ratios = motion.values("update_ratio")
    still = (ratios == 0).any()
    ratios[~(ratios > 0)] = np.nan
    moving = np.isfinite(ratios).any(axis=1)
    paths = [n for n, kept in zip(motion.nodes, moving, strict=True) if kept]
    names = style.fitted([path.removeprefix("model/") for path in paths], _WEIGHT)
    with style.sheet():
        if not names:
            return style.nothing(
                "No update moved a weight"
                if still
                else "No update of a weight was recorded"
            )
        figure = style.figure(980, 420)
        longest = max(map(style.small_width, names))
        axes = style.axes(
            figure,
            (76, 56, min(730, 866 - longest), 312),
            title="Size of the updates",
            x="epoch",
            y="‖ΔW‖ / ‖W‖ per update",
        )
        _ratios(axes, motion.time, ratios[moving], names, healthy)
        return style.svg(figure, _updates_title(ratios, healthy))


def _updates_title(ratios: np.ndarray, healthy: tuple[float, float]) -> str:
    typical = float(np.nanmedian(ratios))
    where = (
        "above" if typical > healthy[1] else "below" if typical < healthy[0] else "in"
    )
    return f"Update ratios: median {style.number(typical)}, {where} the healthy band"


def _ratios(
    axes: Axes,
    time: np.ndarray,
    ratios: np.ndarray,
    names: list[str],
    healthy: tuple[float, float],
) -> None:
    seen = style.finite(ratios)
    style.log_axis(
        axes, min(seen.min(), healthy[0]) / 2, max(seen.max(), healthy[1]) * 2
    )
    axes.axhspan(*healthy, color=palette.colour("healthy"), linewidth=0, zorder=0)
    axes.annotate(
        f"healthy: {style.number(healthy[0])} … {style.number(healthy[1])}",
        (0.01, healthy[0]),
        xycoords=("axes fraction", "data"),
        xytext=(0, 5),
        textcoords="offset points",
        color=palette.colour("green"),
        fontsize=9,
    )
    few = len(names) <= len(palette.SERIES)
    hues = (
        [palette.colour(n) for n in palette.SERIES] if few else palette.ramp(len(names))
    )
    for row, name, hue in zip(ratios, names, hues, strict=False):
        kept = np.isfinite(row)
        axes.plot(
            time[kept],
            row[kept],
            color=hue,
            label=name,
            marker=style.marker(kept.sum()),
            markersize=3.5,
            clip_on=False,
        )
    style.epoch_axis(axes, time, 8)
    _keys(axes, few)


def _keys(axes: Axes, few: bool) -> None:
    """Name every line, or of many only some over depth."""
    handles, labels = axes.get_legend_handles_labels()
    stride = 1 if few else math.ceil(len(labels) / 10)
    axes.legend(
        handles[::stride],
        labels[::stride],
        loc="upper left",
        bbox_to_anchor=(1.01, 1.02),
        handlelength=1.2,
    )
