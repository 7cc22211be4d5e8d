"""A small evaluator, so that the graph is tested without any executor."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from nettrain.graph import Node, topological


class Namespace:
    """An array-API namespace with the two functions that an executor supplies.

    Attributes:
        beyond: the names asked for that the namespace itself does not have.
    """

    def __init__(self, xp: Any) -> None:
        self.xp = xp
        self.beyond: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        if self.xp is not np and not hasattr(self.xp, name):
            self.beyond.add(name)
        return {"erf": self._erf, "pad": self._pad}.get(name) or getattr(self.xp, name)

    def _erf(self, x: Any) -> Any:
        values = np.asarray(x)
        return self.xp.asarray(np.vectorize(math.erf)(values).astype(values.dtype))

    def _pad(
        self,
        x: Any,
        before: Sequence[int],
        after: Sequence[int],
        interior: Sequence[int],
    ) -> Any:
        values = np.asarray(x)
        steps = [i + 1 for i in interior]
        spread = [
            max((n - 1) * s + 1, 0) for n, s in zip(values.shape, steps, strict=True)
        ]
        sizes = [b + n + a for b, n, a in zip(before, spread, after, strict=True)]
        padded = np.zeros(sizes, values.dtype)
        inner = [
            slice(b, b + n, s) for b, n, s in zip(before, spread, steps, strict=True)
        ]
        padded[tuple(inner)] = values
        return self.xp.asarray(padded)


def evaluate(nodes: Sequence[Node], values: Mapping[Node, Any]) -> list[Any]:
    """The values of nodes, given those of the leaves."""
    known = dict(values)
    namespace = Namespace(np)
    for node in topological(nodes):
        if node not in known:
            inputs = [known[x] for x in node.inputs]
            known[node] = node.op.forward(namespace, *inputs)
    return [known[node] for node in nodes]


@pytest.fixture(scope="session", name="evaluate")
def _evaluate() -> Callable[[Sequence[Node], Mapping[Node, Any]], list[Any]]:
    return evaluate


@pytest.fixture(scope="session")
def namespace() -> type[Namespace]:
    return Namespace
