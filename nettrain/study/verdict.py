"""In words: which of several configs is best, and whether that is sure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from nettrain.study.intervals import MOST, Interval

ONE_SEED = "one seed: no interval"


class Rival(NamedTuple):
    """One behind the best.

    Attributes:
        name: what it is called.
        apart: how far it is from the best, with an interval or equal values.
        told: whether it can be told from the best; see `told_apart`.
        turned: why the best comes first all the same, where in pairs this is better.
    """

    name: str
    apart: Interval
    told: bool
    turned: str = ""


def verdict(best: str, rivals: Sequence[Rival], folds: int = 1) -> str:
    """A sentence on the best and those behind it, of which there is one at least.

    It names the first that is better in pairs, else the first that cannot be told from
    the best, else the second.

    Args:
        folds: parts of the cross-validation; 1 without one.
    """
    better = [one for one in rivals if one.told and one.turned]
    equal = [one for one in rivals if not one.told]
    name, apart, _, turned = [*better, *equal, *rivals][0]
    bound = agree(folds) if apart.agree else half(apart)
    alone = " by itself" if len(rivals) > 1 and not apart.agree else ""
    how = f"by {number(abs(apart.mean))}{',' * apart.agree} {bound}{alone}, "
    how += count(apart.n, "pair")
    if better:
        return f"{best} {turned}, but {name} is better in pairs ({how})"
    if equal:
        more = _others(", nor from", len(equal) - 1)
        return f"{best} is best, but cannot be told from {name} ({how}){more}"
    more = _others(", and than", len(rivals) - 1)
    return f"{best} is better than {name}, the second ({how}){more}"


def _others(words: str, many: int) -> str:
    return f"{words} {count(many, 'other')}" if many else ""


def meaning(units: int, folds: int, drawn: bool, rivals: int) -> Iterator[str]:
    """What the numbers mean, a sentence each.

    Args:
        units: runs of a config.
        folds: parts of the cross-validation; 1 without one.
        drawn: whether each seed draws data of its own.
        rivals: of the best, as far as they were compared with it.
    """
    if units > 1:
        what = "other divisions of" if folds > 1 else "other seeds on"
        data = "data drawn alike" if drawn else "these data, not of other data"
        yield f"± is a 95 % interval of the mean: of {what} {data}."
    if rivals > 1:
        pairs = rivals * (rivals + 1) // 2
        yield (
            "The interval of a difference is that by itself. “Worse” and “cannot be "
            f"told” hold for all {pairs} pairs at once: were all equal, at most one "
            "such list in twenty would call any of them worse."
        )


def by_chance(rivals: Sequence[Rival]) -> Iterator[str]:
    """Why some cannot be told from the best, though by itself their interval could."""
    untold = [one.apart for one in rivals if not one.told]
    apart = [known for known in untold if abs(known.mean) > known.half]
    if apart:
        most = _about(max(known.enough(_tests(rivals)) for known in apart))
        yield (
            f"some intervals exclude 0 by themselves: of {_pairs(rivals)} pairs that "
            f"may be chance; {_IF}, {most} would tell {_OFTEN}"
        )


def enough(rivals: Sequence[Rival]) -> str:
    """With how many seeds the best could be told from whom `verdict` names.

    Also from the one that is surest, if fewer are enough. "" where the best can be
    told, and where nothing says how far others lie from the gap.
    """
    equal = [one for one in rivals if not one.told]
    better = any(one.told and one.turned for one in rivals)
    if better or not equal or equal[0].apart.agree:
        return ""
    first, tests = equal[0], _tests(rivals)
    surest = min(equal, key=lambda one: one.apart.p)
    most, least = (one.apart.enough(tests) for one in (first, surest))
    more = f", about {least} from {surest.name}" if least < most else ""
    return f"{_IF}, {_about(most)} would tell it from {first.name} {_OFTEN}{more}"


_IF, _OFTEN = "if the gaps are as they seem", "4 times in 5"
"""With what `Interval.enough` reckons; `POWER` in words."""


def _about(seeds: int) -> str:
    return f"more than {MOST:,} seeds" if seeds > MOST else f"about {seeds} seeds"


def _pairs(rivals: Sequence[Rival]) -> int:
    """Of these and the best."""
    return len(rivals) * (len(rivals) + 1) // 2


def _tests(rivals: Sequence[Rival]) -> int:
    """By how many `told_apart` divides the level for the next that could be told."""
    return _pairs(rivals) - sum(one.told for one in rivals)


def agree(folds: int) -> str:
    """Why there is no interval where all values are the same."""
    return f"all {'folds' if folds > 1 else 'seeds'} agree: no interval"


def count(many: int, noun: str) -> str:
    """`1 pair`, `2 pairs`."""
    return f"{many:,} {noun}{'s' * (many != 1)}"


def number(value: float) -> str:
    """A mean or a value."""
    return f"{value:.4g}"


def half(known: Interval) -> str:
    """Half of an interval; a dash where there is none, or why."""
    if known.agree:
        return "all agree"
    return "–" if math.isnan(known.half) else f"± {known.half:.2g}"
