"""How far one update moves the weights: too far, or not far enough.

The measure is ‖ΔW‖/‖W‖ of the weight matrices, which has no scale: a bias that starts
with 0 has none, and a decoupled weight decay is no part of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from nettrain.component import Positive, Share, register
from nettrain.diagnose.detector import Detector
from nettrain.diagnose.evidence import Array, Evidence
from nettrain.diagnose.finding import Finding
from nettrain.diagnose.remedies import rate

HEALTHY = (2e-4, 2e-2)
"""‖ΔW‖/‖W‖ of one update in networks that learn."""


def relative_loss(evidence: Evidence) -> Array:
    """(E,): the training loss as a share of H0; NaN where H0 is not above 0."""
    prior = evidence.prior if evidence.prior > 0 else np.nan
    return np.asarray(evidence.loss, float) / prior


def ratios(evidence: Evidence) -> Array:
    """(E, Q): ‖ΔW‖/‖W‖, NaN of what has none.

    A weight that became smaller is measured by its norm in the first epoch: where decay
    has left nothing of it, every update is large.
    """
    ratio = np.asarray(evidence.update_ratio, float)
    ratio = np.where(np.isfinite(ratio), ratio, np.nan)
    norm = np.asarray(evidence.weight_norm, float)
    if norm.shape != ratio.shape or not evidence.has("weight_norm"):
        return ratio
    largest = np.fmax(norm, norm[0])
    shrunk = np.divide(norm, largest, out=np.ones_like(norm), where=largest > 0)
    return np.asarray(ratio * shrunk)


def medians(table: Array) -> Array:
    """(E,): the median of each row's finite numbers; NaN where it has none."""
    if not table.shape[1]:
        return np.full(len(table), np.nan)
    known = np.isfinite(table)
    ordered = np.sort(np.where(known, table, np.inf), axis=1)
    count, rows = known.sum(axis=1), np.arange(len(table))
    low, high = (
        np.maximum(count - 1, 0) // 2,
        np.minimum(count // 2, table.shape[1] - 1),
    )
    middle = (ordered[rows, low] + ordered[rows, high]) / 2
    return np.where(count > 0, middle, np.nan)


def median_ratios(evidence: Evidence) -> Array:
    """(E,): the median of `ratios` over the matrices; NaN where none has one."""
    if not evidence.has("update_ratio"):
        return np.full(len(evidence.epochs), np.nan)
    return medians(ratios(evidence))


def by_layer(evidence: Evidence, row: Array) -> dict[str, float]:
    """The largest of one check's ratios (Q,) in each layer, the largest layer first."""
    layers = {p: name for name, x in evidence.layers.items() for p in x.parameters}
    found: dict[str, float] = {}
    for parameter, value in zip(evidence.parameters, row, strict=True):
        if np.isfinite(value):
            name = layers.get(parameter, parameter)
            found[name] = max(float(value), found.get(name, 0.0))
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def line_of(evidence: Evidence, key: str) -> int | None:
    """Where the config has `evidence.settings[key]`."""
    setting = evidence.settings.get(key)
    return None if setting is None else setting.config_line


FOLLOWS = ("A1", "A2", "L3", "N1")
"""Errors that too large updates lead to."""


@register("L1")
class LearningRateTooHigh(Detector):
    """Each update throws away what the ones before it learned.

    The median over the weight matrices of an epoch's mean ‖ΔW‖/‖W‖ > threshold, and
    the loss at that epoch's end > hurt · H0; or, whatever the loss, an error of A1, A2
    or L3 after it, or a number that is not finite (N1) in or right after it. A run
    whose last loss is below recovered · H0, or that in the end leaves no more than
    `left` of its residuals to be explained, and has no such error, got over it: of
    about 60 nets on bundled data that went beyond both thresholds, those that ended
    between .03 and .2 H0 scored like their twins with a good rate, with five
    exceptions, and most of those above lost 3 to 29 points. A large sharpness · rate
    alone is no fault. Healthy: 2e-4 to 2e-2. Measured on 460 healthy runs: .6 % false
    alarms without the clause on recovery. After Karpathy, CS231n ("Ratio of
    weights:updates").

    Attributes:
        threshold: ‖ΔW‖/‖W‖ of one update that is too much.
        hurt: share of H0 above which the loss says that learning is hurt.
        recovered: share of H0 below which the last loss says that it is no more.
        left: R² of the final residuals up to which they are noise.
    """

    title = "learning-rate-too-high"
    threshold: Positive = 0.1
    hurt: Share = 0.5
    recovered: Share = 0.2
    left: Share = 0.05

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        if not evidence.has("loss", "update_ratio"):
            return
        ratio = median_ratios(evidence)
        loss = relative_loss(evidence)
        held = (ratio > self.threshold) & (loss > self.hurt)
        over = loss[-1] < self.recovered or evidence.exhausted(self.left)
        if held.any() and not over:
            yield self._found(evidence, int(np.argmax(held)), ratio)

    def conclude(
        self, evidence: Evidence, findings: Sequence[Finding]
    ) -> Iterator[Finding]:
        """Large updates at a loss that was fine, and the harm after them."""
        harm = [f for f in findings if f.id in FOLLOWS and f.severity == "error"]
        known = not evidence.has("update_ratio") or any(f.id == "L1" for f in findings)
        if known or not harm:
            return
        ratio = median_ratios(evidence)
        for other in harm:
            led = (ratio > self.threshold) & (evidence.epochs <= (other.epoch or 0))
            if other.id == "N1":
                led[:-1] = False
            if led.any():
                yield self._found(evidence, int(np.argmax(led)), ratio)
                return

    def _found(self, evidence: Evidence, at: int, ratio: Array) -> Finding:
        layers = by_layer(evidence, ratios(evidence)[at])
        worst = next(iter(layers))
        nodes = (node.path for node in evidence.nodes if node.layer == worst)
        each = ", ".join(f"{x} {value:.2g}" for x, value in list(layers.items())[:5])
        return self.finding(
            evidence,
            "error",
            f"one update moves the weights by {ratio[at]:.2g} of their norm ({each}) "
            f"where networks that learn have {HEALTHY[0]:g} to {HEALTHY[1]:g}",
            node=next(nodes, None),
            layer=worst if worst in evidence.layers else None,
            epoch=int(evidence.epochs[at]),
            step=int(evidence.steps[at]),
            measured=float(ratio[at]),
            threshold=self.threshold,
            healthy=HEALTHY,
            remedy=rate.lower(evidence, float(ratio[at])),
        )


@register("L2")
class LearningRateTooLow(Detector):
    """The planned updates cannot carry the weights to where they have to be.

    M = the median over the weight matrices of epoch 1's mean ‖ΔW‖/‖W‖, times T planned
    updates, < threshold, and the last loss >= converged · H0. Under a schedule the
    epoch with the largest median counts in place of the first: a warm-up begins low.
    (In 289 healthy runs the first epoch of a warm-up gave the only false alarms.) As
    long as the last epoch is that one, the rate may still rise, and nothing is told.
    A network that knows its training rows far better than others (score > gap + the
    validation score, and the majority's) is short of rows, not of steps; one that
    leaves no more than `left` of its residuals to be explained has learned what there
    is. Waits for a whole epoch or the end of training. Healthy: 1 to 100. Measured on
    460 healthy runs: 0 to .5 % false alarms.

    Attributes:
        threshold: how many times their norm the weights can move.
        converged: share of H0 below which the loss counts as learned.
        gap: difference of scores from which on rows are what is missing.
        left: R² of the final residuals up to which they are noise.
    """

    title = "learning-rate-too-low"
    threshold: Positive = 0.3
    converged: Share = 0.1
    gap: Share = 0.25
    left: Share = 0.05

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        whole = evidence.finished or len(evidence.whole_epochs().epochs) > 0
        if not whole or not evidence.has("loss", "update_ratio"):
            return
        ratio = median_ratios(evidence)
        setting = evidence.settings.get("learning_rate")
        scheduled = setting is not None and isinstance(setting.value, Mapping)
        at = int(np.argmax(np.nan_to_num(ratio))) if scheduled else 0
        if scheduled and at == len(ratio) - 1 and not evidence.finished:
            return
        moved = float(ratio[at]) * evidence.planned_steps
        learned = not relative_loss(evidence)[-1] >= self.converged
        done = learned or evidence.exhausted(self.left) or self._fits(evidence)
        if done or not moved < self.threshold:
            return
        yield self.finding(
            evidence,
            "error",
            f"with the {evidence.planned_steps:,} planned updates the weights can move "
            f"{moved:.2g} of their norm, {ratio[at]:.2g} with each",
            epoch=int(evidence.epochs[at]),
            step=int(evidence.steps[at]),
            measured=moved,
            threshold=self.threshold,
            healthy=(1.0, 100.0),
            config_line=line_of(evidence, "learning_rate"),
            remedy=rate.higher(evidence, moved),
        )

    def _fits(self, evidence: Evidence) -> bool:
        """Whether the training rows are known far better than others."""
        if not evidence.has("score", "validation_score"):
            return False
        score, known = float(evidence.score[-1]), evidence.targets
        guessing = known.majority if known else 0.0
        above = score - max(float(evidence.validation_score[-1]), guessing)
        return above > self.gap
