"""One config, one run: train it, record it, draw it; or go on where it stopped."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nettrain import __version__
from nettrain.component import dump
from nettrain.diagnose import DiagnoseConfig, diagnose
from nettrain.diagnose.evidence import Evidence
from nettrain.diagnose.finding import Finding
from nettrain.errors import Error
from nettrain.execute import executor
from nettrain.execute.fingerprint import environment, fingerprint
from nettrain.experiment import pictures, signals
from nettrain.experiment.facts import facts
from nettrain.experiment.graph import network_svg
from nettrain.experiment.recorder import Files, Nobody, Watcher, closing
from nettrain.experiment.setup import Setup, Source, set_up
from nettrain.experiment.threads import limited
from nettrain.experiment.timing import diagnosis_share
from nettrain.record.folder import FORMAT, RUN, RunFolder, find_finished
from nettrain.record.metrics import read_metrics
from nettrain.record.store import recover
from nettrain.training.loop import Loop, Outcome
from nettrain.training.network import Network
from nettrain.training.probe import Probe

Watch = Callable[[Setup, int], Watcher]
"""Makes a watcher for a setup and its planned number of steps."""


def _nobody(setup: Setup, steps: int) -> Watcher:
    return Nobody()


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a run, or the attempt at one, ended.

    Attributes:
        folder: of the run.
        outcome: what training came to; None where nothing had to be done.
        message: what there is to say where nothing was done.
        signal: the number of the signal that interrupted it, or 0.
    """

    folder: RunFolder
    outcome: Outcome | None
    message: str = ""
    signal: int = 0


def run(
    source: Source,
    overrides: Sequence[str] = (),
    *,
    out: Path | str | None = None,
    again: bool = True,
    watch: Watch = _nobody,
) -> Ended:
    """Check, train, record and draw one experiment.

    Args:
        source: a config file, or a mapping of its keys.
        overrides: `optimizer.adam.learning_rate=0.01`, …
        out: the run folder; `runs/NAME/NUMBER` where none is given.
        again: whether to train even if the same run is there already.
        watch: makes whoever wants to see it.
    """
    setup = set_up(source, overrides)
    name = setup.experiment.name
    with limited(setup.experiment.threads):
        numerics = _numerics(setup)
        if out is None and not again:
            done = find_finished("runs", name, run_fingerprint(setup, numerics))
            if done is not None:
                said = f"{done.path} is this run, finished; --again trains it once more"
                return Ended(done, None, said)
        folder = RunFolder.create(name, out)
        with folder.lock():
            _write_beginning(folder, setup, numerics)
            return _train(folder, setup, watch, numerics)


def resume(
    path: Path | str, overrides: Sequence[str] = (), *, watch: Watch = _nobody
) -> Ended:
    """Go on with a run from its newest valid checkpoint.

    Args:
        path: the run folder.
        overrides: such as `train.epochs=80`, to train longer.
        watch: makes whoever wants to see it.
    """
    folder = RunFolder.open(path)
    setup = set_up(folder.path / "config.resolved.yaml", overrides)
    with limited(setup.experiment.threads), folder.lock():
        status = folder.read_json(RUN)
        if status["status"] == "finished" and not overrides:
            return Ended(
                folder, None, f"{path} is finished: there is nothing to resume"
            )
        if status["data_sha256"] != setup.dataset.sha256:
            raise Error(
                "run-data-changed",
                f"the data of {path} are not what they were when it began",
                fix="put the data back, or start a new run",
            )
        numerics = _numerics(setup)
        folder.write_text("config.resolved.yaml", setup.resolved_yaml())
        return _train(folder, setup, watch, numerics, status)


