"""Activations: the nonlinearities h = f(z), as layers and as a dense layer's field.

Each carries the facts that its diagnosis and its weights' first values rest on. At 0
the derivatives are those of PyTorch: 0 for relu, the left one for leaky_relu and elu.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal

from nettrain.component import Component, Positive, Range, register
from nettrain.graph import Leaf, Node, constant
from nettrain.graph import operations as ops
from nettrain.nn import initializers
from nettrain.nn.initializers import Initializer
from nettrain.nn.layer import Layer
from nettrain.nn.trace import Neurons, Trace


class Activation(Layer):
    """Base of all activations."""

    kind = "activation"
    gain: ClassVar[float] = 1.0
    """c of γ = std(W) √fan / c: the weight scale that keeps signals their size."""
    initializer: ClassVar[Initializer] = initializers.GlorotUniform()
    """What `weight_init: auto` stands for before this activation."""
    can_die: ClassVar[bool] = False
    """Whether f' is 0 on a half-line, so that a unit can stop learning for good."""
    max_slope: ClassVar[float] = 1.0
    """The largest |f'|, at the default settings."""

    short: ClassVar[dict[str, Any]] = {"enum": ["none", None]}

    @classmethod
    def shorthand(cls, value: object) -> Component | None:
        """`none`, or nothing at all, is the linear activation."""
        return Linear() if value in (None, "none") else None

    def formula(self, z: Node) -> Node:
        """f(z)."""
        raise NotImplementedError

    def activate(self, z: Node, trace: Trace) -> Node:
        """f(z) where f has parameters, which come from the trace."""
        return self.formula(z)

    def respond(self, z: Node, trace: Trace) -> Node:
        """f(z), named `activation` within the current layer and noted in the trace."""
        h = self.activate(z, trace)
        if h is z:
            return z
        axis = -1 if z.unit_axis is None else z.unit_axis
        h = trace.mark(h, "activation", axis)
        trace.neurons[z] = Neurons(z, h, self)
        return h

    def apply(self, x: Node, trace: Trace) -> Node:
        # A leaf or a node with a role keeps its own name: a renamed copy would leave
        # the original without users, and so without a gradient.
        if not x.role and not isinstance(x.op, Leaf) and not isinstance(self, Linear):
            x = trace.mark(x, "pre_activation")
        return self.respond(x, trace)


@register("linear")
class Linear(Activation):
    """f(z) = z: none."""

    def formula(self, z: Node) -> Node:
        return z


# ------------------------------------------------------------------ the ReLU family


class Rectifier(Activation):
    """The ReLU family: near 0 for z < 0, near z for z > 0."""

    gain = math.sqrt(2.0)
    initializer = initializers.HeNormal()


@register("relu")
class ReLU(Rectifier):
    """f(z) = max(z, 0) (Nair and Hinton, ICML 2010)."""

    can_die = True

    def formula(self, z: Node) -> Node:
        return ops.relu(z)


def _bent(z: Node, slope: float | Node) -> Node:
    """z for z > 0, else slope · z: one factor, whose derivative costs one product."""
    return z * ops.where(z > 0.0, constant(1.0, z.dtype), slope)


@register("leaky_relu")
class LeakyReLU(Rectifier):
    """f(z) = z for z > 0, else slope · z (Maas, Hannun and Ng, 2013).

    Attributes:
        slope: of the negative side, so that no unit dies.
    """

    slope: Annotated[float, Range(above=0, at_most=1)] = 0.01

    def formula(self, z: Node) -> Node:
        return _bent(z, self.slope)


@register("prelu")
class PReLU(Rectifier):
    """f(z) = z for z > 0, else a · z, with a learned a (He et al. 2015, eq. 1).

    One a for the whole layer, the "channel-shared" form.

    Attributes:
        slope: what a starts with.
    """

    slope: float = 0.25

    def activate(self, z: Node, trace: Trace) -> Node:
        start = initializers.Constant(self.slope)
        return _bent(
            z,
            trace.parameter("slope", (1,), start, fan_in=1, fan_out=1, unit_axis=None),
        )


def _exponential(z: Node, alpha: float) -> Node:
    """z for z > 0, else alpha (e^z - 1); where z > 0, e^z cannot overflow unused."""
    bounded = ops.where(z > 0.0, 0.0, z)
    return ops.where(z > 0.0, z, ops.expm1(bounded) * alpha)


@register("elu")
class ELU(Rectifier):
    """f(z) = z for z > 0, else alpha (e^z - 1) (Clevert, Unterthiner, Hochreiter 2016).

    Attributes:
        alpha: -alpha is the value far on the negative side.
    """

    alpha: Positive = 1.0

    def formula(self, z: Node) -> Node:
        return _exponential(z, self.alpha)


