"""The pages in a real browser: opened, clicked through, and gone through by key."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nettrain.show.drawing import Drawing
from nettrain.show.page import comparison, report
from nettrain.show.page.sweep import sweep
from tests.browser import Page

from .conftest import Open
from .pictures import metrics, network, statistics
from .test_page import compared, finding, told


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


_COLLECTED = """(draw => {
    [window.plots, window.charts] = [[], []];
    nettrain.curve = (...given) => {
        charts.push(given[1]);
        const plot = draw(...given);
        plots.push(plot);
        return plot;
    };
})(nettrain.curve)"""


def _collect_plots(page: Page) -> None:
    """Draw the curves anew, logarithmic; keep them as `plots`, their data: `charts`."""
    page.run(_COLLECTED)
    page.click("#scale label:nth-of-type(2) input")


def _follow(page: Page) -> None:
    """Draw the curves as of a run that goes on: `follow` takes what they become."""
    page.run(_COLLECTED)
    page.run("document.getElementById('charts').replaceChildren()")
    page.run("window.follow = nettrain.charts(structuredClone(nettrain.data.charts))")


def slide(page: Page, name: str, value: int) -> None:
    page.run(
        f"(s => {{ s.value = {value}; s.dispatchEvent(new Event('input')); }})"
        f"(document.getElementById('{name}'))"
    )
    page.settle()


def many_moments() -> str:
    drawing = healthy()
    columns = statistics(epochs=150)
    return report(told(drawing=drawing, statistics=columns))


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
    page.mouse(left + width * 4.8 / 6, top + height / 2, "mouseMoved")
    assert page.text("#charts .u-series:first-child .u-value") == "4.8"
    assert page.text(legend) == "1"  # the last that there was
    page.mouse(left + width * 0.8 / 6, top + height / 2, "mouseMoved")
    assert page.text(legend) == "–"  # there was none yet
    ticks = "nettrain.data.charts[0].log"
    assert page.run(ticks) is False
    drawn = "document.querySelector('#charts canvas').toDataURL()"
    before = page.run(drawn)
    page.click("#scale label:nth-of-type(2) input")
    assert page.run(drawn) != before
    page.click("#scale label:nth-of-type(1) input")
    assert page.run(drawn) == before


def test_values_under_the_mouse_stay_as_a_run_goes_on(show: Open) -> None:
    page = show(sick_page())
    _collect_plots(page)
    left, top, width, height = page.box("#charts .u-over")
    legend = "#charts .u-series:nth-child(4) .u-value"  # validation
    page.mouse(left + width * 4 / 6, top + height / 2, "mouseMoved")
    for zoom in ("", "plots[0].setScale('x', { min: 2, max: 6 })"):
        page.run(zoom or "null")
        page.settle()
        before = float(page.text(legend))
        page.run(
            "Object.assign(charts[0], structuredClone(charts[0]));"
            "for (const one of charts[0].series)"
            " one.values = one.values.map((v) => v === null ? null : v + 1);"
            "plots[0].follow()"
        )
        page.settle()
        assert float(page.text(legend)) == pytest.approx(before + 1, rel=1e-3)


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


def test_epochs_are_whole_and_the_best_one_is_in_the_legend(show: Open) -> None:
    columns = metrics(epochs=3)
    page = show(report(told(metrics=columns, best_epoch=2)))
    page.resize(1800, 900)
    _collect_plots(page)
    assert page.run("plots[0].axes[0]._splits") == [1, 2, 3]
    last = "#charts .u-legend .u-series:last-child"
    assert page.text(f"{last} .u-label") == "best epoch"
    assert page.text(f"{last} .u-value") == "2"
    drawn = "document.querySelector('#charts canvas').toDataURL()"
    before = page.run(drawn)
    page.click(f"{last} .u-label")
    page.settle()
    assert page.run(drawn) != before
    page.run("plots[0].setScale('x', { min: 1, max: 1.5 })")
    page.settle()
    assert page.run("plots[0].axes[0]._splits.includes(1.1)")
    plain = show(report(told(metrics=columns)))
    assert "best epoch" not in plain.text("#charts")


def test_a_telephone_breaks_no_number_and_shrinks_no_picture(show: Open) -> None:
    facts = {**told().facts, "status": "failed", "reason": "x/y" * 60}
    wide = '<svg xmlns="http://www.w3.org/2000/svg" width="980" height="40"></svg>'
    made = told(facts=facts, plots={"updates": wide}, pictures={}, found=[])
    page = show(report(made))
    page.resize(400, 800)
    assert page.run("document.documentElement.scrollWidth") <= 400
    verdict = "document.getElementById('verdict')"
    assert page.run(f"{verdict}.scrollWidth <= {verdict}.clientWidth")
    page.run("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    assert page.run("document.querySelector('.picture').clientWidth") == 980
    heights = (
        "[...document.querySelectorAll('#epochs td')].map((one) => one.clientHeight)"
    )
    assert max(page.run(heights)) < 35
    assert page.run("document.documentElement.scrollWidth") <= 400


def test_pictures_fit_the_page_and_panels_wrap(show: Open) -> None:
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="{}" height="40"></svg>'
    panels = [svg.format(370)] * 3
    page = show(sweep("s", [], [], [], {"All": svg.format(980), "Each": panels}))
    shown = "[...document.querySelectorAll('.picture')].map((one) => one.clientWidth)"
    tops = "new Set([...document.querySelectorAll('.panels img')].map((i) => i.y)).size"
    # Whole and scrolled; shrunk; grown to the page, and no more than it can bear.
    for width, first, columns in ((420, 980, 1), (900, 852, 2), (1400, 1312, 3)):
        page.resize(width, 900)
        assert page.run("document.documentElement.scrollWidth") <= width
        alone, *others = page.run(shown)
        assert alone == pytest.approx(first, abs=16)  # of a scroll bar
        assert page.run(tops) == 4 - columns
        assert min(others) >= 0.75 * 370


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


@pytest.mark.parametrize("epochs", [1, 2])
def test_few_epochs_of_a_comparison_are_whole(show: Open, epochs: int) -> None:
    page = show(comparison(compared(curves={"A": [metrics(epochs=epochs)]})))
    _collect_plots(page)
    assert set(page.run("plots[0].data[0]")) == set(range(1, epochs + 1))
    ticks = page.run("plots[0].axes[0]._splits")
    assert set(ticks) >= {1, epochs} and all(tick % 1 == 0 for tick in ticks)


def test_few_points_are_dots_of_their_own_colour(show: Open) -> None:
    page = show(sick_page())
    look = page.run(
        "(() => { const series = [[1, 'guessing'], [2, 'train']].map(([v, label]) =>"
        " ({ label, colour: 'pale_blue', values: [v, v] }));"
        "const chart = { title: 'loss', x: [0, 1], log: false, series };"
        "const plot = nettrain.curve(document.body, chart);"
        "return plot.series.slice(1).map((s, i) => [s.points.show(plot, i + 1),"
        " s.points.size, s.points.fill(plot, i + 1) === nettrain.colour('pale_blue')]);"
        "})()"
    )
    assert look == [[False, 6, True], [True, 6, True]]


def test_a_grid_of_many_decades_has_no_lines_between(show: Open) -> None:
    page = show(sick_page())
    few = [0.1, 0.2, 0.5, 1, 2]
    assert page.run(f"nettrain.decades(null, {few})") == few
    many = "[0.001, 0.002, 0.01, 0.1, 0.3, 1, 9]"
    kept = page.run(f"nettrain.decades(null, {many})")
    assert kept == [0.001, None, 0.01, 0.1, None, 1, None]


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


def test_the_slider_of_many_moments_begins_at_its_end(show: Open) -> None:
    page = show(many_moments())
    slider = "(s => [s.value, s.max])(document.getElementById('moment'))"
    assert page.run(slider) == ["152", "152"]
    assert page.text("#moment-told") == "at the end, first batch"


def test_a_chart_that_becomes_another_keeps_its_place(show: Open) -> None:
    page = show(sick_page())
    _follow(page)
    page.run("window.figures = [...document.querySelectorAll('#charts figure')]")
    page.run("plots[0].setScale('x', { min: 2, max: 4 })")
    page.run("plots[0].setSeries(2, { show: false })")  # train
    page.run(
        "(([loss, accuracy]) => {"
        " loss.series.push({ ...loss.series[2], label: 'another' });"
        " follow([loss, { ...accuracy, title: 'new' }, accuracy]); })"
        "(structuredClone(nettrain.data.charts))"
    )
    page.settle()
    titles = (
        "[...document.querySelectorAll('#charts figcaption')].map(f => f.textContent)"
    )
    assert page.run(titles) == ["loss", "new", "accuracy"]
    now = "[...document.querySelectorAll('#charts figure')]"
    assert page.run(f"{now}[0] === figures[0] && {now}[2] === figures[1]") is True
    assert (
        page.run("plots.length") == 2 + 2
    )  # the loss with a new line, and the new one
    last = "plots[2]"
    assert page.run(f"[{last}.scales.x.min, {last}.scales.x.max]") == [2, 4]
    labels = page.run(f"{last}.series.filter(s => !s.show).map(s => s.label)")
    assert labels == ["train"]
    page.run("follow(structuredClone(nettrain.data.charts))")
    assert page.run(titles) == ["loss", "accuracy"]


def test_an_axis_turns_logarithmic_when_its_values_do(show: Open) -> None:
    page = show(sick_page())
    _follow(page)
    chosen = "document.querySelector('input[name=scale]:checked').value"
    assert page.run(chosen) == "linear"
    page.run(
        "(charts => { charts[0].log = true; follow(charts); })"
        "(structuredClone(nettrain.data.charts))"
    )
    assert page.run(chosen) == "log"
    assert page.run("plots.at(-1).scales.y.distr") == 3
    assert page.run("plots.length") == 3
