"""Which points are tried, and for how long."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest

from nettrain.study.methods import Grid, Halving, Method, Optuna, Random, Try
from nettrain.study.space import Int, Log

AXES = {"rate": Log([1e-4, 1.0]), "units": Int([1, 64]), "kind": ("a", {"b": 2})}

Loss = Callable[[Try], float]


def by_rate(one: Try) -> float:
    return abs(math.log10(one.values[0]) + 2)


def searched(method: Method, loss: Loss = by_rate) -> list[list[Try]]:
    """All generations, where each try has the loss that is given."""
    generations = method.generations(AXES)
    found, sent = [], None
    while True:
        try:
            tries = next(generations) if sent is None else generations.send(sent)
        except StopIteration:
            return found
        found.append(tries)
        sent = [loss(one) for one in tries]


def test_random_points_stay_where_more_are_asked_for() -> None:
    (few,), (many,) = searched(Random(5)), searched(Random(9))
    assert many[:5] == few and len(set(map(repr, many))) == 9
    assert searched(Random(5, seed=1)) != [few]


def test_a_grid_is_one_generation_trained_to_the_end() -> None:
    (tries,) = searched(Grid(2))
    assert len(tries) == 8 and {one.until for one in tries} == {100.0}


def test_halving_keeps_the_best_third_three_times_as_long() -> None:
    rungs = searched(Halving(27, 3))
    assert [len(rung) for rung in rungs] == [27, 9, 3, 1]
    assert [rung[0].until for rung in rungs] == [100 / 27, 100 / 9, 100 / 3, 100.0]
    losses = [sorted(map(by_rate, rung)) for rung in rungs]
    for one, after in itertools.pairwise(losses):
        assert after == one[: len(after)]


@pytest.mark.parametrize(
    ("method", "sizes"),
    [
        (Halving(10, 3), [10, 4, 2]),
        (Halving(8, 2), [8, 4, 2, 1]),
        (Halving(8, 2, rungs=2), [8, 4]),
        (Halving(2, 3), [2]),
        (Halving(1, 2), [1]),
    ],
)
def test_rungs_of_other_numbers(method: Halving, sizes: list[int]) -> None:
    rungs = searched(method)
    assert [len(rung) for rung in rungs] == sizes
    assert rungs[-1][0].until == 100.0


def test_halving_goes_on_without_those_that_failed() -> None:
    rungs = searched(
        Halving(9, 3), lambda t: by_rate(t) if t.values[1] > 40 else math.inf
    )
    alive = [one for one in rungs[0] if one.values[1] > 40]
    assert alive and all(t.values[1] > 40 for r in rungs[1:] for t in r)
    assert searched(Halving(9, 3), lambda t: math.inf)[1:] == []


def test_equal_losses_keep_the_first_points() -> None:
    rungs = searched(Halving(9, 3), lambda t: 0.0)
    assert [t.values for t in rungs[1]] == [t.values for t in rungs[0][:3]]


def test_optuna_repeats_itself_learns_and_keeps_to_the_space() -> None:
    pytest.importorskip("optuna")
    method = Optuna(40, generation=5, seed=3)
    first, second = searched(method), searched(method)
    assert first == second
    assert [len(generation) for generation in first] == [5] * 8
    tries = [one for generation in first for one in generation]
    for rate, units, kind in (one.values for one in tries):
        assert 1e-4 <= rate <= 1 and 1 <= units <= 64 and kind in AXES["kind"]
        assert isinstance(units, int)
    early, late = tries[:10], tries[-10:]
    assert sum(map(by_rate, late)) < 0.5 * sum(map(by_rate, early))


def test_optuna_keeps_away_from_what_failed() -> None:
    pytest.importorskip("optuna")

    def loss(one: Try) -> float:
        return math.inf if one.values[0] > 0.1 else by_rate(one)

    found = searched(Optuna(41, generation=5), loss)
    assert [len(generation) for generation in found] == [5] * 8 + [1]
    failed = [[math.isinf(loss(one)) for one in generation] for generation in found]
    assert sum(map(sum, failed[:2])) > 0 and sum(map(sum, failed[4:])) <= 1
