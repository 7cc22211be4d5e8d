"""A step that was not finite, computed again from its unharmed state: what began it?"""

from __future__ import annotations

import numpy as np

from nettrain.diagnose.blame import FirstBad
from nettrain.diagnose.evidence import Blame
from nettrain.execute.program import STATEFUL, Definition
from nettrain.execute.reference import evaluate
from nettrain.graph import Node
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
    """Replay an uncommitted step node after node, forward first, batch by batch.

    Args:
        network: whose state the step did not change.
        inputs, targets, rate, step: of that step.
        epoch: it belongs to.
        rows: (B,) the number of each row in the data.
    """
    state = dict(network.state)
    for held in network.first.sums:
        state[held.path] = np.zeros(held.shape, held.dtype)

    def leaves(definition: Definition) -> dict[Node, np.ndarray]:
        return {n: state[n.path] for n in definition.leaves(*STATEFUL)}

    for batch in network.batches(targets, step):
        traced = network.traced(batch.size)
        definition, ending = traced.definition, traced.ending
        slopes = (traced.sums or traced.gradients).values()
        first = FirstBad(traced.cost, slopes, rows[batch.where])
        new = definition.updates if ending else {}
        values = evaluate(
            [traced.cost, *definition.guards, *new.values()],
            leaves(definition) | batch.given(traced, inputs, targets, rate),
            check=first,
        )
        if (found := first.blame(step, epoch)).reproduced or not ending:
            return found
        state |= {held.path: values[node] for held, node in new.items()}
    first = FirstBad(traced.cost, traced.gradients.values())
    evaluate(ending.guards, leaves(ending), check=first)
    return first.blame(step, epoch)
