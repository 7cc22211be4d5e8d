"""Stopping before the planned end, and remembering the best epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import numpy as np

from nettrain.training import stored
from nettrain.training.settings import Stop


class Stopping:
    """Watches one metric at the end of every epoch.

    Its state is a few numbers (`tensors`), saved with every checkpoint.

    Args:
        settings: when to stop, if at all before the planned end.
        goal: of the metric, where the settings do not say it.
    """

    def __init__(self, settings: Stop | None, goal: Literal["min", "max"]) -> None:
        if settings is not None and settings.goal != "auto":
            goal = settings.goal
        self._settings, self._sign = settings, 1.0 if goal == "min" else -1.0
        self.best = math.inf
        """The best value, times -1 where the goal is to rise."""
        self.best_step = 0
        self.waited = 0

    def update(self, value: float, step: int) -> bool:
        """Take an epoch's value; whether it is the best so far."""
        signed = self._sign * value
        if signed < self.best:
            self.best, self.best_step, self.waited = signed, step, 0
            return True
        self.waited += 1
        return False

    def reason(self, value: float) -> str:
        """Why training should stop now, or nothing."""
        stop = self._settings
        if stop is None:
            return ""
        if stop.target is not None and self._sign * value <= self._sign * stop.target:
            return f"{stop.monitor} reached {stop.target:g}"
        if stop.patience is not None and self.waited >= stop.patience:
            epochs = "epoch" if stop.patience == 1 else "epochs"
            return f"{stop.monitor} has not improved for {stop.patience} {epochs}"
        return ""

    def tensors(self) -> dict[str, np.ndarray]:
        values = [self.best, self.best_step, self.waited]
        return {"loop/stopping": np.array(values, dtype=np.float64)}

    def restore(self, tensors: Mapping[str, np.ndarray]) -> None:
        best, step, waited = tensors["loop/stopping"]
        stored.check_counts("loop/stopping", np.array([step, waited]))
        self.best, self.best_step, self.waited = float(best), int(step), int(waited)
