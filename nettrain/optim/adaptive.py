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
from nettrain.graph.operations import cast, maximum, sqrt, square
from nettrain.optim.optimizer import Rule, Slots
from nettrain.optim.schedules import Rate

Decay = Annotated[float, Range(at_least=0, below=1)]


@register("rmsprop")
class RMSprop(Rule):
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
        g = self.decayed(gradient, parameter)
        s = slots["square_sum"] = slots["square_sum"] * self.beta + square(g)
        scale = 1.0 / math.sqrt(1.0 - self.beta)
        change = g / (sqrt(s) + self.epsilon * scale)
        if self.momentum:
            b = slots["momentum"] = slots["momentum"] * self.momentum + change
            change = b
        return parameter - change * cast(rate * scale, parameter.dtype)


@register("adagrad")
class Adagrad(Rule):
    """s ← s + g²,  w ← w - rate / (1 + (t - 1) d) · g / (√s + ε).

    Steps only get smaller, those of weights with rare gradients last (Duchi, Hazan and
    Singer, JMLR 2011, §1.1). As PyTorch's. Slot: `square_sum` is s less its start.

    Attributes:
        rate_decay: d, how fast the rate falls with the number t of the step.
        weight_decay: added to the gradient as weight_decay · w.
        initial: where s starts.
        epsilon: bounds the step of weights whose gradients are near 0.
    """

    learning_rate: Rate = 0.01
    rate_decay: NonNegative = 0.0
    weight_decay: NonNegative = 0.0
    initial: NonNegative = 0.0
    epsilon: Positive = 1e-10

    def update(
        self, parameter: Node, gradient: Node, slots: Slots, rate: Node, step: Node
    ) -> Node:
        g = self.decayed(gradient, parameter)
        s = slots["square_sum"] = slots["square_sum"] + square(g)
        if self.initial:
            s = s + self.initial
        if self.rate_decay:
            rate = rate / (1.0 + (step - 1.0) * self.rate_decay)
        return parameter - g / (sqrt(s) + self.epsilon) * cast(rate, parameter.dtype)


@register("adadelta")
class Adadelta(Rule):
    """v ← ρ v + (1 - ρ) g²,  d = √(u + ε) / √(v + ε) · g,  u ← ρ u + (1 - ρ) d².

    w ← w - rate · d, where √u is the size of past changes: d has the weight's unit, so
    that no rate has to be found (Zeiler 2012, algorithm 1). As PyTorch's. Slots:
    `square_sum` is v / (1 - ρ), `change_sum` is u / (1 - ρ).

    Attributes:
        rho: ρ, share of v and u that stays.
        epsilon: what the first changes are made of; bounds the others.
        weight_decay: added to the gradient as weight_decay · w.
    """

    learning_rate: Rate = 1.0
    rho: Decay = 0.9
    epsilon: Positive = 1e-6
    weight_decay: NonNegative = 0.0

    def update(
        self, parameter: Node, gradient: Node, slots: Slots, rate: Node, step: Node
    ) -> Node:
        g = self.decayed(gradient, parameter)
        epsilon = self.epsilon / (1.0 - self.rho)
        s = slots["square_sum"] = slots["square_sum"] * self.rho + square(g)
        u = slots["change_sum"]
        change = sqrt((u + epsilon) / (s + epsilon)) * g
        slots["change_sum"] = u * self.rho + square(change)
        return parameter - change * cast(rate, parameter.dtype)


@register("adam")
class Adam(Rule):
    """m ← β1 m + (1 - β1) g,  v ← β2 v + (1 - β2) g²,  w ← w - rate · m̂ / (√v̂ + ε).

    m̂ = m / (1 - β1^t) and v̂ = v / (1 - β2^t) undo the bias towards their start at 0
    (Kingma and Ba, ICLR 2015, algorithm 1). Slots: `gradient_sum` is m / (1 - β1),
    `square_sum` is v / (1 - β2).

    Attributes:
        beta1: share of m that stays.
        beta2: share of v that stays.
        epsilon: bounds the step of weights whose gradients are near 0.
        weight_decay: added to the gradient as weight_decay · w, before m and v.
        amsgrad: divide by the largest v so far, so that steps only get smaller (Reddi,
            Kale and Kumar, ICLR 2018, algorithm 2; of v and not of v̂, as PyTorch).
    """

    learning_rate: Rate = 0.001
    beta1: Decay = 0.9
    beta2: Decay = 0.999
    epsilon: Positive = 1e-8
    weight_decay: NonNegative = 0.0
    amsgrad: bool = False

    def update(
        self, parameter: Node, gradient: Node, slots: Slots, rate: Node, step: Node
    ) -> Node:
        g = self.decayed(gradient, parameter)
        return self.changed(parameter, self.change(g, slots, rate, step), rate)

    def change(self, g: Node, slots: Slots, rate: Node, step: Node) -> Node:
        """rate · m̂ / (√v̂ + ε), both parts divided by √(v̂ / s)."""
        u, s = moments(g, slots, self.beta1, self.beta2)
        if self.amsgrad:
            s = slots["square_max"] = maximum(slots["square_max"], s)
        root = sqrt(1.0 - self.beta2**step)
        scale = 1.0 / math.sqrt(1.0 - self.beta2)
        epsilon = root * (scale * self.epsilon)
        factor = rate * root * (scale * (1.0 - self.beta1)) / (1.0 - self.beta1**step)
        return u / (sqrt(s) + cast(epsilon, g.dtype)) * cast(factor, g.dtype)


def moments(g: Node, slots: Slots, beta1: float, beta2: float) -> tuple[Node, Node]:
    """m / (1 - β1) and v / (1 - β2) after this step."""
    u = slots["gradient_sum"] = slots["gradient_sum"] * beta1 + g
    s = slots["square_sum"] = slots["square_sum"] * beta2 + square(g)
    return u, s


@register("adamw")
class AdamW(Adam):
    """Adam whose weight decay passes by m and v: w ← (1 - rate · weight_decay) w - ….

    Decay then shrinks every weight alike, however large its gradients are (Loshchilov
    and Hutter, ICLR 2019, algorithm 2).

    Attributes:
        weight_decay: the share of a weight that a step of rate 1 would take away.
    """

    weight_decay: NonNegative = 0.01

    @property
    def decouples(self) -> bool:
        return True
