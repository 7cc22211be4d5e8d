"""Convolutions: units that weigh a window of their input, alike at every position.

Arrays are channels first, as PyTorch's: (N, C, L) and (N, C, H, W). A convolution is
`unfold`, then one matrix product; a transposed one is the product, then `fold`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from nettrain.component import Count, NonNegative, Range, register
from nettrain.errors import Error
from nettrain.graph import Node
from nettrain.graph import operations as ops
from nettrain.graph.operations.window import extent
from nettrain.nn.activations import Activation, Linear
from nettrain.nn.initializers import Initializer, Zeros
from nettrain.nn.layer import Layer
from nettrain.nn.sequences import moved, real
from nettrain.nn.trace import Trace

Whole = Annotated[int, Range(at_least=0)]
Counts = Count | list[Count]
"""One number for all axes, or one for each."""
Padding = Literal["valid", "same"] | Whole | list[Whole]
Sizes = tuple[int, ...]

_FEW_CHANNELS = 8
"""Below this many, columns are copied along positions, not along channels."""
_SHAPES = {1: "[1, 64]", 2: "[1, 8, 8]"}


@dataclass(frozen=True)
class Windows:
    """How windows move over the axes of positions, one number for each axis.

    Attributes:
        steps: from one window to the next.
        dilations: from one element of a window to the next.
        before, after: zeros at the ends of the input; none where left out.
    """

    steps: Sizes
    dilations: Sizes
    before: Sizes = ()
    after: Sizes = ()


def convolve(
    x: Node, weight: Node, windows: Windows, groups: int = 1, bias: Node | None = None
) -> Node:
    """y_nop = b_o + Σ_ck w_ock x_nc(p·step + k·dilation), c in the group of o.

    x (N, C, *L)  weight (O, C/G, *K)  bias (O,)  y (N, O, *P). It is the
    cross-correlation that everybody calls convolution.

    In memory y has its channels last, where the product leaves them, and so have the
    columns that a next convolution makes of it: whole rows of channels are copied. Of
    few channels those rows are too short, and columns are copied along the positions
    (measured: seven times faster with one channel, a quarter of the speed with 32).
    """
    filters, inner, *sizes = weight.shape
    rank, few = len(sizes), inner < _FEW_CHANNELS
    pieces = _pieces(x, tuple(sizes), windows, groups, few)
    first = 3 if few else 2
    n, out = x.shape[0], pieces.shape[first : first + rank]
    rows, length = n * math.prod(out), inner * math.prod(sizes)
    places = tuple(range(first, first + rank))
    elements = tuple(range(3 + rank, 3 + 2 * rank))
    matrix = ops.reshape(weight, (groups, filters // groups, inner, *sizes))
    matrix = ops.permute_dims(matrix, (0, *range(3, 3 + rank), 2, 1))
    matrix = ops.reshape(matrix, (groups, length, filters // groups))
    if few:
        columns = ops.permute_dims(pieces, (0, *elements, 1, 2, *places))
        columns = ops.reshape(columns, (groups, length, rows))
    else:
        columns = ops.permute_dims(pieces, (0, 1, *places, *elements, 2 + rank))
        columns = ops.transpose(ops.reshape(columns, (groups, rows, length)))
    if few and groups > 1:
        y = ops.transpose(ops.matmul(ops.transpose(matrix), columns))
    else:
        y = ops.matmul(ops.transpose(columns), matrix)
    y = ops.reshape(ops.permute_dims(y, (1, 0, 2)), (n, *out, filters))
    if bias is not None:
        y = y + bias
    return ops.permute_dims(y, (0, rank + 1, *range(1, rank + 1)))


def _pieces(x: Node, sizes: Sizes, windows: Windows, groups: int, few: bool) -> Node:
    """Windows of x (N, C, *L), padded, with their elements last.

    Of few channels in a group (G, C/G, N, *P, *K), of many (G, N, *P, C/G, *K): zeros
    are put around x in that order of axes, so that it lies in memory as it is read.
    """
    n, channels, *lengths = x.shape
    x = ops.reshape(x, (n, groups, channels // groups, *lengths))
    places, first = tuple(range(3, 3 + len(sizes))), 3 if few else 2
    x = ops.permute_dims(x, (1, 2, 0, *places) if few else (1, 0, *places, 2))
    if any((*windows.before, *windows.after)):
        ends = (0,) * first, (0,) * (3 - first)
        before = (*ends[0], *windows.before, *ends[1])
        x = ops.pad(x, before, (*ends[0], *windows.after, *ends[1]))
    axes = tuple(range(first, first + len(sizes)))
    return ops.unfold(x, axes, sizes, windows.steps, windows.dilations)


def convolve_back(
    x: Node, weight: Node, lengths: Sizes, windows: Windows, groups: int
) -> Node:
    """y_no(p·step + k·dilation) = Σ_c w_cok x_ncp: the gradient of `convolve`.

    x (N, C, *P)  weight (C, O/G, *K)  y (N, O, *L), of the given lengths.
    """
    n, channels, *places = x.shape
    _, units, *sizes = weight.shape
    inner, rank = channels // groups, len(places)
    rows = ops.reshape(x, (n, groups, inner, *places))
    rows = ops.permute_dims(rows, (1, 0, *range(3, 3 + rank), 2))
    rows = ops.reshape(rows, (groups, n * math.prod(places), inner))
    matrix = ops.reshape(weight, (groups, inner, units, *sizes))
    matrix = ops.permute_dims(matrix, (0, 1, *range(3, 3 + rank), 2))
    matrix = ops.reshape(matrix, (groups, inner, math.prod(sizes) * units))
    y = ops.reshape(ops.matmul(rows, matrix), (groups, n, *places, *sizes, units))
    last = 2 + 2 * rank
    y = ops.permute_dims(y, (1, 0, last, *range(2, last)))
    axes = tuple(range(3, 3 + rank))
    y = ops.fold(y, axes, lengths, windows.steps, windows.dilations)
    return ops.reshape(y, (n, groups * units, *lengths))


# ------------------------------------------------------------------ what layers share


def for_each(value: int | list[int], rank: int) -> Sizes:
    """A number for each axis."""
    return (value,) * rank if isinstance(value, int) else tuple(value)


def check_axes(layer: Layer, rank: int, *settings: str) -> Iterator[str]:
    """A sentence for each setting that has not one number for each axis."""
    for name in settings:
        value = getattr(layer, name, 1)
        if isinstance(value, (list, tuple)) and len(value) != rank:
            axes = "1 axis" if rank == 1 else f"{rank} axes"
            yield f"{name}: {len(value)} numbers, and windows move along {axes}"


def require_channels(x: Node, rank: int, trace: Trace) -> None:
    """`graph-shape` error unless x is (N, C) and one length for each axis."""
    if len(x.shape) == rank + 2:
        return
    lengths = "(N, C, L)" if rank == 1 else "(N, C, H, W)"
    raise Error(
        "graph-shape",
        f"{trace.path} takes arrays {lengths}, batch and channels first, "
        f"and its input has shape {x.shape}",
        fix=f"say how a row is shaped: data.shape: {_SHAPES[rank]}"
        if len(x.shape) == 2
        else "`reshape` it, or choose the layer of the same name for so many axes",
    )


def paddings(
    padding: str | int | list[int],
    lengths: Sizes,
    sizes: Sizes,
    steps: Sizes,
    dilations: Sizes,
) -> tuple[Sizes, Sizes]:
    """How many zeros stand before and after each axis.

    `same`: as many outputs as steps into the input, ⌈L / step⌉; of an odd number of
    zeros the one more stands behind, as in TensorFlow and PyTorch.
    """
    if padding == "same":
        total = tuple(
            max((-(-n // s) - 1) * s + extent(k, d) - n, 0)
            for n, k, s, d in zip(lengths, sizes, steps, dilations, strict=True)
        )
        before = tuple(t // 2 for t in total)
        return before, tuple(t - b for t, b in zip(total, before, strict=True))
    around = for_each(0 if isinstance(padding, str) else padding, len(lengths))
    return around, around


def own_steps(
    padding: str | int | list[int],
    size: int,
    dilation: int,
    ends: tuple[Sizes, Sizes],
) -> int:
    """How many steps of the input a window needs: as many as it reaches over, but for
    those that may be zeros around it; of `same` the one that it stands for."""
    if padding == "same":
        return 1
    return extent(size, dilation) - ends[0][0] - ends[1][0]


def require_fit(
    lengths: Sizes, sizes: Sizes, dilations: Sizes, x: Node, trace: Trace
) -> None:
    """`graph-shape` error unless each axis, padded, is as long as a window reaches."""
    reach = tuple(extent(k, d) for k, d in zip(sizes, dilations, strict=True))
    if any(r > n for r, n in zip(reach, lengths, strict=True)):
        dilated = "" if reach == sizes else f" that reaches over {reach}"
        raise Error(
            "graph-shape",
            f"{trace.path}: a window of size {sizes}{dilated} does not fit its input "
            f"of shape {x.shape}, padded to {lengths}",
            fix="choose a smaller size, or pad more",
        )


# ------------------------------------------------------------------ layers


class _Weighing(Layer):
    """Layers whose units weigh windows: settings by axis, weights, an activation."""

    rank: ClassVar[int]
    """How many axes the windows move along."""
    size: Counts
    padding: Padding
    activation: Activation
    bias: bool
    weight_init: Initializer | Literal["auto"]
    bias_init: Initializer
    weight_l2: float

    def check(self) -> Iterator[str]:
        yield from super().check()
        settings = ("size", "stride", "padding", "dilation", "output_padding")
        yield from check_axes(self, self.rank, *settings)
        if self.activation.name:
            yield "an activation within a convolution has no name of its own"

    def each(self, setting: str) -> Sizes:
        return for_each(getattr(self, setting), self.rank)

    @property
    def initializer(self) -> Initializer:
        """What fills the weights, `auto` resolved by the activation."""
        if self.weight_init == "auto":
            return self.activation.initializer
        return self.weight_init

    def weight(
        self, name: str, shape: Sizes, fans: dict[str, int], trace: Trace, axis: int = 0
    ) -> Node:
        made = trace.parameter(name, shape, self.initializer, unit_axis=axis, **fans)
        trace.penalize(made, self.weight_l2)
        return made

    def offset(self, filters: int, fans: dict[str, int], trace: Trace) -> Node | None:
        """b (O,), if there is one."""
        if not self.bias:
            return None
        return trace.parameter("bias", (filters,), self.bias_init, **fans)

    def entered(self, x: Node, trace: Trace) -> tuple[Node, Windows]:
        """x without its padding, and how windows move over it.

        Raises:
            Error: where they do not fit.
        """
        require_channels(x, self.rank, trace)
        mask = trace.positions_mask(x)
        sizes, dilations = self.each("size"), self.each("dilation")
        steps = self.each("stride")
        before, after = paddings(self.padding, x.shape[2:], sizes, steps, dilations)
        ends = zip(x.shape[2:], before, after, strict=True)
        require_fit(tuple(map(sum, ends)), sizes, dilations, x, trace)
        if mask is not None:
            own = own_steps(self.padding, sizes[0], dilations[0], (before, after))
            trace.mask = moved(mask, x, own, steps[0], trace)
        return real(x, mask), Windows(steps, dilations, before, after)

    def respond(self, y: Node, trace: Trace) -> Node:
        z = trace.mark(y, "pre_activation", unit_axis=1)
        return self.activation.respond(z, trace)


@dataclass(frozen=True)
class _Filters(_Weighing):
    """Layers with a number of filters of their own choice.

    Attributes:
        filters: how many outputs each position has, O; others call them channels.
        size: of the window, K: one number, or one for each axis, as in [3, 5].
        stride: how far one window lies from the next.
        padding: zeros around the input: `valid`: none, the default of Keras and of
            PyTorch; `same`: so many that there are ⌈L / stride⌉ positions; or how many
            at either end of each axis.
        dilation: how far the elements of a window lie apart.
        activation: the nonlinearity f; `none` or `linear`: none.
        bias: whether b is added.
        weight_init: first values of W; `auto`: he_normal for the ReLU family,
            lecun_normal for selu, glorot_uniform otherwise.
        bias_init: first values of b.
        weight_l2: adds weight_l2 / 2 · Σ W² to the training cost.
        trainable: whether training changes W and b.
    """

    filters: Count
    size: Counts = 3
    stride: Counts = 1
    padding: Padding = "valid"
    dilation: Counts = 1
    activation: Activation = field(default_factory=Linear)
    bias: bool = True
    weight_init: Initializer | Literal["auto"] = "auto"
    bias_init: Initializer = field(default_factory=Zeros)
    weight_l2: NonNegative = 0.0
    trainable: bool = True


@dataclass(frozen=True)
class _Convolution(_Filters):
    """Convolutions of whole channels.

    Attributes:
        groups: into how many groups channels and filters are cut; filters see the
            channels of their own group alone.
    """

    groups: Count = 1

    def check(self) -> Iterator[str]:
        yield from super().check()
        if self.filters % self.groups:
            yield f"groups: {self.groups} groups do not divide {self.filters} filters"

    def apply(self, x: Node, trace: Trace) -> Node:
        x, windows = self.entered(x, trace)
        inner = grouped(x, self.groups, trace)
        sizes, area = self.each("size"), math.prod(self.each("size"))
        fans = {
            "fan_in": inner * area,
            "fan_out": self.filters // self.groups * area,
        }
        weight = self.weight("weight", (self.filters, inner, *sizes), fans, trace)
        bias = self.offset(self.filters, fans, trace)
        return self.respond(convolve(x, weight, windows, self.groups, bias), trace)


def grouped(x: Node, groups: int, trace: Trace) -> int:
    """How many of x's channels are in a group; `graph-shape` error if not as many."""
    if x.shape[1] % groups:
        raise Error(
            "graph-shape",
            f"{trace.path}: {groups} groups do not divide the {x.shape[1]} channels "
            f"of its input of shape {x.shape}",
            fix="choose a number of groups that divides both channels and filters",
        )
    return x.shape[1] // groups


