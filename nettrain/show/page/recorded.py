"""What was recorded of the nodes of a graph: the moments, and what each was then."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from nettrain.show.columns import Columns, numbers
from nettrain.show.drawing import Box
from nettrain.show.looks import health, health_class
from nettrain.show.page.charts import plain, thinned

MEASURES = ("rms", "mean", "std", "min", "max", "zero")
_COLUMNS = (
    *(f"{of}_{measure}" for of in ("value", "gradient") for measure in MEASURES),
    "update_ratio",
    "dead",
)
_NUMBERS = 120_000
"""How many recorded numbers a page takes at most: about a megabyte."""
_CURVES = 8
"""Time steps of a loop whose curves are drawn."""
_NOTHING: dict[str, Any] = {
    "moments": [],
    "statistics": {},
    "healths_then": {},
    "time_steps": {},
}


def recorded(statistics: Columns | None, boxes: Sequence[Box]) -> dict[str, Any]:
    """Moments, and at these the statistics and health of the nodes that have them.

    What stands in a loop has those of its time steps together: its gradient is the
    weakest of theirs. `time_steps` are those of its time steps that are told alone.
    """
    if statistics is None or not len(statistics["step"]):
        return dict(_NOTHING)
    ids = {box.id for box in boxes}
    known = ids.union(path for box in boxes for path in box.records)
    paths = [str(path) for path in statistics["node"]]
    listed = {p: i for i, p in enumerate(dict.fromkeys(p for p in paths if p in known))}
    moments, first, when = np.unique(
        numbers(statistics, "step"), return_index=True, return_inverse=True
    )
    most = _NUMBERS // max(1, len(listed) * len(_COLUMNS))
    kept = list(thinned(len(moments), most))
    place = np.full(len(moments), -1)
    place[kept] = range(len(kept))
    node = np.array([listed.get(path, -1) for path in paths])
    rows = np.flatnonzero((node >= 0) & (place[when] >= 0))
    tables = {}
    for name in _COLUMNS:
        tables[name] = np.full((len(listed), len(kept)), np.nan)
        tables[name][node[rows], place[when][rows]] = numbers(statistics, name)[rows]
    roles = dict(zip(paths, statistics["role"], strict=True))
    outputs = [i for path, i in listed.items() if roles[path] == "pre_activation"]
    found = {
        path: {name: table[i] for name, table in tables.items()}
        for path, i in listed.items()
    }
    time_steps = {}
    for box in boxes:
        steps = [path for path in box.records if path in found]
        if steps:
            found[box.id] = _together([found[path] for path in steps])
            time_steps[box.id] = [steps[i] for i in thinned(len(steps), _CURVES)]
    kept_steps = {path for steps in time_steps.values() for path in steps}
    found = {p: of for p, of in found.items() if p in ids or p in kept_steps}
    output = tables["gradient_rms"][outputs[-1]] if outputs else None
    epochs = numbers(statistics, "epoch")[first]
    return {
        "moments": [[int(moments[i]), int(epochs[i])] for i in kept],
        "statistics": {
            path: {
                name: plain(row, 4)
                for name, row in of.items()
                if np.isfinite(row).any()
            }
            for path, of in found.items()
        },
        "healths_then": {
            path: _healths(of["gradient_rms"], output)
            for path, of in found.items()
            if output is not None
        },
        "time_steps": time_steps,
    }


def _together(steps: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Of rows over the moments (M,) by measure, one of each for all time steps."""
    made: dict[str, np.ndarray] = {}
    for name in steps[0]:
        rows = np.stack([step[name] for step in steps])
        _, _, measure = name.partition("_")
        with warnings.catch_warnings():
            # A moment at which nothing was recorded stays one.
            warnings.simplefilter("ignore", RuntimeWarning)
            if name == "gradient_rms":
                weakest = np.fmin.reduce(np.where(rows > 0, rows, np.nan))
                made[name] = np.where(np.isnan(weakest), np.fmin.reduce(rows), weakest)
            elif measure in ("rms", "std"):
                made[name] = np.sqrt(np.nanmean(rows**2, axis=0))
            elif measure in ("min", "max"):
                made[name] = getattr(np, f"f{measure}").reduce(rows)
            else:
                made[name] = np.nanmean(rows, axis=0)
    return made


def _healths(gradients: np.ndarray, output: np.ndarray) -> list[int | None]:
    """Classes of health over time (M,) of a node's RMS and the output's."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = gradients / output
    return [None if np.isnan(r) else health_class(health(r)) for r in ratios]
