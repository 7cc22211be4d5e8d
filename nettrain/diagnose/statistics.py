"""Statistics as nodes of the training graph: what the diagnosis sees of a network.

An observer only: nothing here changes a value that training uses. Value and gradient of
every pre-activation z, activation h and parameter are summarized at some steps (`due`);
what the units do is counted at every step, so that "dead" means a whole epoch.

All gradients are those of the training cost as it is: unscaled, before clipping, on the
batches that were trained on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from nettrain.diagnose.evidence import Units
from nettrain.graph import Constant, Leaf, Node, Spec, topological
from nettrain.graph import operations as ops
from nettrain.graph.operations import shape
from nettrain.graph.operations.matmul import Matmul
from nettrain.graph.operations.reduce import Summary

ROLES = ("pre_activation", "activation")
COUNTERS = ("arrive", "pass", "positive")
_ARRIVE, _PASS, _POSITIVE = COUNTERS


class Nonlinearity(Protocol):
    """An activation function."""

    @property
    def can_die(self) -> bool:
        """Whether its derivative can be 0 for every sample."""


class Neurons(Protocol):
    """Which activation h = f(z) belongs to a pre-activation z."""

    @property
    def activation(self) -> Node: ...

    @property
    def function(self) -> Nonlinearity: ...


@dataclass(frozen=True)
class Counted:
    """A layer whose units are counted.

    Attributes:
        path: of its pre-activation.
        samples: values of one unit in one row of a batch (1 for a dense layer).
    """

    path: str
    samples: int


@dataclass(frozen=True)
class Watch:
    """The statistics of one training graph.

    Attributes:
        roles: path -> role of everything watched: nodes in forward order, then
            parameters.
        observers: `value/PATH` and `gradient/PATH` -> summary, float64 (6,);
            `ratio/PATH` -> ‖ΔW‖/‖W‖, float64 (), of parameters of rank 2 or more.
        counters: leaf -> its new value; leaves `diagnosis/KIND/PATH` of shape (units,)
            and kind `state`, KIND one of `COUNTERS`.
        counted: the layers that have counters.
    """

    roles: Mapping[str, str]
    observers: Mapping[str, Node]
    counters: Mapping[Node, Node]
    counted: tuple[Counted, ...]

    def rows(
        self,
        step: int,
        epoch: int,
        outputs: Mapping[str, np.ndarray],
        dead: Mapping[str, int] | None = None,
    ) -> list[dict[str, Any]]:
        """Rows of statistics.csv, from the observers' values at one moment.

        Args:
            outputs: by the observers' names.
            dead: by path of the pre-activation, how many units are dead.
        """
        return [
            {
                "step": step,
                "epoch": epoch,
                "node": path,
                "role": role,
                **_columns("value", outputs.get(f"value/{path}")),
                **_columns("gradient", outputs.get(f"gradient/{path}")),
                "update_ratio": _finite(outputs.get(f"ratio/{path}")),
                "dead": (dead or {}).get(path),
            }
            for path, role in self.roles.items()
        ]

    def units(self, state: Mapping[str, np.ndarray], rows: int) -> dict[str, Units]:
        """What every counted unit did since the counters were last set to 0.

        Args:
            state: holds the counters, by path.
            rows: how many rows of data were trained on since then.
        """
        found = {}
        for layer in self.counted:
            arrive, passed, positive = (
                state[f"diagnosis/{kind}/{layer.path}"] for kind in COUNTERS
            )
            # Not "passed > 0": what is no number is no proof of death.
            found[layer.path] = Units(
                arrive > 0,
                passed != 0,
                (positive / max(1, rows * layer.samples)).astype(np.float32),
            )
        return found


def watched(cost: Node) -> list[Node]:
    """The nodes of a cost whose gradients are watched, in forward order."""
    return [node for node in topological([cost]) if node.role in ROLES]


def watch(
    cost: Node,
    adjoints: Mapping[Node, Node],
    parameters: Sequence[Node],
    *,
    neurons: Mapping[Node, Neurons],
    new_values: Mapping[Node, Node],
) -> Watch:
    """Statistics of a training graph.

    Args:
        cost: what is minimized.
        adjoints: gradients of `watched(cost)` and the parameters.
        parameters: the trained leaves.
        neurons: per pre-activation, its activation.
        new_values: of each parameter after the update. A decoupled weight decay counts
            as part of the update.
    """
    nodes = [*watched(cost), *parameters]
    observers: dict[str, Node] = {}
    for node in nodes:
        observers[f"value/{node.path}"] = ops.summary(node)
        if node in adjoints:
            observers[f"gradient/{node.path}"] = ops.summary(adjoints[node])
    for leaf in parameters:
        if len(leaf.shape) >= 2 and leaf in new_values:
            observers[f"ratio/{leaf.path}"] = _ratio(leaf, new_values[leaf])
    roles = {node.path: node.role or "parameter" for node in nodes}
    counters: dict[Node, Node] = {}
    counted = []
    for z in nodes:
        pair = neurons.get(z)
        if pair is not None and _mortal(pair, z, adjoints):
            counters |= _counters(z, adjoints[z], adjoints[pair.activation])
            counted.append(Counted(z.path, z.spec.size // (_units(z) * z.shape[0])))
    return Watch(roles, observers, counters, tuple(counted))


def _ratio(old: Node, new: Node) -> Node:
    """‖W_new - W‖ / ‖W‖, float64, of sums in the weight's own dtype: two passes less.

    Float32 squares underflow below 1e-19. But W_new - W is 0 or at least 2^-24 |W|, the
    spacing of float32 numbers, so that only steps of weights below 1e-12 are lost.
    """
    squares = ops.sum_of_squares(new - old), ops.sum_of_squares(old)
    change, weight = (ops.sqrt(ops.cast(square, "float64")) for square in squares)
    return change / weight


# ---------------------------------------------------------------- units


def _mortal(pair: Neurons, z: Node, adjoints: Mapping[Node, Node]) -> bool:
    h = pair.activation
    reached = z in adjoints and h in adjoints
    return pair.function.can_die and reached and h.shape == z.shape and len(z.shape) > 1


def _counters(z: Node, passing: Node, arriving: Node) -> dict[Node, Node]:
    """Per unit: Σ|dL/dh|, Σ|dL/dz| and how often z > 0, added up over steps.

    Sums of absolute values, where the definition has squares: float32 squares of
    gradients below 1e-23 are 0, and would declare a healthy unit dead. Both sums are 0
    in the same cases.
    """
    parts = (ops.absolute(arriving), ops.absolute(passing), ops.step(z))
    counters = {}
    for kind, part in zip(COUNTERS, parts, strict=True):
        leaf = _counter(kind, z)
        counters[leaf] = leaf + ops.sum(part, axis=_others(z))
    return counters


def _counter(kind: str, z: Node) -> Node:
    spec = Spec((_units(z),), z.dtype)
    start = np.zeros(spec.shape, spec.dtype)
    scope = f"diagnosis/{kind}/{z.scope}" if z.scope else f"diagnosis/{kind}"
    return Node(Leaf("state", spec, start), name=z.name, scope=scope, role="state")


def _axis(z: Node) -> int:
    """The axis of the units, counted from 0; the last where none is said."""
    return (-1 if z.unit_axis is None else z.unit_axis) % len(z.shape)


def _units(z: Node) -> int:
    return z.shape[_axis(z)]


def _others(z: Node) -> tuple[int, ...]:
    return tuple(i for i in range(len(z.shape)) if i != _axis(z))


# ---------------------------------------------------------------- rows and means


def _columns(of: str, summary: np.ndarray | None) -> dict[str, float | None]:
    names = [f"{of}_{name}" for name in Summary.COLUMNS]
    values = [None] * len(names) if summary is None else [float(v) for v in summary]
    return dict(zip(names, values, strict=True))


def _finite(ratio: np.ndarray | None) -> float | None:
    """A ratio, or None where there is none: a weight that is all 0 has no scale."""
    number = math.nan if ratio is None else float(ratio)
    return number if math.isfinite(number) else None


@dataclass
class Means:
    """Means of the observers over the moments of one epoch."""

    _sums: dict[str, np.ndarray] = field(default_factory=dict)
    _count: int = 0

    def add(self, outputs: Mapping[str, np.ndarray], watch: Watch) -> None:
        """Take one moment. The arrays may change afterwards."""
        self._count += 1
        for name in watch.observers:
            self._sums[name] = self._sums.get(name, 0.0) + np.array(outputs[name])

    def values(self) -> dict[str, np.ndarray]:
        """The means so far, by the observers' names; empty before the first moment."""
        return {name: total / self._count for name, total in self._sums.items()}

    def clear(self) -> None:
        self._sums, self._count = {}, 0

    def tensors(self) -> dict[str, np.ndarray]:
        """What a checkpoint in the middle of an epoch has to keep."""
        sums = {f"diagnosis/sum/{name}": total for name, total in self._sums.items()}
        return {**sums, "diagnosis/moments": np.array(self._count, np.int64)}

    def restore(self, tensors: Mapping[str, np.ndarray]) -> None:
        prefix = "diagnosis/sum/"
        self._count = int(tensors["diagnosis/moments"])
        self._sums = {
            name.removeprefix(prefix): value
            for name, value in tensors.items()
            if name.startswith(prefix)
        }


