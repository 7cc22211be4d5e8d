"""Schedules: the rate of each step."""

from __future__ import annotations

import itertools
import math

import pytest

from nettrain import optim
from nettrain.component import build, dump, registered
from nettrain.span import Span


def rates(schedule: optim.Schedule, total: int, per_epoch: int = 10) -> list[float]:
    return [schedule.rate(step, total, per_epoch) for step in range(1, total + 1)]


def test_constant() -> None:
    assert rates(optim.Constant(0.1), 3) == [0.1] * 3


def test_step() -> None:
    got = rates(optim.Step(1.0, every="2 epochs", factor=0.5), 8, per_epoch=2)
    assert got == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5]


def test_exponential() -> None:
    got = rates(optim.Exponential(1.0, factor=0.25, every="2 steps"), 5)
    assert got == pytest.approx([1, 0.5, 0.25, 0.125, 0.0625])


def test_cosine() -> None:
    got = rates(optim.Cosine(1.0, final=0.2), 4)
    wave = [0.2 + 0.8 * (1 + math.cos(math.pi * p)) / 2 for p in (0, 0.25, 0.5, 0.75)]
    assert got == pytest.approx(wave)


def test_cosine_with_warmup() -> None:
    got = rates(optim.Cosine(1.0, warmup="20 %"), 10)
    assert got[:3] == pytest.approx([0.5, 1.0, 1.0])
    assert all(a > b for a, b in itertools.pairwise(got[2:]))
    assert got[6] == pytest.approx(0.5)


def test_cosine_beyond_the_plan_stays_at_its_end() -> None:
    assert optim.Cosine(1.0, final=0.1).rate(500, 10, 10) == pytest.approx(0.1)


def test_warmup_longer_than_the_run() -> None:
    assert rates(optim.Cosine(1.0, warmup=20), 4) == pytest.approx(
        [0.05, 0.1, 0.15, 0.2]
    )


def test_linear_warmup() -> None:
    got = rates(optim.LinearWarmup(1.0, warmup="4 steps"), 6)
    assert got == [0.25, 0.5, 0.75, 1, 1, 1]


def test_linear_warmup_into_a_schedule() -> None:
    inner = optim.Step(1.0, every="3 steps", factor=0.1)
    got = rates(optim.LinearWarmup(inner, warmup="2 steps"), 4)
    assert got == pytest.approx([0.5, 1, 1, 0.1])
    watched = optim.LinearWarmup(optim.Plateau(1.0, patience=0), warmup="1 step")
    memory = watched.observe(watched.observe(watched.start(), 1.0), 1.0)
    assert watched.rate(9, 10, 10, memory) == pytest.approx(0.1)


def test_plateau() -> None:
    schedule = optim.Plateau(1.0, factor=0.5, patience=1, threshold=0.01, final=0.2)
    losses = [3.0, 2.0, 1.99, 2.5, 1.5, 1.6, 1.6, 1.6, 1.6, 1.6, 1.6, math.nan]
    memory = schedule.start()
    got = []
    for loss in losses:
        memory = schedule.observe(memory, loss)
        got.append(schedule.rate(1, 10, 10, memory))
    half, quarter = 0.5, 0.25
    assert got == [1, 1, 1, half, half, half, quarter, quarter, 0.2, 0.2, 0.2, 0.2]


def test_plateau_of_negative_losses() -> None:
    """A loss below 0 falls by the threshold too, downwards."""
    schedule = optim.Plateau(1.0, factor=0.5, patience=0, threshold=0.1)
    memory = schedule.observe(schedule.start(), -1.0)
    assert schedule.observe(memory, -1.05)[2] == 0.5
    assert schedule.observe(memory, -1.2)[2] == 1.0


def test_plateau_without_memory_is_at_its_start() -> None:
    assert optim.Plateau(0.3).rate(1, 10, 10) == 0.3


def test_one_cycle() -> None:
    got = rates(optim.OneCycle(1.0, 0.5, "linear", divisor=4, final_divisor=5), 10)
    assert got == pytest.approx(
        [0.25, 0.4375, 0.625, 0.8125, 1.0, 0.81, 0.62, 0.43, 0.24, 0.05]
    )
    wave = rates(optim.OneCycle(1.0, 0.5), 11)
    assert max(wave) < 1 and wave[-1] == pytest.approx(4e-6)
    assert optim.OneCycle(1.0).rate(500, 10, 10) == pytest.approx(4e-6)


@pytest.mark.parametrize("total", [1, 2, 3, 4])
@pytest.mark.parametrize("rise", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("phases", [False, True])
def test_one_cycle_of_short_runs(total: int, rise: float, phases: bool) -> None:
    schedule = optim.OneCycle(1.0, rise, three_phases=phases)
    got = rates(schedule, total + 3)
    got = [schedule.rate(step, total, 10) for step in range(1, total + 4)]
    assert all(0 < rate <= 1.0 for rate in got)


def test_cyclic() -> None:
    got = rates(optim.Cyclic(1.0, 0.2, up=2, down=4), 8)
    assert got == pytest.approx([0.2, 0.6, 1.0, 0.8, 0.6, 0.4, 0.2, 0.6])
    halved = rates(optim.Cyclic(1.0, 0.2, up=1, mode="triangular2"), 6)
    assert halved == pytest.approx([0.2, 1.0, 0.2, 0.6, 0.2, 0.4])
    falling = optim.Cyclic(1.0, 0.0, up="1 epoch", mode="exponential", gamma=0.5)
    assert rates(falling, 4, per_epoch=1) == pytest.approx([0, 0.5, 0, 0.125])


EXAMPLES = {
    "constant": 0.1,
    "step": {"initial": 0.1, "every": "5 epochs"},
    "exponential": 0.1,
    "cosine": {"peak": 0.1, "warmup": "5 %"},
    "linear_warmup": {"peak": {"cosine": 0.1}, "warmup": "1 epoch"},
    "plateau": {"initial": 0.1, "patience": 3},
    "one_cycle": {"peak": 0.1, "anneal": "linear", "three_phases": True},
    "cyclic": {"peak": 0.1, "low": 0.01, "up": "1 epoch", "down": "50 %"},
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_is_dumped_builds_the_same(name: str) -> None:
    assert set(EXAMPLES) == set(registered(optim.Schedule))
    made = build(optim.Schedule, {name: EXAMPLES[name]}, (), [])
    assert build(optim.Schedule, dump(made), (), []) == made


def test_spans_are_read() -> None:
    assert optim.Cosine(1.0, warmup="5 %").warmup == Span(5, "%")
