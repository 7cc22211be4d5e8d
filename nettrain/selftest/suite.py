"""All promises that can be tried on a person's own machine, one after the other.

Each is tried in a process of its own, at the head of a process group: whatever it does
to itself, the others go on, and ending it ends all that it started.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from nettrain.disk import Disk
from nettrain.errors import Error
from nettrain.selftest import kills
from nettrain.selftest.crash_states import explore
from nettrain.selftest.damage import damage
from nettrain.selftest.executors import agreement
from nettrain.selftest.file_system import file_system
from nettrain.selftest.score import Score
from nettrain.selftest.surroundings import surroundings

OUTPUT = "output.txt"
"""What a promise's process printed, in its folder."""

_LOADED = ("matplotlib.figure", "matplotlib.backends.backend_svg", "sklearn.datasets")
_AT_A_TIME = 2
"""Runs at a time, where many are made; the least that makes use of a second core."""
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Promise:
    """Something that is kept, wherever nettrain runs.

    Attributes:
        key: the name of its folder.
        name: what is tried, in half a line.
        attempt: tries it in an empty folder.
        about_disk: whether it is the disk's promise, not nettrain's.
    """

    key: str
    name: str
    attempt: Callable[[Path], Score]
    about_disk: bool = False


@dataclass(frozen=True)
class Tried:
    """What came of a promise.

    Attributes:
        seconds: how long it took; decides nothing.
        disk: whether it was broken by the disk.
    """

    promise: Promise
    score: Score
    seconds: float
    disk: bool = False

    @property
    def kept(self) -> bool:
        """Whether it was kept in every case, and there were some."""
        return 0 < self.score.total == self.score.passed


def promises(do: kills.Do, quick: bool) -> tuple[Promise, ...]:
    """All of them; quick ones in fewer cases.

    Args:
        do: does a command line: `nettrain.cli.main.main`.
        quick: in some ten seconds, not in a minute or two.
    """
    programs, steps, states = (20, 4, 500) if quick else (100, 8, 10_000)
    flaws = 31 if quick else 1
    calls, errors, signals, moments = (200, 500, 400, 3) if quick else (8, 25, 30, 20)
    return (
        Promise(
            "file-system",
            "the file system locks, flushes, renames",
            file_system,
            about_disk=True,
        ),
        Promise(
            "executors",
            "executors agree with the reference",
            lambda _: agreement(programs, steps),
        ),
        Promise(
            "surroundings",
            "the same bytes in any surroundings",
            partial(surroundings, do, each=not quick),
        ),
        Promise(
            "damage",
            "a damaged checkpoint is found out",
            partial(damage, every=flaws),
        ),
        Promise(
            "power-cuts",
            "a power cut: nothing saved is lost",
            lambda _: explore(states),
        ),
        Promise(
            "kills",
            "killed at a disk call, then resumed",
            partial(kills.at_calls, do, every=calls, workers=_AT_A_TIME),
        ),
        Promise(
            "moments",
            "killed at any moment, then resumed",
            partial(kills.at_random, do, kills=moments, workers=_AT_A_TIME),
        ),
        Promise(
            "signals",
            "a signal at a disk call, then resumed",
            partial(kills.with_signals, do, every=signals, workers=_AT_A_TIME),
        ),
        Promise(
            "errors",
            "a disk call failed, then resumed",
            partial(kills.with_errors, do, every=errors, workers=_AT_A_TIME),
        ),
    )


def tried(given: tuple[Promise, ...], folder: Path) -> Iterator[Tried]:
    """Try promises in turn; what a kept one wrote is left to the caller to remove.

    Args:
        given: see `promises`.
        folder: an empty one, on the disk in question.
    """
    for name in _LOADED:
        # Once here, and not again in each process.
        importlib.import_module(name)
    for promise in given:
        place = folder / promise.key
        Disk().make_folder(place)
        began = time.monotonic()
        answer = _in_a_process(promise, place)
        score = Score(
            **{**answer["score"], "failures": (*answer["score"]["failures"],)}
        )
        broken = score.passed < score.total
        disk = broken and (promise.about_disk or answer["disk"])
        yield Tried(promise, score, time.monotonic() - began, disk)


def _in_a_process(promise: Promise, place: Path) -> dict[str, Any]:
    """Try it in a child, and end all that is left of it, whatever happens here."""
    told, tell = os.pipe()
    line = b""
    with warnings.catch_warnings():
        # Of forks beside threads: those of the linear algebra, which wait.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    try:
        if not child:
            _be_tried(promise, place, tell)
        with contextlib.suppress(OSError):
            os.setpgid(child, child)  # the child does so too: whoever comes first
        os.close(tell)
        with open(told, "rb") as pipe:
            line = pipe.readline()
        if not line:
            # It comes to its own end; not waited for yet, its number stays its own.
            os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    finally:
        with contextlib.suppress(OSError):
            os.killpg(child, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if line:
        answer: dict[str, Any] = json.loads(line)
        return answer
    ended = f"signal {-status}" if status < 0 else f"exit code {status}"
    return _answer(_broken(promise, f"its process ended with {ended}, see {OUTPUT}"))


def _be_tried(promise: Promise, place: Path, tell: int) -> NoReturn:
    """The child: try the promise, tell the answer in a line, and end."""
    try:
        os.setpgid(0, 0)
        for kind in _ENDING:
            signal.signal(kind, signal.SIG_DFL)
        with _printing_to(place / OUTPUT):
            answer = _attempted(promise, place)
        os.write(tell, json.dumps(answer).encode() + b"\n")
    finally:
        os._exit(1)


def _attempted(promise: Promise, place: Path) -> dict[str, Any]:
    why, disk = "", False
    try:
        return _answer(promise.attempt(place))
    except Error as error:
        why, disk = error.message, error.code.startswith("disk-")
    except Exception as error:
        traceback.print_exc()
        why = repr(error)
    return _answer(_broken(promise, why), disk)


@contextlib.contextmanager
def _printing_to(path: Path) -> Iterator[None]:
    """Nothing to read, and what is written, by children too, goes to a file."""
    with open(os.devnull) as nothing, open(path, "x", encoding="utf-8") as output:
        for old, new in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(old.fileno(), new)
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            yield


def _broken(promise: Promise, why: str) -> Score:
    return Score(promise.name, 0, 1, (" ".join(why.split()),))


def _answer(score: Score, disk: bool = False) -> dict[str, Any]:
    return {"score": asdict(score), "disk": disk}
