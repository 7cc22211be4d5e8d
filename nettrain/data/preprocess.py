"""Preprocessing steps: learned on the training part, kept as plain arrays, applied to
all.

A step sees the numeric columns, x (n, N) in float64, one after the other in the order
of the config; an `Encoder` sees the text columns. What a step learned is a dictionary
of arrays, so that a later `predict` needs NumPy and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np

from nettrain.component import Component, NonNegative, Range, register

Learned = dict[str, np.ndarray]
Categories = tuple[tuple[str, ...], ...]
"""Those of each text column."""


class Preprocessing(Component):
    """What is done to the columns before the network sees them."""

    kind = "preprocessing step"

    def fit(self, x: np.ndarray) -> Learned:
        """What the training part x (n, N) teaches."""
        raise NotImplementedError

    def transform(self, x: np.ndarray, learned: Learned) -> np.ndarray:
        """The columns x (n, N) of any part, transformed (n, N)."""
        raise NotImplementedError


@register("standardize")
class Standardize(Preprocessing):
    """z = (x - mean) / std of the training part: mean 0 and variance 1 for each column.

    The values are scikit-learn's StandardScaler's to the last bit; importing it would
    cost a second. Where we differ: the std of a nearly constant column is raised to a
    floor. A pixel that is lit in one of a thousand images would otherwise be multiplied
    by hundreds, and one test image that lights it fully would drown all other columns.

    Attributes:
        floor: smallest std, as a share of the (lower) median std of all columns that
            vary. Say 0 where columns of very different units stand side by side.
    """

    floor: NonNegative = 0.01

    def fit(self, x: np.ndarray) -> Learned:
        count = len(x)
        mean = x.sum(axis=0) / count
        centred = x - mean
        # The second term is 0 but for rounding (Chan, Golub, LeVeque, 1983, eq. 1.7).
        squares = (centred**2).sum(axis=0) - centred.sum(axis=0) ** 2 / count
        variance = squares / count
        epsilon = np.finfo(np.float64).eps
        noise = count * epsilon * variance + (count * mean * epsilon) ** 2
        varies = variance > noise
        scale = np.where(varies, np.sqrt(variance), 1.0)
        if varies.any():
            usual = np.quantile(scale[varies], 0.5, method="lower")
            scale = np.maximum(scale, self.floor * usual)
        return {"mean": mean, "scale": scale}

    def transform(self, x: np.ndarray, learned: Learned) -> np.ndarray:
        return (x - learned["mean"]) / learned["scale"]


@register("min_max")
class MinMax(Preprocessing):
    """Stretches each column so that the training part just fills [low, high].

    scikit-learn's MinMaxScaler to the last bit. A constant column becomes `low`.

    Attributes:
        low: what the smallest value becomes.
        high: what the largest value becomes.
    """

    low: float = 0.0
    high: float = 1.0

    def check(self) -> Iterator[str]:
        if self.low >= self.high:
            yield f"low {self.low:g} is not below high {self.high:g}"

    def fit(self, x: np.ndarray) -> Learned:
        smallest = x.min(axis=0)
        extent = x.max(axis=0) - smallest
        # scikit-learn's threshold: ten times the smallest relative difference.
        extent = np.where(extent < 10 * np.finfo(np.float64).eps, 1.0, extent)
        scale = (self.high - self.low) / extent
        return {"scale": scale, "offset": self.low - smallest * scale}

    def transform(self, x: np.ndarray, learned: Learned) -> np.ndarray:
        return x * learned["scale"] + learned["offset"]


@register("robust")
class Robust(Preprocessing):
    """z = (x - median) / (upper - lower quartile): outliers do not move the scale."""

    def fit(self, x: np.ndarray) -> Learned:
        from sklearn.preprocessing import RobustScaler

        scaler = RobustScaler().fit(x)
        return {"median": scaler.center_, "scale": scaler.scale_}

    def transform(self, x: np.ndarray, learned: Learned) -> np.ndarray:
        return (x - learned["median"]) / learned["scale"]


@register("quantile")
class Quantile(Preprocessing):
    """Replaces each value by the share of training rows below it: uniform on [0, 1].

    Attributes:
        quantiles: number of points at which the distribution is kept.
    """

    quantiles: Annotated[int, Range(at_least=2)] = 1000

    def fit(self, x: np.ndarray) -> Learned:
        from sklearn.preprocessing import QuantileTransformer

        # As many rows as there are: never a random subsample.
        transformer = QuantileTransformer(
            n_quantiles=min(self.quantiles, len(x)), subsample=len(x)
        )
        return {"quantiles": transformer.fit(x).quantiles_}

    def transform(self, x: np.ndarray, learned: Learned) -> np.ndarray:
        """Linear between the quantiles; a value that repeats gets the middle rank."""
        shares = np.linspace(0, 1, len(learned["quantiles"]))
        ranks = np.empty_like(x)
        for column, points in enumerate(learned["quantiles"].T):
            values = x[:, column]
            below = np.interp(values, points, shares)
            above = -np.interp(-values, -points[::-1], -shares[::-1])
            ranks[:, column] = np.where(values == points[-1], 1.0, (below + above) / 2)
            ranks[values == points[0], column] = 0.0
        return ranks


class Encoder(Preprocessing):
    """What becomes of text columns; it sees texts (n, C) and learns their categories.

    One stands for all categorical columns, and what it makes follows the numeric ones.
    """

    unknown: Literal["error", "ignore"]

    def categories(self, texts: np.ndarray) -> Categories:
        """The categories of each column of texts (n, C), sorted by code point."""
        from sklearn.preprocessing import OneHotEncoder

        found = OneHotEncoder().fit(texts).categories_
        return tuple(tuple(map(str, column)) for column in found)

    def names(self, column: str, known: tuple[str, ...]) -> tuple[str, ...]:
        """What the columns are called that it makes of one with these categories."""
        raise NotImplementedError

    def encode(self, texts: np.ndarray, categories: Categories) -> np.ndarray:
        """Texts (n, C) as float64, its columns side by side."""
        raise NotImplementedError


@register("one_hot")
class OneHot(Encoder):
    """A column of zeros and one 1 for each category of a text column, `zone=north`.

    Added by itself where the data have categorical columns and neither it nor `codes`
    is listed. The columns follow the numeric ones.

    Attributes:
        unknown: what a category that the training part lacks is: an `error`, or all
            zeros (`ignore`).
    """

    unknown: Literal["error", "ignore"] = "error"

    def names(self, column: str, known: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(f"{column}={category}" for category in known)

    def encode(self, texts: np.ndarray, categories: Categories) -> np.ndarray:
        blocks = [
            texts[:, i, None] == np.array(known, dtype=object)
            for i, known in enumerate(categories)
        ]
        return np.concatenate(blocks, axis=1).astype(np.float64)


@register("codes")
class Codes(Encoder):
    """A text column as the numbers of its categories, 0, 1, … by code point.

    They are symbols for an `embedding` and have no scale. The columns follow the
    numeric ones, in the table's order: `slice` takes them apart.

    Attributes:
        unknown: what a category that the training part lacks is: an `error`, or the
            number behind the last one (`ignore`), so that V is one more.
    """

    unknown: Literal["error", "ignore"] = "error"

    def names(self, column: str, known: tuple[str, ...]) -> tuple[str, ...]:
        return (column,)

    def encode(self, texts: np.ndarray, categories: Categories) -> np.ndarray:
        numbers = np.empty(texts.shape)
        for i, known in enumerate(categories):
            number = {category: float(k) for k, category in enumerate(known)}
            behind = float(len(known))
            numbers[:, i] = [number.get(text, behind) for text in texts[:, i].tolist()]
        return numbers
