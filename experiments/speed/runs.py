"""Time the verbs that read many runs, in a folder of hundreds.

    python experiments/speed/runs.py
    python experiments/speed/runs.py --runs 500 --rounds 9

One run is trained and its folder copied, with another learning rate, batch size, units
and seed in the config of each, so that all differ. The commands take turns; the
median counts, from the start of the process to its end.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from shutil import copytree

CONFIG = """\
data: {source: digits, split: {validation: 0.2, test: 0.2}, batch_size: 32}
model: [{dense: {units: 64, activation: relu}}, {dense: 10}]
loss: cross_entropy
metrics: [accuracy]
train: {epochs: 10}
"""
COMMANDS = {
    "runs": ["runs", "all"],
    "runs, by a key": ["runs", "all", "--sort", "optimizer.adam.learning_rate"],
    "runs, by a layer": ["runs", "all", "--sort", "model.dense1.units"],
    "compare": ["compare", "all"],
    "compare, with its page": ["compare", "all", "--out", "page.html"],
}


def nettrain(folder: Path, *words: str) -> float:
    """Seconds that a command takes."""
    command = [sys.executable, "-m", "nettrain", *words]
    began = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - began


def fill(folder: Path, runs: int) -> None:
    """As many run folders in `all`, copies of one, with configs of their own."""
    (folder / "one.yaml").write_text(CONFIG)
    nettrain(folder, "run", "one.yaml", "--out", "one")
    config = (folder / "one/config.resolved.yaml").read_text()
    facts = json.loads((folder / "one/run.json").read_text())
    draw = random.Random(0)
    for number in range(runs):
        its = {
            "learning_rate": repr(10 ** draw.uniform(-4, -1)),
            "units": str(draw.randrange(8, 512)),
            "batch_size": str(draw.randrange(8, 200)),
            "seed": str(number),
        }
        text = config
        for key, value in its.items():
            text, found = re.subn(rf"\b{key}: \S+", f"{key}: {value}", text, count=1)
            assert found, key
        copy = copytree(folder / "one", folder / f"all/one/{number + 1}")
        (copy / "config.resolved.yaml").write_text(text)
        (copy / "run.json").write_text(json.dumps({**facts, "seed": number}))


def main() -> None:
    """Print seconds by command as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder, given.runs)
        load = os.getloadavg()[0]
        rounds = [
            {told: nettrain(folder, *words) for told, words in COMMANDS.items()}
            for _ in range(given.rounds)
        ]
    found = {
        told: round(statistics.median(one[told] for one in rounds), 2)
        for told in COMMANDS
    }
    print(json.dumps({"load before": round(load, 1), **found}, indent=2))


if __name__ == "__main__":
    main()
