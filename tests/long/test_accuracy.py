"""configs/mlp.yaml is as accurate as scikit-learn's network of the same size."""

from __future__ import annotations

import pytest

from experiments.accuracy.digits import compare, interval


@pytest.mark.long
def test_thirty_paired_seeds() -> None:
    found = compare(30)
    low, high = interval(found[:, 0] - found[:, 1])
    assert low <= 0 <= high or low > -0.005
    assert found[:, 0].min() >= 0.93
