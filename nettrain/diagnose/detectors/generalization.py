"""What a network makes of rows that it was not trained on; judged on final weights.

Score: accuracy, or R² in a regression. Where `train.stop` restores the best epoch, the
weights of that epoch are the final ones.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nettrain.component import Count, Positive, Share, register
from nettrain.diagnose.detector import Detector
from nettrain.diagnose.detectors.units import lasting
from nettrain.diagnose.evidence import Array, Evidence
from nettrain.diagnose.finding import Finding, Remedy, Severity
from nettrain.diagnose.remedies import generalization as remedies

_LEAST_VARIANCE = 0.01
"""Of a score, per row: near 0 or 1 a handful of rows decides (diagnosis.md, se)."""


def in_use(evidence: Evidence) -> Evidence:
    """The checks up to the one whose weights are the result."""
    if not remedies.restores(evidence) or not _validated(evidence):
        return evidence
    by_score = str(remedies.stop_value(evidence).get("monitor")) in (
        "validation/accuracy",
        "validation/r2",
    )
    worse = -evidence.validation_score if by_score else evidence.validation_loss
    return evidence.before(int(evidence.steps[int(np.argmin(worse))]) + 1)


def _validated(evidence: Evidence) -> bool:
    """Whether every check has its loss and score on a validation part."""
    series = ("loss", "score", "validation_loss", "validation_score")
    return evidence.has(*series) and all(
        bool(np.isfinite(getattr(evidence, name)).all()) for name in series
    )


def error_of(evidence: Evidence) -> Array:
    """(E,): se = √(max(variance, .01) / n), the standard error of a validation score m.

    In a classification the variance of a row is m (1 - m); a regression's R² brings
    its own error, held to the same least. NaN where the rows are not known.
    """
    targets = evidence.targets
    rows = targets.validation_rows if targets is not None else 0
    if targets is None or not rows:
        return np.full(len(evidence.validation_score), np.nan)
    floor = _LEAST_VARIANCE / rows
    if targets.task == "regression":
        variance = np.asarray(evidence.score_error, float) ** 2
    else:
        m = np.asarray(evidence.validation_score, float)
        variance = m * (1 - m) / rows
    error: Array = np.sqrt(np.maximum(variance, floor))
    return error


_FEW = 5
"""Validation rows below which a score says nothing."""


@dataclass(frozen=True)
class _Scores:
    """Of the final weights.

    Attributes:
        train, validation: scores of both parts.
        error: standard error of the latter.
        majority: score of the best constant.
        name: what a score is called.
        when: of which weights the training score is, where these are others.
    """

    train: float
    validation: float
    error: float
    majority: float
    name: str
    when: str = ""

    @property
    def gap(self) -> float:
        return self.train - self.validation

    def __str__(self) -> str:
        return (
            f"{self.name} is {self.train:.3g} on the training part{self.when} and "
            f"{self.validation:.3g} ± {self.error:.2g} on the validation part"
        )


def _scores(evidence: Evidence) -> _Scores | None:
    """The final scores, where there is a validation part of some rows."""
    evidence = in_use(evidence)
    if evidence.targets is None or not _validated(evidence):
        return None
    if evidence.targets.validation_rows < _FEW:
        return None
    error = error_of(evidence)[-1]
    return _Scores(
        float(evidence.score[-1]),
        float(evidence.validation_score[-1]),
        float(error),
        evidence.targets.majority,
        "R²" if evidence.targets.task == "regression" else "accuracy",
    )


def _learned_scores(evidence: Evidence) -> _Scores | None:
    """With the training score that was reached, also where a better epoch is restored.

    An early epoch says nothing of what can be learned from the training rows.
    """
    scores = _scores(evidence)
    if scores is None or len(in_use(evidence).epochs) == len(evidence.epochs):
        return scores
    when = f" at the end, after epoch {evidence.epochs[-1]},"
    return dataclasses.replace(scores, train=float(evidence.score[-1]), when=when)


class Outcome(Detector):
    """Base of what is judged by the weights that training ends with."""

    at_end = True

    def outcome(
        self,
        evidence: Evidence,
        severity: Severity,
        why: str,
        *,
        key: str = "",
        **fields: Any,
    ) -> Finding:
        """A finding at the check whose weights are in use, and at a setting's line."""
        evidence = in_use(evidence)
        if evidence.has():
            fields = {
                "epoch": int(evidence.epochs[-1]),
                "step": int(evidence.steps[-1]),
                **fields,
            }
        found = self.finding(evidence, severity, why, **fields)
        setting = evidence.settings.get(key)
        line = found.config_line if setting is None else setting.config_line
        return dataclasses.replace(found, config_line=line)


