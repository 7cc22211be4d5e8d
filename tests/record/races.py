"""Several processes after one run folder at once; what became of them, as JSON.

Run as `python races.py KIND FOLDER ROUNDS`: a small process, whose forks are cheap. In
each round some starters wait for one moment. Who holds a lock makes a witness that must
not be there yet, and takes it away again, so that two who hold it at a time show.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from nettrain.disk import Disk
from nettrain.errors import Error
from nettrain.record import lock
from nettrain.record.folder import RUN, RunFolder

STARTERS = 4


def held(folder: Path, inside: Callable[[], None] = lambda: None) -> str:
    """Try to hold the lock of a folder; `in`, or why not."""
    try:
        with lock.held(Disk(), folder):
            witness = folder / "witness"
            try:
                os.close(os.open(witness, os.O_CREAT | os.O_EXCL))
                time.sleep(0.0005)
                os.unlink(witness)
            except OSError:
                return "overlap"
            inside()
            return "in"
    except Error as error:
        return error.code


def started(starters: list[Callable[[], str]]) -> list[str]:
    """What each says that is called in a process of its own, all at one moment.

    One that died says "died".
    """
    gate, opened = os.pipe()
    answers = [_forked(starter, gate, opened) for starter in starters]
    os.close(gate)
    os.close(opened)  # all who read from the gate come to its end
    said = []
    for child, answer in answers:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code:
            said.append("died" if code == -signal.SIGKILL else f"exit {code}")
        else:
            said.append(os.read(answer, 1 << 10).decode())
        os.close(answer)
    return said


def _forked(starter: Callable[[], str], gate: int, opened: int) -> tuple[int, int]:
    answer, say = os.pipe()
    child = os.fork()
    if child:
        os.close(say)
        return child, answer
    code = 1
    try:
        os.close(opened)
        os.read(gate, 1)
        os.close(gate)
        os.write(say, starter().encode())
        code = 0
    finally:
        os._exit(code)


# ---------------------------------------------------------------- kinds of a race


def plain(folder: Path) -> list[str]:
    return started([lambda: held(folder)] * STARTERS)


def unlinked(folder: Path) -> list[str]:
    """Somebody takes the lock's file away, again and again."""

    def unlink() -> str:
        until = time.monotonic() + 0.002
        while time.monotonic() < until:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(folder / lock.LOCK)
        return "unlinked"

    return started([*[lambda: held(folder)] * STARTERS, unlink])


def asked(folder: Path) -> list[str]:
    """Who only asks whether a folder is held, again and again, keeps no writer out."""

    def ask() -> str:
        until = time.monotonic() + 0.002
        while time.monotonic() < until:
            lock.is_held(Disk(), folder)
        return "asked"

    return started([*[ask] * STARTERS, lambda: held(folder)])


def killed(folder: Path) -> list[str]:
    """Holders are killed; whoever comes after them gets in."""

    def die() -> str:
        return held(folder, lambda: os.kill(os.getpid(), signal.SIGKILL))

    return [*started([die] * STARTERS), f"after {held(folder)}"]


def forked(folder: Path) -> list[str]:
    """A holder's fork is no holder: refused beside it, and no hindrance after it."""
    stay, go = os.pipe()
    told, tell = os.pipe()
    tried, done = os.pipe()

    def fork() -> None:
        if os.fork() == 0:
            os.close(go)
            os.write(tell, held(folder).encode())
            os.write(done, b"1")
            os.read(stay, 1)  # it outlives the holder, up to the end of the round
            os._exit(0)
        os.read(tried, 1)
        os.kill(os.getpid(), signal.SIGKILL)

    said = [*started([lambda: held(folder, fork)]), f"after {held(folder)}"]
    os.close(tell)  # so that a fork that never was is not waited for
    said.append(f"fork {os.read(told, 1 << 10).decode()}")
    for descriptor in (go, stay, told, tried, done):
        os.close(descriptor)
    return said


