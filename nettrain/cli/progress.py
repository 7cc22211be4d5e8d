"""A run as a person sees it: while it lasts, and how it ended."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from typing import Any

from nettrain.cli.terminal import colour
from nettrain.errors import Error, visible
from nettrain.experiment import writing
from nettrain.experiment.run import Ended
from nettrain.experiment.setup import Setup
from nettrain.experiment.status import read_status
from nettrain.show.progress import Progress
from nettrain.show.summary import line, summary


class Watching:
    """Shows a run on standard error: a bar on a terminal, else a line now and then.

    A terminal that has gone away must not end the run: it goes on unseen.
    """

    def __init__(self, setup: Setup, total_steps: int) -> None:
        self._total = total_steps
        self._progress: Progress | None = None
        self._colour = colour(sys.stderr)

    def step(self, step: int, epoch: int, loss: float, learning_rate: float) -> None:
        # A resumed run's first step is not 1, which only now is known.
        with contextlib.suppress(OSError):
            if self._progress is None:
                terminal = sys.stderr.isatty()
                self._progress = Progress(self._total, terminal, done=step - 1)
            self._progress.step(step, epoch, loss, learning_rate)

    def epoch(self, epoch: int, metrics: Mapping[str, Any]) -> None:
        shown = {name: value for name, value in metrics.items() if "/" in name}
        with contextlib.suppress(OSError):
            if self._progress is not None:
                self._progress.epoch(epoch, shown)

    def found(self, finding: Mapping[str, Any]) -> None:
        self._write(line(finding, colour=self._colour))

    def note(self, text: str) -> None:
        self._write(visible(text))

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            if self._progress is None:
                print(text, file=sys.stderr, flush=True)
            else:
                self._progress.note(text)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            if self._progress is not None:
                self._progress.close()


def report(ended: Ended, config: str, seconds: float, *, as_given: bool) -> int:
    """Print how a run ended; its exit code.

    Args:
        ended: how it did.
        config: the file whose lines its findings cite.
        seconds: how long it took.
        as_given: whether that file alone says what the run was.
    """
    outcome = ended.outcome
    if outcome is None:
        print(visible(ended.message))
        return 0
    if outcome.status == "interrupted":
        return interrupted(ended)
    # Tables (a confusion) are left to run.json and `nettrain evaluate`.
    numbers = {k: v for k, v in outcome.summary.items() if not isinstance(v, list)}
    text = summary(
        numbers,
        seconds=seconds,
        folder=str(ended.folder.path),
        findings=[finding.to_json() for finding in outcome.findings],
        config=config,
        as_given=as_given,
        diagnosis=read_status(ended.folder).get("diagnosis", {}),
        colour=colour(sys.stdout),
    )
    print(text, end="")
    if outcome.status == "diverged":
        sys.stdout.flush()
        raise Error("diverged-run", f"the run diverged: {outcome.reason}")
    if sample := writing.sample(ended.folder):
        print(visible(f"\nIt writes:\n\n{sample}"))
    return 0


def interrupted(ended: Ended) -> int:
    """Say how to go on after a signal; its exit code."""
    assert ended.outcome is not None
    where = f"step {ended.outcome.step}, epoch {ended.outcome.epoch}"
    go_on = visible(f"nettrain resume {ended.folder.path}")
    print(f"interrupted; saved at {where}\n  {go_on}", file=sys.stderr)
    return 128 + ended.signal
