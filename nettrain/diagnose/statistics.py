"""Statistics as nodes of the training graph: what the diagnosis sees of a network.

An observer only: nothing here changes a value that training uses. Value and gradient of
every pre-activation z, activation h and parameter are summarized at some steps (`due`);
what the units do is counted at every step, so that "dead" means a whole epoch.

All gradients are those of the training cost as it is: unscaled, before clipping, on the
batches that were trained on.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from nettrain.diagnose.evidence import Units
from nettrain.graph import (
    Constant,
    Leaf,
    Node,
    Spec,
    adjoints,
    gradients,
    topological,
)
from nettrain.graph import operations as ops
from nettrain.graph.operations import compare, shape
from nettrain.graph.operations.matmul import Matmul
from nettrain.graph.operations.reduce import Summary
from nettrain.graph.operations.scan import Scan
from nettrain.graph.operations.window import Unfold

ROLES = ("pre_activation", "activation")
ATTENTION = "attention"
"""The role of attention's weights."""
COUNTERS = ("arrive", "pass")
_STD, _RMS, _LOW, _HIGH = map(Summary.COLUMNS.index, ("std", "rms", "min", "max"))


class Nonlinearity(Protocol):
    """An activation function."""

    @property
    def can_die(self) -> bool:
        """Whether its derivative can be 0 for every sample."""

    @property
    def max_slope(self) -> float:
        """The largest |f'|."""


class Neurons(Protocol):
    """Which activation h = f(z) belongs to a pre-activation z."""

    @property
    def activation(self) -> Node: ...

    @property
    def function(self) -> Nonlinearity: ...


@dataclass(frozen=True)
class Shrinkage:
    """What makes weights smaller, beside the gradient of the loss.

    Attributes:
        penalties: per parameter, λ of a penalty λ/2 ‖W‖² that is part of the cost.
        coupled: per parameter, λ of what the optimizer adds to its gradient, g + λ W.
        kept: per parameter, the share that a decoupled decay leaves it, float64 ().
    """

    penalties: Mapping[Node, float] = field(default_factory=dict)
    coupled: Mapping[Node, float] = field(default_factory=dict)
    kept: Mapping[Node, Node] = field(default_factory=dict)


