"""The diagnostic pictures of a run, drawn from what was recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nettrain.experiment.load import read_findings
from nettrain.record.folder import RunFolder
from nettrain.record.metrics import columns, read_metrics
from nettrain.record.statistics import read_statistics


def draw(
    folder: RunFolder,
    *,
    dead: Mapping[str, np.ndarray],
    best_epoch: int | None,
    monitor: str,
    prior: float,
    predicted: Mapping[str, float],
    graph: str,
    png: bool = False,
) -> None:
    """Write every picture of `plots/`.

    Args:
        folder: a run whose metrics, statistics and findings are complete.
        dead: layer -> (epochs, units), true where a unit was dead.
        best_epoch, monitor: the epoch that was best, and by which metric.
        prior: H0, the loss of guessing.
        predicted: path of a node -> factor by which its gradient should differ.
        graph: the network's graph as SVG.
        png: whether all but the graph are wanted as PNG too.
    """
    from nettrain.show import curves, gradients, style, units
    from nettrain.show.again import again
    from nettrain.show.waterfall import waterfall

    pictures = {"graph.svg": graph}
    metrics = columns(read_metrics(folder.disk, folder.metrics))
    if metrics:  # else the very first step was not finite
        pictures["cost.svg"] = curves.cost(
            metrics, best_epoch=best_epoch, monitor=monitor, prior=prior
        )
    statistics: Mapping[str, Any] = read_statistics(folder.disk, folder.statistics)
    if len(statistics["step"]):
        pictures["gradient-flow.svg"] = gradients.gradient_flow(statistics)
        pictures["gradient-waterfall.svg"] = waterfall(
            statistics, epoch=_lost(folder), predicted=predicted
        )
        pictures["activations.svg"] = units.activations(statistics)
        pictures["updates.svg"] = gradients.updates(statistics)
        pictures["dead-neurons.svg"] = units.dead_neurons(dead)
    for name in folder.pictures():
        kept = again(name, folder.read_text(f"plots/{name}")) if png else None
        if kept is not None:
            pictures[name] = kept
    for name, picture in pictures.items():
        folder.write_text(f"plots/{name}", picture)
        if png and isinstance(picture, style.Picture):
            folder.write(f"plots/{name.removesuffix('.svg')}.png", picture.png())


def _lost(folder: RunFolder) -> int | None:
    """The epoch in which a gradient was found to vanish or explode, if one did."""
    rows = read_findings(folder)
    epochs = [row["epoch"] for row in rows if row["id"] in ("G1", "G2")]
    return next(iter(epochs), None)
