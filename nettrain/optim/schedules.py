"""Schedules: the learning rate of each step.

They run on the host, in float64, and give one number that the step takes as an input.
Steps count from 1. A schedule that watches the training keeps what it remembers in a
tuple of numbers that the caller holds and saves; it remembers nothing itself.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, TypeAlias

from nettrain.component import Component, NonNegative, Range, Share, register
from nettrain.span import Span

Memory = tuple[float, ...]
"""What a schedule remembers between epochs."""


class Schedule(Component):
    """Base of all schedules."""

    kind = "schedule"

    def rate(self, step: int, total: int, per_epoch: int, memory: Memory = ()) -> float:
        """The learning rate of a step.

        Args:
            step: from 1.
            total: planned steps of the run; further ones keep the rate of the end.
            per_epoch: steps of an epoch.
            memory: what `start` and `observe` gave last.
        """
        raise NotImplementedError

    def start(self) -> Memory:
        """The memory before the first step."""
        return ()

    def observe(self, memory: Memory, value: float) -> Memory:
        """The memory after an evaluation gave `value`, where lower is better."""
        return memory


Rate: TypeAlias = NonNegative | Schedule
"""A learning rate as a setting: a number, or a schedule."""


def schedule(rate: Rate) -> Schedule:
    """A rate as a schedule."""
    return rate if isinstance(rate, Schedule) else Constant(rate)


@register("constant")
class Constant(Schedule):
    """The same rate at every step: what a bare number means.

    Attributes:
        value: the rate.
    """

    value: NonNegative

    def rate(self, step: int, total: int, per_epoch: int, memory: Memory = ()) -> float:
        return self.value


@register("step")
class Step(Schedule):
    """initial · factor^n, n = how often `every` has gone by: a staircase.

    Attributes:
        initial: the rate of the first steps.
        every: how long one stair is.
        factor: what each stair multiplies the rate by.
    """

    initial: NonNegative
    every: Span = Span(10, "epochs")
    factor: Share = 0.1

    def rate(self, step: int, total: int, per_epoch: int, memory: Memory = ()) -> float:
        stair = max(self.every.steps(per_epoch, total), 1)
        return self.initial * self.factor ** ((step - 1) // stair)


@register("exponential")
class Exponential(Schedule):
    """initial · factor^((step - 1) / every): the staircase without its stairs.

    Attributes:
        initial: the rate of the first step.
        factor: what `every` multiplies the rate by.
        every: how long it takes.
    """

    initial: NonNegative
    factor: Share = 0.95
    every: Span = Span(1, "epochs")

    def rate(self, step: int, total: int, per_epoch: int, memory: Memory = ()) -> float:
        span = max(self.every.steps(per_epoch, total), 1)
        return self.initial * math.pow(self.factor, (step - 1) / span)


@register("cosine")
class Cosine(Schedule):
    """final + (peak - final) (1 + cos π p) / 2, p from 0 to 1 after the warm-up.

    Half a cosine wave down (Loshchilov and Hutter, ICLR 2017, eq. 5), after a linear
    rise from peak / warmup to peak.

    Attributes:
        peak: the highest rate.
        warmup: how long the rise takes.
        final: the rate at the end.
    """

    peak: NonNegative
    warmup: Span = Span(0, "steps")
    final: NonNegative = 0.0

    def rate(self, step: int, total: int, per_epoch: int, memory: Memory = ()) -> float:
        warmup = self.warmup.steps(per_epoch, total)
        if step <= warmup:
            return self.peak * step / warmup
        progress = min((step - 1 - warmup) / max(total - warmup, 1), 1.0)
        wave = (1.0 + math.cos(math.pi * progress)) / 2
        return self.final + (self.peak - self.final) * wave


@register("linear_warmup")
class LinearWarmup(Schedule):
    """peak · min(1, step / warmup): a gentle start (Goyal et al. 2017, §2.2).

    Attributes:
        peak: the rate that the rise ends in, or a schedule, which is scaled while it
            rises.
        warmup: how long the rise takes.
    """

    peak: NonNegative | Schedule
    warmup: Span = Span(5, "%")

    def rate(self, step: int, total: int, per_epoch: int, memory: Memory = ()) -> float:
        warmup = self.warmup.steps(per_epoch, total)
        rise = min(1.0, step / warmup) if warmup else 1.0
        return rise * schedule(self.peak).rate(step, total, per_epoch, memory)

    def start(self) -> Memory:
        return schedule(self.peak).start()

    def observe(self, memory: Memory, value: float) -> Memory:
        return schedule(self.peak).observe(memory, value)


Divisor = Annotated[float, Range(at_least=1)]


@register("one_cycle")
class OneCycle(Schedule):
    """From peak / 25 up to peak, and down to a ten-thousandth of where it began.

    High rates in the middle pass by sharp minima (Smith and Topin 2018). As PyTorch's
    OneCycleLR, whose momentum, that falls while the rate rises, is constant here.

    Attributes:
        peak: the highest rate.
        rise: the share of the run in which the rate rises.
        anneal: the form of rise and fall: half a cosine wave, or a line.
        divisor: the first rate is peak / divisor.
        final_divisor: the last rate is the first one divided by this.
        three_phases: fall to the first rate as long as the rise took, and only then to
            the last one.
    """

    peak: NonNegative
    rise: Share = 0.3
    anneal: Literal["cosine", "linear"] = "cosine"
    divisor: Divisor = 25.0
    final_divisor: Divisor = 1e4
    three_phases: bool = False

    def rate(self, step: int, total: int, per_epoch: int, memory: Memory = ()) -> float:
        first = self.peak / self.divisor
        last, up = first / self.final_divisor, self.rise * total - 1
        phases = [(up, first, self.peak)]
        if self.three_phases:
            phases += [(2 * up, self.peak, first), (total - 1.0, first, last)]
        else:
            phases += [(total - 1.0, self.peak, last)]
        begin, now = 0.0, step - 1.0
        while now > phases[0][0] and len(phases) > 1:
            begin = phases.pop(0)[0]
        end, start, goal = phases[0]
        share = min((now - begin) / (end - begin), 1.0) if end > begin else 1.0
        if self.anneal == "linear":
            return start + (goal - start) * share
        return goal + (start - goal) * (1.0 + math.cos(math.pi * share)) / 2


@register("cyclic")
class Cyclic(Schedule):
    """Up from low to peak and down again, on straight lines, over and over.

    (Smith, WACV 2017.) As PyTorch's CyclicLR, whose momentum, that falls while the rate
    rises, is constant here.

    Attributes:
        peak: the highest rate of the first cycle.
        low: the lowest rate.
        up: how long a rise takes.
        down: how long a fall takes; where it is not said, as long as a rise.
        mode: `triangular`: all cycles are alike; `triangular2`: the height over low is
            halved with each; `exponential`: it is multiplied by gamma at each step
            (PyTorch: exp_range).
        gamma: of the mode `exponential`.
    """

    peak: NonNegative
    low: NonNegative
    up: Span = Span(2000, "steps")
    down: Span | None = None
    mode: Literal["triangular", "triangular2", "exponential"] = "triangular"
    gamma: Share = 1.0

    def rate(self, step: int, total: int, per_epoch: int, memory: Memory = ()) -> float:
        up = max(self.up.steps(per_epoch, total), 1)
        down = max(self.down.steps(per_epoch, total), 1) if self.down else up
        cycle, at = divmod(step - 1, up + down)
        height = at / up if at <= up else (up + down - at) / down
        if self.mode == "triangular2":
            height /= 2.0**cycle
        elif self.mode == "exponential":
            height *= self.gamma ** (step - 1)
        return self.low + (self.peak - self.low) * height


@register("plateau")
class Plateau(Schedule):
    """Lowers the rate when the validation loss has stopped falling.

    After more than `patience` evaluations in a row without a loss below
    (1 - threshold) · best the rate is multiplied by `factor`, as in PyTorch. Its memory
    is the best loss, the evaluations since, and the rate.

    Attributes:
        initial: the rate at the start.
        factor: what a plateau multiplies the rate by.
        patience: how many evaluations without progress are endured.
        threshold: the share by which a loss must fall to count as progress.
        final: the rate never falls below it.
    """

    initial: NonNegative
    factor: Annotated[float, Range(above=0, below=1)] = 0.1
    patience: Annotated[int, Range(at_least=0)] = 10
    threshold: Share = 1e-4
    final: NonNegative = 0.0

    def rate(self, step: int, total: int, per_epoch: int, memory: Memory = ()) -> float:
        return memory[2] if memory else self.initial

    def start(self) -> Memory:
        return math.inf, 0.0, self.initial

    def observe(self, memory: Memory, value: float) -> Memory:
        best, waited, rate = memory
        if value < best * (1.0 - math.copysign(self.threshold, best)):
            return value, 0.0, rate
        if waited + 1 > self.patience:
            return best, 0.0, max(rate * self.factor, min(self.final, rate))
        return best, waited + 1, rate
