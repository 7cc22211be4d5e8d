"""Files beside the training table: validation, test, and what `predict` is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nettrain.component import build_fields
from nettrain.data import DataConfig, Dataset, Preparation, prepare
from nettrain.errors import Error

from .conftest import found, placed

TABLE = "a,zone,y\n1,north,no\n2,south,yes\n3,north,no\n4,south,yes\n"
REAL = "a,b,y\n1,2,0.5\n2,3,1.5\n3,5,2.5\n"

# name: (file, [(code, place), …]); the place is line:column, or that of the config
BESIDE: dict[str, tuple[str | bytes, list[tuple[str, str]]]] = {
    "nothing": ("", [("data-no-rows", "1")]),
    "header alone": ("a,zone,y\n", [("data-no-rows", "1")]),
    "no column a": ("zone,y\nnorth,no\n", [("data-missing-column", "1")]),
    "no target": ("a,zone\n1,north\n", [("data-missing-column", "1")]),
    "no column of all": ("p,q\n1,2\n", [("data-missing-column", "1")]),
    "other case": ("A,zone,y\n1,north,no\n", [("data-missing-column", "1")]),
    "no header": ("1,2,3\n4,5.5,6\n", [("data-missing-column", "1")]),
    "other delimiter": ("a;zone;y\n1;north;no\n", [("data-delimiter", "1:2")]),
    "duplicate column": ("a,a,zone,y\n1,1,north,no\n",
                         [("data-duplicate-column", "1:3")]),
    "ragged": ("a,zone,y\n1,north,no\n1,north\n", [("data-ragged-row", "3:8")]),
    "quote": ('a,zone,y\n1,"north,no\n', [("data-quote", "2:3")]),
    "Latin-1": ("a,zone,y\n1,nörth,no\n".encode("latin-1"), [("data-encoding", "2:4")]),
    "null": (b"a,zone,y\n1,no\0rth,no\n", [("data-encoding", "2:5")]),
    "unseen class": ("a,zone,y\n1,north,maybe\n", [("data-unseen-class", "2:9")]),
    "class in other case": ("a,zone,y\n1,north,No\n", [("data-unseen-class", "2:9")]),
    "class that is a number": ("a,zone,y\n1,north,0\n", [("data-unseen-class", "2:9")]),
    "unseen category": ("a,zone,y\n1,east,no\n", [("data-unseen-category", "2:3")]),
    "category in other case": ("a,zone,y\n1,North,no\n",
                               [("data-unseen-category", "2:3")]),
    "category that is a number": ("a,zone,y\n1,7,no\n",
                                  [("data-unseen-category", "2:3")]),
    "text among numbers": ("a,zone,y\n1,north,no\nx,north,no\n",
                           [("data-not-a-number", "3:1")]),
    "texts in a numeric column": ("a,zone,y\np,north,no\nq,north,no\n",
                                  [("data-not-a-number", "2:1"),
                                   ("data-not-a-number", "3:1")]),
    "missing number": ("a,zone,y\n,north,no\n", [("data-missing-value", "2:1")]),
    "missing category": ("a,zone,y\n1,,no\n", [("data-missing-value", "2:3")]),
    "missing target": ("a,zone,y\n1,north,\n", [("data-missing-value", "2:9")]),
    "infinite": ("a,zone,y\n1e999,north,no\n", [("data-infinite", "2:1")]),
    "several": ("a,zone,y\nx,,no\n1,north,maybe\n",
                [("data-not-a-number", "2:1"), ("data-missing-value", "2:3"),
                 ("data-unseen-class", "3:9")]),
    "columns in other order": ("y,zone,a\nno,north,x\n",
                               [("data-not-a-number", "2:10")]),
}  # fmt: skip

REGRESSION: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "text target": ("a,b,y\n1,2,high\n", [("data-not-a-number", "2:5")]),
    "infinite target": ("a,b,y\n1,2,-inf\n", [("data-infinite", "2:5")]),
    "missing target": ("a,b,y\n1,2,NA\n", [("data-missing-value", "2:5")]),
    "too large for the run": ("a,b,y\n1e39,2,1\n", [("data-infinite", "2:1")]),
    "target too large": ("a,b,y\n1,2,-4e38\n", [("data-infinite", "2:5")]),
}

Write = Callable[..., str]


def train(
    write: Write, content: str, dtype: str = "float64", **section: Any
) -> Dataset:
    plain = {"source": write(content), "target": "y", "split": {}} | section
    config = build_fields(DataConfig, plain)
    return prepare(config, seed=0, dtype=dtype, place=placed)


def check(error: Error, file: str, expected: list[tuple[str, str]]) -> None:
    assert error.exit_code == 3
    assert found(error) == [(code, f"{file}:{where}") for code, where in expected]


@pytest.mark.parametrize("name", BESIDE)
@pytest.mark.parametrize("part", ["validation", "test"])
def test_a_part_that_does_not_fit(write: Write, name: str, part: str) -> None:
    content, expected = BESIDE[name]
    path = write(content, "other.csv")
    with pytest.raises(Error) as caught:
        train(write, TABLE, split={part: path})
    check(caught.value, "other.csv", expected)


@pytest.mark.parametrize("name", REGRESSION)
def test_a_part_of_a_regression(write: Write, name: str) -> None:
    content, expected = REGRESSION[name]
    with pytest.raises(Error) as caught:
        train(write, REAL, "float32", split={"test": write(content, "other.csv")})
    check(caught.value, "other.csv", expected)


OWN_TARGET = {"no target", "unseen class", "class in other case", "missing target",
              "class that is a number"}  # fmt: skip
"""What only a file with targets can have."""


@pytest.fixture
def preparation(write: Write) -> Preparation:
    return train(write, TABLE).preparation


@pytest.mark.parametrize("name", [name for name in BESIDE if name not in OWN_TARGET])
def test_rows_to_predict(write: Write, preparation: Preparation, name: str) -> None:
    content, expected = BESIDE[name]
    path = write(content, "new.csv")
    with pytest.raises(Error) as caught:
        preparation.transform(preparation.read(path))
    expected = [each for each in expected if each[0] != "data-unseen-class"]
    check(caught.value, "new.csv", expected)


@pytest.mark.parametrize("name", sorted(OWN_TARGET))
def test_targets_are_not_looked_at(
    write: Write, preparation: Preparation, name: str
) -> None:
    path = write(BESIDE[name][0], "new.csv")
    assert preparation.transform(preparation.read(path)).shape == (1, 3)


def test_dropped_rows_are_owed_a_prediction(write: Write) -> None:
    preparation = train(write, TABLE, missing="drop").preparation
    path = write("a,zone\n,north\n", "new.csv")
    with pytest.raises(Error) as caught:
        preparation.read(path)
    check(caught.value, "new.csv", [("data-missing-value", "2:1")])


@pytest.mark.parametrize(
    ("path", "code", "where"),
    [
        ("other.csv", "data-missing-file", "config.yaml:data.split.test"),
        ("folder.csv", "data-unreadable-file", "config.yaml:data.split.test"),
        ("no/where.csv", "data-missing-file", "config.yaml:data.split.test"),
        ("other.csv/x.csv", "data-missing-file", "config.yaml:data.split.test"),
        ("null\0.csv", "data-unreadable-file", "config.yaml:data.split.test"),
        ("x" * 300 + ".csv", "data-unreadable-file", "config.yaml:data.split.test"),
    ],
)
def test_a_part_that_is_not_there(
    write: Write, tmp_path: Any, path: str, code: str, where: str
) -> None:
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(Error) as caught:
        train(write, TABLE, split={"test": path})
    assert found(caught.value) == [(code, where)]


def test_every_row_of_a_part_is_dropped(write: Write) -> None:
    path = write("a,zone,y\n,north,no\n", "other.csv")
    with pytest.raises(Error) as caught:
        train(write, TABLE, split={"test": path}, missing="drop")
    assert found(caught.value) == [("data-no-rows", "config.yaml:data.split.test")]


def test_there_are_many() -> None:
    assert len(BESIDE) + len(REGRESSION) >= 30