# ---------------------------------------------------------------- when

SHARE = 0.05
"""What the full summaries may cost, of the time of a step."""
_CALL, _ELEMENT, _FLOP = 1e-6, 0.3e-9, 0.02e-9
"""Seconds for one NumPy call, one element of one pass, one operation of a product."""
_SUMMARY_CALLS, _SUMMARY_PASSES = 20, 8
_VIEWS = (shape.Reshape, shape.Transpose, shape.BroadcastTo, shape.Slice)


def interval(step: Iterable[Node], observers: Iterable[Node]) -> int:
    """Every how many steps the full summaries run: they may cost `SHARE` of the time.

    A function of the graph alone, never of a clock: operations are counted by a model
    of what they cost (`price`), so a run chooses the same steps on every machine.

    Args:
        step: what one step of training computes: cost, updates, counters.
        observers: what is computed beside it.
    """
    own = topological(step)
    known = set(own)
    extra = [node for node in topological(observers) if node not in known]
    per_step = sum(price(node) for node in own)
    return max(1, math.ceil(sum(map(price, extra)) / (SHARE * max(per_step, _CALL))))


def price(node: Node) -> float:
    """Seconds that a node costs, about: calls, passes over elements, products."""
    if isinstance(node.op, (Leaf, Constant, *_VIEWS)):
        return 0.0
    size = max(node.spec.size, *(x.spec.size for x in node.inputs), 1)
    if isinstance(node.op, Matmul):
        flops = 2 * node.spec.size * node.inputs[0].shape[-1]
        return _CALL + _FLOP * flops
    if isinstance(node.op, Summary):
        return _SUMMARY_CALLS * _CALL + _SUMMARY_PASSES * _ELEMENT * size
    return _CALL + _ELEMENT * size


def due(step: int, steps_per_epoch: int, every: int) -> bool:
    """Whether the full summaries run at a step, counted from 1.

    At 1, 2, 4, 8, … within the first epoch, every so often, and at each epoch's last.
    """
    return (
        logarithmic(step, steps_per_epoch)
        or step % every == 0
        or step % steps_per_epoch == 0
    )


def logarithmic(step: int, steps_per_epoch: int) -> bool:
    """Whether a step is a power of 2 in the first epoch: a moment with its own rows."""
    return step <= steps_per_epoch and step & (step - 1) == 0
