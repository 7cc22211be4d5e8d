"""`report.html` and the pictures of a run, at its end and whenever asked for."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nettrain.errors import Error
from nettrain.experiment import pictures
from nettrain.experiment.assembly import make_network, make_probe
from nettrain.experiment.graph import network_drawing
from nettrain.experiment.load import read_findings
from nettrain.experiment.setup import Setup, set_up
from nettrain.experiment.status import read_status
from nettrain.experiment.threads import limited
from nettrain.record.folder import PLOTS, REPORT, RunFolder
from nettrain.record.metrics import columns, read_metrics
from nettrain.record.statistics import read_statistics
from nettrain.record.store import newest
from nettrain.show.drawing import Drawing
from nettrain.show.finding import picture
from nettrain.show.page import Report, report
from nettrain.training import stored
from nettrain.training.loop import Loop
from nettrain.training.network import Network
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
    pictures.draw(
        folder,
        dead=probe.dead_units() if probe else {},
        best_epoch=best_epoch,
        monitor=monitor,
        prior=prior,
        predicted=predicted_gradients(network),
        graph=svg(drawing),
        png=png,
    )
    if png:
        folder.write(f"{PLOTS}/graph.png", render(drawing, ".png"))
    told = gathered(folder, facts, drawing=drawing, best_epoch=best_epoch, prior=prior)
    folder.write_text(REPORT, report(told))


def gathered(
    folder: RunFolder,
    facts: Mapping[str, Any],
    *,
    drawing: Drawing | None = None,
    missing: str = "",
    best_epoch: int | None = None,
    prior: float | None = None,
) -> Report:
    """What the files of a run hold."""
    disk = folder.disk
    found = read_findings(folder)
    names = [name for name in folder.pictures() if name.endswith(".svg")]
    plots = {name: folder.read_text(f"{PLOTS}/{name}") for name in names}
    of = {finding["id"]: picture(finding["id"], names) for finding in found}
    return Report(
        facts=facts,
        found=found,
        config=folder.read_text("config.resolved.yaml"),
        metrics=columns(read_metrics(disk, folder.metrics)),
        statistics=read_statistics(disk, folder.statistics),
        plots={n.removesuffix(".svg"): plots[n] for n in names if n not in _ELSEWHERE},
        pictures={id_: plots[name] for id_, name in of.items() if name},
        drawing=drawing,
        missing=missing,
        best_epoch=best_epoch,
        prior=prior,
    )


# ---------------------------------------------------------------- asked for


def redraw(path: str | os.PathLike[str], png: bool = False) -> Path:
    """Write the page and the pictures of a run again.

    Where its data are gone the page is made of what the folder holds, without graph.

    Returns:
        Where the page is.
    """
    folder = RunFolder.open(path)
    facts = read_status(folder)
    with folder.lock():
        try:
            _redrawn(folder, facts, png)
        except Error as error:
            if png or not error.code.startswith(("data-", "disk-missing", "config-")):
                raise
            page = report(gathered(folder, facts, missing=error.message))
            folder.write_text(REPORT, page)
    return folder.path / REPORT


def _redrawn(folder: RunFolder, facts: Mapping[str, Any], png: bool) -> None:
    """As at the end of the run: its last checkpoint holds all that was known."""
    setup = set_up(folder.path / "config.resolved.yaml")
    if setup.dataset.sha256 != facts["data_sha256"]:
        raise Error("data-changed", "the data are not what they were in the run")
    # Lines are cited as the run began: of the config that it was given.
    recipe = dataclasses.replace(setup.recipe, origins=facts["lines"])
    setup = dataclasses.replace(setup, recipe=recipe)
    found = newest(folder).checkpoint
    if found is None or "summary" not in facts:
        fix = f"nettrain resume {folder.path}"
        raise Error("run-incomplete", f"{folder.path} has not ended", fix=fix)
    with limited(setup.experiment.threads):
        network = make_network(setup)
        probe = make_probe(setup, network)
        loop = Loop(network, setup.plan(), probe, lambda event: None)
        loop.restore(found.tensors)
        stored.check_step(loop.step, found.meta.step)
        draw(folder, setup, network, probe, loop.monitor, facts, png)
