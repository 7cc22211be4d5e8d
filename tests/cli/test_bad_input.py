"""Wrong input, from the command line to the exit code; nothing is left on the disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import CONFIG, Call


def changed(old: str, new: str) -> str:
    assert old in CONFIG
    return CONFIG.replace(old, new)


CONFIGS = {
    "unknown key": (
        changed("batch_size", "batch_sise"),
        ["config.yaml:7:3: unknown key", 'did you mean "batch_size"?', "^^^^^^^^^^"],
    ),
    "misplaced key": (
        changed("train: {epochs: 2}", "train: {epochs: 2}\nbatch_size: 8"),
        ["config.yaml:14:1: unknown key", "it belongs in data"],
    ),
    "duplicate key": (
        changed("loss: cross_entropy", "loss: cross_entropy\nname: twice"),
        ["config.yaml:12:1:", '"name"'],
    ),
    "wrong type": (
        changed("batch_size: 16", "batch_size: many"),
        ["config.yaml:7:15:", 'expected an integer, got "many"'],
    ),
    "out of range": (
        changed("epochs: 2", "epochs: 0"),
        ["config.yaml:13:17:", "at least 1"],
    ),
    "unknown component": (
        changed("activation: relu", "activation: rellu"),
        ["config.yaml:9:35:", 'did you mean "relu"?'],
    ),
    "no such loss": (changed("cross_entropy", "cross"), ["config.yaml:11:7:"]),
    "another task": (changed("cross_entropy", "mse"), ["config.yaml"]),
    "head that does not fit": (
        changed("dense: auto", "dense: 7"),
        ["config.yaml:10:12:", "needs 3 for each row", "dense: auto"],
    ),
    "layers that do not fit": (
        changed("- dense: auto", "- residual: [{dense: 5}]\n  - dense: auto"),
        ["config.yaml:10:"],
    ),
    "no column as target": (changed("target: kind", "target: kin"), ["config.yaml:4:"]),
    "softmax twice": (
        changed("dense: auto", "dense: {units: auto, activation: softmax}"),
        ["config.yaml:10:", "cross_entropy applies softmax itself"],
    ),
    "unknown monitor": (
        changed("{epochs: 2}", "{epochs: 2, stop: {monitor: validation/f1}}"),
        ["config.yaml:13:", "not computed", "add f1 to metrics"],
    ),
    "splits beyond 1": (
        changed("validation: 0.2", "validation: 0.9"),
        ["config.yaml:6:", "validation + test = 0.9 + 0.2"],
    ),
    "an empty file": ("", ["config.yaml", "empty"]),
    "not YAML": ("model: [", ["config.yaml:"]),
    "a tag": ("name: !!python/object:os.system {}\n" + CONFIG[14:], ["config.yaml:1:"]),
}


@pytest.mark.parametrize("verb", ["run", "check"])
@pytest.mark.parametrize("case", CONFIGS)
def test_bad_configs(call: Call, folder: Path, case: str, verb: str) -> None:
    text, said = CONFIGS[case]
    (folder / "config.yaml").write_text(text)
    before = sorted(folder.rglob("*"))
    answer = call(verb, "config.yaml")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("error[config-")
    for words in said:
        assert words in answer.err
    assert sorted(folder.rglob("*")) == before


def test_all_errors_at_once(call: Call, folder: Path) -> None:
    text = changed("batch_size", "batch_sise").replace("relu", "rellu")
    (folder / "config.yaml").write_text(text.replace("epochs: 2", "epochs: two"))
    answer = call("run", "config.yaml", "optimizer.adam.lr=3", "--out", "made")
    assert answer.code == 2
    assert answer.err.count("error[") == 4
    assert not (folder / "made").exists()


TABLES = {
    "text among numbers": ("4.5,x1,a", "table.csv:62:5:"),
    "a missing value": ("4.5,,a", "table.csv:62:5:"),
    "an infinite value": ("1e400,3,a", "table.csv:62:1:"),
    "a ragged row": ("4.5,3,a,", "table.csv:62"),
}


@pytest.mark.parametrize("verb", ["run", "check", "bench"])
@pytest.mark.parametrize("case", TABLES)
def test_bad_tables(call: Call, folder: Path, case: str, verb: str) -> None:
    line, place = TABLES[case]
    with (folder / "table.csv").open("a") as table:
        table.write(line + "\n")
    answer = call(verb, "config.yaml")
    assert (answer.code, answer.out) == (3, "")
    assert answer.err.startswith("error[data-")
    assert place in answer.err
    assert not (folder / "runs").exists()


def test_no_data_file_cites_the_config(call: Call, folder: Path) -> None:
    (folder / "config.yaml").write_text(changed("table.csv", "tabel.csv"))
    answer = call("run", "config.yaml", "--out", "made")
    assert answer.code == 3
    assert "config.yaml:3:11:" in answer.err
    assert 'did you mean "table.csv"?' in answer.err
    assert not (folder / "made").exists()


@pytest.mark.parametrize("verb", ["run", "check", "bench", "graph"])
def test_no_config(call: Call, folder: Path, verb: str) -> None:
    answer = call(verb, "confg.yaml")
    assert answer.code == 2
    assert answer.err.startswith('error[config-missing-file] no file "confg.yaml"')
    assert "config.yaml" in answer.err


@pytest.mark.parametrize("verb", ["resume", "evaluate", "graph", "predict"])
def test_no_run(call: Call, folder: Path, verb: str) -> None:
    (folder / "empty").mkdir()
    data = ("--data", "table.csv") if verb == "predict" else ()
    answer = call(verb, "empty", *data)
    assert answer.code == 4
    assert answer.err.startswith("error[run-missing] empty is not a run")
    assert list((folder / "empty").iterdir()) == []


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("optimizer.adam.learning_rate", "expected KEY=VALUE"),
        ("data.batch_size=0", "at least 1"),
        ("model.dense7.units=3", 'no "dense7" in model'),
        ("sed=3", 'did you mean "seed"?'),
    ],
)
def test_bad_overrides(call: Call, folder: Path, override: str, said: str) -> None:
    answer = call("run", "config.yaml", override)
    assert answer.code == 2
    assert f"command line: {override}" in answer.err
    assert said in answer.err
    assert not (folder / "runs").exists()
