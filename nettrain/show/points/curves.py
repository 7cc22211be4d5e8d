"""Learning curves of all trials of a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nettrain.show import palette, style
from nettrain.show.points.outcome import BEST, FAR_OFF, LOST, far_off

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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
        _scale(axes, every)
        for point in reversed(runs[1:]):
            for epoch, value in point:
                _curve(axes, epoch, value, "pale_blue", 0.9)
        for epoch, value in runs[0] if runs else ():
            _curve(axes, epoch, value, BEST, 2)
        away = _leaving(axes, every)
        epochs = np.concatenate([np.zeros(0), *(e for e, _ in every)])
        style.epoch_axis(axes, epochs, 8)
        axes.plot(
            [], [], color=palette.colour(BEST), label=f"point {names[0]}, the best"
        )
        axes.plot([], [], color=palette.colour("pale_blue"), label="the others")
        if away:
            red = palette.colour(LOST)
            axes.plot(
                *zip(*away, strict=True), "x", color=red, markersize=6, clip_on=False,
                label=FAR_OFF,
            )  # fmt: skip
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))
        return style.svg(figure, f"{metric} of every trial over its training")


def _scale(axes: Axes, runs: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
    """A view of all runs but those that end far off."""
    curves = [found for _, value in runs if len(found := style.finite(value))]
    lasts = np.array([curve[-1] for curve in curves])
    far = far_off(lasts, lasts[0] if len(lasts) else 0.0)
    near = [curve for curve, away in zip(curves, far, strict=True) if not away]
    values = np.concatenate([np.zeros(0), *near])
    if style.spans_decades(values):
        style.log_axis(axes, values.min() / 1.3, values.max() * 1.3)
        return
    if far.any():
        low, high = values.min(), values.max()
        room = 0.05 * ((high - low) or abs(high) or 1.0)
        axes.set_ylim(low - room, high + room)
    style.linear_axis(axes.yaxis)


def _leaving(
    axes: Axes, runs: Sequence[tuple[np.ndarray, np.ndarray]]
) -> list[tuple[float, float]]:
    """Where, on the edge of the view, runs leave it."""
    low, high = axes.get_ylim()
    found = []
    for epoch, value in runs:
        out = np.flatnonzero(np.isfinite(value) & ((value < low) | (value > high)))
        if len(out):
            at = out[0]
            found.append((float(epoch[at]), high if value[at] > high else low))
    return found


def _curve(
    axes: Axes, epoch: np.ndarray, value: np.ndarray, hue: str, width: float
) -> None:
    """One run; of a single epoch there is a dot."""
    alone = np.isfinite(value).sum() == 1
    axes.plot(
        epoch, value, color=palette.colour(hue), linewidth=width, clip_on=not alone,
        marker="o" if alone else None, markersize=2 + 1.5 * width,
    )  # fmt: skip
