"""One config, one run: train it, record it, draw it; or go on where it stopped."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nettrain.component import dump
from nettrain.config import resolve, write_resolved
from nettrain.diagnose import DiagnoseConfig
from nettrain.disk import Disk
from nettrain.errors import Error
from nettrain.experiment import memory, rates, report, signals
from nettrain.experiment.assembly import make_network, make_probe
from nettrain.experiment.recorder import Files, Nobody, Watcher, recording
from nettrain.experiment.schema import Experiment
from nettrain.experiment.setup import Setup, Source, set_up
from nettrain.experiment.status import Status, read_status
from nettrain.experiment.threads import limited
from nettrain.experiment.timing import diagnosis_share
from nettrain.record.checkpoint import Checkpoint
from nettrain.record.folder import RunFolder, find_finished
from nettrain.record.metrics import read_metrics
from nettrain.record.store import newest, recover, reopen
from nettrain.training import stored
from nettrain.training.loop import Loop, Outcome
from nettrain.training.network import Network
from nettrain.training.probe import Probe

Watch = Callable[[Setup, int], Watcher]
"""Makes a watcher for a setup and its planned number of steps."""

RESOLVED = "config.resolved.yaml"


def _nobody(setup: Setup, steps: int) -> Watcher:
    return Nobody()


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a run, or the attempt at one, ended.

    Attributes:
        folder: of the run.
        outcome: what training came to; None where nothing had to be done.
        message: what there is to say where nothing was done.
        signal: the number of the signal that came meanwhile, or 0.
        config: the file whose lines findings cite; None where it was a mapping.
    """

    folder: RunFolder
    outcome: Outcome | None
    message: str = ""
    signal: int = 0
    config: str | None = None


@dataclasses.dataclass(frozen=True)
class _Start:
    """Where a run goes on.

    Attributes:
        checkpoint: its state; None where it begins again.
        resolved: `config.resolved.yaml` from now on.
        notes: what there is to say of it.
        stopped_at: the step at which the clock ended it before, to do so again.
    """

    checkpoint: Checkpoint | None
    resolved: str
    notes: Sequence[str]
    stopped_at: int | None


def run(
    source: Source,
    overrides: Sequence[str] = (),
    *,
    out: Path | str | None = None,
    again: bool = True,
    watch: Watch = _nobody,
    disk: Disk | None = None,
) -> Ended:
    """Check, train, record and draw one experiment.

    Args:
        source: a config file, or a mapping of its keys.
        overrides: `optimizer.adam.learning_rate=0.01`, …
        out: the run folder; `runs/NAME/NUMBER` where none is given.
        again: whether to train even if the same run is there already.
        watch: makes whoever wants to see it.
        disk: what the run folder is written through.
    """
    setup = set_up(source, overrides)
    name = setup.experiment.name
    status = Status(setup, None if isinstance(source, Mapping) else os.fspath(source))
    with limited(setup.experiment.threads):
        if out is None and not again:
            done = find_finished("runs", name, status.fingerprint)
            if done is not None:
                said = f"{done.path} is this run, finished; --again trains it once more"
                return Ended(done, None, said)
        memory.check_fits(setup)
        network = make_network(setup)  # what fails, fails before anything is written
        folder = RunFolder.create(name, out, disk=disk)
        with folder.lock():
            folder.write_text("config.yaml", setup.resolved.text)
            folder.write_text(RESOLVED, setup.resolved_yaml())
            folder.write_json("data.json", setup.dataset.preparation.to_json())
            return _train(folder, status, network, watch)


def _is_over(folder: RunFolder) -> bool:
    """Whether a run is finished, and its last checkpoint is still there to prove it."""
    status, found = read_status(folder), newest(folder).checkpoint
    at_its_end = found is not None and found.meta.step == status["step"]
    return bool(status["status"] == "finished" and at_its_end)


