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
    units with a twin > threshold. An error if, one update later, half of them or more
    have a twin with the same gradient too, or get none: then they are alike for good.
    Else a warning, and no cause of others: the layers behind them or dropout tell them
    apart, and networks trained as well as others (digits: .96 to .98, against .24 to
    .44). Not of the output layer: its units have targets of their own, so that zeros
    are a good start there. Not of layers that are not trained. Not of layers inside a
    residual that come apart: blocks that start as the identity are a good start too
    (Zhang, Dauphin and Ma, ICLR 2019). Healthy: 0, with any random initializer.
    Measured on 460 healthy runs: no false alarm. After Goodfellow, Bengio and Courville
    (Deep Learning, 2016, §8.4). One finding, at the first such layer.

    Attributes:
        threshold: share of a layer's units that may have a twin.
    """

    title = "symmetry"
    threshold: Share = 0.0

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        twins = {
            layer.name: layer.first.twins
            for layer in evidence.hidden()
            if layer.first is not None and layer.units and layer.trainable
            if layer.first.twins / layer.units > self.threshold
        }
        lasting = [name for name in twins if _lasting(evidence, name, twins[name])]
        parting = [name for name in twins if not _inside(evidence, name, SHORTCUTS)]
        names = lasting or parting
        if not names:
            return
        at, layers = names[0], [evidence.layers[name] for name in names]
        others = f"; so in {', '.join(names[1:])}" if names[1:] else ""
        yield self.finding(
            evidence,
            "error" if lasting else "warning",
            f"{twins[at]} of {layers[0].units} units start with the very weights of "
            f"another unit of {at}{_future(evidence, at, bool(lasting))}{others}",
            node=_node(evidence, at),
            layer=at,
            measured=twins[at] / layers[0].units,
            threshold=self.threshold,
            healthy=(0.0, 0.0),
            remedy=initial.different(evidence, layers),
            place="" if lasting else "I1 apart",
        )


def _lasting(evidence: Evidence, layer: str, twins: int) -> bool:
    """Whether a layer's twins remain alike, as far as is known."""
    first = evidence.signals
    return first is None or 2 * first.alike.get(layer, 0) >= twins


def _future(evidence: Evidence, layer: str, lasting: bool) -> str:
    """What becomes of a layer's twins."""
    first = evidence.signals
    if first is None:
        return ", and can only become the same"
    if not lasting:
        return "; their gradients differ, so that they come apart once they train"
    at = next((i for i, z in enumerate(evidence.nodes) if z.layer == layer), None)
    none = at is not None and first.delta_rms[at] == 0
    what = "no gradient sets them apart" if none else "are given the same gradient"
    return f" and {what}: they remain alike"


SHORTCUTS = ("residual", "transformer_encoder", "transformer_decoder")
"""Layers that add a signal to what those inside make of it."""
BESIDE = (*SHORTCUTS, "attention", "branch")
"""Layers inside which others do not stand in a row."""


def _inside(evidence: Evidence, layer: str, kinds: Sequence[str]) -> bool:
    """Whether a layer is part of one of some kinds."""
    parts = layer.split("/")
    outer = ("/".join(parts[:count]) for count in range(1, len(parts)))
    found = (evidence.layers[name].kind for name in outer if name in evidence.layers)
    return any(kind in kinds for kind in found)


