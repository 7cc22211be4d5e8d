"""How the gradient changes over depth.

δ_l = dL/dz_l, the gradient of a pre-activation. Not that of a weight: in a badly scaled
deep net those are flat over depth while δ falls by 1e-24. The pre-activation is what a
layer hands its activation, or hands on: behind a normalization that stands before the
activation there is another one, and both are judged.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np

from nettrain.component import Count, Positive, Share, register
from nettrain.diagnose.detector import Detector
from nettrain.diagnose.detectors import rate
from nettrain.diagnose.evidence import Array, Evidence
from nettrain.diagnose.facts import PreActivation
from nettrain.diagnose.finding import Finding
from nettrain.diagnose.remedies import edits, signal


def ratios(evidence: Evidence) -> Array:
    """(E, L): √P_l RMS(δ_l) / (√P_out RMS(δ_out)), of epoch means, up to the output.

    P numbers of an example belong to one unit, so that √P RMS(δ) is what the norm of a
    unit's δ over its positions is in the mean: of a dense layer RMS(δ) itself. One
    number of a channel is no measure: a mean over 64 x 64 positions leaves each 1/4,096
    of the gradient of the mean, and the channel 1/64 of it, whose weights add up all
    positions. NaN where no gradient came, and in epochs in which none came to the
    output.
    """
    delta = np.asarray(evidence.delta_rms, float)[:, : evidence.output + 1]
    nodes = evidence.nodes[: delta.shape[1]]
    delta = delta * np.sqrt([node.positions for node in nodes])
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

    Of channels and sequences it is that of `ratios`, over all positions; of a loop that
    of the time step that the most arrives at. Before a normalization δ is 1/σ times
    that behind it, σ the spread that it takes out; that and shortcuts around blocks
    need no exception. Measured, healthy: .07 to 9 of 20 nets of convolutions, plain or
    with batch, group, instance or rms norm, residual, depthwise, in branches; .009 to 1
    of 22 loops, stacked ones lowest; .13 to 8 of 12 transformers, with the norm first
    or last. Queries and keys of attention are left out: what comes back to one is
    multiplied by the other, which small inputs make small for both at first.

    Over time: RMS(δ_t) < threshold of the largest δ of the same loop, at a time step
    before that one (behind it in a loop that runs backwards: what grows on its way is
    G2's). The node is the time step nearest to where the gradient comes from that it
    does not reach. An error where next to nothing is learned (loss > forgets · H0) and
    it held in half of all checks: some nets learn to look back when it is too late to
    be of use. Else, where it holds at the last `checks` checks, a note: to see no
    farther back may do for the task (rnn on adding, T = 15, ended at R² of .86 with
    .0005 of the gradient at the first step). Nothing is said of weights that could not
    move (see L2): an lstm forgets at first, by .73 at each step, and learns not to (gru
    and lstm on adding, T = 50: 3e-6 to 7e-4 in the first epoch, .34 to .57 in the
    last). Healthy where the distant past matters: .02 to 1.

    Attributes:
        threshold: the share of the output's gradient below which it has vanished.
        checks: epochs in a row.
        converged: share of H0 below which the loss counts as learned.
        forgets: share of H0 above which what vanishes over time is missing.
    """

    title = "vanishing-gradient"
    threshold: Positive = 1e-3
    checks: Count = 2
    converged: Share = 0.1
    forgets: Share = 0.7

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        ratio, converged = ratios(evidence), evidence.converged(self.converged)
        if not ratio.size or converged[-1]:
            return
        groups = [g for g in evidence.groups() if g[1][-1] < ratio.shape[1]]
        through = [g for g in groups if not _scores(evidence, g[0])]
        profile = np.stack([_highest(ratio[:, own]) for _, own in through], axis=1)
        at = first_run((profile < self.threshold).any(axis=1) & ~converged, self.checks)
        if at is not None:
            yield self._in_depth(evidence, [node for node, _ in through], profile, at)
            return
        for _, own in groups:
            steps = [evidence.nodes[i] for i in own]
            arriving = _since_source(ratio[:, own], steps[0].backward)
            low = (arriving < self.threshold).any(axis=1) & ~converged
            missing = evidence.loss[-1] > self.forgets * evidence.prior
            lasts = 2 * low.sum() >= len(low) if missing else low[-self.checks :].all()
            at = first_run(low, self.checks)
            if len(own) > 1 and lasts and at is not None and _moved(evidence):
                row = arriving[np.flatnonzero(low)[-1]]
                yield self._in_time(evidence, steps, row, at, missing)

    def _in_depth(
        self, evidence: Evidence, nodes: list[PreActivation], profile: Array, at: int
    ) -> Finding:
        lowest = int(np.nanargmin(profile[at]))
        here, above = _steepest(profile[at], lowest, sign=1)
        node, share = nodes[here], profile[at, here] / profile[at, above]
        return self.finding_at(
            evidence,
            node,
            at,
            "error",
            f"of the gradient at the output {profile[at, lowest]:.2g} arrives at "
            f"{nodes[lowest].layer}, which hardly learns; it falls most at "
            f"{node.layer}, to {share:.2g} of the layer above",
            measured=float(profile[at, lowest]),
            threshold=self.threshold,
            healthy=(0.02, 1.0),
            remedy=signal.vanishing(evidence),
            place="G1 from the start" if at == self.checks - 1 else "",
        )

    def _in_time(
        self,
        evidence: Evidence,
        steps: list[PreActivation],
        arriving: Array,
        at: int,
        missing: bool,
    ) -> Finding:
        """Of the time steps of a loop, and what arrives at each."""
        times = np.array([step.time or 0 for step in steps])
        source, lowest = times[np.nanargmax(arriving)], int(np.nanargmin(arriving))
        lost = np.flatnonzero(arriving < self.threshold)
        first = int(lost[np.argmin(np.abs(times[lost] - source))])
        return self.finding_at(
            evidence,
            steps[first],
            at,
            "error" if missing else "note",
            f"of the gradient at time step {source} of {steps[0].layer} "
            f"{arriving[lowest]:.2g} arrives at time step {times[lowest]}: hardly "
            f"anything is learned from more than {abs(times[first] - source)} time "
            "steps away",
            measured=float(arriving[lowest]),
            threshold=self.threshold,
            healthy=(0.02, 1.0),
            remedy=signal.forgetting(evidence, steps[first]),
            place="G1 over time",
        )


