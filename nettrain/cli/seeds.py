"""One config with several seeds: the runs, and what they have in common."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from nettrain.cli.compare import write
from nettrain.cli.progress import Watching, interrupted
from nettrain.cli.terminal import table
from nettrain.config import resolve
from nettrain.disk import Disk
from nettrain.errors import Error, visible
from nettrain.experiment.kind import refuse_sweep
from nettrain.experiment.run import Ended
from nettrain.experiment.run import run as train
from nettrain.experiment.schema import Experiment
from nettrain.record.folder import REPORT, RUN, check_name, numbered
from nettrain.study import verdict
from nettrain.study.compare import Comparison
from nettrain.study.groups import Group


def run(arguments: Namespace) -> int:
    """`nettrain run CONFIG --seeds N`: seed, seed+1, … one after the other."""
    config, overrides = arguments.config, arguments.overrides
    resolved = resolve(config, overrides, schema=Experiment)
    refuse_sweep(resolved)
    experiment = resolved.build()
    place = _Place(arguments.out, experiment.name)
    folders: list[Path] = []
    diverged: list[int] = []
    for seed in range(experiment.seed, experiment.seed + arguments.seeds):
        print(f"seed {seed}", file=sys.stderr)
        ended = train(
            config,
            [*overrides, f"seed={seed}"],
            out=place.of(seed),
            again=arguments.again or arguments.out is not None,
            go_on=True,
            watch=Watching,
        )
        place.saw(ended.folder.path)
        outcome = ended.outcome
        if outcome is not None and outcome.status == "interrupted":
            code = interrupted(ended)
            if arguments.out is None and not arguments.again:
                told = "  or the same command, which goes on with all of it"
                print(told, file=sys.stderr)
            return code
        print(visible(f"seed {seed}  {ended.folder.path}  {_status(ended)}"))
        folders.append(ended.folder.path)
        if outcome is not None and outcome.status == "diverged":
            diverged.append(seed)
    found = Comparison.of(folders)
    for group in found.groups:
        if rows := over_seeds(group):
            print("\n" + table(rows))
    if (folder := place.folder) is not None:
        write(found, folder / REPORT)
        print(visible(f"\nwritten to {folder / REPORT}"))
    if diverged:
        sys.stdout.flush()
        named = ", ".join(map(str, diverged))
        raise Error("diverged-run", f"the run diverged with seed {named}")
    return 0


class _Place:
    """Where the runs stand together.

    Attributes:
        folder: what was asked for, else that in which some stand from before, else a
            new `runs/NAME/NUMBER`, chosen when the first run needs it. None as long as
            all are runs of their own.
    """

    def __init__(self, out: str | None, name: str) -> None:
        self._parent = Path("runs") / check_name(name)
        self.folder = Path(out) if out else None
        if self.folder and (self.folder / RUN).exists():
            fix = "choose another folder"
            raise Error("run-exists", f"{out} holds a run already", fix=fix)
        self._is_given = out is not None

    def of(self, seed: int) -> Callable[[], Path]:
        """What chooses the folder of a run."""

        def choose() -> Path:
            name, taken = f"seed-{seed}", False
            if self.folder is not None and not self._is_given:
                taken = (self.folder / name).exists()
            if self.folder is None or taken:
                self.folder = numbered(Disk(), self._parent)
            return self.folder / name

        return choose

    def saw(self, run: Path) -> None:
        """Take note of where a run stands."""
        if self.folder is None and run.parent != self._parent:
            self.folder = run.parent


def _status(ended: Ended) -> str:
    if ended.outcome is None:
        return "finished before"
    found = len(ended.outcome.findings)
    told = f", {verdict.count(found, 'finding')}" if found else ""
    return f"{ended.outcome.status}{told}"


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
