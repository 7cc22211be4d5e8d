"""A loss that may be below 0, the Gaussian's, judged as a share of guessing."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from nettrain.data.sources import ArraySource
from nettrain.diagnose import Evidence, Finding
from nettrain.experiment.assembly import known, make_network, make_probe
from nettrain.experiment.rates import sweep
from nettrain.experiment.recorder import Memory
from nettrain.experiment.setup import Setup, set_up
from nettrain.experiment.trial import trial
from nettrain.experiment.verify import Trained, curves
from nettrain.training.loop import Loop

TINY, HUGE = 0.05, 50.0
"""Scales of the target that make H0 -1.6 and 5.3."""


def setup(scale: float = TINY, signal: bool = True, **changes: Any) -> Setup:
    """200 rows of a sum of two features; without the signal, of nothing but noise."""
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 3))
    told = x[:, 0] + x[:, 1] if signal else random.normal(size=200) * np.sqrt(2)
    y = scale * (told + 0.1 * random.normal(size=200))
    return set_up(
        {
            "data": {
                "source": ArraySource(x, y[:, None]),
                "split": {"validation": 0.2, "test": 0},
                "batch_size": 20,
            },
            "model": [{"dense": {"units": 8, "activation": "tanh"}}, {"dense": "auto"}],
            "loss": "gaussian_nll",
            "optimizer": {"adam": {"learning_rate": 0.01}},
            "train": {"epochs": 40},
            "metrics": [],
            **changes,
        }
    )


def run(made: Setup) -> tuple[Evidence, dict[str, Finding]]:
    probe = make_probe(made, network := make_network(made))
    assert probe is not None
    outcome = Loop(network, made.plan(), probe, Memory()).run()
    return probe.evidence, {found.id: found for found in outcome.findings}


def serious(found: dict[str, Finding]) -> list[str]:
    """But for D3: the target's scale is unusual, and tells so."""
    own = {id_ for id_, f in found.items() if f.severity != "note"}
    return sorted(own - {"D3"})


def test_what_learns_is_healthy_whatever_the_target_s_unit() -> None:
    evidence, found = run(setup(1.0))
    assert evidence.loss[-1] < 0 < evidence.prior and serious(found) == []
    evidence, found = run(setup(TINY, train={"epochs": 60}))
    assert evidence.prior < 0 and serious(found) == []
    # R² is what the loss says, as the errors' variance is known well enough.
    left = float(evidence.comparable().loss[-1])
    assert left == pytest.approx(1 - evidence.score[-1], rel=0.5)


@pytest.mark.parametrize("scale", [TINY, HUGE])
def test_what_learns_nothing_is_found_out(scale: float) -> None:
    slow = {"optimizer": {"adam": {"learning_rate": 1e-7}}, "train": {"epochs": 5}}
    _, found = run(setup(scale, **slow))
    assert "L2" in serious(found)


def test_there_is_nothing_below_guessing_in_noise() -> None:
    plain = [{"dense": "auto"}]
    _, found = run(setup(signal=False, model=plain, train={"epochs": 60}))
    assert "L4" in serious(found)
    assert found["L4"].measured is not None and found["L4"].measured > 0.97


def test_what_is_known_before_training() -> None:
    made = setup()
    assert known(made, make_network(made)).bounded is False
    assert known(made, make_network(made)).prior < 0


def test_rates_are_compared_by_shares() -> None:
    found = sweep(setup(1.0))
    assert found.prior == 1.0 and min(found.losses) > 0
    assert found.chosen is not None and 3e-4 < found.chosen < 0.2
    noise = sweep(setup(signal=False, train={"epochs": 4}))
    assert noise.chosen is None


def test_a_batch_is_learned_by_share() -> None:
    assert trial(setup()).overfit.learned
    slow = {"optimizer": {"adam": {"learning_rate": 1e-6}}}
    assert not trial(setup(**slow)).overfit.learned
    noise = trial(setup(signal=False, model=[{"dense": "auto"}])).overfit
    assert noise.after < -0.5 and not noise.learned  # .1 H0 is -.16


def test_a_loss_as_a_share_of_guessing() -> None:
    made = setup()
    run_ = Trained((), made, {}, [], 2, 2, False)
    losses = run_.prior - np.array([0.0, np.log(2) / 2])
    metrics = {"step": np.array([1, 2]), "train/epoch_loss": losses}
    run_ = dataclasses.replace(run_, metrics=metrics)
    assert run_.prior < 0 and run_.loss() == pytest.approx(0.5)
    assert curves(run_)["train"][1].tolist() == pytest.approx([1.0, 0.5])
