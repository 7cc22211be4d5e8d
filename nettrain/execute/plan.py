"""The NumPy executor: a definition becomes a list of calls on buffers fixed beforehand.

Planned, in the order of what it is worth: a buffer is used again after its node's last
use; reshapes, transposes, slices and broadcasts are views made at plan time and vanish
from the step; every other operation writes into a buffer, its dying operand's own where it
can; buffers have the axis order NumPy would give them; parameters and optimizer state of
one rule lie in one vector (`layout`).

Observers are planned right after the node they look at, while its value is still there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import isfinite

import numpy as np

from nettrain.errors import Error
from nettrain.execute.buffers import Pool, Storage, aligned, view
from nettrain.execute.kernels import KERNELS, Call, Kernel, calls, may_overwrite
from nettrain.execute.layout import Flat, Vector, flatten
from nettrain.execute.namespace import NUMPY
from nettrain.execute.program import (
    STATEFUL,
    Arrays,
    Definition,
    Result,
    State,
    initial_arrays,
)
from nettrain.graph import Constant, Leaf, Node, Operation, topological
from nettrain.graph.operations import elementwise, shape
from nettrain.graph.rewrite import folding, rewrite, sharing, simplify, substitute
from nettrain.graph.spec import Shape

VIEWS = (
    shape.Reshape,
    shape.Transpose,
    shape.BroadcastTo,
    shape.Slice,
    elementwise.StopGradient,
)


class Numpy:
    """Runs definitions as planned lists of NumPy calls.

    Args:
        kernels: how operations are computed; see `kernels`.
        poison: fill every freed buffer with NaN, so that a wrong reuse shows (for tests).
    """

    name = "numpy"

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
        arrays = initial_arrays(definition.leaves(*STATEFUL), values)
        state = State(arrays)
        for vector in flatten(_optimized(definition).updates).states:
            flat = aligned(vector.spec.shape, vector.spec.dtype)
            for part, where in vector.slices():
                flat[where] = arrays[part.path].reshape(-1)
                state[part.path] = flat[where].reshape(part.shape)
            state.vectors[vector.paths()] = flat
        return state

    def program(self, definition: Definition, state: State) -> NumpyProgram:
        return NumpyProgram(_optimized(definition), state, self._kernels, self._poison)


def _optimized(definition: Definition) -> Definition:
    rules = (simplify, folding(NUMPY), sharing())
    roots = [*definition.updates, *definition.roots()]
    return definition.mapped(rewrite(roots, *rules))


class NumpyProgram:
    """A plan bound to a state: two lists of calls, with the guards between them.

    Attributes:
        nbytes: memory of the plan's own buffers.
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
        self.nbytes = plan.pool.nbytes

    def __call__(self, inputs: Arrays) -> Result:
        for node, buffer in self._inputs.items():
            value = inputs.get(node)
            if value is None or np.shape(value) != buffer.shape:
                got = "nothing" if value is None else f"shape {np.shape(value)}"
                raise Error("graph-shape", f"the input {node!r} got {got}")
            buffer[...] = value
        with np.errstate(all="ignore"):
            for call in self._measure:
                call()
            committed = all(isfinite(guard) for guard in self._guards)
            if committed:
                for call in self._update:
                    call()
        return Result(self._outputs, committed)


