"""A disk in memory, as the processes of a machine see it, that writes down its story.

It stands below `Disk`: the code that runs on it is the code that runs on a real one.
What it shows is what the kernel's cache would show; what the medium may hold is in
`nettrain.selftest.power.medium`.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import re
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nettrain.disk import Disk, read_regular
from nettrain.record.folder import EVENTS, METRICS, STATISTICS
from nettrain.selftest.power.trace import (
    ROOT,
    Begun,
    Flushed,
    Kept,
    Lost,
    Made,
    Removed,
    Renamed,
    Said,
    Started,
    Trace,
    Tree,
    Truncated,
    Written,
    kind,
    parent,
)

_FIRST = 1_000_000
"""Descriptors begin here, far from any that the machine has open."""

_BELOW = {"_flushed", "system", "_do", "_flush", "_fill"}
"""What every fsync comes through."""

_SAID = re.compile(rb"checkpoint step ([0-9]+) saved")


class Dead(BaseException):
    """The process is gone: nothing of it reaches the disk any more."""


@dataclass
class _Node:
    number: int
    is_folder: bool
    data: bytearray = field(default_factory=bytearray)
    names: set[str] = field(default_factory=set)
    last: str = ""
    """The name in this folder that was changed last."""
    holder: int | None = None
    """The descriptor that holds the lock."""


@dataclass
class _Opened:
    node: _Node
    path: str
    appends: bool
    at: int = 0
    """Where the next write goes, unless it goes to the end."""


class ModelDisk(Disk):
    """Holds a tree in memory.

    Args:
        tree: what it holds at first, durably.

    Attributes:
        trace: all steps, those that make the tree included.
        dies_at: the process is killed when the trace is so long.
        fails_at: this step of the trace, an fsync, fails.
    """

    def __init__(self, tree: Tree) -> None:
        self.trace: Trace = []
        self.dies_at: int | None = None
        self.fails_at: int | None = None
        self._started = False
        self._numbers = itertools.count(ROOT)
        self._descriptors = itertools.count(_FIRST)
        self._open: dict[int, _Opened] = {}
        self._nodes = {"/": _Node(next(self._numbers), True)}
        self._calls: dict[Callable[..., Any], Callable[..., Any]] = {
            os.open: self._opened,
            os.write: self._written,
            os.ftruncate: self._truncated,
            os.fsync: self._flushed,
            os.close: self._closed,
            fcntl.flock: self._locked,
            os.fstat: self._status_of_open,
            os.stat: self._status_of,
            os.lstat: self._status_of,
            os.rename: self._renamed,
            os.unlink: self._removed,
            os.mkdir: self._made_folder,
            os.listdir: self._listed,
            read_regular: self._read,
        }
        self.hold(tree)
        made = [step.node for step in self.trace if isinstance(step, Made)]
        self.trace += [Flushed(node, "") for node in (ROOT, *made)]

    def hold(self, tree: Tree) -> None:
        """Copy a tree here, folders before what they hold; nothing is durable yet."""
        for path in sorted(tree):
            content = tree[path]
            node = self._make(path, is_folder=content is None)
            if content:
                self._put(node, path, 0, content)

    def tree(self) -> dict[str, bytes | None]:
        """What it shows."""
        return {
            path: None if node.is_folder else bytes(node.data)
            for path, node in self._nodes.items()
            if path != "/"
        }

    def start(self) -> None:
        """A process starts; what the one before it had open, the kernel has closed."""
        self.dies_at = self.fails_at = None
        for descriptor in list(self._open):
            self._closed(descriptor)
        self.trace.append(Started())
        self._started = True

    # ------------------------------------------------------------ what is relied on

    def replace(
        self, path: Path, data: bytes | bytearray, *, durable: bool = True
    ) -> None:
        content = bytes(data)
        if durable:
            self.trace.append(Begun(str(path), content, self._rows(path)))
        super().replace(path, content, durable=durable)
        if durable:
            self.trace.append(Kept(str(path), content))

    def make_folder(self, path: Path) -> None:
        super().make_folder(path)
        self.trace.append(Kept(str(path), None))

    def make_folders(self, path: Path) -> None:
        super().make_folders(path)
        self.trace.append(Kept(str(path), None))

    def _rows(self, path: Path) -> tuple[bytes, bytes]:
        """Of metrics and statistics, if `path` is a checkpoint beside them."""
        logs = (self._find(str(path.parent.parent / n)) for n in (METRICS, STATISTICS))
        metrics, statistics = (bytes(log.data) if log else b"" for log in logs)
        return metrics, statistics

    # ------------------------------------------------------------ system calls

    def system(
        self, action: str, path: Path, call: Callable[..., Any], *given: object
    ) -> Any:
        if self.dies_at is not None and len(self.trace) >= self.dies_at:
            raise Dead
        return self._calls[call](*given)

    def _opened(self, path: Path, flags: int, mode: int = 0) -> int:
        name = str(path)
        node = self._find(name)
        if node is not None and flags & os.O_EXCL:
            raise _error(errno.EEXIST)
        if node is None:
            if not flags & os.O_CREAT:
                raise _error(errno.ENOENT)
            node = self._make(name, is_folder=False)
        if node.is_folder and flags & (os.O_WRONLY | os.O_RDWR):
            raise _error(errno.EISDIR)
        if flags & os.O_DIRECTORY and not node.is_folder:
            raise _error(errno.ENOTDIR)
        descriptor = next(self._descriptors)
        self._open[descriptor] = _Opened(node, name, bool(flags & os.O_APPEND))
        return descriptor

    def _written(self, descriptor: int, data: memoryview) -> int:
        opened = self._open[descriptor]
        if opened.appends:
            opened.at = len(opened.node.data)
        self._put(opened.node, opened.path, opened.at, bytes(data))
        opened.at += len(data)
        said = _SAID.search(data) if opened.path.endswith(EVENTS) else None
        if said:
            self.trace.append(Said(int(said[1])))
        return len(data)

    def _put(self, node: _Node, path: str, at: int, data: bytes) -> None:
        self.trace.append(Written(node.number, path, at, data))
        node.data += bytes(max(0, at - len(node.data)))
        node.data[at : at + len(data)] = data

    def _truncated(self, descriptor: int, length: int) -> None:
        opened = self._open[descriptor]
        self.trace.append(Truncated(opened.node.number, opened.path, length))
        data = opened.node.data
        data[length:] = bytes(max(0, length - len(data)))

    def _flushed(self, descriptor: int) -> None:
        opened = self._open[descriptor]
        if self.fails_at is not None and len(self.trace) >= self.fails_at:
            self.fails_at = None
            self.trace.append(Lost(opened.node.number))
            raise _error(errno.EIO)
        site = _site(opened) if self._started else ""  # takes its time
        self.trace.append(Flushed(opened.node.number, site))

    def _closed(self, descriptor: int) -> None:
        node = self._open.pop(descriptor).node
        if node.holder == descriptor:
            node.holder = None

    def _locked(self, descriptor: int, how: int) -> None:
        node = self._open[descriptor].node
        if node.holder not in (None, descriptor):
            raise _error(errno.EWOULDBLOCK)
        node.holder = descriptor

    def _status_of_open(self, descriptor: int) -> os.stat_result:
        return _status(self._open[descriptor].node)

    def _status_of(self, path: Path) -> os.stat_result:
        return _status(self._at(path))

    def _renamed(self, old: Path, new: Path) -> None:
        node, folder = self._at(old), self._at(old.parent)
        assert old.parent == new.parent, "nothing of ours moves to another folder"
        self.trace.append(Renamed(node.number, folder.number, str(old), str(new)))
        self._nodes[str(new)] = self._nodes.pop(str(old))
        folder.names.remove(old.name)
        folder.names.add(new.name)
        folder.last = new.name

    def _removed(self, path: Path) -> None:
        folder = self._at(path.parent)
        if self._at(path).is_folder:
            raise _error(errno.EISDIR)
        self.trace.append(Removed(folder.number, str(path)))
        del self._nodes[str(path)]
        folder.names.remove(path.name)
        folder.last = path.name

    def _made_folder(self, path: Path) -> None:
        if self._find(str(path)) is not None:
            raise _error(errno.EEXIST)
        self._make(str(path), is_folder=True)

    def _listed(self, path: Path) -> list[str]:
        node = self._at(path)
        if not node.is_folder:
            raise _error(errno.ENOTDIR)
        return list(node.names)

    def _read(self, path: Path, links: bool = True, most: int = -1) -> bytes:
        node = self._at(path)
        if node.is_folder:
            raise _error(errno.EISDIR)
        return bytes(node.data)

    # ------------------------------------------------------------ nodes

    def _find(self, path: str) -> _Node | None:
        return self._nodes.get(path)

    def _at(self, path: Path) -> _Node:
        node = self._find(str(path))
        if node is None:
            raise _error(errno.ENOENT)
        return node

    def _make(self, path: str, *, is_folder: bool) -> _Node:
        folder = self._find(parent(path))
        if folder is None:
            raise _error(errno.ENOENT)
        number = next(self._numbers)
        self.trace.append(Made(number, folder.number, path, is_folder))
        folder.last = path.rpartition("/")[2]
        folder.names.add(folder.last)
        node = self._nodes[path] = _Node(number, is_folder)
        return node


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def _status(node: _Node) -> os.stat_result:
    form = stat.S_IFDIR if node.is_folder else stat.S_IFREG
    mode = form | 0o700
    return os.stat_result((mode, node.number, 1, 1, 0, 0, len(node.data), 0, 0, 0))


def _site(opened: _Opened) -> str:
    """Whose fsync this is: the caller of `Disk`, the way through it, and the target.

    `RunFolder.write replace fsync_folder: run.json`. The folders above are one.
    """
    frame, way = sys._getframe(1), list[str]()
    while frame.f_code.co_filename in (__file__, sys.modules[Disk.__module__].__file__):
        if frame.f_code.co_name not in _BELOW and frame.f_code.co_name not in way:
            way.insert(0, frame.f_code.co_name)
        assert frame.f_back is not None
        frame = frame.f_back
    caller = f"{frame.f_code.co_qualname} {' '.join(way)}"
    if not opened.node.is_folder:
        return f"{caller}: {kind(opened.path)}"
    return f"{caller}: {kind(opened.node.last)}" if "replace" in way else caller
