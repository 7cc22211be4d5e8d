"""A sweep: points, trials, and what came of them, in one folder.

    sweep.yaml   what was asked for      base.yaml   the config that is varied
    data.sha256  of the data
    trials/0001.yaml                     a point's config
    trials/0001-seed-0/                  the run of a point with one seed
    table.csv, best.yaml, report.html    the result

The folder says all there is to know: a sweep that is begun again reads its trials and
trains what is missing. So the result is a function of the config alone, whatever the
number of workers, whoever of them died, and however often all were stopped.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from nettrain.component import dump
from nettrain.config import resolve
from nettrain.disk import Disk
from nettrain.errors import Error
from nettrain.experiment import signals
from nettrain.experiment.schema import Experiment
from nettrain.experiment.setup import OF_BATCHES
from nettrain.experiment.status import open_run
from nettrain.record import lock
from nettrain.record.folder import BEST, REPORT, RUN, TABLE, TRIALS
from nettrain.study import begun
from nettrain.study.begun import STOP
from nettrain.study.folders import aside
from nettrain.study.intervals import Interval
from nettrain.study.methods import Try
from nettrain.study.plan import Plan, unit_overrides
from nettrain.study.points import Base, Point, plain_text
from nettrain.study.report import page
from nettrain.study.results import (
    UNFINISHED,
    Results,
    Score,
    Unit,
    score,
)
from nettrain.study.settings import Sweep
from nettrain.study.space import Values
from nettrain.study.verdict import count, half
from nettrain.study.workers import Done, Trial, performed

_LOOK = 0.1
"""Seconds between two looks for a signal."""
_REFUSED = ("disk-full", "disk-io", "disk-permission", "locked-run", "run-data-changed")
"""Errors of a trial that say nothing of its point."""
_DAMAGED = ("run-damaged", "run-incomplete")
"""Those that say nothing but that its folder cannot be gone on with."""
_NOT_ROWS = ("augment", *OF_BATCHES)
"""Settings of the data that raw rows do not depend on."""


class Watcher(Protocol):
    """Sees a sweep go on."""

    def begins(self, plan: Plan, path: Path, notes: Sequence[str]) -> None:
        """It is about to train what is not trained yet, in this folder.

        Args:
            notes: what is asked for beyond what the folder was begun for, and which
                other one was begun for all that is asked for and more.
        """

    def planned(self, trials: int) -> None:
        """So many trials are known by now."""

    def done(self, name: str, found: Score) -> None:
        """A trial has come to its end or pause, now or before."""

    def running(self, folders: Sequence[Path]) -> None:
        """These may be trained at this moment; called now and then."""


class Interrupted(Exception):
    """A signal came; all trials are saved."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@dataclass
class _Known:
    """A point and how far it has come.

    Attributes:
        until: percent of its plan.
        scores: by unit, of this length.
    """

    point: Point
    until: float = 0.0
    scores: dict[Unit, Score] = field(default_factory=dict)


def sweep(
    source: Path | str,
    overrides: Sequence[str] = (),
    *,
    out: Path | str | None = None,
    workers: int | None = None,
    plugins: Sequence[str] = (),
    watch: Watcher,
) -> tuple[Path, Results]:
    """Train all trials of a sweep that are not trained yet.

    Args:
        source: the sweep's config.
        overrides: of it, such as `seeds=5`.
        out: its folder; `runs/NAME/NUMBER` where none is given, which is that of the
            same sweep if there is one.
        workers: goes before the config's.
        plugins: files that register components.
        watch: sees it go on.

    Returns:
        The folder, and what came of it.

    Raises:
        Error: where the config is wrong, or the folder holds anything else.
        Interrupted: by a signal, once all trials are saved.
    """
    base = Base.read(source, overrides)
    plan = Plan.of(base, workers)
    disk = Disk()
    path, larger = begun.folder(base, out, disk)
    files = tuple(str(Path(plugin).absolute()) for plugin in plugins)
    with lock.held(disk, path):
        changes = begun.begin(base, plan.data, path, disk)
        notes = [f"goes on: {change}" for change in changes]
        watch.begins(plan, path, [*notes, *larger])
        results = _Sweeping(plan, path, disk, files, watch).results()
        _conclude(results, base.sweep, path, disk)
        return path, results


def _conclude(results: Results, sweep: Sweep, path: Path, disk: Disk) -> None:
    """Write what came of it."""
    best = results.best
    if best is None:
        disk.remove(path / BEST)
    else:
        disk.replace(path / BEST, (_headline(results) + best.point.text).encode())
    disk.replace(path / TABLE, results.csv().encode())
    told = page(sweep.name, results, sweep.space, path / TRIALS)
    disk.replace(path / REPORT, told.encode())


