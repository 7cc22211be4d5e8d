"""The network: one state behind programs for every batch size."""

from __future__ import annotations

import numpy as np
import pytest

from nettrain.diagnose.evidence import Blame
from nettrain.errors import Error
from nettrain.nn import BatchNorm, Dense, Dropout
from nettrain.training.blame import blame
from nettrain.training.network import Network
from tests.training.conftest import Start, parts


@pytest.fixture
def network(start: Start) -> Network:
    return start([Dense(6), BatchNorm(), Dropout(0.5), Dense(2)]).loop.network


def test_predictions_do_not_depend_on_what_else_is_predicted(network: Network) -> None:
    inputs = parts()["train"].inputs
    whole = network.outputs(inputs, 30)
    np.testing.assert_allclose(network.outputs(inputs, 7), whole, rtol=1e-5)
    np.testing.assert_allclose(network.outputs(inputs[3:4], 7), whole[3:4], rtol=1e-5)
    assert network.outputs(inputs[:0], 7).shape == (0, 2)


def test_score_and_predictions(network: Network) -> None:
    part = parts()["train"]
    outputs = network.outputs(part.inputs, 30).astype(np.float64)
    loss, predictions = network.score(outputs.astype(np.float32), part.targets)
    shares = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
    expected = -np.log(shares[np.arange(30), part.targets]).mean()
    assert loss == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(predictions, shares, rtol=1e-5)
    again = network.predictions(outputs.astype(np.float32))
    assert np.array_equal(again, predictions)


def test_the_names_of_checkpoints(network: Network) -> None:
    kinds = {path: path.partition("/")[0] for path in network.tensors()}
    assert kinds["parameter/model/dense1/weight"] == "parameter"
    assert kinds["state/model/batch_norm1/running_mean"] == "state"
    assert "optimizer" in kinds.values()
    assert set(kinds.values()) <= {"parameter", "state", "optimizer", "diagnosis"}
    assert set(network.weights()) == {
        path.partition("/")[2]
        for path, kind in kinds.items()
        if kind in ("parameter", "state")
    }


def test_the_state_comes_back(start: Start) -> None:
    one, two = (start([Dense(6), BatchNorm(), Dense(2)], seed=s) for s in (0, 1))
    train = parts()["train"]
    one.loop.network.train(train.inputs[:8], train.targets[:8], 0.1, 1)
    two.loop.network.restore({**one.loop.network.tensors(), "more": np.zeros(1)})
    for path, value in one.state.items():
        assert np.array_equal(two.state[path], value), path
    with pytest.raises(Error, match="parameter/model/dense1/weight"):
        two.loop.network.restore({})


def test_a_state_of_other_shapes_is_refused(start: Start) -> None:
    tensors = start([Dense(7), Dense(2)]).loop.network.tensors()
    with pytest.raises(Error) as caught:
        start([Dense(6), Dense(2)]).loop.network.restore(tensors)
    assert caught.value.code == "checkpoint-mismatch"


def test_full_batches_are_traced_once(network: Network) -> None:
    assert network.compiled(8, full=False).traced is network.first
    assert network.compiled(8, full=True).traced is not network.first
    assert network.compiled(6, full=False).traced.inputs.shape[0] == 6


def test_blame_changes_nothing_and_names_rows(start: Start) -> None:
    started = start([Dense(6, activation="relu"), Dense(2)])
    train, before = parts()["train"], started.state
    inputs = train.inputs[:8].copy()
    inputs[5] = np.nan
    found = blame(
        started.loop.network, inputs, train.targets[:8], 0.1, 3, 1, np.arange(50, 58)
    )
    assert (found.step, found.epoch, found.rows) == (3, 1, (55,))
    assert all(np.array_equal(v, before[p]) for p, v in started.state.items())
    sound = blame(
        started.loop.network,
        train.inputs[:8],
        train.targets[:8],
        0.1,
        3,
        1,
        np.arange(8),
    )
    assert sound == Blame(3, 1, reproduced=False)
