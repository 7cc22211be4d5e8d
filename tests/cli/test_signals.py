"""Signals at any moment: the right exit code, no traceback, and nothing is lost."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import nettrain as nt
from nettrain.cli.main import main
from nettrain.experiment import pictures, signals
from nettrain.selftest import kills
from nettrain.selftest.faulty_disk import SIGNALS, Fault, FaultyDisk
from tests.cli.conftest import CONFIG, ROOT, rows
from tests.selftest.test_kills import check, in_memory

INT, TERM, HUP = signal.SIGINT, signal.SIGTERM, signal.SIGHUP


@pytest.fixture(name="made", scope="module")
def _made() -> Iterator[kills.Subject]:
    """A run trained whole, whose folder has room for others."""
    for folder in in_memory():
        yield kills.subject(main, folder)


@pytest.fixture(name="place")
def _place(made: kills.Subject) -> Iterator[Path]:
    """Where a run may be tried."""
    folder = made.config.with_name("run")
    yield folder
    kills._forget(folder)


def status(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "run.json").read_bytes())
    return found


def when(name: str, number: int, *kinds: int) -> kills.Do:
    """Does a command line, and signals come when a function is called.

    Args:
        name: of the function, `module:name` or `module:class.name`.
        number: of the call, from 1.
        kinds: of the signals.
    """
    module, _, path = name.partition(":")
    *inside, last = path.split(".")

    def do(words: Sequence[str]) -> int:
        owner: Any = importlib.import_module(f"nettrain.{module}")
        for part in inside:
            owner = getattr(owner, part)
        real, seen = getattr(owner, last), 0

        def hit(*given: Any, **more: Any) -> Any:
            nonlocal seen
            seen += 1
            if seen == number:
                for kind in kinds:
                    signal.raise_signal(kind)
            return real(*given, **more)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(owner, last, hit)
            return main(words)

    return do


def doing(made: kills.Subject, do: kills.Do) -> kills.Subject:
    return dataclasses.replace(made, do=do)


# ---------------------------------------------------------------- a run


def test_signals_at_disk_calls(tmp_path: Path) -> None:
    check(kills.with_signals(main, tmp_path, every=200), 4)


@pytest.mark.parametrize(
    ("moment", "kind"),
    [
        (("experiment.run:set_up", 1), INT),
        (("experiment.setup:prepare", 1), TERM),
        (("experiment.run:make_network", 1), HUP),
        (("record.folder:RunFolder.create", 1), INT),
    ],
    ids=str,
)
def test_before_anything_is_written_it_ends_at_once(
    made: kills.Subject, place: Path, moment: tuple[str, int], kind: int
) -> None:
    assert doing(made, when(*moment, kind)).attempt(place) == 128 + kind
    assert not place.exists()
    assert kills._told(place).splitlines() == ["interrupted"]


@pytest.mark.parametrize(
    ("moment", "kind", "step"),
    [
        (("training.loop:Loop.run", 1), TERM, 1),
        (("training.network:Network.train", 1), INT, 1),
        (("training.network:Network.train", 5), HUP, 5),
        (("training.loop:Loop._evaluated", 2), INT, 8),
        (("record.store:encode", 2), TERM, 7),  # step 6 is being saved, 7 is begun
    ],
    ids=str,
)
def test_in_training_the_step_is_finished_and_saved(
    made: kills.Subject, place: Path, moment: tuple[str, int], kind: int, step: int
) -> None:
    assert doing(made, when(*moment, kind)).attempt(place) == 128 + kind
    assert (status(place)["status"], status(place)["step"]) == ("interrupted", step)
    assert (place / f"checkpoints/step-{step:012d}.safetensors").exists()
    said = f"interrupted; saved at step {step}, epoch {-(-step // 4)}"
    assert f"{said}\n  nettrain resume {place}\n" in kills._told(place)
    assert made.ended(place) == ""


@pytest.mark.parametrize("kinds", [(INT, INT), (INT, TERM), (TERM, HUP)], ids=str)
def test_the_second_signal_ends_it_at_once(
    made: kills.Subject, place: Path, kinds: tuple[int, int]
) -> None:
    do = when("training.network:Network.train", 5, *kinds)
    assert doing(made, do).attempt(place) == 128 + kinds[1]
    assert status(place)["status"] == "running"
    assert made.ended(place) == ""


def test_a_kind_that_is_ignored_stays_so(made: kills.Subject, place: Path) -> None:
    before = signal.signal(HUP, signal.SIG_IGN)  # as nohup does it
    try:
        disk = FaultyDisk(Fault("hang up", sends=HUP, forever=True), 5)
        assert made.attempt(place, disk) == 0
    finally:
        signal.signal(HUP, before)
    assert made.differs(place) == ""


def test_seeds_end_with_the_first_signal(made: kills.Subject, place: Path) -> None:
    words = ["run", str(made.config), "--out", str(place), "--seeds", "3"]
    train = "training.network:Network.train"
    log = kills._log(place)
    process = kills._start(when(train, 20, INT), words, log, FaultyDisk(), True)
    process.join()
    assert process.exitcode == 130
    assert [p.name for p in sorted(place.glob("seed-*"))] == ["seed-11", "seed-12"]
    found = [status(place / f"seed-{n}")["status"] for n in (11, 12)]
    assert found == ["finished", "interrupted"]
    assert f"nettrain resume {place}/seed-12" in kills._told(place)


# ---------------------------------------------------------------- after the training


@pytest.mark.parametrize(
    ("name", "number", "kind"),
    [
        ("training.network:Network.train", 16, INT),  # the last update
        ("experiment.run:diagnosis_share", 1, TERM),
        ("experiment.pictures:drawn", 1, HUP),
        ("experiment.report:report", 1, INT),
    ],
    ids=str,
)
def test_once_the_training_is_over_it_ends_at_once_and_resume_draws(
    made: kills.Subject, place: Path, name: str, number: int, kind: int
) -> None:
    assert doing(made, when(name, number, kind)).attempt(place) == 128 + kind
    facts = status(place)
    assert (facts["status"], facts["step"]) == ("interrupted", 16)
    assert facts["reason"] == "a signal, when the training was over"
    told = kills._told(place)
    assert "all is saved at step 16, epoch 4; the pictures are missing\n" in told
    assert f"\n  nettrain resume {place}\n" in told
    assert told.endswith("interrupted\n")
    assert not (place / "report.html").exists()
    assert made.ended(place) == ""


def test_while_learning_rates_are_measured(made: kills.Subject, place: Path) -> None:
    rate = "optimizer.sgd.learning_rate=0.00001"
    measured = dataclasses.replace(made, overrides=(rate, "train.stop=null"))
    whole = place.with_name("measured")
    assert measured.attempt(whole) == 0
    assert (whole / "plots/learning-rate.svg").exists()
    do = when("experiment.rates:_trained", 3, TERM)
    assert doing(measured, do).attempt(place) == 143
    assert status(place)["status"] == "interrupted"
    assert not (place / "plots/learning-rate.svg").exists()
    assert measured.attempt(place) == 0
    assert kills.content(place) == kills.content(whole)
    kills._forget(whole)


def test_seeds_end_where_one_is_being_drawn(made: kills.Subject, place: Path) -> None:
    words = ["run", str(made.config), "--out", str(place), "--seeds", "3"]
    do = when("experiment.report:report", 1, HUP)
    process = kills._start(do, words, kills._log(place), FaultyDisk(), True)
    process.join()
    assert process.exitcode == 129
    assert [p.name for p in place.glob("seed-*")] == ["seed-11"]


def test_from_python_it_is_a_keyboard_interrupt(
    made: kills.Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw(*given: object, **more: object) -> None:
        signal.raise_signal(INT)

    monkeypatch.setattr(pictures, "drawn", draw)
    with pytest.raises(KeyboardInterrupt):
        nt.train(made.config, out=tmp_path / "run")
    assert status(tmp_path / "run")["status"] == "interrupted"
    monkeypatch.undo()
    assert nt.load_run(tmp_path / "run").status == "interrupted"
    assert made.ended(tmp_path / "run") == ""


# ---------------------------------------------------------------- other commands


@pytest.mark.parametrize(
    ("words", "moment"),
    [
        (["check", "CONFIG", "--probe"], "training.network:Network.train"),
        (["lr", "CONFIG", "--out", "OUT/rates.svg"], "training.network:Network.train"),
        (["graph", "CONFIG", "--out", "OUT/graph.svg"], "experiment.setup:prepare"),
        (["resume", "RUN"], "experiment.run:set_up"),
        (["doctor", "RUN", "--verify"], "cli.doctor:load_run"),
        (["report", "RUN"], "experiment.report:set_up"),
        (["explain", "seed"], "cli.manual:explain"),
    ],
    ids=lambda words: words[0] if isinstance(words, list) else "",
)
def test_other_commands_end_at_once_and_leave_nothing(
    made: kills.Subject, place: Path, words: list[str], moment: str, tmp_path: Path
) -> None:
    if "RUN" in words:
        disk = FaultyDisk(Fault("stop", sends=TERM), 120)
        assert made.attempt(place, disk) == 143
    before = sorted(place.rglob("*"))
    names = {"CONFIG": str(made.config), "RUN": str(place), "OUT": str(tmp_path)}
    for name, means in names.items():
        words = [word.replace(name, means) for word in words]
    log = tmp_path / "log"
    process = kills._start(when(moment, 1, INT), words, log, FaultyDisk(), False)
    process.join()
    assert process.exitcode == 130
    assert log.read_text().splitlines()[-1] == "interrupted"
    assert "Traceback" not in log.read_text()
    assert sorted(place.rglob("*")) == before
    assert [p.name for p in tmp_path.iterdir()] == ["log"]


# ---------------------------------------------------------------- real processes


Started = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Started]:
    """The command, in a process group of its own as a terminal's foreground job is."""
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "table.csv").write_text("\n".join(["length,width,kind", *rows(), ""]))
    with contextlib.ExitStack() as all_of_them:

        def start(*words: str) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [sys.executable, "-m", "nettrain", *words],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                cwd=tmp_path,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                start_new_session=True,
            )
            all_of_them.enter_context(process)
            all_of_them.callback(process.kill)
            return process

        yield start


