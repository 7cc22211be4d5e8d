"""Repeated blocks are drawn once, and what is too much for a page is folded."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings

from nettrain.show.condense import FEW, MOST, condensed, folded, merged
from nettrain.show.drawing import Arrow, Box, Drawing
from nettrain.show.graph import plain_svg, render, svg
from nettrain.show.layout import layout

from .pictures import blocks, loop, network, texts
from .test_layout import check, drawings, loops


def ids(drawing: Drawing) -> list[str]:
    return [box.id for box in drawing.boxes]


def pairs(drawing: Drawing) -> list[tuple[str, str]]:
    return [(arrow.source, arrow.target) for arrow in drawing.arrows]


def test_blocks_in_a_row_are_drawn_once() -> None:
    drawing = merged(blocks(8))
    one = blocks(1)
    assert ids(drawing) == ids(one)
    assert pairs(drawing) == pairs(one)
    assert drawing.notes == {"model/block1": "×8"}
    assert "block1 ×8" in texts(svg(blocks(8)))
    assert "block1 ×8" in render(blocks(8), ".dot").decode()


def test_the_one_with_the_weakest_gradient_is_shown_and_said_to_be() -> None:
    drawing = merged(blocks(4, [0.9, 0.7, 0.2, 0.8]))
    assert {box.scope.split("/")[1] for box in drawing.boxes[1:]} == {"block3"}
    assert {box.health for box in drawing.boxes if "tanh" in box.id} == {0.2}
    said = "×4, the one with the weakest gradient"
    assert drawing.notes == {"model/block3": said}
    entering = [(a, b) for a, b in pairs(drawing) if "block3" not in a]
    assert entering == [
        ("x", "model/block3/a/tanh"),
        ("x", "model/block3/add"),
    ]


def test_what_comes_before_and_after_stays_joined() -> None:
    drawing = blocks(3)
    boxes = [*drawing.boxes, Box("after", "after"), Box("penalty", "square")]
    arrows = [
        *drawing.arrows,
        Arrow("model/block3/add", "after"),
        Arrow("model/block2/a/weight", "penalty"),
        Arrow("after", "penalty"),
    ]
    found = merged(Drawing(boxes, arrows))
    assert pairs(found)[-3:] == [
        ("model/block1/add", "after"),
        ("model/block1/a/weight", "penalty"),
        ("after", "penalty"),
    ]
    check(found, layout(found))


def test_a_node_given_to_all_blocks_is_given_to_the_one() -> None:
    drawing = blocks(3)
    masks = [Arrow("mask", f"model/block{i}/a/tanh") for i in (1, 2, 3)]
    boxes = [Box("mask", "mask"), *drawing.boxes]
    found = merged(Drawing(boxes, [*drawing.arrows, *masks]))
    assert len(found.boxes) == 7
    assert pairs(found).count(("mask", "model/block1/a/tanh")) == 1


@pytest.mark.parametrize("kind", ["label", "scope", "arrow", "between", "input"])
def test_blocks_that_differ_are_drawn_apart(kind: str) -> None:
    drawing = blocks(2)
    boxes, arrows = list(drawing.boxes), list(drawing.arrows)
    at = next(i for i, box in enumerate(boxes) if box.id == "model/block2/b/tanh")
    if kind == "label":
        boxes[at] = replace(boxes[at], label="relu")
    elif kind == "scope":
        boxes[at] = replace(boxes[at], scope="model/block2/c")
    elif kind == "arrow":
        arrows.append(Arrow("model/block2/a/weight", "model/block2/b/tanh"))
    elif kind == "between":
        boxes.append(Box("between", "between", scope="model"))
        arrows = [
            replace(a, source="between")
            if (a.source, a.target[:12]) == ("model/block1/add", "model/block2")
            else a
            for a in arrows
        ]
        arrows.append(Arrow("model/block1/add", "between"))
    else:
        boxes.append(Box("other", "other"))
        arrows.append(Arrow("other", "model/block2/add"))
    given = Drawing(boxes, arrows)
    assert merged(given) == given


def test_blocks_that_are_joined_or_fed_differently_are_drawn_apart() -> None:
    drawing = blocks(3)
    crossed = [
        replace(a, source="model/block2/b/tanh")
        if a == Arrow("model/block2/add", "model/block3/a/tanh")
        else a
        for a in drawing.arrows
    ]
    assert len(merged(replace(drawing, arrows=crossed)).notes) == 1  # the first two
    assert len(merged(replace(drawing, arrows=crossed)).boxes) == 11
    masks = [Box(f"mask{i}", "mask") for i in (1, 2)]
    fed = [Arrow(f"mask{i}", f"model/block{i}/add") for i in (1, 2)]
    two = blocks(2)
    given = Drawing([*masks, *two.boxes], [*two.arrows, *fed])
    assert merged(given) == given


def test_blocks_side_by_side_and_plain_layers_stay() -> None:
    """Where gradients vanish from layer to layer, one can see it."""
    row = network([8] * 6)
    assert merged(row) == row
    drawing = blocks(2)
    aside = [
        replace(a, source="x") if a.source == "model/block1/add" else a
        for a in drawing.arrows
    ]
    assert merged(Drawing(drawing.boxes, aside)).notes == {}


def test_a_small_network_is_drawn_whole() -> None:
    drawing = network()
    assert condensed(drawing) == drawing
    assert condensed(loop()) == loop()


def test_of_a_large_one_layers_are_a_box_and_the_cost_is_folded_first() -> None:
    drawing = network(range(4, 4 + MOST // 5 - 1))
    assert len(drawing.boxes) <= MOST
    assert condensed(drawing) == drawing
    more = [Box(f"c{i}", "sum", scope="cost") for i in range(9)]
    found = condensed(replace(drawing, boxes=[*more, *drawing.boxes]))
    assert [box.id for box in found.boxes if box.kind == "layer"] == ["▸ cost"]
    found = condensed(network(range(4, 24)))
    layers = [box for box in found.boxes if box.kind == "layer"]
    assert [box.label for box in layers[:2]] == ["▸ dense1", "▸ dense2"]
    assert len(found.boxes) == 22 <= FEW
    assert {box.scope for box in layers} == {"model", ""}
    assert pairs(found)[:2] == [
        ("x", "▸ model/dense1"),
        ("▸ model/dense1", "▸ model/dense2"),
    ]


def test_a_folded_box_tells_size_shape_and_weakest_gradient() -> None:
    drawing = blocks(2, [0.9, 0.3])
    found = folded(drawing, 1, 2)
    (box,) = [box for box in found.boxes if box.kind == "layer"]
    assert (box.label, box.detail_lines) == ("▸ model", ["10 nodes"])
    assert (box.health, box.gradient) == (0.3, "0.3")
    found = folded(merged(drawing), 1, 3)
    assert [b.label for b in found.boxes if b.kind == "layer"] == ["▸ block2 ×2"]
    key = "gradient: vanished … healthy"
    assert f"{key} (▸: its weakest)" in texts(plain_svg(found))
    assert key in texts(plain_svg(merged(drawing)))
    found = folded(merged(drawing), 1, 100)
    told = {b.label: b.detail_lines for b in found.boxes if b.kind == "layer"}
    assert told == {"▸ a": ["2 nodes · 4 × 8"], "▸ b": ["2 nodes · 4 × 8"]}


def test_a_folded_loop_tells_what_goes_from_round_to_round() -> None:
    drawing = loop()
    healths = {"carry": 0.6, "add": 0.1, "last": 0.9}
    boxes = [
        replace(box, health=healths.get(box.id), gradient=box.id)
        for box in drawing.boxes
    ]
    found = folded(replace(drawing, boxes=boxes), 0, 0)
    (layer,) = (box for box in found.boxes if box.kind == "layer")
    assert (layer.health, layer.gradient) == (0.6, "carry")


def test_a_loop_is_opened_sooner_than_plain_layers() -> None:
    recurrent, chain = loop(), network([4] * 20)
    boxes = [
        *(box for box in recurrent.boxes if box.id not in ("cost", "x")),
        *chain.boxes,
    ]
    arrows = [a for a in recurrent.arrows if a.target != "cost"]
    found = condensed(Drawing(boxes, [*arrows, *chain.arrows]))
    assert {"carry", "add", "tanh", "last", "▸ model/dense1"} <= set(ids(found))


def test_a_scope_that_is_left_and_entered_again_stays_open() -> None:
    boxes = [
        Box("first", "matmul", scope="dense1"),
        Box("between", "tanh", scope="tanh1"),
        Box("second", "matmul", scope="dense1"),
        Box("end", "end", scope="last"),
    ]
    arrows = [Arrow("first", "between"), Arrow("between", "second")]
    found = folded(Drawing(boxes, [*arrows, Arrow("second", "end")]), 0, 0)
    assert ids(found) == ["first", "between", "second", "▸ last"]


@settings(max_examples=60, deadline=None)
@given(drawings() | loops())
def test_any_drawing_can_be_folded_and_laid_out(drawing: Drawing) -> None:
    for most in (0, 6, 12):
        found = folded(merged(drawing), most, most)
        check(found, layout(found), rows=True)
        assert len(found.boxes) <= len(drawing.boxes)


def test_a_thousand_blocks_are_merged_soon() -> None:
    found = merged(blocks(1000))
    assert len(found.boxes) == 6


def test_a_block_with_a_number_for_a_name_is_called_a_block() -> None:
    drawing = Drawing([], notes={"model/repeat1/2": "×2"})
    assert drawing.name("model/repeat1/2") == "block 2 ×2"
    assert drawing.name("model/branch1/1") == "1"
