"""The verb `selftest`: what nettrain promises, tried on this machine and this disk."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from nettrain import __version__
from nettrain.cli.main import main
from nettrain.cli.terminal import print_json
from nettrain.disk import Disk
from nettrain.errors import Error
from nettrain.execute.fingerprint import environment, fingerprint
from nettrain.experiment.threads import limited
from nettrain.selftest import suite
from nettrain.selftest.suite import Tried
from nettrain.show.progress import duration
from nettrain.show.width import fitted, width

_NAME, _CASES = 42, 18
"""Widths of columns."""


def selftest(arguments: Namespace) -> int:
    """`nettrain selftest`."""
    asked = suite.promises(main, arguments.quick)
    found: list[Tried] = []
    with _ending(), _own_folder(Path(arguments.folder)) as folder:
        results = suite.tried(asked, folder)
        for number, promise in enumerate(asked, 1):
            _watch(f"{promise.name} ({number} of {len(asked)})")
            one = next(results)
            _watch("")
            found.append(one)
            if one.kept:
                shutil.rmtree(folder / promise.key, ignore_errors=True)
            if not arguments.json:
                print("\n".join(_lines(one)), flush=True)
        kept = all(one.kept for one in found)
        if kept:
            shutil.rmtree(folder, ignore_errors=True)
    if arguments.json:
        print_json(_plain(found, None if kept else folder))
    else:
        print(_total(found))
        print(fitted(_machine(), 2, sys.stdout))
    if not kept:
        print(_verdict(found, arguments.folder, folder), file=sys.stderr)
    return 0 if kept else 1


# ---------------------------------------------------------------- folder and signals


@contextlib.contextmanager
def _own_folder(parent: Path) -> Iterator[Path]:
    """A fresh folder; removed if this is interrupted or fails."""
    folder = parent / f"nettrain-selftest-{secrets.token_hex(4)}"
    try:
        Disk().make_folder(folder)
    except Error as error:
        fix = "choose a folder that can be written with --folder"
        raise Error(error.code, error.message, fix=fix) from error
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


@contextlib.contextmanager
def _ending() -> Iterator[None]:
    """A signal ends this through what tidies up; elsewhere a command ends at once."""

    def end(number: int, frame: FrameType | None) -> NoReturn:
        print("interrupted", file=sys.stderr)
        raise SystemExit(128 + number)

    kinds = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {kind: signal.getsignal(kind) for kind in kinds}
    for kind, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(kind, end)
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


# ---------------------------------------------------------------- telling


def _watch(text: str) -> None:
    """What is being tried, on a terminal; nothing takes the line away."""
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def _lines(one: Tried) -> Iterator[str]:
    """Name, cases and time; then what went wrong."""
    score = one.score
    mark = "kept" if one.kept else "BROKEN"
    cases = f"{score.passed:,} of {score.total:,}"
    name, took = f"{mark:<6}  {one.promise.name}", duration(one.seconds)
    line = f"{name:<{8 + _NAME}}  {cases:>{_CASES}}  {took:>10}"
    yield from [line] if len(line) <= width() else [name, f"{'':8}{cases}  {took}"]
    for failure in score.failures:
        yield f"        {_ascii(failure)}"
    if more := score.total - score.passed - len(score.failures):
        yield f"        and {more:,} more"


def _ascii(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode()


def _total(found: Sequence[Tried]) -> str:
    passed = sum(one.score.passed for one in found)
    total = sum(one.score.total for one in found)
    seconds = duration(sum(one.seconds for one in found))
    return f"\n{passed:,} of {total:,} promises kept in {seconds}"


def _machine() -> str:
    """What the last bits depend on, in short."""
    known = environment()
    parts = [
        f"nettrain {__version__}",
        f"Python {known['python']}",
        f"numpy {known['numpy']}",
        f"{known['blas']} ({known['blas_kernel']})",
        f"{known['system']} {known['machine']}",
    ]
    return f"{', '.join(parts)}\nfingerprint {_fingerprint()}"


def _fingerprint() -> str:
    with limited(1):
        return fingerprint()


def _verdict(found: Sequence[Tried], parent: str, folder: Path) -> str:
    """Whose fault it is, and where to look."""
    if any(one.disk for one in found):
        why = f"the disk under {parent} does not do what saving rests on"
        fix = "keep runs on another one: nettrain selftest --folder DIR tries it"
    else:
        why = "a promise was broken: this is a bug of nettrain"
        fix = "report it with what is printed above"
    return f"{why}\n  {fix}\n  what was tried is kept in {folder}"


def _plain(found: Sequence[Tried], folder: Path | None) -> dict[str, Any]:
    return {
        "version": __version__,
        "passed": sum(one.score.passed for one in found),
        "total": sum(one.score.total for one in found),
        "kept": all(one.kept for one in found),
        "seconds": round(sum(one.seconds for one in found), 3),
        "promises": [
            {
                "name": one.promise.key,
                "promise": one.score.promise,
                "passed": one.score.passed,
                "total": one.score.total,
                "seconds": round(one.seconds, 3),
                "failures": list(one.score.failures),
                "fault": None if one.kept else "disk" if one.disk else "nettrain",
            }
            for one in found
        ],
        "folder": None if folder is None else str(folder),
        "fingerprint": _fingerprint(),
        "environment": environment(),
    }
