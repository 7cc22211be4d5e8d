"""Positions in time, for layers to which all time steps are alike."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

import numpy as np

from nettrain.component import Count, register
from nettrain.errors import Error
from nettrain.graph import Node, constant
from nettrain.graph import operations as ops
from nettrain.nn.initializers import Initializer, Normal
from nettrain.nn.layer import Layer
from nettrain.nn.sequences import no_sequences
from nettrain.nn.trace import Trace


@register("positional")
class Positional(Layer):
    """y_t = x_t + p_t: each time step gets a vector of its own;  x (N, T, F)  p (T, F).

    sinusoidal: p_t[2i] = sin(t ω_i), p_t[2i+1] = cos(t ω_i), ω_i = 10000^(-2i/F), for
    t = 0, 1, … (Vaswani et al., NIPS 2017, section 3.5). learned: the first T rows of a
    parameter (L, F).

    Attributes:
        encoding: where p comes from.
        longest: L, how many time steps `learned` has vectors for.
        weight_init: first values of learned vectors; N(0, 1) as those of `embedding`.
        trainable: whether training changes learned vectors.
    """

    encoding: Literal["sinusoidal", "learned"] = "sinusoidal"
    longest: Count | None = None
    weight_init: Initializer = Normal(std=1.0)
    trainable: bool = True

    def check(self) -> Iterator[str]:
        yield from super().check()
        if (self.encoding == "learned") != (self.longest is not None):
            yield "longest: learned encodings need it, and sinusoidal ones have no end"

    def apply(self, x: Node, trace: Trace) -> Node:
        if len(x.shape) != 3:
            raise no_sequences(x, trace)
        _, steps, size = x.shape
        if self.longest is None:
            return x + constant(_sinusoidal(steps, size), x.dtype)
        shape = (self.longest, size)
        if steps > self.longest:
            raise Error(
                "config-longest",
                f"{trace.path} has vectors {shape} for {self.longest} time steps, "
                f"and {x.shape} has {steps}",
                fix=f"let longest be at least {steps}",
            )
        made = trace.parameter(
            "weight", shape, self.weight_init, fan_in=1, fan_out=size
        )
        return x + made[:steps]


def _angles(steps: int, pairs: int, size: int) -> np.ndarray:
    """t ω_i for t < steps and i < pairs: (T, I)."""
    rates = np.exp(np.arange(pairs) * (-2 / size * math.log(10000)))
    return np.outer(np.arange(steps), rates)


def _sinusoidal(steps: int, size: int) -> np.ndarray:
    angles = _angles(steps, (size + 1) // 2, size)
    both = np.stack([np.sin(angles), np.cos(angles)], axis=-1)
    return both.reshape(steps, -1)[:, :size]


def rotated(x: Node, heads: int) -> Node:
    """Each head's pairs of features turned by angles that grow with time.

    x (N, T, H·D): features i and i + D/2 of a head are a point of the plane, turned by
    t ω_i, ω_i = 10000^(-2i/D). Products of a query and a key then depend on the
    distance of their time steps (Su et al. 2021, eq. 34, where neighbours are a pair).
    """
    steps, depth = x.shape[1], x.shape[2] // heads
    angles = _angles(steps, depth // 2, depth)[:, None]
    cos, sin = constant(np.cos(angles), x.dtype), constant(np.sin(angles), x.dtype)
    split = ops.reshape(x, (*x.shape[:2], heads, depth))
    a, b = split[..., : depth // 2], split[..., depth // 2 :]
    return ops.reshape(ops.concat([a * cos - b * sin, b * cos + a * sin], -1), x.shape)
