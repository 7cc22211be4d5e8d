"""From sequences to vectors, with and without padding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nettrain as nt
from nettrain import nn
from nettrain.errors import Error
from nettrain.graph import constant, gradients, variables
from nettrain.graph import operations as ops

X = variables("x", shape=(4, 5, 2))
A = np.random.default_rng(0).normal(size=X.shape)
REAL = np.array(
    [[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 1, 0, 1, 1], [0, 0, 0, 0, 0]], bool
)


def reduced(layer: nn.Layer, masked: bool, value: Any, a: np.ndarray = A) -> np.ndarray:
    trace = nn.Trace(dtype="float64")
    trace.mask = constant(REAL) if masked else None
    y = trace.call(layer, X, "layer")
    assert trace.mask is None and y.shape == (4, 2)
    return value(y, {X: a})


@pytest.mark.parametrize("index", [0, 1, 4, -1, -2, -5])
def test_select_counts_real_steps(value: Any, index: int) -> None:
    np.testing.assert_array_equal(reduced(nn.Select(index), False, value), A[:, index])
    found = reduced(nn.Select(index), True, value)
    for a, real, y in zip(A, REAL, found, strict=True):
        steps = a[real]
        there = -len(steps) <= index < len(steps)
        np.testing.assert_array_equal(y, steps[index] if there else 0)


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_pooling_leaves_padding_out(value: Any, pooling: Any) -> None:
    below = A - 5  # a maximum that padding would win
    pool = getattr(np, pooling)
    np.testing.assert_allclose(
        reduced(nn.PoolTime(pooling), False, value, below), pool(below, axis=1)
    )
    found = reduced(nn.PoolTime(pooling), True, value, below)
    for a, real, y in zip(below, REAL, found, strict=True):
        expected = pool(a[real], axis=0) if real.any() else 0
        np.testing.assert_allclose(y, np.broadcast_to(expected, 2))


@pytest.mark.parametrize("layer", [nn.Select(-2), nn.PoolTime("mean")])
def test_gradients_to_the_second(layer: nn.Layer) -> None:
    def masked(x: Any) -> Any:
        trace = nn.Trace(dtype="float64")
        trace.mask = constant(REAL)
        y = trace.call(layer, x, "layer")
        return y * y * y

    nt.check_gradients(masked, A)


def test_other_axes_stay(value: Any) -> None:
    x = variables("x", shape=(2, 3, 4, 5))
    a = np.random.default_rng(0).normal(size=x.shape)
    for layer, expected in (
        (nn.Select(0), a[:, 0]),
        (nn.PoolTime(), a.mean(1)),
        (nn.PoolTime("max"), a.max(1)),
    ):
        y = nn.Trace(dtype="float64").call(layer, x, "layer")
        np.testing.assert_allclose(value(y, {x: a}), expected)


@pytest.mark.parametrize("index", [5, -6])
def test_a_step_that_is_not_there(index: int) -> None:
    with pytest.raises(Error, match=rf"layer: index {index} is outside the 5 .*\(4, 5"):
        nn.Trace(dtype="float64").call(nn.Select(index), X, "layer")


def test_a_mask_of_another_length_is_refused() -> None:
    trace = nn.Trace(dtype="float64")
    trace.mask = variables("mask", shape=(4, 3), dtype="bool")
    with pytest.raises(Error, match=r"layer: a mask of shape \(4, 3\) .* \(4, 5, 2\)"):
        trace.call(nn.PoolTime(), X, "layer")


def test_sequences_have_time() -> None:
    for layer in (nn.Select(), nn.PoolTime()):
        with pytest.raises(Error, match=r"layer needs sequences \(N, T, …\)"):
            nn.Trace().call(layer, variables("x", shape=(4, 5)), "layer")


# ------------------------------------------------------------------ windows over them

LENGTHS = [9, 6, 4, 5]
B = np.random.default_rng(3).normal(size=(4, 2, 9))
OWN = np.arange(9) < np.array(LENGTHS)[:, None]


STEPWISE: list[nn.Layer] = [
    nn.Conv1d(3),
    nn.Conv1d(3, padding="same"),
    nn.Conv1d(3, size=4, padding="same", dilation=2),
    nn.Conv1d(3, size=4, padding=1, activation="tanh"),
    nn.Conv1d(3, size=1),
    nn.MaxPool1d(3, stride=1, padding=1),
    nn.MaxPool1d(3, stride=1, padding="same"),
    nn.AveragePool1d(3, stride=1, padding=1, count_include_pad=False),
    nn.AveragePool1d(4, stride=1, padding="same", count_include_pad=False),
    nn.GlobalAveragePool(),
    nn.GlobalMaxPool(),
]
STRIDED: list[nn.Layer] = [  # windows are counted from the left
    nn.Conv1d(3, stride=2, padding=1),
    nn.MaxPool1d(),
    nn.AveragePool1d(),
    nn.AveragePool1d(3, stride=2, padding=1),
]


@pytest.mark.parametrize(
    ("layer", "left"),
    [
        *((layer, left) for layer in STEPWISE for left in (False, True)),
        *((layer, False) for layer in STRIDED),
    ],
)
def test_a_padded_sequence_gives_what_it_gives_alone(
    value: Any, layer: nn.Layer, left: bool
) -> None:
    a, own = (B[..., ::-1], OWN[:, ::-1]) if left else (B, OWN)
    trace = nn.Trace(dtype="float64", filled=True)
    x = variables("x", shape=a.shape)
    trace.mask = constant(own[:, None])
    y = trace.call(layer, x, "layer")
    (slope,) = gradients(ops.sum(y * y), [x])
    found, gradient = value([y, slope], {x: a})
    assert not gradient[~np.broadcast_to(own[:, None], a.shape)].any()
    if len(y.shape) == 3:
        assert trace.mask is not None
        (mask,) = value([trace.mask], {x: a})
        if not isinstance(layer, nn.Conv1d):  # whose bias is everywhere
            assert not (found * ~mask).any() and np.isfinite(found).all()
    else:
        assert trace.mask is None
        mask = None
    for i, real in enumerate(own):
        trace.mask = None
        short = variables("x", shape=(1, 2, int(real.sum())))
        y = trace.call(layer, short, "layer")
        alone = value(y, {short: a[i : i + 1][..., real]})
        kept = found[i] if mask is None else found[i][:, mask[i, 0]]
        np.testing.assert_allclose(kept, alone[0], rtol=1e-12)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv1d(3, padding="same", stride=2),
        nn.MaxPool1d(3, stride=2, padding="same"),
        nn.AveragePool1d(1, stride=2, padding="same", ceil_mode=True),
    ],
)
def test_same_has_as_many_positions_as_a_sequence_alone(
    value: Any, layer: nn.Layer
) -> None:
    trace = nn.Trace(dtype="float64", filled=True)
    trace.mask = constant(OWN[:, None])
    trace.call(layer, variables("x", shape=B.shape), "layer")
    (mask,) = value([trace.mask], {})
    assert mask.sum(axis=(1, 2)).tolist() == [-(-n // 2) for n in LENGTHS]


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (nn.Conv1d(3, size=1, padding=1), "(4, 2, 9)|(4, 1, 9)"),
        (nn.MaxPool1d(ceil_mode=True), "(4, 2, 9)|(4, 1, 9)"),
        (nn.ConvTranspose1d(3), "(4, 2, 9)|(4, 1, 9)"),
    ],
)
def test_masks_that_say_nothing_of_the_result(layer: nn.Layer, words: str) -> None:
    trace = nn.Trace(dtype="float64")
    trace.mask = constant(OWN[:, None])
    with pytest.raises(Error) as caught:
        trace.call(layer, variables("x", shape=B.shape), "layer")
    assert caught.value.code == "graph-mask"
    for word in ["layer", *words.split("|")]:
        assert word in caught.value.message


@pytest.mark.parametrize("layer", [nn.Conv1d(3), nn.MaxPool1d(), nn.GlobalMaxPool()])
def test_time_has_to_stand_behind_the_channels(layer: nn.Layer) -> None:
    trace = nn.Trace(dtype="float64")
    trace.mask = constant(OWN)
    with pytest.raises(Error, match=r"layer: .*\(4, 9\) does not fit \(4, 9, 2\)") as e:
        trace.call(layer, variables("x", shape=(4, 9, 2)), "layer")
    assert "permute: [2, 1]" in (e.value.fix or "")


def test_ragged_texts_through_windows_and_a_memory(value: Any) -> None:
    model = nn.Sequential(
        [
            nn.Embedding(5, 7, padding=0),
            nn.Permute([2, 1]),
            nn.Conv1d(4, padding="same", activation="relu"),
            nn.Slice(1, axis=1),
            nn.MaxPool1d(2),
            nn.Permute([2, 1]),
            nn.Dense(3),
            nn.Branch([[], [nn.Dense(2)]]),
            nn.LSTM(6),
        ]
    )
    symbols = np.where(OWN, np.arange(36).reshape(4, 9) % 6 + 1.0, 0)
    trace = nn.Trace(dtype="float64", filled=True)
    x = variables("x", shape=(4, 9))
    found = value(trace.call(model, x, "model"), {x: symbols})
    for i, length in enumerate(LENGTHS):
        short = variables("x", shape=(1, length))
        alone = trace.call(model, short, "model")
        np.testing.assert_allclose(
            value(alone, {short: symbols[i : i + 1, :length]})[0], found[i], rtol=1e-12
        )


@pytest.mark.parametrize(
    "layer", [nn.Dense(9), nn.LSTM(9, outputs="all"), nn.Attention(1, size=9)]
)
def test_what_mixes_time_steps_leaves_none(layer: nn.Layer) -> None:
    trace = nn.Trace(dtype="float64")
    trace.mask = constant(OWN[:, None])
    trace.call(layer, variables("x", shape=(4, 2, 9)), "layer")
    assert trace.mask is None


def test_sequences_one_behind_the_other(value: Any) -> None:
    trace = nn.Trace(dtype="float64")
    trace.mask = constant(OWN)
    x = variables("x", shape=(4, 9, 2))
    first = nn.Slice(stop=3, axis=1)
    trace.call(nn.Branch([[first], [], [nn.Reshape([9, 2])]], axis=1), x, "layer")
    assert trace.mask is not None
    (mask,) = value([trace.mask], {})
    real = np.ones((4, 9), bool)
    np.testing.assert_array_equal(mask, np.concatenate([OWN[:, :3], OWN, real], 1))
