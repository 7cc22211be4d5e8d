"""Local derivatives: the operation's own vjp, in numbers and in a formula."""

from __future__ import annotations

import pytest

import nettrain as nt
from nettrain.explore import evaluate, expression
from nettrain.explore.local import Edge, edges
from nettrain.graph import Node


def into(text: str, at: dict[str, float]) -> tuple[Node, list[Edge]]:
    """The result of an expression, and the edges that end in it."""
    e = expression(text, at)
    found = [g for g in edges(e.nodes, e.value, e.spoken) if g.user is e.output]
    return e.output, found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("f = x * y", {"x": ("y", 5.0), "y": ("x", 2.0)}),
        ("f = x - y", {"x": ("1", 1.0), "y": ("-1", -1.0)}),
        ("f = x / y", {"x": ("1 / y", 0.2), "y": ("-(1 / y * f)", -0.08)}),
        ("f = x ** 3", {"x": ("3 * x ** 2", 12.0)}),
        ("f = x * x", {"x": ("x", 2.0)}),
        ("q = x * y; f = sqrt(q - 6)", {"": ("0.5 / f", 0.25)}),
        ("q = x + y; f = q * q", {"q": ("q", 7.0)}),
        ("f = (x + y) * y", {"": ("y", 5.0), "y": ("x + y", 7.0)}),
        ("f = step(x)", {}),
    ],
)
def test_formulas_and_numbers(
    text: str, expected: dict[str, tuple[str, float]]
) -> None:
    _, found = into(text, {name: v for name, v in AT.items() if name in text})
    texts = {g.input.name: g.local.text for g in found}
    values = {g.input.name: g.local.value for g in found}
    assert texts == {name: t for name, (t, _) in expected.items()}
    assert values == pytest.approx({name: v for name, (_, v) in expected.items()})


AT = {"x": 2.0, "y": 5.0}


def test_nothing_is_said_of_arrays_and_dead_ends() -> None:
    x, y = nt.variables("x y", shape=(2,))
    e = evaluate(nt.sum(nt.where(x > 0.0, x, y)), {x: [1, 2], y: [3, 4]})
    known = [
        (e.names[g.input], g.local.value) for g in edges(e.nodes, e.value, e.names)
    ]
    assert known == [("x", None), ("y", None), ("where(x > 0, x, y)", None)]