def _train(
    folder: RunFolder,
    setup: Setup,
    watch: Watch,
    numerics: str,
    before: Mapping[str, Any] | None = None,
) -> Ended:
    """Train from the newest checkpoint, or from the start, to an end."""
    notes: list[str] = []
    checkpoint = recover(folder, notes.append).checkpoint if before else None
    experiment = setup.experiment
    with signals.listening() as interruption:
        plan = setup.plan(
            interrupted=interruption, stopped_at=(before or {}).get("stopped_at")
        )
        runner = executor(experiment.executor)
        rows = len(plan.parts["train"])
        network = Network(setup.recipe, runner, min(plan.batch_size, rows))
        probe = make_probe(setup, network) if setup.recipe.diagnose else None
        watcher = watch(setup, plan.total_steps)
        files = Files(folder, setup, lambda: loop.tensors(), watcher)
        loop = Loop(network, plan, probe, files)
        with closing(files, watcher):
            if before and before["numerics"] != numerics:
                notes.append(
                    "correct, not bit-identical: " + _difference(before["environment"])
                )
            history = []
            if checkpoint is not None:
                loop.restore(checkpoint.tensors)
                history = read_metrics(folder.disk, folder.metrics)
            for note in notes:
                files.event("resume", text=note)
                watcher.note(note)
            _write_status(folder, setup, numerics, "running", loop.step, loop.epoch)
            try:
                outcome = loop.run(history)
            except BaseException:
                with contextlib.suppress(Error):
                    _write_status(
                        folder, setup, numerics, "failed", loop.step, loop.epoch
                    )
                raise
            _finish(folder, setup, numerics, network, probe, loop, outcome)
            files.event(outcome.status, text=outcome.reason, step=outcome.step)
        return Ended(folder, outcome, signal=interruption.number)


def make_probe(setup: Setup, network: Network) -> Probe:
    """The probe of a run, which knows the config's layers and thresholds."""
    plan, settings = setup.plan(), setup.experiment.diagnose
    assert isinstance(settings, DiagnoseConfig) and settings.every != "auto"

    def judge(evidence: Evidence) -> list[Finding]:
        return diagnose(evidence, settings)

    return Probe(
        network,
        facts(setup),
        judge,
        interval=settings.every,
        rows=len(plan.parts["train"]),
        steps_per_epoch=plan.steps_per_epoch,
        total_steps=plan.total_steps,
    )


# ---------------------------------------------------------------- the folder's files


def _numerics(setup: Setup) -> str:
    """Which numbers this machine computes, by executor: equal only if all bits are."""
    return fingerprint()


def _write_beginning(folder: RunFolder, setup: Setup, numerics: str) -> None:
    """Everything that is known before step 1."""
    folder.write_text("config.yaml", setup.resolved.text)
    folder.write_text("config.resolved.yaml", setup.resolved_yaml())
    folder.write_json("data.json", setup.dataset.preparation.to_json())
    _write_status(folder, setup, numerics, "running", 0, 0)


def _write_status(
    folder: RunFolder,
    setup: Setup,
    numerics: str,
    status: str,
    step: int,
    epoch: int,
    **more: Any,
) -> None:
    content = {
        "format": FORMAT,
        "name": setup.experiment.name,
        "status": status,
        "step": step,
        "epoch": epoch,
        "seed": setup.experiment.seed,
        **more,
        "loss": dump(setup.recipe.loss),
        "data_sha256": setup.dataset.sha256,
        "fingerprint": run_fingerprint(setup, numerics),
        "numerics": numerics,
        "environment": environment(),
        "versions": {"nettrain": __version__, "python": platform.python_version()},
    }
    folder.write_json(RUN, content)


def run_fingerprint(setup: Setup, numerics: str) -> str:
    """What makes two runs the same: config, data and numerics."""
    parts = (setup.config_sha256, setup.dataset.sha256, numerics)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _difference(before: Mapping[str, Any]) -> str:
    now = environment()
    changed = [
        f"{k} was {v}, is {now.get(k)}" for k, v in before.items() if now.get(k) != v
    ]
    return "; ".join(changed) or "the kernels compute other last bits"


def _finish(
    folder: RunFolder,
    setup: Setup,
    numerics: str,
    network: Network,
    probe: Probe | None,
    loop: Loop,
    outcome: Outcome,
) -> None:
    """Findings, pictures and the status, the status last."""
    findings = [finding.to_json() for finding in outcome.findings]
    folder.write_json("findings.json", findings)
    more: dict[str, Any] = {"reason": outcome.reason, "summary": outcome.summary}
    if outcome.stopped_at is not None:
        more["stopped_at"] = outcome.stopped_at
    if outcome.status != "interrupted":
        if probe is not None:
            more["diagnosis"] = {
                "interval": probe.interval,
                "share_of_step": diagnosis_share(setup, probe.interval),
            }
        best = outcome.summary.get("best", {}).get(loop.monitor, {})
        pictures.draw(
            folder,
            dead=probe.dead_units() if probe else {},
            best_epoch=best.get("epoch"),
            monitor=loop.monitor,
            prior=setup.recipe.loss.prior(setup.dataset.parts["train"].targets),
            graph=network_svg(setup, network),
        )
    step, epoch = outcome.step, outcome.epoch
    _write_status(folder, setup, numerics, outcome.status, step, epoch, **more)
