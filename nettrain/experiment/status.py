"""`run.json`: what a run is, and how far it has come."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nettrain import __version__
from nettrain.component import dump
from nettrain.disk import Disk
from nettrain.errors import Error
from nettrain.record import json_text, lock
from nettrain.record.append import last_line
from nettrain.record.folder import FORMAT, RUN, RunFolder

if TYPE_CHECKING:
    from nettrain.experiment.setup import Setup  # which reads runs itself
    from nettrain.training.plan import Plan

NOT_IDENTICAL = "correct, not bit-identical: "
"""How a run's events tell that its last bits may be others from there on."""
OTHER_BITS = "the kernels compute other last bits"


@dataclass(frozen=True)
class Status:
    """Writes `run.json`.

    Attributes:
        setup: of the run.
        config: the file whose lines findings cite; None where it was a mapping.
        as_given: whether that file alone says what the run is.
    """

    setup: Setup
    config: str | None
    as_given: bool

    @cached_property
    def numerics(self) -> str:
        """Which numbers this machine computes: equal only if all bits are."""
        from nettrain.execute.fingerprint import fingerprint  # which needs NumPy

        return fingerprint()

    @cached_property
    def environment(self) -> Mapping[str, Any]:
        from nettrain.execute.fingerprint import environment

        return environment()

    @cached_property
    def _plan(self) -> Plan:
        return self.setup.plan()

    @cached_property
    def prior(self) -> float | None:
        """Kept for the pages of a run whose data are gone."""
        return prior(self.setup)

    @property
    def versions(self) -> Mapping[str, str]:
        return {"nettrain": __version__, "python": platform.python_version()}

    @property
    def fingerprint(self) -> str:
        """What makes two runs the same: config, data and numerics."""
        setup = self.setup
        return _fingerprint(setup.config_sha256, setup.dataset.sha256, self.numerics)

    def write(
        self, folder: RunFolder, status: str, step: int, epoch: int, **more: Any
    ) -> None:
        """Replace the file; see `content`."""
        folder.write_json(RUN, self.content(status, step, epoch, **more))

    def content(
        self, status: str, step: int, epoch: int, **more: Any
    ) -> dict[str, Any]:
        """What the file holds.

        Args:
            status: running, finished, interrupted, diverged or failed.
            step, epoch: of the last update.
            more: what is known at the end.
        """
        setup = self.setup
        return {
            "format": FORMAT,
            "name": setup.experiment.name,
            "status": status,
            "step": step,
            "epoch": epoch,
            "seed": setup.experiment.seed,
            "planned": {
                "steps": self._plan.total_steps,
                "steps_per_epoch": self._plan.steps_per_epoch,
            },
            **more,
            "config": self.config,
            "as_given": self.as_given,
            "lines": setup.recipe.origins,
            "loss": dump(setup.recipe.loss),
            "prior": self.prior,
            "data_sha256": setup.dataset.sha256,
            "fingerprint": self.fingerprint,
            "numerics": self.numerics,
            "environment": self.environment,
            "versions": self.versions,
        }

    def changed_numerics(self, before: Mapping[str, Any]) -> str:
        """What is to be said of bits that may differ from the run's first part."""
        if before["numerics"] == self.numerics:
            return ""
        told = "; ".join(self.changed_environment(before)) or OTHER_BITS
        return f"{NOT_IDENTICAL}{told}"

    def changed_environment(self, before: Mapping[str, Any]) -> list[str]:
        """What is another one than it was: `numpy was 2.1.0, is 2.2.0`."""
        now = self.environment
        return [
            f"{name} was {was}, is {now.get(name)}"
            for name, was in before["environment"].items()
            if now.get(name) != was
        ]

    def changed_config(self, before: Mapping[str, Any]) -> bool:
        """Whether a setting is another one than it was, wherever it comes from."""
        others = before["data_sha256"], before["numerics"]
        return _fingerprint(self.setup.config_sha256, *others) != before["fingerprint"]


def prior(setup: Setup) -> float | None:
    """H0, the loss of guessing; None where it is no number."""
    found = setup.recipe.loss.prior(setup.dataset.parts["train"].targets)
    return found if math.isfinite(found) else None


