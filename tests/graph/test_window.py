"""Windows: what they hold, what fits, and that folding is the adjoint of unfolding.

Values, derivatives and executors are tested on samples in test_operations.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nettrain.errors import Error
from nettrain.execute import Definition, kernels
from nettrain.execute.namespace import NUMPY
from nettrain.execute.plan import Numpy
from nettrain.execute.reference import Reference
from nettrain.graph import Node, gradients, leaf, topological, variables
from nettrain.graph import operations as ops
from nettrain.graph.operations.window import positions

drawn = settings(max_examples=60, deadline=None, derandomize=True)


@st.composite
def windows(draw: Any) -> tuple[tuple[int, ...], tuple[Any, ...]]:
    """A shape and axes, sizes, steps, dilations that fit it."""
    rank = draw(st.integers(1, 3))
    some = st.lists(st.sampled_from(range(rank)), min_size=1, unique=True)
    axes = tuple(sorted(draw(some)))
    numbers = [tuple(draw(st.integers(1, most)) for _ in axes) for most in (3, 3, 2)]
    shape = [draw(st.integers(1, 3)) for _ in range(rank)]
    for axis, size, dilation in zip(axes, numbers[0], numbers[2], strict=True):
        shape[axis] = (size - 1) * dilation + 1 + draw(st.integers(0, 5))
    return tuple(shape), (axes, *numbers)


@drawn
@given(windows())
def test_every_element_of_every_window(
    made: tuple[tuple[int, ...], tuple[Any, ...]],
) -> None:
    shape, (axes, sizes, steps, dilations) = made
    x = np.arange(float(np.prod(shape))).reshape(shape)
    y = NUMPY.unfold(x, axes, sizes, steps, dilations)
    assert y.shape == ops.unfold(variables("x", shape), *made[1]).shape
    assert np.shares_memory(x, y)
    for at in np.ndindex(y.shape):
        where = list(at[: len(shape)])
        for i, (axis, step, dilation) in enumerate(
            zip(axes, steps, dilations, strict=True)
        ):
            where[axis] = where[axis] * step + at[len(shape) + i] * dilation
        assert y[at] == x[tuple(where)]


@drawn
@given(windows(), st.permutations(range(3)))
def test_folding_is_the_adjoint_in_any_order_of_axes(
    made: tuple[tuple[int, ...], tuple[Any, ...]], order: list[int]
) -> None:
    """Σ fold(y) x = Σ y unfold(x), where y has its axes in any order in memory."""
    shape, (axes, sizes, steps, dilations) = made
    rng = np.random.default_rng(0)
    x = rng.integers(-9, 9, shape).astype(float)
    unfolded = NUMPY.unfold(x, axes, sizes, steps, dilations)
    y = rng.integers(-9, 9, unfolded.shape).astype(float)
    turn = [*[i for i in order if i < len(shape)], *range(len(shape), y.ndim)]
    lengths = tuple(shape[axis] for axis in axes)
    given_ = leaf("input", "y", tuple(y.shape[i] for i in turn), "float64")
    # Not a view of the input: a buffer with the given order of axes.
    turned = ops.permute_dims(ops.negative(given_), tuple(np.argsort(turn)))
    folded = ops.fold(turned, axes, lengths, steps, dilations)
    feed = {given_: -y.transpose(turn)}
    definition = Definition({"x": folded, "twice": folded + folded})
    (ours, reference) = (
        run.program(definition, run.allocate(definition, {}))(feed).outputs
        for run in (Numpy(poison=True), Reference())
    )
    assert np.sum(reference["x"] * x) == np.sum(y * unfolded)
    for name, value in reference.items():
        np.testing.assert_array_equal(ours[name], value)


@pytest.mark.parametrize(
    ("length", "size", "step", "dilation", "count"),
    [
        (5, 2, 1, 1, 4),
        (5, 2, 3, 1, 2),
        (5, 3, 1, 2, 1),
        (4, 3, 1, 2, 0),
        (0, 1, 1, 1, 0),
    ],
)
def test_positions(
    length: int, size: int, step: int, dilation: int, count: int
) -> None:
    assert positions(length, size, step, dilation) == count
    starts = range(0, length, step)
    fitting = [s for s in starts if s + (size - 1) * dilation < length]
    assert len(fitting) == count


X = variables("x", shape=(2, 6))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ops.unfold(X, 1, (4,), (1,), (2,)), "over 7 elements does not fit"),
        (lambda: ops.unfold(X, 1, (0,)), "need a positive number"),
        (lambda: ops.unfold(X, 1, (2,), (0,)), "need a positive number"),
        (lambda: ops.unfold(X, (0, 1), (2,)), "need a positive number of each kind"),
        (lambda: ops.unfold(X, (1, 0), (2, 2)), "not in ascending order"),
        (lambda: ops.unfold(X, 2, (2,)), "axis 2 is outside"),
        (lambda: ops.fold(X, 0, (6,)), "2 windows along axis 0"),
        (lambda: ops.fold(X, 1, (6,)), "axis 1 is outside"),
        (lambda: ops.unfold(variables("b", (3,), "bool"), 0, (2,)), "takes numbers"),
    ],
)  # fmt: skip
def test_what_does_not_fit(make: Any, message: str) -> None:
    with pytest.raises(Error, match=message) as caught:
        make()
    assert caught.value.code.startswith("graph-")


def test_a_negative_axis_counts_from_the_end_of_the_positions() -> None:
    windows = ops.unfold(X, -1, (3,), (2,))
    assert windows.shape == (2, 2, 3)
    assert ops.fold(windows, -1, (6,), (2,)).shape == X.shape


# ---------------------------------------------------------------- in place


def changed(windows: Node) -> dict[str, Node]:
    """Uses of windows after which an executor may want to write over them."""
    return {
        "exp": ops.exp(windows),
        "relu": ops.relu(windows - 1.0),
        "sum": ops.sum(windows, (-2, -1)),
        "max": ops.max(windows, (2, 3)),
        "both": windows * ops.negative(windows),
    }


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("step", [1, 2, 3])
@pytest.mark.parametrize("turned", [False, True])
def test_nothing_is_written_through_overlapping_windows(
    size: int, step: int, turned: bool
) -> None:
    """Each use alone, so that the windows die there, and all of them together."""
    given_ = leaf("input", "x", (6, 7), "float64")
    x = ops.exp(ops.transpose(given_) if turned else given_)
    uses = changed(ops.unfold(x, (0, 1), (size, size), (step, step)))
    feed = {given_: np.random.default_rng(0).normal(size=(6, 7))}
    cases = [{name: node} for name, node in uses.items()]
    for outputs in [*cases, uses, {**uses, "x": x * 2.0}]:
        definition = Definition(outputs)
        runs = [
            run.program(definition, run.allocate(definition, {}))
            for run in (Numpy(poison=True), Reference())
        ]
        for _ in range(2):
            ours, reference = (program(feed).outputs for program in runs)
            for name, value in reference.items():
                np.testing.assert_allclose(ours[name], value, rtol=1e-14)


def test_a_state_is_not_replaced_under_its_own_windows() -> None:
    w = leaf("parameter", "w", (6,), "float64")
    total = ops.sum(ops.unfold(w, 0, (3,)), 1)
    new = w + ops.pad(total, (1,), (1,))
    start = {"w": np.arange(6.0)}
    definition = Definition({"windows": total}, {w: new})
    states = []
    for run in (Numpy(poison=True), Reference()):
        state = run.allocate(definition, start)
        program = run.program(definition, state)
        for _ in range(3):
            program({})
        states.append(state["w"].copy())
    np.testing.assert_array_equal(*states)


# ---------------------------------------------------------------- extremes of windows


def test_ties_within_windows_share_the_gradient(evaluate: Any) -> None:
    x = variables("x", shape=(1, 4))
    top = ops.max(ops.unfold(x, 1, (2,), (1,)), 2)
    (g,) = gradients(ops.sum(top), [x])
    (value,) = evaluate([g], {x: np.array([[3.0, 3.0, 1.0, 1.0]])})
    np.testing.assert_array_equal(value, [[0.5, 1.5, 0.5, 0.5]])


def test_no_gradient_of_the_input_is_planned() -> None:
    """What nobody asks for is not computed: the first layer folds nothing back."""
    x = leaf("input", "x", (2, 8), "float64")
    w = leaf("parameter", "w", (3, 1), "float64")
    cost = ops.sum(ops.square(ops.unfold(x, 1, (3,)) @ w))
    (found,) = gradients(cost, [w])
    assert "fold" not in {n.op.name for n in topological([found])}


@pytest.mark.parametrize("shape", [(0, 4), (3, 5)])
def test_batches_without_examples(shape: tuple[int, int]) -> None:
    x = leaf("input", "x", shape, "float64")
    windows = ops.unfold(x, 1, (2,), (2,))
    back = ops.fold(ops.exp(windows), 1, (shape[1],), (2,))
    definition = Definition({"y": back})
    feed = {x: np.ones(shape)}
    for run in (Numpy(poison=True), Reference()):
        result = run.program(definition, run.allocate(definition, {}))(feed)
        expected = np.zeros(shape)
        expected[:, : shape[1] // 2 * 2] = np.e
        np.testing.assert_allclose(result.outputs["y"], expected)


@pytest.mark.parametrize(
    ("shape", "axis"), [((4, 4, 3), 0), ((4, 4, 3), 1), ((1, 5, 4, 3), 2)]
)
def test_large_folds_are_done_in_pieces(
    shape: tuple[int, ...], axis: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same sums, whatever the size of the pieces; fewer calls for one piece."""
    y = leaf("input", "y", shape, "float32")
    x = ops.fold(ops.negative(y), axis, (6,))
    feed = {y: np.random.default_rng(0).normal(size=y.shape)}
    definition = Definition({"x": x})
    values, counts = [], []
    for block in (2**22, 100, 1):
        monkeypatch.setattr(kernels, "_BLOCK", block)
        run = Numpy(poison=True)
        program = run.program(definition, run.allocate(definition, {}))
        values.append(np.array(program(feed).outputs["x"]))
        counts.append(len(program._measure))
    assert (counts[0] < counts[1] < counts[2]) == (axis > 0)
    for one, other in itertools.pairwise(values):
        np.testing.assert_array_equal(one, other)


