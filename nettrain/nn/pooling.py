"""Pooling: one number for each window, or for each channel as a whole.

Arrays are channels first: (N, C, L) and (N, C, H, W).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nettrain.component import register
from nettrain.errors import Error
from nettrain.graph import Node, constant
from nettrain.graph import operations as ops
from nettrain.nn.convolution import (
    Counts,
    Padding,
    Sizes,
    check_axes,
    for_each,
    paddings,
    require_channels,
    require_fit,
)
from nettrain.nn.layer import Layer
from nettrain.nn.trace import Trace


@dataclass(frozen=True)
class _Pooling(Layer):
    """One number for each window of each channel.

    Attributes:
        size: of the window: one number, or one for each axis.
        stride: how far one window lies from the next; the window's size if not said.
        padding: what stands around the input: `valid`: nothing; `same`: so much that
            there are ⌈L / stride⌉ positions; or how much at either end of each axis, at
            most half a window.
    """

    rank: ClassVar[int]
    size: Counts = 2
    stride: Counts | None = None
    padding: Padding = "valid"

    def check(self) -> Iterator[str]:
        yield from super().check()
        yield from check_axes(self, self.rank, "size", "stride", "padding", "dilation")
        if isinstance(self.padding, str):
            return
        ends = for_each(self.padding, self.rank)
        for end, size in zip(ends, self.sizes, strict=False):
            if end > size // 2:
                yield f"padding: {end} is more than half of a window of {size}"

    @property
    def sizes(self) -> Sizes:
        return for_each(self.size, self.rank)

    @property
    def steps(self) -> Sizes:
        return for_each(self.stride or self.size, self.rank)

    @property
    def dilations(self) -> Sizes:
        return (1,) * self.rank

    def apply(self, x: Node, trace: Trace) -> Node:
        """Channels last, as a convolution leaves them: so x is padded and walked."""
        require_channels(x, self.rank, trace)
        windows = self.sizes, self.steps, self.dilations
        before, after = paddings(self.padding, x.shape[2:], *windows)
        lengths = tuple(map(sum, zip(x.shape[2:], before, after, strict=True)))
        require_fit(lengths, self.sizes, self.dilations, x, trace)
        rows = ops.permute_dims(x, (0, *range(2, 2 + self.rank), 1))
        y = self.pooled(rows, (0, *before, 0), (0, *after, 0))
        return ops.permute_dims(y, (0, 1 + self.rank, *range(1, 1 + self.rank)))

    def pooled(self, rows: Node, before: Sizes, after: Sizes) -> Node:
        """(N, *P, C) of rows (N, *L, C) and how far each axis is padded."""
        raise NotImplementedError

    def windows(self, rows: Node) -> Node:
        """(N, *P, C, *K): windows of what is (N, *L, C)."""
        axes = tuple(range(1, 1 + self.rank))
        return ops.unfold(rows, axes, self.sizes, self.steps, self.dilations)


@dataclass(frozen=True)
class _MaxPool(_Pooling):
    """The largest of each window.

    Attributes:
        dilation: how far the elements of a window lie apart.
    """

    dilation: Counts = 1

    @property
    def dilations(self) -> Sizes:
        return for_each(self.dilation, self.rank)

    def pooled(self, rows: Node, before: Sizes, after: Sizes) -> Node:
        if any((*before, *after)):
            edges = list(zip(before, after, strict=True))
            inside = np.pad(np.ones((1, *rows.shape[1:-1], 1), bool), edges)
            padded = ops.pad(rows, before, after)
            rows = ops.where(constant(inside), padded, -math.inf)
        return ops.max(self.windows(rows), tuple(range(-self.rank, 0)))


@register("max_pool1d")
class MaxPool1d(_MaxPool):
    """y_c(p) = max_k x_c(p·stride + k·dilation): the largest of each window.

    x (N, C, L)  y (N, C, P). What is padded is -∞, so never the largest. Elements that
    tie share the gradient equally; in PyTorch the first of them takes it all.
    """

    rank = 1


@register("max_pool2d")
class MaxPool2d(_MaxPool):
    """y_c(p) = max_k x_c(p·stride + k·dilation): the largest of each window.

    x (N, C, H, W)  y (N, C, P, Q). What is padded is -∞, so never the largest. Elements
    that tie share the gradient equally; in PyTorch the first of them takes it all.
    """

    rank = 2


@dataclass(frozen=True)
class _AveragePool(_Pooling):
    """The mean of each window.

    Attributes:
        count_include_pad: whether zeros around the input count as elements.
    """

    count_include_pad: bool = True

    def pooled(self, rows: Node, before: Sizes, after: Sizes) -> Node:
        lengths = rows.shape[1:-1]
        if any((*before, *after)):
            rows = ops.pad(rows, before, after)
        last = 1 + self.rank
        places, elements = range(1, last), range(1 + last, 1 + last + self.rank)
        # Elements before channels: whole rows of channels are added.
        windows = ops.permute_dims(self.windows(rows), (0, *places, *elements, last))
        total = ops.sum(windows, tuple(range(last, last + self.rank)))
        if self.count_include_pad or not any((*before, *after)):
            return total * (1.0 / math.prod(self.sizes))
        return total * constant(self._shares(lengths, before, after), rows.dtype)

    def _shares(self, lengths: Sizes, before: Sizes, after: Sizes) -> np.ndarray:
        """1 / how many elements of each window are none of the padding, (1, *P, 1)."""
        edges = list(zip(before, after, strict=True))
        inside = np.pad(np.ones((1, *lengths, 1)), edges)
        axes, elements = tuple(range(1, 1 + self.rank)), tuple(range(-self.rank, 0))
        windows = np.lib.stride_tricks.sliding_window_view(inside, self.sizes, axes)
        counts: np.ndarray = windows.sum(elements)
        return 1.0 / counts[:, *[slice(None, None, step) for step in self.steps]]


@register("average_pool1d")
class AveragePool1d(_AveragePool):
    """y_c(p) = Σ_k x_c(p·stride + k) / K: the mean of each window.

    x (N, C, L)  y (N, C, P). Zeros of the padding count, as in PyTorch; in Keras they
    do not: `count_include_pad: false`.
    """

    rank = 1


@register("average_pool2d")
class AveragePool2d(_AveragePool):
    """y_c(p) = Σ_k x_c(p·stride + k) / K²: the mean of each window.

    x (N, C, H, W)  y (N, C, P, Q). Zeros of the padding count, as in PyTorch; in Keras
    they do not: `count_include_pad: false`.
    """

    rank = 2


def _channels(x: Node, trace: Trace) -> Sizes:
    """The axes behind a batch of channels."""
    if len(x.shape) < 3:
        raise Error(
            "graph-shape",
            f"{trace.path} takes arrays (N, C, …) with positions behind the channels, "
            f"and its input has shape {x.shape}",
            fix="say how a row is shaped: data.shape: [1, 8, 8]",
        )
    return tuple(range(2, len(x.shape)))


@register("global_average_pool")
class GlobalAveragePool(Layer):
    """y_c = Σ_p x_c(p) / P: the mean of each channel (Lin, Chen and Yan, ICLR 2014).

    x (N, C, …)  y (N, C).
    """

    def apply(self, x: Node, trace: Trace) -> Node:
        axes = _channels(x, trace)
        # Channels last, as a convolution leaves them: whole rows of them are added.
        rows = ops.permute_dims(x, (0, *axes, 1))
        return ops.mean(rows, tuple(range(1, len(axes) + 1)))


@register("global_max_pool")
class GlobalMaxPool(Layer):
    """y_c = max_p x_c(p): the largest of each channel.

    x (N, C, …)  y (N, C). Elements that tie share the gradient equally.
    """

    def apply(self, x: Node, trace: Trace) -> Node:
        return ops.max(x, _channels(x, trace))
