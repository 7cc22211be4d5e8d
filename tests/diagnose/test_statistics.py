"""Observer nodes against NumPy, counters over an epoch, and when they run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from nettrain import nn
from nettrain.component import registered
from nettrain.diagnose import statistics
from nettrain.diagnose.statistics import (
    Means,
    Shrinkage,
    Watch,
    due,
    interval,
    logarithmic,
    price,
)
from nettrain.execute.reference import evaluate
from nettrain.graph import (
    Node,
    adjoints,
    constant,
    gradients,
    leaf,
    scope,
    topological,
)
from nettrain.graph import operations as ops
from nettrain.record.statistics import COLUMNS

ROWS, INPUTS, UNITS, OUTPUTS = 5, 3, 4, 2


@dataclass(frozen=True)
class Function:
    can_die: bool = True
    max_slope: float = 1.0


@dataclass(frozen=True)
class Pair:
    activation: Node
    function: Function


@dataclass
class Net:
    """x w1 -> relu -> w2 -> mean of squares, all its nodes, and its statistics."""

    x: Node
    w1: Node
    w2: Node
    cost: Node
    new: dict[Node, Node]
    watch: Watch
    values: dict[Node, np.ndarray]

    def run(self, roots: dict[Any, Node], **leaves: Any) -> dict[Any, np.ndarray]:
        given = {n: np.zeros(n.shape, n.dtype) for n in self.watch.counters}
        named = {n.path: n for n in given}
        given |= {named[path]: value for path, value in leaves.get("state", {}).items()}
        values = evaluate(roots.values(), {**given, **self.values})
        return {name: values[node] for name, node in roots.items()}

    def observe(self) -> dict[str, np.ndarray]:
        return self.run(dict(self.watch.observers))


def net(
    can_die: bool = True,
    dtype: str = "float64",
    weights: np.ndarray | None = None,
    scale: float = 1.0,
    coupled: float = 0.0,
    kept: float = 1.0,
) -> Net:
    x = leaf("input", "x", (ROWS, INPUTS), dtype)
    with scope("model/dense1"):
        w1 = leaf("parameter", "weight", (INPUTS, UNITS), dtype, scope="model/dense1")
        z1 = (x @ w1).named("pre_activation", role="pre_activation", unit_axis=-1)
        h1 = ops.relu(z1).named("activation", role="activation", unit_axis=-1)
    with scope("model/dense2"):
        w2 = leaf("parameter", "weight", (UNITS, OUTPUTS), dtype, scope="model/dense2")
        z2 = (h1 @ w2).named("pre_activation", role="pre_activation", unit_axis=-1)
    cost = ops.mean(ops.square(z2)) * scale
    found = adjoints(cost, [w1, w2, *statistics.watched(cost)])
    new = {w: w * kept - found[w] * 0.1 for w in (w1, w2)}
    shrinkage = Shrinkage(coupled={w1: coupled, w2: coupled})
    if kept != 1.0:
        left = constant(kept, "float64")
        shrinkage = Shrinkage(kept={w1: left, w2: left})
    watch = statistics.watch(
        cost,
        found,
        [w1, w2],
        neurons={z1: Pair(h1, Function(can_die))},
        new_values=new,
        shrinkage=shrinkage,
    )
    draw = np.random.RandomState(0)
    inputs = draw.randn(ROWS, INPUTS)
    first = draw.randn(INPUTS, UNITS) if weights is None else weights
    values = {
        x: (np.abs(inputs) if weights is not None else inputs).astype(dtype),
        w1: np.asarray(first, dtype),
        w2: draw.randn(UNITS, OUTPUTS).astype(dtype),
    }
    return Net(x, w1, w2, cost, new, watch, values)


def by_hand(made: Net) -> dict[str, np.ndarray]:
    """Values and gradients of the same network, in NumPy."""
    x, w1, w2 = (made.values[node] for node in (made.x, made.w1, made.w2))
    z1 = x @ w1
    h1 = np.maximum(z1, 0)
    z2 = h1 @ w2
    g_z2 = 2 * z2 / z2.size
    g_h1 = g_z2 @ w2.T
    g_z1 = g_h1 * (z1 > 0)
    return {
        "value/model/dense1/pre_activation": z1,
        "value/model/dense1/activation": h1,
        "value/model/dense2/pre_activation": z2,
        "value/model/dense1/weight": w1,
        "value/model/dense2/weight": w2,
        "gradient/model/dense1/pre_activation": g_z1,
        "gradient/model/dense1/activation": g_h1,
        "gradient/model/dense2/pre_activation": g_z2,
        "gradient/model/dense1/weight": x.T @ g_z1,
        "gradient/model/dense2/weight": h1.T @ g_z2,
    }


def test_summaries_agree_with_numpy() -> None:
    made = net()
    outputs = made.observe()
    expected = by_hand(made)
    for name, a in expected.items():
        parts = (a.mean(), a.std(), np.sqrt((a * a).mean()), a.min(), a.max())
        np.testing.assert_allclose(outputs[name][:5], parts, rtol=1e-12)
        assert outputs[name][5] == np.mean(a == 0)
    of_update = {
        f"{kind}/model/{layer}/weight"
        for kind in ("ratio", "change")
        for layer in ("dense1", "dense2")
    }
    others = {"ascent", "positive/model/dense1/pre_activation"}
    assert set(outputs) == set(expected) | of_update | others


@pytest.mark.parametrize("kept", [1.0, 0.5])
def test_updates_agree_with_numpy_and_leave_a_decoupled_decay_out(kept: float) -> None:
    made = net(kept=kept)
    gradient = by_hand(made)["gradient/model/dense1/weight"]
    outputs = made.observe()
    change = 0.1 * np.linalg.norm(gradient)
    np.testing.assert_allclose(outputs["change/model/dense1/weight"], change)
    expected = change / np.linalg.norm(made.values[made.w1])
    np.testing.assert_allclose(outputs["ratio/model/dense1/weight"], expected)
    assert float(outputs["ascent"]) == pytest.approx(-1.0), "straight down"


def test_a_vector_has_a_norm_and_no_ratio() -> None:
    w = leaf("parameter", "bias", (3,), "float64")
    cost = ops.sum(ops.square(w))
    found = adjoints(cost, [w])
    watch = statistics.watch(
        cost, found, [w], neurons={}, new_values={w: w - found[w] * 0.1}
    )
    assert {"change/bias", "value/bias"} < set(watch.observers)
    assert not any(name.startswith("ratio/") for name in watch.observers)
    values = evaluate(watch.observers.values(), {w: np.array([3.0, 0.0, 4.0])})
    series = watch.series({n: values[node] for n, node in watch.observers.items()})
    assert np.isnan(series["update_ratio"]).tolist() == [True]
    assert series["update_norm"] == pytest.approx([1.0])
    assert series["gradient_norm"] == pytest.approx([10.0])
    assert series["weight_norm"] == pytest.approx([5.0])


def test_the_ascent_is_a_cosine_with_the_coupled_decay_in_it() -> None:
    """The update follows g alone: with a decay of 2 that is not the way of g + 2 w."""
    made = net(coupled=2.0)
    expected = by_hand(made)
    gradients = [expected[f"gradient/model/dense{i}/weight"] for i in (1, 2)]
    change = np.concatenate([-0.1 * g.ravel() for g in gradients])
    handed = [
        g + 2.0 * made.values[w]
        for g, w in zip(gradients, (made.w1, made.w2), strict=True)
    ]
    g = np.concatenate([part.ravel() for part in handed])
    cosine = g @ change / (np.linalg.norm(g) * np.linalg.norm(change))
    assert float(made.observe()["ascent"]) == pytest.approx(cosine)
    assert -0.99 < cosine < 0.99


def test_the_gradient_of_the_loss_is_without_the_penalty() -> None:
    plain = net()
    x = leaf("input", "x", (ROWS, INPUTS), "float64")
    w = leaf("parameter", "weight", (INPUTS, UNITS), "float64")
    loss = ops.mean(ops.square(x @ w))
    cost = loss + ops.sum_of_squares(w) * 0.35
    both = adjoints(cost, [w])
    watch = statistics.watch(
        cost,
        both,
        [w],
        neurons={},
        new_values={w: w - both[w]},
        shrinkage=Shrinkage({w: 0.7}),
    )
    leaves = {x: plain.values[plain.x], w: plain.values[plain.w1]}
    (alone,) = gradients(loss, [w])
    values = evaluate([alone, both[w], *watch.observers.values()], leaves)
    means = {n: values[node] for n, node in watch.observers.items()}
    found = watch.series(means)["gradient_norm"]
    assert found == pytest.approx([np.linalg.norm(values[alone])])
    assert abs(np.linalg.norm(values[both[w]]) - found[0]) > 0.1


def test_the_smallest_steps_of_small_float32_weights_do_not_underflow() -> None:
    small = np.full((INPUTS, UNITS), 1e-11)
    usual = float(net(weights=small).observe()["ratio/model/dense1/weight"])
    made = net(dtype="float32", weights=small, scale=1e-7 / usual)
    new = made.run({"new": made.new[made.w1]})["new"].astype(np.float64)
    old = made.values[made.w1].astype(np.float64)
    expected = np.linalg.norm(new - old) / np.linalg.norm(old)
    assert 0 < expected < 2e-7
    ratio = made.observe()["ratio/model/dense1/weight"]
    assert ratio.dtype == np.float64
    assert float(ratio) == pytest.approx(expected, rel=1e-5)


def test_one_backward_pass_in_forwardtopological() -> None:
    made = net()
    assert list(made.watch.roles.items()) == [
        ("model/dense1/pre_activation", "pre_activation"),
        ("model/dense1/activation", "activation"),
        ("model/dense2/pre_activation", "pre_activation"),
        ("model/dense1/weight", "parameter"),
        ("model/dense2/weight", "parameter"),
    ]


# ---------------------------------------------------------------- units

DEAD = np.array([[1.0, -1.0, 1.0, -1.0]] * INPUTS)
"""Inputs are positive, so units 1 and 3 never are."""


def counted(made: Net, steps: int = 1) -> dict[str, np.ndarray]:
    state: dict[str, np.ndarray] = {}
    for _ in range(steps):
        new = {leaf.path: node for leaf, node in made.watch.counters.items()}
        state = made.run(new, state=state)
    return state


@pytest.mark.parametrize("weights", [DEAD, None])
def test_counters_add_up_what_arrives_and_passes(weights: np.ndarray | None) -> None:
    made = net(weights=weights)
    expected = by_hand(made)
    state = counted(made, steps=3)
    path = "model/dense1/pre_activation"
    arrive = 3 * np.abs(expected["gradient/model/dense1/activation"]).sum(axis=0)
    passed = 3 * np.abs(expected[f"gradient/{path}"]).sum(axis=0)
    np.testing.assert_allclose(state[f"diagnosis/arrive/{path}"], arrive)
    np.testing.assert_allclose(state[f"diagnosis/pass/{path}"], passed)
    share = made.run({"share": made.watch.observers[f"positive/{path}"]})["share"]
    np.testing.assert_allclose(share, (expected[f"value/{path}"] > 0).mean(axis=0))


def test_units_are_read_off_the_counters() -> None:
    made = net(weights=DEAD)
    means = {"positive/model/dense1/pre_activation": np.array([1.0, 0.0, 1.0, 0.0])}
    (found,) = made.watch.units(counted(made, steps=2), means).values()
    assert found.dead.tolist() == [False, True, False, True]
    np.testing.assert_allclose(found.positive, [1, 0, 1, 0])
    (unmeasured,) = made.watch.units(counted(made), {}).values()
    assert np.isnan(unmeasured.positive).all()


def test_tiny_float32_gradients_are_no_death() -> None:
    """Squares of gradients below 1e-23 would all be 0 in float32."""
    made = net(dtype="float32", weights=np.abs(DEAD), scale=1e-30)
    state = counted(made)
    arrive = state["diagnosis/arrive/model/dense1/pre_activation"]
    assert 0 < arrive.max() < 1e-25
    (found,) = made.watch.units(state, {}).values()
    assert not found.dead.any() and found.arrived.all()


def test_numbers_that_are_not_finite_are_no_death() -> None:
    made = net()
    state = {leaf.path: np.full(UNITS, np.nan) for leaf in made.watch.counters}
    (found,) = made.watch.units(state, {}).values()
    assert not found.dead.any()
    state["diagnosis/arrive/model/dense1/pre_activation"] = np.ones(UNITS)
    (found,) = made.watch.units(state, {}).values()
    assert not found.dead.any()


def test_units_that_nothing_reaches_are_not_dead() -> None:
    made = net()
    state = {leaf.path: np.zeros(UNITS) for leaf in made.watch.counters}
    (found,) = made.watch.units(state, {}).values()
    assert not found.dead.any() and not found.arrived.any()


def test_counters_are_state_leaves_of_the_values_dtype() -> None:
    for dtype in ("float32", "float64"):
        counters = net(dtype=dtype).watch.counters
        assert {leaf.path for leaf in counters} == {
            f"diagnosis/{kind}/model/dense1/pre_activation"
            for kind in ("arrive", "pass")
        }
        for counter, new in counters.items():
            assert counter.kind == "state" and counter.spec == new.spec
            assert (counter.shape, counter.dtype) == ((UNITS,), dtype)


def test_units_that_cannot_die_are_not_counted() -> None:
    watch = net(can_die=False).watch
    assert not watch.counters and not watch.counted


FUNCTIONS = {
    "tanh": (ops.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "sine": (ops.sin, np.cos),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_slopes_of_units_that_cannot_die(name: str) -> None:
    """Mean |f'(z)| / max |f'| over all axes but the units'."""
    function, slope = FUNCTIONS[name]
    z = leaf("input", "z", (ROWS, UNITS, 6), "float64", role="pre_activation")
    z = z.replace(unit_axis=1)
    h = function(z)
    cost = ops.sum(ops.square(h))
    pair = {z: Pair(h, Function(can_die=False, max_slope=2.0))}
    watch = statistics.watch(
        cost, adjoints(cost, [z, h]), [], neurons=pair, new_values={}
    )
    assert not watch.counters
    value = np.random.RandomState(1).randn(ROWS, UNITS, 6)
    values = evaluate(watch.observers.values(), {z: value})
    means = {n: values[node] for n, node in watch.observers.items()}
    (found,) = watch.slopes(means).values()
    np.testing.assert_allclose(found, np.abs(slope(value)).mean(axis=(0, 2)) / 2)
    (missing,) = watch.slopes({}).values()
    assert missing.shape == (UNITS,) and np.isnan(missing).all()