# ---------------------------------------------------------------- layouts


def in_memory(array: np.ndarray) -> list[int]:
    """The axes, from the outermost in memory to the innermost."""
    return sorted(range(array.ndim), key=lambda axis: -array.strides[axis])


def outputs_of(outputs: dict[str, Node], feed: dict[Node, Any]) -> Any:
    """What NumPy gives, in the very buffers, after a look at what is right."""
    definition = Definition(outputs)
    ours, reference = (
        run.program(definition, run.allocate(definition, {}))(feed).outputs
        for run in (Numpy(poison=True), Reference())
    )
    for name, value in reference.items():
        np.testing.assert_array_equal(ours[name], value)
        np.testing.assert_array_equal(np.signbit(ours[name]), np.signbit(value))
    return ours


def test_results_lie_as_their_windows_do() -> None:
    """(N, C, H, W) with channels last in memory stays so, forward and backward."""
    rng = np.random.default_rng(0)
    rows = leaf("input", "x", (2, 6, 8, 5), "float32")
    g = leaf("input", "g", (2, 5, 3, 4), "float32")
    x = ops.permute_dims(ops.negative(rows), (0, 3, 1, 2))
    top = ops.max(ops.unfold(x, (2, 3), (2, 2), (2, 2)), (4, 5))
    (back,) = gradients(top, [x], g)
    feed = {n: rng.integers(-1, 2, n.shape) for n in (rows, g)}
    found = outputs_of({"top": top, "back": back}, feed)
    assert in_memory(found["top"]) == in_memory(found["back"]) == [0, 2, 3, 1]


