"""The one object through which files are touched.

Everything that must survive a crash is written through a `Disk`, so that the same code
runs on the real disk, on a recording one, and under injected faults: each system call
passes `Disk.system`, which a test overrides. Whatever the operating system refuses
becomes an `Error` of the family `disk` that names the file and the reason.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from nettrain.errors import Error

R = TypeVar("R")

_PLAIN = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""How a file of ours is opened: a link planted under its name is refused, and a pipe
does not let us wait for its other end."""
_OURS = os.O_WRONLY | _PLAIN

_PERMISSION = ("disk-permission", "choose another folder with --out, or allow writing")
_FULL = ("disk-full", "free some space; what was saved before is whole")
_CODES = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: _PERMISSION,
    errno.EACCES: _PERMISSION,
    errno.EPERM: _PERMISSION,
    errno.EIO: ("disk-io", "the disk reports a fault; save to another one"),
    errno.ENOENT: ("disk-missing", None),
    errno.EEXIST: ("disk-exists", None),
    errno.ENOTSUP: ("disk-special", "remove what stands there"),
    errno.ENXIO: ("disk-special", "remove what stands there"),
    errno.EISDIR: ("disk-special", "remove what stands there"),
    errno.ELOOP: ("disk-link", "a link stands where a file of ours belongs; remove it"),
}


_CANNOT_FLUSH = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP)
"""What fsync(2) says of a folder where the file system has no such thing."""
_CANNOT_LOCK = (*_CANNOT_FLUSH, errno.EBADF, errno.ENOLCK, errno.ENOSYS)
"""What flock(2) says there; EBADF is NFS's word for a folder."""


@dataclass(frozen=True)
class File:
    """An open file and the name it was opened under."""

    descriptor: int
    path: Path


