"""Training images changed a little, differently in every epoch.

What an image gets is a function of the seed, the epoch and the image's number in the
data: neither of its batch nor of what was drawn before. A resumed run goes on with the
same bits, and nothing has to be saved.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

import numpy as np

from nettrain import randomness
from nettrain.component import Component, Count, Range, register

Array = np.ndarray


class Augmentation(Component):
    """A change of images that leaves what they show the same."""

    kind = "augmentation"

    def apply(self, images: Array, draws: Draws) -> Array:
        """Images (B, C, H, W), each changed by its own draws."""
        raise NotImplementedError

    def misfit(self, height: int, width: int) -> str:
        """What is wrong with it for images of that size, or nothing."""
        return ""


class Draws:
    """Random numbers of some images in one epoch, for one augmentation.

    Args:
        seed: of the run.
        path: of the augmentation; each has numbers of its own.
        epoch: from 1.
        samples: (B,) the images' numbers in the data.
    """

    def __init__(self, seed: int, path: str, epoch: int, samples: Array) -> None:
        self._seed, self._path, self._epoch = seed, path, epoch
        self._samples = samples.astype(np.uint32)

    def uniform(self, name: str) -> Array:
        """U[0, 1) in float64 (B,), of 53 random bits each."""
        key = randomness.key(self._seed, f"{self._path}/{name}")
        words = np.asarray(key, np.uint32)
        epoch = np.full_like(self._samples, self._epoch)
        pair = randomness.threefry2x32(np, words, self._samples, epoch)
        high, low = (word.astype(np.uint64) for word in pair)
        made: Array = (high << np.uint64(21) | low >> np.uint64(11)) * 2.0**-53
        return made

    def whole(self, name: str, low: int, high: int) -> Array:
        """Whole numbers from low to high, both included, int64 (B,)."""
        span = high - low + 1
        made: Array = low + np.floor(self.uniform(name) * span).astype(np.int64)
        return made


def augmented(
    images: Array,
    augmentations: Sequence[Augmentation],
    seed: int,
    epoch: int,
    samples: Array,
) -> Array:
    """Images (B, C, H, W) as an epoch of training sees them, in the same dtype."""
    for i, augmentation in enumerate(augmentations):
        path = f"augment/{i}/{augmentation.registered_name}"
        images = augmentation.apply(images, Draws(seed, path, epoch, samples))
    return np.ascontiguousarray(images)


def _taken(images: Array, rows: Array, columns: Array) -> Array:
    """The pixels at rows and columns (B, H, W), those at the edge where none is."""
    height, width = images.shape[2:]
    rows, columns = rows.clip(0, height - 1), columns.clip(0, width - 1)
    every = np.arange(len(images))[:, None, None]
    # An index on both sides of a slice puts the channels last.
    return images[every, :, rows, columns].transpose(0, 3, 1, 2)


@register("shift")
class Shift(Augmentation):
    """Moves each image by up to so many pixels, each way alike; edges are repeated.

    Attributes:
        pixels: how far at most, down or up and right or left.
    """

    pixels: Count

    def apply(self, images: Array, draws: Draws) -> Array:
        height, width = images.shape[2:]
        down = draws.whole("down", -self.pixels, self.pixels)
        right = draws.whole("right", -self.pixels, self.pixels)
        rows = np.arange(height)[None, :, None] - down[:, None, None]
        columns = np.arange(width)[None, None, :] - right[:, None, None]
        return _taken(images, rows, columns)

    def misfit(self, height: int, width: int) -> str:
        small = self.pixels >= min(height, width)
        return f"shift: {self.pixels} moves all of an image out of sight" * small


@register("flip")
class Flip(Augmentation):
    """Mirrors every second image, drawn by chance.

    Attributes:
        direction: `horizontal` changes left and right, `vertical` top and bottom.
    """

    direction: Literal["horizontal", "vertical"] = "horizontal"

    def apply(self, images: Array, draws: Draws) -> Array:
        chosen = draws.uniform("flip") < 0.5
        axis = 3 if self.direction == "horizontal" else 2
        return np.where(chosen[:, None, None, None], np.flip(images, axis), images)


@register("rotate")
class Rotate(Augmentation):
    """Turns each image about its centre; bilinear, edges are repeated.

    Attributes:
        degrees: how far at most, either way.
    """

    degrees: Annotated[float, Range(above=0, at_most=180)]

    def apply(self, images: Array, draws: Draws) -> Array:
        height, width = images.shape[2:]
        angle = np.deg2rad(self.degrees * (2 * draws.uniform("angle") - 1))
        cos, sin = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
        down = np.arange(height)[None, :, None] - (height - 1) / 2
        right = np.arange(width)[None, None, :] - (width - 1) / 2
        # Where each pixel comes from: the picture turned back.
        rows = cos * down - sin * right + (height - 1) / 2
        columns = sin * down + cos * right + (width - 1) / 2
        return _bilinear(images, rows, columns)


def _bilinear(images: Array, rows: Array, columns: Array) -> Array:
    """Values between the four pixels around each place (B, H, W)."""
    top, left = np.floor(rows), np.floor(columns)
    below = (rows - top)[:, None].astype(images.dtype)
    beside = (columns - left)[:, None].astype(images.dtype)
    i, j = top.astype(np.int64), left.astype(np.int64)
    upper = _between(_taken(images, i, j), _taken(images, i, j + 1), beside)
    lower = _between(_taken(images, i + 1, j), _taken(images, i + 1, j + 1), beside)
    return _between(upper, lower, below)


def _between(first: Array, second: Array, share: Array) -> Array:
    """The first where the share is 0, the second where it is 1."""
    made: Array = first + share * (second - first)
    return made


@register("cut_out")
class CutOut(Augmentation):
    """Sets a square of each image to 0 (DeVries and Taylor, 2017, arXiv:1708.04552).

    Its centre may be any pixel, so that some of it may lie outside. 0 is the mean of
    standardized images; of others it is black.

    Attributes:
        size: pixels of its sides.
    """

    size: Count

    def apply(self, images: Array, draws: Draws) -> Array:
        height, width = images.shape[2:]
        inside = self._covers(draws.whole("row", 0, height - 1), height)[:, :, None]
        inside = (
            inside
            & self._covers(draws.whole("column", 0, width - 1), width)[:, None, :]
        )
        return np.where(inside[:, None], images.dtype.type(0), images)

    def _covers(self, centre: Array, length: int) -> Array:
        """bool (B, length): which pixels along an axis the square covers."""
        first = (centre - self.size // 2)[:, None]
        at = np.arange(length)
        covered: Array = (at >= first) & (at < first + self.size)
        return covered

    def misfit(self, height: int, width: int) -> str:
        small = self.size > min(height, width)
        return f"cut_out: {self.size} is larger than an image" * small


def misfits(
    augmentations: Sequence[Augmentation], shape: tuple[int, ...]
) -> Iterator[tuple[int, str]]:
    """Number of each augmentation that rows of a shape cannot have, and why."""
    for i, augmentation in enumerate(augmentations):
        if len(shape) != 3:
            size = " × ".join(map(str, shape))
            yield i, f"{augmentation.registered_name} takes images, and a row is {size}"
        elif wrong := augmentation.misfit(*shape[1:]):
            yield i, f"{wrong}: it has {shape[1]} × {shape[2]} pixels"
