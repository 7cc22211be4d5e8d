"""The page of a graph in a real browser: unfolded, walked through, and laid out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nettrain.show.drawing import Arrow, Box, Drawing
from nettrain.show.page import graph_page, report

from .conftest import Open
from .pictures import article, blocks, loop, statistics
from .test_page import told
from .test_page_browser import (
    chosen,
    click_node,
    click_title,
    data,
    healthy,
    seen,
    sick_page,
    slide,
)


def test_walking_through_the_article(show: Open) -> None:
    page = show(graph_page(article()))
    assert "value -20" in data(page, "node:4")["label"]
    page.click("#next")
    assert page.text("#sentence") == "q = x + y = 5"
    assert chosen(page) == "node:3"
    assert data(page, "node:3")["label"] == "q\nvalue 5"
    assert data(page, "node:0")["label"] == "x\nvalue 2"
    page.press("ArrowRight")
    assert page.text("#step-told") == "2 of 3, backward"
    assert data(page, "node:0")["label"] == "x\nvalue 2\ngradient -4"
    assert "∂q/∂x = 1" in page.text("#panel")
    page.press("ArrowRight")
    assert data(page, "node:2")["label"] == "z\nvalue -4 → -4.5"
    assert page.run("document.getElementById('next').disabled") is True
    for _ in range(3):
        page.press("ArrowLeft")
    assert page.text("#step-told") == "all"
    page.run("document.getElementById('steps').open = true")
    page.click("[data-step='2']")
    assert page.text("#sentence").startswith("df/dx")
    slide(page, "step", 1)
    assert page.text("#step-told") == "1 of 3, forward"


def test_what_is_not_known_yet_is_not_shown(show: Open) -> None:
    drawing = article()
    first = replace(drawing, steps=drawing.steps[1:2] + drawing.steps[:1])
    page = show(graph_page(first))
    page.click("#next")  # a gradient, before the value of q
    assert data(page, "node:3")["label"] == "q"
    label = "nettrain.cy.edges().map(e => e.data('label'))"
    assert page.run(label) == ["∂q/∂x = 1", "", "", ""]


def test_a_thousand_nodes_open_and_respond(show: Open) -> None:
    page = show(graph_page(healthy(200)))
    assert len(seen(page)) == 203  # as layers
    page.click("#unfold")
    assert len(seen(page)) == 1204
    click_node(page, "node:2")
    assert chosen(page) == "node:2"
    page.press("ArrowRight")
    assert chosen(page) == "node:4"
    page.click("#fold")
    assert len(seen(page)) == 203


def test_a_loop_goes_back_below_its_boxes_and_a_fold_hides_it(show: Open) -> None:
    page = show(graph_page(loop()))
    assert set(seen(page)) == {"node:0", "scope:rnn", "node:6"}
    click_node(page, "scope:rnn")
    assert data(page, "scope:rnn/scan")["label"] == "▸ scan · 9 time steps\n4 nodes"
    click_node(page, "scope:rnn/scan")
    back = "nettrain.cy.edges('.back')"
    assert page.run(f"{back}.map(e => e.data('source') + e.data('target'))") == [
        "node:3node:1"
    ]
    frame, *boxes = (
        page.run(f"(b => [b.x1, b.y1, b.x2, b.y2])({box}.boundingBox())")
        for box in (
            "nettrain.cy.getElementById('scope:rnn/scan')",
            *(f"nettrain.cy.getElementById('node:{i}')" for i in (1, 2, 3, 4)),
        )
    )
    way = page.run(f"{back}.segmentPoints().map(p => [p.x, p.y])")
    assert len(way) == 4
    assert all(frame[0] < x < frame[2] and frame[1] < y < frame[3] for x, y in way)
    assert way[1][1] == pytest.approx(way[2][1], abs=0.1)
    assert way[1][1] > max(box[3] for box in boxes)
    assert way[2][0] < min(box[0] for box in boxes)
    click_node(page, "node:1")
    page.press("ArrowRight")  # along the arrows that go forth
    assert chosen(page) == "node:2"


def test_a_deep_model_begins_with_its_repeated_block_once(show: Open) -> None:
    page = show(graph_page(blocks(4, [0.9, 0.3, 0.9, 0.9])))
    block = "scope:model/block2"
    layers = {f"{block}/a", f"{block}/b"}
    assert set(seen(page)) == {"node:0", "scope:model", block, *layers, "node:10"}
    assert data(page, block)["label"] == "▾ block2 ×4"
    click_title(page, "model/block2")
    panel = page.run("document.getElementById('panel').innerText")
    assert "the one with the weakest gradient" in panel
    click_title(page, "model/block2")
    pairs = page.run(
        "nettrain.cy.edges().map(e => e.data('source') + ' ' + e.data('target'))"
    )
    assert set(pairs) == {
        f"node:0 {block}/a",
        f"{block}/a {block}/b",
        "node:0 node:10",
        f"{block}/b node:10",
    }
    page.click("#once")
    each = {f"scope:model/block{i}" for i in (1, 2, 3, 4)}
    assert set(seen(page)) == {"node:0", "scope:model", *each}
    page.click("#once")
    assert block in seen(page) and "scope:model/block3" not in seen(page)


def test_a_block_with_a_number_for_a_name_is_called_a_block(show: Open) -> None:
    given = blocks(2)
    boxes = [
        replace(box, scope=box.scope.replace("block", "repeat/")) for box in given.boxes
    ]
    page = show(graph_page(replace(given, boxes=boxes)))
    assert data(page, "scope:model/repeat/1")["label"] == "▾ block 1 ×2"


def test_what_another_block_hides_is_shown_when_it_is_chosen(show: Open) -> None:
    page = show(graph_page(blocks(3)))
    assert "scope:model/block2" not in seen(page)
    page.run(
        "(i => { i.value = 'model/block2/b/tanh'; i.dispatchEvent(new Event('change'))"
        "; })(document.getElementById('find'))"
    )
    assert chosen(page) == "node:9"
    assert {"node:9", "scope:model/block1", "scope:model/block3"} <= set(seen(page))
    assert page.run("document.getElementById('once').checked") is False
    page.click("#once")
    assert chosen(page) == ""


def recurrent_page() -> str:
    """A loop whose pre-activation was recorded at three time steps."""
    steps = [f"model/dense{i}/pre_activation" for i in (1, 2, 3)]
    drawing = loop()
    boxes = [
        replace(box, health=0.9, gradient="rms 0.5")
        if box.id != "add"
        else replace(box, label="pre_activation", health=0.9, records=steps)
        for box in drawing.boxes
    ]
    columns = statistics(decay=1e-4)
    output = columns["node"] == "model/dense3/pre_activation"
    assert output.any()
    return report(told(drawing=replace(drawing, boxes=boxes), statistics=columns))


def test_a_loop_follows_the_slider(show: Open) -> None:
    page = show(recurrent_page())
    page.click("#unfold")
    healthy = data(page, "node:2")["fill"]
    slide(page, "moment", 0)
    then = data(page, "node:2")
    assert then["label"] == "pre_activation\n∇ 1e-9"  # of the weakest time step
    assert (then["fill"] == "#fac9a8") != (healthy == "#fac9a8")
    click_node(page, "node:2")
    titles = "[...document.querySelectorAll('#panel figcaption')].map(c => c.innerText)"
    assert "gradient, rms, of time steps" in page.run(titles)
    page.click("#fold")
    assert data(page, "scope:rnn")["label"] == "▸ rnn\n5 nodes\n∇ 1e-9"
    assert data(page, "scope:rnn")["fill"] == "#fac9a8"
    slide(page, "moment", 9)
    assert data(page, "scope:rnn")["fill"] == healthy


def test_the_list_follows_the_slider_and_the_steps(show: Open) -> None:
    page = show(sick_page())
    told_of = "[data-told='4']"
    assert page.text(told_of) == ", value 0.1, gradient 1e-3"
    slide(page, "moment", 0)
    assert page.text(told_of) == ", gradient rms 1e-9"
    assert page.text("[data-told='0']") == ""  # nothing was recorded of the inputs
    slide(page, "moment", 9)
    assert page.text(told_of) == ", value 0.1, gradient 1e-3"
    page = show(graph_page(article()))
    page.click("#next")
    assert page.text("[data-told='0']") == ", value 2"  # no gradient has come back
    assert page.text("[data-told='3']") == ", value 5"


def test_an_arrow_goes_around_what_no_swing_can_pass(show: Open) -> None:
    page = show(graph_page(blocks(2)))
    wall = "{ x: 2500, y: 0, width: 48, height: 900 }"
    a, b = (f"{{ x: {x}, y: 0, width: 20, height: 20 }}" for x in (0, 5000))
    assert page.run(f"nettrain.bend({a}, {b}, [])") == 0
    assert page.run(f"nettrain.bend({a}, {b}, [{wall}])") is None
    page.run("(() => { nettrain.bend = () => null; })()")
    page.click("#fold")
    inner = "nettrain.cy.nodes().not('.frame').map(n => n.position('y'))"
    lowest = page.run(f"Math.max(...{inner})")
    ways = page.run(
        "nettrain.cy.edges('.around').map(e => e.segmentPoints().map(p => p.y))"
    )
    assert len(ways) == 4
    for _, down, along, _ in ways:
        assert down == pytest.approx(along, abs=0.1)
        assert along > lowest + 15


def test_arrows_swing_around_what_stands_between(show: Open) -> None:
    boxes = [Box(name, name) for name in "abc"]
    arrows = [Arrow("a", "b"), Arrow("b", "c"), Arrow("a", "c")]
    page = show(graph_page(Drawing(boxes, arrows)))
    inside = page.run(
        "(([e], b) => { const m = e.controlPoints()[0], p = e.sourceEndpoint(),"
        " q = e.targetEndpoint(); const x = p.x / 4 + m.x / 2 + q.x / 4,"
        " y = p.y / 4 + m.y / 2 + q.y / 4; const box = b.boundingBox();"
        " return x > box.x1 && x < box.x2 && y > box.y1 && y < box.y2; })"
        "(nettrain.cy.edges().filter(e => e.data('source') === 'node:0'"
        " && e.data('target') === 'node:2'), nettrain.cy.getElementById('node:1'))"
    )
    assert inside is False


def test_an_empty_graph_opens(show: Open) -> None:
    assert seen(show(graph_page(Drawing([])))) == []
