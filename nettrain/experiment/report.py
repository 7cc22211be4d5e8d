"""`report.html` and the pictures of a run, at its end and whenever asked for.

A run that has not come to an end is told as far as its files go: it may have been
killed, or go on.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nettrain.errors import Error
from nettrain.experiment import memory, pictures
from nettrain.experiment.assembly import make_network, make_probe
from nettrain.experiment.found import found_until, has_end, read_findings
from nettrain.experiment.graph import network_drawing
from nettrain.experiment.load import Run
from nettrain.experiment.schema import Experiment
from nettrain.experiment.setup import RESOLVED, Setup, set_up
from nettrain.experiment.status import (
    RUNNING,
    open_run,
    prior,
    read_status,
    told_of,
)
from nettrain.experiment.threads import limited
from nettrain.record.folder import PLOTS, REPORT, RunFolder, check_name
from nettrain.record.metrics import Row, columns, read_metrics
from nettrain.record.statistics import read_statistics
from nettrain.record.store import newest
from nettrain.show.columns import Columns, timed
from nettrain.show.drawing import Drawing
from nettrain.show.finding import picture
from nettrain.show.page import Report, report
from nettrain.training import stored
from nettrain.training.loop import Loop
from nettrain.training.network import Network
from nettrain.training.outcome import Summary, monitored
from nettrain.training.prediction import predicted_gradients
from nettrain.training.probe import Probe

_ELSEWHERE = ("cost.svg", "graph.svg")
"""Pictures that the page has as curves and as a graph."""


def draw(
    folder: RunFolder,
    setup: Setup,
    network: Network,
    probe: Probe | None,
    monitor: str,
    facts: Mapping[str, Any],
    png: bool = False,
) -> None:
    """Write the pictures and the page of a run whose files are complete.

    Args:
        network: as training left it.
        probe: what watched it.
        monitor: the metric that decides which epoch is best.
        facts: run.json as it is, or will be.
        png: whether the pictures are wanted as PNG too.
    """
    if "prior" not in facts:  # a run of before
        facts = {**facts, "prior": prior(setup)}
    drawing = network_drawing(setup, network)
    best_epoch = best(facts, monitor)
    made = pictures.drawn(
        *_columns(folder, facts),
        lost=_lost(read_findings(folder)),
        best_epoch=best_epoch,
        monitor=monitor,
        prior=facts.get("prior"),
        predicted=predicted_gradients(network),
        dead=probe.dead_units() if probe else None,
    )
    _write(folder, made, drawing, png)
    told = gathered(folder, facts, drawing=drawing, best_epoch=best_epoch)
    folder.write_text(REPORT, report(told))


def best(facts: Mapping[str, Any], monitor: str) -> int | None:
    """The epoch that was best by a metric, of a run with an end."""
    found: Mapping[str, Any] = facts["summary"]["best"].get(monitor, {})
    return found.get("epoch")


def _write(
    folder: RunFolder, made: Mapping[str, str], drawing: Drawing | None, png: bool
) -> None:
    """The pictures, and the graph where there is one; as PNG too where wanted."""
    from nettrain.show.graph import render, svg

    graph = {} if drawing is None else {"graph.svg": svg(drawing)}
    pictures.write(folder, {**made, **graph}, png)
    if png and drawing is not None:
        folder.write(f"{PLOTS}/graph.png", render(drawing, ".png"))


def _columns(folder: RunFolder, facts: Mapping[str, Any]) -> tuple[Columns, Columns]:
    """The metrics and statistics of a run, with their time in epochs."""
    return _timed(folder, facts, read_metrics(folder.disk, folder.metrics))


def _timed(
    folder: RunFolder, facts: Mapping[str, Any], rows: Sequence[Row]
) -> tuple[Columns, Columns]:
    """The same, of rows of metrics that were read."""
    per_epoch = facts.get("planned", {}).get("steps_per_epoch")
    metrics = columns(rows)
    statistics = read_statistics(folder.disk, folder.statistics)
    return timed(metrics, per_epoch), timed(statistics, per_epoch)


def _lost(found: Sequence[Mapping[str, Any]]) -> int | None:
    """The epoch in which a gradient was found to vanish or explode, if one did."""
    epochs = [row["epoch"] for row in found if row["id"] in ("G1", "G2")]
    return next(iter(epochs), None)


def gathered(
    folder: RunFolder,
    facts: Mapping[str, Any],
    *,
    found: Sequence[Mapping[str, Any]] | None = None,
    plots: Mapping[str, str] | None = None,
    recorded: tuple[Columns, Columns] | None = None,
    drawing: Drawing | None = None,
    missing: str = "",
    drawn_at: str = "",
    best_epoch: int | None = None,
) -> Report:
    """What the files of a run hold.

    Args:
        found, plots, recorded: findings, pictures by name, and the metrics and
            statistics, in the place of the files'.
    """
    if found is None:
        found = read_findings(folder)
    if plots is None:
        names = [name for name in folder.pictures() if name.endswith(".svg")]
        plots = {name: folder.read_text(f"{PLOTS}/{name}") for name in names}
    of = {finding["id"]: picture(finding["id"], plots) for finding in found}
    metrics, statistics = recorded or _columns(folder, facts)
    return Report(
        folder=str(folder.path),
        facts=facts,
        found=found,
        config=folder.read_text(RESOLVED),
        metrics=metrics,
        statistics=statistics,
        plots={n.removesuffix(".svg"): plots[n] for n in plots if n not in _ELSEWHERE},
        pictures={id_: plots[name] for id_, name in of.items() if name},
        drawing=drawing,
        missing=missing,
        drawn_at=drawn_at,
        best_epoch=best_epoch,
        prior=facts.get("prior"),
    )


# ---------------------------------------------------------------- asked for


def redraw(path: str | os.PathLike[str], png: bool = False) -> Path:
    """Write the page and the pictures of a run again.

    Where its data are gone, or there is no memory for its network, the page is made of
    what the folder holds, without graph. That of a run that was killed tells how far it
    came, and has the graph of its newest checkpoint. Of a run which goes on the folder
    is not touched, and the page stands beside, without graph.

    Returns:
        Where the page is: in the folder, or that of a run which goes on as
        `NAME-NUMBER-so-far.html` in the current folder.
    """
    folder, facts = open_run(path)
    facts = told_of(folder, facts)
    try:
        with folder.lock():
            _redraw(folder, told_of(folder, read_status(folder), is_ours=True), png)
    except Error as error:
        if error.code != "locked-run" or png or facts["status"] != RUNNING:
            raise
        page = report(_so_far(folder, facts)[0])
        name = f"{check_name(facts['name'])}-{folder.path.resolve().name}-so-far.html"
        data = page.encode("utf-8", "backslashreplace")
        folder.disk.replace(Path(name), data, durable=False)
        return Path(name)
    return folder.path / REPORT


def _redraw(folder: RunFolder, facts: Mapping[str, Any], png: bool) -> None:
    """The same with the lock."""
    if not has_end(facts):
        told, made = _so_far(folder, facts)
        _write(folder, made, told.drawing, png)
        folder.write_text(REPORT, report(told))
        return
    try:
        with _restored(folder, facts) as (setup, loop, probe):
            draw(folder, setup, loop.network, probe, loop.monitor, facts, png)
    except Error as error:
        if png or not _is_lost(error):
            raise
        best_epoch = None
        with contextlib.suppress(Error):  # its config may be what is lost
            known = facts["summary"]["best"]
            best_epoch = best(facts, _monitor(Run(folder.path).experiment, known))
        told = gathered(folder, facts, missing=error.message, best_epoch=best_epoch)
        folder.write_text(REPORT, report(told))


def _monitor(experiment: Experiment, known: Mapping[str, Any]) -> str:
    """The metric that decides, of those whose best values are known."""
    return monitored(experiment.train.stop, "validation/loss" in known)


def _is_lost(error: Error) -> bool:
    """Whether what a graph is drawn from is not there any more, or has no room."""
    places = ("data-", "disk-missing", "config-", "memory-", _NO_CHECKPOINT)
    return error.code.startswith(places)


_NO_CHECKPOINT = "checkpoint-missing"


@contextlib.contextmanager
def _restored(
    folder: RunFolder, facts: Mapping[str, Any], *, begun: bool = False
) -> Iterator[tuple[Setup, Loop, Probe | None]]:
    """A run as its newest checkpoint holds it.

    Args:
        facts: run.json.
        begun: whether it has no update yet: without a checkpoint it is as it began.

    Raises:
        Error: where its data or its checkpoint are not what they were, or there is no
            memory for it.
    """
    setup = set_up(folder.path / RESOLVED)
    if setup.dataset.sha256 != facts["data_sha256"]:
        raise Error("data-changed", "the data are not what they were in the run")
    # Lines are cited as the run began: of the config that it was given.
    recipe = dataclasses.replace(setup.recipe, origins=facts["lines"])
    setup = dataclasses.replace(setup, recipe=recipe)
    _check_fits(setup)
    try:
        found = newest(folder).checkpoint
        if found is None and not begun:
            message = f"{folder.path} has no checkpoint that can be used"
            fix = f"nettrain resume {folder.path}"
            raise Error(_NO_CHECKPOINT, message, fix=fix)
        with limited(setup.experiment.threads):
            network = make_network(setup)
            probe = make_probe(setup, network)
            loop = Loop(network, setup.plan(), probe, lambda event: None)
            if found:
                loop.restore(found.tensors)
                stored.check_step(loop.step, found.meta.step)
            del found  # else it is there as long as the pictures are drawn
            yield setup, loop, probe
    except MemoryError as error:  # more than was worked out
        raise Error("memory-full", f"there is no memory for it: {error}") from error


def _check_fits(setup: Setup) -> None:
    """Refuse what has no room to be read and drawn; nothing is trained here."""
    needed = memory.predict(setup, resumed=True)
    here = {memory.READ, memory.VALUES}
    stages = tuple(stage for stage in needed.stages if here & stage.terms.keys())
    needed = dataclasses.replace(needed, stages=stages)
    if not needed.fits:
        raise memory.refusal(setup, needed)


# ---------------------------------------------------------------- before the end


@dataclasses.dataclass(frozen=True)
class _Saved:
    """What the newest checkpoint tells of a run without an end.

    Attributes:
        drawing: its graph; None where it cannot be drawn.
        missing: why it cannot.
        has_weights: whether there are any, as far as is known.
        at: the moment of all of this.
        predicted, dead: see `pictures.drawn`.
        found: the findings until then as findings.json would have them.
    """

    drawing: Drawing | None = None
    missing: str = ""
    has_weights: bool = True
    at: str = ""
    predicted: Mapping[str, float] | None = None
    dead: Mapping[str, np.ndarray] | None = None
    found: Sequence[Mapping[str, Any]] = ()


def _saved(folder: RunFolder, facts: Mapping[str, Any], begun: bool) -> _Saved:
    """Nothing of a run that goes on: beside it there may be no memory for another.

    Args:
        begun: whether it has no update yet.
    """
    if facts["status"] == RUNNING:
        return _Saved(missing="the run has not come to its end")
    try:
        with _restored(folder, facts, begun=begun) as (setup, loop, probe):
            return _Saved(
                drawing=network_drawing(setup, loop.network),
                at=f"step {loop.step}" if loop.step else "the beginning",
                predicted=predicted_gradients(loop.network),
                dead=probe.dead_units() if probe and loop.step else None,
                found=[f.to_json() for f in probe.findings()] if probe else (),
            )
    except Error as error:
        if not _is_lost(error):
            raise
        lost = error.code == _NO_CHECKPOINT
        return _Saved(missing=error.message, has_weights=not lost)


def _in_full(
    found: Sequence[Mapping[str, Any]], saved: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Findings that events told, with all that a checkpoint knows of them.

    Which of them is the cause is told at the end: what came after it may be.
    """
    known = {(f["id"], f["node"]): f for f in saved}
    unknown = {"consequence_of": None}
    return [
        {**known.get((row["id"], row["node"]), {}), **row, **unknown} for row in found
    ]


