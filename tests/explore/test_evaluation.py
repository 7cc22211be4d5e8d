"""Values and gradients of every node, and their JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest

import nettrain as nt
from nettrain.errors import Error
from nettrain.explore import evaluate
from nettrain.graph import Node
from nettrain.graph import operations as ops


def test_the_article() -> None:
    x, y, z = nt.variables("x y z")
    q = (x + y).named("q")
    f = (q * z).named("f")
    e = nt.evaluate(f, {x: 2.0, y: 3.0, z: -4.0})
    assert (e.value[q], e.value[f]) == (5.0, -20.0)
    gradients = [e.gradient[n] for n in (x, y, z, q, f)]
    assert gradients == [-4.0, -4.0, 5.0, -4.0, 1.0]
    assert all(type(g) is float for g in gradients)


def test_json_of_the_article() -> None:
    x, y, z = nt.variables("x y z")
    f = ((x + y) * z).named("f")
    found = evaluate(f, {x: 2, y: 3, z: -4}).to_json()
    rows = {
        name: (row["op"], row["value"], row["gradient"], row["shape"], row["inputs"])
        for name, row in found["nodes"].items()
    }
    assert rows == {
        "x": ("variable", 2.0, -4.0, [], []),
        "y": ("variable", 3.0, -4.0, [], []),
        "x + y": ("add", 5.0, -4.0, [], ["x", "y"]),
        "z": ("variable", -4.0, 5.0, [], []),
        "f": ("multiply", -20.0, 1.0, [], ["x + y", "z"]),
    }
    json.dumps(found, allow_nan=False)


def test_arrays_in_json_are_summed_up() -> None:
    x = nt.variables("x", shape=(2,))
    nodes = evaluate(nt.sum(x * x), {x: [3.0, -4.0]}).to_json()["nodes"]
    assert nodes["x"]["value"] == {"rms": pytest.approx(12.5**0.5), "min": -4, "max": 3}
    assert nodes["x"]["gradient"]["max"] == 6.0
    assert nodes["x"]["shape"] == [2]


def test_json_says_numbers_of_truth_values_and_unreached_arrays() -> None:
    x, y = nt.variables("x y", shape=(2,))
    found = evaluate(nt.where(y > 0.0, x, 0.0), {x: [1, 2], y: [3, -4]}).to_json()
    assert found["nodes"]["y"]["gradient"] == 0.0
    assert found["nodes"]["y > 0"]["value"] == {
        "rms": pytest.approx(0.5**0.5),
        "min": 0,
        "max": 1,
    }
    json.dumps(found, allow_nan=False)


def test_names_are_unique() -> None:
    x, y = nt.variables("x y")
    nodes = evaluate((x + y) * (x + y), {x: 1, y: 2}).to_json()["nodes"]
    assert list(nodes) == ["x", "y", "x + y", "x + y #2", "(x + y) * (x + y)"]
    assert nodes["(x + y) * (x + y)"]["inputs"] == ["x + y", "x + y #2"]


def test_no_scalar_is_seeded_with_ones() -> None:
    x = nt.variables("x", shape=(3,))
    y = nt.square(x)
    e = evaluate(y, {x: [1.0, 2.0, 3.0]})
    np.testing.assert_array_equal(e.gradient[x], [2, 4, 6])
    np.testing.assert_array_equal(e.gradient[y], [1, 1, 1])


def test_leaves_that_no_gradient_reaches_have_zero() -> None:
    x, cut, unused = nt.variables("x cut unused", shape=(2,))
    e = evaluate(x * ops.stop_gradient(cut), {x: [1, 2], cut: [3, 4], unused: [5, 6]})
    for leaf in (cut, unused):
        np.testing.assert_array_equal(e.gradient[leaf], [0, 0])
    np.testing.assert_array_equal(e.value[unused], [5, 6])


def test_a_truth_value_has_no_gradient() -> None:
    x = nt.variables("x")
    e = evaluate(x > 1.0, {x: 2})
    assert e.value[e.output] is True
    assert e.gradient[x] == 0


def test_parameters_bring_their_first_value() -> None:
    x = nt.variables("x")
    w = nt.parameter("w", 2.0)
    assert evaluate(w * x, {x: 3}).gradient[x] == 2.0
    assert evaluate(w * x, {x: 3, w: 5}).gradient[x] == 5.0


def test_given_arrays_are_copied() -> None:
    x = nt.variables("x", shape=(2,))
    given = np.ones(2)
    e = evaluate(x, {x: given})
    given[:] = 7
    np.testing.assert_array_equal(e.value[x], [1, 1])
    w = nt.parameter("w", [1.0, 2.0])
    evaluate(w, {}).value[w][:] = 7
    np.testing.assert_array_equal(evaluate(w, {}).value[w], [1, 2])


def test_a_long_chain() -> None:
    x = nt.variables("x")
    y = x
    for _ in range(20_000):
        y = -y
    e = evaluate(y, {x: 3})
    assert e.gradient[x] == 1.0
    assert len(e.to_json()["nodes"]) == 20_001


def test_missing_values_are_named_at_once() -> None:
    x, y, z = nt.variables("x y z")
    with pytest.raises(Error, match="x, z") as raised:
        evaluate(x * y * z, {y: 1})
    assert raised.value.code == "graph-no-value"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ([1.0, 2.0], "graph-shape"),
        ("two", "graph-operand"),
        (None, "graph-operand"),
        ([[1], [1, 2]], "graph-operand"),
    ],
)
def test_values_that_do_not_fit(value: object, code: str) -> None:
    x = nt.variables("x")
    with pytest.raises(Error) as raised:
        evaluate(nt.exp(x), {x: value})
    assert raised.value.code == code


@pytest.mark.parametrize("value", [1.5, -1, float("nan")])
def test_integers_are_not_rounded(value: float) -> None:
    x = nt.variables("x", dtype="uint32")
    with pytest.raises(Error) as raised:
        evaluate(ops.cast(x, "float32"), {x: value})
    assert raised.value.code == "graph-dtype"


def test_only_leaves_take_values() -> None:
    x = nt.variables("x")
    q = x + 1.0
    for key in (q, "x"):
        with pytest.raises(Error, match="no leaf"):
            evaluate(q, {key: 1.0})  # type: ignore[dict-item]


def test_asking_for_a_foreign_node() -> None:
    x = nt.variables("x")
    e = evaluate(x + 1.0, {x: 1})
    other: Node = x.named("x")
    with pytest.raises(Error, match="no node of this graph"):
        e.value[other]
