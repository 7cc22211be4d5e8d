"""A table written to a file, and prepared by a `data:` section."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nettrain.component import build_fields
from nettrain.data import DataConfig, Dataset, prepare
from nettrain.errors import Error, Place

PLAIN = {"split": {}}
"""All rows train: what a test is about stays in sight."""


def placed(path: tuple[str | int, ...], key: bool = False) -> Place:
    """Stands for the config: the place of a path is the path itself."""
    return Place("config.yaml:" + ".".join(map(str, path)))


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Write a file into an empty working folder."""
    monkeypatch.chdir(tmp_path)

    def write(content: str | bytes, name: str = "table.csv") -> str:
        data = content if isinstance(content, bytes) else content.encode()
        (tmp_path / name).write_bytes(data)
        return name

    return write


@pytest.fixture
def prepared(write: Callable[..., str]) -> Callable[..., Dataset]:
    """Prepare the text of a CSV file; the target is y if nothing else is said."""

    def prepared(content: str | bytes, **section: Any) -> Dataset:
        plain = PLAIN | {"source": write(content), "target": "y"}
        arguments = {k: section.pop(k) for k in ("task_of_loss",) if k in section}
        config = build_fields(DataConfig, plain | section)
        task = arguments.get("task_of_loss")
        return prepare(config, seed=0, dtype="float64", place=placed, task=task)

    return prepared


def found(error: Error) -> list[tuple[str, str]]:
    """Code and place of each error, the place as file:line:column."""
    errors = getattr(error, "errors", (error,))
    return [(each.code, str(each.place)) for each in errors]
