"""Losses of every family: derivatives, extremes, sequences, and what they refuse."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import nettrain as nt
from nettrain import nn
from nettrain.component import build, dump, registered
from nettrain.errors import Error
from nettrain.graph import Node, gradients, leaf, variables

RNG = np.random.default_rng(1)
N = 7
Z3, Z6 = RNG.normal(size=(N, 3)), RNG.normal(size=(N, 6))
T3 = RNG.normal(size=(N, 3))
Y = np.array([0, 2, 1, 1, 2, 1, 0])
SHARES = RNG.dirichlet(np.ones(3), N)
COUNTS = np.array([[0, 1, 5], [2, 0, 3]] * 4, float)[:N]

CASES: list[tuple[nn.Loss, np.ndarray, np.ndarray]] = [
    (nn.CrossEntropy(), Z3, Y),
    (nn.CrossEntropy(), RNG.normal(size=(2, 5, 3)), RNG.integers(0, 3, (2, 5))),
    (nn.CrossEntropy(0.1, [1, 2, 3], ignore=1), Z3, Y),
    (nn.CrossEntropy(0.1, ignore=1), Z3, Y),
    (nn.CrossEntropy(0.1), Z3, SHARES),
    (nn.CrossEntropy(0.1, [1, 2, 3]), Z3, SHARES),
    (nn.Focal(), Z3, Y),
    (nn.Focal(0.5, [1, 2, 3]), Z3, Y),
    (nn.BinaryCrossEntropy(), Z3, SHARES),
    (nn.Hinge(), Z3, Y),
    (nn.Hinge(0.7), Z3[:, :1], Y % 2),
    (nn.MeanSquaredError(), Z3, T3),
    (nn.MeanAbsoluteError(), Z3, T3),
    (nn.Huber(0.6), Z3, T3),
    (nn.LogCosh(), Z3, T3),
    (nn.Quantile(0.3), Z3, T3),
    (nn.Quantile([0.1, 0.7]), Z6, T3),
    (nn.Poisson(), Z3, COUNTS),
    (nn.KLDivergence(), Z3, SHARES),
    (nn.GaussianNLL(), Z6, T3),
    (nn.CosineSimilarity(), Z3, T3),
    (nn.InfoNCE(0.5, rows=3), Z3, T3),
    (nn.InfoNCE(0.3, symmetric=True, rows=4), Z3, T3),
    (nn.Triplet(), Z3, Y),
    (nn.Triplet(0.3, rows=4), Z3, Y),
]
KINKED = (nn.Hinge, nn.MeanAbsoluteError, nn.Huber, nn.Quantile, nn.Triplet)


def test_every_loss_is_among_the_cases() -> None:
    assert {type(loss) for loss, _, _ in CASES} == set(registered(nn.Loss).values())


@pytest.mark.parametrize(
    ("loss", "outputs", "targets"), CASES, ids=lambda x: type(x).__name__
)
@pytest.mark.parametrize("most", [1, 2, 3, 5])
def test_the_loss_of_all_rows_is_the_mean_of_its_chunks(
    value: Any, loss: nn.Loss, outputs: np.ndarray, targets: np.ndarray, most: int
) -> None:
    def cost(rows: Any) -> float:
        y = leaf("input", "y", outputs[rows].shape, "float64")
        t = leaf("input", "t", targets[rows].shape, targets.dtype.name)
        return float(value(loss.cost(y, t), {y: outputs[rows], t: targets[rows]}))

    chunks = list(loss.chunks(len(outputs), most))
    seen = np.concatenate([np.arange(len(outputs))[rows] for rows in chunks])
    assert sorted(seen.tolist()) == list(range(len(outputs)))
    assert max(len(outputs[rows]) for rows in chunks) <= max(most, _group(loss))
    weights = [loss.weight(targets[rows]) for rows in chunks]
    losses = [cost(rows) for rows in chunks]
    mean = np.dot(weights, losses) / sum(weights)
    assert mean == pytest.approx(cost(slice(None)), rel=1e-12)
    assert sum(weights) == pytest.approx(loss.weight(targets), rel=1e-12)


def _group(loss: nn.Loss) -> int:
    """Rows that have to be looked at together."""
    return getattr(loss, "rows", 1)


@pytest.mark.parametrize(
    ("loss", "outputs", "targets"), CASES, ids=lambda x: type(x).__name__
)
def test_derivatives(loss: nn.Loss, outputs: np.ndarray, targets: np.ndarray) -> None:
    def cost(z: Node) -> Node:
        return loss.cost(z, nt.constant(targets))

    assert (
        nt.check_gradients(cost, outputs, order=1 + (type(loss) not in KINKED)) < 1e-6
    )


def values(
    value: Any, loss: nn.Loss, outputs: Any, targets: Any, dtype: str = "float64"
) -> tuple[Any, Any]:
    """The loss and its gradient."""
    outputs, targets = np.asarray(outputs, dtype), np.asarray(targets)
    z = variables("z", shape=outputs.shape, dtype=dtype)
    t = leaf("input", "t", targets.shape, targets.dtype.name)
    node = loss.cost(z, t)
    got = value([node, gradients(node, [z])[0]], {z: outputs, t: targets})
    return tuple(got)


@pytest.mark.parametrize(
    ("loss", "outputs", "targets"), CASES, ids=lambda x: type(x).__name__
)
@pytest.mark.parametrize("size", [1e3, 1e15])
def test_large_outputs(
    value: Any, loss: nn.Loss, outputs: Any, targets: Any, size: float
) -> None:
    """Finite in float32, and as in float64."""
    if isinstance(loss, (nn.Poisson, nn.GaussianNLL)):  # e^z, and e²/v² in its slope
        size = min(size, 10.0 if isinstance(loss, nn.Poisson) else 1e9)
    outputs = (outputs * size).astype(np.float32)
    if targets.dtype.kind == "f":
        targets = targets.astype(np.float32)
    got, slope = values(value, loss, outputs, targets, "float32")
    exact, exact_slope = values(value, loss, outputs, targets)
    assert got == pytest.approx(exact, rel=1e-5)
    np.testing.assert_allclose(slope, exact_slope, rtol=1e-4, atol=1e-6)
    assert got.dtype == slope.dtype == np.float32


def test_digits_near_zero(value: Any) -> None:
    right = [[12.0, 0.0, -3.0]]
    p = np.exp(right) / np.exp(right).sum()
    got, slope = values(value, nn.Focal(0.5), right, [0], "float32")
    expected = -math.sqrt(p[0, 1] + p[0, 2]) * math.log(p[0, 0])
    assert got == pytest.approx(expected, rel=1e-5) and np.isfinite(slope).all()
    counts = [[1e6]]
    got, slope = values(value, nn.Poisson(), np.log([[1.001e6]]), counts, "float32")
    assert got == pytest.approx(1e6 * (0.001 - math.log(1.001)), rel=0.05)
    assert slope == pytest.approx(1e3, rel=0.02)


def test_focal_without_focus_is_cross_entropy(value: Any) -> None:
    for weights in ("none", [1.0, 0.5, 3.0]):
        ours = values(value, nn.Focal(0.0, weights), Z3, Y)
        theirs = values(value, nn.CrossEntropy(class_weights=weights), Z3, Y)
        for mine, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(mine, other, rtol=1e-12, atol=1e-15)


def test_ignored_labels_do_not_count(value: Any) -> None:
    z, y = RNG.normal(size=(2, 4, 3)), np.array([[0, 1, 2, -1], [2, -1, -1, -1]])
    counted = y >= 0
    for settings in ({}, {"class_weights": [1.0, 2, 3]}, {"label_smoothing": 0.2}):
        loss = nn.CrossEntropy(**settings, ignore=-1)
        got, slope = values(value, loss, z, y)
        plain, inner = values(
            value, nn.CrossEntropy(**settings), z[counted], y[counted]
        )
        assert got == pytest.approx(plain)
        np.testing.assert_allclose(slope[counted], inner)
        assert not slope[~counted].any()
        nothing, flat = values(value, loss, z, np.full_like(y, -1))
        assert nothing == 0 and not flat.any()


def test_a_class_may_be_ignored(value: Any) -> None:
    got, _ = values(value, nn.CrossEntropy(ignore=1), Z3, Y)
    some = Y != 1
    assert got == values(value, nn.CrossEntropy(), Z3[some], Y[some])[0]
    fitted = nn.CrossEntropy(class_weights="balanced", ignore=1).fitted(Y, 3)
    np.testing.assert_allclose(fitted.class_weights, [2 / 3, 4 / 3, 2 / 3])


def test_by_hand(value: Any) -> None:
    scores, labels = [[1.0, 0.2, 3.0]], [1]
    assert values(value, nn.Hinge(), scores, labels)[0] == pytest.approx(5.6 / 3)
    for targets in ([[0], [1]], [[-1], [1]], [[-1.0], [1.0]], [0, 1]):
        got = values(value, nn.Hinge(), [[0.5], [0.25]], targets)[0]
        assert got == pytest.approx((1.5 + 0.75) / 2)
    several = nn.Quantile([0.1, 0.9])
    got = values(value, several, [[1.0, 2.0, 5.0, 5.0]], [[3.0, 4.0]])[0]
    assert got == pytest.approx((0.2 + 0.9 + 0.9 + 0.1) / 4)
    assert values(value, nn.LogCosh(), [[40.0]], [[0.0]])[0] == 40 - math.log(2)
    u = math.log(math.e**4 - 1)  # whose softplus is 4
    got = values(value, nn.GaussianNLL(1e-12), [[1.0, u]], [[3.0]])[0]
    assert got == pytest.approx((math.log(4) + 1) / 2)
    got = values(
        value, nn.CosineSimilarity(), [[3.0, 0.0], [0, 1]], [[1.0, 1], [0, -9]]
    )
    assert got[0] == pytest.approx(1 - (math.sqrt(0.5) - 1) / 2)
    near = [[0.0], [1.0], [3.0]]
    got = values(value, nn.Triplet(), near, [0, 0, 1])[0]
    assert got == pytest.approx((0 + 0) / 2, abs=1e-5)
    got = values(value, nn.Triplet(2.5), near, [0, 0, 1])[0]
    assert got == pytest.approx((0.5 + 1.5) / 2, rel=1e-5)


def test_a_zero_vector_has_no_direction(value: Any) -> None:
    got, slope = values(value, nn.CosineSimilarity(), [[0.0, 0.0]], [[1.0, 1.0]])
    assert got == 1 and np.isfinite(slope).all()


def test_equal_embeddings_have_a_gradient(value: Any) -> None:
    got, slope = values(value, nn.Triplet(), np.ones((6, 2)), [0, 0, 0, 1, 1, 1])
    assert got == 1 and np.isfinite(slope).all()


@pytest.mark.parametrize("loss", [nn.InfoNCE(0.5, rows=3), nn.Triplet(rows=3)])
def test_groups(value: Any, loss: nn.Loss) -> None:
    """Row i is in group i mod G; a group's rows alone count as they do in it."""
    targets = T3 if loss.task == "regression" else Y
    got, _ = values(value, loss, Z3, targets)
    parts = [np.arange(g, N, 3) for g in range(3)]
    single = [values(value, loss, Z3[p], targets[p])[0] for p in parts]
    weights = [len(p) for p in parts]
    if isinstance(loss, nn.Triplet):
        weights = [triplets(targets[p]) for p in parts]
        assert sum(weights) > 0
    assert got == pytest.approx(np.average(single, weights=weights))


