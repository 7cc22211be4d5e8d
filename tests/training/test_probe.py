"""The probe: what it measures when, and what it makes of an epoch."""

from __future__ import annotations

import numpy as np
import pytest

from nettrain.data import Part
from nettrain.diagnose import Evidence
from nettrain.nn import (
    BatchNorm,
    Conv2d,
    CrossEntropy,
    Dense,
    Dropout,
    Flatten,
    Layer,
    MeanSquaredError,
    ReLU,
)
from nettrain.nn.initializers import Constant
from nettrain.optim import SGD, Adam, AdamW, Optimizer, RMSprop
from nettrain.training.events import EpochEnded, Measured
from nettrain.training.metrics import R2, Accuracy
from nettrain.training.settings import Stop
from tests.training.conftest import Start, Started, parts


def measured(started: Started) -> list[dict]:
    return [dict(r) for e in started.events if isinstance(e, Measured) for r in e.rows]


def test_moments_have_rows_in_the_first_epoch_then_epochs(start: Start) -> None:
    run = start(epochs=3)
    run.loop.run()
    found = measured(run)
    nodes = {row["node"] for row in found}
    assert [row["step"] for row in found] == [
        step for step in (1, 2, 4, 8, 12) for _ in nodes
    ]
    roles = {row["node"]: row["role"] for row in found}
    assert roles["model/dense1/pre_activation"] == "pre_activation"
    assert roles["model/dense2/bias"] == "parameter"


def test_the_row_of_an_epoch_is_the_mean_of_its_moments(start: Start) -> None:
    """Every 3 steps and at the last full batch: in epoch 2 at the steps 6 and 7.

    Step 8 has the 6 rows that are left over.
    """
    run = start(epochs=2)
    seen: dict[int, float] = {}
    probe = run.loop._probe
    assert probe is not None
    real = probe.measure

    def measure(step: int, epoch: int, outputs: dict[str, np.ndarray]) -> object:
        seen[step] = float(outputs["ratio/model/dense1/weight"])
        return real(step, epoch, outputs)

    probe.measure = measure  # type: ignore[assignment,method-assign]
    run.loop.run()
    assert list(seen) == [1, 2, 3, 6, 7]
    last = [row for row in measured(run) if row["node"] == "model/dense1/weight"][-1]
    assert last["update_ratio"] == np.mean([seen[6], seen[7]])


@pytest.mark.parametrize(("batch_size", "full"), [(8, 3), (15, 2), (64, 1)])
def test_full_updates_of_an_epoch(start: Start, batch_size: int, full: int) -> None:
    """Of 30 rows; where none is full all are measured."""
    assert start(epochs=2, batch_size=batch_size).loop._plan.full_steps == full


def test_a_run_that_ends_within_an_epoch_is_measured_there(start: Start) -> None:
    run = start(steps=5)
    run.loop.run()
    assert evidence(run).steps.tolist() == [4, 5]
    assert np.isfinite(evidence(run).delta_rms).all()


def test_a_node_knows_its_positions(start: Start) -> None:
    data = {
        name: Part(part.inputs.reshape(-1, 1, 2, 2), part.targets, part.rows)
        for name, part in parts().items()
    }
    run = start([Conv2d(3, size=1), Flatten(), Dense(2)], data=data, epochs=1)
    assert [z.positions for z in evidence(run).nodes] == [4, 1]


def test_a_batch_of_two_rows_is_no_measure_of_a_normalization(start: Start) -> None:
    """It makes +1 and -1 of them, and lets hardly any gradient through."""

    def block() -> list[Layer]:
        return [Dense(6, activation="none"), BatchNorm(), ReLU()]

    data, random = parts(), np.random.default_rng(0)
    inputs = random.normal(size=(34, 4)).astype(np.float32)
    targets = (inputs[:, 0] + inputs[:, 1] > 0).astype(np.int64)
    data["train"] = Part(inputs, targets, np.arange(34))
    run = start([*block(), *block(), Dense(2)], data=data, batch_size=16, epochs=3)
    run.loop.run()
    delta = evidence(run).delta_rms
    assert (delta > 0.02 * delta[:, -1:]).all()


