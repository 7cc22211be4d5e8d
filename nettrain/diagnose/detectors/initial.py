"""What is wrong with a network before its first update."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from nettrain.component import NonNegative, Positive, Share, register
from nettrain.diagnose.detector import Detector
from nettrain.diagnose.evidence import Array, Evidence
from nettrain.diagnose.facts import FirstWeights, LayerFacts, PreActivation, Signals
from nettrain.diagnose.finding import Finding, Remedy
from nettrain.diagnose.remedies import data, edits, initial


def _node(evidence: Evidence, layer: str) -> str | None:
    """The pre-activation of a layer."""
    return next((node.path for node in evidence.nodes if node.layer == layer), None)


def _alike(layer: LayerFacts) -> bool:
    """Whether all of a layer's units have the same weights."""
    return layer.first is not None and 0 < layer.units <= layer.first.twins


# ---------------------------------------------------------------- weights


@register("I1")
class Symmetry(Detector):
    """Units that start alike and are given the same gradient remain alike.

    Two columns of a hidden weight matrix are identical before step 1: the share of
    units with a twin > threshold. Not of the output layer: its units have targets of
    their own, which set them apart at the first step, so that zeros are a good start
    there. Not of layers that are not trained. Healthy: 0, with any random initializer.
    Measured on 460 healthy runs: no false alarm. After Goodfellow, Bengio and Courville
    (Deep Learning, 2016, §8.4). One finding, at the first such layer.

    Attributes:
        threshold: share of a layer's units that may have a twin.
    """

    title = "symmetry"
    threshold: Share = 0.0

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        shares = {
            layer.name: layer.first.twins / layer.units
            for layer in evidence.hidden()
            if layer.first is not None and layer.units and layer.trainable
        }
        alike = [name for name, share in shares.items() if share > self.threshold]
        if not alike:
            return
        at, layers = alike[0], [evidence.layers[name] for name in alike]
        others = f"; so in {', '.join(alike[1:])}" if alike[1:] else ""
        first = layers[0].first
        twins = first.twins if first else 0
        yield self.finding(
            evidence,
            "error",
            f"{twins} of {layers[0].units} units start with the very weights of "
            f"another unit of {at}, and can only become the same{others}",
            node=_node(evidence, at),
            layer=at,
            measured=shares[at],
            threshold=self.threshold,
            healthy=(0.0, 0.0),
            remedy=initial.different(evidence, layers),
        )


@register("I3")
class WeightScale(Detector):
    """First weights that shrink or blow up every signal that passes.

    γ = s(W) √fan / c, with fan = fan_in or the mean of the fans, whichever is closer to
    1, and c = √2 before the ReLU family, else 1; it is wrong outside [1 / factor,
    factor] and outside the interval that holds `chance` of all n γ² ~ χ²(n), n the
    number of weights: few weights wander. Left out: layers whose outputs are normalized
    (their scale cancels), that are not trained, or whose units are all alike (I1). A
    last layer may start small: nothing but the first outputs depends on it (see I2).
    An error if one follows from it, or if the product of γ² over the hidden layers, by
    which they multiply a signal's variance, is outside [1 / depth, depth]; else a
    warning. Healthy: .4 to 1.5, what the named initializers give. Measured on 1,177
    healthy runs: no false alarm. After Glorot and Bengio (AISTATS 2010, eq. 10-12) and
    He et al. (ICCV 2015, eq. 10). One finding, at the layer farthest from 1.

    Attributes:
        factor: how many times too large or too small weights may be.
        chance: share of right initializations that are inside the χ² interval.
        depth: how far all layers together may change a signal's variance.
    """

    title = "wrong-weight-scale"
    factor: Positive = 3.0
    chance: Share = 0.999
    depth: Positive = 1e3

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        output = initial.output_layer(evidence)
        gammas = {
            layer.name: layer.first.gamma
            for layer in evidence.layers.values()
            if layer.first and layer.trainable and not layer.normalized
            if not _alike(layer)
        }
        wrong = [
            name
            for name, gamma in gammas.items()
            if self._is_wrong(gamma, evidence.layers[name].first)
            and (gamma > 1 or evidence.layers[name] is not output)
        ]
        if not wrong:
            return
        worst = max(wrong, key=lambda name: _distance(gammas[name]))
        hidden = {layer.name for layer in evidence.hidden()}
        product = math.prod(g**2 for name, g in gammas.items() if name in hidden)
        extreme = not 1 / self.depth <= product <= self.depth
        gamma, layers = gammas[worst], [evidence.layers[name] for name in wrong]
        yield self.finding(
            evidence,
            "error" if extreme else "warning",
            _scale_in_words(evidence, worst, {name: gammas[name] for name in wrong}),
            node=_node(evidence, worst),
            layer=worst,
            measured=gamma,
            threshold=self.factor if gamma > 1 else 1 / self.factor,
            healthy=(0.4, 1.5),
            remedy=initial.scaled(evidence, layers),
        )

    def _is_wrong(self, gamma: float, first: FirstWeights | None) -> bool:
        if first is None or 1 / self.factor <= gamma <= self.factor:
            return False
        from scipy.special import gammaincinv

        count = first.fan_in * first.fan_out
        tails = np.array([(1 - self.chance) / 2, (1 + self.chance) / 2])
        # χ²(n) is twice a gamma variable of shape n / 2.
        low, high = 2 * gammaincinv(count / 2, tails) / count
        return not low <= gamma**2 <= high