@register("conv1d")
class Conv1d(_Convolution):
    """y_o(p) = f(b_o + Σ_ck w_ock x_c(p·stride + k·dilation)): filters along one axis.

    x (N, C, L)  W (O, C/groups, K)  b (O,)  y (N, O, P); C is read off the input.
    Channels stand before positions, and W is shaped, as in PyTorch; Keras has them
    last. `same` with a stride pads as TensorFlow, where PyTorch refuses. Steps that
    are padding (`padding` of an embedding, masking) count as 0, and each sequence has
    as many positions as it would have alone; Keras forgets here what is padding.
    """

    rank = 1


@register("conv2d")
class Conv2d(_Convolution):
    """y_o(p) = f(b_o + Σ_ck w_ock x_c(p·stride + k·dilation)): filters over images.

    x (N, C, H, W)  W (O, C/groups, K, K)  b (O,)  y (N, O, P, Q); C is read off the
    input (LeCun et al. 1998, section II). Channels stand before positions, and W is
    shaped, as in PyTorch; Keras has them last. `same` with a stride pads as TensorFlow,
    where PyTorch refuses.
    """

    rank = 2


@register("depthwise_conv2d")
class DepthwiseConv2d(_Weighing):
    """Each channel has filters of its own: a convolution with as many groups as C.

    x (N, C, H, W)  W (C·multiplier, 1, K, K)  b (C·multiplier,)
    y (N, C·multiplier, P, Q); those of one channel stand together.

    Attributes:
        size: of the window: one number, or one for each axis.
        multiplier: how many filters each channel has.
        stride: how far one window lies from the next.
        padding: zeros around the input: `valid`: none; `same`: so many that there are
            ⌈L / stride⌉ positions; or how many at either end of each axis.
        dilation: how far the elements of a window lie apart.
        activation: the nonlinearity f; `none` or `linear`: none.
        bias: whether b is added.
        weight_init: first values of W; `auto`: as the activation needs it.
        bias_init: first values of b.
        weight_l2: adds weight_l2 / 2 · Σ W² to the training cost.
        trainable: whether training changes W and b.
    """

    rank = 2
    size: Counts = 3
    multiplier: Count = 1
    stride: Counts = 1
    padding: Padding = "valid"
    dilation: Counts = 1
    activation: Activation = Linear()
    bias: bool = True
    weight_init: Initializer | Literal["auto"] = "auto"
    bias_init: Initializer = Zeros()
    weight_l2: NonNegative = 0.0
    trainable: bool = True

    def apply(self, x: Node, trace: Trace) -> Node:
        x, windows = self.entered(x, trace)
        channels, sizes = x.shape[1], self.each("size")
        filters, area = channels * self.multiplier, math.prod(sizes)
        fans = {"fan_in": area, "fan_out": self.multiplier * area}
        weight = self.weight("weight", (filters, 1, *sizes), fans, trace)
        bias = self.offset(filters, fans, trace)
        return self.respond(convolve(x, weight, windows, channels, bias), trace)


