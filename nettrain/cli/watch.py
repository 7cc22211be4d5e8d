"""`--watch`: the page of a run, for a browser on this machine while it is trained.

It listens on 127.0.0.1 alone, knows two addresses and none of them leads to a file, and
answers only who asks for it by a name of this machine: a page of another site whose
name was made to mean 127.0.0.1 sends that name. Whatever goes wrong here, the run goes
on.
"""

from __future__ import annotations

import contextlib
import math
import re
import select
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

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
_SHARE = 30
"""The time between messages is so many times that which it takes to make one."""
_LAST = 2.0
"""Seconds that pages have to take the last message."""
_SOON = 0.05
"""Seconds after which it is looked again who has the last message to take."""
_HELD = 4
"""So many pages wait for an answer until there is news; others are told to ask again. A
browser opens six connections to a server at most, for all its tabs together."""
_MESSAGE = re.compile(r"/message\?page=([0-9a-z]{1,16})&seen=([0-9]{1,9})")
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


class _Message(NamedTuple):
    """What pages are told: the first has number 1, and the last is `over`."""

    number: int
    text: str
    over: bool


class _Server(ThreadingHTTPServer):
    """A thread for every connection; a page asks for each message anew."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__((_HOST, port), _Handler)
        self.names = {f"{name}:{self.server_port}" for name in (_HOST, "localhost")}
        self.live: Live | None = None
        self.over = threading.Event()
        self.held = threading.BoundedSemaphore(_HELD)
        self._awaited: dict[str, float] = {}
        self._changed = threading.Condition()
        self._lock = threading.Lock()
        self._newest, self._due = _Message(0, "", False), 0.0

    def server_bind(self) -> None:
        # Without asking the network for the name of this machine.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]

    def verify_request(self, *_: object) -> bool:
        return threading.active_count() < _THREADS

    def handle_error(self, *_: object) -> None:
        """A browser that went away is nobody's concern."""

    def watch(self, setup: Setup, total_steps: int) -> Watching:
        # Only now: what is wrong with the config has been said before.
        with contextlib.suppress(OSError):
            address = f"http://{_HOST}:{self.server_port}/"
            print(f"to be watched at {address}", file=sys.stderr, flush=True)
        followed = _Followed(setup, total_steps)
        self.live = followed.live
        return followed

    def message(self, live: Live, over: bool) -> _Message:
        """The newest message, for all pages the same."""
        with self._lock:
            began, last = time.monotonic(), self._newest
            if not last.over and (over or began >= self._due):
                text = live.message(over)
                now = time.monotonic()
                self._due = now + max(_PAUSE, _SHARE * (now - began))
                if text != last.text:
                    self._newest = _Message(last.number + 1, text, over)
            return self._newest

    def pause(self) -> bool:
        """Wait until the next message may be made; whether the run is over."""
        return self.over.wait(max(0.0, self._due - time.monotonic()))

    def expect(self, page: str, seconds: float) -> None:
        """Wait at the end for a page that has the last message to take, if so long."""
        with self._changed:
            self._awaited[page] = time.monotonic() + seconds
            self._forget()
            self._changed.notify_all()

    def _forget(self) -> None:
        """Wait no longer for pages that do not ask again."""
        now = time.monotonic()
        self._awaited = {p: until for p, until in self._awaited.items() if until > now}

    def end(self) -> None:
        """Let every page take the last message, and listen no more."""
        self.over.set()
        until = time.monotonic() + _LAST
        with self._changed:
            while self._awaited and time.monotonic() < until:
                self._changed.wait(_SOON)
                self._forget()
        self.shutdown()


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: _Server
    timeout = 10
    """Seconds until a browser that neither speaks nor listens is given up."""

    def do_GET(self) -> None:
        live, asked = self.server.live, _MESSAGE.fullmatch(self.path)
        if self.headers.get("Host") not in self.server.names:
            self.send_error(HTTPStatus.FORBIDDEN)
        elif self.path.partition("?")[0] != "/" and asked is None:
            self.send_error(HTTPStatus.NOT_FOUND)
        elif live is None or not live.begun:
            self._head("text/plain", HTTPStatus.SERVICE_UNAVAILABLE, Refresh="1")
            self._body("The run has not begun.\n")
        elif asked is None:
            page = live.page()
            self._head("text/html")
            self._body(page)
        else:
            self._tell(live, asked[1], int(asked[2]))

    def do_HEAD(self) -> None:
        self.do_GET()

    def _tell(self, live: Live, page: str, seen: int) -> None:
        """Tell a page the message after the one it has seen, or that there is none."""
        left = 0.0
        self.server.expect(page, math.inf)
        try:
            message = self._newer(live, seen)
            if message.number == seen:
                self._head("application/json", HTTPStatus.NO_CONTENT)
            else:
                self._head("application/json")
                self._body(f'{{"number":{message.number},"told":{message.text}}}')
            left = 0.0 if message.over else _LAST
        finally:
            self.server.expect(page, left)

    def _newer(self, live: Live, seen: int) -> _Message:
        """The newest message; where it was seen and there is room, the next."""
        server = self.server
        found = server.message(live, server.over.is_set())
        if found.number != seen or not server.held.acquire(blocking=False):
            return found
        try:
            while found.number == seen and not self._left():
                found = server.message(live, server.pause())
        finally:
            server.held.release()
        return found

    def _left(self) -> bool:
        """Whether the browser has closed the connection."""
        poll = select.poll()
        poll.register(self.connection, select.POLLIN)
        return bool(poll.poll(0)) and not self.connection.recv(1, socket.MSG_PEEK)

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
