"""Recurrent layers do what PyTorch's do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nettrain import nn
from nettrain.execute.reference import evaluate
from nettrain.graph import Node, constant, gradients, variables
from nettrain.graph import operations as ops

N, T, F, U = 3, 6, 4, 5
GATES = {"rnn": [0], "lstm": [0, 1, 3, 2], "gru": [0, 1, 2]}
"""Our place of each of PyTorch's gates."""
LAYERS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
THEIRS = {"rnn": "RNN", "lstm": "LSTM", "gru": "GRU"}


def theirs(kind: str, ours: np.ndarray) -> np.ndarray:
    """A weight (…, gates · U) in PyTorch's order of gates, transposed."""
    parts = [ours[..., k * U : (k + 1) * U] for k in GATES[kind]]
    return np.ascontiguousarray(np.concatenate(parts, -1).T)


class Ours:
    """A layer on random weights, its output, and gradients of a random sum of it."""

    def __init__(self, layer: nn.Layer, mask: np.ndarray | None = None) -> None:
        rng = np.random.default_rng(0)
        x = variables("x", (N, T, F))
        trace = nn.Trace(dtype="float64", filled=True)
        if mask is not None:
            trace.mask = constant(mask)
        y = trace.call(layer, x, "m")
        self.weights = [p.node for p in trace.parameters.values()]
        self.direction = rng.normal(size=y.shape)
        cost = ops.sum(y * constant(self.direction))
        found = gradients(cost, [x, *self.weights])
        feed: dict[Node, np.ndarray] = {x: rng.normal(size=x.shape)}
        feed |= {w: rng.normal(size=w.shape) * 0.5 for w in self.weights}
        values = evaluate([y, *found], feed)
        self.x, self.y, self.dx = feed[x], values[y], values[found[0]]
        self.value = {w.path: feed[w] for w in self.weights}
        self.slope = {
            w.path: values[g] for w, g in zip(self.weights, found[1:], strict=True)
        }


def module(torch: Any, kind: str, ours: Ours, both: bool) -> Any:
    """PyTorch's layer with our weights; one of its two biases is 0, but in a GRU."""
    made = getattr(torch.nn, THEIRS[kind])(
        F, U, batch_first=True, bidirectional=both, dtype=torch.float64
    )
    state = {}
    for path, suffix in sides(both):
        names = {"weight": "weight_ih", "recurrent": "weight_hh", "bias": "bias_ih"}
        for own, name in names.items():
            state[f"{name}_l0{suffix}"] = theirs(kind, ours.value[f"{path}/{own}"])
        other = np.zeros(len(GATES[kind]) * U)
        if kind == "gru":
            other[2 * U :] = ours.value[f"{path}/candidate_bias"]
        state[f"bias_hh_l0{suffix}"] = other
    made.load_state_dict({k: torch.from_numpy(v) for k, v in state.items()})
    return made


def sides(both: bool) -> list[tuple[str, str]]:
    return [("m/forward", ""), ("m/backward", "_reverse")] if both else [("m", "")]


def same_gradients(kind: str, ours: Ours, made: Any, both: bool) -> None:
    close = {"rtol": 1e-10, "atol": 1e-12}
    for path, suffix in sides(both):
        for own, name in (("weight", "ih"), ("recurrent", "hh")):
            found = getattr(made, f"weight_{name}_l0{suffix}").grad.numpy()
            wanted = theirs(kind, ours.slope[f"{path}/{own}"])
            np.testing.assert_allclose(wanted, found, **close)
        found = getattr(made, f"bias_ih_l0{suffix}").grad.numpy()
        bias = theirs(kind, ours.slope[f"{path}/bias"])
        np.testing.assert_allclose(bias, found, **close)
        if kind == "gru":
            found = getattr(made, f"bias_hh_l0{suffix}").grad.numpy()[2 * U :]
            bias = ours.slope[f"{path}/candidate_bias"]
            np.testing.assert_allclose(bias, found, **close)


@pytest.mark.parametrize("outputs", ["last", "all"])
@pytest.mark.parametrize("direction", ["forward", "backward", "both"])
@pytest.mark.parametrize("kind", LAYERS)
def test_outputs_and_gradients(
    kind: str, direction: str, outputs: str, torch: Any
) -> None:
    ours = Ours(LAYERS[kind](U, outputs=outputs, direction=direction))
    both = direction == "both"
    made = module(torch, kind, ours, both)
    x = torch.tensor(ours.x, requires_grad=True)
    y, end = made(torch.flip(x, (1,)) if direction == "backward" else x)
    if outputs == "last":
        y = torch.cat(list(end[0] if kind == "lstm" else end), -1)
    elif direction == "backward":
        y = torch.flip(y, (1,))
    (y * torch.tensor(ours.direction)).sum().backward()
    np.testing.assert_allclose(ours.y, y.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(ours.dx, x.grad.numpy(), rtol=1e-10, atol=1e-12)
    same_gradients(kind, ours, made, both)


@pytest.mark.parametrize("outputs", ["last", "all"])
@pytest.mark.parametrize("kind", LAYERS)
def test_padding_is_as_in_packed_sequences(kind: str, outputs: str, torch: Any) -> None:
    lengths = [6, 2, 4]
    mask = np.arange(T) < np.array(lengths)[:, None]
    ours = Ours(LAYERS[kind](U, outputs=outputs, direction="both"), mask)
    made = module(torch, kind, ours, both=True)
    x = torch.tensor(ours.x, requires_grad=True)
    rnn = torch.nn.utils.rnn
    packed = rnn.pack_padded_sequence(
        x, lengths, batch_first=True, enforce_sorted=False
    )
    given, end = made(packed)
    y, _ = rnn.pad_packed_sequence(given, batch_first=True, total_length=T)
    if outputs == "last":
        y = torch.cat(list(end[0] if kind == "lstm" else end), -1)
    (y * torch.tensor(ours.direction)).sum().backward()
    np.testing.assert_allclose(ours.y, y.detach().numpy(), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(ours.dx, x.grad.numpy(), rtol=1e-10, atol=1e-12)
    same_gradients(kind, ours, made, both=True)
