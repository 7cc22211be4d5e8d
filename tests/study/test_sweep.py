"""Sweeps: one result, whoever trains what, when, and however often it is stopped."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import nettrain as nt
from nettrain.disk import Disk
from nettrain.errors import Error, Place
from nettrain.experiment import run as running
from nettrain.record import lock
from nettrain.record.folder import RUN, RunFolder
from nettrain.study import begun
from nettrain.study import sweep as sweeping
from nettrain.study.methods import Optuna
from nettrain.study.report import failures
from nettrain.study.results import score
from nettrain.study.sweep import sweep
from nettrain.study.workers import Done, Trial

from .sweeps import (
    BASE,
    HALVING,
    OPTUNA,
    SWEEP,
    Failing,
    Here,
    Killing,
    Seen,
    swept,
    table,
)


def test_every_point_with_every_seed_and_the_best_first(
    folder: Path, here: Here
) -> None:
    results = swept()
    assert len(here.trained) == 8 and len(results.rows) == 4
    means = [row.interval.mean for row in results.rows]
    assert means == sorted(means)  # a loss
    for row in results.rows:
        for unit, value in zip(results.units, row.values, strict=True):
            run = nt.load_run(folder / f"out/trials/{row.point.name}-{unit.name}")
            assert run.summary["last"]["validation/loss"] == value
            assert json.loads((run.path / RUN).read_text())["seed"] == unit.seed
    found = table()
    assert [row["rank"] for row in found] == ["1", "2", "3", "4"]
    assert {(r["optimizer.sgd.momentum"], r["model.dense1.units"]) for r in found} == {
        ("0.0", "2"),
        ("0.0", "5"),
        ("0.9", "2"),
        ("0.9", "5"),
    }
    assert float(found[0]["mean"]) == means[0]
    assert float(found[0]["seed 1"]) == results.rows[0].values[1]


def test_the_best_config_runs_and_repeats_the_trial(folder: Path, here: Here) -> None:
    best = swept().best
    assert best is not None
    again = nt.train(folder / "out/best.yaml", out=folder / "again")
    trial = folder / f"out/trials/{best.point.name}-seed-0/metrics.jsonl"
    assert (again.path / "metrics.jsonl").read_bytes() == trial.read_bytes()


@pytest.mark.parametrize("text", [SWEEP, HALVING, OPTUNA])
def test_order_and_interruptions_change_no_byte(
    folder: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    if text is OPTUNA:
        pytest.importorskip("optuna")
    (folder / "sweep.yaml").write_text(text)
    monkeypatch.setattr(sweeping, "performed", Here())
    swept(out="whole")
    begun = 0
    for attempt in range(1, 99):
        here = Here(seed=attempt, most=2)
        monkeypatch.setattr(sweeping, "performed", here)
        try:
            swept(out="pieces")
        except KeyboardInterrupt:
            begun += 1
            continue
        break
    assert begun > 2
    for name in ("table.csv", "best.yaml", "base.yaml"):
        whole, pieces = folder / "whole" / name, folder / "pieces" / name
        assert whole.read_bytes() == pieces.read_bytes()


def test_a_finished_sweep_trains_nothing_again(folder: Path, here: Here) -> None:
    first = swept()
    here.trained.clear()
    assert swept() == first and here.trained == []


@pytest.mark.parametrize(
    ("file", "kept"),
    [("metrics.jsonl", None), ("metrics.jsonl", 0), ("metrics.jsonl", 100),
     ("events.jsonl", 100)],
)  # fmt: skip
def test_a_finished_trial_whose_files_were_cut_is_mended(
    folder: Path, here: Here, file: str, kept: int | None
) -> None:
    swept("seeds=1")
    before = (folder / "out/table.csv").read_bytes()
    here.trained.clear()
    cut = folder / "out/trials/0001-seed-0" / file
    if kept is None:
        cut.unlink()
    else:
        cut.write_bytes(cut.read_bytes()[:kept])
    swept("seeds=1")
    assert (folder / "out/table.csv").read_bytes() == before
    assert here.trained == ["0001-seed-0"] * (file == "metrics.jsonl")


def test_a_damaged_trial_is_set_aside_and_trained_anew(
    folder: Path, here: Here
) -> None:
    swept()
    before = (folder / "out/table.csv").read_bytes()
    trials = folder / "out/trials"
    (trials / "0001-seed-0/run.json").write_text("garbage")
    (trials / "0002-seed-1/config.resolved.yaml").unlink()
    (trials / "0002-seed-1/run.json").write_text("{}")
    here.trained.clear()
    swept()
    assert (folder / "out/table.csv").read_bytes() == before
    damaged = ["0001-seed-0", "0002-seed-1"]
    assert sorted(here.trained) == sorted([*damaged, *damaged])
    kept = {path.name: path for path in trials.glob("*.other*")}
    assert sorted(kept) == [f"{name}.other1" for name in damaged]
    assert (kept["0001-seed-0.other1"] / "run.json").read_text() == "garbage"


def test_rungs_go_on_where_they_stood_and_train_nothing_twice(
    folder: Path, here: Here
) -> None:
    (folder / "sweep.yaml").write_text(HALVING)
    results = swept()
    assert [row.until for row in results.rows] == [100.0, 50.0, 25.0, 25.0]
    best = results.best
    assert best is not None
    for fold in (1, 2):
        name = f"{best.point.name}-seed-0-fold-{fold}"
        assert here.trained.count(name) == 3
        split = f"{{test: 0.2, folds: 2, fold: {fold}}}"
        config = folder / f"out/trials/{best.point.name}.yaml"
        overrides, out = [f"data.split={split}"], folder / f"whole{fold}"
        whole = running.run(config, overrides, out=out).folder
        for file in ("metrics.jsonl", "findings.json"):
            trial = folder / "out/trials" / name / file
            assert (whole.path / file).read_bytes() == trial.read_bytes()
    steps = {
        path.parent.name: json.loads(path.read_text())["step"]
        for path in folder.glob("out/trials/*/run.json")
    }
    # 48 rows that are not for the test: 24 train in each fold, in 3 updates.
    assert sorted(steps.values()) == [3, 3, 3, 3, 6, 6, 12, 12]


STOPPING = BASE.replace(
    "train: {epochs: 4}",
    "train: {epochs: 9, stop: {patience: 2, restore_best: true}}",
).replace("{cosine: {peak: 0.5}}", "{cosine: {peak: 2.0, warmup: 20 %}}")
TIES = """\
base: base.yaml
space:
  optimizer.sgd.momentum: [0.0, 0.9]
  data.evaluation_batch_size: {int: [50, 60]}
