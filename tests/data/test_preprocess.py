"""Preprocessing equals scikit-learn's, and needs only the learned arrays afterwards."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import preprocessing as sk

from nettrain.component import Component, describe, registered
from nettrain.data.bundled import Digits
from nettrain.data.preprocess import (
    MinMax,
    OneHot,
    Preprocessing,
    Quantile,
    Robust,
    Standardize,
)
from nettrain.errors import Error


def table(rows: int = 237) -> np.ndarray:
    """Columns of many units, one of them constant, one nearly so, one with ties."""
    rng = np.random.RandomState(0)
    x = rng.normal(size=(rows, 7)) * [1, 1e-6, 1e9, 1, 1, 1, 1] + [
        0,
        5,
        -1e9,
        0,
        0,
        0,
        0,
    ]
    x[:, 6] += 1e11 / 3
    x[:, 3] = 0.1
    x[:, 4] = 0
    x[7, 4] = 3
    x[:, 5] = rng.randint(0, 3, rows)
    return x


PAIRS = [
    (Standardize(floor=0), sk.StandardScaler()),
    (MinMax(), sk.MinMaxScaler()),
    (MinMax(low=-1, high=3), sk.MinMaxScaler((-1, 3))),
    (Robust(), sk.RobustScaler()),
    (Quantile(), sk.QuantileTransformer(n_quantiles=237)),
    (Quantile(quantiles=10), sk.QuantileTransformer(n_quantiles=10)),
]


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_equals_scikit_learn_to_the_last_bit(
    ours: Preprocessing, theirs: object
) -> None:
    x, new = table(), table(300)[237:] * 1.1
    learned = ours.fit(x)
    for part in (x, new):
        expected = theirs.fit(x).transform(part.copy())  # type: ignore[attr-defined]
        assert (ours.transform(part, learned) == expected).all()


@given(arrays(np.float64, (9, 2), elements=st.floats(-1e6, 1e6, width=32)))
def test_standardize_and_min_max_equal_scikit_learn_on_anything(x: np.ndarray) -> None:
    for ours, theirs in PAIRS[:2]:
        expected = theirs.fit_transform(x)
        assert (ours.transform(x, ours.fit(x)) == expected).all()


def test_digits_are_standardized_as_scikit_learn_does_but_for_a_few_pixels() -> None:
    table = Digits().load(0).tables["train"]
    x = np.stack(table.columns[:64], axis=1)
    scaler = sk.StandardScaler().fit(x)
    learned = Standardize().fit(x)
    raised = learned["scale"] != scaler.scale_
    assert (learned["mean"] == scaler.mean_).all()
    assert 0 < raised.sum() < 5
    spread = np.median(np.sqrt(scaler.var_[scaler.var_ > 0]))
    assert (learned["scale"][raised] == 0.01 * spread).all()


def test_the_floor_bounds_a_nearly_constant_column() -> None:
    x = table()
    x[:, 6] = 1e-4 * x[:, 0]
    scale = Standardize().fit(x[:, [0, 5, 6]])["scale"]
    assert scale[2] == 0.01 * np.median(x[:, [0, 5, 6]].std(axis=0))
    assert Standardize(floor=0).fit(x[:, [0, 5, 6]])["scale"][2] < scale[2]


def test_a_step_does_not_change_its_input() -> None:
    x = table()
    before = x.copy()
    for ours, _ in PAIRS:
        ours.transform(x, ours.fit(x))
    assert (x == before).all()


def test_one_hot_equals_scikit_learn() -> None:
    texts = np.array([["b", "é"], ["a", "Z"], ["b", "é"]], dtype=object)
    encoder = sk.OneHotEncoder(sparse_output=False).fit(texts)
    categories = OneHot().categories(texts)
    assert categories == (("a", "b"), ("Z", "é"))
    assert (OneHot().encode(texts, categories) == encoder.transform(texts)).all()
    unknown = OneHot().encode(np.array([["c", "Z"]], dtype=object), categories)
    assert unknown.tolist() == [[0, 0, 1, 0]]


def test_min_max_refuses_an_empty_range() -> None:
    with pytest.raises(Error, match="not below"):
        MinMax(low=1, high=1)


@pytest.mark.parametrize("name", registered(Preprocessing))
def test_documented(name: str) -> None:
    component: type[Component] = registered(Preprocessing)[name]
    summary, fields = describe(component)
    assert summary
    assert all(field.meaning for field in fields)
