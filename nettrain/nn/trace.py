"""A trace: layers applied once, symbolically, and all they needed beside their input.

Training and prediction are two traces over the same layers and the same leaves
(weights, running averages). No layer asks which one it is in: a trace calls `apply` to
train and `predict` to predict, and layers that act alike in both write `apply` alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from nettrain import randomness
from nettrain.component import listed, suggest
from nettrain.errors import Error
from nettrain.graph import Leaf, Node, Spec, constant, scope, topological
from nettrain.graph import operations as ops
from nettrain.graph.operations import shape as moving
from nettrain.graph.spec import Shape
from nettrain.nn.initializers import Initializer

if TYPE_CHECKING:
    from nettrain.nn.activations import Activation
    from nettrain.nn.layer import Layer

_MOVING = (moving.Reshape, moving.Transpose, moving.Slice, moving.Concat)
"""Operations that leave every element as it is."""


@dataclass(frozen=True)
class Parameter:
    """What training changes, and how it begins.

    Attributes:
        node: the leaf; its path, such as `model/dense1/weight`, names the tensor.
        initializer: where its first values come from.
        fan_in, fan_out: what the initializer scales by.
        trainable: whether the optimizer changes it.
        given: its first values where none are drawn; see `Beginning`.
    """

    node: Node
    initializer: Initializer
    fan_in: int
    fan_out: int
    trainable: bool
    given: np.ndarray | None = None

    @property
    def layer_path(self) -> str:
        return self.node.scope

    def values(self, seed: int) -> np.ndarray:
        """The first values, in the leaf's dtype; the key is `init/PATH`."""
        if self.given is not None:
            return self.given.astype(self.node.dtype)
        key = randomness.key(seed, f"init/{self.node.path}")
        drawn = self.initializer.values(key, self.node.shape, self.fan_in, self.fan_out)
        return drawn.astype(self.node.dtype)


@dataclass(frozen=True)
class Beginning:
    """What another training left to a model, and which of its layers stay as they are.

    Attributes:
        values: first values of parameters and running averages, by path. Those of
            another shape than the model's are not used.
        frozen: paths of layers that are not trained, with those inside. A batch_norm
            among them acts as it predicts, with running averages that stay.
    """

    values: Mapping[str, np.ndarray] = field(default_factory=dict)
    frozen: frozenset[str] = frozenset()

    def freezes(self, path: str) -> bool:
        """Whether a layer stays as it is, or one that it is inside."""
        while path and path not in self.frozen:
            path = path.rpartition("/")[0]
        return bool(path)

    def of(self, path: str, shape: Shape) -> np.ndarray | None:
        """The values of a parameter or running average of that shape, if given."""
        values = self.values.get(path)
        return values if values is not None and values.shape == shape else None


NEW = Beginning()
"""Nothing is left: all first values are drawn, and all layers trained."""


@dataclass(frozen=True)
class Neurons:
    """One nonlinearity at work: h = f(z). The layers' paths are the nodes' scopes."""

    pre_activation: Node
    activation: Node
    function: Activation


@dataclass(frozen=True)
class Call:
    """One layer applied once."""

    path: str
    layer: Layer
    inputs: Shape
    outputs: Shape


@dataclass
class _Leaves:
    """What every trace of one model shares."""

    parameters: dict[str, Parameter] = field(default_factory=dict)
    states: dict[str, Node] = field(default_factory=dict)


