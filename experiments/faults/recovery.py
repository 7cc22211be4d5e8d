"""One patch: what a person who follows the primary finding's remedy gets."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.faults.training import train
from nettrain.component import build
from nettrain.config import patch
from nettrain.diagnose.finding import Finding
from nettrain.errors import Error
from nettrain.experiment import rates
from nettrain.experiment.schema import Experiment
from nettrain.experiment.setup import set_up
from nettrain.nn import Loss

NOTHING = -1.0
"""The score of a run whose finding has no patch, or one that cannot be trained."""


def recovered(
    config: Mapping[str, Any], findings: Sequence[Finding], path: Path
) -> float:
    """Test score after the primary finding's patch.

    Args:
        config: the faulty one.
        findings: the primary one first.
        path: where the answer is kept, with the patch that it belongs to.
    """
    edits = _patch(config, findings[:1])
    known = json.loads(path.read_text()) if path.exists() else {}
    digest = hashlib.sha256(json.dumps([edits]).encode()).hexdigest()
    if known.get("digest") != digest:
        known = {"digest": digest, "patch": edits, **_attempt(config, edits)}
        half = path.with_suffix(f".{os.getpid()}")
        half.write_text(json.dumps(known))
        os.replace(half, path)
    return float(known["score"])


def _patch(
    config: Mapping[str, Any], findings: Sequence[Finding]
) -> list[dict[str, Any]]:
    """The plain edits of the primary finding, its learning rate measured."""
    if findings and rates.guessed(findings):
        findings = rates.measured(findings, rates.sweep(set_up(config)))
    remedy = findings[0].remedy if findings else None
    return [] if remedy is None else remedy.to_json()["patch"]


def _attempt(
    config: Mapping[str, Any], edits: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    if not edits:
        return {"score": NOTHING, "why": "no patch"}
    try:
        mended = patch.apply(dict(config), list(edits), Experiment)
        mended["metrics"] = [_metric(mended["loss"])]
        return {"score": train(mended, published=False).score}
    except Error as error:
        return {"score": NOTHING, "why": str(error)}


def _metric(loss: Any) -> str:
    """What the test rows are scored by; a patch may change the task."""
    task = build(Loss, loss, (), []).task
    return "accuracy" if task == "classification" else "r2"
