"""Time a training step of a small transformer beside PyTorch's, and check they agree.

    python experiments/speed/transformer.py
    python experiments/speed/transformer.py --heads 8 --rounds 10 --json

Symbols (B, T), an embedding, sinusoidal positions, causal blocks with norms first, a
norm, the last time step, a dense layer; cross entropy and Adam; float32, one thread of
one core, no dropout. Both have the same first weights and see the same batches, and
the losses of the first steps must agree. They take turns, a block of steps each, and
the median counts.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from nettrain import nn
from nettrain.execute import executor
from nettrain.optim import Adam
from nettrain.training.network import Network, Recipe

RATE = 0.0003
STEPS = 5
"""Of a block; the losses of the first block are compared."""

Block = Callable[[np.ndarray, np.ndarray], list[float]]
"""Trains on batches (S, B, T) and (S, B) and gives their S losses."""


@dataclass(frozen=True)
class Size:
    """Sizes of the network and of its batch."""

    batch: int = 16
    steps: int = 64
    width: int = 128
    layers: int = 4
    heads: int = 4
    feed_forward: int = 512
    symbols: int = 65
    classes: int = 10


def ours(size: Size, diagnosed: bool) -> tuple[Block, dict[str, np.ndarray]]:
    block = nn.TransformerEncoder(
        size.heads, size.feed_forward, dropout=0.0, causal=True
    )
    model = nn.Sequential(
        [
            nn.Embedding(size.width, size.symbols),
            nn.Positional(),
            nn.Repeat(size.layers, [block]),
            nn.LayerNorm(),
            nn.Select(-1),
            nn.Dense(size.classes),
        ]
    )
    recipe = Recipe(
        model=model,
        loss=nn.CrossEntropy(),
        optimizer=Adam(RATE),
        inputs=(size.steps,),
        targets=(),
        targets_dtype="int64",
        outputs=size.classes,
        diagnose=diagnosed,
    )
    network = Network(recipe, executor("numpy"), size.batch)
    count = [0]

    def train(inputs: np.ndarray, targets: np.ndarray) -> list[float]:
        losses = []
        for x, t in zip(inputs, targets, strict=True):
            count[0] += 1
            result = network.train(x, t, RATE, count[0])
            losses.append(float(result.outputs["loss"]))
        return losses

    state = network.state
    return train, {path: state[path].copy() for path in network.weights()}


def pytorch(size: Size, weights: dict[str, np.ndarray], fused: bool) -> Block:
    import torch

    torch.set_num_threads(1)
    layer = torch.nn.TransformerEncoderLayer(
        size.width, size.heads, size.feed_forward, 0.0, batch_first=True,
        norm_first=True,
    )  # fmt: skip
    norm = torch.nn.LayerNorm(size.width)
    encoder = torch.nn.TransformerEncoder(
        layer, size.layers, norm, enable_nested_tensor=False
    )
    table = torch.nn.Embedding(size.symbols, size.width)
    head = torch.nn.Linear(size.width, size.classes)
    _load(torch, weights, table, encoder, head)
    positions = torch.tensor(_positions(size.steps, size.width))
    above = torch.nn.Transformer.generate_square_subsequent_mask(size.steps)
    parameters = [p for m in (table, encoder, head) for p in m.parameters()]
    optimizer = torch.optim.Adam(parameters, RATE, fused=fused or None)

    def train(inputs: np.ndarray, targets: np.ndarray) -> list[float]:
        losses = []
        for x, t in zip(inputs, targets, strict=True):
            optimizer.zero_grad()
            h = table(torch.from_numpy(x)) + positions
            h = encoder(h, mask=above, is_causal=True)
            loss = torch.nn.functional.cross_entropy(
                head(h[:, -1]), torch.from_numpy(t)
            )
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    return train


def _load(
    torch: Any, weights: dict[str, np.ndarray], table: Any, encoder: Any, head: Any
) -> None:
    """Our first weights, matrices turned as PyTorch keeps them."""
    found: dict[str, Any] = {"embedding1/weight": table.weight.T}
    found |= _dense("dense1", head) | _norm("layer_norm1", encoder.norm)
    for i, layer in enumerate(encoder.layers, 1):
        path = f"repeat1/{i}/transformer_encoder1"
        found |= _norm(f"{path}/norm1", layer.norm1)
        found |= _norm(f"{path}/norm2", layer.norm2)
        found |= _dense(f"{path}/dense1", layer.linear1)
        found |= _dense(f"{path}/dense2", layer.linear2)
        found |= _dense(f"{path}/attention/output", layer.self_attn.out_proj)
        names = ("query", "key", "value")
        parts = layer.self_attn.in_proj_weight.chunk(3)
        biases = layer.self_attn.in_proj_bias.chunk(3)
        for name, part, bias in zip(names, parts, biases, strict=True):
            found[f"{path}/attention/{name}/weight"] = part
            found[f"{path}/attention/{name}/bias"] = bias
    assert {f"model/{path}" for path in found} == set(weights)
    with torch.no_grad():
        for path, tensor in found.items():
            tensor.copy_(torch.tensor(weights[f"model/{path}"].T))


def _dense(path: str, linear: Any) -> dict[str, Any]:
    return {f"{path}/weight": linear.weight, f"{path}/bias": linear.bias}


def _norm(path: str, norm: Any) -> dict[str, Any]:
    return {f"{path}/scale": norm.weight, f"{path}/shift": norm.bias}


def _positions(steps: int, width: int) -> np.ndarray:
    angles = np.outer(np.arange(steps), 10000.0 ** (-np.arange(0, width, 2) / width))
    both = np.stack([np.sin(angles), np.cos(angles)], -1)
    return both.reshape(steps, width).astype(np.float32)


def measure(size: Size, rounds: int) -> dict[str, float]:
    """Median milliseconds a step of every trainer, whose losses agree."""
    mine, weights = ours(size, diagnosed=False)
    trainers = {
        "nettrain": ours(size, diagnosed=True)[0],
        "nettrain, no diagnosis": mine,
        "PyTorch, fused Adam": pytorch(size, weights, fused=True),
        "PyTorch, default Adam": pytorch(size, weights, fused=False),
    }
    random = np.random.default_rng(0)
    inputs = random.integers(0, size.symbols, (STEPS, size.batch, size.steps))
    targets = random.integers(0, size.classes, (STEPS, size.batch))
    first = [train(inputs, targets) for train in trainers.values()]
    for name, losses in zip(trainers, first, strict=True):
        np.testing.assert_allclose(losses, first[0], rtol=2e-3, err_msg=name)
    times: dict[str, list[float]] = {name: [] for name in trainers}
    for _ in range(rounds):
        for name, train in trainers.items():
            began = time.perf_counter()
            train(inputs, targets)
            times[name].append((time.perf_counter() - began) / STEPS * 1e3)
    return {name: statistics.median(taken) for name, taken in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in vars(Size()).items():
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=int, default=value, metavar="N")
    parser.add_argument("--rounds", type=int, default=10, help="blocks of steps each")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = vars(parser.parse_args())
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    rounds, as_json = given.pop("rounds"), given.pop("json")
    times = measure(Size(**given), rounds)
    if as_json:
        print(json.dumps({"sizes": given, "ms": times}))
        return
    print("the losses agree; ms a step, ratio to nettrain")
    for name, taken in times.items():
        print(f"  {name:24} {taken:9.2f} {taken / times['nettrain']:8.2f}")


if __name__ == "__main__":
    main()
