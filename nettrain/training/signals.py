"""What the first weights make of training rows, before any update.

The model is traced again for many rows at once, as it trains (a normalization takes the
batch's own statistics), from its first weights and not from those it has now: a run
that goes on is told the same as one that begins. Nothing is updated.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from nettrain import randomness
from nettrain.data.dataset import Part
from nettrain.diagnose.facts import Signals
from nettrain.diagnose.statistics import backwards, watched
from nettrain.execute.reference import evaluate
from nettrain.graph import Constant, Leaf, Node, adjoints, leaf, topological
from nettrain.nn import Trace
from nettrain.training.programs import Recipe, Step

Arrays = Mapping[str, np.ndarray]

ROWS = 512
"""How many rows are looked at, if there are so many."""
ELEMENTS = 2**23
"""How many numbers the forward pass may hold: wide models see fewer rows."""
_STEP = 0.1
"""How far the first update goes, after which gradients are compared."""
_SAME = 1e-5
"""Gradients that differ by less, as a share of the layer's largest, are the same."""
_NOTHING = 1e-9
"""A gradient below this is one of rounding."""


def signals(recipe: Recipe, step: Step, part: Part, first: Arrays) -> Signals:
    """L0, every pre-activation and its gradient, and the share of positive units.

    Args:
        recipe: of the network.
        step: the network's training step; its leaves are used again.
        part: the training part; the rows are drawn from the recipe's seed.
        first: first value of each parameter and state, by path.
    """
    seen = _pass(recipe, step, part)
    within = seen.trace.within
    nodes = [z for z in watched(seen.loss, within) if z.role == "pre_activation"]
    found = backwards(seen.loss, (), within)
    deltas = [found[z] for z in nodes]
    values = evaluate([seen.loss, *nodes, *deltas], seen.leaves(step, first))
    with np.errstate(all="ignore"):  # what overflows is for the diagnosis to tell
        mean = np.array([values[z].mean(dtype=np.float64) for z in nodes])
        std = np.array([values[z].std(dtype=np.float64) for z in nodes])
    return Signals(
        rows=seen.rows,
        loss=float(values[seen.loss]),
        mean=mean,
        std=std,
        delta_rms=np.sqrt([_power(values[delta]) for delta in deltas]),
        positive={
            z.path: _positive(values[z], z.unit_axis)
            for z in nodes
            if z in seen.trace.neurons and seen.trace.neurons[z].function.can_die
        },
        alike=_alike(seen, seen.leaves(step, first)),
    )


def amplification(
    recipe: Recipe, step: Step, part: Part, first: Arrays
) -> dict[str, float]:
    """By path of the layer, mean z² / mean x² over the rows that `signals` sees.

    x is what the layer's weights are multiplied by, z the pre-activation it becomes.
    Arguments as for `signals`.
    """
    seen = _pass(recipe, step, part)
    order = topological([seen.loss])
    met = [(node.scope, x) for node, x in products(order).items()]
    inputs = dict(reversed(met))  # of a layer that is called twice, the first call
    outputs = {z.scope: z for z in reversed(order) if z.role == "pre_activation"}
    pairs = {path: (outputs[path], x) for path, x in inputs.items() if path in outputs}
    values = evaluate(
        {n for pair in pairs.values() for n in pair}, seen.leaves(step, first)
    )
    powers = {path: [_power(values[n]) for n in pair] for path, pair in pairs.items()}
    return {path: z / x if x else float("nan") for path, (z, x) in powers.items()}


def products(order: Iterable[Node]) -> dict[Node, Node]:
    """Where a signal meets a weight matrix: by the node that it becomes, the signal.

    Args:
        order: nodes, inputs before users.
    """
    weights: set[Node] = set()  # and what is made of weights alone
    found = {}
    for node in order:
        if isinstance(node.op, Leaf):
            if node.op.kind == "parameter" and len(node.shape) >= 2:
                weights.add(node)
        elif not weights.isdisjoint(node.inputs):
            others = [x for x in node.inputs if x not in weights]
            signal = [x for x in others if not isinstance(x.op, Constant)]
            if signal:
                found[node] = signal[0]
            else:
                weights.add(node)
    return found


# ---------------------------------------------------------------- units alike


def kin(values: np.ndarray, unit_axis: int | None) -> np.ndarray:
    """(U,) the first unit that has the very weights of each; most often itself."""
    rows = _by_unit(values + values.dtype.type(0), unit_axis)  # -0 is 0
    first: dict[bytes, int] = {}
    return np.array([first.setdefault(x.tobytes(), i) for i, x in enumerate(rows)], int)


def _by_unit(values: np.ndarray, unit_axis: int | None) -> np.ndarray:
    """(U, weights of a unit)."""
    units = np.moveaxis(values, -1 if unit_axis is None else unit_axis, 0)
    return np.ascontiguousarray(units).reshape(len(units), -1)


