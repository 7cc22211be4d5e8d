"""The public functions: train a config, fit arrays, load a run."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nettrain.data.sources import ArraySource
from nettrain.diagnose.finding import Finding
from nettrain.experiment import notebook, rates
from nettrain.experiment.assembly import make_network, make_probe
from nettrain.experiment.load import Model, Run, brief, load_run
from nettrain.experiment.memory import check_fits
from nettrain.experiment.recorder import Memory
from nettrain.experiment.run import run
from nettrain.experiment.setup import Setup, set_up
from nettrain.experiment.threads import limited
from nettrain.nn import Layer, Loss, Sequential
from nettrain.optim import Optimizer
from nettrain.training.loop import Loop


def train(
    config: str | os.PathLike[str] | Mapping[str, Any],
    *,
    out: str | os.PathLike[str] | None = None,
    overrides: Sequence[str] = (),
) -> Run:
    """Do what `nettrain run` does, quietly; a notebook shows what a terminal would.

    Args:
        config: a file, or a mapping of a config's keys.
        out: the run folder; `runs/NAME/NUMBER` where none is given.
        overrides: such as `optimizer.adam.learning_rate=0.01`.

    Returns:
        The run, also where it diverged: `run.status` says so.

    Raises:
        nettrain.Error: for what is wrong with config, data or disk.
        KeyboardInterrupt: after Ctrl-C, once everything is saved.
    """
    place = None if out is None else Path(out)
    began = time.perf_counter()
    ended = run(config, overrides, out=place, watch=notebook.watch)
    notebook.show(ended, time.perf_counter() - began, as_given=not overrides)
    if ended.signal:  # the run has taken it; now it does what it would have done
        signal.raise_signal(ended.signal)
    return load_run(ended.folder.path)


@dataclass(frozen=True, repr=False)
class Fit:
    """What `fit` gives: a trained model, and how it went.

    Attributes:
        status: finished or diverged.
        summary: the best and last metrics.
        metrics: a column for every metric, as in `metrics.jsonl`.
        statistics: `statistics.csv` as columns.
        findings: what the diagnosis found.
        model: for predictions.
    """

    status: str
    summary: Mapping[str, Any]
    metrics: Mapping[str, np.ndarray]
    statistics: Mapping[str, np.ndarray]
    findings: Sequence[Finding]
    model: Model

    def __repr__(self) -> str:
        return f"<Fit: {brief(self.status, self.summary, self.findings)}>"

    def predict(self, rows: Any) -> np.ndarray:
        """Predictions for raw rows (n, …); see `Model.predict`."""
        return self.model.predict(rows)


def fit(
    model: Layer | Sequence[Layer],
    x: Any,
    y: Any,
    *,
    loss: str | Mapping[str, Any] | Loss = "cross_entropy",
    optimizer: str | Mapping[str, Any] | Optimizer = "adam",
    epochs: int = 20,
    batch_size: int = 32,
    validation: float = 0.0,
    metrics: Sequence[Any] = (),
    preprocess: Sequence[Any] = (),
    standardize_target: bool = False,
    seed: int = 0,
    dtype: str = "float32",
    diagnose: Any = True,
) -> Fit:
    """Train a model on arrays in memory. Nothing is written.

    Args:
        model: a layer such as `nt.nn.Sequential([...])`, or a list of layers.
        x: (n, …) inputs.
        y: (n,) class labels or values, or (n, T) values.
        loss, optimizer, metrics, preprocess: as in a config, or components.
        epochs: passes over the rows.
        batch_size: rows in one update.
        validation: share of the rows kept for validation.
        standardize_target: as `data.standardize_target` in a config.
        seed, dtype, diagnose: as in a config.
    """
    layers = model.layers if isinstance(model, Sequential) else model
    config = {
        "seed": seed,
        "data": {
            "source": ArraySource(x, y),
            "split": {"validation": validation, "test": 0.0},
            "preprocess": list(preprocess),
            "standardize_target": standardize_target,
            "batch_size": batch_size,
        },
        "model": [layers] if isinstance(layers, Layer) else list(layers),
        "loss": loss,
        "optimizer": optimizer,
        "metrics": list(metrics),
        "train": {"epochs": epochs},
        "diagnose": diagnose,
        "dtype": dtype,
    }
    return fitted(set_up(config))


def fitted(setup: Setup, stopped_at: int | None = None) -> Fit:
    """Train, and keep everything in memory.

    Args:
        setup: what to train.
        stopped_at: the update after which it ends, if before the planned one.
    """
    check_fits(setup, written=False)
    memory = Memory(setup.experiment.train.on_nonfinite == "rollback")
    with limited(setup.experiment.threads):
        network = make_network(setup)
        plan = setup.plan(stopped_at=stopped_at)
        probe = make_probe(setup, network)
        loop = Loop(network, plan, probe, memory, memory.rewind)
        outcome = loop.run()
        network.release()  # what follows compiles programs of its own
    findings = outcome.findings
    if rates.guessed(findings):
        findings = rates.measured(findings, rates.sweep(setup))
    trained = Model(
        network,
        setup.dataset.preparation,
        setup.experiment.data.evaluation_batch_size,
        setup.experiment.metrics,
        setup.experiment.threads,
    )
    return Fit(
        outcome.status,
        outcome.summary,
        memory.metrics,
        memory.statistics,
        findings,
        trained,
    )
