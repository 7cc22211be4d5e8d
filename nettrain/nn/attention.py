"""Attention: each time step looks at others and takes up what they hold."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from nettrain.component import Count, Range, register
from nettrain.errors import Error
from nettrain.graph import Node, constant
from nettrain.graph import operations as ops
from nettrain.nn.activations import softmax
from nettrain.nn.dense import Dense
from nettrain.nn.dropout import Dropout
from nettrain.nn.layer import Layer
from nettrain.nn.positional import rotated
from nettrain.nn.sequences import no_sequences
from nettrain.nn.trace import Trace

Inner = Iterator[tuple[str, tuple[str | int, ...], Layer]]
DropoutRate = Annotated[float, Range(at_least=0, below=1)]


@dataclass(frozen=True)
class Projection(Layer):
    """y = x W + b within another layer, which knows its width; see `Dense`.

    Attributes:
        size: how many outputs; None until the outer layer has seen its input.
        bias: whether b is added.
    """

    registered_name = "projection"
    size: int | None
    bias: bool = True

    def apply(self, x: Node, trace: Trace) -> Node:
        assert self.size is not None
        return Dense(self.size, bias=self.bias).apply(x, trace)


@register("attention")
class Attention(Layer):
    """Y = [A_1 V_1, …, A_H V_H] W_o + b_o,  A_h = softmax(Q_h K_hᵀ / √D).

    Q = x W_q + b_q, K = m W_k + b_k and V = m W_v + b_v are cut into H heads of D = F/H
    features;  x (N, T, …)  A (N, H, T, S)  Y (N, T, F). In self-attention m is x, else
    an earlier layer's result (N, S, …) (Vaswani et al., NIPS 2017, section 3.2).
    Padding gets no weight; a time step that may look at nothing takes up 0. As
    PyTorch's MultiheadAttention, which gives NaN there, and draws W_q, W_k and W_v as
    one matrix, narrower by √2.

    A has the role `attention`; its unit is a head.

    Attributes:
        heads: H; it must divide F.
        size: F; that of the input where none is given.
        causal: whether no time step looks at later ones.
        memory: name of the earlier layer that is looked at; `none`: the input itself.
        dropout: share of weights in A set to 0 while training.
        rotary: whether Q and K are turned by their time step's angles, so that A
            depends on distances in time (see `positional`).
        bias: whether the four b are added.
        trainable: whether training changes weights and biases.
    """

    heads: Count
    size: Count | None = None
    causal: bool = False
    memory: str = "none"
    dropout: DropoutRate = 0.0
    rotary: bool = False
    bias: bool = True
    trainable: bool = True

    def check(self) -> Iterator[str]:
        yield from super().check()
        if self.memory != "none" and self.causal:
            yield "causal: the time steps of a memory are not those of the input"
        if self.memory != "none" and self.rotary:
            yield "rotary: the time steps of a memory are not those of the input"

    def children(self) -> Inner:
        for name in ("query", "key", "value", "output"):
            yield name, (), Projection(self.size, self.bias)
        if self.dropout:
            yield "dropout", (), Dropout(self.dropout)

    def apply(self, x: Node, trace: Trace) -> Node:
        memory, mask = x, trace.sequence_mask(x)
        if self.memory != "none":
            memory = trace.result(self.memory)
            mask = trace.result_mask(self.memory)
        size = self._size(x, memory, trace)
        project = Projection(size, self.bias)
        # The scale here, where there are fewer numbers than in A.
        query = trace.call(project, x, "query") * math.sqrt(self.heads / size)
        key = trace.call(project, memory, "key")
        value = trace.call(project, memory, "value")
        if self.rotary:
            query, key = rotated(query, self.heads), rotated(key, self.heads)
        scores = self._split(query) @ ops.transpose(self._split(key))
        weights = _weights(scores, self.causal, mask)
        weights = trace.mark(weights, "attention", unit_axis=1)
        if self.dropout:
            weights = trace.call(Dropout(self.dropout), weights, "dropout")
        y = ops.permute_dims(weights @ self._split(value), (0, 2, 1, 3))
        return trace.call(project, ops.reshape(y, (*x.shape[:2], size)), "output")

    def _size(self, x: Node, memory: Node, trace: Trace) -> int:
        """F, if the shapes of input and memory fit each other and the heads."""
        if len(x.shape) != 3:
            raise no_sequences(x, trace)
        if len(memory.shape) != 3 or memory.shape[0] != x.shape[0]:
            raise Error(
                "graph-shape",
                f"{trace.path}: {self.memory} gives {memory.shape}, which is no memory "
                f"for {x.shape}: it needs (N, S, F), with as many examples",
                fix="name a layer that gives sequences, such as an lstm with "
                "outputs: all",
            )
        size = self.size or x.shape[2]
        depth, rest = divmod(size, self.heads)
        each = f"{size}/{self.heads}" if rest else depth
        listed = ", ".join(map(str, (*x.shape[:2], self.heads, each)))
        if rest:
            raise Error(
                "config-heads",
                f"{trace.path}: {size} features of {x.shape} cannot be cut into "
                f"{self.heads} heads, ({listed})",
                fix=f"let heads be a divisor of {size}",
            )
        if self.rotary and depth % 2:
            raise Error(
                "config-heads",
                f"{trace.path}: rotary turns pairs of features, and the heads "
                f"({listed}) of {x.shape} have {depth}",
                fix="choose another number of heads, or rotary: false",
            )
        return size

    def _split(self, x: Node) -> Node:
        """(N, T, F) as (N, H, T, F/H): a view."""
        heads = (*x.shape[:2], self.heads, x.shape[2] // self.heads)
        return ops.permute_dims(ops.reshape(x, heads), (0, 2, 1, 3))


def _weights(scores: Node, causal: bool, mask: Node | None) -> Node:
    """The softmax of scores (N, H, T, S) over what each time step may look at.

    What it may not look at is lowered by a finite number, next to which every score
    vanishes in rounding: no infinity, and nothing to do on the way back.
    """
    low = float(np.finfo(scores.dtype).min) / 4
    if causal:
        above = np.triu(np.full(scores.shape[2:], low, scores.dtype), 1)
        scores = scores + constant(above)
    if mask is None:
        return softmax(scores)
    keys = ops.expand_dims(ops.expand_dims(mask, 1), 1)
    zero = constant(0.0, scores.dtype)
    scores = scores + ops.where(keys, zero, low)
    # Where nothing may be looked at, all powers are 0, and so are the weights.
    top = ops.maximum(ops.max(scores, -1, keepdims=True), low / 2)
    powers = ops.exp(scores - ops.stop_gradient(top))
    total = ops.sum(powers, -1, keepdims=True)
    return powers / ops.where(ops.equal(total, 0.0), 1.0, total)