def test_every_activation_has_counters_or_slopes_but_those_that_mix_units() -> None:
    kinds = {}
    for name, activation in registered(nn.Activation).items():
        trace = nn.Trace()
        x = leaf("input", "x", (ROWS, INPUTS), "float32")
        y = trace.call(nn.Dense(UNITS, activation=activation()), x, "dense1")
        cost = ops.sum(ops.square(y))
        nodes = statistics.watched(cost)
        watch = statistics.watch(
            cost, adjoints(cost, nodes), [], neurons=trace.neurons, new_values={}
        )
        slopes = [n for n in watch.observers if n.startswith("slope/")]
        kinds.setdefault((bool(watch.counted), len(slopes)), []).append(name)
    assert kinds == {
        (True, 0): ["hard_sigmoid", "hard_swish", "hard_tanh", "relu", "relu6"],
        (False, 0): ["linear", "log_softmax", "softmax"],
        (False, 1): [
            "elu", "gelu", "leaky_relu", "mish", "prelu",
            "selu", "sigmoid", "silu", "softplus", "tanh",
        ],
    }  # fmt: skip


def test_an_activation_of_another_shape_has_no_units_to_count() -> None:
    z = leaf("input", "z", (ROWS, UNITS), "float64", role="pre_activation")
    h = ops.relu(z[:, :2])
    pair = {z: Pair(h, Function())}
    found = adjoints(ops.sum(h), [z, h])
    watch = statistics.watch(ops.sum(h), found, [], neurons=pair, new_values={})
    assert not watch.counters


