"""Runs beside each other: groups, what differs, intervals, verdicts, and the page."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nettrain.study.compare import Comparison
from nettrain.study.groups import grouped, ranked
from nettrain.study.run import Run
from tests.hostile.texts import ESCAPES, HTML
from tests.show.test_page import Parts
from tests.study.made import CONFIG, finding, make

RATE = "optimizer.adam.learning_rate"


def seeds(root: Path, *overrides: str, tests: list[float], **more: Any) -> Path:
    """A folder with a run per value, of seed 0, 1, …"""
    for seed, test in enumerate(tests):
        make(root / f"seed-{seed}", *overrides, f"seed={seed}", test=test, **more)
    return root


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two configs with four seeds each, the second better by 0.01 ± 0.002."""
    root = tmp_path_factory.mktemp("two")
    base = [0.1, 0.5, 0.9, 0.3]
    seeds(root / "one", tests=base)
    better = [v + d for v, d in zip(base, (0.010, 0.012, 0.011, 0.009), strict=True)]
    seeds(root / "two", f"{RATE}=0.01", tests=better)
    return root


def row(rows: list[list[str]], *head: str) -> list[str]:
    return next(r for r in rows if r[: len(head)] == list(head))[len(head) :]


# ---------------------------------------------------------------- groups


def test_seeds_of_a_config_are_a_group(two: Path) -> None:
    found = Comparison.of([two])
    assert [(g.name, g.seeds) for g in found.groups] == [
        ("A", [0, 1, 2, 3]),
        ("B", [0, 1, 2, 3]),
    ]
    assert found.keys == [RATE]
    assert found.settings == [["", "A", "B"], [RATE, "0.001", "0.01"]]
    assert found.title == "made: 2 configs, 8 runs"
    assert found.label(found.groups[1]) == "B: learning_rate 0.01"


def test_what_changes_no_result_is_told_but_the_same_config(tmp_path: Path) -> None:
    make(tmp_path / "1", "name=one")
    make(tmp_path / "2", "name=two", "seed=1", "threads=2", "diagnose=false")
    found = Comparison.of([tmp_path])
    assert [len(group.runs) for group in found.groups] == [2]
    assert found.keys == ["diagnose", "threads"]
    assert found.groups[0].setting("threads") == "1, 2"
    assert found.title == "one, two: 1 config, 2 runs"


def test_other_data_are_another_group_and_said(tmp_path: Path) -> None:
    make(tmp_path / "1")
    make(tmp_path / "2", data_sha256="9" * 64)
    found = Comparison.of([tmp_path])
    assert len(found.groups) == 2
    assert any("different data" in note for note in found.notes())


def test_other_numerics_are_said_with_what_differs(tmp_path: Path) -> None:
    make(tmp_path / "1")
    make(tmp_path / "2", "seed=1", numerics="2" * 64, environment={"numpy": "2.3"})
    found = Comparison.of([tmp_path])
    assert len(found.groups) == 1
    (note,) = found.notes()
    assert "other numerics" in note and "numpy 2.1, 2.3" in note


def test_folds_are_units_of_one_config(tmp_path: Path) -> None:
    folds = "data.split={folds: 3, fold: %d, test: 0.2}"
    for fold, apart in ((1, 0.01), (2, 0.02), (3, 0.03)):
        make(tmp_path / f"a{fold}", folds % fold, test=0.1 * fold)
        other = folds % fold, f"{RATE}=0.1"
        make(tmp_path / f"b{fold}", *other, test=0.1 * fold + apart)
    one, two = Comparison.of([tmp_path]).groups
    assert one.folds == two.folds == 3
    assert [run.unit for run in one.runs] == [(0, 1), (0, 2), (0, 3)]
    # t(.975, 2) = 4.302653 (any table); Nadeau and Bengio's 1/n + 1/(folds - 1).
    wide = 4.302653 * math.sqrt(1 / 3 + 1 / 2)
    assert one.interval("test/accuracy").half == pytest.approx(0.1 * wide, rel=1e-5)
    apart = two.ahead(one, "test/accuracy")
    assert apart.half == pytest.approx(0.01 * wide, rel=1e-5)


