"""Intervals of means, and of paired differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from nettrain.study.intervals import MOST, Interval, difference, told_apart


def excludes_zero(found: Interval) -> bool:
    return found.low > 0 or found.high < 0


def test_the_interval_is_students() -> None:
    values = [0.91, 0.95, 0.93, 0.90, 0.96]
    found = Interval.of(values)
    low, high = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-12)


def test_folds_make_it_longer_by_nadeau_and_bengio() -> None:
    values = [0.91, 0.95, 0.93, 0.90, 0.96]
    plain, folded = Interval.of(values), Interval.of(values, folds=5)
    assert folded.mean == plain.mean
    # (1/5 + n_test/n_train) / (1/5), n_test/n_train = (1/5)/(4/5).
    assert folded.half == pytest.approx(plain.half * math.sqrt((0.2 + 0.25) / 0.2))


@pytest.mark.parametrize(
    "values", [[], [1.0, math.nan], [math.inf, 1.0], [1.7e308] * 2]
)
def test_what_has_no_mean(values: list[float]) -> None:
    found = Interval.of(values)
    assert math.isnan(found.mean) and math.isnan(found.half)
    assert not excludes_zero(found)


def test_one_value_has_a_mean_and_no_interval() -> None:
    found = Interval.of([3.0])
    assert found.mean == 3.0 and math.isnan(found.half) and not excludes_zero(found)


def test_pairs_are_told_apart_where_means_are_not() -> None:
    """What a seed does to both cancels out."""
    seeds = np.array([0.1, 0.5, 0.9, 0.3])
    one, two = seeds + np.array([0.010, 0.012, 0.011, 0.009]), seeds
    assert Interval.of(one.tolist()).low < Interval.of(two.tolist()).high
    found = difference(one.tolist(), two.tolist())
    assert found.mean == pytest.approx(0.0105) and excludes_zero(found)
    assert excludes_zero(difference(two.tolist(), one.tolist()))
    assert not excludes_zero(difference(two.tolist(), two[::-1].tolist()))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([0.5, 0.5], [0.25, 0.25]),
        ([35 / 36, 1.0], [34 / 36, 35 / 36]),  # rounded, each in its own way
        ([0.7, 0.6, 1e9 + 0.1], [0.6, 0.5, 1e9]),
        ([3.0, 4.0], [3.0, 4.0]),
    ],
)
def test_differences_that_all_agree_are_no_certainty(
    first: list[float], second: list[float]
) -> None:
    found = difference(first, second)
    assert found.agree and math.isnan(found.half) and found.n == len(first)
    assert not excludes_zero(found) and found.p == 1
    assert told_apart([found]) == [False]


def test_values_that_all_agree_have_no_interval() -> None:
    found = Interval.of([0.25, 0.25, 0.25])
    assert (found.mean, found.agree) == (0.25, True) and math.isnan(found.half)
    near = Interval.of([0.25, 0.25 + 1e-14])
    assert not near.agree and near.half > 0
    assert not Interval.of([1.0]).agree and not Interval.of([math.nan] * 2).agree


def test_the_probability_is_students() -> None:
    one, two = [0.91, 0.95, 0.93, 0.90, 0.96], [0.90, 0.96, 0.90, 0.88, 0.95]
    plain, folded = difference(one, two), difference(one, two, folds=5)
    expected = stats.ttest_rel(one, two)
    assert plain.p == pytest.approx(expected.pvalue, rel=1e-9)
    corrected = expected.statistic * math.sqrt(0.2 / (0.2 + 0.25))
    assert folded.p == pytest.approx(2 * stats.t.sf(corrected, 4), rel=1e-9)


def holm(p: list[float], tests: int) -> set[int]:
    """Those of so many tests that are rejected at 5 %, each by its adjusted p."""
    order, worst, found = np.argsort(p), 0.0, set()
    for step, i in enumerate(order):
        worst = max(worst, min(1.0, (tests - step) * p[i]))
        if worst <= 0.05:
            found.add(int(i))
    return found


def test_many_are_told_apart_by_holm() -> None:
    draw = np.random.default_rng(3)
    counts = []
    for _ in range(60):
        rivals = draw.integers(1, 8)
        shift = draw.choice([0, 0.5, 2, 8], size=rivals)[:, None]
        apart = draw.normal(size=(rivals, 5)) + shift
        found = told_apart([Interval.of(row.tolist()) for row in apart])
        p = stats.ttest_1samp(apart, 0, axis=1).pvalue.tolist()
        assert {i for i, told in enumerate(found) if told} == holm(
            p, rivals * (rivals + 1) // 2
        )
        counts.append(sum(found))
        if rivals == 1:
            assert found == [excludes_zero(Interval.of(apart[0].tolist()))]
    assert {0, 1, 2, 3} <= set(counts)


def test_who_has_no_pairs_is_no_rival() -> None:
    sure, near = Interval.of([1.0, 1.001, 1.002]), Interval.of([1.0, 1.2, 1.6])
    assert excludes_zero(near) and 0.05 / 3 < near.p < 0.05 / 2
    none = [Interval.of([]), Interval.of([2.0]), Interval.of([1.0, math.nan])]
    assert told_apart([*none, near]) == [False, False, False, True]
    assert told_apart([near, Interval.of([1.0] * 3)]) == [False, False]
    assert told_apart([near, sure, *none[:1]]) == [True, True, False]
    assert told_apart([]) == [] and told_apart(none) == [False] * 3


def test_equal_configs_are_rarely_told_from_the_luckiest() -> None:
    """Once in twenty at most, though the best is chosen by the same values."""
    draw = np.random.default_rng(7)
    wrong = 0
    for values in draw.normal(size=(400, 12, 3)):
        best, *others = sorted(values.tolist(), key=sum)
        wrong += any(told_apart([difference(other, best) for other in others]))
    assert wrong <= 0.05 * 400


def spread(mean: float, n: int, folds: int = 1) -> Interval:
    """Of n values with this mean and the standard deviation 1."""
    values = stats.norm.ppf((np.arange(n) + 0.5) / n)
    return Interval.of((values / values.std(ddof=1) + mean).tolist(), folds)


@pytest.mark.parametrize(
    ("mean", "tests", "expected"),
    # G*Power's and R's power.t.test for pairs: 34 for an effect of .5, 10 for 1.
    [(0.5, 1, 34), (-0.5, 1, 34), (1.0, 1, 10), (0.001, 1, MOST + 1), (1e5, 1, 2)],
)
def test_so_many_seeds_are_enough(mean: float, tests: int, expected: int) -> None:
    assert {spread(mean, n).enough(tests) for n in (3, 4, 12)} == {expected}


@pytest.mark.parametrize(("mean", "rivals"), [(1.0, 3), (3.0, 6)])
def test_they_tell_four_times_in_five_among_all_pairs(mean: float, rivals: int) -> None:
    n = spread(mean, 3).enough(rivals * (rivals + 1) // 2)
    draw = np.random.default_rng(5)
    shift = mean * (np.arange(rivals) == 0)[:, None]
    told = [
        [told_apart([*map(Interval.of, (apart + shift).tolist())])[0] for apart in sets]
        for sets in (draw.normal(size=(400, rivals, size)) for size in (n, n - 1))
    ]
    assert np.mean(told[0]) > 0.77 and np.mean(told[1]) < 0.83


def test_of_folds_whole_seeds_are_counted_and_no_number_may_be_enough() -> None:
    """Nadeau and Bengio's error does not vanish: 1/(folds - 1) of it stays."""
    seeds = spread(2.0, 6, folds=3).enough(1)
    power = [
        stats.nct.sf(stats.t.isf(0.025, n - 1), n - 1, 2.0 / math.sqrt(1 / n + 1 / 2))
        for n in (3 * seeds, 3 * (seeds - 1))
    ]
    assert power[0] >= 0.8 > power[1]
    assert spread(1.0, 6, folds=3).enough(1) == MOST + 1


def test_what_is_not_told_needs_more_seeds_than_it_has() -> None:
    draw = np.random.default_rng(11)
    for values in draw.normal(0.8, size=(200, 4)).tolist():
        known = Interval.of(values)
        assert known.p * 6 <= 0.05 or known.enough(6) > 4


def test_the_larger_the_gap_the_fewer_are_enough() -> None:
    """Also where scipy has no number for so large a one."""
    gaps = np.arange(3.0, 9.0, 0.05)
    for tests in (1, 3, 66):
        found = [Interval.of([gap - 0.5, gap + 0.5]).enough(tests) for gap in gaps]
        assert found == sorted(found, reverse=True) and found[-1] <= 5
