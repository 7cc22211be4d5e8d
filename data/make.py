"""Writes the small made-up tables that `configs/sick/` trains on.

    python data/make.py

Each draws from a generator of its own, `numpy.random.default_rng(0)`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

Rows = Iterable[Sequence[object]]
HERE = Path(__file__).parent


def write(name: str, head: str, rows: Rows) -> None:
    """A table; numbers with three decimals, texts as they are."""
    lines = (
        ",".join(f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in r)
        for r in rows
    )
    (HERE / name).write_text("\n".join([head, *lines, ""]), "utf-8")


def clouds(counts: Mapping[str, int], distance: float) -> Rows:
    """Two Gaussian clouds, their centres so far apart along both axes; shuffled."""
    random = np.random.default_rng(0)
    rows = [
        (*random.normal(number * distance, 1, 2).tolist(), kind)
        for number, (kind, count) in enumerate(counts.items())
        for _ in range(count)
    ]
    return [rows[i] for i in random.permutation(len(rows))]


def typo() -> Rows:
    """`long` where length + width > 0, with noise; one length lost its point."""
    random = np.random.default_rng(0)
    x = random.normal(0, 1, (300, 2))
    is_long = x.sum(axis=1) + random.normal(0, 0.7, 300) > 0
    x[180, 0], is_long[180] = 60.0, False
    return [(*row, _yes(y)) for row, y in zip(x.tolist(), is_long, strict=True)]


def careless() -> Rows:
    """`long` where length + width > 0; 30 % of the first 280 labels are wrong."""
    random = np.random.default_rng(0)
    x = random.normal(0, 1, (400, 2))
    wrong = (random.random(400) < 0.3) & (np.arange(400) < 280)
    is_long = (x.sum(axis=1) > 0) ^ wrong
    return [(*row, _yes(y)) for row, y in zip(x.tolist(), is_long, strict=True)]


def _yes(truth: object) -> str:
    return "yes" if truth else "no"


def filled() -> Rows:
    """A linear flow with noise; one cell has NetCDF's fill value for missing ones."""
    random = np.random.default_rng(0)
    x = random.normal(0, 1, (300, 3))
    flow: list[object] = list(x @ [1, -0.5, 0.25] + random.normal(0, 0.3, 300))
    flow[123] = "9.97e36"
    return [(*row, y) for row, y in zip(x.tolist(), flow, strict=True)]


if __name__ == "__main__":
    lengths = "length,width"
    write("imbalanced.csv", f"{lengths},kind", clouds({"common": 375, "rare": 15}, 2))
    write("overlapping.csv", f"{lengths},kind", clouds({"common": 440, "rare": 60}, 1))
    write("typo.csv", f"{lengths},long", typo())
    write("careless.csv", f"{lengths},long", careless())
    write("filled.csv", "left,middle,right,flow", filled())
