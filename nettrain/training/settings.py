"""The `train:` section of a config."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from nettrain.component import Count, Pattern, Positive, Range, registered
from nettrain.errors import Error
from nettrain.span import Span
from nettrain.training.metrics import Metric


def monitored() -> list[str]:
    """The numbers that a run can have of its validation and training parts."""
    numbers = [name for name, cls in registered(Metric).items() if not cls.is_table]
    names = ["loss", *numbers]
    return [f"{part}/{name}" for part in ("validation", "train") for name in names]


Monitored = Annotated[
    str,
    Pattern(
        r"^(train|validation)/\w+$",
        "a metric and its part, such as validation/loss",
        monitored,
    ),
]


@dataclass(frozen=True)
class Stop:
    """When to stop before the planned length. Checked at the end of every epoch.

    Attributes:
        monitor: the metric that is watched, such as `validation/loss`.
        goal: whether it should fall or rise; `auto` knows it of losses and of every
            metric here.
        patience: stop after this many epochs without a new best value.
        restore_best: keep the weights of the best epoch as the result.
        target: stop once the metric is at least this good.
        minutes: stop at the end of the update during which this much time has passed;
            a resumed run counts anew.
    """

    monitor: Monitored = "validation/loss"
    goal: Literal["auto", "min", "max"] = "auto"
    patience: Count | None = None
    restore_best: bool = False
    target: float | None = None
    minutes: Positive | None = None


@dataclass(frozen=True)
class Checkpoint:
    """How often the whole state is saved, and how many such files are kept.

    Attributes:
        every: a length of training, such as `1 epoch` or `500 steps`.
        keep: the newest so many stay, and beside them the best.
    """

    every: Span = Span(1, "epochs")
    keep: Annotated[int, Range(at_least=2)] = 3

    def __post_init__(self) -> None:
        if not self.every.amount:
            raise Error(
                "config-value",
                f"every: {self.every.to_config()} is no distance between checkpoints",
                fix="say every: 1 epoch",
            )


@dataclass(frozen=True)
class TrainConfig:
    """How long to train, when to stop and what to save.

    Attributes:
        epochs: planned passes over the training data; 10 where steps are not given.
        steps: planned updates, instead of epochs.
        stop: reasons to stop earlier.
        checkpoint: when the state is saved.
        accumulate: of how many batches an update is made. They go one after the other,
            in the memory of one; the update goes by the mean over all their rows. It is
            that of one large batch, except where the rows of a batch meet: in
            batch_norm, info_nce and triplet.
        clip_norm: gradients are scaled down to this global norm.
        clip_value: every element of a gradient is held within ± this.
        on_nonfinite: what is done where a loss or gradient is infinite or no number, so
            that the update cannot be made. `stop` ends the run as diverged. `skip`
            leaves the update out; a whole epoch without an update ends the run.
            `rollback` goes back to the last planned checkpoint and goes on at half the
            learning rate, at most three times.
        tensorboard: whether the run folder has a file for TensorBoard too, with all
            metrics and statistics, histograms of the weights at the ends of epochs, the
            graph, and the config as it was given.
    """

    epochs: Count | None = None
    steps: Count | None = None
    stop: Stop | None = None
    checkpoint: Checkpoint = Checkpoint()
    accumulate: Count = 1
    clip_norm: Positive | None = None
    clip_value: Positive | None = None
    on_nonfinite: Literal["stop", "skip", "rollback"] = "stop"
    tensorboard: bool = False

    def __post_init__(self) -> None:
        if self.epochs is not None and self.steps is not None:
            raise Error(
                "config-conflict",
                f"epochs: {self.epochs} and steps: {self.steps} both set the length",
                fix="leave one of the two out",
            )
        if self.epochs is None and self.steps is None:
            object.__setattr__(self, "epochs", 10)

    def total_steps(self, steps_per_epoch: int) -> int:
        """The planned number of updates."""
        return self.steps or (self.epochs or 0) * steps_per_epoch
