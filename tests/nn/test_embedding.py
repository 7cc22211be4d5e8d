"""Embedding and masking; values and gradients beside PyTorch's are in tests/parity."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nettrain import nn
from nettrain.errors import Error
from nettrain.graph import gradients, leaf, variables
from nettrain.graph import operations as ops

X = variables("x", shape=(2, 3))
A = np.array([[1.0, 0.0, 3.0], [3.0, 3.0, 2.0]])


def traced(layer: nn.Layer, x: Any = X) -> tuple[Any, nn.Trace]:
    trace = nn.Trace(dtype="float64", filled=True)
    return trace.call(layer, x, "layer"), trace


def test_symbols_become_their_rows(value: Any) -> None:
    y, trace = traced(nn.Embedding(5, 4))
    table = trace.parameters["layer/weight"]
    first = table.node.op.initial
    assert (y.path, y.shape, y.unit_axis) == ("layer/embedding", (2, 3, 5), -1)
    assert trace.mask is None and table.trainable
    np.testing.assert_array_equal(value(y, {X: A}), first[A.astype(int)])
    one = traced(nn.Embedding(5, 4), variables("x", shape=(7,)))[0]
    assert one.shape == (7, 5)


def test_the_table_starts_as_pytorch_s() -> None:
    _, trace = traced(nn.Embedding(100, 100))
    first = trace.parameters["layer/weight"].node.op.initial
    assert first.std() == pytest.approx(1, abs=0.03) and abs(first.mean()) < 0.03
    _, trace = traced(nn.Embedding(5, 4, weight_init={"constant": 2}, trainable=False))
    table = trace.parameters["layer/weight"]
    assert (table.node.op.initial == 2).all() and not table.trainable


def test_padding_is_zero_masked_and_never_learns(value: Any) -> None:
    y, trace = traced(nn.Embedding(5, 4, padding=3))
    table = trace.parameters["layer/weight"].node
    assert not table.op.initial[3].any() and table.op.initial[:3].all()
    (g,) = gradients(ops.sum(y), [table])
    rows, mask, slopes = value([y, trace.mask, g], {X: A})
    np.testing.assert_array_equal(mask, A != 3)
    np.testing.assert_array_equal((rows == 0).all(-1), A == 3)
    # How often each symbol occurs, but for padding.
    np.testing.assert_array_equal(slopes[:, 0], [1, 1, 1, 0])
    moved = {table: np.ones(table.shape)}
    np.testing.assert_array_equal(value(y, {X: A, **moved})[..., 0], A != 3)


@pytest.mark.parametrize("wrong", [4.0, -1.0, 1.5, np.nan, np.inf, 1e300])
def test_what_is_no_symbol_is_refused(value: Any, wrong: float) -> None:
    y, _ = traced(nn.Embedding(5, 4))
    a = A.copy()
    a[1, 2] = wrong
    with pytest.raises(Error, match=r"layer: index .* is outside an axis of size 4"):
        value(y, {X: a})


def test_padding_must_be_a_symbol() -> None:
    with pytest.raises(Error, match="padding: 4 is not one of 4 symbols"):
        nn.Embedding(5, 4, padding=4)


def test_auto_takes_the_vocabulary_from_the_data() -> None:
    trace = nn.Trace(symbols=(0, 7, 3), filled=True)
    x = leaf("input", "inputs", (2, 3), "float32")
    column = {
        "one": x[:, 1:2],
        "several": x[:, 1:],
        "moved": ops.reshape(ops.concat([x[:, 2:], x[:, 2:]], 1), (2, 2, 1)),
    }
    for name, y in column.items():
        trace.call(nn.Embedding(4, padding=1), y, name)
    rows = {name: made.node.shape for name, made in trace.parameters.items()}
    assert rows == {
        "one/weight": (7, 4),
        "several/weight": (7, 4),
        "moved/weight": (3, 4),
    }
    # Whole numbers may stand for symbols of which the data know nothing.
    assert trace.call(nn.Embedding(4, 2), x, "quantities").shape == (2, 3, 4)


@pytest.mark.parametrize(
    ("symbols", "layer", "said"),
    [
        ((), nn.Embedding(4), r"no data says .* input of shape \(2, 3\)"),
        ((5, 0, 5), nn.Embedding(4), "no data says"),
        ((5, 5, 6), nn.Embedding(4, 5), r"6 symbols, and its table \(5, 4\)"),
        ((5, 5, 5), nn.Embedding(4, padding=5), "padding: 5 is not one of 5 symbols"),
    ],
)
def test_vocabularies_that_do_not_fit(
    symbols: tuple[int, ...], layer: nn.Layer, said: str
) -> None:
    trace = nn.Trace(symbols=symbols)
    with pytest.raises(Error, match=f"layer: .*{said}") as caught:
        trace.call(layer, leaf("input", "inputs", (2, 3), "float32"), "layer")
    assert caught.value.code.startswith("config-")


def test_what_was_computed_is_no_symbol_of_the_data() -> None:
    trace = nn.Trace(symbols=(5, 5, 5))
    x = leaf("input", "inputs", (2, 3), "float32")
    assert trace.symbols_in(x) == 5
    assert trace.symbols_in(x * 2.0) is None
    assert trace.sibling(training=False).symbols_in(x) == 5


@pytest.mark.parametrize("padding", [0.0, -1.0])
def test_masking_finds_steps_of_padding_alone(value: Any, padding: float) -> None:
    x = variables("x", shape=(2, 3, 2))
    a = np.array([[[1, 2], [0, 5], [0, 0]], [[-1, -1], [-1, 0], [3, 0]]], float)
    y, trace = traced(nn.Masking(padding), x)
    found, mask = value([y, trace.mask], {x: a})
    np.testing.assert_array_equal(mask, (a != padding).any(-1))
    np.testing.assert_array_equal(found, a * mask[..., None])
    assert not mask.all()


def test_masking_needs_sequences() -> None:
    with pytest.raises(Error, match=r"layer needs sequences \(N, T, F\)"):
        traced(nn.Masking())
