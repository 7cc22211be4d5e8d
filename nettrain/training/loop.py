"""The loop: forward, backward, update, until a reason to stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from nettrain.data import batches
from nettrain.data.dataset import Part
from nettrain.diagnose.finding import Finding
from nettrain.errors import Error
from nettrain.optim import Schedule
from nettrain.training.blame import blame
from nettrain.training.evaluate import evaluate
from nettrain.training.events import (
    EpochEnded,
    Event,
    Found,
    Measured,
    SaveDue,
    Stepped,
)
from nettrain.training.metrics import Metric
from nettrain.training.network import Network
from nettrain.training.probe import Probe
from nettrain.training.settings import TrainConfig
from nettrain.training.stopping import Stopping

Status = Literal["finished", "interrupted", "diverged"]
Tensors = dict[str, np.ndarray]

_TIME_UP = "the time was up"


@dataclass(frozen=True)
class Plan:
    """How a network is trained.

    Attributes:
        parts: `train`, and `validation` and `test` where there are any.
        config: length, stopping and checkpoints.
        schedule: of the learning rate.
        metrics: beside the loss.
        seed: the order of rows comes from it.
        batch_size: rows in one update.
        evaluation_batch_size: rows evaluated at a time.
        shuffle: whether every epoch has its own order.
        interrupted: asked after every update; the loop ends when it says yes.
        stopped_at: the step at which `minutes` ended this run before, to repeat it.
    """

    parts: Mapping[str, Part]
    config: TrainConfig
    schedule: Schedule
    metrics: Sequence[Metric]
    seed: int
    batch_size: int
    evaluation_batch_size: int
    shuffle: bool
    interrupted: Callable[[], bool] = lambda: False
    stopped_at: int | None = None

    @property
    def steps_per_epoch(self) -> int:
        return -(-len(self.parts["train"]) // self.batch_size)

    @property
    def total_steps(self) -> int:
        return self.config.total_steps(self.steps_per_epoch)


@dataclass
class Outcome:
    """How training ended.

    Attributes:
        status: finished, interrupted or diverged.
        reason: why it ended, in words.
        step, epoch: of the last update.
        summary: what `run.json` says of the run.
        stopped_at: the step at which the clock ended it, if it did.
        findings: the diagnosis on the final weights.
    """

    status: Status
    reason: str
    step: int
    epoch: int
    summary: dict[str, Any] = field(default_factory=dict)
    stopped_at: int | None = None
    findings: list[Finding] = field(default_factory=list)


class Loop:
    """Trains a network; `tensors` and `restore` hold everything that it needs to go on.

    Attributes:
        step: updates made so far.
        epoch: the epoch the last update belongs to, from 1.
        monitor: the metric that decides which epoch is best.
    """

    def __init__(
        self,
        network: Network,
        plan: Plan,
        probe: Probe | None,
        emit: Callable[[Event], None],
    ) -> None:
        self.network, self._plan, self._probe, self._emit = network, plan, probe, emit
        self.step = self.epoch = 0
        self._schedule_state = plan.schedule.start()
        stop = plan.config.stop
        self.monitor = stop.monitor if stop else _default_monitor(plan.parts)
        self._stopping = Stopping(stop, self._goal())
        self._best: Tensors = {}
        self._bests: dict[str, dict[str, Any]] = {}
        self._numbers = [m for m in plan.metrics if not m.is_table]
        self._known: set[tuple[str, str | None]] = set()

    # ---------------------------------------------------------------- the state

    def tensors(self) -> Tensors:
        """Everything that training needs to go on from here, by path."""
        state = {_prefixed(k, self._is_parameter(k)): v for k, v in self._state()}
        loop = {
            "loop/position": np.array([self.step, self.epoch], np.int64),
            "loop/schedule": np.array(self._schedule_state, np.float64),
        }
        best = {f"best/{path}": value for path, value in self._best.items()}
        probe = self._probe.tensors() if self._probe else {}
        return {**state, **best, **loop, **self._stopping.tensors(), **probe}

    def restore(self, tensors: Tensors) -> None:
        """Go back to where `tensors` was called."""
        names = {_prefixed(k, self._is_parameter(k)): k for k, _ in self._state()}
        missing = [name for name in names if name not in tensors]
        if missing:
            raise Error(
                "checkpoint-mismatch",
                f"the checkpoint has no {missing[0]}: it is of another model",
            )
        self.network.state.load({path: tensors[n] for n, path in names.items()})
        self.step, self.epoch = (int(n) for n in tensors["loop/position"])
        self._schedule_state = tuple(float(v) for v in tensors["loop/schedule"])
        self._stopping.restore(tensors)
        self._best = {
            name.removeprefix("best/"): value
            for name, value in tensors.items()
            if name.startswith("best/")
        }
        if self._probe:
            self._probe.restore(tensors)

    def _state(self) -> Iterator[tuple[str, np.ndarray]]:
        return iter(self.network.state.items())

    def _is_parameter(self, path: str) -> bool:
        return path in self.network.first.trace.parameters

    def _weights(self) -> Tensors:
        """What a prediction depends on: parameters and running averages."""
        trace = self.network.first.trace
        paths = (*trace.parameters, *trace.states)
        return {path: self.network.state[path].copy() for path in paths}

    # ---------------------------------------------------------------- the loop

    def run(self, history: Sequence[Mapping[str, Any]] = ()) -> Outcome:
        """Train until the end of the plan, a reason to stop, or an interruption.

        Args:
            history: rows of the epochs before, where this continues a run.
        """
        for row in history:
            self._note_bests(row)
        plan, began = self._plan, time.monotonic()
        if self.step and (done := self._ended(self.step, history)):
            return self._finish(done, history[-1] if history else {})
        while True:
            for rows in self._remaining_batches():
                row = self._update(rows)
                if row is None:
                    return self._diverged(rows)
                last_of_epoch = self.step % plan.steps_per_epoch == 0
                last_of_run = self.step >= plan.total_steps or self._time_is_up(began)
                reason = ""
                if last_of_epoch or last_of_run:
                    row, reason = self._end_epoch(row)
                if last_of_run and not reason:
                    reason = self._length_reason()
                if reason:
                    return self._finish(reason, row)
                self._emit(Stepped(self.step, self.epoch, row))
                if last_of_epoch:
                    self._emit(EpochEnded(self.step, self.epoch, row))
                self._save_if_due(last_of_epoch)
                if plan.interrupted():
                    self._save()
                    return Outcome("interrupted", "a signal", self.step, self.epoch)

    def _remaining_batches(self) -> Iterator[np.ndarray]:
        """Row numbers of each batch from the current step to the end of its epoch."""
        plan, rows = self._plan, len(self._plan.parts["train"])
        done = self.step % plan.steps_per_epoch
        self.epoch = self.step // plan.steps_per_epoch + 1
        if done == 0 and self._probe:
            self._probe.begin_epoch(self.network.state)
        order = batches.order(plan.seed, self.epoch, rows, plan.shuffle)
        for where in batches.slices(rows, plan.batch_size)[done:]:
            yield order[where]

    def _update(self, rows: np.ndarray) -> dict[str, Any] | None:
        """One update; its row of metrics, or None where it was not committed."""
        train, probe = self._plan.parts["train"], self._probe
        number = self.step + 1
        rate = self._rate(number)
        full = probe is not None and probe.due(number)
        result = self.network.train(
            train.inputs[rows], train.targets[rows], rate, number, full
        )
        loss = float(result.outputs["loss"])
        norm = float(result.outputs.get("gradient_norm", 0.0))
        if probe is not None:
            probe.note(loss, norm)
        if not result.committed:
            return None
        self.step = number
        if full and probe is not None:
            measured = probe.measure(number, self.epoch, result.outputs)
            if measured:
                self._emit(Measured(measured))
        return {
            "step": number,
            "epoch": self.epoch,
            "train/loss": loss,
            "gradient_norm": norm,
            "learning_rate": rate,
        }

    def _rate(self, number: int) -> float:
        plan = self._plan
        return plan.schedule.rate(
            number, plan.total_steps, plan.steps_per_epoch, self._schedule_state
        )

    # ---------------------------------------------------------------- ends

    def _end_epoch(self, row: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """Evaluate, watch the monitored metric, diagnose; why to stop, or nothing."""
        plan = self._plan
        row = {**row, **self._evaluate("train", "epoch_loss")}
        if "validation" in plan.parts:
            row |= self._evaluate("validation")
        self._note_bests(row)
        value = float(row[_monitored(self.monitor)])
        improved, stop = self._stopping.update(value, self.step), plan.config.stop
        if improved and stop and stop.restore_best:
            self._best = self._weights()
        watched = row.get("validation/loss", row["train/epoch_loss"])
        self._schedule_state = plan.schedule.observe(self._schedule_state, watched)
        if self._probe:
            loss = row["train/epoch_loss"]
            self._emit(
                Measured(
                    self._probe.end_epoch(
                        self.network.state, self.step, self.epoch, loss
                    )
                )
            )
            self._report(self._probe.findings())
        return row, self._stopping.reason(value)

    def _evaluate(self, part: str, loss: str = "loss") -> dict[str, Any]:
        plan = self._plan
        batch = plan.evaluation_batch_size
        return evaluate(
            self.network, plan.parts[part], self._numbers, batch, part, loss
        )

    def _report(self, findings: Sequence[Finding]) -> None:
        """Tell of findings that were not there before."""
        for finding in findings:
            key = (finding.id, finding.node)
            if key not in self._known:
                self._known.add(key)
                self._emit(Found(finding))

    def _finish(self, reason: str, row: Mapping[str, Any]) -> Outcome:
        """Take the best weights if they are wanted, test them, and sum up."""
        plan = self._plan
        final = self.network.state.snapshot() if self._best else {}
        self.network.state.load(self._best)
        row = dict(row)
        tables: dict[str, Any] = {}
        for part in ("test", "validation"):
            if part in plan.parts:
                if part == "test":
                    row |= self._evaluate(part)
                tables |= self._tables(part)
                break
        self.network.state.load(final)
        self._emit(Stepped(self.step, self.epoch, row))
        self._emit(EpochEnded(self.step, self.epoch, row))
        findings = self._probe.findings(final=True) if self._probe else []
        self._report(findings)
        self._save()
        return Outcome(
            "finished",
            reason,
            self.step,
            self.epoch,
            {**self._summary(row), **tables},
            self.step if reason == _TIME_UP else None,
            findings,
        )

    def _tables(self, part: str) -> dict[str, Any]:
        plan, tables = self._plan, [m for m in self._plan.metrics if m.is_table]
        if not tables:
            return {}
        batch = plan.evaluation_batch_size
        row = evaluate(self.network, plan.parts[part], tables, batch, part)
        return {
            name: value for name, value in row.items() if not name.endswith("/loss")
        }

    def _diverged(self, rows: np.ndarray) -> Outcome:
        """A step whose cost or gradient is not finite: find out where it began."""
        train, number = self._plan.parts["train"], self.step + 1
        findings: list[Finding] = []
        if self._probe is not None:
            found = blame(
                self.network,
                train.inputs[rows],
                train.targets[rows],
                self._rate(number),
                number,
                self.epoch,
                train.rows[rows],
            )
            findings = self._probe.blamed(found)
            self._report(findings)
        self._save()
        reason = f"the loss or its gradient was not finite at step {number}"
        return Outcome("diverged", reason, self.step, self.epoch, findings=findings)

    def _ended(self, step: int, history: Sequence[Mapping[str, Any]]) -> str:
        """Why a restored run is over already, or nothing."""
        if step >= self._plan.total_steps:
            return self._length_reason()
        if step % self._plan.steps_per_epoch == 0 and history:
            value = float(history[-1][_monitored(self.monitor)])
            return self._stopping.reason(value)
        return ""

    def _length_reason(self) -> str:
        config = self._plan.config
        if self.step < self._plan.total_steps:
            return _TIME_UP
        length = f"{config.epochs} epochs" if config.epochs else f"{config.steps} steps"
        return f"all {length} are done"

    def _time_is_up(self, began: float) -> bool:
        """The one thing that looks at a clock; a repeated run goes by the step."""
        stop, at = self._plan.config.stop, self._plan.stopped_at
        if at is not None:
            return self.step >= at
        if stop is None or stop.minutes is None:
            return False
        return time.monotonic() - began > 60 * stop.minutes

    # ---------------------------------------------------------------- saving

    def _save_if_due(self, last_of_epoch: bool) -> None:
        every = self._plan.config.checkpoint.every
        steps = every.steps(self._plan.steps_per_epoch, self._plan.total_steps)
        if self.step % steps == 0:
            self._save()

    def _save(self) -> None:
        self._emit(SaveDue(self.step, self.epoch, self._stopping.best_step))

    def _goal(self) -> Literal["min", "max"]:
        stop = self._plan.config.stop
        if stop is not None and stop.goal != "auto":
            return stop.goal
        return self._goal_of(self.monitor)

    def _goal_of(self, name: str) -> Literal["min", "max"]:
        kinds = {m.registered_name: m.goal for m in self._plan.metrics}
        return kinds.get(name.rpartition("/")[2], "min")

    def _note_bests(self, row: Mapping[str, Any]) -> None:
        """Remember the best value of every validation metric, and when it was."""
        for name, value in row.items():
            part = name.partition("/")[0]
            if part != "validation" or not math.isfinite(value):
                continue
            sign = 1 if self._goal_of(name) == "min" else -1
            known = self._bests.get(name)
            if known is None or sign * value < sign * known["value"]:
                at = {"step": row["step"], "epoch": row["epoch"]}
                self._bests[name] = {"value": value, **at}

    def _summary(self, row: Mapping[str, Any]) -> dict[str, Any]:
        test = {k: v for k, v in row.items() if k.startswith("test/")}
        if test:
            test["test/step"] = self._stopping.best_step if self._best else self.step
        last = {k: v for k, v in row.items() if k not in test and "/" in k}
        if "train/epoch_loss" in last:  # of the final weights, not of the last batch
            last["train/loss"] = last.pop("train/epoch_loss")
        return {**test, "best": self._bests, "last": last}


def _prefixed(path: str, parameter: bool) -> str:
    """A path of the state as checkpoints call it."""
    if path.startswith(("optimizer/", "diagnosis/")):
        return path
    return f"parameter/{path}" if parameter else f"state/{path}"


def _default_monitor(parts: Mapping[str, Part]) -> str:
    return "validation/loss" if "validation" in parts else "train/loss"


def _monitored(name: str) -> str:
    """The loss of the training part is that of the epoch's final weights."""
    return "train/epoch_loss" if name == "train/loss" else name
