"""The results as tables: Markdown, a page of HTML, and CSV with a row per run."""

from __future__ import annotations

import csv
import html
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from experiments.faults.baselines import LEFT_OUT
from experiments.faults.catalogue import FAULTS
from experiments.faults.scores import (
    TARGETS,
    Judged,
    Scores,
    Share,
    by_tool,
    causes,
    grouped,
    overall,
    rules,
    share,
)

Cell = str | int | Share


@dataclass(frozen=True)
class Table:
    """A table with a title and a sentence about it."""

    title: str
    about: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]


def tables(scores: Scores, overhead: Mapping[str, float]) -> list[Table]:
    """Everything there is to say."""
    return [
        _overall(scores, overhead),
        _kinds(scores),
        _harmless(scores),
        _controls(scores),
        _tools(scores),
        _rules(scores),
        _misses(scores),
        _wrong_causes(scores),
        _false_alarms(scores),
    ]


def _overall(scores: Scores, overhead: Mapping[str, float]) -> Table:
    rows: list[Sequence[Cell]] = []
    for name, found in overall(scores).items():
        target = TARGETS.get(name)
        sign = "≤" if name.startswith("errors") else "≥"
        wanted = f"{sign} {target:.1%}" if target is not None else ""
        rows.append((name, found, wanted))
    for net, added in overhead.items():
        rows.append((f"overhead, {net}", f"{added:.1%}", "≤ 5 %"))
    about = (
        f"{len(scores.faulty)} runs with a fault that hurts, {len(scores.harmless)} "
        f"whose fault does not and {len(scores.healthy)} healthy runs; "
        f"{len(scores.poor)} meant to be healthy are worse than scikit-learn on the "
        "same rows and count as nothing."
    )
    return Table("Overall", about, ("", "share (95 % interval)", "target"), rows)


def _kinds(scores: Scores) -> Table:
    kinds = grouped(scores.faulty, lambda run: run.job.change)
    rows = [_kind(name, kinds[name], scores) for name in sorted(kinds)]
    head = ("fault", "right", "runs", "recall", "cause right", "layer right", "primary",
            "latency", "recovered")  # fmt: skip
    about = (
        "Primary: the ids of the primary findings. Latency: median share of the "
        "planned updates before a finding with a right id first held."
    )
    return Table("Faults that hurt", about, head, rows)


def _kind(name: str, own: Sequence[Judged], scores: Scores) -> tuple[Cell, ...]:
    fault = FAULTS[name]
    late = [run.latency for run in own if run.latency is not None]
    layer: Cell = share(bool(run.layer_right) for run in own) if fault.layer else ""
    tried = any(run.recovered is not None for run in own)
    return (
        name,
        " ".join(fault.right),
        len(own),
        share(run.alarmed for run in own),
        share(run.cause_right for run in own),
        layer,
        causes(own),
        f"{np.median(late):.0%}" if late else "",
        share(map(scores.recovered, own)) if tried else "",
    )


def _harmless(scores: Scores) -> Table:
    rows = [
        (program, fault, _median(own), f"{scores.median(program):.3f}", causes(own))
        for (program, _, fault), own in grouped(
            scores.harmless, lambda run: run.job.cell
        ).items()
    ]
    head = ("program", "fault", "score", "twins", "primary")
    return Table("Faults that do not hurt, and do not count", "", head, rows)


def _controls(scores: Scores) -> Table:
    good = grouped(scores.healthy, lambda run: run.job.change)
    poor = grouped(scores.poor, lambda run: run.job.change)
    rows = [
        _control(name, good.get(name, ()), len(poor.get(name, ())))
        for name in sorted({*good, *poor})
    ]
    head = ("control", "healthy", "not good enough", "errors", "errors and warnings",
            "primary")  # fmt: skip
    return Table("Healthy runs", "", head, rows)


def _control(name: str, own: Sequence[Judged], poor: int) -> tuple[Cell, ...]:
    loud = [run for run in own if run.alarmed]
    return (
        name or "programs as they are",
        len(own),
        poor,
        share(run.has("error") for run in own),
        share(run.alarmed for run in own),
        causes(loud),
    )


def _tools(scores: Scores) -> Table:
    rows = [
        (tool, recall, alarms, LEFT_OUT.get(tool, ""))
        for tool, (recall, alarms) in by_tool(scores).items()
    ]
    about = (
        "A published tool flags a run if any of its rules does, at the published "
        "defaults; nettrain by an error or a warning."
    )
    head = ("tool", "faulty runs flagged", "healthy runs flagged", "left out")
    return Table("Beside the published rules", about, head, rows)


def _rules(scores: Scores) -> Table:
    faulty, healthy = rules(scores.faulty), rules(scores.healthy)
    none_f, none_h = Share(0, len(scores.faulty)), Share(0, len(scores.healthy))
    rows = [
        (rule, faulty.get(rule, none_f), healthy.get(rule, none_h))
        for rule in sorted({*faulty, *healthy})
    ]
    head = ("rule", "faulty runs flagged", "healthy runs flagged")
    return Table("The published rules one by one", "", head, rows)


def _misses(scores: Scores) -> Table:
    missed = [run for run in scores.faulty if not run.alarmed]
    return Table("Missed", "", _RUN_HEAD, [_run(run) for run in missed])


