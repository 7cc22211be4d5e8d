"""The probe: takes statistics while training goes on, and asks for the diagnosis."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from nettrain.diagnose import statistics
from nettrain.diagnose.evidence import Blame, Check, Evidence, Modes, Survived
from nettrain.diagnose.facts import PreActivation
from nettrain.diagnose.finding import Finding
from nettrain.diagnose.spikes import RECENT, spike
from nettrain.diagnose.statistics import Means
from nettrain.execute import State
from nettrain.nn import Trace
from nettrain.training import stored
from nettrain.training.evaluate import Evaluation, Scores, scores
from nettrain.training.network import Network
from nettrain.training.plan import Plan

_ROWS = 10
"""How many data rows of a batch are remembered."""
_LAST = 10
"""How many losses of batches stand for the loss of an epoch that broke off."""

Row = dict[str, Any]
Judge = Callable[[Evidence], list[Finding]]


class Probe:
    """Fills the evidence of one run.

    Args:
        network: whose statistics are taken.
        facts: evidence with what is known before the first step.
        judge: the diagnosis.
        plan: of the run.
        interval: every how many steps all statistics are taken.
    """

    def __init__(
        self,
        network: Network,
        facts: Evidence,
        judge: Judge,
        plan: Plan,
        *,
        interval: int,
    ) -> None:
        watch = network.first.watch
        assert watch is not None
        self._watch, self._judge, self._plan = watch, judge, plan
        self._task = network.recipe.loss.task
        self._comparable = network.recipe.loss.comparable
        classes = max(2, network.recipe.outputs)
        self._classes = classes if self._task == "classification" else 0
        self.interval = interval
        self._means = Means(watch)
        self._losses: deque[float] = deque(maxlen=RECENT)
        # Gradient norms of this epoch's updates, and of `RECENT` before them.
        self._norms: list[float] = []
        self._nodes = pre_activations(watch.positions, network.first.trace)
        self.evidence = dataclasses.replace(
            facts,
            nodes=self._nodes,
            parameters=tuple(watch.sizes),
            planned_steps=plan.total_steps,
            steps_per_epoch=plan.steps_per_epoch,
            batch_size=plan.batch_size,
        )

    # ---------------------------------------------------------------- while training

    def due(self, step: int) -> bool:
        """Whether all statistics are taken at this step."""
        plan = self._plan
        cut_short = step == plan.total_steps and step % plan.steps_per_epoch > 0
        return cut_short or statistics.due(
            step, plan.steps_per_epoch, self.interval, plan.full_steps
        )

    def note(self, loss: float, gradient_norm: float) -> None:
        """Take the two numbers of every step."""
        self._losses.append(loss)
        self._norms.append(gradient_norm)

    def measure(
        self, step: int, epoch: int, outputs: Mapping[str, np.ndarray]
    ) -> Sequence[Row]:
        """Take all statistics; rows of their own at the first epoch's early moments."""
        self._means.add(outputs)
        if step == 1 and "ascent" in outputs:
            ascent = float(outputs["ascent"])
            self.evidence = dataclasses.replace(self.evidence, ascent=ascent)
        if not statistics.logarithmic(step, self._plan.steps_per_epoch):
            return ()
        return self._watch.rows(step, epoch, outputs)

    def begin_epoch(self, state: State) -> None:
        """Set means and unit counters to nothing."""
        self._means.clear()
        del self._norms[:-RECENT]
        for leaf in self._watch.counters:
            state[leaf.path].fill(0)

    def end_epoch(
        self,
        state: State,
        step: int,
        epoch: int,
        train: Evaluation,
        validation: Evaluation | None,
    ) -> Sequence[Row]:
        """One more check; its rows of statistics."""
        own = self._scores(train)
        held = self._scores(validation) if validation else None
        means = self._means.values()
        check = self._check(
            means,
            state,
            step,
            epoch,
            loss=train.loss,
            validation_loss=validation.loss if validation else np.nan,
            score=own.score,
            validation_score=held.score if held else np.nan,
            score_error=held.error if held else np.nan,
            recall=held.recall if held else np.full_like(own.recall, np.nan),
        )
        self.evidence = self._with_recent().after(check)
        dead = {path: int(u.dead.sum()) for path, u in check.units.items()}
        return self._watch.rows(step, epoch, means, dead)

    def _scores(self, made: Evaluation) -> Scores:
        """NaN where predictions are no guess at the targets, such as embeddings."""
        if self._comparable:
            return scores(made, self._task)
        return Scores(np.nan, np.nan, np.full(self._classes, np.nan))

    def _check(
        self,
        means: Mapping[str, np.ndarray],
        state: State,
        step: int,
        epoch: int,
        **judged: Any,
    ) -> Check:
        """What was measured since the epoch began, beside what was evaluated."""
        series: dict[str, Any] = dict(self._watch.series(means))
        height, rows = self._spike(step)
        return Check(
            epoch=epoch,
            step=step,
            **judged,
            **series,
            spike=height,
            spike_rows=rows,
            units=self._watch.units(state, means),
            slopes=self._watch.slopes(means),
        )

    def _in_epoch(self, step: int) -> int:
        """The number of an update within its epoch, from 1."""
        return (step - 1) % self._plan.steps_per_epoch + 1

    def _spike(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """`Check.spike` and `Check.spike_rows` of the epoch's updates so far."""
        norms, rows = np.array(self._norms), np.full(_ROWS, -1, np.int64)
        found = spike(norms, self._in_epoch(step))
        if found is None:
            return np.full(4, np.nan), rows
        at, heights = found
        number = step - (len(norms) - 1 - at)
        batch = self._plan.batch(number)[:_ROWS]
        rows[: len(batch)] = self._plan.parts["train"].rows[batch]
        return np.array([number, *heights]), rows

    def _with_recent(self) -> Evidence:
        return dataclasses.replace(
            self.evidence,
            losses=np.array(self._losses, np.float64),
            gradient_norms=np.array(self._norms[-RECENT:], np.float64),
        )

    # ---------------------------------------------------------------- the verdict

    def findings(self, final: bool = False) -> list[Finding]:
        """The diagnosis of what is known so far."""
        return self._judge(dataclasses.replace(self.evidence, finished=final))

    def ended(self, modes: Modes, unexplained: float) -> list[Finding]:
        """The diagnosis once training is over.

        Args:
            modes: of the final weights.
            unexplained: what these leave over, and their inputs could tell.
        """
        self.evidence = dataclasses.replace(
            self.evidence, modes=modes, unexplained=unexplained
        )
        return self.findings(final=True)

    def blamed(self, blame: Blame, state: State, step: int) -> list[Finding]:
        """The diagnosis after a step that was not finite.

        The epoch that broke off is judged too, by what was measured in it; it is no
        part of the evidence that a checkpoint keeps.

        Args:
            blame: what began it.
            state: the network's, unharmed.
            step: the last update that was made.
        """
        self.evidence = dataclasses.replace(self._with_recent(), blame=blame)
        evidence, means = self.evidence, self._means.values()
        if means and step not in evidence.steps:
            classes = evidence.recall.shape[1]
            unknown = dict.fromkeys(
                ("validation_loss", "score", "validation_score", "score_error"), np.nan
            )
            last = list(self._losses)[-min(_LAST, self._in_epoch(step)) :]
            check = self._check(
                means,
                state,
                step,
                blame.epoch,
                loss=float(np.mean(last)),
                recall=np.full(classes, np.nan),
                **unknown,
            )
            evidence = evidence.after(check)
        return self._judge(dataclasses.replace(evidence, finished=True))

    def survive(self, blame: Blame, skipped: int, rollbacks: int) -> None:
        """Remember the first update that could not be made, and how many there were."""
        survived = Survived(blame, skipped, rollbacks)
        self.evidence = dataclasses.replace(self.evidence, survived=survived)

    def dead_units(self) -> dict[str, np.ndarray]:
        """By layer, (epochs, units): whether a unit was dead in an epoch."""
        layers = {node.path: node.layer for node in self._nodes}
        return {layers[p]: u.dead for p, u in self.evidence.units.items()}

    # ---------------------------------------------------------------- the state

    def tensors(self) -> dict[str, np.ndarray]:
        """What a checkpoint has to keep, beside the counters in the state."""
        norms = {"diagnosis/norms": np.array(self._norms, np.float64)}
        return {**self._with_recent().tensors(), **self._means.tensors(), **norms}

    def restore(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Go back to where `tensors` was called.

        Raises:
            Error: `checkpoint-mismatch` where they are not of this network.
        """
        stored.check_evidence(tensors, self.evidence, self._watch, self._classes)
        self.evidence = self.evidence.restored(tensors)
        self._means.restore(tensors)
        self._losses = deque(self.evidence.losses.tolist(), RECENT)
        self._norms = tensors["diagnosis/norms"].tolist()


def pre_activations(
    positions: Mapping[str, int], trace: Trace
) -> tuple[PreActivation, ...]:
    """The network's pre-activations, in forward order; the last is its output.

    Args:
        positions: see `Watch.positions`.
        trace: of the network.
    """
    paths = list(positions)
    times = {z.path: t + 1 for steps in trace.within.values() for t, z in steps}
    layers = {call.path: call.layer for call in trace.calls}
    found = []
    for path in paths:
        layer = path.rpartition("/")[0]
        while path in times and layer not in layers:  # `rnn1` of `rnn1/forward/t5`
            layer = layer.rpartition("/")[0]
        name = layer.removeprefix("model/")
        reverse = getattr(layers.get(layer), "direction", "") == "backward"
        found.append(
            PreActivation(
                path,
                name,
                output=path == paths[-1],
                time=times.get(path),
                positions=positions[path],
                backward=reverse or path.startswith(f"{layer}/backward/"),
            )
        )
    return tuple(found)