# ---------------------------------------------------------------- overfitting


@dataclass(frozen=True)
class _Rise:
    """A validation loss that has risen for good.

    Attributes:
        best: index of the check with its minimum.
        at: index of the check at which it had been high long enough.
        ratio: its last value over its minimum.
        fallen: by how many standard errors the score is below its best.
        why: the numbers in words.
    """

    best: int
    at: int
    ratio: float
    fallen: float
    why: str


def _rise(evidence: Evidence, rise: float, checks: int) -> _Rise | None:
    """Whether the validation loss was > rise · its minimum in each of the last checks.

    The error of the score is the larger of those at its best and at the end.
    """
    if not _validated(evidence):
        return None
    loss, score = evidence.validation_loss, evidence.validation_score
    best = int(np.argmin(loss))
    at = lasting(loss > rise * loss[best], checks)
    if at is None or not loss[best] > 0:
        return None
    top, errors = int(np.argmax(score)), error_of(evidence)
    error = max(errors[top], errors[-1])
    ratio = float(loss[-1] / loss[best])
    fallen = float((score[top] - score[-1]) / error)
    why = (
        f"the validation loss is {ratio:.3g} times what it was in epoch "
        f"{evidence.epochs[best]}, while the training loss went on to "
        f"{evidence.loss[-1]:.3g}; the validation score is {score[-1]:.3g} "
        f"± {error:.2g}, at best {score[top]:.3g}"
    )
    return _Rise(best, at, ratio, fallen, why)


@register("O0")
class Overconfidence(Outcome):
    """The validation loss rises, though as many rows are right: wrong ones cost more.

    Validation loss > rise · its minimum at the last `checks` checks, the score not
    below its best by more than `errors` standard errors, and that loss > least · H0:
    a good one may rise. Healthy: 1 to 1.2. After Guo, Pleiss, Sun and Weinberger (ICML
    2017, §3).

    Attributes:
        rise: how many times its minimum is too much.
        checks: epochs in a row, the last among them.
        errors: standard errors by which a score is lower beyond chance.
        least: share of H0 below which the validation loss is good.
    """

    title = "overconfidence"
    rise: Positive = 1.2
    checks: Count = 5
    errors: Positive = 3.0
    least: Share = 0.1

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        evidence = in_use(evidence)
        found = _rise(evidence, self.rise, self.checks)
        if found is None or not found.fallen <= self.errors:
            return
        if evidence.validation_loss[-1] <= self.least * evidence.prior:
            return
        words = "or smooth the labels"
        yield _risen(self, evidence, "note", found, self.rise, words)


@register("O1")
class Overfitting(Outcome):
    """The longer it trains, the worse it does on new rows.

    Validation loss > rise · its minimum at the last `checks` checks, and the score
    below its best by more than `errors` standard errors. Silent where the best epoch
    is restored: that is the cure. Healthy: 1 to 1.2. After Prechelt (1998).

    Attributes:
        rise: how many times its minimum is too much.
        checks: epochs in a row, the last among them.
        errors: standard errors by which a score is lower beyond chance.
    """

    title = "overfitting"
    rise: Positive = 1.2
    checks: Count = 5
    errors: Positive = 3.0

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        evidence = in_use(evidence)
        found = _rise(evidence, self.rise, self.checks)
        if found is None or not found.fallen > self.errors:
            return
        words = "weight decay, dropout or more rows help further"
        yield _risen(self, evidence, "warning", found, self.rise, words)


def _risen(
    detector: Outcome,
    evidence: Evidence,
    severity: Severity,
    found: _Rise,
    limit: float,
    words: str,
) -> Finding:
    return detector.outcome(
        evidence,
        severity,
        found.why,
        key="stop",
        epoch=int(evidence.epochs[found.at]),
        step=int(evidence.steps[found.at]),
        measured=found.ratio,
        threshold=limit,
        healthy=(1.0, 1.2),
        remedy=remedies.best_epoch(evidence, words),
    )


@register("O2")
class Memorising(Outcome):
    """It knows the training rows and nothing of others: random labels, or too few rows.

    Validation score <= majority + near · se, while the training score > majority +
    learned; majority is the score of the best constant (0 for R²). So that a small
    validation part condemns nobody, the gap of both scores must be beyond chance too:
    > errors · se. Healthy: a validation score that keeps most of what the training
    score gains. The training score is that at the end, also where a better epoch is
    restored. After Zhang, Bengio, Hardt, Recht and Vinyals (ICLR 2017).

    Attributes:
        near: standard errors above guessing that chance can give.
        learned: how far above guessing the training score must be.
        errors: standard errors between the two scores.
    """

    title = "memorising"
    near: Positive = 2.0
    learned: Share = 0.15
    errors: Positive = 3.0

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        scores = _learned_scores(evidence)
        if scores is None:
            return
        limit = scores.majority + self.near * scores.error
        learned = scores.train > scores.majority + self.learned
        chance = scores.gap <= self.errors * scores.error
        if not (scores.validation <= limit and learned) or chance:
            return
        yield self.outcome(
            evidence,
            "error",
            f"{scores}, where guessing has {scores.majority:.3g}",
            key="stop",
            measured=scores.validation,
            threshold=limit,
            healthy=_kept(scores),
            remedy=remedies.memorised(evidence, max(evidence.validation_score) > limit),
        )


