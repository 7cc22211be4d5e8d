"""What a run leaves on the terminal: its metrics, and its findings with what to do."""

from __future__ import annotations

import shlex
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nettrain.config.writer import inline
from nettrain.errors import visible
from nettrain.show.progress import duration
from nettrain.show.style import number
from nettrain.show.table import table
from nettrain.show.width import columns, folded, width

_INDENT = 10
_CODES = {"bold": "1", "faint": "2", "error": "1;31", "warning": "1;33", "note": "1;36"}
_PARTS = ("train", "validation", "test")
MENDED = "mended.yaml"
"""What a command calls the config that holds a patch."""

Finding = Mapping[str, Any]
"""A row of findings.json."""


def summary(
    metrics: Mapping[str, Any],
    *,
    seconds: float,
    folder: str,
    findings: Sequence[Finding] = (),
    config: str = "",
    as_given: bool = True,
    diagnosis: Mapping[str, Any] | None = None,
    colour: bool = False,
) -> str:
    """The text after the last epoch.

    Args:
        metrics: the `summary` of run.json: `last`, `best`, and `test/…`.
        seconds: how long the run took.
        folder: the run folder as the person may type it.
        findings: rows of findings.json; the primary one is shown first.
        config: the config's file, for the lines and commands that findings cite.
        as_given: whether the run is what that file says, without overrides.
        diagnosis: what run.json says of it: what it cost, and what was changed of it.
        colour: whether the text goes to a terminal.
    """
    pen = _Pen(colour)
    ended = visible(f"{duration(seconds)}, written to {folder}")
    ending = "\n".join([ended, *_watched(diagnosis or {})])
    blocks = [_table(metrics, pen), folded(ending, 2, pen.width)]
    for finding, follows in grouped(findings):
        tried = trial(finding, config if as_given else "", folder)
        told = message(finding, follows, config=config, trial=tried, colour=colour)
        blocks.append(told)
    if not findings:
        blocks.append("No findings.")
    return "\n\n".join(block for block in blocks if block) + "\n"


def _watched(diagnosis: Mapping[str, Any]) -> Iterator[str]:
    """What the diagnosis cost, and by which rules of the config's own it judged."""
    if "share_of_step" in diagnosis:
        yield f"diagnosis added {diagnosis['share_of_step']:.0%} to a step"
    if diagnosis.get("changed"):
        changed = visible("; ".join(diagnosis["changed"]))
        yield f"judged otherwise than by default: {changed}"


class _Pen:
    """Writes in colour on a terminal, plainly elsewhere.

    Attributes:
        width: of the text; commands, edits and excerpts stay whole.
    """

    def __init__(self, colour: bool, indent: int = 0) -> None:
        self.colour, self.width = colour, width() - indent

    def __call__(self, text: str, look: str) -> str:
        return f"\033[{_CODES[look]}m{text}\033[0m" if self.colour else text


# ---------------------------------------------------------------- metrics


def rows(metrics: Mapping[str, Any]) -> list[list[str]]:
    """Heads, then a row per metric: the model's values, the test's, the best's epoch.

    Columns in which no metric has anything are left out, tables (a confusion) too.

    Args:
        metrics: the `summary` of run.json.
    """
    last = _epoch_loss(metrics.get("kept") or metrics.get("last", {}))
    best = _epoch_loss(metrics.get("best", {}))
    named = [*last, *(name for name in metrics if name.startswith("test/")), *best]
    pairs = [name.partition("/") for name in named]
    names = dict.fromkeys(m for part, _, m in pairs if part in _PARTS and m != "step")
    heads = ["", *_PARTS, "best"]
    found = [
        [visible(n), *_values(n, {**last, **metrics}), _best(n, best)] for n in names
    ]
    found = [row for row in found if any(row[1:])]
    kept = [i for i in range(len(heads)) if i == 0 or any(row[i] for row in found)]
    return [[row[i] for i in kept] for row in (heads, *found)]


def whose(metrics: Mapping[str, Any]) -> str:
    """Which epoch's weights all of a row but its best are of, where not the last's."""
    if "kept" not in metrics:
        return ""
    return f"of the weights kept, those of epoch {metrics['kept']['epoch']}"


