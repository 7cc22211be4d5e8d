"""Losses: what training makes small. Each is the mean over the batch.

A loss takes the model's outputs as they are: logits, not probabilities. Where outputs
and targets must have equal shapes, (N, 1) against (N,) is an error: broadcasting would
compare every output with every target.
"""

from __future__ import annotations

from typing import Any

from nettrain.graph import Node
from nettrain.nn.losses.classification import (
    BinaryCrossEntropy,
    CrossEntropy,
    Focal,
    Hinge,
)
from nettrain.nn.losses.loss import Loss
from nettrain.nn.losses.regression import (
    GaussianNLL,
    Huber,
    KLDivergence,
    LogCosh,
    MeanAbsoluteError,
    MeanSquaredError,
    Poisson,
    Quantile,
)
from nettrain.nn.losses.similarity import CosineSimilarity, InfoNCE, Triplet

__all__ = [
    "BinaryCrossEntropy",
    "CosineSimilarity",
    "CrossEntropy",
    "Focal",
    "GaussianNLL",
    "Hinge",
    "Huber",
    "InfoNCE",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Poisson",
    "Quantile",
    "Triplet",
    "binary_cross_entropy",
    "cross_entropy",
    "huber",
    "mae",
    "mse",
]


def cross_entropy(logits: Node, labels: Node, **settings: Any) -> Node:
    """The mean cross entropy of labels (N, …) or (N, …, K); see `CrossEntropy`."""
    return CrossEntropy(**settings).cost(logits, labels)


def binary_cross_entropy(logits: Node, labels: Node) -> Node:
    """The mean binary cross entropy of labels 0 or 1; see `BinaryCrossEntropy`."""
    return BinaryCrossEntropy().cost(logits, labels)


def mse(outputs: Node, targets: Node) -> Node:
    """The mean squared error."""
    return MeanSquaredError().cost(outputs, targets)


def mae(outputs: Node, targets: Node) -> Node:
    """The mean absolute error."""
    return MeanAbsoluteError().cost(outputs, targets)


def huber(outputs: Node, targets: Node, delta: float = 1.0) -> Node:
    """The mean Huber loss; see `Huber`."""
    return Huber(delta).cost(outputs, targets)
