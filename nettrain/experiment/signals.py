"""SIGINT, SIGTERM, SIGHUP: finish the step, save, stop; a second one ends at once.

Three places, three ways to end, each with exit code 128 + n:

- while a run is trained, the step is finished and saved (`listening`);
- while its pictures are drawn there is nothing more to save: `run.json` says that it is
  interrupted, and the process ends; `nettrain resume` draws them (`Interruption.over`);
- anywhere else the command ends at once (`end_at_once`).

Ending at once is `os._exit`: whatever was being written is whole or not there after a
death at any instruction, and an exception could be lost on its way through the
libraries.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

_KINDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Handler = Callable[[int, FrameType | None], object]


class Interruption:
    """Whether a signal has come, and which.

    Attributes:
        number: of the signal; 0 while there was none.
    """

    def __init__(self) -> None:
        self.number = 0
        self._before: dict[signal.Signals, Handler | int | None] = {}
        self._last: Callable[[], object] | None = None

    def __call__(self) -> bool:
        return self.number != 0

    @contextlib.contextmanager
    def over(self, last: Callable[[], object]) -> Iterator[None]:
        """Wait no longer: inside, a signal does what it would outside of `listening`.

        Args:
            last: what is done before, if there is time for it. One that came while
                there was something to wait for is heard now.
        """
        self._last = last
        if self.number:
            self._leave(None)
        try:
            yield
        finally:
            self._last = None

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self.number:
            os._exit(128 + number)
        self.number = number
        if self._last:
            self._leave(frame)

    def _leave(self, frame: FrameType | None) -> None:
        with contextlib.suppress(Exception):
            assert self._last
            self._last()
        before = self._before[signal.Signals(self.number)]
        if callable(before):
            before(self.number, frame)
        else:
            signal.signal(self.number, signal.SIG_DFL)
            signal.raise_signal(self.number)


@contextlib.contextmanager
def listening() -> Iterator[Interruption]:
    """Handle signals inside, in the main thread; elsewhere nothing is changed."""
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    interruption._before = {kind: signal.getsignal(kind) for kind in _heard()}
    for kind in interruption._before:
        signal.signal(kind, interruption._take)
    try:
        yield interruption
    finally:
        for kind, handler in interruption._before.items():
            signal.signal(kind, handler)


def end_at_once() -> None:
    """From now on let a signal end this process, with a word and the right exit code.

    Only for a process that is a command of its own: nothing is tidied up.
    """
    for kind in _heard():
        signal.signal(kind, _end)


def _heard() -> list[signal.Signals]:
    """All kinds but those that are ignored (nohup), or handled beneath Python."""
    return [k for k in _KINDS if signal.getsignal(k) not in (signal.SIG_IGN, None)]


def _end(number: int, frame: FrameType | None) -> NoReturn:
    # What was printed is still to be read; a second signal may come while it is not.
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        print("interrupted", file=sys.stderr, flush=True)
    os._exit(128 + number)
