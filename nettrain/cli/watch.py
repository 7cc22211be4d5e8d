"""`--watch`: the page of a run, for a browser on this machine while it is trained.

It listens on 127.0.0.1 alone, knows two addresses and none of them leads to a file, and
answers only who asks for it by a name of this machine: a page of another site whose
name was made to mean 127.0.0.1 sends that name. Whatever goes wrong here, the run goes
on.
"""

from __future__ import annotations

import contextlib
import socketserver
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from nettrain.cli.progress import Watching
from nettrain.errors import Error
from nettrain.experiment.live import Live
from nettrain.experiment.run import Watch
from nettrain.experiment.setup import Setup
from nettrain.record.folder import RunFolder
from nettrain.record.metrics import Row

_HOST = "127.0.0.1"
_PAUSE = 1.0
"""Seconds between two messages, at least."""
_SHARE = 20
"""The time between messages is so many times that which it takes to make one."""
_LAST = 2.0
"""Seconds that pages have to take the last message."""
_THREADS = 64
"""With more threads than that nobody else is answered."""


@contextlib.contextmanager
def serving(port: int) -> Iterator[Watch]:
    """Listen for browsers inside; gives what lets them see a run, and the terminal too.

    Args:
        port: to listen on; 0 is a free one.

    Raises:
        Error: `usage-port`.
    """
    try:
        server = _Server(port)
    except OSError as error:
        message = f"port {port} cannot be listened on: {error.strerror}"
        fix = "leave out --port: a free one is taken"
        raise Error("usage-port", message, fix=fix) from error
    with server:
        # It looks so often whether it is to end.
        thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
        thread.start()
        with contextlib.suppress(OSError):
            address = f"http://{_HOST}:{server.server_port}/"
            print(f"to be watched at {address}", file=sys.stderr, flush=True)
        try:
            yield server.watch
        finally:
            server.end()


class _Followed(Watching):
    """A run that the terminal shows, and a page."""

    def __init__(self, setup: Setup, total_steps: int) -> None:
        super().__init__(setup, total_steps)
        self.live = Live(setup, total_steps)

    def begin(self, folder: RunFolder, rows: Sequence[Row]) -> None:
        self.live.begin(folder, rows)

    def step(self, step: int, epoch: int, loss: float, learning_rate: float) -> None:
        super().step(step, epoch, loss, learning_rate)
        self.live.step(step, epoch, loss, learning_rate)

    def epoch(self, epoch: int, metrics: Mapping[str, Any]) -> None:
        super().epoch(epoch, metrics)
        self.live.epoch(epoch, metrics)

    def found(self, finding: Mapping[str, Any]) -> None:
        super().found(finding)
        self.live.found(finding)


class _Server(ThreadingHTTPServer):
    """A thread for every connection; pages are kept up to date over one that stays."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__((_HOST, port), _Handler)
        self.names = {f"{name}:{self.server_port}" for name in (_HOST, "localhost")}
        self.live: Live | None = None
        self.over = threading.Event()
        self.streams = 0
        self.changed = threading.Condition()
        self._lock = threading.Lock()
        self._text, self._due, self._last = "", 0.0, False

    def server_bind(self) -> None:
        # Without asking the network for the name of this machine.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]

    def verify_request(self, *_: object) -> bool:
        return threading.active_count() < _THREADS

    def handle_error(self, *_: object) -> None:
        """A browser that went away is nobody's concern."""

    def watch(self, setup: Setup, total_steps: int) -> Watching:
        followed = _Followed(setup, total_steps)
        self.live = followed.live
        return followed

    def message(self, live: Live, over: bool) -> str:
        """The newest message, for all pages the same."""
        with self._lock:
            began = time.monotonic()
            if (over and not self._last) or (not over and began >= self._due):
                self._text, self._last = live.message(over), over
                now = time.monotonic()
                self._due = now + max(_PAUSE, _SHARE * (now - began))
            return self._text

    def end(self) -> None:
        """Let every page take the last message, and listen no more."""
        self.over.set()
        with self.changed:
            self.changed.wait_for(lambda: not self.streams, _LAST)
        self.shutdown()


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: _Server
    timeout = 10
    """Seconds until a browser that neither speaks nor listens is given up."""

    def do_GET(self) -> None:
        live = self.server.live
        if self.headers.get("Host") not in self.server.names:
            self.send_error(HTTPStatus.FORBIDDEN)
        elif self.path not in ("/", "/events"):
            self.send_error(HTTPStatus.NOT_FOUND)
        elif live is None or not live.begun:
            self._head("text/plain", HTTPStatus.SERVICE_UNAVAILABLE, Refresh="1")
            self._body("The run has not begun.\n")
        elif self.path == "/":
            page = live.page()
            self._head("text/html")
            self._body(page)
        else:
            self._head("text/event-stream")
            if self.command == "GET":
                self._stream(live)

    def do_HEAD(self) -> None:
        self.do_GET()

    def _stream(self, live: Live) -> None:
        """Messages until the run ends, or the page is closed."""
        server, sent, over = self.server, "", False
        with self._counted():
            while not over:
                over = server.over.is_set()
                text = server.message(live, over)
                # A comment finds out whether anybody is still there.
                self._body(f"data: {text}\n\n" if text != sent else ":\n\n")
                sent = text
                server.over.wait(_PAUSE)

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        def count(by: int) -> None:
            with self.server.changed:
                self.server.streams += by
                self.server.changed.notify_all()

        count(1)
        try:
            yield
        finally:
            count(-1)

    def _head(self, kind: str, status: int = HTTPStatus.OK, **more: str) -> None:
        self.send_response(status)
        headers = {
            "Content-Type": f"{kind}; charset=utf-8",
            "Content-Security-Policy": "frame-ancestors 'none'",
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            **more,
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _body(self, text: str) -> None:
        if self.command != "HEAD":
            self.wfile.write(text.encode("utf-8", "backslashreplace"))

    def version_string(self) -> str:
        return "nettrain"

    def log_message(self, *_: object) -> None:
        """Nothing is printed amid the run's own lines."""
