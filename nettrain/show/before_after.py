"""before-after.svg: the losses of a run and of its mended config, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from nettrain.show import palette, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Curves = Mapping[str, tuple[np.ndarray, np.ndarray]]
"""By part, `train` or `validation`: updates and losses as shares of guessing."""

_LOOKS = (("before", "orange", (0, (4, 2))), ("after", "blue", "solid"))
_LEAST, _MOST = 1e-4, 30.0
"""Shares of guessing beyond which a curve is drawn at the edge."""


def before_after(before: Curves, after: Curves) -> style.Picture:
    """A panel for each part that either has, of one scale; one of them must have any.

    Args:
        before: of the run.
        after: of the mended config.
    """
    parts = [p for p in ("train", "validation") if p in before or p in after]
    curves = [c for curves in (before, after) for c in curves.values()]
    losses = np.concatenate([np.ones(1), *(loss for _, loss in curves)])
    losses = np.clip(losses, _LEAST, _MOST)
    last = max([1, *(steps[-1] for steps, _ in curves if len(steps))])
    width = 860 / max(1, len(parts)) - 40
    with style.sheet():
        figure = style.figure(960, 380)
        for i, part in enumerate(parts):
            axes = style.axes(
                figure,
                (74 + i * (width + 60), 48, width, 272),
                title=f"{part.capitalize()} loss",
                x="updates",
                y="" if i else "loss as a share of guessing",
            )
            axes.set_xlim(0, 1.02 * last)
            style.linear_axis(axes.xaxis)
            if style.spans_decades(losses, 10):
                style.log_axis(axes, losses.min() / 1.5, losses.max() * 1.5)
            else:
                axes.set_ylim(0, 1.08 * losses.max())
                style.linear_axis(axes.yaxis)
            _panel(axes, before.get(part), after.get(part))
        data = {"before": _plain(before), "after": _plain(after)}
        return style.svg(figure, "Loss before and after the patch", data)


def _plain(curves: Curves) -> dict[str, list[list[float]]]:
    return {
        part: [np.asarray(row).tolist() for row in curve]
        for part, curve in curves.items()
    }


def _panel(
    axes: Axes,
    before: tuple[np.ndarray, np.ndarray] | None,
    after: tuple[np.ndarray, np.ndarray] | None,
) -> None:
    muted = palette.colour("muted")
    axes.axhline(1.0, color=muted, linewidth=1, linestyle=(0, (1, 3)))
    for curve, (label, hue, dashes) in zip((before, after), _LOOKS, strict=True):
        if curve is None:
            continue
        steps, losses = curve
        axes.plot(
            steps, np.clip(losses, _LEAST, _MOST), color=palette.colour(hue),
            linestyle=dashes, label=label, marker="o" if len(steps) <= 12 else None,
            markersize=3.5,
        )  # fmt: skip
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2)
