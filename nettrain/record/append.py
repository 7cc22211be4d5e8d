"""A file that only grows, and knows the length and hash of what it holds.

A checkpoint remembers this pair for the metrics and the statistics, so that recovery
can tell whether the beginning of a file is what it was, and cut off what came after.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from nettrain.disk import Disk
from nettrain.errors import Error

PENDING = 64 * 1024
"""Bytes gathered before they are handed to the system."""


@dataclass(frozen=True)
class Prefix:
    """The beginning of an append-only file.

    Attributes:
        length: in bytes.
        sha256: of these bytes, 64 hexadecimal digits. A length alone would accept a
            file whose rows were changed in place.
    """

    length: int
    sha256: str

    @classmethod
    def of(cls, data: bytes) -> Prefix:
        return cls(len(data), hashlib.sha256(data).hexdigest())

    def begins(self, data: bytes) -> bool:
        """Whether `data` begins with these bytes."""
        return Prefix.of(data[: self.length]) == self


EMPTY = Prefix.of(b"")


class AppendOnly:
    """Appends rows; they cost little because they are gathered before they are written.

    After any failed write or flush the file takes nothing more: what stands on the
    medium is then unknown, a second fsync on the same descriptor would claim success,
    and the last checkpoint says up to where the file is good.
    """

    def __init__(self, disk: Disk, path: Path) -> None:
        self.path = path
        self._disk = disk
        self._file = disk.append(path)
        self._pending = bytearray()
        self._failed = self._closed = False
        data = disk.read(path)
        self._length, self._hash = len(data), hashlib.sha256(data)
        self._unsynced = self._unnamed = True
        self.torn = bool(data) and not data.endswith(b"\n")
        """Whether the last line was left unfinished by a process that is gone."""

    @property
    def empty(self) -> bool:
        return not self._length and not self._pending

    def write(self, piece: str | bytes) -> None:
        """Take a piece, text as UTF-8; it reaches the system with the next flush."""
        if isinstance(piece, str):
            # JSON's own escape stands in for a lone surrogate, which UTF-8 cannot hold.
            piece = piece.encode("utf-8", "backslashreplace")
        self._pending += piece
        if len(self._pending) >= PENDING:
            self.flush()

    def flush(self) -> None:
        """Hand everything to the system, so that other processes can read it."""
        self._refuse_after_failure()
        data = bytes(self._pending)
        if not data:
            return
        self._failed = True
        self._disk.write(self._file, data)
        self._failed = False
        self._pending = bytearray()
        self._length += len(data)
        self._hash.update(data)
        self._unsynced = True

    def sync(self) -> Prefix:
        """Make everything durable, and say how much that is."""
        self.flush()
        if self._unsynced:
            self._failed = True
            self._disk.fsync(self._file)
            if self._unnamed:
                # Else a power cut could take the name away, and every row with it. A
                # file that was there is no other case: its maker may have died here.
                self._disk.fsync_folder(self.path.parent)
            self._failed = self._unsynced = self._unnamed = False
        return Prefix(self._length, self._hash.hexdigest())

    def close(self) -> None:
        """Hand over what is pending, unless writing has failed before, and close.

        The second time nothing is done: the descriptor may be another file's by then.
        """
        if self._closed:
            return
        self._closed = True
        try:
            if not self._failed:
                self.flush()
        finally:
            self._disk.close(self._file)

    def _refuse_after_failure(self) -> None:
        if self._failed:
            message = f"{self.path} takes nothing more after a failed write"
            raise Error("disk-io", message, fix="resume the run once the disk is well")


_END = 16 * 1024
"""Bytes in which a line mostly has room."""


def last_line(disk: Disk, path: Path) -> bytes:
    """The last whole line, read without those before it; empty where there is none.

    What stands after it is being written, or was when its writer was killed.
    """
    size = _END
    while True:
        data = disk.read_end(path, size)
        lines = data.split(b"\n")[:-1]
        if len(lines) > 1 or len(data) < size:  # whole, as another stands before it
            return lines[-1] if lines else b""
        size *= 16


def cut(disk: Disk, path: Path, prefix: Prefix) -> None:
    """Cut a file to a prefix that it begins with, durably."""
    if not disk.exists(path) and not prefix.length:
        return
    file = disk.append(path)
    try:
        disk.truncate(file, prefix.length)
        disk.fsync(file)
    finally:
        disk.close(file)
