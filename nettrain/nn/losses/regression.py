"""Losses of numbers: how far outputs are from targets."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Annotated

import numpy as np

from nettrain.component import Positive, Range, register
from nettrain.errors import Error
from nettrain.graph import Node
from nettrain.graph import operations as ops
from nettrain.nn.activations import shifted, softmax
from nettrain.nn.losses.loss import Loss, paired, x_log_x


class Regression(Loss):
    """Losses of e = output - target, element by element, mean over all elements."""

    task = "regression"

    def penalty(self, error: Node) -> Node:
        """The loss of each element."""
        raise NotImplementedError

    def formula(self, outputs: Node, targets: Node) -> Node:
        return ops.mean(self.penalty(outputs - paired(self, outputs, targets)))

    def outputs_for(self, classes: int, targets: int) -> int:
        return targets


@register("mse")
class MeanSquaredError(Regression):
    """e²: the mean squared error."""

    def penalty(self, error: Node) -> Node:
        return ops.square(error)

    def prior(self, targets: np.ndarray) -> float:
        """The variance of the targets."""
        return float(np.mean(np.var(targets, axis=0, dtype=np.float64)))


@register("mae")
class MeanAbsoluteError(Regression):
    """|e|: the mean absolute error; its gradient is the sign, 0 where e = 0."""

    def penalty(self, error: Node) -> Node:
        return ops.absolute(error)

    def prior(self, targets: np.ndarray) -> float:
        """The mean distance to the median."""
        exact = targets.astype(np.float64)
        return float(np.mean(np.abs(exact - np.median(exact, axis=0))))


def _left(targets: np.ndarray, pull: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Targets less the constant at which their pulls cancel, found by bisection."""
    exact = targets.astype(np.float64)
    low, high = exact.min(axis=0), exact.max(axis=0)
    for _ in range(80):
        middle = (low + high) / 2
        total = pull(exact - middle).sum(axis=0)
        low = np.where(total > 0, middle, low)
        high = np.where(total > 0, high, middle)
    left: np.ndarray = exact - (low + high) / 2
    return left


@register("huber")
class Huber(Regression):
    """e²/2 where |e| ≤ δ, else δ (|e| - δ/2): outliers pull with force δ (Huber 1964).

    With c = e held between -δ and δ both are c (e - c/2).

    Attributes:
        delta: δ, where the square turns into a line.
    """

    delta: Positive = 1.0

    def penalty(self, error: Node) -> Node:
        bounded = ops.clip(error, -self.delta, self.delta)
        return bounded * (error - bounded * 0.5)

    def prior(self, targets: np.ndarray) -> float:
        """The loss at the constant whose bounded errors cancel."""
        error = _left(targets, lambda e: np.clip(e, -self.delta, self.delta))
        bounded = np.clip(error, -self.delta, self.delta)
        return float(np.mean(bounded * (error - bounded / 2)))


@register("log_cosh")
class LogCosh(Regression):
    """ln cosh e: near e²/2 for small errors, |e| - ln 2 for large ones.

    Its gradient is tanh e. Written as e + ln(1 + e^-2e) - ln 2, which cannot overflow.
    """

    def penalty(self, error: Node) -> Node:
        return error + ops.softplus(error * -2.0) - math.log(2.0)

    def prior(self, targets: np.ndarray) -> float:
        """The loss at the constant whose tanh e cancel."""
        error = _left(targets, np.tanh)
        return float(np.mean(np.logaddexp(error, -error) - math.log(2.0)))


Level = Annotated[float, Range(above=0, below=1)]


@register("quantile")
class Quantile(Regression):
    """max(q d, (q - 1) d), d = target - output: the best output is the q-quantile.

    (Koenker and Bassett, Econometrica 1978, eq. 2.2; also called pinball.) Of several
    quantiles each target needs as many outputs, those of the first target first, and
    the mean is over all. The prediction, which metrics judge, is the quantile nearest
    to the median.

    Attributes:
        quantiles: one number between 0 and 1, or a list of them.
    """

    quantiles: Level | list[Level] = 0.5

    def check(self) -> Iterator[str]:
        if not self.levels:
            yield "quantiles: [] names no quantile"

    @property
    def levels(self) -> list[float]:
        given = self.quantiles
        return [given] if isinstance(given, float) else list(given)

    def formula(self, outputs: Node, targets: Node) -> Node:
        levels = np.array(self.levels, outputs.dtype)
        t = paired(self, outputs, targets, len(levels))
        if len(levels) == 1:
            short = t - outputs
        else:
            each = ops.reshape(outputs, (*t.shape, len(levels)))
            short = ops.expand_dims(t, -1) - each
        return ops.mean(ops.maximum(short * levels, short * (levels - 1)))

    def predictions(self, outputs: Node) -> Node:
        count = len(self.levels)
        middle = int(np.argmin(np.abs(np.array(self.levels) - 0.5)))
        return outputs if count == 1 else outputs[..., middle::count]

    def outputs_for(self, classes: int, targets: int) -> int:
        return targets * len(self.levels)

    def prior(self, targets: np.ndarray) -> float:
        """The loss of the targets' own quantiles."""
        exact, losses = targets.astype(np.float64), []
        for q in self.levels:
            short = exact - np.quantile(exact, q, axis=0, method="inverted_cdf")
            losses.append(np.mean(np.maximum(q * short, (q - 1) * short)))
        return float(np.mean(losses))


# ------------------------------------------------------------------ likelihoods


