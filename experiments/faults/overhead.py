"""What the diagnosis costs: its share of a training step on nets that are not small."""

from __future__ import annotations

from experiments.faults.programs import Config
from nettrain.experiment.setup import set_up
from nettrain.experiment.threads import limited
from nettrain.experiment.timing import time_steps

STEPS = 60
NETS = {
    "64-512-256-10 relu, Adam, 32 rows": ((512, 256), "relu", 32, {"adam": 0.001}),
    "64-512-256-10 relu, Adam, 128 rows": ((512, 256), "relu", 128, {"adam": 0.001}),
    "64-256-256-256-10 tanh, SGD, 64 rows": ((256,) * 3, "tanh", 64, {"sgd": 0.05}),
}
"""All have more than 100,000 parameters."""


def shares() -> dict[str, float]:
    """By net, what diagnosis adds to a step as a share of the plain step.

    Medians of interleaved steps, on epochs of all 1,797 digits.
    """
    found = {}
    for name, (widths, activation, batch, optimizer) in NETS.items():
        layers = [{"dense": {"units": w, "activation": activation}} for w in widths]
        config: Config = {
            "data": {"source": "digits", "preprocess": ["standardize"],
                     "batch_size": batch},
            "model": [*layers, {"dense": "auto"}],
            "loss": "cross_entropy",
            "optimizer": optimizer,
        }  # fmt: skip
        setup = set_up(config)
        every = setup.experiment.diagnose.every  # type: ignore[union-attr]
        with limited(setup.experiment.threads):
            found[name] = time_steps(setup, STEPS).share(every)  # type: ignore[arg-type]
    return found
