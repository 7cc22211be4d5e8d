"""What the boxes and arrows of a picture say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import nettrain as nt
from nettrain.errors import Error
from nettrain.explore import Evaluation, evaluate, evaluate_network, expression
from nettrain.graph import leaf
from nettrain.nn import (
    Activation,
    CrossEntropy,
    Dense,
    ReLU,
    Sequential,
    Sigmoid,
    Trace,
    initial_values,
)
from nettrain.nn.combine import Branch, Residual, Reuse, Slice
from nettrain.nn.embedding import Embedding
from nettrain.nn.layer import Layer
from nettrain.nn.positional import Positional
from nettrain.nn.recurrent import RNN
from nettrain.show.condense import condensed, folded, merged
from nettrain.show.drawing import Box, Drawing
from nettrain.show.layout import layout


def boxes(drawing: Drawing) -> dict[str, Box]:
    return {box.id: box for box in drawing.boxes}


def labels(drawing: Drawing) -> dict[tuple[str, str], str]:
    return {(arrow.source, arrow.target): arrow.label for arrow in drawing.arrows}


def test_the_article() -> None:
    e = expression("q = x + y; f = q * z", {"x": 2, "y": 3, "z": -4})
    drawing = e.drawing()
    found = {b.id: (b.label, b.value, b.gradient, b.kind) for b in drawing.boxes}
    assert found == {
        "x": ("x", "2", "-4", "input"),
        "y": ("y", "3", "-4", "input"),
        "q": ("q = x + y", "5", "-4", "operation"),
        "z": ("z", "-4", "5", "input"),
        "f": ("f = q * z", "-20", "1", "operation"),
    }
    assert labels(drawing) == {
        ("x", "q"): "∂q/∂x = 1",
        ("y", "q"): "∂q/∂y = 1",
        ("q", "f"): "∂f/∂q = z = -4",
        ("z", "f"): "∂f/∂z = q = 5",
    }
    assert drawing.title == "q = x + y; f = q * z"
    assert [step.text for step in drawing.steps] == e.steps()
    told = [(step.phase, step.box, step.result) for step in drawing.steps]
    assert told[:3] == [
        ("forward", "q", "5"),
        ("forward", "f", "-20"),
        ("backward", "f", "1"),
    ]
    assert {step.box: step.result for step in drawing.steps[2:]} == {
        name: gradient for name, (_, _, gradient, _) in found.items()
    }


def test_numbers_stand_in_labels_and_weights_look_different() -> None:
    drawing = expression("y = 2 * w + x", {"w": 1, "x": 3}).drawing()
    found = boxes(drawing)
    assert list(found) == ["w", "2 * w", "x", "y"]
    assert (found["w"].kind, found["x"].kind) == ("parameter", "input")


def test_long_formulas_move_below_the_label() -> None:
    text = "result = first * second + third * fourth"
    at = {"first": 1, "second": 2, "third": 3, "fourth": 4}
    box = boxes(expression(text, at).drawing())["result"]
    assert box.label == "result"
    assert box.detail_lines == ["first * second + third * fourth"]


def test_arrays_show_shape_and_summary() -> None:
    x = nt.variables("x", shape=(2, 3))
    drawing = evaluate(nt.sum(x), {x: np.full((2, 3), 0.5)}).drawing()
    box = boxes(drawing)["x"]
    assert (box.value, box.gradient, box.detail_lines) == (
        "rms 0.5",
        "rms 1",
        ["2 × 3"],
    )
    assert labels(drawing) == {("x", "sum(x)"): ""}


def test_a_node_that_is_used_twice_has_two_arrows() -> None:
    drawing = expression("f = x * x", {"x": 3}).drawing()
    assert [a.label for a in drawing.arrows] == ["∂f/∂x = x = 3"] * 2


def test_origins_are_those_of_the_source() -> None:
    x = nt.variables("x")
    found = boxes(evaluate(nt.exp(x), {x: 1}).drawing())
    assert all(Path(__file__).name in box.origin for box in found.values())


@pytest.mark.parametrize("ending", ["svg", "html", "dot", "png"])
def test_files(tmp_path: Path, ending: str) -> None:
    e = expression("f = (x + y) * z", {"x": 2, "y": 3, "z": -4})
    path = tmp_path / f"f.{ending}"
    e.draw(path)
    assert path.stat().st_size > 500


def test_another_ending_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Error, match="pdf"):
        expression("f = x * x", {"x": 3}).draw(tmp_path / "f.pdf")


def perceptron(hidden: int = 2, activation: Activation | None = None) -> Evaluation:
    """A traced network with its cost, on one batch of eight rows."""
    layers = [Dense(6, activation or ReLU()) for _ in range(hidden)]
    model = Sequential([*layers, Dense(3)])
    origins = {"model/dense1": "configs/mlp.yaml:14"}
    trace = Trace(training=True, seed=0, origins=origins)
    x = leaf("input", "inputs", (8, 4), "float32")
    t = leaf("input", "targets", (8,), "int64")
    cost = CrossEntropy().cost(trace.call(model, x, "model"), t)
    random = np.random.default_rng(0)
    batch = {x: random.normal(size=(8, 4)), t: random.integers(0, 3, 8)}
    return evaluate_network(cost, batch, initial_values(trace, 0), title="mlp")


def test_a_network_has_scopes_roles_and_origins() -> None:
    found = boxes(perceptron().drawing())
    weight = found["model/dense1/weight"]
    assert (weight.label, weight.scope) == ("weight", "model/dense1")
    assert (weight.kind, weight.detail_lines) == ("parameter", ["4 × 6"])
    assert weight.origin == "configs/mlp.yaml:14"
    hidden = found["model/dense1/activation"]
    assert (hidden.kind, hidden.detail_lines) == ("activation", ["relu · 8 × 6"])
    assert (found["cost"].kind, found["cost"].scope) == ("cost", "cost")
    assert found["inputs"].scope == ""
    assert found["log1"].scope == "cost"


def test_operations_of_a_network_are_numbered() -> None:
    nodes = perceptron().to_json()["nodes"]
    assert nodes["matmul1"]["inputs"] == ["inputs", "model/dense1/weight"]
    assert nodes["model/dense2/pre_activation"]["inputs"] == [
        "matmul2",
        "model/dense2/bias",
    ]
    assert nodes["targets"]["gradient"] == 0.0


def test_no_gradient_graph_and_no_table_is_drawn() -> None:
    e = perceptron()
    assert all(node.adjoint_of is None for node in e.nodes)
    assert not [box for box in e.drawing().boxes if box.kind == "constant"]


def test_health_falls_where_gradients_vanish() -> None:
    found = boxes(perceptron(10, Sigmoid()).drawing())
    health = [found[f"model/dense{i}/pre_activation"].health for i in (1, 6, 11)]
    assert health[0] == pytest.approx(0.0, abs=0.1)
    assert 0.2 < (health[1] or 0.0) < 0.8
    assert health[2] == 1.0


def test_health_is_said_only_where_a_gradient_goes_on() -> None:
    found = boxes(perceptron().drawing())
    for name in ("targets", "stop_gradient1", "cast1"):
        assert (found[name].health, found[name].gradient) == (None, None)
    assert found["inputs"].health is not None
    x = nt.variables("x")
    with nt.scope("layer"):
        y = x * nt.exp(nt.stop_gradient(x))
    found = boxes(evaluate(y, {x: 1}).drawing())
    assert found["exp1"].health is None
    assert found["multiply1"].health == 1.0


def test_zero_has_no_sign() -> None:
    assert boxes(expression("f = -x", {"x": 0}).drawing())["f"].value == "0"


def test_the_steps_take_the_rate_and_can_be_left_out() -> None:
    e = expression("f = w * x", {"w": 2, "x": 3})
    step = e.drawing(rate=0.5).steps[-1]
    assert (step.phase, step.box, step.result) == ("update", "w", "0.5")
    assert not e.drawing(rate=None).steps


def test_a_box_knows_its_facts() -> None:
    e = expression("f = sum(x)", {"x": [3, 4]})
    facts = {box.id: box.facts for box in e.drawing().boxes}
    assert facts == e.to_json()["nodes"]


def shared(layers: list[Layer], shape: tuple[int, ...]) -> Drawing:
    """The sum of what the layers make of whole numbers."""
    trace = Trace(training=True, seed=0)
    x = leaf("input", "inputs", shape, "float32")
    y = trace.call(Sequential(layers), x, "model")
    cost = nt.sum(y).named("loss", role="cost")
    batch = {x: np.random.default_rng(0).integers(0, 4, shape)}
    return evaluate_network(cost, batch, initial_values(trace, 0)).drawing(None)


def users(drawing: Drawing, source: str) -> list[str]:
    return [arrow.target for arrow in drawing.arrows if arrow.source == source]


def test_a_layer_that_is_called_twice_has_one_box_for_its_weights() -> None:
    """`reuse` in a row, and in a siamese pair."""
    row = shared([Dense(4), ReLU(), Reuse("dense1")], (3, 4))
    paths: list[list[Layer]] = [
        [Slice(stop=2), Dense(4)],
        [Slice(start=2), Reuse("branch1/1/dense1")],
    ]
    pair = shared([Branch(paths)], (3, 4))
    for drawing, layer in ((row, "model/dense1"), (pair, "model/branch1/1/dense1")):
        for name in ("weight", "bias"):
            same = [box.id for box in drawing.boxes if box.label == name]
            assert same == [f"{layer}/{name}"]
            assert len(set(users(drawing, same[0]))) == 2
        for picture in (drawing, condensed(drawing)):
            layout(picture)


def test_a_tied_weight_is_one_box_that_both_layers_use() -> None:
    layers = [Embedding(5, vocabulary=4), Dense(4, tie="embedding1")]
    drawing = shared(list(layers), (3, 2))
    weights = [box.id for box in drawing.boxes if box.label == "weight"]
    assert weights == ["model/embedding1/weight"]
    scopes = {box.id: box.scope for box in drawing.boxes}
    found = {scopes[target] for target in users(drawing, weights[0])}
    assert found == {"model/embedding1", "model/dense1"}
    few = folded(drawing, 0, 6)
    assert ("▸ model/embedding1", "▸ model/dense1") in labels(few)


def test_blocks_that_share_their_weights_are_drawn_with_one_box_of_them() -> None:
    drawing = shared([Residual([Dense(4)]), Reuse("residual1")], (3, 4))
    once = merged(drawing)
    assert [box.label for box in once.boxes].count("weight") == 1
    layout(once)


def test_what_is_made_of_tables_alone_is_not_drawn() -> None:
    """Not the number that a memory begins with, nor angles of a position."""
    found = shared([Embedding(4, vocabulary=4), Positional(), RNN(4)], (3, 2))
    assert not [box for box in found.boxes if box.label == "broadcast_to"]
    assert [box for box in found.boxes if box.scope == "model/positional1"]
