"""activations.svg and dead-neurons.svg."""

from __future__ import annotations

import numpy as np
import pytest

from nettrain.show.units import _classes, activations, dead_neurons

from .pictures import statistics, texts

ALIVE, SOME, DEAD, SOME_BORN, BORN = range(5)


def test_activations_name_layers_and_both_ends() -> None:
    found = texts(activations(statistics()))
    expected = {"dense1", "dense3", "start (step 1)", "end (epoch 4)"}
    assert expected <= set(found)
    assert found[0] == "Activations over depth; most zeros in dense3, 20%"


def test_exploding_activations_get_a_logarithmic_axis() -> None:
    columns = statistics()
    assert "1000" not in texts(activations(columns))
    last = columns["node"] == "model/dense3/activation"
    columns["value_max"][last] = 5000.0
    assert "1000" in texts(activations(columns))


def test_no_activations() -> None:
    columns = {name: column[:0] for name, column in statistics().items()}
    assert "No activation was recorded" in texts(activations(columns))


def test_activations_that_are_not_finite() -> None:
    columns = statistics()
    for name in ("value_mean", "value_std", "value_min", "value_max", "value_zero"):
        columns[name][:] = np.nan
    texts(activations(columns))


def test_units_are_sorted_by_death() -> None:
    dead = np.array([[0, 1, 0], [0, 1, 1], [0, 1, 1]], dtype=bool)
    expected = [[BORN, BORN, BORN], [ALIVE, DEAD, DEAD], [ALIVE, ALIVE, ALIVE]]
    assert _classes(dead).tolist() == expected


def test_a_unit_that_wakes_up_and_dies_again_has_died() -> None:
    dead = np.array([[1], [0], [1]], dtype=bool)
    assert _classes(dead).tolist() == [[BORN, ALIVE, DEAD]]


@pytest.mark.parametrize(
    ("epochs", "units"), [(1, 1), (40, 64), (500, 2048), (161, 65)]
)
def test_large_maps_are_binned(epochs: int, units: int) -> None:
    dead = np.zeros((epochs, units), dtype=bool)
    dead[:, : units // 2] = True
    found = _classes(dead)
    assert found.shape == (min(units, 64), min(epochs, 160))
    assert (found == BORN).mean() == pytest.approx(units // 2 / units, abs=0.02)


def test_a_few_dead_units_in_a_bin_still_show() -> None:
    dead = np.zeros((3, 640), dtype=bool)
    dead[1:, 7] = True
    assert _classes(dead)[0].tolist() == [ALIVE, SOME, SOME]


def test_counts_are_told() -> None:
    dead = np.zeros((5, 8), dtype=bool)
    dead[:, 0] = dead[3:, 1] = True
    found = texts(dead_neurons({"dense1": dead, "dense2": np.zeros((5, 4), bool)}))
    assert "dense1: 2 of 8 dead at the end, 1 always" in found
    assert "dense2: 0 of 4 dead at the end" in found


def test_many_layers() -> None:
    layers = {f"dense{i}": np.eye(6, 16, dtype=bool) for i in range(17)}
    found = texts(dead_neurons(layers))
    assert sum(text.startswith("dense") for text in found) == 17


def test_no_units() -> None:
    assert "No units were counted" in texts(dead_neurons({}))
    assert "No units were counted" in texts(dead_neurons({"a": np.zeros((0, 4), bool)}))


def test_the_same_bytes_again() -> None:
    layers = {"dense1": np.eye(9, dtype=bool)}
    assert dead_neurons(layers) == dead_neurons(layers)
    assert activations(statistics()) == activations(statistics())


def test_many_maps_say_in_few_letters_how_many_end_dead() -> None:
    dead = np.zeros((9, 8), bool)
    dead[4:, :3] = True
    found = texts(dead_neurons({f"dense{i}": dead for i in range(13)}))
    assert "Units over epochs; how many end dead" in found and "dense0: 3/8" in found
    found = texts(dead_neurons({f"dense{i}": dead for i in range(12)}))
    assert "Units over epochs" in found and "dense0: 3 of 8 dead at the end" in found
