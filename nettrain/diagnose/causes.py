"""The verdict: which findings hold, and which one is the cause of the others."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from nettrain.diagnose.detectors.nonfinite import located
from nettrain.diagnose.evidence import Evidence
from nettrain.diagnose.finding import Finding
from nettrain.diagnose.settings import DiagnoseConfig

ORDER = (
    "D1", "D3 target", "I1", "I3", "I5 bias", "I5 width", "I4", "P3", "P2", "P1", "R1",
    "L1", "N1", "A1 died", "G1 from the start", "A2", "G2", "L2", "G1 over time",
    "B2", "L3", "D2", "D4", "D6", "O2", "I1 apart", "U1", "L4", "O1",
)  # fmt: skip
"""Causes: the first that holds is the primary diagnosis. A finding stands at its
`place` or else its id; behind these come other errors, then other warnings, in the
order of `TABLE`."""

TABLE = (
    "N1", "D1", "D2", "D3", "D4", "D5", "D6", "I1", "I2", "I3", "I4", "I5", "P1", "P2",
    "P3", "L1", "L2", "L3", "L4", "L5", "L6", "G1", "G2", "G3", "A1", "A2", "R1", "U1",
    "O0", "O1", "O2", "O3", "C1", "B1", "B2", "X1",
)  # fmt: skip
"""All findings that there will be, in the order in which they are documented."""

COMPANIONS = {"I4": ("A1", "G1", "L4")}
"""Risks that are a cause only where one of these came of them."""

RAISED = {
    "D1": TABLE,
    "D6": ("O2",),
    "I3": ("G1", "G2", "A1", "A2", "N1", "L1", "L2", "L3", "L4"),
}
"""Findings that are an error where one of these, as an error, came of them."""

MILD = ("I1", "I3", "I4")
"""Warnings about the beginning: notes where the network learned all the same."""
LEARNED, LEFT = 0.1, 0.05
"""It did where the final losses of training and validation rows are below that share
of H0, or R² of its residuals. (Nine of ten nets of convolutions with weights of N(0, 1)
learned their training rows to .01 to .03, and came to .17 to .41 on others: twins that
began right to .02 to .11.)"""

_RANK = {"error": 0, "warning": 1, "note": 2}


def diagnose(evidence: Evidence, config: DiagnoseConfig | None = None) -> list[Finding]:
    """Every finding, the primary one first.

    Where numbers became non-finite, only what was seen before still counts.

    Args:
        evidence: what was measured so far; `finished` once training is over.
        config: thresholds and silenced findings; the defaults where left out.
    """
    config = config or DiagnoseConfig()
    bad = located(evidence)
    sound = (evidence if bad is None else evidence.before(bad.step)).comparable()
    finished = evidence.finished
    detectors = [d for d in config.detectors() if finished or not d.at_end]
    found = [
        finding
        for detector in detectors
        for finding in detector.detect(
            evidence if detector.registered_name == "N1" else sound
        )
    ]
    found += [f for detector in detectors for f in detector.conclude(sound, found)]
    heard = [finding for finding in found if finding.id not in config.silence]
    return ordered(heard, _learned(sound))


def _learned(evidence: Evidence) -> bool:
    """Whether training is over, and what was to be learned is."""
    limit = LEARNED * evidence.prior
    by_heart = (evidence.validation_loss[-1:] >= limit).any()
    converged = evidence.converged(LEARNED)[-1:].any() and not by_heart
    return evidence.exhausted(LEFT) or (evidence.finished and bool(converged))


def ordered(findings: Sequence[Finding], learned: bool = False) -> list[Finding]:
    """Severities settled, one primary cause among errors and warnings, in its order.

    Args:
        findings: as the detectors gave them.
        learned: whether training is over, and what was to be learned is.
    """
    settled = [_settled(finding, findings, learned) for finding in findings]
    ids = {finding.id for finding in settled}
    ranked = sorted(settled, key=lambda finding: _rank(finding, ids))
    if not ranked or ranked[0].severity == "note":
        return ranked
    first = dataclasses.replace(ranked[0], primary=True)
    return [first, *(_consequence(other, first) for other in ranked[1:])]


def _consequence(finding: Finding, primary: Finding) -> Finding:
    """Errors and warnings behind the primary one follow from it; notes stand alone."""
    if finding.severity == "note":
        return finding
    return dataclasses.replace(finding, consequence_of=primary.id)


def _settled(finding: Finding, findings: Sequence[Finding], learned: bool) -> Finding:
    """The severity in the light of the other findings, and of what came of it."""
    raising = RAISED.get(finding.id, ())
    errors = {f.id for f in findings if f.severity == "error" and f.id != finding.id}
    if finding.severity != "warning":
        return finding
    if errors.intersection(raising):
        return dataclasses.replace(finding, severity="error")
    if learned and finding.id in MILD:
        return dataclasses.replace(finding, severity="note")
    return finding


def _rank(finding: Finding, ids: set[str]) -> tuple[int, int, int, int]:
    """Notes last; causes in their order; then by severity and the table's order."""
    place = finding.place or finding.id
    needed = COMPANIONS.get(finding.id)
    cause = place in ORDER and (needed is None or bool(ids.intersection(needed)))
    note = int(finding.severity == "note")
    behind = len(TABLE)
    row = TABLE.index(finding.id) if finding.id in TABLE else behind
    at = ORDER.index(place) if cause else len(ORDER)
    return note, at, _RANK[finding.severity], row
