"""Recorders: they turn what training tells into files, or keep it in memory."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from nettrain.errors import Error
from nettrain.experiment.setup import Setup
from nettrain.experiment.tensorboard import TensorBoard
from nettrain.record.checkpoint import Tensors
from nettrain.record.events import Events
from nettrain.record.folder import RunFolder
from nettrain.record.metrics import Metrics, Row, columns, read_metrics
from nettrain.record.statistics import COLUMNS, Statistics
from nettrain.record.store import CheckpointStore, go_back, steps
from nettrain.training.events import (
    EpochEnded,
    Event,
    Found,
    Measured,
    PostMortem,
    SaveDue,
    Stepped,
    Survived,
)
from nettrain.training.network import Network
from nettrain.training.outcome import EPOCH_LOSS

_TOLD = ("id", "name", "severity", "node", "epoch", "step")
"""What an event says of a finding; `findings.json` has it all."""


class Watcher(Protocol):
    """Somebody who wants to see training happen: a progress bar, or nobody."""

    def begin(self, folder: RunFolder, rows: Sequence[Row]) -> None: ...

    def step(
        self, step: int, epoch: int, loss: float, learning_rate: float
    ) -> None: ...

    def epoch(self, epoch: int, metrics: Mapping[str, Any]) -> None: ...

    def found(self, finding: Mapping[str, Any]) -> None: ...

    def note(self, text: str) -> None: ...

    def close(self) -> None: ...


class Nobody(Watcher):
    """A watcher that looks away."""

    def step(self, *_: Any, **__: Any) -> None:
        return

    begin = epoch = found = note = close = step


class Memory:
    """Keeps metrics and statistics, for `nt.fit`.

    Args:
        saves: whether to keep states that `rewind` may be asked for.
    """

    def __init__(self, saves: bool = False) -> None:
        self._saves = saves
        self._metrics: list[dict[str, Any]] = []
        self._statistics: list[Mapping[str, Any]] = []
        self._saved: dict[int, tuple[Tensors, int, int]] = {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, Stepped):
            self._metrics.append(dict(event.row))
        elif isinstance(event, Measured):
            self._statistics += event.rows
        elif isinstance(event, SaveDue) and self._saves:
            kept = {step: v for step, v in self._saved.items() if step in event.keep}
            tensors = {path: value.copy() for path, value in event.tensors().items()}
            rows = len(self._metrics), len(self._statistics)
            self._saved = {**kept, event.step: (tensors, *rows)}

    def rewind(self, step: int) -> tuple[Tensors, list[Row]]:
        """Back to the state saved at a step; see `loop.Rewind`."""
        tensors, metrics, statistics = self._saved[step]
        del self._metrics[metrics:], self._statistics[statistics:]
        return tensors, self._metrics

    @property
    def metrics(self) -> dict[str, np.ndarray]:
        """As `read_metrics` and `columns` give it of a file."""
        return columns(self._metrics)

    @property
    def statistics(self) -> dict[str, np.ndarray]:
        """As `read_statistics` gives it of a file."""
        return {name: _column(name, self._statistics) for name in COLUMNS}


_KINDS = {"step": np.int64, "epoch": np.int64, "node": np.str_, "role": np.str_}


def _column(name: str, rows: Sequence[Mapping[str, Any]]) -> np.ndarray:
    cells = [np.nan if row[name] is None else row[name] for row in rows]
    return np.array(cells, dtype=_KINDS.get(name, np.float64))


class Files:
    """Writes a run folder while training goes on.

    Args:
        folder: locked by the caller, and recovered if the run goes on.
        setup: what is being run.
        watcher: sees every event too.
        network: that is trained.
    """

    def __init__(
        self, folder: RunFolder, setup: Setup, watcher: Watcher, network: Network
    ) -> None:
        self._folder, self._setup, self._watcher = folder, setup, watcher
        self._network = network
        wanted = setup.experiment.train.tensorboard
        self._board = TensorBoard(folder, network) if wanted else None
        self._events = Events(folder.disk, folder.events)
        self._heard: set[str] = set()
        preprocess = setup.dataset.preparation.arrays()
        self._constant = {f"preprocess/{path}": a for path, a in preprocess.items()}
        self._open()

    def _open(self) -> None:
        """The files that grow together with the checkpoints."""
        folder, setup = self._folder, self._setup
        self._metrics = Metrics(folder.disk, folder.metrics)
        self._statistics = Statistics(folder.disk, folder.statistics)
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

    def begin(self, step: int, rows: Sequence[Row]) -> None:
        """Be ready for what comes after an update, of which the rows so far are given.

        Must come before the first event.
        """
        if self._board and (text := self._board.begin(step, rows)):
            self.note("tensorboard", text)
        self._watcher.begin(self._folder, rows)

    def __call__(self, event: Event) -> None:
        if isinstance(event, Stepped):
            row = event.row
            ended = EPOCH_LOSS in row
            self._metrics.append(row, self._network.tensors() if ended else None)
            if self._board:
                self._board.note(row)
            self._watcher.step(
                event.step, event.epoch, row["train/loss"], row["learning_rate"]
            )
        elif isinstance(event, Measured):
            for row in event.rows:
                self._statistics.append(row)
            if self._board:
                self._board.measure(event.rows)
        elif isinstance(event, EpochEnded):
            if self._board:
                self._board.weigh(event.step)
            self._watcher.epoch(event.epoch, event.metrics)
        elif isinstance(event, Found):
            self._note(event)
        elif isinstance(event, SaveDue):
            self._save(event)
        elif isinstance(event, Survived):
            self._survived(event)
        elif isinstance(event, PostMortem):
            tensors = {**event.tensors(), **self._constant}
            self._store.bury(tensors, step=event.step, epoch=event.epoch)

    def _note(self, event: Found) -> None:
        row = event.finding.to_json()
        self._events.append("finding", **{key: row[key] for key in _TOLD})
        if not event.final:  # the summary that follows has it in full
            self._watcher.found(row)

    def _survived(self, event: Survived) -> None:
        """Every update that is skipped is an event; the watcher hears of the first."""
        text = f"not finite at step {event.step}: {event.action}"
        self._events.append("nonfinite", text=text)
        if event.action not in self._heard:
            self._heard.add(event.action)
            self._watcher.note(text)

    def _save(self, event: SaveDue) -> None:
        if self._board:
            self._board.sync()
        tensors = {**event.tensors(), **self._constant}
        self._store.save(
            tensors, step=event.step, epoch=event.epoch, protect=event.keep
        )

    def rewind(self, step: int) -> tuple[Tensors, list[Row]]:
        """Back to the newest checkpoint at or before a step; see `loop.Rewind`."""
        folder = self._folder
        if min(steps(folder.disk, folder.checkpoints), default=step + 1) > step:
            raise _nothing_before(step)  # before the newer ones are given up
        self._close_logs()
        checkpoint = go_back(self._folder, step, self._say).checkpoint
        if checkpoint is None:
            raise _nothing_before(step)
        rows = read_metrics(self._folder.disk, self._folder.metrics)
        self._open()
        self.begin(checkpoint.meta.step, rows)
        return checkpoint.tensors, rows

    def _say(self, line: str) -> None:
        self.note("nonfinite", line)

    def event(self, name: str, **details: Any) -> None:
        """Note something in `events.jsonl`."""
        self._events.append(name, **details)

    def note(self, event: str, text: str) -> None:
        """Note something, and tell the watcher."""
        self._events.append(event, text=text)
        self._watcher.note(text)

    def close(self) -> None:
        self._close_logs()
        self._events.close()

    def _close_logs(self) -> None:
        self._metrics.close()
        self._statistics.close()
        if self._board:
            self._board.close()


def _nothing_before(step: int) -> Error:
    message = f"there is no checkpoint at or before step {step} to go back to"
    fix = "run its config again: with on_nonfinite: rollback the first weights are kept"
    return Error("checkpoint-missing", message, fix=fix)


@contextlib.contextmanager
def recording(
    folder: RunFolder, setup: Setup, watcher: Watcher, network: Network
) -> Iterator[Files]:
    """Files that are closed in the end, with the watcher, also after an error.

    What Python warns of inside is told to the watcher instead of printed amid its bar.
    """
    try:
        files = Files(folder, setup, watcher, network)

        def told(warning: Warning | str, *_: Any) -> None:
            files.note("warning", str(warning))

        with contextlib.closing(files), warnings.catch_warnings():
            warnings.showwarning = told  # type: ignore[assignment]
            yield files
    finally:
        watcher.close()
