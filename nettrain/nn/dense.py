"""The fully connected layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from nettrain.component import Count, NonNegative, register
from nettrain.errors import Error
from nettrain.graph import Node
from nettrain.graph import operations as ops
from nettrain.graph.spec import Shape
from nettrain.nn.activations import Activation, Linear
from nettrain.nn.initializers import Initializer, Zeros
from nettrain.nn.layer import Layer
from nettrain.nn.trace import Trace


@register("dense")
class Dense(Layer):
    """y = f(x W + b),  x (…, I)  W (I, O)  b (O,)  y (…, O).

    Each of the O units weighs all I inputs; I is read off the input.

    Attributes:
        units: how many outputs; `auto`: as many as the data has classes or targets.
        activation: the nonlinearity f; `none` or `linear`: y = x W + b.
        bias: whether b is added.
        weight_init: first values of W; `auto`: he_normal for the ReLU family,
            lecun_normal for selu, glorot_uniform otherwise.
        bias_init: first values of b.
        tie: name of an earlier dense or embedding layer of which W is the weight,
            transposed; b is this layer's own.
        weight_l2: adds weight_l2 / 2 · Σ W² to the training cost.
        trainable: whether training changes W and b.
    """

    units: Count | Literal["auto"]
    activation: Activation = Linear()
    bias: bool = True
    weight_init: Initializer | Literal["auto"] = "auto"
    bias_init: Initializer = Zeros()
    tie: str | None = None
    weight_l2: NonNegative = 0.0
    trainable: bool = True

    def check(self) -> Iterator[str]:
        yield from super().check()
        if self.activation.name:
            yield "an activation within a dense layer has no name of its own"
        if self.tie and (self.weight_init != "auto" or self.weight_l2):
            yield "tie: the layer named there says what W starts with, and its penalty"

    def apply(self, x: Node, trace: Trace) -> Node:
        if not x.shape:
            raise Error("graph-shape", f"{trace.path} needs features, got {x!r}")
        trace.mixes_last(x)
        inputs = x.shape[-1]
        units = trace.outputs_needed() if self.units == "auto" else self.units
        if self.tie:
            weight = self._tied(self.tie, (inputs, units), trace)
        else:
            fans = {"fan_in": inputs, "fan_out": units}
            shape = (inputs, units)
            weight = trace.parameter("weight", shape, self.initializer, **fans)
            trace.penalize(weight, self.weight_l2)
        z = x @ weight
        if self.bias:
            z = z + trace.parameter(
                "bias", (units,), self.bias_init, fan_in=inputs, fan_out=units
            )
        return self.activation.respond(trace.mark(z, "pre_activation"), trace)

    def _tied(self, name: str, shape: Shape, trace: Trace) -> Node:
        weight = trace.weight(name)
        if weight.shape != shape[::-1]:
            raise Error(
                "config-tie",
                f"{trace.path} needs a weight {shape}, and {weight.path} "
                f"{weight.shape}, transposed, is {weight.shape[::-1]}",
                fix="let its input and its units have those sizes",
            )
        return ops.transpose(weight)

    @property
    def initializer(self) -> Initializer:
        """What fills W, `auto` resolved by the activation."""
        if self.weight_init == "auto":
            return self.activation.initializer
        return self.weight_init
