"""Random bits as a function of a key and a counter; see `nettrain.randomness`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from nettrain.errors import Error
from nettrain.graph.node import Array, Node, Operation, Sample, apply
from nettrain.graph.spec import Shape, Spec
from nettrain.randomness import threefry2x32


@dataclass(frozen=True, eq=False)
class RandomBits(Operation):
    """Threefry-2x32 words; key (2,) and counter () uint32 in, `shape` uint32 out.

    Block i is the encryption of the counter (i, counter). Element i of the flattened
    result is the first word of block i in its first half, then the second words.
    No derivative.
    """

    name = "random_bits"
    samples = (Sample(((2,), ()), ((3, 5),), 0, 9, dtypes=("uint32", "uint32")),)
    shape: Shape

    def spec(self, *inputs: Spec) -> Spec:
        if inputs != (Spec((2,), "uint32"), Spec((), "uint32")):
            raise Error(
                "graph-dtype", "takes a key uint32 (2,) and a counter uint32 ()"
            )
        return Spec(self.shape, "uint32")

    def forward(self, xp: Any, *inputs: Array) -> Array:
        key, counter = inputs
        count = math.prod(self.shape)
        blocks = xp.arange((count + 1) // 2, dtype=xp.uint32)
        second = xp.zeros_like(blocks) + counter
        words = threefry2x32(xp, (key[0], key[1]), blocks, second)
        return xp.reshape(xp.concat(words)[:count], self.shape)


def random_bits(key: Node, counter: Node, shape: Shape) -> Node:
    """Uniform uint32 words, the same for the same key, counter and shape."""
    return apply(RandomBits(tuple(shape)), key, counter)
