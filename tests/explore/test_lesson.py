"""The lesson: local derivative times upstream, sentence by sentence."""

from __future__ import annotations

import nettrain as nt
from nettrain.explore import evaluate, expression


def test_the_article() -> None:
    e = expression("q = x + y; f = q * z", {"x": 2, "y": 3, "z": -4})
    assert e.steps() == [
        "q = x + y = 2 + 3 = 5",
        "f = q * z = 5 * -4 = -20",
        "df/df = 1",
        "df/dz = df/df · ∂f/∂z = 1 · 5 = 5",
        "df/dq = df/df · ∂f/∂q = 1 · -4 = -4",
        "df/dy = df/dq · ∂q/∂y = -4 · 1 = -4",
        "df/dx = df/dq · ∂q/∂x = -4 · 1 = -4",
    ]


def test_an_unnamed_node_is_called_by_its_expression() -> None:
    steps = expression("f = (x + y) * z", {"x": 2, "y": 3, "z": -4}).steps()
    assert steps[:2] == ["x + y = 2 + 3 = 5", "f = (x + y) * z = 5 * -4 = -20"]
    assert "df/dx = df/d(x + y) · ∂(x + y)/∂x = -4 · 1 = -4" in steps


def test_an_unnamed_result_is_called_f() -> None:
    steps = expression("(x + y) * z", {"x": 2, "y": 3, "z": -4}).steps()
    assert steps[1:3] == ["f = (x + y) * z = 5 * -4 = -20", "df/df = 1"]
    taken = expression("f * z", {"f": 2, "z": 3}).steps()
    assert taken[0] == "n1 = f * z = 2 * 3 = 6"


def test_the_neuron_is_told_with_short_names_and_its_weights_move() -> None:
    at = {"x1": 1, "x2": -2, "w1": 0.5, "w2": 0.25, "b": 0}
    steps = expression("y = tanh(w1*x1 + w2*x2 + b)", at).steps(rate=0.5)
    assert "n1 = w1 * x1 + w2 * x2 = 0.5 + -0.5 = 0" in steps
    assert "y = tanh(n2) = tanh(0) = 0" in steps
    assert "dy/dw2 = dy/d(w2 * x2) · ∂(w2 * x2)/∂w2 = 1 · -2 = -2" in steps
    assert steps[-3:] == [
        "w1 ← w1 - rate · gradient = 0.5 - 0.5 · 1 = 0",
        "w2 ← w2 - rate · gradient = 0.25 - 0.5 · -2 = 1.25",
        "b ← b - rate · gradient = 0 - 0.5 · 1 = -0.5",
    ]


def test_short_names_leave_those_of_the_user_alone() -> None:
    steps = expression("y = (x * x + x) * n1", {"x": 2, "n1": 3}).steps()
    assert "n2 = x * x + x = 4 + 2 = 6" in steps


def test_paths_are_summed() -> None:
    steps = expression("q = x + 1; f = q * x", {"x": 2}).steps()
    assert steps[-1] == "df/dx = df/dq · ∂q/∂x + df/df · ∂f/∂x = 2 · 1 + 1 · 3 = 5"


def test_one_operation_may_use_a_node_twice() -> None:
    steps = expression("f = x * x", {"x": 3}).steps()
    assert steps[-1] == "df/dx = df/df · ∂f/∂x + df/df · ∂f/∂x = 1 · 3 + 1 · 3 = 6"


def test_what_no_gradient_reaches() -> None:
    steps = expression("f = x * step(y)", {"x": 3, "y": 2}).steps()
    assert "df/dy = 0: no gradient comes back to y" in steps
    steps = expression("f = x + step(x * y)", {"x": 3, "y": 2}).steps()
    assert steps[-2:] == [
        "df/dy = 0: no gradient comes back to y",
        "df/dx = df/df · ∂f/∂x = 1 · 1 = 1",
    ]
    assert expression("y > 1", {"y": 3}).steps() == [
        "f = y > 1 = 3 > 1 = True",
        "f is no float: nothing goes back",
    ]


def test_arrays_are_told_in_short() -> None:
    x, w = nt.variables("x w", shape=(3,))
    steps = evaluate(nt.sum(w * x), {x: [1, 2, 3], w: [1, 0, -1]}).steps()
    assert steps[:2] == ["w * x = [1, 0, -3]", "f = sum(w * x) = -2"]
    assert "df/dw = [1, 2, 3], back through w * x" in steps
    large = nt.parameter("w", [[1.0, 1.0], [1.0, 1.0]])
    steps = evaluate(nt.square(large), {}).steps()
    assert steps == [
        "f = square(w) = rms 1, shape (2, 2)",
        "df/df = rms 1, shape (2, 2)",
        "df/dw = rms 2, shape (2, 2), back through f",
        "w ← w - rate · gradient, with rate 0.1: a move of rms 0.2",
    ]
