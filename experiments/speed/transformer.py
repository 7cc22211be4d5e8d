"""Time a training step of a small transformer beside the peers, and check they agree.

    python experiments/speed/transformer.py
    python experiments/speed/transformer.py --heads 8 --rounds 10 --json

Symbols (B, T), an embedding, sinusoidal positions, causal blocks with norms first, a
norm, the last time step, a dense layer; cross entropy and Adam; float32, one thread of
one core, no dropout. All have the same first weights and see the same batches, and the
losses of the first steps must agree. They take turns, and the median counts. PyTorch
and JAX are timed where they are installed.
"""

from __future__ import annotations

import turns  # isort: skip

import importlib.util
from dataclasses import dataclass
from typing import Any

import numpy as np

from nettrain import nn

CLASSES = 10
Weights = dict[str, np.ndarray]


@dataclass(frozen=True)
class Size:
    """Sizes of the network."""

    steps: int = 64
    width: int = 128
    layers: int = 4
    heads: int = 4
    feed_forward: int = 512
    symbols: int = 65


def layers(size: Size) -> list[nn.Layer]:
    block = nn.TransformerEncoder(
        size.heads, size.feed_forward, dropout=0.0, causal=True
    )
    return [
        nn.Embedding(size.width, size.symbols),
        nn.Positional(),
        nn.Repeat(size.layers, [block]),
        nn.LayerNorm(),
        nn.Select(-1),
        nn.Dense(CLASSES),
    ]


def pytorch(size: Size, weights: Weights, fused: bool) -> turns.Step:
    import torch

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layer = torch.nn.TransformerEncoderLayer(
                size.width, size.heads, size.feed_forward, 0.0, batch_first=True,
                norm_first=True,
            )  # fmt: skip
            norm = torch.nn.LayerNorm(size.width)
            self.encoder = torch.nn.TransformerEncoder(
                layer, size.layers, norm, enable_nested_tensor=False
            )
            self.table = torch.nn.Embedding(size.symbols, size.width)
            self.head = torch.nn.Linear(size.width, CLASSES)
            made = torch.nn.Transformer.generate_square_subsequent_mask(size.steps)
            self.register_buffer("above", made)
            positions = torch.tensor(_positions(size.steps, size.width))
            self.register_buffer("positions", positions)

        def forward(self, x: Any) -> Any:
            h = self.table(x) + self.positions
            return self.head(self.encoder(h, mask=self.above, is_causal=True)[:, -1])

    model = Model()
    _load(torch, weights, model.table, model.encoder, model.head)
    return turns.pytorch(model, fused)


def jax_jit(size: Size, weights: Weights) -> turns.Step:
    import jax
    import jax.numpy as jnp

    above = np.triu(np.full((size.steps, size.steps), -1e9, np.float32), 1)
    positions = _positions(size.steps, size.width)

    def logits(params: Any, x: Any) -> Any:
        def dense(path: str, h: Any) -> Any:
            return h @ params[f"model/{path}/weight"] + params[f"model/{path}/bias"]

        def norm(path: str, h: Any) -> Any:
            center = h - h.mean(-1, keepdims=True)
            unit = center / jnp.sqrt((center**2).mean(-1, keepdims=True) + 1e-5)
            scale, shift = params[f"model/{path}/scale"], params[f"model/{path}/shift"]
            return unit * scale + shift

        def split(h: Any) -> Any:
            heads = h.reshape(*h.shape[:2], size.heads, -1)
            return heads.transpose(0, 2, 1, 3)

        h = params["model/embedding1/weight"][x] + positions
        for i in range(1, size.layers + 1):
            path = f"repeat1/{i}/transformer_encoder1"
            n = norm(f"{path}/norm1", h)
            q, k, v = (
                split(dense(f"{path}/attention/{name}", n))
                for name in ("query", "key", "value")
            )
            scores = q @ k.swapaxes(2, 3) / np.sqrt(q.shape[-1]) + above
            mixed = (jax.nn.softmax(scores) @ v).transpose(0, 2, 1, 3)
            h = h + dense(f"{path}/attention/output", mixed.reshape(h.shape))
            n = jax.nn.relu(dense(f"{path}/dense1", norm(f"{path}/norm2", h)))
            h = h + dense(f"{path}/dense2", n)
        return dense("dense1", norm("layer_norm1", h)[:, -1])

    return turns.jax_jit(logits, weights)


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


def main() -> None:
    parser = turns.parser(__doc__ or "", batch=16)
    for name, value in vars(Size()).items():
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=int, default=value, metavar="N")
    given = parser.parse_args()
    size = Size(**{name: getattr(given, name) for name in vars(Size())})
    turns.pin()
    steps, weights = turns.ours(layers(size), (size.steps,), CLASSES, given.batch)
    if importlib.util.find_spec("torch"):
        steps["PyTorch, fused Adam"] = pytorch(size, weights, fused=True)
        steps["PyTorch, default Adam"] = pytorch(size, weights, fused=False)
    if importlib.util.find_spec("jax"):
        steps["JAX, jit"] = jax_jit(size, weights)
    random = np.random.default_rng(0)
    batches = [
        (
            random.integers(0, size.symbols, (given.batch, size.steps)),
            random.integers(0, CLASSES, given.batch),
        )
        for _ in range(turns.AGREE)
    ]
    results = {"transformer": turns.measure(steps, batches, given.rounds)}
    turns.tell(results, given.json)


if __name__ == "__main__":
    main()
