"""Recorders: they turn what training tells into files, or keep it in memory."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from nettrain.diagnose.finding import Finding
from nettrain.experiment.setup import Setup
from nettrain.record.events import Events
from nettrain.record.folder import RunFolder
from nettrain.record.metrics import Metrics
from nettrain.record.statistics import Statistics
from nettrain.record.store import CheckpointStore
from nettrain.training.events import (
    EpochEnded,
    Event,
    Found,
    Measured,
    SaveDue,
    Stepped,
)

Tensors = dict[str, np.ndarray]

_TOLD = ("id", "name", "severity", "node", "epoch", "step")
"""What an event says of a finding; `findings.json` has it all."""


class Watcher(Protocol):
    """Somebody who wants to see training happen: a progress bar, or nobody."""

    def step(
        self, step: int, epoch: int, loss: float, learning_rate: float
    ) -> None: ...

    def epoch(self, epoch: int, metrics: Mapping[str, Any]) -> None: ...

    def found(self, finding: Mapping[str, Any]) -> None: ...

    def note(self, text: str) -> None: ...

    def close(self) -> None: ...


class Nobody(Watcher):
    """A watcher that looks away."""


class Memory:
    """Keeps rows and findings, for `nt.fit`."""

    def __init__(self) -> None:
        self.metrics: list[dict[str, Any]] = []
        self.statistics: list[dict[str, Any]] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, Stepped):
            self.metrics.append(dict(event.row))
        elif isinstance(event, Measured):
            self.statistics += [dict(row) for row in event.rows]


class Files:
    """Writes a run folder while training goes on.

    Args:
        folder: locked by the caller, and recovered if the run goes on.
        setup: what is being run.
        tensors: gives the whole state when a checkpoint is due.
        watcher: sees every event too.
    """

    def __init__(
        self,
        folder: RunFolder,
        setup: Setup,
        tensors: Callable[[], Tensors],
        watcher: Watcher,
    ) -> None:
        self._tensors, self._watcher = tensors, watcher
        self._metrics = Metrics(folder.disk, folder.metrics)
        self._statistics = Statistics(folder.disk, folder.statistics)
        self._events = Events(folder.disk, folder.events)
        preprocess = setup.dataset.preparation.arrays()
        self._constant = {f"preprocess/{path}": a for path, a in preprocess.items()}
        self._store = CheckpointStore(
            folder,
            self._metrics,
            self._statistics,
            seed=setup.experiment.seed,
            config_sha256=setup.config_sha256,
            data_sha256=setup.dataset.sha256,
            keep=setup.experiment.train.checkpoint.keep,
            say=lambda line: self._events.append("saved", text=line),
        )

    def __call__(self, event: Event) -> None:
        if isinstance(event, Stepped):
            row = event.row
            self._metrics.append(row)
            self._watcher.step(
                event.step, event.epoch, row["train/loss"], row["learning_rate"]
            )
        elif isinstance(event, Measured):
            for row in event.rows:
                self._statistics.append(row)
        elif isinstance(event, EpochEnded):
            self._watcher.epoch(event.epoch, event.metrics)
        elif isinstance(event, Found):
            self._note(event.finding)
        elif isinstance(event, SaveDue):
            self._save(event)

    def _note(self, finding: Finding) -> None:
        row = finding.to_json()
        self._events.append("finding", **{key: row[key] for key in _TOLD})
        self._watcher.found(row)

    def _save(self, event: SaveDue) -> None:
        tensors = {**self._tensors(), **self._constant}
        protect = {event.best_step} - {0}
        self._store.save(tensors, step=event.step, epoch=event.epoch, protect=protect)

    def event(self, name: str, **details: Any) -> None:
        """Note something in `events.jsonl`."""
        self._events.append(name, **details)

    def close(self) -> None:
        self._metrics.close()
        self._statistics.close()
        self._events.close()


@contextlib.contextmanager
def closing(files: Files, watcher: Watcher) -> Iterator[None]:
    """Close files and watcher, also after an error."""
    try:
        yield
    finally:
        watcher.close()
        files.close()
