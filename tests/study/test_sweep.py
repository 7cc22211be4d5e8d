"""Sweeps: one result, whoever trains what, when, and however often it is stopped."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import nettrain as nt
from nettrain.disk import Disk
from nettrain.errors import Error
from nettrain.experiment import available
from nettrain.experiment import run as running
from nettrain.experiment.available import Limit
from nettrain.experiment.setup import set_up
from nettrain.record import lock
from nettrain.record.folder import RUN
from nettrain.span import Span
from nettrain.study import sweep as sweeping
from nettrain.study.points import Base
from nettrain.study.results import Results, Score, score
from nettrain.study.sweep import sweep
from nettrain.study.workers import Done, Trial

BASE = """\
data:
  source: {moons: {samples: 60, noise: 0.1}}
  split: {validation: 0.3, test: 0.2}
  batch_size: 10
model: [{dense: {units: 4, activation: tanh}}, {dense: 1}]
loss: binary_cross_entropy
metrics: [accuracy]
optimizer: {sgd: {learning_rate: {cosine: {peak: 0.5}}, momentum: 0.9}}
train: {epochs: 4}
diagnose: false
"""
SWEEP = """\
name: rates
base: base.yaml
seeds: 2
space:
  optimizer.sgd.momentum: [0.0, 0.9]
  model.dense1.units: [2, 5]
"""
HALVING = """\
base: base.yaml
folds: 2
space:
  optimizer.sgd.momentum: {linear: [0, 0.99]}
method: {halving: {points: 4, factor: 2}}
"""


class Seen:
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.trials = 0
        self.told: list[tuple[str, Score]] = []

    def planned(self, trials: int) -> None:
        self.trials += trials

    def done(self, name: str, found: Score) -> None:
        self.told.append((name, found))

    def running(self, folders: Sequence[Path]) -> None:
        pass


class Here:
    """Runs trials in this process, in an order of its own, and counts updates."""

    def __init__(self, seed: int = 0, most: float = math.inf) -> None:
        self.random, self.left = random.Random(seed), most
        self.trained: list[str] = []

    def __call__(
        self, trials: Sequence[Trial], workers: int, backend: str
    ) -> Iterator[Done]:
        for trial in self.random.sample(list(trials), len(trials)):
            if not self.left:
                raise KeyboardInterrupt
            self.left -= 1
            self.trained.append(trial.folder.name)
            yield Done(trial.folder, *train(trial))


def train(trial: Trial) -> tuple[int, str]:
    until = Span(trial.until, "%") if trial.until < 100 else None
    try:
        if (trial.folder / RUN).exists():
            running.resume(trial.folder, until=until, pictures=False)
        else:
            running.run(
                trial.config,
                trial.overrides,
                out=trial.folder,
                until=until,
                pictures=False,
            )
    except Error as error:
        return error.exit_code, str(error)
    return 0, ""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.yaml").write_text(BASE)
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    return tmp_path


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Here:
    made = Here()
    monkeypatch.setattr(sweeping, "performed", made)
    return made


def swept(*overrides: str, out: str | None = "out", **more: Any) -> Results:
    return sweep("sweep.yaml", overrides, out=out, watch=Seen(), **more)[1]


def table(path: Path | str = "out") -> list[dict[str, str]]:
    text = (Path(path) / "table.csv").read_text()
    return list(csv.DictReader(text.splitlines()))


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


@pytest.mark.parametrize("text", [SWEEP, HALVING])
def test_order_and_interruptions_change_no_byte(
    folder: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
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


def test_without_out_the_same_sweep_goes_on_and_another_is_new(
    folder: Path, here: Here
) -> None:
    paths = [
        sweep("sweep.yaml", overrides, watch=Seen())[0]
        for overrides in ([], ["workers=3"], ["seeds=1"], [])
    ]
    assert [str(path) for path in paths] == [
        "runs/rates/1",
        "runs/rates/1",
        "runs/rates/2",
        "runs/rates/1",
    ]


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
        "base: base.yaml\nspace: {data.split.validation: [0.3, 0.001, 0.4]}\n"
    )
    seen = Seen()
    results = sweep("sweep.yaml", out="out", watch=seen)[1]
    assert [row.status for row in results.rows] == ["finished", "finished", "failed"]
    assert [row["mean"] == "" for row in table()] == [False, False, True]
    (why,) = [found.why for _, found in seen.told if found.status == "failed"]
    assert "too few: none is left for validation" in why


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
        ("[2, 5]", "[2, 0]", "config-range", "sweep.yaml:6:23", "at least 1, got 0"),
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


def test_a_base_that_changed_meanwhile_is_refused(folder: Path, here: Here) -> None:
    swept()
    (folder / "base.yaml").write_text(BASE.replace("epochs: 4", "epochs: 5"))
    with pytest.raises(
        Error, match=r"out holds another sweep: .*base.yaml is not"
    ) as e:
        swept()
    assert e.value.exit_code == 4


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


@pytest.mark.parametrize("text", ["", "base: [", "a: 1", "base: base.yaml\nspace: 3"])
def test_a_damaged_sweep_beside_this_one_is_left_alone(
    folder: Path, here: Here, text: str
) -> None:
    (folder / "runs/rates/1").mkdir(parents=True)
    (folder / "runs/rates/1/sweep.yaml").write_text(text)
    path, _ = sweep("sweep.yaml", out=None, watch=Seen())
    assert path == Path("runs/rates/2")
    assert (folder / "runs/rates/1/sweep.yaml").read_text() == text
    with pytest.raises(Error):
        swept(out="runs/rates/1")


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


def test_trials_are_as_many_as_cores_and_memory_allow(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "cores", lambda threads: 64 // threads)
    base = Base.read("sweep.yaml", ())
    setup = set_up(base.config_path)
    limits = [None, Limit(10**12, "all"), Limit(available.held() + 10**9, "some")]
    found = []
    for limit in (*limits, Limit(1, "none")):
        monkeypatch.setattr(available, "limit", lambda limit=limit: limit)
        found.append(sweeping._workers(base.sweep, setup))
    assert found[:2] == [64, 64] and 1 < found[2] < 10 and found[3] == 1
    given = dataclasses.replace(base.sweep, workers=7)
    assert sweeping._workers(given, setup) == 7


# ---------------------------------------------------------------- real processes

PLUGIN = """\
import os, signal, time
from nettrain.component import register
from nettrain.nn.activations import Activation

