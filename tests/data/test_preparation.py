"""What a run keeps: restored to the last bit, and right on raw rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nettrain.component import build_fields
from nettrain.data import DataConfig, Dataset, Preparation, prepare
from nettrain.errors import Error

from .conftest import found

TEXT = (
    "zone,age,y,income\n"
    "north,1.1,no,3e5\n"
    "south,,yes,1\n"
    ",3.7,yes,7\n"
    "south,0.1,no,2.5\n"
    "north,9,yes,1e-7\n"
    "south,4,no,3\n"
)
SECTION: dict[str, Any] = {
    "missing": {"age": "mean", "zone": "most_frequent"},
    "preprocess": [
        "robust",
        {"quantile": {"quantiles": 4}},
        {"min_max": {"low": -0.1, "high": 0.3}},
        "standardize",
        {"one_hot": {"unknown": "ignore"}},
    ],
}


def again(preparation: Preparation) -> Preparation:
    """Through the text of a file and back."""
    return Preparation.from_json(json.loads(json.dumps(preparation.to_json())))


@pytest.fixture(params=["one_hot", "codes"])
def dataset(
    prepared: Callable[..., Dataset], request: pytest.FixtureRequest
) -> Dataset:
    *steps, _ = SECTION["preprocess"]
    steps.append({request.param: {"unknown": "ignore"}})
    return prepared(TEXT, **{**SECTION, "preprocess": steps})


def test_round_trip_to_the_last_bit(dataset: Dataset) -> None:
    first, restored = dataset.preparation, again(dataset.preparation)
    assert restored.to_json() == first.to_json()
    assert restored.schema == first.schema
    assert restored.encoder == first.encoder
    assert restored.arrays().keys() == first.arrays().keys()
    for name, array in first.arrays().items():
        assert restored.arrays()[name].tobytes() == array.tobytes()
        assert restored.arrays()[name].dtype == np.float64


def test_inputs_as_targets_are_kept(prepared: Callable[..., Dataset]) -> None:
    dataset = prepared(TEXT, **SECTION, target="inputs")
    restored = again(dataset.preparation)
    assert restored.target_names == dataset.preparation.target_names
    rows = restored.read("table.csv", need_target=True)
    assert restored.labels(rows).tobytes() == dataset.parts["train"].inputs.tobytes()


def test_predict_on_raw_rows_is_what_training_saw(
    dataset: Dataset, write: Callable[..., str]
) -> None:
    restored = again(dataset.preparation)
    for path in ("table.csv", write(TEXT.replace(",y,", ",unused,"), "raw.csv")):
        inputs = restored.transform(restored.read(path))
        assert inputs.tobytes() == dataset.parts["train"].inputs.tobytes()
    rows = restored.read("table.csv", need_target=True)
    assert (restored.labels(rows) == dataset.parts["train"].targets).all()


def test_columns_are_found_by_name(dataset: Dataset, write: Callable[..., str]) -> None:
    lines = [line.split(",") for line in TEXT.splitlines()]
    other = "\n".join(",".join([*reversed(cells), "7"]) for cells in lines)
    path = write(other.replace("zone,7", "zone,more"), "other.csv")
    inputs = dataset.preparation.transform(dataset.preparation.read(path))
    assert (inputs == dataset.parts["train"].inputs).all()


def test_rows_in_memory(dataset: Dataset) -> None:
    """Without names the columns come in the order of the training table."""
    rows = np.array([["north", 1.1, 3e5], [None, float("nan"), 7]], dtype=object)
    inputs = dataset.preparation.transform(dataset.preparation.rows(rows))
    expected = dataset.parts["train"].inputs
    assert (inputs[0] == expected[0]).all()
    assert inputs[1, 0] == expected[1, 0]
    assert (inputs[1, 2:] == expected[2, 2:]).all()


def test_images_in_memory() -> None:
    config = build_fields(
        DataConfig, {"source": "digits", "preprocess": ["standardize"]}
    )
    dataset = prepare(config, seed=0)
    raw = config.source.load(0).tables["train"]
    x = np.stack(raw.columns[:64], axis=1)
    part = dataset.parts["test"]
    for shape in ((64,), (8, 8), (1, 8, 8)):
        rows = dataset.preparation.rows(x[part.rows].reshape(-1, *shape))
        assert (dataset.preparation.transform(rows) == part.inputs).all()
    with pytest.raises(Error, match="63 inputs, the run was trained on 64"):
        dataset.preparation.rows(x[:, :63])


@pytest.mark.parametrize(
    ("columns", "fits"),
    [
        ({}, {4}),
        ({"x2": "ignore"}, {3, 4}),  # those that are used, or all of them
        ({"x4": "ignore"}, {3, 4}),
    ],
)
def test_an_array_has_as_many_columns_as_the_run_was_trained_on(
    tmp_path: Path, columns: dict[str, str], fits: set[int]
) -> None:
    x = np.random.default_rng(0).normal(size=(12, 6))
    np.savez(tmp_path / "train.npz", x=x[:, :4], y=x[:, 0])
    source = {"source": str(tmp_path / "train.npz"), "columns": columns, "split": {}}
    dataset = prepare(build_fields(DataConfig, source), seed=0)
    for preparation in (dataset.preparation, again(dataset.preparation)):  # type: ignore[arg-type]
        for count in range(1, 7):
            if count in fits:
                rows = preparation.rows(x[:, :count])
                assert preparation.transform(rows).shape == (12, 4 - len(columns))
                continue
            with pytest.raises(Error, match=f"{count} inputs, the run was trained on"):
                preparation.rows(x[:, :count])
    rows = dataset.preparation.read(str(tmp_path / "train.npz"), need_target=True)
    found = dataset.preparation.transform(rows)
    assert (found == dataset.parts["train"].inputs).all()


@pytest.mark.parametrize(
    ("text", "code", "where"),
    [
        ("zone,age\nnorth,1\n", "data-missing-column", "1"),
        ("zone,age,income\nnorth,1,\n", "data-missing-value", "2:9"),
        ("zone,age,income\nnorth,1,much\n", "data-not-a-number", "2:9"),
        ("zone,age,income\nnorth,1e999,1\n", "data-infinite", "2:7"),
        ("zone,age,income\nnorth,1,1,\n", "data-ragged-row", "2:11"),
    ],
)
def test_bad_rows(
    dataset: Dataset, write: Callable[..., str], text: str, code: str, where: str
) -> None:
    path = write(text, "raw.csv")
    with pytest.raises(Error) as caught:
        dataset.preparation.read(path)
    assert found(caught.value) == [(code, f"raw.csv:{where}")]


def test_unseen_category_and_class(
    prepared: Callable[..., Dataset], write: Callable[..., str]
) -> None:
    preparation = prepared("a,y\np,0\nq,1\n").preparation
    rows = preparation.read(write("a\nq\nr\n", "raw.csv"))
    with pytest.raises(Error) as caught:
        preparation.transform(rows)
    assert found(caught.value) == [("data-unseen-category", "raw.csv:3:1")]
    with pytest.raises(Error) as caught:
        preparation.read(write("a,y\nq,0\nq,7\n", "raw.csv"), need_target=True)
    assert found(caught.value) == [("data-unseen-class", "raw.csv:3:3")]


def test_a_prediction_is_owed_for_each_row(
    prepared: Callable[..., Dataset], write: Callable[..., str]
) -> None:
    preparation = prepared("a,y\n1,0\n2,1\n,1\n", missing="drop").preparation
    path = write("a,y\n1,0\n,1\n3,1\n", "raw.csv")
    with pytest.raises(Error) as caught:
        preparation.read(path)
    assert found(caught.value) == [("data-missing-value", "raw.csv:3:1")]
    assert preparation.read(path, need_target=True).index.tolist() == [0, 2]


def test_files_are_read_as_the_source_was(
    prepared: Callable[..., Dataset], write: Callable[..., str]
) -> None:
    source = {"file": {"path": "table.csv", "delimiter": ";", "missing_values": ["?"]}}
    section = {"source": source, "missing": "mean"}
    preparation = again(prepared("a;y\n1;0\n3;1\n", **section).preparation)
    rows = preparation.read(write("a;b\n?;NA\n5;1\n", "raw.csv"))
    assert preparation.transform(rows).tolist() == [[2], [5]]


def test_a_broken_file_is_an_error_of_the_run() -> None:
    for plain in ({}, {"format": 1, "columns": 3}, {"columns": [{"name": "a"}]}):
        with pytest.raises(Error) as caught:
            Preparation.from_json(plain)
        assert caught.value.exit_code == 4


def test_labels_need_targets(dataset: Dataset) -> None:
    with pytest.raises(ValueError, match="without"):
        dataset.preparation.labels(dataset.preparation.read("table.csv"))