def triplets(labels: np.ndarray) -> int:
    n = range(len(labels))
    return sum(
        labels[a] == labels[p] != labels[o] and a != p
        for a in n for p in n for o in n
    )  # fmt: skip


def test_nothing_to_compare(value: Any) -> None:
    got, slope = values(value, nn.Triplet(), Z3, np.zeros(N, int))
    assert got == 0 and not slope.any()
    got, slope = values(value, nn.InfoNCE(), Z3[:1], T3[:1])
    assert got == pytest.approx(0, abs=1e-12) and not slope.any()


def test_prior_of_embeddings(value: Any) -> None:
    constant = np.zeros((N, 3))
    for loss in (nn.InfoNCE(rows=3), nn.InfoNCE(symmetric=True, rows=32)):
        assert loss.prior(T3) == pytest.approx(values(value, loss, constant, T3)[0])
    assert nn.Triplet(0.3).prior(Y) == 0.3


def test_predictions_and_outputs(value: Any) -> None:
    def predicted(loss: nn.Loss, outputs: np.ndarray) -> np.ndarray:
        z = variables("z", shape=outputs.shape)
        return value(loss.predictions(z), {z: outputs})

    for loss in (nn.Focal(), nn.KLDivergence(), nn.Hinge()):
        np.testing.assert_allclose(predicted(loss, Z3).sum(axis=1), 1)
    one = predicted(nn.Hinge(), Z3[:, :1])
    np.testing.assert_array_equal(one > 0.5, Z3[:, :1] > 0)
    np.testing.assert_allclose(predicted(nn.Poisson(), Z3), np.exp(Z3))
    np.testing.assert_array_equal(predicted(nn.GaussianNLL(), Z6), Z6[:, :3])
    np.testing.assert_array_equal(predicted(nn.Quantile([0.9, 0.6]), Z6), Z6[:, 1::2])
    assert nn.GaussianNLL().outputs_for(0, 3) == 6
    assert nn.Quantile([0.1, 0.5, 0.9]).outputs_for(0, 2) == 6
    assert (nn.Hinge().outputs_for(2, 1), nn.Hinge().outputs_for(4, 1)) == (1, 4)
    assert nn.Focal().outputs_for(4, 1) == 4
    assert nn.Triplet(dimensions=5).outputs_for(3, 1) == 5
    with pytest.raises(Error, match="5 classes apart in 4"):
        nn.Triplet(dimensions=4).outputs_for(5, 1)
    for loss in (nn.KLDivergence(), nn.CosineSimilarity(), nn.InfoNCE()):
        assert loss.outputs_for(0, 3) == 3
        with pytest.raises(Error, match=r"vectors|several"):
            loss.outputs_for(0, 1)


