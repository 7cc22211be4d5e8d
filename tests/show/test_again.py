"""Pictures whose numbers no other file has are drawn again from themselves."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nettrain.show.again import again
from nettrain.show.before_after import before_after
from nettrain.show.rates import learning_rate
from nettrain.show.style import Picture

RATES = learning_rate(
    (0.01, 0.1, 1.0), (0.5, 0.2, math.inf), prior=2.3, best=0.1, chosen=0.01, current=1
)
BOTH = before_after(
    {"train": (np.arange(1, 4), np.array([1.0, 1e300, math.inf]))},
    {"validation": (np.arange(1, 3), np.geomspace(0.9, 0.01, 2))},
)


@pytest.mark.parametrize(
    ("name", "drawn"), [("learning-rate.svg", RATES), ("before-after.svg", BOTH)]
)
def test_it_is_the_same_and_has_a_figure(name: str, drawn: Picture) -> None:
    found = again(name, str(drawn))
    assert found == drawn
    assert found is not None
    assert found.png().startswith(b"\x89PNG\r\n")


def test_others_are_left_alone() -> None:
    assert again("learning-rate.svg", "<svg></svg>") is None  # of an older run
    assert again("cost.svg", str(RATES)) is None
