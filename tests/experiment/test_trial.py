"""A short try of a config."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nettrain.diagnose import DiagnoseConfig, Evidence, Signals
from nettrain.experiment import trial as module
from nettrain.experiment.assembly import make_network, make_probe
from nettrain.experiment.setup import set_up
from nettrain.experiment.trial import Trial, trial
from nettrain.training.loop import Loop
from tests.experiment.conftest import SMALL

DIGITS: dict[str, Any] = {
    "data": {"source": "digits", "preprocess": ["standardize"], "batch_size": 16},
    "model": [{"dense": {"units": 16, "activation": "relu"}}, {"dense": 10}],
    "loss": "cross_entropy",
    "optimizer": {"adam": {"learning_rate": 0.01}},
    "train": {"epochs": 2},
}


def tried(config: dict[str, Any] = SMALL, **sections: Any) -> Trial:
    return trial(set_up({**config, **sections}))


def deep(activation: str, **settings: Any) -> list[Any]:
    layer = {"dense": {"units": 16, "activation": activation, **settings}}
    return [{"repeat": {"times": 8, "block": [layer]}}, {"dense": 10}]


def ids(found: Trial) -> dict[str, str]:
    return {f.id: f.severity for f in found.findings if f.severity != "note"}


def test_a_healthy_config() -> None:
    found = tried(DIGITS)
    assert found.steps == 20
    assert found.prior == pytest.approx(np.log(10), abs=0.01)
    assert found.initial_loss == pytest.approx(2.9, abs=0.5)
    assert found.loss < found.initial_loss
    assert found.overfit.learned and found.overfit.rows == 16
    assert 0 < found.overfit.updates < 200
    assert found.overfit.after < 0.1 * found.prior < found.overfit.before
    assert ids(found) == {}
    assert found.flow["model/dense2/pre_activation"] == 1.0
    assert 0.05 < found.flow["model/dense1/pre_activation"] < 1.0
    assert len(found.gradient_checks) == 4


def test_it_is_the_same_every_time() -> None:
    assert tried(DIGITS) == tried(DIGITS)


@pytest.mark.parametrize("shuffle", [True, False])
def test_the_updates_are_those_of_the_real_training(shuffle: bool) -> None:
    """Also where an epoch is longer, and the rate depends on the planned length."""
    rate = {"cosine": {"peak": 0.05, "warmup": "50 %"}}
    data = {**DIGITS["data"], "shuffle": shuffle}
    config = {**DIGITS, "data": data, "optimizer": {"sgd": {"learning_rate": rate}}}
    setup = set_up(config)
    evidence = module._first_updates(setup)
    network, losses = make_network(setup), []
    plan = setup.plan(interrupted=lambda: len(losses) == 20)
    probe = make_probe(setup, network)
    assert probe is not None
    note = probe.note

    def noting(loss: float, gradient_norm: float) -> None:
        losses.append(loss)
        note(loss, gradient_norm)

    probe.note = noting  # type: ignore[method-assign]
    Loop(network, plan, probe, lambda event: None).run()
    np.testing.assert_allclose(evidence.losses, losses, rtol=1e-6)
    assert evidence.planned_steps == plan.total_steps
    assert evidence.steps.tolist() == [20]
    assert evidence.modes is None


def test_the_flow_is_the_mean_over_all_updates() -> None:
    setup = set_up(DIGITS)
    network, plan = make_network(setup), setup.plan()
    train, rms = plan.parts["train"], []
    for number in range(1, 21):
        rows = plan.batch(number)
        batch = train.inputs[rows], train.targets[rows]
        made = network.train(*batch, 0.01, number, full=True).outputs
        names = (f"gradient/model/dense{i}/pre_activation" for i in (1, 2))
        rms.append([float(made[name][2]) for name in names])
    below, end = np.mean(rms, axis=0)
    flow = trial(setup).flow
    assert flow["model/dense1/pre_activation"] == pytest.approx(below / end, rel=1e-4)


def test_short_epochs_are_gone_through() -> None:
    data = {**SMALL["data"], "batch_size": 32}
    setup = set_up({**SMALL, "data": data, "train": {"epochs": 40}})
    evidence = module._first_updates(setup)
    assert setup.plan().steps_per_epoch == 3
    assert evidence.steps.tolist() == [3, 6, 9, 12, 15, 18, 20]
    assert evidence.planned_steps == 120


def test_reasons_to_stop_do_not_count() -> None:
    stop = {"monitor": "validation/accuracy", "target": 0.01}
    assert tried(train={"epochs": 40, "stop": stop}).steps == 20


def test_no_more_updates_than_are_planned() -> None:
    assert tried(train={"steps": 7}).steps == 7


def test_a_vanishing_gradient_shows_after_20_updates() -> None:
    found = tried(DIGITS, model=deep("sigmoid"))
    assert found.findings[0].id == "G1" and found.findings[0].primary
    shares = list(found.flow.values())
    assert shares == sorted(shares) and shares[0] < 1e-3


def test_units_that_were_born_dead() -> None:
    """An epoch is longer than the trial, and yet no batch of it made them live."""
    layer = {"units": 16, "activation": "relu", "bias_init": {"constant": -100.0}}
    model = [{"dense": {"units": 16, "activation": "relu"}}, {"dense": layer}]
    found = tried(DIGITS, model=[*model, {"dense": 10}])
    assert {"A1", "I5"} <= ids(found).keys()


def test_wrong_weights_are_the_cause_of_a_growing_gradient() -> None:
    wide = {"normal": {"std": 1.5}}
    rate = {"sgd": {"learning_rate": 1e-9}}
    found = tried(DIGITS, model=deep("relu", weight_init=wide), optimizer=rate)
    assert found.findings[0].id == "I3"
    assert "G2" in ids(found)
    assert found.initial_loss > 100 * found.prior


def test_ascent_shows_and_nothing_is_learned() -> None:
    optimizer = {"sgd": {"learning_rate": 0.05, "maximize": True}}
    found = tried(DIGITS, optimizer=optimizer)
    assert found.loss > found.initial_loss
    assert not found.overfit.learned
    assert not found.overfit.after < found.overfit.before
    assert found.findings[0].id == "P2"


def test_a_batch_that_is_not_learned_in_200_updates() -> None:
    one = tried(DIGITS, optimizer={"sgd": {"learning_rate": 1e-4}}).overfit
    assert one.updates == 200 and not one.learned
    assert 0.5 * one.before < one.after < one.before


def test_a_config_that_diverges() -> None:
    found = tried(DIGITS, optimizer={"sgd": {"learning_rate": 1e30}})
    assert "N1" in ids(found)
    assert not found.overfit.learned


def test_what_needs_a_whole_training_is_not_judged() -> None:
    """After 20 updates of a small rate no class is learned, and no wonder."""
    found = tried(DIGITS, optimizer={"sgd": {"learning_rate": 1e-3}})
    outcomes = {"O0", "O1", "O2", "O3", "C1", "X1", "U1", "L4", "B1", "B2"}
    assert not outcomes & {finding.id for finding in found.findings}


def test_thresholds_and_silence_are_the_config_s() -> None:
    model = deep("sigmoid")
    silent = tried(DIGITS, model=model, diagnose={"silence": ["G1"]})
    assert "G1" not in ids(silent)
    lenient = tried(DIGITS, model=model, diagnose={"G1": {"threshold": 1e-30}})
    assert "G1" not in ids(lenient)
    none = tried(DIGITS, model=model, diagnose=False)
    assert none.findings == () and none.flow


def test_detectors_that_wait_are_asked_at_once() -> None:
    start = Signals(8, 2.3, np.zeros(1), np.ones(1), np.ones(1))
    hasty = module._at_once(DiagnoseConfig(), Evidence(signals=start))
    assert hasty.G1.checks == hasty.A1.checks == 1
    assert hasty.G1.threshold == DiagnoseConfig().G1.threshold


@pytest.mark.parametrize(("loss", "silenced"), [(2.2, ("L1",)), (2.4, ())])
def test_while_the_loss_falls_no_rate_is_too_high(
    loss: float, silenced: tuple[str, ...]
) -> None:
    start = Signals(8, 2.3, np.zeros(1), np.ones(1), np.ones(1))
    now = {"epochs": np.ones(1), "steps": np.ones(1), "loss": np.array([loss])}
    hasty = module._at_once(DiagnoseConfig(), Evidence(signals=start, **now))
    assert hasty.silence == silenced


def test_dropout_alone_does_not_keep_a_batch_from_being_learned() -> None:
    model = [{"dense": {"units": 64, "activation": "relu"}}, {"dropout": 0.2}]
    found = tried(DIGITS, model=[*model, {"dense": 10}])
    assert found.overfit.learned


def test_a_regression() -> None:
    found = tried(
        {
            "data": {"source": "diabetes", "preprocess": ["standardize"]},
            "model": [{"dense": {"units": 8, "activation": "relu"}}, {"dense": 1}],
            "loss": "mse",
        }
    )
    assert found.initial_loss > 2 * found.prior  # targets far from 0
    assert not found.overfit.learned


def test_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tried()
    assert list(tmp_path.iterdir()) == []
