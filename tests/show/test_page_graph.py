"""The graph on a page: what is written of its nodes, moments and steps."""

from __future__ import annotations

import pytest

from nettrain.show.drawing import Box, Drawing
from nettrain.show.page import graph_page
from nettrain.show.page.graph import graph_data, unfolded
from nettrain.show.page.recorded import _NUMBERS, recorded

from .pictures import article, blocks, network, statistics
from .test_page import Parts


def test_scopes_are_unfolded_down_to_layers_while_few_are_seen() -> None:
    assert unfolded(network().boxes) == ["model"]  # `cost` has operations of its own
    assert unfolded(network(range(400)).boxes) == []
    inner = [Box(f"{i}", "n", scope=f"model/repeat/{i}/dense") for i in range(3)]
    below = ["model", "model/repeat", *(f"model/repeat/{i}" for i in range(3))]
    assert unfolded(inner) == below


def test_a_scope_has_the_colour_of_its_pre_activations() -> None:
    boxes = [
        Box("w", "weight", scope="model/dense1", health=1.0, origin="x/c.yaml:7"),
        Box("z", "pre_activation", scope="model/dense1", health=0.1),
        Box("l", "loss", scope="loss", health=0.5),
        Box("t", "targets"),
    ]
    scopes = graph_data(Drawing(boxes))["scopes"]
    assert scopes["model/dense1"] == {"count": 2, "origin": "c.yaml:7", "colour": [1]}
    assert scopes["model"]["colour"] == [1]
    assert scopes["loss"]["colour"] == [2]
    assert set(scopes) == {"model", "model/dense1", "loss"}


def named(*ids: str) -> list[Box]:
    return [Box(id_, "n") for id_ in ids]


def test_statistics_stand_at_their_nodes_and_moments() -> None:
    found = recorded(statistics(), named("model/dense1/pre_activation", "unknown"))
    assert found["moments"][:3] == [[1, 1], [2, 1], [10, 1]]
    (node,) = found["statistics"]
    rms = found["statistics"][node]["gradient_rms"]
    assert rms[0] == pytest.approx(0.1 * 0.8**2, rel=1e-3)
    assert rms[2] == pytest.approx(0.1 * 0.8**2 / 10, rel=1e-3)
    assert "update_ratio" not in found["statistics"][node]  # an activation has none


def test_health_over_time_is_against_the_output() -> None:
    columns = statistics(decay=1e-4)
    nodes = [f"model/dense{i}/pre_activation" for i in (1, 2, 3)]
    healths = recorded(columns, named(*nodes))["healths_then"]
    assert [healths[node][0] for node in nodes] == [0, 1, 4]  # 1e-8, 1e-4, 1


def test_what_stands_in_a_loop_has_its_time_steps_together() -> None:
    columns = statistics(layers=12, decay=0.5)
    steps = [f"model/dense{i}/pre_activation" for i in range(1, 12)]
    output = "model/dense12/pre_activation"
    boxes = [Box("scan/z", "z", records=[*steps, "not recorded"]), *named(output)]
    found = recorded(columns, boxes)
    weakest = 0.1 * 0.5**11
    together = found["statistics"]["scan/z"]
    assert together["gradient_rms"][0] == pytest.approx(weakest, rel=1e-3)
    assert together["value_std"][0] == 1.0
    assert (together["value_max"][0], together["value_min"][0]) == (4.0, 0.0)
    assert together["value_zero"][0] == pytest.approx(0.5)  # 0.0 to 1.0
    assert found["healths_then"]["scan/z"][0] == 2  # 2 ** -11
    told = found["time_steps"]["scan/z"]
    assert told[0] == steps[0] and told[-1] == steps[-1] and len(told) == 8
    assert set(found["statistics"]) == {"scan/z", output, *told}


def test_a_time_step_without_gradient_is_no_weakest_one() -> None:
    columns = statistics()
    first = columns["node"] == "model/dense1/pre_activation"
    columns["gradient_rms"][first] = 0.0
    steps = [f"model/dense{i}/pre_activation" for i in (1, 2)]
    for records, rms in ((steps, 0.08), (steps[:1], 0.0)):
        found = recorded(columns, [Box("z", "z", records=records)])
        assert found["statistics"]["z"]["gradient_rms"][0] == pytest.approx(rms)


def test_repeated_blocks_are_told_once_beside_the_whole() -> None:
    data = graph_data(blocks(3, [0.9, 0.2, 0.9]), statistics())
    once, ids = data["once"], [node["id"] for node in data["nodes"]]
    assert once["hidden"] == ["model/block1", "model/block3"]
    said = "×3, the one with the weakest gradient at the end"
    assert once["notes"] == {"model/block2": said}
    assert once["open"] == ["model", "model/block2"]
    pairs = {(ids[a], ids[b]) for a, b, _ in once["arrows"]}
    assert ("x", "model/block2/a/tanh") in pairs
    assert len(data["arrows"]) == 3 * len(pairs)
    assert graph_data(network())["once"] is None
    assert 'id="once"' in graph_page(blocks(2))
    assert 'id="once"' not in graph_page(network())


def test_many_statistics_are_thinned_to_what_a_page_can_hold() -> None:
    columns = statistics(layers=50, epochs=300)
    nodes = sorted(set(columns["node"].tolist()))
    found = recorded(columns, named(*nodes))
    count = sum(len(v) for of in found["statistics"].values() for v in of.values())
    assert len(found["moments"]) < 300
    assert count <= _NUMBERS
    assert found["moments"][0] == [1, 1]
    assert found["moments"][-1] == [3000, 300]


def test_every_node_is_in_the_list_with_its_numbers() -> None:
    parts = Parts(graph_page(article()))
    numbers = [a["data-node"] for _, a in parts.elements if "data-node" in a]
    assert numbers == ["0", "1", "2", "3", "4"]
    said = parts.said.replace(" ,", ",")
    assert "operation, x + y, value 5, gradient -4, from x, y" in said
    listed = Parts(graph_page(network())).said
    assert "dense2 (5 nodes)" in listed
    deep = Parts(graph_page(blocks(3, [0.9, 0.2, 0.9]))).said
    assert "block2 (5 nodes, ×3, the one with the weakest gradient)" in deep
    assert "block1 (5 nodes)" in deep


def test_steps_are_listed_by_phase() -> None:
    parts = Parts(graph_page(article()))
    numbers = [a["data-step"] for _, a in parts.elements if "data-step" in a]
    assert numbers == ["1", "2", "3"]
    boxes = [step["box"] for step in parts.data["graph"]["steps"]]
    assert boxes == ["q", "x", "z"]
    without = Parts(graph_page(network()))
    assert not [a for _, a in without.elements if a.get("id") == "next"]


def test_an_empty_graph_is_a_page() -> None:
    assert Parts(graph_page(Drawing([]))).data["graph"]["nodes"] == []
