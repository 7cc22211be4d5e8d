"""The verb `report`: a page that tells one run, or several beside each other."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from nettrain.cli import plugin
from nettrain.cli.compare import write
from nettrain.errors import Error, visible
from nettrain.experiment.report import redraw
from nettrain.study.compare import Comparison


def report(arguments: Namespace) -> int:
    """`nettrain report RUN…`."""
    plugin.load(arguments.plugin)
    runs, out = arguments.runs, arguments.out
    if out and len(runs) == 1:
        fix = "leave out --out, or name several runs"
        raise Error("usage-arguments", "one run's page stands in its folder", fix=fix)
    written = [redraw(run, arguments.png) for run in runs]
    if len(runs) > 1:
        written = [Path(out or "report.html")]
        write(Comparison.of(runs), written[0])
    for path in written:
        print(visible(f"written to {path}"))
    return 0
