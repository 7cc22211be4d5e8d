"""The command `nettrain`: a verb, what it takes, and an exit code for what came of it.

Nothing heavy is imported here: help and mistakes are answered at once, and the file of
a verb is imported only when it is called. Signals are heard before anything else, so
that they end the command in one way whenever they come.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import gc
import importlib
import io
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from nettrain.experiment import signals

if TYPE_CHECKING:
    from nettrain.errors import Error

T = TypeVar("T")

_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
_SIGINT, _SIGPIPE = 128 + 2, 128 + 13


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; errors go to standard error.

    Args:
        argv: its words; those of this process where none are given, which is then
            ended by signals as a command is.

    Returns:
        The exit code: 0 finished, 1 a bug, 2 … 8 see `nettrain.errors.EXIT_CODES`,
        128 + n ended by signal n.
    """
    if argv is None:
        signals.end_at_once()
    prepared()
    words = list(sys.argv[1:] if argv is None else argv)
    rest = [word for word in words if word != "--debug"]
    call = functools.partial(_call, alone=argv is None)
    return exit_code(call, rest, debug="--debug" in words)


def prepared() -> None:
    """Make this process one whose results do not depend on a person's settings.

    NumPy must not have been imported before. A config's `threads:` sets the number for
    its run.
    """
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    # A stream that was closed (`>&-`) is None: to write to it is to write to nobody.
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A letter that a terminal does not know must not end a run.
            stream.reconfigure(errors="backslashreplace")


def exit_code(work: Callable[[T], int], given: T, debug: bool = False) -> int:
    """Do some work and give its exit code; an error is told, and has its own."""
    try:
        code = work(given)
        sys.stdout.flush()
    except BrokenPipeError:
        # Nobody reads on (`… | head`), nor what Python flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _SIGPIPE
    except (Exception, KeyboardInterrupt) as error:
        if debug:
            import traceback

            traceback.print_exc()
        return _told(_of_output(error) or _of_plugin(error) or error)
    return code


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")


def _of_output(error: BaseException) -> Error | None:
    """What there is to say where standard output takes no more: the disk is full.

    Files are written through `Disk`, whose errors are told already, and what cannot be
    opened has a name.
    """
    if not isinstance(error, OSError) or error.filename is not None:
        return None
    if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return None
    from nettrain.errors import Error

    message = f"cannot write to standard output: {(error.strerror or '').lower()}"
    fix = "what is saved in a run folder is whole; send the output elsewhere"
    return Error("disk-full", message, fix=fix)


def _of_plugin(error: BaseException) -> Error | None:
    """What there is to say where a person's own code failed, and it is no bug of ours.

    What is an error with a code is told as it is, and no memory as that.
    """
    from nettrain.cli.plugin import blamed
    from nettrain.errors import Error

    ours = isinstance(error, (Error, KeyboardInterrupt, MemoryError))
    return None if ours else blamed(error)


def _call(words: list[str], alone: bool) -> int:
    """Do what words say; `alone` where this process does nothing else."""
    from nettrain import __version__
    from nettrain.cli import verbs
    from nettrain.errors import EXIT_CODES

    if not words or words[0] in ("-h", "--help"):
        print(verbs.overview(), file=sys.stdout if words else sys.stderr)
        return 0 if words else EXIT_CODES["usage"]
    if words[0] == "--version":
        print(f"nettrain {__version__}")
        return 0
    try:
        with _as_json("--json" in words):  # all there is to know of what has no sense
            verb, arguments = verbs.parse(words)
    except SystemExit:  # argparse has printed a verb's help
        return 0
    if alone:
        # What is imported stays: to look through it for garbage, over and over, took
        # an eighth of the time in which hundreds of runs are compared.
        gc.disable()
    module = importlib.import_module(f"nettrain.cli.{verb.module}")
    if alone:
        gc.freeze()
        gc.enable()
    with _as_json(getattr(arguments, "json", False)):
        code: int = getattr(module, verb.function)(arguments)
    return code


@contextlib.contextmanager
def _as_json(asked: bool) -> Iterator[None]:
    """Print an error that is raised inside as one document, if that is asked for."""
    from nettrain.errors import Error

    try:
        yield
    except Exception as error:
        known = error if isinstance(error, Error) else _of_plugin(error)
        if asked and known:
            from nettrain.cli.terminal import print_json

            found = getattr(known, "errors", (known,))
            print_json({"errors": [_plain(each) for each in found]})
        raise


def _plain(error: Error) -> dict[str, Any]:
    """An error for a program: as it is told, but in parts."""
    place = error.place
    return {
        "code": error.code,
        "place": place
        and {
            "file": place.file,
            "line": place.line,
            "column": place.column,
            "text": place.text,
        },
        "message": error.message,
        "fix": error.fix,
    }


def _told(error: BaseException) -> int:
    """Say what is wrong in one piece, without a traceback; the exit code."""
    from nettrain.errors import EXIT_CODES, Error, visible
    from nettrain.show.width import fitted

    if isinstance(error, Error):
        text, code = str(error), error.exit_code
    elif isinstance(error, KeyboardInterrupt):
        text, code = "interrupted", _SIGINT
    elif lacking := _lacks_memory(error):
        needed, fix = lacking
        text, code = str(Error("memory-full", needed, fix=fix)), EXIT_CODES["memory"]
    else:
        told = visible(" ".join(f"{type(error).__name__}: {error}".split()))
        text, code = f"error[bug] {told}\n  run again with --debug and report it", 1
    with contextlib.suppress(OSError):  # the code tells it too
        print(fitted(text, 2, sys.stderr), file=sys.stderr)
    return code


_NO_ROOM = re.compile(
    r"\S*: failed to map segment from shared object(?!: (?!cannot allocate memory))"
    r"|cannot allocate memory",
    re.IGNORECASE,
)
"""What the loader of libraries says where memory is short, and not where it is
forbidden. A library may quote it in a page of advice."""


def _lacks_memory(error: BaseException) -> tuple[str, str] | None:
    """What there was no memory for, and a fix; None if the error is another one."""
    if isinstance(error, MemoryError):
        fix = "smaller batches (data.batch_size) or layers need less"
        return str(error) or "there is not enough memory", fix
    if isinstance(error, ImportError) and (said := _NO_ROOM.search(str(error))):
        return f"a library cannot be loaded: {said[0]}", "allow more memory (ulimit -v)"
    return None
