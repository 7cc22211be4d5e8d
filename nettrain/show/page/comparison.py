"""The page of several runs: their verdicts, and their curves over each other."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from nettrain.show import summary
from nettrain.show.page import charts
from nettrain.show.page.document import document
from nettrain.show.page.report import Report, curves_section
from nettrain.show.page.tables import results
from nettrain.show.page.text import element, section


def comparison(runs: Mapping[str, Report]) -> str:
    """One page for runs by name, in the order given."""
    title = f"{len(runs)} runs"
    parts = [
        element(
            "div",
            element("h3", escape(name)),
            run.verdict,
            results(run.facts.get("summary", {})),
            _found(run),
        )
        for name, run in runs.items()
    ]
    drawn = charts.overlaid({name: run.metrics for name, run in runs.items()})
    sections = [element("h1", escape(title)), curves_section("")]
    sections.insert(1, section("runs", "Runs", *parts))
    return document(title, sections, {"charts": drawn, "graph": None})


def _found(run: Report) -> str:
    rows = [
        f"{f['severity']}[{f['id']}] {summary.title(f)} at {summary.where(f)}"
        for f in run.found
    ]
    return element("ul", *(element("li", escape(row)) for row in rows)) if rows else ""
