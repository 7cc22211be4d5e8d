"""Metrics: numbers for people, computed from predictions; training never uses them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from nettrain.component import Component, Count, register

Task = Literal["classification", "regression"]


class Metric(Component):
    """A number that says how good predictions are.

    `compute` takes what the loss calls predictions (class probabilities (N, K), the
    probability of the second class (N, 1), or values (N, T)) and the targets (class
    numbers (N,) or values (N, T)). Of sequences each position is such a row.
    """

    kind: ClassVar[str] = "metric"
    task: ClassVar[Task]
    goal: ClassVar[Literal["min", "max"]] = "max"
    is_table: ClassVar[bool] = False
    """Whether it is no single number; computed once, on the final weights."""

    def compute(self, predictions: np.ndarray, targets: np.ndarray) -> Any:
        """A float, or a list where the metric is a table."""
        raise NotImplementedError


def predicted_classes(predictions: np.ndarray) -> np.ndarray:
    """The most probable class of each row, (N,); the first where several tie."""
    if predictions.shape[1] == 1:
        return (predictions[:, 0] > 0.5).astype(np.int64)
    return np.argmax(predictions, axis=1)


def classes_of(targets: np.ndarray) -> np.ndarray:
    """Class numbers, also of soft labels (N, K)."""
    return np.argmax(targets, axis=1) if targets.ndim == 2 else targets


def each_label(
    predictions: np.ndarray, targets: np.ndarray, ignore: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Predictions (M, K) and targets as metrics take them.

    Of sequences, predictions (N, T, K) with class numbers (N, T), each position counts
    as a row.

    Args:
        ignore: a label that does not count, as the loss has it: these are left out.
    """
    if targets.dtype.kind == "f" or not targets.size:
        return predictions, targets
    predictions, labels = predictions.reshape(targets.size, -1), targets.ravel()
    if ignore is None:
        return predictions, labels
    counted = labels != ignore
    return predictions[counted], labels[counted]


@register("accuracy")
class Accuracy(Metric):
    """The share of rows whose most probable class is right."""

    task = "classification"

    def compute(self, predictions: np.ndarray, targets: np.ndarray) -> float:
        return float(np.mean(predicted_classes(predictions) == classes_of(targets)))


@register("top_k")
class TopK(Metric):
    """The share of rows whose class is among the k most probable.

    Attributes:
        k: how many classes count.
    """

    task = "classification"
    k: Count = 5

    def compute(self, predictions: np.ndarray, targets: np.ndarray) -> float:
        truth = classes_of(targets)[:, None]
        if predictions.shape[1] == 1:
            predictions = np.concatenate([1 - predictions, predictions], axis=1)
        own = np.take_along_axis(predictions, truth, axis=1)
        better = np.sum(predictions > own, axis=1)
        return float(np.mean(better < self.k))


@dataclass(frozen=True)
class _OfClasses(Metric):
    """A score of scikit-learn over the predicted classes.

    Attributes:
        average: over classes: `macro` counts each alike, `weighted` by its rows.
    """

    task = "classification"
    function: ClassVar[str]
    average: Literal["macro", "micro", "weighted"] = "macro"

    def compute(self, predictions: np.ndarray, targets: np.ndarray) -> float:
        from sklearn import metrics

        score = getattr(metrics, self.function)
        classes, truth = predicted_classes(predictions), classes_of(targets)
        return float(score(truth, classes, average=self.average, zero_division=0))


@register("precision")
class Precision(_OfClasses):
    """Of the rows predicted to be a class, the share that is (scikit-learn)."""

    function = "precision_score"


@register("recall")
class Recall(_OfClasses):
    """Of the rows of a class, the share that is predicted so (scikit-learn)."""

    function = "recall_score"


@register("f1")
class F1(_OfClasses):
    """The harmonic mean of precision and recall (scikit-learn)."""

    function = "f1_score"


@register("confusion")
class Confusion(Metric):
    """Rows counted by true class (down) and predicted class (across) (scikit-learn).

    A table, so it is computed once, on the final weights, and stands in `run.json`.
    """

    task = "classification"
    is_table = True

    def compute(self, predictions: np.ndarray, targets: np.ndarray) -> list[list[int]]:
        from sklearn.metrics import confusion_matrix

        classes = list(range(max(2, predictions.shape[1])))
        matrix = confusion_matrix(
            classes_of(targets), predicted_classes(predictions), labels=classes
        )
        return [[int(n) for n in row] for row in matrix]


@register("mae")
class MeanAbsoluteError(Metric):
    """The mean of |prediction - target|, in the target's unit."""

    task, goal = "regression", "min"

    def compute(self, predictions: np.ndarray, targets: np.ndarray) -> float:
        return float(np.mean(np.abs(predictions - targets), dtype=np.float64))


@register("rmse")
class RootMeanSquaredError(Metric):
    """The root of the mean of (prediction - target)², in the target's unit."""

    task, goal = "regression", "min"

    def compute(self, predictions: np.ndarray, targets: np.ndarray) -> float:
        error = np.asarray(predictions - targets, dtype=np.float64)
        return float(np.sqrt(np.mean(error * error)))


@register("r2")
class R2(Metric):
    """The share of the targets' variance that is explained: 1 - Σ error² / Σ (t - t̄)².

    The mean over several targets. 0 where a target is constant, as it explains nothing.
    """

    task = "regression"

    def compute(self, predictions: np.ndarray, targets: np.ndarray) -> float:
        t = np.asarray(targets, dtype=np.float64)
        residual = np.sum((predictions - t) ** 2, axis=0)
        total = np.sum((t - t.mean(axis=0)) ** 2, axis=0)
        shares = np.where(total > 0, 1 - residual / np.where(total > 0, total, 1), 0.0)
        return float(np.mean(shares))
