"""The verb `selftest`."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nettrain import __version__
from nettrain.cli.main import main
from nettrain.execute import executor
from nettrain.execute.fingerprint import fingerprint
from nettrain.selftest import executors, suite
from nettrain.selftest.score import Score
from nettrain.selftest.suite import Promise
from tests.cli.conftest import ROOT, Call
from tests.selftest.processes import ended


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def score(passed: int, total: int, folder: Path) -> Score:
    (folder / "made").write_text("here")
    failures = [f"number {i}: βroken" for i in range(passed, total)]
    return Score("a promise", passed, total, tuple(failures[:2]))


@pytest.fixture
def promised(monkeypatch: pytest.MonkeyPatch) -> list[Promise]:
    """What is tried: by default one kept promise of a thousand and one cases."""
    given = [Promise("one", "the first promise", partial(score, 1001, 1001))]
    monkeypatch.setattr(suite, "promises", lambda do, quick: tuple(given))
    return given


def test_a_quick_one_with_a_wrong_executor(
    call: Call, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All is tried; of all that is tried the one thing that is wrong is named."""

    real = executors.operations

    def operations(tried: Any, tally: Any) -> None:
        real(tried, tally)
        tally.add(f"{tried.name}, matmul-2-float32: run 1, y differs")

    monkeypatch.setattr(executors, "operations", operations)
    answer = call("selftest", "--quick")
    assert answer.code == 1
    lines = answer.out.splitlines()
    (at,) = [i for i, line in enumerate(lines) if line.startswith("BROKEN")]
    assert "executors agree with the reference" in lines[at]
    name = executor().name
    assert lines[at + 1] == f"        {name}, matmul-2-float32: run 1, y differs"
    told = [line[8:50].strip() for line in lines if re.match("kept|BROKEN", line)]
    assert told == [promise.name for promise in suite.promises(main, True)]
    numbers = re.findall(r"^(\S+) of (\S+) promises kept in ", answer.out, re.M)[0]
    passed, total = (int(number.replace(",", "")) for number in numbers)
    assert passed == total - 1
    assert "this is a bug of nettrain" in answer.err
    (folder,) = here.iterdir()
    assert answer.err.rstrip().endswith(f"is kept in {folder.name}")
    # What was kept takes no room.
    assert [path.name for path in folder.iterdir()] == ["executors"]


def test_what_is_printed(call: Call, here: Path, promised: list[Promise]) -> None:
    answer = call("selftest")
    assert (answer.code, answer.err) == (0, "")
    first, blank, total, machine, bits = answer.out.splitlines()
    assert re.fullmatch(
        r"kept    the first promise +1,001 of 1,001 +\d+(\.\d+)? s", first
    )
    assert blank == ""
    assert re.fullmatch(r"1,001 of 1,001 promises kept in \d+(\.\d+)? s", total)
    assert machine.startswith(f"nettrain {__version__}, Python 3.")
    assert ", numpy " in machine
    assert bits == f"fingerprint {fingerprint()}"
    assert list(here.iterdir()) == []


def test_in_another_folder(call: Call, here: Path, promised: list[Promise]) -> None:
    (here / "there").mkdir()
    promised.append(Promise("two", "", lambda folder: Score(str(folder), 1, 1)))
    found = json.loads(call("selftest", "--folder", "there", "--json").out)
    seen = [one["promise"] for one in found["promises"]]
    assert re.fullmatch("there/nettrain-selftest-[0-9a-f]{8}/two", seen[1])
    assert list((here / "there").iterdir()) == []