MOONS = {
    **CONFIG,
    "data": {"source": {"moons": {"samples": 40}}, "split": {"validation": 0.5}},
    "model": [{"dense": 1}],
    "loss": "binary_cross_entropy",
}


def test_data_drawn_from_the_seed_are_others_by_design(tmp_path: Path) -> None:
    """What is to be the same are those of one seed."""
    for seed, rate in ((0, 0.1), (0, 0.2), (1, 0.1), (1, 0.2)):
        of = f"seed={seed}", f"{RATE}={rate}"
        make(tmp_path / "-".join(of), *of, config=MOONS, data_sha256=str(seed) * 64)
    found = Comparison.of([tmp_path])
    assert [group.seeds for group in found.groups] == [[0, 1], [0, 1]]
    assert list(found.notes()) == []
    assert found.rivals["test/accuracy"][found.groups[1]].apart.n == 2
    assert "on data drawn alike" in " ".join(found.meaning())
    make(tmp_path / "other", f"{RATE}=0.1", "seed=1", config=MOONS, data_sha256="9")
    assert [g.seeds for g in Comparison.of([tmp_path]).groups] == [[0, 1], [0, 1], [1]]
    (note,) = Comparison.of([tmp_path]).notes()
    assert note.startswith("trained on different data")


def test_data_that_are_drawn_in_another_way_are_different(tmp_path: Path) -> None:
    """Also where there is no seed by which to see it."""
    make(tmp_path / "1", config=MOONS, data_sha256="0")
    noisy = "data.source={moons: {samples: 40, noise: 0.5}}"
    make(tmp_path / "2", noisy, "seed=1", config=MOONS, data_sha256="1")
    (note,) = Comparison.of([tmp_path]).notes()
    assert note.startswith("trained on different data")
    make(tmp_path / "digits/1")
    make(tmp_path / "digits/2", config=MOONS)
    assert len([*Comparison.of([tmp_path / "digits"]).notes()]) == 1


# ---------------------------------------------------------------- what differs


def model(*layers: Any) -> dict[str, Any]:
    return {**CONFIG, "model": list(layers)}


def test_layers_are_called_as_people_call_them(tmp_path: Path) -> None:
    dense = {"dense": {"units": 8, "activation": "relu"}}
    drop = {"dropout": {"rate": 0.5}}
    head = {"dense": {"units": 10, "name": "head"}}
    make(tmp_path / "1", config=model(dense, head))
    make(tmp_path / "2", config=model(dense, drop, head))
    inner = {"residual": [{"dense": {"units": 8, "activation": "tanh"}}]}
    make(tmp_path / "3", config=model(dense, inner, head))
    found = Comparison.of([tmp_path])
    differ = {key: [g.setting(key) for g in found.groups] for key in found.keys}
    assert differ == {
        "model": [
            "[dense, dense]",
            "[dense, dropout, dense]",
            "[dense, residual, dense]",
        ],
        "model.dropout1.rate": ["–", "0.5", "–"],
        "model.residual1.dense1.units": ["–", "–", "8"],
        "model.residual1.dense1.activation": ["–", "–", "tanh"],
    }


def test_layers_without_settings_are_told_once(tmp_path: Path) -> None:
    for n, bare in enumerate(("relu", "tanh")):
        inner = {"residual": [bare, {"dense": 10}]}
        make(tmp_path / str(n), config=model({"dense": 8}, bare, inner))
    found = Comparison.of([tmp_path])
    differ = {key: [g.setting(key) for g in found.groups] for key in found.keys}
    assert differ == {
        "model": ["[dense, relu, residual]", "[dense, tanh, residual]"],
        "model.residual1.relu1": ["relu", "–"],
        "model.residual1.tanh1": ["–", "tanh"],
    }