class Trace:
    """One pass over the layers.

    Attributes:
        training: whether layers are traced to train, or to predict.
        seed: of the run; keys of dropout and of first values come from it.
        dtype: of parameters and states.
        outputs: how many outputs the data needs, for `dense: auto`.
        symbols: how many different symbols each input of a flat row may be, for
            `vocabulary: auto`: 0 of a quantity; () where all are quantities.
        path: the scope of the layer being traced, such as `model/dense1`.
        frozen: whether that layer stays as it is; see `Beginning`.
        failed: the innermost scope that an error left, if one did.
        parameters, states: the leaves by path, shared with sibling traces.
        updates: the new value of each state, after a training step.
        penalties: per parameter, what its layer adds to the cost.
        weight_l2: per parameter with a penalty, λ of the λ w in its gradient.
        neurons: per pre-activation, the nonlinearity applied to it.
        calls: every layer applied, an outer one before those inside it.
        within: per node that a loop adds to its pre-activations in each time step, (T,
            …), the time steps and the pre-activations that are watched: what comes back
            to these is what comes back to that part of the node.
        mask: bool (N, T), which time steps of the sequences being traced are real and
            not padding; None where all are. A layer that finds padding sets it, layers
            that mix time steps look at it (`sequence_mask`), and one that leaves no
            time axis sets it to None. (N, 1, T) where time stands behind the channels,
            as convolutions have it (`positions_mask`).
    """

    def __init__(
        self,
        *,
        training: bool = True,
        seed: int = 0,
        step: Node | None = None,
        dtype: str = "float32",
        origins: Mapping[str, str] | None = None,
        outputs: int | None = None,
        symbols: Shape = (),
        filled: bool = False,
        begin: Beginning = NEW,
        leaves: _Leaves | None = None,
    ) -> None:
        """
        Args:
            training: see above.
            seed: see above.
            step: scalar that counts updates; random bits change with it.
            dtype: `float32` or `float64`.
            origins: config line of each layer's path; inner layers inherit it.
            outputs, symbols: see above.
            filled: whether parameter leaves carry their first values, so that the
                graph can be evaluated as it is.
            begin: what the model begins with.
            leaves: of a sibling trace; see `sibling`.
        """
        self.training, self.seed, self.dtype = training, seed, dtype
        self.outputs, self.symbols = outputs, symbols
        self.path = self.failed = ""
        self.frozen, self._begin = False, begin
        self.updates: dict[Node, Node] = {}
        self.penalties: dict[Node, Node] = {}
        self.weight_l2: dict[Node, float] = {}
        self.neurons: dict[Node, Neurons] = {}
        self.calls: list[Call] = []
        self.within: dict[Node, list[tuple[int, Node]]] = {}
        self.mask: Node | None = None
        self._results: dict[str, tuple[Node, Node | None]] = {}
        self._leaves = leaves or _Leaves()
        self._step, self._origins, self._filled = step, dict(origins or {}), filled
        self._origin, self._trainable = "", True
        self._counts: dict[tuple[str, str], int] = {}

    @property
    def parameters(self) -> dict[str, Parameter]:
        return self._leaves.parameters

    @property
    def states(self) -> dict[str, Node]:
        return self._leaves.states

    def sibling(self, *, training: bool) -> Trace:
        """An empty trace with the same leaves, to predict or for another batch."""
        return Trace(
            training=training,
            seed=self.seed,
            step=self._step,
            dtype=self.dtype,
            origins=self._origins,
            outputs=self.outputs,
            symbols=self.symbols,
            filled=self._filled,
            begin=self._begin,
            leaves=self._leaves,
        )

    def call(self, layer: Layer, x: Node, name: str) -> Node:
        """Apply a layer to x within its own scope, `name` inside the current one."""
        position = len(self.calls)
        with self.inside(name, trainable=getattr(layer, "trainable", True)):
            y = layer.apply(x, self) if self.training else layer.predict(x, self)
            self.calls.insert(position, Call(self.path, layer, x.shape, y.shape))
            self._results[self.path] = y, self.mask
        return y

    def again(self, name: str, x: Node) -> Node:
        """Apply an earlier layer to x, with the same weights; named as in `result`."""
        path = self._earlier(name)
        layer = next(call.layer for call in self.calls if call.path == path)
        outer = self.path, self._origin
        self.path, _, own = path.rpartition("/")
        try:
            return self.call(layer, x, own)
        except Error as error:
            self.failed, message = outer[0], f"{outer[0]}: {error.message}"
            raise Error(error.code, message, fix=error.fix) from None
        finally:
            self.path, self._origin = outer

    def result(self, name: str) -> Node:
        """What an earlier layer gave, by its name as seen from the current layer.

        A name is looked for beside the current layer first, then beside each container
        around it: `encoder` or, inside another container, `encoder/dense1`.
        """
        return self._results[self._earlier(name)][0]

    def result_mask(self, name: str) -> Node | None:
        """The mask of an earlier layer's result, where there is padding in it."""
        return self._fitting(*self._results[self._earlier(name)])

    def weight(self, name: str) -> Node:
        """The matrix `weight` of an earlier layer, by its name as in `result`."""
        path = self._earlier(name)
        found = self.parameters.get(f"{path}/weight")
        if found is None:
            raise Error(
                "config-tie",
                f"{self.path} shares the weight of {path}, which has none",
                fix="name a dense or embedding layer",
            )
        return found.node

    def _earlier(self, name: str) -> str:
        """The path of an earlier layer, which is known by a name as seen from here."""
        around = self.path
        while around:
            around = around.rpartition("/")[0]
            path = f"{around}/{name}" if around else name
            if path in self._results:
                return path
        known = [path.removeprefix("model/") for path in self._results]
        before = f"before it stand: {listed(known)}" if known else None
        raise Error(
            "config-unknown-layer",
            f'{self.path} refers to "{name}", and no layer before it is called that',
            fix=suggest(name, known) or before,
        )

    def sequence_mask(self, x: Node) -> Node | None:
        """The mask of sequences x (N, T, …), where there is padding.

        Forgotten where time is another axis: then the layer mixes time steps.
        """
        if self.mask is not None and len(self.mask.shape) != 2:
            self.mask = None
        return self._fitting(x, self.mask)

    def positions_mask(self, x: Node) -> Node | None:
        """The mask of sequences x (N, C, T), where there is padding: (N, 1, T)."""
        mask = self.mask
        if mask is not None and mask.shape != (x.shape[0], 1, *x.shape[2:]):
            raise Error(
                "graph-mask",
                f"{self.path}: a mask of shape {mask.shape} does not fit {x.shape}, "
                "where time stands behind the channels",
                fix="put `permute: [2, 1]` before it, and behind it to have time first",
            )
        return mask

    def mixes_last(self, x: Node) -> None:
        """Forget the mask if the last axis of x is time: the layer leaves none."""
        if self.mask is not None and len(self.mask.shape) == len(x.shape):
            self.mask = None

    def _fitting(self, x: Node, mask: Node | None) -> Node | None:
        if mask is not None and mask.shape != x.shape[:2]:
            raise Error(
                "graph-mask",
                f"{self.path}: a mask of shape {mask.shape} does not fit "
                f"sequences of shape {x.shape}",
                fix="a mask needs one value for each example and time step",
            )
        return mask

    @contextlib.contextmanager
    def inside(self, name: str, *, trainable: bool = True) -> Iterator[None]:
        """A scope within the current one; parameters of a frozen scope are frozen."""
        outer = self.path, self._origin, self._trainable, self.frozen
        self.path = f"{self.path}/{name}" if self.path else name
        self._origin = self._origins.get(self.path, self._origin)
        self.frozen = self._begin.freezes(self.path)
        self._trainable = self._trainable and trainable and not self.frozen
        try:
            with scope(self.path, self._origin):
                yield
        except Error:
            self.failed = self.failed or self.path
            raise
        finally:
            self.path, self._origin, self._trainable, self.frozen = outer

    def parameter(
        self,
        name: str,
        shape: Shape,
        initializer: Initializer,
        *,
        fan_in: int,
        fan_out: int,
        unit_axis: int | None = -1,
    ) -> Node:
        """The leaf of a parameter of the current layer; asked again, the same leaf."""
        path = f"{self.path}/{name}"
        if path not in self.parameters:
            leaf = self._leaf("parameter", name, shape).replace(unit_axis=unit_axis)
            given, trained = self._begin.of(path, shape), self._trainable
            made = Parameter(leaf, initializer, fan_in, fan_out, trained, given)
            if self._filled:
                first = Leaf("parameter", leaf.spec, made.values(self.seed))
                made = replace(made, node=leaf.replace(op=first))
            self.parameters[path] = made
        return _of_shape(self.parameters[path].node, shape)

    def state(self, name: str, shape: Shape, initial: float) -> Node:
        """The leaf of a running value of the layer, which starts as `initial`.

        Where another training left one, it starts as that.
        """
        path = f"{self.path}/{name}"
        if path not in self.states:
            value = Spec(shape, self.dtype).filled(initial)
            if (given := self._begin.of(path, shape)) is not None:
                value = given.astype(self.dtype)
            self.states[path] = self._leaf("state", name, shape, value)
        return _of_shape(self.states[path], shape)

    def _leaf(
        self, kind: str, name: str, shape: Shape, initial: np.ndarray | None = None
    ) -> Node:
        op = Leaf(kind, Spec(shape, self.dtype), initial)
        return Node(op, name=name, scope=self.path, role=kind)

    def latest(self, state: Node) -> Node:
        """The state's newest value in this step: itself, until it is updated."""
        return self.updates.get(state, state)

    def update(self, state: Node, value: Node) -> None:
        """Let a state have another value after this training step."""
        self.updates[state] = value

    def penalize(self, parameter: Node, weight_l2: float) -> None:
        """Add weight_l2 / 2 · Σ w² to the cost, so weight_l2 · w to the gradient."""
        if weight_l2:
            total = ops.sum_of_squares(parameter)
            self.penalties[parameter] = total * (weight_l2 / 2)
            self.weight_l2[parameter] = weight_l2

    def random_bits(self, shape: Shape) -> Node:
        """Uniform uint32 words that depend on seed, layer and step.

        A layer that asks again in the same step gets others.
        """
        number = self._count("random bits")
        purpose = f"dropout/{self.path}" + (f"/{number}" if number > 1 else "")
        words = np.array(randomness.key(self.seed, purpose), dtype=np.uint32)
        counter = constant(0, "uint32") if self._step is None else self._step
        return ops.random_bits(constant(words), ops.cast(counter, "uint32"), shape)

    def mark(self, node: Node, role: str, unit_axis: int = -1) -> Node:
        """The node under its role's name, within the current layer.

        A layer applied twice names its second pass `pre_activation2`, …
        """
        number = self._count(role)
        name = role if number == 1 else f"{role}{number}"
        return node.named(name, role=role, unit_axis=unit_axis)

    def outputs_needed(self) -> int:
        """How many outputs the data needs, for a layer that left it open."""
        if self.outputs is None:
            raise Error(
                "config-auto-units",
                f"{self.path}: no data says how many units `auto` stands for",
                fix="write the number of units",
            )
        return self.outputs

    def symbols_in(self, x: Node) -> int | None:
        """How many different symbols may be in x, inputs of the model as they came.

        The most that any of its elements may be; None where nobody knows.
        """
        if not self.symbols:
            return None
        found: dict[Node, np.ndarray] = {}
        for node in topological([x]):
            if isinstance(node.op, Leaf) and node.op.kind == "input":
                each = np.reshape(self.symbols, (1, *node.shape[1:]))
                found[node] = np.broadcast_to(each, node.shape)
            elif isinstance(node.op, _MOVING):
                found[node] = node.op.forward(np, *[found[i] for i in node.inputs])
            else:
                return None
        known = found[x]
        return int(known.max()) if known.size and known.all() else None

    def _count(self, purpose: str) -> int:
        """How often the current layer has asked for this, this time included."""
        key = self.path, purpose
        self._counts[key] = self._counts.get(key, 0) + 1
        return self._counts[key]


