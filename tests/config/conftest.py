"""A small schema with every kind of place that a real one has."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from nettrain.component import Component, Count, Positive, Range, Share, register
from nettrain.config import Resolved, resolve
from nettrain.errors import Error
from nettrain.experiment.setup import set_up
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


TABLE = "a,b,zone,y\n" + "".join(
    f"{i / 4},{i % 7},{['north', 'south'][i % 2]},{['no', 'yes'][i // 3 % 2]}\n"
    for i in range(24)
)
Mistakes = Callable[..., list[Error]]


@pytest.fixture
def mistakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mistakes:
    """Every error of a config of the real schema, in a folder with a table."""
    monkeypatch.chdir(tmp_path)
    Path("table.csv").write_text(TABLE)
    Path("folder.csv").mkdir()

    def find(config: str | bytes, *overrides: str, **files: str) -> list[Error]:
        content = config.encode() if isinstance(config, str) else config
        Path("config.yaml").write_bytes(content)
        for name, text in files.items():
            Path(name).write_text(text)
        with pytest.raises(Error) as caught:
            set_up("config.yaml", overrides)
        return list(getattr(caught.value, "errors", [caught.value]))

    return find


def marked(text: str) -> tuple[str, tuple[int, int, int] | None]:
    """A text without its marks « and », and the line, column and width between them."""
    before, mark, rest = text.partition("«")
    inside, _, after = rest.partition("»")
    lines = re.split(r"\r\n|[\n\r\x85\u2028\u2029]", before)
    column = len(lines[-1].removeprefix("\ufeff")) + 1
    place = len(lines), column, max(1, len(inside))
    return before + inside + after, place if mark else None


@pytest.fixture
def one_mistake(mistakes: Mistakes) -> Callable[..., None]:
    """Check that a config with marks has one mistake, which is told as it should be."""

    def check(
        text: str,
        code: str,
        said: str | None,
        beside: frozenset[str] | set[str] = frozenset(),
        **files: str,
    ) -> None:
        texts = {"config.yaml": text, **files}
        plain = {name: marked(content) for name, content in texts.items()}
        own = {name: content for name, (content, _) in plain.items()}
        errors = mistakes(own.pop("config.yaml"), **own)
        found = [e for e in errors if e.code == code and (said or "") in str(e)]
        assert len(found) == 1, "\n".join(map(str, errors))
        error = found[0]
        assert {e.code for e in errors if e is not error} <= beside
        assert error.exit_code == (3 if code.startswith("data") else 2)
        for name, (content, place) in plain.items():
            if place is not None:
                shown(error, name, content, place)

    return check


def shown(error: Error, name: str, text: str, place: tuple[int, int, int]) -> None:
    """Check that an error points at a place of a text, and shows its line."""
    line, column, width = place
    lines = re.split(r"\r\n|[\n\r\x85\u2028\u2029]", text.removeprefix("\ufeff"))
    found = error.place
    assert found is not None
    assert (found.file, found.line, found.column) == (name, line, column)
    if column <= 160:  # else the line is too long to show
        seen = "".join(c if c.isprintable() else " " for c in lines[line - 1][:160])
        assert found.text == seen
        assert found.width == max(1, min(width, 161 - column))
