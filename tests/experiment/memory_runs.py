"""Runs in processes of their own, beside what was predicted of their memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

_RUN = """
import json, sys
from nettrain.cli.main import main
from nettrain.experiment import available, memory

seen, predict = [], memory.predict
def noted(*given, **named):
    seen.append(predict(*given, **named))
    return seen[-1]
memory.predict = noted
code = main(sys.argv[1:])
print("\\n" + json.dumps([seen[0].nbytes, available.peak(), seen[0].stage.name]))
sys.exit(code)
"""


@dataclass(frozen=True)
class Measured:
    """Bytes that a run was said to need at most, and that it held at most."""

    predicted: int
    peak: int
    stage: str

    @property
    def ratio(self) -> float:
        return self.predicted / self.peak


def child(code: str, *words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A Python process with one thread of linear algebra."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    root = str(Path(__file__).parents[2])
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        cwd=cwd,
        env={**os.environ, **threads, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def measured(config: dict[str, Any], folder: Path) -> Measured:
    """Run a config in a folder, in a process of its own."""
    path = folder / "config.yaml"
    path.write_text(json.dumps(config))
    return _measured("run", path, "--out", folder / "run", cwd=folder)


def resumed(folder: Path) -> Measured:
    """Go on for an epoch with what `measured` has run there."""
    epochs = json.loads((folder / "run/run.json").read_bytes())["epoch"] + 1
    return _measured("resume", folder / "run", f"train.epochs={epochs}", cwd=folder)


def _measured(*words: str | Path, cwd: Path) -> Measured:
    done = child(_RUN, *words, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return Measured(*json.loads(done.stdout.splitlines()[-1]))


def arrays(folder: Path, rows: int, features: int, classes: int = 10) -> str:
    """A file of noise with classes that can be learned."""
    draw = np.random.default_rng(0)
    y = draw.integers(classes, size=rows)
    x = draw.normal(size=(rows, features)).astype(np.float32)
    x[:, 0] += y
    path = folder / "arrays.npz"
    np.savez(path, x=x, y=y)
    return str(path)


def dense(*units: int, **settings: Any) -> list[Any]:
    """Layers of ReLU units, and a head."""
    layers = [{"dense": {"units": u, "activation": "relu", **settings}} for u in units]
    return [*layers, {"dense": "auto"}]


BEST = {"stop": {"patience": 8, "restore_best": True}}


def config(
    source: Any, batch: int, model: list[Any], epochs: int = 1, **sections: Any
) -> dict[str, Any]:
    split = {"validation": 0.15, "test": 0.15}
    data = {"source": source, "split": split, "batch_size": batch}
    return {
        "name": "measured",
        "data": {**data, **sections.pop("data", {})},
        "model": model,
        "loss": sections.pop("loss", "cross_entropy"),
        "metrics": sections.pop("metrics", ["accuracy"]),
        "optimizer": sections.pop("optimizer", {"adam": {"learning_rate": 0.001}}),
        "train": {"epochs": epochs, **sections.pop("train", {})},
        **sections,
    }
