"""Splits: whole numbers, classes in proportion, the same rows for ever."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nettrain import randomness
from nettrain.component import build
from nettrain.data import split
from nettrain.data.dataset import Dataset, prepare
from nettrain.data.settings import DataConfig
from nettrain.errors import Error, Place, raise_all

KEY = randomness.key(0, "data/split")


@pytest.mark.parametrize(
    ("rows", "shares", "expected"),
    [
        (100, {"test": 0.29}, {"test": 29, "train": 71}),  # 0.29 * 100 < 29 in floats
        (
            1797,
            {"validation": 0.15, "test": 0.15},
            {"validation": 270, "test": 269, "train": 1258},
        ),
        (
            10,
            {"validation": 0.33, "test": 0.33},
            {"validation": 3, "test": 3, "train": 4},
        ),
        (3, {"validation": 0.1}, {"validation": 0, "train": 3}),
    ],
)
def test_sizes_by_largest_remainder(
    rows: int, shares: dict[str, float], expected: dict[str, int]
) -> None:
    assert split.sizes(rows, shares) == expected


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8), st.integers(0, 60))
def test_seats_are_within_one_of_their_quota(weights: list[int], total: int) -> None:
    whole = sum(weights)
    if whole < max(total, 1):
        return
    seats = split.apportion(weights, total, weights)
    assert sum(seats) == total
    for seat, weight in zip(seats, weights, strict=True):
        assert abs(seat - weight * total / whole) < 1
        assert seat <= weight


def test_limits_pass_seats_on() -> None:
    assert split.apportion([1, 1, 8], 5, [0, 0, 7]) == [0, 0, 5]
    assert split.apportion([5, 5], 8, [3, 5]) == [3, 5]


@given(st.lists(st.integers(0, 3), min_size=8, max_size=60), st.integers(0, 9))
def test_every_class_keeps_its_share(labels: list[int], seed: int) -> None:
    y = np.array([*labels, 0, 1, 2, 3])
    counts = split.sizes(len(y), {"validation": 0.2, "test": 0.2})
    parts = split.stratified(y, counts, randomness.key(seed, "x"))
    if parts is None:
        assert len(y) - 4 < counts["validation"] + counts["test"]
        return
    assert {part: len(rows) for part, rows in parts.items()} == counts
    assert sorted(np.concatenate(list(parts.values()))) == list(range(len(y)))
    assert set(y[parts["train"]]) == {0, 1, 2, 3}
    held = np.concatenate([parts["validation"], parts["test"]])
    for label, count in enumerate(np.bincount(y).tolist()):
        quota = count * len(held) / len(y)
        if quota + 1 < count:
            assert abs((y[held] == label).sum() - quota) < 2


def test_a_class_of_one_row_trains() -> None:
    y = np.array([0] * 9 + [1])
    for seed in range(20):
        parts = split.stratified(
            y, {"test": 5, "train": 5}, randomness.key(seed, "data/split")
        )
        assert parts is not None
        assert 9 in parts["train"]


def test_too_many_held_rows_cannot_be_stratified() -> None:
    assert split.stratified(np.arange(4), {"test": 1, "train": 3}, KEY) is None


def test_order_keeps_the_last_rows_for_the_test() -> None:
    parts = split.in_order(5, {"validation": 1, "test": 1, "train": 3})
    assert {k: v.tolist() for k, v in parts.items()} == {
        "train": [0, 1, 2],
        "validation": [3],
        "test": [4],
    }


def test_order_with_a_single_part() -> None:
    parts = split.in_order(4, {"test": 1, "train": 3})
    assert {k: v.tolist() for k, v in parts.items()} == {
        "train": [0, 1, 2],
        "test": [3],
    }


def test_the_rows_never_change() -> None:
    """Values written down once: a new version must split as the old one did."""
    counts = {"validation": 3, "test": 2, "train": 7}
    parts = split.at_random(12, counts, KEY)
    assert parts["validation"].tolist() == PINNED["validation"]
    assert parts["test"].tolist() == PINNED["test"]
    y = np.arange(100) % 7
    stratified = split.stratified(y, split.sizes(100, {"test": 0.3}), KEY)
    assert stratified is not None
    digest = hashlib.sha256(stratified["test"].astype("<i8").tobytes())
    assert digest.hexdigest()[:16] == PINNED["digest"]


PINNED: dict[str, object] = {
    "validation": [1, 4, 5],
    "test": [0, 6],
    "digest": "2e7b8db1f06f531c",
}


# ---------------------------------------------------------------- cross-validation


@given(
    st.lists(st.integers(0, 3), min_size=2, max_size=60),
    st.integers(2, 9),
    st.integers(0, 9),
)
def test_folds_are_all_rows_once_and_balanced(
    labels: list[int], folds: int, seed: int
) -> None:
    y, key = np.array(labels), randomness.key(seed, "data/folds")
    parts = [split.fold(y, number, folds, key) for number in range(1, folds + 1)]
    for outside, inside in parts:
        assert sorted([*outside, *inside]) == list(range(len(y)))
        assert list(outside) == sorted(outside) and list(inside) == sorted(inside)
    assert sorted(np.concatenate([inside for _, inside in parts])) == [*range(len(y))]
    counts = np.array([np.bincount(y[inside], minlength=4) for _, inside in parts])
    assert (np.ptp(counts, axis=0) <= 1).all() and np.ptp(counts.sum(axis=1)) <= 1


def test_the_seed_deals_the_folds() -> None:
    y = np.zeros(40, int)
    same, other = ([*split.fold(y, 1, 4, randomness.key(s, "x"))[1]] for s in (0, 1))
    assert same != other
    assert same != list(range(0, 40, 4))  # not as they stand


def prepared(cut: Mapping[str, Any], seed: int = 0, **more: Any) -> Dataset:
    given = {"source": "iris", "split": cut, **more}
    problems: list[Any] = []
    config: DataConfig = build(DataConfig, given, (), problems)
    raise_all([problem.error() for problem in problems])
    return prepare(config, seed=seed, dtype="float32", place=lambda path: Place("c"))


def test_each_row_that_is_not_for_the_test_validates_once() -> None:
    made = [prepared({"test": 0.2, "folds": 4, "fold": i}) for i in (1, 2, 3, 4)]
    parts = [one.parts for one in made]
    assert [set(one) for one in parts] == [{"train", "validation", "test"}] * 4
    tests = [one["test"].rows.tolist() for one in parts]
    assert tests == [tests[0]] * 4 and len(tests[0]) == 30
    alone = prepared({"test": 0.2}).parts["test"]
    assert tests[0] == alone.rows.tolist()  # that of a run without folds
    validated = np.concatenate([one["validation"].rows for one in parts])
    assert sorted([*validated, *tests[0]]) == list(range(150))
    for one in parts:
        assert np.bincount(one["validation"].targets).tolist() == [10, 10, 10]
        both = np.concatenate([one["train"].rows, one["validation"].rows])
        assert sorted(both) == sorted(validated)


def test_preprocessing_learns_from_the_rows_outside_the_fold() -> None:
    made = prepared({"folds": 3, "fold": 2}, preprocess=["standardize"])
    assert abs(made.parts["train"].inputs.mean()) < 1e-6
    assert abs(made.parts["validation"].inputs.mean()) > 1e-4


def test_folds_without_classes() -> None:
    made = prepared({"folds": 5, "fold": 5, "stratify": False})
    assert len(made.parts["validation"]) == 30
    counts = np.bincount(made.parts["validation"].targets, minlength=3)
    assert counts.tolist() != [10, 10, 10]
    many = prepared({"folds": 10, "fold": 10}, source="diabetes")
    assert len(many.parts["validation"]) == 44 and set(many.parts) == {
        "train",
        "validation",
    }


@pytest.mark.parametrize(
    ("cut", "told"),
    [
        ({"folds": 3, "fold": 4}, "fold: 4 of 3 folds"),
        ({"fold": 2}, "fold: 2 of 1 folds"),
        ({"folds": 3, "validation": 0.2}, "contradicts validation: a random fold"),
        ({"folds": 3, "by": "order"}, "contradicts by: order"),
        ({"folds": 1}, "at least 2"),
        ({"folds": 151}, "150 rows are too few for 151 folds"),
        ({"folds": 121, "test": 0.2}, "120 rows are too few for 121 folds"),
    ],
)
def test_folds_that_cannot_be_dealt(cut: dict[str, Any], told: str) -> None:
    with pytest.raises(Error) as error:
        prepared(cut)
    assert told in str(error.value) and error.value.exit_code in (2, 3)


def test_rows_that_follow_one_another_are_not_dealt(tmp_path: Any) -> None:
    text = tmp_path / "text.txt"
    text.write_text("to be or not to be " * 40)
    source = {"text": {"path": str(text), "length": 5}}
    with pytest.raises(Error, match="rows follow one another: they cannot be dealt"):
        prepared({"folds": 3}, source=source)
