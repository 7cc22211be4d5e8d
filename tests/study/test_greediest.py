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
from nettrain.study import plan as planning
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


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two points are many, and one of them is looked at."""
    monkeypatch.setattr(module, "POINTS", 1)
    monkeypatch.setattr(module, "FEW", 1)


@pytest.mark.parametrize("method", ["{grid: {steps: 4}}", "optuna"])
def test_of_many_points_the_ends_of_each_key_and_the_most_of_both(
    method: str, many: None
) -> None:
    if method == "optuna":
        pytest.importorskip("optuna")
    space = f"{UNITS}: {{int: [2, 900]}}, {BATCH}: {{int: [5, 20]}}"
    most = found(f"space: {{{space}}}\nmethod: {method}")
    assert not most.is_all
    assert most.values == {UNITS: 900, BATCH: 20}
    assert most.updates == 2 * 9
    assert most.looked_at <= 8


@pytest.mark.usefixtures("many")
def test_what_one_key_takes_may_depend_on_another() -> None:
    """A small network needs more with small batches, and a large one with large."""
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


def models(*units: int) -> str:
    return ", ".join(f"[{{dense: {n}}}, {{dense: 1}}]" for n in units)


def test_of_what_are_no_numbers_some_are_looked_at(
    monkeypatch: pytest.MonkeyPatch, many: None
) -> None:
    monkeypatch.setattr(module, "POINTS", 2)
    most = found(f"space: {{model: [{models(5, 6, 900, 7)}]}}")
    assert (most.looked_at, most.points, most.is_all) == (3, 3, False)
    assert most.values["model"][0] == {"dense": 900}


def test_all_of_a_list_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 13 models it took every third."""
    units = [*range(2, 10), 900, *range(10, 14)]
    most = found(f"space: {{model: [{models(*units)}]}}")
    assert most.values["model"][0] == {"dense": 900}
    assert (most.looked_at, most.is_all) == (13, True)
    # Of too many points, too.
    monkeypatch.setattr(module, "POINTS", 13)
    most = found(f"space: {{model: [{models(*units)}], {BATCH}: [5, 6, 20]}}")
    assert (most.values["model"][0], most.values[BATCH]) == ({"dense": 900}, 20)
    assert not most.is_all


def test_so_many_points_are_looked_at_as_take_some_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the size of the graph, and not by a clock."""
    text = f"space: {{{UNITS}: {{int: [2, 99]}}}}\nmethod: {{random: {{points: 9}}}}"
    assert found(text).is_all
    monkeypatch.setattr(module, "_NODE", 1e9)
    most = found(text)
    assert (most.points, most.is_all) == (3, False)
    assert most.looked_at == 3  # the first, and both ends
    monkeypatch.setattr(module, "_NODE", 0.0)
    monkeypatch.setattr(module, "_BYTE", 1e9)
    assert found(text).is_all  # all of the base's data
    few = f"{UNITS}: [2, 3, 4, 5], dtype: [float32, float64]"
    assert found(f"space: {{{few}}}").is_all
    Path("base.yaml").write_text(
        BASE.replace("{source", "{preprocess: [min_max], source")
    )
    assert not found(text.replace(UNITS, "data.preprocess.min_max1.high")).is_all


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


def test_what_is_no_point_is_not_refused(
    monkeypatch: pytest.MonkeyPatch, many: None
) -> None:
    """The most of both keys is taken by none of nine random points."""
    space = f"{{{UNITS}: {{int: [2, 900000]}}, {BATCH}: {{int: [5, 45]}}}}"
    text = f"space: {space}\nmethod: {{random: {{points: 9, seed: 3}}}}"
    most, predict, needs = found(text), memory.predict, dict[Any, int]()
    monkeypatch.setattr(available, "held", lambda *_: 0)

    def noted(setup: Any) -> Any:
        units = setup.experiment.model[0].units
        needed = predict(setup)
        needs[units, setup.experiment.data.batch_size] = needed.stage.nbytes
        return needed

    monkeypatch.setattr(memory, "predict", noted)
    found(text)
    both = needs.pop(tuple(most.values.values()))
    assert both > max(needs.values())
    limit = Limit(both - 1, "some")
    monkeypatch.setattr(available, "limit", lambda *_: limit)
    plan = planned(text)
    assert plan.greediest.refusal is None and plan.room == 0
    assert plan.greediest.need == most.need
    # What is between may be a point, and is not known: it may need all that there is.
    assert plan.greediest.fitting == limit.nbytes and plan.workers == plan.beside == 1


ABSURD = f"{UNITS}: [2, 4, 700, 4000000000], optimizer.adam.beta1: {{log: [.1, .9]}}"


@pytest.mark.parametrize("points", [12, 60])
def test_the_workers_follow_from_the_points_that_fit(
    points: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of 4 billion units left one worker, though its trial is refused anyway."""
    monkeypatch.setattr(module, "POINTS", 12)
    monkeypatch.setattr("nettrain.study.plan.cores", lambda threads: 64)
    monkeypatch.setattr(available, "held", lambda *_: 10**8)
    limit = Limit(10**8 + 4 * 10**9, "some")
    monkeypatch.setattr(available, "limit", lambda: limit)
    plan = planned(f"space: {{{ABSURD}}}\nmethod: {{random: {{points: {points}}}}}")
    most = plan.greediest
    assert most.is_all is (points == 12)
    assert most.values[UNITS] == 4 * 10**9 and most.need > 10**12 and plan.room == 0
    assert 0 < most.unfit < most.points and most.refusal is not None
    assert most.fitting == alone(700).need
    assert plan.workers == plan.beside == 4 * 10**9 // most.fitting > 10
    assert not plan.crowded and plan.to_json()["memory"]["fits"] is False


