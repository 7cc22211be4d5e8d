"""Loops in a picture: the body once, or the rounds one after the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from nettrain.explore import Evaluation, evaluate, evaluate_network
from nettrain.explore.loop import FIRST, LAST
from nettrain.graph import Node, leaf, variables
from nettrain.graph import operations as ops
from nettrain.graph.operations.scan import scan
from nettrain.nn import Trace, initial_values
from nettrain.nn.combine import Reuse, Sequential
from nettrain.nn.dense import Dense
from nettrain.nn.layer import Layer
from nettrain.nn.recurrent import GRU, LSTM, RNN
from nettrain.show.condense import condensed
from nettrain.show.drawing import Arrow, Box, Drawing
from nettrain.show.layout import layout


def network(layers: Sequence[Layer], steps: int = 9) -> Evaluation:
    """The sum of what the layers make of two sequences of three numbers a step."""
    trace = Trace(training=True, seed=0)
    x = leaf("input", "inputs", (2, steps, 3), "float32")
    y = trace.call(Sequential([*layers]), x, "model")
    cost = ops.sum(y).named("loss", role="cost")
    batch = {x: np.random.default_rng(0).normal(size=x.shape)}
    return evaluate_network(cost, batch, initial_values(trace, 0), title="loop")


def boxes(drawing: Drawing, scope: str) -> dict[str, Box]:
    return {
        box.id.rpartition("/")[2]: box for box in drawing.boxes if box.scope == scope
    }


def backs(drawing: Drawing) -> list[Arrow]:
    return [arrow for arrow in drawing.arrows if arrow.back]


def sources(drawing: Drawing, target: str) -> list[str]:
    return [arrow.source for arrow in drawing.arrows if arrow.target == target]


SCAN = "model/rnn1/scan1"


def test_a_recurrent_layer_is_a_frame_with_one_round_in_it() -> None:
    drawing = network([RNN(4)]).drawing(None)
    inside = boxes(drawing, SCAN)
    assert list(inside) == [
        "carry1",
        "slice1",
        "matmul1",
        "add1",
        "tanh1",
        "activation",
    ]
    kinds = [
        inside[name].kind for name in ("carry1", "slice1", "matmul1", "activation")
    ]
    assert kinds == ["state", "input", "operation", "activation"]
    assert drawing.notes == {SCAN: "· 9 time steps"}
    (back,) = backs(drawing)
    assert (back.source, back.target) == (f"{SCAN}/tanh1", f"{SCAN}/carry1")
    # Weights stand outside, once, with an arrow into the body.
    recurrent = "model/rnn1/recurrent"
    assert sources(drawing, f"{SCAN}/matmul1") == [f"{SCAN}/carry1", recurrent]
    assert [box.id for box in drawing.boxes].count(recurrent) == 1
    assert sources(drawing, "model/rnn1/activation") == [f"{SCAN}/tanh1"]
    assert inside["activation"].detail_lines == ["of step 9 · 2 × 4"]


def test_how_the_flat_value_is_cut_apart_is_not_shown() -> None:
    for layer in (RNN(4), LSTM(4, outputs="all"), GRU(4, direction="both")):
        e = network([layer])
        drawing = e.drawing(None)
        shown = {box.id for box in drawing.boxes}
        flat = {e.names[n] for n in e.nodes if n.kind == "scan"}
        flat |= {e.names[n] for n in e.nodes if n.inputs and n.inputs[0].kind == "scan"}
        assert flat
        assert flat.isdisjoint(shown)
        assert not any(box.label == "concat" for box in drawing.boxes)
        layout(drawing)


def test_all_outputs_of_an_lstm_and_its_two_memories() -> None:
    drawing = network([LSTM(4, outputs="all")]).drawing(None)
    inside = boxes(drawing, "model/lstm1/scan1")
    assert len(backs(drawing)) == 2
    stacked = [box for box in inside.values() if box.label == "all"]
    assert [box.detail_lines for box in stacked] == [["of all steps · 9 × 2 × 4"]]
    (activation,) = (a for a in drawing.arrows if a.target == "model/lstm1/activation")
    assert activation.source == stacked[0].id


def test_a_loop_backwards_in_time_says_so() -> None:
    drawing = network([GRU(4, direction="both")]).drawing(None)
    scopes = [f"model/gru1/{side}" for side in ("forward/scan1", "backward/scan2")]
    assert drawing.notes == {
        scopes[0]: "· 9 time steps",
        scopes[1]: "· 9 time steps, last to first",
    }
    carry = boxes(drawing, scopes[1])["carry1"]
    assert carry.detail_lines == ["from the step after · 2 × 4"]
    last = [box for box in boxes(drawing, scopes[1]).values() if box.label == "last"]
    assert last[0].detail_lines == ["of step 1 · 2 × 4"]


def test_numbers_go_from_the_least_to_the_largest_of_all_steps() -> None:
    e = network([RNN(4)])
    sequence = next(n for n in e.nodes if n.kind == "scan").inputs[1]
    each = [float(np.sqrt(np.mean(np.square(g)))) for g in e.gradient[sequence]]
    box = boxes(e.drawing(None), SCAN)["slice1"]
    assert box.gradient == f"rms {min(each):.3g} … {max(each):.3g}"
    assert box.health is not None
    carry = boxes(e.drawing(None), SCAN)["carry1"]
    assert carry.value is not None
    assert carry.value.startswith("rms 0 … ")


def test_the_colour_is_that_of_the_weakest_gradient() -> None:
    e = network([RNN(4), Dense(1)], steps=60)
    drawing, rounds = e.drawing(None), e.drawing(None, unroll=True)
    carry = boxes(drawing, SCAN)["carry1"]
    weakest = boxes(rounds, f"{SCAN}/t1")["matmul1"]
    strongest = boxes(rounds, f"{SCAN}/t60")["matmul1"]
    assert carry.health is not None
    assert weakest.health is not None
    assert strongest.health is not None
    assert carry.health == pytest.approx(weakest.health, abs=0.1)
    assert carry.health < strongest.health - 0.1


def test_a_gate_that_had_nothing_to_let_through_has_not_vanished() -> None:
    """The first memory is 0, and so is its gate's gradient in the first step."""
    inside = boxes(network([LSTM(4)]).drawing(None), "model/lstm1/scan1")
    zero = [b for b in inside.values() if (b.gradient or "").startswith("rms 0 …")]
    assert zero
    assert all((box.health or 0.0) > 0.1 for box in zero)


