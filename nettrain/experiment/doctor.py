"""What is wrong with a run, where its config says so, and the config that mends it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nettrain.config.writer import inline
from nettrain.diagnose.finding import Edit, Finding
from nettrain.disk import Disk
from nettrain.errors import Error, Place
from nettrain.experiment.load import Run
from nettrain.experiment.setup import set_up
from nettrain.experiment.status import RUNNING

RESOLVED = "config.resolved.yaml"


def serious(findings: Sequence[Finding]) -> list[Finding]:
    """Errors and warnings, the primary one first; a run without any is healthy."""
    return [finding for finding in findings if finding.severity != "note"]


def patches(findings: Sequence[Finding]) -> list[tuple[Finding, tuple[Edit, ...]]]:
    """Every patch that an error or a warning offers, the primary cause's first."""
    offered = [(f, f.remedy.patch) for f in serious(findings) if f.remedy]
    return [(finding, patch) for finding, patch in offered if patch]


def check_diagnosed(run: Run) -> None:
    """Refuse a run that has no verdict.

    Raises:
        Error: `run-unfinished` where training is not over, `run-undiagnosed` where the
            config said that nobody should look.
    """
    if run.status not in ("finished", "diverged"):
        ids = " ".join(dict.fromkeys(finding.id for finding in run.findings))
        so_far = f"; findings so far: {ids}" if ids else ""
        message = f"{run.path} has no verdict yet: {run.told}{so_far}"
        fix = f"nettrain resume {run.path}"
        if run.status == RUNNING:
            fix = f"wait for its end; so far: nettrain report {run.path}"
        raise Error("run-unfinished", message, fix=fix)
    if run.experiment.diagnose is False:
        message = f"{run.path} was not diagnosed: its config says diagnose: false"
        raise Error("run-undiagnosed", message, fix="say diagnose: true and run it")


# ---------------------------------------------------------------- its config


def base(run: Run) -> str:
    """The config that a mended one extends.

    The one that was given, as long as it says what this run was. It does not if
    overrides were used, if it has been changed or moved, or if it was a mapping: then
    it is the run's own resolved config.
    """
    resolved, given = run.path / RESOLVED, run.facts["config"]
    if given is not None and os.path.isfile(given):
        with contextlib.suppress(Error):
            if set_up(given).config_sha256 == set_up(resolved).config_sha256:
                return str(given)
    return str(resolved)


def excerpt(run: Run, finding: Finding) -> str:
    """The config line of a finding as it was when the run began, with a caret."""
    given, number = run.facts["config"], finding.config_line
    lines = run.config_text.splitlines()
    if given is None or number is None or not 0 < number <= len(lines):
        return ""
    text = lines[number - 1]
    written = text.partition(" #")[0].rstrip()
    blanks = len(written) - len(written.lstrip(" -"))
    place = Place(given, number, blanks + 1, text, len(written) - blanks)
    return place.excerpt()


# ---------------------------------------------------------------- the mended config


def mended(base: str, patch: Sequence[Edit], path: Path, comment: str) -> str:
    """The text of a config at `path` that lays a patch over another config.

    Args:
        base: the other config.
        patch: its edits.
        path: where it will stand.
        comment: what it cures.
    """
    beside = os.path.relpath(os.path.realpath(base), os.path.realpath(path.parent))
    plain = "".join(c if c.isprintable() else "?" for c in comment)
    edits = [f"  - {inline(edit.to_json())}" for edit in patch]
    lines = [f"# {plain}", f"extends: {inline(beside)}", "patch:", *edits]
    return "\n".join(lines) + "\n"


def source(base: str, patch: Sequence[Edit]) -> dict[str, Any]:
    """The same as a mapping, to be trained."""
    return {
        "extends": os.path.abspath(base),
        "patch": [edit.to_json() for edit in patch],
    }


def check_free(path: Path) -> None:
    """Refuse a file that is there already, or whose folder is not.

    Raises:
        Error: `run-file-exists` or `disk-missing`. Nothing is touched then.
    """
    disk = Disk()
    if disk.exists(path):
        message = f"{path} exists already, and is left as it is"
        raise Error("run-file-exists", message, fix="name another file, or remove it")
    if not disk.is_folder(path.parent):
        message = f"cannot write {path}: there is no folder {path.parent}"
        raise Error("disk-missing", message, fix="make it, or name another one")
