"""`--watch`: a page that follows a run; and who may ask for it."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
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
from tests.experiment.conftest import SMALL
from tests.show.test_page import Parts

SIX_PER_EPOCH = {**SMALL, "name": "flowers"}
EPOCH = 6
"""Updates in one of its four epochs."""
MESSAGE = "/message?page=a1&seen=0"
"""What a page asks first."""
OTHER = '{"parts":{},"charts":[],"run":"/elsewhere/1","state":"","over":false}'
"""A message of a run that came after, at the same port."""
FOUR = ["each batch", "train", "validation", "guessing"]
"""What is drawn of the loss."""


class Run:
    """A run in a thread of its own, that waits after some of its steps.

    Attributes:
        port: where its page is.
        ended: how it did.
    """

    def __init__(self, watch: Any, stops: Sequence[int]) -> None:
        self._watch, self._server = watch, watch.__self__
        self.port = self._server.server_port
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
        seen, over = 0, False
        while not over:
            answer = self.ask(f"/message?page=test&seen={seen}")
            if answer.status == 200:
                told = json.load(answer)
                seen, over = told["number"], told["told"]["over"]
                yield told["told"]


@pytest.fixture
def made() -> Iterator[Callable[..., Any]]:
    """Serve a run that stops at some steps; a context."""

    @contextlib.contextmanager
    def serve(*stops: int) -> Iterator[Run]:
        with serving(0) as watch:
            made = Run(watch, stops)
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
    monkeypatch.setattr(watching, "_LAST", 0.8)


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
        with made(2, EPOCH + 1, EPOCH + 3) as run_:
            run_.start(run, SIX_PER_EPOCH, out=tmp_path / "run")
            run_.at(2)
            address = f"http://127.0.0.1:{run_.port}/"
            page.visit(address)
            charts = "[...document.querySelectorAll('#charts figure')]"
            page.until(f"{charts}.length === 2")
            words = "No epoch was finished yet."
            assert page.text("#charts figure:nth-of-type(2) div") == words
            page.resize(1000, 800)  # with nothing drawn there
            run_.on(2)
            run_.at(EPOCH + 1)
            page.until(f"{charts}[1].querySelector('.uplot') !== null")
            assert words not in page.text("#charts")
            page.until("document.getElementById('live').textContent.includes('step 7')")
            assert page.text("#live").startswith("Epoch 2 of 4, step 7 of 24 (29%).")
            assert page.text("#verdict .said") == "Not finished"
            # The plots, as they are drawn anew, and a part of the page opened.
            page.run(
                "(curve => { window.plots = []; nettrain.curve = (...given) => {"
                " const plot = curve(...given); plots.push(plot); return plot; }; })"
                "(nettrain.curve)"
            )
            page.click("#scale label:nth-of-type(2) input")
            assert page.run("plots.map(p => p.data[0].length)") == [8, 1]
            page.run("window.places = [...document.querySelectorAll('#charts figure')]")
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
        same = "[...document.querySelectorAll('#charts figure')].every"
        assert page.run(f"{same}((figure, i) => figure === places[i])") is True
        whole = f"{tmp_path}/run/report.html has its graph too."
        assert page.text("#live") == f"The run has ended: finished. {whole}"
        assert page.run("document.getElementById('live').getAttribute('role')")
        assert "finished: all 4 epochs are done" in page.text("#verdict")
        assert page.run("document.querySelectorAll('#pictures details').length") > 3
        loss = "plots.findLast(p => p.series.some(s => s.label === 'guessing'))"
        assert page.run(f"{loss}.data[0].at(-1)") == 4
        assert page.run(f"{loss}.series.at(-1).label") == "best epoch"
        assert page.run("document.querySelector('#epochs details').open") is True
        assert closed(run_.port)
        assert page.problems == []
        asked = {url for url in page.requests if not url.startswith("data:")}
        message = re.escape(address) + r"message\?page=[0-9a-z]+&seen=\d+"
        assert {url for url in asked if not re.fullmatch(message, url)} == {address}


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
        told = "This is what it told last; nettrain report"
        assert f"{told} {tmp_path}/run tells the rest." in page.text("#live")
        assert page.run("document.getElementById('live').className.includes('warning')")


@pytest.mark.skipif(found() is None, reason="there is no Chromium here")
def test_a_page_is_not_led_to_follow_another_run(made: Any, tmp_path: Path) -> None:
    program = found()
    assert program is not None
    text = "document.getElementById('live').textContent"
    with browser(program, tmp_path / "profile") as page, made(2, 4) as run_:
        run_.start(run, SIX_PER_EPOCH, out=tmp_path / "run")
        run_.at(2)
        page.visit(f"http://127.0.0.1:{run_.port}/")
        page.until(f"{text}.includes('step 2')")
        live = run_._server.live
        told = {"begun": True, "message": staticmethod(lambda over: OTHER)}
        run_._server.live = type("Other", (), told)
        run_.on(2)
        page.until(f"{text}.includes('another one is followed here')")
        assert page.text("h1") == "flowers"
        run_._server.live = live


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
        first = next(run_.messages())
        assert first["state"].startswith("Epoch 1 of 4, step 3 of 24 (12%).")
        assert first["over"] is False
        loss = first["charts"][0]
        # What an epoch's end will tell has its place already.
        assert [s["label"] for s in loss["series"]] == FOUR
        assert set(loss["series"][1]["values"]) == {None}
        blank = {chart["title"]: chart["blank"] for chart in first["charts"]}
        assert blank == {"loss": "", "accuracy": "No epoch was finished yet."}
        assert "No epoch was finished yet." in first["parts"]["summary"]
        assert loss["x"] == pytest.approx([0, 1 / 6, 2 / 6, 3 / 6], rel=1e-4)
        told: list[dict[str, Any]] = []
        pages = [threading.Thread(target=_listen, args=(run_, told)) for _ in "ab"]
        for page in pages:
            page.start()
        run_.over()
        # The files are complete by now: they hold what they would hold unwatched.
        assert (tmp_path / "run/report.html").exists()
    for page in pages:
        page.join(60)
    assert len(made_last) == 1  # for both, and they were waited for
    last, other = (message for message in told if message["over"])
    assert last == other
    assert last["over"] is True
    assert last["charts"][0]["x"][-1] == 4
    page = Parts((tmp_path / "run/report.html").read_text())
    assert last["charts"] == page.data["charts"]
    assert last["charts"][1]["best"] and not last["charts"][1]["blank"]
    rows = (tmp_path / "run/metrics.jsonl").read_text().splitlines()
    assert f"{json.loads(rows[-1])['test/loss']:.4g}" in last["parts"]["summary"]
    assert closed(run_.port)


def _listen(run_: Run, told: list[dict[str, Any]]) -> None:
    """Take all messages, as a page does."""
    told.extend(run_.messages())


def test_a_run_that_stopped_still_has_its_results(made: Any, tmp_path: Path) -> None:
    with made(EPOCH + 1) as run_:
        run_.start(run, SIX_PER_EPOCH, out=tmp_path / "run", until=Span(1, "epochs"))
        run_.over()
        live, path = run_._server.live, tmp_path / "run/run.json"
        interrupted = json.loads(live.message(over=True))
        facts = json.loads(path.read_text())
        del facts["summary"]  # what failed has none
        path.write_text(json.dumps({**facts, "status": "failed"}))
        failed = json.loads(live.message(over=True))
    assert interrupted["state"] == "The run has ended: interrupted."
    assert f"interrupted at epoch 1, step {EPOCH}" in interrupted["parts"]["verdict"]
    assert failed["state"] == "The run has ended: failed."
    for last in (interrupted, failed):
        assert "accuracy" in last["parts"]["summary"]
        assert last["charts"][0]["x"][-1] == 1


def test_who_asks_again_in_time_has_the_last_word(
    made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "_LAST", 30.0)
    with made(2) as run_:
        run_.start(run, SIX_PER_EPOCH, out=tmp_path / "run")
        run_.at(2)
        assert json.load(run_.ask("/message?page=a&seen=0"))["told"]["over"] is False
        late: list[Any] = []

        def ask() -> None:
            run_._server.over.wait(60)
            time.sleep(0.3)
            late.append(json.load(run_.ask("/message?page=a&seen=1")))

        page = threading.Thread(target=ask)
        page.start()
    page.join(60)
    assert late[0]["told"]["over"] is True


def test_a_message_is_made_once_and_no_sooner_than_it_is_due(
    made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[bool] = []
    real = Live.message

    def slow(live: Live, over: bool) -> str:
        counted.append(over)
        time.sleep(0.05)
        return real(live, over)

    monkeypatch.setattr(Live, "message", slow)
    monkeypatch.setattr(watching, "_SHARE", 100)
    with made(2, 4) as run_:
        run_.start(run, SIX_PER_EPOCH, out=tmp_path / "run")
        run_.at(2)
        first = [run_.ask(f"/message?page={page}&seen=0").read() for page in "abc"]
        assert len(set(first)) == 1
        run_.on(2)
        run_.at(4)
        assert run_.ask("/message?page=d&seen=0").read() == first[0]
        assert counted == [False]  # the next is due in five seconds
    assert counted == [False, True] or counted == [False]


def test_some_pages_wait_for_news_and_others_are_put_off(
    made: Any, tmp_path: Path
) -> None:
    def waiting(page: str) -> socket.socket:
        one = socket.create_connection(("127.0.0.1", run_.port), 30)
        asked = f"GET /message?page={page}&seen={seen} HTTP/1.1"
        one.sendall(f"{asked}\r\nHost: 127.0.0.1:{run_.port}\r\n\r\n".encode())
        return one

    def free() -> int:
        return run_._server.held._value

    def until(left: int) -> None:
        for _ in range(500):
            if free() == left:
                return
            time.sleep(0.01)
        raise AssertionError(free())

    with made(2, 4) as run_:
        run_.start(run, SIX_PER_EPOCH, out=tmp_path / "run")
        run_.at(2)
        seen = json.load(run_.ask("/message?page=z&seen=0"))["number"]
        pages = [waiting(page) for page in "abcd"]
        until(0)
        answer = run_.ask(f"/message?page=e&seen={seen}")
        assert answer.status == 204 and answer.read() == b""
        pages.pop().close()
        until(1)  # who has left makes room
        run_.on(2)
        run_.at(4)
        for page in pages:
            told = b"".join(iter(lambda page=page: page.recv(65536), b""))
            assert b'"state":"Epoch 1 of 4, step' in told
            page.close()
        until(4)


@pytest.mark.skipif(found() is None, reason="there is no Chromium here")
def test_a_browser_may_have_many_tabs(
    made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "_LAST", 3.0)
    program = found()
    assert program is not None
    text = "document.getElementById('live').textContent"
    with browser(program, tmp_path / "profile") as page:
        with made(2, 4) as run_:
            run_.start(run, SIX_PER_EPOCH, out=tmp_path / "run")
            run_.at(2)
            tabs = []
            for _ in range(7):
                tabs.append(page.new_tab())
                page.visit(f"http://127.0.0.1:{run_.port}/")
                page.until(f"{text}.includes('step 2')")
            run_.on(2)
            run_.at(4)
            for tab in tabs:
                page.front(tab)
                page.until(f"{text}.includes('step 4')")
        for tab in tabs:
            page.front(tab)
            page.until(f"{text}.includes('ended')")


def test_a_resumed_run_has_its_curves_from_the_beginning(
    made: Any, tmp_path: Path
) -> None:
    run(SIX_PER_EPOCH, out=tmp_path / "run", until=Span(1, "epochs"))
    with made(EPOCH + 2) as run_:
        run_.start(resume, tmp_path / "run")
        run_.at(EPOCH + 2)
        first = next(run_.messages())
        labels = [series["label"] for series in first["charts"][0]["series"]]
        assert labels == FOUR
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


def test_a_resumed_run_still_tells_what_it_was_told_before(
    made: Any, tmp_path: Path
) -> None:
    rate = {"sgd": {"learning_rate": 0}}
    sick = {**SIX_PER_EPOCH, "optimizer": rate, "train": {"epochs": 6}}
    run(sick, out=tmp_path / "run", until=Span(4, "epochs"))
    with made(4 * EPOCH + 1) as run_:
        run_.start(resume, tmp_path / "run")
        run_.at(4 * EPOCH + 1)
        parts = next(run_.messages())["parts"]
        assert "Findings so far: 0" not in parts["verdict"]
        assert "parameter not updated" in parts["findings"]
        assert f"running at epoch 5, step {4 * EPOCH + 1}" in parts["verdict"]


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
            for path in ("/", MESSAGE):
                assert run_.ask(path, Host=host).status == 403, host
        for path in ("/?", "/?x=1"):
            assert run_.ask(path).status == 200, path
        for path in (
            "/message",
            "/message?page=a&seen=",
            "/message?page=A&seen=0",
            f"{MESSAGE}&more=1",
            "/run.json",
            "/../run.json",
            "/%2e%2e/run.json",
            "//etc/passwd",
            f"http://127.0.0.1:{port}/",
        ):
            assert run_.ask(path).status == 404, path
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "CONNECT"):
            assert run_.ask("/", method).status == 501, method
        for path in ("/", MESSAGE):
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
    assert "connect-src" not in static and "fetch(" not in static


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
        deaf.sendall(f"GET {MESSAGE} HTTP/1.1\r\n{host}\r\n\r\n".encode())
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
        for path in ("/", MESSAGE):
            with pytest.raises(http.client.RemoteDisconnected):
                run_.ask(path)
    assert run_.ended.outcome.status == "finished"