def test_another_component_is_told_by_its_name(tmp_path: Path) -> None:
    make(tmp_path / "1")
    make(tmp_path / "2", "optimizer={sgd: {learning_rate: 0.1}}")
    make(tmp_path / "3", "train.stop={patience: 3}")
    found = Comparison.of([tmp_path])
    differ = {key: [g.setting(key) for g in found.groups] for key in found.keys}
    assert differ == {
        "optimizer": ["adam", "sgd", "adam"],
        "optimizer.sgd.learning_rate": ["–", "0.1", "–"],
        "train.stop.patience": ["–", "–", "3"],
    }


def test_many_configs_stand_below_each_other(tmp_path: Path) -> None:
    for n in range(8):
        make(tmp_path / str(n), f"data.batch_size={n + 1}")
        make(tmp_path / f"{n}-again", f"data.batch_size={n + 1}", "seed=1", test=None)
    for seed in (0, 1):
        of = "data.batch_size=99", f"seed={seed}"
        make(tmp_path / f"best-{seed}", *of, accuracy=(0.9,))
    found = Comparison.of([tmp_path])
    rows = found.settings
    assert rows[0] == ["", "data.batch_size"]
    assert rows[-1] == ["I", "99"]
    assert len(rows) == 10
    page = Parts(found.page().decode())
    assert "Those of the 8 best by validation/loss. A line is" in page.said
    labels = [s["label"] for s in page.data["charts"][0]["series"]]
    assert len(labels) == 8 and labels[0].startswith("I: batch_size 99")


# ---------------------------------------------------------------- numbers


def test_measures_are_of_the_model_that_the_run_gives(tmp_path: Path) -> None:
    values = (0.5, 0.9, 0.7)
    last = Run.read(make(tmp_path / "1", accuracy=values)).measures
    assert last == {
        "validation/loss": pytest.approx(0.3),
        "validation/accuracy": 0.7,
        "test/accuracy": 0.75,
    }
    for monitor in ("loss", "accuracy"):
        stop = f"train.stop={{monitor: validation/{monitor}, restore_best: true}}"
        best = Run.read(make(tmp_path / monitor, stop, accuracy=values)).measures
        assert best["validation/accuracy"] == 0.9
    assert Run.read(make(tmp_path / "4", status="interrupted")).measures == {}


def test_without_other_rows_it_is_the_training_loss(tmp_path: Path) -> None:
    run = make(tmp_path / "1", test=None)
    kept = ("step", "epoch", "train/loss", "train/epoch_loss")
    rows = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    lines = [json.dumps({k: r[k] for k in kept if k in r}) + "\n" for r in rows]
    (run / "metrics.jsonl").write_text("".join(lines))
    assert Run.read(run).measures == {"train/loss": pytest.approx(1 / 3)}


def test_what_is_not_finite_has_no_mean(tmp_path: Path) -> None:
    summary = {"test/loss": "nan", "best": {}, "last": {}, "test/confusion": [[1]]}
    make(tmp_path / "1", summary=summary)
    make(tmp_path / "2", "seed=1", summary={**summary, "test/loss": 1.0})
    found = Comparison.of([tmp_path])
    assert math.isnan(found.groups[0].interval("test/loss").mean)
    assert row(found.results, "test/loss", "A") == ["nan", "–"]


def test_pairs_tell_apart_what_intervals_do_not(two: Path) -> None:
    found = Comparison.of([two])
    one, other = found.groups
    metric = "test/accuracy"
    assert one.interval(metric).high > other.interval(metric).low
    differences = np.array([0.010, 0.012, 0.011, 0.009])
    half = 3.182446 * differences.std(ddof=1) / 2
    apart = other.ahead(one, metric)
    assert (apart.mean, apart.n) == (pytest.approx(differences.mean()), 4)
    assert apart.half == pytest.approx(half, rel=1e-5)
    results = found.results
    assert row(results, metric, "B") == ["0.4605", "± 0.54", "", "", "best"]
    alike = ["+0", "all agree", "all seeds agree: no interval"]
    assert row(results, "", "B")[2:] == alike
    assert results[-1][4:] == ["-0.0105", "± 0.0021", "worse"]
    told = "test/accuracy: B is better than A, the second (by 0.0105 ± 0.0021, 4 pairs)"
    assert told in list(found.verdicts())


