"""What differs from batch to batch, and between training and prediction."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nettrain.component import Positive, Share, register
from nettrain.diagnose.detectors.generalization import Outcome
from nettrain.diagnose.evidence import Evidence
from nettrain.diagnose.finding import Finding
from nettrain.diagnose.remedies import generalization

_TINY = float(np.finfo(np.float32).tiny)


@register("B1")
class BatchNoise(Outcome):
    """The gradient of a batch is hardly more than noise, and learning is not done.

    B_simple = tr(Σ) / |G|² > times · batch size, with training loss > unlearned · H0;
    Σ is the covariance of the rows' gradients, G their mean. A batch of B rows needs
    S_min (1 + B_simple / B) updates (McCandlish et al. 2018, eq. 2.7 and 2.9): at 20
    times, four times the rows do the work of 3.5 updates. Near its goal any net has
    G near 0 and any noise scale, so that it is no sign there; where G cannot be told
    from 0 nothing is said. Healthy: 0.2 to 15 (10 of 13 small nets that still learned).

    Attributes:
        times: how many batch sizes of noise are worth a note.
        unlearned: share of H0 above which the loss says that learning is not done.
    """

    title = "batch-noise"
    times: Positive = 20.0
    unlearned: Share = 0.5

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        modes, batch = evidence.modes, evidence.batch_size
        if modes is None or not batch or not evidence.has("loss"):
            return
        ratio = modes.noise / batch
        slow = evidence.loss[-1] > self.unlearned * evidence.prior
        if not np.isfinite(ratio) or ratio <= self.times or not slow:
            return
        yield self.outcome(
            evidence,
            "note",
            f"the noise in a gradient equals its size at {modes.noise:.3g} rows, "
            f"{ratio:.3g} times the batch of {batch}; the loss is still "
            f"{evidence.loss[-1] / evidence.prior:.2g} of guessing's",
            key="batch_size",
            measured=ratio,
            threshold=self.times,
            healthy=(0.2, 15.0),
            remedy=generalization.larger_batch(evidence),
        )


@register("B2")
class ModeMismatch(Outcome):
    """The network predicts worse than it trained, on the very same rows.

    Their loss in prediction > times · their loss in training mode, and > least · H0.
    Dropout makes training the worse of the two, so only worse prediction is a fault:
    running averages of batch normalization that do not fit (Ioffe 2017, §1). Healthy:
    0.2 to 1.2.

    Attributes:
        times: how many times the training mode's loss is too much.
        least: share of H0 below which the prediction is good whatever the ratio.
    """

    title = "train-eval-mismatch"
    times: Positive = 2.0
    least: Share = 0.1

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        modes = evidence.modes
        if modes is None or not modes.prediction > self.least * evidence.prior:
            return
        ratio = modes.prediction / max(modes.training, _TINY)
        if not np.isfinite(ratio) or ratio <= self.times:
            return
        yield self.outcome(
            evidence,
            "warning",
            f"the same rows have a loss of {modes.prediction:.3g} in prediction and "
            f"{modes.training:.3g} in training mode",
            measured=ratio,
            threshold=self.times,
            healthy=(0.2, 1.2),
            remedy=generalization.same_in_both_modes(evidence),
        )
