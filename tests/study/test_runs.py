"""The table of runs: what a row says, which rows there are, and in what order."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

from nettrain.errors import Error
from nettrain.study.folders import below, runs_of
from nettrain.study.lookup import lookup
from nettrain.study.table import Row, rows
from nettrain.study.where import Condition
from tests.study.made import finding, make


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of all kinds, for reading only."""
    root = tmp_path_factory.mktemp("runs")
    rates = {2: "0.01", 10: "0.001"}
    for number, rate in rates.items():
        make(
            root / f"made/{number}",
            f"optimizer.adam.learning_rate={rate}",
            accuracy=(0.9, 0.1 * number**0.5, 0.3),
            test=number / 20,
        )
    primary = finding("G1", primary=True)
    make(root / "deep/1/seed-3", "seed=3", found=[finding("D3", "note"), primary])
    make(root / "made/3", "optimizer=sgd", status="diverged", test=None)
    shutil.copytree(root / "made/2", root / "made/4")
    (root / "made/4/run.json").write_text('{"format": 1, "name"')
    (root / "made/5/checkpoints").mkdir(parents=True)
    (root / "empty/1").mkdir(parents=True)
    (root / "made/notes.txt").write_text("mine")
    return root


def names(found: list[Row], root: Path) -> list[str]:
    return [str(row.path.relative_to(root)) for row in found]


def test_every_run_is_a_row_in_the_order_of_numbers(several: Path) -> None:
    made = ["made/2", "made/3", "made/4", "made/5", "made/10"]
    assert names(rows([several]), several) == ["deep/1/seed-3", *made]
    assert names(rows([several / "made/10"]), several) == ["made/10"]
    assert rows([several / "empty"]) == rows([several / "nowhere"]) == []


def test_a_row_says_how_a_run_went(several: Path) -> None:
    plain = Row.read(several / "made/2").plain
    assert plain["folder"] == str(several / "made/2")
    assert (plain["name"], plain["status"], plain["seed"]) == ("made", "finished", 0)
    assert (plain["epoch"], plain["step"]) == (3, 12)
    assert plain["monitor"] == "validation/loss"
    assert plain["last"] == pytest.approx(0.7)
    assert (plain["best"], plain["best_epoch"]) == (pytest.approx(0.1), 1)
    assert plain["metrics"]["test/accuracy"] == 0.1
    assert plain["metrics"]["best.validation/accuracy"] == 0.9
    assert "test/step" not in plain["metrics"]
    assert (plain["findings"], plain["primary"]) == (0, None)
    sick = Row.read(several / "deep/1/seed-3").plain
    assert (sick["findings"], sick["primary"]) == (2, "G1 name-of-G1")


def test_findings_that_are_gone_are_not_none(tmp_path: Path) -> None:
    run = make(tmp_path / "run")
    assert Row.read(run).plain["findings"] == 0
    (run / "findings.json").unlink()
    plain = Row.read(run).plain
    assert (plain["status"], plain["findings"], plain["primary"]) == (
        *("finished", None),
        None,
    )


def test_the_monitored_metric_is_the_configs(tmp_path: Path) -> None:
    stop = "train.stop={monitor: validation/accuracy}"
    plain = Row.read(make(tmp_path / "run", stop)).plain
    assert plain["monitor"] == "validation/accuracy"
    assert (plain["last"], plain["best"]) == (0.8, 0.8)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda run: _cut(run / "run.json"), "run.json is damaged"),
        (lambda run: (run / "run.json").write_text("[]"), "it says no format"),
        (lambda run: (run / "run.json").unlink(), "has no run.json"),
        (lambda run: (run / "findings.json").write_text("{}"), "findings.json is dam"),
        (lambda run: (run / "findings.json").write_text("[1]"), "findings.json is dam"),
        (lambda run: (run / "run.json").write_bytes(b"\xff"), "run.json is damaged"),
        (lambda run: (run / "run.json").write_text("[" * 9999), "run.json is damaged"),
    ],
    ids=range(7),
)
def test_a_damaged_run_is_a_row(tmp_path: Path, damage: Any, said: str) -> None:
    run = make(tmp_path / "run")
    damage(run)
    (row,) = rows([tmp_path])
    assert row.plain["status"] == "damaged"
    assert said in row.plain["problem"]
    assert row.plain["findings"] is None
    assert row.value("test/accuracy") is None


