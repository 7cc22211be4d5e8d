"""Metrics against scikit-learn, or against what they say of themselves."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from nettrain.component import registered
from nettrain.training.metrics import (
    F1,
    R2,
    Accuracy,
    AveragePrecision,
    Confusion,
    MeanAbsoluteError,
    Metric,
    Precision,
    Recall,
    RocAuc,
    RootMeanSquaredError,
    TopK,
)

RANDOM = np.random.default_rng(0)
PROBABILITIES = RANDOM.dirichlet(np.ones(4), size=200)
LABELS = RANDOM.integers(0, 4, 200)
CLASSES = PROBABILITIES.argmax(1)
VALUES, TRUTH = RANDOM.normal(size=(2, 100, 3))


def test_accuracy() -> None:
    assert Accuracy().compute(PROBABILITIES, LABELS) == sk.accuracy_score(
        LABELS, CLASSES
    )


def test_accuracy_of_one_output() -> None:
    p = np.array([[0.2], [0.7], [0.5], [0.9]])
    assert Accuracy().compute(p, np.array([0, 1, 1, 0])) == 0.5


def test_soft_labels_count_as_their_largest_class() -> None:
    soft = np.eye(4)[LABELS]
    assert Accuracy().compute(PROBABILITIES, soft) == np.mean(CLASSES == LABELS)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_top_k(k: int) -> None:
    expected = sk.top_k_accuracy_score(LABELS, PROBABILITIES, k=k, labels=range(4))
    assert TopK(k).compute(PROBABILITIES, LABELS) == pytest.approx(expected)


@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
def test_scores_of_classes(average: str) -> None:
    pairs = (
        (Precision, sk.precision_score),
        (Recall, sk.recall_score),
        (F1, sk.f1_score),
    )
    for metric, score in pairs:
        expected = score(LABELS, CLASSES, average=average)
        assert metric(average=average).compute(PROBABILITIES, LABELS) == expected


def test_confusion() -> None:
    table = Confusion().compute(PROBABILITIES, LABELS)
    assert table == sk.confusion_matrix(LABELS, CLASSES).tolist()


def test_confusion_of_one_output_has_two_classes() -> None:
    assert Confusion().compute(np.array([[0.9]]), np.array([1])) == [[0, 0], [0, 1]]


SCORES = (
    (RocAuc, sk.roc_auc_score),
    (AveragePrecision, sk.average_precision_score),
)


@pytest.mark.parametrize("places", [1, 2, 17])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_scores_of_the_second_class(places: int, share: float) -> None:
    p = RANDOM.random(500).round(places)  # ties, but with 17
    truth = (RANDOM.random(500) + 0.1 * p < share).astype(int)
    for metric, score in SCORES:
        expected = pytest.approx(score(truth, p), rel=1e-12)
        assert metric().compute(p[:, None], truth) == expected
        assert metric().compute(np.stack([1 - p, p], 1), truth) == expected
        assert metric().compute(p[:, None], np.eye(2)[truth]) == expected


@pytest.mark.parametrize("places", [1, 17])
def test_scores_of_each_class_among_the_others(places: int) -> None:
    p = PROBABILITIES.round(places)
    for metric, score in SCORES:
        expected = np.mean([score(k == LABELS, p[:, k]) for k in range(4)])
        assert metric().compute(p, LABELS) == pytest.approx(expected, rel=1e-12)


def test_a_class_without_rows_is_left_out_of_the_scores() -> None:
    rows = LABELS != 2
    for metric, score in SCORES:
        own = [score(LABELS[rows] == k, PROBABILITIES[rows, k]) for k in (0, 1, 3)]
        found = metric().compute(PROBABILITIES[rows], LABELS[rows])
        assert found == pytest.approx(np.mean(own), rel=1e-12)


@pytest.mark.parametrize("only", [0, 1])
def test_scores_of_one_class_are_not_known(only: int) -> None:
    for metric, _ in SCORES:
        p = RANDOM.random((9, 1))
        assert np.isnan(metric().compute(p, np.full(9, only)))
        p = np.repeat(p, 3, axis=1)
        assert np.isnan(metric().compute(p, np.full(9, only)))


def test_scores_by_hand() -> None:
    p = np.array([[0.9], [0.8], [0.8], [0.1]])
    truth = np.array([1, 0, 1, 0])
    assert RocAuc().compute(p, truth) == (1 + 1 + 1 + 0.5) / 4
    assert AveragePrecision().compute(p, truth) == (1 + 2 / 3) / 2


def test_regression() -> None:
    mae = MeanAbsoluteError().compute(VALUES, TRUTH)
    rmse = RootMeanSquaredError().compute(VALUES, TRUTH)
    assert mae == pytest.approx(sk.mean_absolute_error(TRUTH, VALUES))
    assert rmse == pytest.approx(sk.mean_squared_error(TRUTH, VALUES) ** 0.5)
    assert R2().compute(VALUES, TRUTH) == pytest.approx(sk.r2_score(TRUTH, VALUES))


def test_r2_of_a_constant_target_is_zero() -> None:
    assert R2().compute(np.ones((3, 1)), np.full((3, 1), 2.0)) == 0.0


def test_every_metric_knows_its_task_and_goal() -> None:
    own = registered(Metric).items()
    found = {n: m for n, m in own if m.__module__.startswith("nettrain.")}
    assert set(found) == {
        "accuracy", "top_k", "precision", "recall", "f1", "roc_auc",
        "average_precision", "confusion", "mae", "rmse", "r2",
    }  # fmt: skip
    for metric in found.values():
        assert metric.task in ("classification", "regression")
        assert metric.goal in ("min", "max")
