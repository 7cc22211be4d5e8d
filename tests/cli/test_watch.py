"""`--watch`: a page that follows a run; who may ask for it; all else is offline."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from nettrain.cli import watch as watching
from nettrain.cli.watch import serving
from nettrain.experiment.live import Live
from nettrain.experiment.recorder import Watcher
from nettrain.experiment.run import Ended, resume, run
from nettrain.experiment.setup import Setup
from nettrain.span import Span
from tests.browser import browser, found
from tests.cli.conftest import ROOT, Call
from tests.experiment.conftest import SMALL

SIX_PER_EPOCH = {**SMALL, "name": "flowers"}
EPOCH = 6
"""Updates in one of its four epochs."""


class Run:
    """A run in a thread of its own, that waits after some of its steps.

    Attributes:
        port: where its page is.
        ended: how it did.
    """

    def __init__(self, port: int, watch: Any, stops: Sequence[int]) -> None:
        self.port, self._watch = port, watch
        self._gates = {step: threading.Event() for step in stops}
        self._reached = {step: threading.Event() for step in stops}
        self.ended: Ended | None = None

    def start(self, work: Callable[..., Ended], *given: Any, **more: Any) -> None:
        def call() -> None:
            self.ended = work(*given, **more, watch=self._see)

        self._thread = threading.Thread(target=call)
        self._thread.start()

    def _see(self, setup: Setup, total_steps: int) -> Watcher:
        seen = self._watch(setup, total_steps)
        told = seen.step

        def step(number: int, *more: Any) -> None:
            told(number, *more)
            if number in self._gates:
                self._reached[number].set()
                assert self._gates[number].wait(60)

        seen.step = step
        return seen

    def at(self, step: int) -> None:
        """Wait until it has come to a stop."""
        assert self._reached[step].wait(60)

    def on(self, step: int) -> None:
        """Let it go on from there."""
        self._gates[step].set()

    def over(self) -> None:
        """Let it come to its end."""
        for gate in self._gates.values():
            gate.set()
        self._thread.join(60)
        assert self.ended is not None

    def ask(self, path: str, method: str = "GET", **headers: str) -> Any:
        """What it answers to a request."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        link.request(method, path, headers=headers)
        return link.getresponse()

    def messages(self) -> Iterator[dict[str, Any]]:
        """What a page is told, until the last word."""
        for line in self.ask("/events"):
            if line.startswith(b"data: "):
                yield json.loads(line[6:])


