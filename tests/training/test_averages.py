"""Weights that an optimizer averages: predictions, best and final ones are these."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nettrain.experiment import load
from nettrain.nn import BatchNorm, Dense
from nettrain.optim import (
    Adam,
    ExponentialAverage,
    Lookahead,
    Muon,
    NAdam,
    Optimizer,
)
from nettrain.training.evaluate import predict
from nettrain.training.events import Stepped
from nettrain.training.settings import Stop

EMA = ExponentialAverage(Adam(0.05), 0.9)


def rows(run: Any) -> list[dict[str, Any]]:
    return [event.row for event in run.events if isinstance(event, Stepped)]


def averaged(run: Any) -> dict[str, np.ndarray]:
    """The mean of the weights after each update, from those that a plain run has."""
    return {
        path: run.state[path] + run.state[f"optimizer/lag/{path}"]
        for path in run.weights()
    }


def test_training_is_that_of_the_optimizer_inside(start: Any) -> None:
    plain, wrapped = start(optimizer=Adam(0.05)), start(optimizer=EMA)
    plain.loop.run(), wrapped.loop.run()
    for path, weight in plain.weights().items():
        np.testing.assert_array_equal(wrapped.state[path], weight)
    for mine, other in zip(rows(wrapped), rows(plain), strict=True):
        assert mine["train/loss"] == other["train/loss"]


def test_evaluation_uses_the_average(start: Any) -> None:
    run = start([Dense(6), BatchNorm(), Dense(2)], optimizer=EMA, epochs=3)
    run.loop.run()
    means = averaged(run)
    assert any(not np.array_equal(run.state[p], mean) for p, mean in means.items())
    weights = run.loop.network.weights()
    for path, array in weights.items():
        np.testing.assert_array_equal(array, means.get(path, run.state[path]))
    other = start([Dense(6), BatchNorm(), Dense(2)])
    other.loop.network.state.load(weights)
    part = run.loop._plan.parts["test"]
    expected = predict(other.loop.network, part, 8)
    found = predict(run.loop.network, part, 8)
    np.testing.assert_allclose(found.predictions, expected.predictions, rtol=1e-6)
    assert rows(run)[-1]["test/loss"] == pytest.approx(expected.loss, rel=1e-6)


def test_the_result_is_the_average(start: Any) -> None:
    run = start(optimizer=EMA, epochs=3)
    run.loop.run()
    found = load.weights(run.loop.tensors())
    for path, mean in averaged(run).items():
        np.testing.assert_array_equal(found[path], mean)


def test_the_best_weights_are_those_of_the_average(start: Any) -> None:
    stop = Stop(patience=2, restore_best=True)
    optimizer = ExponentialAverage(Lookahead(Adam(0.3)), 0.8)
    run = start(epochs=200, optimizer=optimizer, stop=stop, diagnosed=False)
    run.loop.run()
    values = [r["validation/loss"] for r in rows(run) if "validation/loss" in r]
    best = int(np.argmin(values))
    assert best + 3 == len(values)
    again = start(epochs=best + 1, optimizer=optimizer, diagnosed=False)
    again.loop.run()
    found = load.weights(run.loop.tensors())
    for path, mean in averaged(again).items():
        np.testing.assert_array_equal(found[path], mean)
    assert rows(run)[-1]["test/loss"] == pytest.approx(rows(again)[-1]["test/loss"])


def test_the_network_is_as_before_after_the_test(start: Any) -> None:
    network = start(optimizer=EMA, epochs=2).loop.network
    before = network.state.snapshot()
    other = {path: array + 1 for path, array in network.weights().items()}
    with network.using(other):
        for path, array in network.weights().items():
            np.testing.assert_array_equal(array, other[path])
    with network.using({}):
        pass
    after = network.state.snapshot()
    assert before.keys() == after.keys()
    for path, array in before.items():
        np.testing.assert_array_equal(after[path], array)


@pytest.mark.parametrize("restore_best", [False, True])
@pytest.mark.parametrize(
    "optimizer",
    [ExponentialAverage(Lookahead(Adam(0.05), 3), 0.9), NAdam(0.05), Muon(0.01)],
    ids=lambda x: type(x).__name__,
)
def test_resumed_is_uninterrupted(
    start: Any, optimizer: Optimizer, restore_best: bool
) -> None:
    def fresh(**plan: Any) -> Any:
        stop = Stop(patience=50, restore_best=restore_best)
        return start(
            epochs=3, optimizer=optimizer, stop=stop, plan=plan, diagnosed=False
        )

    whole = fresh()
    whole.loop.run()
    pieces: list[dict[str, Any]] = []
    tensors: dict[str, np.ndarray] = {}
    for _ in range(20):
        calls = iter(range(100))
        part = fresh(interrupted=lambda calls=calls: next(calls) == 2)
        if tensors:
            part.loop.restore(tensors)
        outcome = part.loop.run(pieces)
        pieces += rows(part)
        tensors = {path: array.copy() for path, array in part.loop.tensors().items()}
        if outcome.status == "finished":
            break
    assert pieces == rows(whole)
    expected = whole.loop.tensors()
    assert expected.keys() == tensors.keys()
    for path, array in expected.items():
        np.testing.assert_array_equal(tensors[path], array, err_msg=path)


def test_an_average_is_not_taken_for_the_best(start: Any) -> None:
    """Before an epoch is evaluated nothing is best, and resuming must not see it so."""
    for restore_best in (False, True):
        calls = iter(range(100))
        plan = {"interrupted": lambda calls=calls: next(calls) == 2}
        stop = Stop(restore_best=restore_best)
        run = start(optimizer=EMA, epochs=3, stop=stop, plan=plan)
        assert run.loop.run().status == "interrupted"
        tensors = run.loop.tensors()
        found = {p for p in tensors if p.startswith("best/")}
        assert bool(found) is not restore_best
