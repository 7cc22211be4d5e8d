"""Sweeps as real processes: trials and sweeps that hang, die, or are stopped."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nettrain.study import sweep as sweeping

from .sweeps import Here, swept

PLUGIN = """\
import atexit, os, signal, subprocess, sys, threading, time
from nettrain.component import register
from nettrain.nn.activations import Activation

class Bad(Activation):
    def formula(self, z):
        self.fail()
        return z

@register("hangs")
class Hangs(Bad):
    "x, after an hour, as a process that it began."
    def fail(self):
        child = subprocess.Popen(["sleep", "3600"])
        with open("child.pid", "w") as file:
            file.write(str(child.pid))
        time.sleep(3600)

@register("dies")
class Dies(Bad):
    "x, if the process lived."
    def fail(self):
        os.kill(os.getpid(), signal.SIGKILL)

@register("raises")
class Raises(Bad):
    "x, but for a bug that much is said of."
    def fail(self):
        atexit.register(print, "goodbye\\n" * 4000, file=sys.stderr)
        raise RuntimeError("a bug of its own, " + "x" * 3_000_000)

@register("leaves")
class Leaves(Bad):
    "x, or the process ends; or it has a thread that Python waits for."
    code: int = -1
    def fail(self):
        if self.code >= 0:
            os._exit(self.code)
        if self.code == -2:
            threading.Thread(target=time.sleep, args=(3600,)).start()
            Leaves.fail = lambda self: None
"""


def line(said: str) -> int:
    """Of the plugin, where this is said."""
    return PLUGIN[: PLUGIN.index(said)].count("\n") + 1


def swept_with_plugin(folder: Path, sweep: str) -> tuple[list[dict[str, Any]], str]:
    """The points of a sweep with the plugin's components, and what was told of it."""
    (folder / "plugin.py").write_text(PLUGIN)
    (folder / "sweep.yaml").write_text(f"base: base.yaml\n{sweep}\n")
    command = [sys.executable, "-m", "nettrain", "sweep", "sweep.yaml", "--json"]
    command += ["--workers", "2", "--plugin", "plugin.py", "--out", "out"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)["points"], ended.stderr


def test_trials_that_hang_die_or_fail_touch_no_other(folder: Path) -> None:
    tried = "[hangs, dies, tanh, raises]"
    points, told = swept_with_plugin(
        folder, f"limit: 0.15\nspace: {{model.dense1.activation: {tried}}}"
    )
    assert [(p["values"]["model.dense1.activation"], p["status"]) for p in points] == [
        ("tanh", "finished"),
        ("hangs", "timeout"),
        ("dies", "failed"),
        ("raises", "failed"),
    ]
    assert "killed twice, by SIGKILL" in told
    assert "not done after 0.15 minutes" in told
    (whys,) = (point["why"] for point in points if point["point"] == 4)
    code, why = whys["seed 0"].split(" ", 1)
    at, _, said = why.partition(": the plugin failed: RuntimeError: ")
    assert code == "error[usage-plugin]"
    assert at == f"plugin.py:{line('its own')}:9"
    assert re.fullmatch(r"a bug of its own, x{1000,2000}…", said)
    assert f"4-seed-0  failed: {why[:119]}…\n" in told
    child = Path("/proc", (folder / "child.pid").read_text(), "cmdline")
    assert not child.exists() or child.read_bytes() == b""


def test_trials_that_end_without_a_word_or_that_a_thread_holds(folder: Path) -> None:
    """The base has the plugin's component, with another setting."""
    text = (folder / "base.yaml").read_text()
    (folder / "base.yaml").write_text(text.replace("tanh", "leaves"))
    assert "leaves" in (folder / "base.yaml").read_text()
    points, _ = swept_with_plugin(
        folder, "space: {model.dense1.activation.leaves.code: [-2, 0, 3]}"
    )
    assert [point["status"] for point in points] == ["finished", "failed", "failed"]
    assert [[*point["why"].values()] for point in points[1:]] == [
        [f"its process ended without a word, with code {code}"] for code in (0, 3)
    ]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_signal_saves_all_trials_and_leaves_no_process(
    folder: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "performed", Here())
    swept("seeds=1", out="whole")
    monkeypatch.undo()
    os.chdir(folder)
    command = [sys.executable, "-m", "nettrain", "sweep", "sweep.yaml", "--out", "out"]
    command += ["--workers", str(workers), "seeds=1"]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stderr is not None
        begun = [process.stderr.readline() for _ in range(3)]
        assert begun[0].startswith("rates: ") and begun[1].startswith("validation/loss")
        assert re.match(r"1/4  000\d-seed-\d  ", begun[2])
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
    assert process.returncode == 128 + signal.SIGTERM
    again = f"nettrain sweep sweep.yaml seeds=1 --out out --workers {workers}\n"
    assert rest.endswith(again)
    assert left_over(str(folder)) == []
    assert not (folder / "out/table.csv").exists()
    assert subprocess.run(command, capture_output=True).returncode == 0
    for name in ("table.csv", "best.yaml"):
        whole, other = folder / "whole" / name, folder / "out" / name
        assert whole.read_bytes() == other.read_bytes()


def test_nothing_goes_on_where_the_sweep_itself_was_killed(folder: Path) -> None:
    """Its workers, of which one is idle, see it; what they had trained is saved."""
    text = "base: base.yaml\nspace: {train.epochs: [4, 100000]}\n"
    (folder / "sweep.yaml").write_text(text)
    command = [sys.executable, "-m", "nettrain", "sweep", "sweep.yaml", "--out", "out"]
    command += ["--workers", "2"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "1/2  0001" in "".join(process.stderr.readline() for _ in range(3))
        give_up = time.monotonic() + 60
        while [*statuses(folder)] != ["finished", "running"]:
            assert time.monotonic() < give_up
            time.sleep(0.05)
        workers = children(process.pid)
        process.kill()
    assert len(workers) >= 2
    assert left_over(str(folder), 15) == []
    while any(Path(f"/proc/{worker}").exists() for worker in workers):
        assert time.monotonic() < give_up
        time.sleep(0.05)
    assert [*statuses(folder)] == ["finished", "interrupted"]


def statuses(folder: Path) -> Iterator[str]:
    for file in sorted(folder.glob("out/trials/*/run.json")):
        yield json.loads(file.read_text())["status"]


def children(parent: int) -> list[str]:
    """Processes that a process has begun, and that run."""
    tasks = Path(f"/proc/{parent}/task").glob("*/children")
    return [child for file in tasks for child in file.read_text().split()]


def test_a_folder_of_files_called_like_modules(folder: Path) -> None:
    for name in ("random", "numpy", "secrets", "nettrain"):
        (folder / f"{name}.py").write_text("raise SystemExit('imported')")
    (folder / "sweep.yaml").write_text("base: base.yaml\n")
    command = [str(Path(sys.executable).with_name("nettrain")), "sweep", "sweep.yaml"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def left_over(where: str, seconds: float = 5) -> list[str]:
    """Commands of processes that still train in a folder."""
    give_up = time.monotonic() + seconds
    while True:
        found = []
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = process.read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if where in words and "cli.trial" in words:
                found.append(words)
        if not found or time.monotonic() > give_up:
            return found
        time.sleep(0.1)
