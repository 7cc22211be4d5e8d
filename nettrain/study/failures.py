"""In words: which points of a sweep came to nothing, and why."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nettrain.component import listed
from nettrain.study.verdict import count

if TYPE_CHECKING:
    from nettrain.study.results import Results, Row

_AGAIN = ("failed", "timeout")
"""What may come to another end when it is tried once more."""
_MOST = 120
"""Characters of a reason."""
_SAID = re.compile(r"^(?:error\[[^\]]*\]|\w*(?:Error|Exception|Warning):) ?(.+)", re.M)


def failures(results: Results) -> list[str]:
    """A sentence for those that failed, and one for those that diverged."""
    told = []
    for kinds, verb in ((_AGAIN, "failed"), (("diverged",), "diverged")):
        rows = [row for row in results.rows if row.status in kinds]
        if rows:
            rows.sort(key=lambda row: row.point.number)
            many = f"{len(rows)} of {count(len(results.rows), 'point')} {verb}"
            again = "; the same command tries again" * (verb == "failed")
            told.append(f"{many}: {_named(results, rows)}{again}")
    return told


def _named(results: Results, rows: list[Row]) -> str:
    first, *others = rows
    also = listed(row.point.number for row in others)
    why = f" ({told})" if (told := reason(results, first)) else ""
    return f"point {first.point.number}{why}" + (f"; also {also}" if also else "")


def reason(results: Results, row: Row) -> str:
    """Of the first trial that is to blame, in one line: `seed 1: it was killed twice`.

    Empty where all trials of the point came to their end.
    """
    for unit, found in zip(results.units, row.scores, strict=True):
        if found.status == row.status and found.why:
            which = f"{unit.label}: " if len(results.units) > 1 else ""
            return which + short(found.why)
    return ""


def short(why: str) -> str:
    """The line of a text, which may be a traceback, that says what was wrong."""
    lines = _SAID.findall(why) or why.strip().splitlines()[-1:]
    line = lines[-1].strip() if lines else ""
    return line if len(line) <= _MOST else f"{line[: _MOST - 1]}…"
