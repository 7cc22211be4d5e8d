"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from nettrain.component import NonNegative, Range, register
from nettrain.graph import Node
from nettrain.graph.operations import cast
from nettrain.optim.optimizer import Rule, Slots
from nettrain.optim.schedules import Rate


@register("sgd")
class SGD(Rule):
    """w ← w - rate · g, or with momentum μ: v ← μ v + g, w ← w - rate · v.

    Momentum (Polyak 1964) adds up gradients that agree and cancels those that do not.
    Nesterov's form looks ahead, w ← w - rate · (g + μ v) (Sutskever, Martens, Dahl and
    Hinton, ICML 2013). As in PyTorch the rate is outside v, so a change acts at once.

    Attributes:
        momentum: μ, the share of v that stays.
        nesterov: whether the look-ahead form is used; needs momentum.
        weight_decay: added to the gradient as weight_decay · w.
    """

    learning_rate: Rate = 0.01
    momentum: Annotated[float, Range(at_least=0, below=1)] = 0.0
    nesterov: bool = False
    weight_decay: NonNegative = 0.0

    def check(self) -> Iterator[str]:
        if self.nesterov and not self.momentum:
            yield "nesterov needs a momentum above 0"

    def update(
        self, parameter: Node, gradient: Node, slots: Slots, rate: Node, step: Node
    ) -> Node:
        change = self.decayed(gradient, parameter)
        if self.momentum:
            v = slots["momentum"] = slots["momentum"] * self.momentum + change
            change = change + v * self.momentum if self.nesterov else v
        return parameter - change * cast(rate, parameter.dtype)
