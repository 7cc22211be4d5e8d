"""Random programs: shared nodes, views of views, dying operands, state, observers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nettrain.execute import Definition, layout
from nettrain.execute.plan import Numpy
from nettrain.selftest.random_programs import program

quick = settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
STEPS = st.lists(
    st.tuples(*[st.integers(0, 999)] * 4), min_size=3, max_size=24, unique=True
)
PICKS = st.lists(st.integers(0, 999), min_size=4, max_size=10)


@given(STEPS, PICKS)
@quick
def test_exact_operations_have_the_bits_of_the_reference(
    check: Callable[..., Any], steps: Any, picks: Any
) -> None:
    definition, values, feeds = program(steps, picks, exact=True)
    summary = {"seen": definition.observers["seen"]}
    rest = {k: v for k, v in definition.observers.items() if k not in summary}
    bitwise = Definition(
        definition.outputs, definition.updates, definition.guards, rest
    )
    check(bitwise, values, feeds)
    check(definition, values, feeds, 1e-9)


@given(STEPS, PICKS)
@quick
def test_sums_and_products_agree_with_the_reference(
    check: Callable[..., Any], steps: Any, picks: Any
) -> None:
    check(*program(steps, picks, exact=False), rtol=1e-9)


@given(STEPS, PICKS)
@quick
def test_observers_change_no_bit(
    run: Callable[..., Any], compare: Callable[..., Any], steps: Any, picks: Any
) -> None:
    observed, values, feeds = program(steps, picks, exact=False)
    plain = replace(observed, observers={})
    found = run(Numpy(poison=True), observed, values, feeds)
    wanted = run(Numpy(poison=True), plain, values, feeds)
    for one, other in zip(found, wanted, strict=True):
        one.outputs = {name: one.outputs[name] for name in other.outputs}
        one.state = {path: one.state[path] for path in other.state}
    compare(found, wanted)


@given(STEPS, PICKS)
@settings(quick, max_examples=60)
def test_blocks_change_no_bit(
    run: Callable[..., Any], compare: Callable[..., Any], steps: Any, picks: Any
) -> None:
    definition, values, feeds = program(steps, picks, exact=False)
    whole = run(Numpy(poison=True), definition, values, feeds)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "BLOCK", 5)
        compare(run(Numpy(poison=True), definition, values, feeds), whole)
