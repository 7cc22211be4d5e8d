"""Time a sweep of small trials with one worker and with as many as there are cores.

    python experiments/speed/sweep.py
    python experiments/speed/sweep.py --trials 32 --workers 4 --epochs 20

Start-up is what the same command takes once all is trained: reading the configs, the
trials and drawing the page. Beside it the trials with N workers should take at most
1.3 × their serial time / N. Both sweeps must come to the same table, to the byte.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import joblib

BASE = """\
data: {{source: digits, split: {{validation: 0.2}}, batch_size: 32}}
model: [{{dense: {{units: 32, activation: relu}}}}, {{dense: 10}}]
loss: cross_entropy
metrics: [accuracy]
train: {{epochs: {epochs}}}
"""
SWEEP = """\
base: base.yaml
seeds: 4
space: {{model.dense1.units: {{int: [8, 64]}}}}
method: {{random: {{points: {points}}}}}
"""


def timed(folder: Path, workers: int) -> tuple[float, float]:
    """Seconds of a whole sweep, and of the same command again."""
    out = folder / f"with-{workers}"
    command = [sys.executable, "-m", "nettrain", "sweep", str(folder / "sweep.yaml")]
    command += ["--out", str(out), "--workers", str(workers)]
    taken = []
    for _ in range(2):
        began = time.monotonic()
        subprocess.run(command, check=True, capture_output=True)
        taken.append(time.monotonic() - began)
    return taken[0], taken[1]


def main() -> None:
    """Print the times as JSON; fail where the tables differ."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--trials", type=int, default=32, help="a multiple of 4")
    parser.add_argument("--workers", type=int, default=joblib.cpu_count())
    parser.add_argument("--epochs", type=int, default=20)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "base.yaml").write_text(BASE.format(epochs=given.epochs))
        (folder / "sweep.yaml").write_text(SWEEP.format(points=given.trials // 4))
        load = os.getloadavg()[0]
        serial, start = timed(folder, 1)
        together, start_together = timed(folder, given.workers)
        tables = {
            (folder / f"with-{n}/table.csv").read_bytes() for n in (1, given.workers)
        }
    assert len(tables) == 1, "the tables differ"
    ideal = (serial - start) / given.workers
    found = {
        "trials": given.trials,
        "workers": given.workers,
        "load before": round(load, 1),
        "serial": round(serial, 1),
        "start-up": round(start, 1),
        "with workers": round(together, 1),
        "of the ideal": round((together - start_together) / ideal, 2),
    }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
