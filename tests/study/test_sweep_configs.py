"""Every config in configs/sweeps is right, and runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from nettrain.experiment.schema import Experiment
from nettrain.study import sweep as sweeping
from nettrain.study.points import Base
from nettrain.study.sweep import sweep

from .sweeps import Here, Seen

SWEEPS = sorted((Path(__file__).parents[2] / "configs/sweeps").glob("*.yaml"))


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_it_has_points(path: Path) -> None:
    base = Base.read(path, ())
    first = next(base.sweep.method.generations(base.sweep.space))
    points = [base.point(n, one.values) for n, one in enumerate(first, 1)]
    assert len({point.text for point in points}) > 1
    assert all(isinstance(point.experiment, Experiment) for point in points)


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_it_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shortened: two points, one seed, an epoch."""
    base = path.parent / Base.read(path, ()).sweep.base
    short = tmp_path / "short.yaml"
    short.write_text(f"extends: {base}\ntrain: {{epochs: 1}}\n")
    monkeypatch.setattr(sweeping, "performed", Here())
    overrides = [f"base={short}", "seeds=1", "method={random: {points: 2}}"]
    _, results = sweep(path, overrides, out=tmp_path / "out", watch=Seen())
    assert [row.status for row in results.rows] == ["finished"] * 2
