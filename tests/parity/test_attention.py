"""Attention, transformer blocks and embeddings: values and gradients as PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nettrain import nn
from nettrain.execute import Definition, executor
from nettrain.graph import adjoints, leaf
from nettrain.graph import operations as ops

N, T, S, F = 3, 5, 4, 8
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, T, F))
LENGTHS = (5, 2, 3)
REAL = np.arange(T) < np.array(LENGTHS)[:, None]
"""Which time steps of X are no padding, where there is padding."""
EPSILON = 1e-10


class Ours:
    """Layers with random weights, and a cost: its gradients by path, and `x`."""

    def __init__(
        self, layers: list[nn.Layer], x: np.ndarray, padding: int | None = None
    ) -> None:
        leaf_x = leaf("input", "x", x.shape, "float64")
        trace = nn.Trace(dtype="float64", training=False)
        y = trace.call(nn.Sequential(layers), leaf_x, "model")
        self.cost = np.random.default_rng(1).normal(size=y.shape)
        nodes = {path: p.node for path, p in trace.parameters.items()} | {"x": leaf_x}
        found = adjoints(ops.sum(y * self.cost), nodes.values())
        outputs = {"y": y, **{p: found[n] for p, n in nodes.items() if n in found}}
        rng = np.random.default_rng(2)
        values = {p: rng.normal(size=nodes[p].shape) * 0.5 for p in trace.parameters}
        if padding is not None:
            values["model/embedding/weight"][padding] = 0
        runner = executor("numpy")
        state = runner.allocate(Definition(outputs), values)
        result = runner.program(Definition(outputs), state)({leaf_x: x})
        self.found = {name: np.array(value) for name, value in result.outputs.items()}
        self.weights = {path.removeprefix("model/"): v for path, v in values.items()}

    def gradient(self, path: str) -> np.ndarray:
        return self.found[path if path == "x" else f"model/{path}"]


def load(torch: Any, ours: Ours, where: dict[str, tuple[Any, ...]]) -> None:
    """Copy our weights: PyTorch's tensor, or a part of it, by our path."""
    with torch.no_grad():
        for path, (tensor, part) in where.items():
            tensor[part].copy_(torch.tensor(_turned(path, ours.weights[path])))


def _turned(path: str, array: np.ndarray) -> np.ndarray:
    """PyTorch keeps a dense layer's matrix as (O, I)."""
    turned = array.ndim == 2 and "embedding" not in path and "positional" not in path
    return np.ascontiguousarray(array.T if turned else array)


def agree(
    torch: Any, ours: Ours, y: Any, x: Any, where: dict[str, tuple[Any, ...]]
) -> None:
    """Value and every gradient."""
    near(ours.found["y"], y.detach().numpy(), "y")
    (y * torch.tensor(ours.cost)).sum().backward()
    if x is not None:
        near(ours.gradient("x"), x.grad.numpy(), "x")
    assert set(where) == set(ours.weights)
    for path, (tensor, part) in where.items():
        expected = tensor.grad[part].numpy()
        near(_turned(path, ours.gradient(path)), expected, path)


def near(mine: np.ndarray, theirs: np.ndarray, what: str) -> None:
    scale = max(np.abs(theirs).max(), 1.0)
    np.testing.assert_allclose(mine, theirs, rtol=0, atol=EPSILON * scale, err_msg=what)


def attention_weights(module: Any, path: str, size: int = F) -> dict[str, Any]:
    """Where our four projections are in PyTorch's module."""
    where: dict[str, Any] = {}
    for i, name in enumerate(("query", "key", "value")):
        part = slice(i * size, (i + 1) * size)
        where[f"{path}{name}/weight"] = (module.in_proj_weight, part)
        if module.in_proj_bias is not None:
            where[f"{path}{name}/bias"] = (module.in_proj_bias, part)
    where[f"{path}output/weight"] = (module.out_proj.weight, ...)
    if module.out_proj.bias is not None:
        where[f"{path}output/bias"] = (module.out_proj.bias, ...)
    return where


def tensor(torch: Any, array: np.ndarray) -> Any:
    return torch.tensor(array, requires_grad=True)


