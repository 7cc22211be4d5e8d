"""Recorded rows as arrays over depth and time."""

from __future__ import annotations

import numpy as np
import pytest

from nettrain.show.columns import history, layer_names, numbers, time_in_epochs, timed

from .pictures import PER_EPOCH, metrics, statistics


def test_rows_become_nodes_by_moments() -> None:
    found = history(statistics(layers=3, epochs=2), "pre_activation")
    assert [node.split("/")[1] for node in found.nodes] == [
        "dense1",
        "dense2",
        "dense3",
    ]
    assert found.steps.tolist() == [1, 2, PER_EPOCH, 2 * PER_EPOCH]
    values = found.values("gradient_rms")
    assert values.shape == (3, 4)
    np.testing.assert_allclose(values[:, 1] * 20, [0.64, 0.8, 1.0])


def test_moments_in_the_first_epoch_are_steps_and_its_end_is_an_epoch() -> None:
    found = history(statistics(epochs=2), "activation")
    assert found.labels() == ["step 1", "step 2", "epoch 1", "epoch 2"]


def test_time_goes_by_the_plan_and_else_by_the_first_epoch() -> None:
    first = {name: column[:5] for name, column in metrics().items()}
    assert time_in_epochs(first).tolist() == [0.2, 0.4, 0.6, 0.8, 1.0]
    for unsaid in (None, 0):
        assert time_in_epochs(timed(first, unsaid)).tolist()[-1] == 1.0
    assert time_in_epochs(timed(first, 50)).tolist() == pytest.approx(
        [0.02, 0.04, 0.06, 0.08, 0.1]
    )
    assert timed({}, 50) == {}
    found = history(timed(statistics(epochs=2), 2 * PER_EPOCH), "activation")
    assert found.time.tolist() == [0.05, 0.1, 0.5, 1.0]
    assert found.labels() == ["step 1", "step 2", "step 10", "epoch 2"]
    assert found.epoch_ends(7) == [0, 3]


def test_a_missing_row_is_a_gap() -> None:
    columns = {name: np.delete(c, 3) for name, c in statistics().items()}
    values = history(columns, "pre_activation").values("gradient_rms")
    assert np.isnan(values).sum() == 1


def test_epoch_ends_are_few_with_the_first_and_the_last() -> None:
    found = history(statistics(epochs=50), "activation")
    chosen = found.epoch_ends(7)
    assert len(chosen) == 7
    assert (chosen[0], chosen[-1]) == (0, len(found.steps) - 1)


def test_missing_numbers_and_columns_are_nan() -> None:
    columns = {"step": [1, 2], "loss": [None, 3]}
    assert np.isnan(numbers(columns, "loss")).tolist() == [True, False]
    assert np.isnan(numbers(columns, "other")).all()


def test_layers_are_named_shortly_but_apart() -> None:
    paths = ["model/dense1/pre_activation", "model/dense2/a", "model/dense2/b", "x"]
    assert layer_names(paths) == ["dense1", "dense2/a", "dense2/b", "x"]
