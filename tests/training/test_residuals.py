"""Residuals: noise after a network that could learn, else structure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nettrain.experiment.assembly import make_network
from nettrain.experiment.setup import set_up
from nettrain.training.loop import Loop
from nettrain.training.residuals import unexplained


def left_over(source: Any, activation: str, loss: str = "cross_entropy") -> float:
    dense = {"units": 48, "activation": activation}
    setup = set_up(
        {
            "data": {
                "source": source,
                "preprocess": ["standardize"],
                "standardize_target": loss == "mse",
            },
            "model": [{"dense": dense}, {"dense": "auto"}],
            "loss": loss,
            "optimizer": {"adam": {"learning_rate": 0.02}},
            "train": {"epochs": 60},
            "diagnose": False,
        }
    )
    network = make_network(setup)
    Loop(network, setup.plan(), None, lambda event: None).run()
    before = {path: value.copy() for path, value in network.state.items()}
    share = unexplained(network, setup.dataset.parts["train"], 256)
    for path, value in before.items():
        np.testing.assert_array_equal(network.state[path], value)
    return share


@pytest.mark.parametrize("source", ["moons", "circles", {"spirals": {"arms": 3}}])
def test_a_line_leaves_structure_and_a_network_does_not(source: Any) -> None:
    assert left_over(source, "none") > 0.3
    assert left_over(source, "relu") < 0.2


def test_a_line_through_linear_data_leaves_noise() -> None:
    noisy = {"regression": {"noise": 100.0}}
    assert left_over(noisy, "none", "mse") < 0.05
    assert left_over("friedman1", "none", "mse") > 0.2


def test_few_rows_tell_nothing() -> None:
    assert np.isnan(left_over({"moons": {"samples": 50}}, "none"))
