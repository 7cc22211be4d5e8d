"""Texts that are numbers to people, but not in the way that a table is read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import Literal

from nettrain.data.faults import shown_fields
from nettrain.data.table import PLAIN, Notation, is_number

Odd = tuple[Notation, ...] | Literal["amounts"]
"""How some texts are numbers: in one notation or another; or as amounts, `$1,050`."""
FEW = 20
"""So few different texts may be meant as categories."""
_COMMA, _APART = Notation(","), Notation(".", ",")
"""How 1,234 may be meant."""
_NOTATIONS = (
    PLAIN,
    _APART,
    _COMMA,
    *(Notation(decimal, mark) for mark in " '" for decimal in ".,"),
    Notation(",", "."),
)
_MARK = re.compile(
    r"(?!\D*\d)(?:[^\w\s]+|[#<(\\].*|\w\W{1,2}\w\W?"
    r"|(?i:na|nan|nil|none|null|missing|unknown))"
)
"""Texts that say nothing: `-`, `?`, `#N/V`, `<NA>`, `k.A.`, `n/a`."""
_LONGEST = 16
"""Characters of such a text, at most."""
_LIKELY = re.compile("[+-]?\\d[\\d.,' \u00a0\u202f\u2019]*+", re.ASCII)
_SINGLE = re.compile(r"[+-]?[1-9]\d{0,2}\D\d{3}", re.ASCII)
"""One mark before three digits: it may stand between thousands, or be of a code."""
_LOOKED_AT = 10_000
"""Different texts by which a column is judged."""
_DIGITS = r"(?:\d{1,3}(?:[,.' ]\d{3})++|\d++)(?:[.,]\d++)?"
AMOUNT = re.compile(rf"[+-]?[$€£¥] ?[+-]?{_DIGITS}|[+-]?{_DIGITS} ?[$€£¥%‰]", re.ASCII)


def notations(cells: Sequence[str], now: Notation = PLAIN) -> tuple[Notation, ...]:
    """How texts may be written that are no numbers by now, if most of them are some.

    It is one notation, or two where all that is seen is like 1,234.

    Args:
        cells: those of a column, its numbers too, which the notation has to fit.
        now: how numbers are read.
    """
    known = dict(islice(Counter(filter(None, cells)).items(), _LOOKED_AT))
    rest = {cell: n for cell, n in known.items() if not is_number(cell, now)}
    half = sum(rest.values()) / 2
    if sum(n for cell, n in rest.items() if _LIKELY.fullmatch(cell)) <= half:
        return ()
    counts = [
        sum(n for cell, n in known.items() if is_number(cell, how))
        for how in _NOTATIONS
    ]
    best = [h for h, n in zip(_NOTATIONS, counts, strict=True) if n == max(counts)]
    if _COMMA in best:  # which has no more to it than is seen
        best = [how for how in (_APART, _COMMA) if how in best]
    else:
        best = [*(how for how in best if how.decimal == now.decimal), *best][:1]
    read = sum(n for cell, n in rest.items() if is_number(cell, best[-1]))
    return tuple(best) if read > half else ()


def is_mark(cell: str) -> bool:
    """Whether a text among numbers most likely stands for a missing value."""
    return len(cell) < _LONGEST and _MARK.fullmatch(cell) is not None


def odd_numbers(cells: Sequence[str], now: Notation = PLAIN) -> Odd | None:
    """How most of some texts are numbers that are not written as they are read.

    Few different ones may be meant as categories, if they have no decimals.
    """
    known = Counter(filter(None, cells))
    found = notations(cells, now)
    odd = (c for c in known if found and is_number(c, found[0]) > is_number(c, now))
    if found and (len(known) > FEW or not all(map(_SINGLE.fullmatch, odd))):
        return found
    amounts = sum(n for cell, n in known.items() if AMOUNT.fullmatch(cell))
    return "amounts" if 2 * amounts > known.total() and len(known) > FEW else None


def advice(found: tuple[Notation, ...], now: Notation = PLAIN) -> str:
    """What to say of the file: `decimal: ",", thousands: "."`."""
    said = [shown_fields(changes(how, now)) for how in found]
    if len(said) == 1:
        return f"{said[0]} of the file"
    return (
        f"{said[0]} of the file where it stands between thousands, {said[1]} where "
        "decimals follow it"
    )


def changes(how: Notation, now: Notation = PLAIN) -> dict[str, str]:
    """The fields of a source by which numbers are read otherwise than now."""
    before = now._asdict()
    return {key: v for key, v in how._asdict().items() if v != before[key]}
