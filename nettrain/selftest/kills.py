"""Runs that are killed, or whose disk fails, and are resumed: nothing may be lost.

A small run is trained once without a mishap. Then it is trained again and again, each
time with another mishap, and resumed until it is finished; every file of it must then
hold the same bytes. What is tried is the command line itself, in processes that die of
a real SIGKILL.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NoReturn

from nettrain.errors import Error
from nettrain.experiment import signals
from nettrain.record.checkpoint import decode
from nettrain.record.folder import CHECKPOINTS, RUN, TENSORBOARD
from nettrain.record.store import file_name
from nettrain.selftest.faulty_disk import ERRORS, KILLS, SIGNALS, Fault, FaultyDisk
from nettrain.selftest.score import Score, Tally
from nettrain.selftest.shortened import shortened

Do = Callable[[Sequence[str]], int]
"""Does what a command line says; its exit code: `nettrain.cli.main.main`, or `anew`."""

CONFIG = """\
name: selftest
seed: 11
data:
  source: {moons: {samples: 60, noise: 0.2}}
  split: {validation: 0.2, test: 0.2}
  preprocess: [standardize]
  batch_size: 9
model:
  - dense: 6
  - batch_norm
  - relu
  - dropout: 0.2
  - dense: {units: 5, activation: relu}
  - dense: 2
loss: cross_entropy
metrics: [accuracy]
optimizer:
  sgd:
    learning_rate: {plateau: {initial: 0.2, patience: 0, threshold: 0.2}}
    momentum: 0.9
train:
  epochs: 6
  stop: {patience: 2, restore_best: true}
  checkpoint: {every: 3 steps, keep: 2}
diagnose: {every: 2}
"""
"""A run of a few updates that has much to remember from one to the next."""

IN_A_ROW = 5
"""So often a run is killed at random moments before it may come to its end."""

_WHOLE = (
    "config.yaml",
    "config.resolved.yaml",
    "data.json",
    "findings.json",
    "metrics.jsonl",
    "statistics.csv",
)
_DISK = 6
"""The exit code that is promised where a disk fails."""
_SAID = re.compile(r"checkpoint step ([0-9]+) saved")

# Elsewhere libraries may not survive a fork, so a child begins with an import.
_CHILDREN: Any = multiprocessing.get_context(
    "fork" if sys.platform.startswith("linux") else "spawn"
)


def anew(words: Sequence[str]) -> NoReturn:
    """Do a command line in an interpreter of its own, which takes this one's place."""
    os.execv(sys.executable, [sys.executable, "-m", "nettrain", *words])


# ---------------------------------------------------------------- a process to try


def _child(
    do: Do, words: Sequence[str], log: Path, disk: FaultyDisk, short: bool
) -> None:
    """What the process does; everything that it prints goes to its log."""
    gc.freeze()  # what it was forked with is not looked through, nor copied for that
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    sys.stdout, sys.stderr = (os.fdopen(fd, "w", closefd=False) for fd in (1, 2))
    signals.end_at_once()  # as the command does
    disk.install()
    try:
        with shortened() if short else contextlib.nullcontext():
            code = do(words)
    finally:
        calls = [[action, str(path)] for action, path in disk.calls]
        log.with_suffix(".calls").write_text(json.dumps(calls))
    sys.exit(code)


def _start(do: Do, words: Sequence[str], *more: Any) -> BaseProcess:
    process: BaseProcess = _CHILDREN.Process(target=_child, args=(do, words, *more))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # fork with threads
        process.start()
    return process


# ---------------------------------------------------------------- what is tried