def _table(metrics: Mapping[str, Any], pen: _Pen) -> str:
    lines = rows(metrics)
    if len(lines) < 2:
        return ""
    told = [table(lines, wide=columns(sys.stdout), head=lambda s: pen(s, "faint"))]
    told += [pen(said, "faint") for said in [whose(metrics)] if said]
    return "\n".join(told)


def _epoch_loss(values: Mapping[str, Any]) -> dict[str, Any]:
    """The training loss is that of the epoch's final weights, not of a last batch."""
    whole = {k: v for k, v in values.items() if k != "train/epoch_loss"}
    if "train/epoch_loss" in values:
        whole["train/loss"] = values["train/epoch_loss"]
    return whole


def _values(name: str, values: Mapping[str, Any]) -> list[str]:
    """The metric on each part: from the last epoch, for the test from its one row."""
    return [_shown(values.get(f"{part}/{name}")) for part in _PARTS]


def _best(name: str, best: Mapping[str, Any]) -> str:
    found = best.get(f"validation/{name}") or best.get(f"train/{name}")
    if not found:
        return ""
    return f"{_shown(found['value'])} (epoch {found['epoch']})"


def _shown(value: Any) -> str:
    """A number; one that is not finite is read back as a word."""
    if isinstance(value, str):
        return value
    return f"{value:.4g}" if isinstance(value, (int, float)) else ""


# ---------------------------------------------------------------- findings


def line(finding: Finding, *, colour: bool = False) -> str:
    """A finding in one line, for the moment in which it arises.

    What no number measures tells the first clause of why.
    """
    pen = _Pen(colour)
    head = pen(visible(f"{finding['severity']}[{finding['id']}]"), finding["severity"])
    numbers = ", ".join(measured(finding)[:2])
    told = numbers or (finding.get("why") or "").partition(";")[0]
    told = textwrap.shorten(told, pen.width, placeholder=" …")
    text = f" {title(finding)} at {where(finding)}" + (told and f": {told}")
    return head + visible(text)


def grouped(findings: Sequence[Finding]) -> list[tuple[Finding, list[Finding]]]:
    """Findings with what follows from each, the primary one first; each stands once."""
    follow = [f for f in findings if f.get("consequence_of")]
    causes = [f for f in findings if not f.get("consequence_of")]
    causes.sort(key=lambda f: not f.get("primary"))
    return [(f, follow if f.get("primary") else []) for f in causes]


def message(
    finding: Finding,
    consequences: Sequence[Finding] = (),
    *,
    config: str = "",
    excerpt: str = "",
    picture: str = "",
    trial: str = "",
    indent: int = 0,
    colour: bool = False,
) -> str:
    """A finding in full: title, where, measured, why, what to change, what follows.

    Args:
        consequences: findings that this one explains.
        config: the config's file, cited with the finding's line.
        excerpt: that line, with a caret under it.
        picture: the file in which it can be seen.
        trial: the command that tries the remedy.
        indent: by how much the caller will indent it.
    """
    pen = _Pen(colour, indent)
    head = visible(f"{finding['severity']}[{finding['id']}]")
    primary = ": the primary cause" if finding.get("primary") else ""
    called = visible(f" {title(finding)}{primary}")
    rows = [pen(head, finding["severity"]) + pen(called, "bold")]
    rows.append(_row("where", where(finding), pen))
    if config and finding.get("config_line"):
        rows.append(_row("config", f"{config}:{finding['config_line']}", pen))
    rows += [f"  {row}" for row in visible(excerpt).splitlines()]
    if measured(finding):
        rows.append(_row("measured", ", ".join(measured(finding)), pen))
    if finding.get("why"):
        rows.append(_row("why", finding["why"], pen))
    if picture:
        rows.append(_row("picture", picture, pen))
    rows += _remedy(finding.get("remedy") or {}, trial, pen)
    if consequences:
        told = ", ".join(f"{f['id']} {title(f)} at {where(f)}" for f in consequences)
        rows.append(_row("follows", told, pen))
    if finding.get("consequence_of"):
        rows.append(_row("cause", finding["consequence_of"], pen))
    return "\n".join(rows)


