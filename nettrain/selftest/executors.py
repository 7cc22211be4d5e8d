"""Executors against the reference, on this machine's own kernels.

`reference` defines what is correct. Another executor gives the same bits where it runs
the same kernels in the same order; sums and products that it may order otherwise, and
whole training steps made of them, agree within a tolerance that is stated here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nettrain.execute import (
    EXECUTORS,
    Definition,
    Executor,
    State,
    cut,
    executor,
)
from nettrain.execute.reference import Reference
from nettrain.graph import Node
from nettrain.selftest.programs import cases, mlp
from nettrain.selftest.random_programs import drawn
from nettrain.selftest.score import Score, Tally

Values = Mapping[str, np.ndarray]
Inputs = Mapping[Node, np.ndarray]

REORDERED = 1e-9
"""Tolerance for random programs of float64 sums and products, in another order."""

TRAINED = {"float64": 1e-12, "float32": 2e-5}
"""Tolerance after a few training steps."""


# ---------------------------------------------------------------- comparing


@dataclass
class Run:
    """What one run of a program left."""

    outputs: dict[str, np.ndarray]
    committed: bool
    state: dict[str, np.ndarray]


def run(
    executor: Executor,
    definition: Definition,
    values: Values,
    feeds: Iterable[Inputs],
    state: State | None = None,
) -> list[Run]:
    """The program once for each feed, on one state, which is made if none is given."""
    if state is None:
        state = executor.allocate(definition, values)
    program = executor.program(definition, state)
    runs = []
    for feed in feeds:
        result = program(feed)
        outputs = {name: np.array(value) for name, value in result.outputs.items()}
        runs.append(Run(outputs, result.committed, state.snapshot()))
    return runs


def difference(found: Sequence[Run], wanted: Sequence[Run], rtol: float = 0.0) -> str:
    """The first thing in which runs differ, or nothing.

    Args:
        found, wanted: as many of the one as of the other.
        rtol: tolerance, relative and absolute; 0 asks for the same bits, though any
            NaN is as good as another.
    """
    for number, (one, other) in enumerate(zip(found, wanted, strict=True), 1):
        if one.committed != other.committed:
            return f"run {number}: committed {one.committed}, not {other.committed}"
        for mine, others in ((one.outputs, other.outputs), (one.state, other.state)):
            if list(mine) != list(others):
                return f"run {number}: {list(mine)}, not {list(others)}"
            for name, value in others.items():
                if told := _unlike(mine[name], value, rtol):
                    return f"run {number}, {name}: {told}"
    return ""


def _unlike(found: np.ndarray, wanted: np.ndarray, rtol: float) -> str:
    if (found.dtype, found.shape) != (wanted.dtype, wanted.shape):
        return f"{found.dtype}{found.shape}, not {wanted.dtype}{wanted.shape}"
    if rtol:
        wrong = ~np.isclose(found, wanted, rtol, rtol, equal_nan=True)
    else:
        both_nan = (found != found) & (wanted != wanted)
        wrong = ~both_nan & (
            (found != wanted) | (np.signbit(found) != np.signbit(wanted))
            if found.dtype.kind == "f"
            else found != wanted
        )
    if not wrong.any():
        return ""
    first = tuple(map(int, np.argwhere(wrong)[0]))
    return (
        f"{int(wrong.sum())} of {found.size} elements differ, first {list(first)}: "
        f"{found[first]!r}, not {wanted[first]!r}"
    )


def disagreement(
    tried: Executor,
    definition: Definition,
    values: Values,
    feeds: Sequence[Inputs],
    rtol: float = 0.0,
) -> str:
    """How an executor differs from the reference, on its own state and on the other's;
    or nothing."""
    reference = Reference()
    wanted = run(reference, definition, values, feeds)
    if told := difference(run(tried, definition, values, feeds), wanted, rtol):
        return told
    for one, other in ((reference, tried), (tried, reference)):
        state = one.allocate(definition, values)
        runs = run(other, definition, values, feeds, state)
        if told := difference(runs, wanted, rtol):
            return f"{other.name} on a state of {one.name}: {told}"
    return ""


# ---------------------------------------------------------------- the promises


def agreement(programs: int = 100, steps: int = 8) -> Score:
    """Every executor beside the reference, on this machine.

    Args:
        programs: random programs, as many exact ones as others.
        steps: training steps.
    """
    tally = Tally("executors agree with the reference")
    for name in EXECUTORS:
        if name != Reference.name:
            tried = executor(name)
            operations(tried, tally)
            random_programs(tried, tally, programs)
            training(tried, tally, steps)
            cut_steps(tried, tally, steps)
    return tally.score()


def operations(tried: Executor, tally: Tally) -> None:
    """Value and gradient of every operation on every sample."""
    for case in cases():
        definition, feed = case.definition()
        told = disagreement(tried, definition, {}, [feed, feed], case.tolerance)
        tally.add(told and f"{tried.name}, {case.name}: {told}")


def random_programs(tried: Executor, tally: Tally, count: int) -> None:
    """Programs of operations whose order matters not, bit for bit, and of others."""
    for seed in range(count):
        definition, values, feeds = drawn(seed, exact=True)
        # A summary is the one operation here that is made by another formula.
        watched = {k: v for k, v in definition.observers.items() if k != "seen"}
        exact = replace(definition, observers=watched)
        told = disagreement(tried, exact, values, feeds)
        tally.add(told and f"{tried.name}, exact program {seed}: {told}")
        told = disagreement(tried, *drawn(seed, exact=False), REORDERED)
        tally.add(told and f"{tried.name}, program {seed}: {told}")


def training(tried: Executor, tally: Tally, steps: int) -> None:
    """Training steps, one of them with an infinity in its batch."""
    for dtype, rtol in TRAINED.items():
        for clip in (False, True):
            network = mlp(dtype, clip)
            feeds = [network.feed(i, bad=i == 3) for i in range(1, steps + 1)]
            definition, values = network.definition, network.values
            told = disagreement(tried, definition, values, feeds, rtol)
            tally.add(told and f"{tried.name}, training in {dtype}: {told}")


def cut_steps(tried: Executor, tally: Tally, steps: int) -> None:
    """Measured, then updated, is the step bit for bit."""
    for dtype in TRAINED:
        for clip in (False, True):
            told = difference_when_cut(tried, dtype, clip, steps)
            tally.add(told and f"{tried.name}, cut step in {dtype}: {told}")


def difference_when_cut(tried: Executor, dtype: str, clip: bool, steps: int) -> str:
    """How measure and update, one after the other, differ from the whole step."""
    network = mlp(dtype, clip)
    step = network.definition
    at = {f"gradient of {p.path}": g for p, g in network.pairs.items()}
    at |= {"the cost": step.guards[0]}
    measure, update = cut(step, at)
    feeds = [network.feed(i) for i in range(1, steps + 1)]
    whole = run(tried, step, network.values, feeds)
    state = tried.allocate(step, network.values)
    leaves = {node.path: node for node in update.leaves("input")}
    halves = []
    for feed in feeds:
        (measured,) = run(tried, measure, {}, [feed], state)
        given = {node: value for node, value in feed.items() if node.path in leaves}
        given |= {leaves[name]: measured.outputs[name] for name in at}
        (updated,) = run(tried, update, {}, [given], state)
        outputs = {name: measured.outputs[name] for name in step.outputs}
        halves.append(Run(outputs, updated.committed, updated.state))
    return difference(halves, whole)
