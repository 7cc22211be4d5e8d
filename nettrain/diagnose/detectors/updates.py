"""Whether the updates go where the gradient says, and whether the gradient is right."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nettrain.component import NonNegative, Positive, Share, register
from nettrain.diagnose.detector import Detector
from nettrain.diagnose.detectors.rate import HEALTHY, line_of
from nettrain.diagnose.evidence import Array, Evidence
from nettrain.diagnose.finding import Edit, Finding, Remedy
from nettrain.diagnose.remedies import edits, rate


@register("P1")
class ParameterNotUpdated(Detector):
    """A parameter that is to be trained stays as it was.

    ‖ΔW‖ = 0 and ‖dL/dW‖ > 0 in every epoch so far: one with a rate of 0, at the start
    of a warm-up, is no proof. Its gradient must have been at least `reached` of the
    largest parameter's in one of them: what is far below may be lost to the rounding of
    float32 (2^-24 of a weight), which G1 or L2 tell. A parameter without any gradient
    is not told here: it cannot be told from one behind dead units (A1, I1). Healthy:
    none. Measured on 460 healthy runs: no false alarm.

    A hidden layer that is not to be trained keeps its random first weights. That may be
    meant, so it is a warning, and only where the final loss > learned · H0 while random
    features of the inputs explain more than `left` of what the network leaves over
    (nets with random features that learned well had -.22 to .02, those that a frozen
    layer hurt .13 to .19).

    Attributes:
        reached: share of the largest gradient norm that must have come.
        learned: share of H0 below which a frozen layer does no harm.
        left: R² of the residuals from which on it does.
    """

    title = "parameter-not-updated"
    reached: Share = 1e-3
    learned: Share = 0.1
    left: Share = 0.1

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        if not evidence.has("update_norm", "gradient_norm"):
            return
        if evidence.finished and evidence.loss[-1] > self.learned * evidence.prior:
            yield from self._frozen(evidence)
        still = self._still(evidence)
        names = [p for p, s in zip(evidence.parameters, still, strict=True) if s]
        if not names:
            return
        every = len(names) == len(evidence.parameters)
        layers = evidence.layers.values()
        owner = next((x for x in layers if names[0] in x.parameters), None)
        rate_line = line_of(evidence, "learning_rate")
        yield self.finding(
            evidence,
            "error",
            _why(evidence, names, every),
            node=names[0],
            layer=None if owner is None else owner.name,
            config_line=rate_line if every or owner is None else owner.config_line,
            epoch=int(evidence.epochs[0]),
            step=int(evidence.steps[0]),
            measured=0.0,
            threshold=0.0,
            healthy=HEALTHY,
            remedy=_all_move(evidence) if every else _SOME,
        )

    def _frozen(self, evidence: Evidence) -> Iterator[Finding]:
        frozen = [x for x in evidence.hidden() if x.first and not x.trainable]
        if not frozen or evidence.exhausted(self.left):
            return
        names = ", ".join(x.name for x in frozen)
        share = float(evidence.loss[-1] / evidence.prior)
        paths = dict.fromkeys(f"{x.path}.trainable" for x in frozen)
        yield self.finding(
            evidence,
            "warning",
            f"{names} keep their random first weights (trainable: false), and the "
            f"training loss ends at {share:.2g} of guessing's",
            layer=frozen[0].name,
            epoch=int(evidence.epochs[-1]),
            step=int(evidence.steps[-1]),
            measured=share,
            threshold=self.learned,
            healthy=(0.0, self.learned),
            remedy=Remedy("train these layers", tuple(Edit(p, True) for p in paths)),
            place="U1",
        )

    def _still(self, evidence: Evidence) -> Array:
        """(Q,) whether a parameter was reached by a gradient and never moved."""
        gradient = np.asarray(evidence.gradient_norm, float)
        largest = np.fmax.reduce(gradient, axis=1, initial=0.0)[:, None]
        unmoved = ((np.asarray(evidence.update_norm) == 0) & (gradient > 0)).all(axis=0)
        still: Array = unmoved & (gradient >= self.reached * largest).any(axis=0)
        return still


_SOME = Remedy("give these parameters to the optimizer, with a learning rate above 0")


def _all_move(evidence: Evidence) -> Remedy:
    """No parameter moves: the rate is 0, or so low that float32 cannot tell."""
    known = edits.rate_value(evidence)
    if known is None or known[1] == 0:
        return Remedy("set a learning rate above 0")
    return rate.higher(evidence, 0.0)


def _why(evidence: Evidence, names: list[str], every: bool) -> str:
    known = edits.rate_value(evidence)
    if every:
        said = "" if known is None else f" at a learning rate of {known[1]:g}"
        return f"no parameter has changed{said}, though gradients arrive"
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    listed = ", ".join(names[:5])
    return f"{listed}{more} never changed, though a gradient arrives at each"


@register("P2")
class Ascent(Detector):
    """The first update goes up the loss.

    <g, ΔW> / (‖g‖ ‖ΔW‖) > threshold at step 1, g the gradient of the loss with coupled
    weight decay. Every optimizer here starts downhill. Healthy: -1 to below 0. Measured
    on 460 healthy runs: no false alarm.

    Attributes:
        threshold: cosine between gradient and update above which it climbs.
    """

    title = "ascent"
    threshold: NonNegative = 0.0

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        if not evidence.ascent > self.threshold:
            return
        setting = evidence.settings.get("maximize")
        reversed_ = setting is not None and setting.value is True
        yield self.finding(
            evidence,
            "error",
            "the first update goes up the loss: the cosine between it and the gradient "
            f"is {evidence.ascent:.2g}",
            epoch=1,
            step=1,
            measured=float(evidence.ascent),
            threshold=self.threshold,
            healthy=(-1.0, 0.0),
            config_line=line_of(evidence, "maximize") if reversed_ else None,
            remedy=Remedy(
                "minimize the loss"
                if reversed_
                else "turn the sign of the update, or of the loss",
                edits.set_to(evidence, "maximize", False) if reversed_ else (),
            ),
        )


@register("P3")
class WrongGradient(Detector):
    """A gradient differs from the slope that it should be.

    |<dL/dW, d> - (L(W + εd) - L(W - εd)) / 2ε| / max of both > threshold, in float64
    and away from kinks, for a random direction d of each parameter. Made on demand.
    Healthy: 0 to 1e-7. The worst is told. After Karpathy, CS231n ("Gradient checks").

    Attributes:
        threshold: the relative error that is too much.
    """

    title = "wrong-gradient"
    threshold: Positive = 1e-5

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        wrong = [c for c in evidence.gradient_checks if c.error > self.threshold]
        if not wrong:
            return
        worst = max(wrong, key=lambda c: c.error)
        blamed = f"; the derivative of {worst.operation} is wrong"
        yield self.finding(
            evidence,
            "error",
            f"the gradient along {worst.parameter} is {worst.exact:.6g}, but the loss "
            f"changes by {worst.numeric:.6g}"
            + (blamed if worst.operation else "")
            + (f"; {len(wrong) - 1} more are off" if len(wrong) > 1 else ""),
            node=worst.parameter,
            measured=worst.error,
            threshold=self.threshold,
            healthy=(0.0, 1e-7),
            remedy=Remedy("correct the derivative of that operation"),
        )
