"""IDX files, MNIST's format (LeCun, Cortes and Burges, yann.lecun.com/exdb/mnist).

A file is two zero bytes, a type, the number of axes, the length of each axis as four
bytes, the highest first, and the values. Packed by gzip it is read the same way.
"""

from __future__ import annotations

import gzip
import math
import os
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import IO, Any

import numpy as np

from nettrain.component import register
from nettrain.data.blocks import Block, Blocks, BlockSource, Meaning
from nettrain.data.settings import DataConfig
from nettrain.data.sources import Placer, file_size, opened, shown
from nettrain.errors import Error, Place

_BYTES = 8
"""The type of unsigned bytes, the only one read: what brightnesses and labels are."""
_GZIP = b"\x1f\x8b"
_RATIO = 1032
"""Deflate packs no more bytes into one (zlib's documentation)."""
_PIECE = 1 << 22
"""Bytes unpacked at a time."""
_COPIES = 5
"""Bytes for each pixel: as it is read, and in float32."""


@register("idx")
class Idx(BlockSource):
    """Images and labels in IDX files, as MNIST comes; `.gz` files are unpacked.

    Rows are (1, height, width), from 0 to 1. The classes are the labels that occur.

    Attributes:
        images: file of the images, absolute or relative to the config.
        labels: file of their labels.
        test_images: file of the test part's images; without it one is split off.
        test_labels: file of their labels.
    """

    images: str
    labels: str
    test_images: str | None = None
    test_labels: str | None = None
    files = ("images", "labels", "test_images", "test_labels")

    def check(self) -> Iterator[str]:
        if (self.test_images is None) != (self.test_labels is None):
            yield "test_images and test_labels go together, and one is missing"

    @property
    def nbytes(self) -> int:
        needed = 0
        for path in (self.images, self.test_images):
            if path is not None and file_size(path):
                try:
                    with opened(path, shown(path)) as file:
                        needed += _COPIES * math.prod(_Header(file, path).shape)
                except Error:  # `gather` tells it
                    continue
        return needed

    def gather(self, config: DataConfig, seed: int, place: Placer) -> Blocks:
        parts = {"train": self._part("images", "labels", place)}
        if self.test_images is not None:
            parts["test"] = self._part("test_images", "test_labels", place)
        train = parts["train"]
        for part, block in parts.items():
            if block.inputs.shape[1:] != train.inputs.shape[1:]:
                size = " × ".join(map(str, block.inputs.shape[2:]))
                wanted = " × ".join(map(str, train.inputs.shape[2:]))
                message = f"images of {size} pixels in {part}, of {wanted} in train"
                raise Error("data-array", message, place=Place(block.label))
        labels = [b.targets for b in parts.values() if b.targets is not None]
        known = np.unique(np.concatenate(labels))
        if len(known) < 2:
            message = f"every label is {known[0]}, and a classification tells two or "
            message += "more apart"
            raise Error("data-one-class", message, place=Place(train.label))
        shape, classes = train.inputs.shape[1:], tuple(known.tolist())
        meaning = Meaning("classification", shape, classes, features=("grey",), axis=0)
        return Blocks(
            self, {p: _numbered(block, known) for p, block in parts.items()}, meaning
        )

    def _part(self, images: str, labels: str, place: Placer) -> Block:
        path, where = getattr(self, images), ("data", "source", "idx", images)
        inputs = read(path, 3, place(where))
        label_path = getattr(self, labels)
        targets = read(label_path, 1, place(("data", "source", "idx", labels)))
        if len(targets) != len(inputs):
            message = (
                f"{len(targets)} labels, and {shown(path)} has {len(inputs)} images"
            )
            raise Error("data-array", message, place=Place(shown(label_path)))
        label, index = shown(path), np.arange(len(inputs))
        return Block(inputs[:, None], targets, index, label)

    def further(self, path: str, meaning: Meaning, need_target: bool) -> Block:
        """Images; their labels are in the file that MNIST would call so."""
        inputs = read(path, 3)[:, None]
        if inputs.shape[1:] != meaning.shape:
            found = " × ".join(map(str, inputs.shape[2:]))
            message = f"images of {found} pixels, and the run's have others"
            raise Error("data-array", message, place=Place(shown(path)))
        block = Block(inputs, None, np.arange(len(inputs)), shown(path))
        if not need_target:
            return block
        folder, name = os.path.split(path)
        renamed = name.replace("images", "labels").replace("idx3", "idx1")
        labels = os.path.join(folder, renamed)
        if renamed == name:
            message = f"no labels are known of {shown(path)}"
            fix = "call the files …images… and …labels…, or give an .npz file with x, y"
            raise Error("data-missing-file", message, fix=fix)
        targets, known = read(labels, 1), np.array(meaning.classes)
        if len(targets) != len(inputs) or not np.isin(targets, known).all():
            message = f"not one label of a known class for each of {len(inputs)} images"
            raise Error("data-array", message, place=Place(shown(labels)))
        return _numbered(replace(block, targets=targets), known)


