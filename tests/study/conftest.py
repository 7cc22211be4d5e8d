"""A folder with a small sweep in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from nettrain.study import sweep as sweeping

from .sweeps import BASE, SWEEP, Here


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.yaml").write_text(BASE)
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    return tmp_path


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Here:
    made = Here()
    monkeypatch.setattr(sweeping, "performed", made)
    return made
