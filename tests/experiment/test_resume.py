"""Going on with a run: for longer, with other settings, or not at all."""

from __future__ import annotations

import json
import signal
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

import nettrain as nt
from nettrain.disk import Disk
from nettrain.experiment import recorder
from nettrain.experiment import run as running
from nettrain.experiment.recorder import Nobody
from nettrain.experiment.run import Ended, resume, run
from nettrain.record.folder import RunFolder
from nettrain.training.events import EpochEnded
from nettrain.training.loop import Loop
from tests.experiment.conftest import SMALL
from tests.experiment.test_killed import CONFIGS, content, in_child, killed_at_event

pytestmark = pytest.mark.usefixtures("only_graphs")
EARLY = {"epochs": 40, "stop": {"patience": 2, "target": 0.5, "restore_best": True}}


def status(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "run.json").read_text()))


def lines(folder: Path, name: str = "metrics.jsonl") -> list[str]:
    return (folder / name).read_text().splitlines()


def finished(ended: Ended) -> str:
    assert ended.outcome is not None and ended.outcome.status == "finished"
    return ended.outcome.reason


@pytest.fixture
def early(tmp_path: Path) -> Path:
    """A run that stopped before its planned end."""
    made = nt.train({**SMALL, "train": EARLY}, out=tmp_path / "early")
    assert made.facts["reason"] == "validation/loss reached 0.5"
    return made.path


def test_more_epochs_do_not_outweigh_a_reason_to_stop(early: Path) -> None:
    before = content(early)
    reason = finished(resume(early, ["train.epochs=80"]))
    assert reason == "validation/loss reached 0.5"
    after = content(early)
    assert before.pop("run.json") != after.pop("run.json")  # another fingerprint
    assert after == before


def test_without_that_reason_it_goes_on(early: Path) -> None:
    step = status(early)["step"]
    ended = resume(early, ["train.stop.target=0.4"])
    assert finished(ended) == "validation/loss reached 0.4"
    assert status(early)["step"] > step
    steps = [json.loads(line)["step"] for line in lines(early)]
    assert steps == list(range(1, status(early)["step"] + 1))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("model.dense1.units=9", "config-resume"),
        ("seed=3", "config-resume"),
        ("data.batch_size=8", "config-resume"),
        ("train.accumulate=2", "config-resume"),
        ("train.epochs=1", "config-length"),
        ("optimizer={sgd: {learning_rate: 0.1, momentum: 0.9}}", "checkpoint-mismatch"),
    ],
)
def test_what_cannot_go_on_changes_nothing(early: Path, change: str, code: str) -> None:
    resolved = (early / "config.resolved.yaml").read_bytes()
    before = content(early)
    with pytest.raises(nt.Error) as caught:
        resume(early, [change])
    assert caught.value.code == code
    assert (early / "config.resolved.yaml").read_bytes() == resolved
    assert content(early) == before


def test_diagnosis_cannot_begin_in_the_middle(tmp_path: Path) -> None:
    config = {**SMALL, "model": [{"dense": 3}], "diagnose": False}
    made = nt.train(config, out=tmp_path / "run")
    with pytest.raises(nt.Error) as caught:
        resume(made.path, ["diagnose=true", "train.epochs=9"])
    assert caught.value.code == "checkpoint-mismatch"


def test_the_resolved_config_remembers_where_values_came_from(tmp_path: Path) -> None:
    config = tmp_path / "small.yaml"
    config.write_text(yaml.safe_dump(SMALL))
    made = nt.train(config, out=tmp_path / "run")
    before = lines(made.path, "config.resolved.yaml")
    resume(made.path, ["train.epochs=5"])
    after = lines(made.path, "config.resolved.yaml")
    changed = [new for old, new in zip(before, after, strict=True) if old != new]
    assert [line.split() for line in changed] == [
        ["epochs:", "5", "#", "command", "line"]
    ]


def of_table(path: Path) -> dict[str, Any]:
    """A config that trains on a table, which is written."""
    path.write_text("a,b,y\n" + "".join(f"{i},{-i},{i % 2}\n" for i in range(60)))
    data = {"source": str(path), "target": "y"}
    return {**SMALL, "data": data, "model": [{"dense": 2}]}