_KEPT = 0.5
"""Share of the training score's gain over guessing that 95 % of 163 healthy networks
show on a validation part too."""


def _kept(scores: _Scores) -> tuple[float, float]:
    """The range of validation scores of healthy networks with that training score."""
    gain = scores.train - scores.majority
    return scores.majority + _KEPT * gain, scores.train


@register("D6")
class Drifting(Outcome):
    """The validation rows are others than the training rows, and known far less.

    Of some feature, target or class the distribution functions of both parts differ by
    more than `distance`, and by more than in all but one of 1,000 splits at random;
    and training score - validation score > errors · se and > least. Rows that were
    split by their order are so where something drifts with time: a sensor, prices, who
    the customers are. An error where O2 comes of it. Healthy: 0 to 0.3 where rows are
    split at random, and in none of 1,263 such splits beyond chance; rows split by their
    order may differ and be known all the same. After Quiñonero-Candela, Sugiyama,
    Schwaighofer and Lawrence (2009), who call it data set shift.

    Attributes:
        distance: of the distribution functions.
        errors: standard errors by which a score is lower beyond chance.
        least: the smallest gap that is a fault.
    """

    title = "drift"
    distance: Share = 0.4
    errors: Positive = 3.0
    least: Share = 0.1

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        drift = evidence.inputs.drift if evidence.inputs else None
        scores = _learned_scores(evidence)
        if drift is None or scores is None:
            return
        limit = max(self.distance, drift.chance)
        gap = min(scores.gap, scores.train - scores.majority)
        if drift.distance <= limit or gap <= max(
            self.errors * scores.error, self.least
        ):
            return
        where = "come after the training rows and " if drift.later else ""
        yield self.outcome(
            evidence,
            "warning",
            f"the validation rows {where}are others: the mean of {drift.name} is "
            f"{drift.shift:+.2g} standard deviations away, and its distribution "
            f"{drift.distance:.0%} apart; {scores}",
            measured=drift.distance,
            threshold=limit,
            healthy=(0.0, 0.3),
            remedy=remedies.alike(drift.later),
        )


@register("O3")
class Gap(Outcome):
    """Training rows are known clearly better than others.

    Training score - validation score > errors · se and > least: more than chance, and
    enough to matter. Above `wide` it is a warning: too few rows, or wrong labels. Told
    only of a network that is better than the majority on its own rows by as much.
    Healthy: -0.1 to 0.14, of 939 runs. After Domingos (CACM 2012, §4).

    Attributes:
        errors: standard errors by which a score is lower beyond chance.
        least: the smallest gap worth a note.
        wide: the smallest gap that is a fault.
    """

    title = "generalization-gap"
    errors: Positive = 3.0
    least: Share = 0.1
    wide: Share = 0.2

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        scores = _scores(evidence)
        if scores is None:
            return
        limit = max(self.errors * scores.error, self.least)
        if not min(scores.gap, scores.train - scores.majority) > limit:
            return
        yield self.outcome(
            evidence,
            "warning" if scores.gap > self.wide else "note",
            str(scores),
            measured=scores.gap,
            threshold=limit,
            healthy=(-0.1, 0.1),
            remedy=remedies.gap(evidence),
        )


# ---------------------------------------------------------------- parts and classes


@register("X1")
class Leakage(Outcome):
    """New rows are known better than those that were learned: are they new?

    Validation score - training score > errors · se √(1 + n / N) and > least: n
    validation rows' error and that of N training rows, which are scattered as much; a
    few of them that are hard scatter more. Healthy: below. After Kaufman, Rosset,
    Perlich and Stitelman (2012).

    Attributes:
        errors: standard errors by which a score is higher beyond chance.
        least: the smallest gap worth a note.
    """

    title = "leakage"
    errors: Positive = 3.0
    least: Share = 0.05

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        scores, targets = _scores(evidence), evidence.targets
        if scores is None or targets is None:
            return
        both = (1 + targets.validation_rows / max(1, targets.rows)) ** 0.5
        limit = max(self.errors * scores.error * both, self.least)
        if not -scores.gap > limit:
            return
        yield self.outcome(
            evidence,
            "note",
            str(scores),
            measured=-scores.gap,
            threshold=limit,
            healthy=(-0.1, limit),
            remedy=Remedy(
                "look for rows that both parts share, and for a validation part that "
                "is easier than the training part; split at random"
            ),
        )


