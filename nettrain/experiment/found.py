"""What a run found: findings.json at its end, and before that what its events told."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from nettrain.errors import Error
from nettrain.record import json_text
from nettrain.record.events import read_events
from nettrain.record.folder import RunFolder


def read_found(folder: RunFolder, facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of findings.json, or before the end what is known of them so far.

    Args:
        facts: what is told of the run; see `nettrain.experiment.status.told_of`.

    Raises:
        Error: `run-damaged` where findings.json is not what `Finding` writes.
    """
    if has_end(facts):
        return read_findings(folder)
    return found_until(folder, facts["step"])


def has_end(facts: Mapping[str, Any]) -> bool:
    """Whether a run has one, to which its findings.json belongs: it had others before,
    where it was interrupted and went on."""
    return "summary" in facts


def _range(value: Any) -> bool:
    return json_text.misfit(value, [json_text.number]) is None and len(value) == 2


_FINDING = {
    "id": str,
    "name": str,
    "severity": ("error", "warning", "note"),
    "primary": bool,
    "node": (None, str),
    "layer": (None, str),
    "units": (None, [json_text.count]),
    "config_line": (None, json_text.count),
    "epoch": (None, json_text.count),
    "step": (None, json_text.count),
    "measured": (None, json_text.number),
    "threshold": (None, json_text.number),
    "healthy": (None, _range),
    "why": str,
    "remedy": (
        None,
        {
            "text": str,
            "patch": [
                {"do": ("set", "insert"), "path": str, "value": json_text.anything}
            ],
        },
    ),
    "consequence_of": (None, str),
}


def read_findings(folder: RunFolder) -> list[dict[str, Any]]:
    """The rows of `findings.json`; none where it is not written yet.

    Raises:
        Error: `run-damaged` where they are not what `Finding` writes.
    """
    path = folder.path / "findings.json"
    if not folder.disk.exists(path):
        return []
    rows: list[dict[str, Any]] = folder.read_json(path.name)
    json_text.check(rows, [_FINDING], path)
    return rows


_EVENT = {
    "id": str,
    "name": str,
    "severity": ("error", "warning", "note"),
    "node": (None, str),
    "epoch": (None, json_text.count),
    "step": (None, json_text.count),
    "time": str,
    "event": ("finding",),
}
"""What an event says of a finding."""


def found_until(folder: RunFolder, step: int) -> list[dict[str, Any]]:
    """The findings of a run before its end, as its events tell them up to a step.

    One that was told again had become worse. Which is the cause is told at the end.

    Returns:
        Of a row of findings.json: id, name, severity, node, epoch, step and primary.
    """
    found = {}
    with contextlib.suppress(Error):  # without events nothing is told
        for event in read_events(folder.disk, folder.events):
            if json_text.misfit(event, _EVENT) is None and (event["step"] or 0) <= step:
                row = {k: event[k] for k in _EVENT if k not in ("time", "event")}
                found[event["id"], event["node"]] = {**row, "primary": False}
    return list(found.values())
