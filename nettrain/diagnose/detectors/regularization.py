"""Weight decay that leaves nothing to learn with."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import numpy as np

from nettrain.component import Count, Positive, Share, register
from nettrain.diagnose.detector import Detector
from nettrain.diagnose.detectors.gradient import first_run
from nettrain.diagnose.detectors.rate import medians, relative_loss
from nettrain.diagnose.evidence import Array, Evidence
from nettrain.diagnose.facts import Decay
from nettrain.diagnose.finding import Finding
from nettrain.diagnose.remedies import regularization


@register("R1")
class OverRegularised(Detector):
    """Weight decay pulls harder than the data.

    With loss > hurt · H0 (in a regression `hurt_regression`) in `checks` epochs in a
    row and at the last check, either of:

    - coupled decay: the median over the decayed matrices of λ‖W‖/‖dL/dW‖ > threshold in
      each of these epochs, and > felt at the last matrix, whose gradient does not come
      through a layer that could cut it off: a vanished gradient loses to any decay.
      A gradient of exactly 0 says nothing, so the ratio before it stands.
    - decoupled decay: rate · λ · T > decays (e^-5 of a weight without a gradient would
      be left) and the median over the matrices of ‖W‖ is below `shrunk` of its start.

    Healthy: 0 to .3. In 289 healthy runs: no false alarm; 27 of 29 runs with a coupled
    decay of 1 were told, none of 86 with dead units, vanished gradients or unscaled
    inputs and a decay of 1e-4 whose weights began at a usual scale. After Krogh and
    Hertz (NeurIPS 1991); decoupled: Loshchilov and Hutter (ICLR 2019).

    Attributes:
        threshold: λ‖W‖/‖dL/dW‖ that is too much.
        checks: epochs in a row.
        felt: the same at the last matrix.
        hurt: share of H0 above which the loss says that learning is hurt.
        hurt_regression: the same in a regression.
        decays: rate · λ · T that is too much.
        shrunk: share of its first norm below which a weight has collapsed.
    """

    title = "over-regularised"
    threshold: Positive = 0.9
    checks: Count = 5
    felt: Positive = 0.1
    hurt: Share = 0.5
    hurt_regression: Share = 0.25
    decays: Positive = 5.0
    shrunk: Share = 0.3

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        decay = evidence.decay
        needed = "loss", "weight_norm", "gradient_norm", "update_ratio"
        if decay is None or not evidence.has(*needed):
            return
        targets = evidence.targets
        regression = targets is not None and targets.task == "regression"
        hurt = relative_loss(evidence) > (
            self.hurt_regression if regression else self.hurt
        )
        if not hurt[-1]:
            return
        found = self._coupled(evidence, decay, hurt)
        found = found or self._decoupled(evidence, decay, hurt)
        if found is not None:
            line = decay.settings[0].config_line if decay.settings else None
            remedy = regularization.weaker(decay)
            yield dataclasses.replace(found, config_line=line, remedy=remedy)

    def _coupled(self, evidence: Evidence, decay: Decay, hurt: Array) -> Finding | None:
        pull = pulls(evidence, decay)
        if not pull.shape[1]:
            return None
        middle = medians(pull)
        held = hurt & (middle > self.threshold) & (pull[:, -1] > self.felt)
        at = first_run(held, self.checks)
        if at is None:
            return None
        why = (
            f"weight decay pulls {middle[at]:.2g} times as hard as the data, and the "
            f"loss stays at {relative_loss(evidence)[-1]:.2g} of that of guessing"
        )
        return self.finding(
            evidence,
            "error",
            why,
            epoch=int(evidence.epochs[at]),
            step=int(evidence.steps[at]),
            measured=float(middle[at]),
            threshold=self.threshold,
            healthy=(0.0, 0.3),
        )

    def _decoupled(
        self, evidence: Evidence, decay: Decay, hurt: Array
    ) -> Finding | None:
        total = decay.rate * decay.decoupled * evidence.planned_steps
        at = first_run(hurt, self.checks)
        if at is None or not total > self.decays:
            return None
        left = medians(shrinkage(evidence))
        if not left[-1] < self.shrunk:
            return None
        at = max(at, int(np.argmax(left < self.shrunk)))
        why = (
            f"weight decay has left {left[-1]:.2g} of ‖W‖; in all "
            f"{evidence.planned_steps:,} updates it divides what no gradient holds by "
            f"e^{total:.3g}"
        )
        return self.finding(
            evidence,
            "error",
            why,
            epoch=int(evidence.epochs[at]),
            step=int(evidence.steps[at]),
            measured=float(left[-1]),
            threshold=self.shrunk,
            healthy=(0.5, 10.0),
        )


def pulls(evidence: Evidence, decay: Decay) -> Array:
    """(E, D): λ‖W‖/‖dL/dW‖ of the D matrices with coupled decay, in forward order.

    Where no gradient came the ratio before it stands; NaN before the first.
    """
    which = evidence.matrices & (decay.coupled > 0)
    weight = np.asarray(evidence.weight_norm, float)[:, which]
    gradient = np.asarray(evidence.gradient_norm, float)[:, which]
    pull = np.full(weight.shape, np.nan)
    force = decay.coupled[which] * weight
    np.divide(force, gradient, out=pull, where=gradient > 0)
    for at in range(1, len(pull)):
        pull[at] = np.where(gradient[at] == 0, pull[at - 1], pull[at])
    return pull


def shrinkage(evidence: Evidence) -> Array:
    """(E, M): ‖W‖ of the M matrices over that of their first values.

    Where those are not known, over the mean of the first epoch.
    """
    start = np.array(evidence.weight_norm[0], float)
    for layer in evidence.layers.values():
        own = [
            i
            for i, path in enumerate(evidence.parameters)
            if path in layer.parameters and evidence.matrices[i]
        ]
        if layer.first is not None and layer.units and len(own) == 1:
            first = layer.first
            start[own[0]] = first.rms * math.sqrt(first.fan_in * layer.units)
    which = evidence.matrices & (start > 0)
    left: Array = np.asarray(evidence.weight_norm, float)[:, which] / start[which]
    return left
