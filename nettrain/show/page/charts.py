"""Curves over training as data for the page's script."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from nettrain.show import palette
from nettrain.show.columns import Columns, numbers, time_in_epochs
from nettrain.show.curves import deciding, envelope, extremes, metric_names
from nettrain.show.style import spans_decades

Chart = dict[str, Any]
"""title, x (N,), series of label, colour and values (N,), and whether to be logarithmic
at first; `best` is where the best epoch stands. A series may have a band around it:
`low` and `high` (N,). Of one without any value `blank` may say why."""

Line = tuple[np.ndarray, ...]
"""Where it has points, their values, and, with a band, its lower and upper edge."""

_PARTS = (("train", "blue"), ("validation", "orange"))
_BATCHES = "each batch"
_LOSS = {"train": "train/epoch_loss", "validation": "validation/loss"}


def charts(
    columns: Columns, best_epoch: int | None, prior: float | None
) -> list[Chart]:
    """The loss, each metric, and the learning rate where it varies.

    Args:
        columns: metrics.jsonl as columns.
        best_epoch: the epoch whose metric was best.
        prior: H0, the loss of guessing.
    """
    if "step" not in columns:
        return []
    time = time_in_epochs(columns)
    at = _best(columns, time, best_epoch)
    batches = envelope(time, numbers(columns, "train/loss"))
    lines: dict[str, tuple[str, Line]] = {_BATCHES: ("pale_blue", batches)}
    lines |= _parts(columns, time, _LOSS)
    if prior is not None:
        ends = np.array([0.0, time.max(initial=0.0)])
        lines["guessing"] = ("muted", (ends, np.full(2, prior)))
    made = [chart("loss", lines, at)]
    for name in metric_names(columns):
        of = {part: f"{part}/{name}" for part, _ in _PARTS}
        made.append(chart(name.replace("_", " "), _parts(columns, time, of), at))
    rates = envelope(time, numbers(columns, "learning_rate"))
    if len(set(rates[1].tolist())) > 1:
        made.append(chart("learning rate", {"rate": ("green", rates)}, None))
    return made


def overlaid(groups: Mapping[str, Sequence[Columns]]) -> list[Chart]:
    """Each metric of validation, or of training where there is none, group by group.

    Of several runs of a group the mean is a line, and their least and largest values
    are the edges of a band, as far as all of them go: those that are left when others
    have stopped are no group of their own.
    """
    every = [columns for runs in groups.values() for columns in runs]
    names = dict.fromkeys(n for c in every for n in ["loss", *metric_names(c)])
    made = []
    for name in names:
        part = (
            "validation" if any(f"validation/{name}" in c for c in every) else "train"
        )
        column = _LOSS[part] if name == "loss" else f"{part}/{name}"
        lines: dict[str, tuple[str, Line]] = {}
        for index, (label, runs) in enumerate(groups.items()):
            colour = palette.SERIES[index % len(palette.SERIES)]
            curves = [_points(c, column) for c in runs if column in c]
            if curves := [c for c in curves if len(c[0])]:
                lines[f"{label} ({part})"] = colour, _band(curves)
        if lines:
            made.append(chart(name.replace("_", " "), lines, None))
    return made


def _points(columns: Columns, name: str) -> Line:
    """Where a column has finite values, and these."""
    values = numbers(columns, name)
    kept = np.isfinite(values)
    return time_in_epochs(columns)[kept], values[kept]


def _band(curves: Sequence[Line]) -> Line:
    """Mean, least and largest of curves with points of their own; of one itself.

    Few enough for a page: thinned together, so that each point has them all.
    """
    axis = np.unique(np.concatenate([np.zeros(0), *(x for x, _ in curves)]))
    axis = axis[axis <= min((x[-1] for x, _ in curves), default=0.0)]
    table = np.full((len(curves), len(axis)), np.nan)
    for row, (x, y) in zip(table, curves, strict=True):
        within = x <= axis[-1]
        row[np.searchsorted(axis, x[within])] = y[within]
    if len(curves) < 2:
        return envelope(axis, table[0] if curves else axis)
    edges = (
        np.nanmean(table, axis=0),
        np.nanmin(table, axis=0),
        np.nanmax(table, axis=0),
    )
    at = extremes(*edges)
    return axis[at], *(edge[at] for edge in edges)


def chart(
    title: str, lines: Mapping[str, tuple[str, Line]], best: float | None
) -> Chart:
    """Lines (colour, line) by label over one axis."""
    axis = np.unique(np.concatenate([np.zeros(0), *(c[0] for _, c in lines.values())]))
    series = []
    for label, (colour, (x, *curves)) in lines.items():
        one: dict[str, Any] = {"label": label, "colour": colour}
        for name, y in zip(("values", "low", "high"), curves, strict=False):
            values = np.full(len(axis), np.nan)
            values[np.searchsorted(axis, x)] = y
            one[name] = plain(values)
        series.append(one)
    decide = [deciding(c[1]) if k == _BATCHES else c[1] for k, (_, c) in lines.items()]
    return {
        "title": title,
        "x": plain(axis, 6),
        "series": series,
        "log": spans_decades(np.concatenate([np.zeros(0), *decide])),
        "best": best,
    }


def is_blank(one: Chart) -> bool:
    """Whether it has not one value."""
    return all(v is None for series in one["series"] for v in series["values"])


def plain(values: Iterable[float], digits: int = 5) -> list[float | None]:
    """Numbers in so many digits; what is not finite is null."""
    return [
        float(f"{v:.{digits}g}") if np.isfinite(v) else None
        for v in np.fromiter(values, np.float64).tolist()
    ]


def thinned(count: int, most: int) -> Sequence[int]:
    """At most so many of `count` indices, evenly, first and last among them."""
    chosen = np.linspace(0, count - 1, min(count, max(most, 2))).round().astype(int)
    return np.unique(chosen).tolist() if count else []


def _parts(
    columns: Columns, time: np.ndarray, names: Mapping[str, str]
) -> dict[str, tuple[str, Line]]:
    """Of each part, by the name of its column, where it has finite values, and these.

    Few enough for a page; of a run that begins a column may have none yet.
    """
    return {
        part: (colour, envelope(time, numbers(columns, names[part])))
        for part, colour in _PARTS
        if names[part] in columns
    }


def _best(columns: Columns, time: np.ndarray, epoch: int | None) -> float | None:
    at = np.flatnonzero(numbers(columns, "epoch") == epoch) if epoch else []
    return float(time[at[-1]]) if len(at) else None
