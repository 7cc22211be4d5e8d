"""Transformer blocks and positions; the blocks beside PyTorch's: in tests/parity."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nettrain as nt
from nettrain import nn
from nettrain.errors import Error
from nettrain.graph import gradients, topological, variables
from nettrain.graph import operations as ops

X = variables("x", shape=(2, 5, 8))
A = np.random.default_rng(0).normal(size=X.shape)


def traced(*layers: nn.Layer, x: Any = X, **settings: Any) -> tuple[Any, nn.Trace]:
    trace = nn.Trace(dtype="float64", filled=True, **settings)
    return trace.call(nn.Sequential(list(layers)), x, "model"), trace


def test_an_encoder_is_made_of_layers() -> None:
    block = nn.TransformerEncoder(2, 16, dropout=0.25)
    y, trace = traced(block)
    path = "model/transformer_encoder1"
    attention = [
        f"attention{part}"
        for part in ("", "/query", "/key", "/value", "/dropout", "/output")
    ]
    inner = ["norm1", *attention, "dropout1"]
    inner += ["norm2", "dense1", "dropout2", "dense2", "dropout3"]
    calls = {call.path: call for call in trace.calls}
    assert list(calls) == ["model", path, *(f"{path}/{name}" for name in inner)]
    assert {call.layer.rate for call in trace.calls if "rate" in vars(call.layer)} == {
        0.25
    }
    walked = [p for p, _, _ in nn.walk([block], "model", ("model",))]
    assert sorted(walked) == sorted(set(calls) - {"model"})
    assert calls[f"{path}/dense1"].outputs == (2, 5, 16) and y.shape == X.shape
    assert {row.kind for row in nn.describe(trace)} == {
        "sequential", "transformer_encoder", "layer_norm", "attention", "projection",
        "dropout", "dense",
    }  # fmt: skip


def test_settings_reach_the_layers_inside() -> None:
    block = nn.TransformerEncoder(
        2, 16, "gelu", 0.0, causal=True, rotary=True, trainable=False
    )
    _, trace = traced(block)
    inner = {c.path.rpartition("/")[2]: c.layer for c in trace.calls}
    assert inner["attention"] == nn.Attention(2, causal=True, rotary=True)
    assert inner["dense1"] == nn.Dense(16, "gelu")
    assert not any("dropout" in name for name in inner)
    assert not any(p.trainable for p in trace.parameters.values())


def test_a_decoder_looks_at_its_memory_and_not_ahead(value: Any) -> None:
    layers = [nn.Tanh(name="m"), nn.TransformerDecoder(2, 16, memory="m")]
    y, trace = traced(*layers)
    inner = {c.path.rpartition("/")[2]: c.layer for c in trace.calls}
    assert inner["self_attention"] == nn.Attention(2, causal=True, dropout=0.1)
    assert inner["cross_attention"] == nn.Attention(2, memory="m", dropout=0.1)
    assert {"norm1", "norm2", "norm3"} <= set(inner)
    assert value(y, {X: A}).shape == X.shape


@pytest.mark.parametrize("causal", [False, True])
def test_causal_blocks_do_not_look_ahead(value: Any, causal: bool) -> None:
    y, _ = traced(nn.TransformerEncoder(2, 16, dropout=0.0, causal=causal))
    (slope,) = gradients(ops.sum(y[:, 2]), [X])
    reached = (value(slope, {X: A}) != 0).any((0, 2))
    np.testing.assert_array_equal(reached, [1, 1, 1, not causal, not causal])


@pytest.mark.parametrize("norm_first", [False, True])
def test_gradients_to_the_second(norm_first: bool) -> None:
    inner = {"dropout": 0.0, "norm_first": norm_first}
    layers = [
        nn.Tanh(name="m"),
        nn.TransformerEncoder(2, 12, "gelu", **inner),
        nn.TransformerDecoder(2, 12, "tanh", memory="m", **inner),
    ]
    nt.check_gradients(lambda x: traced(*layers, x=x)[0], A)


def test_a_decoder_needs_a_memory() -> None:
    with pytest.raises(TypeError, match="memory"):
        nn.TransformerDecoder(2, 16)  # type: ignore[call-arg]
    with pytest.raises(Error, match='cross_attention refers to "m"'):
        traced(nn.TransformerDecoder(2, 16, memory="m"))


def test_blocks_need_sequences_and_heads_that_fit() -> None:
    with pytest.raises(Error, match=r"encoder1 needs sequences \(N, T, F\)"):
        traced(nn.TransformerEncoder(2, 16), x=variables("x", shape=(2, 8)))
    match = r"transformer_encoder1/attention: 8 features .* 3 heads"
    with pytest.raises(Error, match=match):
        traced(nn.TransformerEncoder(3, 16))


# ------------------------------------------------------------------ positions


@pytest.mark.parametrize("size", [6, 7])
def test_sinusoids(value: Any, size: int) -> None:
    x = variables("x", shape=(2, 4, size))
    y, trace = traced(nn.Positional(), x=x)
    found = value(y, {x: np.zeros(x.shape)})
    for t in range(4):
        for i in range(size):
            angle = t / 10000 ** (2 * (i // 2) / size)
            expected = np.cos(angle) if i % 2 else np.sin(angle)
            np.testing.assert_allclose(found[:, t, i], expected)
    assert not trace.parameters


def test_learned_positions_are_rows(value: Any) -> None:
    y, trace = traced(nn.Positional("learned", longest=7, weight_init="ones"))
    (table,) = trace.parameters.values()
    assert table.node.shape == (7, 8) and table.trainable
    np.testing.assert_array_equal(value(y, {X: A}), A + 1)
    (slope,) = gradients(ops.sum(y), [table.node])
    np.testing.assert_array_equal(value(slope, {X: A})[:, 0], [2] * 5 + [0] * 2)


def test_positions_that_are_not_there() -> None:
    match = r"positional1 has vectors \(4, 8\) for 4 time steps, and \(2, 5, 8\) has 5"
    with pytest.raises(Error, match=match):
        traced(nn.Positional("learned", longest=4))
    with pytest.raises(Error, match=r"positional1 needs sequences \(N, T, F\)"):
        traced(nn.Positional(), x=variables("x", shape=(2, 8)))
    for settings in ({"encoding": "learned"}, {"longest": 4}):
        with pytest.raises(Error, match="longest: learned encodings need it"):
            nn.Positional(**settings)


def test_a_block_reused_shares_every_weight() -> None:
    block = nn.TransformerEncoder(2, 16, name="block")
    y, trace = traced(block, nn.Reuse("block"))
    assert len(trace.parameters) == len(traced(block)[1].parameters)
    found = [n for n in topological([y]) if n.role == "attention"]
    assert [n.path for n in found] == [
        "model/block/attention/attention",
        "model/block/attention/attention2",
    ]
