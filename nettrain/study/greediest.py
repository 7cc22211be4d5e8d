"""What the greediest trial of a sweep takes, worked out before any is trained.

Of few points all are looked at. Of more, one key after the other is given its least
and its largest value, or some of a list that holds no numbers, and keeps what takes the
most memory beside the others' values, until that is so for each key. Whatever a key
does to one stage of a run, that stage takes the most at one of its ends, unless another
key turns round what it does.

Points with a plugin's component that the base does not have, with the same settings,
are not looked at: what that does, such as to hang, is to touch no trial but its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

from nettrain.component import dump, show
from nettrain.errors import Error
from nettrain.experiment import memory
from nettrain.experiment.setup import Setup, set_up
from nettrain.study.points import Base
from nettrain.study.space import Range, Values

FEW = 6
"""Points of which all are looked at, and values of a list that holds no numbers."""
_ROUNDS = 3
"""How often each key is looked at, at most."""
_PROCESSES = 270_000_000
"""Bytes of a trial before it has any data, and of the process that waits for it."""


@dataclass(frozen=True)
class Greediest:
    """What no trial takes more of, as far as was looked.

    Attributes:
        need: bytes of memory, beside other trials.
        updates: the most of a run.
        values: by key, those with which it needs so much.
        looked_at: how many configs were looked at; of none it is the base's need.
        is_all: whether these are all points.
        refusal: of a point that does not fit into the memory.
        flaw: of a point that cannot be trained, whatever the memory.
    """

    need: int
    updates: int
    values: Mapping[str, Any]
    looked_at: int
    is_all: bool
    refusal: Error | None
    flaw: Error | None

    @classmethod
    def of(
        cls,
        base: Base,
        setup: Setup,
        overrides: Sequence[str],
        points: Sequence[Values],
        is_all: bool,
    ) -> Greediest:
        """Look at some points.

        Args:
            base: both configs.
            setup: of the base.
            overrides: what makes a point's config that of its first run.
            points: of the sweep, each once.
            is_all: whether it has no others.
        """
        looking = _Looking(base, setup, overrides)
        is_few = is_all and len(points) <= FEW
        if is_few:
            for values in points:
                looking.at(values)
        else:
            _climb(looking, points, is_all)
        known = [one for one in looking.found.values() if isinstance(one, _Known)]
        known = known or [_Known.of((), setup)]
        first = max(known, key=lambda one: one.need)
        refusal, flaw = looking.faults(points)
        return cls(
            need=first.need,
            updates=max(one.updates for one in known),
            values=dict(zip(base.sweep.space, first.values, strict=False)),
            looked_at=len(looking.found),
            is_all=is_few and len(looking.found) == len(points),
            refusal=refusal,
            flaw=flaw,
        )


@dataclass(frozen=True)
class _Known:
    """What a run takes.

    Attributes:
        values: one for each key.
        need, updates: see `Greediest`.
        refusal: where it does not fit into the memory.
    """

    values: Values
    need: int
    updates: int
    refusal: Error | None

    @classmethod
    def of(cls, values: Values, setup: Setup) -> _Known:
        needed = memory.predict(setup)
        parts = setup.dataset.parts.values()
        data = sum(part.inputs.nbytes + part.targets.nbytes for part in parts)
        arrays = max(s.nbytes - s.terms[memory.HELD] for s in needed.stages)
        need, updates = _PROCESSES + data + arrays, setup.plan().total_steps
        refusal = None if needed.fits else memory.refusal(setup, needed)
        return cls(values, need, updates, refusal)


@dataclass
class _Looking:
    """Sets configs up, each once.

    Attributes:
        base: both configs.
        newest: what was set up last, at first the base; a config that has the same data
            takes them from it.
        overrides: of each.
        found: by what its values are written as what each takes, or what is wrong.
    """

    base: Base
    newest: Setup
    overrides: Sequence[str]
    found: dict[str, _Known | Error] = field(default_factory=dict)

    def at(self, values: Values) -> _Known | None:
        """What a config with these values takes; None where it cannot be trained."""
        written = repr(values)
        if written not in self.found:
            try:
                point = self.base.point(0, values).experiment
                if {*_own_code(point)} - {*_own_code(self.base.experiment)}:
                    return None
                setup = set_up(dump(point), self.overrides, known=self.newest)
                # It was written by nobody: lines are those of the base.
                self.newest = replace(setup, resolved=self.base.config)
                self.found[written] = _Known.of(values, self.newest)
            except Error as error:
                self.found[written] = error
        found = self.found[written]
        return found if isinstance(found, _Known) else None

    def faults(self, points: Sequence[Values]) -> tuple[Error | None, Error | None]:
        """Of the points that were looked at the first error of memory, and another."""
        errors: dict[bool, Error] = {}
        fits_none = all(map(_error, self.found.values()))
        for values in points:
            found = self.found.get(repr(values))
            if error := _error(found):
                if not (fits_none and isinstance(found, _Known)):
                    error = self._cited(error, values)
                errors.setdefault(error.code.startswith("memory"), error)
        return errors.get(True), errors.get(False)

    def _cited(self, error: Error, values: Values) -> Error:
        """At the space's line: the base has nothing of it."""
        keys = self.base.sweep.space
        told = ", ".join(f"{k}: {show(v)}" for k, v in zip(keys, values, strict=True))
        path = ("space", *keys) if len(keys) == 1 else ("space",)
        place = self.base.resolved.place(path, key=True)
        message = f"{error.message} (with {told})"
        return Error(error.code, message, place=place, fix=error.fix)


def _own_code(value: Any) -> Iterator[str]:
    """The components in an experiment that are a plugin's, with their settings."""
    if is_dataclass(value):
        if not type(value).__module__.startswith("nettrain."):
            yield repr(value)
        value = [getattr(value, one.name) for one in fields(value)]
    if isinstance(value, Mapping):
        value = [*value.values()]
    if isinstance(value, (list, tuple)):
        for inner in value:
            yield from _own_code(inner)


def _error(found: _Known | Error | None) -> Error | None:
    return found.refusal if isinstance(found, _Known) else found


def _climb(looking: _Looking, points: Sequence[Values], is_all: bool) -> None:
    """Look for the most memory, and for the most updates."""
    most = longest = points[0]
    ends = [*_ends(looking.base, points, is_all)]
    for _ in range(_ROUNDS):
        before = most
        for i, values in enumerate(ends):
            tried = (_with(most, i, value) for value in (most[i], *values))
            # Of equal ones the last: beside others, more may take more.
            if known := [one for one in map(looking.at, tried) if one][::-1]:
                most = max(known, key=lambda one: one.need).values
                slow = max(known, key=lambda one: one.updates).values
                longest = _with(longest, i, slow[i])
        if most == before:
            break
    looking.at(longest)


def _with(values: Values, place: int, value: Any) -> Values:
    return (*values[:place], value, *values[place + 1 :])


def _ends(
    base: Base, points: Sequence[Values], is_all: bool
) -> Iterator[Sequence[Any]]:
    """By key the least and the largest value, or some of what are no numbers.

    Args:
        is_all: whether no other points are tried than these.
    """
    for axis, column in zip(
        base.sweep.space.values(), zip(*points, strict=True), strict=True
    ):
        tried: Sequence[Any] = column
        if not is_all:
            tried = axis.between if isinstance(axis, Range) else axis
        if all(type(value) in (int, float) for value in tried):
            yield min(tried), max(tried)
        else:
            distinct = [*{repr(value): value for value in tried}.values()]
            yield distinct[:: -(-len(distinct) // FEW)]
