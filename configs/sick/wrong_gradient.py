"""An activation with a wrong derivative, for wrong-gradient.yaml."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nettrain.component import register
from nettrain.graph import Node, Operation, Spec
from nettrain.graph.node import apply
from nettrain.nn import Activation


class Squash(Operation):
    """y = tanh x;  dy/dx = 1 - y², but here the square was forgotten."""

    name = "squash"

    def spec(self, *inputs: Spec) -> Spec:
        return inputs[0]

    def forward(self, xp: Any, *inputs: Any) -> Any:
        return xp.tanh(inputs[0])

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        return (g * (1.0 - y),)


@register("squash")
class Squashed(Activation):
    """f(z) = tanh z."""

    def formula(self, z: Node) -> Node:
        return apply(Squash(), z)
