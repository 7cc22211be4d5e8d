"""cost.svg: did it learn, when was it best, and is it better than guessing?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nettrain.show import palette, style
from nettrain.show.columns import Columns, numbers, time_in_epochs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PARTS = (("train", "blue"), ("validation", "orange"))
_CURVES = (
    ("train/epoch_loss", "blue", "train"),
    ("validation/loss", "orange", "validation"),
)
_LOSSES = ("loss", "epoch_loss")
_PANELS = 3
_POINTS = 1200
_FAR = 1e6
"""Times the largest loss from which on the prior is not shown."""


def cost(
    columns: Columns,
    *,
    best_epoch: int | None = None,
    monitor: str = "validation/loss",
    prior: float | None = None,
) -> str:
    """The cost over the run, every metric, and the learning rate where it varies.

    Args:
        columns: metrics.jsonl as columns: step, epoch, train/loss (of each batch), and
            where there are any train/epoch_loss (of the weights at an epoch's end),
            learning_rate, train/METRIC, validation/loss, validation/METRIC.
        best_epoch: the epoch that `monitor` found best; it is marked and labelled.
        monitor: the column that decided which epoch is best.
        prior: H0, the loss of the best constant prediction.
    """
    metrics = metric_names(columns)
    rates = style.finite(numbers(columns, "learning_rate"))
    varying = ["learning_rate"] if len(set(rates)) > 1 else []
    panels = metrics[: _PANELS - len(varying)] + varying
    with style.sheet():
        figure = style.figure(980, 420)
        width = 560 if panels else 880
        curve = style.axes(
            figure, (70, 56, width, 312), title="Cost", x="epoch", y="loss"
        )
        _losses(curve, columns, prior)
        _best(curve, columns, best_epoch, monitor, prior)
        for index, name in enumerate(panels):
            _panel(figure, columns, name, index, len(panels), best_epoch)
        return style.svg(figure, _title(columns, best_epoch, monitor))


def _title(columns: Columns, best_epoch: int | None, monitor: str) -> str:
    last = style.finite(numbers(columns, "train/loss"))[-1:]
    text = "Cost curves" + "".join(f", last training loss {v:.3g}" for v in last)
    return text + (f", best epoch {best_epoch} by {monitor}" if best_epoch else "")


def metric_names(columns: Columns) -> list[str]:
    """Names of the metrics that training or validation has, the loss left out."""
    names = [
        n.partition("/")[2] for n in columns if n.startswith(("train/", "validation/"))
    ]
    return [name for name in dict.fromkeys(names) if name not in _LOSSES]


def _losses(axes: Axes, columns: Columns, prior: float | None) -> None:
    time, step_loss = time_in_epochs(columns), numbers(columns, "train/loss")
    curves = [(numbers(columns, c), hue, label) for c, hue, label in _CURVES]
    usual = deciding(style.finite(step_loss))
    usual = usual if len(usual) else np.array([0.0, 1.0])
    shown = style.finite(np.concatenate((*(values for values, _, _ in curves), usual)))
    if prior is not None and prior > _FAR * shown.max(initial=0.0) > 0:
        prior = None  # a target that is no number one can mean: the curves come first
    _scale(axes, style.finite(np.append(shown, prior or np.nan)))
    faint = palette.colour("pale_blue")
    axes.plot(
        *envelope(time, step_loss),
        color=faint,
        linewidth=0.8,
        label="each batch",
        marker=style.marker(len(style.finite(step_loss))),
        markersize=3.5,
        clip_on=len(style.finite(step_loss)) > 1,
    )
    for values, hue, label in curves:
        seen = np.isfinite(values)
        if seen.any():
            _curve(axes, time[seen], values[seen], hue, label)
    if prior is not None:
        axes.axhline(
            prior, color=palette.colour("muted"), linewidth=1, linestyle=(0, (5, 4))
        )
        _note(axes, 0.995, prior, f"guessing: H0 = {style.number(prior)}", "right")
    style.epoch_axis(axes, time, 8)
    _legend(axes)


def deciding(batches: np.ndarray) -> np.ndarray:
    """The lowest and highest usual loss of batches, which decide about a scale.

    Single ones may dip far below the curves; and one that is fitted exactly is 0, and
    must not turn a logarithmic axis linear.
    """
    others = batches[batches != 0]
    return np.quantile(others, (0.02, 0.98)) if len(others) else others


def envelope(time: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most about `_POINTS` points: each stretch's lowest and highest value."""
    kept = np.isfinite(values)
    time, values = time[kept], values[kept]
    chosen = extremes(values)
    return time[chosen], values[chosen]


def extremes(*curves: np.ndarray) -> np.ndarray:
    """Where points (N,) are that have to stay: each stretch's extremes of each curve.

    All of them, where they are few.
    """
    count = len(curves[0])
    size = -(-2 * count // _POINTS)
    if size < 3:
        return np.arange(count)
    picks = {
        start + pick(values[start : start + size])
        for start in range(0, count, size)
        for values in curves
        for pick in (np.argmin, np.argmax)
    }
    return np.array(sorted(picks))


def _scale(axes: Axes, values: np.ndarray) -> None:
    """Limits around the values; logarithmic where they span decades."""
    low, high = values.min(), values.max()
    if style.spans_decades(values):
        style.log_axis(axes, low / 1.5, high * 1.5)
        return
    margin = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    bottom = 0.0 if 0 <= low < high / 3 else low - margin
    axes.set_ylim(bottom, high + margin)
    style.linear_axis(axes.yaxis)


def _curve(
    axes: Axes, time: np.ndarray, values: np.ndarray, name: str, label: str
) -> None:
    axes.plot(
        time,
        values,
        color=palette.colour(name),
        label=label,
        marker=style.marker(len(values)),
        markersize=3.5,
        clip_on=False,  # all of it is in view, and its last marker stands on the edge
    )


def _legend(axes: Axes) -> None:
    """A row of keys above the plot, at the right of its title."""
    legend = axes.legend(
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=4,
        borderaxespad=0.2,
        columnspacing=1.4,
        handlelength=1.4,
    )
    for line in legend.get_lines():
        line.set_linewidth(2.0)


def _note(axes: Axes, x: float, y: float, text: str, align: str) -> None:
    """Small text just above y; x is a share of the width.

    It lies on the line of the best epoch, and under the curves.
    """
    axes.annotate(
        text,
        (x, y),
        xycoords=("axes fraction", "data"),
        xytext=(0, 4),
        textcoords="offset points",
        horizontalalignment=align,
        color=palette.colour("muted"),
        fontsize=9,
        zorder=1.5,
        bbox={"facecolor": palette.colour("paper"), "edgecolor": "none", "pad": 1},
    )


def _best(
    axes: Axes,
    columns: Columns,
    epoch: int | None,
    monitor: str,
    prior: float | None,
) -> None:
    """A line at the best epoch, and a ring on the monitored curve where it is shown."""
    if epoch is None:
        return
    # An epoch's training loss is that of its final weights, not of its last batch.
    column = "train/epoch_loss" if monitor == "train/loss" else monitor
    values = numbers(columns, column)
    at = (numbers(columns, "epoch") == epoch) & np.isfinite(values)
    if not at.any():
        return
    time, value = time_in_epochs(columns)[at][-1], values[at][-1]
    _best_line(axes, time)
    if any(column == name for name, _, _ in _CURVES):
        axes.plot(
            [time],
            [value],
            "o",
            markersize=8,
            markerfacecolor="none",
            markeredgecolor=palette.colour("ink"),
            markeredgewidth=1.4,
            clip_on=False,
        )
    right = time < 0.6 * axes.get_xlim()[1]
    axes.annotate(
        f"best epoch {epoch}\n{monitor.replace('/', ' ')} {style.number(value)}",
        (time, _clear_height(axes, prior)),
        xycoords=("data", "axes fraction"),
        xytext=(6 if right else -6, 0),
        textcoords="offset points",
        horizontalalignment="left" if right else "right",
        verticalalignment="top",
        fontsize=9,
        linespacing=1.4,
    )


def _clear_height(axes: Axes, prior: float | None) -> float:
    """Where a label of two lines does not stand on the line of guessing."""
    high, low = 0.86, 0.6
    if prior is None:
        return high
    pixels = axes.transData.transform((0.0, prior))
    line = axes.transAxes.inverted().transform(pixels)[1]
    return low if high - 0.14 < line < high + 0.06 else high


def _best_line(axes: Axes, time: float) -> None:
    axes.axvline(
        time, color=palette.colour("ink"), linewidth=0.9, linestyle=(0, (2, 3)),
        zorder=1,
    )  # fmt: skip


def _panel(
    figure: Figure,
    columns: Columns,
    name: str,
    index: int,
    count: int,
    best: int | None,
) -> None:
    """One small plot at the right: a metric on both parts, or the learning rate."""
    height = (312 - 62 * (count - 1)) / count
    box = (702, 56 + index * (height + 62), 250, height)
    time = time_in_epochs(columns)
    axes = style.axes(figure, box, title=name.replace("_", " ").capitalize())
    parts = [
        (f"{part}/{name}", part, c) for part, c in _PARTS if f"{part}/{name}" in columns
    ]
    shown = parts or [(name, "", "green")]
    _scale(
        axes, np.concatenate([style.finite(numbers(columns, c)) for c, _, _ in shown])
    )
    for column, part, hue in shown:
        values = numbers(columns, column)
        seen = np.isfinite(values)
        _curve(axes, time[seen], values[seen], hue, part)
    style.epoch_axis(axes, time, 4)
    if best is not None and parts:
        _best_line(axes, time[numbers(columns, "epoch") == best].max(initial=0))
    if index == count - 1:
        axes.set_xlabel("epoch", fontsize=9)
    if parts and index == 0:
        _legend(axes)
