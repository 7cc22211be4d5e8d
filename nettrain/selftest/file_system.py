"""What a run needs of its file system, tried out on this one.

Not every file system does what it is asked to: some network mounts let everybody have
a lock, others cannot flush a folder. On those a promise of nettrain cannot be kept, and
what is missing is said here by name, before anything that rests on it fails.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from nettrain.disk import Disk
from nettrain.errors import Error
from nettrain.selftest.score import Score, Tally

_ROUNDS = 100
"""How often a file is replaced under a reader's eyes."""
_WHOLE = (b"a" * 65536, b"b" * 65536)


def file_system(folder: Path) -> Score:
    """Try each feature that saving, locking and resuming rest on.

    Args:
        folder: an empty one, on the disk in question.
    """
    tally = Tally("the file system does what saving and locking rest on")
    for name, consequence, feature in _FEATURES:
        place = folder / feature.__name__.strip("_")
        place.mkdir()
        try:
            missing = feature(Disk(), place)
        except (Error, OSError) as error:
            missing = error.message if isinstance(error, Error) else str(error)
        tally.add(missing and f"{name}: {missing}; {consequence}")
    return tally.score()


# ---------------------------------------------------------------- single files


def _create(disk: Disk, folder: Path) -> str:
    path = folder / "file"
    disk.close(disk.create(path))
    try:
        disk.close(disk.create(path))
    except Error as error:
        return "" if error.code == "disk-exists" else error.message
    return "a file that was there already was created again"


def _link(disk: Disk, folder: Path) -> str:
    target, path = folder / "elsewhere", folder / "file"
    try:
        os.symlink(target, path)
    except OSError:
        return ""  # where there are no links, none can lead astray
    for opened in (disk.create, disk.append):
        try:
            disk.close(opened(path))
        except Error:
            continue
        return "a link was followed"
    return "a link was followed" if os.path.lexists(target) else ""


def _append(disk: Disk, folder: Path) -> str:
    path = folder / "file"
    one, other = disk.append(path), disk.append(path)
    for file, data in ((one, b"one "), (other, b"two "), (one, b"three")):
        disk.write(file, data)
    disk.close(one)
    disk.close(other)
    found = disk.read(path)
    return "" if found == b"one two three" else f"the file holds {found!r}"


def _truncate(disk: Disk, folder: Path) -> str:
    path = folder / "file"
    file = disk.append(path)
    disk.write(file, b"kept, gone")
    disk.truncate(file, 4)
    disk.write(file, b"!")
    disk.close(file)
    found = disk.read(path)
    return "" if found == b"kept!" else f"the file holds {found!r}"


def _fsync(disk: Disk, folder: Path) -> str:
    file = disk.create(folder / "file")
    try:
        disk.write(file, _WHOLE[0])
        disk.fsync(file)
    finally:
        disk.close(file)
    return ""


def _fsync_folder(disk: Disk, folder: Path) -> str:
    disk.fsync_folder(folder)
    return "" if disk.flushes_folders else f"{folder} cannot be flushed"


# ---------------------------------------------------------------- between processes


@contextmanager
def _beside(work: Callable[[int], None]) -> Iterator[tuple[int, int]]:
    """Another process that works; its id, and a pipe that it tells what it found by.

    Args:
        work: is given the pipe's other end. The process ends with it, or is killed.
    """
    told, tell = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(told)
            work(tell)
        finally:
            os._exit(0)
    os.close(tell)
    try:
        yield child, told
    finally:
        os.close(told)
        _end(child)


def _end(child: int) -> None:
    """Kill a process if it is there, and wait for it."""
    try:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    except (ProcessLookupError, ChildProcessError):
        return


def _rename(disk: Disk, folder: Path) -> str:
    """A reader sees the old file or the new one, whole, while it is replaced."""
    path = folder / "file"
    disk.replace(path, _WHOLE[0])

    def read(tell: int) -> None:
        os.write(tell, b"?")
        while True:
            try:
                seen = b"" if disk.read(path) in _WHOLE else b"half of a file was seen"
            except Error as error:
                seen = error.message.encode()
            if seen:
                os.write(tell, seen)
                return

    with _beside(read) as (child, told):
        os.read(told, 1)
        for number in range(_ROUNDS):
            disk.replace(path, _WHOLE[number % 2], durable=False)
        _end(child)
        seen = os.read(told, 1000).decode()
    left = [name for name in disk.list(folder) if name != "file"]
    return seen or (f"{left[0]} was left behind" if left else "")


def _lock(disk: Disk, folder: Path) -> str:
    path = folder / "file"

    def hold(tell: int) -> None:
        os.write(tell, b"!" if disk.lock(path) else b"?")
        signal.pause()

    alone = disk.lock(path)
    if alone is None:
        return "nobody holds it, and it is refused all the same"
    disk.close(alone)
    with _beside(hold) as (child, told):
        if os.read(told, 1) != b"!":
            return "it was let go, and is refused to another process"
        if mine := disk.lock(path):
            disk.close(mine)
            return "two processes held it at once"
        _end(child)
        mine = disk.lock(path)
        if mine is None:
            return "it is held on by a process that was killed"
        disk.close(mine)
    return ""


def _identity(disk: Disk, folder: Path) -> str:
    path = folder / "file"
    file = disk.lock(path)
    if file is None:
        return "nobody holds the lock, and it is refused all the same"
    try:
        if not disk.is_still(file):
            return "an open file does not count as the one of its name"
        os.unlink(path)
        disk.close(disk.create(path))
        return "another file of its name is taken for it" * disk.is_still(file)
    finally:
        disk.close(file)


_UNSAFE = "what is saved may not survive a power cut"
_TORN = "a crash may leave half a file under its final name"
_TWO = "two processes might write one run"
_FEATURES: tuple[tuple[str, str, Callable[[Disk, Path], str]], ...] = (
    ("exclusive creation (O_EXCL)", "a file might be written over", _create),
    ("links refused (O_NOFOLLOW)", "a file elsewhere might be written over", _link),
    ("appending (O_APPEND)", "metrics might be lost", _append),
    ("cutting (ftruncate)", "metrics cannot be cut back to a checkpoint", _truncate),
    ("flushing a file (fsync)", _UNSAFE, _fsync),
    ("flushing a folder (fsync)", _UNSAFE, _fsync_folder),
    ("renaming over a file (rename)", _TORN, _rename),
    ("locking (flock)", _TWO, _lock),
    ("telling files apart (inode numbers)", _TWO, _identity),
)
"""Name, what follows where it is missing, and the trial: what it found missing."""
