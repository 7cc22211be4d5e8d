"""Every gradient of a network beside central differences, in float64.

Along a random direction d of one parameter W the slope <dL/dW, d> of the graph should
be (L(W + εd) - L(W - εd)) / 2ε. Where a kink lies between the two points, or a weight
of 0 puts a unit right on one, differences are wrong and not the graph: a parameter that
disagrees is tried again with a shorter step and from other weights nearby, and the best
of all counts. What the rounding of L alone explains is no error: a gradient that has
all but vanished cannot be checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from nettrain import randomness
from nettrain.data.dataset import Part
from nettrain.diagnose.facts import GradientCheck
from nettrain.execute import Definition, Executor
from nettrain.execute.namespace import NUMPY
from nettrain.execute.program import STATEFUL
from nettrain.execute.reference import evaluate
from nettrain.graph import Leaf, Node, adjoints, constant, leaf, topological
from nettrain.nn import initial_values
from nettrain.training.programs import Recipe, Step, trace_step

Array = np.ndarray
Arrays = Mapping[str, Array]

ROWS = 8
AGREE = 1e-6
"""A relative error below which no further attempt is made."""
OFF = 1e-5
"""One above which the operation is looked for."""
_STEPS = (1e-5, 1e-7)
"""ε, as a share of the weights' size."""
_AWAY = (0.0, 0.01, 0.1)
"""How far from the first weights is looked, as a share of their size."""
_ROUNDING = 64 * float(np.finfo(np.float64).eps)
"""Relative error of a cost that went through many operations."""


def gradient_checks(
    recipe: Recipe, runner: Executor, part: Part
) -> tuple[GradientCheck, ...]:
    """One for each trained parameter; none where the cost is not finite.

    Args:
        recipe: of the network; it is computed in float64.
        runner: what computes it.
        part: the training part, of which a few rows are taken.
    """
    check = _Check(recipe, runner, part)
    best: dict[str, GradientCheck] = {}
    for number, away in enumerate(_AWAY):
        check.move(number, away)
        for step in _STEPS:
            left = [p for p in check.parameters if _error(best.get(p)) > AGREE]
            for made in check.made(left, step):
                if made.error < _error(best.get(made.parameter)):
                    best[made.parameter] = made
    wrong = {path for path, made in best.items() if made.error > OFF}
    operation = check.wrong_operation() if wrong else ""
    return tuple(
        replace(made, operation=operation if path in wrong else "")
        for path, made in best.items()
    )


def _error(made: GradientCheck | None) -> float:
    return made.error if made else float("inf")


class _Check:
    """A network in float64 on a few rows, at weights that can be moved."""

    def __init__(self, recipe: Recipe, runner: Executor, part: Part) -> None:
        classes = recipe.targets_dtype == "int64"
        exact = replace(
            recipe,
            dtype="float64",
            targets_dtype="int64" if classes else "float64",
            accumulate=1,
            diagnose=False,
        )
        rows = randomness.permutation(_key(recipe, "rows"), len(part))[:ROWS]
        self._recipe, self._step = exact, trace_step(exact, len(rows))
        self.parameters = {node.path: node for node in self._step.gradients}
        named = {n.path: g for n, g in self._step.gradients.items()}
        definition = Definition({"cost": self._step.cost, **named})
        self._first = initial_values(self._step.trace, exact.seed)
        self._state = runner.allocate(definition, self._first)
        self._program = runner.program(definition, self._state)
        self._inputs = _inputs(self._step, part, rows)

    def move(self, number: int, away: float) -> None:
        """Go to other weights: the first ones, and noise of a share of their size."""
        for path in self.parameters:
            first = self._first[path]
            noise = self._direction(f"point {number}/{path}", first)
            self._state[path][...] = first + away * noise

    def made(self, paths: Iterable[str], step: float) -> Iterator[GradientCheck]:
        """The slope along one direction of each parameter, from where the weights are.

        Args:
            paths: of the parameters.
            step: ε, in units of the parameter's size.
        """
        slopes = self._program(self._inputs).outputs
        exact = {
            path: float(np.sum(slopes[path] * self._direction(path, self._first[path])))
            for path in paths
        }
        for path, slope in exact.items():
            values = self._state[path]
            here = values.copy()
            change = step * self._direction(path, self._first[path])
            costs = []
            for sign in (1.0, -1.0):
                values[...] = here + sign * change
                costs.append(float(self._program(self._inputs).outputs["cost"]))
            values[...] = here
            ahead, behind = costs
            numeric = (ahead - behind) / (2 * step)
            unsure = _ROUNDING * max(abs(ahead), abs(behind)) / (2 * step)
            yield GradientCheck(path, slope, numeric, _relative(slope, numeric, unsure))

    def _direction(self, name: str, first: Array) -> Array:
        """A random direction in which each element is about as large as a weight."""
        size = float(np.sqrt(np.mean(np.square(first)))) if first.size else 0.0
        drawn = randomness.normal(_key(self._recipe, name), first.shape)
        return drawn * (size or 1.0)

    def wrong_operation(self) -> str:
        """The first operation whose own derivative is off, in forward order, if any."""
        leaves = {
            node: self._state[node.path]
            for node in topological([self._step.cost])
            if isinstance(node.op, Leaf) and node.op.kind in STATEFUL
        }
        values = evaluate([self._step.cost], {**leaves, **self._inputs})
        for node, value in values.items():
            inputs = [values[x] for x in node.inputs]
            if value.dtype.kind == "f" and inputs and not _right(node, inputs):
                return node.op.name
        return ""


def _key(recipe: Recipe, name: str) -> randomness.Key:
    return randomness.key(recipe.seed, f"gradient check/{name}")


def _inputs(step: Step, part: Part, rows: Array) -> dict[Node, Array]:
    given = {step.inputs: part.inputs[rows], step.targets: part.targets[rows]}
    exact = {node: value.astype(node.dtype) for node, value in given.items()}
    return {**exact, step.rate: np.float64(0.0), step.step: np.uint32(1)}


def _relative(exact: float, numeric: float, unsure: float) -> float:
    """|exact - numeric| over the larger of both, less what rounding explains."""
    difference = abs(exact - numeric) - unsure
    return 0.0 if difference <= 0 else difference / max(abs(exact), abs(numeric))


# ---------------------------------------------------------------- one operation


def _right(node: Node, inputs: list[Array]) -> bool:
    """Whether an operation's derivative agrees with differences at its own inputs.

    All inputs that it gives a gradient to are moved at once.
    """
    leaves = [
        leaf("input", str(i), x.shape, x.dtype.name) for i, x in enumerate(inputs)
    ]
    y = Node(node.op, tuple(leaves))
    random = np.random.default_rng(0)
    g = random.normal(size=y.shape)
    reached = adjoints(y, leaves, constant(g))
    slopes = evaluate(reached.values(), dict(zip(leaves, inputs, strict=True)))
    directions = {x: random.normal(size=x.shape) for x in reached}
    exact = sum(float(np.sum(slopes[reached[x]] * directions[x])) for x in reached)

    def error(step: float) -> float:
        ahead, behind = (
            node.op.forward(
                NUMPY,
                *[
                    value + sign * step * directions[x] if x in directions else value
                    for x, value in zip(leaves, inputs, strict=True)
                ],
            )
            for sign in (1.0, -1.0)
        )
        numeric = float(np.sum(g * (ahead - behind))) / (2 * step)
        unsure = _ROUNDING * float(np.sum(np.abs(g * ahead))) / (2 * step)
        return _relative(exact, numeric, unsure)

    with np.errstate(all="ignore"):
        return any(error(step) <= OFF for step in _STEPS)
