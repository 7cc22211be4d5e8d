"""Operations that move, reduce or multiply, against NumPy on many shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, basic_indices

from nettrain.errors import Error
from nettrain.graph import Node, gradients, variables
from nettrain.graph import operations as ops


def numbers(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape)


def check(evaluate: Any, node: Node, x: Node, expected: np.ndarray) -> None:
    value = numbers(x.shape)
    (made,) = evaluate([node], {x: value})
    assert node.shape == made.shape == expected.shape
    np.testing.assert_allclose(made, expected, atol=1e-14)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_indexing_is_numpys(evaluate: Any, data: st.DataObject) -> None:
    shape = data.draw(array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    index = data.draw(basic_indices(shape, allow_newaxis=True))
    parts = index if isinstance(index, tuple) else (index,)
    x = variables("x", shape)
    if any(isinstance(i, slice) and (i.step or 1) < 1 for i in parts):
        with pytest.raises(Error, match="is no index"):
            x[index]
        return
    y, value = x[index], numbers(shape)
    check(evaluate, y, x, np.asarray(value[index]))
    weights = np.random.default_rng(1).normal(size=y.shape)
    (g,) = evaluate(gradients(ops.sum(y * weights), [x]), {x: value})
    expected = np.zeros(shape)
    expected[index] = weights
    np.testing.assert_array_equal(g, expected)


@pytest.mark.parametrize(
    "index",
    [3, -4, (0, 0, 0), slice(None, None, -1), slice(None, None, 0), True, 1.0, "a"],
)
def test_bad_indices_name_the_array(index: Any) -> None:
    x = variables("x", (3, 4))
    with pytest.raises(Error, match="<x: float64") as caught:
        x[index]
    assert caught.value.code == "graph-index"


@pytest.mark.parametrize("index", [np.array([0, 1]), [0, 1], (..., ...), 0.5])
def test_arrays_and_lists_are_no_indices(index: Any) -> None:
    with pytest.raises(Error) as caught:
        variables("x", (3,))[index]
    assert caught.value.code == "graph-index"


def test_numpy_integers_are_indices() -> None:
    x = variables("x", (3, 4))
    assert x[np.int64(1)].shape == (4,)
    assert x[np.int64(0) : np.int64(2)].shape == (2, 4)


REDUCTIONS = {
    "sum": np.sum,
    "mean": np.mean,
    "max": np.max,
    "min": np.min,
    "var": np.var,
    "logsumexp": lambda x, axis, keepdims: np.log(
        np.sum(np.exp(x), axis=axis, keepdims=keepdims)
    ),
}


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(sorted(REDUCTIONS)), st.data())
def test_reductions_are_numpys(evaluate: Any, name: str, data: st.DataObject) -> None:
    shape = data.draw(array_shapes(min_dims=1, max_dims=3, max_side=3))
    axes = st.sets(st.integers(-len(shape), -1), min_size=1).map(tuple)
    axis = data.draw(st.none() | st.integers(-len(shape), len(shape) - 1) | axes)
    keepdims = data.draw(st.booleans())
    x = variables("x", shape)
    y = getattr(ops, name)(x, axis=axis, keepdims=keepdims)
    expected = REDUCTIONS[name](numbers(shape), axis=axis, keepdims=keepdims)
    check(evaluate, y, x, np.asarray(expected))


def test_no_elements_have_a_sum_only(evaluate: Any) -> None:
    x = variables("x", (0, 3))
    check(evaluate, ops.sum(x), x, np.zeros(()))
    for function in (ops.max, ops.min, ops.mean, ops.logsumexp, ops.summary):
        with pytest.raises(Error, match="of no elements") as caught:
            function(x)
        assert caught.value.code == "graph-shape"
    assert ops.max(x, axis=1).shape == (0,)


def test_logsumexp_does_not_overflow(evaluate: Any) -> None:
    x = variables("x", (2, 2))
    y = ops.logsumexp(x, axis=1)
    value = np.array([[1000.0, 1000.0], [-1000.0, -1000.0]])
    made, g = evaluate([y, *gradients(ops.sum(y), [x])], {x: value})
    np.testing.assert_allclose(made, np.array([1000, -1000]) + np.log(2))
    np.testing.assert_allclose(g, np.full((2, 2), 0.5))


def test_functions_do_not_overflow(evaluate: Any) -> None:
    x = variables("x", (2,))
    (value,) = evaluate([ops.softplus(x)], {x: np.array([1000.0, -1000.0])})
    np.testing.assert_array_equal(value, [1000.0, 0.0])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_matmul_is_numpys(evaluate: Any, data: st.DataObject) -> None:
    sizes = st.integers(0, 3)
    m, k, n = (data.draw(sizes) for _ in range(3))
    stacks = st.sampled_from([(), (2,), (1,), (3, 1), (3, 2)])
    a_shape = data.draw(st.just((k,)) | stacks.map(lambda s: (*s, m, k)))
    b_shape = data.draw(st.just((k,)) | stacks.map(lambda s: (*s, k, n)))
    a, b = variables("a", a_shape), variables("b", b_shape)
    values = {a: numbers(a_shape), b: numbers(b_shape)}
    expected = np.matmul(values[a], values[b])
    y = a @ b
    (made,) = evaluate([y], values)
    assert y.shape == made.shape == expected.shape
    np.testing.assert_allclose(made, expected, atol=1e-12)
    found = evaluate(gradients(ops.sum(y), [a, b]), values)
    assert [g.shape for g in found] == [a_shape, b_shape]


@pytest.mark.parametrize(
    ("first", "second"),
    [((2, 3), (4, 2)), ((5, 2, 3), (4, 2)), ((3,), (4,)), ((2, 3), (4,))],
)
def test_matrices_that_do_not_fit(first: Any, second: Any) -> None:
    with pytest.raises(Error, match=r"matmul\(.*matrices .* do not fit") as caught:
        variables("a", first) @ variables("b", second)
    assert caught.value.code == "graph-shape"
    assert str(first)[1:-1].rstrip(",") in caught.value.message
    assert str(second)[1:-1].rstrip(",") in caught.value.message


def test_other_misfits_of_matmul() -> None:
    a, b = variables("a", (2, 3, 4)), variables("b", (5, 4, 2))
    with pytest.raises(Error, match=r"matmul\(<a: .*<b: .*do not broadcast"):
        a @ b
    with pytest.raises(Error, match="a scalar is no matrix"):
        a @ 2.0
    n = variables("n", (4, 4), "int64")
    with pytest.raises(Error, match=r"matmul\(.*takes floats, got int64"):
        n @ n


def test_a_stack_times_a_matrix_is_one_product() -> None:
    x, w = variables("x", (7, 5, 4)), variables("w", (4, 3))
    product = (x @ w).inputs[0]
    assert product.kind == "matmul"
    assert product.shape == (35, 3)


def test_shapes_change_as_numpy_says(evaluate: Any) -> None:
    x = variables("x", (2, 3, 1))
    value = numbers(x.shape)
    for node, expected in (
        (ops.reshape(x, (3, -1)), value.reshape(3, -1)),
        (ops.permute_dims(x, (2, 0, 1)), value.transpose(2, 0, 1)),
        (ops.permute_dims(x, (-1, 0, 1)), value.transpose(2, 0, 1)),
        (ops.transpose(x), value.swapaxes(-1, -2)),
        (ops.expand_dims(x, -1), value[..., None]),
        (ops.expand_dims(x, 1), value[:, None]),
        (ops.squeeze(x, -1), value[..., 0]),
        (ops.concat([x, x * 2.0], axis=-2), np.concatenate([value, value * 2], 1)),
        (ops.stack([x, x * 2.0], axis=1), np.stack([value, value * 2], 1)),
        (ops.stack([x, x], axis=-1), np.stack([value, value], -1)),
    ):
        check(evaluate, node, x, expected)


def test_what_changes_nothing_is_the_node_itself() -> None:
    x = variables("x", (2, 3))
    assert ops.reshape(x, (2, 3)) is x
    assert ops.reshape(x, (2, -1)) is x
    assert ops.permute_dims(x, (0, 1)) is x
    assert ops.broadcast_to(x, (2, 3)) is x
    assert ops.cast(x, "float64") is x
    assert x[:] is x
    assert x**1 is x


def test_padding_spreads_and_surrounds(evaluate: Any) -> None:
    x = variables("x", (2,))
    y = ops.pad(x, (1,), (2,), (1,))
    (value,) = evaluate([y], {x: np.array([5.0, 6.0])})
    np.testing.assert_array_equal(value, [0, 5, 0, 6, 0, 0])


@pytest.mark.parametrize(
    "make",
    [
        lambda x: ops.reshape(x, (4, 2)),
        lambda x: ops.reshape(x, (-1, 4)),
        lambda x: ops.reshape(x, (-2, -3)),
        lambda x: ops.permute_dims(x, (0, 0)),
        lambda x: ops.transpose(ops.sum(x)),
        lambda x: ops.expand_dims(x, 3),
        lambda x: ops.squeeze(x, 0),
        lambda x: ops.squeeze(x, 5),
        lambda x: ops.concat([x, ops.transpose(x)]),
        lambda x: ops.concat([x, ops.sum(x)]),
        lambda x: ops.concat([]),
        lambda x: ops.concat([x], axis=2),
        lambda x: ops.pad(x, (1,), (1,)),
        lambda x: ops.pad(x, (-1, 0), (0, 0)),
        lambda x: ops.pad(x, (1, 1, 1), (1,), (0, 0)),
    ],
)
def test_shapes_that_do_not_fit(make: Any) -> None:
    with pytest.raises(Error) as caught:
        make(variables("x", (2, 3)))
    assert caught.value.code in ("graph-shape", "graph-axis")


def test_the_sum_of_squares_of_many(evaluate: Any) -> None:
    a, b = variables("a", (2, 3)), variables("b", (4,), "float32")
    y = ops.sum_of_squares(a, b)
    values = {a: numbers((2, 3)), b: numbers((4,)).astype("float32")}
    expected = sum(float(np.sum(np.square(v.astype(float)))) for v in values.values())
    made, *found = evaluate([y, *gradients(y, [a, b])], values)
    assert made == pytest.approx(expected)
    for g, v in zip(found, values.values(), strict=True):
        np.testing.assert_array_equal(g, 2 * v)
        assert g.dtype == v.dtype


def test_summary_of_tiny_and_common_numbers(evaluate: Any) -> None:
    x = variables("x", (4,), "float32")
    y = ops.summary(x)
    assert (y.shape, y.dtype) == ((6,), "float64")
    for scale in (1.0, 1e-30):
        value = (np.array([0.0, 1.0, -3.0, 4.0]) * scale).astype("float32")
        (made,) = evaluate([y], {x: value})
        exact = value.astype(float) / scale
        expected = [exact.mean(), exact.std(), np.sqrt(np.mean(exact**2)), -3, 4]
        np.testing.assert_allclose(made[:5] / scale, expected, rtol=1e-6)
        assert made[5] == 0.25


def test_random_bits_depend_on_key_and_counter_alone(evaluate: Any) -> None:
    key, counter = variables("key", (2,), "uint32"), variables("n", (), "uint32")
    y = ops.random_bits(key, counter, (3, 5))
    first = {key: np.array([1, 2], "uint32"), counter: np.uint32(0)}
    values = [evaluate([y], first)[0] for _ in range(2)]
    other = evaluate([y], first | {counter: np.uint32(1)})[0]
    np.testing.assert_array_equal(*values)
    assert not np.any(values[0] == other)
    from nettrain.randomness import bits

    np.testing.assert_array_equal(values[0].ravel(), bits((1, 2), 0, 15))
    with pytest.raises(Error, match="takes a key uint32"):
        ops.random_bits(counter, counter, (3,))
