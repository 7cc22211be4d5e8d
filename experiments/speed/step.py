"""Time one training step beside the peers, in one run, and check that all agree.

    python experiments/speed/step.py            every network
    python experiments/speed/step.py 64-64-32-10:32 --rounds 20

Each trainer gets the same first weights and the same batches, on one thread of one
core. They take turns, a block of steps each, and the median of the blocks counts.
nettrain runs as it does by default: with its statistics. The losses of the first steps
must agree. PyTorch and JAX are timed where they are installed.
"""

from __future__ import annotations

import turns  # isort: skip

import argparse
import importlib.util
import json
import platform
import statistics
import sys
import time
import warnings
from collections.abc import Callable

import numpy as np

from nettrain.nn import Dense

NETWORKS = (
    "64-64-32-10:32",
    "784-512-256-10:32",
    "784-512-256-10:128",
    "3072-2048-2048-1000:256",
)
AGREE = 20
"""Steps whose losses are compared."""

Weights = list[tuple[np.ndarray, np.ndarray]]
Block = Callable[[np.ndarray, np.ndarray], list[float]]
"""Trains on batches (S, B, I) and (S, B) and gives their S losses."""


def block_of(step: turns.Step) -> Block:
    def block(inputs: np.ndarray, targets: np.ndarray) -> list[float]:
        return [step(x, t) for x, t in zip(inputs, targets, strict=True)]

    return block


def ours(sizes: list[int], batch: int) -> tuple[dict[str, turns.Step], Weights]:
    layers = [Dense(units, activation="relu") for units in sizes[1:-1]]
    layers.append(Dense(sizes[-1]))
    made, found = turns.ours(layers, (sizes[0],), sizes[-1], batch)
    paths = [f"model/dense{i + 1}" for i in range(len(layers))]
    return made, [(found[f"{path}/weight"], found[f"{path}/bias"]) for path in paths]


def pytorch(weights: Weights, fused: bool) -> turns.Step:
    import torch

    layers: list[torch.nn.Module] = []
    for weight, bias in weights:
        linear = torch.nn.Linear(*weight.shape)
        linear.weight.data = torch.tensor(weight.T.copy())
        linear.bias.data = torch.tensor(bias)
        layers += [linear, torch.nn.ReLU()]
    return turns.pytorch(torch.nn.Sequential(*layers[:-1]), fused)


def scikit_learn(sizes: list[int], weights: Weights, batch: int) -> Block:
    """Its losses are the mean of a block: `partial_fit` gives no others."""
    from sklearn.neural_network import MLPClassifier
    from sklearn.neural_network._stochastic_optimizers import AdamOptimizer

    model = MLPClassifier(
        tuple(sizes[1:-1]), alpha=0.0, batch_size=batch, shuffle=False,
        learning_rate_init=turns.RATE,
    )  # fmt: skip
    labels = np.arange(sizes[-1])
    x = np.zeros((batch, sizes[0]), np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.partial_fit(x, np.zeros(batch, np.int64), classes=labels)
    model.coefs_ = [weight.copy() for weight, _ in weights]
    model.intercepts_ = [bias.copy() for _, bias in weights]
    model._optimizer = AdamOptimizer(model.coefs_ + model.intercepts_, turns.RATE)

    def block(inputs: np.ndarray, targets: np.ndarray) -> list[float]:
        model.partial_fit(inputs.reshape(-1, sizes[0]), targets.reshape(-1))
        return [float(model.loss_)] * len(targets)

    return block


def jax_jit(weights: Weights) -> turns.Step:
    import jax

    def logits(params: Weights, x: np.ndarray) -> np.ndarray:
        for weight, bias in params[:-1]:
            x = jax.nn.relu(x @ weight + bias)
        return x @ params[-1][0] + params[-1][1]

    return turns.jax_jit(logits, weights)


def trainers(sizes: list[int], batch: int) -> dict[str, Block]:
    """Every trainer that is installed, all with the first one's weights."""
    steps, weights = ours(sizes, batch)
    if importlib.util.find_spec("torch"):
        steps["PyTorch, fused Adam"] = pytorch(weights, fused=True)
        steps["PyTorch, default Adam"] = pytorch(weights, fused=False)
    if importlib.util.find_spec("jax"):
        steps["JAX, jit"] = jax_jit(weights)
    blocks = {name: block_of(step) for name, step in steps.items()}
    return blocks | {"scikit-learn": scikit_learn(sizes, weights, batch)}


def batches(sizes: list[int], batch: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise around one point for each class: learnable, and never converged."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(sizes[-1], sizes[0]))
    targets = random.integers(0, sizes[-1], (steps, batch))
    noise = 2.0 * random.normal(size=(steps, batch, sizes[0]))
    return (centres[targets] + noise).astype(np.float32), targets


def measure(network: str, rounds: int) -> dict[str, object]:
    """Median microseconds a step of every trainer, and whether their losses agree."""
    shape, batch = network.split(":")
    sizes = [int(n) for n in shape.split("-")]
    large = np.prod(sizes[:2]) > 1e6
    steps, rounds = (2, min(rounds, 5)) if large else (AGREE, rounds)
    inputs, targets = batches(sizes, int(batch), steps)
    blocks = trainers(sizes, int(batch))
    losses = {name: block(inputs, targets) for name, block in blocks.items()}
    reference = losses["nettrain"]
    for name, found in losses.items():
        expected = [float(np.mean(reference))] if name == "scikit-learn" else reference
        # scikit-learn adds epsilon before it corrects the bias of v, the others after.
        rtol = 1e-2 if name == "scikit-learn" else 2e-3
        np.testing.assert_allclose(found[: len(expected)], expected, rtol=rtol,
                                   err_msg=f"{name} computes other losses")  # fmt: skip
    times: dict[str, list[float]] = {name: [] for name in blocks}
    for _ in range(rounds):
        for name, block in blocks.items():
            began = time.perf_counter()
            block(inputs, targets)
            times[name].append((time.perf_counter() - began) / steps * 1e6)
    return {name: statistics.median(taken) for name, taken in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=NETWORKS, help="I-H-…-K:BATCH")
    parser.add_argument("--rounds", type=int, default=30, help="blocks of steps each")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args()
    turns.pin()
    results = {}
    for network in given.networks:
        times = results[network] = measure(network, given.rounds)
        if not given.json:
            print(f"\n{network}: the losses agree; µs a step, ratio to nettrain")
            for name, taken in times.items():
                print(f"  {name:24} {taken:12,.1f} {taken / times['nettrain']:8.2f}")
            sys.stdout.flush()
    if given.json:
        about = {"python": platform.python_version(), "numpy": np.__version__}
        print(json.dumps({"machine": platform.machine(), **about, "µs": results}))


if __name__ == "__main__":
    main()
