"""The page of a sweep, and what is said of it in words."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from nettrain.config.writer import inline
from nettrain.disk import Disk
from nettrain.record.folder import METRICS
from nettrain.record.metrics import columns, read_metrics
from nettrain.study.results import FINISHED, Results, Row
from nettrain.study.space import Axis, IntLog, Log
from nettrain.training.outcome import in_row

_LIST = 12
"""Values of a list up to which each has a place of its own in a picture."""
_CURVES = 200
"""Trials whose curves are drawn, from the best on."""


def head(results: Results) -> list[str]:
    """Heads of the table of points."""
    return ["", "point", *results.keys, results.metric, "± 95 %", "behind the best", ""]


def cells(results: Results, row: Row, rank: int) -> list[str]:
    """The table's row of a point."""
    mean, half = row.interval.mean, row.interval.half
    behind = results.behind(row)
    gap = f"{behind.mean:.3g} ± {behind.half:.2g}"
    told = [] if row.status == FINISHED else [row.status]
    if row.until < 100:
        told.append(f"trained for {row.until:.3g} %")
    return [
        str(rank),
        str(row.point.number),
        *map(_short, row.point.values),
        "" if math.isnan(mean) else f"{mean:.4g}",
        "" if math.isnan(half) else f"{half:.2g}",
        "" if math.isnan(behind.half) or row is results.best else gap,
        ", ".join(told),
    ]


def _short(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else inline(value)
    return text if len(text) <= 40 else text[:39] + "…"


def verdict(results: Results) -> list[str]:
    """Which point is best, and whether that can be told."""
    best = results.best
    if best is None:
        return ["No point was trained to its end."]
    name = f"best: point {best.point.number}"
    if len(results.units) < 2:
        how = "one seed tells no interval: with seeds: 5 the best can be told from luck"
        return [name, how]
    equals = results.equals()
    if equals:
        second = equals[0]
        found = results.behind(second)
        name += (
            f", but it cannot be told from {len(equals)} "
            f"other{'s' * (len(equals) > 1)}: point {second.point.number} is "
            f"{found.mean:.2g} behind, 95 % interval {found.low:.2g} to "
            f"{found.high:.2g}, paired by seed"
        )
    shorter = sum(row.until < best.until for row in results.rows)
    more = f"{shorter} were given up earlier, by their value at that time"
    return [name, *([more] if shorter else [])]


def page(name: str, results: Results, axes: dict[str, Axis], trials: Path) -> str:
    """The whole page.

    Args:
        name: of the sweep.
        results: what came of it.
        axes: its space.
        trials: where the run folders are.
    """
    from nettrain.show.page.sweep import sweep

    rows = [cells(results, row, n) for n, row in enumerate(results.rows, 1)]
    drawn = _pictures(results, axes, trials)
    return sweep(f"Sweep {name}", verdict(results), head(results), rows, drawn)


def _pictures(results: Results, axes: dict[str, Axis], trials: Path) -> dict[str, str]:
    from nettrain.show import points as show

    known = [row for row in results.rows if not math.isnan(row.interval.mean)]
    if len(known) < 2:
        return {}
    varied = [
        i
        for i, _ in enumerate(axes)
        if len({repr(r.point.values[i]) for r in known}) > 1
    ]
    keys = [
        _key(list(axes.items())[i], [row.point.values[i] for row in known])
        for i in varied
    ]
    points = show.Points(
        results.metric,
        results.goal == "min",
        tuple(keys),
        np.array([row.interval.mean for row in known]),
        np.array([row.interval.half for row in known]),
    )
    curves = [_curves(results, row, trials) for row in known[:_CURVES]]
    names = [str(row.point.number) for row in known]
    return {
        "Values and result": show.parallel(points) if keys else "",
        "Each key alone": show.slices(points) if keys else "",
        "Pairs of keys": show.surfaces(points) if len(keys) > 1 else "",
        "Learning curves": show.curves(results.metric, curves, names),
    }


def _key(axis: tuple[str, Axis], values: list[Any]) -> Any:
    from nettrain.show.points import Key
    from nettrain.show.style import spans_decades

    name, given = axis
    if not isinstance(given, tuple):
        return Key(name, isinstance(given, (Log, IntLog)), np.array(values, float))
    numbers = all(
        isinstance(v, (int, float)) and not isinstance(v, bool) for v in given
    )
    if numbers and len(given) > _LIST:
        array = np.array(values, float)
        return Key(name, spans_decades(array), array)
    written = [inline(value) for value in given]
    places = np.array([written.index(inline(value)) for value in values], float)
    return Key(name, False, places, tuple(written))


def _curves(
    results: Results, row: Row, trials: Path
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each run of a point the objective at the end of every epoch."""
    name = in_row(results.metric)
    found = []
    for unit in results.units:
        rows = read_metrics(Disk(), trials / f"{row.point.name}-{unit.name}" / METRICS)
        table = columns([one for one in rows if name in one])
        if name in table:
            found.append((table["epoch"].astype(float), table[name]))
    return found
