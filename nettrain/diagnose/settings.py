"""The `diagnose:` section of a config."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from nettrain.component import Count, registered, suggest
from nettrain.diagnose.detector import Detector
from nettrain.diagnose.detectors import (
    DeadNeurons,
    ExplodingGradient,
    VanishingGradient,
)


class FindingId(str):
    """The id of a finding, such as `A1`."""

    wanted = "the id of a finding"

    @classmethod
    def from_config(cls, value: object) -> str:
        known = registered(Detector)
        if isinstance(value, str) and value in known:
            return value
        raise ValueError(
            f"expected the id of a finding ({', '.join(known)})"
            + (f"; {hint}" if (hint := suggest(value, known)) else "")
        )

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        return {"enum": list(registered(Detector))}


@dataclass(frozen=True)
class DiagnoseConfig:
    """How a run is watched.

    Attributes:
        silence: ids of findings that are not reported.
        every: how many steps lie between two full statistics; `auto`: so many that they
            take about 5 % of the time. Each epoch's last step always has them.
        G1: when a gradient has vanished.
        G2: when a gradient explodes.
        A1: when neurons are dead.
    """

    silence: tuple[FindingId, ...] = ()
    every: Literal["auto"] | Count = "auto"
    G1: VanishingGradient = field(default_factory=VanishingGradient)
    G2: ExplodingGradient = field(default_factory=ExplodingGradient)
    A1: DeadNeurons = field(default_factory=DeadNeurons)

    def detectors(self) -> Iterator[Detector]:
        """Every registered detector, those without a field here at their defaults."""
        for id_, detector in registered(Detector).items():
            yield getattr(self, id_, None) or detector()