def test_a_run_whose_config_is_gone_or_no_yaml_is_a_row(tmp_path: Path) -> None:
    run = make(tmp_path / "run")
    (run / "config.resolved.yaml").write_text("a: [")
    assert Row.read(run).plain["monitor"] == "validation/loss"
    assert Row.read(run).value("optimizer") is None
    (run / "config.resolved.yaml").unlink()
    assert Row.read(run).plain["status"] == "finished"


def test_links_are_not_followed(several: Path, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "other").symlink_to(several)
    make(tmp_path / "own")
    assert below(tmp_path) == [tmp_path / "own"]


def test_of_several_folders_none_is_a_row_twice(several: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(several / "made")
    roots = [tmp_path / "link", several / "made/10", several, several / "deep/../made"]
    found = [row.path for row in rows(roots)]
    assert found[0] == tmp_path / "link/2"
    assert found[-1] == several / "deep/1/seed-3"
    assert len(found) == len(rows([several]))


def test_a_sweep_means_the_runs_of_its_points(tmp_path: Path) -> None:
    trials = tmp_path / "trials"
    made = [trials / name for name in ("0001-seed-0", "0001-seed-0.other1")]
    for run in made:
        make(run)
    config = trials / "0001.yaml"
    config.write_text("seed: 0")
    assert runs_of([tmp_path]) == runs_of(made) == made  # it is no sweep
    with pytest.raises(Error, match=r"0001\.yaml is not a run"):
        runs_of([config])
    (tmp_path / "sweep.yaml").write_text("base: base.yaml")
    assert runs_of([tmp_path]) == made[:1]
    # As a pattern of a shell has them: trials/0001*.
    assert runs_of(sorted(trials.iterdir())) == runs_of(made) == made[:1]
    assert runs_of([made[1]]) == runs_of([made[1], config]) == made[1:]
    assert runs_of([tmp_path, made[1]]) == made
    with pytest.raises(Error, match="is the config of a sweep's point") as error:
        runs_of([config])
    assert error.value.code == "run-missing"
    assert error.value.fix == f"its runs stand beside it: {trials}/0001-seed-…"
    with pytest.raises(Error, match="none is not a run"):
        runs_of([*made, trials / "none"])


def test_files_beside_runs_are_passed_over(several: Path) -> None:
    """`compare runs/made/*` names them, too."""
    inside = [several / "made" / name for name in ("2", "notes.txt", "10")]
    assert runs_of(inside) == [inside[0], inside[2]]
    for others in (inside[1:2], [several / "deep", inside[1]]):
        with pytest.raises(Error, match=r"notes\.txt is not a run"):
            runs_of(others)
    with pytest.raises(Error, match=r"run\.json is not a run"):
        runs_of([several / "made/2", several / "made/10/run.json"])


def test_the_runs_of_folders(several: Path, tmp_path: Path) -> None:
    run, all_made = several / "made/10", several / "made"
    assert runs_of([run, str(run)]) == [run]
    found = [str(p.relative_to(several)) for p in runs_of([run, all_made])]
    assert found == ["made/10", "made/2", "made/3", "made/4"]
    with pytest.raises(Error, match="not a run"):
        runs_of([tmp_path])


# ---------------------------------------------------------------- conditions


@pytest.mark.parametrize(
    ("text", "value", "holds"),
    [
        ("a > 0.9", 0.95, True),
        ("a > 0.9", 0.9, False),
        ("a>=0.9", 0.9, True),
        ("a < 1e-3", 1e-4, True),
        ("a <= 3", 4, False),
        ("a = 3", 3.0, True),
        ("a == adam", "adam", True),
        ("a = 'adam'", "adam", True),
        ("a != adam", "sgd", True),
        ("a != adam", None, False),
        ("a = true", True, True),
        ("a = '1'", "1", True),
        ("a = 1", True, False),
        ("a != 1", True, True),
        ("a = null", None, True),
        ("a > 0", True, False),
        ("a > 0", "text", False),
        ("a < b", "a", False),
        ("a > 0", float("nan"), False),
        ("a = [accuracy]", "[accuracy]", True),
    ],
)
def test_conditions(text: str, value: Any, holds: bool) -> None:
    assert Condition.parse(text).holds(value) is holds


@pytest.mark.parametrize("text", ["", "a", "= 3", "a =", "a ~ 3", ">3", "a > "])
def test_what_is_no_condition(text: str) -> None:
    with pytest.raises(Error, match="is no condition"):
        Condition.parse(text)


@pytest.mark.parametrize(
    ("text", "each"),
    [
        ("a=1 and b=2", ("a=1", "b=2")),
        ("status = finished AND seed > 2", ("status=finished", "seed > 2")),
        ("a>1 or b<2 , c=3", ("a>1", "b<2", "c=3")),
        ("a=1&&b=2", ("a=1", "b=2")),
        ('a="x" and b="y"', ('a="x"', 'b="y"')),
        ("a='x' and b='y'", ("a='x'", "b='y'")),
    ],
)
def test_two_conditions_in_one_are_told_apart(text: str, each: tuple[str, ...]) -> None:
    with pytest.raises(Error, match="is more than one condition") as caught:
        Condition.parse(text)
    said, _, asked = str(caught.value.fix).partition(": ")
    assert said == "give --where for each, all have to hold"
    assert shlex.split(asked) == [word for one in each for word in ("--where", one)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a = salt and pepper", "salt and pepper"),
        ("a = 'b and c=2'", "b and c=2"),
        ("a = [b, c]", "[b, c]"),
        ("a = brand=x", "brand=x"),
        ("a = ''", ""),
    ],
)
def test_what_only_looks_like_two(text: str, value: str) -> None:
    assert Condition.parse(text) == Condition("a", "=", value)


