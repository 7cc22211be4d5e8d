"""One writer per run folder, without clocks and heartbeats.

Held are the folder itself and in it the file `.lock`. A file alone could be removed
under its holder, and another process would make and hold its successor; a folder alone
cannot be held on every network file system.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from nettrain.disk import Disk, File
from nettrain.errors import Error

LOCK = ".lock"

_ASKED, _INSTANT = 1000, 0.001
"""How often a writer tries again beside who only asks, and the seconds between."""

_held: set[File] = set()
"""What this process holds."""


@contextlib.contextmanager
def held(disk: Disk, folder: Path) -> Iterator[File]:
    """Hold the folder's lock. A holder that died does not block; nobody waits for one.

    The file stays when the lock is let go: if it were removed, one process could hold
    the removed file and another its successor, and both would believe to be alone.

    Gives what is held: the folder where its file system can do that, else the file.
    The lock is worth nothing once `disk.is_still` denies that the name means this.

    Raises:
        Error: `locked-run` where another process holds it.
    """
    with contextlib.ExitStack() as stack:
        files = []
        for path in (folder, folder / LOCK):
            try:
                files.append(stack.enter_context(_one(disk, folder, path)))
            except Error as error:
                if error.code != "disk-lock" or path != folder:
                    raise
        yield files[0]


def is_held(disk: Disk, folder: Path) -> bool:
    """Whether a process holds the folder's lock; asking makes and changes nothing.

    Raises:
        Error: of family `disk` where nobody can tell.
    """
    try:
        return _has_holder(disk, folder, folder)
    except Error as error:
        if error.code != "disk-lock":
            raise
    return _has_holder(disk, folder, folder / LOCK)


def _has_holder(disk: Disk, folder: Path, path: Path) -> bool:
    """Whether one of both is held. Who asks shares it, for an instant."""
    try:
        file = disk.lock(path, folder=path == folder, shared=True)
    except Error as error:
        if error.code == "disk-missing" and path != folder:
            return False
        raise
    if file is not None:
        disk.close(file)
    return file is None


@contextlib.contextmanager
def _one(disk: Disk, folder: Path, path: Path) -> Iterator[File]:
    file = _acquired(disk, folder, path)
    _held.add(file)
    try:
        yield file
    finally:
        if file in _held:  # a fork that comes this way has nothing to let go
            _held.remove(file)
            disk.close(file)


def _acquired(disk: Disk, folder: Path, path: Path) -> File:
    asked = 0
    while True:
        file = disk.lock(path, folder=path == folder)
        if file is None:
            asked += 1
            if asked > _ASKED or _has_holder(disk, folder, path):
                message = f"{folder} is in use by another process"
                raise Error("locked-run", message, fix="wait for it, or stop it")
            time.sleep(_INSTANT)  # somebody only asked whether it is held
        elif disk.is_still(file):
            return file
        else:
            disk.close(file)  # another one has its name since it was opened


def _let_go() -> None:
    """Forget, in a fork, what its parent holds: the lock must end with the parent."""
    for file in _held:
        with contextlib.suppress(OSError):
            os.close(file.descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_let_go)