def test_units_along_another_axis() -> None:
    """Channels first: (rows, units, positions)."""
    z = leaf("input", "z", (ROWS, UNITS, 6), "float64", role="pre_activation")
    z = z.replace(unit_axis=1)
    h = ops.relu(z)
    cost = ops.sum(h)
    found = adjoints(cost, [z, h])
    pair = {z: Pair(h, Function())}
    watch = statistics.watch(cost, found, [], neurons=pair, new_values={})
    value = np.random.RandomState(1).randn(ROWS, UNITS, 6)
    leaves = {n: np.zeros(n.shape) for n in watch.counters} | {z: value}
    values = evaluate(watch.counters.values(), leaves)
    state = {leaf.path: values[new] for leaf, new in watch.counters.items()}
    np.testing.assert_array_equal(state["diagnosis/arrive/z"], [ROWS * 6] * UNITS)
    share = watch.observers["positive/z"]
    np.testing.assert_allclose(
        evaluate([share], {z: value})[share], (value > 0).mean(axis=(0, 2))
    )


# ---------------------------------------------------------------- rows and means


def test_rows_have_the_columns_of_the_file() -> None:
    made = net()
    outputs = made.observe()
    rows = made.watch.rows(3, 1, outputs, {"model/dense1/pre_activation": 2})
    assert all(set(row) == set(COLUMNS) for row in rows)
    first, *_, last = rows
    assert (first["step"], first["epoch"], first["role"]) == (3, 1, "pre_activation")
    a = by_hand(made)["gradient/model/dense1/pre_activation"]
    assert first["gradient_rms"] == pytest.approx(np.sqrt((a * a).mean()))
    assert first["gradient_min"] == pytest.approx(a.min())
    assert first["gradient_max"] == pytest.approx(a.max())
    assert first["dead"] == 2 and first["update_ratio"] is None
    assert last["dead"] is None and last["update_ratio"] > 0