def test_nothing_is_evaluated() -> None:
    condition = Condition.parse("a = __import__('os').system('true')")
    assert condition.value == "__import__('os').system('true')"
    assert Condition.parse("a.b > 1").key == "a.b"


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["status = finished"], ["deep/1/seed-3", "made/2", "made/10"]),
        (["status = damaged"], ["made/4", "made/5"]),
        (["test/accuracy > 0.2"], ["deep/1/seed-3", "made/10"]),
        (["validation/accuracy < 0.5", "test/accuracy<0.2"], ["made/2"]),
        (["best.validation/accuracy >= 0.9"], ["made/2", "made/10"]),
        (["findings > 0"], ["deep/1/seed-3"]),
        (["optimizer = sgd"], ["made/3"]),
        (["optimizer.adam.learning_rate < 0.005"], ["deep/1/seed-3", "made/10"]),
        (["seed = 3"], ["deep/1/seed-3"]),
        (["model.dense1.units = 9"], []),
        (["model.dense2.units = 10", "status = diverged"], ["made/3"]),
    ],
)
def test_where(several: Path, texts: list[str], expected: list[str]) -> None:
    found = rows([several], [Condition.parse(text) for text in texts])
    # A damaged run.json says no status, but its config may be whole.
    assert [n for n in names(found, several) if n != "made/4"] == [
        n for n in expected if n != "made/4"
    ]


def test_sorting_puts_what_is_missing_last(several: Path) -> None:
    missing = ["made/3", "made/4", "made/5"]
    up = ["made/2", "made/10", "deep/1/seed-3"]
    found = rows([several], sort="test/accuracy")
    assert names(found, several) == up + missing
    found = rows([several], sort="test/accuracy", reverse=True)
    assert names(found, several) == up[::-1] + missing
    by_rate = names(rows([several], sort="optimizer.adam.learning_rate"), several)
    assert by_rate[:2] == ["deep/1/seed-3", "made/10"]
    assert set(by_rate[2:4]) == {"made/2", "made/4"}


