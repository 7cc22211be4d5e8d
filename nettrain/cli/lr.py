"""The verb `lr`: which learning rate a config should have, by trying ten of them."""

from __future__ import annotations

import math
import shlex
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from nettrain.cli import plugin
from nettrain.cli.progress import Watching
from nettrain.cli.terminal import print_json, table
from nettrain.disk import Disk
from nettrain.errors import Error
from nettrain.experiment.rates import RATES, Sweep, length, sweep
from nettrain.experiment.setup import set_up
from nettrain.show.width import fitted


def lr(arguments: Namespace) -> int:
    """`nettrain lr CONFIG`."""
    plugin.load(arguments.plugin)
    if arguments.out and not arguments.out.endswith(".svg"):
        message = f'"{arguments.out}" is no file that can be drawn'
        raise Error("usage-arguments", message, fix="name a file that ends in .svg")
    setup = set_up(arguments.config, arguments.overrides)
    steps = length(setup.plan())
    watching = Watching(setup, steps * len(RATES))
    watching.note(f"measuring learning rates: {len(RATES)}, {steps:,} updates each …")
    try:
        found = sweep(setup, watching)
    finally:
        watching.close()
    if arguments.out:
        Disk().replace(Path(arguments.out), found.picture().encode(), durable=False)
    if arguments.json:
        print_json(_plain(found))
        return 0
    print(_table(found) + "\n")
    guess = f"guessing has {found.prior:.4g} (H0); {found.path} is {found.current:g}"
    print(fitted(f"{guess}\n{found.told()}", 2, sys.stdout))
    if found.chosen is not None:
        words = [arguments.config, *arguments.overrides, f"{found.path}={found.chosen}"]
        print(f"  nettrain run {shlex.join(words)}")
    if arguments.out:
        print(f"drawn to {arguments.out}", file=sys.stderr)
    return 0


def _plain(found: Sweep) -> dict[str, Any]:
    pairs = zip(found.rates, found.losses, strict=True)
    return {
        "path": found.path,
        "current": found.current,
        "steps": found.steps,
        "prior": found.prior,
        "rates": [{"rate": rate, "loss": loss} for rate, loss in pairs],
        "best": found.rates[found.best],
        "chosen": found.chosen,
    }


def _table(found: Sweep) -> str:
    """A row per rate: its loss, also as a share of guessing, and what it is."""
    rows = [["rate", "loss", "loss / guessing", ""]]
    for i, (rate, loss) in enumerate(zip(found.rates, found.losses, strict=True)):
        finite = math.isfinite(loss)
        share = f"{loss / found.prior:.3g}" if finite and found.prior else ""
        told = f"{loss:.4g}" if finite else "diverged"
        best = found.chosen is not None and i == found.best
        marks = {"best": best, "chosen": rate == found.chosen}
        marked = ", ".join(mark for mark, holds in marks.items() if holds)
        rows.append([f"{rate:g}", told, share, marked])
    widest = max(len(row[-1]) for row in rows)
    return table([[*row[:-1], row[-1].ljust(widest)] for row in rows])
