"""The benchmark of faults: does the diagnosis name what is wrong, and only that?

    python experiments/faults/run.py --smoke
    python experiments/faults/run.py --workers 3 --recover
    python experiments/faults/run.py --judge-only

Every run is one file under --out. Runs that are there are not trained again: what was
interrupted goes on, and --judge-only applies other thresholds to the same evidence.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
sys.path.insert(0, str(Path(__file__).parents[2]))

from experiments.faults import overhead, recovery, report, scores, training
from experiments.faults.baselines import flags
from experiments.faults.catalogue import PROGRAMS
from experiments.faults.jobs import SEEDS, Job, smoke, whole
from experiments.faults.references import (
    best_reference,
    reference_scores,
    tolerance,
)
from nettrain.component import build
from nettrain.diagnose import DiagnoseConfig, diagnose
from nettrain.errors import Error

A = TypeVar("A")
B = TypeVar("B")

OUT = Path(__file__).parents[2] / "runs" / "faults"
_KILLED = 3
"""How often in a row a pool may break without any job coming to an end."""


# ---------------------------------------------------------------- many at once


def pooled(work: Callable[[A], B], jobs: Sequence[A], workers: int) -> list[B]:
    """The results of all jobs, in order; a killed worker's jobs are done again."""
    if workers <= 1 or len(jobs) <= 1:
        return [work(job) for job in jobs]
    found: dict[int, B] = {}
    broken = 0
    while len(found) < len(jobs):
        before = len(found)
        missing = [i for i in range(len(jobs)) if i not in found]
        try:
            with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
                futures = {i: pool.submit(work, jobs[i]) for i in missing}
                for i, future in futures.items():
                    found[i] = future.result()
        except BrokenProcessPool:
            broken = broken + 1 if len(found) == before else 1
            if broken >= _KILLED:
                raise
    return [found[i] for i in range(len(jobs))]


# ---------------------------------------------------------------- the parts


def trained(job: Job, folder: Path) -> str:
    """Train a job unless its file is there; what went wrong, if anything."""
    path = folder / f"{job.key}.run"
    if path.exists():
        return ""
    try:
        published = job.of.kind == "dense"
        training.save(training.train(job.config(), published), path)
    except Error as error:
        return f"{job.key}: {error}"
    return ""


def referenced(key: tuple[str, int], folder: Path) -> dict[str, float]:
    """The reference's scores, computed once."""
    program, seed = PROGRAMS[key[0]], key[1]
    path = folder / f"{program.name}+{seed}.reference"
    if not path.exists():
        path.write_text(json.dumps(reference_scores(program, seed)))
    known: dict[str, float] = json.loads(path.read_text())
    return known


def judged(job: Job, folder: Path, settings: DiagnoseConfig) -> scores.Judged:
    """The verdict on a trained job."""
    record = training.load(folder / f"{job.key}.run")
    return scores.Judged(
        job,
        record.status,
        record.score,
        record.facts["test_rows"],
        record.evidence.planned_steps,
        diagnose(record.evidence, settings),
        flags(record) if record.snapshots else {},
        record.seconds,
    )


def mended(run: scores.Judged, folder: Path) -> float:
    """The score after one patch."""
    path = folder / f"{run.job.key}.recovered"
    primary = [run.primary] if run.primary else []
    return recovery.recovered(run.job.config(), primary, path)


def references(
    jobs: Sequence[Job], runs: Sequence[scores.Judged], folder: Path, workers: int
) -> scores.References:
    """What a healthy run has to be as good as, and how nearly."""
    seeds = sorted({(job.program, job.seed) for job in jobs if job.role != "fault"})
    found = dict(
        zip(seeds, pooled(partial(referenced, folder=folder), seeds, workers),
            strict=True)
    )  # fmt: skip
    rows = {run.job.program: run.rows for run in runs}
    known = {}
    for program in {name for name, _ in seeds}:
        own = [key for key in seeds if key[0] == program]
        best = best_reference([found[key] for key in own])
        classes = PROGRAMS[program].classification
        for key, score in zip(own, best, strict=True):
            known[key] = score, tolerance(score, rows[program], classes)
    return known


