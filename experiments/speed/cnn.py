"""Time one training step of a small convolutional network beside the peers.

    python experiments/speed/cnn.py
    python experiments/speed/cnn.py --batch 16 --rounds 20 --json
    python experiments/speed/cnn.py --columns

28×28 images of one channel, conv 32 (3×3), conv 64 (3×3), max_pool, dense 128, dense
10, ReLU, cross entropy, Adam, float32, on one thread of one core. Each trainer gets the
same first weights and the same batches. They take turns, and the median of their steps
counts. The losses of the first steps must agree. PyTorch and JAX are timed where they
are installed. `--columns` times instead how windows are copied into a matrix, by the
order of its axes.
"""

from __future__ import annotations

import turns  # isort: skip

import importlib.util
import statistics
import time
from typing import Any

import numpy as np

from nettrain.nn import Conv2d, Dense, Flatten, MaxPool2d

CLASSES = 10
LAYERS = [
    Conv2d(32, activation="relu"),
    Conv2d(64, activation="relu"),
    MaxPool2d(2),
    Flatten(),
    Dense(128, activation="relu"),
    Dense(CLASSES),
]

Weights = dict[str, np.ndarray]


def pytorch(weights: Weights, channels_last: bool) -> turns.Step:
    import torch

    order = torch.channels_last if channels_last else torch.contiguous_format

    class Model(torch.nn.Sequential):
        def forward(self, x: Any) -> Any:
            return super().forward(x.contiguous(memory_format=order))

    model = Model(
        torch.nn.Conv2d(1, 32, 3),
        torch.nn.ReLU(),
        torch.nn.Conv2d(32, 64, 3),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(9216, 128),
        torch.nn.ReLU(),
        torch.nn.Linear(128, CLASSES),
    )
    for mine, theirs in zip(weights.values(), model.parameters(), strict=True):
        theirs.data = torch.tensor(mine.T.copy() if mine.ndim == 2 else mine)
    return turns.pytorch(model.to(memory_format=order))


def jax_jit(weights: Weights) -> turns.Step:
    import jax
    import jax.numpy as jnp

    def conv(x: Any, w: Any, b: Any) -> Any:
        y = jax.lax.conv_general_dilated(
            x, w, (1, 1), "VALID", dimension_numbers=("NCHW", "OIHW", "NCHW")
        )
        return jax.nn.relu(y + b[:, None, None])

    def logits(params: Any, x: Any) -> Any:
        w1, b1, w2, b2, w3, b3, w4, b4 = params
        x = conv(conv(x, w1, b1), w2, b2)
        x = jax.lax.reduce_window(
            x, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID"
        )
        return jax.nn.relu(x.reshape(len(x), -1) @ w3 + b3) @ w4 + b4

    return turns.jax_jit(logits, list(weights.values()))


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
    parser = turns.parser(__doc__ or "", batch=64)
    parser.add_argument("--columns", action="store_true", help="time copies alone")
    given = parser.parse_args()
    turns.pin()
    if given.columns:
        for channels in (1, 3, 8, 32):
            print(f"{channels} channels: ms for a copy of the windows")
            for name, taken in columns(channels, given.batch, given.rounds).items():
                print(f"  {name:28} {taken:8.2f}")
        return
    steps, weights = turns.ours(LAYERS, (1, 28, 28), CLASSES, given.batch)
    if importlib.util.find_spec("torch"):
        steps["PyTorch"] = pytorch(weights, channels_last=False)
        steps["PyTorch, channels last"] = pytorch(weights, channels_last=True)
    if importlib.util.find_spec("jax"):
        steps["JAX, jit"] = jax_jit(weights)
    batches = turns.noisy((1, 28, 28), CLASSES, given.batch)
    results = {"cnn": turns.measure(steps, batches, given.rounds)}
    turns.tell(results, given.json)


if __name__ == "__main__":
    main()