@dataclass(frozen=True)
class Subject:
    """A run that was trained without a mishap, and is to be trained with some.

    Attributes:
        do: does the command line.
        config: its file.
        overrides: of it.
        short: whether pictures are left out, to save time; not with `anew`.
        expected: every file of the run, see `content`.
        calls: action and path of every system call that its disk made.
        seconds: that it took; they decide where it is killed, not whether it is equal.
    """

    do: Do
    config: Path
    overrides: tuple[str, ...] = ()
    short: bool = True
    expected: Mapping[str, bytes] = field(default_factory=dict)
    calls: Sequence[tuple[str, str]] = ()
    seconds: float = 0.0

    def words(self, folder: Path) -> list[str]:
        """The command that takes a run further, however far it has come."""
        if (folder / RUN).exists():
            return ["resume", str(folder)]
        return ["run", str(self.config), "--out", str(folder), *self.overrides]

    def start(self, folder: Path, disk: FaultyDisk | None = None) -> BaseProcess:
        """Take a run further in a process of its own."""
        disk = disk or FaultyDisk()
        return _start(self.do, self.words(folder), _log(folder), disk, self.short)

    def attempt(self, folder: Path, disk: FaultyDisk | None = None) -> int:
        """Do so and wait; the exit code, -n where it was killed by signal n."""
        process = self.start(folder, disk)
        process.join()
        assert process.exitcode is not None
        return process.exitcode

    def ended(self, folder: Path) -> str:
        """Take a run to its end; in which way it is not as expected, or nothing."""
        code = self.attempt(folder)
        if code:
            return f"resume ended with {code}: {_last_line(folder)}"
        return self.differs(folder)

    def differs(self, folder: Path) -> str:
        """Which files of a run are not as expected, or nothing."""
        found = content(folder)
        names = found.keys() | self.expected.keys()
        differing = [n for n in names if found.get(n) != self.expected.get(n)]
        return f"not as expected: {', '.join(sorted(differing))}" if differing else ""


