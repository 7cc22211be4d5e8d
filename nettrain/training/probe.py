"""The probe: takes statistics while training goes on, and asks for the diagnosis."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from nettrain.diagnose import statistics
from nettrain.diagnose.evidence import Blame, Check, Evidence
from nettrain.diagnose.facts import PreActivation
from nettrain.diagnose.finding import Finding
from nettrain.diagnose.statistics import Means
from nettrain.execute import State
from nettrain.training.network import Network

RECENT = 100
"""How many of the latest losses and gradient norms are remembered."""

Row = dict[str, Any]
Judge = Callable[[Evidence], list[Finding]]


class Probe:
    """Fills the evidence of one run.

    Args:
        network: whose statistics are taken.
        facts: evidence with what is known before the first step.
        judge: the diagnosis.
        interval: every how many steps all statistics are taken.
        rows: of the training part.
        steps_per_epoch, total_steps: of the plan.
    """

    def __init__(
        self,
        network: Network,
        facts: Evidence,
        judge: Judge,
        *,
        interval: int,
        rows: int,
        steps_per_epoch: int,
        total_steps: int,
    ) -> None:
        watch = network.first.watch
        assert watch is not None
        self._watch, self._judge = watch, judge
        self._rows, self._per_epoch, self._total = rows, steps_per_epoch, total_steps
        self._batch = network.first.inputs.shape[0]
        self.interval = interval
        self._means = Means()
        self._losses: deque[float] = deque(maxlen=RECENT)
        self._norms: deque[float] = deque(maxlen=RECENT)
        self._nodes = pre_activations(watch.roles)
        ratios = [n for n in watch.observers if n.startswith("ratio/")]
        self._ratios = ratios
        self.evidence = dataclasses.replace(
            facts,
            nodes=self._nodes,
            parameters=tuple(name.removeprefix("ratio/") for name in ratios),
            planned_steps=total_steps,
            steps_per_epoch=steps_per_epoch,
        )

    # ---------------------------------------------------------------- while training

    def due(self, step: int) -> bool:
        """Whether all statistics are taken at this step."""
        planned = statistics.due(step, self._per_epoch, self.interval)
        return planned or step == self._total

    def note(self, loss: float, gradient_norm: float) -> None:
        """Take the two numbers of every step."""
        self._losses.append(loss)
        self._norms.append(gradient_norm)

    def measure(
        self, step: int, epoch: int, outputs: Mapping[str, np.ndarray]
    ) -> Sequence[Row]:
        """Take all statistics; rows of their own at the first epoch's early moments."""
        self._means.add(outputs, self._watch)
        if not statistics.logarithmic(step, self._per_epoch):
            return ()
        return self._watch.rows(step, epoch, outputs)

    def begin_epoch(self, state: State) -> None:
        """Set means and unit counters to nothing."""
        self._means.clear()
        for leaf in self._watch.counters:
            state[leaf.path].fill(0)

    def end_epoch(
        self, state: State, step: int, epoch: int, loss: float
    ) -> Sequence[Row]:
        """One more check; its rows of statistics."""
        seen = (step - 1) % self._per_epoch + 1
        rows = self._rows if seen == self._per_epoch else seen * self._batch
        units = self._watch.units(state, rows)
        means = self._means.values()
        missing = np.full(6, np.nan)
        rms = [means.get(f"gradient/{n.path}", missing)[2] for n in self._nodes]
        ratios = [float(means.get(name, np.nan)) for name in self._ratios]
        check = Check(epoch, step, loss, np.array(rms), np.array(ratios), units)
        self.evidence = self._with_recent().after(check)
        dead = {path: int(u.dead.sum()) for path, u in units.items()}
        return self._watch.rows(step, epoch, means, dead)

    def _with_recent(self) -> Evidence:
        return dataclasses.replace(
            self.evidence,
            losses=np.array(self._losses, np.float64),
            gradient_norms=np.array(self._norms, np.float64),
        )

    # ---------------------------------------------------------------- the verdict

    def findings(self, final: bool = False) -> list[Finding]:
        """The diagnosis of what is known so far."""
        return self._judge(dataclasses.replace(self.evidence, finished=final))

    def blamed(self, blame: Blame) -> list[Finding]:
        """The diagnosis after a step that was not finite."""
        self.evidence = dataclasses.replace(self._with_recent(), blame=blame)
        return self.findings(final=True)

    def dead_units(self) -> dict[str, np.ndarray]:
        """By layer, (epochs, units): whether a unit was dead in an epoch."""
        layers = {node.path: node.layer for node in self._nodes}
        return {layers[p]: u.dead for p, u in self.evidence.units.items()}

    # ---------------------------------------------------------------- the state

    def tensors(self) -> dict[str, np.ndarray]:
        """What a checkpoint has to keep, beside the counters in the state."""
        return {**self._with_recent().tensors(), **self._means.tensors()}

    def restore(self, tensors: Mapping[str, np.ndarray]) -> None:
        self.evidence = self.evidence.restored(tensors)
        self._means.restore(tensors)
        self._losses = deque(self.evidence.losses.tolist(), RECENT)
        self._norms = deque(self.evidence.gradient_norms.tolist(), RECENT)


def pre_activations(roles: Mapping[str, str]) -> tuple[PreActivation, ...]:
    """The network's pre-activations, in forward order; the last is its output."""
    paths = [path for path, role in roles.items() if role == "pre_activation"]
    return tuple(
        PreActivation(path, layer_name(path), output=path == paths[-1])
        for path in paths
    )


def layer_name(path: str) -> str:
    """`residual1/dense1` of `model/residual1/dense1/pre_activation`."""
    return path.removeprefix("model/").rpartition("/")[0]
