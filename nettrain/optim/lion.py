"""Signs of momentum."""

from __future__ import annotations

from nettrain.component import NonNegative, register
from nettrain.graph import Node
from nettrain.graph.operations import cast, sign
from nettrain.optim.adaptive import Decay
from nettrain.optim.optimizer import Rule, Slots
from nettrain.optim.schedules import Rate


@register("lion")
class Lion(Rule):
    """w ← (1 - rate · λ) w - rate · sign(β1 m + (1 - β1) g),  m ← β2 m + (1 - β2) g.

    Every weight moves by the rate, which is to be a third to a tenth of adamw's, and λ
    as many times larger (Chen et al., NeurIPS 2023, algorithm 2). PyTorch has none. The
    sign of 0 is 0. Slot: `gradient_sum` is m / (1 - β2).

    Attributes:
        beta1: share of m in the direction of a step.
        beta2: share of m that stays.
        weight_decay: λ, the share of a weight that a step of rate 1 would take away.
    """

    learning_rate: Rate = 0.0001
    beta1: Decay = 0.9
    beta2: Decay = 0.99
    weight_decay: NonNegative = 0.0

    @property
    def decouples(self) -> bool:
        return True

    def update(
        self, parameter: Node, gradient: Node, slots: Slots, rate: Node, step: Node
    ) -> Node:
        m = slots["gradient_sum"]
        direction = m * (self.beta1 * (1.0 - self.beta2)) + gradient * (
            1.0 - self.beta1
        )
        slots["gradient_sum"] = m * self.beta2 + gradient
        change = sign(direction) * cast(rate, parameter.dtype)
        return self.changed(parameter, change, rate)
