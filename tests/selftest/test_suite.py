"""Promises that are kept, broken, or end their own process; and the disk's part."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from nettrain.cli.main import main
from nettrain.errors import Error
from nettrain.selftest import surroundings as module
from nettrain.selftest.file_system import file_system
from nettrain.selftest.score import Score
from nettrain.selftest.suite import OUTPUT, Promise, Tried, promises, tried
from nettrain.selftest.surroundings import surroundings
from tests.selftest.processes import ended


def attempt(folder: Path, act: Callable[[Path], Any], **more: Any) -> Tried:
    (found,) = tried((Promise("key", "a name", act, **more),), folder)
    return found


def kept(folder: Path) -> Score:
    (folder / "file").write_text("here")
    return Score("a promise", 3, 3)


def broken(folder: Path) -> Score:
    return Score("a promise", 2, 3, ("the third",))


def test_a_kept_promise(tmp_path: Path) -> None:
    found = attempt(tmp_path, kept)
    assert found.kept and not found.disk
    assert found.score == Score("a promise", 3, 3)
    assert (tmp_path / "key/file").read_text() == "here"


def test_a_broken_promise(tmp_path: Path) -> None:
    found = attempt(tmp_path, broken)
    assert not found.kept and not found.disk
    assert found.score.failures == ("the third",)
    assert attempt(tmp_path / "key", broken, about_disk=True).disk


def test_one_without_cases_is_not_kept(tmp_path: Path) -> None:
    assert not attempt(tmp_path, lambda _: Score("", 0, 0)).kept


def fail(folder: Path) -> Score:
    print("this was tried")
    raise RuntimeError("two\nlines")


def full(folder: Path) -> Score:
    raise Error("disk-full", "no space left")


def end(folder: Path) -> Score:
    os._exit(3)


def die(folder: Path) -> Score:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


@pytest.mark.parametrize(
    ("act", "said", "disk"),
    [
        (fail, "RuntimeError('two\\nlines')", False),
        (full, "no space left", True),
        (end, f"its process ended with exit code 3, see {OUTPUT}", False),
        (die, f"its process ended with signal 9, see {OUTPUT}", False),
    ],
)
def test_a_promise_that_cannot_be_tried_is_broken(
    tmp_path: Path, act: Callable[[Path], Score], said: str, disk: bool
) -> None:
    found = attempt(tmp_path, act)
    assert not found.kept and found.disk == disk
    assert found.score == Score("a name", 0, 1, (said,))


def test_what_was_printed_is_kept(tmp_path: Path) -> None:
    attempt(tmp_path, fail)
    output = (tmp_path / "key" / OUTPUT).read_text()
    assert output.startswith("this was tried\nTraceback")


def test_the_others_go_on_and_nothing_is_left_running(tmp_path: Path) -> None:
    def leave(folder: Path) -> Score:
        if not os.fork():
            (folder / "id").write_text(str(os.getpid()))
            time.sleep(600)
            os._exit(0)
        while not (folder / "id").exists() or not (folder / "id").read_text():
            time.sleep(0.01)
        return Score("", 1, 1)

    given = [Promise(str(i), "", act) for i, act in enumerate((die, leave, kept))]
    assert [one.kept for one in tried(tuple(given), tmp_path)] == [False, True, True]
    left = int((tmp_path / "1/id").read_text())
    assert ended(left)


def test_quick_or_not_the_same_is_promised() -> None:
    every, few = promises(main, False), promises(main, True)
    assert [p.key for p in every] == [p.key for p in few]
    assert [p.key for p in every if p.about_disk] == ["file-system"]
    assert all(len(p.name) <= 42 and p.name.isascii() for p in every)


# ---------------------------------------------------------------- the file system


def test_this_file_system_does_it_all(tmp_path: Path) -> None:
    score = file_system(tmp_path)
    assert (score.passed, score.total, score.failures) == (9, 9, ())


def without(flag: int) -> Callable[..., int]:
    real = os.open

    def opened(path: Any, flags: int, *mode: int) -> int:
        return real(path, flags & ~flag, *mode)

    return opened


def copied(old: Path, new: Path) -> None:
    with open(new, "wb") as file:
        time.sleep(0.001)  # so that the reader has its turn
        file.write(Path(old).read_bytes())
    os.unlink(old)


def kept_too(old: Path, new: Path) -> None:
    other = f"{new}-2"
    shutil.copyfile(old, other)
    os.replace(other, new)


def refused(*given: object) -> None:
    raise OSError(errno.EINVAL, "Invalid argument")


def never(*given: object) -> None:
    raise BlockingIOError(errno.EAGAIN, "taken")


@pytest.mark.parametrize(
    ("name", "fake", "said"),
    [
        ("os.open", without(os.O_EXCL), "exclusive creation (O_EXCL): a file that was"),
        ("os.open", without(os.O_NOFOLLOW), "links refused (O_NOFOLLOW): a link was"),
        ("os.open", without(os.O_APPEND), "appending (O_APPEND): the file holds"),
        ("os.ftruncate", lambda *_: None, "cutting (ftruncate): the file holds b'kept"),
        ("os.fsync", refused, "flushing a file (fsync): cannot fsync"),
        ("os.rename", copied, "renaming over a file (rename): half of a file was seen"),
        ("os.rename", kept_too, "renaming over a file (rename): .file.tmp was"),
        ("fcntl.flock", lambda *_: None, "locking (flock): two processes held it at"),
        ("fcntl.flock", never, "locking (flock): nobody holds it, and it is refused"),
        ("fcntl.flock", refused, "locking (flock): cannot lock"),
        ("os.path.samestat", lambda *_: True, "telling files apart (inode numbers): a"),
        ("os.path.samestat", lambda *_: False, "telling files apart (inode numbers)"),
    ],
)
def test_what_is_missing_is_named(
    name: str, fake: Any, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(name, fake)
    score = file_system(tmp_path)
    monkeypatch.undo()
    assert score.passed < score.total == 9
    told = [line for line in score.failures if line.startswith(said)]
    assert told, score.failures
    assert "; " in told[0]  # and what follows from it


def test_a_folder_that_cannot_be_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if Path(f"/dev/fd/{descriptor}").is_dir():
            refused()
        real(descriptor)

    monkeypatch.setattr("os.fsync", fsync)
    failures = file_system(tmp_path).failures
    assert failures[0].startswith("flushing a folder (fsync): ")
    assert "cannot be flushed" in failures[0]


# ---------------------------------------------------------------- surroundings


class Done:
    """A process that has ended."""

    def __init__(self, returncode: int = 0) -> None:
        self.returncode = returncode

    def wait(self) -> int:
        return self.returncode


HERE = "here"
"""The run that the others are compared with."""


def make(run: Path, other: str | None) -> None:
    (run / "checkpoints").mkdir(parents=True)
    files = ["metrics.jsonl", "statistics.csv", "findings.json", "data.json"]
    for name in [*files, "checkpoints/step-1"]:
        (run / name).write_text("another" if name == other else name)
    numerics = "0123" if other == "numerics" else module.fingerprint()
    (run / "run.json").write_text(json.dumps({"numerics": numerics}))


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Runs that are not made, but as good as: by surroundings, what is other there."""
    other: dict[str, str] = {}

    def started(kind: module.Surroundings, config: Path, place: Path) -> Done:
        make(place / "run", other.get(kind.name))
        if other.get(kind.name) != "exit":
            return Done()
        (place / "output.txt").write_text("first\nerror[x] why\n  fix\n")
        return Done(3)

    monkeypatch.setattr(module, "_started", started)
    return other


