"""What a sweep comes to before anything is trained, with every mistake at its line.

`nettrain check` shows it, and `nettrain sweep` begins with it.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nettrain.component import closest, dump, listed, registered
from nettrain.config.replaced import replaced
from nettrain.data.dataset import Dataset, prepare
from nettrain.data.settings import DataConfig
from nettrain.errors import Error, raise_all
from nettrain.experiment import available
from nettrain.experiment.available import Limit
from nettrain.experiment.schema import Experiment
from nettrain.experiment.setup import OF_BATCHES, Setup, set_up
from nettrain.study.greediest import Greediest, ends
from nettrain.study.methods import Halving, Try
from nettrain.study.points import Base
from nettrain.study.results import Unit
from nettrain.study.settings import Sweep
from nettrain.study.space import ENDS, Axis, Range, Values
from nettrain.study.workers import check_backend, cores
from nettrain.training.metrics import Metric
from nettrain.training.outcome import goal

LOOKED_AT = 300
"""Points of a generation whose configs are made beforehand; of more only some are."""


@dataclass(frozen=True)
class Varied:
    """One key that a sweep varies.

    Attributes:
        key: of the base.
        kind: of range; `list` for a list.
        values: the list, or the two ends of the range.
        count: how many values are tried at most; None for all numbers of a range.
        own: the base's value; `...` where it has none at this key.
    """

    key: str
    kind: str
    values: tuple[Any, ...]
    count: int | None
    own: Any

    @property
    def is_cut(self) -> bool:
        """Whether of its values only some are looked at where there are more points."""
        return self.kind == "list" and len(ends(self.values)) not in (2, self.count)


@dataclass(frozen=True)
class Plan:
    """What a sweep will do.

    Attributes:
        base: both configs.
        axes: the keys that it varies.
        asked: how many points the method tries, equal ones too.
        points: how many different ones are trained.
        exact: whether so many are known to be; else they are the most.
        rungs: of halving, how many points are trained until which percent; else empty.
        units: the runs of each point.
        metric: the objective.
        goal: min or max.
        greediest: what no trial takes more of.
        limit: what bounds the memory; None where nothing is known to.
        room: for how many such trials there is memory; None where not known.
        beside: for how many of those that fit.
        workers: trials at the same time; -1 for as many as the cluster has.
        data: hash of all data that its points are trained on with the first seed.
        notes: what its keys do that nobody may expect.
    """

    base: Base
    axes: tuple[Varied, ...]
    asked: int
    points: int
    exact: bool
    rungs: tuple[tuple[int, float], ...]
    units: tuple[Unit, ...]
    metric: str
    goal: str
    greediest: Greediest
    limit: Limit | None
    room: int | None
    beside: int | None
    workers: int
    data: str
    notes: tuple[str, ...]

    @classmethod
    def of(cls, base: Base, workers: int | None = None) -> Plan:
        """Look at everything that is known beforehand.

        Args:
            base: both configs.
            workers: go before the config's.

        Raises:
            Error: with every mistake in the space, or else in what the base and its
                data cannot do for the sweep.
        """
        sweep = base.sweep
        tries = _first(base)
        _check_backend(base)
        units = _units(sweep, base.experiment.seed)
        setup = _set_up(base, units[0])
        metric = _checked_metric(base, setup)
        data = _data(base, units[0], setup, metric.partition("/")[0])
        axes = [_varied(base, key) for key in sweep.space]
        asked = getattr(sweep.method, "points", len(tries))
        different = [*{repr(one.values): one.values for one in tries}.values()]
        exact = asked <= len(tries)
        most = Greediest.of(
            base, setup, unit_overrides(sweep, units[0]), different, exact
        )
        limit, room, beside = available.limit(), None, None
        if limit is not None:
            free = max(0, limit.nbytes - available.held())
            room, beside = free // most.need, free // most.fitting
        return cls(
            base=base,
            axes=tuple(axes),
            asked=asked,
            points=len(different) if exact else _most_points(asked, axes),
            exact=exact,
            rungs=tuple(_rungs(sweep)),
            units=units,
            metric=metric,
            goal=_goal(base, metric),
            greediest=most,
            limit=limit,
            room=room,
            beside=beside,
            workers=workers or _workers(sweep, setup.experiment.threads, beside),
            data=data,
            notes=tuple(_notes(base)),
        )

    @property
    def trials(self) -> int:
        return self.points * len(self.units)

    @property
    def crowded(self) -> bool:
        """Whether more trials are to run at once than there is memory for."""
        at_once = min(self.workers, self.trials)
        return self.beside is not None and at_once > max(self.beside, 1)

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        sweep = self.base.sweep
        method, most = sweep.method, self.greediest
        return {
            "name": sweep.name,
            "base": self.base.config_path,
            "axes": [_plain(axis) for axis in self.axes],
            "method": dump(method),
            "points": self.points,
            "exact": self.exact,
            "rungs": [{"points": n, "percent": until} for n, until in self.rungs],
            "seeds": sweep.seeds,
            "folds": sweep.folds,
            "trials": self.trials,
            "flaw": most.flaw and most.flaw.message,
            "points_looked_at": most.points,
            "points_that_cannot_be_trained": most.flawed,
            "points_that_do_not_fit": most.unfit,
            "points_with_own_code": most.own,
            "notes": self.notes,
            "updates": most.updates,
            "objective": {"metric": self.metric, "goal": self.goal},
            "backend": sweep.backend,
            "workers": "all" if self.workers < 0 else self.workers,
            "memory": {
                "trial": most.need,
                "fitting_trial": most.fitting,
                "greediest": most.values,
                "looked_at": most.looked_at,
                "all_points": most.is_all,
                "available": self.limit and self.limit.nbytes,
                "limit": self.limit and self.limit.name,
                "room": self.room,
                "fitting_room": self.beside,
                "fits": most.refusal is None and not self.crowded,
            },
        }


def unit_overrides(sweep: Sweep, unit: Unit) -> tuple[str, ...]:
    """What makes a point's config that of one of its runs."""
    given = [f"seed={unit.seed}"]
    if unit.fold is not None:
        cut = {"validation": 0, "folds": sweep.folds, "fold": unit.fold}
        given += [f"data.split.{key}={value}" for key, value in cut.items()]
    return tuple(given)