def test_dead_units_by_layer_and_epoch(start: Start) -> None:
    bias = Constant(-1e3)
    run = start([Dense(6, activation="relu", bias_init=bias), Dense(2)], epochs=3)
    run.loop.run()
    probe = run.loop._probe
    assert probe is not None
    (layer, dead), *_ = probe.dead_units().items()
    assert layer == "dense1" and dead.shape == (3, 6) and dead.all()
    ids = [found.id for found in probe.findings(final=True)]
    assert ids[0] == "A1" and "G1" in ids


def test_an_epoch_cut_short_counts_its_own_rows(start: Start) -> None:
    """20 of 30 rows were seen in epoch 2: shares are of these."""
    bias = Constant(1e3)
    run = start([Dense(6, activation="relu", bias_init=bias), Dense(2)], steps=6)
    run.loop.run()
    probe = run.loop._probe
    assert probe is not None
    (units,) = probe.evidence.units.values()
    np.testing.assert_array_equal(units.positive, np.ones((2, 6)))


# ---------------------------------------------------------------- the evidence


def evidence(run: Started) -> Evidence:
    probe = run.loop._probe
    assert probe is not None
    return probe.evidence


def test_losses_and_scores_are_those_of_the_row(start: Start) -> None:
    run = start(epochs=3, metrics=[Accuracy()])
    run.loop.run()
    ends = [e.metrics for e in run.events if isinstance(e, EpochEnded)]
    found = evidence(run)
    for name, column in {
        "loss": "train/epoch_loss",
        "validation_loss": "validation/loss",
        "score": "train/accuracy",
        "validation_score": "validation/accuracy",
    }.items():
        assert getattr(found, name).tolist() == [row[column] for row in ends], name
    assert found.recall.shape == (3, 2)
    assert (found.score_error >= 0.1 / np.sqrt(10)).all()
    silent = start(epochs=3)
    silent.loop.run()
    assert np.array_equal(evidence(silent).score, found.score), "without the metric"


def test_labels_that_the_loss_ignores_have_no_recall(start: Start) -> None:
    run = start(epochs=8, loss=CrossEntropy(ignore=1), metrics=[Accuracy()])
    run.loop.run()
    found = evidence(run)
    assert np.isnan(found.recall[:, 1]).all()
    assert found.recall[-1, 0] == found.score[-1] == 1.0
    last = [e.metrics for e in run.events if isinstance(e, EpochEnded)][-1]
    assert last["train/accuracy"] == last["validation/accuracy"] == 1.0


def test_a_regression_is_scored_by_the_variance_it_explains(start: Start) -> None:
    data = parts()
    for name, part in data.items():
        data[name] = Part(part.inputs, part.inputs[:, :1] * 2, part.rows)
    layers = [Dense(1)]
    run = start(layers, loss=MeanSquaredError(), data=data, epochs=2, metrics=[R2()])
    run.loop.run()
    last = [e.metrics for e in run.events if isinstance(e, EpochEnded)][-1]
    found = evidence(run)
    assert found.score[-1] == pytest.approx(last["train/r2"])
    assert found.validation_score[-1] == pytest.approx(last["validation/r2"])
    assert found.recall.shape == (2, 0)


def test_without_validation_there_are_no_scores_of_it(start: Start) -> None:
    run = start(data={"train": parts()["train"]}, epochs=2)
    run.loop.run()
    found = evidence(run)
    assert np.isfinite(found.score).all()
    for name in ("validation_loss", "validation_score", "score_error", "recall"):
        assert np.isnan(getattr(found, name)).all(), name
    assert found.recall.shape == (2, 2)