def test_unrolled_the_first_and_last_rounds_are_written_out() -> None:
    drawing = network([RNN(4)]).drawing(None, unroll=True)
    assert not backs(drawing)
    rounds = [f"t{t}" for t in (1, 2, 3, 8, 9)]
    assert len(rounds) == FIRST + LAST
    for t in rounds:
        assert list(boxes(drawing, f"{SCAN}/{t}")) == [
            *("slice1", "matmul1", "add1", "tanh1")
        ]
    assert not boxes(drawing, f"{SCAN}/t4")
    gap = boxes(drawing, SCAN)["…"]
    assert gap.detail_lines == ["4 more steps"]
    assert sources(drawing, gap.id) == [f"{SCAN}/t3/tanh1"]
    recurrent = "model/rnn1/recurrent"
    assert sources(drawing, f"{SCAN}/t8/matmul1") == [gap.id, recurrent]
    assert sources(drawing, f"{SCAN}/t9/matmul1") == [f"{SCAN}/t8/tanh1", recurrent]
    assert sources(drawing, "model/rnn1/activation") == [f"{SCAN}/t9/tanh1"]
    # One box of the weights, an arrow for every round.
    users = [a.target for a in drawing.arrows if a.source == recurrent]
    assert len(users) == 5
    layout(drawing)


def test_few_rounds_are_all_written_out_and_backwards_ones_in_their_order() -> None:
    drawing = network([RNN(4, direction="backward", outputs="all")], steps=5).drawing(
        None, unroll=True
    )
    assert "…" not in boxes(drawing, SCAN)
    assert sources(drawing, f"{SCAN}/t4/matmul1")[0] == f"{SCAN}/t5/tanh1"
    (stacked,) = (b for b in boxes(drawing, SCAN).values() if b.label == "all")
    assert sources(drawing, stacked.id) == [
        f"{SCAN}/t{t}/tanh1" for t in (5, 4, 3, 2, 1)
    ]
    six = network([RNN(4)], steps=6).drawing(None, unroll=True)
    assert boxes(six, f"{SCAN}/t4")


