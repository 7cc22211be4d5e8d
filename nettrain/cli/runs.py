"""The verb `runs`: a table of the runs in folders."""

from __future__ import annotations

import sys
import textwrap
from argparse import Namespace
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nettrain.cli.terminal import print_json, table
from nettrain.errors import Error, visible
from nettrain.show.width import columns
from nettrain.study.table import FIELDS, Row, rows
from nettrain.study.where import Condition

_TESTS = 3
"""Metrics of the test part that have a column: those that most runs have."""
_SPARE = ("step", "when", "epoch", "last", "best_epoch", "seed", "monitor", "primary")
_LAST = ("findings", "best", "name")
"""Columns that are left out where there is no room, these first, then those of the test
part, then the last."""
_TEXTS = ("folder", "name", "status")
"""The first columns: these are flush left."""
_FOLDER = 12
"""Characters of a folder that are always shown."""
_NARROW = 40
"""Columns that a sentence takes at least."""
_BETWEEN = 2
"""Blanks between columns."""


def runs(arguments: Namespace) -> int:
    """`nettrain runs`."""
    folders = list(map(Path, arguments.folders))
    for folder in folders:
        if not folder.is_dir():
            fix = "nettrain runs FOLDER; `nettrain run` makes runs/"
            raise Error("run-missing", f"there is no folder {folder}", fix=fix)
    conditions = [Condition.parse(text) for text in arguments.where]
    found = rows(folders, conditions, arguments.sort, arguments.reverse)
    if arguments.json:
        print_json([row.plain for row in found])
        return 0
    if not found:
        which = " that fulfils the conditions" if conditions else ""
        print(visible(f"no run in {', '.join(map(str, folders))}{which}"))
        return 0
    asked = [key for key in (*(c.key for c in conditions), arguments.sort) if key]
    wide = columns(sys.stdout) or sys.maxsize
    shown, left_out = _fitted(_columns(found, asked), asked, wide)
    cells = [[*shown], *map(list, zip(*shown.values(), strict=True))]
    print(table(cells, left=sum(key in _TEXTS for key in shown)))
    sys.stdout.flush()
    for row in found:
        if row.problem:
            print(visible(f"damaged: {row.problem}"), file=sys.stderr)
    if left_out:
        named = visible(", ".join(left_out))
        said = (
            f"left out to fit {wide} columns: {named}; --json or COLUMNS=300 tells all"
        )
        print(textwrap.fill(said, max(wide, _NARROW)), file=sys.stderr)
    return 0


def _columns(found: Sequence[Row], asked: Sequence[str]) -> dict[str, list[str]]:
    """A column per name; one in which nothing stands is left out.

    Args:
        asked: further keys that have a column.
    """
    plain = [dict(row.plain) for row in found]
    for row in plain:
        if row["name"] in Path(row["folder"]).parts:
            row["name"] = None
    counted = Counter(k for row in found for k in row.metrics if k.startswith("test/"))
    tests = [name for name, _ in counted.most_common(_TESTS)]
    more = [key for key in dict.fromkeys(asked) if key not in (*FIELDS, *tests)]
    numbers = FIELDS.index("findings")
    cells = {
        **{key: [row[key] for row in plain] for key in FIELDS[:numbers]},
        **{key: [row.value(key) for row in found] for key in (*tests, *more)},
        **{key: [row[key] for row in plain] for key in FIELDS[numbers:]},
    }
    return {
        key: [_told(value) for value in column]
        for key, column in cells.items()
        if any(value is not None for value in column)
    }


def _fitted(
    columns: Mapping[str, list[str]], asked: Sequence[str], wide: int
) -> tuple[dict[str, list[str]], list[str]]:
    """The columns that stand beside each other in a width, and those that do not.

    Numbers are never cut, and what was asked for stays. Where that is too wide, folders
    lose their beginnings.
    """
    widths = {
        key: max(len(visible(cell)) for cell in (key, *column))
        for key, column in columns.items()
    }
    tests = [key for key in columns if key.startswith("test/")]
    order = [*_SPARE, *reversed(tests), *_LAST]
    spare = [key for key in order if key in columns and key not in asked]
    over = sum(widths.values()) + _BETWEEN * (len(widths) - 1) - wide
    left_out: list[str] = []
    for key in spare:
        if over > 0:
            over -= widths[key] + _BETWEEN
            left_out.append(key)
    for key in left_out[::-1]:  # a narrow one may fit after all
        if over + widths[key] + _BETWEEN <= 0:
            over += widths[key] + _BETWEEN
            left_out.remove(key)
    shown = {key: cells for key, cells in columns.items() if key not in left_out}
    if over > 0:
        whole = list(map(visible, shown["folder"]))
        room = max(_FOLDER, widths["folder"] - over)
        while len({_end(name, room) for name in whole}) < len({*whole}):
            room += 1  # no two are called the same
        shown["folder"] = [_end(name, room) for name in whole]
    return shown, left_out


def _end(text: str, room: int) -> str:
    return text if len(text) <= room else "…" + text[len(text) - room + 1 :]


def _told(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
