"""How much memory this process has, and how much more it can have.

On Linux from `/proc` and the control groups (v1 and v2, with all groups above); on
macOS, which has neither, from `getrusage` and the size of the memory. What cannot be
found out limits nothing.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

ROOT = Path("/")

_ENDLESS = 2**60
"""Bytes from which on a group of v1 has no limit: it says 2^63, less a page."""


@dataclass(frozen=True)
class Limit:
    """What bounds the memory of this process.

    Attributes:
        nbytes: the most that it can hold, what it holds already included.
        name: whose bound it is, in words.
    """

    nbytes: int
    name: str


def held(root: Path = ROOT) -> int:
    """Bytes of memory that this process holds now.

    `VmRSS` on Linux. Elsewhere the most that it has held, from `getrusage`.
    """
    return _status(root).get("VmRSS") or _most()


def give_back() -> None:
    """Hand memory that was freed to the system, where the C library (glibc) can.

    It keeps what it may need again, and what it keeps counts as held.
    """
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def peak(root: Path = ROOT) -> int:
    """Bytes: the most that this process has held.

    `VmHWM` on Linux: what `getrusage` says there begins with the memory of the process
    that started this one.
    """
    return _status(root).get("VmHWM") or _most()


def _most() -> int:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def limit(root: Path = ROOT) -> Limit | None:
    """The tightest bound; None where none is known."""
    return min(_limits(root), key=lambda bound: bound.nbytes, default=None)


def _limits(root: Path) -> Iterator[Limit]:
    status, now = _status(root), held(root)
    yield from _machine(root, now)
    for group, most, used in _groups(root):
        yield Limit(now + max(0, most - used), f"the control group {group}")
    for name, key in (("RLIMIT_AS", "VmSize"), ("RLIMIT_DATA", "VmData")):
        soft, _ = resource.getrlimit(getattr(resource, name))
        if soft != resource.RLIM_INFINITY and key in status:
            yield Limit(now + max(0, soft - status[key]), name)


def _machine(root: Path, now: int) -> Iterator[Limit]:
    """Of Linux what it can give without swapping, and swap; elsewhere its memory."""
    found = _fields(root / "proc/meminfo")
    if "MemAvailable" in found:
        free = found["MemAvailable"] + found.get("SwapFree", 0)
        yield Limit(now + free, "the machine's free memory")
    elif sys.platform == "darwin":
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        yield Limit(pages, "the machine's memory")


def size(count: int) -> str:
    """Bytes as people read them: `512 B`, `33.3 kB`, `1.2 MB`."""
    value, units = float(count), ["B", "kB", "MB", "GB", "TB", "PB", "EB"]
    while value >= 999.5 and len(units) > 1:
        value /= 1000
        units.pop(0)
    return f"{value:.3g} {units[0]}"


# ---------------------------------------------------------------- control groups


def _groups(root: Path) -> Iterator[tuple[str, int, int]]:
    """Name, limit and use of every control group with a limit that we are in.

    Files that were read or written count as used, but give way where memory is short.
    """
    files = {
        "": ("memory.max", "memory.current", ""),
        "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_"),
    }
    for controller, path in _paths(root):
        most_in, used_in, prefix = files[controller]
        for folder, name in _folders(root, controller, path):
            most, used = _number(folder / most_in), _number(folder / used_in)
            if most is not None and most < _ENDLESS and used is not None:
                stat = _fields(folder / "memory.stat")
                yielding = ("active_file", "inactive_file")
                cached = sum(stat.get(prefix + key, 0) for key in yielding)
                yield name, most, max(0, used - cached)


def _paths(root: Path) -> Iterator[tuple[str, str]]:
    """Our groups that may limit memory: "" (v2) or "memory" (v1), and the path."""
    for line in _lines(root / "proc/self/cgroup"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if "memory" in controllers.split(","):
            yield "memory", path
        elif number == "0" and not controllers:
            yield "", path


def _folders(root: Path, controller: str, path: str) -> Iterator[tuple[Path, str]]:
    """Folder and name of a group and of all above it, as far as they can be seen.

    A container may see its own group as the root, whatever path it is said to have.
    """
    for line in _lines(root / "proc/self/mountinfo"):
        mount, _, kind = line.partition(" - ")
        fields, (kind, _, options) = mount.split(), (kind.split() + [""] * 3)[:3]
        v1 = kind == "cgroup" and controller in options.split(",")
        if len(fields) < 5 or not (v1 if controller else kind == "cgroup2"):
            continue
        top, inside = fields[3], PurePosixPath("/")
        with contextlib.suppress(ValueError):
            inside = "/" / PurePosixPath(path).relative_to(top)
        at = root / fields[4].lstrip("/")
        for group in (inside, *inside.parents):
            yield at / str(group).lstrip("/"), str(group)


# ---------------------------------------------------------------- small files


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _number(path: Path) -> int | None:
    """The number that a file holds; None for `max`, or without it."""
    text = "".join(_lines(path)).strip()
    return int(text) if text.isdecimal() else None


def _fields(path: Path) -> dict[str, int]:
    """`MemAvailable:  21000 kB` or `active_file 4096`, a line each, in bytes."""
    found = {}
    for line in _lines(path):
        words = line.replace(":", " ").split()
        if len(words) >= 2 and words[1].isdecimal():
            found[words[0]] = int(words[1]) * (1024 if words[2:] == ["kB"] else 1)
    return found


def _status(root: Path) -> dict[str, int]:
    return _fields(root / "proc/self/status")
