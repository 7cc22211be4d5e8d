"""What is done to a healthy program's config to make a fault or a control of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from experiments.faults.programs import Config, Program

Apply = Callable[[Config, Program], None]
Fits = Callable[[Program], bool]


def anywhere(program: Program) -> bool:
    return True


@dataclass(frozen=True)
class Change:
    """A change to a config.

    Attributes:
        name: what it is called.
        apply: changes a config in place.
        fits: which programs it makes sense for.
        kinds: of programs, and no others'.
    """

    name: str
    apply: Apply
    fits: Fits = anywhere
    kinds: tuple[str, ...] = field(default=("dense",), kw_only=True)

    def suits(self, program: Program) -> bool:
        return program.kind in self.kinds and self.fits(program)


@dataclass(frozen=True)
class Fault(Change):
    """A change that should hurt.

    Attributes:
        right: ids of findings that name the cause; nothing else counts.
        layer: name of the one layer that is at fault, as a function of the program;
            None where no single layer is.
        recoverable: whether a change to the config can mend it. None brings back rows
            and labels that are not there, or rewrites a person's optimizer.
    """

    right: tuple[str, ...] = ()
    layer: Callable[[Program], str] | None = None
    recoverable: bool = True


# ---------------------------------------------------------------- parts of a config


def layers(config: Config) -> list[Config]:
    """The settings of every dense layer, in order; the last is the output."""
    return list(_dense(config["model"]))


def hidden(config: Config) -> list[Config]:
    return layers(config)[:-1]


def _dense(model: Iterable[Any]) -> Iterable[Config]:
    for layer in model:
        if not isinstance(layer, dict):
            continue
        (kind, settings), *_ = layer.items()
        if kind == "dense":
            yield settings
        elif kind == "residual":
            yield from _dense(settings)


def optimizer(config: Config) -> Config:
    """The settings of the optimizer."""
    settings: Config = next(iter(config["optimizer"].values()))
    return settings


def sample(config: Config) -> Config:
    found: Config = config["data"]["source"]["sample"]
    return found


# ---------------------------------------------------------------- small changes


def middle(program: Program) -> int:
    """Index of a hidden layer in the middle; the first of one or two."""
    return (len(program.widths) - 1) // 2


def middle_layer(program: Program) -> str:
    return f"dense{middle(program) + 1}"


def first_layer(program: Program) -> str:
    return "dense1"


def setting(**changes: Any) -> Apply:
    """Settings of every dense layer."""

    def apply(config: Config, program: Program) -> None:
        for layer in layers(config):
            layer.update(changes)

    return apply


def hidden_setting(**changes: Any) -> Apply:
    """Settings of every hidden layer."""

    def apply(config: Config, program: Program) -> None:
        for layer in hidden(config):
            layer.update(changes)

    return apply


def single(**changes: Any) -> Apply:
    """Settings of one hidden layer, in the middle."""

    def apply(config: Config, program: Program) -> None:
        hidden(config)[middle(program)].update(changes)

    return apply


def training(**changes: Any) -> Apply:
    """Settings of the optimizer."""

    def apply(config: Config, program: Program) -> None:
        optimizer(config).update(changes)

    return apply


def learner(name: str, **settings: Any) -> Apply:
    """Another optimizer."""

    def apply(config: Config, program: Program) -> None:
        config["optimizer"] = {name: dict(settings)}

    return apply


def rate(factor: float) -> Apply:
    """The program's learning rate times a factor."""

    def apply(config: Config, program: Program) -> None:
        optimizer(config)["learning_rate"] *= factor

    return apply


def stack(depth: int, width: int, activation: str, **more: Any) -> Apply:
    """So many hidden layers instead of the program's own."""

    def apply(config: Config, program: Program) -> None:
        layer = {"units": width, "activation": activation, **more}
        config["model"][:-1] = [{"dense": dict(layer)} for _ in range(depth)]

    return apply


def blocks(times: int, width: int, block: Sequence[Any]) -> Apply:
    """A dense layer and the same block again and again instead of the hidden layers."""

    def apply(config: Config, program: Program) -> None:
        first = {"dense": {"units": width, "activation": "relu"}}
        repeat = {"repeat": {"times": times, "block": list(block)}}
        config["model"][:-1] = [first, repeat]

    return apply


def behind(layer: Any) -> Apply:
    """Another layer behind every hidden one."""

    def apply(config: Config, program: Program) -> None:
        own = config["model"]
        config["model"] = [x for d in own[:-1] for x in (d, layer)] + own[-1:]

    return apply


def data(**changes: Any) -> Apply:
    """Settings of the data section."""

    def apply(config: Config, program: Program) -> None:
        config["data"].update(changes)

    return apply


def spoilt(*spoilings: Any) -> Apply:
    """Something wrong with the data."""

    def apply(config: Config, program: Program) -> None:
        sample(config)["spoilt"] = list(spoilings)

    return apply


def loss(value: Any) -> Apply:
    def apply(config: Config, program: Program) -> None:
        config["loss"] = value

    return apply


def train(**changes: Any) -> Apply:
    """Settings of the train section."""

    def apply(config: Config, program: Program) -> None:
        config["train"].update(changes)

    return apply


def longer(factor: float) -> Apply:
    """So many times the epochs."""

    def apply(config: Config, program: Program) -> None:
        config["train"]["epochs"] = round(config["train"]["epochs"] * factor)

    return apply


def both(*changes: Apply) -> Apply:
    """One after the other."""

    def apply(config: Config, program: Program) -> None:
        for change in changes:
            change(config, program)

    return apply
