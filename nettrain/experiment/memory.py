"""How much memory a run will need, worked out before its first step.

A run goes through stages (first weights, training, evaluation, saving, …). What each
holds is a sum of terms, each a formula of shapes known from the traced graph, on top of
what the process holds already. The need of the run is that of its greediest stage. The
buffers of programs are planned as they will be, on memory that is never touched.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from nettrain.diagnose.statistics import due
from nettrain.errors import Error, Place
from nettrain.execute import Definition, executor
from nettrain.experiment import available, graph
from nettrain.experiment.available import Limit, size
from nettrain.experiment.setup import FEWER_ROWS, Setup
from nettrain.graph import Constant, Leaf, Node, adjoints, topological
from nettrain.graph.operations.shape import BroadcastTo, Reshape, Slice, Transpose
from nettrain.nn import walk
from nettrain.training import programs, residuals, signals

Terms = Mapping[str, int]

PICTURES = 45_000_000
"""Bytes that matplotlib takes with fonts and a figure (3.10: 40 MB)."""
SCORES = 90_000_000
"""Bytes that scikit-learn takes, for the metrics that are its own (1.7: 85 MB)."""
UPDATE = 1000
"""Bytes of a row of metrics as Python's own numbers, while the pictures are drawn."""
ORDER = 48
"""Bytes for each training row while an order is drawn: random words (8 and 16), their
64 bits (8), the order (8) and what sorting needs (8)."""
ROW = 150
"""Bytes for each row, beside its values, while rows are compared: a `bytes` object and
its place in a dictionary."""
DRAW = 16
"""Bytes for each number of a weight while its first values are drawn: two float64."""
ENCODED = 1
"""How often a checkpoint's tensors are there while it is encoded, beside themselves."""

DECODED = 2
"""How often a checkpoint's tensors are there while it is decoded."""

VIEWS = (Reshape, Transpose, BroadcastTo, Slice)


@dataclass(frozen=True)
class Stage:
    """What is held at one time of a run.

    Attributes:
        name: when, in words.
        terms: bytes of each thing, by its name.
    """

    name: str
    terms: Terms

    @property
    def nbytes(self) -> int:
        return sum(self.terms.values())


@dataclass(frozen=True)
class Prediction:
    """What a run will need, and what there is.

    Attributes:
        stages: of the run.
        so_far: bytes that the process has held at most until now.
        limit: the tightest bound; None where none is known.
    """

    stages: tuple[Stage, ...]
    so_far: int
    limit: Limit | None

    @property
    def stage(self) -> Stage:
        """The greediest one."""
        return max(self.stages, key=lambda stage: stage.nbytes)

    @property
    def nbytes(self) -> int:
        """The most memory that the process will have held."""
        return max(self.stage.nbytes, self.so_far)

    @property
    def fits(self) -> bool:
        return self.limit is None or self.stage.nbytes <= self.limit.nbytes

    def largest(self, count: int = 3) -> list[tuple[str, int]]:
        """The largest terms of the greediest stage."""
        return sorted(self.stage.terms.items(), key=lambda term: -term[1])[:count]


def check_fits(
    setup: Setup, *, resumed: bool = False, written: bool = True
) -> Prediction:
    """Refuse a run that cannot fit into memory; nothing has been made of it yet.

    Args:
        setup: what is to be run.
        resumed: whether it goes on from a checkpoint.
        written: whether it has a folder, with checkpoints and pictures.

    Raises:
        Error: `memory-needed`, with numbers, the line at fault and one fix.
    """
    prediction = predict(setup, resumed=resumed, written=written)
    if not prediction.fits:
        raise refusal(setup, prediction)
    return prediction


def predict(setup: Setup, *, resumed: bool = False, written: bool = True) -> Prediction:
    """What a run will need. Of its arrays none is made. Arguments as above."""
    sizes = _Sizes(setup)
    # Planned first: what that leaves behind is held.
    begun = _resumed(sizes) if resumed else _begun(sizes)
    parts = (*begun, *_trained(sizes), *(_ended(sizes) if written else ()))
    available.give_back()
    held = {HELD: available.held()}
    stages = tuple(Stage(name, {**held, **terms}) for name, terms in parts)
    return Prediction(stages, available.peak(), available.limit())


