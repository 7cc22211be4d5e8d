"""A run shown while it lasts: by a bar, or where nobody looks by plain lines."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from nettrain.errors import visible
from nettrain.record.folder import RunFolder
from nettrain.record.metrics import Row
from nettrain.show.progress import Progress
from nettrain.show.summary import line
from nettrain.show.width import fitted


class Watching:
    """Shows a run on standard error: a bar, or where nobody looks a line now and then.

    A terminal that has gone away must not end the run: it goes on unseen. A notebook
    has its words on standard output: what is on the other is red there.

    Args:
        total_steps: the planned number of updates.
        colour: whether findings are coloured.
        notebook: whether this is a notebook, which draws the bar itself.
    """

    def __init__(
        self, total_steps: int, *, colour: bool = False, notebook: bool = False
    ) -> None:
        self._total = total_steps
        self._progress: Progress | None = None
        self._colour, self._notebook = colour, notebook

    def begin(self, folder: RunFolder, rows: Sequence[Row]) -> None:
        """Nothing is shown before the first step."""

    def step(self, step: int, epoch: int, loss: float, learning_rate: float) -> None:
        # A resumed run's first step is not 1, which only now is known.
        with contextlib.suppress(OSError):
            if self._progress is None:
                terminal, notebook = self._stream.isatty(), self._notebook
                self._progress = Progress(
                    self._total, terminal, done=step - 1, notebook=notebook
                )
            self._progress.step(step, epoch, loss, learning_rate)

    def epoch(self, epoch: int, metrics: Mapping[str, Any]) -> None:
        shown = {name: value for name, value in metrics.items() if "/" in name}
        with contextlib.suppress(OSError):
            if self._progress is not None:
                self._progress.epoch(epoch, shown)

    def found(self, finding: Mapping[str, Any]) -> None:
        self._write(line(finding, colour=self._colour))

    def note(self, text: str) -> None:
        self._write(visible(text))

    @property
    def _stream(self) -> TextIO:
        return sys.stdout if self._notebook else sys.stderr

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            text = fitted(text, 2, self._stream)
            if self._progress is None:
                print(text, file=self._stream, flush=True)
            else:
                self._progress.note(text)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            if self._progress is not None:
                self._progress.close()
