"""Memory is predicted within 20 % before the first step, whatever is trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.experiment.memory_runs import BEST, arrays, config, dense, measured

SGD = {"sgd": {"learning_rate": 0.01}}
MOMENTUM = {"sgd": {"learning_rate": 0.01, "momentum": 0.9}}
RESIDUAL = {"residual": dense(256, 256)[:2]}
NORMED = [
    {"dense": 1024}, "batch_norm", "relu", {"dropout": 0.3},
    {"dense": 1024}, "batch_norm", "relu", {"dense": "auto"},
]  # fmt: skip
MILLION = {"classification": {"samples": 10**6, "features": 8, "informative": 5}}
REGRESSION = {"regression": {"samples": 200_000, "features": 20, "targets": 3}}

Make = Callable[[Path], dict[str, Any]]
CONFIGS: dict[str, Make] = {
    "a small net": lambda f: config("digits", 32, dense(64, 32), epochs=5),
    "wide, with best": lambda f: config(
        arrays(f, 4000, 784), 512, dense(2048, 2048), epochs=2, train=BEST
    ),
    "without diagnosis": lambda f: config(
        arrays(f, 4000, 784), 512, dense(2048, 2048), diagnose=False, train=BEST
    ),
    "very wide": lambda f: config(arrays(f, 1000, 256), 128, dense(3000, 2000)),
    "float64": lambda f: config(
        arrays(f, 3000, 512), 256, dense(1024, 1024), dtype="float64", train=BEST
    ),
    "plain descent": lambda f: config(
        arrays(f, 3000, 784), 256, dense(2048, 2048), optimizer=SGD
    ),
    "momentum, clipped": lambda f: config(
        arrays(f, 4000, 784),
        256,
        dense(1024, 1024, weight_l2=0.001),
        epochs=2,
        optimizer=MOMENTUM,
        train={"clip_norm": 1.0, **BEST},
    ),
    "deep residual": lambda f: config(
        arrays(f, 2000, 64),
        64,
        [
            {"dense": 256},
            {"repeat": {"times": 40, "block": [RESIDUAL]}},
            {"dense": "auto"},
        ],
    ),
    "several batches": lambda f: config(
        arrays(f, 4000, 784), 256, dense(2048, 2048), train={"accumulate": 4, **BEST}
    ),
    "several normalized": lambda f: config(
        arrays(f, 4000, 784), 512, NORMED, train={"accumulate": 3, "clip_norm": 1.0}
    ),
    "normalized": lambda f: config(arrays(f, 4000, 784), 512, NORMED),
    "one row at a time": lambda f: config(arrays(f, 400, 64), 1, dense(512, 512)),
    "all rows at once": lambda f: config(
        arrays(f, 10_000, 64), 7000, dense(1024, 1024), epochs=2
    ),
    "evaluated at once": lambda f: config(
        arrays(f, 20_000, 64),
        64,
        dense(1024, 1024),
        data={"evaluation_batch_size": 20_000},
    ),
    "many updates": lambda f: config(
        {"moons": {"samples": 20_000}}, 1, dense(8), epochs=2
    ),
    "a million rows": lambda f: config(MILLION, 1024, dense(64, 32)),
    "three targets": lambda f: config(
        REGRESSION,
        256,
        dense(128, 64),
        loss="mse",
        metrics=["rmse", "r2"],
        data={"standardize_target": True},
    ),
    "orthogonal weights": lambda f: config(
        arrays(f, 2000, 784), 128, dense(1500, 1500, weight_init="orthogonal")
    ),
    "metrics of scikit-learn": lambda f: config(
        arrays(f, 2000, 64), 32, dense(256), metrics=["f1", "confusion"]
    ),
    "a table": lambda f: config(
        table(f, 200_000), 1024, dense(64), data={"target": "target"}
    ),
}


def table(folder: Path, rows: int) -> str:
    path = folder / "table.csv"
    lines = (f"{i % 97},{i % 13}.25,{i / rows:.6f},{i % 3}" for i in range(rows))
    path.write_text("a,b,c,target\n" + "\n".join(lines) + "\n")
    return str(path)


@pytest.mark.long
@pytest.mark.parametrize("name", CONFIGS)
def test_what_is_predicted_is_what_is_held(name: str, tmp_path: Path) -> None:
    found = measured(CONFIGS[name](tmp_path), tmp_path)
    assert 60e6 < found.peak < 1.1e9
    assert found.ratio == pytest.approx(1.0, abs=0.2), found
