"""What is said of points that came to nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from nettrain.study.report import failures
from nettrain.study.results import Score, Unit, reason, short

TRACEBACK = """Traceback (most recent call last):
  File "plugin.py", line 3, in formula
    raise RuntimeError("a bug of its own")
RuntimeError: a bug of its own
"""


def results(*scores: Score, seeds: int = 1) -> Any:
    rows = [
        SimpleNamespace(
            point=SimpleNamespace(number=n),
            scores=(score,) * seeds,
            status=score.status,
        )
        for n, score in enumerate(scores, 1)
    ]
    units = tuple(map(Unit, range(seeds)))
    return SimpleNamespace(rows=tuple(rows), units=units)


def test_nothing_is_said_where_nothing_failed() -> None:
    assert failures(results(Score("finished", 1.0))) == []


def test_what_failed_is_told_with_the_first_reason() -> None:
    found = results(
        Score("finished", 1.0),
        Score("timeout", why="it was not done after 2 minutes"),
        Score("failed", why=TRACEBACK),
        Score("diverged", why="the loss is inf"),
    )
    assert failures(found) == [
        "2 of 4 points failed: point 2 (it was not done after 2 minutes); also 3; "
        "the same command tries again",
        "1 of 4 points diverged: point 4 (the loss is inf)",
    ]
    assert reason(found, found.rows[0]) == ""
    two = results(Score("failed", why="it died"), seeds=2)
    assert reason(two, two.rows[0]) == "seed 0: it died"
    mixed = results(Score("failed", why="it died"), seeds=2)
    mixed.rows[0].scores = (Score("diverged", why="inf"), Score("failed", why="no"))
    assert reason(mixed, mixed.rows[0]) == "seed 1: no"
    assert failures(results(Score("failed")))[0].startswith("1 of 1 point failed: poi")


@pytest.mark.parametrize(
    ("why", "told"),
    [
        (TRACEBACK, "a bug of its own"),
        ("error[config-x] a.yaml:1: no such key\n   1 | a\n", "a.yaml:1: no such key"),
        ("it was killed twice, by SIGKILL", "it was killed twice, by SIGKILL"),
        ("a warning\n\nAborted\n", "Aborted"),
        (
            "x.py:1: UserWarning: old\nUserWarning: old\n" + TRACEBACK,
            "a bug of its own",
        ),
        ("", ""),
        ("x" * 500, "x" * 119 + "…"),
    ],
)
def test_of_what_a_trial_said_the_line_that_matters_is_kept(
    why: str, told: str
) -> None:
    assert short(why) == told
