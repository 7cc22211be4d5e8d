"""Numbers that are not finite."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nettrain.component import register
from nettrain.diagnose.detector import Detector
from nettrain.diagnose.evidence import Array, Blame, Evidence, Survived
from nettrain.diagnose.finding import Finding, Severity
from nettrain.diagnose.remedies import signal


@register("N1")
class NonFinite(Detector):
    """A loss, or a node's sum of squares, is infinite or no number.

    The step is computed again, node by node in forward order, from the weights before
    it; the first node whose value is not finite is blamed. Healthy: never. Nothing that
    a later rule sees is worth anything, so none fires. Where training went on without
    such updates (`train.on_nonfinite`), it is a warning.
    """

    title = "non-finite"

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        blame, survived = located(evidence), evidence.survived
        if blame is not None:
            why = f"{_what(blame)}; {_before(evidence)}"
            yield self._found(evidence, "error", blame, why)
        elif survived:
            why = f"{_survival(survived)}: {_what(survived.blame)}"
            yield self._found(evidence, "warning", survived.blame, why)

    def _found(
        self, evidence: Evidence, severity: Severity, blame: Blame, why: str
    ) -> Finding:
        return self.finding(
            evidence,
            severity,
            why,
            node=blame.node,
            layer=blame.layer,
            epoch=blame.epoch,
            step=blame.step,
            remedy=signal.nonfinite(evidence, blame),
        )


def located(evidence: Evidence) -> Blame | None:
    """Where the run became non-finite; without a replay only the check is known."""
    if evidence.blame is not None:
        return evidence.blame
    bad = ~np.isfinite(evidence.loss)
    if evidence.has("delta_rms"):
        bad |= np.isinf(evidence.delta_rms).any(axis=1)
    if not bad.any():
        return None
    if evidence.survived:
        return evidence.survived.blame
    first = int(np.argmax(bad))
    step, epoch = int(evidence.steps[first]), int(evidence.epochs[first])
    return Blame(step, epoch, reproduced=False)


def _survival(survived: Survived) -> str:
    """How a run went on."""
    first = f"update {survived.blame.step}"
    if survived.rollbacks:
        times = "once" if survived.rollbacks == 1 else f"{survived.rollbacks} times"
        return f"the run went back {times}, to half the rate, first at {first}"
    if survived.skipped == 1:
        return f"{first} was skipped"
    return f"{survived.skipped} updates were skipped, the first {first}"


def _what(blame: Blame) -> str:
    if not blame.reproduced or blame.node is None:
        return "a number that is not finite; not reproduced when the step was repeated"
    rows = ", ".join(str(row) for row in blame.rows[:10])
    more = " …" if len(blame.rows) > 10 else ""
    where = f" in data rows {rows}{more}" if rows else ""
    made = "" if blame.layer or not blame.origin else f", made at {blame.origin}"
    return f"{blame.inputs} ({blame.direction}){where}{made}"


def _before(evidence: Evidence) -> str:
    """The last losses and gradient norms: did it come suddenly, or build up?"""
    losses, norms = _last(evidence.losses), _last(evidence.gradient_norms)
    return f"losses before: {losses}; gradient norms: {norms}"


def _last(series: Array, count: int = 20) -> str:
    values = np.asarray(series, float)[-count:]
    return " ".join(f"{value:.3g}" for value in values) or "none"
