"""Read YAML with a place for every value, within limits, and without surprises.

The text goes through PyYAML's composer only: no constructor runs, so no text can make
an object. Scalars follow the core schema of YAML 1.2 (section 10.3): `1e-3` is a
number, `on` and `yes` are text. Depth and number of values are counted while composing,
and again while aliases and merges are written out, so that a small text cannot grow
without bound.
"""

from __future__ import annotations

import copy
import difflib
import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path as FilePath
from typing import Any, Literal

import yaml

from nettrain.component import Path, show
from nettrain.config.syntax import line_and_column, syntax_error
from nettrain.config.tree import DEPTH, DIGITS, NODES, Origin, Source, Tree
from nettrain.errors import Error, Place

BYTES = 1 << 20
"""Size of the largest config."""

_INTEGER = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}


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

    Nothing written (`units:`) shows its key, and so does what goes on over lines.
    """
    over_lines = isinstance(tree.value, (dict, tuple)) and tree.origin.width == 1
    at_key = key or over_lines or tree.origin.width == 0
    if at_key and tree.key is None and isinstance(tree.value, dict):
        # An element of a list: `- dense: …` shows `dense`.
        tree = next(iter(tree.value.values()), tree) if len(tree.value) == 1 else tree
    origin = (tree.key or tree.origin) if at_key else tree.origin
    return origin.place(path)


def read(
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    kind: Literal["file", "extends"] = "file",
    written: str | None = None,
    cited: Place | None = None,
) -> Document:
    """Read a file.

    Args:
        path: of the file.
        name: what messages call it.
        kind: whether it is the config itself, or one that it extends.
        written: the path as another config has it.
        cited: where that stands, for the error.
    """
    shown = name or os.fspath(path)
    try:
        with open(path, "rb") as file:
            content = file.read(BYTES + 1)
    except FileNotFoundError:
        raise _missing(path, written or shown, cited) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        message = f"cannot read {shown}: {reason}"
        raise Error("config-unreadable", message, place=cited) from None
    source = Source(shown, kind, FilePath(os.path.abspath(path)).parent)
    if len(content) > BYTES:
        message = f"{shown} is larger than {BYTES >> 20} MiB"
        raise Error("config-limit", message, place=Place(shown))
    return _compose(_decoded(content, source), source)


def parse(text: str, source: Source) -> Document:
    """Read a text that came from elsewhere than a file."""
    return _compose(text, source)


def _missing(path: str | os.PathLike[str], shown: str, cited: Place | None) -> Error:
    folder, wanted = os.path.split(os.fspath(path))
    try:
        there = sorted(os.listdir(folder or os.curdir))
    except OSError:
        there = []
    own = os.path.basename(cited.file) if cited else None
    close = difflib.get_close_matches(wanted, set(there) - {own}, n=3, cutoff=0.5)
    beside = os.path.dirname(shown)
    near = " or ".join(os.path.join(beside, name) for name in close)
    fix = f"did you mean {near}?" if near else None
    if not there and folder and not os.path.isdir(folder):
        fix = f"the folder {beside or folder} does not exist"
    message = f'no file "{shown}"'
    return Error("config-missing-file", message, place=cited, fix=fix)


def _decoded(content: bytes, source: Source) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode()
        lines = _lines(error.object.decode(errors="replace"))
        source = Source(source.name, source.kind, source.folder, lines)
        place = Origin(source, *line_and_column(before)).place()
        message = f"the byte 0x{error.object[error.start]:02X} is not UTF-8"
        fix = "save the file as UTF-8"
        raise Error("config-syntax", message, place=place, fix=fix) from None


def _lines(text: str) -> tuple[str, ...]:
    return tuple(text.splitlines())


def _compose(text: str, source: Source) -> Document:
    source = Source(source.name, source.kind, source.folder, _lines(text))
    faults: list[Error] = []
    composer: _Composer | None = None
    try:
        composer = _Composer(text, source, faults)
        node = composer.get_single_node()
    except yaml.YAMLError as problem:
        raise syntax_error(problem, text, source) from None
    except (ValueError, OverflowError):
        # The scanner gives numbers of escapes and directives to int() and chr() as is.
        mark = composer.get_mark() if composer else None
        origin = (
            Origin(source, mark.line + 1, mark.column + 1) if mark else Origin(source)
        )
        message = "a number in an escape or a directive is out of range"
        raise Error("config-syntax", message, place=origin.place()) from None
    if node is None:
        return Document(Tree(None, Origin(source, width=0)), text, ())
    tree = _Converter(source, faults).tree(node, None)
    return Document(tree, text, tuple(faults))


class _Composer(yaml.BaseLoader):
    """PyYAML's composer with limits; it notes tags and where an alias stands."""

    def __init__(self, text: str, source: Source, faults: list[Error]) -> None:
        super().__init__(text)
        self.source, self.faults = source, faults
        self.depth = self.nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            # The copy shares the content of the anchor's node and stands at the alias.
            node = copy.copy(super().compose_node(parent, index))
            node.start_mark, node.end_mark = event.start_mark, event.end_mark
            return node
        self.nodes += 1
        self.depth += 1
        _within(self.depth, self.nodes, _origin(self.source, event))
        if event.tag is not None:
            self.faults.append(_tag(event, self.source))
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _within(depth: int, nodes: int, origin: Origin) -> None:
    if depth > DEPTH:
        message = f"nested deeper than {DEPTH} levels"
        raise Error("config-limit", message, place=origin.place())
    if nodes > NODES:
        message = f"more than {NODES:,} values, aliases and merges written out"
        raise Error("config-limit", message, place=origin.place())


