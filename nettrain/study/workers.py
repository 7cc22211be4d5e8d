"""Trials at the same time, each a process of its own, through joblib.

A worker only waits for the process of its trial, so that nothing that a trial does can
harm it or another one. joblib says where workers are: processes of this machine, or a
cluster that exists and sees the same files.

A worker that dies (on this machine all of them end with it) is replaced, and what was
not finished goes on in the next round. A signal is passed on through a file: where it
stands, workers end their trial, which saves itself, and begin no other.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import os
import platform
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import nettrain
from nettrain.errors import Error, Place

_LOOK = 0.05
"""Seconds between two looks at a trial."""
_LOOK_UP = 1.0
"""Seconds between two looks whether the sweep is still there."""
_GRACE = 30.0
"""Seconds that a trial has to save itself."""
_TOLD, _ANSWERED = 4000, 100_000
"""Characters kept of what a trial says, and of the error that it ends with."""
_ANSWER = 5.0
"""Seconds that a cluster has to answer at all."""
_OVER_TCP = ("tcp", "tls", "ws", "wss", "ray")
"""Addresses where that can be tried."""
_PLAIN = ("tcp", "ray")
"""Of these those where what is said can be read."""
_DEATHS = 3
"""Rounds in a row that may end with a dead worker and without a finished trial."""
_AT_WORK = threading.Lock()
"""Held by a child of the sweep while it has a trial."""


@dataclass(frozen=True)
class Trial:
    """What a worker is given.

    Attributes:
        folder: of the run.
        config: the file of its point.
        overrides: its seed and fold.
        until: percent of its plan after which it pauses.
        plugins: files that register components.
        limit: seconds that it may take; None without a limit.
        stop: the file that ends it.
        sweep: process of the sweep, where workers are children of it, so that they see
            when it is gone; None on a cluster.
        version: of nettrain, which a node of a cluster has to have too.
    """

    folder: Path
    config: Path
    overrides: tuple[str, ...]
    until: float
    plugins: tuple[str, ...]
    limit: float | None
    stop: Path
    sweep: int | None
    version: str = nettrain.__version__


@dataclass(frozen=True)
class Done:
    """What came of one.

    Attributes:
        folder: of the run.
        code: exit code; negative where a signal killed it.
        told: the end of what it said on standard error.
        timeout: whether it was ended because of its limit.
        error: what it ended with, where that is an error of ours.
    """

    folder: Path
    code: int
    told: str = ""
    timeout: bool = False
    error: Error | None = None

    @property
    def signal(self) -> str:
        """The name of the signal that ended it; empty where none but its limit did.

        A trial that can end itself after one has 128 + its number as exit code.
        """
        number = -self.code if self.code < 0 else self.code - 128
        known = number in {*signal.Signals} and not self.timeout
        return signal.Signals(number).name if known else ""


def perform(trial: Trial) -> Done:
    """Run one trial to its end, its pause, its limit, or the stop of all.

    Raises:
        Error: where no trial could be run.
    """
    if trial.sweep in (None, os.getpid()):
        return _perform(trial)
    _end_with(trial.sweep)
    with _AT_WORK:
        return _perform(trial)


@functools.cache
def _end_with(sweep: int) -> None:
    """Have this worker end when its sweep is gone, as soon as it has no trial."""

    def look() -> None:
        while os.getppid() == sweep:
            time.sleep(_LOOK_UP)
        with _AT_WORK:
            os._exit(1)

    threading.Thread(target=look, daemon=True).start()


def _perform(trial: Trial) -> Done:
    _leave_interruption_to_the_sweep()
    _leave_folder_out()

    def alone() -> bool:
        return trial.sweep not in (None, os.getppid(), os.getpid())

    def over() -> bool:
        return alone() or trial.stop.exists()

    if over():
        _leave(alone())
        return Done(trial.folder, -1)
    _check(trial)
    spec = {
        "config": str(trial.config),
        "overrides": trial.overrides,
        "out": str(trial.folder),
        "until": trial.until,
        "plugins": trial.plugins,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "nettrain.cli.trial", json.dumps(spec)],
        stdin=subprocess.PIPE,  # ends with this process, and the trial with it
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the sweep, which passes it on
    )
    give_up = time.monotonic() + trial.limit if trial.limit else math.inf
    timeout = False
    with process:
        assert process.stdout is not None and process.stderr is not None
        answer = _Last(process.stdout, _ANSWERED)
        said = _Last(process.stderr, _TOLD)
        try:
            while process.poll() is None:
                timeout = time.monotonic() > give_up
                if timeout or over():
                    break
                time.sleep(_LOOK)
        finally:
            _end(process)
        told, error = said.text(), _error(answer.text())  # before they are closed
    _leave(alone())
    return Done(trial.folder, process.returncode, told, timeout, error)


def _error(answer: str) -> Error | None:
    """That of a trial; None where it had none, or no time to tell it."""
    try:
        found = json.loads(answer)
        place = found["place"] and Place(found["place"])  # with its line and column
        return Error(found["code"], found["message"], place=place, fix=found["fix"])
    except (ValueError, TypeError, KeyError):
        return None


def _check(trial: Trial) -> None:
    """See that the sweep's folder is here, and the version that it was begun with."""
    here, is_seen = platform.node(), trial.config.exists()
    if not is_seen and trial.sweep is not None:
        message = f"{trial.config} is gone, so no more trials can be begun"
        raise Error("run-gone", message, fix="do not move a sweep while it runs")
    if not is_seen:
        fix = "choose a folder that all nodes of the cluster share with --out"
        raise Error("config-backend", f"{here} does not see {trial.config}", fix=fix)
    if trial.version != nettrain.__version__:
        message = f"{here} has nettrain {nettrain.__version__}, not {trial.version}"
        fix = "install the same version on all nodes of the cluster"
        raise Error("config-backend", message, fix=fix)


