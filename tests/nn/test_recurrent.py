"""Layers with a memory: shapes, names, first values, and cuts of the gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nettrain import nn
from nettrain.errors import Error
from nettrain.graph import constant, gradients, variables
from nettrain.graph import operations as ops

N, T, F, U = 2, 6, 3, 4
KINDS = [nn.RNN, nn.LSTM, nn.GRU]
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def trace(**settings: Any) -> nn.Trace:
    return nn.Trace(dtype="float64", filled=True, **settings)


def rows(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape)


@every_kind
@pytest.mark.parametrize(
    ("outputs", "direction", "shape"),
    [
        ("last", "forward", (N, U)),
        ("last", "both", (N, 2 * U)),
        ("all", "backward", (N, T, U)),
        ("all", "both", (N, T, 2 * U)),
    ],
)
def test_shapes(
    kind: Any, outputs: str, direction: str, shape: tuple[int, ...]
) -> None:
    layer = kind(U, outputs=outputs, direction=direction)
    assert trace().call(layer, variables("x", (N, T, F)), "m").shape == shape


def test_formula_of_the_plain_one(value: Any) -> None:
    made, x = trace(), variables("x", (N, T, F))
    y = made.call(nn.RNN(U, outputs="all", activation="relu"), x, "m")
    w, r, b = (made.parameters[f"m/{n}"].node for n in ("weight", "recurrent", "bias"))
    h, wanted = np.zeros((N, U)), []
    for t in range(T):
        h = np.maximum(rows(N, T, F)[:, t] @ w.op.initial + h @ r.op.initial, 0)
        wanted.append(h)
    found = value(y, {x: rows(N, T, F)})
    np.testing.assert_allclose(found, np.stack(wanted, 1), rtol=1e-12)
    assert b.op.initial.tolist() == [0.0] * U


def test_an_lstm_begins_by_remembering() -> None:
    made = trace()
    made.call(nn.LSTM(U, forget_bias=1.5), variables("x", (N, T, F)), "m")
    bias = made.parameters["m/bias"].values(0)
    assert bias.tolist() == [0.0] * U + [1.5] * U + [0.0] * 2 * U


@every_kind
def test_names(kind: Any) -> None:
    made = trace()
    made.call(kind(U, direction="both", bias=False), variables("x", (N, T, F)), "m")
    assert list(made.parameters) == [
        "m/forward/weight",
        "m/forward/recurrent",
        "m/backward/weight",
        "m/backward/recurrent",
    ]


@every_kind
@pytest.mark.parametrize("outputs", ["last", "all"])
@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_truncated_the_memory_goes_on_and_the_gradient_does_not(
    kind: Any, direction: str, outputs: str, value: Any
) -> None:
    settings = {"direction": direction, "outputs": outputs}
    whole, cut = (kind(U, truncate=length, **settings) for length in ("none", 4))
    x = variables("x", (N, T, F))
    outs = [trace().call(layer, x, "m") for layer in (whole, cut)]
    end = (4 if direction == "forward" else 0) + 1
    ends = [y[:, end] if outputs == "all" else y for y in outs]
    found = [gradients(ops.sum(y), [x])[0] for y in ends]
    feed = {x: rows(N, T, F)}
    y, same, free, stopped = value([*outs, *found], feed)
    np.testing.assert_array_equal(y, same)
    # Stretches are counted from the first time step that is run.
    reached = [4, 5] if direction == "forward" else [0, 1]
    if outputs == "all" and direction == "backward":
        reached = [1]
    assert np.flatnonzero(np.abs(stopped).sum((0, 2))).tolist() == reached
    assert np.count_nonzero(np.abs(free).sum((0, 2))) > 2
    np.testing.assert_allclose(stopped[:, reached], free[:, reached], rtol=1e-12)


@every_kind
def test_padding_changes_nothing(kind: Any, value: Any) -> None:
    layer = kind(U, outputs="all", direction="both")
    short, long = variables("x", (N, 4, F)), variables("y", (N, T, F))
    plain, masked = trace(), trace()
    masked.mask = constant(np.tile(np.arange(T) < 4, (N, 1)))
    y = plain.call(layer, short, "m")
    padded = masked.call(layer, long, "m")
    first = rows(N, 4, F)
    noisy = np.concatenate([first, np.full((N, 2, F), 1e3)], 1)
    wanted, found = value(y, {short: first}), value(padded, {long: noisy})
    np.testing.assert_allclose(found[:, :4], wanted, rtol=1e-12)
    assert not found[:, 4:].any()


def test_the_last_output_leaves_no_mask() -> None:
    made = trace()
    made.mask = constant(np.ones((N, T), bool))
    made.call(nn.GRU(U), variables("x", (N, T, F)), "m")
    assert made.mask is None


@every_kind
def test_time_steps_are_watched(kind: Any, value: Any) -> None:
    """What comes back to a step's pre-activation, by a small change of it."""
    made, x = trace(), variables("x", (N, T, F))
    y = made.call(kind(U), x, "m")
    ((given, steps),) = made.within.items()
    assert [z.path for _, z in steps] == [
        f"m/t{t + 1}/pre_activation" for t in range(T)
    ]
    assert {z.role for _, z in steps} == {"pre_activation"}
    weight = made.parameters["m/weight"].node
    slope, all_given, both = value(
        [gradients(ops.sum(y), [w])[0] for w in (weight, given)] + [given],
        {x: rows(N, T, F)},
    )
    assert all_given.shape == both.shape
    flat = rows(N, T, F).transpose(1, 0, 2).reshape(-1, F)
    wanted = flat.T @ all_given.reshape(T * N, -1)
    np.testing.assert_allclose(slope, wanted, rtol=1e-10)


def test_no_more_time_steps_are_watched_than_can_be_read() -> None:
    made = trace()
    made.call(nn.RNN(2), variables("x", (1, 100, 1)), "m")
    ((_, steps),) = made.within.items()
    assert len(steps) == 16
    assert (steps[0][0], steps[-1][0]) == (0, 99)
    assert nn.RNN(2)(variables("x", (1, 100, 1))).shape == (1, 2)


def test_predicting_nothing_is_watched() -> None:
    made = trace(training=False)
    made.call(nn.LSTM(U), variables("x", (N, T, F)), "m")
    assert not made.within


class TestMistakes:
    @every_kind
    def test_what_is_no_sequence(self, kind: Any) -> None:
        with pytest.raises(
            Error, match=r"m needs sequences \(N, T, F\), and its input"
        ):
            trace().call(kind(U), variables("x", (N, F)), "m")

    def test_a_mask_of_another_length(self) -> None:
        made = trace()
        made.mask = constant(np.ones((N, 5), bool))
        with pytest.raises(Error, match=r"m: a mask of shape \(2, 5\) does not fit"):
            made.call(nn.LSTM(U), variables("x", (N, T, F)), "m")
