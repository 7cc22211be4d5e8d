"""Optimizers against their papers' formulas, written out with NumPy.

PyTorch's agree in tests/parity.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nettrain import optim
from nettrain.component import build, describe, dump, registered
from nettrain.errors import Error
from nettrain.execute.reference import evaluate
from nettrain.graph import Constant, Node, leaf, parameter, topological
from nettrain.graph import operations as ops
from nettrain.graph.operations.elementwise import Cast, Elementwise

W = np.array([0.5, -2.0, 0.0])
GRADIENTS = np.random.default_rng(0).normal(size=(4, 3))
RATE = 0.1
Rule = Callable[[np.ndarray, np.ndarray, dict[str, Any], int], np.ndarray]


def sgd(w: Any, g: Any, memory: dict[str, Any], t: int) -> Any:
    return w - RATE * g


def heavy_ball(w: Any, g: Any, memory: dict[str, Any], t: int) -> Any:
    memory["v"] = 0.9 * memory.get("v", 0) + g + 0.2 * w
    return w - RATE * memory["v"]


def nesterov(w: Any, g: Any, memory: dict[str, Any], t: int) -> Any:
    memory["v"] = 0.9 * memory.get("v", 0) + g
    return w - RATE * (g + 0.9 * memory["v"])


def rmsprop(w: Any, g: Any, memory: dict[str, Any], t: int) -> Any:
    memory["v"] = 0.8 * memory.get("v", 0) + 0.2 * g**2
    memory["b"] = 0.5 * memory.get("b", 0) + g / (np.sqrt(memory["v"]) + 0.3)
    return w - RATE * memory["b"]


def adam(w: Any, g: Any, memory: dict[str, Any], t: int) -> Any:
    memory["m"] = 0.7 * memory.get("m", 0) + 0.3 * g
    memory["v"] = 0.8 * memory.get("v", 0) + 0.2 * g**2
    m, v = memory["m"] / (1 - 0.7**t), memory["v"] / (1 - 0.8**t)
    return w - RATE * m / (np.sqrt(v) + 0.3)


def coupled(w: Any, g: Any, memory: dict[str, Any], t: int) -> Any:
    return adam(w, g + 0.2 * w, memory, t)


def decoupled(w: Any, g: Any, memory: dict[str, Any], t: int) -> Any:
    return adam(w, g, memory, t) - RATE * 0.2 * w


DECAYS = {"beta1": 0.7, "beta2": 0.8, "epsilon": 0.3}
RULES: list[tuple[optim.Optimizer, Rule]] = [
    (optim.SGD(), sgd),
    (optim.SGD(momentum=0.9, weight_decay=0.2), heavy_ball),
    (optim.SGD(momentum=0.9, nesterov=True), nesterov),
    (optim.RMSprop(beta=0.8, epsilon=0.3, momentum=0.5), rmsprop),
    (optim.Adam(**DECAYS), adam),
    (optim.Adam(**DECAYS, weight_decay=0.2), coupled),
    (optim.AdamW(**DECAYS, weight_decay=0.2), decoupled),
    (optim.AdamW(**DECAYS, weight_decay=0), adam),
]


@pytest.mark.parametrize(("optimizer", "rule"), RULES)
@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-12), ("float32", 2e-6)])
def test_rule(
    steps: Any, optimizer: optim.Optimizer, rule: Rule, dtype: str, rtol: float
) -> None:
    after = steps(optimizer, GRADIENTS, RATE, dtype)
    w, memory = W, {}
    for t, g in enumerate(GRADIENTS, 1):
        w = rule(w, g, memory, t)
        np.testing.assert_allclose(after[t - 1], w, rtol=rtol, atol=rtol)
        assert after[t - 1].dtype == dtype


@pytest.mark.parametrize("name", list(registered(optim.Optimizer)))
def test_maximize_turns_the_sign(steps: Any, name: str) -> None:
    up = build(optim.Optimizer, {name: {"maximize": True}}, (), [])
    down = build(optim.Optimizer, name, (), [])
    np.testing.assert_array_equal(steps(up, GRADIENTS), steps(down, -GRADIENTS))


def test_first_step_of_adam_is_the_rate(steps: Any) -> None:
    after = steps(optim.Adam(), [[1e-3, -7.0, 1e3]], 0.1)
    np.testing.assert_allclose(after[0], W - [0.1, -0.1, 0.1], rtol=1e-4)


@pytest.mark.parametrize("name", list(registered(optim.Optimizer)))
def test_no_gradient_no_change(steps: Any, name: str) -> None:
    after = steps(build(optim.Optimizer, {name: {}}, (), []), np.zeros((2, 3)))
    expected = W * 0.999**2 if name == "adamw" else W
    np.testing.assert_allclose(after[-1], expected)


def test_slots_have_the_parameters_path() -> None:
    w = parameter("weight", np.zeros((3, 2), np.float32)).replace(scope="model/dense1")
    scalar = leaf("input", "s", (), "float64")
    made = optim.optimize(optim.Adam(), {w: w * 2.0}, scalar, scalar)
    paths = [
        "optimizer/gradient_sum/model/dense1/weight",
        "optimizer/square_sum/model/dense1/weight",
    ]
    assert [slot.path for slot in made.slots] == paths
    assert set(made.updates) == {w, *made.slots}
    for slot in made.slots:
        assert slot.spec == w.spec and (slot.op.initial == 0).all()
        assert slot.kind == "state"


ARRAY_OPERATIONS = {"sgd": 2, "rmsprop": 8, "adam": 10, "adamw": 11}


@pytest.mark.parametrize(("name", "most"), ARRAY_OPERATIONS.items())
def test_updates_are_elementwise_and_few(name: str, most: int) -> None:
    """Executors join all parameters into one vector, and each operation counts."""
    w = parameter("w", np.zeros((3, 2), np.float32))
    g = leaf("input", "g", (3, 2), "float32")
    scalar = leaf("input", "s", (), "float64")
    optimizer = build(optim.Optimizer, name, (), [])
    made = optim.optimize(optimizer, {w: g}, scalar, scalar)
    inner = [n for n in topological(made.updates.values()) if n.inputs]
    assert all(isinstance(n.op, (Elementwise, Cast)) for n in inner)
    assert all(n.shape in ((), (3, 2)) for n in inner)
    assert sum(n.shape == (3, 2) for n in inner) <= most
    scalars = [n for n in inner if n.shape == () and not isinstance(n.op, Cast)]
    assert {n.dtype for n in scalars if n.inputs} <= {"float64"}


def test_an_optimizer_must_keep_shape_and_dtype() -> None:
    class Careless(optim.SGD):
        def update(self, parameter: Node, *rest: Any) -> Node:
            return ops.cast(parameter, "float64")

    w = parameter("w", np.zeros(3, np.float32))
    scalar = leaf("input", "s", (), "float64")
    with pytest.raises(Error, match=r"sgd would make float64 \(3,\)"):
        optim.optimize(Careless(), {w: w}, scalar, scalar)


@pytest.mark.parametrize(
    "settings",
    [
        {"sgd": {"nesterov": True}},
        {"sgd": {"momentum": 1.0}},
        {"sgd": -0.1},
        {"adam": {"beta2": 1.0}},
        {"adam": {"epsilon": 0}},
        {"adam": {"learning_rte": 0.1}},
        {"adam": "fast"},
        {"adam": {"learning_rate": {"cosine": {"peak": -1}}}},
    ],
)
def test_wrong_settings(settings: Any) -> None:
    problems: list[Any] = []
    build(optim.Optimizer, settings, (), problems)
    assert problems


@pytest.mark.parametrize("base", [optim.Optimizer, optim.Schedule])
def test_every_setting_is_explained(base: Any) -> None:
    for cls in registered(base).values():
        summary, fields = describe(cls)
        assert summary and fields and all(field.meaning for field in fields), cls


def test_short_forms() -> None:
    assert build(optim.Optimizer, {"adam": 0.01}, (), []) == optim.Adam(0.01)
    cosine = {"adam": {"learning_rate": {"cosine": {"peak": 0.1, "warmup": "5 %"}}}}
    made = build(optim.Optimizer, cosine, (), [])
    assert build(optim.Optimizer, dump(made), (), []) == made
    assert made.schedule.rate(5, 100, 10) == 0.1
    assert optim.Adam(0.01).schedule == optim.Constant(0.01)


def test_scalars_of_all_parameters_are_the_same_constants() -> None:
    """So that one pass over the graph makes them one node."""
    first, second = (parameter(n, np.zeros(3)) for n in "ab")
    scalar = leaf("input", "s", (), "float64")
    made = optim.optimize(optim.Adam(), {first: first, second: second}, scalar, scalar)
    constants = {
        w: [
            n.op.array.item()
            for n in topological([made.updates[w]])
            if isinstance(n.op, Constant)
        ]
        for w in (first, second)
    }
    assert constants[first] == constants[second]


def test_a_weight_decay_is_part_of_the_gradient_or_beside_it() -> None:
    rate = leaf("input", "rate", (), "float64")
    for cls in (optim.SGD, optim.RMSprop, optim.Adam):
        rule = cls(weight_decay=0.5)
        assert (rule.coupled, rule.decoupled, rule.kept(rate)) == (0.5, 0.0, None)
    adamw = optim.AdamW(weight_decay=0.5)
    assert (adamw.coupled, adamw.decoupled) == (0.0, 0.5)
    kept = adamw.kept(rate)
    assert kept is not None
    assert evaluate([kept], {rate: np.array(0.1)})[kept] == 0.95
    assert optim.AdamW(weight_decay=0.0).kept(rate) is None
