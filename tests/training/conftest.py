"""Small networks to train, without config files and folders."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from nettrain.data import Part
from nettrain.diagnose import DiagnoseConfig, Evidence, diagnose
from nettrain.execute import executor
from nettrain.nn import CrossEntropy, Dense, Layer, Loss, Sequential
from nettrain.optim import Adam, Optimizer
from nettrain.training.events import Event
from nettrain.training.loop import Loop, Plan
from nettrain.training.metrics import Metric
from nettrain.training.network import Network
from nettrain.training.probe import Probe
from nettrain.training.programs import Recipe
from nettrain.training.settings import TrainConfig

Start = Callable[..., "Started"]


class Started:
    """A loop, and the events it has emitted."""

    def __init__(self, loop: Loop, events: list[Event]) -> None:
        self.loop, self.events = loop, events

    @property
    def state(self) -> dict[str, np.ndarray]:
        return self.loop.network.state.snapshot()

    def weights(self) -> dict[str, np.ndarray]:
        parameters = self.loop.network.first.trace.parameters
        return {path: self.state[path] for path in parameters}


def parts(rows: int = 50, seed: int = 0) -> dict[str, Part]:
    """Two separable clouds, cut into three parts."""
    random = np.random.default_rng(seed)
    targets = random.integers(0, 2, rows)
    inputs = random.normal(size=(rows, 4)) + 2.0 * targets[:, None]
    inputs = inputs.astype(np.float32)
    cuts = {"train": slice(0, 30), "validation": slice(30, 40), "test": slice(40, None)}
    index = np.arange(rows)
    return {
        name: Part(inputs[cut], targets[cut], index[cut]) for name, cut in cuts.items()
    }


@pytest.fixture
def start() -> Start:
    def make(
        layers: list[Layer] | None = None,
        *,
        loss: Loss | None = None,
        optimizer: Optimizer | None = None,
        data: Mapping[str, Part] | None = None,
        batch_size: int = 8,
        diagnosed: bool = True,
        runner: str = "numpy",
        seed: int = 0,
        plan: Mapping[str, Any] | None = None,
        origins: Mapping[str, str] | None = None,
        metrics: Sequence[Metric] = (),
        **train: Any,
    ) -> Started:
        data = data or parts()
        first, config = data["train"], TrainConfig(**train)
        recipe = Recipe(
            model=Sequential(layers or [Dense(6, activation="relu"), Dense(2)]),
            loss=loss or CrossEntropy(),
            optimizer=optimizer or Adam(0.01),
            inputs=first.inputs.shape[1:],
            targets=first.targets.shape[1:],
            targets_dtype=first.targets.dtype.name,
            outputs=2,
            seed=seed,
            dtype=first.inputs.dtype.name,
            origins=origins or {},
            clip_norm=config.clip_norm,
            accumulate=config.accumulate,
            diagnose=diagnosed,
        )
        made = Plan(
            parts=data,
            config=config,
            schedule=recipe.optimizer.schedule,
            metrics=metrics,
            seed=seed,
            batch_size=batch_size * config.accumulate,
            evaluation_batch_size=16,
            **{"shuffle": True, **(plan or {})},
        )
        network = Network(recipe, executor(runner), batch_size)
        probe = _probe(network, made) if diagnosed else None
        events: list[Event] = []
        return Started(Loop(network, made, probe, events.append), events)

    return make


def _probe(network: Network, plan: Plan) -> Probe:
    def judge(evidence: Evidence) -> list[Any]:
        return diagnose(evidence, DiagnoseConfig())

    prior = network.recipe.loss.prior(plan.parts["train"].targets)
    return Probe(
        network,
        Evidence(prior=prior),
        judge,
        plan,
        interval=3,
    )