@pytest.fixture
def made(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Any]]:
    """Serve a run that stops at some steps; a context."""

    @contextlib.contextmanager
    def serve(*stops: int) -> Iterator[Run]:
        capsys.readouterr()
        with serving(0) as watch:
            told = capsys.readouterr().err
            port = re.fullmatch(r"to be watched at http://127\.0\.0\.1:(\d+)/\n", told)
            assert port
            made = Run(int(port[1]), watch, stops)
            try:
                yield made
            finally:
                made.over()

    yield serve


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages follow each other quickly."""
    monkeypatch.setattr(watching, "_PAUSE", 0.02)
    monkeypatch.setattr(watching, "_SHARE", 0)


def closed(port: int, host: str = "127.0.0.1") -> bool:
    """Whether nothing listens there."""
    with socket.socket() as one:
        return one.connect_ex((host, port)) != 0


# ---------------------------------------------------------------- what is told


@pytest.mark.skipif(found() is None, reason="there is no Chromium here")
def test_a_browser_follows_a_run_to_its_end(made: Any, tmp_path: Path) -> None:
    program = found()
    assert program is not None
    with browser(program, tmp_path / "profile") as page:
        with made(EPOCH + 1, EPOCH + 3) as run_:
            run_.start(run, SIX_PER_EPOCH, out=tmp_path / "run")
            run_.at(EPOCH + 1)
            address = f"http://127.0.0.1:{run_.port}/"
            page.visit(address)
            page.until("document.getElementById('live').textContent.includes('Epoch')")
            assert page.text("#live").startswith("Epoch 2, step 7 of 24.")
            assert page.text("#verdict .said") == "Not finished"
            # The plots, as they are drawn anew, and a part of the page opened.
            page.run(
                "(curve => { window.plots = []; nettrain.curve = (...given) => {"
                " const plot = curve(...given); plots.push(plot); return plot; }; })"
                "(nettrain.curve)"
            )
            page.click("#scale label:nth-of-type(2) input")
            assert page.run("plots.map(p => p.data[0].length)") == [8, 1]
            page.run("plots[0].setScale('x', { min: 0.2, max: 0.8 })")
            page.click("#epochs summary")
            run_.on(EPOCH + 1)
            run_.at(EPOCH + 3)
            page.until("document.getElementById('live').textContent.includes('step 9')")
            page.settle()
            assert page.run("plots.map(p => p.data[0].length)") == [10, 1]
            assert page.run("[plots[0].scales.x.min, plots[0].scales.x.max]") == [
                0.2,
                0.8,
            ]
            assert page.run("document.querySelector('#epochs details').open") is True
        page.until("document.getElementById('live').textContent.includes('ended')")
        whole = f"{tmp_path}/run/report.html has its graph too."
        assert page.text("#live") == f"The run has ended: finished. {whole}"
        assert page.run("document.getElementById('live').getAttribute('role')")
        assert "finished: all 4 epochs are done" in page.text("#verdict")
        assert page.run("document.querySelectorAll('#pictures details').length") > 3
        assert page.run("plots[0].data[0].at(-1)") == 4
        assert page.run("document.querySelector('#epochs details').open") is True
        assert closed(run_.port)
        assert page.problems == []
        asked = {url for url in page.requests if not url.startswith("data:")}
        assert asked == {address, f"{address}events"}


@pytest.mark.skipif(found() is None, reason="there is no Chromium here")
def test_a_page_whose_run_is_gone_says_so(
    made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = found()
    assert program is not None
    with browser(program, tmp_path / "profile") as page, made(2) as run_:
        run_.start(run, SIX_PER_EPOCH, out=tmp_path / "run")
        run_.at(2)
        page.visit(f"http://127.0.0.1:{run_.port}/")
        page.until("document.getElementById('live').textContent.includes('step 2')")
        monkeypatch.setattr(Live, "message", None)  # the connection breaks off
        page.until("document.getElementById('live').textContent.includes('told last')")


def test_messages_and_the_last_word(
    made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_last: list[str] = []
    real = Live.message

    def slow(live: Live, over: bool) -> str:
        told = real(live, over)
        if over:
            time.sleep(0.3)
            made_last.append(told)
        return told

    monkeypatch.setattr(Live, "message", slow)
    with made(3) as run_:
        run_.start(run, SIX_PER_EPOCH, out=tmp_path / "run")
        run_.at(3)
        stream = run_.messages()
        first = next(stream)
        assert first["state"].startswith("Epoch 1, step 3 of 24.")
        assert first["over"] is False
        loss = first["charts"][0]
        assert [s["label"] for s in loss["series"]] == ["each batch", "guessing"]
        assert loss["x"] == pytest.approx([0, 1 / 6, 2 / 6, 3 / 6, 1], rel=1e-4)
        run_.over()
        # The files are complete by now: they hold what they would hold unwatched.
        assert (tmp_path / "run/report.html").exists()
    assert len(made_last) == 1  # it was waited for
    *_, last = stream
    assert last["over"] is True
    assert last["charts"][0]["x"][-1] == 4
    rows = (tmp_path / "run/metrics.jsonl").read_text().splitlines()
    assert f"{json.loads(rows[-1])['test/loss']:.4g}" in last["parts"]["summary"]
    assert closed(run_.port)


def test_a_resumed_run_has_its_curves_from_the_beginning(
    made: Any, tmp_path: Path
) -> None:
    run(SIX_PER_EPOCH, out=tmp_path / "run", until=Span(1, "epochs"))
    with made(EPOCH + 2) as run_:
        run_.start(resume, tmp_path / "run")
        run_.at(EPOCH + 2)
        first = next(run_.messages())
        labels = [series["label"] for series in first["charts"][0]["series"]]
        assert labels == ["each batch", "train", "validation", "guessing"]
        batches = first["charts"][0]["series"][0]["values"]
        assert sum(value is not None for value in batches) == EPOCH + 2


def test_findings_are_told_as_they_arise(made: Any, tmp_path: Path) -> None:
    sick = {**SIX_PER_EPOCH, "optimizer": {"sgd": {"learning_rate": 0}}}
    with made(3 * EPOCH + 1) as run_:
        run_.start(run, sick, out=tmp_path / "run")
        run_.at(3 * EPOCH + 1)
        first = next(run_.messages())
        assert "Parameter not updated" in first["parts"]["verdict"]
        assert 'class="finding"' in first["parts"]["findings"]


# ---------------------------------------------------------------- who is answered


def test_only_who_knows_its_name_is_answered(made: Any, tmp_path: Path) -> None:
    with made(1) as run_:
        assert run_.ask("/").status == 503  # it has not begun
        run_.start(run, SIX_PER_EPOCH, out=tmp_path / "run")
        run_.at(1)
        port = run_.port
        for host in (f"127.0.0.1:{port}", f"localhost:{port}"):
            assert run_.ask("/", Host=host).status == 200
        for host in (
            "127.0.0.1",
            f"evil.example:{port}",
            f"127.0.0.1:{port + 1}",
            f"127.0.0.1:{port}.evil.example",
            "",
        ):
            for path in ("/", "/events"):
                assert run_.ask(path, Host=host).status == 403, host
        for path in (
            "/?",
            "/run.json",
            "/../run.json",
            "/%2e%2e/run.json",
            "//etc/passwd",
            f"http://127.0.0.1:{port}/",
        ):
            assert run_.ask(path).status == 404, path
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "CONNECT"):
            assert run_.ask("/", method).status == 501, method
        for path in ("/", "/events"):
            with socket.create_connection(("127.0.0.1", port), 30) as one:
                host = f"Host: 127.0.0.1:{port}"
                one.sendall(f"HEAD {path} HTTP/1.0\r\n{host}\r\n\r\n".encode())
                told = b"".join(iter(lambda one=one: one.recv(4096), b""))
            assert told.startswith(b"HTTP/1.0 200 ") and told.endswith(b"\r\n\r\n")
        page = run_.ask("/")
        assert page.headers["Content-Security-Policy"] == "frame-ancestors 'none'"
        assert "Access-Control-Allow-Origin" not in page.headers
        policy = page.read().decode().partition('Policy" content="')[2].split('"')[0]
        assert policy.startswith("default-src 'none'; script-src 'sha256-")
        assert policy.endswith("; connect-src 'self'")
        seen = threading.active_count()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(watching, "_THREADS", seen - 1)
            with pytest.raises((http.client.HTTPException, OSError)):
                run_.ask("/")
        assert not closed(port)
        assert closed(port, "127.0.0.2")  # nor by any other address of this machine
    static = (tmp_path / "run/report.html").read_text()
    assert "connect-src" not in static and "EventSource" not in static


def test_who_does_not_listen_holds_nobody_up(
    made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "_LAST", 0.1)
    with socket.socket() as deaf, made(1) as run_:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        run_.start(run, SIX_PER_EPOCH, out=tmp_path / "run")
        run_.at(1)
        deaf.connect(("127.0.0.1", run_.port))
        host = f"Host: 127.0.0.1:{run_.port}"
        deaf.sendall(f"GET /events HTTP/1.1\r\n{host}\r\n\r\n".encode())
        deaf.recv(10)
    assert closed(run_.port)


def test_what_fails_here_does_not_end_the_run(
    made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> str:
        raise RuntimeError("made up")

    monkeypatch.setattr(Live, "message", broken)
    monkeypatch.setattr(Live, "page", broken)
    with made(1) as run_:
        run_.start(run, SIX_PER_EPOCH, out=tmp_path / "run")
        run_.at(1)
        assert list(run_.messages()) == []
        with pytest.raises(http.client.RemoteDisconnected):
            run_.ask("/")
    assert run_.ended.outcome.status == "finished"


# ---------------------------------------------------------------- the verbs


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
