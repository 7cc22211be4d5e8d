"""Lengths of training as people write them: `10 steps`, `1 epoch`, `5 %`."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, ClassVar

_UNITS = {
    "step": "steps",
    "steps": "steps",
    "epoch": "epochs",
    "epochs": "epochs",
    "%": "%",
}
LONGEST = 1e15
"""The greatest amount: so far, floats count one by one."""
_PATTERN = re.compile(
    r"\s*((?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"\s*(steps?|epochs?|%)\s*"
)


@dataclass(frozen=True)
class Span:
    """A length of training.

    Attributes:
        amount: how many, at least 0.
        unit: `steps` (updates), `epochs` (passes over the training data) or `%` of the
            run.
    """

    wanted: ClassVar[str] = 'a length such as "10 steps", "1 epoch" or "5 %"'
    amount: float
    unit: str

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        text = {"type": "string", "pattern": f"^{_PATTERN.pattern}$"}
        return {"anyOf": [text, {"type": "integer", "minimum": 0}]}

    @classmethod
    def from_config(cls, value: object) -> Span:
        """Read `10 steps`, `1 epoch`, `5 %`, or a bare number, which counts steps."""
        if isinstance(value, Span):
            return value
        match = _PATTERN.fullmatch(value) if isinstance(value, str) else None
        if isinstance(value, int) and not isinstance(value, bool):
            span = cls(value, "steps")
        elif match is not None:
            span = cls(float(match[1]), _UNITS[match[2]])
        else:
            raise ValueError(f"expected {cls.wanted}")
        most = "100 %" if span.unit == "%" else f"{LONGEST:.0e}"
        if not 0 <= span.amount <= float(most.removesuffix(" %")):
            raise ValueError(f"expected {cls.wanted}, at most {most}")
        return span

    def steps(self, steps_per_epoch: int, total_steps: int) -> int:
        """The length in updates, rounded up: at least one, where it is positive."""
        scale = {"steps": 1.0, "epochs": steps_per_epoch, "%": total_steps / 100}
        return math.ceil(round(self.amount * scale[self.unit], 9))

    def epochs(self, steps_per_epoch: int, total_steps: int) -> int:
        """The length in updates, up to the end of the epoch that it ends in."""
        step = self.steps(steps_per_epoch, total_steps)
        return -(-step // steps_per_epoch) * steps_per_epoch

    def to_config(self) -> str:
        amount = int(self.amount) if self.amount == int(self.amount) else self.amount
        unit = self.unit[:-1] if amount == 1 and self.unit != "%" else self.unit
        return f"{amount} {unit}"
