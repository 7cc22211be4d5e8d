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


def lion(w: Any, g: Any, memory: dict[str, Any], t: int) -> Any:
    m = memory.get("m", 0)
    memory["m"] = 0.8 * m + 0.2 * g
    return w - RATE * (np.sign(0.7 * m + 0.3 * g) + 0.2 * w)


def lamb(w: Any, g: Any, memory: dict[str, Any], t: int) -> Any:
    change = w - adam(w, g, memory, t)
    d = change / RATE + 0.2 * w
    return w - RATE * np.linalg.norm(w) / np.linalg.norm(d) * d


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
    (optim.Lion(beta1=0.7, beta2=0.8, weight_decay=0.2), lion),
    (optim.LAMB(**DECAYS, weight_decay=0.2), lamb),
]

NAMES = [n for n, c in registered(optim.Optimizer).items() if issubclass(c, optim.Rule)]


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


@pytest.mark.parametrize("name", NAMES)
def test_maximize_turns_the_sign(steps: Any, name: str) -> None:
    up = build(optim.Optimizer, {name: {"maximize": True}}, (), [])
    down = build(optim.Optimizer, name, (), [])
    np.testing.assert_array_equal(steps(up, GRADIENTS), steps(down, -GRADIENTS))


def test_first_step_of_adam_is_the_rate(steps: Any) -> None:
    after = steps(optim.Adam(), [[1e-3, -7.0, 1e3]], 0.1)
    np.testing.assert_allclose(after[0], W - [0.1, -0.1, 0.1], rtol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_no_gradient_no_change(steps: Any, name: str) -> None:
    after = steps(build(optim.Optimizer, {name: {}}, (), []), np.zeros((2, 3)))
    # Of lamb's step, the decay alone, the size is the rate's.
    kept = {"adamw": 1 - 0.1 * 0.01, "muon": 1 - 0.1 * 0.1, "lamb": 1 - 0.1}
    expected = W * kept.get(name, 1.0) ** 2
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


ARRAY_OPERATIONS = {
    "sgd": 2, "rmsprop": 8, "adam": 10, "adamw": 11, "adagrad": 7, "adadelta": 13,
    "adamax": 9, "nadam": 12, "radam": 11, "lion": 8, "lookahead": 15, "ema": 13,
}  # fmt: skip


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
    assert {n.dtype for n in scalars if n.inputs} <= {"float64", "bool"}


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
        {"muon": {"steps": 100}},
        {"muon": {"scale": "none"}},
        {"ema": {"decay": 1.0}},
        {"ema": {"ema": "adam"}},
        {"lookahead": {"ema": "adam"}},
        {"lookahead": {"optimizer": "adam", "rate": 2}},
    ],
)
def test_wrong_settings(settings: Any) -> None:
    problems: list[Any] = []
    build(optim.Optimizer, settings, (), problems)
    assert problems


def test_elementwise_rules_are_known() -> None:
    known = registered(optim.Optimizer).items()
    own = {name for name, cls in known if cls.__module__.startswith("nettrain.")}
    assert own - set(ARRAY_OPERATIONS) == {"lamb", "muon"}


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
    for cls in (optim.SGD, optim.RMSprop, optim.Adam, optim.NAdam, optim.RAdam):
        rule = cls(weight_decay=0.5)
        assert (rule.coupled, rule.decoupled, rule.kept(rate)) == (0.5, 0.0, None)
    for beside in (optim.NAdam, optim.RAdam):
        rule = beside(weight_decay=0.5, decoupled_weight_decay=True)
        assert (rule.coupled, rule.decoupled) == (0.0, 0.5)
    lamb = optim.LAMB(weight_decay=0.5)
    assert (lamb.coupled, lamb.decoupled, lamb.kept(rate)) == (0.0, 0.5, None)
    adamw = optim.AdamW(weight_decay=0.5)
    assert (adamw.coupled, adamw.decoupled) == (0.0, 0.5)
    kept = adamw.kept(rate)
    assert kept is not None
    assert evaluate([kept], {rate: np.array(0.1)})[kept] == 0.95
    assert optim.AdamW(weight_decay=0.0).kept(rate) is None


def test_lamb_without_a_size_is_adam(steps: Any) -> None:
    w = np.zeros(3)
    for optimizer in (optim.LAMB(**DECAYS, weight_decay=0), optim.LAMB(**DECAYS)):
        got = run_from(w, optimizer, GRADIENTS[:1])
        np.testing.assert_allclose(got, adam(w, GRADIENTS[0], {}, 1))