def test_a_finished_run_says_so_without_its_data(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    made = nt.train(of_table(table), out=tmp_path / "run")
    table.unlink()
    assert "finished" in resume(made.path).message


def test_data_that_lie_elsewhere_now(tmp_path: Path) -> None:
    """Which ones they are, their hash tells."""
    table, moved = tmp_path / "table.csv", tmp_path / "there/moved.csv"
    config = of_table(table)
    made = nt.train(config, out=tmp_path / "run")
    whole = nt.train(config, out=tmp_path / "long", overrides=["train.epochs=6"])
    moved.parent.mkdir()
    table.rename(moved)
    with pytest.raises(nt.Error) as caught:
        resume(made.path, ["train.epochs=6"])
    assert caught.value.code == "data-missing-file"
    assert "data.source=PATH" in (caught.value.fix or "")
    resume(made.path, [f"data.source={moved}", "train.epochs=6"])
    found, expected = content(made.path), content(whole.path)
    for each in (found, expected):  # they name the config's hash, which is another one
        del each["run.json"], each["step-000000000012.safetensors"]
    assert found == expected
    assert finished(resume(made.path, ["train.epochs=7"]))  # it is remembered
    table.write_text(moved.read_text().replace("3,", "4,", 1))
    with pytest.raises(nt.Error) as caught:
        resume(made.path, [f"data.source={table}", "train.epochs=9"])
    assert caught.value.code == "run-data-changed"


def test_other_data_are_refused(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    made = nt.train(of_table(table), out=tmp_path / "run")
    table.write_text(table.read_text().replace("3,", "4,", 1))
    with pytest.raises(nt.Error) as caught:
        resume(made.path, ["train.epochs=9"])
    assert caught.value.code == "run-data-changed"


def test_nothing_that_it_goes_on_from_is_read_before_the_lock(
    early: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another writer could change it between."""
    read: list[str] = []
    for name in ("set_up", "read_status", "newest", "recover", "read_metrics"):
        real = getattr(running, name)

        def noted(*given: Any, name: str = name, real: Any = real) -> Any:
            held = Disk().lock(early, folder=True) is None
            read.append(f"{name} {'inside' if held else 'outside'}")
            return real(*given)

        monkeypatch.setattr(running, name, noted)
    resume(early, ["train.stop.target=0.4"])
    assert {name.split()[0] for name in read} > {"set_up", "recover", "read_metrics"}
    assert not [name for name in read if name.endswith("outside")]


def test_one_that_another_process_goes_on_with(early: Path) -> None:
    """It is not even looked at what could be wrong."""
    (early / "config.resolved.yaml").write_text("nonsense")
    with RunFolder.open(early).lock(), pytest.raises(nt.Error) as caught:
        resume(early, ["train.epochs=50"])
    assert (caught.value.code, caught.value.exit_code) == ("locked-run", 5)


def test_one_that_another_process_has_finished_meanwhile(
    early: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, real = [False, True], running._is_over
    monkeypatch.setattr(running, "_is_over", lambda f: asked.pop(0) and real(f))
    before = content(early)
    assert "finished" in resume(early).message
    assert content(early) == before and not asked


def test_a_finished_run_that_may_only_be_read(tmp_path: Path) -> None:
    made = nt.train(SMALL, out=tmp_path / "run")
    (made.path / ".lock").unlink()
    made.path.chmod(0o500)
    try:
        assert "finished" in resume(made.path).message
        assert not (made.path / ".lock").exists()
    finally:
        made.path.chmod(0o700)


def test_a_run_without_its_resolved_config(early: Path) -> None:
    (early / "config.resolved.yaml").unlink()
    with pytest.raises(nt.Error) as caught:
        resume(early, ["train.epochs=50"])
    assert (caught.value.code, caught.value.exit_code) == ("run-incomplete", 4)


@pytest.mark.parametrize("key", ["status", "step", "lines", "environment", "numerics"])
def test_a_run_json_that_lacks_something(early: Path, key: str) -> None:
    facts = status(early)
    del facts[key]
    (early / "run.json").write_text(json.dumps(facts))
    with pytest.raises(nt.Error) as caught:
        resume(early)
    assert (caught.value.code, caught.value.exit_code) == ("run-damaged", 4)


def test_a_finished_run_without_its_last_checkpoint_finishes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the clock ended it: at the same step."""
    stop = {"minutes": 60}
    train = {"epochs": 40, "stop": stop, "checkpoint": {"every": "3 steps"}}
    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_time_is_up", lambda self, began: self.step == 7)
        made = nt.train({**SMALL, "train": train}, out=tmp_path / "run")
    before = content(made.path)
    last = made.path / "checkpoints/step-000000000007.safetensors"
    last.write_bytes(last.read_bytes()[:-1])
    ended = resume(made.path)
    assert ended.outcome is not None and ended.outcome.stopped_at == 7
    assert content(made.path) == before


def test_other_numerics_are_said(tmp_path: Path) -> None:
    made = nt.train(SMALL, out=tmp_path / "run")
    facts = status(made.path)
    facts["numerics"] = "0" * 64
    facts["environment"]["numpy"] = "1.0"
    (made.path / "run.json").write_text(json.dumps(facts))
    told: list[str] = []

    class Listening(Nobody):
        def note(self, text: str) -> None:
            told.append(text)

    resume(made.path, ["train.epochs=5"], watch=lambda setup, steps: Listening())
    note = told[-1]
    assert note.startswith("correct, not bit-identical: numpy was 1.0, is ")
    assert note in "\n".join(lines(made.path, "events.jsonl"))


# ---------------------------------------------------------------- how a run ends


DEAD = {
    **SMALL,
    "model": [
        {"dense": {"units": 8, "activation": "relu", "bias_init": {"constant": -30.0}}},
        {"dense": 3},
    ],
}


def interrupt_after_epoch(number: int, kind: int, monkeypatch: Any) -> None:
    """A signal comes while an epoch's end is being written."""
    real = recorder.Files.__call__

    def take(self: recorder.Files, event: Any) -> None:
        real(self, event)
        if isinstance(event, EpochEnded) and event.epoch == number:
            signal.raise_signal(kind)

    monkeypatch.setattr(recorder.Files, "__call__", take)


def test_an_interrupted_run_keeps_what_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = nt.train(DEAD, out=tmp_path / "whole")
    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        interrupt_after_epoch(3, signal.SIGTERM, patch)
        ended = run(DEAD, out=folder)
    assert ended.outcome is not None and ended.outcome.status == "interrupted"
    assert ended.signal == signal.SIGTERM
    found = nt.load_run(folder)
    assert {"A1", "G1"} <= {f.id for f in found.findings}
    assert found.summary["last"]["validation/loss"] > 0
    assert found.summary["best"]["validation/loss"]["step"] > 0
    # What was told before is not told again.
    resume(folder)
    assert nt.load_run(folder).findings == whole.findings

    def told(path: Path) -> list[str]:
        events = [json.loads(line) for line in lines(path, "events.jsonl")]
        return [e["id"] + e["severity"] for e in events if e["event"] == "finding"]

    assert told(folder) == told(whole.path)


def test_ctrl_c_ends_a_script_once_the_run_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_after_epoch(1, signal.SIGINT, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        nt.train(SMALL, out=tmp_path / "run")
    assert status(tmp_path / "run")["status"] == "interrupted"
    assert not list((tmp_path / "run/plots").iterdir())  # only what is over is drawn


def test_a_second_signal_exits_at_once(tmp_path: Path) -> None:
    real = recorder.Files.__call__

    def take(self: recorder.Files, event: Any) -> None:
        real(self, event)
        if isinstance(event, EpochEnded):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)

    def child() -> None:
        recorder.Files.__call__ = take  # type: ignore[method-assign]
        run(SMALL, out=tmp_path / "run")

    assert in_child(child) == 128 + signal.SIGTERM
    assert status(tmp_path / "run")["status"] == "running"


def test_another_thread_leaves_the_signals_alone(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    found: list[Ended] = []
    thread = threading.Thread(
        target=lambda: found.append(run(SMALL, out=tmp_path / "run"))
    )
    thread.start()
    thread.join()
    assert finished(found[0]) == "all 4 epochs are done"
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("at", [8, 14, 20])
def test_a_full_disk_fails_the_run_and_harms_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    whole = nt.train(DEAD, out=tmp_path / "whole")
    folder, made, real = tmp_path / "run", 0, Disk.system

    def system(self: Disk, action: str, path: Path, *call: Any) -> Any:
        nonlocal made
        counted = action == "write" and path.name != ".run.json.tmp"
        made += counted
        if counted and made == at:
            raise OSError(28, "No space left on device")
        return real(self, action, path, *call)

    with monkeypatch.context() as patch:
        patch.setattr(Disk, "system", system)
        with pytest.raises(nt.Error) as caught:
            run(DEAD, out=folder)
    assert (caught.value.code, caught.value.exit_code) == ("disk-full", 6)
    assert status(folder)["status"] == "failed"
    why = caught.value.message
    assert "no space left" in why and status(folder)["reason"] == why
    resume(folder)
    assert content(folder) == content(whole.path)


@pytest.mark.parametrize("where", ["run", "_finish"])
def test_a_bug_fails_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def broken(*args: object, **more: object) -> None:
        raise ZeroDivisionError("oh")

    if where == "run":
        monkeypatch.setattr(Loop, "_evaluated", broken)
    else:
        monkeypatch.setattr("nettrain.experiment.report.network_drawing", broken)
    with pytest.raises(ZeroDivisionError):
        run(SMALL, out=tmp_path / "run")
    assert status(tmp_path / "run")["status"] == "failed"
    assert "ZeroDivisionError: oh" in lines(tmp_path / "run", "events.jsonl")[-1]


def test_a_diverged_run_diverges_again_the_same_way(tmp_path: Path) -> None:
    config = {**SMALL, "optimizer": {"sgd": {"learning_rate": 1e30}}}
    made = nt.train(config, out=tmp_path / "run")
    before = content(made.path)
    ended = resume(made.path)
    assert ended.outcome is not None and ended.outcome.status == "diverged"
    assert content(made.path) == before


def test_a_last_step_that_ruins_the_weights_has_diverged(tmp_path: Path) -> None:
    config = {
        **SMALL,
        "model": [{"dense": 3}],
        "optimizer": {"sgd": {"learning_rate": 1e38}},
        "train": {"steps": 1},
    }
    made = nt.train(config, out=tmp_path / "run")
    assert made.status == "diverged"
    assert [f.id for f in made.findings] == ["N1"]
    again = resume(made.path)
    assert again.outcome is not None and again.outcome.status == "diverged"


def test_events_tell_times_and_speed(tmp_path: Path) -> None:
    made = nt.train(SMALL, out=tmp_path / "run")
    resume(made.path, ["train.epochs=5"])
    events = [json.loads(line) for line in lines(made.path, "events.jsonl")]
    assert all("time" in event for event in events)
    kinds = [event["event"] for event in events if event["event"] != "saved"]
    assert kinds == ["training", "finished", "resume", "resume", "training", "finished"]
    assert events[-1]["steps_per_second"] > 0 and events[-1]["seconds"] > 0
    assert [e.get("step") for e in events if e["event"] == "resume"] == [18, None]


@pytest.mark.parametrize("at", [None, 2, 9, 14])
def test_a_longer_run_is_what_it_would_have_been(
    tmp_path: Path, at: int | None
) -> None:
    """Also where it is killed on its way, and twice extended."""
    made = nt.train(SMALL, out=tmp_path / "run", overrides=["train.epochs=2"])
    longer = nt.train(SMALL, out=tmp_path / "long", overrides=["train.epochs=6"])
    resume(made.path, ["train.epochs=4"])
    if at is not None:
        again = partial(resume, made.path, ["train.epochs=6"])
        assert killed_at_event(again, at) == 77
        resume(made.path)
    else:
        resume(made.path, ["train.epochs=6"])
    assert content(made.path) == content(longer.path)
    kept = sorted(path.name for path in (made.path / "checkpoints").iterdir())
    assert kept == [f"step-{step:012d}.safetensors" for step in (24, 30, 36)]


def test_a_longer_run_in_steps_forgets_the_evaluation_at_its_end(
    tmp_path: Path,
) -> None:
    """Plateau, patience and best weights have not seen it."""
    config = {**CONFIGS["batch_norm, dropout, plateau, best"]}
    train = {**config["train"], "steps": 11}
    del train["epochs"]
    made = nt.train({**config, "train": train}, out=tmp_path / "run")
    train["steps"] = 17
    longer = nt.train({**config, "train": train}, out=tmp_path / "long")
    resume(made.path, ["train.steps=17"])
    assert content(made.path) == content(longer.path)


def test_the_end_before_stays_until_it_is_passed(tmp_path: Path) -> None:
    """A run that cannot go on keeps what it came to."""
    made = nt.train(SMALL, out=tmp_path / "run")
    end = made.path / "checkpoints/step-000000000024.safetensors"
    before = end.read_bytes()
    again = partial(resume, made.path, ["train.epochs=6"])
    assert killed_at_event(again, 3) == 77
    assert not end.exists()
    aside = end.with_name(".ended-step-000000000024.safetensors")
    assert aside.read_bytes() == before
    resume(made.path)
    assert not aside.exists()


def notes_of(path: Path, *overrides: str) -> list[str]:
    told: list[str] = []

    class Listening(Nobody):
        def note(self, text: str) -> None:
            told.append(text)

    resume(path, overrides, watch=lambda setup, steps: Listening())
    return [note for note in told if note != "measuring learning rates …"]


def test_it_says_where_it_goes_on(tmp_path: Path) -> None:
    made = nt.train(SMALL, out=tmp_path / "run")
    (note,) = notes_of(made.path, "train.epochs=6")
    assert note == (
        "the run ended at step 24; it goes on from the checkpoint before its end, "
        "of step 18"
    )


@pytest.mark.parametrize(
    ("rate", "change", "number"),
    [
        ({"cosine": {"peak": 0.1}}, "train.epochs=6", 2),
        ({"cosine": {"peak": 0.1, "warmup": "50 %"}}, "train.epochs=6", 1),
        ({"linear_warmup": {"peak": {"plateau": {"initial": 0.1}}}},
         "train.epochs=40", 1),
        (0.1, "optimizer.sgd.learning_rate=0.05", 1),
    ],
)  # fmt: skip
def test_a_longer_plan_with_other_rates_is_not_the_same(
    tmp_path: Path, rate: Any, change: str, number: int
) -> None:
    config = {**SMALL, "optimizer": {"sgd": {"learning_rate": rate}}}
    made = nt.train(config, out=tmp_path / "run")
    changes = {change, "train.epochs=6"} if "epochs" not in change else {change}
    said = notes_of(made.path, *changes)[-1]
    assert said.startswith(
        f"not the same as such a run from the start: update {number} was made at "
    )


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("optimizer.adam.beta1=0.8", "with optimizer.beta1: 0.9, it is 0.8 now"),
        ("optimizer={sgd: {learning_rate: 0.01}}", 'optimizer: "adam", it is "sgd"'),
        ("train.clip_norm=1", "with train.clip_norm: nothing, it is 1.0 now"),
        ("train.stop={restore_best: true}", "none of them can be restored as the best"),
    ],
)
def test_what_made_the_updates_before_is_told(
    tmp_path: Path, change: str, told: str
) -> None:
    made = nt.train(SMALL, out=tmp_path / "run")
    said = notes_of(made.path, change, "train.epochs=5")[1:]
    assert len(said) == 1 and told in said[0]
    assert said[0].startswith("not the same as such a run from the start: ")


@pytest.mark.parametrize("change", ["metrics=[]", "train.checkpoint.keep=5"])
def test_what_changes_no_update_is_not_told(tmp_path: Path, change: str) -> None:
    made = nt.train(SMALL, out=tmp_path / "run")
    assert not notes_of(made.path, change, "train.epochs=5")[1:]


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("validation/accuracy", "validation/loss"),
        ("validation/loss", "validation/accuracy"),
    ],
)
def test_another_metric_judges_all_epochs(tmp_path: Path, was: str, now: str) -> None:
    """As it would have from the start."""
    stop = {"monitor": was, "patience": 100}
    config = {**SMALL, "train": {"epochs": 6, "stop": stop}}
    made = nt.train(config, out=tmp_path / "run")
    changes = [f"train.stop.monitor={now}", "train.epochs=9"]
    resume(made.path, changes)
    whole = nt.train(config, out=tmp_path / "whole", overrides=changes)
    found, expected = content(made.path), content(whole.path)
    assert found == expected
