"""Time one training step of a small convolutional network beside the peers.

    python experiments/speed/cnn.py
    python experiments/speed/cnn.py --batch 16 --rounds 20 --json
    python experiments/speed/cnn.py --columns

28×28 images of one channel, conv 32 (3×3), conv 64 (3×3), max_pool, dense 128, dense
10, ReLU, cross entropy, Adam, float32, on one thread of one core. Each trainer gets the
same first weights and the same batches. They take turns, and the median of their steps
counts. nettrain runs as it does by default, with its statistics, and without. The
losses of the first steps must agree. PyTorch and JAX are timed where they are
installed. `--columns` times instead how windows are copied into a matrix, by the order
of its axes.
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
import time
from collections.abc import Callable

import numpy as np

from nettrain.diagnose.statistics import due, interval
from nettrain.execute import executor
from nettrain.nn import Conv2d, CrossEntropy, Dense, Flatten, MaxPool2d, Sequential
from nettrain.optim import Adam
from nettrain.training.network import Network, Recipe

RATE = 0.001
AGREE = 5
"""Steps whose losses are compared."""

Weights = dict[str, np.ndarray]
Step = Callable[[np.ndarray, np.ndarray], float]
"""Trains on one batch, images (B, 1, 28, 28) and labels (B,), and gives its loss."""


def ours(batch: int, diagnosed: bool) -> tuple[Step, Weights]:
    layers = [
        Conv2d(32, activation="relu"),
        Conv2d(64, activation="relu"),
        MaxPool2d(2),
        Flatten(),
        Dense(128, activation="relu"),
        Dense(10),
    ]
    recipe = Recipe(
        model=Sequential(layers),
        loss=CrossEntropy(),
        optimizer=Adam(RATE),
        inputs=(1, 28, 28),
        targets=(),
        targets_dtype="int64",
        outputs=10,
        diagnose=diagnosed,
    )
    network = Network(recipe, executor("numpy"), batch)
    watch = network.first.watch
    every = 0
    if watch is not None:
        roots = network.first.definition.roots()
        every = interval(roots, watch.observers.values())
    count = [0]

    def step(x: np.ndarray, t: np.ndarray) -> float:
        count[0] += 1
        full = every > 0 and due(count[0], 60_000 // batch, every)
        result = network.train(x, t, RATE, count[0], full)
        return float(result.outputs["loss"])

    paths = ("conv2d1", "conv2d2", "dense1", "dense2")
    names = [f"model/{path}/{kind}" for path in paths for kind in ("weight", "bias")]
    return step, {name: network.state[name].copy() for name in names}


def pytorch(weights: Weights, channels_last: bool) -> Step:
    import torch

    torch.set_num_threads(1)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 32, 3),
        torch.nn.ReLU(),
        torch.nn.Conv2d(32, 64, 3),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(9216, 128),
        torch.nn.ReLU(),
        torch.nn.Linear(128, 10),
    )
    for mine, theirs in zip(weights.values(), model.parameters(), strict=True):
        theirs.data = torch.tensor(mine.T.copy() if mine.ndim == 2 else mine)
    order = torch.channels_last if channels_last else torch.contiguous_format
    model = model.to(memory_format=order)
    optimizer = torch.optim.Adam(model.parameters(), RATE, fused=True)
    loss_of = torch.nn.CrossEntropyLoss()

    def step(x: np.ndarray, t: np.ndarray) -> float:
        images = torch.from_numpy(x).contiguous(memory_format=order)
        optimizer.zero_grad()
        loss = loss_of(model(images), torch.from_numpy(t))
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step


def jax_jit(weights: Weights) -> Step:
    import jax
    import jax.numpy as jnp

    def conv(x: object, w: object, b: object) -> object:
        y = jax.lax.conv_general_dilated(
            x, w, (1, 1), "VALID", dimension_numbers=("NCHW", "OIHW", "NCHW")
        )
        return jax.nn.relu(y + b[:, None, None])

    def cost(params: list, x: object, t: object) -> object:
        w1, b1, w2, b2, w3, b3, w4, b4 = params
        x = conv(conv(x, w1, b1), w2, b2)
        x = jax.lax.reduce_window(
            x, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID"
        )
        x = jax.nn.relu(x.reshape(len(x), -1) @ w3 + b3)
        chosen = jnp.take_along_axis(jax.nn.log_softmax(x @ w4 + b4), t[:, None], 1)
        return -chosen.mean()

    @jax.jit
    def train(state: tuple, x: object, t: object) -> tuple:
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

    params = [jnp.asarray(w) for w in weights.values()]
    zeros = jax.tree.map(jnp.zeros_like, params)
    state = [(params, zeros, zeros, jnp.zeros((), jnp.float32))]

    def step(x: np.ndarray, t: np.ndarray) -> float:
        state[0], loss = train(state[0], x, t)
        return float(loss)

    return step


def trainers(batch: int) -> dict[str, Step]:
    """Every trainer that is installed, all with the first one's weights."""
    mine, weights = ours(batch, diagnosed=True)
    found = {"nettrain": mine, "nettrain, no diagnosis": ours(batch, False)[0]}
    if importlib.util.find_spec("torch"):
        found["PyTorch"] = pytorch(weights, channels_last=False)
        found["PyTorch, channels last"] = pytorch(weights, channels_last=True)
    if importlib.util.find_spec("jax"):
        found["JAX, jit"] = jax_jit(weights)
    return found


