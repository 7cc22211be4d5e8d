"""One run: train a config in memory, and keep what is needed to judge it again."""

from __future__ import annotations

import dataclasses
import math
import os
import pickle
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments.faults import components, sources
from experiments.faults.snapshots import Snapshots
from nettrain.diagnose.evidence import Evidence
from nettrain.experiment.assembly import make_network, make_probe
from nettrain.experiment.recorder import Memory
from nettrain.experiment.setup import Setup, set_up
from nettrain.experiment.threads import limited
from nettrain.training.events import EpochEnded, Event
from nettrain.training.loop import Loop
from nettrain.training.network import Network

assert components and sources  # registered on import

WORST = {"accuracy": 0.0, "rounded_accuracy": 0.0, "r2": -1.0}
"""Test score of a run whose numbers overflowed; also the lowest that is counted."""


@dataclass(frozen=True)
class Record:
    """What is kept of one run.

    Attributes:
        config: as it was trained.
        status: finished or diverged.
        score: accuracy or R² on the test rows.
        evidence: all that the diagnosis saw.
        snapshots: see `Snapshots`: by name, (E, …).
        metrics: columns of `metrics.jsonl`.
        facts: what the published rules ask of the config.
        seconds: of training.
    """

    config: Mapping[str, Any]
    status: str
    score: float
    evidence: Evidence
    snapshots: Mapping[str, np.ndarray]
    metrics: Mapping[str, np.ndarray]
    facts: Mapping[str, Any]
    seconds: float


def train(config: Mapping[str, Any], published: bool = True) -> Record:
    """Train a config as `nt.fit` does.

    Args:
        config: plain.
        published: whether to look at what the published rules need.
    """
    began = time.perf_counter()
    setup = set_up(config)
    with limited(setup.experiment.threads):
        network = make_network(setup)
        probe = make_probe(setup, network)
        assert probe is not None
        memory = Memory()
        snapshots = Snapshots(setup, network) if published else None

        def emit(event: Event) -> None:
            memory(event)
            if snapshots and isinstance(event, EpochEnded):
                snapshots.take()

        outcome = Loop(network, setup.plan(), probe, emit).run()
        return Record(
            config,
            outcome.status,
            _score(setup, outcome.summary),
            dataclasses.replace(probe.evidence, finished=True),
            snapshots.arrays() if snapshots else {},
            memory.metrics,
            _facts(setup, network),
            time.perf_counter() - began,
        )


def _score(setup: Setup, summary: Mapping[str, Any]) -> float:
    name = setup.experiment.metrics[0].registered_name
    value = float(summary.get(f"test/{name}", math.nan))
    return max(value, WORST[name]) if math.isfinite(value) else WORST[name]


def _facts(setup: Setup, network: Network) -> dict[str, Any]:
    """What the published rules ask that is no measurement."""
    experiment, inputs = setup.experiment, setup.dataset.parts["train"].inputs
    plan = setup.plan()
    drops = [getattr(x, "rate", 0.0) for x in experiment.model]
    neurons = network.first.trace.neurons.values()
    functions = [n.function.registered_name for n in neurons]
    return {
        "task": setup.recipe.loss.task,
        "classes": setup.recipe.outputs,
        "learning_rate": plan.schedule.rate(1, plan.total_steps, plan.steps_per_epoch),
        "dropout": max((d for d in drops if isinstance(d, float)), default=0.0),
        "activations": functions,
        "inputs": (float(inputs.min()), float(inputs.max())),
        "test_rows": len(setup.dataset.parts["test"]),
    }


# ---------------------------------------------------------------- files


def save(record: Record, path: Path) -> None:
    """Write a record; a file is whole or not there."""
    half = path.with_suffix(f".{os.getpid()}")
    half.write_bytes(pickle.dumps(record))
    os.replace(half, path)


def load(path: Path) -> Record:
    """Read a record that this experiment wrote; evidence may lack newer fields."""
    record: Record = pickle.loads(path.read_bytes())
    known = vars(record.evidence)
    names = [field.name for field in dataclasses.fields(Evidence)]
    whole = Evidence(**{name: known[name] for name in names if name in known})
    return dataclasses.replace(record, evidence=whole)