def _fingerprint(config: str, data: str, numerics: str) -> str:
    return hashlib.sha256("\n".join((config, data, numerics)).encode()).hexdigest()


def _line(value: Any) -> bool:
    """`file:line`."""
    return isinstance(value, str) and bool(re.fullmatch(r"(?s).*:[0-9]{1,9}", value))


_METRIC = (json_text.number, [json_text.anything])
"""A number, or a table such as a confusion."""
_FORM = {
    "name": str,
    "status": ("running", "finished", "interrupted", "diverged", "failed"),
    "step": json_text.count,
    "epoch": json_text.count,
    "seed": int,
    "planned?": {"steps": json_text.count, "steps_per_epoch": json_text.count},
    "config": (str, None),
    "as_given?": bool,
    "lines": {str: _line},
    "loss": json_text.anything,
    "prior?": (json_text.finite, None),
    "data_sha256": str,
    "fingerprint": str,
    "numerics": str,
    "environment": {str: (str, int)},
    "versions": {str: str},
    "reason?": str,
    "summary?": {
        "best": {
            str: {
                "value": json_text.number,
                "step": json_text.count,
                "epoch": json_text.count,
            }
        },
        "last": {str: json_text.number},
        "kept?": {str: json_text.number},
        str: _METRIC,
    },
    "stopped_at?": json_text.count,
    "diagnosis?": {
        "interval": json_text.count,
        "share_of_step?": json_text.finite,
        "changed": [str],
    },
}
"""What `Status.content` writes."""


def open_run(
    path: Path | str, *, disk: Disk | None = None
) -> tuple[RunFolder, Mapping[str, Any]]:
    """The folder of a run that has begun, and what `run.json` says.

    Raises:
        Error: of family `run` where it is none, or damaged.
    """
    folder, found = RunFolder.begun(path, disk=disk)
    json_text.check(found, _FORM, folder.path / RUN)
    return folder, found


def read_status(folder: RunFolder) -> Mapping[str, Any]:
    """What `run.json` says.

    Raises:
        Error: `run-damaged` where it is not what `Status` writes.
    """
    found: Mapping[str, Any] = folder.read_json(RUN)
    json_text.check(found, _FORM, folder.path / RUN)
    return found


# ---------------------------------------------------------------- before the end

RUNNING, KILLED = "running", "killed"
"""Of a run without an end: whether a process holds its folder, or none does."""
BROKEN_OFF = (RUNNING, "interrupted")
"""What run.json says of a run that has not come to its end."""


def told_of(
    folder: RunFolder, facts: Mapping[str, Any], *, is_ours: bool = False
) -> Mapping[str, Any]:
    """What is to be told of a run: `run.json`, but that of one that has no end is old.

    Who is killed leaves there `running`, and the step at which it began. Told are then
    `killed`, and step and epoch of the last row of metrics.jsonl; of a run that goes on
    the same, as `running`. Nothing in the folder is changed.

    Args:
        facts: what run.json said a moment ago.
        is_ours: whether the caller holds the folder, so that nobody trains there.

    Raises:
        Error: `run-damaged` where run.json is not what `Status` writes.
    """
    if facts["status"] != RUNNING:
        return facts
    told = RUNNING
    if is_ours or not _goes_on(folder):
        facts = read_status(folder)  # it may have ended before it was asked for
        if facts["status"] != RUNNING:
            return facts
        told = KILLED
    return {**facts, **_reached(folder), "status": told}


def _goes_on(folder: RunFolder) -> bool:
    """Whether a process trains there; where nobody can tell, run.json is believed."""
    try:
        return lock.is_held(folder.disk, folder.path)
    except Error:
        return True


def _reached(folder: RunFolder) -> dict[str, int]:
    """Step and epoch of the last row of its metrics; nothing where there is none."""
    with contextlib.suppress(Error, ValueError, RecursionError):
        row = json.loads(last_line(folder.disk, folder.metrics))
        if json_text.misfit(row, _AT) is None:
            return {key: row[key] for key in _AT}
    return {}


_AT = {"step": json_text.count, "epoch": json_text.count}
