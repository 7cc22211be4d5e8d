"""A run in a notebook: a bar while it lasts, and its curves at the end."""

from __future__ import annotations

import sys

from nettrain.experiment.recorder import Nobody, Watcher
from nettrain.experiment.setup import Setup
from nettrain.experiment.watching import Watching
from nettrain.record.folder import PLOTS, RunFolder

_COST = "cost.svg"


def is_here() -> bool:
    """Whether this process is the kernel of a notebook: that shows what it is given."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return getattr(shell, "kernel", None) is not None


def watch(setup: Setup, total_steps: int) -> Watcher:
    """Who sees a run: the reader of the notebook, or nobody."""
    return Watching(total_steps, notebook=True) if is_here() else Nobody()


def show(folder: RunFolder) -> None:
    """Put the curves of a run into the notebook, if there are any."""
    if is_here() and _COST in folder.pictures():
        from IPython.display import SVG, display

        display(SVG(data=folder.read_text(f"{PLOTS}/{_COST}")))
