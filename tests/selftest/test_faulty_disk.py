"""A failing disk harms nothing that was saved, and the command line says so."""

from __future__ import annotations

import dataclasses
import errno
import json
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from nettrain.cli.main import main
from nettrain.disk import Disk
from nettrain.errors import Error
from nettrain.experiment import report
from nettrain.record import store
from nettrain.selftest import kills
from nettrain.selftest.faulty_disk import ERRORS, Fault, FaultyDisk
from tests.selftest.test_kills import broken, check, in_memory, numbers

room = pytest.fixture(name="room")(in_memory)
FAULTS = {fault.name: fault for fault in ERRORS}
FULL = FAULTS["disk full once"]


@pytest.fixture(name="made", scope="module")
def _made() -> Iterator[kills.Subject]:
    for folder in in_memory():
        yield kills.subject(main, folder)


# ---------------------------------------------------------------- the disk itself


def test_it_counts_and_does(tmp_path: Path) -> None:
    disk = FaultyDisk()
    disk.replace(tmp_path / "a", b"one")
    assert [action for action, _ in disk.calls] == [
        *("remove", "create", "write", "fsync", "close", "rename"),
        *("open", "fsync folder", "close"),
    ]
    assert (tmp_path / "a").read_bytes() == b"one"


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_at_a_write(tmp_path: Path, name: str) -> None:
    fault = FAULTS[name]
    path, disk = tmp_path / "a", FaultyDisk(fault, 2)
    again = name in ("short write", "interrupted call")
    if again or not fault.can_happen_at("write"):
        disk.replace(path, b"0123456789")
        assert path.read_bytes() == b"0123456789"
        assert len(disk.calls) == 9 + again
        return
    with pytest.raises(Error) as caught:
        disk.replace(path, b"0123456789")
    cause = caught.value.__cause__
    assert isinstance(cause, OSError) and cause.errno == fault.error
    assert caught.value.exit_code == 6
    assert not path.exists()
    # The temporary file is tidied up where that can be done.
    assert bool(list(tmp_path.iterdir())) == (fault.error == errno.EROFS)


def test_for_ever_is_from_there_on(tmp_path: Path) -> None:
    disk = FaultyDisk(FAULTS["disk full for ever"], 2)
    disk.remove(tmp_path / "a")
    for _ in range(3):
        assert not disk.exists(tmp_path / "a")
        with pytest.raises(Error):
            disk.create(tmp_path / "a").path.unlink()
    once = FaultyDisk(FULL, 0)
    with pytest.raises(Error):
        once.create(tmp_path / "a")
    once.close(once.create(tmp_path / "a"))


def test_installed_it_is_every_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Disk, "system", Disk.system)  # to be undone
    disk = FaultyDisk(Fault("no", errno.EIO), 1)
    disk.install()
    assert not Disk().exists(tmp_path / "a")
    with pytest.raises(Error, match="input/output error"):
        Disk().exists(tmp_path / "a")
    assert disk.calls == [("stat", tmp_path / "a")] * 2


# ---------------------------------------------------------------- runs on it


def test_errors_at_disk_calls(room: Path) -> None:
    check(kills.with_errors(main, room, every=520), 5)
    assert not list(room.iterdir())


def test_a_picture_that_cannot_be_written_is_no_finished_run(
    made: kills.Subject,
) -> None:
    [at] = numbers(made, "create", ".graph.svg.tmp")
    folder = made.config.with_name("picture")
    assert made.attempt(folder, FaultyDisk(FULL, at)) == 6
    told = kills._told(folder)
    assert "error[disk-full] cannot create " in told
    assert "Traceback" not in told
    facts = json.loads((folder / "run.json").read_bytes())
    assert facts["status"] == "failed"
    assert "no space left" in facts["reason"]
    assert made.ended(folder) == ""
    kills._forget(folder)


def test_a_run_goes_on_where_no_folder_can_be_flushed(made: kills.Subject) -> None:
    only = frozenset({"fsync folder"})
    fault = Fault("no such thing", errno.EINVAL, only, forever=True)
    folder = made.config.with_name("unflushed")

    def warned(words: Sequence[str]) -> int:
        warnings.resetwarnings()  # here they are errors
        return main(words)

    tried = dataclasses.replace(made, do=warned)
    assert tried.attempt(folder, FaultyDisk(fault)) == 0
    assert made.differs(folder) == ""
    assert kills._told(folder).count("may not outlive a power cut") == 1
    events = (folder / "events.jsonl").read_text()
    assert events.count("may not outlive a power cut") == 1
    kills._forget(folder)


def told_too_early(patch: pytest.MonkeyPatch) -> None:
    """A checkpoint is said to be saved before it is."""
    real = store.CheckpointStore.save

    def save(self: Any, *given: Any, step: int, **more: Any) -> Path:
        self._say(f"checkpoint step {step} saved")
        return real(self, *given, step=step, **more)

    patch.setattr(store.CheckpointStore, "save", save)


def finished_too_early(patch: pytest.MonkeyPatch) -> None:
    """A run whose pictures could not be drawn counts as finished."""
    real = report.draw

    def draw(*given: Any, **more: Any) -> None:
        try:
            real(*given, **more)
        except Error:
            return

    patch.setattr(report, "draw", draw)


@pytest.mark.parametrize(
    ("by", "action", "name", "said"),
    [
        (told_too_early, "create", ".step-000000000006.safetensors.tmp", "is lost"),
        (finished_too_early, "create", ".graph.svg.tmp", "said to be finished, and"),
    ],
)
def test_what_is_said_too_early_is_found(
    made: kills.Subject, by: Any, action: str, name: str, said: str
) -> None:
    [at] = numbers(made, action, name)
    tried = dataclasses.replace(made, do=broken(by))
    for subject, number, wrong in ((made, at, ""), (tried, at, said)):
        if by is told_too_early and subject is tried:
            number += 2  # it has written two lines of events more
        mishap = kills.Mishap(FULL, number, "")
        place = made.config.parent
        assert wrong in kills._tried(subject, place, kills._failed, (1, mishap))