def _origin(source: Source, marked: Any) -> Origin:
    """The stretch of a node or event; what goes on over lines shows its beginning."""
    start, end = marked.start_mark, marked.end_mark
    one_line = end is not None and end.line == start.line
    width = end.column - start.column if one_line else 1
    return Origin(source, start.line + 1, start.column + 1, width)


def _tag(event: Any, source: Source) -> Error:
    start = _origin(source, event)
    line = source.lines[start.line - 1] if start.line <= len(source.lines) else ""
    written = re.match(r"\S*", line[start.column - 1 :])
    width = max(1, len(written[0]) if written else 1)
    place = Origin(source, start.line, start.column, width).place()
    message = f"the tag {show(written[0] if written else event.tag)} is not allowed"
    fix = "write the plain value; components are called by name"
    return Error("config-tag", message, place=place, fix=fix)


class _Converter:
    """Writes composed nodes out as a tree: scalars read, aliases and merges copied."""

    def __init__(self, source: Source, faults: list[Error]) -> None:
        self.source, self.faults = source, faults
        self.nodes = 0
        self.open: set[int] = set()

    def tree(self, node: yaml.Node, key: Origin | None) -> Tree:
        self.nodes += 1
        origin = _origin(self.source, node)
        _within(len(self.open) + 1, self.nodes, origin)
        if isinstance(node, yaml.ScalarNode):
            return Tree(self._scalar(node, origin), origin, key)
        if id(node.value) in self.open:
            message = "an alias stands inside the value that it names"
            raise Error("config-alias", message, place=origin.place())
        self.open.add(id(node.value))
        value: Any
        if isinstance(node, yaml.SequenceNode):
            value = tuple(self.tree(item, None) for item in node.value)
        else:
            value = self._mapping(node)
        self.open.discard(id(node.value))
        return Tree(value, origin, key)

    def _mapping(self, node: yaml.Node) -> dict[str, Tree]:
        """The pairs of a mapping; its own keys win over those that `<<` merges in."""
        own: dict[str, Tree] = {}
        merge: dict[str, Tree] = {}
        for key_node, value_node in node.value:
            origin = _origin(self.source, key_node)
            key = self._key(key_node, origin)
            held = merge if key == "<<" and key_node.style is None else own
            if key in held:
                self._twice(key, held[key], origin)
            elif key is not None:
                held[key] = self.tree(value_node, origin)
        return {**self._merged(merge["<<"]), **own} if merge else own

    def _twice(self, key: str, first: Tree, origin: Origin) -> None:
        message = f"the key {show(key)} stands twice in this mapping"
        if first.key and self.source.kind != "command line":
            message += f", first in line {first.key.line}"
        self._fault("config-duplicate-key", message, origin, "remove one of the two")

    def _merged(self, merge: Tree) -> dict[str, Tree]:
        """What `<<` brings in; of several mappings the earlier wins (YAML 1.1)."""
        members = merge.value if isinstance(merge.value, tuple) else (merge,)
        merged: dict[str, Tree] = {}
        for member in reversed(members):
            if isinstance(member.value, dict):
                merged.update(member.value)
            else:
                message = f"<< merges mappings, got {show(member.plain())}"
                self._fault("config-type", message, member.origin)
        return merged

    def _key(self, node: yaml.Node, origin: Origin) -> str | None:
        """A key, or None with a fault noted where it is not text."""
        self.nodes += 1
        value = None
        if isinstance(node, yaml.ScalarNode):
            value = self._scalar(node, origin)
            if isinstance(value, str):
                return value
        written = node.value if isinstance(node, yaml.ScalarNode) else ""
        what = show(value) if written else "nothing"
        if not isinstance(node, yaml.ScalarNode):
            what = "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"
        fix = f'write it in quotes: "{written}"' if written else None
        self._fault("config-key", f"a key must be text, got {what}", origin, fix)
        return None

    def _scalar(self, node: yaml.ScalarNode, origin: Origin) -> Any:
        """A plain scalar by the core schema of YAML 1.2; a quoted one is text."""
        text: str = node.value
        if node.style is not None:
            return text
        if len(text) > DIGITS and (_INTEGER.fullmatch(text) or _BASED.fullmatch(text)):
            message = f"an integer of {len(text)} digits; the longest read has {DIGITS}"
            self._fault("config-limit", message, origin)
            return 0
        return scalar(text)

    def _fault(
        self, code: str, message: str, origin: Origin, fix: str | None = None
    ) -> None:
        self.faults.append(Error(code, message, place=origin.place(), fix=fix))


def scalar(text: str) -> Any:
    """What an unquoted scalar means: null, true, false, a number or text."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    return float(text) if _FLOAT.fullmatch(text) else text