@dataclass(frozen=True)
class Watch:
    """The statistics of one training graph.

    Attributes:
        roles: path -> role of everything watched: nodes in forward order, then
            parameters.
        positions: path of each pre-activation, in forward order -> see `positions`.
        sizes: path of each parameter -> how many numbers it holds.
        observers: `value/PATH` and `gradient/PATH` -> summary, float64 (6,), and
            `loss_gradient/PATH` of the loss alone where a penalty is part of the cost;
            `change/PATH` -> ‖ΔW‖ of a parameter, float64 (); `ratio/PATH` -> ‖ΔW‖/‖W‖,
            of those of rank 2 or more; `slope/PATH` -> mean |f'(z)| / max |f'| of each
            unit that cannot die, (units,), and see `_openness` of each head of
            attention, (heads,); `positive/PATH` -> share of z > 0, of each unit that
            can, (units,); `ascent` -> <g, ΔW> / (‖g‖ ‖ΔW‖).
        counters: leaf -> its new value; leaves `diagnosis/KIND/PATH` of shape (units,)
            and kind `state`, KIND one of `COUNTERS`.
        counted: pre-activations of the layers that have counters, by path.
    """

    roles: Mapping[str, str]
    positions: Mapping[str, int]
    sizes: Mapping[str, int]
    observers: Mapping[str, Node]
    counters: Mapping[Node, Node]
    counted: Mapping[str, Node]

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

    def series(self, means: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Attributes of a `Check` that hold a number per node or per parameter.

        Args:
            means: by the observers' names; what it lacks becomes NaN.
        """
        z = [path for path, role in self.roles.items() if role == "pre_activation"]
        root = np.sqrt(np.array(list(self.sizes.values()), np.float64))
        values = [_rms(means, f"value/{path}") for path in self.sizes]
        own = [
            _rms(means, name if name in self.observers else f"gradient/{path}")
            for path in self.sizes
            for name in (f"loss_gradient/{path}",)
        ]
        deviations = (means.get(f"value/{path}", _NOTHING)[_STD] for path in z)
        return {
            "delta_rms": np.array([_rms(means, f"gradient/{path}") for path in z]),
            "std": np.array(list(deviations)),
            "update_ratio": np.array(
                [_number(means.get(f"ratio/{path}")) for path in self.sizes]
            ),
            "update_norm": np.array(
                [_number(means.get(f"change/{path}")) for path in self.sizes]
            ),
            "gradient_norm": np.array(own) * root,
            "weight_norm": np.array(values) * root,
        }

    def slopes(self, means: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """By path of the pre-activation (units,); NaN where `means` lacks it."""
        return {
            name.removeprefix("slope/"): means.get(name, np.full(node.shape, np.nan))
            for name, node in self.observers.items()
            if name.startswith("slope/")
        }

    def units(
        self, state: Mapping[str, np.ndarray], means: Mapping[str, np.ndarray]
    ) -> dict[str, Units]:
        """What every counted unit did since the counters were last set to 0.

        Args:
            state: holds the counters, by path.
            means: of the observers; a share that it lacks is NaN.
        """
        found = {}
        for path, z in self.counted.items():
            arrive, passed = (state[f"diagnosis/{kind}/{path}"] for kind in COUNTERS)
            positive = means.get(f"positive/{path}", np.full(_units(z), np.nan))
            # Not "passed > 0": what is no number is no proof of death.
            found[path] = Units(arrive > 0, passed != 0, positive.astype(np.float32))
        return found


Within = Mapping[Node, Sequence[tuple[int, Node]]]
"""`Trace.within`: pre-activations in a loop, by the node whose gradient is theirs."""


_NONE: Within = {}


def watched(cost: Node, within: Within = _NONE) -> list[Node]:
    """The nodes of a cost that are watched, in forward order, time steps as well."""
    found: list[Node] = []
    for node in topological([cost]):
        if node in within:
            found += [z for _, z in within[node]]
        elif node.role in ROLES:
            found.append(node)
    return found


def attentions(cost: Node) -> list[Node]:
    """The weights of attention in a cost, in forward order."""
    return [node for node in topological([cost]) if node.role == ATTENTION]


def positions(nodes: Iterable[Node]) -> dict[str, int]:
    """By path of each pre-activation, how many numbers of an example a unit has.

    One in a dense layer; one for each position of a convolution, each time step of a
    layer that is applied to all of them.
    """
    own = (z for z in nodes if z.role == "pre_activation")
    return {z.path: z.spec.size // max(z.shape[0] * _units(z), 1) for z in own}


def backwards(
    cost: Node, parameters: Iterable[Node], within: Within = _NONE
) -> dict[Node, Node]:
    """The gradients of what is watched and of parameters, where any comes back."""
    nodes = {*watched(cost, within), *parameters, *within}
    found = adjoints(cost, nodes)
    for whole, steps in within.items():
        if whole in found:
            found |= {z: found[whole][t] for t, z in steps}
    return found


def watch(
    cost: Node,
    adjoints: Mapping[Node, Node],
    parameters: Sequence[Node],
    *,
    neurons: Mapping[Node, Neurons],
    new_values: Mapping[Node, Node],
    within: Within = _NONE,
    shrinkage: Shrinkage | None = None,
) -> Watch:
    """Statistics of a training graph.

    Args:
        cost: what is minimized.
        adjoints: see `backwards`.
        parameters: the trained leaves.
        neurons: per pre-activation, its activation.
        new_values: of each parameter after the update.
        within: which pre-activations of time steps are watched.
        shrinkage: what of it is no doing of the loss.
    """
    shrinkage = shrinkage or Shrinkage()
    nodes = [*watched(cost, within), *parameters]
    observers: dict[str, Node] = {}
    for node in nodes:
        observers[f"value/{node.path}"] = ops.summary(node)
        if node in adjoints:
            observers[f"gradient/{node.path}"] = ops.summary(adjoints[node])
    observers |= _of_update(parameters, adjoints, new_values, shrinkage)
    roles = {node.path: node.role or "parameter" for node in nodes}
    counters: dict[Node, Node] = {}
    counted = {}
    for z in nodes:
        pair = neurons.get(z)
        if pair is not None and _mortal(pair, z, adjoints):
            counters |= _counters(z, adjoints[z], adjoints[pair.activation])
            observers[f"positive/{z.path}"] = ops.mean(*_by_unit(ops.step(z), z))
            counted[z.path] = z
        elif pair is not None and _bends(pair, z):
            observers[f"slope/{z.path}"] = _slope(pair, z)
    for a in attentions(cost):
        observers[f"slope/{a.path}"] = _openness(a)
    sizes = {leaf.path: leaf.spec.size for leaf in parameters}
    return Watch(roles, positions(nodes), sizes, observers, counters, counted)


# ---------------------------------------------------------------- updates


def _of_update(
    parameters: Sequence[Node],
    adjoints: Mapping[Node, Node],
    new_values: Mapping[Node, Node],
    shrinkage: Shrinkage,
) -> dict[str, Node]:
    """Observers of what an update does, without what a decoupled decay does.

    Sums of squares are taken in the weight's own dtype: a pass less. Float32 squares
    underflow below 1e-19. But ΔW is 0 or at least 2^-24 |W|, the spacing of float32
    numbers, so that only steps of weights below 1e-12 are lost.
    """
    found: dict[str, Node] = {}
    changed = [leaf for leaf in parameters if leaf in new_values and leaf in adjoints]
    changes, squares = [], []
    for leaf in changed:
        changes.append(new_values[leaf] - _left(leaf, shrinkage.kept.get(leaf)))
        squares.append(ops.sum_of_squares(changes[-1]))
        norm = ops.sqrt(ops.cast(squares[-1], "float64"))
        found[f"change/{leaf.path}"] = norm
        if len(leaf.shape) >= 2:
            size = ops.summary(leaf)[_RMS] * math.sqrt(leaf.spec.size)
            found[f"ratio/{leaf.path}"] = norm / size
        if leaf in shrinkage.penalties:
            own = adjoints[leaf] - leaf * shrinkage.penalties[leaf]
            found[f"loss_gradient/{leaf.path}"] = ops.summary(own)
    if changed:
        handed = [
            _decayed(adjoints[w], w, shrinkage.coupled.get(w, 0.0)) for w in changed
        ]
        found["ascent"] = _cosine(handed, changes, squares)
    return found


def _left(leaf: Node, kept: Node | None) -> Node:
    return leaf if kept is None else leaf * ops.cast(kept, leaf.dtype)


def _decayed(gradient: Node, leaf: Node, coupled: float) -> Node:
    return gradient + leaf * coupled if coupled else gradient


def _cosine(
    gradients: Sequence[Node], changes: Sequence[Node], squares: Sequence[Node]
) -> Node:
    """<g, ΔW> / (‖g‖ ‖ΔW‖), all parameters seen as one vector, float64 ().

    Args:
        gradients, changes: g and ΔW of each parameter.
        squares: ‖ΔW‖² of each.
    """
    products = [
        ops.matmul(ops.reshape(g, (g.spec.size,)), ops.reshape(d, (d.spec.size,)))
        for g, d in zip(gradients, changes, strict=True)
    ]
    totals = (
        functools.reduce(ops.add, products),
        ops.sum_of_squares(*gradients),
        functools.reduce(ops.add, squares),
    )
    inner, gradient, change = (ops.cast(total, "float64") for total in totals)
    return inner / (ops.sqrt(gradient) * ops.sqrt(change))


# ---------------------------------------------------------------- units


def _mortal(pair: Neurons, z: Node, adjoints: Mapping[Node, Node]) -> bool:
    h = pair.activation
    reached = z in adjoints and h in adjoints
    return pair.function.can_die and reached and h.shape == z.shape and len(z.shape) > 1


def _counters(z: Node, passing: Node, arriving: Node) -> dict[Node, Node]:
    """Per unit: Σ|dL/dh| and Σ|dL/dz|, added up over steps.

    Sums of absolute values, where the definition has squares: float32 squares of
    gradients below 1e-23 are 0, and would declare a healthy unit dead. Both sums are 0
    in the same cases.
    """
    counters = {}
    for kind, gradient in zip(COUNTERS, (arriving, passing), strict=True):
        leaf = _counter(kind, z)
        counters[leaf] = leaf + ops.sum(*_by_unit(ops.absolute(gradient), z))
    return counters


def _counter(kind: str, z: Node) -> Node:
    spec = Spec((_units(z),), z.dtype)
    scope = f"diagnosis/{kind}/{z.scope}" if z.scope else f"diagnosis/{kind}"
    return Node(
        Leaf("state", spec, spec.filled(0)), name=z.name, scope=scope, role="state"
    )


_EACH = (Leaf, Constant, compare.Elementwise, compare.Where, compare.Cast)


def _bends(pair: Neurons, z: Node) -> bool:
    """Whether each unit has a slope f'(z) of its own: it is no linear unit, no softmax.

    Of an activation that mixes units, dh_i/dz_j is a matrix for every sample.
    """
    h = pair.activation
    if pair.function.can_die or h.shape != z.shape or len(z.shape) < 2:
        return False
    seen, waiting = {z}, [h]
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        if not isinstance(node.op, _EACH):
            return False
        seen.add(node)
        waiting += node.inputs
    return True


def _slope(pair: Neurons, z: Node) -> Node:
    """Mean |f'(z)| / max |f'| of each unit over the batch, (units,)."""
    (slope,) = gradients(ops.sum(pair.activation), [z])
    return ops.mean(*_by_unit(ops.absolute(slope), z)) / pair.function.max_slope


def _openness(a: Node) -> Node:
    """1 - Σ_s a_s² of each head, mean over batch and queries, (heads,).

    It is Σ_s ∂a_s/∂score_s: 0 where each query looks at one place alone, so that no
    gradient passes the softmax; 1 - 1/S where all S places count alike.

    Args:
        a: (N, H, T, S), the sum of each query's S weights being 1.
    """
    alone = ops.sum(ops.square(a), -1)
    return 1.0 - ops.mean(alone, _others(a)[:-1])


def _axis(z: Node) -> int:
    """The axis of the units, counted from 0; the last where none is said."""
    return (-1 if z.unit_axis is None else z.unit_axis) % len(z.shape)


def _units(z: Node) -> int:
    return z.shape[_axis(z)]


def _by_unit(values: Node, z: Node) -> tuple[Node, tuple[int, ...]]:
    """Values of z's shape with the units last, and the axes before these.

    So a convolution's lie in memory: summed the other way they would be copied first.
    """
    rows = ops.permute_dims(values, (*_others(z), _axis(z)))
    return rows, tuple(range(len(z.shape) - 1))


def _others(z: Node) -> tuple[int, ...]:
    return tuple(i for i in range(len(z.shape)) if i != _axis(z))


# ---------------------------------------------------------------- rows and means

_NAMES = {
    of: tuple(f"{of}_{name}" for name in Summary.COLUMNS)
    for of in ("value", "gradient")
}


def _columns(of: str, summary: np.ndarray | None) -> dict[str, float | None]:
    names = _NAMES[of]
    if summary is None:
        return dict.fromkeys(names)
    return dict(zip(names, summary.tolist(), strict=True))


_NOTHING = np.full(len(Summary.COLUMNS), np.nan)


def _rms(means: Mapping[str, np.ndarray], name: str) -> float:
    return float(means.get(name, _NOTHING)[_RMS])


def _number(value: np.ndarray | None) -> float:
    """A ratio, or NaN where there is none: a weight that is all 0 has no scale."""
    number = math.nan if value is None else float(value)
    return number if math.isfinite(number) else math.nan


def _finite(ratio: np.ndarray | None) -> float | None:
    number = _number(ratio)
    return None if math.isnan(number) else number


class Means:
    """Means of the observers over the moments of one epoch.

    Of a summary's `min` and `max` the smallest and the largest are kept.

    Args:
        watch: whose observers.
    """

    def __init__(self, watch: Watch) -> None:
        self._parts: dict[str, tuple[slice, tuple[int, ...]]] = {}
        starts = []
        size = 0
        for name, node in watch.observers.items():
            self._parts[name] = slice(size, size + node.spec.size), node.shape
            if isinstance(node.op, Summary):
                starts.append(size)
            size += node.spec.size
        self._low = np.array(starts, np.int64) + _LOW
        self._high = np.array(starts, np.int64) + _HIGH
        self._total, self._count = np.zeros(0), 0

    def add(self, outputs: Mapping[str, np.ndarray]) -> None:
        """Take one moment. The arrays may change afterwards."""
        flat = [np.ravel(outputs[name]) for name in self._parts]
        moment = np.concatenate(flat, dtype=np.float64)
        if self._count:
            before, low, high = self._total, self._low, self._high
            self._total = before + moment
            self._total[low] = np.minimum(before[low], moment[low])
            self._total[high] = np.maximum(before[high], moment[high])
        else:
            self._total = moment
        self._count += 1

    def values(self) -> dict[str, np.ndarray]:
        """The means so far, by the observers' names; empty before the first moment."""
        if not self._count:
            return {}
        means = self._total / self._count
        for kept in (self._low, self._high):
            means[kept] = self._total[kept]
        return {
            name: means[where].reshape(shape)
            for name, (where, shape) in self._parts.items()
        }

    def clear(self) -> None:
        self._total, self._count = np.zeros(0), 0

    def tensors(self) -> dict[str, np.ndarray]:
        """What a checkpoint in the middle of an epoch has to keep."""
        moments = np.array(self._count, np.int64)
        return {"diagnosis/means": self._total, "diagnosis/moments": moments}

    def restore(self, tensors: Mapping[str, np.ndarray]) -> None:
        self._total = np.array(tensors["diagnosis/means"])
        self._count = int(tensors["diagnosis/moments"])


# ---------------------------------------------------------------- when

SHARE = 0.05
"""What the full summaries may cost, of the time of a step."""
_CALL, _ELEMENT, _FLOP = 1e-6, 0.3e-9, 0.02e-9
"""Seconds for one NumPy call, one element of one pass, one operation of a product."""
_SUMMARY_CALLS, _SUMMARY_PASSES = 20, 8
_VIEWS = (shape.Reshape, shape.Transpose, shape.BroadcastTo, shape.Slice, Unfold)


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
    if isinstance(node.op, Scan):
        return node.op.length * sum(map(price, node.op.body.order))
    size = max(node.spec.size, *(x.spec.size for x in node.inputs), 1)
    if isinstance(node.op, Matmul):
        flops = 2 * node.spec.size * node.inputs[0].shape[-1]
        return _CALL + _FLOP * flops
    if isinstance(node.op, Summary):
        return _SUMMARY_CALLS * _CALL + _SUMMARY_PASSES * _ELEMENT * size
    return _CALL + _ELEMENT * size


def due(step: int, steps_per_epoch: int, every: int, full_steps: int) -> bool:
    """Whether the full summaries run at a step, counted from 1.

    At 1, 2, 4, 8, … within the first epoch, at each epoch's last full batch, and every
    so often where an epoch is longer than that. Never on an epoch's smaller last batch:
    its few rows are no measure (of two rows a normalization makes +1 and -1).

    Args:
        full_steps: those of an epoch whose batch is full.
    """
    at = (step - 1) % steps_per_epoch + 1
    return at <= full_steps and (
        logarithmic(step, steps_per_epoch)
        or at == full_steps
        or (step % every == 0 and every < steps_per_epoch)
    )


def logarithmic(step: int, steps_per_epoch: int) -> bool:
    """Whether a step is a power of 2 in the first epoch: a moment with its own rows."""
    return step <= steps_per_epoch and step & (step - 1) == 0
