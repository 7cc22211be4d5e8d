"""Lives of a small run, as the processes that make it see them.

They do to a disk what `experiment.run` does, in the same order (a test compares), with
numbers out of a formula in place of training, so that thousands of them take no time.
Each goes on where the one before it on the same disk was broken off.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nettrain.record.append import AppendOnly, cut
from nettrain.record.checkpoint import Checkpoint
from nettrain.record.events import Events
from nettrain.record.folder import FORMAT, RUN, RunFolder
from nettrain.record.metrics import Metrics
from nettrain.record.statistics import Statistics
from nettrain.record.store import (
    CheckpointStore,
    file_name,
    go_back,
    newest,
    recover,
    reopen,
)
from nettrain.selftest.power.model import ModelDisk
from nettrain.selftest.power.promises import KEEP, NEEDED
from nettrain.selftest.power.trace import Begun, Exactly, GivenUp, Grown, Kept

HOME = Path("/home")
OUT = HOME / "lab" / "run"
RESOLVED = "config.resolved.yaml"
_BEST = 2
"""This step's checkpoint stays."""


@dataclass(frozen=True)
class Life:
    """A run of some steps, each saved.

    Attributes:
        last: the step it ends at.
        rewinds_at: where it goes back to the best step, once.
    """

    last: int = 5
    rewinds_at: int | None = None

    def live(self, disk: ModelDisk) -> None:
        """Begin the run, or go on with it, to its end."""
        if disk.exists(OUT / RUN):
            folder = RunFolder.open(OUT, disk=disk)
            if self._is_over(folder):
                return
            with folder.lock():
                self._train(folder, self._back(folder))
        else:
            folder = RunFolder.create("life", OUT, disk=disk)
            with folder.lock():
                for name in NEEDED:
                    folder.write_text(name, f"{name} of a run\n" * 3)
                self._train(folder, None)

    def _is_over(self, folder: RunFolder) -> bool:
        status, found = folder.read_json(RUN), newest(folder).checkpoint
        at_its_end = found is not None and found.meta.step == self.last
        return bool(status["status"] == "finished" and at_its_end)

    def _back(self, folder: RunFolder) -> Checkpoint | None:
        checkpoint = recover(folder).checkpoint
        rely_on_recovery(folder, checkpoint)
        status = folder.read_json(RUN)["status"]
        if checkpoint and status == "finished":  # it is to be longer than it was
            give_up(folder, checkpoint.meta.step - 1)
            reopen(folder, checkpoint.meta.step)
            checkpoint = recover(folder).checkpoint
            rely_on_recovery(folder, checkpoint)
        return checkpoint

    def _train(self, folder: RunFolder, start: Checkpoint | None) -> None:
        with _recording(folder) as files:
            if start is not None:
                folder.write_text(RESOLVED, f"{RESOLVED} of a run\n" * 3)
            step, tries = _reached(start)
            _status(folder, "running", step)
            while step < self.last:
                step += 1
                files.row(step, tries)
                if step == self.rewinds_at and not tries:
                    step, tries = files.rewind(_BEST)[0], 1
                else:
                    files.save(step, tries)
            folder.write_json("findings.json", [{"id": "A1", "step": self.last}])
            _status(folder, "finished", self.last)


def _reached(checkpoint: Checkpoint | None) -> tuple[int, int]:
    if checkpoint is None:
        return 0, 0
    return checkpoint.meta.step, int(checkpoint.tensors["loop/tries"])


def _status(folder: RunFolder, status: str, step: int) -> None:
    folder.write_json(RUN, {"format": FORMAT, "status": status, "step": step})


def rely_on_recovery(folder: RunFolder, checkpoint: Checkpoint | None) -> None:
    """What a run goes on from must not be lost again: say that it is relied on."""
    disk = folder.disk
    assert isinstance(disk, ModelDisk)
    for log in (folder.metrics, folder.statistics):
        if disk.exists(log):
            disk.trace.append(Exactly(str(log), disk.read(log)))
    paths = [folder.path / name for name in NEEDED if name != RESOLVED]
    if checkpoint is not None:
        paths.append(folder.checkpoints / file_name(checkpoint.meta.step))
    for path in paths:
        data = disk.read(path)
        rows = disk.read(folder.metrics), disk.read(folder.statistics)
        disk.trace += [Begun(str(path), data, rows), Kept(str(path), data)]


def give_up(folder: RunFolder, after: int) -> None:
    assert isinstance(folder.disk, ModelDisk)
    folder.disk.trace.append(GivenUp(after))


class _Files:
    """The files that grow, and the checkpoints beside them."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._events = Events(folder.disk, folder.events)
        self._open()

    def _open(self) -> None:
        folder = self._folder
        self._metrics = Metrics(folder.disk, folder.metrics)
        self._statistics = Statistics(folder.disk, folder.statistics)
        self._store = CheckpointStore(
            folder,
            self._metrics,
            self._statistics,
            seed=0,
            config_sha256="c" * 64,
            data_sha256="d" * 64,
            keep=KEEP,
            say=lambda line: self._events.append("saved", text=line),
        )

    def row(self, step: int, tries: int) -> None:
        loss = 1 / (step + tries)
        self._metrics.append({"step": step, "train/loss": loss, "try": tries})
        if step != 3:  # not every step is measured
            self._statistics.append({"step": step, "node": "a", "value_rms": loss})
        if step % 2:  # as when much was gathered
            self._metrics.flush()

    def save(self, step: int, tries: int) -> None:
        tensors = {
            "parameter/a/weight": np.full(8, 1 / (step + tries)),
            "loop/tries": np.array(tries),
        }
        self._store.save(tensors, step=step, epoch=1, protect={_BEST})

    def rewind(self, step: int) -> tuple[int, int]:
        self._close_logs()
        give_up(self._folder, step)
        found = go_back(self._folder, step).checkpoint
        self._open()
        return _reached(found)

    def _close_logs(self) -> None:
        self._metrics.close()
        self._statistics.close()

    def close(self) -> None:
        self._close_logs()
        self._events.close()


@contextlib.contextmanager
def _recording(folder: RunFolder) -> Iterator[_Files]:
    with contextlib.closing(_Files(folder)) as files:
        yield files


def outcome(disk: ModelDisk) -> dict[str, Any]:
    """What a run leaves in the end, whatever it has been through."""
    tree = disk.tree()
    names = (*NEEDED, RUN, "metrics.jsonl", "statistics.csv", "findings.json")
    found: dict[str, Any] = {name: tree.get(str(OUT / name)) for name in names}
    last = max(p for p in tree if p.startswith(f"{OUT}/checkpoints/step-"))
    return found | {last: tree[last]}


def rows_alone(disk: ModelDisk) -> None:
    """Two files that grow, without a run around them: what is synced must stay."""
    for name in ("metrics.jsonl", "statistics.csv"):
        path = OUT / name
        log = AppendOnly(disk, path)
        for number in range(3):
            log.write(f"row {number} of {name}\n")
            log.flush()
            log.write("and what is not flushed yet\n")
            prefix = log.sync()
            disk.trace.append(Grown(str(path), disk.read(path)))
            log.write("more\n" * 20)
        log.close()
        cut(disk, path, prefix)
        disk.trace.append(Exactly(str(path), disk.read(path)))
