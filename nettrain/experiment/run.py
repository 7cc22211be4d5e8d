"""One config, one run: train it, record it, draw it; or go on where it stopped."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nettrain.diagnose import DiagnoseConfig
from nettrain.disk import Disk
from nettrain.errors import Error
from nettrain.experiment import changes, memory, rates, report, signals
from nettrain.experiment.assembly import make_network, make_probe
from nettrain.experiment.recorder import Files, Nobody, Watcher, recording
from nettrain.experiment.setup import RESOLVED, Setup, Source, set_up
from nettrain.experiment.status import BROKEN_OFF, Status, read_status
from nettrain.experiment.threads import limited
from nettrain.experiment.timing import diagnosis_share
from nettrain.record import lock
from nettrain.record.checkpoint import Checkpoint
from nettrain.record.folder import FIRST, RUN, RunFolder, find_run
from nettrain.record.metrics import Row, read_metrics
from nettrain.record.store import newest, recover, reopen
from nettrain.span import Span
from nettrain.training import stored
from nettrain.training.loop import Loop, Outcome
from nettrain.training.network import Network
from nettrain.training.probe import Probe

OVER = ("finished", "diverged")
"""What run.json says of a run that has come to its end."""
ENDLESS = (*BROKEN_OFF, "failed")
"""And of one that can go on."""

Watch = Callable[[Setup, int], Watcher]
"""Makes a watcher for a setup and its planned number of steps."""


def nobody(setup: Setup, steps: int) -> Watcher:
    """For who does not want to see it."""
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
class _Wishes:
    """What a caller asks for beside the config.

    Attributes:
        watch: makes whoever wants to see the run.
        until: where it pauses, if it does.
        pictures: whether pictures and report are drawn at its end.
    """

    watch: Watch
    until: Span | None
    pictures: bool


@dataclasses.dataclass
class _Start:
    """Where a run goes on.

    Attributes:
        checkpoint: its state, until it is taken; None where it begins again.
        resolved: `config.resolved.yaml` from now on.
        notes: what there is to say of it.
        stopped_at: the step at which the clock ended it before, to do so again.
        anew: whether its epochs are judged by another metric from now on.
    """

    checkpoint: Checkpoint | None
    resolved: str
    notes: Sequence[str]
    stopped_at: int | None
    anew: bool


def run(
    source: Source,
    overrides: Sequence[str] = (),
    *,
    out: Path | str | Callable[[str], Path] | None = None,
    again: bool = True,
    go_on: bool = False,
    until: Span | None = None,
    pictures: bool = True,
    watch: Watch = nobody,
    disk: Disk | None = None,
) -> Ended:
    """Check, train, record and draw one experiment.

    Args:
        source: a config file, or a mapping of its keys.
        overrides: `optimizer.adam.learning_rate=0.01`, …
        out: the run folder, or what chooses it once it is needed, given the run's
            fingerprint; `runs/NAME/NUMBER` where none is given.
        again: whether to train even if the same run is in `runs/NAME` already.
        go_on: whether one that diverged there is such a run too, and one that has no
            end is resumed.
        until: where it pauses, as if interrupted at the end of that epoch.
        pictures: whether pictures and report are drawn at its end, and what diagnosis
            costs is measured; `nettrain report` draws them later. That of learning
            rates is drawn all the same: a finding rests on it.
        watch: makes whoever wants to see it.
        disk: what the run folder is written through.

    Raises:
        Error: `locked-run` where another process trains what is to be resumed.
    """
    wishes = _Wishes(watch, until, pictures)
    setup = set_up(source, overrides)
    name = setup.experiment.name
    config = None if isinstance(source, Mapping) else os.fspath(source)
    status = Status(setup, config, as_given=config is not None and not overrides)
    with limited(setup.experiment.threads):
        if not again:
            over = OVER if go_on else OVER[:1]
            done = find_run("runs", name, status.fingerprint, over)
            if done is not None:
                how = done.read_json(RUN)["status"]
                said = f"{done.path} is this run, {how}; --again trains it once more"
                return Ended(done, None, said)
            if go_on and (half := _half(status)):
                return resume(half.path, until=until, pictures=pictures, watch=watch)
        memory.check_fits(setup)
        network = make_network(setup)  # what fails, fails before anything is written
        place = out(status.fingerprint) if callable(out) else out
        folder = RunFolder.create(name, place, disk=disk)
        with folder.lock():
            folder.write_text("config.yaml", setup.resolved.text)
            folder.write_text(RESOLVED, setup.resolved_yaml())
            folder.write_json("data.json", setup.dataset.preparation.to_json())
            if setup.begin:
                folder.write(FIRST, setup.begin_file())
            return _train(folder, status, network, wishes)


def _half(status: Status) -> RunFolder | None:
    """The same run, if it was broken off.

    Raises:
        Error: `locked-run` where another process trains it.
    """
    experiment = status.setup.experiment
    half = find_run("runs", experiment.name, status.fingerprint, ENDLESS)
    if half is None:
        return None
    if lock.is_held(half.disk, half.path):
        raise being_trained(experiment.seed, half.path)
    if not half.disk.exists(half.path / RESOLVED):
        with half.lock():  # it is known: by its fingerprint the run is this one
            half.write_text(RESOLVED, status.setup.resolved_yaml())
    return half


def being_trained(seed: int, path: Path) -> Error:
    """The error for a seed that another process trains."""
    message = f"seed {seed} is being trained in {path} by another process"
    return Error("locked-run", message, fix="wait for it, or stop it")


def _is_over(folder: RunFolder) -> bool:
    """Whether a run is finished, and its last checkpoint is still there to prove it."""
    status = read_status(folder)
    if status["status"] != "finished":
        return False
    found = newest(folder).checkpoint
    return found is not None and found.meta.step == status["step"]


def resume(
    path: Path | str,
    overrides: Sequence[str] = (),
    *,
    until: Span | None = None,
    pictures: bool = True,
    watch: Watch = nobody,
    disk: Disk | None = None,
) -> Ended:
    """Go on with a run from its newest valid checkpoint.

    Args:
        path: the run folder.
        overrides: such as `train.epochs=80`, to train longer.
        until, pictures: see `run`.
        watch: makes whoever wants to see it.
        disk: what the run folder is read and written through.
    """
    wishes = _Wishes(watch, until, pictures)
    folder = RunFolder.open(path, disk=disk)
    over = Ended(folder, None, f"{path} is finished: there is nothing to resume")
    if not overrides and _is_over(folder):  # to be said of a folder to be read only too
        return over
    with folder.lock():  # from here on nothing that is read is changed by another
        if not overrides and _is_over(folder):
            return over
        folder.read_text(RESOLVED)  # missing, it is the run's fault
        setup = set_up_again(folder, overrides)
        with limited(setup.experiment.threads):
            return _resumed(folder, setup, bool(overrides), wishes)


def set_up_again(folder: RunFolder, overrides: Sequence[str]) -> Setup:
    """A run's own config, with overrides, and its data wherever they are."""
    try:
        return set_up(folder.path / RESOLVED, overrides)
    except Error as error:
        if error.code == "data-missing-file":
            error.fix = "put it back, or say where it is now: data.source=PATH"
        raise