# ---------------------------------------------------------------- stages

HELD = "program and data"
STATE = "weights and optimizer state"
FIRST = "first values"
BEST = "best weights"
GRADIENTS = "gradients"
ACTIVATIONS = "activations"
BUFFERS = "buffers of the updates"
ROWS = "rows of a batch"
EVALUATION = "evaluation"
ORDERS = "order of the rows"
COPIES = "copies for a checkpoint"
READ = "checkpoint that was read"
LOOK = "look at the first weights"
COMPARED = "rows compared"
SUMS = "sums of gradients"
VALUES = "all values of a batch"
SECOND = "second network"
LIBRARIES = "libraries"
HISTORY = "history"


def _resumed(sizes: _Sizes) -> Iterator[tuple[str, Terms]]:
    """The same as `_begun` where a checkpoint is read before, and taken after."""
    read = sizes.saved + sizes.best
    yield "while a checkpoint is read", {READ: DECODED * read}
    for name, terms in _begun(sizes):
        yield name, {**terms, READ: read}


def _begun(sizes: _Sizes) -> Iterator[tuple[str, Terms]]:
    """Name and terms of each stage before the training, in the order of a run."""
    state, first = {STATE: sizes.state}, {FIRST: sizes.weights}
    yield (
        "while the first weights are made",
        {FIRST: sizes.weights + max(DRAW * sizes.largest, sizes.state)},
    )
    if sizes.diagnoses:
        yield "while the first weights are looked at", {**state, **sizes.drawn}
        yield "while the data are looked at", {**state, **first, **sizes.looked}


def _trained(sizes: _Sizes) -> Iterator[tuple[str, Terms]]:
    """Name and terms of each stage up to the verdict."""
    kept = sizes.kept
    running = {ORDERS: sizes.orders, ROWS: sizes.rows}
    yield "in training", {**kept, **sizes.training(), **running}
    waiting = {**kept, **sizes.waiting()}
    evaluating = sizes.evaluation() + sizes.predictions
    yield "while all rows are evaluated", {**waiting, EVALUATION: evaluating}
    if sizes.diagnoses:
        sums = {SUMS: sizes.sums, BEST: 2 * sizes.best}
        yield "for the verdict", {**kept, **sizes.training(verdict=True), **sums}
        waiting = {**kept, **sizes.waiting(verdict=True)}
        yield "for the verdict", {**waiting, LOOK: sizes.residuals}
        rates = {SECOND: 2 * sizes.state, **sizes.timed(1)}
        yield "while learning rates are measured", {**kept, **rates}


def _ended(sizes: _Sizes) -> Iterator[tuple[str, Terms]]:
    """Name and terms of the stages of a run that has a folder."""
    kept, first = sizes.kept, {FIRST: sizes.weights}
    copies = {COPIES: ENCODED * (sizes.saved + sizes.best)}
    waiting = sizes.waiting(verdict=sizes.diagnoses)
    yield "while a checkpoint is saved", {**kept, **waiting, **copies}
    if sizes.diagnoses:
        own = {**kept, SECOND: sizes.state}
        idle = {**own, **(sizes.timed(3) if sizes.keeps else {})}
        yield "while the diagnosis is timed", {**own, **sizes.timed(3)}
        yield "while the diagnosis is timed", {**idle, **sizes.drawn}
        yield "while the diagnosis is timed", {**idle, **first, **sizes.looked}
    drawing = {VALUES: sizes.every_value, HISTORY: sizes.history}
    libraries = {LIBRARIES: sizes.libraries + PICTURES}
    yield "while the pictures are drawn", {**kept, **drawing, **libraries}


