"""activations.svg and dead-neurons.svg: what the units of each layer do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from nettrain.show import palette, style
from nettrain.show.columns import Columns, History, history, layer_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROWS = 64
_EPOCHS = 160
_WORDS = 3
"""Columns of maps that have room for words over each."""
_MAP = ("healthy", "pale_red", "red", "pale_purple", "purple")
"""Colours of a cell: alive; some dead, dead; some born dead, born dead."""


def activations(columns: Columns) -> str:
    """How the activations of each layer are spread at the start and at the end.

    Above mean, mean ± standard deviation and range, below the share of exact zeros.

    Args:
        columns: statistics.csv as columns; rows with role `activation` are used.
    """
    spread = history(columns, "activation")
    with style.sheet():
        if not len(spread.nodes):
            return style.nothing("No activation was recorded")
        figure = style.figure(980, 470)
        names = style.fitted(layer_names(spread.nodes), 870 / 5)
        above = style.axes(
            figure, (76, 56, 870, 220), title="Activations over depth", y="value"
        )
        below = style.axes(figure, (76, 312, 870, 96), y="share of zeros")
        _spreads(above, spread)
        _zeros(below, spread)
        for axes in (above, below):
            axes.set_xlim(-0.6, len(names) - 0.4)
            style.layer_ticks(axes.xaxis, names, 870)
        above.tick_params(labelbottom=False)
        return style.svg(figure, _activations_title(spread, names))


def _ends(spread: History) -> tuple[tuple[int, float, str, str], ...]:
    """Moment, sideways shift, colour and label of the two ends of the run."""
    labels = spread.labels()
    shift = min(0.18, 0.012 * len(spread.nodes) + 0.012)
    start = (0, -shift, "muted", f"start ({labels[0]})")
    return start, (len(labels) - 1, shift, "blue", f"end ({labels[-1]})")


def _activations_title(spread: History, names: list[str]) -> str:
    zeros = spread.values("value_zero")[:, -1]
    if not np.isfinite(zeros).any():
        return "Activations over depth"
    most = int(np.nanargmax(zeros))
    return f"Activations over depth; most zeros in {names[most]}, {zeros[most]:.0%}"


def _spreads(axes: Axes, spread: History) -> None:
    at = np.arange(len(spread.nodes))
    mean, deviation, low, high = (
        spread.values(f"value_{name}") for name in ("mean", "std", "min", "max")
    )
    width = max(1.0, min(12.0, 280 / len(at)))
    for moment, shift, hue, label in _ends(spread):
        centre, half = mean[:, moment], deviation[:, moment]
        hue = palette.colour(hue)
        axes.vlines(
            at + shift, low[:, moment], high[:, moment], color=hue, linewidth=1.2
        )
        # No value lies beyond the range, though a standard deviation may.
        bottom, top = np.maximum(centre - half, low[:, moment]), centre + half
        axes.vlines(
            at + shift,
            bottom,
            np.minimum(top, high[:, moment]),
            color=hue,
            linewidth=width,
            label=label,
        )
        axes.plot(
            at + shift,
            centre,
            "_",
            color=palette.colour("ink"),
            markersize=width + 2,
            markeredgewidth=1.4,
        )
    axes.axhline(0, color=palette.colour("pale"), linewidth=0.8, zorder=0.6)
    _value_scale(axes, style.finite((low, high)), style.finite(deviation))
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1, 1),
        ncols=2,
        borderaxespad=0.2,
        handlelength=1,
    )
    axes.annotate(
        "bar: mean ± std, line: min … max",
        (0.5, 1),
        xycoords="axes fraction",
        xytext=(0, 8),
        textcoords="offset points",
        horizontalalignment="center",
        color=palette.colour("muted"),
        fontsize=9,
    )


def _value_scale(axes: Axes, ends: np.ndarray, deviation: np.ndarray) -> None:
    """Linear, or symmetrically logarithmic where some layers dwarf the others."""
    usual = float(np.median(deviation)) if len(deviation) else 0.0
    largest = float(np.abs(ends).max(initial=0))
    if not usual > 0 or largest < 100 * usual:
        style.linear_axis(axes.yaxis)
        return
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    axes.set_yscale("symlog", linthresh=usual)
    low, high = math.ceil(math.log10(usual)), math.floor(math.log10(largest))
    decades = 10.0 ** np.arange(low, high + 1, max(1, (high - low + 1) // 3))
    below = decades[decades <= -ends.min()]
    ticks = [*-below[::-1], 0.0, *decades[decades <= ends.max()]]
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: style.number(v)))


def _zeros(axes: Axes, spread: History) -> None:
    at = np.arange(len(spread.nodes))
    zeros = spread.values("value_zero")
    width = max(1.0, min(14.0, 300 / len(at)))
    for moment, shift, hue, _ in _ends(spread):
        axes.vlines(
            at + shift,
            0,
            zeros[:, moment],
            color=palette.colour(hue),
            linewidth=width,
            capstyle="butt",
        )
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 0.5, 1], ["0", "50 %", "100 %"])


# ---------------------------------------------------------------- dead neurons


def dead_neurons(units: Mapping[str, np.ndarray]) -> str:
    """A map of every unit in every epoch: alive, dead, or dead since the first epoch.

    Units are sorted by the epoch of their death, so the map is a staircase whose area
    is the loss; large layers are drawn in bins of units.

    Args:
        units: layer name -> (epochs, units), true where a unit was dead in an epoch.
    """
    layers = {name: np.asarray(dead, dtype=bool) for name, dead in units.items()}
    layers = {name: dead for name, dead in layers.items() if dead.size}
    with style.sheet():
        if not layers:
            return style.nothing("No units were counted")
        columns = math.ceil(len(layers) / 4)
        rows = math.ceil(len(layers) / columns)
        size = ((980 - 70) / columns - 24, _map_height(layers, rows))
        figure = style.figure(980, 76 + rows * (size[1] + 32) + 8)
        few = columns <= _WORDS
        _key(figure, "Units over epochs" + ("" if few else "; how many end dead"))
        for index, (name, dead) in enumerate(layers.items()):
            row, column = index % rows, index // rows
            place = 56 + column * (size[0] + 24), 72 + row * (size[1] + 32)
            lowest = row == rows - 1 or index == len(layers) - 1
            said = f": {_count(dead)}" if few else f": {dead[-1].sum()}/{dead.shape[1]}"
            (short,) = style.fitted([name], size[0] - style.small_width(said))
            _layer(figure, short + said, dead, (*place, *size), lowest)
        return style.svg(figure, _dead_title(layers))


def _map_height(layers: Mapping[str, np.ndarray], rows: int) -> float:
    """Low where every unit lives: there is nothing to look at."""
    if not any(dead.any() for dead in layers.values()):
        return 40.0
    most = max(dead.shape[1] for dead in layers.values())
    return float(max(40, min(4 * min(most, _ROWS), 560 / rows)))


def _count(dead: np.ndarray) -> str:
    born = int(dead.all(axis=0).sum())
    always = f", {born} always" if born else ""
    return f"{int(dead[-1].sum())} of {dead.shape[1]} dead at the end{always}"


def _dead_title(layers: Mapping[str, np.ndarray]) -> str:
    return "Units: " + "; ".join(f"{name} {_count(d)}" for name, d in layers.items())


def _key(figure: Figure, title: str) -> None:
    """Title and colours of the maps, above them."""
    from matplotlib.patches import Patch

    keys = (("healthy", "alive"), ("red", "died"), ("purple", "dead since epoch 1"))
    top = 1 - 36 / (figure.get_figheight() * 72)
    figure.text(56 / 980, top, title, fontsize=11)
    handles = [Patch(color=palette.colour(name), label=label) for name, label in keys]
    figure.legend(
        handles=handles,
        loc="lower right",
        bbox_to_anchor=(0.975, top),
        ncols=3,
        borderaxespad=0,
        handlelength=1,
    )


def _layer(
    figure: Figure,
    title: str,
    dead: np.ndarray,
    box: tuple[float, float, float, float],
    named: bool,
) -> None:
    """The map of one layer, its epochs named where no map stands below."""
    axes = style.axes(figure, box, grid="")
    axes.set_title(title, fontsize=9, pad=4)
    classes = _classes(dead)
    style.cells(axes, classes, _MAP)
    axes.set(xlim=(0, classes.shape[1]), ylim=(classes.shape[0], 0), yticks=[])
    epochs = len(dead)
    shares = (0.25, 0.5, 0.75, 1) if box[2] > 200 else (0.5, 1)
    shown = sorted({1, *(math.ceil(epochs * share) for share in shares)})
    places = [(epoch - 0.5) * classes.shape[1] / epochs for epoch in shown]
    axes.set_xticks(places, [f"epoch {e}" if e == 1 else str(e) for e in shown])
    axes.tick_params(labelbottom=named)


def _classes(dead: np.ndarray) -> np.ndarray:
    """Cells (rows, columns) as indices into `_MAP`, of dead (epochs, units)."""
    first = np.where(dead.any(axis=0), dead.argmax(axis=0), len(dead))
    ordered = dead[:, np.lexsort((-dead.sum(axis=0), first))]
    born = np.logical_and.accumulate(ordered, axis=0)
    shares = _binned(ordered), _binned(born)
    whole, some = shares[0] > 0.5, shares[0] > 0
    kind = np.where(shares[1] > 0.5 * shares[0], 2, 0)
    return np.where(some, 1 + whole + kind, 0).T


def _binned(flags: np.ndarray) -> np.ndarray:
    """Means (≤ _EPOCHS, ≤ _ROWS) of flags (epochs, units) over about equal bins."""
    means = flags.astype(float)
    for axis, most in ((0, _EPOCHS), (1, _ROWS)):
        count = means.shape[axis]
        starts = np.arange(min(count, most)) * count // min(count, most)
        sums = np.add.reduceat(means, starts, axis=axis)
        sizes = np.diff(np.append(starts, count))
        means = sums / np.expand_dims(sizes, 1 - axis)
    return means
