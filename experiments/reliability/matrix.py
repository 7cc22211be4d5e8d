"""The matrix: killed at every call of one save, or its disk full; then gone on.

The fourth of six saves is struck: there is a state before it to go back to, and
whatever a trainer takes away after a save has begun to be taken away.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from experiments.reliability import digits, tracing
from experiments.reliability.tracing import Call, Window
from experiments.reliability.trainers import Ended, Trainer

SAVE = 4
"""The save that is struck, from 1; epoch SAVE is the last that it holds."""

IDENTICAL, RESUMED, REPEATED = "identical", "resumed", "repeated"
LOST, FAILED, MISSED = "lost", "failed", "missed"
OUTCOMES = {
    IDENTICAL: "goes on, ends bit-identical",
    RESUMED: "goes on, ends with other weights",
    REPEATED: "silently trains an epoch twice",
    LOST: "silently loses more than the last save",
    FAILED: "does not go on: an error",
    MISSED: "the blow did not fall where it should",
}
_TRIES = 3


@dataclass(frozen=True)
class Trial:
    """What came of one blow.

    Attributes:
        blow: `kill`, `full` or `between`.
        number: of the call in the save, from 0.
        call: its name and what it touches.
        outcome: a key of `OUTCOMES`.
        why: the last line of the error, or where it went on.
        silent: whether the process that was struck said, by exit code 0, that all went
            well.
    """

    blow: str
    number: int
    call: str
    outcome: str
    why: str
    silent: bool = False


@dataclass(frozen=True)
class Whole:
    """The uninterrupted run, and where its saves lie in its trace."""

    trainer: Trainer
    trace: tuple[Call, ...]
    save: Window
    ended: Ended
    repeated: bool
    """Whether a second uninterrupted run ended with the same weights."""

    def watched(self, trial: Path) -> list[Path]:
        return [trial / "run", trial / "tmp"]


def fresh(trial: Path) -> Path:
    shutil.rmtree(trial, ignore_errors=True)
    for name in ("tmp", "marks"):
        (trial / name).mkdir(parents=True)
    return trial


def record(trainer: Trainer, work: Path) -> Whole:
    """Trace a run that nothing happens to, and do it once more without a trace."""
    trial = fresh(work / "whole")
    done, trace = tracing.traced(trainer.begin(trial), trial / "tmp", work / "whole.st")
    ended = trainer.ended(trial)
    if done.returncode or ended is None:
        raise SystemExit(f"{trainer.name} does not even train:\n{done.stderr}")
    openings = sum(bool(re.search(trainer.opening, call.text)) for call in trace)
    if openings != digits.EPOCHS:
        raise SystemExit(f"{trainer.name}: {openings} saves, not one an epoch")
    save = Window.of(trace, trainer.opening, SAVE, [trial / "run", trial / "tmp"])
    again = fresh(work / "again")
    tracing.run(trainer.begin(again), again / "tmp")
    second = trainer.ended(again)
    shutil.rmtree(trial)
    shutil.rmtree(again)
    same = second is not None and second.sha256 == ended.sha256
    return Whole(trainer, tuple(trace), save, ended, same)


# ---------------------------------------------------------------- blows


def killed(whole: Whole, number: int, trial: Path) -> Trial:
    """Killed on entry to the call `number` of the save, then gone on."""
    call = whole.save.calls[number]

    def landed(trace: Sequence[Call]) -> bool:
        opening, watched = whole.trainer.opening, whole.watched(trial)
        found = Window.of(trace, opening, SAVE, watched)
        same = len(found.calls) == number + 1 and found.last
        return same and found.calls[-1].name == call.name

    if _strike(whole, trial, tracing.kill(call), landed) is None:
        return Trial("kill", number, _told(call), MISSED, "")
    return _gone_on(whole, trial, "kill", number, call, SAVE - 1)


def interrupted(whole: Whole, trial: Path) -> Call | None:
    """Kill it between the struck save and the next; the call at which it died."""
    pattern = whole.trainer.between
    matches = [call for call in whole.trace if re.search(pattern, call.text)]
    call = matches[SAVE]

    def landed(trace: Sequence[Call]) -> bool:
        seen = sum(bool(re.search(pattern, call.text)) for call in trace)
        return seen == SAVE + 1 and bool(re.search(pattern, trace[-1].text))

    code = _strike(whole, trial, tracing.kill(call), landed)
    return None if code is None else call


def between(whole: Whole, trial: Path) -> Trial:
    """Killed between two saves, then gone on: the control."""
    call = interrupted(whole, trial)
    if call is None:
        return Trial("between", 0, "", MISSED, "")
    return _gone_on(whole, trial, "between", 0, call, SAVE)


def filled(whole: Whole, number: int, trial: Path) -> Trial:
    """The disk is full from the call `number` of the save on; then there is room."""
    call = whole.save.calls[number]

    def landed(trace: Sequence[Call]) -> bool:
        struck = [c for c in trace if (c.name, c.number) == (call.name, call.number)]
        folders = map(str, whole.watched(trial))
        return bool(struck) and any(folder in struck[0].text for folder in folders)

    code = _strike(whole, trial, tracing.full(call, whole.trace), landed)
    if code is None:
        return Trial("full", number, _told(call), MISSED, "")
    ended = whole.trainer.ended(trial)
    if code == 0 and ended is not None:
        outcome, why = _judged(whole, ended, 0)
        return Trial("full", number, _told(call), outcome, why, silent=True)
    found = _gone_on(whole, trial, "full", number, call, SAVE - 1)
    return Trial(**{**asdict(found), "silent": code == 0})


def _strike(
    whole: Whole,
    trial: Path,
    blows: Sequence[str],
    landed: Callable[[Sequence[Call]], bool],
) -> int | None:
    """Train under a blow until it falls where it should; the exit code."""
    for _ in range(_TRIES):
        command = whole.trainer.begin(fresh(trial))
        log = trial.with_suffix(".st")
        done, trace = tracing.traced(command, trial / "tmp", log, blows)
        if landed(trace):
            return done.returncode
    return None


def _gone_on(
    whole: Whole, trial: Path, blow: str, number: int, call: Call, saved: int
) -> Trial:
    """Go on as the trainer's pages say, nothing else done, and judge the end."""
    told = _told(call)
    try:
        done = tracing.run(whole.trainer.go_on(trial), trial / "tmp")
    except tracing.Hung:
        return Trial(blow, number, told, FAILED, "hung")
    ended = whole.trainer.ended(trial)
    if done.returncode or ended is None:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return Trial(blow, number, told, FAILED, _reason(lines))
    outcome, why = _judged(whole, ended, saved)
    return Trial(blow, number, told, outcome, why)


