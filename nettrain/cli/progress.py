"""A run as a person sees it: while it lasts, and how it ended."""

from __future__ import annotations

import sys

from nettrain.cli.terminal import colour
from nettrain.errors import Error, visible
from nettrain.experiment import closing, watching, writing
from nettrain.experiment.run import Ended
from nettrain.experiment.setup import Setup


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
    coloured = colour(sys.stdout)
    told = closing.told(ended, config, seconds, as_given=as_given, colour=coloured)
    print(told, end="")
    if outcome.status == "diverged":
        sys.stdout.flush()
        raise Error("diverged-run", f"the run diverged: {outcome.reason}")
    if sample := writing.sample(ended.folder):
        print(visible(f"\nIt writes:\n\n{sample}"))
    return 0


def interrupted(ended: Ended) -> int:
    """Say how to go on after a signal; its exit code."""
    print(closing.interrupted(ended), file=sys.stderr)
    return 128 + ended.signal
