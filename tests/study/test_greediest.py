"""What the greediest trial of a sweep takes, and of which points that is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nettrain.component import register
from nettrain.component.family import forget
from nettrain.errors import Error
from nettrain.experiment import available, memory
from nettrain.experiment import setup as setting_up
from nettrain.experiment.available import Limit
from nettrain.nn import Activation
from nettrain.study import greediest as module
from nettrain.study.greediest import Greediest
from nettrain.study.plan import Plan
from nettrain.study.points import Base

BASE = """\
data: {source: {moons: {samples: 60}}, split: {validation: 0.25}, batch_size: 10}
model: [{dense: {units: 4, activation: tanh}}, {dense: 1}]
loss: binary_cross_entropy
train: {epochs: 2}
diagnose: false
"""
UNITS, BATCH = "model.dense1.units", "data.batch_size"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("base.yaml").write_text(BASE)


def planned(text: str) -> Plan:
    Path("sweep.yaml").write_text(f"base: base.yaml\n{text}\n")
    return Plan.of(Base.read("sweep.yaml", ()))


def found(text: str) -> Greediest:
    return planned(text).greediest


def alone(units: Any, batch: int = 10) -> Greediest:
    return found(f"space: {{{UNITS}: [{units}], {BATCH}: [{batch}]}}")


def test_of_few_points_the_one_that_needs_the_most() -> None:
    most = found(f"space: {{{UNITS}: [4, 900, 40], {BATCH}: [5, 20]}}")
    assert (most.looked_at, most.is_all) == (6, True)
    assert most.values == {UNITS: 900, BATCH: 20}
    assert most.need == alone(900, 20).need > alone(4).need + 900 * 20
    assert most.updates == 2 * 9  # of 45 rows in batches of 5
    assert found("").values == {} and found("").is_all


@pytest.mark.parametrize("method", ["{grid: {steps: 4}}", "optuna"])
def test_of_many_points_the_ends_of_each_key_and_the_most_of_both(method: str) -> None:
    if method == "optuna":
        pytest.importorskip("optuna")
    space = f"{UNITS}: {{int: [2, 900]}}, {BATCH}: {{int: [5, 20]}}"
    most = found(f"space: {{{space}}}\nmethod: {method}")
    assert not most.is_all
    assert most.values == {UNITS: 900, BATCH: 20}
    assert most.updates == 2 * 9
    assert most.looked_at <= 8


def test_what_one_key_takes_may_depend_on_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A small network needs more with small batches, and a large one with large."""
    monkeypatch.setattr(module, "FEW", 1)
    keys = f"{BATCH}: [5, 20], {UNITS}: [2, 900], train.accumulate: [1, 4]"
    most = found(f"space: {{{keys}}}")
    assert most.values == {BATCH: 20, UNITS: 900, "train.accumulate": 4}
    turned = f"{BATCH}: [20, 5], {UNITS}: [900, 2], train.accumulate: [4, 1]"
    # With batches of 5, one for each update.
    assert most.updates == found(f"space: {{{turned}}}").updates == 2 * 9


def test_the_same_data_are_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Any] = []
    prepare = setting_up.prepare

    def noted(config: Any, **more: Any) -> Any:
        read.append((len(config.preprocess), more["dtype"]))
        return prepare(config, **more)

    monkeypatch.setattr(setting_up, "prepare", noted)
    found(f"space: {{{UNITS}: [2, 9], {BATCH}: [5, 6], data.shuffle: [true]}}")
    assert read == [(0, "float32")]  # for the base
    found("space: {data.preprocess: [[], [standardize]]}")
    assert read[1:] == [(0, "float32"), (1, "float32")]
    found("space: {dtype: [float32, float64]}")
    assert read[3:] == [(0, "float32"), (0, "float64")]


def test_of_random_points_no_more_than_they_have() -> None:
    text = f"space: {{{UNITS}: {{int: [2, 900]}}}}\nmethod: {{random: {{points: 9}}}}"
    most = found(text)
    generations = planned(text).base.sweep.method.generations
    tries = next(generations(planned(text).base.sweep.space))
    assert most.values == {UNITS: max(one.values[0] for one in tries)}


