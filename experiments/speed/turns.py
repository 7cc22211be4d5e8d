"""Trainers that take turns at the same steps: what every timing of a step needs.

Import it before NumPy: it holds linear algebra to one thread.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ.setdefault(
    "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
)

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from nettrain.diagnose.statistics import due, interval
from nettrain.execute import executor
from nettrain.nn import CrossEntropy, Layer, Sequential
from nettrain.optim import Adam
from nettrain.training.network import Network
from nettrain.training.programs import Recipe

RATE = 0.001
AGREE = 5
"""Steps whose losses are compared."""
EPOCH = 60_000
"""Rows of an epoch, for the statistics at its end."""

Batch = tuple[np.ndarray, np.ndarray]
Step = Callable[[np.ndarray, np.ndarray], float]
"""Trains on one batch and gives its loss."""


def ours(
    layers: Sequence[Layer], inputs: tuple[int, ...], classes: int, batch: int
) -> tuple[dict[str, Step], dict[str, np.ndarray]]:
    """nettrain with and without its diagnosis, and the first weights, by path."""
    made, weights = {}, {}
    for diagnosed in (True, False):
        recipe = Recipe(
            model=Sequential(list(layers)),
            loss=CrossEntropy(),
            optimizer=Adam(RATE),
            inputs=inputs,
            targets=(),
            targets_dtype="int64",
            outputs=classes,
            diagnose=diagnosed,
        )
        network = Network(recipe, executor("numpy"), batch)
        weights = {path: network.state[path].copy() for path in network.weights()}
        made["nettrain" if diagnosed else "nettrain, no diagnosis"] = _step(network)
    return made, weights


def _step(network: Network) -> Step:
    watch, batch = network.first.watch, network.first.inputs.shape[0]
    roots = network.first.definition.roots()
    every = interval(roots, watch.observers.values()) if watch else 0
    count = [0]

    def step(x: np.ndarray, t: np.ndarray) -> float:
        count[0] += 1
        full = every > 0 and due(count[0], EPOCH // batch, every, EPOCH // batch)
        return float(network.train(x, t, RATE, count[0], full).outputs["loss"])

    return step


def pytorch(model: Any, fused: bool = True) -> Step:
    """A PyTorch model from a batch of inputs to logits, trained as ours are."""
    import torch

    torch.set_num_threads(1)
    optimizer = torch.optim.Adam(model.parameters(), RATE, fused=fused or None)
    loss_of = torch.nn.CrossEntropyLoss()

    def step(x: np.ndarray, t: np.ndarray) -> float:
        optimizer.zero_grad()
        loss = loss_of(model(torch.from_numpy(x)), torch.from_numpy(t))
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step


def jax_jit(logits: Callable[[Any, Any], Any], params: Any) -> Step:
    """A JAX function from parameters and a batch of inputs to logits, likewise."""
    import jax
    import jax.numpy as jnp

    def cost(params: Any, x: Any, t: Any) -> Any:
        chosen = jnp.take_along_axis(
            jax.nn.log_softmax(logits(params, x)), t[:, None], 1
        )
        return -chosen.mean()

    @jax.jit
    def train(state: Any, x: Any, t: Any) -> Any:
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

    params = jax.tree.map(jnp.asarray, params)
    zeros = jax.tree.map(jnp.zeros_like, params)
    state = [(params, zeros, zeros, jnp.zeros((), jnp.float32))]

    def step(x: np.ndarray, t: np.ndarray) -> float:
        state[0], loss = train(state[0], x, t)
        return float(loss)

    return step


def measure(
    steps: Mapping[str, Step], batches: Sequence[Batch], rounds: int
) -> dict[str, float]:
    """Median milliseconds a step; the losses of the first steps have to agree."""
    losses = {n: [step(*b) for b in batches[:AGREE]] for n, step in steps.items()}
    first = next(iter(losses.values()))
    for name, found in losses.items():
        message = f"{name} computes other losses"
        np.testing.assert_allclose(found, first, rtol=2e-3, err_msg=message)
    times: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(rounds):
        for name, step in steps.items():
            began = time.perf_counter()
            step(*batches[number % len(batches)])
            times[name].append((time.perf_counter() - began) * 1e3)
    return {name: statistics.median(taken) for name, taken in times.items()}


def parser(description: str, batch: int) -> argparse.ArgumentParser:
    """The options that every comparison has."""
    made = argparse.ArgumentParser(description=description.splitlines()[0])
    made.add_argument("--batch", type=int, default=batch, help="rows of a batch")
    made.add_argument("--rounds", type=int, default=40, help="steps of each trainer")
    made.add_argument("--json", action="store_true", help="print one JSON document")
    return made


def pin() -> None:
    """Keep to one core, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def tell(results: Mapping[str, Mapping[str, float]], as_json: bool) -> None:
    """Milliseconds a step of every trainer, and their ratio to the first one's."""
    if as_json:
        about = {"python": platform.python_version(), "numpy": np.__version__}
        print(json.dumps({"machine": platform.machine(), **about, "ms": results}))
        return
    for network, times in results.items():
        print(f"\n{network}: the losses agree; ms a step, ratio to nettrain")
        base = next(iter(times.values()))
        for name, taken in times.items():
            print(f"  {name:24} {taken:10,.2f} {taken / base:8.2f}")


def noisy(shape: Iterable[int], classes: int, batch: int) -> list[Batch]:
    """Batches of noise around one point for each class."""
    random = np.random.default_rng(0)
    shape = tuple(shape)
    centres = random.normal(size=(classes, *shape))
    made = []
    for _ in range(AGREE):
        t = random.integers(0, classes, batch)
        x = centres[t] + 2.0 * random.normal(size=(batch, *shape))
        made.append((x.astype(np.float32), t))
    return made
