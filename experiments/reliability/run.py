"""Does an interrupted run go on? The same matrix for nettrain and for other trainers.

    python experiments/reliability/run.py
    python experiments/reliability/run.py --trainers nettrain,keras --quick

Every trial is one file under --out. Trials that are there are not made again: what was
interrupted goes on. `strace` is needed; trainers that are not installed are left out.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from experiments.faults.scores import Share
from experiments.reliability import damage, matrix
from experiments.reliability.matrix import Trial
from experiments.reliability.trainers import DEFAULT, TRAINERS, Trainer, chosen

OUT = Path(__file__).parents[2] / "runs" / "reliability"


@dataclass(frozen=True)
class Size:
    """How much is tried: kills (None: at every call), full disks, flips and cuts."""

    kills: int | None = None
    fills: int = 8
    flips: int = 200
    cuts: int = 50


QUICK = Size(kills=5, fills=2, flips=20, cuts=10)


@dataclass(frozen=True)
class Result:
    """Everything that was found out about a trainer."""

    trainer: Trainer
    repeated: bool
    calls: int
    trials: Sequence[Trial]
    damaged: dict[str, dict[str, int]]
    seconds: float

    def counts(self, blow: str) -> Counter[str]:
        return Counter(t.outcome for t in self.trials if t.blow == blow)

    def share(self, blow: str, *outcomes: str) -> Share:
        """Which part of the blows that fell had one of these outcomes."""
        counts = self.counts(blow)
        fell = sum(counts.values()) - counts[matrix.MISSED]
        return Share(sum(counts[o] for o in outcomes), fell)

    def to_json(self) -> dict[str, Any]:
        return {
            "versions": self.trainer.versions(),
            "settings": self.trainer.settings,
            "promise": self.trainer.promise,
            "pages": self.trainer.pages,
            "two uninterrupted runs are bit-identical": self.repeated,
            "calls of the save": self.calls,
            "trials": [asdict(trial) for trial in self.trials],
            "damaged": self.damaged,
            "seconds": round(self.seconds),
        }


def measured(trainer: Trainer, out: Path, size: Size, workers: int) -> Result:
    """Try everything on one trainer.

    Args:
        out: where its trials are kept, one file each.
    """
    began = time.monotonic()
    folder = out / trainer.name
    folder.mkdir(parents=True, exist_ok=True)
    whole = matrix.record(trainer, folder)
    jobs = matrix.jobs(whole, folder, size.kills, size.fills)
    with ThreadPoolExecutor(workers) as pool:
        trials = list(pool.map(lambda job: job(), jobs))
    damaged = _damaged(whole, folder, size)
    seconds = time.monotonic() - began
    calls = len(whole.save.calls)
    return Result(trainer, whole.repeated, calls, trials, damaged, seconds)


def _damaged(
    whole: matrix.Whole, folder: Path, size: Size
) -> dict[str, dict[str, int]]:
    path = folder / "damage.json"
    if path.exists():
        known: dict[str, dict[str, int]] = json.loads(path.read_text())
        return known
    pristine = folder / "pristine"
    if matrix.interrupted(whole, pristine) is None:
        return {"flip": {}, "cut": {}}
    found = damage.tried(whole.trainer, pristine, size.flips, size.cuts)
    path.write_text(json.dumps(found), encoding="utf-8")
    shutil.rmtree(pristine)
    return found


# ---------------------------------------------------------------- what is shown


def told(share: Share) -> str:
    """`3 of 36 (3 to 22 %)`, with the Wilson interval."""
    if not share.n:
        return "–"
    low, high = share.interval
    return f"{share.k} of {share.n} ({100 * low:.0f} to {100 * high:.0f} %)"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _blows(results: Sequence[Result], blow: str) -> str:
    """A row per outcome, a column per trainer."""
    good = (matrix.IDENTICAL, matrix.RESUMED)
    rows = [["**goes on**", *(f"**{told(r.share(blow, *good))}**" for r in results)]]
    for outcome, text in matrix.OUTCOMES.items():
        counts = [r.counts(blow)[outcome] for r in results]
        if outcome != matrix.MISSED or any(counts):
            rows.append([text, *map(str, counts)])
    if blow == "full":
        silent = [sum(t.silent for t in r.trials) for r in results]
        rows.append(["of all, exit code 0 on the full disk", *map(str, silent)])
    return table(["", *(r.trainer.name for r in results)], rows)


def _harms(results: Sequence[Result], kind: str) -> str:
    rows = []
    found = [Counter(r.damaged[kind]) for r in results]
    bad = [Share(f[damage.SILENT], f.total()) for f in found]
    rows.append(["**silently wrong**", *(f"**{told(share)}**" for share in bad)])
    for outcome, text in damage.OUTCOMES.items():
        rows.append([text, *(str(f[outcome]) for f in found)])
    return table(["", *(r.trainer.name for r in results)], rows)


def report(results: Sequence[Result]) -> str:
    """All tables, as Markdown."""
    facts = []
    for r in results:
        versions = ", ".join(f"{k} {v}" for k, v in r.trainer.versions().items())
        same = "yes" if r.repeated else "no"
        facts.append([r.trainer.name, versions, r.trainer.settings, same, str(r.calls)])
    head = ["trainer", "versions", "set to", "two whole runs alike", "calls of a save"]
    between = [
        [r.trainer.name, matrix.OUTCOMES[t.outcome]]
        for r in results
        for t in r.trials
        if t.blow == "between"
    ]
    parts = [
        f"Python {platform.python_version()}, {platform.system()}.\n",
        table(head, facts),
        "Killed between two saves:\n",
        table(["trainer", "then"], between),
        "Killed at a call of a save:\n",
        _blows(results, "kill"),
        "Disk full from a write of a save on, then room again:\n",
        _blows(results, "full"),
        "One bit of the newest checkpoint flipped:\n",
        _harms(results, "flip"),
        "The newest checkpoint cut short:\n",
        _harms(results, "cut"),
    ]
    return "\n".join(parts)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    names = ",".join(trainer.name for trainer in DEFAULT)
    parser.add_argument("--trainers", default=names, metavar="A,B")
    parser.add_argument("--quick", action="store_true", help="a few trials of each")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args(argv)
    names = given.trainers.split(",")
    if unknown := sorted(set(names) - set(TRAINERS)):
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(TRAINERS)}")
    if shutil.which("strace") is None:
        parser.error("strace is needed: apt install strace")
    trainers, lacking = chosen(names)
    for line in lacking:
        print(f"{line}; pip install -e .[reliability]", file=sys.stderr)
    out = given.out.resolve() / ("quick" if given.quick else "full")
    results = []
    for trainer in trainers:
        size = QUICK if given.quick else Size()
        results.append(measured(trainer, out, size, given.workers))
        print(f"{trainer.name}: {results[-1].seconds:.0f} s", file=sys.stderr)
    print(text := report(results))
    (out / "results.md").write_text(text, encoding="utf-8")
    plain = {r.trainer.name: r.to_json() for r in results}
    (out / "results.json").write_text(json.dumps(plain, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
