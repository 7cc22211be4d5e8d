"""The network: one state, and the programs of one recipe that work on it.

A `Network` traces the same layers again for every batch size it meets, and compiles
each graph once.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from nettrain.execute import Cache, Definition, Executor, Program, Result, State
from nettrain.graph import Node, leaf
from nettrain.graph.spec import Shape
from nettrain.nn import initial_values
from nettrain.training import stored
from nettrain.training.programs import (
    Batch,
    Recipe,
    Step,
    batches,
    forward,
    measuring,
    predicted,
    scoring,
    trace_step,
)

K = TypeVar("K")
T = TypeVar("T")


@dataclass(frozen=True)
class CompiledStep:
    """A traced step, and a program of it."""

    traced: Step
    program: Program


def _weakly(method: Callable[[K], T]) -> Callable[[K], T]:
    """A method of an object that holds this and is not to be kept alive by it.

    Its arrays are large: they must go when the object goes, not at some collection.
    """
    weak = weakref.WeakMethod(method)

    def call(key: K) -> T:
        alive = weak()
        assert alive is not None
        return alive(key)

    return call


class Predictor:
    """The programs that use a model, on one state; training needs more (`Network`).

    Attributes:
        recipe: what they compute.
        state: holds at least parameters and running averages, by path.
    """

    def __init__(self, recipe: Recipe, executor: Executor, state: State) -> None:
        self.recipe, self.state, self._executor = recipe, state, executor
        self._forward = Cache(_weakly(self._compile_forward))
        self._scores = Cache(_weakly(self._compile_score))
        self._heads = Cache(_weakly(self._compile_head))

    @classmethod
    def trained(
        cls, recipe: Recipe, executor: Executor, weights: Mapping[str, np.ndarray]
    ) -> Predictor:
        """A predictor with weights of its own; they have to fit the recipe's model."""
        _, _, trace = predicted(recipe, rows=1)
        leaves = {path: p.node for path, p in trace.parameters.items()} | trace.states
        stored.check(weights, leaves)
        state = State({path: np.zeros(n.shape, n.dtype) for path, n in leaves.items()})
        state.load(weights)
        return cls(recipe, executor, state)

    def outputs(self, inputs: np.ndarray, batch: int) -> np.ndarray:
        """What the model gives when it predicts (dropout off, running averages).

        Args:
            inputs: (N, …).
            batch: rows computed at a time. Sums depend on it, so the config has it.

        Returns:
            (N, K), before the loss turns it into predictions.
        """
        parts = []
        for start in range(0, len(inputs), batch):
            rows = inputs[start : start + batch]
            x, program = self._forward(len(rows))
            result = program({x: rows})
            parts.append(result.outputs["outputs"].copy())
        return np.concatenate(parts) if parts else np.zeros((0, self.recipe.outputs))

    def _compile_forward(self, rows: int) -> tuple[Node, Program]:
        x, definition = forward(self.recipe, rows)
        return x, self._executor.program(definition, self.state)

    def score(
        self, outputs: np.ndarray, targets: np.ndarray
    ) -> tuple[float, np.ndarray]:
        """The loss, without penalties, and the predictions of the model's outputs.

        Args:
            outputs: (N, K).
            targets: (N,) or (N, T).
        """
        key = (outputs.shape, targets.shape)
        y, t, program = self._scores(key)
        result = program({y: outputs, t: targets}).outputs
        return float(result["loss"]), result["predictions"].copy()

    def _compile_score(self, key: tuple[Shape, Shape]) -> tuple[Node, Node, Program]:
        y, t, definition = scoring(self.recipe, *key)
        return y, t, self._executor.program(definition, State({}))

    def predictions(self, outputs: np.ndarray) -> np.ndarray:
        """Probabilities or values, from the model's outputs (N, K)."""
        y, program = self._heads(outputs.shape)
        return program({y: outputs}).outputs["predictions"].copy()

    def _compile_head(self, shape: Shape) -> tuple[Node, Program]:
        y = leaf("input", "outputs", shape, self.recipe.dtype)
        definition = Definition({"predictions": self.recipe.loss.predictions(y)})
        return y, self._executor.program(definition, State({}))

    def release(self) -> None:
        """Give back the memory of all programs; they are compiled again when needed."""
        for cache in (self._forward, self._scores, self._heads):
            cache.clear()


