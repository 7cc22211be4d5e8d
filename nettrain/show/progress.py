"""Training as it runs: a bar on a terminal or in a notebook, plain lines elsewhere."""

from __future__ import annotations

import html
import math
import sys
import time
from collections.abc import Mapping
from typing import Any, TextIO

from nettrain.show.width import columns

_LINES = 20
_MONITOR = "validation/loss"
"""The metric that a narrow bar keeps longest."""
_GAP = 2
_PLACE = "|{bar:12}|"
_PLACE_WIDTH = 14
_CODE = "font-family:monospace;font-size:var(--jp-code-font-size,13px)"
_SECONDS = 0.1
"""Between two drawings of a bar."""
ROWS = 24
"""Of a terminal, for tqdm, which hides a bar where the terminal does not tell them."""


class Progress:
    """Shows epoch, loss, metrics, learning rate and time left; findings as they arise.

    A step costs under a microsecond: the bar draws itself ten times a second, and only
    then is anything formatted. Without a terminal it is at most about 20 lines, one per
    epoch, or per so many epochs.

    Args:
        total_steps: the planned number of updates.
        terminal: whether the stream is one.
        stream: where to write; if left out standard error, which is red in a notebook,
            so that there it is standard output.
        done: updates made before, where a run is resumed.
        notebook: whether the stream is shown in one.
    """

    def __init__(
        self,
        total_steps: int,
        terminal: bool,
        stream: TextIO | None = None,
        *,
        done: int = 0,
        notebook: bool = False,
    ) -> None:
        self._total, self._steps, self._first = total_steps, done, done
        self._stream = stream or (sys.stdout if notebook else sys.stderr)
        self._epoch, self._loss, self._rate = 0, math.nan, math.nan
        self._metrics: Mapping[str, float] = {}
        self._began = time.monotonic()
        self._stride, self._unwritten, self._over = 0, False, False
        self._bar: Any = None
        if notebook:
            self._bar = _Cell(self)
        elif terminal:
            self._bar = _bar(self, self._stream)

    def step(self, steps: int, epoch: int, loss: float, rate: float) -> None:
        """After an update: how many there are by now, the batch's loss, the rate."""
        new, self._steps = steps - self._steps, steps
        self._epoch, self._loss, self._rate = epoch, loss, rate
        if self._bar is not None:
            self._bar.update(new)

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """After an epoch: its metrics, such as `validation/loss`."""
        self._epoch, self._metrics = epoch, metrics
        if self._bar is not None:
            return
        if not self._stride:
            self._stride = self._every(epoch)
        self._unwritten = True
        if epoch % self._stride == 0 or epoch == 1 or self._steps >= self._total:
            self._write_line()

    def note(self, text: str) -> None:
        """A line that stays, such as a finding, above the bar."""
        if self._bar is not None:
            self._bar.write(text, file=self._stream)
        else:
            print(text, file=self._stream, flush=True)

    def close(self) -> None:
        """Leave the last state standing."""
        self._over = True
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        elif self._unwritten:
            self._write_line()

    def _every(self, epoch: int) -> int:
        """So many epochs per line that there are at most about `_LINES`."""
        per_epoch = max(1, self._steps / max(1, epoch))
        return max(1, math.ceil(self._total / per_epoch / _LINES))

    def _write_line(self) -> None:
        self._unwritten = False
        line = f"{self.status()}  {self._left()}".rstrip()
        print(line, file=self._stream, flush=True)

    def _left(self) -> str:
        """The time left at the pace so far, `done` at the planned end."""
        made, missing = self._steps - self._first, self._total - self._steps
        if missing <= 0:
            return "done"
        if made <= 0 or self._over:
            return ""
        seconds = (time.monotonic() - self._began) / made * missing
        return f"{duration(math.ceil(seconds))} left"

    def status(self) -> str:
        """`epoch 3  loss 0.31  validation loss 0.33  accuracy 0.91  rate 0.001`."""
        return (" " * _GAP).join(text for _, text in self._parts())

    def _parts(self) -> list[tuple[int, str]]:
        """What the status is made of; in each case the more important the lower."""
        if not self._epoch:
            return []
        parts = [(1, f"epoch {self._epoch}"), (2, f"loss {self._loss:.4g}")]
        for name, value in self._metrics.items():
            if not name.startswith("train/"):
                rank = 0 if name == _MONITOR else 4
                parts.append((rank, f"{name.replace('/', ' ')} {value:.4g}"))
        if not math.isnan(self._rate):
            parts.append((6, f"rate {self._rate:.3g}"))
        return parts

    def fitted(self, wide: int | None) -> str:
        """The form of a bar's line: what has room in it, the most important first.

        Args:
            wide: columns of the terminal; None where a line has no end.
        """
        parts = [(5, _PLACE), (3, self._left()), *self._parts()]
        room = math.inf if wide is None else wide - len("100%") - 1
        kept = set[int]()
        for index in sorted(range(len(parts)), key=lambda i: parts[i][0]):
            text = parts[index][1]
            taken = _GAP + (_PLACE_WIDTH if text == _PLACE else len(text))
            if text and taken <= room:
                kept.add(index)
                room -= taken
        texts = [
            text if text == _PLACE else text.replace("{", "{{").replace("}", "}}")
            for text in (parts[index][1] for index in sorted(kept))
        ]
        whole = (" " * _GAP).join(["{percentage:3.0f}%", *texts])
        return whole.replace("%  |", "% |", 1)

    def look(self) -> dict[str, str]:
        """A bar in a notebook, by the kind of what it is."""
        share = self._steps / self._total if self._total else 1.0
        parts = [f"{share:4.0%}", self._left(), self.status()]
        text = (" " * _GAP).join(part for part in parts if part)
        bar = f'<progress value="{share:.4f}" style="vertical-align:middle"></progress>'
        told = f'<span style="white-space:pre-wrap">{html.escape(text)}</span>'
        shown = f'<div style="{_CODE}">{bar} {told}</div>'
        return {"text/plain": text, "text/html": shown}


def duration(seconds: float) -> str:
    """A span of time to about two digits: `0.42 s`, `12 s`, `3 min 05 s`."""
    if seconds < 9.95:
        return f"{seconds:.2g} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _bar(progress: Progress, stream: TextIO) -> Any:
    """A tqdm bar that asks for its line only when it draws itself."""
    from tqdm import tqdm

    class Bar(tqdm):  # type: ignore[misc, type-arg]
        # No second thread: the clock is looked at on every update.
        monitor_interval = 0

        @property
        def format_dict(self) -> dict[str, Any]:
            wide = columns(stream)
            form = {"ncols": wide, "bar_format": progress.fitted(wide)}
            return super().format_dict | form

    return Bar(
        total=progress._total,
        initial=progress._first,
        file=stream,
        nrows=ROWS,
        mininterval=_SECONDS,
        miniters=1,
    )


class _Cell:
    """A bar in a notebook: an output that is replaced, so that its last state is saved.

    A widget would not be: what is saved of it is how it began.
    """

    def __init__(self, progress: Progress) -> None:
        from IPython.display import display

        self._progress, self._due = progress, 0.0
        self._shown = display(progress.look(), raw=True, display_id=True)

    def update(self, _steps: int) -> None:
        now = time.monotonic()
        if now >= self._due:
            self._due = now + _SECONDS
            self.close()

    def write(self, text: str, file: TextIO) -> None:
        """Below the bar."""
        print(text, file=file, flush=True)

    def close(self) -> None:
        self._shown.update(self._progress.look(), raw=True)