def test_a_ratio_to_no_weight_is_left_out() -> None:
    made = net(weights=np.zeros((INPUTS, UNITS)))
    rows = {row["node"]: row for row in made.watch.rows(1, 1, made.observe())}
    assert rows["model/dense1/weight"]["update_ratio"] is None


def test_means_over_an_epoch_survive_a_checkpoint() -> None:
    watch = net().watch
    one = {name: np.full(node.shape, 1.0) for name, node in watch.observers.items()}
    means = Means(watch)
    assert means.values() == {}
    means.add(one)
    for value in one.values():
        value[...] = 4.0
    again = Means(watch)
    again.restore(means.tensors())
    again.add(one)
    found = again.values()
    assert list(found) == list(watch.observers)
    for name, value in found.items():
        assert value.shape == watch.observers[name].shape
        if value.shape == (6,):  # mean, std, rms, min, max, share of zeros
            assert value.tolist() == [2.5, 2.5, 2.5, 1.0, 4.0, 2.5]
        else:
            assert np.all(value == 2.5)
    again.clear()
    assert again.values() == {}


# ---------------------------------------------------------------- when


def measured(steps_per_epoch: int, full_steps: int, every: int = 15) -> list[int]:
    return [n for n in range(1, 41) if due(n, steps_per_epoch, every, full_steps)]


