"""The points of a sweep: each a config of its own, from the base and its values."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nettrain.component import Path as Keys
from nettrain.component import dump, show
from nettrain.config import Resolved, resolve, write_resolved
from nettrain.config.annotations import Kinds, completed, kinds_at
from nettrain.config.patch import edited
from nettrain.config.paths import find, locate
from nettrain.config.tree import Origin, Tree, from_plain
from nettrain.errors import Error, Place, raise_all
from nettrain.experiment.kind import is_sweep, refuse_experiment
from nettrain.experiment.schema import Experiment
from nettrain.experiment.setup import located
from nettrain.study.settings import Sweep
from nettrain.study.space import ENDS, Range, Values


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
        refuse_experiment(resolved)
        sweep: Sweep = resolved.build()
        raise_all(
            [
                Error(
                    "config-value",
                    f"{key}: {why}",
                    place=resolved.place(("space", key), key=True),
                    fix=fix,
                )
                for key, why, fix in _misplaced(sweep)
            ]
        )
        path = resolved.base(("base",)) / sweep.base
        # Its lines are cited as a person would call the file from here.
        near = Path(path).resolve()
        cwd = Path.cwd()
        name = near.relative_to(cwd) if near.is_relative_to(cwd) else near
        try:
            config = resolve(name, schema=Experiment)
            _refuse_sweep_of_sweeps(config, resolved)
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
            given[key] = from_plain(value, self._origin(key, value))
            given[key] = dataclasses.replace(given[key], key=self._key(key))
            tree = self._set(tree, key, given[key])
        for key, new in given.items():
            if self._set(tree, key, new).plain() != tree.plain():
                place = self.resolved.place(("space", key), key=True)
                message = f"{key}: another key of the space changes it too"
                fix = "list whole values of the part that both belong to"
                raise Error("config-value", message, place=place, fix=fix)
        config = dataclasses.replace(self.config, tree=tree)
        try:
            experiment = located(config.build(), config)
        except Error as error:
            self._advise(error)
            self._cite(error, given)
            raise
        return Point(number, values, experiment, text(experiment, config))

    def _cite(self, error: Error, given: Mapping[str, Tree]) -> None:
        """Place mistakes at the sweep's own lines: the base has none by itself."""
        places = {
            str(origin.place())
            for value in given.values()
            for origin in (value.origin, value.key)
            if origin is not None
        }
        found = getattr(error, "errors", (error,))
        others = [one for one in found if str(one.place) not in places]
        if not others:
            return
        among = [key for key in given if self._breaks(key, given[key])] or [*given]
        place = self.resolved.place(("space",), key=True)
        if len(among) == 1:
            place = given[among[0]].origin.place()
        told = ", ".join(f"{key}: {show(given[key].plain())}" for key in among)
        for one in others:
            one.place, one.message = place, f"{one.message} (with {told})"

    def _breaks(self, key: str, value: Tree) -> bool:
        """Whether a value alone is wrong in the base."""
        tree = self._set(self.config.tree, key, value)
        config = dataclasses.replace(self.config, tree=tree)
        try:
            located(config.build(), config)
        except Error:
            return True
        return False

    def place_of(self, key: str, value: object) -> Place:
        """Where a value of a key is written."""
        return self._origin(key, value).place()

    def _key(self, key: str) -> Origin | None:
        """Where a key of the space is written."""
        return self.resolved.located(("space", key))[0].key

    def _origin(self, key: str, value: object) -> Origin:
        """Where a value is written: itself, or the range that it is taken from."""
        axis = self.sweep.space[key]
        inside: Keys = ()
        among: Sequence[object] = axis.between if isinstance(axis, Range) else axis
        if isinstance(axis, Range):
            inside = axis.registered_name, "between"
        alike = (n for n, one in enumerate(among) if repr(one) == repr(value))
        own = next(((*inside, n) for n in alike), ())
        return self.resolved.located(("space", key, *own))[0].origin

    def _advise(self, error: Error) -> None:
        """Say of a range whose numbers do not fit what could stand in its place."""
        for key, axis in self.sweep.space.items():
            if isinstance(axis, Range):
                places = {str(self._origin(key, axis.at(s)).place()) for s in ENDS}
                for one in getattr(error, "errors", (error,)):
                    if str(one.place) in places:
                        one.fix = _instead(axis, self.kinds(key)) or one.fix

    def kinds(self, key: str) -> Kinds:
        """What may stand at a key of the base."""
        tree = self.config.tree
        with contextlib.suppress(Error):
            tree = completed(tree, Experiment, key)
        return kinds_at(Experiment, find(tree, Experiment, key))

    def own(self, key: str) -> Any:
        """The base's own value of a key, a default too; `...` where it has none."""
        tree = from_plain(dump(self.experiment))
        try:
            keys = find(tree, Experiment, key)
        except Error:
            return ...
        node, reached = locate(tree, Experiment, keys)
        return node.plain() if reached == keys else ...

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
    def config_path(self) -> str:
        """The base's file, as a person would call it from here."""
        return self.config.tree.origin.source.name

    def text(self) -> str:
        """The base's config, with every value and where it came from."""
        return text(self.experiment, self.config)

    def sweep_text(self) -> str:
        """The sweep's own, likewise."""
        return write_resolved(dump(self.sweep), self.resolved.source)


def _refuse_sweep_of_sweeps(config: Resolved, sweep: Resolved) -> None:
    if is_sweep(config.tree):
        message = "the base is the config of a sweep itself"
        fix = "name the config of one run"
        place = sweep.place(("base",))
        raise Error("config-kind", message, place=place, fix=fix)


def _instead(axis: Range, kinds: Kinds) -> str | None:
    """What to write where the numbers of a range cannot stand."""
    if not {int, float} & set(kinds):
        return "a range gives numbers, and it takes none: list its values"
    whole = {"linear": "int", "log": "int_log"}.get(axis.registered_name)
    if whole is None or float in kinds:
        return None
    low, high = math.ceil(axis.between[0]), math.floor(axis.between[1])
    return f"it takes integers: write {{{whole}: [{low}, {high}]}}"


def text(experiment: Experiment, config: Resolved) -> str:
    """YAML of all of it, each value with a comment that tells where it came from."""
    return write_resolved(dump(experiment), config.source)


_DEALT = ("data.split.validation", "data.split.folds", "data.split.fold")
_ALIKE = {
    "seed": ("every point has the same seeds", "write seeds: 3 beside space"),
    "name": ("trials are named by their points", "leave it out"),
    "threads": ("it changes how long a trial takes, not what it is", "leave it out"),
}
"""Keys that make no other point: why, and what to do instead."""


def _misplaced(sweep: Sweep) -> Iterator[tuple[str, str, str]]:
    """Keys that a sweep cannot vary, each with the reason and what to do instead."""
    metric = sweep.objective.metric
    for key in sweep.space:
        if key in _ALIKE:
            yield key, *_ALIKE[key]
        if sweep.folds and key in _DEALT:
            why = f"folds: {sweep.folds} decides it for each run"
            yield key, why, "leave one of the two out"
        units = key.partition(".")[0] == "loss" or key == "data.standardize_target"
        if units and metric.endswith("/loss"):
            why = f"each value has a {metric} of its own: they cannot be compared"
            yield key, why, "name an objective that no key of the space can change"


def plain_text(experiment: Experiment) -> str:
    """YAML of all of it and nothing else: equal for equal experiments."""
    return write_resolved(dump(experiment), lambda path: "")
