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
from nettrain.cli.plan import brief
from nettrain.cli.terminal import print_json, table
from nettrain.errors import Error, visible
from nettrain.record.folder import BEST, METRICS, RUN, TRIALS
from nettrain.show.progress import ROWS
from nettrain.show.width import columns, fitted
from nettrain.study.plan import Plan
from nettrain.study.report import cells, conclusions, head, plain
from nettrain.study.results import FINISHED, Results, Score, short
from nettrain.study.sweep import Interrupted, sweep

_ROWS = 20
"""Points that the terminal shows; the table has all."""
_TAIL = 4096
"""Bytes at the end of a file of metrics that hold its last row."""
_USUAL, _ROOMY = 80, 72
"""Columns of a terminal that does not tell them, and so many that a bar has room."""


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
        text = f"interrupted after {watch.count} trials; all are saved\n  {said}"
        print(text, file=sys.stderr)
        return 128 + interrupted.number
    finally:
        watch.close()
    if arguments.json:
        print_json(plain(path, results))
    else:
        lines = [*_told(path, results), *watch.merged(results)]
        print("\n".join([*lines, *_best(arguments, path, results)]))
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
    return words + _plugins(arguments)


def _plugins(arguments: Namespace) -> list[str]:
    return [word for file in arguments.plugin for word in ("--plugin", file)]


def _best(arguments: Namespace, path: Path, results: Results) -> list[str]:
    """Where the best point's runs are, and the command that trains it alone."""
    if results.best is None:
        return []
    runs = f"the best point's runs: {path / TRIALS / results.best.point.name}-*"
    command = ["nettrain", "run", str(path / BEST), *_plugins(arguments)]
    return [visible(f"{runs}; to train it once more:\n  {shlex.join(command)}")]


def _told(path: Path, results: Results) -> list[str]:
    """The table of the best points, and what can be said of them."""
    points = (cells(results, row, n) for n, row in enumerate(results.rows, 1))
    rows = [head(results), *points]
    shown = rows[: _ROWS + 1]
    text = [table(shown, keys=2)]
    if len(rows) > len(shown):
        text.append(f"… and {len(rows) - len(shown)} more in the table")
    best = ", best.yaml" if results.best else ""
    said = visible("\n".join(conclusions(results)))
    return [
        *text,
        "",
        fitted(said, 2, sys.stdout),
        visible(f"{path}/table.csv{best}, report.html"),
    ]


class _Watching:
    """Shows a sweep on standard error: a bar on a terminal, else a line per trial."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._plan: Plan | None = None
        self._known = self._made = 0
        self._is_running = False

    @property
    def count(self) -> str:
        """`5 of 12`."""
        return f"{self._made} of {self._total}"

    @property
    def _total(self) -> int:
        """How many trials there are, counting one of each rung, as far as is known."""
        plan = self._plan
        if plan is None:
            return self._known
        points = sum(n for n, _ in plan.rungs) if plan.rungs else plan.points
        return max(self._known, points * len(plan.units))

    def begins(self, plan: Plan, path: Path, notes: Sequence[str]) -> None:
        self._plan = plan
        with contextlib.suppress(OSError):
            lines = "\n".join([*brief(plan, path), *notes])
            told = fitted(visible(lines), 2, sys.stderr)
            print(told, file=sys.stderr, flush=True)

    def merged(self, results: Results) -> list[str]:
        """What is to be said of points that were tried again; once, if known before."""
        plan, found = self._plan, len(results.rows)
        if plan is None or plan.exact or plan.asked <= found:
            return []
        return [f"{plan.asked} points were tried, and {found} of them are different"]

    def planned(self, trials: int) -> None:
        self._known += trials
        if not sys.stderr.isatty():
            return
        from tqdm import tqdm

        with contextlib.suppress(OSError):
            if self._bar is None:
                look = {"ncols": _wide(), "nrows": ROWS, "smoothing": 0}
                total, form = self._total, " "
                self._bar = tqdm(file=sys.stderr, total=total, bar_format=form, **look)
            self._drawn([])

    def done(self, name: str, found: Score) -> None:
        self._made += 1
        failed = found.status != FINISHED
        why = ": ".join(filter(None, (found.status, short(found.why))))
        told = why if failed else f"{found.value:.6g}"
        line = visible(f"{name}  {told}")
        with contextlib.suppress(OSError):
            if self._bar is not None:
                self._drawn([])
                if failed:
                    self._bar.write(line, file=sys.stderr)
            else:
                count = f"{self._made}/{self._total}"
                print(f"{count}  {line}", file=sys.stderr, flush=True)

    def running(self, folders: Sequence[Path]) -> None:
        if self._bar is None:
            return
        with contextlib.suppress(OSError):
            if not self._is_running:  # what was made before took no time
                self._is_running, self._bar.initial = True, self._made
                self._bar.reset(self._total)
            self._drawn([state for state in map(_state, folders) if state])

    def _drawn(self, states: Sequence[tuple[str, float]]) -> None:
        """The bar, with as many trials beside it as there is room for."""
        wide, total = _wide(), self._total
        shape = "|{bar:10}| " if wide >= _ROOMY else ""
        shape = f"{self._made}/{total} {shape}{{elapsed}}<{{remaining}}"
        self._bar.n = self._made + sum(share for _, share in states)
        self._bar.total, self._bar.ncols, self._bar.bar_format = total, wide, shape
        left = wide - len(str(self._bar))
        for name, share in states:
            told = f"  {name} {share:.0%}"
            left -= len(told)
            if left > 0:
                shape += told
        self._bar.bar_format = shape
        self._bar.refresh()

    def close(self) -> None:
        if self._bar is not None:
            with contextlib.suppress(OSError):
                self._drawn([])
            with contextlib.suppress(OSError):
                self._bar.close()
            self._bar = None


def _wide() -> int:
    return columns(sys.stderr) or _USUAL


def _state(folder: Path) -> tuple[str, float] | None:
    """`3 s1`: point and seed, and the share that is made; of a run being trained."""
    try:
        steps = json.loads((folder / RUN).read_bytes())["planned"]["steps"]
        with (folder / METRICS).open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL))
            last = file.read().split(b"\n")[-2]
        share = int(json.loads(last)["step"]) / steps
    except (OSError, ValueError, KeyError, IndexError, TypeError, ZeroDivisionError):
        return None
    point, *unit = folder.name.split("-")
    names = (
        f"{what[0]}{number}" for what, number in zip(*[iter(unit)] * 2, strict=True)
    )
    return " ".join([point.lstrip("0"), *names]), min(share, 1.0)
