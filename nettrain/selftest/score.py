"""What came of one promise that was tried out."""

from __future__ import annotations

from dataclasses import dataclass, field

TOLD = 5
"""How many failures are told; the count has them all."""


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


@dataclass
class Tally:
    """Counts the cases of a promise, one after the other."""

    promise: str
    passed: int = 0
    total: int = 0
    failures: list[str] = field(default_factory=list)

    def add(self, failure: str) -> None:
        """One more case: what went wrong in it, or nothing at all."""
        self.total += 1
        self.passed += not failure
        if failure and len(self.failures) < TOLD:
            self.failures.append(failure)

    def score(self) -> Score:
        return Score(self.promise, self.passed, self.total, tuple(self.failures))
