"""How long a step takes, with and without diagnosis: reported, never decided on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median

import numpy as np

from nettrain.execute import executor
from nettrain.experiment.setup import Setup
from nettrain.training.network import Network


@dataclass(frozen=True)
class StepTimes:
    """Seconds, medians of interleaved runs.

    Attributes:
        plain: a step without diagnosis.
        watched: a step that counts what the units do.
        full: a step that takes all statistics.
        first: from tracing to the end of the first step.
    """

    plain: float
    watched: float
    full: float
    first: float

    def share(self, interval: int) -> float:
        """What diagnosis adds to a step, as a share of the plain step."""
        average = self.watched + (self.full - self.watched) / interval
        return max(0.0, average / self.plain - 1.0)


def time_steps(setup: Setup, steps: int) -> StepTimes:
    """Time `steps` steps of each kind on the first batch, on weights of their own."""
    plain = Network(replace(setup.recipe, diagnose=False), *_executor(setup))
    began = time.perf_counter()
    watched = Network(setup.recipe, *_executor(setup))
    run = [_step(setup, plain), _step(setup, watched), _step(setup, watched, full=True)]
    run[1]()
    first = time.perf_counter() - began
    for call in run:
        call()
    seconds: list[list[float]] = [[], [], []]
    for _ in range(steps):
        for call, taken in zip(run, seconds, strict=True):
            start = time.perf_counter()
            call()
            taken.append(time.perf_counter() - start)
    return StepTimes(*(median(taken) for taken in seconds), first)


def _executor(setup: Setup) -> tuple:  # type: ignore[type-arg]
    rows = len(setup.dataset.parts["train"])
    batch = min(setup.experiment.data.batch_size, rows)
    return executor(setup.experiment.executor), batch


def _step(setup: Setup, network: Network, full: bool = False) -> Callable[[], object]:
    train = setup.dataset.parts["train"]
    rows = np.arange(min(setup.experiment.data.batch_size, len(train)))
    inputs, targets = train.inputs[rows], train.targets[rows]
    return lambda: network.train(inputs, targets, 1e-6, 1, full)


def diagnosis_share(setup: Setup, interval: int) -> float:
    """What the diagnosis of a run adds to its steps, measured on a few of them."""
    return round(time_steps(setup, steps=9).share(interval), 4)
