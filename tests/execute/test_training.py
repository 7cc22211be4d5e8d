"""Whole steps of a small network, over several steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nettrain.execute import Definition, cut, layout
from nettrain.execute.plan import Numpy
from nettrain.execute.reference import Reference
from nettrain.graph import Node, leaf
from nettrain.graph import operations as ops

Feed = dict[Node, np.ndarray]


@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_training_agrees_with_the_reference(
    dtype: str, clip: bool, mlp: Callable[..., Any], check: Callable[..., Any]
) -> None:
    network = mlp(dtype, clip)
    feeds = [network.feed(step) for step in range(1, 9)]
    rtol = {"float64": 1e-12, "float32": 2e-5}[dtype]
    runs = check(network.definition, network.values, feeds, rtol)
    assert all(run.committed for run in runs)
    assert runs[-1].outputs["cost"] != runs[0].outputs["cost"]


@pytest.mark.parametrize("block", [layout.BLOCK, 8])
@pytest.mark.parametrize("clip", [False, True])
def test_measure_then_update_is_the_step_bit_for_bit(
    clip: bool, block: int, mlp: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "BLOCK", block)
    network = mlp("float32", clip)
    step, executor = network.definition, Numpy(poison=True)
    at = {f"gradient of {p.path}": g for p, g in network.pairs.items()}
    at |= {"the cost": step.guards[0]}
    measure, update = cut(step, at)
    assert not measure.updates and set(at) <= set(measure.outputs)
    whole, halves = (executor.allocate(step, network.values) for _ in range(2))
    fused = executor.program(step, whole)
    first, second = executor.program(measure, halves), executor.program(update, halves)
    leaves = {node.path: node for node in update.leaves("input")}
    assert set(at) < set(leaves)
    for i in range(1, 6):
        feed = network.feed(i)
        result = fused(feed)
        measured = first(feed).outputs
        np.testing.assert_array_equal(measured["cost"], result.outputs["cost"])
        np.testing.assert_array_equal(measured["norm"], result.outputs["norm"])
        names = {name: measured[name] for name in at}
        rest = {node: v for node, v in feed.items() if node.path in leaves}
        assert second({**rest, **{leaves[n]: v for n, v in names.items()}}).committed
        for path, array in whole.items():
            np.testing.assert_array_equal(halves[path], array, err_msg=path)


def test_an_update_cut_off_still_works_on_vectors(mlp: Callable[..., Any]) -> None:
    network = mlp()
    at = {p.path + "!": g for p, g in network.pairs.items()}
    _, update = cut(network.definition, {**at, "c": network.definition.guards[0]})
    wanted = Numpy().allocate(network.definition, network.values)
    assert (
        Numpy().allocate(update, network.values).vectors.keys() == wanted.vectors.keys()
    )


def test_a_cut_takes_every_node_though_one_is_made_of_another() -> None:
    network_input = ops.exp(ops.cast(_leaf("x"), "float64"))
    later = network_input * 2.0
    weight = _leaf("w", "parameter")
    definition = Definition({}, {weight: weight - later})
    _, update = cut(definition, {"a": network_input, "b": later})
    assert [n.path for n in update.leaves("input")] == ["b"]


def _leaf(name: str, kind: str = "input") -> Node:
    return leaf(kind, name, (2,), "float64")


def observers(network: Any) -> dict[str, Node]:
    """Statistics of values, gradients and of the old and new value of parameters."""
    found = {}
    for p, g in network.pairs.items():
        new = network.definition.updates[p]
        change = ops.sqrt(ops.sum_of_squares(new - p)) / ops.sqrt(ops.sum_of_squares(p))
        found |= {
            f"ratio {p.path}": change,
            f"gradient {p.path}": ops.summary(g),
            f"old {p.path}": p,
            f"new {p.path}": new,
            f"summary {p.path}": ops.summary(ops.transpose(p) if p.shape[1:] else p),
        }
    slots = [n for n in network.definition.updates if n.op.kind == "state"]
    return found | {f"slot {n.path}": network.definition.updates[n] - n for n in slots}


@pytest.mark.parametrize("block", [layout.BLOCK, 8])
def test_observers_change_no_bit_and_agree_with_the_reference(
    block: int,
    mlp: Callable[..., Any],
    run: Callable[..., Any],
    compare: Callable[..., Any],
    check: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(layout, "BLOCK", block)
    network = mlp(clip=True)
    plain = network.definition
    watched = replace(plain, observers=observers(network))
    feeds = [network.feed(i, bad=i == 3) for i in range(1, 6)]
    wanted = run(Numpy(poison=True), plain, network.values, feeds)
    found = run(Numpy(poison=True), watched, network.values, feeds)
    check(watched, network.values, feeds, 1e-9)
    for one in found:
        one.outputs = {name: one.outputs[name] for name in plain.outputs}
    compare(found, wanted)


def test_programs_share_a_state(mlp: Callable[..., Any]) -> None:
    """With and without statistics: what one leaves the next one takes."""
    network = mlp()
    executor = Numpy(poison=True)
    watched = replace(network.definition, observers=observers(network))
    alone, shared = (
        executor.allocate(network.definition, network.values) for _ in range(2)
    )
    one = executor.program(network.definition, alone)
    both = [executor.program(d, shared) for d in (network.definition, watched)]
    for i in range(1, 7):
        one(network.feed(i))
        both[i % 2](network.feed(i))
    for path, array in alone.items():
        np.testing.assert_array_equal(shared[path], array)


def test_the_reference_shows_every_node_to_a_check(mlp: Callable[..., Any]) -> None:
    network = mlp()
    program = Reference().program(
        network.definition, Reference().allocate(network.definition, network.values)
    )
    seen: list[Node] = []

    def check(node: Node, value: np.ndarray, inputs: list[np.ndarray]) -> None:
        assert np.shape(value) == node.shape and len(inputs) == len(node.inputs)
        assert set(node.inputs) <= set(seen)
        seen.append(node)

    program(network.feed(1), check)
    assert network.definition.guards[0] in seen
