"""Gradients checked against central differences: how users test their operations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nettrain.errors import Error
from nettrain.explore.program import compile
from nettrain.graph import Node, adjoints, constant, variables
from nettrain.graph import operations as ops

_STEP = float(np.cbrt(np.finfo(np.float64).eps))
"""Where the error of truncation, h², and that of rounding, ε/h, are alike."""


@dataclass(frozen=True)
class _Slope:
    """d along one direction of one argument, as the graph has it and as measured."""

    argument: int
    order: int
    found: float
    measured: float
    error: float

    def message(self) -> str:
        which = "gradient" if self.order == 1 else "second derivative"
        return (
            f"the {which} by argument {self.argument} is {self.found:.10g} along a "
            f"random direction, but central differences give {self.measured:.10g} "
            f"(relative error {self.error:.2g})"
        )


def check_gradients(
    function: Callable[..., Node],
    *arrays: Any,
    order: int = 2,
    tolerance: float = 1e-6,
) -> float:
    """Compare a function's derivatives with differences, in float64.

    Along a random direction v of each argument x, the slope Σ v · dc/dx should be
    (c(x + h v) - c(x - h v)) / 2 h, where c is a random sum of the results. The second
    order compares the slopes of that slope. Stay away from kinks.

    Args:
        function: from nodes to a node.
        arrays: where to look; arrays of floats are varied, others stay as they are.
        order: 1: first derivatives alone; 2: second ones too.
        tolerance: the largest relative error allowed.

    Returns:
        The largest error found, relative to the larger of both slopes and of c.

    Raises:
        Error: `graph-gradient-check` with both numbers.
    """
    check = _Check(function, [np.asarray(a) for a in arrays])
    slopes = [slope for n in range(1, order + 1) for slope in check.slopes(n)]
    for slope in slopes:
        if not slope.error <= tolerance:
            fix = "see the operation's vjp; differences are also wrong at kinks"
            raise Error("graph-gradient-check", slope.message(), fix=fix)
    return max((slope.error for slope in slopes), default=0.0)


class _Check:
    """One function at one point, with a random direction for each argument."""

    def __init__(
        self, function: Callable[..., Node], arrays: Sequence[np.ndarray]
    ) -> None:
        self._random = np.random.default_rng(0)
        self._points: dict[Node, np.ndarray] = {}
        self._arguments: list[int] = []
        nodes = [self._node(i, array) for i, array in enumerate(arrays)]
        result = function(*nodes)
        if not isinstance(result, Node) or not result.spec.is_float:
            raise Error("graph-operand", f"expected a node of floats, got {result!r}")
        mixed = constant(self._drawn(result.shape), result.dtype)
        self._costs = [ops.sum(result * mixed)]
        self._costs.append(self._slope_node(self._costs[0]))

    def _node(self, index: int, array: np.ndarray) -> Node:
        if array.dtype.kind != "f":
            return constant(array)
        node: Node = variables(f"x{index}", shape=array.shape)
        self._points[node] = array.astype(np.float64)
        self._arguments.append(index)
        return node

    def _drawn(self, shape: tuple[int, ...]) -> np.ndarray:
        signs = self._random.choice([-1.0, 1.0], shape)
        drawn: np.ndarray = signs * self._random.uniform(0.5, 1.5, shape)
        return drawn

    def _slope_node(self, cost: Node) -> Node:
        """Σ v · d cost / dx over all arguments; 0 by those it does not depend on."""
        total = constant(0.0)
        for node, gradient in adjoints(cost, self._points).items():
            total = total + ops.sum(gradient * self._drawn(node.shape))
        return total

    def slopes(self, order: int) -> Iterator[_Slope]:
        """Along each argument, of the cost (order 1) or of its own slope (2)."""
        cost = self._costs[order - 1]
        nodes = list(self._points)
        reached = adjoints(cost, nodes)
        gradients = [reached.get(node, constant(0.0)) for node in nodes]
        run = compile(nodes, [cost, *gradients], executor="reference")
        points = list(self._points.values())
        value, *found = run(*points)
        for i, point in enumerate(points):
            direction = self._drawn(point.shape)
            slope = float(np.sum(found[i] * direction))
            ahead, behind = (
                run(*points[:i], point + h * direction, *points[i + 1 :])[0]
                for h in (_STEP, -_STEP)
            )
            measured = float(ahead - behind) / (2 * _STEP)
            scale = max(abs(slope), abs(measured), abs(float(value)))
            error = abs(slope - measured) / scale if scale else 0.0
            yield _Slope(self._arguments[i], order, slope, measured, error)
