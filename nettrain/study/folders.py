"""Where the runs are: run folders below a folder."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from nettrain.errors import Error
from nettrain.record.folder import CHECKPOINTS, RUN, SWEEP, TRIALS

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
    What a pattern such as `trials/0001*` or `runs/digits/1/*` means too is passed over:
    files beside runs, and a trial that was set aside beside that in its place.

    Raises:
        Error: `run-missing` where there is none.
    """
    named, passed = [*map(Path, paths)], {*set_aside(paths)}
    inside = {path: _inside(path) for path in named if path not in passed}
    beside = {path.parent for path, runs in inside.items() if runs}
    for path, runs in inside.items():
        is_file = path.is_file()
        if runs or (is_file and path.parent in beside):
            continue
        message = f"{path} is not a run: it has no {RUN}, and no run below it"
        fix = "give folders that `nettrain run` wrote"
        if is_file and _is_of_sweep(path):
            message = f"{path} is the config of a sweep's point, and not a run of it"
            fix = f"its runs stand beside it: {path.with_suffix('')}-seed-…"
        raise Error("run-missing", message, fix=fix)
    return [*dict.fromkeys(itertools.chain.from_iterable(inside.values()))]


def set_aside(paths: Iterable[Path | str]) -> list[Path]:
    """Those that are trials set aside, where that in their place is named too."""
    named = dict.fromkeys(map(Path, paths))
    return [p for p in named if _is_aside(p) and _replaced(p) in named]


def _inside(path: Path) -> list[Path]:
    is_run = os.path.lexists(path / RUN)
    return [path] if is_run else [*filter(_is_meant, below(path))]


def aside(trial: Path) -> Path:
    """Where the folder of a trial that another one replaces can be kept."""
    names = (f"{trial.name}.other{n}" for n in itertools.count(1))
    places = map(trial.with_name, names)
    return next(place for place in places if not place.exists())


def _is_meant(run: Path) -> bool:
    return not _is_aside(run) and (run / RUN).exists()


def _is_aside(run: Path) -> bool:
    return bool(_ASIDE.fullmatch(run.name)) and _is_of_sweep(run)


def _replaced(aside: Path) -> Path:
    """The folder of the trial that stands where this one was."""
    return aside.with_name(aside.name.rpartition(".")[0])


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
