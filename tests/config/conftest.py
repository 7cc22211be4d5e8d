"""A small schema with every kind of place that a real one has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from nettrain.component import Component, Count, Positive, Range, Share, register
from nettrain.config import Resolved, resolve
from nettrain.span import Span


class Bend(Component):
    kind = "activation"


class Brick(Component):
    kind = "layer"


class Solver(Component):
    kind = "optimizer"


class Rate(Component):
    kind = "schedule"


class Origin(Component):
    """A source of data, written shorter as a file's name."""

    kind = "source"

    @classmethod
    def shorthand(cls, value: object) -> Component | None:
        return File(value) if isinstance(value, str) and "." in value else None


@register("file")
class File(Origin):
    path: str
    separator: str = ","


@register("moons")
class Moons(Origin):
    samples: Count = 1000
    noise: float = 0.1


@register("relu")
class Relu(Brick, Bend): ...


@register("leaky_relu")
class LeakyRelu(Brick, Bend):
    slope: float = 0.01


@register("dense")
class Dense(Brick):
    units: Count | Literal["auto"]
    activation: Bend | None = None
    bias: bool = True
    name: str | None = None


@register("dropout")
class Dropout(Brick):
    rate: Annotated[float, Range(at_least=0, below=1)]


@register("residual")
class Residual(Brick):
    block: tuple[Brick, ...]
    name: str | None = None


@register("branch")
class Branch(Brick):
    paths: tuple[tuple[Brick, ...], ...]


@register("cosine")
class Cosine(Rate):
    peak: Positive
    final: Share = 0.0


@register("adam")
class Adam(Solver):
    learning_rate: Positive | Rate = 0.001
    beta1: Share = 0.9
    beta2: Share = 0.999

    def check(self) -> Iterator[str]:
        if self.beta2 < self.beta1:
            yield "beta2 is below beta1"


@register("sgd")
class Sgd(Solver):
    learning_rate: Positive | Rate = 0.01
    momentum: Share = 0.0


@dataclass(frozen=True)
class Data:
    source: Origin
    target: str | tuple[str, ...] | None = None
    columns: dict[str, Literal["numeric", "ignore"]] = field(default_factory=dict)
    batch_size: Count = 32


@dataclass(frozen=True)
class Stop:
    monitor: str
    patience: Count = 8


@dataclass(frozen=True)
class Train:
    epochs: Count | None = None
    steps: Count | None = None
    stop: Stop | None = None
    every: Span | None = None


@dataclass(frozen=True)
class Diagnose:
    threshold: float = 1.0


@dataclass(frozen=True)
class Experiment:
    data: Data
    model: tuple[Brick, ...]
    name: str = "unnamed"
    seed: int = 0
    metrics: tuple[str, ...] = ()
    optimizer: Solver = field(default_factory=Adam)
    train: Train = field(default_factory=Train)
    diagnose: bool | Diagnose = True


Resolve = Callable[..., Resolved]


@pytest.fixture
def dense() -> type[Dense]:
    return Dense


@pytest.fixture
def resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """Resolve a text written to `a.yaml` in an empty working folder."""
    monkeypatch.chdir(tmp_path)

    def make(source: Any, *overrides: str, **files: str) -> Resolved:
        for name, text in files.items():
            Path(f"{name}.yaml").write_text(text)
        if isinstance(source, str):
            Path("a.yaml").write_text(source)
            source = "a.yaml"
        return resolve(source, overrides, schema=Experiment)

    return make