def _first_state(step: Step, seed: int, executor: Executor) -> State:
    zeros = {node.path: node.spec.filled(0) for node in step.state}
    values = {**zeros, **initial_values(step.trace, seed)}
    state = executor.allocate(step.ending or step.definition, values)
    for path, value in values.items():
        # A parameter that no update changes may not occur in the definition, and what
        # only batches change is not in the ending.
        if path not in state:
            state[path] = np.array(value)
    return state


class Network(Predictor):
    """Programs of one recipe on one state.

    Attributes:
        recipe: what they compute.
        state: parameters, running averages, optimizer slots and counters, by path.
        first: the training step of the full batch size, as it was traced.

    Args:
        recipe: what they compute.
        executor: runs them.
        batch: rows of a full batch.
        state: that of another network of the same layers, to be shared; without it
            the recipe's first values.
    """

    def __init__(
        self,
        recipe: Recipe,
        executor: Executor,
        batch: int,
        state: State | None = None,
    ) -> None:
        self._batch = batch
        self.first = trace_step(recipe, batch)
        if state is None:
            state = _first_state(self.first, recipe.seed, executor)
        super().__init__(recipe, executor, state)
        self._steps = Cache(_weakly(self._compile_step))
        self._endings = Cache(_weakly(self._compile_ending))
        self._measures = Cache(_weakly(self._compile_measure))

    def train(
        self,
        inputs: np.ndarray,
        targets: np.ndarray,
        rate: float,
        step: int,
        full: bool = False,
    ) -> Result:
        """One update. Outputs are valid until the next one.

        Args:
            inputs: (B, …), of as many batches as the recipe says; they go one by one.
            targets: (B,) or (B, T).
            rate: learning rate.
            step: number of this update, from 1.
            full: whether to take all statistics.
        """
        if self.first.ending:
            return self._several(inputs, targets, rate, step, full)
        (batch,) = self.batches(targets, step)
        compiled = self.compiled(batch.size, full)
        return compiled.program(batch.given(compiled.traced, inputs, targets, rate))

    def _several(
        self,
        inputs: np.ndarray,
        targets: np.ndarray,
        rate: float,
        step: int,
        full: bool,
    ) -> Result:
        """An update of several batches. Arguments as for `train`."""
        state, sums = self.state, self.first.sums
        for held in sums:
            state[held.path].fill(0)
        changed = [x.path for x in self.first.definition.updates if x not in sums]
        before = {path: state[path].copy() for path in changed}
        for batch in self.batches(targets, step):
            last = batch.where.stop == len(inputs)
            own = self.compiled(batch.size, full and last)
            seen = own.program(batch.given(own.traced, inputs, targets)).outputs
        ending = self._endings(full and self.recipe.diagnose)
        made = ending.program(
            {
                ending.traced.rate: np.asarray(rate, np.float64),
                ending.traced.step: np.asarray(step, np.uint32),
            }
        )
        if not made.committed:
            state.load(before)
        return Result({**seen, **made.outputs}, made.committed)

    def batches(self, targets: np.ndarray, step: int) -> list[Batch]:
        """Those of an update with these targets, in the order of computation."""
        return batches(self.recipe, targets, self._batch, step)

    def traced(self, batch: int, full: bool = False) -> Step:
        """The training step for a batch size, traced anew but for full batches."""
        known = batch == self._batch and not full
        return self.first if known else trace_step(self.recipe, batch, full)

    def compiled(self, batch: int, full: bool) -> CompiledStep:
        """What a batch of a size does, traced and compiled at its first use."""
        return self._steps((batch, full and self.recipe.diagnose))

    def _compile_step(self, key: tuple[int, bool]) -> CompiledStep:
        traced = self.traced(*key)
        return self._compiled(traced, traced.definition)

    def _compile_ending(self, full: bool) -> CompiledStep:
        traced = self.traced(self._batch, full)
        assert traced.ending
        return self._compiled(traced, traced.ending)

    def _compile_measure(self, batch: int) -> CompiledStep:
        traced = self.traced(batch)
        return self._compiled(traced, measuring(traced))

    def _compiled(self, traced: Step, definition: Definition) -> CompiledStep:
        return CompiledStep(traced, self._executor.program(definition, self.state))

    def gradient(self, inputs: np.ndarray, targets: np.ndarray, step: int) -> Result:
        """The loss as training computes it, and its gradients; nothing is changed.

        Args:
            inputs, targets: see `train`.
            step: random bits are those of this update.

        Returns:
            `loss`, and by path the gradient of each trained parameter without
            penalties. Outputs are valid until the next call.
        """
        total: dict[str, np.ndarray] = {}
        for batch in self.batches(targets, step):
            measure = self._measures(batch.size)
            made = measure.program(batch.given(measure.traced, inputs, targets))
            if batch.share == 1:
                return made
            with np.errstate(all="ignore"):
                for name, value in made.outputs.items():
                    total[name] = total.get(name, 0.0) + batch.share * value
        return Result(total, committed=True)

    def _compile_forward(self, rows: int) -> tuple[Node, Program]:
        x, definition = forward(self.recipe, rows, self.first.lags)
        return x, self._executor.program(definition, self.state)

    def release(self) -> None:
        """Give back the memory of all programs; they are compiled again when needed."""
        for cache in (self._steps, self._endings, self._measures):
            cache.clear()
        super().release()

    # ---------------------------------------------------------------- the state

    def tensors(self) -> dict[str, np.ndarray]:
        """The state by the paths of a checkpoint; the arrays change with training."""
        return {self._stored(path): value for path, value in self._kept().items()}

    def restore(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Take the state from a checkpoint, which may hold more than that.

        Raises:
            Error: `checkpoint-mismatch` where a tensor is missing or of another shape.
        """
        stored.check(tensors, self.tensors())
        self.state.load({path: tensors[self._stored(path)] for path in self._kept()})

    def weights(self) -> dict[str, np.ndarray]:
        """A copy of what a prediction depends on: parameters and running averages.

        Where the optimizer averages weights these are the averages.
        """
        trace, lags = self.first.trace, self.first.lags
        paths = (*trace.parameters, *trace.states)
        return {
            path: self.state[path] + self.state[lags[path].path]
            if path in lags
            else self.state[path].copy()
            for path in paths
        }

    def averages(self) -> dict[str, np.ndarray]:
        """`weights`, where the optimizer averages them; else nothing."""
        return self.weights() if self.first.lags else {}

    @contextlib.contextmanager
    def using(self, weights: Mapping[str, np.ndarray]) -> Iterator[None]:
        """Have other weights inside; of none given the network stays as it is.

        Args:
            weights: by path, all that `weights` gives.
        """
        lags = [lag.path for lag in self.first.lags.values()] if weights else []
        own = {path: self.state[path].copy() for path in (*weights, *lags)}
        self.state.load(weights)
        for path in lags:
            self.state[path].fill(0)
        try:
            yield
        finally:
            self.state.load(own)

    def _kept(self) -> dict[str, np.ndarray]:
        """The state without the sums, which every update begins anew."""
        sums = {leaf.path for leaf in self.first.sums}
        return {path: value for path, value in self.state.items() if path not in sums}

    def _stored(self, path: str) -> str:
        """A path of the state as checkpoints call it."""
        if path.startswith(("optimizer/", "diagnosis/")):
            return path
        kind = "parameter" if path in self.first.trace.parameters else "state"
        return f"{kind}/{path}"
