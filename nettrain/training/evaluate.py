"""Loss and metrics of one part of the data, with the weights as they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nettrain.data.dataset import Part
from nettrain.training.metrics import Metric, classes_of, each_label, predicted_classes
from nettrain.training.network import Predictor


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A part of the data and what a network makes of it.

    Attributes:
        part: inputs (N, …) and targets.
        loss: without penalties.
        predictions: (N, K), of sequences (N, T, K).
        ignore: a label that does not count; see `Loss.ignore`.
    """

    part: Part
    loss: float
    predictions: np.ndarray
    ignore: int | None = None

    @property
    def is_finite(self) -> bool:
        """Whether there are predictions: a network that has diverged has none."""
        return bool(np.all(np.isfinite(self.predictions)))

    def row(
        self, metrics: Sequence[Metric], name: str, loss: str = "loss"
    ) -> dict[str, Any]:
        """`{"validation/loss": …, "validation/accuracy": …}`; see `evaluate`."""
        row: dict[str, Any] = {f"{name}/{loss}": self.loss}
        predicted = self.part.restored(self.predictions)
        targets = self.part.restored(self.part.targets)
        predicted, targets = each_label(predicted, targets, self.ignore)
        known = self.is_finite and len(targets) > 0
        for metric in metrics:
            value = metric.compute(predicted, targets) if known else float("nan")
            row[f"{name}/{metric.registered_name}"] = value
        return row


def predictions(network: Predictor, inputs: np.ndarray, batch: int) -> np.ndarray:
    """(N, K), of sequences (N, T, K), of inputs (N, …); `batch` rows at a time."""
    made = []
    for start in range(0, max(len(inputs), 1), batch):
        rows = inputs[start : start + batch]
        made.append(network.predictions(network.outputs(rows, batch)))
    return np.concatenate(made)


def predict(network: Predictor, part: Part, batch: int) -> Evaluation:
    """Loss and predictions of all rows, `batch` of them at a time."""
    loss, found = network.recipe.loss, np.empty(0)
    losses, weights = [], []
    for rows in loss.chunks(len(part), batch):
        outputs = network.outputs(part.inputs[rows], batch)
        mean, predicted = network.score(outputs, targets := part.targets[rows])
        if not losses:
            shape = (len(part), *predicted.shape[1:])
            found = np.empty(shape, predicted.dtype)
        found[rows] = predicted
        losses.append(mean)
        weights.append(loss.weight(targets))
    return Evaluation(part, _mean(losses, weights), found, loss.ignore)


def _mean(losses: list[float], weights: list[float]) -> float:
    """Σ w l / Σ w, 0 where nothing counts; of one loss itself, to the last bit."""
    if len(losses) == 1:
        return losses[0]
    mean, mass = 0.0, math.fsum(weights) or 1.0
    for loss, weight in zip(losses, weights, strict=True):
        mean += loss * (weight / mass)
    return mean


def evaluate(
    network: Predictor,
    part: Part,
    metrics: Sequence[Metric],
    batch: int,
    name: str,
    loss: str = "loss",
) -> dict[str, Any]:
    """`{"validation/loss": …, "validation/accuracy": …}` of all rows of a part.

    Args:
        network: predicts.
        part: inputs (N, …) and targets.
        metrics: beside the loss; their predictions are computed once.
        batch: rows predicted at a time.
        name: of the part, before the slash.
        loss: what the loss is called.
    """
    return predict(network, part, batch).row(metrics, name, loss)


# ---------------------------------------------------------------- for the diagnosis


@dataclass(frozen=True)
class Scores:
    """How good predictions are, whatever metrics the config asks for.

    Attributes:
        score: the share of rows that are right; of a regression R².
        error: its standard error; NaN of less than two values.
        recall: (K,) the share of each class that is right, NaN where it has no rows; of
            a regression (0,).
    """

    score: float
    error: float
    recall: np.ndarray


def scores(made: Evaluation, task: str) -> Scores:
    """What a diagnosis judges; NaN of a network that has diverged.

    Args:
        made: predictions and targets.
        task: `classification` or `regression`.
    """
    if task == "classification":
        return _of_classes(made)
    return _of_values(made)


def _of_classes(made: Evaluation) -> Scores:
    """m with √(max(Var, .01) / N): it is never taken for certain.

    Var is that of the share of each row that is right, m (1 - m) of single labels: the
    positions of a sequence depend on each other. N counts the rows that have a label.
    """
    classes = max(2, made.predictions.shape[-1])
    predictions, targets = each_label(made.predictions, made.part.targets, made.ignore)
    if not made.is_finite or not len(targets):
        return Scores(np.nan, np.nan, np.full(classes, np.nan))
    truth = classes_of(targets)
    right = predicted_classes(predictions) == truth
    counts = np.bincount(truth, minlength=classes)
    hits = np.bincount(truth[right], minlength=classes)
    recall = np.where(counts > 0, hits / np.maximum(counts, 1), np.nan)
    m = float(np.mean(right))
    labels = _labels_of_rows(made)
    own = np.repeat(np.arange(len(labels)), labels)
    some = labels > 0
    of_rows = np.bincount(own, right, len(labels))[some] / labels[some]
    variance = max(float(np.var(of_rows)), 0.01)
    return Scores(m, float(np.sqrt(variance / len(of_rows))), recall)


def _labels_of_rows(made: Evaluation) -> np.ndarray:
    """(N,): how many labels of each row count; one of soft labels."""
    targets = made.part.targets
    if targets.dtype.kind == "f":
        return np.ones(len(targets), np.int64)
    counted = np.ones(targets.shape, bool)
    if made.ignore is not None:
        counted = targets != made.ignore
    return np.sum(counted.reshape(len(targets), -1), axis=1, dtype=np.int64)


def _of_values(made: Evaluation) -> Scores:
    """R² as a mean over rows of 1 - e² / Var y, and the standard error of that mean.

    Of several targets the mean; 0 of one that is constant, as nothing is explained.
    """
    if not made.is_finite or not len(made.part):
        return Scores(np.nan, np.nan, np.zeros(0))
    targets = np.asarray(made.part.targets, np.float64)
    variance = np.var(targets, axis=0)
    squares = np.square(made.predictions - targets)
    known = np.where(variance > 0, variance, 1.0)
    explained = np.where(variance > 0, 1 - squares / known, 0.0)
    rows = explained.reshape(len(targets), -1).mean(axis=1)
    spread = np.std(rows, ddof=1) if len(rows) > 1 else np.nan
    return Scores(float(np.mean(rows)), float(spread / np.sqrt(len(rows))), np.zeros(0))
