"""Runs beside each other: what differs, which is better, and whether that is sure.

Everything is read from the run folders. Of several seeds there are means with 95 %
intervals; two configs are compared seed by seed, so that what a seed does to both
cancels out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nettrain.errors import Error
from nettrain.show import summary
from nettrain.show.page import Told, comparison
from nettrain.show.palette import SERIES
from nettrain.study.folders import runs_of
from nettrain.study.groups import Group, differing, grouped, ranked
from nettrain.study.intervals import Interval
from nettrain.study.run import Run

Rows = list[list[str]]
"""Heads, and rows of texts."""

_SEVERITIES = ("error", "warning", "note")
_FEW = 2
"""Differing keys with which a curve is called, if they are no more."""
_BESIDE = 6
"""Groups that stand in columns; more stand in rows."""
_LISTED = 5
"""Runs that a note lists."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """Runs that were read.

    Attributes:
        groups: by config.
        left_out: what was found but cannot be read, and why.
    """

    groups: tuple[Group, ...]
    left_out: tuple[str, ...] = ()

    @classmethod
    def of(cls, paths: Sequence[Path | str]) -> Comparison:
        """Read runs; of a folder that is no run, all runs in it.

        Raises:
            Error: of family `run` where one that is named is none, or damaged.
        """
        runs, left_out = [], []
        for path in runs_of(paths):
            try:
                runs.append(Run.read(path))
            except Error as error:
                if path in map(Path, paths):
                    raise
                left_out.append(error.message)
        if not runs:
            raise Error("run-damaged", "; ".join(left_out))
        return cls(tuple(grouped(runs)), tuple(left_out))

    @cached_property
    def runs(self) -> list[Run]:
        return [run for group in self.groups for run in group.runs]

    @cached_property
    def keys(self) -> list[str]:
        """Those at which the configs differ."""
        return differing(self.runs)

    @cached_property
    def metrics(self) -> list[str]:
        """Of all runs, of the validation part first."""
        names = dict.fromkeys(name for run in self.runs for name in run.measures)
        return sorted(names, key=lambda name: not name.startswith("validation/"))

    @cached_property
    def goals(self) -> dict[str, str]:
        """By metric min, max, or "" where nobody here knows."""
        found = {}
        for name in self.metrics:
            said = {run.goal(name) for run in self.runs if name in run.measures}
            found[name] = said.pop() if len(said) == 1 else ""
        return found

    @cached_property
    def order(self) -> dict[str, list[Group]]:
        """By metric the groups that have it, the best first where that is known."""
        return {
            name: ranked(self.groups, name, goal)
            if goal
            else [group for group in self.groups if group.values(name)]
            for name, goal in self.goals.items()
        }

    # ------------------------------------------------------------ sentences

    @property
    def title(self) -> str:
        names = dict.fromkeys(str(run.facts["name"]) for run in self.runs)
        of = f"{next(iter(names))}: " if len(names) == 1 else ""
        configs = _count(len(self.groups), "config")
        return f"{of}{configs}, {_count(len(self.runs), 'run')}"

    def label(self, group: Group) -> str:
        """Its name, and what makes it another than the others where that is short."""
        if len(self.groups) < 2 or len(self.keys) > _FEW:
            return (
                group.name if len(self.groups) > 1 else _count(len(group.runs), "run")
            )
        said = [f"{k.rpartition('.')[2]} {group.setting(k)}" for k in self.keys]
        return ": ".join([group.name, ", ".join(said)]) if said else group.name

    def verdicts(self) -> Iterator[str]:
        """A sentence for each metric that ranks two configs."""
        for metric, order in self.order.items():
            if len(order) > 1 and self.goals[metric]:
                best, second = order[:2]
                apart, pairs = second.ahead(best, metric)
                worse = self._worse(metric, apart)
                yield f"{metric}: {_verdict(best, second, apart, pairs, worse)}"

    def notes(self) -> Iterator[str]:
        """What makes a comparison less than it seems."""
        data = {run.facts["data_sha256"] for run in self.runs}
        if len(data) > 1:
            yield "trained on different data: the numbers are not of the same task"
        numerics = {run.facts["numerics"] for run in self.runs}
        if len(numerics) > 1:
            told = "; ".join(self._surroundings()) or "the kernels differ"
            yield f"computed with other numerics, equal up to last bits: {told}"
        for group in self.groups:
            if group.unfinished:
                left = [f"{run.path} {run.status}" for run in group.unfinished]
                more = len(left) - _LISTED
                told = ", ".join(left[:_LISTED]) + (f", {more} more" * (more > 0))
                yield f"{group.name}: not finished, and without a value: {told}"
            units = [run.unit for run in group.runs]
            if len(set(units)) < len(units):
                yield f"{group.name}: a seed that was trained twice counts once"
        yield from (f"left out: {why}" for why in self.left_out)

    def _surroundings(self) -> Iterator[str]:
        found = [run.facts["environment"] for run in self.runs]
        for name in dict.fromkeys(name for one in found for name in one):
            values = dict.fromkeys(str(one.get(name, "–")) for one in found)
            if len(values) > 1:
                yield f"{name} {', '.join(values)}"

    # ------------------------------------------------------------ tables

    def overview(self) -> Rows:
        """The groups: how many runs, their seeds, and where they are."""
        rows = [["", "runs", "seeds", "folders"]]
        for group in self.groups:
            folders = [str(run.path) for run in group.runs]
            more = f" and {len(folders) - 1} more" if len(folders) > 1 else ""
            seeds = ", ".join(map(str, group.seeds))
            rows.append([group.name, str(len(folders)), seeds, folders[0] + more])
        return rows

    def settings(self) -> Rows:
        """A row per differing key, a column per group."""
        heads = ["", *(group.name for group in self.groups)]
        rows = [[k, *(g.setting(k) for g in self.groups)] for k in self.keys]
        return _turned([heads, *rows])

    def results(self) -> Rows:
        """A row per metric and group: mean, interval, and the distance to the best."""
        several = len(self.groups) > 1
        heads = ["", "", "mean", "± 95 %"]
        rows = [heads + (["to the best", "± 95 %", ""] if several else [])]
        for metric, order in self.order.items():
            for place, group in enumerate(order):
                known = group.interval(metric)
                row = ["" if place else metric, group.name]
                row += [_number(known.mean), _half(known.half)]
                rows.append(row + (self._behind(metric, group) if several else []))
        return rows

    def _behind(self, metric: str, group: Group) -> list[str]:
        best = self.order[metric][0]
        if not self.goals[metric]:
            return ["", "", "not ranked: a plugin's metric (--plugin)"]
        if group is best:
            return ["", "", "best" if len(self.order[metric]) > 1 else ""]
        apart, pairs = group.ahead(best, metric)
        told = _told_apart(apart, pairs, self._worse(metric, apart))
        return [_signed(apart.mean), _half(apart.half), told]

    def _worse(self, metric: str, apart: Interval) -> bool:
        """Whether a difference to the best is one for the worse.

        The best mean may be of other seeds, and on those in common not be the best.
        """
        return apart.mean > 0 if self.goals[metric] == "min" else apart.mean < 0

    def findings(self) -> Rows:
        """A row per finding, a column per group: how many of its runs have it."""
        heads = ["", *(group.name for group in self.groups)]
        return [
            heads,
            *([n, *(_having(g, n) for g in self.groups)] for n in self._found),
        ]

    @cached_property
    def _found(self) -> list[str]:
        rows = [finding for run in self.runs for finding in run.found]
        rows.sort(key=lambda f: (_SEVERITIES.index(f["severity"]), f["id"]))
        return list(dict.fromkeys(map(_called, rows)))

    def each(self) -> Rows:
        """A row per run: its group, seed and status, and every number."""
        rows = [["", "", "seed", "status", *self.metrics]]
        for group in self.groups:
            for run in group.runs:
                seed, fold = run.unit
                unit = f"{seed}, fold {fold}" if run.folds > 1 else str(seed)
                values = [run.measures.get(name) for name in self.metrics]
                told = ["–" if v is None else _number(v) for v in values]
                rows.append([str(run.path), group.name, unit, run.status, *told])
        return rows

    def page(self) -> bytes:
        """All of it as a page."""
        tables = {
            "What differs": self.settings(),
            "Results": self.results(),
            "Findings": self.findings(),
            "Runs": self.each(),
        }
        shown, which = self._shown()
        curves = {self.label(g): [run.metrics for run in g.runs] for g in shown}
        verdicts, notes = list(self.verdicts()), list(self.notes())
        told = Told(self.title, verdicts, notes, tables, curves, which)
        # A name may hold what no UTF-8 has: a lone surrogate stands for a bad byte.
        return comparison(told).encode("utf-8", "backslashreplace")

    def _shown(self) -> tuple[Sequence[Group], str]:
        """The groups whose curves are drawn, no more than there are colours."""
        most = len(SERIES)
        if len(self.groups) <= most:
            return self.groups, ""
        metric = next((name for name in self.metrics if self.goals[name]), None)
        if metric is None:
            return self.groups[:most], f"Those of the first {most} configs."
        return self.order[metric][:most], f"Those of the {most} best by {metric}."

    # ------------------------------------------------------------ JSON

    def plain(self) -> dict[str, Any]:
        """All of it as JSON."""
        return {
            "groups": {group.name: self._group(group) for group in self.groups},
            "differs": {
                key: {g.name: g.setting(key) for g in self.groups} for key in self.keys
            },
            "metrics": {name: self._metric(name) for name in self.metrics},
            "verdicts": list(self.verdicts()),
            "notes": list(self.notes()),
        }

    def _group(self, group: Group) -> Mapping[str, Any]:
        runs = [
            {
                "folder": str(run.path),
                "seed": run.unit[0],
                **({"fold": run.unit[1]} if run.folds > 1 else {}),
                "status": run.status,
                "metrics": run.measures,
                "findings": [
                    {key: f[key] for key in ("id", "name", "severity", "primary")}
                    for f in run.found
                ],
            }
            for run in group.runs
        ]
        return {"seeds": group.seeds, "runs": runs}

    def _metric(self, name: str) -> Mapping[str, Any]:
        goal, order = self.goals[name], self.order[name]
        found = {}
        for group in order:
            known = group.interval(name)
            found[group.name] = {
                "mean": known.mean,
                "interval": [known.low, known.high],
            }
            if goal and group is not order[0]:
                apart, pairs = group.ahead(order[0], name)
                found[group.name] |= {
                    "difference": apart.mean,
                    "difference_interval": [apart.low, apart.high],
                    "pairs": pairs,
                    "told_from_best": apart.excludes_zero,
                }
        best = order[0].name if goal and order else None
        return {"goal": goal or None, "best": best, "groups": found}


# ---------------------------------------------------------------- words


def _turned(rows: Rows) -> Rows:
    """A row per group where their columns would be too many to be seen together."""
    many = len(rows[0]) > 1 + _BESIDE and len(rows) > 1
    return [list(column) for column in zip(*rows, strict=True)] if many else rows


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _verdict(
    best: Group, second: Group, apart: Interval, pairs: int, worse: bool
) -> str:
    name, other = best.name, second.name
    if math.isnan(apart.half):
        why = _no_interval(pairs)
        return f"{name} is best here, but whether it beats {other} is open: {why}"
    how = f"by {_number(abs(apart.mean))} {_half(apart.half)}, {_count(pairs, 'pair')}"
    if not apart.excludes_zero:
        return f"{name} is best, but cannot be told from {other} ({how})"
    if not worse:
        return f"{name} has the best mean, but {other} is better in pairs ({how})"
    return f"{name} is better than {other}, the second ({how})"


def _no_interval(pairs: int) -> str:
    if not pairs:
        return "no seed in common: no interval"
    return "one seed: no interval" if pairs == 1 else "not all are numbers: no interval"


def _told_apart(apart: Interval, pairs: int, worse: bool) -> str:
    if math.isnan(apart.half):
        return _no_interval(pairs)
    if not apart.excludes_zero:
        return "cannot be told apart"
    return "worse" if worse else "better in pairs"


def _called(finding: Mapping[str, Any]) -> str:
    return f"{finding['id']} {summary.title(finding)}"


def _having(group: Group, name: str) -> str:
    """`error, primary`; of several runs `error in 2 of 3, primary in 1`."""
    if not any(run.facts.get("diagnosis") for run in group.runs):
        return "not diagnosed"
    rows = [f for run in group.runs for f in run.found if _called(f) == name]
    if not rows:
        return "–"
    worst = min((f["severity"] for f in rows), key=_SEVERITIES.index)
    having = sum(any(_called(f) == name for f in run.found) for run in group.runs)
    primary = sum(bool(f["primary"]) for f in rows)
    if len(group.runs) == 1:
        return f"{worst}{', primary' if primary else ''}"
    told = f"{worst} in {having} of {len(group.runs)}"
    return told + (f", primary in {primary}" if primary else "")


def _number(value: float) -> str:
    return f"{value:.4g}"


def _signed(value: float) -> str:
    return "" if math.isnan(value) else f"{value:+.3g}"


def _half(value: float) -> str:
    return "–" if math.isnan(value) else f"± {value:.2g}"
