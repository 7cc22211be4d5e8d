"""Initializers: the variance each promises, and that keys alone decide."""

from __future__ import annotations

import numpy as np
import pytest

from nettrain import nn, randomness
from nettrain.component import build, registered
from nettrain.errors import Error

KEY = randomness.key(0, "init/model/dense1/weight")
FANS = (200, 400)


def draw(given: object, shape: tuple[int, ...] = FANS) -> np.ndarray:
    initializer = build(nn.Initializer, given, (), problems := [])
    assert not problems
    return initializer.values(KEY, shape, *FANS)


@pytest.mark.parametrize(
    ("given", "variance"),
    [
        ("glorot_uniform", 2 / 600),
        ("glorot_normal", 2 / 600),
        ("he_uniform", 2 / 200),
        ("he_normal", 2 / 200),
        ("lecun_uniform", 1 / 200),
        ("lecun_normal", 1 / 200),
        ({"normal": {"std": 0.3}}, 0.09),
        ({"uniform": {"limit": 0.3}}, 0.03),
        ({"orthogonal": 2}, 4 / 400),
    ],
)
def test_variance(given: object, variance: float) -> None:
    values = draw(given)
    assert values.shape == FANS and values.dtype == np.float64
    # 80,000 values: the variance is known to about 1 %, the mean to a 280th of the std.
    assert values.var() == pytest.approx(variance, rel=0.03)
    assert abs(values.mean()) < 4 * np.sqrt(variance / values.size)


@pytest.mark.parametrize(
    ("given", "limit"),
    [
        ("glorot_uniform", np.sqrt(6 / 600)),
        ("he_uniform", np.sqrt(6 / 200)),
        ("lecun_uniform", np.sqrt(3 / 200)),
        ({"uniform": 0.5}, 0.5),
    ],
)
def test_uniform_limits(given: object, limit: float) -> None:
    values = draw(given)
    assert values.max() <= limit and values.min() >= -limit
    assert values.max() > 0.999 * limit and values.min() < -0.999 * limit


@pytest.mark.parametrize("name", ["glorot_normal", "he_normal", "lecun_normal"])
def test_normal_tails(name: str) -> None:
    values = draw(name)
    assert (np.abs(values) > 3 * values.std()).mean() == pytest.approx(0.0027, abs=1e-3)


@pytest.mark.parametrize(
    ("given", "value"), [("zeros", 0), ("ones", 1), ({"constant": 0.1}, 0.1)]
)
def test_constants(given: object, value: float) -> None:
    assert (draw(given, (3,)) == value).all()


@pytest.mark.parametrize("shape", [(5, 5), (7, 3), (3, 7), (4, 2, 3)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    flat = draw({"orthogonal": {"gain": 3}}, shape).reshape(shape[0], -1)
    short = flat @ flat.T if flat.shape[0] <= flat.shape[1] else flat.T @ flat
    np.testing.assert_allclose(short, 9 * np.eye(len(short)), atol=1e-12)


def test_orthogonal_matrices_of_both_signs() -> None:
    """Without the sign rule Q's diagonal would lean to one side."""
    initializer = nn.Orthogonal()
    keys = [randomness.key(seed, "w") for seed in range(200)]
    corner = [initializer.values(key, (2, 2), 2, 2)[0, 0] for key in keys]
    assert abs(np.mean(corner)) < 0.2


def test_orthogonal_refuses_a_bias() -> None:
    with pytest.raises(Error, match=r"shape \(3,\)") as caught:
        draw("orthogonal", (3,))
    assert caught.value.exit_code == 2


def test_the_key_alone_decides() -> None:
    for initializer in registered(nn.Initializer):
        given = {"constant": 0.1} if initializer == "constant" else initializer
        assert (draw(given) == draw(given)).all()
    other = randomness.key(0, "init/model/dense2/weight")
    assert not (nn.HeNormal().values(other, FANS, *FANS) == draw("he_normal")).any()
