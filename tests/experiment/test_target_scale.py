"""With standardized targets a run's metrics and predictions are in their own units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nettrain as nt
from nettrain.cli.main import main

CONFIG: dict[str, Any] = {
    "name": "far",
    "data": {
        "source": "table.csv",
        "target": "y",
        "split": {"validation": 0.2, "test": 0.2},
        "preprocess": ["standardize"],
        "standardize_target": True,
    },
    "model": [{"dense": 1}],
    "loss": "mse",
    "metrics": ["rmse", "mae", "r2"],
    "optimizer": {"adam": {"learning_rate": 0.1}},
    "train": {"epochs": 40},
}


@pytest.fixture
def rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, only_graphs: None
) -> np.ndarray:
    """(80, 2): x and y = 5000 + 300 x, in `table.csv` too."""
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(0).normal(size=80).round(3)
    rows = np.stack([x, 5000 + 300 * x], axis=1)
    lines = [f"{a},{b:.6f}" for a, b in rows.tolist()]
    Path("table.csv").write_text("\n".join(["x,y", *lines, ""]))
    return rows


def test_metrics_predictions_and_csv_are_in_own_units(
    rows: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    run = nt.train(CONFIG, out="run")
    first = run.metrics["validation/rmse"][np.isfinite(run.metrics["validation/rmse"])]
    assert first[0] > 100  # far beyond what one standard deviation could be
    assert run.summary["test/rmse"] < 30
    assert run.summary["test/loss"] < 0.02  # in standardized units
    ratio = run.summary["test/rmse"] / np.sqrt(run.summary["test/loss"])
    np.testing.assert_allclose(
        ratio, run.model.preparation.target_scale.std[0], rtol=1e-4
    )
    predicted = run.predict(rows[:, :1])
    np.testing.assert_allclose(predicted, rows[:, 1:], atol=100)
    capsys.readouterr()
    assert main(["predict", "run", "--data", "table.csv"]) == 0
    head, *cells = capsys.readouterr().out.split()
    assert head == "y"
    np.testing.assert_allclose(np.array(cells, float), predicted[:, 0], rtol=1e-7)


def test_evaluate_gives_the_runs_own_numbers(rows: np.ndarray) -> None:
    run = nt.train(CONFIG, out="run")
    read = run.model.preparation.read("table.csv", need_target=True)
    found = run.model.evaluate(read, "data")
    error = run.predict(rows[:, :1]) - rows[:, 1:]
    assert found["data/rmse"] == pytest.approx(np.sqrt((error**2).mean()), rel=1e-4)
    assert found["data/r2"] > 0.99


def test_fit_takes_it_too(rows: np.ndarray) -> None:
    fitted = nt.fit(
        [nt.nn.Dense(1)], rows[:, :1], rows[:, 1], loss="mse", standardize_target=True,
        optimizer={"adam": {"learning_rate": 0.1}}, epochs=40,
    )  # fmt: skip
    np.testing.assert_allclose(fitted.predict(rows[:, :1]), rows[:, 1:], atol=100)


def test_a_classification_is_told_at_the_line(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        "data:\n  source: iris\n  standardize_target: true\n"
        "model: [dense: 3]\nloss: cross_entropy\n"
    )
    with pytest.raises(nt.Error) as caught:
        nt.train(config, out=tmp_path / "run")
    assert caught.value.code == "config-standardize-target"
    assert caught.value.place is not None and caught.value.place.line == 3
