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

from nettrain.show.columns import timed
from nettrain.show.curves import cost
from nettrain.show.drawing import Arrow, Box, Drawing, Step
from nettrain.show.page import Link, Report, Told, comparison, graph_page, report
from nettrain.show.page.charts import charts, overlaid, plain, thinned
from nettrain.show.page.document import embedded, picture
from nettrain.show.page.sweep import sweep
from nettrain.show.page.text import table

from .pictures import article, metrics, network, statistics, texts

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
        "as_given": True,
        "seed": 3,
        "environment": {"numpy": "2.x"},
    }
    given: dict[str, Any] = {
        "folder": "runs/made-up/1",
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
            "Configs": [["", "runs"], ["A", "2"], ["B", "1"]],
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
    (_, around), (tag, attributes) = parts.elements
    assert around["class"] == "wide"
    assert (tag, attributes["alt"]) == ("img", "a < b")
    assert "style" not in attributes  # how wide it is, it does not say
    source = base64.b64decode((attributes["src"] or "").partition(",")[2])
    assert source == b"<svg><title>a &lt; b</title></svg>"


def test_pictures_and_tables_stay_wide_enough_to_be_read() -> None:
    svg = '<svg xmlns="x" class="nettrain" width="980" height="20"><title/></svg>'
    _, (_, attributes) = Parts(picture(svg)).elements
    assert attributes["style"] == (
        "width:1372px;min-width:clamp(0px,calc((735px - 100%) * 999),980px)"
    )
    parts = Parts(report(told()))
    tags = [(tag, a.get("class")) for tag, a in parts.elements]
    for place in (i for i, (tag, _) in enumerate(tags) if tag == "table"):
        environment = tags[place - 1][0] == "summary"
        assert tags[place - 1] == ("div", "wide") or environment


def test_panels_of_a_sweep_stand_together() -> None:
    panels = {"Alone": ("<svg/>", "<svg/>"), "All": "<svg/>", "None": "", "No": ()}
    page = sweep("s", [], [], [], panels)
    assert page.count('class="picture"') == 3
    (grid,) = re.findall('<div class="panels">(.*?)</section>', page)
    assert grid.count('class="picture"') == 2
    assert ">None<" not in page and ">No<" not in page


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
        ({"status": "killed", "diagnosis": None}, [], "Not finished"),
        ({}, [finding("L4", "warning", primary=True)], "Name of l4"),
    ],
)
def test_verdicts(facts: dict[str, Any], found: list[Any], begins: str) -> None:
    verdict = told(facts={**told().facts, **facts}, found=found).verdict
    assert Parts(verdict).said.startswith(begins)


@pytest.mark.parametrize("status", ["interrupted", "killed", "failed", "running"])
def test_a_run_without_an_end_says_how_far_it_came_and_how_to_go_on(
    status: str,
) -> None:
    facts = {**told().facts, "status": status, "reason": "", "epoch": 2, "step": 88}
    stopped = told(facts=facts, folder="a b/1", plots={})
    said = Parts(report(stopped)).said
    assert f"{status} at epoch 2, step 88" in said
    on = status == "running"
    assert ("The cause is told at the end." in said) is on
    assert ("They are drawn when the run is finished." in said) is on
    assert ("nettrain resume 'a b/1'" in said) is not on
    assert ("They are drawn by nettrain report 'a b/1'" in said) is not on
    assert "nettrain resume" not in Parts(report(told())).said


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
        "measured 3.1e-06 threshold 0.001 healthy 0.02 … 1 config made-up.yaml:14",
        "What to change: use relu",
        "patch: - {do: set, path: model.dense1.activation, value: relu}",
        "nettrain run somewhere/made-up.yaml model.dense1.activation=relu",
    ):
        assert text.replace(" ", "") in said.replace(" ", "")
    opened = ["open" in a for _, a in parts.elements if a.get("class") == "finding"]
    assert opened == [True, False, False]


@pytest.mark.parametrize("given", [{"as_given": False}, {}], ids=["not", "unknown"])
def test_a_run_with_overrides_is_not_tried_by_its_config_alone(
    given: dict[str, bool],
) -> None:
    patch = [{"do": "set", "path": "seed", "value": 1}]
    remedy = {"text": "another seed", "patch": patch}
    found = [finding("G1", primary=True, remedy=remedy), finding("A1", remedy=remedy)]
    facts = {k: v for k, v in told().facts.items() if k != "as_given"} | given
    page = Parts(report(told(found=found, facts=facts, folder="a b/1")))
    assert "nettrain run" not in page.said
    assert page.said.count("nettrain doctor 'a b/1' --apply mended.yaml") == 1


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


def test_a_run_without_validation_has_no_line_of_it() -> None:
    known = {n: v for n, v in metrics().items() if not n.startswith("validation/")}
    labels = [[s["label"] for s in of["series"]] for of in charts(known, None, None)]
    assert labels == [["each batch", "train"], ["train"]]


def test_a_learning_rate_is_drawn_where_it_varies() -> None:
    steps = metrics()["step"]
    fixed = charts(metrics(learning_rate=np.full(len(steps), 0.1)), None, None)
    varying = charts(metrics(learning_rate=0.1 / steps), None, None)
    assert [c["title"] for c in fixed] == ["loss", "accuracy"]
    assert [c["title"] for c in varying] == ["loss", "accuracy", "learning rate"]


def test_time_is_by_the_plan_of_the_run() -> None:
    first = timed({name: column[:4] for name, column in metrics().items()}, 40)
    assert charts(first, None, 2.3)[0]["x"] == [0.0, 0.025, 0.05, 0.075, 0.1]
    drawn = overlaid({"A": [timed(metrics(epochs=1), 40)], "B": [metrics(epochs=1)]})
    assert drawn[0]["x"] == [0.25, 1.0]


