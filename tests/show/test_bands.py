"""A long row of columns as lines of a page."""

from __future__ import annotations

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from nettrain.show.bands import broken, lanes
from nettrain.show.drawing import Arrow, Box, Drawing
from nettrain.show.layout import PAGE, layout
from nettrain.show.looks import strokes

from .pictures import article, network
from .test_layout import check

WIDTHS = st.lists(st.floats(1, 500), max_size=30)


@given(WIDTHS, st.floats(50, 1000))
def test_bands_have_all_columns_and_as_few_as_can_be(
    widths: list[float], limit: float
) -> None:
    bands = broken(widths, [1] * len(widths), limit)
    assert [c for band in bands for c in band] == list(range(1, len(widths) + 1))
    greedy, room = 1, limit
    for i, width in enumerate(widths):
        if width > room and i:
            greedy, room = greedy + 1, limit
        room -= width
    assert len(bands) == greedy
    for band in bands:
        total = sum(widths[c - 1] for c in band)
        assert len(band) <= 1 or total <= limit + 1e-6


def test_bands_are_about_as_long_and_break_where_few_arrows_turn() -> None:
    assert broken([1] * 6, [1] * 6, 5) == [range(1, 4), range(4, 7)]
    assert broken([1] * 6, [1, 1, 9, 1, 1, 0], 5) == [range(1, 3), range(3, 7)]
    assert broken([], [], 5) == [range(1, 1)]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 5)), max_size=12))
def test_what_overlaps_has_lanes_of_its_own(given_: list[tuple[int, int]]) -> None:
    spans = [(i, start, start + length) for i, (start, length) in enumerate(given_)]
    found = lanes(spans)
    for i, a, b in spans:
        for j, c, d in spans:
            assert i == j or found[i] != found[j] or b <= c or d <= a
    most = max((sum(a <= t < b for _, a, b in spans) for t in range(15)), default=0)
    assert len(set(found.values())) == most


def test_a_long_network_is_as_wide_as_a_page_and_begins_new_lines() -> None:
    drawing = network([8] * 8)
    found, long = layout(drawing), layout(drawing, math.inf)
    check(drawing, found, rows=True)
    assert found.width < 1.2 * PAGE < long.width
    tops = sorted(at.y for name, at in found.groups if name.startswith("dense"))
    lines = 1 + sum(b - a > 100 for a, b in pairwise(tops))
    assert lines == 3  # of eight layers
    small = article()
    assert layout(small) == layout(small, math.inf)


def test_what_is_too_much_is_no_higher_than_a_page_is() -> None:
    found = layout(network([8] * 60))
    assert found.width > 1.5 * PAGE
    assert 0.5 < found.height / found.width < 1.5


def test_weights_go_on_with_what_they_feed() -> None:
    chain = [Box(f"n{i}", "a rather long label") for i in range(6)]
    weights = [Box(f"w{i}", "weight", kind="parameter") for i in range(1, 6)]
    arrows = [Arrow(f"n{i}", f"n{i + 1}") for i in range(5)]
    arrows += [Arrow(f"w{i}", f"n{i}") for i in range(1, 6)]
    found = layout(Drawing([*weights, *chain], arrows), 800)
    rows = {box: at.y for box, at in found.boxes.items()}
    assert rows["n5"] > rows["n0"] + 50
    for i in range(1, 6):
        weight, node = found.boxes[f"w{i}"], found.boxes[f"n{i}"]
        assert weight.right <= node.x
        assert abs(weight.y - node.y) < 100


def test_what_comes_from_outside_goes_down_beside_the_lines() -> None:
    chain = [Box(f"n{i}", "a rather long label", scope="layer") for i in range(6)]
    arrows = [Arrow(f"n{i}", f"n{i + 1}") for i in range(5)]
    outer = [Arrow("x", "n0"), Arrow("x", "n5")]
    found = layout(Drawing([Box("x", "x"), *chain], [*arrows, *outer]), 900)
    (frame,) = (at for name, at in found.groups if name == "layer")
    route = found.routes[-1]
    down = [a for a, b in pairwise(route) if a[0] == b[0] and a[1] + 50 < b[1]]
    assert [frame.x < x < found.boxes["n0"].x for x, _ in down] == [True]


def test_arrows_turn_with_round_corners_and_swing_elsewhere() -> None:
    turning = [(0.0, 0.0), (20.0, 0.0), (20.0, 40.0), (60.0, 40.0)]
    found = list(strokes(turning, short=6))
    assert found == [
        ((15.0, 0.0),),
        ((20.0, 0.0), (20.0, 5.0)),
        ((20.0, 35.0),),
        ((20.0, 40.0), (25.0, 40.0)),
        ((54.0, 40.0),),
    ]
    swinging = [(0.0, 0.0), (10.0, 0.0), (30.0, 8.0), (40.0, 8.0)]
    assert list(strokes(swinging)) == [
        ((10.0, 0.0),),
        ((20.0, 0.0), (20.0, 8.0), (30.0, 8.0)),
        ((40.0, 8.0),),
    ]
