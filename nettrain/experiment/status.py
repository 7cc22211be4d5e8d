"""`run.json`: what a run is, and how far it has come."""

from __future__ import annotations

import hashlib
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nettrain import __version__
from nettrain.component import dump
from nettrain.record import json_text
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
    """

    setup: Setup
    config: str | None

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
            "lines": setup.recipe.origins,
            "loss": dump(setup.recipe.loss),
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
    "lines": {str: _line},
    "loss": json_text.anything,
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


def read_status(folder: RunFolder) -> Mapping[str, Any]:
    """What `run.json` says.

    Raises:
        Error: `run-damaged` where it is not what `Status` writes.
    """
    found: Mapping[str, Any] = folder.read_json(RUN)
    json_text.check(found, _FORM, folder.path / RUN)
    return found
