"""Series: windows and what follows them, and nothing of a later part in an earlier."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nettrain.component import build_fields
from nettrain.data import DataConfig, Dataset, archive, prepare
from nettrain.data.series import Series, SeriesPreparation
from nettrain.errors import Error
from tests.data.conftest import placed

Write = Callable[..., str]

ROWS = 40
VALUES = np.random.default_rng(0).normal([5, -3], [2, 0.1], (ROWS, 2)).round(3)
ZONES = ["north" if i % 3 else "south" for i in range(ROWS)]


def table(rows: int = ROWS) -> str:
    lines = [f"d{i},{VALUES[i, 0]},{VALUES[i, 1]},{ZONES[i]}" for i in range(rows)]
    return "\n".join(["date,load,temp,zone", *lines, ""])


IGNORED = {"date": "ignore", "zone": "ignore"}


def made(source: dict[str, Any] | None = None, **section: Any) -> Dataset:
    plain = {"path": "s.csv", "window": 4, "targets": ["load"], **(source or {})}
    section = {"split": {}, "columns": IGNORED, **section}
    config = build_fields(DataConfig, {"source": {"series": plain}, **section})
    return prepare(config, seed=0, dtype="float64", place=placed)


@pytest.fixture(autouse=True)
def file(write: Write) -> None:
    write(table(), "s.csv")


@pytest.mark.parametrize("stride", [1, 2, 5])
@pytest.mark.parametrize("horizon", [1, 3])
def test_windows(horizon: int, stride: int) -> None:
    source = {"horizon": horizon, "stride": stride, "targets": ["temp", "load"]}
    dataset = made(source)
    train = dataset.parts["train"]
    assert len(train) == (ROWS - 4 - horizon) // stride + 1
    assert train.rows.tolist() == list(range(0, len(train) * stride, stride))
    for i, (x, t) in enumerate(zip(train.inputs, train.targets, strict=True)):
        at = i * stride
        assert (x == VALUES[at : at + 4]).all()
        assert (t == VALUES[at + 4 : at + 4 + horizon, ::-1].ravel()).all()
    names = dataset.preparation.target_names
    assert names[:2] == (("temp", "load") if horizon == 1 else ("temp+1", "load+1"))
    assert dataset.preparation.outputs == len(names) == 2 * horizon
    assert dataset.preparation.input_shape == (4, 2)
    assert dataset.preparation.feature_names == ("load", "temp")


@pytest.mark.parametrize("stride", [1, 2, 7])
@pytest.mark.parametrize("horizon", [1, 3])
def test_no_row_is_in_two_parts(horizon: int, stride: int) -> None:
    source = {"horizon": horizon, "stride": stride}
    dataset = made(source, split={"validation": 0.3, "test": 0.3})
    seen = []
    for part in ("train", "validation", "test"):
        first = dataset.parts[part].rows
        rows = (first[:, None] + np.arange(4 + horizon)).ravel()
        assert (dataset.parts[part].inputs[:, 0] == VALUES[first]).all()
        seen.append(set(rows.tolist()))
    assert max(seen[0]) < min(seen[1]) <= max(seen[1]) < min(seen[2])
    # No more is left out than that: the next window would share a row.
    assert min(seen[1]) - max(seen[0]) <= stride


def test_only_training_rows_are_learned_from(write: Write) -> None:
    section = {"preprocess": ["standardize"], "standardize_target": True}
    section["split"] = {"validation": 0.3}
    dataset = made(**section)
    train = dataset.parts["train"]
    rows = VALUES[: train.rows[-1] + 5]
    mean, std = rows.mean(axis=0), rows.std(axis=0)
    assert train.inputs[:, 0] == pytest.approx((VALUES[train.rows] - mean) / std)
    later = VALUES[train.rows + 4, :1]
    assert train.targets == pytest.approx((later - mean[0]) / std[0])
    assert dataset.preparation.restore_target(train.targets) == pytest.approx(later)
    changed = table().splitlines()
    changed[-3] = "d,1e6,1e6,north"  # of the validation part
    write("\n".join(changed) + "\n", "s.csv")
    again = made(**section)
    assert (again.parts["train"].inputs == train.inputs).all()
    assert (again.parts["train"].targets == train.targets).all()
    assert again.sha256 != dataset.sha256


def test_several_rows_ahead_are_scaled_alike() -> None:
    source = {"horizon": 3, "targets": ["load", "temp"]}
    dataset = made(source, standardize_target=True)
    scale = dataset.preparation.target_scale
    assert scale is not None
    assert scale.mean.tolist() == [scale.mean[0], scale.mean[1]] * 3
    restored = dataset.preparation.restore_target(dataset.parts["train"].targets)
    assert restored[0] == pytest.approx(VALUES[4:7].ravel())


def test_categories_and_gaps(write: Write) -> None:
    lines = table().splitlines()
    lines[6] = "d5,,-3.0,north"
    write("\n".join(lines), "s.csv")
    with pytest.raises(Error, match="no value here") as caught:
        made({"targets": ["temp"]})
    assert str(caught.value.place) == "s.csv:7:4"
    columns = {"date": "ignore", "zone": "categorical"}
    missing = {"load": "median"}
    dataset = made({"targets": ["temp"]}, columns=columns, missing=missing)
    assert dataset.preparation.feature_names == (
        "load",
        "temp",
        "zone=north",
        "zone=south",
    )
    row = dataset.parts["train"].inputs[5, 0]
    assert row[0] == np.median(np.delete(VALUES[:, 0], 5))
    assert row[2:].tolist() == [float(ZONES[5] == "north"), float(ZONES[5] == "south")]
    section = {"columns": columns, "missing": missing, "preprocess": ["codes"]}
    coded = made({"targets": ["temp"]}, **section).preparation
    assert (coded.input_shape, coded.symbols) == ((4, 3), (0, 0, 2) * 4)
    assert coded.by_feature(np.zeros((5, 4, 3))).shape == (20, 2)
    with pytest.raises(Error, match="no value here"):  # a target is never made up
        made(columns=columns, missing=missing)


def test_kept_and_read_again(write: Write) -> None:
    section = {"preprocess": ["standardize"], "standardize_target": True}
    dataset = made({"horizon": 2}, **section)
    first, train = dataset.preparation, dataset.parts["train"]
    again = SeriesPreparation.from_json(first.to_json())
    assert again.to_json() == first.to_json()
    rows = again.read("s.csv", need_target=True)
    assert (again.transform(rows) == train.inputs).all()
    assert (again.labels(rows) == train.targets).all()
    ahead = again.transform(again.read("s.csv"))
    assert len(ahead) == ROWS - 3  # the last one has nothing to compare it with
    assert (ahead[: len(train)] == train.inputs).all()
    some = VALUES[None, 2:6].repeat(2, axis=0)
    assert (again.transform(again.rows(some)) == train.inputs[2]).all()
    with pytest.raises(Error, match="3 rows, and a prediction needs 4"):
        again.read(write(table(3), "short.csv"))
    with pytest.raises(Error, match="expected"):
        again.rows(some[:, :3])


@pytest.mark.parametrize(
    ("source", "section", "code", "at"),
    [
        ({"targets": ["laod"]}, {}, "config-unknown-column", "source.series.targets.0"),
        ({}, {"columns": {**IGNORED, "x": "ignore"}}, "config-unknown-column", ".x"),
        ({}, {"missing": {"x": "mean"}}, "config-unknown-column", "missing.x"),
        ({}, {"missing": "drop"}, "config-missing", "missing"),
        ({}, {"missing": {"temp": "drop"}}, "config-missing", "missing.temp"),
        ({"targets": ["date"]}, {}, "config-columns", "source.series.targets.0"),
        ({}, {"target": "load"}, "config-source", "target"),
        ({}, {"shape": [8]}, "config-source", "shape"),
        ({}, {"preprocess": ["one_hot"]}, "config-preprocess", "preprocess.0"),
        ({}, {"task": "classification"}, "config-task", "task"),
        ({"window": 40}, {}, "config-source", "source.series.window"),
        ({}, {"split": {"by": "random", "test": 0.2}}, "config-split", "split.by"),
        ({"window": 20}, {"split": {"test": 0.3}}, "config-split", "split.test"),
    ],
)
def test_mistakes(
    source: dict[str, Any], section: dict[str, Any], code: str, at: str
) -> None:
    with pytest.raises(Error) as caught:
        made(source, **section)
    assert caught.value.code == code
    assert str(caught.value.place).endswith(at)
    assert caught.value.fix


def test_columns_of_texts_have_to_be_meant() -> None:
    with pytest.raises(Error, match='column "zone" is text') as caught:
        made(columns={"date": "ignore"})
    assert caught.value.code == "data-not-a-number"
    assert "{zone: ignore}" in (caught.value.fix or "")


@pytest.mark.parametrize(
    "source",
    [
        {"targets": []},
        {"targets": ["load", "load"]},
        {"path": "s.npz"},
        {"path": "s.txt"},
        {"window": 0},
    ],
)
def test_settings_out_of_bounds(source: dict[str, Any]) -> None:
    with pytest.raises(Error):
        made(source)


def test_windows_that_no_memory_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_memory", lambda: 2 * 36 * 4 * 2 * 8)
    assert len(made().parts["train"]) == 36
    monkeypatch.setattr(archive, "_memory", lambda: 2 * 36 * 4 * 2 * 8 - 2)
    with pytest.raises(Error, match="the arrays take") as caught:
        made()
    assert caught.value.exit_code == 8


def test_one_column_is_enough(write: Write) -> None:
    write("v\n" + "\n".join(map(str, range(12))) + "\n", "one.csv")
    dataset = made({"path": "one.csv", "targets": ["v"]}, columns={})
    assert dataset.parts["train"].inputs.shape == (8, 4, 1)
    assert dataset.parts["train"].targets.ravel().tolist() == list(range(4, 12))
    assert Series("one.csv", 4, ("v",)).nbytes == 28


def test_other_delimiters_and_a_column_without_a_name(write: Write) -> None:
    write(table().replace(",", ";"), "s.csv")
    with pytest.raises(Error, match='separated by ";"') as caught:
        made()
    assert caught.value.fix == "separate them by commas, in a .tsv file by tabs"
    Path("s.csv").write_text(table().replace("date", "für"), "cp1252")
    with pytest.raises(Error, match="not UTF-8") as caught:
        made()
    assert caught.value.fix == "save the file as UTF-8"
    write(table().replace("date", "", 1), "s.csv")
    zone = {"zone": "ignore"}
    with pytest.raises(Error, match="column 1 has no name"):
        made(columns=zone)
    named = made(columns={**zone, "unnamed": "ignore"})
    assert named.preparation.feature_names == ("load", "temp")
