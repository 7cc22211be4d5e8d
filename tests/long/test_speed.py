"""The benchmark of a step runs, and every trainer computes the same losses."""

from __future__ import annotations

import pytest

from experiments.speed.step import measure


@pytest.mark.long
@pytest.mark.parametrize("network", ["64-64-32-10:32", "784-512-256-10:32"])
def test_trainers_agree(network: str) -> None:
    times = measure(network, rounds=2)
    assert {"nettrain", "nettrain, no diagnosis", "scikit-learn"} <= times.keys()
    assert all(taken > 0 for taken in times.values())