@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 2), (1, 2), (0, 1, 2)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_the_largest_along_any_axes_in_any_order(
    axes: tuple[int, ...], keepdims: bool
) -> None:
    """Where axes are the last ones, the elements of windows are taken in turn."""
    x = leaf("input", "x", (4, 3, 5), "float64")
    plain = ops.negative(x)
    outputs = {
        f"{order}": ops.max(ops.permute_dims(plain, order), axes, keepdims)
        for order in itertools.permutations(range(3))
    }
    outputs_of(outputs, {x: np.random.default_rng(0).normal(size=x.shape)})


def test_an_operand_that_is_repeated_gives_way_to_the_others() -> None:
    rng = np.random.default_rng(0)
    x = leaf("input", "x", (3, 4, 5), "float64")
    w = leaf("input", "w", (1, 4, 3), "float64")
    row = leaf("input", "row", (4, 1), "float64")
    turned = ops.permute_dims(ops.negative(x), (2, 1, 0))
    wide = ops.broadcast_to(w, turned.shape)
    outputs = {
        "small": w * turned,
        "spread": wide - turned,
        "row": turned / row,
        "number": turned + ops.sum(w),
        "neither": w + ops.exp(turned[:, :1]),
    }
    feed = {n: rng.normal(size=n.shape) for n in (x, w, row)}
    found = outputs_of(outputs, feed)
    for name in ("small", "spread", "row", "number"):
        assert in_memory(found[name]) == [2, 1, 0], name


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products_of_one_term_are_sums_that_begin_with_0(dtype: str) -> None:
    a = leaf("input", "a", (2, 3, 1), dtype)
    b = leaf("input", "b", (1, 4), dtype)
    feed = {a: [[[-1], [0], [1]], [[-2], [0], [3]]], b: [[0, -3, 2, 7]]}
    apart = ops.negative(a) @ ops.transpose(ops.negative(ops.transpose(b)))
    outputs = {"stack": ops.matmul(a, b), "apart": apart, "one": a[0] @ b}
    # Several terms, so that only the kernel of one is at work above.
    outputs["two"] = ops.matmul(ops.concat([a, a], 2), ops.concat([b, -b], 0))
    outputs_of(outputs, {n: np.asarray(v, dtype) for n, v in feed.items()})
