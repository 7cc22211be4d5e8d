"""The points of a sweep: each a config of its own, from the base and its values."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from nettrain.component import dump
from nettrain.config import Resolved, resolve, write_resolved
from nettrain.config.patch import edited
from nettrain.config.tree import Tree, from_plain
from nettrain.errors import Error
from nettrain.experiment.schema import Experiment
from nettrain.experiment.setup import located
from nettrain.study.settings import Sweep
from nettrain.study.space import Values


@dataclass(frozen=True)
class Point:
    """One point.

    Attributes:
        number: from 1, in the order in which the method came to it.
        values: one for each key of the space.
        experiment: what is trained.
        text: its config, with every value and where it came from.
    """

    number: int
    values: Values
    experiment: Experiment
    text: str

    @property
    def name(self) -> str:
        return f"{self.number:04d}"


@dataclass(frozen=True)
class Base:
    """A sweep's config and the config that it varies, as they were when it began.

    Attributes:
        resolved: the sweep's config and its places.
        sweep: its components.
        config: the base's.
    """

    resolved: Resolved
    sweep: Sweep
    config: Resolved

    @classmethod
    def read(cls, source: Path | str, overrides: Sequence[str]) -> Base:
        """Read both.

        Raises:
            Error: with every mistake in the sweep's config; then with every one in the
                base's, as far as they show without its data.
        """
        resolved = resolve(source, overrides, schema=Sweep)
        sweep: Sweep = resolved.build()
        for key, why, fix in _misplaced(sweep):
            place = resolved.place(("space", key), key=True)
            raise Error("config-value", f"{key}: {why}", place=place, fix=fix)
        path = resolved.base(("base",)) / sweep.base
        # Its lines are cited as a person would call the file from here.
        near = Path(path).resolve()
        cwd = Path.cwd()
        name = near.relative_to(cwd) if near.is_relative_to(cwd) else near
        try:
            config = resolve(name, schema=Experiment)
            config.build()
        except Error as error:
            if error.place is None:
                error.place = resolved.place(("base",))
            raise
        sweep = dataclasses.replace(sweep, base=str(near))
        return cls(resolved, sweep, config)

    def point(self, number: int, values: Values) -> Point:
        """The point with these values.

        Raises:
            Error: at the line of the sweep's config, where a key or value does not fit.
        """
        tree, given = self.config.tree, {}
        for key, value in zip(self.sweep.space, values, strict=True):
            written = self.resolved.located(("space", key))[0]
            origin = from_plain(value, written.origin)
            given[key] = dataclasses.replace(origin, key=written.key)
            tree = self._set(tree, key, given[key])
        for key, new in given.items():
            if self._set(tree, key, new).plain() != tree.plain():
                place = self.resolved.place(("space", key), key=True)
                message = f"{key}: another key of the space changes it too"
                fix = "list whole values of the part that both belong to"
                raise Error("config-value", message, place=place, fix=fix)
        config = dataclasses.replace(self.config, tree=tree)
        experiment = located(config.build(), config)
        return Point(number, values, experiment, text(experiment, config))

    def _set(self, tree: Tree, key: str, value: Tree) -> Tree:
        try:
            return edited(tree, Experiment, "set", key, value)
        except Error as error:
            place = self.resolved.place(("space", key), key=True)
            message, fix = error.message, error.fix
            raise Error(error.code, message, place=place, fix=fix) from None

    @cached_property
    def experiment(self) -> Experiment:
        """The base's, with absolute paths."""
        return located(self.config.build(), self.config)

    @property
    def config_path(self) -> Path:
        return Path(self.sweep.base)

    def text(self) -> str:
        """The base's config, with every value and where it came from."""
        return text(self.experiment, self.config)

    def sweep_text(self) -> str:
        """The sweep's own, likewise."""
        return write_resolved(dump(self.sweep), self.resolved.source)


def text(experiment: Experiment, config: Resolved) -> str:
    """YAML of all of it, each value with a comment that tells where it came from."""
    return write_resolved(dump(experiment), config.source)


_DEALT = ("data.split.validation", "data.split.folds", "data.split.fold")


def _misplaced(sweep: Sweep) -> Iterator[tuple[str, str, str]]:
    """Keys that a sweep cannot vary, each with the reason and what to do instead."""
    metric = sweep.objective.metric
    for key in sweep.space:
        if key == "seed":
            yield key, "every point has the same seeds", "write seeds: 3 beside space"
        if sweep.folds and key in _DEALT:
            why = f"folds: {sweep.folds} decides it for each run"
            yield key, why, "leave one of the two out"
        if key.partition(".")[0] == "loss" and metric.endswith("/loss"):
            why = f"each loss has a {metric} of its own: they cannot be compared"
            yield key, why, "name another objective, such as validation/accuracy"


def values(experiment: Experiment) -> str:
    """YAML of all of it and nothing else: equal for equal experiments."""
    return write_resolved(dump(experiment), lambda path: "")