def _of_shape(leaf: Node, shape: Shape) -> Node:
    if leaf.shape == shape:
        return leaf
    raise Error(
        "graph-parameter-shape",
        f"{leaf.path} has shape {leaf.shape} and is asked for again as {shape}",
        fix="a layer called twice shares its weights: give it inputs of one size, "
        "or use two layers",
    )


def initial_values(trace: Trace, seed: int) -> dict[str, np.ndarray]:
    """The first value of every parameter and state, by path, in its own dtype."""
    values = {path: made.values(seed) for path, made in trace.parameters.items()}
    for path, node in trace.states.items():
        assert isinstance(node.op, Leaf) and node.op.initial is not None
        values[path] = node.op.initial.copy()
    return values


@dataclass(frozen=True)
class Row:
    """One line of the table that `nettrain check` prints.

    Attributes:
        path: such as `model/dense1`.
        kind: the layer's name in a config.
        shape: of its output, the batch included.
        parameters: how many numbers of its own it holds, trainable or not.
    """

    path: str
    kind: str
    shape: Shape
    parameters: int


def describe(trace: Trace) -> list[Row]:
    """A line for every layer, an outer one before those inside it."""
    counts: dict[str, int] = {}
    for made in trace.parameters.values():
        size = made.node.spec.size
        counts[made.layer_path] = counts.get(made.layer_path, 0) + size
    # A layer applied twice shows its weights once.
    return [
        Row(c.path, c.layer.registered_name, c.outputs, counts.pop(c.path, 0))
        for c in trace.calls
    ]
