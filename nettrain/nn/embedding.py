"""Symbols as vectors, and where sequences end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np

from nettrain import randomness
from nettrain.component import Count, Range, register
from nettrain.errors import Error
from nettrain.graph import Node
from nettrain.graph import operations as ops
from nettrain.graph.spec import Shape
from nettrain.nn.initializers import Initializer, Normal
from nettrain.nn.layer import Layer
from nettrain.nn.sequences import no_sequences
from nettrain.nn.trace import Trace


@register("embedding")
class Embedding(Layer):
    """y = W[x]: each symbol's row of a table;  x (N, …)  W (V, F)  y (N, …, F).

    Symbols are the whole numbers 0 … V-1, kept as floats as all data are; another
    value, a scaled one say, is an error and never rounded. As PyTorch's, with N(0, 1)
    for first values; Keras begins with U(-0.05, 0.05).

    Attributes:
        size: F, how many numbers stand for one symbol.
        vocabulary: V, how many symbols there are; `auto`: as many as the data have, in
            the columns or texts that come here.
        weight_init: first values of W.
        padding: the symbol that fills up short sequences. Its row is 0 and stays it;
            of x (N, T), layers behind that mix time steps leave such steps out.
        trainable: whether training changes W.
    """

    size: Count
    vocabulary: Count | Literal["auto"] = "auto"
    weight_init: Initializer = Normal(std=1.0)
    padding: Annotated[int, Range(at_least=0)] | None = None
    trainable: bool = True

    def check(self) -> Iterator[str]:
        yield from super().check()
        if self.vocabulary != "auto":
            yield from self._no_padding(self.vocabulary)

    def _no_padding(self, vocabulary: int) -> Iterator[str]:
        if self.padding is not None and self.padding >= vocabulary:
            yield f"padding: {self.padding} is not one of {vocabulary} symbols"

    def apply(self, x: Node, trace: Trace) -> Node:
        if not x.shape:
            raise Error("graph-shape", f"{trace.path} needs a batch, got {x!r}")
        rows, first = self._rows(x, trace), self.weight_init
        if self.padding is not None:
            first = _WithoutRow(first, self.padding)
        weight = trace.parameter(
            "weight",
            (rows, self.size),
            first,
            fan_in=1,  # of all V, each unit takes up one
            fan_out=self.size,
        )
        symbols = ops.cast(x, "int64")
        # -1 is no symbol: looking it up fails, and what is not whole must.
        whole = ops.equal(ops.cast(symbols, x.dtype), x)
        y = ops.take(weight, ops.where(whole, symbols, -1))
        if self.padding is not None:
            real = ops.not_equal(x, float(self.padding))
            # The row is 0 already; the factor keeps its gradient 0.
            y = y * ops.cast(ops.expand_dims(real, -1), y.dtype)
            trace.mask = real if len(x.shape) == 2 else None
        return trace.mark(y, "embedding")

    def _rows(self, x: Node, trace: Trace) -> int:
        """V, which the symbols of the data, if they are known, must fit."""
        symbols, found = trace.symbols_in(x), self.vocabulary
        if found == "auto":
            if symbols is None:
                raise Error(
                    "config-auto-vocabulary",
                    f"{trace.path}: no data says how many symbols `auto` stands for in "
                    f"its input of shape {x.shape}",
                    fix="write the number of symbols; categorical columns become "
                    "symbols with data.preprocess: [codes]",
                )
            found = symbols
            for message in self._no_padding(found):
                raise Error("config-vocabulary", f"{trace.path}: {message}")
        if symbols is not None and found < symbols:
            raise Error(
                "config-vocabulary",
                f"{trace.path}: its input of shape {x.shape} has {symbols} symbols, "
                f"and its table {(found, self.size)} rows for {found}",
                fix=f"say vocabulary: {symbols}, or auto",
            )
        return found


class _WithoutRow(Initializer):
    """Another initializer's values, but one row 0."""

    def __init__(self, others: Initializer, row: int) -> None:
        self.others, self.row = others, row

    def values(
        self, key: randomness.Key, shape: Shape, fan_in: int, fan_out: int
    ) -> np.ndarray:
        drawn = self.others.values(key, shape, fan_in, fan_out)
        drawn[self.row] = 0
        return drawn


@register("masking")
class Masking(Layer):
    """Time steps of which every feature equals a value are padding; they become 0.

    x (N, T, F). Layers behind that mix time steps leave them out, as in Keras.

    Attributes:
        value: what padding is filled with.
    """

    value: float = 0.0

    def apply(self, x: Node, trace: Trace) -> Node:
        if len(x.shape) != 3:
            raise no_sequences(x, trace)
        differs = ops.cast(ops.not_equal(x, self.value), x.dtype)
        some = ops.max(differs, -1, keepdims=True)
        trace.mask = ops.reshape(ops.greater(some, 0.0), x.shape[:2])
        return x * some
