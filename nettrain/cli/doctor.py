"""The verb `doctor`: a run's findings, the config that mends it, and the proof."""

from __future__ import annotations

import shlex
import sys
import textwrap
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nettrain.cli import plugin
from nettrain.cli.terminal import colour, print_json, table
from nettrain.diagnose.finding import Edit, Finding
from nettrain.disk import Disk
from nettrain.errors import Error, visible
from nettrain.experiment import doctor as mending
from nettrain.experiment.load import Run, load_run
from nettrain.experiment.verify import Round, Trained, accepted, curves, told, verify
from nettrain.record.folder import RunFolder
from nettrain.show import summary
from nettrain.show.finding import RATES, picture
from nettrain.show.width import folded, width

_INDENT = 4


def doctor(arguments: Namespace) -> int:
    """`nettrain doctor RUN`."""
    plugin.load(arguments.plugin)
    run = load_run(arguments.run)
    mending.check_diagnosed(run)
    target = Path(arguments.apply) if arguments.apply else None
    if target is not None:
        mending.check_free(target)
    base = mending.base(run)
    if not arguments.json:
        print("\n\n".join(_findings(run, base)))
        sys.stdout.flush()
    rounds = verify(run, base, _say) if arguments.verify else None
    ids, patch = _patch(run, rounds)
    drawn = _draw(run, rounds) if rounds else ""
    if rounds is not None and mending.serious(run.findings) and not arguments.json:
        print("\n" + "\n\n".join(_verified(run, rounds, drawn)))
    if target is not None:
        _apply(run, base, ids, patch, target, arguments.json)
    if arguments.json:
        print_json(_plain(run, base, patch, rounds, target))
    return 0


def _say(text: str) -> None:
    print(visible(f"training {text} …"), file=sys.stderr, flush=True)


def _patch(
    run: Run, rounds: Sequence[Round] | None
) -> tuple[Sequence[str], tuple[Edit, ...]]:
    """What is to be applied, and against which findings.

    Every patch that was seen to help; where none was tried, the first that is offered.
    """
    if rounds is not None:
        return [r.finding.id for r in rounds if r.accepted], accepted(rounds)
    offered = mending.patches(run.findings)
    return ([offered[0][0].id], offered[0][1]) if offered else ([], ())


def _apply(
    run: Run,
    base: str,
    ids: Sequence[str],
    patch: Sequence[Edit],
    target: Path,
    quiet: bool,
) -> None:
    """Write the mended config; nothing where there is nothing to mend."""
    if not mending.serious(run.findings):
        print(f"there is nothing to mend, {target} is not written", file=sys.stderr)
        return
    if not patch:
        message = f"no patch for {run.path} can be written"
        fix = "what its findings say has to be changed by hand"
        raise Error("run-no-patch", message, fix=fix)
    named = ", ".join(dict.fromkeys(ids))
    comment = f"Against {named} in {run.path}, by nettrain doctor."
    text = mending.mended(base, patch, target, comment)
    Disk().replace(target, text.encode(), durable=False)
    if not quiet:
        print(f"\nwritten to {target}\n  nettrain run {shlex.quote(str(target))}")


def _draw(run: Run, rounds: Sequence[Round]) -> str:
    """The picture of the losses before and after; nothing where no epoch was made."""
    from nettrain.show.before_after import before_after

    before, after = curves(rounds[0].before), curves(_last(rounds))
    if not (before or after):
        return ""
    folder = RunFolder.open(run.path)
    with folder.lock():
        return str(
            folder.write_text("plots/before-after.svg", before_after(before, after))
        )


def _last(rounds: Sequence[Round]) -> Trained:
    """The config mended so far; the first one tried where none helps."""
    helped = [r.after for r in rounds if r.accepted]
    tried = [r.after for r in rounds if r.after]
    return next((t for t in [*reversed(helped), *tried] if t), rounds[0].before)


# ---------------------------------------------------------------- findings


def _findings(run: Run, base: str) -> Iterator[str]:
    """A verdict, then every finding: the cause, and under it what follows from it."""
    sick = mending.serious(run.findings)
    count = f"{len(sick)} finding{'s' * (len(sick) > 1)}" if sick else "healthy"
    # A run diverges in the update after the last one that was made.
    step = run.facts["step"] + (run.status == "diverged")
    yield visible(f"{run.path}: {count}, {run.status} at step {step:,}")
    if not sick:
        yield "No error and no warning was found."
    for row, follows in summary.grouped([f.to_json() for f in run.findings]):
        yield _message(run, base, row)
        for other in follows:
            yield textwrap.indent(_message(run, base, other, _INDENT), " " * _INDENT)


