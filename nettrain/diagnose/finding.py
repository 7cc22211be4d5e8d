"""A finding: what is wrong, where, by which measure, why, and what to change."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Edit:
    """One edit of a config, in the form of `patch:`.

    Attributes:
        path: such as `model.dense1.activation`.
        value: what to set or insert.
        do: `set`, or `insert` before what stands at the path.
    """

    path: str
    value: Any
    do: Literal["set", "insert"] = "set"

    def to_json(self) -> dict[str, Any]:
        return {"do": self.do, "path": self.path, "value": self.value}


@dataclass(frozen=True)
class Remedy:
    """What to change.

    Attributes:
        text: in words.
        patch: the change to the config; empty where none can be written.
        measure: whether the patch is a guess at a learning rate, which a trainer should
            replace by a measured one; not in the row.
        otherwise: what to change where the measurement says that the present rate is
            right, or that none helps; not in the row.
    """

    text: str
    patch: tuple[Edit, ...] = ()
    measure: bool = dataclasses.field(default=False, compare=False)
    otherwise: Remedy | None = dataclasses.field(default=None, compare=False)

    def to_json(self) -> dict[str, Any]:
        return {"text": self.text, "patch": [edit.to_json() for edit in self.patch]}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Remedy:
        edits = (Edit(e["path"], e["value"], e["do"]) for e in row["patch"])
        return cls(row["text"], tuple(edits))


@dataclass(frozen=True)
class Finding:
    """A row of findings.json.

    Attributes:
        id: of the detector, such as `G1`.
        name: in a few words with hyphens, such as `vanishing-gradient`.
        severity: error (training is useless), warning (loses quality) or note.
        why: one line: what the numbers mean.
        primary: whether it is the one diagnosis of the run.
        node: path of the node it is about.
        layer: name of its layer.
        units: numbers of the units, where it is about some.
        config_line: where the config has that layer.
        epoch, step: when it first held.
        measured, threshold: the number and the limit it has crossed.
        healthy: the range of that number in networks that learn.
        remedy: what to change.
        consequence_of: id of the primary diagnosis, where that comes before this one.
        place: where it stands in the order of causes, if not at its id; not in the row.
    """

    id: str
    name: str
    severity: Severity
    why: str
    primary: bool = False
    node: str | None = None
    layer: str | None = None
    units: tuple[int, ...] | None = None
    config_line: int | None = None
    epoch: int | None = None
    step: int | None = None
    measured: float | None = None
    threshold: float | None = None
    healthy: tuple[float, float] | None = None
    remedy: Remedy | None = None
    consequence_of: str | None = None
    place: str = dataclasses.field(default="", compare=False)

    def to_json(self) -> dict[str, Any]:
        """The row, with its keys in the documented order."""
        row = {key: getattr(self, key) for key in KEYS}
        row["units"] = None if self.units is None else list(self.units)
        row["healthy"] = None if self.healthy is None else list(self.healthy)
        row["remedy"] = None if self.remedy is None else self.remedy.to_json()
        return row

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Finding:
        fields = {key: row[key] for key in KEYS}
        if row["units"] is not None:
            fields["units"] = tuple(row["units"])
        if row["healthy"] is not None:
            low, high = row["healthy"]
            fields["healthy"] = (low, high)
        if row["remedy"] is not None:
            fields["remedy"] = Remedy.from_json(row["remedy"])
        return cls(**fields)


KEYS = (
    "id",
    "name",
    "severity",
    "primary",
    "node",
    "layer",
    "units",
    "config_line",
    "epoch",
    "step",
    "measured",
    "threshold",
    "healthy",
    "why",
    "remedy",
    "consequence_of",
)
"""Of a row of findings.json, in order."""
