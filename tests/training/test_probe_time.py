"""The probe of a loop: statistics of time steps, and their names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nettrain.diagnose import Evidence
from nettrain.experiment.assembly import known, make_network, make_probe
from nettrain.experiment.recorder import Memory
from nettrain.experiment.setup import set_up
from nettrain.training.loop import Loop


def config(*model: Any, length: int = 6, **more: Any) -> dict[str, Any]:
    return {
        "data": {
            "source": {"adding": {"samples": 96, "length": length}},
            "split": {"validation": 0.2, "test": 0},
        },
        "model": [*model, {"dense": 1}],
        "loss": "mse",
        "optimizer": {"adam": {"learning_rate": 1e-3}},
        "train": {"epochs": 2},
        **more,
    }


def trained(*model: Any, **more: Any) -> Evidence:
    setup = set_up(config(*model, **more))
    probe = make_probe(setup, network := make_network(setup))
    assert probe is not None
    Loop(network, setup.plan(), probe, Memory()).run()
    return probe.evidence


def test_time_steps_are_nodes_of_their_layer() -> None:
    evidence = trained({"rnn": 5})
    *steps, out = evidence.nodes
    assert [z.time for z in steps] == [1, 2, 3, 4, 5, 6] and out.time is None
    assert {z.layer for z in steps} == {"rnn1"} and out.output
    assert steps[2].path == "model/rnn1/t3/pre_activation"
    assert evidence.delta_rms.shape == evidence.std.shape == (2, 7)
    assert (evidence.delta_rms > 0).all() and (evidence.std > 0).all()
    assert set(evidence.slopes) == {z.path for z in steps}
    assert evidence.groups()[0][1] == [0, 1, 2, 3, 4, 5]


def test_at_most_16_time_steps_are_watched_the_first_and_the_last_among_them() -> None:
    *steps, _ = trained({"lstm": 3}, length=40).nodes
    times = [z.time for z in steps]
    assert len(times) == 16 and (times[0], times[-1]) == (1, 40)


def test_both_directions_have_steps_of_their_own() -> None:
    *steps, _ = trained({"gru": {"units": 3, "direction": "both"}}).nodes
    assert {z.layer for z in steps} == {"gru1"}
    assert [z.backward for z in steps] == [False] * 6 + [True] * 6
    assert steps[6].path == "model/gru1/backward/t1/pre_activation"
    *steps, _ = trained({"gru": {"units": 3, "direction": "backward"}}).nodes
    assert all(z.backward for z in steps)


def test_what_fades_over_time_fades_towards_the_start_of_the_loop() -> None:
    """Small recurrent weights: each step back leaves a hundredth."""
    small = {"recurrent_init": {"normal": {"std": 0.005}}}
    forward = trained({"rnn": {"units": 4, **small}}).delta_rms[-1, :6]
    assert (np.diff(np.log10(forward)) > 1).all()
    there = {"units": 4, "direction": "backward", **small}
    backward = trained({"rnn": there}).delta_rms[-1, :6]
    assert (np.diff(np.log10(backward)) < -1).all()


def test_what_is_known_before_training_names_the_same_nodes() -> None:
    setup = set_up(config({"lstm": {"units": 3, "outputs": "all"}}, {"lstm": 3}))
    evidence = known(setup, make_network(setup))
    assert [z.layer for z in evidence.nodes] == ["lstm1"] * 6 + ["lstm2"] * 6 + [
        "dense1"
    ]
    assert evidence.signals is not None
    assert evidence.signals.delta_rms.shape == (13,)
    assert (evidence.signals.delta_rms > 0).all()


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_watching_a_loop_changes_no_weight(kind: str) -> None:
    finals = []
    for diagnose in ({}, None):
        more = {} if diagnose is None else {"diagnose": {"every": 1}}
        setup = set_up(config({kind: 3}, **more))
        network = make_network(setup)
        probe = make_probe(setup, network) if diagnose is not None else None
        Loop(network, setup.plan(), probe, Memory()).run()
        weights = network.state["model/dense1/weight"]
        finals.append(weights.copy())
    assert np.array_equal(*finals)
