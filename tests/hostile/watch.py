"""What a process does that data should never make it do, by an audit hook (PEP 578)."""

from __future__ import annotations

import contextlib
import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

ROOT = Path(__file__).parents[2]

_NEVER = (
    *("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn"),
    *("os.fork", "os.forkpty", "os.startfile", "os.kill", "pty.spawn", "socket."),
    *("pickle.find_class", "urllib.", "http.", "ftplib.", "smtplib.", "webbrowser."),
    *("sqlite3.", "ctypes.", "builtins.input", "code.__new__", "ensurepip."),
)
_CHANGES = (
    *("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink"),
    *("os.truncate", "os.chmod", "os.chown", "os.utime", "shutil."),
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_OUR_CODE = tuple(
    os.path.realpath(path)
    for path in (ROOT / "nettrain", *map(sysconfig.get_path, ("stdlib", "purelib")))
)
_LIBRARIES = ("threadpoolctl.py", "available.py")
"""Who may ask for the system's own libraries: for threads, and for free memory."""

_seen: list[str] = []
_folder: str | None = None
_packages: frozenset[str] = frozenset()


@contextlib.contextmanager
def watching(folder: Path) -> Iterator[list[str]]:
    """What is done inside that only a hostile file would ask for.

    Args:
        folder: the only one that may be written in.
    """
    global _folder
    _seen.clear()
    _folder = os.path.realpath(folder)
    try:
        yield _seen
    finally:
        _folder = None


def install() -> None:
    """From now on this process can be watched. All that it needs is imported by now."""
    global _packages
    _packages = frozenset(name.partition(".")[0] for name in sys.modules)
    sys.addaudithook(_hook)


def _hook(event: str, given: tuple[Any, ...]) -> None:
    global _folder
    if _folder is None:
        return
    folder, _folder = _folder, None  # what is done here is not watched
    try:
        told = _judged(event, given, folder)
        if told:
            _seen.append(told)
    finally:
        _folder = folder


def _judged(event: str, given: tuple[Any, ...], folder: str) -> str:
    """What to say of an event; nothing if it is harmless."""
    if event == "open":
        path, _, flags = given
        writes = isinstance(flags, int) and flags & _WRITING
        return _outside(event, (path,), folder) if writes else ""
    if event.startswith(_CHANGES):
        return _outside(event, given, folder)
    if event == "import":
        known = given[0].partition(".")[0] in _packages
        return "" if known else f"import {given[0]}"
    if event in ("exec", "compile") and _called_by("typing.py"):
        return ""  # annotations of our own classes
    if event == "exec":
        code: CodeType = given[0]
        return "" if _is_ours(code.co_filename) else f"exec {code.co_filename}"
    if event == "compile":  # of an expression, by ast.parse: it is never run
        return "" if _called_by("ast.py") else f"compile {given[1]!r}"
    if event.startswith(_NEVER) and not _called_by(*_LIBRARIES):
        return f"{event} {given!r:.200}"
    return ""


def _outside(event: str, given: tuple[Any, ...], folder: str) -> str:
    for path in given:
        if not isinstance(path, (str, bytes, os.PathLike)):
            continue
        named = Path(os.fsdecode(path))
        # The name itself may be a link: it is removed or replaced, not what it means.
        real = os.path.join(os.path.realpath(named.parent), named.name)
        if real != os.devnull and not f"{real}{os.sep}".startswith(folder + os.sep):
            return f"{event} {os.fspath(named)}"
    return ""


def _is_ours(file: str) -> bool:
    frozen = file.startswith("<frozen ")
    return frozen or os.path.realpath(file).startswith(_OUR_CODE)


def _called_by(*files: str) -> bool:
    frame: FrameType | None = sys._getframe(3)
    for _ in range(6):
        if frame is None:
            return False
        if os.path.basename(frame.f_code.co_filename) in files:
            return True
        frame = frame.f_back
    return False
