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
from nettrain.show.table import breadth, fitting
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
_FOLDER, _LEAST = 24, 12
"""Columns of a folder that are shown before another column is left out; and always."""
_SAID = 20
"""Columns of a value that is told of a column that is left out."""
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
    every = _columns(found, asked)
    shown, left_out = _fitted(every, asked, wide)
    cells = [[*shown], *map(list, zip(*shown.values(), strict=True))]
    print(table(cells, left=sum(key in _TEXTS for key in shown)))
    sys.stdout.flush()
    for row in found:
        if row.problem:
            print(visible(f"damaged: {row.problem}"), file=sys.stderr)
    lost = ["the beginnings of folders"] * (shown["folder"] != every["folder"])
    if lost := [*lost, *(_named(key, every[key]) for key in left_out)]:
        named = visible(", ".join(lost))
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
    if "name" not in asked and all(
        row["name"] in (None, *Path(row["folder"]).parts) for row in plain
    ):
        for row in plain:
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
        key: [visible(_told(value)) for value in column]
        for key, column in cells.items()
        if any(value is not None for value in column)
    }


def _fitted(
    columns: Mapping[str, list[str]], asked: Sequence[str], wide: int
) -> tuple[dict[str, list[str]], list[str]]:
    """The columns that stand beside each other in a width, and those that do not.

    Folders lose their beginnings first, down to `_FOLDER` columns; then columns are
    left out; then folders lose more. Numbers are never cut, and what was asked for
    stays.
    """
    widths = {
        key: max(breadth(cell) for cell in (key, *column))
        for key, column in columns.items()
    }
    folders = columns["folder"]
    widths["folder"] = max(map(breadth, ("folder", *_ends(folders, _FOLDER))))
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
    shown["folder"] = _ends(folders, max(_LEAST, widths["folder"] - over))
    return shown, left_out


def _ends(texts: Sequence[str], room: int) -> list[str]:
    """What of texts fits into so many columns, or into as many as tell them apart."""
    whole = len({*texts})
    while len({*(ends := [_end(text, room) for text in texts])}) < whole:
        room += 1
    return ends


def _end(text: str, room: int) -> str:
    if breadth(text) <= room:
        return text
    return "…" + text[len(text) - fitting(text[::-1], room - 1) :]


def _named(key: str, column: Sequence[str]) -> str:
    """A column that is left out, and what it says if that is the same of all runs."""
    said, *others = {*column}
    return key if others or breadth(said) > _SAID else f"{key} ({said})"


def _told(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
