"""Settings of some parameters, found by their names."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass

from nettrain.component import NonNegative, show
from nettrain.errors import Error


@dataclass(frozen=True)
class Group:
    """Settings of the parameters whose names match.

    Attributes:
        match: names such as `dense1/weight`; `*` stands for any text, slashes included:
            `dense1/*`, `*/bias`.
        rate: what the learning rate of a step is multiplied by; 0 leaves them as they
            are.
        weight_decay: instead of the optimizer's.
    """

    match: str
    rate: NonNegative | None = None
    weight_decay: NonNegative | None = None

    def __post_init__(self) -> None:
        if self.rate is None and self.weight_decay is None:
            raise Error(
                "config-value",
                f"match: {show(self.match)} is given no setting of its own",
                fix="say rate or weight_decay beside it",
            )

    def matches(self, path: str) -> bool:
        """Whether a parameter's path, such as `model/dense1/weight`, is meant."""
        return fnmatch.fnmatchcase(name(path), name(self.match))


def name(path: str) -> str:
    """What a person calls a parameter: its path within the model."""
    return path.removeprefix("model/")


def settings_of(groups: Iterable[Group], path: str) -> dict[str, float]:
    """What groups say of a parameter, a later one before an earlier one."""
    found: dict[str, float] = {}
    for group in groups:
        if group.matches(path):
            said = {"rate": group.rate, "weight_decay": group.weight_decay}
            found |= {key: value for key, value in said.items() if value is not None}
    return found
