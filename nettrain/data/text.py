"""A text as pieces of so many characters, each with the characters that follow."""

from __future__ import annotations

import numpy as np

from nettrain.component import Count, register, show
from nettrain.data.blocks import Block, Blocks, BlockSource, Meaning
from nettrain.data.lines import Lines
from nettrain.data.settings import DataConfig
from nettrain.data.sources import Placer, file_size, read_bytes, shown
from nettrain.errors import Error, Place


@register("text")
class Text(BlockSource):
    """A text file in UTF-8, character by character: inputs (T,), targets (T,).

    Inputs are the numbers of characters, for an embedding; the target at each position
    is the next character. The characters of the whole file, sorted by code point, are
    the classes. The split is by order: the first pieces train, the last ones test, and
    no piece shares a character with the part before it.

    Attributes:
        path: the file, absolute or relative to the config.
        length: T, characters of a piece.
        stride: from the beginning of a piece to that of the next; as long as a piece if
            not given, so that each character is learned once in an epoch.
    """

    path: str
    length: Count = 64
    stride: Count | None = None
    files = ("path",)
    ordered = True

    @property
    def step(self) -> int:
        return self.stride or self.length

    @property
    def nbytes(self) -> int:
        """As if each byte were a character: float32 inputs and int64 targets."""
        size = file_size(self.path)
        return 12 * self.length * max(0, (size - 1 - self.length) // self.step + 1)

    def gather(self, config: DataConfig, seed: int, place: Placer) -> Blocks:
        where = place(("data", "source", "text", "path"))
        codes, label = _codes(_text(self.path, where)), shown(self.path)
        known = np.unique(codes)
        if len(known) < 2:
            message = f"{label} has {len(known)} different characters"
            fix = "a text to learn from has at least two"
            raise Error("data-one-class", message, place=where, fix=fix)
        if len(codes) <= self.length:
            message = f"{label} has {len(codes)} characters, and a piece takes up "
            message += f"{self.length + 1}: length and the one to be predicted"
            at = place(("data", "source", "text", "length"))
            fix = f"say length: {len(codes) - 1} or less"
            raise Error("config-source", message, place=at, fix=fix)
        block = self._pieces(np.searchsorted(known, codes), label, need_target=True)
        classes = tuple(map(chr, known.tolist()))
        shape = (self.length,)
        meaning = Meaning(
            "classification",
            shape,
            classes,
            ("next",),
            positions=shape,
            symbols=len(classes),
        )
        return Blocks(self, {"train": block}, meaning)

    def _pieces(self, numbers: np.ndarray, label: str, need_target: bool) -> Block:
        """Pieces of a text (n,), whose targets follow them where they are needed."""
        span = self.length + need_target
        windows = np.lib.stride_tricks.sliding_window_view(numbers, span)[:: self.step]
        inputs = windows[:, : self.length].astype(np.float32)
        targets = windows[:, 1:].astype(np.int64) if need_target else None
        return Block(inputs, targets, np.arange(len(windows)) * self.step, label, span)

    def further(self, path: str, meaning: Meaning, need_target: bool) -> Block:
        text, label = _text(path), shown(path)
        known = np.array(list(map(ord, map(str, meaning.classes))))
        codes = _codes(text)
        unknown = np.flatnonzero(~np.isin(codes, known))
        if unknown.size:
            found = text[unknown[0]]
            before = len(text[: unknown[0]].encode())
            place = Lines(text.encode(), label).place(before)
            message = f"{show(found)} is not in the text that was trained on"
            if len(unknown) > 1:
                message += f", nor are {len(unknown) - 1} more characters from here on"
            fix = "leave out what the run has never seen"
            raise Error("data-unseen-category", message, place=place, fix=fix)
        if len(codes) < self.length + need_target:
            message = f"{len(codes)} characters, and a piece has {self.length}"
            raise Error("data-no-rows", message, place=Place(label))
        return self._pieces(np.searchsorted(known, codes), label, need_target)


def _text(path: str, place: Place | None = None) -> str:
    """What is written in a file, without a byte order mark."""
    label = shown(path)
    data = read_bytes(path, label, place).removeprefix(b"\xef\xbb\xbf")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        at = Lines(data, label).place(error.start)
        fix = "save the file as UTF-8"
        raise Error("data-encoding", "not UTF-8 text", place=at, fix=fix) from None


def _codes(text: str) -> np.ndarray:
    """The code point of each character, int64 (n,)."""
    return np.frombuffer(text.encode("utf-32-le"), "<u4").astype(np.int64)
