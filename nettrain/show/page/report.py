"""The page of one run: its verdict, findings, curves, settings and graph."""

from __future__ import annotations

import shlex
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
        folder: of the run.
        facts: run.json.
        found: rows of findings.json.
        config: config.resolved.yaml.
        metrics, statistics: the recorded columns.
        plots: the pictures of the run as SVG, by name.
        pictures: those that belong to findings, by their ids.
        drawing: the network's graph; None where it cannot be drawn.
        missing: why it cannot.
        drawn_at: the moment that it shows, where this is not the end.
        best_epoch: the one that was best.
        prior: H0, the loss of guessing.
    """

    folder: str
    facts: Mapping[str, Any]
    found: Sequence[Mapping[str, Any]]
    config: str
    metrics: Columns
    statistics: Columns
    plots: Mapping[str, str]
    pictures: Mapping[str, str]
    drawing: Drawing | None = None
    missing: str = ""
    drawn_at: str = ""
    best_epoch: int | None = None
    prior: float | None = None

    @property
    def verdict(self) -> str:
        step = self.facts.get("step")
        at = f"epoch {self.facts.get('epoch')}, step {step}" if step else ""
        return findings.verdict(
            self.found,
            str(self.facts.get("status", "")),
            str(self.facts.get("reason", "")),
            bool(self.facts.get("diagnosis")),
            at,
            self.verb("resume"),
        )

    def verb(self, name: str) -> str:
        """The command that does this with the run."""
        return f"nettrain {name} {shlex.quote(self.folder)}"

    @property
    def not_drawn(self) -> str:
        """Why there are no pictures."""
        if not self.metrics:
            return _NOTHING
        if self.facts.get("status") in findings.ENDLESS:
            return f"They are drawn by {self.verb('report')}"
        return "They are drawn when the run is finished."


_NOTHING = "No update was recorded."


def report(run: Report) -> str:
    """The whole page."""
    if run.drawing is None:
        drawn = section("graph", "Computational graph", _missing(run.missing))
        graph = None
    else:
        at = run.drawn_at
        drawn = graph_section(run.drawing, note=f"As it was at {at}." * bool(at))
        graph = graph_data(run.drawing, run.statistics, at or "the end")
    return _page(run, [drawn], {"charts": curves(run), "graph": graph})


def live(run: Report, which: str) -> str:
    """The page of a run that goes on: it asks its server for what is new.

    It has no graph; that of the report is evaluated when the run has ended.

    Args:
        which: run it is, as every message says.
    """
    place = element("p", id="live", class_="faint")
    followed = {"run": which, "report": run.verb("report")}
    return _page(run, [], {"charts": curves(run), "live": followed}, place)


def _page(
    run: Report, last: Sequence[str], data: Mapping[str, Any], first: str = ""
) -> str:
    """The page, with what stands in its first and last place and is drawn on it."""
    title = str(run.facts["name"])
    made = parts(run)
    sections = [
        element("h1", escape(title)),
        first,
        made["verdict"],
        made["findings"],
        curves_section(made["epochs"]) if run.metrics else _none_yet(),
        made["summary"],
        made["pictures"],
        tables.config(run.config),
        made["environment"],
        *last,
    ]
    return document(title, sections, data)


def parts(run: Report) -> dict[str, str]:
    """What changes as a run goes on, by id of the element."""
    facts = run.facts
    config = str(facts.get("config") or "")
    pictures = findings.others(run.plots, list(run.pictures.values()))
    later = element("p", escape(run.not_drawn), class_="faint")
    found = tables.results(facts)
    return {
        "verdict": run.verdict,
        "findings": findings.section_of_findings(
            run.found,
            run.pictures,
            config,
            bool(facts.get("as_given")),
            run.folder,
        ),
        "epochs": element("div", tables.epochs(run.metrics), id="epochs"),
        "summary": section("summary", "Results", found),
        "pictures": section("pictures", "Pictures", pictures or later),
        "environment": tables.environment(facts),
    }


def curves(run: Report) -> list[charts.Chart]:
    """The charts of a run; where one has no value `blank` says why."""
    made = charts.charts(run.metrics, run.best_epoch, run.prior)
    has_epoch = run.facts.get("summary", {}).get("last")
    why = "No value is a finite number." if has_epoch else tables.no_epoch(run.facts)
    return [{**one, "blank": why * charts.is_blank(one)} for one in made]


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


def _none_yet() -> str:
    return section("curves", "Curves", element("p", _NOTHING, class_="faint"))


def _missing(why: str) -> str:
    return element("p", escape(f"It could not be drawn: {why}"), class_="faint")
