"""Real kills and errors at real system calls, which strace lets happen.

The process is forked from one that has imported everything, and waits to be traced.
"""

from __future__ import annotations

import collections
import ctypes
import dataclasses
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from nettrain.cli.main import main
from nettrain.selftest import kills
from tests.selftest.test_kills import in_memory

pytestmark = pytest.mark.skipif(not shutil.which("strace"), reason="no strace")

CALLS = ("openat", "write", "fsync", "rename", "unlink", "ftruncate", "mkdir", "close")
MOST = 150
"""Kills in the long suite."""
_ANYBODY, _SET_PTRACER = -1, 0x59616D61  # <linux/prctl.h>


def when_traced(words: Sequence[str]) -> int:
    """Do a command line once strace is there."""
    ctypes.CDLL(None).prctl(_SET_PTRACER, _ANYBODY, 0, 0, 0)
    while "\nTracerPid:\t0\n" in Path("/proc/self/status").read_text():
        time.sleep(0.002)
    return main(words)


def traced(made: kills.Subject, folder: Path, *options: str) -> tuple[int, str]:
    """Take a run further under strace; its exit code, and what strace wrote."""
    log = folder.with_name("strace.log")
    waiting = dataclasses.replace(made, do=when_traced)
    process = waiting.start(folder)
    command = ["strace", "-f", "-y", "-s", "9", "-o", str(log), *options]
    strace = subprocess.Popen(
        [*command, "-p", str(process.pid)], stderr=subprocess.PIPE, text=True
    )
    _, told = strace.communicate(timeout=120)
    if "ptrace" in told and "not permitted" in told:
        process.kill()
        pytest.skip("tracing is not allowed")
    process.join()
    assert process.exitcode is not None
    return process.exitcode, log.read_text(errors="replace")


@dataclasses.dataclass(frozen=True)
class Traced:
    """A run, and which system calls concern its folder.

    Attributes:
        paths: all that they name.
        cases: system call and its number, from 1, among those of its kind.
    """

    made: kills.Subject
    folder: Path
    paths: list[str]
    cases: list[tuple[str, int]]

    def inject(self, call: str, what: str, number: int) -> int:
        """Take the run further, and let something happen; its exit code."""
        options = [f"-P{path}" for path in self.paths]
        inject = f"inject={call}:{what}:when={number}"
        return traced(self.made, self.folder, *options, "-e", inject)[0]

    def killed(self, call: str, number: int) -> str:
        """Kill it there and take it to its end; what was wrong, or nothing."""
        code = self.inject(call, "signal=KILL", number)
        if code == -signal.SIGKILL:
            wrong = self.made.ended(self.folder)
        else:
            wrong = f"not killed but {code}"
        kills._forget(self.folder)
        return wrong and f"{call} {number}: {wrong}"


@pytest.fixture(name="run", scope="module")
def _run() -> Iterator[Traced]:
    for room in in_memory():
        folder, made = room / "run", kills.subject(main, room)
        code, log = traced(made, folder, "-e", f"trace={','.join(CALLS)}")
        assert code == 0
        named = re.compile(rf"[<\"]({folder}(?:/[^>\"]*)?)[>\"]")
        lines = [line for line in log.splitlines() if named.search(line)]
        paths = {path for line in lines for path in named.findall(line)}
        calls = (re.match(r"\d+ +(\w+)\(", line) for line in lines)
        counts = collections.Counter(found[1] for found in calls if found)
        kills._forget(folder)
        cases = [(c, n) for c in CALLS for n in range(1, counts[c] + 1)]
        yield Traced(made, folder, sorted(paths), cases)


def middle(run: Traced, call: str) -> int:
    return max(number for kind, number in run.cases if kind == call) // 2 + 1


def test_the_run_makes_calls_of_every_kind(run: Traced) -> None:
    assert {call for call, _ in run.cases} >= set(CALLS) - {"ftruncate"}
    assert len(run.cases) > 100


@pytest.mark.parametrize(
    "call", ["openat", "write", "fsync", "rename", "unlink", "close"]
)
def test_killed_at_a_system_call(run: Traced, call: str) -> None:
    assert run.killed(call, middle(run, call)) == ""


@pytest.mark.parametrize(
    ("call", "error"),
    [("write", "ENOSPC"), ("fsync", "EIO"), ("rename", "EROFS"), ("openat", "EACCES")],
)
def test_an_error_of_a_system_call(run: Traced, call: str, error: str) -> None:
    code = run.inject(call, f"error={error}", middle(run, call))
    assert code == 6
    assert "error[disk-" in kills._told(run.folder)
    assert kills._harmed(run.made, run.folder, code) == ""
    assert run.made.ended(run.folder) == ""
    kills._forget(run.folder)


@pytest.mark.long
def test_killed_at_every_system_call(run: Traced) -> None:
    step = -(-len(run.cases) // MOST)
    wrong = [run.killed(*case) for case in run.cases[::step]]
    assert [told for told in wrong if told] == []


@pytest.mark.long
def test_a_resumed_run_killed_at_every_truncation(run: Traced) -> None:
    for call, most in (("ftruncate", 2), ("fsync", 6), ("rename", 4)):
        for number in range(1, most + 1):
            half = middle(run, "fsync")
            assert run.inject("fsync", "signal=KILL", half) == -signal.SIGKILL
            assert run.killed(call, number) == ""
