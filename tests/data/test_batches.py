"""Batches: each row once an epoch, in an order that seed and epoch decide."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nettrain.data import order, slices


def test_the_order_never_changes() -> None:
    assert order(0, 1, 8).tolist() == PINNED


PINNED = [1, 2, 0, 5, 3, 6, 4, 7]


def test_the_order_depends_on_seed_and_epoch() -> None:
    orders = {tuple(order(seed, epoch, 50)) for seed in range(3) for epoch in (1, 2)}
    assert len(orders) == 6
    assert all(sorted(rows) == list(range(50)) for rows in orders)
    assert order(0, 1, 5, shuffle=False).tolist() == [0, 1, 2, 3, 4]


@given(st.integers(1, 100), st.integers(1, 120))
def test_slices_cover_every_row_once(rows: int, size: int) -> None:
    batches = slices(rows, size)
    assert [i for batch in batches for i in range(rows)[batch]] == list(range(rows))
    assert all(batch.stop - batch.start == size for batch in batches[:-1])
    assert 0 < batches[-1].stop - batches[-1].start <= size


@pytest.mark.parametrize(("size", "count"), [(1, 10), (3, 4), (10, 1), (11, 1)])
def test_count(size: int, count: int) -> None:
    assert len(slices(10, size)) == count
