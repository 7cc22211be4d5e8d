"""Splits: whole numbers, classes in proportion, the same rows for ever."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nettrain import randomness
from nettrain.data import split

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
