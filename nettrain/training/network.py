"""The whole of training as one graph: model, cost, gradients, statistics and update.

A `Network` traces the same layers again for every batch size it meets, and compiles
each graph once. All programs work on one `State`.
"""

from __future__ import annotations

import contextlib
import functools
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from nettrain.diagnose import statistics
from nettrain.diagnose.statistics import Shrinkage, Watch
from nettrain.errors import Error
from nettrain.execute import Cache, Definition, Executor, Program, Result, State
from nettrain.graph import Node, adjoints, leaf, scope
from nettrain.graph import operations as ops
from nettrain.graph.node import made_at
from nettrain.graph.rewrite import substitute
from nettrain.graph.spec import Shape
from nettrain.nn import Layer, Loss, Trace, initial_values
from nettrain.nn.trace import NEW, Beginning
from nettrain.optim import Optimizer, Updates, clip_norm, clip_value, optimize
from nettrain.training import stored

K = TypeVar("K")
T = TypeVar("T")


@dataclass(frozen=True)
class Recipe:
    """What to train, and how.

    Attributes:
        model: the layers; they are traced in the scope `model`.
        loss: from the model's outputs and the targets to a number.
        optimizer: from gradients to new weights.
        inputs: shape of one row of inputs.
        targets: shape of one row of targets, () for class numbers.
        targets_dtype: `int64` for class numbers, else the dtype below.
        outputs: how many outputs the targets need.
        seed: first values, dropout and the order of rows come from it.
        dtype: `float32` or `float64`.
        origins: config line of each layer's path and of `loss`, for messages.
        clip_norm, clip_value: limits of the gradients, where there are any.
        diagnose: whether statistics are taken.
        begin: weights of another training that the model begins with, where it does.
    """

    model: Layer
    loss: Loss
    optimizer: Optimizer
    inputs: Shape
    targets: Shape
    targets_dtype: str
    outputs: int
    seed: int = 0
    dtype: str = "float32"
    origins: Mapping[str, str] = field(default_factory=dict)
    clip_norm: float | None = None
    clip_value: float | None = None
    diagnose: bool = True
    begin: Beginning = NEW

    @property
    def positions(self) -> Shape:
        """(T,) where each of T positions of a row has a label of its own, else ()."""
        return self.targets if self.targets_dtype == "int64" else ()


@dataclass(frozen=True)
class Step:
    """The traced training step for one batch size.

    Attributes:
        definition: outputs `loss` and `gradient_norm`, updates, guards and, where
            statistics are taken in full, observers.
        inputs, targets, rate, step: its input leaves.
        trace: what tracing gathered.
        cost: loss and penalties.
        gradients: of the trainable parameters, before clipping.
        watch: the statistics, if the recipe diagnoses.
        lags: by path of a parameter, the slot that is added to it for predictions.
    """

    definition: Definition
    inputs: Node
    targets: Node
    rate: Node
    step: Node
    trace: Trace
    cost: Node
    gradients: Mapping[Node, Node]
    watch: Watch | None
    lags: Mapping[str, Node]


def trace_step(recipe: Recipe, batch: int, full: bool = False) -> Step:
    """Trace model, cost, gradients, statistics and update for a batch of rows.

    Args:
        recipe: what to trace.
        batch: rows.
        full: whether value and gradient of every node are summarized too.

    Raises:
        Error: `graph-unused-parameter` for a weight with no path to the cost.
    """
    x = leaf("input", "inputs", (batch, *recipe.inputs), recipe.dtype)
    t = leaf("input", "targets", (batch, *recipe.targets), recipe.targets_dtype)
    rate = leaf("input", "learning_rate", (), "float64")
    step = leaf("input", "step", (), "uint32")
    trace = _trace(recipe, training=True, step=step)
    outputs = trace.call(recipe.model, x, "model")
    with scope("", recipe.origins.get("loss", "")):
        loss = recipe.loss.cost(outputs, t).named("loss", role="cost")
    cost = _cost(loss, list(trace.penalties.values()))
    trainable = [p.node for p in trace.parameters.values() if p.trainable]
    if recipe.diagnose:
        found = statistics.backwards(cost, trainable, trace.within)
    else:
        found = adjoints(cost, trainable)
    _check_reached(trainable, found)
    gradients = {node: found[node] for node in trainable}
    squares = ops.sum_of_squares(*gradients.values()) if gradients else None
    made = _update(recipe, gradients, squares, rate, step)
    updates = {**made.updates, **trace.updates}
    guards = (cost,) if squares is None else (cost, squares)
    measured = {"loss": loss}
    if squares is not None:
        measured["gradient_norm"] = ops.sqrt(squares)
    watch = None
    if recipe.diagnose:
        watch = statistics.watch(
            cost,
            found,
            trainable,
            neurons=trace.neurons,
            new_values=updates,
            within=trace.within,
            shrinkage=_shrinkage(recipe.optimizer, trace, trainable, rate),
        )
        updates = {**updates, **watch.counters}
    observers = watch.observers if watch and full else {}
    definition = Definition(measured, updates, guards, observers)
    return Step(definition, x, t, rate, step, trace, cost, gradients, watch, made.lags)


