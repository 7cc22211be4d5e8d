"""Rolled loops: one round as a graph of its own, applied once for each time step.

A `Scan` carries values from round to round and stacks what each round puts out. Its
gradient is a scan that runs the other way, so backprop through time is the same
algorithm as any other backprop; `unrolled` writes the rounds out one after the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from nettrain.errors import Error
from nettrain.graph.node import (
    Array,
    Constant,
    Leaf,
    Node,
    Operation,
    Sample,
    apply,
    constant,
    leaf,
    topological,
)
from nettrain.graph.operations import reduce
from nettrain.graph.operations.elementwise import (
    Add,
    StopGradient,
    add,
    square,
    tanh,
)
from nettrain.graph.operations.matmul import Matmul, matmul
from nettrain.graph.operations.shape import (
    BroadcastTo,
    Pad,
    Reshape,
    Slice,
    Transpose,
    broadcast_to,
    concat,
    reshape,
    transpose,
)
from nettrain.graph.spec import Shape, Spec

AGAIN = (Constant, Reshape, Transpose, BroadcastTo, Slice, StopGradient)
"""What a scan backwards works out again, rather than keep it from every round; and
what is not made of floats, such as the condition of a `where`."""

Nodes = tuple[Node, ...]


@dataclass(frozen=True, eq=False)
class Body:
    """One round of a loop.

    Attributes:
        carries: leaves for the values that the round before left.
        slices: leaves for this time step of each sequence.
        shared: leaves for what is the same in every round, such as weights.
        new: what the next round is given, one for each of `carries`.
        outputs: what is stacked over time.
        base: the loop that this one puts out more than, if there is one: its outputs
            come first in this one's.
    """

    carries: Nodes
    slices: Nodes
    shared: Nodes
    new: Nodes
    outputs: Nodes
    base: Body | None = None

    @property
    def results(self) -> Nodes:
        return (*self.new, *self.outputs)

    @cached_property
    def order(self) -> list[Node]:
        """All nodes of a round, inputs before users."""
        return topological(self.results)

    @cached_property
    def _wider(self) -> dict[Nodes, Body]:
        return {}

    def putting_out(self, more: Nodes) -> Body:
        """The loop that puts out further values; asked again, the same object."""
        if more not in self._wider:
            self._wider[more] = Body(
                self.carries,
                self.slices,
                self.shared,
                self.new,
                (*self.outputs, *more),
                self,
            )
        return self._wider[more]

    def shapes(self, length: int) -> list[Shape]:
        """Of the carries after the last round, and of the stacked outputs."""
        stacked = [(length, *node.shape) for node in self.outputs]
        return [*(node.shape for node in self.new), *stacked]


@dataclass(frozen=True, eq=False)
class Scan(Operation):
    """c_t, y_t = body(c_{t-1}, x_t, w) for t = 0 … T-1, or T-1 … 0 in reverse.

    The inputs are the first carries, sequences (T, …), and what is shared by all
    rounds. The value is one vector: the last carries, then each output stacked over
    time, (T, …), every one flat; `scan` cuts it apart. A shared input's gradient is the
    sum over all rounds (Werbos, Proceedings of the IEEE 78 (10), 1990).

    Attributes:
        body: one round.
        length: T.
        reverse: whether time runs backwards; outputs keep their step's place.
    """

    name = "scan"
    body: Body
    length: int
    reverse: bool

    def spec(self, *inputs: Spec) -> Spec:
        body = self.body
        wanted = [
            *(x.spec for x in body.carries),
            *(Spec((self.length, *x.shape), x.dtype) for x in body.slices),
            *(x.spec for x in body.shared),
        ]
        for given, want in zip(inputs, wanted, strict=True):
            if given != want:
                raise Error("graph-shape", f"a loop takes {want} and was given {given}")
        for before, after in zip(body.carries, body.new, strict=True):
            if before.spec != after.spec:
                raise Error(
                    "graph-shape",
                    f"a round is given {before.spec} and leaves {after.spec}: "
                    "the next one could not go on",
                )
        dtypes = {node.dtype for node in body.results}
        if len(dtypes) != 1 or not body.results[0].spec.is_float:
            listed = ", ".join(sorted(dtypes))
            raise Error(
                "graph-dtype", f"a loop gives floats of one dtype, not {listed}"
            )
        size = sum(map(math.prod, body.shapes(self.length)))
        return Spec((size,), dtypes.pop())

    def rounds(self) -> Iterable[int]:
        """The time steps in the order they are run."""
        return range(self.length)[:: -1 if self.reverse else 1]

    def parts(self) -> Iterator[tuple[slice, Shape]]:
        """Where in the value each last carry and each stacked output is."""
        start = 0
        for shape in self.body.shapes(self.length):
            yield slice(start, start + math.prod(shape)), shape
            start += math.prod(shape)

    def split(self, values: Sequence[Any]) -> tuple[Sequence[Any], ...]:
        """What belongs to carries, to slices and to what is shared."""
        first = len(self.body.carries)
        second = first + len(self.body.slices)
        return values[:first], values[first:second], values[second:]

    def forward(self, xp: Any, *inputs: Array) -> Array:
        body = self.body
        carries, sequences, shared = self.split(inputs)
        always = dict(zip(body.shared, shared, strict=True))
        stacks: list[list[Array]] = [[] for _ in body.outputs]
        for t in self.rounds():
            values = dict(zip(body.carries, carries, strict=True)) | always
            values |= {
                x: s[t, ...] for x, s in zip(body.slices, sequences, strict=True)
            }
            for node in body.order:
                if not isinstance(node.op, Leaf):
                    given = [values[x] for x in node.inputs]
                    values[node] = node.op.forward(xp, *given)
            carries = [values[node] for node in body.new]
            for stack, node in zip(stacks, body.outputs, strict=True):
                stack.append(values[node])
        flat = [xp.reshape(value, (-1,)) for value in carries]
        for stack in stacks:
            flat += [xp.reshape(value, (-1,)) for value in stack[:: self._sense]]
        return xp.concat(flat)

    @property
    def _sense(self) -> int:
        return -1 if self.reverse else 1

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        return _Backwards(self, g, y, inputs).gradients()


def scan(
    step: Callable[[Nodes, Nodes], tuple[Sequence[Node], Sequence[Node]]],
    initial: Sequence[Node],
    sequences: Sequence[Node],
    *,
    reverse: bool = False,
) -> tuple[Nodes, Nodes]:
    """Run a loop over time.

    Args:
        step: from what the round before left and this time step's slices to what the
            next round is given and what is put out. It is called once, with leaves; it
            may use any other node, such as a weight.
        initial: what the first round is given; float.
        sequences: (T, …) each, of one length T.
        reverse: from the last time step to the first.

    Returns:
        What the last round left, and each output stacked over time, (T, …).

    >>> from nettrain.graph import variables
    >>> start, x = variables("start", ()), variables("x", (5,))
    >>> (total,), (sums,) = scan(
    ...     lambda c, s: ([c[0] + s[0]], [c[0] + s[0]]), [start], [x]
    ... )
    >>> total.shape, sums.shape
    ((), (5,))
    """
    lengths = {x.shape[0] if x.shape else -1 for x in sequences}
    if len(lengths) != 1 or -1 in lengths:
        listed = ", ".join(map(repr, sequences)) or "none"
        raise Error(
            "graph-shape",
            f"a loop needs sequences of one length, it was given {listed}",
        )
    carries = tuple([_leaf("carry", x.spec) for x in initial])
    slices = tuple([_leaf("slice", Spec(x.shape[1:], x.dtype)) for x in sequences])
    new, outputs = step(carries, slices)
    loop = _Loop(carries, slices, tuple(new), tuple(outputs))
    return loop.over(initial, sequences, lengths.pop(), reverse)


def _leaf(kind: str, spec: Spec) -> Node:
    return leaf(kind, "", spec.shape, spec.dtype, scope="")


@dataclass(frozen=True)
class _Loop:
    """A round that may still use nodes of the graph around it."""

    carries: Nodes
    slices: Nodes
    new: Nodes
    outputs: Nodes

    def over(
        self,
        initial: Sequence[Node],
        sequences: Sequence[Node],
        length: int,
        reverse: bool,
    ) -> tuple[Nodes, Nodes]:
        """Run it; what is the same in every round is computed once, outside."""
        results = (*self.new, *self.outputs)
        outer = _outer(results, {*self.carries, *self.slices})
        shared = {node: _leaf("shared", node.spec) for node in outer}
        closed = _rebuilt(results, shared)
        count = len(self.new)
        body = Body(
            self.carries,
            self.slices,
            tuple(shared.values()),
            closed[:count],
            closed[count:],
        )
        op = Scan(body, length, reverse)
        return _cut(op, apply(op, *initial, *sequences, *outer))


def _cut(op: Scan, value: Node) -> tuple[Nodes, Nodes]:
    """The last carries and the stacked outputs of a scan."""
    cuts = [reshape(value[where], shape) for where, shape in op.parts()]
    count = len(op.body.new)
    return tuple(cuts[:count]), tuple(cuts[count:])


def _outer(results: Nodes, own: set[Node]) -> Nodes:
    """The largest nodes that do not depend on `own` and that results are made with."""
    inside = set(own)
    outer: dict[Node, None] = {}
    for node in topological(results):
        if not inside.isdisjoint(node.inputs):
            inside.add(node)
            outer.update(dict.fromkeys(node.inputs))
    used = dict.fromkeys((*outer, *results))
    return tuple(n for n in used if n not in inside and not isinstance(n.op, Constant))


def _rebuilt(results: Sequence[Node], instead: Mapping[Node, Node]) -> Nodes:
    """The same values with some nodes exchanged, and nothing behind these looked at."""
    new = dict(instead)
    stack = list(results)
    while stack:
        node = stack[-1]
        waiting = [x for x in node.inputs if x not in new] if node not in new else []
        if waiting:
            stack += waiting
            continue
        stack.pop()
        if node not in new:
            inputs = tuple([new[x] for x in node.inputs])
            same = inputs == node.inputs
            new[node] = node if same else node.replace(inputs=inputs, spec=node.spec)
    return tuple(new[node] for node in results)


# ---------------------------------------------------------------- backwards


@dataclass(frozen=True)
class _Product:
    """Σ_t Aᵀ_t B_t, of A (N, I) and B (N, O): one product of what all rounds gave."""

    left: Node
    right: Node

    @property
    def operands(self) -> Nodes:
        return self.left, self.right

    def over(self, stacks: Mapping[Node, Node]) -> Node:
        flat = [reshape(stacks[x], (-1, x.shape[-1])) for x in self.operands]
        return matmul(transpose(flat[0]), flat[1])


@dataclass(frozen=True)
class _Total:
    """Σ_t Σ_axes A_t, in the shape of one round's sum."""

    term: Node
    axes: tuple[int, ...]
    shape: Shape

    @property
    def operands(self) -> Nodes:
        return (self.term,)

    def over(self, stacks: Mapping[Node, Node]) -> Node:
        axes = (0, *(axis + 1 for axis in self.axes))
        return reshape(reduce.sum(stacks[self.term], axes), self.shape)


