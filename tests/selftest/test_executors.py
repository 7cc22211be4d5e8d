"""Executors that are wrong in one place, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nettrain.execute import Definition, Result, State
from nettrain.execute.plan import Numpy
from nettrain.execute.program import Arrays
from nettrain.selftest import executors
from nettrain.selftest.executors import Run, agreement, difference
from nettrain.selftest.programs import cases, mlp
from nettrain.selftest.random_programs import drawn
from nettrain.selftest.score import TOLD, Tally

Change = Callable[[Definition, Result, State], None]


class Wrong(Numpy):
    """The numpy executor, but for what `change` does after each run."""

    name = "wrong"

    def __init__(self, change: Change) -> None:
        super().__init__()
        self._change = change

    def program(self, definition: Definition, state: State) -> Any:
        right = super().program(definition, state)

        def run(inputs: Arrays) -> Result:
            result = right(inputs)
            result.outputs = {k: np.array(v) for k, v in result.outputs.items()}
            self._change(definition, result, state)
            return result

        return run


def up(array: np.ndarray) -> None:
    """The first element one last bit higher."""
    array.flat[0] = np.nextafter(array.flat[0], array.dtype.type(np.inf))


def computes(definition: Definition, name: str) -> bool:
    return any(node.op.name == name for node in definition.outputs.values())


def test_every_executor_agrees() -> None:
    score = agreement(programs=3, steps=3)
    assert (score.passed, score.failures) == (score.total, ())
    assert score.total == len(list(cases())) + 2 * 3 + 4 + 4


@pytest.mark.parametrize("name", ["matmul", "exp", "max"])
def test_one_last_bit_of_one_operation_is_named(name: str) -> None:
    def change(definition: Definition, result: Result, state: State) -> None:
        if computes(definition, name):
            up(result.outputs["y"])

    tally = Tally("")
    executors.operations(Wrong(change), tally)
    expected = [case for case in cases() if computes(case.definition()[0], name)]
    assert tally.total - tally.passed == len(expected) > 0
    assert tally.failures[0].startswith(f"wrong, {name}-0-float64: run 1, y: 1 of ")
    assert len(tally.failures) == min(TOLD, len(expected))


def test_a_wrong_gradient_is_named() -> None:
    def change(definition: Definition, result: Result, state: State) -> None:
        if "gradient of x1" in result.outputs:
            up(result.outputs["gradient of x1"])

    tally = Tally("")
    executors.operations(Wrong(change), tally)
    assert 0 < tally.passed < tally.total
    assert "gradient of x1" in tally.failures[0]


def test_a_sign_of_zero_is_a_bit_and_any_nan_is_as_good_as_another() -> None:
    def run(*numbers: float) -> list[Run]:
        return [Run({"y": np.array(numbers)}, True, {})]

    nan = float(np.copysign(np.nan, -1.0))
    assert difference(run(0.0, np.nan), run(0.0, nan)) == ""
    assert "first [0]: np.float64(-0.0)" in difference(run(-0.0, 1.0), run(0.0, 1.0))
    assert difference(run(1.0), run(np.nan)) and difference(run(np.nan), run(1.0))
    assert difference(run(1.0), run(1.0 + 1e-9))
    assert not difference(run(1.0), run(1.0 + 1e-10), 1e-9)
    assert difference(run(np.inf), run(-np.inf), 1e-9)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (Run({"y": np.zeros(2, np.float32)}, True, {}), "float32(2,), not float64(2,)"),
        (Run({"y": np.zeros((2, 1))}, True, {}), "float64(2, 1), not float64(2,)"),
        (Run({"y": np.zeros(2)}, False, {}), "committed False, not True"),
        (Run({}, True, {}), "[], not ['y']"),
        (Run({"y": np.zeros(2)}, True, {"w": np.ones(1)}), "['w'], not []"),
    ],
)
def test_other_differences(found: Run, said: str) -> None:
    assert said in difference([found], [Run({"y": np.zeros(2)}, True, {})])


def test_a_state_that_is_wrong_in_the_third_step() -> None:
    """Too little for a tolerance in the first steps, but the update is not made."""
    runs = 0

    def change(definition: Definition, result: Result, state: State) -> None:
        nonlocal runs
        runs += 1
        if definition.updates and runs % 8 == 4:
            state["w1"][0, 0] += 1e-3

    tally = Tally("")
    executors.training(Wrong(change), tally, 8)
    assert tally.passed == 0
    assert "w1" in tally.failures[0] and "run 4" in tally.failures[0]


def test_a_bad_batch_that_is_committed() -> None:
    class Committing(Numpy):
        def program(self, definition: Definition, state: State) -> Any:
            plain = Definition(definition.outputs, definition.updates)
            return super().program(plain, state)

    tally = Tally("")
    executors.training(Committing(), tally, 3)
    assert tally.passed == 0
    assert "run 3: committed True, not False" in tally.failures[0]


def test_random_programs_are_told_apart_by_their_seed() -> None:
    def change(definition: Definition, result: Result, state: State) -> None:
        if len(definition.outputs) == 2 and result.committed:
            for array in state.values():
                array *= 2.0

    tally = Tally("")
    executors.random_programs(Wrong(change), tally, 4)
    assert tally.total == 8 and tally.passed < 8
    assert "program " in tally.failures[0]
    one, other = (drawn(seed, exact=True)[0] for seed in (1, 2))
    assert len(one.roots()) != len(other.roots()) or set(one.outputs) != set(
        other.outputs
    )


def test_an_update_after_a_measurement_that_is_not_the_step() -> None:
    def change(definition: Definition, result: Result, state: State) -> None:
        if definition.updates and not definition.outputs:  # the second half alone
            up(state["b2"])

    told = executors.difference_when_cut(Wrong(change), "float32", True, 3)
    assert "run 1, b2: 1 of 3 elements differ" in told
    assert executors.difference_when_cut(Numpy(), "float32", True, 3) == ""


def test_it_is_the_reference_that_the_others_are_compared_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(executors, "EXECUTORS", {"reference": None})
    assert agreement(1, 1).total == 0


def test_the_network_learns_in_both_dtypes() -> None:
    for dtype in ("float32", "float64"):
        network = mlp(dtype)
        executor = Numpy()
        feeds = [network.feed(1)] * 30
        runs = executors.run(executor, network.definition, network.values, feeds)
        costs = [float(run.outputs["cost"]) for run in runs]
        assert costs[-1] < 0.5 * costs[0]
