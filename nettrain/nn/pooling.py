"""Pooling: one number for each window, or for each channel as a whole.

Arrays are channels first: (N, C, L) and (N, C, H, W).
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nettrain.component import register
from nettrain.errors import Error
from nettrain.graph import Node, constant
from nettrain.graph import operations as ops
from nettrain.graph.operations.window import extent
from nettrain.nn.convolution import (
    Counts,
    Padding,
    Sizes,
    check_axes,
    for_each,
    own_steps,
    paddings,
    require_channels,
    require_fit,
)
from nettrain.nn.layer import Layer
from nettrain.nn.sequences import moved, over_time, real
from nettrain.nn.trace import Trace


@dataclass(frozen=True)
class _Edges:
    """How much stands around the positions of rows (N, *L, C).

    Attributes:
        before, after: the padding, for each axis of rows.
        beyond: how much farther the last windows reach.
    """

    before: Sizes
    after: Sizes
    beyond: Sizes

    @property
    def ends(self) -> tuple[Sizes, Sizes]:
        return self.before, tuple(map(operator.add, self.after, self.beyond))

    def around(self, rows: Node) -> Node:
        """Rows with zeros around."""
        return ops.pad(rows, *self.ends) if any(map(any, self.ends)) else rows


@dataclass(frozen=True)
class _Pooling(Layer):
    """One number for each window of each channel.

    Attributes:
        size: of the window: one number, or one for each axis.
        stride: how far one window lies from the next; the window's size if not said.
        padding: what stands around the input: `valid`: nothing; `same`: so much that
            there are ⌈L / stride⌉ positions; or how much at either end of each axis, at
            most half a window.
        ceil_mode: whether a last window may reach beyond the end, of which it takes
            what there is; as PyTorch's it begins in the input or in what stands before.
    """

    rank: ClassVar[int]
    size: Counts = 2
    stride: Counts | None = None
    padding: Padding = "valid"
    ceil_mode: bool = False

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
        mask, lengths = trace.positions_mask(x), x.shape[2:]
        windows = self.sizes, self.steps, self.dilations
        before, after = paddings(self.padding, lengths, *windows)
        beyond = self._beyond(lengths, before, after)
        padded = tuple(map(sum, zip(lengths, before, after, beyond, strict=True)))
        require_fit(padded, self.sizes, self.dilations, x, trace)
        if mask is not None:
            ends = before, after
            own = own_steps(self.padding, self.sizes[0], self.dilations[0], ends)
            trace.mask = self._moved(mask, x, own, trace)
            mask = ops.permute_dims(mask, (0, 2, 1))
        rows = ops.permute_dims(x, (0, *range(2, 2 + self.rank), 1))
        edges = _Edges(*((0, *ends, 0) for ends in (before, after, beyond)))
        y = self.pooled(rows, edges, mask)
        y = ops.permute_dims(y, (0, 1 + self.rank, *range(1, 1 + self.rank)))
        return real(y, trace.mask)

    def _beyond(self, lengths: Sizes, before: Sizes, after: Sizes) -> Sizes:
        """How far the last window reaches beyond the padding of each axis."""
        if not self.ceil_mode:
            return (0,) * self.rank
        beyond = []
        for i, (n, b, a) in enumerate(zip(lengths, before, after, strict=True)):
            step, reach = self.steps[i], extent(self.sizes[i], self.dilations[i])
            last = -(-(n + b + a - reach) // step) * step
            last -= step if last >= n + b else 0
            beyond.append(max(last + reach - (n + b + a), 0))
        return tuple(beyond)

    def _moved(self, mask: Node, x: Node, own: int, trace: Trace) -> Node:
        if self.ceil_mode and self.padding != "same":
            raise Error(
                "graph-mask",
                f"{trace.path}: of windows of {x.shape} that may reach beyond its end "
                f"a mask of shape {mask.shape} does not say which are real",
                fix="say ceil_mode: false, or padding: same",
            )
        return moved(mask, x, own, self.steps[0], trace)

    def pooled(self, rows: Node, edges: _Edges, mask: Node | None) -> Node:
        """(N, *P, C) of rows (N, *L, C), of which a mask (N, L, 1) may tell padding."""
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

    def pooled(self, rows: Node, edges: _Edges, mask: Node | None) -> Node:
        if mask is not None:
            rows = ops.where(mask, rows, float(np.finfo(rows.dtype).min))
        padded = edges.around(rows)
        if padded is not rows:
            ends = list(zip(*edges.ends, strict=True))
            inside = np.pad(np.ones((1, *rows.shape[1:-1], 1), bool), ends)
            padded = ops.where(constant(inside), padded, -math.inf)
        return ops.max(self.windows(padded), tuple(range(-self.rank, 0)))


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

    def pooled(self, rows: Node, edges: _Edges, mask: Node | None) -> Node:
        total = self._sums(edges.around(real(rows, mask)))
        if mask is not None and not self.count_include_pad:
            found = self._sums(edges.around(ops.cast(mask, rows.dtype)))
            return total / ops.maximum(found, 1.0)
        padded = any((*edges.before, *edges.after)) and not self.count_include_pad
        if padded or any(edges.beyond):
            return total * constant(self._shares(rows.shape, edges), rows.dtype)
        return total * (1.0 / math.prod(self.sizes))

    def _sums(self, rows: Node) -> Node:
        """The sum of each window of what is (N, *L, C)."""
        last = 1 + self.rank
        places, elements = range(1, last), range(1 + last, 1 + last + self.rank)
        # Elements before channels: whole rows of channels are added.
        windows = ops.permute_dims(self.windows(rows), (0, *places, *elements, last))
        return ops.sum(windows, tuple(range(last, last + self.rank)))

    def _shares(self, shape: Sizes, edges: _Edges) -> np.ndarray:
        """1 / how many elements of each window count, (1, *P, 1)."""
        counted = np.ones((1, *shape[1:-1], 1))
        around = list(zip(edges.before, edges.after, strict=True))
        counted = np.pad(counted, around, constant_values=self.count_include_pad)
        counted = np.pad(counted, [(0, more) for more in edges.beyond])
        axes, elements = tuple(range(1, 1 + self.rank)), tuple(range(-self.rank, 0))
        windows = np.lib.stride_tricks.sliding_window_view(counted, self.sizes, axes)
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


def _taken_mask(x: Node, trace: Trace) -> Node | None:
    """The mask (N, T) of x (N, C, T), which nothing behind has a use for."""
    mask, trace.mask = trace.positions_mask(x), None
    return None if mask is None else ops.reshape(mask, (mask.shape[0], mask.shape[2]))


@register("global_average_pool")
class GlobalAveragePool(Layer):
    """y_c = Σ_p x_c(p) / P: the mean of each channel (Lin, Chen and Yan, ICLR 2014).

    x (N, C, …)  y (N, C). Steps that are padding are left out.
    """

    def apply(self, x: Node, trace: Trace) -> Node:
        axes = _channels(x, trace)
        if (mask := _taken_mask(x, trace)) is not None:
            return over_time(ops.permute_dims(x, (0, 2, 1)), mask, "mean")
        # Channels last, as a convolution leaves them: whole rows of them are added.
        rows = ops.permute_dims(x, (0, *axes, 1))
        return ops.mean(rows, tuple(range(1, len(axes) + 1)))


@register("global_max_pool")
class GlobalMaxPool(Layer):
    """y_c = max_p x_c(p): the largest of each channel.

    x (N, C, …)  y (N, C). Elements that tie share the gradient equally. Steps that are
    padding are left out.
    """

    def apply(self, x: Node, trace: Trace) -> Node:
        axes = _channels(x, trace)
        if (mask := _taken_mask(x, trace)) is not None:
            return over_time(ops.permute_dims(x, (0, 2, 1)), mask, "max")
        return ops.max(x, axes)
