"""A step that was not finite, computed again from its unharmed state: what began it?"""

from __future__ import annotations

import numpy as np

from nettrain.diagnose.blame import FirstBad
from nettrain.diagnose.evidence import Blame
from nettrain.execute.program import STATEFUL
from nettrain.execute.reference import evaluate
from nettrain.training.network import Network


def blame(
    network: Network,
    inputs: np.ndarray,
    targets: np.ndarray,
    rate: float,
    step: int,
    epoch: int,
    rows: np.ndarray,
) -> Blame:
    """Replay an uncommitted step node after node, forward first.

    Args:
        network: whose state the step did not change.
        inputs, targets, rate, step: of that step.
        epoch: it belongs to.
        rows: (B,) the number of each row in the data.
    """
    traced = network.compiled(len(inputs), full=False).traced
    definition = traced.definition
    leaves = {n: network.state[n.path] for n in definition.leaves(*STATEFUL)}
    leaves |= {
        traced.inputs: inputs,
        traced.targets: targets,
        traced.rate: np.asarray(rate),
        traced.step: np.asarray(step),
    }
    first = FirstBad(traced.cost, traced.gradients.values(), rows)
    evaluate([traced.cost, *definition.guards], leaves, check=first)
    return first.blame(step, epoch)
