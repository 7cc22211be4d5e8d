"""The drawing of a graph in all its formats."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from nettrain.errors import Error
from nettrain.show.drawing import Arrow, Box, Drawing, Step
from nettrain.show.graph import draw, html, render, svg
from nettrain.show.looks import look

from .pictures import article, network, texts

NASTY = Drawing(
    [Box('<a> & "b"', '<script>alert("x")</script> & \\n', ["$x$"]), Box("c", "c\\")],
    [Arrow('<a> & "b"', "c", "a < b & c")],
    'title "quoted" <b>',
    [Step("forward", "<i>step</i>")],
)


def test_values_gradients_and_local_derivatives_stand_in_the_picture() -> None:
    found = texts(svg(article()))
    for text in ("-20", "-4", "5", "∂q/∂x = 1", "∂f/∂q = -4", "f = (x + y) * z"):
        assert text in found


def test_value_stands_above_and_gradient_below_the_label() -> None:
    found = svg(Drawing([Box("x", "name", value="1.5", gradient="2.5")]))
    at = {
        t: float(y) for y, t in re.findall(r'y="([\d.]+)"[^>]*>([^<]+)</text>', found)
    }
    assert at["1.5"] < at["name"] < at["2.5"]


def test_weights_look_different_from_operations() -> None:
    weight, operation = (look(Box("a", "a", kind=k), False) for k in
                         ("parameter", "operation"))  # fmt: skip
    assert weight.shape != operation.shape
    assert weight.fill != operation.fill


def test_scopes_are_named_groups() -> None:
    found = texts(svg(network()))
    assert found.count("dense1") == 1
    assert {"model", "dense2", "dense3", "cost"} <= set(found)


def test_health_colours_the_boxes_and_none_is_grey() -> None:
    good, bad, no = Box("a", "a", health=1.0), Box("b", "b", health=0.0), Box("c", "c")
    fills = [look(box, True).fill for box in (good, bad, no)]
    assert fills == ["health4", "health0", "panel"]
    found = svg(Drawing([good, bad, no]))
    assert "gradient: vanished … healthy" in texts(found)
    assert 'class="nt-f-health0 nt-s-red"' in found
    assert "gradient: vanished … healthy" not in texts(svg(article()))


def test_boxes_have_tooltips() -> None:
    found = texts(svg(article()))
    assert "q (operation)\nx + y\nvalue 5\ngradient -4" in found


def test_strings_are_escaped() -> None:
    found = svg(NASTY)
    assert '<script>alert("x")</script> & \\n' in texts(found)
    assert ElementTree.fromstring(found).get("aria-label") == NASTY.title
    assert "<script>alert" not in html(NASTY)
    assert "&lt;i&gt;step&lt;/i&gt;" in html(NASTY)


def test_dot_strings_are_escaped_and_scopes_are_clusters() -> None:
    found = render(NASTY, ".dot").decode()
    assert '"<a> & \\"b\\"" -> "c" [label="a < b & c"];' in found
    assert 'label="c\\\\"' in found
    nested = render(network(), ".dot").decode()
    assert nested.count("{") == nested.count("}")
    assert 'subgraph "cluster_model/dense1"' in nested


def test_long_labels_are_shortened_but_whole_in_the_tooltip() -> None:
    found = texts(svg(Drawing([Box("n" * 60, "x" * 60)])))
    assert "x" * 43 + "…" in found
    assert any("n" * 60 in text for text in found)


@pytest.mark.parametrize("ending", [".svg", ".png", ".dot", ".html"])
def test_each_format_is_written_with_the_same_bytes(
    ending: str, tmp_path: Path
) -> None:
    path = tmp_path / f"graph{ending}"
    draw(article(), path)
    first = path.read_bytes()
    draw(article(), path)
    assert first == path.read_bytes()
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_png_is_one() -> None:
    assert render(article(), ".png").startswith(b"\x89PNG\r\n")


def test_an_unknown_ending_is_refused_and_nothing_written(tmp_path: Path) -> None:
    with pytest.raises(Error, match="expected one of"):
        draw(article(), tmp_path / "graph.gif")
    assert not list(tmp_path.iterdir())


def test_arrows_and_ids_are_checked() -> None:
    with pytest.raises(ValueError, match="not in the drawing"):
        Drawing([Box("a", "a")], [Arrow("a", "b")])
    with pytest.raises(ValueError, match="same id"):
        Drawing([Box("a", "a"), Box("a", "b")])


def test_an_empty_drawing() -> None:
    for ending in (".svg", ".png", ".dot", ".html"):
        assert render(Drawing([]), ending)