PADDED = np.where(REAL[..., None], X, 0.0)
MASKING = nn.Masking(0.0)


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_self_attention(torch: Any, padded: bool, causal: bool, bias: bool) -> None:
    layer = nn.Attention(4, causal=causal, bias=bias, name="a")
    data = PADDED if padded else X
    ours = Ours([MASKING, layer] if padded else [layer], data)
    module = torch.nn.MultiheadAttention(
        F, 4, bias=bias, batch_first=True, dtype=torch.float64
    )
    where = attention_weights(module, "a/")
    load(torch, ours, where)
    x = tensor(torch, data)
    kept = x * torch.tensor(REAL[..., None] if padded else np.ones(1))
    above = torch.ones(T, T, dtype=torch.bool).triu(1) if causal else None
    padding = torch.tensor(~REAL) if padded else None
    y, _ = module(kept, kept, kept, key_padding_mask=padding, attn_mask=above)
    agree(torch, ours, y, x, where)


@pytest.mark.parametrize("padded", [False, True])
def test_cross_attention_to_a_memory_of_another_width(torch: Any, padded: bool) -> None:
    layers = [
        *([MASKING] if padded else []),
        nn.Dense(6, name="memory"),
        nn.Dense(F, name="d"),
        nn.Attention(2, memory="memory", name="a"),
    ]
    data = PADDED if padded else X
    ours = Ours(layers, data)
    module = torch.nn.MultiheadAttention(
        F, 2, kdim=6, vdim=6, batch_first=True, dtype=torch.float64
    )
    first, second = (
        torch.nn.Linear(*sizes, dtype=torch.float64) for sizes in ((F, 6), (6, F))
    )
    where = {
        "memory/weight": (first.weight, ...),
        "memory/bias": (first.bias, ...),
        "d/weight": (second.weight, ...),
        "d/bias": (second.bias, ...),
        "a/query/weight": (module.q_proj_weight, ...),
        "a/key/weight": (module.k_proj_weight, ...),
        "a/value/weight": (module.v_proj_weight, ...),
        "a/output/weight": (module.out_proj.weight, ...),
        "a/output/bias": (module.out_proj.bias, ...),
    }
    for i, name in enumerate(("query", "key", "value")):
        where[f"a/{name}/bias"] = (module.in_proj_bias, slice(i * F, (i + 1) * F))
    load(torch, ours, where)
    x = tensor(torch, data)
    memory = first(x * torch.tensor(REAL[..., None] if padded else np.ones(1)))
    padding = torch.tensor(~REAL) if padded else None
    y, _ = module(second(memory), memory, memory, key_padding_mask=padding)
    agree(torch, ours, y, x, where)