def test_what_is_no_number_comes_after_all_that_are(tmp_path: Path) -> None:
    tests = {"a": None, "b": float("nan"), "c": 0.2, "d": 0.4}
    for name, test in tests.items():
        make(tmp_path / name, test=test)
    up = rows([tmp_path], sort="test/accuracy")
    down = rows([tmp_path], sort="test/accuracy", reverse=True)
    assert names(up, tmp_path) == ["c", "d", "b", "a"]
    assert names(down, tmp_path) == ["d", "c", "b", "a"]


def test_a_key_that_no_run_has_is_said(several: Path) -> None:
    with pytest.raises(Error, match="no run has") as caught:
        rows([several], sort="test/acuracy")
    assert 'did you mean "test/accuracy"' in str(caught.value)
    with pytest.raises(Error, match="no run has"):
        rows([several], [Condition("optimizer.adam.rate", ">", 1)])
    with pytest.raises(Error, match='no run has "-seed"') as caught:
        rows([several], sort="-seed")
    assert caught.value.fix == "--sort seed --reverse puts the largest first"
    assert rows([several / "empty"], sort="test/acuracy") == []


# ---------------------------------------------------------------- keys of configs

NESTED = """\
data:
  split:
    test: 0.2
  preprocess:
    - standardize:
        floor: 0.01
model:
  - dense:
      units: 64
      name: first
  - relu
  - residual:
      blocks:
        - dense:
            units: 7
  - dense:
      units: 10
optimizer:
  adam:
    learning_rate: 0.001  # default
metrics: [accuracy, f1]
train:
  stop: null
"""


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("optimizer.adam.learning_rate", 0.001),
        ("optimizer", "adam"),
        ("data.split.test", 0.2),
        ("data.split", None),
        ("data", None),
        ("model.first.units", 64),
        ("model.0.dense.units", 64),
        ("model.dense2.units", 10),
        ("model.residual1.dense1.units", 7),
        ("model.dense1.units", None),
        ("model.dense9.units", None),
        ("model.first", "dense"),
        ("data.preprocess.standardize1.floor", 0.01),
        ("metrics", "[accuracy, f1]"),
        ("train.stop", None),
        ("nothing", None),
        ("train.stop.deeper", None),
        ("", None),
        (".", None),
    ],
)
def test_keys_of_a_config(key: str, value: Any) -> None:
    assert lookup(NESTED, key) == value
    # The same of a text that only a reader of all YAML takes.
    assert lookup(NESTED.replace("\n  ", "\n   "), key) == value


@pytest.mark.parametrize(
    "model",
    [
        "model:\n- dense:\n    units: 7\n",
        "model:\n  # by hand\n# further left\n\n  - dense: {units: 7}\n",
        "model: &m [{dense: {units: 7}}]\n",
        "model: [dense: {units: *n}]\n",
    ],
)
def test_what_a_person_wrote_is_looked_up_too(model: str) -> None:
    text = f"seed: &n 7\n{model}loss: mse\n"
    assert lookup(text, "model.dense1.units") == 7
    assert lookup(text, "loss") == "mse"


def test_layers_are_found_whatever_the_values_beside_them() -> None:
    """What is remembered of one config is of its layers alone."""
    for units in (64, 65):
        text = NESTED.replace("units: 64", f"units: {units}")
        assert lookup(text, "model.first.units") == units
        assert lookup(text, "model.dense2.units") == 10
    renamed = NESTED.replace("name: first", "name: second")
    assert lookup(renamed, "model.first.units") is None
    assert lookup(renamed, "model.second.units") == 64


def test_reading_runs_needs_no_numpy() -> None:
    import subprocess
    import sys

    code = (
        "import sys; import nettrain.cli.runs; "
        "print({'numpy', 'matplotlib'} & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ
    )
    assert done.stdout == "set()\n", done.stderr