def _check_backend(base: Base) -> None:
    try:
        check_backend(base.sweep.backend)
    except Error as error:
        error.place = base.resolved.place(("backend",))
        raise


def _units(sweep: Sweep, first: int) -> tuple[Unit, ...]:
    folds = range(1, sweep.folds + 1) if sweep.folds else (None,)
    return tuple(
        Unit(seed, fold) for seed in range(first, first + sweep.seeds) for fold in folds
    )


# ---------------------------------------------------------------- points


def _first(base: Base) -> list[Try]:
    """The first generation, once each value and each point has made a config.

    Raises:
        Error: all that is wrong with listed values, ranges and the method, or the first
            such point's.
    """
    errors = {str(error): error for error in _wrong_values(base)}
    tries: list[Try] = []
    try:
        tries = next(base.sweep.method.generations(base.sweep.space))
    except Error as error:
        _, written = base.resolved.located(("method",))
        place = base.resolved.place(written or ("space",), key=not written)
        errors[""] = Error(error.code, error.message, place=place, fix=error.fix)
    raise_all(base.resolved.ordered(errors.values()))
    for one in tries[:: -(-len(tries) // LOOKED_AT) or 1]:
        base.point(0, one.values)
    return tries


def _wrong_values(base: Base) -> Iterator[Error]:
    """What is wrong with each listed value and the ends of each range."""
    space = base.sweep.space
    among = {key: _looked_at(axis) for key, axis in space.items()}
    usual = {key: values[0] for key, values in among.items()}
    for key, values in among.items():
        for value in values:
            found = _errors(base, tuple({**usual, key: value}.values()))
            yield from found
            if found and isinstance(space[key], Range):
                break  # what is wrong with a range is told once


def _looked_at(axis: Axis) -> tuple[Any, ...]:
    if isinstance(axis, Range):
        return tuple(map(axis.at, ENDS))
    return axis[:LOOKED_AT]


def _errors(base: Base, values: Values) -> tuple[Error, ...]:
    try:
        base.point(0, values)
    except Error as error:
        found: tuple[Error, ...] = getattr(error, "errors", (error,))
        return found
    return ()


def _most_points(asked: int, axes: Sequence[Varied]) -> int:
    """Of equal ones only one is trained; what is asked for later cannot be known."""
    counts = [axis.count for axis in axes]
    return min(asked, math.prod(count or asked for count in counts))


def _rungs(sweep: Sweep) -> Iterator[tuple[int, float]]:
    """As they are where no trial fails."""
    if isinstance(sweep.method, Halving):
        generations = sweep.method.generations(sweep.space)
        tries = next(generations)
        with contextlib.suppress(StopIteration):
            while True:
                yield len(tries), tries[0].until
                tries = generations.send([0.0] * len(tries))


def _varied(base: Base, key: str) -> Varied:
    axis, own = base.sweep.space[key], base.own(key)
    if not isinstance(axis, Range):
        return Varied(key, "list", axis, len(axis), own)
    low, high = axis.between
    counts = [int(high - low) + 1] if isinstance(low, int) else []
    if steps := getattr(base.sweep.method, "steps", None):
        counts.append(steps)
    count = min(counts, default=None)
    return Varied(key, axis.registered_name, (low, high), count, own)


def _plain(axis: Varied) -> Mapping[str, Any]:
    plain = dict(vars(axis))
    if axis.own is ...:
        del plain["own"]
    return plain


def _notes(base: Base) -> Iterator[str]:
    """Components of the base that a key replaces, each once."""
    told = (replaced(base.config.tree, Experiment, key) for key in base.sweep.space)
    yield from dict.fromkeys(filter(None, told))


# ---------------------------------------------------------------- one run of the base


def _set_up(base: Base, unit: Unit) -> Setup:
    """A run of the base, on the rows of its first fold."""
    try:
        return set_up(base.config_path, unit_overrides(base.sweep, unit))
    except Error as error:
        # What only the fold breaks stands in the sweep's config.
        for one in getattr(error, "errors", (error,)):
            if one.place and one.place.file.startswith("command line"):
                one.place = base.resolved.place(("folds",), key=True)
        raise


def _checked_metric(base: Base, setup: Setup) -> str:
    """The objective, which the base config has to compute."""
    metric, parts = base.sweep.objective.metric, setup.dataset.parts
    part, _, name = metric.partition("/")
    numbers = [m.registered_name for m in setup.experiment.metrics if not m.is_table]
    known = ["loss", *numbers]
    place = base.resolved.place(("objective", "metric"))
    if name not in known:
        message = f'the base config does not compute "{name}"'
        fix = f"it computes {listed(known)}; add others to its metrics"
        if close := closest(name, known):
            fix = f'did you mean "{part}/{close}"?'
        elif name in registered(Metric) and not registered(Metric)[name].is_table:
            fix = f"add {name} to metrics in {base.config_path}, or name one of: "
            fix += listed(f"{part}/{one}" for one in known)
        raise Error("config-value", message, place=place, fix=fix)
    if part not in parts:
        message = "the base config keeps no rows for validation"
        fix = "say data.split: {validation: 0.15} there, or folds: 5 here"
        raise Error("config-value", message, place=place, fix=fix)
    return metric


def _goal(base: Base, metric: str) -> str:
    """Whether it should fall or rise: what is asked for, or what is known of it."""
    wanted = base.sweep.objective.goal
    return goal(metric, base.experiment.metrics) if wanted == "auto" else wanted


# ---------------------------------------------------------------- data

_ROWS = ("source", "target", "task", "columns", "missing", "split")
"""Sections of the data that may decide which rows a point is judged by."""


def _data(base: Base, unit: Unit, usual: Setup, part: str) -> str:
    """A hash of the data of the base and of every value of a key that decides them.

    Args:
        usual: the base.
        part: whose rows the points are judged by.

    Raises:
        Error: where values of a key lead to other rows there.
    """
    found, errors = [usual.dataset.sha256], list[Error]()
    among = {key: _looked_at(axis) for key, axis in base.sweep.space.items()}
    first = {key: given[0] for key, given in among.items()}
    for key, given in among.items():
        section, *inside = key.split(".")
        if section != "data" or (inside and inside[0] not in _ROWS):
            continue
        judged: list[_Judged] = []
        for value in given:
            config, dataset = _dataset(base, {**first, key: value}, key, unit, usual)
            found.append(dataset.sha256)
            judged.append(_Judged.of(config, dataset, part))
        if not all(map(judged[0].is_like, judged)):
            message = f"{key}: each value is judged by other {part} rows or targets, "
            message += "so that they cannot be compared"
            fix = "sweep each alone, or keep one file for data.split.validation"
            place = base.resolved.place(("space", key), key=True)
            errors.append(Error("config-value", message, place=place, fix=fix))
    raise_all(errors)
    return hashlib.sha256("\n".join(found).encode()).hexdigest()


def _dataset(
    base: Base, given: Mapping[str, Any], key: str, unit: Unit, usual: Setup
) -> tuple[DataConfig, Dataset]:
    """The data of the point with these values; what is wrong with them is the key's."""
    point = base.point(0, tuple(given.values())).experiment
    data, seed, dtype = point.data, unit.seed, point.dtype
    try:
        if unit.fold is not None:
            cut = replace(data.split, validation=0.0, folds=base.sweep.folds)
            data = replace(data, split=replace(cut, fold=unit.fold))
        own, task = usual.experiment, point.loss.task
        alike = replace(own.data, **{name: getattr(data, name) for name in OF_BATCHES})
        if (alike, own.dtype, own.loss.task) == (data, dtype, task):
            return data, usual.dataset
        return data, prepare(data, seed=seed, dtype=dtype, task=task)
    except Error as error:
        place = base.place_of(key, given[key])
        raise Error(error.code, error.message, place=place, fix=error.fix) from None


@dataclass(frozen=True, eq=False)
class _Judged:
    """What points are judged by.

    Attributes:
        named: what is to be predicted, and the source where it draws its rows.
        rows: which of the source.
        targets: of these, in their own units.
    """

    named: str
    rows: np.ndarray
    targets: np.ndarray

    @classmethod
    def of(cls, config: DataConfig, dataset: Dataset, part: str) -> _Judged:
        kept, held = dataset.preparation, dataset.parts.get(part)
        draws = config.source.drawn and part not in config.split.files
        named = repr((kept.classes, kept.target_names, draws and config.source))
        if held is None:
            return cls(named, np.array([]), np.array([]))
        return cls(named, held.rows, held.restored(held.targets))

    def is_like(self, other: _Judged) -> bool:
        return (
            self.named == other.named
            and np.array_equal(self.rows, other.rows)
            and self.targets.shape == other.targets.shape
            and np.allclose(self.targets, other.targets, rtol=1e-4)
        )


def _workers(sweep: Sweep, threads: int, room: int | None) -> int:
    """How many trials run at the same time: as cores and memory allow, at least one."""
    if sweep.workers != "auto":
        return sweep.workers
    if sweep.backend != "loky":
        return -1  # as many as the cluster has
    at_once = cores(threads)
    return max(1, at_once if room is None else min(at_once, room))
