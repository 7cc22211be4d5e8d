"""Training as it runs: a bar on a terminal or in a notebook, plain lines elsewhere."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from typing import Any, TextIO

_LINES = 20


class Progress:
    """Shows epoch, loss, metrics, learning rate and time left; findings as they arise.

    A step costs under a microsecond: the bar draws itself ten times a second, and only
    then is anything formatted. Without a terminal it is at most about 20 lines, one per
    epoch, or per so many epochs.

    Args:
        total_steps: the planned number of updates.
        terminal: whether the stream is one.
        stream: where to write, standard error if left out.
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
        self._stream = stream or sys.stderr
        self._epoch, self._loss, self._rate = 0, math.nan, math.nan
        self._metrics: Mapping[str, float] = {}
        self._began = time.monotonic()
        self._stride, self._unwritten = 0, False
        shown = terminal or notebook
        self._bar = _bar(self, self._stream, notebook) if shown else None

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
        print(f"{self.status()}  {self._left()}", file=self._stream, flush=True)

    def _left(self) -> str:
        """The time left at the pace so far, `done` at the end."""
        made, missing = self._steps - self._first, self._total - self._steps
        if missing <= 0 or made <= 0:
            return "done" if missing <= 0 else ""
        seconds = (time.monotonic() - self._began) / made * missing
        return f"{duration(math.ceil(seconds))} left"

    def status(self) -> str:
        """`epoch 3  loss 0.31  validation loss 0.33  accuracy 0.91  rate 0.001`."""
        if not self._epoch:
            return ""
        parts = [f"epoch {self._epoch}", f"loss {self._loss:.4g}"]
        for name, value in self._metrics.items():
            if name != "train/loss" and not name.startswith("train/"):
                parts.append(f"{name.replace('/', ' ')} {value:.4g}")
        if not math.isnan(self._rate):
            parts.append(f"rate {self._rate:.3g}")
        return "  ".join(parts)


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


def _bar(progress: Progress, stream: TextIO, notebook: bool) -> Any:
    """A tqdm bar that asks for the status only when it draws itself."""
    kind, widget = _kind(notebook)

    class Bar(kind):  # type: ignore[misc, valid-type]
        # No second thread: the clock is looked at on every update.
        monitor_interval = 0

        @property
        def format_dict(self) -> dict[str, Any]:
            return super().format_dict | {"prefix": progress.status()}

        def display(self, *given: Any, **more: Any) -> Any:
            if more.get("bar_style") == "danger":
                more["bar_style"] = ""  # a run that ends early has not failed
            return super().display(*given, **more)

    drawn = "{bar}" if widget else "{bar:12}"
    return Bar(
        total=progress._total,
        initial=progress._first,
        file=stream,
        dynamic_ncols=not widget,
        mininterval=0.1,
        miniters=1,
        bar_format=f"{{percentage:3.0f}}% |{drawn}| {{remaining}} left  {{desc}}",
    )


def _kind(notebook: bool) -> tuple[Any, bool]:
    """Which tqdm, and whether it is a widget: in a notebook that has such."""
    from tqdm import tqdm

    if notebook:
        from tqdm.notebook import IProgress, tqdm_notebook

        if IProgress is not None:
            return tqdm_notebook, True
    return tqdm, False
