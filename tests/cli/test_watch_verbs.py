"""The verbs with `--watch`, and that without it none asks the network."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import ROOT, Call

from .test_watch import closed


def state(path: Path) -> list[bytes]:
    """What a run has computed."""
    return [
        (path / "metrics.jsonl").read_bytes(),
        *(p.read_bytes() for p in sorted((path / "checkpoints").iterdir())),
    ]


def test_a_watched_run_is_the_same_run(call: Call, folder: Path) -> None:
    assert call("run", "config.yaml", "--out", "one").code == 0
    answer = call("run", "config.yaml", "--out", "other", "--watch")
    assert answer.code == 0
    address, *lines = answer.err.splitlines()
    assert address.startswith("to be watched at http://127.0.0.1:")
    epochs = [line.split("  ")[0] for line in lines if line.startswith("epoch")]
    assert epochs == ["epoch 1", "epoch 2"]
    assert closed(int(address.rpartition(":")[2].rstrip("/")))
    assert state(folder / "one") == state(folder / "other")
    again = call("resume", "one", "train.epochs=3", "--watch")
    assert again.code == 0
    assert "to be watched at" in again.err


def test_a_port_that_is_taken_is_said_before_anything_is_done(
    call: Call, folder: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = call("run", "config.yaml", "--watch", "--port", port, "--out", "made")
    assert answer.code == 2
    assert f"error[usage-port] port {port} cannot be listened on: Add" in answer.err
    assert not (folder / "made").exists()
    made = call("run", "config.yaml", "--watch", "--port", port, "--out", "made")
    assert made.err.startswith(f"to be watched at http://127.0.0.1:{port}/\n")


def test_there_is_nothing_to_be_watched_of_what_cannot_be_run(
    call: Call, folder: Path
) -> None:
    answer = call("run", "config.yaml", "train.epochs=none", "--watch")
    assert answer.code == 2
    assert "train.epochs" in answer.err and "to be watched" not in answer.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--port", "8080"], "--port is that of --watch"),
        (["--watch", "--seeds", "2"], "--watch follows a single run"),
        (["--watch", "--port", "80"], "expected 1024 to 65535"),
    ],
)
def test_what_does_not_go_together(
    call: Call, folder: Path, words: list[str], said: str
) -> None:
    answer = call("run", "config.yaml", *words)
    assert answer.code == 2
    assert said in answer.err
    assert not (folder / "runs").exists()


# ---------------------------------------------------------------- offline, piped

GUARD = """\
import sys

def heard(event, given):
    if event.startswith(("socket.", "urllib.", "http.", "webbrowser.")):
        with open({log!r}, "a") as file:
            file.write(f"{{event}} {{given!r:.200}}\\n")

sys.addaudithook(heard)
"""
SWEEP = """\
base: config.yaml
space: {optimizer.adam.learning_rate: [0.05, 0.1]}
method: grid
objective: {metric: validation/loss, goal: min}
"""
CALLS = """\
from nettrain.cli.main import main
for words in {calls!r}:
    code = main(words)
    print("exit", code, *words)
    assert code == 0, words
import socket, subprocess, sys
ask = "import socket; socket.gethostname()"
exec(ask)  # what would be heard of this process, and of another one
subprocess.run([sys.executable, "-c", ask], check=True)
"""


def test_no_verb_asks_the_network_and_a_pipe_gets_plain_lines(folder: Path) -> None:
    log = folder / "heard.txt"
    (folder / "guard").mkdir()
    (folder / "guard/sitecustomize.py").write_text(GUARD.format(log=str(log)))
    (folder / "sweep.yaml").write_text(SWEEP)
    calls = [
        ["check", "config.yaml"],
        ["run", "config.yaml", "train.epochs=1", "--out", "a"],
        ["run", "config.yaml", "train.epochs=1", "seed=1", "--out", "b"],
        ["resume", "a", "train.epochs=2"],
        ["doctor", "a"],
        ["report", "a"],
        ["evaluate", "a"],
        ["compare", "a", "b"],
        ["sweep", "sweep.yaml", "--out", "swept", "--workers", "2"],
        ["runs", "."],
        ["list", "losses"],
        ["explain", "train.epochs"],
    ]
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    done = subprocess.run(
        [sys.executable, "-c", CALLS.format(calls=calls)],
        capture_output=True,
        text=True,
        env={**os.environ, **nowhere, "PYTHONPATH": f"{folder / 'guard'}:{ROOT}"},
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert log.read_text() == "socket.gethostname ()\n" * 2
    assert done.stdout.count("exit 0 ") == len(calls)
    assert "\033" not in done.stdout + done.stderr
    assert "\r" not in done.stdout + done.stderr
    assert "epoch 1  loss" in done.stderr and "epoch 1  loss" not in done.stdout
