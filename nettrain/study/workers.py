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
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import nettrain
from nettrain.errors import Error

_LOOK = 0.05
"""Seconds between two looks at a trial."""
_GRACE = 30.0
"""Seconds that a trial has to save itself."""
_TOLD = 4000
"""Characters kept of what a trial says."""
_DEATHS = 3
"""Rounds in a row that may end with a dead worker and without a finished trial."""


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
    """

    folder: Path
    config: Path
    overrides: tuple[str, ...]
    until: float
    plugins: tuple[str, ...]
    limit: float | None
    stop: Path
    sweep: int | None


@dataclass(frozen=True)
class Done:
    """What came of one.

    Attributes:
        folder: of the run.
        code: exit code; negative where a signal killed it.
        told: the end of what it said on standard error.
        timeout: whether it was ended because of its limit.
    """

    folder: Path
    code: int
    told: str = ""
    timeout: bool = False


def perform(trial: Trial) -> Done:
    """Run one trial to its end, its pause, its limit, or the stop of all."""
    _leave_interruption_to_the_sweep()
    _leave_folder_out()

    def alone() -> bool:
        return trial.sweep not in (None, os.getppid(), os.getpid())

    def over() -> bool:
        return alone() or trial.stop.exists()

    if over():
        _leave(alone())
        return Done(trial.folder, -1)
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
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the sweep, which passes it on
    )
    give_up = time.monotonic() + trial.limit if trial.limit else math.inf
    timeout = False
    with process:
        assert process.stderr is not None
        said = _Last(process.stderr)
        try:
            while process.poll() is None:
                timeout = time.monotonic() > give_up
                if timeout or over():
                    break
                time.sleep(_LOOK)
        finally:
            _end(process)
        told = said.text()  # before the pipe is closed
    _leave(alone())
    return Done(trial.folder, process.returncode, told, timeout)


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
    """Have a process save itself and end, and end it if it does not."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class _Last(threading.Thread):
    """Reads a pipe to its end, and keeps the last of it."""

    def __init__(self, pipe: IO[bytes]) -> None:
        super().__init__(daemon=True)
        self._pipe, self._text = pipe, b""
        self.start()

    def run(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while piece := os.read(self._pipe.fileno(), 4096):
                self._text = (self._text + piece)[-4 * _TOLD :]

    def text(self) -> str:
        self.join(1.0)
        return self._text.decode(errors="replace")[-_TOLD:]


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


Connect = Callable[[], contextlib.AbstractContextManager[Any]]


def _dask() -> contextlib.AbstractContextManager[Any]:
    """A client of the cluster that dask's own settings name."""
    try:
        import dask
        from dask.distributed import Client
    except ImportError:
        raise _missing("dask") from None
    address = dask.config.get("scheduler-address", None)
    if not address:
        raise _nowhere("dask", "DASK_SCHEDULER_ADDRESS=tcp://HOST:8786")
    try:
        client: contextlib.AbstractContextManager[Any] = Client(address)
    except (OSError, ValueError) as error:
        raise _silent("dask", error) from None
    return client


@contextlib.contextmanager
def _ray() -> Iterator[None]:
    """The cluster that ray's own settings name."""
    try:
        import ray
        from ray.util.joblib import register_ray
    except ImportError:
        raise _missing("ray") from None
    if not os.environ.get("RAY_ADDRESS"):
        raise _nowhere("ray", "RAY_ADDRESS=HOST:6379")
    register_ray()
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(logging_level="ERROR", log_to_driver=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise _silent("ray", error) from None
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)  # ray has one of its own
    try:
        yield
    finally:
        ray.shutdown()


def _missing(name: str) -> Error:
    message = f"backend: {name} needs the package of this name"
    return Error("config-backend", message, fix=f"pip install 'nettrain[{name}]'")


def _nowhere(name: str, fix: str) -> Error:
    message = f"backend: {name} needs a cluster that exists, and none is named"
    return Error("config-backend", message, fix=f"set {fix}")


def _silent(name: str, error: Exception) -> Error:
    message = f"backend: the cluster of {name} does not answer: {error}"
    return Error("config-backend", message, fix="start it, or use backend: loky")