def _numbered(block: Block, known: np.ndarray) -> Block:
    """With the number of each label among the known ones, int64 (n,)."""
    assert block.targets is not None
    return replace(block, targets=np.searchsorted(known, block.targets))


# ---------------------------------------------------------------- the format


class _Header:
    """The first bytes of an IDX file.

    Attributes:
        file: what comes after, unpacked.
        shape: of the values.
        nbytes: length of the header.

    Raises:
        Error: `data-array`, with the byte that is wrong.
    """

    def __init__(self, raw: IO[bytes], path: str) -> None:
        self._label = shown(path)
        packed = raw.read(2) == _GZIP
        raw.seek(0)
        self.file: Any = gzip.GzipFile(fileobj=raw) if packed else raw
        magic = self.take(4, 0)
        if magic[:2] != b"\0\0":
            raise self.error(0, f"it begins with {magic[:2]!r}, an IDX file with zeros")
        if magic[2] != _BYTES:
            known = {9: "signed bytes", 11: "shorts", 12: "integers", 13: "floats"}
            found = known.get(magic[2], f"values of the unknown type {magic[2]}")
            raise self.error(2, f"it holds {found}, and unsigned bytes are read")
        self.nbytes = 4 + 4 * magic[3]
        axes = self.take(4 * magic[3], 4)
        self.shape = tuple(int(n) for n in np.frombuffer(axes, ">u4"))
        size, wanted = file_size(path), math.prod(self.shape)
        sizes = " × ".join(map(str, self.shape))
        if packed and wanted > size * _RATIO:
            message = f"it says that {sizes} values follow, more than the file can hold"
            raise self.error(4, message)
        if not packed and self.nbytes + wanted > size:
            raise self.error(size, f"the file ends here, too early for {sizes} values")

    def take(self, count: int, at: int) -> bytes:
        """The next bytes; `at` is where they begin, for messages."""
        pieces, left = [], count
        while left:
            piece = self._next(min(left, _PIECE), at + count - left)
            if not piece:
                found = at + count - left
                raise self.error(found, f"the file ends here, {left} bytes too early")
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)

    def ends(self, at: int) -> None:
        if self._next(1, at):
            raise self.error(at, "more bytes follow the last value")

    def _next(self, count: int, at: int) -> bytes:
        try:
            return bytes(self.file.read(count))
        except (OSError, EOFError, zlib.error) as error:
            raise self.error(at, f"it cannot be unpacked: {error}") from None

    def error(self, at: int, message: str) -> Error:
        fix = "fetch the file again, and give images and labels where each belongs"
        message = f"no IDX file, by its byte {at}: {message}"
        return Error("data-array", message, place=Place(self._label), fix=fix)


def read(path: str, axes: int, place: Place | None = None) -> np.ndarray:
    """The values of an IDX file, uint8, with so many axes, none of them empty.

    Args:
        place: where the config names the file.

    Raises:
        Error: `data-missing-file`, `data-unreadable-file`, or `data-array` with the
            byte that is wrong, counted from 0 in the unpacked file.
    """
    with opened(path, shown(path), place) as file:
        header = _Header(file, path)
        if len(header.shape) != axes or not math.prod(header.shape):
            wanted = {1: "labels (N)", 3: "images (N, height, width)"}[axes]
            message = f"its shape is {header.shape}, expected {wanted}"
            raise header.error(3, message)
        size = math.prod(header.shape)
        content = header.take(size, header.nbytes)
        header.ends(header.nbytes + size)
    return np.frombuffer(content, np.uint8).reshape(header.shape)
