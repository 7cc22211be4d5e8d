"""What the first weights predict of the gradient on its way down."""

from __future__ import annotations

from collections import Counter

import numpy as np

from nettrain.graph import topological
from nettrain.graph.operations.matmul import Matmul
from nettrain.training.network import Network


def predicted_gradients(network: Network) -> dict[str, float]:
    """By which factor RMS(dL/dx) differs at a node from the node above it.

    Through a weight matrix W the gradient is multiplied by s(W) √fan_out, a sum of
    fan_out independent terms (Glorot and Bengio, AISTATS 2010, eq. 6); through an
    activation by √E[f'²], which is 1/√2 for the ReLU family and about f'(0) for others
    while z is small (χ1 of Schoenholz et al., ICLR 2017). Nodes that several layers
    use have no prediction.

    Returns:
        By path of pre-activations and activations.
    """
    trace, seed = network.first.trace, network.recipe.seed
    order = topological([network.first.cost])
    uses = Counter(x for node in order for x in node.inputs)
    found = {
        z.path: pair.function.max_slope / pair.function.gain
        for z, pair in trace.neurons.items()
    }
    for node in order:
        if isinstance(node.op, Matmul) and uses[node.inputs[0]] == 1:
            below, weight = node.inputs
            made = trace.parameters.get(weight.path)
            if made is not None and below.role == "activation":
                rms = np.sqrt(np.mean(np.square(made.values(seed), dtype=np.float64)))
                found[below.path] = float(rms) * made.fan_out**0.5
    return found