@register("poisson")
class Poisson(Regression):
    """e^z - t z + (t ln t - t), for counts t: z is the logarithm of the expected count.

    The negative log-likelihood of a Poisson distribution, as PyTorch's with log_input,
    but for the bracket: a constant of the targets that makes the least loss 0 (half the
    deviance; McCullagh and Nelder 1989, §2.3.1). Gradients are the same, e^z - t.
    Predictions are expected counts e^z. Targets below 0 are refused.
    """

    def formula(self, outputs: Node, targets: Node) -> Node:
        t = paired(self, outputs, targets)
        some = ops.greater(t, 0.0)
        # t (e^r - 1 - r) with r = z - ln t: no difference of large numbers.
        ratio = outputs - ops.log(ops.where(some, t, 1.0))
        return ops.mean(
            ops.where(some, t * (ops.expm1(ratio) - ratio), ops.exp(outputs))
        )

    def predictions(self, outputs: Node) -> Node:
        return ops.exp(outputs)

    def fitted(self, targets: np.ndarray, classes: int) -> Loss:
        if np.min(targets, initial=0.0) < 0:
            raise Error(
                "config-loss",
                f"poisson is for counts, and a target is {np.min(targets):g}",
                fix="use mse, or leave standardize_target out",
            )
        return self

    def prior(self, targets: np.ndarray) -> float:
        """The loss of the targets' means: mean (t ln t) - mean t · ln mean t."""
        exact = targets.astype(np.float64)
        return float(np.mean(_entropy(exact.mean(axis=0)) - _entropy(exact).mean(0)))


def _entropy(t: np.ndarray) -> np.ndarray:
    """-t ln t, 0 at t = 0."""
    made: np.ndarray = -t * np.log(np.where(t > 0, t, 1.0))
    return made


@register("kl_divergence")
class KLDivergence(Loss):
    """Σ_k t_k (ln t_k - ln softmax(z)_k): how far shares are from the true ones.

    (Kullback and Leibler 1951.) outputs z and targets t (N, …, K), the targets of a row
    not below 0 and 1 in sum: K columns of a table that are shares of a whole. The mean
    is over rows, PyTorch's `batchmean` (its `mean` divides by K too). Its gradient is
    softmax(z) - t, and it is 0 where the shares are met. Predictions are the softmax.
    """

    task = "regression"
    applies = "softmax"

    def formula(self, outputs: Node, targets: Node) -> Node:
        t = paired(self, outputs, targets)
        low = shifted(outputs)
        total = ops.log(ops.sum(ops.exp(low), -1, keepdims=True))
        return ops.mean(ops.sum(x_log_x(t) + t * (total - low), -1))

    def predictions(self, outputs: Node) -> Node:
        return softmax(outputs)

    def outputs_for(self, classes: int, targets: int) -> int:
        if targets < 2:
            raise Error(
                "config-loss",
                "kl_divergence compares shares of a whole: it needs several targets",
                fix="name all columns of the shares in data.target, or use mse",
            )
        return targets

    def fitted(self, targets: np.ndarray, classes: int) -> Loss:
        whole = np.allclose(targets.sum(axis=-1, dtype=np.float64), 1.0, atol=1e-3)
        if not whole or np.min(targets, initial=0.0) < 0:
            raise Error(
                "config-loss",
                "kl_divergence is for shares of a whole: the targets of each row must "
                "be 0 or more, and 1 in sum",
                fix="use mse, or leave standardize_target out",
            )
        return self

    def prior(self, targets: np.ndarray) -> float:
        """The entropy of the mean shares, less the mean entropy of the shares."""
        exact = targets.reshape(-1, targets.shape[-1]).astype(np.float64)
        return float(np.sum(_entropy(exact.mean(axis=0)) - _entropy(exact).mean(0)))


@register("gaussian_nll")
class GaussianNLL(Regression):
    """(ln v + e²/v) / 2, v the variance that the model gives beside the mean.

    (Nix and Weigend, ICNN 1994; PyTorch's gaussian_nll_loss.) Each target has two
    outputs: of T targets the first T are means, the others u make the variances
    v = ln(1 + e^u) + ε (Lakshminarayanan, Pritzel and Blundell, NeurIPS 2017, §2.2.1);
    PyTorch takes v itself and raises it to ε. Predictions are the means. The loss L may
    be below 0 and depends on the target's unit, so that the diagnosis goes by the share
    of the variance that is left, e^(2 (L - H0)), 1 for a guess.

    Attributes:
        epsilon: ε, the least variance.
    """

    bounded = False
    epsilon: Positive = 1e-6

    def formula(self, outputs: Node, targets: Node) -> Node:
        t = paired(self, outputs, targets, 2)
        count = t.shape[-1]
        variance = ops.softplus(outputs[..., count:]) + self.epsilon
        error = outputs[..., :count] - t
        # Not error² / variance: the square overflows long before the quotient does.
        return ops.mean(ops.log(variance) + error * (error / variance)) * 0.5

    def predictions(self, outputs: Node) -> Node:
        return outputs[..., : outputs.shape[-1] // 2]

    def outputs_for(self, classes: int, targets: int) -> int:
        return 2 * targets

    def prior(self, targets: np.ndarray) -> float:
        """The loss of the targets' means and variances."""
        own = np.var(targets, axis=0, dtype=np.float64)
        variance = np.maximum(own, self.epsilon)
        return float(np.mean(np.log(variance) + own / variance) / 2)
