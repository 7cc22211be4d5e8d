"""Every bit of a small checkpoint changed: it is noticed, and the one before is used.

A run of two updates is trained into a folder, a checkpoint after each. Then its newest
checkpoint is damaged in every way that touches one bit or one end of it, and so are the
rows that both checkpoints vouch for.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from nettrain.disk import Disk
from nettrain.experiment.run import resume, run
from nettrain.record.checkpoint import decode
from nettrain.record.folder import METRICS, STATISTICS, RunFolder
from nettrain.record.store import Found, file_name, newest
from nettrain.selftest.score import Score, Tally

CONFIG: dict[str, Any] = {
    "name": "damage",
    "data": {
        "source": {"moons": {"samples": 12}},
        "split": {"validation": 0, "test": 0},
        "batch_size": 6,
    },
    "model": [{"dense": 1}],
    "loss": "binary_cross_entropy",
    "optimizer": {"sgd": {"learning_rate": 0.1, "momentum": 0.9}},
    "train": {"steps": 2, "checkpoint": {"every": "1 step", "keep": 2}},
    "diagnose": False,
}
"""The least that has weights, state of an optimizer, and two checkpoints."""

_LAST, _BEFORE = file_name(2), file_name(1)
_RESUMED = 16
"""How many damages a whole `resume` has to get over, beside the mere look at all."""

Damage = tuple[str, bytes]
"""What was done, and what it left of a file."""


class _Altered(Disk):
    """The real disk, but for what one file is said to hold."""

    path, content = Path(), b""

    def read(self, path: Path) -> bytes:
        return self.content if path == self.path else super().read(path)


def damages(data: bytes) -> Iterator[Damage]:
    """Each bit flipped, each end cut off, and a byte more at the beginning."""
    for place in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[place] ^= 1 << bit
            yield f"bit {bit} of byte {place} flipped", bytes(changed)
    for length in range(len(data)):
        yield f"cut to {length} bytes", data[:length]
    yield "a byte added before it", b"\0" + data


def damage(folder: Path, every: int = 1) -> Score:
    """Damage a run in every way, and see what is used of it.

    Args:
        folder: an empty one, on the disk in question.
        every: one in so many of the ways, to save time; always the same ones.
    """
    path = folder / "run"
    run(CONFIG, out=path)
    tally = Tally(
        "one bit, byte or end of a checkpoint or of its rows is wrong: "
        "the one before is used, and this is said"
    )
    for tried in (_looked_at(path, every), _resumed(path, folder / "copy", every)):
        for name, what, failed in tried:
            tally.add(failed and f"{name}, {what}: {failed}")
    return tally.score()


Tried = tuple[str, str, str]
"""Which file, what was done to it, and what was wrong with what came of it."""


# ---------------------------------------------------------------- looking


def _looked_at(path: Path, every: int) -> Iterator[Tried]:
    """Each damage in turn, as the one who looks for a checkpoint would read it."""
    disk = _Altered()
    folder = RunFolder(path, disk)
    last = folder.checkpoints / _LAST
    for what, content in islice(_of_a_checkpoint(last.read_bytes()), 0, None, every):
        disk.path, disk.content = last, content
        yield _LAST, what, _wrong(newest(folder), _LAST)
    meta = decode((folder.checkpoints / _BEFORE).read_bytes()).meta
    for name, vouched in ((METRICS, meta.metrics), (STATISTICS, meta.statistics)):
        data = (path / name).read_bytes()
        for what, content in islice(damages(data), 0, None, every):
            disk.path, disk.content = path / name, content
            # Rows that came after the save of a checkpoint do not matter to it.
            used = content.startswith(data[: vouched.length])
            yield name, what, _wrong(newest(folder), name, used)


def _of_a_checkpoint(data: bytes) -> Iterator[Damage]:
    """All; rows may grow, so only here is a byte too much at the end a damage."""
    yield from damages(data)
    yield "a byte added after it", data + b"\0"


def _wrong(found: Found, named: str, used: bool = True) -> str:
    """What is wrong with what was found in place of the last checkpoint.

    Args:
        named: the damaged file.
        used: whether the checkpoint before is to be used; else there is none.
    """
    step = found.checkpoint.meta.step if found.checkpoint else 0
    if step != int(used):
        return f"the checkpoint of step {step} is used"
    first = found.told[0]
    wanted = (_LAST, named, f"{_BEFORE} is used instead" if used else _LAST)
    missing = [name for name in wanted if name not in first]
    return f'"{first}" does not name {missing[0]}' if missing else ""


# ---------------------------------------------------------------- going on


def _resumed(path: Path, copy: Path, every: int) -> Iterator[Tried]:
    """A few damages that are really there: the run ends as if they were not."""
    data = (path / "checkpoints" / _LAST).read_bytes()
    found = list(_of_a_checkpoint(data))
    for what, content in found[:: len(found) // _RESUMED * every]:
        shutil.copytree(path, copy)
        (copy / "checkpoints" / _LAST).write_bytes(content)
        resume(copy)
        yield _LAST, what, _differs(path, copy, content)
        shutil.rmtree(copy)


def _differs(path: Path, copy: Path, content: bytes) -> str:
    for name in (f"checkpoints/{_LAST}", METRICS, STATISTICS):
        if (path / name).read_bytes() != (copy / name).read_bytes():
            return f"{name} is another one after resume"
    if (copy / f"checkpoints/.bad-{_LAST}").read_bytes() != content:
        return "the damaged file was not kept"
    said = (copy / "events.jsonl").read_text()
    return "" if f"{_BEFORE} is used instead" in said else "resume does not say so"
