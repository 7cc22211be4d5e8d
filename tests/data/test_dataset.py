"""From a section to arrays: kinds, tasks, parts, shapes, errors with their place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nettrain.component import build_fields
from nettrain.data import DataConfig, Dataset, Preparation, prepare, profile
from nettrain.errors import Error

from .conftest import found, placed

Prepared = Callable[..., Dataset]
TEN = "a,y\n" + "".join(f"{i},{'no' if i % 2 else 'yes'}\n" for i in range(10))


def bundled(**section: Any) -> Dataset:
    return prepare(build_fields(DataConfig, section), seed=0, place=placed)


# ---------------------------------------------------------------- meaning of columns


@pytest.mark.parametrize(
    ("cells", "task", "classes"),
    [
        (["no", "yes", "no"], "classification", ("no", "yes")),
        (["true", "false", "true"], "classification", ("false", "true")),
        (["z", "é", "Z"], "classification", ("Z", "z", "é")),
        (["2", "10", "2.0"], "classification", (2, 10)),
        (["0.5", "1", "2"], "regression", ()),
        (["1", "2", "3", "4"], "regression", ()),
        ([str(i) for i in range(40)], "regression", ()),
        ([str(i % 20) for i in range(80)], "classification", tuple(range(20))),
        ([str(i % 21) for i in range(80)], "regression", ()),
    ],
)
def test_task_and_classes(
    prepared: Prepared, cells: list[str], task: str, classes: tuple[object, ...]
) -> None:
    dataset = prepared("a,y\n" + "".join(f"1,{cell}\n" for cell in cells))
    preparation, targets = dataset.preparation, dataset.parts["train"].targets
    assert (preparation.task, preparation.classes) == (task, classes)
    if task == "regression":
        assert targets.shape == (len(cells), 1)
        assert targets.dtype == np.float64
        assert targets[:, 0].tolist() == [float(cell) for cell in cells]
    else:
        assert targets.dtype == np.int64
        known = [classes[i] for i in targets]
        assert [str(c) for c in known] == [cell.removesuffix(".0") for cell in cells]


def test_the_loss_decides_what_the_config_leaves_open(prepared: Prepared) -> None:
    text = "a,y\n1,1\n2,2\n3,1\n"
    assert prepared(text).preparation.task == "classification"
    assert prepared(text, task_of_loss="regression").preparation.task == "regression"
    dataset = prepared(text, task="classification", task_of_loss="regression")
    assert dataset.preparation.task == "classification"
    config = build_fields(DataConfig, {"source": "digits"})
    assert prepare(config, seed=0, task="regression").preparation.outputs == 1


def test_kinds(prepared: Prepared) -> None:
    text = "n,half,most,t,i,y\n1,1,x,p,7,0\n2,x,x,q,8,1\n3,2,3,p,9,1\n4,x,z,p,9,0\n"
    with pytest.raises(Error) as caught:  # half of the cells are numbers: numeric
        prepared(text)
    assert [code for code, _ in found(caught.value)] == ["data-not-a-number"] * 2
    dataset = prepared(text, columns={"half": "categorical", "i": "ignore"})
    assert dataset.preparation.feature_names == (
        *("n", "half=1", "half=2", "half=x", "most=3", "most=x", "most=z"),
        *("t=p", "t=q"),
    )
    inputs = dataset.parts["train"].inputs
    assert inputs[1].tolist() == [2, 0, 0, 1, 0, 1, 0, 0, 1]


def test_one_hot_does_what_it_was_asked_to(prepared: Prepared) -> None:
    text = "zone,a,y\nsouth,1,0\nnorth,2,1\nsouth,3,1\n"
    section: dict[str, Any] = {"preprocess": ["min_max", "one_hot"]}
    dataset = prepared(text, **section)
    names = ("a", "zone=north", "zone=south")
    assert dataset.preparation.feature_names == names
    assert dataset.parts["train"].inputs.tolist() == [[0, 0, 1], [0.5, 1, 0], [1, 0, 1]]
    plain = prepared(text, preprocess=["min_max"])
    assert (plain.parts["train"].inputs == dataset.parts["train"].inputs).all()


def test_codes_number_the_categories(
    write: Callable[..., str], prepared: Prepared
) -> None:
    text = "zone,kind,a,y\nsouth,B,1,0\nnorth,a,2,1\nwest,a,3,1\n"
    dataset = prepared(text, preprocess=["codes", "min_max"])
    inputs = [[0, 1, 0], [0.5, 0, 1], [1, 2, 1]]
    assert dataset.parts["train"].inputs.tolist() == inputs
    preparation = dataset.preparation
    assert isinstance(preparation, Preparation)
    assert preparation.input_names == ("a", "zone", "kind")
    # What has no scale is no feature that a scale could be wrong of.
    assert preparation.feature_names == ("a",)
    assert preparation.by_feature(dataset.parts["train"].inputs).shape == (3, 1)
    assert preparation.symbols == (0, 3, 2)
    assert prepared(text).preparation.symbols == ()
    write("zone,kind,a,y\neast,a,1,0\n", "other.csv")
    with pytest.raises(Error) as caught:
        prepared(text, preprocess=["codes"], split={"test": "other.csv"})
    assert found(caught.value) == [("data-unseen-category", "other.csv:2:1")]
    assert "[{codes: {unknown: ignore}}]" in (caught.value.fix or "")
    lenient: list[Any] = [{"codes": {"unknown": "ignore"}}]
    dataset = prepared(text, preprocess=lenient, split={"test": "other.csv"})
    assert dataset.parts["test"].inputs.tolist() == [[1, 3, 1]]
    assert dataset.preparation.symbols == (0, 4, 3)


def test_the_inputs_themselves_as_targets(prepared: Prepared) -> None:
    text = "a,zone,b\n1,p,0\n2,q,4\n3,p,8\n5,p,4\n"
    dataset = prepared(text, target="inputs", preprocess=["min_max"])
    part = dataset.parts["train"]
    assert part.inputs.tolist()[1] == [0.25, 0.5, 0, 1]
    assert part.targets.tolist() == part.inputs.tolist()
    preparation = dataset.preparation
    assert (preparation.task, preparation.outputs) == ("regression", 4)
    assert preparation.target_names == ("a", "b", "zone=p", "zone=q")
    assert preparation.restore_target(part.targets) is part.targets


def test_known_labels_are_no_inputs_of_an_autoencoder() -> None:
    dataset = bundled(source="digits", target="inputs", shape=[1, 8, 8])
    part = dataset.parts["train"]
    assert part.inputs.shape[1:] == (1, 8, 8)
    assert (part.targets == part.inputs.reshape(len(part), 64)).all()


def test_a_column_may_be_called_inputs(prepared: Prepared) -> None:
    dataset = prepared("a,inputs\n1,0.5\n2,3.5\n", target="inputs")
    assert dataset.parts["train"].targets.tolist() == [[0.5], [3.5]]


def test_numbers_of_a_bundled_set_may_be_categories() -> None:
    dataset = bundled(source="diabetes", columns={"sex": "categorical"})
    assert dataset.preparation.feature_names[-2:] == ("sex=1", "sex=2")


def test_several_targets(prepared: Prepared) -> None:
    dataset = prepared("a,y,z\n1,2,3\n4,5,6\n", target=["z", "y"])
    assert dataset.parts["train"].targets.tolist() == [[3, 2], [6, 5]]
    assert dataset.preparation.target_names == ("z", "y")
    assert dataset.preparation.outputs == 2


def test_missing_values(prepared: Prepared) -> None:
    text = "a,b,z,y\n1,1,p,0\n,2,q,1\n3,NA,q,0\n8,4,,1\n"
    policies = {"a": "mean", "b": "median", "z": "most_frequent"}
    inputs = prepared(text, missing=policies).parts["train"].inputs
    assert inputs[:, :2].tolist() == [[1, 1], [4, 2], [3, 2], [8, 4]]
    assert inputs[:, 2:].tolist() == [[1, 0], [0, 1], [0, 1], [0, 1]]
    dropped = prepared(text, missing="drop").parts["train"]
    assert dropped.rows.tolist() == [0]
    some = {"a": "drop", "b": "drop", "z": "most_frequent"}
    assert prepared(text, missing=some).parts["train"].rows.tolist() == [0, 3]


def test_a_dropped_row_may_lack_other_values_too(prepared: Prepared) -> None:
    dataset = prepared("a,b,y\n1,2,0\n,x,1\n3,4,1\n", missing={"a": "drop"})
    assert dataset.parts["train"].rows.tolist() == [0, 2]
    dataset = prepared("a,b,y\n1,2,0\n,,1\n3,4,1\n", missing={"a": "drop"})
    assert dataset.parts["train"].rows.tolist() == [0, 2]


def test_fills_are_learned_from_the_training_part() -> None:
    x = np.array([[1.0], [3.0], [np.nan], [100.0], [200.0]])
    arrays = {"x": x, "y": np.array([0.1, 0.2, 0.3, 0.4, 0.5])}
    split = {"by": "order", "validation": 0.2, "test": 0.2}
    from nettrain.data import ArraySource

    section = {"source": ArraySource(**arrays), "missing": "mean", "split": split}
    dataset = bundled(**section, preprocess=["min_max"])
    assert dataset.parts["train"].inputs[:, 0].tolist() == [0, 1, 0.5]
    assert dataset.parts["test"].inputs[0, 0] == 99.5


def test_a_column_of_which_only_other_parts_have_values(prepared: Prepared) -> None:
    for value in ("7", "p"):
        text = f"a,b,y\n1,,0\n2,,1\n3,{value},1\n"
        split = {"test": 0.3, "by": "order"}
        with pytest.raises(Error) as caught:
            prepared(text, split=split, missing={"b": "most_frequent"})
        assert found(caught.value) == [("data-empty-column", "table.csv")]


def test_fills_equal_scikit_learn() -> None:
    from sklearn.impute import SimpleImputer

    from nettrain.data import ArraySource

    x = np.random.RandomState(0).randint(0, 5, (50, 4)) * np.pi
    x[x == 0] = np.nan
    for policy in ("mean", "median", "most_frequent"):
        source = ArraySource(x, np.arange(50) % 2)
        dataset = bundled(source=source, missing=policy, split={})
        expected = SimpleImputer(strategy=policy).fit_transform(x).astype(np.float32)
        assert (dataset.parts["train"].inputs == expected).all()


# ---------------------------------------------------------------- parts


def test_parts_are_disjoint_and_whole() -> None:
    dataset = bundled(source="iris")
    rows = {part: set(p.rows.tolist()) for part, p in dataset.parts.items()}
    assert list(dataset.parts) == ["train", "validation", "test"]
    assert set.union(*rows.values()) == set(range(150))
    assert sum(map(len, rows.values())) == 150
    for part in dataset.parts.values():
        assert np.ptp(np.bincount(part.targets)) <= 1


def test_the_split_depends_on_the_seed() -> None:
    config = build_fields(DataConfig, {"source": "iris"})
    first, again, other = (
        prepare(config, seed=seed).parts["test"].rows.tolist() for seed in (0, 0, 1)
    )
    assert first == again != other


def test_learned_on_the_training_part_only() -> None:
    dataset = bundled(source="wine", preprocess=[{"standardize": {"floor": 0}}])
    train, test = dataset.parts["train"].inputs, dataset.parts["test"].inputs
    assert np.abs(train.mean(axis=0)).max() < 1e-6
    assert np.abs(train.std(axis=0) - 1).max() < 1e-6
    assert np.abs(test.mean(axis=0)).max() > 0.05


def test_parts_in_files_of_their_own(
    write: Callable[..., str], prepared: Prepared
) -> None:
    write("y,extra,a\nyes,1,20\nno,2,10\n", "validation.csv")
    dataset = prepared(TEN, split={"validation": "validation.csv", "test": 0.2})
    assert {k: len(p) for k, p in dataset.parts.items()} == {
        "train": 8,
        "validation": 2,
        "test": 2,
    }
    assert dataset.parts["validation"].inputs.tolist() == [[20], [10]]
    assert dataset.parts["validation"].targets.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("content", "code", "where"),
    [
        ("a,y\n1,no\n2,perhaps\n", "data-unseen-class", "other.csv:3:3"),
        ("a,z\n1,no\n", "data-missing-column", "other.csv:1"),
        ("a,y\nx,no\n", "data-not-a-number", "other.csv:2:1"),
        ("a,y\n1,no\n2\n", "data-ragged-row", "other.csv:3:2"),
    ],
)
def test_errors_in_a_part_of_its_own(
    write: Callable[..., str], prepared: Prepared, content: str, code: str, where: str
) -> None:
    write(content, "other.csv")
    with pytest.raises(Error) as caught:
        prepared(TEN, split={"test": "other.csv"})
    assert found(caught.value) == [(code, where)]
    assert caught.value.exit_code == 3


def test_a_category_only_validation_has(
    write: Callable[..., str], prepared: Prepared
) -> None:
    write("a,y\nq,0\nr,1\n", "other.csv")
    text = "a,y\np,0\nq,1\n"
    with pytest.raises(Error) as caught:
        prepared(text, split={"test": "other.csv"})
    assert found(caught.value) == [("data-unseen-category", "other.csv:3:1")]
    assert "unknown: ignore" in (caught.value.fix or "")
    dataset = prepared(
        text,
        split={"test": "other.csv"},
        preprocess=[{"one_hot": {"unknown": "ignore"}}],
    )
    assert dataset.parts["test"].inputs.tolist() == [[0, 1], [0, 0]]


def test_a_class_only_the_test_part_has(prepared: Prepared) -> None:
    text = "a,y\n1,p\n2,q\n3,p\n4,r\n"
    with pytest.raises(Error) as caught:
        prepared(text, split={"test": 0.25, "by": "order"})
    assert found(caught.value) == [("data-unseen-class", "table.csv:5:3")]


def test_arrays_already_split(tmp_path: Path) -> None:
    x, y = np.arange(20.0).reshape(10, 2), np.arange(10) % 2
    path = str(tmp_path / "arrays.npz")
    np.savez(path, x_train=x, y_train=y, x_test=x[:4], y_test=y[:4])
    dataset = bundled(source=path)
    sizes = {k: len(p) for k, p in dataset.parts.items()}
    assert sizes == {"train": 8, "validation": 2, "test": 4}
    with pytest.raises(Error) as caught:
        bundled(source=path, split={"test": 0.3})
    assert found(caught.value) == [("config-split", "config.yaml:data.split.test")]
    np.savez(path, x_train=x, y_train=y, x_test=x[:, :1], y_test=y)
    with pytest.raises(Error, match="different shapes"):
        bundled(source=path)


# ---------------------------------------------------------------- shapes and hashes


def test_shapes(tmp_path: Path) -> None:
    assert bundled(source="digits").parts["train"].inputs.shape == (1258, 64)
    images = bundled(source="digits", shape=[1, 8, 8])
    assert images.parts["train"].inputs.shape == (1258, 1, 8, 8)
    assert images.preparation.input_shape == (1, 8, 8)
    path = str(tmp_path / "arrays.npz")
    np.savez(path, x=np.zeros((20, 1, 3, 2)), y=np.arange(20) % 2)
    assert bundled(source=path).preparation.input_shape == (1, 3, 2)
    assert bundled(source=path, shape=[6]).preparation.input_shape == (6,)


def test_dtype() -> None:
    config = build_fields(DataConfig, {"source": "diabetes"})
    for dtype in ("float32", "float64"):
        part = prepare(config, seed=0, dtype=dtype).parts["train"]
        assert part.inputs.dtype == part.targets.dtype == np.dtype(dtype)


def test_values_beyond_float32_are_refused(write: Callable[..., str]) -> None:
    section = {"source": write("a,b,y\n1,2,0\n1,1e39,1\n"), "target": "y", "split": {}}
    config = build_fields(DataConfig, section)
    assert prepare(config, seed=0, dtype="float64").parts["train"].inputs[1, 1] == 1e39
    with pytest.raises(Error, match="too large for float32") as caught:
        prepare(config, seed=0)
    assert found(caught.value) == [("data-infinite", "table.csv:3:3")]


@pytest.mark.parametrize("step", ["standardize", "robust", "min_max"])
def test_values_that_a_step_cannot_take_are_refused(
    prepared: Prepared, step: str
) -> None:
    text = "a,y\n-1e308,0\n1e308,1\n-1e308,0\n1e308,1\n"
    with pytest.raises(Error, match="too large to work with") as caught:
        prepared(text, preprocess=[step])
    assert found(caught.value) == [("data-infinite", "table.csv")]


def test_the_hash_is_of_the_raw_values(prepared: Prepared) -> None:
    first = prepared("a,y\n1,0\n2,1\n").sha256
    assert prepared("a,y\n1.0,0\n2,1\n", preprocess=["standardize"]).sha256 == first
    others = [
        "a,y\n1,0\n3,1\n",
        "b,y\n1,0\n2,1\n",
        "a,y\n1,0\n2,2\n",
        "a,y\n2,1\n1,0\n",
    ]
    hashes = {prepared(text).sha256 for text in others}
    assert len(hashes | {first}) == 5
    assert bundled(source="digits").sha256 == PINNED


def test_the_hash_covers_files_of_parts(
    write: Callable[..., str], prepared: Prepared
) -> None:
    hashes = set()
    for text in ("a,y\n1,no\n", "a,y\n2,no\n", "a,y\n1,yes\n"):
        write(text, "other.csv")
        hashes.add(prepared(TEN, split={"test": "other.csv"}).sha256)
    hashes.add(prepared(TEN, split={"validation": "other.csv"}).sha256)
    assert len(hashes | {prepared(TEN).sha256}) == 5


PINNED = "f0dab776c824db8f0d41e3a365f430aa63ba70cbae29753caf60532cbac96764"


def test_profile(prepared: Prepared) -> None:
    found = profile(prepared("a,b,y\n1,5,no\n2,5,yes\n3,5,yes\n"))
    assert found["constant_features"] == ["b"]
    assert found["parts"] == {"train": {"rows": 3, "classes": {"no": 1, "yes": 2}}}
    targets = profile(prepared("a,y\n1,0.5\n2,1.5\n"))["parts"]["train"]["targets"]
    assert targets == {"y": {"mean": 1.0, "std": 0.5}}


def test_every_table_of_the_project_trains() -> None:
    folder = Path(__file__).parents[2] / "data"
    wine = bundled(source=str(folder / "wine.csv"), target="cultivar")
    same = bundled(source="wine")
    for part in wine.parts:
        assert (wine.parts[part].inputs == same.parts[part].inputs).all()
        assert (wine.parts[part].targets == same.parts[part].targets).all()
    section = {"target": "progression", "columns": {"sex": "categorical"}}
    diabetes = bundled(source=str(folder / "diabetes.csv"), **section)
    assert diabetes.preparation.task == "regression"
    assert diabetes.preparation.outputs == 1


# ---------------------------------------------------------------- at the config line


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ({"target": None}, [("config-missing-key", "data")]),
        ({"target": "z"}, [("config-unknown-column", "data.target")]),
        ({"target": ["y", "y"]}, [("config-value", "data.target.1")]),
        ({"target": []}, [("config-missing-key", "data.target")]),
        (
            {"target": "yy", "columns": {"b": "ignore"}, "missing": {"c": "mean"}},
            [
                ("config-unknown-column", "data.target"),
                ("config-unknown-column", "data.columns.b"),
                ("config-unknown-column", "data.missing.c"),
            ],
        ),
        ({"columns": {"a": "ignore"}}, [("config-columns", "data.columns")]),
        ({"columns": {"y": "ignore"}}, [("config-columns", "data.columns.y")]),
        ({"task": "regression"}, [("config-task", "data.task")]),
        ({"task_of_loss": "regression"}, [("config-task", "data.target")]),
        ({"target": ["a", "y"]}, [("config-columns", "data.columns")]),
        ({"missing": {"y": "mean"}}, [("config-missing", "data.missing.y")]),
        ({"preprocess": ["one_hot"]}, [("config-preprocess", "data.preprocess.0")]),
        ({"preprocess": ["codes"]}, [("config-preprocess", "data.preprocess.0")]),
        (
            {"target": "inputs", "task_of_loss": "classification"},
            [("config-task", "data.target")],
        ),
        (
            {"target": "inputs", "columns": {"a": "ignore", "y": "ignore"}},
            [("config-columns", "data.columns")],
        ),
        (
            {"target": "inputs", "standardize_target": True},
            [("config-standardize-target", "data.standardize_target")],
        ),
        ({"shape": [2, 3]}, [("config-shape", "data.shape")]),
        (
            {"split": {"validation": 0.01, "test": 0.1}},
            [("config-split", "data.split.validation")],
        ),
        (
            {"split": {"test": 0.99, "stratify": False}},
            [("config-split", "data.split")],
        ),
        (
            {"split": {"test": 0.89, "stratify": True}},
            [("config-stratify", "data.split.stratify")],
        ),
        (
            {"split": {"test": "absent.csv"}},
            [("data-missing-file", "data.split.test")],
        ),
        ({"source": "absent.csv"}, [("data-missing-file", "data.source")]),
    ],
)
def test_errors_cite_the_config(
    prepared: Prepared, section: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    with pytest.raises(Error) as caught:
        prepared(TEN, **section)
    places = [(code, f"config.yaml:{path}") for code, path in expected]
    assert found(caught.value) == places
    assert caught.value.exit_code == (3 if "data-missing-file" in str(places) else 2)


@pytest.mark.parametrize(
    ("text", "section", "expected"),
    [
        (
            "a,y\n1,0.5\n2,1\n3,2\n",
            {"split": {"stratify": True, "test": 0.3}},
            ("config-stratify", "data.split.stratify"),
        ),
        (
            "a,y\n1,0.5\n2,1\n",
            {"task": "classification"},
            ("config-task", "data.target"),
        ),
        (
            "a,z,y\n1,p,0\n2,,1\n",
            {"missing": "mean"},
            ("config-missing", "data.missing"),
        ),
        (
            "a,z,y\n1,p,0\n2,q,1\n",
            {"missing": {"z": "median"}},
            ("config-missing", "data.missing.z"),
        ),
        (
            "z,y\np,0\nq,1\n",
            {"preprocess": ["one_hot", "one_hot"]},
            ("config-preprocess", "data.preprocess.1"),
        ),
        (
            "z,y\np,0\nq,1\n",
            {"preprocess": ["one_hot", "codes"]},
            ("config-preprocess", "data.preprocess.1"),
        ),
        (
            "z,y\np,0\nq,1\n",
            {"target": "inputs", "preprocess": ["codes"]},
            ("config-preprocess", "data.preprocess.0"),
        ),
        (
            "a,z,y\n1,p,0\n2,q,1\n",
            {"target": ["z", "y"], "task": "classification"},
            ("config-task", "data.task"),
        ),
        (
            "a,z,y\n1,p,0\n2,q,1\n",
            {"target": ["z", "y"]},
            ("config-task", "data.target"),
        ),
        ("a;y\n1;0\n2;1\n", {}, ("data-delimiter", "data.source")),
    ],
)
def test_more_errors_cite_the_config(
    prepared: Prepared, text: str, section: dict[str, Any], expected: tuple[str, str]
) -> None:
    with pytest.raises(Error) as caught:
        prepared(text, **section)
    assert found(caught.value) == [(expected[0], f"config.yaml:{expected[1]}")]


def test_a_bundled_regression_is_no_classification() -> None:
    with pytest.raises(Error) as caught:
        bundled(source="diabetes", task="classification")
    assert found(caught.value) == [("config-task", "config.yaml:data.source")]


def test_a_fix_that_names_the_delimiter(prepared: Prepared) -> None:
    with pytest.raises(Error) as caught:
        prepared("a;y\n1;0\n2;1\n")
    assert caught.value.fix == ('say source: {file: {path: table.csv, delimiter: ";"}}')
    source = {"file": {"path": "table.csv", "delimiter": ";"}}
    assert len(prepared("a;y\n1;0\n2;1\n", source=source).parts["train"]) == 2


def test_what_a_fix_says_of_a_table_from_a_spreadsheet(prepared: Prepared) -> None:
    text = "a;b;y\n1,5;0;no\n2,5;-1,25;yes\n"
    with pytest.raises(Error) as caught:
        prepared(text)
    edit = caught.value.fix.edit  # type: ignore[union-attr]
    source = {"file": {"path": "table.csv", "delimiter": ";", "decimal": ","}}
    made = prepared(text, source=source)
    np.testing.assert_array_equal(made.parts["train"].inputs, [[1.5, 0], [2.5, -1.25]])
    assert found(caught.value) == [("data-delimiter", "config.yaml:data.source")]
    assert edit.value == source


def test_a_fix_keeps_what_was_said_before(prepared: Prepared) -> None:
    text = "a;y\n1.000;nö\n?;ja\n".encode("utf-16")
    source: Any = {"file": {"path": "table.csv", "missing_values": ["?"]}}
    for said in ({"encoding": "utf-16"}, {"delimiter": ";"}):
        with pytest.raises(Error) as caught:
            prepared(text, source=source)
        assert found(caught.value)[0][1] == "config.yaml:data.source"
        edited = caught.value.fix.edit.value  # type: ignore[union-attr]
        assert edited == {"file": {**source["file"], **said}}
        source = edited
    source["file"]["thousands"], source["file"]["decimal"] = ".", ","
    made = prepared(text, source=source, missing={"a": "mean"})
    assert made.parts["train"].inputs.tolist() == [[1000.0], [1000.0]]
    assert made.preparation.classes == ("ja", "nö")


def test_further_rows_are_read_by_the_same_marks(prepared: Prepared) -> None:
    source = {"file": {"path": "table.csv", "delimiter": ";", "decimal": ","}}
    made = prepared("a;b;y\n1,5;0;no\n2,5;-1,25;yes\n", source=source).preparation
    again = type(made).from_json(made.to_json())
    Path("more.csv").write_text("a;b\n0,5;1\n", "utf-8")
    assert again.transform(again.read("more.csv")).tolist() == [[0.5, 1.0]]
    Path("more.csv").write_text("a,b\n0.5,1\n", "utf-8")
    with pytest.raises(Error, match='separated by ","') as caught:
        again.read("more.csv")
    assert found(caught.value) == [("data-delimiter", "more.csv:1:2")]
    same = "write it as the table that was trained on, with "
    assert caught.value.fix == same + 'delimiter: ";"'
    Path("more.csv").write_text("ä;b\n0,5;1\n", "cp1252")
    with pytest.raises(Error, match="not UTF-8") as caught:
        again.read("more.csv")
    assert found(caught.value) == [("data-encoding", "more.csv:1:1")]
    assert caught.value.fix == same + "encoding: utf-8"


def test_bad_values_of_arrays_are_named_by_row() -> None:
    from nettrain.data import ArraySource

    x = np.array([[1.0, 2.0], [np.inf, 3.0], [4.0, np.nan]])
    with pytest.raises(Error) as caught:
        bundled(source=ArraySource(x, [0, 1, 0]), split={})
    messages = [error.message for error in caught.value.errors]  # type: ignore[attr-defined]
    assert messages == [
        '"inf" in column "x1" is infinite (row 1, counted from 0)',
        'column "x2" has no value here (row 2, counted from 0)',
    ]
