"""Both modes of the final network, and the noise of its gradients."""

from __future__ import annotations

import numpy as np
import pytest

from nettrain.data import Part
from nettrain.diagnose.evidence import Modes
from nettrain.nn import BatchNorm, Dense, Dropout, Layer, MeanSquaredError
from nettrain.training.modes import modes, noise_scale
from nettrain.training.network import Network
from nettrain.training.settings import Stop
from tests.training.conftest import Start, Started, parts

LAYERS = [Dense(6, weight_l2=0.5), BatchNorm(), Dropout(0.5), Dense(2)]


def evidence(run: Started) -> Modes:
    probe = run.loop._probe
    assert probe is not None and probe.evidence.modes is not None
    return probe.evidence.modes


@pytest.mark.parametrize("runner", ["numpy", "reference"])
def test_nothing_is_changed(start: Start, runner: str) -> None:
    run = start(LAYERS, epochs=2, runner=runner)
    run.loop.run()
    before = run.loop.tensors()
    before = {path: value.tobytes() for path, value in before.items()}
    again = modes(run.loop.network, run.loop._plan)
    assert again == evidence(run), "the same once more"
    after = {path: value.tobytes() for path, value in run.loop.tensors().items()}
    assert after == before


def test_a_network_that_is_the_same_in_both_modes(start: Start) -> None:
    run = start([Dense(6, activation="tanh", weight_l2=0.5), Dense(2)], epochs=2)
    run.loop.run()
    found = evidence(run)
    assert found.training == pytest.approx(found.prediction, rel=1e-6)
    losses = []
    train = run.loop._plan.parts["train"]
    for number in (1, 2, 3):  # the fourth batch is no full one
        rows = run.loop._plan.batch(number)
        outputs = run.loop.network.outputs(train.inputs[rows], 8)
        losses.append(run.loop.network.score(outputs, train.targets[rows])[0])
    assert found.prediction == pytest.approx(np.mean(losses))


@pytest.mark.parametrize("layer", [Dropout(0.8), BatchNorm()])
def test_a_network_that_is_not(start: Start, layer: Layer) -> None:
    run = start([Dense(6), layer, Dense(2)], epochs=2)
    run.loop.run()
    found = evidence(run)
    assert abs(np.log(found.training / found.prediction)) > 0.01


def test_the_best_weights_are_looked_at_where_these_are_the_result(
    start: Start,
) -> None:
    stop = Stop(goal="max", restore_best=True)  # the first epoch is the worst
    run = start(epochs=6, stop=stop)
    run.loop.run()
    once = start(epochs=1)
    once.loop.run()
    assert evidence(run) == evidence(once)
    assert not np.array_equal(
        run.state["model/dense1/weight"], once.state["model/dense1/weight"]
    )


def test_no_modes_where_it_did_not_come_to_an_end(start: Start) -> None:
    data = parts()
    inputs = data["train"].inputs.copy()
    inputs[3] = np.nan
    data["train"] = Part(inputs, data["train"].targets, data["train"].rows)
    broken = start(epochs=2, data=data)
    stopped = start(epochs=2, plan={"interrupted": lambda: True})
    for run in (broken, stopped):
        run.loop.run()
        assert run.loop._probe is not None
        assert run.loop._probe.evidence.modes is None


# ---------------------------------------------------------------- noise


def test_the_noise_scale_of_a_known_gradient() -> None:
    """Gradients of mean G and variance tr Σ = 12 in rows of 3 numbers."""
    random = np.random.RandomState(0)
    mean = np.array([1.0, 2.0, -2.0])
    size, count = 4, 4000
    batches = mean + random.randn(count, 3) * 2.0 / np.sqrt(size)
    small = (batches**2).sum(axis=1).mean()
    large = (batches.mean(axis=0) ** 2).sum()
    assert noise_scale(small, large, size, count) == pytest.approx(12 / 9, rel=0.05)


def test_estimates_are_right_on_the_average() -> None:
    """Without a signal, |G|² is estimated as often below 0 as above."""
    random = np.random.RandomState(0)
    signs = []
    for _ in range(400):
        batches = random.randn(5, 200)
        found = noise_scale(
            (batches**2).sum(axis=1).mean(), (batches.mean(axis=0) ** 2).sum(), 1, 5
        )
        signs.append(np.isfinite(found))
    assert 0.4 < np.mean(signs) < 0.6


def test_the_estimate_and_what_cannot_be_estimated() -> None:
    # b = 8, B = 16: (2 B - 3 b) / 8 = 1 and (3 - 2) / (1/8 - 1/16) = 16.
    assert noise_scale(3.0, 2.0, size=8, count=2) == 16.0
    assert np.isnan(noise_scale(1.0, 1.0, 8, 1))
    assert np.isnan(noise_scale(0.0, 0.0, 8, 5))
    assert noise_scale(1.0, 1.0, 8, 5) == 0.0, "all batches agree"
    assert noise_scale(1.0, 0.2, 8, 5) == np.inf


def test_the_noise_of_a_network_is_that_of_its_gradients(start: Start) -> None:
    """A linear regression of one weight and no bias, by hand."""
    random = np.random.RandomState(0)
    x = random.randn(24, 1).astype(np.float32)
    y = (3 * x + random.randn(24, 1)).astype(np.float32)
    data = {"train": Part(x, y, np.arange(24))}
    layers = [Dense(1, bias=False, weight_l2=5.0)]
    run = start(layers, loss=MeanSquaredError(), data=data, epochs=1)
    run.loop.run()
    w = float(run.state["model/dense1/weight"][0, 0])
    gradients = [
        float(np.mean(2 * (w * x[rows] - y[rows]) * x[rows]))
        for rows in (run.loop._plan.batch(n) for n in (1, 2, 3))
    ]
    small, large = np.mean(np.square(gradients)), np.mean(gradients) ** 2
    expected = noise_scale(float(small), float(large), 8, 3)
    assert evidence(run).noise == pytest.approx(expected, rel=1e-4)


def test_at_most_ten_batches(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    real = Network.gradient

    def gradient(self: Network, *given: object) -> object:
        asked.append(given[-1])
        return real(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(Network, "gradient", gradient)
    start(batch_size=2, epochs=1).loop.run()
    assert asked == list(range(1, 11))
    asked.clear()
    start(batch_size=2, epochs=1, diagnosed=False).loop.run()
    assert not asked
