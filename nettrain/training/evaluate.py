"""Loss and metrics of one part of the data, with the weights as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nettrain.data.dataset import Part
from nettrain.training.metrics import Metric
from nettrain.training.network import Predictor


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
    outputs = network.outputs(part.inputs, batch)
    value, predictions = network.score(outputs, part.targets)
    row: dict[str, Any] = {f"{name}/{loss}": value}
    for metric in metrics:
        row[f"{name}/{metric.registered_name}"] = _compute(
            metric, predictions, part.targets
        )
    return row


def _compute(metric: Metric, predictions: np.ndarray, targets: np.ndarray) -> Any:
    """The metric; of a network that has diverged there is none (NaN)."""
    if not np.all(np.isfinite(predictions)):
        return float("nan")
    return metric.compute(predictions, targets)
