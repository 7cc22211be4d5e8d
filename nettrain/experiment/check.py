"""What is known of a config before it is trained: shapes, sizes, signals, data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nettrain.data.profile import profile
from nettrain.experiment.setup import Setup
from nettrain.nn import Activation, Parameter, Trace, describe, walk
from nettrain.training.network import Step, trace_step


@dataclass(frozen=True)
class LayerReport:
    """One layer.

    Attributes:
        path: such as `dense1` or `residual1/dense1`.
        kind: its name in a config.
        config_line: where it stands, or None in a mapping.
        shape: of its output for one row.
        parameters: how many numbers it learns.
        memory: bytes of these, their gradients and optimizer slots, and of its output
            for one batch. A layer that holds others has only its own parameters.
        variance: by how much the first weights multiply a signal's variance; None
            without weights.
    """

    path: str
    kind: str
    config_line: int | None
    shape: tuple[int, ...]
    parameters: int
    memory: int
    variance: float | None


@dataclass(frozen=True)
class Report:
    """What `nettrain check` shows.

    Attributes:
        layers: outer ones before those inside.
        data: see `nettrain.data.profile`.
        batch_size: rows of an update.
        steps_per_epoch, total_steps: planned updates.
        prior: H0, the loss of the best constant prediction; a first loss far above it
            means that the first weights are off.
    """

    layers: tuple[LayerReport, ...]
    data: Mapping[str, Any]
    batch_size: int
    steps_per_epoch: int
    total_steps: int
    prior: float

    @property
    def parameters(self) -> int:
        return sum(layer.parameters for layer in self.layers)

    @property
    def memory(self) -> int:
        return sum(layer.memory for layer in self.layers)


def check(setup: Setup) -> Report:
    """Trace the training step of a config, whose data have been read."""
    plan, train = setup.plan(), setup.dataset.parts["train"]
    batch = min(plan.batch_size, len(train))
    return Report(
        layers=tuple(_layers(setup, trace_step(setup.recipe, batch))),
        data=profile(setup.dataset),
        batch_size=batch,
        steps_per_epoch=plan.steps_per_epoch,
        total_steps=plan.total_steps,
        prior=setup.recipe.loss.prior(train.targets),
    )


def _layers(setup: Setup, step: Step) -> list[LayerReport]:
    trace = step.trace
    lines = {
        path: setup.resolved.place(where).line
        for path, where, _ in walk(setup.experiment.model, "model", ("model",))
    }
    held = _held(step)
    found = []
    for row, call in zip(describe(trace), trace.calls, strict=True):
        if row.path == "model":
            continue
        holds_others = next(call.layer.children(), None) is not None
        output = 0 if holds_others else _bytes(row.shape, trace.dtype)
        found.append(
            LayerReport(
                path=row.path.removeprefix("model/"),
                kind=row.kind,
                config_line=lines.get(row.path),
                shape=row.shape[1:],
                parameters=row.parameters,
                memory=held.get(row.path, 0) + output,
                variance=_variance(row.path, trace, setup.experiment.seed),
            )
        )
    return found


def _bytes(shape: tuple[int, ...], dtype: str) -> int:
    return int(np.prod(shape)) * np.dtype(dtype).itemsize


def _held(step: Step) -> dict[str, int]:
    """Bytes of each layer's parameters, their gradients and optimizer slots."""
    held: dict[str, int] = {}
    slots = [n for n in step.definition.leaves("state") if n.role == "slot"]
    for path, made in step.trace.parameters.items():
        one = made.node.spec.nbytes
        copies = 1 + (made.node in step.gradients)
        copies += sum(slot.path.endswith(f"/{path}") for slot in slots)
        layer = made.layer_path
        held[layer] = held.get(layer, 0) + one * copies
    return held


def _variance(path: str, trace: Trace, seed: int) -> float | None:
    """fan_in · mean(W²) / c²: the variance of z over that of the signal before it.

    Var z = fan_in · E[w²] · E[h²] for a weighted sum of fan_in inputs h, and behind a
    nonlinearity E[h²] = Var z / c², c its gain: 2 for the ReLU family (He et al., ICCV
    2015, eq. 8), and about 1 for the others where z is small (Glorot and Bengio 2010).
    """
    weight: Parameter | None = trace.parameters.get(f"{path}/weight")
    if weight is None or len(weight.node.shape) < 2:
        return None
    gain = next(
        (n.function.gain for z, n in trace.neurons.items() if z.scope == path),
        Activation.gain,
    )
    power = float(np.mean(np.square(weight.values(seed), dtype=np.float64)))
    return weight.fan_in * power / gain**2
