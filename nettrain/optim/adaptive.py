"""Optimizers that give each weight its own step, by the size of its past gradients.

They divide by √v, v a running mean of g². Where papers write v ← β v + (1 - β) g², the
slots hold s = v / (1 - β), so s ← β s + g²: the factor moves into a scalar, and array
operations are saved. Results differ from the papers' form by rounding alone.
"""

from __future__ import annotations

import math
from typing import Annotated

from nettrain.component import NonNegative, Positive, Range, register
from nettrain.graph import Node
from nettrain.graph.operations import cast, sqrt, square
from nettrain.optim.optimizer import Optimizer, Slots, decayed
from nettrain.optim.schedules import Rate

Decay = Annotated[float, Range(at_least=0, below=1)]


@register("rmsprop")
class RMSprop(Optimizer):
    """v ← β v + (1 - β) g²,  w ← w - rate · g / (√v + ε).

    (Tieleman and Hinton, Coursera lecture 6.5, 2012.) With momentum μ the quotient q is
    gathered first, b ← μ b + q, w ← w - rate · b, as in PyTorch. Slots: `square_sum` is
    v / (1 - β), `momentum` is b √(1 - β).

    Attributes:
        beta: share of v that stays; PyTorch calls it alpha.
        epsilon: bounds the step of weights whose gradients are near 0.
        momentum: μ.
        weight_decay: added to the gradient as weight_decay · w.
    """

    learning_rate: Rate = 0.01
    beta: Decay = 0.99
    epsilon: Positive = 1e-8
    momentum: Decay = 0.0
    weight_decay: NonNegative = 0.0

    def update(
        self, parameter: Node, gradient: Node, slots: Slots, rate: Node, step: Node
    ) -> Node:
        g = decayed(gradient, parameter, self.weight_decay)
        s = slots["square_sum"] = slots["square_sum"] * self.beta + square(g)
        scale = 1.0 / math.sqrt(1.0 - self.beta)
        change = g / (sqrt(s) + self.epsilon * scale)
        if self.momentum:
            b = slots["momentum"] = slots["momentum"] * self.momentum + change
            change = b
        return parameter - change * cast(rate * scale, parameter.dtype)


@register("adam")
class Adam(Optimizer):
    """m ← β1 m + (1 - β1) g,  v ← β2 v + (1 - β2) g²,  w ← w - rate · m̂ / (√v̂ + ε).

    m̂ = m / (1 - β1^t) and v̂ = v / (1 - β2^t) undo the bias towards their start at 0
    (Kingma and Ba, ICLR 2015, algorithm 1). Slots: `gradient_sum` is m / (1 - β1),
    `square_sum` is v / (1 - β2).

    Attributes:
        beta1: share of m that stays.
        beta2: share of v that stays.
        epsilon: bounds the step of weights whose gradients are near 0.
        weight_decay: added to the gradient as weight_decay · w, before m and v.
    """

    learning_rate: Rate = 0.001
    beta1: Decay = 0.9
    beta2: Decay = 0.999
    epsilon: Positive = 1e-8
    weight_decay: NonNegative = 0.0

    def update(
        self, parameter: Node, gradient: Node, slots: Slots, rate: Node, step: Node
    ) -> Node:
        g = decayed(gradient, parameter, self.weight_decay)
        return parameter - self.change(g, slots, rate, step)

    def change(self, g: Node, slots: Slots, rate: Node, step: Node) -> Node:
        """rate · m̂ / (√v̂ + ε), both parts divided by √(v̂ / s)."""
        u = slots["gradient_sum"] = slots["gradient_sum"] * self.beta1 + g
        s = slots["square_sum"] = slots["square_sum"] * self.beta2 + square(g)
        root = sqrt(1.0 - self.beta2**step)
        scale = 1.0 / math.sqrt(1.0 - self.beta2)
        epsilon = root * (scale * self.epsilon)
        factor = rate * root * (scale * (1.0 - self.beta1)) / (1.0 - self.beta1**step)
        return u / (sqrt(s) + cast(epsilon, g.dtype)) * cast(factor, g.dtype)


@register("adamw")
class AdamW(Adam):
    """Adam whose weight decay passes by m and v: w ← (1 - rate · weight_decay) w - ….

    Decay then shrinks every weight alike, however large its gradients are (Loshchilov
    and Hutter, ICLR 2019, algorithm 2).

    Attributes:
        beta1: share of m that stays.
        beta2: share of v that stays.
        epsilon: bounds the step of weights whose gradients are near 0.
        weight_decay: the share of a weight that a step of rate 1 would take away.
    """

    decouples = True
    weight_decay: NonNegative = 0.01

    def update(
        self, parameter: Node, gradient: Node, slots: Slots, rate: Node, step: Node
    ) -> Node:
        change = self.change(gradient, slots, rate, step)
        kept = self.kept(rate)
        if kept is None:
            return parameter - change
        return parameter * cast(kept, parameter.dtype) - change
