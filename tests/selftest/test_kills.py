"""A run that is killed anywhere and resumed ends as if nothing had happened.

And the kills find what is wrong where something is: a few promises are broken on
purpose.
"""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from nettrain.cli.main import main
from nettrain.disk import Disk
from nettrain.experiment import tensorboard
from nettrain.record import store
from nettrain.record.folder import TENSORBOARD
from nettrain.selftest import kills
from nettrain.selftest.faulty_disk import KILLS, FaultyDisk
from nettrain.selftest.score import Score
from nettrain.training.loop import Loop
from nettrain.training.stopping import Stopping

BEFORE, HALF, AFTER = KILLS


def in_memory() -> Iterator[Path]:
    """A folder where fsync costs nothing: a kill leaves what the system was handed."""
    memory = Path("/dev/shm")
    where = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=where) as name:
        yield Path(name)


room = pytest.fixture(name="room")(in_memory)


@pytest.fixture(name="made", scope="module")
def _made() -> Iterator[kills.Subject]:
    """A run trained whole, whose folder has room for others."""
    for folder in in_memory():
        yield kills.subject(main, folder)


def check(score: Score, least: int) -> None:
    assert score.passed == score.total >= least, score


def test_killed_at_disk_calls(room: Path) -> None:
    check(kills.at_calls(main, room, every=220), 4)
    assert not list(room.iterdir())


def test_killed_at_random_moments(room: Path) -> None:
    check(kills.at_random(main, room, kills=30), 30)
    assert not list(room.iterdir())


def test_processes_of_their_own_killed_at_random_moments(room: Path) -> None:
    made = kills.subject(kills.anew, room, short=False)
    assert {"cost.svg", "updates.svg", "metrics.jsonl"} < made.expected.keys()
    check(kills.killed_at_random([made], room, kills=1), 1)


def test_the_run_that_is_tried_has_much_to_remember(made: kills.Subject) -> None:
    actions = {action for action, _ in made.calls}
    assert actions >= {
        *("create", "write", "fsync", "fsync folder", "rename", "remove"),
        *("open", "truncate", "lock", "stat", "list", "read", "make folder"),
    } - {"truncate", "read"}
    facts = made.expected["run.json"].decode()
    assert '"status": "finished"' in facts
    assert "has not improved for 2 epochs" in facts
    assert made.expected["findings.json"] != b"[]\n"
    drawn = made.expected["cost.svg"].decode()  # what pictures are drawn from
    assert drawn.index("'relu1'") < drawn.index("'dense2'")


def test_killed_when_all_is_done_but_the_pictures(made: kills.Subject) -> None:
    [at] = numbers(made, "create", ".cost.svg.tmp")
    for _ in range(3):  # the order in which a checkpoint gives its tensors is random
        assert found(made, None, at, BEFORE) == ""


# ---------------------------------------------------------------- broken on purpose

Break = Callable[[pytest.MonkeyPatch], None]


def without_optimizer(patch: pytest.MonkeyPatch) -> None:
    """Resuming forgets the momentum."""
    real = Loop.restore

    def restore(self: Loop, tensors: Any) -> None:
        kept = {k: v * (not k.startswith("optimizer/")) for k, v in tensors.items()}
        real(self, kept)

    patch.setattr(Loop, "restore", restore)


def without_patience(patch: pytest.MonkeyPatch) -> None:
    """Resuming forgets which epoch was best."""
    patch.setattr(Stopping, "restore", lambda self, tensors: None)


def without_cutting(patch: pytest.MonkeyPatch) -> None:
    """Rows after the checkpoint stay, and are written again."""
    patch.setattr(store, "_cut_logs", lambda folder, checkpoint: None)


def without_cutting_events(patch: pytest.MonkeyPatch) -> None:
    """Events after the checkpoint stay, and are written again."""
    patch.setattr(tensorboard, "cut_back", lambda disk, path, step: step)