def _gathered(term: Node, varying: set[Node]) -> list[_Product | _Total] | None:
    """A round's part of a shared gradient as sums that can be taken after the loop.

    Adding up a weight's gradient in every round would go through the whole matrix each
    time; one product over all rounds does not. None: it has to be added in the loop.

    Args:
        term: the part.
        varying: the nodes that are not the same in every round.
    """
    op = term.op
    found: _Product | _Total
    if isinstance(op, Add) and all(x.spec == term.spec for x in term.inputs):
        parts = [_gathered(x, varying) for x in term.inputs]
        if parts[0] is None or parts[1] is None:
            return None
        return parts[0] + parts[1]
    if isinstance(op, Matmul) and all(len(x.shape) == 2 for x in term.inputs):
        left, right = term.inputs
        turned = isinstance(left.op, Transpose)
        found = _Product(left.inputs[0] if turned else transpose(left), right)
    elif isinstance(op, reduce.Sum):
        found = _Total(term.inputs[0], op.axes, term.shape)
    else:
        return None
    return [found] if varying.issuperset(term.inputs) else None


class _Backwards:
    """The gradient of one scan: another one, that runs the other way.

    Each round of it is the backward pass of one round. What that reads of the round's
    own values is put out by the loop forwards, in a wider version of it that takes the
    first one's place when a program is planned (`loops.merging`).
    """

    def __init__(self, op: Scan, g: Node, y: Node, inputs: Nodes) -> None:
        from nettrain.graph.gradient import pullback

        self._op, self._y, self._inputs, body = op, y, inputs, op.body
        ends = [_part(g, where, shape) for where, shape in op.parts()]
        self._carries = tuple([_leaf("carry", x.spec) for x in body.carries])
        self._initial = [
            _zeros(x.spec) if end is None else end
            for x, end in zip(self._carries, ends, strict=False)
        ]
        seeds = list(zip(body.new, self._carries, strict=True))
        self._stacks: dict[Node, Node] = {}
        for node, stack in zip(body.outputs, ends[len(seeds) :], strict=True):
            if stack is not None:
                seeds.append((node, _leaf("slice", node.spec)))
                self._stacks[seeds[-1][1]] = stack
        leaves = (*body.carries, *body.slices, *body.shared)
        self._found = pullback(seeds, [x for x in leaves if x.spec.is_float])

    def gradients(self) -> list[Node | None]:
        """Of the cost with respect to each input."""
        op, body, found = self._op, self._op.body, self._found
        _, sequences, shared = op.split(self._inputs)
        gathered = self._gathered()
        added = [x for x in body.shared if x in found and x not in gathered]
        slopes = [x for x in body.slices if x in found]
        operands = dict.fromkeys(
            x for sums in gathered.values() for s in sums for x in s.operands
        )
        forward = {*body.order, *body.carries, *body.slices}
        self._stacks |= zip(body.slices, sequences, strict=True)
        new = [found[x] if x in found else _zeros(x.spec) for x in body.carries]
        sums = [_leaf("carry", x.spec) for x in added]
        new += [add(total, found[x]) for total, x in zip(sums, added, strict=True)]
        own = [x for x in operands if x not in forward]
        outputs = tuple(dict.fromkeys([*(found[x] for x in slopes), *own]))
        self._keep([x for x in operands if x in forward], (*new, *outputs), forward)
        always = dict(zip(body.shared, shared, strict=True))
        ends, stacks = self._run((*new, *outputs), sums, always)
        stack_of = dict(zip(outputs, stacks, strict=True))
        self._stacks |= {x: stack_of[x] for x in own}
        result = {x: stack_of[found[x]] for x in slopes}
        result |= zip((*body.carries, *added), ends, strict=True)
        for x, parts in gathered.items():
            result[x] = parts[0].over(self._stacks)
            for part in parts[1:]:
                result[x] = add(result[x], part.over(self._stacks))
        inputs = (*body.carries, *body.slices, *body.shared)
        return [result.get(x) if x in found else None for x in inputs]

    def _gathered(self) -> dict[Node, list[_Product | _Total]]:
        """The shared inputs whose gradient can be summed after the loop, and how."""
        body, found = self._op.body, self._found
        varying = {*body.carries, *body.slices, *self._carries, *self._stacks}
        for node in topological(found.values()):
            if not varying.isdisjoint(node.inputs):
                varying.add(node)
        sums = {x: _gathered(found[x], varying) for x in body.shared if x in found}
        return {x: parts for x, parts in sums.items() if parts is not None}

    def _keep(self, operands: list[Node], results: Nodes, forward: set[Node]) -> None:
        """Let the loop forwards put out what is read of its rounds."""
        op, body = self._op, self._op.body
        kept = {x for x in operands if x not in self._stacks}
        seen: set[Node] = set()
        waiting = list(results)
        while waiting:
            node = waiting.pop()
            if node in seen or node in self._stacks:
                continue
            seen.add(node)
            again = isinstance(node.op, AGAIN) or not node.spec.is_float
            if node in forward and not again:
                kept |= {node} - set(body.shared)
            else:
                waiting += node.inputs
        more = tuple([x for x in body.order if x in kept.difference(body.outputs)])
        y = self._y
        if more:
            op = Scan(body.putting_out(more), op.length, op.reverse)
            y = apply(op, *self._inputs)
        _, stacks = _cut(op, y)
        for node, stack in zip((*body.outputs, *more), stacks, strict=True):
            if node in kept:
                self._stacks[node] = stack

    def _run(
        self, results: Nodes, sums: list[Node], shared: dict[Node, Node]
    ) -> tuple[Nodes, Nodes]:
        """Run the rounds backwards over what is stacked."""
        leaves = {
            x: x if isinstance(x.op, Leaf) else _leaf("slice", x.spec)
            for x in self._stacks
        }
        rebuilt = _rebuilt(results, {**shared, **leaves})
        used = set(topological(rebuilt))
        slices = {x: made for x, made in leaves.items() if made in used}
        carries = (*self._carries, *sums)
        count = len(carries)
        loop = _Loop(carries, tuple(slices.values()), rebuilt[:count], rebuilt[count:])
        initial = [*self._initial, *(_zeros(x.spec) for x in sums)]
        sequences = [self._stacks[x] for x in slices]
        return loop.over(initial, sequences, self._op.length, not self._op.reverse)


