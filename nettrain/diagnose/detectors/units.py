"""What the units of a layer do over an epoch.

A unit is what a layer has one weight vector for, at all positions and time steps that
share it: a number of a dense layer, a channel of a convolution over all positions, a
hidden state over all watched time steps of a loop, a head of attention over all
queries. The epoch's samples are then rows times positions times steps, so that a dead
channel is 0 at every position of every image, and a hidden state that is flat at the
last step alone is not saturated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nettrain.component import Count, Positive, Share, register
from nettrain.diagnose.detector import Detector
from nettrain.diagnose.detectors.gradient import first_run
from nettrain.diagnose.evidence import Array, Evidence, Units
from nettrain.diagnose.facts import PreActivation
from nettrain.diagnose.finding import Finding, Severity
from nettrain.diagnose.remedies import edits, signal


@dataclass(frozen=True)
class _Death:
    """The units of a layer that are dead at the last check.

    Attributes:
        units: their numbers.
        at: index of the check at which enough had been dead long enough.
        since: index of the first epoch in which most of these were dead.
        born: share of them that were dead in the first epoch already.
    """

    units: Array
    at: int
    since: int
    born: float


@register("A1")
class DeadNeurons(Detector):
    """Units that nothing can wake: a gradient arrives and none passes.

    A unit is dead when over an entire epoch Σ|dL/dh| > 0 and Σ|dL/dz| = 0: the local
    derivative was 0 for every sample. A zero output is no death: healthy ReLU layers
    are up to 89 % zeros. At least `many` of a layer dead in `checks` epochs running,
    the last included: an error if learning is hurt (loss > hurt · H0), else a warning;
    at least `some`, or where the loss is below converged · H0, or no more than `left`
    of the residuals can be explained in the end: a note (a
    converged net needs few of its units: 3 of 20 healthy sparse nets had most of a
    layer dead). Healthy: none to 25 %. Measured on 460 healthy runs: .3 to
    1.4 % false alarms. After Lu, Shin, Su and Karniadakis (2019).

    Attributes:
        many: share of a layer's units that is a fault.
        some: share that is worth a note.
        checks: epochs in a row.
        hurt: share of H0 above which the loss says that learning is hurt.
        converged: share of H0 below which it counts as learned.
        left: R² of the final residuals up to which they are noise.
    """

    title = "dead-neurons"
    many: Share = 0.5
    some: Share = 0.25
    checks: Count = 2
    hurt: Share = 0.5
    converged: Share = 0.1
    left: Share = 0.05

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        evidence = evidence.whole_epochs()
        for node, members in evidence.groups():
            units = _together(evidence, members)
            death = _death(units, self.some, self.checks) if units else None
            if units is not None and death is not None:
                yield self._found(evidence, node, units, death)

    def _found(
        self, evidence: Evidence, node: PreActivation, units: Units, death: _Death
    ) -> Finding:
        share = len(death.units) / units.dead.shape[1]
        many = _death(units, self.many, self.checks)
        at = death.at if many is None else many.at
        born = death.born > 0.5
        ratio = _update_ratio(evidence, node.layer, death.since)
        return self.finding_at(
            evidence,
            node,
            at,
            self._severity(evidence, many is not None),
            _why(evidence, units, death, ratio),
            units=tuple(int(unit) for unit in death.units),
            measured=share,
            threshold=self.some if many is None else self.many,
            healthy=(0.0, 0.25),
            remedy=signal.dead(evidence, born, ratio),
            place=_place(evidence, node.layer) if born else "A1 died",
        )

    def _severity(self, evidence: Evidence, many: bool) -> Severity:
        learned = evidence.converged(self.converged)[-1] or evidence.exhausted(
            self.left
        )
        if not many or learned:
            return "note"
        hurt = evidence.loss[-1] > self.hurt * evidence.prior
        return "error" if hurt else "warning"


def _together(evidence: Evidence, members: list[int]) -> Units | None:
    """What the units of a layer did at all of its nodes: its time steps, or just one.

    A unit is reached where it is at one step, and passes something on where it does at
    one.
    """
    paths = [evidence.nodes[i].path for i in members]
    found = [evidence.units[path] for path in paths if path in evidence.units]
    if not found:
        return None
    return Units(
        np.logical_or.reduce([units.arrived for units in found]),
        np.logical_or.reduce([units.passed for units in found]),
        np.mean([units.positive for units in found], axis=0),
    )


def _death(units: Units, share: float, checks: int) -> _Death | None:
    """What has died, if that share of the layer is dead in all of the last checks."""
    dead = units.dead
    if len(dead) < checks or dead[-checks:].all(axis=0).mean() < share:
        return None
    together = dead.copy()
    for back in range(1, checks):
        together[back:] &= dead[:-back]
    enough = together.mean(axis=1) >= share
    enough[: checks - 1] = False
    at = lasting(enough, 1) or 0
    own = np.flatnonzero(together[-1])
    since = first_run(dead[:, own].mean(axis=1) > 0.5, 1) or 0
    return _Death(own, at, since, float(dead[0, own].mean()))


def lasting(holds: Array, checks: int) -> int | None:
    """Index of the check at which what holds until now had held so many times."""
    broken = np.flatnonzero(~holds)
    at = (int(broken[-1]) + 1 if len(broken) else 0) + checks - 1
    return at if at < len(holds) else None


def _update_ratio(evidence: Evidence, layer: str, since: int) -> float:
    """The largest ‖ΔW‖/‖W‖ of a layer's weights when it was lost; -inf if unknown.

    The deadly step is one of the epoch before the first that was dead from end to end.
    """
    facts = evidence.layers.get(layer)
    own = [
        i for i, p in enumerate(evidence.parameters) if facts and p in facts.parameters
    ]
    moments = evidence.update_ratio[max(0, since - 1) : since + 1]
    values = np.asarray(moments, float)[:, np.array(own, int)]
    return float(np.max(values, initial=-np.inf, where=np.isfinite(values)))


def _why(evidence: Evidence, units: Units, death: _Death, ratio: float) -> str:
    total = units.dead.shape[1]
    epoch = int(evidence.epochs[death.since])
    when = "since the first epoch" if death.born > 0.5 else f"since epoch {epoch}"
    positive = float(np.mean(units.positive[-1][death.units]))
    moved = f", after updates that moved the weights by {ratio:.2g} of their norm each"
    return (
        f"{len(death.units)} of {total} units pass no gradient {when}"
        + (moved if np.isfinite(ratio) and death.born <= 0.5 else "")
        + f"; their pre-activation is positive for {positive:.2g} of the samples"
    )


def _place(evidence: Evidence, layer: str) -> str:
    """Born dead by its biases, a layer stands where I5 would.

    By its width alone it does not: I5 and I4, which look at the first weights, tell so.
    """
    facts = evidence.layers.get(layer)
    return "I5 bias" if facts is not None and edits.biased(facts) else "A1 died"


@register("A2")
class Saturation(Detector):
    """Units held at the flat ends of their activation, where hardly a gradient passes.

    A unit is saturated when the mean of f'(z) over an epoch's samples is below flat ·
    max f'. At least `many` of a layer saturated in `checks` epochs running, the last
    included: an error. Silent once converged (loss < converged · H0): there the flat
    ends are the answer. Healthy: none to 10 % (99 % of 258 layers in healthy runs).
    Units that can die are left to A1; those of an activation that is straight on both
    sides, such as leaky_relu, have no flat end. Measured on 460 healthy runs: no false
    alarm.

    Of a head of attention what is asked is 1 - Σ a², mean over the queries: below flat
    each looks at one place alone, whatever the scores' gradient says. Healthy: .5 to .9
    at first, .2 to .9 in the end (24 transformers that copy or count; one head of two
    went to .02, of a net that had converged). Inputs of 30 times the usual scale
    without a normalization begin at .03 and .04, a rate of 1 ends at 0.

    After Glorot and Bengio (AISTATS 2010, §3) and Rakitianskaia and Engelbrecht
    (SSCI 2015).

    Attributes:
        flat: share of the steepest slope below which a unit is saturated.
        many: share of a layer's units that is a fault.
        checks: epochs in a row.
        converged: share of H0 below which the loss counts as learned.
        jump: ‖ΔW‖/‖W‖ above which too large a step drove them there.
    """

    title = "saturation"
    flat: Share = 0.05
    many: Share = 0.5
    checks: Count = 2
    converged: Share = 0.1
    jump: Positive = 0.1

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        evidence = evidence.whole_epochs()
        if not evidence.has("loss") or evidence.converged(self.converged)[-1]:
            return
        known = [(node, members) for node, members in evidence.groups()]
        for node, members in (*known, *((a, []) for a in evidence.attentions)):
            slopes = _mean_slopes(evidence, node, members)
            if slopes is None or not slopes.size or _sloped(evidence, node):
                continue
            saturated = slopes < self.flat
            at = lasting(saturated.mean(axis=1) >= self.many, self.checks)
            if at is not None:
                yield self._found(evidence, node, members, saturated, at)

    def _found(
        self,
        evidence: Evidence,
        node: PreActivation,
        members: list[int],
        saturated: Array,
        at: int,
    ) -> Finding:
        units = np.flatnonzero(saturated[-1])
        since = at - self.checks + 1
        ratio = _update_ratio(evidence, node.layer, since)
        spread, what = "", "heads look at one place alone, and let"
        if members:
            what = "units let"
            remedy = signal.saturated(evidence, ratio if ratio > self.jump else None)
        else:
            remedy = signal.one_place(evidence, node.layer)
        if members and evidence.has("std"):
            std = float(np.mean(evidence.std[-1, members]))
            spread = f"; the layer's pre-activations have std {std:.3g}"
        return self.finding_at(
            evidence,
            node,
            at,
            "error",
            f"{len(units)} of {saturated.shape[1]} {what} less than "
            f"{self.flat:.2g} of their steepest slope through, since epoch "
            f"{evidence.epochs[since]}{spread}",
            units=tuple(int(unit) for unit in units),
            measured=len(units) / saturated.shape[1],
            threshold=self.many,
            healthy=(0.0, 0.1),
            remedy=remedy,
        )


def _mean_slopes(
    evidence: Evidence, node: PreActivation, members: list[int]
) -> Array | None:
    """(E, U): over the time steps of a layer, or those of the node alone."""
    paths = [evidence.nodes[i].path for i in members] or [node.path]
    found = [evidence.slopes[path] for path in paths if path in evidence.slopes]
    return np.mean(found, axis=0) if found else None


def _sloped(evidence: Evidence, node: PreActivation) -> bool:
    """Whether the activation has a slope wherever its pre-activations are."""
    facts = evidence.layers.get(node.layer)
    if facts is None or facts.activation is None:
        return False
    return facts.activation.name in edits.SLOPED