@pytest.mark.parametrize(
    ("about_disk", "said", "fault"),
    [
        (False, "this is a bug of nettrain", "nettrain"),
        (True, "the disk under . does not do what saving rests on", "disk"),
    ],
)
def test_a_broken_promise(
    call: Call,
    here: Path,
    promised: list[Promise],
    about_disk: bool,
    said: str,
    fault: str,
) -> None:
    promised.append(Promise("two", "the second", partial(score, 2, 6), about_disk))
    answer = call("selftest")
    assert answer.code == 1
    assert answer.out.isascii()
    lines = answer.out.splitlines()
    assert lines[1].startswith("BROKEN  the second") and "  2 of 6  " in lines[1]
    assert lines[2:5] == [
        "        number 2: \\u03b2roken",
        "        number 3: \\u03b2roken",
        "        and 2 more",
    ]
    assert "\n1,003 of 1,007 promises kept in " in answer.out
    assert said in answer.err
    (folder,) = here.iterdir()
    assert f"is kept in {folder.name}" in answer.err
    assert (folder / "two/made").exists() and not (folder / "one").exists()

    answer = call("selftest", "--json")
    assert answer.code == 1 and said in answer.err
    found = json.loads(answer.out)
    assert (found["passed"], found["total"], found["kept"]) == (1003, 1007, False)
    assert found["version"] == __version__ and found["fingerprint"] == fingerprint()
    assert found["environment"]["numpy"]
    one, two = found["promises"]
    assert (one["name"], one["passed"], one["fault"]) == ("one", 1001, None)
    assert (two["name"], two["passed"], two["fault"]) == ("two", 2, fault)
    assert two["failures"] == ["number 2: βroken", "number 3: βroken"]
    assert Path(found["folder"]).is_dir()


def test_a_document_of_kept_promises(
    call: Call, here: Path, promised: list[Promise]
) -> None:
    answer = call("selftest", "--json")
    assert (answer.code, answer.err) == (0, "")
    found = json.loads(answer.out)
    assert (found["kept"], found["folder"]) == (True, None)
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("folder", ["missing", "file"])
def test_no_folder(
    call: Call, here: Path, promised: list[Promise], folder: str
) -> None:
    (here / "file").write_text("")
    answer = call("selftest", "--folder", folder)
    assert (answer.code, answer.out) == (6, "")
    assert answer.err.startswith("error[disk-")
    assert "--folder" in answer.err


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_a_folder_that_cannot_be_written(
    call: Call,
    here: Path,
    promised: list[Promise],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*given: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("os.mkdir", refuse)
    answer = call("selftest")
    assert (answer.code, answer.out) == (6, "")
    assert os.strerror(code).lower() in answer.err


@pytest.mark.parametrize("words", [["x"], ["--slow"], ["--folder"]])
def test_usage(call: Call, promised: list[Promise], words: list[str]) -> None:
    answer = call("selftest", *words)
    assert (answer.code, answer.out) == (2, "")


# ---------------------------------------------------------------- signals

SCRIPT = """
import os, sys, time
from nettrain.cli.main import main
from nettrain.selftest import suite
from nettrain.selftest.score import Score
from nettrain.selftest.suite import Promise

def wait(folder):
    from nettrain.experiment import signals
    with signals.listening():  # as a run would: it takes the signal for its own
        os.fork()
        (folder / str(os.getpid())).write_text("begun")
        time.sleep(600)

given = (
    Promise("one", "the first", lambda _: Score("", 1, 1)),
    Promise("two", "the second", wait),
)
suite.promises = lambda do, quick: given
suite._LOADED = ()
sys.argv = ["nettrain", "selftest"]
sys.exit(main())
"""


@pytest.mark.parametrize(
    ("kind", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
)
def test_a_signal_leaves_nothing_behind(
    tmp_path: Path, kind: signal.Signals, code: int
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    children: list[int] = []
    while len(children) < 2 and process.poll() is None:
        found = tmp_path.glob("nettrain-selftest-*/two/[0-9]*")
        children = [int(path.name) for path in found if path.read_text()]
        time.sleep(0.01)
    process.send_signal(kind)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert out.startswith("kept    the first")
    assert err == "interrupted\n"
    assert list(tmp_path.iterdir()) == []
    for child in children:
        assert ended(child)


def test_a_signal_to_what_is_tried_is_not_this_command_s(
    call: Call, here: Path, promised: list[Promise]
) -> None:
    promised.append(Promise("two", "", lambda _: os.kill(os.getpid(), signal.SIGTERM)))
    answer = call("selftest")
    assert answer.code == 1
    assert "its process ended with signal 15" in answer.out
    assert "interrupted" not in answer.err


def test_on_a_terminal_it_says_what_it_is_at(
    call: Call,
    here: Path,
    promised: list[Promise],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys.stderr.__class__, "isatty", lambda self: True)
    monkeypatch.setenv("TERM", "xterm")
    answer = call("selftest")
    assert answer.err == "\r\033[Kthe first promise (1 of 1)\r\033[K"
    monkeypatch.setenv("TERM", "dumb")
    assert call("selftest").err == ""