def test_a_point_that_cannot_be_trained_is_told() -> None:
    space = "space: {model: [[{dense: 1}], [{conv1d: {filters: 2, size: 9}}]]}"
    flaw = found(space).flaw
    assert isinstance(flaw, Error) and flaw.code != "memory-needed"
    assert "(with model: [{conv1d: " in flaw.message
    assert str(flaw.place) == "sweep.yaml:2:9"
    assert found(space).looked_at == 2
    assert found(space).need == found("space: {model: [[{dense: 1}]]}").need


RATE = "optimizer.adam.learning_rate: {log: [1e-4, 1e-1]}"


@pytest.mark.parametrize("points", [20, 200])
def test_of_two_keys_points_that_cannot_be_trained_are_counted(points: int) -> None:
    """It tried both ends of each key, and the combinations were no points."""
    space = f"space: {{model.dense2.units: {{int: [1, 5]}}, {RATE}}}\n"
    plan = planned(f"{space}method: {{random: {{points: {points}}}}}")
    most, sweep = plan.greediest, plan.base.sweep
    tries = next(sweep.method.generations(sweep.space))
    fails = [one.values[0] for one in tries if one.values[0] > 1]
    assert most.unfit == 0 and most.flaw is not None
    assert f"(with model.dense2.units: {fails[0]}" in most.flaw.message
    if points == 20:
        assert (most.points, most.flawed, most.is_all) == (20, len(fails), True)
    else:
        assert 50 <= most.points < 60 and 30 < most.flawed < 60 and not most.is_all


def test_of_an_end_that_cannot_be_trained_a_point_is_looked_at(many: None) -> None:
    """The combination that was tried is none."""
    base = BASE.replace(
        "model: [", "model: [{conv1d: {filters: 90, size: 1}}, flatten,"
    )
    Path("base.yaml").write_text(base.replace("data: {", "data: {shape: [1, 2], "))
    space = f"space: {{{RATE}, model.conv1d1.size: [1, 2, 9]}}\n"
    most = found(f"{space}method: {{random: {{points: 60}}}}")
    assert most.flaw is not None and "model.conv1d1.size: 9)" in most.flaw.message
    assert most.flawed < most.points < 6


def test_data_are_prepared_as_rarely_as_can_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepared: list[str] = []
    prepare = setting_up.prepare

    def noted(config: Any, **more: Any) -> Any:
        prepared.append(more["dtype"])
        return prepare(config, **more)

    monkeypatch.setattr(setting_up, "prepare", noted)
    monkeypatch.setattr(planning, "prepare", noted)
    keys = f"{BATCH}: [5, 6], dtype: [float64, float32], {UNITS}: [2, 9]"
    keys += ", data.split.stratify: [auto]"
    assert found(f"space: {{{keys}}}").is_all
    assert prepared == ["float32", "float64", "float64"]  # for the plan and to look
    del prepared[:]
    found("space: {data.split.stratify: [auto, true]}")
    assert prepared == ["float32"] * 3  # the base's are not prepared anew
    del prepared[:]
    # Where no point is looked at: what changes nothing is not tried again.
    monkeypatch.setattr(module, "_NODE", 1e9)
    monkeypatch.setattr(module, "FEW", 1)
    steps = "data.preprocess: [[standardize], [{standardize: {floor: 0.1}}], [min_max]]"
    keys = f"{steps}, dtype: [float32, float64], {UNITS}: [2, 9]"
    assert not found(f"space: {{{keys}}}").is_all
    # For the base, three steps, and the last of them with the other type.
    assert prepared == ["float32"] * 4 + ["float64"]


def test_what_differs_in_real_numbers_alone_is_predicted_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    predict, asked = memory.predict, list[Any]()

    def noted(setup: Any) -> Any:
        asked.append(setup.experiment.optimizer.weight_decay)
        return predict(setup)

    monkeypatch.setattr(memory, "predict", noted)
    decay = "optimizer.adamw.weight_decay: [0.0, 0.1, 0.2]"
    most = found(f"space: {{{decay}, optimizer.adamw.learning_rate: [0.1, 0.2]}}")
    assert (most.points, most.is_all, asked) == (6, True, [0.0, 0.1])


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
        assert (most.points, most.own) == (2, 2)
        assert most.values == {"model.dense1.activation": "tanh", UNITS: 9}
        none = found("space: {model.dense1.activation: [ends]}")
        assert (none.looked_at, none.values) == (0, {})
        assert none.need == found("").need
    finally:
        forget("ends")
