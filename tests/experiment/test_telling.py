"""Columns that alone tell the target, of real data sets."""

from __future__ import annotations

from dataclasses import replace
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
OTHER = np.random.default_rng(1).normal(size=400)
RARE = (np.arange(400) % 20 == 0).astype(int)


def all_told(x: Any, y: Any, **data: Any) -> dict[str, Told]:
    """Of as many rows as it may be."""
    config = DataConfig(ArraySource(x, y), split=Split(), **data)
    found = telling(prepare(config, seed=0))
    return {name: replace(each, rows=0) for name, each in found.items()}


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
        ("x3", Told("target2", 1.0, "follows", needed=True)),
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
    columns = np.column_stack([columns, y + NOISE[:, 0]])  # and more to learn from
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
        assert telling(prepare(config, seed=0)) == {"code": Told("y", 1.0, rows=70)}


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


# ---------------------------------------------------------------- laws


@pytest.mark.parametrize("law", [2 * OTHER + 5, np.exp(OTHER)])
@pytest.mark.parametrize("line", [1.0, 0.1, 0.0])
def test_a_law_is_no_telling_column_where_there_is_nothing_else(
    law: np.ndarray, line: float
) -> None:
    """A fee follows from the weight; of a leak there are columns to learn from, too."""
    more = line * law + np.std(law) * RANDOM.normal(size=400)
    x = np.column_stack([NOISE, OTHER, more])
    (found,) = all_told(x, law, task="regression").items()
    assert found[0] == "x3"
    assert found[1].needed == (line < 1)
    assert found[1].how == "follows" or not found[1].needed


def test_values_of_a_quantity_may_be_a_law() -> None:
    """A tier's fee; of a class, the same column is the target in other words."""
    fee = np.array([10.0, 25.5, 60.0])[CLASSES]
    x = np.column_stack([NOISE, CLASSES])
    law = Told("target", 1.0, "follows", needed=True)
    assert all_told(x, fee, task="regression") == {"x3": law}
    assert all_told(x, CLASSES) == {"x3": Told("target", 1.0)}


def test_what_bends_is_something_to_learn_from() -> None:
    y = OTHER**2
    x = np.column_stack([NOISE, np.round(y, 1), OTHER + 0.1 * NOISE[:, 0]])
    assert not all_told(x, y, task="regression")["x3"].needed


def test_a_column_that_nearly_tells_is_left_to_learn_from() -> None:
    near = QUANTITY.round(2)
    near[RANDOM.permutation(400)[:20]] = 0  # tells .95
    x = np.column_stack([NOISE[::-1], near, QUANTITY * 9 + 2])
    found = all_told(x, QUANTITY, task="regression")
    assert 0.9 < found["x3"].share < 0.97
    assert found["x4"] == Told("target", 1.0)


def test_what_is_finer_than_the_target_does_not_follow() -> None:
    """A bill in cents is made from the meter, and not the meter from the bill."""
    bill = np.round(OTHER**3, 2)
    assert 200 < len(np.unique(bill)) < 400
    assert beside(OTHER, bill, task="regression") == {}
    assert beside(bill, OTHER, task="regression") == {"x3": 1.0}


@pytest.mark.parametrize(
    ("names", "sizes", "known"),
    [
        (["low", "mid", "high"], 0.0, True),
        (["a", "b", "c"], 0.0, True),
        (["S", "M", "L"], 1.0, False),
        (["low", "mid", "high"], 1.5, False),
    ],
)
def test_texts_have_the_order_of_the_target(
    tmp_path: Path, names: list[str], sizes: float, known: bool
) -> None:
    """Grades are cut from points. Of three sizes, six prices were made."""
    cut = np.searchsorted([-2, 2], QUANTITY + sizes * RANDOM.normal(size=400))
    points = QUANTITY
    if names[0] == "S":
        points = np.array([10, 20, 35])[cut] * np.where(NOISE[:, 1] > 0, 1.5, 1)
    rows = zip(*NOISE.T, cut.tolist(), points, strict=True)
    lines = [f"{a},{b},{names[c]},{y}" for a, b, c, y in rows]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["a,b,grade,y", *lines]), "utf-8")
    config = DataConfig(FileSource(str(path)), target="y", split=Split())
    found = telling(prepare(config, seed=0, task="regression"))
    assert [*found] == ["grade"] * known


def test_ids_of_texts_follow_from_nothing(tmp_path: Path) -> None:
    lines = [f"{OTHER[n]},n{n},{QUANTITY[n]}" for n in range(400)]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["a,name,y", *lines]), "utf-8")
    config = DataConfig(FileSource(str(path)), target="y", split=Split())
    assert telling(prepare(config, seed=0, task="regression")) == {}


@pytest.mark.parametrize(("wrong", "known"), [(0, True), (1, True), (50, False)])
def test_a_value_that_stands_for_a_class(wrong: int, known: bool) -> None:
    """Days in hospital: 0 of the healthy alone."""
    days = np.where(RARE, RANDOM.uniform(1, 300, 400), 0.0)
    days[1 : 1 + wrong] = 7.5  # few of these are ill
    y = 1 - RARE
    (found,) = [*all_told(np.column_stack([NOISE, days]), y).values()] or [None]
    assert (found is not None) == known
    if found:
        assert found.how == "several"
        assert found.share == pytest.approx(1 - (wrong - wrong // 20) / 380)
    others = np.where(CLASSES == 1, 0.0, RANDOM.uniform(1, 300, 400))
    assert beside(others, CLASSES) == {}  # of three classes it tells but one


def test_of_how_many_rows_the_share_is() -> None:
    def rows(x: Any, y: Any, **data: Any) -> int:
        config = DataConfig(ArraySource(x, y), split=Split(), **data)
        (found,) = telling(prepare(config, seed=0)).values()
        return found.rows

    flipped = RARE.copy()
    flipped[0] = 0  # one of the 20
    assert rows(np.column_stack([NOISE, flipped]), RARE) == 20
    flipped = RARE.copy()
    flipped[1] = 1  # one of the 380
    assert rows(np.column_stack([NOISE, flipped]), RARE) in (20, 380)
    y, half = QUANTITY, (QUANTITY > 0) * QUANTITY.round(1)
    assert rows(np.column_stack([NOISE, 3 * y]), y, task="regression") == 400
    count = np.count_nonzero(half)
    assert rows(np.column_stack([NOISE, half]), y, task="regression") == count
