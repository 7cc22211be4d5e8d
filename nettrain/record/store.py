"""Checkpoints of a run: written in an order that no crash can harm, found again after.

Order of a save: metrics and statistics are flushed to the medium; the checkpoint is
written to a temporary file, flushed, closed and renamed; its folder is flushed. Only
now it is said to be saved, and only then older ones go. Order is by step, not by time.
"""

from __future__ import annotations

import itertools
import re
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nettrain.disk import Disk
from nettrain.errors import Error
from nettrain.record.append import EMPTY, AppendOnly, Prefix, cut
from nettrain.record.checkpoint import Checkpoint, CheckpointMeta, decode, encode
from nettrain.record.folder import METRICS, STATISTICS, RunFolder

_NAME = re.compile(r"step-([0-9]{12})\.safetensors")
_TEMPORARY = re.compile(r"\.(step-[0-9]{12}|post-mortem)\.safetensors\.tmp")
_ENDED = re.compile(r"\.ended-step-([0-9]{12})\.safetensors")

UNFLUSHED = (
    "the file system of {} cannot flush a folder: what is saved outlives "
    "this process, but may not outlive a power cut"
)

_OF_ONE_FILE = (
    "checkpoint-damaged",
    "disk-io",
    "disk-missing",
    "disk-link",
    "disk-special",
)
"""What an older checkpoint may be without."""

POST_MORTEM = "post-mortem.safetensors"
"""The state that an update failed on: to be looked at, never to go on from."""


def file_name(step: int) -> str:
    """`step-000000000120.safetensors`: the state after 120 updates."""
    return f"step-{step:012d}.safetensors"


