"""The run folder: which files a run consists of, and how they come to be there.

Names are fixed, so nothing taken from a config, data or a checkpoint can lead out of
it. Small files are replaced whole; see `Disk.replace`.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from nettrain.component import suggest
from nettrain.disk import Disk, File
from nettrain.errors import Error
from nettrain.record import json_text, lock

FORMAT = 1
RUN = "run.json"
FIRST = "first.safetensors"
"""What another run left to this one, where it did; see `nettrain.experiment.tuning`."""
METRICS = "metrics.jsonl"
STATISTICS = "statistics.csv"
EVENTS = "events.jsonl"
TENSORBOARD = "events.out.tfevents.0.nettrain"
"""Where the config asks for it. TensorBoard knows its files by `tfevents`."""
REPORT = "report.html"
CHECKPOINTS = "checkpoints"
PLOTS = "plots"

_GROWING = (METRICS, STATISTICS, EVENTS, TENSORBOARD)
_WHOLE = (
    "config.yaml",
    "config.resolved.yaml",
    RUN,
    "data.json",
    FIRST,
    "findings.json",
    REPORT,
)
_ONCE = ("config.yaml", "data.json", FIRST)
"""Of these those that are written when a run begins, and never again."""

_OURS = {
    lock.LOCK,
    *_GROWING,
    *_WHOLE,
    *(f".{name}.tmp" for name in _WHOLE),
    CHECKPOINTS,
    PLOTS,
}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def check_name(name: str) -> str:
    """The name of a run, sweep or trial, which is also that of a folder."""
    if not NAME.fullmatch(name):
        message = (
            f'the name "{name}" must begin with a letter or digit and hold only '
            "letters, digits, dots, dashes and underscores, at most 100"
        )
        raise Error("config-name", message)
    return name


_NAMED = 4
"""Runs that are named where a folder of several was given for one."""
SWEEP, TRIALS, TABLE, BEST = "sweep.yaml", "trials", "table.csv", "best.yaml"
"""Of a sweep's folder: what was asked for, its runs, and the result."""


