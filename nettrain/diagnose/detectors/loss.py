"""What the training loss does, beside the loss of the best constant prediction, H0."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from statistics import NormalDist
from typing import Annotated

import numpy as np

from nettrain.component import Count, Positive, Range, Share, register
from nettrain.diagnose.detector import Detector
from nettrain.diagnose.detectors.generalization import error_of, in_use
from nettrain.diagnose.detectors.rate import line_of, median_ratios, relative_loss
from nettrain.diagnose.evidence import Array, Evidence
from nettrain.diagnose.facts import Targets
from nettrain.diagnose.finding import Finding, Remedy
from nettrain.diagnose.remedies import data, edits, rate

Correlation = Annotated[float, Range(at_least=-1, at_most=1)]


@register("L3")
class Diverged(Detector):
    """The loss has left for good the range in which a network learns.

    The median of the last `checks` epochs' losses > threshold · H0, from epoch `start`
    on: the first epochs of a healthy run may begin high. And > threshold times the
    lowest loss that the run had (L0 included): what begins high and falls, slowly, has
    another cause. Told from the first epoch of
    the stretch that lasts until now. Healthy: 0 to 1. Measured on 717 healthy runs: no
    false alarm.

    Attributes:
        threshold: times H0.
        checks: epochs of the median.
        start: the first epoch that is judged.
    """

    title = "diverged"
    threshold: Positive = 1.5
    checks: Count = 5
    start: Count = 7

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        loss = relative_loss(evidence)
        first = max(self.start, self.checks)
        if len(loss) < first:
            return
        windows = np.lib.stride_tricks.sliding_window_view(loss, self.checks)
        medians = np.median(windows[first - self.checks :], axis=1)
        begun = evidence.signals.loss if evidence.signals else np.inf
        lowest = np.fmin(begun, np.fmin.reduce(np.asarray(evidence.loss, float)))
        limit = self.threshold * max(evidence.prior, float(lowest))
        if not medians[-1] * evidence.prior > limit:
            return
        fine = np.flatnonzero(~(medians > self.threshold))
        at = first - 1 + (int(fine[-1]) + 1 if len(fine) else 0)
        yield self.finding(
            evidence,
            "error",
            f"the loss of the last {self.checks} epochs is {medians[-1]:.3g} times "
            f"that of always giving the same answer ({evidence.prior:.3g})",
            epoch=int(evidence.epochs[at]),
            step=int(evidence.steps[at]),
            measured=float(medians[-1]),
            threshold=self.threshold,
            healthy=(0.0, 1.0),
            config_line=line_of(evidence, "learning_rate"),
            remedy=edits.slower(evidence, "the loss has grown past that of guessing"),
        )


@register("L4")
class Guessing(Detector):
    """The loss never became better than that of a constant answer.

    The best training loss of all epochs > threshold · H0, after `budget` of the planned
    updates (all of them, where training is over) and at least `updates`. A note until
    half of the budget, then a warning. Or the training loss fell, and that of at least
    `rows` validation rows was > others · H0 of these rows after every epoch, the
    score of the weights in use no better than the majority's by 2 standard errors: what
    was learned says nothing of other rows, as with labels that have nothing to do with
    the inputs.
    Healthy: 0 to .9. Measured on 460 healthy runs: 1.9 % false alarms.

    Attributes:
        threshold: share of H0.
        others: the same of validation rows.
        rows: validation rows below which their loss proves nothing.
        budget: share of the planned updates before which nothing is said.
        updates: updates before which nothing is said.
        half: share of the planned updates from which it is a warning.
    """

    title = "no-better-than-guessing"
    at_end = True
    threshold: Positive = 0.97
    others: Positive = 0.9
    budget: Share = 0.25
    updates: Count = 300
    half: Share = 0.5
    rows: Count = 30

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        if not evidence.has("loss"):
            return
        yield from self._on_other_rows(evidence)
        steps, best = int(evidence.steps[-1]), float(np.min(relative_loss(evidence)))
        planned = max(1, evidence.planned_steps)
        spent = 1.0 if evidence.finished else steps / planned
        early = steps < self.updates or spent < self.budget
        if early or not best > self.threshold:
            return
        yield self.finding(
            evidence,
            "note" if spent < self.half else "warning",
            f"after {steps:,} updates the best training loss is "
            f"{best * evidence.prior:.4g}; always giving the same answer has "
            f"{evidence.prior:.4g}{_majority(evidence)}",
            epoch=int(evidence.epochs[-1]),
            step=steps,
            measured=best,
            threshold=self.threshold,
            healthy=(0.0, 0.9),
            remedy=Remedy(
                "mend what else was found; if that is nothing, look whether the "
                "inputs say anything about the targets, then widen the network"
                f"{data.ignored(evidence)}"
            ),
        )

    def _on_other_rows(self, evidence: Evidence) -> Iterator[Finding]:
        """The training loss fell, and the validation loss never below guessing's."""
        targets = evidence.targets
        if targets is None or targets.validation_rows < self.rows:
            return
        if not (evidence.finished and evidence.has("validation_loss")):
            return
        known = np.isfinite(evidence.validation_prior)
        guessed = evidence.validation_prior if known else evidence.prior
        other = float(np.min(evidence.validation_loss)) / guessed
        own = float(np.min(relative_loss(evidence)))
        learned = own <= self.threshold and other > self.others
        if not learned or _beats_guessing(evidence, targets):
            return
        yield self.finding(
            evidence,
            "warning",
            f"the training loss fell to {own:.2g} of guessing's, and the best loss of "
            f"validation rows is {other:.3g} of guessing's there: what was learned "
            "says nothing of other rows",
            epoch=int(evidence.epochs[-1]),
            step=int(evidence.steps[-1]),
            measured=other,
            threshold=self.others,
            healthy=(0.0, 0.9),
            remedy=Remedy(
                "check that labels belong to their rows; if they do, the inputs hardly "
                f"say anything about the targets{data.ignored(evidence)}"
            ),
        )


