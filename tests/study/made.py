"""Run folders as training leaves them, made without training."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nettrain.component import dump
from nettrain.config import resolve, write_resolved
from nettrain.experiment.schema import Experiment
from nettrain.record import json_text

CONFIG: Mapping[str, Any] = {
    "name": "made",
    "data": {"source": "digits", "split": {"validation": 0.2, "test": 0.2}},
    "model": [{"dense": {"units": 8, "activation": "relu"}}, {"dense": 10}],
    "loss": "cross_entropy",
    "metrics": ["accuracy"],
    "train": {"epochs": 3},
}
PER_EPOCH = 4


def finding(id_: str, severity: str = "error", **more: Any) -> dict[str, Any]:
    """A row of findings.json."""
    keys = ("node", "layer", "units", "config_line", "epoch", "step", "measured")
    row: dict[str, Any] = dict.fromkeys((*keys, "threshold", "healthy", "remedy"))
    row |= {"id": id_, "name": f"name-of-{id_}", "severity": severity, "why": "because"}
    return row | {"primary": False, "consequence_of": None} | more


def make(
    folder: Path,
    *overrides: str,
    accuracy: Sequence[float] = (0.5, 0.7, 0.8),
    test: float | None = 0.75,
    found: Sequence[Mapping[str, Any]] = (),
    config: Mapping[str, Any] = CONFIG,
    **facts: Any,
) -> Path:
    """A finished run; `facts` replace those of run.json.

    Args:
        overrides: of the config.
        accuracy: of the validation part, epoch by epoch; the loss is 1 - accuracy.
        test: accuracy on the test part; None without one.
    """
    resolved = resolve(config, overrides, schema=Experiment)
    experiment = resolved.build()
    (folder / "checkpoints").mkdir(parents=True)
    text = write_resolved(dump(experiment), resolved.source)
    (folder / "config.resolved.yaml").write_text(text)
    (folder / "config.yaml").write_text(resolved.text)
    (folder / "findings.json").write_text(json.dumps(list(found)))
    rows = _rows(accuracy)
    (folder / "metrics.jsonl").write_text(
        "".join(json_text.row(r) + "\n" for r in rows)
    )
    best = max(range(len(accuracy)), key=accuracy.__getitem__)
    at = {"step": (best + 1) * PER_EPOCH, "epoch": best + 1}
    summary: dict[str, Any] = {
        "best": {
            "validation/loss": {"value": 1 - accuracy[best], **at},
            "validation/accuracy": {"value": accuracy[best], **at},
        },
        "last": {k: v for k, v in rows[-1].items() if k.startswith("validation/")},
    }
    if test is not None:
        summary |= {"test/accuracy": test, "test/step": at["step"]}
    plain = {
        "format": 1,
        "name": experiment.name,
        "status": "finished",
        "step": len(accuracy) * PER_EPOCH,
        "epoch": len(accuracy),
        "seed": experiment.seed,
        "summary": summary,
        "diagnosis": {"interval": 4, "share_of_step": 0.1, "changed": []},
        "config": None,
        "lines": {},
        "loss": "cross_entropy",
        "data_sha256": "0" * 64,
        "fingerprint": "f" * 64,
        "numerics": "1" * 64,
        "environment": {"numpy": "2.1"},
        "versions": {},
    }
    (folder / "run.json").write_bytes(json_text.document({**plain, **facts}))
    return folder


def _rows(accuracy: Sequence[float]) -> list[dict[str, Any]]:
    """metrics.jsonl: an update is a row, the last of an epoch has more."""
    rows: list[dict[str, Any]] = []
    for epoch, value in enumerate(accuracy, 1):
        for step in range((epoch - 1) * PER_EPOCH + 1, epoch * PER_EPOCH + 1):
            rows.append({"step": step, "epoch": epoch, "train/loss": 2.0 / step})
        rows[-1] |= {"train/epoch_loss": 1 / epoch, "train/accuracy": value}
        rows[-1] |= {"validation/loss": 1 - value, "validation/accuracy": value}
    return rows
