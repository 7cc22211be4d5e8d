"""The page of several runs: what differs, which is better, their curves together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from nettrain.show.columns import Columns
from nettrain.show.page import charts, tables
from nettrain.show.page.document import document
from nettrain.show.page.report import curves_section
from nettrain.show.page.text import element, listed, section

Rows = Sequence[Sequence[str]]
"""Heads, and rows of texts."""


@dataclass(frozen=True)
class Told:
    """What is told of runs.

    Attributes:
        title: of the page.
        verdicts: a sentence each: which is better, and whether that is sure.
        notes: what makes the comparison less than it seems.
        tables: by title; one without a row is left out. The curves come after the
            first two, which tell what they are of.
        curves: by label the columns of metrics.jsonl of runs that belong together.
        which: whose curves these are, where they are not all.
    """

    title: str
    verdicts: Sequence[str]
    notes: Sequence[str]
    tables: Mapping[str, Rows]
    curves: Mapping[str, Sequence[Columns]]
    which: str = ""


def comparison(told: Told) -> str:
    """The whole page."""
    sections = [element("h1", escape(told.title)), _said(told.verdicts, "verdict none")]
    sections.append(_said(told.notes, "verdict warning"))
    drawn = charts.overlaid(told.curves)
    curves = curves_section(_explained(told) + tables.drawn(drawn) if drawn else _NONE)
    shown = [_table(title, rows) for title, rows in told.tables.items()]
    sections += [*shown[:2], curves, *shown[2:]]
    return document(told.title, sections, {"charts": drawn, "graph": None})


def _table(title: str, rows: Rows) -> str:
    heads, *others = rows
    if not others:
        return ""
    return section(title.lower().replace(" ", "-"), title, listed(others, heads))


_NONE = element("p", "No epoch was finished.", class_="faint")


def _said(sentences: Sequence[str], look: str) -> str:
    told = [element("p", escape(sentence)) for sentence in sentences]
    return element("div", *told, class_=look) if told else ""


def _explained(told: Told) -> str:
    banded = any(len(runs) > 1 for runs in told.curves.values())
    band = (
        "A line is the mean over runs, its band from their least to their largest, as "
        "far as all of them go."
    )
    said = " ".join(filter(None, [told.which, band if banded else ""]))
    return element("p", escape(said), class_="faint") if said else ""