def _alike(seen: _Pass, leaves: dict[Node, np.ndarray]) -> dict[str, int]:
    """By name of a layer with twins, the units whose gradient is a twin's too.

    Asked after one update: outputs that start at 0, or alike below a softmax, give the
    layers before them no gradient at first, but may tell their units apart from then
    on. Without twins nothing is computed.
    """
    trained = [p for p in seen.trace.parameters.values() if p.trainable]
    matrices: dict[str, Node] = {}
    for made in trained:
        if len(made.node.shape) >= 2:
            matrices.setdefault(made.layer_path, made.node)
    groups = {w: kin(leaves[w], w.unit_axis) for w in matrices.values()}
    groups = {w: group for w, group in groups.items() if _twins(group).any()}
    if not groups:
        return {}
    slopes = adjoints(seen.loss, [p.node for p in trained])
    values = evaluate(slopes.values(), leaves)
    with np.errstate(all="ignore"):  # what overflows is for the diagnosis to tell
        length = math.sqrt(
            sum(_power(values[g]) * g.spec.size for g in slopes.values())
        )
        rate = _STEP / max(length, 1.0)
        moved = {w: leaves[w] - rate * values[g] for w, g in slopes.items()}
        reached = {p: w for p, w in matrices.items() if w in groups and w in slopes}
        later = evaluate([slopes[w] for w in reached.values()], {**leaves, **moved})
        return {
            path.removeprefix("model/"): _same(
                groups[w], _by_unit(later[slopes[w]], w.unit_axis)
            )
            for path, w in reached.items()
        }


def _twins(group: np.ndarray) -> np.ndarray:
    """(U,) whether others are in a unit's group."""
    twins: np.ndarray = np.bincount(group)[group] > 1
    return twins


def _same(group: np.ndarray, slopes: np.ndarray) -> int:
    """How many units of the same group have slopes (U, …) that are the same.

    Units are put in order by a direction that has no meaning: those with the same
    slopes then stand side by side.
    """
    twins = _twins(group)
    group, slopes = group[twins], slopes[twins].astype(float)
    limit = max(_SAME * np.abs(slopes).max(), _NOTHING)
    direction = np.random.default_rng(0).normal(size=slopes.shape[1])
    order = np.lexsort((slopes @ direction, group))
    apart = np.abs(np.diff(slopes[order], axis=0)).max(axis=1)
    beside = (np.diff(group[order]) == 0) & (apart <= limit)
    return int(np.count_nonzero(np.append(beside, False) | np.append(False, beside)))


# ---------------------------------------------------------------- one pass


@dataclass(frozen=True)
class _Pass:
    """The model and its loss, traced for some rows, and these rows."""

    trace: Trace
    loss: Node
    inputs: tuple[Node, np.ndarray]
    targets: tuple[Node, np.ndarray]

    @property
    def rows(self) -> int:
        return len(self.inputs[1])

    def leaves(self, step: Step, first: Arrays) -> dict[Node, np.ndarray]:
        parameters = {path: made.node for path, made in self.trace.parameters.items()}
        known = {**parameters, **self.trace.states}
        values = {node: first[path] for path, node in known.items()}
        return {
            **values,
            **dict([self.inputs, self.targets]),
            step.step: np.array(1, np.uint32),
        }


def _pass(recipe: Recipe, step: Step, part: Part) -> _Pass:
    """Trace the model as it trains for rows that the seed draws."""
    key = randomness.key(recipe.seed, "diagnosis/signals")
    rows = randomness.permutation(key, len(part))[: rows_seen(step)]
    x = leaf("input", "inputs", (len(rows), *recipe.inputs), recipe.dtype)
    t = leaf("input", "targets", (len(rows), *recipe.targets), recipe.targets_dtype)
    trace = step.trace.sibling(training=True)
    loss = recipe.loss.cost(trace.call(recipe.model, x, "model"), t)
    return _Pass(trace, loss, (x, part.inputs[rows]), (t, part.targets[rows]))


def rows_seen(step: Step) -> int:
    """How many rows are looked at: no fewer than a batch has."""
    batch = step.inputs.shape[0]
    nodes = topological([step.cost])
    a_row = sum(n.spec.size for n in nodes if n.shape[:1] == (batch,)) // batch
    return max(min(ROWS, ELEMENTS // max(a_row, 1)), min(batch, ROWS))


def _power(x: np.ndarray) -> float:
    """Mean square, in float64."""
    with np.errstate(all="ignore"):
        return float(np.mean(np.square(x, dtype=np.float64)))


def _positive(z: np.ndarray, unit_axis: int | None) -> np.ndarray:
    """(U,) the share of a unit's values that are above 0."""
    axis = (-1 if unit_axis is None else unit_axis) % z.ndim
    others = tuple(i for i in range(z.ndim) if i != axis)
    share: np.ndarray = (z > 0).mean(axis=others)
    return share
