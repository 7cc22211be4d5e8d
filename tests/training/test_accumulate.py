"""Updates made of several batches are those of one large batch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nettrain import optim
from nettrain.data import Part
from nettrain.diagnose.evidence import Blame
from nettrain.execute import executor
from nettrain.nn import (
    BatchNorm,
    Conv2d,
    CrossEntropy,
    Dense,
    Dropout,
    Flatten,
    Layer,
    Loss,
    MeanSquaredError,
    Reshape,
    Sequential,
)
from nettrain.optim import SGD, Adam, Optimizer
from nettrain.training.blame import blame
from nettrain.training.network import CompiledStep, Network
from nettrain.training.programs import Recipe, batches, trace_step
from tests.training.conftest import Start, parts

B, K, ROWS = 4, 3, 22
"""Updates of 12 rows in batches of 4; the last one's 10 rows are 2, 4 and 4."""
DENSE = [Dense(5, activation="tanh", weight_l2=0.1), Dense(2)]


def network(
    layers: list[Layer],
    accumulate: int = K,
    batch: int = B,
    optimizer: Optimizer | None = None,
    loss: Loss | None = None,
    runner: str = "numpy",
    **more: Any,
) -> Network:
    recipe = Recipe(
        Sequential(layers),
        loss or CrossEntropy(),
        optimizer or Adam(0.05),
        inputs=(4,),
        targets=(2,) if loss else (),
        targets_dtype="float64" if loss else "int64",
        outputs=2,
        dtype="float64",
        accumulate=accumulate,
        **more,
    )
    return Network(recipe, executor(runner), batch)


def data(loss: Loss | None = None) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(1)
    y = random.integers(0, 2, ROWS)
    x = random.normal(size=(ROWS, 4)) + y[:, None]
    return x, random.normal(size=(ROWS, 2)) if loss else y


def trained(net: Network, epochs: int = 3, loss: Loss | None = None) -> list[float]:
    """Two updates an epoch; the loss and the gradient's norm of each."""
    x, y = data(loss)
    told, step = [], 0
    for _ in range(epochs):
        for rows in (slice(0, B * K), slice(B * K, ROWS)):
            step += 1
            made = net.train(x[rows], y[rows], 0.05, step, full=step % 2 == 1)
            assert made.committed
            told += [float(made.outputs[n]) for n in ("loss", "gradient_norm")]
    return told


def same(one: Network, other: Network, tolerance: float = 1e-12) -> None:
    for path, value in other.tensors().items():
        if not path.startswith("diagnosis/"):
            mine = one.tensors()[path]
            np.testing.assert_allclose(mine, value, tolerance, tolerance, err_msg=path)


# ---------------------------------------------------------------- what it is equal to


@pytest.mark.parametrize(
    ("layers", "more"),
    [
        (DENSE, {}),
        (DENSE, {"optimizer": optim.SGD(0.1, momentum=0.9), "clip_norm": 0.3}),
        (DENSE, {"optimizer": optim.AdamW(weight_decay=0.1), "clip_value": 0.02}),
        (DENSE, {"optimizer": optim.ExponentialAverage(), "diagnose": False}),
        (DENSE, {"loss": MeanSquaredError(), "runner": "reference"}),
        ([Reshape((1, 2, 2)), Conv2d(3, 2), Flatten(), Dense(2)], {}),
    ],
    ids=["adam", "sgd clipped", "adamw", "average", "mse", "conv"],
)
def test_one_large_batch(layers: list[Layer], more: dict[str, Any]) -> None:
    one, other = network(layers, **more), network(layers, 1, B * K, **more)
    loss = more.get("loss")
    told = trained(one, loss=loss)
    np.testing.assert_allclose(told, trained(other, loss=loss), rtol=1e-12)
    same(one, other)


def test_an_update_of_one_batch_is_one_batch() -> None:
    one, other = network(DENSE), network(DENSE, 1)
    x, y = data()
    for rows in (B, 3):  # a full one, and a smaller
        for net in (one, other):
            net.train(x[:rows], y[:rows], 0.1, 1)
    same(one, other)


def test_batches_of_an_update() -> None:
    recipe, y = network(DENSE).recipe, np.zeros(12, np.int64)
    assert [(b.where, b.number) for b in batches(recipe, y, 4, 2)] == [
        (slice(0, 4), 4), (slice(4, 8), 5), (slice(8, 12), 6),
    ]  # fmt: skip
    short = batches(recipe, y[:9], 4, 1)
    assert [(b.size, b.number) for b in short] == [(1, 1), (4, 2), (4, 3)]
    assert [b.share for b in short] == pytest.approx([1 / 9, 4 / 9, 4 / 9])
    assert [(b.size, b.number) for b in batches(recipe, y[:3], 4, 2)] == [(3, 6)]
    alone = network(DENSE, 1).recipe
    assert [(b.size, b.number) for b in batches(alone, y[:9], 4, 5)] == [(9, 5)]


