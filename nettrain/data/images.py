"""Folders of images, a subfolder for each class, decoded by Pillow.

Decoding runs no code of the files: of Pillow's formats only those are opened that hold
pixels and no program. The same files give the same numbers, as far as Pillow's
libraries of a format do not change.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from nettrain.component import Count, register, show
from nettrain.data.blocks import Block, Blocks, BlockSource, Meaning
from nettrain.data.faults import LISTED, more
from nettrain.data.schema import Class
from nettrain.data.settings import DataConfig
from nettrain.data.sources import PARTS, Placer, missing_file, opened, shown
from nettrain.errors import Error, Place, raise_all

if TYPE_CHECKING:
    from PIL.Image import Image

_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "WEBP")
"""No TIFF: its library prints what it thinks of a damaged file."""
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")
"""Kinds of pixels of 8 bits, which Pillow turns into grey or red, green and blue."""
_PIXELS = 1 << 26
"""The largest image, unpacked: one of 8192 × 8192."""
_FILE = 1 << 28
"""Bytes of the largest file."""
_COLOURS = {"grey": ("L", ("grey",)), "rgb": ("RGB", ("red", "green", "blue"))}
_COPIES = 5
"""Bytes for each number: as it is read, and in float32."""


@register("images")
class Images(BlockSource):
    """A folder with a subfolder of images for each class: `photos/cat/1.png`.

    The subfolders, sorted by code point, are the classes. Where the folder has a
    subfolder `train` with the classes in it, that is the training part, and beside it
    `validation` and `test` may stand. Rows are (channels, height, width), from 0 to 1.
    Images of other sizes are stretched or shrunk (bilinear); transparency is left out;
    of moving pictures the first is taken; none is turned, whatever the camera noted.
    Files that begin with a dot are passed over.

    Attributes:
        path: the folder, absolute or relative to the config.
        size: height and width in pixels.
        colour: `grey` (one channel) or `rgb` (three).
        validation: a folder of its own for the validation part.
        test: a folder of its own for the test part.
    """

    path: str
    size: tuple[Count, ...]
    colour: Literal["grey", "rgb"] = "rgb"
    validation: str | None = None
    test: str | None = None
    files = ("path", "validation", "test")

    def check(self) -> Iterator[str]:
        if len(self.size) != 2:
            yield f"size: {show(self.size)} is not height and width"

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(_COLOURS[self.colour][1]), *self.size)

    @property
    def nbytes(self) -> int:
        try:
            folders = self._folders(None).values()
            found = [_images(one) for top in folders for one in _classes(top)]
        except (Error, OSError):  # `gather` tells it
            return 0
        a_row = self.shape[0] * self.shape[1] * self.shape[2]
        return _COPIES * a_row * sum(map(len, found))

    def gather(self, config: DataConfig, seed: int, place: Placer) -> Blocks:
        where = place(("data", "source", "images", "path"))
        folders = self._folders(where)
        classes = [_name(one) for one in _classes(folders["train"])]
        if len(classes) < 2:
            message = f"{shown(folders['train'])} has {len(classes)} subfolders, and "
            message += "each is a class; a classification tells two or more apart"
            fix = "put the images of each class into a subfolder called by its name"
            raise Error("data-one-class", message, place=where, fix=fix)
        known, faults = tuple(classes), _Faults()
        blocks = {p: self._part(top, known, faults) for p, top in folders.items()}
        faults.raise_all()
        features = _COLOURS[self.colour][1]
        shape = self.shape
        meaning = Meaning("classification", shape, known, features=features, axis=0)
        return Blocks(self, blocks, meaning)

    def _folders(self, where: Place | None) -> dict[str, str]:
        """The folder of each part."""
        inside = _subfolders(self.path, where)
        own = os.path.join(self.path, "train")
        given = {"validation": self.validation, "test": self.test}
        found = {"train": self.path}
        if own in inside and _subfolders(own) and not _plain(own):
            found = {part: os.path.join(self.path, part) for part in PARTS}
            found = {part: folder for part, folder in found.items() if folder in inside}
            if others := sorted(set(inside) - set(found.values())):
                name = os.path.basename(others[0])
                message = (
                    f"{shown(self.path)} has the subfolders train and {show(name)}"
                )
                fix = f"move {name} away; beside train stand validation and test"
                raise Error(
                    "data-images", message, place=Place(shown(others[0])), fix=fix
                )
        for part, folder in given.items():
            if folder is not None:
                _subfolders(folder, where)
                found[part] = folder
        return found

    def _part(self, top: str, classes: Sequence[Class], faults: _Faults) -> Block:
        """All images of a folder's classes, in the order of their names."""
        files: list[str] = []
        labels: list[int] = []
        for folder in _classes(top):
            name = _name(folder)
            if name not in classes:
                message = f"class {show(name)} has no images to train on"
                code, fix = "data-unseen-class", "move the folder away"
                faults.add(Error(code, message, place=Place(shown(folder)), fix=fix))
                continue
            here = _images(folder)
            if not here:
                message, fix = "the folder of a class is empty", "put images into it"
                place = Place(shown(folder))
                faults.add(Error("data-no-rows", message, place=place, fix=fix))
            files += here
            labels += [classes.index(name)] * len(here)
        targets = np.array(labels, np.int64)
        return Block(
            self._read(files, faults), targets, np.arange(len(files)), shown(top)
        )

    def _read(self, files: Sequence[str], faults: _Faults) -> np.ndarray:
        made = np.zeros((len(files), *self.shape), np.uint8)
        for i, file in enumerate(files):
            try:
                made[i] = self._decoded(file)
            except Error as error:
                faults.add(error)
        return made

    def further(self, path: str, meaning: Meaning, need_target: bool) -> Block:
        """One image, a folder of images, or of classes where labels are needed."""
        faults = _Faults()
        if need_target:
            block = self._part(path, meaning.classes, faults)
        else:
            files = [path] if os.path.isfile(path) else _images(path)
            inputs = self._read(files, faults)
            block = Block(inputs, None, np.arange(len(files)), shown(path))
        faults.raise_all()
        return block

    def _decoded(self, file: str) -> np.ndarray:
        """The pixels of a file, uint8 (C, H, W)."""
        label = shown(file)
        with opened(file, label) as raw:
            data = raw.read(_FILE + 1)
        if len(data) > _FILE:
            raise _bad(label, f"it is larger than {_FILE >> 20} MiB")
        height, width = self.size
        image = _opened(data, label, _COLOURS[self.colour][0])
        if image.size != (width, height):
            image = image.resize((width, height), resample=2)  # bilinear
        pixels = np.asarray(image, np.uint8)
        return pixels.reshape(height, width, -1).transpose(2, 0, 1)


