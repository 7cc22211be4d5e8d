"""What the runs come to: which count, and how often the diagnosis was right."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from experiments.faults.catalogue import FAULTS, PROGRAMS
from experiments.faults.jobs import Job
from nettrain.diagnose.finding import Finding

K = TypeVar("K", bound=Hashable)

EFFECT, SIGNIFICANCE = 0.05, 0.05
"""A fault hurts if its runs are so much worse than their twins, at this level."""
Z = 1.959964
"""Of a two-sided interval of 95 %."""


@dataclass(frozen=True)
class Judged:
    """A run and its verdict.

    Attributes:
        job: which run.
        status: finished or diverged.
        score: accuracy or R² on the test rows.
        rows: of the test part.
        planned: updates of the whole run.
        findings: the primary one first.
        published: of each published tool the rules that flag it.
        seconds: of training.
        recovered: test score after one patch; None where none was tried.
    """

    job: Job
    status: str
    score: float
    rows: int
    planned: int
    findings: Sequence[Finding]
    published: Mapping[str, Sequence[str]] = field(default_factory=dict)
    seconds: float = 0.0
    recovered: float | None = None

    @property
    def primary(self) -> Finding | None:
        found = [f for f in self.findings if f.primary]
        return found[0] if found else None

    def has(self, *severities: str) -> bool:
        return any(f.severity in severities for f in self.findings)

    @property
    def alarmed(self) -> bool:
        return self.has("error", "warning")

    @property
    def cause_right(self) -> bool:
        fault, primary = self.job.fault, self.primary
        return bool(fault and primary and primary.id in fault.right)

    @property
    def layer_right(self) -> bool | None:
        """Whether the right finding names the layer; None where none is at fault."""
        fault, primary = self.job.fault, self.primary
        if fault is None or fault.layer is None:
            return None
        named = primary.layer if primary is not None and self.cause_right else None
        return named == fault.layer(self.job.of)

    @property
    def latency(self) -> float | None:
        """Share of the planned updates before the first finding with a right id held.

        What is known before training has no step and counts as 0.
        """
        fault = self.job.fault
        known = [
            f.step or 0
            for f in self.findings
            if fault and f.id in fault.right and f.severity != "note"
        ]
        return min(known) / max(1, self.planned) if known else None


# ---------------------------------------------------------------- statistics


@dataclass(frozen=True)
class Share:
    """k of n with its Wilson interval of 95 %."""

    k: int
    n: int

    @property
    def value(self) -> float:
        return self.k / self.n if self.n else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """(k + z²/2 ± z √(k (n - k)/n + z²/4)) / (n + z²) (Wilson 1927)."""
        if not self.n:
            return math.nan, math.nan
        middle, bottom = self.k + Z * Z / 2, self.n + Z * Z
        half = Z * math.sqrt(self.k * (self.n - self.k) / self.n + Z * Z / 4)
        return max(0.0, (middle - half) / bottom), min(1.0, (middle + half) / bottom)


def share(conditions: Iterable[bool]) -> Share:
    known = list(conditions)
    return Share(sum(known), len(known))


def hurts(faulty: Sequence[float], twins: Sequence[float]) -> bool:
    """Whether faulty runs are worse than their twins, by rank and by enough.

    One-sided Mann-Whitney test; the effect is the difference of the medians.
    """
    from scipy.stats import mannwhitneyu

    effect = float(np.median(twins) - np.median(faulty))
    if effect <= EFFECT:
        return False
    return bool(mannwhitneyu(faulty, twins, alternative="less").pvalue < SIGNIFICANCE)


# ---------------------------------------------------------------- which runs count


References = Mapping[tuple[str, int], tuple[float, float]]
"""Program and seed -> score of the reference on the same test rows, and tolerance."""


@dataclass(frozen=True)
class Scores:
    """Runs by what they count as.

    Attributes:
        faulty: with a fault that hurts.
        harmless: with a fault that does not.
        healthy: twins and controls that are good.
        poor: twins and controls that are not; they count as nothing.
        twins: test scores of each program's twins, by seed.
    """

    faulty: Sequence[Judged]
    harmless: Sequence[Judged]
    healthy: Sequence[Judged]
    poor: Sequence[Judged]
    twins: Mapping[str, Mapping[int, float]]

    def median(self, program: str) -> float:
        """Of the scores of a program's twins."""
        return float(np.median([*self.twins[program].values()]))

    def hurt(self, run: Judged) -> bool:
        """Whether this very run is worse than its twin, on the same rows."""
        return self.twins[run.job.program][run.job.seed] - run.score > EFFECT

    def recovered(self, run: Judged) -> bool:
        """Whether one patch brought the score back to that of its twin, or near."""
        after = -math.inf if run.recovered is None else run.recovered
        return after >= self.twins[run.job.program][run.job.seed] - EFFECT


