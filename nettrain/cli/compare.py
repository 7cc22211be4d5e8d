"""The verb `compare`: runs beside each other, on the terminal and as a page."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from nettrain.cli import plugin
from nettrain.cli.terminal import print_json, table
from nettrain.disk import Disk
from nettrain.errors import visible
from nettrain.show.width import fitted
from nettrain.study.compare import Comparison


def compare(arguments: Namespace) -> int:
    """`nettrain compare RUN RUN…`."""
    plugin.load(arguments.plugin)
    found = Comparison.of(arguments.runs)
    if arguments.json:
        print_json(found.plain())
    else:
        print(told(found))
    if arguments.out:
        write(found, Path(arguments.out))
        if not arguments.json:
            print(visible(f"\nwritten to {arguments.out}"))
    return 0


def write(found: Comparison, path: Path) -> None:
    """The page of a comparison."""
    Disk().replace(path, found.page(path.parent), durable=False)


def told(found: Comparison) -> str:
    """The comparison as text."""
    several = len(found.groups) > 1
    tables = [
        table(found.overview, left=4),
        table(found.settings) if several and found.keys else "",
        table(found.results, left=2, keys=2),
        table(found.findings) if len(found.findings) > 1 else "",
    ]
    sentences = [*found.verdicts(), *found.meaning()]
    sentences += (f"note: {note}" for note in found.notes())
    said = fitted(visible("\n".join(sentences)), 2, sys.stdout)
    blocks = [fitted(visible(found.title), 2, sys.stdout), *tables, said]
    return "\n\n".join(block for block in blocks if block)
