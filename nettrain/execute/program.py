"""Programs: functions (state, inputs) -> (new state, outputs), cut from the graph."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Generic, Protocol, TypeVar

import numpy as np

from nettrain.errors import Error
from nettrain.graph import Leaf, Node, leaf, topological
from nettrain.graph.rewrite import substitute

Arrays = Mapping[Node, np.ndarray]
STATEFUL = ("parameter", "state")

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


@dataclass(frozen=True)
class Definition:
    """What a program computes.

    Attributes:
        outputs: nodes to hand back, by name.
        updates: for each leaf of the state its new value.
        guards: scalars that must be finite; otherwise no update is committed, so that a
            bad step can be repeated from unharmed weights.
        observers: further outputs, such as statistics. How outputs and updates are
            computed does not depend on them: with and without, all bits are the same.
    """

    outputs: Mapping[str, Node]
    updates: Mapping[Node, Node] = field(default_factory=dict)
    guards: tuple[Node, ...] = ()
    observers: Mapping[str, Node] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for old, new in self.updates.items():
            if not isinstance(old.op, Leaf) or old.op.kind not in STATEFUL:
                raise Error("graph-update", f"{old!r} is no state to be updated")
            if old.spec != new.spec:
                raise Error("graph-update", f"{old!r} cannot become {new!r}")
        for node in self.guards:
            if node.shape:
                raise Error("graph-not-scalar", f"the guard {node!r} is no scalar")

    def roots(self) -> list[Node]:
        """Every node that is asked for, in the order in which it is wanted."""
        values = (self.outputs, self.updates, self.observers)
        return [*self.guards, *(node for v in values for node in v.values())]

    def leaves(self, *kinds: str) -> list[Node]:
        """The leaves of some kinds, by first use; updated ones always count."""
        order = topological([*self.roots(), *self.updates])
        return [n for n in order if isinstance(n.op, Leaf) and n.op.kind in kinds]

    def mapped(self, new: Mapping[Node, Node]) -> Definition:
        """The same definition over rewritten nodes."""
        return Definition(
            {name: new[node] for name, node in self.outputs.items()},
            {old: new[node] for old, node in self.updates.items()},
            tuple(new[node] for node in self.guards),
            {name: new[node] for name, node in self.observers.items()},
        )


def cut(
    definition: Definition, at: Mapping[str, Node]
) -> tuple[Definition, Definition]:
    """A step as two programs, `measure` and `update`, cut at some nodes.

    Args:
        definition: the whole step.
        at: nodes (the gradients, usually) that the first program hands back and the
            second takes as inputs, each called by its name here.

    Returns:
        `measure`, which changes no state, and `update`, whose inputs include a leaf of
        kind `input` for every entry of `at`, of that name.
    """
    measure = replace(definition, outputs={**definition.outputs, **at}, updates={})
    inputs = {
        node: leaf("input", name, node.shape, node.dtype, scope="")
        for name, node in at.items()
    }
    update = Definition({}, definition.updates, definition.guards)
    return measure, update.mapped(substitute(update.roots(), inputs))


class State(dict[str, np.ndarray]):
    """The arrays of parameters and state by path; programs change them in place.

    Attributes:
        vectors: flat vectors an executor laid out, by the paths of their parts, whose
            arrays are views of them.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        super().__init__(arrays)
        self.vectors: dict[tuple[str, ...], np.ndarray] = {}

    def __missing__(self, path: str) -> np.ndarray:
        raise Error("graph-no-value", f"the state has no {path}")

    def load(self, values: Mapping[str, np.ndarray]) -> None:
        """Copy values in; paths that this state does not have are an error."""
        for path, value in values.items():
            if path not in self or self[path].shape != value.shape:
                have = self[path].shape if path in self else "nothing"
                raise Error(
                    "checkpoint-mismatch",
                    f"{path} of shape {value.shape} does not fit this model: "
                    f"it has {have} there",
                )
            np.copyto(self[path], value, casting="same_kind")

    def snapshot(self) -> dict[str, np.ndarray]:
        """A copy of every array."""
        return {path: array.copy() for path, array in self.items()}


@dataclass(slots=True)
class Result:
    """What one run of a program gave.

    Attributes:
        outputs: outputs and observers by name; valid until the program runs again.
        committed: whether the guards were finite and the new state was taken.
    """

    outputs: Mapping[str, np.ndarray]
    committed: bool


class Program(Protocol):
    """A definition compiled for fixed shapes, bound to a state."""

    def __call__(self, inputs: Arrays) -> Result:
        """Run once. `inputs` has an array for every input leaf."""


class Executor(Protocol):
    """A way to run definitions.

    Attributes:
        name: in a config.
        keeps: whether a program keeps its memory between two calls.
    """

    name: str
    keeps: bool

    def allocate(
        self, definition: Definition, values: Mapping[str, np.ndarray]
    ) -> State:
        """The state that a definition needs, starting with the values, by path."""

    def program(self, definition: Definition, state: State) -> Program:
        """The definition, compiled for the shapes of its leaves."""

    def nbytes(self, definition: Definition) -> int:
        """Memory that such a program takes beside its state; nothing is computed."""


def initial_arrays(
    leaves: Iterable[Node],
    values: Mapping[str, np.ndarray],
    homes: Mapping[str, np.ndarray] | None = None,
) -> dict[str, np.ndarray]:
    """An array for every state leaf, from `values` or the leaf's own start.

    Args:
        leaves: of kinds `STATEFUL`.
        values: by path.
        homes: by path, arrays to be filled; the others are fresh ones.
    """
    arrays, homes = {}, homes or {}
    for node in leaves:
        assert isinstance(node.op, Leaf)
        value = values.get(node.path, node.op.initial)
        if value is None:
            raise Error("graph-no-value", f"the leaf {node.path} has no value at first")
        if value.shape != node.shape:
            raise Error(
                "graph-shape",
                f"the leaf {node.path} of shape {node.shape} got a value of shape "
                f"{value.shape}",
            )
        home = homes.get(node.path)
        if home is None:
            arrays[node.path] = np.array(value, dtype=node.dtype, order="C")
        else:
            np.copyto(home, value, casting="unsafe")
            arrays[node.path] = home
    return arrays


class Cache(Generic[K, T]):
    """What was compiled, by its key; the least recently used is dropped first.

    Args:
        build: compiles for a key, usually the shapes of the inputs.
        limit: how many are kept.
    """

    WARN_AT = 8

    def __init__(self, build: Callable[[K], T], limit: int = 16) -> None:
        self._build, self._limit = build, limit
        self._made: OrderedDict[K, T] = OrderedDict()

    def __call__(self, key: K) -> T:
        if key in self._made:
            self._made.move_to_end(key)
            return self._made[key]
        made = self._made[key] = self._build(key)
        if len(self._made) == self.WARN_AT:
            warnings.warn(
                f"{self.WARN_AT} different input shapes have been compiled: every new "
                "one costs a compilation; pad or group the batches",
                stacklevel=2,
            )
        if len(self._made) > self._limit:
            self._made.popitem(last=False)
        return made

    def clear(self) -> None:
        """Forget everything; what is wanted again is compiled again."""
        self._made.clear()