class RunFolder:
    """The folder of one run. Whoever writes into it holds its `lock()`."""

    def __init__(self, path: Path, disk: Disk, *, fresh: bool = False) -> None:
        self.path, self.disk = path, disk
        self._fresh = fresh
        self._held: File | None = None

    @property
    def metrics(self) -> Path:
        return self.path / METRICS

    @property
    def statistics(self) -> Path:
        return self.path / STATISTICS

    @property
    def events(self) -> Path:
        return self.path / EVENTS

    @property
    def tensorboard(self) -> Path:
        return self.path / TENSORBOARD

    @property
    def checkpoints(self) -> Path:
        return self.path / CHECKPOINTS

    # ------------------------------------------------------------ coming to be

    @classmethod
    def create(
        cls,
        name: str,
        out: Path | str | None = None,
        *,
        root: Path | str = "runs",
        disk: Disk | None = None,
    ) -> RunFolder:
        """A folder for a new run: `out`, or `root/name/NUMBER` with the next number.

        Raises:
            Error: `run-exists` if `out` holds a run, `run-not-empty` if it holds
                anything else that is not ours. Nothing is touched then.
        """
        disk = disk or Disk()
        if out is None:
            return cls(numbered(disk, Path(root) / check_name(name)), disk, fresh=True)
        folder = cls(Path(out), disk, fresh=True)
        if disk.exists(folder.path):
            folder._check_free()
        disk.make_folders(folder.path)
        return folder

    @classmethod
    def open(cls, path: Path | str, *, disk: Disk | None = None) -> RunFolder:
        """The folder of a run that has begun, which `run.json` shows."""
        return cls.begun(path, disk=disk)[0]

    @classmethod
    def begun(
        cls, path: Path | str, *, disk: Disk | None = None
    ) -> tuple[RunFolder, dict[str, Any]]:
        """As `open`, and what `run.json` says; of its form only that it is of ours."""
        folder = cls(Path(path), disk or Disk())
        if not folder.disk.exists(folder.path / RUN):
            raise folder._missing()
        run = folder.read_json(RUN)
        known = run.get("format") if isinstance(run, dict) else None
        if known is None:
            raise folder._damaged(RUN, ValueError("it says no format"))
        if known != FORMAT:
            message = f"{path} has format {known}, this version reads {FORMAT}"
            raise Error("run-format", message, fix="use the version that wrote it")
        return folder, run

    def _missing(self) -> Error:
        """The error for what is no run; it may hold some, such as of seeds."""
        disk, path = self.disk, self.path
        names = disk.list(path) if disk.is_folder(path) else []

        def is_sweep(path: Path) -> bool:
            return disk.exists(path / SWEEP) and disk.exists(path / TRIALS)

        def is_meant(path: Path) -> bool:
            return disk.exists(path / RUN) or is_sweep(path)

        inner = [name for name in names if is_meant(path / name)]
        message = f"{path} is not a run: it has no {RUN}"
        fix: str = "give the folder that `nettrain run` wrote"
        if not disk.exists(path):
            message = f"{path} is not a run: there is no such folder"
            beside = disk.list(path.parent) if disk.is_folder(path.parent) else []
            fix = suggest(path.name, beside) or fix
        elif is_sweep(path):
            message, fix = f"{path} is a sweep, and not a run", self._of_sweep()
        elif inner:
            more = len(inner) - _NAMED
            named = ", ".join(str(path / name) for name in inner[:_NAMED])
            message = f"{path} is not a run, but a folder of {len(inner)}"
            fix = f"give one of them: {named}" + (f" and {more} more" * (more > 0))
        return Error("run-missing", message, fix=fix)

    def _of_sweep(self) -> str:
        """What to give instead of a sweep's folder."""
        disk, trials = self.disk, self.path / TRIALS
        table, best, point = self.path / TABLE, self.path / BEST, None
        if disk.exists(best) and disk.exists(table):  # whose first row is the best
            point = re.search(rb"^1,(\d+),", disk.read(table), re.M)
        if not point:
            return f"give one of its runs, which are in {trials}"
        runs = trials / f"{int(point[1]):04d}-*"
        once_more = f"`nettrain run {best}` trains it once more"
        return f"the runs of its best point are {runs}; {once_more}"

    def _check_free(self) -> None:
        """Refuse a folder that holds a run, or anything that is not ours."""
        if not self.disk.is_folder(self.path):
            raise Error("run-not-folder", f"{self.path} is no folder")
        if self.disk.exists(self.path / RUN):
            fix = f"nettrain resume {self.path}"
            raise Error("run-exists", f"{self.path} holds a run already", fix=fix)
        foreign = [name for name in self.disk.list(self.path) if name not in _OURS]
        # run.json comes before the first checkpoint, so here these are still empty.
        for inner in (CHECKPOINTS, PLOTS):
            if self.disk.is_folder(self.path / inner):
                foreign += [f"{inner}/{n}" for n in self.disk.list(self.path / inner)]
        if foreign:
            message = f"{self.path} is no run and holds {', '.join(foreign[:3])}"
            raise Error("run-not-empty", message, fix="choose another folder")

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Be the folder's one writer.

        Raises:
            Error: `locked-run` if another process is; `run-exists` if one began a run
                here since `create`.
        """
        with lock.held(self.disk, self.path) as self._held:
            try:
                self._refuse_links()
                if self._fresh:
                    self._check_free()
                    self._begin()
                yield
            finally:
                self._held = None

    def check_ours(self) -> None:
        """Refuse to go on where the folder that is held is no longer the one in place.

        Who removes or moves a folder while a run is trained in it may begin another one
        in its place, and hold that one's lock.

        Raises:
            Error: `run-gone`.
        """
        if self._held is not None and not self.disk.is_still(self._held):
            message = f"{self.path} was removed or replaced while it was written to"
            fix = "put it back and resume the run, or start it again elsewhere"
            raise Error("run-gone", message, fix=fix)

    def _refuse_links(self) -> None:
        """What is written, renamed and removed in the inner folders has to be ours."""
        for inner in (CHECKPOINTS, PLOTS):
            if self.disk.is_link(self.path / inner):
                message = f"{self.path / inner} is a link, and leads out of the run"
                fix = "put a real folder in its place"
                raise Error("run-link", message, fix=fix)

    def _begin(self) -> None:
        """Make the inner folders, and drop rows that a half-made run may have left."""
        for name in _GROWING:
            self.disk.remove(self.path / name)
        self._make_inner()
        self._fresh = False

    def _make_inner(self) -> None:
        for inner in (CHECKPOINTS, PLOTS):
            self.disk.make_folders(self.path / inner)

    def settle(self) -> None:
        """Make durable what a run goes on from and does not write again.

        Whoever wrote it may have been killed before it was durable, or may be a person
        who brought the folder here a moment ago. With the names of the inner folders go
        those of all files beside them.
        """
        self.disk.make_folders(self.path)
        self._make_inner()
        for name in _ONCE:
            if self.disk.exists(self.path / name):
                self.disk.settle(self.path / name)

    # ------------------------------------------------------------ whole files

    def write(self, name: str, data: bytes) -> Path:
        """Replace a file, or a picture `plots/NAME`."""
        path = self._file(name)
        self.check_ours()
        drawn = name == REPORT or path.parent != self.path  # and can be drawn again
        self.disk.replace(path, data, durable=not drawn)
        return path

    def write_text(self, name: str, text: str) -> Path:
        # A name may hold what no UTF-8 has: a lone surrogate stands for a bad byte.
        return self.write(name, text.encode("utf-8", "backslashreplace"))

    def write_json(self, name: str, value: Any) -> Path:
        """Keys in the order given; NaN and infinities become strings."""
        return self.write(name, json_text.document(value))

    def read_text(self, name: str) -> str:
        path = self._file(name)
        if not self.disk.exists(path):
            fix = "put it back, or run its config again"
            raise Error("run-incomplete", f"{path} is missing", fix=fix)
        try:
            return self.disk.read(path).decode("utf-8")
        except UnicodeDecodeError as error:
            raise self._damaged(name, error) from error

    def read_json(self, name: str) -> Any:
        text = self.read_text(name)
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise self._damaged(name, error) from error
        could_be = text.count("{") + text.count("[") > json_text.DEPTH
        if could_be and not json_text.anything(value):
            deep = ValueError(f"nested deeper than {json_text.DEPTH} levels")
            raise self._damaged(name, deep)
        return value

    def pictures(self) -> list[str]:
        """The names of the pictures in `plots/` that may be ours, in order."""
        plots = self.path / PLOTS
        names = self.disk.list(plots) if self.disk.is_folder(plots) else []
        return [name for name in names if NAME.fullmatch(name)]

    def _file(self, name: str) -> Path:
        inner, _, picture = name.rpartition("/")
        if name in _WHOLE or (inner == PLOTS and NAME.fullmatch(picture)):
            return self.path / name
        raise ValueError(f"{name!r} is no file of a run folder")

    def _damaged(self, name: str, error: Exception) -> Error:
        return Error("run-damaged", f"{self.path / name} is damaged: {error}")


def numbered(disk: Disk, parent: Path) -> Path:
    """`parent/NUMBER`, one above the highest there is; making it is the claim."""
    disk.make_folders(parent)
    for number in itertools.count(max(numbers(disk, parent), default=0) + 1):
        try:
            disk.make_folder(parent / str(number))
        except Error as error:
            if error.code != "disk-exists":
                raise
        else:
            break
    return parent / str(number)


def numbers(disk: Disk, parent: Path) -> list[int]:
    """The numbers of the folders in `parent` that `numbered` may have made."""
    if not disk.is_folder(parent):
        return []
    return [int(n) for n in disk.list(parent) if re.fullmatch(r"[1-9][0-9]{0,17}", n)]


def find_run(
    root: Path | str,
    name: str,
    fingerprint: Any,
    statuses: Collection[str] = ("finished",),
    *,
    disk: Disk | None = None,
) -> RunFolder | None:
    """The newest run of this name, fingerprint, and one of these statuses.

    One of several seeds stands a folder deeper: `root/name/NUMBER/seed-3`.
    """
    disk = disk or Disk()
    parent = Path(root) / check_name(name)
    for number in sorted(numbers(disk, parent), reverse=True):
        for path in _runs_in(disk, parent / str(number)):
            with contextlib.suppress(Error):  # half-made, damaged, of another version
                folder, run = RunFolder.begun(path, disk=disk)
                is_it = run.get("fingerprint") == fingerprint
                if is_it and run.get("status") in statuses:
                    return folder
    return None


def _runs_in(disk: Disk, path: Path) -> list[Path]:
    if disk.exists(path / RUN) or not disk.is_folder(path):
        return [path]
    return seeds_in(disk, path)


def seeds_in(disk: Disk, path: Path) -> list[Path]:
    """The folders of the seeds of one config, in the order of the seeds."""
    names = [n for n in disk.list(path) if re.fullmatch(r"seed-[0-9]{1,19}", n)]
    return [path / n for n in sorted(names, key=lambda n: int(n[len("seed-") :]))]


def is_free(disk: Disk, path: Path) -> bool:
    """Whether a run can begin there: by what one may have left that never began too."""
    with contextlib.suppress(Error):
        if disk.exists(path):
            RunFolder(path, disk)._check_free()
        return True
    return False