class _Planner:
    """Builds the lists of calls, node by node, in one pass forward."""

    def __init__(
        self,
        definition: Definition,
        state: State,
        kernels: Mapping[type[Operation], Kernel],
        poison: bool,
    ) -> None:
        self._kernels, self._poison, self._state = kernels, poison, state
        self.pool = Pool()
        self.inputs: dict[Node, np.ndarray] = {}
        self._arrays: dict[Node, np.ndarray] = {}
        self._storages: dict[Node, Storage] = {}
        self._pinned: dict[Node, tuple[Storage, np.ndarray]] = {}
        self._calls: list[Call] = []
        flat = self._flattened(definition)
        self._updates = dict(flat.updates)
        definition = replace(definition, updates={})
        definition = definition.mapped(substitute(definition.roots(), flat.instead))
        order, self._first_update = self._order(definition, flat)
        self._uses = _uses(order, [*definition.roots(), *self._updates.values()])
        self._target = self._targets()
        self.measure, self.update = self._plan(order)
        self.outputs = {
            name: self._arrays[node]
            for name, node in (*definition.outputs.items(), *definition.observers.items())
        }
        self.guards = [self._arrays[node] for node in definition.guards]

    # ---------------------------------------------------------------- preparation

    def _flattened(self, definition: Definition) -> Flat:
        """The updates over the state's vectors; all of them or none."""
        flat = flatten(definition.updates)
        if not all(v.paths() in self._state.vectors for v in flat.states):
            return Flat(definition.updates, (), (), {})
        for vector in flat.states:
            memory = self._state.vectors[vector.paths()]
            for block, where in vector.block_slices():
                self._place(block, memory[where], Storage(memory, permanent=True))
        for vector in flat.lanes:
            self._pin(vector)
        return flat

    def _pin(self, vector: Vector) -> None:
        """Let the parts of a lane be computed straight into their slices."""
        storage = self.pool.take(vector.spec.nbytes, permanent=True)
        memory = view(storage, vector.spec.shape, vector.spec.dtype, None)
        for block, where in vector.block_slices():
            self._place(block, memory[where], storage)
        for part, where in vector.slices():
            self._pinned[part] = (storage, memory[where].reshape(part.shape))

    def _order(self, definition: Definition, flat: Flat) -> tuple[list[Node], int]:
        """Nodes in the order they run, and where the update phase begins.

        The order of the value path is found without the observers; each observer's own
        nodes follow as soon as their inputs are there.
        """
        lanes = [part for vector in flat.lanes for part in vector.parts]
        early = topological([*definition.guards, *definition.outputs.values(), *lanes])
        late = topological([*early, *flat.updates.values()])[len(early) :]
        ready: set[Node] = set()
        waiting = topological(definition.observers.values())
        order: list[Node] = []
        first_update = -1

        for phase in (early, late):
            if phase is late:
                first_update = len(order)
            for node in phase:
                if node in ready:
                    continue
                order.append(node)
                ready.add(node)
                waiting = _release(waiting, ready, order, {*early, *late})
        return order, first_update

    def _targets(self) -> dict[Node, Node]:
        """Which leaf each new value belongs to, where it may be written straight there."""
        return {new: leaf for leaf, new in self._updates.items()}

    # ---------------------------------------------------------------- the pass

    def _plan(self, order: list[Node]) -> tuple[list[Call], list[Call]]:
        for node in order[: self._first_update]:
            self._step(node)
        measure, self._calls = self._calls, []
        for node in order[self._first_update :]:
            self._step(node)
        for leaf, new in self._updates.items():
            if self._arrays[new] is not self._arrays.get(leaf):
                target = self._leaf(leaf)
                self._calls.append(_copy(target, self._arrays[new]))
        return measure, self._calls

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

    def _leaf(self, node: Node) -> np.ndarray:
        if node not in self._arrays:
            assert isinstance(node.op, Leaf)
            if node.op.kind in STATEFUL:
                array = self._state[node.path]
            else:
                array = self.inputs[node] = aligned(node.shape, node.dtype)
            self._place(node, array, Storage(array, permanent=True))
        return self._arrays[node]

    def _as_view(self, node: Node) -> bool:
        if not isinstance(node.op, VIEWS) or node in self._pinned or node in self._target:
            return False
        (x,) = node.inputs
        source = self._arrays[x]
        if isinstance(node.op, shape.Reshape):
            try:
                made = np.reshape(source, node.shape, copy=False)
            except ValueError:
                return False
        else:
            made = node.op.forward(NUMPY, source)
        self._place(node, made, self._storages[x])
        return True

    def _compute(self, node: Node) -> None:
        inputs = [self._arrays[x] for x in node.inputs]
        borrowed: list[Storage] = []

        def scratch(size: Shape, dtype: str) -> np.ndarray:
            storage = self.pool.take(_nbytes(size, dtype))
            borrowed.append(storage)
            return view(storage, size, dtype, None)

        storage, out = self._room(node, inputs)
        self._calls += calls(node.op, inputs, out, scratch, self._kernels)
        for lent in borrowed:
            self._free(lent)
        self._place(node, out, storage)

    def _room(
        self, node: Node, inputs: list[np.ndarray]
    ) -> tuple[Storage, np.ndarray]:
        """Where a node's value goes: its pin, its leaf, a dying operand, or a buffer."""
        if node in self._pinned:
            return self._pinned[node]
        leaf = self._target.get(node)
        if leaf is not None and self._can_replace(leaf, node):
            array = self._leaf(leaf)
            self._arrays[leaf] = array
            return self._storages[leaf], array
        like = next((a for a in inputs if a.shape == node.shape), None)
        if may_overwrite(node.op):
            for x, array in zip(node.inputs, inputs, strict=True):
                if self._dies(x, node) and _same(array, node):
                    return self._storages[x], array
        else:
            like = None
        storage = self.pool.take(node.spec.nbytes)
        return storage, view(storage, node.shape, node.dtype, like)

    def _can_replace(self, leaf: Node, node: Node) -> bool:
        """Whether the old value is read by this operation at the latest, in place."""
        mine = 1 if leaf in node.inputs else 0
        left = self._uses.get(leaf, 0) - mine
        alone = self._storages.get(leaf) is None or self._storages[leaf].holders <= 1
        return left == 0 and alone and may_overwrite(node.op)

    def _dies(self, x: Node, node: Node) -> bool:
        storage = self._storages[x]
        last = self._uses[x] == 1
        return last and storage.holders == 1 and not storage.permanent

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


def _release(
    waiting: list[Node], ready: set[Node], order: list[Node], values: set[Node]
) -> list[Node]:
    """Append the observer nodes whose inputs are all there; the rest waits on."""
    left = []
    for node in waiting:
        if node in ready:
            continue
        if node not in values and all(x in ready for x in node.inputs):
            order.append(node)
            ready.add(node)
        else:
            left.append(node)
    return left


def _uses(order: Iterable[Node], kept: Iterable[Node]) -> dict[Node, int]:
    """How many steps read each node; what is handed back is never used up."""
    uses: dict[Node, int] = {}
    for node in order:
        uses.setdefault(node, 0)
        for x in dict.fromkeys(node.inputs):
            uses[x] = uses.get(x, 0) + 1
    for node in kept:
        uses[node] = uses.get(node, 0) + 1
    return uses


def _same(array: np.ndarray, node: Node) -> bool:
    """Whether a node's value may lie in an array; a broadcast view is read-only."""
    alike = array.shape == node.shape and array.dtype.name == node.dtype
    return alike and array.flags.writeable


def _nbytes(size: Shape, dtype: str) -> int:
    return int(np.prod(size)) * np.dtype(dtype).itemsize


def _copy(target: np.ndarray, source: np.ndarray) -> Call:
    return lambda: np.copyto(target, source)
