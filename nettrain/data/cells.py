"""Where the cells of a table stand, found in two ways that agree.

`find` looks at all bytes at once and gives up where quotes are not as RFC 4180 has
them. `find_strictly` reads one cell after the other, and knows what is wrong.

The grammar is RFC 4180 with two liberties: blanks around a cell do not count, and blank
lines are skipped. A quote inside a cell that does not begin with one is a character.
"""

from __future__ import annotations

import re
from array import array
from typing import NamedTuple

import numpy as np

_FEW = 64
"""So few cells are sooner cut out one by one."""
_QUOTE, _LF, _CR, _SPACE = b'"\n\r '


class Cells(NamedTuple):
    """The N cells of whole rows, in the order of a window of bytes.

    Blank lines are left out. The content of a cell is what its quotes hold, or what
    stands between the spaces around it.
    """

    start: np.ndarray
    """int64 (N,), where the content begins."""
    end: np.ndarray
    """int64 (N,), where it ends."""
    last: np.ndarray
    """bool (N,): the cells that end a row."""
    used: int
    """Bytes of the window that these rows take."""
    broken: dict[int, str] = {}  # noqa: RUF012  (nobody writes to it)
    """What is wrong with the quotes of cells, by their number."""


def find(data: bytes, delimiter: int) -> Cells | None:
    """The cells of the whole rows of a window, or None if that takes a strict reading.

    Args:
        data: the window; it begins with a row.
        delimiter: one byte.
    """
    window = np.frombuffer(data, np.uint8)
    ends = (window == delimiter) | (window == _LF)
    returns = b"\r" in data
    if returns:
        ends[:-1] |= (window[:-1] == _CR) & (window[1:] != _LF)
        ends[-1] |= window[-1] == _CR
    quotes = None
    if b'"' in data:
        at = np.flatnonzero(ends | (window == _QUOTE))
        is_quote = window.take(at) == _QUOTE
        inside = np.cumsum(is_quote) & 1 == 1
        quotes = at.compress(is_quote)
        at = at.compress(~(inside | is_quote))
    else:
        at = np.flatnonzero(ends)
    kinds = window.take(at)
    last = kinds != delimiter
    whole = len(last) - int(last[::-1].argmax()) if last.any() else 0
    at, kinds, last = at[:whole], kinds[:whole], last[:whole]
    if not whole:
        return Cells(at, at, last, 0)
    start = np.empty_like(at)
    start[0] = 0
    np.add(at[:-1], 1, out=start[1:])
    used, end = int(at[-1]) + 1, at
    if returns:
        end = end - ((kinds == _LF) & (end > start) & (window.take(end - 1) == _CR))
    if b" " in data:
        _trim(window, start, end)
    if quotes is not None:
        quotes = quotes[: np.searchsorted(quotes, used)]
        if not _unquote(window, start, end, quotes):
            return None
    return _without_blank_rows(window, Cells(start, end, last, used))


def _trim(window: np.ndarray, start: np.ndarray, end: np.ndarray) -> None:
    """Leave the spaces around cells out."""
    leading, trailing = window.take(start) == _SPACE, window.take(end - 1) == _SPACE
    if not leading.any() and not trailing.any():
        return
    solid = np.flatnonzero(window != _SPACE)
    at = np.flatnonzero(leading & (start < end))
    start[at] = np.minimum(solid[np.searchsorted(solid, start[at])], end[at])
    at = np.flatnonzero(trailing & (start < end))  # blank ones are empty by now
    end[at] = solid[np.searchsorted(solid, end[at]) - 1] + 1


def _unquote(
    window: np.ndarray, start: np.ndarray, end: np.ndarray, quotes: np.ndarray
) -> bool:
    """Leave the quotes around cells out; whether no others stand there.

    A quoted cell has one at each end, and pairs between them: the even ones (from 0)
    open, the odd ones close, and an odd one with an even one right behind it is such a
    pair. No cell has fewer quotes than that, so their sum tells whether one has more.
    """
    quoted = (window.take(start) == _QUOTE) & (window.take(end - 1) == _QUOTE)
    pairs = np.count_nonzero(quotes[1:-1:2] + 1 == quotes[2::2])
    if len(quotes) != 2 * (np.count_nonzero(quoted) + pairs):
        return False
    start += quoted
    end -= quoted
    return True


