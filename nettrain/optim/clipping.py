"""Bounds on gradients, before the optimizer sees them."""

from __future__ import annotations

from collections.abc import Mapping

from nettrain.graph import Node
from nettrain.graph.operations import (
    cast,
    clip,
    minimum,
    sqrt,
    sum_of_squares,
)

Gradients = Mapping[Node, Node]
"""The gradient of each parameter."""


def global_norm(gradients: Gradients) -> Node:
    """√(Σ ‖g‖²) over all gradients, float64 ()."""
    return sqrt(cast(sum_of_squares(*gradients.values()), "float64"))


def clip_norm(gradients: Gradients, limit: float) -> dict[Node, Node]:
    """All gradients times min(1, limit / (global norm + 1e-6)), as in PyTorch.

    The direction stays (Pascanu, Mikolov and Bengio, ICML 2013, algorithm 1).
    """
    factor = minimum(limit / (global_norm(gradients) + 1e-6), 1.0)
    return {w: g * cast(factor, g.dtype) for w, g in gradients.items()}


def clip_value(gradients: Gradients, limit: float) -> dict[Node, Node]:
    """Every element held between -limit and limit; the direction may change."""
    return {w: clip(g, -limit, limit) for w, g in gradients.items()}