method: {halving: {points: 7, factor: 2, rungs: 3}}
"""


def test_rungs_of_runs_that_stop_early_tie_or_are_killed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if every point had been trained to its end, and judged by its beginning."""
    (folder / "base.yaml").write_text(STOPPING)
    (folder / "sweep.yaml").write_text(TIES)
    killing = Killing(1, "0001-seed-0", "0004-seed-0", "0005-seed-1")
    monkeypatch.setattr(sweeping, "performed", killing)
    rows = {row.point.number: row for row in swept("seeds=2").rows}
    losses = {n: dict[int, list[float]]() for n in rows}
    stopped = False
    for n, row in rows.items():
        for seed in range(2):
            config = folder / f"out/trials/{row.point.name}.yaml"
            made = running.run(config, [f"seed={seed}"], out=folder / f"{n}-{seed}")
            text = made.folder.metrics.read_text()
            ends = [json.loads(line) for line in text.splitlines()]
            ends = [end for end in ends if "validation/loss" in end]
            stopped |= len(ends) < 9
            for epochs in (3, 5, 9):  # 25, 50 and 100 % of 9, up to an epoch's end
                best = min(end["validation/loss"] for end in ends[:epochs])
                losses[n].setdefault(epochs, []).append(best)
    assert stopped
    left, until = sorted(rows), {}
    for percent, epochs in ((25.0, 3), (50.0, 5), (100.0, 9)):
        until |= {n: (percent, losses[n][epochs]) for n in left}
        means = {n: sum(losses[n][epochs]) for n in left}
        order = sorted(left, key=lambda n: (means[n], n))
        left = sorted(order[: math.ceil(len(left) / 2)])
    assert {n: (row.until, row.values) for n, row in rows.items()} == until
    assert len({repr(values) for _, values in until.values()}) < len(rows)  # ties
    for events in folder.glob("out/trials/*/events.jsonl"):
        assert_no_update_twice(events)


def assert_no_update_twice(events: Path) -> None:
    """Each stretch of training begins where the one before ended."""
    told = [json.loads(line) for line in events.read_text().splitlines()]
    begun = [one["step"] for one in told if one["event"] == "training"]
    ended = [one["step"] for one in told if "steps_per_second" in one]
    assert begun == [0, *ended[:-1]]


