"""Definitions, states and the cache of programs."""

from __future__ import annotations

import warnings
from collections.abc import Hashable
from typing import Any

import numpy as np
import pytest

from nettrain.errors import Error
from nettrain.execute import EXECUTORS, Cache, Definition, State, executor
from nettrain.execute.program import Result
from nettrain.graph import leaf
from nettrain.graph import operations as ops


def test_executors_are_found_by_name() -> None:
    assert executor().name == "numpy"
    for name in EXECUTORS:
        assert executor(name).name == name
    with pytest.raises(Error, match="no executor fast") as found:
        executor("fast")
    assert found.value.code == "config-executor"
    assert "reference" in str(found.value)


def test_a_definition_refuses_what_cannot_be_updated() -> None:
    x, a = leaf("input", "x", (3,), "float64"), leaf("state", "a", (3,), "float32")
    for old, new in (
        (x, x * 2.0),
        (a + 1.0, a),
        (a, a[:2]),
        (a, ops.cast(a, "float64")),
    ):
        with pytest.raises(Error) as found:
            Definition({}, {old: new})
        assert found.value.code == "graph-update"
    with pytest.raises(Error, match=r"guard .* no scalar"):
        Definition({}, {}, (x,))


def test_a_definition_lists_its_leaves_and_the_updated_ones() -> None:
    x, a = leaf("input", "x", (3,), "float64"), leaf("state", "a", (3,), "float64")
    p = leaf("parameter", "p", (3,), "float64")
    definition = Definition({"y": x + p}, {a: x * 2.0})
    assert definition.leaves("input") == [x]
    assert definition.leaves("parameter", "state") == [p, a]


def test_loading_fits_or_is_refused() -> None:
    state = State({"w": np.zeros((2, 3), np.float32)})
    array = state["w"]
    state.load({"w": np.ones((2, 3), np.float64)})
    assert state["w"] is array and array.sum() == 6.0
    for values in ({"v": np.ones(3)}, {"w": np.ones((3, 2))}):
        with pytest.raises(Error) as found:
            state.load(values)
        assert found.value.code == "checkpoint-mismatch"
    assert state.snapshot()["w"] is not array


def test_an_initial_value_may_come_with_the_leaf() -> None:
    a = leaf("state", "a", (2,), "float64")
    from nettrain.graph import parameter

    p = parameter("p", np.array([1.0, 2.0]))
    for name in EXECUTORS:
        state = executor(name).allocate(Definition({"y": a + p}), {"a": np.zeros(2)})
        np.testing.assert_array_equal(state["p"], [1.0, 2.0])
        state["p"][:] = 0.0
    np.testing.assert_array_equal(p.op.initial, [1.0, 2.0])


class Counting:
    """Makes programs and counts them."""

    def __init__(self) -> None:
        self.built: list[Hashable] = []

    def __call__(self, key: Hashable) -> Any:
        self.built.append(key)
        return lambda inputs: Result({"key": key}, True)


def test_the_cache_is_bounded_and_drops_the_longest_unused() -> None:
    build = Counting()
    cache = Cache(build, limit=3)
    for key in (1, 2, 3, 1, 4, 1, 3):
        assert cache(key)({}).outputs["key"] == key
    assert build.built == [1, 2, 3, 4]
    for key in (2, 3, 1, 2):
        cache(key)
    assert build.built == [1, 2, 3, 4, 2]


def test_the_cache_warns_once_at_eight() -> None:
    cache = Cache(Counting())
    for key in range(7):
        cache(key)
    with pytest.warns(UserWarning, match="8 different input shapes"):
        cache(7)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for key in range(30):
            cache(key)
