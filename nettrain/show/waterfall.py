"""gradient-waterfall.svg: at which node does the gradient get lost, and was it so?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nettrain.show import palette, style
from nettrain.show.columns import Columns, numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROLES = ("pre_activation", "activation")
_BAR = 0.62
_LEFT = 240
"""Pixels left of the bars, for the names of nodes."""
_BIG = 1.0
"""Decades that one node alone changes, from which on its bar is red."""


@dataclass(frozen=True)
class _Fall:
    """What the gradient does on its way down.

    Attributes:
        names: of the nodes, from the output to the input.
        level: (N,) log10 RMS(dL/dx) at each, relative to the first; NaN where it is 0.
        predicted: (N,) what was predicted of the change at each; NaN where nothing was.
        moment: `epoch 3`, or `step 4`.
    """

    names: Sequence[str]
    level: np.ndarray
    predicted: np.ndarray
    moment: str

    @property
    def known(self) -> np.ndarray:
        """(N,) whether there is any gradient."""
        return np.isfinite(self.level)

    @property
    def before(self) -> np.ndarray:
        """(N,) the level of the node above that has one."""
        last = np.maximum.accumulate(
            np.where(self.known, np.arange(len(self.level)), 0)
        )
        return np.concatenate(([0.0], self.level[last][:-1]))

    @property
    def change(self) -> np.ndarray:
        """(N,) decades gained at each node; the first has none."""
        return self.level - self.before


def waterfall(
    columns: Columns,
    *,
    epoch: int | None = None,
    predicted: Mapping[str, float] | None = None,
) -> str:
    """Decades of RMS(dL/dx) lost or won at each node from the output to the input.

    The bars add up to the total. A mark tells what the first weights predicted: a
    weight matrix multiplies the gradient by s(W) √fan_out, an activation by √E[f'²]
    (Glorot and Bengio, AISTATS 2010; χ1 of Schoenholz et al., ICLR 2017).

    Args:
        columns: statistics.csv as columns; rows with role `pre_activation` and
            `activation` are used.
        epoch: of which the means are drawn; the last where none is given.
        predicted: path of a node -> the factor of RMS(dL/dx) from the node above it.
    """
    fall = _fall(columns, epoch, predicted or {})
    with style.sheet():
        if len(fall.names) < 2:
            return style.nothing(_why_not(columns, fall))
        height = 108 + 20 * min(max(len(fall.names), 4), 44)
        figure = style.figure(980, height)
        box = (_LEFT, 64, 690, height - 116)
        axes = style.axes(
            figure,
            box,
            title=f"Where the gradient goes, {fall.moment}",
            x="decades of RMS gradient, relative to the output",
            grid="x",
        )
        _bars(axes, fall)
        names = style.fitted(fall.names, _LEFT - 12)
        style.layer_ticks(axes.yaxis, names, box[3], upright=True)
        axes.set_ylim(len(fall.names) - 0.4, -0.6)
        style.linear_axis(axes.xaxis, 8)
        return style.svg(figure, _title(fall))


def _why_not(columns: Columns, fall: _Fall) -> str:
    """Why there is no waterfall."""
    if fall.names:
        return "There is one layer only: no gradient goes on from it"
    recorded = style.finite(numbers(columns, "gradient_rms"))
    if len(recorded) and not recorded.any():
        return "Every gradient is 0"
    return "No gradient was recorded"


def _title(fall: _Fall) -> str:
    if not fall.known.all():
        first = fall.names[int(np.argmin(fall.known))]
        return f"Gradient waterfall: nothing arrives at {first}"
    most = int(np.argmax(np.abs(fall.change)))
    total, there = fall.level[-1], fall.change[most]
    return (
        f"Gradient waterfall: {total:+.1f} decades from output to input, most of it "
        f"({there:+.1f}) at {fall.names[most]}"
    )


def _fall(columns: Columns, epoch: int | None, predicted: Mapping[str, float]) -> _Fall:
    """The recorded gradients of one moment, from the output down to the input."""
    role = np.asarray(columns["role"], dtype=str)
    rms = numbers(columns, "gradient_rms")
    possible = np.isin(role, _ROLES) & np.isfinite(rms)
    usable = possible & (rms > 0)
    if not usable.any():
        return _Fall((), np.zeros(0), np.zeros(0), "")
    step, epochs = numbers(columns, "step"), numbers(columns, "epoch")
    wanted = usable if epoch is None else usable & (epochs <= epoch)
    last = step[wanted if wanted.any() else usable].max()
    rows = np.flatnonzero(possible & (step == last))[::-1]
    paths = np.asarray(columns["node"], dtype=str)[rows].tolist()
    begins = usable & (role == _ROLES[0])
    output = next((i for i, row in enumerate(rows) if begins[row]), len(rows))
    if output == len(rows):
        return _Fall((), np.zeros(0), np.zeros(0), "")
    rows, paths = rows[output:], paths[output:]
    level = np.full(len(rows), np.nan)
    some = rms[rows] > 0
    level[some] = np.log10(rms[rows][some] / rms[rows[0]])
    factors = np.array([predicted.get(path, np.nan) for path in paths], float)
    factors[~(factors > 0)] = np.nan
    names = [path.removeprefix("model/") for path in paths]
    return _Fall(names, level, np.log10(factors), f"epoch {epochs[rows[0]]:.0f}")


def _bars(axes: Axes, fall: _Fall) -> None:
    at = np.arange(len(fall.names))
    before, big = fall.before, np.abs(fall.change) >= _BIG
    for chosen, hue, label in (
        (fall.known & ~big, "blue", "change at this node"),
        (big, "red", "a factor of 10 or more"),
    ):
        if chosen.any():
            left = np.minimum(before, fall.level)[chosen]
            axes.barh(
                at[chosen],
                np.abs(fall.change)[chosen],
                left=left,
                height=_BAR,
                color=palette.colour(hue),
                label=label,
            )
    joined = at[1:][fall.known[1:]]
    axes.vlines(
        before[joined],
        joined - 1,
        joined,
        color=palette.colour("pale"),
        linewidth=0.8,
    )
    axes.axvline(0, color=palette.colour("muted"), linewidth=0.9)
    for place in at[~fall.known]:
        axes.annotate(
            "no gradient: 0", (0, place), xycoords=("axes fraction", "data"),
            xytext=(6, 0), textcoords="offset points", verticalalignment="center",
            fontsize=9, color=palette.colour("red"),
        )  # fmt: skip
    _predictions(axes, fall, before)
    axes.use_sticky_edges = False  # else the longest bar ends at the edge
    axes.margins(x=0.06)
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=3,
        borderaxespad=0.2,
        handlelength=1.2,
    )


def _predictions(axes: Axes, fall: _Fall, before: np.ndarray) -> None:
    known = np.isfinite(fall.predicted) & fall.known
    if known.any():
        axes.plot(
            (before + fall.predicted)[known],
            np.arange(len(before))[known],
            "|",
            color=palette.colour("ink"),
            markersize=13,
            markeredgewidth=1.8,
            label="predicted from the first weights",
        )
