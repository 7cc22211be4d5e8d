"""What came of one promise that was tried out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Score:
    """How often a promise was kept.

    Attributes:
        promise: what was tried, in a line: `killed at a disk call, then resumed`.
        passed, total: cases in which it was kept, and all.
        failures: what happened in the first few of the others, a line each.
    """

    promise: str
    passed: int
    total: int
    failures: tuple[str, ...] = ()
