"""Runs beside each other: groups, what differs, intervals, verdicts, and the page."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nettrain.errors import Error
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
    assert found.settings() == [["", "A", "B"], [RATE, "0.001", "0.01"]]
    assert found.title == "made: 2 configs, 8 runs"
    assert found.label(found.groups[1]) == "B: learning_rate 0.01"


def test_what_changes_no_result_is_told_but_the_same_config(tmp_path: Path) -> None:
    make(tmp_path / "1", "name=one")
    make(tmp_path / "2", "name=two", "seed=1", "threads=2", "diagnose=false")
    found = Comparison.of([tmp_path])
    assert [len(group.runs) for group in found.groups] == [2]
    assert found.keys == ["diagnose", "threads"]
    assert found.groups[0].setting("threads") == "1, 2"
    assert found.title == "1 config, 2 runs"


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
    apart = two.ahead(one, "test/accuracy")[0]
    assert apart.half == pytest.approx(0.01 * wide, rel=1e-5)


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
    make(tmp_path / "best", "data.batch_size=99", accuracy=(0.9,))
    found = Comparison.of([tmp_path])
    rows = found.settings()
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
    assert row(found.results(), "test/loss", "A") == ["nan", "–"]


def test_pairs_tell_apart_what_intervals_do_not(two: Path) -> None:
    found = Comparison.of([two])
    one, other = found.groups
    metric = "test/accuracy"
    assert one.interval(metric).high > other.interval(metric).low
    differences = np.array([0.010, 0.012, 0.011, 0.009])
    half = 3.182446 * differences.std(ddof=1) / 2
    apart, pairs = other.ahead(one, metric)
    assert (apart.mean, pairs) == (pytest.approx(differences.mean()), 4)
    assert apart.half == pytest.approx(half, rel=1e-5)
    results = found.results()
    assert row(results, metric, "B") == ["0.4605", "± 0.54", "", "", "best"]
    assert row(results, "", "B")[2:] == ["+0", "± 0", "cannot be told apart"]
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
    assert found.results()[-1][-1] == "cannot be told apart"
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
    assert row(found.results(), "test/accuracy", "B")[:2] == ["0.9", "–"]
    assert found.results()[-1][-1] == "one seed: no interval"
    assert [v for v in found.verdicts() if "test" in v] == [
        "test/accuracy: B is best here, but whether it beats A is open: "
        "one seed: no interval"
    ]


def test_other_seeds_are_no_pairs(tmp_path: Path) -> None:
    seeds(tmp_path / "a", tests=[0.1, 0.2])
    for seed in (5, 6):
        make(tmp_path / f"b{seed}", f"{RATE}=0.1", f"seed={seed}", test=0.9)
    assert Comparison.of([tmp_path]).results()[-1][-1] == (
        "no seed in common: no interval"
    )


def test_a_lucky_seed_does_not_win_over_pairs(tmp_path: Path) -> None:
    seeds(tmp_path / "a", tests=[0.5, 0.6, 0.7, 2.0])
    seeds(tmp_path / "b", f"{RATE}=0.1", tests=[0.6, 0.71, 0.8])
    found = Comparison.of([tmp_path])
    assert found.results()[-1][-1] == "better in pairs"
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
    assert row(found.results(), "test/mine", "A")[-1].startswith("not ranked")
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
    assert Comparison.of([tmp_path]).findings() == [
        ["", "A", "B", "C"],
        ["G1 name of G1", "–", "error in 2 of 2, primary in 1", "not diagnosed"],
        ["D3 name of D3", "note", "note in 1 of 2", "not diagnosed"],
    ]


def test_a_damaged_run_is_left_out_unless_it_was_named(
    two: Path, tmp_path: Path
) -> None:
    root = tmp_path / "runs"
    shutil.copytree(two, root)
    (root / "one/seed-1/metrics.jsonl").write_text("{}\n")
    (root / "one/seed-2/config.resolved.yaml").write_text("a: [")
    found = Comparison.of([root])
    assert [len(group.runs) for group in found.groups] == [2, 4]
    left = [note for note in found.notes() if note.startswith("left out")]
    assert len(left) == 2
    for seed in (1, 2):
        with pytest.raises(Error, match="damaged"):
            Comparison.of([root, root / f"one/seed-{seed}"])


def test_a_run_before_its_first_update_has_no_numbers(tmp_path: Path) -> None:
    run = make(tmp_path / "1", status="running")
    (run / "metrics.jsonl").unlink()
    found = Comparison.of([run])
    assert found.results() == [["", "", "mean", "± 95 %"]]
    parts = Parts(found.page().decode())
    assert "No epoch was finished." in parts.said


def test_the_page_has_all_of_it(two: Path) -> None:
    found = Comparison.of([two])
    parts = Parts(found.page().decode())
    for rows in (found.settings(), found.results(), found.each()):
        for cells in rows:
            assert " ".join(cell for cell in cells if cell) in parts.said
    for sentence in found.verdicts():
        assert sentence in parts.said
    loss = parts.data["charts"][0]
    assert [s["label"] for s in loss["series"]] == [
        f"{name}: learning_rate {rate} (validation)"
        for name, rate in (("A", "0.001"), ("B", "0.01"))
    ]
    assert found.page() == found.page()


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
