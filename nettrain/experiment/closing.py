"""The words with which a run is over: its numbers, its folder and its findings."""

from __future__ import annotations

from nettrain.errors import visible
from nettrain.experiment.run import Ended
from nettrain.experiment.status import read_status
from nettrain.show.summary import summary


def told(
    ended: Ended, config: str, seconds: float, *, as_given: bool, colour: bool
) -> str:
    """How a run ended that was trained to its end, for a terminal or a notebook.

    Args:
        ended: how it did.
        config: the file whose lines its findings cite; "" where there is none.
        seconds: how long it took.
        as_given: whether that file alone says what the run was.
        colour: whether it is coloured.
    """
    outcome = ended.outcome
    assert outcome is not None
    # Tables (a confusion) are left to run.json and `nettrain evaluate`.
    numbers = {k: v for k, v in outcome.summary.items() if not isinstance(v, list)}
    return summary(
        numbers,
        seconds=seconds,
        folder=str(ended.folder.path),
        findings=[finding.to_json() for finding in outcome.findings],
        config=config,
        as_given=as_given,
        diagnosis=read_status(ended.folder).get("diagnosis", {}),
        colour=colour,
    )


def interrupted(ended: Ended) -> str:
    """What is saved of a run that a signal has stopped, and how to go on."""
    assert ended.outcome is not None
    where = f"step {ended.outcome.step}, epoch {ended.outcome.epoch}"
    go_on = visible(f"nettrain resume {ended.folder.path}")
    return f"interrupted; saved at {where}\n  {go_on}"
