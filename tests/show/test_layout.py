"""No box overlaps another, no arrow crosses a box, no foreign box lies in a group."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nettrain.show.drawing import SMALL, Arrow, Box, Drawing, text_width
from nettrain.show.layout import Layout, Rectangle, layout

from .pictures import article, blocks, loop, network

SCOPES = ["", "a", "b", "a/c", "a/d", "b/e", "a/c/f"]


@st.composite
def drawings(draw: st.DrawFn) -> Drawing:
    """Any acyclic graph, its scopes entered and left at will."""
    count = draw(st.integers(1, 22))
    boxes = [
        Box(
            f"n{i}",
            draw(st.sampled_from(["add", "a rather long label", "x"])),
            draw(st.lists(st.just("(32, 10)"), max_size=2)),
            draw(st.sampled_from(["input", "parameter", "operation"])),
            draw(st.sampled_from(SCOPES)),
        )
        for i in range(count)
    ]
    pairs = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1))
    arrows = [
        Arrow(
            f"n{min(pair)}", f"n{max(pair)}", draw(st.sampled_from(["", "∂q/∂x = 1"]))
        )
        for pair in draw(st.lists(pairs, max_size=40))
        if pair[0] != pair[1]
    ]
    order = draw(st.permutations(boxes))
    return Drawing(order, arrows)


@st.composite
def loops(draw: st.DrawFn) -> Drawing:
    """A drawing some boxes of which, one after the other, are the body of a loop."""
    drawing = draw(drawings())
    count = len(drawing.boxes)
    first = draw(st.integers(0, count - 1))
    last = draw(st.integers(first, count - 1))
    outer = draw(st.sampled_from(["", "a", "a/c", "z"]))
    inside = {f"n{i}" for i in range(first, last + 1)}
    scope = f"{outer}/loop".strip("/")
    boxes = [
        replace(box, scope=scope if box.id in inside else box.scope)
        for box in drawing.boxes
    ]
    some = st.integers(first, last)
    pairs = draw(st.lists(st.tuples(some, some), max_size=4))
    backs = [Arrow(f"n{a}", f"n{b}", back=True) for a, b in pairs if a >= b]
    arrows = [*drawing.arrows, *backs]
    return Drawing(boxes, draw(st.permutations(arrows)), notes={scope: "· 99 steps"})


def overlap(a: Rectangle, b: Rectangle, slack: float = 0.01) -> bool:
    return (
        a.x < b.right - slack
        and b.x < a.right - slack
        and a.y < b.bottom - slack
        and b.y < a.bottom - slack
    )


def inside(a: Rectangle, b: Rectangle) -> bool:
    across = a.x >= b.x - 0.01 and a.right <= b.right + 0.01
    return across and a.y >= b.y - 0.01 and a.bottom <= b.bottom + 0.01


def polyline(route: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Many points of an arrow: level stretches, and cubics or turns between them."""
    points = [route[0]]
    for index, (end_x, end_y) in enumerate(route[1:], 1):
        x, y = route[index - 1]
        swings = index % 2 == 0
        assert swings or y == end_y
        for t in (k / 40 for k in range(1, 41)):
            along = 3 * (1 - t) * t * 0.5 + t**3 if swings else t
            swing = t * t * (3 - 2 * t) if swings else t
            points.append((x + along * (end_x - x), y + swing * (end_y - y)))
    return points


def check(drawing: Drawing, found: Layout, rows: bool = False) -> None:
    """Args: rows: whether what goes on further down may stand left of its source."""
    for a, b in itertools.combinations(found.boxes.values(), 2):
        assert not overlap(a, b)
    whole = Rectangle(0, 0, found.width, found.height)
    scopes = {box.id: box.scope for box in drawing.boxes}
    for name, group in found.groups:
        assert inside(group, whole)
        for box, at in found.boxes.items():
            if overlap(group, at):
                assert inside(at, group)
                assert name.partition(" ")[0] in scopes[box].split("/")
    for arrow, route in zip(drawing.arrows, found.routes, strict=True):
        source, target = found.boxes[arrow.source], found.boxes[arrow.target]
        if not arrow.back:
            assert source.right <= target.x or (rows and source.y < target.y)
        assert route[0][0] == pytest.approx(source.right)
        assert route[-1][0] == pytest.approx(target.x)
        assert target.y < route[-1][1] < target.bottom
        assert not arrow.back or max(y for _, y in route) < found.height
        for x, y in polyline(route):
            assert 0 <= x <= found.width and 0 <= y <= found.height
            for at in found.boxes.values():
                assert not (at.x + 0.01 < x < at.right - 0.01 and at.y < y < at.bottom)


@settings(max_examples=120, deadline=None)
@given(drawings())
def test_nothing_overlaps(drawing: Drawing) -> None:
    check(drawing, layout(drawing, math.inf))


@settings(max_examples=120, deadline=None)
@given(drawings() | loops(), st.sampled_from([1.0, 300.0, 600.0]))
def test_nothing_overlaps_in_rows(drawing: Drawing, width: float) -> None:
    check(drawing, layout(drawing, width, 0.0), rows=True)


