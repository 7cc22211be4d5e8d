"""`report.html` and the pictures of a run, at its end and whenever asked for.

A run that has not come to an end is told as far as its files go: it may have been
killed, or go on.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nettrain.errors import Error
from nettrain.experiment import pictures
from nettrain.experiment.assembly import make_network, make_probe
from nettrain.experiment.graph import network_drawing
from nettrain.experiment.load import Run, read_findings
from nettrain.experiment.setup import Setup, set_up
from nettrain.experiment.status import RUNNING, found_until, has_end, read_told
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
from nettrain.training.outcome import Summary
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
    from nettrain.show.graph import render, svg

    drawing = network_drawing(setup, network)
    best_epoch = facts["summary"]["best"].get(monitor, {}).get("epoch")
    prior = setup.recipe.loss.prior(setup.dataset.parts["train"].targets)
    made = pictures.drawn(
        *_columns(folder, facts),
        lost=_lost(read_findings(folder)),
        best_epoch=best_epoch,
        monitor=monitor,
        prior=prior,
        predicted=predicted_gradients(network),
        dead=probe.dead_units() if probe else None,
    )
    made["graph.svg"] = svg(drawing)
    pictures.write(folder, made, png)
    if png:
        folder.write(f"{PLOTS}/graph.png", render(drawing, ".png"))
    told = gathered(folder, facts, drawing=drawing, best_epoch=best_epoch, prior=prior)
    folder.write_text(REPORT, report(told))


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
    best_epoch: int | None = None,
    prior: float | None = None,
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
        config=folder.read_text("config.resolved.yaml"),
        metrics=metrics,
        statistics=statistics,
        plots={n.removesuffix(".svg"): plots[n] for n in plots if n not in _ELSEWHERE},
        pictures={id_: plots[name] for id_, name in of.items() if name},
        drawing=drawing,
        missing=missing,
        best_epoch=best_epoch,
        prior=prior,
    )


# ---------------------------------------------------------------- asked for


def redraw(path: str | os.PathLike[str], png: bool = False) -> Path:
    """Write the page and the pictures of a run again.

    Where its data are gone the page is made of what the folder holds, without graph. So
    is that of a run that was killed, and that of one which goes on: its folder is not
    touched, and the page stands beside.

    Returns:
        Where the page is: in the folder, or that of a run which goes on as
        `NAME-NUMBER-so-far.html` in the current folder.
    """
    folder = RunFolder.open(path)
    facts = read_told(folder)
    try:
        with folder.lock():
            _redraw(folder, read_told(folder, is_ours=True), png)
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
        pictures.write(folder, made, png)
        folder.write_text(REPORT, report(told))
        return
    try:
        _redrawn(folder, facts, png)
    except Error as error:
        places = ("data-", "disk-missing", "config-", "checkpoint-missing")
        if png or not error.code.startswith(places):
            raise
        page = report(gathered(folder, facts, missing=error.message))
        folder.write_text(REPORT, page)


def _redrawn(folder: RunFolder, facts: Mapping[str, Any], png: bool) -> None:
    """As at the end of the run: its last checkpoint holds all that was known."""
    setup = set_up(folder.path / "config.resolved.yaml")
    if setup.dataset.sha256 != facts["data_sha256"]:
        raise Error("data-changed", "the data are not what they were in the run")
    # Lines are cited as the run began: of the config that it was given.
    recipe = dataclasses.replace(setup.recipe, origins=facts["lines"])
    setup = dataclasses.replace(setup, recipe=recipe)
    found = newest(folder).checkpoint
    if found is None:
        message = f"{folder.path} has no checkpoint that can be used"
        fix = f"nettrain resume {folder.path}"
        raise Error("checkpoint-missing", message, fix=fix)
    with limited(setup.experiment.threads):
        network = make_network(setup)
        probe = make_probe(setup, network)
        loop = Loop(network, setup.plan(), probe, lambda event: None)
        loop.restore(found.tensors)
        stored.check_step(loop.step, found.meta.step)
        draw(folder, setup, network, probe, loop.monitor, facts, png)


# ---------------------------------------------------------------- before the end


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
    stop = experiment.train.stop
    monitor = stop.monitor if stop else "validation/loss"
    best_epoch = summary.best.get(monitor, {}).get("epoch")
    made = pictures.drawn(
        *recorded, lost=_lost(found), best_epoch=best_epoch, monitor=monitor
    )
    told = {"step": last["step"], "epoch": last["epoch"], "summary": summary.to_json()}
    missing = "the run has not come to its end"
    facts = {**facts, **told}
    told_of = gathered(
        folder,
        facts,
        found=found,
        plots=made,
        recorded=recorded,
        missing=missing,
        best_epoch=best_epoch,
    )
    return told_of, made
