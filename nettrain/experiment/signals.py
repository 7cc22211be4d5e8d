"""SIGINT, SIGTERM, SIGHUP: finish the step, save, stop; a second one ends at once."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_KINDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    """Whether a signal has come, and which.

    Attributes:
        number: of the signal; 0 while there was none.
    """

    number = 0

    def __call__(self) -> bool:
        return self.number != 0

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self.number:
            os._exit(128 + number)
        self.number = number


@contextlib.contextmanager
def listening() -> Iterator[Interruption]:
    """Handle signals inside, in the main thread; elsewhere nothing is changed."""
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    kinds = [k for k in _KINDS if signal.getsignal(k) is not signal.SIG_IGN]  # nohup
    before = {kind: signal.signal(kind, interruption._take) for kind in kinds}
    try:
        yield interruption
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
