"""How sure a mean over seeds is, and whether two configs can be told apart.

Runs with several seeds are samples of one distribution; their mean has the interval of
Student (1908). The parts of a cross-validation share most of their training rows, so
that their scores vary together and the usual interval is too short: Nadeau and Bengio
("Inference for the generalization error", Machine Learning 52, 2003) add the share of
tested to trained rows to 1/n.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean and half its 95 % interval, NaN where one value cannot have one.

    >>> Interval.of([1.0, 2.0, 3.0])
    Interval(mean=2.0, half=2.4841377118...)
    """

    mean: float
    half: float

    @classmethod
    def of(cls, values: Sequence[float], folds: int = 1) -> Interval:
        """Mean ± t(.975, n - 1) · s · √(1/n + 1/(folds - 1)), the last term for folds.

        Args:
            values: of each run, n of them.
            folds: parts of the cross-validation that they come from; 1 without one.

        Returns:
            Mean and half are NaN where a value is not finite or there is none, and the
            half where there is only one.
        """
        n = len(values)
        if not n or not all(map(math.isfinite, values)):
            return cls(math.nan, math.nan)
        mean = statistics.fmean(values)
        if n < 2:
            return cls(mean, math.nan)
        from scipy.special import stdtrit

        shared = 1 / (folds - 1) if folds > 1 else 0.0
        spread = statistics.stdev(values) * math.sqrt(1 / n + shared)
        return cls(mean, float(stdtrit(n - 1, (1 + LEVEL) / 2)) * spread)

    @property
    def low(self) -> float:
        return self.mean - self.half

    @property
    def high(self) -> float:
        return self.mean + self.half

    @property
    def excludes_zero(self) -> bool:
        """Whether the mean can be told from 0; no interval tells nothing."""
        return self.low > 0 or self.high < 0


def difference(
    first: Sequence[float], second: Sequence[float], folds: int = 1
) -> Interval:
    """The mean of first - second, paired: value i of both has the same seed and fold.

    What a seed does to both configs (rows, order, split) cancels out.
    """
    return Interval.of([a - b for a, b in zip(first, second, strict=True)], folds)
