"""Tables of text, no wider than the terminal that they are shown on.

Where one is too wide its texts are wrapped, at blanks and inside paths. Where even that
is not enough, what is left of its columns stands below, beside the first ones again.
Numbers stay whole, and nothing is left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from nettrain.errors import visible

_BETWEEN = 2
"""Blanks between columns."""
_LEAST = 40
"""Columns of a terminal that are always used."""
_LONG, _SHORT = 24, 8
"""Characters of a word that may be broken anywhere; and where there is no other way."""
_READABLE = 20
"""Columns that a text takes, if it is so long."""
_BREAK = re.compile(
    r"(?<![±→×…]\s)(?<=\s)(?=\S)"  # at a blank, but not behind a sign: ± 0.1
    r"|(?<=[/=])(?=\w)|(?<=[.,])(?=[^\W\d])"  # inside a path: model.dense1.units
)
"""Where a text may be broken."""
_NUMBER = re.compile(r"([±→×+-]\s?)?[\d.,]+(e[+-]?\d+)?\W*$")

Rows = Sequence[Sequence[str]]


def table(
    rows: Rows,
    left: int = 1,
    keys: int = 1,
    wide: int | None = None,
    head: Callable[[str], str] = str,
) -> str:
    """Columns side by side, the heads first.

    Args:
        rows: of texts, each as many.
        left: so many columns are flush left; the others, numbers, flush right.
        keys: so many say what a row is, and come again with what stands below.
        wide: columns that there are; None for as many as it takes.
        head: makes of a line of heads what is shown of it.
    """
    columns = [list(map(visible, column)) for column in zip(*rows, strict=True)]
    wide = max(_LEAST, wide) if wide else None
    blocks = [
        _block([columns[i] for i in block], [i < left for i in block], wide, head)
        for block in _blocks(columns, keys, wide)
    ]
    return "\n\n".join(blocks)


def _blocks(
    columns: Sequence[Sequence[str]], keys: int, wide: int | None
) -> Iterator[list[int]]:
    """Which columns stand beside each other."""
    every = [*range(len(columns))]
    if wide is None or _total(widths := [*map(_least, columns)]) <= wide:
        yield every
        return
    # Keys are wrapped only as far as they leave two thirds to the others.
    for i in range(keys):
        widths[i] = max(widths[i], min(_most(columns[i]), wide // (3 * keys)))
    block = every[:keys]
    for i in every[keys:]:
        if len(block) > keys and _total([widths[j] for j in (*block, i)]) > wide:
            yield block
            block = every[:keys]
        block.append(i)
    yield block


def _block(
    columns: Sequence[Sequence[str]],
    left: Sequence[bool],
    wide: int | None,
    head: Callable[[str], str],
) -> str:
    widths = _widths(columns, wide)
    lines: list[str] = []
    for number, row in enumerate(zip(*columns, strict=True)):
        cells = [_wrapped(cell, width) for cell, width in zip(row, widths, strict=True)]
        for n in range(max(map(len, cells))):
            parts = [cell[n] if n < len(cell) else "" for cell in cells]
            line = (" " * _BETWEEN).join(
                part.ljust(width) if is_left else part.rjust(width)
                for part, width, is_left in zip(parts, widths, left, strict=True)
            )
            lines.append(line.rstrip() if number else head(line.rstrip()))
    return "\n".join(lines)


def _widths(columns: Sequence[Sequence[str]], wide: int | None) -> list[int]:
    """Of each column: the widest are narrowed until all fit, at last inside words."""
    widths = [*map(_most, columns)]
    if wide is None or _total(widths) <= wide:
        return widths
    for least in (_least, _shortest):
        floors = [*map(least, columns)]
        while _total(widths) > wide:
            free = [i for i in range(len(widths)) if widths[i] > floors[i]]
            if not free:
                break
            widths[max(free, key=lambda i: widths[i])] -= 1
    return widths


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + _BETWEEN * (len(widths) - 1)


def _most(column: Sequence[str]) -> int:
    return max(map(len, column))


def _least(column: Sequence[str]) -> int:
    """Words are not broken, and a text has room for a few, which heads need not."""
    return max(_shortest(column, _LONG), min(_most(column[1:] or [""]), _READABLE))


def _shortest(column: Sequence[str], most: int = _SHORT) -> int:
    """What its numbers take, and its words, as far as these are not broken.

    Args:
        most: longer words are.
    """
    pieces = (piece.rstrip() for cell in {*column} for piece in _BREAK.split(cell))
    return max(len(p) if _NUMBER.match(p) else min(len(p), most) for p in pieces)


def _wrapped(cell: str, width: int) -> list[str]:
    """Its lines, none wider than that; of nothing none."""
    lines = [""]
    for piece in _BREAK.split(cell) if len(cell) > width else [cell]:
        if len((lines[-1] + piece).rstrip()) > width:
            lines.append("")
        lines[-1] += piece
        while len(lines[-1].rstrip()) > width:
            lines[-1:] = [lines[-1][:width], lines[-1][width:]]
    return [line.rstrip() for line in lines if line]
