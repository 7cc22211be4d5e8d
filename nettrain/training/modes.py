"""The final network in both of its modes on the same rows, and its gradients' noise."""

from __future__ import annotations

import numpy as np

from nettrain.diagnose.evidence import Modes
from nettrain.training.network import Network
from nettrain.training.plan import Plan

BATCHES = 10
"""How many batches are looked at."""


def modes(network: Network, plan: Plan) -> Modes:
    """Measure on the first full batches of training; nothing is updated.

    Args:
        network: with its final weights.
        plan: how it was trained.
    """
    train, size = plan.parts["train"], network.first.inputs.shape[0]
    count = min(BATCHES, len(train) // size)
    training, prediction, squares = [], [], []
    total: dict[str, np.ndarray] = {}
    for number in range(1, count + 1):
        rows = plan.order(1)[(number - 1) * size : number * size]
        inputs, targets = train.inputs[rows], train.targets[rows]
        found = dict(network.gradient(inputs, targets, number).outputs)
        training.append(float(found.pop("loss")))
        outputs = network.outputs(inputs, size)
        prediction.append(network.score(outputs, targets)[0])
        squares.append(0.0)
        for path, slope in found.items():
            exact = slope.astype(np.float64)
            squares[-1] += float(np.vdot(exact, exact))
            total[path] = np.add(exact, total.get(path, 0.0), out=exact)
    mean = sum(float(np.vdot(g, g)) for g in total.values()) / count**2
    noise = noise_scale(float(np.mean(squares)), mean, size, count)
    return Modes(float(np.mean(training)), float(np.mean(prediction)), noise)


def noise_scale(small: float, large: float, size: int, count: int) -> float:
    """B_simple = tr(Σ) / |G|², by the estimates of |G|² and tr(Σ) without bias.

    With b = size and B = count · size, |G|² ≈ (B |G_B|² - b |G_b|²) / (B - b) and
    tr(Σ) ≈ (|G_b|² - |G_B|²) / (1/b - 1/B) (McCandlish et al. 2018, appendix A.1).

    Args:
        small: the mean of |G_b|², the squared gradient norm of a batch.
        large: |G_B|², that of all batches together.
        size: rows of a batch.
        count: batches.

    Returns:
        NaN of one batch, or without any gradient; infinity where |G|² cannot be told
        from 0 amid the noise.
    """
    if count < 2 or not small > 0:
        return float("nan")
    signal = (count * large - small) / (count - 1)
    noise = (small - large) * size * count / (count - 1)
    return noise / signal if signal > 0 else float("inf")