def test_what_cannot_be_told_apart_is_said(tmp_path: Path) -> None:
    seeds(tmp_path / "a", tests=[0.1, 0.5, 0.9])
    seeds(tmp_path / "b", f"{RATE}=0.1", tests=[0.3, 0.4, 0.95])
    found = Comparison.of([tmp_path])
    (said,) = [v for v in found.verdicts() if v.startswith("test/accuracy")]
    assert said.startswith(
        "test/accuracy: B is best, but cannot be told from A (by 0.05"
    )
    assert found.results[-1][-1] == "cannot be told apart"
    plain = found.plain()["metrics"]["test/accuracy"]
    assert (plain["best"], plain["goal"]) == ("B", "max")
    behind = plain["groups"]["A"]
    assert behind["told_from_best"] is False and behind["pairs"] == 3
    low, high = behind["difference_interval"]
    assert low < behind["difference"] < high


def test_one_seed_has_no_interval(tmp_path: Path) -> None:
    make(tmp_path / "a", test=0.5)
    make(tmp_path / "b", f"{RATE}=0.1", test=0.9)
    found = Comparison.of([tmp_path])
    assert row(found.results, "test/accuracy", "B")[:2] == ["0.9", "–"]
    assert found.results[-1][-1] == "one seed: no interval"
    assert [v for v in found.verdicts() if "test" in v] == [
        "test/accuracy: B is best here, but whether it beats A is open: "
        "one seed: no interval"
    ]


def rated(root: Path, *behind: list[float], seeds: int = 5) -> Comparison:
    """The best, and configs that are so far behind it with each seed."""
    for n, losses in enumerate([[0.0] * seeds, *behind]):
        for seed, (base, loss) in enumerate(zip(range(seeds), losses, strict=True)):
            of = f"{RATE}=0.{n + 1}", f"seed={seed}"
            make(root / f"{n}-{seed}", *of, test=0.5 + 0.01 * base - loss)
    return Comparison.of([root])


def test_that_the_best_can_be_told_holds_for_all_rivals_at_once(tmp_path: Path) -> None:
    """By itself each of the four is told from the best."""
    near = [[0.05, 0.2, 0.1, 0.12, 0.22 + n / 100] for n in range(3)]
    sure = [0.1, 0.1001, 0.1002, 0.1, 0.1001]
    found = rated(tmp_path, *near, sure)
    groups = found.plain()["metrics"]["test/accuracy"]["groups"]
    ends = {name: of.get("difference_interval") for name, of in groups.items()}
    assert all(high < 0 for low, high in [ends[name] for name in "BCDE"])
    told = {name: of.get("told_from_best") for name, of in groups.items()}
    assert told == {"A": None, "B": False, "C": False, "D": False, "E": True}
    last = {row[1]: row[-1] for row in found.results[-5:]}
    assert last == {"A": "best", "E": "worse"} | dict.fromkeys(
        "BCD", "cannot be told apart"
    )
    (said,) = [v for v in found.verdicts() if v.startswith("test/accuracy")]
    assert "A is best, but cannot be told from B (by 0.138 ± 0.088 by itself" in said
    # Of B: 0.138 / 0.071 = 1.94 standard deviations, at .05 / 9; of D less.
    told = "), nor from 2 others; if the gaps are as they seem, about "
    more = "8 seeds would tell it from B 4 times in 5"
    assert said.endswith(f", 5 pairs{told}{more}")
    assert "all 10 pairs" in " ".join(found.plain()["meaning"])
    (tmp_path / "one").mkdir()
    alone = rated(tmp_path / "one", near[0])
    assert alone.results[-1][-1] == "worse"
    assert "rivals" not in " ".join(alone.meaning())


