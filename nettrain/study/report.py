"""The page of a sweep, and what is said of it in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nettrain.component import listed
from nettrain.config.writer import inline
from nettrain.disk import Disk
from nettrain.record.folder import METRICS
from nettrain.record.metrics import columns
from nettrain.study import verdict
from nettrain.study.epochs import read_ends
from nettrain.study.intervals import Interval
from nettrain.study.results import FINISHED, UNFINISHED, Results, Row, reason
from nettrain.study.space import Axis, IntLog, Log
from nettrain.training.outcome import in_row

_LIST = 12
"""Values of a list up to which each has a place of its own in a picture."""
_CURVES = 200
"""Trials whose curves are drawn, from the best on."""
_AGAIN = ("failed", "timeout")
"""What may come to another end when it is tried once more."""


def head(results: Results) -> list[str]:
    """Heads of the table of points."""
    behind = "behind the best, by itself"
    return ["", "point", *results.keys, results.metric, "± 95 %", behind, ""]


def cells(results: Results, row: Row, rank: int) -> list[str]:
    """The table's row of a point."""
    mean = row.interval.mean
    rival = results.rivals.get(row.point.number)
    behind = _apart(rival.apart) if rival else ""
    told = [] if row.status == FINISHED else [row.status]
    told += ["not finite"] if not told and math.isnan(mean) else []
    told += ["worse"] if rival and rival.told else []
    if row.until < 100:
        told.append(f"trained for {row.length}")
    return [
        str(rank),
        str(row.point.number),
        *map(_short, row.point.values),
        "" if math.isnan(mean) else verdict.number(mean),
        "" if math.isnan(mean) else verdict.half(row.interval),
        behind,
        ", ".join(told),
    ]


def _apart(known: Interval) -> str:
    """`0.06 ± 0.02`, `0.1, all agree`."""
    return f"{known.mean:.3g}{',' * known.agree} {verdict.half(known)}"


