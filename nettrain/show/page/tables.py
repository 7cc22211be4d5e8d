"""Results, config and environment of a run as tables and text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from nettrain.show import summary
from nettrain.show.columns import Columns, numbers
from nettrain.show.page import charts
from nettrain.show.page.text import element, folded, scrolled, section, table
from nettrain.show.style import number

_ROWS = 60


def no_epoch(facts: Mapping[str, Any]) -> str:
    """What is said of a run before the end of its first epoch."""
    return f"No epoch was finished{' yet' * (facts.get('status') == 'running')}."


def results(facts: Mapping[str, Any]) -> str:
    """The model's value of every metric on each part, and the best one."""
    found = facts.get("summary", {})
    heads, *rows = summary.rows(found)
    if not rows:
        return element("p", no_epoch(facts))
    whose = summary.whose(found)
    told = element("p", f"{whose[0].upper()}{whose[1:]}.") if whose else ""
    return told + scrolled(table(rows, heads=heads))


def config(text: str) -> str:
    """The resolved config, to be opened."""
    told = "Every setting, with where it came from. This file repeats the run."
    whole = folded("Resolved config", element("pre", escape(text)))
    return section("config", "Config", element("p", told), whole)


def environment(facts: Mapping[str, Any]) -> str:
    """What the run was computed with."""
    rows = [[str(name), str(value)] for name, value in _environment(facts)]
    return section("environment", "Environment", folded("Versions", table(rows)))


def _environment(facts: Mapping[str, Any]) -> list[tuple[str, Any]]:
    found = {**facts.get("versions", {}), **facts.get("environment", {})}
    rows = [("seed", facts.get("seed")), *found.items()]
    rows.append(("data (sha256)", facts.get("data_sha256")))
    rows.append(("fingerprint", facts.get("fingerprint")))
    watched = facts.get("diagnosis") or {}
    if "share_of_step" in watched:
        rows.append(("diagnosis, share of a step", f"{watched['share_of_step']:.1%}"))
    return [(name, value) for name, value in rows if value is not None]


def epochs(columns: Columns) -> str:
    """The curves as a table: the last row of an epoch, of at most `_ROWS` epochs."""
    names = [n for n in columns if n.startswith(("train/", "validation/"))]
    names = [n for n in names if n != "train/loss"]
    if not names:
        return ""
    epoch = numbers(columns, "epoch")
    found = {n: numbers(columns, n) for n in names}
    ends = np.flatnonzero(np.any([np.isfinite(v) for v in found.values()], axis=0))
    if not len(ends):
        return ""
    kept = ends[np.unique(np.linspace(0, len(ends) - 1, _ROWS).round().astype(int))]
    rows = [
        [f"{epoch[i]:.0f}", *(_cell(values[i]) for values in found.values())]
        for i in kept
    ]
    heads = ["epoch", *(n.replace("epoch_loss", "loss") for n in names)]
    return folded("The curves as a table", scrolled(table(rows, heads=heads)))


def drawn(of: Sequence[charts.Chart]) -> str:
    """Charts as tables, at most `_ROWS` rows of each, with the edges of bands."""
    tables = []
    for one in of:
        heads = ["epoch", *(series["label"] for series in one["series"])]
        rows = [
            [f"{one['x'][i]:g}", *(_banded(series, i) for series in one["series"])]
            for i in charts.thinned(len(one["x"]), _ROWS)
        ]
        tables.append(scrolled(table(rows, one["title"], heads)))
    return folded("The curves as a table", *tables) if tables else ""


def _banded(series: Mapping[str, Any], at: int) -> str:
    """`0.2 (0.1 to 0.3)`."""
    if series["values"][at] is None:
        return ""
    told, *edges = (
        number(series[name][at]) for name in ("values", "low", "high") if name in series
    )
    return told + (f" ({' to '.join(edges)})" if edges else "")


def _cell(value: float) -> str:
    return number(value) if np.isfinite(value) else ""
