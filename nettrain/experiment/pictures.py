"""The diagnostic pictures of a run, drawn from what was recorded."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nettrain.record.folder import PLOTS, RunFolder
from nettrain.show.columns import Columns


def drawn(
    metrics: Columns,
    statistics: Columns,
    *,
    lost: int | None,
    best_epoch: int | None = None,
    monitor: str = "validation/loss",
    prior: float | None = None,
    predicted: Mapping[str, float] | None = None,
    dead: Mapping[str, np.ndarray] | None = None,
) -> dict[str, str]:
    """What the files of a run show, finished or not, by name.

    Args:
        metrics, statistics: the recorded columns.
        lost: the epoch in which a gradient was found to vanish or explode, if one did.
        best_epoch, monitor: the epoch that was best, and by which metric.
        prior: H0, the loss of guessing.
        predicted: path of a node -> factor by which its gradient should differ.
        dead: layer -> (epochs, units), true where a unit was dead; None if not known.
    """
    from nettrain.show import curves, gradients, units
    from nettrain.show.waterfall import waterfall

    made = {}
    if metrics:  # else the very first step was not finite
        made["cost.svg"] = curves.cost(
            metrics, best_epoch=best_epoch, monitor=monitor, prior=prior
        )
    if len(statistics["step"]):
        made["gradient-flow.svg"] = gradients.gradient_flow(statistics)
        made["gradient-waterfall.svg"] = waterfall(
            statistics, epoch=lost, predicted=predicted
        )
        made["activations.svg"] = units.activations(statistics)
        made["updates.svg"] = gradients.updates(statistics)
        if dead is not None:
            made["dead-neurons.svg"] = units.dead_neurons(dead)
    return made


def write(folder: RunFolder, made: Mapping[str, str], png: bool) -> None:
    """Put pictures into `plots/`.

    Args:
        png: whether all that can be are wanted as PNG too, and with them those that
            stand there already.
    """
    from nettrain.show import style
    from nettrain.show.again import again

    pictures = dict(made)
    there = [name for name in folder.pictures() if png and name.endswith(".svg")]
    for name in there:
        kept = again(name, folder.read_text(f"{PLOTS}/{name}"))
        if kept is not None:
            pictures[name] = kept
    for name, picture in pictures.items():
        folder.write_text(f"{PLOTS}/{name}", picture)
        if png and isinstance(picture, style.Picture):
            folder.write(f"{PLOTS}/{name.removesuffix('.svg')}.png", picture.png())