def _cost(loss: Node, penalties: list[Node]) -> Node:
    """The loss and what layers add to it; the loss itself where they add nothing."""
    if not penalties:
        return loss
    return functools.reduce(ops.add, penalties, loss).named("cost", role="cost")


def _shrinkage(
    optimizer: Optimizer, trace: Trace, trainable: list[Node], rate: Node
) -> Shrinkage:
    coupled, kept = {}, {}
    for node in trainable:
        own = optimizer.of(node.path)
        coupled[node] = own.coupled
        left = own.kept(optimizer.rate_at(node.path, rate))
        if left is not None:
            kept[node] = left
    return Shrinkage(trace.weight_l2, coupled, kept)


def _trace(recipe: Recipe, *, training: bool, step: Node | None) -> Trace:
    return Trace(
        training=training,
        seed=recipe.seed,
        step=step,
        dtype=recipe.dtype,
        origins=recipe.origins,
        outputs=recipe.outputs,
        begin=recipe.begin,
    )


def _predicted(recipe: Recipe, rows: int) -> tuple[Node, Node, Trace]:
    """The model traced to predict: its input, its outputs, and the trace."""
    x = leaf("input", "inputs", (rows, *recipe.inputs), recipe.dtype)
    trace = _trace(recipe, training=False, step=None)
    return x, trace.call(recipe.model, x, "model"), trace


def _check_reached(trainable: list[Node], found: Mapping[Node, Node]) -> None:
    for node in trainable:
        if node not in found:
            raise Error(
                "graph-unused-parameter",
                f"{node.path}{made_at(node)} has no path to the cost: it cannot learn",
                fix="use its layer's output, or set trainable: false",
            )


def _update(
    recipe: Recipe,
    gradients: Mapping[Node, Node],
    squares: Node | None,
    rate: Node,
    step: Node,
) -> Updates:
    """The new value of every parameter and optimizer slot."""
    if squares is None:
        return Updates({}, [], {})
    clipped = dict(gradients)
    if recipe.clip_value is not None:
        clipped = clip_value(clipped, recipe.clip_value)
    if recipe.clip_norm is not None:
        clipped = clip_norm(clipped, recipe.clip_norm)
    count = ops.cast(step, "float64")
    return optimize(recipe.optimizer, clipped, rate, count)


# ---------------------------------------------------------------- other programs


_NONE: Mapping[str, Node] = {}


def forward(
    recipe: Recipe, rows: int, lags: Mapping[str, Node] = _NONE
) -> tuple[Node, Definition]:
    """A prediction of so many rows: its input, and `outputs`.

    Args:
        lags: by path of a parameter, what is added to it.
    """
    x, outputs, trace = _predicted(recipe, rows)
    nodes = {path: p.node for path, p in trace.parameters.items()}
    shifted = {nodes[path]: nodes[path] + lag for path, lag in lags.items()}
    if shifted:
        outputs = substitute([outputs], shifted)[outputs]
    return x, Definition({"outputs": outputs})