def test_how_many_seeds_would_tell_is_said(tmp_path: Path) -> None:
    """Of the second, and of whom fewer seeds would tell from the best."""
    near, far = [0.01, -0.02, 0.04], [0.1, 0.3, 0.5]
    found = rated(tmp_path, near, far, seeds=3)
    (said,) = [v for v in found.verdicts() if v.startswith("test/accuracy")]
    apart = found.rivals["test/accuracy"]
    second, last = (apart[g].apart.enough(3) for g in found.order["test/accuracy"][1:])
    assert second > 20 > last > 3
    assert said.endswith(
        f"3 pairs), nor from 1 other; if the gaps are as they seem, about {second} "
        f"seeds would tell it from B 4 times in 5, about {last} from C"
    )


def test_better_than_all_others(tmp_path: Path) -> None:
    sure = [0.1, 0.1001, 0.1002, 0.1, 0.1001]
    found = rated(tmp_path, sure, [v + 0.1 for v in sure])
    (said,) = [v for v in found.verdicts() if v.startswith("test/accuracy")]
    assert said.startswith("test/accuracy: A is better than B, the second (by 0.1001 ±")
    assert said.endswith(" by itself, 5 pairs), and than 1 other")


def test_seeds_that_all_agree_are_no_certainty(tmp_path: Path) -> None:
    """0.7 - 0.6 is not 0.6 - 0.5 to the last bit."""
    seeds(tmp_path / "a", tests=[0.5, 0.6])
    seeds(tmp_path / "b", f"{RATE}=0.1", tests=[0.6, 0.7])
    found = Comparison.of([tmp_path])
    told = ["-0.1", "all agree", "all seeds agree: no interval"]
    assert found.results[-1][-3:] == told
    (said,) = [v for v in found.verdicts() if v.startswith("test/accuracy")]
    assert said == (
        "test/accuracy: B is best, but cannot be told from A "
        "(by 0.1, all seeds agree: no interval, 2 pairs)"
    )
    behind = found.plain()["metrics"]["test/accuracy"]["groups"]["A"]
    assert (behind["told_from_best"], behind["pairs"]) == (False, 2)
    assert found.plain()["metrics"]["validation/accuracy"]["best"] == "A"


@pytest.mark.parametrize(
    ("override", "refused"),
    [
        ("loss=mae", {"loss": "the losses differ (loss)"}),
        ("loss={huber: {delta: 2}}", {"loss": "the losses differ (loss)"}),
        (
            "data.standardize_target=true",
            {"loss": "the losses differ (data.standardize_target)"},
        ),
        (
            "data.target=[b, c]",
            dict.fromkeys(("loss", "mae", "r2"), "the tasks differ (data.target)"),
        ),
        (
            "data.source=diabetes",
            dict.fromkeys(("loss", "mae", "r2"), "the tasks differ (data.source)"),
        ),
        ("data.source=more.csv", {}),
        ("data.batch_size=7", {}),
    ],
)
def test_values_of_other_units_or_tasks_are_not_ranked(
    tmp_path: Path, override: str, refused: dict[str, str]
) -> None:
    data = {**CONFIG["data"], "source": "table.csv", "target": "a"}
    config = {**CONFIG, "loss": "mse", "metrics": ["mae", "r2"], "data": data}
    summary = {"best": {}, "last": {}}
    for n, of in enumerate(((), (override,))):
        numbers = {f"test/{k}": 1.5 - n for k in ("loss", "mae", "r2")}
        make(tmp_path / str(n), *of, config=config, summary={**summary, **numbers})
    found = Comparison.of([tmp_path])
    for kind in ("loss", "mae", "r2"):
        name, why = f"test/{kind}", refused.get(kind, "")
        assert found.unranked[name] == why
        first = "A" if why or kind == "r2" else "B"
        assert found.order[name][0].name == first
        assert any(v.startswith(name) for v in found.verdicts()) is not bool(why)
        plain = found.plain()["metrics"][name]
        assert plain["not_ranked"] == (why or None)
        assert (plain["best"] is None) is bool(why)
        second = "B" if plain["best"] != "B" else "A"
        assert ("difference" in plain["groups"][second]) is not bool(why)
        if why:
            assert row(found.results, name, "A")[-1] == f"not ranked: {why}"


