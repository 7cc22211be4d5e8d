"""Where the runs are: run folders below a folder."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from nettrain.errors import Error
from nettrain.record.folder import CHECKPOINTS, RUN

SWEEP, TRIALS = "sweep.yaml", "trials"
"""Of a sweep: what was asked for, and where its trials are."""
_ASIDE = re.compile(r".+\.other\d+")
_DEPTH = 8
"""Folders in each other: runs/NAME/NUMBER/trials/TRIAL is five."""


def below(root: Path | str) -> list[Path]:
    """Every run folder at or below a folder, half-made ones too, 2 before 10.

    Links are not followed, and what cannot be looked into is passed over.
    """
    return sorted(_below(Path(root), _DEPTH), key=_natural)


def below_each(roots: Iterable[Path | str]) -> list[Path]:
    """Those of one folder after the other, none of them twice."""
    found: dict[str, Path] = {}
    for path in itertools.chain.from_iterable(map(below, roots)):
        found.setdefault(os.path.realpath(path), path)
    return list(found.values())


def runs_of(paths: Sequence[Path | str]) -> list[Path]:
    """The run folders that are meant by folders: of one that is no run, all in it.

    Of a sweep these are the trials of its points, without those that were set aside.
    The config of a trial, which a pattern such as `trials/0001*` means too, is passed
    over beside runs.

    Raises:
        Error: `run-missing` where there is none.
    """
    found: dict[Path, None] = {}
    configs: list[Path] = []
    for path in map(Path, paths):
        is_run = os.path.lexists(path / RUN)
        inside = [path] if is_run else [*filter(_is_meant, below(path))]
        found |= dict.fromkeys(inside)
        if not inside and _is_of_sweep(path) and path.is_file():
            configs.append(path)
        elif not inside:
            message = f"{path} is not a run: it has no {RUN}, and no run below it"
            fix = "give folders that `nettrain run` wrote"
            raise Error("run-missing", message, fix=fix)
    if not found and configs:
        message = f"{configs[0]} is the config of a sweep's point, and not a run of it"
        fix = f"its runs stand beside it: {configs[0].with_suffix('')}-seed-…"
        raise Error("run-missing", message, fix=fix)
    return list(found)


def aside(trial: Path) -> Path:
    """Where the folder of a trial that another one replaces can be kept."""
    names = (f"{trial.name}.other{n}" for n in itertools.count(1))
    places = map(trial.with_name, names)
    return next(place for place in places if not place.exists())


def _is_meant(run: Path) -> bool:
    is_aside = _ASIDE.fullmatch(run.name) and _is_of_sweep(run)
    return not is_aside and (run / RUN).exists()


def _is_of_sweep(path: Path) -> bool:
    """Whether it stands where a sweep's trials and their configs do."""
    above = path.absolute().parent
    return above.name == TRIALS and (above.parent / SWEEP).exists()


def _below(folder: Path, depth: int) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            inside = {e.name: e.is_dir(follow_symlinks=False) for e in entries}
    except (OSError, ValueError):
        return
    # Every run has them before run.json: without that it is a half-made one.
    if RUN in inside or inside.get(CHECKPOINTS):
        yield folder
    elif depth:
        for name, is_folder in inside.items():
            if is_folder:
                yield from _below(folder / name, depth - 1)


def _natural(path: Path) -> list[tuple[bool, int, str]]:
    """Numbers in names count as numbers."""
    parts = re.findall(r"\d+|\D+", str(path), re.ASCII)
    return [(p.isdecimal(), int(p) if p.isdecimal() else 0, p) for p in parts]