def test_a_batch_that_is_fitted_exactly_leaves_the_scale_as_it_was() -> None:
    steep = 10.0 ** -np.linspace(0, 3, 60)
    ends = np.isfinite(metrics()["train/epoch_loss"])
    names = ("train/epoch_loss", "validation/loss")
    columns = metrics(**{name: np.where(ends, steep, np.nan) for name in names})
    for batches in (steep, np.where(np.arange(60) == 33, 0.0, steep)):
        columns["train/loss"] = batches
        assert charts(columns, None, 2.3)[0]["log"] is True
        assert "0.01" in texts(cost(columns))
    columns["validation/loss"] = np.where(ends, 0.0, np.nan)  # this one must be seen
    assert charts(columns, None, 2.3)[0]["log"] is False
    assert "0.01" not in texts(cost(columns))


def test_what_is_not_finite_is_a_gap() -> None:
    assert plain([1.23456789, np.nan, np.inf, -np.inf]) == [1.2346, None, None, None]
    page = report(told(metrics=metrics(**{"train/loss": np.full(60, np.nan)})))
    loss = Parts(page).data["charts"][0]
    batches, *others = loss["series"]
    assert [s["label"] for s in others] == ["train", "validation"]
    assert set(batches["values"]) == {None}


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
    # The mean ends where one of them does: the other alone would be another line.
    assert band["low"] == pytest.approx(whole[:3], rel=1e-4)
    assert band["high"] == pytest.approx(whole[:3] + 0.5, rel=1e-4)
    assert band["values"] == pytest.approx(whole[:3] + 0.25, rel=1e-4)


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


def test_the_curves_of_a_comparison_are_a_table_too() -> None:
    """With least and largest of several runs, and at most 60 rows."""
    low = {"epoch": 1.0 + np.arange(200.0), "step": 1.0 + np.arange(200.0)}
    low |= {"train/epoch_loss": np.full(200, 0.25)}
    high = {**low, "train/epoch_loss": np.full(200, 0.5)}
    short = {name: values[:1] for name, values in high.items()}
    parts = Parts(comparison(compared(curves={"A": [low, high], "B": [short]})))
    assert "loss epoch A (train) B (train) 1 0.375 (0.25 to 0.5) 0.5 " in parts.said
    cells = parts.said.partition("A (train) B (train) ")[2].split(" Results")[0]
    assert cells.endswith(" 200 0.375 (0.25 to 0.5)")
    assert 2 < cells.count("0.375") <= 60


def test_a_cell_that_leads_to_a_file() -> None:
    file = "../a b/ü:<\udcff>/report.html"
    text = table([[Link("<one>", file), "two"], ["x", Link("y", "c:/d")]])
    leads = [a["href"] for tag, a in Parts(text).elements if tag == "a"]
    assert leads == ["../a%20b/%C3%BC%3A%3C%FF%3E/report.html", "c%3A/d"]
    assert "&lt;one&gt;</a></th><td>two</td>" in text


def test_a_comparison_has_its_tables_that_have_rows() -> None:
    parts = Parts(comparison(compared()))
    heads = [a["id"] for tag, a in parts.elements if tag == "section"]
    assert heads == ["configs", "what-differs", "curves", "results"]
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


def test_a_long_table_is_scrolled_by_itself() -> None:
    def page(count: int) -> str:
        rows = [[str(i), "2"] for i in range(count)]
        return comparison(compared(tables={"Configs": [["", "runs"], *rows]}))

    assert 'class="wide long" tabindex="0"' in page(31)
    assert "wide long" not in page(30)


def test_a_run_without_an_update_says_so() -> None:
    nothing: dict[str, Any] = {"metrics": {}, "plots": {}}
    facts = {**told().facts, "status": "killed"}
    page = Parts(report(told(facts=facts, **nothing)))
    assert page.said.count("No update was recorded.") == 2
    assert "linear" not in page.said and "nettrain report" not in page.said


def test_until_the_cause_is_known_the_severest_stands_first() -> None:
    found = [finding("D3", "note"), finding("B1", "warning"), finding("G1")]

    def order(page: str) -> list[str]:
        return re.findall("(D3|B1|G1) name of", Parts(page).said)

    assert order(report(told(found=found))) == ["G1", "B1", "D3"]
    found[1]["primary"] = True
    assert order(report(told(found=found))) == ["B1", "D3", "G1"]


def test_the_graph_of_another_moment_than_the_end_says_which() -> None:
    at = Parts(report(told(drawn_at="step 48")))
    assert "As it was at step 48." in at.said and at.data["graph"]["at"] == "step 48"
    end = Parts(report(told()))
    assert "As it was" not in end.said and end.data["graph"]["at"] == "the end"


def test_single_batches_do_not_make_an_axis_logarithmic() -> None:
    losses = np.full(60, 0.5)
    losses[40] = 0.01
    known = {"train/loss": losses, "train/epoch_loss": losses * 0 + 0.4}
    assert charts(metrics(**known), None, None)[0]["log"] is False
    losses[10:30] = 0.01
    assert charts(metrics(**known), None, None)[0]["log"] is True


def test_curves_have_their_places_before_their_values() -> None:
    empty = {name: values[:0] for name, values in metrics().items()}
    loss, accuracy = charts(empty, None, 2.3)
    assert [s["label"] for s in loss["series"]] == [
        "each batch",
        "train",
        "validation",
        "guessing",
    ]
    assert [s["values"] for s in accuracy["series"]] == [[], []]


def test_what_is_said_of_a_sweep_begins_like_a_sentence() -> None:
    page = sweep("Sweep", ["point 1 is best", "± is"], ["point"], [["1"]], {})
    assert "Point 1 is best ± is" in Parts(page).said