@pytest.mark.parametrize(
    ("loss", "targets", "message"),
    [
        (nn.Poisson(), T3, "a target is -"),
        (nn.KLDivergence(), T3, "1 in sum"),
        (nn.KLDivergence(), SHARES * 1.1, "1 in sum"),
        (nn.KLDivergence(), SHARES + np.array([0.8, -0.8, 0]), "1 in sum"),
        (nn.Focal(class_weights=[1, 2]), Y, "2 numbers for 3 classes"),
    ],
)
def test_targets_that_do_not_fit(loss: nn.Loss, targets: Any, message: str) -> None:
    with pytest.raises(Error, match=message) as caught:
        loss.fitted(targets, 3)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("loss", "outputs", "targets"),
    [
        (nn.GaussianNLL(), (6, 1), (6, 1)),
        (nn.GaussianNLL(), (6, 2), (6,)),
        (nn.Quantile([0.1, 0.9]), (6,), (6,)),
        (nn.Quantile([0.1, 0.9]), (6, 2), (6, 2)),
        (nn.InfoNCE(), (6, 2, 2), (6, 2, 2)),
    ],
)
def test_shapes_that_are_refused(loss: nn.Loss, outputs: Any, targets: Any) -> None:
    z = variables("z", shape=outputs)
    with pytest.raises(Error) as caught:
        loss.cost(z, leaf("input", "t", targets, "float64"))
    assert caught.value.code == "graph-loss-shape"


