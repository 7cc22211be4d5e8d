"""The page of one run: its verdict, findings, curves, settings and graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from nettrain.show.columns import Columns
from nettrain.show.drawing import Drawing
from nettrain.show.page import charts, findings, tables
from nettrain.show.page.document import document
from nettrain.show.page.graph import graph_data, graph_section
from nettrain.show.page.text import element, section


@dataclass(frozen=True)
class Report:
    """What is told of one run.

    Attributes:
        facts: run.json.
        found: rows of findings.json.
        config: config.resolved.yaml.
        metrics, statistics: the recorded columns.
        plots: the pictures of the run as SVG, by name.
        pictures: those that belong to findings, by their ids.
        drawing: the network's graph; None where it cannot be drawn.
        missing: why it cannot.
        best_epoch: the one that was best.
        prior: H0, the loss of guessing.
    """

    facts: Mapping[str, Any]
    found: Sequence[Mapping[str, Any]]
    config: str
    metrics: Columns
    statistics: Columns
    plots: Mapping[str, str]
    pictures: Mapping[str, str]
    drawing: Drawing | None = None
    missing: str = ""
    best_epoch: int | None = None
    prior: float | None = None

    @property
    def verdict(self) -> str:
        return findings.verdict(
            self.found,
            str(self.facts.get("status", "")),
            str(self.facts.get("reason", "")),
            bool(self.facts.get("diagnosis")),
        )


def report(run: Report) -> str:
    """The whole page."""
    facts = run.facts
    title = str(facts["name"])
    config = str(facts.get("config") or "")
    taken = list(run.pictures.values())
    sections = [
        element("h1", escape(title)),
        run.verdict,
        findings.section_of_findings(run.found, run.pictures, config),
        curves_section(tables.epochs(run.metrics)),
        section("summary", "Results", tables.results(facts.get("summary", {}))),
        section("pictures", "Pictures", findings.others(run.plots, taken)),
        tables.config(run.config),
        tables.environment(facts),
    ]
    if run.drawing is None:
        sections.append(section("graph", "Computational graph", _missing(run.missing)))
        graph = None
    else:
        sections.append(graph_section(run.drawing))
        graph = graph_data(run.drawing, run.statistics)
    drawn = charts.charts(run.metrics, run.best_epoch, run.prior)
    return document(title, sections, {"charts": drawn, "graph": graph})


def curves_section(as_table: str) -> str:
    """The place of the curves."""
    scales = "".join(
        element(
            "label",
            element("input", type="radio", name="scale", value=value),
            f" {value}",
        )
        for value in ("linear", "log")
    )
    legend = element("legend", "Scale", class_="unseen")
    choice = element("fieldset", legend, scales, id="scale", class_="tools")
    place = element("div", id="charts")
    return section("curves", "Curves", choice, place, as_table)


def _missing(why: str) -> str:
    return element("p", escape(f"It could not be drawn: {why}"), class_="faint")
