"""Layers with a memory: what a time step gives depends on all steps before it.

Each is one `scan` over time, so its gradient, backprop through time, is the one
algorithm for all of the graph, and its weights, shared by all time steps, have the sum
of the steps' gradients. Sequences are (N, T, features), as in Keras; PyTorch puts time
first unless told `batch_first`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, Literal

import numpy as np

from nettrain import randomness
from nettrain.component import Count, NonNegative, register
from nettrain.graph import Node, constant
from nettrain.graph import operations as ops
from nettrain.graph.spec import Shape
from nettrain.nn.activations import Activation, Tanh
from nettrain.nn.initializers import GlorotUniform, Initializer, Orthogonal, Zeros
from nettrain.nn.layer import Layer
from nettrain.nn.sequences import no_sequences
from nettrain.nn.trace import Neurons, Trace

WATCHED = 16
"""How many time steps of a sequence statistics are taken of, at most."""

Memory = tuple[Node, ...]


@dataclass(frozen=True)
class Recurrent(Layer):
    """Base of the recurrent layers, x (N, T, I) to y (N, U) or (N, T, U).

    Where the input is masked (padding), a step leaves the memory as it was and gives 0,
    as PyTorch's packed sequences do; the last output is that of the last real step.

    Attributes:
        units: U, the size of what is remembered and given.
        outputs: `last`: what the last time step gives, (N, U); `all`: every step's.
        direction: `forward`, `backward` (from the last time step to the first), or
            `both`, side by side: (N, 2 U) or (N, T, 2 U).
        truncate: the gradient goes back at most to the start of the stretch of so many
            time steps that a step is in; the memory goes on (Williams and Peng, Neural
            Computation 2 (4), 1990). `none`: through the whole sequence.
        bias: whether b is added.
        weight_init: first values of W; PyTorch draws all weights uniformly within
            1 / √U, Keras as here.
        recurrent_init: first values of R.
        weight_l2: adds weight_l2 / 2 · Σ (W² + R²) to the training cost.
        trainable: whether training changes the weights.
    """

    gates: ClassVar[int] = 1
    """How many pre-activations a unit has."""
    memories: ClassVar[int] = 1
    """How many values a unit hands on from step to step; the first is its output."""

    units: Count
    outputs: Literal["last", "all"] = "last"
    direction: Literal["forward", "backward", "both"] = "forward"
    truncate: Literal["none"] | Count = "none"
    bias: bool = True
    weight_init: Initializer = field(default=GlorotUniform())
    recurrent_init: Initializer = field(default=Orthogonal())
    weight_l2: NonNegative = 0.0
    trainable: bool = True

    def cell(self, given: Node, memory: Memory, trace: Trace) -> tuple[Node, Memory]:
        """One time step.

        Args:
            given: x W + b, (N, gates · U).
            memory: of the step before, (N, U) each.
            trace: gives the weights that all steps share.

        Returns:
            The pre-activations, (N, gates · U), and the memory.
        """
        raise NotImplementedError

    def neurons(self, z: Node, trace: Trace) -> Neurons | None:
        """The nonlinearity of a step's pre-activations, where it is but one."""
        return None

    def apply(self, x: Node, trace: Trace) -> Node:
        return self._outputs(x, trace, watched=True)

    def predict(self, x: Node, trace: Trace) -> Node:
        return self._outputs(x, trace, watched=False)

    def _outputs(self, x: Node, trace: Trace, watched: bool) -> Node:
        """The formula; `watched`: with the pre-activations of some time steps."""
        if len(x.shape) != 3:
            raise no_sequences(x, trace)
        mask = trace.sequence_mask(x)
        if mask is not None:
            mask = ops.expand_dims(ops.transpose(mask), 2)
        one_way = partial(self._one_way, x, mask, trace, watched)
        if self.direction == "both":
            sides = []
            for side in ("forward", "backward"):
                with trace.inside(side):
                    sides.append(one_way(side == "backward"))
            y = ops.concat(sides, -1)
        else:
            y = one_way(self.direction == "backward")
        if self.outputs == "last":
            trace.mask = None
        return trace.mark(y, "activation")

    def _one_way(
        self, x: Node, mask: Node | None, trace: Trace, watched: bool, reverse: bool
    ) -> Node:
        """The outputs of one direction.

        Args:
            x: (N, T, I).
            mask: (T, N, 1), where there is padding.
            trace, watched: see `_outputs`.
            reverse: whether time runs backwards.
        """
        # What does not depend on the step before is one product over all steps.
        weight = self._weight("weight", x.shape[2], self.weight_init, trace)
        given = ops.permute_dims(x, (1, 0, 2)) @ weight
        if self.bias:
            given = given + self._bias(trace)

        def step(memory: Memory, now: Memory) -> tuple[Memory, Memory]:
            z, new = self.cell(now[0], memory, trace)
            y = new[0]
            if mask is not None:
                both = zip(new, memory, strict=True)
                new = tuple([ops.where(now[1], after, old) for after, old in both])
                y = ops.where(now[1], y, 0.0)
            asked = {"all": (y,), "last": ()}[self.outputs]
            return new, (*asked, z) if watched else asked

        none = ops.broadcast_to(constant(0.0, x.dtype), (x.shape[0], self.units))
        memory: Memory = (none,) * self.memories
        parts: list[Memory] = []  # in the order of time
        for stretch in self._stretches(x.shape[1], reverse):
            sequences = [s[stretch] for s in (given, mask) if s is not None]
            memory = tuple([ops.stop_gradient(m) for m in memory] if parts else memory)
            memory, stacks = ops.scan(step, memory, sequences, reverse=reverse)
            parts.insert(0 if reverse else len(parts), stacks)
        joined = [ops.concat(stacks) for stacks in zip(*parts, strict=True)]
        if watched:
            self._watch(given, joined[-1], trace)
        if self.outputs == "last":
            return memory[0]
        return ops.permute_dims(joined[0], (1, 0, 2))

    def _stretches(self, steps: int, reverse: bool) -> Iterator[slice]:
        """The time steps, in the order they are run, between cuts of the gradient."""
        size = steps if self.truncate == "none" else self.truncate
        for start in range(0, steps, max(size, 1)):
            stop = min(start + size, steps)
            yield slice(steps - stop, steps - start) if reverse else slice(start, stop)

    def _watch(self, given: Node, z: Node, trace: Trace) -> None:
        """Let statistics be taken of some time steps, called `t1`, …

        What comes back to a step's pre-activation is what comes back to the part of it
        that the input gives: the other part is added to it.

        Args:
            given: see `cell`, of all time steps, (T, N, gates · U).
            z: the pre-activations of all time steps.
            trace: learns of it.
        """
        steps = z.shape[0]
        for t in sorted({round(i) for i in np.linspace(0, steps - 1, WATCHED)}):
            with trace.inside(f"t{t + 1}"):
                now = trace.mark(z[t], "pre_activation")
                found = self.neurons(now, trace)
            trace.within.setdefault(given, []).append((t, now))
            if found is not None:
                trace.neurons[now] = found

    def _weight(self, name: str, inputs: int, first: Initializer, trace: Trace) -> Node:
        shape = (inputs, self.gates * self.units)
        fans = {"fan_in": inputs, "fan_out": self.units}
        weight = trace.parameter(name, shape, first, **fans)
        trace.penalize(weight, self.weight_l2)
        return weight

    def recurrent(self, trace: Trace) -> Node:
        """R, (U, gates · U)."""
        return self._weight("recurrent", self.units, self.recurrent_init, trace)

    def _bias(self, trace: Trace) -> Node:
        size = self.gates * self.units
        return trace.parameter(
            "bias", (size,), self.bias_init, fan_in=size, fan_out=size
        )

    @property
    def bias_init(self) -> Initializer:
        """What fills b."""
        return Zeros()