def scored(runs: Sequence[Judged], references: References) -> Scores:
    """Sort the runs."""
    cells: dict[tuple[str, str, str], list[Judged]] = defaultdict(list)
    for run in runs:
        cells[run.job.cell].append(run)
    twins = {
        program: {run.job.seed: run.score for run in cells[program, "twin", ""]}
        for program in PROGRAMS
        if cells.get((program, "twin", ""))
    }
    faulty: list[Judged] = []
    harmless: list[Judged] = []
    for (program, role, _), own in cells.items():
        if role == "fault":
            hurt = hurts([run.score for run in own], [*twins[program].values()])
            (faulty if hurt else harmless).extend(own)
    well = [run for run in runs if run.job.role != "fault"]
    healthy = [run for run in well if is_good(run, references)]
    poor = [run for run in well if not is_good(run, references)]
    return Scores(faulty, harmless, healthy, poor, twins)


def is_good(run: Judged, references: References) -> bool:
    """Whether a run is as good as scikit-learn on the same rows, nearly."""
    reference, tolerance = references[run.job.program, run.job.seed]
    return run.score >= reference - tolerance


# ---------------------------------------------------------------- tables


def overall(scores: Scores) -> dict[str, Share]:
    """The figures that have targets."""
    faulty, healthy = scores.faulty, scores.healthy
    layers = [run.layer_right for run in faulty]
    mendable = [run for run in faulty if FAULTS[run.job.change].recoverable]
    found = {
        "recall": share(run.alarmed for run in faulty),
        "recall, errors alone": share(run.has("error") for run in faulty),
        "recall, runs that are hurt themselves": share(
            run.alarmed for run in faulty if scores.hurt(run)
        ),
        "primary cause right": share(run.cause_right for run in faulty),
        "layer right": share(right for right in layers if right is not None),
        "errors on healthy runs": share(run.has("error") for run in healthy),
        "errors and warnings on healthy runs": share(run.alarmed for run in healthy),
    }
    if any(run.recovered is not None for run in mendable):
        found["recovered by one patch"] = share(map(scores.recovered, mendable))
    return found


TARGETS = {
    "recall": 0.98,
    "primary cause right": 0.97,
    "layer right": 0.98,
    "errors on healthy runs": 0.005,
    "errors and warnings on healthy runs": 0.01,
    "recovered by one patch": 0.90,
}
"""On unseen programs and data; shares of false alarms at most, the others at least."""


def grouped(runs: Iterable[Judged], by: Callable[[Judged], K]) -> dict[K, list[Judged]]:
    """Runs with the same key together, in the order of their first."""
    groups: dict[K, list[Judged]] = {}
    for run in runs:
        groups.setdefault(by(run), []).append(run)
    return groups


def causes(runs: Iterable[Judged]) -> str:
    """`I3 28, G1 2`: the primary findings of some runs."""
    counts: dict[str, int] = {}
    for run in runs:
        id_ = run.primary.id if run.primary else "none"
        counts[id_] = counts.get(id_, 0) + 1
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{id_} {count}" for id_, count in ordered)


def by_tool(scores: Scores) -> dict[str, tuple[Share, Share]]:
    """Recall and false alarms of every published tool, and of nettrain."""
    own = (
        share(r.alarmed for r in scores.faulty),
        share(r.alarmed for r in scores.healthy),
    )
    found = {"nettrain": own}
    known = [run for run in scores.healthy if run.published]
    for tool in known[0].published if known else ():
        found[tool] = (
            share(bool(r.published[tool]) for r in scores.faulty if r.published),
            share(bool(run.published[tool]) for run in known),
        )
    return found


def rules(runs: Sequence[Judged]) -> dict[str, Share]:
    """How often each published rule flags some runs: `TOOL: RULE`."""
    names: dict[str, Any] = {}
    for run in runs:
        for tool, fired in run.published.items():
            for rule in fired:
                names[f"{tool}: {rule}"] = names.get(f"{tool}: {rule}", 0) + 1
    return {name: Share(k, len(runs)) for name, k in sorted(names.items())}
