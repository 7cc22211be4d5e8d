"""One parameter, changed step by step with the reference executor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from nettrain import optim
from nettrain.execute import Definition, executor
from nettrain.graph import leaf, parameter

START = np.array([0.5, -2.0, 0.0])
Run = Callable[..., list[np.ndarray]]


@pytest.fixture
def steps() -> Run:
    """`steps(optimizer, gradients, rate)` gives the values after each step."""

    def run(
        optimizer: optim.Optimizer,
        given: Sequence[Any],
        rate: float = 0.1,
        dtype: str = "float64",
    ) -> list[np.ndarray]:
        w = parameter("w", START.astype(dtype))
        g = leaf("input", "g", START.shape, dtype)
        number = leaf("input", "step", (), "float64")
        rates = leaf("input", "rate", (), "float64")
        made = optim.optimize(optimizer, {w: g}, rates, number)
        definition = Definition({}, made.updates)
        reference = executor("reference")
        state = reference.allocate(definition, {})
        program = reference.program(definition, state)
        after = []
        for i, values in enumerate(given):
            program({g: np.asarray(values), number: i + 1.0, rates: rate})
            after.append(state["w"].copy())
        return after

    return run