def scoring(
    recipe: Recipe, outputs: Shape, targets: Shape
) -> tuple[Node, Node, Definition]:
    """Outputs and targets of those shapes: their inputs, `loss` and `predictions`."""
    y = leaf("input", "outputs", outputs, recipe.dtype)
    t = leaf("input", "targets", targets, recipe.targets_dtype)
    loss = recipe.loss
    return (
        y,
        t,
        Definition({"loss": loss.cost(y, t), "predictions": loss.predictions(y)}),
    )


def measuring(step: Step) -> Definition:
    """Of a traced step `loss`, and its gradients by path, without penalties."""
    loss = step.definition.outputs["loss"]
    found = adjoints(loss, step.gradients)
    return Definition({"loss": loss} | {leaf.path: g for leaf, g in found.items()})


@dataclass(frozen=True)
class CompiledStep:
    """A training step that can be run."""

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
        _, _, trace = _predicted(recipe, rows=1)
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
    definition = step.definition
    zeros = {node.path: node.spec.filled(0) for node in definition.leaves("state")}
    values = {**zeros, **initial_values(step.trace, seed)}
    state = executor.allocate(definition, values)
    for path, value in values.items():
        # A parameter that no update changes may not occur in the definition.
        state.setdefault(path, value)
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
            inputs: (B, …).
            targets: (B,) or (B, T).
            rate: learning rate.
            step: number of this update, from 1.
            full: whether to take all statistics.
        """
        compiled = self.compiled(len(inputs), full)
        traced = compiled.traced
        return compiled.program(
            {
                traced.inputs: inputs,
                traced.targets: targets,
                traced.rate: np.asarray(rate, np.float64),
                traced.step: np.asarray(step, np.uint32),
            }
        )

    def compiled(self, batch: int, full: bool) -> CompiledStep:
        """The training step for a batch size, traced and compiled at its first use."""
        return self._steps((batch, full and self.recipe.diagnose))

    def _compile_step(self, key: tuple[int, bool]) -> CompiledStep:
        batch, full = key
        known = batch == self._batch and not full
        traced = self.first if known else trace_step(self.recipe, batch, full)
        program = self._executor.program(traced.definition, self.state)
        return CompiledStep(traced, program)

    def gradient(self, inputs: np.ndarray, targets: np.ndarray, step: int) -> Result:
        """The loss as training computes it, and its gradients; nothing is changed.

        Args:
            inputs, targets: see `train`.
            step: random bits are those of this update.

        Returns:
            `loss`, and by path the gradient of each trained parameter without
            penalties. Outputs are valid until the next call.
        """
        traced, program = self._measures(len(inputs))
        number = np.asarray(step, np.uint32)
        return program(
            {traced.inputs: inputs, traced.targets: targets, traced.step: number}
        )

    def _compile_measure(self, batch: int) -> tuple[Step, Program]:
        known = batch == self._batch
        traced = self.first if known else trace_step(self.recipe, batch)
        return traced, self._executor.program(measuring(traced), self.state)

    def _compile_forward(self, rows: int) -> tuple[Node, Program]:
        x, definition = forward(self.recipe, rows, self.first.lags)
        return x, self._executor.program(definition, self.state)

    def release(self) -> None:
        """Give back the memory of all programs; they are compiled again when needed."""
        for cache in (self._steps, self._measures):
            cache.clear()
        super().release()

    # ---------------------------------------------------------------- the state

    def tensors(self) -> dict[str, np.ndarray]:
        """The state by the paths of a checkpoint; the arrays change with training."""
        return {self._stored(path): value for path, value in self.state.items()}

    def restore(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Take the state from a checkpoint, which may hold more than that.

        Raises:
            Error: `checkpoint-mismatch` where a tensor is missing or of another shape.
        """
        wanted = {self._stored(path): array for path, array in self.state.items()}
        stored.check(tensors, wanted)
        self.state.load({path: tensors[self._stored(path)] for path in self.state})

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

    def _stored(self, path: str) -> str:
        """A path of the state as checkpoints call it."""
        if path.startswith(("optimizer/", "diagnosis/")):
            return path
        kind = "parameter" if path in self.first.trace.parameters else "state"
        return f"{kind}/{path}"