@pytest.mark.parametrize(
    ("loss", "outputs", "labels"),
    [
        (nn.Hinge(), (6, 3), (6, 1)),
        (nn.Hinge(), (6, 3), (5,)),
        (nn.Hinge(), (6, 2, 3), (6, 2)),
        (nn.Focal(), (6, 3), (6, 1)),
        (nn.Focal(), (6,), (6,)),
        (nn.CrossEntropy(), (6, 3, 4), (6, 4)),
        (nn.Triplet(), (6, 3), (6, 1)),
        (nn.Triplet(), (6,), (6,)),
    ],
)
def test_label_shapes_that_are_refused(
    loss: nn.Loss, outputs: Any, labels: Any
) -> None:
    z = variables("z", shape=outputs)
    with pytest.raises(Error, match=f"{loss.registered_name} takes"):
        loss.cost(z, leaf("input", "t", labels, "int64"))


def test_focal_refuses_shares() -> None:
    z = variables("z", shape=(N, 3))
    with pytest.raises(Error, match="integer labels"):
        nn.Focal().cost(z, leaf("input", "t", (N, 3), "float64"))


@pytest.mark.parametrize(
    "settings",
    [
        {"quantile": 0.9},
        {"quantile": [0.1, 0.9]},
        {"focal": 1.5},
        {"cross_entropy": {"ignore": 0}},
        {"cross_entropy": {"ignore": None}},
        {"info_nce": {"temperature": 0.2, "symmetric": True}},
    ],
)
def test_settings(settings: Any) -> None:
    problems: list[Any] = []
    made = build(nn.Loss, settings, (), problems)
    assert not problems and build(nn.Loss, dump(made), (), []) == made


@pytest.mark.parametrize(
    "settings",
    [
        {"quantile": 1.0},
        {"quantile": []},
        {"quantile": [0.5, 0]},
        {"focal": -1},
        {"hinge": 0},
        {"triplet": {"rows": 1}},
        {"cross_entropy": {"ignore": 0.5}},
    ],
)
def test_wrong_settings(settings: Any) -> None:
    problems: list[Any] = []
    build(nn.Loss, settings, (), problems)
    assert problems
