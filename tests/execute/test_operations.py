"""Every executor agrees with the reference on every sample of every operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nettrain.execute import Definition
from nettrain.execute.kernels import KERNELS, may_overwrite
from nettrain.graph import Node, leaf
from nettrain.graph import operations as ops
from nettrain.graph.node import apply
from nettrain.selftest.programs import Case, cases

every_sample = pytest.mark.parametrize(
    "case", [pytest.param(case, id=case.name) for case in cases()]
)


@every_sample
def test_values_and_gradients_have_the_same_bits(
    case: Case, check: Callable[..., Any]
) -> None:
    definition, feed = case.definition()
    before = {x: value.copy() for x, value in feed.items()}
    check(definition, {}, [feed, feed], case.tolerance)
    for x, value in feed.items():
        np.testing.assert_array_equal(value, before[x])


@every_sample
def test_dying_operands_are_replaced_rightly(
    case: Case, check: Callable[..., Any]
) -> None:
    """Operands that are buffers, used by nobody else, in C order and transposed."""
    y, feed = case.made()
    plain = [_changed(x) for x in feed]
    turned = [_turned(_changed(_turned(x))) for x in feed]
    outputs = {"plain": apply(y.op, *plain), "turned": apply(y.op, *turned)}
    rtol = max({"float32": 1e-6, "float64": 1e-12}[case.dtype], case.tolerance)
    check(Definition(outputs), {}, [feed, feed], rtol)


def _changed(x: Node) -> Node:
    """Something computed from x, in a buffer of its own."""
    return ops.logical_not(x) if x.dtype == "bool" else ops.square(x)


def _turned(x: Node) -> Node:
    return ops.permute_dims(x, tuple(reversed(range(len(x.shape)))))


def test_every_operation_with_a_kernel_has_samples() -> None:
    assert {cls for cls in KERNELS if not cls.samples} == set()


def test_operations_that_look_at_neighbours_never_write_over_an_operand() -> None:
    x = leaf("input", "x", (3, 3), "float64")
    looking = [x @ x, ops.sum(x, 0), ops.max(x, 0), ops.logsumexp(x, 0)]
    looking += [
        ops.concat([x, x]),
        ops.pad(x, (1, 1), (1, 1)),
        ops.where(x > 0.0, x, x),
    ]
    assert not any(may_overwrite(node.op) for node in looking)


def test_where_takes_the_old_values_though_an_operand_dies(
    check: Callable[..., Any],
) -> None:
    x = leaf("input", "x", (4,), "float64")
    chosen = ops.where(x > 0.0, ops.exp(x), ops.negative(x))
    feed = {x: np.array([-1.0, 2.0, -3.0, 4.0])}
    check(Definition({"y": chosen}), {}, [feed])


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_arrays_without_elements(
    shape: tuple[int, int], check: Callable[..., Any]
) -> None:
    x = leaf("input", "x", shape, "float64")
    y = ops.exp(ops.transpose(x)) * 2.0
    outputs = {
        "sum": ops.sum(y, axis=0),
        "squares": ops.sum_of_squares(y, x),
        "product": x @ y,
        "concat": ops.concat([y, y]),
        "logs": ops.log(ops.sum(ops.exp(x))),
    }
    check(Definition(outputs), {}, [{x: np.zeros(shape)}])


def test_numbers_without_axes(check: Callable[..., Any]) -> None:
    x = leaf("input", "x", (), "float32")
    y = ops.sigmoid(ops.softplus(ops.relu(x) * x) + 1.0)
    outputs = {
        "y": ops.exp(y) - y,
        "sum": ops.sum(y),
        "squares": ops.sum_of_squares(y, ops.sqrt(y)),
        "wide": ops.cast(y, "float64") / 3.0,
    }
    check(Definition(outputs), {}, [{x: np.float32(1.5)}, {x: np.float32(-0.5)}])


def test_squares_of_operands_in_any_order_of_axes_and_dtype(
    check: Callable[..., Any],
) -> None:
    x = leaf("input", "x", (3, 4), "float64")
    z = leaf("input", "z", (5,), "float32")
    y = ops.exp(x)
    outputs = {
        "turned": ops.sum_of_squares(ops.transpose(y), x, y[:, 1:3]),
        "mixed": ops.sum_of_squares(z, x, ops.square(z)),
        "one": ops.sum_of_squares(y[::2]),
    }
    rng = np.random.default_rng(0)
    feeds = [{x: rng.random((3, 4)), z: rng.random(5)} for _ in range(2)]
    check(Definition(outputs), {}, feeds)


def test_a_sum_has_the_same_bits_in_every_order_of_axes(
    run: Callable[..., Any],
) -> None:
    """An output is in C order when it is handed over by a copy; here it is turned."""
    from nettrain.execute.plan import Numpy

    x = leaf("input", "x", (37, 53), "float32")
    plain = ops.exp(x)
    turned = ops.transpose(ops.exp(ops.transpose(x)))
    outputs = {
        f"{name}{axis}": ops.sum(node, axis=axis)
        for name, node in (("plain", plain), ("turned", turned))
        for axis in (None, 0, 1)
    }
    feed = {x: np.random.default_rng(0).standard_normal((37, 53))}
    (got,) = run(Numpy(), Definition(outputs), {}, [feed])
    for axis in (None, 0, 1):
        np.testing.assert_array_equal(
            got.outputs[f"plain{axis}"], got.outputs[f"turned{axis}"]
        )


def test_the_squares_of_many_arrays_are_added_from_left_to_right(
    check: Callable[..., Any],
) -> None:
    x = leaf("input", "x", (40, 7), "float32")
    y = ops.exp(x)
    rng = np.random.default_rng(0)
    feeds = [{x: rng.standard_normal((40, 7))} for _ in range(9)]
    check(Definition({"y": ops.sum_of_squares(*y)}), {}, feeds)


def test_logsumexp_of_infinities(check: Callable[..., Any]) -> None:
    x = leaf("input", "x", (3, 2), "float64")
    rows = [[-np.inf, -np.inf], [-np.inf, 3.0], [1e300, 1e300]]
    (got,) = check(
        Definition({"y": ops.logsumexp(x, axis=1)}), {}, [{x: np.array(rows)}]
    )
    np.testing.assert_array_equal(got.outputs["y"], [-np.inf, 3.0, 1e300])
