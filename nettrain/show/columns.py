"""Recorded columns as pictures need them: one array per node over depth and time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Columns = Mapping[str, Sequence[Any]]
"""Column name -> its values, all of one length; a missing number is None or NaN."""

_TIME = "time"
"""The column that `timed` adds."""


def numbers(columns: Columns, name: str) -> np.ndarray:
    """A column as floats, NaN where a value is missing or the column is."""
    if name not in columns:
        return np.full(len(columns["step"]), np.nan)
    return np.asarray(columns[name], dtype=float)


def timed(columns: Columns, per_epoch: int | None) -> Columns:
    """The columns with their time in epochs.

    Args:
        columns: with `step`, unless there is no row.
        per_epoch: planned updates of an epoch; None or 0 of a run that does not say.
    """
    if not per_epoch or "step" not in columns:
        return columns
    return {**columns, _TIME: numbers(columns, "step") / per_epoch}


def time_in_epochs(columns: Columns) -> np.ndarray:
    """The time (R,) of each row in epochs, by the plan of the run.

    Of one that does not say its plan, by the last step recorded in its first epoch.
    """
    if _TIME in columns:
        return numbers(columns, _TIME)
    step, epoch = numbers(columns, "step"), numbers(columns, "epoch")
    first = step[epoch == epoch.min()] if len(epoch) else step
    return step / max(1.0, first.max(initial=1.0))


@dataclass(frozen=True)
class History:
    """One statistic of every node of a role, over time.

    Attributes:
        nodes: N node paths in forward order.
        steps: M recorded steps, ascending.
        epochs: the epoch of each, from 1.
        time: of each, in epochs.
    """

    nodes: tuple[str, ...]
    steps: np.ndarray
    epochs: np.ndarray
    time: np.ndarray
    _columns: Columns
    _places: tuple[np.ndarray, np.ndarray, np.ndarray]

    def values(self, name: str) -> np.ndarray:
        """The column `name` as an array (N, M), NaN where nothing was recorded."""
        table = np.full((len(self.nodes), len(self.steps)), np.nan)
        rows, node, moment = self._places
        table[node, moment] = numbers(self._columns, name)[rows]
        return table

    def labels(self) -> list[str]:
        """`step 1` within the first epoch, else `epoch 2`, for each moment."""
        return [
            f"step {step:.0f}" if time < 1 else f"epoch {epoch:.0f}"
            for step, epoch, time in zip(
                self.steps, self.epochs, self.time, strict=True
            )
        ]

    def epoch_ends(self, most: int) -> list[int]:
        """Indices of at most `most` moments: the first, then ends of epochs, evenly."""
        ends = [i for i, time in enumerate(self.time) if time >= 1]
        moments = [0, *ends] if not ends or ends[0] else ends
        chosen = np.linspace(0, len(moments) - 1, min(most, len(moments))).round()
        return [moments[int(i)] for i in chosen]


def history(columns: Columns, role: str) -> History:
    """The rows of statistics.csv with that role, ordered by depth and time."""
    rows = np.flatnonzero(np.asarray(columns["role"], dtype=str) == role)
    paths = np.asarray(columns["node"], dtype=str)[rows].tolist()
    nodes = {path: index for index, path in enumerate(dict.fromkeys(paths))}
    step = numbers(columns, "step")
    steps, first, moment = np.unique(step[rows], return_index=True, return_inverse=True)
    epochs = numbers(columns, "epoch")[rows][first]
    time = time_in_epochs(columns)[rows][first]
    node = np.array([nodes[path] for path in paths], dtype=int)
    return History(tuple(nodes), steps, epochs, time, columns, (rows, node, moment))


def layer_names(nodes: Sequence[str]) -> list[str]:
    """Short labels: `dense1` for `model/dense1/pre_activation`, paths where shared."""
    layers = [node.rpartition("/")[0].removeprefix("model/") or node for node in nodes]
    short = [node.removeprefix("model/") for node in nodes]
    return [
        a if layers.count(a) == 1 else b for a, b in zip(layers, short, strict=True)
    ]
