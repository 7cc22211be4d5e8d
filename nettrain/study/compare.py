"""Runs beside each other: what differs, which is better, and whether that is sure.

Everything is read from the run folders. Of several seeds there are means with 95 %
intervals; two configs are compared seed by seed, so that what a seed does to both
cancels out.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nettrain.component import listed, registered
from nettrain.data.sources import Source
from nettrain.errors import Error
from nettrain.record.folder import REPORT
from nettrain.show import summary
from nettrain.show.columns import Columns, timed
from nettrain.show.page import Link, Told, comparison
from nettrain.show.palette import SERIES
from nettrain.study import verdict
from nettrain.study.folders import runs_of, set_aside
from nettrain.study.groups import (
    Group,
    differing,
    grouped,
    ranked,
    share_data,
    within,
)
from nettrain.study.intervals import Interval, told_apart
from nettrain.study.run import Run

Rows = list[list[str]]
"""Heads, and rows of texts."""

_SEVERITIES = ("error", "warning", "note")
_FEW = 2
"""Differing keys with which a curve is called, if they are no more."""
_BESIDE = 6
"""Groups that stand in columns; more stand in rows."""
_LISTED = 5
"""Runs that a note lists, and names that a title does."""
_SCALE = ("loss", "data.standardize_target")
"""What gives the metric `loss` another scale."""


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
        runs, named, found = [], [*map(Path, paths)], runs_of(paths)
        aside = set_aside(named)
        left_out = [f"{path} was set aside for another trial" for path in aside]
        for path in found:
            try:
                runs.append(Run.read(path))
            except Error as error:
                if path in named:
                    raise
                left_out.append(placed(error))
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
    def unranked(self) -> dict[str, str]:
        """By metric why it ranks nothing; "" where it does."""
        return {name: self._unranked(name) for name in self.metrics}

    def _unranked(self, metric: str) -> str:
        if not self.goals[metric]:
            return "a plugin's metric (--plugin)"
        others = [key for key in self.keys if self._is_task(key)]
        if others:
            return f"the tasks differ ({others[0]})"
        others = [key for key in self.keys if within(key, _SCALE)]
        is_loss = metric.rpartition("/")[2] == "loss"
        return f"the losses differ ({others[0]})" if is_loss and others else ""

    def _is_task(self, key: str) -> bool:
        """Whether a key at which configs differ says what is to be learned.

        Another file may hold more rows of the same.
        """
        if key != "data.source":
            return within(key, ("data.target",))
        names = {group.setting(key) for group in self.groups}
        return bool(names & {*registered(Source)} - {"file"})

    @cached_property
    def order(self) -> dict[str, list[Group]]:
        """By metric the groups that have it, the best first where that is known."""
        return {
            name: [group for group in self.groups if group.values(name)]
            if self.unranked[name]
            else ranked(self.groups, name, goal)
            for name, goal in self.goals.items()
        }

    @cached_property
    def rivals(self) -> dict[str, dict[Group, verdict.Rival]]:
        """By metric that ranks them the groups behind the best."""
        return {n: self._rivals(n) for n, why in self.unranked.items() if not why}

    def _rivals(self, metric: str) -> dict[Group, verdict.Rival]:
        best, *others = self.order[metric]
        apart = [group.ahead(best, metric) for group in others]
        told = told_apart(apart)
        return {
            group: verdict.Rival(group.name, a, t, self._turned(metric, best, group, a))
            for group, a, t in zip(others, apart, told, strict=True)
        }

    def _turned(self, metric: str, best: Group, group: Group, apart: Interval) -> str:
        """Why the best comes first, where another is better on the seeds in common."""
        if apart.mean > 0 if self.goals[metric] == "min" else apart.mean < 0:
            return ""
        is_whole = group.unfinished and not best.unfinished
        return "has finished all its runs" if is_whole else "has the best mean"

    # ------------------------------------------------------------ sentences

    @property
    def title(self) -> str:
        names = dict.fromkeys(str(run.facts["name"]) for run in self.runs)
        more = len(names) - _LISTED
        of = ", ".join([*names][:_LISTED]) + (f" and {more} more" * (more > 0))
        configs = verdict.count(len(self.groups), "config")
        return f"{of}: {configs}, {verdict.count(len(self.runs), 'run')}"

    def label(self, group: Group) -> str:
        """Its name, and what makes it another than the others where that is short."""
        if len(self.groups) < 2:
            return verdict.count(len(group.runs), "run")
        if len(self.keys) > _FEW:
            return group.name
        said = [f"{k.rpartition('.')[2]} {group.setting(k)}" for k in self.keys]
        return ": ".join([group.name, ", ".join(said)]) if said else group.name

    def verdicts(self) -> Iterator[str]:
        """A sentence for each metric that ranks two configs."""
        for metric, rivals in self.rivals.items():
            if rivals:
                yield f"{metric}: {self._verdict(metric, rivals)}"

    def _verdict(self, metric: str, rivals: Mapping[Group, verdict.Rival]) -> str:
        best = self.order[metric][0]
        if not best.has_mean(metric):
            return "none is best: no config has numbers of all its runs"
        second, beside = next(iter(rivals.items()))
        if not beside.apart.is_tested:
            open_ = f"whether it beats {second.name} is open"
            why = _no_interval(best, second, beside.apart)
            return f"{best.name} is best here, but {open_}: {why}"
        tested = [one for one in rivals.values() if one.apart.is_tested]
        said = [verdict.verdict(best.name, tested, best.folds), verdict.enough(tested)]
        return "; ".join(filter(None, [*said, self._alone(metric, best)]))

    def _alone(self, metric: str, best: Group) -> str:
        """Which others have a better mean, though of one run only; see `ranked`."""
        sign, order = 1 if self.goals[metric] == "min" else -1, self.order[metric]
        known = {group.name: group.interval(metric) for group in order}
        least = sign * known[best.name].mean
        few = [n for n, one in known.items() if one.n == 1 and sign * one.mean < least]
        better = "better values" if len(few) > 1 else "a better value"
        return f"of one run, {better}: {listed(few, _LISTED)}" if few else ""

    def meaning(self) -> Iterator[str]:
        """What the numbers mean, a sentence each."""
        units = max(len({run.unit for run in g.runs}) for g in self.groups)
        folds = max(group.folds for group in self.groups)
        drawn = any(run.drawn for run in self.runs)
        tested = (
            sum(one.apart.is_tested for one in rivals.values())
            for rivals in self.rivals.values()
        )
        return verdict.meaning(units, folds, drawn, max(tested, default=0))

    def notes(self) -> Iterator[str]:
        """What makes a comparison less than it seems."""
        if not share_data(self.runs):
            yield "trained on different data: the numbers are not of the same task"
        numerics = {run.facts["numerics"] for run in self.runs}
        if len(numerics) > 1:
            told = "; ".join(self._surroundings()) or "the kernels differ"
            yield f"computed with other numerics, equal up to last bits: {told}"
        for group in self.groups:
            if group.unfinished:
                left = [f"{run.path} {run.status}" for run in group.unfinished]
                yield f"{group.name}: not finished, and without a value: {_some(left)}"
            if lacking := [str(run.path) for run in group.runs if run.found is None]:
                what = "findings.json is gone, what was found is not known"
                yield f"{group.name}: {what}: {_some(lacking)}"
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

    @cached_property
    def overview(self) -> Rows:
        """The groups: how many runs, their seeds, and where they are."""
        rows = [["", "runs", "seeds", "folders"]]
        for group in self.groups:
            folders = [str(run.path) for run in group.runs]
            more = f" and {len(folders) - 1} more" if len(folders) > 1 else ""
            seeds = ", ".join(map(str, group.seeds))
            rows.append([group.name, str(len(folders)), seeds, folders[0] + more])
        return rows

    @cached_property
    def settings(self) -> Rows:
        """A row per differing key, a column per group."""
        heads = ["", *(group.name for group in self.groups)]
        rows = [[k, *(g.setting(k) for g in self.groups)] for k in self.keys]
        return _transposed([heads, *rows])

    @cached_property
    def results(self) -> Rows:
        """A row per metric and group: mean, interval, and the distance to the best."""
        several = len(self.groups) > 1
        heads = ["", "", "mean", "± 95 %"]
        rows = [heads + (["to the best", "± 95 % by itself", ""] if several else [])]
        for metric, order in self.order.items():
            for place, group in enumerate(order):
                known = group.interval(metric)
                row = ["" if place else metric, group.name]
                row += [verdict.number(known.mean), verdict.half(known)]
                rows.append(row + (self._behind(metric, group) if several else []))
        return rows

    def _behind(self, metric: str, group: Group) -> list[str]:
        if why := self.unranked[metric]:
            return ["", "", f"not ranked: {why}"]
        best = self.order[metric][0]
        if group is best:
            ranked = len(self.order[metric]) > 1 and best.has_mean(metric)
            return ["", "", "best" if ranked else ""]
        _, apart, is_told, turned = self.rivals[metric][group]
        if apart.agree:
            told = verdict.agree(best.folds)
        elif not apart.is_tested:
            told = _no_interval(best, group, apart)
        elif not is_told:
            told = "cannot be told apart"
        else:
            told = "better in pairs" if turned else "worse"
        return [_signed(apart.mean), verdict.half(apart), told]

    @cached_property
    def findings(self) -> Rows:
        """A row per finding, a column per group: how many of its runs have it."""
        heads = ["", *(group.name for group in self.groups)]
        rows = ([n, *(_having(g, n) for g in self.groups)] for n in self._found)
        return _transposed([heads, *rows])

    @cached_property
    def _found(self) -> list[str]:
        rows = [finding for run in self.runs for finding in run.found or ()]
        rows.sort(key=lambda f: (_SEVERITIES.index(f["severity"]), f["id"]))
        return list(dict.fromkeys(map(_called, rows)))

    def each(self, at: Path | None = None) -> Rows:
        """A row per run: its group, seed and status, and every number.

        Args:
            at: a folder from which runs that have pages of their own are linked to.
        """
        rows = [["", "", "seed", "status", *self.metrics]]
        for group in self.groups:
            for run in group.runs:
                seed, fold = run.unit
                unit = f"{seed}, fold {fold}" if run.folds > 1 else str(seed)
                values = [run.measures.get(name) for name in self.metrics]
                told = ["–" if v is None else verdict.number(v) for v in values]
                path = _linked(run.path, at) if at else str(run.path)
                rows.append([path, group.name, unit, run.status, *told])
        return rows

    def page(self, at: Path | None = None) -> bytes:
        """All of it as a page.

        Args:
            at: the folder of the page, which then links to those of its runs.
        """
        tables = {
            "Configs": self.overview,
            "What differs": self.settings,
            "Results": self.results,
            "Findings": self.findings,
            "Runs": self.each(at),
        }
        shown, which = self._shown()
        curves = {self.label(g): [_over_time(r) for r in g.runs] for g in shown}
        verdicts, notes = [*self.verdicts(), *self.meaning()], list(self.notes())
        told = Told(self.title, verdicts, notes, tables, curves, which)
        # A name may hold what no UTF-8 has: a lone surrogate stands for a bad byte.
        return comparison(told).encode("utf-8", "backslashreplace")

    def _shown(self) -> tuple[Sequence[Group], str]:
        """The groups whose curves are drawn, no more than there are colours."""
        most = len(SERIES)
        if len(self.groups) <= most:
            return self.groups, ""
        metric = next((n for n, why in self.unranked.items() if not why), None)
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
            "meaning": list(self.meaning()),
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
                "findings": run.found
                and [
                    {key: f[key] for key in ("id", "name", "severity", "primary")}
                    for f in run.found
                ],
            }
            for run in group.runs
        ]
        return {"seeds": group.seeds, "runs": runs}

    def _metric(self, name: str) -> Mapping[str, Any]:
        order, why = self.order[name], self.unranked[name]
        found = {}
        for group in order:
            known = group.interval(name)
            found[group.name] = {
                "mean": known.mean,
                "interval": [known.low, known.high],
            }
            if not why and group is not order[0]:
                _, apart, told, _ = self.rivals[name][group]
                found[group.name] |= {
                    "difference": apart.mean,
                    "difference_interval": [apart.low, apart.high],
                    "pairs": apart.n,
                    "told_from_best": told,
                }
        best = order[0].name if not why and order[0].has_mean(name) else None
        return {
            "goal": self.goals[name] or None,
            "not_ranked": why or None,
            "best": best,
            "groups": found,
        }


# ---------------------------------------------------------------- words


def placed(error: Error) -> str:
    """What was wrong, with the file and line where these are known."""
    return f"{error.place}: {error.message}" if error.place else error.message


def _some(told: Sequence[str]) -> str:
    more = len(told) - _LISTED
    return ", ".join(told[:_LISTED]) + (f", {more} more" * (more > 0))


def _linked(run: Path, at: Path) -> str:
    """Its folder, which leads to its page where it has one."""
    if not (run / REPORT).exists():
        return str(run)
    return Link(str(run), os.path.relpath(run / REPORT, at))


def _transposed(rows: Rows) -> Rows:
    """A row per group where their columns would be too many to be seen together."""
    many = len(rows[0]) > 1 + _BESIDE and len(rows) > 1
    return [list(column) for column in zip(*rows, strict=True)] if many else rows


def _no_interval(best: Group, other: Group, apart: Interval) -> str:
    """Why there is none between two, which are so far apart."""
    if best.folds != other.folds:
        return "other folds: no interval"
    unit = "seed and fold" if best.folds > 1 else "seed"
    if not apart.n:
        return f"no {unit} in common: no interval"
    if apart.n == 1:
        few = max(len(best.runs), len(other.runs)) == 1
        return verdict.ONE_SEED if few else f"one {unit} in common: no interval"
    return "not all are numbers: no interval"


def _called(finding: Mapping[str, Any]) -> str:
    return f"{finding['id']} {summary.title(finding)}"


def _having(group: Group, name: str) -> str:
    """`error, primary`; of several runs `error in 2 of 3, primary in 1`."""
    found = [run.found for run in group.runs if run.found is not None]
    if not found:
        return "not known"
    if not any(run.facts.get("diagnosis") or run.found for run in group.runs):
        return "not diagnosed"
    rows = [[f for f in of if _called(f) == name] for of in found]
    severities = [f["severity"] for of in rows for f in of]
    if not severities:
        return "–"
    worst = min(severities, key=_SEVERITIES.index)
    primary = sum(bool(f["primary"]) for of in rows for f in of)
    if len(group.runs) == 1:
        return f"{worst}{', primary' if primary else ''}"
    told = f"{worst} in {sum(map(bool, rows))} of {len(found)}"
    return told + (f", primary in {primary}" if primary else "")


def _signed(value: float) -> str:
    return "" if math.isnan(value) else f"{value:+.3g}"


def _over_time(run: Run) -> Columns:
    """The metrics of a run, with their time by its plan."""
    return timed(run.metrics, run.facts.get("planned", {}).get("steps_per_epoch"))