_ENOUGH = 0.3
"""How many times their norm weights that can learn may move; see L2."""


def _moved(evidence: Evidence) -> bool:
    """Whether the planned updates could move the weights by what it takes."""
    if not evidence.has("update_ratio"):
        return True
    far = np.nanmax(rate.median_ratios(evidence), initial=0.0)
    return bool(far * evidence.planned_steps >= _ENOUGH)


def _since_source(ratio: Array, backward: bool) -> Array:
    """(E, S): of each loop's largest δ, what arrives where its gradient then goes.

    Args:
        ratio: (E, S), of the time steps in their order.
        backward: whether the loop begins with the last.
    """
    with np.errstate(all="ignore"):
        arriving = ratio / _highest(ratio)[:, None]
    source = np.argmax(np.nan_to_num(arriving), axis=1)[:, None]
    at = np.arange(ratio.shape[1])
    behind = at >= source if backward else at <= source
    return np.where(behind, arriving, np.nan)


def _highest(ratio: Array) -> Array:
    """(E,): the largest of each row; NaN where there is none."""
    return np.asarray(np.fmax.reduce(ratio, axis=1))


def _scores(evidence: Evidence, node: PreActivation) -> bool:
    """Whether a node only helps to decide what attention looks at."""
    outer, _, own = node.layer.rpartition("/")
    facts = evidence.layers.get(outer)
    return facts is not None and facts.kind == "attention" and own in _OF_SCORES


_OF_SCORES = ("query", "key")


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
    0.02 to 50, the range of G1 mirrored; up to 9 of convolutions, loops and
    transformers. The node is the one at which it grows most on
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
