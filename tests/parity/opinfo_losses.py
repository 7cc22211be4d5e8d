"""PyTorch's losses in ours, which are means.

A rule has the parameters of PyTorch's function, tensors being nodes; see
`opinfo_operations`.
"""

from __future__ import annotations

import math
from typing import Any

from nettrain import nn
from nettrain.graph import Node
from nettrain.graph import operations as ops
from tests.parity.opinfo_operations import Rule, Unsupported, numbers, without


def _mean(made: nn.Loss, x: Node, t: Node, reduction: str) -> Node:
    """A loss, which is the mean over all numbers, or their sum."""
    if reduction not in ("mean", "sum"):
        raise Unsupported(f"reduction {reduction}")
    return made.cost(x, t) * (x.spec.size if reduction == "sum" else 1.0)


def _loss(made: nn.Loss) -> Rule:
    return lambda x, t, reduction="mean": _mean(made, x, t, reduction)


def smooth_l1(x: Node, t: Node, reduction: str = "mean", beta: float = 1.0) -> Node:
    """Huber's loss over β, and where β is 0 the absolute error."""
    if not beta:
        return _mean(nn.MeanAbsoluteError(), x, t, reduction)
    return _mean(nn.Huber(beta), x, t, reduction) * (1 / beta)


def huber(x: Node, t: Node, reduction: str = "mean", delta: float = 1.0) -> Node:
    return _mean(nn.Huber(delta), x, t, reduction)


def binary_cross_entropy(
    x: Node,
    t: Node,
    weight: Node | None = None,
    pos_weight: Node | None = None,
    reduction: str = "mean",
) -> Node:
    without(weight=weight, pos_weight=pos_weight)
    return _mean(nn.BinaryCrossEntropy(), x, t, reduction)


def binary_cross_entropy_of_shares(
    x: Node, t: Node, weight: Node | None = None, reduction: str = "mean"
) -> Node:
    """Ours takes logits; PyTorch holds both logarithms above -100."""
    if not ((numbers(x) > 0) & (numbers(x) < 1)).all():
        raise Unsupported("shares of 0 or 1")
    return binary_cross_entropy(ops.log(x / (1.0 - x)), t, weight, None, reduction)


def cross_entropy(
    x: Node,
    t: Node,
    weight: Node | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Node:
    """Ours has the classes last. A sum is the mean times what the mean divides by."""
    if reduction not in ("mean", "sum"):
        raise Unsupported(f"reduction {reduction}")
    shares = None if weight is None else numbers(weight)
    hard = not t.spec.is_float
    made = nn.CrossEntropy(
        label_smoothing,
        "none" if shares is None else shares.tolist(),
        ignore_index if hard else None,
    )
    last = (0, *range(2, len(x.shape)), 1)
    labels = t if hard else ops.permute_dims(t, last)
    cost = made.cost(ops.permute_dims(x, last), labels)
    if reduction == "mean":
        return cost
    if not hard:
        return cost * (t.spec.size / t.shape[1])
    counted = numbers(t)[numbers(t) != ignore_index]
    return cost * float(len(counted) if shares is None else shares[counted].sum())


def multi_margin(
    x: Node,
    t: Node,
    p: int = 1,
    margin: float = 1.0,
    weight: Node | None = None,
    reduction: str = "mean",
) -> Node:
    without(weight=weight)
    if p != 1 or reduction == "none":
        raise Unsupported("p" if p != 1 else "reduction none")
    rows = _rows(x)
    if rows.shape[1] < 2:
        raise Unsupported("one class")
    cost = nn.Hinge(margin).cost(rows, ops.reshape(t, rows.shape[:1]))
    return cost * (rows.shape[0] if reduction == "sum" else 1.0)


def _rows(x: Node) -> Node:
    """One example as a batch of it."""
    return x if len(x.shape) > 1 else ops.reshape(x, (1, x.spec.size))


def poisson(
    x: Node,
    t: Node,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Node:
    """Ours adds t ln t - t for t > 0; `full` does for t > 1, and (ln 2πt) / 2."""
    if reduction == "none" or (numbers(t) < 0).any():
        raise Unsupported("reduction none" if reduction == "none" else "no counts")
    cost = nn.Poisson().cost(x if log_input else ops.log(x + eps), t)
    if not log_input:  # e^z is x + eps, and PyTorch adds x
        cost = cost - eps
    some = ops.where(ops.greater(t, 0.0), t, 1.0)
    bracket = ops.where(ops.greater(t, 0.0), t * ops.log(some) - t, 0.0)
    stirling = ops.log(some * (2 * math.pi)) * 0.5
    more = ops.greater(t, 1.0 if full else math.inf)
    cost = cost + ops.mean(ops.where(more, stirling, -bracket))
    return cost * (x.spec.size if reduction == "sum" else 1.0)


def gaussian_nll(
    x: Node,
    t: Node,
    var: Any,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Node:
    """Ours takes u with softplus(u) + ε for the variance; `full` adds ln(2π) / 2."""
    if reduction == "none" or not isinstance(var, Node):
        raise Unsupported("reduction none" if reduction == "none" else "a number")
    if (numbers(var) <= eps).any():
        raise Unsupported("a variance below eps")
    if len(var.shape) < len(x.shape):
        var = ops.expand_dims(var, -1)
    u = ops.log(ops.expm1(ops.broadcast_to(var, x.shape) - eps))
    outputs = ops.concat([x, u], -1)
    cost = nn.GaussianNLL(eps).cost(outputs, ops.broadcast_to(t, x.shape))
    cost = cost + (math.log(2 * math.pi) / 2 if full else 0.0)
    return cost * (x.spec.size if reduction == "sum" else 1.0)


def kl_div(x: Node, t: Node, reduction: str = "mean", log_target: bool = False) -> Node:
    """Ours takes logits, not logarithms of shares: with exponents that add up to 1."""
    if reduction == "none":
        raise Unsupported("reduction none")
    t = ops.exp(t) if log_target else t
    rows, wanted = _rows(x), _rows(t)
    cost = nn.KLDivergence().cost(rows, wanted)
    # Ours normalizes: Σ t ln Σ e^x more than PyTorch's.
    mass = ops.sum(wanted, -1) * ops.logsumexp(rows, -1)
    total = cost * math.prod(rows.shape[:-1]) - ops.sum(mass)
    count = {"sum": 1, "batchmean": x.shape[0], "mean": x.spec.size}[reduction]
    return total * (1 / count)


RULES: dict[str, Rule] = {
    "nn_functional_binary_cross_entropy": binary_cross_entropy_of_shares,
    "nn_functional_binary_cross_entropy_with_logits": binary_cross_entropy,
    "nn_functional_cross_entropy": cross_entropy,
    "nn_functional_gaussian_nll_loss": gaussian_nll,
    "nn_functional_huber_loss": huber,
    "nn_functional_kl_div": kl_div,
    "nn_functional_l1_loss": _loss(nn.MeanAbsoluteError()),
    "nn_functional_mse_loss": _loss(nn.MeanSquaredError()),
    "nn_functional_multi_margin_loss": multi_margin,
    "nn_functional_poisson_nll_loss": poisson,
    "nn_functional_smooth_l1_loss": smooth_l1,
}
