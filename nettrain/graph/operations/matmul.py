"""The product of matrices, of stacks of matrices, and of vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from nettrain.errors import Error
from nettrain.graph.node import Array, Node, Operation, Sample, apply, as_nodes
from nettrain.graph.operations.shape import expand_dims, reshape, transpose
from nettrain.graph.spec import FLOATS, Spec, broadcast_shapes, promote, require


class Matmul(Operation):
    """Y = A B,  A (…, M, K)  B (…, K, N)  Y (…, M, N);  dA = G Bᵀ,  dB = Aᵀ G."""

    name, symbol = "matmul", "@"
    samples = (
        Sample(((3, 4), (4, 2))),
        Sample(((2, 3, 4), (2, 4, 5))),
        Sample(((2, 1, 3, 4), (5, 4, 2))),
    )

    def spec(self, *inputs: Spec) -> Spec:
        a, b = inputs
        if min(len(a.shape), len(b.shape)) < 2 or a.shape[-1] != b.shape[-2]:
            raise Error(
                "graph-shape",
                f"matrices {a.shape} and {b.shape} do not fit: "
                "the last size of the first must be the last but one of the second",
            )
        require(FLOATS, a, b)
        batch = broadcast_shapes(a.shape[:-2], b.shape[:-2])
        shape = (*batch, a.shape[-2], b.shape[-1])
        return Spec(shape, promote(a.dtype, b.dtype))

    def forward(self, xp: Any, *inputs: Array) -> Array:
        return xp.matmul(*inputs)

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        a, b = inputs
        return matmul(g, transpose(b)), matmul(transpose(a), g)


def matmul(a: Any, b: Any) -> Node:
    """A @ B; a vector is a row on the left and a column on the right."""
    if not (isinstance(a, Node) and isinstance(b, Node)):
        a, b = as_nodes(a, b)
    if not a.shape or not b.shape:
        raise Error("graph-shape", f"{a!r} @ {b!r}: a scalar is no matrix")
    left = expand_dims(a, 0) if len(a.shape) == 1 else a
    right = expand_dims(b, 1) if len(b.shape) == 1 else b
    fits = left.shape[-1] == right.shape[-2]
    if fits and len(right.shape) == 2 and len(left.shape) > 2:
        # One large product, not a stack of them, so that dB = Aᵀ G is one product too.
        rows = left.shape[:-1]
        left = reshape(left, (math.prod(rows), left.shape[-1]))
        product = reshape(apply(Matmul(), left, right), (*rows, right.shape[-1]))
    else:
        product = apply(Matmul(), left, right)
    shape = product.shape
    if len(a.shape) == 1:
        shape = (*shape[:-2], shape[-1])
    if len(b.shape) == 1:
        shape = shape[:-1]
    return reshape(product, shape)
