"""The loop: forward, backward, update, until a reason to stop."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from nettrain.data import batches
from nettrain.diagnose.evidence import Blame
from nettrain.diagnose.finding import Finding
from nettrain.errors import Error
from nettrain.training import stored
from nettrain.training.blame import blame
from nettrain.training.evaluate import Evaluation, evaluate, predict
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
from nettrain.training.modes import modes
from nettrain.training.network import Network
from nettrain.training.outcome import (
    EPOCH_LOSS,
    Outcome,
    Status,
    Summary,
    ended_by,
    goal,
    in_row,
    monitored,
)
from nettrain.training.plan import Plan
from nettrain.training.probe import Probe
from nettrain.training.residuals import unexplained
from nettrain.training.stopping import Stopping

__all__ = ["Loop", "Outcome", "Plan"]

Tensors = dict[str, np.ndarray]
Row = dict[str, Any]

Rewind = Callable[[int], tuple[Mapping[str, np.ndarray], Sequence[Mapping[str, Any]]]]
"""Takes the run back to the newest saved state at or before a step: its tensors, and
the rows of metrics up to it. What was recorded later is gone."""

ROLLBACKS = 3
"""How often a run goes back before it has diverged; each time at half the rate."""

_TIME_UP = "the time was up"


class Loop:
    """Trains a network; `tensors` and `restore` hold everything that it needs to go on.

    Attributes:
        step: updates made so far.
        monitor: the metric that decides which epoch is best.
    """

    def __init__(
        self,
        network: Network,
        plan: Plan,
        probe: Probe | None,
        emit: Callable[[Event], None],
        rewind: Rewind | None = None,
    ) -> None:
        self.network, self._plan, self._probe, self._emit = network, plan, probe, emit
        self._rewind = rewind if plan.config.on_nonfinite == "rollback" else None
        self.step = 0
        stop = plan.config.stop
        self.monitor = monitored(stop, "validation" in plan.parts)
        self._stopping = Stopping(stop, goal(self.monitor, plan.metrics))
        self._restore_best = stop is not None and stop.restore_best
        self._minutes = stop.minutes if stop else None
        self._best: Tensors = {}
        self._schedule_state = plan.schedule.start()
        self._summary = Summary(plan.metrics, stop)
        self._numbers = [m for m in plan.metrics if not m.is_table]
        self._told: set[tuple[str | None, ...]] = set()
        self._saved: int | None = None
        self._time_was_up = False
        self._ended = False
        # Updates skipped, those of them without one between, and rollbacks.
        self._skipped = self._in_a_row = self._rollbacks = 0

    @property
    def epoch(self) -> int:
        """The epoch that the last update belongs to, from 1."""
        return -(-self.step // self._plan.steps_per_epoch)

    # ---------------------------------------------------------------- the state

    def tensors(self) -> Tensors:
        """Everything that training needs to go on from here, by path."""
        # The limit and not only that it was reached: with another one the run goes on.
        limit = (self._minutes or 0.0) if self._time_was_up else 0.0
        loop = {
            "loop/position": np.array([self.step, self.epoch], np.int64),
            "loop/schedule": np.array(self._schedule_state, np.float64),
            "loop/minutes": np.array(limit, np.float64),
            "loop/ended": np.array(self._ended),
            "loop/nonfinite": np.array(
                [self._skipped, self._in_a_row, self._rollbacks], np.int64
            ),
        }
        # Until the end no average stands under the name of weights that may be best.
        alone = self._restore_best and not self._ended
        result = self._best if alone else self._result
        best = {f"best/{path}": value for path, value in result.items()}
        probe = self._probe.tensors() if self._probe else {}
        own = self._stopping.tensors()
        return {**self.network.tensors(), **best, **loop, **own, **probe}

    def restore(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Go back to where `tensors` was called.

        Raises:
            Error: `checkpoint-mismatch` where they are not of such a loop.
        """
        own = {p: v for p, v in self.tensors().items() if p.startswith("loop/")}
        stored.check(tensors, own)
        for path in ("loop/position", "loop/nonfinite"):
            stored.check_counts(path, tensors[path])
        self.network.restore(tensors)
        self.step = int(tensors["loop/position"][0])
        self._schedule_state = tuple(float(v) for v in tensors["loop/schedule"])
        self._time_was_up = float(tensors["loop/minutes"]) == self._minutes
        counts = (int(count) for count in tensors["loop/nonfinite"])
        self._skipped, self._in_a_row, self._rollbacks = counts
        self._stopping.restore(tensors)
        if self._probe:
            self._probe.restore(tensors)
        self._best = {}
        if self._restore_best:
            self._best = {
                name.removeprefix("best/"): value
                for name, value in tensors.items()
                if name.startswith("best/")
            }
        if self._best:
            stored.check(self._best, self.network.weights())
        if self.step > self._plan.total_steps:
            raise Error(
                "config-length",
                f"{self.step} updates are made, {self._plan.total_steps} are planned",
                fix="go on for longer, not for shorter",
            )
        if self._probe:  # what was found before has been told before
            self._told = {_key(finding) for finding in self._probe.findings()}
        self._saved = self.step

    def judge_anew(self, history: Iterable[Mapping[str, Any]]) -> None:
        """Judge the epochs before by the metric that is monitored now.

        Their weights are gone, so none of them can be the result.
        """
        stop = self._plan.config.stop
        self._stopping = Stopping(stop, goal(self.monitor, self._plan.metrics))
        for row in history:
            if EPOCH_LOSS in row:
                value = float(row.get(in_row(self.monitor), math.nan))
                self._stopping.update(value, row["step"])
        self._best = {}

    # ---------------------------------------------------------------- the loop

    def run(self, history: Iterable[Mapping[str, Any]] = ()) -> Outcome:
        """Train until the end of the plan, a reason to stop, or an interruption.

        Args:
            history: rows of the updates before, where this continues a run. None of
                them is kept.
        """
        last = self._noted(history)
        if reason := self.over(last):
            return self._finished(reason, last, self._scores())
        if self._pauses():
            return self._interrupted()
        if self._rewind and not self.step:
            self._save()  # so that there is something to go back to
        began = time.monotonic()
        while True:
            if outcome := self._epoch(began):
                return outcome

    def over(self, last: Mapping[str, Any]) -> str:
        """Why training is over already with its last row, or nothing."""
        return self._reason(last) if EPOCH_LOSS in last else ""

    def _noted(self, history: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
        """Sum up the rows of a run so far; the last one, empty where there is none."""
        self._summary = Summary(self._plan.metrics, self._plan.config.stop)
        last: Mapping[str, Any] = {}
        for last in history:
            self._summary.note(last)
        return last

    def _epoch(self, began: float) -> Outcome | None:
        """The rest of an epoch, or that part of it which comes before a rollback."""
        for rows in self._remaining_batches():
            row, committed = self._update(rows)
            if committed:
                self._in_a_row = 0
            elif self._may_skip():
                self._skip(row, rows)
            else:
                return None if self._rolled_back(rows) else self._diverged(rows)
            self._time_was_up = self._time_is_up(began)
            if outcome := self._after_update(row):
                return outcome
            if self.step < row["step"]:  # it was rolled back
                return None
        return None

    def _remaining_batches(self) -> Iterator[np.ndarray]:
        """Row numbers of each batch from the current step to the end of its epoch."""
        plan, rows = self._plan, len(self._plan.parts["train"])
        before, done = divmod(self.step, plan.steps_per_epoch)
        if done == 0 and self._probe:
            self._probe.begin_epoch(self.network.state)
        order = plan.order(before + 1)
        for where in batches.slices(rows, plan.batch_size)[done:]:
            yield order[where]

    def _update(self, rows: np.ndarray) -> tuple[Row, bool]:
        """One update; its row of metrics, and whether it was committed."""
        train, probe = self._plan.parts["train"], self._probe
        number = self.step + 1
        rate = self._rate(number)
        full = probe is not None and probe.due(number)
        inputs, targets = self._plan.inputs(number, rows), train.targets[rows]
        result = self.network.train(inputs, targets, rate, number, full)
        loss = float(result.outputs["loss"])
        norm = float(result.outputs.get("gradient_norm", 0.0))
        epoch = -(-number // self._plan.steps_per_epoch)
        row = {
            "step": number,
            "epoch": epoch,
            "train/loss": loss,
            "gradient_norm": norm,
            "learning_rate": rate,
        }
        if not result.committed:
            return row, False
        self.step = number
        if probe is not None:
            probe.note(loss, norm)
            if full and (measured := probe.measure(number, epoch, result.outputs)):
                self._emit(Measured(measured))
        return row, True

    def _rate(self, number: int) -> float:
        plan = self._plan
        rate = plan.schedule.rate(
            number, plan.total_steps, plan.steps_per_epoch, self._schedule_state
        )
        return rate * 0.5**self._rollbacks

    def _after_update(self, row: Row) -> Outcome | None:
        """Evaluate, tell, save; how training ended, if it has."""
        plan, evaluated = self._plan, self._ends_epoch() or self._is_last()
        if evaluated:
            train = self._predict("train")
            bad = not math.isfinite(train.loss)
            if bad and self._rolled_back(plan.batch(self.step + 1)):
                return None
            row = self._evaluated(row, train)
            if reason := self._reason(row):
                return self._finish(reason, row)
        self._emit(Stepped(self.step, self.epoch, row))
        if evaluated:
            self._emit(EpochEnded(self.step, self.epoch, row))
        interrupted = plan.interrupted() or self._pauses()
        if interrupted or self.step % plan.save_every == 0:
            self._save()
        return self._interrupted() if interrupted else None

    # ---------------------------------------------------------------- not finite

    def _may_skip(self) -> bool:
        """Whether an update may be left out: not if a whole epoch made none."""
        most = self._plan.steps_per_epoch
        return self._plan.config.on_nonfinite == "skip" and self._in_a_row + 1 < most

    def _skip(self, row: Row, rows: np.ndarray) -> None:
        """Leave an update out. Its step counts: the next one takes the next batch."""
        first = self._first_blame(rows)
        self.step = row["step"]
        self._skipped, self._in_a_row = self._skipped + 1, self._in_a_row + 1
        self._survive(first, self.step, "this update is skipped")

    def _rolled_back(self, rows: np.ndarray) -> bool:
        """Go back to the save before the weights that failed, and halve the rate.

        Only saves that were planned count: those after an interruption would make the
        result depend on it.

        Args:
            rows: of the batch that shows the failure.
        """
        if self._rewind is None or self._rollbacks == ROLLBACKS:
            return False
        first, bad, count = self._first_blame(rows), self.step + 1, self._rollbacks + 1
        tensors, history = self._rewind(self._safe)
        self.restore(tensors)
        self._rollbacks = count
        self._noted(history)
        action = f"back to step {self.step}, at half the rate"
        self._survive(first, bad, f"{action} ({count} of {ROLLBACKS})")
        return True

    @property
    def _safe(self) -> int:
        """The last planned save before the weights of this step."""
        every = self._plan.save_every
        return max(0, (self.step - 1) // every * every)

    def _first_blame(self, rows: np.ndarray) -> Blame | None:
        """What made an update impossible for the first time; now, if never before."""
        known = self._probe.evidence.survived if self._probe else None
        return known.blame if known else self._blame(rows)

    def _survive(self, first: Blame | None, step: int, action: str) -> None:
        if self._probe and first:
            self._probe.survive(first, self._skipped, self._rollbacks)
        self._emit(Survived(step, action))

    def _blame(self, rows: np.ndarray) -> Blame | None:
        """What makes the next update, of these rows, impossible."""
        if self._probe is None:
            return None
        number, train = self.step + 1, self._plan.parts["train"]
        return blame(
            self.network,
            self._plan.inputs(number, rows),
            train.targets[rows],
            self._rate(number),
            number,
            self.step // self._plan.steps_per_epoch + 1,
            train.rows[rows],
        )

    def _failure(self, rows: np.ndarray) -> Tensors:
        """The state that an update failed on, with its batch and its gradients."""
        number, train = self.step + 1, self._plan.parts["train"]
        inputs, targets = self._plan.inputs(number, rows), train.targets[rows]
        outputs = self.network.gradient(inputs, targets, number).outputs
        loss = outputs["loss"]
        gradients = {f"gradient/{p}": g for p, g in outputs.items() if p != "loss"}
        failed = {
            "failure/step": np.array(number, np.int64),
            "failure/learning_rate": np.array(self._rate(number), np.float64),
            "failure/loss": np.asarray(loss),
            "failure/rows": train.rows[rows],
            "failure/inputs": inputs,
            "failure/targets": targets,
        }
        return {**self.tensors(), **failed, **gradients}

    # ---------------------------------------------------------------- evaluation

    def _evaluated(self, row: Row, train: Evaluation) -> Row:
        """The row of an epoch's last update: evaluate, watch what is best, diagnose."""
        plan, validation = self._plan, None
        row = row | train.row(self._numbers, *EPOCH_LOSS.split("/"))
        if "validation" in plan.parts:
            validation = self._predict("validation")
            row |= validation.row(self._numbers, "validation")
        self._summary.note(row)
        is_best = self._stopping.update(row[in_row(self.monitor)], self.step)
        if is_best and self._restore_best:
            self._best = self.network.weights()
        watched = row["validation/loss" if "validation" in plan.parts else EPOCH_LOSS]
        self._schedule_state = plan.schedule.observe(self._schedule_state, watched)
        if self._probe:
            rows = self._probe.end_epoch(
                self.network.state, self.step, self.epoch, train, validation
            )
            self._emit(Measured(rows))
            self._tell(self._probe.findings())
        return row

    def _predict(self, part: str) -> Evaluation:
        plan = self._plan
        return predict(self.network, plan.parts[part], plan.evaluation_batch_size)

    def _scores(self) -> Row:
        """All metrics of the final model: on test rows, else tables of validation."""
        plan = self._plan
        part = next((p for p in ("test", "validation") if p in plan.parts), None)
        if part is None:
            return {}
        batch = plan.evaluation_batch_size
        with self._best_weights():
            found = evaluate(self.network, plan.parts[part], plan.metrics, batch, part)
        return {k: v for k, v in found.items() if part == "test" or _is_table(v)}

    @contextlib.contextmanager
    def _best_weights(self) -> Iterator[None]:
        """The network with the weights inside that are the result."""
        with self.network.using(self._result):
            yield

    @property
    def _result(self) -> Tensors:
        """The weights that are the result, where these are not simply the last ones.

        The best, else the average of an optimizer that makes one.
        """
        return self._best or self.network.averages()

    def _tell(self, findings: Sequence[Finding], final: bool = False) -> None:
        """Tell of findings that are new, or more or less severe than they were."""
        for finding in findings:
            if _key(finding) not in self._told:
                self._told.add(_key(finding))
                self._emit(Found(finding, final))

    # ---------------------------------------------------------------- ends

    def _finish(self, reason: str, row: Row) -> Outcome:
        """Test the final model, write the last row, save, and sum up."""
        scores = self._scores()
        row = row | {k: v for k, v in scores.items() if not _is_table(v)}
        self._emit(Stepped(self.step, self.epoch, row))
        self._emit(EpochEnded(self.step, self.epoch, row))
        outcome = self._finished(reason, row, scores)
        self._ended = True
        self._save()
        return outcome

    def _finished(
        self, reason: str, row: Mapping[str, Any], scores: Mapping[str, Any]
    ) -> Outcome:
        """How a run ended whose last row this is."""
        if "test" in self._plan.parts:
            at = self._stopping.best_step if self._best else self.step
            scores = {**scores, "test/step": at}
        skips = self._plan.config.on_nonfinite == "skip"
        if math.isfinite(row[ended_by(self.monitor, skips)]):
            return self._outcome("finished", reason, self._verdict(), scores)
        findings = self._blamed(self._plan.batch(self.step + 1))
        reason = f"the loss is not finite after step {self.step}"
        return self._outcome("diverged", reason, findings, scores)

    def _verdict(self) -> list[Finding]:
        """The findings of a run that came to its end."""
        if self._probe is None:
            return []
        with self._best_weights():
            measured = modes(self.network, self._plan)
            left = unexplained(
                self.network,
                self._plan.parts["train"],
                self._plan.evaluation_batch_size,
            )
        findings = self._probe.ended(measured, left)
        self._tell(findings, final=True)
        return findings

    def _interrupted(self) -> Outcome:
        findings = self._probe.findings() if self._probe else []
        reason = "a pause" if self._pauses() else "a signal"
        return self._outcome("interrupted", reason, findings)

    def _pauses(self) -> bool:
        at = self._plan.pauses_at
        return at is not None and self.step >= at

    def _diverged(self, rows: np.ndarray) -> Outcome:
        """A cost or gradient that is not finite: find out where it began."""
        findings = self._blamed(rows)
        self._save()
        self._emit(PostMortem(self.step, self.epoch, lambda: self._failure(rows)))
        reason = (
            f"the loss or its gradient was not finite at step {self.step + 1}"
            f"{self._tries()}"
        )
        return self._outcome("diverged", reason, findings)

    def _tries(self) -> str:
        """What has been tried against it."""
        if self._rollbacks:
            return f", after {self._rollbacks} rollbacks"
        if self._in_a_row:
            return f", as in the {self._in_a_row} before it"
        return ""

    def _blamed(self, rows: np.ndarray) -> list[Finding]:
        """The findings after an update, whose batch is given, that cannot be made."""
        found = self._blame(rows)
        if self._probe is None or found is None:
            return []
        findings = self._probe.blamed(found, self.network.state, self.step)
        self._tell(findings, final=True)
        return findings

    def _outcome(
        self,
        status: Status,
        reason: str,
        findings: list[Finding],
        scores: Mapping[str, Any] | None = None,
    ) -> Outcome:
        return Outcome(
            status,
            reason,
            self.step,
            self.epoch,
            {**(scores or {}), **self._summary.to_json(), **self._survivals()},
            self.step if reason == _TIME_UP else None,
            findings,
        )

    def _survivals(self) -> dict[str, int]:
        """How many updates could not be made, where training went on after them."""
        counts = {"skipped": self._skipped, "rollbacks": self._rollbacks}
        return {name: count for name, count in counts.items() if count}

    def _reason(self, row: Mapping[str, Any]) -> str:
        """Why training ends with an evaluated row, or nothing."""
        value = float(row.get(in_row(self.monitor), math.nan))
        early = self._stopping.reason(value)
        return early or (self._length_reason() if self._is_last() else "")

    def _is_last(self) -> bool:
        return self.step >= self._plan.total_steps or self._time_was_up

    def _ends_epoch(self) -> bool:
        return self.step % self._plan.steps_per_epoch == 0

    def _length_reason(self) -> str:
        config = self._plan.config
        if self.step < self._plan.total_steps:
            return _TIME_UP
        unit = "epoch" if config.epochs else "step"
        count = config.epochs or config.steps
        if count == 1:
            return f"its one {unit} is done"
        return f"all {count} {unit}s are done"

    def _time_is_up(self, began: float) -> bool:
        """The one thing that looks at a clock; a repeated run goes by the step."""
        at, minutes = self._plan.stopped_at, self._minutes
        if at is not None:
            return self.step >= at
        return minutes is not None and time.monotonic() - began > 60 * minutes

    def _save(self) -> None:
        """Have the state saved, unless it is already."""
        if self._saved != self.step:
            keep = {self._stopping.best_step} - {0}
            if self._rewind:
                keep.add(self._safe)
            self._emit(SaveDue(self.step, self.epoch, keep, self.tensors))
            self._saved = self.step


def _key(finding: Finding) -> tuple[str | None, ...]:
    return finding.id, finding.node, finding.severity


def _is_table(value: object) -> bool:
    return isinstance(value, list)