@register("separable_conv2d")
class SeparableConv2d(_Filters):
    """A depthwise convolution, then filters that mix its channels at each position.

    y_o(p) = f(b_o + Σ_c v_oc u_c(p)),  u_c(p) = Σ_k w_ck x_c(p·stride + k·dilation).
    x (N, C, H, W)  depthwise_weight (C·multiplier, 1, K, K)
    pointwise_weight (O, C·multiplier, 1, 1)  b (O,)  y (N, O, P, Q) (Chollet, CVPR
    2017). As Keras's: nothing stands between the two; PyTorch has no such layer.

    Attributes:
        multiplier: how many filters each channel has in the first.
    """

    rank = 2
    multiplier: Count = 1

    def apply(self, x: Node, trace: Trace) -> Node:
        x, windows = self.entered(x, trace)
        channels, sizes = x.shape[1], self.each("size")
        middle, area = channels * self.multiplier, math.prod(sizes)
        fans = {"fan_in": area, "fan_out": self.multiplier * area}
        deep = self.weight("depthwise_weight", (middle, 1, *sizes), fans, trace)
        u = convolve(x, deep, windows, channels)
        fans = {"fan_in": middle, "fan_out": self.filters}
        shape = (self.filters, middle, 1, 1)
        wide = self.weight("pointwise_weight", shape, fans, trace)
        bias = self.offset(self.filters, fans, trace)
        y = convolve(u, wide, Windows((1, 1), (1, 1)), bias=bias)
        return self.respond(y, trace)


