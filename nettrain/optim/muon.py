"""Momentum, orthogonalized."""

from __future__ import annotations

import fnmatch
import math
from typing import Annotated, Literal

from nettrain.component import NonNegative, Positive, Range, register
from nettrain.graph import Node
from nettrain.graph.operations import (
    cast,
    matmul,
    maximum,
    sqrt,
    sum_of_squares,
    transpose,
)
from nettrain.optim.adaptive import AdamW, Decay
from nettrain.optim.groups import name
from nettrain.optim.optimizer import Rule, Slots
from nettrain.optim.schedules import Rate

A, B, C = 3.4445, -4.7750, 2.0315
"""Of the polynomial a x + b x³ + c x⁵, which takes singular values to 0.7 … 1.2."""


@register("muon")
class Muon(Rule):
    """W ← (1 - rate · λ) W - rate · f · O, O ≈ U Vᵀ of the momentum M = U Σ Vᵀ.

    All directions of a matrix are learned at one speed (Jordan et al. 2024,
    kellerjordan.github.io/posts/muon). M ← μ M + (1 - μ) G, with Nesterov's look-ahead
    (1 - μ) G + μ M; O comes of Newton–Schulz steps X ← a X + (b X Xᵀ + c (X Xᵀ)²) X
    from X = M / ‖M‖. As PyTorch's torch.optim.Muon, but O is computed in the weights'
    dtype (there in bfloat16), weights are (inputs, outputs), and what is no matrix is
    updated by adamw at the same rate, λ included (there it is refused).

    Attributes:
        momentum: μ.
        nesterov: whether the look-ahead form is used.
        weight_decay: λ, the share of a weight that a step of rate 1 would take away.
        scale: f, `original`: √max(1, outputs / inputs); `adamw`:
            0.2 √max(inputs, outputs), the size of adamw's steps, so that its rates do
            (Liu et al. 2025, eq. 4; PyTorch's match_rms_adamw).
        steps: how many Newton–Schulz steps.
        epsilon: the least ‖M‖ that is divided by.
        adamw: names of matrices that adamw updates too, as `groups` match them.
    """

    learning_rate: Rate = 0.001
    momentum: Decay = 0.95
    nesterov: bool = True
    weight_decay: NonNegative = 0.1
    scale: Literal["original", "adamw"] = "original"
    steps: Annotated[int, Range(at_least=1, at_most=99)] = 5
    epsilon: Positive = 1e-7
    adamw: list[str] = ("*embedding*",)  # type: ignore[assignment]

    @property
    def decouples(self) -> bool:
        return True

    def update(
        self, parameter: Node, gradient: Node, slots: Slots, rate: Node, step: Node
    ) -> Node:
        path = name(parameter.path)
        named = any(fnmatch.fnmatchcase(path, name(p)) for p in self.adamw)
        if len(parameter.shape) != 2 or named:
            inner = AdamW(weight_decay=self.weight_decay)
            return inner.update(parameter, gradient, slots, rate, step)
        mine = gradient * (1.0 - self.momentum)
        m = slots["momentum"] = slots["momentum"] * self.momentum + mine
        direction = mine + m * self.momentum if self.nesterov else m
        inputs, outputs = parameter.shape
        factor = math.sqrt(max(1.0, outputs / inputs))
        if self.scale == "adamw":
            factor = 0.2 * math.sqrt(max(inputs, outputs))
        change = self._orthogonal(direction) * cast(rate * factor, parameter.dtype)
        return self.changed(parameter, change, rate)

    def _orthogonal(self, x: Node) -> Node:
        """U Vᵀ, nearly, of a matrix U Σ Vᵀ."""
        wide = x.shape[0] > x.shape[1]
        x = transpose(x) if wide else x
        x = x / maximum(sqrt(sum_of_squares(x)), self.epsilon)
        for _ in range(self.steps):
            square = matmul(x, transpose(x))
            x = x * A + matmul(square * B + matmul(square, square) * C, x)
        return transpose(x) if wide else x
