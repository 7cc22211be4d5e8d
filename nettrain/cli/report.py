"""The verb `report`: a page that tells one run, or several beside each other."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from nettrain.cli import plugin
from nettrain.cli.compare import write
from nettrain.errors import Error, visible
from nettrain.experiment.report import redraw
from nettrain.record.folder import REPORT, SWEEP
from nettrain.study.compare import Comparison, placed
from nettrain.study.folders import runs_of


def report(arguments: Namespace) -> int:
    """`nettrain report RUN…`."""
    plugin.load(arguments.plugin)
    named, out = [Path(path) for path in arguments.runs], arguments.out
    runs = runs_of(named)
    is_one = named == runs and len(runs) == 1
    if out and is_one:
        fix = "leave out --out, or name several runs"
        raise Error("usage-arguments", "one run's page stands in its folder", fix=fix)
    sweeps = [path for path in named if (path / SWEEP).exists()]
    several = None if is_one or (named == sweeps and not out) else Comparison.of(named)
    for run in runs:
        try:
            _say(redraw(run, arguments.png))
        except Error as error:  # as `compare` has it
            if run in named:
                raise
            why = f"left out: {run}: {placed(error).removeprefix(f'{run}/')}"
            print(visible(why), file=sys.stderr, flush=True)
    if several is not None:
        path = Path(out or _folder(named) / REPORT)
        write(several, path)
        _say(path)
    for path in sweeps:
        print(visible(f"the sweep's page is {path / REPORT}"), flush=True)
    return 0


def _folder(named: Sequence[Path]) -> Path:
    """Where the page of several runs goes: to them, if one folder holds them all."""
    return named[0] if len(named) == 1 else Path()


def _say(path: Path) -> None:
    print(visible(f"written to {path}"), flush=True)
