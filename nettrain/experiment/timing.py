"""How long a training step takes, with and without diagnosis. It decides nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median

from nettrain.experiment.assembly import make_network, make_probe
from nettrain.experiment.setup import Setup
from nettrain.training.evaluate import predict
from nettrain.training.network import Network

_CHECKS = 9
"""How often the end of an epoch is timed."""


@dataclass(frozen=True)
class StepTimes:
    """Seconds, medians of interleaved runs.

    Attributes:
        plain: a step without diagnosis.
        watched: a step that counts what the units do.
        full: a step that takes all statistics.
        check: the diagnosis at the end of an epoch.
        first: from tracing to the end of the first step.
        steps_per_epoch: of the plan.
    """

    plain: float
    watched: float
    full: float
    check: float
    first: float
    steps_per_epoch: int

    def share(self, interval: int) -> float:
        """What diagnosis adds to a step, as a share of the plain step.

        Full statistics are taken at one step of an epoch, and every `interval` steps of
        a longer one: at 1 - (1 - 1/interval) (1 - 1/steps_per_epoch) of its steps.
        """
        between = 1 / interval if interval < self.steps_per_epoch else 0.0
        rest = (1 - between) * (1 - 1 / self.steps_per_epoch)
        average = self.watched + (self.full - self.watched) * (1 - rest)
        average += self.check / self.steps_per_epoch
        return max(0.0, average / self.plain - 1.0)


def time_steps(setup: Setup, steps: int) -> StepTimes:
    """Time `steps` steps of each kind on the first rows, on weights of their own."""
    blind = replace(setup, recipe=replace(setup.recipe, diagnose=False))
    began = time.perf_counter()
    watched = make_network(setup)
    watching = _step(setup, watched)
    watching()
    first = time.perf_counter() - began
    plain = _step(setup, make_network(blind, watched.state))
    kinds = [plain, watching, _step(setup, watched, full=True)]
    for call in kinds:
        call()
    per_epoch = setup.plan().steps_per_epoch
    (check,) = _timed([_check(setup, watched)], _CHECKS)
    plainly, watching, fully = _timed(kinds, steps)
    return StepTimes(plainly, watching, fully, check, first, per_epoch)


def _timed(kinds: Sequence[Callable[[], object]], times: int) -> list[float]:
    """The median of each, called in turn."""
    seconds: list[list[float]] = [[] for _ in kinds]
    for _ in range(times):
        for call, taken in zip(kinds, seconds, strict=True):
            start = time.perf_counter()
            call()
            taken.append(time.perf_counter() - start)
    return [median(taken) for taken in seconds]


def _step(setup: Setup, network: Network, full: bool = False) -> Callable[[], object]:
    train, rows = setup.dataset.parts["train"], setup.plan().batch_size
    inputs, targets = train.inputs[:rows], train.targets[:rows]
    return lambda: network.train(inputs, targets, 1e-6, 1, full)


def _check(setup: Setup, network: Network) -> Callable[[], object]:
    """What the probe does at the end of an epoch."""
    probe = make_probe(setup, network)
    if probe is None:
        return lambda: None
    probe.measure(1, 1, _step(setup, network, full=True)().outputs)  # type: ignore[attr-defined]
    plan = setup.plan()
    made = [
        predict(network, plan.parts[name], plan.evaluation_batch_size)
        for name in ("train", "validation")
        if name in plan.parts
    ]
    for _ in range(plan.steps_per_epoch):
        probe.note(1.0, 1.0)

    def call() -> None:
        probe.end_epoch(network.state, plan.steps_per_epoch, 1, made[0], made[-1])
        probe.findings()

    return call


def diagnosis_share(setup: Setup, interval: int) -> float:
    """What the diagnosis of a run adds to its steps, measured on a few of them."""
    return round(time_steps(setup, steps=9).share(interval), 4)
