"""Ranges and lists of values."""

from __future__ import annotations

from typing import Any

import pytest

from nettrain.component import build
from nettrain.errors import Error
from nettrain.study.space import Axis, Int, IntLog, Linear, Log, drawn, grid, value

BELOW_ONE = 1 - 2**-53


@pytest.mark.parametrize(
    ("axis", "at_zero", "at_half", "at_end"),
    [
        (Linear([2.0, 6.0]), 2.0, 4.0, 6.0),
        (Log([1e-4, 1e-2]), 1e-4, 1e-3, 1e-2),
        (Int([1, 4]), 1, 3, 4),
        (IntLog([1, 99]), 1, 10, 99),
    ],
)
def test_ranges_reach_both_ends(
    axis: Any, at_zero: float, at_half: float, at_end: float
) -> None:
    assert axis.at(0.0) == at_zero
    assert axis.at(0.5) == pytest.approx(at_half, rel=1e-12)
    assert axis.at(BELOW_ONE) == pytest.approx(at_end, rel=1e-12)
    assert axis.at(1.0) == at_end


@pytest.mark.parametrize(
    ("axis", "steps", "written"),
    [
        (Log([1e-4, 1.0]), 5, "0.0001 0.001 0.01 0.1 1.0"),
        (Log([1e-5, 1e-1]), 9, None),
        (Linear([0.1, 0.7]), 7, "0.1 0.2 0.3 0.4 0.5 0.6 0.7"),
        (Log([1e-300, 1e300]), 3, "1e-300 1.0 1e+300"),
    ],
)
def test_values_are_those_that_a_person_would_write(
    axis: Any, steps: int, written: str | None
) -> None:
    """So that the one in the table, given to a run, is that run."""
    found = [point for (point,) in grid({"key": axis}, steps)]
    assert written is None or " ".join(map(repr, found)) == written
    assert all(float(f"{one:.12g}") == one for one in found)


def test_values_stay_between_ends_of_many_digits() -> None:
    low, high = 0.12345678901234567, 0.12345678901239
    for axis in (Linear([low, high]), Log([low, high])):
        found = [axis.at(i / 50) for i in range(51)]
        assert found[0] == low and found[-1] == high
        assert all(low <= one <= high for one in found)


def test_integers_are_equally_likely_and_those_of_a_logarithm_are_not() -> None:
    shares = [(i + 0.5) / 1200 for i in range(1200)]
    even = [Int([3, 5]).at(share) for share in shares]
    assert [even.count(n) for n in (3, 4, 5)] == [400, 400, 400]
    log = [IntLog([1, 3]).at(share) for share in shares]
    # P(1) : P(2) : P(3) = log 2 : log 3/2 : log 4/3, of log 4.
    assert [log.count(n) for n in (1, 2, 3)] == pytest.approx([600, 351, 249], abs=1)


def test_a_list_is_cut_into_equal_parts() -> None:
    axis = ("a", {"b": 1}, None)
    assert [value(axis, s) for s in (0.0, 0.33, 0.34, 0.66, 0.67, BELOW_ONE)] == [
        "a",
        "a",
        {"b": 1},
        {"b": 1},
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({"log": [0, 1]}, "a logarithm needs ends above 0, got 0"),
        ({"int_log": [-1, 1]}, "a logarithm needs ends above 0, got -1"),
        ({"linear": [1, 1]}, "[1, 1] is no range"),
        ({"log": [1e-1, 1e-4]}, "[0.1, 0.0001] is no range"),
        ({"int": [1, 2, 3]}, "[1, 2, 3] is no range"),
        ({"int": [0.5, 2]}, "expected an integer"),
    ],
)
def test_what_is_no_range_is_refused(written: Any, told: str) -> None:
    problems: list[Any] = []
    build(Axis, written, ("space", "key"), problems)
    assert told in " ".join(p.message for p in problems)


def test_points_depend_on_seed_and_key_alone() -> None:
    one = {"a": Log([1e-4, 1.0]), "b": (1, 2, 3)}
    two = {"c": Int([1, 9]), **one}
    assert [drawn(two, 0, i)[1:] for i in range(20)] == [
        drawn(one, 0, i) for i in range(20)
    ]
    assert drawn(one, 1, 0) != drawn(one, 0, 0) != drawn(one, 0, 1)


def test_a_grid_is_every_combination_the_last_key_fastest() -> None:
    axes = {"a": (1, 2), "b": Linear([0.0, 1.0]), "c": Int([0, 1])}
    assert grid(axes, 3)[:7] == [
        (1, 0.0, 0),
        (1, 0.0, 1),
        (1, 0.5, 0),
        (1, 0.5, 1),
        (1, 1.0, 0),
        (1, 1.0, 1),
        (2, 0.0, 0),
    ]
    assert grid({"a": Linear([0.0, 1.0])}, 1) == [(0.5,)]
    assert grid({}, None) == [()]


def test_a_grid_of_a_range_needs_a_number_of_steps() -> None:
    with pytest.raises(Error, match="a grid needs a list of values for rate") as told:
        grid({"rate": Log([1e-4, 1.0])}, None)
    assert told.value.code == "config-grid"