def test_other_seeds_are_no_pairs(tmp_path: Path) -> None:
    seeds(tmp_path / "a", tests=[0.1, 0.2])
    for seed in (5, 6):
        make(tmp_path / f"b{seed}", f"{RATE}=0.1", f"seed={seed}", test=0.9)
    assert Comparison.of([tmp_path]).results[-1][-1] == (
        "no seed in common: no interval"
    )


def test_one_seed_in_common_is_not_enough(tmp_path: Path) -> None:
    seeds(tmp_path / "a", tests=[0.1, 0.2])
    make(tmp_path / "b", f"{RATE}=0.1", "seed=1", test=0.9)
    assert Comparison.of([tmp_path]).results[-1][-1] == (
        "one seed in common: no interval"
    )


def test_folds_of_other_cross_validations_are_no_pairs(tmp_path: Path) -> None:
    for folds in (3, 4):
        for fold in range(1, folds + 1):
            split = f"data.split={{folds: {folds}, fold: {fold}, test: 0.2}}"
            make(tmp_path / f"{folds}-{fold}", split, test=0.1 * fold)
    found = Comparison.of([tmp_path])
    one, two = found.groups
    apart = two.ahead(one, "test/accuracy")
    assert apart.n == 0 and math.isnan(apart.mean)
    assert found.results[-1][-1] == "other folds: no interval"


def test_pairs_of_folds_are_of_one_seed_and_fold(tmp_path: Path) -> None:
    for fold, rate in enumerate((0.1, 0.2), 1):
        split = f"data.split={{folds: 3, fold: {fold}, test: 0.2}}"
        make(tmp_path / str(fold), split, f"{RATE}={rate}")
    told = Comparison.of([tmp_path]).results[-1][-1]
    assert told == "no seed and fold in common: no interval"


def test_where_nothing_is_a_number_none_is_best(tmp_path: Path) -> None:
    summary = {"test/loss": "nan", "best": {}, "last": {}}
    for n, rate in enumerate(("0.1", "0.2")):
        for seed in (0, 1):
            of = f"{RATE}={rate}", f"seed={seed}"
            make(tmp_path / f"{n}-{seed}", *of, summary=summary)
    found = Comparison.of([tmp_path])
    (said,) = [v for v in found.verdicts() if v.startswith("test/loss")]
    assert said == "test/loss: none is best: no config has numbers of all its runs"
    assert row(found.results, "test/loss", "A") == ["nan", "–", "", "", ""]
    assert found.plain()["metrics"]["test/loss"]["best"] is None


def test_one_run_with_the_best_value_does_not_keep_others_from_a_verdict(
    tmp_path: Path,
) -> None:
    make(tmp_path / "a", test=0.99)
    seeds(tmp_path / "b", f"{RATE}=0.1", tests=[0.8, 0.9])
    metric = "test/accuracy"
    alone = Comparison.of([tmp_path])
    assert [g.name for g in alone.order[metric]] == ["A", "B"]  # nothing to be tested
    seeds(tmp_path / "c", f"{RATE}=0.2", tests=[0.701, 0.8])
    found = Comparison.of([tmp_path])
    assert [g.name for g in found.order[metric]] == ["B", "C", "A"]
    (said,) = [v for v in found.verdicts() if v.startswith(metric)]
    assert said.startswith(f"{metric}: B is better than C, the second (by 0.0995 ± ")
    assert said.endswith(", 2 pairs); of one run, a better value: A")
    assert found.results[-1][-3:] == ["+0.19", "–", "one seed in common: no interval"]
    assert found.plain()["metrics"][metric]["best"] == "B"
    make(tmp_path / "d", f"{RATE}=0.3", "seed=1", test=0.1)
    found = Comparison.of([tmp_path])
    assert [g.name for g in found.order[metric]][2:] == ["A", "D"]
    assert "value: A" in [v[-8:] for v in found.verdicts()]


