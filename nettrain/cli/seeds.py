"""One config with several seeds: the runs, and a table of what they have in common."""

from __future__ import annotations

import math
import statistics
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nettrain.cli.progress import Watching, interrupted
from nettrain.cli.terminal import table
from nettrain.config import resolve
from nettrain.errors import Error
from nettrain.experiment.run import Ended
from nettrain.experiment.run import run as train
from nettrain.experiment.schema import Experiment
from nettrain.record.folder import RUN

_PARTS = ("test", "validation")


def run(arguments: Namespace) -> int:
    """`nettrain run CONFIG --seeds N`: seed, seed+1, … one after the other."""
    config, overrides = arguments.config, arguments.overrides
    first = resolve(config, overrides, schema=Experiment).build().seed
    results: dict[int, Mapping[str, float]] = {}
    diverged: list[int] = []
    for seed in range(first, first + arguments.seeds):
        print(f"seed {seed}", file=sys.stderr)
        ended = train(
            config,
            [*overrides, f"seed={seed}"],
            out=Path(arguments.out) / f"seed-{seed}" if arguments.out else None,
            again=arguments.again,
            watch=Watching,
        )
        outcome = ended.outcome
        if outcome is not None and outcome.status == "interrupted":
            return interrupted(ended)
        print(f"seed {seed}  {ended.folder.path}  {_status(ended)}")
        if outcome is not None and outcome.status == "diverged":
            diverged.append(seed)
        else:
            results[seed] = measures(ended.folder.read_json(RUN)["summary"])
    if results:
        print("\n" + over_seeds(results))
    if diverged:
        sys.stdout.flush()
        named = ", ".join(map(str, diverged))
        raise Error("diverged-run", f"the run diverged with seed {named}")
    return 0


def _status(ended: Ended) -> str:
    if ended.outcome is None:
        return "finished before"
    found = len(ended.outcome.findings)
    told = f", {found} finding{'s' * (found != 1)}" if found else ""
    return f"{ended.outcome.status}{told}"


def measures(summary: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a run on rows it was not trained on, or else on those it was."""
    values = {**summary.get("last", {}), **summary}
    for parts in (_PARTS, ("train",)):
        found = {
            name: float(value)
            for name, value in values.items()
            if name.partition("/")[0] in parts
            and not name.endswith("/step")
            and isinstance(value, (int, float, str))
        }
        if found:
            break
    return found


def over_seeds(results: Mapping[int, Mapping[str, float]]) -> str:
    """A row per metric: mean ± 95 % interval, and each seed's value."""
    seeds = list(results)
    names = list(dict.fromkeys(name for row in results.values() for name in row))
    rows = [["", "mean", "± 95 %", *(f"seed {seed}" for seed in seeds)]]
    for name in names:
        values = [results[seed].get(name, math.nan) for seed in seeds]
        mean, half = interval(values)
        rows.append([name, *(f"{value:.4g}" for value in (mean, half, *values))])
    return table(rows)


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean and half the 95 % interval of it: t(0.975, n - 1) · s / √n (Student 1908).

    >>> interval([1.0, 2.0, 3.0])
    (2.0, 2.4841377118...)
    """
    mean, n = statistics.fmean(values), len(values)
    if n < 2 or not all(map(math.isfinite, values)):
        return mean, math.nan
    from scipy.special import stdtrit

    spread = statistics.stdev(values) / math.sqrt(n)
    return mean, float(stdtrit(n - 1, 0.975)) * spread