def _part(g: Node, where: slice, shape: Shape) -> Node | None:
    """One part of the gradient of a scan's value; None where that is 0.

    What comes back from the parts that are used is padded to the whole and added up;
    here each part is found again as it was.
    """
    if isinstance(g.op, Add):
        parts = [_part(x, where, shape) for x in g.inputs]
        known = [x for x in parts if x is not None]
        if len(known) < 2:
            return known[0] if known else None
        return add(*known)
    if isinstance(g.op, Pad) and g.op.interior == (0,):
        start = g.op.before[0]
        stop = start + g.inputs[0].shape[0]
        if (start, stop) == (where.start, where.stop):
            return reshape(g.inputs[0], shape)
        if stop <= where.start or where.stop <= start:
            return None
    return reshape(g[where], shape)


def _zeros(spec: Spec) -> Node:
    return broadcast_to(constant(0.0, spec.dtype), spec.shape)


# ---------------------------------------------------------------- written out


def unroll(node: Node) -> Node:
    """A scan's value with its rounds written out one after the other; others as is."""
    if not isinstance(node.op, Scan):
        return node
    op, body = node.op, node.op.body
    carries, sequences, shared = op.split(node.inputs)
    stacks: list[list[Node]] = [[] for _ in body.outputs]
    for t in op.rounds():
        instead = dict(
            zip((*body.carries, *body.shared), (*carries, *shared), strict=True)
        )
        instead |= {x: s[t] for x, s in zip(body.slices, sequences, strict=True)}
        results = _rebuilt(body.results, instead)
        carries = results[: len(body.new)]
        for stack, value in zip(stacks, results[len(body.new) :], strict=True):
            stack.append(value)
    order = slice(None, None, -1 if op.reverse else 1)
    flat = [*carries, *(x for stack in stacks for x in stack[order])]
    return concat([reshape(x, (-1,)) for x in flat])


def _example() -> Body:
    """h_t = tanh(x_t + h_{t-1} U), which puts out h_t and h_t²."""
    h, x = (
        _leaf("carry", Spec((2, 3), "float64")),
        _leaf("slice", Spec((2, 3), "float64")),
    )
    u = _leaf("shared", Spec((3, 3), "float64"))
    new = tanh(add(x, matmul(h, u)))
    return Body((h,), (x,), (u,), (new,), (new, square(new)))


_SHAPES = ((2, 3), (4, 2, 3), (3, 3))
Scan.samples = (
    Sample(_SHAPES, (_example(), 4, False), dtypes=("float64",) * 3),
    Sample(_SHAPES, (_example(), 4, True), dtypes=("float64",) * 3),
)