def run_from(w: Any, optimizer: optim.Optimizer, given: Any) -> Any:
    """The parameter after one step with the first gradient."""
    weight, g = parameter("w", w), leaf("input", "g", np.shape(w), "float64")
    number, rate = (leaf("input", n, (), "float64") for n in ("step", "rate"))
    new = optim.optimize(optimizer, {weight: g}, rate, number).updates[weight]
    leaves = {
        n: n.op.initial for n in topological([new]) if n.kind in ("state", "parameter")
    }
    at = {**leaves, g: given[0], number: np.array(1.0), rate: np.array(RATE)}
    return evaluate([new], at)[new]


def test_muon_takes_all_directions_alike() -> None:
    rng = np.random.default_rng(0)
    for shape in ((8, 5), (5, 8), (6, 6)):
        u, _, v = np.linalg.svd(rng.normal(size=shape), full_matrices=False)
        g = u * np.logspace(0, -1, len(v)) @ v
        optimizer = optim.Muon(weight_decay=0.0)
        change = -run_from(np.zeros(shape), optimizer, [g]) / RATE
        sizes = np.linalg.svd(change, compute_uv=False)
        factor = np.sqrt(max(1, shape[1] / shape[0]))
        assert 0.6 * factor < sizes.min() and sizes.max() < 1.3 * factor
        assert np.sum(change * (u @ v)) > 0.8 * factor * len(v)


def test_muon_leaves_embeddings_to_adamw() -> None:
    w, g = (np.random.default_rng(i).normal(size=(4, 3)) for i in range(2))
    scalar = leaf("input", "s", (), "float64")

    def slots(path: str, **settings: Any) -> set[str]:
        node = parameter("weight", w).replace(scope=path)
        made = optim.optimize(
            optim.Muon(**settings), {node: node * 1.0}, scalar, scalar
        )
        return {leaf.scope.split("/")[1] for leaf in made.slots}

    assert slots("model/dense1") == {"momentum"}
    assert slots("model/embedding1") == {"gradient_sum", "square_sum"}
    assert slots("model/embedding1", adamw=[]) == {"momentum"}
    assert slots("model/dense1", adamw=["dense1/*"]) == {"gradient_sum", "square_sum"}
    got = run_from(w[0], optim.Muon(weight_decay=0.2), [g[0]])
    np.testing.assert_allclose(
        got, run_from(w[0], optim.AdamW(weight_decay=0.2), [g[0]])
    )


FIRST = np.array([1e-3, -7.0, 1e3])


@pytest.mark.parametrize(
    "optimizer",
    [optim.Adagrad(), optim.Adamax(), optim.Lion(), optim.Adam(amsgrad=True)],
    ids=lambda x: x.registered_name,
)
def test_first_steps_are_the_rate(steps: Any, optimizer: optim.Optimizer) -> None:
    after = steps(optimizer, [FIRST], 0.1)
    np.testing.assert_allclose(after[0], W - 0.1 * np.sign(FIRST), rtol=1e-4)


def test_first_step_of_radam_is_the_gradient(steps: Any) -> None:
    after = steps(optim.RAdam(), [FIRST], 0.1)
    np.testing.assert_allclose(after[0], W - 0.1 * FIRST)


def test_every_step_of_lion_is_the_rate(steps: Any) -> None:
    changes = np.diff(steps(optim.Lion(), GRADIENTS, 0.1), axis=0)
    np.testing.assert_allclose(np.abs(changes), 0.1)


def test_every_step_of_lamb_is_a_share_of_the_weights(steps: Any) -> None:
    path = np.array([W, *steps(optim.LAMB(), GRADIENTS, 0.1)])
    changes = np.linalg.norm(np.diff(path, axis=0), axis=1)
    np.testing.assert_allclose(changes, 0.1 * np.linalg.norm(path[:-1], axis=1))


@pytest.mark.parametrize("size", [0.1, 1e3])
@pytest.mark.parametrize(
    "optimizer",
    [optim.Lion(), optim.Adamax(), optim.NAdam(), optim.LAMB(), optim.Adagrad()],
    ids=lambda x: x.registered_name,
)
def test_the_gradients_size_does_not_matter(
    steps: Any, optimizer: optim.Optimizer, size: float
) -> None:
    np.testing.assert_allclose(
        steps(optimizer, GRADIENTS * size), steps(optimizer, GRADIENTS), rtol=1e-2
    )


def test_adadelta_has_the_unit_of_its_weights(steps: Any) -> None:
    """Its first change is √ε / √(1 - ρ) long, whatever the gradient."""
    after = steps(optim.Adadelta(), [FIRST * 1e3], 1.0)
    np.testing.assert_allclose(after[0], W - np.sign(FIRST) * np.sqrt(1e-5), rtol=1e-4)