@dataclass(frozen=True)
class _Transposed(_Filters):
    """Transposed convolutions.

    Attributes:
        padding: how many positions are cut off at either end of each axis: as many as a
            convolution with this padding would have added; 0 where left out.
        output_padding: how many positions more the far end of each axis has: which of
            the lengths that a convolution makes equal is meant.
        groups: into how many groups channels and filters are cut; filters see the
            channels of their own group alone.
    """

    padding: Whole | list[Whole] = 0
    output_padding: Whole | list[Whole] = 0
    groups: Count = 1

    def check(self) -> Iterator[str]:
        yield from super().check()
        if self.filters % self.groups:
            yield f"groups: {self.groups} groups do not divide {self.filters} filters"
        names = ("output_padding", "stride", "dilation")
        for more, *most in zip(*map(self.each, names), strict=False):
            if more >= max(most):
                yield (
                    f"output_padding: {more} must be less than the stride or the "
                    f"dilation, {max(most)}"
                )

    def apply(self, x: Node, trace: Trace) -> Node:
        require_channels(x, self.rank, trace)
        if (mask := trace.positions_mask(x)) is not None:
            raise Error(
                "graph-mask",
                f"{trace.path} spreads the time steps of {x.shape}, and a mask of "
                f"shape {mask.shape} tells some of them to be padding",
                fix="let a layer before it give one vector for each sequence",
            )
        inner = grouped(x, self.groups, trace)
        sizes, steps = self.each("size"), self.each("stride")
        area, units = math.prod(sizes), self.filters // self.groups
        # Strided windows overlap less: an output adds up that many inputs.
        reached = max(inner * area // math.prod(steps), 1)
        fans = {"fan_in": reached, "fan_out": units * area}
        shape = (x.shape[1], units, *sizes)
        weight = self.weight("weight", shape, fans, trace, axis=1)
        bias = self.offset(self.filters, fans, trace)
        y = self._cut(self._full(x, weight), x, trace)
        if bias is not None:
            y = y + ops.reshape(bias, (1, self.filters, *(1,) * self.rank))
        return self.respond(y, trace)

    def _full(self, x: Node, weight: Node) -> Node:
        steps, dilations = self.each("stride"), self.each("dilation")
        axes = zip(x.shape[2:], self.each("size"), steps, dilations, strict=True)
        lengths = tuple((n - 1) * s + extent(k, d) for n, k, s, d in axes)
        windows = Windows(steps, dilations)
        return convolve_back(x, weight, lengths, windows, self.groups)

    def _cut(self, y: Node, x: Node, trace: Trace) -> Node:
        """y without `padding` positions at its ends, with `output_padding` more."""
        cuts, more = self.each("padding"), self.each("output_padding")
        after = tuple(max(m - p, 0) for m, p in zip(more, cuts, strict=True))
        stops = [n - p + m for n, p, m in zip(y.shape[2:], cuts, more, strict=True)]
        if any(stop <= p for stop, p in zip(stops, cuts, strict=True)):
            raise Error(
                "graph-shape",
                f"{trace.path}: padding {cuts} leaves nothing of {y.shape}, which it "
                f"makes of its input of shape {x.shape}",
                fix="choose a smaller padding",
            )
        if any(after):
            zeros = (0,) * len(y.shape)
            y = ops.pad(y, zeros, (0, 0, *after))
        return y[(..., *map(slice, cuts, stops))]


@register("conv_transpose1d")
class ConvTranspose1d(_Transposed):
    """The gradient of a convolution as a layer: every input spreads over a window.

    y_o(p·stride + k·dilation - padding) = f(b_o + Σ_cp w_cok x_c(p)).
    x (N, C, P)  W (C, O/groups, K)  b (O,)
    y (N, O, (P - 1)·stride - 2·padding + (K - 1)·dilation + 1 + output_padding), as in
    PyTorch.
    """

    rank = 1


@register("conv_transpose2d")
class ConvTranspose2d(_Transposed):
    """The gradient of a convolution as a layer: every input spreads over a window.

    y_o(p·stride + k·dilation - padding) = f(b_o + Σ_cp w_cok x_c(p)).
    x (N, C, P, Q)  W (C, O/groups, K, K)  b (O,)  y (N, O, H, W), each of the lengths
    (P - 1)·stride - 2·padding + (K - 1)·dilation + 1 + output_padding, as in PyTorch.
    """

    rank = 2
