"""What was made of Adam. Slots are as in `adaptive`."""

from __future__ import annotations

import math

from nettrain.component import NonNegative, Positive, register
from nettrain.graph import Node, constant
from nettrain.graph.operations import (
    absolute,
    cast,
    equal,
    greater,
    maximum,
    sqrt,
    sum_of_squares,
    where,
)
from nettrain.optim.adaptive import Adam, Decay, moments
from nettrain.optim.optimizer import Rule, Slots
from nettrain.optim.schedules import Rate


@register("adamax")
class Adamax(Rule):
    """m ← β1 m + (1 - β1) g,  u ← max(β2 u, |g| + ε),  w ← w - rate · m̂ / u.

    Adam with the largest gradient, slowly forgotten, instead of a root mean square
    (Kingma and Ba, ICLR 2015, algorithm 2; ε as in PyTorch). Slots: `gradient_sum` is
    m / (1 - β1), `largest` is u.

    Attributes:
        beta1: share of m that stays.
        beta2: share of u that stays.
        epsilon: bounds the step of weights whose gradients are near 0.
        weight_decay: added to the gradient as weight_decay · w.
    """

    learning_rate: Rate = 0.002
    beta1: Decay = 0.9
    beta2: Decay = 0.999
    epsilon: Positive = 1e-8
    weight_decay: NonNegative = 0.0

    def update(
        self, parameter: Node, gradient: Node, slots: Slots, rate: Node, step: Node
    ) -> Node:
        g = self.decayed(gradient, parameter)
        m = slots["gradient_sum"] = slots["gradient_sum"] * self.beta1 + g
        size = absolute(g) + self.epsilon
        u = slots["largest"] = maximum(slots["largest"] * self.beta2, size)
        factor = rate * (1.0 - self.beta1) / (1.0 - self.beta1**step)
        return parameter - m / u * cast(factor, parameter.dtype)


@register("nadam")
class NAdam(Rule):
    """Adam that looks ahead: w ← w - rate (a m + b g) / (√v̂ + ε), as Nesterov's form.

    μ_t = β1 (1 - 0.96^(t ψ) / 2), a = μ_{t+1} / (1 - Π_{i≤t+1} μ_i) and
    b = (1 - μ_t) / (1 - Π_{i≤t} μ_i) (Dozat, ICLR workshop 2016, algorithm 2). As
    PyTorch's. Slots: those of adam, and the number `lost`, 1 - Π_{i≤t} μ_i.

    Attributes:
        beta1: share of m that stays.
        beta2: share of v that stays.
        epsilon: bounds the step of weights whose gradients are near 0.
        weight_decay: added to the gradient as weight_decay · w, before m and v.
        momentum_decay: ψ, how fast μ rises from β1 / 2 to β1.
        decoupled_weight_decay: whether the decay passes by m and v, as adamw's.
    """

    learning_rate: Rate = 0.002
    beta1: Decay = 0.9
    beta2: Decay = 0.999
    epsilon: Positive = 1e-8
    weight_decay: NonNegative = 0.0
    momentum_decay: NonNegative = 0.004
    decoupled_weight_decay: bool = False

    @property
    def decouples(self) -> bool:
        return self.decoupled_weight_decay

    def update(
        self, parameter: Node, gradient: Node, slots: Slots, rate: Node, step: Node
    ) -> Node:
        g = self.decayed(gradient, parameter)
        u, s = moments(g, slots, self.beta1, self.beta2)
        now, later = self._momentum(step), self._momentum(step + 1.0)
        # 1 - Πμ and not Πμ, as what an optimizer remembers starts at 0.
        before = slots.common("lost")
        lost = slots.updates[before] = 1.0 - (1.0 - before) * now
        root = sqrt(1.0 - self.beta2**step)
        scale = 1.0 / math.sqrt(1.0 - self.beta2)
        of_m = later * (1.0 - self.beta1) / (1.0 - (1.0 - lost) * later)
        of_g = (1.0 - now) / lost
        size = sqrt(s) + cast(root * (scale * self.epsilon), g.dtype)
        whole = rate * root * scale
        ahead = u * cast(whole * of_m, g.dtype) + g * cast(whole * of_g, g.dtype)
        return self.changed(parameter, ahead / size, rate)

    def _momentum(self, step: Node) -> Node:
        return self.beta1 * (1.0 - 0.5 * 0.96 ** (step * self.momentum_decay))