def _resumed(
    folder: RunFolder,
    setup: Setup,
    changed: bool,
    wishes: _Wishes,
) -> Ended:
    """Go on with a run whose lock is held.

    Args:
        changed: whether its settings are others than before.
    """
    memory.check_fits(setup, resumed=True)
    before = read_status(folder)
    began = changes.checked(folder, setup, before)
    anew = changes.judged_anew(began, setup.experiment)
    # Lines are cited as the run began: of the config that it was given.
    recipe = dataclasses.replace(setup.recipe, origins=before["lines"])
    setup = dataclasses.replace(setup, recipe=recipe)
    as_given = before.get("as_given", False) and not changed
    status, notes = Status(setup, before["config"], as_given), list[str]()
    checkpoint = recover(folder, notes.append).checkpoint
    if checkpoint and _goes_on(folder, setup, checkpoint, anew):
        # From here on the folder does not hold what it came to.
        status.write(folder, "running", checkpoint.meta.step, checkpoint.meta.epoch)
        checkpoint = _before_its_end(folder, checkpoint, notes.append)
    if checkpoint:
        notes += changes.told(began, setup, checkpoint.meta.step)
    if other := status.changed_numerics(before):
        notes.append(other)
    # Who changes something may want another end.
    stopped_at = None if changed else before.get("stopped_at")
    start = _Start(checkpoint, changes.resolved_again(setup), notes, stopped_at, anew)
    del checkpoint  # else it is there as long as the run
    return _train(folder, status, make_network(setup), wishes, start)


