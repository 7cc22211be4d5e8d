"""Sources: the bundled sets as scikit-learn loads them, generators, files, arrays."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn import datasets

from nettrain.component import build, describe, dump, registered
from nettrain.data import (
    ArraySource,
    DataConfig,
    FileSource,
    Source,
    Split,
    bundled,
    prepare,
)
from nettrain.data.blocks import BlockSource
from nettrain.data.sources import Loaded
from nettrain.errors import Error

BUNDLED = {
    "digits": datasets.load_digits,
    "iris": datasets.load_iris,
    "wine": datasets.load_wine,
    "breast_cancer": datasets.load_breast_cancer,
    "diabetes": lambda: datasets.load_diabetes(scaled=False),
}
TABLES = {n for n, s in registered(Source).items() if not issubclass(s, BlockSource)}
GENERATORS = sorted(TABLES - set(BUNDLED) - {"file"})


def load(source: Any, seed: int = 0) -> Loaded:
    problems: list[Any] = []
    built = build(Source, source, (), problems)
    assert not problems
    loaded = built.load(seed)
    assert isinstance(loaded, Loaded)
    return loaded


def compare(loaded: Loaded, expected: Any) -> None:
    table = loaded.tables["train"]
    assert list(table.names[:-1]) == list(expected.feature_names)
    assert (np.stack(table.columns[:-1], axis=1) == expected.data).all()
    target = table.columns[-1]
    if isinstance(target, list):
        assert target == [expected.target_names[i] for i in expected.target]
    else:
        assert (target == expected.target).all()


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_sets_are_scikit_learns(name: str) -> None:
    compare(load(name), BUNDLED[name]())


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_sets_without_their_files(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundled, "_file", lambda name: None)
    compare(load(name), BUNDLED[name]())


@pytest.mark.parametrize("name", registered(Source))
def test_documented(name: str) -> None:
    summary, fields = describe(registered(Source)[name])
    assert summary
    assert all(field.meaning for field in fields)


@pytest.mark.parametrize("name", GENERATORS)
def test_generators_depend_on_the_seed_alone(name: str) -> None:
    first, again, other = (load(name, seed).tables["train"] for seed in (0, 0, 1))
    for a, b in zip(first.columns, again.columns, strict=True):
        assert (np.asarray(a) == np.asarray(b)).all()
    assert (first.columns[0] != other.columns[0]).any()
    assert load({name: {"samples": 30}}).tables["train"].columns[0].shape == (30,)


def test_spirals_never_change() -> None:
    table = load({"spirals": {"samples": 4, "noise": 0}}).tables["train"]
    assert table.columns[2].tolist() == [0, 1, 0, 1]
    radius = np.hypot(table.columns[0], table.columns[1])
    assert radius == pytest.approx(PINNED, abs=1e-12)


PINNED = [0.878785572858266, 0.6191819142115567, 0.8120896030662396, 0.2804549407164811]


def test_generators_check_their_fields() -> None:
    for source in (
        {"classification": {"features": 3, "informative": 4}},
        {"classification": {"informative": 2, "classes": 5}},
        {"regression": {"features": 2}},
        {"friedman1": {"features": 4}},
        {"moons": {"samples": 0}},
    ):
        problems: list[Any] = []
        build(Source, source, (), problems)
        assert len(problems) == 1


# ---------------------------------------------------------------- files


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("table.xls", "csv, .tsv or .npz"),
        ("folder/table", "csv, .tsv or .npz"),
        ({"file": {"path": "a.csv", "delimiter": ";;"}}, "one character"),
        ({"file": {"path": "a.csv", "decimal": ";"}}, "expected"),
        ({"file": {"path": "a.csv", "thousands": "."}}, "not between thousands"),
        ({"file": {"path": "a.csv", "encoding": "utf-61"}}, "no encoding of text"),
        ({"file": {"path": "a.csv", "encoding": "base64"}}, "no encoding of text"),
        ({"file": {"path": "a.csv", "encoding": "a\0b"}}, "no encoding of text"),
        ({"file": {"path": "a.csv", "encoding": "utf-7"}}, "no encoding of text"),
        ("digit", "unknown source"),
        (3, "expected a source"),
    ],
)
def test_a_source_that_is_none(value: object, message: str) -> None:
    problems: list[Any] = []
    build(Source, value, ("data", "source"), problems)
    assert message in problems[0].message


def test_suggestions() -> None:
    problems: list[Any] = []
    build(Source, "digit", (), problems)
    assert problems[0].fix == 'did you mean "digits"?'


@pytest.mark.parametrize(
    "source",
    [
        "table.csv",
        {
            "file": {
                "path": "t.csv",
                "delimiter": ";",
                "missing_values": ["?"],
                "decimal": ",",
                "thousands": ".",
                "encoding": "cp1252",
            }
        },
    ],
)
def test_files_are_written_back_as_they_were_said(source: Any) -> None:
    assert dump(build(Source, source, (), [])) == source


def test_delimiters(write: Callable[..., str]) -> None:
    for name, text, delimiter in (
        ("a.csv", "a,b\n1,2\n", "auto"),
        ("a.tsv", "a\tb\n1\t2\n", "auto"),
        ("a.TSV", "a\tb\n1\t2\n", "auto"),
        ("b.csv", "a;b\n1;2\n", ";"),
        ("c.csv", "a|b\n1|2\n", "|"),
    ):
        table = FileSource(write(text, name), delimiter).load(0).tables["train"]
        assert table.names == ("a", "b")
        assert [table.texts(name).tolist() for name in table.names] == [["1"], ["2"]]


def test_missing_files(write: Callable[..., str]) -> None:
    write("a,b\n1,2\n", "table.csv")
    with pytest.raises(Error) as caught:
        FileSource("tabel.csv").load(0)
    assert (caught.value.code, caught.value.exit_code) == ("data-missing-file", 3)
    assert caught.value.fix == 'did you mean "table.csv"?'
    with pytest.raises(Error, match="no folder") as caught:
        FileSource("nowhere/table.csv").load(0)
    assert caught.value.code == "data-missing-file"


def test_a_folder_is_no_file(write: Callable[..., str], tmp_path: Any) -> None:
    write("")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(Error) as caught:
        FileSource("folder.csv").load(0)
    assert caught.value.code == "data-unreadable-file"


# ---------------------------------------------------------------- arrays


def save(tmp_path: Any, **arrays: Any) -> str:
    path = tmp_path / "arrays.npz"
    np.savez(path, **arrays)
    return str(path)


X, Y = np.arange(24.0).reshape(4, 6), np.array([0, 1, 0, 1])


@pytest.mark.parametrize("names", [("x", "y"), ("X", "y"), ("X", "Y")])
def test_npz(tmp_path: Any, names: tuple[str, str]) -> None:
    loaded = FileSource(save(tmp_path, **dict(zip(names, (X, Y), strict=True)))).load(0)
    table = loaded.tables["train"]
    assert table.names == ("x1", "x2", "x3", "x4", "x5", "x6", "target")
    assert loaded.targets == ("target",)
    assert (np.stack(table.columns, axis=1)[:, :6] == X).all()


@pytest.mark.parametrize(
    ("y", "names"),
    [
        (Y[:, None], ("target",)),
        (np.stack([Y, Y], axis=1), ("target1", "target2")),
        (np.array(["a", "b", "a", "b"]), ("target",)),
        (Y > 0, ("target",)),
    ],
)
def test_targets_of_every_shape(tmp_path: Any, y: np.ndarray, names: Any) -> None:
    assert FileSource(save(tmp_path, x=X, y=y)).load(0).targets == names


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": X, "y": Y[:3]}, "y has 3 rows, x has 4"),
        ({"x": X[:, 0], "y": Y}, "x has the shape (4,)"),
        ({"x": X, "y": X.reshape(4, 2, 3)}, "y has the shape (4, 2, 3)"),
        ({"a": X, "b": Y}, "found a, b"),
        ({"x": X * 1j, "y": Y}, "dtype complex128"),
        ({"x": X[:0], "y": Y[:0]}, "x has the shape (0, 6)"),
        ({"x": np.array([[object()]]), "y": Y[:1]}, "not an npz file of plain arrays"),
        (
            {"x_train": X, "y_train": Y, "x_test": X, "y_test": Y[:1]},
            "y_test has 1 rows",
        ),
    ],
)
def test_bad_arrays(tmp_path: Any, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(Error) as caught:
        FileSource(save(tmp_path, **arrays)).load(0)
    assert (caught.value.code, caught.value.exit_code) == ("data-array", 3)
    assert message in caught.value.message
    assert "arrays.npz" in str(caught.value.place)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"text", b"\x80\x04K."])
def test_a_file_that_is_no_npz(write: Callable[..., str], content: bytes) -> None:
    with pytest.raises(Error) as caught:
        FileSource(write(content, "arrays.npz")).load(0)
    assert caught.value.code == "data-array"


def test_a_single_array_is_no_npz(write: Callable[..., str], tmp_path: Any) -> None:
    np.save(tmp_path / "one.npy", X)
    write((tmp_path / "one.npy").read_bytes(), "arrays.npz")
    with pytest.raises(Error, match="no archive"):
        FileSource("arrays.npz").load(0)


def test_pickles_are_never_loaded(tmp_path: Any) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return exec, ("raise AssertionError('it was run')",)

    path = save(tmp_path, x=np.array([[Trap()]], dtype=object), y=Y[:1])
    with pytest.raises(Error, match="holds Python objects"):
        FileSource(path).load(0)


def test_arrays_in_memory() -> None:
    lists = ArraySource(X.tolist(), ["a", "b", "a", "b"])
    dataset = prepare(DataConfig(lists, split=Split()), seed=0, dtype="float64")
    assert dataset.preparation.classes == ("a", "b")
    with pytest.raises(Error, match="no array"):
        ArraySource([[1], [1, 2]], [0, 1]).load(0)


def test_the_default_run_does_not_import_scikit_learn() -> None:
    code = (
        "import sys\n"
        "from nettrain.data import DataConfig, prepare\n"
        "from nettrain.component import build_fields\n"
        "section = {'source': 'digits', 'preprocess': ['standardize', 'min_max']}\n"
        "prepare(build_fields(DataConfig, section), seed=0)\n"
        "sys.exit('sklearn' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_arrays_that_may_be_the_targets_are_named(tmp_path: Any) -> None:
    labels = np.arange(4) % 2
    loaded = FileSource(save(tmp_path, x=X, labels=labels, more=labels)).load(0)
    assert loaded.others == ("labels", "more")
    assert loaded.lacking.endswith("there is labels, more")
    config = DataConfig(FileSource(save(tmp_path, x=X, labels=labels)))
    with pytest.raises(Error, match="no targets y") as caught:
        prepare(config, seed=0)
    assert "there is labels" in str(caught.value.fix)
    alone = FileSource(save(tmp_path, x=X)).load(0)
    assert alone.others == () and alone.lacking.startswith("add the array y")
