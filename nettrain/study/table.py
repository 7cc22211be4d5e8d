"""The runs of folders as a table: a row each, from their small files alone.

Nothing heavy is imported and no long file is read: five hundred runs are listed in less
than a second. A config is read where one of its keys is asked for.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from nettrain.component import suggest
from nettrain.disk import Disk
from nettrain.errors import Error
from nettrain.experiment.found import found_until, has_end
from nettrain.experiment.status import open_run, told_of
from nettrain.record import json_text
from nettrain.record.folder import RUN, RunFolder
from nettrain.study.folders import below_each
from nettrain.study.lookup import lookup
from nettrain.study.where import Condition

FIELDS = (
    *("folder", "name", "status", "seed", "epoch", "step", "monitor"),
    *("last", "best", "best_epoch", "findings", "primary", "when"),
)
"""What a row says beside its metrics."""

_FINDINGS = [{"id": str, "name": str, "primary": bool}]


@dataclass(frozen=True)
class Row:
    """One run.

    Attributes:
        path: of its folder.
        facts: run.json, of a run without an end as `told_of` tells it; empty where
            it cannot be read.
        findings: id, name and primary of each; None where findings.json is not there,
            although the run has come to its end.
        problem: why it cannot be read.
        when: run.json was last written, in seconds; that of the folder without one.
    """

    path: Path
    facts: Mapping[str, Any]
    findings: Sequence[Mapping[str, Any]] | None = None
    problem: str = ""
    when: float = 0.0

    @classmethod
    def read(cls, path: Path) -> Row:
        """The row of a folder; of one that is damaged or half-made it says why."""
        try:
            folder, facts = open_run(path)
            facts, found = told_of(folder, facts), None
            if not has_end(facts):
                found = found_until(folder, facts["step"])
            elif folder.disk.exists(path / "findings.json"):
                found = folder.read_json("findings.json")
                json_text.check(found, _FINDINGS, path / "findings.json")
            return cls(path, facts, found, when=_written(path / RUN))
        except Error as error:
            return cls(path, {}, problem=error.message, when=_written(path))

    @cached_property
    def metrics(self) -> dict[str, float]:
        """Numbers by name: of the last epoch, `best.…` of the best one, of the test."""
        summary = self.facts.get("summary", {})
        best = {f"best.{k}": v["value"] for k, v in summary.get("best", {}).items()}
        found = {**summary.get("last", {}), **best, **summary}
        return {
            name: json_text.NOT_FINITE.get(value, value)
            for name, value in found.items()
            if "/" in name and name != "test/step" and json_text.number(value)
        }

    @cached_property
    def monitor(self) -> str:
        """The metric that decides which epoch is best."""
        told = self.config("train.stop.monitor") if self.facts else None
        known = (told, "validation/loss", "train/loss")
        return next((name for name in known if name in self.metrics), "")

    @cached_property
    def plain(self) -> dict[str, Any]:
        """All that the row says, by the names in `FIELDS`, and its metrics."""
        at = self.facts.get("summary", {}).get("best", {}).get(self.monitor, {})
        when = datetime.fromtimestamp(self.when)
        return {
            "folder": str(self.path),
            "name": self.facts.get("name"),
            "status": self.facts.get("status", "damaged"),
            **{key: self.facts.get(key) for key in ("seed", "epoch", "step")},
            "monitor": self.monitor or None,
            "last": self.metrics.get(self.monitor),
            "best": self.metrics.get(f"best.{self.monitor}"),
            "best_epoch": at.get("epoch"),
            "findings": None if self.findings is None else len(self.findings),
            "primary": next(
                map(_called, filter(_is_primary, self.findings or ())), None
            ),
            "when": when.isoformat(" ", "minutes"),
            "metrics": self.metrics,
            **({"problem": self.problem} if self.problem else {}),
        }

    def value(self, key: str) -> Any:
        """A field, a metric, or what the config says; None where there is none."""
        if key in FIELDS:
            return self.plain[key]
        return self.metrics[key] if key in self.metrics else self.config(key)

    def config(self, key: str) -> Any:
        """What the resolved config says at a key; see `lookup`.

        A config that cannot be read says nothing.
        """
        with contextlib.suppress(Error):
            text = RunFolder(self.path, Disk()).read_text("config.resolved.yaml")
            return lookup(text, key)
        return None


def rows(
    roots: Iterable[Path | str],
    conditions: Sequence[Condition] = (),
    sort: str | None = None,
    reverse: bool = False,
) -> list[Row]:
    """The runs at or below some folders that fulfil all conditions.

    Args:
        sort: the key that decides their order, least first; else that of the folders.
            Runs whose value is NaN come last, and after them those without one.
        reverse: whether the largest comes first.

    Raises:
        Error: `usage-arguments` for a key that no run has.
    """
    found = [Row.read(path) for path in below_each(roots)]
    asked = [condition.key for condition in conditions] + ([sort] if sort else [])
    values = {key: [row.value(key) for row in found] for key in asked}
    for key, of_runs in values.items():
        if found and key not in FIELDS and all(value is None for value in of_runs):
            raise _unknown(key, found)
    kept = [
        i
        for i in range(len(found))
        if all(c.holds(values[c.key][i]) for c in conditions)
    ]
    if sort:
        column = values[sort]
        order = sorted(kept, key=lambda i: _rank(column[i]), reverse=reverse)
        kept = sorted(order, key=lambda i: _lack(column[i]))
    return [found[i] for i in kept]


def _unknown(key: str, found: Iterable[Row]) -> Error:
    known = [*FIELDS, *dict.fromkeys(name for row in found for name in row.metrics)]
    fix = suggest(key, known) or "it is a field, a metric, or a key of the config"
    if key.startswith("-"):
        fix = f"--sort {key.lstrip('-')} --reverse puts the largest first"
    return Error("usage-arguments", f'no run has "{key}"', fix=fix)


def _rank(value: Any) -> tuple[bool, Any]:
    """Numbers before texts; what is lacking anywhere."""
    return (False, 0) if any(_lack(value)) else (isinstance(value, str), value)


def _lack(value: Any) -> tuple[bool, bool]:
    """Whether there is none, and whether it is no number."""
    return value is None, isinstance(value, float) and math.isnan(value)


def _written(path: Path) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0


def _is_primary(finding: Mapping[str, Any]) -> bool:
    return bool(finding["primary"])


def _called(finding: Mapping[str, Any]) -> str:
    return f"{finding['id']} {finding['name']}"
