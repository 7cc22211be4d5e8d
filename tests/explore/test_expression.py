"""Expressions with numbers for their names."""

from __future__ import annotations

import numpy as np
import pytest

from nettrain.errors import Error
from nettrain.explore import expression, read_values


def ops_of(text: str, **at: float) -> dict[str, str]:
    nodes = expression(text, at).to_json()["nodes"]
    return {name: row["op"] for name, row in nodes.items()}


def test_the_article() -> None:
    nodes = expression("f = (x + y) * z", read_values("x=2,y=3,z=-4")).to_json()[
        "nodes"
    ]
    found = {name: (row["value"], row["gradient"]) for name, row in nodes.items()}
    assert found == {
        "x": (2, -4),
        "y": (3, -4),
        "x + y": (5, -4),
        "z": (-4, 5),
        "f": (-20, 1),
    }


def test_a_tanh_neuron() -> None:
    at = {"x1": 1, "x2": -2, "w1": 0.5, "w2": 0.25, "b": 0.1}
    e = expression("y = tanh(w1*x1 + w2*x2 + b)", at)
    rows = e.to_json()["nodes"]
    slope = 1 - np.tanh(0.1) ** 2
    assert rows["y"]["value"] == pytest.approx(np.tanh(0.1))
    assert rows["w2"]["gradient"] == pytest.approx(-2 * slope)
    assert {n for n, row in rows.items() if row["op"] == "parameter"} == {
        "w1",
        "w2",
        "b",
    }


def test_names_that_count_as_weights() -> None:
    assert ops_of("a * b", a=1, b=2)["b"] == "variable"
    assert ops_of("a * weight + bias", a=1, weight=2, bias=3)["bias"] == "parameter"
    chosen = expression("a * w", {"a": 1, "w": 2}, weights=["a"]).to_json()["nodes"]
    assert (chosen["a"]["op"], chosen["w"]["op"]) == ("parameter", "variable")


def test_lists() -> None:
    e = expression("f = sum(w * x)", read_values("x=[1, 2, 3], w=[1,0,-1]"))
    assert e.value[e.output] == -2.0


@pytest.mark.parametrize(
    ("text", "at", "said"),
    [
        ("f = x * y * z", {"y": 1}, "x, z"),
        ("f = x", {"x": 1, "xx": 2}, "xx"),
        ("f = x", {"x": "much"}, "much"),
        ("f = x", {"x": [1, [2]]}, "x"),
    ],
)
def test_values_that_are_refused(text: str, at: dict[str, object], said: str) -> None:
    with pytest.raises(Error, match=said) as raised:
        expression(text, at)
    assert raised.value.code == "usage-value"


def test_weights_must_be_names_of_the_expression() -> None:
    with pytest.raises(Error, match="w9"):
        expression("f = x", {"x": 1}, weights=["w9"])


def test_read_values() -> None:
    found = read_values("x=2, y_1 = -.5,z=[[1,2],[3,4]],t=1e-3")
    assert found == {"x": 2.0, "y_1": -0.5, "z": [[1, 2], [3, 4]], "t": 0.001}
    assert read_values("") == {}


@pytest.mark.parametrize(
    "text", ["x", "=2", "x=", "x=2,x=3", "x=[1,2", "2=3", "x=1 y=2"]
)
def test_values_that_cannot_be_read(text: str) -> None:
    with pytest.raises(Error) as raised:
        read_values(text)
    assert raised.value.code == "usage-value"


def test_statements_that_the_result_does_not_need_are_shown_too() -> None:
    found = expression("q = x + y; f = x * 2", {"x": 1.0, "y": 2.0}).to_json()["nodes"]
    assert (found["q"]["value"], found["q"]["gradient"]) == (3.0, 0.0)
    assert (found["y"]["value"], found["y"]["gradient"]) == (2.0, 0.0)
    assert (found["f"]["value"], found["x"]["gradient"]) == (2.0, 2.0)
