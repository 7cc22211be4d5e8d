"""A finding: what is wrong, where, by which measure, why, and what to change."""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Mapping, Sequence
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
    """

    text: str
    patch: tuple[Edit, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {"text": self.text, "patch": [edit.to_json() for edit in self.patch]}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Remedy:
        edits = (Edit(e["path"], e["value"], e["do"]) for e in row["patch"])
        return cls(row["text"], tuple(edits))

    def command(self, config: str) -> str | None:
        """The command that tries it on a config; None where it takes a file."""
        if not self.patch or any(edit.do != "set" for edit in self.patch):
            return None
        changes = [f"{edit.path}={_yaml(edit.value)}" for edit in self.patch]
        return shlex.join(["nettrain", "run", config, *changes])


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

    @property
    def title(self) -> str:
        return self.name.replace("-", " ")


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


# ---------------------------------------------------------------- how it is said


def message(finding: Finding) -> str:
    """One line, for the moment in which it arises.

    >>> message(Finding("G1", "vanishing-gradient", "error", "", layer="dense2",
    ...                 measured=3.1e-6, threshold=1e-3, healthy=(0.02, 1.0)))
    'error G1: vanishing gradient in dense2: 3.1e-06 < 0.001, healthy 0.02 to 1'
    """
    where = f" in {finding.layer}" if finding.layer else ""
    when = f", epoch {finding.epoch}" if finding.epoch is not None else ""
    numbers = measure(finding) or finding.why
    return f"{finding.severity} {finding.id}: {finding.title}{where}{when}: {numbers}"


def full(
    finding: Finding, findings: Sequence[Finding] = (), config: str | None = None
) -> list[str]:
    """The whole finding, line by line.

    Args:
        findings: of the same run; what follows from this one is named.
        config: the run's config, for the command that tries the remedy.
    """
    mark = " (the primary cause)" if finding.primary else ""
    lines = [f"{finding.severity} {finding.id}: {finding.title}{mark}"]
    told = [
        ("where", where(finding)),
        ("measured", measure(finding)),
        ("why", finding.why),
        *_remedy(finding.remedy, config),
        ("leads to", consequences(finding, findings)),
        ("follows from", finding.consequence_of or ""),
    ]
    return lines + [f"  {label:<12} {text}" for label, text in told if text]


def where(finding: Finding) -> str:
    """Node, layer, units, config line, epoch and step, as far as they are known."""
    units = finding.units
    parts = [
        finding.node or "",
        f"layer {finding.layer}" if finding.layer else "",
        "" if units is None else _numbers(units),
        "" if finding.config_line is None else f"config line {finding.config_line}",
        "" if finding.epoch is None else f"epoch {finding.epoch}",
        "" if finding.step is None else f"step {finding.step}",
    ]
    return ", ".join(part for part in parts if part)


def measure(finding: Finding) -> str:
    """The number against its threshold and the healthy range."""
    measured, limit = finding.measured, finding.threshold
    if measured is None or limit is None:
        return ""
    sign = "<" if measured < limit else ">" if measured > limit else "="
    text = f"{measured:.3g} {sign} {limit:g}"
    if finding.healthy is not None:
        low, high = finding.healthy
        text += (
            f", healthy {low:g}" if low == high else f", healthy {low:g} to {high:g}"
        )
    return text


def consequences(finding: Finding, findings: Sequence[Finding]) -> str:
    """What else was found that follows from a primary diagnosis."""
    if not finding.primary:
        return ""
    named = [
        f"{other.id} {other.title}" + (f" in {other.layer}" if other.layer else "")
        for other in findings
        if other.consequence_of == finding.id
    ]
    return ", ".join(named)


def _remedy(remedy: Remedy | None, config: str | None) -> list[tuple[str, str]]:
    if remedy is None:
        return []
    edits = [(f"{e.do} ", f"{e.path}: {_yaml(e.value)}") for e in remedy.patch]
    command = remedy.command(config) if config else None
    return [
        ("change", remedy.text),
        *(("", do + text) for do, text in edits),
        ("try it", command or ""),
    ]


def _yaml(value: Any) -> str:
    """A plain value in YAML's flow style; JSON is a part of it."""
    return value if isinstance(value, str) else json.dumps(value)


def _numbers(units: Sequence[int], most: int = 8) -> str:
    shown = ", ".join(str(unit) for unit in units[:most])
    more = f" and {len(units) - most} more" if len(units) > most else ""
    return f"{len(units)} units ({shown}{more})" if units else "no unit"
