"""Every loss and its gradient is PyTorch's, in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nettrain import nn
from nettrain.component import registered
from nettrain.execute.reference import evaluate
from nettrain.graph import gradients, leaf, variables

N = 9
RNG = np.random.default_rng(5)
Z1, Z3, Z6 = (3 * RNG.normal(size=(N, k)) for k in (1, 3, 6))
T3 = RNG.normal(size=(N, 3))
Y = RNG.integers(0, 3, N)
SHARES = RNG.dirichlet(np.ones(3), N)
COUNTS = RNG.poisson(2.0, (N, 3)).astype(float)
SEQUENCE, WORDS = RNG.normal(size=(4, 5, 3)), RNG.integers(0, 3, (4, 5))
PADDED = np.where(RNG.random((4, 5)) < 0.4, -100, WORDS)
WEIGHTS = [1.0, 0.5, 3.0]

Theirs = Callable[[Any, Any, Any, Any], Any]
"""From PyTorch, its functional module, outputs and targets."""
LOSSES: list[tuple[nn.Loss, np.ndarray, np.ndarray, Theirs]] = [
    (nn.MeanSquaredError(), Z3, T3, lambda _, f, z, t: f.mse_loss(z, t)),
    (nn.MeanAbsoluteError(), Z3, T3, lambda _, f, z, t: f.l1_loss(z, t)),
    (nn.Huber(0.7), Z3, T3, lambda _, f, z, t: f.huber_loss(z, t, delta=0.7)),
    (
        nn.BinaryCrossEntropy(), Z3, SHARES,
        lambda _, f, z, t: f.binary_cross_entropy_with_logits(z, t),
    ),
    (
        nn.CrossEntropy(), SEQUENCE, WORDS,
        lambda _, f, z, t: f.cross_entropy(z.movedim(-1, 1), t),
    ),
    (
        nn.CrossEntropy(ignore=-100), SEQUENCE, PADDED,
        lambda _, f, z, t: f.cross_entropy(z.movedim(-1, 1), t),
    ),
    (
        nn.CrossEntropy(0.2, WEIGHTS, ignore=1), SEQUENCE, WORDS,
        lambda torch, f, z, t: f.cross_entropy(
            z.movedim(-1, 1), t, torch.tensor(WEIGHTS).double(), ignore_index=1,
            label_smoothing=0.2,
        ),
    ),
    (
        nn.CrossEntropy(0.2, ignore=-100), SEQUENCE, PADDED,
        lambda _, f, z, t: f.cross_entropy(z.movedim(-1, 1), t, label_smoothing=0.2),
    ),
    (
        nn.CrossEntropy(0.1), SEQUENCE, RNG.dirichlet(np.ones(3), (4, 5)),
        lambda _, f, z, t: f.cross_entropy(
            z.movedim(-1, 1), t.movedim(-1, 1), label_smoothing=0.1
        ),
    ),
    (nn.Hinge(), Z3, Y, lambda _, f, z, t: f.multi_margin_loss(z, t)),
    (nn.Hinge(2.5), Z3, Y, lambda _, f, z, t: f.multi_margin_loss(z, t, margin=2.5)),
    (
        # Its label -1 says max(0, m - distance).
        nn.Hinge(1.5), Z1, np.zeros((N, 1), int),
        lambda _, f, z, t: f.hinge_embedding_loss(-z, t - 1, 1.5),
    ),
    (
        nn.Focal(2.0, WEIGHTS), Z3, Y,
        lambda torch, f, z, t: focal(torch, f, z, t, 2.0),
    ),
    (
        nn.Focal(0.5, WEIGHTS), Z3, Y,
        lambda torch, f, z, t: focal(torch, f, z, t, 0.5),
    ),
    (
        nn.KLDivergence(), Z3, SHARES,
        lambda _, f, z, t: f.kl_div(f.log_softmax(z, -1), t, reduction="batchmean"),
    ),
    (
        nn.Poisson(), Z3 / 3, COUNTS,
        lambda torch, f, z, t: f.poisson_nll_loss(z, t)
        + (torch.xlogy(t, t) - t).mean(),
    ),
    (
        nn.GaussianNLL(), Z6, T3,
        lambda _, f, z, t: f.gaussian_nll_loss(
            z[:, :3], t, f.softplus(z[:, 3:]) + 1e-6
        ),
    ),
    (
        nn.Quantile(), Z3, T3,
        lambda _, f, z, t: f.l1_loss(z, t) / 2,
    ),
    (
        nn.Quantile([0.2, 0.9]), Z6, T3,
        lambda torch, f, z, t: pinball(torch, z.reshape(N, 3, 2), t, [0.2, 0.9]),
    ),
    (nn.LogCosh(), Z3, T3, lambda torch, f, z, t: (z - t).cosh().log().mean()),
    (
        nn.CosineSimilarity(), Z3, T3,
        lambda torch, f, z, t: f.cosine_embedding_loss(z, t, torch.ones(N)),
    ),
    (
        nn.InfoNCE(0.2), Z3, T3,
        lambda torch, f, z, t: f.cross_entropy(scores(f, z, t), torch.arange(N)),
    ),
    (
        nn.InfoNCE(0.2, symmetric=True), Z3, T3,
        lambda torch, f, z, t: (
            f.cross_entropy(scores(f, z, t), torch.arange(N))
            + f.cross_entropy(scores(f, z, t).T, torch.arange(N))
        ) / 2,
    ),
    (nn.Triplet(1.5), Z3, Y, lambda torch, f, z, t: triplets(torch, f, z, t)),
]  # fmt: skip


def focal(torch: Any, f: Any, z: Any, t: Any, gamma: float) -> Any:
    weights = torch.tensor(WEIGHTS).double()[t]
    chance = f.cross_entropy(z, t, reduction="none")
    losses = (1 - torch.exp(-chance)) ** gamma * chance
    return (weights * losses).sum() / weights.sum()


def pinball(torch: Any, z: Any, t: Any, levels: list[float]) -> Any:
    q, short = torch.tensor(levels, dtype=t.dtype), t[:, :, None] - z
    return torch.maximum(q * short, (q - 1) * short).mean()


def scores(f: Any, z: Any, t: Any) -> Any:
    return f.normalize(z) @ f.normalize(t).T / 0.2


def triplets(torch: Any, f: Any, z: Any, t: Any) -> Any:
    rows = range(N)
    found = [
        (a, p, n) for a in rows for p in rows for n in rows
        if a != p and t[a] == t[p] and t[a] != t[n]
    ]  # fmt: skip
    a, p, n = (list(side) for side in zip(*found, strict=True))
    return f.triplet_margin_loss(z[a], z[p], z[n], margin=1.5)


def test_all_losses_are_compared() -> None:
    compared = {type(loss) for loss, *_ in LOSSES}
    assert compared == set(registered(nn.Loss).values())


@pytest.mark.parametrize(
    ("loss", "outputs", "targets", "theirs"), LOSSES, ids=lambda x: type(x).__name__
)
def test_loss(
    torch: Any, loss: nn.Loss, outputs: np.ndarray, targets: np.ndarray, theirs: Theirs
) -> None:
    z = variables("z", shape=outputs.shape)
    t = leaf("input", "t", targets.shape, targets.dtype.name)
    cost = loss.cost(z, t)
    (slope,) = gradients(cost, [z])
    found = evaluate([cost, slope], {z: outputs, t: targets})
    tensor = torch.tensor(outputs, requires_grad=True)
    value = theirs(torch, torch.nn.functional, tensor, torch.tensor(targets))
    value.backward()
    np.testing.assert_allclose(found[cost], value.item(), rtol=1e-11)
    np.testing.assert_allclose(found[slope], tensor.grad, rtol=1e-9, atol=1e-13)
