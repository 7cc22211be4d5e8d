"""Kill a program, or fill its disk, at one chosen system call; `strace` does it.

A program is traced once undisturbed. Each of its calls has a number: the how-manieth of
its name it is, which is how `strace` is told where to strike. A program that is traced
again makes the same calls; whether the blow fell where it should is read from the
second trace (`Window.of`), not assumed.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

WRITES = (
    "write", "pwrite64", "writev", "pwritev", "pwritev2", "sendfile",
    "copy_file_range", "fallocate",
)  # fmt: skip
"""Calls that a full disk refuses."""

CHANGES = (
    *WRITES, "open", "openat", "creat", "ftruncate", "truncate", "fsync", "fdatasync",
    "sync_file_range", "rename", "renameat", "renameat2", "unlink", "unlinkat", "link",
    "linkat", "symlink", "symlinkat", "mkdir", "mkdirat", "rmdir", "chmod", "fchmod",
    "fchmodat",
)  # fmt: skip
"""Calls that change a disk, or settle on it what was changed."""

_CALL = re.compile(r"(\d+) +(\w+)\(")
_LIMIT = 300
"""Seconds until a program counts as hung."""


class Hung(Exception):
    """The program did not come to an end."""


@dataclass(frozen=True)
class Call:
    """A system call: the `number`th of its `name`, from 1."""

    name: str
    number: int
    text: str


@dataclass(frozen=True)
class Window:
    """The calls of one save: those in the watched folders up to the next opening.

    Attributes:
        calls: in order.
        ends: the call that opens the next window, if the trace gets there.
        last: whether the last of `calls` is the last of the whole trace.
    """

    calls: tuple[Call, ...]
    ends: Call | None
    last: bool

    @classmethod
    def of(
        cls, trace: Sequence[Call], opening: str, number: int, watched: Sequence[Path]
    ) -> Window:
        """The calls between the `number`th call that matches `opening` and the next."""
        begins = [i for i, call in enumerate(trace) if re.search(opening, call.text)]
        if len(begins) < number:
            return cls((), None, False)
        first = begins[number - 1]
        after = begins[number] if len(begins) > number else len(trace)
        inner = [
            call
            for call in trace[first:after]
            if any(str(folder) in call.text for folder in watched)
        ]
        ends = trace[after] if after < len(trace) else None
        return cls(tuple(inner), ends, bool(inner) and inner[-1] is trace[-1])


def environment(temporary: Path) -> dict[str, str]:
    """One thread, one order of everything, and temporary files beside the run."""
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return {
        **os.environ,
        **dict.fromkeys(threads, "1"),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(temporary),
    }


def run(command: Sequence[str], temporary: Path) -> subprocess.CompletedProcess[str]:
    """Run a program to whatever end."""
    try:
        return subprocess.run(
            command,
            env=environment(temporary),
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=_LIMIT,
        )
    except subprocess.TimeoutExpired as error:
        raise Hung(" ".join(command)) from error


def traced(
    command: Sequence[str], temporary: Path, trace: Path, blows: Sequence[str] = ()
) -> tuple[subprocess.CompletedProcess[str], list[Call]]:
    """Run a program under `strace`; its end, and its calls up to there."""
    # Not --seccomp-bpf, which is faster, but loses the signal (strace 6.1).
    watch = ["strace", "-f", "-y", "-s", "0", "-o", str(trace)]
    watch += ["-e", f"trace={','.join(f'?{name}' for name in CHANGES)}"]
    for blow in blows:
        watch += ["-e", f"inject={blow}"]
    done = run([*watch, *command], temporary)
    calls = _read(trace)
    trace.unlink()
    return done, calls


def _read(trace: Path) -> list[Call]:
    """The calls of the first thread: in every trainer here, that one saves."""
    found: list[Call] = []
    counts: Counter[str] = Counter()
    main = ""
    for line in trace.read_text(encoding="utf-8", errors="replace").splitlines():
        match = _CALL.match(line)
        main = main or (match[1] if match else "")
        if match and match[1] == main:
            counts[match[2]] += 1
            found.append(Call(match[2], counts[match[2]], line))
    return found


def kill(call: Call) -> list[str]:
    """SIGKILL on entry to this call: it is not made, all before it were."""
    return [f"{call.name}:signal=KILL:when={call.number}"]


def full(call: Call, trace: Sequence[Call]) -> list[str]:
    """From this call on, nothing can be written any more."""
    before: Counter[str] = Counter()
    for other in trace:
        if other == call:
            break
        before[other.name] += 1
    return [f"?{name}:error=ENOSPC:when={before[name] + 1}+" for name in WRITES]
