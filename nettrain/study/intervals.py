"""How sure a mean over seeds is, and whether configs can be told apart.

Runs with several seeds are samples of one distribution; their mean has the interval of
Student (1908). The parts of a cross-validation share most of their training rows, so
that their scores vary together and the usual interval is too short: Nadeau and Bengio
("Inference for the generalization error", Machine Learning 52, 2003) add the share of
tested to trained rows to 1/n.

Values that are all the same say nothing of how far others would lie from them. It is
chance that so few accuracies of few rows agree, and no certainty: there is no interval.
"""

from __future__ import annotations

import bisect
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

LEVEL = 0.95
POWER = 0.8
"""How often `enough` seeds tell."""
MOST = 1000
"""Seeds beyond which nobody goes."""
_ROUNDING = 8
"""Units in the last place by which equal values may differ."""


@dataclass(frozen=True)
class Interval:
    """A mean of n values and half its 95 % interval, NaN where it has none.

    Attributes:
        folds: parts of the cross-validation that they come from; 1 without one.

    >>> Interval.of([1.0, 2.0, 3.0])
    Interval(mean=2.0, half=2.4841377118..., n=3)
    """

    mean: float
    half: float
    n: int = 0
    folds: int = field(default=1, repr=False)

    @classmethod
    def of(cls, values: Sequence[float], folds: int = 1, size: float = 0.0) -> Interval:
        """Mean ± t(.975, n - 1) · s · √(1/n + 1/(folds - 1)), the last term for folds.

        Args:
            values: of each run, n of them.
            folds: parts of the cross-validation that they come from; 1 without one.
            size: of the numbers whose differences they are, which were rounded.

        Returns:
            Mean and half are NaN where a value is not finite or too large to be added
            up, or there is none; the half where there is only one, or all are equal.
        """
        n = len(values)
        if not n or not all(map(math.isfinite, values)):
            return cls(math.nan, math.nan, n)
        try:
            mean = statistics.fmean(values)
            spread = statistics.stdev(values) if n > 1 else 0.0
        except OverflowError:  # a loss may be as large as that before it is infinite
            return cls(math.nan, math.nan, n)
        rounding = _ROUNDING * math.ulp(max(size, *map(abs, values)))
        if max(values) - min(values) <= rounding:
            return cls(mean, math.nan, n)
        half = _quantile(n, 1 - LEVEL) * spread * _share(n, folds)
        return cls(mean, half, n, folds)

    @property
    def low(self) -> float:
        return self.mean - self.half

    @property
    def high(self) -> float:
        return self.mean + self.half

    @property
    def agree(self) -> bool:
        """Whether there are several values, all of them equal."""
        return self.is_tested and math.isnan(self.half)

    @property
    def is_tested(self) -> bool:
        """Whether there are several values, and all are numbers."""
        return self.n > 1 and math.isfinite(self.mean)

    @property
    def p(self) -> float:
        """How probable by chance a mean so far from 0 is; 1 where it has no interval.

        2 P(T > |mean| / standard error), T Student's with n - 1 degrees of freedom.
        """
        if math.isnan(self.half):
            return 1.0
        from scipy.special import stdtr

        of_error = _quantile(self.n, 1 - LEVEL)
        return 2 * float(stdtr(self.n - 1, -abs(self.mean) * of_error / self.half))

    def enough(self, tests: int) -> int:
        """Seeds with which one of so many tests tells such a mean from 0, in `POWER`.

        Were mean and spread s those of all seeds, the t of n values had Student's
        noncentral distribution, n - 1 degrees of freedom, mean / (s √(1/n + 1/(folds -
        1))) off the centre (Johnson and Welch, "Applications of the non-central
        t-distribution", Biometrika 31, 1940). It tells where t > t(1 - .05 / (2 tests),
        n - 1).

        Args:
            tests: by how many the level is divided; see `told_apart`.

        Returns:
            The fewest from 2; one more than `MOST` where these are too few.
        """
        from scipy.special import nctdtr

        spread = self.half / _quantile(self.n, 1 - LEVEL) / _share(self.n, self.folds)

        def tells(seeds: int) -> bool:
            n = seeds * self.folds
            off = abs(self.mean) / spread / _share(n, self.folds)
            needed = _quantile(n, (1 - LEVEL) / tests)
            # Far off the centre it is no number, and as good as 0.
            return not float(nctdtr(n - 1, off, needed)) > 1 - POWER

        return 2 + bisect.bisect_left(range(2, MOST + 1), True, key=tells)


def _quantile(n: int, level: float) -> float:
    """What |t| of n values exceeds with this probability, where their mean is 0."""
    from scipy.special import stdtrit

    return float(stdtrit(n - 1, 1 - level / 2))


def _share(n: int, folds: int) -> float:
    """√(1/n + 1/(folds - 1)): what of the spread is that of the mean of n values."""
    return math.sqrt(1 / n + (1 / (folds - 1) if folds > 1 else 0.0))


def difference(
    first: Sequence[float], second: Sequence[float], folds: int = 1
) -> Interval:
    """The mean of first - second, paired: value i of both has the same seed and fold.

    What a seed does to both configs (rows, order, split) cancels out.
    """
    size = max(map(abs, [*first, *second]), default=0.0)
    apart = [a - b for a, b in zip(first, second, strict=True)]
    return Interval.of(apart, folds, size)


def told_apart(behind: Sequence[Interval]) -> list[bool]:
    """Which rivals can be told from the best, so that all of it holds at once.

    Where nothing differs, at most one such list in twenty tells any apart: with p(1) ≤
    p(2) ≤ … of the r rivals that have pairs with the best, rival i can be told if
    p(j) ≤ .05 / (m - j + 1) for all j ≤ i (Holm, "A simple sequentially rejective
    multiple test procedure", Scandinavian Journal of Statistics 6, 1979). Who is the
    best, the same values say: any pair might have been compared, so m = r (r + 1) / 2,
    the pairs of r + 1. Of one rival this is whether its interval excludes zero.

    Args:
        behind: the difference of each rival from the best.
    """
    tested = [i for i, one in enumerate(behind) if one.is_tested]
    left = len(tested) * (len(tested) + 1) // 2
    told = [False] * len(behind)
    values = {i: behind[i].p for i in tested}
    for i in sorted(tested, key=values.__getitem__):
        if values[i] * left > 1 - LEVEL:
            break
        told[i], left = True, left - 1
    return told
