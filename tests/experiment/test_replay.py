"""Replays: a run comes out again, or it is told where it first does not, and why."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nettrain as nt
from nettrain.errors import Error
from nettrain.experiment import signals
from nettrain.experiment.recorder import Nobody
from nettrain.experiment.replay import Replay, replay
from nettrain.experiment.run import resume, run
from nettrain.experiment.setup import RESOLVED
from nettrain.span import Span
from nettrain.training import loop
from nettrain.training.outcome import EPOCH_LOSS
from tests.experiment.conftest import SMALL, Write

pytestmark = pytest.mark.usefixtures("only_graphs")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four epochs of six updates, of which all checkpoints are kept."""
    folder = tmp_path_factory.mktemp("made") / "run"
    run(SMALL, ["train.checkpoint.keep=9"], out=folder, pictures=False)
    return folder


@pytest.fixture
def recorded(made: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return Path(shutil.copytree(made, tmp_path / "run"))


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def change_row(folder: Path, step: int, **values: Any) -> None:
    """Of a row of metrics, as somebody might who wants a better one."""
    path = folder / "metrics.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[step - 1] |= values
    texts = (json.dumps(row, separators=(",", ":")) for row in rows)
    path.write_text("".join(f"{text}\n" for text in texts))


def identical(found: Replay) -> bool:
    assert found.difference is None
    assert found.changed == []
    return True


class Counting(Nobody):
    """Knows how many updates were made again."""

    steps, closed = 0, False

    def step(self, *_: Any, **__: Any) -> None:
        self.steps += 1

    def close(self, *_: Any, **__: Any) -> None:
        self.closed = True


def content(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path): path.read_bytes() for path in files}


# ---------------------------------------------------------------- identical


def test_a_run_comes_out_again_and_nothing_is_written(made: Path) -> None:
    before = content(made)
    found = replay(made)
    assert identical(found) and (found.epochs, found.steps) == (4, 24)
    assert re.fullmatch(r"[0-9a-f]{32}", found.digest)
    assert content(made) == before


def test_each_epoch_has_a_digest_that_no_reader_takes_for_a_metric(made: Path) -> None:
    rows = list(map(json.loads, (made / "metrics.jsonl").read_text().splitlines()))
    assert [row["step"] for row in rows if "digest" in row] == [6, 12, 18, 24]
    assert len({row.get("digest") for row in rows}) == 5
    assert replay(made).digest == rows[-1]["digest"]
    assert "digest" not in nt.load_run(made).metrics


def test_without_diagnosis_the_digests_are_the_same(made: Path, tmp_path: Path) -> None:
    run(SMALL, ["diagnose=false"], out=tmp_path / "bare", pictures=False)
    rows = "metrics.jsonl"
    assert (tmp_path / "bare" / rows).read_bytes() == (made / rows).read_bytes()
    assert identical(replay(tmp_path / "bare"))


def interrupted(config: Any, updates: int, out: Path) -> int:
    """Interrupt a run after so many updates; the step that it came to."""
    asked = count(1)
    with pytest.MonkeyPatch.context() as patch:
        now = signals.Interruption
        patch.setattr(now, "__call__", lambda _: next(asked) == updates)
        outcome = run(config, out=out, pictures=False).outcome
    assert outcome and outcome.status == "interrupted"
    return outcome.step


