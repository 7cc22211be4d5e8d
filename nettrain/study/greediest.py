"""What the greediest trial of a sweep takes, worked out before any is trained.

Of a sweep that is small all points are looked at. Of a larger one so many as take some
seconds, those first that have a value which none before them had; and beside them, one
key after the other is given its least and its largest value, or each of a list that
holds no numbers, and keeps what takes the most memory beside the others' values, until
that is so for each key. Whatever a key does to one stage of a run, that stage takes the
most at one of its ends, unless another key turns round what it does. An end with which
nothing can be trained gives way to the next value.

Points with a plugin's component that the base does not have, with the same settings,
are not looked at: what that does, such as to hang, is to touch no trial but its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from nettrain.component import dump, show
from nettrain.errors import Error
from nettrain.experiment import available, memory
from nettrain.experiment.setup import OF_BATCHES, Setup, set_up
from nettrain.graph import topological
from nettrain.study.points import Base
from nettrain.study.space import Range, Values

POINTS = 50
"""Points that are looked at, and values of a list that holds no numbers, at most."""
SECONDS = 5.0
"""How long it may take to look at points, by a rough measure that no clock is for."""
FEW = 6
"""Points, and data prepared, of which all are looked at however long it takes; and how
often an end with which nothing can be trained gives way."""
_NODE, _BYTE = 2e-4, 4e-8
"""Seconds for each node of a training step, and for each byte of prepared data."""
_ROUNDS = 3
"""How often each key is looked at, at most."""
_SHARES = 8
"""Into how many stretches a range is cut whose points are not known beforehand."""
_PROCESSES = 270_000_000
"""Bytes of a trial before it has any data, and of the process that waits for it."""


@dataclass(frozen=True)
class Greediest:
    """What no trial takes more of, as far as was looked.

    Attributes:
        need: bytes of memory, beside other trials.
        fitting: the same of trials that fit: others are refused before they take any.
        updates: the most of a run.
        values: by key, those with which it needs so much.
        looked_at: how many configs were looked at; of none it is the base's need.
        points: how many of them are points of the sweep.
        is_all: whether these are all points.
        own: points that were not looked at, as they have a plugin's component.
        flawed: how many points cannot be trained, whatever the memory.
        unfit: how many do not fit into the memory.
        flaw: of the first that cannot be trained.
        refusal: of the first that does not fit.
    """

    need: int
    fitting: int
    updates: int
    values: Mapping[str, Any]
    looked_at: int
    points: int
    is_all: bool
    own: int
    flawed: int
    unfit: int
    flaw: Error | None
    refusal: Error | None

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
        chosen = looking.chosen(points)
        for values in sorted(chosen, key=looking.data_of):
            looking.at(values)
        is_few = is_all and len(chosen) == len(points)
        top = None if is_few else _top(looking, points, is_all)
        known = [one for one in looking.found.values() if one.need]
        known = known or [_Seen.of((), setup)]
        first = max(known, key=lambda one: one.need)
        seen = [found for p in points if (found := looking.found.get(repr(p)))]
        flawed = [one for one in seen if one.error and not one.is_unfit]
        unfit = [one for one in seen if one.is_unfit]
        return cls(
            need=first.need,
            fitting=_fitting(known, top) or first.need,
            updates=max(one.updates for one in known),
            values=dict(zip(base.sweep.space, first.values, strict=False)),
            looked_at=len(looking.found),
            points=len(seen),
            is_all=is_few and len(seen) == len(points),
            own=sum(repr(values) in looking.own for values in points),
            flawed=len(flawed),
            unfit=len(unfit),
            flaw=looking.cited(flawed[0]) if flawed else None,
            refusal=looking.cited(unfit[0]) if unfit else None,
        )


@dataclass(frozen=True)
class _Seen:
    """What a run takes, or why there is none.

    Attributes:
        values: one for each key.
        need, updates: see `Greediest`; 0 where they are not known.
        error: why it cannot be trained.
    """

    values: Values
    need: int = 0
    updates: int = 0
    error: Error | None = None

    @classmethod
    def of(cls, values: Values, setup: Setup) -> _Seen:
        needed = memory.predict(setup)
        arrays = max(s.nbytes - s.terms[memory.HELD] for s in needed.stages)
        need, updates = _PROCESSES + _data(setup) + arrays, setup.plan().total_steps
        refusal = None if needed.fits else memory.refusal(setup, needed)
        return cls(values, need, updates, refusal)

    @property
    def is_unfit(self) -> bool:
        return self.error is not None and self.error.code.startswith("memory")


def _data(setup: Setup) -> int:
    """Bytes of the prepared data."""
    parts = setup.dataset.parts.values()
    return sum(part.inputs.nbytes + part.targets.nbytes for part in parts)


def _fitting(known: Sequence[_Seen], top: _Seen | None) -> int:
    """The need of the greediest that fits; 0 of none.

    Args:
        top: what may take more than any point; None where all points are known.
            One that fits is among the known.
    """
    most = max((one.need for one in known if not one.error), default=0)
    limit = available.limit()
    if most and top and top.error and limit:
        # Between what fits and what does not, points that were not looked at may need
        # all that there is.
        return max(most, min(top.need, limit.nbytes - available.held()))
    return most


class _Looking:
    """Sets configs up, each once.

    Attributes:
        base: both configs.
        found: by what its values are written as what each takes, or what is wrong.
        own: the same of those that were not looked at.
    """

    def __init__(self, base: Base, setup: Setup, overrides: Sequence[str]) -> None:
        self.base = base
        self.found: dict[str, _Seen] = {}
        self.own: set[str] = set()
        self._setup, self._overrides = setup, overrides
        # Its data are taken by what is set up next, if that has the same.
        self._newest: tuple[Any, Setup] = None, setup
        self._places = [i for i, key in enumerate(base.sweep.space) if prepares(key)]
        self._plugins = {*_own_code(base.experiment)}
        self._alike: dict[str, _Seen] = {}

    def data_of(self, values: Values) -> tuple[str, ...]:
        """All of a config's values that may change what its prepared data are."""
        return tuple(repr(values[i]) for i in self._places)

    def chosen(self, points: Sequence[Values]) -> Sequence[Values]:
        """The points to look at: all, or those with new values first."""
        nodes = len(topological([*self._setup.step.definition.roots()]))
        look, prepared = nodes * _NODE, _data(self._setup) * _BYTE
        data = len({*map(self.data_of, points)}) if self._places else 0
        is_quick = len(points) * look <= SECONDS
        is_quick &= data <= FEW or data * prepared <= SECONDS
        if len(points) <= FEW or (len(points) <= POINTS and is_quick):
            return points
        chosen, spent = list[Values](), 0.0
        known: set[tuple[str, ...]] = {()}
        for values in _newest_first(self.base, points):
            cost = look + prepared * (self.data_of(values) not in known)
            if len(chosen) < POINTS and spent + cost <= SECONDS:
                spent += cost
                chosen.append(values)
                known.add(self.data_of(values))
        return chosen

    def at(self, values: Values) -> _Seen | None:
        """What a config with these values takes; None where it is not looked at."""
        written = repr(values)
        if written not in self.found and written not in self.own:
            try:
                point = self.base.point(0, values).experiment
                if {*_own_code(point)} - self._plugins:
                    self.own.add(written)
                    return None
                data = self.data_of(values)
                known = self._newest[1] if data == self._newest[0] else self._setup
                setup = set_up(dump(point), self._overrides, known=known)
                # It was written by nobody: lines are those of the base.
                setup = replace(setup, resolved=self.base.config)
                self._newest = data, setup
                self.found[written] = self._seen(values, setup)
            except Error as error:
                self.found[written] = _Seen(values, error=error)
        return self.found.get(written)

    def _seen(self, values: Values, setup: Setup) -> _Seen:
        """What it takes; the same as another, if all but real numbers is the same."""
        nodes = topological([*setup.step.definition.roots()])
        parts = [(len(one), one.inputs.shape) for one in setup.dataset.parts.values()]
        graph = len(nodes), sum(node.spec.nbytes for node in nodes)
        alike = repr((_unreal(dump(setup.experiment)), graph, parts))
        if alike not in self._alike:
            self._alike[alike] = _Seen.of(values, setup)
        return replace(self._alike[alike], values=values)

    def fails(self, place: int, value: Any) -> bool:
        """Whether nothing that has this value could be trained."""
        written = repr(value)
        tried = (o for o in self.found.values() if repr(o.values[place]) == written)
        errors = [one.error for one in tried]
        return bool(errors) and all(errors)

    def cited(self, seen: _Seen) -> Error:
        """What is wrong with a point, at the space's line: the base has nothing of it.

        Where nothing fits it is the base's fault.
        """
        error, keys = seen.error, self.base.sweep.space
        assert error is not None
        if seen.need and all(one.error for one in self.found.values()):
            return error
        given = zip(keys, seen.values, strict=True)
        told = ", ".join(f"{key}: {show(value)}" for key, value in given)
        path = ("space", *keys) if len(keys) == 1 else ("space",)
        place = self.base.resolved.place(path, key=True)
        message = f"{error.message} (with {told})"
        return Error(error.code, message, place=place, fix=error.fix)


