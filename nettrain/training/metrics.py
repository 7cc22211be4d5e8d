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


@dataclass(frozen=True)
class _OfRanks(Metric):
    """A score of how well the probabilities put the rows in order, no matter by what
    threshold they are then told apart.

    Of two classes the second is the one to be found. Of more, the mean over the classes
    of finding each among all others; one that no row has, or every row, says nothing
    and is left out. NaN where none is left.
    """

    task = "classification"

    def compute(self, predictions: np.ndarray, targets: np.ndarray) -> float:
        truth = classes_of(targets)
        # Of two outputs the first is as much as the second turned round.
        columns = predictions if predictions.shape[1] > 2 else predictions[:, -1:]
        first = 0 if predictions.shape[1] > 2 else 1
        found = [
            self.ranked(*_counted(scores, truth == number))
            for number, scores in enumerate(columns.T, start=first)
            if 0 < np.count_nonzero(truth == number) < len(truth)
        ]
        return float(np.mean(found)) if found else float("nan")

    def ranked(self, positive: np.ndarray, negative: np.ndarray) -> float:
        """The score of counts (V,) of rows, of V different scores from low to high."""
        raise NotImplementedError


def _counted(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(V,) positive and negative rows of each different score, from low to high.

    Takes three times the memory of the scores, for as long as it lasts.
    """
    _, number, rows = np.unique(scores, return_inverse=True, return_counts=True)
    found = np.bincount(number[positive], minlength=len(rows))
    return found, rows - found


@register("roc_auc")
class RocAuc(_OfRanks):
    """The probability that a row of a class has a higher score than one of the others.

    The area under the receiver operating characteristic; of equal scores half counts.
    1/2 is guessing, however rare the class. Of two classes the second is to be found,
    of more it is the mean over all that the rows have; NaN of rows of one class. Hanley
    and McNeil, Radiology 143 (1982).
    """

    def ranked(self, positive: np.ndarray, negative: np.ndarray) -> float:
        below = np.cumsum(negative) - negative / 2
        return float(positive @ below / (positive.sum() * negative.sum()))


@register("average_precision")
class AveragePrecision(_OfRanks):
    """The mean of the precision at each row of a class, from the highest score down.

    The area under precision against recall: Σ (R_i - R_{i-1}) P_i over the different
    scores. The class's share of the rows is guessing, so it says of a rare class what
    `roc_auc` does not: how many of those picked are right. Of two classes the second is
    to be found, of more it is the mean over all that the rows have; NaN of rows of one
    class. Davis and Goadrich, ICML 2006.
    """

    def ranked(self, positive: np.ndarray, negative: np.ndarray) -> float:
        hits, rows = np.cumsum(positive[::-1]), np.cumsum((positive + negative)[::-1])
        return float(positive[::-1] @ (hits / rows) / hits[-1])


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