@register("I3")
class WeightScale(Detector):
    """First weights that shrink or blow up every signal that passes.

    γ = s(W) √fan / c, with fan = fan_in or the mean of the fans, whichever is closer to
    1, and c = √2 before the ReLU family, else 1; it is wrong outside [1 / factor,
    factor] and outside the interval that holds `chance` of all n γ² ~ χ²(n), n the
    number of weights: few weights wander. Layers that are a little wrong each are wrong
    together: where the product of γ² over the hidden layers, by which they multiply a
    signal's variance, is outside [1 / depth, depth], and the geometric mean of γ over
    what chance allows it outside [1 / average, average]. The product leaves out layers
    inside a residual or a transformer's block: beside a shortcut they add to a signal,
    and it says nothing; and those in branches and attention, which stand in no row.

    By kind: a filter of a convolution adds up fan_in = C/groups · K inputs, K numbers
    in its window, and a transposed one as many as reach an output. A recurrent layer
    has two matrices, W as any other, and R, through which what it remembers passes T
    times: its c is 1, as s(R) √units is its spectral radius (Girko's circular law), and
    without gates it is too large also where γ > average and γ^(2T) > depth. (Of tanh
    and relu nets on adding, T = 15, those of radius .5 to 1.2 ended at R² of .66 to
    .99, of 2 at .28 or less; an lstm of a gain up to 5, which is a radius of 2.5 in
    each gate, at .99. Radii of usual initializers: .5 to 1.) An embedding's row is
    taken as it is, so that its γ is its standard deviation: 1 (PyTorch) and .02 (Keras,
    GPT-2) are usual, and smaller ones harm little (copy: 1.0 before attention, .8 to
    .99 before an lstm, from 1e-4 to 1), so that it may start small; from 10 on it was
    .77 to .81, as positions drown in it and gates are shut.

    Left out: layers whose outputs are normalized by any normalization (their scale
    cancels), that are not trained, or whose units are all alike (I1). A last layer may
    start small: nothing but the first outputs depends on it (see I2). An error if one
    follows from it, or if the product is outside its limits; else a warning, and for
    layers that are too small only together: 5 to 10 layers of γ .4 to .6 trained to .76
    to .98 of digits with Adam, 10 to 20 of 1.6 to 2 to .25 to .93. Healthy: .4 to 1.5,
    what the named initializers give; .71 is glorot before relu. Measured on 1,177
    healthy runs: no false alarm. After Glorot and Bengio (AISTATS 2010, eq. 10-12) and
    He et al. (ICCV 2015, eq. 10). One finding, at the layer farthest from 1.

    Attributes:
        factor: how many times too large or too small weights may be.
        chance: share of right initializations that are inside the χ² interval.
        depth: how far all layers together may change a signal's variance.
        average: how many times too large or too small weights may be in the mean of
            layers that together change it farther.
    """

    title = "wrong-weight-scale"
    factor: Positive = 3.0
    chance: Share = 0.999
    depth: Positive = 1e3
    average: Positive = 1.5

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        judged = [
            layer
            for layer in evidence.layers.values()
            if layer.trainable and not layer.normalized and not _alike(layer)
        ]
        firsts = {x.name: x.first for x in judged if x.first and _known(x.first)}
        row = {
            layer.name: firsts[layer.name]
            for layer in evidence.hidden()
            if layer.name in firsts and not _inside(evidence, layer.name, BESIDE)
        }
        product = 2 * sum(_log(first.gamma) for first in row.values())
        extreme = abs(product) > math.log(self.depth)
        together = self._together(row, product > 0) if extreme else set()
        alone = {
            name
            for name, first in firsts.items()
            if self._is_wrong(first)
            and (first.gamma > 1 or not _may_be_small(evidence, name))
        }
        wrong = {n: f.gamma for n, f in firsts.items() if n in alone | together}
        again = {
            layer.name: layer.recurrent.gamma
            for layer in judged
            if layer.recurrent and self._is_wrong_again(evidence, layer)
        }
        named = wrong | {f"{name} (recurrent)": g for name, g in again.items()}
        if not named:
            return
        worst = max(named, key=lambda name: abs(_log(named[name])))
        limit = self.factor if worst not in together - alone else self.average
        at = worst.removesuffix(" (recurrent)")
        layers = evidence.layers
        yield self.finding(
            evidence,
            "error" if extreme and (alone or product > 0) else "warning",
            _scale_in_words(evidence, worst, named)
            + (f"; {len(row)} layers {_times(product)}" if together else ""),
            node=_node(evidence, at),
            layer=at,
            measured=named[worst],
            threshold=limit if named[worst] > 1 else 1 / limit,
            healthy=(0.4, 1.5) if limit == self.factor else (1 / limit, limit),
            remedy=initial.scaled(
                evidence, [layers[n] for n in wrong], [layers[n] for n in again]
            ),
        )

    def _is_wrong_again(self, evidence: Evidence, layer: LayerFacts) -> bool:
        """Whether what comes back at each time step is."""
        first = layer.recurrent
        if first is None or not _known(first):
            return False
        if self._is_wrong(first) or layer.kind != "rnn":
            return self._is_wrong(first)
        steps = [z.time or 0 for z in evidence.nodes if z.layer == layer.name]
        grown = 2 * max(steps, default=0) * _log(first.gamma)
        return first.gamma > self.average and grown > math.log(self.depth)

    def _is_wrong(self, first: FirstWeights) -> bool:
        if 1 / self.factor <= first.gamma <= self.factor:
            return False
        low, high = self._by_chance(first)
        return not low <= first.gamma <= high

    def _by_chance(self, first: FirstWeights) -> tuple[float, float]:
        """The interval of γ that right weights are in."""
        from scipy.special import gammaincinv

        count = first.fan_in * first.fan_out
        tails = np.array([(1 - self.chance) / 2, (1 + self.chance) / 2])
        # χ²(n) is twice a gamma variable of shape n / 2.
        low, high = np.sqrt(2 * gammaincinv(count / 2, tails) / count)
        return float(low), float(high)

    def _together(self, row: dict[str, FirstWeights], large: bool) -> set[str]:
        """Layers that are too large or too small, where they are so in the mean."""
        sign, limit = (1 if large else -1), math.log(self.average)
        off = {name: sign * _log(first.gamma) for name, first in row.items()}
        chance = sum(sign * _log(self._by_chance(f)[large]) for f in row.values())
        if sum(off.values()) <= limit * len(row) + chance:
            return set()
        return {name for name, distance in off.items() if distance > limit}


