"""Running one definition with several executors, and comparing bit by bit.

What compares, and what is compared, is what `nettrain selftest` does on any machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from nettrain.execute import Definition
from nettrain.execute.plan import Numpy
from nettrain.execute.reference import Reference
from nettrain.selftest import executors, programs
from nettrain.selftest.executors import Inputs, Run, Values, difference, disagreement


def compare(found: list[Run], wanted: list[Run], rtol: float = 0.0) -> None:
    assert not difference(found, wanted, rtol)


def check(
    definition: Definition,
    values: Values | None = None,
    feeds: Sequence[Inputs] = ({},),
    rtol: float = 0.0,
) -> list[Run]:
    """NumPy, on poisoned buffers, gives what the reference gives; on either's state."""
    values = values or {}
    assert not disagreement(Numpy(poison=True), definition, values, feeds, rtol)
    return executors.run(Reference(), definition, values, feeds)


@pytest.fixture(name="check")
def _check() -> Callable[..., list[Run]]:
    return check


@pytest.fixture(name="run")
def _run() -> Callable[..., list[Run]]:
    return executors.run


@pytest.fixture(name="compare")
def _compare() -> Callable[..., None]:
    return compare


@pytest.fixture(name="mlp")
def _mlp() -> Callable[..., programs.Mlp]:
    return programs.mlp