def subject(
    do: Do,
    folder: Path,
    config: Path | None = None,
    overrides: Iterable[str] = (),
    *,
    short: bool = True,
) -> Subject:
    """Train a run without a mishap.

    Args:
        do: does the command line.
        folder: where there is room; runs are made below it.
        config: its file; `CONFIG` where none is given.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if config is None:
        config = folder / "config.yaml"
        config.write_text(CONFIG)
    made = Subject(do, config, tuple(overrides), short)
    _warm(made, folder / "warm")
    whole, began = folder / "whole", time.monotonic()
    if code := made.attempt(whole):
        raise Error("run-selftest", f"the run ends with {code}: {_last_line(whole)}")
    seconds = time.monotonic() - began
    expected, calls = content(whole), _calls(whole)
    _forget(whole)
    return Subject(do, config, made.overrides, short, expected, calls, seconds)


def _warm(made: Subject, folder: Path) -> None:
    """Import all that a run needs, so that a process forked from this one has it."""
    if made.do is not anew:
        silent = io.StringIO()
        with (
            contextlib.redirect_stdout(silent),
            contextlib.redirect_stderr(silent),
            shortened() if made.short else contextlib.nullcontext(),
        ):
            made.do(made.words(folder))
        _forget(folder)


def content(folder: Path) -> dict[str, bytes]:
    """Every file of a run that is a function of its config: all but the clock's.

    Of `run.json` all but the measured cost of the diagnosis.
    """
    found = {name: (folder / name).read_bytes() for name in _WHOLE}
    last = max((folder / CHECKPOINTS).glob("step-*"))
    found[last.name] = last.read_bytes()
    found |= {p.name: p.read_bytes() for p in (folder / "plots").glob("*.svg")}
    if (folder / TENSORBOARD).exists():
        found[TENSORBOARD] = (folder / TENSORBOARD).read_bytes()
    facts = json.loads((folder / RUN).read_bytes())
    facts.pop("diagnosis", None)
    return found | {RUN: json.dumps(facts).encode()}


def _log(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.log")


def _last_line(folder: Path) -> str:
    lines = _told(folder).strip().splitlines()
    return next(
        (n for n in lines if n.startswith("error[")), lines[-1] if lines else ""
    )


def _calls(folder: Path) -> list[tuple[str, str]]:
    """What `_child` wrote, unless an interpreter took its place."""
    path = _log(folder).with_suffix(".calls")
    return [tuple(c) for c in json.loads(path.read_text())] if path.exists() else []


def _forget(folder: Path) -> None:
    """Remove a run and its log."""
    shutil.rmtree(folder, ignore_errors=True)
    for path in (_log(folder), _log(folder).with_suffix(".calls")):
        path.unlink(missing_ok=True)


# ---------------------------------------------------------------- one mishap


@dataclass(frozen=True)
class Mishap:
    """One thing that goes wrong at one call.

    Attributes:
        fault: what.
        at: the number of the call.
        call: what the call does, in words.
        begun: a run that has come half-way, which is resumed; None for a new one.
    """

    fault: Fault
    at: int
    call: str
    begun: Path | None = None

    def __str__(self) -> str:
        verb = "resume" if self.begun else "run"
        return f"{verb}, {self.fault.name}, call {self.at} ({self.call})"


def _killed(subject: Subject, folder: Path, mishap: Mishap) -> str:
    """Let a run be killed, and take it to its end; what was wrong, or nothing."""
    code = subject.attempt(folder, FaultyDisk(mishap.fault, mishap.at))
    if code != -signal.SIGKILL:
        return f"it was not killed but ended with {code}"
    return _lost(folder) or subject.ended(folder)


def _failed(subject: Subject, folder: Path, mishap: Mishap) -> str:
    """Let a disk fail, and take the run to its end once the disk is well."""
    code = subject.attempt(folder, FaultyDisk(mishap.fault, mishap.at))
    if code not in (0, _DISK):
        return f"exit code {code}: {_last_line(folder)}"
    if code and "error[disk-" not in _told(folder):
        return f"exit code {code} without an error of the disk"
    return _harmed(subject, folder, code) or subject.ended(folder)


def _signalled(subject: Subject, folder: Path, mishap: Mishap) -> str:
    """Let a signal come, and take the run to its end."""
    code = subject.attempt(folder, FaultyDisk(mishap.fault, mishap.at))
    if code not in (0, 128 + mishap.fault.sends):
        return f"exit code {code}: {_last_line(folder)}"
    stopped = _status(folder) == "interrupted"
    if stopped and not (folder / CHECKPOINTS / file_name(_step(folder))).exists():
        return "it was interrupted, and its last step is not saved"
    return _harmed(subject, folder, code) or subject.ended(folder)


def _harmed(subject: Subject, folder: Path, code: int) -> str:
    """What a mishap did to a run, or nothing.

    Args:
        code: 0 stands for a finished run, and only for one.
    """
    told = _told(folder)
    if "Traceback" in told or "Exception ignored" in told:
        return "a traceback"
    finished = _status(folder) == "finished"
    if code == 0 and not finished:
        return "exit code 0, and the run is not finished"
    if finished and (differs := subject.differs(folder)):
        return f"said to be finished, and {differs}"
    return _lost(folder)


def _told(folder: Path) -> str:
    """What the last process said."""
    return _log(folder).read_text(errors="replace")


def _status(folder: Path) -> str:
    """What `run.json` says; it is whole at every moment."""
    path = folder / RUN
    return str(json.loads(path.read_bytes())["status"]) if path.exists() else ""


def _step(folder: Path) -> int:
    return int(json.loads((folder / RUN).read_bytes())["step"])


def _lost(folder: Path) -> str:
    """The checkpoint that was last said to be saved, and is not there, if so."""
    events = folder / "events.jsonl"
    said = _SAID.findall(events.read_text()) if events.exists() else []
    if not said:
        return ""
    step = int(said[-1])
    # One that could not be read for once is put aside, whole.
    for path in (folder / CHECKPOINTS).glob(f"*step-{step:012d}.safetensors*"):
        with contextlib.suppress(Error):
            if decode(path.read_bytes()).meta.step == step:
                return ""
    return f"the checkpoint of step {step}, which was said to be saved, is lost"


def _tried(
    subject: Subject,
    folder: Path,
    check: Callable[[Subject, Path, Mishap], str],
    numbered: tuple[int, Mishap],
) -> str:
    """One mishap, in a run folder of its own; what was wrong, or nothing."""
    number, mishap = numbered
    place = folder / f"run-{number}"
    _forget(place)
    try:
        if mishap.begun is not None:
            shutil.copytree(mishap.begun, place)
        wrong = check(subject, place, mishap)
    except Exception as error:
        wrong = f"{type(error).__name__}: {error}"
    _forget(place)
    return wrong and f"{mishap}: {wrong}"


# ---------------------------------------------------------------- all of them


def at_calls(do: Do, folder: Path, *, every: int = 1, workers: int = 1) -> Score:
    """Kill a run, and one that is resumed, at each system call that its disk makes.

    Args:
        do: does the command line, in a process that was forked for it.
        folder: on the disk that is to be tried; it is left empty.
        every: one in so many of the cases, to save time; always the same ones.
        workers: processes at a time.
    """
    return _matrix("killed at a disk call, then resumed", KILLS, _killed, **locals())


def with_errors(do: Do, folder: Path, *, every: int = 1, workers: int = 1) -> Score:
    """Let each system call fail in a run, and in one that is resumed.

    Nothing that was saved may be harmed, the exit code must be right, and the run must
    be taken to its end once the disk is well. Arguments as of `at_calls`.
    """
    return _matrix("a failing disk call, then resumed", ERRORS, _failed, **locals())


def with_signals(do: Do, folder: Path, *, every: int = 1, workers: int = 1) -> Score:
    """Let a signal come at each system call of a run, and of one that is resumed.

    Arguments as of `at_calls`.
    """
    return _matrix(
        "a signal at a disk call, then resumed", SIGNALS, _signalled, **locals()
    )


def _matrix(
    promise: str,
    faults: Sequence[Fault],
    check: Callable[[Subject, Path, Mishap], str],
    do: Do,
    folder: Path,
    every: int,
    workers: int,
) -> Score:
    made = subject(do, folder)
    begun, again = _half_made(made, folder / "begun"), folder / "again"
    mishaps = [
        *_mishaps(faults, made.calls, None),
        *_mishaps(faults, _calls_of_resuming(made, begun, again), begun),
    ]
    # Strides would meet the same calls again and again where these come in turns.
    cases = random.Random(0).sample(mishaps, -(-len(mishaps) // every))
    tally = Tally(promise)
    attempt = partial(_tried, made, folder, check)
    for wrong in _mapped(attempt, list(enumerate(cases)), workers):
        tally.add(wrong)
    _forget(begun)
    made.config.unlink()
    return tally.score()


def _half_made(made: Subject, folder: Path) -> Path:
    """A run that was killed half-way."""
    before = KILLS[0]
    code = made.attempt(folder, FaultyDisk(before, len(made.calls) // 2))
    assert code == -signal.SIGKILL, code
    return folder


def _calls_of_resuming(
    made: Subject, begun: Path, folder: Path
) -> Sequence[tuple[str, str]]:
    shutil.copytree(begun, folder)
    made.attempt(folder)
    calls = _calls(folder)
    _forget(folder)
    return calls


def _mishaps(
    faults: Sequence[Fault], calls: Sequence[tuple[str, str]], begun: Path | None
) -> list[Mishap]:
    """Each fault at each call where it can happen."""
    return [
        Mishap(fault, number, f"{action} {Path(path).name}", begun)
        for number, (action, path) in enumerate(calls)
        for fault in faults
        if fault.can_happen_at(action)
    ]


def _mapped(
    call: Callable[[Any], Any], cases: Sequence[Any], workers: int
) -> Iterable[Any]:
    if workers < 2:
        return map(call, cases)
    with ProcessPoolExecutor(workers, mp_context=_CHILDREN) as pool:
        return list(pool.map(call, cases))


# ---------------------------------------------------------------- random moments


def at_random(do: Do, folder: Path, *, kills: int = 30, workers: int = 1) -> Score:
    """Kill a run from outside at random moments, again and again, then resume it.

    Args:
        do: does the command line.
        folder: on the disk that is to be tried; it is left empty.
        kills: how many there are to be; a few more may come of it.
        workers: processes at a time.
    """
    made = subject(do, folder)
    score = killed_at_random([made], folder, kills=kills, workers=workers)
    made.config.unlink()
    return score


def killed_at_random(
    subjects: Sequence[Subject], folder: Path, *, kills: int, workers: int = 1
) -> Score:
    """The same with several runs, which take turns."""
    tally = Tally("killed at random moments, then resumed")
    number, in_a_row = 0, min(IN_A_ROW, kills)
    while tally.total < kills:
        # Rounds that are sure not to be too many, then more of them.
        rounds = range(number, number + max(1, (kills - tally.total) // in_a_row))
        number = rounds.stop
        cases = [(seed, subjects[seed % len(subjects)]) for seed in rounds]
        attempt = partial(_round, folder, in_a_row)
        for killed, wrong in _mapped(attempt, cases, workers):
            for _ in range(killed):
                tally.add(wrong)
    return tally.score()


def _round(folder: Path, in_a_row: int, case: tuple[int, Subject]) -> tuple[int, str]:
    """One run, killed a few times; how often it was, and what was wrong, or nothing."""
    seed, made = case
    place, moments, killed = folder / f"random-{seed}", random.Random(seed), 0
    for _ in range(in_a_row):
        moment = moments.uniform(0, made.seconds)
        if _killed_after(moment, made.start(place)) != -signal.SIGKILL:
            break
        killed += 1
    wrong = made.ended(place)
    _forget(place)
    return killed, wrong and f"{made.config.name}, seed {seed}: {wrong}"


def _killed_after(seconds: float, process: BaseProcess) -> int:
    """Kill a process after a time, if it has not ended; its exit code."""
    until = time.monotonic() + seconds
    while process.exitcode is None and time.monotonic() < until:
        time.sleep(0.001)
    process.kill()
    process.join()
    assert process.exitcode is not None
    return process.exitcode