def test_a_lucky_seed_does_not_win_over_pairs(tmp_path: Path) -> None:
    seeds(tmp_path / "a", tests=[0.5, 0.6, 0.7, 2.0])
    seeds(tmp_path / "b", f"{RATE}=0.1", tests=[0.6, 0.71, 0.8])
    found = Comparison.of([tmp_path])
    assert found.results[-1][-1] == "better in pairs"
    told = "test/accuracy: A has the best mean, but B is better in pairs (by 0.1033 "
    assert any(v.startswith(told) for v in found.verdicts())


def test_what_diverged_is_not_ranked_first_by_those_that_did_not(
    tmp_path: Path,
) -> None:
    seeds(tmp_path / "a", tests=[0.1, 0.2])
    seeds(tmp_path / "b", f"{RATE}=0.1", tests=[0.9, 0.95])
    make(tmp_path / "b/seed-2", f"{RATE}=0.1", "seed=2", status="diverged")
    found = Comparison.of([tmp_path])
    assert [g.name for g in found.order["test/accuracy"]] == ["A", "B"]
    (note,) = found.notes()
    assert note.startswith("B: not finished") and "seed-2 diverged" in note
    (said,) = [v for v in found.verdicts() if v.startswith("test/accuracy")]
    assert said.startswith(
        "test/accuracy: A has finished all its runs, but B is better in pairs (by 0.77"
    )
    assert said.endswith(", 2 pairs)")


def test_a_seed_that_another_run_has_finished_is_not_unfinished(
    tmp_path: Path,
) -> None:
    seeds(tmp_path / "a", tests=[0.1, 0.2])
    make(tmp_path / "a/before", "seed=1", status="interrupted")
    (group,) = Comparison.of([tmp_path]).groups
    assert (group.seeds, group.unfinished) == ([0, 1], [])
    assert group.values("test/accuracy") == {(0, 1): 0.1, (1, 1): 0.2}


def test_losses_should_fall_and_accuracies_rise(two: Path) -> None:
    groups = grouped([Run.read(p) for p in sorted(two.glob("*/seed-0"))])
    names = {
        goal: [g.name for g in ranked(groups, "test/accuracy", goal)]
        for goal in ("min", "max")
    }
    assert names == {"min": ["A", "B"], "max": ["B", "A"]}
    found = Comparison.of([two])
    assert found.goals["validation/loss"] == "min"
    assert found.goals["test/accuracy"] == "max"


def test_a_metric_of_a_plugin_is_not_ranked(tmp_path: Path) -> None:
    for n, rate in enumerate(("0.1", "0.2")):
        summary = {"test/mine": 0.5 + n, "best": {}, "last": {}}
        run = make(tmp_path / str(n), f"{RATE}={rate}", summary=summary)
        path = run / "config.resolved.yaml"
        path.write_text(path.read_text().replace("[accuracy]", "[accuracy, mine]"))
    found = Comparison.of([tmp_path])
    assert found.goals["test/mine"] == ""
    assert row(found.results, "test/mine", "A")[-1].startswith("not ranked")
    assert not [v for v in found.verdicts() if "mine" in v]
    assert found.plain()["metrics"]["test/mine"]["best"] is None


# ---------------------------------------------------------------- findings, files


