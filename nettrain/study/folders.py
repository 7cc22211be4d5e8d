"""Where the runs are: run folders below a folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from nettrain.errors import Error
from nettrain.record.folder import CHECKPOINTS, RUN

_DEPTH = 8
"""Folders in each other: runs/NAME/NUMBER/trials/TRIAL is five."""


def below(root: Path | str) -> list[Path]:
    """Every run folder at or below a folder, half-made ones too, 2 before 10.

    Links are not followed, and what cannot be looked into is passed over.
    """
    return sorted(_below(Path(root), _DEPTH), key=_natural)


def runs_of(paths: Sequence[Path | str]) -> list[Path]:
    """The run folders that are meant by folders: of one that is no run, all in it.

    Raises:
        Error: `run-missing` where there is none.
    """
    found: dict[Path, None] = {}
    for path in map(Path, paths):
        is_run = os.path.lexists(path / RUN)
        inside = [path] if is_run else [p for p in below(path) if (p / RUN).exists()]
        if not inside:
            message = f"{path} is not a run: it has no {RUN}, and no run below it"
            fix = "give folders that `nettrain run` wrote"
            raise Error("run-missing", message, fix=fix)
        found |= dict.fromkeys(inside)
    return list(found)


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
