"""Columns that alone tell the target, of real data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import datasets

from nettrain.data.dataset import prepare
from nettrain.data.preprocess import Codes
from nettrain.data.settings import DataConfig, Split
from nettrain.data.sources import ArraySource, FileSource
from nettrain.diagnose.facts import Told
from nettrain.experiment.telling import telling

RANDOM = np.random.default_rng(0)
NOISE = RANDOM.normal(size=(400, 2))
RARE = (np.arange(400) % 20 == 0).astype(int)


def all_told(x: Any, y: Any, **data: Any) -> dict[str, Told]:
    config = DataConfig(ArraySource(x, y), split=Split(), **data)
    return telling(prepare(config, seed=0))


def told(x: Any, y: Any, **data: Any) -> dict[str, float]:
    return {name: each.share for name, each in all_told(x, y, **data).items()}


def beside(column: Any, y: Any, **data: Any) -> dict[str, float]:
    """Of the third column, beside two of noise."""
    rows = len(column)
    return told(np.column_stack([NOISE[:rows], column]), y, **data)


@pytest.mark.parametrize("y", [RARE, np.arange(400) % 7])
def test_the_target_in_other_words(y: np.ndarray) -> None:
    assert beside(y, y) == {"x3": 1.0}
    assert beside(100 - 3 * y, y) == {"x3": 1.0}


def test_as_many_values_as_classes() -> None:
    """Six rows of each."""
    y = np.arange(60) % 10
    assert beside(100 - 3 * y, y) == {"x3": 1.0}
    assert beside(100 * y + np.arange(60) // 30, y) == {}


def test_many_values_for_each_class() -> None:
    status = np.where(RARE, RANDOM.integers(0, 4, 400), RANDOM.integers(4, 9, 400))
    assert beside(status, RARE) == {"x3": 1.0}
    status[19] = status[0]  # one of 380, whose value is that of the rare ones
    (share,) = beside(status, RARE).values()
    assert 0.99 < share < 1


def test_a_rare_class_counts_as_much_as_others() -> None:
    """19 of 20 rows are right by saying always the same."""
    assert beside(RANDOM.integers(0, 9, 400), RARE) == {}


def test_a_value_that_comes_once_tells_nothing() -> None:
    assert beside(np.arange(400), RARE) == {}
    column = RANDOM.integers(0, 9, 400)
    column[RARE == 1] = 100 + np.arange(20)  # no two alike
    assert beside(column, RARE) == {}


def test_few_rows_prove_nothing() -> None:
    y = np.arange(18) % 2
    assert beside(y, y) == {}
    y = np.arange(22) % 2
    assert beside(y, y) == {"x3": 1.0}
    y = (np.arange(400) > 396).astype(int)  # three rows of a class
    assert beside(y, y) == {}
    y = np.arange(400) % 2
    column = y.copy()
    y[:3] = 2  # what is told of a class of three rows says nothing
    assert beside(column, y) == {"x3": 1.0}


def test_a_single_column_is_the_task() -> None:
    assert told(RARE[:, None], RARE) == {}
    assert told(np.column_stack([RARE, RARE]), RARE) == {"x1": 1.0, "x2": 1.0}


def test_a_quantity_in_another_unit() -> None:
    y = NOISE[:, 0] * 3 + NOISE[:, 1]
    kelvin = np.round(1.8 * y + 32, 2)
    assert beside(kelvin, y, task="regression") == {"x3": 1.0}
    assert beside(y + 0.1 * RANDOM.normal(size=400), y, task="regression") == {}
    small = 1e-3 * y
    near = small + 2e-5 * RANDOM.normal(size=400)
    assert beside(near, small, task="regression") == {}
    some = np.where(NOISE[:, 1] > 1, y, 0)
    assert beside(3 * some, some, task="regression") == {"x3": 1.0}
    far = np.zeros(400)
    far[7] = y[7] = 1e6  # one row is no line
    assert beside(far, y, task="regression") == {}


def test_one_of_several_targets() -> None:
    y = RANDOM.normal(size=(400, 2))
    columns = np.column_stack([NOISE, y[:, 1] * 5, NOISE[:, 0] + y[:, 0], -y[:, 0]])
    first, second = all_told(columns, y).items()
    assert (first, second) == (
        ("x3", Told("target2", 1.0)),
        ("x5", Told("target1", 1.0)),
    )


@pytest.mark.parametrize("values", [4, 5, 8])
def test_more_values_than_classes_are_no_other_words(values: int) -> None:
    """A city tells its country."""
    y = np.arange(400) % 4
    columns = np.column_stack([NOISE, np.arange(400) % 4 + 4 * (np.arange(400) % 3)])
    assert all_told(columns, y) == {"x3": Told("target", 1.0, how="several")}
    columns[:, 2] = np.where(np.arange(400) % 8 < values, np.arange(400) % 8, y)
    assert all_told(columns, y)["x3"].how == ("same" if values == 4 else "several")
    y = y.astype(float)
    assert all_told(columns, y, task="regression")["x3"].how == (
        "same" if values == 4 else "several"
    )


def test_texts_are_one_column(tmp_path: Path) -> None:
    code = np.array(["lo", "mid", "hi", "top"])[np.arange(400) % 4]
    cells = zip(NOISE[:, 0], code, strict=True)
    lines = [f"{a:.3f},{c},{n % 4}" for n, (a, c) in enumerate(cells)]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["a,code,y", *lines]), "utf-8")
    for steps in ((), (Codes(),)):
        config = DataConfig(FileSource(str(path)), target="y", preprocess=steps)
        assert telling(prepare(config, seed=0)) == {"code": Told("y", 1.0)}


@pytest.mark.parametrize("name", ["iris", "wine", "digits", "breast_cancer"])
def test_nothing_is_told_by_healthy_data(name: str) -> None:
    """Not of one class among the others either."""
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    for labels in (y, *(np.equal(y, k).astype(int) for k in np.unique(y))):
        assert all(share < 0.95 for share in told(x, labels).values())


def test_wide_and_long_tables_are_seen_in_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from nettrain.experiment import telling as module

    monkeypatch.setattr(module, "_WIDE", 2)
    monkeypatch.setattr(module, "_SAMPLE", 64)
    columns = np.column_stack([NOISE, RARE, NOISE, RARE])
    assert told(columns, RARE) == {"x3": 1.0, "x6": 1.0}
    y = NOISE @ [1, 2]
    columns = np.column_stack([NOISE, 3 * y, NOISE])
    assert told(columns, y, task="regression") == {"x3": 1.0}


QUANTITY = NOISE[:, 0] * 3 + NOISE[:, 1]


@pytest.mark.parametrize(
    "column",
    [
        np.round(QUANTITY),
        np.round(QUANTITY, 1),
        QUANTITY > 1,
        -np.exp(QUANTITY),
        np.arctan(QUANTITY).round(2),
        np.sort(QUANTITY)[-21] < QUANTITY,
    ],
)
def test_what_follows_from_a_quantity(column: np.ndarray) -> None:
    found = all_told(np.column_stack([NOISE, column]), QUANTITY, task="regression")
    assert found == {"x3": Told("target", 1.0, "follows")}
    noisy = column + 0.2 * np.std(column) * RANDOM.normal(size=400)
    assert beside(noisy, QUANTITY, task="regression") == {}


def test_a_few_rows_do_not_follow() -> None:
    column = np.round(QUANTITY, 1)
    column[7] = 99
    (share,) = beside(column, QUANTITY, task="regression").values()
    assert 0.997 < share < 1
    column[::9] = 99
    assert beside(column, QUANTITY, task="regression") == {}
    turning = (QUANTITY > 1) * 2.0 - (QUANTITY > 4)
    assert beside(turning, QUANTITY, task="regression") == {}
    rare = (np.sort(QUANTITY)[-20] < QUANTITY).astype(float)  # 19 rows
    assert beside(rare, QUANTITY, task="regression") == {}


def test_a_target_of_few_values_is_followed_by_what_it_determines() -> None:
    """Petals tell the setosa, and do not follow from it."""
    y = np.round(QUANTITY)
    assert beside(QUANTITY, y, task="regression") == {}
    assert beside(np.round(y / 3), y, task="regression") == {"x3": 1.0}


def test_a_trend_does_not_follow_from_the_target() -> None:
    y = np.arange(400) ** 1.5
    assert beside(1900 + np.arange(400), y, task="regression") == {}
    order = RANDOM.permutation(400)
    found = beside(1900 + np.arange(400)[order], y[order], task="regression")
    assert found == {"x3": 1.0}


CLASSES = np.arange(400) % 3
ZEROS = np.where(NOISE[:, 0] > 1, np.round(QUANTITY, 3), 0)


@pytest.mark.parametrize(
    ("gaps", "y", "task", "known"),
    [
        (RARE == 1, RARE, "classification", True),
        (RARE == 0, RARE, "classification", True),
        (CLASSES == 1, CLASSES, "classification", True),
        (CLASSES != 1, CLASSES, "classification", True),
        (ZEROS == 0, ZEROS, "regression", True),
        (QUANTITY > 2, QUANTITY, "regression", True),
        (NOISE[:, 1] > 1, RARE, "classification", False),
        ((CLASSES == 1) ^ (NOISE[:, 1] > 1), CLASSES, "classification", False),
        (QUANTITY + NOISE[:, 1] > 2, QUANTITY, "regression", False),
        (np.arange(400) == 4, (np.arange(400) == 4) * 1, "classification", False),
    ],
)
@pytest.mark.parametrize("text", [False, True])
def test_gaps_that_tell_the_target(
    gaps: np.ndarray, y: np.ndarray, task: str, known: bool, text: bool
) -> None:
    values = RANDOM.integers(0, 9, 400).astype(object)
    values = np.array([f"t{v}" for v in values], object) if text else values
    values[gaps] = None
    x = np.column_stack([NOISE.astype(object), values])
    missing = {"x3": "most_frequent"}
    found = all_told(x, y, task=task, missing=missing)
    assert found == ({"x3": Told("target", 1.0, "gaps")} if known else {})


def test_beside_its_gaps_a_column_tells() -> None:
    """Were they filled in with its commonest value, these rows would say otherwise."""
    values = (100 - 3 * CLASSES).astype(float)
    values[NOISE[:, 1] > 1] = np.nan
    found = all_told(np.column_stack([NOISE, values]), CLASSES, missing="median")
    assert found == {"x3": Told("target", 1.0)}
