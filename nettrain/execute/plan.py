"""The NumPy executor: a definition becomes a list of calls on buffers fixed beforehand.

Planned, in the order of what it is worth: a buffer is used again after its node's last
use; reshapes, transposes, slices, windows and broadcasts are views made at plan time
and vanish from the step; every other operation writes into a buffer, its dying
operand's own where it can; buffers have the axis order NumPy would give them;
parameters and optimizer state of one rule lie in one vector (`layout`).

Observers are planned right after the node they look at, while its value is still there.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from math import isfinite

import numpy as np

from nettrain.errors import Error
from nettrain.execute import kernels as kernel_table
from nettrain.execute import loop
from nettrain.execute.buffers import Pool, Storage, aligned, strides, view
from nettrain.execute.kernels import KERNELS, Call, Kernel
from nettrain.execute.layout import Flat, Vector, flatten, over_vectors
from nettrain.execute.namespace import NUMPY
from nettrain.execute.program import (
    STATEFUL,
    Arrays,
    Definition,
    Result,
    State,
    initial_arrays,
)
from nettrain.execute.schedule import Schedule, schedule
from nettrain.graph import Constant, Leaf, Node, Operation
from nettrain.graph.loops import merging
from nettrain.graph.rewrite import folding, rewrite, sharing, simplify
from nettrain.graph.spec import Shape, Spec


class Numpy:
    """Runs definitions as planned lists of NumPy calls.

    Args:
        kernels: how operations are computed; see `kernels`.
        poison: fill every freed buffer with NaN, so that wrong reuse shows (for tests).
    """

    name = "numpy"
    keeps = True

    def __init__(
        self,
        kernels: Mapping[type[Operation], Kernel] = KERNELS,
        poison: bool = False,
    ) -> None:
        self._kernels, self._poison = kernels, poison

    def allocate(
        self, definition: Definition, values: Mapping[str, np.ndarray]
    ) -> State:
        """State whose leaves of one update rule are views of one vector."""
        homes, vectors = _vectors(_optimized(definition))
        state = State(initial_arrays(definition.leaves(*STATEFUL), values, homes))
        state.vectors = vectors
        return state

    def program(self, definition: Definition, state: State) -> NumpyProgram:
        return NumpyProgram(_optimized(definition), state, self._kernels, self._poison)

    def nbytes(self, definition: Definition) -> int:
        """Memory that such a program takes beside its state.

        It is planned on arrays that nothing is written to: the system finds memory for
        a page when it is first touched.
        """
        optimized = _optimized(definition)
        homes, vectors = _vectors(optimized)
        state = State(homes)
        for node in optimized.leaves(*STATEFUL):
            state.setdefault(node.path, aligned(node.shape, node.dtype))
        state.vectors = vectors
        program = NumpyProgram(optimized, state, self._kernels, self._poison)
        return program.nbytes + program.own_nbytes


def _vectors(
    definition: Definition,
) -> tuple[dict[str, np.ndarray], dict[tuple[str, ...], np.ndarray]]:
    """Where the leaves of one update rule lie, by path, and the vectors they lie in."""
    homes, vectors = {}, {}
    for vector in flatten(definition.updates).states:
        flat = vectors[vector.paths()] = aligned(vector.spec.shape, vector.spec.dtype)
        for part, where in vector.slices():
            homes[part.path] = flat[where].reshape(part.shape)
    return homes, vectors


def _optimized(definition: Definition) -> Definition:
    roots = [*definition.updates, *definition.roots()]
    rules = (merging(roots), simplify, folding(NUMPY), sharing())
    return definition.mapped(rewrite(roots, *rules))


class NumpyProgram:
    """A plan bound to a state: two lists of calls, with the guards between them.

    Attributes:
        nbytes: memory of the plan's own buffers.
        own_nbytes: memory of inputs, and of copies of what lies in the state.
    """

    def __init__(
        self,
        definition: Definition,
        state: State,
        kernels: Mapping[type[Operation], Kernel],
        poison: bool,
    ) -> None:
        plan = _Planner(definition, state, kernels, poison)
        self._inputs = plan.inputs
        self._measure, self._update = plan.measure, plan.update
        self._guards, self._outputs = plan.guards, plan.outputs
        self._changed, self._sees_new = plan.changed, plan.sees_new
        self.nbytes, self.own_nbytes = plan.pool.nbytes, plan.own_nbytes

    def __call__(self, inputs: Arrays) -> Result:
        with np.errstate(all="ignore"):
            for node, buffer in self._inputs.items():
                value = inputs.get(node)
                if value is None or np.shape(value) != buffer.shape:
                    raise _misfit(node, value)
                buffer[...] = value
            for call in self._measure:
                call()
            committed = all(map(isfinite, self._guards))
            if committed:
                for call in self._update:
                    call()
            elif self._sees_new:
                self._try_update()
        return Result(self._outputs, committed)

    def _try_update(self) -> None:
        """Compute the observers of a new state that is not taken."""
        before = [array.copy() for array in self._changed]
        try:
            for call in self._update:
                call()
        finally:
            for array, old in zip(self._changed, before, strict=True):
                np.copyto(array, old)


def _misfit(node: Node, value: np.ndarray | None) -> Error:
    if value is None:
        return Error("graph-no-value", f"{node!r} has no value", fix="give it one")
    return Error("graph-shape", f"{node!r} got a value of shape {np.shape(value)}")


class _Planner:
    """Builds the lists of calls, node by node, in one pass forward.

    Attributes:
        measure, update: calls before and after the guards are looked at.
        inputs: the buffer of every input leaf.
        outputs: arrays of the definition's outputs and observers, by name.
        guards: arrays of its guards.
        changed: the arrays of the state that `update` writes.
        sees_new: whether an observer is computed by `update`.
        own_nbytes: of the arrays that are no buffers of the pool.
    """

    def __init__(
        self,
        definition: Definition,
        state: State,
        kernels: Mapping[type[Operation], Kernel],
        poison: bool,
    ) -> None:
        self._kernels, self._poison, self._state = kernels, poison, state
        self.pool = Pool()
        self.own_nbytes = 0
        self.inputs: dict[Node, np.ndarray] = {}
        self._arrays: dict[Node, np.ndarray] = {}
        self._storages: dict[Node, Storage] = {}
        self._pinned: dict[Node, tuple[Storage, np.ndarray]] = {}
        self._homes: dict[str, Storage] = {}
        self._lookers: dict[Storage, list[Node]] = {}
        self._calls: list[Call] = []
        flat = self._flattened(definition)
        self._updates, definition = over_vectors(definition, flat)
        self._leaf_of = {new: leaf for leaf, new in self._updates.items()}
        lanes = [part for vector in flat.lanes for part in vector.parts]
        order = schedule(
            # Lanes first: the vectors over them do not say that they need them.
            [*lanes, *definition.guards, *definition.outputs.values()],
            self._updates.values(),
            definition.observers.values(),
        )
        self._uses = order.uses
        self._plan(order, {**definition.outputs, **definition.observers})
        self.guards = [self._arrays[node] for node in definition.guards]

    # ---------------------------------------------------------------- preparation

    def _flattened(self, definition: Definition) -> Flat:
        """The updates over the state's vectors; all of them or none."""
        flat = flatten(definition.updates)
        if not all(v.paths() in self._state.vectors for v in flat.states):
            return Flat(definition.updates, (), (), {})
        for vector in flat.states:
            memory = self._state.vectors[vector.paths()]
            storage = self._state_storage(memory)
            self._homes |= dict.fromkeys(vector.paths(), storage)
            for block, where in vector.block_slices():
                self._place(block, memory[where], storage)
        for vector in flat.lanes:
            self._pin(vector)
        return flat

    def _state_storage(self, memory: np.ndarray) -> Storage:
        storage = Storage(memory, permanent=True)
        self._lookers[storage] = []
        return storage

    def _pin(self, vector: Vector) -> None:
        """Let the parts of a lane be computed straight into their slices."""
        storage = self.pool.take(vector.spec.nbytes, permanent=True)
        memory = view(storage, vector.spec.shape, vector.spec.dtype, None)
        for block, where in vector.block_slices():
            self._place(block, memory[where], storage)
        for part, where in vector.slices():
            self._pinned[part] = (storage, memory[where].reshape(part.shape))

    # ---------------------------------------------------------------- the pass

    def _plan(self, order: Schedule, named: Mapping[str, Node]) -> None:
        for node in (*order.measure, *order.update, *self._updates):
            if isinstance(node.op, Leaf) and node.op.kind in STATEFUL:
                self._leaf(node)
        self._commits = False
        for node in order.measure:
            self._step(node)
        first, second = set(order.measure), set(order.update)
        self.outputs: dict[str, np.ndarray] = {}
        self._hand_back({k: node for k, node in named.items() if node in first})
        self.measure, self._calls = self._calls, []
        self._commits = True
        for node in order.update:
            self._step(node)
        self._hand_back({k: node for k, node in named.items() if node in second})
        self._commit()
        self.update = self._calls
        self.outputs = {name: self.outputs[name] for name in named}
        self.sees_new = any(node in second for node in named.values())
        self.changed = [self._arrays[leaf] for leaf in self._updates]

    def _step(self, node: Node) -> None:
        if isinstance(node.op, Leaf):
            self._leaf(node)
        elif isinstance(node.op, Constant):
            array = node.op.array
            self._place(node, array, Storage(array, permanent=True))
        elif not self._as_view(node):
            self._compute(node)
        for x in dict.fromkeys(node.inputs):
            self._uses[x] -= 1
            if not self._uses[x]:
                self._drop(x)

    def _leaf(self, node: Node) -> None:
        assert isinstance(node.op, Leaf)
        if node in self._arrays:
            return
        if node.op.kind in STATEFUL:
            array = self._state[node.path]
            storage = self._homes.get(node.path) or self._state_storage(array)
            self._lookers[storage].append(node)
        elif node in self._pinned:
            storage, array = self._pinned[node]
            self.inputs[node] = array
        else:
            array = self.inputs[node] = self._own(node.shape, node.dtype)
            storage = Storage(array, permanent=True)
        self._place(node, array, storage)

    def _as_view(self, node: Node) -> bool:
        """Make a node's array a view of its input's, where nothing is computed."""
        if not node.inputs or self._has_place(node):
            return False
        x = node.inputs[0]
        source, storage = self._arrays[x], self._storages[x]
        made = kernel_table.as_view(node.op, source)
        if made is None:
            return False
        self._place(node, made, storage)
        if storage in self._lookers:
            self._lookers[storage].append(node)
        return True

    def _has_place(self, node: Node) -> bool:
        return node in self._pinned or node in self._leaf_of

    def _compute(self, node: Node) -> None:
        inputs = [self._arrays[x] for x in node.inputs]
        borrowed: list[Storage] = []

        def scratch(size: Shape, dtype: str) -> np.ndarray:
            storage = self.pool.take(Spec(size, dtype).nbytes)
            borrowed.append(storage)
            return view(storage, size, dtype, None)

        storage, out = self._room(node, inputs)
        self._calls += loop.calls(node.op, inputs, out, scratch, self._kernels)
        for lent in borrowed:
            self._free(lent)
        self._place(node, out, storage)

    def _room(self, node: Node, inputs: list[np.ndarray]) -> tuple[Storage, np.ndarray]:
        """Where a node's value goes: its pin, its leaf, a dying operand, or a buffer.

        The order of its axes in memory depends on the operands alone, not on what else
        is alive: sums read memory in order, so their last bits depend on it.
        """
        if node in self._pinned:
            return self._pinned[node]
        leaf = self._leaf_of.get(node)
        if leaf is not None and self._can_replace(leaf, node):
            return self._storages[leaf], self._arrays[leaf]
        like = None
        if leaf is None:
            like = kernel_table.order(node.op, inputs)
        if kernel_table.may_overwrite(node.op):
            for x, array in zip(node.inputs, inputs, strict=True):
                if self._dies(x) and _fits(array, node, like):
                    return self._storages[x], array
        storage = self.pool.take(node.spec.nbytes)
        return storage, view(storage, node.shape, node.dtype, like)

    def _can_replace(self, leaf: Node, node: Node) -> bool:
        """Whether a leaf's new value may be written over the old one at once.

        Only if the step is being committed, and this operation is the last to look at
        that memory, as itself and not through a view.
        """
        if not self._commits or not kernel_table.may_overwrite(node.op):
            return False
        target = self._arrays[leaf]
        for x in {leaf: None, **dict.fromkeys(self._lookers[self._storages[leaf]])}:
            left = self._uses.get(x, 0) - (x is leaf and leaf in node.inputs)
            if left and np.may_share_memory(self._arrays[x], target):
                return False
        return True

    def _dies(self, x: Node) -> bool:
        """Whether the node being planned is the last to look at x's storage."""
        storage = self._storages[x]
        return self._uses[x] == 1 and storage.holders == 1 and not storage.permanent

    def _place(self, node: Node, array: np.ndarray, storage: Storage) -> None:
        self._arrays[node], self._storages[node] = array, storage
        storage.holders += 1

    def _drop(self, node: Node) -> None:
        storage = self._storages[node]
        storage.holders -= 1
        if not storage.holders and not storage.permanent:
            self._free(storage)

    def _free(self, storage: Storage) -> None:
        if self._poison:
            self._calls.append(lambda: storage.raw.fill(0xFF))
        self.pool.give(storage)

    # ---------------------------------------------------------------- the ends

    def _hand_back(self, named: Mapping[str, Node]) -> None:
        """Outputs' arrays; what lies in the state is copied before that changes."""
        for name, node in named.items():
            array = self._arrays[node]
            if self._storages[node] in self._lookers:
                array = self._copied(array)
                self._uses[node] -= 1
            self.outputs[name] = array

    def _commit(self) -> None:
        """Copy new values that were not computed in place to where they belong."""
        moves = []
        for leaf, new in self._updates.items():
            target, source = self._arrays[leaf], self._arrays[new]
            if source is target:
                continue
            if self._storages[new] in self._lookers:  # another leaf, changing as well
                source = self._copied(source)
            moves.append(partial(np.copyto, target, source))
        self._calls += moves

    def _own(self, shape: Shape, dtype: str) -> np.ndarray:
        """An array that is no buffer of the pool."""
        array = aligned(shape, dtype)
        self.own_nbytes += array.nbytes
        return array

    def _copied(self, array: np.ndarray) -> np.ndarray:
        copy = self._own(array.shape, array.dtype.name)
        self._calls.append(partial(np.copyto, copy, array))
        return copy


def _fits(array: np.ndarray, node: Node, like: np.ndarray | None) -> bool:
    """Whether a node's value has the spec of an array and belongs there as it lies."""
    # A view of what is repeated may not be written to, though it may be empty.
    if not array.flags.writeable or array.shape != node.shape:
        return False
    if array.dtype.name != node.dtype:
        return False
    wanted = strides(node.shape, array.itemsize, like)
    steps = zip(array.strides, wanted, node.shape, strict=True)
    return all(have == want for have, want, size in steps if size > 1)