class Bad(Activation):
    def formula(self, z):
        self.fail()
        return z

@register("hangs")
class Hangs(Bad):
    "x, after an hour."
    def fail(self):
        time.sleep(3600)

@register("dies")
class Dies(Bad):
    "x, if the process lived."
    def fail(self):
        os.kill(os.getpid(), signal.SIGKILL)

@register("raises")
class Raises(Bad):
    "x, but for a bug."
    def fail(self):
        raise RuntimeError("a bug of its own")
"""


def test_trials_that_hang_die_or_fail_touch_no_other(folder: Path) -> None:
    (folder / "plugin.py").write_text(PLUGIN)
    (folder / "sweep.yaml").write_text(
        "base: base.yaml\nlimit: 0.15\n"
        "space: {model.dense1.activation: [hangs, dies, tanh, raises]}\n"
    )
    command = [sys.executable, "-m", "nettrain", "sweep", "sweep.yaml", "--json"]
    command += ["--workers", "2", "--plugin", "plugin.py", "--out", "out"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    points = json.loads(ended.stdout)["points"]
    assert [(p["values"]["model.dense1.activation"], p["status"]) for p in points] == [
        ("tanh", "finished"),
        ("hangs", "timeout"),
        ("dies", "failed"),
        ("raises", "failed"),
    ]
    assert "killed by signal 9" in ended.stderr
    assert "a bug of its own" in ended.stderr
    assert "not done after 0.15 minutes" in ended.stderr


@pytest.mark.parametrize("workers", [1, 2])
def test_a_signal_saves_all_trials_and_leaves_no_process(
    folder: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "performed", Here())
    swept("seeds=1", out="whole")
    monkeypatch.undo()
    os.chdir(folder)
    command = [sys.executable, "-m", "nettrain", "sweep", "sweep.yaml", "--out", "out"]
    command += ["--workers", str(workers), "seeds=1"]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stderr is not None
        assert re.match(r"1/4  000\d-seed-\d  ", process.stderr.readline())
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
    assert process.returncode == 128 + signal.SIGTERM
    again = f"nettrain sweep sweep.yaml seeds=1 --out out --workers {workers}\n"
    assert rest.endswith(again)
    assert left_over(str(folder)) == []
    assert not (folder / "out/table.csv").exists()
    assert subprocess.run(command, capture_output=True).returncode == 0
    for name in ("table.csv", "best.yaml"):
        whole, other = folder / "whole" / name, folder / "out" / name
        assert whole.read_bytes() == other.read_bytes()


def test_nothing_goes_on_where_the_sweep_itself_was_killed(folder: Path) -> None:
    """Its workers see that it is gone; what they had trained is saved."""
    (folder / "base.yaml").write_text(BASE.replace("epochs: 4", "epochs: 100000"))
    command = [sys.executable, "-m", "nettrain", "sweep", "sweep.yaml", "--out", "out"]
    quiet = subprocess.DEVNULL
    with subprocess.Popen([*command, "--workers", "2"], stderr=quiet) as process:
        give_up = time.monotonic() + 60
        while len(list(folder.glob("out/trials/*/metrics.jsonl"))) < 2:
            assert time.monotonic() < give_up
            time.sleep(0.05)
        process.kill()
    assert left_over(str(folder), 15) == []
    for file in folder.glob("out/trials/*/run.json"):
        assert json.loads(file.read_text())["status"] == "interrupted"


def test_a_folder_of_files_called_like_modules(folder: Path) -> None:
    for name in ("random", "numpy", "secrets", "nettrain"):
        (folder / f"{name}.py").write_text("raise SystemExit('imported')")
    (folder / "sweep.yaml").write_text("base: base.yaml\n")
    command = [str(Path(sys.executable).with_name("nettrain")), "sweep", "sweep.yaml"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def left_over(where: str, seconds: float = 5) -> list[str]:
    """Commands of processes that still train in a folder."""
    give_up = time.monotonic() + seconds
    while True:
        found = []
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = process.read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if where in words and "cli.trial" in words:
                found.append(words)
        if not found or time.monotonic() > give_up:
            return found
        time.sleep(0.1)