def _known(first: FirstWeights) -> bool:
    return math.isfinite(first.gamma)


def _may_be_small(evidence: Evidence, layer: str) -> bool:
    """Whether a layer hands its signal to nothing that needs it at its size."""
    facts = evidence.layers[layer]
    return facts is initial.output_layer(evidence) or facts.looked_up


def _log(gamma: float) -> float:
    return math.log(gamma) if gamma > 0 else -math.inf


def _times(log: float) -> str:
    """What a product of that logarithm does to a signal; it may be no float."""
    power = log / math.log(10)
    times = f"1e{power:+.0f}" if math.isfinite(power) else "0"
    return f"together multiply a signal's variance by {times}"


def _scale_in_words(evidence: Evidence, worst: str, wrong: dict[str, float]) -> str:
    size = "large" if wrong[worst] > 1 else "small"
    others = [f"{name} {g:.2g}" for name, g in wrong.items() if name != worst]
    more = f" and {len(others) - 5} more" if len(others) > 5 else ""
    seen = _seen(evidence, worst.removesuffix(" (recurrent)"))
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
    what the first weights said. A loss that is not finite is another matter (N1).
    Healthy: ln K to 2 ln K; H0 to 3 H0. A note. After Karpathy (A Recipe for Training
    Neural Networks, 2019: verify the loss at init).

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
            if data.own_scale(evidence):
                remedy = data.from_the_mean(evidence)
            elif not (
                std > float(np.max(targets.std, initial=0.0)) or _scaled(evidence)
            ):
                remedy = data.target_scaled(evidence)
        elif std > self.logits and classes > 1:
            usual, factor, high = math.log(classes), self.factor, 2.0
            what = "of no opinion, ln K"
        else:
            return
        if not (usual > 0 and factor * usual < first.loss < math.inf):
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


def _scaled(evidence: Evidence) -> bool:
    """Whether the target is standardized already."""
    setting = evidence.settings.get("standardize_target")
    return setting is not None and bool(setting.value)


# ---------------------------------------------------------------- widths


