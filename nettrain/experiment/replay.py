"""Train a run again from its own config, and say where the two first differ.

Nothing is written. What is compared are the rows of `metrics.jsonl`, update by update,
and at the end of each epoch the digest, which stands for the state too; see
`nettrain.record.metrics`.
"""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nettrain.disk import Disk
from nettrain.errors import Error
from nettrain.experiment import changes, memory
from nettrain.experiment.assembly import make_network, make_probe
from nettrain.experiment.recorder import Memory, Watcher
from nettrain.experiment.run import Watch, nobody, set_up_again
from nettrain.experiment.setup import RESOLVED
from nettrain.experiment.status import NOT_IDENTICAL, OTHER_BITS, Status, open_run
from nettrain.experiment.threads import limited
from nettrain.record import json_text
from nettrain.record.checkpoint import Tensors, decode
from nettrain.record.events import read_events
from nettrain.record.folder import RunFolder
from nettrain.record.metrics import Row, chained, read_digested
from nettrain.record.store import file_name
from nettrain.training.events import EpochEnded, Event, Measured, Stepped
from nettrain.training.loop import Loop, Outcome
from nettrain.training.network import Network
from nettrain.training.outcome import EPOCH_LOSS

Values = Mapping[str, tuple[Any, Any]]
"""By the name of a metric what it was and what it is; None where it is not there."""

_ENDED = ("finished", "diverged")
_OTHERS = (NOT_IDENTICAL, changes.NOT_THE_SAME)


@dataclass(frozen=True)
class Difference:
    """The first epoch that is another one than it was.

    Attributes:
        epoch: counts from 1.
        rows: what differs in the rows of two updates at most, by step: of the first one
            that differs, and of the epoch's last. None where only the state differs.
        digests: of this epoch, as it was and as it is; None where it did not end.
        tensors: by path how far an element is from what it was, at most, where a
            checkpoint of the end of this epoch is there to tell.
        end: how the run ended and how the replay did, where only that differs.
    """

    epoch: int
    rows: Mapping[int, Values] = field(default_factory=dict)
    digests: tuple[str, str] | None = None
    tensors: Mapping[str, float] = field(default_factory=dict)
    end: str = ""

    @property
    def edited(self) -> bool:
        """Whether rows differ that the recorded digest itself says were the same."""
        return self.digests is not None and self.digests[0] == self.digests[1]


@dataclass(frozen=True)
class Replay:
    """What came of a replay.

    Attributes:
        folder: of the run.
        epochs, steps: that were compared and are the same.
        digest: of the last of these epochs; empty where there is none.
        difference: the first one; None where there is none.
        changed: what is not as it was when the run was recorded, and may explain it.
    """

    folder: RunFolder
    epochs: int
    steps: int
    digest: str
    difference: Difference | None
    changed: Sequence[str]


def replay(
    path: Path | str,
    overrides: Sequence[str] = (),
    *,
    watch: Watch = nobody,
    disk: Disk | None = None,
) -> Replay:
    """Train a run again, up to the first epoch that differs.

    Args:
        path: the run folder.
        overrides: settings to try in place of the run's, such as `threads=2`, or where
            its data are now.
        watch: makes whoever wants to see it.
        disk: what the run folder is read through.

    Raises:
        Error: `run-no-digests` where an older version recorded it, `run-incomplete`
            where rows are missing, `run-data-changed` where its data are others, and
            all that a resumed run can raise.
    """
    folder, before = open_run(path, disk=disk)
    recorded = _recorded(folder, before)
    folder.read_text(RESOLVED)  # missing, it is the run's fault
    setup = set_up_again(folder, overrides)
    memory.check_fits(setup, written=False)
    train, status = setup.experiment.train, Status(setup, None, as_given=False)
    with limited(setup.experiment.threads), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the run has told them
        changed = list(_changed(status, before, overrides))
        # Those that a config generates depend on the numerics too.
        changes.check_data(folder, setup, before, changed)
        network = make_network(setup)
        last = max(recorded, default=0)
        with contextlib.closing(watch(setup, last)) as watcher:
            compared = _Comparison(
                folder,
                recorded,
                whole=before["status"] in _ENDED,
                goes_back=train.on_nonfinite == "rollback",
                watcher=watcher,
                network=network,
            )
            # No clock may end it but at the step where it did.
            stopped_at = before.get("stopped_at", sys.maxsize)
            plan = setup.plan(interrupted=compared.is_over, stopped_at=stopped_at)
            probe = make_probe(setup, network)
            outcome = Loop(network, plan, probe, compared, compared.rewind).run()
    compared.end(outcome, before, plan.steps_per_epoch)
    return compared.result([*changed, *_resumed(folder)])


