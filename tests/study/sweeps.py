"""A small sweep, and ways to run its trials without processes of their own."""

from __future__ import annotations

import csv
import math
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from nettrain.errors import Error
from nettrain.experiment import run as running
from nettrain.record.folder import RUN
from nettrain.span import Span
from nettrain.study.plan import Plan
from nettrain.study.results import Results, Score
from nettrain.study.sweep import sweep
from nettrain.study.workers import Done, Trial

BASE = """\
data:
  source: {moons: {samples: 60, noise: 0.1}}
  split: {validation: 0.3, test: 0.2}
  batch_size: 10
model: [{dense: {units: 4, activation: tanh}}, {dense: 1}]
loss: binary_cross_entropy
metrics: [accuracy]
optimizer: {sgd: {learning_rate: {cosine: {peak: 0.5}}, momentum: 0.9}}
train: {epochs: 4}
diagnose: false
"""
SWEEP = """\
name: rates
base: base.yaml
seeds: 2
space:
  optimizer.sgd.momentum: [0.0, 0.9]
  model.dense1.units: [2, 5]
"""
HALVING = """\
base: base.yaml
folds: 2
space:
  optimizer.sgd.momentum: {linear: [0, 0.99]}
method: {halving: {points: 4, factor: 2}}
"""

OPTUNA = """\
base: base.yaml
seeds: 2
space:
  optimizer.sgd.momentum: {linear: [0, 0.99]}
  model.dense1.activation: [tanh, relu]
  model.dense1.units: {int: [1, 8]}
method: {optuna: {points: 5, generation: 2}}
"""


class Seen:
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.trials = 0
        self.told: list[tuple[str, Score]] = []
        self.begun: list[tuple[Plan, Path]] = []

    def begins(self, plan: Plan, path: Path, notes: Sequence[str]) -> None:
        self.begun.append((plan, path))
        self.notes = list(notes)

    def planned(self, trials: int) -> None:
        self.trials += trials

    def done(self, name: str, found: Score) -> None:
        self.told.append((name, found))

    def running(self, folders: Sequence[Path]) -> None:
        pass


class Here:
    """Runs trials in this process, in an order of its own, and counts updates."""

    def __init__(self, seed: int = 0, most: float = math.inf) -> None:
        self.random, self.left = random.Random(seed), most
        self.trained: list[str] = []

    def __call__(
        self, trials: Sequence[Trial], workers: int, backend: str
    ) -> Iterator[Done]:
        for trial in self.random.sample(list(trials), len(trials)):
            if not self.left:
                raise KeyboardInterrupt
            self.left -= 1
            self.trained.append(trial.folder.name)
            yield Done(trial.folder, *train(trial))


def train(trial: Trial) -> tuple[int, str, bool, Error | None]:
    until = Span(trial.until, "%") if trial.until < 100 else None
    try:
        if (trial.folder / RUN).exists():
            running.resume(trial.folder, until=until, pictures=False)
        else:
            running.run(
                trial.config,
                trial.overrides,
                out=trial.folder,
                until=until,
                pictures=False,
            )
    except Error as error:
        return error.exit_code, str(error), False, error
    return 0, "", False, None


def swept(*overrides: str, out: str | None = "out", **more: Any) -> Results:
    return sweep("sweep.yaml", overrides, out=out, watch=Seen(), **more)[1]


def table(path: Path | str = "out") -> list[dict[str, str]]:
    text = (Path(path) / "table.csv").read_text()
    return list(csv.DictReader(text.splitlines()))


class Failing(Here):
    """Has some trials told as failed that were not begun, or only begun."""

    def __init__(self, told: dict[str, str | Error]) -> None:
        super().__init__()
        self.told = told

    def __call__(
        self, trials: Sequence[Trial], workers: int, backend: str
    ) -> Iterator[Done]:
        for trial in trials:
            if trial.folder.name in self.told:
                told = self.told[trial.folder.name]
                error = told if isinstance(told, Error) else None
                yield Done(trial.folder, -9, str(told), error=error)
            else:
                yield from super().__call__([trial], workers, backend)


class Killing(Here):
    """Has some trials killed so many times before they can do anything."""

    def __init__(self, times: int, *names: str, code: int = -9) -> None:
        super().__init__()
        self.code, self.times = code, dict.fromkeys(names, times)
        self.rounds: list[list[str]] = []

    def __call__(
        self, trials: Sequence[Trial], workers: int, backend: str
    ) -> Iterator[Done]:
        self.rounds.append([trial.folder.name for trial in trials])
        for trial in trials:
            if self.times.get(trial.folder.name):
                self.times[trial.folder.name] -= 1
                yield Done(trial.folder, self.code, "a warning")
            else:
                yield from super().__call__([trial], workers, backend)