@register("I4")
class FiniteWidth(Detector):
    """Layers so narrow that chance decides whether a signal gets through.

    Over hidden layers of n units: Σ 1/n > spread, which the variance of a gradient's
    logarithm grows with (Hanin and Rolnick, NeurIPS 2018); or the chance that a layer
    of relu has no unit that is positive, 1 - Π (1 - 2^-n), > born_dead (Lu, Shin, Su
    and Karniadakis 2019, theorem 3). Layers whose outputs are normalized are left out,
    and activations behind a normalization; of a convolution n is its channels. Healthy:
    below these limits; 8-8-8 has .38 and 1.2 %. A risk, and so a warning: a cause only
    where A1, G1 or L4 came of it. One finding, at the narrowest layer.

    Attributes:
        spread: Σ 1/n that is too much.
        born_dead: chance of a dead layer that is too high.
    """

    title = "finite-width-risk"
    spread: Positive = 1.0
    born_dead: Share = 0.05

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        layers = [x for x in evidence.hidden() if x.units and not _behind_norm(x)]
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


def _behind_norm(layer: LayerFacts) -> bool:
    """Whether a layer is normalized, or an activation of what another one made."""
    return layer.normalized or (layer.first is None and layer.weight_init is None)


def _rectified(layer: LayerFacts) -> bool:
    at = layer.activation
    return at is not None and at.name in initial.RECTIFIERS


def _spread(units: Sequence[int]) -> float:
    return math.fsum(1 / n for n in units)


def _dead(units: Sequence[int]) -> float:
    return 1 - math.prod(1 - 2.0**-n for n in units)


def _biased(layer: LayerFacts | None) -> bool:
    return layer is not None and edits.biased(layer)


@register("I5")
class BornDead(Detector):
    """Units that no row makes positive, so that no gradient ever moves them.

    At least `threshold` of a layer's units are positive in no row before step 1, and
    more than signs by chance make so: all of them, or more than n/2 + deviations √n/2
    (a fair coin's 99.9 %). Without that a third of healthy nets of 16 units a layer
    would be flagged, deep ones or with inputs that are all positive: there all rows
    look alike to a unit, so that its sign is the same for all of them. Half of them is
    enough where biases do not start at 0 and hold the layer down: the mean of z is more
    than `below` standard deviations below 0. Such a unit counts as dead, too, where no
    more than `hardly` of its values are positive: a channel has one at each position,
    and among 30,000 of images an outlier is positive (digits, a bias of -10: 7 of 8
    channels at 0 to 6e-4, accuracy .15 for .95; of -3: 4e-4 to .05, .89). Of 29
    networks with such a layer, 24 learned less than with biases of 0. Only where the
    derivative is 0 for every z < 0 (relu, relu6), and in layers that are trained.
    Healthy: 0 to half. The cause is the bias, where it does not start at 0, or else the
    width. After Lu, Shin, Su and Karniadakis (2019).

    Attributes:
        threshold: share of a layer's units.
        deviations: how many standard deviations above a half chance is ruled out.
        below: how many standard deviations of z below 0 a layer is held down.
        hardly: share of positive values up to which a unit that is held down is dead.
    """

    title = "born-dead"
    threshold: Share = 0.5
    deviations: NonNegative = 3.09
    below: NonNegative = 2.0
    hardly: Share = 1e-3

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        first = evidence.signals
        for node, members in evidence.groups() if first is not None else ():
            facts = evidence.layers.get(node.layer)
            hard = facts is not None and facts.activation and not _rectified(facts)
            if first is None or hard or (facts is not None and not facts.trainable):
                continue
            shares = (
                first.positive.get(evidence.nodes[i].path, np.ones(1)) for i in members
            )
            share, at = np.max([*shares], axis=0), members[-1]
            down = _biased(facts) and first.mean[at] < -self.below * first.std[at]
            dead = share < (self.hardly if down else 0.0) + np.finfo(float).tiny
            if dead.mean() >= self.threshold and (down or self._no_chance(dead)):
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
        biased = _biased(facts)
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
