"""What a sweep will do, in words: all of it for `check`, two lines for `sweep`."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from nettrain.cli.terminal import joined, print_json, size, table
from nettrain.component import dump
from nettrain.config.writer import inline
from nettrain.errors import Error, visible
from nettrain.study.plan import Plan, Varied
from nettrain.study.points import Base
from nettrain.study.verdict import count

_SHOWN = 6
"""Values of a list that are shown."""
_WIDE = 32
"""Characters of them."""
_RISE = {"min": "fall", "max": "rise"}


def check(arguments: Namespace) -> int:
    """`nettrain check SWEEP`."""
    base = Base.read(arguments.config, arguments.overrides)
    if arguments.probe:
        message = "--probe tries one config, and this is the config of a sweep"
        fix = f"nettrain check {base.config_path} --probe"
        raise Error("usage-arguments", message, fix=fix)
    plan = Plan.of(base)
    if arguments.json:
        print_json(plan.to_json())
    else:
        told = [f"{arguments.config}: {base.sweep.name}, a sweep", "", *_whole(plan)]
        print(visible("\n".join(told)))
    if plan.refusal:
        sys.stdout.flush()
        raise plan.refusal
    return 0


def brief(plan: Plan, folder: Path) -> list[str]:
    """What is about to be done, and where, in two lines."""
    sweep = plan.base.sweep
    return [
        f"{sweep.name}: {_trials(plan)} of {plan.base.config_path}, in {folder}",
        f"{plan.metric} is to {_RISE[plan.goal]}; {_at_once(plan)}",
    ]


def _whole(plan: Plan) -> Iterator[str]:
    sweep = plan.base.sweep
    if plan.axes:
        heads = ["key", "kind", "values", "number", "of the base"]
        yield table([heads, *map(_row, plan.axes)], left=3)
        yield ""
    yield f"base      {plan.base.config_path}: {plan.base.experiment.name}"
    ((name, settings),) = dump(sweep.method).items()
    given = [f"{key} {inline(value)}" for key, value in settings.items() if value]
    yield f"method    {': '.join(filter(None, (name, ', '.join(given))))}"
    yield f"trials    {_trials(plan)}; the base makes up to {plan.updates:,} updates"
    if plan.rungs:
        rungs = [f"{n} until {until:.3g} %" for n, until in plan.rungs]
        yield " " * 10 + joined(rungs)
    yield f"objective {plan.metric} is to {_RISE[plan.goal]}"
    if sweep.limit:
        yield f"limit     a trial fails after {sweep.limit:g} minutes"
    yield from _memory(plan)
    yield (
        f"best      runs/{sweep.name}/NUMBER/best.yaml: the base with the best values "
        "of these keys"
    )


def _row(axis: Varied) -> list[str]:
    if axis.kind == "list":
        values = joined([inline(value) for value in axis.values], _SHOWN)
    else:
        values = " … ".join(inline(end) for end in axis.values)
    own = "none" if axis.own is ... else inline(axis.own)
    many = "any" if axis.count is None else f"{axis.count:,}"
    return [axis.key, axis.kind, _cut(values), many, _cut(own)]


def _cut(text: str) -> str:
    return text if len(text) <= _WIDE else f"{text[: _WIDE - 1]}…"


def _trials(plan: Plan) -> str:
    """`12 points × 3 seeds = 36 trials`."""
    sweep = plan.base.sweep
    counts = [(plan.points, "point"), (sweep.seeds, "seed"), (sweep.folds or 1, "fold")]
    told = [count(n, what) for n, what in counts if n > 1 or what == "point"]
    most = "" if plan.exact else "up to "
    if plan.exact and plan.asked > plan.points:
        told[0] += f" ({plan.asked:,} with repeats)"
    return f"{most}{' × '.join(told)} = {count(plan.trials, 'trial')}"


def _at_once(plan: Plan) -> str:
    """How many trials there are at the same time, and what each takes."""
    where = plan.base.sweep.backend
    how = f"as many at the same time as {where} has workers"
    if plan.workers > 0:
        how = f"{min(plan.workers, plan.trials)} at the same time"
        how += f" by {where}" if where != "loky" else ""
    return f"{how}, {size(plan.need)} of memory each"


def _memory(plan: Plan) -> Iterator[str]:
    """Workers, and whether there is memory for them."""
    yield f"workers   {_at_once(plan)}, as the base is"
    if plan.limit is None or plan.workers < 0:
        yield " " * 10 + "how much memory there is for them is not known"
        return
    there = f"there is memory for {plan.room} ({plan.limit.name})"
    yield " " * 10 + there + (": ask for fewer" if plan.crowded else "")
