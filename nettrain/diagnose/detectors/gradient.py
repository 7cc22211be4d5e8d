"""How the gradient changes over depth.

δ_l = dL/dz_l, the gradient of a pre-activation. Not that of a weight: in a badly scaled
deep net those are flat over depth while δ falls by 1e-24.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np

from nettrain.component import Count, Positive, Share, register
from nettrain.diagnose.detector import Detector
from nettrain.diagnose.evidence import Array, Evidence
from nettrain.diagnose.facts import PreActivation
from nettrain.diagnose.finding import Finding
from nettrain.diagnose.remedies import edits, signal


def ratios(evidence: Evidence) -> Array:
    """(E, L): RMS(δ_l) / RMS(δ_out), of epoch means, up to the output.

    NaN where no gradient came, and in epochs in which none came to the output.
    """
    delta = np.asarray(evidence.delta_rms, float)[:, : evidence.output + 1]
    out = delta[:, -1:]
    usable = np.isfinite(out) & (out > 0)
    return np.where(usable, delta / np.where(usable, out, 1.0), np.nan)


def first_run(holds: Iterable[bool], length: int) -> int | None:
    """Index of the check at which a condition first held `length` times in a row."""
    streak = 0
    for index, held in enumerate(holds):
        streak = streak + 1 if held else 0
        if streak >= length:
            return index
    return None


@register("G1")
class VanishingGradient(Detector):
    """The gradient hardly reaches a layer, so that it cannot learn.

    min_l RMS(δ_l) / RMS(δ_out) < threshold at `checks` checks in a row, none of them
    converged (loss < converged · H0), nor the last one: a net that learned has nothing
    to mend. Healthy: 0.02 to 1. The node is the one at which it falls most on the way
    from the output to the lowest. Measured on 460 healthy runs: no false alarm. After
    Hochreiter (1991) and Glorot and Bengio (AISTATS 2010, fig. 7).

    Attributes:
        threshold: the share of the output's gradient below which it has vanished.
        checks: epochs in a row.
        converged: share of H0 below which the loss counts as learned.
    """

    title = "vanishing-gradient"
    threshold: Positive = 1e-3
    checks: Count = 2
    converged: Share = 0.1

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        ratio, converged = ratios(evidence), evidence.converged(self.converged)
        if not ratio.size or converged[-1]:
            return
        low = (ratio < self.threshold).any(axis=1) & ~converged
        at = first_run(low, self.checks)
        if at is None:
            return
        lowest = int(np.nanargmin(ratio[at]))
        arrives = f"of the gradient at the output {ratio[at, lowest]:.2g} arrives at "
        end = evidence.nodes[lowest]
        if end.time is None:
            here, above = _steepest(ratio[at], lowest, sign=1)
            node = evidence.nodes[here]
            share = ratio[at, here] / ratio[at, above]
            why = (
                f"{end.layer}, which hardly learns; it falls most at {node.layer}, "
                f"to {share:.2g} of the layer above"
            )
        else:
            node, steps = _in_time(evidence, ratio[at], lowest, self.threshold)
            why = (
                f"time step {end.time} of {end.layer}: hardly anything is learned from "
                f"more than {steps} time steps back"
            )
        yield self.finding_at(
            evidence,
            node,
            at,
            "error",
            arrives + why,
            measured=float(ratio[at, lowest]),
            threshold=self.threshold,
            healthy=(0.02, 1.0),
            remedy=signal.vanishing(evidence, node),
            place="G1 from the start" if at == self.checks - 1 else "",
        )


def _in_time(
    evidence: Evidence, ratio: Array, lowest: int, threshold: float
) -> tuple[PreActivation, int]:
    """Where on its way back through time the gradient has vanished.

    Args:
        evidence: whose nodes `ratio` is of.
        ratio: (L,).
        lowest: the time step that least arrives at.
        threshold: below it the gradient has vanished.

    Returns:
        The time step nearest to where the gradient comes from that it does not reach,
        and how far that is from the last one it comes from.
    """
    layer = evidence.nodes[lowest].layer
    steps = [i for i, node in enumerate(evidence.nodes) if node.layer == layer]
    reached = [i for i in steps if ratio[i] >= threshold]
    source = max(steps, key=lambda i: ratio[i])
    time = {i: evidence.nodes[i].time or 0 for i in steps}
    lost = [i for i in steps if i not in reached]
    first = min(lost, key=lambda i: abs(time[i] - time[source]))
    return evidence.nodes[first], abs(time[first] - time[source])


def _steepest(ratio: Array, start: int, sign: int) -> tuple[int, int]:
    """The two neighbours, from `start` up, between which the gradient changes most.

    Args:
        ratio: (L,); nodes without a gradient are passed over.
        sign: 1 for the steepest fall on the way down, -1 for the steepest rise.
    """
    known = [i for i in range(start, len(ratio)) if np.isfinite(ratio[i])]
    # A δ of exactly 0 is the smallest number there is; 0 after 0 is no further fall.
    logs = np.log(np.maximum(ratio[known], np.finfo(float).tiny))
    at = int(np.argmax(sign * (logs[1:] - logs[:-1])))
    return known[at], known[at + 1]


@register("G2")
class ExplodingGradient(Detector):
    """The gradient grows on its way down, so that the lower layers jump.

    max_l RMS(δ_l) / RMS(δ_out) > threshold at a check, the last not converged. Healthy:
    0.02 to 50, the range of G1 mirrored. The node is the one at which it grows most on
    the way from the output to the highest. Measured on 460 healthy runs: no false
    alarm. After Pascanu, Mikolov and Bengio (ICML 2013).

    Attributes:
        threshold: how many times the output's gradient is too much.
        converged: share of H0 below which the last loss counts as learned.
    """

    title = "exploding-gradient"
    threshold: Positive = 1e3
    converged: Share = 0.1

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        ratio = ratios(evidence)
        at = first_run(np.any(ratio > self.threshold, axis=1), 1)
        if at is None or evidence.converged(self.converged)[-1]:
            return
        highest = int(np.nanargmax(ratio[at]))
        here, above = _steepest(ratio[at], highest, sign=-1)
        node, end = evidence.nodes[here], evidence.nodes[highest]
        yield self.finding_at(
            evidence,
            node,
            at,
            "error",
            f"the gradient at {end.layer} is {ratio[at, highest]:.2g} times that at "
            f"the output; it grows most at {node.layer}, "
            f"{ratio[at, here] / ratio[at, above]:.2g} times the layer above",
            measured=float(ratio[at, highest]),
            threshold=self.threshold,
            healthy=(0.02, 50.0),
            remedy=signal.exploding(evidence),
        )


@register("G3")
class GradientSpike(Detector):
    """One update's gradient stands out from all before it.

    log‖g‖ > median + threshold · 1.4826 · MAD of the 100 updates before (at least 20),
    and ‖g‖ > times · that median, in an epoch that did not end converged, nor the last
    one (loss < converged · H0). A warning if that epoch's loss ended above `harm` times
    that of the epoch before (in the first: H0), else a note: in 288 healthy runs two
    had such a gradient, and neither's loss rose. The worst spike is told. Healthy: .1
    to 10 times the median. Against it: clipping (Pascanu, Mikolov and Bengio, ICML
    2013). The robust deviation: Iglewicz and Hoaglin (1993).

    Attributes:
        threshold: robust standard deviations of log‖g‖.
        times: ‖g‖ over its median.
        harm: the loss at the epoch's end over the loss before it.
        converged: share of H0 below which the loss counts as learned.
    """

    title = "gradient-spike"
    threshold: Positive = 6.0
    times: Positive = 10.0
    harm: Positive = 1.1
    converged: Share = 0.1

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        if not evidence.has("loss", "spike"):
            return
        loss = np.asarray(evidence.loss, float)
        _, size, usual, stands_out = np.asarray(evidence.spike, float).T
        learned = evidence.converged(self.converged)
        held = (stands_out > self.threshold) & (size > self.times * usual) & ~learned
        if learned[-1] or not held.any():
            return
        harmed = held & (loss > self.harm * np.append(evidence.prior, loss[:-1]))
        among = harmed if harmed.any() else held
        with np.errstate(all="ignore"):  # a norm that was 0 before stands out for good
            excess = np.minimum(size / usual, np.finfo(float).max)
        at = int(np.argmax(np.where(among, excess, -np.inf)))
        others = int(held.sum()) - 1
        yield self.finding(
            evidence,
            "warning" if harmed.any() else "note",
            f"the gradient of update {int(evidence.spike[at, 0])} has a norm of "
            f"{size[at]:.3g}, {excess[at]:.3g} times the median of those before and "
            f"{stands_out[at]:.3g} robust standard deviations above it"
            + _rows(evidence, at)
            + (f"; {others} more epochs have such an update" if others else ""),
            epoch=int(evidence.epochs[at]),
            step=int(evidence.spike[at, 0]),
            measured=float(excess[at]),
            threshold=self.times,
            healthy=(0.1, 10.0),
            remedy=edits.clip(
                dataclasses.replace(evidence, gradient_norms=usual[at : at + 1]), 3.0
            ),
        )


def _rows(evidence: Evidence, at: int) -> str:
    """The data rows of a spike's batch, where they are known."""
    if not evidence.has("spike_rows"):
        return ""
    rows = [str(row) for row in evidence.spike_rows[at] if row >= 0]
    return f"; its batch has data rows {', '.join(rows)}" if rows else ""
