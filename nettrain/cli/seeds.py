"""One config with several seeds: the runs, and what they have in common."""

from __future__ import annotations

import contextlib
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from nettrain.cli.compare import write
from nettrain.cli.progress import Watching, interrupted
from nettrain.cli.terminal import table
from nettrain.config import resolve
from nettrain.disk import Disk
from nettrain.errors import Error, visible
from nettrain.experiment.kind import refuse_sweep
from nettrain.experiment.run import ENDLESS, OVER, Ended, being_trained
from nettrain.experiment.run import run as train
from nettrain.experiment.schema import Experiment
from nettrain.experiment.status import open_run
from nettrain.record import lock
from nettrain.record.folder import (
    REPORT,
    RUN,
    TRIALS,
    check_name,
    find_run,
    is_free,
    numbered,
    numbers,
    seeds_in,
)
from nettrain.study import verdict
from nettrain.study.compare import Comparison
from nettrain.study.groups import Group, grouped
from nettrain.study.run import Run

_LOOK = 0.05
"""Seconds between two looks at what another process has."""
_PATIENCE = 60.0
"""Seconds that another process has to begin what it chose a folder for."""


def run(arguments: Namespace) -> int:
    """`nettrain run CONFIG --seeds N`: seed, seed+1, … one after the other."""
    config, overrides = arguments.config, arguments.overrides
    resolved = resolve(config, overrides, schema=Experiment)
    refuse_sweep(resolved)
    experiment = resolved.build()
    seeds = range(experiment.seed, experiment.seed + arguments.seeds)
    again = arguments.again or arguments.out is not None
    folders: list[Path] = []
    diverged: list[int] = []
    with _Place(arguments.out, experiment.name, seeds, again) as place:
        for seed in seeds:
            print(f"seed {seed}", file=sys.stderr)
            ended = train(
                config,
                [*overrides, f"seed={seed}"],
                out=place.of(seed),
                again=again,
                go_on=True,
                watch=Watching,
            )
            if ended.outcome and ended.outcome.status == "interrupted":
                code = interrupted(ended)
                if told := place.how_to_go_on(seed):
                    print(f"  {told}", file=sys.stderr)
                return code
            if ended.outcome is None:
                Run.read(ended.folder.path)  # if it is damaged, that is told at once
            told, has_diverged = _status(ended)
            print(visible(f"seed {seed}  {ended.folder.path}  {told}"))
            place.saw(ended.folder.path)
            folders.append(ended.folder.path)
            diverged += [seed] * has_diverged
        _conclude(folders, place.folder)
    if diverged:
        sys.stdout.flush()
        named = ", ".join(map(str, diverged))
        raise Error("diverged-run", f"the run diverged with seed {named}")
    return 0


def _status(ended: Ended) -> tuple[str, bool]:
    """How a run ended, in words, and whether it diverged."""
    if ended.outcome is None:
        status = open_run(ended.folder.path)[1]["status"]
        return f"{status} before", status == "diverged"
    status, found = ended.outcome.status, len(ended.outcome.findings)
    told = f", {verdict.count(found, 'finding')}" if found else ""
    return f"{status}{told}", status == "diverged"


# ---------------------------------------------------------------- the folder


class _Place:
    """Where the runs stand together, held as long as they are trained.

    Attributes:
        folder: what was asked for, else that in which some stand from before, else a
            new `runs/NAME/NUMBER`, chosen when the first run needs it. None as long as
            all are runs of their own.
    """

    def __init__(self, out: str | None, name: str, seeds: range, again: bool) -> None:
        self.folder: Path | None = None
        self._parent = Path("runs") / check_name(name)
        self._out = Path(out) if out else None
        self._seeds, self._again = seeds, again
        self._disk, self._held = Disk(), contextlib.ExitStack()
        if self._out is not None:
            _refuse_runs(self._out, seeds)

    def __enter__(self) -> _Place:
        return self

    def __exit__(self, *error: object) -> None:
        self._held.close()

    def of(self, seed: int) -> Callable[[str], Path]:
        """What chooses the folder of a run, given its fingerprint."""

        def choose(fingerprint: str) -> Path:
            name = f"seed-{seed}"
            if self._out is None:
                if self.folder is None or not is_free(self._disk, self.folder / name):
                    self._choose(seed, fingerprint)
            elif self.folder is None:
                self._disk.make_folders(self._out)
                self._hold(self._out)
            assert self.folder is not None
            return self.folder / name

        return choose

    def saw(self, run: Path) -> None:
        """Take note of where a run stands."""
        if self.folder is None and run.parent != self._parent:
            self._hold(run.parent)

    def how_to_go_on(self, seed: int) -> str:
        """Beside resuming this one, which was interrupted."""
        if not self._again:
            return "or the same command, which goes on with all of it"
        rest = range(seed + 1, self._seeds.stop)
        return f"then {_asked(rest)} trains the rest" if rest and self._out else ""

    def _choose(self, seed: int, fingerprint: str) -> None:
        """A new folder, or one in which no seed has begun before all was killed."""
        self._disk.make_folders(self._parent)
        with _alone(self._disk, self._parent):
            if not self._again:
                every, name = (*OVER, *ENDLESS), self._parent.name
                if begun := find_run(self._parent.parent, name, fingerprint, every):
                    raise being_trained(seed, begun.path)
            folder = _left(self._disk, self._parent)
            if folder is None:
                folder = numbered(self._disk, self._parent)
                # That it is of seeds shows from now on, whenever this is killed.
                self._disk.make_folder(folder / f"seed-{seed}")
            self._hold(folder)

    def _hold(self, folder: Path) -> None:
        """Be the only process that trains several seeds there."""
        try:
            self._held.enter_context(lock.held(self._disk, folder))
        except Error as error:
            if error.code == "locked-run":
                for run in seeds_in(self._disk, folder):
                    if lock.is_held(self._disk, run):
                        raise being_trained(_seed(run), run) from None
            raise
        self.folder = folder


