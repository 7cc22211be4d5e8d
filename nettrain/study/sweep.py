"""A sweep: points, trials, and what came of them, in one folder.

    sweep.yaml   what was asked for      base.yaml   the config that is varied
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
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from nettrain.config import resolve
from nettrain.disk import Disk
from nettrain.errors import Error
from nettrain.experiment import available, memory, signals
from nettrain.experiment.schema import Experiment
from nettrain.experiment.setup import Setup, set_up
from nettrain.record import lock
from nettrain.record.folder import check_name, numbered, numbers
from nettrain.study.intervals import Interval
from nettrain.study.methods import Try
from nettrain.study.points import Base, Point, values
from nettrain.study.report import page
from nettrain.study.results import (
    UNFINISHED,
    Results,
    Score,
    Unit,
    aim,
    score,
)
from nettrain.study.settings import Sweep
from nettrain.study.space import Values
from nettrain.study.workers import Done, Trial, cores, performed

SWEEP, BASE, TABLE, BEST = "sweep.yaml", "base.yaml", "table.csv", "best.yaml"
TRIALS = "trials"
REPORT = "report.html"
_STOP = ".stop"
_WHOLE = (SWEEP, BASE, TABLE, BEST, REPORT)
_OURS = {lock.LOCK, _STOP, TRIALS, *_WHOLE, *(f".{name}.tmp" for name in _WHOLE)}
_LOOK = 0.1
"""Seconds between two looks for a signal."""
_PATIENCE = 60.0
"""Seconds that trials have to end whose sweep is gone."""
_PROCESSES = 270_000_000
"""Bytes of a trial before it has any data, and of the process that waits for it."""


class Watcher(Protocol):
    """Sees a sweep go on."""

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
    metric, at_once = _planned(base)
    _check_first(base)
    disk = Disk()
    path = _folder(base, out, disk)
    with lock.held(disk, path):
        _begin(base, path, disk)
        run = _Sweeping(
            base,
            path,
            disk,
            metric,
            aim(base.sweep.objective.goal, metric, base.experiment),
            _units(base.sweep, base.experiment.seed),
            workers or at_once,
            tuple(str(Path(plugin).absolute()) for plugin in plugins),
            watch,
        )
        results = run.results()
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


def _planned(base: Base) -> tuple[str, int]:
    """The objective, and how many trials are to run at the same time."""
    setup = set_up(base.config_path)
    metric = _checked_metric(base, setup)
    return metric, _workers(base.sweep, setup)


def _check_first(base: Base) -> None:
    """Tell mistakes in the first generation before a folder is made."""
    for one in next(base.sweep.method.generations(base.sweep.space)):
        base.point(0, one.values)


def _checked_metric(base: Base, setup: Setup) -> str:
    """The objective, which the base config has to compute."""
    metric, parts = base.sweep.objective.metric, setup.dataset.parts
    part, _, name = metric.partition("/")
    numbers = [m.registered_name for m in setup.experiment.metrics if not m.is_table]
    known = ["loss", *numbers]
    place = base.resolved.place(("objective", "metric"))
    if name not in known:
        message = f'the base config does not compute "{name}"'
        fix = f"it computes {', '.join(known)}; add others to its metrics"
        raise Error("config-value", message, place=place, fix=fix)
    if part not in parts and not base.sweep.folds:
        message = "the base config keeps no rows for validation"
        fix = "say data.split: {validation: 0.15} there, or folds: 5 here"
        raise Error("config-value", message, place=place, fix=fix)
    return metric


def _units(sweep: Sweep, first: int) -> tuple[Unit, ...]:
    folds = range(1, sweep.folds + 1) if sweep.folds else (None,)
    return tuple(
        Unit(seed, fold) for seed in range(first, first + sweep.seeds) for fold in folds
    )


def _workers(sweep: Sweep, setup: Setup) -> int:
    """How many trials run at the same time: as cores and memory allow, at least one."""
    if sweep.workers != "auto":
        return sweep.workers
    if sweep.backend != "loky":
        return -1  # as many as the cluster has
    at_once, need = cores(setup.experiment.threads), memory.predict(setup)
    if need.limit is not None:
        free = need.limit.nbytes - available.held()
        parts = setup.dataset.parts.values()
        data = sum(part.inputs.nbytes + part.targets.nbytes for part in parts)
        arrays = max(s.nbytes - s.terms[memory.HELD] for s in need.stages)
        at_once = min(at_once, free // (_PROCESSES + data + arrays))
    return max(1, at_once)


# ---------------------------------------------------------------- the folder


def _folder(base: Base, out: Path | str | None, disk: Disk) -> Path:
    """The folder of this sweep: that of the same one, or a new one."""
    if out is not None:
        disk.make_folders(Path(out))
        _refuse_foreign(Path(out), disk)
        return Path(out)
    parent = Path("runs") / check_name(base.sweep.name)
    for number in sorted(numbers(disk, parent), reverse=True):
        path = parent / str(number)
        if (path / SWEEP).exists():
            with contextlib.suppress(Error):  # a damaged one is another one
                if _changed(base, path) is None:
                    return path
    return numbered(disk, parent)


def _begin(base: Base, path: Path, disk: Disk) -> None:
    """Write what was asked for, or see that it is the same as before."""
    if (path / SWEEP).exists():
        changed = _changed(base, path)
        if changed is not None:
            message = f"{path} holds another sweep: {changed} is not what it was"
            raise Error("run-exists", message, fix="choose another folder with --out")
        _end_leftovers(path, disk)
    else:
        _refuse_foreign(path, disk)
        disk.make_folders(path / TRIALS)
        disk.replace(path / BASE, base.text().encode())
        disk.replace(path / SWEEP, base.sweep_text().encode())
    disk.remove(path / _STOP)


def _refuse_foreign(path: Path, disk: Disk) -> None:
    """Nothing is written, not even a lock, beside what is none of ours."""
    foreign = [name for name in disk.list(path) if name not in _OURS]
    if foreign and not (path / SWEEP).exists():
        message = f"{path} is no sweep and holds {', '.join(foreign[:3])}"
        raise Error("run-not-empty", message, fix="choose another folder")


def _end_leftovers(path: Path, disk: Disk) -> None:
    """Have trials end whose sweep is gone: a cluster does not notice that at once."""
    give_up = time.monotonic() + _PATIENCE
    trials = [path / TRIALS / name for name in disk.list(path / TRIALS)]
    left = [trial for trial in trials if (trial / lock.LOCK).exists()]
    while left := [trial for trial in left if _is_held(trial, disk)]:
        (path / _STOP).touch()
        if time.monotonic() > give_up:
            message = f"{left[0]} is in use by another process"
            raise Error("locked-run", message, fix="wait for it, or stop it")
        time.sleep(_LOOK)


def _is_held(folder: Path, disk: Disk) -> bool:
    try:
        with lock.held(disk, folder):
            return False
    except Error as error:
        return error.code == "locked-run"


def _changed(base: Base, path: Path) -> str | None:
    """The config that is not what it was when the folder was begun."""
    before: Sweep = resolve(path / SWEEP, schema=Sweep).build()
    if _identity(before) != _identity(base.sweep):
        return base.resolved.tree.origin.source.name
    known = resolve(path / BASE, schema=Experiment).build()
    same = values(known) == values(base.experiment)
    return None if same else base.sweep.base


def _identity(sweep: Sweep) -> Mapping[str, str]:
    """All of it but what cannot change the result, and the base, which is compared."""
    same = dataclasses.replace(sweep, workers="auto", backend="loky", limit=None)
    return {key: repr(value) for key, value in vars(same).items() if key != "base"}


def _headline(results: Results) -> str:
    best = results.best
    assert best is not None
    mean, half = best.interval.mean, best.interval.half
    told = f" ± {half:.2g} (95 %)" if not math.isnan(half) else ""
    return (
        f"# Point {best.point.number} of {len(results.rows)}, the best by "
        f"{results.metric}: {mean:.6g}{told} over {len(results.units)} runs.\n"
    )


# ---------------------------------------------------------------- the trials


@dataclass
class _Sweeping:
    """The trials of one sweep.

    Attributes:
        known: the points so far, by what their values are written as.
        worst: what is to be said of trials that failed, by folder.
    """

    base: Base
    path: Path
    disk: Disk
    metric: str
    goal: str
    units: tuple[Unit, ...]
    workers: int
    plugins: tuple[str, ...]
    watch: Watcher
    known: dict[str, _Known] = field(default_factory=dict)

    def results(self) -> Results:
        """Train generation after generation; what came of all of them."""
        space, method = self.base.sweep.space, self.base.sweep.method
        generations = method.generations(space)
        with contextlib.suppress(StopIteration):
            tries = next(generations)
            while True:
                tries = generations.send(self._losses(tries))
        return Results.of(
            space,
            self.units,
            self.metric,
            self.goal,
            self.base.sweep.folds or 1,
            (
                (known.point, known.until, [known.scores[unit] for unit in self.units])
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
        mean = Interval.of([known.scores[unit].value for unit in self.units]).mean
        if not math.isfinite(mean):
            return math.inf
        return mean if self.goal == "min" else -mean

    def _point(self, given: Values) -> _Known:
        """The point with these values: the one there is, or a new one."""
        written = repr(given)
        if written not in self.known:
            point = self.base.point(len(self.known) + 1, given)
            path, text = self._config(point), point.text.encode()
            if not path.exists() or self.disk.read(path) != text:
                self.disk.replace(path, text)
            self.known[written] = _Known(point)
        return self.known[written]

    def _config(self, point: Point) -> Path:
        return self.path / TRIALS / f"{point.name}.yaml"

    def _run(self, point: Point, unit: Unit) -> Path:
        return self.path / TRIALS / f"{point.name}-{unit.name}"

    def _train(self, points: Sequence[_Known]) -> None:
        """Train these points as far as they are to go, if they are not there yet."""
        trials, whose = [], {}
        self.watch.planned(len(points) * len(self.units))
        for known in points:
            for unit in self.units:
                folder = self._run(known.point, unit)
                found = self._score(known, folder)
                if found.status == UNFINISHED:
                    trials.append(self._trial(known, unit, folder))
                    whose[folder] = known, unit
                else:
                    known.scores[unit] = found
                    self.watch.done(folder.name, found)
        for done in self._performed(trials):
            known, unit = whose[done.folder]
            found = known.scores[unit] = self._outcome(known, done)
            self.watch.done(done.folder.name, found)

    def _score(self, known: _Known, folder: Path) -> Score:
        return score(folder, known.point.experiment, self.metric, known.until)

    def _outcome(self, known: _Known, done: Done) -> Score:
        """What came of a trial that a worker gave back."""
        found = self._score(known, done.folder)
        if found.status != UNFINISHED:
            return found
        if done.timeout:
            limit = self.base.sweep.limit
            return Score("timeout", why=f"it was not done after {limit:g} minutes")
        killed = f"it was killed by signal {-done.code}" if done.code < 0 else ""
        why = done.told.strip() or killed or found.why or "it was not trained"
        return Score("failed", why=why)

    def _trial(self, known: _Known, unit: Unit, folder: Path) -> Trial:
        overrides = [f"seed={unit.seed}"]
        if unit.fold is not None:
            cut = {"validation": 0, "folds": self.base.sweep.folds, "fold": unit.fold}
            overrides += [f"data.split.{key}={value}" for key, value in cut.items()]
        limit = self.base.sweep.limit
        return Trial(
            folder.absolute(),
            self._config(known.point).absolute(),
            tuple(overrides),
            known.until,
            self.plugins,
            60 * limit if limit else None,
            (self.path / _STOP).absolute(),
            os.getpid() if self.base.sweep.backend == "loky" else None,
        )

    def _performed(self, trials: Sequence[Trial]) -> Iterator[Done]:
        """Have the trials run; a signal ends them all, and then this.

        Raises:
            Interrupted: by a signal.
        """
        left = {trial.folder: trial for trial in trials}
        with signals.listening() as interruption, self._passing_on(interruption, left):
            for done in performed(trials, self.workers, self.base.sweep.backend):
                del left[done.folder]
                if not interruption():
                    yield dataclasses.replace(
                        done, folder=self.path / TRIALS / done.folder.name
                    )
            if interruption():
                raise Interrupted(interruption.number)

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
                self.watch.running(list(left)[: 2 * abs(self.workers)])

        looking = threading.Thread(target=look, daemon=True)
        looking.start()
        try:
            yield
        finally:
            over.set()
            looking.join()
            self.disk.remove(self.path / _STOP)

    def _end_trials(self, number: int) -> None:
        try:
            (self.path / _STOP).touch()
        except OSError:  # the end of this process tells them too
            os._exit(128 + number)
