"""Initializers: the values that weights start with.

A weight keeps the size of signals that pass through it forward if its variance is
1 / fan_in, and of gradients that come back if it is 1 / fan_out (Glorot and Bengio,
AISTATS 2010, eq. 10-12). ReLU passes half of the variance on, hence the 2 of He et al.
(ICCV 2015, eq. 10). Values depend on the key alone; see `nettrain.randomness`.
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from nettrain import randomness
from nettrain.component import Component, NonNegative, Positive, register
from nettrain.errors import Error
from nettrain.graph.spec import Shape


class Initializer(Component):
    """Base of all initializers."""

    kind = "initializer"

    def values(
        self, key: randomness.Key, shape: Shape, fan_in: int, fan_out: int
    ) -> np.ndarray:
        """The first values of one parameter, float64.

        Args:
            key: of this parameter, so that no two parameters start alike.
            shape: of the parameter.
            fan_in: how many inputs each unit of its layer adds up.
            fan_out: how many units each input of its layer reaches.
        """
        raise NotImplementedError


@register("zeros")
class Zeros(Initializer):
    """0 everywhere: right for biases, and for weights a symmetry that never breaks."""

    def values(
        self, key: randomness.Key, shape: Shape, fan_in: int, fan_out: int
    ) -> np.ndarray:
        return np.zeros(shape)


@register("ones")
class Ones(Initializer):
    """1 everywhere."""

    def values(
        self, key: randomness.Key, shape: Shape, fan_in: int, fan_out: int
    ) -> np.ndarray:
        return np.ones(shape)


@register("constant")
class Constant(Initializer):
    """One number everywhere.

    Attributes:
        value: the number.
    """

    value: float

    def values(
        self, key: randomness.Key, shape: Shape, fan_in: int, fan_out: int
    ) -> np.ndarray:
        return np.full(shape, self.value)


@register("normal")
class Normal(Initializer):
    """N(mean, std²).

    Attributes:
        std: standard deviation.
        mean: mean.
    """

    std: NonNegative = 0.01
    mean: float = 0.0

    def values(
        self, key: randomness.Key, shape: Shape, fan_in: int, fan_out: int
    ) -> np.ndarray:
        return self.mean + self.std * randomness.normal(key, shape)


@register("uniform")
class Uniform(Initializer):
    """U(-limit, limit).

    Attributes:
        limit: the largest size of a value.
    """

    limit: NonNegative = 0.05

    def values(
        self, key: randomness.Key, shape: Shape, fan_in: int, fan_out: int
    ) -> np.ndarray:
        return self.limit * (2.0 * randomness.uniform(key, shape) - 1.0)


class VarianceScaling(Initializer):
    """Values of mean 0 and of the variance that suits a layer's fans."""

    spread: ClassVar[float]
    """The numerator: 1, or 2 for the ReLU family."""
    both_ways: ClassVar[bool] = False
    """Whether forward and backward share: the mean of the fans instead of fan_in."""
    flat: ClassVar[bool] = False
    """Whether values are uniform instead of normal."""

    def variance(self, fan_in: int, fan_out: int) -> float:
        fan = (fan_in + fan_out) / 2 if self.both_ways else fan_in
        return self.spread / max(fan, 1)

    def values(
        self, key: randomness.Key, shape: Shape, fan_in: int, fan_out: int
    ) -> np.ndarray:
        variance = self.variance(fan_in, fan_out)
        if self.flat:  # the variance of U(-a, a) is a² / 3
            return Uniform(math.sqrt(3 * variance)).values(key, shape, fan_in, fan_out)
        return Normal(math.sqrt(variance)).values(key, shape, fan_in, fan_out)


@register("glorot_uniform")
class GlorotUniform(VarianceScaling):
    """U(-a, a), a = √(6 / (fan_in + fan_out)) (Glorot and Bengio 2010, eq. 16)."""

    spread, both_ways, flat = 1.0, True, True


@register("glorot_normal")
class GlorotNormal(VarianceScaling):
    """N(0, 2 / (fan_in + fan_out)) (Glorot and Bengio 2010, eq. 12)."""

    spread, both_ways = 1.0, True


@register("he_uniform")
class HeUniform(VarianceScaling):
    """U(-a, a), a = √(6 / fan_in): for the ReLU family (He et al. 2015)."""

    spread, flat = 2.0, True


@register("he_normal")
class HeNormal(VarianceScaling):
    """N(0, 2 / fan_in): for the ReLU family (He et al. 2015, eq. 10)."""

    spread = 2.0


@register("lecun_uniform")
class LecunUniform(VarianceScaling):
    """U(-a, a), a = √(3 / fan_in) (LeCun, Bottou, Orr and Müller 1998, §4.6)."""

    spread, flat = 1.0, True


@register("lecun_normal")
class LecunNormal(VarianceScaling):
    """N(0, 1 / fan_in): for selu (LeCun et al. 1998, eq. 16)."""

    spread = 1.0


@register("orthogonal")
class Orthogonal(Initializer):
    """A matrix whose rows, or columns if it has fewer, are orthonormal, times `gain`.

    Q of the QR decomposition of a normal matrix, each column with the sign of R's
    diagonal, so that Q is uniform over all such matrices (Saxe, McClelland and Ganguli,
    ICLR 2014; Mezzadri 2007, §5). Axes after the first count as one.

    Attributes:
        gain: the length of each row or column.
    """

    gain: Positive = 1.0

    def values(
        self, key: randomness.Key, shape: Shape, fan_in: int, fan_out: int
    ) -> np.ndarray:
        if len(shape) < 2:
            raise Error(
                "config-initializer",
                f"orthogonal makes matrices, but the parameter has shape {shape}",
                fix="use another initializer, such as zeros for a bias",
            )
        rows, columns = shape[0], math.prod(shape[1:])
        tall = randomness.normal(key, (max(rows, columns), min(rows, columns)))
        q, r = np.linalg.qr(tall)
        q = q * np.where(np.diag(r) < 0, -1.0, 1.0)
        return self.gain * (q if rows >= columns else q.T).reshape(shape)