def _beats_guessing(evidence: Evidence, targets: Targets) -> bool:
    """Whether the validation score of the weights in use is clearly the better."""
    if not evidence.has("validation_score"):
        return False
    evidence = in_use(evidence)
    score, error = evidence.validation_score[-1], error_of(evidence)[-1]
    return bool(score > targets.majority + 2 * error)


def _majority(evidence: Evidence) -> str:
    targets = evidence.targets
    if targets is None or targets.task != "classification":
        return ""
    return f", and is right for {targets.majority:.3g} of the rows"


# ---------------------------------------------------------------- single updates


def line(losses: Array) -> tuple[float, Array]:
    """Slope per update of the least-squares line through the losses, and residuals."""
    time = np.arange(len(losses)) - (len(losses) - 1) / 2
    slope = float(time @ losses / (time @ time))
    return slope, losses - losses.mean() - slope * time


def falling(losses: Array) -> float:
    """P(slope < 0) of the line through at least 3 losses, with normal errors.

    Φ(-m / σ_m), m the least-squares slope, σ_m² = Σr² / (n - 2) · 12 / (n³ - n), r the
    residuals (King, "Automatic learning rate scheduling that really works", 2018).
    """
    n = len(losses)
    slope, rest = line(losses)
    error = math.sqrt(float(rest @ rest) / (n - 2) * 12 / (n**3 - n))
    if np.ptp(losses) == 0:
        # The residuals are those of rounding.
        return 0.5
    if error == 0:
        return 0.5 - 0.5 * float(np.sign(slope))
    return NormalDist().cdf(-slope / error)


def recent(evidence: Evidence) -> Array:
    """The losses of the latest updates, as far as they are finite."""
    losses: Array = np.asarray(evidence.losses, float)
    return np.extract(np.isfinite(losses), losses)