def _wrong_causes(scores: Scores) -> Table:
    wrong = [run for run in scores.faulty if run.alarmed and not run.cause_right]
    return Table("Another cause named", "", _RUN_HEAD, [_run(run) for run in wrong])


def _false_alarms(scores: Scores) -> Table:
    loud = [run for run in scores.healthy if run.alarmed]
    return Table("False alarms", "", _RUN_HEAD, [_run(run) for run in loud])


_RUN_HEAD = ("program", "change", "seed", "score", "findings")


def _run(run: Judged) -> tuple[Cell, ...]:
    job = run.job
    return job.program, job.change, job.seed, f"{run.score:.3f}", said(run)


def said(run: Judged) -> str:
    """`G1 error dense3 0.0002, L4 note`: the findings, the primary one first."""
    parts = []
    for f in run.findings:
        number = "" if f.measured is None else f" {f.measured:.3g}"
        parts.append(f"{f.id} {f.severity}{' ' + f.layer if f.layer else ''}{number}")
    return ", ".join(parts)


def _median(runs: Sequence[Judged]) -> str:
    return f"{np.median([run.score for run in runs]):.3f}"


# ---------------------------------------------------------------- forms


def told(cell: Cell) -> str:
    """A cell as text: a share with its counts and interval."""
    if not isinstance(cell, Share):
        return str(cell)
    if not cell.n:
        return ""
    low, high = cell.interval
    return f"{cell.value:.1%} ({low:.1%} to {high:.1%}; {cell.k} of {cell.n})"


def markdown(title: str, found: Sequence[Table]) -> str:
    """The tables as Markdown."""
    lines = [f"# {title}", ""]
    for table in found:
        if not table.rows:
            continue
        lines += [f"## {table.title}", ""]
        lines += [table.about, ""] if table.about else []
        lines += [_line(table.head), _line(["---"] * len(table.head))]
        lines += [_line(list(map(told, row))) for row in table.rows]
        lines.append("")
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width">
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem;
  padding: 0 1rem; }}
table {{ border-collapse: collapse; display: block; overflow-x: auto; }}
th, td {{ border-bottom: 1px solid #8886; padding: .25rem .7rem; text-align: left;
  vertical-align: top; }}
small {{ opacity: .75; white-space: nowrap; }}
svg {{ display: block; }}
</style>
<h1>{title}</h1>
{body}
</html>
"""


def page(title: str, found: Sequence[Table]) -> str:
    """The tables as one page of HTML, each share with its interval drawn."""
    body = []
    for table in found:
        if not table.rows:
            continue
        body.append(f"<h2>{html.escape(table.title)}</h2>")
        body.append(f"<p>{html.escape(table.about)}</p>" if table.about else "")
        head = "".join(f"<th>{html.escape(name)}</th>" for name in table.head)
        body.append(f"<table><thead><tr>{head}</tr></thead><tbody>")
        for row in table.rows:
            cells = "".join(f"<td>{_html(cell)}</td>" for cell in row)
            body.append(f"<tr>{cells}</tr>")
        body.append("</tbody></table>")
    return _PAGE.format(title=html.escape(title), body="\n".join(body))


WIDTH = 120
"""Pixels from 0 to 100 %."""


def _html(cell: Cell) -> str:
    if not isinstance(cell, Share):
        return html.escape(str(cell))
    if not cell.n:
        return ""
    low, high = cell.interval
    counts = f"{cell.k} of {cell.n}, {low:.1%} to {high:.1%}"
    x, a, b = (WIDTH * v for v in (cell.value, low, high))
    return (
        f"<b>{cell.value:.1%}</b> <small>{counts}</small>"
        f'<svg width="{WIDTH + 8}" height="10" viewBox="-4 0 {WIDTH + 8} 10" '
        f'role="img" aria-label="{counts}">'
        f'<line x1="0" x2="{WIDTH}" y1="5" y2="5" stroke="#8886"/>'
        f'<line x1="{a:.1f}" x2="{b:.1f}" y1="5" y2="5" stroke="#0072b2" '
        f'stroke-width="4"/><circle cx="{x:.1f}" cy="5" r="3.5" fill="#d55e00"/></svg>'
    )


_COLUMNS = ("program", "role", "change", "seed", "counts_as", "score", "twin",
            "status", "primary", "findings", "cause_right", "layer_right", "latency",
            "recovered", "seconds", "published")  # fmt: skip


def rows_csv(scores: Scores) -> str:
    """One row per run."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for kind in ("faulty", "harmless", "healthy", "poor"):
        for run in getattr(scores, kind):
            writer.writerow(_row(kind, run, scores))
    return text.getvalue()


def _row(kind: str, run: Judged, scores: Scores) -> list[object]:
    job, primary = run.job, run.primary
    latency = math.nan if run.latency is None else run.latency
    twin = scores.twins[job.program][job.seed]
    published = "; ".join(f"{t}: {', '.join(r)}" for t, r in run.published.items() if r)
    return [
        job.program, job.role, job.change, job.seed, kind, f"{run.score:.4f}",
        f"{twin:.4f}", run.status, primary.id if primary else "",
        said(run), run.cause_right, run.layer_right, f"{latency:.3f}", run.recovered,
        f"{run.seconds:.2f}", published,
    ]  # fmt: skip
