"""What is known of a config before it is trained: shapes, sizes, signals, findings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nettrain.data.profile import profile
from nettrain.diagnose import Evidence, Finding, diagnose
from nettrain.experiment.facts import facts
from nettrain.experiment.setup import Setup
from nettrain.experiment.threads import limited
from nettrain.nn import describe, initial_values, walk
from nettrain.training.network import Step
from nettrain.training.signals import amplification


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
        variance: by how much the first weights multiply a signal's variance, as their
            size predicts (`FirstWeights.variance`); None without weights.
        measured_variance: the same of training rows: mean z² / (c² mean x²).
    """

    path: str
    kind: str
    config_line: int | None
    shape: tuple[int, ...]
    parameters: int
    memory: int
    variance: float | None
    measured_variance: float | None


@dataclass(frozen=True)
class Report:
    """What `nettrain check` shows.

    Attributes:
        layers: outer ones before those inside.
        data: see `nettrain.data.profile`.
        batch_size: rows of an update.
        steps_per_epoch, total_steps: planned updates.
        prior: H0, the loss of the best constant prediction.
        initial_loss: L0, that of the first weights. One far above H0 means that these
            are off.
        findings: that need no update, the primary one first.
    """

    layers: tuple[LayerReport, ...]
    data: Mapping[str, Any]
    batch_size: int
    steps_per_epoch: int
    total_steps: int
    prior: float
    initial_loss: float
    findings: tuple[Finding, ...]

    @property
    def parameters(self) -> int:
        return sum(layer.parameters for layer in self.layers)

    @property
    def memory(self) -> int:
        return sum(layer.memory for layer in self.layers)


def check(setup: Setup) -> Report:
    """Look at a config whose data have been read, from its first weights."""
    step, train = setup.step, setup.dataset.parts["train"]
    first = initial_values(step.trace, setup.recipe.seed)
    with limited(setup.experiment.threads):
        evidence = facts(setup, step, first)
        factors = amplification(setup.recipe, step, train, first)
    settings = setup.experiment.diagnose
    assert evidence.signals is not None and settings is not True
    return Report(
        layers=tuple(_layers(setup, evidence, factors)),
        data=profile(setup.dataset),
        batch_size=evidence.batch_size,
        steps_per_epoch=evidence.steps_per_epoch,
        total_steps=evidence.planned_steps,
        prior=evidence.prior,
        initial_loss=evidence.signals.loss,
        findings=() if not settings else tuple(diagnose(evidence, settings)),
    )


def _layers(
    setup: Setup, evidence: Evidence, factors: Mapping[str, float]
) -> list[LayerReport]:
    trace = setup.step.trace
    lines = {
        path: setup.resolved.place(where).line
        for path, where, _ in walk(setup.experiment.model, "model", ("model",))
    }
    held = _held(setup.step)
    found = []
    for row, call in zip(describe(trace), trace.calls, strict=True):
        if row.path == "model":
            continue
        holds_others = next(call.layer.children(), None) is not None
        output = 0 if holds_others else _bytes(row.shape, trace.dtype)
        name = row.path.removeprefix("model/")
        layer = evidence.layers.get(name)
        first = layer.first if layer else None
        factor = factors.get(row.path)
        found.append(
            LayerReport(
                path=name,
                kind=row.kind,
                config_line=lines.get(row.path),
                shape=row.shape[1:],
                parameters=row.parameters,
                memory=held.get(row.path, 0) + output,
                variance=first.variance if first else None,
                measured_variance=factor / first.gain**2 if first and factor else None,
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