@pytest.mark.parametrize("stop", [3, 6, 24])
def test_an_interrupted_run_up_to_there_and_a_resumed_one(
    stop: int, made: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    if stop < 24:
        assert interrupted(SMALL, stop, out) == stop
    else:  # all is saved, and the signal comes amid the pictures
        run(SMALL, out=out, pictures=False)
        change(out / "run.json", '"finished"', '"interrupted"')
    watcher = Counting()
    found = replay(out, watch=lambda setup, steps: watcher)
    assert identical(found) and found.steps == stop and found.epochs == stop // 6
    assert watcher.steps == stop and watcher.closed
    resume(out, pictures=False)
    whole = replay(out)
    assert identical(whole) and whole.digest == replay(made).digest


def test_a_run_that_trained_longer_after_its_end(tmp_path: Path) -> None:
    out = tmp_path / "run"
    run(SMALL, out=out, pictures=False)
    resume(out, ["train.epochs=6"], pictures=False)
    found = replay(out)
    assert identical(found) and found.epochs == 6
    assert run(SMALL, ["train.epochs=6"], out=tmp_path / "b", pictures=False).outcome
    assert replay(tmp_path / "b").digest == found.digest


def test_a_run_that_diverged(tmp_path: Path) -> None:
    wild = {**SMALL, "loss": "mse", "model": [{"dense": 3}], "metrics": []}
    wild["data"] = {**SMALL["data"], "source": "diabetes"}
    rate = ["optimizer={sgd: {learning_rate: 30}}", "model=[{dense: 1}]"]
    ended = run(wild, rate, out=tmp_path / "run", pictures=False)
    assert ended.outcome and ended.outcome.status == "diverged"
    assert ended.outcome.step > 0
    found = replay(tmp_path / "run")
    assert identical(found) and found.steps == ended.outcome.step


@pytest.mark.parametrize("action", ["skip", "rollback"])
def test_a_run_that_survived(action: str, tmp_path: Path) -> None:
    """Also one that was interrupted after it went back."""
    out = tmp_path / "run"
    config = surviving(action, tmp_path)
    stopped = run(config, out=out, until=Span(6, "epochs"), pictures=False)
    assert stopped.outcome and stopped.outcome.status == "interrupted"
    assert set(stopped.outcome.summary) & {"rollbacks", "skipped"}
    assert ('"nan"' in (out / "metrics.jsonl").read_text()) == (action == "skip")
    assert identical(replay(out))
    ended = resume(out, pictures=False)
    assert ended.outcome and ended.outcome.status == "finished"
    assert identical(replay(out))
    change_row(out, 20, gradient_norm=1.0)
    found = replay(out).difference
    assert found and found.epoch == 4 and list(found.rows) == [20]


def test_a_run_that_went_back_and_stopped_amid_an_epoch(tmp_path: Path) -> None:
    """The replay comes to that step first on a way that it goes back on."""
    out = tmp_path / "run"
    assert interrupted(surviving("rollback", tmp_path), 32, out) == 23
    found = replay(out)
    assert identical(found) and (found.epochs, found.steps) == (4, 23)


def test_a_run_that_went_back_in_vain(tmp_path: Path) -> None:
    out, rate = tmp_path / "run", ["optimizer.sgd.learning_rate=1000"]
    ended = run(surviving("rollback", tmp_path), rate, out=out, pictures=False).outcome
    assert ended and ended.status == "diverged" and ended.summary["rollbacks"] == 3
    found = replay(out)
    assert identical(found) and found.steps == ended.step


def surviving(action: str, folder: Path) -> dict[str, Any]:
    """Five updates an epoch, of which one cannot be made."""
    random = np.random.default_rng(0)
    table = np.column_stack([random.normal(size=(60, 2)), random.normal(size=60)])
    if action == "skip":
        table[7, :2] = 3e38  # so that there is a loss that is no number
    np.savetxt(folder / "t.csv", table, delimiter=",", header="a,b,y", comments="")
    wide = [{"dense": {"units": 16, "weight_init": {"normal": {"std": 1.0}}}}]
    rate, wide = (0.001, wide) if action == "skip" else (3.0, [])
    data = {"source": str(folder / "t.csv"), "target": "y", "task": "regression"}
    return {
        **SMALL,
        "data": {**data, "batch_size": 8, "split": {"validation": 0.2, "test": 0.2}},
        "model": [*wide, {"dense": 1}],
        "loss": "mse",
        "metrics": [],
        "optimizer": {"sgd": {"learning_rate": rate}},
        "train": {
            "epochs": 12,
            "on_nonfinite": action,
            "checkpoint": {"every": "3 epochs"},
        },
    }


def test_where_the_clock_ended_it_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    ticks, clock = count(), loop.time
    with monkeypatch.context() as patch:
        patch.setattr(loop, "time", type("", (), {"monotonic": lambda: next(ticks)}))
        run(SMALL, ["train.stop={minutes: 0.15}"], out=out, pictures=False)
    facts = json.loads((out / "run.json").read_text())
    assert facts["stopped_at"] == facts["step"] == 10
    assert loop.time is clock and identical(replay(out))
    # Nor may it end a replay where it did not end the run.
    other = tmp_path / "other"
    run(
        SMALL,
        ["train.stop={minutes: 0.15}"],
        out=other,
        until=Span(2, "epochs"),
        pictures=False,
    )
    monkeypatch.setattr(loop, "time", type("", (), {"monotonic": lambda: next(ticks)}))
    found = replay(other)
    assert identical(found) and found.steps == 12


def test_a_fine_tuned_run_has_what_it_began_with(made: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(made, tmp_path / "base"))
    config = {**SMALL, "model": {"from": str(base)}}
    run(config, out=tmp_path / "run", pictures=False)
    shutil.rmtree(base)
    assert identical(replay(tmp_path / "run"))


def test_a_finished_run_without_an_update(tmp_path: Path) -> None:
    """It diverged at the first one."""
    huge = "model=[{dense: {units: 3, weight_init: {constant: 3e38}}}]"
    ended = run(SMALL, [huge], out=tmp_path / "run", pictures=False).outcome
    assert ended and (ended.status, ended.step) == ("diverged", 0)
    assert identical(replay(tmp_path / "run"))


# ---------------------------------------------------------------- different


def test_another_config_is_told_with_what_differs(recorded: Path) -> None:
    change(recorded / RESOLVED, "learning_rate: 0.01", "learning_rate: 0.02")
    watcher = Counting()
    found = replay(recorded, watch=lambda setup, steps: watcher)
    assert watcher.steps == 6
    assert (found.epochs, found.steps, found.digest) == (0, 0, "")
    different = found.difference
    assert different and different.epoch == 1 and list(different.rows) == [1, 6]
    assert different.rows[1] == {"learning_rate": (0.01, 0.02)}
    assert {EPOCH_LOSS, "validation/loss"} <= set(different.rows[6])
    assert "parameter/model/dense1/weight" in different.tensors
    assert all(0 < value < 1 for value in different.tensors.values())
    assert not any(name.startswith("diagnosis") for name in different.tensors)
    assert [line.split(":")[0] for line in found.changed] == ["config"]
    assert RESOLVED in found.changed[0]


def test_the_first_epoch_that_differs(recorded: Path) -> None:
    found = replay(recorded, ["optimizer.adam.learning_rate={step: {initial: 0.01, "
                              "every: 2 epochs, factor: 0.5}}"])  # fmt: skip
    assert found.difference and found.difference.epoch == 3
    assert (found.epochs, found.steps) == (2, 12)
    assert found.changed[0].startswith("config: it is tried with optimizer.adam")


def test_only_the_weights_differ(recorded: Path) -> None:
    """As after a fault that no metric shows: here the digest itself is another."""
    was = digests(recorded)
    change(recorded / "metrics.jsonl", was[12], was[12][::-1])
    found = replay(recorded)
    assert found.difference and found.difference.epoch == 2
    assert (found.difference.rows, found.difference.tensors) == ({}, {})
    assert found.difference.digests == (was[12][::-1], was[12])
    assert (found.epochs, found.digest, found.changed) == (1, was[6], [])


def digests(folder: Path) -> dict[int, str]:
    rows = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return {row["step"]: row["digest"] for row in rows if "digest" in row}


def test_an_interrupted_run_that_would_have_ended_before(tmp_path: Path) -> None:
    out = tmp_path / "run"
    data = {**SMALL["data"], "split": {"validation": 0.2, "test": 0.0}}
    assert interrupted({**SMALL, "data": data}, 18, out) == 18
    found = replay(out, ["train.epochs=1"])
    assert found.difference and (found.difference.epoch, found.epochs) == (2, 1)
    assert "the replay: finished at step 8" in found.difference.end


def test_an_epoch_that_did_not_end(tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert interrupted(SMALL, 10, out) == 10
    change_row(out, 8, **{"train/loss": 0.25})
    found = replay(out)
    assert found.difference and found.difference.epoch == 2
    assert list(found.difference.rows) == [8] and found.difference.digests is None
    assert (found.epochs, found.steps) == (1, 6)


@pytest.mark.parametrize("step", [8, 12])
def test_a_changed_row_is_known_by_its_digest(recorded: Path, step: int) -> None:
    change_row(recorded, step, **{"train/loss": 0.25})
    found = replay(recorded).difference
    assert found and found.edited and found.epoch == 2
    assert found.rows[step]["train/loss"][0] == 0.25


def test_a_tensor_that_differs_is_named(
    recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state is another one after the second epoch, and no metric has seen it."""
    update = loop.Loop._update

    def bent(self: loop.Loop, rows: np.ndarray) -> Any:
        made = update(self, rows)
        if self.step == 12:
            self.network.state["optimizer/square_sum/model/dense2/bias"][1] += 2.0
        return made

    monkeypatch.setattr(loop.Loop, "_update", bent)
    found = replay(recorded)
    assert found.difference and found.difference.epoch == 2
    assert found.difference.rows == {} and not found.difference.edited
    name = "optimizer/square_sum/model/dense2/bias"
    assert found.difference.tensors == {name: pytest.approx(2.0)}


@pytest.mark.parametrize(
    ("override", "epoch", "told"),
    [
        ("train.epochs=3", 4, "the replay: finished at step 24"),
        ("train.epochs=5", 5, "the replay: goes on"),
    ],
)
def test_another_end(override: str, epoch: int, told: str, tmp_path: Path) -> None:
    """Without a test part the last row of a shorter run is like any other."""
    out = tmp_path / "run"
    split = ["data.split={validation: 0.2, test: 0}"]
    run(SMALL, split, out=out, pictures=False)
    found = replay(out, [override])
    assert found.difference and found.difference.rows == {}
    assert (found.difference.epoch, found.epochs) == (epoch, epoch - 1)
    assert found.difference.end.startswith("the run: finished at step 32; ")
    assert told in found.difference.end


# ---------------------------------------------------------------- explained


def test_what_is_not_as_it_was_is_named(recorded: Path) -> None:
    facts = json.loads((recorded / "run.json").read_text())
    facts["environment"] |= {"python": "3.9.1"}
    facts["versions"]["nettrain"] = "0.0.1"
    (recorded / "run.json").write_text(json.dumps(facts))
    found = replay(recorded)
    assert found.difference is None
    kind, was = found.changed
    assert kind.startswith("environment: python was 3.9.1, is ")
    assert was.startswith("program: nettrain was 0.0.1, is ")


def test_other_last_bits_of_unknown_cause(recorded: Path) -> None:
    facts = json.loads((recorded / "run.json").read_text())
    others = (facts["numerics"], "0" * 64)
    change(recorded / "run.json", *others)
    found = replay(recorded)
    assert "numerics: the kernels compute other last bits" in found.changed


def test_a_run_of_two_pieces(tmp_path: Path) -> None:
    """What it told when it was resumed explains why it cannot come out again."""
    out = tmp_path / "run"
    run(SMALL, out=out, until=Span(2, "epochs"), pictures=False)
    resume(out, ["optimizer.adam.beta1=0.5"], pictures=False)
    found = replay(out)
    assert found.difference and found.difference.epoch == 1
    (told,) = found.changed
    assert told.startswith("resumed: not the same as such a run from the start: 12 upd")
    assert "beta1" in told


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Products of matrices that kernels and threads sum in other orders."""
    folder, random = tmp_path_factory.mktemp("large"), np.random.default_rng(0)
    rows, classes = random.normal(size=(512, 784)), random.integers(0, 3, 512)
    np.savez(folder / "t.npz", x=rows.astype(np.float32), y=classes)
    config = {
        "name": "large",
        "data": {
            "source": str(folder / "t.npz"),
            "batch_size": 128,
            "split": {"validation": 0.0, "test": 0.0},
        },
        "model": [{"dense": {"units": 128, "activation": "relu"}}, {"dense": 3}],
        "loss": "cross_entropy",
        "train": {"epochs": 2},
        "diagnose": False,
    }
    run(config, out=folder / "run", pictures=False)
    return folder / "run"


def test_on_two_threads(large: Path) -> None:
    """The number of threads is the cause that is known, whatever they compute."""
    found = replay(large, ["threads=2"])
    assert found.changed[0] == "config: it is tried with threads=2"
    assert "numerics: blas_threads was 1, is 2" in found.changed[1:]
    if found.difference:  # a processor may sum in the same order all the same
        assert found.difference.epoch == 1 and found.difference.rows
    assert identical(replay(large))


KERNELS = ("Haswell", "Sandybridge", "Prescott", "ARMV8", "NEOVERSEN1")
"""Some of OpenBLAS's names of processors: it takes that one's kernels if it can."""


def test_on_another_kernel_of_the_linear_algebra(large: Path) -> None:
    own = json.loads((large / "run.json").read_text())["environment"]["blas_kernel"]
    assert replay(large).difference is None
    for kernel in KERNELS:
        if kernel.lower() == own.lower():
            continue
        ended = subprocess.run(
            [sys.executable, "-m", "nettrain", "replay", str(large), "--json"],
            env={**os.environ, "OPENBLAS_CORETYPE": kernel},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ended.returncode in (0, 4), ended.stderr
        found = json.loads(ended.stdout)
        if not found["identical"]:
            break
    else:
        pytest.skip("this machine's linear algebra has one kernel only")
    assert ended.returncode == 4
    assert found["difference"]["epoch"] == 1
    assert found["difference"]["rows"][0]["metrics"].keys() <= {
        "train/loss",
        "gradient_norm",
    }
    named = [line for line in found["changed"] if line.startswith("numerics: blas_ker")]
    assert named[0].startswith(f"numerics: blas_kernel was {own}, is ")


# ---------------------------------------------------------------- refused


def refused(folder: Path, *overrides: str) -> Error:
    with pytest.raises(Error) as caught:
        replay(folder, overrides)
    return caught.value


def test_a_run_of_before_there_were_digests(recorded: Path) -> None:
    path = recorded / "metrics.jsonl"
    path.write_text(re.sub(r',"digest":"\w+"', "", path.read_text()))
    error = refused(recorded)
    assert (error.code, error.exit_code) == ("run-no-digests", 4)
    assert error.fix == f"train it once more: nettrain run {recorded / RESOLVED}"
    assert error.message.startswith("epoch 1 ")


def test_nothing_to_compare(recorded: Path) -> None:
    (recorded / "metrics.jsonl").write_text("")
    change(recorded / "run.json", '"finished"', '"running"')
    assert refused(recorded).code == "run-no-digests"
    (recorded / "metrics.jsonl").unlink()
    assert refused(recorded).code == "run-incomplete"
    assert refused(recorded.parent).code == "run-missing"


def test_metrics_that_end_before_the_run_does(recorded: Path) -> None:
    path = recorded / "metrics.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    for kept in (lines[:-1], lines[:10], []):
        path.write_text("".join(kept))
        error = refused(recorded)
        assert error.code == "run-incomplete"
        assert error.message == f"{path} ends before update 24, the last"
        assert error.fix == f"nettrain resume {recorded}"


@pytest.mark.parametrize("digest", ['"x"', "1", "null", '["a"]', f'"{"A" * 32}"'])
def test_what_is_no_digest(recorded: Path, digest: str) -> None:
    path = recorded / "metrics.jsonl"
    path.write_text(re.sub(r'"digest":"\w+"', f'"digest":{digest}', path.read_text()))
    assert refused(recorded).code == "run-damaged"


@pytest.fixture
def tabled(write: Write, tmp_path: Path) -> Callable[[], Path]:
    """Makes a run of a table."""

    def make() -> Path:
        lines = [f"{i % 7},{i % 5},{'ab'[i % 2]}" for i in range(40)]
        (tmp_path / "t.csv").write_text("\n".join(["u,v,kind", *lines, ""]))
        config = write(
            "data: {source: t.csv, target: kind}\nmodel: [dense: auto]\n"
            "loss: cross_entropy\ntrain: {epochs: 1}\n"
        )
        return run(config, out=tmp_path / "run", pictures=False).folder.path

    return make


def test_other_data_and_none(tabled: Callable[[], Path], tmp_path: Path) -> None:
    folder, table = tabled(), tmp_path / "t.csv"
    assert identical(replay(folder))
    table.rename(tmp_path / "moved.csv")
    missing = refused(folder)
    assert missing.code == "data-missing-file" and missing.exit_code == 3
    assert missing.fix and "data.source=PATH" in missing.fix
    found = replay(folder, ["data.source=moved.csv"])
    assert found.difference is None and found.epochs == 1
    table.write_text((tmp_path / "moved.csv").read_text().replace("3,3,b", "3,4,b"))
    assert (refused(folder).code, refused(folder).exit_code) == ("run-data-changed", 4)
    resume(folder, ["data.source=moved.csv"], pictures=False)
    assert identical(replay(folder))


def test_generated_data_of_other_numerics(recorded: Path) -> None:
    facts = json.loads((recorded / "run.json").read_text())
    facts["environment"]["blas_kernel"] = "Z80"
    facts["data_sha256"] = "0" * 64
    (recorded / "run.json").write_text(json.dumps(facts))
    message = refused(recorded).message
    assert "are not what they were when it began; " in message
    assert "blas_kernel was Z80, is " in message