def _train(
    folder: RunFolder,
    status: Status,
    network: Network,
    wishes: _Wishes,
    start: _Start | None = None,
) -> Ended:
    """Train to an end, from the beginning or from a start."""
    setup = status.setup
    with signals.listening() as interruption:
        stopped_at = start.stopped_at if start else None
        plan = setup.plan(
            interrupted=interruption, stopped_at=stopped_at, until=wishes.until
        )
        probe = make_probe(setup, network)
        watcher = wishes.watch(setup, plan.total_steps)
        with recording(folder, setup, watcher, network) as files:
            for note in () if start else setup.notes:
                files.note("begin", note)
            loop = Loop(network, plan, probe, files, files.rewind)
            if start:
                history = _gone_on(folder, loop, files, start)
            else:
                history = iter(())
                files.begin(0, [])
            try:
                status.write(folder, "running", loop.step, loop.epoch)
                outcome = _timed(loop, files, history)
                network.release()  # what follows compiles programs of its own
                with _ending(interruption, folder, status, outcome, watcher):
                    _measure_rates(folder, setup, files, outcome)
                    drawn = wishes.pictures and outcome.status != "interrupted"
                    monitor = loop.monitor if drawn else None
                    _finish(folder, status, network, probe, monitor, outcome)
            except Exception as error:
                known = isinstance(error, Error)
                why = error.message if known else f"{type(error).__name__}: {error}"
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


def _timed(loop: Loop, files: Files, history: Iterable[Row]) -> Outcome:
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
    monitor: str | None,
    outcome: Outcome,
) -> None:
    """Findings, pictures and the status, the status last.

    Args:
        monitor: the metric that decides which epoch is best; without it nothing is
            drawn, nor is it measured what the diagnosis costs.
    """
    setup = status.setup
    findings = [finding.to_json() for finding in outcome.findings]
    folder.write_json("findings.json", findings)
    more: dict[str, Any] = {"reason": outcome.reason, "summary": outcome.summary}
    if outcome.stopped_at is not None:
        more["stopped_at"] = outcome.stopped_at
    if probe is not None:
        settings = setup.experiment.diagnose
        assert isinstance(settings, DiagnoseConfig)
        watched: dict[str, Any] = {
            "interval": probe.interval,
            "changed": settings.departures(),
        }
        if monitor is not None:
            watched["share_of_step"] = diagnosis_share(setup, probe.interval)
        more["diagnosis"] = watched
    if monitor is not None:
        facts = status.content(outcome.status, outcome.step, outcome.epoch, **more)
        report.draw(folder, setup, network, probe, monitor, facts)
    status.write(folder, outcome.status, outcome.step, outcome.epoch, **more)


# ---------------------------------------------------------------- going on


def _gone_on(
    folder: RunFolder, loop: Loop, files: Files, start: _Start
) -> Iterator[Row]:
    """Restore the loop; the rows before. A state that does not fit changes nothing."""
    history: list[Row] = []
    checkpoint, start.checkpoint = start.checkpoint, None
    if checkpoint is not None:
        loop.restore(checkpoint.tensors)
        stored.check_step(loop.step, checkpoint.meta.step)
        history = read_metrics(folder.disk, folder.metrics)
        if start.anew:
            loop.judge_anew(history)
    folder.write_text(RESOLVED, start.resolved)
    files.event("resume", step=loop.step)
    for note in start.notes:
        files.note("resume", note)
    files.begin(loop.step, history)
    return iter(history)  # which lets them go at its end


def _goes_on(
    folder: RunFolder, setup: Setup, checkpoint: Checkpoint, anew: bool
) -> bool:
    """Whether a run that came to its end has another one by now."""
    ended = checkpoint.tensors.get("loop/ended")
    if ended is None or not ended.any():
        return False
    network = make_network(setup)
    probe = make_probe(setup, network)
    loop = Loop(network, setup.plan(), probe, lambda event: None)
    loop.restore(checkpoint.tensors)
    rows = read_metrics(folder.disk, folder.metrics)
    if anew:
        loop.judge_anew(rows)
    return not loop.over(rows[-1] if rows else {})


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
