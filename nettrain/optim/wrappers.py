"""Optimizers around optimizers. What they remember starts at 0: a lag, no copy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from nettrain.component import Count, Share, register
from nettrain.graph import Node
from nettrain.graph.operations import cast, equal
from nettrain.optim.adaptive import Adam, Decay
from nettrain.optim.optimizer import Optimizer, Rule, Slots
from nettrain.optim.schedules import Rate


@dataclass(frozen=True)
class Wrapper(Optimizer):
    """Base of optimizers that change what another one does.

    Attributes:
        optimizer: the other one.
    """

    optimizer: Optimizer = field(default_factory=Adam)

    @property
    def rule(self) -> Rule:
        return self.optimizer.rule

    @property
    def place(self) -> tuple[str, ...]:
        return (self.registered_name, "optimizer", *self.optimizer.place)

    @property
    def learning_rate(self) -> Rate:
        """The rule's."""
        return self.rule.learning_rate

    @property
    def maximize(self) -> bool:
        """The rule's."""
        return self.rule.maximize

    def of(self, path: str) -> Optimizer:
        return replace(self, optimizer=self.optimizer.of(path))

    @property
    def lag(self) -> str:
        return self.optimizer.lag


@register("lookahead")
class Lookahead(Wrapper):
    """Every k steps φ ← φ + α (w - φ), w ← φ: slow weights φ follow the fast ones w.

    φ starts where w does (Zhang, Lucas, Hinton and Ba, NeurIPS 2019, algorithm 1). The
    inner optimizer keeps what it remembers. PyTorch has none. Slot: `behind` is φ - w.

    Attributes:
        steps: k, how many steps of the other optimizer go before one of φ.
        rate: α, how far φ goes.
    """

    steps: Count = 5
    rate: Share = 0.5

    def check(self) -> Iterator[str]:
        if self.lag:
            yield "optimizer: ema averages what lookahead gives; write it around that"

    def update(
        self, parameter: Node, gradient: Node, slots: Slots, rate: Node, step: Node
    ) -> Node:
        fast = self.optimizer.update(parameter, gradient, slots, rate, step)
        behind = slots["behind"] + parameter - fast
        rounds = cast(cast(step / float(self.steps), "int64"), "float64")
        meets = cast(equal(rounds * float(self.steps), step), "float64")
        slots["behind"] = behind * cast(1.0 - meets, behind.dtype)
        return fast + behind * cast(meets * (1.0 - self.rate), behind.dtype)


@register("ema")
class ExponentialAverage(Wrapper):
    """a ← d a + (1 - d) w after every step; predictions are made with a instead of w.

    (Polyak and Juditsky 1992; Tarvainen and Valpola, NeurIPS 2017.) Evaluation, best
    and final weights are a; gradients are those at w. The mean over w_1 … w_t has
    weights that fall as d^(t-i) from the newest on and are 1 in sum, as Adam's: the
    first weights are forgotten as fast as the others. PyTorch's AveragedModel counts
    w_1 as all that came before it. Running averages of layers stay as they are. Slot:
    `lag` is a - w.

    Attributes:
        decay: d; the average reaches back some 1 / (1 - d) steps.
    """

    decay: Decay = 0.999

    def check(self) -> Iterator[str]:
        if self.optimizer.lag:
            yield "optimizer: ema stands in ema; one average is enough"

    @property
    def lag(self) -> str:
        return "lag"

    def update(
        self, parameter: Node, gradient: Node, slots: Slots, rate: Node, step: Node
    ) -> Node:
        new = self.optimizer.update(parameter, gradient, slots, rate, step)
        share = (1.0 - self.decay ** (step - 1.0)) / (1.0 - self.decay**step)
        lag = slots["lag"] + parameter - new
        slots["lag"] = lag * cast(share * self.decay, lag.dtype)
        return new
