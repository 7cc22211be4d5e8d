"""Intervals of means, and of paired differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from nettrain.study.intervals import Interval, difference


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


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf, 1.0]])
def test_what_has_no_mean(values: list[float]) -> None:
    found = Interval.of(values)
    assert math.isnan(found.mean) and math.isnan(found.half)
    assert not found.excludes_zero


def test_one_value_has_a_mean_and_no_interval() -> None:
    found = Interval.of([3.0])
    assert found.mean == 3.0 and math.isnan(found.half) and not found.excludes_zero


def test_pairs_are_told_apart_where_means_are_not() -> None:
    """What a seed does to both cancels out."""
    seeds = np.array([0.1, 0.5, 0.9, 0.3])
    one, two = seeds + np.array([0.010, 0.012, 0.011, 0.009]), seeds
    assert Interval.of(one.tolist()).low < Interval.of(two.tolist()).high
    found = difference(one.tolist(), two.tolist())
    assert found.mean == pytest.approx(0.0105) and found.excludes_zero
    assert difference(two.tolist(), one.tolist()).excludes_zero
    assert not difference(two.tolist(), two[::-1].tolist()).excludes_zero
