"""What came of a sweep's trials, from their run folders alone, and their order."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from nettrain.config.writer import inline
from nettrain.errors import Error
from nettrain.experiment.schema import Experiment
from nettrain.experiment.status import open_run
from nettrain.record.folder import RUN
from nettrain.record.metrics import columns
from nettrain.span import Span
from nettrain.study.epochs import read_ends
from nettrain.study.intervals import Interval, difference, told_apart
from nettrain.study.points import Point
from nettrain.study.verdict import Rival
from nettrain.training.outcome import has_loss, in_row, kept

UNFINISHED, FINISHED = "unfinished", "finished"
_MOST = 120
"""Characters of a reason."""
_SAID = re.compile(r"^(?:error\[[^\]]*\]|\w*(?:Error|Exception|Warning):) ?(.+)", re.M)


@dataclass(frozen=True)
class Unit:
    """One of the runs of a point.

    Attributes:
        seed: of the run.
        fold: of the cross-validation, where there is one.
    """

    seed: int
    fold: int | None = None

    @property
    def label(self) -> str:
        return f"seed {self.seed}" + (f" fold {self.fold}" if self.fold else "")

    @property
    def name(self) -> str:
        return self.label.replace(" ", "-")


@dataclass(frozen=True)
class Score:
    """What came of one trial.

    Attributes:
        status: finished (as far as it was to go), unfinished, diverged, failed or
            timeout.
        value: of the objective; NaN where there is none.
        why: what is to be said of a failure.
    """

    status: str
    value: float = math.nan
    why: str = ""


def score(folder: Path, experiment: Experiment, metric: str, until: float) -> Score:
    """The objective's value of the model that a run gives.

    Args:
        folder: of the run.
        experiment: its config.
        metric: such as `validation/accuracy`.
        until: percent of the plan after which it is judged.
    """
    if not (folder / RUN).exists():
        return Score(UNFINISHED)
    try:
        run, status = open_run(folder)
        found = columns(read_ends(run.disk, run.metrics))
    except Error as error:  # half-written or damaged: resuming mends or names it
        return Score(UNFINISHED, why=str(error))
    if "planned" not in status:
        return Score(UNFINISHED)
    steps = found.get("step")
    plan, made = status["planned"], int(steps[-1]) if steps is not None else 0
    last = ends_at(until, plan["steps"], max(1, plan["steps_per_epoch"]))
    # What is finished has all its rows, unless its file was cut: that is mended.
    over = status["status"] == "finished" and made >= status["step"]
    diverged = status["status"] == "diverged"
    if made < last and not over and not diverged:
        return Score(UNFINISHED)
    skips = experiment.train.on_nonfinite == "skip"
    if not over and not has_loss(found, last, experiment.train.stop, skips):
        why = f"the loss is not finite after step {last}"
        return Score("diverged", why=status.get("reason", "") if diverged else why)
    row = kept(found, experiment.train.stop, experiment.metrics, last)
    name = in_row(metric)
    if row is None or name not in found:
        return Score("failed", why=f"the run has no {metric}")
    return Score(FINISHED, float(found[name][row]))


def ends_at(until: float, steps: int, per_epoch: int) -> int:
    """The step at which a run pauses; see `Plan.pauses_at`."""
    return min(steps, Span(until, "%").epochs(per_epoch, steps))


@dataclass(frozen=True)
class Row:
    """A point and what came of it.

    Attributes:
        point: the point.
        until: percent of its plan that it was trained for.
        scores: of each unit.
        interval: of their values; NaN where one has none.
    """

    point: Point
    until: float
    scores: tuple[Score, ...]
    interval: Interval

    @property
    def values(self) -> list[float]:
        return [one.value for one in self.scores]

    @property
    def length(self) -> str:
        """How long it was trained: `3 of 10 epochs`."""
        epochs = self.point.experiment.train.epochs
        if epochs is None:
            return f"{self.until:.3g} %"
        return f"{Span(self.until, '%').epochs(1, epochs)} of {epochs} epochs"

    @property
    def status(self) -> str:
        """The worst of its trials'."""
        order = ("failed", "timeout", "diverged", UNFINISHED, FINISHED)
        return min((one.status for one in self.scores), key=order.index)


