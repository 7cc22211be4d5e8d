"""Running one definition with several executors, and comparing bit by bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from nettrain.execute import Definition, Executor, State
from nettrain.execute.plan import Numpy
from nettrain.execute.reference import Reference
from nettrain.graph import Node, gradients, leaf
from nettrain.graph import operations as ops

Values = Mapping[str, np.ndarray]
Feed = Mapping[Node, np.ndarray]


@dataclass
class Run:
    """What one run of a program left."""

    outputs: dict[str, np.ndarray]
    committed: bool
    state: dict[str, np.ndarray]


def run(
    executor: Executor,
    definition: Definition,
    values: Values,
    feeds: Sequence[Feed],
    state: State | None = None,
) -> list[Run]:
    """The program once for each feed, on one state."""
    if state is None:
        state = executor.allocate(definition, values)
    program = executor.program(definition, state)
    runs = []
    for feed in feeds:
        result = program(feed)
        outputs = {name: np.array(value) for name, value in result.outputs.items()}
        runs.append(Run(outputs, result.committed, state.snapshot()))
    return runs


def compare(found: list[Run], wanted: list[Run], rtol: float = 0.0) -> None:
    for a, b in zip(found, wanted, strict=True):
        assert a.committed == b.committed
        for mine, others in ((a.outputs, b.outputs), (a.state, b.state)):
            assert list(mine) == list(others)
            for name, value in others.items():
                assert mine[name].dtype == value.dtype
                assert mine[name].shape == value.shape
                np.testing.assert_allclose(
                    mine[name], value, rtol, atol=rtol, err_msg=name
                )


def check(
    definition: Definition,
    values: Values | None = None,
    feeds: Sequence[Feed] = ({},),
    rtol: float = 0.0,
) -> list[Run]:
    """NumPy, on poisoned buffers, gives what the reference gives; on either's state."""
    values = values or {}
    reference, numpy = Reference(), Numpy(poison=True)
    wanted = run(reference, definition, values, feeds)
    compare(run(numpy, definition, values, feeds), wanted, rtol)
    for one, other in ((reference, numpy), (numpy, reference)):
        state = one.allocate(definition, values)
        compare(run(other, definition, values, feeds, state), wanted, rtol)
    return wanted


@pytest.fixture(name="check")
def _check() -> Callable[..., list[Run]]:
    return check


@pytest.fixture(name="run")
def _run() -> Callable[..., list[Run]]:
    return run


@pytest.fixture(name="compare")
def _compare() -> Callable[..., None]:
    return compare


@dataclass
class Mlp:
    """A training step of a small network: Adam on weights, SGD with momentum on biases.

    Attributes:
        inputs: leaves in the order of `feed`.
        pairs: each parameter with its gradient.
    """

    definition: Definition
    values: dict[str, np.ndarray]
    inputs: tuple[Node, Node, Node, Node]
    pairs: dict[Node, Node]

    def feed(self, step: int, bad: bool = False) -> dict[Node, np.ndarray]:
        rng = np.random.default_rng(step)
        x, t, rate, count = self.inputs
        rows = rng.standard_normal(x.shape)
        rows[0, 0] = np.inf if bad else rows[0, 0]
        labels = rng.integers(0, 3, t.shape)
        return {x: rows, t: labels, rate: np.float64(0.05), count: np.float64(step)}


def mlp(dtype: str = "float64", clip: bool = False) -> Mlp:
    x, t = leaf("input", "x", (5, 4), dtype), leaf("input", "t", (5,), "int64")
    rate, count = (leaf("input", name, (), "float64") for name in ("rate", "step"))
    rng = np.random.default_rng(0)
    parameters, values, h = [], {}, x
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


@pytest.fixture(name="mlp")
def _mlp() -> Callable[..., Mlp]:
    return mlp
