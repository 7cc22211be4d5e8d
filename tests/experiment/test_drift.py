"""How far validation rows are from training rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import ks_2samp
from sklearn import datasets

from nettrain.data.dataset import Dataset, prepare
from nettrain.data.series import Series
from nettrain.data.settings import DataConfig, Split
from nettrain.data.sources import ArraySource, FileSource
from nettrain.diagnose.facts import Drift
from nettrain.experiment import drift as module
from nettrain.experiment.drift import drift

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(600, 3))
Y = RANDOM.integers(0, 3, 600)


def data(x: Any, y: Any, by: Any = "order", **settings: Any) -> Dataset:
    split = Split(validation=0.25, by=by)
    return prepare(DataConfig(ArraySource(x, y), split=split, **settings), seed=0)


def known(dataset: Dataset) -> Drift:
    found = drift(dataset)
    assert found is not None
    return found


def test_the_distance_is_that_of_kolmogorov_and_smirnov() -> None:
    x = X.round(1)
    x[450:, 1] = (x[450:, 1] + 0.8).round(1)
    found = known(data(x, Y))
    wanted = ks_2samp(x[:450, 1], x[450:, 1]).statistic
    assert (found.name, found.later) == ("x2", True)
    assert found.distance == pytest.approx(wanted)
    shift = (x[450:, 1].mean() - x[:450, 1].mean()) / x[:450, 1].std()
    assert found.shift == pytest.approx(shift, rel=1e-5)
    assert found.distance > found.chance


def test_targets_and_classes_drift_too() -> None:
    y = np.where(np.arange(600) < 450, Y, np.where(Y == 1, 2, Y))
    found = known(data(X, y))
    assert (found.name, found.later) == ("2", True)
    assert found.distance == pytest.approx(
        (y[450:] == 2).mean() - (y[:450] == 2).mean()
    )
    two = np.column_stack([X[:, 0], X[:, 0] + (np.arange(600) > 449)])
    assert known(data(X, two, task="regression")).name == "target2"


def test_a_split_at_random_is_no_drift() -> None:
    x = X + np.arange(600)[:, None] / 200
    for each in (x, *(getattr(datasets, f"load_{n}")().data for n in ("iris", "wine"))):
        found = known(data(each, Y[: len(each)], by="random"))
        assert found.distance < found.chance
        assert not found.later
    assert known(data(x, Y)).distance > 0.5


def test_where_there_is_nothing_to_compare(tmp_path: Path) -> None:
    assert drift(prepare(DataConfig(ArraySource(X, Y), split=Split()), seed=0)) is None
    same = known(data(np.ones((600, 1)), np.arange(600) % 2))
    assert (same.shift, same.distance < same.chance) == (
        pytest.approx(0, abs=0.1),
        True,
    )


def test_rows_of_a_file_of_their_own_are_not_later_ones(tmp_path: Path) -> None:
    for name, shift in (("train", 0), ("new", 2)):
        rows = [f"{a + shift:.3f},{k % 2}" for k, a in enumerate(X[:, 0])]
        (tmp_path / f"{name}.csv").write_text("\n".join(["a,y", *rows]), "utf-8")
    split = Split(validation=str(tmp_path / "new.csv"))
    source = FileSource(str(tmp_path / "train.csv"))
    found = known(prepare(DataConfig(source, target="y", split=split), seed=0))
    assert (found.name, found.later) == ("a", False)
    assert found.distance > found.chance


def test_windows_are_no_rows_to_be_split_at_random(tmp_path: Path) -> None:
    rows = [f"{a + k / 100:.3f}" for k, a in enumerate(X[:, 0])]
    (tmp_path / "s.csv").write_text("\n".join(["a", *rows]), "utf-8")
    source = Series(str(tmp_path / "s.csv"), 3, ("a",))
    found = known(prepare(DataConfig(source), seed=0))
    assert (found.name, found.later) == ("a", False)
    assert found.distance > found.chance


def test_wide_and_long_tables_are_seen_in_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x = X.copy()
    x[450:, 2] += 3
    monkeypatch.setattr(module, "_WIDE", 2)
    monkeypatch.setattr(module, "_SAMPLE", 64)
    found = known(data(x, Y))
    assert found.name == "x3"
    assert found.chance == pytest.approx(np.sqrt(np.log(2 * 6 / 0.001) / 64))