def _message(run: Run, base: str, row: Mapping[str, Any], indent: int = 0) -> str:
    finding, offered = Finding.from_json(row), mending.patches(run.findings)
    given = base if base == run.facts["config"] else ""
    applied = str(run.path) if offered and finding == offered[0][0] else ""
    return summary.message(
        row,
        config=run.facts["config"] or "",
        excerpt=mending.excerpt(run, finding),
        picture=_picture(run, finding),
        trial=summary.command(summary.patch(row), given, applied),
        indent=indent,
        colour=colour(sys.stdout),
    )


def _picture(run: Run, finding: Finding) -> str:
    """The path of the picture that shows it."""
    drawn = run.pictures
    name = picture(finding.id, drawn)
    measured = finding.remedy is not None and "measured:" in finding.remedy.text
    names = [name, RATES if measured and RATES in drawn else None]
    each = filter(None, dict.fromkeys(names))
    return ", ".join(str(run.path / "plots" / name) for name in each)


# ---------------------------------------------------------------- before and after


def _verified(run: Run, rounds: Sequence[Round], drawn: str) -> Iterator[str]:
    """Every round, then the run and its mended config side by side."""
    if not rounds:
        yield "There is no patch to verify."
        return
    rows = [["round", "for", "patch", "findings", "loss / guessing", ""]]
    for number, made in enumerate(rounds, 1):
        rows.append([str(number), made.finding.id, told(made.patch), *_judged(made)])
    yield table(rows, left=6)
    last = _last(rounds)
    yield table(list(_side_by_side(rounds[0].before, last)), left=3)
    if last.shortened:
        text = f"To save time the mended config was trained for {last.steps:,} of its "
        text += f"{last.planned:,} planned updates, and losses are compared there."
        yield folded(text, 0, width())
    curved = f"; curves: {drawn}" if drawn else ""
    yield folded(_ended(rounds) + curved, 2, width())


def _judged(made: Round) -> list[str]:
    """Findings and loss, before → after, and whether it was accepted."""
    verdict = "accepted" if made.accepted else f"not accepted: {made.why}"
    if made.after is None:
        return [_ids(made.before), "", verdict]
    before, after = made.losses
    findings = f"{_ids(made.before)} → {_ids(made.after)}"
    return [findings, f"{before:.3g} → {after:.3g}", verdict]


def _ids(trained: Trained) -> str:
    found = dict.fromkeys(f.id for f in mending.serious(trained.findings))
    return " ".join(found) or "none"


def _side_by_side(before: Trained, after: Trained) -> Iterator[list[str]]:
    yield ["", "before", "after"]
    yield ["findings", _ids(before), _ids(after)]
    until = after.steps if after.shortened else float("inf")
    old, new = before.scores(until), after.scores()
    for name in dict.fromkeys([*old, *new]):
        pair = [f"{s[name]:.4g}" if name in s else "" for s in (old, new)]
        yield [name, *pair]
    yield ["updates", f"{before.steps:,}", f"{after.steps:,}"]


def _ended(rounds: Sequence[Round]) -> str:
    if not accepted(rounds):
        return "No patch helped"
    healthy = not mending.serious(_last(rounds).findings)
    kept = sum(r.accepted for r in rounds)
    return f"{kept} patch{'es' * (kept > 1)} accepted, " + (
        "and the mended config is healthy" if healthy else "and findings remain"
    )


# ---------------------------------------------------------------- JSON


def _plain(
    run: Run,
    base: str,
    patch: Sequence[Edit],
    rounds: Sequence[Round] | None,
    target: Path | None,
) -> dict[str, Any]:
    applied = target if target is not None and patch else None
    return {
        "run": str(run.path),
        "status": run.status,
        "healthy": not mending.serious(run.findings),
        "config": base,
        "findings": [
            {
                **finding.to_json(),
                "excerpt": mending.excerpt(run, finding) or None,
                "picture": _picture(run, finding) or None,
            }
            for finding in run.findings
        ],
        "patch": [edit.to_json() for edit in patch],
        "applied": None if applied is None else str(applied),
        "verified": None if rounds is None else [_round(made) for made in rounds],
    }


def _round(made: Round) -> dict[str, Any]:
    before, after = made.losses
    return {
        "finding": made.finding.id,
        "patch": [edit.to_json() for edit in made.patch],
        "accepted": made.accepted,
        "why": made.why,
        "loss_before": before,
        "loss_after": after,
        "shortened": made.after is not None and made.after.shortened,
        "before": _trained(made.before),
        "after": made.after and _trained(made.after),
    }


def _trained(trained: Trained) -> dict[str, Any]:
    return {
        "findings": [finding.to_json() for finding in trained.findings],
        "metrics": trained.scores(),
        "steps": trained.steps,
        "planned": trained.planned,
    }