def prepares(key: str) -> bool:
    """Whether a key may change what the prepared data are."""
    section, _, inside = key.partition(".")
    return section in ("data", "dtype", "loss") and inside not in OF_BATCHES


def _unreal(value: Any) -> Any:
    """A plain value without its real numbers. What they change, such as whether there
    is any weight decay, the graph or the parts of the data tell."""
    if isinstance(value, Mapping):
        return {key: _unreal(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_unreal(inner) for inner in value]
    return None if isinstance(value, float) else value


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


# ---------------------------------------------------------------- more than the points


def _newest_first(base: Base, points: Sequence[Values]) -> Iterator[Values]:
    """Points with a value that none before them had, then others evenly.

    Values are those of lists, and the ends of ranges.
    """
    columns = [*zip(*points, strict=True)]
    wanted = [
        set(map(repr, ends(column) if isinstance(axis, Range) else column))
        for axis, column in zip(base.sweep.space.values(), columns, strict=True)
    ]
    others = list[Values]()
    for values in points:
        new = [s for s, value in zip(wanted, values, strict=True) if repr(value) in s]
        for left, value in zip(wanted, values, strict=True):
            left.discard(repr(value))
        if new:
            yield values
        else:
            others.append(values)
    yield from _some(others)


def _top(looking: _Looking, points: Sequence[Values], is_all: bool) -> _Seen | None:
    """What takes the most of all that points may have; None where nothing can be had.

    Args:
        is_all: whether no other points are tried than these.
    """
    columns = [*_columns(looking.base, points, is_all)]
    top = None
    for _ in range(FEW):
        tried = [*map(ends, columns)]
        top = _climb(looking, points[0], tried)
        failed = [(i, v) for i, e in enumerate(tried) for v in e if looking.fails(i, v)]
        for i, value in failed:
            # A point with it, if there is one, may yet be trained.
            there = (p for p in points if repr(p[i]) == repr(value))
            looking.at(next(there, points[0]))
        dead = {(i, repr(v)) for i, v in failed if looking.fails(i, v)}
        columns = [
            [value for value in column if (i, repr(value)) not in dead]
            for i, column in enumerate(columns)
        ]
        if not dead or not all(columns):
            break
    return top


def _climb(
    looking: _Looking, start: Values, columns: Sequence[Sequence[Any]]
) -> _Seen | None:
    """Look for the most memory, and for the most updates."""
    fit = [one for one in looking.found.values() if not one.error]
    most = max(fit, key=lambda one: one.need).values if fit else start
    longest = max(fit, key=lambda one: one.updates).values if fit else start
    keys = [*looking.base.sweep.space]
    # What changes the data last, so that they are prepared for the most alone.
    order = sorted(range(len(keys)), key=lambda i: prepares(keys[i]))
    for _ in range(_ROUNDS):
        before = most
        for i in [*order]:
            tried = (_with(most, i, value) for value in (most[i], *columns[i]))
            # Of equal ones the last: beside others, more may take more.
            known = [one for one in map(looking.at, tried) if one and one.need][::-1]
            if known:
                most = max(known, key=lambda one: one.need).values
                slow = max(known, key=lambda one: one.updates).values
                longest = _with(longest, i, slow[i])
            if prepares(keys[i]) and len({one.need for one in known}) == 1:
                order.remove(i)  # to prepare them all again would take too long
        if most == before:
            break
    looking.at(longest)
    return looking.at(most)


def _with(values: Values, place: int, value: Any) -> Values:
    return (*values[:place], value, *values[place + 1 :])


def _columns(
    base: Base, points: Sequence[Values], is_all: bool
) -> Iterator[Sequence[Any]]:
    """By key all values that it has, each once; numbers in order."""
    for axis, column in zip(
        base.sweep.space.values(), zip(*points, strict=True), strict=True
    ):
        tried: Sequence[Any] = column
        if not is_all:
            tried = axis if not isinstance(axis, Range) else _cut(axis)
        yield [*{repr(value): value for value in tried}.values()]


def _cut(axis: Range) -> list[float]:
    return [axis.at(n / _SHARES) for n in range(_SHARES + 1)]


def ends(values: Sequence[Any]) -> Sequence[Any]:
    """The least and the largest, or some of what are no numbers."""
    if all(type(value) in (int, float) for value in values):
        return min(values), max(values)
    return _some(values)


def _some(values: Sequence[Any]) -> Sequence[Any]:
    """At most so many as are looked at, evenly."""
    count = min(len(values), POINTS)
    return [values[i * len(values) // count] for i in range(count)]