def _short(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else inline(value)
    return text if len(text) <= 40 else text[:39] + "…"


def conclusions(results: Results) -> list[str]:
    """Which point is best, whether that can be told, and what came to nothing."""
    return [*winner(results), *failures(results)]


def winner(results: Results) -> list[str]:
    """Which point is best, and whether that can be told."""
    best = results.best
    if best is None:
        return ["No point was trained to its end."]
    first = f"point {best.point.number}"
    if _known(results) == 1:
        return [f"{first} is the only one with a value"]
    rivals = [*results.rivals.values()]
    said = [f"best: {first}"]
    if len(results.units) < 2:
        said.append(f"{verdict.ONE_SEED}; `seeds: 5` in the sweep gives one")
    elif rivals:
        said = [verdict.verdict(first, rivals, results.folds)]
        said += verdict.by_chance(rivals)
    shorter = sum(row.until < best.until for row in results.rows)
    given_up = verdict.count(shorter, "point")
    more = f"{given_up} given up earlier, by the value at that time"
    return [*said, *([more] if shorter else [])]


def _known(results: Results) -> int:
    """How many points have a mean."""
    return sum(not math.isnan(row.interval.mean) for row in results.rows)


def failures(results: Results) -> list[str]:
    """A sentence for those that failed, and one for those that diverged."""
    told = []
    for kinds, verb in ((_AGAIN, "failed"), (("diverged",), "diverged")):
        rows = [row for row in results.rows if row.status in kinds]
        if rows:
            rows.sort(key=lambda row: row.point.number)
            many = f"{len(rows)} of {verdict.count(len(results.rows), 'point')} {verb}"
            again = "; the same command tries again" * (verb == "failed")
            told.append(f"{many}: {_named(results, rows)}{again}")
    return told


def _named(results: Results, rows: list[Row]) -> str:
    first, *others = rows
    also = listed(row.point.number for row in others)
    why = f" ({told})" if (told := reason(results, first)) else ""
    return f"point {first.point.number}{why}" + (f"; also {also}" if also else "")


def meaning(results: Results) -> list[str]:
    """What the numbers mean, a sentence each."""
    several = _known(results)
    drawn = any(row.point.experiment.data.source.drawn for row in results.rows)
    lucky = (
        f"The best of {several} means owes something to luck: with other seeds expect "
        "it to be worse."
    )
    units, rivals = len(results.units), len(results.rivals)
    said = verdict.meaning(units, results.folds, drawn, rivals)
    return [*said, *([lucky] if several > 1 else [])]


def plain(path: Path, results: Results) -> Mapping[str, Any]:
    """All of it as JSON.

    Args:
        path: the sweep's folder.
    """
    best = results.best
    return {
        "folder": str(path),
        "metric": results.metric,
        "goal": results.goal,
        "units": [unit.label for unit in results.units],
        "best": best and best.point.number,
        "verdict": conclusions(results),
        "meaning": meaning(results),
        "points": [_plain(results, row) for row in results.rows],
    }


def _plain(results: Results, row: Row) -> Mapping[str, Any]:
    behind, rival = results.behind(row), results.rivals.get(row.point.number)
    return {
        "point": row.point.number,
        "values": dict(zip(results.keys, row.point.values, strict=True)),
        "trained_percent": row.until,
        "status": row.status,
        "why": {
            unit.label: score.why
            for unit, score in zip(results.units, row.scores, strict=True)
            if score.why
        },
        "mean": row.interval.mean,
        "interval": [row.interval.low, row.interval.high],
        "each": row.values,
        "behind_best": behind.mean,
        "behind_best_interval": [behind.low, behind.high],
        "told_from_best": rival is not None and rival.told,
    }


def page(name: str, results: Results, axes: dict[str, Axis], trials: Path) -> str:
    """The whole page.

    Args:
        name: of the sweep.
        results: what came of it.
        axes: its space.
        trials: where the run folders are.
    """
    from nettrain.show.page.sweep import sweep
    from nettrain.show.page.text import Link

    rows = []
    for rank, row in enumerate(results.rows, 1):
        first, number, *others = cells(results, row, rank)
        link = Link(number, f"{trials.name}/{row.point.name}.yaml")
        rows.append([first, link, *others])
    said = [*conclusions(results), *meaning(results)]
    pictures = _pictures(results, axes, trials)
    return sweep(f"Sweep {name}", said, head(results), rows, pictures)


def _pictures(
    results: Results, axes: dict[str, Axis], trials: Path
) -> dict[str, str | Sequence[str]]:
    from nettrain.show import points as show

    # Drawn without a value too: what diverged or failed is a result.
    rows = [r for r in results.rows if r.status != UNFINISHED]
    known = [row for row in rows if math.isfinite(row.interval.mean)]
    if len(known) < 2:
        return {}
    given = zip(*(row.point.values for row in rows), strict=True)
    keys = [
        _key(name, axis, values)
        for (name, axis), values in zip(axes.items(), given, strict=True)
        if len(set(map(repr, values))) > 1
    ]
    points = show.Points(
        results.metric,
        results.goal == "min",
        tuple(keys),
        np.array([row.interval.mean for row in rows]),
        np.array([row.interval.half for row in rows]),
        np.array([row.point.number for row in rows]),
        np.array([row.until for row in rows]),
    )
    curves = [_curves(results, row, trials) for row in known[:_CURVES]]
    names = [str(row.point.number) for row in known]
    return {
        "Values and result": show.parallel(points) if keys else "",
        "Each key alone": show.slices(points) if keys else "",
        "Pairs of keys": show.surfaces(points) if len(keys) > 1 else "",
        "Learning curves": show.curves(results.metric, curves, names),
    }


def _key(name: str, axis: Axis, values: Sequence[Any]) -> Any:
    """A key as pictures show it, with its value in each point."""
    from nettrain.show.points import Key
    from nettrain.show.style import spans_decades

    if not isinstance(axis, tuple):
        return Key(name, isinstance(axis, (Log, IntLog)), np.array(values, float))
    numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in axis)
    if numbers and len(axis) > _LIST:
        array = np.array(values, float)
        return Key(name, spans_decades(array), array)
    written = [inline(value) for value in axis]
    places = np.array([written.index(inline(value)) for value in values], float)
    return Key(name, False, places, tuple(written))


def _curves(
    results: Results, row: Row, trials: Path
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each run of a point the objective at the end of every epoch."""
    name = in_row(results.metric)
    found = []
    for unit in results.units:
        rows = read_ends(Disk(), trials / f"{row.point.name}-{unit.name}" / METRICS)
        table = columns([one for one in rows if name in one])
        if name in table:
            found.append((table["epoch"].astype(float), table[name]))
    return found