def test_rungs_keep_the_highest_where_a_metric_is_to_rise(
    folder: Path, here: Here
) -> None:
    (folder / "sweep.yaml").write_text(
        "base: base.yaml\nobjective: {metric: validation/accuracy}\n"
        "space: {optimizer.sgd.learning_rate: {log: [1.0e-5, 1.0]}}\n"
        "method: {halving: {points: 6, factor: 2, rungs: 2}}\n"
    )
    rows = swept().rows
    early = {
        row.point.number: score(
            folder / f"out/trials/{row.point.name}-seed-0",
            row.point.experiment,
            "validation/accuracy",
            50,
        ).value
        for row in rows
    }
    stayed = [early[row.point.number] for row in rows if row.until == 100]
    given_up = [early[row.point.number] for row in rows if row.until == 50]
    assert len(stayed) == len(given_up) == 3
    assert min(stayed) >= max(given_up) and max(stayed) > min(given_up)


def test_a_trial_that_fails_is_told_and_harms_no_other(
    folder: Path, here: Here
) -> None:
    (folder / "sweep.yaml").write_text(
        "base: base.yaml\nspace: {train.stop: [null, {monitor: validation/f1}, "
        "{patience: 1}]}\n"
    )
    seen = Seen()
    results = sweep("sweep.yaml", out="out", watch=seen)[1]
    assert [row.status for row in results.rows] == ["finished", "finished", "failed"]
    assert [row["mean"] == "" for row in table()] == [False, False, True]
    (why,) = [found.why for _, found in seen.told if found.status == "failed"]
    assert '"validation/f1" is monitored but not computed' in why


def test_a_trial_that_diverges_is_last(folder: Path, here: Here) -> None:
    (folder / "base.yaml").write_text(
        BASE.replace("binary_cross_entropy", "mse").replace("[accuracy]", "[mae]")
    )
    (folder / "sweep.yaml").write_text(
        "base: base.yaml\nspace: {optimizer.sgd.learning_rate: [1.0e+30, 0.01]}\n"
    )
    results = swept()
    assert [row.status for row in results.rows] == ["finished", "diverged"]
    assert results.best is results.rows[0]


def test_equal_points_are_trained_once(folder: Path, here: Here) -> None:
    (folder / "sweep.yaml").write_text(
        "base: base.yaml\nspace: {model.dense1.units: {int: [2, 3]}}\n"
        "method: {random: {points: 9}}\n"
    )
    assert len(swept().rows) == len(here.trained) == 2


@pytest.mark.parametrize(
    ("old", "new", "code", "place", "told"),
    [
        (
            "model.dense1.units",
            "model.dense1.unit",
            "config-unknown-key",
            "sweep.yaml:6:3",
            'unknown key "unit"',
        ),
        (
            "model.dense1.units",
            "model.dense9.units",
            "config-unknown-key",
            "sweep.yaml:6:3",
            'no "dense9" in model',
        ),
        ("[2, 5]", "[2, 0]", "config-range", "sweep.yaml:6:27", "at least 1, got 0"),
        ("[2, 5]", "[]", "config-value", "sweep.yaml", "has no value to try"),
        (
            "base.yaml",
            "bass.yaml",
            "config-missing-file",
            "sweep.yaml:2:7",
            "bass.yaml",
        ),
        (
            "seeds: 2",
            "objective: {metric: validation/f1}",
            "config-value",
            "sweep.yaml:3:21",
            'the base config does not compute "f1"',
        ),
        (
            "seeds: 2",
            "objective: {metric: test/loss}",
            "config-value",
            "sweep.yaml:3:21",
            "choosing by the test part spoils it",
        ),
    ],
)
def test_mistakes_are_told_at_their_line_before_anything_is_trained(
    folder: Path, here: Here, old: str, new: str, code: str, place: str, told: str
) -> None:
    (folder / "sweep.yaml").write_text(SWEEP.replace(old, new))
    with pytest.raises(Error) as error:
        swept()
    assert error.value.code == code
    assert str(error.value.place).startswith(place)
    assert told in str(error.value)
    assert here.trained == []


def test_a_folder_of_something_else_is_left_alone(folder: Path, here: Here) -> None:
    (folder / "out").mkdir()
    (folder / "out/mine.txt").write_text("mine")
    with pytest.raises(Error, match=r"no sweep and holds mine.txt"):
        swept()
    assert os.listdir(folder / "out") == ["mine.txt"]