@contextlib.contextmanager
def _alone(disk: Disk, parent: Path) -> Iterator[None]:
    """Nobody else chooses a folder there, nor has one without having begun in it.

    So two that are given the same command at once choose one after the other, and the
    second sees the run of the first.

    Raises:
        Error: `locked-run` if another process takes too long.
    """
    give_up = time.monotonic() + _PATIENCE
    while True:
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(lock.held(disk, parent))
                busy = _beginning(disk, parent)
            except Error as error:
                if error.code != "locked-run":
                    raise
                busy = parent
            if busy is None:
                yield
                return
        if time.monotonic() > give_up:
            message = f"another process has not begun yet in {busy}"
            raise Error("locked-run", message, fix="wait for it, or stop it")
        time.sleep(_LOOK)


def _beginning(disk: Disk, parent: Path) -> Path | None:
    """A folder that a process holds, and in which there is no run yet."""
    for number in numbers(disk, parent):
        path = parent / str(number)
        with contextlib.suppress(Error):  # another's, or gone meanwhile
            runs = (path, *seeds_in(disk, path))
            begun = any(disk.exists(run / RUN) for run in runs)
            begun = begun or disk.exists(path / TRIALS)
            if not begun and lock.is_held(disk, path):
                return path
    return None


def _left(disk: Disk, parent: Path) -> Path | None:
    """The newest folder of seeds none of which has begun."""
    for number in sorted(numbers(disk, parent), reverse=True):
        path = parent / str(number)
        with contextlib.suppress(Error):  # another's, or no folder
            seeds = seeds_in(disk, path)
            ours = {lock.LOCK, *(seed.name for seed in seeds)}
            free = (is_free(disk, seed) for seed in seeds)
            if seeds and ours.issuperset(disk.list(path)) and all(free):
                return path
    return None


def _refuse_runs(out: Path, seeds: range) -> None:
    """With `--out` everything is trained, and nothing that is there is touched.

    Raises:
        Error: `run-exists`, or `run-not-empty` where there is what is none of ours.
    """
    if (out / RUN).exists():
        fix = "choose another folder"
        raise Error("run-exists", f"{out} holds a run already", fix=fix)
    _refuse_foreign(out)
    runs = [out / f"seed-{seed}" for seed in seeds]
    there = [run for run in runs if (run / RUN).exists()]
    if there:
        fix, left = "choose another folder", []
        if half := next((run for run in there if not _is_over(run)), None):
            left.append(f"nettrain resume {half}")
        if rest := seeds[len(there) :]:
            left.append(_asked(rest))
        if left and there == runs[: len(there)]:
            fix += f", or finish it by hand: {', then '.join(left)}"
        fix += "; without --out the same command goes on by itself"
        raise Error("run-exists", f"{there[0]} holds a run already", fix=fix)


def _refuse_foreign(out: Path) -> None:
    disk = Disk()
    names = disk.list(out) if disk.is_folder(out) else []
    seeds = {seed.name for seed in seeds_in(disk, out)} if names else set()
    ours = {lock.LOCK, *seeds, *([REPORT] if seeds else [])}
    if foreign := [name for name in names if name not in ours]:
        message = f"{out} holds {', '.join(foreign[:3])}, and no runs of several seeds"
        raise Error("run-not-empty", message, fix="choose another folder")


def _is_over(run: Path) -> bool:
    with contextlib.suppress(Error):
        return open_run(run)[1]["status"] in OVER
    return True


def _asked(seeds: range) -> str:
    return f"seed={seeds.start} --seeds {len(seeds)}"


def _seed(run: Path) -> int:
    return int(run.name.removeprefix("seed-"))


# ---------------------------------------------------------------- the result


def _conclude(paths: Sequence[Path], folder: Path | None) -> None:
    """Print what the runs came to, and draw it with all others of theirs there."""
    asked = [Run.read(path) for path in paths]
    for group in grouped(asked):
        if rows := over_seeds(group):
            print("\n" + table(rows))
    if folder is None:
        return
    others, left_out = [], []
    seeds = {run.unit[0] for run in asked}
    for path in seeds_in(Disk(), folder):
        if _seed(path) not in seeds and (path / RUN).exists():
            try:
                others.append(Run.read(path))
            except Error as error:
                left_out.append(error.message)
    groups = [g for g in grouped([*asked, *others]) if {*g.runs} & {*asked}]
    write(Comparison(tuple(groups), tuple(left_out)), folder / REPORT)
    told, known = f"written to {folder / REPORT}", sum(len(g.runs) for g in groups)
    if known > len(asked):
        told += f", with all {known} runs of this config there"
    print(visible(f"\n{told}"))


def over_seeds(group: Group) -> list[list[str]]:
    """Heads, and a row per metric: mean ± 95 % interval, and each seed's value."""
    names = dict.fromkeys(name for run in group.runs for name in run.measures)
    seeds = [f"seed {run.unit[0]}" for run in group.runs if run.measures]
    rows = [["", "mean", "± 95 %", *seeds]]
    for name in names:
        known = group.interval(name)
        values = [r.measures.get(name) for r in group.runs if r.measures]
        told = [verdict.number(known.mean), verdict.half(known)]
        rows.append([name, *told, *map(_value, values)])
    return rows if names else []


def _value(known: float | None) -> str:
    """A dash where a run has none, as one that diverged."""
    return "–" if known is None else verdict.number(known)