@register("selu")
class SELU(Activation):
    """f(z) = λ z for z > 0, else λ α (e^z - 1): keeps mean 0 and variance 1.

    α and λ are the fixed point of Klambauer, Unterthiner, Mayr and Hochreiter (NIPS
    2017, eq. 14); weights start as lecun_normal.
    """

    ALPHA: ClassVar[float] = 1.6732632423543772848170429916717
    SCALE: ClassVar[float] = 1.0507009873554804934193349852946
    initializer = initializers.LecunNormal()
    max_slope = ALPHA * SCALE

    def formula(self, z: Node) -> Node:
        return _exponential(z, self.ALPHA) * self.SCALE


@register("gelu")
class GELU(Rectifier):
    """f(z) = z Φ(z), Φ the distribution of N(0, 1) (Hendrycks and Gimpel 2016).

    Attributes:
        approximate: `tanh`: Φ(z) ≈ (1 + tanh(√(2/π) (z + 0.044715 z³))) / 2.
    """

    approximate: Literal["none", "tanh"] = "none"
    max_slope = 1.1289

    def formula(self, z: Node) -> Node:
        if self.approximate == "tanh":
            inner = (z + z * ops.square(z) * 0.044715) * math.sqrt(2.0 / math.pi)
            return z * 0.5 * (ops.tanh(inner) + 1.0)
        return z * 0.5 * (ops.erf(z * math.sqrt(0.5)) + 1.0)


@register("silu")
class SiLU(Rectifier):
    """f(z) = z sigmoid(z), also called swish (Elfwing, Uchibe and Doya 2018)."""

    max_slope = 1.0999

    def formula(self, z: Node) -> Node:
        return z * ops.sigmoid(z)


@register("mish")
class Mish(Rectifier):
    """f(z) = z tanh(softplus(z)) (Misra, BMVC 2020)."""

    max_slope = 1.0885

    def formula(self, z: Node) -> Node:
        return z * ops.tanh(ops.softplus(z))


@register("softplus")
class Softplus(Rectifier):
    """f(z) = ln(1 + e^z): a smooth relu (Dugas et al., NIPS 2000)."""

    def formula(self, z: Node) -> Node:
        return ops.softplus(z)


@register("relu6")
class ReLU6(Rectifier):
    """f(z) = min(max(z, 0), 6); a unit dies above 6 as well (Krizhevsky 2010)."""

    can_die = True

    def formula(self, z: Node) -> Node:
        return ops.minimum(ops.relu(z), 6.0)


@register("hard_swish")
class HardSwish(Rectifier):
    """f(z) = z relu6(z + 3) / 6: silu in straight lines (Howard et al., ICCV 2019)."""

    can_die = True
    max_slope = 1.5

    def formula(self, z: Node) -> Node:
        return z * HardSigmoid().formula(z)


# ------------------------------------------------------------------ bounded


@register("tanh")
class Tanh(Activation):
    """f(z) = tanh z, between -1 and 1."""

    def formula(self, z: Node) -> Node:
        return ops.tanh(z)


@register("hard_tanh")
class HardTanh(Activation):
    """f(z) = min(max(z, -1), 1): tanh in straight lines (Collobert 2004)."""

    can_die = True

    def formula(self, z: Node) -> Node:
        return ops.clip(z, -1.0, 1.0)


@register("sigmoid")
class Sigmoid(Activation):
    """f(z) = 1 / (1 + e^-z), between 0 and 1; its slope is at most 1/4."""

    max_slope = 0.25

    def formula(self, z: Node) -> Node:
        return ops.sigmoid(z)


@register("hard_sigmoid")
class HardSigmoid(Activation):
    """f(z) = relu6(z + 3) / 6: sigmoid in straight lines (Howard et al. 2019)."""

    can_die = True
    max_slope = 1 / 6

    def formula(self, z: Node) -> Node:
        return ops.minimum(ops.relu(z + 3.0), 6.0) * (1 / 6)


# ------------------------------------------------------------------ over all units


def shifted(z: Node) -> Node:
    """z - max z along the last axis: the softmax is the same, and e^z cannot overflow.

    No gradient goes through the maximum: the shift changes nothing that follows.
    """
    return z - ops.stop_gradient(ops.max(z, -1, keepdims=True))


def softmax(z: Node) -> Node:
    """e^z_k / Σ_j e^z_j along the last axis: positive, and 1 in sum."""
    powers = ops.exp(shifted(z))
    return powers / ops.sum(powers, -1, keepdims=True)


def log_softmax(z: Node) -> Node:
    """ln softmax(z) along the last axis, without overflow and exact near 0."""
    low = shifted(z)
    return low - ops.log(ops.sum(ops.exp(low), -1, keepdims=True))


@register("softmax")
class Softmax(Activation):
    """f(z)_k = e^z_k / Σ_j e^z_j: probabilities (Bridle 1990).

    cross_entropy applies it itself: give that loss the outputs without it.
    """

    max_slope = 0.25

    def formula(self, z: Node) -> Node:
        return softmax(z)


@register("log_softmax")
class LogSoftmax(Activation):
    """f(z)_k = z_k - ln Σ_j e^z_j: logarithms of probabilities."""

    def formula(self, z: Node) -> Node:
        return log_softmax(z)
