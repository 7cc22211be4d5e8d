"""learning-rate.svg: which rate learns, which diverges, and which one is taken."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nettrain.show import palette, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DEEP = 1e-4
"""Losses below this share of H0 are drawn there: who is there has learned."""
_HIGH = 10.0
"""Losses above so many times H0 are drawn at the upper edge, like infinite ones."""


def learning_rate(
    rates: Sequence[float],
    losses: Sequence[float],
    *,
    prior: float,
    best: float,
    chosen: float | None,
    current: float,
) -> style.Picture:
    """The loss after a short training over the learning rate, both logarithmic.

    Args:
        rates: that were tried.
        losses: that each came to; infinite where it diverged.
        prior: H0, the loss of guessing.
        best: the rate with the lowest loss.
        chosen: the rate that is taken; None where none helps, and the best is no mark.
        current: the config's own.
    """
    data: dict[str, Any] = {"rates": list(rates), "losses": list(losses)}
    data |= {"prior": prior, "best": best, "chosen": chosen, "current": current}
    x, y = np.asarray(rates, float), np.asarray(losses, float)
    scale = prior or 1.0
    off = ~(y < _HIGH * scale)
    seen = np.where(off, _HIGH * scale, np.maximum(y, _DEEP * scale))
    taken = "none helps" if chosen is None else f"chosen {chosen:g}"
    title = f"Learning rates: best {best:g}, {taken}"
    with style.sheet():
        figure = style.figure(680, 420)
        axes = style.axes(
            figure,
            (74, 48, 580, 316),
            title="Training loss after a short training at each learning rate",
            x="learning rate",
            y="loss",
        )
        style.log_axis(axes, seen.min() / 5, 1.6 * _HIGH * scale)
        _rate_axis(axes, [*rates, chosen or best, current])
        _curve(axes, x, seen, off)
        if prior > 0:
            _guessing(axes, x, seen, prior)
        if current > 0:
            _current(axes, current)
        if chosen is not None:
            _marks(axes, x, seen, best, chosen)
        return style.svg(figure, title, data)


def _rate_axis(axes: Axes, rates: Sequence[float]) -> None:
    """A logarithmic x axis with whole decades around the rates."""
    known = [rate for rate in rates if rate > 0]
    low, high = min(known) / 2, max(known) * 2
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    decades = range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)
    style.log_ticks(axes.xaxis, [10.0**e for e in decades])


def _curve(axes: Axes, x: np.ndarray, y: np.ndarray, off: np.ndarray) -> None:
    blue, red = palette.colour("blue"), palette.colour("red")
    axes.plot(x, np.where(off, np.nan, y), color=blue, marker="o", markersize=4.5)
    if not off.any():
        return
    axes.plot(
        x[off], y[off], color=red, marker="x", markersize=7, markeredgewidth=1.8,
        linestyle="none",
    )  # fmt: skip
    _label(axes, x[off][-1], y[off][-1], "diverged", (0, -16), "center")


def _guessing(axes: Axes, x: np.ndarray, y: np.ndarray, prior: float) -> None:
    """A line at the loss of guessing, labelled where the curve is far from it."""
    muted = palette.colour("muted")
    axes.axhline(prior, color=muted, linewidth=1, linestyle=(0, (5, 4)))
    far = np.abs(np.log(y / prior))
    places = x[far == far.max()]
    text = f"guessing: H0 = {style.number(prior)}"
    axes.annotate(
        text, (places[len(places) // 2], prior), xytext=(0, 4), fontsize=9, color=muted,
        textcoords="offset points", horizontalalignment="center",
    )  # fmt: skip


def _current(axes: Axes, current: float) -> None:
    """A line at the config's own rate."""
    axes.axvline(
        current, color=palette.colour("purple"), linewidth=1.2, linestyle=(0, (2, 3))
    )
    low, high = (math.log(edge) for edge in axes.get_xlim())
    left = math.log(current) > (low + high) / 2
    axes.annotate(
        f"config {current:g}", (current, 0.03), xycoords=("data", "axes fraction"),
        xytext=(-5 if left else 5, 0), textcoords="offset points", fontsize=9,
        horizontalalignment="right" if left else "left",
    )  # fmt: skip


def _marks(
    axes: Axes, x: np.ndarray, y: np.ndarray, best: float, chosen: float
) -> None:
    """A ring around the best, a disc on the chosen one, each with its rate."""
    ink, green = palette.colour("ink"), palette.colour("green")
    lowest = float(y[x == best][0])
    axes.plot(
        [best], [lowest], "o", markersize=10, markerfacecolor="none",
        markeredgecolor=ink, markeredgewidth=1.4,
    )  # fmt: skip
    _label(axes, best, lowest, f"best {best:g}", (9, -16), "left")
    # One step below the lowest rate nothing was measured.
    at = float(y[x == chosen][0]) if (x == chosen).any() else lowest
    axes.plot([chosen], [at], "o", markersize=9, color=green)
    _label(axes, chosen, at, f"chosen {chosen:g}", (-9, -16), "right")


def _label(
    axes: Axes, x: float, y: float, text: str, offset: tuple[int, int], align: str
) -> None:
    axes.annotate(
        text, (x, y), xytext=offset, textcoords="offset points", fontsize=9,
        horizontalalignment=align,
    )  # fmt: skip