@register("rnn")
class RNN(Recurrent):
    """h_t = f(x_t W + h_{t-1} R + b) (Elman, Cognitive Science 14 (2), 1990).

    The gradient is multiplied by R and f' at every step back, and vanishes or explodes
    with their size to the power of the distance (Pascanu, Mikolov and Bengio, ICML
    2013). PyTorch's two biases are one here.

    Attributes:
        activation: f.
    """

    activation: Activation = Tanh()

    def cell(self, given: Node, memory: Memory, trace: Trace) -> tuple[Node, Memory]:
        z = given + memory[0] @ self.recurrent(trace)
        return z, (self.activation.activate(z, trace),)

    def neurons(self, z: Node, trace: Trace) -> Neurons | None:
        return Neurons(z, self.activation.activate(z, trace), self.activation)


@register("lstm")
class LSTM(Recurrent):
    """c_t = f ∘ c_{t-1} + i ∘ g,  h_t = o ∘ tanh(c_t).

    The gates i, f, o = σ(z) and the candidate g = tanh(z) have a part each, in this
    order, of z = x_t W + h_{t-1} R + b (Hochreiter and Schmidhuber, Neural Computation
    9 (8), 1997; forget gate: Gers, Schmidhuber and Cummins 2000). c passes from step to
    step by a factor alone, so the gradient need not vanish. PyTorch has the order i, f,
    g, o and two biases.

    Attributes:
        forget_bias: first value of b in the forget gate, so that a unit begins by
            remembering (Jozefowicz, Zaremba and Sutskever, ICML 2015); Keras has 1 too,
            PyTorch random values around 0.
    """

    gates = 4
    memories = 2
    forget_bias: float = 1.0

    def cell(self, given: Node, memory: Memory, trace: Trace) -> tuple[Node, Memory]:
        h, c = memory
        z, u = given + h @ self.recurrent(trace), self.units
        gates = ops.sigmoid(z[:, : 3 * u])
        i, f, o = (gates[:, k * u : (k + 1) * u] for k in range(3))
        c = f * c + i * ops.tanh(z[:, 3 * u :])
        return z, (o * ops.tanh(c), c)

    @property
    def bias_init(self) -> Initializer:
        return _Forget(self.units, self.forget_bias)


