"""The verb `sweep`: many runs of one config, and which is best."""

from __future__ import annotations

import contextlib
import json
import shlex
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nettrain.cli import plugin
from nettrain.cli.terminal import print_json, table
from nettrain.errors import Error, visible
from nettrain.study.report import cells, head, verdict
from nettrain.study.results import FINISHED, Results, Score, plain
from nettrain.study.sweep import Interrupted, sweep

_ROWS = 20
"""Points that the terminal shows; the table has all."""
_TAIL = 4096
"""Bytes at the end of a file of metrics that hold its last row."""


def run(arguments: Namespace) -> int:
    """`nettrain sweep CONFIG`."""
    plugin.load(arguments.plugin)
    watch = _Watching()
    try:
        path, results = sweep(
            arguments.config,
            arguments.overrides,
            out=arguments.out,
            workers=arguments.workers,
            plugins=arguments.plugin,
            watch=watch,
        )
    except Interrupted as interrupted:
        watch.close()
        said = visible(shlex.join(_again(arguments)))
        print(f"interrupted; all trials are saved\n  {said}", file=sys.stderr)
        return 128 + interrupted.number
    finally:
        watch.close()
    if arguments.json:
        print_json(plain(results))
    else:
        print(_told(path, results))
    if results.best is None:
        sys.stdout.flush()
        diverged = all(row.status == "diverged" for row in results.rows)
        code = "diverged-sweep" if diverged else "run-failed"
        raise Error(code, "no point of the sweep was trained to its end")
    return 0


def _again(arguments: Namespace) -> list[str]:
    """The command that goes on with a sweep."""
    words = ["nettrain", "sweep", arguments.config, *arguments.overrides]
    for name in ("out", "workers"):
        given = getattr(arguments, name)
        words += [f"--{name}", str(given)] if given is not None else []
    for file in arguments.plugin:
        words += ["--plugin", file]
    return words


def _told(path: Path, results: Results) -> str:
    """The table of the best points, and what can be said of them."""
    points = (cells(results, row, n) for n, row in enumerate(results.rows, 1))
    rows = [head(results), *points]
    shown = rows[: _ROWS + 1]
    text = [table(shown, left=1)]
    if len(rows) > len(shown):
        text.append(f"… and {len(rows) - len(shown)} more in the table")
    text += ["", *verdict(results)]
    best = ", best.yaml" if results.best else ""
    text += [visible(f"{path}/table.csv{best}, report.html")]
    return "\n".join(text)


class _Watching:
    """Shows a sweep on standard error: a bar on a terminal, else a line per trial."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._total = self._made = 0

    def planned(self, trials: int) -> None:
        self._total += trials
        if not sys.stderr.isatty():
            return
        from tqdm import tqdm

        with contextlib.suppress(OSError):
            if self._bar is None:
                shape = "{n}/{total} trials |{bar:12}| {elapsed}  {desc}"
                self._bar = tqdm(file=sys.stderr, dynamic_ncols=True, bar_format=shape)
            self._bar.total = self._total
            self._bar.refresh()

    def done(self, name: str, found: Score) -> None:
        self._made += 1
        failed = found.status != FINISHED
        why = ": ".join(filter(None, (found.status, found.why)))
        told = why if failed else f"{found.value:.6g}"
        line = visible(f"{name}  {told}")
        with contextlib.suppress(OSError):
            if self._bar is not None:
                self._bar.update(1)
                if failed:
                    self._bar.write(line, file=sys.stderr)
            else:
                count = f"{self._made}/{self._total}"
                print(f"{count}  {line}", file=sys.stderr, flush=True)

    def running(self, folders: Sequence[Path]) -> None:
        if self._bar is None:
            return
        states = [state for state in map(_state, folders) if state]
        with contextlib.suppress(OSError):
            self._bar.set_description_str("  ".join(states[:8]))

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _state(folder: Path) -> str:
    """`0003-seed-1 epoch 12`, of a run that is being trained."""
    try:
        with (folder / "metrics.jsonl").open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL))
            last = file.read().split(b"\n")[-2]
        row = json.loads(last)
        return f"{folder.name} epoch {int(row['epoch'])}"
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return ""
