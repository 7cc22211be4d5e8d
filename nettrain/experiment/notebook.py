"""A run in a notebook: a bar while it lasts; then how it ended, and its curves."""

from __future__ import annotations

import base64
import sys

from nettrain.errors import visible
from nettrain.experiment import closing
from nettrain.experiment.recorder import Nobody, Watcher
from nettrain.experiment.run import Ended
from nettrain.experiment.setup import Setup
from nettrain.experiment.watching import Watching
from nettrain.record.folder import PLOTS

_COST = "cost.svg"
_RED, _PLAIN = "\033[1;31m", "\033[0m"


def is_here() -> bool:
    """Whether this process is the kernel of a notebook: that shows what it is given."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return getattr(shell, "kernel", None) is not None


def watch(setup: Setup, total_steps: int) -> Watcher:
    """Who sees a run: the reader of the notebook, or nobody."""
    if is_here():
        return Watching(total_steps, colour=True, notebook=True)
    return Nobody()


def show(ended: Ended, seconds: float, *, as_given: bool) -> None:
    """Tell in a notebook how a run ended, as a terminal would, and show its curves.

    Args:
        ended: how it did.
        seconds: how long it took.
        as_given: whether its config alone says what the run was.
    """
    outcome = ended.outcome
    if not is_here() or outcome is None:
        return
    if outcome.status == "interrupted":
        print(closing.interrupted(ended))
        return
    if outcome.status == "diverged":
        print(f"{_RED}the run diverged:{_PLAIN} {visible(outcome.reason)}\n")
    config = ended.config or ""
    print(closing.told(ended, config, seconds, as_given=as_given, colour=True), end="")
    if _COST in ended.folder.pictures():
        _draw(ended.folder.read_text(f"{PLOTS}/{_COST}"))


def _draw(svg: str) -> None:
    """Show a picture, in a narrow notebook a smaller one.

    As an image: what its style says would hold for the page if it were a part of it.
    """
    from IPython.display import HTML, display

    data = base64.b64encode(svg.encode()).decode()
    source = f"data:image/svg+xml;base64,{data}"
    look = "max-width:100%;height:auto"
    display(HTML(f'<img alt="the curves of the run" style="{look}" src="{source}">'))
