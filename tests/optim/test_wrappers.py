"""Optimizers around optimizers, against their papers' formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nettrain import optim
from nettrain.component import build

W = np.array([0.5, -2.0, 0.0])
GRADIENTS = np.random.default_rng(0).normal(size=(12, 3))
RATE = 0.1


@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-12), ("float32", 2e-6)])
@pytest.mark.parametrize(("k", "alpha"), [(5, 0.5), (1, 0.3), (3, 1.0), (4, 0.0)])
def test_lookahead(steps: Any, dtype: str, rtol: float, k: int, alpha: float) -> None:
    inner = optim.SGD(momentum=0.9)
    got = steps(optim.Lookahead(inner, k, alpha), GRADIENTS, RATE, dtype)
    slow = fast = W
    v = np.zeros(3)
    for t, g in enumerate(GRADIENTS, 1):
        v = 0.9 * v + g
        fast = fast - RATE * v
        if t % k == 0:
            slow = fast = slow + alpha * (fast - slow)
        np.testing.assert_allclose(got[t - 1], fast, rtol=rtol, atol=rtol)
        assert got[t - 1].dtype == dtype


@pytest.mark.parametrize("decay", [0.0, 0.8, 0.999])
def test_ema_does_not_change_training(steps: Any, decay: float) -> None:
    wrapped = optim.ExponentialAverage(optim.Adam(), decay)
    np.testing.assert_array_equal(
        steps(wrapped, GRADIENTS, RATE), steps(optim.Adam(), GRADIENTS, RATE)
    )


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_ema(dtype: str) -> None:
    """The mean of w_1 … w_t with weights d^(t - i), whatever w_0 was."""
    from nettrain.execute import Definition, executor
    from nettrain.graph import leaf, parameter

    decay = 0.8
    w, g = parameter("w", W.astype(dtype)), leaf("input", "g", (3,), dtype)
    number, rate = (leaf("input", n, (), "float64") for n in ("step", "rate"))
    wrapped = optim.ExponentialAverage(optim.SGD(), decay)
    made = optim.optimize(wrapped, {w: g}, rate, number)
    assert {path: lag.path for path, lag in made.lags.items()} == {
        "w": "optimizer/lag"
    } or made.lags["w"].path == "optimizer/lag/w"
    definition = Definition({}, made.updates)
    run = executor("numpy")
    state = run.allocate(definition, {})
    program = run.program(definition, state)
    path = []
    for t, gradient in enumerate(GRADIENTS, 1):
        program({g: gradient, number: np.asarray(float(t)), rate: np.asarray(RATE)})
        path.append(state["w"].astype(float))
        shares = decay ** np.arange(t)[::-1]
        mean = np.average(path, axis=0, weights=shares)
        average = state["w"] + state[made.lags["w"].path]
        np.testing.assert_allclose(average, mean, rtol=1e-5, atol=1e-6)


def test_wrappers_show_the_rule_inside() -> None:
    rule = optim.AdamW(0.3, weight_decay=0.2)
    for wrapper in (
        optim.Lookahead(rule),
        optim.ExponentialAverage(rule),
        optim.ExponentialAverage(optim.Lookahead(rule)),
    ):
        assert wrapper.rule is rule
        assert (wrapper.coupled, wrapper.decoupled) == (0.0, 0.2)
        assert wrapper.schedule == optim.Constant(0.3)
    assert optim.ExponentialAverage(rule).lag == "lag"
    assert optim.Lookahead(rule).lag == rule.lag == ""


@pytest.mark.parametrize("name", ["lookahead", "ema"])
def test_what_is_wrapped_climbs(steps: Any, name: str) -> None:
    up = {name: {"optimizer": {"sgd": {"maximize": True}}}}
    made = build(optim.Optimizer, up, (), [])
    down = build(optim.Optimizer, {name: "sgd"}, (), [])
    np.testing.assert_array_equal(steps(made, GRADIENTS), steps(down, -GRADIENTS))


@pytest.mark.parametrize("outer", [optim.Lookahead, optim.ExponentialAverage])
def test_an_average_is_outermost(outer: Any) -> None:
    with pytest.raises(Exception, match="ema"):
        outer(optim.ExponentialAverage())