@register("C1")
class ClassIgnored(Outcome):
    """No row of a class is recognized, though there are enough of it to learn from.

    Recall <= recall on the validation part, for a class with at least `rows` rows
    there and `prior` of the training rows. Healthy: above 0.5 (95 % of 420 classes in
    healthy runs). One finding names all such classes. After He and Garcia (IEEE TKDE
    2009).

    Attributes:
        recall: the most that an ignored class has.
        rows: of the class in the validation part.
        prior: share of the class in the training part.
    """

    title = "class-ignored"
    recall: Share = 0.0
    rows: Count = 20
    prior: Share = 0.02

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        evidence = in_use(evidence)
        targets = evidence.targets
        if targets is None or not evidence.has("recall"):
            return
        found = evidence.recall[-1] <= self.recall
        if len(found) != len(targets.validation_counts) or not len(found):
            return
        share = targets.counts / max(1, targets.counts.sum())
        found &= (targets.validation_counts >= self.rows) & (share >= self.prior)
        classes = np.flatnonzero(found)
        if not len(classes):
            return
        names = _listed([targets.names[i] for i in classes])
        rows = int(targets.validation_counts[classes].sum())
        yield self.outcome(
            evidence,
            "warning",
            f"of {rows} validation rows of {names}, none is recognized",
            key="class_weights",
            measured=float(evidence.recall[-1][classes].max()),
            threshold=self.recall,
            healthy=(0.5, 1.0),
            remedy=remedies.ignored(
                evidence, bool((share[classes] < 1 / len(share)).any())
            ),
        )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:5])
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ("class " if len(names) == 1 else "classes ") + shown + more


# ---------------------------------------------------------------- underfitting


@register("U1")
class Underfit(Outcome):
    """The network cannot say what there is to learn.

    (a) No hidden layer has a nonlinearity, so that the whole is one linear map (Minsky
    and Papert 1969), and nonlinear features of the inputs explain more than `nonlinear`
    of the residuals' variance; or the final training loss > unlearned · H0, unless such
    features explain nothing: then a line is all there is. A network without hidden
    layers is meant to be linear. (b) `conclude`: L4 holds, and nothing else that would
    explain it. Healthy: a loss below 0.5 H0 and residuals that are noise: linear nets
    on data with linear targets had -.6 to .0, on moons, circles, spirals and friedman1
    .3 to .97.

    Attributes:
        unlearned: share of H0 above which the loss is that of an underfit.
        nonlinear: R² of the residuals that a linear network may leave.
        guessing: share of H0 above which no training row was learned.
    """

    title = "underfit"
    unlearned: Share = 0.5
    nonlinear: Share = 0.1
    guessing: Positive = 0.97

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        hidden, evidence = evidence.hidden(), in_use(evidence)
        if not hidden or not all(x.linear for x in hidden) or not evidence.has("loss"):
            return
        share, left = float(evidence.loss[-1] / evidence.prior), evidence.unexplained
        bent = left > self.nonlinear
        if not bent and (left <= 0 or not share > self.unlearned):
            return
        told = f"; nonlinear features explain {left:.0%} of what it leaves over"
        yield self.outcome(
            evidence,
            "warning",
            f"no hidden layer has a nonlinearity, so the network is one linear map; "
            f"its training loss ends at {share:.2g} of guessing's" + (told * bent),
            layer=hidden[0].name,
            measured=left if bent else share,
            threshold=self.nonlinear if bent else self.unlearned,
            healthy=(-0.6, 0.0) if bent else (0.0, 0.5),
            remedy=remedies.bent(evidence),
        )

    def conclude(
        self, evidence: Evidence, findings: Sequence[Finding]
    ) -> Iterator[Finding]:
        """(b), once training is over: no alarm but L4, and C1 in its wake.

        Args:
            findings: what the detectors found.
        """
        alarms = {f.id: f for f in findings if f.severity != "note"}
        if not evidence.finished or alarms.keys() - {"C1"} != {"L4"}:
            return
        if (share := float(np.min(evidence.loss) / evidence.prior)) <= self.guessing:
            return  # the training rows were learned
        yield self.outcome(
            evidence,
            "warning",
            f"the best training loss is {share:.2g} of guessing's, and nothing else "
            "is wrong",
            measured=share,
            threshold=self.guessing,
            healthy=(0.0, 0.5),
            remedy=remedies.larger(evidence),
        )