def test_of_what_are_no_numbers_some_are_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "FEW", 2)
    models = [f"[{{dense: {n}}}, {{dense: 1}}]" for n in (5, 6, 900, 7)]
    most = found(f"space: {{model: [{', '.join(models)}]}}")
    assert (most.looked_at, most.is_all) == (2, False)
    assert most.values["model"][0] == {"dense": 900}


def test_the_workers_are_as_many_as_the_greediest_leave_room_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It took the base's need for that of all."""
    monkeypatch.setattr("nettrain.study.plan.cores", lambda threads: 64)
    monkeypatch.setattr(available, "held", lambda *_: 10**8)
    limit = Limit(10**8 + 4 * 10**9, "some")
    monkeypatch.setattr(available, "limit", lambda: limit)
    small = planned(f"space: {{{UNITS}: [2, 4]}}")
    large = planned(f"space: {{{UNITS}: [2, 4000000]}}")
    assert small.workers == small.room == 4 * 10**9 // small.greediest.need > 10
    assert large.workers == large.room == 4 * 10**9 // large.greediest.need < 5


def test_a_point_that_does_not_fit_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(available, "held", lambda *_: 10**8)
    monkeypatch.setattr(available, "limit", lambda *_: Limit(10**8 + 10**9, "some"))
    text = f"space:\n  {UNITS}: [4, 40000000]"
    refusal = found(text).refusal
    assert refusal is not None and refusal.code == "memory-needed"
    assert str(refusal.place) == "sweep.yaml:3:3"
    assert refusal.message.endswith("(with model.dense1.units: 40000000)")
    refusal = found(f"{text}\n  {BATCH}: [5, 6]").refusal
    assert refusal is not None and str(refusal.place) == "sweep.yaml:2:1"
    monkeypatch.setattr(available, "limit", lambda *_: Limit(10**8 + 20_000, "some"))
    refusal = found(text).refusal  # whatever the point
    assert refusal is not None and str(refusal.place).startswith("base.yaml:")


def test_what_is_no_point_is_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The most of both keys is taken by none of nine random points."""
    space = f"{{{UNITS}: {{int: [2, 900000]}}, {BATCH}: {{int: [5, 45]}}}}"
    text = f"space: {space}\nmethod: {{random: {{points: 9, seed: 3}}}}"
    most = found(text)
    predict = memory.predict
    monkeypatch.setattr(available, "held", lambda *_: 0)

    def limited(setup: Any) -> Any:
        units = setup.experiment.model[0].units
        if {UNITS: units, BATCH: setup.experiment.data.batch_size} == most.values:
            monkeypatch.setattr(available, "limit", lambda *_: Limit(1, "some"))
        return predict(setup)

    monkeypatch.setattr(memory, "predict", limited)
    plan = planned(text)
    assert plan.greediest.refusal is None and plan.room == 0
    assert plan.greediest.need == most.need


def test_a_point_that_cannot_be_trained_is_told() -> None:
    space = "space: {model: [[{dense: 1}], [{conv1d: {filters: 2, size: 9}}]]}"
    flaw = found(space).flaw
    assert isinstance(flaw, Error) and flaw.code != "memory-needed"
    assert "(with model: [{conv1d: " in flaw.message
    assert str(flaw.place) == "sweep.yaml:2:9"
    assert found(space).looked_at == 2
    assert found(space).need == found("space: {model: [[{dense: 1}]]}").need


def test_code_of_a_plugin_is_run_in_trials_alone() -> None:
    """It may hang, or end the process."""

    @register("ends")
    class Ends(Activation):
        "x, if the process lived."

        def formula(self, z: Any) -> Any:
            raise SystemExit

    try:
        space = "{model.dense1.activation: [tanh, ends], model.dense1.units: [2, 9]}"
        most = found(f"space: {space}")
        assert (most.looked_at, most.is_all, most.flaw) == (2, False, None)
        assert most.values == {"model.dense1.activation": "tanh", UNITS: 9}
        none = found("space: {model.dense1.activation: [ends]}")
        assert (none.looked_at, none.values) == (0, {})
        assert none.need == found("").need
    finally:
        forget("ends")
