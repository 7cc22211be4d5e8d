"""Read YAML with a place for every value, within limits, and without surprises.

The text goes through PyYAML's scanner and parser only: no constructor runs, so no text
can make an object. Scalars follow the core schema of YAML 1.2 (section 10.3): `1e-3` is
a number, `on` and `yes` are text. Depth and number of values are counted as they come,
an alias as all that it stands for, so that a small text cannot grow without bound.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path as FilePath
from typing import Any, Literal

from nettrain.component import Path, alike, escaped
from nettrain.config.compose import compose
from nettrain.config.syntax import line_and_column, lines
from nettrain.config.tree import Origin, Source, Tree
from nettrain.disk import read_regular
from nettrain.errors import Error, Place

BYTES = 1 << 20
"""Size of the largest config."""

_NEAR = 3
"""Names of files that a message gives for one that is not there."""
_PATH = 300
"""Characters of a path that a message shows."""


@dataclass(frozen=True)
class Document:
    """One YAML text that was read.

    Attributes:
        tree: its values with their origins.
        text: the text itself.
        faults: errors that reading could go on after: duplicate keys, tags, keys that
            are not text. Whoever uses the values raises them, with those found later.
    """

    tree: Tree
    text: str
    faults: tuple[Error, ...]

    @cached_property
    def value(self) -> Any:
        """The plain value."""
        return self.tree.plain()

    def place(self, path: Path, key: bool = False) -> Place:
        """Where a value or its key stands, or the nearest one above it."""
        return place_in(self.tree, path, key)


def place_in(tree: Tree, path: Path, key: bool = False) -> Place:
    """Where the value at a path stands, or its key, or the nearest above it."""
    node = tree
    for part in path:
        child = node.child(part)
        if child is None:
            return place_of(node, path, key=True)
        node = child
    return place_of(node, path, key)


def place_of(tree: Tree, path: Path, key: bool) -> Place:
    """The place of a tree or of its key.

    Nothing written (`units:`) shows its key, and so does what goes on over lines; not
    a key that stands in another file.
    """
    over_lines = isinstance(tree.value, (dict, tuple)) and tree.origin.width == 1
    at_key = key or over_lines or tree.origin.width == 0
    if at_key and tree.key is None and isinstance(tree.value, dict):
        # An element of a list: `- dense: …` shows `dense`.
        alone = len(tree.value) == 1 or path
        tree = next(iter(tree.value.values()), tree) if alone else tree
    beside = tree.key and (key or tree.key.source is tree.origin.source)
    origin = tree.key if tree.key and at_key and beside else tree.origin
    return origin.place(path)


def read(
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    kind: Literal["file", "extends"] = "file",
    written: str | None = None,
    cited: Place | None = None,
) -> Document:
    """Read a file; arguments as of `text_of`."""
    text, source = text_of(path, name=name, kind=kind, written=written, cited=cited)
    return parse(text, source)


def text_of(
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    kind: Literal["file", "extends"] = "file",
    written: str | None = None,
    cited: Place | None = None,
) -> tuple[str, Source]:
    """The text of a file, and the source that its values come from.

    Args:
        path: of the file.
        name: what messages call it.
        kind: whether it is the config itself, or one that it extends.
        written: the path as another config has it.
        cited: where that stands, for the error.
    """
    shown = name or os.fspath(path)
    try:
        content = read_regular(path, most=BYTES + 1)
    except FileNotFoundError:
        raise _missing(path, written or shown, cited) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        message = f"cannot read {_told(shown)}: {reason}"
        raise Error("config-unreadable", message, place=cited) from None
    source = Source(shown, kind, FilePath(os.path.abspath(path)).parent)
    if len(content) > BYTES:
        message = f"{shown} is larger than {BYTES >> 20} MiB"
        raise Error("config-limit", message, place=Place(shown))
    return _decoded(content, source), source


def parse(text: str, source: Source) -> Document:
    """Read a text."""
    source = Source(source.name, source.kind, source.folder, lines(text))
    tree, faults = compose(text, source)
    return Document(tree, text, faults)


def is_path(text: str) -> bool:
    """Whether a file can be called so."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def _told(path: str) -> str:
    """A path as a message quotes it; of a long one the end."""
    return f'"{"…" if path[_PATH:] else ""}{escaped(path[-_PATH:])}"'


def _missing(path: str | os.PathLike[str], shown: str, cited: Place | None) -> Error:
    folder, wanted = os.path.split(os.fspath(path))
    try:
        there = sorted(os.listdir(folder or os.curdir))
    except OSError:
        there = []
    own = os.path.basename(cited.file) if cited else None
    stems: dict[str, list[str]] = {}
    for name in there:
        if name != own:
            stems.setdefault(os.path.splitext(name)[0], []).append(name)
    nearest = alike(os.path.splitext(wanted)[0], stems)
    close = [name for stem in nearest for name in stems[stem]]
    beside = os.path.dirname(shown)
    near = " or ".join(os.path.join(beside, name) for name in close[:_NEAR])
    fix = f"did you mean {near}?" if near else None
    if not there and folder and not os.path.isdir(folder):
        fix = f"the folder {beside or folder} does not exist"
    message = f"no file {_told(shown)}"
    return Error("config-missing-file", message, place=cited, fix=fix)


def _decoded(content: bytes, source: Source) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode()
        shown = lines(error.object.decode(errors="replace"))
        source = Source(source.name, source.kind, source.folder, shown)
        place = Origin(source, *line_and_column(before)).place()
        message = f"the byte 0x{error.object[error.start]:02X} is not UTF-8"
        fix = "save the file as UTF-8"
        raise Error("config-syntax", message, place=place, fix=fix) from None
