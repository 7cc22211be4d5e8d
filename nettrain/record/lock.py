"""One writer per run folder, without clocks and heartbeats."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from nettrain.disk import Disk, File
from nettrain.errors import Error

LOCK = ".lock"


@contextlib.contextmanager
def held(disk: Disk, folder: Path) -> Iterator[None]:
    """Hold the folder's lock. A holder that died does not block; nobody waits.

    The file stays when the lock is let go: if it were removed, one process could hold
    the removed file and another its successor, and both would believe to be alone.
    """
    file = _acquire(disk, folder)
    try:
        yield
    finally:
        disk.close(file)


def _acquire(disk: Disk, folder: Path) -> File:
    while True:
        file = disk.lock(folder / LOCK)
        if file is None:
            message = f"{folder} is in use by another process"
            raise Error("locked-run", message, fix="wait for it, or stop it")
        if disk.is_still(file):
            return file
        disk.close(file)  # someone removed the file between opening and locking