# ---------------------------------------------------------------- the whole


def benchmark(
    jobs: Sequence[Job],
    folder: Path,
    *,
    workers: int = 1,
    judge_only: bool = False,
    recover: bool = False,
    settings: DiagnoseConfig | None = None,
) -> scores.Scores:
    """Train what is missing, judge all, and sort the runs.

    Args:
        jobs: which runs.
        folder: where they are kept.
        workers: processes.
        judge_only: train nothing; judge the runs that are there.
        recover: try one patch on every run whose fault hurts and can be mended.
        settings: thresholds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if judge_only:
        jobs = [job for job in jobs if (folder / f"{job.key}.run").exists()]
    failed = list(filter(None, pooled(partial(trained, folder=folder), jobs, workers)))
    if failed:
        raise SystemExit("\n".join(failed))
    judge = partial(judged, folder=folder, settings=settings or DiagnoseConfig())
    runs = pooled(judge, jobs, workers if len(jobs) > 100 else 1)
    known = references(jobs, runs, folder, workers)
    sorted_ = scores.scored(runs, known)
    return _after_patches(sorted_, runs, known, folder, workers) if recover else sorted_


def _after_patches(
    found: scores.Scores,
    runs: Sequence[scores.Judged],
    known: scores.References,
    folder: Path,
    workers: int,
) -> scores.Scores:
    todo = [run for run in found.faulty if run.job.fault and run.job.fault.recoverable]
    after = pooled(partial(mended, folder=folder), todo, workers)
    new = {r.job: replace(r, recovered=s) for r, s in zip(todo, after, strict=True)}
    return scores.scored([new.get(run.job, run) for run in runs], known)


def write(
    found: scores.Scores, folder: Path, title: str, costs: dict[str, float]
) -> str:
    """Write the results beside the runs; the overall table as text."""
    tables = report.tables(found, costs)
    (folder / "results.md").write_text(report.markdown(title, tables))
    (folder / "results.html").write_text(report.page(title, tables))
    (folder / "runs.csv").write_text(report.rows_csv(found))
    return report.markdown(title, tables[:2])


def _settings(text: str) -> DiagnoseConfig:
    """`{"A1": {"many": 0.6}}` as thresholds."""
    value: Any = json.loads(text)
    problems: list[Any] = []
    built: DiagnoseConfig = build(DiagnoseConfig, value, (), problems)
    if problems:
        raise SystemExit(str(problems[0].message))
    return built


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--smoke", action="store_true", help="71 runs alone")
    add("--split", choices=("tuning", "held-out"), default="tuning")
    add("--layers", choices=("all", "dense", "structured"), default="all")
    add("--seeds", type=int, default=SEEDS)
    add("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 1))
    add("--out", type=Path, default=OUT)
    add("--judge-only", action="store_true", help="judge the runs that are there")
    add("--recover", action="store_true", help="train again with the primary patch")
    add("--overhead", action="store_true", help="measure what diagnosis costs")
    add("--diagnose", type=_settings, help='thresholds: {"A1": {"many": 0.6}}')
    given = parser.parse_args()
    jobs = smoke() if given.smoke else whole(given.split, given.seeds, given.layers)
    folder = given.out / ("smoke" if given.smoke else given.split)
    found = benchmark(
        jobs,
        folder,
        workers=given.workers,
        judge_only=given.judge_only,
        recover=given.recover,
        settings=given.diagnose,
    )
    costs = overhead.shares() if given.overhead else {}
    name = "smoke" if given.smoke else f"{given.split} split"
    print(write(found, folder, f"The benchmark of faults: {name}", costs))


if __name__ == "__main__":
    main()
