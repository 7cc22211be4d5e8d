"""Clipping: what is within the bound is left as it is, to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nettrain import optim
from nettrain.execute.reference import evaluate
from nettrain.graph import variables

A, B = variables("a b", shape=(2,))
WEIGHTS = variables("v w")
GRADIENTS = dict(zip(WEIGHTS, (A, B), strict=True))
VALUES = {A: np.array([3.0, 0.0]), B: np.array([0.0, -4.0])}


def run(nodes: Any) -> list[np.ndarray]:
    values = evaluate(nodes, VALUES)
    return [values[n] for n in nodes]


def test_global_norm() -> None:
    (norm,) = run([optim.global_norm(GRADIENTS)])
    assert norm == 5.0 and norm.dtype == np.float64


@pytest.mark.parametrize("limit", [0.5, 4.9])
def test_norm_is_bounded_and_direction_kept(limit: float) -> None:
    clipped = optim.clip_norm(GRADIENTS, limit)
    assert list(clipped) == list(GRADIENTS)
    a, b = run(clipped.values())
    factor = limit / (5 + 1e-6)
    np.testing.assert_allclose(a, [3 * factor, 0])
    np.testing.assert_allclose(b, [0, -4 * factor])


def test_small_gradients_stay() -> None:
    a, b = run(optim.clip_norm(GRADIENTS, 5.1).values())
    np.testing.assert_array_equal(a, VALUES[A])
    np.testing.assert_array_equal(b, VALUES[B])


def test_values_are_bounded() -> None:
    a, b = run(optim.clip_value(GRADIENTS, 3.5).values())
    np.testing.assert_array_equal(a, [3.0, 0.0])
    np.testing.assert_array_equal(b, [0.0, -3.5])


def test_dtype_is_kept() -> None:
    g = variables("g", shape=(2,), dtype="float32")
    for clip in (optim.clip_norm, optim.clip_value):
        assert clip({g: g}, 1.0)[g].spec == g.spec