def test_a_sweep_goes_on_from_any_folder(
    folder: Path, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Comments tell where a value came from, as seen from where one stands."""
    swept()
    here.trained.clear()
    monkeypatch.chdir("/")
    sweep(folder / "sweep.yaml", out=folder / "out", watch=Seen())
    assert here.trained == []


def test_mistakes_make_no_folder(folder: Path, here: Here) -> None:
    (folder / "sweep.yaml").write_text(SWEEP.replace("[2, 5]", "[2, 0]"))
    with pytest.raises(Error, match="at least 1, got 0"):
        swept(out=None)
    assert not (folder / "runs").exists()


def test_two_sweeps_in_one_folder(folder: Path, here: Here) -> None:
    (folder / "out").mkdir()
    command = [sys.executable, "-m", "nettrain", "sweep", "sweep.yaml", "--out", "out"]
    with lock.held(Disk(), folder / "out"):
        ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 5 and "in use by another process" in ended.stderr


def test_a_stop_of_a_sweep_that_was_killed_stops_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Looking(Here):
        def __call__(self, trials: Sequence[Trial], *given: Any) -> Iterator[Done]:
            assert not any(trial.stop.exists() for trial in trials)
            yield from super().__call__(trials, *given)

    (folder / "out").mkdir()
    (folder / "out/.stop").touch()
    monkeypatch.setattr(sweeping, "performed", Looking())
    swept("seeds=1")
    assert not (folder / "out/.stop").exists() and len(table()) == 4


def test_a_full_disk_at_the_end_loses_no_trial(
    folder: Path, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Disk, path: Path, data: bytes, **more: Any) -> None:
        if path.name == "table.csv":
            raise Error("disk-full", f"cannot write {path}")
        replace(self, path, data, **more)

    replace = Disk.replace
    monkeypatch.setattr(Disk, "replace", full)
    with pytest.raises(Error, match=r"table\.csv"):
        swept()
    monkeypatch.setattr(Disk, "replace", replace)
    here.trained.clear()
    assert len(swept().rows) == 4 and here.trained == []


@pytest.mark.parametrize("code", [-9, -11, 128 + 15])
def test_a_killed_trial_is_tried_once_more(
    folder: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(sweeping, "performed", Here())
    whole = swept("seeds=1", out="whole")
    assert whole.best is not None
    name = f"{whole.best.point.name}-seed-0"
    monkeypatch.setattr(sweeping, "performed", killing := Killing(1, name, code=code))
    seen = Seen()
    results = sweep("sweep.yaml", ["seeds=1"], out="out", watch=seen)[1]
    assert results == whole and failures(results) == []
    assert killing.rounds[1:] == [[name], []] or killing.rounds[1:] == [[name]]
    assert len(seen.told) == seen.trials == 4  # each is told once
    whole_, out = folder / "whole/table.csv", folder / "out/table.csv"
    assert whole_.read_bytes() == out.read_bytes()


def test_a_trial_that_is_killed_twice_is_told_with_its_signal(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "performed", Killing(2, "0003-seed-1"))
    results = swept()
    assert failures(results) == [
        "1 of 4 points failed: point 3 (seed 1: it was killed twice, by SIGKILL); "
        "the same command tries again"
    ]
    assert [row["why"] for row in table()] == [
        *("", "", ""),
        "seed 1: it was killed twice, by SIGKILL",
    ]
    assert failures(swept()) == []


@pytest.mark.parametrize("told", ["disk-full", "disk-io", "disk-permission"])
def test_a_disk_that_refuses_a_trial_stops_the_sweep(
    folder: Path, monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    """Its point is none that failed, so nothing is concluded from that."""
    failing = Failing({"0002-seed-1": Error(told, "cannot write it", fix="mend it")})
    monkeypatch.setattr(sweeping, "performed", failing)
    with pytest.raises(Error, match="cannot write it") as error:
        swept()
    assert error.value.code == told and error.value.exit_code == 6
    assert not (folder / "out/table.csv").exists()
    monkeypatch.setattr(sweeping, "performed", here := Here())
    assert {row.status for row in swept().rows} == {"finished"}
    assert not set(here.trained) & set(failing.trained)


def test_what_a_trial_prints_is_no_error_of_its_own(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another error quotes the one of a full disk, which would stop the sweep."""
    quoted = "a warning\nerror[disk-full] cannot write it"
    others = {"0002-seed-1": quoted, "0003-seed-0": Error("data-cell", quoted)}
    monkeypatch.setattr(sweeping, "performed", Failing(others))
    monkeypatch.setattr(Done, "signal", "")  # it was no signal that ended them
    results = swept()
    assert [row.status for row in results.rows].count("failed") == 2


@pytest.mark.parametrize("timeout", [True, False])
def test_the_error_of_a_trial_is_its_reason_whatever_was_said_or_came_later(
    folder: Path, monkeypatch: pytest.MonkeyPatch, timeout: bool
) -> None:
    class Late(Here):
        def __call__(self, trials: Sequence[Trial], *given: Any) -> Iterator[Done]:
            for trial in trials:
                place = Place(f"{trial.folder.parent.absolute()}/0001.yaml:3")
                error = Error("config-x", "it is so", place=place, fix="be it else")
                yield Done(trial.folder, -15, "ValueError: noise", timeout, error)

    monkeypatch.setattr(sweeping, "performed", Late())
    (score, *_), *_ = (row.scores for row in swept("seeds=1").rows)
    assert score.status == "failed"
    assert score.why == "error[config-x] trials/0001.yaml:3: it is so\n  be it else"
    assert {row["why"] for row in table()} == {"trials/0001.yaml:3: it is so"}


def test_who_gives_a_sweep_for_a_run_is_told_of_its_best(
    folder: Path, here: Here
) -> None:
    best = swept("seeds=1").best
    assert best is not None
    runs, file = f"out/trials/{best.point.name}-*", "out/best.yaml"
    with pytest.raises(Error, match="out is a sweep, and not a run") as error:
        RunFolder.open("out")
    fix = f"the runs of its best point are {runs}; `nettrain run {file}` trains it"
    assert error.value.fix == f"{fix} once more" and error.value.code == "run-missing"
    with pytest.raises(Error, match=r"\. is not a run, but a folder of 1") as error:
        RunFolder.open(".")
    assert error.value.fix == "give one of them: out"
    (folder / "out/best.yaml").unlink()
    with pytest.raises(Error) as error:
        RunFolder.open("out")
    assert error.value.fix == "give one of its runs, which are in out/trials"
    with pytest.raises(Error, match="oot is not a run: there is no such folder") as e:
        RunFolder.open("oot")
    assert e.value.fix == 'did you mean "out"?'
    with pytest.raises(Error, match="there is no such folder") as error:
        RunFolder.open("nowhere/oot")
    assert error.value.fix == "give the folder that `nettrain run` wrote"


def test_after_a_killed_trial_the_same_command_comes_to_the_same_points(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it led the method to meanwhile is set aside, not taken for another."""
    pytest.importorskip("optuna")
    (folder / "sweep.yaml").write_text(OPTUNA.replace("points: 5", "points: 12"))
    monkeypatch.setattr(sweeping, "performed", Here())
    overrides = ["seeds=1", "method.optuna.generation=10"]
    swept(*overrides, out="whole")
    best = int(table("whole")[0]["point"])
    monkeypatch.setattr(sweeping, "performed", Failing({f"{best:04d}-seed-0": ""}))
    swept(*overrides)
    assert table("out") != table("whole")
    monkeypatch.setattr(sweeping, "performed", here := Here())
    swept(*overrides)
    for name in ("table.csv", "best.yaml"):
        whole, out = folder / "whole" / name, folder / "out" / name
        assert whole.read_bytes() == out.read_bytes()
    aside = [p.name for p in (folder / "out/trials").glob("*.other1")]
    assert aside and len(here.trained) == 1 + len(aside)


def test_points_of_another_version_are_not_taken_for_this_one_s(
    folder: Path, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("optuna")
    (folder / "sweep.yaml").write_text(OPTUNA)
    swept()
    first = (folder / "out/sweep.yaml").read_text().partition("\n")[0]
    assert first.startswith("# Begun with nettrain ") and ", optuna " in first
    kept = (folder / "out/table.csv").read_bytes()
    monkeypatch.setattr(begun.metadata, "version", lambda name: "99.1")
    swept()  # the same points: no matter
    generations = Optuna.generations

    def others(self: Optuna, axes: Any) -> Any:
        return generations(dataclasses.replace(self, seed=77), axes)

    monkeypatch.setattr(Optuna, "generations", others)
    with pytest.raises(Error, match=r"other points are tried now .*") as error:
        swept()
    assert error.value.exit_code == 4
    fix = str(error.value)
    assert "optuna 99.1" in fix and first.removeprefix("# Begun with ") in fix
    assert (folder / "out/table.csv").read_bytes() == kept
    assert not list((folder / "out/trials").glob("*.other*"))
