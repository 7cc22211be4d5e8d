"""The whole of training as one graph: model, cost, gradients, statistics and update.

From a traced `Step` comes every program of a network, as a definition.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from nettrain.diagnose import statistics
from nettrain.diagnose.statistics import Shrinkage, Watch
from nettrain.errors import Error
from nettrain.execute import Definition
from nettrain.execute.program import STATEFUL
from nettrain.graph import Leaf, Node, adjoints, leaf, scope, topological
from nettrain.graph import operations as ops
from nettrain.graph.node import made_at
from nettrain.graph.rewrite import substitute
from nettrain.graph.spec import Shape
from nettrain.nn import Layer, Loss, Trace
from nettrain.nn.trace import NEW, Beginning
from nettrain.optim import Optimizer, Updates, clip_norm, clip_value, optimize


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
        symbols: how many different symbols each input may be; see `Trace`.
        seed: first values, dropout and the order of rows come from it.
        dtype: `float32` or `float64`.
        origins: config line of each layer's path and of `loss`, for messages.
        clip_norm, clip_value: limits of the gradients, where there are any.
        accumulate: of how many batches an update is made.
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
    accumulate: int = 1
    diagnose: bool = True
    begin: Beginning = NEW
    symbols: Shape = ()

    @property
    def positions(self) -> Shape:
        """(T,) where each of T positions of a row has a label of its own, else ()."""
        return self.targets if self.targets_dtype == "int64" else ()


@dataclass(frozen=True)
class Step:
    """The traced training step for one batch size.

    Attributes:
        definition: what a batch does: outputs `loss` and `gradient_norm`, updates,
            guards and, where statistics are taken in full, observers. Of an update of
            several batches it adds to `sums`, and the rest is left to `ending`.
        ending: what an update does after its batches, where it has several, whatever
            their size; else None. It has no guards for a batch: what is not finite
            there stays so in the sums.
        inputs, targets, rate, step, share: their input leaves. `step` is the number of
            a batch, in `ending` of the update; `share`, of the update's rows that are
            in the batch, is there for several batches.
        trace: what tracing gathered.
        loss: of the batch, without penalties.
        cost: loss and penalties.
        gradients: of the trainable parameters, before clipping, as the update takes
            them: leaves of `sums`, where there are any.
        sums: leaves `accumulated/PATH` of the state, for `loss` and the gradients, and
            what a batch makes of them.
        watch: the statistics, if the recipe diagnoses. Of an update of several batches
            those of parameters are of all its rows, those of other nodes of its last
            batch; counters take every batch.
        lags: by path of a parameter, the slot that is added to it for predictions.
    """

    definition: Definition
    ending: Definition | None
    inputs: Node
    targets: Node
    rate: Node
    step: Node
    share: Node
    trace: Trace
    loss: Node
    cost: Node
    gradients: Mapping[Node, Node]
    sums: Mapping[Node, Node]
    watch: Watch | None
    lags: Mapping[str, Node]

    @property
    def state(self) -> list[Node]:
        """The leaves of the state that it reads or changes."""
        ends = self.ending.leaves(*STATEFUL) if self.ending else []
        return list(dict.fromkeys([*self.definition.leaves(*STATEFUL), *ends]))


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
    share = leaf("input", "share", (), "float64")
    trace = _trace(recipe, training=True, step=step)
    outputs = trace.call(recipe.model, x, "model")
    with scope("", recipe.origins.get("loss", "")):
        loss = recipe.loss.cost(outputs, t).named("loss", role="cost")
    penalties = list(trace.penalties.values())
    cost = goal = _cost(loss, penalties)
    trainable = [p.node for p in trace.parameters.values() if p.trainable]
    if recipe.diagnose:
        found = statistics.backwards(cost, trainable, trace.within)
    else:
        found = adjoints(cost, trainable)
    _check_reached(trainable, found)
    total, gradients = loss, {node: found[node] for node in trainable}
    sums: dict[Node, Node] = {}
    if recipe.accumulate > 1:
        sums = _sums({loss: loss, **gradients}, share)
        total, *leaves = sums
        goal = _cost(total, penalties)
        gradients = dict(zip(trainable, leaves, strict=True))
    squares = ops.sum_of_squares(*gradients.values()) if gradients else None
    made = _update(recipe, gradients, squares, rate, step)
    measured, guards = {"loss": total}, [goal]
    if squares is not None:
        measured["gradient_norm"] = ops.sqrt(squares)
        guards.append(squares)
    watch = None
    if recipe.diagnose:
        watch = _watch(recipe, trace, cost, {**found, **gradients}, made.updates, rate)
    carried = {**trace.updates, **(watch.counters if watch else {})}
    observers = watch.observers if watch and full else {}
    after = Definition(measured, made.updates, tuple(guards), observers)
    definition, ending = _parted(after, carried, sums, {x, t})
    return Step(
        *(definition, ending, x, t, rate, step, share, trace, loss, cost),
        *(gradients, sums, watch, made.lags),
    )


def _sums(values: Mapping[Node, Node], share: Node) -> dict[Node, Node]:
    """Leaves `accumulated/PATH`, and what they become: Σ share · value over batches.

    Args:
        values: what is added up, by the node that it belongs to.
    """
    sums = {}
    for node, value in values.items():
        path = "/".join(filter(None, ("accumulated", node.scope)))
        start = Leaf("state", value.spec, value.spec.filled(0))
        held = Node(start, name=node.name, scope=path, role="sum", adjoint_of=node)
        sums[held] = held + value * ops.cast(share, value.dtype)
    return sums


def _parted(
    after: Definition,
    carried: Mapping[Node, Node],
    sums: Mapping[Node, Node],
    batch: set[Node],
) -> tuple[Definition, Definition | None]:
    """What a batch does, and what is done after several: see `Step`.

    Args:
        after: all that comes after the gradients, and every observer.
        carried: what a batch changes besides.
        sums: what it adds to, if the update has several.
        batch: its rows.
    """
    if not sums:
        return replace(after, updates={**after.updates, **carried}), None
    of_batch = set(batch)
    for node in topological(after.observers.values()):
        if not of_batch.isdisjoint(node.inputs):
            of_batch.add(node)
    seen = {name: x for name, x in after.observers.items() if x in of_batch}
    rest = {name: x for name, x in after.observers.items() if x not in of_batch}
    # From the last layer to the first: so a gradient is gone once it is added.
    added = dict(reversed(sums.items()))
    definition = Definition({}, {**added, **carried}, observers=seen)
    return definition, replace(after, observers=rest)


def _cost(loss: Node, penalties: list[Node]) -> Node:
    """The loss and what layers add to it; the loss itself where they add nothing."""
    if not penalties:
        return loss
    return functools.reduce(ops.add, penalties, loss).named("cost", role="cost")


def _watch(
    recipe: Recipe,
    trace: Trace,
    cost: Node,
    found: Mapping[Node, Node],
    new_values: Mapping[Node, Node],
    rate: Node,
) -> Watch:
    trainable = [p.node for p in trace.parameters.values() if p.trainable]
    return statistics.watch(
        cost,
        found,
        trainable,
        neurons=trace.neurons,
        new_values=new_values,
        within=trace.within,
        shrinkage=_shrinkage(recipe.optimizer, trace, trainable, rate),
    )


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
        symbols=recipe.symbols,
        begin=recipe.begin,
    )


def predicted(recipe: Recipe, rows: int) -> tuple[Node, Node, Trace]:
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
    x, outputs, trace = predicted(recipe, rows)
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
    """Of a batch `loss`, and its gradients by path, without penalties."""
    found = adjoints(step.loss, step.gradients)
    named = {leaf.path: g for leaf, g in found.items()}
    return Definition({"loss": step.loss, **named})


# ---------------------------------------------------------------- batches


@dataclass(frozen=True)
class Batch:
    """One of the batches that an update is made of.

    Attributes:
        where: its rows among the update's.
        number: from 1 on, counted from the first update's; its random bits are those
            of this number.
        share: its part in the update's mean: of the rows, or of what these weigh.
    """

    where: slice
    number: int
    share: float

    @property
    def size(self) -> int:
        """Rows."""
        return int(self.where.stop - self.where.start)

    def given(
        self, step: Step, inputs: np.ndarray, targets: np.ndarray, rate: float = 0.0
    ) -> dict[Node, np.ndarray]:
        """The values of a step's input leaves.

        Args:
            step: traced for such a batch.
            inputs, targets, rate: of the update.
        """
        return {
            step.inputs: inputs[self.where],
            step.targets: targets[self.where],
            step.rate: np.asarray(rate, np.float64),
            step.step: np.asarray(self.number, np.uint32),
            step.share: np.asarray(self.share, np.float64),
        }


def batches(recipe: Recipe, targets: np.ndarray, size: int, update: int) -> list[Batch]:
    """The batches of an update, in the order in which they are computed.

    A smaller one comes first: the last, which the statistics look at, is a full one.
    Their shares are those that make the mean of all rows of the means of each, whatever
    the classes weigh, and however many labels are ignored.

    Args:
        recipe: how many batches make an update; a single one has all rows.
        targets: of the update.
        size: rows of a full batch.
        update: its number, from 1.
    """
    rows = len(targets)
    if recipe.accumulate == 1:
        return [Batch(slice(0, rows), update, 1.0)]
    ends = [0, *range((rows - 1) % size + 1, rows + 1, size)]
    parts = [slice(start, end) for start, end in itertools.pairwise(ends)]
    weights = [recipe.loss.weight(targets[part]) for part in parts]
    whole = sum(weights) or 1.0
    last = update * recipe.accumulate + 1 - len(parts)
    return [
        Batch(part, last + i, weight / whole)
        for i, (part, weight) in enumerate(zip(parts, weights, strict=True))
    ]