def test_full_statistics_are_due_early_regularly_and_at_the_end() -> None:
    assert measured(20, 20) == [1, 2, 4, 8, 15, 16, 20, 30, 40]
    assert [s for s in range(1, 41) if logarithmic(s, 20)] == [1, 2, 4, 8, 16]


def test_epochs_shorter_than_the_interval_are_measured_at_their_ends() -> None:
    assert measured(10, 10) == [1, 2, 4, 8, 10, 20, 30, 40]


def test_a_smaller_last_batch_is_never_measured() -> None:
    assert measured(10, 9) == [1, 2, 4, 8, 9, 19, 29, 39]
    assert measured(8, 7) == [1, 2, 4, 7, 15, 23, 31, 39]  # 8 is a power of 2
    assert measured(20, 19, every=10) == [1, 2, 4, 8, 10, 16, 19, 30, 39]
    assert measured(2, 1) == [*range(1, 41, 2)]
    assert measured(1, 1) == [*range(1, 41)]


def test_the_interval_keeps_the_share_by_a_model_of_cost() -> None:
    made = net()
    step = [made.cost, *made.new.values(), *made.watch.counters.values()]
    every = interval(step, made.watch.observers.values())
    own = set(topological(step))
    per_step = sum(map(price, own))
    extra = sum(
        price(n) for n in topological(made.watch.observers.values()) if n not in own
    )
    assert extra / every <= 0.05 * per_step < extra / (every - 1)
    assert interval(step, []) == 1