def _recorded(
    folder: RunFolder, before: Mapping[str, Any]
) -> dict[int, tuple[Row, str]]:
    """By step the rows of a run, with their digests."""
    if not folder.disk.exists(folder.metrics):
        fix = f"nettrain resume {folder.path}"
        raise Error("run-incomplete", f"{folder.metrics} is missing", fix=fix)
    found = list(read_digested(folder.disk, folder.metrics))
    for row, digest in found:
        if EPOCH_LOSS in row and not digest:
            message = (
                f"epoch {row['epoch']} of {folder.path} was recorded without a digest, "
                f"by nettrain {before['versions'].get('nettrain', '?')}"
            )
            fix = f"train it once more: nettrain run {folder.path / RESOLVED}"
            raise Error("run-no-digests", message, fix=fix)
    last = found[-1][0]["step"] if found else 0
    if before["status"] in _ENDED and last < before["step"]:
        fix = f"nettrain resume {folder.path}"
        message = f"{folder.metrics} ends before update {before['step']}, the last"
        raise Error("run-incomplete", message, fix=fix)
    if not found and before["status"] not in _ENDED:
        fix = f"nettrain resume {folder.path}"
        message = f"{folder.path} has no update yet that could be compared"
        raise Error("run-no-digests", message, fix=fix)
    return {row["step"]: (row, digest) for row, digest in found}


# ---------------------------------------------------------------- comparing