def _headline(results: Results) -> str:
    best = results.best
    assert best is not None
    known, told = best.interval, ""
    if not math.isnan(known.half):
        told = f" {half(known)} (95 %)"
    runs = count(len(results.units), "run")
    return (
        f"# Point {best.point.number} of {len(results.rows)}, the best by "
        f"{results.metric}: {known.mean:.6g}{told} over {runs}.\n"
    )


# ---------------------------------------------------------------- the trials


@dataclass
class _Sweeping:
    """The trials of one sweep.

    Attributes:
        known: the points so far, by what their values are written as.
        data: by settings of the data, their hash and a trial that has it.
    """

    plan: Plan
    path: Path
    disk: Disk
    plugins: tuple[str, ...]
    watch: Watcher
    known: dict[str, _Known] = field(default_factory=dict)
    data: dict[str, tuple[str, Path]] = field(default_factory=dict)

    def results(self) -> Results:
        """Train generation after generation; what came of all of them."""
        plan, sweep = self.plan, self.plan.base.sweep
        generations = sweep.method.generations(sweep.space)
        with contextlib.suppress(StopIteration):
            tries = next(generations)
            while True:
                tries = generations.send(self._losses(tries))
        return Results.of(
            sweep.space,
            plan.units,
            plan.metric,
            plan.goal,
            sweep.folds or 1,
            (
                (known.point, known.until, [known.scores[unit] for unit in plan.units])
                for known in self.known.values()
            ),
        )

    def _losses(self, tries: Sequence[Try]) -> list[float]:
        """Train a generation; by try the mean of the objective, lower being better."""
        asked = [(self._point(one.values), one.until) for one in tries]
        for known, until in asked:
            if until > known.until:
                known.until, known.scores = until, {}
        self._train([known for known in self.known.values() if not known.scores])
        return [self._loss(known) for known, _ in asked]

    def _loss(self, known: _Known) -> float:
        values = [known.scores[unit].value for unit in self.plan.units]
        mean = Interval.of(values).mean
        if not math.isfinite(mean):
            return math.inf
        return mean if self.plan.goal == "min" else -mean

    def _point(self, given: Values) -> _Known:
        """The point with these values: the one there is, or a new one."""
        written = repr(given)
        if written not in self.known:
            point = self.plan.base.point(len(self.known) + 1, given)
            path, text = self._config(point), point.text.encode()
            if not path.exists() or self.disk.read(path) != text:
                if _is_another(path, point):
                    self._set_aside(point)
                self.disk.replace(path, text)
            self.known[written] = _Known(point)
        return self.known[written]

    def _set_aside(self, point: Point) -> None:
        """Keep the runs of another point, which had this one's number, as they are.

        What failed before and does not fail now leads a method to other points.
        """
        begun.refuse_other_points(self.plan.base.sweep, self.path, self.disk)
        for unit in self.plan.units:
            folder = self._run(point, unit)
            if self.disk.exists(folder):
                self.disk.rename(folder, aside(folder))
        self.disk.fsync_folder(self.path / TRIALS)

    def _config(self, point: Point) -> Path:
        return self.path / TRIALS / f"{point.name}.yaml"

    def _run(self, point: Point, unit: Unit) -> Path:
        return self.path / TRIALS / f"{point.name}-{unit.name}"

    def _train(self, points: Sequence[_Known]) -> None:
        """Train these points as far as they are to go, if they are not there yet.

        What is killed is tried once more when the others are done: it may have been for
        memory that all of them needed. So is what has a damaged folder, in a new one.
        """
        left: dict[Path, tuple[_Known, Unit]] = {}
        self.watch.planned(len(points) * len(self.plan.units))
        for known in points:
            for unit in self.plan.units:
                folder = self._run(known.point, unit)
                found = self._score(known, folder)
                if found.status == UNFINISHED:
                    left[folder] = known, unit
                elif other := self._other_data(known, unit, folder):
                    raise other
                else:
                    self._came(known, unit, found)
        for is_last in (False, True):
            again: dict[Path, tuple[_Known, Unit]] = {}
            for done in self._performed(left):
                known, unit = left[done.folder]
                found = self._score(known, done.folder)
                damaged = done.error is not None and done.error.code in _DAMAGED
                has_another = not is_last and (damaged or bool(done.signal))
                if found.status != UNFINISHED or not has_another:
                    self._came(known, unit, self._judged(found, done))
                    continue
                if damaged:
                    self.disk.rename(done.folder, aside(done.folder))
                again[done.folder] = known, unit
            left = again

    def _came(self, known: _Known, unit: Unit, found: Score) -> None:
        """Keep what came of a trial, and tell it."""
        known.scores[unit] = found
        self.watch.done(self._run(known.point, unit).name, found)

    def _score(self, known: _Known, folder: Path) -> Score:
        return score(folder, known.point.experiment, self.plan.metric, known.until)

    def _judged(self, found: Score, done: Done) -> Score:
        """What came of a trial that a worker gave back and that is not begun again."""
        if found.status != UNFINISHED:
            return found
        if done.timeout and not done.error:
            limit = self.plan.base.sweep.limit
            return Score("timeout", why=f"it was not done after {limit:g} minutes")
        killed = f"it was killed twice, by {done.signal}" if done.signal else ""
        silent = f"its process ended without a word, with code {done.code}"
        here = f"{self.path.absolute()}/"
        why = killed or done.told.strip() or found.why or silent
        if error := done.error:
            why, place = str(error), error.place
            if place and not place.file.startswith(here):
                # A file's name alone: a line has little room for its path.
                file = re.sub(r"(:\d+)*$", "", place.file)
                why = why.replace(file, Path(file).name)
        return Score("failed", why=why.replace(here, ""))

    def _other_data(self, known: _Known, unit: Unit, folder: Path) -> Error | None:
        """The error for a trial on other data than another one with the same settings.

        They may have been changed, and put back, while trials were running.
        """
        experiment = known.point.experiment
        data = {k: v for k, v in dump(experiment.data).items() if k not in _NOT_ROWS}
        asked = repr((data, experiment.loss.task, experiment.dtype, unit.seed))
        _, facts = open_run(folder)
        sha256, other = self.data.setdefault(asked, (facts["data_sha256"], folder))
        if facts["data_sha256"] == sha256:
            return None
        message = f"{folder} was trained on other data than {other}"
        fix = "put the data back, remove the trial that had others, and go on"
        return Error("run-data-changed", message, fix=fix)

    def _trial(self, known: _Known, unit: Unit, folder: Path) -> Trial:
        sweep = self.plan.base.sweep
        return Trial(
            folder.absolute(),
            self._config(known.point).absolute(),
            unit_overrides(sweep, unit),
            known.until,
            self.plugins,
            60 * sweep.limit if sweep.limit else None,
            (self.path / STOP).absolute(),
            os.getpid() if sweep.backend == "loky" else None,
        )

    def _performed(self, asked: Mapping[Path, tuple[_Known, Unit]]) -> Iterator[Done]:
        """Have trials run, by folder; a signal ends them all, and then this.

        Raises:
            Interrupted: by a signal.
            Error: where the disk or another process kept a trial from being saved, or
                its data are others: that says nothing of its point, and the next ones
                would meet it too.
        """
        trials = [self._trial(*whose, folder) for folder, whose in asked.items()]
        left = {trial.folder: trial for trial in trials}
        refused: Error | None = None
        with signals.listening() as interruption, self._passing_on(interruption, left):
            backend = self.plan.base.sweep.backend
            for done in performed(trials, self.plan.workers, backend):
                del left[done.folder]
                folder = self.path / TRIALS / done.folder.name
                refused = refused or _refused(done)
                if not (refused or done.code) and (folder / RUN).exists():
                    refused = self._other_data(*asked[folder], folder)
                if refused:
                    with contextlib.suppress(OSError):
                        (self.path / STOP).touch()
                elif not interruption():
                    yield dataclasses.replace(done, folder=folder)
            if interruption():
                raise Interrupted(interruption.number)
            if refused:
                raise refused

    @contextlib.contextmanager
    def _passing_on(
        self, interruption: signals.Interruption, left: Mapping[Path, Trial]
    ) -> Iterator[None]:
        """Inside, a signal becomes the file that workers look for."""
        over = threading.Event()

        def look() -> None:
            while not over.wait(_LOOK):
                if interruption():
                    self._end_trials(interruption.number)
                    return
                self.watch.running(list(left)[: 2 * abs(self.plan.workers)])

        looking = threading.Thread(target=look, daemon=True)
        looking.start()
        try:
            yield
        finally:
            over.set()
            looking.join()
            self.disk.remove(self.path / STOP)

    def _end_trials(self, number: int) -> None:
        try:
            (self.path / STOP).touch()
        except OSError:  # the end of this process tells them too
            os._exit(128 + number)


def _refused(done: Done) -> Error | None:
    """What kept a trial from being saved, if it was not the trial itself."""
    if done.error is None or done.error.code not in _REFUSED:
        return None
    fix = "mend that and give the same command again: what is saved is not trained anew"
    return Error(done.error.code, done.error.message, fix=fix)


def _is_another(path: Path, point: Point) -> bool:
    """Whether a file is the config of another point; a damaged one is none."""
    try:
        before = resolve(path, schema=Experiment).build()
    except Error:
        return False
    return plain_text(before) != plain_text(point.experiment)