def _distance(gamma: float) -> float:
    return abs(math.log(gamma)) if gamma > 0 else math.inf


def _scale_in_words(evidence: Evidence, worst: str, wrong: dict[str, float]) -> str:
    size = "large" if wrong[worst] > 1 else "small"
    others = [f"{name} {g:.2g}" for name, g in wrong.items() if name != worst]
    more = f" and {len(others) - 5} more" if len(others) > 5 else ""
    seen = _seen(evidence, worst)
    return (
        f"the weights of {worst} start at γ = {wrong[worst]:.2g} of the scale that "
        f"keeps signals their size: too {size}{seen}"
        + (f"; likewise {', '.join(others[:5])}{more}" if others else "")
    )


def _seen(evidence: Evidence, layer: str) -> str:
    """What the first weights made of training rows in a layer."""
    found = evidence.signals
    at = next((i for i, z in enumerate(evidence.nodes) if z.layer == layer), None)
    if found is None or at is None:
        return ""
    return f" (std of z {found.std[at]:.2g}, RMS of its δ {found.delta_rms[at]:.2g})"


# ---------------------------------------------------------------- first loss


@register("I2")
class InitialLoss(Detector):
    """A network that is sure of its first guesses, which are wrong.

    In a classification L0 > factor · ln K, K classes, and the logits' standard
    deviation > logits; in a regression L0 > excess · H0. The first epochs then undo
    what the first weights said. Healthy: ln K to 2 ln K; H0 to 3 H0. A note. After
    Karpathy (A Recipe for Training Neural Networks, 2019: verify the loss at init).

    Attributes:
        factor: how many times ln K the first loss may be.
        logits: their standard deviation up to which no loss is too high.
        excess: how many times H0 a regression's first loss may be.
    """

    title = "initial-loss"
    factor: Positive = 3.5
    logits: NonNegative = 5.0
    excess: Positive = 10.0

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        first, targets = evidence.signals, evidence.targets
        if first is None or targets is None or not evidence.nodes:
            return
        std, classes = float(first.std[evidence.output]), len(targets.names)
        remedy = initial.smaller_output(evidence)
        if targets.task == "regression":
            usual, factor, high = evidence.prior, self.excess, 3.0
            what = "of the best constant"
            if not std > float(np.max(targets.std, initial=0.0)):
                remedy = data.target_scaled(evidence)
        elif std > self.logits and classes > 1:
            usual, factor, high = math.log(classes), self.factor, 2.0
            what = "of no opinion, ln K"
        else:
            return
        if not (usual > 0 and first.loss > factor * usual):
            return
        node = evidence.nodes[evidence.output]
        yield self.finding(
            evidence,
            "note",
            f"the first loss is {first.loss:.3g}, that {what} {usual:.3g}; the outputs "
            f"have standard deviation {std:.2g}",
            node=node.path,
            layer=node.layer,
            measured=first.loss,
            threshold=factor * usual,
            healthy=(usual, high * usual),
            remedy=remedy,
        )


# ---------------------------------------------------------------- widths