class _Sizes:
    """Bytes of everything that a run holds at one time or another."""

    def __init__(self, setup: Setup) -> None:
        self._setup, self._recipe, self._step = setup, setup.recipe, setup.step
        self._plan, self._parts = setup.plan(), setup.dataset.parts
        self._executor = executor(setup.experiment.executor)
        self.diagnoses, self.keeps = self._recipe.diagnose, self._executor.keeps
        self._batch = self._step.inputs.shape[0]
        trace = self._step.trace
        self._parameters = [made.node for made in trace.parameters.values()]
        self._itemsize = np.dtype(self._recipe.dtype).itemsize
        self._forwards: dict[int, int] = {}

    # ------------------------------------------------------------ weights

    @cached_property
    def state(self) -> int:
        """Parameters, running averages, slots, unit counters, sums of gradients."""
        return _nbytes({*self._step.state, *self._parameters})

    @property
    def saved(self) -> int:
        """What a checkpoint has of it."""
        return self.state - _nbytes(self._step.sums)

    @cached_property
    def weights(self) -> int:
        """Parameters and running averages: what predictions depend on."""
        return _nbytes([*self._parameters, *self._step.trace.states.values()])

    @property
    def best(self) -> int:
        stop = self._plan.config.stop
        return self.weights if stop and stop.restore_best else 0

    @cached_property
    def largest(self) -> int:
        """Numbers in the largest parameter."""
        return max((node.spec.size for node in self._parameters), default=0)

    @property
    def kept(self) -> dict[str, int]:
        """What training holds all the time, beside its programs."""
        return {STATE: self.state, BEST: self.best, LIBRARIES: self.libraries}

    @property
    def drawn(self) -> dict[str, int]:
        """First values, while the largest of them are drawn."""
        return {FIRST: self.weights + DRAW * self.largest}

    @cached_property
    def _trained(self) -> int:
        return _nbytes(self._step.gradients)

    @property
    def sums(self) -> int:
        """Float64 sums of all gradients, and one gradient as float64."""
        return 8 * (self._trained // self._itemsize + self.largest)

    # ------------------------------------------------------------ programs

    def training(self, verdict: bool = False) -> dict[str, int]:
        """What the compiled steps hold; gradients are part of each program.

        Args:
            verdict: whether the gradients of the loss alone are a program too.
        """
        made = [*self._steps, *([self._measure] if verdict else [])]
        held = {EVALUATION: self.evaluation(verdict)} if self.keeps else {}
        return {**self._split(made), **held}

    def waiting(self, verdict: bool = False) -> dict[str, int]:
        """What they hold while none of them runs."""
        return self.training(verdict) if self.keeps else {}

    def _split(self, made: list[int]) -> dict[str, int]:
        """What each program has: gradients, values of the rows, and the rest.

        An executor that keeps nothing between two calls holds one program at a time.
        """
        if not self.keeps:
            made = [max(made)]
        gradients = min(len(made) * self._trained, sum(made))
        left = sum(made) - gradients
        values = min(left, 2 * len(made) * self._values)
        return {GRADIENTS: gradients, ACTIVATIONS: values, BUFFERS: left - values}

    def timed(self, count: int) -> dict[str, int]:
        """So many programs of the training step, one of them with all statistics."""
        made = [self._plain] * (count - 1) + [max(self._steps)]
        return {
            **self._split(made),
            EVALUATION: self.evaluation() + self.predictions,
        }

    @cached_property
    def _steps(self) -> list[int]:
        """Each program of the training step: with and without statistics, and of an
        epoch's smaller last batch, which has none."""
        always = self.diagnoses and self._always_due(self._plan.steps_per_epoch)
        made = [] if always else [self._plain]
        if self.diagnoses:
            step = programs.trace_step(self._recipe, self._batch, full=True)
            made.append(self._both(step))
        if last := len(self._parts["train"]) % self._batch:
            step = programs.trace_step(self._recipe, last)
            made.append(self._program(step.definition))
        return made

    @cached_property
    def _plain(self) -> int:
        return self._both(self._step)

    def _both(self, step: programs.Step) -> int:
        """What a batch does, and what comes after several of them."""
        ending = self._program(step.ending) if step.ending else 0
        return self._program(step.definition) + ending

    def _always_due(self, per_epoch: int) -> bool:
        settings = self._setup.experiment.diagnose
        every = getattr(settings, "every", 1)
        full, total = self._plan.full_steps, self._plan.total_steps
        steps = (*range(1, min(full, 4096) + 1), per_epoch + 1)
        return all(due(n, per_epoch, every, full) for n in steps if n <= total)

    @cached_property
    def _measure(self) -> int:
        return self._program(programs.measuring(self._step))

    def evaluation(self, verdict: bool = False) -> int:
        """A forward program and a score for each number of rows.

        Args:
            verdict: whether a batch, and rows of the residuals, were predicted too.
        """
        most = self._plan.evaluation_batch_size
        rows = [len(part) for part in self._parts.values()]
        if verdict:
            rows += [self._batch, min(len(self._parts["train"]), residuals.ROWS)]
        sizes = {n for all_ in rows for n in (min(all_, most), all_ % most) if n}
        made = [*map(self._forward, sizes), *self._scores]
        return sum(made) if self.keeps else max(made)

    def _forward(self, rows: int) -> int:
        if rows not in self._forwards:
            _, definition = programs.forward(self._recipe, rows)
            self._forwards[rows] = self._program(definition)
        return self._forwards[rows]

    @cached_property
    def _scores(self) -> list[int]:
        most, shapes = self._plan.evaluation_batch_size, set()
        for part in self._parts.values():
            for rows in {min(len(part), most), len(part) % most} - {0}:
                targets = (rows, *part.targets.shape[1:])
                shapes.add((self._outputs(rows), targets))
        made = [programs.scoring(self._recipe, *both)[2] for both in shapes]
        return [self._program(definition) for definition in made]

    def _program(self, definition: Definition) -> int:
        """Memory of a program, planned; where there is none to plan on, at least what
        its inputs' values and their gradients come to."""
        try:
            return self._executor.nbytes(definition)
        except (MemoryError, ValueError):
            nodes = topological(definition.outputs.values())
            return _computed(nodes) + (self._trained if definition.updates else 0)

    # ------------------------------------------------------------ rows

    def _outputs(self, rows: int) -> tuple[int, ...]:
        return (rows, *self._recipe.positions, self._recipe.outputs)

    @cached_property
    def predictions(self) -> int:
        """Those of all rows, and of some the outputs in pieces and as a whole.

        Regressions are judged in float64: targets, errors and their squares.
        """
        held = 0
        for part in (p for n, p in self._parts.items() if n != "test"):
            some = min(len(part), self._plan.evaluation_batch_size)
            held += prod(self._outputs(len(part) + 2 * some)) * self._itemsize
            if self._recipe.loss.task == "regression":
                held += 3 * 8 * prod(part.targets.shape)
            else:
                held += 3 * 8 * part.targets.size
        return held

    @property
    def rows(self) -> int:
        """Inputs and targets of an update, as they are taken from the part."""
        train = self._parts["train"]
        per_row = (train.inputs.nbytes + train.targets.nbytes) // max(len(train), 1)
        return self._plan.batch_size * per_row

    @property
    def orders(self) -> int:
        return ORDER * len(self._parts["train"])

    @cached_property
    def _values(self) -> int:
        """Every value that a batch has on its way forward."""
        nodes = topological([self._step.cost])
        return _computed([n for n in nodes if n.shape[:1] == (self._batch,)])

    @cached_property
    def looked(self) -> dict[str, int]:
        """Values and gradients of some rows, with the first weights; all rows as bytes,
        to count those that are there twice."""
        train = self._parts["train"]
        rows = min(signals.rows_seen(self._step), len(train))
        return {
            LOOK: 2 * self._values * rows // self._batch,
            COMPARED: train.inputs.nbytes + train.targets.nbytes + ROW * len(train),
        }

    @property
    def residuals(self) -> int:
        """Inputs and features of some rows in float64, and what is between them."""
        train = self._parts["train"]
        rows = min(len(train), residuals.ROWS)
        return 8 * rows * (3 * prod(train.inputs.shape[1:]) + 4 * residuals.FEATURES)

    # ------------------------------------------------------------ the end

    @cached_property
    def every_value(self) -> int:
        """Values and gradients of every node of a batch, copies of both, and what the
        size of the largest is worked out in."""
        step, rows = self._step, min(self._batch, graph.ROWS)
        if rows < self._batch:
            step = programs.trace_step(self._recipe, rows)
        nodes = topological([step.cost])
        found = adjoints(step.cost, nodes)
        known = _computed(topological([*nodes, *found.values()]))
        copies = 2 * _nbytes(nodes) + _nbytes(self._parameters)
        return known + copies + 8 * self.largest

    @property
    def history(self) -> int:
        return UPDATE * self._plan.total_steps

    @cached_property
    def libraries(self) -> int:
        """What evaluation imports, where it is not there yet."""
        wanted = any(type(metric).__name__ in _SKLEARN for metric in self._plan.metrics)
        return SCORES if wanted and "sklearn" not in sys.modules else 0


_SKLEARN = ("Precision", "Recall", "F1", "Confusion")


def _nbytes(nodes: Iterable[Node]) -> int:
    return sum(node.spec.nbytes for node in nodes)


def _computed(nodes: Iterable[Node]) -> int:
    """Bytes of the nodes that hold a value of their own."""
    return _nbytes(n for n in nodes if not isinstance(n.op, (Leaf, Constant, *VIEWS)))


# ---------------------------------------------------------------- refusal


_BY = {
    STATE: "model", FIRST: "model", BEST: "model", GRADIENTS: "model",
    COPIES: "model", SUMS: "model", SECOND: "model", BUFFERS: "model", READ: "model",
    ACTIVATIONS: "data.batch_size", ROWS: "data.batch_size",
    VALUES: "data.batch_size", EVALUATION: "data.evaluation_batch_size",
    HISTORY: "train",
}  # fmt: skip
"""What a term grows with."""


def refusal(setup: Setup, prediction: Prediction) -> Error:
    """The error of a run that does not fit."""
    stage, limit = prediction.stage, prediction.limit
    assert limit is not None
    largest = ", ".join(f"{name} {size(n)}" for name, n in prediction.largest())
    message = (
        f"the run needs {size(stage.nbytes)} of memory {stage.name}, and "
        f"{size(limit.nbytes)} are available ({limit.name}): {largest}"
    )
    place, fix = _remedy(setup, stage, limit)
    return Error("memory-needed", message, place=place, fix=fix)


def _remedy(setup: Setup, stage: Stage, limit: Limit) -> tuple[Place, str]:
    """The key with the most effect, where it stands, and what it would have to be."""
    totals: dict[str, int] = {}
    for name, nbytes in stage.terms.items():
        key = _BY.get(name, "data")
        totals[key] = totals.get(key, 0) + nbytes * (name != HELD)
    key = max(totals, key=lambda key: totals[key])
    if limit.nbytes <= stage.terms[HELD]:
        key = "data"
    share = 1 - (stage.nbytes - limit.nbytes) / max(totals[key], 1)
    place, data = setup.resolved.place, setup.experiment.data
    if key.startswith("data."):
        now: int = getattr(data, key.removeprefix("data."))
        now = min(now, len(setup.dataset.parts["train"]))
        if now * share >= 1:
            fix = f"say {key}: {int(now * share)}"
            if key == "data.batch_size":
                several = -(-setup.plan().batch_size // int(now * share))
                fix += f"; train.accumulate: {several} keeps the rows of an update"
            return place(tuple(key.split("."))), fix
    if key == "data":
        return place(("data", "source")), FEWER_ROWS
    if key == "train":
        name = "epochs" if setup.experiment.train.epochs else "steps"
        now = getattr(setup.experiment.train, name)
        fix = f"say train.{name}: {max(1, int(now * share))}"
        return place(("train", name)), fix
    where, name = _largest_layer(setup)
    return place(where, key=True), f"give {name} fewer units: it is the largest layer"


def _largest_layer(setup: Setup) -> tuple[tuple[str | int, ...], str]:
    """Place and name of the layer whose weights, or else outputs, are the largest."""
    held: dict[str, int] = {}
    for made in setup.step.trace.parameters.values():
        held[made.layer_path] = held.get(made.layer_path, 0) + made.node.spec.nbytes
    for call in setup.step.trace.calls:
        if next(call.layer.children(), None) is None:
            held[call.path] = held.get(call.path, 0) + prod(call.outputs)
    most = max(held, key=lambda path: held[path])
    for path, where, layer in walk(setup.experiment.model, "model", ("model",)):
        if path == most:
            return (*where, layer.registered_name), path.removeprefix("model/")
    return ("model",), most