@register("radam")
class RAdam(Rule):
    """Adam whose first steps are momentum alone, until v is known well enough.

    With ρ∞ = 2 / (1 - β2) - 1 and ρ_t = ρ∞ - 2 t β2^t / (1 - β2^t), w ← w - rate · m̂
    while ρ_t ≤ 5, and then w ← w - rate · r m̂ / (√v̂ + ε), r² = (ρ_t - 4)(ρ_t - 2) ρ∞ /
    ((ρ∞ - 4)(ρ∞ - 2) ρ_t) (Liu et al., ICLR 2020, algorithm 2; as PyTorch's, where ε is
    added to √v). Slots: those of adam.

    Attributes:
        beta1: share of m that stays.
        beta2: share of v that stays.
        epsilon: bounds the step of weights whose gradients are near 0.
        weight_decay: added to the gradient as weight_decay · w, before m and v.
        decoupled_weight_decay: whether the decay passes by m and v, as adamw's.
    """

    learning_rate: Rate = 0.001
    beta1: Decay = 0.9
    beta2: Decay = 0.999
    epsilon: Positive = 1e-8
    weight_decay: NonNegative = 0.0
    decoupled_weight_decay: bool = False

    @property
    def decouples(self) -> bool:
        return self.decoupled_weight_decay

    def update(
        self, parameter: Node, gradient: Node, slots: Slots, rate: Node, step: Node
    ) -> Node:
        g = self.decayed(gradient, parameter)
        u, s = moments(g, slots, self.beta1, self.beta2)
        most = 2.0 / (1.0 - self.beta2) - 1.0
        past = self.beta2**step
        known = most - 2.0 * step * past / (1.0 - past)
        adapts = cast(greater(known, 5.0), "float64")
        sure = maximum(known, 5.0)  # so that no root is taken of what is below 0
        shape = (sure - 4.0) * (sure - 2.0) / sure
        r = sqrt(shape * (most / ((most - 4.0) * (most - 2.0)))) if most > 5 else 1.0
        # The divisor is √s + ε / √(1 - β2), or 1: a choice among numbers, not arrays.
        scale = 1.0 / math.sqrt(1.0 - self.beta2)
        size = sqrt(s) * cast(adapts, g.dtype)
        size = size + cast(adapts * (scale * self.epsilon) + (1.0 - adapts), g.dtype)
        gain = adapts * r * sqrt(1.0 - past) * scale + (1.0 - adapts)
        factor = rate * gain * (1.0 - self.beta1) / (1.0 - self.beta1**step)
        return self.changed(parameter, u / size * cast(factor, g.dtype), rate)


@register("lamb")
class LAMB(Adam):
    """w ← w - rate · ‖w‖ / ‖d‖ · d,  d = m̂ / (√v̂ + ε) + λ w: steps to a tensor's size.

    The ratio is 1 where ‖w‖ or ‖d‖ is 0 (You et al., ICLR 2020, algorithm 2, φ(z) = z),
    so that a large batch may take large steps in every layer. PyTorch has none.

    Attributes:
        weight_decay: λ, a part of what is scaled.
    """

    epsilon: Positive = 1e-6
    weight_decay: NonNegative = 0.01

    @property
    def decouples(self) -> bool:
        return True

    def kept(self, rate: Node) -> Node | None:
        """Nothing is known of it: the decay is scaled with the rest."""
        return None

    def update(
        self, parameter: Node, gradient: Node, slots: Slots, rate: Node, step: Node
    ) -> Node:
        d = self.change(gradient, slots, constant(1.0, "float64"), step)
        if self.weight_decay:
            d = d + parameter * self.weight_decay
        weight, change = (
            sqrt(cast(sum_of_squares(x), "float64")) for x in (parameter, d)
        )
        none = equal(weight * change, 0.0)
        ratio = where(none, 1.0, weight / where(none, 1.0, change))
        return parameter - d * cast(rate * ratio, parameter.dtype)
