"""Counter-based randomness: the same key and counter give the same bits, always.

Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror and Shaw, "Parallel random numbers:
as easy as 1, 2, 3", SC 2011), which 32-bit integer arithmetic of any array library
computes. There is no generator to save: a key comes from the seed and a purpose path
such as `init/model/dense1/weight` or `shuffle/train`, the counter from the step or
epoch and the element. Resuming a run therefore needs only the number of the step.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

Key = tuple[int, int]
"""Two 32-bit words."""

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA


def key(seed: int, path: str) -> Key:
    """The key of one purpose: the first 64 bits of SHA-256 of `seed/path`."""
    digest = hashlib.sha256(f"{seed}/{path}".encode()).digest()
    return int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:8], "little")


def threefry2x32(xp: Any, key: Any, first: Any, second: Any) -> tuple[Any, Any]:
    """Twenty rounds of Threefry on the counter words `first` and `second` (uint32).

    Args:
        xp: an array-API namespace.
        key: two uint32 words, as scalars or arrays of the namespace.
        first, second: arrays (n,) or scalars of dtype uint32.

    Returns:
        Two arrays of random uint32 words, of the counters' broadcast shape.
    """
    words = (key[0], key[1], key[0] ^ key[1] ^ _PARITY)
    x, y = first + words[0], second + words[1]
    for group in range(5):
        for rotation in _ROTATIONS[group % 2]:
            x = x + y
            y = ((y << rotation) | (y >> (32 - rotation))) ^ x
        x = x + words[(group + 1) % 3]
        y = y + words[(group + 2) % 3]
        y = y + xp.asarray(group + 1, dtype=xp.uint32)
    return x, y


_CHUNK = 2**16
"""Blocks made at a time: their temporaries stay in the cache, and out of the memory."""


def _blocks(
    key: Key, counter: int, start: int, stop: int
) -> tuple[np.ndarray, np.ndarray]:
    """First and second words (uint32) of some blocks of a stream."""
    blocks = np.arange(start, stop, dtype=np.uint32)
    words = np.asarray(key, dtype=np.uint32)
    first, second = threefry2x32(np, words, blocks, np.full_like(blocks, counter))
    return first, second


def _chunks(count: int) -> Iterator[tuple[int, int]]:
    for start in range(0, count, _CHUNK):
        yield start, min(start + _CHUNK, count)


def bits(key: Key, counter: int, count: int) -> np.ndarray:
    """`count` random uint32 words of the stream `key` at `counter`, shape (count,).

    Element i of the first half is the first word of block i, of the second half the
    second word. Counters beyond 32 bits do not occur: a run has fewer steps.
    """
    half = (count + 1) // 2
    made = np.empty((2, half), np.uint32)
    for start, stop in _chunks(half):
        made[:, start:stop] = _blocks(key, counter, start, stop)
    return made.reshape(-1)[:count]


def _uniform(key: Key, counter: int, start: int, stop: int) -> np.ndarray:
    """Elements of U[0, 1) from `start` on, each of its own block."""
    high, low = (w.astype(np.uint64) for w in _blocks(key, counter, start, stop))
    made: np.ndarray = (high << 21 | low >> 11) * 2.0**-53
    return made


def uniform(key: Key, shape: tuple[int, ...], counter: int = 0) -> np.ndarray:
    """Numbers of U[0, 1) in float64 with 53 random bits each."""
    made = np.empty(math.prod(shape))
    for start, stop in _chunks(made.size):
        made[start:stop] = _uniform(key, counter, start, stop)
    return made.reshape(shape)


def normal(key: Key, shape: tuple[int, ...], counter: int = 0) -> np.ndarray:
    """Numbers of N(0, 1) in float64 (Box and Muller, 1958).

    Element i is of the uniform elements i (radius) and i + n (angle), of n in all.
    """
    made = np.empty(math.prod(shape))
    n = made.size
    for start, stop in _chunks(n):
        radius = np.sqrt(-2.0 * np.log1p(-_uniform(key, counter, start, stop)))
        angle = _uniform(key, counter, n + start, n + stop)
        made[start:stop] = radius * np.cos(2.0 * math.pi * angle)
    return made.reshape(shape)


def permutation(key: Key, count: int, counter: int = 0) -> np.ndarray:
    """A random order of `count` things, int64 (count,)."""
    high, low = np.split(bits(key, counter, 2 * count).astype(np.uint64), 2)
    return np.argsort(high << 32 | low, kind="stable")
