"""What a run leaves on the terminal: its metrics, and its findings with what to do."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from nettrain.config.writer import inline
from nettrain.show.progress import duration
from nettrain.show.style import number

_WIDTH = 88
_INDENT = 10
_CODES = {"bold": "1", "faint": "2", "error": "1;31", "warning": "1;33", "note": "1;36"}
_PARTS = ("train", "validation", "test")

Finding = Mapping[str, Any]
"""A row of findings.json."""


def summary(
    metrics: Mapping[str, Any],
    *,
    seconds: float,
    folder: str,
    findings: Sequence[Finding] = (),
    config: str = "",
    colour: bool = False,
) -> str:
    """The text after the last epoch.

    Args:
        metrics: the `summary` of run.json: `last`, `best`, and `test/…`.
        seconds: how long the run took.
        folder: the run folder as the person may type it.
        findings: rows of findings.json; the primary one is shown first.
        config: the config's file, for the lines and commands that findings cite.
        colour: whether the text goes to a terminal.
    """
    pen = _Pen(colour)
    blocks = [_table(metrics, pen), f"{duration(seconds)}, written to {folder}"]
    shown = [f for f in findings if not f.get("consequence_of")]
    for finding in sorted(shown, key=lambda f: not f.get("primary")):
        follows = [f for f in findings if f.get("consequence_of") == finding["id"]]
        blocks.append(message(finding, follows, config=config, colour=colour))
    if not findings:
        blocks.append("No findings.")
    return "\n\n".join(block for block in blocks if block) + "\n"


class _Pen:
    """Writes in colour on a terminal, plainly elsewhere."""

    def __init__(self, colour: bool) -> None:
        self.colour = colour

    def __call__(self, text: str, look: str) -> str:
        return f"\033[{_CODES[look]}m{text}\033[0m" if self.colour else text


# ---------------------------------------------------------------- metrics


def _table(metrics: Mapping[str, Any], pen: _Pen) -> str:
    """A row per metric: the last values, the test's, and the best with its epoch."""
    last, best = (_epoch_loss(metrics.get(of, {})) for of in ("last", "best"))
    named = [*last, *(name for name in metrics if name.startswith("test/")), *best]
    pairs = [name.partition("/") for name in named]
    names = dict.fromkeys(m for part, _, m in pairs if part in _PARTS and m != "step")
    heads = ["", *_PARTS, "best"]
    rows = [[n, *_values(n, {**last, **metrics}), _best(n, best)] for n in names]
    kept = [i for i in range(len(heads)) if i == 0 or any(row[i] for row in rows)]
    if len(kept) < 2:
        return ""
    lines = [[row[i] for i in kept] for row in (heads, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    texts = [
        "  ".join(
            _aligned(cell, width, i)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([pen(texts[0], "faint"), *texts[1:]])


def _aligned(cell: str, width: int, column: int) -> str:
    return cell.rjust(width) if column else cell.ljust(width)


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
    return "" if value is None else f"{value:.4g}"


# ---------------------------------------------------------------- findings


def line(finding: Finding, *, colour: bool = False) -> str:
    """A finding in one line, for the moment in which it arises.

    What no number measures tells the first clause of why.
    """
    pen = _Pen(colour)
    head = pen(f"{finding['severity']}[{finding['id']}]", finding["severity"])
    measured = ", ".join(_measured(finding)[:2])
    told = measured or (finding.get("why") or "").partition(";")[0]
    return f"{head} {_name(finding)} at {_where(finding)}" + (told and f": {told}")


def message(
    finding: Finding,
    consequences: Sequence[Finding] = (),
    *,
    config: str = "",
    colour: bool = False,
) -> str:
    """A finding in full: title, where, measured, why, what to change, what follows.

    Args:
        consequences: findings that this one explains.
        config: the config's file, cited with the finding's line.
    """
    pen = _Pen(colour)
    title = f"{finding['severity']}[{finding['id']}]"
    primary = ": the primary cause" if finding.get("primary") else ""
    rows = [
        pen(title, finding["severity"]) + pen(f" {_name(finding)}{primary}", "bold")
    ]
    rows.append(_row("where", _where(finding), pen))
    if config and finding.get("config_line"):
        rows.append(_row("config", f"{config}:{finding['config_line']}", pen))
    if _measured(finding):
        rows.append(_row("measured", ", ".join(_measured(finding)), pen))
    if finding.get("why"):
        rows.append(_row("why", finding["why"], pen))
    rows += _remedy(finding.get("remedy") or {}, config, pen)
    if consequences:
        told = ", ".join(f"{f['id']} {_name(f)} at {_where(f)}" for f in consequences)
        rows.append(_row("follows", told, pen))
    if finding.get("consequence_of"):
        rows.append(_row("cause", finding["consequence_of"], pen))
    return "\n".join(rows)


def _name(finding: Finding) -> str:
    return str(finding["name"]).replace("-", " ")


def _where(finding: Finding) -> str:
    """`model/dense2/pre_activation, 12 of its units, epoch 2, step 88`."""
    parts = [finding.get("node") or finding.get("layer") or "the whole network"]
    units = finding.get("units")
    if units:
        count = len(units)
        listed = ", ".join(map(str, units[:8])) + (", …" if count > 8 else "")
        parts.append(f"{count} unit{'s' * (count > 1)} ({listed})")
    for word in ("epoch", "step"):
        if finding.get(word) is not None:
            parts.append(f"{word} {finding[word]}")
    return ", ".join(parts)


def _measured(finding: Finding) -> list[str]:
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
    return number(value) if isinstance(value, (int, float)) else str(value)


def _row(head: str, text: str, pen: _Pen) -> str:
    """`  head    text`, wrapped under itself."""
    wrapped = textwrap.wrap(
        text, _WIDTH - _INDENT - 2, break_long_words=False, break_on_hyphens=False
    )
    gap = "\n" + " " * (_INDENT + 2)
    return f"  {pen(head.ljust(_INDENT), 'faint')}{gap.join(wrapped)}"


def _remedy(remedy: Mapping[str, Any], config: str, pen: _Pen) -> list[str]:
    """What to change in words, as edits, and the command that tries it."""
    patch = remedy.get("patch") or []
    rows = [_row("change", remedy["text"], pen)] if remedy.get("text") else []
    rows += [" " * (_INDENT + 2) + f"- {inline(edit)}" for edit in patch]
    command = _command(patch, config)
    return (
        [*rows, f"  {pen('try'.ljust(_INDENT), 'faint')}{command}"] if command else rows
    )


def _command(patch: Sequence[Mapping[str, Any]], config: str) -> str:
    """Overrides where every edit sets a value, else a config that holds the patch."""
    if config and patch and all(edit["do"] == "set" for edit in patch):
        overrides = [f"{edit['path']}={inline(edit['value'])}" for edit in patch]
        return " ".join(["nettrain run", *map(shlex.quote, [config, *overrides])])
    if config and patch:
        return f"a new config with `extends: {config}` and these lines under `patch:`"
    return ""