def _judged(whole: Whole, ended: Ended, saved: int) -> tuple[str, str]:
    """What an end is worth, given that `saved` epochs were safe before."""
    why = f"went on after epoch {ended.start:g}, made {ended.updates} updates"
    if ended.start < saved:
        return LOST, why
    if ended.updates != whole.ended.updates:
        return REPEATED, why
    return (IDENTICAL if ended.sha256 == whole.ended.sha256 else RESUMED), why


def _reason(lines: Sequence[str]) -> str:
    """The line that names the error, without a path of this machine."""
    named = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
    return re.sub(r"(/[^\s/'\"]+)+/", "", (named or lines)[-1])[:160]


def _told(call: Call) -> str:
    """`rename epoch=3-step=160.ckpt`: the call, and the file that it is about."""
    paths = re.findall(r"(/[^\s\"<>]+)", call.text)
    return f"{call.name} {Path(paths[-1]).name}" if paths else call.name


# ---------------------------------------------------------------- all of them


def kept(path: Path, make: Callable[[], Trial]) -> Trial:
    """The result that is there, or a new one, whose folder goes again.

    A blow that missed is not kept: the next time it is tried again.
    """
    if path.exists():
        return Trial(**json.loads(path.read_text()))
    found = make()
    if found.outcome != MISSED:
        path.write_text(json.dumps(asdict(found)), encoding="utf-8")
    shutil.rmtree(path.with_suffix(""), ignore_errors=True)
    return found


def jobs(
    whole: Whole, folder: Path, kills: int | None, fills: int
) -> list[Callable[[], Trial]]:
    """One call for each trial: the control, the kills, the full disks.

    Args:
        kills: at how many calls of the save, evenly spread; None: at every one.
        fills: at how many of its writes the disk is full.
    """

    def job(
        name: str, strike: Callable[..., Trial], *given: object
    ) -> Callable[[], Trial]:
        path = folder / f"{name}.json"
        return lambda: kept(path, lambda: strike(whole, *given, path.with_suffix("")))

    calls = range(len(whole.save.calls))
    writes = [i for i in calls if whole.save.calls[i].name in tracing.WRITES]
    found = [job("between", between)]
    found += [job(f"kill-{i:03d}", killed, i) for i in spread(calls, kills)]
    return found + [job(f"full-{i:03d}", filled, i) for i in spread(writes, fills)]


def spread(items: Sequence[int], many: int | None) -> list[int]:
    """At most `many` of them, evenly spread, the first and the last among them."""
    if many is None or many >= len(items):
        return list(items)
    places = {round(i * (len(items) - 1) / max(1, many - 1)) for i in range(many)}
    return [items[place] for place in sorted(places)]