def test_findings_stand_side_by_side(tmp_path: Path) -> None:
    note, sick = finding("D3", "note"), finding("G1", primary=True)
    make(tmp_path / "1", found=[note])
    make(tmp_path / "2", f"{RATE}=0.1", found=[note, sick])
    make(tmp_path / "3", f"{RATE}=0.1", "seed=1", found=[finding("G1", "warning")])
    make(tmp_path / "4", f"{RATE}=0.2", diagnosis=None)
    path = tmp_path / "4/run.json"
    facts = json.loads(path.read_text())
    del facts["diagnosis"]
    path.write_text(json.dumps(facts))
    assert Comparison.of([tmp_path]).findings == [
        ["", "A", "B", "C"],
        ["G1 name of G1", "–", "error in 2 of 2, primary in 1", "not diagnosed"],
        ["D3 name of D3", "note", "note in 1 of 2", "not diagnosed"],
    ]


def test_findings_of_many_configs_stand_below_each_other(tmp_path: Path) -> None:
    for n in range(7):
        make(tmp_path / str(n), f"data.batch_size={n + 1}", found=[finding("D3")])
    rows = Comparison.of([tmp_path]).findings
    assert rows[0] == ["", "D3 name of D3"]
    assert rows[1:] == [[name, "error"] for name in "ABCDEFG"]


def test_the_title_names_no_more_than_some_configs(tmp_path: Path) -> None:
    for n in range(7):
        make(tmp_path / str(n), f"name=n{n}")
    title = "n0, n1, n2, n3, n4 and 2 more: 1 config, 7 runs"
    assert Comparison.of([tmp_path]).title == title


def test_a_run_before_its_first_update_has_no_numbers(tmp_path: Path) -> None:
    run = make(tmp_path / "1", status="running")
    (run / "metrics.jsonl").unlink()
    found = Comparison.of([run])
    assert found.results == [["", "", "mean", "± 95 %"]]
    parts = Parts(found.page().decode())
    assert "No epoch was finished." in parts.said


def test_the_page_has_all_of_it(two: Path) -> None:
    found = Comparison.of([two])
    parts = Parts(found.page().decode())
    for rows in (found.overview, found.settings, found.results, found.each()):
        for cells in rows:
            assert " ".join(cell for cell in cells if cell) in parts.said
    for sentence in (*found.verdicts(), *found.meaning()):
        assert sentence in parts.said
    loss = parts.data["charts"][0]
    assert [s["label"] for s in loss["series"]] == [
        f"{name}: learning_rate {rate} (validation)"
        for name, rate in (("A", "0.001"), ("B", "0.01"))
    ]
    assert found.page() == found.page()


def test_the_page_leads_to_those_of_its_runs(tmp_path: Path) -> None:
    run = make(tmp_path / "1")
    make(tmp_path / "2", "seed=1")  # has none
    (run / "report.html").touch()
    (tmp_path / "here").mkdir()
    pages = [Comparison.of([tmp_path]).page(at) for at in (tmp_path / "here", None)]
    leads = [
        [a.get("href") for t, a in Parts(p.decode()).elements if t == "a"]
        for p in pages
    ]
    assert leads == [["../1/report.html"], []]


@pytest.mark.parametrize("text", [HTML, ESCAPES], ids=["HTML", "escapes"])
def test_hostile_names_stay_texts(tmp_path: Path, text: str) -> None:
    nasty = finding(f"G1{text}", name=text)
    facts = {"name": text, "environment": {text: text}}
    make(tmp_path / "1", found=[nasty], **facts)
    run = make(tmp_path / "2", f"{RATE}=0.1", numerics=text, data_sha256=text)
    path = run / "config.resolved.yaml"
    written = json.dumps(f"{text}.csv")
    path.write_text(path.read_text().replace("source: digits", f"source: {written}"))
    found = Comparison.of([tmp_path])
    page = found.page().decode("utf-8", "surrogatepass")
    plain = Comparison.of([make(tmp_path / "plain")]).page().decode()
    tags = {tag for tag, _ in Parts(page).elements}
    assert tags <= {tag for tag, _ in Parts(plain).elements} | {"p", "div"}
    assert "data.source" in found.keys
