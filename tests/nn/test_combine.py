"""Layers of layers, flatten and dropout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nettrain import nn
from nettrain.errors import Error
from nettrain.graph import Node, constant, gradients, variables
from nettrain.graph import operations as ops

X = variables("x", shape=(2, 4))


def call(layer: nn.Layer, x: Node = X, **settings: Any) -> Node:
    return nn.Trace(dtype="float64", filled=True, **settings).call(layer, x, "layer")


def test_sequential_is_one_after_the_other(value: Any) -> None:
    y = call(nn.Sequential([nn.Tanh(), nn.Softplus()]))
    a = np.linspace(-2, 2, 8).reshape(2, 4)
    np.testing.assert_allclose(value(y, {X: a}), np.log1p(np.exp(np.tanh(a))))


def test_empty_sequential_is_the_input() -> None:
    assert call(nn.Sequential([])) is X


def test_residual_adds_its_input(value: Any) -> None:
    a = np.linspace(-2, 2, 8).reshape(2, 4)
    np.testing.assert_allclose(
        value(call(nn.Residual([nn.Tanh()])), {X: a}), a + np.tanh(a)
    )


@pytest.mark.parametrize("units", [1, 5])
def test_residual_refuses_another_shape(units: int) -> None:
    with pytest.raises(Error, match=rf"layer: the blocks make \(2, {units}\)"):
        call(nn.Residual([nn.Dense(units)]))


def test_repeat(value: Any) -> None:
    a = np.linspace(-2, 2, 8).reshape(2, 4)
    y = call(nn.Repeat(3, [nn.Tanh()]))
    np.testing.assert_allclose(value(y, {X: a}), np.tanh(np.tanh(np.tanh(a))))


def test_flatten(value: Any) -> None:
    x = variables("images", shape=(2, 3, 2, 2))
    a = np.arange(24.0).reshape(2, 3, 2, 2)
    np.testing.assert_array_equal(
        value(call(nn.Flatten(), x), {x: a}), a.reshape(2, 12)
    )


def test_dropout(value: Any) -> None:
    x = variables("many", shape=(100, 1000))
    y = call(nn.Dropout(0.3), x)
    (gradient,) = gradients(ops.sum(y), [x])
    values, slopes = value([y, gradient], {x: np.ones(x.shape)})
    kept = values != 0
    np.testing.assert_allclose(values[kept], 1 / 0.7)
    np.testing.assert_array_equal(values, slopes)  # the same mask both ways
    # 100,000 bits: the share has a standard deviation of .0015.
    assert kept.mean() == pytest.approx(0.7, abs=0.006)


def test_dropout_passes_everything_in_prediction() -> None:
    assert call(nn.Dropout(0.3), training=False) is X
    assert call(nn.Dropout(0.0)) is X
    assert nn.Dropout(0.3)(X) is X


@pytest.mark.parametrize("rate", [-0.1, 1.0, "half"])
def test_dropout_refuses_other_rates(rate: Any) -> None:
    with pytest.raises(Error):
        nn.Dropout(rate)


def test_layers_know_no_mode() -> None:
    """A layer that asked for the mode would be two layers in one."""
    from pathlib import Path

    folder = Path(nn.__file__).parent
    for file in folder.glob("*.py"):
        if file.name not in ("trace.py", "layer.py"):
            assert ".training" not in file.read_text("utf-8"), file.name


# ------------------------------------------------------------------ branches


def grown(*layers: nn.Layer, x: Node = X, **settings: Any) -> tuple[Node, nn.Trace]:
    trace = nn.Trace(dtype="float64", filled=True, **settings)
    return trace.call(nn.Sequential(list(layers)), x, "model"), trace


PATHS = [[nn.Tanh()], [], [nn.Softplus()]]


@pytest.mark.parametrize("merge", ["concat", "add", "multiply", "mean"])
def test_branches_are_merged(value: Any, merge: Any) -> None:
    a = np.linspace(-2, 2, 8).reshape(2, 4)
    ends = [np.tanh(a), a, np.log1p(np.exp(a))]
    expected = {
        "concat": np.concatenate(ends, 1),
        "add": sum(ends),
        "multiply": ends[0] * ends[1] * ends[2],
        "mean": np.mean(ends, 0),
    }[merge]
    y = call(nn.Branch(PATHS, merge))
    np.testing.assert_allclose(value(y, {X: a}), expected)


@pytest.mark.parametrize(
    ("shape", "axis", "expected"),
    [
        ((2, 3), "auto", (2, 6)),
        ((2, 3, 4), "auto", (2, 3, 8)),
        ((2, 3, 4, 4), "auto", (2, 6, 4, 4)),
        ((2, 3, 4), 1, (2, 6, 4)),
        ((2, 3, 4, 4), -1, (2, 3, 4, 8)),
    ],
)
def test_where_branches_are_joined(shape: Any, axis: Any, expected: Any) -> None:
    x = variables("x", shape=shape)
    assert call(nn.Branch([[], []], axis=axis), x).shape == expected


def test_the_last_path_alone(value: Any) -> None:
    """A sequence to a sequence: the second half looks at the first, encoded."""
    x = variables("x", shape=(2, 6, 4))
    paths = [
        [nn.Slice(stop=4, axis=1), nn.Dense(4, "tanh", name="encoder")],
        [nn.Slice(4, axis=1), nn.Attention(2, memory="1/encoder")],
    ]
    y, trace = grown(nn.Branch(paths, "last"), x=x)
    assert y.shape == (2, 2, 4)
    reached = gradients(ops.sum(y), [p.node for p in trace.parameters.values()])
    assert len(reached) == 10


def test_layers_of_a_branch_go_by_their_path() -> None:
    branch = nn.Branch([[nn.Dense(3), nn.Dense(4)], [nn.Dense(4)]])
    _, trace = grown(branch)
    paths = {call.path for call in trace.calls} - {"model", "model/branch1"}
    assert paths == {f"model/branch1/{p}" for p in ("1/dense1", "1/dense2", "2/dense1")}
    places = {p: at for p, at, _ in nn.walk([branch], "model", ("model",))}
    assert places["model/branch1/1/dense2"] == ("model", 0, "branch", "paths", 0, 1)
    assert places["model/branch1/2/dense1"] == ("model", 0, "branch", "paths", 1, 0)
    assert paths <= set(places)


def test_branches_that_do_not_fit() -> None:
    paths = [[nn.Dense(3)], [nn.Dense(1)]]
    with pytest.raises(Error, match=r"make \(2, 3\) and \(2, 1\), and add needs equal"):
        call(nn.Branch(paths, "add"))
    with pytest.raises(Error, match=r"\(2, 3\) and \(2, 1\), and concat along axis 0"):
        call(nn.Branch(paths, axis=0))
    with pytest.raises(Error, match="along axis 2 needs"):
        call(nn.Branch(paths, axis=2))
    with pytest.raises(Error, match="at least one path"):
        nn.Branch([])
    with pytest.raises(Error, match='two layers are called "a"'):
        nn.Branch([[nn.Tanh(name="a"), nn.ReLU(name="a")]])


def test_a_branch_knows_the_padding_of_its_paths(value: Any) -> None:
    x = variables("x", shape=(1, 3, 2))
    a = np.array([[[1.0, 1.0], [0.0, 2.0], [3.0, 3.0]]])
    ones, threes = nn.Masking(1.0), nn.Masking(3.0)
    for paths, expected in (
        ([[nn.Tanh()], []], None),
        ([[threes], []], [True, True, False]),
        ([[nn.Tanh()], [threes]], [True, True, False]),
        ([[ones], [threes]], [False, True, False]),
        ([[threes], [ones]], [False, True, False]),
    ):
        _, trace = grown(nn.Branch(paths), x=x)
        if expected is None:
            assert trace.mask is None
        else:
            np.testing.assert_array_equal(value(trace.mask, {x: a}), [expected])


def test_each_path_begins_with_the_padding_of_the_input(value: Any) -> None:
    x = variables("x", shape=(1, 3, 2))
    a = np.array([[[1.0, 1.0], [0.0, 2.0], [3.0, 3.0]]])
    both = nn.Branch([[nn.PoolTime()], [nn.PoolTime()]])
    y, trace = grown(nn.Masking(3.0), both, x=x)
    np.testing.assert_allclose(value(y, {x: a}), [[0.5, 1.5, 0.5, 1.5]])
    assert trace.mask is None
    _, trace = grown(nn.Masking(3.0), nn.Branch([[nn.Tanh()], []]), x=x)
    np.testing.assert_array_equal(value(trace.mask, {x: a}), [[True, True, False]])


# ------------------------------------------------------------------ shared weights


def test_reuse_applies_the_same_weights(value: Any) -> None:
    first = nn.Dense(4, activation="tanh", name="first")
    y, trace = grown(first, nn.ReLU(), nn.Reuse("first"))
    weight, bias = (p.node for p in trace.parameters.values())
    a = np.linspace(-2, 2, 8).reshape(2, 4)
    w = weight.op.initial
    h = np.maximum(np.tanh(a @ w), 0)
    np.testing.assert_allclose(value(y, {X: a}), np.tanh(h @ w))
    nodes = {n.path for n in trace.neurons}
    assert {"model/first/pre_activation", "model/first/pre_activation2"} <= nodes
    (slope,) = gradients(ops.sum(y), [bias])
    step = 1e-6
    ends = [value(ops.sum(y), {X: a, bias: np.full(4, h)}) for h in (step, -step)]
    assert value(slope, {X: a}).sum() == pytest.approx((ends[0] - ends[1]) / 2 / step)


def test_siamese_branches() -> None:
    shared = nn.Sequential([nn.Dense(3), nn.Tanh()], name="tower")
    x = variables("x", shape=(2, 8))
    halves = [nn.Reshape([2, 4]), nn.Select(0)], [nn.Reshape([2, 4]), nn.Select(1)]
    branch = nn.Branch([[*halves[0], shared], [*halves[1], nn.Reuse("1/tower")]])
    y, trace = grown(branch, x=x)
    assert y.shape == (2, 6)
    path = "model/branch1/1/tower/dense1"
    assert list(trace.parameters) == [f"{path}/weight", f"{path}/bias"]
    sibling = trace.sibling(training=False)
    sibling.call(nn.Sequential([branch]), x, "model")
    assert list(trace.parameters) == [f"{path}/weight", f"{path}/bias"]


def test_reuse_of_what_is_not_there_or_does_not_fit() -> None:
    with pytest.raises(Error, match='model/reuse1 refers to "later"') as caught:
        grown(nn.Dense(3), nn.Reuse("later"), nn.Dense(3, name="later"))
    assert caught.value.fix == "before it stand: dense1"
    with pytest.raises(Error, match='refers to "dense_1"') as caught:
        grown(nn.Dense(3), nn.Reuse("dense_1"))
    assert caught.value.fix == 'did you mean "dense1"?'
    trace = nn.Trace(dtype="float64")
    model = nn.Sequential([nn.Dense(3), nn.Reuse("dense1")])
    match = r"dense1/weight has shape \(4, 3\) and is asked for again as \(3, 3\)"
    with pytest.raises(Error, match=match):
        trace.call(model, X, "model")
    assert trace.failed == "model/reuse1"
    with pytest.raises(Error, match="refers to"):
        grown(nn.Sequential([nn.Tanh(), nn.Reuse("outer")], name="outer"))


def test_a_tied_layer_has_the_transposed_weight(value: Any) -> None:
    y, trace = grown(nn.Dense(3, name="in"), nn.Dense(4, "tanh", tie="in"))
    assert [p.removeprefix("model/") for p in trace.parameters] == [
        "in/weight", "in/bias", "dense2/bias",
    ]  # fmt: skip
    w = trace.parameters["model/in/weight"].node.op.initial
    a = np.linspace(-2, 2, 8).reshape(2, 4)
    np.testing.assert_allclose(value(y, {X: a}), np.tanh(a @ w @ w.T))


def test_ties_that_do_not_fit() -> None:
    match = r"dense2 needs a weight \(3, 5\), and model/in/weight \(4, 3\), .* \(3, 4\)"
    with pytest.raises(Error, match=match):
        grown(nn.Dense(3, name="in"), nn.Dense(5, tie="in"))
    with pytest.raises(Error, match="the weight of model/tanh1, which has none"):
        grown(nn.Tanh(), nn.Dense(5, tie="tanh1"))
    with pytest.raises(Error, match="tie: the layer named there"):
        nn.Dense(5, tie="in", weight_init="ones")


# ------------------------------------------------------------------ shapes


def test_reshape_and_permute(value: Any) -> None:
    x = variables("x", shape=(2, 3, 4))
    a = np.arange(24.0).reshape(2, 3, 4)
    for layer, expected in (
        (nn.Reshape([2, -1]), a.reshape(2, 2, 6)),
        (nn.Reshape([12]), a.reshape(2, 12)),
        (nn.Permute([2, 1]), a.transpose(0, 2, 1)),
    ):
        trace = nn.Trace(dtype="float64")
        trace.mask = x[..., 0] > 8.0
        np.testing.assert_array_equal(
            value(trace.call(layer, x, "l"), {x: a}), expected
        )
        assert (trace.mask is None) == isinstance(layer, nn.Reshape)


@pytest.mark.parametrize(
    ("orders", "shape"),
    [
        ([[2, 1, 3]], (2, 1, 3)),
        ([[2, 3, 1]], (2, 1, 1, 3)),
        ([[1, 3, 2]], (2, 3)),
        ([[2, 3, 1], [3, 1, 2]], (2, 3)),
        ([[3, 1, 2], [1, 3, 2]], (2, 1, 1, 3)),
    ],
)
def test_a_mask_goes_where_time_goes(
    value: Any, orders: list[list[int]], shape: tuple[int, ...]
) -> None:
    x = variables("x", shape=(2, 3, 4, 5))
    mask = np.arange(6).reshape(2, 3) % 2 > 0
    trace = nn.Trace(dtype="float64")
    trace.mask = constant(mask)
    for i, order in enumerate(orders):
        x = trace.call(nn.Permute(order), x, f"l{i}")
    assert trace.mask is not None and trace.mask.shape == shape
    assert x.shape[len(shape) - 1] == 3
    np.testing.assert_array_equal(value(trace.mask, {}).reshape(2, 3), mask)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (nn.Slice(1), np.s_[:, :, 1:]),
        (nn.Slice(-2, -1), np.s_[:, :, -2:-1]),
        (nn.Slice(1, 9, axis=1), np.s_[:, 1:]),
        (nn.Slice(stop=2, axis=1), np.s_[:, :2]),
    ],
)
def test_slices(value: Any, layer: nn.Slice, expected: Any) -> None:
    x = variables("x", shape=(2, 3, 4))
    a = np.arange(24.0).reshape(2, 3, 4)
    a[0, 2], a[1, 0] = 0, 0
    y, trace = grown(nn.Masking(), layer, x=x)
    found, mask = value([y, trace.mask], {x: a})
    np.testing.assert_array_equal(found, a[expected])
    real = a.any(-1)
    np.testing.assert_array_equal(mask, real[expected[:2]] if layer.axis == 1 else real)


def test_slices_that_hold_nothing() -> None:
    with pytest.raises(Error, match=r"layer: nothing stands from 4 to None on axis 1"):
        call(nn.Slice(4))
    for axis in (0, 2, -2, -3):
        with pytest.raises(Error, match=rf"layer: axis {axis} is none of \(2, 4\)"):
            call(nn.Slice(1, axis=axis))


@pytest.mark.parametrize("shape", [[5], [5, -1], [-1, -1], [0, -1], []])
def test_shapes_that_do_not_fit(shape: list[int]) -> None:
    with pytest.raises(Error, match=r"layer: the elements of \(2, 4\) do not fit \(2,"):
        call(nn.Reshape(shape))


def test_axes_that_do_not_fit() -> None:
    with pytest.raises(Error, match=r"layer: \(2, 4\) has another number of axes"):
        call(nn.Permute([2, 1]))
    for axes in ([1, 1], [2], [1, 3]):
        with pytest.raises(Error, match="is no order of 1, 2"):
            nn.Permute(axes)