@pytest.mark.parametrize("unlike", [{"class_weights": (1.0, 7.0)}, {"ignore": 1}])
def test_rows_that_weigh_unlike_are_one_mean(unlike: dict[str, Any]) -> None:
    """Σ w·l / Σ w over the update, though batches have other shares of each class."""
    loss = CrossEntropy(**unlike)
    one, other = (
        Network(replace(net.recipe, loss=loss), executor("numpy"), size)
        for net, size in ((network(DENSE), B), (network(DENSE, 1), B * K))
    )
    x, y = data()
    y = np.sort(y)[4:]  # the first batch knows only the first class
    for step in (1, 2):
        for net in (one, other):
            assert net.train(x[: B * K], y[: B * K], 0.05, step).committed
    same(one, other)


# ---------------------------------------------------------------- batch by batch


def test_every_batch_has_a_mask_of_its_own() -> None:
    layers = [Dense(8), Dropout(0.5), Dense(2)]
    one, single = network(layers, accumulate=2), network(layers, accumulate=1)
    x, y = data()
    twice = np.concatenate([x[:B], x[:B]]), np.concatenate([y[:B], y[:B]])
    alone = []
    for n in (5, 6):
        made = single.gradient(x[:B], y[:B], n).outputs
        alone.append({name: value.copy() for name, value in made.items()})
    assert float(alone[0]["loss"]) != float(alone[1]["loss"])
    found = one.gradient(*twice, 3).outputs
    for name, value in found.items():
        mean = (alone[0][name] + alone[1][name]) / 2
        np.testing.assert_allclose(value, mean, rtol=1e-12)
    made = one.train(*twice, 0.1, 3)
    assert float(made.outputs["loss"]) == pytest.approx(float(found["loss"]))


def test_running_averages_take_every_batch() -> None:
    net, single = network([BatchNorm(), Dense(2)]), network([BatchNorm(), Dense(2)], 1)
    x, y = data()
    net.train(x[: B * K], y[: B * K], 0.0, 1)
    for i in range(K):
        single.train(x[i * B :][:B], y[i * B :][:B], 0.0, 1 + i)
    path = "model/batch_norm1/running_mean"
    np.testing.assert_allclose(net.state[path], single.state[path], rtol=1e-12)


def test_statistics_of_parameters_are_the_updates() -> None:
    layers = [Dense(5, activation="relu"), Dense(2)]
    one, other = network(layers), network(layers, 1, B * K)
    x, y = data()
    x, y = x[: B * K], y[: B * K]
    found = one.train(x, y, 0.1, 1, full=True).outputs
    large = other.train(x, y, 0.1, 1, full=True).outputs
    assert found.keys() == large.keys()
    for name, value in large.items():
        if name.startswith(("change/", "ratio/", "ascent")) or "/weight" in name:
            np.testing.assert_allclose(found[name], value, 1e-9, 1e-12, err_msg=name)
    z = "value/model/dense1/pre_activation"
    last = network(layers, 1).train(x[-B:], y[-B:], 0.1, 1, full=True).outputs
    np.testing.assert_allclose(found[z], last[z], 1e-12)
    counter = "diagnosis/arrive/model/dense1/pre_activation"
    np.testing.assert_allclose(one.state[counter], K * other.state[counter], 1e-9)


