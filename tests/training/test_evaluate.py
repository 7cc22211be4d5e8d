"""The scores that a diagnosis judges, beside any metrics the config asks for."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from nettrain.data import Part
from nettrain.nn import CrossEntropy, Loss, Triplet
from nettrain.training.evaluate import Evaluation, predict, scores
from nettrain.training.evaluate import predictions as predict_rows
from nettrain.training.metrics import R2, Accuracy, Confusion, TopK
from nettrain.training.network import Predictor
from tests.training.conftest import Start, parts


def made(predictions: object, targets: object) -> Evaluation:
    y = np.asarray(targets)
    part = Part(np.zeros((len(y), 1)), y, np.arange(len(y)))
    return Evaluation(part, 0.5, np.asarray(predictions, np.float32))


PROBABILITIES = [[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1]]


def test_classes() -> None:
    found = scores(made(PROBABILITIES, [0, 1, 1, 0]), "classification")
    assert found.score == 0.5
    assert found.error == pytest.approx(np.sqrt(0.25 / 4))
    np.testing.assert_array_equal(found.recall, [0.5, 0.5, np.nan])


def test_shares_of_classes() -> None:
    soft = np.array([[0.9, 0.1, 0], [0.4, 0.6, 0], [0.3, 0.7, 0], [0, 0, 1.0]])
    hard = scores(made(PROBABILITIES, soft.argmax(axis=1)), "classification")
    found = scores(made(PROBABILITIES, soft), "classification")
    assert (found.score, found.error) == (hard.score, hard.error)
    np.testing.assert_array_equal(found.recall, hard.recall)


def test_the_probability_of_the_second_class() -> None:
    found = scores(made([[0.9], [0.4], [0.6]], [1, 1, 0]), "classification")
    assert found.score == pytest.approx(1 / 3)
    np.testing.assert_array_equal(found.recall, [0.0, 0.5])


def test_a_perfect_score_is_not_certain() -> None:
    found = scores(made(PROBABILITIES, [0, 1, 0, 1]), "classification")
    assert (found.score, found.error) == (1.0, pytest.approx(0.1 / np.sqrt(4)))


def test_values() -> None:
    random = np.random.RandomState(0)
    y = random.randn(30, 2)
    guess = y + 0.4 * random.randn(30, 2)
    evaluated = made(guess, y)
    found = scores(evaluated, "regression")
    assert found.score == pytest.approx(R2().compute(evaluated.predictions, y))
    squares = (evaluated.predictions - y) ** 2 / y.var(axis=0)
    rows = 1 - squares.mean(axis=1)
    assert found.error == pytest.approx(rows.std(ddof=1) / np.sqrt(30))
    assert found.recall.shape == (0,)


def test_a_target_that_never_changes_explains_nothing() -> None:
    y = np.stack([np.arange(5.0), np.full(5, 3.0)], axis=1)
    found = scores(made(y, y), "regression")
    assert found.score == R2().compute(y, y) == 0.5


def test_one_row_has_no_spread() -> None:
    found = scores(made([[1.0]], [[1.0]]), "regression")
    assert np.isnan(found.error)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_network_that_has_diverged_has_no_scores(task: str) -> None:
    y = [0, 1] if task == "classification" else [[0.0], [1.0]]
    evaluated = made([[np.nan], [0.3]], y)
    found = scores(evaluated, task)
    assert np.isnan([found.score, found.error, *found.recall]).all()
    assert len(found.recall) == (2 if task == "classification" else 0)
    assert np.isnan(evaluated.row([Accuracy()], "test")["test/accuracy"])


def test_the_row() -> None:
    row = made(PROBABILITIES, [0, 1, 1, 0]).row([Accuracy()], "train", "epoch_loss")
    assert row == {"train/epoch_loss": 0.5, "train/accuracy": 0.5}


def test_each_position_of_a_sequence_counts() -> None:
    """Four rows of two positions, three classes."""
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 3, (4, 2))
    predictions = rng.random((4, 2, 3))
    sequences = made(predictions, targets)
    flat = made(predictions.reshape(8, 3), targets.ravel())
    metrics = [Accuracy(), TopK(2), Confusion()]
    assert sequences.row(metrics, "test") == flat.row(metrics, "test")
    found, each = scores(sequences, "classification"), scores(flat, "classification")
    assert found.score == each.score
    np.testing.assert_array_equal(found.recall, each.recall)


PADDED = np.array([[0, 1, -1], [2, -1, -1], [1, 1, 0], [-1, -1, -1]])


@pytest.mark.parametrize("padding", [-1, 3])
def test_labels_that_are_ignored_count_nowhere(padding: int) -> None:
    """A padding that is a class, as of a text, or none; a row of nothing else."""
    labels = np.where(PADDED < 0, padding, PADDED)
    predictions = np.random.default_rng(1).random((4, 3, 4))
    padded = dataclasses.replace(made(predictions, labels), ignore=padding)
    kept = PADDED >= 0
    known = made(predictions[kept], labels[kept])
    metrics = [Accuracy(), TopK(2), Confusion()]
    assert padded.row(metrics, "test") == known.row(metrics, "test")
    found, alone = scores(padded, "classification"), scores(known, "classification")
    assert found.score == alone.score
    np.testing.assert_array_equal(found.recall, alone.recall)
    right = predictions.argmax(axis=-1) == labels
    rows = [right[i][kept[i]].mean() for i in range(3)]
    assert found.error == pytest.approx(np.sqrt(max(np.var(rows), 0.01) / 3))


def test_without_rows_there_is_no_score() -> None:
    nobody = made(np.zeros((0, 3)), np.zeros(0, np.int64))
    found = scores(nobody, "classification")
    assert np.isnan([found.score, found.error, *found.recall]).all()
    assert np.isnan(nobody.row([Accuracy()], "test")["test/accuracy"])


def test_where_no_label_counts_there_is_no_score() -> None:
    nothing = dataclasses.replace(made(PROBABILITIES, [2, 2, 2, 2]), ignore=2)
    found = scores(nothing, "classification")
    assert np.isnan([found.score, found.error, *found.recall]).all()
    assert np.isnan(nothing.row([Accuracy()], "test")["test/accuracy"])


def test_positions_of_a_sequence_are_not_taken_for_independent() -> None:
    targets = np.zeros((4, 100), np.int64)
    predictions = np.zeros((4, 100, 2))
    predictions[:2, :, 0] = predictions[2:, :, 1] = 1  # all of a row, or nothing
    found = scores(made(predictions, targets), "classification")
    assert (found.score, found.error) == (0.5, 0.25)
    predictions[:, :50], predictions[:, 50:] = [1, 0], [0, 1]
    found = scores(made(predictions, targets), "classification")
    assert (found.score, found.error) == (0.5, pytest.approx(np.sqrt(0.01 / 4)))


@pytest.mark.parametrize("loss", [CrossEntropy(class_weights=[1, 5]), Triplet(rows=3)])
@pytest.mark.parametrize("batch", [4, 7, 50, 1000])
def test_so_many_rows_are_looked_at_at_a_time(
    start: Start, monkeypatch: pytest.MonkeyPatch, loss: Loss, batch: int
) -> None:
    network = start(loss=loss).loop.network
    some = parts().values()
    inputs, targets = (
        np.concatenate([getattr(part, name) for part in some])
        for name in ("inputs", "targets")
    )
    part = Part(inputs, targets, np.arange(50))
    whole, predictions = network.score(network.outputs(part.inputs, 50), part.targets)
    rows, score = [], Predictor.score

    def seen(self: Predictor, outputs: np.ndarray, targets: np.ndarray) -> Any:
        rows.append(len(outputs))
        return score(self, outputs, targets)

    monkeypatch.setattr(Predictor, "score", seen)
    made = predict(network, part, batch)
    np.testing.assert_array_equal(
        predict_rows(network, part.inputs, batch),
        made.predictions
        if isinstance(loss, CrossEntropy)
        else network.outputs(part.inputs, batch),
    )
    assert (sum(rows), max(rows) <= batch) == (50, True)
    np.testing.assert_allclose(made.predictions, predictions, rtol=1e-6)
    assert made.predictions.dtype == predictions.dtype
    assert made.loss == (whole if batch >= 50 else pytest.approx(whole, rel=1e-6))


def test_where_no_label_counts_the_loss_is_0(start: Start) -> None:
    network, part = start(loss=CrossEntropy(ignore=1)).loop.network, parts()["train"]
    ignored = dataclasses.replace(part, targets=np.ones_like(part.targets))
    assert predict(network, ignored, 8).loss == 0.0