@register("I4")
class FiniteWidth(Detector):
    """Layers so narrow that chance decides whether a signal gets through.

    Over hidden layers of n units: Σ 1/n > spread, which the variance of a gradient's
    logarithm grows with (Hanin and Rolnick, NeurIPS 2018); or the chance that a layer
    of relu has no unit that is positive, 1 - Π (1 - 2^-n), > born_dead (Lu, Shin, Su
    and Karniadakis 2019, theorem 3). Layers whose outputs are normalized are left out.
    Healthy: below these limits; 8-8-8 has .38 and 1.2 %. A risk, and so a warning: a
    cause only where A1, G1 or L4 came of it. One finding, at the narrowest layer.

    Attributes:
        spread: Σ 1/n that is too much.
        born_dead: chance of a dead layer that is too high.
    """

    title = "finite-width-risk"
    spread: Positive = 1.0
    born_dead: Share = 0.05

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        layers = [x for x in evidence.hidden() if x.units and not x.normalized]
        if not layers:
            return
        units = [layer.units for layer in layers]
        rectified = [layer.units for layer in layers if _rectified(layer)]
        spread, dead = _spread(units), _dead(rectified)
        if spread <= self.spread and dead <= self.born_dead:
            return
        by_spread = spread / self.spread >= dead / max(self.born_dead, 1e-12)
        narrowest = min(layers, key=lambda layer: layer.units)
        yield self.finding(
            evidence,
            "warning",
            f"{narrowest.name} has {narrowest.units} units; over the hidden layers "
            f"Σ 1/n = {spread:.2g}, and with {100 * dead:.2g} % probability a layer of "
            "relu is dead from the start",
            node=_node(evidence, narrowest.name),
            layer=narrowest.name,
            measured=spread if by_spread else dead,
            threshold=self.spread if by_spread else self.born_dead,
            healthy=(0.0, self.spread if by_spread else self.born_dead),
            remedy=self._remedy(evidence, dead > self.born_dead),
        )

    def _remedy(self, evidence: Evidence, dead: bool) -> Remedy:
        def enough(units: Sequence[int]) -> bool:
            return _spread(units) <= self.spread and _dead(units) <= self.born_dead

        wider = initial.wider(evidence, enough)
        return initial.both(wider, initial.leaky(evidence)) if dead else wider


def _rectified(layer: LayerFacts) -> bool:
    at = layer.activation
    return at is not None and at.name in initial.RECTIFIERS


def _spread(units: Sequence[int]) -> float:
    return math.fsum(1 / n for n in units)


def _dead(units: Sequence[int]) -> float:
    return 1 - math.prod(1 - 2.0**-n for n in units)


@register("I5")
class BornDead(Detector):
    """Units that no row makes positive, so that no gradient ever moves them.

    At least `threshold` of a layer's units are positive in no row before step 1, and
    more than signs by chance make so: all of them, or more than n/2 + deviations √n/2
    (a fair coin's 99.9 %). Without that a third of healthy nets of 16 units a layer
    would be flagged, deep ones or with inputs that are all positive: there all rows
    look alike to a unit, so that its sign is the same for all of them. Only where the
    derivative is 0 for every z < 0 (relu, relu6), and in layers that are trained.
    Healthy: 0 to half. The cause is the bias, where it does not start at 0, or else the
    width. After Lu, Shin, Su and Karniadakis (2019).

    Attributes:
        threshold: share of a layer's units.
        deviations: how many standard deviations above a half chance is ruled out.
    """

    title = "born-dead"
    threshold: Share = 0.5
    deviations: NonNegative = 3.09

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        first = evidence.signals
        for node in evidence.nodes if first is not None else ():
            facts = evidence.layers.get(node.layer)
            hard = facts is not None and facts.activation and not _rectified(facts)
            if first is None or hard or (facts is not None and not facts.trainable):
                continue
            dead = first.positive.get(node.path, np.ones(1)) == 0
            if dead.mean() >= self.threshold and self._no_chance(dead):
                yield self._found(evidence, node, facts, dead, first)

    def _no_chance(self, dead: Array) -> bool:
        """Whether so many units have not got the same sign by chance."""
        count, total = int(dead.sum()), len(dead)
        by_chance = total / 2 + self.deviations * math.sqrt(total) / 2
        return count == total or count > by_chance

    def _found(
        self,
        evidence: Evidence,
        node: PreActivation,
        facts: LayerFacts | None,
        dead: Array,
        first: Signals,
    ) -> Finding:
        biased = facts is not None and edits.biased(facts)
        count, total = int(dead.sum()), len(dead)
        at = list(evidence.nodes).index(node)
        return self.finding(
            evidence,
            "error",
            f"{count} of {total} units of {node.layer} are positive in none of "
            f"{first.rows} rows before the first step (mean of z {first.mean[at]:.2g}"
            + ("; its biases do not start at 0)" if biased else ")"),
            node=node.path,
            layer=node.layer,
            units=tuple(int(unit) for unit in np.flatnonzero(dead)),
            measured=count / total,
            threshold=self.threshold,
            healthy=(0.0, 0.5),
            remedy=initial.born_dead(evidence),
            place="I5 bias" if biased else "I5 width",
        )
