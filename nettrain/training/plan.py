"""How a network is trained: the data, the length, and what is looked at on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from nettrain.data import batches
from nettrain.data.augment import Augmentation, augmented
from nettrain.data.dataset import Part
from nettrain.optim import Schedule
from nettrain.span import Span
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
        batch_size: rows in one update, of all its batches.
        evaluation_batch_size: rows evaluated at a time.
        shuffle: whether every epoch has its own order.
        augment: changes of the training images, anew in each epoch.
        interrupted: asked after every update; the loop ends when it says yes.
        stopped_at: the step at which `minutes` ended this run before, to repeat it.
        until: where training pauses, so that it can go on later: at the end of the
            epoch that this length of it ends in.
    """

    parts: Mapping[str, Part]
    config: TrainConfig
    schedule: Schedule
    metrics: Sequence[Metric]
    seed: int
    batch_size: int
    evaluation_batch_size: int
    shuffle: bool
    augment: Sequence[Augmentation] = ()
    interrupted: Callable[[], bool] = lambda: False
    stopped_at: int | None = None
    until: Span | None = None
    _orders: dict[int, np.ndarray] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @cached_property
    def steps_per_epoch(self) -> int:
        return -(-len(self.parts["train"]) // self.batch_size)

    @cached_property
    def full_steps(self) -> int:
        """Updates of an epoch that have `batch_size` rows; all where none has."""
        return len(self.parts["train"]) // self.batch_size or self.steps_per_epoch

    @cached_property
    def total_steps(self) -> int:
        return self.config.total_steps(self.steps_per_epoch)

    def order(self, epoch: int) -> np.ndarray:
        """The order of the training rows in an epoch, (N,); the latest is kept."""
        if epoch not in self._orders:
            rows = len(self.parts["train"])
            self._orders.clear()
            self._orders[epoch] = batches.order(self.seed, epoch, rows, self.shuffle)
        return self._orders[epoch]

    def batch(self, step: int) -> np.ndarray:
        """Positions of an update's rows in the training part; steps count from 1."""
        before, at = divmod(step - 1, self.steps_per_epoch)
        begin = at * self.batch_size
        return self.order(before + 1)[begin : begin + self.batch_size]

    def inputs(self, step: int, rows: np.ndarray) -> np.ndarray:
        """What an update is given: inputs of a batch of rows, (B, …)."""
        train = self.parts["train"]
        inputs, epoch = train.inputs[rows], (step - 1) // self.steps_per_epoch + 1
        return augmented(inputs, self.augment, self.seed, epoch, train.rows[rows])

    @cached_property
    def save_every(self) -> int:
        """Updates between two checkpoints."""
        every = self.config.checkpoint.every
        return every.steps(self.steps_per_epoch, self.total_steps)

    @cached_property
    def pauses_at(self) -> int | None:
        """The step after which training pauses, None where it goes on to its end."""
        if self.until is None:
            return None
        return self.until.epochs(self.steps_per_epoch, self.total_steps)
