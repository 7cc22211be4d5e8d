"""How a long row of columns is broken into bands below each other, as text into lines.

An arrow from one band to a later one leaves at the right, turns back in a channel below
its band, and goes down in the gutter to the left of all bands.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

STEP = 9.0
"""Between arrows that run beside each other in a channel or gutter."""

_TURN = 0.04
"""What an arrow that has to turn is worth, in squares of a whole band's width."""


def broken(
    widths: Sequence[float], going_on: Sequence[int], limit: float
) -> list[range]:
    """The columns of each band, from 1: as few bands as can be, of about one length.

    Args:
        widths: of the columns, with the gaps before them.
        going_on: of each column how many arrows go on to later ones.
        limit: of a band's width; only a single column is wider.
    """
    best = [(0, 0.0, 0)]
    """By number of columns: in how many bands, at what cost, the last one's start."""
    for end in range(1, len(widths) + 1):
        found, width = [], 0.0
        for start in range(end - 1, -1, -1):
            width += widths[start]
            if width > limit and found:
                break
            bands, cost, _ = best[start]
            turning = _TURN * going_on[start - 1] if start else 0.0
            found.append((bands + 1, cost + (width / limit) ** 2 + turning, start))
        best.append(min(found))
    bands, end = [], len(widths)
    while end or not bands:
        start = best[end][2]
        bands.append(range(start + 1, end + 1))
        end = start
    return bands[::-1]


def lanes(spans: Sequence[tuple[Hashable, float, float]]) -> dict[Hashable, int]:
    """A lane for each, from 0, so that none overlaps another in its lane.

    Args:
        spans: key, start and end; who starts first chooses first.
    """
    ends: list[float] = []
    found: dict[Hashable, int] = {}
    for key, start, end in sorted(spans, key=lambda span: span[1]):
        free = (i for i, last in enumerate(ends) if last <= start)
        lane = next(free, len(ends))
        ends[lane : lane + 1] = [end]
        found[key] = lane
    return found
