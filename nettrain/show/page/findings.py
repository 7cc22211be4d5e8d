"""The verdict of a run, and each finding with its evidence and what to change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from html import escape
from typing import Any

from nettrain.config.writer import inline
from nettrain.show import summary
from nettrain.show.page.document import picture
from nettrain.show.page.text import element, folded, section

Finding = Mapping[str, Any]
"""A row of findings.json."""

_SEVERITIES = ("error", "warning", "note")

ENDLESS = ("interrupted", "killed", "failed")
"""How runs stop that can be gone on with."""


def verdict(
    findings: Sequence[Finding],
    status: str,
    reason: str,
    diagnosed: bool,
    at: str = "",
    resume: str = "",
) -> str:
    """One sentence: healthy, or the primary cause; and how the run ended.

    Args:
        findings: rows of findings.json.
        status, reason: of run.json.
        diagnosed: whether the run was watched at all.
        at: how far it came.
        resume: the command that goes on with it, if it stopped before its end.
    """
    primary = next((f for f in findings if f.get("primary")), None)
    if primary is not None:
        look = str(primary["severity"])
        said = f"{summary.title(primary).capitalize()} at {summary.where(primary)}"
        why = primary.get("why") or ""
    elif status in ("running", "interrupted", "killed"):
        look, said = "none", "Not finished"
        why = f"Findings so far: {len(findings)}."
        why += " The cause is told at the end." * (status == "running")
    elif status != "finished":
        look, said, why = "error", f"The run {status}", reason
    elif not diagnosed:
        look, said, why = "none", "Not diagnosed", "The config says diagnose: false."
    else:
        look, said = "healthy", "Healthy"
        why = "Nothing was found that keeps this network from learning."
    unfinished = status in ENDLESS or status == "running"
    ended = f"{status} at {at}" if at and unfinished else status
    ended = f"{ended}: {reason}" if reason else ended
    go_on = _copied("command", resume) if resume and status in ENDLESS else ""
    return element(
        "div",
        element("p", element("strong", escape(said)), class_="said"),
        element("p", escape(why)) if why else "",
        element("p", escape(ended), class_="faint"),
        go_on,
        class_=f"verdict {look}",
        id="verdict",
    )


def section_of_findings(
    findings: Sequence[Finding],
    pictures: Mapping[str, str],
    config: str,
    as_given: bool,
    run: str,
) -> str:
    """All findings, the primary one first and its consequences under it.

    Args:
        findings: rows of findings.json.
        pictures: id of a finding -> its picture as SVG; equal ones are shown once.
        config: the config's file, cited and tried.
        as_given: whether that file alone says what the run was.
        run: the run folder.
    """
    if not findings:
        return section("findings", "Findings", element("p", "No findings."))
    article = partial(
        _article,
        pictures=pictures,
        config=config,
        as_given=as_given,
        run=run,
        shown=dict[str, str](),
    )
    ranked = sorted(findings, key=lambda f: not f.get("primary"))
    if ranked and not ranked[0].get("primary"):  # which is the cause is not yet known
        ranked.sort(key=lambda f: _SEVERITIES.index(f["severity"]))
    heads = [f for f in ranked if not f.get("consequence_of")]
    parts = []
    for finding in heads:
        follow = [f for f in ranked if f.get("consequence_of") == finding["id"]]
        parts.append(article(finding))
        if follow:
            inner = [article(f) for f in follow]
            count = f"{len(follow)} finding{'s' * (len(follow) > 1)}"
            title = f"What follows from {finding['id']}: {count}"
            head = element("h3", escape(title))
            parts.append(element("div", head, *inner, class_="consequences"))
    return section("findings", "Findings", *parts)


def _article(
    finding: Finding,
    pictures: Mapping[str, str],
    config: str,
    as_given: bool,
    run: str,
    shown: dict[str, str],
) -> str:
    """One finding; open where it is the primary one.

    Args:
        shown: pictures that stand on the page already -> the finding they stand at.
    """
    place = f"{finding['id']} {summary.title(finding)} at {summary.where(finding)}"
    primary = ": the primary cause" if finding.get("primary") else ""
    rows = [("where", summary.where(finding)), *_numbers(finding)]
    if config and finding.get("config_line"):
        rows.append(("config", f"{_file(config)}:{finding['config_line']}"))
    if finding.get("why"):
        rows.append(("why", finding["why"]))
    listed = "".join(
        element("dt", escape(head)) + element("dd", escape(text)) for head, text in rows
    )
    tried = summary.trial(finding, config if as_given else "", run)
    parts = [element("dl", listed), _remedy(finding.get("remedy") or {}, tried)]
    if (drawn := pictures.get(finding["id"])) is not None:
        if drawn in shown:
            told = f"Its picture stands at {shown[drawn]}, above."
            parts.append(element("p", escape(told), class_="faint"))
        else:
            shown[drawn] = str(finding["id"])
            parts.append(picture(drawn))
    severity = str(finding["severity"])
    badge = element("span", escape(severity), class_=f"badge {severity}")
    head = element("summary", badge, " ", escape(place + primary))
    is_open = bool(finding.get("primary"))
    return element("details", head, *parts, class_="finding", open=is_open)


def _numbers(finding: Finding) -> list[tuple[str, str]]:
    """Measured, threshold and healthy range, as far as they are known."""
    measured, *others = summary.measured(finding) or [""]
    rows = [("measured", measured)] if measured else []
    for other in others:
        head, _, text = other.partition(" ")
        rows.append((head, text))
    return rows


def _file(config: str) -> str:
    return config.replace("\\", "/").rpartition("/")[2]


def _remedy(remedy: Mapping[str, Any], tried: str) -> str:
    """What to change in words, as a patch to copy, and the command that tries it."""
    parts = []
    if remedy.get("text"):
        change = element("strong", "What to change: ")
        parts.append(element("p", change, escape(remedy["text"])))
    patch = remedy.get("patch") or []
    if patch:
        lines = "\n".join(["patch:", *(f"  - {inline(edit)}" for edit in patch)])
        parts.append(_copied("patch", lines))
    if tried:
        parts.append(_copied("command", tried))
    return "".join(parts)


def _copied(what: str, text: str) -> str:
    """Text with a button that copies it."""
    label = f"Copy the {what}"
    button = element("button", "Copy", type="button", class_="copy", aria_label=label)
    return element("div", element("pre", escape(text)), button, class_="copied")


def others(pictures: Mapping[str, str], taken: Sequence[str]) -> str:
    """The pictures that stand at no finding, to be opened."""
    left = {name: drawn for name, drawn in pictures.items() if drawn not in taken}
    return "".join(
        folded(name.replace("-", " ").capitalize(), picture(drawn))
        for name, drawn in left.items()
    )