def test_prices() -> None:
    x = leaf("input", "x", (100, 200), "float32")
    w = leaf("input", "w", (200, 50), "float32")
    assert price(x) == 0.0 and price(ops.transpose(x)) == 0.0
    assert price(x + x) == pytest.approx(1e-6 + 0.3e-9 * 20_000)
    assert price(ops.sum(x)) == price(x + x)
    assert price(x @ w) == pytest.approx(1e-6 + 0.02e-9 * 2 * 100 * 200 * 50)
    assert price(ops.summary(x)) == pytest.approx(20e-6 + 8 * 0.3e-9 * 20_000)


def test_a_loop_costs_what_its_rounds_cost() -> None:
    start = leaf("input", "start", (4, 5), "float64")
    x = leaf("input", "x", (30, 4, 5), "float64")
    (end,), _ = ops.scan(lambda c, s: ([ops.tanh(c[0] + s[0])], []), [start], [x])
    (loop,) = (n for n in topological([end]) if n.op.name == "scan")
    assert price(loop) == pytest.approx(30 * 2 * (1e-6 + 0.3e-9 * 20))


# ---------------------------------------------------------------- heads and positions


def test_openness_of_heads_is_mean_over_rows_and_queries() -> None:
    """A head that sees one place alone has none, one that sees all alike 1 - 1/S."""
    weights = np.zeros((2, 3, 4, 5))  # (N, H, T, S)
    weights[:, 0, :, 2] = 1.0
    weights[:, 1] = 0.2
    weights[0, 2, :, 0] = 1.0
    weights[1, 2] = 0.2
    raw = leaf("input", "a", weights.shape, "float64")
    a = (raw * 1.0).named("attention", role="attention", unit_axis=1)
    cost = ops.mean(ops.square(a))
    watch = statistics.watch(cost, {}, [], neurons={}, new_values={})
    assert [node.name for node in statistics.attentions(cost)] == ["attention"]
    (name,) = [name for name in watch.observers if name.startswith("slope/")]
    found = evaluate([watch.observers[name]], {raw: weights})
    assert found[watch.observers[name]] == pytest.approx([0.0, 0.8, 0.4])
    assert list(watch.slopes({name: np.zeros(3)})) == [a.path]


def test_positions_are_what_a_unit_has_of_an_example() -> None:
    def z(shape: tuple[int, ...], axis: int, name: str) -> Node:
        found = leaf("input", "x", shape, "float64") * 1.0
        return found.named(name, role="pre_activation", unit_axis=axis)

    nodes = [
        z((5, 3), -1, "dense"),
        z((5, 3, 4, 6), 1, "channels"),
        z((5, 7, 3), -1, "steps"),
    ]
    assert statistics.positions(nodes) == {"dense": 1, "channels": 24, "steps": 7}
