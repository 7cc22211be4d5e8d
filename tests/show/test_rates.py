"""learning-rate.svg: what it marks, and that strange sweeps do not break it."""

from __future__ import annotations

import math
from typing import Any

import pytest

from nettrain.show.rates import learning_rate

from .pictures import texts

RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
LOSSES = (2.2, 1.5, 0.5, 0.2, 0.9, math.inf)


def picture(losses: tuple[float, ...] = LOSSES, **changes: Any) -> list[str]:
    given = {"prior": 2.3, "best": 0.03, "chosen": 0.01, "current": 1e-5} | changes
    return texts(learning_rate(RATES, losses, **given))


def test_it_names_best_chosen_own_and_guessing() -> None:
    found = picture()
    marks = {"best 0.03", "chosen 0.01", "config 1e-05", "guessing: H0 = 2.3"}
    assert marks <= set(found)
    assert "Learning rates: best 0.03, chosen 0.01" in found


def test_what_diverged_is_said() -> None:
    assert "diverged" in picture()
    assert "diverged" in picture((*LOSSES[:-1], 23.0 + 1e-6))  # ten times guessing
    assert "diverged" not in picture((*LOSSES[:-1], 22.0))


def test_where_none_helps_none_is_marked() -> None:
    found = picture((2.3,) * 6, chosen=None)
    assert "Learning rates: best 0.03, none helps" in found
    assert not any(text.startswith(("best", "chosen")) for text in found)


@pytest.mark.parametrize(
    ("losses", "changes"),
    [
        ((math.inf,) * 6, {"chosen": None}),
        ((0.0,) * 6, {}),
        (LOSSES, {"prior": 0.0}),
        (LOSSES, {"current": 0.0}),
        (LOSSES, {"best": 0.001, "chosen": 0.0003}),
        ((1e300, 1e-300, 1.0, 0.2, 1.0, math.nan), {}),
    ],
)
def test_strange_sweeps_are_drawn(
    losses: tuple[float, ...], changes: dict[str, Any]
) -> None:
    assert picture(losses, **changes)


def test_both_axes_are_logarithmic() -> None:
    assert {"10⁻²", "10⁻¹", "10⁻⁵"} <= set(picture())


def test_the_same_numbers_give_the_same_bytes() -> None:
    assert picture() == picture()
    assert picture() != picture(current=0.1)
