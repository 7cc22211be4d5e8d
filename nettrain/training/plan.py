"""How a network is trained: the data, the length, and what is looked at on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from nettrain.data.dataset import Part
from nettrain.optim import Schedule
from nettrain.training.metrics import Metric
from nettrain.training.settings import TrainConfig


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

    @cached_property
    def steps_per_epoch(self) -> int:
        return -(-len(self.parts["train"]) // self.batch_size)

    @cached_property
    def total_steps(self) -> int:
        return self.config.total_steps(self.steps_per_epoch)

    @cached_property
    def save_every(self) -> int:
        """Updates between two checkpoints."""
        every = self.config.checkpoint.every
        return every.steps(self.steps_per_epoch, self.total_steps)