@dataclass(frozen=True)
class _Forget(Initializer):
    """0, and another value in the second gate's part."""

    units: int
    value: float

    def values(
        self, key: randomness.Key, shape: Shape, fan_in: int, fan_out: int
    ) -> np.ndarray:
        first = np.zeros(shape)
        first[self.units : 2 * self.units] = self.value
        return first


@register("gru")
class GRU(Recurrent):
    """h_t = (1 - u) ∘ n + u ∘ h_{t-1},  n = tanh(x_t W_n + b + r ∘ (h_{t-1} R_n + d)).

    The gates r, u = σ(x_t W + h_{t-1} R + b) and the candidate n have a part each, in
    this order (Cho et al., EMNLP 2014; the reset after the product, as PyTorch and
    Keras have it).
    """

    gates = 3

    def cell(self, given: Node, memory: Memory, trace: Trace) -> tuple[Node, Memory]:
        (h,), k = memory, self.units
        own = h @ self.recurrent(trace)
        z = given[:, : 2 * k] + own[:, : 2 * k]
        gates = ops.sigmoid(z)
        r, u = gates[:, :k], gates[:, k:]
        candidate = own[:, 2 * k :]
        if self.bias:
            size = {"fan_in": k, "fan_out": k}
            candidate = candidate + trace.parameter(
                "candidate_bias", (k,), Zeros(), **size
            )
        z_n = given[:, 2 * k :] + r * candidate
        n = ops.tanh(z_n)
        return ops.concat([z, z_n], -1), (n + u * (h - n),)
