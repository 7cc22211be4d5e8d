"""Configs small enough to run in a blink."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nettrain.experiment import pictures

ROOT = Path(__file__).parents[2]

SMALL: dict[str, Any] = {
    "name": "small",
    "data": {
        "source": "iris",
        "split": {"validation": 0.2, "test": 0.2},
        "preprocess": ["standardize"],
        "batch_size": 16,
    },
    "model": [{"dense": {"units": 8, "activation": "relu"}}, {"dense": 3}],
    "loss": "cross_entropy",
    "metrics": ["accuracy"],
    "optimizer": {"adam": {"learning_rate": 0.01}},
    "train": {"epochs": 4},
}


@pytest.fixture
def only_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other pictures take their time."""
    monkeypatch.setattr(pictures, "drawn", lambda *_, **__: {})


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a config file into a working directory of its own."""
    monkeypatch.chdir(tmp_path)

    def to(text: str, name: str = "config.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return to