def created(folder: Path) -> list[str]:
    """`run --out` of one folder: one has it, the others touch nothing."""
    out = folder / f"run{time.monotonic_ns()}"

    def begin() -> str:
        try:
            made = RunFolder.create("race", out)
            with made.lock():
                made.write_text("config.yaml", f"{os.getpid()}\n")
                time.sleep(0.0005)
                made.write_json(RUN, {"format": 1, "pid": os.getpid()})
                made.metrics.write_text(f"{os.getpid()}\n")
        except Error as error:
            return error.code
        return f"won {os.getpid()}"

    said = started([begin] * STARTERS)
    (winner,) = [word.split()[1] for word in said if word.startswith("won")] or ["none"]
    facts = json.loads((out / RUN).read_text())
    rows = (out / "metrics.jsonl").read_text()
    config = (out / "config.yaml").read_text()
    whole = str(facts["pid"]) == rows.strip() == config.strip() == winner
    said = ["won" if word.startswith("won") else word for word in said]
    return [*said, "whole" if whole else "mixed"]


def numbered(folder: Path) -> list[str]:
    """Default folders: each has its own number, and none is left out."""
    root = folder / f"runs{time.monotonic_ns()}"

    def begin() -> str:
        made = RunFolder.create("race", root=root)
        with made.lock():
            made.write_json(RUN, {"format": 1})
        return made.path.name

    numbers = started([begin] * STARTERS)
    expected = [str(number) for number in range(1, STARTERS + 1)]
    return ["own numbers" if sorted(numbers) == expected else f"numbers {numbers}"]


# ---------------------------------------------------------------- the verbs themselves

CONFIG = """
name: race
data: {source: {moons: {samples: 40}}, batch_size: 8}
model: [dense: 4, tanh, dense: 1]
loss: binary_cross_entropy
optimizer: {sgd: {learning_rate: 0.1}}
train: {epochs: 3, checkpoint: {every: 2 steps}}
diagnose: false
"""


def _verb(*words: str) -> Callable[[], str]:
    def call() -> str:
        from nettrain.cli.main import main as nettrain

        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        return f"exit code {nettrain(words)}"

    return call


def _content(run: Path) -> dict[str, bytes]:
    """What training alone decides."""
    names = ("metrics.jsonl", "statistics.csv", "findings.json", "data.json")
    found = {name: (run / name).read_bytes() for name in names}
    return found | {p.name: p.read_bytes() for p in (run / "checkpoints").iterdir()}


def _shortened() -> contextlib.AbstractContextManager[None]:
    from nettrain.selftest.shortened import shortened

    return shortened()


def _alone(folder: Path) -> Path:
    """A run that nobody else was after; made once."""
    config, alone = folder / "race.yaml", folder / "alone"
    if not alone.exists():
        config.write_text(CONFIG)
        # In this process, so that its forks have imported everything.
        from nettrain.experiment.run import run

        run(str(config), out=alone)
    return alone


def _ended(out: Path, alone: Path, said: list[str]) -> list[str]:
    return [*said, "the same" if _content(out) == _content(alone) else "another run"]


def runs(folder: Path) -> list[str]:
    """`nettrain run --out` of one folder."""
    alone, out = _alone(folder), folder / f"run{time.monotonic_ns()}"
    verb = _verb("run", str(folder / "race.yaml"), "--out", str(out))
    return _ended(out, alone, started([verb] * 3))


def resumes(folder: Path) -> list[str]:
    """`nettrain resume` of one run that lacks its last update."""
    alone, out = _alone(folder), folder / f"run{time.monotonic_ns()}"
    shutil.copytree(alone, out)
    max((out / "checkpoints").iterdir()).unlink()
    return _ended(out, alone, started([_verb("resume", str(out))] * 3))


def main() -> None:
    kind, folder, rounds = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    counted: collections.Counter[str] = collections.Counter()
    short = _shortened if kind in ("runs", "resumes") else contextlib.nullcontext
    with short():
        for _ in range(rounds):
            said = globals()[kind](folder)
            counted.update(said)
            counted["rounds with somebody in"] += bool({"in", "won"} & set(said))
    print(json.dumps(counted))


if __name__ == "__main__":
    main()
