"""Power cuts: what a disk may hold after one, at any point of a run's life.

Runs are lived on a disk in memory, which writes down every step. At each point the
states are enumerated that the medium may then be in (`nettrain.selftest.power.medium`),
and of each is asked whether everything that was promised is kept
(`nettrain.selftest.power.promises`). One run is really trained, and resumed from some
of the states; the others have a formula for training, so that there can be many.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nettrain.selftest.power.promises import violations
from nettrain.selftest.power.stories import Story, stories
from nettrain.selftest.power.trace import Tree
from nettrain.selftest.score import TOLD, Score

PROMISE = "a power cut at any point: what was said to be saved is there"

_PER_RESUME = 1000
"""A whole resume is tried for every so many states."""

_WHOLE = 50_000
"""With so many every point of a story is looked at, with fewer a share of them: there
is something of every kind of story then."""

_AT_ONCE = 12
"""States that are looked at between two steps."""


@dataclass(frozen=True)
class Case:
    """A state that the disk may be in: its hash, and what is wrong with it."""

    state: int
    wrong: str


def explore(limit: int = 100_000, seed: int = 0) -> Score:
    """Look at so many distinct states of a disk after a power cut.

    Args:
        limit: how many; 1,000 take about a second, beside three for the training.
        seed: which of the many that there are.
    """
    seen: set[int] = set()
    failed: dict[int, str] = {}
    chance, share = random.Random(seed), min(1.0, limit / _WHOLE)
    for case in _cases(chance, share, resumes=limit // _PER_RESUME):
        seen.add(case.state)
        if case.wrong:
            failed.setdefault(case.state, case.wrong)
        if len(seen) >= limit:
            break
    told = tuple(failed.values())[:TOLD]
    return Score(PROMISE, len(seen) - len(failed), len(seen), told)


def _cases(chance: random.Random, share: float, resumes: int) -> Iterator[Case]:
    """States without end, of ever other stories."""
    yield from _of_a_training(chance, share, resumes)
    for story in stories(chance, lambda trace: trace):
        yield Case(_hash(story.end), story.wrong)
        yield from _looked_at(story, chance, share)


def _looked_at(story: Story, chance: random.Random, share: float) -> Iterator[Case]:
    """States at a share of the points of a story's last process."""
    checked: set[tuple[int, int]] = set()
    for number, medium, due in story.moments():
        if chance.random() >= share:
            continue
        for tree in medium.states(chance, _AT_ONCE):
            state = _hash(tree)
            if (state, due.changes) in checked:
                continue
            checked.add((state, due.changes))
            wrong = violations(tree, due, story.out)
            where = f"{story.name}, after step {number} of its trace"
            yield Case(state, f"{where}: {'; '.join(wrong)}" if wrong else "")


def _hash(tree: Tree) -> int:
    return hash(frozenset(tree.items()))


def _of_a_training(chance: random.Random, share: float, resumes: int) -> Iterator[Case]:
    """States of a real run, and runs that go on from some of them."""
    # Here, for who only asks for the lives of small runs does not load all of nettrain.
    from nettrain.selftest.power.training import ended, resumed, trained

    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary) / "run"
        story = trained(out)
        yield from _looked_at(story, chance, share)
        for _ in range(resumes):
            tree, _due = story.cut(chance)
            try:
                same = ended(resumed(tree, out), out) == ended(story.end, out)
                wrong = "" if same else "it ends as another run"
            except Exception as error:
                wrong = f"{type(error).__name__}: {error}"
            yield Case(_hash(tree), wrong and f"resumed after a power cut: {wrong}")
