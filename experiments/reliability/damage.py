"""Damage to the newest checkpoint: does loading it tell, or go on with other numbers?

One bit is flipped, or the file is cut; the trainer's own loading of it is then called,
in a process that may die of it (this file, run as a program).
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

from experiments.reliability import digits, tracing
from experiments.reliability.trainers import TRAINERS, Trainer

REFUSED, WENT_BACK, UNHARMED = "refused", "went back", "unharmed"
SILENT, DIED = "silent", "died"
OUTCOMES = {
    WENT_BACK: "detected; the checkpoint before is used",
    REFUSED: "detected; an error",
    DIED: "the process crashes or hangs",
    UNHARMED: "not noticed; the values are right",
    SILENT: "not noticed; other values are used",
}
_PATIENCE = 60
"""Seconds until loading counts as hung."""


@dataclass(frozen=True)
class Case:
    """A damage: bit `at` of all files of the checkpoint is flipped, or one is cut.

    Attributes:
        kind: `flip` or `cut`.
        file: which of the checkpoint's files.
        at: the bit that is flipped, or the bytes that are left.
    """

    kind: str
    file: int
    at: int


def cases(sizes: list[int], flips: int, cuts: int) -> list[Case]:
    """A random sample, every byte of the checkpoint as likely as any other."""
    random = np.random.default_rng(0)

    def place() -> tuple[int, int]:
        at = int(random.integers(sum(sizes)))
        for file, size in enumerate(sizes):
            if at < size:
                return file, at
            at -= size
        raise AssertionError

    found = []
    for _ in range(flips):
        file, byte = place()
        found.append(Case("flip", file, byte * 8 + int(random.integers(8))))
    edges = [Case("cut", 0, 0), Case("cut", 0, sizes[0] - 1)]
    return found + [*edges, *(Case("cut", *place()) for _ in range(cuts))][:cuts]


def harm(path: Path, case: Case) -> None:
    data = bytearray(path.read_bytes())
    if case.kind == "flip":
        data[case.at // 8] ^= 1 << case.at % 8
    else:
        del data[case.at :]
    path.write_bytes(data)


def tried(trainer: Trainer, pristine: Path, flips: int, cuts: int) -> dict[str, dict]:
    """How often each outcome was seen, by kind of damage.

    Args:
        pristine: a trial that was killed between two saves; kept as it is.
    """
    sizes = [path.stat().st_size for path in trainer.newest(pristine)]
    todo = cases(sizes, flips, cuts)
    results = pristine.with_suffix(".jsonl")
    results.write_text("")
    while (done := len(_lines(results))) < len(todo):
        left = json.dumps([asdict(case) for case in todo[done:]])
        command = [sys.executable, __file__, trainer.name, str(pristine), str(results)]
        subprocess.run(
            command,
            input=left,
            text=True,
            capture_output=True,
            env=tracing.environment(pristine / "tmp"),
        )
        if len(_lines(results)) == done:  # its first case killed it
            _say(results, DIED)
    found: dict[str, dict] = {}
    for kind in ("flip", "cut"):
        seen = [o for c, o in zip(todo, _lines(results), strict=True) if c.kind == kind]
        found[kind] = dict(Counter(seen))
    return found


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def _say(path: Path, outcome: str) -> None:
    with path.open("a") as file:
        file.write(f"{outcome}\n")


# ---------------------------------------------------------------- the process


def _main(name: str, pristine: Path, results: Path) -> None:
    trainer = TRAINERS[name]
    restore = trainer.restorer()
    copy = pristine.with_name(f"{pristine.name}-damaged")

    def restored(case: Case | None = None, drop: bool = False) -> str | None:
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(pristine, copy)
        if drop and not trainer.drop(copy):
            return None
        if case is not None:
            harm(trainer.newest(copy)[case.file], case)
        return digits.digest(restore(copy))

    whole, before = restored(), restored(drop=True)
    assert whole != before
    for case in (Case(**plain) for plain in json.load(sys.stdin)):
        signal.alarm(_PATIENCE)
        try:
            found = restored(case)
        except Exception:
            outcome = REFUSED
        else:
            known = {before: WENT_BACK, whole: UNHARMED}
            outcome = known.get(found, SILENT)
        signal.alarm(0)
        _say(results, outcome)
    shutil.rmtree(copy, ignore_errors=True)


if __name__ == "__main__":
    _main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