class _Comparison:
    """Compares a training that goes on with a recorded one.

    A run that goes back to a save before what was not finite has recorded only how it
    went on. So there a difference counts if no such way back undoes it.

    Args:
        folder: of the run, whose checkpoints may tell which weights differ.
        recorded: its rows and digests by step.
        whole: whether it came to its end, so that its end is compared too.
        goes_back: whether its training may go back.
        watcher: sees steps and epochs, and no finding: the run has told them.
        network: that is trained.
    """

    def __init__(
        self,
        folder: RunFolder,
        recorded: Mapping[int, tuple[Row, str]],
        *,
        whole: bool,
        goes_back: bool,
        watcher: Watcher,
        network: Network,
    ) -> None:
        self._folder, self._recorded, self._whole = folder, recorded, whole
        self._watcher, self._network = watcher, network
        self._goes_back = goes_back
        self._memory = Memory(saves=goes_back)
        self._last = max(recorded, default=0)
        self._step = self._since = 0
        self._rows: dict[int, Values] = {}
        self._digests: dict[int, str] = {}
        self._difference: Difference | None = None

    def __call__(self, event: Event) -> None:
        if not isinstance(event, Measured):
            self._memory(event)
        if isinstance(event, Stepped):
            row = event.row
            self._watcher.step(
                event.step, event.epoch, row["train/loss"], row["learning_rate"]
            )
            self._step = event.step
            self._stepped(event)
        elif isinstance(event, EpochEnded):
            self._watcher.epoch(event.epoch, event.metrics)

    def rewind(self, step: int) -> tuple[Tensors, list[Row]]:
        """Back to the state saved at a step; see `loop.Rewind`."""
        self._digests = {at: d for at, d in self._digests.items() if at <= step}
        if self._since > step:
            self._since, self._rows, self._difference = 0, {}, None
        return self._memory.rewind(step)

    def is_over(self) -> bool:
        """Whether there is nothing more to compare; asked after every update."""
        if self._since and self._goes_back:
            return False
        return self._difference is not None or self._step >= self._last + self._whole

    def _stepped(self, event: Stepped) -> None:
        row, ended = event.row, EPOCH_LOSS in event.row
        now = ""
        if ended:
            now = chained(self._digest, row, self._network.tensors())
            self._digests[event.step] = now
        if self._difference is not None or event.step not in self._recorded:
            return
        recorded, was = self._recorded[event.step]
        differing = dict(_differing(recorded, row))
        if differing and (ended or not self._rows):
            self._rows[event.step] = differing
        if differing or was != now:
            self._since = self._since or event.step
        if self._since and ended:
            tensors = dict(self._other_tensors(event.step))
            self._difference = Difference(event.epoch, self._rows, (was, now), tensors)

    @property
    def _digest(self) -> str:
        return next(reversed(self._digests.values()), "")

    def _other_tensors(self, step: int) -> Iterator[tuple[str, float]]:
        """What differs in the checkpoint after an update, if there is one to read."""
        path = self._folder.checkpoints / file_name(step)
        with contextlib.suppress(Error):
            saved = decode(self._folder.disk.read(path)).tensors
            for name, now in self._network.tensors().items():
                was = saved.get(name)
                if name.startswith("diagnosis/") or was is None:
                    continue
                if was.shape == now.shape and was.tobytes() != now.tobytes():
                    yield name, _distance(was, now)

    def end(self, outcome: Outcome, before: Mapping[str, Any], updates: int) -> None:
        """Compare how the run ended, where it did, with how the replay did.

        Args:
            updates: of an epoch.
        """
        if self._difference is not None:
            return
        was, step = before["status"], before["step"]
        other = self._whole and (outcome.status, outcome.step) != (was, step)
        if self._since:  # in an epoch that did not end
            epoch = (self._since - 1) // updates + 1
            self._difference = Difference(epoch, self._rows)
        elif other or outcome.step < self._last:
            now = f"{outcome.status} at step {outcome.step}: {outcome.reason}"
            if outcome.status == "interrupted":  # here, as there is nothing to compare
                now = "goes on"
            text = f"the run: {was} at step {step}; the replay: {now}"
            same = min(outcome.step, self._last)
            self._difference = Difference(same // updates + 1, end=text)

    def result(self, changed: Sequence[str]) -> Replay:
        """What came of it."""
        found = self._difference
        same = {
            step: digest
            for step, (row, digest) in self._recorded.items()
            if found is None or row["epoch"] < found.epoch
        }
        digests = [digest for digest in same.values() if digest]
        return Replay(
            self._folder,
            len(digests),
            max(same, default=0),
            digests[-1] if digests else "",
            found,
            changed,
        )


def _differing(was: Row, now: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Both values of what is not the same to the last bit; NaN is the same as NaN."""
    for name in dict.fromkeys([*was, *now]):
        one, other = was.get(name), now.get(name)
        if json_text.row({name: one}) != json_text.row({name: other}):
            yield name, (one, other)


def _distance(was: np.ndarray, now: np.ndarray) -> float:
    """The largest difference of two elements; NaN where one is no number."""
    with np.errstate(all="ignore"):
        return float(np.max(np.abs(was.astype(np.float64) - now.astype(np.float64))))


# ---------------------------------------------------------------- explaining


def _changed(
    status: Status, before: Mapping[str, Any], overrides: Sequence[str]
) -> Iterator[str]:
    """What is not as it was when the run was recorded."""
    if overrides:
        yield f"config: it is tried with {', '.join(overrides)}"
    elif status.changed_config(before):
        yield (
            f"config: {RESOLVED} does not give the settings that the run had: it was "
            "changed, or this version has other defaults"
        )
    numerics = before["numerics"] != status.numerics
    environment = status.changed_environment(before)
    for told in environment or ([OTHER_BITS] if numerics else []):
        yield f"{'numerics' if numerics else 'environment'}: {told}"
    now = status.versions["nettrain"]
    was = before["versions"].get("nettrain")
    if was != now:
        yield f"program: nettrain was {was}, is {now}"


def _resumed(folder: RunFolder) -> Iterator[str]:
    """What the run itself told, when it was resumed, of not being one piece."""
    if not folder.disk.exists(folder.events):
        return
    for event in read_events(folder.disk, folder.events):
        text = str(event.get("text"))
        if event.get("event") == "resume" and text.startswith(_OTHERS):
            yield f"resumed: {text}"