@settings(max_examples=120, deadline=None)
@given(loops(), st.sampled_from([300.0, math.inf]))
def test_nothing_overlaps_in_loops(drawing: Drawing, width: float) -> None:
    found = layout(drawing, width, 0.0)
    check(drawing, found, rows=width < math.inf)
    frames = [at for name, at in found.groups if name == "loop · 99 steps"]
    for arrow, route in zip(drawing.arrows, found.routes, strict=True):
        if arrow.back and frames:
            # A loop is one group, and its arrows stay in it.
            (frame,) = frames
            assert all(inside(Rectangle(x, y, 0, 0), frame) for x, y in route)


def test_arrows_that_go_back_run_beside_each_other() -> None:
    boxes = [Box(name, name, scope="loop") for name in "abcd"]
    arrows = [Arrow("a", "b"), Arrow("b", "c"), Arrow("c", "d")]
    backs = [Arrow("d", "a", back=True), Arrow("c", "b", back=True)]
    drawing = Drawing(boxes, [*arrows, *backs])
    found = layout(drawing)
    check(drawing, found)
    outer, other = found.routes[-2:]
    lowest = max(at.bottom for at in found.boxes.values())
    assert outer[2][1] != other[2][1]
    assert lowest < min(outer[2][1], other[2][1])
    assert len({x for route in (outer, other) for x, _ in route[1:5]}) == 4


def test_a_loop_called_after_its_layer_was_left_stays_together() -> None:
    """Its leaves could stand with the layer's first call, and must not."""
    boxes = [
        Box("w", "w", kind="parameter", scope="rnn"),
        Box("first", "first", scope="rnn"),
        Box("between", "between"),
        Box("carry", "carry", kind="state", scope="rnn/scan"),
        Box("round", "round", scope="rnn/scan"),
    ]
    pairs = ["w first", "first between", "between round", "carry round", "w round"]
    arrows = [Arrow(*pair.split()) for pair in pairs]
    drawing = Drawing(boxes, [*arrows, Arrow("round", "carry", back=True)])
    found = layout(drawing)
    check(drawing, found)
    assert [name for name, _ in found.groups].count("scan") == 1


@pytest.mark.parametrize(
    "drawing", [article(), network(), network([8] * 8), loop(), blocks(3)]
)
def test_nothing_overlaps_in_the_usual_pictures(drawing: Drawing) -> None:
    check(drawing, layout(drawing), rows=True)


@settings(max_examples=60, deadline=None)
@given(drawings())
def test_labels_of_arrows_touch_no_box_and_no_other_label(drawing: Drawing) -> None:
    found = layout(drawing)
    labels = []
    for arrow, route in zip(drawing.arrows, found.routes, strict=True):
        if arrow.label:
            (x, y), width = route[-1], text_width(arrow.label, SMALL)
            labels.append(Rectangle(x - 11 - width, y - 14, width, 12))
            # The arrow is level below its label.
            assert route[-2][1] == y
            assert route[-2][0] <= x - 11 - width
    for label in labels:
        assert not any(overlap(label, box) for box in found.boxes.values())
    for a, b in itertools.combinations(labels, 2):
        assert not overlap(a, b)


def test_a_scope_is_one_group_where_it_can_be() -> None:
    names = [name for name, _ in layout(network()).groups]
    assert sorted(names) == ["cost", "dense1", "dense2", "dense3", "model"]


def test_a_layer_called_twice_is_two_groups_and_runs_left_to_right() -> None:
    boxes = [
        Box("w", "w", kind="parameter", scope="dense1"),
        Box("first", "matmul", scope="dense1"),
        Box("tanh", "tanh"),
        Box("second", "matmul", scope="dense1"),
    ]
    arrows = [
        Arrow("w", "first"),
        Arrow("first", "tanh"),
        Arrow("tanh", "second"),
        Arrow("w", "second"),
    ]
    drawing = Drawing(boxes, arrows)
    found = layout(drawing)
    check(drawing, found)
    assert [name for name, _ in found.groups] == ["dense1", "dense1"]


def test_a_chain_is_straight() -> None:
    chain = [Box(str(i), "node") for i in range(6)]
    arrows = [Arrow(str(i), str(i + 1)) for i in range(5)]
    places = layout(Drawing(chain, arrows)).boxes
    assert len({box.y for box in places.values()}) == 1


def test_two_inputs_of_the_same_box_arrive_apart_and_in_order() -> None:
    drawing = Drawing([Box("x", "x"), Box("y", "x * x")], [Arrow("x", "y")] * 1)
    twice = Drawing(drawing.boxes, [Arrow("x", "y", "a"), Arrow("x", "y", "b")])
    first, second = (route[-1][1] for route in layout(twice).routes)
    assert second - first >= 14


def test_a_cycle_is_refused() -> None:
    boxes = [Box("a", "a"), Box("b", "b")]
    with pytest.raises(ValueError, match="cycle"):
        layout(Drawing(boxes, [Arrow("a", "b"), Arrow("b", "a")]))


def test_a_thousand_boxes_in_a_deep_chain_of_scopes() -> None:
    boxes = [Box(str(i), "add", scope=f"model/block{i // 10}") for i in range(1000)]
    arrows = [Arrow(str(i), str(i + 1)) for i in range(999)]
    found = layout(Drawing(boxes, arrows))
    assert len(found.boxes) == 1000
    assert len(found.groups) == 101
