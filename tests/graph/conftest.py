"""A small evaluator, so that the graph is tested without any executor."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from nettrain.graph import Node, topological


class Namespace:
    """An array-API namespace with the functions that an executor supplies.

    Attributes:
        beyond: the names asked for that the namespace itself does not have.
    """

    def __init__(self, xp: Any) -> None:
        self.xp = xp
        self.beyond: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        if self.xp is not np and not hasattr(self.xp, name):
            self.beyond.add(name)
        mine = getattr(type(self), f"_{name}", None)
        return mine.__get__(self) if mine else getattr(self.xp, name)

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

    def _unfold(self, x: Any, axes: Any, *windows: Any) -> Any:
        values = np.asarray(x)
        for axis, size, step, dilation in zip(axes, *windows, strict=True):
            last = values.shape[axis] - (size - 1) * dilation
            starts = np.arange(0, last, step)[:, None]
            places = starts + dilation * np.arange(size)
            values = np.moveaxis(np.take(values, places, axis), axis + 1, -1)
        return self.xp.asarray(values)

    def _fold(self, y: Any, axes: Any, lengths: Any, *windows: Any) -> Any:
        values = np.asarray(y)
        rank = values.ndim - len(axes)
        shape = list(values.shape[:rank])
        for axis, length in zip(axes, lengths, strict=True):
            shape[axis] = length
        places = np.indices(values.shape)
        for i, (axis, step, dilation) in enumerate(zip(axes, *windows, strict=True)):
            places[axis] = places[axis] * step + places[rank + i] * dilation
        total = np.zeros(shape, values.dtype)
        np.add.at(total, tuple(places[:rank]), values)
        return self.xp.asarray(total)

    def _scatter_add(self, rows: Any, indices: Any, size: int) -> Any:
        values = np.asarray(rows)
        total = np.zeros((len(values), size, values.shape[2]), values.dtype)
        np.add.at(total, (slice(None), np.asarray(indices)), values)
        return self.xp.asarray(total)


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
