"""Time one training step beside the peers, in one run, and check that all agree.

    python experiments/speed/step.py            every network
    python experiments/speed/step.py 64-64-32-10:32 --rounds 20

Each trainer gets the same first weights and the same batches, on one thread of one
core. They take turns, a block of steps each, and the median of the blocks counts.
nettrain runs as it does by default: with its statistics. The losses of the first steps
must agree. PyTorch and JAX are timed where they are installed.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ.setdefault(
    "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
)

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

from nettrain.diagnose.statistics import due, interval
from nettrain.execute import executor
from nettrain.nn import CrossEntropy, Dense, Sequential
from nettrain.optim import Adam
from nettrain.training.network import Network
from nettrain.training.programs import Recipe

NETWORKS = (
    "64-64-32-10:32",
    "784-512-256-10:32",
    "784-512-256-10:128",
    "3072-2048-2048-1000:256",
)
RATE = 0.001
AGREE = 20
"""Steps whose losses are compared."""

Weights = list[tuple[np.ndarray, np.ndarray]]
Block = Callable[[np.ndarray, np.ndarray], list[float]]
"""Trains on batches (S, B, I) and (S, B) and gives their S losses."""


def ours(sizes: list[int], batch: int, diagnosed: bool) -> tuple[Block, Weights]:
    hidden = [Dense(units, activation="relu") for units in sizes[1:-1]]
    recipe = Recipe(
        model=Sequential([*hidden, Dense(sizes[-1])]),
        loss=CrossEntropy(),
        optimizer=Adam(RATE),
        inputs=(sizes[0],),
        targets=(),
        targets_dtype="int64",
        outputs=sizes[-1],
        diagnose=diagnosed,
    )
    network = Network(recipe, executor("numpy"), batch)
    watch = network.first.watch
    every = 0
    if watch is not None:
        roots = network.first.definition.roots()
        every = interval(roots, watch.observers.values())
    count = [0]

    def block(inputs: np.ndarray, targets: np.ndarray) -> list[float]:
        losses = []
        for x, t in zip(inputs, targets, strict=True):
            count[0] += 1
            # An epoch of the size of MNIST's, for the statistics at its end.
            full = every > 0 and due(count[0], 60_000 // batch, every)
            result = network.train(x, t, RATE, count[0], full)
            losses.append(float(result.outputs["loss"]))
        return losses

    paths = [f"model/dense{i + 1}" for i in range(len(sizes) - 1)]
    state = network.state
    weights = [(state[f"{p}/weight"].copy(), state[f"{p}/bias"].copy()) for p in paths]
    return block, weights


def pytorch(sizes: list[int], weights: Weights, fused: bool) -> Block:
    import torch

    torch.set_num_threads(1)
    layers: list[torch.nn.Module] = []
    for weight, bias in weights:
        linear = torch.nn.Linear(*weight.shape)
        linear.weight.data = torch.tensor(weight.T.copy())
        linear.bias.data = torch.tensor(bias)
        layers += [linear, torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.Adam(model.parameters(), RATE, fused=fused or None)
    loss_of = torch.nn.CrossEntropyLoss()

    def block(inputs: np.ndarray, targets: np.ndarray) -> list[float]:
        losses = []
        tensors = torch.from_numpy(inputs), torch.from_numpy(targets)
        for x, t in zip(*tensors, strict=True):
            optimizer.zero_grad()
            loss = loss_of(model(x), t)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    return block


def scikit_learn(sizes: list[int], weights: Weights, batch: int) -> Block:
    """Its losses are the mean of a block: `partial_fit` gives no others."""
    from sklearn.neural_network import MLPClassifier
    from sklearn.neural_network._stochastic_optimizers import AdamOptimizer

    model = MLPClassifier(
        tuple(sizes[1:-1]), alpha=0.0, batch_size=batch, shuffle=False,
        learning_rate_init=RATE,
    )  # fmt: skip
    labels = np.arange(sizes[-1])
    x = np.zeros((batch, sizes[0]), np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.partial_fit(x, np.zeros(batch, np.int64), classes=labels)
    model.coefs_ = [weight.copy() for weight, _ in weights]
    model.intercepts_ = [bias.copy() for _, bias in weights]
    model._optimizer = AdamOptimizer(model.coefs_ + model.intercepts_, RATE)

    def block(inputs: np.ndarray, targets: np.ndarray) -> list[float]:
        model.partial_fit(inputs.reshape(-1, sizes[0]), targets.reshape(-1))
        return [float(model.loss_)] * len(targets)

    return block


def jax_jit(sizes: list[int], weights: Weights) -> Block:
    import jax
    import jax.numpy as jnp

    def cost(params: list, x: object, t: object) -> object:
        for weight, bias in params[:-1]:
            x = jax.nn.relu(x @ weight + bias)
        logits = x @ params[-1][0] + params[-1][1]
        chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), t[:, None], 1)
        return -chosen.mean()

    @jax.jit
    def step(state: tuple, x: object, t: object) -> tuple:
        params, m, v, n = state
        loss, g = jax.value_and_grad(cost)(params, x, t)
        n = n + 1
        m = jax.tree.map(lambda a, b: 0.9 * a + 0.1 * b, m, g)
        v = jax.tree.map(lambda a, b: 0.999 * a + 0.001 * b * b, v, g)
        new = jax.tree.map(
            lambda p, a, b: p
            - RATE * (a / (1 - 0.9**n)) / (jnp.sqrt(b / (1 - 0.999**n)) + 1e-8),
            params, m, v,
        )  # fmt: skip
        return (new, m, v, n), loss

    params = [(jnp.asarray(w), jnp.asarray(b)) for w, b in weights]
    zeros = jax.tree.map(jnp.zeros_like, params)
    state = [(params, zeros, zeros, jnp.zeros((), jnp.float32))]

    def block(inputs: np.ndarray, targets: np.ndarray) -> list[float]:
        losses = []
        for x, t in zip(inputs, targets, strict=True):
            state[0], loss = step(state[0], x, t)
            losses.append(float(loss))
        return losses

    return block


def trainers(sizes: list[int], batch: int) -> dict[str, Block]:
    """Every trainer that is installed, all with the first one's weights."""
    mine, weights = ours(sizes, batch, diagnosed=True)
    found = {"nettrain": mine, "nettrain, no diagnosis": ours(sizes, batch, False)[0]}
    if importlib.util.find_spec("torch"):
        found["PyTorch, fused Adam"] = pytorch(sizes, weights, fused=True)
        found["PyTorch, default Adam"] = pytorch(sizes, weights, fused=False)
    found["scikit-learn"] = scikit_learn(sizes, weights, batch)
    if importlib.util.find_spec("jax"):
        found["JAX, jit"] = jax_jit(sizes, weights)
    return found


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
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
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
