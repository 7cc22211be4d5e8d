"""A real run, trained on a disk in memory, and gone on with after a power cut."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nettrain.experiment.run import resume, run
from nettrain.record.folder import RUN
from nettrain.selftest.power.lives import RESOLVED
from nettrain.selftest.power.model import ModelDisk
from nettrain.selftest.power.promises import NEEDED, Due
from nettrain.selftest.power.stories import Story
from nettrain.selftest.power.trace import Tree
from nettrain.selftest.shortened import shortened

CONFIG: dict[str, Any] = {
    "name": "power",
    "data": {
        "source": {"moons": {"samples": 40}},
        "split": {"validation": 0.2, "test": 0.2},
        "batch_size": 8,
    },
    "model": [{"dense": {"units": 2, "activation": "tanh"}}, {"dense": 1}],
    "loss": "binary_cross_entropy",
    "optimizer": {"adam": {"learning_rate": 0.05}},
    "train": {
        "epochs": 3,
        "stop": {"restore_best": True},
        "checkpoint": {"every": "2 steps", "keep": 2},
    },
    "diagnose": {"every": 4},
}
"""Small, with all that a run writes."""


def trained(out: Path) -> Story:
    """The story of a whole run into the folder `out`, which is not touched."""
    disk = ModelDisk({str(above): None for above in list(out.parents)[-2::-1]})
    disk.start()
    with shortened():
        run(CONFIG, out=out, disk=disk)
    return Story("training", disk.trace, Due(), out, disk.tree())


def resumed(tree: Tree, out: Path) -> Tree:
    """What the disk shows after a run was begun again, or resumed, with what is left.

    Configs are read without a `Disk`, so this one file is really put there.
    """
    disk = ModelDisk(tree)
    config = tree.get(str(out / RESOLVED))
    with shortened():
        if str(out / RUN) in tree:
            out.mkdir(parents=True, exist_ok=True)
            (out / RESOLVED).write_bytes(config or b"")
            resume(out, disk=disk)
        else:
            run(CONFIG, out=out, disk=disk)
    return disk.tree()


def ended(tree: Tree, out: Path) -> dict[str, Any]:
    """What must be the same whatever a run has been through.

    `run.json` counts without what a clock has measured.
    """
    names = (*NEEDED, "metrics.jsonl", "statistics.csv", "findings.json")
    found: dict[str, Any] = {name: tree.get(str(out / name)) for name in names}
    last = max(path for path in tree if path.startswith(f"{out}/checkpoints/step-"))
    facts = json.loads(tree[str(out / RUN)] or b"{}")
    facts.pop("diagnosis", None)
    return found | {last: tree[last], RUN: facts}