def batches(batch: int, steps: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Noise around one image for each class."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(10, 1, 28, 28))
    made = []
    for _ in range(steps):
        t = random.integers(0, 10, batch)
        x = centres[t] + 2.0 * random.normal(size=(batch, 1, 28, 28))
        made.append((x.astype(np.float32), t))
    return made


def measure(batch: int, rounds: int) -> dict[str, float]:
    """Median milliseconds a step of every trainer, whose losses must agree."""
    data = batches(batch, AGREE)
    steps = trainers(batch)
    losses = {name: [step(x, t) for x, t in data] for name, step in steps.items()}
    for name, found in losses.items():
        np.testing.assert_allclose(found, losses["nettrain"], rtol=2e-3,
                                   err_msg=f"{name} computes other losses")  # fmt: skip
    times: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(rounds):
        x, t = data[number % AGREE]
        for name, step in steps.items():
            began = time.perf_counter()
            step(x, t)
            times[name].append((time.perf_counter() - began) * 1e3)
    return {name: statistics.median(taken) for name, taken in times.items()}


COLUMNS = {
    "position; window, channel": (0, 1, 2, 4, 5, 3),
    "position; channel, window": (0, 1, 2, 3, 4, 5),
    "window, channel; position": (4, 5, 3, 0, 1, 2),
}
"""Axes of the matrix, outermost first, as axes of windows (N, P, Q, C, K, K)."""


def columns(channels: int, batch: int, rounds: int) -> dict[str, float]:
    """Median milliseconds of a copy of 3×3 windows of 26×26 pixels, channels last."""
    images = np.ones((batch, 26, 26, channels), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(images, (3, 3), (1, 2))
    found = {}
    for name, order in COLUMNS.items():
        turned = windows.transpose(order)
        matrix = np.empty(turned.shape, np.float32)
        times = []
        for _ in range(rounds):
            began = time.perf_counter()
            np.copyto(matrix, turned)
            times.append((time.perf_counter() - began) * 1e3)
        found[name] = statistics.median(times)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=64, help="images in a batch")
    parser.add_argument("--rounds", type=int, default=40, help="steps of each trainer")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--columns", action="store_true", help="time copies alone")
    given = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    if given.columns:
        for channels in (1, 3, 8, 32):
            print(f"{channels} channels: ms for a copy of the windows")
            for name, taken in columns(channels, given.batch, given.rounds).items():
                print(f"  {name:28} {taken:8.2f}")
        return
    times = measure(given.batch, given.rounds)
    if given.json:
        about = {"python": platform.python_version(), "numpy": np.__version__}
        print(json.dumps({"machine": platform.machine(), **about, "ms": times}))
        return
    print(f"batch {given.batch}: the losses agree; ms a step, ratio to nettrain")
    for name, taken in times.items():
        print(f"  {name:24} {taken:10,.2f} {taken / times['nettrain']:8.2f}")


if __name__ == "__main__":
    main()
