"""A model of ours and the same model of PyTorch, trained side by side."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from nettrain import nn, optim
from nettrain.execute import Definition, executor
from nettrain.graph import gradients, leaf, topological
from nettrain.graph.operations.elementwise import Cast

RATE = 0.02


@pytest.fixture(scope="session")
def torch() -> Any:
    package = pytest.importorskip("torch")
    package.set_num_threads(1)
    return package


@pytest.fixture
def twins(torch: Any) -> Callable[..., Twins]:
    """Makes twins; see `Twins` for what they take."""
    return functools.partial(Twins, torch)


@dataclass
class Twins:
    """Both models, before any step.

    Attributes:
        torch: the package.
        layers: our model.
        build: makes PyTorch's module, whose parameters come in the order of ours.
        inputs, targets: make a batch from a generator.
        loss, torch_loss: what both minimize.
        optimizer, torch_optimizer: how; the latter takes the list of parameters.
        buffers: PyTorch's names of our states.
        clip, torch_clip: functions of our gradients and of PyTorch's parameters.
    """

    torch: Any
    layers: list[Any]
    build: Callable[[], Any]
    inputs: Callable[[np.random.Generator], np.ndarray]
    targets: Callable[[np.random.Generator], np.ndarray]
    loss: nn.Loss = field(default_factory=nn.MeanSquaredError)
    torch_loss: Callable[[Any, Any], Any] | None = None
    optimizer: optim.Optimizer = field(default_factory=lambda: optim.SGD(RATE))
    torch_optimizer: Callable[[Any], Any] | None = None
    buffers: dict[str, str] = field(default_factory=dict)
    clip: Callable[[Any], Any] = lambda gradients: gradients
    torch_clip: Callable[[Any], Any] = lambda parameters: None

    def check(self) -> None:
        """One float32 step to 1e-5, 200 float64 steps to 1e-8."""
        self._train("float32", 1, 1e-5)
        self._train("float64", 200, 1e-8)

    def _train(self, dtype: str, steps: int, tolerance: float) -> None:
        torch = self.torch
        ours = _Ours(self, dtype)
        module = self.build().to(getattr(torch, dtype))
        _copy_weights(torch, ours, module)
        dropouts = _with_masks(torch, module)
        loss = self.torch_loss or torch.nn.functional.mse_loss
        make = self.torch_optimizer or functools.partial(torch.optim.SGD, lr=RATE)
        optimizer = make(list(module.parameters()))
        rng = np.random.default_rng(0)
        for _ in range(steps):
            x, t = self.inputs(rng).astype(dtype), self.targets(rng)
            t = t.astype(dtype) if t.dtype.kind == "f" else t
            cost, masks = ours.step(x, t)
            for dropout, mask in zip(dropouts, masks, strict=True):
                dropout.mask = torch.tensor(mask)
            optimizer.zero_grad()
            theirs = loss(module(torch.tensor(x)), torch.tensor(t))
            theirs.backward()
            self.torch_clip(module.parameters())
            optimizer.step()
            close(cost, theirs.detach().numpy(), tolerance, "cost")
        for (path, mine), tensor in zip(
            ours.weights(), module.parameters(), strict=True
        ):
            close(mine, tensor.detach().numpy(), tolerance, path)
        self._compare_predictions(ours, module, x, tolerance)

    def _compare_predictions(
        self, ours: _Ours, module: Any, x: np.ndarray, tolerance: float
    ) -> None:
        buffers = dict(module.named_buffers())
        for path, name in self.buffers.items():
            close(ours.state[path], buffers[name].numpy(), tolerance, path)
        module.eval()
        with self.torch.no_grad():
            theirs = module(self.torch.tensor(x)).numpy()
        close(ours.predict(x), theirs, tolerance, "prediction")


class _Ours:
    """Our model, compiled for the shapes of one batch."""

    def __init__(self, twins: Twins, dtype: str) -> None:
        rng = np.random.default_rng(0)
        x, t = twins.inputs(rng), twins.targets(rng)
        self.x = leaf("input", "x", x.shape, dtype)
        kind = "int64" if t.dtype.kind == "i" else dtype
        self.t = leaf("input", "t", t.shape, kind)
        self.rate = leaf("input", "rate", (), "float64")
        self.number = leaf("input", "step", (), "float64")
        self.trace = nn.Trace(seed=7, step=self.number, dtype=dtype)
        model = nn.Sequential(twins.layers)
        cost = twins.loss.cost(self.trace.call(model, self.x, "model"), self.t)
        cost = sum(self.trace.penalties.values(), cost)
        weights = [p.node for p in self.trace.parameters.values() if p.trainable]
        found = dict(zip(weights, gradients(cost, weights), strict=True))
        made = optim.optimize(
            twins.optimizer, twins.clip(found), self.rate, self.number
        )
        masks = [
            node
            for node in topological([cost])
            if isinstance(node.op, Cast) and "dropout" in node.scope
            if node.inputs[0].dtype == "bool"
        ]
        outputs = {"cost": cost, **{f"mask{i}": m for i, m in enumerate(masks)}}
        definition = Definition(
            outputs, {**made.updates, **self.trace.updates}, (cost,)
        )
        run = executor("numpy")
        self.state = run.allocate(definition, nn.initial_values(self.trace, seed=3))
        self._step = run.program(definition, self.state)
        sibling = self.trace.sibling(training=False)
        outputs = {"y": sibling.call(model, self.x, "model")}
        self._predict = run.program(Definition(outputs), self.state)
        self._schedule, self._count = twins.optimizer.schedule, 0

    def step(self, x: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        self._count += 1
        rate = self._schedule.rate(self._count, 200, 10)
        result = self._step(
            {
                self.x: x,
                self.t: t,
                self.rate: np.asarray(rate),
                self.number: np.asarray(float(self._count)),
            }
        )
        outputs = {name: np.array(value) for name, value in result.outputs.items()}
        return outputs.pop("cost"), list(outputs.values())

    def weights(self) -> list[tuple[str, np.ndarray]]:
        """Parameters in the order of PyTorch's, matrices as it keeps them: (O, I)."""
        return [
            (path, self.state[path].T if path.endswith("/weight") else self.state[path])
            for path in self.trace.parameters
        ]

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.array(self._predict({self.x: x}).outputs["y"])


def _with_masks(torch: Any, module: Any) -> list[Any]:
    """The module's dropouts, made to take their masks from outside."""

    def masked(dropout: Any, inputs: Any, output: Any) -> Any:
        return (
            inputs[0] * dropout.mask / (1 - dropout.p) if dropout.training else output
        )

    found = [m for m in module.modules() if isinstance(m, torch.nn.Dropout)]
    for dropout in found:
        dropout.register_forward_hook(masked)
    return found


def _copy_weights(torch: Any, ours: _Ours, module: Any) -> None:
    with torch.no_grad():
        for (_, array), tensor in zip(ours.weights(), module.parameters(), strict=True):
            tensor.copy_(torch.tensor(np.ascontiguousarray(array)))


def close(mine: np.ndarray, theirs: np.ndarray, tolerance: float, what: str) -> None:
    """The largest difference, relative to the largest number."""
    scale = np.abs(theirs).max()
    difference = np.abs(mine - theirs).max()
    assert mine.shape == theirs.shape and difference <= tolerance * scale, (
        what,
        difference / scale,
    )
