"""What a trained network leaves unexplained, though its inputs could tell it."""

from __future__ import annotations

import numpy as np

from nettrain import randomness
from nettrain.data.dataset import Part
from nettrain.execute.reference import evaluate
from nettrain.graph import gradients, leaf
from nettrain.training.network import Network

ROWS, FEATURES = 2048, 128
"""Rows that are looked at, if there are so many; random features of each."""
_RIDGE = 0.1
"""λ of the ridge regression, per row, on features of variance 1."""
_BENDS = 2.0
"""Standard deviation of a feature's slope, in standard deviations of the inputs."""


def unexplained(network: Network, part: Part, batch: int) -> float:
    """R² with which random nonlinear features of the inputs predict the residuals.

    A residual is -dL/dŷ of a row: target minus prediction for squared error and cross
    entropy alike. The features are 128 ReLU units with random weights (Rahimi and
    Recht, NeurIPS 2008); ridge regression on one half of the rows is judged on the
    other, and the other way round. Near or below 0 the residuals are noise to them; a
    network that leaves clearly more is too simple for its data, or not done.

    Args:
        network: with the weights in use.
        part: rows it was trained on.
        batch: rows predicted at a time.

    Returns:
        NaN of fewer than 40 rows, or where nothing is left over.
    """
    key = randomness.key(network.recipe.seed, "diagnosis/residuals")
    rows = randomness.permutation(key, len(part))[:ROWS]
    if len(rows) < 40:
        return float("nan")
    inputs = part.inputs[rows].reshape(len(rows), -1).astype(np.float64)
    left = _residuals(network, part, rows, batch)
    features = _features(_standard(inputs), key)
    halves = np.array_split(np.arange(len(rows)), 2)
    total = [np.square(left[h] - left[o].mean(axis=0)).sum() for h, o in _each(halves)]
    wrong = [
        np.square(left[h] - _predicted(features, left, o, h)).sum()
        for h, o in _each(halves)
    ]
    return float(1 - sum(wrong) / sum(total)) if sum(total) > 0 else float("nan")


def _each(halves: list[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    """A half that is judged, and the other one that is learned from."""
    first, second = halves
    return [(first, second), (second, first)]


def _residuals(
    network: Network, part: Part, rows: np.ndarray, batch: int
) -> np.ndarray:
    """(R, K): -dL/dŷ of each row, up to a factor; of sequences (R, T K)."""
    recipe = network.recipe
    outputs, targets = network.outputs(part.inputs[rows], batch), part.targets[rows]
    y = leaf("input", "outputs", outputs.shape, recipe.dtype)
    t = leaf("input", "targets", targets.shape, recipe.targets_dtype)
    (slope,) = gradients(recipe.loss.cost(y, t), [y])
    found = evaluate([slope], {y: outputs, t: targets})[slope]
    return -found.astype(np.float64).reshape(len(rows), -1)


def _standard(inputs: np.ndarray) -> np.ndarray:
    """Columns of mean 0 and variance 1; those that hardly vary stay small."""
    spread = inputs.std(axis=0)
    floor = 1e-2 * np.median(spread[spread > 0]) if spread.any() else 1.0
    standard: np.ndarray = (inputs - inputs.mean(axis=0)) / np.maximum(spread, floor)
    return standard


def _features(inputs: np.ndarray, key: randomness.Key) -> np.ndarray:
    """(R, FEATURES) relu(x A + b), with mean 0 and variance 1 over the rows."""
    width = inputs.shape[1]
    slopes = randomness.normal(key, (width + 1, FEATURES), counter=1).astype(float)
    bends = inputs @ (slopes[:-1] * _BENDS / np.sqrt(width)) + slopes[-1]
    units = np.maximum(bends, 0.0)
    spread = units.std(axis=0)
    standard: np.ndarray = (units - units.mean(axis=0)) / np.where(spread, spread, 1.0)
    return standard


def _predicted(
    features: np.ndarray, left: np.ndarray, own: np.ndarray, other: np.ndarray
) -> np.ndarray:
    """Residuals of the other rows, as ridge regression on our own predicts them."""
    x, mean = features[own], left[own].mean(axis=0)
    gram = x.T @ x + _RIDGE * len(own) * np.eye(FEATURES)
    weights = np.linalg.solve(gram, x.T @ (left[own] - mean))
    predicted: np.ndarray = mean + features[other] @ weights
    return predicted
