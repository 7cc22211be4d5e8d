"""What a sweep comes to, and every mistake at its line, before anything is trained."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nettrain.errors import Error
from nettrain.experiment import available
from nettrain.experiment.available import Limit
from nettrain.study import greediest
from nettrain.study import plan as planning
from nettrain.study.plan import Plan, unit_overrides
from nettrain.study.points import Base
from nettrain.study.results import Unit

BASE = """\
data: {source: {moons: {samples: 60}}, split: {validation: 0.25}, batch_size: 10}
model: [{dense: {units: 4, activation: tanh}}, {dense: 1}]
loss: binary_cross_entropy
metrics: [accuracy]
optimizer: adam
train: {epochs: 2}
diagnose: false
"""


OWN = (
    BASE.replace("{moons: {samples: 60}}", "raw.csv")
    .replace("data: {", "data: {target: y, ")
    .replace("binary_cross_entropy", "cross_entropy")
    .replace("{dense: 1}", "{dense: 2}")
)


def table(name: str, seed: int, columns: int = 2, rows: int = 40) -> None:
    """A CSV whose first two columns and target depend on the seed alone."""
    drawn = random.Random(seed)
    lines = [",".join([*(f"x{n}" for n in range(columns)), "y"])]
    for row in range(rows):
        values = [drawn.random(), drawn.random(), *range(columns - 2)]
        lines.append(",".join([*(f"{v:.5f}" for v in values), "ab"[row * row % 3]]))
    Path(name).write_text("\n".join(lines) + "\n")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.yaml").write_text(BASE)
    return tmp_path


def planned(text: str, workers: int | None = None) -> Plan:
    Path("sweep.yaml").write_text(f"base: base.yaml\n{text}\n")
    return Plan.of(Base.read("sweep.yaml", ()), workers)


def told(text: str) -> list[Error]:
    """The mistakes of a sweep, in order."""
    with pytest.raises(Error) as error:
        planned(text)
    return list(getattr(error.value, "errors", (error.value,)))


# ---------------------------------------------------------------- what it comes to


def test_axes_with_the_values_of_the_base() -> None:
    plan = planned(
        "space:\n"
        "  data.batch_size: [5, 10]\n"
        "  optimizer.adam.learning_rate: {log: [1e-4, 1]}\n"
        "  model.dense1.units: {int: [2, 9]}\n"
        "  optimizer.adam.beta1: {linear: [0, 0.5]}\n"
        "  train.stop: [null]\n"
        "  model.dense1.activation.leaky_relu.slope: [0.1]\n"
        "method: random\n"
    )
    found = [(a.kind, a.values, a.count, a.own) for a in plan.axes]
    assert found == [
        ("list", (5, 10), 2, 10),
        ("log", (1e-4, 1.0), None, 0.001),
        ("int", (2, 9), 8, 4),
        ("linear", (0.0, 0.5), None, 0.9),
        ("list", (None,), 1, None),
        ("list", (0.1,), 1, ...),
    ]
    assert "own" not in plan.to_json()["axes"][-1]


@pytest.mark.parametrize(
    ("method", "space", "points", "exact", "rungs"),
    [
        ("grid", "{train.epochs: [1, 2], data.batch_size: [5, 6, 7]}", 6, True, ()),
        ("grid", "{train.epochs: [1, 2, 1]}", 2, True, ()),
        ("grid", "{}", 1, True, ()),
        ("{grid: {steps: 3}}", "{train.epochs: {int: [1, 9]}}", 3, True, ()),
        ("{random: {points: 9}}", "{train.epochs: [1, 2]}", 2, True, ()),
        ("{optuna: {points: 9}}", "{train.epochs: [1, 2, 3]}", 3, False, ()),
        ("{optuna: {points: 9}}", "{train.epochs: {int: [1, 50]}}", 9, False, ()),
        (
            "{halving: {points: 7, factor: 2}}",
            "{optimizer.adam.learning_rate: {log: [1e-4, 1]}}",
            7,
            True,
            ((7, 25.0), (4, 50.0), (2, 100.0)),
        ),
    ],
)
def test_points(
    method: str, space: str, points: int, exact: bool, rungs: tuple[Any, ...]
) -> None:
    if "optuna" in method:
        pytest.importorskip("optuna")
    plan = planned(f"method: {method}\nspace: {space}\nseeds: 2\n")
    assert (plan.points, plan.exact, plan.rungs) == (points, exact, rungs)
    assert plan.asked >= points
    assert plan.trials == 2 * points


def test_steps_count_what_a_grid_tries_of_a_range() -> None:
    plan = planned(
        "method: {grid: {steps: 3}}\n"
        "space: {train.epochs: {int: [1, 2]}, data.batch_size: {int: [1, 9]}, "
        "optimizer.adam.learning_rate: {log: [1e-4, 1]}}"
    )
    assert [axis.count for axis in plan.axes] == [2, 3, 3]
    assert plan.points == 18


def test_units_and_updates() -> None:
    plan = planned("seeds: 2\nfolds: 3\n")
    assert [unit.label for unit in plan.units][1:4] == [
        "seed 0 fold 2",
        "seed 0 fold 3",
        "seed 1 fold 1",
    ]
    assert unit_overrides(plan.base.sweep, plan.units[1]) == (
        "seed=0",
        "data.split.validation=0",
        "data.split.folds=3",
        "data.split.fold=2",
    )
    assert unit_overrides(planned("").base.sweep, Unit(4)) == ("seed=4",)
    # 40 rows in batches of 10, of 60 rows without a fold of 20; and 45 without folds.
    assert plan.greediest.updates == 2 * 4
    assert planned("").greediest.updates == 2 * 5


def test_the_objective_and_its_goal() -> None:
    assert (planned("").metric, planned("").goal) == ("validation/loss", "min")
    plan = planned("objective: {metric: validation/accuracy}")
    assert (plan.metric, plan.goal) == ("validation/accuracy", "max")
    assert planned("objective: {goal: max}").goal == "max"


def test_trials_are_as_many_as_cores_and_memory_allow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(planning, "cores", lambda threads: 64 // threads)
    monkeypatch.setattr(available, "held", lambda: 10**8)
    found = []
    limits = [Limit(10**8 + more, "some") for more in (10**12, 10**9, 10**4)]
    for limit in (None, *limits):
        monkeypatch.setattr(available, "limit", lambda limit=limit: limit)
        found.append(planned("space: {train.epochs: {int: [1, 99]}}\nmethod: random"))
    workers = [plan.workers for plan in found]
    assert workers[:2] == [64, 64] and 1 < workers[2] < 10 and workers[3] == 1
    assert [plan.room for plan in (found[0], found[3])] == [None, 0]
    assert found[2].room == workers[2] and found[2].greediest.need * workers[2] <= 10**9
    refused = [plan.greediest.refusal is not None for plan in found]
    assert refused == [False, False, False, True]
    assert planned("workers: 7").workers == 7
    assert planned("workers: 7", workers=2).workers == 2
    monkeypatch.setattr(planning, "check_backend", lambda name: None)
    assert planned("backend: dask").workers == -1


@pytest.mark.parametrize(
    ("room", "seeds", "crowded"),
    [(None, 9, False), (2, 2, False), (2, 3, True), (0, 1, False), (9, 9, False)],
)
def test_too_many_workers_for_the_memory(
    monkeypatch: pytest.MonkeyPatch, room: int | None, seeds: int, crowded: bool
) -> None:
    need = planned("").greediest.need
    limit = None if room is None else Limit(10**15, "x")
    monkeypatch.setattr(available, "limit", lambda: limit)
    free = need * (room or 0) + 10_000
    monkeypatch.setattr(available, "held", lambda: 10**15 - free)
    plan = planned(f"workers: 5\nseeds: {seeds}")
    assert plan.room == room
    assert plan.crowded is crowded
    fits = not crowded and plan.greediest.refusal is None
    assert plan.to_json()["memory"]["fits"] is fits


# ---------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("text", "place", "message", "fix"),
    [
        ("space: {data.batchsize: [1]}", "2:9", '"batchsize" in data', "batch_size"),
        ("space: {model.dens1.units: [1]}", "2:9", 'no "dens1"', '"dense1"'),
        ("space: {data.batch_size: [1, 0]}", "2:30", "got 0", None),
        (
            "space: {data.batch_size: {int: [0, 9]}}\nmethod: random",
            "2:33",
            "got 0",
            None,
        ),
        (
            "space: {optimizer.adam.learning_rate: {linear: [-1, 1]}}\nmethod: random",
            "2:49",
            "at least 0, got -1",
            "did you mean 1.0?",
        ),
        (
            "space: {train.stop.min_delta: {lg: [1, 2]}}",
            "2:32",
            'unknown range "lg"',
            '"log"',
        ),
        (
            "space: {optimizer.adam.learning_rate: {log: [0, 1]}}",
            "2:40",
            "a logarithm needs ends above 0",
            None,
        ),
        (
            "space: {data.batch_size: {log: [4.5, 64]}}\nmethod: random",
            "2:33",
            "expected an integer",
            "it takes integers: write {int_log: [5, 64]}",
        ),
        (
            "space: {train.epochs: {linear: [1, 64]}}\nmethod: random",
            "2:33",
            "expected an integer",
            "it takes integers: write {int: [1, 64]}",
        ),
        (
            "space: {model.dense1.activation: {int: [0, 1]}}\nmethod: random",
            "2:41",
            "expected an activation",
            "a range gives numbers, and it takes none: list its values",
        ),
        ("space: {train.epochs: {int: [1, 2]}}", "2:1", "a grid needs a list", "steps"),
        (
            "method: {grid: {steps: 1000000}}\nspace: {train.epochs: {int: [1, 8]}}",
            "2:9",
            "a grid of 1,000,000 points",
            "random",
        ),
        ("method: {random: {points: 999999}}", "2:27", "at most 100000", None),
        (
            "objective: {metric: validation/acuracy}",
            "2:21",
            'does not compute "acuracy"',
            'did you mean "validation/accuracy"?',
        ),
        (
            "objective: {metric: validation/f1}",
            "2:21",
            'does not compute "f1"',
            "add f1 to metrics in base.yaml",
        ),
        (
            "objective: {metric: validation/zzz}",
            "2:21",
            'does not compute "zzz"',
            "it computes loss, accuracy",
        ),
    ],
)
def test_a_mistake_is_told_at_its_place(
    text: str, place: str, message: str, fix: str | None
) -> None:
    (error,) = told(text)
    assert str(error.place) == f"sweep.yaml:{place}"
    assert message in error.message
    assert error.fix is None if fix is None else fix in (error.fix or "")
    assert error.exit_code == 2


def test_all_mistakes_of_the_space_are_told_together() -> None:
    errors = told(
        "space:\n"
        "  data.batch_size: [0, x, 5]\n"
        "  trian.epochs: [1]\n"
        "  model.dense1.units: {int: [-2, 0]}\n"
    )
    assert [str(e.place).partition(":")[2] for e in errors] == [
        "2:1", "3:21", "3:24", "4:3", "5:30",
    ]  # fmt: skip
    assert errors[0].code == "config-grid"


def test_advice_is_for_the_range_alone() -> None:
    space = "{train.epochs: {linear: [1.5, 9]}, data.batch_size: [0, 5]}"
    one, other = told(f"method: random\nspace: {space}")
    assert one.fix == "it takes integers: write {int: [2, 9]}"
    assert (other.message, other.fix) == ("expected an integer at least 1, got 0", None)
    space = "{data.split.test: [0.5], data.split.validation: {linear: [0.1, 0.6]}}"
    (error,) = told(f"method: random\nspace: {space}")
    assert "shares are parts of all rows" in (error.fix or "")


def test_misplaced_keys_are_told_together() -> None:
    first, second = told("space: {seed: [1, 2], loss: [hinge]}")
    assert "every point has the same seeds" in first.message
    assert "each value has a validation/loss" in second.message
    assert told("space: {name: [a, b], threads: [1]}")[1].fix == "leave it out"


def test_a_value_is_tried_beside_others_that_it_needs() -> None:
    """A fold alone means nothing to the base, which has no folds."""
    text = BASE.replace("{validation: 0.25}", "{test: 0.2, folds: 2}")
    Path("base.yaml").write_text(text)
    space = "{data.split.folds: [3], data.split.fold: [2]}"
    assert planned(f"space: {space}").points == 1


def test_points_that_contradict_themselves_are_told() -> None:
    """Each value is right, and two of them are not so together."""
    space = "{data.split.validation: [0.1, 0.6], data.split.test: [0.1, 0.5]}"
    (error,) = told(f"space: {space}")
    assert error.code == "config-split"
    assert str(error.place) == "sweep.yaml:2:1"
    assert "(with data.split.validation: 0.6, data.split.test: 0.5)" in error.message


def test_a_value_that_contradicts_the_base_is_told_at_the_sweep_s_line() -> None:
    Path("base.yaml").write_text(BASE.replace("0.25}", "0.25, test: 0.2}"))
    (error,) = told("space: {train.epochs: [1, 2], data.split.validation: [0.2, 0.9]}")
    assert str(error.place) == "sweep.yaml:2:60"
    assert "0.9 + 0.2 leave no rows" in error.message
    assert "(with data.split.validation: 0.9)" in error.message


# ---------------------------------------------------------------- rows that decide


@pytest.mark.parametrize(
    "space",
    [
        "data.split.validation: [0.2, 0.3]",
        "data.split.by: [random, order]",
        "data.source: [wine, {moons: {samples: 60}}]",
        "data.source.moons.noise: [0.1, 0.2]",
        "data: [{source: {moons: {samples: 60}}}, {source: {moons: 40}}]",
    ],
)
def test_values_that_are_judged_by_other_rows_are_refused(space: str) -> None:
    """Whatever the metric: an accuracy of other rows is another one."""
    (error,) = told(f"objective: {{metric: validation/accuracy}}\nspace: {{{space}}}")
    assert "is judged by other validation rows" in error.message
    assert str(error.place) == "sweep.yaml:3:9"


def test_values_that_are_judged_by_the_same_rows_are_not() -> None:
    table("raw.csv", seed=0)
    table("more.csv", seed=0, columns=3)
    table("held.csv", seed=1)
    Path("base.yaml").write_text(OWN)
    accuracy = "objective: {metric: validation/accuracy}\n"
    assert planned(accuracy + "space: {data.preprocess: [[], [min_max]]}").points == 2
    plan = planned(accuracy + "space: {data.source: [raw.csv, more.csv]}")
    assert plan.points == 2  # more columns of the same rows
    assert planned("space: {data.split.test: [0.1, 0.3]}").points == 2
    assert planned("space: {data.columns: [{}, {x0: ignore}]}").points == 2
    table("half.csv", seed=0, rows=20)
    (error,) = told(accuracy + "space: {data.source: [raw.csv, half.csv]}")
    assert "other validation rows" in error.message
    own = OWN.replace("validation: 0.25", "validation: held.csv")
    Path("base.yaml").write_text(own)
    assert planned(accuracy + "space: {data.source: [raw.csv, half.csv]}").points == 2
    assert planned("space: {data.split.test: [0.0, 0.2]}").points == 2


def test_rows_that_are_dropped_are_no_longer_judged() -> None:
    table("raw.csv", seed=0)
    lines = Path("raw.csv").read_text().splitlines()
    lines[1:9] = [f",{line.partition(',')[2]}" for line in lines[1:9]]
    Path("raw.csv").write_text("\n".join(lines) + "\n")
    Path("base.yaml").write_text(OWN.replace("target: y", "target: y, missing: mean"))
    assert planned("space: {data.missing: [mean, median]}").points == 2
    (error,) = told("space: {data.missing: [mean, drop]}")
    assert "other validation rows" in error.message
    (error,) = told("space: {data.target: [y, x1]}\nobjective: {goal: min}")
    assert error.place is not None and error.place.file == "sweep.yaml"


def test_equal_targets_of_other_rows_are_others() -> None:
    one, other = np.arange(3), np.arange(1, 4)
    first = planning._Judged("y", one, np.ones(3))
    assert first.is_like(planning._Judged("y", one, np.ones(3) + 1e-6))
    assert not first.is_like(planning._Judged("y", other, np.ones(3)))
    assert not first.is_like(planning._Judged("y", one, np.ones(3) + 0.1))


def test_losses_in_other_units_are_refused() -> None:
    space = "space: {data.standardize_target: [false, true]}"
    (error,) = told(space)
    assert "each value has a validation/loss of its own" in error.message
    text = BASE.replace("binary_cross_entropy", "mse").replace("accuracy", "mae")
    Path("base.yaml").write_text(text.replace("moons", "regression"))
    assert planned(f"objective: {{metric: validation/mae}}\n{space}").points == 2


def test_folds_that_a_value_contradicts() -> None:
    Path("base.yaml").write_text(BASE.replace("validation: 0.25", "test: 0.25"))
    (error,) = told("folds: 3\nspace: {data.split.by: [random, order]}")
    assert "a random fold validates" in error.message
    assert str(error.place) == "sweep.yaml:3:33"


def test_the_hash_is_of_all_data_that_are_used() -> None:
    for name in ("raw.csv", "other.csv"):
        table(name, seed=0)
    Path("base.yaml").write_text(OWN)
    both = "space: {data.source: [raw.csv, other.csv]}"
    before = planned("").data, planned(both).data
    assert planned("seeds: 3").data == before[0]
    table("other.csv", seed=0, columns=3)
    assert planned("").data == before[0] and planned(both).data != before[1]
    table("raw.csv", seed=0, columns=3)
    assert planned("").data != before[0]
    # A layer may be called like a section of the data.
    Path("base.yaml").write_text(BASE.replace("units: 4", "units: 4, name: split"))
    assert planned("space: {model.split.units: [2, 3]}").data == planned("").data


def test_of_many_points_some_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    point = Base.point

    def noted(self: Base, number: int, values: Any) -> Any:
        asked.append(values)
        return point(self, number, values)

    monkeypatch.setattr(Base, "point", noted)
    monkeypatch.setattr(planning, "LOOKED_AT", 4)
    monkeypatch.setattr(greediest, "POINTS", 1)
    monkeypatch.setattr(greediest, "FEW", 1)
    space = "{train.epochs: {int: [1, 999]}}"
    planned(f"space: {space}\nmethod: {{grid: {{steps: 10}}}}")
    assert asked[:3] == [(1,), (370,), (999,)]  # the ends, and one between
    assert len(asked) == 3 + 4 + 2 and asked[3] == (1,)
    assert asked[-2:] == [(1,), (999,)]  # what takes the most


def test_folds_that_the_base_cannot_have() -> None:
    text = BASE.replace("{validation: 0.25}", "{test: 0.2, by: order}")
    Path("base.yaml").write_text(text)
    (error,) = told("seeds: 2\nfolds: 4")
    assert str(error.place) == "sweep.yaml:3:1"
    assert "a random fold validates" in error.message


def test_a_base_without_rows_to_validate_on() -> None:
    Path("base.yaml").write_text(BASE.replace("validation: 0.25", "test: 0.25"))
    (error,) = told("seeds: 2")
    assert "keeps no rows for validation" in error.message
    assert planned("folds: 3").points == 1
    assert planned("objective: {metric: train/loss}").metric == "train/loss"


def test_a_mistake_of_the_base_is_told_at_its_own_line() -> None:
    Path("base.yaml").write_text(BASE.replace("epochs: 2", "epoch: 2"))
    (error,) = told("")
    assert str(error.place) == "base.yaml:6:9"
    assert error.fix == 'did you mean "epochs"?'


def test_a_sweep_of_a_sweep() -> None:
    Path("other.yaml").write_text("base: base.yaml\nseeds: 3\n")
    Path("sweep.yaml").write_text("base: other.yaml\n")
    with pytest.raises(
        Error, match="the base is the config of a sweep itself"
    ) as error:
        Base.read("sweep.yaml", ())
    assert str(error.value.place) == "sweep.yaml:1:7"


def test_an_optuna_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    (error,) = told("space: {train.epochs: [1]}\nmethod: optuna")
    assert (error.code, str(error.place)) == ("config-optuna", "sweep.yaml:3:9")


@pytest.mark.parametrize("backend", ["dask", "ray"])
def test_a_cluster_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    monkeypatch.setitem(__import__("sys").modules, backend, None)
    (error,) = told(f"backend: {backend}")
    assert (error.code, str(error.place)) == ("config-backend", "sweep.yaml:2:10")
