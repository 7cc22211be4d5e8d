"""The verb `runs`: a table of the runs in a folder."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nettrain.cli.terminal import print_json, table
from nettrain.errors import Error, visible
from nettrain.study.table import FIELDS, Row, rows
from nettrain.study.where import Condition

_TESTS = 3
"""Metrics of the test part that have a column: those that most runs have."""


def runs(arguments: Namespace) -> int:
    """`nettrain runs`."""
    folder = Path(arguments.folder)
    if not folder.is_dir():
        fix = "nettrain runs FOLDER; `nettrain run` makes runs/"
        raise Error("run-missing", f"there is no folder {folder}", fix=fix)
    conditions = [Condition.parse(text) for text in arguments.where]
    found = rows(folder, conditions, arguments.sort, arguments.reverse)
    if arguments.json:
        print_json([row.plain for row in found])
        return 0
    if not found:
        which = " that fulfils the conditions" if conditions else ""
        print(visible(f"no run in {folder}{which}"))
        return 0
    asked = [c.key for c in conditions] + [arguments.sort]
    print(table(_cells(found, [key for key in asked if key]), left=3))
    sys.stdout.flush()
    for row in found:
        if row.problem:
            print(visible(f"damaged: {row.problem}"), file=sys.stderr)
    return 0


def _cells(found: Sequence[Row], asked: Sequence[str]) -> list[list[str]]:
    """Heads, then a row per run; a column in which nothing stands is left out.

    Args:
        asked: further keys that have a column.
    """
    plain = [dict(row.plain) for row in found]
    for row in plain:
        if row["best"] is not None and row["best_epoch"] is not None:
            row["best"] = f"{row['best']:.4g} (epoch {row['best_epoch']})"
        if row["name"] in Path(row["folder"]).parts:
            row["name"] = None
    counted = Counter(k for row in found for k in row.metrics if k.startswith("test/"))
    tests = [name for name, _ in counted.most_common(_TESTS)]
    more = [key for key in dict.fromkeys(asked) if key not in (*FIELDS, *tests)]
    columns = {
        **{key: [row[key] for row in plain] for key in FIELDS[:9]},
        **{key: [row.value(key) for row in found] for key in (*tests, *more)},
        **{key: [row[key] for row in plain] for key in FIELDS[9:]},
    }
    shown = {
        key: [_told(value) for value in column]
        for key, column in columns.items()
        if any(value is not None for value in column)
    }
    return [[*shown], *map(list, zip(*shown.values(), strict=True))]


def _told(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