def test_the_last_batch_alone_is_summarized(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, compiled = [], Network.compiled

    def noted(net: Network, batch: int, full: bool) -> CompiledStep:
        seen.append((batch, full))
        return compiled(net, batch, full)

    monkeypatch.setattr(Network, "compiled", noted)
    x, y = data()
    network(DENSE).train(x[:10], y[:10], 0.1, 1, full=True)
    assert seen == [(2, False), (4, False), (4, True)]


def test_weights_do_not_depend_on_the_diagnosis(start: Start) -> None:
    runs = [
        start(DENSE, epochs=3, accumulate=2, diagnosed=diagnosed)
        for diagnosed in (True, False)
    ]
    for run in runs:
        assert run.loop.run().status == "finished"
        assert run.loop.step == 6  # of 30 rows, in updates of 16 and 14
    for path, value in runs[1].weights().items():
        assert runs[0].weights()[path].tobytes() == value.tobytes(), path


def test_sums_are_no_part_of_what_is_saved() -> None:
    net = network(DENSE)
    trained(net, 1)
    assert any(path.startswith("accumulated/") for path in net.state)
    assert not any("accumulated" in path for path in net.tensors())
    again = network(DENSE, seed=5)
    again.train(*(a[: B * K] for a in data()), 0.1, 1)
    again.restore(net.tensors())
    trained(net), trained(again)
    for path, value in net.tensors().items():
        assert again.tensors()[path].tobytes() == value.tobytes(), path


def test_the_programs_are_those_of_a_small_batch() -> None:
    layers: list[Layer] = [Dense(400, activation="tanh") for _ in range(4)]
    one = network([*layers, Dense(2)], K, 300).recipe
    other = network([*layers, Dense(2)], 1, 300 * K).recipe
    runner = executor("numpy")
    step = trace_step(one, 300)
    assert step.ending
    parts = [runner.nbytes(part) for part in (step.definition, step.ending)]
    print(
        parts,
        runner.nbytes(trace_step(other, 300 * K).definition),
        runner.nbytes(trace_step(other, 300).definition),
    )
    small, large = (runner.nbytes(trace_step(other, n).definition) for n in (300, 900))
    assert sum(parts) < small < 0.5 * large


# ---------------------------------------------------------------- what is not finite


def bad(row: int, value: float) -> dict[str, Part]:
    """The data in their order, with another value in all columns of one row."""
    made = parts()
    inputs = made["train"].inputs.copy()
    inputs[row] = value
    made["train"] = Part(inputs, made["train"].targets, made["train"].rows + 100)
    return made


LAYERS = [Dense(6), BatchNorm(), Dense(2)]


@pytest.mark.parametrize("runner", ["numpy", "reference"])
@pytest.mark.parametrize("row", [2, 9, 17])
def test_nothing_is_changed_and_the_batch_is_named(
    start: Start, row: int, runner: str
) -> None:
    """Of the second of 24 rows' batches of 8, first, second and third are bad."""
    net = start(LAYERS, accumulate=3, runner=runner, epochs=1).loop.network
    train = bad(row, np.nan)["train"]
    good = parts()["train"]
    assert net.train(good.inputs[:24], good.targets[:24], 0.1, 1).committed
    before = {path: value.tobytes() for path, value in net.tensors().items()}
    inputs, targets = train.inputs[:24], train.targets[:24]
    made = net.train(inputs, targets, 0.1, 2)
    assert not made.committed and np.isnan(made.outputs["loss"])
    found = blame(net, inputs, targets, 0.1, 2, 1, train.rows[:24])
    assert isinstance(found, Blame) and found.reproduced
    assert (found.operation, found.rows) == ("input", (100 + row,))
    after = {path: value.tobytes() for path, value in net.tensors().items()}
    assert after == before
    assert net.train(good.inputs[:24], good.targets[:24], 0.1, 2).committed


def test_a_loss_of_an_earlier_batch_alone_is_not_finite() -> None:
    """Squares overflow, and what comes back of them does not."""
    net = network([Dense(2)], loss=MeanSquaredError())
    x, y = data(MeanSquaredError())
    y[0] = 1e200
    made = net.train(x[: B * K], y[: B * K], 0.1, 1)
    assert not made.committed and np.isinf(made.outputs["loss"])
    slopes = dict(net.gradient(x[: B * K], y[: B * K], 1).outputs)
    assert np.isinf(slopes.pop("loss"))
    assert all(np.all(np.isfinite(slope)) for slope in slopes.values())
    found = blame(net, x[: B * K], y[: B * K], 0.1, 1, 1, np.arange(B * K))
    assert (found.operation, found.rows) == ("square", (0,))


@pytest.mark.parametrize(
    ("row", "operation"),
    [
        ((1e300, 1e10), "matmul"),  # a gradient of 1e310
        ((1e120, 1e100), "state"),  # the square of one of 1e220
    ],
)
def test_what_comes_back_is_not_finite(
    row: tuple[float, float], operation: str
) -> None:
    net = network([Dense(2)], optimizer=SGD(0.1), loss=MeanSquaredError())
    net.state["model/dense1/weight"].fill(0)
    x, y = data(MeanSquaredError())
    x[1], y[1] = row
    x, y = x[: B * K], y[: B * K]
    assert not net.train(x, y, 0.1, 1).committed
    found = blame(net, x, y, 0.1, 1, 1, np.arange(B * K))
    assert (found.direction, found.layer) == ("backward", "dense1")
    assert (found.operation, found.rows) == (operation, ())


@pytest.mark.parametrize("action", ["skip", "stop"])
def test_a_run_names_the_row_of_an_early_batch(start: Start, action: str) -> None:
    run = start(
        data=bad(3, np.nan), accumulate=2, epochs=2, on_nonfinite=action,
        plan={"shuffle": False},
    )  # fmt: skip
    outcome = run.loop.run()
    probe = run.loop._probe
    assert probe is not None
    evidence = probe.evidence
    assert outcome.status == ("diverged" if action == "stop" else outcome.status)
    found = evidence.blame if action == "stop" else evidence.survived.blame  # type: ignore[union-attr]
    assert found is not None and found.rows == (103,)
    assert (found.step, found.operation) == (1, "input")
