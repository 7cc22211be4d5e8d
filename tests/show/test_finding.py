"""Which picture belongs to a finding."""

from __future__ import annotations

from nettrain.show.finding import picture


def test_a_finding_has_its_picture_or_the_cost_or_none() -> None:
    every = ["cost.svg", "updates.svg"]
    assert picture("L1", every) == "updates.svg"
    assert picture("L1", ["cost.svg"]) == "cost.svg"
    assert picture("O1", every) == "cost.svg"
    assert picture("O1", []) is None
    assert picture("L2", [*every, "learning-rate.svg"]) == "learning-rate.svg"
    assert picture("L2", every) is None  # its updates are too few, not too small
    assert picture("D3", every) is None  # a constant column is not seen in the cost
