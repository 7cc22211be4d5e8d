"""What a sweep will do, in words: all of it for `check`, two lines for `sweep`."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nettrain.cli.terminal import joined, print_json, size, table
from nettrain.component import dump
from nettrain.config.writer import inline
from nettrain.errors import Error, visible
from nettrain.show.width import fitted
from nettrain.study.greediest import Greediest
from nettrain.study.plan import Plan, Varied
from nettrain.study.points import Base
from nettrain.study.verdict import count

_HEAD = 10
"""Columns of what stands before a fact."""
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
        print(visible(f"{arguments.config}: {base.sweep.name}, a sweep\n"))
        if plan.axes:
            heads = ["key", "kind", "values", "number", "of the base"]
            print(table([heads, *map(_row, plan.axes)], left=3) + "\n")
        print(fitted(visible("\n".join(_facts(plan))), _HEAD, sys.stdout))
    sys.stdout.flush()
    most = plan.greediest
    # Of points that cannot be trained all alone are a mistake: others are told.
    error = most.refusal or (most.flaw if most.flawed == most.points else None)
    if error and not arguments.json:
        raise error
    if error:
        print(error, file=sys.stderr)  # its one document is printed
    return error.exit_code if error else 0


def brief(plan: Plan, folder: Path) -> list[str]:
    """What is about to be done, and where, in two lines; and what may be wrong."""
    sweep = plan.base.sweep
    return [
        f"{sweep.name}: {_trials(plan)} of {plan.base.config_path}, in {folder}",
        f"{plan.metric} is to {_RISE[plan.goal]}; {_at_once(plan)}",
        *plan.notes,
        *_failing(plan.greediest, plan.points),
    ]


def _facts(plan: Plan) -> Iterator[str]:
    """All that there is to say beside the keys, each with its head."""
    sweep = plan.base.sweep
    yield f"base      {plan.base.config_path}: {plan.base.experiment.name}"
    for note in plan.notes:
        yield f"note      {note}"
    ((name, settings),) = dump(sweep.method).items()
    given = [f"{key} {inline(value)}" for key, value in settings.items() if value]
    yield f"method    {': '.join(filter(None, (name, ', '.join(given))))}"
    most = plan.greediest
    yield f"trials    {_trials(plan)}, of up to {count(most.updates, 'update')} each"
    if plan.rungs:
        rungs = [f"{n} until {until:.3g} %" for n, until in plan.rungs]
        yield " " * _HEAD + joined(rungs)
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
    return f"{how}, up to {size(plan.greediest.fitting)} of memory each"


def _memory(plan: Plan) -> Iterator[str]:
    """Workers, and whether there is memory for them."""
    most, blank = plan.greediest, " " * _HEAD
    yield f"workers   {_at_once(plan)}"
    yield f"{blank}{_looked_at(plan)}"
    for line in _failing(most, plan.points):
        yield f"{blank}{line}"
    if plan.limit is None or plan.workers < 0:
        yield f"{blank}how much memory there is for them is not known"
        return
    there = f"there is memory for {plan.beside} ({plan.limit.name})"
    yield blank + there + (": ask for fewer" if plan.crowded else "")


def _failing(most: Greediest, points: int) -> Iterator[str]:
    """Points that will not be trained, and such as nothing is known of."""
    of = f"of {count(points, 'point')}"
    if most.points < points:
        of = f"of the {count(most.points, 'point')} looked at"
    if most.flaw:
        first = ", the first" if most.flawed > 1 else ""
        yield f"{most.flawed} {of} cannot be trained{first}: {most.flaw.message}"
    if most.unfit:
        does = "does" if most.unfit == 1 else "do"
        yield f"{most.unfit} {of} {does} not fit into the memory"
    if most.own:
        least = "at least " * (most.points + most.own < points)
        own = f"{least}{count(most.own, 'point')} with code of your own"
        not_ = f"{'is' if most.own == 1 else 'are'} not looked at"
        yield f"{own} {not_}: what the base has not is run in trials alone"


def _looked_at(plan: Plan) -> str:
    """How the most is known, and with which values it is needed."""
    most = plan.greediest
    if not most.values:
        return "as the base is"
    what = f"all {count(most.points, 'point')}"
    if not most.is_all:
        at_most = "" if plan.exact else "up to "
        what = f"{most.points} of {at_most}{count(plan.points, 'point')}"
    if others := most.looked_at - most.points:
        what += f" and {count(others, 'config')} with the ends of each key, or all of "
        what += "what are no numbers"
        if cut := [axis.key for axis in plan.axes if axis.is_cut]:
            what += f" (of {joined(cut)} some)"
    told = (f"{key} {_cut(_shown(value))}" for key, value in most.values.items())
    needs = f"the greediest of {what}: {', '.join(told)}"
    if most.need <= most.fitting:
        return f"as {needs}"
    return f"of those that fit; {needs} needs {size(most.need)}"


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else inline(value)