def title(finding: Finding) -> str:
    """`vanishing gradient`."""
    return str(finding["name"]).replace("-", " ")


def where(finding: Finding) -> str:
    """`model/dense2/pre_activation, 12 of its units, epoch 2, step 88`."""
    whole = "the data" if finding["id"].startswith("D") else "the whole network"
    parts = [finding.get("node") or finding.get("layer") or whole]
    units = finding.get("units")
    if units:
        count = len(units)
        listed = ", ".join(map(str, units[:8])) + (", …" if count > 8 else "")
        parts.append(f"{count} unit{'s' * (count > 1)} ({listed})")
    for word in ("epoch", "step"):
        if finding.get(word) is not None:
            parts.append(f"{word} {finding[word]}")
    return ", ".join(parts)


def measured(finding: Finding) -> list[str]:
    """`3.1e-6`, `threshold 0.001`, `healthy 0.02 … 1`, as far as they are known."""
    parts = []
    if finding.get("measured") is not None:
        parts.append(_told(finding["measured"]))
        if finding.get("threshold") is not None:
            parts.append(f"threshold {_told(finding['threshold'])}")
        if finding.get("healthy"):
            parts.append("healthy " + " … ".join(map(_told, finding["healthy"])))
    return parts


def _told(value: Any) -> str:
    """A number as the words beside it have it: `40`, `1.3e+13`, `3.1e-06`."""
    if not isinstance(value, (int, float)):
        return str(value)
    short = number(value)
    return f"{value:.2g}" if "e" in short else short


def _row(head: str, text: str, pen: _Pen) -> str:
    """`  head    text`, wrapped under itself; of a long one each clause begins a line.

    What became non-finite comes with its last 20 losses and gradient norms.
    """
    text = visible(text)
    clauses = text.split("; ") if len(text) > 2 * pen.width else [text]
    wrapped = [
        row
        for clause in clauses
        for row in textwrap.wrap(
            clause,
            pen.width - _INDENT - 2,
            break_long_words=False,
            break_on_hyphens=False,
        )
    ]
    gap = "\n" + " " * (_INDENT + 2)
    return f"  {pen(head.ljust(_INDENT), 'faint')}{gap.join(wrapped)}"


def patch(finding: Finding) -> Sequence[Mapping[str, Any]]:
    """The edits that its remedy offers."""
    return (finding.get("remedy") or {}).get("patch") or ()


def _remedy(remedy: Mapping[str, Any], trial: str, pen: _Pen) -> list[str]:
    """What to change in words, as edits, and the command that tries it."""
    edits = remedy.get("patch") or ()
    rows = [_row("change", remedy["text"], pen)] if remedy.get("text") else []
    rows += [" " * (_INDENT + 2) + f"- {visible(inline(edit))}" for edit in edits]
    if edits and trial:
        rows.append(f"  {pen('try'.ljust(_INDENT), 'faint')}{visible(trial)}")
    return rows


def trial(finding: Finding, config: str, run: str) -> str:
    """The command that tries a finding's patch; see `command`.

    Args:
        run: the run folder: its doctor applies the patch of the primary finding only.
    """
    return command(patch(finding), config, run if finding.get("primary") else "")


def command(patch: Sequence[Mapping[str, Any]], config: str, run: str = "") -> str:
    """What tries a patch: overrides where every edit sets a value, else the doctor.

    Args:
        patch: the edits.
        config: a file that says what the run was; "" where there is none.
        run: the run folder, if this is the patch that its doctor applies.
    """
    if not patch:
        return ""
    if config and all(edit["do"] == "set" for edit in patch):
        overrides = [f"{edit['path']}={inline(edit['value'])}" for edit in patch]
        return " ".join(["nettrain run", *map(shlex.quote, [config, *overrides])])
    if run:
        return f"nettrain doctor {shlex.quote(run)} --apply {MENDED}"
    return ""
