"""What training tells the world. It draws nothing and writes nothing itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np

from nettrain.diagnose.finding import Finding


@dataclass(frozen=True, slots=True)
class Stepped:
    """One update has been committed.

    Attributes:
        row: the metrics of this step; the last row of an epoch has its metrics too.
    """

    step: int
    epoch: int
    row: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Measured:
    """Statistics have been taken: rows for `statistics.csv`."""

    rows: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Found:
    """A finding has arisen that has not been told, or not with this severity.

    Attributes:
        final: whether training is over, so that the whole verdict comes at once.
    """

    finding: Finding
    final: bool = False


@dataclass(frozen=True, slots=True)
class EpochEnded:
    """An epoch is over and evaluated.

    Attributes:
        metrics: of this epoch's last row.
    """

    step: int
    epoch: int
    metrics: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SaveDue:
    """A checkpoint should be saved now, before training goes on.

    Attributes:
        keep: steps whose checkpoints stay, however old.
        tensors: gives the whole state, by path.
    """

    step: int
    epoch: int
    keep: Set[int]
    tensors: Callable[[], dict[str, np.ndarray]]


@dataclass(frozen=True, slots=True)
class Survived:
    """An update could not be made, and training goes on.

    Attributes:
        step: of that update.
        action: what is done about it, in words.
    """

    step: int
    action: str


@dataclass(frozen=True, slots=True)
class PostMortem:
    """The update after `step` could not be made, and training is over.

    Attributes:
        tensors: gives the state, the batch and the gradients, by path.
    """

    step: int
    epoch: int
    tensors: Callable[[], dict[str, np.ndarray]]


Event = Stepped | Measured | Found | EpochEnded | SaveDue | Survived | PostMortem
