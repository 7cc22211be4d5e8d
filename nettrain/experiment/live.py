"""What a page can tell of a run while it goes on, and its last word at the end."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nettrain.experiment.found import found_until, has_end
from nettrain.experiment.recorder import Nobody
from nettrain.experiment.report import best, gathered
from nettrain.experiment.setup import RESOLVED, Setup
from nettrain.experiment.status import read_status
from nettrain.record import json_text
from nettrain.record.folder import REPORT, RUN, RunFolder
from nettrain.record.metrics import Row
from nettrain.show.columns import timed
from nettrain.show.page.report import Report, curves, live, parts
from nettrain.training.outcome import EPOCH_LOSS, monitored


class Live(Nobody):
    """A watcher that others may ask, from other threads, how the run is.

    Training only appends a few numbers here: the files of a run, which get their rows
    in large pieces, would tell them late.
    """

    def __init__(self, setup: Setup, total_steps: int) -> None:
        self._total = total_steps
        self._folder: RunFolder | None = None
        plan = setup.plan()
        self._per_epoch = plan.steps_per_epoch
        stop = setup.experiment.train.stop
        self._monitor = monitored(stop, "validation" in plan.parts)
        numbers = [m.registered_name for m in plan.metrics if not m.is_table]
        self._names = [EPOCH_LOSS, *(f"train/{name}" for name in numbers)]
        if "validation" in plan.parts:
            self._names += [f"validation/{name}" for name in ("loss", *numbers)]
        self._curves = _Curves([], self._names)
        self._found: dict[tuple[str, str | None], Mapping[str, Any]] = {}

    # ------------------------------------------------------------ told by training

    def begin(self, folder: RunFolder, rows: Sequence[Row]) -> None:
        self._curves, self._folder = _Curves(rows, self._names), folder
        step = rows[-1]["step"] if rows else 0
        before = {_key(row): row for row in found_until(folder, step)}
        # What was told here is known in full, and only what was told after is undone.
        self._found = {key: self._found.get(key, row) for key, row in before.items()}

    def step(self, step: int, epoch: int, loss: float, learning_rate: float) -> None:
        self._curves.append(step, epoch, loss, learning_rate)

    def epoch(self, epoch: int, metrics: Mapping[str, Any]) -> None:
        self._curves.ended(metrics)

    def found(self, finding: Mapping[str, Any]) -> None:
        # It is told again where it has become worse.
        self._found = {**self._found, _key(finding): finding}

    # ------------------------------------------------------------ asked by others

    def page(self) -> str:
        """The page as it is now, which then asks for every `message`.

        Raises:
            Error: where the run has not begun, or its folder is gone.
        """
        return live(self._report(), self._which)

    def message(self, over: bool) -> str:
        """What the page has become, as JSON in one line.

        Args:
            over: whether the run has ended, and this is the last message.
        """
        now = self._report()
        told = {
            "parts": parts(now),
            "charts": curves(now),
            "run": self._which,
            "state": self._state(now, over),
            "over": over,
        }
        return json_text.row(told)

    @property
    def begun(self) -> bool:
        """Whether there is anything to tell."""
        folder = self._folder
        return folder is not None and folder.disk.exists(folder.path / RUN)

    @property
    def _which(self) -> str:
        """Where the run is: a page of another one may ask here, at the same port."""
        assert self._folder is not None
        return str(self._folder.path.absolute())

    def _report(self) -> Report:
        assert self._folder is not None
        facts = read_status(self._folder)
        if has_end(facts):
            return gathered(self._folder, facts, best_epoch=best(facts, self._monitor))
        step, epoch = self._curves.newest
        so_far = {"step": step, "epoch": epoch, "summary": {"last": self._curves.last}}
        return Report(
            folder=str(self._folder.path),
            facts={**facts, **so_far},
            found=list(self._found.values()),
            config=self._folder.read_text(RESOLVED),
            metrics=timed(self._curves.columns(), self._per_epoch),
            statistics={},
            plots={},
            pictures={},
            prior=facts.get("prior"),
        )

    def _state(self, now: Report, over: bool) -> str:
        assert self._folder is not None
        if over:
            page = self._folder.path.absolute() / REPORT
            there = self._folder.disk.exists(page)
            more = f" {page} has its graph too." if there else ""
            return f"The run has ended: {now.facts['status']}.{more}"
        step, epoch = self._curves.newest
        epochs = math.ceil(self._total / self._per_epoch)
        at = f"Epoch {epoch} of {epochs}, step {step} of {self._total}"
        return f"{at} ({step / self._total:.0%}). This page follows the run."


def _key(finding: Mapping[str, Any]) -> tuple[str, str | None]:
    """What a finding that is told again has as before."""
    return finding["id"], finding["node"]


class _Curves:
    """The metrics so far, some bytes a step.

    One thread appends and others read: they copy what there is, and cut it to the
    length that every column has.

    Args:
        rows: those before.
        names: of what epochs will tell at their ends: its curves have their places.
    """

    def __init__(self, rows: Sequence[Row], names: Sequence[str]) -> None:
        self._names = names
        self._columns = {
            name: array("d", [float(row.get(name, np.nan)) for row in rows])
            for name in ("step", "epoch", "train/loss", "learning_rate")
        }
        self._append = [column.append for column in self._columns.values()]
        self._ends = [(i, row) for i, row in enumerate(rows) if EPOCH_LOSS in row]

    def append(self, step: int, epoch: int, loss: float, rate: float) -> None:
        # Written out, for it is done at every step.
        for_step, for_epoch, for_loss, for_rate = self._append
        for_step(step)
        for_epoch(epoch)
        for_loss(loss)
        for_rate(rate)

    def ended(self, metrics: Mapping[str, Any]) -> None:
        self._ends.append((len(self._columns["step"]) - 1, dict(metrics)))

    @property
    def last(self) -> Mapping[str, Any]:
        """The metrics of the last epoch that has ended."""
        return self._ends[-1][1] if self._ends else {}

    @property
    def newest(self) -> tuple[int, int]:
        """The last step and its epoch."""
        epochs = self._columns["epoch"]
        if not epochs:
            return 0, 0
        return int(self._columns["step"][-1]), int(epochs[-1])

    def columns(self) -> dict[str, np.ndarray]:
        """As `nettrain.record.metrics.columns` gives them, some still without value."""
        ends = self._ends[:]
        copies = {name: column[:] for name, column in self._columns.items()}
        count = min(map(len, copies.values()))
        made = {name: np.array(copy[:count]) for name, copy in copies.items()}
        made |= {name: np.full(count, np.nan) for name in self._names}
        for index, row in ends:
            for name, value in row.items():
                if index < count and isinstance(value, (int, float)):
                    if name not in made:
                        made[name] = np.full(count, np.nan)
                    made[name][index] = value
        return made