def _opened(data: bytes, label: str, mode: str) -> Image:
    """An image with pixels of a mode: `L` or `RGB`.

    The size stands in the first bytes: nothing is unpacked that is too large.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # damage that Pillow can do without
            image = Image.open(io.BytesIO(data), formats=_FORMATS)
            width, height = image.size
            if width * height > _PIXELS:
                message = f"it has {width} × {height} pixels, more than {_PIXELS:,}"
                raise _bad(label, message, "make it smaller")
            if image.mode not in _MODES:
                message = f"its pixels are {image.mode}, and those of 8 bits are read"
                raise _bad(label, message, "save it with 8 bits for each colour")
            return image.convert(mode)
    except UnidentifiedImageError:
        raise _bad(label, "it is no image that can be read") from None
    except Image.DecompressionBombError:
        raise _bad(label, "it has too many pixels", "make it smaller") from None
    except Error:
        raise
    except Exception as error:  # decoders raise whatever damage leads them to
        raise _bad(label, f"it is damaged: {error}") from None


def _bad(label: str, message: str, fix: str = "") -> Error:
    fix = fix or f"remove it, or save it as one of {', '.join(_FORMATS)}"
    return Error("data-image", message, place=Place(label), fix=fix)


class _Faults:
    """Gathers what is wrong with files, and raises the first of them and a count."""

    def __init__(self) -> None:
        self._first: list[Error] = []
        self._count = 0

    def add(self, error: Error) -> None:
        self._count += 1
        self._first = [*self._first, error][:LISTED]

    def raise_all(self) -> None:
        raise_all(self._first + more(self._count - len(self._first), self._first))


# ---------------------------------------------------------------- folders


def _listed(folder: str, where: Place | None = None) -> list[str]:
    """What is in a folder, sorted by code point, but for names that begin with a dot.

    Args:
        where: where the config names it.
    """
    try:
        names = [name for name in os.listdir(folder) if not name.startswith(".")]
    except FileNotFoundError:
        raise missing_file(folder, shown(folder), where) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        message = f'cannot read the folder "{shown(folder)}": {reason}'
        raise Error("data-unreadable-file", message, place=where) from None
    return [os.path.join(folder, name) for name in sorted(names)]


def _subfolders(folder: str, where: Place | None = None) -> list[str]:
    return [path for path in _listed(folder, where) if os.path.isdir(path)]


def _plain(folder: str) -> list[str]:
    return [path for path in _listed(folder) if not os.path.isdir(path)]


def _classes(top: str) -> list[str]:
    """The folders of the classes; files beside them belong to none."""
    if loose := _plain(top):
        message = "a file beside the folders of the classes belongs to none of them"
        place = Place(shown(loose[0]))
        fix = "move it into the folder of its class, or away"
        raise Error("data-images", message, place=place, fix=fix)
    return _subfolders(top)


def _name(folder: str) -> str:
    """The class of a folder."""
    name = os.path.basename(folder)
    try:
        name.encode()
    except UnicodeEncodeError:  # a file system may hold any bytes
        message, place = "the name of a class is not Unicode", Place(shown(folder))
        fix = "call the folder otherwise"
        raise Error("data-images", message, place=place, fix=fix) from None
    return name


def _images(folder: str) -> list[str]:
    """The files of a class."""
    if inner := _subfolders(folder):
        message = "a folder inside that of a class"
        fix = "put its files into the folder of the class, or move it away"
        raise Error("data-images", message, place=Place(shown(inner[0])), fix=fix)
    return _plain(folder)
