"""What training came to: how it ended, its best and its last metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from nettrain.diagnose.finding import Finding
from nettrain.training.metrics import Metric
from nettrain.training.settings import Stop

Row = Mapping[str, Any]
Status = Literal["finished", "interrupted", "diverged"]

EPOCH_LOSS = "train/epoch_loss"
"""The training loss of an epoch's final weights; `train/loss` is that of one batch,
measured before its update."""


@dataclass
class Outcome:
    """How training ended.

    Attributes:
        status: finished, interrupted or diverged.
        reason: why it ended, in words.
        step, epoch: of the last update.
        summary: what `run.json` says of the metrics.
        stopped_at: the step at which the clock ended it, if it did.
        findings: the diagnosis, of the final weights where training is over.
    """

    status: Status
    reason: str
    step: int
    epoch: int
    summary: Mapping[str, Any] = field(default_factory=dict)
    stopped_at: int | None = None
    findings: list[Finding] = field(default_factory=list)


class Summary:
    """What `run.json` says of the metrics; a function of the rows of `metrics.jsonl`.

    Attributes:
        best: by name of a validation metric, its best value, step and epoch.
    """

    def __init__(self, metrics: Sequence[Metric], stop: Stop | None) -> None:
        self._metrics = metrics
        self._restored = stop if stop is not None and stop.restore_best else None
        self.best: dict[str, dict[str, Any]] = {}
        self._last: dict[str, Any] = {}
        self._kept: dict[str, Any] = {}
        self._least = math.inf

    def note(self, row: Row) -> None:
        """Take the row of an update."""
        if EPOCH_LOSS not in row:
            return
        self._last = {k: v for k, v in row.items() if k.startswith(_EVALUATED)}
        self._last["train/loss"] = self._last.pop(EPOCH_LOSS)
        for name, value in row.items():
            if name.startswith("validation/") and math.isfinite(value):
                self._note_best(name, value, row)
        if self._restored is not None:
            value = row[in_row(self._restored.monitor)]
            value *= _sign(self._restored, self._metrics)
            if value < self._least:
                self._least = value
                self._kept = {**self._last, "step": row["step"], "epoch": row["epoch"]}

    def _note_best(self, name: str, value: float, row: Row) -> None:
        sign = 1 if goal(name, self._metrics) == "min" else -1
        known = self.best.get(name)
        if known is None or sign * value < sign * known["value"]:
            at = {"step": row["step"], "epoch": row["epoch"]}
            self.best[name] = {"value": value, **at}

    def to_json(self) -> dict[str, Any]:
        """The best of each metric, the last epoch's, and where another epoch's weights
        are the result, what those had."""
        told = {"best": self.best, "last": self._last}
        return {**told, "kept": self._kept} if self._kept else told


_EVALUATED = ("train/", "validation/")
_JUDGED = (EPOCH_LOSS, "validation/")
"""What begins the names that only the last row of an epoch has."""


def in_row(metric: str) -> str:
    """The name in an epoch's row: the training loss that counts is the epoch's."""
    return EPOCH_LOSS if metric == "train/loss" else metric


def kept(
    columns: Mapping[str, np.ndarray],
    stop: Stop | None,
    metrics: Sequence[Metric],
    until: float = math.inf,
) -> int | None:
    """The row of `metrics.jsonl` of the model that the first so many updates give.

    That is the last epoch's, or the best one's where `restore_best` is set; None where
    not even one epoch was finished. An epoch with rows whose updates are skipped may
    have no finite training loss: it counts if it has any number.

    Args:
        columns: the rows turned on their side; see `nettrain.record.metrics.columns`.
    """
    judged = [v for k, v in columns.items() if k.startswith(_JUDGED)]
    if not judged:
        return None
    ended = np.isfinite(judged).any(axis=0) & (columns["step"] <= until)
    at = np.flatnonzero(ended)
    if not len(at):
        return None
    if stop is None or not stop.restore_best:
        return int(at[-1])
    values = _sign(stop, metrics) * columns[in_row(stop.monitor)][at]
    return int(at[np.argmin(np.where(np.isnan(values), math.inf, values))])


def monitored(stop: Stop | None, is_validated: bool) -> str:
    """The metric that says which epoch is the best.

    Args:
        is_validated: whether there are rows to validate with.
    """
    if stop:
        return stop.monitor
    return "validation/loss" if is_validated else "train/loss"


def ended_by(monitor: str, skips: bool) -> str:
    """What has to be a number in an epoch's row for training to end with it.

    Args:
        skips: whether updates may be left out. Their rows may have no finite loss to
            the end, so that what is monitored counts in its place.
    """
    return in_row(monitor) if skips else EPOCH_LOSS


def has_loss(
    columns: Mapping[str, np.ndarray], step: int, stop: Stop | None, skips: bool
) -> bool:
    """Whether training may end with the epoch that ends at a step: by its loss."""
    name = ended_by(monitored(stop, "validation/loss" in columns), skips)
    at = columns["step"] == step
    return name in columns and bool(np.isfinite(columns[name][at]).any())


def _sign(stop: Stop, metrics: Sequence[Metric]) -> int:
    """What makes the best value of the monitored metric the least one."""
    wanted = goal(stop.monitor, metrics) if stop.goal == "auto" else stop.goal
    return 1 if wanted == "min" else -1


def goal(name: str, metrics: Sequence[Metric]) -> Literal["min", "max"]:
    """Whether a value such as `validation/accuracy` should fall or rise."""
    goals = {metric.registered_name: metric.goal for metric in metrics}
    return goals.get(name.rpartition("/")[2], "min")