class Disk:
    """The real disk. Paths may be relative; folders are not created by the way.

    Attributes:
        flushes_folders: whether no file system has said yet that it cannot; see
            `fsync_folder`.
    """

    flushes_folders = True

    def system(
        self, action: str, path: Path, call: Callable[..., R], *given: object
    ) -> R:
        """Make one system call. Tests override this to record it or to let it fail."""
        return call(*given)

    def _do(self, action: str, path: Path, call: Callable[..., R], *given: object) -> R:
        while True:
            try:
                return self.system(action, path, call, *given)
            except InterruptedError as error:
                # A signal came before anything was done; but Linux closes a file all
                # the same, and by now its number may be another one's.
                if call is os.close:
                    raise _refused(action, path, error) from error
            except (OSError, ValueError) as error:
                raise _refused(action, path, error) from error

    # ------------------------------------------------------------ open files

    def create(self, path: Path) -> File:
        """A new file for writing; it must not be there."""
        flags = _OURS | os.O_CREAT | os.O_EXCL
        return File(self._do("create", path, os.open, path, flags, 0o666), path)

    def append(self, path: Path) -> File:
        """A file for writing at its end, made where there is none.

        One that has a second name is refused: by a copy of hard links, such as `cp -al`
        makes, what is written here would be written there too.
        """
        flags = _OURS | os.O_CREAT | os.O_APPEND
        file = File(self._do("open", path, os.open, path, flags, 0o666), path)
        try:
            if self._do("stat", path, os.fstat, file.descriptor).st_nlink > 1:
                message = f"{path} has another name too, as a hard link"
                fix = f"copy {path.parent} with cp -r, and go on with the copy"
                raise Error("disk-link", message, fix=fix)
        except BaseException:
            with contextlib.suppress(Error):
                self.close(file)
            raise
        return file

    def write(self, file: File, data: bytes | bytearray) -> None:
        """All of `data`, however little of it one call takes."""
        left = memoryview(data)
        while left:
            taken = self._do("write", file.path, os.write, file.descriptor, left)
            left = left[taken:]

    def truncate(self, file: File, length: int) -> None:
        self._do("truncate", file.path, os.ftruncate, file.descriptor, length)

    def fsync(self, file: File) -> None:
        """Wait until the file stands on the medium.

        Once this has failed it must not be tried again on the same descriptor: the
        kernel reports a lost page once and then calls it clean (Rebello et al., "Can
        applications recover from fsync failures?", USENIX ATC 2020).
        """
        self._do("fsync", file.path, os.fsync, file.descriptor)

    def close(self, file: File) -> None:
        try:
            self._do("close", file.path, os.close, file.descriptor)
        except Error as error:
            if not isinstance(error.__cause__, InterruptedError):
                raise

    def lock(
        self, path: Path, *, folder: bool = False, shared: bool = False
    ) -> File | None:
        """A file or folder, held for this process alone, or None if another holds it.

        The lock is the kernel's: it ends with its holder, however that ends. A file is
        made where there is none.

        Args:
            shared: hold it beside others who do so too. Then no file is made.

        Raises:
            Error: `disk-lock` where the file system cannot lock such a thing.
        """
        flags = os.O_RDWR | os.O_CREAT | _PLAIN
        if shared:
            flags = os.O_RDONLY | _PLAIN
        if folder:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        file = File(self._do("open", path, os.open, path, flags, 0o666), path)
        how = fcntl.LOCK_NB | (fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        try:
            self._do("lock", path, fcntl.flock, file.descriptor, how)
        except Error as error:
            self.close(file)
            if isinstance(error.__cause__, BlockingIOError):
                return None
            if _number(error) in _CANNOT_LOCK:
                fix = "keep runs elsewhere: nettrain selftest --folder DIR tries a disk"
                raise Error("disk-lock", error.message, fix=fix) from error.__cause__
            raise
        return file

    def is_still(self, file: File) -> bool:
        """Whether the name that the file was opened under still means this file."""
        opened = self._do("stat", file.path, os.fstat, file.descriptor)
        named = self._status(file.path, os.stat)
        return named is not None and os.path.samestat(opened, named)

    # ------------------------------------------------------------ names

    def rename(self, old: Path, new: Path) -> None:
        """Give a file its new name in one step; a file of that name is replaced."""
        self._do("rename", new, os.rename, old, new)

    def remove(self, path: Path) -> None:
        """Take a file away; one that is not there is no error."""
        try:
            self._do("remove", path, os.unlink, path)
        except Error as error:
            if error.code != "disk-missing":
                raise

    def make_folder(self, path: Path) -> None:
        """One new folder, itself durable; it must not be there."""
        self._do("make folder", path, os.mkdir, path)
        self.fsync_folder(path.parent)

    def make_folders(self, path: Path) -> None:
        """A folder and all above it, where they are not there yet; all of it durable.

        The lowest that is there already may be new: whoever made it may have died
        before it was durable. Those above it were durable before it was made, if they
        are ours.
        """
        if self.is_folder(path):
            self._settle_name(path)
            return
        self.make_folders(path.parent)
        try:
            self.make_folder(path)
        except Error as error:
            # Another process may have made it between the look and the call.
            if error.code != "disk-exists" or not self.is_folder(path):
                raise
            self._settle_name(path)

    def _settle_name(self, path: Path) -> None:
        """As durable as it can be made: others' folders may not be ours to open."""
        try:
            self.fsync_folder(path.parent)
        except Error as error:
            if error.code != "disk-permission":
                raise

    def fsync_folder(self, path: Path) -> None:
        """Wait until the names in a folder stand on the medium.

        A file system that cannot do this at all, such as some network mounts and FUSE,
        has nothing better to offer, so one goes on there without this promise, and
        `flushes_folders` says so. Any other failure is an error.
        """
        try:
            self._flush("fsync folder", path, os.O_DIRECTORY | os.O_CLOEXEC)
        except Error as error:
            if _number(error) not in _CANNOT_FLUSH:
                raise
            self.flushes_folders = False

    def settle(self, path: Path) -> None:
        """Wait until a file stands on the medium that another process has written."""
        self._flush("fsync", path, _PLAIN)

    def _flush(self, action: str, path: Path, flags: int) -> None:
        file = File(self._do("open", path, os.open, path, os.O_RDONLY | flags), path)
        try:
            self._do(action, path, os.fsync, file.descriptor)
        finally:
            self.close(file)

    # ------------------------------------------------------------ looking

    def read(self, path: Path) -> bytes:
        """All of a regular file that is no link."""
        return self._do("read", path, read_regular, path, False)

    def read_end(self, path: Path, most: int) -> bytes:
        """The last bytes of such a file, at most so many."""
        return self._do("read", path, read_regular, path, False, most, True)

    def list(self, path: Path) -> list[str]:
        """The names in a folder, in order."""
        return sorted(self._do("list", path, os.listdir, path))

    def exists(self, path: Path) -> bool:
        """Whether anything has this name, a dangling link included."""
        return self._status(path, os.lstat) is not None

    def is_folder(self, path: Path) -> bool:
        status = self._status(path, os.stat)
        return status is not None and stat.S_ISDIR(status.st_mode)

    def is_link(self, path: Path) -> bool:
        status = self._status(path, os.lstat)
        return status is not None and stat.S_ISLNK(status.st_mode)

    def _status(
        self, path: Path, call: Callable[[Path], os.stat_result]
    ) -> os.stat_result | None:
        try:
            return self._do("stat", path, call, path)
        except Error as error:
            if isinstance(error.__cause__, (FileNotFoundError, NotADirectoryError)):
                return None
            raise

    # ------------------------------------------------------------ whole files

    def replace(
        self, path: Path, data: bytes | bytearray, *, durable: bool = True
    ) -> None:
        """Write a whole file so that a crash leaves the old one or the new one.

        A temporary file in the same folder is written, flushed, closed and renamed,
        and then the folder is flushed. The caller is the folder's one writer, so a
        temporary file that is there already was left by a process that is gone.

        Args:
            durable: wait for the medium. Without it a power cut may leave an empty
                file, which does for what can be drawn again.
        """
        temporary = path.with_name(f".{path.name}.tmp")
        self.remove(temporary)
        file = self.create(temporary)
        try:
            self._fill(file, data, durable)
            self.rename(temporary, path)
        except BaseException:
            # The failure itself is what gets reported, whatever the tidying up does.
            with contextlib.suppress(Error):
                self.remove(temporary)
            raise
        if durable:
            self.fsync_folder(path.parent)

    def _fill(self, file: File, data: bytes | bytearray, durable: bool) -> None:
        try:
            self.write(file, data)
            if durable:
                self.fsync(file)
        except BaseException:
            with contextlib.suppress(Error):
                self.close(file)
            raise
        self.close(file)


def read_regular(
    path: str | os.PathLike[str],
    links: bool = True,
    most: int = -1,
    end: bool = False,
) -> bytes:
    """The bytes of a regular file: a pipe or a device may never come to an end.

    Args:
        path: of the file.
        links: whether a link may lead to it.
        most: how many bytes are wanted; all of them if negative.
        end: whether the last ones are wanted, and not the first.

    Raises:
        OSError: where the file cannot be read, and of kind `ENOTSUP` where it is none.
    """
    flags = os.O_RDONLY | (_PLAIN & ~os.O_NOFOLLOW if links else _PLAIN)
    descriptor = os.open(path, flags)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.ENOTSUP, "it is no regular file")
        with open(descriptor, "rb", closefd=False) as file:
            if end:
                file.seek(max(0, status.st_size - most))
            return file.read(most)
    finally:
        os.close(descriptor)


def _number(error: Error) -> int | None:
    """Of the system's own error, if one stands behind this."""
    return getattr(error.__cause__, "errno", None)


def _refused(action: str, path: Path, error: OSError | ValueError) -> Error:
    """The error for a person: `cannot write a/run.json: no space left on device`."""
    if isinstance(error, ValueError):
        # A name with a NUL or a lone surrogate never reaches the system.
        return Error("disk-name", f"cannot {action} {str(path)!r}: {error}")
    code, fix = _CODES.get(error.errno or 0, ("disk-error", None))
    reason = (error.strerror or str(error)).lower()
    return Error(code, f"cannot {action} {path}: {reason}", fix=fix)
