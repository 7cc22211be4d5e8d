"""In words: how many seeds would tell what cannot be told."""

from __future__ import annotations

import math

from nettrain.study import verdict
from nettrain.study.intervals import Interval
from nettrain.study.verdict import Rival


def rival(name: str, mean: float, told: bool = False, turned: str = "") -> Rival:
    """One with five pairs whose standard deviation is 1."""
    half = 2.776445 / math.sqrt(5)  # t(.975, 4) of any table
    return Rival(name, Interval(mean, half if mean else math.nan, 5), told, turned)


def test_seeds_are_reckoned_for_what_is_left_to_be_told() -> None:
    """Three rivals are six pairs, of which those that are told count no more."""
    rivals = [rival("B", 0.6), rival("C", 0.9), rival("D", 9, True)]
    second, third = (rivals[n].apart.enough(5) for n in range(2))
    assert rivals[0].apart.enough(6) != second != third
    gaps, often = "if the gaps are as they seem", "4 times in 5"
    told = f"{gaps}, about {second} seeds would tell it from B {often}"
    assert verdict.enough(rivals) == f"{told}, about {third} from C"
    assert verdict.enough([*rivals[:1], rival("C", 0), rivals[2]]) == told
    half = rival("B", 1.3), rival("C", 2.0), rivals[2]
    (said,) = verdict.by_chance(half)
    most = half[0].apart.enough(5)
    assert most > half[1].apart.enough(5)
    assert said.endswith(f"{gaps}, about {most} seeds would tell {often}")
    none = [rival("B", 0)], [rival("B", 9, True)], [rival("B", 0), rival("C", 0.9)]
    better = [rival("B", 0.6), rival("C", 9, True, "has the best mean")]
    assert [*map(verdict.enough, (*none, better))] == [""] * 4
    little = verdict.enough([rival("B", 0.001)])
    assert little == f"{gaps}, more than 1,000 seeds would tell it from B {often}"