def _without_blank_rows(window: np.ndarray, cells: Cells) -> Cells | None:
    start, end, last, used = cells[:4]
    alone = last.copy()
    alone[1:] &= last[:-1]
    if not alone.any():
        return cells
    empty = start == end
    first = window.take(start)
    # Whether others are blank is for the strict reading to tell.
    if (alone & ~empty & ((first <= _SPACE) | (first > 126))).any():
        return None
    kept = ~(alone & empty)
    if kept.all():
        return cells
    return Cells(*(values.compress(kept) for values in (start, end, last)), used)


# ---------------------------------------------------------------- texts


def written(window: bytes, start: np.ndarray, end: np.ndarray) -> list[str]:
    """The contents of cells, in their order; blanks may stand around them."""
    if len(start) < _FEW:
        spans = zip(start.tolist(), end.tolist(), strict=True)
        contents = b"\0".join([window[first:stop] for first, stop in spans])
        cells = contents.decode().split("\0") if len(start) else []
    else:
        width = end - start + 1
        stop = np.cumsum(width)
        at = np.repeat(start - stop + width, width)
        at += np.arange(len(at))
        data = np.frombuffer(window, np.uint8).take(at, mode="clip")
        data[stop - 1] = 0  # stands in no table, and here behind each of the cells
        contents = data.tobytes()
        cells = contents.decode().split("\0")[:-1]
    if b'"' in contents and b'""' in contents:  # one byte is found far sooner
        for i, at in enumerate(start.tolist()):
            if quoted(window, at):
                cells[i] = cells[i].replace('""', '"')
    return cells


def quoted(window: bytes, start: int) -> bool:
    """Whether the cell whose content begins here stands in quotes."""
    return start > 0 and window[start - 1] == _QUOTE


# ---------------------------------------------------------------- strict reading


def _pattern(delimiter: bytes) -> re.Pattern[bytes]:
    d = re.escape(delimiter)
    bare = rb"[^%b\r\n]*+" if len(delimiter) == 1 else rb"(?:(?!%b)[^\r\n])*+"
    bare %= d
    # Possessive: nothing is kept to come back to.
    quoted = rb'"(?P<quoted>[^"]*+(?:""[^"]*+)*+)(?P<close>"?)(?P<junk>%b)' % bare
    cell = rb" *+(?:%b|(?P<bare>%b))" % (quoted, bare)
    return re.compile(cell + rb"(?P<end>%b|\r\n|\r|\n)?" % d)


def find_strictly(window: bytes, delimiter: bytes, final: bool) -> Cells:
    """The cells of the whole rows of a window, and what is wrong with their quotes.

    Args:
        final: whether the file ends here; else a quote may be closed further on.
    """
    pattern = _pattern(delimiter)
    start, end, last = array("q"), array("q"), bytearray()
    broken: dict[int, str] = {}
    row = used = at = 0  # the first cell of the row, and where the row begins
    while at < len(window):
        match = pattern.match(window, at)
        assert match is not None  # the pattern matches the empty string too
        name = "bare" if match["quoted"] is None else "quoted"
        content = match[name]
        if fault := _fault(match):
            broken[len(start)] = fault
        start.append(match.start(name))
        end.append(match.start(name) + len(content.rstrip(b" ")))
        if name == "quoted":
            end[-1] = match.end(name)
        at, stop = match.end(), match["end"]
        last.append(stop != delimiter)
        if stop == delimiter:
            continue
        if stop is None and not final:
            break
        alone = len(start) - row == 1 and row not in broken
        if alone and not content.decode().strip():
            del start[row:], end[row:], last[row:]
        row, used = len(start), at
    del start[row:], end[row:], last[row:]
    broken = {cell: fault for cell, fault in broken.items() if cell < row}
    spans = [np.array(ends, np.int64) for ends in (start, end)]
    return Cells(*spans, np.frombuffer(bytes(last), bool), used, broken)


def _fault(match: re.Match[bytes]) -> str:
    if match["quoted"] is None:
        return ""
    if not match["close"]:
        return "a quote that is never closed"
    junk = match["junk"].decode(errors="replace").strip()
    return f'"{junk[:40]}" after the closing quote' if junk else ""
