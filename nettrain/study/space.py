"""The values that a sweep tries: for each key of the config a range, or a list.

A range turns numbers of [0, 1] into values, so that every method of search needs to
know only such numbers.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from nettrain import randomness
from nettrain.component import Component, register
from nettrain.errors import Error


class Range(Component):
    """Base of all ranges of numbers."""

    kind = "range"
    between: tuple[float, float]

    def at(self, share: float) -> float | int:
        """The value at a share of the way from the lower end to the upper one."""
        raise NotImplementedError

    def check(self) -> Iterator[str]:
        if len(self.between) != 2 or not self.between[0] < self.between[1]:
            ends = ", ".join(f"{end:g}" for end in self.between)
            yield f"between: [{ends}] is no range: write [lower, upper]"


class _Logarithmic(Range):
    """Base of ranges whose logarithm is covered evenly."""

    def check(self) -> Iterator[str]:
        yield from super().check()
        if self.between[:1] and not self.between[0] > 0:
            yield f"between: a logarithm needs ends above 0, got {self.between[0]:g}"


_DIGITS = 12
"""Decimal digits of what is computed: .01, and not .010000000000000004."""


def _written(number: float, low: float, high: float) -> float:
    """The number as a person would write it, between the ends."""
    return min(max(float(f"{number:.{_DIGITS}g}"), low), high)


def _geometric(low: float, high: float, share: float) -> float:
    """low · (high / low)^share, the ends exactly."""
    if share in (0.0, 1.0):
        return high if share else low
    number = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
    return _written(number, low, high)


@register("linear")
class Linear(Range):
    """Numbers a + s·(b - a), every one as likely as another.

    Attributes:
        between: [a, b], both included.
    """

    between: tuple[float, ...]  # type: ignore[assignment]

    def at(self, share: float) -> float:
        low, high = self.between
        return _written(low + share * (high - low), low, high) if share < 1 else high


@register("log")
class Log(_Logarithmic):
    """Numbers a·(b/a)^s: as many between .001 and .01 as between .01 and .1.

    Attributes:
        between: [a, b], both included and above 0.
    """

    between: tuple[float, ...]  # type: ignore[assignment]

    def at(self, share: float) -> float:
        return _geometric(*self.between, share)


@register("int")
class Int(Range):
    """Integers from a to b, every one as likely as another.

    Attributes:
        between: [a, b], both included.
    """

    between: tuple[int, ...]  # type: ignore[assignment]

    def at(self, share: float) -> int:
        low, high = self.between
        return min(low + math.floor(share * (high - low + 1)), high)


@register("int_log")
class IntLog(_Logarithmic):
    """Integers from a to b, evenly over their logarithm: floor(a·((b + 1)/a)^s).

    Attributes:
        between: [a, b], both included and above 0.
    """

    between: tuple[int, ...]  # type: ignore[assignment]

    def at(self, share: float) -> int:
        low, high = self.between
        return min(math.floor(_geometric(low, high + 1, share)), high)


Axis: TypeAlias = Range | tuple[Any, ...]
"""A range, or the list of all values."""
Values: TypeAlias = tuple[Any, ...]
"""A point of the space: one value for each of its keys, in their order."""
MOST = 100_000
"""Points of the largest sweep."""
ENDS = (0.0, 0.37, 1.0)
"""Shares at which a range is tried: both ends, and one that is no round number."""


def value(axis: Axis, share: float) -> Any:
    """The value of an axis for a number of [0, 1)."""
    if isinstance(axis, Range):
        return axis.at(share)
    return axis[min(math.floor(share * len(axis)), len(axis) - 1)]


def drawn(space: Mapping[str, Axis], seed: int, point: int) -> Values:
    """A random point: each value from a stream of its own key.

    So the values of one key do not change where another key is added.
    """

    def share(key: str) -> float:
        stream = randomness.key(seed, f"sweep/{key}")
        return float(randomness.uniform(stream, (), point))

    return tuple(value(axis, share(key)) for key, axis in space.items())


def grid(space: Mapping[str, Axis], steps: int | None) -> list[Values]:
    """Every combination of values, the last key changing fastest.

    Args:
        steps: how many values of each range are tried, both ends among them.

    Raises:
        Error: `config-grid` where there is a range and no number of steps, or where
            there are too many.
    """
    many = math.prod(_most(axis, steps) for axis in space.values())
    if many > MOST:
        message = f"a grid of {many:,} points; the most there are is {MOST:,}"
        fix = "try some of them: method: {random: {points: 50}}"
        raise Error("config-grid", message, fix=fix)
    return list(itertools.product(*(_all(k, axis, steps) for k, axis in space.items())))


def _most(axis: Axis, steps: int | None) -> int:
    return (steps or 1) if isinstance(axis, Range) else len(axis)


def _all(key: str, axis: Axis, steps: int | None) -> Sequence[Any]:
    if not isinstance(axis, Range):
        return axis
    if steps is None:
        message = f"a grid needs a list of values for {key}, or a number of steps"
        fix = "write the values as a list, or method: {grid: {steps: 5}}"
        raise Error("config-grid", message, fix=fix)
    shares = [i / (steps - 1) for i in range(steps)] if steps > 1 else [0.5]
    return list(dict.fromkeys(map(axis.at, shares)))