def resume(
    path: Path | str,
    overrides: Sequence[str] = (),
    *,
    watch: Watch = _nobody,
    disk: Disk | None = None,
) -> Ended:
    """Go on with a run from its newest valid checkpoint.

    Args:
        path: the run folder.
        overrides: such as `train.epochs=80`, to train longer.
        watch: makes whoever wants to see it.
        disk: what the run folder is read and written through.
    """
    folder = RunFolder.open(path, disk=disk)
    if not overrides and _is_over(folder):
        return Ended(folder, None, f"{path} is finished: there is nothing to resume")
    setup = set_up(folder.path / RESOLVED, overrides)
    memory.check_fits(setup, resumed=True)
    with limited(setup.experiment.threads), folder.lock():
        before = read_status(folder)
        began = _checked(folder, setup, before)
        # Lines are cited as the run began: of the config that it was given.
        recipe = dataclasses.replace(setup.recipe, origins=before["lines"])
        setup = dataclasses.replace(setup, recipe=recipe)
        status = Status(setup, before["config"])
        network = make_network(setup)
        notes: list[str] = []
        checkpoint = recover(folder, notes.append).checkpoint
        if checkpoint and _goes_on(folder, setup, network, checkpoint):
            network = make_network(setup)
            # From here on the folder does not hold what it came to.
            status.write(folder, "running", checkpoint.meta.step, checkpoint.meta.epoch)
            checkpoint = _before_its_end(folder, checkpoint, notes.append)
        if checkpoint and (changed := _other_rates(began, setup, checkpoint.meta.step)):
            notes.append(changed)
        if changed := status.changed_numerics(before):
            notes.append(changed)
        # Who changes something may want another end.
        stopped_at = None if overrides else before.get("stopped_at")
        start = _Start(checkpoint, _resolved_again(setup), notes, stopped_at)
        return _train(folder, status, network, watch, start)


def _train(
    folder: RunFolder,
    status: Status,
    network: Network,
    watch: Watch,
    start: _Start | None = None,
) -> Ended:
    """Train to an end, from the beginning or from a start."""
    setup = status.setup
    with signals.listening() as interruption:
        stopped_at = start.stopped_at if start else None
        plan = setup.plan(interrupted=interruption, stopped_at=stopped_at)
        probe = make_probe(setup, network)
        watcher = watch(setup, plan.total_steps)
        with recording(folder, setup, watcher) as files:
            loop = Loop(network, plan, probe, files, files.rewind)
            history = _gone_on(folder, loop, files, start) if start else []
            try:
                status.write(folder, "running", loop.step, loop.epoch)
                outcome = _timed(loop, files, history)
                network.release()  # what follows compiles programs of its own
                with _ending(interruption, folder, status, outcome, watcher):
                    _measure_rates(folder, setup, files, outcome)
                    _finish(folder, status, network, probe, loop.monitor, outcome)
            except Exception as error:
                why = f"{type(error).__name__}: {error}"
                with contextlib.suppress(Error):
                    status.write(folder, "failed", loop.step, loop.epoch, reason=why)
                    files.event("failed", text=why)
                raise
        return Ended(folder, outcome, signal=interruption.number, config=status.config)


def _ending(
    interruption: signals.Interruption,
    folder: RunFolder,
    status: Status,
    outcome: Outcome,
    watcher: Watcher,
) -> contextlib.AbstractContextManager[None]:
    """What is left once the training is over and saved: a signal ends it at once.

    `nettrain resume` does it then.
    """

    def last() -> None:
        at = f"step {outcome.step}, epoch {outcome.epoch}"
        why = "a signal, when the training was over"
        status.write(folder, "interrupted", outcome.step, outcome.epoch, reason=why)
        watcher.note(f"all is saved at {at}; the pictures are missing")
        watcher.note(f"  nettrain resume {folder.path}")

    if outcome.status == "interrupted":
        return contextlib.nullcontext()
    return interruption.over(last)


def _timed(loop: Loop, files: Files, history: Sequence[Mapping[str, Any]]) -> Outcome:
    """Train; what the clock says of it is told, and decides nothing."""
    first, began = loop.step, time.monotonic()
    files.event("training", step=first)
    outcome = loop.run(history)
    seconds = time.monotonic() - began
    files.event(
        outcome.status,
        text=outcome.reason,
        step=outcome.step,
        seconds=round(seconds, 3),
        steps_per_second=round((outcome.step - first) / max(seconds, 1e-9), 1),
    )
    return outcome


def _measure_rates(
    folder: RunFolder, setup: Setup, files: Files, outcome: Outcome
) -> None:
    """Replace a guess at the learning rate, once the run is over; draw what it took."""
    if outcome.status == "interrupted":
        return
    if not rates.guessed(outcome.findings):
        # Before it went on, this run may have asked for one.
        folder.disk.remove(folder.path / "plots/learning-rate.svg")
        return
    files.note("learning rates", "measuring learning rates …")
    sweep = rates.sweep(setup)
    outcome.findings = rates.measured(outcome.findings, sweep)
    folder.write_text("plots/learning-rate.svg", sweep.picture())


