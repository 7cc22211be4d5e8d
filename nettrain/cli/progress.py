"""A run as a person sees it: while it lasts, and how it ended."""

from __future__ import annotations

import sys

from nettrain.cli.terminal import colour
from nettrain.errors import Error, visible
from nettrain.experiment import watching, writing
from nettrain.experiment.run import Ended
from nettrain.experiment.setup import Setup
from nettrain.experiment.status import read_status
from nettrain.show.summary import summary


class Watching(watching.Watching):
    """A run on a terminal of this colour, if it is one."""

    def __init__(self, setup: Setup, total_steps: int) -> None:
        super().__init__(total_steps, colour=colour(sys.stderr))


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
