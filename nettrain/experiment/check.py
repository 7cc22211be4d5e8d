"""What is known of a config before it is trained: shapes, sizes, signals, findings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from nettrain.data.profile import profile
from nettrain.diagnose import Finding, diagnose
from nettrain.diagnose.facts import LayerFacts
from nettrain.experiment.facts import facts
from nettrain.experiment.memory import Prediction, predict
from nettrain.experiment.setup import Setup
from nettrain.experiment.threads import limited
from nettrain.nn import describe, initial_values, walk
from nettrain.training.programs import Step
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
        accumulate: batches that they are computed in.
        steps_per_epoch, total_steps: planned updates.
        prior: H0, the loss of the best constant prediction.
        initial_loss: L0, that of the first weights. One far above H0 means that these
            are off. None where they were not made, as a run of them would not fit.
        findings: that need no update, the primary one first.
        needed: memory of a run, in all its stages.
    """

    layers: tuple[LayerReport, ...]
    data: Mapping[str, Any]
    batch_size: int
    accumulate: int
    steps_per_epoch: int
    total_steps: int
    prior: float
    initial_loss: float | None
    findings: tuple[Finding, ...]
    needed: Prediction

    @property
    def parameters(self) -> int:
        return sum(layer.parameters for layer in self.layers)

    @property
    def memory(self) -> int:
        return sum(layer.memory for layer in self.layers)


def check(setup: Setup) -> Report:
    """Look at a config whose data have been read, from its first weights.

    These are not made where a run would not fit: what is known without them is told.
    """
    step, train, plan = setup.step, setup.dataset.parts["train"], setup.plan()
    needed = predict(setup)
    facts_of: Mapping[str, LayerFacts] = {}
    factors: Mapping[str, float] = {}
    initial_loss, findings = None, []
    if needed.fits:
        with limited(setup.experiment.threads):
            first = initial_values(step.trace, setup.recipe.seed)
            evidence = facts(setup, step, first)
            factors = amplification(setup.recipe, step, train, first)
        settings = setup.experiment.diagnose
        assert evidence.signals is not None and settings is not True
        facts_of, initial_loss = evidence.layers, evidence.signals.loss
        findings = diagnose(evidence, settings) if settings else []
    return Report(
        layers=tuple(_layers(setup, facts_of, factors)),
        data=profile(setup.dataset),
        batch_size=plan.batch_size,
        accumulate=-(-plan.batch_size // step.inputs.shape[0]),
        steps_per_epoch=plan.steps_per_epoch,
        total_steps=plan.total_steps,
        prior=setup.recipe.loss.prior(train.targets),
        initial_loss=initial_loss,
        findings=tuple(findings),
        needed=needed,
    )


def _layers(
    setup: Setup, facts_of: Mapping[str, LayerFacts], factors: Mapping[str, float]
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
        layer = facts_of.get(name)
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
    return prod(shape) * np.dtype(dtype).itemsize


def _held(step: Step) -> dict[str, int]:
    """Bytes of each layer's parameters, their gradients and optimizer slots."""
    held: dict[str, int] = {}
    slots = [n for n in step.state if n.role == "slot"]
    for path, made in step.trace.parameters.items():
        one = made.node.spec.nbytes
        copies = 1 + (made.node in step.gradients)
        copies += sum(slot.path.endswith(f"/{path}") for slot in slots)
        layer = made.layer_path
        held[layer] = held.get(layer, 0) + one * copies
    return held
