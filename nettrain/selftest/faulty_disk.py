"""A disk on which something goes wrong at one system call: an error, or death.

The calls are counted from 0 in the order in which a process makes them, so that a test
can let each of them fail in turn.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from nettrain.disk import Disk

R = TypeVar("R")

_TAKE_ROOM = frozenset(
    ("create", "open", "write", "truncate", "fsync", "rename", "make folder")
)
_CHANGE = _TAKE_ROOM | {"remove", "fsync folder"}


@dataclass(frozen=True)
class Fault:
    """What goes wrong.

    Attributes:
        name: in words.
        error: the number that the call fails with; 0 where it does not fail.
        only: the actions that it can happen at; every one where it is empty.
        forever: whether the later ones fail too, as on a disk that stays full.
        half: whether half of the bytes are written first.
        done: whether the call is made first.
        kills: whether the process dies there.
        sends: the number of a signal that comes first; 0 for none.
    """

    name: str
    error: int = 0
    only: frozenset[str] = frozenset()
    forever: bool = False
    half: bool = False
    done: bool = False
    kills: bool = False
    sends: int = 0

    def can_happen_at(self, action: str) -> bool:
        """Whether such a call can go wrong like this."""
        return not self.only or action in self.only


_WRITE, _FSYNC = frozenset({"write"}), frozenset({"fsync", "fsync folder"})
KILLS = (
    Fault("killed before a call", kills=True),
    Fault("killed half-way through a write", only=_WRITE, half=True, kills=True),
    Fault("killed after a call", done=True, kills=True),
)
ERRORS = (
    Fault("disk full once", errno.ENOSPC, _TAKE_ROOM),
    Fault("disk full for ever", errno.ENOSPC, _TAKE_ROOM, forever=True),
    Fault("disk full half-way", errno.ENOSPC, _WRITE, half=True),
    Fault("I/O error", errno.EIO),
    Fault("I/O error of a call that was done", errno.EIO, done=True),
    Fault("read-only from now on", errno.EROFS, _CHANGE, forever=True),
    Fault("permission denied", errno.EACCES),
    Fault("short write", only=_WRITE, half=True),
    # Python itself repeats most interrupted calls, but not os.rename and some others.
    Fault("interrupted call", errno.EINTR),
    Fault("fsync failing once", errno.EIO, _FSYNC),
)


SIGNALS = (
    Fault("SIGINT", sends=signal.SIGINT),
    Fault("SIGTERM after a call", done=True, sends=signal.SIGTERM),
    Fault("SIGHUP again and again", sends=signal.SIGHUP, forever=True),
)


@dataclass
class FaultyDisk(Disk):
    """Keeps a list of its system calls, and lets one of them go wrong.

    Attributes:
        fault: what happens; None where it is only to count.
        at: the number of the call from which on it can happen.
        calls: action and path of each call made.
    """

    fault: Fault | None = None
    at: int = 0
    calls: list[tuple[str, Path]] = field(default_factory=list)

    def system(self, action: str, path: Path, call: Callable[..., R], *given: Any) -> R:
        number = len(self.calls)
        self.calls.append((action, path))
        fault = self.fault
        due = number == self.at or (fault and fault.forever and number > self.at)
        if fault and due and fault.can_happen_at(action):
            return _gone_wrong(fault, call, given)
        return call(*given)

    def install(self) -> None:
        """Let every `Disk` of this process make its calls here, to the process's end.

        Only for a process that was made to be tried out.
        """

        def system(
            _: Disk, action: str, path: Path, call: Callable[..., R], *given: object
        ) -> R:
            return self.system(action, path, call, *given)

        Disk.system = system  # type: ignore[method-assign, assignment]


def _gone_wrong(fault: Fault, call: Callable[..., R], given: tuple[Any, ...]) -> R:
    try:
        if fault.half:
            descriptor, data = given
            # At least a byte: to take none is no short write but an endless one.
            return call(descriptor, data[: max(1, len(data) // 2)])
        if fault.done:
            return call(*given)
    finally:
        if fault.kills:
            _die()
        if fault.sends:
            signal.raise_signal(fault.sends)
        if fault.error:
            raise OSError(fault.error, os.strerror(fault.error))
    return call(*given)


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    while True:  # a process may run on for an instant
        signal.pause()