def in_place(patch: pytest.MonkeyPatch) -> None:
    """Files are written under their own names."""

    def replace(self: Disk, path: Path, data: bytes, *, durable: bool = True) -> None:
        self.remove(path)
        self._fill(self.create(path), data, durable)

    patch.setattr(Disk, "replace", replace)


def without_older_ones(patch: pytest.MonkeyPatch) -> None:
    """The checkpoint before goes first, and then the new one is written."""
    real = store.CheckpointStore.save

    def save(self: Any, tensors: Any, *, step: int, epoch: int, protect: Any) -> Path:
        folder = self._folder
        for old in store.steps(folder.disk, folder.checkpoints):
            folder.disk.remove(folder.checkpoints / store.file_name(old))
        return real(self, tensors, step=step, epoch=epoch, protect=protect)

    patch.setattr(store.CheckpointStore, "save", save)


def broken(by: Break) -> kills.Do:
    def do(words: Sequence[str]) -> int:
        with pytest.MonkeyPatch.context() as patch:
            by(patch)
            return main(words)

    return do


def found(made: kills.Subject, by: Break | None, at: int, fault: Any) -> str:
    """What is wrong with a run killed there, whose program is broken."""
    tried = dataclasses.replace(made, do=broken(by)) if by else made
    folder = made.config.with_name("run")
    mishap = kills.Mishap(fault, at, "")
    return kills._tried(tried, folder.parent, kills._killed, (0, mishap))


def numbers(made: kills.Subject, action: str, name: str) -> list[int]:
    """Numbers of the calls that do this to a file of this name."""
    calls = enumerate(made.calls)
    return [n for n, (a, path) in calls if a == action and Path(path).name == name]


@pytest.mark.parametrize("by", [without_optimizer, without_patience, without_cutting])
def test_what_is_forgotten_is_found(made: kills.Subject, by: Break) -> None:
    # After the rows of the second epoch, before the third one's.
    at = numbers(made, "write", "metrics.jsonl")[3]
    assert found(made, None, at, AFTER) == ""
    assert "not as expected" in found(made, by, at, AFTER)


def test_the_file_for_tensorboard_is_compared_too(room: Path) -> None:
    asked = ["train.tensorboard=true"]
    made = kills.subject(main, room, overrides=asked)
    assert TENSORBOARD in made.expected
    for at in numbers(made, "write", TENSORBOARD)[:4:3]:
        assert found(made, None, at, HALF) == ""
    # Its events are written again, and do not stand there twice.
    assert "tfevents" in found(made, without_cutting_events, at, AFTER)


def test_files_written_in_place_are_found(made: kills.Subject) -> None:
    tried = dataclasses.replace(made, do=broken(in_place))
    folder = made.config.with_name("in-place")
    disk = FaultyDisk()
    assert tried.attempt(folder, disk) == 0
    calls = kills._calls(folder)
    kills._forget(folder)
    at = max(
        number
        for number, (action, path) in enumerate(calls)
        if action == "write" and path.endswith("/run.json")
    )
    assert "run-damaged" in found(made, in_place, at, HALF)


def test_a_checkpoint_lost_while_saving_is_found(made: kills.Subject) -> None:
    # Nothing is wrong in the end: the run begins again. But it had said "saved".
    [at, *_] = numbers(made, "rename", "step-000000000006.safetensors")
    for by, lost in ((None, False), (without_older_ones, True)):
        tried = dataclasses.replace(made, do=broken(by)) if by else made
        folder = made.config.with_name("lost")
        code = tried.attempt(folder, FaultyDisk(BEFORE, at + lost))
        assert code < 0
        assert bool(kills._lost(folder)) == lost
        kills._forget(folder)


def test_a_case_that_fails_is_told(
    made: kills.Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kills, "_killed", lambda *_: "bad")
    mishap = kills.Mishap(HALF, 7, "write run.json", made.config)
    monkeypatch.setattr("shutil.copytree", lambda *_: None)
    told = kills._tried(made, made.config.parent, kills._killed, (0, mishap))
    assert told == (
        "resume, killed half-way through a write, call 7 (write run.json): bad"
    )
