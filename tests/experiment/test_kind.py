"""Which kind of file is which, and what is said to the wrong verb."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from nettrain.config import resolve
from nettrain.config.tree import from_plain
from nettrain.errors import Error
from nettrain.experiment.kind import (
    OF_A_SWEEP,
    is_sweep,
    is_sweep_file,
    refuse_experiment,
    refuse_sweep,
)
from nettrain.experiment.schema import Experiment
from nettrain.experiment.setup import set_up
from nettrain.study.settings import Sweep

ROOT = Path(__file__).parents[2]
ONE = {"data": {"source": "digits"}, "model": [{"dense": 3}], "loss": "mse"}
MANY = {"base": "one.yaml", "space": {"seed": [1]}}


def test_the_keys_of_a_sweep_are_those_that_no_experiment_has() -> None:
    names = [
        {field.name for field in dataclasses.fields(c)} for c in (Sweep, Experiment)
    ]
    assert names[0] - names[1] == OF_A_SWEEP


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (MANY, True),
        ({"base": "one.yaml"}, True),
        ({"spce": {}, "seeds": 3, "method": "grid"}, True),
        ({**MANY, "model": []}, True),
        (ONE, False),
        ({**ONE, "base": "a.yaml", "space": {}}, False),
        ({"extends": "a.yaml", "seed": 3}, False),
        ({"base": "a.yaml", "seed": 3}, False),
        ({"name": "x", "format": 1}, False),
        ([1], False),
        (None, False),
    ],
    ids=str,
)
def test_what_a_file_is(value: Any, told: bool) -> None:
    assert is_sweep(from_plain(value)) is told


def test_what_is_extended_counts_and_the_command_line_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("many.yaml").write_text("base: one.yaml\nspace: {}\n")
    Path("more.yaml").write_text("extends: many.yaml\nname: more\n")
    assert is_sweep_file("more.yaml")
    more = [f"{key}=1" for key in ("seed", "threads", "dtype", "diagnose")]
    assert is_sweep(resolve("many.yaml", more, schema=Experiment).tree)
    with pytest.raises(Error, match="this is the config of a sweep"):
        set_up("many.yaml", more)


@pytest.mark.parametrize("path", sorted((ROOT / "configs").rglob("*.yaml")))
def test_our_own_files(path: Path) -> None:
    assert is_sweep_file(path) is (path.parent.name == "sweeps")


def test_each_is_refused_where_the_other_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a b.yaml").write_text("name: x\nspace: {}\nbase: y\n")
    Path("one.yaml").write_text("name: x\nloss: mse\n")
    with pytest.raises(Error) as error:
        refuse_sweep(resolve("a b.yaml", schema=Experiment))
    assert str(error.value.place) == "a b.yaml:2:1"
    assert error.value.fix == "nettrain sweep 'a b.yaml'"
    with pytest.raises(Error) as error:
        refuse_experiment(resolve("one.yaml", schema=Sweep))
    assert str(error.value.place) == "one.yaml:2:1"
    assert "base: one.yaml and space: {KEY:" in (error.value.fix or "")
    refuse_sweep(resolve("one.yaml", schema=Experiment))
    refuse_experiment(resolve("a b.yaml", schema=Sweep))
    for text in ("name: x\n", "base: one.yaml\nloss: mse\n"):
        Path("neither.yaml").write_text(text)
        refuse_experiment(resolve("neither.yaml", schema=Sweep))


def test_a_mapping_is_told_what_it_is() -> None:
    with pytest.raises(Error, match="a sweep") as error:
        set_up(MANY)
    assert error.value.fix == "write it to a file for nettrain sweep"
