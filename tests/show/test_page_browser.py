"""The pages in a real browser: opened, clicked through, and gone through by key."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nettrain.show.drawing import Arrow, Box, Drawing
from nettrain.show.page import comparison, graph_page, report
from tests.browser import Page, browser, found

from .pictures import article, blocks, loop, network, statistics
from .test_page import compared, finding, told

PROGRAM = found()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="there is no Chromium here")

Open = Callable[[str], Page]


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    assert PROGRAM is not None
    with browser(PROGRAM, tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def show(tab: Page, tmp_path: Path) -> Iterator[Open]:
    """Open a page of this text; in the end nothing was complained of or fetched."""
    tab.problems.clear()
    tab.requests.clear()
    tab.prefer(color_scheme="light")
    tab.resize(1200, 900)
    path = tmp_path / "page.html"

    def to(text: str) -> Page:
        path.write_text(text, encoding="utf-8")
        tab.open(path)
        assert tab.run("document.documentElement.dataset.ready") == "yes"
        return tab

    yield to
    assert tab.problems == []
    fetched = [url for url in tab.requests if not url.startswith("data:")]
    assert set(fetched) <= {path.as_uri()}


def healthy(layers: int = 3) -> Drawing:
    """A network whose nodes have gradients, in statistics.csv by the same paths."""
    drawing = network(range(4, 4 + layers))
    boxes = [
        replace(
            box,
            health=0.9,
            id=box.id.replace("/pre", "/pre_activation"),
            label=box.label.replace("pre", "pre_activation"),
            origin="somewhere/made-up.yaml:14" if box.scope else "",
            facts={"op": "add", "shape": [4, 8], "gradient": {"rms": 0.001}},
        )
        for box in drawing.boxes
    ]
    arrows = [
        replace(
            arrow,
            source=arrow.source.replace("/pre", "/pre_activation"),
            target=arrow.target.replace("/pre", "/pre_activation"),
        )
        for arrow in drawing.arrows
    ]
    return Drawing(boxes, arrows, drawing.title)


def sick_page() -> str:
    patch = [{"do": "set", "path": "model.dense1.activation", "value": "relu"}]
    remedy = {"text": "use relu", "patch": patch}
    found = [
        finding("G1", primary=True, remedy=remedy),
        finding("A1", consequence_of="G1"),
    ]
    columns = statistics(decay=1e-4)
    return report(told(found=found, drawing=healthy(), statistics=columns))


def chosen(page: Page) -> str:
    found: str = page.run("nettrain.state.chosen ?? ''")
    return found


def seen(page: Page) -> list[str]:
    """Ids of what the graph shows."""
    found: list[str] = page.run("nettrain.cy.nodes().map(n => n.id())")
    return found


def data(page: Page, id_: str) -> dict[str, Any]:
    found: dict[str, Any] = page.run(
        f"nettrain.cy.getElementById({json.dumps(id_)}).data()"
    )
    return found


def click_node(page: Page, id_: str, clicks: int = 1) -> None:
    """Click where the graph has a node, with the mouse; 2: twice quickly."""
    left, top, _, _ = page.box("#canvas")
    at = page.run(
        f"(p => [p.x, p.y])(nettrain.cy.getElementById({json.dumps(id_)})"
        ".renderedPosition())"
    )
    place = {"x": left + at[0], "y": top + at[1], "button": "left"}
    for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
        page._call("Input.dispatchMouseEvent", type=kind, clickCount=clicks, **place)
    page.settle()


def click_title(page: Page, path: str) -> None:
    """Click on the title of an open frame."""
    left, top, _, _ = page.box("#canvas")
    at = page.run(
        f"(b => [b.x1 + b.w / 2, b.y1 + 6])(nettrain.cy.getElementById('scope:{path}')"
        ".renderedBoundingBox({ includeLabels: false }))"
    )
    page.click_at(left + at[0], top + at[1])


def slide(page: Page, name: str, value: int) -> None:
    page.run(
        f"(s => {{ s.value = {value}; s.dispatchEvent(new Event('input')); }})"
        f"(document.getElementById('{name}'))"
    )
    page.settle()


# ---------------------------------------------------------------- the report


def test_a_finding_is_opened_by_a_click_and_its_patch_is_copied(show: Open) -> None:
    page = show(sick_page())
    opened = "[...document.querySelectorAll('.finding')].map(d => d.open)"
    assert page.run(opened) == [True, False]
    page.click(".consequences summary")
    assert page.run(opened) == [True, True]
    page.click("button.copy")
    page.until("document.querySelector('button.copy').textContent === 'Copied'")


def test_curves_follow_the_mouse_and_change_their_scale(show: Open) -> None:
    page = show(sick_page())
    charts = "document.querySelectorAll('#charts .uplot').length"
    assert page.run(charts) == 2
    left, top, width, height = page.box("#charts .u-over")
    legend = "#charts .u-series:nth-child(4) .u-value"  # validation
    assert page.text(legend) == "–"
    page.mouse(left + width * 4 / 6, top + height / 2, "mouseMoved")
    assert page.text("#charts .u-series:first-child .u-value") == "4"
    assert page.text(legend) == "1"  # validation is best in epoch 4
    ticks = "nettrain.data.charts[0].log"
    assert page.run(ticks) is False
    drawn = "document.querySelector('#charts canvas').toDataURL()"
    before = page.run(drawn)
    page.click("#scale label:nth-of-type(2) input")
    assert page.run(drawn) != before
    page.click("#scale label:nth-of-type(1) input")
    assert page.run(drawn) == before


def test_the_graph_begins_folded_to_layers_and_unfolds(show: Open) -> None:
    page = show(sick_page())
    layers = [f"scope:model/dense{i}" for i in (1, 2, 3)]
    assert set(seen(page)) == {"node:0", "scope:model", *layers, "scope:cost"}
    assert data(page, "scope:cost")["label"].startswith("▸ cost\n1 node\n")
    click_node(page, "scope:model/dense2")
    assert chosen(page) == "scope:model/dense2"
    assert "5 nodes, unfolded" in page.text("#panel")
    assert "made-up.yaml:14" in page.text("#panel")
    assert {"node:6", "node:10"} <= set(seen(page))
    assert "node:1" not in seen(page)
    page.click("#panel button")
    assert "5 nodes, folded" in page.text("#panel")
    assert "node:6" not in seen(page)
    page.click("#unfold")
    assert {f"node:{i}" for i in range(17)} <= set(seen(page))
    page.click("#fold")
    assert "node:6" not in seen(page)


def test_a_click_unfolds_and_one_on_the_title_folds(show: Open) -> None:
    page = show(sick_page())
    click_node(page, "scope:model/dense2")
    assert "node:6" in seen(page)
    assert data(page, "scope:model/dense2")["label"] == "▾ dense2"
    click_node(page, "node:6", clicks=2)  # the rest of a double click
    assert chosen(page) == "scope:model/dense2"
    click_node(page, "node:6")
    assert chosen(page) == "node:6"
    click_title(page, "model/dense2")
    assert "node:6" not in seen(page)
    assert data(page, "scope:model/dense2")["label"].startswith("▸ dense2\n5 nodes")


def test_a_chosen_node_tells_its_numbers_and_curves(show: Open) -> None:
    page = show(sick_page())
    page.click("#unfold")
    click_node(page, "node:4")
    panel = page.text("#panel")
    assert panel.startswith("model/dense1/pre_activation")
    for text in ("operationadd", "shape4 × 8", "made-up.yaml:14", "0.001"):
        assert text in panel
    titles = "[...document.querySelectorAll('#panel figcaption')].map(c => c.innerText)"
    assert page.run(titles) == ["gradient, rms", "value, rms and mean"]
    assert page.run("document.querySelectorAll('#panel .uplot').length") == 2
    page.run("[...document.querySelectorAll('#panel button')].at(-1).click()")
    assert chosen(page) == "node:5"  # what uses it


def test_the_slider_recolours_the_graph(show: Open) -> None:
    page = show(sick_page())
    first, last = "scope:model/dense1", "scope:model/dense3"
    healthy = [data(page, id_)["fill"] for id_ in (first, last)]
    assert healthy[0] == healthy[1]
    slide(page, "moment", 0)
    assert page.text("#moment-told") == "epoch 1, step 1"
    then = [data(page, id_) for id_ in (first, last)]
    assert [d["fill"] for d in then] == ["#fac9a8", healthy[1]]  # 1e-8 of the output's
    assert then[0]["label"].endswith("∇ 1e-9")
    click_node(page, last)
    page.press("Escape")
    page.press("Enter")  # a folded group is as its worst member
    assert data(page, "scope:model")["fill"] == "#fac9a8"
    assert data(page, "scope:model")["label"] == "▸ model\n15 nodes\n∇ 1e-9"
    page.press("Enter")
    click_node(page, first)
    assert "1e-9" in page.text("#panel")
    slide(page, "moment", 9)
    assert page.text("#moment-told") == "at the end, first batch"
    assert data(page, first)["fill"] == healthy[0]


def test_the_graph_is_gone_through_by_keys(show: Open) -> None:
    page = show(sick_page())
    page.run("document.querySelector('#find').focus()")
    for _ in range(2):  # the slider of moments, then the graph
        page.press("Tab")
    assert page.run("document.activeElement.id") == "canvas"
    page.press("ArrowRight")
    assert chosen(page) == "node:0"
    page.press("ArrowRight")
    assert chosen(page) == "scope:model/dense1"
    assert "model/dense1, folded group of 5 nodes" in page.text("#told")
    page.press("Enter")
    assert "model/dense1, unfolded group" in page.text("#told")
    assert "node:5" in seen(page)
    page.press("Enter")
    assert "node:5" not in seen(page)
    page.press("ArrowRight")
    page.press("ArrowLeft")
    assert chosen(page) == "scope:model/dense1"
    page.press("Escape")
    assert chosen(page) == "scope:model"
    page.press("Escape")
    assert chosen(page) == ""
    page.press("Tab")
    assert page.run("document.activeElement.id") != "canvas"


def test_a_node_is_found_by_its_name_and_from_the_list(show: Open) -> None:
    page = show(sick_page())
    page.run(
        "(i => { i.value = 'model/dense3/weight'; i.dispatchEvent(new Event('change'))"
        "; })(document.getElementById('find'))"
    )
    assert chosen(page) == "node:11"
    assert "node:11" in seen(page)  # its layer was unfolded
    page.run("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    page.click("[data-node='0']")
    assert chosen(page) == "node:0"


def test_everything_to_be_used_has_a_name(show: Open) -> None:
    page = show(sick_page())
    tree = page._call("Accessibility.getFullAXTree")["nodes"]
    roles = ("button", "slider", "radio", "combobox", "textbox", "application", "image")
    used = [n for n in tree if n.get("role", {}).get("value") in roles]
    assert {"application", "slider", "radio"} <= {n["role"]["value"] for n in used}
    assert [n for n in used if not n.get("name", {}).get("value")] == []


def test_colours_follow_light_and_dark(show: Open) -> None:
    page = show(sick_page())
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.run(paper), data(page, "scope:model/dense1")["fill"]
    page.prefer(color_scheme="dark")
    dark = page.run(paper), data(page, "scope:model/dense1")["fill"]
    assert (light[0], dark[0]) == ("rgb(255, 255, 255)", "rgb(16, 20, 26)")
    assert light[1] != dark[1]


def test_a_narrow_window_needs_no_scrolling_sideways(show: Open) -> None:
    page = show(sick_page())
    for width in (400, 1200):
        page.resize(width, 800)
        assert page.run("document.documentElement.scrollWidth") <= width


def test_paper_is_light_and_has_every_finding(show: Open, tmp_path: Path) -> None:
    page = show(sick_page())
    light = data(page, "scope:model/dense1")["fill"]
    page.prefer(media="print", color_scheme="dark")
    paper = "getComputedStyle(document.body).backgroundColor"
    assert page.run(paper) == "rgb(255, 255, 255)"
    scheme = "getComputedStyle(document.documentElement).colorScheme"
    assert page.run(scheme) == "light"
    assert data(page, "scope:model/dense1")["fill"] == light
    page.run("dispatchEvent(new Event('beforeprint'))")
    opened = "[...document.querySelectorAll('.finding')].map(d => d.open)"
    assert page.run(opened) == [True, True]
    page.run("dispatchEvent(new Event('afterprint'))")
    assert page.run(opened) == [True, False]
    page.pdf(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")


def test_runs_beside_each_other(show: Open) -> None:
    page = show(comparison(compared()))
    assert page.run("document.querySelectorAll('#charts .uplot').length") == 2
    legend = "[...document.querySelectorAll('figure:first-child .u-legend .u-series')]"
    rows = f"{legend}.filter(r => r.offsetHeight).map(r => r.textContent)"
    shown = [row.rstrip("–") for row in page.run(rows)]
    assert shown == ["epoch", "A (validation)", "B (validation)"]  # no edges of bands


def test_a_band_goes_with_its_line(show: Open) -> None:
    page = show(comparison(compared()))
    # The colour of A's band at its place, as the canvas has it.
    painted = """(canvas => {
        const { width, height } = canvas;
        const copy = new OffscreenCanvas(width, height)
            .getContext("2d", { willReadFrequently: true });
        copy.drawImage(canvas, 0, 0);
        const { data } = copy.getImageData(0, 0, width, height);
        const at = [...Array(width * height).keys()].map((i) => 4 * i);
        const isBlue = (i) => data[i + 2] > data[i] + 99;
        return at.filter((i) => data[i + 3] === 0x38 && isBlue(i)).length;
    })(document.querySelector("#charts canvas"))"""
    assert page.run(painted) > 500
    page.click("#charts .u-legend .u-series:nth-child(2) .u-label")
    assert page.run(painted) == 0
    page.click("#charts .u-legend .u-series:nth-child(2) .u-label")
    assert page.run(painted) > 500


# ---------------------------------------------------------------- the graph alone


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
    title = "▾ block2 ×4, the one with the weakest gradient"
    assert data(page, block)["label"] == title
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
