"""What is wrong with the data before anything is learned from them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from nettrain.component import Count, Positive, Share, register
from nettrain.diagnose.detector import Detector
from nettrain.diagnose.evidence import Array, Evidence
from nettrain.diagnose.facts import Inputs, Targets, Told
from nettrain.diagnose.finding import Finding, Remedy, Severity
from nettrain.diagnose.remedies import data as remedies
from nettrain.diagnose.remedies.initial import output_layer

_MADE = "was it made from the target, or is it known later?"
_TOLD = {
    "same": ("alone tells", "each alone tell", _MADE),
    "follows": ("follows from", "follow from", _MADE),
    "gaps": (
        "has gaps that tell",
        "have gaps that tell",
        "was it filled in where the target was known?",
    ),
    "several": (
        "alone tells",
        "each alone tell",
        "several of its values stand for one of the target's, which may be so by "
        "nature; is it known when the prediction is made?",
    ),
    "needed": (
        "follows from",
        "follow from",
        "the other columns say nothing of it, so that this is the task, if it is known "
        "when the prediction is made",
    ),
}
"""How columns tell a target: verbs for one of them and for several, and what to ask."""
_RESOLUTION = 1e-6
"""std / |mean| below which float32 cannot tell a feature from a constant."""


class _Measure(NamedTuple):
    """One number of a rule, its limit and the range in which it is healthy.

    Attributes:
        excess: how many times the limit it is; above 1 it has crossed it.
        words: what was measured, in a sentence that the number completes.
    """

    value: float
    threshold: float
    healthy: tuple[float, float]
    excess: float
    words: str


def _above(
    value: float, limit: float, healthy: tuple[float, float], words: str
) -> _Measure:
    return _Measure(value, limit, healthy, value / limit, words)


def _below(
    value: float, limit: float, healthy: tuple[float, float], words: str
) -> _Measure:
    excess = limit / value if value > 0 else np.inf
    return _Measure(value, limit, healthy, excess, words)


def _worst(*measures: _Measure) -> _Measure | None:
    """The one that is farthest beyond its limit, if any is."""
    worst = max(measures, key=lambda measure: measure.excess)
    return worst if worst.excess > 1 else None


def _constant(inputs: Inputs) -> Array:
    """(F,) whether a feature is the same in all training rows."""
    constant: Array = inputs.std <= _RESOLUTION * np.abs(inputs.mean)
    return constant


def _indicator(inputs: Inputs) -> Array:
    """(F,) whether a feature holds zeros and ones only: then std² = mean (1 - mean)."""
    variance = inputs.std**2
    bernoulli = inputs.mean * (1 - inputs.mean)
    indicator: Array = np.abs(variance - bernoulli) <= _RESOLUTION * variance
    return indicator


class _AboutData(Detector):
    """A finding about no layer stands at the setting that would mend it."""

    def about(
        self,
        evidence: Evidence,
        severity: Severity,
        why: str,
        setting: str = "",
        **fields: Any,
    ) -> Finding:
        found = self.finding(evidence, severity, why, **fields)
        known = evidence.settings.get(setting)
        line = known.config_line if known is not None else None
        return dataclasses.replace(found, config_line=line)


# ---------------------------------------------------------------- inputs


@register("D1")
class UnscaledInputs(_AboutData):
    """Inputs of very different sizes, or far from 0: one learning rate fits none.

    After preprocessing: max std / min std > ratio, or any std > largest or < smallest,
    or |mean| > offset · std of a feature. Left out of all: features constant in the
    training part, and columns of zeros and ones, whose std says how rare a category is
    and nothing of a unit. Left out of the ratio: those with less than `negligible` of
    the median std. Healthy, of the bundled data sets standardized, between 0 and 1, or
    raw where that does no harm: ratio 1 to 20, std .02 to 2, |mean| up to 8 std.
    Measured on 460 healthy runs: no false alarm. After LeCun, Bottou, Orr and Müller
    (1998, §4.3). An error if another error follows from it.

    Attributes:
        ratio: how many times the smallest standard deviation the largest may be.
        largest: standard deviation that is too large.
        smallest: standard deviation that is too small.
        offset: how many standard deviations from 0 a mean may be.
        negligible: share of the median std below which one is left out of the ratio.
    """

    title = "unscaled-inputs"
    ratio: Positive = 100.0
    largest: Positive = 10.0
    smallest: Positive = 1e-2
    offset: Positive = 10.0
    negligible: Share = 0.02

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        inputs = evidence.inputs
        if inputs is None:
            return
        finite = np.isfinite(inputs.mean) & np.isfinite(inputs.std)
        keep = np.flatnonzero(finite & ~_constant(inputs) & ~_indicator(inputs))
        if not len(keep):
            return
        mean, std = inputs.mean[keep], inputs.std[keep]
        worst = self._worst(mean, std)
        if worst is None:
            return
        names = [inputs.names[i] for i in keep]
        yield self.about(
            evidence,
            "warning",
            f"{worst.words} {worst.value:.3g}; farthest from mean 0 and standard "
            f"deviation 1: {_farthest(names, mean, std)}",
            "preprocess",
            measured=worst.value,
            threshold=worst.threshold,
            healthy=worst.healthy,
            remedy=remedies.standardized(evidence),
        )

    def _worst(self, mean: Array, std: Array) -> _Measure | None:
        counted = std[std >= self.negligible * np.median(std)]
        return _worst(
            _above(
                float(counted.max() / counted.min()),
                self.ratio,
                (1.0, 20.0),
                "the largest standard deviation of an input over the smallest is",
            ),
            _above(
                float(std.max()),
                self.largest,
                (0.02, 2.0),
                "the largest standard deviation of an input is",
            ),
            _below(
                float(std.min()),
                self.smallest,
                (0.02, 2.0),
                "the smallest standard deviation of an input is",
            ),
            _above(
                float((np.abs(mean) / std).max()),
                self.offset,
                (0.0, 8.0),
                "the largest mean of an input, in its standard deviations, is",
            ),
        )


def _farthest(names: Sequence[str], mean: Array, std: Array) -> str:
    """The five features that a standardization would change most."""
    change = np.maximum(np.abs(np.log(std)), np.log(np.maximum(np.abs(mean) / std, 1)))
    worst = np.argsort(-change, kind="stable")[:5]
    return ", ".join(f"{names[i]} (mean {mean[i]:.3g}, {std[i]:.3g})" for i in worst)


# ---------------------------------------------------------------- targets


@register("D2")
class ClassImbalance(_AboutData):
    """A class so rare that it hardly counts in the loss.

    Training rows of the largest class / of the smallest > threshold. Silent where the
    loss weighs the classes already, where there is only one (D3), and of sequences:
    some characters of a text are rare by nature. Healthy: 1 to 2 in the bundled data
    sets. Measured on 460 healthy runs: no false alarm. After Buda, Maki and Mazurowski
    (Neural Networks 106, 2018). Classes of less than `rows` rows are not to be weighed:
    one row with the weight of hundreds is learned by heart.

    Attributes:
        threshold: how many times the rows of the smallest class the largest may have.
        rows: how many rows of a class can stand for it.
    """

    title = "class-imbalance"
    threshold: Positive = 10.0
    rows: Count = 5

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        targets, weights = evidence.targets, evidence.settings.get("class_weights")
        if targets is None or np.count_nonzero(targets.counts) < 2:
            return
        weighted = weights is not None and weights.name not in ("", "none")
        ranked = targets.counts[_ranked(targets)]
        ratio = float(ranked[-1] / max(ranked[0], 1))
        if weighted or targets.sequences or ratio <= self.threshold:
            return
        yield self.about(
            evidence,
            "warning",
            _classes(evidence, targets),
            "loss",
            measured=ratio,
            threshold=self.threshold,
            healthy=(1.0, 2.0),
            remedy=remedies.too_few()
            if ranked[0] < self.rows
            else remedies.balanced(evidence),
        )


def _ranked(targets: Targets) -> Array:
    """The classes that count, the rarest first."""
    found = np.argsort(targets.counts, kind="stable")
    return found if targets.ignore is None else found[found != targets.ignore]


def _classes(evidence: Evidence, targets: Targets) -> str:
    """Rows of the rarest classes and the commonest, and how well each is found."""
    counts, names = targets.counts, targets.names
    ranked = _ranked(targets)
    common = int(ranked[-1])
    rare = [f"class {names[i]} with {counts[i]}" for i in ranked[:3] if i != common]
    share = 100 * counts[common] / counts.sum()
    why = (
        f"class {names[common]} has {counts[common]} training rows; the rarest: "
        f"{', '.join(rare)}; who always says {names[common]} is right in {share:.3g} %"
    )
    recall = np.asarray(evidence.recall, float)
    if not len(recall) or recall.shape[1] != len(names):
        return why
    last = {i: recall[-1, i] for i in (*ranked[:3], common)}
    found = [f"{names[i]} {r:.2g}" for i, r in last.items() if np.isfinite(r)]
    return f"{why}; recall: {', '.join(dict.fromkeys(found))}"


@register("D4")
class OrderEffect(_AboutData):
    """Batches that hold one class after the other: each step unlearns the last.

    Mean label entropy of the batches as they are taken < threshold · that of batches of
    shuffled rows, which is H0 but for their size (a batch of 8 of 10 classes has
    less). In a regression the variance takes the entropy's place. Healthy: near 1.
    After Bengio (2012, §3.1.1: examples are to be drawn at random).

    Attributes:
        threshold: share of a shuffled batch's entropy.
    """

    title = "order-effect"
    threshold: Share = 0.5

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        targets = evidence.targets
        if targets is None or not targets.order < self.threshold:
            return
        what = "labels" if targets.task == "classification" else "targets"
        yield self.about(
            evidence,
            "warning",
            f"the {what} of a batch differ by {100 * targets.order:.2g} % of what they "
            "would in a shuffled one: each update unlearns what the last has learned",
            "shuffle",
            measured=targets.order,
            threshold=self.threshold,
            healthy=(0.9, 1.1),
            remedy=remedies.shuffled(evidence),
        )


@register("D5")
class TellingColumn(_AboutData):
    """A column that alone tells the target, which is then no test of anything learned.

    The share of the training rows that its values tell, of the class told least, >=
    threshold, or >= nearly of it with at most `wrong` rows that say otherwise. A value
    that comes again tells the class that most of its rows have; a quantity is told by a
    column on a line with it. Only columns of few values can: each comes ten times on
    the average, or they are as many as the classes; an id tells nothing. Nor may a
    column rise or fall with a quantity throughout, as what is rounded, bent or cut at a
    threshold does, and so has no more values: the share is of the 20 rows or more that
    have not its commonest value, and rows that stand in its order do not count. Nor may
    values be missing just where the target is one of its classes, or is below or above
    some value. Mostly such a column was made from the target, or is known later than
    it. A warning where it is the target in other words: it has as many values as there
    are classes, one for each, or lies on a line with the target; where it follows from
    it; and for gaps. With more values than classes it may tell by right (the city tells
    the country), and it is a note without a patch; so it is with >= nearly, and where
    the other columns say nothing of the target: a law (degrees of Celsius and of
    Fahrenheit) is what there is to learn. Silent where there is but one column.
    Healthy: 0 to .95. In 194 healthy tables, generated ones and iris, wine, digits and
    breast cancer, each class of them against the rest and each column as a target among
    them, no column tells more than .94, nor follows more from another. After Kaufman,
    Rosset and Perlich (KDD 2011), who call it leakage.

    Attributes:
        threshold: share of the rows.
        wrong: rows that may say otherwise all the same.
        nearly: share of the rows that is worth a note.
    """

    title = "telling-column"
    threshold: Share = 0.999
    wrong: Count = 3
    nearly: Share = 0.97

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        told = evidence.inputs.telling if evidence.inputs else {}
        close = {n: each for n, each in told.items() if each.share >= self.nearly}
        for how, (one, several, text) in _TOLD.items():
            for sure in (True, False):
                told = {n: t for n, t in close.items() if self.judged(t) == (how, sure)}
                verb = one if len(told) == 1 else several
                if told and sure and how not in ("several", "needed"):
                    remedy = remedies.left_out(evidence, [*told])
                    yield self._found(evidence, "warning", told, verb, text, remedy)
                elif told:
                    remedy = Remedy("leave out what is known later than the target")
                    yield self._found(evidence, "note", told, verb, text, remedy)

    def judged(self, told: Told) -> tuple[str, bool]:
        """In which way it tells, and whether next to no row says otherwise."""
        few = told.rows > 0 and round((1 - told.share) * told.rows) <= self.wrong
        sure = told.share >= (self.nearly if few else self.threshold)
        return "needed" if told.needed else told.how, sure

    def _found(
        self,
        evidence: Evidence,
        severity: Severity,
        told: Mapping[str, Told],
        verb: str,
        text: str,
        remedy: Remedy,
    ) -> Finding:
        least = min(each.share for each in told.values())
        rows = "every training row"
        if least < 1:
            rows = f"{100 * least:.4g} % of the training rows"
        columns, what = [*told], "the target"
        if evidence.targets and len(evidence.targets.mean) > 1:
            targets = {each.target for each in told.values()}
            what = targets.pop() if len(targets) == 1 else "a target"
            if targets:
                columns = [f"{name} ({each.target})" for name, each in told.items()]
        return self.about(
            evidence,
            severity,
            f"{remedies.listed(columns)} {verb} {what} in {rows}: {text}",
            "columns",
            measured=least,
            threshold=self.threshold if least >= self.threshold else self.nearly,
            healthy=(0.0, 0.95),
            remedy=remedy,
        )


# ---------------------------------------------------------------- defects


@register("D3")
class DataDefects(_AboutData):
    """Inputs or targets that cannot be meant so; one finding for each defect.

    - A feature that is not finite; labels of only one class; fewer outputs than classes
      (one for two classes is enough): warnings.
    - Class labels as targets of a regression: a warning; their scale is then no matter.
    - A regression target with |mean| > offset · std, or std outside [smallest,
      largest]: a warning; a note where the network learned all the same: the final
      loss is below converged · H0, or random features of the inputs explain no more
      than `left` of the residuals. Healthy: mean 0, standard deviation 1. Of targets
      that are the inputs themselves D1 speaks; counts (poisson) and shares
      (kl_divergence) have the scale that their loss asks for.
    - Validation rows that are training rows too: a warning above `shared` of them, and
      above e + 3 √(e (1 + 2 r) + 1), with e as many of them as of the training rows
      are repeated there, and r validation rows for each training row: few measurements
      or categories coincide by nature, and nothing is said of them. Also above `copied`
      of them, where a row would be the same as less than `chance` others if the columns
      were independent; above `shared` of them where hardly any row is as another is but
      for one column, too: less than `near` of the share that is the same. Such rows
      were repeated before the split. Healthy: none.
    - Features that are constant in the training part: a note.

    After Sculley et al. (NIPS 2015) and Breck et al. (MLSys 2019), who test data before
    models.

    Attributes:
        shared: share of the validation rows that may be training rows too.
        copied: share of them that nothing but copies can be.
        chance: training rows that a row is the same as by chance.
        near: nearly equal rows for one that is the same, at least, by nature.
        offset: how many standard deviations from 0 a target's mean may be.
        largest: a target's standard deviation that is too large.
        smallest: a target's standard deviation that is too small.
        converged: share of H0 below which the loss counts as learned.
        left: R² of the residuals below which there was no more to learn.
    """

    title = "data-defect"
    shared: Share = 0.03
    copied: Share = 0.5
    chance: Positive = 0.01
    near: Share = 0.1
    offset: Positive = 3.0
    largest: Positive = 10.0
    smallest: Positive = 0.1
    converged: Share = 0.1
    left: Share = 0.0

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        inputs, targets = evidence.inputs, evidence.targets
        if inputs is not None:
            yield from self._nonfinite(evidence, inputs)
        if targets is not None and targets.task == "classification":
            yield from self._labels(evidence, targets)
        elif targets is not None and targets.looks_like_classes:
            yield self.about(
                evidence,
                "warning",
                "the loss does not fit the task: it is for quantities, and the targets "
                "are labels of classes",
                "loss",
                remedy=remedies.classified(evidence),
            )
        elif (
            targets is not None
            and not remedies.own_scale(evidence)
            and (inputs is None or inputs.names != targets.names)
        ):
            yield from self._scale(evidence, targets)
        if inputs is not None and targets is not None:
            yield from self._shared(evidence, inputs, targets)
        if inputs is not None:
            yield from self._constant(evidence, inputs)

    def _nonfinite(self, evidence: Evidence, inputs: Inputs) -> Iterator[Finding]:
        finite = np.isfinite(inputs.mean) & np.isfinite(inputs.std)
        names = [inputs.names[i] for i in np.flatnonzero(~finite)]
        if names:
            text = "fill in, drop or correct the values that are not finite"
            yield self.about(
                evidence,
                "warning",
                f"{len(names)} of {len(finite)} features have values that are not "
                f"finite: {remedies.listed(names)}",
                measured=float(len(names)),
                threshold=0.0,
                healthy=(0.0, 0.0),
                remedy=Remedy(text),
            )

    def _labels(self, evidence: Evidence, targets: Targets) -> Iterator[Finding]:
        present = int(np.count_nonzero(targets.counts))
        if present == 1:
            only = targets.names[int(np.argmax(targets.counts))]
            yield self.about(
                evidence,
                "warning",
                f"every training row is of class {only}: there is nothing to tell "
                "apart",
                measured=1.0,
                threshold=2.0,
                healthy=(2.0, float(len(targets.counts))),
                remedy=Remedy("add rows of other classes, or choose another target"),
            )
        last, classes = output_layer(evidence), len(targets.names)
        outputs = last.units if last is not None else 0
        if last is not None and 0 < outputs < classes and (outputs, classes) != (1, 2):
            yield self.finding(
                evidence,
                "warning",
                f"the network has {outputs} outputs for {classes} classes",
                layer=last.name,
                measured=float(outputs),
                threshold=float(classes),
                healthy=(float(classes), float(classes)),
                remedy=remedies.one_each(evidence),
            )

    def _scale(self, evidence: Evidence, targets: Targets) -> Iterator[Finding]:
        finite = np.isfinite(targets.mean).all() and np.isfinite(targets.std).all()
        if not targets.std.size or not finite:
            return
        mean, std = np.abs(targets.mean), np.asarray(targets.std, float)
        offset = np.divide(mean, std, out=np.zeros_like(std), where=std > 0)
        worst = _worst(
            _above(float(offset.max()), self.offset, (0.0, 1.0), "standard deviations"),
            _above(float(std.max()), self.largest, (0.3, 3.0), "too large"),
            _below(float(std.min()), self.smallest, (0.3, 3.0), "too small"),
        )
        if worst is None:
            return
        sizes = [
            f"{name} has mean {m:.3g} and standard deviation {s:.3g}"
            for name, m, s in zip(targets.names, targets.mean, std, strict=True)
        ]
        done = evidence.converged(self.converged)[-1:].any()
        learned = evidence.finished and (done or evidence.unexplained <= self.left)
        yield self.about(
            evidence,
            "note" if learned else "warning",
            f"the scale of the target does not suit outputs that start near 0 with "
            f"standard deviation 1: {remedies.listed(sizes)}",
            "standardize_target",
            place="D3 target",
            measured=worst.value,
            threshold=worst.threshold,
            healthy=worst.healthy,
            remedy=remedies.target_scaled(evidence),
        )

    def _shared(
        self, evidence: Evidence, inputs: Inputs, targets: Targets
    ) -> Iterator[Finding]:
        if not inputs.shared or not targets.validation_rows:
            return
        rows = targets.validation_rows
        each = rows / max(targets.rows, 1)
        by_nature = each * inputs.repeated
        # Three standard deviations of two counts, more than which is no coincidence:
        # that of the shared rows, e, and that of e, as repeated rows come in pairs.
        spread = (by_nature * (1 + 2 * each) + 1) ** 0.5
        limit = max(self.shared * rows, by_nature + 3 * spread)
        if inputs.coincidence < self.chance:
            alone = inputs.near < self.near * inputs.shared / rows
            limit = min(limit, (self.shared if alone else self.copied) * rows)
        if inputs.shared <= limit:
            return
        text = "keep each row in one part only: drop rows that stand twice, or split "
        yield self.about(
            evidence,
            "warning",
            f"{inputs.shared} of {rows} validation rows are training rows too, in all "
            "that the network sees"
            + (
                f", and {inputs.repeated} of {targets.rows} training rows stand twice"
                if inputs.repeated
                else ""
            )
            + ": the validation cannot tell what was learned by heart",
            measured=inputs.shared / rows,
            threshold=limit / rows,
            healthy=(0.0, 0.0),
            remedy=Remedy(text + "before rows are repeated"),
        )

    def _constant(self, evidence: Evidence, inputs: Inputs) -> Iterator[Finding]:
        names = [inputs.names[i] for i in np.flatnonzero(_constant(inputs))]
        if names:
            yield self.about(
                evidence,
                "note",
                f"{len(names)} of {len(inputs.names)} features are constant in the "
                f"training part and say nothing: {remedies.listed(names)}",
                measured=float(len(names)),
                threshold=0.0,
                healthy=(0.0, 0.0),
                remedy=Remedy("leave constant features out"),
            )
