"""Runs beside each other, of which files are damaged or gone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from nettrain.errors import Error
from nettrain.study.compare import Comparison
from nettrain.study.run import Run
from tests.study.made import finding, make

RATE = "optimizer.adam.learning_rate"


def row(rows: list[list[str]], *head: str) -> list[str]:
    return next(r for r in rows if r[: len(head)] == list(head))[len(head) :]


def test_of_the_metrics_the_ends_of_epochs_are_read(tmp_path: Path) -> None:
    run = make(tmp_path / "1")
    path = run / "metrics.jsonl"
    text = path.read_text()
    assert Run.read(run).metrics["step"].tolist() == [4, 8, 12]
    # Where a name in one is damaged, all are read, as of any file.
    lines = text.splitlines()
    lines[-1] = lines[-1][:-1] + ',"digest":"' + "0" * 32 + '"}'
    for at in (3, 7, 11):
        damaged = [*lines]
        damaged[at] = lines[at].replace("epoch_loss", "epoch-loss")
        path.write_text("".join(f"{line}\n" for line in damaged))
        assert len(Run.read(run).metrics["step"]) == 12
    path.write_text(text.replace('"epoch":2,"train/loss":0.25,', '"epoch":,'))
    with pytest.raises(Error, match="damaged") as caught:
        Run.read(run)
    assert "metrics.jsonl:8" in str(caught.value)
    path.write_text(text + '{"step":13,"epoch":4,"train/epoch_loss":')  # being written
    assert Run.read(run).metrics["epoch"].tolist() == [1, 2, 3]


def test_a_run_without_what_decided_its_best_epoch_is_damaged(tmp_path: Path) -> None:
    stop = "train.stop={monitor: validation/accuracy, restore_best: true}"
    run = make(tmp_path / "1", stop)
    path = run / "metrics.jsonl"
    path.write_text(path.read_text().replace("validation/accuracy", "validation/other"))
    with pytest.raises(Error, match="it has no validation/accuracy"):
        Comparison.of([run])
    early = make(tmp_path / "2", stop, status="interrupted")
    (early / "metrics.jsonl").write_text('{"step":1,"epoch":1,"train/loss":2.0}\n')
    assert Run.read(early).measures == {}


def test_findings_that_are_gone_are_not_none(tmp_path: Path) -> None:
    for n in range(3):
        make(tmp_path / f"a{n}", f"seed={n}", found=[finding("G1")] * (n < 2))
        make(tmp_path / f"b{n}", f"{RATE}=0.1", f"seed={n}", status="interrupted")
    for name in ("a0", "b0", "b1", "b2"):
        (tmp_path / name / "findings.json").unlink()
    facts = json.loads((tmp_path / "b2/run.json").read_text())
    del facts["summary"]  # it has not come to its end: no such file is expected
    (tmp_path / "b2/run.json").write_text(json.dumps(facts))
    found = Comparison.of([tmp_path])
    gone = "findings.json is gone, what was found is not known"
    a, b = (note for note in found.notes() if "findings.json" in note)
    assert a == f"A: {gone}: {tmp_path / 'a0'}"
    assert b == f"B: {gone}: {tmp_path / 'b0'}, {tmp_path / 'b1'}"
    assert row(found.findings, "G1 name of G1") == ["error in 1 of 2", "–"]
    runs = found.plain()["groups"]["A"]["runs"]
    assert [run["findings"] and len(run["findings"]) for run in runs] == [None, 1, []]
    shutil.rmtree(tmp_path / "b2")
    assert Comparison.of([tmp_path]).findings[1][2] == "not known"


def test_a_run_whose_metrics_were_cut_has_no_numbers(tmp_path: Path) -> None:
    """They would be those of another epoch."""
    run = make(tmp_path / "1")
    path = run / "metrics.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:8]))
    with pytest.raises(Error, match="ends before update 12, the last") as caught:
        Comparison.of([run])
    assert caught.value.code == "run-damaged"
    assert caught.value.fix == f"nettrain resume {run}"
    path.write_text("")
    with pytest.raises(Error, match="ends before update 12"):
        Run.read(run)


def test_a_damaged_run_is_left_out_unless_it_was_named(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    for seed in range(4):
        make(root / f"one/seed-{seed}", f"seed={seed}")
        make(root / f"two/seed-{seed}", f"seed={seed}", f"{RATE}=0.01")
    (root / "one/seed-1/metrics.jsonl").write_text("{}\n")
    (root / "one/seed-2/config.resolved.yaml").write_text("a: [")
    found = Comparison.of([root])
    assert [len(group.runs) for group in found.groups] == [2, 4]
    assert [note for note in found.notes() if note.startswith("left out")] == [
        f"left out: {root}/one/{where}: the file is damaged: {why}"
        for where, why in (
            ("seed-1/metrics.jsonl:1", "expected a JSON object: step, epoch, numbers"),
            ("seed-2/config.resolved.yaml:1:5", "a bracket is not closed"),
        )
    ]
    for seed in (1, 2):
        with pytest.raises(Error, match="damaged"):
            Comparison.of([root, root / f"one/seed-{seed}"])


@pytest.mark.parametrize(
    ("damage", "lacking"),
    [
        (lambda text: "", "data, dtype, loss, model, optimizer, train"),
        (lambda text: "hello", "data, dtype, loss, model, optimizer, train"),
        (lambda text: "- a\n", "data, dtype, loss, model, optimizer, train"),
        (
            lambda text: text[: text.index("\nloss") + 1],
            "dtype, loss, optimizer, train",
        ),
        (lambda text: text[: text.index("dtype: ", 900)], "dtype"),
    ],
    ids=["empty", "text", "list", "cut", "cut at its end"],
)
def test_what_is_not_all_of_a_config_is_damaged(
    tmp_path: Path, damage: Any, lacking: str
) -> None:
    make(tmp_path / "0", "seed=1")
    path = make(tmp_path / "1") / "config.resolved.yaml"
    path.write_text(damage(path.read_text()))
    found = Comparison.of([tmp_path])
    assert len(found.runs) == 1
    (note,) = found.notes()
    assert note == f"left out: {path}: the file is damaged: it has no {lacking}"
    with pytest.raises(Error) as caught:
        Comparison.of([path.parent])
    assert caught.value.code == "run-damaged"


def test_a_trial_that_was_set_aside_is_told(tmp_path: Path) -> None:
    (tmp_path / "sweep.yaml").touch()
    trials = [tmp_path / "trials" / f"0001-seed-0{end}" for end in ("", ".other1")]
    for run in trials:
        make(run)
    found = Comparison.of(trials)
    assert [run.path for run in found.runs] == trials[:1]
    said = f"left out: {trials[1]} was set aside for another trial"
    assert list(found.notes()) == [said]
    assert len(Comparison.of(trials[1:]).runs) == 1
