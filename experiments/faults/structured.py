"""Convolutional, recurrent, normalized and attention programs, on both splits.

What is done to them, and what is changed and leaves them healthy, is in
`structured_changes`.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.faults.programs import Config, Program, adam, sgd


@dataclass(frozen=True)
class Structured(Program):
    """A network of other layers than dense ones.

    Its kind is convolutional, `normalized` (convolutions with a normalization behind
    each), recurrent or attention.

    Attributes:
        model: the layers before the output.
        shape: of a row; the source's own where it is empty.
        whole: whether the source is taken as it is, and cut by the config.
    """

    model: Sequence[Any] = ()
    shape: Sequence[int] = ()
    whole: bool = False

    def config(self, seed: int) -> Config:
        config = copy.deepcopy(super().config(seed))
        config["model"] = [*copy.deepcopy(list(self.model)), config["model"][-1]]
        if self.shape:
            config["data"]["shape"] = list(self.shape)
        if self.whole:
            config["data"]["source"] = config["data"]["source"]["sample"]["of"]
            config["data"]["split"] = {"validation": 0.15, "test": 0.15}
        return config


def conv(filters: int, activation: str = "relu", rank: int = 2, **more: Any) -> Config:
    given = {"filters": filters, "padding": "same", "activation": activation, **more}
    return {f"conv{rank}d": given}


def encoder(**more: Any) -> Config:
    given = {"heads": 2, "feed_forward": 32, "dropout": 0.0, **more}
    return {"transformer_encoder": given}


def embedding(size: int, vocabulary: int, **more: Any) -> Config:
    return {"embedding": {"size": size, "vocabulary": vocabulary, **more}}


def normalized(
    filters: Sequence[int], norm: Any, activation: str, rank: int = 2
) -> Any:
    """Convolutions with a normalization, then an activation, behind each."""
    row = [[conv(n, "none", rank), copy.deepcopy(norm), activation] for n in filters]
    return [layer for block in row for layer in block]


def made(name: str, **settings: Any) -> Mapping[str, Any]:
    return {name: settings}


ADDING = made("adding", samples=2500, length=10)
COPY = made("copy", samples=1500, length=4, symbols=6, delay=2)

TUNING = (
    Structured("digits-conv", "tuning", "digits", (8, 16), "conv relu", adam(3e-3), 8,
               rows=1400, shape=(1, 8, 8), kind="convolutional",
               reached=0.9,
               model=[conv(8), "max_pool2d", conv(16), "flatten"]),
    Structured("digits-conv-tanh", "tuning", "digits", (10, 20), "conv tanh",
               sgd(0.1, 0.9), 8, rows=1400, shape=(1, 8, 8), kind="convolutional",
               reached=0.9,
               model=[conv(10, "tanh"), "average_pool2d", conv(20, "tanh"), "flatten"]),
    Structured("digits-norm", "tuning", "digits", (12, 16), "conv norm", adam(3e-3), 8,
               rows=1400, shape=(1, 8, 8), kind="normalized", reached=0.9,
               model=[*normalized((12, 16), "batch_norm", "relu"), "flatten"]),
    Structured("adding-rnn", "tuning", ADDING, (24,), "rnn", adam(5e-3), 20, loss="mse",
               preprocess=(), kind="recurrent", model=[{"rnn": {"units": 24}}],
               reached=0.9, whole=True),
    Structured("adding-lstm", "tuning", ADDING, (22,), "lstm", adam(1e-2), 15,
               loss="mse", preprocess=(), kind="recurrent",
               model=[{"lstm": {"units": 22}}], reached=0.95, whole=True),
    Structured("copy-causal", "tuning", COPY, (16, 32), "attention", adam(3e-3), 10,
               preprocess=(), kind="attention", reached=0.99, whole=True,
               model=[embedding(16, 8), {"positional": {}}, encoder(causal=True),
                      "layer_norm"]),
)  # fmt: skip

HELD_OUT = (
    Structured("strokes-conv", "held-out", made("strokes"), (12, 12), "conv relu",
               adam(5e-3), 12, batch=16, preprocess=(), shape=(1, 9, 9),
               kind="convolutional", reached=0.9,
               model=[conv(12), conv(12, stride=2, padding=1), "global_max_pool"]),
    Structured("waves-conv", "held-out", made("waves"), (12, 24), "conv tanh",
               adam(3e-3), 15, batch=16, preprocess=(), shape=(1, 32),
               kind="convolutional", reached=0.9,
               model=[conv(12, "tanh", 1, size=5), "max_pool1d",
                      conv(24, "tanh", 1, size=5), "flatten"]),
    Structured("strokes-norm", "held-out", made("strokes"), (10, 20), "conv norm",
               adam(5e-3), 12, batch=16, preprocess=(), shape=(1, 9, 9),
               kind="normalized", reached=0.9,
               model=[*normalized((10, 20), {"group_norm": 5}, "relu"),
                      "global_max_pool"]),
    Structured("remembered-rnn", "held-out", made("remembered", length=12), (16,),
               "rnn", adam(5e-3), 20, batch=16, preprocess=(), shape=(12, 1),
               kind="recurrent", model=[{"rnn": {"units": 16}}], reached=0.95),
    Structured("waves-gru", "held-out", made("waves"), (24,), "gru", adam(1e-2), 25,
               batch=16, preprocess=(), shape=(32, 1), kind="recurrent",
               model=[{"gru": {"units": 24}}], reached=0.85),
    Structured("remembered-lstm", "held-out", made("remembered", length=20, noise=0.6),
               (20,), "lstm", adam(1e-2), 25, batch=16, preprocess=(), shape=(20, 1),
               kind="recurrent", model=[{"lstm": {"units": 20}}], reached=0.95),
    Structured("commonest-encoder", "held-out", made("commonest"), (12, 24),
               "attention", adam(3e-3), 12, preprocess=(), shape=(9,),
               kind="attention", reached=0.95,
               model=[embedding(12, 4), encoder(feed_forward=24, norm_first=False),
                      "pool_time"]),
)  # fmt: skip


def long_sequences(config: Config, steps: int) -> None:
    """The same task over more time steps."""
    source = config["data"]["source"]
    source = source["sample"]["of"] if "sample" in source else source
    next(iter(source.values()))["length"] = steps
    if "shape" in config["data"]:
        config["data"]["shape"][0] = steps


def layers_of(config: Config, *kinds: str) -> list[Config]:
    """The settings of every layer of these kinds, in order."""
    found = []
    for layer in config["model"]:
        for name, settings in layer.items() if isinstance(layer, dict) else ():
            if name in kinds:
                found.append(settings)
    return found
