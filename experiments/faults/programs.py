"""Healthy programs: data, architecture, optimizer and length that go well together.

The tuning and the held-out split share no data set and no architecture (layers, widths
and activations).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Config = dict[str, Any]
Split = Literal["tuning", "held-out"]

RECTIFIERS = ("relu", "relu6")
"""Activations that can die."""


@dataclass(frozen=True)
class Program:
    """A network that learns its data.

    Attributes:
        name: data set and architecture.
        split: which half of the benchmark it belongs to.
        source: the data, as a config names them.
        widths: of the hidden layers.
        activation: of the hidden layers.
        optimizer: as in a config.
        epochs: passes over some 60 % of the rows.
        batch: rows of one update.
        rows: of the data that are used; 0 for all.
        loss: as in a config.
        preprocess: as in a config.
        linear: whether a linear model is as good.
        raw: whether the columns have units that differ by a factor above 100.
        kind: of its layers; others than dense are in `structured`.
        reached: a score that it comes to, where a reference of its own is needed.
    """

    name: str
    split: Split
    source: Any
    widths: Sequence[int]
    activation: str
    optimizer: Mapping[str, Any]
    epochs: int
    batch: int = 32
    rows: int = 0
    loss: str = "cross_entropy"
    preprocess: Sequence[str] = ("standardize",)
    linear: bool = False
    raw: bool = False

    @property
    def data(self) -> str:
        """The name of the data set."""
        return self.source if isinstance(self.source, str) else next(iter(self.source))

    kind: str = "dense"
    reached: float = 0.0

    @property
    def classification(self) -> bool:
        return self.loss != "mse"

    @property
    def can_die(self) -> bool:
        return self.activation in RECTIFIERS

    @property
    def optimizer_name(self) -> str:
        return next(iter(self.optimizer))

    def config(self, seed: int) -> Config:
        """A config to train; a new mapping each time."""
        layers = [dense(width, self.activation) for width in self.widths]
        name = self.optimizer_name
        return {
            "name": self.name,
            "seed": seed,
            "data": {
                "source": {"sample": {"of": self.source, "rows": self.rows}},
                "preprocess": list(self.preprocess),
                "batch_size": self.batch,
            },
            "model": [*layers, {"dense": {"units": "auto"}}],
            "loss": self.loss,
            "metrics": ["accuracy" if self.classification else "r2"],
            "optimizer": {name: dict(self.optimizer[name])},
            "train": {"epochs": self.epochs},
        }


def dense(units: int, activation: str, **more: Any) -> Config:
    """A dense layer of a config."""
    return {"dense": {"units": units, "activation": activation, **more}}


def adam(rate: float, **more: Any) -> Config:
    return {"adam": {"learning_rate": rate, **more}}


def sgd(rate: float, momentum: float = 0.0, **more: Any) -> Config:
    return {"sgd": {"learning_rate": rate, "momentum": momentum, **more}}


CIRCLES = {"circles": {"samples": 600, "noise": 0.08}}
CUBE = {
    "classification": {
        "samples": 800,
        "features": 12,
        "informative": 6,
        "classes": 3,
        "separation": 1.8,
    }
}
FRIEDMAN = {"friedman1": {"samples": 800, "features": 8, "noise": 0.8}}
BLOBS = {"blobs": {"samples": 600, "centers": 5, "features": 4, "std": 2.5}}
MOONS = {"moons": {"samples": 600, "noise": 0.12}}
SPIRALS = {"spirals": {"samples": 700, "arms": 3, "turns": 0.8}}
PLANE = {"regression": {"samples": 600, "features": 8, "informative": 6, "noise": 10}}

TUNING = (
    Program("digits-relu", "tuning", "digits", (48, 24), "relu", adam(2e-3), 20,
            rows=1400, linear=True),
    Program("digits-tanh", "tuning", "digits", (40, 40, 40), "tanh", sgd(0.1), 20,
            rows=1400, linear=True),
    Program("digits-deep", "tuning", "digits", (48,) * 5, "relu", adam(2e-3), 20,
            rows=1400, linear=True),
    Program("digits-waist", "tuning", "digits", (10, 32), "tanh", adam(5e-3), 20,
            rows=1400, linear=True),
    Program("wine-tanh", "tuning", "wine", (16,), "tanh", adam(0.01), 60, 16,
            linear=True, raw=True),
    Program("wine-relu", "tuning", "wine", (24, 12), "relu", sgd(0.05, 0.9), 50, 16,
            linear=True, raw=True),
    Program("circles-tanh", "tuning", CIRCLES, (16, 16), "tanh", adam(0.01), 30, 16,
            preprocess=()),
    Program("circles-relu", "tuning", CIRCLES, (24, 24, 24), "relu", sgd(0.1, 0.5), 30,
            16, loss="binary_cross_entropy"),
    Program("cube-relu", "tuning", CUBE, (32, 32), "relu", adam(3e-3), 30,
            linear=True),
    Program("cube-tanh", "tuning", CUBE, (32, 16), "tanh", sgd(0.05, 0.9), 30,
            linear=True),
    Program("friedman-relu", "tuning", FRIEDMAN, (32, 24), "relu", adam(5e-3), 30, 16,
            loss="mse"),
    Program("friedman-tanh", "tuning", FRIEDMAN, (24, 24), "tanh", adam(0.01), 30, 16,
            loss="mse", preprocess=("min_max",)),
    Program("blobs-relu", "tuning", BLOBS, (16, 16), "relu", sgd(0.05), 25, 16,
            linear=True),
)  # fmt: skip

HELD_OUT = (
    Program("cancer-relu", "held-out", "breast_cancer", (36, 18), "relu", adam(3e-3),
            30, loss="binary_cross_entropy", linear=True, raw=True),
    Program("cancer-tanh", "held-out", "breast_cancer", (20,), "tanh", sgd(0.05, 0.5),
            30, 16, linear=True, raw=True),
    Program("iris-tanh", "held-out", "iris", (12, 12), "tanh", adam(0.01), 60, 8,
            linear=True),
    Program("iris-relu", "held-out", "iris", (20, 20), "relu", sgd(0.05, 0.5), 50, 8,
            linear=True),
    Program("moons-relu", "held-out", MOONS, (20, 20, 10), "relu", adam(0.01), 30, 16,
            loss="binary_cross_entropy"),
    Program("moons-tanh", "held-out", MOONS, (14, 14), "tanh", sgd(0.2, 0.9), 40, 16,
            preprocess=()),
    Program("moons-deep", "held-out", MOONS, (28,) * 6, "relu", adam(3e-3), 30, 16),
    Program("spirals-tanh", "held-out", SPIRALS, (32, 32, 32), "tanh", adam(0.01), 60,
            16),
    Program("spirals-relu", "held-out", SPIRALS, (48, 48), "relu", adam(0.01), 60, 16),
    Program("plane-relu", "held-out", PLANE, (28, 28), "relu", adam(5e-3), 30, 16,
            loss="mse", linear=True),
    Program("plane-tanh", "held-out", PLANE, (20, 20), "tanh", sgd(0.05, 0.9), 30, 16,
            loss="mse", linear=True),
    Program("plane-waist", "held-out", PLANE, (6, 16), "tanh", adam(0.01), 40, 16,
            loss="mse", linear=True),
    Program("diabetes-tanh", "held-out", "diabetes", (6,), "tanh", adam(5e-3), 25, 16,
            loss="mse", linear=True),
)  # fmt: skip

DENSE = (*TUNING, *HELD_OUT)
