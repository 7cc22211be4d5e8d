"""Curves over training as data for the page's script."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from nettrain.show import palette
from nettrain.show.columns import Columns, numbers
from nettrain.show.curves import envelope, metric_names, time_in_epochs
from nettrain.show.style import spans_decades

Chart = dict[str, Any]
"""title, x (N,), series of label, colour and values (N,), and whether to be logarithmic
at first; `best` is where the best epoch stands."""

_POINTS = 2000
_PARTS = (("train", "blue"), ("validation", "orange"))
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
    if "step" not in columns or not len(columns["step"]):
        return []
    time = time_in_epochs(columns)
    at = _best(columns, time, best_epoch)
    batches = envelope(time, numbers(columns, "train/loss"))
    lines = {"each batch": ("pale_blue", batches)}
    lines |= {p: (c, _curve(columns, time, _LOSS[p])) for p, c in _PARTS}
    if prior is not None:
        ends = np.array([0.0, time.max(initial=0.0)])
        lines["guessing"] = ("muted", (ends, np.full(2, prior)))
    made = [chart("loss", lines, at)]
    for name in metric_names(columns):
        of = {p: (c, _curve(columns, time, f"{p}/{name}")) for p, c in _PARTS}
        made.append(chart(name.replace("_", " "), of, at))
    rates = envelope(time, numbers(columns, "learning_rate"))
    if len(set(rates[1].tolist())) > 1:
        made.append(chart("learning rate", {"rate": ("green", rates)}, None))
    return made


def overlaid(runs: Mapping[str, Columns]) -> list[Chart]:
    """Each metric of validation, or of training where there is none, run by run."""
    names = dict.fromkeys(n for c in runs.values() for n in ["loss", *metric_names(c)])
    made = []
    for name in names:
        lines = {}
        for index, (run, columns) in enumerate(runs.items()):
            if "step" not in columns:
                continue
            part = "validation" if f"validation/{name}" in columns else "train"
            column = _LOSS[part] if name == "loss" else f"{part}/{name}"
            colour = palette.SERIES[index % len(palette.SERIES)]
            curve = _curve(columns, time_in_epochs(columns), column)
            lines[f"{run} ({part})"] = (colour, curve)
        made.append(chart(name.replace("_", " "), lines, None))
    return made


def chart(
    title: str,
    lines: Mapping[str, tuple[str, tuple[np.ndarray, np.ndarray]]],
    best: float | None,
) -> Chart:
    """Lines (colour, (x, y)) by label over one axis; empty ones are left out."""
    kept = {label: line for label, line in lines.items() if len(line[1][0])}
    axis = np.unique(np.concatenate([np.zeros(0), *(c[0] for _, c in kept.values())]))
    series = []
    for label, (colour, (x, y)) in kept.items():
        values = np.full(len(axis), np.nan)
        values[np.searchsorted(axis, x)] = y
        series.append({"label": label, "colour": colour, "values": plain(values)})
    everything = np.concatenate([np.zeros(0), *(c[1] for _, c in kept.values())])
    return {
        "title": title,
        "x": plain(axis, 6),
        "series": series,
        "log": spans_decades(everything),
        "best": best,
    }


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


def _curve(
    columns: Columns, time: np.ndarray, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Where a column has finite values, and these: few enough for a page."""
    values = numbers(columns, name)
    at = np.flatnonzero(np.isfinite(values))
    at = at[thinned(len(at), _POINTS)]
    return time[at], values[at]


def _best(columns: Columns, time: np.ndarray, epoch: int | None) -> float | None:
    at = np.flatnonzero(numbers(columns, "epoch") == epoch) if epoch else []
    return float(time[at[-1]]) if len(at) else None