class CheckpointStore:
    """Saves the state of a run and keeps the newest few.

    Args:
        metrics, statistics: what each checkpoint remembers the length and hash of.
        seed, config_sha256, data_sha256: what the run was made from.
        keep: how many of the newest stay, at least 2: one may turn out damaged.
        say: is told in a line what was saved.
    """

    def __init__(
        self,
        folder: RunFolder,
        metrics: AppendOnly,
        statistics: AppendOnly,
        *,
        seed: int,
        config_sha256: str,
        data_sha256: str,
        keep: int = 3,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        if keep < 2:
            raise ValueError(f"keep at least 2 checkpoints, not {keep}")
        self._folder, self._keep, self._say = folder, keep, say
        self._metrics, self._statistics = metrics, statistics
        self._made_from = (seed, config_sha256, data_sha256)
        self._warned = False

    def save(
        self,
        tensors: Mapping[str, np.ndarray],
        *,
        step: int,
        epoch: int,
        protect: Collection[int] = (),
    ) -> Path:
        """Make the state after `step` updates durable, then let older ones go.

        Args:
            tensors: path -> array, all of the state.
            protect: steps whose checkpoints stay, such as the best one.
        """
        path = self._write(file_name(step), tensors, step, epoch)
        self._say(f"checkpoint step {step} saved")
        self._retire(protect, step)
        return path

    def bury(self, tensors: Mapping[str, np.ndarray], *, step: int, epoch: int) -> Path:
        """Write `POST_MORTEM`, the state that the update after `step` failed on."""
        return self._write(POST_MORTEM, tensors, step, epoch)

    def _write(
        self, name: str, tensors: Mapping[str, np.ndarray], step: int, epoch: int
    ) -> Path:
        self._folder.check_ours()
        prefixes = self._metrics.sync(), self._statistics.sync()
        meta = CheckpointMeta(step, epoch, *self._made_from, *prefixes)
        path = self._folder.checkpoints / name
        self._folder.disk.replace(path, encode(tensors, meta))
        self._warn()
        return path

    def _warn(self) -> None:
        """Where no folder can be flushed nothing outlives a power cut for certain."""
        if not self._folder.disk.flushes_folders and not self._warned:
            self._warned = True
            warnings.warn(UNFLUSHED.format(self._folder.path), stacklevel=3)

    def _retire(self, protect: Collection[int], newest: int) -> None:
        disk, folder = self._folder.disk, self._folder.checkpoints
        names = disk.list(folder)
        for step in _numbers(_NAME, names)[self._keep :]:
            if step not in protect and step != newest:
                disk.remove(folder / file_name(step))
        for step in _numbers(_ENDED, names):
            if step <= newest:  # training has come past that end
                disk.remove(folder / _ended(step))


def steps(disk: Disk, folder: Path) -> list[int]:
    """The steps that have a checkpoint under its final name, newest first."""
    if not disk.is_folder(folder):
        return []
    return _numbers(_NAME, disk.list(folder))


def _numbers(pattern: re.Pattern[str], names: Sequence[str]) -> list[int]:
    """The steps in names of a kind, newest first."""
    matches = map(pattern.fullmatch, names)
    return sorted((int(match[1]) for match in matches if match), reverse=True)


def _ended(step: int) -> str:
    return f".ended-{file_name(step)}"


@dataclass(frozen=True)
class Skipped:
    """A checkpoint that could not be used."""

    step: int
    reason: str

    def __str__(self) -> str:
        return f"skipped {file_name(self.step)}: {self.reason}"


@dataclass(frozen=True)
class Found:
    """The newest checkpoint that can be used, and the newer ones that cannot."""

    checkpoint: Checkpoint | None
    skipped: tuple[Skipped, ...]

    @property
    def told(self) -> list[str]:
        """Of each that cannot be used why, and which one is used instead."""
        found = self.checkpoint
        instead = (
            f"{file_name(found.meta.step)} is used instead"
            if found
            else "no other can be"
        )
        return [f"{skipped}; {instead}" for skipped in self.skipped]


def newest(folder: RunFolder) -> Found:
    """Look for the newest checkpoint that verifies and agrees with the run's files.

    Nothing is changed, so that a run may be read while it goes on.
    """
    # The checkpoints are listed first: what was saved with them is then in the files.
    candidates = steps(folder.disk, folder.checkpoints)
    metrics, statistics = _content(folder, METRICS), _content(folder, STATISTICS)
    skipped: list[Skipped] = []
    for step in candidates:
        try:
            checkpoint = _whole(folder, step)
            _agree(checkpoint.meta.metrics, metrics, METRICS)
            _agree(checkpoint.meta.statistics, statistics, STATISTICS)
            return Found(checkpoint, tuple(skipped))
        except Error as error:
            # Only what is wrong with this one file makes an older one better.
            if error.code not in _OF_ONE_FILE:
                raise
            skipped.append(Skipped(step, error.message))
    return Found(None, tuple(skipped))


def _content(folder: RunFolder, name: str) -> bytes:
    path = folder.path / name
    return folder.disk.read(path) if folder.disk.exists(path) else b""


def _whole(folder: RunFolder, step: int) -> Checkpoint:
    checkpoint = decode(folder.disk.read(folder.checkpoints / file_name(step)))
    if checkpoint.meta.step != step:
        message = f"the file holds step {checkpoint.meta.step}"
        raise Error("checkpoint-damaged", message)
    return checkpoint


def _agree(prefix: Prefix, data: bytes, name: str) -> None:
    if not prefix.begins(data):
        message = f"{name} does not begin with the rows that were there at the save"
        raise Error("checkpoint-damaged", message)


def reopen(folder: RunFolder, end: int) -> None:
    """Let a run that ended at a step go on from before its end.

    The evaluation at the end is no part of a longer run. So its checkpoint gets a name
    under which it is not looked for; it goes once there is a newer one. The caller
    recovers the run then, which makes this durable.
    """
    where = folder.checkpoints
    folder.disk.rename(where / file_name(end), where / _ended(end))


def go_back(
    folder: RunFolder, step: int, say: Callable[[str], None] = lambda line: None
) -> Found:
    """Give up what came after a step, and recover the newest checkpoint before."""
    for newer in steps(folder.disk, folder.checkpoints):
        if newer > step:
            folder.disk.remove(folder.checkpoints / file_name(newer))
    return recover(folder, say)


def recover(folder: RunFolder, say: Callable[[str], None] = lambda line: None) -> Found:
    """Bring a run folder back to its newest usable checkpoint.

    The caller holds the lock. Newer files that cannot be used are renamed to `.bad-…`,
    never deleted. Metrics and statistics are cut to what the checkpoint was saved with,
    or to nothing if there is none and the run starts again. Everything that the run
    then goes on from is durable. Doing it twice does nothing more.
    """
    folder.settle()
    found = newest(folder)
    for line in found.told:
        say(line)
    for skipped in found.skipped:
        _set_aside(folder.disk, folder.checkpoints / file_name(skipped.step))
    if found.checkpoint:
        folder.disk.settle(folder.checkpoints / file_name(found.checkpoint.meta.step))
    # Before rows are cut: a checkpoint that was removed could come back without them.
    folder.disk.fsync_folder(folder.checkpoints)
    _cut_logs(folder, found.checkpoint)
    _sweep(folder)
    return found


def _set_aside(disk: Disk, path: Path) -> None:
    for number in itertools.count(1):
        aside = path.with_name(f".bad-{path.name}" + (f".{number}" * (number > 1)))
        if not disk.exists(aside):
            disk.rename(path, aside)
            return


def _cut_logs(folder: RunFolder, checkpoint: Checkpoint | None) -> None:
    meta = checkpoint.meta if checkpoint else None
    cut(folder.disk, folder.metrics, meta.metrics if meta else EMPTY)
    cut(folder.disk, folder.statistics, meta.statistics if meta else EMPTY)


def _sweep(folder: RunFolder) -> None:
    """Remove temporary files of a process that died while it saved."""
    for name in folder.disk.list(folder.checkpoints):
        if _TEMPORARY.fullmatch(name):
            folder.disk.remove(folder.checkpoints / name)