@dataclass(frozen=True)
class Results:
    """All points of a sweep, the best first.

    Attributes:
        keys: of the space.
        units: the runs of each point.
        metric: the objective.
        goal: min or max.
        folds: of the cross-validation; 1 without one.
        rows: the points that were trained longest come first, and of these the best;
            at the end those without a value, in their order.
    """

    keys: tuple[str, ...]
    units: tuple[Unit, ...]
    metric: str
    goal: str
    folds: int
    rows: tuple[Row, ...]

    @classmethod
    def of(
        cls,
        keys: Iterable[str],
        units: Sequence[Unit],
        metric: str,
        goal: str,
        folds: int,
        found: Iterable[tuple[Point, float, Sequence[Score]]],
    ) -> Results:
        rows = [
            Row(
                point,
                until,
                tuple(scores),
                Interval.of([s.value for s in scores], folds),
            )
            for point, until, scores in found
        ]
        sign = 1 if goal == "min" else -1

        def order(row: Row) -> tuple[bool, float, float, int]:
            mean = row.interval.mean
            none = math.isnan(mean)
            return none, -row.until, 0.0 if none else sign * mean, row.point.number

        ordered = tuple(sorted(rows, key=order))
        return cls(tuple(keys), tuple(units), metric, goal, folds, ordered)

    @property
    def best(self) -> Row | None:
        """The first, unless even that has no value."""
        first = self.rows[0] if self.rows else None
        return None if first is None or math.isnan(first.interval.mean) else first

    def behind(self, row: Row) -> Interval:
        """By how much a row falls behind the best one, paired by seed and fold.

        Positive is worse. Of a row trained for less long, or without a value: NaN.
        """
        best = self.best
        if best is None or row.until < best.until or math.isnan(row.interval.mean):
            return Interval(math.nan, math.nan)
        sign = 1 if self.goal == "min" else -1
        worse, better = ([sign * v for v in r.values] for r in (row, best))
        return difference(worse, better, self.folds)

    @cached_property
    def rivals(self) -> Mapping[int, Rival]:
        """The points that have pairs with the best, by number, in the order of rows."""
        behind = {
            row.point.number: apart
            for row in self.rows
            if row is not self.best and (apart := self.behind(row)).is_tested
        }
        told = told_apart([*behind.values()])
        return {
            number: Rival(f"point {number}", apart, is_told)
            for (number, apart), is_told in zip(behind.items(), told, strict=True)
        }

    def csv(self) -> str:
        """`table.csv`: a row per point, every number exact."""
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        head = ["rank", "point", *self.keys, "trained_percent", "status"]
        labels = [unit.label for unit in self.units]
        table.writerow([*head, "mean", "low", "high", *labels, "why"])
        for rank, row in enumerate(self.rows, 1):
            values = [inline(value) for value in row.point.values]
            known = row.interval
            numbers = (known.mean, known.low, known.high, *row.values)
            table.writerow(
                [rank, row.point.number, *values, f"{row.until:.6g}", row.status]
                + ["" if math.isnan(n) else repr(float(n)) for n in numbers]
                + [reason(self, row)]
            )
        return text.getvalue()


def reason(results: Results, row: Row) -> str:
    """Of the first trial that is to blame, in one line: `seed 1: it was killed twice`.

    Empty where all trials of the point came to their end.
    """
    for unit, found in zip(results.units, row.scores, strict=True):
        if found.status == row.status and found.why:
            which = f"{unit.label}: " if len(results.units) > 1 else ""
            return which + short(found.why)
    return ""


def short(why: str) -> str:
    """The line of a text, which may be a traceback, that says what was wrong."""
    lines = _SAID.findall(why) or why.strip().splitlines()[-1:]
    line = lines[-1].strip() if lines else ""
    return line if len(line) <= _MOST else f"{line[: _MOST - 1]}…"
