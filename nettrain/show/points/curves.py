"""Learning curves of all trials of a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nettrain.show import palette, style
from nettrain.show.points.outcome import BEST

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
        values = style.finite(np.concatenate([np.zeros(0), *(v for _, v in every)]))
        if style.spans_decades(values):
            style.log_axis(axes, values.min() / 1.3, values.max() * 1.3)
        else:
            style.linear_axis(axes.yaxis)
        for point in reversed(runs[1:]):
            for epoch, value in point:
                _curve(axes, epoch, value, "pale_blue", 0.9)
        for epoch, value in runs[0] if runs else ():
            _curve(axes, epoch, value, BEST, 2)
        epochs = np.concatenate([np.zeros(0), *(e for e, _ in every)])
        style.epoch_axis(axes, epochs, 8)
        axes.plot(
            [], [], color=palette.colour(BEST), label=f"point {names[0]}, the best"
        )
        axes.plot([], [], color=palette.colour("pale_blue"), label="the others")
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))
        return style.svg(figure, f"{metric} of every trial over its training")


def _curve(
    axes: Axes, epoch: np.ndarray, value: np.ndarray, hue: str, width: float
) -> None:
    """One run; of a single epoch there is a dot."""
    alone = np.isfinite(value).sum() == 1
    axes.plot(
        epoch, value, color=palette.colour(hue), linewidth=width, clip_on=not alone,
        marker="o" if alone else None, markersize=2 + 1.5 * width,
    )  # fmt: skip
