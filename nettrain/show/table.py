"""Tables of text, no wider than the terminal that they are shown on.

Where one is too wide its texts are wrapped, at blanks and inside paths. Where even that
is not enough, what is left of its columns stands below, beside the first ones again.
Numbers stay whole, and nothing is left out.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

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
_ODD = re.compile("[^\x00-\u02ff\u2000-\u20cf\u2190-\u22ff]")
"""What may take no column or two: no Latin letter, dash, arrow or sign."""
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
                _filled(part, width, is_left)
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


def breadth(text: str) -> int:
    """Columns that a text takes on a terminal: two for a wide character, as of Chinese,
    none for an accent that stands above the one before it."""
    if text.isascii() or not _ODD.search(text):
        return len(text)
    return sum(map(_breadth, text))


def _breadth(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 1 + (unicodedata.east_asian_width(character) in "WF")


def _filled(text: str, width: int, is_left: bool) -> str:
    blanks = " " * (width - breadth(text))
    return text + blanks if is_left else blanks + text


def _most(column: Sequence[str]) -> int:
    return max(map(breadth, column))


def _least(column: Sequence[str]) -> int:
    """Words are not broken, and a text has room for a few, which heads need not."""
    return max(_shortest(column, _LONG), min(_most(column[1:] or [""]), _READABLE))


def _shortest(column: Sequence[str], most: int = _SHORT) -> int:
    """What its numbers take, and its words, as far as these are not broken.

    Args:
        most: longer words are.
    """
    pieces = (piece.rstrip() for cell in {*column} for piece in _BREAK.split(cell))
    sizes = ((breadth(piece), _NUMBER.match(piece)) for piece in pieces)
    return max(size if number else min(size, most) for size, number in sizes)


def _wrapped(cell: str, width: int) -> list[str]:
    """Its lines, none wider than that; of nothing none."""
    if breadth(cell) <= width:
        return [cell.rstrip()] if cell else []
    lines = [""]
    for piece in _BREAK.split(cell):
        if breadth((lines[-1] + piece).rstrip()) > width:
            lines.append("")
        lines[-1] += piece
        while breadth(lines[-1].rstrip()) > width:
            at = fitting(lines[-1], width)
            lines[-1:] = [lines[-1][:at], lines[-1][at:]]
    return [line.rstrip() for line in lines if line]


def fitting(text: str, width: int) -> int:
    """How many characters of a text fit into a width: one at least."""
    if text.isascii():
        return max(1, min(width, len(text)))
    return max(1, bisect_right([*accumulate(map(_breadth, text))], width))
