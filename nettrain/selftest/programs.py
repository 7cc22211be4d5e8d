"""Small programs on which executors are compared: single operations, a training step.

An operation brings samples of its arguments. A training step is made by hand here, of
the engine alone, so that what differs is the engine's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nettrain.execute import Definition
from nettrain.graph import Constant, Leaf, Node, Operation, adjoints, gradients, leaf
from nettrain.graph import operations as ops
from nettrain.graph.node import Sample, apply
from nettrain.graph.operations.reduce import Summary

Feed = dict[Node, np.ndarray]


# ---------------------------------------------------------------- operations


@dataclass(frozen=True)
class Case:
    """An operation on one of its samples, in one dtype."""

    operation: type[Operation]
    number: int
    dtype: str

    @property
    def sample(self) -> Sample:
        return self.operation.samples[self.number]

    @property
    def name(self) -> str:
        """Such as `matmul-2-float32`."""
        return f"{self.operation.name}-{self.number}-{self.dtype}"

    @property
    def tolerance(self) -> float:
        """0: bit for bit, but where another formula is quicker.

        A summary is made from sums of squares, not from squares of differences.
        """
        if self.operation is not Summary or self.sample.high < 1e-12:
            return 0.0
        return 1e-4 if self.dtype == "float32" else 1e-12

    def made(self) -> tuple[Node, Feed]:
        """The operation on input leaves, and values for them."""
        sample, rng = self.sample, np.random.default_rng(3)
        dtypes = sample.dtypes or (None,) * len(sample.shapes)
        feed = {}
        for i, (shape, given) in enumerate(zip(sample.shapes, dtypes, strict=True)):
            x = leaf("input", f"x{i}", shape, given or self.dtype)
            drawn = rng.uniform(sample.low, sample.high, shape)
            value = rng.random(shape) > 0.5 if x.dtype == "bool" else drawn
            feed[x] = np.asarray(value).astype(x.dtype)
        return apply(self.operation(*sample.attributes), *feed), feed

    def definition(self) -> tuple[Definition, Feed]:
        """Its value, and its gradient with respect to each input that has one."""
        y, feed = self.made()
        outputs = {"y": y}
        if y.spec.is_float:
            found = adjoints(_weighted(y), feed)
            outputs |= {f"gradient of {x.name}": g for x, g in found.items()}
        return Definition(outputs), feed


def cases() -> Iterator[Case]:
    """Every operation of the graph, on every sample, in both dtypes."""
    for operation in sorted(_operations(), key=lambda cls: cls.name):
        for number in range(len(operation.samples)):
            for dtype in ("float64", "float32"):
                yield Case(operation, number, dtype)


def _operations() -> set[type[Operation]]:
    """Those of the graph itself; a family of operations has no sample of its own."""

    def below(cls: type[Operation]) -> set[type[Operation]]:
        found = set(cls.__subclasses__())
        return found.union(*map(below, found))

    ours = {c for c in below(Operation) if c.__module__.startswith("nettrain.graph.")}
    return {c for c in ours - {Leaf, Constant} if not c.__subclasses__()}


def _weighted(y: Node) -> Node:
    """A scalar that no two elements of y enter in the same way."""
    weights = np.linspace(0.5, 1.5, y.spec.size).reshape(y.shape)
    return ops.sum(y * weights.astype(y.dtype))


# ---------------------------------------------------------------- a training step


@dataclass
class Mlp:
    """A training step of a small network: Adam on weights, SGD with momentum on biases.

    Attributes:
        definition: the step: cost, gradient norm and logits; guarded by the first two.
        values: what the state starts with, by path.
        inputs: leaves in the order of `feed`: rows, labels, learning rate, step.
        pairs: each parameter with its gradient.
    """

    definition: Definition
    values: dict[str, np.ndarray]
    inputs: tuple[Node, Node, Node, Node]
    pairs: dict[Node, Node]

    def feed(self, step: int, bad: bool = False) -> Feed:
        """A batch for a step; a bad one holds an infinity."""
        rng = np.random.default_rng(step)
        x, t, rate, count = self.inputs
        rows = rng.standard_normal(x.shape)
        rows[0, 0] = np.inf if bad else rows[0, 0]
        labels = rng.integers(0, 3, t.shape)
        return {
            x: rows,
            t: labels,
            rate: np.asarray(0.05),
            count: np.asarray(float(step)),
        }


def mlp(dtype: str = "float64", clip: bool = False) -> Mlp:
    """4-6-5-3 units, five rows; with `clip` every update depends on every gradient."""
    x, t = leaf("input", "x", (5, 4), dtype), leaf("input", "t", (5,), "int64")
    rate, count = (leaf("input", name, (), "float64") for name in ("rate", "step"))
    rng = np.random.default_rng(0)
    parameters: list[Node] = []
    values: dict[str, np.ndarray] = {}
    h = x
    for i, (n, m) in enumerate([(4, 6), (6, 5), (5, 3)]):
        w = leaf("parameter", f"w{i}", (n, m), dtype)
        b = leaf("parameter", f"b{i}", (m,), dtype)
        values |= {w.path: rng.standard_normal((n, m)), b.path: np.full(m, 0.1)}
        parameters += [w, b]
        z = h @ w + b
        h = ops.relu(z) if i < 2 else z
    hot = ops.cast(ops.equal(ops.expand_dims(t, 1), np.arange(3)), dtype)
    cost = ops.mean(ops.logsumexp(h, axis=-1) - ops.sum(h * hot, axis=-1))
    pairs = dict(zip(parameters, gradients(cost, parameters), strict=True))
    squares = ops.sum_of_squares(*pairs.values())
    scale = 1.0 / (1.0 + ops.sqrt(squares)) if clip else None
    updates: dict[Node, Node] = {}
    for p, g in pairs.items():
        g = g * scale if scale is not None else g
        rule = _adam if p.path.startswith("w") else _momentum
        updates |= rule(p, g, rate, count)
    for node in updates:
        values.setdefault(node.path, np.zeros(node.shape))
    values = {path: value.astype(dtype) for path, value in values.items()}
    outputs = {"cost": cost, "norm": ops.sqrt(squares), "logits": h}
    definition = Definition(outputs, updates, (cost, squares))
    return Mlp(definition, values, (x, t, rate, count), pairs)


def _adam(p: Node, g: Node, rate: Node, step: Node) -> dict[Node, Node]:
    m = leaf("state", f"m/{p.path}", p.shape, p.dtype)
    v = leaf("state", f"v/{p.path}", p.shape, p.dtype)
    m1 = m * 0.9 + g * 0.1
    v1 = v * 0.99 + ops.square(g) * 0.01
    size = ops.cast(rate / (1.0 - 0.9**step), p.dtype)
    return {p: p - size * m1 / (ops.sqrt(v1) + 1e-8), m: m1, v: v1}


def _momentum(p: Node, g: Node, rate: Node, step: Node) -> dict[Node, Node]:
    u = leaf("state", f"u/{p.path}", p.shape, p.dtype)
    u1 = u * 0.9 + g
    return {p: p - ops.cast(rate, p.dtype) * u1, u: u1}
