"""Dropout: noise that keeps units from relying on each other."""

from __future__ import annotations

from typing import Annotated

from nettrain.component import Range, register
from nettrain.graph import Node
from nettrain.graph import operations as ops
from nettrain.nn.layer import Layer
from nettrain.nn.trace import Trace


@register("dropout")
class Dropout(Layer):
    """y = x m / (1 - rate), m = 1 with probability 1 - rate, else 0; y = x predicting.

    The division keeps the mean, so that prediction needs no factor (Srivastava et al.,
    JMLR 2014, §10, "inverted"). Each element, step and layer has its own bit.

    Attributes:
        rate: share of elements set to 0.
    """

    rate: Annotated[float, Range(at_least=0, below=1)]

    def apply(self, x: Node, trace: Trace) -> Node:
        if not self.rate:
            return x
        keep = 1.0 - self.rate
        threshold = min(round(keep * 2**32), 2**32 - 1)
        kept = ops.cast(trace.random_bits(x.shape) < threshold, x.dtype)
        return x * (kept * (1.0 / keep))

    def predict(self, x: Node, trace: Trace) -> Node:
        return x
