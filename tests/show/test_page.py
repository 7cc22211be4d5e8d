"""The pages without a browser: what they hold, and that they hold all of it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from nettrain.show.drawing import Arrow, Box, Drawing, Step
from nettrain.show.page import Report, Told, comparison, graph_page, report
from nettrain.show.page.charts import charts, overlaid, plain, thinned
from nettrain.show.page.document import embedded, picture
from nettrain.show.page.graph import graph_data, unfolded
from nettrain.show.page.recorded import _NUMBERS, recorded

from .pictures import article, blocks, metrics, network, statistics

NASTY = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&"


class Parts(HTMLParser):
    """Elements with their attributes, and the text of scripts, styles and the rest."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"script": [], "style": [], "": []}
        self._inside = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in self.texts:
            self._inside = tag
            self.texts[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._inside:
            self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.texts[self._inside][-1] += data
        else:
            self.texts[""].append(data)

    @property
    def said(self) -> str:
        return " ".join(" ".join(self.texts[""]).split())

    @property
    def data(self) -> dict[str, Any]:
        """What the scripts are given."""
        types = [a.get("type") for tag, a in self.elements if tag == "script"]
        found: dict[str, Any] = json.loads(
            self.texts["script"][types.index("application/json")]
        )
        return found


def finding(id_: str, severity: str = "error", **more: Any) -> dict[str, Any]:
    """A row of findings.json."""
    row = dict.fromkeys(("node", "layer", "units", "config_line", "epoch", "step"))
    row |= {"id": id_, "name": f"name-of-{id_}", "severity": severity, "why": "because"}
    row |= {"primary": False, "measured": None, "threshold": None, "healthy": None}
    return row | {"remedy": None, "consequence_of": None} | more


def told(**more: Any) -> Report:
    """A report of a made-up run."""
    facts = {
        "name": "made-up",
        "status": "finished",
        "reason": "all 6 epochs are done",
        "summary": {"test/accuracy": 0.9, "last": {"train/loss": 0.5}, "best": {}},
        "diagnosis": {"interval": 10},
        "config": "somewhere/made-up.yaml",
        "seed": 3,
        "environment": {"numpy": "2.x"},
    }
    given: dict[str, Any] = {
        "facts": facts,
        "found": [],
        "config": "seed: 3  # made-up.yaml:2\n",
        "metrics": metrics(),
        "statistics": statistics(),
        "plots": {"updates": "<svg><title>Updates</title></svg>"},
        "pictures": {},
        "drawing": network(),
    }
    return Report(**given | more)


def compared(**more: Any) -> Told:
    """A comparison of two made-up configs, one with two runs."""
    worse = {**metrics(), "validation/loss": metrics()["validation/loss"] + 0.5}
    given: dict[str, Any] = {
        "title": "2 configs, 3 runs",
        "verdicts": ["validation/loss: A is better than B"],
        "notes": ["trained on different data"],
        "tables": {
            "What differs": [["", "A", "B"], ["optimizer", "adam", "sgd"]],
            "Results": [["", "", "mean"], ["validation/loss", "A", "0.5"]],
            "Findings": [["", "A", "B"]],
        },
        "curves": {"A": [metrics(), worse], "B": [metrics(epochs=4)]},
    }
    return Told(**given | more)


# ---------------------------------------------------------------- the document


def pages() -> dict[str, str]:
    return {
        "graph": graph_page(article()),
        "report": report(told(found=[finding("G1", primary=True)])),
        "comparison": comparison(compared()),
    }


@pytest.mark.parametrize("name", ["graph", "report", "comparison"])
def test_nothing_comes_from_outside(name: str) -> None:
    page = pages()[name]
    parts = Parts(page)
    assert not {tag for tag, _ in parts.elements} & {"link", "iframe", "object", "base"}
    for _, attributes in parts.elements:
        assert "href" not in attributes
        assert (attributes.get("src") or "data:").startswith("data:")
    for text in parts.texts["style"]:
        assert not re.search(r"url\((?!\s*data:)|@import", text)
    assert "sourceMappingURL" not in page
    assert page == pages()[name]


@pytest.mark.parametrize("name", ["graph", "report", "comparison"])
def test_only_our_own_scripts_may_run(name: str) -> None:
    parts = Parts(pages()[name])
    policy = next(a["content"] for t, a in parts.elements if t == "meta" and len(a) > 1)
    assert policy is not None and "default-src 'none'" in policy
    types = [a.get("type") for tag, a in parts.elements if tag == "script"]
    scripts = [s for s, t in zip(parts.texts["script"], types, strict=True) if not t]
    hashes = [base64.b64encode(hashlib.sha256(s.encode()).digest()) for s in scripts]
    assert re.findall(r"'sha256-([^']*)'", policy) == [h.decode() for h in hashes]
    assert not [a for _, a in parts.elements if any(k.startswith("on") for k in a)]


def test_libraries_stand_under_their_licences_and_only_where_they_are_needed() -> None:
    graph, both = (pages()[name] for name in ("graph", "comparison"))
    for name in ("The Cytoscape Consortium", "Chris Pettitt", "Leon Sorokin"):
        assert name in graph
    assert "The Cytoscape Consortium" not in both
    assert "Leon Sorokin" in both


def test_names_cannot_break_out_of_the_page() -> None:
    boxes = [
        Box(NASTY, NASTY, [NASTY], scope=NASTY.replace("/", ""), value=NASTY),
        Box("b", "b", origin=NASTY),
    ]
    steps = [Step("forward", NASTY, NASTY, NASTY)]
    drawing = Drawing(boxes, [Arrow(NASTY, "b", NASTY)], NASTY, steps)
    facts = {**told().facts, "name": NASTY, "reason": NASTY, "config": NASTY}
    nasty = finding(
        "G1",
        name=NASTY,
        node=NASTY,
        why=NASTY,
        primary=True,
        config_line=3,
        measured=NASTY,
        remedy={
            "text": NASTY,
            "patch": [{"do": "set", "path": "a.b", "value": NASTY}],
        },
    )
    svg = f"<svg><title>{NASTY}</title></svg>"
    page = report(
        told(
            facts=facts,
            found=[nasty],
            drawing=drawing,
            config=NASTY,
            pictures={"G1": svg},
            metrics=metrics(**{f"train/{NASTY}": metrics()["train/accuracy"]}),
        )
    )
    plain = Parts(report(told(found=[finding("G1", primary=True)])))
    parts = Parts(page)
    scripts = [tag for tag, _ in parts.elements].count("script")
    assert scripts == [tag for tag, _ in plain.elements].count("script")
    assert parts.data["graph"]["nodes"][0]["id"] == NASTY
    for tag, attributes in parts.elements:
        assert "onerror" not in attributes
        assert tag != "img" or (attributes["src"] or "").startswith("data:")
    assert NASTY in "".join(parts.texts[""])


def test_nothing_moves_by_itself() -> None:
    styles = " ".join(Parts(graph_page(article())).texts["style"])
    assert not re.search(r"transition|animation|@keyframes", styles)


def test_json_in_a_script_says_the_same() -> None:
    data = {"a": ["<b>&</b>", "\u2028", 1.5, None], NASTY: {}}
    assert json.loads(embedded(data)) == data
    assert not set("<>&") & set(embedded(data))


def test_pictures_are_images_with_their_title() -> None:
    parts = Parts(picture("<svg><title>a &lt; b</title></svg>"))
    ((tag, attributes),) = parts.elements
    assert (tag, attributes["alt"]) == ("img", "a < b")
    source = base64.b64decode((attributes["src"] or "").partition(",")[2])
    assert source == b"<svg><title>a &lt; b</title></svg>"


# ---------------------------------------------------------------- findings


def test_the_verdict_tells_the_primary_cause() -> None:
    sick = [
        finding("L3"),
        finding("G1", primary=True, node="model/dense2/pre_activation", epoch=2),
    ]
    said = Parts(told(found=sick).verdict).said
    assert said.startswith("Name of g1 at model/dense2/pre_activation, epoch 2 because")


@pytest.mark.parametrize(
    ("facts", "found", "begins"),
    [
        ({}, [], "Healthy"),
        ({}, [finding("D3", "note")], "Healthy"),
        ({"diagnosis": None}, [], "Not diagnosed"),
        ({"status": "diverged", "reason": "nan"}, [], "The run diverged"),
        ({"status": "failed", "diagnosis": None}, [], "The run failed"),
        ({"status": "running", "diagnosis": None}, [], "Not finished"),
        ({"status": "interrupted", "diagnosis": None}, [], "Not finished"),
        ({}, [finding("L4", "warning", primary=True)], "Name of l4"),
    ],
)
def test_verdicts(facts: dict[str, Any], found: list[Any], begins: str) -> None:
    verdict = told(facts={**told().facts, **facts}, found=found).verdict
    assert Parts(verdict).said.startswith(begins)


def test_findings_stand_in_order_with_their_consequences() -> None:
    patch = [{"do": "set", "path": "model.dense1.activation", "value": "relu"}]
    found = [
        finding("L5", "note"),
        finding("A1", consequence_of="G1"),
        finding(
            "G1",
            primary=True,
            config_line=14,
            measured=3.1e-6,
            threshold=1e-3,
            healthy=[0.02, 1.0],
            remedy={"text": "use relu", "patch": patch},
        ),
    ]
    parts = Parts(report(told(found=found)))
    said = parts.said
    places = [said.index(f"{id_} name of") for id_ in ("G1", "A1", "L5")]
    assert places == sorted(places)
    assert "What follows from G1: 1 finding" in said
    for text in (
        "measured 3.1e-6 threshold 0.001 healthy 0.02 … 1 config made-up.yaml:14",
        "What to change: use relu",
        "patch: - {do: set, path: model.dense1.activation, value: relu}",
        "nettrain run somewhere/made-up.yaml model.dense1.activation=relu",
    ):
        assert text.replace(" ", "") in said.replace(" ", "")
    opened = ["open" in a for _, a in parts.elements if a.get("class") == "finding"]
    assert opened == [True, False, False]


def test_a_picture_stands_once_and_the_others_below() -> None:
    both = [finding("L1", primary=True), finding("L2", consequence_of="L1")]
    drawn = {name: f"<svg><title>{name}</title></svg>" for name in ("updates", "flow")}
    pictures = {"L1": drawn["updates"], "L2": drawn["updates"]}
    parts = Parts(report(told(found=both, plots=drawn, pictures=pictures)))
    shown = [a["alt"] for tag, a in parts.elements if tag == "img"]
    assert shown == ["updates", "flow"]
    assert "Its picture stands at L1, above." in parts.said


def test_the_report_has_results_config_and_environment() -> None:
    said = Parts(report(told())).said
    for text in ("accuracy 0.9", "seed: 3 # made-up.yaml:2", "numpy 2.x"):
        assert text in said


def test_a_report_without_a_graph_says_why() -> None:
    parts = Parts(report(told(drawing=None, missing="the data are gone")))
    assert "It could not be drawn: the data are gone" in parts.said
    assert parts.data["graph"] is None
    assert not [a for _, a in parts.elements if a.get("id") == "canvas"]


# ---------------------------------------------------------------- curves


def test_the_loss_has_all_its_curves() -> None:
    loss, accuracy = charts(metrics(), 4, 2.3)
    labels = ["each batch", "train", "validation", "guessing"]
    assert [s["label"] for s in loss["series"]] == labels
    assert all(len(s["values"]) == len(loss["x"]) for s in loss["series"])
    guessing = [v for v in loss["series"][3]["values"] if v is not None]
    assert guessing == [2.3, 2.3]
    train = dict(zip(loss["x"], loss["series"][1]["values"], strict=True))
    assert train[2.0] == pytest.approx(1.9 / 20**0.3, rel=1e-4)
    assert (loss["best"], accuracy["title"]) == (4.0, "accuracy")


def test_a_learning_rate_is_drawn_where_it_varies() -> None:
    steps = metrics()["step"]
    fixed = charts(metrics(learning_rate=np.full(len(steps), 0.1)), None, None)
    varying = charts(metrics(learning_rate=0.1 / steps), None, None)
    assert [c["title"] for c in fixed] == ["loss", "accuracy"]
    assert [c["title"] for c in varying] == ["loss", "accuracy", "learning rate"]


def test_what_is_not_finite_is_a_gap() -> None:
    assert plain([1.23456789, np.nan, np.inf, -np.inf]) == [1.2346, None, None, None]
    page = report(told(metrics=metrics(**{"train/loss": np.full(60, np.nan)})))
    loss = Parts(page).data["charts"][0]
    assert [s["label"] for s in loss["series"]] == ["train", "validation"]


def test_a_run_without_a_step_has_no_curves() -> None:
    empty: dict[str, Any] = {}
    assert charts(empty, None, None) == []
    none = {name: values[:0] for name, values in statistics().items()}
    assert Parts(report(told(metrics=empty, statistics=none))).data["charts"] == []


def test_long_runs_are_thinned() -> None:
    long = metrics(epochs=20_000)
    for chart in charts(long, None, None):
        assert len(chart["x"]) < 10_000
    assert list(thinned(3, 9)) == [0, 1, 2]
    assert list(thinned(101, 3)) == [0, 50, 100]


def test_curves_of_runs_lie_over_each_other() -> None:
    loss, accuracy = overlaid({"one": [metrics()], "two": [metrics(epochs=3)]})
    labels = ["one (validation)", "two (validation)"]
    assert [s["label"] for s in loss["series"]] == labels
    assert loss["series"][0]["colour"] != loss["series"][1]["colour"]
    assert (accuracy["title"], max(accuracy["x"])) == ("accuracy", 6.0)
    assert "low" not in loss["series"][0]


def test_runs_of_a_group_are_a_band() -> None:
    short = metrics(epochs=3)
    short["validation/loss"] = short["validation/loss"] + 0.5
    loss, _ = overlaid({"one": [metrics(), short]})
    (band,) = loss["series"]
    whole = 1 + 0.05 * (np.arange(1, 7) - 4.0) ** 2
    assert band["low"] == pytest.approx(whole, rel=1e-4)
    assert band["high"][:3] == pytest.approx(whole[:3] + 0.5, rel=1e-4)
    assert band["values"][:3] == pytest.approx(whole[:3] + 0.25, rel=1e-4)
    assert band["high"][3:] == band["values"][3:] == band["low"][3:]  # one came so far


def test_a_run_without_validation_has_the_curves_of_its_training() -> None:
    names = ("step", "epoch", "train/loss", "train/epoch_loss")
    loss, *others = overlaid({"one": [{name: metrics()[name] for name in names}]})
    assert [s["label"] for s in loss["series"]] == ["one (train)"]
    assert others == []


def test_thinning_keeps_the_least_and_the_largest_of_every_stretch() -> None:
    long = metrics(epochs=20_000)
    peaks = long["validation/accuracy"]
    ends = np.flatnonzero(np.isfinite(peaks))
    peaks[ends[777]], peaks[ends[12_345]] = -3.0, 7.0
    for chart in (charts(long, None, None)[1], overlaid({"a": [long]})[1]):
        assert len(chart["x"]) < 5000
        values = [v for s in chart["series"] for v in s["values"] if v is not None]
        assert (min(values), max(values)) == (-3.0, 7.0)
    other = metrics(epochs=20_000)
    # Where they go apart their mean stays where it is.
    at = ends[[777, 12_345]]
    other["validation/accuracy"][at] = 2 * other["validation/accuracy"][at] - peaks[at]
    band = overlaid({"a": [long, other]})[1]["series"][0]
    assert max(band["high"]) == 7.0
    assert (band["low"].count(-3.0), max(band["values"])) == (1, 0.89995)


def test_a_long_band_is_of_all_runs_at_each_of_its_points() -> None:
    noise = np.random.default_rng(0).normal(size=(2, 200_000))
    runs = [metrics(epochs=20_000) for _ in noise]
    for run, values in zip(runs, noise, strict=True):
        run["validation/accuracy"] = run["validation/accuracy"] + values
    chart = overlaid({"a": runs})[1]
    at = [round(10 * x) - 1 for x in chart["x"]]
    values = np.array([run["validation/accuracy"][at] for run in runs])
    (band,) = chart["series"]
    assert band["values"] == pytest.approx(values.mean(axis=0), abs=1e-4)
    assert band["low"] == pytest.approx(values.min(axis=0), abs=1e-4)
    assert band["high"] == pytest.approx(values.max(axis=0), abs=1e-4)


def test_a_comparison_has_its_tables_that_have_rows() -> None:
    parts = Parts(comparison(compared()))
    heads = [a["id"] for tag, a in parts.elements if tag == "section"]
    assert heads == ["what-differs", "curves", "results"]
    for text in ("validation/loss: A is better than B", "trained on different data"):
        assert text in parts.said
    assert "A line is the mean over runs" in parts.said
    alone = comparison(compared(curves={"A": [metrics()]}))
    assert "A line is the mean over runs" not in alone
    none = Parts(comparison(compared(curves={"A": [{}]})))
    assert "No epoch was finished." in none.said
    assert none.data["charts"] == []


def test_names_cannot_break_out_of_a_comparison() -> None:
    table = {"What differs": [["", NASTY], [NASTY, NASTY]]}
    nasty = compared(
        title=NASTY,
        verdicts=[NASTY],
        notes=[NASTY],
        tables=table,
        curves={NASTY: [metrics(**{f"validation/{NASTY}": metrics()["train/loss"]})]},
    )
    parts = Parts(comparison(nasty))
    assert {tag for tag, _ in parts.elements} <= {
        tag for tag, _ in Parts(comparison(compared())).elements
    }
    assert parts.data["charts"][0]["series"][0]["label"] == f"{NASTY} (validation)"
    assert "".join(parts.texts[""]).count(NASTY) >= 5


# ---------------------------------------------------------------- the graph


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