def test_truncated_stretches_are_loops_one_after_the_other() -> None:
    drawing = network([RNN(4, truncate=4)]).drawing(None)
    assert list(drawing.notes) == [f"model/rnn1/scan{i}" for i in (1, 2, 3)]
    layout(drawing)
    layout(condensed(drawing))


def test_a_loop_of_numbers_in_an_expression() -> None:
    start, x, w = variables("start"), variables("x", (3,)), variables("w")
    (total,), _ = scan(lambda c, s: ([c[0] + s[0] * w], []), [start], [x])
    e = evaluate(total * w, {start: 1, x: [1, 2, 3], w: 2})
    drawing = e.drawing()
    inside = boxes(drawing, next(iter(drawing.notes)))
    assert inside["slice1"].value == "1 … 3"
    assert inside["slice1"].gradient == "4"
    assert inside["carry1"].value == "1 … 7"
    layout(drawing)
    layout(e.drawing(unroll=True))


def test_a_loop_whose_flat_value_is_used_otherwise_is_one_box() -> None:
    start, x = variables("start", (2, 1)), variables("x", (3, 2, 1))
    (total,), _ = scan(lambda c, s: ([c[0] + s[0]], [c[0]]), [start], [x])
    (flat,) = total.inputs[0].inputs
    assert flat.kind == "scan"
    values = {start: [[1], [2]], x: np.ones((3, 2, 1))}
    drawing = evaluate(ops.sum(flat) + ops.sum(total), values).drawing()
    assert drawing.notes == {}
    assert [box.facts["op"] for box in drawing.boxes].count("scan") == 1


def test_the_json_has_the_nodes_of_the_graph_alone() -> None:
    e = network([RNN(4)])
    nodes = e.to_json()["nodes"]
    assert {"scan1", "slice1", "model/rnn1/activation"} <= nodes.keys()
    assert nodes["scan1"]["op"] == "scan"
    assert len(nodes) == len(e.nodes)


def recorded(drawing: Drawing) -> dict[str, list[str]]:
    return {box.id: [*box.records] for box in drawing.boxes if box.records}


def test_what_was_recorded_of_a_loop_is_its_pre_activations() -> None:
    """Under the names that statistics give the time steps of a layer."""
    evaluation = network([LSTM(4, outputs="all")])
    drawing = evaluation.drawing(None)
    z = boxes(drawing, "model/lstm1/scan1")["add1"]
    assert (z.label, z.detail_lines) == ("pre_activation", ["add · 2 × 16"])
    steps = [f"model/lstm1/t{t}/pre_activation" for t in range(1, 10)]
    assert recorded(drawing) == {z.id: steps}
    assert list(recorded(evaluation.drawing(None, unroll=True)).values()) == [
        [steps[i]] for i in (0, 1, 2, 7, 8)
    ]


def test_stretches_go_on_counting_time_steps() -> None:
    drawing = network([RNN(4, truncate=4)]).drawing(None, unroll=True)
    assert set(drawing.notes.values()) == {
        "· 4 time steps",
        "· 4 time steps from 5",
        "· 1 time steps from 9",
    }
    scopes = {box.scope for box in drawing.boxes}
    assert {"model/rnn1/scan2/t5", "model/rnn1/scan2/t8"} <= scopes
    told = [path for paths in recorded(drawing).values() for path in paths]
    assert told == [f"model/rnn1/t{t}/pre_activation" for t in range(1, 10)]


def test_a_second_call_of_a_layer_has_statistics_of_its_own() -> None:
    layers = [RNN(3, outputs="all"), Reuse("rnn1")]
    found = recorded(network(layers, 2).drawing(None))
    names = ("pre_activation", "pre_activation2")
    assert [*found.values()] == [
        [f"model/rnn1/t{t}/{name}" for t in (1, 2)] for name in names
    ]


def test_an_output_that_is_used_is_none_for_statistics() -> None:
    x = variables("x", shape=(3, 2))

    def step(
        memory: tuple[Node, ...], now: tuple[Node, ...]
    ) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
        new = memory[0] + now[0]
        return (new,), (ops.exp(new),)

    _, (found,) = scan(step, (x[0],), (x,))
    drawing = evaluate(ops.sum(found), {x: np.ones((3, 2))}).drawing()
    assert recorded(drawing) == {}
    assert "pre_activation" not in {box.label for box in drawing.boxes}