def wait_for(ready: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 60
    while not ready() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.002)


def handles_signals(process: subprocess.Popen[str]) -> bool:
    """Whether our handlers are there: Python has none of SIGTERM's."""
    known = Path(f"/proc/{process.pid}/status").read_text()
    [line] = [line for line in known.splitlines() if line.startswith("SigCgt")]
    return bool(int(line.split()[1], 16) >> (TERM - 1) & 1)


def test_ctrl_c_goes_to_the_whole_group_and_nobody_is_left(
    tmp_path: Path, started: Started
) -> None:
    process = started("run", "config.yaml", "train.epochs=1000000", "--out=a")
    metrics = tmp_path / "a/metrics.jsonl"
    wait_for(lambda: metrics.exists() and metrics.stat().st_size > 0, process)
    os.killpg(process.pid, INT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "nettrain resume a" in told
    assert "Traceback" not in told
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    assert status(tmp_path / "a")["status"] == "interrupted"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc")
@pytest.mark.parametrize(("kind", "delay"), [(INT, 0.0), (TERM, 0.15), (HUP, 0.3)])
def test_while_it_is_imported(
    tmp_path: Path, started: Started, kind: int, delay: float
) -> None:
    process = started("run", "config.yaml", "--out=a")
    wait_for(lambda: handles_signals(process), process)
    time.sleep(delay)
    process.send_signal(kind)
    _, told = process.communicate(timeout=60)
    assert (process.returncode, told) == (128 + kind, "interrupted\n")
    assert not (tmp_path / "a").exists()


SLEEPY = '''
import time

from nettrain.component import register
from nettrain.optim.schedules import Schedule


@register("sleepy")
class Sleepy(Schedule):
    """A rate that takes its time.

    Attributes:
        value: the rate.
    """

    value: float = 0.1

    def rate(self, step, total, per_epoch, memory=()):
        if step == 3:
            open("asleep", "w").close()
            time.sleep(600)
        return self.value
'''


def test_the_second_signal_within_a_step_that_takes_long(
    tmp_path: Path, started: Started
) -> None:
    (tmp_path / "slow.py").write_text(SLEEPY)
    rate = "optimizer.adam.learning_rate=sleepy"
    process = started("run", "config.yaml", rate, "--out=a", "--plugin=slow.py")
    wait_for((tmp_path / "asleep").exists, process)
    process.send_signal(INT)
    time.sleep(0.2)
    assert process.poll() is None  # the step is to be finished
    process.send_signal(TERM)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "Traceback" not in told
    assert status(tmp_path / "a")["status"] == "running"


# ---------------------------------------------------------------- the handlers


def test_in_another_thread_nothing_is_changed() -> None:
    seen: list[object] = []

    def look() -> None:
        with signals.listening() as interruption:
            seen.append(signal.getsignal(INT))
            seen.append(interruption())

    before = signal.getsignal(INT)
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [before, False]


def test_handlers_are_as_before_afterwards() -> None:
    before = [signal.getsignal(kind) for kind in (INT, TERM, HUP)]
    with signals.listening() as interruption:
        signal.raise_signal(HUP)
        assert interruption() and interruption.number == HUP
    assert [signal.getsignal(kind) for kind in (INT, TERM, HUP)] == before


def test_when_there_is_nothing_to_wait_for() -> None:
    done: list[str] = []
    for early in (True, False):
        with signals.listening() as interruption:
            if early:
                signal.raise_signal(INT)
            last = interruption.over(lambda: done.append("last"))
            with pytest.raises(KeyboardInterrupt), last:  # Python's own, outside
                done.append("inside")
                signal.raise_signal(INT)
    assert done == ["last", "inside", "last"]


def test_what_comes_last_may_fail() -> None:
    def fail() -> None:
        raise OSError("no disk")

    with signals.listening() as interruption:
        last = interruption.over(fail)
        with pytest.raises(KeyboardInterrupt), last:
            signal.raise_signal(INT)


def test_called_from_python_a_signal_is_python_s(made: kills.Subject) -> None:
    do = when("cli.manual:explain", 1, INT)
    assert do(["explain", "seed"]) == 130  # KeyboardInterrupt, and this goes on


def test_kinds_are_all_tried() -> None:
    assert {fault.sends for fault in SIGNALS} == {INT, TERM, HUP}