def _finish(
    folder: RunFolder,
    status: Status,
    network: Network,
    probe: Probe | None,
    monitor: str,
    outcome: Outcome,
) -> None:
    """Findings, pictures and the status, the status last."""
    setup = status.setup
    findings = [finding.to_json() for finding in outcome.findings]
    folder.write_json("findings.json", findings)
    more: dict[str, Any] = {"reason": outcome.reason, "summary": outcome.summary}
    if outcome.stopped_at is not None:
        more["stopped_at"] = outcome.stopped_at
    if outcome.status != "interrupted":
        if probe is not None:
            share = diagnosis_share(setup, probe.interval)
            settings = setup.experiment.diagnose
            assert isinstance(settings, DiagnoseConfig)
            more["diagnosis"] = {
                "interval": probe.interval,
                "share_of_step": share,
                "changed": settings.departures(),
            }
        facts = status.content(outcome.status, outcome.step, outcome.epoch, **more)
        report.draw(folder, setup, network, probe, monitor, facts)
    status.write(folder, outcome.status, outcome.step, outcome.epoch, **more)


# ---------------------------------------------------------------- going on


def _gone_on(
    folder: RunFolder, loop: Loop, files: Files, start: _Start
) -> list[dict[str, Any]]:
    """Restore the loop; the rows before. A state that does not fit changes nothing."""
    history: list[dict[str, Any]] = []
    if start.checkpoint is not None:
        loop.restore(start.checkpoint.tensors)
        stored.check_step(loop.step, start.checkpoint.meta.step)
        history = read_metrics(folder.disk, folder.metrics)
    folder.write_text(RESOLVED, start.resolved)
    files.event("resume", step=loop.step)
    for note in start.notes:
        files.note("resume", note)
    return history


_FIXED = ("seed", "data", "model", "loss", "dtype")
"""Sections that what has been learned depends on."""


def _goes_on(
    folder: RunFolder, setup: Setup, network: Network, checkpoint: Checkpoint
) -> bool:
    """Whether a run that came to its end has another one by now."""
    ended = checkpoint.tensors.get("loop/ended")
    if ended is None or not ended.any():
        return False
    probe = make_probe(setup, network)
    loop = Loop(network, setup.plan(), probe, lambda event: None)
    loop.restore(checkpoint.tensors)
    return not loop.over(read_metrics(folder.disk, folder.metrics))


def _before_its_end(
    folder: RunFolder, end: Checkpoint, say: Callable[[str], None]
) -> Checkpoint | None:
    """The newest checkpoint before that of the end, which a longer run does not have.

    At the end a run is evaluated wherever it stands, on the test part too.
    """
    reopen(folder, end.meta.step)
    found = recover(folder, say).checkpoint
    say(
        f"the run ended at step {end.meta.step}; it goes on from the checkpoint before "
        f"its end, of step {found.meta.step if found else 0}"
    )
    return found


def _other_rates(began: Experiment, setup: Setup, steps: int) -> str:
    """What is to be said of updates made at other rates than the plan now has."""
    plan = setup.plan()
    per_epoch, schedule = plan.steps_per_epoch, began.optimizer.schedule
    total = began.train.total_steps(per_epoch)
    for number in range(1, steps + 1):
        was = schedule.rate(number, total, per_epoch, schedule.start())
        now = plan.schedule.rate(
            number, plan.total_steps, per_epoch, plan.schedule.start()
        )
        if was != now:
            return (
                f"not the same as such a run from the start: update {number} was made "
                f"at the rate {was:.6g}, this plan has {now:.6g} there"
            )
    return ""


def _checked(folder: RunFolder, setup: Setup, before: Mapping[str, Any]) -> Experiment:
    """The experiment as it was; other data, or another run, are refused."""
    if before["data_sha256"] != setup.dataset.sha256:
        raise Error(
            "run-data-changed",
            f"the data of {folder.path} are not what they were when it began",
            fix="put the data back, or start a new run",
        )
    began = resolve(folder.path / RESOLVED, schema=Experiment).build()
    now = dump(setup.experiment)
    for section in _FIXED:
        if dump(getattr(began, section)) != now[section]:
            raise Error(
                "config-resume",
                f"a run cannot go on with another {section}",
                fix="start a new run; train and optimizer may change",
            )
    return began


def _resolved_again(setup: Setup) -> str:
    """The config with its overrides; the rest still says where it first came from."""
    resolved = setup.resolved

    def source(path: tuple[str | int, ...]) -> str:
        place = resolved.place(path)
        written = Path(place.file).name == RESOLVED
        known = place.text.rpartition("# ")[2].strip() if written else ""
        return known or resolved.source(path)

    return write_resolved(dump(setup.experiment), source)
