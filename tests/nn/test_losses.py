"""Losses: values by hand, priors, extremes, and the shapes they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nettrain import nn
from nettrain.component import registered
from nettrain.errors import Error
from nettrain.graph import Node, gradients, leaf, variables

RNG = np.random.default_rng(0)
Z = RNG.normal(size=(6, 3))
Y = np.array([0, 2, 1, 1, 2, 1])
SOFT = RNG.dirichlet(np.ones(3), 6)


def cost(value: Any, loss: nn.Loss, outputs: Any, targets: Any) -> float:
    outputs, targets = np.asarray(outputs), np.asarray(targets)
    z, t = leaves(outputs, targets)
    return float(value(loss.cost(z, t), {z: outputs, t: targets}))


def leaves(outputs: np.ndarray, targets: np.ndarray) -> tuple[Node, Node]:
    return (
        variables("z", shape=outputs.shape, dtype=outputs.dtype.name),
        leaf("input", "t", targets.shape, targets.dtype.name),
    )


def test_all_are_there() -> None:
    assert list(registered(nn.Loss)) == [
        "binary_cross_entropy", "cosine", "cross_entropy", "focal", "gaussian_nll",
        "hinge", "huber", "info_nce", "kl_divergence", "log_cosh", "mae", "mse",
        "poisson", "quantile", "triplet",
    ]  # fmt: skip


def test_cross_entropy_by_hand(value: Any) -> None:
    logits = np.log([[0.2, 0.8], [0.5, 0.5]])
    expected = -(np.log(0.8) + np.log(0.5)) / 2
    assert cost(value, nn.CrossEntropy(), logits, [1, 0]) == pytest.approx(expected)
    shares = [[0.0, 1.0], [1.0, 0.0]]
    assert cost(value, nn.CrossEntropy(), logits, shares) == pytest.approx(expected)


def test_gradient_of_cross_entropy_is_softmax_minus_labels(value: Any) -> None:
    z, t = leaves(Z, Y)
    loss = nn.cross_entropy(z, t)
    (gradient,) = gradients(loss, [z])
    softmax = np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(
        value(gradient, {z: Z, t: Y}), (softmax - np.eye(3)[Y]) / 6, atol=1e-15
    )


@pytest.mark.parametrize("size", [30.0, 1e4, 1e30])
def test_cross_entropy_of_extreme_outputs(value: Any, size: float) -> None:
    outputs = np.array([[size, 0, -size]] * 2, dtype=np.float32)
    z, t = leaves(outputs, np.array([0, 2]))
    loss = nn.cross_entropy(z, t)
    got, slope = value([loss, gradients(loss, [z])[0]], {z: outputs, t: [0, 2]})
    assert got == pytest.approx(size) and np.isfinite(slope).all()
    assert got.dtype == slope.dtype == np.float32


def test_cross_entropy_keeps_its_digits_near_zero(value: Any) -> None:
    outputs = np.array([[1000.0, 990.0]], dtype=np.float32)
    assert cost(value, nn.CrossEntropy(), outputs, [0]) == pytest.approx(4.54e-5, 1e-3)


def test_binary_cross_entropy_keeps_its_digits(value: Any) -> None:
    outputs = np.array([[30.0], [-30.0]], dtype=np.float32)
    good = cost(value, nn.BinaryCrossEntropy(), outputs, [1, 0])
    assert good == pytest.approx(np.exp(-30), rel=1e-5, abs=0)
    assert cost(value, nn.BinaryCrossEntropy(), outputs, [0, 1]) == pytest.approx(30)


def test_gradient_of_binary_cross_entropy(value: Any) -> None:
    outputs = np.array([[0.0], [2.0], [0.0]])
    labels = np.array([1, 1, 0])
    z, t = leaves(outputs, labels)
    (gradient,) = gradients(nn.binary_cross_entropy(z, t), [z])
    p = 1 / (1 + np.exp(-outputs))
    np.testing.assert_allclose(
        value(gradient, {z: outputs, t: labels}), (p - labels[:, None]) / 3
    )


@pytest.mark.parametrize(
    ("loss", "expected"),
    [(nn.mse, (0.25 + 9) / 2), (nn.mae, 1.75), (nn.huber, (0.125 + 2.5) / 2)],
)
def test_regression_by_hand(value: Any, loss: Any, expected: float) -> None:
    outputs, targets = np.array([[1.5], [1.0]]), np.array([[1.0], [4.0]])
    z, t = leaves(outputs, targets)
    node = loss(z, t)
    assert value(node, {z: outputs, t: targets}) == pytest.approx(expected)
    assert (node.path, node.role, node.shape) == ("cost", "cost", ())


REGRESSION = [
    nn.MeanSquaredError(),
    nn.MeanAbsoluteError(),
    nn.Huber(),
    nn.LogCosh(),
    nn.Quantile(),
    nn.Poisson(),
    nn.KLDivergence(),
    nn.CosineSimilarity(),
    nn.InfoNCE(),
]


@pytest.mark.parametrize("loss", REGRESSION)
@pytest.mark.parametrize("shapes", [((6, 1), (6,)), ((6,), (6, 1)), ((6, 2), (6, 1))])
def test_regression_refuses_unequal_shapes(loss: nn.Loss, shapes: Any) -> None:
    z, t = leaves(np.zeros(shapes[0]), np.zeros(shapes[1]))
    with pytest.raises(Error, match="shapes must be equal") as caught:
        loss.cost(z, t)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("outputs", "labels"),
    [((6, 3), (6, 1)), ((6, 3), (5,)), ((6,), (6,)), ((6, 2, 2), (6,))],
)
def test_cross_entropy_refuses_other_shapes(outputs: Any, labels: Any) -> None:
    z, t = leaves(np.zeros(outputs), np.zeros(labels, dtype=np.int64))
    with pytest.raises(Error, match="cross_entropy takes"):
        nn.cross_entropy(z, t)


def test_soft_labels_need_a_share_for_each_class() -> None:
    z, t = leaves(Z, SOFT[:, :2])
    with pytest.raises(Error, match="shapes must be equal"):
        nn.cross_entropy(z, t)


@pytest.mark.parametrize(
    ("outputs", "labels"),
    [(np.zeros((6, 2)), np.zeros(6, int)), (np.zeros((6, 1)), np.zeros(6))],
)
def test_binary_cross_entropy_refuses_other_shapes(outputs: Any, labels: Any) -> None:
    z, t = leaves(outputs, labels)
    with pytest.raises(Error, match="shapes must be equal"):
        nn.binary_cross_entropy(z, t)


def test_targets_take_the_dtype_of_the_outputs() -> None:
    z, t = leaves(np.zeros((6, 1), np.float32), np.zeros((6, 1)))
    assert nn.mse(z, t).dtype == "float32"


def test_balanced_weights(value: Any) -> None:
    loss = nn.CrossEntropy(class_weights="balanced")
    fitted = loss.fitted(Y, 3)
    np.testing.assert_allclose(fitted.class_weights, [2.0, 2 / 3, 1.0])
    z, t = leaves(Z, Y)
    with pytest.raises(Error, match="balanced"):
        loss.cost(z, t)
    fitted.cost(z, t)
    absent = loss.fitted(np.array([0, 2, 2]), 3)
    np.testing.assert_allclose(absent.class_weights, [1.0, 1.0, 0.5])
    plain = nn.CrossEntropy()
    assert plain.fitted(Y, 3) is plain


def test_class_weights_must_fit_the_classes() -> None:
    loss = nn.CrossEntropy(class_weights=[1, 2])
    z, t = leaves(Z, Y)
    for attempt in (lambda: loss.cost(z, t), lambda: loss.fitted(Y, 3)):
        with pytest.raises(Error, match="2 numbers for 3 classes"):
            attempt()


TARGETS = RNG.normal(2.0, 3.0, size=(40, 2))
PRIORS = [
    (nn.CrossEntropy(), Y, 3),
    (nn.CrossEntropy(label_smoothing=0.3), Y, 3),
    (nn.CrossEntropy(class_weights=[1.0, 0.2, 4.0]), Y, 3),
    (nn.CrossEntropy(label_smoothing=0.3, class_weights=[1.0, 0.2, 4.0]), Y, 3),
    (nn.CrossEntropy(), SOFT, 3),
    (nn.CrossEntropy(class_weights=[1.0, 0.2, 4.0]), SOFT, 3),
    (nn.BinaryCrossEntropy(), np.array([0, 1, 1, 1]), 1),
    (nn.MeanSquaredError(), TARGETS, 2),
    (nn.MeanAbsoluteError(), TARGETS, 2),
    (nn.Huber(0.7), TARGETS, 2),
    (nn.LogCosh(), TARGETS, 2),
    (nn.Quantile(0.2), TARGETS[:37], 2),
    (nn.Quantile([0.1, 0.5, 0.8]), TARGETS, 6),
    (nn.Poisson(), np.floor(np.abs(TARGETS)), 2),
    (nn.KLDivergence(), SOFT, 3),
    (nn.GaussianNLL(), TARGETS / 3, 4),
    (nn.CosineSimilarity(), TARGETS, 2),
    (nn.Focal(), Y, 3),
    (nn.Focal(0.0, class_weights=[1.0, 0.2, 4.0]), Y, 3),
    (nn.Focal(0.5, class_weights=[1.0, 0.2, 4.0]), Y, 3),
    (nn.Focal(1.0), np.array([0, 0, 2, 2, 2, 1, 1]), 3),
    (nn.Hinge(0.5), np.array([0, 1, 1, 1]), 1),
    (nn.Hinge(), np.array([-1, 1, -1, -1, -1]), 1),
    (nn.Hinge(), np.repeat([0, 1, 2], [16, 3, 1]), 3),
    (nn.Hinge(2.0), np.repeat([0, 1, 2, 3], [3, 8, 2, 6]), 4),
    (nn.CrossEntropy(ignore=3), np.array([0, 2, 1, 3, 1, 3]), 3),
    (nn.CrossEntropy(0.3, [1.0, 0.2, 4.0], ignore=1), Y, 3),
    (nn.CrossEntropy(ignore=-1), np.array([[0, 2, -1], [1, 0, -1]]), 3),
]


@pytest.mark.parametrize(("loss", "targets", "outputs"), PRIORS)
def test_prior_is_the_least_loss_of_constant_outputs(
    value: Any, loss: nn.Loss, targets: np.ndarray, outputs: int
) -> None:
    """Found by gradient descent on the constant, with steps that shrink."""
    constant = variables("c", shape=(1, outputs))
    t = leaf("input", "t", targets.shape, targets.dtype.name)
    from nettrain.graph.operations import broadcast_to

    whole = targets.dtype.kind == "i"
    shape = (*(targets.shape if whole else targets.shape[:1]), outputs)
    node = loss.cost(broadcast_to(constant, shape), t)
    (slope,) = gradients(node, [constant])
    c, best = np.full((1, outputs), 0.1), np.inf
    for i in range(400):
        now, g = value([node, slope], {constant: c, t: targets})
        best = min(best, float(now))
        c = c - 4 * g / (1 + i / 40) ** 1.2
    near = 1e-2 if isinstance(loss, nn.Hinge) else 2e-3  # steps jump over its kinks
    assert loss.prior(targets) == pytest.approx(best, rel=near)
    assert loss.prior(targets) <= best + 1e-9


def test_prior_of_one_class_is_zero() -> None:
    assert nn.CrossEntropy().prior(np.ones(4, int)) == 0
    assert nn.BinaryCrossEntropy().prior(np.ones(4, int)) == 0


def test_outputs_needed() -> None:
    assert nn.CrossEntropy().outputs_for(10, 1) == 10
    assert nn.BinaryCrossEntropy().outputs_for(2, 1) == 1
    assert nn.MeanSquaredError().outputs_for(0, 3) == 3
    with pytest.raises(Error, match="the data has 3"):
        nn.BinaryCrossEntropy().outputs_for(3, 1)


def test_predictions(value: Any) -> None:
    z = variables("z", shape=Z.shape)
    found = value(nn.CrossEntropy().predictions(z), {z: Z})
    np.testing.assert_allclose(found.sum(axis=1), 1)
    np.testing.assert_allclose(
        value(nn.BinaryCrossEntropy().predictions(z), {z: Z}), 1 / (1 + np.exp(-Z))
    )
    assert nn.Huber().predictions(z) is z