def test_rotary_is_a_turn_of_the_plane(torch: Any) -> None:
    ours = Ours([nn.Attention(2, rotary=True, bias=False, name="a")], X)
    projections = [
        torch.nn.Linear(F, F, bias=False, dtype=torch.float64) for _ in "qkvo"
    ]
    names = ("query", "key", "value", "output")
    where = {
        f"a/{name}/weight": (linear.weight, ...)
        for name, linear in zip(names, projections, strict=True)
    }
    load(torch, ours, where)
    x = tensor(torch, X)
    depth = F // 2

    def split(z: Any) -> Any:
        return z.reshape(N, T, 2, depth).transpose(1, 2)

    rates = 10000.0 ** (-2 * np.arange(depth // 2) / depth)
    turn = torch.tensor(np.exp(1j * np.outer(np.arange(T), rates)))

    def turned(z: Any) -> Any:
        points = torch.complex(z[..., : depth // 2], z[..., depth // 2 :]) * turn
        return torch.cat([points.real, points.imag], -1)

    query, key, value = (split(linear(x)) for linear in projections[:3])
    mixed = torch.nn.functional.scaled_dot_product_attention(
        turned(query), turned(key), value
    )
    y = projections[3](mixed.transpose(1, 2).reshape(N, T, F))
    agree(torch, ours, y, x, where)


BLOCK = {"heads": 4, "feed_forward": 12, "name": "b", "dropout": 0.3}


def block_weights(module: Any, attentions: dict[str, Any]) -> dict[str, Any]:
    where: dict[str, Any] = {}
    for name, inner in attentions.items():
        where |= attention_weights(inner, f"b/{name}/")
    for number in range(1, len(attentions) + 2):
        norm = getattr(module, f"norm{number}")
        where[f"b/norm{number}/scale"] = (norm.weight, ...)
        where[f"b/norm{number}/shift"] = (norm.bias, ...)
    for number in (1, 2):
        linear = getattr(module, f"linear{number}")
        where[f"b/dense{number}/weight"] = (linear.weight, ...)
        where[f"b/dense{number}/bias"] = (linear.bias, ...)
    return where


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_transformer_encoder(
    torch: Any, norm_first: bool, causal: bool, activation: str
) -> None:
    settings = {"norm_first": norm_first, "activation": activation}
    layer = nn.TransformerEncoder(**BLOCK, causal=causal, **settings)
    ours = Ours([MASKING, layer], PADDED)
    module = torch.nn.TransformerEncoderLayer(
        F, 4, 12, 0.3, batch_first=True, dtype=torch.float64, **settings
    ).eval()
    where = block_weights(module, {"attention": module.self_attn})
    load(torch, ours, where)
    x = tensor(torch, PADDED)
    y = module(
        x * torch.tensor(REAL[..., None]),
        src_mask=torch.ones(T, T, dtype=torch.bool).triu(1) if causal else None,
        src_key_padding_mask=torch.tensor(~REAL),
    )
    agree(torch, ours, y, x, where)


@pytest.mark.parametrize("norm_first", [False, True])
def test_transformer_decoder(torch: Any, norm_first: bool) -> None:
    layer = nn.TransformerDecoder(**BLOCK, memory="m", norm_first=norm_first)
    ours = Ours([MASKING, nn.Dense(F, activation="tanh", name="m"), layer], PADDED)
    module = torch.nn.TransformerDecoderLayer(
        F, 4, 12, 0.3, batch_first=True, dtype=torch.float64, norm_first=norm_first
    ).eval()
    linear = torch.nn.Linear(F, F, dtype=torch.float64)
    where = block_weights(
        module,
        {"self_attention": module.self_attn, "cross_attention": module.multihead_attn},
    )
    where |= {"m/weight": (linear.weight, ...), "m/bias": (linear.bias, ...)}
    load(torch, ours, where)
    x, padding = tensor(torch, PADDED), torch.tensor(~REAL)
    memory = torch.tanh(linear(x * torch.tensor(REAL[..., None])))
    y = module(
        memory,
        memory,
        tgt_mask=torch.ones(T, T, dtype=torch.bool).triu(1),
        tgt_key_padding_mask=padding,
        memory_key_padding_mask=padding,
    )
    agree(torch, ours, y, x, where)


@pytest.mark.parametrize("padding", [None, 2])
def test_embedding_tied_to_the_last_layer(torch: Any, padding: int | None) -> None:
    symbols = RNG.integers(0, 7, (N, T))
    table = nn.Embedding(F, 7, padding=padding, name="embedding")
    ours = Ours(
        [table, nn.Tanh(), nn.Dense(7, tie="embedding", name="d")],
        symbols.astype(float),
        padding,
    )
    module = torch.nn.Embedding(7, F, padding_idx=padding, dtype=torch.float64)
    bias = torch.zeros(7, dtype=torch.float64, requires_grad=True)
    where = {"embedding/weight": (module.weight, ...), "d/bias": (bias, ...)}
    load(torch, ours, where)
    y = torch.nn.functional.linear(
        torch.tanh(module(torch.tensor(symbols))), module.weight, bias
    )
    agree(torch, ours, y, None, where)


def test_learned_positions(torch: Any) -> None:
    layer = nn.Positional("learned", longest=7, name="positional")
    ours = Ours([layer, nn.Tanh()], X)
    module = torch.nn.Embedding(7, F, dtype=torch.float64)
    where = {"positional/weight": (module.weight, ...)}
    load(torch, ours, where)
    x = tensor(torch, X)
    agree(torch, ours, torch.tanh(x + module(torch.arange(T))), x, where)
