"""Looking up by arrays of indices, and adding back into rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nettrain as nt
from nettrain.errors import Error
from nettrain.execute import Definition, State, executor
from nettrain.execute.reference import evaluate
from nettrain.graph import constant, gradients, leaf, scope, variables
from nettrain.graph import operations as ops

RNG = np.random.default_rng(0)


def run(name: str, node: Any, feed: dict[Any, np.ndarray]) -> np.ndarray:
    program = executor(name).program(Definition({"y": node}), State({}))
    return np.array(program(feed).outputs["y"])


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("shape", [(), (4,), (2, 3), (0,)])
def test_take_is_numpy_s(axis: int, shape: tuple[int, ...]) -> None:
    x = variables("x", shape=(3, 4, 5))
    value = RNG.normal(size=x.shape)
    indices = RNG.integers(0, x.shape[axis], shape)
    y = ops.take(x, indices, axis)
    expected = np.take(value, indices, axis)
    assert y.shape == expected.shape
    for name in ("reference", "numpy"):
        np.testing.assert_array_equal(run(name, y, {x: value}), expected)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("shape", [(), (7,), (2, 3), (0,)])
def test_scatter_add_is_numpy_s_add_at(axis: int, shape: tuple[int, ...]) -> None:
    outer, inner = (3, 4)[: axis % 3], (4, 5)[axis % 3 :]
    x = variables("x", shape=(*outer, *shape, *inner))
    value, indices = RNG.normal(size=x.shape), RNG.integers(0, 6, shape)
    y = ops.scatter_add(x, indices, 6, axis)
    expected = np.zeros((*outer, 6, *inner))
    at = (*(slice(None),) * len(outer), indices)
    np.add.at(expected, at, value)
    assert y.shape == expected.shape
    for name in ("reference", "numpy"):
        np.testing.assert_allclose(run(name, y, {x: value}), expected, rtol=1e-14)


def test_indices_that_are_a_turned_view() -> None:
    """The plan must not copy them while it is made."""
    x, i = leaf("input", "x", (4, 3), "float64"), leaf("input", "i", (2, 3), "int64")
    turned = ops.transpose(i * 1)
    rows = ops.take(x, turned)
    y = ops.scatter_add(rows * rows, turned, 4)
    for _ in range(2):
        feed = {x: RNG.normal(size=(4, 3)), i: RNG.integers(0, 4, (2, 3))}
        np.testing.assert_array_equal(run("numpy", y, feed), run("reference", y, feed))


def test_each_is_the_other_s_gradient() -> None:
    x = variables("x", shape=(4, 2))
    indices = np.array([[3, 1], [3, 3]])
    y = ops.take(x, indices)
    (g,) = gradients(ops.sum(y * constant(np.arange(8.0).reshape(2, 2, 2))), [x])
    found = evaluate([g], {x: np.zeros((4, 2))})[g]
    # Rows 0 and 2 are never asked for; row 3 gets weights 0, 2 and 3.
    np.testing.assert_array_equal(found, [[0, 0], [2, 3], [0, 0], [10, 13]])
    nt.check_gradients(
        lambda a: ops.square(ops.take(a, indices)), RNG.normal(size=(4, 2))
    )
    nt.check_gradients(
        lambda a: ops.square(ops.scatter_add(a, indices, 5)), RNG.normal(size=(2, 2, 3))
    )


@pytest.mark.parametrize("name", ["reference", "numpy"])
@pytest.mark.parametrize("wrong", [4, -1, 2**40])
def test_an_index_outside_is_an_error(name: str, wrong: int) -> None:
    x, i = leaf("input", "x", (4, 3), "float64"), leaf("input", "i", (2, 2), "int64")
    with scope("model/embedding1", "a.yaml:7"):
        rows = ops.take(x, i)
        sums = ops.scatter_add(ops.broadcast_to(x[:2, None], (2, 2, 3)), i, 4)
    feed = {x: np.ones((4, 3)), i: np.array([[0, 3], [wrong, 1]])}
    for node in (rows, sums):
        with pytest.raises(Error) as caught:
            run(name, node, feed)
        assert caught.value.code == "graph-index"
        assert caught.value.message == (
            "model/embedding1 (made at a.yaml:7): "
            f"index {wrong} is outside an axis of size 4"
        )
    fine = {**feed, i: np.zeros((2, 2))}
    assert run(name, rows, fine).shape == (2, 2, 3)


def test_misfits() -> None:
    x, i = variables("x", shape=(4, 3)), variables("i", shape=(2,), dtype="int64")
    with pytest.raises(Error, match="takes indices that are integers, got float64"):
        ops.take(x, variables("f", shape=(2,)))
    with pytest.raises(Error, match="axis 2 is outside an array of 2 axes"):
        ops.take(x, i, axis=2)
    with pytest.raises(Error, match=r"\(2,\) do not fit rows of shape \(4, 3\)"):
        ops.scatter_add(x, i, 4)
    for size in (-1, 2.5):
        with pytest.raises(Error, match=f"{size} is no size of an axis"):
            ops.scatter_add(x, i, size)  # type: ignore[arg-type]
    with pytest.raises(Error, match="takes floats, got int64"):
        ops.scatter_add(i, i, 4)
