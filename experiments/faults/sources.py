"""Small data sets whose rows have a structure: images, waves, symbols.

They stand beside the package's own `digits`, `adding` and `copy`, so that the two
halves of the benchmark share no data.
"""

from __future__ import annotations

import numpy as np

from nettrain.component import Count, NonNegative, register
from nettrain.data.sources import Loaded, Placer, Source, nowhere, table_of


class _Made(Source):
    """Rows drawn from the seed of the run, with one class each."""

    samples: int

    def load(self, seed: int, place: Placer = nowhere) -> Loaded:
        x, y = self.made(np.random.default_rng([seed, self.samples]))
        table = table_of(x, y, self.registered_name)
        return Loaded({"train": table}, ("target",), "classification")

    def made(self, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Inputs (n, F) and class numbers (n,)."""
        raise NotImplementedError


_STROKES = np.array(
    [
        [[0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]],
        [[0, 1, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0]],
        [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
        [[0, 0, 0, 1], [0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0]],
        [[0, 1, 0, 0], [1, 1, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]],
    ],
    float,
)


@register("strokes")
class Strokes(_Made):
    """Images 9 x 9 of one of five strokes, somewhere, under noise.

    Attributes:
        samples: how many.
        noise: standard deviation.
    """

    samples: Count = 900
    noise: NonNegative = 0.25

    def made(self, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        y = draw.integers(0, len(_STROKES), self.samples)
        x = self.noise * draw.normal(size=(self.samples, 9, 9))
        for image, stroke in zip(x, _STROKES[y], strict=True):
            row, column = draw.integers(0, 6, 2)
            image[row : row + 4, column : column + 4] += stroke
        return x.reshape(self.samples, -1), y


@register("waves")
class Waves(_Made):
    """Sine, square or saw-tooth of any phase, about two and a half periods, with noise.

    Attributes:
        samples: how many.
        length: steps of each.
        noise: standard deviation.
    """

    samples: Count = 900
    length: Count = 32
    noise: NonNegative = 0.2

    def made(self, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        y = draw.integers(0, 3, self.samples)
        periods = draw.uniform(2, 3, (self.samples, 1))
        phase = draw.uniform(0, 1, (self.samples, 1))
        turn = (np.arange(self.length) / self.length * periods + phase) % 1
        shapes = np.stack(
            [np.sin(2 * np.pi * turn), np.sign(turn - 0.5), 2 * turn - 1], axis=1
        )
        x = shapes[np.arange(self.samples), y]
        return x + self.noise * draw.normal(size=x.shape), y


@register("remembered")
class Remembered(_Made):
    """Which of two values came first, before steps of noise.

    Attributes:
        samples: how many.
        length: steps of each.
        noise: standard deviation of the steps behind the first.
    """

    samples: Count = 900
    length: Count = 12
    noise: NonNegative = 0.5

    def made(self, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        y = draw.integers(0, 2, self.samples)
        x = self.noise * draw.normal(size=(self.samples, self.length))
        x[:, 0] = 2.0 * y - 1
        return x, y


@register("commonest")
class Commonest(_Made):
    """Which of the symbols 0 … K-1 a row has most of.

    Attributes:
        samples: how many.
        length: symbols in a row.
        symbols: K.
    """

    samples: Count = 1500
    length: Count = 9
    symbols: Count = 4

    def made(self, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        y = draw.integers(0, self.symbols, self.samples)
        x = draw.integers(0, self.symbols, (self.samples, self.length))
        own = self.length // 2 + 1  # of the commonest, at random places
        order = np.argsort(draw.random(x.shape), axis=1) < own
        return np.where(order, y[:, None], x).astype(float), y