def _so_far(
    folder: RunFolder, facts: Mapping[str, Any]
) -> tuple[Report, dict[str, str]]:
    """What the files tell of a run without an end, and what they show by name."""
    rows = read_metrics(folder.disk, folder.metrics)
    experiment = Run(folder.path).experiment
    summary = Summary(experiment.metrics, experiment.train.stop)
    for row in rows:
        summary.note(row)
    last: Mapping[str, Any] = rows[-1] if rows else {"step": 0, "epoch": 0}
    found = found_until(folder, last["step"])
    recorded = _timed(folder, facts, rows)  # once: a run that goes on adds to it
    monitor = _monitor(experiment, summary.best)
    best_epoch = summary.best.get(monitor, {}).get("epoch")
    saved = _saved(folder, facts, begun=not rows)
    made = pictures.drawn(
        *recorded,
        lost=_lost(found),
        best_epoch=best_epoch,
        monitor=monitor,
        prior=facts.get("prior"),
        predicted=saved.predicted,
        dead=saved.dead,
    )
    results = summary.to_json()
    if not saved.has_weights:
        results.pop("kept", None)
    told = {"step": last["step"], "epoch": last["epoch"], "summary": results}
    facts = {**facts, **told}
    told_of = gathered(
        folder,
        facts,
        found=_in_full(found, saved.found),
        plots=made,
        recorded=recorded,
        drawing=saved.drawing,
        missing=saved.missing,
        drawn_at=saved.at,
        best_epoch=best_epoch,
    )
    return told_of, made