def compared(folder: Path, other: dict[str, str], each: bool = True) -> Score:
    def do(words: Sequence[str]) -> int:
        assert words[0] == "run"
        make(Path(words[-1]), other.get(HERE))
        return 0

    return surroundings(do, folder, each=each)


def test_the_same_everywhere(tmp_path: Path, runs: dict[str, str]) -> None:
    score = compared(tmp_path, runs)
    assert score.failures == ()
    # The fingerprint again; of each of five an exit code, five files, a fingerprint.
    assert score.passed == score.total == 1 + 5 * 7


@pytest.mark.parametrize(
    "name", ["metrics.jsonl", "findings.json", "checkpoints/step-1"]
)
def test_one_file_that_differs(tmp_path: Path, runs: dict[str, str], name: str) -> None:
    runs["one processor"] = name
    score = compared(tmp_path, runs)
    assert score.failures == (f"one processor: {name} differs",)
    assert score.passed == score.total - 1


def test_a_fingerprint_that_differs(tmp_path: Path, runs: dict[str, str]) -> None:
    runs["all of it at once"] = "numerics"
    score = compared(tmp_path, runs, each=False)
    assert score.failures == ("all of it at once: the fingerprint differs",)
    runs[HERE] = "numerics"
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    score = compared(tmp_path, runs, each=False)
    assert score.failures == ("the fingerprint changes from time to time",)


def test_a_run_that_fails(tmp_path: Path, runs: dict[str, str]) -> None:
    runs["all of it at once"] = "exit"
    score = compared(tmp_path, runs, each=False)
    assert score.failures == ("all of it at once: exit code 3: error[x] why",)
    assert (score.passed, score.total) == (1, 2)


def test_nothing_is_compared_with_a_run_that_failed(
    tmp_path: Path, runs: dict[str, str]
) -> None:
    score = surroundings(lambda words: 7, tmp_path)
    assert score.failures == ("a run ended with exit code 7",)
    assert (score.passed, score.total) == (0, 1)


def test_surroundings_are_what_they_are_called(tmp_path: Path) -> None:
    """The processes do run in them."""
    kind = module._AT_ONCE
    assert kind.one_core
    wanted = {"OMP_NUM_THREADS": "4", "LC_ALL": "C", "TZ": "Asia/Kathmandu"}
    assert wanted.items() <= kind.environment.items()
    together = {k: v for each in module._EACH for k, v in each.environment.items()}
    assert together == kind.environment
    config = tmp_path / "missing.yaml"
    process = module._started(kind, config, tmp_path / "place")
    if process.poll() is None and hasattr(os, "sched_getaffinity"):
        assert len(os.sched_getaffinity(process.pid)) == 1
    why = module._failure(process, tmp_path / "place")
    assert why.startswith("exit code 2: error[config-missing]") or "missing" in why