@register("L5")
class Plateau(Detector):
    """The loss does not fall any more, and was not learned.

    P(slope < 0) < threshold over the latest updates (at most 100), both of all losses
    and without the highest `top` of them, which a few bad batches cannot tilt; at least
    `updates` of them, and the last epoch's loss >= converged · H0. On a plateau each
    P is uniform, so that about two of five are told: a note. Healthy: .9 to 1. After
    King, "Automatic learning rate scheduling that really works" (2018). In 112 runs
    that learned slowly: 10 % were told. Silent where a schedule lets the rate fall: in
    the end the loss is to stand still, and that is all there is to advise.

    Attributes:
        threshold: probability that the loss falls.
        top: share of the highest losses that is left out.
        updates: how many losses it takes.
        converged: share of H0 below which the loss counts as learned.
    """

    title = "plateau"
    at_end = True
    threshold: Share = 0.51
    top: Share = 0.1
    updates: Count = 50
    converged: Share = 0.1

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        losses = recent(evidence)
        if not evidence.has("loss") or len(losses) < max(3, self.updates):
            return
        low = losses[losses <= np.quantile(losses, 1 - self.top)]
        likely = max(falling(losses), falling(low) if len(low) > 2 else 0.0)
        learned = not relative_loss(evidence)[-1] >= self.converged
        if learned or _rate_falls(evidence) or not likely < self.threshold:
            return
        slope, _ = line(losses)
        yield self.finding(
            evidence,
            "note",
            f"over the last {len(losses)} updates the loss changed by "
            f"{slope * (len(losses) - 1):+.2g} along a line, to about "
            f"{np.mean(losses[-10:]):.3g}; that it still falls has a probability of "
            f"{likely:.2g}",
            epoch=int(evidence.epochs[-1]),
            step=int(evidence.steps[-1]),
            measured=likely,
            threshold=self.threshold,
            healthy=(0.9, 1.0),
            config_line=line_of(evidence, "learning_rate"),
            remedy=rate.falling(evidence),
        )


def _rate_falls(evidence: Evidence) -> bool:
    """Whether the learning rate has a schedule, and not one that holds it up."""
    setting = evidence.settings.get("learning_rate")
    value = setting.value if setting is not None else None
    while isinstance(value, Mapping) and "linear_warmup" in value:
        value = value["linear_warmup"]["peak"]
    return isinstance(value, Mapping) and not {"constant", "cyclic"} & set(value)


@register("L6")
class Oscillation(Detector):
    """The loss goes up and down from one update to the next: steps across a valley.

    Lag-1 autocorrelation of the latest losses (at most 100, at least `updates`) around
    their line < threshold, with the last epoch's median ‖ΔW‖/‖W‖ > moved and its loss
    >= converged · H0. In epochs of two shuffled batches the autocorrelation is near
    -1/2 without any fault, since their losses add up to about the same: not judged.
    Healthy: -.3 to 1. In 289 healthy runs: no note. After LeCun et al., "Efficient
    BackProp" (1998), §4.

    Attributes:
        threshold: the autocorrelation, below 0.
        moved: ‖ΔW‖/‖W‖ above which steps are large.
        updates: how many losses it takes.
        converged: share of H0 below which the loss counts as learned.
    """

    title = "oscillation"
    at_end = True
    threshold: Correlation = -0.4
    moved: Positive = 2e-2
    updates: Count = 50
    converged: Share = 0.1

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        losses = recent(evidence)
        short = len(losses) < max(3, self.updates) or evidence.steps_per_epoch == 2
        if short or not evidence.has("loss", "update_ratio"):
            return
        ratio, loss = median_ratios(evidence)[-1], relative_loss(evidence)[-1]
        _, rest = line(losses)
        power = float(rest @ rest)
        turns = float(rest[1:] @ rest[:-1]) / power if power > 0 else 0.0
        swings = turns < self.threshold and ratio > self.moved
        if not (swings and loss >= self.converged):
            return
        yield self.finding(
            evidence,
            "note",
            f"the loss swings from one update to the next (autocorrelation "
            f"{turns:.2g}), while each moves the weights by {ratio:.2g} of their norm",
            epoch=int(evidence.epochs[-1]),
            step=int(evidence.steps[-1]),
            measured=turns,
            threshold=self.threshold,
            healthy=(-0.3, 1.0),
            config_line=line_of(evidence, "learning_rate"),
            remedy=rate.lower(evidence, float(ratio)),
        )
