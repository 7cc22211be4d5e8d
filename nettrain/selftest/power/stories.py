"""What may happen to a disk before the power goes: processes that end, and how.

Beside those of runs that nothing happens to there is no end of stories by chance, of
each kind in turn:

- killed: a process dies between two steps of its; what it wrote is still on its way
  when another one goes on.
- cut: the power goes; the next process goes on with what is left; and so again, up to
  three times, so that recovery itself is broken off.
- failed: an fsync fails, the process gives up, and another one goes on.
- damaged: the newest checkpoint has a bit flipped.
- copied: the folder was brought here a moment ago, and none of it is durable yet.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from nettrain.errors import Error
from nettrain.selftest.power.lives import HOME, OUT, Life, outcome, rows_alone
from nettrain.selftest.power.medium import Medium
from nettrain.selftest.power.model import Dead, ModelDisk
from nettrain.selftest.power.promises import Due, step_of
from nettrain.selftest.power.trace import Flushed, Started, Trace, Tree

Altered = Callable[[Trace], Trace]
"""Makes another program of what processes did: a mutant, to see it found out."""


@dataclass(frozen=True)
class Story:
    """What happened to a disk.

    Attributes:
        name: in words.
        trace: its last process is the one whose states are looked at.
        due: what the disk owed at the beginning.
        out: the run folder.
        end: what it showed in the end.
        wrong: what is wrong with this end.
    """

    name: str
    trace: Trace
    due: Due
    out: Path
    end: Tree
    wrong: str = ""

    def moments(self) -> Iterator[tuple[int, Medium, Due]]:
        """The medium and what it owes, after each step of the last process."""
        starts = [i for i, step in enumerate(self.trace) if isinstance(step, Started)]
        medium, due = Medium(), self.due.copy()
        for number, step in enumerate(self.trace):
            medium.take(step)
            due.take(step)
            if number >= starts[-1]:
                yield number, medium, due

    def cut(self, chance: random.Random) -> tuple[Tree, Due]:
        """A state that a power cut left at some point, and what is owed from then."""
        first = next(self.moments())[0]
        at = _somewhere(chance, range(first, len(self.trace)))
        medium, due = next((m, d) for number, m, d in self.moments() if number == at)
        tree = chance.choice(list(medium.states(chance, 8)))
        return tree, due.after(tree)


def _somewhere(chance: random.Random, places: Sequence[int]) -> int:
    """One of them: as often where a run is made or recovered as in all that follows."""
    return chance.choice(
        places[: len(places) // 4 + 1] if chance.random() < 0.5 else places
    )


LIVES = (Life(), Life(rewinds_at=4))
LONGER = Life(last=7)
"""What a run that has ended is made."""


def _new() -> ModelDisk:
    return ModelDisk({str(HOME): None})


def _lives(disk: ModelDisk, *lives: Callable[[ModelDisk], None]) -> None:
    for live in lives:
        disk.start()
        live(disk)


@cache
def _whole(*lives: Life) -> ModelDisk:
    """A disk on which runs were lived undisturbed."""
    disk = _new()
    _lives(disk, *(life.live for life in lives))
    return disk


def _story(
    name: str, disk: ModelDisk, due: Due, altered: Altered, *lives: Life
) -> Story:
    """The story of a disk where the last of some lives has come to its end."""
    whole = outcome(_whole(lives[-1]))
    wrong = "" if outcome(disk) == whole else f"{name}: it ends as another run"
    return Story(name, altered(disk.trace), due, OUT, disk.tree(), wrong)


def stories(chance: random.Random, altered: Altered) -> Iterator[Story]:
    """Stories without end: those of whole runs again and again, the others anew."""
    while True:
        yield _rows(chance, altered, killed=False)
        for life in LIVES:
            yield _story("a whole run", _whole(life), Due(), altered, life)
        yield _story("made longer", _whole(Life(), LONGER), Due(), altered, LONGER)
        for lives in (*((life,) for life in LIVES), (Life(), LONGER)):
            for tell in (_copied, _killed, _cut, _failed, _damaged):
                yield tell(chance, altered, *lives)
        yield _rows(chance, altered, killed=True)


def _rows(chance: random.Random, altered: Altered, *, killed: bool) -> Story:
    disk = ModelDisk({str(path): None for path in (HOME, OUT.parent, OUT)})
    disk.start()
    if killed:
        disk.dies_at = len(disk.trace) + chance.randrange(40)
        with contextlib.suppress(Dead):
            rows_alone(disk)
        disk.start()
    rows_alone(disk)
    return Story("rows alone", altered(disk.trace), Due(), OUT, disk.tree())


def _broken(chance: random.Random, lives: tuple[Life, ...], **how: bool) -> ModelDisk:
    """A disk whose last process was killed, or gave up when an fsync failed."""
    whole, disk = _whole(*lives), _new()
    for life in lives[:-1]:
        _lives(disk, life.live)
    disk.start()
    places = list(range(len(disk.trace), len(whole.trace)))
    if how.get("failing"):
        places = [i for i in places if isinstance(whole.trace[i], Flushed)]
        disk.fails_at = _somewhere(chance, places)
    else:
        disk.dies_at = _somewhere(chance, places)
    with contextlib.suppress(Dead, Error):
        lives[-1].live(disk)
    return disk


def _killed(chance: random.Random, altered: Altered, *lives: Life) -> Story:
    disk = _broken(chance, lives)
    _lives(disk, lives[-1].live)
    return _story("killed", disk, Due(), altered, *lives)


def _failed(chance: random.Random, altered: Altered, *lives: Life) -> Story:
    disk = _broken(chance, lives, failing=True)
    _lives(disk, lives[-1].live)
    return _story("an fsync failed", disk, Due(), altered, *lives)


def _cut(chance: random.Random, altered: Altered, *lives: Life) -> Story:
    times = chance.randint(1, 3)
    whole = _whole(*lives)
    story = Story("", altered(whole.trace), Due(), OUT, {})
    for _ in range(times):
        tree, due = story.cut(chance)
        disk = ModelDisk(tree)
        _lives(disk, lives[-1].live)
        story = _story(f"cut, {times} times", disk, due, altered, *lives)
    return story


def _left(disk: ModelDisk) -> tuple[dict[str, bytes | None], Due]:
    """What a broken process has left, and what is owed of it once it is durable."""
    due, tree = Due(), disk.tree()
    for step in disk.trace:
        due.take(step)
    return tree, due.after(tree)


def _damaged(chance: random.Random, altered: Altered, *lives: Life) -> Story:
    tree, due = _left(_broken(chance, lives))
    saved = [path for path in tree if step_of(path)]
    if saved:
        path = max(saved)
        content = bytearray(tree[path] or b"")
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        tree[path] = bytes(content)
        due.damage(path, bytes(content))
    disk = ModelDisk(tree)
    _lives(disk, lives[-1].live)
    return _story("damaged", disk, due, altered, *lives)


def _copied(chance: random.Random, altered: Altered, *lives: Life) -> Story:
    tree, due = _left(_broken(chance, lives))
    disk = ModelDisk({str(HOME): None, str(OUT.parent): None})
    disk.hold({path: tree[path] for path in tree if path.startswith(str(OUT))})
    _lives(disk, lives[-1].live)
    owed = Due(rows=due.rows, unsure=set(tree))
    return _story("copied", disk, owed, altered, *lives)
