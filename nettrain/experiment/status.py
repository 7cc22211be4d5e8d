"""`run.json`: what a run is, and how far it has come."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from nettrain import __version__
from nettrain.component import dump
from nettrain.errors import Error
from nettrain.execute.fingerprint import environment, fingerprint
from nettrain.experiment.setup import Setup
from nettrain.record.folder import FORMAT, RUN, RunFolder


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
        return fingerprint()

    @cached_property
    def environment(self) -> Mapping[str, Any]:
        return environment()

    @property
    def fingerprint(self) -> str:
        """What makes two runs the same: config, data and numerics."""
        setup = self.setup
        parts = (setup.config_sha256, setup.dataset.sha256, self.numerics)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

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
            **more,
            "config": self.config,
            "lines": setup.recipe.origins,
            "loss": dump(setup.recipe.loss),
            "data_sha256": setup.dataset.sha256,
            "fingerprint": self.fingerprint,
            "numerics": self.numerics,
            "environment": self.environment,
            "versions": {"nettrain": __version__, "python": platform.python_version()},
        }

    def changed_numerics(self, before: Mapping[str, Any]) -> str:
        """What is to be said of bits that may differ from the run's first part."""
        if before["numerics"] == self.numerics:
            return ""
        now = self.environment
        changed = [
            f"{name} was {was}, is {now.get(name)}"
            for name, was in before["environment"].items()
            if now.get(name) != was
        ]
        told = "; ".join(changed) or "the kernels compute other last bits"
        return f"correct, not bit-identical: {told}"


_KEPT: dict[str, type | tuple[type, ...]] = {
    "status": str,
    "step": int,
    "config": (str, type(None)),
    "lines": dict,
    "data_sha256": str,
    "numerics": str,
    "environment": dict,
}
"""What going on needs of `run.json`, and of which type."""


def read_status(folder: RunFolder) -> Mapping[str, Any]:
    """What `run.json` says.

    Raises:
        Error: `run-damaged` where it lacks what going on needs.
    """
    found: Mapping[str, Any] = folder.read_json(RUN)
    for name, kind in _KEPT.items():
        if not isinstance(found.get(name, ...), kind):
            message = f"{folder.path / RUN} is damaged: no {name} can be read from it"
            raise Error("run-damaged", message)
    return found
