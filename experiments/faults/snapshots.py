"""What the published rules look at, and nettrain's diagnosis does not.

At the end of every epoch one sample of training rows goes forward and backward through
the network, and what the rules need of it is kept. The product pays nothing for it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nettrain.execute import Definition, executor
from nettrain.experiment.setup import Setup
from nettrain.graph import adjoints
from nettrain.training.network import Network
from nettrain.training.programs import trace_step

ROWS = 128
"""The most rows of a sample."""
BOUNDS = {"tanh": (-1.0, 1.0), "hard_tanh": (-1.0, 1.0), "sigmoid": (0.0, 1.0)}


class Snapshots:
    """Numbers of the first weights, then of those at the end of every epoch.

    Letters: L hidden layers with a nonlinearity z -> h, Q weight matrices.

    - `loss` (): of the sample.
    - of layers (L,): `zero` share of h = 0; `unit_zero_90` share of units that are 0 on
      more than 90 % of the rows; `unit_small` share of units whose 95th percentile of
      |h| is below 1e-5; `unit_rho` share of units with ρ > .85, ρ the mean distance of
      h from the middle of its range as a share of half the range; `mean`, `std` of h;
      `large` share of |z| ≥ 5; `tanh_end`, `sigmoid_end` shares of units with more than
      1 % of z beyond SageMaker's bounds; `z_nonpositive` share of z ≤ 0; `h_variance`.
    - of matrices (Q,): `g_norm`, `g_mean` = mean|g|, `g_max` = max|g|, `g_zero` share
      of g = 0, `g_spread` 95th less 5th percentile of g, `g_rms`, `g_variance`;
      `w_norm`, `w_max` = max|W|, `w_variance`.
    """

    def __init__(self, setup: Setup, network: Network) -> None:
        train = setup.dataset.parts["train"]
        rows = np.arange(len(train))[:: -(-len(train) // ROWS)]
        step = trace_step(setup.recipe, len(rows))
        pairs = list(step.trace.neurons.values())
        weights = [n for n in step.gradients if len(n.shape) > 1]
        found = adjoints(step.cost, weights)
        outputs = {"loss": step.definition.outputs["loss"]}
        for i, pair in enumerate(pairs):
            outputs |= {f"z{i}": pair.pre_activation, f"h{i}": pair.activation}
        outputs |= {f"g{i}": found[node] for i, node in enumerate(weights)}
        self._ranges = [BOUNDS.get(p.function.registered_name) for p in pairs]
        self._weights = [node.path for node in weights]
        self._state = network.state
        run = executor(setup.experiment.executor)
        self._program = run.program(Definition(outputs), network.state)
        self._inputs = {
            step.inputs: train.inputs[rows],
            step.targets: train.targets[rows],
            step.rate: np.asarray(0.0, np.float64),
            step.step: np.asarray(1, np.uint32),
        }
        leaves = set(Definition(outputs).leaves("input"))
        self._inputs = {k: v for k, v in self._inputs.items() if k in leaves}
        self._rows: list[dict[str, np.ndarray]] = []
        self.take()

    def take(self) -> None:
        """Look once."""
        with np.errstate(all="ignore"):
            out = self._program(self._inputs).outputs
            layers = [
                _of_layer(_flat(out[f"z{i}"]), _flat(out[f"h{i}"]), bounds)
                for i, bounds in enumerate(self._ranges)
            ]
            matrices = [
                _of_matrix(np.asarray(out[f"g{i}"], float), self._state[path])
                for i, path in enumerate(self._weights)
            ]
        row = {"loss": np.asarray(float(out["loss"]))}
        for group in (layers, matrices):
            for name in group[0] if group else ():
                row[name] = np.array([numbers[name] for numbers in group])
        self._rows.append(row)

    def arrays(self) -> dict[str, np.ndarray]:
        """(1 + E,) or (1 + E, L) or (1 + E, Q), by name."""
        return {name: np.stack([r[name] for r in self._rows]) for name in self._rows[0]}


def _flat(values: np.ndarray) -> np.ndarray:
    """(samples, units) in float64."""
    return np.asarray(values, float).reshape(-1, values.shape[-1])


def _of_layer(
    z: np.ndarray, h: np.ndarray, bounds: tuple[float, float] | None
) -> Mapping[str, float]:
    low, high = bounds or (0.0, np.inf)
    middle, half = (low + high) / 2, (high - low) / 2
    rho = np.abs(h - middle).mean(axis=0) / half if bounds else np.zeros(h.shape[1])
    ends = (np.abs(z) >= 9.4999999), (z <= -23.0) | (z >= 16.99999)
    return {
        "zero": np.mean(h == 0),
        "unit_zero_90": np.mean((h == 0).mean(axis=0) > 0.9),
        "unit_small": np.mean(np.quantile(np.abs(h), 0.95, axis=0) < 1e-5),
        "unit_rho": np.mean(rho > 0.85),
        "mean": h.mean(),
        "std": h.std(),
        "large": np.mean(np.abs(z) >= 5),
        "tanh_end": np.mean(ends[0].mean(axis=0) > 0.01),
        "sigmoid_end": np.mean(ends[1].mean(axis=0) > 0.01),
        "z_nonpositive": np.mean(z <= 0),
        "h_variance": h.var(),
    }


def _of_matrix(g: np.ndarray, w: np.ndarray) -> Mapping[str, float]:
    low, high = np.quantile(g, (0.05, 0.95))
    return {
        "g_norm": np.linalg.norm(g),
        "g_mean": np.abs(g).mean(),
        "g_max": np.abs(g).max(),
        "g_zero": np.mean(g == 0),
        "g_spread": high - low,
        "g_rms": np.sqrt(np.mean(g * g)),
        "g_variance": g.var(),
        "w_norm": np.linalg.norm(w),
        "w_max": np.abs(w).max(),
        "w_variance": w.var(),
    }
