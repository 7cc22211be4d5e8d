"""Sequences made by a formula, from the seed of the run."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

import numpy as np

from nettrain import randomness
from nettrain.component import Count, Range, register
from nettrain.data.blocks import Block, Blocks, BlockSource, Meaning
from nettrain.data.settings import DataConfig
from nettrain.data.sources import Placer

COPIES = 3
"""Of every number, in float64: as it is drawn, kept, and prepared."""


class _Sequences(BlockSource):
    """Sequences that are as many and as long as their source says."""

    drawn: ClassVar[bool] = True

    samples: int

    @property
    def meaning(self) -> Meaning:
        raise NotImplementedError

    @property
    def nbytes(self) -> int:
        a_row = math.prod(self.meaning.shape) + math.prod(self.meaning.positions)
        return COPIES * 8 * self.samples * a_row

    def gather(self, config: DataConfig, seed: int, place: Placer) -> Blocks:
        key = randomness.key(seed, f"data/{self.registered_name}")
        inputs, targets = self.made(key)
        index = np.arange(self.samples)
        block = Block(inputs, targets, index, self.registered_name)
        return Blocks(self, {"train": block}, self.meaning)

    def made(self, key: randomness.Key) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and targets."""
        raise NotImplementedError


@register("adding")
class Adding(_Sequences):
    """The sum of two marked numbers of a long sequence, inputs (T, 2), target (1,).

    Each step has a number of U[0, 1) and a mark, which is 1 once in the first half of
    the steps and once in the second, else 0. Who always says 1 has a mean squared error
    of 1/6. After Hochreiter and Schmidhuber (Neural Computation 9, 1997, experiment 4),
    with the numbers and marks of Arjovsky, Shah and Bengio (ICML 2016).

    Attributes:
        samples: number of sequences.
        length: T, steps of each.
    """

    samples: Count = 10_000
    length: Annotated[int, Range(at_least=2)] = 100

    @property
    def meaning(self) -> Meaning:
        shape, features = (self.length, 2), ("number", "mark")
        return Meaning("regression", shape, (), ("sum",), features)

    def made(self, key: randomness.Key) -> tuple[np.ndarray, np.ndarray]:
        numbers = randomness.uniform(key, (self.samples, self.length))
        drawn = randomness.uniform(key, (2, self.samples), counter=1)
        half = self.length // 2
        first = np.floor(drawn[0] * half).astype(np.int64)
        second = half + np.floor(drawn[1] * (self.length - half)).astype(np.int64)
        marks, every = np.zeros_like(numbers), np.arange(self.samples)
        marks[every, first] = marks[every, second] = 1
        sums = numbers[every, first] + numbers[every, second]
        return np.stack([numbers, marks], axis=2), sums[:, None]


@register("copy")
class Copy(_Sequences):
    """Symbols to be said again after a delay: inputs (T,), a class for each step (T,).

    T = 2 length + delay. First the symbols, 1 … K; then blanks, 0; at the end of the
    delay K + 1, which says that it is time; then blanks again. Wanted are blanks until
    then and the symbols behind it. Inputs are class numbers for an embedding of K + 2.
    Who remembers nothing has a cross entropy of length ln K / T. After Hochreiter and
    Schmidhuber (1997), as Arjovsky, Shah and Bengio (ICML 2016) have it.

    Attributes:
        samples: number of sequences.
        length: symbols to be remembered.
        symbols: K, how many different ones there are.
        delay: steps between the last of them and the first to be said.
    """

    samples: Count = 10_000
    length: Count = 10
    symbols: Annotated[int, Range(at_least=2)] = 8
    delay: Count = 100

    @property
    def meaning(self) -> Meaning:
        steps = 2 * self.length + self.delay
        classes = tuple(range(self.symbols + 1))
        symbols = self.symbols + 2
        return Meaning(
            "classification", (steps,), classes, positions=(steps,), symbols=symbols
        )

    def made(self, key: randomness.Key) -> tuple[np.ndarray, np.ndarray]:
        drawn = randomness.uniform(key, (self.samples, self.length))
        symbols = 1 + np.floor(drawn * self.symbols).astype(np.int64)
        inputs = np.zeros((self.samples, *self.meaning.shape))
        targets = np.zeros((self.samples, *self.meaning.positions), np.int64)
        inputs[:, : self.length] = symbols
        inputs[:, self.length + self.delay - 1] = self.symbols + 1
        targets[:, -self.length :] = symbols
        return inputs, targets


@register("parity")
class Parity(_Sequences):
    """Whether the ones in a sequence are odd: inputs (T, 1) of 0 and 1, class 0 or 1.

    No part of the sequence tells anything: a network has to remember at every step.

    Attributes:
        samples: number of sequences.
        length: T, steps of each.
    """

    samples: Count = 10_000
    length: Count = 10

    @property
    def meaning(self) -> Meaning:
        return Meaning("classification", (self.length, 1), (0, 1), features=("bit",))

    def made(self, key: randomness.Key) -> tuple[np.ndarray, np.ndarray]:
        words = randomness.bits(key, 0, self.samples * self.length)
        bits = (words >> np.uint32(31)).reshape(self.samples, self.length)
        return bits[:, :, None].astype(np.float64), bits.sum(axis=1).astype(
            np.int64
        ) % 2