def one_update(
    start: Start, optimizer: Optimizer, layers: list[Dense] | None = None
) -> tuple[Evidence, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Evidence of a single update, and the weights before and after it."""
    run = start(layers, optimizer=optimizer, steps=1)
    before = run.weights()
    run.loop.run()
    return evidence(run), before, run.weights()


def norms(weights: dict[str, np.ndarray]) -> list[float]:
    return [float(np.linalg.norm(w.astype(np.float64))) for w in weights.values()]


def test_every_parameter_has_its_norms(start: Start) -> None:
    found, before, after = one_update(start, SGD(0.1, momentum=0.9))
    assert found.parameters == tuple(before)
    change = norms({path: after[path] - w for path, w in before.items()})
    assert found.update_norm[0] == pytest.approx(change)
    assert found.weight_norm[0] == pytest.approx(norms(before), rel=1e-5)
    assert found.gradient_norm[0] == pytest.approx(np.array(change) / 0.1, rel=1e-4)
    assert found.matrices.tolist() == [True, False, True, False]
    which = found.matrices
    ratios = np.array(change)[which] / np.array(norms(before))[which]
    assert found.update_ratio[0, which] == pytest.approx(ratios, rel=1e-5)


def test_updates_are_those_of_the_rule_without_a_decoupled_decay(start: Start) -> None:
    plain, *_ = one_update(start, AdamW(0.01, weight_decay=0.0))
    found, before, after = one_update(start, AdamW(0.01, weight_decay=20.0))
    assert found.update_norm == pytest.approx(plain.update_norm, rel=1e-5)
    ratios = (found.update_ratio, plain.update_ratio)
    assert ratios[0] == pytest.approx(ratios[1], rel=1e-5, nan_ok=True)
    whole = norms({path: after[path] - w for path, w in before.items()})
    assert whole[0] > 1.2 * found.update_norm[0, 0]


@pytest.mark.parametrize("decay", ["weight_l2", "weight_decay"])
def test_gradients_are_those_of_the_loss_alone(start: Start, decay: str) -> None:
    inner = 5.0 if decay == "weight_l2" else 0.0
    outer = 5.0 if decay == "weight_decay" else 0.0
    layers = [Dense(6, weight_l2=inner), Dense(2)]
    found, *_ = one_update(start, SGD(0.01, weight_decay=outer), layers)
    plain, *_ = one_update(start, SGD(0.01), [Dense(6), Dense(2)])
    assert found.gradient_norm == pytest.approx(plain.gradient_norm, rel=1e-5)
    assert found.update_norm[0, 0] > 1.2 * plain.update_norm[0, 0]


@pytest.mark.parametrize(
    ("optimizer", "low", "high"),
    [
        (SGD(0.1), -1.001, -0.999),
        (SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.5), -1.001, -0.999),
        (Adam(0.01), -1.0, -0.4),
        (Adam(0.01, weight_decay=1.0), -1.0, -0.4),
        (AdamW(0.01, weight_decay=20.0), -1.0, -0.4),
        (RMSprop(0.01), -1.0, -0.4),
        (SGD(0.1, maximize=True), 0.999, 1.001),
        (Adam(0.01, maximize=True), 0.4, 1.0),
        (AdamW(0.01, weight_decay=20.0, maximize=True), 0.4, 1.0),
    ],
)
def test_descent_and_ascent(
    start: Start, optimizer: Optimizer, low: float, high: float
) -> None:
    found, *_ = one_update(start, optimizer)
    assert low <= found.ascent <= high


def test_the_ascent_is_that_of_the_first_update(start: Start) -> None:
    once, more = start(steps=1), start(epochs=3)
    assert np.isnan(evidence(once).ascent)
    for run in (once, more):
        run.loop.run()
    assert evidence(once).ascent == evidence(more).ascent


def test_slopes_are_means_over_the_epoch(start: Start) -> None:
    layers = [Dense(5, activation="tanh", bias_init=Constant(30.0)), Dense(2)]
    run = start(layers, epochs=2)
    run.loop.run()
    ((path, slopes),) = evidence(run).slopes.items()
    assert path == "model/dense1/pre_activation"
    assert slopes.shape == (2, 5) and np.all(slopes < 1e-6)


def test_the_deviation_of_every_pre_activation(start: Start) -> None:
    run = start(batch_size=30, steps=1)
    network = run.loop.network
    rows = run.loop._plan.batch(1)
    expected = network.outputs(run.loop._plan.parts["train"].inputs[rows], 30).std()
    run.loop.run()
    assert evidence(run).std.shape == (1, 2)
    assert evidence(run).std[0, 1] == pytest.approx(expected, rel=1e-5)


# ---------------------------------------------------------------- spikes


def spiked() -> dict[str, Part]:
    """30 rows, the last of them far from the others."""
    data = parts()
    inputs = data["train"].inputs.copy()
    inputs[29] *= 500
    data["train"] = Part(inputs, data["train"].targets, data["train"].rows + 100)
    return data


def test_a_spike_names_its_update_and_its_rows(start: Start) -> None:
    run = start([Dense(2)], optimizer=SGD(1e-6), data=spiked(), batch_size=2, epochs=4)
    run.loop.run()
    found = evidence(run)
    assert np.isnan(found.spike[0]).all() and (found.spike_rows[0] == -1).all()
    for check in (1, 2, 3):
        step, norm, median, height = found.spike[check]
        assert check * 15 < step <= (check + 1) * 15
        rows = found.spike_rows[check]
        assert 129 in rows and (rows[2:] == -1).all()
        expected = run.loop._plan.parts["train"].rows[run.loop._plan.batch(int(step))]
        assert rows[:2].tolist() == expected.tolist()
        assert norm > 20 * median > 0 and height > 6


def test_spikes_survive_a_checkpoint_in_the_middle(start: Start) -> None:
    whole = start([Dense(2)], data=spiked(), batch_size=2, epochs=9)
    whole.loop.run()
    calls = iter(range(1000))
    part = start(
        [Dense(2)],
        data=spiked(),
        batch_size=2,
        epochs=9,
        plan={"interrupted": lambda: next(calls) == 127},
    )
    part.loop.run()
    again = start([Dense(2)], data=spiked(), batch_size=2, epochs=9)
    again.loop.restore({k: v.copy() for k, v in part.loop.tensors().items()})
    again.loop.run()
    expected = evidence(whole)
    assert np.isfinite(expected.spike[2:]).all()
    np.testing.assert_array_equal(evidence(again).spike, expected.spike)
    np.testing.assert_array_equal(evidence(again).spike_rows, expected.spike_rows)
    kept = again.loop.tensors()["diagnosis/norms"]
    assert len(kept) == 100 + 15, "those before the epoch, and its own"


# ---------------------------------------------------------------- ends


def test_a_broken_epoch_is_judged_by_what_was_seen(start: Start) -> None:
    """4 updates an epoch; the second one of epoch 3 cannot be made."""
    run = start(epochs=3)
    probe = run.loop._probe
    assert probe is not None
    seen: list[Evidence] = []
    probe._judge = lambda given: seen.append(given) or []  # type: ignore[func-returns-value]
    bad = run.loop._plan.batch(10)
    real = run.loop.network.train

    def train(inputs: np.ndarray, *given: object) -> object:
        if given[2] == 10:
            inputs = inputs * np.float32(np.nan)
        return real(inputs, *given)  # type: ignore[arg-type]

    run.loop.network.train = train  # type: ignore[method-assign,assignment]
    outcome = run.loop.run()
    assert (outcome.status, outcome.step) == ("diverged", 9)
    last = seen[-1]
    assert last.steps.tolist() == [4, 8, 9] and last.epochs.tolist() == [1, 2, 3]
    assert last.loss[-1] == last.losses[-1]
    assert np.isnan(last.score[-1]) and np.isfinite(last.delta_rms[-1]).all()
    (units,) = last.units.values()
    assert units.positive.shape == (3, 6) and units.arrived[-1].any()
    assert len(last.before(10).loss) == 3 and len(last.whole_epochs().loss) == 2
    assert last.finished and last.blame is not None and len(bad) == 8
    kept = run.loop.tensors()["diagnosis/evidence/steps"]
    assert kept.tolist() == [4, 8], "no checkpoint has a part of an epoch"


@pytest.mark.parametrize("epochs", [1, 3])
def test_nothing_was_seen_of_an_epoch_that_never_began(
    start: Start, epochs: int
) -> None:
    """Also where the first epoch was the last."""
    run = start(optimizer=SGD(1e39), epochs=epochs, batch_size=30)
    probe = run.loop._probe
    assert probe is not None
    seen: list[Evidence] = []
    probe._judge = lambda given: seen.append(given) or []  # type: ignore[func-returns-value]
    run.loop.run()
    assert seen[-1].steps.tolist() == [1] and seen[-1].blame is not None


def test_an_epoch_in_which_nothing_was_measured(start: Start) -> None:
    """An epoch that the clock cuts short before anything was measured in it."""
    run = start(
        [Dense(6, activation="tanh"), Dropout(0.5), Dense(2)],
        epochs=9,
        stop=Stop(minutes=60.0),
        plan={"stopped_at": 5},
    )
    run.loop.run()
    found = evidence(run)
    assert found.steps.tolist() == [4, 5]
    assert np.isnan(found.std[1]).all() and np.isnan(found.update_norm[1]).all()
    ((_, slopes),) = found.slopes.items()
    assert slopes.shape == (2, 6) and np.isnan(slopes[1]).all()