def _leave(alone: bool) -> None:
    """End this worker at once, if nobody is left to tell."""
    if alone:
        os._exit(1)


def _leave_folder_out() -> None:
    """Have no process find modules in the folder it starts in, unless ours is there.

    A file may be called like a module: `random.py`.
    """
    if Path(nettrain.__file__).parents[1] != Path.cwd():
        os.environ["PYTHONSAFEPATH"] = "1"


def _leave_interruption_to_the_sweep() -> None:
    """Ctrl-C reaches all processes of a terminal; a worker hears of it by the file."""
    if (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    ):
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Have a process save itself and end, or else end it; and all that it began."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    with contextlib.suppress(OSError):  # nothing is left of its session
        os.killpg(process.pid, signal.SIGKILL)


class _Last(threading.Thread):
    """Reads a pipe to its end, and keeps the last characters of it."""

    def __init__(self, pipe: IO[bytes], most: int) -> None:
        super().__init__(daemon=True)
        self._pipe, self._most, self._text = pipe, most, b""
        self.start()

    def run(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while piece := os.read(self._pipe.fileno(), 4096):
                self._text = (self._text + piece)[-4 * self._most :]

    def text(self) -> str:
        self.join(1.0)
        return self._text.decode(errors="replace")[-self._most :]


def performed(trials: Sequence[Trial], workers: int, backend: str) -> Iterator[Done]:
    """Run trials, so many at a time; each is given as it is done.

    Raises:
        Error: `run-workers` where workers die again and again.
    """
    _leave_folder_out()
    left = {trial.folder: trial for trial in trials}
    deaths = 0
    while left and deaths < _DEATHS:
        try:
            for done in _round(list(left.values()), workers, backend):
                del left[done.folder]
                deaths = 0
                yield done
        except Exception as error:
            if _lacks_nettrain(error):
                message = f"a node of {backend} has no nettrain"
                fix = "install it in the Python of all nodes of the cluster"
                raise Error("config-backend", message, fix=fix) from error
            if not _is_death(error):
                raise
            deaths += 1
    if left:
        message = f"workers died {deaths} times in a row without finishing a trial"
        fix = "are they killed for memory? take fewer: --workers 1"
        raise Error("run-workers", message, fix=fix)


def _is_death(error: Exception) -> bool:
    """Whether a backend says so that a worker is gone.

    By name, as not every backend is installed: of loky, ray and dask.
    """
    names = {cls.__name__ for cls in type(error).__mro__}
    return not names.isdisjoint(("BrokenProcessPool", "RayActorError", "KilledWorker"))


def _lacks_nettrain(error: Exception) -> bool:
    return "No module named 'nettrain" in str(error)


def _round(trials: list[Trial], workers: int, backend: str) -> Iterator[Done]:
    import joblib

    with _connected(backend):
        # Of ray's, joblib gives results only when all are there.
        how = "list" if backend == "ray" else "generator_unordered"
        options = {"n_jobs": workers, "batch_size": 1, "return_as": how}
        yield from joblib.Parallel(**options)(map(joblib.delayed(perform), trials))


@contextlib.contextmanager
def _connected(backend: str) -> Iterator[None]:
    """Have joblib use a backend inside."""
    import joblib

    connect = {"loky": None, "dask": _dask, "ray": _ray}[backend]
    with (
        connect() if connect else contextlib.nullcontext(),
        joblib.parallel_config(backend=backend),
    ):
        yield


def cores(threads: int) -> int:
    """How many trials of so many threads this machine can run at the same time."""
    import joblib

    return max(1, joblib.cpu_count() // threads)


def check_backend(name: str) -> None:
    """See that there is a cluster, where trials are to run on one.

    Raises:
        Error: `config-backend` without its package, an address, or an answer.
    """
    if name != "loky":
        _check_answers(name, {"dask": _dask_address, "ray": _ray_address}[name]())


def _dask_address() -> str:
    """Where dask's own settings say that the scheduler is."""
    try:
        import dask
        import distributed  # noqa: F401
    except ImportError:
        raise _missing("dask") from None
    address = dask.config.get("scheduler-address", None)
    if not address:
        raise _nowhere("dask", "DASK_SCHEDULER_ADDRESS=tcp://HOST:8786")
    return str(address)


def _ray_address() -> str:
    try:
        import ray  # noqa: F401
    except ImportError:
        raise _missing("ray") from None
    address = os.environ.get("RAY_ADDRESS")
    if not address:
        raise _nowhere("ray", "RAY_ADDRESS=HOST:6379")
    return address


@contextlib.contextmanager
def _dask() -> Iterator[None]:
    """A client of the cluster that dask's own settings name."""
    address = _dask_address()
    _check_answers("dask", address)
    from dask.distributed import Client

    try:
        client = Client(address, timeout=_ANSWER)
    except Exception as error:  # whatever may listen there
        raise _silent("dask", error) from None
    with client:
        # dask waits for ever for a trial that a node cannot even read.
        for found in client.run(_answer, on_error="return").values():
            if isinstance(found, Exception) and _lacks_nettrain(found):
                raise found
        yield


def _answer() -> None:
    """What every node with nettrain can do."""


@contextlib.contextmanager
def _ray() -> Iterator[None]:
    """The cluster that ray's own settings name."""
    _check_answers("ray", _ray_address())
    import ray
    from ray.util.joblib import register_ray

    register_ray()
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(logging_level="ERROR", log_to_driver=False)
    except Exception as error:  # whatever may listen there
        raise _silent("ray", error) from None
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)  # ray has one of its own
    try:
        yield
    finally:
        ray.shutdown()


def _check_answers(name: str, address: str) -> None:
    """See that the cluster listens there: ray waits minutes for what may be another.

    Raises:
        Error: `config-backend`.
    """
    try:
        parts = urlsplit(address if "://" in address else f"tcp://{address}")
        if parts.scheme in _OVER_TCP and parts.hostname and parts.port:
            there = (parts.hostname, parts.port)
            with socket.create_connection(there, _ANSWER) as connection:
                if parts.scheme in _PLAIN and "RAY_USE_TLS" not in os.environ:
                    _greet(name, connection)
    except (OSError, ValueError) as error:
        raise _silent(name, f"{address}: {error}") from None


def _greet(name: str, connection: socket.socket) -> None:
    """Have it answer as a cluster does.

    A scheduler of dask speaks first: the number of parts of a message, in 8 bytes. ray
    answers by HTTP/2 (RFC 9113, section 3.4), on which gRPC is built.

    Raises:
        OSError: where it is silent, or says anything else.
    """
    zeros = bytes(5)
    if name == "ray":
        settings = b"\0\0\0\4" + zeros
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings)
        known = connection.recv(4, socket.MSG_WAITALL)[3:] == b"\4"
    else:
        known = connection.recv(8, socket.MSG_WAITALL)[3:] == zeros
    if not known:
        raise OSError(f"what listens there is no {name}")


def _missing(name: str) -> Error:
    message = f"backend: {name} needs the package of this name"
    return Error("config-backend", message, fix=f"pip install 'nettrain[{name}]'")


def _nowhere(name: str, fix: str) -> Error:
    message = f"backend: {name} needs a cluster that exists, and none is named"
    return Error("config-backend", message, fix=f"set {fix}")


def _silent(name: str, error: object) -> Error:
    told = str(error).partition("\n")[0]
    message = f"backend: the cluster of {name} does not answer: {told}"
    return Error("config-backend", message, fix="start it, or use backend: loky")
