"""What came of the points of a sweep, and the colours of their ranks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nettrain.show import palette, style
from nettrain.show.points.keys import Key

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RAMP = [f"time{i}" for i in range(8)]
"""From the worst points to the best ones."""
BEST, LOST = "orange", "red"
_FAR = 1e4
"""Times the usual distance to the best from which on a value is far off."""
_ALL = (-math.inf, math.inf)
_RANGES = {
    **dict.fromkeys(("accuracy", "top_k", "precision", "recall", "f1"), (0.0, 1.0)),
    **dict.fromkeys(("roc_auc", "average_precision"), (0.0, 1.0)),
    **dict.fromkeys(("mae", "rmse"), (0.0, math.inf)),
    "r2": (-math.inf, 1.0),
}
"""Between which values metrics lie: an interval of theirs ends there."""


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
        return style.spans_decades(self.mean[self.known])

    @property
    def known(self) -> np.ndarray:
        """(P,) whether each has a value, and one that leaves the others room.

        Who nearly diverged has a loss of 1e20: beside that all others are one.
        """
        return np.isfinite(self.mean) & ~far_off(self.mean, float(self.mean[0]))

    @property
    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """(P,) lower and upper end of each interval, as far as the metric goes."""
        low, high = _RANGES.get(self.metric.rpartition("/")[2], _ALL)
        below, above = self.mean - self.half, self.mean + self.half
        return np.maximum(below, low), np.minimum(above, high)

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
        return [palette.colour(RAMP[i]) for i in ramped(np.nan_to_num(self.goodness))]

    @property
    def unknown(self) -> str:
        """What is said of points that have no place; nothing where all have one."""
        finite = np.isfinite(self.mean)
        without = "no value" if not finite.all() else ""
        far = FAR_OFF if (finite & ~self.known).any() else ""
        return ", or ".join(said for said in (without, far) if said)

    @property
    def signs(self) -> list[str]:
        """What the marks of points that are not like the others mean."""
        said = ["○ given up earlier"] if self.shorter.any() else []
        return [*said, *([f"× {self.unknown}"] if self.unknown else [])]


FAR_OFF = "one far off"


def far_off(values: np.ndarray, best: float) -> np.ndarray:
    """Whether each finite value is so far from the best that it is out of view."""
    away = np.abs(values - best)
    finite = np.isfinite(away)
    usual = float(np.median(away[finite])) if finite.any() else 0.0
    return finite & (away > _FAR * usual) if usual else np.zeros(len(away), bool)


def ramped(share: np.ndarray) -> np.ndarray:
    """The place in `RAMP` of shares from 0 to 1, whatever the last bit of them."""
    return np.minimum((share * len(RAMP) + 1e-9).astype(int), len(RAMP) - 1)


def scale(figure: Figure, points: Points, left: float, top: float) -> None:
    """What the colours say: ranks, of which the ends have these values."""
    axes = style.axes(figure, (left, top, 150, 10), grid="")
    axes.spines[:].set_visible(False)
    style.cells(axes, np.arange(len(RAMP))[None, :], RAMP)
    axes.set_xlim(0, len(RAMP))
    axes.set_ylim(0, 1)
    axes.set_yticks([])
    axes.set_xticks([])
    best, worst = (style.number(x) for x in points.mean[points.known][[0, -1]])
    for place, side, text in (
        (-0.3, "right", f"rank {points.known.sum()} ({worst})"),
        (len(RAMP) + 0.3, "left", f"rank 1 ({best})"),
    ):
        axes.text(
            place, 0.5, text, fontsize=9, horizontalalignment=side,
            verticalalignment="center", color=palette.colour("muted"),
        )  # fmt: skip
