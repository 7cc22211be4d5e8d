"""A1: what is dead, and what only sleeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nettrain.diagnose import Evidence, Units, diagnose
from nettrain.diagnose.detectors import DeadNeurons

Make = Callable[..., Evidence]


def share(dead: int, units: int = 20, epochs: int = 2) -> Any:
    return [[unit < dead for unit in range(units)]] * epochs


@pytest.mark.parametrize(
    ("dead", "severity"),
    [(0, None), (4, None), (5, "note"), (9, "note"), (10, "error"), (20, "error")],
)
def test_shares_of_a_layer(
    layers_of_units: Make, dead: int, severity: str | None
) -> None:
    """Of 20 units: a note from 25 %, a fault from 50 %."""
    found = diagnose(layers_of_units(share(dead)))
    assert [f.severity for f in found] == ([severity] if severity else [])
    if found:
        assert found[0].units == tuple(range(dead))
        assert found[0].measured == dead / 20
        assert (found[0].epoch, found[0].step) == (2, 20)
        assert found[0].threshold == (0.25 if severity == "note" else 0.5)


def test_two_epochs_running(layers_of_units: Make) -> None:
    many, none = [True, True, False], [False, False, False]
    assert diagnose(layers_of_units([many])) == []
    assert diagnose(layers_of_units([many, none, many])) == []
    (found,) = diagnose(layers_of_units([none, many, many, many]))
    assert (found.epoch, found.step) == (3, 30)
    assert "since epoch 2" in found.why


def test_units_that_wake_again_are_not_dead(layers_of_units: Make) -> None:
    assert diagnose(layers_of_units([[True] * 4, [True] * 4, [False] * 4])) == []


def test_the_same_units_must_be_dead_in_both_epochs(layers_of_units: Make) -> None:
    first, second = [True, True, False, False], [False, False, True, True]
    assert diagnose(layers_of_units([first, second])) == []


@pytest.mark.parametrize(("loss", "severity"), [(1.01, "error"), (0.99, "warning")])
def test_an_error_only_if_learning_is_hurt(
    layers_of_units: Make, loss: float, severity: str
) -> None:
    """Half of H0 = 2."""
    (found,) = diagnose(layers_of_units(share(20), loss=loss))
    assert found.severity == severity


def test_sparse_units_are_alive(layers_of_units: Make) -> None:
    """89 % zeros, as healthy layers have; every unit passes a gradient sometimes."""
    evidence = layers_of_units(share(0))
    (units,) = evidence.units.values()
    assert float(units.positive.max()) == pytest.approx(0.11)
    assert diagnose(evidence) == []


def test_a_unit_that_no_gradient_reaches_is_not_dead(layers_of_units: Make) -> None:
    assert diagnose(layers_of_units(share(20), arrived=False)) == []


def test_dead_is_arriving_and_not_passing() -> None:
    arrived = np.array([[True, True, False, False]])
    passed = np.array([[True, False, True, False]])
    dead = Units(arrived, passed, np.zeros((1, 4))).dead
    assert dead.tolist() == [[False, True, False, False]]


def test_an_epoch_cut_short_is_no_proof(layers_of_units: Make) -> None:
    evidence = layers_of_units(share(20))
    evidence.steps[-1] = 15
    assert diagnose(evidence) == []


def test_thresholds_can_be_changed(layers_of_units: Make) -> None:
    evidence = layers_of_units(share(12))
    assert [f.severity for f in DeadNeurons(many=0.7).detect(evidence)] == ["note"]
    assert not list(DeadNeurons(checks=3).detect(evidence))
    (found,) = DeadNeurons(hurt=1.0).detect(evidence)
    assert found.severity == "warning"


def test_born_and_died_are_told_apart(layers_of_units: Make) -> None:
    alive, dead = [False] * 4, [True] * 4
    (born,) = diagnose(layers_of_units([dead, dead]))
    (died,) = diagnose(layers_of_units([alive, dead, dead]))
    assert "since the first epoch" in born.why and born.place == "I5 width"
    assert "since epoch 2" in died.why and died.place == "A1 died"


def test_a_bias_is_the_cause_of_units_born_dead(layers_of_units: Make) -> None:
    settings = {"bias_init": {"constant": {"value": -10.0}}}
    (found,) = diagnose(layers_of_units(share(20), settings=settings))
    assert found.place == "I5 bias"


def test_the_update_that_killed_is_told(layers_of_units: Make) -> None:
    alive, dead = [False] * 4, [True] * 4
    evidence = layers_of_units([alive, dead, dead])
    evidence.update_ratio[1, 0] = 0.7
    (found,) = diagnose(evidence)
    assert "0.7 of their norm" in found.why
    assert found.remedy is not None
    assert found.remedy.patch[0].path == "optimizer.adam.learning_rate"


@pytest.mark.parametrize(
    ("ratio", "when", "path"),
    [
        (0.11, 1, "optimizer.adam.learning_rate"),
        (0.11, 0, "optimizer.adam.learning_rate"),
        (0.11, 2, "model.dense1.activation"),
        (0.09, 1, "model.dense1.activation"),
    ],
)
def test_which_remedy_depends_on_the_step_that_killed(
    layers_of_units: Make, ratio: float, when: int, path: str
) -> None:
    alive, dead = [False] * 4, [True] * 4
    evidence = layers_of_units([alive, dead, dead])
    evidence.update_ratio[when, 0] = ratio
    (found,) = diagnose(evidence)
    assert found.remedy is not None and found.remedy.patch[0].path == path


def test_a_layer_of_which_nothing_is_known(layers_of_units: Make) -> None:
    alive, dead = [False] * 4, [True] * 4
    evidence = layers_of_units([alive, dead, dead])
    (found,) = diagnose(replace(evidence, layers={}))
    assert found.config_line is None and "their norm" not in found.why


def test_the_share_of_positive_pre_activations_is_told(layers_of_units: Make) -> None:
    (found,) = diagnose(layers_of_units(share(20)))
    assert "positive for 0 of the samples" in found.why
